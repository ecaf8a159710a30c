// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/switch.c hyp/vm/fp.c hyp/vm/host_trace.c hyp/vm/run.c hyp/vm/exit.c hyp/vm/serror.c hyp/vm/guest_traps.c hyp/host/host_cpu.c hyp/host/host_features.c hyp/vm/host_spe.c hyp/cpu/spe_unit.c hyp/mm/page_pool.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/owner_model.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/withheld.c hyp/cpu/hw_errors.c tests/unit/run_world.c tests/unit/fake_panic.c */
/*
 * Whole runs of a vCPU against the model of register ownership (owner_model.h), with the host's
 * controls, the world switch and the run loop as they are, on CPUs with each feature of the ID
 * registers up to Armv9.5, alone and together: also those that no emulator has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/sysreg.h>
#include <host/host_cpu.h>
#include <lib/esr.h>
#include <run_world.h>
#include <vm/run.h>
#include <vm/switch.h>

#include "owner_model.h"

#define HOST_VECTORS (BIT(63) | 0x40)
#define VCPU_SVE_BIT BIT(4)
#define VCPU_PAUTH   (BIT(5) | BIT(6))
#define VCPU_TAGS    BIT(62)

static unsigned int run_number;
static bool guest_uses_fp;
static u64 guest_vectors;

/* ---- the guest ---- */

/* What the guest does, until an interrupt. */
static int enter(struct vcpu *v)
{
	owner_model_guest(run_number);
	if (guest_uses_fp) {
		assert_true(owner_model_trapped(OWNER_FP));
		fake_sysreg_set("esr_el2", (u64)ESR_EC_FP_ASIMD << 26);
		assert_int_equal(vcpu_exit(v, 0), VCPU_RESUME);
		assert_false(owner_model_trapped(OWNER_FP));
		if (owner_model_vectors() != guest_vectors)
			fail_msg("run %u: the guest's vectors are %#llx, and were %#llx",
				 run_number, (unsigned long long)owner_model_vectors(),
				 (unsigned long long)guest_vectors);
		owner_model_guest(run_number); /* more can be reached now */
		guest_vectors = 0x70 + run_number;
		owner_model_set_vectors(guest_vectors);
	}
	return vcpu_exit(v, 1);
}

/* ---- the host ---- */

static void retry_if_trapped(enum owner_unit unit)
{
	if (!owner_model_trapped(unit))
		return;
	if (!switch_host_fp())
		fail_msg("the host cannot use unit %d", unit);
	assert_false(owner_model_trapped(unit));
}

static void host_uses_fp(u64 expected, const char *what)
{
	retry_if_trapped(owner_model_streaming() ? OWNER_SME : OWNER_FP);
	retry_if_trapped(OWNER_FP);
	if (owner_model_vectors() != expected)
		fail_msg("%s: the host's vectors are %#llx, expected %#llx", what,
			 (unsigned long long)owner_model_vectors(), (unsigned long long)expected);
}

/* It turns Streaming SVE mode on, and off again: all vectors are zero, then, and stay so. */
static void host_enters_streaming(const struct cpu_id_regs *id)
{
	if (cpu_id_field(id, ID_PFR1_SME) < 1 || owner_model_streaming())
		return;
	retry_if_trapped(OWNER_SME);
	owner_model_set_streaming(true);
	host_uses_fp(0, "in Streaming SVE mode");
	owner_model_set_streaming(false);
	host_uses_fp(0, "behind Streaming SVE mode");
}

static u64 trap_of(unsigned int op0, unsigned int op1, unsigned int crn, unsigned int crm,
		   unsigned int op2)
{
	return FIELD_PREP(ESR_SYS64_OP0, op0) | FIELD_PREP(ESR_SYS64_OP1, op1) |
	       FIELD_PREP(ESR_SYS64_CRN, crn) | FIELD_PREP(ESR_SYS64_CRM, crm) |
	       FIELD_PREP(ESR_SYS64_OP2, op2);
}

/* The first access of the host to the trace filter and to branch records. */
static void host_begins_tracing(const struct cpu_id_regs *id)
{
	if (cpu_id_field(id, ID_DFR0_TraceFilt) >= 1)
		assert_true(switch_host_trace(trap_of(3, 0, 1, 2, 1)));
	if (cpu_id_field(id, ID_DFR0_BRBE) >= 1)
		assert_true(switch_host_trace(trap_of(2, 1, 9, 0, 0)));
}

/* ---- a scenario ---- */

struct scenario {
	struct owner_host host;
	bool fp;	      /* the guest uses FP */
	u64 features;	      /* of the vCPU */
	bool streams_between; /* the host enters Streaming SVE mode between two runs */
};

