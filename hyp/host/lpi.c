// SPDX-License-Identifier: BSD-2-Clause
/*
 * A redistributor's RD frame as the host sees it (ARM IHI 0069, 12.10 and 12.11): see lpi.h.
 *
 * GICR_PROPBASER and GICR_PENDBASER name two tables in the host's memory. The hardware uses them
 * from EnableLPIs = 1 until EnableLPIs and RWP read as 0; for that time they are pinned:
 *
 *	EnableLPIs = 0: the host's writes of both registers go to the hardware
 *	   |
 *	   | the host writes EnableLPIs = 1: both registers are read back from the hardware, the
 *	   | tables that they name are pinned, and then the write goes to the hardware. If a table
 *	   v is not the host's, or out of the hardware's reach, EnableLPIs stays 0.
 *	tables in use: the host's writes of both registers are ignored
 *	   |
 *	   | the host writes EnableLPIs = 0, and a later access to GICR_CTLR finds EnableLPIs and
 *	   v RWP 0
 *	unpinned
 *
 * Redistributors may share one property table (GICR_TYPER.CommonLPIAff). Then none of them may have
 * another GICR_PROPBASER than one that uses its table: rd_table_fits().
 *
 * A frame does not answer while its CPU, and with it the redistributor, has no power. Keel then
 * assumes the worst: the tables are in use, and LPIs cannot be enabled.
 */
#include <arch/foreign.h>
#include <arch/gicr.h>
#include <cpu/log.h>
#include <host/host.h>
#include <host/lpi.h>
#include <host/redist.h>
#include <keel/hypercall.h>
#include <lib/errno.h>

/* How many reads EnableLPIs may take to become 0: at boot; while the host waits for an access; */
#define RWP_READS      1000000U
#define RWP_READS_HOST 1000U
/* and of another redistributor, whose CPU is off. */
#define STOP_READS 100U

/* The fields of GICR_PROPBASER that say where the table is, and how large. */
#define PROP_PLACE (GICR_PROPBASER_ADDR | GICR_PROPBASER_IDBITS)

enum access { RAZ, PASS, RO, PROP, PEND, CTLR };

/* All other registers are RAZ/WI, because it is not known what they do. */
static const struct row {
	u64 first, last;
	unsigned int bytes;
	enum access access;
} rows[] = {
	{ GICR_CTLR, GICR_CTLR, 4, CTLR },	     { GICR_IIDR, GICR_IIDR, 4, RO },
	{ GICR_TYPER, GICR_TYPER, 8, RO },	     { GICR_STATUSR, GICR_STATUSR, 4, PASS },
	{ GICR_WAKER, GICR_WAKER, 4, PASS },	     { GICR_SETLPIR, GICR_SETLPIR, 8, PASS },
	{ GICR_CLRLPIR, GICR_CLRLPIR, 8, PASS },     { GICR_PROPBASER, GICR_PROPBASER, 8, PROP },
	{ GICR_PENDBASER, GICR_PENDBASER, 8, PEND }, { GICR_INVLPIR, GICR_INVLPIR, 8, PASS },
	{ GICR_INVALLR, GICR_INVALLR, 8, PASS },     { GICR_SYNCR, GICR_SYNCR, 4, RO },
	{ GIC_ID_FIRST, GIC_FRAME_SIZE - 4, 4, RO },
};

static enum access rd_access_kind(u64 offset, unsigned int bytes)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (offset >= rows[i].first && offset < rows[i].last + rows[i].bytes &&
		    bytes <= rows[i].bytes)
			return rows[i].access;
	return RAZ;
}

static u64 rd_hw_read(struct lpi_rd *rd, u64 offset, unsigned int bytes)
{
	u64 value;

	if (!foreign_read_reg(rd->regs + offset, bytes, &value))
		rd->faulted = true;
	return value;
}

