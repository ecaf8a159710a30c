// SPDX-License-Identifier: BSD-2-Clause
/* The surroundings of the model of the ITS: its_world.h. */
#include "its_world.h"

#include <stdlib.h>

struct world world;

/* ---- what the model needs ---- */

void *its_env_alloc(struct its_lpis *lpis)
{
	assert(!world.locked);
	if (!world.allocations)
		return NULL;
	if (world.allocations != ~0U)
		world.allocations--;
	world.allocated++;
	return calloc(1, ITS_BLOCK);
}

void its_env_free(struct its_lpis *lpis, void *block)
{
	world.allocated--;
	free(block);
}

unsigned long its_env_lock(struct its_lpis *lpis)
{
	assert(!world.locked);
	world.locked = true;
	return 42;
}

void its_env_unlock(struct its_lpis *lpis, unsigned long flags)
{
	assert(world.locked && flags == 42);
	world.locked = false;
}

bool its_env_has(struct its_lpis *lpis, u64 ipa, unsigned int bytes)
{
	return ipa >= MEMORY && ipa - MEMORY <= MEMORY_SIZE - bytes;
}

int its_env_read(struct its_lpis *lpis, u64 ipa, void *to, unsigned int bytes)
{
	assert(!world.locked);
	if (!its_env_has(lpis, ipa, bytes))
		return -EFAULT;
	memcpy(to, world.memory + (ipa - MEMORY), bytes);
	return 0;
}

int its_env_write(struct its_lpis *lpis, u64 ipa, const void *from, unsigned int bytes)
{
	assert(!world.locked);
	if (!its_env_has(lpis, ipa, bytes))
		return -EFAULT;
	memcpy(world.memory + (ipa - MEMORY), from, bytes);
	return 0;
}

static struct world_slot *find_slot(u32 vcpu, u32 intid)
{
	for (unsigned int i = 0; i < WORLD_SLOTS; i++)
		if (world.slot[vcpu][i].intid == intid)
			return &world.slot[vcpu][i];
	return NULL;
}

/* The least urgent that EL2 has. */
static struct world_slot *last_slot(u32 vcpu)
{
	struct world_slot *last = &world.slot[vcpu][0];

	for (unsigned int i = 1; i < WORLD_SLOTS; i++)
		if (world.slot[vcpu][i].priority > last->priority)
			last = &world.slot[vcpu][i];
	return last;
}

int its_env_pend(struct its_lpis *lpis, u32 vcpu, u32 intid, u8 priority, u32 *back)
{
	struct world_slot *slot = find_slot(vcpu, intid);

	assert(world.locked && vcpu < WORLD_REDISTS && intid >= ITS_FIRST_LPI);
	*back = 0;
	if (slot)
		return 0;
	slot = find_slot(vcpu, 0);
	if (!slot) {
		slot = last_slot(vcpu);
		if (slot->priority <= priority || slot->asked)
			return -ENOSPC;
		*back = slot->intid;
	}
	*slot = (struct world_slot){ .intid = intid, .priority = priority };
	return 0;
}

bool its_env_pend_again(struct its_lpis *lpis, u32 vcpu, u32 intid, u8 priority)
{
	struct world_slot *slot = find_slot(vcpu, intid);

	assert(world.locked && (!slot || slot->priority == priority));
	return slot;
}

int its_env_take(struct its_lpis *lpis, u32 vcpu, u32 intid)
{
	struct world_slot *slot = find_slot(vcpu, intid);

	assert(world.locked && vcpu < WORLD_REDISTS && intid >= ITS_FIRST_LPI);
	if (!slot)
		return 0;
	if (world.runs[vcpu] && !slot->asked) {
		slot->asked = true;
		return -EAGAIN;
	}
	*slot = (struct world_slot){ 0 };
	return 1;
}

void its_env_relax(struct its_lpis *lpis)
{
	assert(!world.locked);
	if (world.relax)
		world.relax();
}

bool its_env_must_stop(struct its_lpis *lpis)
{
	return world.must_stop;
}

bool its_env_killed(struct its_lpis *lpis)
{
	return world.killed;
}

/* ---- the world ---- */

