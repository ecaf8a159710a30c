// SPDX-License-Identifier: BSD-2-Clause
/*
 * EL2's stage 1 (ARM DDI 0487, D8) has one privilege level while HCR_EL2.E2H is 0: AP[1] is RES1,
 * and one bit, XN, forbids execution. In EL1's stage 1 AP[1] lets EL0 in, what EL0 may write EL1
 * may not execute, and the bit that was XN is UXN, EL0's; EL1 has PXN.
 *
 *                   EL2, E2H=0      EL1             conversion
 *  bit 6            AP[1], RES1     AP[1]           0
 *  bit 11           nG, RES0        nG              0
 *  bit 53           RES0            PXN             XN
 *  bit 54           XN              UXN             as it is
 *  bit 59 (table)   RES0            PXNTable        XNTable
 *  bit 60 (table)   XNTable         UXNTable        as it is
 *  bit 61 (table)   RES0            APTable[0]      0
 */
#include <arch/reg_bits.h>
#include <efi/efi_regime.h>

#define PAGE_BITS    12
#define LEVEL_BITS   9
#define DESCRIPTORS  512
#define LAST_LEVEL   3
#define FIRST_BLOCKS 1 /* the first level with blocks */

#define DESC_VALID   BIT(0)
#define DESC_TABLE   BIT(1) /* at the last level: page */
#define DESC_AP1     BIT(6)
#define DESC_NG	     BIT(11)
#define DESC_PXN     BIT(53)
#define DESC_XN	     BIT(54)
#define TABLE_PXN    BIT(59)
#define TABLE_XN     BIT(60)
#define TABLE_AP0    BIT(61)
#define DESC_ADDRESS GENMASK(47, 12)
/* With TCR_EL2.DS, addresses have 52 bits: [49:12] in their places, [51:50] in bits 9:8. */
#define DESC_ADDRESS_DS GENMASK(49, 12)
#define DESC_HIGH_DS	GENMASK(9, 8)
#define TTBR_ADDRESS	GENMASK(47, 1)
#define TTBR_ADDRESS_DS GENMASK(47, 6)
#define TTBR_HIGH_DS	GENMASK(5, 2) /* [51:48] */

/* TCR_EL2 with E2H=0 */
#define TCR2_SAME (GENMASK(5, 0) | GENMASK(15, 8)) /* T0SZ, IRGN0, ORGN0, SH0, TG0: as TCR_EL1 */
#define TCR2_TG0  GENMASK(15, 14)
#define TCR2_PS	  GENMASK(18, 16)
#define TCR2_TBI  BIT(20)
#define TCR2_HA	  BIT(21)
#define TCR2_HD	  BIT(22)
#define TCR2_HPD  BIT(24)
#define TCR2_KNOWN \
	(TCR2_SAME | TCR2_PS | TCR2_TBI | TCR2_HA | TCR2_HD | TCR2_HPD | TCR_EL2_RES1 | TCR_EL2_DS)
/* TCR_EL1 */
#define TCR1_EPD1 BIT(23)
#define TCR1_IPS  GENMASK(34, 32)
#define TCR1_TBI0 BIT(37)
#define TCR1_HA	  BIT(39)
#define TCR1_HD	  BIT(40)
#define TCR1_HPD0 BIT(41)
#define TCR1_DS	  BIT(59)

#define T0SZ_LEAST    16
#define T0SZ_LEAST_DS 12
#define T0SZ_MOST     39

/*
 * The bits of SCTLR_EL2 that mean the same in SCTLR_EL1. Pointer authentication must go on: return
 * addresses on the stack have been signed, and without it they are no addresses.
 */
#define SCTLR_nAA  BIT(6)
#define SCTLR_EnDB BIT(13)
#define SCTLR_EnDA BIT(27)
#define SCTLR_SAME                                                                               \
	(SCTLR_M | SCTLR_A | SCTLR_C | SCTLR_SA | SCTLR_nAA | SCTLR_I | SCTLR_EnDB | SCTLR_WXN | \
	 SCTLR_EnDA | SCTLR_EL1_EnIB | SCTLR_EL1_EnIA)

static u64 tcr_if(u64 tcr, u64 bit, u64 then)
{
	return tcr & bit ? then : 0;
}

static u64 tcr_el1_of(u64 tcr)
{
	return (tcr & TCR2_SAME) | TCR1_EPD1 | FIELD_PREP(TCR1_IPS, FIELD_GET(TCR2_PS, tcr)) |
	       tcr_if(tcr, TCR2_TBI, TCR1_TBI0) | tcr_if(tcr, TCR2_HA, TCR1_HA) |
	       tcr_if(tcr, TCR2_HD, TCR1_HD) | tcr_if(tcr, TCR2_HPD, TCR1_HPD0) |
	       tcr_if(tcr, TCR_EL2_DS, TCR1_DS);
}

static const char *read_root(struct efi_el1_regime *out)
{
	u64 t0sz = out->tcr & TCR_T0SZ_BITS;
	unsigned int bits;

	out->ds = out->tcr & TCR1_DS;
	if (out->tcr & TCR2_TG0)
		return "firmware's page tables at EL2 are not of 4 KiB";
	if (t0sz < (out->ds ? T0SZ_LEAST_DS : T0SZ_LEAST) || t0sz > T0SZ_MOST)
		return "firmware's TCR_EL2.T0SZ is out of range";
	bits = 64 - (unsigned int)t0sz - PAGE_BITS;
	out->level = LAST_LEVEL + 1 - (int)((bits + LEVEL_BITS - 1) / LEVEL_BITS);
	out->root_size = 1U << ((bits - 1) % LEVEL_BITS + 1);
	out->root = out->ds ? (out->ttbr0 & TTBR_ADDRESS_DS) | FIELD_GET(TTBR_HIGH_DS, out->ttbr0)
								       << 48
			    : out->ttbr0 & TTBR_ADDRESS;
	if (!IS_ALIGNED(out->root, MIN(out->root_size * sizeof(u64), SZ_4K)))
		return "firmware's TTBR0_EL2 is not aligned";
	return NULL;
}

