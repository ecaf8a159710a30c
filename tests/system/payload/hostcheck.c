// SPDX-License-Identifier: BSD-2-Clause
/*
 * hostcheck: a bare-metal host of the size of a test. It does below Keel what no Linux does: calls
 * with wrong arguments, calls that nobody defines, accesses whose syndrome it looks at. Each check
 * prints a line; the last line has the sums. It ends the machine with SYSTEM_OFF.
 *
 * Runs with the MMU off on QEMU's `virt` machine, with two CPUs and a GICv3.
 */
#include <keel/hypercall.h>

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;
typedef int bool;

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The machine: QEMU's `virt`. */
#define UART_DR	   ((volatile u32 *)0x09000000)
#define GICD_CTLR  ((volatile u32 *)0x08000000)
#define GICR_BASE  0x080a0000UL
#define TIMER_PPI  30
#define CPU1_MPIDR 1UL

/* ARM DEN 0022 */
#define PSCI_VERSION	   0x84000000
#define PSCI_CPU_SUSPEND   0xc4000001
#define PSCI_CPU_OFF	   0x84000002
#define PSCI_CPU_ON	   0xc4000003
#define PSCI_CPU_ON_32	   0x84000003
#define PSCI_AFFINITY_INFO 0xc4000004
#define PSCI_SYSTEM_OFF	   0x84000008
#define PSCI_FEATURES	   0x8400000a
#define SMCCC_VERSION	   0x80000000
#define PSCI_INVALID	   -2L
#define PSCI_ALREADY_ON	   -4L
#define PSCI_BAD_ADDRESS   -9L
#define NOT_SUPPORTED	   -1L
#define EINVAL_		   -22L
#define AFFINITY_ON	   0
#define AFFINITY_OFF	   1

/* ARM DDI 0487, ESR_ELx */
#define EC_IABT_CURRENT	  0x21UL
#define EC_DABT_CURRENT	  0x25UL
#define FSC_SYNC_EXTERNAL 0x10UL
#define FSC_ALIGNMENT	  0x21UL
#define FDT_MAGIC_LITTLE  0xedfe0dd0

struct regs {
	u64 x[18];
};

struct fault {
	u64 esr, far;
};

enum access { LOAD, STORE, BRANCH };

/* start.S */
extern volatile struct fault fault;
extern char secondary[], _start[];
void touch(u64 address, u64 access);
void hvc0(struct regs *regs);
void hvc1(struct regs *regs);
void smc0(struct regs *regs);
void payload_main(u64 fdt, u64 x1, u64 x2, u64 x3);
void payload_secondary(u64 context);
void payload_unexpected(void);
void *memset(void *to, int c, u64 n);

static u32 passed, failed;
static volatile u64 secondary_context, secondary_el, secondary_mpidr, secondary_leaves;

