// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_insn.c hyp/spe/spe_insn_sve.c hyp/spe/spe_insn_eval.c hyp/spe/spe_packet.c hyp/cpu/errata.c */
/*
 * Sampled instructions by hand: addresses, conditions, targets, operation types. Words are from the
 * assembler, or from the manual's diagrams where it is too old. All encodings are compared with
 * disassemblers in test_spe_insn_capstone.c and test_spe_insn_objdump.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <spe/spe_insn.h>

#define PC 0xffff800010001000ULL

static struct spe_cpu cpu;

static int setup(void **state)
{
	memset(&cpu, 0, sizeof(cpu));
	for (unsigned int n = 0; n < 31; n++)
		cpu.x[n] = 0x1000000ULL * n;
	cpu.x[2] = 0xffff000012345000;
	cpu.x[3] = 0xfffffffffffffff0;
	cpu.sp = 0xffff800011110000;
	cpu.pc = PC;
	cpu.elr = 0xaaaa0000;
	cpu.vl = 32;
	cpu.va_bits[0] = cpu.va_bits[1] = 48;
	cpu.tbi[0] = true;
	return 0;
}

static struct spe_insn decode(u32 word)
{
	struct spe_insn insn;

	spe_insn_decode(word, &insn);
	return insn;
}

#define X2 0xffff000012345000ULL

static const struct {
	u32 word;
	u64 va;
	u8 class, op_class, op_sub;
	u16 size;
	const char *text;
} accesses[] = {
	{ 0xf9400441, X2 + 8, SPE_INSN_LOAD, 1, 0x00, 8, "ldr x1, [x2, #8]" },
	{ 0xb94007e1, 0xffff800011110004, SPE_INSN_LOAD, 1, 0x00, 4, "ldr w1, [sp, #4]" },
	{ 0x38807441, X2, SPE_INSN_LOAD, 1, 0x00, 1, "ldrsb x1, [x2], #7" },
	{ 0x7c1fdc43, X2 - 3, SPE_INSN_STORE, 1, 0x05, 2, "str h3, [x2, #-3]!" },
	{ 0xf863d841, X2 - 0x80, SPE_INSN_LOAD, 1, 0x00, 8, "ldr x1, [x2, w3, sxtw #3]" },
	{ 0xf8634841, X2 + 0xfffffff0, SPE_INSN_LOAD, 1, 0x00, 8, "ldr x1, [x2, w3, uxtw]" },
	{ 0x3ce37841, X2 - 0x100, SPE_INSN_LOAD, 1, 0x04, 16, "ldr q1, [x2, x3, lsl #4]" },
	{ 0xf87fe841, X2, SPE_INSN_LOAD, 1, 0x00, 8, "ldr x1, [x2, xzr, sxtx]" },
	{ 0x58000801, PC + 0x100, SPE_INSN_LOAD, 1, 0x00, 8, "ldr x1, .+0x100" },
	{ 0x98ffffc1, PC - 8, SPE_INSN_LOAD, 1, 0x00, 4, "ldrsw x1, .-8" },
	{ 0xf9800840, X2 + 16, SPE_INSN_OTHER, 0, 0x00, 0, "prfm pldl1keep, [x2, #16]" },
	{ 0xa97f0c41, X2 - 16, SPE_INSN_LOAD, 1, 0x00, 16, "ldp x1, x3, [x2, #-16]" },
	{ 0x68c10c41, X2, SPE_INSN_LOAD, 1, 0x00, 8, "ldpsw x1, x3, [x2], #8" },
	{ 0x69010c41, X2 + 32, SPE_INSN_STORE, 1, 0x15, 16, "stgp x1, x3, [x2, #32]" },
	{ 0xd9601041, X2 + 16, SPE_INSN_LOAD, 1, 0x14, 16, "ldg x1, [x2, #16]" },
	{ 0xd9a02441, X2, SPE_INSN_STORE, 1, 0x15, 32, "st2g x1, [x2], #32" },
	{ 0xf85f8841, X2 - 8, SPE_INSN_LOAD, 1, 0x00, 8, "ldtr x1, [x2, #-8]" },
	{ 0xc87f0c41, X2, SPE_INSN_LOAD, 1, 0x0a, 16, "ldxp x1, x3, [x2]" },
	{ 0xc801fc43, X2, SPE_INSN_STORE, 1, 0x1b, 8, "stlxr w1, x3, [x2]" },
	{ 0xc8e1fc43, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x16, 8, "casal x1, x3, [x2]" },
	{ 0x4824fc46, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x16, 16, "caspl x4, x5, x6, x7, [x2]" },
	{ 0xb8e10043, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x16, 4, "ldaddal w1, w3, [x2]" },
	{ 0xb861005f, X2, SPE_INSN_STORE, 1, 0x17, 4, "staddl w1, [x2]" },
	{ 0xf8218043, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x06, 8, "swp x1, x3, [x2]" },
	{ 0xf8bfc041, X2, SPE_INSN_LOAD, 1, 0x12, 8, "ldapr x1, [x2]" },
	{ 0x88dffc41, X2, SPE_INSN_LOAD, 1, 0x12, 4, "ldar w1, [x2]" },
	{ 0xf8600c41, X2 - 4096, SPE_INSN_LOAD, 1, 0x00, 8, "ldraa x1, [x2, #-4096]!" },
	{ 0xf8a01441, X2 + 8, SPE_INSN_LOAD, 1, 0x00, 8, "ldrab x1, [x2, #8]" },
	{ 0x0cdf2040, X2, SPE_INSN_LOAD, 1, 0x04, 32, "ld1 {v0.8b-v3.8b}, [x2], #32" },
	{ 0x0d83b040, X2, SPE_INSN_STORE, 1, 0x05, 12, "st3 {v0.s, v1.s, v2.s}[1], [x2], x3" },
	{ 0x4d60ec40, X2, SPE_INSN_LOAD, 1, 0x04, 32, "ld4r {v0.2d-v3.2d}, [x2]" },
	{ 0xf83fd040, X2, SPE_INSN_LOAD, 1, 0x00, 64, "ld64b x0, [x2]" },
	{ 0x19020461, X2, SPE_INSN_LOAD, 1, 0x20, 0, "cpyfp [x1]!, [x2]!, x3!" },
	{ 0x1d420461, X2 - 16, SPE_INSN_LOAD, 1, 0x20, 0, "cpym [x1]!, [x2]!, x3!" },
	{ 0x19c28461, 0x1000000 - 16, SPE_INSN_STORE, 1, 0x25, 0, "sete [x1]!, x3!, x2" },
	{ 0xd50b7422, X2, SPE_INSN_STORE, 1, 0x11, 0, "dc zva, x2" },
	{ 0x85bf5441, X2 - 3 * 32, SPE_INSN_LOAD, 1, 0x38, 0, "ldr z1, [x2, #-3, mul vl]" },
	{ 0xe5810441, X2 + 9 * 4, SPE_INSN_STORE, 1, 0x39, 0, "str p1, [x2, #9, mul vl]" },
	{ 0xa42ea441, X2 - 2 * 16, SPE_INSN_LOAD, 1, 0x3c, 0,
	  "ld1b {z1.h}, p1/z, [x2, #-2, mul vl]" },
	{ 0xa5434441, X2 - 0x40, SPE_INSN_LOAD, 1, 0x3c, 0, "ld1w {z1.s}, p1/z, [x2, x3, lsl #2]" },
	{ 0xe5f2e441, X2 + 8 * 32, SPE_INSN_STORE, 1, 0x3d, 0,
	  "st4d {z1.d-z4.d}, p1, [x2, #8, mul vl]" },
	{ 0xa40e2441, X2 - 32, SPE_INSN_LOAD, 1, 0x3c, 0, "ld1rqb {z1.b}, p1/z, [x2, #-32]" },
	{ 0x85c3e441, X2 + 24, SPE_INSN_LOAD, 1, 0x3c, 0, "ld1rd {z1.d}, p1/z, [x2, #24]" },
	{ 0xe0030441, X2 - 16, SPE_INSN_LOAD, 1, 0x3c, 0, "ld1b {za0h.b[w12, 1]}, p1/z, [x2, x3]" },
	/* newer than the assembler: size 011001 ... (C4.1.94) */
	{ 0x19238041, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x06, 16, "swpp x1, x3, [x2]" },
	{ 0x19a31041, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x16, 16, "ldclrpa x1, x3, [x2]" },
	{ 0x19633041, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x16, 16, "ldsetpl x1, x3, [x2]" },
	{ 0xd9431841, X2, SPE_INSN_LOAD, 1, 0x12, 16, "ldiapp x1, x3, [x2]" },
	{ 0xd9430841, X2, SPE_INSN_LOAD, 1, 0x12, 16, "ldiapp x1, x3, [x2], #16" },
	{ 0xd9030841, X2 - 16, SPE_INSN_STORE, 1, 0x13, 16, "stilp x1, x3, [x2, #-16]!" },
	{ 0x99031841, X2, SPE_INSN_STORE, 1, 0x13, 8, "stilp w1, w3, [x2]" },
	{ 0xd9800841, X2 - 8, SPE_INSN_STORE, 1, 0x13, 8, "stlr x1, [x2, #-8]!" },
	{ 0x99c00841, X2, SPE_INSN_LOAD, 1, 0x12, 4, "ldapr w1, [x2], #4" },
	{ 0x4d418441, X2, SPE_INSN_LOAD, 1, 0x12, 8, "ldap1 {v1.d}[1], [x2]" },
	{ 0x1d9ff841, X2 - 1, SPE_INSN_STORE, 1, 0x13, 16, "stlur q1, [x2, #-1]" },
	{ 0x38e19043, X2, SPE_INSN_LOAD_ATOMIC, 1, 0x16, 8, "rcwclral x1, x3, [x2]" },
};

