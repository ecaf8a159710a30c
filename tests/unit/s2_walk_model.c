// SPDX-License-Identifier: BSD-2-Clause
/*
 * The second walker. Field positions and tables are written out here again, from the descriptions of
 * VTCR_EL2, VTTBR_EL2 and of the stage 2 descriptors (ARM DDI 0487, D8.3.2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/errno.h>

#include "s2_walk_model.h"

#define FINAL_LEVEL 3

enum tgx { TGX_4KB, TGX_16KB, TGX_64KB };
enum desc_type { DESC_INVALID, DESC_TABLE, DESC_LEAF };

/* S2TTWParams: what of the registers and ID registers a walk depends on. */
struct params {
	enum tgx tgx;
	unsigned int txsz, sl0, ps, pamax;
	bool ee, ha, fwb, ptw, ttst, xnx;
	bool no_granule;
	u64 vttbr;
};

static u64 bits(u64 value, unsigned int hi, unsigned int lo)
{
	value >>= lo;
	return hi - lo == 63 ? value : value & ((1ULL << (hi - lo + 1)) - 1);
}

static u64 align(u64 value, unsigned int shift)
{
	return value >> shift << shift;
}

/* The choice for what is reserved or not there: the smallest granule that is. */
static void decode_tg0(struct params *p, unsigned int tg0, const struct mmu_caps *caps)
{
	bool has4 = caps->s2_granule[0], has16 = caps->s2_granule[1], has64 = caps->s2_granule[2];

	p->no_granule = !has4 && !has16 && !has64;
	if (tg0 == 0 && has4)
		p->tgx = TGX_4KB;
	else if (tg0 == 1 && has64)
		p->tgx = TGX_64KB;
	else if (tg0 == 2 && has16)
		p->tgx = TGX_16KB;
	else
		p->tgx = has4 ? TGX_4KB : has16 ? TGX_16KB : TGX_64KB;
}

/* AArch64.GetS2TTWParams() */
static struct params get_params(const struct s2_walk_regs *regs, const struct mmu_caps *caps)
{
	struct params p = {
		.txsz = (unsigned int)bits(regs->vtcr_el2, 5, 0),
		.sl0 = (unsigned int)bits(regs->vtcr_el2, 7, 6),
		.ps = (unsigned int)bits(regs->vtcr_el2, 18, 16),
		.ha = bits(regs->vtcr_el2, 21, 21) && caps->hw_access,
		.fwb = bits(regs->hcr_el2, 46, 46) && caps->fwb,
		.ptw = bits(regs->hcr_el2, 2, 2),
		.ee = bits(regs->sctlr_el2, 25, 25),
		.pamax = caps->pa_bits,
		.ttst = caps->small_tables,
		.xnx = caps->xnx,
		.vttbr = regs->vttbr_el2,
	};

	decode_tg0(&p, (unsigned int)bits(regs->vtcr_el2, 15, 14), caps);
	if (p.ps == 7)
		p.ps = 6;
	return p;
}

static unsigned int granule_bits(const struct params *p)
{
	return p->tgx == TGX_4KB ? 12 : p->tgx == TGX_16KB ? 14 : 16;
}

static unsigned int stride(const struct params *p)
{
	return granule_bits(p) - 3;
}

static unsigned int ia_size(const struct params *p)
{
	return 64 - p->txsz;
}

/* FEAT_LPA: 52-bit addresses with 64K pages. */
static bool wide(const struct params *p)
{
	return p->tgx == TGX_64KB && p->pamax >= 52;
}

/* AArch64.S2MinTxSZ(), AArch64.MaxTxSZ(), AArch64.S2TxSZFaults() */
static bool txsz_faults(const struct params *p)
{
	unsigned int ips = wide(p) ? 52 : p->pamax < 48 ? p->pamax : 48;
	unsigned int max = !p->ttst ? 39 : p->tgx == TGX_64KB ? 47 : 48;

	return p->txsz < 64 - ips || p->txsz > max;
}

static int start_level(const struct params *p)
{
	if (p->tgx == TGX_4KB)
		return p->sl0 == 3 ? 3 : 2 - (int)p->sl0;
	return 3 - (int)p->sl0;
}

static bool invalid_sl(const struct params *p)
{
	switch (p->tgx) {
	case TGX_4KB:
		return (p->sl0 == 2 && p->pamax < 44) || (p->sl0 == 3 && !p->ttst);
	case TGX_16KB:
		return p->sl0 == 3 || (p->sl0 == 2 && p->pamax < 42);
	default:
		return p->sl0 == 3 || (p->sl0 == 2 && p->pamax < 44);
	}
}

