/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a vCPU: the world switch, the run loop, and what the layers above add to it.
 *
 * KEEL_HC_VCPU_RUN loads the guest's state onto this CPU (load), enters the guest again after each
 * exit that EL2 can handle, and restores the host's state (put) when the host is needed. Between
 * two entries the guest's EL1 registers stay in the hardware. Handlers access them with
 * vcpu_read_sysreg() and vcpu_write_sysreg(), which know where a register is.
 */
#ifndef KEEL_VM_RUN_H
#define KEEL_VM_RUN_H

#include <arch/ich.h>
#include <vm/exit.h>
#include <vm/vm.h>

/**
 * struct vcpu_hooks - what a layer above does at the points of a run
 *
 * Registered once, at boot, by trap/, vgic/, timer/ and spe/. All run on the CPU that owns the
 * vCPU, with interrupts masked. Any may be NULL. Called in order of registration (load, enter) or
 * in the reverse order (put).
 *
 * @load:    the vCPU is loaded: write the layer's hardware state
 * @put:     the vCPU is put: save the hardware state, and leave nothing that the host could see
 * @resume:  once in each run, after load: finish what the host was asked for by the last exit.
 *           VCPU_RESUME, or an exit, which ends the run
 * @enter:   before an entry of the guest, if vcpu->attention is set, which the layer then clears or
 *           not. VCPU_RESUME, or an exit in place of the entry
 * @exits:   the handlers of synchronous exceptions that no stage (vm/exit.h) has taken:
 *           ESR_EC_COUNT functions, by class. Only one layer can have a handler for a class.
 *           VCPU_RESUME, an exit, or VCPU_NOT_MINE, which becomes KEEL_EXIT_FAIL, as does a class
 *           without a handler
 * @irq:     a physical interrupt is pending; VCPU_RESUME if EL2 has handled it, else VCPU_NOT_MINE,
 *           which becomes KEEL_EXIT_IRQ
 * @pending: whether an interrupt waits for the vCPU, so that WFI does not block
 * @deadline: the counter value at which its next timer fires, ~0 for never
 * @reset:   KEEL_HC_VCPU_INIT: set the state to its reset values; the vCPU is not loaded
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
 * Return: one of enum keel_exit, its part of the run page filled; -EFAULT: the run page has failed,
 * and the vCPU cannot run any more.
 */
int vcpu_run(struct vcpu *vcpu);

/**
 * vcpu_reset() - KEEL_HC_VCPU_INIT's reset: registers and what the hooks keep
 * @vcpu: owned by this CPU
 */
void vcpu_reset(struct vcpu *vcpu);

/**
 * vcpu_change_s2() - let a vCPU run in another context from now on
 * @vcpu: owned by this CPU; loaded or not
 * @to:   of the same VM; it stays valid while the vCPU is in it
 *
 * No stage2.lock held. Between this and the next entry an ISB is the caller's, for instructions at
 * EL2 that use the registers.
 */
void vcpu_change_s2(struct vcpu *vcpu, struct s2_context *to);

/**
 * vcpu_take() - make this CPU the owner of a vCPU: no other runs it or touches its registers
 *
 * Return: 0; -EBUSY if a CPU owns it already.
 */
int __must_check vcpu_take(struct vcpu *vcpu);

/* The end of vcpu_take(): by the owner, not loaded. */
void vcpu_drop(struct vcpu *vcpu);

/**
 * vcpu_read_sysreg(), vcpu_write_sysreg() - access a system register of a guest
 *
 * By the owner. The register is in the hardware while the vCPU is loaded, in the register file
 * otherwise.
 */
u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg);
void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);

/* Make the guest take an exception to EL1 at its current instruction (cpu/inject.h's rules). */
void vcpu_inject(struct vcpu *vcpu, u64 esr, u64 far);
void vcpu_inject_undef(struct vcpu *vcpu);
void vcpu_inject_external_abort(struct vcpu *vcpu, u64 esr, u64 far);

/*
 * Set a function that is asked first what becomes of an exception that vcpu_inject() makes a vCPU
 * with vcpu->nested take. It returns whether its EL2 takes it; else EL1 does. Boot CPU, once.
 */
void vcpu_set_el2_inject(bool (*inject)(struct vcpu *vcpu, u64 esr, u64 far));

/*
 * For WFI: whether a layer has an interrupt for the vCPU, and the counter value at which the next
 * timer fires (~0: never). By the owner.
 */
bool vcpu_has_pending(struct vcpu *vcpu);
u64 vcpu_deadline(struct vcpu *vcpu);

/* Xn as an operand: register 31 reads as zero and ignores writes. */
static inline u64 vcpu_get_x(const struct vcpu *vcpu, unsigned int n)
{
	return n == 31 ? 0 : vcpu->regs.x[n];
}

static inline void vcpu_set_x(struct vcpu *vcpu, unsigned int n, u64 value)
{
	if (n != 31)
		vcpu->regs.x[n] = value;
}

/*
 * Have the hooks' .enter called before the next entry. By any CPU, after what they are to find: who
 * sees the flag sees that too. A CPU that enters the guest meanwhile may miss it (vcpu_kick()).
 */
static inline void vcpu_set_attention(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->attention, true, __ATOMIC_RELEASE);
}

static inline bool vcpu_has_attention(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->attention, __ATOMIC_RELAXED);
}

/**
 * vcpu_kick() - make @vcpu look for what the caller has written for it
 *
 * By any CPU, after the write. The caller interrupts the vCPU's CPU if the result says so.
 *
 *      sender:   write what is new   fence   read place (here)
 *      vCPU:     write place         fence   read what is new (vcpu_run(), vcpu_answer_kick())
 *
 * At least one of them sees the other's write. When the vCPU leaves its CPU it exchanges @place: a
 * kick before that is in the old value, and the vCPU does not sleep; a kick after it finds
 * VCPU_WAITS or VCPU_AWAY.
 *
 * Return: the run state before. VCPU_HERE: now VCPU_KICKED, interrupt vcpu->cpu; VCPU_WAITS: wake
 * the vCPU's thread; VCPU_KICKED, VCPU_AWAY: do nothing.
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

/* By the owner, before it looks for what is new. Return: whether the vCPU was kicked. */
static inline bool vcpu_answer_kick(struct vcpu *vcpu)
{
	if (!vcpu_is_kicked(vcpu))
		return false;
	__atomic_store_n(&vcpu->place, VCPU_HERE, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return true;
}

/**
 * vcpu_host_waits() - whether the run must end although EL2 has handled the interrupt
 *
 * At the end of each exit by an interrupt after which the guest would be entered again. Other CPUs
 * can send kicks as fast as this one answers them, and a kick hides an interrupt of the host that
 * is pending beside it. So if the guest's PC has not changed since the last such exit, and an
 * interrupt is still pending, the host gets the CPU. One observation is not enough: a line that
 * EL2 has just lowered may be visible a moment longer.
 */
static inline bool vcpu_host_waits(struct vcpu *vcpu)
{
	bool stuck = vcpu->irq_pc == vcpu->regs.pc;

	vcpu->irq_pc = vcpu->regs.pc;
	return stuck && interrupt_waits();
}

/* Tell the host, by @runner's run page, to wake @vcpu's thread when @runner's run returns. */
void vcpu_wake(struct vcpu *runner, const struct vcpu *vcpu);

/* Tell the host, in the same way, that the guest has ended the interrupt @intid: KEEL_LINE_REPORT. */
void vcpu_tell_ended(struct vcpu *runner, u32 intid);

#endif
