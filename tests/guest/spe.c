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

#define FE  BIT(0)
#define FT  BIT(1)
#define FL  BIT(2)
#define FNE BIT(3)
#define B   BIT(16)
#define LD  BIT(17)
#define ST  BIT(18)

#define LIMIT_E BIT(0)

#define PMBSR_S	      BIT(17)
#define PMBSR_EA      BIT(18)
#define PMBSR_FULL    (PMBSR_S | 1)
#define PMBSR_EC(sr)  ((sr) >> 26 & 0x3f)
#define PMBSR_FSC(sr) ((sr)&0x3f)
#define EC_STAGE1     0x24UL

#define FSC_TRANSLATION_3 0x07
#define FSC_TRANSLATION_1 0x05
#define FSC_PERMISSION_3  0x0f
#define FSC_ACCESS_FLAG_3 0x0b

/* A record cannot be written, and it is no fault of a translation's. */
#define PMBSR_ABORT (EC_STAGE1 << 26 | PMBSR_EA | PMBSR_S | FSC_EXTERNAL)

#define RECORD 64
/* Nanoseconds, many turns of the loop, with jitter: not in step with it. */
#define INTERVAL (32768 | 1)
#define PPI	 21

/* Long enough for any machine: loops end by what happens. */
#define PATIENCE 200000000UL

#define psb() __asm__ volatile("hint #17; dsb nsh; isb" ::: "memory")

static u8 buffer[16 * PAGE] __attribute__((aligned(4096)));
static u64 data[512 + 1] __attribute__((aligned(4096)));

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
 * What is sampled: loads, stores and branches, at addresses that are known; one branch is never
 * taken, for data[] is zero. QEMU takes interrupts only where a block that it has translated
 * begins, which is behind a branch.
 */
static void __attribute__((noinline)) turn_at(u64 *at)
{
	u64 left = ARRAY_SIZE(data) - 1, value;

	__asm__ volatile("1: ldr %0, [%1]\n"
			 "b 2f\n"
			 "2: str %0, [%1], #8\n"
			 "b 3f\n"
			 "3: cbnz %0, 1b\n"
			 "subs %2, %2, #1\n"
			 "b 4f\n"
			 "4: b.ne 1b\n"
			 : "=&r"(value), "+r"(at), "+r"(left)::"memory", "cc");
}

static void turn(void)
{
	turn_at(data);
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
		/* few exits: they are where EL2 has most to do, and would be sampled most */
		turns(20);
		if (read_sysreg(PMBPTR_EL1) - from >= bytes || (read_sysreg(PMBSR_EL1) & PMBSR_S))
			return;
	}
	die("no samples come");
}

/*
 * What PMBSR_EL1 says, but for the whole of buffer[] being full: that is no failure. On a machine
 * that is busy with other things the time of many samples can pass between two instructions.
 */
static u64 failure(void)
{
	u64 pmbsr = read_sysreg(PMBSR_EL1);
	bool all = read_sysreg(PMBPTR_EL1) == (u64)buffer + sizeof(buffer);

	return pmbsr == PMBSR_FULL && all ? 0 : pmbsr;
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
	/*
	 * On a machine that is busy with other things an alarm can be over before the guest's first
	 * instruction, many times in a row: all at one PC.
	 */
	for (i = 0; i < 30 && !(loads && stores && branches && 2 * in_data > loads + stores); i++) {
		enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | TS | PA | CX);
		work(300 * RECORD);
		disable();
		check_quiet("300 samples", check_records(buffer, 1, count) >= 300, true);
	}
	write_sysreg(0, contextidr_el1);
	check_round("300 samples");
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
	check("nothing is pending", failure(), 0);
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

#define NOT_TAKEN  BIT(6)
#define MISALIGNED BIT(11)

static u64 events_there, events_absent;

static void by_event(const struct record *r)
{
	check_quiet("events that are wanted", r->events & events_there, events_there);
	check_quiet("events that are not", r->events & events_absent, 0);
}

/* Records that have all of @there and none of @absent; a turn in eleven is misaligned. */
static void test_events(const char *name, u64 there, u64 absent)
{
	u64 i;

	events_there = there;
	events_absent = absent;
	write_sysreg(there, PMSEVFR_EL1);
	write_sysreg(absent, PMSNEVFR_EL1);
	write_sysreg((there ? FE : 0) | (absent ? FNE : 0), PMSFCR_EL1);
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	for (i = 0; i < 100000 && read_sysreg(PMBPTR_EL1) < (u64)buffer + 20 * RECORD; i++) {
		turns(10);
		turn_at((u64 *)((u64)data + 1));
	}
	disable();
	write_sysreg(0, PMSFCR_EL1);
	write_sysreg(0, PMSEVFR_EL1);
	write_sysreg(0, PMSNEVFR_EL1);
	check_true(name, check_records(buffer, 1, by_event) >= 20);
	check_round(name);
}

