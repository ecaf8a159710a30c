// SPDX-License-Identifier: BSD-2-Clause
/*
 * ID registers of a VM: each field is the machine's, limited to what a VM has.
 *
 *	machine's value -> if the VM or vCPU has it (.when): limited to .most -> most_value()
 *	most_value()    -> if userspace has chosen for the VM: its choice     -> id_reg_value()
 *
 * A field that is not in the table reads as zero. These are EL2, EL3, RAS, AMU, MPAM, SME,
 * NMI, PMU, trace and its buffers, BRBE; features that need a bit of HCRX_EL2 or of the
 * fine-grained traps that guests do not get (TCR2, SCTLR2, S1PIE, GCS, THE, LS64, MOPS, FPMR,
 * D128); and features that only EL2 can use (VH, VMIDBits, FWB, NV, XNX, FGT, ECV, EVT, TWED, HCX).
 */
#include <cpu/assert.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <lib/types.h>
#include <trap/debug.h>
#include <trap/device.h>
#include <trap/id_regs.h>
#include <vm/vm_ops.h>

/* The field has the machine's value, but at most @most, in the field's own order. */
struct id_row {
	u16 field;
	s8 most;
	u8 when;
};

#define ANY 127

/* The rows of a register stand together: see struct row_span. */
static const struct id_row rows[] = {
	/* AArch32's ID registers read as zero, so guests do not get AArch32 at EL0 either */
	{ ID_PFR0_EL0, 1, WHEN_ALWAYS },
	{ ID_PFR0_EL1, 1, WHEN_ALWAYS }, /* HCR_EL2.RW */
	{ ID_PFR0_FP, ANY, WHEN_ALWAYS },
	{ ID_PFR0_AdvSIMD, ANY, WHEN_ALWAYS },
	{ ID_PFR0_GIC, 1, WHEN_VGIC_ID },
	{ ID_PFR0_SVE, 1, WHEN_SVE },
	{ ID_PFR0_DIT, 1, WHEN_ALWAYS },
	{ ID_PFR0_CSV2, 1, WHEN_ALWAYS }, /* 2 is SCXTNUM_ELx, which traps */
	{ ID_PFR0_CSV3, 1, WHEN_ALWAYS },
	{ ID_PFR1_BT, 1, WHEN_ALWAYS },
	{ ID_PFR1_SSBS, 2, WHEN_ALWAYS },
	{ ID_PFR1_MTE, 3, WHEN_MTE },
	{ ID_PFR1_MTE_frac, 0, WHEN_MTE },     /* -1: without asynchronous faults */
	{ ID_PFR1_CSV2_frac, 1, WHEN_ALWAYS }, /* 2 as for CSV2 */
	{ ID_DFR0_BRPs, ANY, WHEN_ALWAYS },
	{ ID_DFR0_WRPs, ANY, WHEN_ALWAYS },
	{ ID_DFR0_CTX_CMPs, ANY, WHEN_ALWAYS },
	{ ID_ISAR0_AES, 2, WHEN_ALWAYS },
	{ ID_ISAR0_SHA1, 1, WHEN_ALWAYS },
	{ ID_ISAR0_SHA2, 2, WHEN_ALWAYS },
	{ ID_ISAR0_CRC32, 1, WHEN_ALWAYS },
	{ ID_ISAR0_Atomic, 3, WHEN_ALWAYS },
	{ ID_ISAR0_RDM, 1, WHEN_ALWAYS },
	{ ID_ISAR0_SHA3, 1, WHEN_ALWAYS },
	{ ID_ISAR0_SM3, 1, WHEN_ALWAYS },
	{ ID_ISAR0_SM4, 1, WHEN_ALWAYS },
	{ ID_ISAR0_DP, 1, WHEN_ALWAYS },
	{ ID_ISAR0_FHM, 1, WHEN_ALWAYS },
	{ ID_ISAR0_TS, 2, WHEN_ALWAYS },
	{ ID_ISAR0_TLB, 2, WHEN_ALWAYS },
	{ ID_ISAR0_RNDR, 1, WHEN_ALWAYS },
	{ ID_ISAR1_DPB, 2, WHEN_ALWAYS },
	{ ID_ISAR1_APA, ANY, WHEN_PAUTH },
	{ ID_ISAR1_API, ANY, WHEN_PAUTH },
	{ ID_ISAR1_JSCVT, 1, WHEN_ALWAYS },
	{ ID_ISAR1_FCMA, 1, WHEN_ALWAYS },
	{ ID_ISAR1_LRCPC, 3, WHEN_ALWAYS },
	{ ID_ISAR1_GPA, ANY, WHEN_PAUTH },
	{ ID_ISAR1_GPI, ANY, WHEN_PAUTH },
	{ ID_ISAR1_FRINTTS, 1, WHEN_ALWAYS },
	{ ID_ISAR1_SB, 1, WHEN_ALWAYS },
	{ ID_ISAR1_SPECRES, 2, WHEN_ALWAYS },
	{ ID_ISAR1_BF16, 2, WHEN_ALWAYS },
	{ ID_ISAR1_DGH, 1, WHEN_ALWAYS },
	{ ID_ISAR1_I8MM, 1, WHEN_ALWAYS },
	{ ID_ISAR1_XS, 1, WHEN_ALWAYS },
	{ ID_ISAR2_WFxT, 2, WHEN_ALWAYS },
	{ ID_ISAR2_RPRES, 1, WHEN_ALWAYS },
	{ ID_ISAR2_GPA3, ANY, WHEN_PAUTH },
	{ ID_ISAR2_APA3, ANY, WHEN_PAUTH },
	{ ID_ISAR2_BC, 1, WHEN_ALWAYS },
	{ ID_ISAR2_PAC_frac, ANY, WHEN_PAUTH },
	{ ID_ISAR2_CLRBHB, 1, WHEN_ALWAYS },
	{ ID_ISAR2_PRFMSLC, 1, WHEN_ALWAYS },
	{ ID_ISAR2_RPRFM, 1, WHEN_ALWAYS },
	{ ID_ISAR2_CSSC, 1, WHEN_ALWAYS },
	{ ID_ISAR2_LUT, 1, WHEN_ALWAYS },
	{ ID_ISAR3_FAMINMAX, 1, WHEN_ALWAYS },
	{ ID_ISAR3_LSFE, 1, WHEN_ALWAYS },
	{ ID_ISAR3_FPRCVT, 1, WHEN_ALWAYS },
	{ ID_MMFR0_ASIDBits, 2, WHEN_ALWAYS },
	{ ID_MMFR0_BigEnd, 1, WHEN_ALWAYS },
	{ ID_MMFR0_SNSMem, 1, WHEN_ALWAYS },
	{ ID_MMFR0_BigEndEL0, 1, WHEN_ALWAYS },
	{ ID_MMFR0_TGran16, 2, WHEN_ALWAYS },
	{ ID_MMFR0_TGran64, 0, WHEN_ALWAYS },
	{ ID_MMFR0_TGran4, 1, WHEN_ALWAYS },
	{ ID_MMFR0_ExS, 1, WHEN_ALWAYS },
	{ ID_MMFR1_HAFDBS, 2, WHEN_ALWAYS }, /* 3, FEAT_HAFT, is controlled by TCR2_EL1 */
	{ ID_MMFR1_HPDS, 2, WHEN_ALWAYS },
	{ ID_MMFR1_PAN, 3, WHEN_ALWAYS },
	{ ID_MMFR1_SpecSEI, 1, WHEN_ALWAYS },
	{ ID_MMFR1_ETS, 3, WHEN_ALWAYS },
	{ ID_MMFR1_AFP, 1, WHEN_ALWAYS },
	{ ID_MMFR1_nTLBPA, 1, WHEN_ALWAYS },
	{ ID_MMFR1_TIDCP1, 1, WHEN_ALWAYS },
	{ ID_MMFR1_ECBHB, 1, WHEN_ALWAYS },
	{ ID_MMFR2_CnP, 1, WHEN_ALWAYS },
	{ ID_MMFR2_UAO, 1, WHEN_ALWAYS },
	{ ID_MMFR2_LSM, 1, WHEN_ALWAYS },
	{ ID_MMFR2_VARange, 1, WHEN_ALWAYS },
	{ ID_MMFR2_CCIDX, 1, WHEN_ALWAYS },
	{ ID_MMFR2_ST, 1, WHEN_ALWAYS },
	{ ID_MMFR2_AT, 1, WHEN_ALWAYS },
	{ ID_MMFR2_IDS, 1, WHEN_ALWAYS },
	{ ID_MMFR2_TTL, 1, WHEN_ALWAYS },
	{ ID_MMFR2_BBM, 2, WHEN_ALWAYS },
	{ ID_MMFR2_E0PD, 1, WHEN_ALWAYS },
	{ ID_ZFR0_SVEver, ANY, WHEN_SVE },
	{ ID_ZFR0_AES, ANY, WHEN_SVE },
	{ ID_ZFR0_EltPerm, ANY, WHEN_SVE },
	{ ID_ZFR0_BitPerm, ANY, WHEN_SVE },
	{ ID_ZFR0_BF16, ANY, WHEN_SVE },
	{ ID_ZFR0_B16B16, ANY, WHEN_SVE },
	{ ID_ZFR0_SHA3, ANY, WHEN_SVE },
	{ ID_ZFR0_SM4, ANY, WHEN_SVE },
	{ ID_ZFR0_I8MM, ANY, WHEN_SVE },
	{ ID_ZFR0_F16MM, ANY, WHEN_SVE },
	{ ID_ZFR0_F32MM, ANY, WHEN_SVE },
	{ ID_ZFR0_F64MM, ANY, WHEN_SVE },
};