static void make_vcpu(const struct scenario *s, const struct cpu_id_regs *id)
{
	run_world_make_vcpu();
	if (cpu_id_field(id, ID_PFR0_SVE) >= 1)
		rw.vcpu.features |= s->features & VCPU_SVE_BIT;
	if (cpu_id_field(id, ID_ISAR1_APA) >= 1)
		rw.vcpu.features |= s->features & VCPU_PAUTH;
	if (cpu_id_field(id, ID_PFR1_MTE) >= 2)
		rw.vcpu.has_tags = s->features & VCPU_TAGS;
	run_world_guest = enter;
	guest_uses_fp = s->fp;
	guest_vectors = 0;
}

static void start_cpu(const struct cpu_id_regs *id, bool e2h)
{
	owner_model_make(id, e2h);
	run_world_start_cpu();
	host_cpu_init(0x80023558, 0x44440000);
	(void)switch_cpu_online(); /* whether vector lengths fit is not the matter here */
}

static void play(const struct cpu_id_regs *id, bool e2h, const struct scenario *s)
{
	start_cpu(id, e2h);
	make_vcpu(s, id);
	if (s->host.filter)
		host_begins_tracing(id);
	owner_model_host_begins();
	owner_model_host_starts(&s->host);
	owner_model_set_vectors(HOST_VECTORS);
	for (run_number = 1; run_number <= 3; run_number++) {
		u64 vectors = s->streams_between && run_number > 1 ? 0 : HOST_VECTORS;

		assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
		owner_model_host_ends("after a run");
		if (cpu_id_field(id, ID_PFR1_SME) < 1)
			vectors = HOST_VECTORS;
		if (s->streams_between && !s->host.streams && run_number == 1)
			host_enters_streaming(id);
		else if (run_number != 2) /* the second time it does not ask for them */
			host_uses_fp(s->streams_between && s->host.streams ? HOST_VECTORS : vectors,
				     "after a run");
	}
}

static const struct scenario scenarios[] = {
	{ .fp = true },
	{ .fp = true,
	  .features = VCPU_SVE_BIT | VCPU_PAUTH | VCPU_TAGS,
	  .host = { .profiles = true, .traces = true, .filter = true, .branches = true } },
	{ .fp = true, .features = VCPU_SVE_BIT, .host = { .streams = true, .traces = true } },
	{ .fp = false, .host = { .streams = true, .profiles = true, .filter = true } },
	{ .fp = true, .streams_between = true },
	{ .features = VCPU_TAGS },
};

static struct cpu_id_regs current;

static void play_all(const struct cpu_id_regs *id)
{
	current = *id;
	owner_model_complete(&current);
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		play(&current, false, &scenarios[i]);
		play(&current, true, &scenarios[i]);
	}
}

/* With firmware that gives EL2 all that the CPU has, and with one that does not. */
static void play_all_firmware(const struct cpu_id_regs *id)
{
	play_all(id);
	owner_model_keep_fa64(true);
	play_all(id);
	owner_model_keep_fa64(false);
}

/* ---- CPUs ---- */

/* Fields that bring state, and the values of each that differ in it. */
static const struct {
	u16 field;
	u8 values[3];
} choices[] = {
	{ ID_PFR0_SVE, { 1 } },		 { ID_PFR1_SME, { 1, 2 } },
	{ ID_SMFR0_FA64, { 1 } },	 { ID_PFR2_FPMR, { 1 } },
	{ ID_PFR0_GIC, { 1, 3 } },	 { ID_PFR0_RAS, { 1, 2 } },
	{ ID_PFR0_MPAM, { 1 } },	 { ID_PFR0_AMU, { 1, 2 } },
	{ ID_PFR0_CSV2, { 2, 3 } },	 { ID_PFR1_MTE, { 1, 2, 3 } },
	{ ID_PFR1_NMI, { 1 } },		 { ID_PFR1_GCS, { 1 } },
	{ ID_PFR1_THE, { 1 } },		 { ID_PFR1_PFAR, { 1 } },
	{ ID_PFR1_DF2, { 1 } },		 { ID_DFR0_TraceVer, { 1 } },
	{ ID_DFR0_PMUVer, { 1, 6, 9 } }, { ID_DFR0_PMSVer, { 1, 3, 5 } },
	{ ID_DFR0_TraceFilt, { 1 } },	 { ID_DFR0_TraceBuffer, { 1, 2 } },
	{ ID_DFR0_BRBE, { 1, 2 } },	 { ID_DFR0_HPMN0, { 1 } },
	{ ID_DFR1_EBEP, { 1 } },	 { ID_DFR1_SPMU, { 1 } },
	{ ID_ISAR1_APA, { 1, 5 } },	 { ID_ISAR1_LS64, { 1, 2, 3 } },
	{ ID_ISAR2_MOPS, { 1 } },	 { ID_ISAR3_PACM, { 1, 2 } },
	{ ID_MMFR0_FGT, { 1, 2 } },	 { ID_MMFR0_ECV, { 1, 2 } },
	{ ID_MMFR1_VH, { 1 } },		 { ID_MMFR1_LO, { 1 } },
	{ ID_MMFR1_HCX, { 1 } },	 { ID_MMFR2_NV, { 1, 2 } },
	{ ID_MMFR3_TCRX, { 1 } },	 { ID_MMFR3_SCTLRX, { 1 } },
	{ ID_MMFR3_S1PIE, { 1 } },	 { ID_MMFR3_S1POE, { 1 } },
	{ ID_MMFR3_S2POE, { 1 } },	 { ID_MMFR3_AIE, { 1 } },
	{ ID_MMFR3_D128, { 1 } },	 { ID_ISAR2_SYSREG_128, { 1 } },
	{ ID_MMFR4_PoPS, { 1 } },
};

