// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/its.c hyp/host/its_command.c hyp/host/its_setup.c hyp/host/its_quirk.c hyp/lib/printf.c hyp/cpu/log.c */
/*
 * The ITS that the host sees, on a fake one that carries commands out when the test lets it. The
 * fake fails the test when it is given an address that is not its own memory's, a command that
 * was not checked, or an ITT that is not pinned; the host's memory is an array that may change
 * while it is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/cache.h>
#include <arch/foreign.h>
#include <arch/mmio.h>
#include <arch/percpu.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <host/host.h>
#include <host/its.h>
#include <host/its_quirk.h>
#include <keel/hypercall.h>
#include <lib/errno.h>

#define BASE	  0x8080000ULL
#define MEMORY_PA 0x50000000ULL /* Keel's */
#define QUEUE	  0x60000000ULL /* the host's */
#define QUEUE_MAX 0x100000ULL
#define ITT	  0x70000000ULL
#define BAD	  0x90000000ULL /* nobody may pin or read here, nor above */
#define PAGES	  0x100000UL
#define DEVBITS	  10
#define EVENTBITS 8
#define TARGETS	  4

/* The hardware. */
static struct {
	u8 frame[GIC_FRAME_SIZE]; /* its address is what mmio_*() get */
	u64 typer, baser[8], cbaser, cwriter, creadr;
	u64 address_mask;
	u32 ctlr;
	unsigned int page_sizes; /* BIT(n): it takes size n */
	bool shareable, lazy, restless, stalled;
	bool dead, flickers; /* no register answers; some accesses are not answered */
	unsigned int done;   /* commands carried out */
} hw;

static u8 *memory;
static u64 memory_size, memory_pa = MEMORY_PA;
static struct its its;
static u64 host_queue[QUEUE_MAX / 8];
static unsigned int pins[PAGES], pinned, fetches, refusals, cleaned;
static int pin_error;
static struct its_command forged; /* what the memory says when it is read a second time */

u32 panic_begun;

static struct percpu cpus[2] = { { .id = 0 }, { .id = 1 } };
struct percpu *fake_cpu = &cpus[0];

void host_count(unsigned int stat)
{
	assert_int_equal(stat, KEEL_STAT_GIC_REFUSED);
	refusals++;
}

void dcache_clean_inval_poc(const void *start, u64 size)
{
	assert_true((const u8 *)start >= memory &&
		    (const u8 *)start + size <= memory + memory_size);
	cleaned++;
}

/* ---- what an ITS asks of its surroundings */

static u64 page_index(u64 pa)
{
	assert_true(pa / SZ_4K < PAGES);
	return pa / SZ_4K;
}

static int fake_pin(u64 pa, u64 size)
{
	assert_true(size && IS_ALIGNED(pa | size, SZ_4K));
	if (pin_error)
		return pin_error;
	if (pa + size > BAD || pa < QUEUE)
		return -EPERM;
	for (u64 at = 0; at < size; at += SZ_4K)
		pins[page_index(pa + at)]++;
	pinned += size / SZ_4K;
	return 0;
}

static void fake_unpin(u64 pa, u64 size)
{
	assert_true(size && IS_ALIGNED(pa | size, SZ_4K));
	for (u64 at = 0; at < size; at += SZ_4K)
		assert_true(pins[page_index(pa + at)]-- > 0);
	pinned -= size / SZ_4K;
}

static int fake_fetch(u64 pa, bool coherent, struct its_command *command)
{
	if (pa < QUEUE || pa >= QUEUE + QUEUE_MAX)
		return -EPERM;
	fetches++;
	memcpy(command, &host_queue[(pa - QUEUE) / 8], sizeof(*command));
	memcpy(&host_queue[(pa - QUEUE) / 8], &forged, sizeof(forged));
	return 0;
}

static bool fake_is_target(u64 target, bool pta)
{
	return pta ? target >= 0x80a && target < 0x80a + TARGETS : target < TARGETS;
}

static const struct its_ops ops = {
	.pin = fake_pin,
	.unpin = fake_unpin,
	.fetch = fake_fetch,
	.is_target = fake_is_target,
};

/* ---- the hardware */