/* Fields with a value that does not depend on the machine: few, in no order. */
static const struct {
	u16 field;
	u8 value;
	u8 when;
} fixed[] = {
	{ ID_DFR0_DebugVer, 6, WHEN_ALWAYS }, /* Armv8.0 */
	/* OSDLR_EL1 is emulated, so it exists on any machine */
	{ ID_DFR0_DoubleLock, 0, WHEN_ALWAYS },
	{ ID_MMFR0_TGran16_2, 2, WHEN_EL2 }, /* at stage 2, without 52-bit addresses */
	{ ID_MMFR0_TGran64_2, 2, WHEN_EL2 },
	{ ID_MMFR0_TGran4_2, 2, WHEN_EL2 },
	{ ID_PFR0_EL2, 1, WHEN_EL2 },
	{ ID_MMFR1_VH, 1, WHEN_VHE },
	{ ID_MMFR4_E2H0, 0xe, WHEN_VHE },	/* -2: neither HCR_EL2.E2H=0 nor HCR_EL2.NV1 */
	{ ID_MMFR0_TGran16_2, 1, WHEN_NO_EL2 }, /* 1: not at stage 2; 0 means "as at stage 1" */
	{ ID_MMFR0_TGran64_2, 1, WHEN_NO_EL2 },
	{ ID_MMFR0_TGran4_2, 1, WHEN_NO_EL2 },
};

