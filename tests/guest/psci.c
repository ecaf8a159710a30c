// SPDX-License-Identifier: BSD-2-Clause
/* PSCI 1.1 (DEN 0022), SMCCC (DEN 0028), TRNG (DEN 0098), as a guest calls them. Any number of
 * CPUs. */
#include "lib/guest.h"

const char *payload_name = "psci";

#define SPSEL_1 1
#define EL1	(1 << 2)
#define DAIF	0x3c0
#define ROUNDS	5
#define CONTEXT 7

static u64 context_seen, off_after;

/* ---- answers ---- */

static const struct {
	const char *name;
	u64 fid;
} mandatory[] = {
	{ "features: PSCI_VERSION", PSCI_VERSION },
	{ "features: CPU_SUSPEND", PSCI_CPU_SUSPEND },
	{ "features: CPU_OFF", PSCI_CPU_OFF },
	{ "features: CPU_ON", PSCI_CPU_ON },
	{ "features: CPU_ON, 32 bits", PSCI_CPU_ON_32 },
	{ "features: AFFINITY_INFO", PSCI_AFFINITY_INFO },
	{ "features: SYSTEM_OFF", PSCI_SYSTEM_OFF },
	{ "features: SYSTEM_RESET", PSCI_SYSTEM_RESET },
	{ "features: PSCI_FEATURES", PSCI_FEATURES },
	{ "features: SYSTEM_RESET2", PSCI_SYSTEM_RESET2 },
	{ "features: SMCCC_VERSION", SMCCC_VERSION },
};

static void check_versions(void)
{
	u32 i;

	check("PSCI_VERSION is 1.1", hvc(PSCI_VERSION, 0, 0, 0), 0x10001);
	check("PSCI_VERSION by SMC", smc(PSCI_VERSION, 0, 0, 0), 0x10001);
	check_true("SMCCC_VERSION is 1.1 or later", hvc(SMCCC_VERSION, 0, 0, 0) >= 0x10001);
	for (i = 0; i < ARRAY_SIZE(mandatory); i++)
		check(mandatory[i].name, hvc(PSCI_FEATURES, mandatory[i].fid, 0, 0), 0);
	check("features: an unknown call", hvc(PSCI_FEATURES, 0x8400001e, 0, 0), NOT_SUPPORTED);
	check("features: not a PSCI call", hvc(PSCI_FEATURES, 0x86000000, 0, 0), NOT_SUPPORTED);
	check("features: rubbish", hvc(PSCI_FEATURES, 0xffffffff, 0, 0), NOT_SUPPORTED);
	check("MIGRATE_INFO_TYPE: nothing to migrate", hvc(PSCI_MIGRATE_TYPE, 0, 0, 0), 2);
	check("ARCH_FEATURES: SMCCC_VERSION", hvc(SMCCC_ARCH_FEATURES, SMCCC_VERSION, 0, 0), 0);
	check("ARCH_FEATURES: itself", hvc(SMCCC_ARCH_FEATURES, SMCCC_ARCH_FEATURES, 0, 0), 0);
	check("ARCH_FEATURES: an unknown call", hvc(SMCCC_ARCH_FEATURES, 0x80001234, 0, 0),
	      NOT_SUPPORTED);
}

/* A mitigation that is offered can be called, one that is not is NOT_SUPPORTED. */
static void check_workaround(const char *name, u64 fid, bool callable)
{
	u64 offered = hvc(SMCCC_ARCH_FEATURES, fid, 0, 0);

	if (offered == 0 || (offered == 1 && callable))
		check(name, hvc(fid, 0, 0, 0), 0);
	else
		check_true(name, offered == NOT_SUPPORTED || offered == PSCI_INVALID);
}

static void check_workarounds(void)
{
	check_workaround("ARCH_WORKAROUND_1", 0x80008000, true);
	check_workaround("ARCH_WORKAROUND_2", 0x80007fff, false);
	check_workaround("ARCH_WORKAROUND_3", 0x80003fff, true);
}