static void test_filters(void)
{
	test_filter("loads alone", LD);
	test_filter("stores alone", ST);
	test_filter("branches alone", B);
	test_filter("loads and branches", LD | B);
	test_events("branches that are not taken", NOT_TAKEN, 0);
	test_events("all but those", 0, NOT_TAKEN);
	test_events("misaligned accesses", MISALIGNED, 0);
	test_events("neither", 0, MISALIGNED | NOT_TAKEN);
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
	check_quiet("the pointer is where the fault was", read_sysreg(PMBPTR_EL1), va);
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
	check_round("pointers of faults");
}

/* A page of the window over @pa: what PMBSR_EL1 says of a buffer there. */
static u64 fault_over(u64 pa, u64 attributes)
{
	u64 pmbsr;

	window_map(WINDOW, pa, attributes);
	pmbsr = fault_at(WINDOW);
	window_map(WINDOW, 0, 0);
	return pmbsr;
}

static void check_untouched(const char *name, u64 from, u64 to)
{
	for (; from < to; from += 8)
		check_quiet(name, payload((const u8 *)from, 8), 0x5a5a5a5a5a5a5a5a);
	check_round(name);
}

/* What is there in the machine at these addresses is the host's, Keel's, or another VM's. */
static void test_not_its_own(void)
{
	u64 pa;

	for (pa = 1UL << 30; pa < 3UL << 30; pa += 16UL << 20)
		if (pa < RAM_BASE || pa >= FRESH_END)
			check_quiet("not its own: PMBSR_EL1", fault_over(pa, PAGE_RW), PMBSR_ABORT);
	check_round("memory of the machine's that is not its own");
	check("behind its memory", fault_over(FRESH_END, PAGE_RW), PMBSR_ABORT);
	pa = fault_over(1UL << 40, PAGE_RW);
	check("beyond its addresses: EC", PMBSR_EC(pa), EC_STAGE1);
	check_true("beyond its addresses: S", pa & PMBSR_S);
}

static void test_access_flag(void)
{
	u64 pmbsr;

	memset(buffer, 0x5a, PAGE);
	pmbsr = fault_over((u64)buffer, PAGE_RW & ~PTE_AF);
	check("no access flag: EC", PMBSR_EC(pmbsr), EC_STAGE1);
	check("no access flag: FSC", PMBSR_FSC(pmbsr), FSC_ACCESS_FLAG_3);
	check_untouched("no access flag: nothing was written", (u64)buffer, (u64)buffer + PAGE);
}

/* Nothing is written, unless stage 2 makes it write-back memory (FEAT_S2FWB). */
static void test_device_memory(void)
{
	u64 pmbsr;

	memset(buffer, 0x5a, PAGE);
	window_map(WINDOW, (u64)buffer, PAGE_RW | PTE_DEVICE);
	enable(WINDOW, WINDOW + PAGE, E1SPE);
	work(PAGE);
	pmbsr = read_sysreg(PMBSR_EL1);
	disable();
	if (pmbsr == PMBSR_ABORT) {
		check_untouched("device memory", (u64)buffer, (u64)buffer + PAGE);
	} else {
		check("device memory: filled", pmbsr, PMBSR_FULL);
		check("device memory: records", check_records((u8 *)WINDOW, 1, NULL),
		      PAGE / RECORD);
		check_round("device memory");
	}
	write_sysreg(0, PMBSR_EL1);
	window_map(WINDOW, 0, 0);
}

/* The buffer is filled; nothing is written but @records from @from on. */
static void limited(const char *name, u64 from, u64 to, u64 records)
{
	memset(buffer, 0x5a, 3 * PAGE);
	enable(from, to, E1SPE);
	work(sizeof(buffer));
	check(name, read_sysreg(PMBSR_EL1), PMBSR_FULL);
	from &= ~(RECORD - 1);
	check("... the pointer", read_sysreg(PMBPTR_EL1), from + records * RECORD);
	disable();
	write_sysreg(0, PMBSR_EL1);
	if (!is_mine(from))
		from = (u64)buffer;
	check_untouched("... before it", (u64)buffer, from);
	check_untouched("... behind it", from + records * RECORD, (u64)buffer + 3 * PAGE);
}

