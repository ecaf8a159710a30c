/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a sampled A64 instruction is: the operation type of its SPE record, its data address, and a
 * branch's target (ARM DDI 0487, C4, "A64 instruction set encoding"). Pure functions of the
 * instruction word and the registers before it.
 *
 * Words that are not allocated, or are UNDEFINED, are "other". SVE and SME instructions are
 * classified; SVE gathers and scatters, and some of SME's ZA transfers, have no single address that
 * follows from general-purpose registers.
 */
#ifndef KEEL_SPE_SPE_INSN_H
#define KEEL_SPE_SPE_INSN_H

#include <lib/types.h>

/* SPEOpType of the manual (J1.1.1.99). */
enum spe_insn_class {
	SPE_INSN_OTHER,
	SPE_INSN_OTHER_SVE,
	SPE_INSN_LOAD,
	SPE_INSN_STORE,	      /* atomics that return nothing are stores */
	SPE_INSN_LOAD_ATOMIC, /* atomics that return a value, compare and swap, swap */
	SPE_INSN_BRANCH,
};

/* SPELDSTType of the manual (J1.1.1.96). */
enum spe_insn_kind {
	SPE_LDST_NONE,
	SPE_LDST_GP,
	SPE_LDST_SIMDFP,
	SPE_LDST_EXT, /* atomic, exclusive, acquire or release: SPE_INSN_AT, _EXCL, _AR */
	SPE_LDST_UNSPEC,
	SPE_LDST_TAGS,
	SPE_LDST_MEMCPY, /* a load here; spe_insn_as_store() makes it a store */
	SPE_LDST_MEMSET,
	SPE_LDST_SVE,
};

#define SPE_INSN_COND	  BIT(0)  /* a conditional branch, select or compare: .cond */
#define SPE_INSN_INDIRECT BIT(1)  /* branch: the target is in a register */
#define SPE_INSN_CALL	  BIT(2)  /* branch with link */
#define SPE_INSN_RETURN	  BIT(3)  /* RET, not ERET */
#define SPE_INSN_AUTH	  BIT(4)  /* the address is signed (FEAT_PAuth) */
#define SPE_INSN_AT	  BIT(5)  /* atomic */
#define SPE_INSN_EXCL	  BIT(6)  /* exclusive */
#define SPE_INSN_AR	  BIT(7)  /* acquire or release */
#define SPE_INSN_PREFETCH BIT(8)  /* "other", with an address */
#define SPE_INSN_FP	  BIT(9)  /* scalar floating point */
#define SPE_INSN_SIMD	  BIT(10) /* Advanced SIMD */
#define SPE_INSN_PRED	  BIT(11) /* SVE or SME load or store under a predicate */
#define SPE_INSN_SG	  BIT(12) /* gather or scatter */
#define SPE_INSN_ALIGN16  BIT(13) /* the address is rounded down to a tag granule */
#define SPE_INSN_STARTED \
	BIT(14) /* MOPS main or epilogue: registers are as the prologue left them */

/* How the data address is computed. */
enum spe_insn_form {
	SPE_FORM_NONE,	  /* there is none, or it does not follow from registers */
	SPE_FORM_LITERAL, /* PC + imm */
	SPE_FORM_BASE,	  /* Xn|SP + imm */
	SPE_FORM_INDEX,	  /* Xn|SP + extend(Xm) << shift */
	SPE_FORM_VL,	  /* Xn|SP + imm * (vector length >> shift) */
	SPE_FORM_REG,	  /* Xn, register 31 being zero */
	SPE_FORM_MOPS,	  /* Xn, with the count in Xm */
};

/* The condition of a branch, select or compare. */
enum spe_insn_test {
	SPE_TEST_ALWAYS,
	SPE_TEST_COND,	/* .cond, as in B.cond */
	SPE_TEST_ZERO,	/* register rt is zero: CBZ */
	SPE_TEST_NZERO, /* CBNZ */
	SPE_TEST_BIT0,	/* bit .bit of rt is 0: TBZ */
	SPE_TEST_BIT1,	/* TBNZ */
};

