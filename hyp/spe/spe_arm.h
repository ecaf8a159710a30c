/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the emulation gets control on a CPU without SPE, where an access to SPE's registers is
 * UNDEFINED at EL1 and no trap reaches EL2: a hardware breakpoint on the guest's own vector for
 * synchronous exceptions from EL1, with MDCR_EL2.TDE routing it to EL2 (docs/spe.md). This is the
 * state machine that says which breakpoint to program when, and what a debug exception means.
 *Values to values: the vCPU's owner reads and writes the hardware.
 *
 * The order, for a VM that has the feature:
 *
 *	spe_arm_interest()	the guest has read ID_AA64DFR0_EL1
 *	spe_arm_exit()		at every exit, with what the guest's registers say
 *	spe_arm_enter()		before every entry: what the hardware is to hold
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
	bool interested; /* the guest looks for debug or profiling features */
	bool el1t;	 /* EL1 has been seen to use SP_EL0 */
	bool readable;	 /* the vectors at .vbar translate, and can be executed */
	bool stepping;	 /* over the instruction at .step_pc, with nothing armed */
	bool changed;	 /* spe_arm_enter() may say something else than the last time */
	u64 vbar;	 /* the vectors that are watched; valid if readable */
	u64 step_pc;
	u64 emulated, false_hits; /* statistics: spe_count() */
	u8 slots; /* breakpoints that are kept from the guest: 1, or 2 to watch EL1t too */
};

/* The guest at an exit. */
struct spe_guest {
	unsigned int el; /* 0 or 1 */
	bool sp0;	 /* at EL1: PSTATE.SP is 0 */
	u64 vbar, sctlr; /* VBAR_EL1, SCTLR_EL1 */
	/* Whether EL1 can fetch from @va. Asked when the vectors have
	 * moved, or could not be read. */
	bool (*readable)(void *arg, u64 va);
	void *arg;
};

/* What the hardware holds while the guest runs. */
struct spe_debug_hw {
	bool tde;	    /* MDCR_EL2.TDE; TDA is set for every guest */
	u64 mdscr;	    /* MDSCR_EL1 */
	bool step;	    /* PSTATE.SS of the entry is to be 1 */
	bool guest;	    /* the guest's own breakpoints and watchpoints are in the registers */
	unsigned int count; /* ours, in the last registers: */
	u64 bvr[SPE_ARM_VECTORS]; /* DBGBVR<n>_EL1; DBGBCR<n>_EL1 is SPE_DBGBCR */
};

/* What is to be done about a hit of ours. */
enum spe_hit_action {
	SPE_HIT_GUESTS,	 /* not ours: spe_arm_debug() */
	SPE_HIT_EMULATE, /* the access; then go on behind it: PC = ELR_EL1 + 4, PSTATE = SPSR_EL1 */
	SPE_HIT_SUB_SP,	 /* a false hit: SP -= .sub, PC += 4 */
	SPE_HIT_STEP,	 /* a false hit: enter, and spe_arm_stepped() follows */
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

/* A debug exception that EL2 took because of TDE, and that is not a hit of ours. */
enum spe_debug_action {
	SPE_DEBUG_INJECT, /* the guest's: an exception to EL1 with the same syndrome */
	SPE_DEBUG_STEP,	  /* the guest would not have taken it: enter, spe_arm_stepped() follows */
};

/* Nothing is armed; statistics stay. @slots: 1 or 2 */
void spe_arm_reset(struct spe_arm *arm, unsigned int slots);

/*
 * How many breakpoints the guest is told of, of @count that there are. The architecture has no
 * fewer than 2: where there are not more, the guest's last ones do not work while it
 * profiles.
 */
unsigned int spe_arm_breakpoints(const struct spe_arm *arm, unsigned int count);

/* The guest looks at what debug and profiling there is: from now on its vectors are watched. */
void spe_arm_interest(struct spe_arm *arm);

/* Whether spe_arm_exit() would change nothing: usual, and known at once. From EL1. */
static inline bool spe_arm_knows(const struct spe_arm *arm, bool sp0, u64 vbar, u64 sctlr)
{
	return arm->readable && arm->vbar == vbar && (sctlr & 1) && (!sp0 || arm->el1t);
}

/*
 * At an exit. The vectors are looked at only after exits from EL1: a kernel with page-table
 * isolation has others while EL0 runs.
 */
void spe_arm_exit(struct spe_arm *arm, const struct spe_guest *guest);

/**
 * spe_arm_enter() - what the hardware is to hold
 * @pc:    where the guest goes on
 * @mdscr: the guest's MDSCR_EL1, without what its OS lock silences
 *
 * While the guest single-steps (MDSCR_EL1.SS) nothing of ours is armed and debug exceptions are its
 * own: with TDE each instruction at EL1, down to the ERET that the step begins with, would step to
 * EL2.
 */
void spe_arm_enter(struct spe_arm *arm, u64 pc, u64 mdscr, struct spe_debug_hw *hw);

/**
 * spe_arm_is_access() - whether the exception that EL1 took is the UNDEF of an access of SPE's
 * @esr:    ESR_EL1
 * @spsr:   SPSR_EL1: accesses are EL1's
 * @word:   the instruction at ELR_EL1, or 0 if it cannot be read
 * @access: what it is; undefined if it is none
 */
bool spe_arm_is_access(u64 esr, u64 spsr, u32 word, struct spe_access *access);

/**
 * spe_arm_hit() - a breakpoint exception
 * @pc:     of the exception
 * @el:     0 or 1, where it was taken from
 * @access: what spe_arm_is_access() says
 * @vector: the instruction at @pc, or 0 if it cannot be read; nobody asks for an access's
 */
struct spe_hit spe_arm_hit(struct spe_arm *arm, u64 pc, unsigned int el, bool access, u32 vector);

/*
 * The step is done, by a software step exception at @pc. Returns whether that is one of the
 * vectors, entered anew: then spe_arm_hit() says what to do.
 */
bool spe_arm_stepped(struct spe_arm *arm, u64 pc);

/**
 * spe_arm_debug() - any other debug exception that came to EL2
 * @ec:     its class: ESR_EC_BRK64, or a breakpoint's or watchpoint's
 * @pc:     of the exception
 * @el:     0 or 1, where it was taken from
 * @pstate: the guest's
 * @mdscr:  as for spe_arm_enter()
 *
 * With TDE a breakpoint or watchpoint fires at EL1 also where PSTATE.D or MDSCR_EL1.KDE would keep
 * the guest from it (D2.4).
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

/* One more, in a statistic that another CPU may be reading. */
static inline void spe_count(u64 *statistic)
{
	WRITE_ONCE(*statistic, *statistic + 1);
}

/* Whether @word is an MRS or MSR of a register that spe_regs.h has;
 * read-only ones are not written. */
bool spe_arm_decode(u32 word, struct spe_access *access);

#endif
