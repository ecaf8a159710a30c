// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of an ITS in the guest's memory. While the VM runs they are only looked at to see
 * whether there is room for an entry. KVM_DEV_ARM_ITS_SAVE_TABLES writes what is mapped there, in
 * KVM's format of revision 0 (Linux: devices/arm-vgic-its.rst), and RESTORE_TABLES maps what is there.
 */
#include "its_model.h"

/* GITS_BASER<n> */
#define BASER_VALID    BIT(63)
#define BASER_INDIRECT BIT(62)
#define BASER_ADDR     GENMASK(47, 16)
#define BASER_ADDR_HI  GENMASK(15, 12) /* bits 51:48 */
#define BASER_SIZE     GENMASK(7, 0)   /* pages, less 1 */
/* An entry of the first level: of a page of the second one */
#define L1_VALID BIT(63)
#define L1_ADDR	 GENMASK(51, 16)

#define ENTRY_SIZE   8U
#define PAGE_ENTRIES ((u32)(ITS_PAGE / ENTRY_SIZE))

#define DTE_VALID BIT(63)
#define DTE_NEXT  GENMASK(62, 49)
#define DTE_ITT	  GENMASK(48, 5) /* bits 51:8 */
#define DTE_SIZE  GENMASK(4, 0)	 /* bits of EventID, less 1 */
#define ITT_ADDR  GENMASK(51, 8)
#define CTE_VALID BIT(63)
#define CTE_RD	  GENMASK(47, 16)
#define CTE_ICID  GENMASK(15, 0)
#define ITE_NEXT  GENMASK(63, 48)
#define ITE_INTID GENMASK(47, 16)
#define ITE_ICID  GENMASK(15, 0)
#define NO_RD	  0xffffffffULL /* of a collection that is not mapped */

#define PENDBASER_ADDR GENMASK(51, 16)

static u64 table_address(u64 baser)
{
	return (baser & BASER_ADDR) | FIELD_GET(BASER_ADDR_HI, baser) << 48;
}

/* Entries of the table, or with BASER_INDIRECT of its first level. */
static u32 table_entries(u64 baser)
{
	return ((u32)FIELD_GET(BASER_SIZE, baser) + 1) * PAGE_ENTRIES;
}

/* Where the table's page is that entry @id is in. Return: 0; -EINVAL. */
static int second_level(struct its *its, u64 baser, u32 id, u64 *page)
{
	u32 index = id / PAGE_ENTRIES;
	u64 entry;

	if (index >= table_entries(baser) ||
	    its_env_read(its->lpis, table_address(baser) + (u64)index * ENTRY_SIZE, &entry,
			 sizeof(entry)) ||
	    !(entry & L1_VALID))
		return -EINVAL;
	*page = entry & L1_ADDR;
	return 0;
}

int its_table_entry(struct its *its, unsigned int n, u32 id, u64 *ipa)
{
	u64 baser = its->baser[n], page;

	if (!(baser & BASER_VALID) || id >> ITS_ID_BITS)
		return -EINVAL;
	if (!(baser & BASER_INDIRECT)) {
		if (id >= table_entries(baser))
			return -EINVAL;
		*ipa = table_address(baser) + (u64)id * ENTRY_SIZE;
	} else {
		if (second_level(its, baser, id, &page))
			return -EINVAL;
		*ipa = page + (u64)(id % PAGE_ENTRIES) * ENTRY_SIZE;
	}
	return its_env_has(its->lpis, *ipa, ENTRY_SIZE) ? 0 : -EINVAL;
}

static int read_entry(struct its *its, u64 ipa, u64 *entry)
{
	return its_env_read(its->lpis, ipa, entry, sizeof(*entry));
}

static int write_entry(struct its *its, u64 ipa, u64 entry)
{
	return its_env_write(its->lpis, ipa, &entry, sizeof(entry));
}

static u64 event_address(const struct its_device *device, u32 event)
{
	return device->itt + (u64)event * ENTRY_SIZE;
}

