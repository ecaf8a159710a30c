// SPDX-License-Identifier: GPL-2.0
/*
 * Registers of an ITS's control frame (ARM IHI 0069, 12.18 and 12.19), and those of a redistributor
 * that are about LPIs (12.11). What can be written, and what is read, is what KVM's have: userspace
 * saves registers on one and restores them on the other.
 */
#include "its_model.h"

/* GITS_CTLR */
#define CTLR_ENABLED   BIT(0)
#define CTLR_QUIESCENT BIT(31)
/* GITS_IIDR: KVM's number, of Arm, and the revision of the tables' format, which is 0 */
#define ITS_IIDR      0x4b00043bULL
#define IIDR_REVISION GENMASK(15, 12)
/* GITS_TYPER: physical LPIs, entries of 8 bytes, 16 bits of EventID and of DeviceID */
#define ITS_TYPER (BIT(0) | 7 << 4 | (ITS_ID_BITS - 1) << 8 | (ITS_ID_BITS - 1) << 13)
/* GITS_BASER<n>, GITS_CBASER, GICR_PROPBASER, GICR_PENDBASER */
#define BASER_VALID	    BIT(63)
#define BASER_INDIRECT	    BIT(62)
#define BASER_INNER	    GENMASK(61, 59)
#define BASER_TYPE	    GENMASK(58, 56)
#define BASER_OUTER	    GENMASK(55, 53)
#define BASER_ENTRY_SIZE    GENMASK(52, 48)
#define BASER_SHAREABILITY  GENMASK(11, 10)
#define BASER_PAGE	    GENMASK(9, 8)
#define BASER_PAGE_64K	    (2 << 8)
#define BASER_SIZE	    GENMASK(7, 0)
#define BASER_DEVICES	    1ULL
#define BASER_COLLECTIONS   4ULL
#define CBASER_WRITABLE	    (~GENMASK(15, 12))
#define REDIST_INNER	    GENMASK(9, 7)
#define REDIST_OUTER	    GENMASK(58, 56)
#define PROPBASER_WRITABLE  (GENMASK(4, 0) | GENMASK(51, 7) | REDIST_OUTER)
#define PENDBASER_PTZ	    BIT(62)
#define PENDBASER_WRITABLE  (GENMASK(11, 7) | GENMASK(51, 16) | REDIST_OUTER | PENDBASER_PTZ)
#define INNER_SHAREABLE	    1ULL
#define CACHE_RAWB	    5ULL
#define CACHE_NON_CACHEABLE 1ULL
#define CACHE_SAME_AS_INNER 0ULL
#define QUEUE_OFFSET	    GENMASK(19, 5)
/* GICR_CTLR: LPIs can be disabled again, and be invalidated by registers */
#define REDIST_ENABLE_LPIS BIT(0)
#define REDIST_CES	   BIT(1)
#define REDIST_IR	   BIT(2)

/* ---- fields that say how the hardware is to access memory ---- */

/* Fields that cannot be as they are written become what this GIC does. */
#define REPLACE(reg, mask, value) (((reg) & ~(mask)) | FIELD_PREP(mask, value))

static u64 shareable(u64 value, u64 outer_shareable)
{
	return value == outer_shareable ? INNER_SHAREABLE : value;
}

/* 0 and 1: Device memory, or not cacheable */
static u64 inner_cache(u64 value)
{
	return value <= CACHE_NON_CACHEABLE ? CACHE_RAWB : value;
}

static u64 outer_cache(u64 value)
{
	return value == CACHE_NON_CACHEABLE ? value : CACHE_SAME_AS_INNER;
}

static u64 its_attributes(u64 value)
{
	value = REPLACE(value, BASER_SHAREABILITY,
			shareable(FIELD_GET(BASER_SHAREABILITY, value), 2));
	value = REPLACE(value, BASER_INNER, inner_cache(FIELD_GET(BASER_INNER, value)));
	return REPLACE(value, BASER_OUTER, outer_cache(FIELD_GET(BASER_OUTER, value)));
}