static void test_limits(void)
{
	u64 middle = (u64)buffer + PAGE, end = middle + PAGE, i;

	limited("the limit is below the base", end, middle, 0);
	limited("the limit is the base", middle, middle, 0);
	limited("the limit is 0", middle, 0, 0);
	limited("the end of the address space", ~(RECORD - 1), ~(PAGE - 1), 0);
	limited("room for one record", end - RECORD, end, 1);
	limited("an unaligned pointer and limit", end - 2 * RECORD + 13, end + 0x7c0, 2);
	for (i = 0; i < RECORD; i++) {
		write_sysreg(middle + i, PMBPTR_EL1);
		check_quiet("the pointer's low bits", read_sysreg(PMBPTR_EL1), middle);
	}
	check_round("unaligned pointers");
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

/* ---- what it stands on is changed while samples are taken ---- */

/* Vectors whose first instruction is not the usual one. */
__asm__(".pushsection .text\n.balign 2048\nother_vectors:\n"
	".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	".balign 128\nb vectors + 128 * \\n\n.endr\n.balign 128\n.popsection");
extern char other_vectors[];

/* EL2 sees what was changed at an exit. */
static void leave(void)
{
	hvc(PSCI_VERSION, 0, 0, 0);
}

/* Timers can be late: not before there are some records, or it has been tried for long. */
static bool go_on(u64 turn_number, u64 records)
{
	u64 there = (read_sysreg(PMBPTR_EL1) - (u64)buffer) / RECORD;

	if (there > sizeof(buffer) / RECORD / 2)
		return false;
	return turn_number < 100 || (turn_number < 10000 && there < records);
}

/* No sample has failed, and there are as many as there should be at least. */
static void check_samples(const char *name, u64 at_least)
{
	check(name, failure(), 0);
	disable();
	check_true("... samples", check_records(buffer, 1, NULL) >= at_least);
	check_round(name);
}

static void test_vectors(void)
{
	u64 usual = read_sysreg(vbar_el1), i;

	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	for (i = 0; go_on(i, 10); i++) {
		write_sysreg(i & 1 ? usual : (u64)other_vectors, vbar_el1);
		check_quiet("SVC", ec_of(TRY(__asm__ volatile("svc #1"))), EC_SVC64);
		turn();
		leave();
		check_quiet("UDF", ec_of(TRY(__asm__ volatile(".inst 0"))), EC_UNKNOWN);
		check_quiet("BRK", ec_of(TRY(__asm__ volatile("brk #1"))), EC_BRK64);
		check_quiet("PMSIDR_EL1", read_sysreg(PMSIDR_EL1), 0x2646f);
		turn();
	}
	write_sysreg(usual, vbar_el1);
	leave();
	check_round("exceptions by changing vectors");
	check_samples("changing vectors", 10);
}

static u64 other_root[512] __attribute__((aligned(4096)));
extern u64 mmu_root[512];
extern const u64 tcr_value;

static void translate_by(const u64 *root, u64 asid, u64 tcr)
{
	write_sysreg(tcr, tcr_el1);
	write_sysreg((u64)root | asid << 48, ttbr0_el1);
	__asm__ volatile("tlbi vmalle1; dsb nsh; isb" ::: "memory");
}

/* One of two spaces has no window, where the buffer is. */
static void test_tables(void)
{
	u64 i;

	memcpy(other_root, mmu_root, sizeof(other_root));
	other_root[WINDOW >> 30] = 0;
	dsb();
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	for (i = 0; go_on(i, 10); i++) {
		translate_by(i & 1 ? mmu_root : other_root, i & 1, tcr_value);
		turn();
	}
	check_samples("changing tables", 10);
	window_map(WINDOW, (u64)buffer, PAGE_RW);
	for (i = 0; i < 3; i++) {
		enable(WINDOW, WINDOW + PAGE, E1SPE);
		work(PAGE);
		check_quiet("filled where it is mapped", read_sysreg(PMBSR_EL1), PMBSR_FULL);
		disable();
		translate_by(other_root, 1, tcr_value);
		check_quiet("a fault where it is not", fault_at(WINDOW),
			    EC_STAGE1 << 26 | PMBSR_S | FSC_TRANSLATION_1);
		translate_by(mmu_root, 0, tcr_value);
	}
	write_sysreg(0, PMBSR_EL1);
	window_map(WINDOW, 0, 0);
	check_round("a buffer that is there in one of two spaces");
}

#define TCR_TBI0 BIT(37)
#define TAG	 (0x5aUL << 56)

/* 39 bits of addresses, and 36; tags and none. */
static void test_translation_control(void)
{
	u64 i, tcr;

	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	for (i = 0; go_on(i, 10); i++) {
		tcr = (tcr_value + (i & 1 ? 3 : 0)) | (i & 2 ? TCR_TBI0 : 0);
		translate_by(mmu_root, 0, tcr);
		turn_at(i & 2 ? (u64 *)((u64)data | TAG) : data);
	}
	translate_by(mmu_root, 0, tcr_value);
	check_samples("changing TCR_EL1", 10);
}

/* Counts x0 down with the MMU off; no memory is accessed meanwhile. */
__asm__(".pushsection .text\n.balign 64\nwithout_mmu: mrs x1, sctlr_el1\n bic x2, x1, #1\n dsb sy\n"
	" msr sctlr_el1, x2\n isb\nwithout_mmu_loop: subs x0, x0, #1\n b 2f\n"
	"2: b.ne without_mmu_loop\nwithout_mmu_end: msr sctlr_el1, x1\n isb\n ret\n.popsection");
extern void without_mmu(u64 count);
extern char without_mmu_loop[], without_mmu_end[];

static u64 in_without_mmu;

static void count_without_mmu(const struct record *r)
{
	u64 pc = ADDRESS(r->pc);

	in_without_mmu += pc >= (u64)without_mmu_loop && pc < (u64)without_mmu_end;
}

/* What PMBSR_EL1 says after a while without the MMU; counts samples of it. */
static u64 run_without_mmu(void)
{
	u64 pmbsr, end;

	memset(buffer, 0x5a, sizeof(buffer));
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	without_mmu(50000);
	leave();
	pmbsr = failure();
	disable();
	end = read_sysreg(PMBPTR_EL1);
	check_records(buffer, 1, count_without_mmu);
	for (; end < (u64)buffer + sizeof(buffer); end += 8)
		check_quiet("the MMU off: behind the pointer", payload((u8 *)end, 8),
			    0x5a5a5a5a5a5a5a5a);
	return pmbsr;
}

/* Without the MMU memory is Device memory: a record is an abort, unless as above. */
static void test_mmu_off(void)
{
	u64 pmbsr = 0, i;

	in_without_mmu = 0;
	for (i = 0; i < 500 && !pmbsr && !in_without_mmu; i++)
		pmbsr = run_without_mmu();
	check_round("records with the MMU off");
	check("an abort with the MMU off, or none", pmbsr, in_without_mmu ? 0 : PMBSR_ABORT);
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	work(20 * RECORD);
	check_samples("samples with the MMU on again", 20);
}

/* Neither places nor limits: those that leave memory outside of the buffer alone. */
static void write_random_register(void)
{
	u64 value = random64();

	switch (random64() % 8) {
	case 0:
		write_sysreg(value, PMSICR_EL1);
		break;
	case 1:
		write_sysreg(value & 0x1fff, PMSIRR_EL1);
		break;
	case 2:
		write_sysreg(value, PMSFCR_EL1);
		break;
	case 3:
		write_sysreg(value, PMSEVFR_EL1);
		break;
	case 4:
		write_sysreg(value, PMSNEVFR_EL1);
		break;
	case 5:
		write_sysreg(value & 0xff, PMSLATFR_EL1);
		break;
	case 6:
		write_sysreg(value & 1 ? 0 : value, PMBSR_EL1);
		break;
	default:
		write_sysreg(value, PMSCR_EL1);
		break;
	}
}

/* In the second page, or nowhere of ours: then any limit will do. */
static void write_random_place(void)
{
	u64 middle = (u64)buffer + PAGE, place = random64();

	write_sysreg(random64() & 7, PMBLIMITR_EL1);
	if (random64() & 1) {
		write_sysreg(middle + place % PAGE, PMBPTR_EL1);
		write_sysreg((middle + PAGE) | (random64() & 0xfff) | LIMIT_E, PMBLIMITR_EL1);
	} else if (place >= FRESH_END) {
		write_sysreg(place, PMBPTR_EL1);
		write_sysreg(random64() | LIMIT_E, PMBLIMITR_EL1);
	}
}

static void sampling_off(void)
{
	disable();
	write_sysreg(0, PMBSR_EL1);
	write_sysreg(0, PMSFCR_EL1);
	write_sysreg(0, PMSLATFR_EL1);
	write_sysreg(0, PMSEVFR_EL1);
	write_sysreg(0, PMSNEVFR_EL1);
}

/* As test_anything(), one register after the other, and never disabled. */
static void test_random_writes(void)
{
	u64 round, middle = (u64)buffer + PAGE;

	memset(buffer, 0x5a, sizeof(buffer));
	enable(middle, middle + PAGE, E1SPE | PA);
	for (round = 0; round < payload_number("rounds", 300); round++) {
		write_random_register();
		if (round % 8 == 0)
			write_random_place();
		turn();
	}
	sampling_off();
	check_untouched("random writes: before the buffer", (u64)buffer, middle);
	check_untouched("random writes: behind it", middle + PAGE, (u64)buffer + sizeof(buffer));
	enable((u64)buffer, (u64)buffer + sizeof(buffer), E1SPE | PA);
	work(20 * RECORD);
	check_samples("samples after that", 20);
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
	sampling_off();
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
	test_access_flag();
	test_device_memory();
	test_not_its_own();
	test_limits();
	test_fresh();
	test_levels();
	test_vectors();
	test_tables();
	test_translation_control();
	test_mmu_off();
	test_anything();
	test_random_writes();
}
