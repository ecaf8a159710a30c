// SPDX-License-Identifier: BSD-2-Clause
/* What a backtrace is made of: the table of functions, finding one, and walking the stack. */
/* SOURCES: hyp/lib/ksyms.c hyp/lib/unwind.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/ksyms.h>
#include <lib/unwind.h>

static const u32 offsets[] = { 0x10, 0x40, 0x44, 0x1000, 0xfffffff0 };
static const u32 name_offsets[] = { 0, 4, 9, 15, 17 };
static const char names[] = "one\0four\0four4\0k\0last";

static void check_lookup(u32 count, u64 offset, const char *want, u64 want_into)
{
	const struct ksyms syms = { count, offsets, name_offsets, names };
	u64 into = 0xdead;
	const char *got = ksyms_lookup(&syms, offset, &into);

	if (!got != !want || (got && strcmp(got, want)) || into != want_into)
		fail_msg("0x%lx of %u: %s+0x%lx, expected %s+0x%lx", offset, count,
			 got ? got : "none", into, want ? want : "none", want_into);
}

static void lookup_finds_the_function_around_an_offset(void **state)
{
	check_lookup(5, 0x10, "one", 0);
	check_lookup(5, 0x3f, "one", 0x2f);
	check_lookup(5, 0x40, "four", 0);
	check_lookup(5, 0x43, "four", 3);
	check_lookup(5, 0x44, "four4", 0);
	check_lookup(5, 0xfff, "four4", 0xfbb);
	check_lookup(5, 0x1000, "k", 0);
	check_lookup(5, 0xfffffff0, "last", 0);
	check_lookup(5, 0x100000000, "last", 0x10);
	check_lookup(1, 0x5000, "one", 0x4ff0);
}

static void lookup_before_the_first_function_finds_none(void **state)
{
	check_lookup(5, 0, NULL, 0xdead);
	check_lookup(5, 0xf, NULL, 0xdead);
}

static void empty_table_finds_none(void **state)
{
	check_lookup(0, 0, NULL, 0xdead);
	check_lookup(0, UINT64_MAX, NULL, 0xdead);
}

/* Every size of table: the search meets each of its ends. */
static void lookup_works_in_tables_of_every_size(void **state)
{
	u32 many[64], many_names[64];
	char text[64 * 4];

	for (u32 i = 0; i < 64; i++) {
		many[i] = 8 * i + 8;
		many_names[i] = 4 * i;
		snprintf(text + 4 * i, 4, "f%02u", i);
	}
	for (u32 count = 1; count <= 64; count++) {
		const struct ksyms syms = { count, many, many_names, text };

		for (u64 offset = 8; offset < 8 * count + 16; offset++) {
			u64 into, want = MIN(offset / 8 - 1, count - 1);
			const char *got = ksyms_lookup(&syms, offset, &into);

			if (got != text + 4 * want || into != offset - many[want])
				fail_msg("%u entries, 0x%lx: %s+%lu, expected f%02lu", count,
					 offset, got ? got : "none", into, want);
		}
	}
}

/* Runs scripts/ksyms on what `nm -n` may print; returns its exit status. */
static int run_script(const char *nm, char *out, size_t size)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "printf '%s' | python3 scripts/ksyms /dev/stdin 2>/dev/null", nm);

	FILE *pipe = popen(command, "r");

	assert_non_null(pipe);
	out[fread(out, 1, size - 1, pipe)] = 0;
	return pclose(pipe);
}

/* What stands between the label @name and the next directive that is not data, in one line. */
static void check_data(const char *out, const char *name, const char *want)
{
	char label[64], got[256] = "";
	const char *p;

	snprintf(label, sizeof(label), "\n%s:\n", name);
	p = strstr(out, label);
	assert_non_null(p);
	p += strlen(label);
	while (!strncmp(p, "\t.long ", 7) || !strncmp(p, "\t.asciz ", 8)) {
		size_t n = strcspn(p, "\n");
		const char *value = strchr(p, ' ');

		strncat(got, value, n - (size_t)(value - p));
		p += n + 1;
	}
	if (strcmp(got, want))
		fail_msg("%s holds \"%s\", expected \"%s\"", name, got, want);
}

static void the_script_takes_functions_only_and_sorts_them(void **state)
{
	char out[4096];

	assert_int_equal(run_script("0000000040001080 t local\\n"
				    "0000000040000000 T _text\\n"
				    "0000000040000000 t $x\\n"
				    "0000000040000000 T head\\n"
				    "0000000040001000 t __alias\\n"
				    "0000000040001000 t vectors\\n"
				    "0000000040001100 t zz\\n"
				    "0000000040001100 T aa\\n"
				    "0000000040002000 R table\\n"
				    "0000000040003000 B counter\\n"
				    "                 U undefined\\n",
				    out, sizeof(out)),
			 0);
	check_data(out, "ksyms_count", " 0x4");
	check_data(out, "ksyms_offsets", " 0x0 0x1000 0x1080 0x1100");
	check_data(out, "ksyms_name_offsets", " 0x0 0x5 0xd 0x13");
	check_data(out, "ksyms_names", " \"head\" \"vectors\" \"local\" \"aa\"");
}

static void the_script_makes_an_empty_table_of_nothing(void **state)
{
	char out[4096];

	assert_int_equal(run_script("", out, sizeof(out)), 0);
	check_data(out, "ksyms_count", " 0x0");
	check_data(out, "ksyms_offsets", "");
	check_data(out, "ksyms_name_offsets", "");
	check_data(out, "ksyms_names", "");
}