static void check_errors(void)
{
	u64 entry = (u64)secondary_entry;

	check("CPU_ON of oneself", hvc(PSCI_CPU_ON, 0, entry, 0), PSCI_ALREADY_ON);
	check("CPU_ON of a CPU that is not there", hvc(PSCI_CPU_ON, nr_cpus, entry, 0),
	      PSCI_INVALID);
	check("CPU_ON of a CPU that is far off", hvc(PSCI_CPU_ON, 0xff00ffffffUL, entry, 0),
	      PSCI_INVALID);
	check("CPU_ON with rubbish in the affinity", hvc(PSCI_CPU_ON, BIT(63), entry, 0),
	      PSCI_INVALID);
	check("CPU_ON with MPIDR's bit 31", hvc(PSCI_CPU_ON, BIT(31), entry, 0), PSCI_INVALID);
	if (nr_cpus > 1)
		check("CPU_ON at an odd address", hvc(PSCI_CPU_ON, 1, entry + 1, 0),
		      PSCI_BAD_ADDRESS);
	check("AFFINITY_INFO of oneself", hvc(PSCI_AFFINITY_INFO, 0, 0, 0), PSCI_ON);
	check("AFFINITY_INFO, level 1", hvc(PSCI_AFFINITY_INFO, 0, 1, 0), PSCI_ON);
	check("AFFINITY_INFO, level 3", hvc(PSCI_AFFINITY_INFO, 0, 3, 0), PSCI_ON);
	check("AFFINITY_INFO, level 4", hvc(PSCI_AFFINITY_INFO, 0, 4, 0), PSCI_INVALID);
	check("AFFINITY_INFO of a CPU that is not there", hvc(PSCI_AFFINITY_INFO, nr_cpus, 0, 0),
	      PSCI_INVALID);
	check("AFFINITY_INFO with rubbish", hvc(PSCI_AFFINITY_INFO, BIT(63), 0, 0), PSCI_INVALID);
	check("SYSTEM_RESET2 with a reserved type", hvc(PSCI_SYSTEM_RESET2, 1, 0, 0), PSCI_INVALID);
}

/* ---- calls that nobody defines ---- */

static bool kept(const u64 *x, u32 from)
{
	u32 i;

	for (i = from; i < 18; i++)
		if (x[i] != 0x1111111111111111UL * i)
			return false;
	return true;
}

static void check_unknown(u64 (*call)(u64 *x), u64 fid)
{
	u64 x[18];
	u32 i;

	for (i = 1; i < 18; i++)
		x[i] = 0x1111111111111111UL * i;
	x[0] = fid;
	check_quiet("a call that nobody defines", call(x), NOT_SUPPORTED);
	check_quiet("... changes nothing", kept(x, 1), 1);
}

static void check_unknown_calls(void)
{
	static const u64 fids[] = {
		0x84000020, 0xc400001f, 0x84000000 + 0x1fff, 0x86000002, 0xc6000000,
		0x8600ff02, 0xc6000001, 0x82000000,	     0x83000000, 0x85000001,
		0xb2000000, 0xbf00ff01, 0x00000000,	     0x00000001, 0xffffffff,
		0x04000000, 0x44000003, 0x80000002,	     0xc0000000, 0xffffffff86000002
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(fids); i++) {
		check_unknown(hvc_regs, fids[i]);
		check_unknown(smc_regs, fids[i]);
	}
	/*
	 * All of the vendor hypervisor's range by both widths: a host's calls are there. A guest
	 * has the first, which tells what there is, PTP, and the UID.
	 */
	for (i = 0; i < 256; i++) {
		if (i > 1)
			check_unknown(hvc_regs, 0x86000000 + i);
		check_unknown(hvc_regs, 0xc6000000 + i);
		check_unknown(smc_regs, 0xc6000000 + i);
	}
	check_round("calls that nobody defines are NOT_SUPPORTED");
}

/* x4 to x17 are kept by any call (SMCCC 1.1). */
static void check_registers_kept(void)
{
	u64 x[18];
	u32 i;

	for (i = 1; i < 18; i++)
		x[i] = 0x1111111111111111UL * i;
	x[0] = PSCI_VERSION;
	hvc_regs(x);
	check_true("PSCI_VERSION keeps x4 to x17", kept(x, 4));
}

/* ---- random numbers ---- */

static void check_trng_bits(u64 bits)
{
	u64 x[18] = { TRNG_RND, bits };

	hvc_regs(x);
	if (x[0] == -3UL) /* NO_ENTROPY is an answer */
		return;
	check_quiet("TRNG_RND gives", x[0], 0);
	if (bits < 64)
		check_quiet("... no more bits than asked for", x[3] >> bits, 0);
	if (bits <= 64)
		check_quiet("... nothing in the second word", x[2], 0);
	if (bits <= 128)
		check_quiet("... nothing in the third word", x[1], 0);
}

static void check_trng(void)
{
	u64 first[18] = { TRNG_RND, 192 }, again[18] = { TRNG_RND, 192 }, bits;

	check("TRNG_VERSION is 1.0", hvc(TRNG_VERSION, 0, 0, 0), 0x10000);
	check("TRNG_FEATURES: TRNG_RND", hvc(TRNG_FEATURES, TRNG_RND, 0, 0), 0);
	check("TRNG_FEATURES: an unknown call", hvc(TRNG_FEATURES, 0x84000054, 0, 0),
	      NOT_SUPPORTED);
	check_true("TRNG_GET_UUID", hvc(TRNG_GET_UUID, 0, 0, 0) != NOT_SUPPORTED);
	check("TRNG_RND of 0 bits", hvc(TRNG_RND, 0, 0, 0), -2UL);
	check("TRNG_RND of 193 bits", hvc(TRNG_RND, 193, 0, 0), -2UL);
	check("TRNG_RND of very many bits", hvc(TRNG_RND, ~0UL, 0, 0), -2UL);
	for (bits = 1; bits <= 192; bits++)
		check_trng_bits(bits);
	check_round("TRNG_RND of 1 to 192 bits");
	hvc_regs(first);
	hvc_regs(again);
	check_true("TRNG_RND gives other bits each time",
		   first[1] != again[1] && first[2] != again[2] && first[3] != again[3]);
}

