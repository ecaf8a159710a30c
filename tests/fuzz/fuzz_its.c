// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: linux/its_map.c linux/its_lpi.c linux/its_object.c linux/its_command.c linux/its_regs.c linux/its_table.c tests/unit/its_world.c */
/*
 * A guest that gives its ITSs any commands, in any state of their tables and registers; devices that
 * signal events, also while a command waits for EL2; and userspace that saves, resets and restores,
 * also what the guest has written over. After each step what must always hold is checked, and at the
 * end that nothing is left. LPIs that guests take are counted: none is taken that was not signalled.
 * With libFuzzer the input's bytes are the choices; without it (-DFUZZ_STANDALONE) they are random.
 */
#include "../unit/its_world.h"
#include "steps.h"

static u64 signalled; /* times that an LPI may have become pending */
static bool inside;   /* the model waits */

static struct its *some_its(void)
{
	return &world.its[rnd(WORLD_ITSS)];
}

static u32 some_id(void)
{
	static const u32 ids[] = { 0, 1, 2, 3, 15, 16, 31, 8191, 8192, 0xffff, 0x10000 };

	return ids[rnd(sizeof(ids) / sizeof(ids[0]))];
}

static u32 some_intid(void)
{
	static const u32 intids[] = { 0, 8191, 0xffff, 0x10000, ~0U };

	return rnd(8) ? ITS_FIRST_LPI + rnd(16) : intids[rnd(5)];
}

static u64 some_place(void)
{
	return rnd(16) ? MEMORY + rnd(0x4000) * 0x100 : (u64)rnd(1U << 16) << 36;
}

static u64 some_number(void)
{
	return rnd(8) ? rnd(WORLD_REDISTS) : rnd(1U << 16);
}

/* ---- the guest ---- */

static void step_map(void)
{
	mapd(some_its(), some_id(), rnd(4) ? ITTS + rnd(16) * 0x1000 : some_place(), 1 + rnd(18));
}

static void step_events(void)
{
	struct its *its = some_its();
	u32 device = some_id();

	mapc(its, rnd(4), some_number());
	mapd(its, device, ITTS + device % 16 * 0x1000, 5);
	for (u32 event = 0; event < 8; event++)
		mapti(its, device, event, some_intid(), rnd(4));
}

static void step_command(void)
{
	struct its *its = some_its();

	switch (rnd(9)) {
	case 0:
		unmapd(its, some_id());
		break;
	case 1:
		mapc(its, some_id(), some_number());
		break;
	case 2:
		unmapc(its, some_id());
		break;
	case 3:
		mapti(its, some_id(), some_id(), some_intid(), some_id());
		break;
	case 4:
		movi(its, some_id(), some_id(), some_id());
		break;
	case 5:
		movall(its, some_number(), some_number());
		break;
	case 6:
		invall(its, some_id());
		break;
	case 7:
		signalled++;
		event_command(its, CMD_INT, some_id(), rnd(8));
		break;
	default:
		event_command(its,
			      rnd(2)   ? CMD_INV
			      : rnd(2) ? CMD_CLEAR
				       : CMD_DISCARD,
			      some_id(), rnd(8));
	}
}

static void step_garbage_command(void)
{
	u64 word[4];

	signalled++;
	for (unsigned int i = 0; i < 4; i++)
		word[i] = (u64)some_id() << 32 | some_id() << rnd(16);
	word[0] = (word[0] & ~0xffULL) | rnd(rnd(4) ? 17 : 256);
	if (rnd(2))
		word[2] |= BIT(63);
	do_command(some_its(), word[0], word[1], word[2], word[3]);
}

static void step_queue(void)
{
	struct its *its = some_its();

	world.must_stop = rnd(2);
	its_mmio_write(its, 0x88, 8, rnd(64) * 32);
	(void)its_mmio_read(its, 0x90, 8);
	signalled += 64 * 8192; /* the queue may have anything */
}

static void step_register(void)
{
	static const u32 offsets[] = {
		0, 4, 8, 0x80, 0x84, 0x88, 0x90, 0x100, 0x104, 0x108, 0x110
	};
	struct its *its = some_its();
	u32 offset = offsets[rnd(11)];
	u64 value = rnd(4) ? some_place() | (u64)rnd(4) << 62 | rnd(16)
			   : (u64)rnd(1U << 31) << rnd(33);

	switch (rnd(3)) {
	case 0:
		its_mmio_write(its, offset + (rnd(8) ? 0 : rnd(16)), 1U << rnd(4), value);
		break;
	case 1:
		(void)its_mmio_read(its, offset, 1U << rnd(4));
		break;
	default:
		(void)!its_reg_set(its, offset, value);
	}
	signalled += 64 * 8192;
}

static void step_redist(void)
{
	static const u32 offsets[] = { 0, 0x70, 0x74, 0x78, 0x7c, 0xa0, 0xa4, 0xb0, 0xc0 };
	struct its_redist *redist = &world.redist[rnd(WORLD_REDISTS)];
	u32 offset = offsets[rnd(9)];
	u64 value = rnd(2) ? some_place() | rnd(32) : some_intid();

	its_redist_write(&world.lpis, redist, offset, 4U << rnd(2), offset ? value : rnd(4) > 0);
	(void)its_redist_read(&world.lpis, redist, offset, 4U << rnd(2));
	signalled += 16; /* the pending table may have anything */
}

