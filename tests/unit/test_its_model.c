// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: linux/its_map.c linux/its_lpi.c linux/its_object.c linux/its_command.c linux/its_regs.c linux/its_table.c tests/unit/its_world.c */
/* The model of guests' ITSs: commands, registers, tables, and which LPIs EL2 has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "its_world.h"

#define ITS0 (&world.its[0])
#define ITS1 (&world.its[1])
#define LPI  ITS_FIRST_LPI

static int setup(void **state)
{
	world_reset();
	return 0;
}

/* All is on, and LPIs from 8192 to 8223 are enabled, with priority 0xa0. */
static int setup_started(void **state)
{
	world_reset();
	for (u32 intid = LPI; intid < LPI + 32; intid++)
		world_configure(intid, 0xa0, true);
	world_start();
	return 0;
}

static int teardown(void **state)
{
	const char *why = world_fault();

	if (why)
		fail_msg("%s", why);
	world_end();
	return 0;
}

/* Device 5 has 32 events, 0 to 31, which are LPIs 8192 to 8223 of collection 0, at vCPU 0. */
static void map_device(void)
{
	assert_int_equal(mapd(ITS0, 5, ITTS, 5), 0);
	assert_int_equal(mapc(ITS0, 0, 0), 0);
	assert_int_equal(mapc(ITS0, 1, 1), 0);
	for (u32 event = 0; event < 32; event++)
		assert_int_equal(mapti(ITS0, 5, event, LPI + event, 0), 0);
}

static u64 reg(u32 offset)
{
	return its_mmio_read(ITS0, offset, offset < 8 || offset >= 0xffd0 ? 4 : 8);
}

/* ---- the sparse map ---- */

static void fill_reserve(struct its_reserve *reserve)
{
	while (reserve->count < 16)
		reserve->block[reserve->count++] = calloc(1, ITS_BLOCK);
}

static void free_block(void *ctx, void *block)
{
	free(block);
}

static void a_map_finds_what_was_inserted(void **state)
{
	static char entries[70000];
	struct its_reserve reserve = { 0 };
	struct its_map map;

	for (unsigned int bits = 1; bits <= 16; bits++) {
		u32 step = bits > 10 ? 37 : 1, next = 0, count = 0;

		its_map_init(&map, bits);
		for (u32 key = 0; key < BIT(bits); key += step) {
			fill_reserve(&reserve);
			assert_null(its_map_get(&map, key));
			its_map_insert(&map, key, &entries[key], &reserve);
		}
		for (u32 key = 0; key < BIT(bits); key++)
			assert_ptr_equal(its_map_get(&map, key), key % step ? NULL : &entries[key]);
		for (; its_map_next(&map, &next); next++, count++)
			assert_int_equal(next, count * step);
		assert_int_equal(count, (BIT(bits) + step - 1) / step);
		for (u32 key = 0; key < BIT(bits); key += step)
			its_map_erase(&map, key, free_block, NULL);
		assert_null(map.root);
	}
	assert_null(its_map_get(&map, 1U << 20));
	while (reserve.count)
		free(reserve.block[--reserve.count]);
}

/* ---- delivery ---- */

static void an_event_becomes_an_lpi(void **state)
{
	map_device();
	assert_int_equal(its_msi(ITS0, 5, 3), 1);
	assert_int_equal(world_take(0), LPI + 3);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(its_msi(ITS0, 5, 3), 1);
	assert_int_equal(world_take(0), LPI + 3);
}

static void events_that_are_not_mapped_are_nothing(void **state)
{
	map_device();
	assert_int_equal(its_msi(ITS0, 5, 32), 0);
	assert_int_equal(its_msi(ITS0, 5, 0x10003), 0);
	assert_int_equal(its_msi(ITS0, 6, 3), 0);
	assert_int_equal(its_msi(ITS0, 0x10005, 3), 0);
	assert_int_equal(its_msi(ITS1, 5, 3), 0);
	assert_int_equal(world_take(0), 0);
}

static void what_is_off_takes_no_event(void **state)
{
	map_device();
	its_mmio_write(ITS0, 0, 4, 0);
	assert_int_equal(its_msi(ITS0, 5, 3), -EBUSY);
	its_mmio_write(ITS0, 0, 4, 1);
	its_redist_write(&world.lpis, &world.redist[0], 0, 4, 0);
	assert_int_equal(its_msi(ITS0, 5, 3), -EBUSY);
	its_redist_write(&world.lpis, &world.redist[0], 0, 4, 1);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(its_msi(ITS0, 5, 3), 1);
	assert_int_equal(world_take(0), LPI + 3);
}

static void a_disabled_lpi_waits_until_it_is_enabled(void **state)
{
	world_configure(LPI + 3, 0xa0, false);
	map_device();
	assert_int_equal(its_msi(ITS0, 5, 3), 1);
	assert_int_equal(world_take(0), 0);
	world_configure(LPI + 3, 0xa0, true);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(event_command(ITS0, CMD_INV, 5, 3), 0);
	assert_int_equal(world_take(0), LPI + 3);
}

static void an_lpi_that_is_disabled_leaves_el2(void **state)
{
	world.runs[0] = true;
	map_device();
	its_msi(ITS0, 5, 3);
	world_configure(LPI + 3, 0xa0, false);
	assert_int_equal(event_command(ITS0, CMD_INV, 5, 3), 0);
	assert_int_equal(world_take(0), 0);
	assert_true(world_is_pending(LPI + 3));
	world_configure(LPI + 3, 0xa0, true);
	assert_int_equal(invall(ITS0, 0), 0);
	assert_int_equal(world_take(0), LPI + 3);
}