static u64 redist_attributes(u64 value)
{
	value = REPLACE(value, BASER_SHAREABILITY,
			shareable(FIELD_GET(BASER_SHAREABILITY, value), 2));
	value = REPLACE(value, REDIST_INNER, inner_cache(FIELD_GET(REDIST_INNER, value)));
	return REPLACE(value, REDIST_OUTER, outer_cache(FIELD_GET(REDIST_OUTER, value)));
}

/* ---- an ITS's registers ---- */

static u64 get_ctlr(const struct its *its)
{
	return (its->enabled ? CTLR_ENABLED : 0) |
	       (its->creadr == its->cwriter ? CTLR_QUIESCENT : 0);
}

static void set_enabled(struct its *its, bool enabled)
{
	unsigned long flags = its_env_lock(its->lpis);

	its->enabled = enabled;
	its_env_unlock(its->lpis, flags);
}

/* An ITS without its tables or its queue cannot be enabled. */
static void set_ctlr(struct its *its, u64 value)
{
	if (!(value & CTLR_ENABLED))
		set_enabled(its, false);
	else if (its->baser[0] & its->baser[1] & its->cbaser & BASER_VALID)
		set_enabled(its, true);
	its_run_queue(its);
}

static u64 get_iidr(const struct its *its)
{
	(void)its;
	return ITS_IIDR;
}

static int restore_iidr(struct its *its, u64 value)
{
	(void)its;
	return FIELD_GET(IIDR_REVISION, value) ? -EINVAL : 0;
}

static u64 get_typer(const struct its *its)
{
	(void)its;
	return ITS_TYPER;
}

static u64 get_cbaser(const struct its *its)
{
	return its->cbaser;
}

static void set_cbaser(struct its *its, u64 value)
{
	if (its->enabled)
		return;
	its->cbaser = its_attributes(value & CBASER_WRITABLE);
	its->creadr = 0;
	its->cwriter = 0;
}

static bool in_queue(const struct its *its, u64 offset)
{
	return offset < (FIELD_GET(BASER_SIZE, its->cbaser) + 1) * SZ_4K;
}

static u64 get_cwriter(const struct its *its)
{
	return its->cwriter;
}

static void set_cwriter(struct its *its, u64 value)
{
	if (!in_queue(its, value & QUEUE_OFFSET))
		return;
	its->cwriter = value & QUEUE_OFFSET;
	its_run_queue(its);
}

static u64 get_creadr(const struct its *its)
{
	return its->creadr;
}

static int restore_creadr(struct its *its, u64 value)
{
	if (its->enabled)
		return -EBUSY;
	if (!in_queue(its, value & QUEUE_OFFSET))
		return -EINVAL;
	its->creadr = value & QUEUE_OFFSET;
	return 0;
}

static u64 get_baser0(const struct its *its)
{
	return its->baser[0];
}

static u64 get_baser1(const struct its *its)
{
	return its->baser[1];
}

/* Tables have pages of 64 KiB and entries of 8 bytes. */
static u64 baser_value(u64 value, u64 type)
{
	value = REPLACE(value, BASER_ENTRY_SIZE, 7);
	value = REPLACE(value, BASER_TYPE, type);
	return its_attributes((value & ~BASER_PAGE) | BASER_PAGE_64K);
}

static void set_baser0(struct its *its, u64 value)
{
	if (its->enabled)
		return;
	its->baser[0] = baser_value(value, BASER_DEVICES);
	if (!(value & BASER_VALID))
		its_devices_unmap_all(its);
}

/* Flat. What was in another table than this one is not there any more. */
static void set_baser1(struct its *its, u64 value)
{
	u64 before = its->baser[1];

	if (its->enabled)
		return;
	its->baser[1] = baser_value(value & ~BASER_INDIRECT, BASER_COLLECTIONS);
	if (its->baser[1] != before || !(value & BASER_VALID))
		its_collections_unmap_all(its);
}

/* GITS_PIDR4 to GITS_CIDR3 */
static const u8 id_regs[] = { 0x40, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1 };

#define ITS_ID_REGS 0xffd0
#define ITS_CREADR  0x90

