/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the registers of a vCPU with a virtual EL2 are.
 *
 * A guest at its EL2 runs at the CPU's EL1 (HCR_EL2.NV, NV2; HCR_EL2.E2H is 1 for the guest, and
 * does not change; of the kind whose E2H is 0 see nested_nvhe.h, too). So EL1's registers in the
 * hardware are those of two Exception levels in turn:
 *
 *	                     context NESTED_EL2        context NESTED_EL1
 *	                     EL2; EL0 with TGE=1       EL1; EL0 with TGE=0
 *	EL1's in hardware    EL2's                     EL1's
 *	EL1's own            page[]                    in the hardware
 *	EL2's of the same    in the hardware           own[]
 *	other EL2 registers  page[], own[]             page[], own[]
 *
 * "In the hardware" is where vcpu_read_sysreg() and vcpu_write_sysreg() find it: in the CPU while
 * the vCPU is loaded, in vcpu->sysreg otherwise. So vcpu->sysreg holds what EL1's names mean in the
 * present context, and what uses these two functions, or saves and loads registers, is not
 * concerned with virtual EL2. page[] is what VNCR_EL2 points to: there the CPU redirects the
 * guest's accesses to EL1's registers (SCTLR_EL12, ...) and to many of EL2's, without an exit.
 * Whatever a guest wrote there is checked where it is used, not where it is written.
 */
#ifndef KEEL_NESTED_NESTED_REGS_H
#define KEEL_NESTED_NESTED_REGS_H

#include <arch/reg_bits.h>
#include <cpu/inject.h>
#include <nested/nested_lr.h>
#include <nested/s2_walk.h>
#include <vm/run.h>
#include <vm/vm.h>

/*
 * EL2's registers that EL1's take the place of: name, EL1's, the bits that are in EL1's as well.
 * The others do not exist in the hardware's register, so they are in own[] in either context.
 */
#define NESTED_CPTR_LIVE (CPACR_FPEN | CPACR_ZEN | CPACR_SMEN | CPACR_TTA)
#define NESTED_LIVE_REGS(X)                       \
	X(SCTLR_EL2, SCTLR_EL1, ~0ULL)            \
	X(CPTR_EL2, CPACR_EL1, NESTED_CPTR_LIVE)  \
	X(TTBR0_EL2, TTBR0_EL1, ~0ULL)            \
	X(TTBR1_EL2, TTBR1_EL1, ~0ULL)            \
	X(TCR_EL2, TCR_EL1, ~0ULL)                \
	X(SPSR_EL2, SPSR_EL1, ~0ULL)              \
	X(ELR_EL2, ELR_EL1, ~0ULL)                \
	X(AFSR0_EL2, AFSR0_EL1, ~0ULL)            \
	X(AFSR1_EL2, AFSR1_EL1, ~0ULL)            \
	X(ESR_EL2, ESR_EL1, ~0ULL)                \
	X(FAR_EL2, FAR_EL1, ~0ULL)                \
	X(MAIR_EL2, MAIR_EL1, ~0ULL)              \
	X(AMAIR_EL2, AMAIR_EL1, ~0ULL)            \
	X(VBAR_EL2, VBAR_EL1, ~0ULL)              \
	X(CONTEXTIDR_EL2, CONTEXTIDR_EL1, ~0ULL)  \
	X(CNTHCTL_EL2, CNTKCTL_EL1, CNTKCTL_BITS) \
	X(SP_EL2, SP_EL1, ~0ULL)

enum nested_context { NESTED_EL2, NESTED_EL1 };