static void a_redistributor_invalidates_by_registers(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	its_msi(ITS0, 5, 4);
	world_configure(LPI + 3, 0xa0, false);
	world_configure(LPI + 4, 0xa0, false);
	its_redist_write(&world.lpis, &world.redist[0], 0xa4, 4, LPI + 3);
	its_redist_write(&world.lpis, &world.redist[0], 0xa0, 8, LPI + 4);
	assert_int_equal(world_take(0), LPI + 3);
	assert_int_equal(world_take(0), 0);
	world_configure(LPI + 4, 0xa0, true);
	its_redist_write(&world.lpis, &world.redist[1], 0xb0, 8, 0);
	assert_int_equal(world_take(0), 0);
	its_redist_write(&world.lpis, &world.redist[0], 0xb0, 8, 0);
	assert_int_equal(world_take(0), LPI + 4);
	assert_int_equal(its_redist_read(&world.lpis, &world.redist[0], 0xc0, 4), 0);
}

/* ---- more than EL2 has room for ---- */

static void the_most_urgent_come_first_whatever_their_number(void **state)
{
	for (u32 i = 0; i < 32; i++)
		world_configure(LPI + i, (u8)(i * 5 % 32 * 8), true);
	map_device();
	for (u32 i = 0; i < 32; i++)
		assert_int_equal(its_msi(ITS0, 5, i), 1);
	for (u32 level = 0; level < 32; level++) {
		u32 intid = world_take(0);

		assert_int_equal((intid - LPI) * 5 % 32, level);
		assert_null(world_fault());
	}
	assert_int_equal(world_take(0), 0);
}

static void one_that_comes_twice_is_pending_once(void **state)
{
	map_device();
	for (u32 i = 0; i < 64; i++)
		its_msi(ITS0, 5, i * 7 % 32);
	for (u32 i = 0; i < 32; i++)
		assert_int_not_equal(world_take(0), 0);
	assert_int_equal(world_take(0), 0);
}

static void lpis_of_one_priority_come_in_their_order(void **state)
{
	map_device();
	for (u32 i = 0; i < 32; i++)
		its_msi(ITS0, 5, i * 7 % 32);
	/* those that EL2 has at the same time it may take in any order */
	for (u32 i = 0; i < 32; i++) {
		u32 event = world_take(0) - LPI, turn = event * 23 % 32;

		assert_true(turn < i + WORLD_SLOTS);
	}
}

static void one_that_waits_can_be_changed(void **state)
{
	map_device();
	for (u32 i = 0; i < 32; i++)
		its_msi(ITS0, 5, i);
	assert_int_equal(event_command(ITS0, CMD_CLEAR, 5, 30), 0);
	assert_int_equal(event_command(ITS0, CMD_DISCARD, 5, 29), 0);
	assert_int_equal(movi(ITS0, 5, 28, 1), 0);
	world_configure(LPI + 27, 0, true);
	assert_int_equal(event_command(ITS0, CMD_INV, 5, 27), 0);
	assert_int_equal(world_take(1), LPI + 28);
	assert_int_equal(world_take(0), LPI + 27);
	for (u32 i = 0; i < 28; i++)
		assert_int_not_equal(world_take(0), 0);
	assert_int_equal(world_take(0), 0);
}

/* ---- commands ---- */

static void a_move_takes_the_pending_state_along(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	world.runs[0] = true;
	assert_int_equal(movi(ITS0, 5, 3, 1), 0);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(world_take(1), LPI + 3);
	assert_int_equal(world_take(1), 0);
	its_msi(ITS0, 5, 3);
	assert_int_equal(world_take(1), LPI + 3);
}

static void send_again(void)
{
	its_msi(ITS0, 5, 3);
}

static void an_event_during_a_move_is_not_lost(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	world.runs[0] = true;
	world.relax = send_again;
	assert_int_equal(movi(ITS0, 5, 3, 1), 0);
	assert_int_equal(world_take(1), LPI + 3);
	assert_int_equal(world_take(1), 0);
	assert_int_equal(world_take(0), 0);
}

static void take_it(void)
{
	for (unsigned int i = 0; i < WORLD_SLOTS; i++)
		world.slot[0][i] = (struct world_slot){ 0 };
}

static void an_lpi_that_is_taken_during_a_move_is_not_doubled(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	world.runs[0] = true;
	world.relax = take_it;
	assert_int_equal(movi(ITS0, 5, 3, 1), 0);
	assert_int_equal(world_take(1), 0);
}

static void movall_moves_what_is_pending(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	its_msi(ITS0, 5, 4);
	assert_int_equal(movall(ITS0, 0, 2), 0);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(world_take(2), LPI + 3);
	assert_int_equal(world_take(2), LPI + 4);
	assert_int_equal(movall(ITS0, 0, 3), -EINVAL);
	assert_int_equal(movall(ITS0, 3, 0), -EINVAL);
}

static void what_moves_to_a_disabled_redistributor_is_pending_once_it_is_enabled(void **state)
{
	struct its_redist *there = &world.redist[1];

	map_device();
	its_msi(ITS0, 5, 3);
	its_redist_write(&world.lpis, there, 0, 4, 0);
	assert_int_equal(movi(ITS0, 5, 3, 1), 0);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(world_take(1), 0);
	its_redist_write(&world.lpis, there, 0x78, 8, there->pendbaser | BIT(62)); /* PTZ */
	its_redist_write(&world.lpis, there, 0, 4, 1);
	assert_int_equal(world_take(1), LPI + 3);
	assert_null(world_fault());
}

static void a_collection_takes_its_lpis_along(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	assert_int_equal(mapc(ITS0, 0, 2), 0);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(world_take(2), LPI + 3);
	assert_int_equal(unmapc(ITS0, 0), 0);
	assert_int_equal(its_msi(ITS0, 5, 3), 0);
	assert_int_equal(mapc(ITS0, 0, 1), 0);
	assert_int_equal(its_msi(ITS0, 5, 3), 1);
	assert_int_equal(world_take(1), LPI + 3);
}

static void an_event_may_be_mapped_before_its_collection(void **state)
{
	assert_int_equal(mapd(ITS0, 5, ITTS, 5), 0);
	assert_int_equal(mapti(ITS0, 5, 0, LPI, 9), 0);
	assert_int_equal(its_msi(ITS0, 5, 0), 0);
	assert_int_equal(movi(ITS0, 5, 0, 9), -EINVAL);
	assert_int_equal(mapc(ITS0, 9, 1), 0);
	assert_int_equal(its_msi(ITS0, 5, 0), 1);
	assert_int_equal(world_take(1), LPI);
}

