// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest hypervisor's leaf combined with the VM's own.
 *
 * Ranges are compared and cut by their alignment: both leaves are powers of two and aligned, so
 * that of two that overlap, the smaller one lies within the larger one. No end of a range is
 * computed: nothing is different at the top of the address space.
 */
#include <arch/reg_bits.h>
#include <lib/errno.h>
#include <nested/s2_compose.h>

/* ---- memory attributes ---- */

/* What memory can be, the strongest first (D8.6). */
enum memory_kind { nGnRnE, nGnRE, nGRE, GRE, NON_CACHEABLE, WRITE_THROUGH, WRITE_BACK };

/* MemAttr[3:2] and [1:0] of normal memory: outer and inner. 0b00 is reserved. */
static const u8 cacheability[4] = { NON_CACHEABLE, NON_CACHEABLE, WRITE_THROUGH, WRITE_BACK };

/*
 * MemAttr[1:0] of normal memory with FEAT_S2FWB: reserved, Non-cacheable, Write-Back, and as stage
 * 1 has it. Neither of the last two takes anything away.
 */
static const u8 cacheability_fwb[4] = { NON_CACHEABLE, NON_CACHEABLE, WRITE_BACK, WRITE_BACK };

static enum memory_kind guest_kind(const struct s2_leaf *guest)
{
	unsigned int low = guest->memattr & 3, high = guest->memattr >> 2 & 3;

	if (guest->device)
		return (enum memory_kind)low; /* nGnRnE to GRE are 0b00 to 0b11 */
	if (guest->fwb)
		return (enum memory_kind)cacheability_fwb[low];
	return (enum memory_kind)MIN(cacheability[low], cacheability[high]);
}

static enum memory_kind own_kind(const struct stage2_leaf *own)
{
	switch (own->attrs & STAGE2_MEMTYPE) {
	case STAGE2_NORMAL:
		return WRITE_BACK;
	case STAGE2_NORMAL_NC:
		return NON_CACHEABLE;
	case STAGE2_DEVICE:
		return nGnRE;
	default:
		return nGnRnE;
	}
}

/* The type that is as strong, or the next stronger one. */
static enum stage2_attrs type_of(enum memory_kind kind)
{
	if (kind == WRITE_BACK)
		return STAGE2_NORMAL;
	if (kind >= NON_CACHEABLE)
		return STAGE2_NORMAL_NC;
	return kind >= nGnRE ? STAGE2_DEVICE : STAGE2_DEVICE_nGnRnE;
}

static enum stage2_attrs compose_type(const struct s2_shadow_format *format,
				      const struct s2_leaf *guest, const struct stage2_leaf *own)
{
	enum memory_kind first = guest_kind(guest), last = own_kind(own);

	if (format->fwb && last == WRITE_BACK)
		return STAGE2_NORMAL;
	return type_of(MIN(first, last));
}

/* ---- the same for PAR_EL1, where stage 1's attributes are known ---- */

/* PAR_EL1.ATTR is as an attribute of MAIR_EL1: outer and inner; 0b0000 and the kind of device. */
#define ATTR_OUTER GENMASK(7, 4)
#define ATTR_INNER GENMASK(3, 0)
#define ATTR_DEV   GENMASK(3, 2)

#define SH_NON	 0
#define SH_OUTER 2
#define SH_INNER 3

/* An outer or inner nibble: 0b0100 Non-cacheable; Write-Through, Write-Back, transient or not. */
#define NIBBLE_NC	4
#define NIBBLE_WB	BIT(2) /* 0 for Write-Through, but of NIBBLE_NC */
#define NIBBLE_WB_ALLOC 15

static bool attr_is_device(u64 attr)
{
	return !(attr & ATTR_OUTER);
}

/* What stage 1 has, weakened; hints for allocation stay those of stage 1. */
static u64 combine_nibble(u64 nibble, enum memory_kind kind)
{
	if (nibble == NIBBLE_NC || kind == NON_CACHEABLE)
		return NIBBLE_NC;
	return kind == WRITE_THROUGH ? nibble & ~NIBBLE_WB : nibble;
}

/* Where the leaf does not say, stage 1 does: then its kinds are Write-Back, which combines to that. */
static u64 combine_normal(u64 attr, const struct s2_leaf *guest)
{
	unsigned int outer = guest->memattr >> 2 & 3, inner = guest->memattr & 3;
	enum memory_kind of_fwb = (enum memory_kind)cacheability_fwb[inner];

	if (guest->fwb)
		return combine_nibble(FIELD_GET(ATTR_OUTER, attr), of_fwb) << 4 |
		       combine_nibble(FIELD_GET(ATTR_INNER, attr), of_fwb);
	return combine_nibble(FIELD_GET(ATTR_OUTER, attr), (enum memory_kind)cacheability[outer])
		       << 4 |
	       combine_nibble(FIELD_GET(ATTR_INNER, attr), (enum memory_kind)cacheability[inner]);
}

/* FEAT_S2FWB's 0b10: Write-Back whatever stage 1 has, with its hints if it has any. */
static u64 force_write_back(u64 attr)
{
	u64 outer = FIELD_GET(ATTR_OUTER, attr), inner = FIELD_GET(ATTR_INNER, attr);

	if (attr_is_device(attr) || outer == NIBBLE_NC)
		outer = NIBBLE_WB_ALLOC;
	if (attr_is_device(attr) || inner == NIBBLE_NC)
		inner = NIBBLE_WB_ALLOC;
	return (outer | NIBBLE_WB) << 4 | inner | NIBBLE_WB;
}

