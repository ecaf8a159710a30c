// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/host_trap.c hyp/cpu/inject.c hyp/cpu/errata.c hyp/host/smc_policy.c hyp/host/optee.c hyp/host/psci.c hyp/lib/esr.c hyp/lib/printf.c hyp/cpu/log.c tests/unit/arch/fake_sysreg.c hyp/cpu/hw_errors.c */
/*
 * Exceptions from the host, by class, on a CPU whose registers are an array.
 * Firmware, the host's stage 2 and the hypercalls are this test's own, and note what reaches them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/smc.h>
#include <arch/sysreg.h>
#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <host/host.h>
#include <host/host_gic.h>
#include <host/host_mem.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <lib/psci_abi.h>

#define PC   0xffff800008123450ULL
#define VBAR 0xffff800008011000ULL
#define SPSR 0x60400005ULL /* EL1h, Z and C set, PAN set */
#define IPA_ 0x8765432abcULL
#define FAR  0xffff0000deadbabcULL
#define E2H  BIT(34)

/* What was called, and with what. */
static struct {
	unsigned int faults, conflicts, smcs, hypercalls, fps, traces;
	bool fp_out, trace_begins;
	u64 counted[KEEL_STAT_COUNT];
	struct ipa fault_ipa;
	enum host_access fault_access;
	int fault_result;
	u64 smc[18], smc_result[18];
	enum host_gic_result gic_result;
	struct mmio_access gic_access;
	unsigned int gic_accesses;
	u64 gic_data;
} world;
static jmp_buf stopped;
static struct percpu cpu;
static char ring[8192];

/* The host's stage 1: FAR_EL2's page has an address of its own, or does not translate. */
#define STAGE1_IPA 0x4567890000ULL
static bool stage1_maps;

/* ---- what host_trap.c calls ---- */

u32 panic_begun;

void panic_stop_cpu(void)
{
	longjmp(stopped, 1);
}

int host_mem_fault(struct ipa ipa, enum host_access access)
{
	world.faults++;
	world.fault_ipa = ipa;
	world.fault_access = access;
	return world.fault_result;
}

enum host_gic_result host_gic_access(struct ipa ipa, const struct mmio_access *access, u64 *data)
{
	assert_int_equal(ipa.v, IPA_);
	world.gic_accesses++;
	world.gic_access = *access;
	if (access->write)
		world.gic_data = *data;
	else
		*data = world.gic_data;
	return world.gic_result;
}

void host_mem_tlb_conflict(void)
{
	world.conflicts++;
}

const char *host_mem_describe(struct ipa ipa)
{
	if (ipa.v == (STAGE1_IPA | (FAR & 0xfff)))
		return "where stage 1 points";
	return ipa.v == IPA_ ? "Keel's memory" : "something else";
}

/* The walk takes an exception at EL2, which changes EL2's registers. */
static bool stage1_faults;

bool at_s1e1r(u64 va)
{
	assert_int_equal(va, FAR);
	if (stage1_faults) {
		fake_sysreg_set("elr_el2", 0xdead);
		fake_sysreg_set("spsr_el2", 0x3c9);
		fake_sysreg_set("esr_el2", 0x96000010);
		return false;
	}
	fake_sysreg_set("par_el1", stage1_maps ? 0xff00000000000b80ULL | STAGE1_IPA : 0x809);
	return true;
}

void host_count(unsigned int stat)
{
	assert_true(stat < KEEL_STAT_COUNT);
	world.counted[stat]++;
}

void host_hypercall(struct host_regs *regs)
{
	world.hypercalls++;
	regs->x[1] = 0x4242;
}

u64 host_features_read(unsigned int crm, unsigned int op2)
{
	return 0x1d00 + crm * 16 + op2;
}

bool switch_host_trace(u64 esr)
{
	world.traces++;
	return world.trace_begins;
}

bool switch_host_fp(void)
{
	world.fps++;
	return world.fp_out;
}

void arch_smc(u64 regs[18])
{
	world.smcs++;
	memcpy(world.smc, regs, sizeof(world.smc));
	memcpy(regs, world.smc_result, sizeof(world.smc_result));
}

static void psci_smc(void *ctx, struct smccc_regs *regs)
{
	arch_smc(regs->x);
}

static bool psci_host_owns(void *ctx, struct ipa ipa)
{
	return true;
}

/* ---- helpers ---- */

/* EL1's registers, by their names at EL2 without and with E2H. */
static const struct {
	const char *plain, *e2h;
} el1_regs[] = {
	{ "sctlr_el1", "s3_5_c1_c0_0" }, { "spsr_el1", "s3_5_c4_c0_0" },
	{ "elr_el1", "s3_5_c4_c0_1" },	 { "esr_el1", "s3_5_c5_c2_0" },
	{ "far_el1", "s3_5_c6_c0_0" },	 { "vbar_el1", "s3_5_c12_c0_0" },
};
enum { SCTLR_1, SPSR_1, ELR_1, ESR_1, FAR_1, VBAR_1 };