static void int_and_clear(void **state)
{
	map_device();
	assert_int_equal(event_command(ITS0, CMD_INT, 5, 3), 0);
	assert_true(world_is_pending(LPI + 3));
	assert_int_equal(event_command(ITS0, CMD_CLEAR, 5, 3), 0);
	assert_false(world_is_pending(LPI + 3));
	assert_int_equal(world_take(0), 0);
}

static void what_is_unmapped_is_pending_no_more(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	its_msi(ITS0, 5, 4);
	assert_int_equal(event_command(ITS0, CMD_DISCARD, 5, 3), 0);
	assert_int_equal(world_take(0), LPI + 4);
	its_msi(ITS0, 5, 5);
	assert_int_equal(unmapd(ITS0, 5), 0);
	assert_int_equal(world_take(0), 0);
	assert_int_equal(its_msi(ITS0, 5, 5), 0);
	assert_int_equal(unmapd(ITS0, 5), 0);
}

static void mapping_a_device_again_unmaps_its_events(void **state)
{
	map_device();
	assert_int_equal(mapd(ITS0, 5, ITTS, 1), 0);
	assert_int_equal(its_msi(ITS0, 5, 3), 0);
	assert_int_equal(mapti(ITS0, 5, 1, LPI + 3, 0), 0);
	assert_int_equal(mapti(ITS0, 5, 2, LPI + 4, 0), -EINVAL);
}

static void an_lpi_is_one_events(void **state)
{
	map_device();
	assert_int_equal(mapd(ITS0, 6, ITTS + 0x1000, 5), 0);
	assert_int_equal(mapti(ITS0, 6, 0, LPI + 3, 0), -EEXIST);
	assert_int_equal(mapd(ITS1, 5, ITTS + 0x2000, 5), 0);
	assert_int_equal(mapti(ITS1, 5, 0, LPI + 3, 0), -EEXIST);
	assert_int_equal(mapti(ITS0, 5, 3, LPI + 40, 0), -EEXIST);
	assert_int_equal(event_command(ITS0, CMD_DISCARD, 5, 3), 0);
	assert_int_equal(mapti(ITS0, 6, 0, LPI + 3, 0), 0);
}

static void two_itss_share_the_lpis(void **state)
{
	map_device();
	assert_int_equal(mapd(ITS1, 5, ITTS + 0x2000, 1), 0);
	assert_int_equal(mapc(ITS1, 0, 2), 0);
	world_configure(LPI + 100, 0x80, true);
	assert_int_equal(mapti(ITS1, 5, 1, LPI + 100, 0), 0);
	assert_int_equal(its_msi(ITS1, 5, 1), 1);
	assert_int_equal(its_msi(ITS0, 5, 1), 1);
	assert_int_equal(world_take(2), LPI + 100);
	assert_int_equal(world_take(0), LPI + 1);
	its_reset(ITS0);
	assert_int_equal(its_msi(ITS1, 5, 1), 1);
	assert_int_equal(world_take(2), LPI + 100);
}

static void mapi_maps_an_event_to_its_own_number(void **state)
{
	world_configure(9000, 0x80, true);
	assert_int_equal(mapd(ITS0, 5, ITTS, 16), 0);
	assert_int_equal(mapc(ITS0, 0, 0), 0);
	assert_int_equal(mapi(ITS0, 5, 9000, 0), 0);
	assert_int_equal(mapi(ITS0, 5, 3, 0), -EINVAL);
	its_msi(ITS0, 5, 9000);
	assert_int_equal(world_take(0), 9000);
}

static void commands_that_cannot_be_are_refused(void **state)
{
	map_device();
	assert_int_equal(mapd(ITS0, 0x10000, ITTS, 5), -EINVAL);
	assert_int_equal(mapd(ITS0, 7, ITTS, 17), -EINVAL);
	assert_int_equal(mapc(ITS0, 0x2000, 0), -EINVAL); /* one page has 8192 */
	assert_int_equal(mapc(ITS0, 2, 3), -EINVAL);
	assert_int_equal(mapc(ITS0, 2, 0xfffffffffULL), -EINVAL);
	assert_int_equal(mapti(ITS0, 7, 0, LPI + 50, 0), -EINVAL);
	assert_int_equal(mapti(ITS0, 5, 32, LPI + 50, 0), -EINVAL);
	assert_int_equal(event_command(ITS0, CMD_DISCARD, 5, 31), 0);
	assert_int_equal(mapti(ITS0, 5, 31, LPI - 1, 0), -EINVAL);
	assert_int_equal(mapti(ITS0, 5, 31, 0x10000, 0), -EINVAL);
	assert_int_equal(mapti(ITS0, 5, 31, LPI + 50, 0x2000), -EINVAL);
	assert_int_equal(movi(ITS0, 5, 3, 7), -EINVAL);
	assert_int_equal(movi(ITS0, 5, 31, 1), -EINVAL);
	assert_int_equal(event_command(ITS0, CMD_INT, 5, 31), -EINVAL);
	assert_int_equal(event_command(ITS0, CMD_CLEAR, 5, 31), -EINVAL);
	assert_int_equal(event_command(ITS0, CMD_INV, 5, 31), -EINVAL);
	assert_int_equal(event_command(ITS0, CMD_DISCARD, 5, 31), -EINVAL);
	assert_int_equal(invall(ITS0, 7), -EINVAL);
	assert_int_equal(do_command(ITS0, 0x05, 0, 3 << 16, 0), -EINVAL);
	assert_int_equal(do_command(ITS0, 0x05, 0, 2 << 16, 0), 0);
	for (u32 op = 0x10; op < 0x100; op++)
		assert_int_equal(do_command(ITS0, op, 0, BIT(63), 0), -EINVAL);
	assert_int_equal(do_command(ITS0, 0, 0, 0, 0), -EINVAL);
}

