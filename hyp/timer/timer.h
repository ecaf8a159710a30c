/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's timers: the virtual one is the hardware's, the physical one is emulated.
 * docs/timers.md.
 */
#ifndef KEEL_TIMER_TIMER_H
#define KEEL_TIMER_TIMER_H

#include <arch/regs.h>
#include <arch/timer.h>
#include <vm/vm.h>

/* EL2's physical timer, CNTHP (BSA: INTID 26) */
#define TIMER_PPI_EL2 26

/*
 * EL2 wants the CPU back at @at, a value of CNTPCT_EL0, or never if it is 0: an interrupt comes at
 * that time, whatever the guest masks. Replaces the alarm that was set before. @vcpu is loaded
 * here.
 */
void timer_set_alarm(struct vcpu *vcpu, u64 at);

/*
 * Whether EL2's timer is used by the alarm only, and not by the guest's physical timer. Stays so
 * until the guest's next exit.
 */
static inline bool timer_is_alarms(const struct vcpu *vcpu)
{
	return !(vcpu->sysreg[CNTP_CTL_EL0] & 1) && !vcpu->ptimer_level;
}

/* timer_set_alarm(), faster, where timer_is_alarms(). */
static inline void timer_move_alarm(struct vcpu *vcpu, u64 at)
{
	vcpu->alarm = at;
	cnthp_move(at);
}

/* Register with the run loop. Boot CPU, once. */
void timer_init(void);

/* Start a new VM's virtual counter at 0. Before any of its vCPUs runs. */
void timer_vm_init(struct vm *vm);

/**
 * timer_read_sysreg(), timer_write_sysreg() - the guest's trapped access to its physical timer
 * @vcpu:     loaded on this CPU
 * @encoding: of a CNTP_*_EL0; others read as zero and ignore writes
 *
 * CNTP_CTL_EL0.ISTATUS is computed at the read; a write takes effect at once, on the level of PPI
 * 30 too. No lock may be held.
 */
u64 timer_read_sysreg(struct vcpu *vcpu, u32 encoding);
void timer_write_sysreg(struct vcpu *vcpu, u32 encoding, u64 value);

#endif