/*
 * Tables that have been written or read have entries that a later RESTORE_TABLES would find: the
 * entry of what is unmapped becomes invalid. If its memory has gone there is nothing to find. Entries
 * of events are written by DISCARD alone, as KVM does: a device that is mapped anew, or whose table is
 * taken away, may have left its ITT long ago (a kernel that another one has replaced by kexec), and
 * the guest has other things there.
 */
void its_table_forget_device(struct its *its, const struct its_device *device)
{
	u64 ipa;

	if (its->saved && !its_table_entry(its, 0, device->id, &ipa))
		(void)!write_entry(its, ipa, 0);
}

void its_table_forget_event(struct its *its, const struct its_lpi *lpi)
{
	if (its->saved)
		(void)!write_entry(its, event_address(lpi->device, lpi->event), 0);
}

/* ---- save ---- */

static u32 distance(u32 from, u32 to, u32 most)
{
	return to - from < most ? to - from : most;
}

static int save_events(struct its *its, struct its_device *device)
{
	struct its_lpi *lpi, *next;
	u32 at = 0;
	int ret = 0;

	for (lpi = its_map_next(&device->events, &at); lpi && !ret; lpi = next) {
		u32 event = at++;
		u64 entry = FIELD_PREP(ITE_INTID, (u64)lpi->intid) |
			    FIELD_PREP(ITE_ICID, (u64)lpi->collection->id);

		next = its_map_next(&device->events, &at);
		if (next)
			entry |= FIELD_PREP(ITE_NEXT, (u64)distance(event, at, 0xffff));
		ret = write_entry(its, event_address(device, event), entry);
	}
	return ret;
}

/* @next: the DeviceID of the next one, or 0 */
static int save_device(struct its *its, struct its_device *device, u32 next)
{
	u64 entry = DTE_VALID | FIELD_PREP(DTE_ITT, device->itt >> 8) |
		    FIELD_PREP(DTE_SIZE, (u64)device->event_bits - 1);
	u64 ipa;
	int ret = its_table_entry(its, 0, device->id, &ipa);

	if (next)
		entry |= FIELD_PREP(DTE_NEXT, (u64)distance(device->id, next, 0x3fff));
	if (!ret)
		ret = save_events(its, device);
	return ret ? ret : write_entry(its, ipa, entry);
}

/*
 * The first device from *@id on that has an entry in the table, as it is now: the guest may have made
 * it smaller, or taken away pages of it.
 */
static struct its_device *next_in_table(struct its *its, u32 *id)
{
	struct its_device *device;
	u64 ipa;

	while ((device = its_map_next(&its->devices, id)) && its_table_entry(its, 0, *id, &ipa))
		(*id)++;
	return device;
}

static int save_devices(struct its *its)
{
	struct its_device *device, *next;
	u32 at = 0;
	int ret = 0;

	for (device = next_in_table(its, &at); device && !ret; device = next) {
		at++;
		next = next_in_table(its, &at);
		ret = save_device(its, device, next ? at : 0);
	}
	return ret;
}

static u64 number_of(const struct its_lpis *lpis, const struct its_redist *redist)
{
	for (unsigned int i = 0; i < lpis->nr_redists; i++)
		if (lpis->redist[i] == redist)
			return i;
	return NO_RD;
}

/* In any order, one after the other; an invalid entry ends them. */
static int save_collections(struct its *its)
{
	u32 count = 0, most = table_entries(its->baser[1]);
	u64 ipa = table_address(its->baser[1]);
	struct its_collection *collection;
	int ret = 0;

	for (u32 id = 0; (collection = its_map_next(&its->collections, &id)) && !ret; id++) {
		u64 entry = CTE_VALID | FIELD_PREP(CTE_ICID, (u64)collection->id) |
			    FIELD_PREP(CTE_RD, number_of(its->lpis, collection->redist));

		if (count == most)
			return -EINVAL;
		ret = write_entry(its, ipa + (u64)count++ * ENTRY_SIZE, entry);
	}
	if (!ret && count < most)
		ret = write_entry(its, ipa + (u64)count * ENTRY_SIZE, 0);
	return ret;
}

