// SPDX-License-Identifier: BSD-2-Clause
/* Which exceptions of EL1 and EL0 are a guest hypervisor's. See nested_route.h. */
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <lib/esr.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <nested/nested_route.h>
#include <vm/vm_ops.h>

#define ENC(op0, op1, crn, crm, op2) SYSREG_ENC(op0, op1, crn, crm, op2)

enum route_control { ROUTE_HCR, ROUTE_MDCR, ROUTE_CPTR, ROUTE_CNTHCTL, ROUTE_ICH };
enum route_access { READS = 1, WRITES = 2, BOTH = 3 };

/*
 * An access to a register in the range traps if one of the bits is 1; if one of @off is 0. The
 * first match does not end the search: several controls may trap a register.
 */
static const struct route {
	u16 first, last; /* encodings */
	u8 control;
	u8 access;
	u64 on, off;
} routes[] = {
	/* DC by set/way, by address; IC; TLBI of EL1 */
	{ ENC(1, 0, 7, 6, 2), ENC(1, 0, 7, 6, 6), ROUTE_HCR, BOTH, HCR_TSW, 0 },
	{ ENC(1, 0, 7, 10, 2), ENC(1, 0, 7, 10, 6), ROUTE_HCR, BOTH, HCR_TSW, 0 },
	{ ENC(1, 0, 7, 14, 2), ENC(1, 0, 7, 14, 6), ROUTE_HCR, BOTH, HCR_TSW, 0 },
	{ ENC(1, 0, 7, 6, 1), ENC(1, 0, 7, 6, 1), ROUTE_HCR, BOTH, HCR_TPCP, 0 },
	{ ENC(1, 3, 7, 10, 1), ENC(1, 3, 7, 10, 1), ROUTE_HCR, BOTH, HCR_TPCP, 0 },
	{ ENC(1, 3, 7, 12, 1), ENC(1, 3, 7, 14, 1), ROUTE_HCR, BOTH, HCR_TPCP, 0 },
	{ ENC(1, 0, 7, 1, 0), ENC(1, 0, 7, 1, 0), ROUTE_HCR, BOTH, HCR_TPU, 0 },
	{ ENC(1, 0, 7, 5, 0), ENC(1, 0, 7, 5, 0), ROUTE_HCR, BOTH, HCR_TPU, 0 },
	{ ENC(1, 3, 7, 5, 1), ENC(1, 3, 7, 5, 1), ROUTE_HCR, BOTH, HCR_TPU, 0 },
	{ ENC(1, 3, 7, 11, 1), ENC(1, 3, 7, 11, 1), ROUTE_HCR, BOTH, HCR_TPU, 0 },
	{ ENC(1, 3, 7, 4, 1), ENC(1, 3, 7, 4, 1), ROUTE_HCR, BOTH, HCR_TDZ, 0 },
	{ ENC(1, 0, 8, 0, 0), ENC(1, 0, 9, 15, 7), ROUTE_HCR, BOTH, HCR_TTLB, 0 },

	/* debug */
	{ ENC(2, 0, 0, 0, 0), ENC(2, 0, 0, 15, 7), ROUTE_MDCR, BOTH, MDCR_TDA, 0 },
	{ ENC(2, 0, 7, 8, 6), ENC(2, 0, 7, 14, 6), ROUTE_MDCR, BOTH, MDCR_TDA, 0 },
	{ ENC(2, 3, 0, 1, 0), ENC(2, 3, 0, 5, 0), ROUTE_MDCR, BOTH, MDCR_TDA, 0 },
	{ REG_NUM(MDRAR_EL1), REG_NUM(MDRAR_EL1), ROUTE_MDCR, BOTH, MDCR_TDRA, 0 },
	{ REG_NUM(OSLAR_EL1), REG_NUM(DBGPRCR_EL1), ROUTE_MDCR, BOTH, MDCR_TDOSA, 0 },

	/* identification */
	{ ENC(3, 0, 0, 1, 0), ENC(3, 0, 0, 7, 7), ROUTE_HCR, READS, HCR_TID3, 0 },
	{ REG_NUM(REVIDR_EL1), REG_NUM(REVIDR_EL1), ROUTE_HCR, READS, HCR_TID1, 0 },
	{ REG_NUM(AIDR_EL1), REG_NUM(AIDR_EL1), ROUTE_HCR, READS, HCR_TID1, 0 },
	{ REG_NUM(SMIDR_EL1), REG_NUM(SMIDR_EL1), ROUTE_HCR, READS, HCR_TID1, 0 },
	{ REG_NUM(CCSIDR_EL1), REG_NUM(CCSIDR2_EL1), ROUTE_HCR, READS, HCR_TID2, 0 },
	{ REG_NUM(CSSELR_EL1), REG_NUM(CSSELR_EL1), ROUTE_HCR, BOTH, HCR_TID2, 0 },
	{ REG_NUM(CTR_EL0), REG_NUM(CTR_EL0), ROUTE_HCR, READS, HCR_TID2, 0 },

	/* EL1 */
	{ REG_NUM(ACTLR_EL1), REG_NUM(ACTLR_EL1), ROUTE_HCR, BOTH, HCR_TACR, 0 },
	{ REG_NUM(CPACR_EL1), REG_NUM(CPACR_EL1), ROUTE_CPTR, BOTH, CPTR_TCPAC, 0 },
#define VM_REG(first, last)                                                  \
	{ REG_NUM(first), REG_NUM(last), ROUTE_HCR, WRITES, HCR_TVM, 0 },    \
	{                                                                    \
		REG_NUM(first), REG_NUM(last), ROUTE_HCR, READS, HCR_TRVM, 0 \
	}
	VM_REG(SCTLR_EL1, SCTLR_EL1),
	VM_REG(TTBR0_EL1, TCR_EL1),
	VM_REG(AFSR0_EL1, AFSR1_EL1),
	VM_REG(ESR_EL1, ESR_EL1),
	VM_REG(FAR_EL1, FAR_EL1),
	VM_REG(MAIR_EL1, MAIR_EL1),
	VM_REG(AMAIR_EL1, AMAIR_EL1),
	VM_REG(CONTEXTIDR_EL1, CONTEXTIDR_EL1),
#undef VM_REG
/* IMPLEMENTATION DEFINED registers and instructions: CRn 11 and 15 */
#define IMPL_DEF(op0, op1)                                                                       \
	{ ENC(op0, op1, 11, 0, 0), ENC(op0, op1, 11, 15, 7), ROUTE_HCR, BOTH, HCR_TIDCP, 0 },    \
	{                                                                                        \
		ENC(op0, op1, 15, 0, 0), ENC(op0, op1, 15, 15, 7), ROUTE_HCR, BOTH, HCR_TIDCP, 0 \
	}
	IMPL_DEF(1, 0),
	IMPL_DEF(1, 1),
	IMPL_DEF(1, 2),
	IMPL_DEF(1, 3),
	IMPL_DEF(1, 4),
	IMPL_DEF(1, 5),
	IMPL_DEF(1, 6),
	IMPL_DEF(1, 7),
	IMPL_DEF(3, 0),
	IMPL_DEF(3, 1),
	IMPL_DEF(3, 2),
	IMPL_DEF(3, 3),
	IMPL_DEF(3, 4),
	IMPL_DEF(3, 5),
	IMPL_DEF(3, 6),
	IMPL_DEF(3, 7),
#undef IMPL_DEF

	/* the GIC's CPU interface: common registers, Group 0's, Group 1's; SGIs */
	{ REG_NUM(ICC_PMR_EL1), REG_NUM(ICC_PMR_EL1), ROUTE_ICH, BOTH, ICH_HCR_TC, 0 },
	{ REG_NUM(ICC_DIR_EL1), REG_NUM(ICC_DIR_EL1), ROUTE_ICH, BOTH, ICH_HCR_TC | ICH_HCR_TDIR,
	  0 },
	{ ENC(3, 0, 12, 11, 3), ENC(3, 0, 12, 11, 7), ROUTE_ICH, BOTH, ICH_HCR_TC, 0 },
	{ ENC(3, 0, 12, 12, 4), ENC(3, 0, 12, 12, 4), ROUTE_ICH, BOTH, ICH_HCR_TC, 0 },
	{ ENC(3, 0, 12, 8, 0), ENC(3, 0, 12, 8, 7), ROUTE_ICH, BOTH, ICH_HCR_TALL0, 0 },
	{ ENC(3, 0, 12, 12, 6), ENC(3, 0, 12, 12, 6), ROUTE_ICH, BOTH, ICH_HCR_TALL0, 0 },
	{ ENC(3, 0, 12, 9, 0), ENC(3, 0, 12, 9, 3), ROUTE_ICH, BOTH, ICH_HCR_TALL1, 0 },
	{ ENC(3, 0, 12, 12, 0), ENC(3, 0, 12, 12, 3), ROUTE_ICH, BOTH, ICH_HCR_TALL1, 0 },
	{ ENC(3, 0, 12, 12, 7), ENC(3, 0, 12, 12, 7), ROUTE_ICH, BOTH, ICH_HCR_TALL1, 0 },
	{ REG_NUM(ICC_SGI1R_EL1), REG_NUM(ICC_SGI0R_EL1), ROUTE_HCR, WRITES, HCR_IMO | HCR_FMO, 0 },

	/* keys of pointer authentication */
	{ REG_NUM(APIAKEYLO_EL1), ENC(3, 0, 2, 1, 3), ROUTE_HCR, BOTH, 0, HCR_APK },
	{ ENC(3, 0, 2, 2, 0), ENC(3, 0, 2, 2, 3), ROUTE_HCR, BOTH, 0, HCR_APK },
	{ REG_NUM(APGAKEYLO_EL1), REG_NUM(APGAKEYHI_EL1), ROUTE_HCR, BOTH, 0, HCR_APK },

	/* timers */
	{ REG_NUM(CNTPCT_EL0), REG_NUM(CNTPCT_EL0), ROUTE_CNTHCTL, READS, 0, CNTHCTL_EL1PCTEN },
	{ ENC(3, 3, 14, 2, 0), ENC(3, 3, 14, 2, 2), ROUTE_CNTHCTL, BOTH, 0, CNTHCTL_EL1PTEN },
};

