// SPDX-License-Identifier: BSD-2-Clause
/*
 * Statistical profiling (ARM DDI 0487, D17) in a VM that has it, and with `args: absent` in one
 * that has not. The records are read back by a decoder written from D17.3.
 */
#include "lib/guest.h"

const char *payload_name = "spe";

#define PMSCR_EL1     S3_0_C9_C9_0
#define PMSNEVFR_EL1  S3_0_C9_C9_1
#define PMSICR_EL1    S3_0_C9_C9_2
#define PMSIRR_EL1    S3_0_C9_C9_3
#define PMSFCR_EL1    S3_0_C9_C9_4
#define PMSEVFR_EL1   S3_0_C9_C9_5
#define PMSLATFR_EL1  S3_0_C9_C9_6
#define PMSIDR_EL1    S3_0_C9_C9_7
#define PMBLIMITR_EL1 S3_0_C9_C10_0
#define PMBPTR_EL1    S3_0_C9_C10_1
#define PMBSR_EL1     S3_0_C9_C10_3
#define PMBIDR_EL1    S3_0_C9_C10_7

#define PMSVER(dfr0) field(dfr0, 32)

#define E0SPE BIT(0)
#define E1SPE BIT(1)
#define CX    BIT(3)
#define PA    BIT(4)
#define TS    BIT(5)

#define FE BIT(0)
#define FT BIT(1)
#define FL BIT(2)
#define B  BIT(16)
#define LD BIT(17)
#define ST BIT(18)

#define LIMIT_E BIT(0)

#define PMBSR_S	      BIT(17)
#define PMBSR_EA      BIT(18)
#define PMBSR_FULL    (PMBSR_S | 1)
#define PMBSR_EC(sr)  ((sr) >> 26 & 0x3f)
#define PMBSR_FSC(sr) ((sr)&0x3f)
#define EC_STAGE1     0x24

#define FSC_TRANSLATION_3 0x07
#define FSC_PERMISSION_3  0x0f

#define RECORD 64
/* Nanoseconds, many turns of the loop, with jitter: not in step with it. */
#define INTERVAL (32768 | 1)
#define PPI	 21

/* Long enough for any machine: loops end by what happens. */
#define PATIENCE 200000000UL

#define psb() __asm__ volatile("hint #17; dsb nsh; isb" ::: "memory")

static u8 buffer[16 * PAGE] __attribute__((aligned(4096)));
static u64 data[512] __attribute__((aligned(4096)));

/* ---- programming it ---- */

static u64 asked; /* PMSCR_EL1 */

static void disable(void)
{
	write_sysreg(0, PMSCR_EL1);
	psb();
	write_sysreg(0, PMBLIMITR_EL1);
}

static void enable(u64 from, u64 to, u64 pmscr)
{
	write_sysreg(0, PMBSR_EL1);
	write_sysreg(from, PMBPTR_EL1);
	write_sysreg(to | LIMIT_E, PMBLIMITR_EL1);
	write_sysreg(INTERVAL, PMSIRR_EL1);
	write_sysreg(0, PMSICR_EL1);
	asked = pmscr;
	write_sysreg(pmscr, PMSCR_EL1);
}

/*
 * What is sampled: loads, stores and branches, at addresses that are known. QEMU takes interrupts
 * only where a block that it has translated begins, which is behind a branch.
 */
static void __attribute__((noinline)) turn(void)
{
	u64 *at = data, left = ARRAY_SIZE(data), value;

	__asm__ volatile("1: ldr %0, [%1]\n"
			 "b 2f\n"
			 "2: str %0, [%1], #8\n"
			 "b 3f\n"
			 "3: subs %2, %2, #1\n"
			 "b 4f\n"
			 "4: b.ne 1b\n"
			 : "=&r"(value), "+r"(at), "+r"(left)::"memory", "cc");
}

static void turns(u64 count)
{
	while (count--)
		turn();
}

/* Until the pointer has come @bytes on, or profiling has stopped. */
static void work(u64 bytes)
{
	u64 from = read_sysreg(PMBPTR_EL1), n;

	for (n = 0; n < PATIENCE / 10000; n++) {
		turns(20); /* few exits: they are where EL2 has most to do, and would be sampled
			      most */
		if (read_sysreg(PMBPTR_EL1) - from >= bytes || (read_sysreg(PMBSR_EL1) & PMBSR_S))
			return;
	}
	die("no samples come");
}

/* ---- records ---- */

struct record {
	u64 pc, target, va, pa, timestamp, events;
	u32 context, latency;
	u8 op, sub;
	bool has_pc, has_target, has_va, has_pa, has_timestamp, has_op, has_events, has_latency,
		has_context, ended;
};

