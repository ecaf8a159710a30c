// SPDX-License-Identifier: BSD-2-Clause
/* The layout of EL2's address space (docs/el2-address-space.md). */
#include <arch/reg_bits.h>
#include <lib/errno.h>
#include <mm/el2_layout.h>

/*
 * D8.2.4: T0SZ is at most 39, so an input range has at least 25 bits (16 with FEAT_TTST, unused).
 */
#define S1_BITS_MIN	 25U
#define S1_BITS_MAX	 48U
#define S1_BITS_MAX_LPA2 52U
/* Nothing is mapped in the first 2 MiB of the runtime range: a null pointer faults. */
#define NULL_GUARD SZ_2M

static const char *const case_names[] = {
	[EL2_TRAMPOLINE_LOWER] = "trampoline in the lower half, runtime in the upper",
	[EL2_TRAMPOLINE_UPPER] = "trampoline in the upper half, runtime in the lower",
	[EL2_TRAMPOLINE_BEYOND] = "trampoline beyond VA_BITS, runtime in the lower half",
	[EL2_TWO_BASES] = "trampoline in TTBR0, runtime in TTBR1",
};

const char *el2_case_name(enum el2_case which)
{
	return case_names[which];
}

int el2_start_level(unsigned int bits)
{
	return 3 - (int)((bits - 12 - 1) / 9);
}

/* Bits that it takes to hold the address of the last byte of the page at @pa. */
static unsigned int bits_for_page(struct pa pa)
{
	return 64 - (unsigned int)__builtin_clzll(pa.v | (SZ_4K - 1));
}

/* ID_AA64MMFR0_EL1.PARange, and with it TCR_EL2.PS, for a width; 48 bits unless DS is on. */
static unsigned int ps_field(unsigned int pa_bits, bool ds)
{
	static const u8 widths[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int ps = 0;

	if (!ds)
		pa_bits = MIN(pa_bits, 48U);
	while (ps + 1 < ARRAY_SIZE(widths) && widths[ps + 1] <= pa_bits)
		ps++;
	return ps;
}

static int check_input(const struct el2_layout_in *in)
{
	unsigned int max = in->caps->s1_lpa2[GRANULE_4K] ? S1_BITS_MAX_LPA2 : S1_BITS_MAX;

	if (!in->caps->s1_granule[GRANULE_4K])
		return -EINVAL;
	if (in->va_bits < EL2_VA_BITS_MIN || in->va_bits > max)
		return -EINVAL;
	if (!IS_ALIGNED(in->trampoline.v, SZ_4K) || !IS_ALIGNED(in->image.v, SZ_2M))
		return -EINVAL;
	if (in->ram_start.v >= in->ram_end.v || in->image_size == 0)
		return -EINVAL;
	if (bits_for_page(in->trampoline) > max)
		return -ERANGE;
	return 0;
}

/* Without VHE there is one base for both: the runtime range is the half that does not have T. */
static void place_one_base(struct el2_layout *l, const struct el2_layout_in *in)
{
	u64 half = BIT(in->va_bits - 1);
	u64 t = in->trampoline.v;

	l->ttbr0_bits = (u8)MAX(in->va_bits, bits_for_page(in->trampoline));
	l->runtime_size = half;
	if (t >= BIT(in->va_bits)) {
		l->which = EL2_TRAMPOLINE_BEYOND;
		l->runtime_base = 0;
	} else if (t & half) {
		l->which = EL2_TRAMPOLINE_UPPER;
		l->runtime_base = 0;
	} else {
		l->which = EL2_TRAMPOLINE_LOWER;
		l->runtime_base = half;
	}
}

/* With E2H=1 the runtime range has TTBR1 and the top of the address space alone. */
static void place_two_bases(struct el2_layout *l, const struct el2_layout_in *in)
{
	l->which = EL2_TWO_BASES;
	l->ttbr0_bits = (u8)MAX(S1_BITS_MIN, bits_for_page(in->trampoline));
	l->ttbr1_bits = (u8)in->va_bits;
	l->ttbr1_level = (s8)el2_start_level(in->va_bits);
	l->runtime_size = BIT(in->va_bits);
	l->runtime_base = -l->runtime_size;
}

/*
 * The linear window maps physical memory at a fixed offset. It takes up to three quarters of the
 * runtime range. If RAM is larger than that, the window covers the part of RAM around Keel's image.
 */
static int place_linear(struct el2_layout *l, const struct el2_layout_in *in)
{
	u64 room = ALIGN_DOWN(l->runtime_size / 4 * 3, SZ_2M) - NULL_GUARD;
	u64 start = ALIGN_DOWN(in->ram_start.v, SZ_2M);
	u64 end = ALIGN_UP(in->ram_end.v, SZ_2M);
	u64 image_end = ALIGN_UP(in->image.v + in->image_size, SZ_2M);

	if (in->image.v < start || image_end > end || image_end - in->image.v > room)
		return -ERANGE;
	if (image_end - start > room)
		start = image_end - room;
	end = MIN(end, start + room);

	l->linear_start = PA(start);
	l->linear_end = PA(end);
	l->linear_offset = l->runtime_base + NULL_GUARD - start;
	l->private_base = l->runtime_base + NULL_GUARD + (end - start) + SZ_2M;
	/* The last page is not used, so that "one past the end" never wraps to 0. */
	l->private_end = l->runtime_base + l->runtime_size - SZ_2M;
	return 0;
}

static u64 tcr_value(const struct el2_layout *l, const struct el2_layout_in *in)
{
	u64 ps = ps_field(in->caps->pa_bits, l->ds);
	u64 tcr = TCR_T0SZ(64U - l->ttbr0_bits) | TCR_IRGN0_WBWA | TCR_ORGN0_WBWA | TCR_SH0_INNER;

	if (!in->e2h)
		return tcr | TCR_EL2_RES1 | TCR_EL2_PS(ps) | (l->ds ? TCR_EL2_DS : 0);
	return tcr | TCR_E2H_T1SZ(64U - l->ttbr1_bits) | TCR_E2H_IRGN1_WBWA | TCR_E2H_ORGN1_WBWA |
	       TCR_E2H_SH1_INNER | TCR_E2H_TG1_4K | TCR_E2H_IPS(ps) | (l->ds ? TCR_E2H_DS : 0);
}

int el2_layout(struct el2_layout *out, const struct el2_layout_in *in)
{
	struct el2_layout l = { 0 };
	int ret = check_input(in);

	if (ret)
		return ret;
	if (in->e2h)
		place_two_bases(&l, in);
	else
		place_one_base(&l, in);
	l.ttbr0_level = (s8)el2_start_level(l.ttbr0_bits);
	/* D8.2.4: input ranges above 48 bits, and output addresses above 48 bits, need DS. */
	l.ds = l.ttbr0_bits > S1_BITS_MAX || l.ttbr1_bits > S1_BITS_MAX ||
	       (in->caps->s1_lpa2[GRANULE_4K] && in->ram_end.v > BIT(S1_BITS_MAX));
	ret = place_linear(&l, in);
	if (ret)
		return ret;
	l.tcr = tcr_value(&l, in);
	*out = l;
	return 0;
}