static void what_can_be_mapped_depends_on_propbaser(void **state)
{
	for (unsigned int n = 0; n < WORLD_REDISTS; n++)
		its_redist_write(&world.lpis, &world.redist[n], 0, 4, 0);
	its_redist_write(&world.lpis, &world.redist[0], 0x70, 8, PROPERTIES | 13);
	assert_int_equal(mapd(ITS0, 5, ITTS, 5), 0);
	assert_int_equal(mapti(ITS0, 5, 0, 0x3fff, 0), 0);
	assert_int_equal(mapti(ITS0, 5, 1, 0x4000, 0), -EINVAL);
	its_redist_write(&world.lpis, &world.redist[0], 0x70, 8, PROPERTIES | 12);
	assert_int_equal(mapti(ITS0, 5, 1, LPI, 0), -EINVAL);
	its_redist_write(&world.lpis, &world.redist[0], 0x70, 8, PROPERTIES | 31);
	assert_int_equal(mapti(ITS0, 5, 1, 0xffff, 0), 0);
}

static void without_memory_a_command_does_nothing(void **state)
{
	map_device();
	for (unsigned int left = 0; left < 40; left++) {
		world.allocations = left;
		mapd(ITS0, 100 + left, ITTS, 16);
		mapti(ITS0, 100 + left, left * 999, LPI + 1000 + left * 777, left);
		assert_null(world_fault());
	}
	world.allocations = ~0U;
	assert_int_equal(mapd(ITS0, 200, ITTS, 16), 0);
}

/* 57,344 LPIs, of as many devices. */
static void all_lpis_have_room(void **state)
{
	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x108, 8, BIT(63) | COLLECTIONS | 7);
	its_mmio_write(ITS0, 0, 4, 1);
	for (u32 n = 0; n < ITS_INTIDS - LPI; n++) {
		assert_int_equal(mapd(ITS0, n, ITTS, 16), 0);
		assert_int_equal(mapti(ITS0, n, 0xffff - n, LPI + n, n), 0);
	}
	assert_in_range(world.lpis.blocks, 1, ITS_BLOCKS_MAX - 1);
	for (u32 n = 0; n < ITS_INTIDS - LPI; n += 1000)
		assert_non_null(its_event_find(ITS0, n, 0xffff - n));
}

/* ---- the queue ---- */

static void put_command(u32 at, u64 word0, u64 word1, u64 word2)
{
	world_write(QUEUE + at * 32, word0);
	world_write(QUEUE + at * 32 + 8, word1);
	world_write(QUEUE + at * 32 + 16, word2);
	world_write(QUEUE + at * 32 + 24, 0);
}

static void the_queue_is_carried_out_and_wraps(void **state)
{
	u32 entries = 16 * 4096 / 32;

	for (u32 i = 0; i < entries; i++)
		put_command(i, 0x09, 0, BIT(63) | (u64)(i % 3) << 16 | i % 8192);
	its_mmio_write(ITS0, 0x88, 8, (entries - 1) * 32);
	assert_int_equal(reg(0x90), (entries - 1) * 32);
	assert_non_null(its_collection_find(ITS0, entries - 2));
	assert_null(its_collection_find(ITS0, entries - 1));
	its_mmio_write(ITS0, 0x88, 4, 64);
	assert_int_equal(reg(0x90), 64);
	assert_non_null(its_collection_find(ITS0, entries - 1));
	assert_int_equal(world.lpis.refused, 0);
	its_mmio_write(ITS0, 0x88, 8, 0x10000); /* behind the queue */
	assert_int_equal(reg(0x88), 64);
}

static void a_queue_that_was_left_goes_on(void **state)
{
	for (u32 i = 0; i < 4; i++)
		put_command(i, 0x09, 0, BIT(63) | i);
	world.must_stop = true;
	its_mmio_write(ITS0, 0x88, 8, 4 * 32);
	assert_int_equal(ITS0->creadr, 32);
	assert_int_equal(reg(0) >> 31, 0);
	assert_int_equal(reg(0x90), 64);
	world.must_stop = false;
	assert_int_equal(reg(0x90), 128);
	assert_int_equal(reg(0) >> 31, 1);
}

static void commands_that_fail_are_counted_and_passed_over(void **state)
{
	put_command(0, 0xff, 0, 0);
	put_command(1, 0x09, 0, BIT(63) | 2);
	its_mmio_write(ITS0, 0x88, 8, 64);
	assert_int_equal(reg(0x90), 64);
	assert_int_equal(world.lpis.refused, 1);
	assert_non_null(its_collection_find(ITS0, 2));
	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x80, 8, BIT(63) | (MEMORY + MEMORY_SIZE));
	its_mmio_write(ITS0, 0, 4, 1);
	its_mmio_write(ITS0, 0x88, 8, 64);
	assert_int_equal(reg(0x90), 64);
	assert_int_equal(world.lpis.refused, 3);
}

/* ---- registers ---- */

static void registers_read_as_kvms(void **state)
{
	static const u8 ids[] = { 0x40, 0, 0, 0, 0x92, 0xb4, 0x3b, 0, 0x0d, 0xf0, 0x05, 0xb1 };

	assert_int_equal(reg(0), BIT(31));
	assert_int_equal(reg(4), 0x4b00043b);
	assert_int_equal(reg(8), 0x1ef71);
	assert_int_equal(reg(0x80), 0);
	assert_int_equal(reg(0x100), 0x2907000000000600ULL);
	assert_int_equal(reg(0x108), 0x2c07000000000600ULL);
	for (u32 n = 2; n < 8; n++)
		assert_int_equal(reg(0x100 + n * 8), 0);
	for (u32 i = 0; i < 12; i++)
		assert_int_equal(reg(0xffd0 + i * 4), ids[i]);
}

