// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/el2_layout.c */
/*
 * The layout of EL2's address space, over every width, both regimes, with and without LPA2, and
 * trampolines on each side of every boundary. What must hold is worked out here anew, by counting
 * instead of by formula where that is possible.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/el2_layout.h>

#define PAGE SZ_4K

static struct mmu_caps caps_of(bool lpa2)
{
	struct mmu_caps caps = { .pa_bits = lpa2 ? 52 : 48, .vhe = true };

	caps.s1_granule[GRANULE_4K] = true;
	caps.s1_lpa2[GRANULE_4K] = lpa2;
	return caps;
}

/* A machine whose RAM is Keel's 2 MiB and nothing else, with T on its first page. */
static struct el2_layout_in machine(unsigned int va_bits, bool e2h, u64 t,
				    const struct mmu_caps *caps)
{
	u64 image = ALIGN_DOWN(t, SZ_2M);

	return (struct el2_layout_in){
		.trampoline = PA(t),
		.va_bits = va_bits,
		.e2h = e2h,
		.image = PA(image),
		.image_size = SZ_2M,
		.ram_start = PA(image),
		.ram_end = PA(image + SZ_2M),
		.caps = caps,
	};
}

static const char *describe(const struct el2_layout_in *in)
{
	static char text[256];

	snprintf(text, sizeof(text),
		 "va_bits %u, E2H=%d, LPA2 %d, T %#lx, image %#lx+%#lx, RAM %#lx..%#lx",
		 in->va_bits, in->e2h, in->caps->s1_lpa2[GRANULE_4K], in->trampoline.v, in->image.v,
		 in->image_size, in->ram_start.v, in->ram_end.v);
	return text;
}

