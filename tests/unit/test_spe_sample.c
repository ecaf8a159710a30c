// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_sample.c hyp/spe/spe_guest.c hyp/spe/spe_hit.c hyp/spe/spe_regs.c hyp/spe/spe_buffer.c hyp/spe/spe_filter.c hyp/spe/spe_packet.c hyp/spe/spe_insn.c hyp/spe/spe_insn_sve.c hyp/spe/spe_insn_eval.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c */
/*
 * One sample and one false hit, from the guest's registers to its memory. The short paths for usual
 * cases must have the same results as the general functions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <lib/esr.h>
#include <mm/ownership.h>
#include <spe/spe_hit.h>
#include <spe/spe_insn.h>
#include <spe/spe_packet.h>
#include <spe/spe_sample.h>
#include <vm/switch.h>

#define VBAR	0xffff800010010800ULL
#define PC	0x400000ULL
#define RECORDS 0x7000ULL
#define CODE_PA 0x123456789000ULL
#define DATA_PA 0x55000ULL
#define SUB_SP	0xd10543ffU /* sub sp, sp, #0x150 */
#define STP	0xa9bf07e0U
#define EL1H	0x3c5ULL
#define PAR_WB	(0xffULL << 56)
#define NOW	5000ULL
#define CNTVOFF 1000ULL
#define PERIOD	1025ULL

u32 panic_begun;

static struct percpu cpu;
static struct vm vm;
static struct s2_context s2;
static struct vm_cpu vm_cpu;
static struct spe_vcpu spe;
static u64 sysreg[VCPU_SYSREG_COUNT];
static struct vcpu vcpu, *const V = &vcpu;
static u64 pte, shown; /* the window's descriptor; the page that it has shown last */
static _Alignas(4096) u8 window[4096];
static u32 word;	   /* the guest's instruction, wherever it looks for one */
static bool access_faults; /* EL2's access to what is translated */
static bool at_faults;	   /* AT is an exception at EL2 */
static u64 fault;	   /* what PAR_EL1 says of an access to the buffer, if not 0 */
static bool host_interrupt;
static bool no_ram; /* the buffer is a device */
static unsigned int cleaned, kicked;
static unsigned int long_ways; /* exits for spe_emul_exit(); 100 for each that is no interrupt */

/* ---- the hardware, and what is not linked ---- */

bool ownership_is_ram(struct pa pa)
{
	assert_int_equal(ALIGN_DOWN(pa.v, SZ_4K), RECORDS);
	return !no_ram;
}

static void answer(u64 va, u64 pa)
{
	fake_sysreg_set("par_el1", PAR_WB | pa);
}

bool at_s12e1r(u64 va)
{
	assert_true(spin_is_locked(&s2.stage2.lock));
	answer(va, CODE_PA);
	memcpy(window + (va & 0xffc), &word, sizeof(word));
	return !at_faults;
}

bool at_s12e1w(u64 va)
{
	assert_true(spin_is_locked(&s2.stage2.lock));
	answer(va, RECORDS);
	if (fault)
		fake_sysreg_set("par_el1", fault);
	return !at_faults;
}

bool at_s1e1r(u64 va)
{
	answer(va, DATA_PA);
	return !at_faults;
}

bool at_s1e0r(u64 va)
{
	answer(va, DATA_PA + SZ_4K);
	return !at_faults;
}

bool at_s1e1w(u64 va)
{
	answer(va, RECORDS);
	return !at_faults;
}

void pte_write(u64 *ptep, u64 value)
{
	assert_ptr_equal(ptep, &pte);
	assert_true(spin_is_locked(&s2.stage2.lock)); /* never without it */
	assert_int_not_equal(!pte, !value);
	pte = value;
	if (value)
		shown = value & GENMASK(47, 12);
}

void fake_dsb(const char *opt)
{
	(void)opt;
}

void tlbi_vae2is(u64 xt)
{
	assert_int_equal(pte, 0);
	assert_int_equal(xt, (u64)window >> 12 & GENMASK(43, 0));
}