/*
 * Bits of HCR_EL2 that only make more trap, each of which CPUs have had since Armv8.0, and that
 * routes[] or nested_route() knows.
 */
#define HCR_ALLOWED                                                                            \
	(HCR_TWI | HCR_TWE | HCR_TID1 | HCR_TID2 | HCR_TID3 | HCR_TSC | HCR_TIDCP | HCR_TACR | \
	 HCR_TSW | HCR_TPCP | HCR_TPU | HCR_TTLB | HCR_TVM | HCR_TDZ | HCR_TRVM)

/* A virtual interrupt is there while the physical one of its kind is taken to EL2. */
static const struct virtual_irq {
	u64 physical, virtual;
} virtual_irqs[] = { { HCR_IMO, HCR_VI }, { HCR_FMO, HCR_VF }, { HCR_AMO, HCR_VSE } };

/*
 * Bits that are about stage 2, if there is one. Where the VM's own memory is Write-Back by FEAT_S2FWB
 * nobody cleans it for accesses without caches, so CD and ID have no effect.
 */
static u64 stage2_bits(u64 hcr, bool fwb)
{
	if (!nested_hcr_has_stage2(hcr))
		return 0;
	return HCR_PTW | HCR_DC | (fwb ? 0 : HCR_CD | HCR_ID);
}