int its_tables_save(struct its *its)
{
	int ret = 0;

	its->saved = true;
	if (its->baser[0] & BASER_VALID)
		ret = save_devices(its);
	if (!ret && its->baser[1] & BASER_VALID)
		ret = save_collections(its);
	return ret;
}

/* ---- restore ---- */

/* 1: there may be more. */
static int restore_collection(struct its *its, u64 entry)
{
	u64 number = FIELD_GET(CTE_RD, entry);
	struct its_redist *redist = NULL;
	u32 id = (u32)FIELD_GET(CTE_ICID, entry);
	int ret;

	if (!(entry & CTE_VALID))
		return 0;
	if (number != NO_RD) {
		redist = its_redist_of(its->lpis, number);
		if (!redist)
			return -EINVAL;
	}
	if (its_collection_find(its, id))
		return -EEXIST;
	ret = its_collection_map(its, id, redist);
	return ret ? ret : 1;
}

static int restore_collections(struct its *its)
{
	u32 most = table_entries(its->baser[1]);
	u64 ipa = table_address(its->baser[1]);
	int ret = 1;

	for (u32 i = 0; i < most && ret > 0; i++) {
		u64 entry;

		ret = read_entry(its, ipa + (u64)i * ENTRY_SIZE, &entry);
		if (!ret)
			ret = restore_collection(its, entry);
	}
	return ret < 0 ? ret : 0;
}

/*
 * An entry of a table, with number @id of @count. Return: how far away the next one is; 0, it is the
 * last one; negative errno.
 */
typedef int (*its_restore_fn)(struct its *its, struct its_device *device, u32 id, u64 entry);

/* @id: of the first entry. Return: 1, the end was reached without a last one; 0; negative errno */
static int restore_entries(struct its *its, u64 ipa, u32 id, u32 count, its_restore_fn restore,
			   struct its_device *device)
{
	for (u32 i = 0; i < count;) {
		u64 entry;
		int ret = its_env_killed(its->lpis)
				  ? -EINTR
				  : read_entry(its, ipa + (u64)i * ENTRY_SIZE, &entry);

		if (!ret)
			ret = restore(its, device, id + i, entry);
		if (ret <= 0)
			return ret;
		i += (u32)ret;
	}
	return 1;
}

static int restore_event(struct its *its, struct its_device *device, u32 event, u64 entry)
{
	u32 intid = (u32)FIELD_GET(ITE_INTID, entry), next = (u32)FIELD_GET(ITE_NEXT, entry);
	struct its_lpi *lpi;
	int ret;

	if (!intid)
		return 1;
	if (event + next >= BIT(device->event_bits) ||
	    !its_collection_find(its, (u32)FIELD_GET(ITE_ICID, entry)))
		return -EINVAL;
	ret = its_event_map(its, device, event, intid, (u32)FIELD_GET(ITE_ICID, entry));
	if (ret)
		return ret == -EEXIST ? -EINVAL : ret;
	lpi = its_lpi_find(its->lpis, intid);
	if (its_pending_bit(its->lpis, lpi))
		its_lpi_set(its->lpis, lpi);
	return (int)next;
}

static int restore_device(struct its *its, struct its_device *none, u32 id, u64 entry)
{
	u32 next = (u32)FIELD_GET(DTE_NEXT, entry);
	struct its_device *device;
	int ret;

	(void)none;
	if (!(entry & DTE_VALID))
		return 1;
	if (id + next >= ITS_INTIDS || its_device_find(its, id))
		return -EINVAL;
	ret = its_device_map(its, id, FIELD_GET(DTE_ITT, entry) << 8,
			     (unsigned int)FIELD_GET(DTE_SIZE, entry) + 1);
	if (ret)
		return ret;
	device = its_device_find(its, id);
	ret = restore_entries(its, device->itt, 0, (u32)BIT(device->event_bits), restore_event,
			      device);
	return ret < 0 ? ret : (int)next;
}

