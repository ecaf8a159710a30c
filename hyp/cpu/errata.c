// SPDX-License-Identifier: BSD-2-Clause
/* The table of errata, by the vendors' notices, as Linux's silicon-errata.rst collects them. */
#include <cpu/errata.h>

u32 errata_actions;

/* MIDR_EL1: implementer, variant, architecture (0xf), part, revision. */
#define MIDR_MODEL		 0xff0ffff0U
#define MIDR_VARIANT		 GENMASK(23, 20)
#define MIDR_REVISION		 GENMASK(3, 0)
#define MODEL(implementer, part) ((u32)(implementer) << 24 | 0xfU << 16 | (u32)(part) << 4)
#define RP(r, p)		 ((r) << 4 | (p))

#define ARM	  0x41
#define NVIDIA	  0x4e
#define QUALCOMM  0x51
#define MICROSOFT 0x6d
#define AMPERE	  0xc0

/* Revisions from @first to @last of a part; or all revisions. */
#define SOME(implementer, part, first, last, cpu, number, actions)                      \
	{                                                                               \
		MODEL(implementer, part), MIDR_MODEL, first, last, cpu, number, actions \
	}
#define ALL(implementer, part, cpu, number, actions) \
	SOME(implementer, part, RP(0, 0), RP(15, 15), cpu, number, actions)

static const struct erratum errata[] = {
	/* A DSB may complete before accesses of other CPUs by the old translation are complete. */
	ALL(ARM, 0xd05, "Cortex-A55", "2441007", ERRATUM_REPEAT_TLBI),
	SOME(ARM, 0xd46, RP(0, 0), RP(1, 1), "Cortex-A510", "2441009", ERRATUM_REPEAT_TLBI),
	SOME(ARM, 0xd0b, RP(0, 0), RP(3, 0), "Cortex-A76", "1286807", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd0b, "Cortex-A76", "4193800", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd0e, "Cortex-A76AE", "4193801", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd0d, "Cortex-A77", "4193798", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd41, "Cortex-A78", "4193791", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd42, "Cortex-A78AE", "4193793", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd4b, "Cortex-A78C", "4193794", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd47, "Cortex-A710", "4193788", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd44, "Cortex-X1", "4193791", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd4c, "Cortex-X1C", "4193792", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd48, "Cortex-X2", "4193788", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd4e, "Cortex-X3", "4193786", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd82, "Cortex-X4", "4118414", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd85, "Cortex-X925", "4193781", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd0c, "Neoverse-N1", "4193800", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd49, "Neoverse-N2", "4193789", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd40, "Neoverse-V1", "4193790", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd4f, "Neoverse-V2", "4193787", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd84, "Neoverse-V3", "4193784", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd83, "Neoverse-V3AE", "4193784", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd8c, "C1-Ultra", "4193780", ERRATUM_REPEAT_TLBI),
	ALL(ARM, 0xd90, "C1-Premium", "4193780", ERRATUM_REPEAT_TLBI),
	ALL(MICROSOFT, 0xd49, "Cobalt 100", "4193789", ERRATUM_REPEAT_TLBI),
	ALL(NVIDIA, 0x010, "Olympus", "T410-OLY-1029", ERRATUM_REPEAT_TLBI),
	SOME(QUALCOMM, 0x800, RP(0, 0), RP(0, 0), "Falkor v1", "E1009", ERRATUM_REPEAT_TLBI),
	{ MODEL(QUALCOMM, 0x200), MODEL(0xff, 0xf00), RP(0, 0), RP(15, 15), "Kryo", "E1009",
	  ERRATUM_REPEAT_TLBI },
	SOME(QUALCOMM, 0x804, RP(12, 14), RP(15, 14), "Kryo 4xx Gold", "1286807",
	     ERRATUM_REPEAT_TLBI),

	/* The same for accesses by SME, and no TLBI helps. */
	ALL(ARM, 0xd8b, "C1-Pro", "4193714", ERRATUM_LATE_SME),

	/* An AT instruction at EL2 may be executed speculatively and leave its result in a TLB. */
	ALL(ARM, 0xd07, "Cortex-A57", "1319537", ERRATUM_BLOCK_WALKS),
	ALL(ARM, 0xd08, "Cortex-A72", "1319367", ERRATUM_BLOCK_WALKS),
	SOME(ARM, 0xd0b, RP(0, 0), RP(2, 0), "Cortex-A76", "1165522", ERRATUM_BLOCK_WALKS),
	SOME(ARM, 0xd05, RP(0, 0), RP(2, 0), "Cortex-A55", "1530923", ERRATUM_BLOCK_WALKS),
	SOME(QUALCOMM, 0x805, RP(13, 14), RP(13, 14), "Kryo 4xx Silver", "1530923",
	     ERRATUM_BLOCK_WALKS),

	/* Hardware's updates of descriptors may be wrong, or in the wrong order. */
	ALL(ARM, 0xd05, "Cortex-A55", "1024718", ERRATUM_NO_HW_DIRTY),
	SOME(ARM, 0xd46, RP(0, 0), RP(0, 2), "Cortex-A510", "2051678", ERRATUM_NO_HW_DIRTY),
	SOME(QUALCOMM, 0x805, RP(13, 14), RP(13, 14), "Kryo 4xx Silver", "1024718",
	     ERRATUM_NO_HW_DIRTY),
	ALL(AMPERE, 0xac3, "AmpereOne", "AC03_CPU_38", ERRATUM_NO_HW_ACCESS),
	ALL(AMPERE, 0xac4, "AmpereOne AC04", "AC04_CPU_10", ERRATUM_NO_HW_ACCESS),

	/* A write of HCR_EL2 may corrupt translations of loads and stores around it. */
	ALL(AMPERE, 0xac4, "AmpereOne AC04", "AC04_CPU_23", ERRATUM_FENCE_HCR),

	/* The CPU hangs. Only the code that causes it can avoid that, which is a guest's. */
	SOME(ARM, 0xd0d, RP(0, 0), RP(1, 0), "Cortex-A77", "1508412",
	     ERRATUM_FENCE_PAR | ERRATUM_GUESTS_HANG),
	SOME(ARM, 0xd07, RP(0, 0), RP(1, 2), "Cortex-A57", "832075", ERRATUM_GUESTS_HANG),
};

