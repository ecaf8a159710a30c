// SPDX-License-Identifier: GPL-2.0
/*
 * Devices, collections and events. Each event is an LPI that no other event is: the LPI lives as long
 * as its event is mapped, and the device as long as it is mapped. Whoever unmaps one has the mutex, so
 * nobody else holds a pointer but under the lock.
 */
#include "its_model.h"

struct its_device *its_device_find(const struct its *its, u32 id)
{
	return its_map_get(&its->devices, id);
}

struct its_lpi *its_event_find(const struct its *its, u32 device, u32 event)
{
	const struct its_device *found = its_device_find(its, device);

	return found ? its_map_get(&found->events, event) : NULL;
}

struct its_collection *its_collection_find(const struct its *its, u32 id)
{
	return its_map_get(&its->collections, id);
}

static void insert(struct its_lpis *lpis, struct its_map *map, u32 key, void *object)
{
	unsigned long flags = its_env_lock(lpis);

	its_map_insert(map, key, object, &lpis->reserve);
	its_env_unlock(lpis, flags);
}

static void erase(struct its_lpis *lpis, struct its_map *map, u32 key)
{
	unsigned long flags = its_env_lock(lpis);

	its_map_erase(map, key, its_release, lpis);
	its_env_unlock(lpis, flags);
}

/* ---- devices ---- */

int its_device_map(struct its *its, u32 id, u64 itt, unsigned int event_bits)
{
	struct its_lpis *lpis = its->lpis;
	struct its_device *device = its_device_find(its, id);
	int ret;

	if (id >> ITS_ID_BITS || !event_bits || event_bits > ITS_ID_BITS)
		return -EINVAL;
	if (device)
		its_device_unmap(its, device);
	ret = its_reserve_fill(lpis);
	if (ret)
		return ret;
	device = its_reserve_take(lpis);
	device->its = its;
	device->id = id;
	device->event_bits = event_bits;
	device->itt = itt;
	its_map_init(&device->events, event_bits);
	insert(lpis, &its->devices, id, device);
	return 0;
}

void its_device_unmap(struct its *its, struct its_device *device)
{
	struct its_lpi *lpi;

	for (u32 event = 0; (lpi = its_map_next(&device->events, &event));)
		its_event_unmap(its, lpi);
	its_table_forget_device(its, device);
	erase(its->lpis, &its->devices, device->id);
	its_release(its->lpis, device);
}

void its_devices_unmap_all(struct its *its)
{
	struct its_device *device;

	for (u32 id = 0; (device = its_map_next(&its->devices, &id));)
		its_device_unmap(its, device);
}

/* ---- collections ---- */

/* With a full reserve. */
static struct its_collection *add_collection(struct its *its, u16 id)
{
	struct its_collection *collection = its_reserve_take(its->lpis);

	collection->id = id;
	insert(its->lpis, &its->collections, id, collection);
	return collection;
}

/* Send all LPIs of a collection to where it goes now. */
static void follow_collection(struct its_lpis *lpis, struct its_collection *collection)
{
	struct its_lpi *lpi;

	for (u32 intid = 0; (lpi = its_lpi_next(lpis, &intid)); intid++)
		if (lpi->collection == collection)
			its_lpi_move(lpis, lpi, collection->redist);
}

/* One that is not mapped is kept while it is there: events may name it. */
int its_collection_map(struct its *its, u32 id, struct its_redist *redist)
{
	struct its_collection *collection = its_collection_find(its, id);
	int ret;

	if (id >> ITS_ID_BITS)
		return -EINVAL;
	if (!collection) { /* no event names it yet */
		ret = its_reserve_fill(its->lpis);
		if (!ret)
			add_collection(its, (u16)id)->redist = redist;
		return ret;
	}
	collection->redist = redist;
	follow_collection(its->lpis, collection);
	return 0;
}

/* There are no events: they name their collections. */
static void remove_collections(struct its *its)
{
	struct its_collection *collection;

	for (u32 id = 0; (collection = its_map_next(&its->collections, &id));) {
		erase(its->lpis, &its->collections, id);
		its_release(its->lpis, collection);
	}
}

/*
 * Unmap each. What events name stays as long as there are any. All LPIs are gone through once: there
 * may be as many collections as LPIs, and nothing ends the call in between.
 */
void its_collections_unmap_all(struct its *its)
{
	struct its_collection *collection;
	struct its_lpi *lpi;
	u32 first = 0;

	if (!its_map_next(&its->devices, &first)) {
		remove_collections(its);
		return;
	}
	for (u32 id = 0; (collection = its_map_next(&its->collections, &id)); id++)
		collection->redist = NULL;
	for (u32 intid = 0; (lpi = its_lpi_next(its->lpis, &intid)); intid++)
		if (lpi->device->its == its)
			its_lpi_move(its->lpis, lpi, NULL);
}

/* ---- events ---- */

/* With a full reserve. */
static void add_event(struct its_device *device, u32 event, u32 intid,
		      struct its_collection *collection)
{
	struct its_lpis *lpis = device->its->lpis;
	struct its_lpi *lpi = its_reserve_take(lpis);

	lpi->device = device;
	lpi->event = (u16)event;
	lpi->intid = intid;
	lpi->collection = collection;
	lpi->redist = collection->redist;
	its_lpi_configure(lpis, lpi);
	insert(lpis, &lpis->lpi, intid - ITS_FIRST_LPI, lpi);
	insert(lpis, &device->events, event, lpi);
}

int its_event_map(struct its *its, struct its_device *device, u32 event, u32 intid, u32 collection)
{
	struct its_lpis *lpis = its->lpis;
	struct its_collection *found;
	int ret;

	if (event >> device->event_bits || intid < ITS_FIRST_LPI || intid >= ITS_INTIDS ||
	    collection >> ITS_ID_BITS)
		return -EINVAL;
	if (its_lpi_find(lpis, intid) || its_map_get(&device->events, event))
		return -EEXIST;
	ret = its_reserve_fill(lpis);
	if (ret)
		return ret;
	found = its_collection_find(its, collection);
	add_event(device, event, intid, found ? found : add_collection(its, (u16)collection));
	return 0;
}

void its_event_unmap(struct its *its, struct its_lpi *lpi)
{
	struct its_lpis *lpis = its->lpis;

	its_lpi_take(lpis, lpi);
	erase(lpis, &lpi->device->events, lpi->event);
	erase(lpis, &lpis->lpi, lpi->intid - ITS_FIRST_LPI);
	its_release(lpis, lpi);
}
