/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: the world switch, the run loop, and what the layers above add to it.
 *
 * KEEL_HC_VCPU_RUN loads the guest's state onto this CPU (vcpu_load), enters the guest as often as
 * EL2 can finish its exits, and puts the state back (vcpu_put) when the host is needed. Between two
 * entries only what an exit handler asks for is touched: the guest's EL1 registers stay in the
 * hardware, and the handlers reach them with vcpu_read_sysreg() and vcpu_write_sysreg(), which know
 * where a register is.
 */
#ifndef KEEL_VM_RUN_H
#define KEEL_VM_RUN_H

#include <arch/ich.h>
#include <vm/exit.h>
#include <vm/vm.h>

/**
 * struct vcpu_hooks - what a layer above does at the points of the run loop
 *
 * Registered once, at boot, by trap/, vgic/ and timer/. All run on the vCPU's CPU, which owns it,
 * with interrupts masked. Any may be NULL. Called in order of registration (load, enter) or in the
 * opposite order (put).
 *
 * @load:    the vCPU comes to this CPU: put hardware state in place
 * @put:     it leaves: take hardware state out, leave nothing behind that the host could notice
 * @resume:  once a KEEL_HC_VCPU_RUN, after load: finish what userspace was asked for. VCPU_RESUME,
 *           or an exit at once
 * @enter:   before every entry of the guest. VCPU_RESUME, or an exit in place of the entry
 * @exits:   what to do about synchronous exceptions from the guest: ESR_EC_COUNT functions, by
 *           class, for what no stage (vm/exit.h) has taken. A class is one layer's alone. VCPU_RESUME, an exit, or VCPU_NOT_MINE, which
 *           becomes KEEL_EXIT_FAIL, as it does where there is no function
 * @irq:     a physical interrupt is pending; VCPU_RESUME if EL2 has dealt with it, else
 *           VCPU_NOT_MINE, which becomes KEEL_EXIT_IRQ
 * @pending: whether an interrupt waits for the vCPU, so that WFI does not block
 * @deadline: the counter value at which something will happen to it (a timer), ~0 for never
 * @reset:   KEEL_HC_VCPU_INIT: state as after reset; not on its CPU
 */
struct vcpu_hooks {
	void (*load)(struct vcpu *vcpu);
	void (*put)(struct vcpu *vcpu);
	enum vcpu_action (*resume)(struct vcpu *vcpu);
	enum vcpu_action (*enter)(struct vcpu *vcpu);
	vcpu_exit_handler *const *exits;
	enum vcpu_action (*irq)(struct vcpu *vcpu);
	bool (*pending)(struct vcpu *vcpu);
	u64 (*deadline)(struct vcpu *vcpu);
	void (*reset)(struct vcpu *vcpu);
};

#define VCPU_HOOKS_MAX 8

/* Register a layer; boot CPU. */
void vcpu_add_hooks(const struct vcpu_hooks *hooks);

/**
 * vcpu_run() - KEEL_HC_VCPU_RUN: run a vCPU here until the host is needed
 * @vcpu: owned by this CPU (vcpu_take()), initialized
 *
 * Return: one of enum keel_exit, its part of the run page filled.
 */
int vcpu_run(struct vcpu *vcpu);

/**
 * vcpu_reset() - KEEL_HC_VCPU_INIT's reset: registers and what the hooks keep
 * @vcpu: owned by this CPU
 */
void vcpu_reset(struct vcpu *vcpu);

/**
 * vcpu_take() - become the owner of a vCPU: nobody else runs it or touches its registers
 *
 * Return: 0; -EBUSY if another CPU owns it.
 */
int __must_check vcpu_take(struct vcpu *vcpu);
void vcpu_drop(struct vcpu *vcpu);

/**
 * vcpu_read_sysreg(), vcpu_write_sysreg() - a guest system register, wherever it is
 *
 * By the owner. In the hardware while loaded, in the register file otherwise.
 */
u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg);
void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);

/* Make the guest take an exception to EL1 at its current instruction (cpu/inject.h's rules). */
void vcpu_inject(struct vcpu *vcpu, u64 esr, u64 far);
void vcpu_inject_undef(struct vcpu *vcpu);
void vcpu_inject_external_abort(struct vcpu *vcpu, u64 esr, u64 far);

/* For WFI: whether any layer has an interrupt for it; and when the next timer fires (~0: never). */
bool vcpu_has_pending(struct vcpu *vcpu);
u64 vcpu_deadline(struct vcpu *vcpu);

/* Step over the instruction that trapped. */
static inline void vcpu_skip_instruction(struct vcpu *vcpu)
{
	vcpu->regs.pc += 4;
}

/* Xn as an operand: register 31 reads as zero, and writes to it are lost. */
static inline u64 vcpu_get_x(const struct vcpu *vcpu, unsigned int n)
{
	return n == 31 ? 0 : vcpu->regs.x[n];
}

static inline void vcpu_set_x(struct vcpu *vcpu, unsigned int n, u64 value)
{
	if (n != 31)
		vcpu->regs.x[n] = value;
}

/**
 * vcpu_kick() - there is something for @vcpu to see
 *
 * By anyone, after the something has been written. The caller interrupts the CPU if it has to.
 *
 * A fence on either side between writing and looking (here, in vcpu_run() when the vCPU arrives,
 * and in vcpu_answer_kick()) sees to it that the vCPU finds what was written, or the caller finds
 * the vCPU where it is by then. On its way out the vCPU exchanges @place, so a kick is either
 * before that, and it does not sleep, or finds VCPU_WAITS.
 *
 * Return: the place it was in. VCPU_HERE: it is kicked now, on vcpu->cpu; VCPU_WAITS: its thread is
 * to be woken; VCPU_KICKED, VCPU_AWAY: nothing is to be done.
 */
static inline enum vcpu_place vcpu_kick(struct vcpu *vcpu)
{
	u32 place = VCPU_HERE;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_compare_exchange_n(&vcpu->place, &place, VCPU_KICKED, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
	return (enum vcpu_place)place;
}

static inline bool vcpu_is_kicked(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->place, __ATOMIC_RELAXED) == VCPU_KICKED;
}

/* By the owner, before it looks. Return: whether it was kicked. */
static inline bool vcpu_answer_kick(struct vcpu *vcpu)
{
	if (!vcpu_is_kicked(vcpu))
		return false;
	__atomic_store_n(&vcpu->place, VCPU_HERE, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return true;
}

/**
 * vcpu_host_waits() - whether an interrupt that EL2 has dealt with is the host's turn nevertheless
 *
 * At the end of each exit by an interrupt that would enter the guest again. Others can send kicks
 * as fast as they are answered, and a kick hides what of the host's is pending too. So where the
 * guest has come no further since the last such exit and something is still pending, the host
 * looks. (The first time it is not believed: a reason that was taken away just now may still be
 * seen.)
 */
static inline bool vcpu_host_waits(struct vcpu *vcpu)
{
	bool stuck = vcpu->irq_pc == vcpu->regs.pc;

	vcpu->irq_pc = vcpu->regs.pc;
	return stuck && interrupt_waits();
}

/* Say to the host that @vcpu's thread is to be woken when this run returns. */
void vcpu_wake(struct vcpu *runner, const struct vcpu *vcpu);

#endif