/* ID_AA64MMFR0_EL1.PARange: address bits, by value */
static const u8 pa_ranges[] = { 32, 36, 40, 42, 44, 48, 52 };

static const struct cpu_features *machine;

/* A register's rows, so that a read by a guest does not go through those of all registers. */
static struct row_span {
	u8 first, end;
} spans[ID_REG_COUNT];

STATIC_ASSERT(ARRAY_SIZE(rows) <= 0xff, "rows that a span can name");

static void find_spans(void)
{
	memset(spans, 0, sizeof(spans));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct row_span *span = &spans[id_field_desc((enum id_field)rows[i].field)->reg];

		if (!span->end)
			span->first = (u8)i;
		else
			ASSERT(span->end == i);
		span->end = (u8)(i + 1);
	}
}

#define for_each_row(row, reg) \
	for ((row) = &rows[spans[reg].first]; (row) < &rows[spans[reg].end]; (row)++)

void id_regs_init(const struct cpu_features *features)
{
	machine = features;
	find_spans();
}

const struct cpu_features *id_regs_machine(void)
{
	return machine;
}

static u64 put_field(enum id_field field, u64 value)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return (value & GENMASK(desc->width - 1, 0)) << desc->shift;
}

static u64 get_field(enum id_field field, u64 value)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return value >> desc->shift & GENMASK(desc->width - 1, 0);
}