#define read_sysreg(name)                                                \
	({                                                               \
		u64 v_;                                                  \
		__asm__ volatile("mrs %0, " #name : "=r"(v_)::"memory"); \
		v_;                                                      \
	})
#define isb() __asm__ volatile("isb" ::: "memory")

#define write_sysreg(value, name) \
	__asm__ volatile("msr " #name ", %0; isb" ::"r"((u64)(value)) : "memory")

/* The compiler calls it for initializers. */
void *memset(void *to, int c, u64 n)
{
	u64 i;

	for (i = 0; i < n; i++)
		((volatile u8 *)to)[i] = (u8)c;
	return to;
}

static void put(char c)
{
	*UART_DR = (u32)c;
}

static void print(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			put('\r');
		put(*s);
	}
}

static void print_hex(u64 value)
{
	int shift;

	print("0x");
	for (shift = 60; shift >= 0; shift -= 4)
		put("0123456789abcdef"[(value >> shift) & 15]);
}

static void print_decimal(u32 value)
{
	if (value >= 10)
		print_decimal(value / 10);
	put((char)('0' + value % 10));
}

static void check(const char *what, u64 got, u64 expected)
{
	if (got == expected) {
		passed++;
		print("hostcheck: ok ");
		print(what);
	} else {
		failed++;
		print("hostcheck: FAILED ");
		print(what);
		print(": expected ");
		print_hex(expected);
		print(", got ");
		print_hex(got);
	}
	print("\n");
}

static u64 call(void (*how)(struct regs *), u64 fid, u64 x1, u64 x2, u64 x3)
{
	struct regs regs = { { fid, x1, x2, x3 } };

	how(&regs);
	return regs.x[0];
}

static u64 smc(u64 fid, u64 x1, u64 x2, u64 x3)
{
	return call(smc0, fid, x1, x2, x3);
}

static u64 hvc(u64 fid, u64 x1)
{
	return call(hvc0, fid, x1, 0, 0);
}

static u64 stat(u64 which)
{
	struct regs regs = { { KEEL_HC_STAT, which } };

	hvc0(&regs);
	return regs.x[0] == 0 ? regs.x[1] : ~0UL;
}

/* Read Keel's log from @pos to its end; returns the end, and counts @c in what was read. */
static u64 read_log(u64 pos, char c, u32 *count)
{
	for (;;) {
		struct regs regs = { { KEEL_HC_LOG_READ, pos } };
		const char *text = (const char *)&regs.x[3];

		hvc0(&regs);
		if (regs.x[0] == 0 || regs.x[0] > KEEL_LOG_READ_MAX)
			return regs.x[1];
		for (u64 i = 0; i < regs.x[0]; i++)
			*count += text[i] == c;
		pos = regs.x[1];
	}
}

/* ---- the state at entry (Linux, Documentation/arch/arm64/booting.rst) */

/* Whether the virtual counter, read between two reads of the physical one, lies between them: so it
 * does with an offset of 0, however long the machine under the emulator lets this CPU wait. */
static bool no_virtual_offset(void)
{
	u64 before, virt, after;

	isb();
	before = read_sysreg(CNTPCT_EL0);
	isb();
	virt = read_sysreg(CNTVCT_EL0);
	isb();
	after = read_sysreg(CNTPCT_EL0);
	return before <= virt && virt <= after;
}

static void check_entry(u64 fdt, u64 x1, u64 x2, u64 x3)
{
	check("entry: at EL1", read_sysreg(CurrentEL), 1 << 2);
	check("entry: x0 is a device tree", *(u32 *)fdt, FDT_MAGIC_LITTLE);
	check("entry: x0 is 8-byte aligned", fdt % 8, 0);
	check("entry: x1 to x3 are 0", x1 | x2 | x3, 0);
	check("entry: all exceptions masked", read_sysreg(DAIF), 0x3c0);
	check("entry: MMU and caches off", read_sysreg(SCTLR_EL1) & 0x1005, 0);
	check("entry: at a 2 MiB boundary", (u64)_start % 0x200000, 0);
	check("entry: the counter runs", read_sysreg(CNTPCT_EL0) != 0, 1);
	check("entry: no virtual offset", no_virtual_offset(), 1);
}

/* ---- hypercalls */

static bool registers_kept(const struct regs *regs, u64 first)
{
	u64 i;

	for (i = 1; i < ARRAY_SIZE(regs->x); i++) {
		if (regs->x[i] != first + i)
			return 0;
	}
	return 1;
}

static void check_undefined_call(const char *what, void (*how)(struct regs *), u64 fid)
{
	struct regs regs;
	u64 i;

	for (i = 0; i < ARRAY_SIZE(regs.x); i++)
		regs.x[i] = 0x1000 + i;
	regs.x[0] = fid;
	how(&regs);
	check(what, regs.x[0], (u64)NOT_SUPPORTED);
	check("... and changes no other register", (u64)registers_kept(&regs, 0x1000), 1);
}

static void check_hypercalls(void)
{
	struct regs regs = { { KEEL_HC_UID } };

	check("hvc: version", hvc(KEEL_HC_VERSION, 0), KEEL_ABI_VERSION);
	hvc0(&regs);
	check("hvc: UID word 0", regs.x[0], KEEL_UID_0);
	check("hvc: UID word 3", regs.x[3], KEEL_UID_3);
	check("hvc: statistic that does not exist", hvc(KEEL_HC_STAT, KEEL_STAT_COUNT),
	      (u64)EINVAL_);
	check("hvc: statistic far out", hvc(KEEL_HC_STAT, ~0UL), (u64)EINVAL_);
	check("hvc: calls are counted", stat(KEEL_STAT_HYPERCALLS) < stat(KEEL_STAT_HYPERCALLS), 1);
	check("hvc: log position far out reads nothing", hvc(KEEL_HC_LOG_READ, ~0UL), 0);
	check("hvc: the log has text", hvc(KEEL_HC_LOG_READ, 0) > 0, 1);
	check_undefined_call("hvc: not in Keel's range", hvc0, 0x86001234);
	check_undefined_call("hvc: PSCI is not there", hvc0, PSCI_VERSION);
	check_undefined_call("hvc: other immediate", hvc1, KEEL_HC_VERSION);
	check_undefined_call("smc: nobody's", smc0, 0x8500abcd);
	check_undefined_call("smc: Keel's calls are not SMCs", smc0, KEEL_HC_VERSION);
	/* QEMU's firmware has none of these: that Keel refused them is
	 * in its log (check_smcs()). */
	check_undefined_call("smc: a yielding call", smc0, 0x32000004);
	check_undefined_call("smc: a silicon provider's", smc0, 0x82000001);
	check_undefined_call("smc: a trusted OS's", smc0, 0xb2000009);
	check_undefined_call("smc: SDEI", smc0, 0xc4000021);
}

/* ---- PSCI */

static void check_psci_answers(void)
{
	u64 self = read_sysreg(MPIDR_EL1) & 0xff00ffffffUL, entry = (u64)secondary;

	check("psci: version is 1.x", smc(PSCI_VERSION, 0, 0, 0) >> 16, 1);
	check("psci: has CPU_ON", smc(PSCI_FEATURES, PSCI_CPU_ON, 0, 0), 0);
	check("psci: has not a function 0x1e", smc(PSCI_FEATURES, 0x8400001e, 0, 0),
	      (u64)NOT_SUPPORTED);
	/* It is firmware's to answer, and QEMU's has no SMCCC 1.1. */
	check("psci: firmware has no SMCCC_VERSION", smc(PSCI_FEATURES, SMCCC_VERSION, 0, 0),
	      (u64)NOT_SUPPORTED);
	check("psci: CPU_ON of oneself", smc(PSCI_CPU_ON, self, entry, 0), (u64)PSCI_ALREADY_ON);
	check("psci: CPU_ON of a CPU that is not there", smc(PSCI_CPU_ON, 77, entry, 0),
	      (u64)PSCI_INVALID);
	check("psci: CPU_ON with rubbish in the affinity",
	      smc(PSCI_CPU_ON, 1UL << 63 | 1, entry, 0), (u64)PSCI_INVALID);
	check("psci: CPU_ON at no memory", smc(PSCI_CPU_ON, CPU1_MPIDR, 1UL << 50, 0),
	      (u64)PSCI_BAD_ADDRESS);
	check("psci: CPU_ON at an odd address", smc(PSCI_CPU_ON, CPU1_MPIDR, entry + 1, 0),
	      (u64)PSCI_BAD_ADDRESS);
	check("psci: CPU 0 is on", smc(PSCI_AFFINITY_INFO, 0, 0, 0), AFFINITY_ON);
	check("psci: CPU 1 is off", smc(PSCI_AFFINITY_INFO, CPU1_MPIDR, 0, 0), AFFINITY_OFF);
}

/* Bounded by the counter: ten seconds. */
static bool wait_for(volatile u64 *flag)
{
	u64 end = read_sysreg(CNTPCT_EL0) + 10 * read_sysreg(CNTFRQ_EL0);

	while (!*flag) {
		if (read_sysreg(CNTPCT_EL0) > end)
			return 0;
	}
	return 1;
}

static bool wait_for_state(u64 state)
{
	u64 end = read_sysreg(CNTPCT_EL0) + 10 * read_sysreg(CNTFRQ_EL0);

	while (smc(PSCI_AFFINITY_INFO, CPU1_MPIDR, 0, 0) != state) {
		if (read_sysreg(CNTPCT_EL0) > end)
			return 0;
	}
	return 1;
}

void payload_secondary(u64 context)
{
	secondary_el = read_sysreg(CurrentEL);
	secondary_mpidr = read_sysreg(MPIDR_EL1) & 0xff00ffffffUL;
	__asm__ volatile("dmb sy" ::: "memory");
	secondary_context = context;
	while (!secondary_leaves)
		;
	smc(PSCI_CPU_OFF, 0, 0, 0);
	for (;;)
		;
}

static void check_secondary_once(u64 fid, u64 context)
{
	secondary_context = 0;
	secondary_leaves = 0;
	check("psci: CPU_ON", smc(fid, CPU1_MPIDR, (u64)secondary, context), 0);
	check("psci: CPU 1 comes", (u64)wait_for(&secondary_context), 1);
	check("psci: with its context", secondary_context, context);
	check("psci: at EL1", secondary_el, 1 << 2);
	check("psci: it is CPU 1", secondary_mpidr, CPU1_MPIDR);
	check("psci: CPU 1 is on", smc(PSCI_AFFINITY_INFO, CPU1_MPIDR, 0, 0), AFFINITY_ON);
	check("psci: CPU_ON again", smc(PSCI_CPU_ON, CPU1_MPIDR, (u64)secondary, 1),
	      (u64)PSCI_ALREADY_ON);
	secondary_leaves = 1;
	check("psci: CPU 1 goes", (u64)wait_for_state(AFFINITY_OFF), 1);
}

static void check_secondary(void)
{
	int round;

	for (round = 0; round < 3; round++)
		check_secondary_once(PSCI_CPU_ON, 0x123456789abcdef0UL);
	check_secondary_once(PSCI_CPU_ON_32, 0x12345678);
}

/* ---- SMCs that keel.smc could allow */

/* Of the log from @pos on, how many lines contain @text. */
static u32 count_in_log(const char *text)
{
	u32 found = 0;
	u64 pos = 0, at = 0;

	for (;;) {
		struct regs regs = { { KEEL_HC_LOG_READ, pos } };
		const char *part = (const char *)&regs.x[3];

		hvc0(&regs);
		if (regs.x[0] == 0 || regs.x[0] > KEEL_LOG_READ_MAX)
			return found;
		for (u64 i = 0; i < regs.x[0]; i++) {
			at = part[i] == text[at] ? at + 1 : part[i] == text[0];
			if (!text[at]) {
				found++;
				at = 0;
			}
		}
		pos = regs.x[1];
	}
}

/* The machine was booted with keel.smc=0x82000010; a second refusal in a row would be logged. */
static void check_smcs(void)
{
	check("smc: a refused call is in Keel's log",
	      count_in_log("host SMC 0x32000004 refused: keel.smc does not allow it"), 1);
	check("smc: keel.smc is in Keel's log",
	      count_in_log("the host may call firmware with 0x82000010 to 0x82000010"), 1);
	/* three were refused before, and the log has the first, second, fourth ... of them */
	check("smc: firmware lacks the allowed call", smc(0x82000010, 0, 0, 0), (u64)NOT_SUPPORTED);
	check("... but Keel did not refuse it", count_in_log("host SMC 0x82000010 refused"), 0);
	check("smc: firmware lacks its neighbour", smc(0x82000011, 0, 0, 0), (u64)NOT_SUPPORTED);
	check("... and Keel refused it", count_in_log("host SMC 0x82000011 refused"), 1);
}

/* ---- interrupts, and standby */

static void gic_init(void)
{
	volatile u32 *rd = (volatile u32 *)GICR_BASE, *sgi = (volatile u32 *)(GICR_BASE + 0x10000);

	*GICD_CTLR = 0x12;   /* ARE, EnableGrp1 */
	rd[0x14 / 4] &= ~2U; /* GICR_WAKER.ProcessorSleep */
	while (rd[0x14 / 4] & 4)
		;
	sgi[0x80 / 4] |= 1U << TIMER_PPI;		/* group 1 */
	((volatile u8 *)sgi)[0x400 + TIMER_PPI] = 0x80; /* priority */
	sgi[0x100 / 4] = 1U << TIMER_PPI;		/* enable */
	write_sysreg(1, S3_0_C12_C12_5);		/* ICC_SRE_EL1 */
	write_sysreg(0xff, S3_0_C4_C6_0);		/* ICC_PMR_EL1 */
	write_sysreg(1, S3_0_C12_C12_7);		/* ICC_IGRPEN1_EL1 */
}

/* The host's timer is the EL1 physical one. With IRQs masked its interrupt ends a standby. */
static void check_timer_and_suspend(void)
{
	u64 before = stat(KEEL_STAT_SMCS), intid;

	gic_init();
	write_sysreg(read_sysreg(CNTFRQ_EL0) / 100, CNTP_TVAL_EL0);
	write_sysreg(1, CNTP_CTL_EL0);
	check("psci: CPU_SUSPEND to standby", smc(PSCI_CPU_SUSPEND, 0, 0, 0), 0);
	while (!(read_sysreg(ISR_EL1) & 0x80))
		__asm__ volatile("wfi");
	intid = read_sysreg(S3_0_C12_C12_0); /* ICC_IAR1_EL1 */
	check("irq: the physical timer's", intid, TIMER_PPI);
	write_sysreg(0, CNTP_CTL_EL0);
	write_sysreg(intid, S3_0_C12_C12_1); /* ICC_EOIR1_EL1 */
	check("irq: none is left", read_sysreg(ISR_EL1), 0);
	check("smcs are counted", stat(KEEL_STAT_SMCS) - before, 1);
}

/* ---- Keel's memory */

static u64 parse_hex(const u8 *s)
{
	u64 value = 0;

	for (;; s++) {
		if (*s >= '0' && *s <= '9')
			value = value * 16 + *s - '0';
		else if (*s >= 'a' && *s <= 'f')
			value = value * 16 + *s - 'a' + 10;
		else
			return value;
	}
}

static u32 big_endian(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

/* The next node called keel@ADDRESS in the blob, from *at on; 0 when there is no more. */
static u64 next_keel_node(const u8 *fdt, u32 *at)
{
	u32 size = big_endian(fdt + 4);

	for (; *at + 8 < size; (*at)++) {
		const u8 *p = fdt + *at;

		if (p[0] == 'k' && p[1] == 'e' && p[2] == 'e' && p[3] == 'l' && p[4] == '@') {
			*at += 5;
			return parse_hex(p + 5);
		}
	}
	return 0;
}

static void check_abort(const char *what, u64 address, enum access access)
{
	u64 before = stat(KEEL_STAT_HOST_ABORTS),
	    ec = access == BRANCH ? EC_IABT_CURRENT : EC_DABT_CURRENT;

	touch(address, access);
	check(what, fault.esr >> 26, ec);
	if (access == BRANCH)
		check("... as a synchronous external abort", fault.esr & 0x3f, FSC_SYNC_EXTERNAL);
	else
		check("... as an alignment fault", fault.esr & 0x3f, FSC_ALIGNMENT);
	check("... with its address", fault.far, address);
	if (access != BRANCH)
		check("... and its direction", (fault.esr >> 6) & 1, access == STORE);
	check("... and is counted", stat(KEEL_STAT_HOST_ABORTS) - before, 1);
}

/* What the host gave away it reads as zeros, and can do nothing else with. */
static void check_given(void)
{
	static u64 pages[KEEL_POOL_DONATE_PAGES * 512]
		__attribute__((aligned(KEEL_POOL_DONATE_PAGES * 4096)));
	struct regs regs = { { KEEL_HC_POOL_DONATE, (u64)pages, KEEL_POOL_DONATE_PAGES } };
	u64 before = stat(KEEL_STAT_HOST_ZERO_PAGES), aborts = stat(KEEL_STAT_HOST_ABORTS);
	volatile u64 *given = pages;

	given[1] = given[513] = 0x6b65656c;
	hvc0(&regs);
	check("memory: pages are given to Keel", regs.x[0], 0);
	touch((u64)&given[1], LOAD);
	check("memory: a load from what was given does not fault", fault.esr, 0);
	check("... and finds zero", given[1] | given[2] | given[511], 0);
	check("... also in the next page", given[513] | given[512], 0);
	check("... which is counted by the page", stat(KEEL_STAT_HOST_ZERO_PAGES) - before, 2);
	check("... and is no abort", stat(KEEL_STAT_HOST_ABORTS) - aborts, 0);
	check_abort("memory: store to what was given faults", (u64)&given[1], STORE);
	check_abort("... where nothing was read too", (u64)&given[1024], STORE);
	check_abort("memory: fetch from what was given faults", (u64)&given[2], BRANCH);
	check("memory: what was given has zeros still", given[1], 0);
}

static void check_ownership(u64 fdt)
{
	u32 at = 0, regions = 0, old_lines = 0, lines = 0;
	u64 base, log_end = read_log(0, '\n', &old_lines);

	while ((base = next_keel_node((const u8 *)fdt, &at))) {
		regions++;
		check_abort("memory: load from Keel's faults", base, LOAD);
		check_abort("memory: store to Keel's faults", base + 0x1000 - 8, STORE);
		check_abort("memory: fetch from Keel's faults", base, BRANCH);
		check("psci: CPU_ON in Keel's memory", smc(PSCI_CPU_ON, CPU1_MPIDR, base, 0),
		      (u64)PSCI_BAD_ADDRESS);
	}
	check("memory: Keel's is in the device tree", regions > 0, 1);
	(void)read_log(log_end, '\n', &lines);
	check("memory: faults are in Keel's log", lines > 0, 1);
	check("... which had lines before", old_lines > 0, 1);
	check_given();
	touch((u64)_start, LOAD);
	check("memory: the host's own does not fault", fault.esr, 0);
	touch((u64)_start + 0x40, LOAD);
	check("memory: the host's own does not fault", fault.esr, 0);
}

/* ---- */

static void __attribute__((noreturn)) finish(void)
{
	print("hostcheck: done, ");
	print_decimal(passed);
	print(" passed, ");
	print_decimal(failed);
	print(" failed\n");
	smc(PSCI_SYSTEM_OFF, 0, 0, 0);
	print("hostcheck: SYSTEM_OFF came back\n");
	for (;;)
		;
}

void payload_unexpected(void)
{
	failed++;
	print("hostcheck: FAILED unexpected exception, esr ");
	print_hex(read_sysreg(ESR_EL1));
	print("\n");
	finish();
}

void payload_main(u64 fdt, u64 x1, u64 x2, u64 x3)
{
	check_entry(fdt, x1, x2, x3);
	check_hypercalls();
	check_psci_answers();
	check_secondary();
	check_smcs();
	check_timer_and_suspend();
	check_ownership(fdt);
	finish();
}
