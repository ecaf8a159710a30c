// SPDX-License-Identifier: BSD-2-Clause
/*
 * The walk of a guest hypervisor's stage 2.
 *
 *   VTCR_EL2, VTTBR_EL2,    s2_tables_decode()
 *   HCR_EL2, SCTLR_EL2  ──> granule, start level, root, ...
 *                                 │ struct s2_tables
 *   IPA, access         ──> s2_walk()
 *                             walk_to_leaf()     level by level; Translation and Address size
 *                                 │              faults, External aborts
 *                             fill_leaf()        size, permissions, memory attributes
 *                             check_leaf()       Access flag and Permission faults
 *                             set_access_flag()
 *
 * The order of the faults is that of AArch64.S2Translate() and AArch64.S2Walk() (ARM DDI 0487, J1).
 */
#include <arch/reg_bits.h>
#include <cpu/assert.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <mm/stage2_geometry.h>
#include <nested/s2_walk.h>

/* ---- the shape (VTCR_EL2, VTTBR_EL2) ---- */

#define DESC_SIZE  8
#define DESC_SHIFT 3

#define NO_LEVEL      ((s8)-1) /* level -1 is FEAT_LPA2's, which no VM has */
#define MAX_CONCAT    4	       /* log2 of the tables that the root can be made of (D8.2) */
#define PS_52	      6	       /* VTCR_EL2.PS for 52 bits */
#define WIDE_BITS     52
#define NARROW_BITS   48
#define WIDE_MIN_ROOT 6 /* log2 of the root's alignment with 52-bit addresses */

/* VTCR_EL2.TG0; 0b11 is reserved. */
static const enum granule granule_of_tg0[] = { GRANULE_4K, GRANULE_64K, GRANULE_16K,
					       GRANULE_COUNT };

/* VTCR_EL2.SL0: the start level, and the PARange without which it is not allowed. */
static const struct start {
	s8 level;
	u8 pa_bits;
} starts[GRANULE_COUNT][4] = {
	[GRANULE_4K] = { { 2, 0 }, { 1, 0 }, { 0, 44 }, { 3, 0 } },
	[GRANULE_16K] = { { 3, 0 }, { 2, 0 }, { 1, 42 }, { NO_LEVEL, 0 } },
	[GRANULE_64K] = { { 3, 0 }, { 2, 0 }, { 1, 44 }, { NO_LEVEL, 0 } },
};

/* VTCR_EL2.PS */
static const u8 ps_bits[] = { 32, 36, 40, 42, 44, 48, 52, 52 };

/*
 * A reserved value of TG0, or the code of a granule that is not implemented, acts as one that is
 * implemented, which one is IMPLEMENTATION DEFINED.
 */
static enum granule choose_granule(u64 vtcr, const struct mmu_caps *caps)
{
	enum granule granule = granule_of_tg0[FIELD_GET(VTCR_TG0, vtcr)];

	if (granule < GRANULE_COUNT && caps->s2_granule[granule])
		return granule;
	for (granule = GRANULE_4K; granule < GRANULE_64K; granule++)
		if (caps->s2_granule[granule])
			break;
	return granule;
}

/* IPA bits between what a page covers and what the start level has to resolve. */
static unsigned int bits_below_root(const struct pgtable_format *fmt)
{
	return pgtable_level_shift(fmt, fmt->start_level);
}

/* AArch64.S2InvalidSL(). 4K's level 3 came with FEAT_TTST. */
static bool start_allowed(const struct pgtable_format *fmt, const struct start *start,
			  const struct mmu_caps *caps)
{
	if (start->level == NO_LEVEL || caps->pa_bits < start->pa_bits)
		return false;
	return fmt->granule != GRANULE_4K || start->level != 3 || caps->small_tables;
}

/* AArch64.S2InconsistentSL(): the root resolves at least one bit, at most 16 tables' worth. */
static bool start_reaches(const struct pgtable_format *fmt)
{
	unsigned int low = bits_below_root(fmt);
	unsigned int table = granule_shift(fmt->granule) - 3;

	return fmt->ia_bits > low && fmt->ia_bits <= low + table + MAX_CONCAT;
}

static bool size_allowed(const struct pgtable_format *fmt, const struct mmu_caps *caps)
{
	return fmt->ia_bits <= stage2_max_ia_bits(fmt->granule, caps) &&
	       fmt->ia_bits >= stage2_min_ia_bits(fmt->granule, caps);
}

/* log2 of the bytes of the root, which it is aligned to (AArch64.S2TTBaseAddress()). */
static unsigned int root_shift(const struct s2_tables *tables)
{
	return tables->fmt.ia_bits - bits_below_root(&tables->fmt) + 3;
}