/* ---- the host's clock ---- */

static u64 clock_of(const u64 *x)
{
	return x[0] << 32 | x[1];
}

static u64 count_of(const u64 *x)
{
	return x[2] << 32 | x[3];
}

static void check_ptp(void)
{
	u64 virt[18] = { KVM_PTP, KVM_PTP_VIRT }, phys[18] = { KVM_PTP, KVM_PTP_PHYS };
	u64 none[18] = { KVM_PTP, 2, 3, 4 }, before, between, after, passed;

	before = read_sysreg(cntvct_el0);
	hvc_regs(virt);
	between = read_sysreg(cntvct_el0);
	check_true("PTP tells the virtual count of a moment in the call",
		   before <= count_of(virt) && count_of(virt) <= between);
	before = read_sysreg(cntpct_el0);
	hvc_regs(phys);
	after = read_sysreg(cntpct_el0);
	check_true("... or the physical one",
		   before <= count_of(phys) && count_of(phys) <= after);
	passed = count_of(phys) - count_of(virt) - (before - between);
	check_true("the clock goes on", clock_of(phys) > clock_of(virt));
	check_true("... as fast as the counter",
		   (clock_of(phys) - clock_of(virt)) / 1000000000 <=
			   passed / read_sysreg(cntfrq_el0) + 1);
	hvc_regs(none);
	check("there is no third counter", none[0], NOT_SUPPORTED);
	check_true("... and nothing is told", !(none[1] | none[2] | none[3]));
}

/* ---- CPUs ---- */

/* What a secondary does here: say that it is there, and switch itself off when told to. */
static void leave_when_told(u64 id, u64 argument)
{
	(void)argument;
	__atomic_store_n(&context_seen, id, __ATOMIC_RELEASE);
	wait_until(__atomic_load_n(&off_after, __ATOMIC_ACQUIRE));
	hvc(PSCI_CPU_OFF, 0, 0, 0);
	die("CPU_OFF came back");
}

static u64 affinity(u64 cpu)
{
	return hvc(PSCI_AFFINITY_INFO, cpu, 0, 0);
}

static void check_entry(u64 cpu)
{
	check_quiet("a secondary starts at EL1", at_secondary_entry.currentel, EL1);
	check_quiet("... with SP_EL1", at_secondary_entry.spsel, SPSEL_1);
	check_quiet("... with exceptions masked", at_secondary_entry.daif, DAIF);
	check_quiet("... with MMU and caches off, little-endian",
		    at_secondary_entry.sctlr & (BIT(25) | 0x1005), 0);
	check_quiet("CPU_ON while it is on", hvc(PSCI_CPU_ON, cpu, (u64)secondary_entry, 1),
		    PSCI_ALREADY_ON);
	check_quiet("AFFINITY_INFO while it is on", affinity(cpu), PSCI_ON);
}

/* secondary_main() has its argument as the context: a number that says what to do. */
static void check_cpu_once(u64 cpu, u64 fid, u64 context)
{
	context_seen = 0;
	off_after = 0;
	cpus[cpu].done = 0;
	cpus[cpu].work = leave_when_told;
	__atomic_store_n(&cpus[cpu].generation, 1, __ATOMIC_RELEASE);
	check_quiet("AFFINITY_INFO of a CPU that is off", affinity(cpu), PSCI_OFF);
	check_quiet("CPU_ON", hvc(fid, cpu, (u64)secondary_entry, context), 0);
	wait_until(__atomic_load_n(&context_seen, __ATOMIC_ACQUIRE));
	check_quiet("a secondary has its context", context_seen, context);
	check_entry(cpu);
	__atomic_store_n(&off_after, 1, __ATOMIC_RELEASE);
	wait_until(affinity(cpu) == PSCI_OFF);
}

static void check_cpus(void)
{
	u64 cpu, round;

	for (cpu = 1; cpu < nr_cpus; cpu++) {
		for (round = 0; round < ROUNDS; round++)
			check_cpu_once(cpu, PSCI_CPU_ON, 0x123456789abcdef0UL + round);
		check_cpu_once(cpu, PSCI_CPU_ON_32, 0x12345678);
	}
	check_round("CPUs go on and off with new contexts");
	if (nr_cpus > 1)
		check("AFFINITY_INFO, level 1, with others off", hvc(PSCI_AFFINITY_INFO, 1, 1, 0),
		      PSCI_ON);
}

