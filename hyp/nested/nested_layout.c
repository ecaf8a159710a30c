// SPDX-License-Identifier: BSD-2-Clause
/* EL2's registers without VHE in the layout of VHE. See nested_layout.h. */
#include <arch/reg_bits.h>
#include <nested/nested_layout.h>

/* Adjacent bits of the one layout, and where they are in the other. */
struct moved_field {
	u8 from, width, to;
};

static u64 moved_fields(const struct moved_field *fields, size_t count, u64 value)
{
	u64 out = 0;

	for (size_t i = 0; i < count; i++)
		out |= (value >> fields[i].from & (BIT(fields[i].width) - 1)) << fields[i].to;
	return out;
}

u64 nested_layout_tcr(u64 tcr)
{
	static const struct moved_field fields[] = {
		{ 0, 6, 0 },   /* T0SZ */
		{ 8, 8, 8 },   /* IRGN0, ORGN0, SH0, TG0 */
		{ 16, 3, 32 }, /* PS, IPS */
		{ 20, 1, 37 }, /* TBI, TBI0 */
		{ 21, 2, 39 }, /* HA, HD */
		{ 24, 1, 41 }, /* HPD, HPD0 */
		{ 25, 4, 43 }, /* HWU59 to HWU62, of TTBR0 */
		{ 29, 1, 51 }, /* TBID, TBID0 */
		{ 30, 1, 57 }, /* TCMA, TCMA0 */
	};

	return moved_fields(fields, ARRAY_SIZE(fields), tcr) | TCR_EPD1;
}

u64 nested_layout_ttbr0(u64 ttbr0)
{
	return ttbr0 & GENMASK(47, 0);
}

u64 nested_layout_sctlr(u64 sctlr)
{
	static const struct moved_field fields[] = {
		{ 0, 4, 0 },   /* M, A, C, SA */
		{ 6, 1, 6 },   /* nAA */
		{ 11, 3, 11 }, /* EOS, I, EnDB */
		{ 19, 1, 19 }, /* WXN */
		{ 21, 2, 21 }, /* IESB, EIS */
		{ 25, 1, 25 }, /* EE */
		{ 27, 1, 27 }, /* EnDA */
		{ 30, 2, 30 }, /* EnIB, EnIA */
		{ 36, 2, 36 }, /* BT, ITFSB */
		{ 40, 2, 40 }, /* TCF */
		{ 43, 2, 43 }, /* ATA, DSSBS */
	};

	return moved_fields(fields, ARRAY_SIZE(fields), sctlr) | SCTLR_EL1_SPAN;
}

/* Where a bit of the one layout traps, the field of two bits of the other is 0, else 3. */
u64 nested_layout_cptr(u64 cptr)
{
	u64 out = cptr & (CPTR_TCPAC | CPTR_TAM);

	if (!(cptr & CPTR_TFP))
		out |= CPACR_FPEN;
	if (!(cptr & CPTR_TZ))
		out |= CPACR_ZEN;
	if (!(cptr & CPTR_TSM))
		out |= CPACR_SMEN;
	if (cptr & CPTR_TTA)
		out |= CPACR_TTA;
	return out;
}

u64 nested_layout_cnthctl(u64 cnthctl)
{
	static const struct moved_field fields[] = {
		{ 0, 2, 10 }, /* EL1PCTEN; EL1PCEN, EL1PTEN */
		{ 2, 6, 2 },  /* EVNTEN, EVNTDIR, EVNTI */
		{ 12, 8,
		  12 }, /* ECV, EL1TVT, EL1TVCT, EL1NVPCT, EL1NVVCT, EVNTIS, CNTVMASK, CNTPMASK */
	};

	return moved_fields(fields, ARRAY_SIZE(fields), cnthctl);
}