static void each_access_has_its_class_and_address(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		struct spe_insn insn = decode(accesses[i].word);
		u8 class, sub;
		u64 va = 0;

		if (!spe_insn_address(&insn, &cpu, &va) || va != accesses[i].va)
			fail_msg("%s: address %llx", accesses[i].text, (unsigned long long)va);
		if (insn.class != accesses[i].class || insn.size != accesses[i].size)
			fail_msg("%s: class %u, size %u", accesses[i].text, insn.class, insn.size);
		spe_insn_operation(&insn, 256, &class, &sub);
		if (class != accesses[i].op_class || sub != accesses[i].op_sub)
			fail_msg("%s: operation %u %02x", accesses[i].text, class, sub);
	}
}

static void instructions_without_a_known_address_have_none(void **state)
{
	static const u32 words[] = {
		0xc5c3c441, /* ld1d {z1.d}, p1/z, [x2, z3.d] */
		0xe1000041, /* ldr za[w12, 1], [x2, #1, mul vl] */
		0xf8a34858, /* rprfm 24, x3, [x2] */
		0x8b030041, /* add */
		0xd503201f, /* nop */
		0,	    ~0U,
	};
	u64 va;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct spe_insn insn = decode(words[i]);

		assert_false(spe_insn_address(&insn, &cpu, &va));
	}
}

