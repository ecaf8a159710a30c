// SPDX-License-Identifier: BSD-2-Clause
/* The arm64 Image header: what is accepted, and a clear error for what is not. */
/* SOURCES: hyp/host/image.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <host/image.h>
#include <lib/errno.h>

/* Little-endian, like the machine that runs the tests. */
struct header {
	u32 code[2];
	u64 text_offset, image_size, flags, res[3];
	u32 magic, pe_offset;
};

static struct header debian(void)
{
	return (struct header){
		.code = { 0x14000000, 0xd503201f },
		.image_size = 0x1e00000,
		.flags = 0xa, /* 4K pages, anywhere */
		.magic = 0x644d5241,
	};
}

/* Checks a file of @size bytes that begins with @h; only the header is really there. */
static int check(const struct header *h, size_t size, struct image_info *out, const char **why)
{
	size_t there = size < sizeof(*h) ? size : sizeof(*h);
	char *copy = malloc(there ? there : 1);
	int err;

	memcpy(copy, h, there);
	*why = NULL;
	memset(out, 0xa5, sizeof(*out));
	err = image_check(copy, size, out, why);
	free(copy);
	return err;
}

static struct image_info accepted(const struct header *h, size_t size)
{
	struct image_info info;
	const char *why;
	int err = check(h, size, &info, &why);

	if (err)
		fail_msg("refused: %d %s", err, why);
	return info;
}

static void is_refused(const struct header *h, size_t size, int err, const char *line)
{
	struct image_info info, untouched;
	const char *why;
	int got = check(h, size, &info, &why);

	memset(&untouched, 0xa5, sizeof(untouched));
	if (got != err || !why || !strstr(why, line))
		fail_msg("got %d \"%s\", expected %d and \"%s\"", got, why ? why : "-", err, line);
	assert_memory_equal(&info, &untouched, sizeof(info));
}

static void an_image_of_debians_is_accepted(void **state)
{
	struct header h = debian();
	struct image_info i = accepted(&h, 0x1d00000);

	assert_int_equal(i.text_offset, 0);
	assert_int_equal(i.file_size, 0x1d00000);
	assert_int_equal(i.image_size, 0x1e00000);
	assert_int_equal(i.page_size, IMAGE_PAGE_4K);
	assert_true(i.anywhere);
}

static void flags_say_page_size_and_place(void **state)
{
	for (unsigned int page = 0; page < 4; page++) {
		struct header h = debian();

		h.flags = page << 1;
		assert_int_equal(accepted(&h, 4096).page_size, page);
		assert_false(accepted(&h, 4096).anywhere);
	}
}

static void a_file_larger_than_image_size_counts(void **state)
{
	struct header h = debian();

	assert_int_equal(accepted(&h, 0x1e00001).image_size, 0x1e00001);
}

static void a_header_without_image_size_is_an_old_kernels(void **state)
{
	struct header h = debian();
	struct image_info i;

	h.image_size = 0;
	h.flags = 0;
	h.text_offset = ~0ULL; /* of no meaning without image_size */
	i = accepted(&h, 8 << 20);
	assert_int_equal(i.text_offset, 0x80000);
	assert_int_equal(i.image_size, (8 + 16) << 20);
	assert_false(i.anywhere);
}

static void text_offset_is_below_2_mib(void **state)
{
	struct header h = debian();

	h.text_offset = 0x1ff000;
	assert_int_equal(accepted(&h, 4096).text_offset, 0x1ff000);
	h.text_offset = 0x200000;
	is_refused(&h, 4096, -EINVAL, "text_offset");
}

static void an_impossible_size_is_refused(void **state)
{
	struct header h = debian();

	h.image_size = ~0ULL;
	is_refused(&h, 4096, -EINVAL, "image_size");
	h.image_size = 1ULL << 56;
	is_refused(&h, 4096, -EINVAL, "image_size");
	/* whether it fits is not the header's matter */
	h.image_size--;
	assert_int_equal(accepted(&h, 4096).image_size, (1ULL << 56) - 1);
}

static void a_file_without_the_magic_is_refused(void **state)
{
	struct header h = debian();

	is_refused(&h, 63, -EINVAL, "no arm64 Image");
	is_refused(&h, 0, -EINVAL, "no arm64 Image");
	h.magic ^= 1;
	is_refused(&h, 4096, -EINVAL, "no arm64 Image");
}

static void a_big_endian_kernel_is_refused(void **state)
{
	struct header h = debian();

	h.flags |= 1;
	is_refused(&h, 4096, -EOPNOTSUPP, "big-endian");
}

static void a_compressed_kernel_is_refused_by_its_format(void **state)
{
	struct header h = { 0 };

	memcpy(&h, "\x1f\x8b\x08", 3);
	is_refused(&h, 4096, -EOPNOTSUPP, "gzip");
	is_refused(&h, 3, -EOPNOTSUPP, "gzip");
	memcpy(&h, "\x28\xb5\x2f\xfd", 4);
	is_refused(&h, 4096, -EOPNOTSUPP, "zstd");
	memcpy(&h, "MZ\0\0zimg", 8);
	is_refused(&h, 4096, -EOPNOTSUPP, "zboot");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_of_debians_is_accepted),
		cmocka_unit_test(flags_say_page_size_and_place),
		cmocka_unit_test(a_file_larger_than_image_size_counts),
		cmocka_unit_test(a_header_without_image_size_is_an_old_kernels),
		cmocka_unit_test(text_offset_is_below_2_mib),
		cmocka_unit_test(an_impossible_size_is_refused),
		cmocka_unit_test(a_file_without_the_magic_is_refused),
		cmocka_unit_test(a_big_endian_kernel_is_refused),
		cmocka_unit_test(a_compressed_kernel_is_refused_by_its_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
