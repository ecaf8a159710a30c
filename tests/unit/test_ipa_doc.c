// SPDX-License-Identifier: BSD-2-Clause
/* docs/ipa.md's table of sizes says what stage2_geometry() does. */
/* SOURCES: hyp/mm/stage2_geometry.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/stage2_geometry.h>

#define PAGE_OF_DOCS "docs/ipa.md"
#define BEGIN	     "<!-- sizes: checked by tests/unit/test_ipa_doc.c -->\n"
#define END	     "<!-- end of sizes -->\n"
#define TEXT_MAX     32768

static const struct mmu_caps machine = {
	.pa_bits = 52,
	.vmid_bits = 16,
	.small_tables = true,
	.s2_granule = { true, true, true },
	.s2_lpa2 = { true, true, false },
};

static size_t add_shape(char *text, size_t at, unsigned int bits, enum granule granule)
{
	struct stage2_geometry g;

	assert_int_equal(stage2_geometry(&g, bits, granule, &machine), 0);
	return at + (size_t)snprintf(text + at, TEXT_MAX - at, " | %d, %u, %llu", g.start_level,
				     g.root_tables, (unsigned long long)g.root_size);
}

static unsigned int parange_width(unsigned int bits)
{
	static const unsigned int widths[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int i = 0;

	while (widths[i] < bits)
		i++;
	return widths[i];
}

static void print_table(char *text)
{
	size_t at = (size_t)snprintf(text, TEXT_MAX,
				     "| Bits | Guest's PARange | 4K | 16K | 64K |\n"
				     "|---|---|---|---|---|\n");

	for (unsigned int bits = 32; bits <= 52; bits++) {
		at += (size_t)snprintf(text + at, TEXT_MAX - at, "| %u | %u", bits,
				       parange_width(bits));
		for (unsigned int g = 0; g < GRANULE_COUNT; g++)
			at = add_shape(text, at, bits, (enum granule)g);
		at += (size_t)snprintf(text + at, TEXT_MAX - at, " |\n");
	}
	assert_true(at < TEXT_MAX);
}

static void read_docs(char *text)
{
	FILE *file = fopen(PAGE_OF_DOCS, "r");
	char *begin, *end;
	size_t size;

	assert_non_null(file);
	size = fread(text, 1, TEXT_MAX - 1, file);
	fclose(file);
	text[size] = '\0';
	begin = strstr(text, BEGIN);
	end = strstr(text, END);
	if (!begin || !end || end < begin)
		fail_msg(PAGE_OF_DOCS " has no place for the table");
	*end = '\0';
	memmove(text, begin + strlen(BEGIN), strlen(begin + strlen(BEGIN)) + 1);
}

static void the_docs_have_the_table_that_the_code_has(void **state)
{
	static char code[TEXT_MAX], docs[TEXT_MAX];

	(void)state;
	print_table(code);
	read_docs(docs);
	if (strcmp(code, docs)) {
		printf("%s", code); /* to be put there; more than fail_msg() prints */
		fail_msg(PAGE_OF_DOCS " has another table than the one above");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_docs_have_the_table_that_the_code_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
