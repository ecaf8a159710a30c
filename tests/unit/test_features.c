// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/cpu/features.c hyp/cpu/errata.c */
/*
 * CPU features: the table of fields, the merging of CPUs, and what is answered about real ones
 * (ID registers as QEMU 10.0.2's models have them at EL2 on its virt board with a GICv3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <cpu/features.h>
#include <lib/errno.h>

enum model { A53, A57, A72, A76, N1, N2, MAX_CPU, MODELS };

static const char *const model_name[MODELS] = { "cortex-a53", "cortex-a57",  "cortex-a72",
						"cortex-a76", "neoverse-n1", "neoverse-n2",
						"max" };

static const struct cpu_id_regs models[MODELS] = {
	[A53] = { {
		[ID_REG_PFR0] = 0x0000000001000222,
		[ID_REG_DFR0] = 0x0000000010305106,
		[ID_REG_ISAR0] = 0x0000000000011120,
		[ID_REG_MMFR0] = 0x0000000000001122,
		[ID_REG_CTR] = 0x0000000084448004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x410fd034,
	} },
	[A57] = { {
		[ID_REG_PFR0] = 0x0000000001000222,
		[ID_REG_DFR0] = 0x0000000010305106,
		[ID_REG_ISAR0] = 0x0000000000011120,
		[ID_REG_MMFR0] = 0x0000000000001124,
		[ID_REG_CTR] = 0x000000008444c004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x411fd070,
	} },
	[A72] = { {
		[ID_REG_PFR0] = 0x0000000001000222,
		[ID_REG_DFR0] = 0x0000000010305106,
		[ID_REG_ISAR0] = 0x0000000000011120,
		[ID_REG_MMFR0] = 0x0000000000001124,
		[ID_REG_CTR] = 0x000000008444c004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x410fd083,
	} },
	[A76] = { {
		[ID_REG_PFR0] = 0x1100000011110112,
		[ID_REG_PFR1] = 0x0000000000000010,
		[ID_REG_DFR0] = 0x0000000010305408,
		[ID_REG_ISAR0] = 0x0000100010211120,
		[ID_REG_ISAR1] = 0x0000000000100001,
		[ID_REG_MMFR0] = 0x0000000000101122,
		[ID_REG_MMFR1] = 0x0000000010212122,
		[ID_REG_MMFR2] = 0x0000000000001011,
		[ID_REG_CTR] = 0x000000008444c004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x414fd0b1,
	} },
	[N1] = { {
		[ID_REG_PFR0] = 0x1100000011110112,
		[ID_REG_PFR1] = 0x0000000000000020,
		[ID_REG_DFR0] = 0x0000000010305408,
		[ID_REG_ISAR0] = 0x0000100010211120,
		[ID_REG_ISAR1] = 0x0000000000100001,
		[ID_REG_MMFR0] = 0x0000000000101125,
		[ID_REG_MMFR1] = 0x0000000010212122,
		[ID_REG_MMFR2] = 0x0000000000001011,
		[ID_REG_CTR] = 0x000000008444c004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x414fd0c1,
	} },
	[N2] = { {
		[ID_REG_PFR0] = 0x1201001121110112,
		[ID_REG_PFR1] = 0x0000000000000121,
		[ID_REG_DFR0] = 0x000000f010305609,
		[ID_REG_ISAR0] = 0x1221111110212120,
		[ID_REG_ISAR1] = 0x0011111110211502,
		[ID_REG_MMFR0] = 0x0000022200101125,
		[ID_REG_MMFR1] = 0x0000000010212122,
		[ID_REG_MMFR2] = 0x1221011112101011,
		[ID_REG_ZFR0] = 0x0000110100110021,
		[ID_REG_CTR] = 0x00000004b444c004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x410fd493,
	} },
	[MAX_CPU] = { {
		[ID_REG_PFR0] = 0x1301001121110222,
		[ID_REG_PFR1] = 0x0000001001000121,
		[ID_REG_DFR0] = 0x100000001030560a,
		[ID_REG_ISAR0] = 0x1221111110212120,
		[ID_REG_ISAR1] = 0x0111211110211502,
		[ID_REG_ISAR2] = 0x0000000000110012,
		[ID_REG_MMFR0] = 0x2100032310201126,
		[ID_REG_MMFR1] = 0x0110112010312122,
		[ID_REG_MMFR2] = 0x1221011112011011,
		[ID_REG_MMFR3] = 0x1000000000000000,
		[ID_REG_ZFR0] = 0x0110110100210021,
		[ID_REG_SMFR0] = 0x80f100fd00000000,
		[ID_REG_CTR] = 0x00000000b444c004,
		[ID_REG_DCZID] = 4,
		[ID_REG_MIDR] = 0x000f0510,
	} },
};

static struct cpu_features sys;
static struct cpu_features_diff diff;

static void merge(const struct cpu_id_regs *cpu)
{
	assert_int_equal(cpu_features_merge(&sys, cpu, &diff), 0);
}

static u64 raw(const struct cpu_id_regs *cpu, enum id_field f)
{
	const struct id_field_desc *d = id_field_desc(f);

	return cpu->reg[d->reg] >> d->shift & (BIT(d->width) - 1);
}

static void set_raw(struct cpu_id_regs *cpu, enum id_field f, u64 value)
{
	const struct id_field_desc *d = id_field_desc(f);
	u64 mask = (BIT(d->width) - 1) << d->shift;

	cpu->reg[d->reg] = (cpu->reg[d->reg] & ~mask) | (value << d->shift & mask);
}

static void the_table_is_sound(void **state)
{
	u64 seen[ID_REG_COUNT] = { 0 };
	int last = -1;

	for (enum id_field f = 0; f < ID_FIELD_COUNT; f++) {
		const struct id_field_desc *d = id_field_desc(f);
		u64 mask;
		char name[40];

		assert_in_range(d->width, 1, 8);
		assert_in_range(d->shift + d->width, 1, 64);
		mask = (BIT(d->width) - 1) << d->shift;
		id_field_format(f, name, sizeof(name));
		assert_true(strlen(name) < sizeof(name) - 1);
		assert_in_range(strnlen(d->name, sizeof(d->name)), 2, sizeof(d->name) - 1);
		if (d->reg >= ID_REG_MIDR || seen[d->reg] & mask)
			fail_msg("%s overlaps another field", name);
		if (d->reg * 64 + d->shift <= last)
			fail_msg("%s is out of order", name);
		if (d->policy > ID_UNKNOWN || d->safe >= BIT(d->width))
			fail_msg("%s: policy %u, safe value %u", name, d->policy, d->safe);
		seen[d->reg] |= mask;
		last = d->reg * 64 + d->shift;
	}
	assert_int_equal(seen[ID_REG_MIDR], 0);
	for (enum id_reg r = 0; r < ID_REG_MIDR; r++)
		assert_int_not_equal(seen[r], 0);
}

/* Fields of which a mistake would be dear, by register, from the manual; and full names. */
static void fields_are_where_the_manual_has_them(void **state)
{
	static const struct {
		enum id_field field;
		const char *name;
		u8 shift, width;
	} rows[] = {
		{ ID_PFR0_EL2, "ID_AA64PFR0_EL1.EL2", 8, 4 },
		{ ID_PFR0_GIC, "ID_AA64PFR0_EL1.GIC", 24, 4 },
		{ ID_PFR0_SVE, "ID_AA64PFR0_EL1.SVE", 32, 4 },
		{ ID_PFR1_MTE, "ID_AA64PFR1_EL1.MTE", 8, 4 },
		{ ID_PFR1_SME, "ID_AA64PFR1_EL1.SME", 24, 4 },
		{ ID_DFR0_PMUVer, "ID_AA64DFR0_EL1.PMUVer", 8, 4 },
		{ ID_DFR0_PMSVer, "ID_AA64DFR0_EL1.PMSVer", 32, 4 },
		{ ID_DFR0_TraceBuffer, "ID_AA64DFR0_EL1.TraceBuffer", 44, 4 },
		{ ID_ISAR0_Atomic, "ID_AA64ISAR0_EL1.Atomic", 20, 4 },
		{ ID_ISAR0_TLB, "ID_AA64ISAR0_EL1.TLB", 56, 4 },
		{ ID_ISAR2_SYSINSTR_128, "ID_AA64ISAR2_EL1.SYSINSTR_128", 36, 4 },
		{ ID_MMFR0_PARange, "ID_AA64MMFR0_EL1.PARange", 0, 4 },
		{ ID_MMFR0_TGran16, "ID_AA64MMFR0_EL1.TGran16", 20, 4 },
		{ ID_MMFR0_TGran64, "ID_AA64MMFR0_EL1.TGran64", 24, 4 },
		{ ID_MMFR0_TGran4, "ID_AA64MMFR0_EL1.TGran4", 28, 4 },
		{ ID_MMFR0_TGran16_2, "ID_AA64MMFR0_EL1.TGran16_2", 32, 4 },
		{ ID_MMFR0_TGran64_2, "ID_AA64MMFR0_EL1.TGran64_2", 36, 4 },
		{ ID_MMFR0_TGran4_2, "ID_AA64MMFR0_EL1.TGran4_2", 40, 4 },
		{ ID_MMFR0_FGT, "ID_AA64MMFR0_EL1.FGT", 56, 4 },
		{ ID_MMFR1_HAFDBS, "ID_AA64MMFR1_EL1.HAFDBS", 0, 4 },
		{ ID_MMFR1_VMIDBits, "ID_AA64MMFR1_EL1.VMIDBits", 4, 4 },
		{ ID_MMFR1_VH, "ID_AA64MMFR1_EL1.VH", 8, 4 },
		{ ID_MMFR1_XNX, "ID_AA64MMFR1_EL1.XNX", 28, 4 },
		{ ID_MMFR2_NV, "ID_AA64MMFR2_EL1.NV", 24, 4 },
		{ ID_MMFR2_ST, "ID_AA64MMFR2_EL1.ST", 28, 4 },
		{ ID_MMFR2_FWB, "ID_AA64MMFR2_EL1.FWB", 40, 4 },
		{ ID_MMFR2_TTL, "ID_AA64MMFR2_EL1.TTL", 48, 4 },
		{ ID_MMFR2_BBM, "ID_AA64MMFR2_EL1.BBM", 52, 4 },
		{ ID_MMFR4_E2H0, "ID_AA64MMFR4_EL1.E2H0", 24, 4 },
		{ ID_SMFR0_FA64, "ID_AA64SMFR0_EL1.FA64", 63, 1 },
		{ ID_CTR_L1Ip, "CTR_EL0.L1Ip", 14, 2 },
		{ ID_CTR_CWG, "CTR_EL0.CWG", 24, 4 },
		{ ID_CTR_TminLine, "CTR_EL0.TminLine", 32, 6 },
		{ ID_DCZID_DZP, "DCZID_EL0.DZP", 4, 1 },
	};
	char name[40], cut[8];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct id_field_desc *d = id_field_desc(rows[i].field);

		assert_string_equal(id_field_format(rows[i].field, name, sizeof(name)),
				    rows[i].name);
		assert_int_equal(d->shift, rows[i].shift);
		assert_int_equal(d->width, rows[i].width);
	}
	assert_string_equal(id_field_format(ID_PFR0_EL2, cut, sizeof(cut)), "ID_AA64");
	assert_string_equal(id_field_format(ID_PFR0_EL2, cut, 1), "");
	assert_string_equal(id_reg_name(ID_REG_MIDR), "MIDR_EL1");
}