bool fake_foreign_faults(const void *start, u64 size)
{
	assert_true((const u8 *)start >= window && (const u8 *)start + size <= window + 4096);
	return access_faults;
}

void dcache_clean_inval_poc(const void *start, u64 size)
{
	assert_int_equal(size, SPE_RECORD_SIZE);
	assert_true((const u8 *)start >= window && (const u8 *)start < window + 4096);
	cleaned++;
}

u64 switch_sve_vqs(void)
{
	return 0xffff;
}

void spe_vcpu_update_irq(struct vcpu *of)
{
	assert_ptr_equal(of, V);
	assert_false(spin_is_locked(&s2.stage2.lock));
	kicked++;
}

void panic_stop_cpu(void)
{
	abort();
}

bool interrupt_waits(void)
{
	return host_interrupt;
}

/* ---- a vCPU that profiles itself, in front of an instruction ---- */

static u64 seed = 88172645463325252ULL;

static u64 rnd64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static int setup(void **state)
{
	fake_sysreg_reset();
	fake_sysreg_set("hcr_el2", 0);
	fake_sysreg_set("par_el1", 0x1234);
	fake_sysreg_set("vbar_el1", VBAR);
	fake_sysreg_set("sctlr_el1", 1);
	fake_sysreg_set("esr_el1", 0x25ULL << 26);
	fake_sysreg_set("tcr_el1", 25 | 25 << 16);
	fake_sysreg_set("contextidr_el1", 0xabcd1234);
	fake_sysreg_set("elr_el1", PC + 0x100);
	fake_sysreg_set("spsr_el1", 0);
	fake_sysreg_set("sp_el0", 0x10000);
	fake_sysreg_set("sp_el1", 0x20000);
	fake_sysreg_set("elr_el2", VBAR + SPE_VECTOR_EL1H);
	fake_sysreg_set("spsr_el2", EL1H);
	fake_sysreg_set("cntpct_el0", NOW);
	fake_sysreg_set("cnthp_cval_el2", 0);
	pte = fault = 0;
	at_faults = access_faults = false;
	fake_sysreg_set("esr_el2", 0);
	cleaned = kicked = 0;
	panic_begun = false;
	s2.stage2 = (struct stage2){ .lock = SPINLOCK_INIT(LOCK_STAGE2) };
	memset(&spe, 0, sizeof(spe));
	memset(sysreg, 0, sizeof(sysreg));
	cpu = (struct percpu){ .vm_cpu = &vm_cpu, .window_va = (u64)window, .window_pte = &pte };
	cpu.window_attrs[1] = cpu.window_attrs[0] = 3;
	fake_cpu = &cpu;
	vm = (struct vm){ .cntvoff = CNTVOFF };
	vcpu = (struct vcpu){ .vm = &vm, .s2 = &s2, .spe = &spe, .sysreg = sysreg };
	vcpu.regs.pc = PC;
	vcpu.regs.pstate = EL1H;
	vcpu.alarm = NOW;
	spe.regs = (struct spe_regs){ .pmscr = PMSCR_E1SPE | PMSCR_CX | PMSCR_PA | PMSCR_TS,
				      .pmblimitr = 0x100000 | PMBLIMITR_E,
				      .pmbptr = RECORDS };
	spe.arm = (struct spe_arm){ .readable = true, .interested = true, .vbar = VBAR };
	spe.since = 1;
	spe.plain = true;
	spe.period = PERIOD;
	spe.live.count = 1;
	spe.live.bvr[0] = VBAR + SPE_VECTOR_EL1H;
	word = SUB_SP;
	return 0;
}

/* ---- samples ---- */

static bool is_data(const struct spe_insn *insn)
{
	return insn->class >= SPE_INSN_LOAD && insn->class <= SPE_INSN_LOAD_ATOMIC;
}

static void add(struct spe_record *r, enum spe_address which, u64 payload)
{
	r->has |= SPE_HAS_ADDR(which);
	r->addr[which] = payload;
}