static const char *el1(unsigned int reg)
{
	bool e2h = fake_sysreg_get("hcr_el2") & E2H;

	return e2h ? el1_regs[reg].e2h : el1_regs[reg].plain;
}

/* A CPU that has just taken an exception from EL1. Only EL1 registers of this regime exist. */
static void take(u64 esr, bool e2h)
{
	fake_sysreg_reset();
	fake_sysreg_set("hcr_el2", HCR_RW | HCR_VM | (e2h ? E2H : 0));
	fake_sysreg_set("esr_el2", esr);
	fake_sysreg_set("elr_el2", PC);
	fake_sysreg_set("spsr_el2", SPSR);
	fake_sysreg_set("far_el2", FAR);
	fake_sysreg_set("hpfar_el2", (IPA_ >> 12) << 4 | BIT(63));
	fake_sysreg_set("id_aa64pfr1_el1", 0);
	fake_sysreg_set("id_aa64mmfr1_el1", 1 << 20); /* FEAT_PAN */
	fake_sysreg_set("s3_0_c0_c7_2", 0);	      /* ID_AA64MMFR2_EL1 */
	for (size_t i = 0; i < ARRAY_SIZE(el1_regs); i++)
		fake_sysreg_allow(el1(i));
	fake_sysreg_set(el1(SCTLR_1), BIT(23)); /* SPAN */
	fake_sysreg_set(el1(VBAR_1), VBAR);
}

static bool psci_irqs_masked(void *ctx)
{
	(void)ctx;
	return true;
}

static void psci_host_starts(void *ctx)
{
	(void)ctx;
}

static void setup_world(bool firmware)
{
	static const struct psci_ops ops = { .smc = psci_smc,
					     .host_owns = psci_host_owns,
					     .irqs_masked = psci_irqs_masked,
					     .host_starts = psci_host_starts };
	static const struct fdt_cpus cpus = { .count = 2, .mpidr = { 0, 1 } };

	memset(&world, 0, sizeof(world));
	panic_begun = false;
	cpu = (struct percpu){ .id = 0 };
	set_this_cpu(&cpu);
	host_set_firmware(firmware);
	world.smc_result[0] = 0x10001; /* PSCI 1.1 */
	psci_init(&host_psci, &ops, NULL, &cpus, PA(0x40200000));
	memset(&world, 0, sizeof(world));
	panic_begun = false;
}

static struct host_regs numbered(void)
{
	struct host_regs regs;

	for (unsigned int i = 0; i < ARRAY_SIZE(regs.x); i++)
		regs.x[i] = 0x1000 + i;
	return regs;
}

/* Registers from x@first on are as numbered() made them. */
static void check_unchanged(const struct host_regs *regs, unsigned int first)
{
	for (unsigned int i = first; i < ARRAY_SIZE(regs->x); i++)
		if (regs->x[i] != 0x1000 + i)
			fail_msg("x%u became %#lx", i, regs->x[i]);
}

static void check_returns_to(u64 pc, const char *what)
{
	if (fake_sysreg_get("elr_el2") != pc || fake_sysreg_get("spsr_el2") != SPSR)
		fail_msg("%s: back to %#lx with %#lx, expected %#lx with %#llx", what,
			 fake_sysreg_get("elr_el2"), fake_sysreg_get("spsr_el2"), pc, SPSR);
	for (unsigned int i = SPSR_1; i <= FAR_1; i++)
		if (fake_sysreg_writes(el1(i)))
			fail_msg("%s: %s was written", what, el1(i));
}

static void check_injected(u64 esr, const char *what)
{
	static const struct {
		unsigned int reg;
		u64 value;
	} expected[] = { { SPSR_1, SPSR }, { ELR_1, PC }, { FAR_1, FAR } };

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		if (fake_sysreg_get(el1(expected[i].reg)) != expected[i].value)
			fail_msg("%s: %s is %#lx, expected %#lx", what, el1(expected[i].reg),
				 fake_sysreg_get(el1(expected[i].reg)), expected[i].value);
	if (fake_sysreg_get(el1(ESR_1)) != esr)
		fail_msg("%s: ESR_EL1 is %#lx, expected %#lx", what, fake_sysreg_get(el1(ESR_1)),
			 esr);
	/* To EL1h's synchronous vector, all masked, the flags and PAN as they were. */
	assert_int_equal(fake_sysreg_get("elr_el2"), VBAR + 0x200);
	assert_int_equal(fake_sysreg_get("spsr_el2"), 0x604003c5);
}

static u64 abort_esr(unsigned int ec, unsigned int iss)
{
	return FIELD_PREP(ESR_EC, ec) | ESR_IL | iss;
}

static const char *log_text(void)
{
	static char text[sizeof(ring) + 1];
	u64 pos = 0, lost;

	text[log_read(&pos, text, sizeof(ring), &lost)] = 0;
	return text;
}

/* ---- aborts ---- */

