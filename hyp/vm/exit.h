/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done about an exit, and by whom.
 *
 * A guest was left by an exception. Three kinds of code may know what to do about it, and are asked
 * in this order:
 *
 *	the fast exit	of the vCPU, if it has one: from assembly, before most registers are saved
 *	its stages	layers that see every exit of the vCPUs that have them, in stages' order
 *	the handlers	the hooks of struct vcpu_hooks: by exception class, or for interrupts
 *
 *	          guest                                           guest
 *	            │ exception                                     ^
 *	            v                                               │ ERET
 *	   fast exit ── done ───────────────────────────────────────┤
 *	            │ not usual                                     │
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
 * A vCPU without stages pays for two looks at NULL pointers (enter.S, vcpu_exit()).
 */
#ifndef KEEL_VM_EXIT_H
#define KEEL_VM_EXIT_H

#include <keel/hypercall.h>
#include <vm/vm.h>

/*
 * enum vcpu_action - what is to be done after an exit, or in place of an entry
 *
 * Any value that is not negative is one of enum keel_exit: the host is needed for that.
 */
enum vcpu_action {
	/* Of a register's write alone: the instruction is to be repeated, the host first. */
	VCPU_AGAIN = -4,
	/*
	 * Of stage 0 alone: the guest goes on as if it had not been left, and nobody else is asked.
	 * Of an exit by an interrupt only while vcpu_host_waits() is false.
	 */
	VCPU_AT_ONCE = -3,
	/* Whoever was asked has done nothing: ask the next one. */
	VCPU_NOT_MINE = -2,
	/* It is done: enter the guest again. enter.S knows the number. */
	VCPU_RESUME = -1,
	VCPU_TO_HOST = 0, /* and above: see vcpu_to_host() */
};

static inline enum vcpu_action vcpu_to_host(enum keel_exit why)
{
	return (enum vcpu_action)((int)VCPU_TO_HOST + (int)why);
}

/* How a guest was left: vectors.S says it, enter.S hands it on. */
enum guest_exit_kind { GUEST_SYNC, GUEST_IRQ, GUEST_FIQ, GUEST_SERROR };

/* The stages that there are, in the order in which they see an exit. */
enum exit_stage_id { EXIT_STAGE_SPE, EXIT_STAGE_COUNT };

STATIC_ASSERT(EXIT_STAGE_COUNT <= VCPU_STAGES_MAX, "struct vcpu has a place for each");

typedef enum vcpu_action vcpu_exit_handler(struct vcpu *vcpu, u64 esr);

/**
 * struct exit_stage - a layer that sees every exit of the vCPUs that have it
 *
 * All functions run on the vCPU's CPU, which owns it, loaded, with interrupts masked.
 *
 * @wanted:  whether @vcpu has this stage; asked at KEEL_HC_VCPU_INIT
 * @exit:    the guest was left. VCPU_NOT_MINE: the next stage is asked, and at last the handlers;
 *           the outermost stage may say VCPU_AT_ONCE; anything else is what is done, and neither
 *           later stages nor the handlers see this exit
 * @handled: each stage that saw the exit, the last one first, once it is known what is done:
 *           @action, or another action in its place
 * @enter:   before every entry, after the hooks' .enter, the last stage first. VCPU_RESUME, or an
 *           exit in place of the entry
 * @fast:    the fast exit, or NULL; one stage of a vCPU can have one. enter.S calls it for a
 *           synchronous exception of class @fast_class from EL1 or EL0, while x12 to x29 are the
 *           guest's: it is compiled without them (mk/hyp.mk), and is a leaf as far as frames are
 *           concerned. Return: @vcpu if the exit is done and ELR_EL2, SPSR_EL2 are as the guest
 *           goes on; NULL if nothing has changed
 */
struct exit_stage {
	bool (*wanted)(const struct vcpu *vcpu);
	enum vcpu_action (*exit)(struct vcpu *vcpu, enum guest_exit_kind kind);
	enum vcpu_action (*handled)(struct vcpu *vcpu, enum vcpu_action action);
	enum vcpu_action (*enter)(struct vcpu *vcpu);
	struct vcpu *(*fast)(struct vcpu *vcpu);
	unsigned int fast_class;
};

/* Register a stage; it is kept. Boot CPU, once each, before the first VM. */
void exit_set_stage(enum exit_stage_id id, const struct exit_stage *stage);

/* ---- inside vm/ ---- */

struct vcpu_hooks;

/* The part of vcpu_add_hooks() that concerns exits. */
void exit_add_hooks(const struct vcpu_hooks *hooks);

/* At reset: which stages @vcpu has, by .wanted. By the owner, not loaded. */
void exit_choose_stages(struct vcpu *vcpu);

/* The hooks' and the stages' .enter. Loaded. VCPU_RESUME, or an exit in place of the entry. */
enum vcpu_action exit_prepare_entry(struct vcpu *vcpu);

/* A virtual SError was found as the guest was left for the host: whose it is, and what is told. */
void exit_take_serror(struct vcpu *vcpu);

#endif