static void rd_hw_write(struct lpi_rd *rd, u64 offset, unsigned int bytes, u64 value)
{
	if (!foreign_write_reg(rd->regs + offset, bytes, value))
		rd->faulted = true;
}

static bool rd_lpis_enabled(struct lpi_rd *rd)
{
	return rd_hw_read(rd, GICR_CTLR, 4) & GICR_CTLR_ENABLE_LPIS;
}

/* Whether the hardware may use the tables: LPIs are enabled, or are being disabled (RWP). */
static bool rd_uses_tables(struct lpi_rd *rd)
{
	u64 ctlr = rd_hw_read(rd, GICR_CTLR, 4);

	return rd->faulted || (ctlr & GICR_CTLR_ENABLE_LPIS) ||
	       (rd->pins[0].size && (ctlr & GICR_CTLR_RWP));
}

static struct lpi_pin enclosing_pages(u64 pa, u64 bytes)
{
	u64 first = ALIGN_DOWN(pa, SZ_4K);

	return (struct lpi_pin){ first, ALIGN_UP(pa + bytes, SZ_4K) - first };
}

/*
 * 5.1.1, 5.1.2: the property table has a byte for each LPI, the pending table a bit for each INTID.
 * GICR_PROPBASER.IDbits sizes both; the hardware may use fewer bits, but not more.
 */
static void rd_tables(u64 prop, u64 pend, struct lpi_pin tables[2])
{
	u64 bits = MIN(FIELD_GET(GICR_PROPBASER_IDBITS, prop) + 1, GIC_ID_BITS_MAX);
	u64 ids = MAX(BIT(bits), 2 * GIC_FIRST_LPI);

	tables[0] = enclosing_pages(prop & GICR_PROPBASER_ADDR, ids - GIC_FIRST_LPI);
	tables[1] = enclosing_pages(pend & GICR_PENDBASER_ADDR, ids / 8);
}

static void rd_unpin_tables(const struct lpi_set *set, struct lpi_rd *rd)
{
	for (size_t i = 0; i < ARRAY_SIZE(rd->pins); i++) {
		if (rd->pins[i].size)
			set->ops->unpin(rd->pins[i].pa, rd->pins[i].size);
		rd->pins[i].size = 0;
	}
}

/* Unpin the tables if the host has disabled LPIs and the hardware does not use them any more. */
static void rd_release_pins(const struct lpi_set *set, struct lpi_rd *rd)
{
	if (rd->pins[0].size && !rd_uses_tables(rd))
		rd_unpin_tables(set, rd);
}

/* ---- property tables that are shared ---- */

/*
 * Whether two redistributors share a property table: GICR_TYPER.CommonLPIAff says down to which
 * affinity level theirs must be equal. If their GICR_PROPBASERs differ while LPIs are enabled,
 * behaviour is UNPREDICTABLE (12.11): one could use a table of the other that is unpinned already.
 */
static bool rd_share_table(const struct lpi_rd *a, const struct lpi_rd *b)
{
	u64 levels = FIELD_GET(GICR_TYPER_COMMON, a->typer);
	u64 differ = FIELD_GET(GICR_TYPER_AFF, a->typer ^ b->typer);

	return !(differ >> (32 - 8 * levels));
}

/*
 * Disable the LPIs of a redistributor whose CPU is off. A kernel that another one has started finds
 * the other CPUs off, and their redistributors with the previous kernel's tables. Return: whether
 * the tables are unpinned.
 */
static bool rd_stop_lpis(const struct lpi_set *set, struct lpi_rd *rd)
{
	rd->faulted = false;
	rd_hw_write(rd, GICR_CTLR, 4, rd_hw_read(rd, GICR_CTLR, 4) & GICR_CTLR_DPG);
	for (unsigned int i = 0; i < STOP_READS && !rd->faulted && rd_uses_tables(rd); i++)
		;
	rd_release_pins(set, rd);
	return !rd->pins[0].size;
}