/* A row. A function that is NULL: reads as zero, writes are ignored. */
static const struct its_reg {
	u16 offset;
	u8 bytes;
	u8 count; /* of such registers, one after the other */
	u64 (*get)(const struct its *its);
	void (*set)(struct its *its, u64 value);
	int (*restore)(struct its *its, u64 value); /* by userspace, in place of set() */
} its_registers[] = {
	{ 0x0000, 4, 1, get_ctlr, set_ctlr, NULL },
	{ 0x0004, 4, 1, get_iidr, NULL, restore_iidr },
	{ 0x0008, 8, 1, get_typer, NULL, NULL },
	{ 0x0080, 8, 1, get_cbaser, set_cbaser, NULL },
	{ 0x0088, 8, 1, get_cwriter, set_cwriter, NULL },
	{ ITS_CREADR, 8, 1, get_creadr, NULL, restore_creadr },
	{ 0x0100, 8, 1, get_baser0, set_baser0, NULL },
	{ 0x0108, 8, 1, get_baser1, set_baser1, NULL },
	{ 0x0110, 8, ITS_BASERS - 2, NULL, NULL, NULL },
	{ ITS_ID_REGS, 4, sizeof(id_regs), NULL, NULL, NULL },
};

#define NR_ITS_REGISTERS (sizeof(its_registers) / sizeof(its_registers[0]))

static const struct its_reg *find_its_reg(u64 offset)
{
	for (unsigned int i = 0; i < NR_ITS_REGISTERS; i++) {
		const struct its_reg *reg = &its_registers[i];

		if (offset >= reg->offset &&
		    offset < reg->offset + (unsigned int)reg->bytes * reg->count)
			return reg;
	}
	return NULL;
}

static u64 its_reg_value(const struct its *its, const struct its_reg *reg, u64 offset)
{
	if (reg->offset == ITS_ID_REGS)
		return id_regs[(offset - ITS_ID_REGS) / 4];
	return reg->get ? reg->get(its) : 0;
}

/* ---- accesses ---- */

/* 64-bit registers can be accessed by halves. */
static bool is_access_allowed(unsigned int reg_bytes, u64 offset, unsigned int bytes)
{
	return (bytes == 4 || bytes == reg_bytes) && !(offset & (bytes - 1));
}

static u64 part_of(u64 value, unsigned int reg_bytes, u64 offset, unsigned int bytes)
{
	value >>= offset % reg_bytes * 8;
	return bytes == 8 ? value : value & GENMASK(31, 0);
}

/* The register's value after a write to a part of it. */
static u64 with_part(u64 old, unsigned int reg_bytes, u64 offset, unsigned int bytes, u64 value)
{
	unsigned int shift = (unsigned int)(offset % reg_bytes) * 8;
	u64 mask = (bytes == 8 ? ~0ULL : GENMASK(31, 0)) << shift;

	return (old & ~mask) | (value << shift & mask);
}

/* A guest that waits for its queue reads GITS_CREADR: what was left of the queue goes on. */
u64 its_mmio_read(struct its *its, u32 offset, unsigned int bytes)
{
	const struct its_reg *reg = find_its_reg(offset);

	if (!reg || !is_access_allowed(reg->bytes, offset, bytes))
		return 0;
	if (reg->offset == ITS_CREADR)
		its_run_queue(its);
	return part_of(its_reg_value(its, reg, offset), reg->bytes, offset, bytes);
}

void its_mmio_write(struct its *its, u32 offset, unsigned int bytes, u64 value)
{
	const struct its_reg *reg = find_its_reg(offset);

	if (!reg || !reg->set || !is_access_allowed(reg->bytes, offset, bytes))
		return;
	reg->set(its, with_part(its_reg_value(its, reg, offset), reg->bytes, offset, bytes, value));
}

int its_reg_check(u64 offset)
{
	unsigned int bytes = offset < 8 || offset >= ITS_ID_REGS ? 4 : 8;

	if (offset & (bytes - 1))
		return -EINVAL;
	return find_its_reg(offset) ? 0 : -ENXIO;
}