static int signed_value(u64 value, const struct id_field_desc *d)
{
	return d->is_signed && value >= BIT(d->width) / 2 ? (int)value - (int)BIT(d->width)
							  : (int)value;
}

/* What becomes of two values, said once more. */
static u64 expected_merge(const struct id_field_desc *d, u64 a, u64 b)
{
	bool a_lower = signed_value(a, d) <= signed_value(b, d);

	if (a == b)
		return a;
	if (d->policy == ID_EXACT)
		return d->safe;
	if (d->policy == ID_UNKNOWN && (!a || !b))
		return 0;
	return a_lower == (d->policy == ID_LOWER) ? a : b;
}

/* Registers in which nothing but the field that is looked at changes anything. */
static struct cpu_id_regs neutral_cpu(void)
{
	struct cpu_id_regs cpu = { { [ID_REG_CTR] = BIT(31) } };

	set_raw(&cpu, ID_MMFR0_TGran4_2, 2);
	set_raw(&cpu, ID_MMFR0_TGran16_2, 2);
	set_raw(&cpu, ID_MMFR0_TGran64_2, 2);
	return cpu;
}

static bool normalized_away(enum id_field f, u64 value)
{
	bool tgran_2 = f == ID_MMFR0_TGran4_2 || f == ID_MMFR0_TGran16_2 || f == ID_MMFR0_TGran64_2;

	return (tgran_2 && value == 0) || (f == ID_DFR0_PMUVer && value == 0xf);
}