static void a_fault_that_is_mapped_repeats_the_access(void **state)
{
	for (unsigned int i = 0; i < 8; i++) {
		struct host_regs regs = numbered();
		unsigned int level = i % 4;

		setup_world(true);
		take(abort_esr(i < 4 ? 0x24 : 0x20, 0x04 | level), i & 1);
		host_trap(&regs);
		assert_int_equal(world.faults, 1);
		/* HPFAR_EL2 gives the page, FAR_EL2 the byte. */
		assert_int_equal(world.fault_ipa.v, IPA_);
		assert_int_equal(world.fault_access, i < 4 ? HOST_READ : HOST_FETCH);
		check_returns_to(PC, "mapped");
		check_unchanged(&regs, 0);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
	}
}

/* The access is repeated without an abort, and logged at a limited rate. */
static void zeros_that_the_host_reads_are_logged(void **state)
{
	struct host_regs regs = numbered();

	setup_world(true);
	world.fault_result = HOST_MEM_ZEROS;
	take(abort_esr(0x24, 0x07), false);
	host_trap(&regs);
	check_returns_to(PC, "zeros");
	check_unchanged(&regs, 0);
	assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
	if (!strstr(log_text(), "host read of 0x8765432abc (Keel's memory) finds zeros: CPU 0"))
		fail_msg("nothing of zeros in the log: %s", log_text());
}

static void a_refused_access_is_an_abort_that_the_host_can_mend(void **state)
{
	static const struct {
		const char *what;
		unsigned int ec, iss, el1_ec, el1_iss;
		enum host_access access;
	} rows[] = {
		{ "read", 0x24, 0x07, 0x25, 0x21, HOST_READ },
		{ "write", 0x24, 0x47, 0x25, 0x61, HOST_WRITE },
		{ "cache maintenance", 0x24, 0x147, 0x25, 0x161, HOST_WRITE },
		{ "fetch", 0x20, 0x07, 0x21, 0x10, HOST_FETCH },
		{ "walk", 0x24, 0x87, 0x25, 0x14, HOST_WALK },
		{ "walk for a write", 0x24, 0xc7, 0x25, 0x54, HOST_WALK },
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		const int errors[] = { -EPERM, -ERANGE, -ENOMEM };
		struct host_regs regs = numbered();
		size_t n = i / 2;

		setup_world(true);
		world.fault_result = errors[i % 3];
		take(abort_esr(rows[n].ec, rows[n].iss), i & 1);
		host_trap(&regs);
		assert_int_equal(world.faults, 1);
		assert_int_equal(world.fault_access, rows[n].access);
		check_injected(abort_esr(rows[n].el1_ec, rows[n].el1_iss), rows[n].what);
		check_unchanged(&regs, 0);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 1);
	}
}

/* ISV, SAS 2 or 3, x5, SF for 64 bits; a translation fault. */
#define ISS_W5 (BIT(24) | 2 << 22 | 5 << 16 | 0x07)
#define ISS_X5 (BIT(24) | 3 << 22 | 5 << 16 | BIT(15) | 0x07)
#define ISS_WR BIT(6)

static struct host_regs access_gic(u64 iss, enum host_gic_result result, bool e2h)
{
	struct host_regs regs = numbered();

	setup_world(true);
	world.fault_result = -EPERM;
	world.gic_result = result;
	world.gic_data = 0x1122334455667788;
	take(abort_esr(0x24, (unsigned int)iss), e2h);
	host_trap(&regs);
	return regs;
}

static void registers_of_the_gic_are_emulated(void **state)
{
	struct host_regs regs;

	for (unsigned int e2h = 0; e2h < 2; e2h++) {
		regs = access_gic(ISS_X5, HOST_GIC_DONE, e2h);
		assert_int_equal(regs.x[5], 0x1122334455667788);
		assert_int_equal(world.gic_access.bytes, 8);
		check_returns_to(PC + 4, "a load");
		regs = access_gic(ISS_W5, HOST_GIC_DONE, e2h);
		assert_int_equal(regs.x[5], 0x55667788);
		regs = access_gic(ISS_X5 | ISS_WR, HOST_GIC_DONE, e2h);
		assert_int_equal(world.gic_data, 0x1005);
		check_unchanged(&regs, 0);
		check_returns_to(PC + 4, "a store");
		/* The zero register */
		regs = access_gic((ISS_X5 | ISS_WR) | 31 << 16, HOST_GIC_DONE, e2h);
		assert_int_equal(world.gic_data, 0);
		regs = access_gic(ISS_X5 | 31 << 16, HOST_GIC_DONE, e2h);
		check_unchanged(&regs, 0);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
	}
}

static void an_access_that_is_not_done_is_repeated(void **state)
{
	struct host_regs regs = access_gic(ISS_X5 | ISS_WR, HOST_GIC_AGAIN, false);

	check_returns_to(PC, "again");
	check_unchanged(&regs, 0);
	assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
}