#define CHECK(cond)                                                  \
	do {                                                         \
		if (!(cond))                                         \
			fail_msg("%s: not %s", describe(in), #cond); \
	} while (0)

/* Levels of 4K tables that it takes until @bits bits of address are resolved. */
static int levels_for(unsigned int bits)
{
	unsigned int resolved = 12;
	int levels = 0;

	while (resolved < bits) {
		resolved += 9;
		levels++;
	}
	return levels;
}

/* Bits that an address takes, counted. */
static unsigned int width(u64 address)
{
	unsigned int bits = 0;

	for (; address; address >>= 1)
		bits++;
	return bits;
}

static bool meets(u64 a, u64 a_last, u64 b, u64 b_last)
{
	return a <= b_last && b <= a_last;
}

/* TCR_EL2 (D24.2.180): fields by the manual's bit numbers, for each regime. */
static void check_tcr(const struct el2_layout *l, const struct el2_layout_in *in)
{
	static const unsigned int ps_bits[] = { 32, 36, 40, 42, 44, 48, 52 };
	u64 tcr = l->tcr, rest = tcr;
	unsigned int t0sz = tcr & 0x3f, ps = (unsigned int)(tcr >> (in->e2h ? 32 : 16)) & 7;
	unsigned int ds_bit = in->e2h ? 59 : 32;

	CHECK(t0sz == 64u - l->ttbr0_bits);
	CHECK(t0sz <= 39 && t0sz >= (l->ds ? 12 : 16));
	CHECK((tcr >> 8 & 3) == 1);  /* IRGN0: write-back, allocating */
	CHECK((tcr >> 10 & 3) == 1); /* ORGN0 */
	CHECK((tcr >> 12 & 3) == 3); /* SH0: inner shareable */
	CHECK((tcr >> 14 & 3) == 0); /* TG0: 4K */
	CHECK((tcr >> ds_bit & 1) == l->ds);
	CHECK(ps < ARRAY_SIZE(ps_bits));
	CHECK(ps_bits[ps] == (l->ds ? 52 : 48) || ps_bits[ps] == in->caps->pa_bits);
	CHECK(ps_bits[ps] <= in->caps->pa_bits);
	rest &= ~(0x3fULL | 0xff00ULL | 1ULL << ds_bit);
	if (!in->e2h) {
		CHECK((tcr >> 31 & 1) && (tcr >> 23 & 1)); /* RES1 */
		rest &= ~(7ULL << 16 | 1ULL << 31 | 1ULL << 23);
	} else {
		CHECK((tcr >> 16 & 0x3f) == 64u - l->ttbr1_bits); /* T1SZ */
		CHECK((tcr >> 24 & 3) == 1);			  /* IRGN1 */
		CHECK((tcr >> 26 & 3) == 1);			  /* ORGN1 */
		CHECK((tcr >> 28 & 3) == 3);			  /* SH1 */
		CHECK((tcr >> 30 & 3) == 2);			  /* TG1: 4K is 0b10 */
		rest &= ~(0x3fULL << 16 | 0xffULL << 24 | 7ULL << 32);
	}
	CHECK(rest == 0); /* nothing else: EPDx, A1, TBIx, HA, HD, HPDx */
}

/* The choice of design: which half, by what T is. */
static void check_case(const struct el2_layout *l, const struct el2_layout_in *in)
{
	u64 t = in->trampoline.v, half = 1ULL << (in->va_bits - 1);

	if (in->e2h) {
		CHECK(l->which == EL2_TWO_BASES);
		CHECK(l->runtime_size == 2 * half);
		CHECK(l->runtime_base + l->runtime_size == 0);
	} else if (t / half == 0) {
		CHECK(l->which == EL2_TRAMPOLINE_LOWER);
		CHECK(l->runtime_base == half && l->runtime_size == half);
	} else {
		CHECK(l->which == (t / half == 1 ? EL2_TRAMPOLINE_UPPER : EL2_TRAMPOLINE_BEYOND));
		CHECK(l->runtime_base == 0 && l->runtime_size == half);
	}
}

/* The ranges of the bases hold what must be mapped, and are not wider than that. */
static void check_bases(const struct el2_layout *l, const struct el2_layout_in *in)
{
	unsigned int t_bits = width(in->trampoline.v + PAGE - 1);
	unsigned int need0 = in->e2h ? t_bits : width(l->runtime_base + l->runtime_size - 1);

	need0 = MAX(need0, t_bits);
	CHECK(l->ttbr0_bits == (in->e2h ? MAX(need0, 25u) : MAX(need0, in->va_bits)));
	CHECK(3 - l->ttbr0_level + 1 == levels_for(l->ttbr0_bits));
	CHECK(levels_for(l->ttbr0_bits) == MAX(levels_for(need0), levels_for(25)) ||
	      levels_for(l->ttbr0_bits) == levels_for(in->va_bits));
	CHECK(l->ttbr1_bits == (in->e2h ? in->va_bits : 0));
	if (in->e2h)
		CHECK(3 - l->ttbr1_level + 1 == levels_for(in->va_bits));
	/* D8.2.4: input ranges above 48 bits, and output addresses above 48, take DS. */
	CHECK(l->ds || (l->ttbr0_bits <= 48 && l->ttbr1_bits <= 48));
	CHECK(!l->ds || in->caps->s1_lpa2[GRANULE_4K]);
	if (in->caps->s1_lpa2[GRANULE_4K] && in->ram_end.v > 1ULL << 48)
		CHECK(l->ds);
	if (l->ttbr0_bits <= 48 && l->ttbr1_bits <= 48 && in->ram_end.v <= 1ULL << 48)
		CHECK(!l->ds);
}

/* The windows lie in the runtime range, apart, and do not hold its first or last 2 MiB. */
static void check_windows(const struct el2_layout *l, const struct el2_layout_in *in)
{
	u64 first = l->runtime_base, last = l->runtime_base + l->runtime_size - 1;
	u64 linear = l->linear_start.v + l->linear_offset;
	u64 linear_last = l->linear_end.v - 1 + l->linear_offset;
	u64 private_last = l->private_end - 1;

	CHECK(!meets(first, last, in->trampoline.v, in->trampoline.v + PAGE - 1));
	CHECK(l->linear_start.v < l->linear_end.v);
	CHECK(linear == first + SZ_2M);
	CHECK(linear <= linear_last && linear_last <= last);
	CHECK(linear_last < l->private_base);
	CHECK(l->private_base - linear_last - 1 >= PAGE); /* a guard between the two */
	CHECK(l->private_base < l->private_end);
	CHECK(private_last <= last - SZ_2M && private_last >= first);
	/* Room for stacks and windows: an eighth at least. */
	CHECK(l->private_end - l->private_base >= l->runtime_size / 8);
	/* Blocks of 2 MiB fit: physical and virtual addresses agree in their low bits. */
	CHECK(IS_ALIGNED(l->linear_offset, SZ_2M) && IS_ALIGNED(l->linear_start.v, SZ_2M));
	CHECK(IS_ALIGNED(l->linear_end.v, SZ_2M));
	CHECK(l->linear_start.v <= in->image.v);
	CHECK(in->image.v + in->image_size <= l->linear_end.v);
	/* Never what is not RAM, beyond the block that RAM's ends are in. */
	CHECK(l->linear_start.v >= ALIGN_DOWN(in->ram_start.v, SZ_2M));
	CHECK(l->linear_end.v <= ALIGN_UP(in->ram_end.v, SZ_2M));
}

static void check_layout(const struct el2_layout_in *in)
{
	struct el2_layout l;
	int ret = el2_layout(&l, in);

	if (ret)
		fail_msg("%s: error %d", describe(in), ret);
	check_case(&l, in);
	check_bases(&l, in);
	check_windows(&l, in);
	check_tcr(&l, in);
}

static void check_refused(const struct el2_layout_in *in, int expected)
{
	struct el2_layout l, before;
	int ret;

	memset(&l, 0xa5, sizeof(l));
	before = l;
	ret = el2_layout(&l, in);
	if (ret != expected)
		fail_msg("%s: %d, expected %d", describe(in), ret, expected);
	CHECK(memcmp(&l, &before, sizeof(l)) == 0);
}

/* RAM around Keel's image, of all sizes up to all that the machine can have. */
static void check_ram_layouts(struct el2_layout_in in)
{
	u64 image = in.image.v, limit = 1ULL << (in.caps->s1_lpa2[GRANULE_4K] ? 52 : 48);
	static const u64 sizes[] = {
		SZ_2M, 64 * SZ_1M, SZ_1G, 256 * SZ_1G, 1ULL << 46, 1ULL << 52
	};

	check_layout(&in);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		u64 below = MIN(sizes[i], image), above = MIN(sizes[i], limit - image - SZ_2M);

		in.ram_start = PA(image - below);
		in.ram_end = PA(image + SZ_2M);
		check_layout(&in);
		in.ram_end = PA(image + SZ_2M + above);
		check_layout(&in);
		in.ram_start = PA(image);
		check_layout(&in);
		/* RAM that does not begin or end on a block */
		in.ram_start = PA(image - below + (below ? 3 * PAGE : 0));
		in.ram_end = PA(image + SZ_2M + above - (above ? PAGE : 0));
		check_layout(&in);
	}
}