static void an_unknown_vector_length_gives_no_address(void **state)
{
	struct spe_insn insn = decode(0x85bf5441); /* ldr z1, [x2, #-3, mul vl] */
	u64 va;

	cpu.vl = 0;
	assert_false(spe_insn_address(&insn, &cpu, &va));
	insn = decode(0x85804041); /* ldr z1, [x2] */
	assert_true(spe_insn_address(&insn, &cpu, &va));
	assert_int_equal(va, X2);
}

/* LDG reads the tag of the granule that the address is in. */
static void a_tag_access_is_of_its_granule(void **state)
{
	struct spe_insn insn = decode(0xd9601041); /* ldg x1, [x2, #16] */
	u64 va;

	cpu.x[2] += 7;
	assert_true(spe_insn_address(&insn, &cpu, &va));
	assert_int_equal(va, X2 + 16);
}

static void a_memory_copy_has_both_addresses(void **state)
{
	struct spe_insn prologue = decode(0x19020461), main = decode(0x1d420461);
	u8 class, sub;
	u64 va;

	spe_insn_as_store(&prologue);
	assert_true(spe_insn_address(&prologue, &cpu, &va));
	assert_int_equal(va, 0x1000000);
	spe_insn_operation(&prologue, 0, &class, &sub);
	assert_int_equal(sub, 0x21);
	/* option B: the pointers are where the copy is */
	cpu.pstate = BIT(29);
	assert_true(spe_insn_address(&main, &cpu, &va));
	assert_int_equal(va, X2);
	/* option A, backwards: unknown */
	cpu.pstate = 0;
	cpu.x[3] = 16;
	assert_false(spe_insn_address(&main, &cpu, &va));
	/* of nothing else is there a store */
	main = decode(0xf9400441);
	spe_insn_as_store(&main);
	assert_int_equal(main.class, SPE_INSN_LOAD);
}