void world_reset(void)
{
	u8 *memory = world.memory ? world.memory : malloc(MEMORY_SIZE);

	memset(&world, 0, sizeof(world));
	memset(memory, 0, MEMORY_SIZE);
	world.memory = memory;
	world.allocations = ~0U;
	for (unsigned int n = 0; n < WORLD_REDISTS; n++) {
		its_redist_init(&world.redist[n], n);
		world.redists[n] = &world.redist[n];
	}
	its_lpis_init(&world.lpis, world.redists, WORLD_REDISTS);
	for (unsigned int i = 0; i < WORLD_ITSS; i++)
		its_init(&world.its[i], &world.lpis);
}

/* Nothing is left but the reserve. */
void world_end(void)
{
	struct its_reserve *reserve = &world.lpis.reserve;

	for (unsigned int i = 0; i < WORLD_ITSS; i++)
		its_reset(&world.its[i]);
	assert(world.allocated == reserve->count && world.lpis.blocks == reserve->count);
	while (reserve->count)
		its_release(&world.lpis, its_reserve_take(&world.lpis));
	free(world.memory);
	world.memory = NULL;
}

#define VALID BIT(63)

void world_start(void)
{
	for (unsigned int n = 0; n < WORLD_REDISTS; n++) {
		its_redist_write(&world.lpis, &world.redist[n], 0x70, 8, PROPERTIES | 15);
		its_redist_write(&world.lpis, &world.redist[n], 0x78, 8, PENDING + n * SZ_64K);
		its_redist_write(&world.lpis, &world.redist[n], 0, 4, 1);
	}
	for (unsigned int i = 0; i < WORLD_ITSS; i++) {
		its_mmio_write(&world.its[i], 0x100, 8, VALID | (DEVICES + i * SZ_512K) | 7);
		its_mmio_write(&world.its[i], 0x108, 8, VALID | (COLLECTIONS + i * SZ_64K));
		its_mmio_write(&world.its[i], 0x80, 8, VALID | (QUEUE + i * SZ_64K) | 15);
		its_mmio_write(&world.its[i], 0, 4, 1);
	}
}

u64 world_read(u64 ipa)
{
	u64 value;

	assert(!its_env_read(NULL, ipa, &value, sizeof(value)));
	return value;
}

void world_write(u64 ipa, u64 value)
{
	assert(!its_env_write(NULL, ipa, &value, sizeof(value)));
}

void world_configure(u32 intid, u8 priority, bool enabled)
{
	u8 entry = priority | enabled;

	assert(!its_env_write(NULL, PROPERTIES + intid - ITS_FIRST_LPI, &entry, 1));
}

u32 world_take(unsigned int n)
{
	struct world_slot *best = NULL;
	u32 intid;

	for (unsigned int i = 0; i < WORLD_SLOTS; i++) {
		struct world_slot *slot = &world.slot[n][i];

		if (slot->intid && !slot->asked && (!best || slot->priority < best->priority))
			best = slot;
	}
	intid = best ? best->intid : 0;
	if (best)
		*best = (struct world_slot){ 0 };
	world.taken[n] += best != NULL;
	its_refill(&world.lpis, &world.redist[n]);
	return intid;
}

bool world_is_pending(u32 intid)
{
	struct its_lpi *lpi = its_lpi_find(&world.lpis, intid);

	for (unsigned int n = 0; n < WORLD_REDISTS; n++)
		if (find_slot(n, intid))
			return true;
	return lpi && lpi->pending;
}

/* ---- what always holds ---- */

static const char *lpi_fault(const struct its_lpi *lpi)
{
	const struct its_device *device = lpi->device;
	bool waits = lpi->pending && lpi->enabled && lpi->redist && lpi->redist->enabled;

	if (its_event_find(device->its, device->id, lpi->event) != lpi)
		return "an LPI is not that of its event";
	if (its_collection_find(device->its, lpi->collection->id) != lpi->collection)
		return "an LPI's collection is not there";
	if (lpi->taking)
		return "an LPI was taken and not given";
	if (waits != !!lpi->link.next)
		return "an LPI waits that must not, or does not and must";
	if (lpi->at_el2 && !lpi->redist)
		return "an LPI is at no vCPU of EL2";
	if (lpi->event >> device->event_bits)
		return "an event is not one of its device's";
	return NULL;
}