/* As on the bare machine, where the frame has no power. */
static void a_register_that_does_not_answer_is_an_external_abort(void **state)
{
	for (unsigned int e2h = 0; e2h < 2; e2h++) {
		struct host_regs regs = access_gic(ISS_X5 | ISS_WR, HOST_GIC_FAULTED, e2h);

		check_injected(0x96000050, "no power");
		check_unchanged(&regs, 0);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
	}
}

/* Pairs and similar accesses, table walks, fetches, and offsets without a register. */
static void what_is_no_access_to_the_gic_is_refused(void **state)
{
	static const struct {
		u64 iss;
		unsigned int asked;
	} rows[] = {
		{ 0x07, 0 },
		{ ISS_X5 | BIT(7), 0 },
		{ ISS_X5 | BIT(8), 0 },
		{ ISS_X5 & ~BIT(24), 0 },
		{ ISS_X5, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_regs regs = access_gic(rows[i].iss, HOST_GIC_NONE, false);

		assert_int_equal(world.gic_accesses, rows[i].asked);
		check_unchanged(&regs, 0);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 1);
	}
}

static void a_tlb_conflict_is_cured_and_the_access_repeated(void **state)
{
	struct host_regs regs = numbered();

	setup_world(true);
	take(abort_esr(0x24, 0x30), false);
	host_trap(&regs);
	assert_int_equal(world.conflicts, 1);
	assert_int_equal(world.faults, 0);
	check_returns_to(PC, "conflict");
	check_unchanged(&regs, 0);
	assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
}

/* Only a translation fault can be cured by mapping. */
static void other_faults_are_refused_without_asking(void **state)
{
	static const unsigned int fsc[] = { 0x00, 0x03, 0x09, 0x0b, 0x0d, 0x0f, 0x21, 0x31 };

	for (size_t i = 0; i < ARRAY_SIZE(fsc); i++) {
		struct host_regs regs = numbered();

		setup_world(true);
		take(abort_esr(0x24, fsc[i]), false);
		fake_sysreg_set("par_el1", 0x77);
		host_trap(&regs);
		if (world.faults)
			fail_msg("fault status %#x: asked to map", fsc[i]);
		check_injected(abort_esr(0x25, 0x21), "other fault");
		assert_int_equal(fake_sysreg_get("par_el1"), 0x77);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 1);
	}
}

/* The first of this kind in this program is logged, then each power of two. */
/* On a walk of the host's stage 2: passed on to its kernel, and not counted as a refusal. */
static void external_aborts_stay_what_they_are(void **state)
{
	static const struct {
		unsigned int ec, iss, el1_ec, el1_iss;
	} rows[] = {
		{ 0x24, 0x15, 0x25, 0x15 },   { 0x24, 0x56, 0x25, 0x56 },
		{ 0x20, 0x17, 0x21, 0x17 },   { 0x24, 0x94, 0x25, 0x14 },
		{ 0x24, 0x13, 0x25, 0x13 },   { 0x24, 0x610, 0x25, 0x610 },
		{ 0x20, 0x210, 0x21, 0x210 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_regs regs = numbered();
		u64 before = hw_errors(HW_EL2_FAULTS);

		setup_world(true);
		take(abort_esr(rows[i].ec, rows[i].iss), false);
		host_trap(&regs);
		assert_int_equal(world.faults, 0);
		check_injected(abort_esr(rows[i].el1_ec, rows[i].el1_iss), "external abort");
		check_unchanged(&regs, 0);
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 0);
		assert_int_equal(hw_errors(HW_EL2_FAULTS), before + 1);
	}
}

static void refusals_are_logged(void **state)
{
	static const struct {
		unsigned int ec, iss, times;
		const char *line;
	} rows[] = {
		{ 0x24, 0x47, 64,
		  "warning: host write of 0x8765432abc (Keel's memory) refused: CPU 0, pc "
		  "0xffff800008123450" },
		{ 0x24, 0x07, 64, "warning: host read of 0x8765432abc (Keel's memory) refused" },
		{ 0x20, 0x07, 128, "warning: host fetch of 0x8765432abc (Keel's memory) refused" },
		{ 0x24, 0x87, 256,
		  "warning: host table walk of 0x8765432abc (Keel's memory) refused" },
		/* HPFAR_EL2 does not say where a write to a read-only page was. */
		{ 0x24, 0x4f, 512,
		  "warning: host write of 0x4567890abc (where stage 1 points) refused" },
	};
	u64 before = 0;

	setup_world(true);
	world.fault_result = -EPERM;
	stage1_maps = true;
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		for (unsigned int i = 0; i < rows[n].times; i++) {
			struct host_regs regs = numbered();

			take(abort_esr(rows[n].ec, rows[n].iss), false);
			fake_sysreg_set("par_el1", 0);
			host_trap(&regs);
		}
		if (!strstr(log_text(), rows[n].line))
			fail_msg("no \"%s\" in the log: %s", rows[n].line, log_text());
		before += rows[n].times;
		assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], before);
	}
	stage1_maps = false;
}

