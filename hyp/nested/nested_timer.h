/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two timers of a virtual EL2, physical and virtual (CNTHP, CNTHV; ARM DDI 0487, D12). Both are
 * records: accesses trap (CNTHCTL_EL2.EL1PCTEN and EL1TVT, the names at EL2 always), and the alarm
 * of timer/timer.h is set to the earlier of their times. CNTVOFF_EL2 does not count at EL2, so both
 * compare with the physical count.
 *
 * The VM's own offset (vm->cntvoff) does not count at any level: EL2 sees the physical count, and
 * takes EL1's virtual count for that less its CNTVOFF_EL2.
 *
 * EL1's virtual timer is the hardware's while EL1 is, and a third record while EL2 is. Its interrupt
 * is the VM's PPI 27 in either case, for EL1 or EL2 as HCR_EL2.IMO says.
 *
 * Without FEAT_ECV two kinds of accesses at EL2 do not trap ("native timers"):
 *
 *	CNTV_*_EL0                 EL2's virtual timer by EL1's name: the hardware's EL1 virtual timer
 *	CNT{P,V}_{CTL,CVAL}_EL02   EL1's: the CPU redirects them to the page
 *
 * So while EL2 runs the hardware's timer is EL2's virtual one, and its physical PPI 27 stands for the
 * VM's PPI 28, active as long as that is high. At each exit both kinds go to the records, and all
 * else is as with FEAT_ECV; at each entry of EL2 they come back, EL1's with ISTATUS. What the guest
 * writes to EL1's timers has an effect from its next exit on, and ISTATUS is as of its last entry.
 *
 * Without VHE (nested->nvhe) EL2 has a physical timer alone, and EL1's virtual one stays in the
 * hardware in both contexts, with the CNTVOFF_EL2 of the last entry, and from EL2's next long exit on
 * with the one that is in the page then. There is FEAT_ECV then.
 */
#ifndef KEEL_NESTED_NESTED_TIMER_H
#define KEEL_NESTED_NESTED_TIMER_H

#include <vm/vm.h>

/**
 * nested_timer_access() - the guest's access to a timer register
 * @vcpu:     loaded here
 * @encoding: a name of EL2, or CNTP_*_EL0 or CNTV_*_EL0, as used in the context NESTED_EL2, or
 *            EL1's timers by *_EL02
 * @value:    to write; what was read
 *
 * Return: whether it is such a register.
 */
bool nested_timer_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value);

/**
 * nested_timer_access_nvhe() - CNTP_*_EL0, CNTV_*_EL0 and CNTVCT_EL0 at an EL2 without VHE: EL1's
 *
 * Only with FEAT_ECV. Return: whether it is one of these.
 */
bool nested_timer_access_nvhe(struct vcpu *vcpu, u32 encoding, bool read, u64 *value);

/* Boot CPU, once. @has_ecv: every CPU has FEAT_ECV. */
void nested_timer_init(bool has_ecv);

/* Written by nested_timer_init(). */
extern bool nested_native_timers;

static inline bool nested_timers_are_native(void)
{
	return nested_native_timers;
}

/* Set the levels of the records' PPIs, and the alarm. Loaded. Return: whether one was due. */
bool nested_timer_update(struct vcpu *vcpu);

/* The count at which the next of them fires, if the guest would then wake; ~0 for never. */
u64 nested_timer_deadline(struct vcpu *vcpu);

/* EL1's virtual timer, out of the hardware and into it. Loaded; list registers are then old. */
void nested_timer_leave_el1(struct vcpu *vcpu);
void nested_timer_enter_el1(struct vcpu *vcpu);

/* Native timers: into the hardware, before each entry of EL2; out of it, when the run ends. Loaded. */
void nested_timer_bring_in(struct vcpu *vcpu);
void nested_timer_leave(struct vcpu *vcpu);

/* The registers have been reset, so all are off; loaded or not. */
void nested_timer_reset(struct vcpu *vcpu);

#endif