/* ---- all at once: one of those who start the last CPU succeeds ---- */

static u64 last_cpu, successes, refusals, others;

static void start_last(u64 cpu, u64 context)
{
	u64 ret = hvc(PSCI_CPU_ON, last_cpu, (u64)secondary_entry, context);

	(void)cpu;
	if (ret == 0)
		__atomic_fetch_add(&successes, 1, __ATOMIC_RELAXED);
	else if (ret == PSCI_ALREADY_ON || ret == PSCI_ON_PENDING)
		__atomic_fetch_add(&refusals, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&others, 1, __ATOMIC_RELAXED);
}

static void check_race_once(void)
{
	off_after = 0;
	context_seen = 0;
	successes = refusals = others = 0;
	smp_run(start_last, CONTEXT);
	wait_until(__atomic_load_n(&context_seen, __ATOMIC_ACQUIRE));
	check_quiet("of many CPU_ON one succeeds", successes, 1);
	check_quiet("... and the others are told", refusals, last_cpu - 1);
	check_quiet("... nothing else", others, 0);
	__atomic_store_n(&off_after, 1, __ATOMIC_RELEASE);
	wait_until(affinity(last_cpu) == PSCI_OFF);
}

/* The last CPU is not one that smp_run() knows of. */
static void check_race(void)
{
	u64 round;

	last_cpu = nr_cpus - 1;
	nr_cpus = last_cpu;
	smp_restart();
	cpus[last_cpu].work = leave_when_told;
	cpus[last_cpu].generation = 1;
	for (round = 0; round < 20; round++)
		check_race_once();
	check_round("CPU_ON by all at once");
}

/* ---- */

static void check_suspend(void)
{
	write_sysreg(read_sysreg(cntvct_el0) + read_sysreg(cntfrq_el0) / 200, cntv_cval_el0);
	write_sysreg(CTL_ENABLE, cntv_ctl_el0);
	while (!(read_sysreg(cntv_ctl_el0) & CTL_ISTATUS))
		check_quiet("CPU_SUSPEND", hvc(PSCI_CPU_SUSPEND, 0, 0, 0), 0);
	check("CPU_SUSPEND with an interrupt pending", hvc(PSCI_CPU_SUSPEND, 0, 0, 0), 0);
	check("... which is pending still", gic_bit(GIC_ISPENDR, PPI_VTIMER), 1);
	write_sysreg(0, cntv_ctl_el0);
	check("CPU_SUSPEND to power down is a standby",
	      (gic_set_bit(GIC_ISPENDR, PPI_VTIMER),
	       hvc(PSCI_CPU_SUSPEND, BIT(16), (u64)secondary_entry, 0)),
	      0);
	gic_set_bit(GIC_ICPENDR, PPI_VTIMER);
}

/* As an OS does it: the CPU interface is off, and the redistributor, which is asleep, wakes the CPU. */
static void check_suspend_asleep(void)
{
	u64 waker = gicr(0) + GICR_WAKER;

	write_sysreg(0, ICC_IGRPEN1_EL1);
	isb();
	write32(waker, BIT(1));
	write_sysreg(read_sysreg(cntvct_el0) + read_sysreg(cntfrq_el0) / 200, cntv_cval_el0);
	write_sysreg(CTL_ENABLE, cntv_ctl_el0);
	while (!(read_sysreg(cntv_ctl_el0) & CTL_ISTATUS))
		check_quiet("CPU_SUSPEND, asleep", hvc(PSCI_CPU_SUSPEND, BIT(16), 0, 0), 0);
	check("CPU_SUSPEND, asleep, with an interrupt pending",
	      hvc(PSCI_CPU_SUSPEND, BIT(16), 0, 0), 0);
	write_sysreg(0, cntv_ctl_el0);
	write32(waker, 0);
	write_sysreg(1, ICC_IGRPEN1_EL1);
	isb();
}

void payload_main(void)
{
	if (payload_has_arg("reset2"))
		hvc(PSCI_SYSTEM_RESET2, 0, 0, 0);
	if (payload_has_arg("reset"))
		smc(PSCI_SYSTEM_RESET, 0, 0, 0);
	gic_init_cpu();
	gic_enable(PPI_VTIMER);
	smp_count();
	check_versions();
	check_workarounds();
	check_errors();
	check_unknown_calls();
	check_registers_kept();
	check_trng();
	check_ptp();
	check_suspend();
	check_suspend_asleep();
	check_cpus();
	if (nr_cpus > 2)
		check_race();
}