/* The host's tables fault when EL2 walks them: the host gets its abort, at its instruction. */
static void a_translation_that_faults_leaves_the_hosts_return_state(void **state)
{
	struct host_regs regs = numbered();

	setup_world(true);
	world.fault_result = -EPERM;
	stage1_faults = true;
	take(abort_esr(0x24, 0x4f), false);
	fake_sysreg_set("par_el1", 0x77);
	host_trap(&regs);
	stage1_faults = false;
	assert_int_equal(fake_sysreg_get("par_el1"), 0x77);
	assert_int_equal(fake_sysreg_get("elr_el1"), PC);
	assert_int_equal(fake_sysreg_get("spsr_el1"), SPSR);
	assert_int_equal(fake_sysreg_get("elr_el2"), VBAR + 0x200);
	assert_int_equal(world.counted[KEEL_STAT_HOST_ABORTS], 1);
}

/* ---- HVC ---- */

static void hvc_0_is_a_hypercall(void **state)
{
	struct host_regs regs = numbered();

	setup_world(true);
	take(abort_esr(0x16, 0), false);
	host_trap(&regs);
	assert_int_equal(world.hypercalls, 1);
	assert_int_equal(regs.x[0], 0x1000);
	assert_int_equal(regs.x[1], 0x4242);
	/* ELR_EL2 is behind an HVC already. */
	check_returns_to(PC, "HVC");
	assert_int_equal(world.smcs, 0);
}

static void other_hvcs_are_not_supported(void **state)
{
	static const unsigned int imm[] = { 1, 0x4a48, 0x8000, 0xffff };

	for (size_t i = 0; i < ARRAY_SIZE(imm); i++) {
		struct host_regs regs = numbered();

		setup_world(true);
		take(abort_esr(0x16, imm[i]), false);
		host_trap(&regs);
		assert_int_equal(world.hypercalls, 0);
		assert_int_equal((s64)regs.x[0], -1);
		check_unchanged(&regs, 1);
		check_returns_to(PC, "HVC #imm");
	}
}

/* ---- SMC ---- */

static struct host_regs do_smc(u64 fid, unsigned int imm)
{
	struct host_regs regs = numbered();

	regs.x[0] = fid;
	for (unsigned int i = 0; i < 18; i++)
		world.smc_result[i] = 0x9000 + i;
	take(abort_esr(0x17, imm), false);
	host_trap(&regs);
	/* D1.3.6.4: a trapped SMC leaves ELR_EL2 at the instruction. */
	check_returns_to(PC + 4, "SMC");
	assert_int_equal(world.counted[KEEL_STAT_SMCS], 1);
	return regs;
}

static void check_smc_refused(const struct host_regs *regs, const char *what)
{
	if (world.smcs)
		fail_msg("%s: firmware was called", what);
	if ((s64)regs->x[0] != -1)
		fail_msg("%s: x0 is %#lx, expected NOT_SUPPORTED", what, regs->x[0]);
	check_unchanged(regs, 1);
}

static void a_forwarded_smc_passes_its_registers_both_ways(void **state)
{
	struct host_regs regs;

	setup_world(true);
	regs = do_smc(0x80000000, 0); /* SMCCC_VERSION */
	assert_int_equal(world.smcs, 1);
	assert_int_equal(world.smc[0], 0x80000000);
	for (unsigned int i = 1; i < 18; i++)
		assert_int_equal(world.smc[i], 0x1000 + i);
	for (unsigned int i = 0; i < 18; i++)
		assert_int_equal(regs.x[i], 0x9000 + i);
	check_unchanged(&regs, 18);
}

/* The function identifier is W0: the upper half of x0 does not matter. */
static void the_upper_half_of_x0_does_not_change_the_policy(void **state)
{
	struct host_regs regs;

	setup_world(true);
	regs = do_smc(0xdead0000c2000020, 0);
	check_smc_refused(&regs, "denied call with rubbish above");
	setup_world(true);
	regs = do_smc(0xdead000080000000, 0);
	assert_int_equal(world.smcs, 1);
}

static void a_denied_smc_does_not_reach_firmware(void **state)
{
	static const u64 fids[] = { 0xc2000020, 0x82000020, 0xc6000000, 0x86000000,
				    0x84000020, 0x32000004, 0x82000001, 0xb2000009 };

	for (size_t i = 0; i < ARRAY_SIZE(fids); i++) {
		struct host_regs regs;

		setup_world(true);
		regs = do_smc(fids[i], 0);
		check_smc_refused(&regs, "denied");
	}
}

