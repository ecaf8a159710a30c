// SPDX-License-Identifier: BSD-2-Clause
/*
 * A redistributor's RD frame as the host sees it (ARM IHI 0069, 12.10 and 12.11): see lpi.h.
 *
 * The two tables may be set while EnableLPIs is 0, when nothing uses them. What the hardware has
 * then is what is looked at when EnableLPIs becomes 1, and from there on they cannot be changed.
 */
#include <arch/gicr.h>
#include <arch/mmio.h>
#include <cpu/log.h>
#include <host/host.h>
#include <host/lpi.h>
#include <keel/hypercall.h>
#include <lib/errno.h>

/* How long EnableLPIs may take to become 0 at boot. */
#define RWP_READS 1000000U

enum access { RAZ, PASS, RO, TABLE, CTLR };

/* What is not here is RAZ/WI: what it may do is not known. */
static const struct row {
	u64 first, last;
	unsigned int bytes;
	enum access access;
} rows[] = {
	{ GICR_CTLR, GICR_CTLR, 4, CTLR },
	{ GICR_IIDR, GICR_IIDR, 4, RO },
	{ GICR_TYPER, GICR_TYPER, 8, RO },
	{ GICR_STATUSR, GICR_STATUSR, 4, PASS },
	{ GICR_WAKER, GICR_WAKER, 4, PASS },
	{ GICR_SETLPIR, GICR_SETLPIR, 8, PASS },
	{ GICR_CLRLPIR, GICR_CLRLPIR, 8, PASS },
	{ GICR_PROPBASER, GICR_PROPBASER, 8, TABLE },
	{ GICR_PENDBASER, GICR_PENDBASER, 8, TABLE },
	{ GICR_INVLPIR, GICR_INVLPIR, 8, PASS },
	{ GICR_INVALLR, GICR_INVALLR, 8, PASS },
	{ GICR_SYNCR, GICR_SYNCR, 4, RO },
	{ GIC_ID_FIRST, GIC_FRAME_SIZE - 4, 4, RO },
};

static enum access access_of(u64 offset, unsigned int bytes)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (offset >= rows[i].first && offset < rows[i].last + rows[i].bytes &&
		    bytes <= rows[i].bytes)
			return rows[i].access;
	return RAZ;
}

static u64 hw_read(const struct lpi_rd *rd, u64 offset, unsigned int bytes)
{
	return bytes == 8 ? mmio_read64(rd->regs + offset) : mmio_read32(rd->regs + offset);
}

static void hw_write(const struct lpi_rd *rd, u64 offset, unsigned int bytes, u64 value)
{
	if (bytes == 8)
		mmio_write64(rd->regs + offset, value);
	else
		mmio_write32(rd->regs + offset, (u32)value);
}

static bool lpis_enabled(const struct lpi_rd *rd)
{
	return mmio_read32(rd->regs + GICR_CTLR) & GICR_CTLR_ENABLE_LPIS;
}

/* Once it was told not to, RWP says whether it still does. */
static bool uses_tables(const struct lpi_rd *rd)
{
	return mmio_read32(rd->regs + GICR_CTLR) &
	       (GICR_CTLR_ENABLE_LPIS | (rd->pins[0].size ? GICR_CTLR_RWP : 0));
}

static struct lpi_pin pages_around(u64 pa, u64 bytes)
{
	u64 first = ALIGN_DOWN(pa, SZ_4K);

	return (struct lpi_pin){ first, ALIGN_UP(pa + bytes, SZ_4K) - first };
}

/*
 * 5.1.1, 5.1.2: a byte for each LPI in the property table, a bit for each INTID in the pending
 * table. Both by the property table's IDbits, which the hardware may cut down but not exceed.
 */
static void tables_of(const struct lpi_rd *rd, struct lpi_pin tables[2])
{
	u64 prop = mmio_read64(rd->regs + GICR_PROPBASER);
	u64 pend = mmio_read64(rd->regs + GICR_PENDBASER);
	u64 bits = MIN(FIELD_GET(GICR_PROPBASER_IDBITS, prop) + 1, GIC_ID_BITS_MAX);
	u64 ids = MAX(BIT(bits), 2 * GIC_FIRST_LPI);

	tables[0] = pages_around(prop & GICR_PROPBASER_ADDR, ids - GIC_FIRST_LPI);
	tables[1] = pages_around(pend & GICR_PENDBASER_ADDR, ids / 8);
}