/*
 * Whether @rd may have its property table at @prop, of which only the bits in @mask are known: no
 * redistributor that shares the table uses another one.
 */
static bool rd_table_fits(const struct lpi_set *set, const struct lpi_rd *rd, u64 prop, u64 mask)
{
	for (unsigned int i = 0; i < set->count; i++) {
		struct lpi_rd *other = &set->rds[i];

		if (other == rd || !other->pins[0].size || !rd_share_table(rd, other) ||
		    !((other->prop ^ prop) & mask & PROP_PLACE))
			continue;
		if (!set->ops->is_off(redist_mpidr(other->typer)) || !rd_stop_lpis(set, other))
			return false;
	}
	return true;
}

/* ---- enabling LPIs ---- */

static void rd_refuse_tables(struct lpi_rd *rd, u64 prop, u64 pend)
{
	static struct ratelimit limit;

	host_count(KEEL_STAT_GIC_REFUSED);
	log_limited(&limit, LOG_WARN,
		    "LPIs of the redistributor at %#lx refused: tables at %#llx and %#llx",
		    rd->base, prop & GICR_PROPBASER_ADDR, pend & GICR_PENDBASER_ADDR);
}

static int rd_pin_both_tables(const struct lpi_set *set, struct lpi_rd *rd,
			      const struct lpi_pin tables[2])
{
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rd->pins) && !ret; i++) {
		ret = tables[i].pa + tables[i].size > rd->pa_limit
			      ? -EINVAL
			      : set->ops->pin(tables[i].pa, tables[i].size);
		if (!ret)
			rd->pins[i] = tables[i];
	}
	if (ret)
		rd_unpin_tables(set, rd);
	return ret;
}

/* Pin the tables that the hardware's registers name. It does not use those that are pinned now. */
static int rd_pin_tables(const struct lpi_set *set, struct lpi_rd *rd)
{
	u64 prop = rd_hw_read(rd, GICR_PROPBASER, 8), pend = rd_hw_read(rd, GICR_PENDBASER, 8);
	struct lpi_pin tables[2];
	int ret = -EIO;

	rd_unpin_tables(set, rd);
	rd_tables(prop, pend, tables);
	if (!rd->faulted)
		ret = !rd->refused && rd_table_fits(set, rd, prop, ~0ULL)
			      ? rd_pin_both_tables(set, rd, tables)
			      : -EBUSY;
	if (ret)
		rd_refuse_tables(rd, prop, pend);
	else
		rd->prop = prop;
	return ret;
}

static void rd_write_ctlr(const struct lpi_set *set, struct lpi_rd *rd, u64 value)
{
	value &= GICR_CTLR_ENABLE_LPIS | GICR_CTLR_DPG;
	/* if the hardware still uses the previous tables, which are pinned, LPIs stay disabled */
	if ((value & GICR_CTLR_ENABLE_LPIS) && !rd_lpis_enabled(rd) &&
	    (rd_uses_tables(rd) || rd_pin_tables(set, rd)))
		value &= ~GICR_CTLR_ENABLE_LPIS;
	if (!rd->faulted)
		rd_hw_write(rd, GICR_CTLR, 4, value);
}

/* A write may be of one half; then the other half is not known yet. */
static void rd_write_propbaser(const struct lpi_set *set, struct lpi_rd *rd, u64 offset,
			       unsigned int bytes, u64 value)
{
	unsigned int shift = offset == GICR_PROPBASER ? 0 : 32;
	u64 mask = (bytes == 8 ? ~0ULL : GENMASK(31, 0)) << shift;

	if (rd_uses_tables(rd))
		return;
	if (rd_table_fits(set, rd, value << shift, mask)) {
		rd->refused &= ~mask;
		rd_hw_write(rd, offset, bytes, value);
	} else {
		rd->refused |= mask;
		rd_refuse_tables(rd, value << shift, 0);
	}
}