static void misaligned_elements_are_found(void **state)
{
	static const struct {
		u32 word;
		u64 va;
		bool misaligned;
	} rows[] = {
		{ 0xf9400441, 8, false },  { 0xf9400441, 4, true },   /* ldr x */
		{ 0x38807441, 3, false },			      /* ldrsb */
		{ 0xa97f0c41, 8, false },  { 0xa97f0c41, 4, true },   /* ldp x */
		{ 0xc87f0c41, 16, false }, { 0xc87f0c41, 8, true },   /* ldxp x */
		{ 0x0d83b040, 4, false },  { 0x0d83b040, 2, true },   /* st3 .s */
		{ 0x0cdf2040, 1, false },			      /* ld1 .8b */
		{ 0x3ce37841, 8, true },   { 0x3ce37841, 16, false }, /* ldr q */
		{ 0x85bf5441, 1, false },			      /* ldr z: not known */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spe_insn insn = decode(rows[i].word);

		if (spe_insn_misaligned(&insn, rows[i].va) != rows[i].misaligned)
			fail_msg("%08x at %llu", rows[i].word, (unsigned long long)rows[i].va);
	}
}

/* Elements count, by the bit of their first byte. */
static void predicates_give_their_events(void **state)
{
	static const struct {
		u32 word;
		u8 pg, esize;
		const char *text;
	} rows[] = {
		{ 0xa43eb441, 5, 1, "ldnf1b {z1.h}, p5/z, [x2, #-2, mul vl]" },
		{ 0xa5434441, 1, 2, "ld1w {z1.s}, p1/z, [x2, x3, lsl #2]" },
		{ 0xa5e36441, 1, 3, "ldff1d {z1.d}, p1/z, [x2, x3, lsl #3]" },
		{ 0xe5f2e441, 1, 3, "st4d {z1.d-z4.d}, p1, [x2, #8, mul vl]" },
		{ 0xe4634841, 2, 3, "st1b {z1.d}, p2, [x2, x3]" },
		{ 0x8440fc41, 7, 3, "ld1rb {z1.d}, p7/z, [x2]" },
		{ 0xc5c3c441, 1, 3, "ld1d {z1.d}, p1/z, [x2, z3.d]" },
		{ 0x85034841, 2, 2, "ld1w {z1.s}, p2/z, [x2, z3.s, uxtw]" },
		{ 0xe0030441, 1, 0, "ld1b {za0h.b[w12, 1]}, p1/z, [x2, x3]" },
		{ 0xe1c30440, 1, 4, "ld1q {za0h.q[w12]}, p1/z, [x2, x3]" },
	};
	u8 p[32];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spe_insn insn = decode(rows[i].word);
		unsigned int vl = 48, step = 1U << rows[i].esize;

		if (!(insn.flags & SPE_INSN_PRED) || insn.pg != rows[i].pg ||
		    insn.esize != rows[i].esize)
			fail_msg("%s: p%u, %u", rows[i].text, insn.pg, insn.esize);
		memset(p, 0, sizeof(p));
		assert_int_equal(spe_insn_predicate(&insn, p, vl), 3 << 17);
		for (unsigned int bit = 0; bit < vl; bit += step) {
			if (step > 1) /* not an element's first bit */
				p[bit / 8] |= (u8)(2 << bit % 8);
			assert_int_equal(spe_insn_predicate(&insn, p, vl), bit ? 1 << 17 : 3 << 17);
			p[bit / 8] |= (u8)(1 << bit % 8);
		}
		assert_int_equal(spe_insn_predicate(&insn, p, vl), 0);
	}
	memset(p, 0, sizeof(p));
	assert_int_equal(spe_insn_predicate(&(struct spe_insn){ 0 }, p, 16), 0);
}

