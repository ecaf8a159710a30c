// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPU features: the ID registers of all CPUs, merged field by field, and queries of the result.
 * docs/cpu-features.md is the long version.
 *
 *      CPU 0's ID registers ──> cpu_features_init() ──┐
 *      CPU n's ID registers ──> cpu_features_merge() ─┴─> struct cpu_features.reg: the weakest wins
 *                                     ^                        │
 *                                     │ refuse a CPU           v
 *                                .required, .floor <── cpu_features_require...(): relied on
 *
 * The facts are two tables: the fields with their policy (ID_FIELDS in features.h), and the
 * features, with the fields that each takes (here). A field that is not in the table reads as zero,
 * so a feature that Keel does not know is not offered to anybody.
 *
 * Registers are first normalized: fields whose value refers to another field (TGran*_2) are
 * replaced by what they stand for, so that values of different CPUs compare. Then each field is
 * merged by its policy: the lower or the higher value is weaker, or different values are replaced
 * by a safe one.
 *
 * Once something relies on a field (the first page table, the first VM), the field is required: a
 * CPU that comes later with a weaker value must not run. So a value that somebody has read does not
 * change, and readers need no lock. Whoever merges serializes the calls.
 *
 * References are to ARM DDI 0487, AArch64 ID registers and A2 for the features' names.
 */
#include <cpu/errata.h>
#include <cpu/features.h>
#include <lib/errno.h>

#define CTR_RES1 BIT(31)