static void fields_that_cannot_be_become_what_is(void **state)
{
	its_mmio_write(ITS0, 0x100, 8, ~0ULL);
	assert_int_equal(reg(0x100), 0xf907fffffffffeffULL);
	its_mmio_write(ITS0, 0x108, 8, ~0ULL);
	assert_int_equal(reg(0x108), 0xbc07fffffffffeffULL);
	its_mmio_write(ITS0, 0x100, 8, 2 << 10);
	assert_int_equal(reg(0x100), 0x2907000000000600ULL);
	its_mmio_write(ITS0, 0x80, 8, ~0ULL);
	assert_int_equal(reg(0x80), 0xff1fffffffff0fffULL);
	its_mmio_write(ITS0, 0x80, 4, 0x12345678);
	assert_int_equal(reg(0x80), 0xff1fffff12340678ULL);
	its_mmio_write(ITS0, 0x84, 4, 0x80000042);
	assert_int_equal(reg(0x80), 0xa800004212340678ULL);
	assert_int_equal(its_mmio_read(ITS0, 0x84, 4), 0xa8000042);
}

static void accesses_that_there_are_not_do_nothing(void **state)
{
	static const u32 offsets[] = { 0x10,   0x40,	0x98,	 0x140,	 0xc000,
				       0xffcc, 0x10000, 0x10040, 0x1fffc };

	for (unsigned int i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		its_mmio_write(ITS0, offsets[i], 4, ~0U);
		assert_int_equal(its_mmio_read(ITS0, offsets[i], 4), 0);
	}
	assert_int_equal(its_mmio_read(ITS0, 0, 8), 0);
	assert_int_equal(its_mmio_read(ITS0, 4, 1), 0);
	assert_int_equal(its_mmio_read(ITS0, 4, 2), 0);
	assert_int_equal(its_mmio_read(ITS0, 0x84, 8), 0);
	its_mmio_write(ITS0, 0x80, 1, 0xff);
	its_mmio_write(ITS0, 0x82, 4, ~0U);
	assert_int_equal(reg(0x80), 0);
	its_mmio_write(ITS0, 4, 4, 0);
	its_mmio_write(ITS0, 0x90, 8, 0);
	assert_int_equal(reg(4), 0x4b00043b);
}

static void an_its_without_tables_stays_off(void **state)
{
	its_mmio_write(ITS0, 0, 4, 1);
	assert_int_equal(reg(0) & 1, 0);
	its_mmio_write(ITS0, 0x80, 8, BIT(63) | QUEUE);
	its_mmio_write(ITS0, 0x100, 8, BIT(63) | DEVICES);
	its_mmio_write(ITS0, 0, 4, 1);
	assert_int_equal(reg(0) & 1, 0);
	its_mmio_write(ITS0, 0x108, 8, BIT(63) | COLLECTIONS);
	its_mmio_write(ITS0, 0, 4, 1);
	assert_int_equal(reg(0) & 1, 1);
}

static void tables_are_constant_while_the_its_is_on(void **state)
{
	u64 queue = reg(0x80), devices = reg(0x100), collections = reg(0x108);

	its_mmio_write(ITS0, 0x80, 8, 0);
	its_mmio_write(ITS0, 0x100, 8, 0);
	its_mmio_write(ITS0, 0x108, 8, 0);
	assert_int_equal(reg(0x80), queue);
	assert_int_equal(reg(0x100), devices);
	assert_int_equal(reg(0x108), collections);
}

static void a_table_that_is_taken_away_unmaps_what_is_in_it(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x108, 8, 0);
	assert_int_equal(world_take(0), 0);
	its_mmio_write(ITS0, 0x100, 8, 0);
	assert_null(its_device_find(ITS0, 5));
	its_mmio_write(ITS0, 0x108, 8, 0);
	assert_null(its_collection_find(ITS0, 0));
	assert_null(its_lpi_find(&world.lpis, LPI));
}

static void userspace_has_its_own_rules_for_registers(void **state)
{
	u64 value;

	assert_int_equal(its_reg_check(1), -EINVAL);
	assert_int_equal(its_reg_check(0xc), -EINVAL);
	assert_int_equal(its_reg_check(0x84), -EINVAL);
	assert_int_equal(its_reg_check(0x10), -ENXIO);
	assert_int_equal(its_reg_check(0xffec), 0);
	assert_int_equal(its_reg_check(0x10000), -ENXIO);
	assert_int_equal(its_reg_check(1ULL << 32), -ENXIO);
	assert_int_equal(its_reg_get(ITS0, 0x80, &value), 0);
	assert_int_equal(its_reg_get(ITS0, 0x82, &value), -EINVAL);
	assert_int_equal(its_reg_set(ITS0, 4, 0x4b00043b), 0);
	assert_int_equal(its_reg_set(ITS0, 4, 0x4b00143b), -EINVAL);
	assert_int_equal(its_reg_set(ITS0, 0x90, 64), -EBUSY);
	assert_int_equal(its_reg_set(ITS0, 0, 0), 0);
	assert_int_equal(its_reg_set(ITS0, 0x90, 0x10000), -EINVAL);
	assert_int_equal(its_reg_set(ITS0, 0x90, 64), 0);
	assert_int_equal(its_reg_get(ITS0, 0x90, &value), 0);
	assert_int_equal(value, 64);
	assert_int_equal(its_reg_set(ITS0, 8, 0), 0);
	assert_int_equal(reg(8), 0x1ef71);
}

static void a_reset_is_as_at_first(void **state)
{
	u64 value;

	map_device();
	its_msi(ITS0, 5, 3);
	its_reset(ITS0);
	assert_int_equal(world_take(0), 0);
	registers_read_as_kvms(state);
	for (u32 offset = 0x80; offset <= 0x90; offset += 8) {
		assert_int_equal(its_reg_get(ITS0, offset, &value), 0);
		assert_int_equal(value, 0);
	}
	assert_null(its_device_find(ITS0, 5));
}

static u64 redist_reg(unsigned int n, u32 offset, unsigned int bytes)
{
	return its_redist_read(&world.lpis, &world.redist[n], offset, bytes);
}