/* With 64K pages and 52-bit addresses BADDR has bits 51:48 in its low bits. */
struct ipa s2_tables_root(const struct s2_tables *tables, u64 ttbr)
{
	unsigned int align = root_shift(tables);
	u64 root = ttbr & VTTBR_BADDR;

	if (tables->address_bits == WIDE_BITS) {
		root |= FIELD_GET(VTTBR_BADDR_51_48, ttbr) << NARROW_BITS;
		align = MAX(align, WIDE_MIN_ROOT);
	}
	return IPA(ALIGN_DOWN(root, BIT(align)));
}

void s2_tables_set_sizes(struct s2_tables *tables, u8 pa_bits, u64 ps)
{
	struct pgtable_format *fmt = &tables->fmt;
	u8 limit = fmt->granule == GRANULE_64K ? WIDE_BITS : NARROW_BITS;

	fmt->oa_bits = MIN(pa_bits, limit);
	tables->address_bits = MIN(fmt->oa_bits, ps_bits[ps]);
	if (fmt->granule != GRANULE_64K || fmt->oa_bits <= NARROW_BITS)
		tables->plain_oa = pgtable_oa_mask(fmt);
}

static void decode_shape(struct s2_tables *tables, u64 vtcr, const struct mmu_caps *caps)
{
	struct pgtable_format *fmt = &tables->fmt;
	const struct start *start;

	fmt->granule = choose_granule(vtcr, caps);
	start = &starts[fmt->granule][FIELD_GET(VTCR_SL0, vtcr)];
	fmt->ia_bits = (u8)(64 - FIELD_GET(VTCR_T0SZ, vtcr));
	fmt->start_level = MAX(start->level, 0);
	s2_tables_set_sizes(tables, caps->pa_bits, FIELD_GET(VTCR_PS, vtcr));
	tables->misshapen = !size_allowed(fmt, caps) || !start_allowed(fmt, start, caps) ||
			    !start_reaches(fmt);
}

static u16 vmid_of(const struct s2_walk_regs *regs, const struct mmu_caps *caps)
{
	u16 vmid = (u16)FIELD_GET(VTTBR_VMID, regs->vttbr_el2);

	return caps->vmid_bits == 16 && (regs->vtcr_el2 & VTCR_VS) ? vmid : vmid & 0xff;
}

void s2_tables_decode(struct s2_tables *tables, const struct s2_walk_regs *regs,
		      const struct mmu_caps *caps)
{
	ASSERT(!caps->s2_lpa2[GRANULE_4K] && !caps->s2_lpa2[GRANULE_16K]);
	*tables = (struct s2_tables){
		.xnx = caps->xnx,
		.fwb = caps->fwb && (regs->hcr_el2 & HCR_FWB),
		.ptw = regs->hcr_el2 & HCR_PTW,
		.big_endian = regs->sctlr_el2 & SCTLR_EE,
		.hw_access = caps->hw_access && (regs->vtcr_el2 & VTCR_HA),
		.vmid = vmid_of(regs, caps),
	};
	decode_shape(tables, regs->vtcr_el2, caps);
	if (!tables->misshapen)
		tables->root = s2_tables_root(tables, regs->vttbr_el2);
}

/* ---- the walk ---- */

/* Bits of a stage 2 leaf descriptor (D8.3.2). */
#define S2_DESC_MEMATTR GENMASK(5, 2)
#define S2_DESC_S2AP_R	BIT(6)
#define S2_DESC_S2AP_W	BIT(7)
#define S2_DESC_SH	GENMASK(9, 8)
#define S2_DESC_XN	GENMASK(54, 53)
#define S2_DESC_XN1	BIT(54)

/* MemAttr of Device memory: [3:2] are 0; with FEAT_S2FWB, [2] is (D8.6.5, D8.6.6). */
#define MEMATTR_NORMAL	   0xc
#define MEMATTR_NORMAL_FWB 0x4

/* Execute permissions by XN[1:0] (D8.4.2.2). */
static const u8 exec_of_xn[4] = { STAGE2_X, STAGE2_UX, 0, STAGE2_PX };

/* One try of a walk. */
struct walk {
	const struct s2_tables *tables;
	const struct s2_walk_memory *memory;
	u64 ipa;
	u64 raw;  /* the descriptor as it is in memory */
	u64 desc; /* the same as a number */
	s8 level;
	u8 shift; /* of an address to its descriptor's index at this level */
	struct s2_walk_result *out;
};

static enum s2_walk_end walk_fault(struct walk *walk, u8 type, s8 level)
{
	walk->out->fsc = type | (u8)level;
	walk->out->level = level;
	return S2_WALK_FAULT;
}

