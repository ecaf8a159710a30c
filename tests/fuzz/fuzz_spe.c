// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_regs.c hyp/spe/spe_buffer.c hyp/spe/spe_filter.c hyp/spe/spe_packet.c hyp/spe/spe_insn.c hyp/spe/spe_insn_sve.c hyp/spe/spe_insn_eval.c hyp/spe/spe_arm.c hyp/cpu/errata.c */
/*
 * A guest that writes anything to its SPE registers, while samples of any instruction are taken,
 * filtered, built and written, and writes fault. After each step: no byte was written but between
 * the pointer that the guest set and the limit; PMBSR_EL1 tells what happened; registers hold no
 * RES0 bits; nothing is armed that should not be.
 * With libFuzzer the input's bytes are the choices; without it (-DFUZZ_STANDALONE) they are random.
 */
#include <string.h>

#include <lib/errno.h>
#include <spe/spe_arm.h>
#include <spe/spe_buffer.h>
#include <spe/spe_filter.h>
#include <spe/spe_insn.h>
#include <spe/spe_packet.h>

#include "steps.h"

#define PLACE  0xffff800010000000ULL
#define MEMORY 0x3000 /* bytes from PLACE on that there are */
#define S      (1ULL << 17)

static struct spe_regs regs;
static struct spe_arm arm;
static struct spe_cpu cpu;
static u8 memory[MEMORY];
static u64 base; /* where the guest last put the pointer */

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%d: %s\n", __LINE__, #condition); \
			abort();                                           \
		}                                                          \
	} while (0)

static u64 rnd64(void)
{
	return (u64)rnd(1U << 16) << 48 | (u64)rnd(1U << 16) << 32 | (u64)rnd(1U << 16) << 16 |
	       rnd(1U << 16);
}

/* Addresses in and around the memory, or anywhere. */
static u64 some_address(void)
{
	return rnd(8) ? PLACE + rnd(MEMORY + 0x2000) - 0x1000 : rnd64();
}

static u32 some_register(void)
{
	return SPE_SYSREG(9 + rnd(2), rnd(8));
}

static void write_register(void)
{
	u32 encoding = some_register();
	u64 value = rnd(3) ? rnd64() : BIT(rnd(64)), after;
	bool known = spe_reg_read(&regs, encoding, &after);

	if (encoding == REG_NUM(PMBPTR_EL1))
		value = some_address();
	else if (encoding == REG_NUM(PMBLIMITR_EL1))
		value = (some_address() & ~0xfffULL) | rnd(8);
	else if (encoding == REG_NUM(PMBSR_EL1) && rnd(4))
		value = 0;
	if (!spe_reg_write(&regs, encoding, value)) {
		CHECK(!known || encoding == REG_NUM(PMSIDR_EL1) || encoding == REG_NUM(PMBIDR_EL1));
		return;
	}
	CHECK(known && spe_reg_read(&regs, encoding, &after));
	CHECK(!(after & ~value));
	if (encoding == REG_NUM(PMBPTR_EL1))
		base = regs.pmbptr;
}

/* A buffer that a driver would make: most random ones are of no use. */
static void set_up(void)
{
	regs.pmbsr = 0;
	CHECK(spe_reg_write(&regs, REG_NUM(PMBPTR_EL1), PLACE + rnd(MEMORY)));
	CHECK(spe_reg_write(&regs, REG_NUM(PMBLIMITR_EL1),
			    PLACE + (u64)rnd(MEMORY / 0x1000 + 1) * 0x1000 + PMBLIMITR_E));
	CHECK(spe_reg_write(&regs, REG_NUM(PMSCR_EL1), 3 | rnd(64) << 2));
	if (rnd(2))
		CHECK(spe_reg_write(&regs, REG_NUM(PMSFCR_EL1), 0));
	base = regs.pmbptr;
}

static u8 jitter(void *arg)
{
	(void)arg;
	return (u8)rnd(256);
}