static void check_pair(enum id_field f, u64 a, u64 b)
{
	const struct id_field_desc *d = id_field_desc(f);
	struct cpu_id_regs first = neutral_cpu(), second = first, want = first;
	char name[40];

	set_raw(&first, f, a);
	set_raw(&second, f, b);
	set_raw(&want, f, expected_merge(d, a, b));
	if (f == ID_DCZID_BS && a != b)
		set_raw(&want, ID_DCZID_DZP, 1);
	cpu_features_init(&sys, &first);
	merge(&second);
	id_field_format(f, name, sizeof(name));
	if (memcmp(sys.reg, want.reg, sizeof(sys.reg)) != 0)
		fail_msg("%s: %#lx and %#lx became %#lx", name, a, b, cpu_features_field(&sys, f));
	if (bitmap_test(diff.differ, f) != (a != b) ||
	    bitmap_weight(diff.differ, ID_FIELD_COUNT) != (a != b))
		fail_msg("%s: %#lx and %#lx are reported wrongly as different", name, a, b);
}

static void every_pair_of_values_of_every_field_merges_by_its_policy(void **state)
{
	for (enum id_field f = 0; f < ID_FIELD_COUNT; f++) {
		u64 values = BIT(MIN(id_field_desc(f)->width, 5));

		for (u64 a = 0; a < values; a++)
			for (u64 b = 0; b < values; b++)
				if (!normalized_away(f, a) && !normalized_away(f, b))
					check_pair(f, a, b);
	}
}