int its_reg_get(struct its *its, u64 offset, u64 *value)
{
	int ret = its_reg_check(offset);

	if (!ret)
		*value = its_reg_value(its, find_its_reg(offset), offset);
	return ret;
}

int its_reg_set(struct its *its, u64 offset, u64 value)
{
	const struct its_reg *reg = find_its_reg(offset);
	int ret = its_reg_check(offset);

	if (ret)
		return ret;
	if (reg->restore)
		return reg->restore(its, value);
	if (reg->set)
		reg->set(its, reg->bytes == 8 ? value : value & GENMASK(31, 0));
	return 0;
}

/* ---- life ---- */

static void reset_registers(struct its *its)
{
	its->cbaser = 0;
	its->creadr = 0;
	its->cwriter = 0;
	its->baser[0] = baser_value(FIELD_PREP(BASER_SHAREABILITY, INNER_SHAREABLE), BASER_DEVICES);
	its->baser[1] =
		baser_value(FIELD_PREP(BASER_SHAREABILITY, INNER_SHAREABLE), BASER_COLLECTIONS);
}

void its_init(struct its *its, struct its_lpis *lpis)
{
	memset(its, 0, sizeof(*its));
	its->lpis = lpis;
	its_map_init(&its->devices, ITS_ID_BITS);
	its_map_init(&its->collections, ITS_ID_BITS);
	reset_registers(its);
}

void its_reset(struct its *its)
{
	set_enabled(its, false);
	its->saved = false;
	its_devices_unmap_all(its);
	its_collections_unmap_all(its);
	reset_registers(its);
}

/* ---- a redistributor's registers ---- */

static bool any_enabled(const struct its_lpis *lpis)
{
	for (unsigned int i = 0; i < lpis->nr_redists; i++)
		if (lpis->redist[i] && lpis->redist[i]->enabled)
			return true;
	return false;
}

static u64 get_redist_ctlr(const struct its_lpis *lpis, const struct its_redist *redist)
{
	(void)lpis;
	return (redist->enabled ? REDIST_ENABLE_LPIS : 0) | REDIST_CES | REDIST_IR;
}

static void set_redist_enabled(struct its_lpis *lpis, struct its_redist *redist, bool enabled)
{
	unsigned long flags = its_env_lock(lpis);

	redist->enabled = enabled;
	its_env_unlock(lpis, flags);
}

static void configure_all(struct its_lpis *lpis, const struct its_redist *redist)
{
	struct its_lpi *lpi;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)); intid++)
		if (lpi->redist == redist)
			its_lpi_configure(lpis, lpi);
}

/* What was moved here while this redistributor's LPIs were disabled. */
static void give_pending(struct its_lpis *lpis, const struct its_redist *redist)
{
	struct its_lpi *lpi;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)); intid++)
		if (lpi->redist == redist)
			its_lpi_give(lpis, lpi);
}

/* The tables are read now, and what was pending is pending. */
static void enable_lpis(struct its_lpis *lpis, struct its_redist *redist)
{
	configure_all(lpis, redist);
	set_redist_enabled(lpis, redist, true);
	give_pending(lpis, redist);
	if (!(redist->pendbaser & PENDBASER_PTZ))
		its_pending_load(lpis, redist);
	redist->pendbaser &= ~PENDBASER_PTZ;
}

static void forget_pending(struct its_lpis *lpis, struct its_redist *redist)
{
	struct its_lpi *lpi;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)); intid++)
		if (lpi->redist == redist)
			its_lpi_clear(lpis, lpi);
}

/* What is pending is in the table from now on, if that is there. */
static void disable_lpis(struct its_lpis *lpis, struct its_redist *redist)
{
	set_redist_enabled(lpis, redist, false);
	(void)!its_pending_store(lpis, redist);
	forget_pending(lpis, redist);
}

static void set_redist_ctlr(struct its_lpis *lpis, struct its_redist *redist, u64 value)
{
	bool enable = value & REDIST_ENABLE_LPIS;

	if (enable && !redist->enabled)
		enable_lpis(lpis, redist);
	else if (!enable && redist->enabled)
		disable_lpis(lpis, redist);
}