static u64 payload(const u8 *from, u64 bytes)
{
	u64 value = 0, i;

	for (i = 0; i < bytes; i++)
		value |= (u64)from[i] << (8 * i);
	return value;
}

static bool take(struct record *r, u8 header, u64 value)
{
	switch (header) {
	case 0xb0:
		r->pc = value;
		return r->has_pc = true;
	case 0xb1:
		r->target = value;
		return r->has_target = true;
	case 0xb2:
		r->va = value;
		return r->has_va = true;
	case 0xb3:
		r->pa = value;
		return r->has_pa = true;
	case 0x64:
		r->context = (u32)value;
		return r->has_context = true;
	case 0x98:
		r->latency = (u32)value;
		return r->has_latency = true;
	case 0x99:
	case 0x9a:
		return true;
	case 0x42:
	case 0x52:
	case 0x62:
		r->events = value;
		return r->has_events = true;
	case 0x48:
	case 0x49:
	case 0x4a:
		r->op = header & 3;
		r->sub = (u8)value;
		return r->has_op = true;
	case 0x71:
		r->timestamp = value;
		return r->ended = r->has_timestamp = true;
	default:
		return false;
	}
}

/* Whether the 64 bytes are packets, one that ends the record, and padding. */
static bool decode(const u8 *from, struct record *r)
{
	u64 at = 0, bytes;

	*r = (struct record){ 0 };
	while (at < RECORD && !r->ended) {
		u8 header = from[at++];

		if (!header)
			continue;
		if (header == 1)
			r->ended = true;
		else {
			bytes = 1UL << (header >> 4 & 3);
			if (at + bytes > RECORD || !take(r, header, payload(from + at, bytes)))
				return false;
			at += bytes;
		}
	}
	for (; at < RECORD; at++)
		if (from[at])
			return false;
	return r->ended;
}

#define ADDRESS(packet) ((packet)&GENMASK(55, 0))

/* Top byte of a code address: NS and EL (D17.3.4) */
#define TOP(el) (0x80UL | (u64)(el) << 5)

static bool is_mine(u64 address)
{
	extern char _start[], _end[];

	return address >= (u64)_start && address < (u64)_end;
}

static void check_record(const struct record *r, u64 el)
{
	check_quiet("it has PC, operation, events and latency",
		    r->has_pc && r->has_op && r->has_events && r->has_latency, true);
	check_quiet("EL and security of the PC", r->pc >> 56, TOP(el));
	check_quiet("the PC is code", is_mine(ADDRESS(r->pc)) || el == 0, true);
	check_quiet("event: retired", r->events >> 1 & 1, 1);
	check_quiet("only branches have a target", r->has_target && r->op != 2, false);
	check_quiet("only loads and stores have an address", r->has_va && r->op != 1, false);
	check_quiet("a physical address with each other one", r->has_pa, r->has_va && asked & PA);
	if (r->has_pa) /* memory is mapped at its address */
		check_quiet("the physical address", ADDRESS(r->pa), ADDRESS(r->va));
}

/* All records up to the pointer; returns how many there are. */
static u64 check_records(const u8 *from, u64 el, void (*each)(const struct record *r))
{
	u64 end = read_sysreg(PMBPTR_EL1), n = 0;
	struct record r;

	for (; (u64)from < end; from += RECORD, n++) {
		check_quiet("the record can be read", decode(from, &r), true);
		check_record(&r, el);
		if (each)
			each(&r);
	}
	return n;
}

/* ---- tests ---- */

static void test_absent(void)
{
	check("PMSVer", PMSVER(read_sysreg(id_aa64dfr0_el1)), 0);
	check("PMSIDR_EL1 is UNDEFINED", ec_of(TRY(read_sysreg(PMSIDR_EL1))), EC_UNKNOWN);
	check("PMBLIMITR_EL1 is UNDEFINED", ec_of(TRY(read_sysreg(PMBLIMITR_EL1))), EC_UNKNOWN);
	check("PMSCR_EL1 is UNDEFINED",
	      ec_of(TRY(__asm__ volatile("msr " STRING(PMSCR_EL1) ", xzr"))), EC_UNKNOWN);
}

#define check_register(reg, mask)                                               \
	do {                                                                    \
		check(STRING(reg) " is zero after reset", read_sysreg(reg), 0); \
		write_sysreg(~0UL, reg);                                        \
		check(STRING(reg) " keeps its bits", read_sysreg(reg), mask);   \
		write_sysreg(0, reg);                                           \
		check(STRING(reg) " can be cleared", read_sysreg(reg), 0);      \
	} while (0)