static void fill(struct spe_record *r, const struct spe_insn *insn, unsigned int el)
{
	u64 va, target;

	r->has = SPE_HAS_ADDR(SPE_ADDR_PC) | SPE_HAS_COUNTER(SPE_COUNTER_TOTAL) |
		 SPE_HAS_COUNTER(SPE_COUNTER_ISSUE);
	r->addr[SPE_ADDR_PC] = spe_address_code(cpu.pc, el);
	r->counter[SPE_COUNTER_TOTAL] = spe_filter_unknown_latency(&regs);
	r->events = SPE_EVENT_RETIRED;
	if (!spe_insn_holds(insn, &cpu))
		r->events |= SPE_EVENT_NOT_TAKEN;
	if (spe_insn_target(insn, &cpu, &target) && spe_insn_holds(insn, &cpu)) {
		r->has |= SPE_HAS_ADDR(SPE_ADDR_TARGET);
		r->addr[SPE_ADDR_TARGET] = spe_address_code(target, el);
	}
	if (insn->class >= SPE_INSN_LOAD && insn->class <= SPE_INSN_LOAD_ATOMIC &&
	    spe_insn_address(insn, &cpu, &va)) {
		r->has |= SPE_HAS_ADDR(SPE_ADDR_VA) | SPE_HAS_COUNTER(SPE_COUNTER_TRANSLATION);
		r->addr[SPE_ADDR_VA] = spe_address_va(va, rnd(2));
		if (regs.pmscr & PMSCR_PA)
			r->has |= SPE_HAS_ADDR(SPE_ADDR_PA);
		if (spe_insn_misaligned(insn, va))
			r->events |= SPE_EVENT_MISALIGNED;
	}
	if (regs.pmscr & PMSCR_CX)
		r->has |= SPE_HAS_CONTEXT_EL1 | SPE_HAS_CONTEXT_EL2;
	if (regs.pmscr & PMSCR_TS)
		r->has |= SPE_HAS_TIMESTAMP;
	r->timestamp = rnd64();
	if (regs.sve && insn->kind == SPE_LDST_SVE)
		r->events |= SPE_EVENT_PRED_EMPTY;
	spe_insn_operation(insn, cpu.vl * 8, &r->op_class, &r->op_sub);
}

static void write_record(const struct spe_record *r)
{
	u64 va = ~0ULL, limit = regs.pmblimitr & PMBLIMITR_LIMIT, old = regs.pmbptr;
	bool enabled = spe_buffer_enabled(&regs);
	u64 words[SPE_RECORD_WORDS];

	CHECK(!spe_record_build(r, words)); /* all that one instruction can have fits */
	switch (spe_buffer_place(&regs, &va)) {
	case SPE_PLACE_OFF:
		CHECK(!enabled || (regs.pmbsr & (S | PMBSR_EC | PMBSR_MSS)) == (S | 1));
		CHECK(regs.pmbptr == old);
		return;
	case SPE_PLACE_DISCARD:
		CHECK(enabled && !spe_irq(&regs) && regs.pmbptr == old);
		return;
	default:
		break;
	}
	CHECK(enabled && FIELD_GET(PMBLIMITR_FM, regs.pmblimitr) != PMBLIMITR_FM_DISCARD);
	CHECK(va == old && va >= base && va < limit);
	CHECK(limit - va >= SPE_RECORD_SIZE && !(va % SPE_RECORD_SIZE));
	if (va < PLACE || va - PLACE >= MEMORY || !rnd(16)) { /* the guest's translation says no */
		if (rnd(2))
			spe_buffer_fault(&regs, 1 + rnd(2), rnd(64));
		else
			spe_buffer_abort(&regs);
		CHECK(spe_irq(&regs) && regs.pmbptr == old &&
		      FIELD_GET(PMBSR_EC, regs.pmbsr) >= 0x24);
		return;
	}
	memcpy(memory + (va - PLACE), words, sizeof(words));
	spe_buffer_written(&regs);
	CHECK(regs.pmbptr == old + SPE_RECORD_SIZE && regs.pmbptr <= limit);
	CHECK(spe_irq(&regs) == (limit - regs.pmbptr < SPE_RECORD_SIZE));
}

static void sample(void)
{
	unsigned int el = rnd(2);
	struct spe_record r = { 0 };
	struct spe_insn insn;
	u64 ops = 0;

	/* now and then one that should not have been taken */
	if (!spe_enabled_at(&regs, el, !rnd(16)) && rnd(8))
		return;
	spe_insn_decode(rnd(4) ? (u32)rnd64() : 0xf9400000 | (u32)rnd64() >> 10, &insn);
	if (rnd(2))
		spe_insn_as_store(&insn);
	fill(&r, &insn, el);
	ops |= insn.class == SPE_INSN_BRANCH ? SPE_OP_BRANCH : 0;
	ops |= insn.class == SPE_INSN_LOAD ? SPE_OP_LOAD : 0;
	if (spe_filter_keep(&regs, r.events, ops, r.counter[SPE_COUNTER_TOTAL]))
		write_record(&r);
}