/* One example of each policy, in plain numbers. */
static void policies_merge_as_in_the_examples(void **state)
{
	static const struct {
		enum id_field field;
		u64 a, b, both;
	} rows[] = {
		{ ID_MMFR0_PARange, 5, 2, 2 },	  /* 48 and 40 bits: 40 */
		{ ID_PFR0_FP, 0xf, 1, 0xf },	  /* signed: no FP and half precision: none */
		{ ID_MMFR0_TGran4, 0xf, 1, 0xf }, /* signed: none */
		{ ID_MMFR0_TGran64, 0, 0xf, 0xf },
		{ ID_MMFR0_TGran16, 0, 2, 0 }, /* unsigned: 0 is none here */
		{ ID_MMFR1_SpecSEI, 0, 1, 1 }, /* higher is weaker */
		{ ID_ISAR1_APA, 1, 0, 0 },     /* signing algorithms do not mix */
		{ ID_ISAR1_APA, 1, 2, 0 },
		{ ID_ISAR1_API, 5, 5, 5 },
		{ ID_CTR_L1Ip, 3, 2, 2 }, /* PIPT and VIPT: VIPT */
		{ ID_CTR_L1Ip, 3, 0, 2 },
		{ ID_CTR_L1Ip, 3, 3, 3 },
		{ ID_CTR_CWG, 4, 5, 5 },      /* the larger granule */
		{ ID_CTR_CWG, 4, 0, 0 },      /* unknown */
		{ ID_CTR_DminLine, 4, 5, 4 }, /* the smaller line */
		{ ID_CTR_IDC, 1, 0, 0 },
		{ ID_CTR_DIC, 0, 1, 0 },
		{ ID_DCZID_DZP, 0, 1, 1 },	/* DC ZVA prohibited on one */
		{ ID_MMFR4_E2H0, 0xf, 0, 0xf }, /* E2H=0 not possible on one */
		{ ID_DFR0_DoubleLock, 0, 0xf, 0xf },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_id_regs a = neutral_cpu(), b = a;

		set_raw(&a, rows[i].field, rows[i].a);
		set_raw(&b, rows[i].field, rows[i].b);
		cpu_features_init(&sys, &a);
		merge(&b);
		assert_int_equal(cpu_features_field(&sys, rows[i].field), rows[i].both);
		cpu_features_init(&sys, &b);
		merge(&a);
		assert_int_equal(cpu_features_field(&sys, rows[i].field), rows[i].both);
	}
}