static void test_registers(void)
{
	u64 events = 0x8ea; /* retired, refill, walk, not taken, mispredicted, misaligned */

	/* FE, FT, FL, ArchInst, ERnd, FnE; interval 1024; 64 bytes; 12 bits */
	check("PMSIDR_EL1", read_sysreg(PMSIDR_EL1), 0x2646f);
	check("PMBIDR_EL1", read_sysreg(PMBIDR_EL1), 6);
	if (field(read_sysreg(id_aa64pfr0_el1), 32))
		events |= 3UL << 17;
	check_register(PMSNEVFR_EL1, events);
	check_register(PMSICR_EL1, 0xff000000ffffffff);
	check_register(PMSIRR_EL1, 0xffffff01);
	check_register(PMSFCR_EL1, 0x7000f);
	check_register(PMSEVFR_EL1, events);
	check_register(PMSLATFR_EL1, 0xfff);
	check_register(PMBPTR_EL1, ~0x3fUL);
	write_sysreg(PMBSR_S, PMBSR_EL1); /* so that nothing starts */
	write_sysreg(~0UL, PMSCR_EL1);
	check("PMSCR_EL1", read_sysreg(PMSCR_EL1), 0x7b);
	write_sysreg(~0UL, PMBLIMITR_EL1);
	check("PMBLIMITR_EL1", read_sysreg(PMBLIMITR_EL1), ~0xfffUL | 0x27);
	disable();
	write_sysreg(0, PMBSR_EL1);
	check("a write of PMSIDR_EL1",
	      ec_of(TRY(__asm__ volatile("msr " STRING(PMSIDR_EL1) ", xzr"))), EC_UNKNOWN);
	check("a write of PMBIDR_EL1",
	      ec_of(TRY(__asm__ volatile("msr " STRING(PMBIDR_EL1) ", xzr"))), EC_UNKNOWN);
	check("an encoding between them", ec_of(TRY(read_sysreg(S3_0_C9_C10_2))), EC_UNKNOWN);
	check("BRK is taken as ever", ec_of(TRY(__asm__ volatile("brk #1"))), EC_BRK64);
	check("so is SVC", ec_of(TRY(__asm__ volatile("svc #1"))), EC_SVC64);
}

static u64 loads, stores, branches, in_data;

static void count(const struct record *r)
{
	loads += r->op == 1 && !(r->sub & 1);
	stores += r->op == 1 && (r->sub & 1);
	branches += r->op == 2;
	in_data += r->has_va && ADDRESS(r->va) - (u64)data < sizeof(data);
	check_quiet("timestamps were asked for", r->has_timestamp, true);
	check_quiet("contexts were asked for", r->has_context && r->context == 0x1234, true);
}

static void test_samples(void)
{
	u64 before = read_sysreg(cntvct_el0), i;
	struct record r;

	write_sysreg(0x1234, contextidr_el1);
	loads = stores = branches = in_data = 0;
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | TS | PA | CX);
	work(300 * RECORD);
	disable();
	write_sysreg(0, contextidr_el1);
	check_true("300 samples", check_records(buffer, 1, count) >= 300);
	check_round("records");
	check_true("loads are among them", loads > 0);
	check_true("stores are among them", stores > 0);
	check_true("branches are among them", branches > 0);
	check_true("most addresses are those that are accessed", 2 * in_data > loads + stores);
	for (i = 0; i < 300; i++) {
		if (!decode(buffer + i * RECORD, &r))
			break;
		check_quiet("time does not run backwards", r.timestamp >= before, true);
		before = r.timestamp;
	}
	check_round("timestamps");
	check("nothing is pending", read_sysreg(PMBSR_EL1), 0);
	before = read_sysreg(PMBPTR_EL1);
	for (i = 0; i < 1000; i++)
		turn();
	check("disabled, nothing is written", read_sysreg(PMBPTR_EL1), before);
}

static u64 filter_wants;

static void filtered(const struct record *r)
{
	u64 is = r->op == 2 ? B : r->op == 1 ? (r->sub & 1 ? ST : LD) : 0;

	check_quiet("the filter", (is & filter_wants) != 0, true);
}

static void test_filter(const char *name, u64 types)
{
	filter_wants = types;
	write_sysreg(FT | types, PMSFCR_EL1);
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	work(50 * RECORD);
	disable();
	write_sysreg(0, PMSFCR_EL1);
	check_true(name, check_records(buffer, 1, filtered) >= 50);
	check_round(name);
}