const char *efi_regime_read(const struct efi_el2_state *el2, struct efi_el1_regime *out)
{
	bool e2h = el2->hcr & HCR_E2H;

	*out = (struct efi_el1_regime){
		.sctlr = SCTLR_EL1_RESET | SCTLR_EL1_SPAN | (el2->sctlr & SCTLR_SAME),
		.tcr = e2h ? el2->tcr : tcr_el1_of(el2->tcr),
		.ttbr0 = el2->ttbr0,
		.ttbr1 = e2h ? el2->ttbr1 : 0,
		.mair = el2->mair,
		.mmu = el2->sctlr & SCTLR_M,
	};
	if (el2->sctlr & SCTLR_EE)
		return "firmware is big-endian at EL2";
	/* Keel's EL2 has zeroed both. What they mean for tables and exceptions EL1 would lack. */
	if (el2->tcr2)
		return "firmware uses TCR2_EL2, which Keel does not know";
	if (el2->sctlr2)
		return "firmware uses SCTLR2_EL2, which Keel does not know";
	if (!out->mmu)
		return NULL;
	out->convert = !e2h;
	if (e2h)
		return NULL;
	if (el2->tcr & ~TCR2_KNOWN)
		return "firmware's TCR_EL2 has bits that Keel does not know";
	return read_root(out);
}

/* A walk over all tables; checks them, or converts them. */
struct efi_walk {
	const struct efi_table_ops *ops;
	void *ctx;
	bool convert, ds;
	unsigned int tables; /* seen so far */
	const char *why;
};

static u64 with_bit(u64 desc, u64 bit, bool set)
{
	return set ? desc | bit : desc & ~bit;
}

static u64 convert_leaf(u64 desc)
{
	return with_bit(desc & ~(DESC_AP1 | DESC_NG), DESC_PXN, desc & DESC_XN);
}

static u64 convert_table(u64 desc)
{
	return with_bit(desc & ~TABLE_AP0, TABLE_PXN, desc & TABLE_XN);
}

static bool is_next_table(u64 desc, int level)
{
	return (desc & DESC_VALID) && (desc & DESC_TABLE) && level < LAST_LEVEL;
}

static bool maps_memory(const struct efi_walk *w, u64 desc, int level)
{
	int first = FIRST_BLOCKS - (w->ds ? 1 : 0);

	if (!(desc & DESC_VALID))
		return false;
	return desc & DESC_TABLE ? level == LAST_LEVEL : level >= first && level < LAST_LEVEL;
}

static u64 table_address(const struct efi_walk *w, u64 desc)
{
	if (!w->ds)
		return desc & DESC_ADDRESS;
	return (desc & DESC_ADDRESS_DS) | FIELD_GET(DESC_HIGH_DS, desc) << 50;
}

static void visit_descriptor(const struct efi_walk *w, u64 *at, int level)
{
	u64 desc = *at, now = desc;

	if (is_next_table(desc, level))
		now = convert_table(desc);
	else if (maps_memory(w, desc, level))
		now = convert_leaf(desc);
	if (w->convert && now != desc)
		*at = now;
}

/* A table of a level: its address and the number of descriptors. */
struct table_at {
	u64 pa;
	int level;
	unsigned int size;
};

/*
 * Visit the descriptors from @from on, up to the first one that points to a table.
 *
 * Return: its index, and the table's address in @next; @t->size if there is none.
 */
static unsigned int visit_some(struct efi_walk *w, const struct table_at *t, unsigned int from,
			       u64 *next)
{
	u64 page = ALIGN_DOWN(t->pa, SZ_4K);
	u64 *opened = w->ops->open(w->ctx, page), *table;
	unsigned int i = from;

	if (!opened) {
		w->why = "firmware's page tables at EL2 are not in the host's memory";
		return t->size;
	}
	table = opened + (t->pa - page) / sizeof(u64);
	for (; i < t->size; i++) {
		visit_descriptor(w, &table[i], t->level);
		if (is_next_table(table[i], t->level)) {
			*next = table_address(w, table[i]);
			break;
		}
	}
	w->ops->close(w->ctx, opened);
	return i;
}

/* Five levels deep at most. */
static void visit_table(struct efi_walk *w, struct table_at t)
{
	u64 next = 0;

	if (++w->tables > EFI_TABLES_MAX) {
		w->why = "firmware has too many page tables at EL2";
		return;
	}
	for (unsigned int i = 0; i < t.size && !w->why; i++) {
		i = visit_some(w, &t, i, &next);
		if (i < t.size)
			visit_table(w, (struct table_at){ next, t.level + 1, DESCRIPTORS });
	}
}

static const char *visit_all(const struct efi_el1_regime *regime, struct efi_walk *w)
{
	w->ds = regime->ds;
	if (regime->convert)
		visit_table(w, (struct table_at){ regime->root, regime->level, regime->root_size });
	return w->why;
}

const char *efi_tables_check(const struct efi_el1_regime *regime, const struct efi_table_ops *ops,
			     void *ctx)
{
	struct efi_walk w = { .ops = ops, .ctx = ctx };

	return visit_all(regime, &w);
}

void efi_tables_convert(const struct efi_el1_regime *regime, const struct efi_table_ops *ops,
			void *ctx)
{
	struct efi_walk w = { .ops = ops, .ctx = ctx, .convert = true };

	(void)visit_all(regime, &w);
}
