// SPDX-License-Identifier: BSD-2-Clause
/* Probes an ITS and sets up its tables in Keel's memory: see its.h. Boot only. */
#include <arch/cache.h>
#include <arch/foreign.h>
#include <host/its.h>
#include <host/its_quirk.h>
#include <lib/errno.h>
#include <lib/string.h>

/* How many reads a disabled ITS may take to become quiescent. */
#define QUIESCENT_READS 1000000U

/* The fields of GITS_TYPER that the host sees: no virtual LPIs, and no field unknown to Keel. */
#define TYPER_SHOWN                                                                          \
	(BIT(0) | BIT(2) | GITS_TYPER_ITT_ENTRY_SIZE | GITS_TYPER_ID_BITS | GITS_TYPER_PTA | \
	 GITS_TYPER_HCC | GENMASK(36, 32))

/* Room for more collections than there can be CPUs. */
#define COLLECTION_BYTES SZ_64K
#define QUEUE_BYTES	 SZ_64K /* 12.19.2: an address is a multiple of 64 KiB */
#define PAGES_MAX	 256

/* GITS_BASER<n> has address bits 51:48 with pages of 64 KiB only (12.19.1). */
#define BASER_LIMIT BIT(48)

static const u64 page_sizes[] = { SZ_4K, SZ_16K, SZ_64K };

/* A frame that does not answer reads as zero, which no ITS does. */
static u64 its_reg_read(u8 *regs, u64 offset, unsigned int bytes)
{
	u64 value;

	(void)!foreign_read_reg(regs + offset, bytes, &value);
	return value;
}

static void its_reg_write(u8 *regs, u64 offset, unsigned int bytes, u64 value)
{
	(void)!foreign_write_reg(regs + offset, bytes, value);
}

static u64 baser_type(u64 baser)
{
	return FIELD_GET(GITS_BASER_TYPE, baser);
}

static u64 baser_entry_size(u64 baser)
{
	return FIELD_GET(GITS_BASER_ENTRY_SIZE, baser) + 1;
}

static u64 baser_page_size(u64 baser)
{
	return page_sizes[FIELD_GET(GITS_BASER_PAGE_SIZE, baser)];
}

static bool its_come_to_rest(u8 *regs)
{
	its_reg_write(regs, GITS_CTLR, 4, 0);
	for (unsigned int i = 0; i < QUIESCENT_READS; i++)
		if (its_reg_read(regs, GITS_CTLR, 4) & GITS_CTLR_QUIESCENT)
			return true;
	return false;
}

static bool is_its(u8 *regs)
{
	u64 revision = FIELD_GET(GIC_PIDR2_ARCHREV, its_reg_read(regs, GIC_PIDR2, 4));

	return revision == 3 || revision == 4;
}

/*
 * The value for GITS_BASER<n>, not valid, with the largest page size that the hardware accepts. 0:
 * it accepts none.
 */
static u64 probe_baser(u8 *regs, unsigned int n)
{
	u64 offset = GITS_BASER + n * 8, baser;

	for (u64 size = ARRAY_SIZE(page_sizes); size-- > 0;) {
		its_reg_write(regs, offset, 8, FIELD_PREP(GITS_BASER_PAGE_SIZE, size));
		baser = its_reg_read(regs, offset, 8);
		if (FIELD_GET(GITS_BASER_PAGE_SIZE, baser) == size)
			return baser &
			       (GITS_BASER_TYPE | GITS_BASER_ENTRY_SIZE | GITS_BASER_PAGE_SIZE);
	}
	return 0;
}

static u64 table_bytes(u64 baser, u64 entries)
{
	return ALIGN_UP(entries * baser_entry_size(baser), baser_page_size(baser));
}

/*
 * Size the device table: as many DeviceIDs as one flat table can have, and as @limit has room for,
 * with the entry of its->itts for each.
 */
static u64 plan_devices(struct its_plan *plan, u64 baser, u64 limit)
{
	unsigned int bits = (unsigned int)FIELD_GET(GITS_TYPER_DEVBITS, plan->typer) + 1;
	u64 bytes;

	for (;; bits--) {
		bytes = table_bytes(baser, BIT(bits));
		if (bits == 1 || (bytes <= PAGES_MAX * baser_page_size(baser) &&
				  bytes + BIT(bits) * sizeof(u64) <= limit))
			break;
	}
	plan->device_bits = bits;
	return bytes;
}

static void plan_table(struct its_plan *plan, unsigned int n, u64 limit)
{
	u64 baser = plan->baser[n];

	if (baser_type(baser) == GITS_BASER_DEVICES && !plan->device_bits)
		plan->bytes[n] = plan_devices(plan, baser, limit);
	else if (baser_type(baser) == GITS_BASER_COLLECTIONS)
		plan->bytes[n] = ALIGN_UP(COLLECTION_BYTES, baser_page_size(baser));
	plan->total += ALIGN_UP(plan->bytes[n], SZ_64K);
	if (plan->bytes[n] && baser_page_size(baser) != SZ_64K)
		plan->memory_limit = MIN(plan->memory_limit, BASER_LIMIT);
}

/*
 * The end of the addresses that the hardware has bits for: it would truncate a longer one, and use
 * other memory. Bits 15:12 of GITS_CBASER can be RES0.
 */
