/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the emulation gets control on a CPU without SPE. An access to SPE's registers is UNDEFINED at
 * EL1 there, and does not trap to EL2. So EL2 sets a hardware breakpoint on the guest's own vector
 * for synchronous exceptions from EL1, and MDCR_EL2.TDE routes its exception to EL2 (docs/spe.md).
 * This is the state machine that decides which breakpoint to set when, and what a debug exception
 * means. Pure functions: the caller, the vCPU's owner, reads and writes the hardware.
 *
 *	guest: MSR PMSCR_EL1  -> UNDEFINED at EL1 -> fetch of the vector -> breakpoint -> EL2
 *	EL2: ESR_EL1 and the instruction at ELR_EL1 say
 *	     an access to SPE -> emulate it, and return behind it         SPE_HIT_EMULATE
 *	     something else   -> a "false hit": the guest executes the vector's instruction
 *	                         emulated, if it is SUB SP, SP, #imm      SPE_HIT_SUB_SP
 *	                         by a single step without the breakpoint  SPE_HIT_STEP
 *
 * The order of calls, for a VM that has the feature:
 *
 *	spe_arm_interest()	the guest has read ID_AA64DFR0_EL1
 *	spe_arm_exit()		at every exit, with the guest's registers
 *	spe_arm_enter()		before every entry: computes what the hardware must hold
 *	spe_arm_hit(), spe_arm_stepped(), spe_arm_debug()
 *				debug exceptions that EL2 took from the guest
 */
#ifndef KEEL_SPE_SPE_ARM_H
#define KEEL_SPE_SPE_ARM_H

#include <spe/spe_regs.h>

/* Vectors from VBAR_EL1 (D1.3.5): synchronous, from EL1 with SP_EL0, and with SP_EL1 */
#define SPE_VECTOR_EL1T 0x000
#define SPE_VECTOR_EL1H 0x200

/* DBGBCR<n>_EL1: E; PMC = 0b01, EL1 only; BAS = 0b1111; an unlinked address match */
#define SPE_DBGBCR 0x1e3

#define SPE_ARM_VECTORS 2

struct spe_arm {
	bool interested; /* the guest has read an ID register for debug and profiling */
	bool el1t;	 /* EL1 has used SP_EL0 */
	bool readable;	 /* the vectors at .vbar can be read */
	bool stepping;	 /* a single step over the instruction at .step_pc, without breakpoints */
	bool changed;	 /* spe_arm_enter() may have another result than the last time */
	u64 vbar;	 /* the vectors with breakpoints; valid if .readable */
	u64 step_pc;
	u64 emulated, false_hits; /* statistics: spe_count() */
	u8 slots; /* breakpoints that the guest does not get: 1, or 2 with one for EL1t */
};

/* The guest's state at an exit. */
struct spe_guest {
	unsigned int el; /* 0 or 1 */
	bool sp0;	 /* at EL1: PSTATE.SP is 0 */
	u64 vbar, sctlr; /* VBAR_EL1, SCTLR_EL1 */
	/* Whether EL1 can read at @va. Called if the vectors have moved, or could not be read. */
	bool (*readable)(void *arg, u64 va);
	void *arg;
};

/* What the hardware must hold while the guest runs. */
struct spe_debug_hw {
	bool tde;	    /* MDCR_EL2.TDE; TDA is set for every guest */
	u64 mdscr;	    /* MDSCR_EL1 */
	bool step;	    /* PSTATE.SS at the entry */
	bool guest;	    /* the guest's own breakpoints and watchpoints are in the registers */
	unsigned int count; /* how many of EL2's, in the last registers: */
	u64 bvr[SPE_ARM_VECTORS]; /* DBGBVR<n>_EL1; DBGBCR<n>_EL1 is SPE_DBGBCR */
};

/* What the caller does about a breakpoint exception. */
enum spe_hit_action {
	SPE_HIT_GUESTS,	 /* not EL2's breakpoint: spe_arm_debug() */
	SPE_HIT_EMULATE, /* emulate the access; then PC = ELR_EL1 + 4, PSTATE = SPSR_EL1 */
	SPE_HIT_SUB_SP,	 /* a false hit: SP -= .sub, PC += 4 */
	SPE_HIT_STEP,	 /* a false hit: enter the guest; spe_arm_stepped() follows */
};

/* An MRS or MSR of a register of SPE's. */
struct spe_access {
	u32 encoding; /* SPE_SYSREG() */
	u8 rt;	      /* 31: XZR */
	bool write;
};

struct spe_hit {
	enum spe_hit_action action;
	u32 sub;
};

/* What the caller does about a debug exception that is the guest's, routed to EL2 by TDE. */
enum spe_debug_action {
	SPE_DEBUG_INJECT, /* inject it into EL1 with the same syndrome */
	SPE_DEBUG_STEP, /* without TDE there is none: enter the guest; spe_arm_stepped() follows */
};