/* keel.smc allows a call; its neighbour is refused as before, and logged. */
static void keel_smc_lets_calls_through(void **state)
{
	static const struct option_smc allow = { .count = 1,
						 .range = { { 0x82000001, 0x82000001 } } };
	static const struct option_smc nothing;
	struct host_regs regs;

	setup_world(true);
	host_allow_smcs(&allow);
	do_smc(0x82000001, 0);
	assert_int_equal(world.smcs, 1);
	setup_world(true);
	regs = do_smc(0x82000002, 0);
	check_smc_refused(&regs, "not in the range");
	setup_world(true);
	host_allow_smcs(&nothing);
	regs = do_smc(0x82000001, 0);
	check_smc_refused(&regs, "no longer allowed");
	if (!strstr(log_text(), "SMC 0x32000004 refused: keel.smc does not allow it"))
		fail_msg("the first refusal of this program is not in the log: %s", log_text());
}

/* OP-TEE's calls go through its own table, whatever else keel.smc allows. */
static void optee_calls_are_mediated(void **state)
{
	static const struct optee_ops ops = { .smc = psci_smc };
	struct host_regs regs;

	setup_world(true);
	host_optee = (struct optee){
		.ops = &ops, .on = true, .shm_base = 0xfe000000, .shm_size = 0x200000
	};
	do_smc(0xb2000001, 0);
	assert_int_equal(world.smcs, 1);
	setup_world(true);
	/* numbered(): a message at 0x1001_00001002 */
	regs = do_smc(0x32000004, 0);
	assert_int_equal(world.smcs, 0);
	assert_int_equal(regs.x[0], 4);
	check_unchanged(&regs, 1);
	setup_world(true);
	regs = do_smc(0x32000013, 0);
	check_smc_refused(&regs, "OP-TEE's call by registered memory");
	host_optee = (struct optee){ .on = false };
}

static void psci_goes_through_the_mediator(void **state)
{
	struct host_regs regs;

	setup_world(true);
	/* The mediator knows the CPUs: x1 is none of theirs, so it answers by itself. */
	regs = do_smc(PSCI_CPU_ON | PSCI_64, 0);
	assert_int_equal((s64)regs.x[0], PSCI_INVALID_PARAMETERS);
	assert_int_equal(world.smcs, 0);
	check_unchanged(&regs, 4);
}

static void an_smc_with_an_immediate_is_not_supported(void **state)
{
	static const unsigned int imm[] = { 1, 0x8000 };

	for (size_t i = 0; i < ARRAY_SIZE(imm); i++) {
		struct host_regs regs;

		setup_world(true);
		regs = do_smc(0x80000000, imm[i]);
		check_smc_refused(&regs, "SMC #imm");
	}
}

static void without_firmware_no_smc_is_made(void **state)
{
	static const u64 fids[] = { 0x80000000, 0x84000000, 0xc4000003, 0xc2000020 };

	for (size_t i = 0; i < ARRAY_SIZE(fids); i++) {
		struct host_regs regs;

		setup_world(false);
		regs = do_smc(fids[i], 0);
		check_smc_refused(&regs, "no firmware");
	}
}

/* ---- everything else ---- */

/* Of all classes only four have a use; the rest are UNDEFINED instructions to the host. */
static void other_classes_are_undefined_instructions(void **state)
{
	for (unsigned int ec = 0; ec < 64; ec++) {
		struct host_regs regs = numbered();

		if (ec == 0x16 || ec == 0x17 || ec == 0x20 || ec == 0x24)
			continue;
		setup_world(true);
		take(abort_esr(ec, 0x12345), ec & 1);
		host_trap(&regs);
		check_injected(ESR_IL, "other class");
		check_unchanged(&regs, 0);
		assert_int_equal(world.faults + world.smcs + world.hypercalls, 0);
	}
	assert_non_null(strstr(log_text(), "unexpected trap from the host"));
}

/* After a guest the host's FP registers come back when it uses them, and the use is repeated. */
static void floating_point_comes_back_when_it_is_used(void **state)
{
	static const unsigned int classes[] = { 0x07, 0x19, 0x1d };

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct host_regs regs = numbered();

		setup_world(true);
		world.fp_out = true;
		take(abort_esr(classes[i], 0), false);
		host_trap(&regs);
		assert_int_equal(world.fps, 1);
		check_returns_to(PC, "FP");
		check_unchanged(&regs, 0);
	}
}

/* Reads of S3_0_C0_C1..C7_*: host_features.c's value, in the MRS's destination register. */
static void id_registers_are_read_for_the_host(void **state)
{
	for (unsigned int rt = 0; rt < 32; rt++) {
		struct host_regs regs = numbered();
		u64 expected = numbered().x[rt];

		setup_world(true);
		/* MRS Xt, S3_0_C0_C<crm>_<op2> */
		take(abort_esr(0x18, 3 << 20 | (rt & 7) << 17 | rt << 5 | (1 + rt % 7) << 1 | 1),
		     false);
		fake_sysreg_set("spsr_el2", SPSR | BIT(21) | 3 << 10);
		host_trap(&regs);
		if (rt < 31)
			expected = 0x1d00 + (1 + rt % 7) * 16 + (rt & 7);
		assert_int_equal(rt < 31 ? regs.x[rt] : expected, expected);
		check_returns_to(PC + 4, "MRS of an ID register");
		assert_int_equal(fake_sysreg_get("spsr_el2"), SPSR); /* SS and BTYPE are spent */
	}
}