/* TGran*_2 is 0 on CPUs older than the field, which must not make them weaker, or stronger. */
static void stage_2_granules_are_resolved(void **state)
{
	static const struct {
		enum id_field stage1, stage2;
		u8 raw1, raw2, resolved;
	} rows[] = {
		{ ID_MMFR0_TGran4, ID_MMFR0_TGran4_2, 0, 0, 2 },
		{ ID_MMFR0_TGran4, ID_MMFR0_TGran4_2, 1, 0, 3 },
		{ ID_MMFR0_TGran4, ID_MMFR0_TGran4_2, 0xf, 0, 1 },
		{ ID_MMFR0_TGran4, ID_MMFR0_TGran4_2, 1, 1, 1 },
		{ ID_MMFR0_TGran4, ID_MMFR0_TGran4_2, 0xf, 3, 3 },
		{ ID_MMFR0_TGran16, ID_MMFR0_TGran16_2, 0, 0, 1 },
		{ ID_MMFR0_TGran16, ID_MMFR0_TGran16_2, 1, 0, 2 },
		{ ID_MMFR0_TGran16, ID_MMFR0_TGran16_2, 2, 0, 3 },
		{ ID_MMFR0_TGran16, ID_MMFR0_TGran16_2, 2, 2, 2 },
		{ ID_MMFR0_TGran64, ID_MMFR0_TGran64_2, 0, 0, 2 },
		{ ID_MMFR0_TGran64, ID_MMFR0_TGran64_2, 0xf, 0, 1 },
		{ ID_MMFR0_TGran64, ID_MMFR0_TGran64_2, 1, 0, 2 }, /* no LPA2 for 64K */
		{ ID_MMFR0_TGran64, ID_MMFR0_TGran64_2, 0, 1, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cpu_id_regs cpu = { 0 };

		set_raw(&cpu, rows[i].stage1, rows[i].raw1);
		set_raw(&cpu, rows[i].stage2, rows[i].raw2);
		cpu_features_init(&sys, &cpu);
		if (cpu_features_field(&sys, rows[i].stage2) != rows[i].resolved)
			fail_msg("row %zu: %lu, not %u", i,
				 cpu_features_field(&sys, rows[i].stage2), rows[i].resolved);
	}
	/* An old CPU with 4K pages beside a new one without LPA2: both have 4K pages. */
	cpu_features_init(&sys, &models[A53]);
	merge(&models[N2]);
	assert_int_equal(cpu_features_field(&sys, ID_MMFR0_TGran4_2), 2);
	assert_false(bitmap_test(diff.differ, ID_MMFR0_TGran4_2));
}

static void what_is_not_known_is_not_offered(void **state)
{
	struct cpu_id_regs ones;
	u64 known = 0;

	memset(&ones, 0xff, sizeof(ones));
	cpu_features_init(&sys, &ones);
	for (enum id_field f = 0; f < ID_FIELD_COUNT; f++)
		if (id_field_desc(f)->reg == ID_REG_MMFR2)
			known |= (BIT(id_field_desc(f)->width) - 1) << id_field_desc(f)->shift;
	assert_int_equal(sys.reg[ID_REG_MMFR2], known);
	assert_int_equal(known, 0xffff0fffffffffff); /* 47:44 are RES0 */
	assert_int_equal(sys.reg[ID_REG_MIDR], 0);
	assert_int_equal(sys.reg[ID_REG_DCZID], 0x1f);
	assert_int_equal(cpu_features_field(&sys, ID_DFR0_PMUVer), 0); /* not the architecture's */
	cpu_features_init(&sys, &(struct cpu_id_regs){ 0 });
	assert_int_equal(sys.reg[ID_REG_CTR], 0x80000000); /* RES1 */
	merge(&(struct cpu_id_regs){ 0 });
	assert_int_equal(sys.reg[ID_REG_CTR], 0x80000000);
}

static void dc_zva_is_prohibited_where_block_sizes_differ(void **state)
{
	struct cpu_id_regs other = models[N1];

	cpu_features_init(&sys, &models[N1]);
	merge(&models[N1]);
	assert_int_equal(sys.reg[ID_REG_DCZID], 0x4);
	other.reg[ID_REG_DCZID] = 5;
	merge(&other);
	assert_int_equal(sys.reg[ID_REG_DCZID], 0x14);
	merge(&models[N1]); /* and stays so */
	assert_int_equal(sys.reg[ID_REG_DCZID], 0x14);
}

/* The MMU of each model, from its documentation. */
static const struct mmu_caps model_caps[MODELS] = {
	[A53] = { .pa_bits = 40,
		  .vmid_bits = 8,
		  .s1_granule = { true, false, true },
		  .s2_granule = { true, false, true } },
	[A57] = { .pa_bits = 44,
		  .vmid_bits = 8,
		  .s1_granule = { true, false, true },
		  .s2_granule = { true, false, true } },
	[A72] = { .pa_bits = 44,
		  .vmid_bits = 8,
		  .s1_granule = { true, false, true },
		  .s2_granule = { true, false, true } },
	[A76] = { .pa_bits = 40,
		  .vmid_bits = 16,
		  .hw_access = true,
		  .hw_dirty = true,
		  .xnx = true,
		  .vhe = true,
		  .s1_granule = { true, true, true },
		  .s2_granule = { true, true, true } },
	[N1] = { .pa_bits = 48,
		 .vmid_bits = 16,
		 .hw_access = true,
		 .hw_dirty = true,
		 .xnx = true,
		 .vhe = true,
		 .s1_granule = { true, true, true },
		 .s2_granule = { true, true, true } },
	[N2] = { .pa_bits = 48,
		 .vmid_bits = 16,
		 .hw_access = true,
		 .hw_dirty = true,
		 .xnx = true,
		 .vhe = true,
		 .bbm_level = 2,
		 .small_tables = true,
		 .fwb = true,
		 .ttl = true,
		 .tlbi_range = true,
		 .s1_granule = { true, true, true },
		 .s2_granule = { true, true, true } },
	[MAX_CPU] = { .pa_bits = 52,
		      .vmid_bits = 16,
		      .hw_access = true,
		      .hw_dirty = true,
		      .xnx = true,
		      .vhe = true,
		      .bbm_level = 2,
		      .small_tables = true,
		      .fwb = true,
		      .ttl = true,
		      .tlbi_range = true,
		      .s1_granule = { true, true, true },
		      .s2_granule = { true, true, true },
		      .s1_lpa2 = { true, true, false },
		      .s2_lpa2 = { true, true, false } },
};

#define expect_cap(member)                                                       \
	do {                                                                     \
		if (memcmp(&got.member, &want->member, sizeof(got.member)) != 0) \
			fail_msg("%s: %s is not as documented", what, #member);  \
	} while (0)

static void expect_caps(const char *what, const struct mmu_caps *want)
{
	struct mmu_caps got;

	memset(&got, 0x5a, sizeof(got));
	cpu_features_mmu_caps(&sys, &got);
	expect_cap(pa_bits);
	expect_cap(vmid_bits);
	expect_cap(bbm_level);
	expect_cap(s1_granule);
	expect_cap(s2_granule);
	expect_cap(s1_lpa2);
	expect_cap(s2_lpa2);
	expect_cap(small_tables);
	expect_cap(hw_access);
	expect_cap(hw_dirty);
	expect_cap(fwb);
	expect_cap(xnx);
	expect_cap(ttl);
	expect_cap(tlbi_range);
	expect_cap(vhe);
}

static void cpu_models_have_their_mmu_features(void **state)
{
	for (enum model m = 0; m < MODELS; m++) {
		cpu_features_init(&sys, &models[m]);
		expect_caps(model_name[m], &model_caps[m]);
		for (int cpu = 1; cpu < 4; cpu++) {
			merge(&models[m]);
			assert_int_equal(bitmap_weight(diff.differ, ID_FIELD_COUNT), 0);
		}
		expect_caps(model_name[m], &model_caps[m]);
	}
}

static void pa_range_is_told_as_a_width(void **state)
{
	static const u8 widths[16] = { 32, 36, 40, 42, 44, 48, 52, 56,
				       56, 56, 56, 56, 56, 56, 56, 56 };

	for (u64 range = 0; range < 16; range++) {
		struct cpu_id_regs cpu = { 0 };
		struct mmu_caps caps;

		set_raw(&cpu, ID_MMFR0_PARange, range);
		cpu_features_init(&sys, &cpu);
		cpu_features_mmu_caps(&sys, &caps);
		assert_int_equal(caps.pa_bits, widths[range]);
	}
}

static void a_narrower_machine_can_be_asked_for(void **state)
{
	static const u8 widths[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

	for (u64 range = 0; range < ARRAY_SIZE(widths); range++) {
		for (unsigned int bits = 32; bits <= 56; bits++) {
			struct cpu_id_regs cpu = { 0 };
			struct cpu_features_diff diff;
			struct mmu_caps caps;
			unsigned int want = 32;

			for (u64 i = 0; i <= range; i++)
				want = widths[i] <= bits ? widths[i] : want;
			set_raw(&cpu, ID_MMFR0_PARange, range);
			cpu_features_init(&sys, &cpu);
			assert_int_equal(cpu_features_limit_pa(&sys, bits), want);
			assert_int_equal(cpu_features_merge(&sys, &cpu, &diff), 0);
			cpu_features_mmu_caps(&sys, &caps);
			assert_int_equal(caps.pa_bits, want);
		}
	}
}

/* Values that are reserved today do not give 64K what it does not have. */
static void sixty_four_k_has_no_lpa2(void **state)
{
	struct cpu_id_regs cpu = { 0 };
	struct mmu_caps caps;

	set_raw(&cpu, ID_MMFR0_TGran64, 1);
	set_raw(&cpu, ID_MMFR0_TGran64_2, 3);
	cpu_features_init(&sys, &cpu);
	cpu_features_mmu_caps(&sys, &caps);
	assert_true(caps.s1_granule[GRANULE_64K] && caps.s2_granule[GRANULE_64K]);
	assert_false(caps.s1_lpa2[GRANULE_64K] || caps.s2_lpa2[GRANULE_64K]);
}

static void cpu_models_are_described_by_their_features(void **state)
{
	static const char *const lines[MODELS] = {
		[A53] = "AA32EL1 GICv3 PMUv3",
		[A57] = "AA32EL1 GICv3 PMUv3",
		[A72] = "AA32EL1 GICv3 PMUv3",
		[A76] = "VHE VMID16 HAFDBS XNX PAN GICv3 RAS PMUv3 LSE",
		[N1] = "VHE VMID16 HAFDBS XNX PAN GICv3 RAS PMUv3 LSE",
		[N2] = "VHE NV NV2 TTST VMID16 HAFDBS S2FWB XNX TTL BBML2 TLBIRANGE PAN EVT GICv3 "
		       "RAS SVE SVE2 PAuth BTI PMUv3 LSE RNG",
		[MAX_CPU] = "AA32EL1 VHE NV NV2 LPA LPA2 LVA TTST VMID16 HAFDBS S2FWB XNX TTL "
			    "BBML2 TLBIRANGE "
			    "PAN FGT EVT HCX ECV GICv3 NMI RAS SVE SVE2 SME PAuth BTI PMUv3 LSE "
			    "RNG XS WFxT MOPS",
	};
	char buf[512];

	for (enum model m = 0; m < MODELS; m++) {
		cpu_features_init(&sys, &models[m]);
		assert_int_equal(cpu_features_describe(&sys, buf, sizeof(buf)), strlen(buf));
		if (strcmp(buf, lines[m]) != 0)
			fail_msg("%s is \"%s\", not \"%s\"", model_name[m], buf, lines[m]);
	}
}

static void a_short_buffer_holds_whole_words(void **state)
{
	char buf[512], whole[512];
	struct cpu_id_regs ones;

	cpu_features_init(&sys, &models[MAX_CPU]);
	cpu_features_describe(&sys, whole, sizeof(whole));
	for (size_t size = 1; size < 200; size++) {
		size_t n;

		memset(buf, 'x', sizeof(buf));
		n = cpu_features_describe(&sys, buf, size);
		assert_true(n < size && buf[n] == '\0' && buf[size] == 'x');
		assert_memory_equal(buf, whole, n);
		assert_true(whole[n] == ' ' || whole[n] == '\0' || n == 0);
	}
	memset(&ones, 0x77, sizeof(ones)); /* everything there is */
	cpu_features_init(&sys, &ones);
	assert_true(cpu_features_describe(&sys, buf, sizeof(buf)) < sizeof(buf) - 20);
}

static void each_feature_is_told_from_its_field(void **state)
{
	cpu_features_init(&sys, &models[MAX_CPU]);
	assert_true(cpu_has(&sys, FEAT_NV2));
	assert_true(cpu_has(&sys, FEAT_PAuth)); /* by API alone */
	assert_true(cpu_has(&sys, FEAT_E2H0));
	assert_true(cpu_has(&sys, FEAT_DoubleLock));
	assert_false(cpu_has(&sys, FEAT_SPE));
	assert_false(cpu_has(&sys, FEAT_D128));
	cpu_features_init(&sys, &models[N2]);
	assert_false(cpu_has(&sys, FEAT_DoubleLock)); /* 0xf: signed */
	assert_int_equal(cpu_features_signed(&sys, ID_DFR0_DoubleLock), -1);
	assert_int_equal(cpu_features_field(&sys, ID_DFR0_DoubleLock), 15);
	assert_false(cpu_has(&sys, FEAT_AA32EL1));
	assert_true(cpu_has(&sys, FEAT_AA32EL0));
	cpu_features_init(&sys, &models[A53]);
	assert_false(cpu_has(&sys, FEAT_VHE));
	assert_true(cpu_has(&sys, FEAT_FP)); /* 0 means yes */
	/* LPA2 at either granule; each algorithm of pointer authentication */
	for (int i = 0; i < 5; i++) {
		static const enum id_field fields[] = { ID_MMFR0_TGran4_2, ID_MMFR0_TGran16_2,
							ID_ISAR1_APA, ID_ISAR1_API, ID_ISAR2_APA3 };
		struct cpu_id_regs cpu = models[A53];

		set_raw(&cpu, fields[i], 3);
		cpu_features_init(&sys, &cpu);
		assert_int_equal(cpu_has(&sys, FEAT_LPA2), i < 2);
		assert_int_equal(cpu_has(&sys, FEAT_PAuth), i >= 2);
	}
}

/* Every feature has a row: it is there on a CPU with everything, and gone from one with nothing. */
static void every_feature_can_be_present_and_absent(void **state)
{
	struct cpu_id_regs all, none = { 0 };

	memset(&all, 0x77, sizeof(all));
	set_raw(&none, ID_PFR0_FP, 0xf);
	set_raw(&none, ID_DFR0_DoubleLock, 0xf);
	set_raw(&none, ID_MMFR4_E2H0, 0xf);
	for (enum cpu_feature f = 0; f < CPU_FEATURE_COUNT; f++) {
		cpu_features_init(&sys, &all);
		if (!cpu_has(&sys, f))
			fail_msg("feature %d is missing", f);
		cpu_features_init(&sys, &none);
		if (cpu_has(&sys, f))
			fail_msg("feature %d comes from nothing", f);
	}
}

/* A small and a large core: the board has what both have. */
static void a_mix_has_what_both_have(void **state)
{
	struct mmu_caps juno = model_caps[A53], cloud = model_caps[N1];

	cpu_features_init(&sys, &models[A57]);
	merge(&models[A53]);
	assert_true(bitmap_test(diff.differ, ID_MMFR0_PARange));
	assert_true(bitmap_test(diff.differ, ID_CTR_L1Ip));
	assert_int_equal(bitmap_weight(diff.differ, ID_FIELD_COUNT), 2);
	expect_caps("a57 with a53", &juno);
	assert_int_equal(cpu_features_field(&sys, ID_CTR_L1Ip), 2);

	cpu_features_init(&sys, &models[N2]);
	merge(&models[N1]);
	expect_caps("n2 with n1", &cloud);
	cpu_features_init(&sys, &models[MAX_CPU]);
	merge(&models[N2]);
	assert_false(cpu_has(&sys, FEAT_LPA2));
	assert_false(cpu_has(&sys, FEAT_AA32EL1));
	assert_false(cpu_has(&sys, FEAT_SME));
	assert_true(cpu_has(&sys, FEAT_NV2));
	assert_false(cpu_has(&sys, FEAT_DoubleLock));
}

/* The order in which CPUs come does not matter; nor does coming twice. */
static void the_order_of_cpus_does_not_matter(void **state)
{
	struct cpu_features first;
	u64 seed = 5;

	for (int round = 0; round < 200; round++) {
		enum model order[4];

		for (size_t i = 0; i < 4; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			order[i] = (enum model)((seed >> 33) % MODELS);
		}
		cpu_features_init(&sys, &models[order[0]]);
		for (size_t i = 1; i < 4; i++)
			merge(&models[order[i]]);
		first = sys;
		cpu_features_init(&sys, &models[order[3]]);
		for (size_t i = 4; i-- > 0;)
			merge(&models[order[i]]);
		assert_memory_equal(first.reg, sys.reg, sizeof(sys.reg));
	}
}

static void expect_refused(const struct cpu_id_regs *cpu, const char *missing)
{
	struct cpu_features before = sys;
	char name[40];

	assert_int_equal(cpu_features_merge(&sys, cpu, &diff), -EINVAL);
	assert_string_equal(id_field_format(diff.missing, name, sizeof(name)), missing);
	assert_true(bitmap_test(diff.differ, diff.missing));
	assert_memory_equal(&before, &sys, sizeof(sys));
}

static void a_late_cpu_must_have_what_is_in_use(void **state)
{
	struct cpu_id_regs odd = models[N1];

	cpu_features_init(&sys, &models[N1]);
	merge(&models[A76]); /* nothing is in use yet: 40 bits and the lesser SSBS are taken */
	assert_int_equal(cpu_features_field(&sys, ID_MMFR0_PARange), 2);
	cpu_features_require_current(&sys, ID_MMFR1_VH);
	expect_refused(&models[A72], "ID_AA64MMFR1_EL1.VH");
	merge(&models[MAX_CPU]); /* a stronger one is welcome */
	set_raw(&odd, ID_ISAR0_CRC32, 0);
	merge(&odd); /* weaker in what nobody uses */
	assert_false(cpu_has(&sys, FEAT_CRC32));
}

/* Page tables that need no more than 40 bits leave room for a CPU that has no more. */
static void less_than_there_is_can_be_required(void **state)
{
	cpu_features_init(&sys, &models[A57]);
	cpu_features_require_mmu(&sys, 40);
	merge(&models[A53]);
	assert_int_equal(cpu_features_field(&sys, ID_MMFR0_PARange), 2);
	cpu_features_init(&sys, &models[A57]);
	cpu_features_require_mmu(&sys, 41);
	expect_refused(&models[A53], "ID_AA64MMFR0_EL1.PARange");
	cpu_features_init(&sys, &models[A57]);
	cpu_features_require_mmu(&sys, 56); /* cut down to the 44 bits that there are */
	merge(&models[A72]);
	expect_refused(&models[A53], "ID_AA64MMFR0_EL1.PARange");
}

/* After require_mmu() every capability but the width is held on to. */
static void each_mmu_field_is_held(void **state)
{
	static const enum id_field fields[] = {
		ID_MMFR0_TGran4,    ID_MMFR0_TGran16,	ID_MMFR0_TGran64,  ID_MMFR0_TGran4_2,
		ID_MMFR0_TGran16_2, ID_MMFR0_TGran64_2, ID_MMFR1_VMIDBits, ID_MMFR2_BBM,
		ID_MMFR2_ST,	    ID_MMFR1_HAFDBS,	ID_MMFR2_FWB,	   ID_MMFR1_XNX,
		ID_MMFR2_TTL,	    ID_ISAR0_TLB,	ID_MMFR1_VH,
	};
	char name[40];

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct cpu_id_regs weak = models[MAX_CPU];
		u64 value = raw(&weak, fields[i]);
		bool gran = id_field_desc(fields[i])->is_signed;

		cpu_features_init(&sys, &models[MAX_CPU]);
		cpu_features_require_mmu(&sys, 48);
		set_raw(&weak, fields[i], gran ? 0xf : value == 2 || value == 3 ? 1 : value - 1);
		expect_refused(&weak, id_field_format(fields[i], name, sizeof(name)));
	}
}

static void requiring_twice_keeps_the_stronger(void **state)
{
	cpu_features_init(&sys, &models[N1]);
	cpu_features_require(&sys, ID_MMFR0_PARange, 4);
	cpu_features_require(&sys, ID_MMFR0_PARange, 1);
	expect_refused(&models[A76], "ID_AA64MMFR0_EL1.PARange");
	cpu_features_init(&sys, &models[N1]);
	cpu_features_require(&sys, ID_MMFR0_PARange, 1);
	cpu_features_require(&sys, ID_MMFR0_PARange, 4);
	expect_refused(&models[A76], "ID_AA64MMFR0_EL1.PARange");
	cpu_features_init(&sys, &models[N1]);
	cpu_features_require(&sys, ID_MMFR0_PARange, 1);
	merge(&models[A76]);
}

/* Frozen, nothing weaker is let in, in whatever field; everything else is. */
static void frozen_features_do_not_change(void **state)
{
	struct cpu_features frozen;

	cpu_features_init(&sys, &models[N2]);
	cpu_features_freeze(&sys);
	frozen = sys;
	merge(&models[N2]);
	assert_memory_equal(sys.reg, frozen.reg, sizeof(sys.reg));
	for (enum id_field f = 0; f < ID_FIELD_COUNT; f++) {
		struct cpu_id_regs odd = models[N2];
		int err;

		for (u64 value = 0; value < BIT(id_field_desc(f)->width); value++) {
			set_raw(&odd, f, value);
			err = cpu_features_merge(&sys, &odd, &diff);
			assert_true(err == 0 || err == -EINVAL);
			assert_memory_equal(sys.reg, frozen.reg, sizeof(sys.reg));
			/* A larger block of DC ZVA is told as its prohibition. */
			if (err && diff.missing != f &&
			    !(f == ID_DCZID_BS && diff.missing == ID_DCZID_DZP))
				fail_msg("field %d: refused for field %d", f, diff.missing);
		}
	}
	expect_refused(&models[N1], "ID_AA64PFR0_EL1.RAS");
	expect_refused(&models[MAX_CPU], "ID_AA64MMFR2_EL1.CCIDX");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(fields_are_where_the_manual_has_them),
		cmocka_unit_test(every_pair_of_values_of_every_field_merges_by_its_policy),
		cmocka_unit_test(policies_merge_as_in_the_examples),
		cmocka_unit_test(stage_2_granules_are_resolved),
		cmocka_unit_test(what_is_not_known_is_not_offered),
		cmocka_unit_test(dc_zva_is_prohibited_where_block_sizes_differ),
		cmocka_unit_test(cpu_models_have_their_mmu_features),
		cmocka_unit_test(pa_range_is_told_as_a_width),
		cmocka_unit_test(a_narrower_machine_can_be_asked_for),
		cmocka_unit_test(sixty_four_k_has_no_lpa2),
		cmocka_unit_test(cpu_models_are_described_by_their_features),
		cmocka_unit_test(a_short_buffer_holds_whole_words),
		cmocka_unit_test(each_feature_is_told_from_its_field),
		cmocka_unit_test(every_feature_can_be_present_and_absent),
		cmocka_unit_test(a_mix_has_what_both_have),
		cmocka_unit_test(the_order_of_cpus_does_not_matter),
		cmocka_unit_test(a_late_cpu_must_have_what_is_in_use),
		cmocka_unit_test(less_than_there_is_can_be_required),
		cmocka_unit_test(each_mmu_field_is_held),
		cmocka_unit_test(requiring_twice_keeps_the_stronger),
		cmocka_unit_test(frozen_features_do_not_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