/* Reset the state; statistics stay. @slots: 1 or 2 */
void spe_arm_reset(struct spe_arm *arm, unsigned int slots);

/*
 * How many breakpoints the guest's ID register shows, of @count that the CPU has. At least 2, which
 * is the architecture's minimum: if the CPU has no more, the guest's last ones do not work while it
 * profiles.
 */
unsigned int spe_arm_breakpoints(const struct spe_arm *arm, unsigned int count);

/* The guest reads ID registers for debug and profiling: set breakpoints from now on. */
void spe_arm_interest(struct spe_arm *arm);

/* Whether spe_arm_exit() would change nothing, after an exit from EL1. */
static inline bool spe_arm_knows(const struct spe_arm *arm, bool sp0, u64 vbar, u64 sctlr)
{
	return arm->readable && arm->vbar == vbar && (sctlr & 1) && (!sp0 || arm->el1t);
}

/*
 * At an exit: note where the vectors are. Only after exits from EL1, since a kernel with page-table
 * isolation has other vectors while EL0 runs.
 */
void spe_arm_exit(struct spe_arm *arm, const struct spe_guest *guest);

/**
 * spe_arm_enter() - compute what the hardware must hold
 * @pc:    where the guest is entered
 * @mdscr: the guest's MDSCR_EL1, without the bits that its OS Lock disables
 *
 * While the guest single-steps (MDSCR_EL1.SS) EL2 sets no breakpoint and no TDE, so the guest takes
 * its own debug exceptions: with TDE each instruction at EL1 would step to EL2, also the debugger's
 * own up to its ERET.
 */
void spe_arm_enter(struct spe_arm *arm, u64 pc, u64 mdscr, struct spe_debug_hw *hw);

/**
 * spe_arm_is_access() - whether EL1 took an UNDEFINED exception from an access to SPE's registers
 * @esr:    ESR_EL1
 * @spsr:   SPSR_EL1: only accesses at EL1 count
 * @word:   the instruction at ELR_EL1, or 0 if it cannot be read
 * @access: out: the access; undefined if it is none
 */
bool spe_arm_is_access(u64 esr, u64 spsr, u32 word, struct spe_access *access);

/**
 * spe_arm_hit() - a breakpoint exception
 * @pc:     of the exception
 * @el:     0 or 1, where it was taken from
 * @access: result of spe_arm_is_access()
 * @vector: the instruction at @pc, or 0 if it cannot be read; not used with @access
 */
struct spe_hit spe_arm_hit(struct spe_arm *arm, u64 pc, unsigned int el, bool access, u32 vector);

/*
 * A single step has ended with a software step exception at @pc. Return: whether @pc is one of the
 * vectors with breakpoints, so the guest took another exception: then the caller goes on with
 * spe_arm_hit().
 */
bool spe_arm_stepped(struct spe_arm *arm, u64 pc);

/**
 * spe_arm_debug() - any other debug exception that was routed to EL2
 * @ec:     its class: ESR_EC_BRK64, or a breakpoint's or watchpoint's
 * @pc:     of the exception
 * @el:     0 or 1, where it was taken from
 * @pstate: the guest's
 * @mdscr:  as for spe_arm_enter()
 *
 * With TDE a breakpoint or watchpoint fires at EL1 also if PSTATE.D or MDSCR_EL1.KDE masks it from
 * the guest (D2.4).
 */
enum spe_debug_action spe_arm_debug(struct spe_arm *arm, unsigned int ec, u64 pc, unsigned int el,
				    u64 pstate, u64 mdscr);

/* SUB SP, SP, #imm{, LSL #12}: 1 1 0 100010 sh imm12 Rn Rd */
#define SPE_INSN_SUB_SP_MASK  0xff8003ff
#define SPE_INSN_SUB_SP	      0xd10003ff
#define SPE_INSN_SUB_SP_IMM   GENMASK(21, 10)
#define SPE_INSN_SUB_SP_SHIFT BIT(22)

/* Whether @word is SUB SP, SP, #imm, and what it subtracts. */
static inline bool spe_arm_sub_sp(u32 word, u32 *sub)
{
	if ((word & SPE_INSN_SUB_SP_MASK) != SPE_INSN_SUB_SP)
		return false;
	*sub = (u32)FIELD_GET(SPE_INSN_SUB_SP_IMM, word) << (word & SPE_INSN_SUB_SP_SHIFT ? 12 : 0);
	return true;
}

/* Add one to a statistic that another CPU may be reading. */
static inline void spe_count(u64 *statistic)
{
	WRITE_ONCE(*statistic, *statistic + 1);
}

/* Whether @word is an MRS of a register of spe_regs.h, or an MSR of one that can be written. */
bool spe_arm_decode(u32 word, struct spe_access *access);

#endif