static u64 get_propbaser(const struct its_lpis *lpis, const struct its_redist *redist)
{
	(void)redist;
	return lpis->propbaser;
}

/* All redistributors have the same table, so it is constant while one of them uses it. */
static void set_propbaser(struct its_lpis *lpis, struct its_redist *redist, u64 value)
{
	(void)redist;
	if (!any_enabled(lpis))
		lpis->propbaser = redist_attributes(value & PROPBASER_WRITABLE);
}

static u64 get_pendbaser(const struct its_lpis *lpis, const struct its_redist *redist)
{
	(void)lpis;
	return redist->pendbaser;
}

static void set_pendbaser(struct its_lpis *lpis, struct its_redist *redist, u64 value)
{
	(void)lpis;
	if (!redist->enabled)
		redist->pendbaser = redist_attributes(value & PENDBASER_WRITABLE);
}

/* A write to the upper half alone is about virtual LPIs. */
static void set_invlpir(struct its_lpis *lpis, struct its_redist *redist, u64 value)
{
	struct its_lpi *lpi = its_lpi_find(lpis, (u32)value);

	if (redist->enabled && lpi)
		its_lpi_configure(lpis, lpi);
}

static void set_invallr(struct its_lpis *lpis, struct its_redist *redist, u64 value)
{
	(void)value;
	if (redist->enabled)
		configure_all(lpis, redist);
}

static const struct redist_reg {
	u16 offset;
	u8 bytes;
	u64 (*get)(const struct its_lpis *lpis, const struct its_redist *redist);
	void (*set)(struct its_lpis *lpis, struct its_redist *redist, u64 value);
} redist_registers[] = {
	{ 0x0000, 4, get_redist_ctlr, set_redist_ctlr }, /* GICR_CTLR */
	{ 0x0070, 8, get_propbaser, set_propbaser },	 /* GICR_PROPBASER */
	{ 0x0078, 8, get_pendbaser, set_pendbaser },	 /* GICR_PENDBASER */
	{ 0x00a0, 8, NULL, set_invlpir },		 /* GICR_INVLPIR */
	{ 0x00b0, 8, NULL, set_invallr },		 /* GICR_INVALLR */
	{ 0x00c0, 4, NULL, NULL },			 /* GICR_SYNCR: never busy */
};

static const struct redist_reg *find_redist_reg(u32 offset)
{
	for (unsigned int i = 0; i < sizeof(redist_registers) / sizeof(redist_registers[0]); i++) {
		const struct redist_reg *reg = &redist_registers[i];

		if (offset >= reg->offset && offset < (u32)reg->offset + reg->bytes)
			return reg;
	}
	return NULL;
}

bool its_redist_has(u32 offset)
{
	return find_redist_reg(offset);
}

u64 its_redist_read(struct its_lpis *lpis, struct its_redist *redist, u32 offset,
		    unsigned int bytes)
{
	const struct redist_reg *reg = find_redist_reg(offset);

	if (!reg || !reg->get || !is_access_allowed(reg->bytes, offset, bytes))
		return 0;
	/* no other register has a bit there */
	return part_of(reg->get(lpis, redist) & ~PENDBASER_PTZ, reg->bytes, offset, bytes);
}

void its_redist_write(struct its_lpis *lpis, struct its_redist *redist, u32 offset,
		      unsigned int bytes, u64 value)
{
	const struct redist_reg *reg = find_redist_reg(offset);
	u64 old;

	if (!reg || !reg->set || !is_access_allowed(reg->bytes, offset, bytes))
		return;
	if (!reg->get && offset != reg->offset)
		return;
	old = reg->get ? reg->get(lpis, redist) : 0;
	reg->set(lpis, redist, with_part(old, reg->bytes, offset, bytes, value));
}

void its_redist_reset(struct its_lpis *lpis, struct its_redist *redist)
{
	set_redist_enabled(lpis, redist, false);
	forget_pending(lpis, redist);
	redist->pendbaser = 0;
}