#define ID_FIELD_DESC(reg_, field_, shift_, width_, signed_, policy_, safe_) \
	[ID_##reg_##_##field_] = { .reg = ID_REG_##reg_,                     \
				   .shift = (shift_),                        \
				   .width = (width_),                        \
				   .is_signed = (signed_),                   \
				   .policy = (policy_),                      \
				   .safe = (safe_),                          \
				   .name = #field_ },

static const struct id_field_desc id_fields[ID_FIELD_COUNT] = { CPU_ID_FIELDS(ID_FIELD_DESC) };

/* Inline characters rather than pointers: no relocations. */
static const struct id_reg_desc {
	char name[20];
	u64 res1;
} id_regs[ID_REG_COUNT] = {
	[ID_REG_PFR0] = { "ID_AA64PFR0_EL1", 0 },   [ID_REG_PFR1] = { "ID_AA64PFR1_EL1", 0 },
	[ID_REG_PFR2] = { "ID_AA64PFR2_EL1", 0 },   [ID_REG_DFR0] = { "ID_AA64DFR0_EL1", 0 },
	[ID_REG_DFR1] = { "ID_AA64DFR1_EL1", 0 },   [ID_REG_ISAR0] = { "ID_AA64ISAR0_EL1", 0 },
	[ID_REG_ISAR1] = { "ID_AA64ISAR1_EL1", 0 }, [ID_REG_ISAR2] = { "ID_AA64ISAR2_EL1", 0 },
	[ID_REG_ISAR3] = { "ID_AA64ISAR3_EL1", 0 }, [ID_REG_MMFR0] = { "ID_AA64MMFR0_EL1", 0 },
	[ID_REG_MMFR1] = { "ID_AA64MMFR1_EL1", 0 }, [ID_REG_MMFR2] = { "ID_AA64MMFR2_EL1", 0 },
	[ID_REG_MMFR3] = { "ID_AA64MMFR3_EL1", 0 }, [ID_REG_MMFR4] = { "ID_AA64MMFR4_EL1", 0 },
	[ID_REG_ZFR0] = { "ID_AA64ZFR0_EL1", 0 },   [ID_REG_SMFR0] = { "ID_AA64SMFR0_EL1", 0 },
	[ID_REG_CTR] = { "CTR_EL0", CTR_RES1 },	    [ID_REG_DCZID] = { "DCZID_EL0", 0 },
	[ID_REG_MIDR] = { "MIDR_EL1", 0 },
};

/*
 * The features: each needs a field with at least a value (signed if the field is). Several rows of
 * one feature are alternatives. Features with a name are printed, in this order.
 */
static const struct feature_row {
	u8 feature; /* enum cpu_feature */
	u8 field;   /* enum id_field */
	u8 min;
	char name[11];
} feature_rows[] = {
	{ FEAT_AA32EL0, ID_PFR0_EL0, 2, "" },
	{ FEAT_AA32EL1, ID_PFR0_EL1, 2, "AA32EL1" },
	{ FEAT_FP, ID_PFR0_FP, 0, "" },
	{ FEAT_VHE, ID_MMFR1_VH, 1, "VHE" },
	{ FEAT_E2H0, ID_MMFR4_E2H0, 0, "" },
	{ FEAT_NV, ID_MMFR2_NV, 1, "NV" },
	{ FEAT_NV2, ID_MMFR2_NV, 2, "NV2" },
	{ FEAT_LPA, ID_MMFR0_PARange, 6, "LPA" },
	{ FEAT_LPA2, ID_MMFR0_TGran4_2, 3, "LPA2" },
	{ FEAT_LPA2, ID_MMFR0_TGran16_2, 3, "LPA2" },
	{ FEAT_LVA, ID_MMFR2_VARange, 1, "LVA" },
	{ FEAT_D128, ID_MMFR3_D128, 1, "D128" },
	{ FEAT_TTST, ID_MMFR2_ST, 1, "TTST" },
	{ FEAT_VMID16, ID_MMFR1_VMIDBits, 2, "VMID16" },
	{ FEAT_HAFDBS, ID_MMFR1_HAFDBS, 1, "HAFDBS" },
	{ FEAT_HDBS, ID_MMFR1_HAFDBS, 2, "" },
	{ FEAT_S2FWB, ID_MMFR2_FWB, 1, "S2FWB" },
	{ FEAT_XNX, ID_MMFR1_XNX, 1, "XNX" },
	{ FEAT_TTL, ID_MMFR2_TTL, 1, "TTL" },
	{ FEAT_BBML1, ID_MMFR2_BBM, 1, "" },
	{ FEAT_BBML2, ID_MMFR2_BBM, 2, "BBML2" },
	{ FEAT_TLBIOS, ID_ISAR0_TLB, 1, "" },
	{ FEAT_TLBIRANGE, ID_ISAR0_TLB, 2, "TLBIRANGE" },
	{ FEAT_S1PIE, ID_MMFR3_S1PIE, 1, "S1PIE" },
	{ FEAT_S2PIE, ID_MMFR3_S2PIE, 1, "S2PIE" },
	{ FEAT_TCR2, ID_MMFR3_TCRX, 1, "" },
	{ FEAT_SCTLR2, ID_MMFR3_SCTLRX, 1, "" },
	{ FEAT_MEC, ID_MMFR3_MEC, 1, "MEC" },
	{ FEAT_PAN, ID_MMFR1_PAN, 1, "PAN" },
	{ FEAT_UAO, ID_MMFR2_UAO, 1, "" },
	{ FEAT_FGT, ID_MMFR0_FGT, 1, "FGT" },
	{ FEAT_FGT2, ID_MMFR0_FGT, 2, "FGT2" },
	{ FEAT_EVT, ID_MMFR2_EVT, 1, "EVT" },
	{ FEAT_HCX, ID_MMFR1_HCX, 1, "HCX" },
	{ FEAT_IDST, ID_MMFR2_IDS, 1, "" },
	{ FEAT_TIDCP1, ID_MMFR1_TIDCP1, 1, "" },
	{ FEAT_TWED, ID_MMFR1_TWED, 1, "" },
	{ FEAT_ECV, ID_MMFR0_ECV, 1, "ECV" },
	{ FEAT_ECV_POFF, ID_MMFR0_ECV, 2, "" },
	{ FEAT_GICv3, ID_PFR0_GIC, 1, "GICv3" },
	{ FEAT_NMI, ID_PFR1_NMI, 1, "NMI" },
	{ FEAT_RAS, ID_PFR0_RAS, 1, "RAS" },
	{ FEAT_SVE, ID_PFR0_SVE, 1, "SVE" },
	{ FEAT_SVE2, ID_ZFR0_SVEver, 1, "SVE2" },
	{ FEAT_SME, ID_PFR1_SME, 1, "SME" },
	{ FEAT_SME2, ID_PFR1_SME, 2, "SME2" },
	{ FEAT_PAuth, ID_ISAR1_APA, 1, "PAuth" },
	{ FEAT_PAuth, ID_ISAR1_API, 1, "PAuth" },
	{ FEAT_PAuth, ID_ISAR2_APA3, 1, "PAuth" },
	{ FEAT_BTI, ID_PFR1_BT, 1, "BTI" },
	{ FEAT_GCS, ID_PFR1_GCS, 1, "GCS" },
	{ FEAT_MTE2, ID_PFR1_MTE, 2, "MTE2" },
	{ FEAT_SSBS, ID_PFR1_SSBS, 1, "" },
	{ FEAT_PMUv3, ID_DFR0_PMUVer, 1, "PMUv3" },
	{ FEAT_SPE, ID_DFR0_PMSVer, 1, "SPE" },
	{ FEAT_TRF, ID_DFR0_TraceFilt, 1, "" },
	{ FEAT_TRBE, ID_DFR0_TraceBuffer, 1, "TRBE" },
	{ FEAT_BRBE, ID_DFR0_BRBE, 1, "BRBE" },
	{ FEAT_DoubleLock, ID_DFR0_DoubleLock, 0, "" },
	{ FEAT_MPAM, ID_PFR0_MPAM, 1, "MPAM" },
	{ FEAT_MPAM, ID_PFR1_MPAM_frac, 1, "MPAM" },
	{ FEAT_AMU, ID_PFR0_AMU, 1, "AMU" },
	{ FEAT_RME, ID_PFR0_RME, 1, "RME" },
	{ FEAT_CRC32, ID_ISAR0_CRC32, 1, "" },
	{ FEAT_LSE, ID_ISAR0_Atomic, 2, "LSE" },
	{ FEAT_RNG, ID_ISAR0_RNDR, 1, "RNG" },
	{ FEAT_DPB, ID_ISAR1_DPB, 1, "" },
	{ FEAT_SB, ID_ISAR1_SB, 1, "" },
	{ FEAT_SPECRES, ID_ISAR1_SPECRES, 1, "" },
	{ FEAT_XS, ID_ISAR1_XS, 1, "XS" },
	{ FEAT_LS64, ID_ISAR1_LS64, 1, "LS64" },
	{ FEAT_WFxT, ID_ISAR2_WFxT, 2, "WFxT" },
	{ FEAT_MOPS, ID_ISAR2_MOPS, 1, "MOPS" },
};

/*
 * ID_AA64MMFR0_EL1.TGran*_2: 0 means "as stage 1", so it is replaced by what it stands for before
 * values of different CPUs are compared.
 */
enum { TGRAN_2_NONE = 1, TGRAN_2_YES = 2, TGRAN_2_LPA2 = 3 };

static const struct tgran {
	u8 stage1;
	u8 stage2;
	s8 stage1_yes; /* least value that means supported; one more means FEAT_LPA2 */
	bool can_lpa2;
} tgrans[GRANULE_COUNT] = {
	[GRANULE_4K] = { ID_MMFR0_TGran4, ID_MMFR0_TGran4_2, 0, true },
	[GRANULE_16K] = { ID_MMFR0_TGran16, ID_MMFR0_TGran16_2, 1, true },
	[GRANULE_64K] = { ID_MMFR0_TGran64, ID_MMFR0_TGran64_2, 0, false },
};

/* ID_AA64MMFR0_EL1.PARange */
static const u8 pa_range_bits[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

/* Fields that cpu_features_mmu_caps() reads, except PARange. */
static const u8 mmu_fields[] = {
	ID_MMFR0_TGran4,    ID_MMFR0_TGran16,	ID_MMFR0_TGran64,  ID_MMFR0_TGran4_2,
	ID_MMFR0_TGran16_2, ID_MMFR0_TGran64_2, ID_MMFR1_VMIDBits, ID_MMFR2_BBM,
	ID_MMFR2_ST,	    ID_MMFR1_HAFDBS,	ID_MMFR2_FWB,	   ID_MMFR1_XNX,
	ID_MMFR2_TTL,	    ID_ISAR0_TLB,	ID_MMFR1_VH,
};

STATIC_ASSERT(ID_FIELD_COUNT <= 256 && CPU_FEATURE_COUNT <= 256, "tables hold them in bytes");

static u64 field_max(const struct id_field_desc *d)
{
	return BIT(d->width) - 1;
}

static u64 field_get(const struct id_field_desc *d, const u64 *regs)
{
	return (regs[d->reg] >> d->shift) & field_max(d);
}

static void field_set(const struct id_field_desc *d, u64 *regs, u64 value)
{
	regs[d->reg] &= ~(field_max(d) << d->shift);
	regs[d->reg] |= (value & field_max(d)) << d->shift;
}

/* The number for a raw value: signed if the field is. */
static s64 field_number(const struct id_field_desc *d, u64 raw)
{
	bool negative = d->is_signed && (raw >> (d->width - 1)) != 0;

	return negative ? (s64)raw - (s64)field_max(d) - 1 : (s64)raw;
}

/* The weaker of two raw values: what both CPUs support. */
static u64 field_combine(const struct id_field_desc *d, u64 a, u64 b)
{
	bool a_less = field_number(d, a) < field_number(d, b);

	switch ((enum id_policy)d->policy) {
	case ID_LOWER:
		return a_less ? a : b;
	case ID_HIGHER:
		return a_less ? b : a;
	case ID_UNKNOWN:
		if (a == 0 || b == 0)
			return 0;
		return a_less ? b : a;
	case ID_EXACT:
		break;
	}
	return a == b ? a : d->safe;
}

static u64 stage2_granule(const struct tgran *t, const u64 *regs)
{
	const struct id_field_desc *d = &id_fields[t->stage1];
	s64 stage1 = field_number(d, field_get(d, regs));

	if (stage1 < t->stage1_yes)
		return TGRAN_2_NONE;
	return t->can_lpa2 && stage1 > t->stage1_yes ? TGRAN_2_LPA2 : TGRAN_2_YES;
}

/* One CPU's registers in a form that can be compared: known fields only, TGran*_2 replaced. */
static void normalize_fields(u64 *out, const struct cpu_id_regs *cpu)
{
	for (size_t r = 0; r < ID_REG_COUNT; r++)
		out[r] = id_regs[r].res1;
	for (size_t f = 0; f < ID_FIELD_COUNT; f++)
		field_set(&id_fields[f], out, field_get(&id_fields[f], cpu->reg));
	for (size_t g = 0; g < GRANULE_COUNT; g++) {
		const struct id_field_desc *d = &id_fields[tgrans[g].stage2];

		if (field_get(d, out) == 0)
			field_set(d, out, stage2_granule(&tgrans[g], out));
	}
	/* An IMPLEMENTATION DEFINED PMU counts as none. */
	if (field_get(&id_fields[ID_DFR0_PMUVer], out) == 0xf)
		field_set(&id_fields[ID_DFR0_PMUVer], out, 0);
}

void cpu_features_init(struct cpu_features *system, const struct cpu_id_regs *boot)
{
	*system = (struct cpu_features){ 0 };
	normalize_fields(system->reg, boot);
}

/* A PARange in bits. A value that is not defined yet counts as the largest that is. */
static u8 pa_bits_of(u64 pa_range)
{
	return pa_range_bits[MIN(pa_range, ARRAY_SIZE(pa_range_bits) - 1)];
}

unsigned int cpu_features_limit_pa(struct cpu_features *system, unsigned int pa_bits)
{
	const struct id_field_desc *d = &id_fields[ID_MMFR0_PARange];
	u64 pa_range = field_get(d, system->reg);

	while (pa_range && pa_bits_of(pa_range) > pa_bits)
		pa_range--;
	field_set(d, system->reg, pa_range);
	return pa_bits_of(pa_range);
}

/* Merge a CPU into the machine's registers; note the fields in which it differs. */
static void combine_fields(u64 *merged, const u64 *system, const u64 *cpu, u64 *differ)
{
	for (size_t r = 0; r < ID_REG_COUNT; r++)
		merged[r] = id_regs[r].res1;
	for (unsigned int f = 0; f < ID_FIELD_COUNT; f++) {
		const struct id_field_desc *d = &id_fields[f];
		u64 a = field_get(d, system), b = field_get(d, cpu);

		field_set(d, merged, field_combine(d, a, b));
		if (a != b)
			bitmap_set(differ, f);
	}
	/* If DC ZVA clears different amounts, nobody may use it. */
	if (bitmap_test(differ, ID_DCZID_BS))
		field_set(&id_fields[ID_DCZID_DZP], merged, 1);
}

/* The first required field that is weaker than its floor; ID_FIELD_COUNT if none is. */
static enum id_field find_missing(const struct cpu_features *system, const u64 *merged)
{
	unsigned int f;

	for_each_set_bit (f, system->required, ID_FIELD_COUNT) {
		const struct id_field_desc *d = &id_fields[f];
		u64 least = field_get(d, system->floor);

		if (field_combine(d, least, field_get(d, merged)) != least)
			break;
	}
	return (enum id_field)f;
}

int cpu_features_merge(struct cpu_features *system, const struct cpu_id_regs *cpu,
		       struct cpu_features_diff *diff)
{
	u64 normal[ID_REG_COUNT], merged[ID_REG_COUNT];

	*diff = (struct cpu_features_diff){ 0 };
	normalize_fields(normal, cpu);
	combine_fields(merged, system->reg, normal, diff->differ);
	diff->missing = find_missing(system, merged);
	if (diff->missing != ID_FIELD_COUNT)
		return -EINVAL;
	for (size_t r = 0; r < ID_REG_COUNT; r++)
		system->reg[r] = merged[r];
	return 0;
}

void cpu_features_require(struct cpu_features *system, enum id_field field, u64 value)
{
	const struct id_field_desc *d = &id_fields[field];
	u64 least = field_combine(d, field_get(d, system->reg), value);
	u64 before = field_get(d, system->floor);

	/* If the field was required before, keep the stronger value. */
	if (bitmap_test(system->required, field) && field_combine(d, before, least) != before)
		return;
	field_set(d, system->floor, least);
	bitmap_set(system->required, field);
}

void cpu_features_require_current(struct cpu_features *system, enum id_field field)
{
	cpu_features_require(system, field, cpu_features_field(system, field));
}

void cpu_features_require_mmu(struct cpu_features *system, unsigned int pa_bits)
{
	u64 pa_range = 0;

	while (pa_range < ARRAY_SIZE(pa_range_bits) - 1 && pa_range_bits[pa_range] < pa_bits)
		pa_range++;
	cpu_features_require(system, ID_MMFR0_PARange, pa_range);
	for (size_t i = 0; i < ARRAY_SIZE(mmu_fields); i++)
		cpu_features_require_current(system, (enum id_field)mmu_fields[i]);
}

void cpu_features_freeze(struct cpu_features *system)
{
	for (unsigned int f = 0; f < ID_FIELD_COUNT; f++)
		cpu_features_require_current(system, (enum id_field)f);
}

u64 cpu_features_field(const struct cpu_features *system, enum id_field field)
{
	return field_get(&id_fields[field], system->reg);
}

s64 cpu_features_signed(const struct cpu_features *system, enum id_field field)
{
	return field_number(&id_fields[field], cpu_features_field(system, field));
}

s64 cpu_id_field(const struct cpu_id_regs *cpu, enum id_field field)
{
	u64 raw = field_get(&id_fields[field], cpu->reg);

	return field == ID_DFR0_PMUVer && raw == 0xf ? 0 : field_number(&id_fields[field], raw);
}

static bool row_holds(const struct cpu_features *system, const struct feature_row *row)
{
	return cpu_features_signed(system, (enum id_field)row->field) >= row->min;
}

bool cpu_has(const struct cpu_features *system, enum cpu_feature feature)
{
	for (size_t i = 0; i < ARRAY_SIZE(feature_rows); i++)
		if (feature_rows[i].feature == feature && row_holds(system, &feature_rows[i]))
			return true;
	return false;
}

static void granule_caps(const struct cpu_features *system, enum granule g, struct mmu_caps *caps)
{
	const struct tgran *t = &tgrans[g];
	s64 stage1 = cpu_features_signed(system, (enum id_field)t->stage1);
	u64 stage2 = cpu_features_field(system, (enum id_field)t->stage2);

	caps->s1_granule[g] = stage1 >= t->stage1_yes;
	caps->s1_lpa2[g] = t->can_lpa2 && stage1 > t->stage1_yes;
	caps->s2_granule[g] = stage2 >= TGRAN_2_YES;
	caps->s2_lpa2[g] = t->can_lpa2 && stage2 >= TGRAN_2_LPA2;
}

void cpu_features_mmu_caps(const struct cpu_features *system, struct mmu_caps *caps)
{
	*caps = (struct mmu_caps){
		.pa_bits = pa_bits_of(cpu_features_field(system, ID_MMFR0_PARange)),
		.vmid_bits = cpu_has(system, FEAT_VMID16) ? 16 : 8,
		.bbm_level = (u8)MIN(cpu_features_field(system, ID_MMFR2_BBM), 2U),
		.small_tables = cpu_has(system, FEAT_TTST),
		.hw_access = cpu_has(system, FEAT_HAFDBS),
		.hw_dirty = cpu_has(system, FEAT_HDBS),
		.fwb = cpu_has(system, FEAT_S2FWB),
		.xnx = cpu_has(system, FEAT_XNX),
		.ttl = cpu_has(system, FEAT_TTL),
		.tlbi_range = cpu_has(system, FEAT_TLBIRANGE),
		.vhe = cpu_has(system, FEAT_VHE),
	};
	for (unsigned int g = 0; g < GRANULE_COUNT; g++)
		granule_caps(system, (enum granule)g, caps);
	if (errata_need(ERRATUM_NO_HW_ACCESS))
		caps->hw_access = false;
	if (errata_need(ERRATUM_NO_HW_ACCESS | ERRATUM_NO_HW_DIRTY))
		caps->hw_dirty = false;
}

static size_t text_length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

/* Append @s at @at, cut off at the end of the buffer. Return: the new end. */
static size_t text_append(char *buf, size_t size, size_t at, const char *s)
{
	while (*s && at + 1 < size)
		buf[at++] = *s++;
	buf[at] = '\0';
	return at;
}

/* Whether a row before this one of the same feature was printed. */
static bool printed_before(const struct cpu_features *system, const struct feature_row *row)
{
	for (const struct feature_row *r = feature_rows; r < row; r++)
		if (r->feature == row->feature && row_holds(system, r))
			return true;
	return false;
}

size_t cpu_features_describe(const struct cpu_features *system, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(feature_rows); i++) {
		const struct feature_row *row = &feature_rows[i];

		if (!row->name[0] || !row_holds(system, row) || printed_before(system, row))
			continue;
		if (at + (at > 0) + text_length(row->name) + 1 > size)
			break;
		at = text_append(buf, size, at, at > 0 ? " " : "");
		at = text_append(buf, size, at, row->name);
	}
	return at;
}

const struct id_field_desc *id_field_desc(enum id_field field)
{
	return &id_fields[field];
}

const char *id_reg_name(enum id_reg reg)
{
	return id_regs[reg].name;
}

char *id_field_format(enum id_field field, char *buf, size_t size)
{
	const struct id_field_desc *d = &id_fields[field];
	size_t at = text_append(buf, size, 0, id_regs[d->reg].name);

	at = text_append(buf, size, at, ".");
	text_append(buf, size, at, d->name);
	return buf;
}
