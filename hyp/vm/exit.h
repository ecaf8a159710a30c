/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who handles an exit.
 *
 * When an exception has left a guest, three kinds of code are asked in this order whether they
 * handle it:
 *
 *	the fast exit	of the vCPU, if it has one: from assembly, before most registers are saved
 *	its early exit	likewise, for other exceptions: after the general registers are saved
 *	its stages	layers that see every exit of the vCPUs that have them, in stages' order
 *	the handlers	the hooks of struct vcpu_hooks: by exception class, or for interrupts
 *
 *	          guest                                           guest
 *	            │ exception                                     ^
 *	            v                                               │ ERET
 *	 fast or early exit ── done ────────────────────────────────┤
 *	            │ not done                                      │
 *	            v                                               │
 *	  .exit of stage 0 ── VCPU_AT_ONCE ─────────────────────────┤
 *	            │                                               │
 *	  .exit of stage 1 ── its own ──┐                  .enter of stage 0
 *	            │                   │                  .enter of stage 1
 *	        handler                 │                           │
 *	            └────── .handled of stage 1 ── VCPU_RESUME ── hooks' .enter
 *	                    .handled of stage 0
 *	                                └── an exit of enum keel_exit: back to the host
 *
 * The hooks' .enter are called if vcpu->attention is set (run.h). A vCPU without stages costs one test
 * of a NULL pointer (enter.S), after which its handler is called.
 */
#ifndef KEEL_VM_EXIT_H
#define KEEL_VM_EXIT_H

#include <keel/hypercall.h>
#include <lib/esr.h>
#include <vm/vm.h>

/*
 * enum vcpu_action - what happens after an exit, or in place of an entry
 *
 * Any value that is not negative is one of enum keel_exit: the run ends with that exit.
 */
enum vcpu_action {
	/* Only from a register's write: exit to the host, then repeat the instruction. */
	VCPU_AGAIN = -4,
	/*
	 * Only from stage 0: enter the guest at once, without asking anybody else. For an exit by
	 * an interrupt only while vcpu_host_waits() is false.
	 */
	VCPU_AT_ONCE = -3,
	/* The function that was asked has changed nothing: ask the next one. */
	VCPU_NOT_MINE = -2,
	/* The exit is handled: enter the guest again. enter.S uses the number. */
	VCPU_RESUME = -1,
	VCPU_TO_HOST = 0, /* and above: see vcpu_to_host() */
};

static inline enum vcpu_action vcpu_to_host(enum keel_exit why)
{
	return (enum vcpu_action)((int)VCPU_TO_HOST + (int)why);
}

/* The vector by which a guest was left: set by vectors.S, passed on by enter.S. */
enum guest_exit_kind { GUEST_SYNC, GUEST_IRQ, GUEST_FIQ, GUEST_SERROR };

/* All stages, in the order in which they see an exit. */
enum exit_stage_id { EXIT_STAGE_SPE, EXIT_STAGE_NESTED, EXIT_STAGE_NESTED_NVHE, EXIT_STAGE_COUNT };

STATIC_ASSERT(EXIT_STAGE_COUNT - 1 <= VCPU_STAGES_MAX,
	      "vcpu->stages[] has room for all: an EL2 is with VHE or without");

typedef enum vcpu_action vcpu_exit_handler(struct vcpu *vcpu, u64 esr);

/* By exception class, without gaps. A class that no layer handles is VCPU_NOT_MINE. */
struct exit_handlers {
	vcpu_exit_handler *of[ESR_EC_COUNT];
};

/**
 * struct exit_stage - a layer that sees every exit of the vCPUs that have it
 *
 * All functions but @wanted run on the CPU that owns the vCPU, loaded, with interrupts masked.
 *
 * @wanted:  whether @vcpu has this stage; asked at KEEL_HC_VCPU_INIT
 * @exit:    the guest was left. VCPU_NOT_MINE: the next stage is asked, and at last the handlers;
 *           the outermost stage may return VCPU_AT_ONCE; any other result is the action of this
 *           exit, and neither later stages nor the handlers see the exit
 * @handled: called for each stage that saw the exit, the last one first, with the action so far.
 *           Return: @action, or another action in its place
 * @enter:   before every entry, after the hooks' .enter, the last stage first. VCPU_RESUME, or an
 *           exit in place of the entry
 * @leave:   the run ends after an entry was prepared; NULL if it need not know
 * @fast:    the fast exit, or NULL; one stage of a vCPU can have one. enter.S calls it for a
 *           synchronous exception of one of @fast_classes from EL1 or EL0, while x12 to x29 hold the
 *           guest's values: it is compiled not to use them (mk/hyp.mk), and has no frame. Return:
 *           @vcpu if the exit is handled, with ELR_EL2 and SPSR_EL2 set for the guest; NULL if
 *           nothing has changed
 * @early:   the early exit, or NULL; only beside @fast. enter.S calls it for a synchronous exception
 *           of one of @early_classes from EL1 or EL0. vcpu->regs has the guest's general registers,
 *           and what is written there counts; its pc and PSTATE are in ELR_EL2 and SPSR_EL2, and
 *           vcpu->regs has other ones. Return: whether the exit is handled, with ELR_EL2 and
 *           SPSR_EL2 set for the guest; if not, @exit is next, and neither registers nor pc nor
 *           PSTATE have changed, nor has ESR_EL2. So what may fault (arch/extable.h) is followed by
 *           a restoration of all three
 */
struct exit_stage {
	bool (*wanted)(const struct vcpu *vcpu);
	enum vcpu_action (*exit)(struct vcpu *vcpu, enum guest_exit_kind kind);
	enum vcpu_action (*handled)(struct vcpu *vcpu, enum vcpu_action action);
	enum vcpu_action (*enter)(struct vcpu *vcpu);
	void (*leave)(struct vcpu *vcpu);
	struct vcpu *(*fast)(struct vcpu *vcpu);
	u64 fast_classes; /* BIT(exception class) */
	bool (*early)(struct vcpu *vcpu);
	u64 early_classes;
};

/* Register a stage; @stage must stay valid. Boot CPU, once for each, before the first VM. */
void exit_set_stage(enum exit_stage_id id, const struct exit_stage *stage);

/* ---- inside vm/ ---- */

struct vcpu_hooks;

/* The part of vcpu_add_hooks() that concerns exits. */
void exit_add_hooks(const struct vcpu_hooks *hooks);

/* At reset: which stages @vcpu has, by .wanted. By the owner, not loaded. */
void exit_choose_stages(struct vcpu *vcpu);

/* Call .enter of hooks and stages. Loaded. Return: VCPU_RESUME, or an exit instead of the entry. */
enum vcpu_action exit_prepare_entry(struct vcpu *vcpu);

/* Call .leave of the stages: an entry that was prepared is not made, or the run ends. Loaded. */
void exit_leave(struct vcpu *vcpu);

/* An SError was found when the vCPU is put: log it and pass it to its owner. Loaded. */
void exit_take_serror(struct vcpu *vcpu);

#endif