static void check_trampoline(unsigned int va_bits, bool e2h, u64 t, const struct mmu_caps *caps)
{
	unsigned int max = caps->s1_lpa2[GRANULE_4K] ? 52 : 48;
	struct el2_layout_in in = machine(va_bits, e2h, t, caps);

	if (va_bits < EL2_VA_BITS_MIN || va_bits > max)
		check_refused(&in, -EINVAL);
	else if (t >> max)
		check_refused(&in, -ERANGE);
	else
		check_ram_layouts(in);
}

static void every_width_regime_and_trampoline_gives_a_valid_layout(void **state)
{
	static const s64 around[] = { -2 * (s64)SZ_2M, -(s64)SZ_2M, -(s64)PAGE, 0, PAGE, SZ_2M };

	for (unsigned int n = 0; n < 4; n++) {
		struct mmu_caps caps = caps_of(n & 1);
		bool e2h = n & 2;

		for (unsigned int va_bits = 25; va_bits <= 53; va_bits++) {
			check_trampoline(va_bits, e2h, 0, &caps);
			check_trampoline(va_bits, e2h, PAGE, &caps);
			check_trampoline(va_bits, e2h, 0x40000000, &caps);
			/* each boundary that there can be, this width's own among them */
			for (unsigned int bit = 24; bit <= 53; bit++)
				for (size_t i = 0; i < ARRAY_SIZE(around); i++)
					check_trampoline(va_bits, e2h,
							 (1ULL << bit) + (u64)around[i], &caps);
		}
	}
}