static void a_redistributors_registers(void **state)
{
	struct its_redist *redist = &world.redist[1];

	assert_int_equal(redist_reg(1, 0, 4), 6);
	its_redist_write(&world.lpis, redist, 0x70, 8, ~0ULL);
	assert_int_equal(redist_reg(0, 0x70, 8), 0x000fffffffffff9fULL);
	its_redist_write(&world.lpis, redist, 0x78, 8, ~0ULL);
	assert_int_equal(redist_reg(1, 0x78, 8), 0x000fffffffff0f80ULL);
	assert_int_equal(redist_reg(0, 0x78, 8), 0);
	its_redist_write(&world.lpis, redist, 0x78, 8, PENDING);
	its_redist_write(&world.lpis, redist, 0, 4, 1);
	assert_int_equal(redist_reg(1, 0, 4), 7);
	its_redist_write(&world.lpis, redist, 0x78, 8, 0);
	its_redist_write(&world.lpis, &world.redist[0], 0x70, 8, 0);
	assert_int_equal(redist_reg(1, 0x78, 8) & GENMASK(51, 16), PENDING);
	assert_int_equal(redist_reg(1, 0x74, 4), 0x000fffff);
	assert_int_equal(redist_reg(1, 0x70, 2), 0);
	assert_true(its_redist_has(0) && its_redist_has(0x7c) && its_redist_has(0xb4));
	assert_false(its_redist_has(4) || its_redist_has(8) || its_redist_has(0x14) ||
		     its_redist_has(0x6c) || its_redist_has(0xffe8));
}

/* ---- tables ---- */

static void a_table_of_two_levels_has_what_its_first_level_says(void **state)
{
	u64 l2 = ITTS + 0x40000;

	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x100, 8, BIT(63) | BIT(62) | DEVICES);
	its_mmio_write(ITS0, 0, 4, 1);
	assert_int_equal(mapd(ITS0, 8192 + 7, ITTS, 1), -EINVAL);
	world_write(DEVICES + 8, BIT(63) | l2);
	assert_int_equal(mapd(ITS0, 8192 + 7, ITTS, 1), 0);
	assert_int_equal(mapd(ITS0, 7, ITTS, 1), -EINVAL);
	world_write(DEVICES, BIT(63) | (MEMORY + MEMORY_SIZE));
	assert_int_equal(mapd(ITS0, 7, ITTS, 1), -EINVAL);
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(world_read(l2 + 7 * 8), BIT(63) | ITTS >> 8 << 5);
}

/* The guest has taken a page of the table away, or made it smaller: the others are saved. */
static void devices_without_an_entry_are_not_saved(void **state)
{
	u64 l2 = ITTS + 0x40000;

	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x100, 8, BIT(63) | BIT(62) | DEVICES);
	its_mmio_write(ITS0, 0, 4, 1);
	world_write(DEVICES, BIT(63) | l2);
	world_write(DEVICES + 8, BIT(63) | (l2 + 0x10000));
	assert_int_equal(mapd(ITS0, 7, ITTS, 1), 0);
	assert_int_equal(mapd(ITS0, 8192, ITTS + 0x1000, 1), 0);
	world_write(DEVICES + 8, 0);
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(world_read(l2 + 7 * 8), BIT(63) | ITTS >> 8 << 5);
	assert_int_equal(world_read(l2 + 0x10000), 0);
	world_write(DEVICES, 0);
	world_write(DEVICES + 8, BIT(63) | (l2 + 0x10000));
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(world_read(l2 + 0x10000), BIT(63) | (ITTS + 0x1000) >> 8 << 5);
}

static void another_table_has_no_collections(void **state)
{
	u64 baser = its_mmio_read(ITS0, 0x108, 8);

	assert_int_equal(mapc(ITS0, 7, 2), 0);
	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x108, 8, baser);
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(world_read(COLLECTIONS), BIT(63) | 2 << 16 | 7);
	its_mmio_write(ITS0, 0x108, 8, baser ^ 1); /* its size */
	its_mmio_write(ITS0, 0, 4, 1);
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(world_read(COLLECTIONS), 0);
}

static void tables_are_in_kvms_format(void **state)
{
	assert_int_equal(mapd(ITS0, 2, ITTS, 5), 0);
	assert_int_equal(mapd(ITS0, 20000, ITTS + 0x1000, 1), 0);
	assert_int_equal(mapc(ITS0, 7, 2), 0);
	assert_int_equal(mapti(ITS0, 2, 1, LPI + 1, 7), 0);
	assert_int_equal(mapti(ITS0, 2, 9, LPI + 9, 7), 0);
	assert_int_equal(mapti(ITS0, 2, 11, LPI + 3, 8), 0);
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(world_read(DEVICES + 16), BIT(63) | 0x3fffULL << 49 | ITTS >> 8 << 5 | 4);
	assert_int_equal(world_read(DEVICES + 20000 * 8), BIT(63) | (ITTS + 0x1000) >> 8 << 5);
	assert_int_equal(world_read(ITTS + 8), 8ULL << 48 | (LPI + 1ULL) << 16 | 7);
	assert_int_equal(world_read(ITTS + 72), 2ULL << 48 | (LPI + 9ULL) << 16 | 7);
	assert_int_equal(world_read(ITTS + 88), (LPI + 3ULL) << 16 | 8);
	assert_int_equal(world_read(COLLECTIONS), BIT(63) | 2 << 16 | 7);
	assert_int_equal(world_read(COLLECTIONS + 8), BIT(63) | 0xffffffffULL << 16 | 8);
	assert_int_equal(world_read(COLLECTIONS + 16), 0);
}