/* ---- branches ---- */

#define COND SPE_INSN_COND
#define IND  SPE_INSN_INDIRECT
#define CALL SPE_INSN_CALL
#define RET  SPE_INSN_RETURN
#define AUTH SPE_INSN_AUTH

static const struct {
	u32 word, flags;
	u64 target;
	bool taken;
	const char *text;
} branches[] = {
	{ 0x14000040, 0, PC + 0x100, true, "b .+0x100" },
	{ 0x97ffffc0, CALL, PC - 0x100, true, "bl .-0x100" },
	{ 0x54000041, COND, PC + 8, true, "b.ne .+8" },
	{ 0x54000040, COND, PC + 8, false, "b.eq .+8" },
	{ 0x54000051, COND, PC + 8, true, "bc.ne .+8" },
	{ 0x34000041, COND, PC + 8, false, "cbz w1, .+8" },
	{ 0x34000040, COND, PC + 8, true, "cbz w0, .+8" },
	{ 0xb5ffffc1, COND, PC - 8, true, "cbnz x1, .-8" },
	{ 0xb6400083, COND, PC + 0x10, false, "tbz x3, #40, .+0x10" },
	{ 0xb6400081, COND, PC + 0x10, true, "tbz x1, #40, .+0x10" },
	{ 0x37180081, COND, PC + 0x10, false, "tbnz w1, #3, .+0x10" },
	{ 0x37200083, COND, PC + 0x10, true, "tbnz w3, #4, .+0x10" },
	{ 0xb70000bf, COND, PC + 0x14, false, "tbnz xzr, #32, .+0x14" },
	{ 0xd61f0040, IND, X2, true, "br x2" },
	{ 0xd63f0040, IND | CALL, X2, true, "blr x2" },
	{ 0xd63f03e0, IND | CALL, 0, true, "blr xzr" },
	{ 0xd65f03c0, IND | RET, 0x1e000000, true, "ret" },
	{ 0xd65f0040, IND | RET, X2, true, "ret x2" },
	{ 0xd65f0bff, IND | RET | AUTH, 0x1e000000, true, "retaa" },
	{ 0xd71f0844, IND | AUTH, X2, true, "braa x2, x4" },
	{ 0xd63f0c5f, IND | CALL | AUTH, X2, true, "blrabz x2" },
	{ 0xd69f03e0, IND, 0xaaaa0000, true, "eret" },
	{ 0xd69f0fff, IND | AUTH, 0xaaaa0000, true, "eretab" },
};

static void each_branch_has_its_target_and_type(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(branches); i++) {
		struct spe_insn insn = decode(branches[i].word);
		u8 class, sub, expected = 0;
		u64 target;

		if (!spe_insn_target(&insn, &cpu, &target) || insn.flags != branches[i].flags)
			fail_msg("%s: flags %x", branches[i].text, insn.flags);
		assert_int_equal(target, branches[i].target);
		if (spe_insn_holds(&insn, &cpu) != branches[i].taken)
			fail_msg("%s: not %d", branches[i].text, branches[i].taken);
		spe_insn_operation(&insn, 0, &class, &sub);
		expected |= branches[i].flags & COND ? 1 : 0;
		expected |= branches[i].flags & IND ? 2 : 0;
		assert_int_equal(class, 2);
		assert_int_equal(sub, expected);
	}
}