/* Indices of own[]: the registers above in their order, then others. */
enum nested_own {
#define NESTED_OWN_INDEX(name, el1, bits) NESTED_##name,
	NESTED_LIVE_REGS(NESTED_OWN_INDEX)
#undef NESTED_OWN_INDEX
		NESTED_LIVE_COUNT,
	NESTED_CNTKCTL_EL1 = NESTED_LIVE_COUNT, /* EL1's, which has no place in the page */
	NESTED_ZCR_EL2, /* in ZCR_EL1's place, but switched with the vectors: nested_regs.c */
	NESTED_MDCR_EL2,
	NESTED_HPFAR_EL2,
	NESTED_CNTHP_CTL_EL2,
	NESTED_CNTHP_CVAL_EL2,
	NESTED_CNTHV_CTL_EL2,
	NESTED_CNTHV_CVAL_EL2,
	/* without VHE: as the guest has written them (nested_nvhe.h) */
	NESTED_RAW_SCTLR_EL2,
	NESTED_RAW_CPTR_EL2,
	NESTED_RAW_TTBR0_EL2,
	NESTED_RAW_TCR_EL2,
	NESTED_RAW_CNTHCTL_EL2,
	NESTED_OWN_COUNT
};

/* A TLBI that has acted on some of the shadows (nested_tlbi.h). */
struct nested_tlbi_left {
	struct shadow *next; /* from here on it has not; NULL: there is no such TLBI */
	u64 esr, xt, pc, pstate;
	u32 encoding;
	u16 vmid;
};

/* What the last walk of a guest hypervisor's tables has come by. */
struct nested_tables {
	const struct shadow
		*shadow; /* @start is of its tables while it has @shadow_changes; or NULL */
	u64 shadow_changes;
	struct s2_walk_start start;
	/* Pages of tables, by level, as the VM's own stage 2 translates them. */
	u64 changes; /* valid while the own stage 2 has this number */
	struct {
		u64 ipa; /* bit 0: it is there */
		u64 pa;
	} page[4];
};

enum shadow_outcome {
	SHADOW_REPEAT,	     /* the access succeeds now, or meets another fault */
	SHADOW_FOR_EL2,	     /* walk.fsc is the guest hypervisor's */
	SHADOW_ASK_TABLE,    /* the host has to be asked for walk.desc */
	SHADOW_ASK_FOR_PAGE, /* the own stage 2 does not allow the access at vm_ipa */
};

/* A fault of a nested guest in its shadow: shadow_fault.h. */
struct shadow_fault {
	struct vcpu *vcpu;
	u64 esr, far, ipa, vm_ipa;
	struct s2_access access;
	struct s2_walk_result walk;
	enum shadow_outcome outcome;
	bool update; /* the table is there, but cannot be written */
};

/* Counters of a vCPU: those of enum keel_nested from here on. */
#define NESTED_COUNTER_FIRST KEEL_NESTED_HITS

/* In pages of the vCPU's own, the first of them @page. By the vCPU's owner. */
struct nested_vcpu {
	u64 page[VCPU_SYSREG_FIRST_OWN]; /* by enum vcpu_sysreg: the register's offset, divided by 8 */
	u64 own[NESTED_OWN_COUNT];
	enum nested_context context;
	bool nvhe; /* HCR_EL2.E2H is 0 */
	/* EL1's virtual timer is in the page: while EL2's has the hardware (nested_timer.h) */
	bool timer_aside;
	/* of which the TLB entries are that this vCPU has left under the VM's own VMID */
	enum nested_context own_entries;
	/* without VHE: of which VMID, plus 1, EL1's are that it has left there; 0: of none */
	u32 plain_vmid;
	struct shadow *shadow; /* shadow.h: the last one that it ran in, or NULL */
	/* ESR_EL2 of the abort at EL2, should the host not have the table that it is asked for, or 0 */
	u64 walk_esr;
	struct nested_tlbi_left tlbi;
	struct nested_tables tables; /* shadow_fault.c; under the own stage2.lock */
	struct shadow_fault fault;   /* from the early exit to the end of the same exit */
	struct nested_lrs lrs;	     /* as they were written; valid while @lent */
	u64 ich_traps;	  /* set in ICH_HCR_EL2 by nested_vgic_add_traps(), for this run */
	bool lent;	  /* the virtual CPU interface is the nested guest's: nested_vgic.h */
	bool maintenance; /* the level that the maintenance interrupt was last given */
	/* nested_fast.h */
	bool untrapped, alias_open;
	/* native timers (nested_timer.h): EL2's virtual one is in the hardware; PPI 27 is active for it */
	bool timer_in, timer_held;
	/* from the reset on: what of PSTATE guests have; nested_return_usual(), of a short return */
	struct pstate_features pstate_has;
	u64 eret_pstate;
	u64 counters[KEEL_NESTED_COUNT - NESTED_COUNTER_FIRST]; /* last: a reset keeps them */
};