/* Save, reset, and restore as userspace does. */
static void save_and_restore(void)
{
	static const u32 offsets[] = { 0x80, 0x88, 0x90, 0x100, 0x108, 4, 0 };
	u64 value[7];

	for (int i = 0; i < 7; i++)
		assert_int_equal(its_reg_get(ITS0, offsets[i], &value[i]), 0);
	assert_int_equal(its_pending_save(&world.lpis), 0);
	assert_int_equal(its_tables_save(ITS0), 0);
	its_reset(ITS0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(its_reg_set(ITS0, offsets[i], value[i]), 0);
	assert_int_equal(its_tables_restore(ITS0), 0);
	assert_int_equal(its_reg_set(ITS0, 0, value[6]), 0);
}

static void what_was_saved_is_restored(void **state)
{
	map_device();
	assert_int_equal(mapd(ITS0, 65535, ITTS + 0x1000, 16), 0);
	world_configure(0xffff, 0x40, true);
	assert_int_equal(mapti(ITS0, 65535, 40000, 0xffff, 1), 0);
	assert_int_equal(movi(ITS0, 5, 9, 1), 0);
	its_msi(ITS0, 5, 9);
	its_msi(ITS0, 65535, 40000);
	for (u32 i = 0; i < 7; i++)
		its_msi(ITS0, 5, i);
	save_and_restore();
	assert_null(world_fault());
	assert_int_equal(world_take(1), 0xffff);
	assert_int_equal(world_take(1), LPI + 9);
	assert_int_equal(world_take(1), 0);
	for (u32 i = 0; i < 7; i++)
		assert_in_range(world_take(0), LPI, LPI + 6);
	assert_int_equal(world_take(0), 0);
	its_msi(ITS0, 5, 31);
	assert_int_equal(world_take(0), LPI + 31);
}

static void what_waits_at_a_disabled_redistributor_is_restored(void **state)
{
	struct its_redist *there = &world.redist[1];

	map_device();
	its_msi(ITS0, 5, 3);
	its_redist_write(&world.lpis, there, 0, 4, 0);
	assert_int_equal(movi(ITS0, 5, 3, 1), 0);
	save_and_restore();
	assert_int_equal(world_take(1), 0);
	its_redist_write(&world.lpis, there, 0, 4, 1);
	assert_int_equal(world_take(1), LPI + 3);
	assert_null(world_fault());
}

static void what_is_unmapped_after_a_save_is_not_restored(void **state)
{
	map_device();
	assert_int_equal(mapd(ITS0, 3, ITTS + 0x1000, 1), 0);
	assert_int_equal(its_tables_save(ITS0), 0);
	assert_int_equal(unmapd(ITS0, 3), 0);
	assert_int_equal(event_command(ITS0, CMD_DISCARD, 5, 0), 0);
	save_and_restore();
	assert_null(its_device_find(ITS0, 3));
	assert_null(its_event_find(ITS0, 5, 0));
	assert_non_null(its_event_find(ITS0, 5, 1));
}

/* As after a kexec: the guest has other things where the kernel before had the ITT. */
static void an_itt_that_the_guest_has_left_is_not_written(void **state)
{
	const u64 other = 0x1122334455667788;

	map_device();
	assert_int_equal(its_tables_save(ITS0), 0);
	for (u32 event = 0; event < 32; event++)
		world_write(ITTS + event * 8, other);
	assert_int_equal(mapd(ITS0, 5, ITTS + 0x1000, 5), 0);
	assert_null(its_event_find(ITS0, 5, 0));
	for (u32 event = 0; event < 32; event++)
		assert_int_equal(world_read(ITTS + event * 8), other);
	assert_int_equal(mapti(ITS0, 5, 1, LPI, 0), 0);
	assert_int_equal(its_tables_save(ITS0), 0);
	world_write(ITTS + 0x1008, other);
	its_mmio_write(ITS0, 0, 4, 0);
	its_mmio_write(ITS0, 0x100, 8, 0);
	assert_null(its_device_find(ITS0, 5));
	assert_int_equal(world_read(ITTS + 0x1008), other);
}

static int restore(void)
{
	int ret = its_tables_restore(ITS0);

	if (ret)
		assert_null(its_device_find(ITS0, 5));
	its_devices_unmap_all(ITS0);
	its_collections_unmap_all(ITS0);
	return ret;
}

static void garbage_is_not_restored(void **state)
{
	u64 device = BIT(63) | ITTS >> 8 << 5 | 4, collection = BIT(63) | 1 << 16;

	world_write(COLLECTIONS, collection);
	world_write(DEVICES + 5 * 8, device);
	world_write(ITTS, (u64)LPI << 16);
	assert_int_equal(restore(), 0);
	world_write(COLLECTIONS + 8, collection);
	assert_int_equal(restore(), -EEXIST);
	world_write(COLLECTIONS + 8, BIT(63) | 3 << 16 | 1);
	assert_int_equal(restore(), -EINVAL);
	world_write(COLLECTIONS + 8, 0);
	world_write(DEVICES + 5 * 8, device | 11); /* 16 bits */
	assert_int_equal(restore(), 0);
	world_write(DEVICES + 5 * 8, device | 16);
	assert_int_equal(restore(), -EINVAL);
	world_write(DEVICES + 5 * 8, device);
	world_write(ITTS, 8191ULL << 16);
	assert_int_equal(restore(), -EINVAL);
	world_write(ITTS, 0x10000ULL << 16);
	assert_int_equal(restore(), -EINVAL);
	world_write(ITTS, (u64)LPI << 16 | 1); /* no such collection */
	assert_int_equal(restore(), -EINVAL);
	world_write(ITTS, 32ULL << 48 | (u64)LPI << 16);
	assert_int_equal(restore(), -EINVAL);
	world_write(ITTS, 1ULL << 48 | (u64)LPI << 16);
	world_write(ITTS + 8, (u64)LPI << 16); /* the same LPI */
	assert_int_equal(restore(), -EINVAL);
	world_write(ITTS + 8, 0);
	world_write(DEVICES + 5 * 8, BIT(63) | (MEMORY + MEMORY_SIZE) >> 8 << 5 | 4);
	assert_int_equal(restore(), -EFAULT);
	world_write(DEVICES + 5 * 8, device);
	world.killed = true;
	assert_int_equal(restore(), -EINTR);
	world.killed = false;
	world_write(DEVICES + 60000 * 8, BIT(63) | 0x3fffULL << 49 | ITTS >> 8 << 5);
	assert_int_equal(restore(), 0); /* the first one is the last one */
	world_write(DEVICES + 5 * 8, 0);
	assert_int_equal(restore(), -EINVAL);
}

static void pending_tables_are_read_when_lpis_are_enabled(void **state)
{
	struct its_redist *redist = &world.redist[0];

	map_device();
	its_msi(ITS0, 5, 3);
	its_redist_write(&world.lpis, redist, 0, 4, 0);
	assert_int_equal(world_read(PENDING + LPI / 8), 1 << 3);
	assert_false(world_is_pending(LPI + 3));
	world_write(PENDING + LPI / 8, 1 << 4 | 1 << 3);
	its_redist_write(&world.lpis, redist, 0, 4, 1);
	assert_int_equal(world_take(0), LPI + 3);
	assert_int_equal(world_take(0), LPI + 4);
	its_redist_write(&world.lpis, redist, 0, 4, 0);
	assert_int_equal(world_read(PENDING + LPI / 8), 0);
	world_write(PENDING + LPI / 8, ~0ULL);
	its_redist_write(&world.lpis, redist, 0x78, 8, PENDING | BIT(62)); /* PTZ */
	its_redist_write(&world.lpis, redist, 0, 4, 1);
	assert_int_equal(world_take(0), 0);
}

static void a_reset_of_the_machine_forgets_what_is_pending(void **state)
{
	map_device();
	its_msi(ITS0, 5, 3);
	its_redist_reset(&world.lpis, &world.redist[0]);
	assert_int_equal(redist_reg(0, 0, 4), 6);
	assert_false(world_is_pending(LPI + 3));
	assert_int_equal(redist_reg(0, 0x78, 8), 0);
}

/* With as many collections as there can be: each LPI times each collection would take half an hour. */
static void all_lpis_leave_all_collections_in_time(void **state)
{
	its_mmio_write(ITS0, 0x0, 4, 0);
	its_mmio_write(ITS0, 0x108, 8, BIT(63) | COLLECTIONS | 7);
	its_mmio_write(ITS0, 0x0, 4, 1);
	for (u32 id = 0; id < ITS_INTIDS; id++)
		assert_int_equal(mapc(ITS0, id, id % WORLD_REDISTS), 0);
	assert_int_equal(mapd(ITS0, 5, ITTS, 16), 0);
	for (u32 event = 0; event < ITS_INTIDS - LPI; event++)
		assert_int_equal(mapti(ITS0, 5, event, LPI + event, event), 0);
	its_mmio_write(ITS0, 0x0, 4, 0);
	its_mmio_write(ITS0, 0x108, 8, BIT(63) | COLLECTIONS);
	its_mmio_write(ITS0, 0x0, 4, 1);
	assert_int_equal(its_msi(ITS0, 5, 3), 0);
	assert_int_equal(mapc(ITS0, 3, 1), 0);
	assert_int_equal(its_msi(ITS0, 5, 3), 1);
	assert_int_equal(world_take(1), LPI + 3);
}

#define plain(name)   cmocka_unit_test_setup_teardown(name, setup, teardown)
#define started(name) cmocka_unit_test_setup_teardown(name, setup_started, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		plain(a_map_finds_what_was_inserted),
		started(an_event_becomes_an_lpi),
		started(events_that_are_not_mapped_are_nothing),
		started(what_is_off_takes_no_event),
		started(a_disabled_lpi_waits_until_it_is_enabled),
		started(an_lpi_that_is_disabled_leaves_el2),
		started(a_redistributor_invalidates_by_registers),
		started(the_most_urgent_come_first_whatever_their_number),
		started(one_that_comes_twice_is_pending_once),
		started(lpis_of_one_priority_come_in_their_order),
		started(one_that_waits_can_be_changed),
		started(a_move_takes_the_pending_state_along),
		started(an_event_during_a_move_is_not_lost),
		started(an_lpi_that_is_taken_during_a_move_is_not_doubled),
		started(movall_moves_what_is_pending),
		started(what_moves_to_a_disabled_redistributor_is_pending_once_it_is_enabled),
		started(a_collection_takes_its_lpis_along),
		started(an_event_may_be_mapped_before_its_collection),
		started(int_and_clear),
		started(what_is_unmapped_is_pending_no_more),
		started(mapping_a_device_again_unmaps_its_events),
		started(an_lpi_is_one_events),
		started(two_itss_share_the_lpis),
		started(mapi_maps_an_event_to_its_own_number),
		started(commands_that_cannot_be_are_refused),
		started(what_can_be_mapped_depends_on_propbaser),
		started(without_memory_a_command_does_nothing),
		started(all_lpis_have_room),
		started(the_queue_is_carried_out_and_wraps),
		started(a_queue_that_was_left_goes_on),
		started(commands_that_fail_are_counted_and_passed_over),
		plain(registers_read_as_kvms),
		plain(fields_that_cannot_be_become_what_is),
		plain(accesses_that_there_are_not_do_nothing),
		plain(an_its_without_tables_stays_off),
		started(tables_are_constant_while_the_its_is_on),
		started(a_table_that_is_taken_away_unmaps_what_is_in_it),
		started(userspace_has_its_own_rules_for_registers),
		started(a_reset_is_as_at_first),
		plain(a_redistributors_registers),
		started(a_table_of_two_levels_has_what_its_first_level_says),
		started(devices_without_an_entry_are_not_saved),
		started(another_table_has_no_collections),
		started(all_lpis_leave_all_collections_in_time),
		started(tables_are_in_kvms_format),
		started(what_was_saved_is_restored),
		started(what_waits_at_a_disabled_redistributor_is_restored),
		started(what_is_unmapped_after_a_save_is_not_restored),
		started(an_itt_that_the_guest_has_left_is_not_written),
		started(garbage_is_not_restored),
		started(pending_tables_are_read_when_lpis_are_enabled),
		started(a_reset_of_the_machine_forgets_what_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