static u64 its_reachable_bits(u8 *regs, u32 actions)
{
	unsigned int bits = 16;
	u64 cbaser;

	its_reg_write(regs, GITS_CBASER, 8, GITS_CBASER_ADDR);
	cbaser = its_reg_read(regs, GITS_CBASER, 8);
	its_reg_write(regs, GITS_CBASER, 8, 0);
	while (bits < 52 && (cbaser & BIT(bits)))
		bits++;
	return MIN(BIT(bits), actions & ITS_BELOW_4G ? SZ_4G : ~0ULL);
}

static u64 its_probe_typer(u8 *regs, u32 actions)
{
	u64 typer = its_reg_read(regs, GITS_TYPER, 8);
	u64 bits = FIELD_GET(GITS_TYPER_DEVBITS, typer);

	if (actions & ITS_ITT_ENTRY_16)
		typer |= GITS_TYPER_ITT_ENTRY_SIZE; /* all ones: 16 bytes */
	if (actions & ITS_DEVICE_BITS_20)
		typer = (typer & ~GITS_TYPER_DEVBITS) |
			FIELD_PREP(GITS_TYPER_DEVBITS, MIN(bits, 20U - 1));
	return typer;
}

int its_plan(u8 *regs, u64 limit, u32 actions, struct its_plan *plan)
{
	*plan = (struct its_plan){ .total = QUEUE_BYTES, .actions = actions };
	if (!is_its(regs) || !its_come_to_rest(regs))
		return -ENODEV;
	plan->typer = its_probe_typer(regs, actions);
	plan->pa_limit = plan->memory_limit = its_reachable_bits(regs, actions);
	for (unsigned int n = 0; n < GITS_BASERS; n++) {
		plan->baser[n] = probe_baser(regs, n);
		plan_table(plan, n, limit);
	}
	if (!plan->device_bits)
		return -ENODEV;
	plan->total += ALIGN_UP(BIT(plan->device_bits) * sizeof(u64), SZ_64K);
	return 0;
}

/*
 * The address field of GITS_BASER<n>. With pages of 64 KiB, address bits 51:48 are in bits 15:12;
 * with other pages, @pa is below BASER_LIMIT.
 */
static u64 address_field(u64 baser, u64 pa)
{
	if (baser_page_size(baser) == SZ_64K)
		return (pa & GENMASK(47, 16)) | (pa >> 48 & 0xf) << 12;
	return pa & GENMASK(47, 12);
}

/* Memory that is still to be handed out: EL2's address of it, and its physical address. */
struct carver {
	u8 *memory;
	u64 pa;
};

static u8 *carve_its_memory(struct carver *c, u64 bytes)
{
	u8 *memory = c->memory;

	c->memory += ALIGN_UP(bytes, SZ_64K);
	c->pa += ALIGN_UP(bytes, SZ_64K);
	return memory;
}

static void its_init_table(struct its_table *table, u64 baser, u64 bytes, u64 attrs,
			   struct carver *c)
{
	table->bytes = bytes;
	table->fixed = bytes ? baser & (GITS_BASER_TYPE | GITS_BASER_ENTRY_SIZE) : 0;
	if (!bytes)
		return;
	table->hw = GIC_VALID | attrs | (baser & GITS_BASER_PAGE_SIZE) |
		    address_field(baser, c->pa) | (bytes / baser_page_size(baser) - 1);
	table->memory = carve_its_memory(c, bytes);
}

static void its_init_tables(struct its *its, const struct its_plan *plan, u64 attrs,
			    struct carver *c)
{
	its->collections = FIELD_GET(GITS_TYPER_HCC, plan->typer);
	for (unsigned int n = 0; n < GITS_BASERS; n++) {
		its_init_table(&its->table[n], plan->baser[n], plan->bytes[n], attrs, c);
		if (plan->bytes[n] && baser_type(plan->baser[n]) == GITS_BASER_COLLECTIONS)
			its->collections += plan->bytes[n] / baser_entry_size(plan->baser[n]);
	}
}

void its_init(struct its *its, const struct its_ops *ops, u64 base, u8 *regs,
	      const struct its_plan *plan, void *memory, u64 pa, bool coherent)
{
	struct carver c = { memory, pa };
	u64 attrs;

	*its = (struct its){
		.lock = SPINLOCK_INIT(LOCK_ITS), .ops = ops, .base = base, .regs = regs
	};
	if (!regs)
		return;
	memset(memory, 0, plan->total);
	dcache_clean_inval_poc(memory, plan->total);
	its->typer = (plan->typer & TYPER_SHOWN & ~GITS_TYPER_DEVBITS) |
		     FIELD_PREP(GITS_TYPER_DEVBITS, plan->device_bits - 1);
	its->devices = BIT(plan->device_bits);
	its->pa_limit = plan->pa_limit;
	coherent = coherent && !(plan->actions & ITS_NOT_SHAREABLE);
	attrs = coherent ? GIC_INNER_SHARED | GIC_INNER_RAWAWB : GIC_INNER_NC;
	/* A queue of one page */
	its->hw_cbaser = GIC_VALID | attrs | c.pa;
	its->queue = (struct its_command *)carve_its_memory(&c, QUEUE_BYTES);
	if (plan->actions & ITS_TABLES_NCNB)
		attrs &= ~GIC_INNER_CACHE;
	its_init_tables(its, plan, attrs, &c);
	its->itts = (u64 *)carve_its_memory(&c, its->devices * sizeof(u64));
	/* the hardware's registers are written when the host first enables the ITS */
}