static void unpin_tables(struct lpi_rd *rd, const struct lpi_ops *ops)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rd->pins); i++) {
		if (rd->pins[i].size)
			ops->unpin(rd->pins[i].pa, rd->pins[i].size);
		rd->pins[i].size = 0;
	}
}

static int pin_tables(struct lpi_rd *rd, const struct lpi_ops *ops)
{
	struct lpi_pin tables[2];
	size_t i;
	int ret = 0;

	unpin_tables(rd, ops);
	tables_of(rd, tables);
	for (i = 0; i < ARRAY_SIZE(tables) && !ret; i++) {
		ret = ops->pin(tables[i].pa, tables[i].size);
		if (!ret)
			rd->pins[i] = tables[i];
	}
	if (ret)
		unpin_tables(rd, ops);
	return ret;
}

static void refuse(const struct lpi_rd *rd)
{
	static struct ratelimit limit;

	host_count(KEEL_STAT_GIC_REFUSED);
	log_limited(&limit, LOG_WARN,
		    "LPIs of the redistributor at %#lx refused: tables at %#llx and %#llx",
		    rd->base, mmio_read64(rd->regs + GICR_PROPBASER) & GICR_PROPBASER_ADDR,
		    mmio_read64(rd->regs + GICR_PENDBASER) & GICR_PENDBASER_ADDR);
}

static void write_ctlr(struct lpi_rd *rd, const struct lpi_ops *ops, u64 value)
{
	value &= GICR_CTLR_ENABLE_LPIS | GICR_CTLR_DPG;
	/* While the tables are still in use from before, they are pinned. */
	if ((value & GICR_CTLR_ENABLE_LPIS) && !lpis_enabled(rd) &&
	    (uses_tables(rd) || pin_tables(rd, ops))) {
		refuse(rd);
		value &= ~GICR_CTLR_ENABLE_LPIS;
	}
	mmio_write32(rd->regs + GICR_CTLR, (u32)value);
}

int lpi_start(struct lpi_rd *rd, const struct lpi_ops *ops)
{
	unsigned int i;

	if (!lpis_enabled(rd))
		return 0;
	mmio_write32(rd->regs + GICR_CTLR, mmio_read32(rd->regs + GICR_CTLR) & (u32)GICR_CTLR_DPG);
	for (i = 0; i < RWP_READS; i++)
		if (!(mmio_read32(rd->regs + GICR_CTLR) & (GICR_CTLR_ENABLE_LPIS | GICR_CTLR_RWP)))
			return 0;
	return pin_tables(rd, ops) ? -EBUSY : 0;
}

/* Where the host has turned LPIs off, its tables are its own again once the hardware is done. */
static void look_after_pins(struct lpi_rd *rd, const struct lpi_ops *ops)
{
	if (rd->pins[0].size && !uses_tables(rd))
		unpin_tables(rd, ops);
}

u64 lpi_read(struct lpi_rd *rd, const struct lpi_ops *ops, u64 offset, unsigned int bytes)
{
	enum access access = access_of(offset, bytes);

	if (access == RAZ)
		return 0;
	if (access == CTLR)
		look_after_pins(rd, ops);
	return hw_read(rd, offset, bytes);
}

void lpi_write(struct lpi_rd *rd, const struct lpi_ops *ops, u64 offset, unsigned int bytes,
	       u64 value)
{
	switch (access_of(offset, bytes)) {
	case CTLR:
		write_ctlr(rd, ops, value);
		look_after_pins(rd, ops);
		break;
	case TABLE:
		if (!uses_tables(rd))
			hw_write(rd, offset, bytes, value);
		break;
	case PASS:
		hw_write(rd, offset, bytes, value);
		break;
	case RO:
	case RAZ:
		break;
	}
}