struct spe_insn {
	u8 class;  /* enum spe_insn_class */
	u8 kind;   /* enum spe_insn_kind, of loads and stores */
	u8 form;   /* enum spe_insn_form */
	u8 test;   /* enum spe_insn_test */
	u32 flags; /* SPE_INSN_* */
	u8 rn, rm; /* as .form says; of an indirect branch rn, where 32 is ELR_ELx */
	u8 extend; /* of Xm, as in the instruction: 2 UXTW, 3 LSL, 6 SXTW, 7 SXTX */
	u8 shift;
	u8 cond;      /* 0..15 */
	u8 rt, bit;   /* of .test */
	bool is64;    /* .test looks at Xt, not Wt */
	u16 size;     /* bytes accessed in all; 0: not a constant of the instruction */
	u8 align;     /* bytes of an element, or of the whole if that is atomic; 0: unknown */
	u8 pg, esize; /* SPE_INSN_PRED: governing predicate, and log2 of an element's bytes */
	s64 imm;      /* bytes; a direct branch's offset from the PC */
};

/* .rn of a branch to ELR_ELx. */
#define SPE_INSN_ELR 32

/* The registers that an instruction's address, condition and target come from. */
struct spe_cpu {
	u64 x[31];
	u64 sp; /* of the stack pointer that is selected */
	u64 pc;
	u64 pstate; /* N, Z, C, V in bits 31:28 */
	u64 elr;
	unsigned int vl; /* effective vector length in bytes; 0 if unknown */
	/* Width of the virtual addresses of each half (low, high), and whether its top byte is
	 * ignored: where a pointer's authentication code is. */
	u8 va_bits[2];
	bool tbi[2];
};

/**
 * spe_insn_decode() - what @word is
 * @word: any value
 */
void spe_insn_decode(u32 word, struct spe_insn *insn);

/* Make a memory copy its store, in place of its load; other instructions do not change. */
void spe_insn_as_store(struct spe_insn *insn);

/**
 * spe_insn_address() - the first byte that a load, store or prefetch accesses
 * @va: bits 63:0 as the CPU computes it, its tag included
 *
 * Return: whether the instruction has an address, and it is known.
 */
bool spe_insn_address(const struct spe_insn *insn, const struct spe_cpu *cpu, u64 *va);

/* Whether the condition of a branch, select or compare holds; true of everything else. */
bool spe_insn_holds(const struct spe_insn *insn, const struct spe_cpu *cpu);

/**
 * spe_insn_target() - where a branch goes if it is taken
 * @target: untouched if @insn is not a branch
 *
 * Return: whether it is a branch.
 */
bool spe_insn_target(const struct spe_insn *insn, const struct spe_cpu *cpu, u64 *target);

/* Whether the elements of an access at @va are not aligned to their size. */
static inline bool spe_insn_misaligned(const struct spe_insn *insn, u64 va)
{
	return insn->align && !IS_ALIGNED(va, insn->align);
}

/**
 * spe_insn_predicate() - the predicate's events of an SVE or SME load or store
 * @p:  the predicate register .pg, a bit for each byte of a vector, from bit 0 of p[0] on
 * @vl: vector length in bytes, 16..256
 *
 * Return: SPE_EVENT_PRED_PARTIAL if not all elements are active, and SPE_EVENT_PRED_EMPTY too if
 * none is; 0 if all are, or @insn has no predicate.
 */
u64 spe_insn_predicate(const struct spe_insn *insn, const u8 *p, unsigned int vl);

/**
 * spe_insn_operation() - the Operation Type packet
 * @vl:     vector length in bits, for SVE
 * @class:  enum spe_op_class
 * @sub:    SPE_SUB_*
 */
void spe_insn_operation(const struct spe_insn *insn, unsigned int vl, u8 *class, u8 *sub);

#endif