/* S3_<op1>_C11_* and C15_*, which trap from EL1 on many CPUs, by ACTLR_EL2. */
static void implementation_defined_registers_read_as_zero(void **state)
{
	static const unsigned int crn[] = { 11, 15 };

	for (unsigned int rt = 0; rt < 32; rt++) {
		for (unsigned int read = 0; read < 2; read++) {
			struct host_regs regs = numbered(), expected = numbered();

			setup_world(true);
			take(abort_esr(0x18, 3 << 20 | (rt & 7) << 14 | crn[rt & 1] << 10 |
						     rt << 5 | (rt & 15) << 1 | read),
			     false);
			host_trap(&regs);
			if (read && rt < 31)
				expected.x[rt] = 0;
			assert_memory_equal(&regs, &expected, sizeof(regs));
			check_returns_to(PC + 4, "an IMPLEMENTATION DEFINED register");
		}
	}
}

/* PSTATE of a host that steps through its code and came here by a branch: SS, BTYPE. */
#define SPSR_STEPPED (SPSR | BIT(21) | 3 << 10)

static void take_stepped(u64 esr, u64 x0)
{
	struct host_regs regs = numbered();

	regs.x[0] = x0;
	take(esr, false);
	fake_sysreg_set("spsr_el2", SPSR_STEPPED);
	host_trap(&regs);
}