static const char *slot_fault(u32 vcpu, const struct world_slot *slot)
{
	const struct its_lpi *lpi = its_lpi_find(&world.lpis, slot->intid);

	if (!slot->intid)
		return NULL;
	if (!lpi || !lpi->at_el2)
		return "EL2 has an LPI, and the model does not know";
	if (lpi->redist != &world.redist[vcpu])
		return "EL2 has an LPI at another vCPU";
	if (!lpi->enabled || !lpi->redist->enabled)
		return "EL2 has an LPI that is disabled";
	if (lpi->pending)
		return "an LPI is pending twice";
	if (lpi->priority != slot->priority)
		return "EL2 has an LPI with another priority";
	return NULL;
}

/* EL2 is full, and none of those that wait is more urgent. */
static const char *redist_fault(u32 vcpu)
{
	const struct its_redist *redist = &world.redist[vcpu];
	const char *why = NULL;
	u32 used = 0;

	for (unsigned int i = 0; i < WORLD_SLOTS && !why; i++) {
		const struct world_slot *slot = &world.slot[vcpu][i];

		why = slot_fault(vcpu, slot);
		used += slot->intid != 0;
		if (slot->intid && redist->waiting &&
		    (unsigned int)__builtin_ctz(redist->waiting) < slot->priority / 8)
			why = "one waits that is more urgent than one at EL2";
	}
	if (!why && redist->waiting && used < WORLD_SLOTS)
		why = "one waits, and EL2 has room";
	for (unsigned int i = 0; i < ITS_PRIORITIES && !why; i++)
		if (!!(redist->waiting & BIT(i)) != (redist->level[i].next != &redist->level[i]))
			why = "a level is not marked as it is";
	return why;
}

const char *world_fault(void)
{
	const struct its_lpi *lpi;
	const char *why = NULL;

	if (world.locked)
		return "the lock is held";
	for (u32 intid = 0; (lpi = its_lpi_next(&world.lpis, &intid)) && !why; intid++)
		why = lpi->intid == intid ? lpi_fault(lpi) : "an LPI has another number";
	for (unsigned int n = 0; n < WORLD_REDISTS && !why; n++)
		why = redist_fault(n);
	if (!why && world.allocated != world.lpis.blocks)
		why = "blocks are not counted";
	return why;
}

/* ---- commands ---- */

int do_command(struct its *its, u64 word0, u64 word1, u64 word2, u64 word3)
{
	u64 command[] = { word0, word1, word2, word3 };

	return its_command(its, command);
}

int mapd(struct its *its, u32 device, u64 itt, unsigned int bits)
{
	return do_command(its, (u64)device << 32 | 0x08, bits - 1, VALID | itt, 0);
}

int unmapd(struct its *its, u32 device)
{
	return do_command(its, (u64)device << 32 | 0x08, 0, 0, 0);
}

int mapc(struct its *its, u32 collection, u64 redist)
{
	return do_command(its, 0x09, 0, VALID | redist << 16 | collection, 0);
}

int unmapc(struct its *its, u32 collection)
{
	return do_command(its, 0x09, 0, collection, 0);
}

int mapti(struct its *its, u32 device, u32 event, u32 intid, u32 collection)
{
	return do_command(its, (u64)device << 32 | 0x0a, (u64)intid << 32 | event, collection, 0);
}

int mapi(struct its *its, u32 device, u32 event, u32 collection)
{
	return do_command(its, (u64)device << 32 | 0x0b, event, collection, 0);
}

int movi(struct its *its, u32 device, u32 event, u32 collection)
{
	return do_command(its, (u64)device << 32 | 0x01, event, collection, 0);
}

int movall(struct its *its, u64 from, u64 to)
{
	return do_command(its, 0x0e, 0, from << 16, to << 16);
}

int event_command(struct its *its, u32 op, u32 device, u32 event)
{
	return do_command(its, (u64)device << 32 | op, event, 0, 0);
}

int invall(struct its *its, u32 collection)
{
	return do_command(its, 0x0d, 0, collection, 0);
}