static void slow(const struct record *r)
{
	check_quiet("the latency is at least what the filter asks for", r->latency >= 100, true);
}

static void test_filters(void)
{
	test_filter("loads alone", LD);
	test_filter("stores alone", ST);
	test_filter("branches alone", B);
	test_filter("loads and branches", LD | B);
	write_sysreg(100, PMSLATFR_EL1);
	write_sysreg(FL, PMSFCR_EL1);
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	work(20 * RECORD);
	disable();
	write_sysreg(0, PMSFCR_EL1);
	write_sysreg(0, PMSLATFR_EL1);
	check_true("latency filter", check_records(buffer, 1, slow) >= 20);
	check_round("latencies");
}

/* One page, with something behind it that must stay. */
static void test_full(void)
{
	memset(buffer, 0x5a, sizeof(buffer));
	enable((u64)buffer + PAGE, (u64)buffer + 2 * PAGE, E1SPE);
	work(sizeof(buffer));
	check("PMBSR_EL1 says that it is full", read_sysreg(PMBSR_EL1), PMBSR_FULL);
	check("the pointer is at the limit", read_sysreg(PMBPTR_EL1), (u64)buffer + 2 * PAGE);
	turn();
	check("it stays there", read_sysreg(PMBPTR_EL1), (u64)buffer + 2 * PAGE);
	disable();
	check("records to the last byte", check_records(buffer + PAGE, 1, NULL), PAGE / RECORD);
	check_round("records of a full buffer");
	check("before the buffer", payload(buffer + PAGE - 8, 8), 0x5a5a5a5a5a5a5a5a);
	check("behind it", payload(buffer + 2 * PAGE, 8), 0x5a5a5a5a5a5a5a5a);
	write_sysreg(0, PMBSR_EL1);
}

static u64 irqs, irq_pmbsr;

static void on_irq(struct frame *frame, bool fiq)
{
	u32 intid = gic_ack();

	(void)frame;
	(void)fiq;
	if (intid == PPI) {
		irqs++;
		irq_pmbsr = read_sysreg(PMBSR_EL1);
		write_sysreg(0, PMBLIMITR_EL1);
		write_sysreg(0, PMBSR_EL1);
		isb();
	}
	if (intid != SPURIOUS)
		gic_eoi(intid);
}

static void test_interrupt(void)
{
	u64 i;

	irq_handler = on_irq;
	gic_set_edge(PPI, false);
	gic_enable(PPI);
	irqs_on();
	enable((u64)buffer, (u64)buffer + PAGE, E1SPE);
	for (i = 0; i < PATIENCE / 1000 && !read_once(irqs); i++)
		turn();
	check("an interrupt for a full buffer", irqs, 1);
	check("PMBSR_EL1 in its handler", irq_pmbsr, PMBSR_FULL);
	for (i = 0; i < 1000; i++)
		turn();
	check("with PMBSR_EL1 cleared it does not come again", irqs, 1);
	write_sysreg(PMBSR_S, PMBSR_EL1);
	for (i = 0; i < 1000 && irqs == 1; i++)
		turn();
	check("software can raise it", irqs, 2);
	irqs_off();
	write_sysreg(PMBSR_S, PMBSR_EL1);
	check_true("it is pending", gic_bit(GIC_ISPENDR, PPI));
	write_sysreg(0, PMBSR_EL1);
	check_true("the level falls with PMBSR_EL1.S", !gic_bit(GIC_ISPENDR, PPI));
	gic_disable(PPI);
	disable();
}

static u64 fault_at(u64 va)
{
	u64 pmbsr;

	enable(va, va + PAGE, E1SPE);
	work(PAGE);
	pmbsr = read_sysreg(PMBSR_EL1);
	check("the pointer is where the fault was", read_sysreg(PMBPTR_EL1), va);
	disable();
	write_sysreg(0, PMBSR_EL1);
	return pmbsr;
}