/* A field's raw value as a number. */
static s64 signed_field(enum id_field field, u64 raw)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return desc->is_signed && raw >> (desc->width - 1) ? (s64)raw - (s64)BIT(desc->width)
							   : (s64)raw;
}

/*
 * How much the field is reduced for the breakpoints that EL2 uses with emulated SPE
 * (spe/spe_arm.h). Those are the last ones, which are context-aware; at least one of these is
 * shown.
 */
static s64 reserved_breakpoints(const struct vcpu *vcpu, enum id_field field)
{
	s64 gone;

	if (field != ID_DFR0_BRPs && field != ID_DFR0_CTX_CMPs)
		return 0;
	gone = (s64)cpu_features_field(machine, ID_DFR0_BRPs) + 1 - debug_breakpoints(vcpu);
	return field == ID_DFR0_BRPs
		       ? gone
		       : MIN(gone, (s64)cpu_features_field(machine, ID_DFR0_CTX_CMPs));
}

/*
 * With an EL2: what hyp/nested/ does for a guest hypervisor's stage 2, too. There are no 52-bit
 * addresses in any granule, no dirty state of hardware's, and a block is not replaced by a table,
 * or the reverse, without break-before-make.
 */
static s64 row_most(const struct vcpu *vcpu, const struct id_row *row)
{
	if (!vcpu->nested)
		return row->most;
	switch ((enum id_field)row->field) {
	case ID_MMFR0_TGran4:
		return 0;
	case ID_MMFR0_TGran16:
	case ID_MMFR1_HAFDBS:
		return 1;
	case ID_MMFR2_BBM:
	case ID_ISAR1_SPECRES: /* EL2 would name other levels and VMIDs than EL1 in its place can */
		return 0;
	default:
		return row->most;
	}
}

static u64 offered_value(const struct vcpu *vcpu, const struct id_row *row)
{
	enum id_field field = (enum id_field)row->field;
	s64 value;

	if (!vcpu_when(vcpu, (enum vcpu_when)row->when))
		return 0;
	value = cpu_features_signed(machine, field) - reserved_breakpoints(vcpu, field);
	return put_field(field, (u64)MIN(value, row_most(vcpu, row)));
}

/*
 * PARange: the smallest size that covers the VM's IPA space, which is not larger than the
 * machine's. A guest can use addresses between the two sizes, but nothing is there: docs/ipa.md.
 */
static u64 pa_range(const struct vcpu *vcpu)
{
	u64 most = MIN(cpu_features_field(machine, ID_MMFR0_PARange), ARRAY_SIZE(pa_ranges) - 1);
	u64 value = 0;

	while (value < most && pa_ranges[value] < vcpu->vm->s2.stage2.geometry.ia_bits)
		value++;
	return put_field(ID_MMFR0_PARange, value);
}

/*
 * 1, not there, for the granules of a guest hypervisor's stage 2 that are smaller than a page of the
 * VM's own: a shadow could not have its pages.
 */
static u64 stage2_granule_value(const struct vcpu *vcpu, enum id_field field, u64 value)
{
	enum granule pages = vcpu->vm->s2.stage2.geometry.granule;

	if ((field == ID_MMFR0_TGran4_2 && pages > GRANULE_4K) ||
	    (field == ID_MMFR0_TGran16_2 && pages > GRANULE_16K))
		return 1;
	return value;
}

/* The register's value without userspace's choice. */
static u64 most_value(const struct vcpu *vcpu, enum id_reg reg)
{
	u64 value = reg == ID_REG_MMFR0 ? pa_range(vcpu) : 0;
	const struct id_row *row;

	if (reg == ID_REG_DFR0 && vcpu->spe)
		value = put_field(ID_DFR0_PMSVer, trap_device(TRAP_DEVICE_SPE)->version());
	for_each_row(row, reg) value |= offered_value(vcpu, row);
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (id_field_desc((enum id_field)fixed[i].field)->reg == reg &&
		    vcpu_when(vcpu, (enum vcpu_when)fixed[i].when))
			value |= put_field((enum id_field)fixed[i].field,
					   stage2_granule_value(vcpu, (enum id_field)fixed[i].field,
								fixed[i].value));
	return value;
}