/* The record, by the functions that know every instruction. */
static void expect(unsigned int el, bool tbi, u64 out[SPE_RECORD_WORDS])
{
	struct spe_record r = { .has = SPE_HAS_COUNTER(SPE_COUNTER_TOTAL) | SPE_HAS_CONTEXT_EL1 |
				       SPE_HAS_TIMESTAMP,
				.counter = { 1 },
				.context_el1 = 0xabcd1234,
				.timestamp = NOW - CNTVOFF,
				.events = SPE_EVENT_RETIRED };
	struct spe_cpu c = { .pc = PC, .elr = PC + 0x100, .va_bits = { 39, 39 } };
	struct spe_insn insn;
	u64 va;

	c.tbi[0] = c.tbi[1] = tbi;
	c.sp = el ? 0x20000 : 0x10000;
	c.pstate = vcpu.regs.pstate;
	memcpy(c.x, vcpu.regs.x, sizeof(c.x));
	spe_insn_decode(word, &insn);
	add(&r, SPE_ADDR_PC, spe_address_code(PC, el));
	if (is_data(&insn) && spe_insn_address(&insn, &c, &va)) {
		add(&r, SPE_ADDR_VA, spe_address_va(va, tbi));
		if (spe_insn_misaligned(&insn, va))
			r.events |= SPE_EVENT_MISALIGNED;
		add(&r, SPE_ADDR_PA, spe_address_pa((DATA_PA + (el ? 0 : SZ_4K)) | (va & 0xfff)));
	} else if (!is_data(&insn) && !spe_insn_holds(&insn, &c)) {
		r.events |= SPE_EVENT_NOT_TAKEN;
	} else if (!is_data(&insn) && spe_insn_target(&insn, &c, &va)) {
		add(&r, SPE_ADDR_TARGET, spe_address_code(va, insn.rn == SPE_INSN_ELR ? 0 : el));
	}
	spe_insn_operation(&insn, 0, &r.op_class, &r.op_sub);
	assert_int_equal(spe_record_build(&r, out), 0);
}

/* A word; mostly loads and stores. */
static u32 some_word(void)
{
	switch (rnd64() % 4) {
	case 0:
		return 0x39000000 | ((u32)rnd64() & 0xc4ffffff);
	case 1:
		return 0x28000000 | ((u32)rnd64() & 0xc5ffffff);
	case 2:
		return 0x38000000 | ((u32)rnd64() & 0xc7ffffff);
	default:
		return (u32)rnd64();
	}
}

static void a_record_of_any_instruction_is_as_the_manual_says(void **state)
{
	u64 want[SPE_RECORD_WORDS];

	for (unsigned int i = 0; i < 300000; i++) {
		unsigned int el = rnd64() & 1;
		bool tbi = rnd64() & 1;

		word = some_word();
		for (unsigned int n = 0; n < 31; n++)
			vcpu.regs.x[n] = rnd64() & (rnd64() & 1 ? ~0ULL : GENMASK(55, 0));
		vcpu.regs.pstate = (rnd64() & PSR_NZCV) | (el ? EL1H : 0);
		fake_sysreg_set("tcr_el1", 25 | 25 << 16 | (tbi ? 3ULL << 37 : 0));
		fake_sysreg_set("par_el1", 0x1234);
		spe.regs.pmscr |= PMSCR_E0SPE;
		spe.regs.pmbptr = RECORDS + 64 * (i % 63);
		memset(window, 0x5a, sizeof(window));
		expect(el, tbi, want);
		assert_true(spe_sample(V, NOW));
		if (memcmp(window + 64 * (i % 63), want, sizeof(want)))
			fail_msg("%#010x at EL%u: another record", word, el);
		assert_int_equal(window[64 * (i % 63) + 64], 0x5a);
		assert_int_equal(shown, RECORDS);
		assert_int_equal(fake_sysreg_get("par_el1"), 0x1234);
		assert_int_equal(pte, 0);
		assert_int_equal(spe.samples, i + 1);
	}
	assert_int_equal(cleaned, 0);
}