static u64 next_random(void)
{
	static u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

bool fake_foreign_faults(const void *start, u64 size)
{
	return hw.dead || (hw.flickers && next_random() % 8 == 0);
}

static void assert_own(u64 pa, u64 size)
{
	if (pa < memory_pa || pa + size > memory_pa + memory_size)
		fail_msg("the hardware is given %#lx, of %#lx bytes", pa, size);
}

static u64 baser_size(u64 baser)
{
	return ((baser & 0xff) + 1) << (12 + 2 * FIELD_GET(GITS_BASER_PAGE_SIZE, baser));
}

/* 12.19.1: with pages of 64 KiB, bits 51:48 are in 15:12. */
static u64 baser_address(u64 baser)
{
	if (FIELD_GET(GITS_BASER_PAGE_SIZE, baser) == 2)
		return (baser & GENMASK(47, 16)) | (baser >> 12 & 0xf) << 48;
	return baser & GENMASK(47, 12);
}

static void check_tables(void)
{
	for (unsigned int n = 0; n < 8; n++)
		if (hw.baser[n] & GIC_VALID)
			assert_own(baser_address(hw.baser[n]), baser_size(hw.baser[n]));
	assert_true(hw.cbaser & GIC_VALID);
	assert_own(hw.cbaser & GITS_CBASER_ADDR, SZ_4K * ((hw.cbaser & 0xff) + 1));
	assert_int_equal(hw.cbaser & 0xffff, (hw.cbaser & GIC_SHAREABILITY)); /* one page */
}

/* The device's entry in the table in memory: bits 51:8 of its ITT, and log2 of its size. */
static u64 *hw_entry(u64 device)
{
	u64 table = baser_address(hw.baser[0]);

	if (!(hw.baser[0] & GIC_VALID) || (device + 1) * 8 > baser_size(hw.baser[0]))
		return NULL;
	return (u64 *)(memory + (table - memory_pa)) + device;
}

static u64 hw_itt(u64 device)
{
	return *hw_entry(device) & GITS_CMD_ITT;
}

static void check_itt(u64 device)
{
	u64 itt = hw_itt(device), size = BIT(*hw_entry(device) & 0x3f);

	for (u64 at = ALIGN_DOWN(itt, SZ_4K); itt && at < itt + size; at += SZ_4K)
		if (!pins[page_index(at)])
			fail_msg("the hardware uses %#lx, which is not pinned", at);
}

static void hw_mapd(const u64 *word)
{
	u64 device = word[0] >> 32;

	assert_true(device < its.devices && hw_entry(device));
	*hw_entry(device) = word[2] & GIC_VALID ? (word[2] & GITS_CMD_ITT) | (3 + word[1] + 1) : 0;
}

/* All memory that the hardware may use is pinned. */
static void check_pins(void)
{
	for (u64 i = 0; i < its.devices; i++)
		check_itt(i);
}

static void hw_step(void)
{
	const u8 *queue = memory + ((hw.cbaser & GITS_CBASER_ADDR) - memory_pa);
	const u64 *word = (const u64 *)(queue + (hw.creadr & GITS_QUEUE_OFFSET));
	u64 op = word[0] & 0xff;

	assert_true(op && op <= 0xf);
	if (op == GITS_MAPD)
		hw_mapd(word);
	hw.done++;
	hw.creadr = (hw.creadr + 32) % SZ_4K;
	check_pins();
}

static void hw_run(unsigned int most)
{
	while ((hw.ctlr & 1) && most-- && hw.creadr != (hw.cwriter & GITS_QUEUE_OFFSET))
		hw_step();
}

u32 mmio_read32(const volatile void *addr)
{
	u64 offset = (u64)((const volatile u8 *)addr - hw.frame);

	if (offset == GITS_CTLR)
		return hw.ctlr | (!(hw.ctlr & 1) && !hw.restless ? (u32)GITS_CTLR_QUIESCENT : 0);
	if (offset == GIC_PIDR2)
		return 0x3b;
	if (offset == GITS_IIDR)
		return 0x43b;
	return 0;
}

void mmio_write32(volatile void *addr, u32 value)
{
	assert_ptr_equal(addr, hw.frame);
	assert_true(value <= 1);
	if (value && !(hw.ctlr & 1))
		check_tables();
	if (value && !(hw.ctlr & 1))
		check_pins();
	hw.ctlr = value;
	if (!hw.lazy)
		hw_run(~0U);
}

u64 mmio_read64(const volatile void *addr)
{
	u64 offset = (u64)((const volatile u8 *)addr - hw.frame);

	if (offset >= GITS_BASER && offset < GITS_BASER + 64)
		return hw.baser[(offset - GITS_BASER) / 8];
	switch (offset) {
	case GITS_TYPER:
		return hw.typer;
	case GITS_CBASER:
		return hw.cbaser;
	case GITS_CREADR:
		return hw.creadr | hw.stalled;
	}
	fail_msg("read of %#lx", offset);
	return 0;
}

static u64 base_written(u64 value)
{
	if (!hw.shareable)
		value &= ~GIC_SHAREABILITY;
	return value & (hw.address_mask | ~GENMASK(51, 12));
}

static void write_baser_hw(unsigned int n, u64 value)
{
	u64 fixed = hw.baser[n] & (GITS_BASER_TYPE | GITS_BASER_ENTRY_SIZE);

	assert_false(hw.ctlr & 1);
	if (!fixed)
		return;
	value = base_written(value) & ~(GITS_BASER_TYPE | GITS_BASER_ENTRY_SIZE);
	if (!(hw.page_sizes & BIT(FIELD_GET(GITS_BASER_PAGE_SIZE, value))))
		value &= ~GITS_BASER_PAGE_SIZE;
	hw.baser[n] = fixed | value;
}

void mmio_write64(volatile void *addr, u64 value)
{
	u64 offset = (u64)((volatile u8 *)addr - hw.frame);

	if (offset >= GITS_BASER && offset < GITS_BASER + 64) {
		write_baser_hw((unsigned int)(offset - GITS_BASER) / 8, value);
	} else if (offset == GITS_CBASER) {
		assert_false(hw.ctlr & 1);
		hw.cbaser = base_written(value);
		hw.creadr = 0;
	} else if (offset == GITS_CWRITER) {
		hw.cwriter = value;
		if (!hw.lazy)
			hw_run(~0U);
	} else {
		fail_msg("write of %#lx", offset);
	}
}

/* ---- the machine */

static void reset_hw(void)
{
	memset(&hw, 0, sizeof(hw));
	hw.typer = 1 | 2 | 7ULL << 4 | (EVENTBITS - 1ULL) << 8 | (DEVBITS - 1ULL) << 13 | BIT(37) |
		   BIT(40);
	hw.baser[0] = 1ULL << 56 | 7ULL << 48;
	hw.baser[2] = 4ULL << 56 | 7ULL << 48;
	hw.baser[3] = 2ULL << 56 | 7ULL << 48;
	hw.page_sizes = 7;
	hw.shareable = true;
	hw.address_mask = GENMASK(51, 12);
}

static void begin_with(u64 limit, u32 actions)
{
	struct its_plan plan;

	assert_int_equal(its_plan(hw.frame, limit, actions, &plan), 0);
	free(memory);
	memory_size = plan.total;
	memory = aligned_alloc(SZ_64K, plan.total);
	memset(memory, 0xee, plan.total);
	assert_true(memory_pa + plan.total <= plan.memory_limit);
	its_init(&its, &ops, BASE, hw.frame, &plan, memory, memory_pa, true);
}

static void begin(u64 limit)
{
	begin_with(limit, 0);
}

static int setup(void **state)
{
	reset_hw();
	memset(pins, 0, sizeof(pins));
	memset(host_queue, 0, sizeof(host_queue));
	memset(&forged, 0xff, sizeof(forged));
	pinned = fetches = refusals = 0;
	pin_error = 0;
	memory_pa = MEMORY_PA;
	fake_cpu = &cpus[0];
	begin(SZ_1M);
	return 0;
}

static int teardown(void **state)
{
	free(memory);
	memory = NULL;
	return 0;
}

/* ---- the host */

static u64 tail;

static u64 read_(u64 offset, unsigned int bytes)
{
	u64 value = 42;

	assert_int_equal(its_read(&its, offset, bytes, &value), hw.dead ? ITS_FAULTED : ITS_DONE);
	return value;
}

static u64 rd(u64 offset)
{
	u64 value = 42;
	enum its_result result = its_read(&its, offset, offset == GITS_CTLR ? 4 : 8, &value);

	assert_true(result == ITS_DONE || hw.dead || hw.flickers);
	return value;
}

/* An access of a CPU: repeated as long as the result is ITS_AGAIN. */
static void wr(u64 offset, u64 value)
{
	unsigned int tries = 0;

	while (its_write(&its, offset, offset == GITS_CTLR ? 4 : 8, value) == ITS_AGAIN)
		assert_true(tries++ < 5000);
}

static void start_queue(u64 queue, u64 pages)
{
	wr(GITS_CTLR, 0);
	wr(GITS_BASER, GIC_VALID | 0x61000000);
	wr(GITS_BASER + 16, GIC_VALID | 0x62000000);
	wr(GITS_CBASER, GIC_VALID | queue | (pages - 1));
	wr(GITS_CWRITER, 0);
	wr(GITS_CTLR, 1);
	assert_int_equal(rd(GITS_CTLR) & 1, 1);
	tail = 0;
}

static void put(u64 w0, u64 w1, u64 w2, u64 w3)
{
	u64 *word = &host_queue[tail / 8];

	word[0] = w0, word[1] = w1, word[2] = w2, word[3] = w3;
	tail = (tail + 32) % ((rd(GITS_CBASER) & 0xff) * SZ_4K + SZ_4K);
}

static void go(void)
{
	wr(GITS_CWRITER, tail);
	for (unsigned int i = 0; i < 200000 && rd(GITS_CREADR) != tail; i++)
		hw_run(1);
	assert_int_equal(rd(GITS_CREADR), tail);
}

static void mapd(u64 device, u64 itt, unsigned int bits)
{
	put(GITS_MAPD | device << 32, bits - 1, itt ? GIC_VALID | itt : 0, 0);
	go();
}

/* ---- tests */

static void the_host_sees_an_its_without_virtual_lpis(void **state)
{
	assert_int_equal(rd(GITS_TYPER),
			 1 | 7ULL << 4 | (EVENTBITS - 1ULL) << 8 | (DEVBITS - 1ULL) << 13);
	assert_int_equal(read_(GITS_TYPER, 4), (u32)rd(GITS_TYPER));
	assert_int_equal(read_(GITS_TYPER + 4, 4), rd(GITS_TYPER) >> 32);
	assert_int_equal(read_(GIC_PIDR2, 4), 0x3b);
	assert_int_equal(read_(GITS_IIDR, 4), 0x43b);
	assert_int_equal(read_(GITS_CTLR, 4), GITS_CTLR_QUIESCENT);
	for (u64 offset = 0x1000; offset < 0xf000; offset += 8) {
		assert_int_equal(read_(offset, 8), 0);
		wr(offset, ~0ULL);
	}
	wr(GITS_BASER + 24, ~0ULL); /* the table of vPEs */
	assert_int_equal(rd(GITS_BASER + 24), 0);
	wr(GITS_BASER, ~0ULL);
	assert_int_equal(rd(GITS_BASER) & BIT(62), 0); /* Indirect */
	assert_int_equal(rd(GITS_BASER) & GITS_BASER_TYPE, 1ULL << 56);
	its_write(&its, GITS_CBASER + 4, 4, 0x80000000);
	its_write(&its, GITS_CBASER, 4, 0x12345000);
	assert_int_equal(rd(GITS_CBASER), GIC_VALID | 0x12345000);
}

static void the_hardware_has_keels_memory_whatever_the_host_writes(void **state)
{
	static const u64 addresses[] = { 0, MEMORY_PA, BAD, 0xfffffffff000, QUEUE };

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		start_queue(QUEUE, 1);
		wr(GITS_CTLR, 0);
		wr(GITS_BASER, GIC_VALID | addresses[i] | 0xff);
		wr(GITS_BASER + 16, GIC_VALID | addresses[i] | 0x3ff);
		wr(GITS_CTLR, 1);
		assert_int_equal(rd(GITS_BASER) & GENMASK(47, 12), addresses[i]);
		assert_int_equal(hw.ctlr, 1);
		mapd(3, ITT, 5);
		assert_int_equal(hw_itt(3), ITT);
	}
}