static void run(void)
{
	u64 ops = 1 + rnd(5000), least = spe_interval_left(&regs), n;
	bool due;

	n = spe_interval_run(&regs, ops, jitter, NULL, &due);
	CHECK(n >= 1 && n <= ops && (due || n == ops) && (!due || n >= least));
	if (due && rnd(2))
		sample();
	else if (due)
		regs.pmbsr |= PMBSR_COLL;
}

static bool readable(void *arg, u64 va)
{
	(void)arg;
	(void)va;
	return rnd(2);
}

static void arming(void)
{
	struct spe_guest guest = { .el = rnd(2),
				   .sp0 = rnd(2),
				   .vbar = some_address(),
				   .sctlr = rnd(4),
				   .readable = readable };
	u64 mdscr = (u64)rnd(16) << 12 | rnd(2), pc = rnd(2) ? some_address() : arm.vbar + 0x200;
	struct spe_access access;
	struct spe_debug_hw hw;
	struct spe_hit hit;
	bool is_access;

	if (!rnd(8))
		spe_arm_interest(&arm);
	spe_arm_exit(&arm, &guest);
	is_access = spe_arm_is_access(rnd(2) ? 0 : rnd64(), rnd(2) ? 5 : rnd64(),
				      rnd(2) ? 0xd5389900 + rnd(0x200) : (u32)rnd64(), &access);
	hit = spe_arm_hit(&arm, pc, rnd(2), is_access, (u32)rnd64());
	if (hit.action == SPE_HIT_EMULATE) {
		u64 value;

		CHECK(spe_reg_read(&regs, access.encoding, &value));
		CHECK(!access.write || spe_reg_write(&regs, access.encoding, rnd64()));
		base = regs.pmbptr;
	}
	if (rnd(2))
		(void)spe_arm_debug(&arm, rnd(64), pc, rnd(2), rnd64(), mdscr);
	if (rnd(2))
		(void)spe_arm_stepped(&arm, rnd(2) ? pc : some_address());
	spe_arm_enter(&arm, pc, mdscr, &hw);
	CHECK(hw.count <= arm.slots && hw.tde == (hw.count || hw.step));
	CHECK(!(mdscr & 1) || !hw.tde);
	CHECK(!hw.count || (arm.interested && arm.readable && !arm.stepping));
	CHECK(!hw.step || (hw.mdscr & 1));
}

static void check(void)
{
	static const u8 zero[MEMORY];
	u64 before = MIN(base > PLACE ? base - PLACE : 0, MEMORY);

	/* what lies below the pointer that the guest set is not touched */
	CHECK(!memcmp(memory, zero, before));
	CHECK(!(regs.pmbptr & 63) && !(regs.pmbsr >> 32) && !(regs.pmblimitr & 0xfd8));
	CHECK(spe_irq(&regs) == ((regs.pmbsr & S) != 0));
}

static void step(void)
{
	memset(memory, 0, sizeof(memory));
	switch (rnd(8)) {
	case 0 ... 1:
		write_register();
		break;
	case 2:
		set_up();
		break;
	case 3 ... 4:
		base = regs.pmbptr;
		sample();
		break;
	case 5:
		base = regs.pmbptr;
		run();
		break;
	case 6:
		arming();
		break;
	default:
		cpu.x[rnd(31)] = rnd64();
		cpu.pstate = rnd64();
		cpu.pc = rnd64();
		cpu.vl = rnd(17) * 16;
		cpu.va_bits[rnd(2)] = (u8)(36 + rnd(20));
		break;
	}
	check();
}

static void start(void)
{
	memset(&cpu, 0, sizeof(cpu));
	regs = (struct spe_regs){ .sve = rnd(2) };
	spe_regs_reset(&regs);
	spe_arm_reset(&arm, 1 + rnd(2));
	base = 0;
}

/* FUZZ_STANDALONE: see steps.h */
STEPS_MAIN("SPE", start, step)