/* What a function of struct s2_walk_memory could not do. */
static enum s2_walk_end walk_error(struct walk *walk, int err)
{
	walk->out->level = walk->level;
	if (err == -EAGAIN)
		return S2_WALK_ASK_HOST;
	if (err == -EBUSY)
		return S2_WALK_TRY_AGAIN;
	return walk_fault(walk, ESR_FSC_EXTABT_WALK, walk->level);
}

static u64 to_memory_order(const struct s2_tables *tables, u64 value)
{
	return tables->big_endian ? __builtin_bswap64(value) : value;
}

/* Where in its table the descriptor of the walk's address is: the root has 16 tables at most. */
static u64 desc_offset(const struct walk *walk)
{
	const struct pgtable_format *fmt = &walk->tables->fmt;
	u64 size = walk->level == fmt->start_level ? BIT(root_shift(walk->tables))
						   : granule_size(fmt->granule);

	return ((walk->ipa >> walk->shift) * DESC_SIZE) & (size - 1);
}

static enum s2_walk_end read_desc(struct walk *walk, u64 table)
{
	int err;

	walk->out->desc = IPA(table + desc_offset(walk));
	walk->out->level = walk->level;
	err = walk->memory->read(walk->memory->ctx, walk->out->desc, &walk->raw);
	if (err)
		return walk_error(walk, err == -EBUSY ? -ENXIO : err);
	walk->desc = to_memory_order(walk->tables, walk->raw);
	return S2_WALK_LEAF;
}

/* AArch64.DecodeDescriptorType(): at level 3, only what looks like a table is a page. */
static bool desc_is_leaf(const struct walk *walk)
{
	return walk->level == PGTABLE_LAST_LEVEL || !(walk->desc & PTE_TABLE);
}

static bool desc_is_valid(const struct walk *walk)
{
	if (!(walk->desc & PTE_VALID))
		return false;
	if (walk->level == PGTABLE_LAST_LEVEL)
		return walk->desc & PTE_TABLE;
	return (walk->desc & PTE_TABLE) || pgtable_leaf_allowed(&walk->tables->fmt, walk->level);
}

static u64 output_address(const struct s2_tables *tables, u64 desc)
{
	return tables->plain_oa ? desc & tables->plain_oa : pgtable_pte_to_pa(&tables->fmt, desc).v;
}

/* Return: the first table. */
static u64 begin_walk(struct walk *walk)
{
	const struct s2_walk_start *start = walk->memory->start;
	const struct pgtable_format *fmt = &walk->tables->fmt;

	if (start && walk->ipa >> start->shift == start->region) {
		walk->level = PGTABLE_LAST_LEVEL;
		walk->shift = (u8)granule_shift(fmt->granule);
		return start->table.v;
	}
	walk->level = fmt->start_level;
	walk->shift = (u8)pgtable_level_shift(fmt, walk->level);
	return walk->tables->root.v;
}

/* AArch64.S2Walk() */
static enum s2_walk_end walk_to_leaf(struct walk *walk)
{
	const struct s2_tables *tables = walk->tables;
	unsigned int bits = granule_shift(tables->fmt.granule) - DESC_SHIFT;

	for (u64 table = begin_walk(walk);; walk->level++, walk->shift -= (u8)bits) {
		enum s2_walk_end end = read_desc(walk, table);

		if (end != S2_WALK_LEAF)
			return end;
		if (!desc_is_valid(walk))
			return walk_fault(walk, ESR_FSC_TRANSLATION, walk->level);
		table = output_address(tables, walk->desc);
		if (table >> tables->address_bits)
			return walk_fault(walk, ESR_FSC_ADDRESS_SIZE, walk->level);
		if (desc_is_leaf(walk))
			return S2_WALK_LEAF;
	}
}

static enum stage2_attrs leaf_permissions(const struct walk *walk, bool device)
{
	u64 xn = walk->tables->xnx ? FIELD_GET(S2_DESC_XN, walk->desc)
				   : FIELD_GET(S2_DESC_XN1, walk->desc) << 1;
	unsigned int perm = device ? STAGE2_NONE : exec_of_xn[xn];

	if (walk->desc & S2_DESC_S2AP_R)
		perm |= STAGE2_R;
	if (walk->desc & S2_DESC_S2AP_W)
		perm |= STAGE2_W;
	return perm;
}

/* Of a contiguous group at this level; of one leaf, if there are no groups. */
static u64 group_size(const struct walk *walk)
{
	return BIT(walk->shift) * pgtable_contig_entries(&walk->tables->fmt, walk->level);
}

/*
 * Whether the Contiguous bit counts: @size are the bytes of the group. The group must be within the
 * IPA space, and this leaf where it would be if the group's addresses continue.
 */