static void choose(struct cpu_id_regs *id, size_t i, unsigned int which)
{
	const struct id_field_desc *d = id_field_desc((enum id_field)choices[i].field);

	id->reg[d->reg] &= ~(GENMASK(d->width - 1, 0) << d->shift);
	id->reg[d->reg] |= (u64)choices[i].values[which] << d->shift;
}

static void on_a_minimal_cpu_each_register_has_one_owner(void **state)
{
	const struct cpu_id_regs id = { 0 };

	play_all(&id);
}

static void with_each_feature_alone_each_register_has_one_owner(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		for (unsigned int which = 0; which < 3 && choices[i].values[which]; which++) {
			struct cpu_id_regs id = { 0 };

			choose(&id, i, which);
			play_all(&id);
		}
}

static unsigned int last_value(size_t i)
{
	return choices[i].values[2] ? 2 : choices[i].values[1] ? 1 : 0;
}

static void with_all_features_each_register_has_one_owner(void **state)
{
	struct cpu_id_regs id = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
		choose(&id, i, last_value(i));
	play_all_firmware(&id);
	/* ... but one */
	for (size_t without = 0; without < ARRAY_SIZE(choices); without++) {
		struct cpu_id_regs less = { 0 };

		for (size_t i = 0; i < ARRAY_SIZE(choices); i++)
			if (i != without)
				choose(&less, i, last_value(i));
		play_all(&less);
	}
}

static void on_random_cpus_each_register_has_one_owner(void **state)
{
	u64 seed = 7;

	for (unsigned int n = 0; n < 150; n++) {
		struct cpu_id_regs id = { 0 };

		for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			if (seed >> 60 & 1)
				choose(&id, i, (unsigned int)(seed >> 50) % (last_value(i) + 1));
		}
		play_all_firmware(&id);
	}
}

/* ---- a guest of two levels ---- */

static bool levels_e2h;

/* Registers by the names that EL2 has for them, without and with HCR_EL2.E2H. */
static const char *const level_regs[][2] = {
#define BANKED(reg, name) { SYSREG_STR(name), SYSREG_STR(ASM_REG_EL12(reg)) },
#define PLAIN(reg, name)  { SYSREG_STR(name), SYSREG_STR(name) },
	EL1_LEVEL_REGS(BANKED, PLAIN)
};
#define LEVEL_REGS ARRAY_SIZE(level_regs)

static int swap_levels(struct vcpu *v)
{
	u64 in[LEVEL_REGS], out[LEVEL_REGS];

	for (size_t i = 0; i < LEVEL_REGS; i++) {
		fake_sysreg_set(level_regs[i][levels_e2h], 0x1000 + i);
		in[i] = 0x2000 + i;
	}
	switch_swap_el1(v, out, in);
	for (size_t i = 0; i < LEVEL_REGS; i++) {
		assert_int_equal(out[i], 0x1000 + i);
		assert_int_equal(fake_sysreg_get(level_regs[i][levels_e2h]), 0x2000 + i);
	}
	return vcpu_exit(v, 1);
}

static void two_levels_of_a_guest_take_turns(void **state)
{
	for (unsigned int e2h = 0; e2h < 2; e2h++) {
		struct cpu_id_regs id = { 0 };

		if (e2h)
			id.reg[id_field_desc(ID_MMFR1_VH)->reg] =
				1ULL << id_field_desc(ID_MMFR1_VH)->shift;
		owner_model_complete(&id);
		start_cpu(&id, e2h);
		run_world_make_vcpu();
		levels_e2h = e2h;
		run_world_guest = swap_levels;
		assert_int_equal(vcpu_run(&rw.vcpu), KEEL_EXIT_IRQ);
		assert_int_equal(rw.vcpu.sysreg[SCTLR_EL1], 0x2000);
		assert_int_equal(rw.vcpu.sysreg[SP_EL1], 0x2000 + LEVEL_REGS - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_a_minimal_cpu_each_register_has_one_owner),
		cmocka_unit_test(with_each_feature_alone_each_register_has_one_owner),
		cmocka_unit_test(with_all_features_each_register_has_one_owner),
		cmocka_unit_test(on_random_cpus_each_register_has_one_owner),
		cmocka_unit_test(two_levels_of_a_guest_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