static void profiling_that_is_off_and_filters_keep_records_away(void **state)
{
	unsigned int i;

	word = 0xf9400020; /* ldr x0, [x1] */
	spe.regs.pmscr = PMSCR_E0SPE;
	assert_true(spe_sample(V, NOW));
	assert_int_equal(spe.samples, 0);
	spe.regs.pmscr = PMSCR_E1SPE;
	vcpu.regs.pstate = PSR_MODE32;
	assert_true(spe_sample(V, NOW));
	vcpu.regs.pstate = EL1H;
	spe.regs.pmsfcr = PMSFCR_FT | PMSFCR_ST;
	assert_true(spe_sample(V, NOW));
	assert_int_equal(spe.samples, 0);
	spe.regs.pmsfcr = PMSFCR_FT | PMSFCR_LD;
	assert_true(spe_sample(V, NOW));
	assert_int_equal(spe.samples, 1);
	spe.regs.pmsfcr = 0;
	fault = 1 | 7 << 1;
	assert_false(spe_sample(V, NOW));
	assert_int_equal(spe.regs.pmbsr, PMBSR_S | FIELD_PREP(PMBSR_EC, PMBSR_EC_S1) | 7);
	assert_int_equal(kicked, 1);
	spe.regs.pmbsr = 0;
	fault = 1 | 7 << 1 | BIT(9); /* stage 2's: the host is asked */
	assert_false(spe_sample(V, NOW));
	assert_true(spe_take_ask(&spe, true));
	assert_int_equal(spe.missing_ipa, RECORDS);
	assert_int_equal(spe.dropped, 1);
	assert_int_equal(spe.regs.pmbsr, 0);
	for (i = 1; i < SPE_ASKS; i++) {
		/* An exit that asks for something else; then one that asks for the page. */
		assert_false(spe_sample(V, NOW));
		assert_false(spe_take_ask(&spe, false));
		assert_false(spe_sample(V, NOW));
		assert_true(spe_take_ask(&spe, true));
		assert_int_equal(spe.regs.pmbsr, 0);
	}
	assert_false(spe_sample(V, NOW));
	assert_false(spe_take_ask(&spe, true));
	assert_int_equal(FIELD_GET(PMBSR_MSS, spe.regs.pmbsr), ESR_FSC_EXTABT);
	spe.regs.pmbsr = 0;
	fault = RECORDS; /* Device memory */
	assert_false(spe_sample(V, NOW));
	assert_true(spe.regs.pmbsr & PMBSR_EA);
	spe.regs.pmbsr = 0;
	fault = RECORDS | 0x44ULL << 56; /* not cached: written past the caches */
	assert_true(spe_sample(V, NOW));
	assert_int_equal(cleaned, 1);
	assert_int_equal(spe.samples, 2);
	no_ram = true; /* a device that the host has mapped non-cacheable */
	assert_false(spe_sample(V, NOW));
	assert_true(spe.regs.pmbsr & PMBSR_EA);
	assert_int_equal(spe.samples, 2);
	no_ram = false;
	spe.regs.pmbsr = 0;
	fault = 0;
	spe.regs.pmblimitr = 0x100000 | PMBLIMITR_E;
	spe.regs.pmbptr = 0x100000 - 64;
	assert_false(spe_sample(V, NOW)); /* the last one */
	assert_int_equal(spe.samples, 3);
	assert_int_equal(spe.regs.pmbsr, PMBSR_S | PMBSR_BSC_FULL);
}