/* The errata that some CPU so far has. */
static bool seen[ARRAY_SIZE(errata)];

static bool erratum_applies(const struct erratum *e, u64 midr)
{
	unsigned int revision = RP((unsigned int)FIELD_GET(MIDR_VARIANT, midr),
				   (unsigned int)FIELD_GET(MIDR_REVISION, midr));

	return (midr & e->model_mask) == (e->model & e->model_mask) && revision >= e->first &&
	       revision <= e->last;
}

u32 errata_of(u64 midr)
{
	u32 actions = 0;

	for (size_t i = 0; i < ARRAY_SIZE(errata); i++)
		actions |= erratum_applies(&errata[i], midr) ? errata[i].actions : 0;
	return actions;
}

const struct erratum *errata_add(u64 midr, const struct erratum *prev)
{
	for (size_t i = prev ? (size_t)(prev - errata) + 1 : 0; i < ARRAY_SIZE(errata); i++) {
		if (seen[i] || !erratum_applies(&errata[i], midr))
			continue;
		seen[i] = true;
		__atomic_fetch_or(&errata_actions, errata[i].actions, __ATOMIC_RELAXED);
		return &errata[i];
	}
	return NULL;
}

const char *errata_describe(const struct erratum *erratum)
{
	static const struct {
		u32 action;
		const char *words;
	} rows[] = {
		{ ERRATUM_GUESTS_HANG, "not worked around: a guest can hang the machine" },
		{ ERRATUM_LATE_SME, "not worked around: the host's SME can write to memory that it "
				    "has just given away" },
		{ ERRATUM_REPEAT_TLBI, "TLB invalidations are repeated" },
		{ ERRATUM_BLOCK_WALKS, "no walks of EL1's tables while its registers change" },
		{ ERRATUM_NO_HW_ACCESS, "no access flag by hardware at stage 2" },
		{ ERRATUM_NO_HW_DIRTY, "no dirty state by hardware at stage 2" },
		{ ERRATUM_FENCE_HCR, "barriers around HCR_EL2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (erratum->actions & rows[i].action)
			return rows[i].words;
	}
	return "";
}
