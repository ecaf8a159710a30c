// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_insn.c hyp/spe/spe_insn_sve.c */
/* LIBS: -lcapstone */
/*
 * The instruction decoder against capstone, over random words: of each that capstone knows, class,
 * kind, size, address and target agree, in both directions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>
#include <cmocka.h>

#include "a64_text.h"

#define PC 0x40000000ULL
#ifndef WORDS /* more by hand: UNIT_CFLAGS */
#define WORDS 2000000U
#endif

#ifndef SEED
#define SEED 0x9e3779b97f4a7c15
#endif
static u64 seed = SEED;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Where capstone 4.0.2 disagrees with the manual. */
static const struct {
	u32 mask, value;
	const char *why;
} exceptions[] = {
	{ 0xffe04c18, 0xf8a04818,
	  "RPRFM (FEAT_RPRFM, C6.2.300): capstone knows the older PRFM there; Xm is no index" },
};

static bool excepted(u32 word)
{
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
		if ((word & exceptions[i].mask) == exceptions[i].value)
			return true;
	return false;
}

static void random_words_agree_with_capstone(void **state)
{
	unsigned int seen[SPE_INSN_BRANCH + 1] = { 0 }, bad = 0;
	csh cs;
	cs_insn *line;

	assert_int_equal(cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &cs), CS_ERR_OK);
	line = cs_malloc(cs);
	for (unsigned int n = 0; n < WORDS; n++) {
		u32 word = a64_random_word(rnd);
		const u8 *code = (const u8 *)&word;
		size_t size = sizeof(word);
		u64 pc = PC;
		struct a64_text text;
		struct spe_insn insn;
		const char *what;

		if (excepted(word) || !cs_disasm_iter(cs, &code, &size, &pc, line))
			continue;
		spe_insn_decode(word, &insn);
		a64_parse(&text, line->mnemonic, line->op_str);
		seen[text.insn.class]++;
		what = a64_differs(&insn, &text, PC);
		if (what && bad++ < 100)
			printf("%08x %s: %s %s\n", word, what, line->mnemonic, line->op_str);
	}
	cs_free(line, 1);
	cs_close(&cs);
	print_message("%u loads, %u stores, %u atomics, %u branches\n", seen[SPE_INSN_LOAD],
		      seen[SPE_INSN_STORE], seen[SPE_INSN_LOAD_ATOMIC], seen[SPE_INSN_BRANCH]);
	assert_int_equal(bad, 0);
	assert_true(seen[SPE_INSN_LOAD] > WORDS / 20);
	assert_true(seen[SPE_INSN_STORE] > WORDS / 20);
	assert_true(seen[SPE_INSN_BRANCH] > WORDS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_words_agree_with_capstone) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