bool nested_hcr_has_stage2(u64 hcr)
{
	return hcr & (HCR_VM | HCR_DC);
}

u64 nested_hcr_for_el1(u64 hcr, bool fwb)
{
	u64 allowed = HCR_ALLOWED | stage2_bits(hcr, fwb);

	for (size_t i = 0; i < ARRAY_SIZE(virtual_irqs); i++)
		if (hcr & virtual_irqs[i].physical)
			allowed |= virtual_irqs[i].virtual;
	return hcr & allowed;
}

u64 nested_hcr_denied(u64 hcr)
{
	return ~hcr & (HCR_API | HCR_APK);
}

bool nested_hcr_refused(u64 hcr)
{
	return !(hcr & HCR_IMO) != !(hcr & HCR_FMO);
}

bool nested_hcr_has_vse(u64 hcr)
{
	return (hcr & HCR_AMO) && (hcr & HCR_VSE);
}

bool nested_hcr_has_virtual(u64 hcr)
{
	return nested_hcr_for_el1(hcr, true) & (HCR_VI | HCR_VF | HCR_VSE);
}

/* FPEN 0b00 and 0b10 trap EL0, EL1 and EL2; 0b01 only EL0 while TGE is 1. */
bool nested_traps_fp(u64 cptr)
{
	return !(FIELD_GET(CPACR_FPEN, cptr) & 1);
}