/* The upper half of a W register is ignored. */
static void a_w_register_has_32_bits(void **state)
{
	struct spe_insn w = decode(0x34000041), x = decode(0xb4000041); /* cbz w1; cbz x1 */

	cpu.x[1] = 1ULL << 32;
	assert_true(spe_insn_holds(&w, &cpu));
	assert_false(spe_insn_holds(&x, &cpu));
}

/* Authentication codes: bits 54 down to the address's width, and the top byte without TBI. */
static void authentication_codes_are_stripped(void **state)
{
	static const struct {
		u64 pointer, low, high;
	} rows[] = {
		/* as TBI is on for the low half and off for the high one; 48 and 39 bits */
		{ 0x0055123456789abc, 0x0000123456789abc, 0 },
		{ 0xf355123456789abc, 0xf300123456789abc, 0 },
		{ 0x12d5ff3456789abc, 0, 0xffffffb456789abc },
	};
	struct spe_insn insn = decode(0xd61f085f); /* braaz x2 */
	u64 target;

	cpu.va_bits[1] = 39;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cpu.x[2] = rows[i].pointer;
		assert_true(spe_insn_target(&insn, &cpu, &target));
		if (rows[i].pointer & BIT(55))
			assert_int_equal(target >> 39, rows[i].high >> 39);
		else
			assert_int_equal(target, rows[i].low);
		assert_int_equal(target & GENMASK(38, 0), rows[i].pointer & GENMASK(38, 0));
	}
	/* of a load too */
	insn = decode(0xf8200441); /* ldraa x1, [x2] */
	cpu.x[2] = 0x0055123456789ab0;
	assert_true(spe_insn_address(&insn, &cpu, &target));
	assert_int_equal(target, 0x0000123456789ab0);
	/* but not of one without authentication */
	insn = decode(0xf9400041); /* ldr x1, [x2] */
	assert_true(spe_insn_address(&insn, &cpu, &target));
	assert_int_equal(target, 0x0055123456789ab0);
}

/* ---- conditions ---- */

/* The table of condition codes (C1.2.4), in words. */
static bool by_the_table(u32 cond, bool n, bool z, bool c, bool v)
{
	switch (cond) {
	case 0x0: /* EQ */
		return z;
	case 0x1:
		return !z;
	case 0x2: /* CS */
		return c;
	case 0x3:
		return !c;
	case 0x4: /* MI */
		return n;
	case 0x5:
		return !n;
	case 0x6: /* VS */
		return v;
	case 0x7:
		return !v;
	case 0x8: /* HI */
		return c && !z;
	case 0x9: /* LS */
		return !c || z;
	case 0xa: /* GE */
		return n == v;
	case 0xb: /* LT */
		return n != v;
	case 0xc: /* GT */
		return !z && n == v;
	case 0xd: /* LE */
		return z || n != v;
	default: /* AL, NV */
		return true;
	}
}

static void conditions_hold_as_the_manual_says(void **state)
{
	for (u32 cond = 0; cond < 16; cond++)
		for (u32 nzcv = 0; nzcv < 16; nzcv++) {
			bool want = by_the_table(cond, nzcv & 8, nzcv & 4, nzcv & 2, nzcv & 1);
			struct spe_insn branch = decode(0x54000040 | cond);
			struct spe_insn select = decode(0x9a830041 | cond << 12);
			struct spe_insn compare = decode(0xfa430820 | cond << 12);
			struct spe_insn fselect = decode(0x1e630c41 | cond << 12);
			struct spe_insn fcompare = decode(0x1e220423 | cond << 12);

			cpu.pstate = (u64)nzcv << 28;
			assert_int_equal(spe_insn_holds(&branch, &cpu), want);
			assert_int_equal(spe_insn_holds(&select, &cpu), want);
			assert_int_equal(spe_insn_holds(&compare, &cpu), want);
			assert_int_equal(spe_insn_holds(&fselect, &cpu), want);
			assert_int_equal(spe_insn_holds(&fcompare, &cpu), want);
		}
}