/* After what is emulated SS and BTYPE are 0: the next exception is the step's. */
static void what_is_emulated_counts_as_executed(void **state)
{
	static const struct {
		const char *what;
		u64 esr, x0;
	} rows[] = {
		{ "MRS of an ID register", 0x18U << 26 | 3 << 20 | 1 << 1 | 1, 0 },
		{ "MRS of a register that reads as zero", 0x18U << 26 | 3 << 20 | 11 << 10 | 1, 0 },
		{ "MSR of a register that ignores it", 0x18U << 26 | 3 << 20 | 15 << 10, 0 },
		{ "load from the GIC", 0x24UL << 26 | ISS_X5, 0 },
		{ "store to the GIC", 0x24UL << 26 | ISS_X5 | ISS_WR, 0 },
		{ "forwarded SMC", 0x17U << 26, 0x80000000 },
		{ "denied SMC", 0x17U << 26, 0xc2000020 },
		{ "PSCI call that is answered", 0x17U << 26, PSCI_CPU_ON | PSCI_64 },
		{ "SMC #1", 0x17U << 26 | 1, 0x80000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup_world(true);
		world.fault_result = -EPERM;
		world.gic_result = HOST_GIC_DONE;
		take_stepped(ESR_IL | rows[i].esr, rows[i].x0);
		check_returns_to(PC + 4, rows[i].what);
	}
}

/* An instruction that is repeated has not been executed: SS and BTYPE are as they were. */
static void what_is_repeated_has_not_been_executed(void **state)
{
	static const u64 rows[] = { 0x24UL << 26 | 0x07, 0x24UL << 26 | ISS_X5, 0x07U << 26,
				    0x18U << 26 | 0x12345 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup_world(true);
		world.fault_result = i ? -EPERM : 0;
		world.gic_result = HOST_GIC_AGAIN;
		world.fp_out = true;
		world.trace_begins = true;
		take_stepped(ESR_IL | rows[i], 0);
		assert_int_equal(fake_sysreg_get("elr_el2"), PC);
		assert_int_equal(fake_sysreg_get("spsr_el2"), SPSR_STEPPED);
	}
}

/* Neighbours do not count: writes, MIDR_EL1's row, other op1. */
static void other_registers_are_not_id_registers(void **state)
{
	static const u64 iss[] = { 3 << 20 | 4 << 1, /* MSR */
				   3 << 20 | 0 << 1 | 1,
				   3 << 20 | 8 << 1 | 1,
				   3 << 20 | 1 << 14 | 4 << 1 | 1,
				   3 << 20 | 1 << 10 | 4 << 1 | 1,
				   2 << 20 | 4 << 1 | 1 };

	for (size_t i = 0; i < ARRAY_SIZE(iss); i++) {
		struct host_regs regs = numbered();

		setup_world(true);
		take(abort_esr(0x18, iss[i]), false);
		host_trap(&regs);
		check_injected(ESR_IL, "no ID register");
		check_unchanged(&regs, 0);
	}
}

/* The host uses trace for the first time: the access is repeated. */
static void trace_comes_back_when_it_is_used(void **state)
{
	struct host_regs regs = numbered();

	setup_world(true);
	world.trace_begins = true;
	take(abort_esr(0x18, 0x12345), false);
	host_trap(&regs);
	assert_int_equal(world.traces, 1);
	check_returns_to(PC, "trace");
	check_unchanged(&regs, 0);
}

/* The new PSTATE has the bits of this CPU's features, by each field of the ID registers. */
static void new_pstate_follows_the_id_registers(void **state)
{
	static const struct {
		const char *reg;
		u64 value, sctlr, pstate;
	} rows[] = {
		{ "id_aa64pfr1_el1", 0, BIT(44), 0 },
		{ "id_aa64pfr1_el1", 1 << 4, BIT(44), BIT(12) }, /* FEAT_SSBS, DSSBS */
		{ "id_aa64pfr1_el1", 1 << 8, 0, 0 },		 /* FEAT_MTE: TCO is RAZ/WI */
		{ "id_aa64pfr1_el1", 2 << 8, 0, BIT(25) },	 /* FEAT_MTE2: TCO */
		{ "id_aa64pfr1_el1", 1ULL << 36, 0, BIT(13) },	 /* FEAT_NMI: ALLINT */
		{ "id_aa64mmfr1_el1", 3 << 20, 0, BIT(22) },	 /* FEAT_PAN3 */
		{ "id_aa64mmfr1_el1", 3 << 20, BIT(23), 0 },	 /* ... SPAN */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_regs regs = numbered();
		u64 pstate;

		setup_world(true);
		take(0, false);
		fake_sysreg_set("id_aa64mmfr1_el1", 0);
		fake_sysreg_set("spsr_el2", 5);
		fake_sysreg_set(rows[i].reg, rows[i].value);
		fake_sysreg_set(el1(SCTLR_1), rows[i].sctlr);
		host_trap(&regs);
		pstate = fake_sysreg_get("spsr_el2");
		if (pstate != (0x3c5 | rows[i].pstate))
			fail_msg("%s = %#lx, SCTLR %#lx: PSTATE %#lx, expected %#lx", rows[i].reg,
				 rows[i].value, rows[i].sctlr, pstate, 0x3c5 | rows[i].pstate);
	}
}

/* Whatever the exception: Keel's data may be half changed, and locks are not released any more. */
static void after_a_panic_a_cpu_stops_at_its_next_exception(void **state)
{
	static const unsigned int classes[] = { ESR_EC_HVC64, ESR_EC_SMC64, ESR_EC_DABT_LOWER,
						ESR_EC_IABT_LOWER, 0 };

	for (volatile size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		struct host_regs regs = numbered();

		setup_world(true);
		panic_begun = true;
		take(abort_esr(classes[i], 0x07), false);
		if (!setjmp(stopped)) {
			host_trap(&regs);
			fail_msg("class %#x was handled after a panic", classes[i]);
		}
		check_unchanged(&regs, 0);
		check_returns_to(PC, "after a panic");
		assert_int_equal(world.faults + world.smcs + world.hypercalls, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(external_aborts_stay_what_they_are),
		cmocka_unit_test(refusals_are_logged),
		cmocka_unit_test(a_fault_that_is_mapped_repeats_the_access),
		cmocka_unit_test(zeros_that_the_host_reads_are_logged),
		cmocka_unit_test(a_refused_access_is_an_abort_that_the_host_can_mend),
		cmocka_unit_test(registers_of_the_gic_are_emulated),
		cmocka_unit_test(an_access_that_is_not_done_is_repeated),
		cmocka_unit_test(a_register_that_does_not_answer_is_an_external_abort),
		cmocka_unit_test(what_is_no_access_to_the_gic_is_refused),
		cmocka_unit_test(a_tlb_conflict_is_cured_and_the_access_repeated),
		cmocka_unit_test(other_faults_are_refused_without_asking),
		cmocka_unit_test(hvc_0_is_a_hypercall),
		cmocka_unit_test(a_translation_that_faults_leaves_the_hosts_return_state),
		cmocka_unit_test(other_hvcs_are_not_supported),
		cmocka_unit_test(a_forwarded_smc_passes_its_registers_both_ways),
		cmocka_unit_test(the_upper_half_of_x0_does_not_change_the_policy),
		cmocka_unit_test(a_denied_smc_does_not_reach_firmware),
		cmocka_unit_test(keel_smc_lets_calls_through),
		cmocka_unit_test(optee_calls_are_mediated),
		cmocka_unit_test(psci_goes_through_the_mediator),
		cmocka_unit_test(an_smc_with_an_immediate_is_not_supported),
		cmocka_unit_test(without_firmware_no_smc_is_made),
		cmocka_unit_test(other_classes_are_undefined_instructions),
		cmocka_unit_test(floating_point_comes_back_when_it_is_used),
		cmocka_unit_test(trace_comes_back_when_it_is_used),
		cmocka_unit_test(id_registers_are_read_for_the_host),
		cmocka_unit_test(implementation_defined_registers_read_as_zero),
		cmocka_unit_test(what_is_emulated_counts_as_executed),
		cmocka_unit_test(what_is_repeated_has_not_been_executed),
		cmocka_unit_test(other_registers_are_not_id_registers),
		cmocka_unit_test(new_pstate_follows_the_id_registers),
		cmocka_unit_test(after_a_panic_a_cpu_stops_at_its_next_exception),
	};

	if (log_init(ring, sizeof(ring)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