/* 12.11.2: hardware need not allow EnableLPIs to be cleared. Return: whether LPIs are disabled. */
static bool rd_disable_lpis(struct lpi_rd *rd, unsigned int reads)
{
	rd_hw_write(rd, GICR_CTLR, 4, rd_hw_read(rd, GICR_CTLR, 4) & GICR_CTLR_DPG);
	while (reads-- && !rd->faulted)
		if (!(rd_hw_read(rd, GICR_CTLR, 4) & (GICR_CTLR_ENABLE_LPIS | GICR_CTLR_RWP)))
			return !rd->faulted;
	return false;
}

int lpi_start(const struct lpi_set *set, struct lpi_rd *rd)
{
	rd->faulted = false;
	if (!rd_lpis_enabled(rd) || rd_disable_lpis(rd, RWP_READS))
		return 0;
	return rd_pin_tables(set, rd) ? -EBUSY : 0;
}

/* ---- the host's accesses ---- */

/* Read GICR_TYPER of a frame that did not answer at boot, and may now. Asleep, it may read as zero. */
static void rd_identify(struct lpi_rd *rd)
{
	u64 low, high;

	if (!redist_is_unknown(rd->typer))
		return;
	low = rd_hw_read(rd, GICR_TYPER, 4);
	high = rd_hw_read(rd, GICR_TYPER + 4, 4);
	if (!rd->faulted && (low | high))
		WRITE_ONCE(rd->typer, low | high << 32);
}

/*
 * Disable the LPIs that a kernel left enabled that is gone: the next kernel would take the tables
 * for its own, although other data may be there now. Return: false if the hardware does not allow
 * it; true also if the frame does not answer, and the host's next access tries again.
 */
static bool rd_disable_left(const struct lpi_set *set, struct lpi_rd *rd)
{
	static struct ratelimit limit;

	if (!rd->left)
		return true;
	if (rd_disable_lpis(rd, RWP_READS_HOST))
		rd_unpin_tables(set, rd);
	else if (rd->faulted)
		return true;
	rd->left = false;
	if (!rd->pins[0].size)
		return true;
	log_limited(&limit, LOG_WARN,
		    "LPIs of the redistributor at %#lx stay enabled, with the tables of a kernel "
		    "that is gone",
		    rd->base);
	return false;
}

/*
 * If one redistributor cannot disable its LPIs, probably none can: the others are tried at the
 * host's next access to each.
 */
void lpi_forget(const struct lpi_set *set)
{
	bool told = true;

	for (unsigned int i = 0; i < set->count; i++) {
		struct lpi_rd *rd = &set->rds[i];

		rd->faulted = false;
		rd->left = rd->pins[0].size;
		if (told)
			told = rd_disable_left(set, rd);
	}
}

u64 lpi_read(const struct lpi_set *set, struct lpi_rd *rd, u64 offset, unsigned int bytes)
{
	enum access access = rd_access_kind(offset, bytes);

	rd_identify(rd);
	(void)rd_disable_left(set, rd);
	if (access == RAZ)
		return 0;
	if (access == CTLR)
		rd_release_pins(set, rd);
	return rd_hw_read(rd, offset, bytes);
}

void lpi_write(const struct lpi_set *set, struct lpi_rd *rd, u64 offset, unsigned int bytes,
	       u64 value)
{
	rd_identify(rd);
	(void)rd_disable_left(set, rd);
	switch (rd_access_kind(offset, bytes)) {
	case CTLR:
		rd_write_ctlr(set, rd, value);
		rd_release_pins(set, rd);
		break;
	case PROP:
		rd_write_propbaser(set, rd, offset, bytes, value);
		break;
	case PEND:
		if (!rd_uses_tables(rd))
			rd_hw_write(rd, offset, bytes, value);
		break;
	case PASS:
		rd_hw_write(rd, offset, bytes, value);
		break;
	case RO:
	case RAZ:
		break;
	}
}