static int restore_devices(struct its *its)
{
	u64 baser = its->baser[0], page;
	int ret = 1;

	if (!(baser & BASER_INDIRECT)) {
		u32 count = table_entries(baser);

		return restore_entries(its, table_address(baser), 0,
				       count < ITS_INTIDS ? count : ITS_INTIDS, restore_device,
				       NULL);
	}
	for (u32 id = 0; id < ITS_INTIDS && ret > 0; id += PAGE_ENTRIES)
		if (!second_level(its, baser, id, &page))
			ret = restore_entries(its, page, id, PAGE_ENTRIES, restore_device, NULL);
	return ret;
}

int its_tables_restore(struct its *its)
{
	int ret = 0;

	its->saved = false;
	if (its->baser[1] & BASER_VALID)
		ret = restore_collections(its);
	if (!ret && its->baser[0] & BASER_VALID)
		ret = restore_devices(its);
	if (ret < 0) {
		its_devices_unmap_all(its);
		its_collections_unmap_all(its);
		return ret;
	}
	its->saved = true;
	return 0;
}

/* ---- pending tables ---- */

static u64 pending_byte(const struct its_redist *redist, u32 intid)
{
	return (redist->pendbaser & PENDBASER_ADDR) + intid / 8;
}

/* Whether there may be a pending table: an LPI that MOVI has sent ahead of EnableLPIs is in it too. */
static bool has_pending_table(const struct its_redist *redist)
{
	return redist && (redist->enabled || redist->pendbaser & PENDBASER_ADDR);
}

bool its_pending_bit(struct its_lpis *lpis, const struct its_lpi *lpi)
{
	u8 byte;

	if (!has_pending_table(lpi->redist) ||
	    its_env_read(lpis, pending_byte(lpi->redist, lpi->intid), &byte, 1))
		return false;
	return byte & BIT(lpi->intid % 8);
}

void its_pending_load(struct its_lpis *lpis, struct its_redist *redist)
{
	struct its_lpi *lpi;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)); intid++)
		if (lpi->redist == redist && its_pending_bit(lpis, lpi))
			its_lpi_set(lpis, lpi);
}

static int store_bit(struct its_lpis *lpis, const struct its_lpi *lpi, bool pending)
{
	u64 ipa = pending_byte(lpi->redist, lpi->intid);
	u8 mask = (u8)BIT(lpi->intid % 8), byte;
	int ret = its_env_read(lpis, ipa, &byte, 1);

	if (ret || !!(byte & mask) == pending)
		return ret;
	byte = pending ? byte | mask : byte & (u8)~mask;
	return its_env_write(lpis, ipa, &byte, 1);
}

/* Under the lock nothing is written: the state is read while the LPI is taken. */
static int store_pending(struct its_lpis *lpis, struct its_lpi *lpi)
{
	unsigned long flags;
	bool pending;

	its_lpi_take(lpis, lpi);
	flags = its_env_lock(lpis);
	pending = lpi->pending;
	its_env_unlock(lpis, flags);
	its_lpi_give(lpis, lpi);
	return store_bit(lpis, lpi, pending);
}

int its_pending_store(struct its_lpis *lpis, struct its_redist *redist)
{
	struct its_lpi *lpi;
	int ret = 0;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)) && !ret; intid++)
		if (lpi->redist == redist)
			ret = store_pending(lpis, lpi);
	return ret;
}

int its_pending_save(struct its_lpis *lpis)
{
	struct its_lpi *lpi;
	int ret = 0;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)) && !ret; intid++)
		if (has_pending_table(lpi->redist))
			ret = store_pending(lpis, lpi);
	return ret;
}