/* The argument of design.md: with one base the half that T is in is never the runtime range. */
static void no_trampoline_can_meet_the_runtime_range(void **state)
{
	struct mmu_caps caps = caps_of(true);
	u64 seed = 1;

	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int va_bits;
		struct el2_layout l;
		struct el2_layout_in at, *in = &at;
		u64 t;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		va_bits = 28 + (unsigned int)(seed >> 40) % 25;
		t = ALIGN_DOWN((seed >> 12) >> (seed >> 59), PAGE);
		at = machine(va_bits, seed >> 33 & 1, t, &caps);
		assert_int_equal(el2_layout(&l, in), 0);
		CHECK(t - l.runtime_base >= l.runtime_size);
		CHECK(!at.e2h == (l.which != EL2_TWO_BASES));
	}
}

/* D8.2.4: the start level for each width of input address, as the manual's table has them. */
static void start_levels_follow_from_the_width(void **state)
{
	for (unsigned int bits = 25; bits <= 52; bits++) {
		int expected = bits <= 30 ? 2 : bits <= 39 ? 1 : bits <= 48 ? 0 : -1;

		if (el2_start_level(bits) != expected)
			fail_msg("%u bits: start level %d, expected %d", bits,
				 el2_start_level(bits), expected);
	}
}

/* The default: QEMU's RAM at 1 GiB, 39 bits, three levels; nothing costs a fourth. */
static void the_usual_machines_have_three_levels(void **state)
{
	struct mmu_caps caps = caps_of(false);
	struct el2_layout_in in = machine(EL2_VA_BITS_DEFAULT, false, 0x40200000, &caps);
	struct el2_layout l;

	assert_int_equal(el2_layout(&l, &in), 0);
	assert_int_equal(l.which, EL2_TRAMPOLINE_LOWER);
	assert_int_equal(l.ttbr0_level, 1);
	assert_int_equal(l.runtime_base, 1ULL << 38);
	assert_int_equal(l.tcr, 0x80853519);
	in.e2h = true;
	assert_int_equal(el2_layout(&l, &in), 0);
	assert_int_equal(l.ttbr0_level, 1);
	assert_int_equal(l.ttbr1_level, 1);
	assert_int_equal(l.runtime_base, 0xffffff8000000000);
	/* T at 1 GiB takes 31 bits, T below it 30: two levels do for TTBR0. */
	in = machine(EL2_VA_BITS_DEFAULT, true, 0x200000, &caps);
	assert_int_equal(el2_layout(&l, &in), 0);
	assert_int_equal(l.ttbr0_level, 2);
}

/* TCR_EL2.PS is the machine's, but 48 bits at most without DS. */
static void output_size_follows_the_machine(void **state)
{
	static const struct {
		u8 pa_bits;
		bool lpa2;
		unsigned int va_bits, ps;
	} rows[] = {
		{ 32, false, 39, 0 }, { 36, false, 39, 1 }, { 40, false, 39, 2 },
		{ 42, false, 39, 3 }, { 44, false, 39, 4 }, { 48, false, 39, 5 },
		{ 52, false, 39, 5 }, { 52, true, 39, 5 },  { 52, true, 49, 6 },
		{ 56, true, 49, 6 },  { 56, true, 39, 5 },  { 48, true, 52, 5 },
	};

	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		bool e2h = i % 2;
		struct mmu_caps caps = caps_of(rows[i / 2].lpa2);
		struct el2_layout_in in = machine(rows[i / 2].va_bits, e2h, 0x40000000, &caps);
		struct el2_layout l;
		unsigned int ps;

		caps.pa_bits = rows[i / 2].pa_bits;
		assert_int_equal(el2_layout(&l, &in), 0);
		ps = (unsigned int)(l.tcr >> (e2h ? 32 : 16)) & 7;
		if (ps != rows[i / 2].ps)
			fail_msg("%u-bit machine, %s: PS %u, expected %u", caps.pa_bits,
				 describe(&in), ps, rows[i / 2].ps);
	}
}