static bool inconsistent_sl(const struct params *p)
{
	int levels = FINAL_LEVEL - start_level(p);
	int min = levels * (int)stride(p) + (int)granule_bits(p) + 1;
	int max = min + ((int)stride(p) - 1) + 4;

	return (int)ia_size(p) < min || (int)ia_size(p) > max;
}

/* AArch64.PhysicalAddressSize() */
static unsigned int pa_size(const struct params *p)
{
	static const unsigned int sizes[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned int max = p->tgx == TGX_64KB ? 52 : 48;

	max = p->pamax < max ? p->pamax : max;
	return sizes[p->ps] < max ? sizes[p->ps] : max;
}

static bool oa_out_of_range(const struct params *p, u64 address)
{
	return bits(address, 55, pa_size(p)) != 0;
}

/* AArch64.S2TTBaseAddress() */
static u64 base_address(const struct params *p)
{
	unsigned int levels = (unsigned int)(FINAL_LEVEL - start_level(p));
	unsigned int tsize = ia_size(p) - (levels * stride(p) + granule_bits(p)) + 3;
	u64 base = bits(p->vttbr, 47, 1) << 1;

	if (wide(p) && p->ps == 6) {
		tsize = tsize < 6 ? 6 : tsize;
		base = bits(p->vttbr, 5, 2) << 48 | bits(p->vttbr, 47, 6) << 6;
	}
	return align(base, tsize);
}

/* AArch64.S2SLTTEntryAddress(), AArch64.TTEntryAddress() */
static u64 entry_address(const struct params *p, int level, u64 ipa, u64 base)
{
	unsigned int lsb = (unsigned int)(FINAL_LEVEL - level) * stride(p) + granule_bits(p);
	unsigned int msb = level == start_level(p) ? ia_size(p) - 1 : lsb + stride(p) - 1;

	return base | bits(ipa, msb, lsb) << 3;
}

/* AArch64.BlockDescSupported() */
static bool block_supported(const struct params *p, int level)
{
	if (p->tgx == TGX_4KB)
		return level == 2 || level == 1;
	if (p->tgx == TGX_16KB)
		return level == 2;
	return level == 2 || (level == 1 && p->pamax >= 52);
}

/* AArch64.DecodeDescriptorType() */
static enum desc_type desc_type(const struct params *p, u64 desc, int level)
{
	if (!bits(desc, 0, 0))
		return DESC_INVALID;
	if (level == FINAL_LEVEL)
		return bits(desc, 1, 1) ? DESC_LEAF : DESC_INVALID;
	if (bits(desc, 1, 1))
		return DESC_TABLE;
	return block_supported(p, level) ? DESC_LEAF : DESC_INVALID;
}

/* AArch64.NextTableBase(), AArch64.LeafBase(): @size is the log2 of what it is aligned to. */
static u64 desc_base(const struct params *p, u64 desc, unsigned int size)
{
	u64 base = align(bits(desc, 47, 0), size);

	return wide(p) ? base | bits(desc, 15, 12) << 48 : base;
}

/* AArch64.ContiguousSize(): log2 of the entries of a group. */
static unsigned int contiguous_size(const struct params *p, int level)
{
	if (p->tgx == TGX_4KB)
		return level >= 1 ? 4 : 0;
	if (p->tgx == TGX_16KB)
		return level == 2 ? 5 : level == 3 ? 7 : 0;
	return level >= 2 ? 5 : 0;
}

static enum stage2_attrs permissions(const struct params *p, u64 desc, bool device)
{
	unsigned int perm = 0;
	bool px, ux;

	switch (bits(desc, 54, 54) << 1 | (p->xnx ? bits(desc, 53, 53) : 0)) {
	case 0:
		px = ux = true;
		break;
	case 1:
		px = false;
		ux = true;
		break;
	case 2:
		px = ux = false;
		break;
	default:
		px = true;
		ux = false;
		break;
	}
	perm |= bits(desc, 6, 6) ? STAGE2_R : 0;
	perm |= bits(desc, 7, 7) ? STAGE2_W : 0;
	perm |= px && !device ? STAGE2_PX : 0;
	perm |= ux && !device ? STAGE2_UX : 0;
	return (enum stage2_attrs)perm;
}

static void fill(const struct params *p, u64 ipa, u64 desc, int level, struct s2_leaf *leaf)
{
	unsigned int size = granule_bits(p) + (unsigned int)(FINAL_LEVEL - level) * stride(p);
	unsigned int group = size + contiguous_size(p, level);
	u64 oa = desc_base(p, desc, size);
	u64 memattr = bits(desc, 5, 2);

	leaf->fwb = p->fwb;
	leaf->device = p->fwb ? bits(memattr, 2, 2) == 0 : bits(memattr, 3, 2) == 0;
	leaf->contiguous = bits(desc, 52, 52) && group > size && group <= ia_size(p) &&
			   bits(oa, group - 1, size) == bits(ipa, group - 1, size);
	size = leaf->contiguous ? group : size;
	leaf->ipa.v = align(ipa, size);
	leaf->oa.v = align(oa, size);
	leaf->size = 1ULL << size;
	leaf->level = (s8)level;
	leaf->memattr = (u8)memattr;
	leaf->sh = (u8)bits(desc, 9, 8);
	leaf->perm = permissions(p, desc, leaf->device);
}

/* AArch64.S2CheckPermissions() */
static bool permission_fault(const struct params *p, const struct s2_leaf *leaf,
			     struct s2_access access)
{
	bool r = leaf->perm & STAGE2_R, w = leaf->perm & STAGE2_W;

	if (access.s1ptw) {
		if (!r || (access.kind == S2_WRITE && !w))
			return true;
		return p->ptw && leaf->device;
	}
	switch (access.kind) {
	case S2_FETCH:
		return !(leaf->perm & (access.el0 ? STAGE2_UX : STAGE2_PX));
	case S2_WRITE:
		return !w;
	default:
		return !r;
	}
}

static void ends(struct model_walk *out, enum s2_walk_end end, unsigned int code, int level)
{
	out->end = end;
	out->fsc = code + (unsigned int)level;
	out->level = level;
}

/* FetchDescriptor() */
static bool fetch(const struct params *p, model_read *read, u64 at, int level, u64 *desc,
		  struct model_walk *out)
{
	int err = read(at, desc);

	out->reads[out->nr_reads++] = at;
	out->old = *desc;
	if (err == -EAGAIN)
		out->end = S2_WALK_ASK_HOST;
	else if (err)
		ends(out, S2_WALK_FAULT, 0x14, level);
	if (p->ee)
		*desc = __builtin_bswap64(*desc);
	return err == 0;
}

/* AArch64.S2Walk() */
static bool walk(const struct params *p, u64 ipa, model_read *read, u64 *desc,
		 struct model_walk *out)
{
	u64 base = base_address(p);
	int level = start_level(p);

	if (oa_out_of_range(p, base)) {
		ends(out, S2_WALK_FAULT, 0x00, 0);
		return false;
	}
	for (;; level++) {
		enum desc_type type;

		out->level = level;
		if (!fetch(p, read, entry_address(p, level, ipa, base), level, desc, out))
			return false;
		type = desc_type(p, *desc, level);
		if (type == DESC_INVALID) {
			ends(out, S2_WALK_FAULT, 0x04, level);
			return false;
		}
		base = desc_base(p, *desc, granule_bits(p));
		if (oa_out_of_range(p, base)) {
			ends(out, S2_WALK_FAULT, 0x00, level);
			return false;
		}
		if (type == DESC_LEAF)
			return true;
	}
}

/* AArch64.S2Translate() */
void model_s2_walk(const struct s2_walk_regs *regs, const struct mmu_caps *caps, u64 ipa,
		   struct s2_access access, model_read *read, struct model_walk *out)
{
	struct params p = get_params(regs, caps);
	u64 desc = 0;

	memset(out, 0, sizeof(*out));
	out->end = S2_WALK_LEAF;
	if (p.no_granule || txsz_faults(&p) || invalid_sl(&p) || inconsistent_sl(&p) ||
	    bits(ipa, 63, ia_size(&p)) != 0) {
		ends(out, S2_WALK_FAULT, 0x04, 0);
		return;
	}
	if (!walk(&p, ipa, read, &desc, out))
		return;
	fill(&p, ipa, desc, out->level, &out->leaf);
	if (!bits(desc, 10, 10) && !p.ha) {
		ends(out, S2_WALK_FAULT, 0x08, out->level);
		return;
	}
	if (permission_fault(&p, &out->leaf, access)) {
		ends(out, S2_WALK_FAULT, 0x0c, out->level);
		return;
	}
	out->writes = !bits(desc, 10, 10);
	out->new = p.ee ? __builtin_bswap64(desc | 1 << 10) : desc | 1 << 10;
}

/* ---- the random machine ---- */

static u64 random_state = 1;

static u32 random_below(u32 n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(random_state >> 33) % n;
}

u32 (*s2_rand)(u32 n) = random_below;

u64 s2_rand64(void)
{
	u64 value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 16 | s2_rand(0x10000);
	return value;
}

void s2_random_caps(struct mmu_caps *caps)
{
	static const u8 widths[] = { 32, 36, 40, 42, 44, 48, 52, 56 };

	*caps = (struct mmu_caps){
		.pa_bits = s2_rand(2) ? 48 : widths[s2_rand(ARRAY_SIZE(widths))],
		.vmid_bits = s2_rand(2) ? 16 : 8,
		.small_tables = s2_rand(2),
		.hw_access = s2_rand(2),
		.fwb = s2_rand(2),
		.xnx = s2_rand(2),
	};
	for (int g = 0; g < GRANULE_COUNT; g++)
		caps->s2_granule[g] = s2_rand(4);
}

void s2_random_regs(struct s2_walk_regs *regs)
{
	*regs = (struct s2_walk_regs){
		.vtcr_el2 = s2_rand64(),
		.vttbr_el2 = s2_rand64(),
		.hcr_el2 = s2_rand64(),
		.sctlr_el2 = s2_rand64(),
	};
	/* Mostly a size that exists, and a root within the output size. */
	if (s2_rand(8))
		regs->vtcr_el2 = (regs->vtcr_el2 & ~63ULL) | (16 + s2_rand(24));
	if (s2_rand(8))
		regs->vttbr_el2 &= ~0ULL >> (16 + s2_rand(20));
}

struct s2_access s2_random_access(void)
{
	return (struct s2_access){
		.kind = (enum s2_access_kind)s2_rand(3),
		.el0 = s2_rand(2),
		.s1ptw = s2_rand(4) == 0,
	};
}

u64 s2_random_ipa(const struct s2_walk_regs *regs)
{
	unsigned int ia = 64 - (unsigned int)(regs->vtcr_el2 & 63);
	u64 end = ia == 64 ? 0 : 1ULL << ia;

	switch (s2_rand(8)) {
	case 0:
		return s2_rand64();
	case 1:
		return end;
	case 2:
		return end - 1 - s2_rand(0x10000);
	default:
		return s2_rand64() & (end - 1);
	}
}

static u64 memory_seed;
static unsigned int memory_absent;
static bool memory_big_endian;

void s2_memory_start(u64 seed, unsigned int absent, bool big_endian)
{
	memory_seed = seed;
	memory_absent = absent;
	memory_big_endian = big_endian;
}

/* A number for a number: the finalizer of splitmix64. */
static u64 mix(u64 value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
	value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
	return value ^ value >> 31;
}

/* One in 16 is any value, one in 16 invalid; of the others, two in three are tables or pages. */
static u64 make_desc(u64 hash)
{
	u64 style = mix(hash + 1) % 16, width = mix(hash + 2) % 8;
	u64 oa_mask = ((1ULL << (28 + 3 * width)) - 1) & 0xfffffffff000ULL;
	u64 desc = (hash & ~0xfffffffff003ULL) | (hash & oa_mask);

	if (style == 0)
		return hash;
	if (style == 1)
		return hash & ~1ULL;
	if (style % 4)
		desc &= ~0xf000ULL; /* with 52 bits, address bits that are mostly too high */
	return desc | (style % 3 ? 3 : 1);
}

int s2_memory_read(u64 address, u64 *raw)
{
	u64 page = mix(memory_seed + (address >> 12)), desc;

	*raw = 0;
	if (page % 256 < memory_absent)
		return page & 0x100 ? -EAGAIN : -ENXIO;
	desc = make_desc(mix(memory_seed ^ mix(address)));
	*raw = memory_big_endian ? __builtin_bswap64(desc) : desc;
	return 0;
}

/* ---- comparison ---- */

/* What the walker under test does to the memory. */
static struct {
	model_read *read;
	u64 reads[4];
	unsigned int nr_reads, nr_writes;
	u64 wrote_at, old, new;
} seen;

static int observe_read(void *ctx, struct ipa ipa, u64 *raw)
{
	if (seen.nr_reads == 4)
		abort();
	seen.reads[seen.nr_reads++] = ipa.v;
	return seen.read(ipa.v, raw);
}

static int observe_cmpxchg(void *ctx, struct ipa ipa, u64 old, u64 new)
{
	seen.nr_writes++;
	seen.wrote_at = ipa.v;
	seen.old = old;
	seen.new = new;
	return 0;
}

static bool same_leaf(const struct s2_leaf *a, const struct s2_leaf *b)
{
	return a->ipa.v == b->ipa.v && a->oa.v == b->oa.v && a->size == b->size &&
	       a->level == b->level && a->contiguous == b->contiguous && a->device == b->device &&
	       a->fwb == b->fwb && a->memattr == b->memattr && a->sh == b->sh && a->perm == b->perm;
}

static const char *difference(const struct model_walk *want, const struct s2_walk_result *got)
{
	unsigned int last = want->nr_reads - 1;

	if (got->end != want->end)
		return "how the walk ends";
	if (seen.nr_reads != want->nr_reads ||
	    memcmp(seen.reads, want->reads, want->nr_reads * sizeof(u64)))
		return "the descriptors that are read";
	if (got->end == S2_WALK_FAULT && (got->fsc != want->fsc || got->level != want->level))
		return "the fault";
	if (want->nr_reads && got->desc.v != want->reads[last])
		return "the last descriptor";
	if (seen.nr_writes != want->writes || got->set_af != want->writes)
		return "whether the access flag is set";
	if (want->writes &&
	    (seen.wrote_at != want->reads[last] || seen.old != want->old || seen.new != want->new))
		return "the exchange";
	if (got->end == S2_WALK_LEAF && !same_leaf(&got->leaf, &want->leaf))
		return "the leaf";
	if (got->end == S2_WALK_FAULT && (got->fsc & 0x3c) == 0x0c &&
	    !same_leaf(&got->leaf, &want->leaf))
		return "the leaf of a Permission fault";
	return NULL;
}

static void show_leaf(const char *who, int end, unsigned int fsc, int level,
		      const struct s2_leaf *leaf)
{
	fprintf(stderr,
		"%s: end %d, fault status 0x%02x, level %d; leaf 0x%llx -> 0x%llx, size 0x%llx, "
		"level %d, contiguous %d, device %d, MemAttr 0x%x, SH %d, permissions 0x%x\n",
		who, end, fsc, level, (unsigned long long)leaf->ipa.v,
		(unsigned long long)leaf->oa.v, (unsigned long long)leaf->size, leaf->level,
		leaf->contiguous, leaf->device, leaf->memattr, leaf->sh, leaf->perm);
}

static void show_case(const struct s2_walk_regs *regs, const struct mmu_caps *caps, u64 ipa,
		      struct s2_access access)
{
	fprintf(stderr,
		"VTCR_EL2 0x%llx VTTBR_EL2 0x%llx HCR_EL2 0x%llx SCTLR_EL2 0x%llx; "
		"granules %d%d%d, PARange %d, TTST %d, HA %d, FWB %d, XNX %d; IPA 0x%llx, "
		"access %d at EL%d, S1PTW %d\n",
		(unsigned long long)regs->vtcr_el2, (unsigned long long)regs->vttbr_el2,
		(unsigned long long)regs->hcr_el2, (unsigned long long)regs->sctlr_el2,
		caps->s2_granule[0], caps->s2_granule[1], caps->s2_granule[2], caps->pa_bits,
		caps->small_tables, caps->hw_access, caps->fwb, caps->xnx, (unsigned long long)ipa,
		access.kind, !access.el0, access.s1ptw);
}

struct model_walk s2_compare_walks_in(model_read *read, const struct s2_walk_regs *regs,
				      const struct mmu_caps *caps, u64 ipa, struct s2_access access)
{
	const struct s2_walk_memory memory = { .read = observe_read, .cmpxchg = observe_cmpxchg };
	struct s2_walk_result got;
	struct model_walk want;
	struct s2_tables tables;
	const char *different;

	memset(&seen, 0, sizeof(seen));
	seen.read = read;
	model_s2_walk(regs, caps, ipa, access, read, &want);
	s2_tables_decode(&tables, regs, caps);
	s2_walk(&tables, IPA(ipa), access, &memory, &got);
	different = difference(&want, &got);
	if (different) {
		fprintf(stderr, "the walks differ in %s\n", different);
		show_case(regs, caps, ipa, access);
		show_leaf("model ", want.end, want.fsc, want.level, &want.leaf);
		show_leaf("walker", (int)got.end, got.fsc, got.level, &got.leaf);
		abort();
	}
	return want;
}

struct model_walk s2_compare_walks(const struct s2_walk_regs *regs, const struct mmu_caps *caps,
				   u64 ipa, struct s2_access access)
{
	return s2_compare_walks_in(s2_memory_read, regs, caps, ipa, access);
}