/* An exception of EL2's on the guest's tables or memory: external aborts, and the guest goes on. */
static void memory_that_faults_is_an_external_abort_of_the_buffer(void **state)
{
	word = 0xf9400020; /* ldr x0, [x1] */
	at_faults = true;
	assert_false(spe_sample(V, NOW));
	assert_int_equal(spe.samples, 0);
	assert_int_equal(FIELD_GET(PMBSR_MSS, spe.regs.pmbsr), ESR_FSC_EXTABT_WALK);
	assert_true(spe.regs.pmbsr & PMBSR_EA);
	assert_int_equal(spe.regs.pmbptr, RECORDS);
	at_faults = false;
	access_faults = true;
	spe.regs.pmbsr = 0;
	assert_false(spe_sample(V, NOW));
	assert_int_equal(spe.samples, 0);
	assert_int_equal(FIELD_GET(PMBSR_MSS, spe.regs.pmbsr), ESR_FSC_EXTABT);
	assert_true(spe.regs.pmbsr & PMBSR_EA);
	assert_int_equal(spe.regs.pmbptr, RECORDS);
	spe.regs.pmbsr = 0;
	fault = RECORDS | 0x44ULL << 56; /* not cached */
	assert_false(spe_sample(V, NOW));
	assert_int_equal(cleaned, 0);
	assert_int_equal(fake_sysreg_get("par_el1"), 0x1234);
	assert_int_equal(pte, 0);
	assert_false(spin_is_locked(&s2.stage2.lock));
	access_faults = false;
	fault = 0;
	spe.regs.pmbsr = 0;
	assert_true(spe_sample(V, NOW));
	assert_int_equal(spe.samples, 1);
}

enum vcpu_action spe_emul_exit(struct vcpu *v, bool irq)
{
	long_ways += irq ? 1 : 100;
	return VCPU_NOT_MINE;
}

static bool goes_the_long_way(enum guest_exit_kind kind)
{
	unsigned int before = long_ways;

	return spe_sample_exit(V, kind) == VCPU_NOT_MINE &&
	       long_ways == before + (kind == GUEST_IRQ ? 1 : 100);
}

static void the_alarm_takes_a_sample_at_once(void **state)
{
	word = 0xf9400020;
	assert_true(goes_the_long_way(GUEST_SYNC)); /* an interrupt alone can be the alarm */
	assert_true(goes_the_long_way(GUEST_FIQ));
	assert_int_equal(spe.samples, 0);
	assert_int_equal(spe_sample_exit(V, GUEST_IRQ), VCPU_AT_ONCE);
	assert_int_equal(spe.samples, 1);
	assert_int_equal(spe.since, NOW);
	assert_int_equal(vcpu.alarm, NOW + PERIOD);
	assert_int_equal(fake_sysreg_get("cnthp_cval_el2"), NOW + PERIOD);
	assert_true(goes_the_long_way(GUEST_IRQ)); /* another interrupt, before it */
	vcpu.alarm = NOW;
	fake_sysreg_set("vbar_el1", VBAR + 0x1000);
	assert_true(goes_the_long_way(GUEST_IRQ));
	fake_sysreg_set("vbar_el1", VBAR);
	spe.plain = false;
	assert_true(goes_the_long_way(GUEST_IRQ));
	spe.plain = true;
	assert_int_equal(spe.since, NOW); /* nothing has changed */
	assert_int_equal(spe.samples, 1);
	/* a second alarm before any instruction; and then an interrupt of the host's waits */
	vcpu.irq_pc = vcpu.regs.pc;
	assert_int_equal(spe_sample_exit(V, GUEST_IRQ), VCPU_AT_ONCE);
	assert_int_equal(spe.samples, 2);
	host_interrupt = true;
	vcpu.alarm = NOW;
	assert_true(goes_the_long_way(GUEST_IRQ));
	assert_int_equal(spe.samples, 3);
	assert_int_equal(spe.since, 0);
	host_interrupt = false;
	vcpu.alarm = spe.since = NOW;
	fault = 1 | 7 << 1;
	assert_true(
		goes_the_long_way(GUEST_IRQ)); /* a management event is for the long way round */
	assert_int_equal(spe.since, 0);
	assert_int_equal(kicked, 1);
}

/* ---- false hits ---- */

