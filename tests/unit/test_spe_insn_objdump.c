// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_insn.c hyp/spe/spe_insn_sve.c */
/*
 * The instruction decoder against the cross toolchain's objdump, which knows what capstone does
 * not: atomics, SVE, SME, tags, memory copies. What objdump calls undefined must be "other".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "a64_text.h"

#define PC 0x40000000ULL
#ifndef WORDS /* more by hand: UNIT_CFLAGS */
#define WORDS 1000000U
#endif

#ifndef SEED
#define SEED 0x2545f4914f6cdd1d
#endif
static u64 seed = SEED;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/*
 * What objdump 2.40 calls undefined and the manual allocates. "SBO": bits that should be ones; if
 * they are not the instruction is CONSTRAINED UNPREDICTABLE (C1.1.1), and the decoder does not
 * look.
 */
static const struct {
	u32 mask, value;
	bool same; /* only if two of Rt, Rt2 and Rn are the same */
	const char *why;
} exceptions[] = {
	{ 0x3fa00000, 0x08800000, false, "LDAR, LDLAR, STLR, STLLR: Rs and Rt2 are SBO" },
	{ 0x3fe0fc00, 0x38a0c000, false, "LDAPR: Rs is SBO" },
	{ 0xffe0bc00, 0xf8209000, false, "LD64B, ST64B: Rs is SBO" },
	{ 0xfe400000, 0x68400000, true,
	  "LDPSW of one register twice, or into its base: CONSTRAINED UNPREDICTABLE" },
	{ 0xbf20fc00, 0x38209000, false, "RCWCLR (FEAT_THE) is newer" },
	{ 0xbf20fc00, 0x3820a000, false, "RCWSWP (FEAT_THE) is newer" },
	{ 0xbf20fc00, 0x3820b000, false, "RCWSET (FEAT_THE) is newer" },
	{ 0xff200c00, 0x19200000, false, "LDCLRP, LDSETP, SWPP (FEAT_LSE128) are newer" },
	{ 0x3f200c00, 0x1d000800, false, "LDAPUR, STLUR of SIMD&FP (FEAT_LRCPC3) are newer" },
	{ 0xbf200c00, 0x99000800, false, "LDIAPP, STILP, LDAPR, STLR (FEAT_LRCPC3) are newer" },
	{ 0xbfbffc00, 0x0d018400, false, "LDAP1, STL1 (FEAT_LRCPC3) are newer" },
};

static bool two_are_same(u32 word)
{
	u32 rt = word & 31, rn = word >> 5 & 31, rt2 = word >> 10 & 31;

	return rt == rt2 || rn == rt || rn == rt2;
}

static bool excepted(u32 word)
{
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
		if ((word & exceptions[i].mask) == exceptions[i].value &&
		    (!exceptions[i].same || two_are_same(word)))
			return true;
	return false;
}

/* Instructions that it names differently. */
static bool renamed(u32 word)
{
	/* RPRFM (FEAT_RPRFM) is newer than its PRFM; Xm is no index */
	return (word & 0xffe04c18) == 0xf8a04818;
}

static unsigned int seen[SPE_INSN_BRANCH + 1], kinds[SPE_LDST_SVE + 1], known, bad;

static void check(u32 word, u64 pc, char *m, char *ops)
{
	struct a64_text text;
	struct spe_insn insn;
	const char *what = NULL;

	spe_insn_decode(word, &insn);
	if (!strcmp(m, ".inst") || !strcmp(m, "udf")) {
		if ((a64_plain(insn.class) != SPE_INSN_OTHER || insn.form != SPE_FORM_NONE) &&
		    !excepted(word))
			what = "undefined";
	} else {
		known++;
		a64_parse(&text, m, ops);
		seen[insn.class]++;
		kinds[insn.kind]++;
		what = a64_differs(&insn, &text, pc);
	}
	if (what && !renamed(word) && bad++ < 100)
		printf("%08x %s: %s %s\n", word, what, m, ops);
}

/* "    40000000:\t78e51061 \tldclralh\tw5, w1, [x3]" */
static void check_line(char *line)
{
	char *word = strchr(line, '\t'), *m, *ops;
	u64 pc = strtoull(line, NULL, 16);

	if (!word || !isxdigit((unsigned char)word[1]))
		return;
	m = strchr(word + 1, '\t');
	assert_non_null(m);
	m++;
	m[strcspn(m, "\n")] = '\0';
	if (strstr(m, "  //"))
		*strstr(m, "  //") = '\0';
	ops = strchr(m, '\t');
	if (ops)
		*ops++ = '\0';
	check((u32)strtoul(word + 1, NULL, 16), pc, m, ops ? ops : m + strlen(m));
}

static void write_words(char *path)
{
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "wb");

	assert_non_null(file);
	for (unsigned int n = 0; n < WORDS; n++) {
		u32 word = a64_random_word(rnd);

		assert_int_equal(fwrite(&word, sizeof(word), 1, file), 1);
	}
	assert_int_equal(fclose(file), 0);
}

static void random_words_agree_with_objdump(void **state)
{
	char path[] = "/tmp/keel-a64-XXXXXX", command[256], line[512];
	FILE *objdump;

	write_words(path);
	snprintf(command, sizeof(command),
		 "aarch64-linux-gnu-objdump -D -z -b binary -m aarch64 -M no-aliases,no-notes "
		 "--adjust-vma=0x%llx %s",
		 PC, path);
	objdump = popen(command, "r");
	assert_non_null(objdump);
	while (fgets(line, sizeof(line), objdump))
		check_line(line);
	assert_int_equal(pclose(objdump), 0);
	unlink(path);
	print_message(
		"%u words known: %u loads, %u stores, %u atomics, %u branches; %u SVE, %u tags, "
		"%u copy, %u set\n",
		known, seen[SPE_INSN_LOAD], seen[SPE_INSN_STORE], seen[SPE_INSN_LOAD_ATOMIC],
		seen[SPE_INSN_BRANCH], kinds[SPE_LDST_SVE], kinds[SPE_LDST_TAGS],
		kinds[SPE_LDST_MEMCPY], kinds[SPE_LDST_MEMSET]);
	assert_int_equal(bad, 0);
	assert_true(seen[SPE_INSN_LOAD_ATOMIC] > 5000 && seen[SPE_INSN_BRANCH] > 50000);
	assert_true(kinds[SPE_LDST_SVE] > 20000 && kinds[SPE_LDST_TAGS] > 2000);
	assert_true(kinds[SPE_LDST_MEMCPY] > 500 && kinds[SPE_LDST_MEMSET] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_words_agree_with_objdump) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