STATIC_ASSERT(ID_REG_SMFR0 < VM_ID_REGS, "registers that userspace can choose");

/*
 * Whether userspace may lower a field. Not those that EL2's own behaviour depends on: whether there
 * is a vGIC, SVE or memory tags, and how many breakpoints there are.
 */
static bool can_be_lowered(enum id_field field)
{
	switch (field) {
	case ID_PFR0_GIC:
	case ID_PFR0_SVE:
	case ID_PFR1_MTE:
	case ID_PFR1_MTE_frac:
	case ID_DFR0_BRPs:
	case ID_DFR0_WRPs:
	case ID_DFR0_CTX_CMPs:
		return false;
	default:
		return true;
	}
}

/*
 * Userspace's choice, which is the VM's; but fields that depend on the vCPU or the vGIC are
 * @most's.
 */
static u64 chosen_value(const struct vcpu *vcpu, enum id_reg reg, u64 most)
{
	u64 value = READ_ONCE(vcpu->vm->id[reg]);
	const struct id_row *row;

	for_each_row(row, reg)
	{
		enum id_field field = (enum id_field)row->field;
		u64 mask = put_field(field, ~0ULL);

		if (!can_be_lowered(field) || !vcpu_when(vcpu, (enum vcpu_when)row->when))
			value = (value & ~mask) | (most & mask);
	}
	return value;
}

u64 id_reg_value(const struct vcpu *vcpu, enum id_reg reg)
{
	u64 most = most_value(vcpu, reg);

	if (!(__atomic_load_n(&vcpu->vm->id_set, __ATOMIC_ACQUIRE) & BIT(reg)))
		return most;
	return chosen_value(vcpu, reg, most);
}

u64 id_reg_read(struct vcpu *vcpu, enum id_reg reg)
{
	if (vcpu->id_known & BIT(reg))
		return vcpu->id[reg];
	if (!READ_ONCE(vcpu->vm->has_run))
		return id_reg_value(vcpu, reg);
	vcpu->id[reg] = id_reg_value(vcpu, reg);
	vcpu->id_known |= BIT(reg);
	return vcpu->id[reg];
}

static bool field_valid(enum id_field field, u64 most, u64 value)
{
	const struct id_field_desc *desc = id_field_desc(field);

	if (value == most)
		return true;
	if (!can_be_lowered(field))
		return false;
	switch ((enum id_policy)desc->policy) {
	case ID_LOWER:
		return signed_field(field, value) < signed_field(field, most);
	case ID_EXACT:
		return value == 0;
	default:
		return false;
	}
}

/* The bits of all fields with a row, and PARange. */
static u64 writable_bits(enum id_reg reg)
{
	u64 bits = reg == ID_REG_MMFR0 ? put_field(ID_MMFR0_PARange, ~0ULL) : 0;
	const struct id_row *row;

	for_each_row(row, reg) bits |= put_field((enum id_field)row->field, ~0ULL);
	return bits;
}

static bool value_valid(enum id_reg reg, u64 most, u64 value)
{
	const struct id_row *row;

	if ((value ^ most) & ~writable_bits(reg))
		return false;
	for_each_row(row, reg)
	{
		enum id_field field = (enum id_field)row->field;

		if (!field_valid(field, get_field(field, most), get_field(field, value)))
			return false;
	}
	return reg != ID_REG_MMFR0 ||
	       get_field(ID_MMFR0_PARange, value) <= get_field(ID_MMFR0_PARange, most);
}

int id_reg_set(struct vcpu *vcpu, enum id_reg reg, u64 value)
{
	struct vm *vm = vcpu->vm;

	if (value == id_reg_value(vcpu, reg))
		return 0;
	if (READ_ONCE(vm->has_run))
		return -EBUSY;
	if (!value_valid(reg, most_value(vcpu, reg), value))
		return -EINVAL;
	WRITE_ONCE(vm->id[reg], value);
	__atomic_fetch_or(&vm->id_set, BIT(reg), __ATOMIC_RELEASE);
	return 0;
}