static void the_script_refuses_input_without_a_start(void **state)
{
	char out[4096];

	assert_int_not_equal(run_script("0000000000001000 T f\\n", out, sizeof(out)), 0);
	assert_int_not_equal(run_script("0 T _text\\n100000000 T far\\n", out, sizeof(out)), 0);
	assert_int_not_equal(run_script("1000 T _text\\n0 T before\\n", out, sizeof(out)), 0);
}

#define STACK_WORDS 32

static u64 *stack;

static int make_stack(void **state)
{
	/* Of exactly this size, so that a read outside of it is seen. */
	stack = calloc(STACK_WORDS, sizeof(u64));
	return 0;
}

static int free_stack(void **state)
{
	free(stack);
	return 0;
}

static u64 address(size_t word)
{
	return (uintptr_t)(stack + word);
}

static void frame_record(size_t word, u64 fp, u64 lr)
{
	stack[word] = fp;
	stack[word + 1] = lr;
}

static bool step(struct unwind_frame *f)
{
	return unwind_step(f, address(0), address(STACK_WORDS));
}

static void check_step(struct unwind_frame *f, u64 want_pc)
{
	if (!step(f) || f->pc != want_pc)
		fail_msg("at pc 0x%lx, expected to get to 0x%lx", f->pc, want_pc);
}

static void check_end(struct unwind_frame f)
{
	struct unwind_frame before = f;

	if (step(&f))
		fail_msg("fp 0x%lx: got to pc 0x%lx, expected the end", before.fp, f.pc);
	assert_memory_equal(&f, &before, sizeof(f));
}

static void unwind_walks_to_the_outermost_frame(void **state)
{
	struct unwind_frame f = { .fp = address(0), .pc = 0x100 };

	frame_record(0, address(4), 0x200);
	frame_record(4, address(STACK_WORDS - 2), 0x300);
	frame_record(STACK_WORDS - 2, 0, 0x400);
	check_step(&f, 0x200);
	check_step(&f, 0x300);
	check_step(&f, 0x400);
	check_end(f);
}

static void unwind_ends_at_a_return_address_of_zero(void **state)
{
	struct unwind_frame f = { .fp = address(0), .pc = 0x100 };

	frame_record(0, address(4), 0);
	frame_record(4, 0, 0x300);
	check_end(f);
}

static void unwind_reads_nothing_outside_of_the_stack(void **state)
{
	static const u64 far[] = { 0, 8, 0x1000, UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 15 };

	for (size_t i = 0; i < ARRAY_SIZE(far); i++)
		check_end((struct unwind_frame){ .fp = far[i], .pc = 1 });
	check_end((struct unwind_frame){ .fp = address(0) - 8, .pc = 1 });
	check_end((struct unwind_frame){ .fp = address(0) - 16, .pc = 1 });
	check_end((struct unwind_frame){ .fp = address(STACK_WORDS), .pc = 1 });
	check_end((struct unwind_frame){ .fp = address(STACK_WORDS - 1), .pc = 1 });
}

static void unwind_refuses_misaligned_records(void **state)
{
	frame_record(4, 0, 0x300);
	for (u64 off = 1; off < 8; off++)
		check_end((struct unwind_frame){ .fp = address(4) + off, .pc = 1 });
}

static void check_chain_ends_after_one(u64 next_fp)
{
	struct unwind_frame f = { .fp = address(8), .pc = 0x100 };

	frame_record(8, next_fp, 0x200);
	check_step(&f, 0x200);
	check_end(f);
}

static void unwinding_of_corrupt_chains_ends(void **state)
{
	frame_record(4, address(8), 0x300);
	check_chain_ends_after_one(address(8)); /* to itself */
	check_chain_ends_after_one(address(4)); /* downwards, and from there back */
	check_chain_ends_after_one(address(8) + 4);
	check_chain_ends_after_one(address(STACK_WORDS));
	check_chain_ends_after_one(UINT64_MAX & ~7ULL);
}

/* Whatever is on the stack: no more steps than it has words. */
static void unwinding_of_random_stacks_ends(void **state)
{
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		struct unwind_frame f = { .fp = address((size_t)random() % STACK_WORDS) };
		int steps = 0;

		for (size_t i = 0; i < STACK_WORDS; i++)
			stack[i] = random() % 4 ? address((size_t)random() % STACK_WORDS)
						: (u64)random();
		while (step(&f))
			steps++;
		if (steps > STACK_WORDS)
			fail_msg("%d steps on a stack of %d words", steps, STACK_WORDS);
	}
}

int main(void)
{
#define STACK_TEST(name) cmocka_unit_test_setup_teardown(name, make_stack, free_stack)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup_finds_the_function_around_an_offset),
		cmocka_unit_test(lookup_before_the_first_function_finds_none),
		cmocka_unit_test(empty_table_finds_none),
		cmocka_unit_test(lookup_works_in_tables_of_every_size),
		cmocka_unit_test(the_script_takes_functions_only_and_sorts_them),
		cmocka_unit_test(the_script_makes_an_empty_table_of_nothing),
		cmocka_unit_test(the_script_refuses_input_without_a_start),
		STACK_TEST(unwind_walks_to_the_outermost_frame),
		STACK_TEST(unwind_ends_at_a_return_address_of_zero),
		STACK_TEST(unwind_reads_nothing_outside_of_the_stack),
		STACK_TEST(unwind_refuses_misaligned_records),
		STACK_TEST(unwinding_of_corrupt_chains_ends),
		STACK_TEST(unwinding_of_random_stacks_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