static void bad_input_is_refused(void **state)
{
	struct mmu_caps caps = caps_of(false);
	const struct el2_layout_in good = machine(39, false, 0x40000000, &caps);
	struct el2_layout_in in = good;

	check_layout(&in);
	in.trampoline = PA(0x40000800);
	check_refused(&in, -EINVAL);
	in = good;
	in.image = PA(0x40100000);
	check_refused(&in, -EINVAL);
	in = good;
	in.image_size = 0;
	check_refused(&in, -EINVAL);
	in = good;
	in.ram_end = in.ram_start;
	check_refused(&in, -EINVAL);
	in.ram_end = PA(in.ram_start.v - SZ_2M);
	check_refused(&in, -EINVAL);
	in = good;
	caps.s1_granule[GRANULE_4K] = false;
	caps.s1_granule[GRANULE_64K] = true;
	check_refused(&in, -EINVAL);
}

/* Keel's image must be in RAM, and in the window. */
static void an_image_that_does_not_fit_is_refused(void **state)
{
	struct mmu_caps caps = caps_of(false);

	for (unsigned int e2h = 0; e2h < 2; e2h++) {
		struct el2_layout_in in = machine(28, e2h, 0x40000000, &caps);
		/* three quarters of the runtime range, without the guard of the null pointer */
		u64 room = (e2h ? 192 : 96) * SZ_1M - SZ_2M;

		in.ram_end = PA(0x40000000 + SZ_1G);
		in.image_size = room;
		check_layout(&in);
		in.image_size = room + 1;
		check_refused(&in, -ERANGE);
		in.image_size = SZ_2M;
		in.ram_start = PA(0x40200000);
		check_refused(&in, -ERANGE);
		in.ram_start = PA(0x30000000);
		in.ram_end = PA(0x40200000);
		check_layout(&in);
		in.image_size = 2 * SZ_2M;
		check_refused(&in, -ERANGE);
	}
}

/* RAM larger than the window: the window shows the image, and as much as it can besides. */
static void a_small_window_is_full_and_shows_the_image(void **state)
{
	struct mmu_caps caps = caps_of(false);
	struct el2_layout_in at = machine(28, false, 0x40000000, &caps), *in = &at;
	const u64 room = 94 * SZ_1M;
	struct el2_layout l;

	at.ram_end = PA(0x80000000);
	for (u64 image = 0x40000000; image < 0x80000000; image += 31 * SZ_2M) {
		at.image = PA(image);
		check_layout(&at);
		assert_int_equal(el2_layout(&l, &at), 0);
		CHECK(l.linear_end.v - l.linear_start.v == room);
	}
}

static void each_case_has_a_name(void **state)
{
	for (int a = EL2_TRAMPOLINE_LOWER; a <= EL2_TWO_BASES; a++) {
		assert_non_null(el2_case_name((enum el2_case)a));
		for (int b = a + 1; b <= EL2_TWO_BASES; b++)
			assert_string_not_equal(el2_case_name((enum el2_case)a),
						el2_case_name((enum el2_case)b));
	}
	assert_non_null(strstr(el2_case_name(EL2_TRAMPOLINE_UPPER), "trampoline in the upper"));
	assert_non_null(strstr(el2_case_name(EL2_TRAMPOLINE_LOWER), "trampoline in the lower"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_width_regime_and_trampoline_gives_a_valid_layout),
		cmocka_unit_test(no_trampoline_can_meet_the_runtime_range),
		cmocka_unit_test(start_levels_follow_from_the_width),
		cmocka_unit_test(the_usual_machines_have_three_levels),
		cmocka_unit_test(output_size_follows_the_machine),
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(an_image_that_does_not_fit_is_refused),
		cmocka_unit_test(a_small_window_is_full_and_shows_the_image),
		cmocka_unit_test(each_case_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