static void test_faults(void)
{
	u64 pmbsr;

	pmbsr = fault_at(WINDOW);
	check("unmapped: EC", PMBSR_EC(pmbsr), EC_STAGE1);
	check("unmapped: FSC", PMBSR_FSC(pmbsr), FSC_TRANSLATION_3);
	window_map(WINDOW, (u64)buffer, PAGE_RW | PTE_RO);
	memset(buffer, 0x5a, PAGE);
	pmbsr = fault_at(WINDOW);
	check("read-only: EC", PMBSR_EC(pmbsr), EC_STAGE1);
	check("read-only: FSC", PMBSR_FSC(pmbsr), FSC_PERMISSION_3);
	check("read-only: nothing was written", payload(buffer, 8), 0x5a5a5a5a5a5a5a5a);
	window_map(WINDOW, 0, 0);
	pmbsr = fault_at(UNBACKED);
	check("where the VM has no memory: EC", PMBSR_EC(pmbsr), EC_STAGE1);
	check("where the VM has no memory: external abort", PMBSR_FSC(pmbsr), FSC_EXTERNAL);
	check_true("where the VM has no memory: EA", pmbsr & PMBSR_EA);
	pmbsr = fault_at(GICD_BASE);
	check("the distributor: external abort", PMBSR_FSC(pmbsr), FSC_EXTERNAL);
	pmbsr = fault_at(0x0000ffff00000000);
	check("no address of either half: EC", PMBSR_EC(pmbsr), EC_STAGE1);
	check("a bad buffer harms nobody", payload(buffer + 8, 8), 0x5a5a5a5a5a5a5a5a);
}

/* Memory of the VM that no stage 2 table has yet. */
static void test_fresh(void)
{
	u64 page = fresh_page();

	enable(page, page + PAGE, E1SPE | PA);
	work(PAGE);
	disable();
	check("memory that was never touched: filled", read_sysreg(PMBSR_EL1), PMBSR_FULL);
	write_sysreg(0, PMBSR_EL1);
	check("records there", check_records((u8 *)page, 1, NULL), PAGE / RECORD);
	check_round("records in fresh memory");
}

/* At EL0: counts x0 down. */
__asm__(".pushsection .text\n.balign 64\nspin_el0: subs x0, x0, #1\n b.ne spin_el0\n svc #0\n"
	".popsection");
extern void spin_el0(void);

static void test_levels(void)
{
	u64 i;

	enable((u64)buffer, (u64)buffer + sizeof(buffer), E0SPE);
	for (i = 0; i < 300; i++)
		turn();
	check("profiling EL0, nothing of EL1", read_sysreg(PMBPTR_EL1), (u64)buffer);
	for (i = 0; i < 1000 && read_sysreg(PMBPTR_EL1) == (u64)buffer; i++)
		el0_run(spin_el0, 100000);
	disable();
	check_true("samples of EL0", check_records(buffer, 0, NULL) > 0);
	check_round("records of EL0");
}

/* Any value in any register while samples are taken: the CPU and the memory around stay whole. */
static void test_anything(void)
{
	u64 round, i;

	memset(buffer, 0x5a, sizeof(buffer));
	for (round = 0; round < payload_number("rounds", 300); round++) {
		u64 place = round % 3 ? random64() : WINDOW + (random64() & 0xffffff);

		disable();
		write_sysreg(random64(), PMSICR_EL1);
		write_sysreg(random64(), PMSFCR_EL1);
		write_sysreg(random64(), PMSEVFR_EL1);
		write_sysreg(random64(), PMSNEVFR_EL1);
		write_sysreg(random64() & 0xff, PMSLATFR_EL1);
		write_sysreg(random64(), PMBSR_EL1);
		write_sysreg(round & 1 ? 0 : random64(), PMBSR_EL1);
		write_sysreg(round % 5 ? place : (u64)buffer + PAGE, PMBPTR_EL1);
		write_sysreg(random64() & 0x1fff, PMSIRR_EL1);
		write_sysreg(round % 5 ? random64() | 1 : ((u64)buffer + 2 * PAGE) | 1,
			     PMBLIMITR_EL1);
		if (is_mine(read_sysreg(PMBPTR_EL1) + PAGE) && round % 5)
			continue;
		write_sysreg(random64(), PMSCR_EL1);
		for (i = 0; i < 5; i++)
			turn();
	}
	disable();
	write_sysreg(0, PMBSR_EL1);
	write_sysreg(0, PMSFCR_EL1);
	write_sysreg(0, PMSLATFR_EL1);
	write_sysreg(0, PMSEVFR_EL1);
	write_sysreg(0, PMSNEVFR_EL1);
	for (i = 0; i < sizeof(buffer); i += 8)
		if (i < PAGE || i >= 2 * PAGE)
			check_quiet("outside of the buffer", payload(buffer + i, 8),
				    0x5a5a5a5a5a5a5a5a);
	check_round("memory after random registers");
}

void payload_main(void)
{
	if (payload_has_arg("absent")) {
		test_absent();
		return;
	}
	gic_init();
	gic_init_cpu();
	check("PMSVer", PMSVER(read_sysreg(id_aa64dfr0_el1)), 3);
	test_registers();
	test_samples();
	test_filters();
	test_full();
	test_interrupt();
	test_faults();
	test_fresh();
	test_levels();
	test_anything();
}