static u64 combine_attr(u64 attr, const struct s2_leaf *guest)
{
	u64 device = (u64)(guest->memattr & 3) << 2;

	if (guest->device)
		return attr_is_device(attr) ? MIN(attr & ATTR_DEV, device) : device;
	if (guest->fwb && (guest->memattr & 3) == 2)
		return force_write_back(attr);
	return attr_is_device(attr) ? attr : combine_normal(attr, guest);
}

/* Device and Non-cacheable memory is outer shareable. */
static u64 combine_sh(u64 sh, u64 guest, u64 attr)
{
	if (attr_is_device(attr) || attr == (NIBBLE_NC << 4 | NIBBLE_NC))
		return SH_OUTER;
	if (sh == SH_OUTER || guest == SH_OUTER)
		return SH_OUTER;
	return sh == SH_INNER || guest == SH_INNER ? SH_INNER : SH_NON;
}

u64 s2_compose_par(u64 par, const struct s2_leaf *guest)
{
	u64 attr = combine_attr(FIELD_GET(PAR_ATTR, par), guest);
	u64 sh = combine_sh(FIELD_GET(PAR_SH, par), guest->sh, attr);

	return (par & ~(PAR_ATTR | PAR_SH)) | FIELD_PREP(PAR_ATTR, attr) | FIELD_PREP(PAR_SH, sh);
}

/* ---- permissions ---- */

/* What stage2_map() takes: nothing executable in Device memory, nor for one level alone. */
static bool may_execute(const struct s2_shadow_format *format, unsigned int exec,
			enum stage2_attrs type)
{
	return type < STAGE2_DEVICE && (format->xnx || exec == STAGE2_X);
}

static enum stage2_attrs compose_permissions(const struct s2_shadow_format *format,
					     const struct s2_leaf *guest,
					     const struct stage2_leaf *own, enum stage2_attrs type)
{
	unsigned int perm = (unsigned int)guest->perm & own->attrs & STAGE2_RWX;

	if (own->attrs & STAGE2_CLEAN)
		perm &= ~(unsigned int)STAGE2_W;
	if (!may_execute(format, perm & STAGE2_X, type))
		perm &= ~(unsigned int)STAGE2_X;
	return perm;
}

/* ---- the level, for TLBIs ---- */

/* STAGE2_SW0 to SW2: level + 2, 0 for no tag; SW3: contiguous. */
#define TAG_LEVEL (STAGE2_SW0 | STAGE2_SW1 | STAGE2_SW2)
#define TAG_CONT  STAGE2_SW3

enum stage2_attrs s2_level_tag(s8 level, bool contiguous)
{
	unsigned int tag = (unsigned int)(level + 2) * STAGE2_SW0;

	return contiguous ? tag | TAG_CONT : tag;
}

static s8 tag_level(enum stage2_attrs attrs)
{
	return (s8)((attrs & TAG_LEVEL) / STAGE2_SW0 - 2);
}

static int highest_block(const struct pgtable_format *fmt)
{
	int level = 0;

	while (!pgtable_leaf_allowed(fmt, level))
		level++;
	return level;
}

u64 s2_tagged_range(const struct pgtable_format *fmt, enum stage2_attrs attrs, struct ipa *ipa)
{
	int level = attrs & TAG_LEVEL ? tag_level(attrs) : highest_block(fmt);
	u64 size = pgtable_level_size(fmt, level);

	if (attrs & TAG_CONT)
		size *= pgtable_contig_entries(fmt, level);
	ipa->v = ALIGN_DOWN(ipa->v, size);
	return size;
}

/* ---- the leaf ---- */

static bool is_leaf(u64 in, u64 out, u64 size)
{
	return size && !(size & (size - 1)) && IS_ALIGNED(in, size) && IS_ALIGNED(out, size);
}

/* Whether @address is in the @size bytes at @start, which is aligned to them. */
static bool within(u64 address, u64 start, u64 size)
{
	return ALIGN_DOWN(address, size) == start;
}

int s2_compose(const struct s2_shadow_format *format, const struct s2_leaf *guest,
	       const struct stage2_leaf *own, struct ipa ipa, struct s2_composed *out)
{
	u64 size = MIN(guest->size, own->size);
	enum stage2_attrs type;
	u64 middle;

	if (!own->mapped)
		return -ENOENT;
	if (!is_leaf(guest->ipa.v, guest->oa.v, guest->size) ||
	    !is_leaf(own->ipa.v, own->pa.v, own->size) || !within(ipa.v, guest->ipa.v, guest->size))
		return -EINVAL;
	middle = guest->oa.v + (ipa.v - guest->ipa.v);
	if (!within(middle, own->ipa.v, own->size))
		return -ENOENT;
	if (size < granule_size(format->granule))
		return -ERANGE;
	type = compose_type(format, guest, own);
	*out = (struct s2_composed){
		.ipa = IPA(ALIGN_DOWN(ipa.v, size)),
		.pa = PA(own->pa.v + (ALIGN_DOWN(middle, size) - own->ipa.v)),
		.size = size,
		.attrs = type | compose_permissions(format, guest, own, type) |
			 s2_level_tag(guest->level, guest->contiguous),
	};
	return 0;
}