/* Without pointer authentication API and APK do not exist, and nothing traps by them. */
static u64 hcr_of(const struct vcpu *vcpu)
{
	return nested_hcr(vcpu) | (nested_has_pauth(vcpu) ? 0 : HCR_API | HCR_APK);
}

bool nested_traps_sve(u64 cptr)
{
	return !(FIELD_GET(CPACR_ZEN, cptr) & 1);
}

struct nested_controls nested_controls_of(const struct vcpu *vcpu)
{
	return (struct nested_controls){
		.hcr = hcr_of(vcpu),
		.mdcr = vcpu->nested->own[NESTED_MDCR_EL2],
		.cptr = nested_read_live(vcpu, NESTED_CPTR_EL2),
		.cnthctl = nested_read_live(vcpu, NESTED_CNTHCTL_EL2),
		.sve = vcpu->features & BIT(VCPU_SVE),
		.ich = vcpu->vm->vgic ? vcpu->nested->page[ICH_HCR_EL2] : 0,
	};
}

static u64 control_value(const struct nested_controls *c, enum route_control control)
{
	switch (control) {
	case ROUTE_HCR:
		return c->hcr;
	case ROUTE_MDCR:
		/* TDE makes the other debug traps count as 1 */
		return c->mdcr & MDCR_TDE ? c->mdcr | MDCR_TDA | MDCR_TDOSA | MDCR_TDRA : c->mdcr;
	case ROUTE_CPTR:
		return c->cptr;
	case ROUTE_ICH:
		return c->ich;
	default:
		return c->cnthctl;
	}
}

static bool row_traps(const struct nested_controls *c, const struct route *row, u32 encoding,
		      bool read)
{
	u64 value = control_value(c, (enum route_control)row->control);

	if (encoding < row->first || encoding > row->last)
		return false;
	return (row->access & (read ? READS : WRITES)) &&
	       ((value & row->on) || (~value & row->off));
}

static bool traps_sysreg(const struct nested_controls *c, u64 esr)
{
	u32 encoding = SYSREG_ENC(FIELD_GET(ESR_SYS64_OP0, esr), FIELD_GET(ESR_SYS64_OP1, esr),
				  FIELD_GET(ESR_SYS64_CRN, esr), FIELD_GET(ESR_SYS64_CRM, esr),
				  FIELD_GET(ESR_SYS64_OP2, esr));

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (row_traps(c, &routes[i], encoding, esr & ESR_SYS64_READ))
			return true;
	return false;
}

static enum nested_route to_el2_if(bool trapped)
{
	return trapped ? NESTED_ROUTE_EL2 : NESTED_ROUTE_KEEL;
}

/* ZEN comes before FPEN. Without SVE the instruction is UNDEFINED, as for any guest. */
static enum nested_route route_sve(const struct nested_controls *c)
{
	if (!c->sve)
		return NESTED_ROUTE_KEEL;
	if (nested_traps_sve(c->cptr))
		return NESTED_ROUTE_EL2;
	return nested_traps_fp(c->cptr) ? NESTED_ROUTE_FP : NESTED_ROUTE_KEEL;
}

enum nested_route nested_route(const struct nested_controls *c, u64 esr)
{
	switch (esr_ec(esr)) {
	case ESR_EC_WFX:
		return to_el2_if(c->hcr & (esr & ESR_WFX_TI_WFE ? HCR_TWE : HCR_TWI));
	case ESR_EC_HVC64:
		return c->hcr & HCR_HCD ? NESTED_ROUTE_UNDEF : NESTED_ROUTE_EL2;
	case ESR_EC_SMC64:
		return to_el2_if(c->hcr & HCR_TSC);
	case ESR_EC_FP_ASIMD:
		return to_el2_if(nested_traps_fp(c->cptr));
	case ESR_EC_SVE:
		return route_sve(c);
	case ESR_EC_PAC:
		return to_el2_if(~c->hcr & HCR_API);
	case ESR_EC_SYS64:
		return to_el2_if(traps_sysreg(c, esr));
	case ESR_EC_BRKPT_LOWER:
	case ESR_EC_STEP_LOWER:
	case ESR_EC_WATCHPT_LOWER:
	case ESR_EC_BKPT32:
	case ESR_EC_BRK64:
		return to_el2_if(c->mdcr & MDCR_TDE);
	default:
		return NESTED_ROUTE_KEEL;
	}
}