static void a_usual_false_hit_is_emulated(void **state)
{
	assert_null(spe_false_hit(V)); /* while it is profiled, time has to be counted */
	spe.since = 0;
	assert_ptr_equal(spe_false_hit(V), V);
	assert_int_equal(fake_sysreg_get("sp_el1"), 0x20000 - 0x150);
	assert_int_equal(fake_sysreg_get("elr_el2"), VBAR + SPE_VECTOR_EL1H + 4);
	assert_int_equal(fake_sysreg_get("par_el1"), 0x1234);
	assert_int_equal(spe.arm.false_hits, 1);
	assert_int_equal(shown, CODE_PA);
	assert_int_equal(pte, 0);
}

static void refused(const char *reg, u64 value)
{
	u64 was = fake_sysreg_get(reg);

	fake_sysreg_set(reg, value);
	assert_null(spe_false_hit(V));
	fake_sysreg_set(reg, was);
}

static void other_hits_are_left_alone(void **state)
{
	spe.since = 0;
	refused("esr_el1", ESR_IL); /* UNDEF: perhaps an access */
	refused("vbar_el1", VBAR + 0x800);
	refused("elr_el2", VBAR);
	refused("spsr_el2", 0x3c4);	     /* SP_EL0 */
	refused("spsr_el2", EL1H | PSR_SS);  /* a step to be spent */
	refused("spsr_el2", EL1H | BIT(10)); /* a branch there: BTYPE */
	refused("spsr_el2", EL1H | PSR_MODE32);
	spe.live.count = 0;
	assert_null(spe_false_hit(V));
	spe.live.count = 1;
	panic_begun = true;
	assert_null(spe_false_hit(V));
	panic_begun = false;
	word = STP;
	assert_null(spe_false_hit(V));
	assert_int_equal(fake_sysreg_get("sp_el1"), 0x20000);
	assert_int_equal(fake_sysreg_get("elr_el2"), VBAR + SPE_VECTOR_EL1H);
	assert_int_equal(fake_sysreg_get("par_el1"), 0x1234);
	assert_int_equal(spe.arm.false_hits, 0);
	word = SUB_SP;
	assert_non_null(spe_false_hit(V));
}

/* The fetch faults at EL2, and the exit that follows must not use that fault's registers. */
static void a_fetch_that_faults_leaves_the_exits_registers(void **state)
{
	spe.since = 0;
	for (int i = 0; i < 2; i++) {
		at_faults = i == 0;
		access_faults = i == 1;
		fake_sysreg_set("esr_el2", 0x96000010);
		assert_null(spe_false_hit(V));
		assert_int_equal(fake_sysreg_get("elr_el2"), VBAR + SPE_VECTOR_EL1H);
		assert_int_equal(fake_sysreg_get("spsr_el2"), EL1H);
		assert_int_equal(fake_sysreg_get("esr_el2"),
				 FIELD_PREP(ESR_EC, ESR_EC_BRKPT_LOWER) | ESR_IL | 0x22);
		assert_int_equal(fake_sysreg_get("par_el1"), 0x1234);
		assert_int_equal(fake_sysreg_get("sp_el1"), 0x20000);
		assert_int_equal(fake_sysreg_writes("elr_el2"), i + 1);
		assert_int_equal(fake_sysreg_writes("spsr_el2"), i + 1);
	}
	assert_false(spin_is_locked(&s2.stage2.lock));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_record_of_any_instruction_is_as_the_manual_says, setup),
		cmocka_unit_test_setup(profiling_that_is_off_and_filters_keep_records_away, setup),
		cmocka_unit_test_setup(memory_that_faults_is_an_external_abort_of_the_buffer,
				       setup),
		cmocka_unit_test_setup(the_alarm_takes_a_sample_at_once, setup),
		cmocka_unit_test_setup(a_usual_false_hit_is_emulated, setup),
		cmocka_unit_test_setup(other_hits_are_left_alone, setup),
		cmocka_unit_test_setup(a_fetch_that_faults_leaves_the_exits_registers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