static void other_operations_have_their_class(void **state)
{
	static const struct {
		u32 word;
		u8 sub;
		const char *text;
	} rows[] = {
		{ 0x9a83c041, 0x01, "csel x1, x2, x3, gt" },
		{ 0xfa439820, 0x01, "ccmp x1, #3, #0, ls" },
		{ 0x1e636c41, 0x01, "fcsel d1, d2, d3, vs" },
		{ 0x1e224423, 0x01, "fccmp s1, s2, #3, mi" },
		{ 0x8b030041, 0x00, "add x1, x2, x3" },
		{ 0x1e604041, 0x00, "fmov d1, d2" },
		{ 0x4ea38441, 0x00, "add v1.4s, v2.4s, v3.4s" },
		{ 0xd4000001, 0x00, "svc #0" },
		{ 0xd503201f, 0x00, "nop" },
		{ 0x04230041, 0x38, "add z1.b, z2.b, z3.b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct spe_insn insn = decode(rows[i].word);
		u8 class, sub;
		u64 target = 0x55;

		spe_insn_operation(&insn, 256, &class, &sub);
		if (class != 0 || sub != rows[i].sub)
			fail_msg("%s: operation %u %02x", rows[i].text, class, sub);
		assert_false(spe_insn_target(&insn, &cpu, &target));
		assert_int_equal(target, 0x55);
		if (!(rows[i].sub & 1) || (rows[i].sub & 8))
			assert_true(spe_insn_holds(&insn, &cpu));
	}
}

/* For any word: no undefined behaviour, and members in their ranges. */
static void any_word_is_decoded_within_bounds(void **state)
{
	u64 seed = 88172645463325252ULL, va, target;
	u8 class, sub;

	for (unsigned int i = 0; i < 3000000; i++) {
		struct spe_insn insn;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		insn = decode((u32)(seed >> 16));
		cpu.x[seed % 31] = seed;
		cpu.pstate = seed & GENMASK(31, 28);
		(void)spe_insn_address(&insn, &cpu, &va);
		(void)spe_insn_target(&insn, &cpu, &target);
		(void)spe_insn_holds(&insn, &cpu);
		(void)spe_insn_misaligned(&insn, seed);
		spe_insn_operation(&insn, 128, &class, &sub);
		assert_true(class <= 2 && insn.cond < 16 && insn.rm < 32 && insn.rn <= 32);
		assert_int_equal(class == 1,
				 insn.class >= SPE_INSN_LOAD && insn.class <= SPE_INSN_LOAD_ATOMIC);
		assert_int_equal(class == 1, insn.kind != SPE_LDST_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_access_has_its_class_and_address, setup),
		cmocka_unit_test_setup(instructions_without_a_known_address_have_none, setup),
		cmocka_unit_test_setup(an_unknown_vector_length_gives_no_address, setup),
		cmocka_unit_test_setup(a_tag_access_is_of_its_granule, setup),
		cmocka_unit_test_setup(a_memory_copy_has_both_addresses, setup),
		cmocka_unit_test_setup(misaligned_elements_are_found, setup),
		cmocka_unit_test_setup(predicates_give_their_events, setup),
		cmocka_unit_test_setup(each_branch_has_its_target_and_type, setup),
		cmocka_unit_test_setup(a_w_register_has_32_bits, setup),
		cmocka_unit_test_setup(authentication_codes_are_stripped, setup),
		cmocka_unit_test_setup(conditions_hold_as_the_manual_says, setup),
		cmocka_unit_test_setup(other_operations_have_their_class, setup),
		cmocka_unit_test_setup(any_word_is_decoded_within_bounds, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
