// SPDX-License-Identifier: BSD-2-Clause
/* Errata: rows by MIDR_EL1 and the edges of their revisions; what is added up, and said once. */
/* SOURCES: hyp/cpu/errata.c hyp/cpu/features.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <cpu/errata.h>
#include <cpu/features.h>

#define MIDR(implementer, part, variant, revision)                                           \
	((u64)(implementer) << 24 | (u64)(variant) << 20 | 0xfULL << 16 | (u64)(part) << 4 | \
	 (u64)(revision))

enum { REPEAT = ERRATUM_REPEAT_TLBI, BLOCK = ERRATUM_BLOCK_WALKS, DIRTY = ERRATUM_NO_HW_DIRTY };

/* Each kind of CPU at the edges of its rows. */
static void a_revision_has_the_errata_of_its_rows(void **state)
{
	static const struct {
		const char *cpu;
		u64 midr;
		u32 actions;
	} rows[] = {
		{ "QEMU's max", 0x000f0510, 0 },
		{ "Cortex-A53 r0p4", MIDR(0x41, 0xd03, 0, 4), 0 },
		{ "Cortex-A73", MIDR(0x41, 0xd09, 0, 2), 0 },
		{ "Cortex-A520", MIDR(0x41, 0xd80, 0, 1), 0 },
		{ "Cortex-A715", MIDR(0x41, 0xd4d, 1, 0), 0 },
		{ "Cortex-A55 r0p0", MIDR(0x41, 0xd05, 0, 0), REPEAT | BLOCK | DIRTY },
		{ "Cortex-A55 r2p0", MIDR(0x41, 0xd05, 2, 0), REPEAT | BLOCK | DIRTY },
		{ "Cortex-A55 r2p1", MIDR(0x41, 0xd05, 2, 1), REPEAT | DIRTY },
		{ "Cortex-A510 r0p0", MIDR(0x41, 0xd46, 0, 0), REPEAT | DIRTY },
		{ "Cortex-A510 r0p2", MIDR(0x41, 0xd46, 0, 2), REPEAT | DIRTY },
		{ "Cortex-A510 r0p3", MIDR(0x41, 0xd46, 0, 3), REPEAT },
		{ "Cortex-A510 r1p1", MIDR(0x41, 0xd46, 1, 1), REPEAT },
		{ "Cortex-A510 r1p2", MIDR(0x41, 0xd46, 1, 2), 0 },
		{ "Cortex-A57 r0p0", MIDR(0x41, 0xd07, 0, 0), BLOCK | ERRATUM_GUESTS_HANG },
		{ "Cortex-A57 r1p2", MIDR(0x41, 0xd07, 1, 2), BLOCK | ERRATUM_GUESTS_HANG },
		{ "Cortex-A57 r1p3", MIDR(0x41, 0xd07, 1, 3), BLOCK },
		{ "Cortex-A72 r0p3", MIDR(0x41, 0xd08, 0, 3), BLOCK },
		{ "Cortex-A72 r1p0", MIDR(0x41, 0xd08, 1, 0), BLOCK },
		{ "Cortex-A76 r2p0", MIDR(0x41, 0xd0b, 2, 0), REPEAT | BLOCK },
		{ "Cortex-A76 r2p1", MIDR(0x41, 0xd0b, 2, 1), REPEAT },
		{ "Cortex-A76 r4p1", MIDR(0x41, 0xd0b, 4, 1), REPEAT },
		{ "Cortex-A77 r1p0", MIDR(0x41, 0xd0d, 1, 0),
		  REPEAT | ERRATUM_FENCE_PAR | ERRATUM_GUESTS_HANG },
		{ "Cortex-A77 r1p1", MIDR(0x41, 0xd0d, 1, 1), REPEAT },
		{ "Neoverse-N1 r4p1", MIDR(0x41, 0xd0c, 4, 1), REPEAT },
		{ "Neoverse-N2 r0p0", MIDR(0x41, 0xd49, 0, 0), REPEAT },
		{ "Neoverse-V1 r15p15", MIDR(0x41, 0xd40, 15, 15), REPEAT },
		{ "C1-Pro", MIDR(0x41, 0xd8b, 1, 0), ERRATUM_LATE_SME },
		/* the same part number of another maker is another CPU */
		{ "Cobalt 100", MIDR(0x6d, 0xd49, 0, 0), REPEAT },
		{ "Apple's 0xd49", MIDR(0x61, 0xd49, 0, 0), 0 },
		{ "Falkor v1 r0p0", MIDR(0x51, 0x800, 0, 0), REPEAT },
		{ "Falkor v1 r0p1", MIDR(0x51, 0x800, 0, 1), 0 },
		{ "Kryo 0x200", MIDR(0x51, 0x200, 1, 2), REPEAT },
		{ "Kryo 0x2ff", MIDR(0x51, 0x2ff, 0, 0), REPEAT },
		{ "Qualcomm's 0x300", MIDR(0x51, 0x300, 0, 0), 0 },
		{ "Kryo 4xx Gold rcpd", MIDR(0x51, 0x804, 12, 13), 0 },
		{ "Kryo 4xx Gold rcpe", MIDR(0x51, 0x804, 12, 14), REPEAT },
		{ "Kryo 4xx Gold rfpe", MIDR(0x51, 0x804, 15, 14), REPEAT },
		{ "Kryo 4xx Gold rfpf", MIDR(0x51, 0x804, 15, 15), 0 },
		{ "Kryo 4xx Silver rdpe", MIDR(0x51, 0x805, 13, 14), BLOCK | DIRTY },
		{ "Kryo 4xx Silver rdpf", MIDR(0x51, 0x805, 13, 15), 0 },
		{ "AmpereOne", MIDR(0xc0, 0xac3, 0, 0), ERRATUM_NO_HW_ACCESS },
		{ "AmpereOne AC04", MIDR(0xc0, 0xac4, 0, 0),
		  ERRATUM_NO_HW_ACCESS | ERRATUM_FENCE_HCR },
		/* bits 63:32 of MIDR_EL1 are RES0 */
		{ "Cortex-A72 with more bits", BIT(40) | MIDR(0x41, 0xd08, 0, 3), BLOCK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (errata_of(rows[i].midr) != rows[i].actions)
			fail_msg("%s: %#x, expected %#x", rows[i].cpu, errata_of(rows[i].midr),
				 rows[i].actions);
}

/* Calls errata_add() as boot does. Returns how many errata were new. */
static unsigned int add(u64 midr)
{
	const struct erratum *e = NULL;
	unsigned int n = 0;

	while ((e = errata_add(midr, e))) {
		const char *words = errata_describe(e);

		if (!words[0] || !e->number[0] || !e->cpu[0])
			fail_msg("an erratum of %s without words", e->cpu);
		if (!(e->actions & ERRATA_OPEN) != !strstr(words, "not worked around"))
			fail_msg("%s of %s: \"%s\"", e->number, e->cpu, words);
		n++;
	}
	return n;
}

/* All CPUs' actions add up; each erratum is told of once. Tables are
 * made as the worst CPU needs. */
static void actions_of_all_cpus_add_up(void **state)
{
	const struct cpu_id_regs boot = { .reg = { [ID_REG_MMFR1] = 2 } }; /* HAFDBS */
	struct cpu_features features;
	struct mmu_caps caps;

	cpu_features_init(&features, &boot);
	assert_int_equal(add(0x000f0510), 0);
	assert_int_equal(errata_actions, 0);
	cpu_features_mmu_caps(&features, &caps);
	assert_true(caps.hw_access && caps.hw_dirty);

	assert_int_equal(add(MIDR(0x41, 0xd08, 0, 3)), 1);
	assert_int_equal(add(MIDR(0x41, 0xd08, 1, 0)), 0);
	assert_int_equal(errata_actions, BLOCK);
	assert_int_equal(add(MIDR(0x41, 0xd05, 2, 0)), 3);
	assert_int_equal(errata_actions, REPEAT | BLOCK | DIRTY);
	cpu_features_mmu_caps(&features, &caps);
	assert_true(caps.hw_access && !caps.hw_dirty);

	assert_int_equal(add(MIDR(0xc0, 0xac4, 0, 0)), 2);
	cpu_features_mmu_caps(&features, &caps);
	assert_true(!caps.hw_access && !caps.hw_dirty);
	/* nothing is ever taken back */
	assert_int_equal(add(0x000f0510), 0);
	assert_int_equal(errata_actions,
			 REPEAT | BLOCK | DIRTY | ERRATUM_NO_HW_ACCESS | ERRATUM_FENCE_HCR);
	assert_int_equal(add(MIDR(0x41, 0xd0d, 1, 0)), 2);
	assert_int_equal(add(MIDR(0x41, 0xd8b, 0, 0)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_revision_has_the_errata_of_its_rows),
		cmocka_unit_test(actions_of_all_cpus_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