static bool leaf_is_in_group(const struct walk *walk, u64 oa, u64 size)
{
	return size <= BIT(walk->tables->fmt.ia_bits) &&
	       ((oa ^ walk->ipa) & (size - 1) & ~(BIT(walk->shift) - 1)) == 0;
}

static void fill_leaf(const struct walk *walk)
{
	const struct s2_tables *tables = walk->tables;
	struct s2_leaf *leaf = &walk->out->leaf;
	u64 oa = output_address(tables, walk->desc), one = BIT(walk->shift);
	u64 group = walk->desc & PTE_CONT ? group_size(walk) : one;

	leaf->contiguous = group != one && leaf_is_in_group(walk, oa, group);
	leaf->size = leaf->contiguous ? group : one;
	leaf->ipa = IPA(ALIGN_DOWN(walk->ipa, leaf->size));
	leaf->oa = IPA(ALIGN_DOWN(oa, leaf->size));
	leaf->level = walk->level;
	leaf->fwb = tables->fwb;
	leaf->memattr = (u8)FIELD_GET(S2_DESC_MEMATTR, walk->desc);
	leaf->device = !(leaf->memattr & (tables->fwb ? MEMATTR_NORMAL_FWB : MEMATTR_NORMAL));
	leaf->sh = (u8)FIELD_GET(S2_DESC_SH, walk->desc);
	leaf->perm = leaf_permissions(walk, leaf->device);
	walk->out->level = walk->level;
}

/* AArch64.S2CheckPermissions(), after the access flag. */
static enum s2_walk_end check_leaf(struct walk *walk, struct s2_access access)
{
	const struct s2_leaf *leaf = &walk->out->leaf;
	unsigned int needs = s2_access_needs(access);

	if (!(walk->desc & PTE_AF) && !walk->tables->hw_access)
		return walk_fault(walk, ESR_FSC_ACCESS_FLAG, walk->level);
	if (needs & ~(unsigned int)leaf->perm)
		return walk_fault(walk, ESR_FSC_PERMISSION, walk->level);
	if (access.s1ptw && leaf->device && walk->tables->ptw)
		return walk_fault(walk, ESR_FSC_PERMISSION, walk->level);
	return S2_WALK_LEAF;
}

static enum s2_walk_end set_access_flag(struct walk *walk)
{
	u64 young = to_memory_order(walk->tables, walk->desc | PTE_AF);
	int err = walk->memory->cmpxchg(walk->memory->ctx, walk->out->desc, walk->raw, young);

	if (err)
		return walk_error(walk, err);
	walk->out->set_af = true;
	return S2_WALK_LEAF;
}

static enum s2_walk_end try_walk(struct walk *walk, struct s2_access access)
{
	const struct s2_tables *tables = walk->tables;
	enum s2_walk_end end;

	*walk->out = (struct s2_walk_result){ 0 };
	if (tables->misshapen || walk->ipa >> tables->fmt.ia_bits)
		return walk_fault(walk, ESR_FSC_TRANSLATION, 0);
	/* R_BFHQH: a root beyond the output size is a fault at level 0, whatever the start level. */
	if (tables->root.v >> tables->address_bits)
		return walk_fault(walk, ESR_FSC_ADDRESS_SIZE, 0);
	end = walk_to_leaf(walk);
	if (end != S2_WALK_LEAF)
		return end;
	fill_leaf(walk);
	end = check_leaf(walk, access);
	if (end != S2_WALK_LEAF || (walk->desc & PTE_AF))
		return end;
	return set_access_flag(walk);
}

enum s2_walk_end s2_walk(const struct s2_tables *tables, struct ipa ipa, struct s2_access access,
			 const struct s2_walk_memory *memory, struct s2_walk_result *out)
{
	struct walk walk = { .tables = tables, .memory = memory, .ipa = ipa.v, .out = out };
	enum s2_walk_end end = S2_WALK_TRY_AGAIN;

	for (int tries = 0; tries < S2_WALK_TRIES && end == S2_WALK_TRY_AGAIN; tries++)
		end = try_walk(&walk, access);
	out->end = end;
	return end;
}

bool s2_walk_start_of(const struct s2_tables *tables, const struct s2_walk_result *walk,
		      struct s2_walk_start *start)
{
	unsigned int shift = granule_shift(tables->fmt.granule);

	if (walk->level != PGTABLE_LAST_LEVEL || tables->fmt.start_level == PGTABLE_LAST_LEVEL)
		return false;
	start->shift = (u8)(2 * shift - DESC_SHIFT);
	start->region = walk->leaf.ipa.v >> start->shift;
	start->table = IPA(ALIGN_DOWN(walk->desc.v, BIT(shift)));
	return true;
}