static void commands_are_read_once(void **state)
{
	start_queue(QUEUE, 1);
	for (u64 i = 0; i < 100; i++)
		put(GITS_MAPD | i << 32, 4, GIC_VALID | (ITT + i * SZ_4K), 0);
	go();
	assert_int_equal(fetches, 100);
	assert_int_equal(hw.done, 100);
	assert_int_equal(refusals, 0);
	assert_int_equal(pinned, 100);
}

static void fields_that_a_command_does_not_have_are_cleared(void **state)
{
	const u64 *got = (const u64 *)its.queue;

	start_queue(QUEUE, 1);
	put(~0ULL << 8 | GITS_SYNC, ~0ULL, 2ULL << 16 | 0xffff | GENMASK(63, 52), ~0ULL);
	go();
	assert_int_equal(got[0], GITS_SYNC);
	assert_int_equal(got[1], 0);
	assert_int_equal(got[2], 2ULL << 16);
	assert_int_equal(got[3], 0);
	put(GITS_MAPC, 0, 77ULL << 16 | 3, 0); /* unmaps: whose it was does not count */
	go();
	assert_int_equal(got[4 + 2], 3);
	assert_int_equal(refusals, 0);
}

static void bad_commands_are_dropped(void **state)
{
	static const u64 rows[][4] = {
		{ 0 },
		{ 0x02 },
		{ 0x29, 0, GIC_VALID | BAD, BAD }, /* VMAPP */
		{ 0x2a },
		{ 0x2b },
		{ 0x21 },
		{ 0x22 },
		{ 0x25 },
		{ 0x2d },
		{ 0x2e },
		{ 0x23 },
		{ 0xff },
		{ GITS_MAPD | 1ULL << (32 + DEVBITS), 4, GIC_VALID | ITT },
		{ GITS_MAPD, EVENTBITS, GIC_VALID | ITT },
		{ GITS_MAPD, 4, GIC_VALID | BAD },
		{ GITS_MAPD, 7, GIC_VALID | (BAD - 0x100) },
		{ GITS_MAPD, 4, GIC_VALID | MEMORY_PA },
		{ GITS_INT | 1ULL << (32 + DEVBITS) },
		{ GITS_MAPTI, 0, 0xffff },
		{ GITS_MAPC, 0, GIC_VALID | (u64)TARGETS << 16 },
		{ GITS_SYNC, 0, 0x80aULL << 16 },
		{ GITS_MOVALL, 0, 0, (u64)TARGETS << 16 },
		{ GITS_INVALL, 0, 0xffff },
	};

	start_queue(QUEUE, 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned int before = refusals;

		put(rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
		go();
		if (refusals != before + 1)
			fail_msg("command %zu was not refused", i);
		assert_int_equal(pinned, 0);
	}
	assert_int_equal(hw.done, 0);
	put(GITS_SYNC, 0, 0, 0);
	go();
	assert_int_equal(hw.done, 1);
}

static void addresses_of_redistributors_are_known_ones(void **state)
{
	hw.typer |= GITS_TYPER_PTA;
	begin(SZ_1M);
	start_queue(QUEUE, 1);
	put(GITS_SYNC, 0, 0x80bULL << 16, 0);
	put(GITS_SYNC, 0, 0, 0);
	put(GITS_MAPC, 0, GIC_VALID | BAD, 0);
	go();
	assert_int_equal(refusals, 2);
	assert_int_equal(hw.done, 1);
}

static void an_itt_stays_pinned_until_the_hardware_is_done_with_it(void **state)
{
	start_queue(QUEUE, 1);
	mapd(1, ITT, 8); /* 8 bytes an event: 2 KiB */
	assert_int_equal(pinned, 1);
	hw.lazy = true;
	put(GITS_MAPD | 1ULL << 32, 0, 0, 0);
	wr(GITS_CWRITER, tail);
	assert_int_equal(pins[ITT / SZ_4K], 1);
	assert_int_not_equal(rd(GITS_CREADR), tail);
	hw_run(1);
	assert_int_equal(rd(GITS_CREADR), tail);
	assert_int_equal(pinned, 0);
}

/* The second command waits until the first's ITT is unpinned, and is carried out in the end. */
static void an_itt_can_be_replaced_again_and_again(void **state)
{
	start_queue(QUEUE, 1);
	hw.lazy = true;
	for (u64 i = 0; i < 60; i++)
		put(GITS_MAPD | 2ULL << 32, 7, GIC_VALID | (ITT + i * SZ_4K + 0x900), 0);
	go();
	assert_int_equal(hw.done, 60);
	assert_int_equal(pinned, 2); /* 2 KiB from 0x900 on */
	assert_int_equal(pins[(ITT + 59 * SZ_4K) / SZ_4K], 1);
	assert_int_equal(pins[(ITT + 60 * SZ_4K) / SZ_4K], 1);
}

static void an_itt_that_cannot_be_pinned_leaves_the_old_one(void **state)
{
	start_queue(QUEUE, 1);
	mapd(1, ITT, 5);
	pin_error = -EOVERFLOW;
	mapd(1, ITT + SZ_64K, 5);
	assert_int_equal(refusals, 1);
	assert_int_equal(hw_itt(1), ITT);
	assert_int_equal(pinned, 1);
	pin_error = 0;
	mapd(1, 0, 1);
	assert_int_equal(pinned, 0);
}

static void other_tables_are_empty(void **state)
{
	u64 *device_table = (u64 *)its.table[0].memory;

	start_queue(QUEUE, 16);
	for (u64 i = 0; i < (1 << DEVBITS); i++)
		put(GITS_MAPD | i << 32, 4, GIC_VALID | (ITT + i * SZ_4K), 0);
	go();
	assert_int_equal(pinned, 1 << DEVBITS);
	device_table[5] = 42;
	/* The same once more, as after a suspend: nothing is lost. */
	wr(GITS_CTLR, 0);
	wr(GITS_BASER, GIC_VALID | 0x61000000);
	wr(GITS_CTLR, 1);
	assert_int_equal(pinned, 1 << DEVBITS);
	assert_int_equal(device_table[5], 42);
	wr(GITS_CTLR, 0);
	wr(GITS_BASER, GIC_VALID | 0x63000000);
	assert_int_equal(pinned, 1 << DEVBITS);
	wr(GITS_CTLR, 1);
	assert_int_equal(pinned, 0);
	assert_int_equal(device_table[5], 0);
	assert_int_equal(hw.ctlr, 1);
}

/* A kernel that happens to have its tables and its queue where the previous one had them. */
static void another_kernels_tables_are_empty(void **state)
{
	its_forget(&its);
	start_queue(QUEUE, 1);
	mapd(1, ITT, 5);
	its_forget(&its);
	mapd(2, ITT, 5); /* until it is enabled again it is as it was */
	assert_int_equal(pinned, 2);
	assert_int_equal(hw_itt(1), ITT);
	start_queue(QUEUE, 1);
	assert_int_equal(pinned, 0);
	assert_int_equal(hw_itt(1), 0);
	mapd(3, ITT, 5);
	start_queue(QUEUE, 1);
	assert_int_equal(hw_itt(3), ITT);
}

/* One access does a bounded amount of work. */
static void an_access_is_bounded(void **state)
{
	unsigned int again = 0;

	start_queue(QUEUE, 16);
	for (u64 i = 0; i < 2000; i++)
		put(GITS_SYNC, 0, 0, 0);
	while (its_write(&its, GITS_CWRITER, 8, tail) == ITS_AGAIN) {
		assert_true(fetches <= 16 * (again + 1));
		again++;
	}
	assert_true(again >= 2000 / 16 - 1);
	assert_int_equal(rd(GITS_CREADR), tail);
	for (u64 i = 0; i < (1 << DEVBITS); i++)
		put(GITS_MAPD | i << 32, 4, GIC_VALID | ITT, 0);
	go();
	wr(GITS_CTLR, 0);
	wr(GITS_BASER, 0);
	for (unsigned int before = pinned; its_write(&its, GITS_CTLR, 4, 1) == ITS_AGAIN;) {
		assert_true(before - pinned <= 16);
		before = pinned;
	}
	assert_int_equal(pinned, 0);
}

/* The hardware makes no progress: the host's access ends all the same. */
static void the_host_sees_that_the_hardware_has_stalled(void **state)
{
	start_queue(QUEUE, 16);
	hw.lazy = true;
	for (u64 i = 0; i < 1000; i++)
		put(GITS_SYNC, 0, 0, 0);
	wr(GITS_CWRITER, tail);
	assert_int_equal(rd(GITS_CREADR), 0);
	hw_run(10);
	assert_int_equal(rd(GITS_CREADR), 320);
	hw.stalled = true;
	assert_int_equal(rd(GITS_CREADR), 321);
	wr(GITS_CWRITER, tail | GITS_CWRITER_RETRY);
	assert_int_equal(hw.cwriter & 1, 1);
	hw.stalled = false;
	go();
	assert_int_equal(hw.done, 1000);
}

static void commands_in_memory_that_is_not_the_hosts_are_refused(void **state)
{
	start_queue(BAD, 1);
	tail = 96;
	go();
	assert_int_equal(refusals, 3);
	assert_int_equal(hw.done, 0);
	wr(GITS_CWRITER, SZ_4K);
	assert_int_equal(rd(GITS_CWRITER), 96);
}

static void an_enabled_its_keeps_its_registers(void **state)
{
	start_queue(QUEUE, 2);
	wr(GITS_CBASER, GIC_VALID | BAD);
	wr(GITS_BASER, BAD);
	assert_int_equal(rd(GITS_CBASER), GIC_VALID | QUEUE | 1);
	assert_int_equal(rd(GITS_BASER) & GENMASK(47, 12), 0x61000000);
}

static void lose_power(void)
{
	wr(GITS_CTLR, 0);
	hw.ctlr = 0;
	hw.cbaser = hw.creadr = hw.cwriter = 0;
	for (unsigned int n = 0; n < 8; n++)
		hw.baser[n] &= GITS_BASER_TYPE | GITS_BASER_ENTRY_SIZE;
}

static void hardware_that_has_lost_its_power_is_programmed_again(void **state)
{
	start_queue(QUEUE, 1);
	mapd(1, ITT, 5);
	lose_power();
	wr(GITS_CTLR, 1);
	assert_true(hw.baser[0] & GIC_VALID);
	mapd(2, ITT, 5);
	assert_int_equal(pinned, 2);
	assert_int_equal(hw_itt(1), ITT);
	/* With a command on its way: all is forgotten, since the old
	 * ITT may still be in a table. */
	hw.lazy = true;
	put(GITS_MAPD | 1ULL << 32, 4, GIC_VALID | (ITT + SZ_64K), 0);
	wr(GITS_CWRITER, tail);
	lose_power();
	(void)rd(GITS_CREADR);
	wr(GITS_CTLR, 1);
	assert_int_equal(hw_itt(1), 0);
	assert_int_equal(pinned, 0);
}

static void hardware_may_lack_shareability_or_large_pages(void **state)
{
	for (unsigned int sizes = 1; sizes < 8; sizes += 2) {
		reset_hw();
		hw.shareable = sizes & 2;
		hw.page_sizes = sizes;
		begin(SZ_1M);
		start_queue(QUEUE, 1);
		mapd(1, ITT, 5);
		assert_int_equal(hw_itt(1), ITT);
		assert_int_equal(FIELD_GET(GIC_INNER_CACHE, hw.cbaser), hw.shareable ? 7 : 1);
	}
}

/* Otherwise it would use memory at the truncated address. */
static void hardware_that_cuts_addresses_off_is_not_enabled(void **state)
{
	hw.address_mask = GENMASK(27, 12);
	wr(GITS_CBASER, GIC_VALID | QUEUE);
	wr(GITS_CTLR, 1);
	assert_int_equal(hw.ctlr, 0);
	assert_int_equal(rd(GITS_CTLR) & 1, 0);
}

/* It accepted the queue but not the tables: it is not enabled, however often the host tries. */
static void hardware_that_takes_the_queue_alone_is_never_enabled(void **state)
{
	hw.page_sizes = 1;
	wr(GITS_CBASER, GIC_VALID | QUEUE);
	for (unsigned int i = 0; i < 3; i++) {
		wr(GITS_CTLR, 1);
		assert_int_equal(hw.ctlr, 0);
		assert_int_equal(rd(GITS_CTLR) & 1, 0);
	}
	hw.page_sizes = 7;
	wr(GITS_CTLR, 1);
	assert_int_equal(hw.ctlr, 1);
	check_tables();
}

/* GITS_CBASER has Keel's value already, from a previous boot of Keel with the same address. */
static void tables_are_given_whatever_the_queue_register_says(void **state)
{
	hw.cbaser = its.hw_cbaser;
	wr(GITS_CBASER, GIC_VALID | QUEUE);
	wr(GITS_CTLR, 1);
	assert_int_equal(hw.ctlr, 1);
	assert_true(hw.baser[0] & GIC_VALID);
	check_tables();
}

static void little_memory_is_few_devices(void **state)
{
	struct its_plan plan;

	for (u64 limit = 64; limit < SZ_1M; limit *= 2) {
		assert_int_equal(its_plan(hw.frame, limit, 0, &plan), 0);
		assert_true(plan.device_bits >= 1 && plan.device_bits <= DEVBITS);
		assert_true(plan.device_bits == 1 ||
			    plan.bytes[0] + (8ULL << plan.device_bits) <= limit);
	}
	hw.typer |= GITS_TYPER_DEVBITS; /* 32 bits */
	assert_int_equal(its_plan(hw.frame, 8 * SZ_1M, 0, &plan), 0);
	assert_int_equal(plan.device_bits, 19);
}

static void what_is_no_its_reads_as_zero(void **state)
{
	struct its_plan plan;

	hw.restless = true;
	assert_int_equal(its_plan(hw.frame, SZ_1M, 0, &plan), -ENODEV);
	reset_hw();
	hw.baser[0] = 0;
	assert_int_equal(its_plan(hw.frame, SZ_1M, 0, &plan), -ENODEV);
	its_init(&its, &ops, BASE, NULL, NULL, NULL, 0, true);
	for (u64 offset = 0; offset < GIC_FRAME_SIZE; offset += 4) {
		assert_int_equal(read_(offset, 4), 0);
		assert_int_equal(its_write(&its, offset, 4, ~0ULL), ITS_DONE);
	}
}

/* Which address bits the hardware has is known before it is given an address. */
static void addresses_that_the_hardware_has_no_bits_for_are_not_used(void **state)
{
	struct its_plan plan;

	hw.address_mask = GENMASK(39, 12);
	assert_int_equal(its_plan(hw.frame, SZ_1M, 0, &plan), 0);
	assert_int_equal(plan.pa_limit, BIT(40));
	assert_int_equal(plan.memory_limit, BIT(40));
	hw.address_mask = GENMASK(51, 16); /* bits 15:12 are RES0 */
	assert_int_equal(its_plan(hw.frame, SZ_1M, 0, &plan), 0);
	assert_int_equal(plan.pa_limit, BIT(52));
	assert_int_equal(plan.memory_limit, BIT(52));
	hw.page_sizes = 3; /* no 64 KiB: GITS_BASER<n> has 48 bits */
	assert_int_equal(its_plan(hw.frame, SZ_1M, 0, &plan), 0);
	assert_int_equal(plan.pa_limit, BIT(52));
	assert_int_equal(plan.memory_limit, BIT(48));
	assert_int_equal(its_plan(hw.frame, SZ_1M, ITS_BELOW_4G, &plan), 0);
	assert_int_equal(plan.pa_limit, BIT(32));
	assert_int_equal(plan.memory_limit, BIT(32));
	assert_int_equal(hw.cbaser, 0);
}

static void tables_above_48_bits_need_pages_of_64_kib(void **state)
{
	memory_pa = 0xabcdef0000000ULL;
	begin(SZ_1M);
	start_queue(QUEUE, 1);
	mapd(1, ITT, 5);
	assert_int_equal(hw_itt(1), ITT);
	assert_int_equal(baser_address(hw.baser[0]) >> 48, 0xa);
}

/* The hardware would use memory at the truncated address. */
static void an_itt_out_of_the_hardwares_reach_is_refused(void **state)
{
	hw.address_mask = GENMASK(30, 12);
	begin(SZ_1M);
	start_queue(QUEUE, 1);
	mapd(1, 0x7fffff00, 6); /* begins below, ends above */
	mapd(1, 0x80000000, 5);
	mapd(1, 0x870000000, 5);
	assert_int_equal(refusals, 3);
	assert_int_equal(pinned, 0);
	mapd(1, 0x7ffff000, 5);
	assert_int_equal(pinned, 1);
}

/* ---- quirks */

static const char *board;

static bool is_board(const void *ctx, const char *name)
{
	assert_ptr_equal(ctx, &board);
	return board && !strcmp(board, name);
}

static u32 actions_of(u32 iidr, const char *on)
{
	const struct its_quirk *quirk = NULL;
	u32 actions = 0;

	board = on;
	while ((quirk = its_quirk_next(iidr, is_board, &board, quirk))) {
		assert_true(quirk->number[0] && its_quirk_describe(quirk)[0]);
		assert_false(actions & quirk->actions);
		actions |= quirk->actions;
	}
	return actions;
}

static void its_are_known_by_their_iidr_and_board(void **state)
{
	static const struct {
		u32 iidr;
		const char *board;
		u32 actions;
	} rows[] = {
		{ 0x43b, NULL, 0 },
		{ 0x1070, NULL, ITS_ITT_ENTRY_16 },
		{ 0x11070, NULL, 0 },
		{ 0xa100034c, NULL, ITS_DEVICE_BITS_20 | ITS_TABLES_NCNB | ITS_HOSTS },
		{ 0xa100734c, NULL, ITS_DEVICE_BITS_20 | ITS_TABLES_NCNB | ITS_HOSTS },
		{ 0xa110034c, NULL, 0 },
		{ 0x4, NULL, ITS_NO_VLPIS },
		{ 0x51736, NULL, ITS_NO_VLPIS },
		{ 0x201743b, NULL, 0 },
		{ 0x201743b, "arm,foundation", 0 },
		{ 0x201743b, "rockchip,rk3588s", ITS_NOT_SHAREABLE },
		{ 0x201743b, "rockchip,rk3566", ITS_BELOW_4G },
		{ 0x201743b, "renesas,r8a779h0", ITS_BELOW_4G },
		{ 0x43b, "rockchip,rk3566", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (actions_of(rows[i].iidr, rows[i].board) != rows[i].actions)
			fail_msg("%#x on %s: %#x", rows[i].iidr, rows[i].board,
				 actions_of(rows[i].iidr, rows[i].board));
	board = "rockchip,rk3568";
	assert_int_equal(its_quirk_redist_limit(is_board, &board), BIT(32));
	board = "rockchip,rk3588";
	assert_int_equal(its_quirk_redist_limit(is_board, &board), ~0ULL);
}

/* As much of an ITT is pinned as the hardware uses; the host reads the same size. */
static void itts_of_larger_entries_than_typer_says_are_pinned_whole(void **state)
{
	begin_with(SZ_1M, ITS_ITT_ENTRY_16);
	assert_int_equal(FIELD_GET(GITS_TYPER_ITT_ENTRY_SIZE, rd(GITS_TYPER)), 15);
	start_queue(QUEUE, 1);
	mapd(1, ITT + 0x100, 8); /* 4 KiB from 0x100 on */
	assert_int_equal(pinned, 2);
}

static void tables_have_the_attributes_that_errata_need(void **state)
{
	hw.typer |= GITS_TYPER_DEVBITS;
	begin_with(256 * SZ_1M, ITS_DEVICE_BITS_20 | ITS_TABLES_NCNB);
	assert_true(its.devices <= 1 << 20);
	assert_int_equal(FIELD_GET(GIC_INNER_CACHE, its.table[0].hw), 0);
	assert_int_equal(FIELD_GET(GIC_INNER_CACHE, its.hw_cbaser), 7);
	reset_hw();
	begin_with(SZ_1M, ITS_NOT_SHAREABLE);
	start_queue(QUEUE, 1);
	assert_int_equal(hw.cbaser & GIC_SHAREABILITY, 0);
	assert_int_equal(FIELD_GET(GIC_INNER_CACHE, hw.cbaser), 1);
	assert_int_equal(hw.baser[0] & GIC_SHAREABILITY, 0);
}

/* ---- writes that are repeated */

/* Writes of two CPUs take effect in the order in which they began. */
static void a_repeated_write_does_not_undo_anothers(void **state)
{
	start_queue(QUEUE, 1);
	for (u64 i = 0; i < 100; i++)
		put(GITS_SYNC, 0, 0, 0);
	assert_int_equal(its_write(&its, GITS_CWRITER, 8, 60 * 32), ITS_AGAIN);
	fake_cpu = &cpus[1];
	wr(GITS_CWRITER, 100 * 32);
	assert_int_equal(hw.done, 100);
	fake_cpu = &cpus[0];
	assert_int_equal(its_write(&its, GITS_CWRITER, 8, 60 * 32), ITS_DONE);
	assert_int_equal(rd(GITS_CWRITER), 100 * 32);
	assert_int_equal(rd(GITS_CREADR), 100 * 32);
	assert_int_equal(hw.done, 100);
	assert_int_equal(refusals, 0);
}

/* A write is a repetition until this CPU has done something else. */
static void the_same_value_a_round_later_is_a_write(void **state)
{
	start_queue(QUEUE, 1);
	for (u64 i = 0; i < 128; i++)
		put(GITS_SYNC, 0, 0, 0);
	assert_int_equal(its_write(&its, GITS_CWRITER, 8, 60 * 32), ITS_AGAIN);
	(void)rd(GITS_CREADR);
	wr(GITS_CWRITER, 127 * 32);
	for (u64 i = 0; i < 128; i++)
		memcpy(&host_queue[i * 4], &(u64){ GITS_SYNC }, 8);
	wr(GITS_CWRITER, 60 * 32);
	assert_int_equal(rd(GITS_CREADR), 60 * 32);
	assert_int_equal(hw.done + refusals, 128 + 60);
}

static void a_repeated_enable_does_not_undo_a_disable(void **state)
{
	start_queue(QUEUE, 1);
	wr(GITS_CTLR, 0);
	for (u64 i = 0; i < 100; i++)
		put(GITS_SYNC, 0, 0, 0);
	wr(GITS_CWRITER, tail);
	assert_int_equal(its_write(&its, GITS_CTLR, 4, 1), ITS_AGAIN);
	fake_cpu = &cpus[1];
	wr(GITS_CTLR, 0);
	fake_cpu = &cpus[0];
	assert_int_equal(its_write(&its, GITS_CTLR, 4, 1), ITS_DONE);
	assert_int_equal(rd(GITS_CTLR) & GITS_CTLR_ENABLED, 0);
	assert_int_equal(hw.ctlr, 0);
	wr(GITS_CTLR, 1);
	go();
	assert_int_equal(hw.done, 100);
}

/* CPU 0 has written this, and must repeat it, but does something else. */
static void leave_a_write(void)
{
	start_queue(QUEUE, 1);
	for (u64 i = 0; i < 100; i++)
		put(GITS_SYNC, 0, 0, 0);
	assert_int_equal(its_write(&its, GITS_CWRITER, 8, 60 * 32), ITS_AGAIN);
	fake_cpu = &cpus[1];
}

/* The first access by CPU 0 of the next kernel is the same write, to another queue. */
static void a_write_to_a_new_queue_is_no_repetition(void **state)
{
	leave_a_write();
	start_queue(QUEUE, 1);
	for (u64 i = 0; i < 100; i++)
		put(GITS_SYNC, 0, 0, 0);
	wr(GITS_CWRITER, 10 * 32);
	hw.done = 0;
	fake_cpu = &cpus[0];
	wr(GITS_CWRITER, 60 * 32);
	assert_int_equal(rd(GITS_CWRITER), 60 * 32);
	assert_int_equal(hw.done, 50);
}

static void what_a_kernel_left_is_no_repetition_of_the_next_ones(void **state)
{
	start_queue(QUEUE, 1);
	wr(GITS_CTLR, 0);
	for (u64 i = 0; i < 100; i++)
		put(GITS_SYNC, 0, 0, 0);
	wr(GITS_CWRITER, tail);
	assert_int_equal(its_write(&its, GITS_CTLR, 4, 1), ITS_AGAIN);
	fake_cpu = &cpus[1];
	its_forget(&its);
	wr(GITS_CTLR, 0);
	fake_cpu = &cpus[0];
	wr(GITS_CTLR, 1);
	assert_int_equal(rd(GITS_CTLR) & GITS_CTLR_ENABLED, GITS_CTLR_ENABLED);
}

static void a_write_to_a_disabled_its_is_no_repetition(void **state)
{
	leave_a_write();
	wr(GITS_CWRITER, 100 * 32);
	wr(GITS_CTLR, 0);
	fake_cpu = &cpus[0];
	assert_int_equal(its_write(&its, GITS_CWRITER, 8, 60 * 32), ITS_DONE);
	assert_int_equal(rd(GITS_CWRITER), 60 * 32);
}

/* ---- a frame that does not answer */

static void a_frame_without_power_faults_and_changes_nothing(void **state)
{
	struct its_plan plan;
	u64 value;

	start_queue(QUEUE, 1);
	mapd(1, ITT, 5);
	hw.lazy = true;
	put(GITS_MAPD | 1ULL << 32, 0, 0, 0);
	wr(GITS_CWRITER, tail);
	hw.dead = true;
	assert_int_equal(its_read(&its, GITS_CREADR, 8, &value), ITS_FAULTED);
	assert_int_equal(its_write(&its, GITS_CWRITER, 8, tail), ITS_FAULTED);
	assert_int_equal(its_read(&its, GITS_CTLR, 4, &value), ITS_FAULTED);
	assert_int_equal(its_read(&its, GITS_CBASER, 8, &value), ITS_DONE); /* Keel's own */
	assert_int_equal(pinned, 1); /* nobody knows that the hardware is done with it */
	hw.dead = false;
	go();
	assert_int_equal(pinned, 0);
	hw.dead = true;
	assert_int_equal(its_plan(hw.frame, SZ_1M, 0, &plan), -ENODEV);
}

/* Random registers and commands, on hardware of random speed: the fake finds errors. */
static void random_hosts_never_reach_memory_of_others(void **state)
{
	static const u64 offsets[] = { GITS_CTLR,  GITS_CBASER,	    GITS_CWRITER,
				       GITS_BASER, GITS_BASER + 16, GITS_CREADR };
	static const u8 ops_known[] = { 1, 3, 4, 5, 8, 8, 8, 8, 9, 10, 11, 12, 13, 14, 15, 0x29 };

	for (unsigned int round = 0; round < 40000; round++) {
		u64 at = next_random() % 512, *word = &host_queue[at / 4 * 4];
		u64 offset = offsets[next_random() % ARRAY_SIZE(offsets)];

		hw.lazy = next_random() % 3;
		hw.flickers = next_random() % 4 == 0;
		word[0] = ops_known[next_random() % 16] | (next_random() % 1100) << 32;
		word[1] = next_random() % 10;
		word[2] = (next_random() & GIC_VALID) |
			  (next_random() % 4 ? ITT + (next_random() % 64) * 0x300 : next_random());
		if (offset == GITS_CBASER)
			wr(offset, GIC_VALID | QUEUE);
		else
			wr(offset, next_random() % 2 ? next_random() % SZ_4K : next_random());
		hw_run((unsigned int)(next_random() % 20));
		(void)rd(GITS_CREADR);
		if (next_random() % 64 == 0)
			lose_power();
	}
	assert_true(hw.done > 1000);
	hw.lazy = hw.flickers = false;
	start_queue(QUEUE, 1);
	wr(GITS_CTLR, 0);
	wr(GITS_BASER, 0);
	wr(GITS_CTLR, 1);
	assert_int_equal(pinned, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(the_host_sees_an_its_without_virtual_lpis),
		test(the_hardware_has_keels_memory_whatever_the_host_writes),
		test(commands_are_read_once),
		test(fields_that_a_command_does_not_have_are_cleared),
		test(bad_commands_are_dropped),
		test(addresses_of_redistributors_are_known_ones),
		test(an_itt_stays_pinned_until_the_hardware_is_done_with_it),
		test(an_itt_can_be_replaced_again_and_again),
		test(an_itt_that_cannot_be_pinned_leaves_the_old_one),
		test(other_tables_are_empty),
		test(another_kernels_tables_are_empty),
		test(an_access_is_bounded),
		test(the_host_sees_that_the_hardware_has_stalled),
		test(commands_in_memory_that_is_not_the_hosts_are_refused),
		test(an_enabled_its_keeps_its_registers),
		test(hardware_that_has_lost_its_power_is_programmed_again),
		test(hardware_may_lack_shareability_or_large_pages),
		test(hardware_that_cuts_addresses_off_is_not_enabled),
		test(hardware_that_takes_the_queue_alone_is_never_enabled),
		test(tables_are_given_whatever_the_queue_register_says),
		test(little_memory_is_few_devices),
		test(what_is_no_its_reads_as_zero),
		test(addresses_that_the_hardware_has_no_bits_for_are_not_used),
		test(tables_above_48_bits_need_pages_of_64_kib),
		test(an_itt_out_of_the_hardwares_reach_is_refused),
		test(its_are_known_by_their_iidr_and_board),
		test(itts_of_larger_entries_than_typer_says_are_pinned_whole),
		test(tables_have_the_attributes_that_errata_need),
		test(a_repeated_write_does_not_undo_anothers),
		test(the_same_value_a_round_later_is_a_write),
		test(a_repeated_enable_does_not_undo_a_disable),
		test(a_write_to_a_new_queue_is_no_repetition),
		test(what_a_kernel_left_is_no_repetition_of_the_next_ones),
		test(a_write_to_a_disabled_its_is_no_repetition),
		test(a_frame_without_power_faults_and_changes_nothing),
		test(random_hosts_never_reach_memory_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