static void step_configure(void)
{
	world_configure(ITS_FIRST_LPI + rnd(16), (u8)rnd(256) & ~1, rnd(4));
}

static void step_start(void)
{
	world_start();
}

static void step_memory(void)
{
	world_write(MEMORY + rnd((u32)MEMORY_SIZE / 8) * 8, (u64)some_id() << 48 | some_intid()
											   << 16);
}

/* ---- devices and vCPUs ---- */

static void signal_some(void)
{
	signalled++;
	(void)its_msi(some_its(), some_id(), rnd(8));
}

static void step_msi(void)
{
	for (u32 i = rnd(16); i; i--)
		signal_some();
}

static void take_some(void)
{
	for (u32 i = rnd(8); i; i--)
		(void)world_take(rnd(WORLD_REDISTS));
}

static void step_run(void)
{
	world.runs[rnd(WORLD_REDISTS)] = rnd(2);
}

/* What happens while a command waits for a vCPU. */
static void meanwhile(void)
{
	if (inside)
		abort();
	inside = true;
	if (rnd(2))
		signal_some();
	if (rnd(2))
		take_some();
	inside = false;
}

/* ---- userspace ---- */

static void step_save(void)
{
	(void)!its_tables_save(some_its());
	(void)!its_pending_save(&world.lpis);
}

static void step_restore(void)
{
	(void)!its_tables_restore(some_its());
	signalled += 16 * 8;
}

static void step_reset(void)
{
	if (rnd(2))
		its_reset(some_its());
	else
		its_redist_reset(&world.lpis, &world.redist[rnd(WORLD_REDISTS)]);
}

static void step_memory_short(void)
{
	world.allocations = rnd(2) ? ~0U : rnd(64);
}

static void start(void)
{
	if (world.memory) {
		world.relax = NULL;
		world_end();
	}
	world_reset();
	world.relax = meanwhile;
	for (u32 intid = ITS_FIRST_LPI; intid < ITS_FIRST_LPI + 16; intid++)
		world_configure(intid, (u8)(rnd(4) * 8), true);
	world_start();
	signalled = 0;
}

/* What is mapped after a restore is what was mapped before the save. */
static u64 sum_of(const struct its *its)
{
	const struct its_lpi *lpi;
	u64 sum = 0;

	for (u32 intid = 0; (lpi = its_lpi_next(&world.lpis, &intid)); intid++)
		if (lpi->device->its == its)
			sum = sum * 31 + intid + ((u64)lpi->device->id << 32) +
			      ((u64)lpi->event << 48) + lpi->collection->id * 7 +
			      (lpi->collection->redist ? lpi->collection->redist->vcpu + 1 : 0);
	return sum;
}

/* Only ITTs that nothing else is in, as a guest has them. */
static void step_save_and_restore(void)
{
	struct its *its = &world.its[0];
	u64 sum;

	start();
	for (u32 n = 1 + rnd(5); n; n--) {
		u32 device = rnd(3) ? rnd(64) : rnd(0x10000);

		mapc(its, rnd(4), rnd(WORLD_REDISTS));
		mapd(its, device, ITTS + n * 0x1000, 9);
		for (u32 i = rnd(8); i; i--)
			mapti(its, device, rnd(512), ITS_FIRST_LPI + rnd(64), rnd(6));
	}
	sum = sum_of(its);
	if (its_tables_save(its))
		abort();
	if (rnd(2)) {
		its->saved = false;
		its_devices_unmap_all(its);
		its_collections_unmap_all(its);
	} else {
		unmapd(its, rnd(64));
		sum = sum_of(its);
		if (its_tables_save(its))
			abort();
		its->saved = false;
		its_devices_unmap_all(its);
		its_collections_unmap_all(its);
	}
	if (its_tables_restore(its) || sum_of(its) != sum)
		abort();
}

static u64 all_taken(void)
{
	u64 sum = 0;

	for (unsigned int n = 0; n < WORLD_REDISTS; n++)
		sum += world.taken[n];
	return sum;
}

static void step(void)
{
	static void (*const steps[])(void) = {
		step_map,
		step_events,
		step_events,
		step_command,
		step_command,
		step_command,
		step_command,
		step_queue,
		step_garbage_command,
		step_register,
		step_redist,
		step_configure,
		step_start,
		step_memory,
		step_msi,
		step_msi,
		step_msi,
		take_some,
		take_some,
		step_run,
		step_save,
		step_restore,
		step_reset,
		step_memory_short,
		step_save_and_restore,
	};
	const char *why;

	steps[rnd(sizeof(steps) / sizeof(steps[0]))]();
	why = world_fault();
	if (why)
		fprintf(stderr, "%s\n", why);
	if (why || all_taken() > signalled)
		abort();
}

STEPS_MAIN("its", start, step)