/* By the owner; any CPU reads them. */
static inline void nested_count(struct vcpu *vcpu, enum keel_nested what)
{
	vcpu->nested->counters[what - NESTED_COUNTER_FIRST]++;
}

/* What a register of EL2 is, to a guest and to userspace. */
enum nested_place {
	NESTED_IS_LIVE,	    /* in the hardware, or in own[] */
	NESTED_IS_PAGE,	    /* in page[]: the hardware's redirection accesses it, too */
	NESTED_IS_OWN,	    /* in own[] */
	NESTED_IS_ZCR,	    /* as one that is live, of vCPUs with SVE */
	NESTED_IS_CONSTANT, /* reads as .reset; writes are ignored */
};

struct nested_reg {
	u16 encoding;
	u8 place;     /* enum nested_place */
	u16 index;    /* of own[] or page[] */
	bool hidden;  /* not in userspace's list: another register shows it, or it is no state */
	u64 writable; /* bits that a write changes */
	u64 reset;
	const char *name;
};

/* A register of EL2 by its encoding, SP_EL1 included; NULL. The rows are sorted by encoding. */
const struct nested_reg *nested_find(u32 encoding);
size_t nested_reg_count(void);
const struct nested_reg *nested_row(size_t n);

/* Whether the vCPU has the register. */
bool nested_has_reg(const struct vcpu *vcpu, const struct nested_reg *reg);

/* Read and write a register of EL2, in either context, loaded or not. */
u64 nested_read(const struct vcpu *vcpu, const struct nested_reg *reg);
void nested_write(struct vcpu *vcpu, const struct nested_reg *reg, u64 value);

/* The same by index of NESTED_LIVE_REGS. */
u64 nested_read_live(const struct vcpu *vcpu, enum nested_own index);
void nested_write_live(struct vcpu *vcpu, enum nested_own index, u64 value);

/* CPTR_EL2 while EL2 is in the hardware: loaded, in the context NESTED_EL2. */
u64 nested_read_cptr(const struct vcpu *vcpu);
void nested_write_cptr(struct vcpu *vcpu, u64 value);

/* ZCR_EL2. */
u64 nested_read_zcr(const struct vcpu *vcpu);

/* EL1's register, where vcpu_read_sysreg() would give what its name means in the context. */
u64 nested_read_el1(const struct vcpu *vcpu, enum vcpu_sysreg reg);
void nested_write_el1(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);

/* HCR_EL2, of which E2H has no effect: it is the kind of the vCPU. */
static inline u64 nested_hcr(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->nested->page[HCR_EL2]);
}

/* EL1's names of TLBI and AT are about EL2's own translations: with E2H=1, while TGE is 1. */
static inline bool nested_is_host(const struct vcpu *vcpu)
{
	return (nested_hcr(vcpu) & HCR_TGE) && !vcpu->nested->nvhe;
}

/* The context that PSTATE @pstate and HCR_EL2 @hcr of the guest belong to. */
enum nested_context nested_context_of(u64 pstate, u64 hcr);

/* Put the other level's registers into the hardware; loaded. Not the virtual timer, and no TLBI. */
void nested_switch_regs(struct vcpu *vcpu, enum nested_context to);

/**
 * nested_reset_regs() - the values of a CPU that comes out of reset at EL2
 * @vcpu: EL1's registers have their reset values: they become those of EL1; loaded or not
 * @midr: for VPIDR_EL2
 *
 * The context is NESTED_EL2. PSTATE is the caller's.
 */
void nested_reset_regs(struct vcpu *vcpu, u64 midr);

#endif
