// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/el2_map.c hyp/mm/el2_layout.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/page_pool.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c tests/unit/fake_panic.c */
/*
 * EL2's own tables, built as at boot. RAM is a file: it is mapped at its physical address while the
 * MMU is off, at its address in the linear window afterwards (and no longer at the physical one),
 * and at a third one for the walker here, which reads the tables as the manual has them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/percpu.h>
#include <arch/pte.h>
#include <arch/tlb.h>
#include <cpu/percpu.h>
#include <fake_panic.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <mm/pgtable.h>

int memfd_create(const char *name, unsigned int flags);
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE	 SZ_4K
#define RAM_SIZE (4 * SZ_1M)
#define KEEL	 SZ_2M /* size of Keel's image: the first part of RAM */

/* ---- RAM ---- */

static int ram_fd = -1;
static u64 ram_pa;
static char *walker; /* RAM, for the walker */
static char *at_pa, *at_va;

static char *map_at(u64 address)
{
	void *p = mmap((void *)address, RAM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | (address ? MAP_FIXED_NOREPLACE : 0), ram_fd, 0);

	if (p == MAP_FAILED || (address && (u64)p != address))
		fail_msg("no memory at %#lx", address);
	return p;
}

static void unmap(char **p)
{
	if (*p)
		munmap(*p, RAM_SIZE);
	*p = NULL;
}

static void make_ram(u64 pa)
{
	unmap(&at_pa);
	unmap(&at_va);
	unmap(&walker);
	if (ram_fd >= 0)
		close(ram_fd);
	ram_fd = memfd_create("ram", 0);
	assert_int_equal(ftruncate(ram_fd, RAM_SIZE), 0);
	ram_pa = pa;
	walker = map_at(0);
	memset(walker, 0x5a, RAM_SIZE);
	at_pa = map_at(pa);
}

/* ---- descriptors and TLBs: order is what counts ---- */

static struct {
	bool unpublished; /* a descriptor was written and no DSB came after */
	unsigned int writes;
	unsigned int issued, done; /* TLBIs, and those that a DSB has completed */
	u64 va[4096];
	bool all;
} tlb;

u64 pte_read(const u64 *ptep)
{
	return *ptep;
}

void pte_write(u64 *ptep, u64 pte)
{
	if ((*ptep & 1) && (pte & 1) && *ptep != pte)
		fail_msg("%#lx over %#lx without a break", pte, *ptep);
	*ptep = pte;
	tlb.unpublished = true;
	tlb.writes++;
}

bool pte_cmpxchg(u64 *ptep, u64 *old, u64 pte)
{
	if (*ptep != *old) {
		*old = *ptep;
		return false;
	}
	pte_write(ptep, pte);
	return true;
}

void fake_dsb(const char *opt)
{
	tlb.unpublished = false;
	if (!strcmp(opt, "ish"))
		tlb.done = tlb.issued;
}

static void tlbi(u64 xt)
{
	assert_false(tlb.unpublished); /* it would not be ordered behind the descriptor */
	assert_int_equal(xt >> 44, 0); /* no level hint, nothing in RES0 */
	assert_true(tlb.issued < ARRAY_SIZE(tlb.va));
	tlb.va[tlb.issued++] = xt << 12;
}

void tlbi_vae2is(u64 xt)
{
	tlbi(xt);
}

void tlbi_alle2is(void)
{
	tlbi(0);
	tlb.all = true;
}

static void tlb_begin(void)
{
	memset(&tlb, 0, sizeof(tlb));
}

/* ---- a walker of its own ---- */

struct leaf {
	bool valid;
	u64 desc, pa, size;
	u64 *table; /* the descriptor of the table that the leaf is in */
};

static const struct el2_layout *lay;

static u64 out(u64 desc)
{
	return (desc & 0x0000fffffffff000ULL) |
	       (lay->ds ? (desc & 0x0003000000000000ULL) | (desc >> 8 & 3) << 50 : 0);
}

/* TTBRn_EL2 (D24.2): BADDR[51:48] are bits 5:2 with DS. */
static u64 baddr(u64 ttbr)
{
	return (ttbr & 0x0000ffffffffffc0ULL) | (lay->ds ? (ttbr >> 2 & 0xf) << 48 : 0);
}

static struct leaf walk(u64 va)
{
	bool upper = lay->which == EL2_TWO_BASES && va >= lay->runtime_base;
	unsigned int bits = upper ? lay->ttbr1_bits : lay->ttbr0_bits, shift = 12;
	u64 table = baddr(upper ? el2_map_ttbr1() : el2_map_ttbr0()), *above = NULL;

	if (!upper && va >> bits)
		return (struct leaf){ 0 };
	while (shift + 9 < bits)
		shift += 9;
	va &= (1ULL << bits) - 1;
	for (;; shift -= 9) {
		u64 index = va >> shift, desc;

		va &= (1ULL << shift) - 1;
		assert_true(table >= ram_pa && table + PAGE <= ram_pa + RAM_SIZE);
		desc = ((u64 *)(walker + (table - ram_pa)))[index];
		if (!(desc & 1))
			return (struct leaf){ false, desc, 0, 1ULL << shift, above };
		if (shift == 12 || !(desc & 2)) {
			assert_true(shift > 12 || (desc & 2));
			return (struct leaf){ true, desc, out(desc) + va, 1ULL << shift, above };
		}
		above = (u64 *)(walker + (table - ram_pa)) + index;
		table = out(desc);
	}
}

/* What a leaf lets EL2 do, by the manual's bits for the regime: "r", "w", "x", "d" for device. */
static const char *rights(u64 desc)
{
	static char text[8];
	bool e2h = lay->which == EL2_TWO_BASES;
	bool w = !(desc & BIT(7)), x = !(desc & (e2h ? BIT(53) : BIT(54)));
	unsigned int attr = desc >> 2 & 7;

	snprintf(text, sizeof(text), "r%s%s%s", w ? "w" : "", x ? "x" : "", attr == 1 ? "d" : "");
	assert_true(attr <= 1);	      /* MAIR_EL2 has two types */
	assert_false(w && x);	      /* never both */
	assert_true(desc & BIT(10));  /* AF */
	assert_false(desc & BIT(11)); /* nG */
	assert_false(desc & BIT(5));  /* NS */
	if (!lay->ds)		      /* SH: inner; with DS it is TCR_EL2's */
		assert_int_equal(desc >> 8 & 3, 3);
	if (e2h) {
		assert_false(desc & BIT(6)); /* AP[1]: nothing for EL0 */
		assert_true(desc & BIT(54)); /* UXN */
	} else {
		assert_true(desc & BIT(6));   /* AP[1]: RES1 */
		assert_false(desc & BIT(53)); /* PXN: RES0 */
	}
	return text;
}

static void check_page(u64 va, u64 pa, const char *expected)
{
	struct leaf l = walk(va);

	if (!l.valid || l.pa != pa || strcmp(rights(l.desc), expected))
		fail_msg("%#lx: %s, pa %#lx, %s; expected pa %#lx, %s", va,
			 l.valid ? "valid" : "invalid", l.pa, l.valid ? rights(l.desc) : "nothing",
			 pa, expected);
}

static void check_hole(u64 va)
{
	struct leaf l = walk(va);

	if (l.valid)
		fail_msg("%#lx: maps %#lx, expected nothing", va, l.pa);
}

static void check_range(u64 va, u64 pa, u64 size, const char *expected)
{
	for (u64 at = 0; at < size; at += PAGE)
		check_page(va + at, pa + at, expected);
}

/* ---- machines ---- */

static struct el2_layout layout;

static int make_layout(u64 pa, unsigned int va_bits, bool e2h, bool lpa2)
{
	struct mmu_caps caps = { .pa_bits = lpa2 ? 52 : 48 };
	const struct el2_layout_in in = {
		.trampoline = PA(pa),
		.va_bits = va_bits,
		.e2h = e2h,
		.image = PA(pa),
		.image_size = KEEL,
		.ram_start = PA(pa),
		.ram_end = PA(pa + RAM_SIZE),
		.caps = &caps,
	};

	caps.s1_granule[GRANULE_4K] = true;
	caps.s1_lpa2[GRANULE_4K] = lpa2;
	lay = &layout;
	return el2_layout(&layout, &in);
}

/* Keel's image in parts, as boot maps it; tables lie behind them. */
#define TEXT   (16 * PAGE)
#define RODATA (8 * PAGE)
#define FIRST  (KEEL / 2) /* first page for tables */

static int early(u64 table_pages)
{
	int ret = el2_map_early_init(&layout, PA(ram_pa + FIRST),
				     PA(ram_pa + FIRST + table_pages * PAGE));

	if (!ret)
		ret = el2_map_linear(PA(ram_pa), TEXT, EL2_RX);
	if (!ret)
		ret = el2_map_linear(PA(ram_pa + TEXT), RODATA, EL2_R);
	if (!ret)
		ret = el2_map_linear(PA(ram_pa + TEXT + RODATA), KEEL - TEXT - RODATA, EL2_RW);
	return ret ? ret : el2_map_identity(PA(ram_pa), PAGE, EL2_RX);
}

static void check_image(void)
{
	u64 base = ram_pa + layout.linear_offset;

	check_range(base, ram_pa, TEXT, "rx");
	check_range(base + TEXT, ram_pa + TEXT, RODATA, "r");
	check_range(base + TEXT + RODATA, ram_pa + TEXT + RODATA, KEEL - TEXT - RODATA, "rw");
	check_hole(base + KEEL);
	check_hole(base - PAGE);
	check_hole(layout.runtime_base); /* a null pointer, where that is 0 */
	check_page(ram_pa, ram_pa, "rx");
	check_hole(ram_pa + PAGE);
	check_hole(layout.private_base);
}

/* The four cases of the address space, with runtime addresses that a process can have. */
static const struct machine {
	const char *name;
	u64 pa;
	unsigned int va_bits;
	bool e2h, ds;
	enum el2_case which;
} machines[] = {
	{ "lower", 0x40000000, 47, false, false, EL2_TRAMPOLINE_LOWER },
	{ "upper", 0x400000000000, 47, false, false, EL2_TRAMPOLINE_UPPER },
	{ "beyond", 0x400000000000, 28, false, false, EL2_TRAMPOLINE_BEYOND },
	{ "two bases", 0x40000000, 46, true, false, EL2_TWO_BASES },
	{ "lower, DS", 0x40000000, 47, false, true, EL2_TRAMPOLINE_LOWER },
	{ "two bases, DS", 0x40000000, 46, true, true, EL2_TWO_BASES },
};

static struct page_pool pool;
static u64 early_pages;

/* Boot up to the point where @pages pages are in the pool. */
static void boot(const struct machine *m, u64 pages)
{
	u64 next;

	make_ram(m->pa);
	assert_int_equal(make_layout(m->pa, m->va_bits, m->e2h, false), 0);
	assert_int_equal(layout.which, m->which);
	layout.ds = m->ds;
	if (m->e2h) {
		/* The top of the address space is the kernel's here: the same, 2^47 higher. */
		layout.runtime_base += 1ULL << 47;
		layout.linear_offset += 1ULL << 47;
		layout.private_base += 1ULL << 47;
		layout.private_end += 1ULL << 47;
	}
	assert_int_equal(early(100), 0);
	at_va = map_at(ram_pa + layout.linear_offset);
	assert_int_equal(page_pool_init(&pool, NULL, 0), 0);
	next = el2_map_runtime(&pool).v;
	early_pages = (next - ram_pa - FIRST) / PAGE;
	unmap(&at_pa);
	if (pages)
		assert_int_equal(page_pool_add(&pool, el2_pa_to_va(&layout, PA(next)), pages), 0);
	tlb_begin();
}

#define EACH_MACHINE(m) \
	for (const struct machine *m = machines; m < machines + ARRAY_SIZE(machines); m++)

/* ---- early ---- */

static void early_tables_show_the_image_and_nothing_else(void **state)
{
	static const unsigned int widths[] = { 28, 30, 31, 39, 40, 47, 48, 49, 52 };
	static const u64 places[] = { 0x200000, 0x40000000, 0x400000000000 };

	for (unsigned int n = 0; n < 4 * ARRAY_SIZE(widths) * ARRAY_SIZE(places); n++) {
		unsigned int va_bits = widths[n / 4 % ARRAY_SIZE(widths)];
		u64 pa = places[n / 4 / ARRAY_SIZE(widths)];
		bool e2h = n & 1, lpa2 = n & 2;

		make_ram(pa);
		if (va_bits > 48 && !lpa2)
			continue;
		assert_int_equal(make_layout(pa, va_bits, e2h, lpa2), 0);
		assert_int_equal(early(100), 0);
		check_image();
		assert_int_equal(el2_map_layout()->tcr, layout.tcr);
		if (!e2h)
			assert_int_equal(el2_map_ttbr1(), 0);
		/* Roots are whole pages of Keel's, and before run time nothing needs a TLBI. */
		assert_true(IS_ALIGNED(el2_map_ttbr0(), PAGE));
		assert_int_equal(tlb.issued, 0);
	}
}

static void early_mapping_stops_when_pages_run_out(void **state)
{
	u64 needed;

	boot(&machines[0], 0);
	needed = early_pages;
	for (u64 pages = 0; pages < needed; pages++) {
		make_ram(machines[0].pa);
		assert_int_equal(early(pages), -ENOMEM);
		/* Nothing behind the last page is touched. */
		for (u64 at = FIRST + pages * PAGE; at < FIRST + 100 * PAGE; at += 8)
			assert_int_equal(*(u64 *)(walker + at), 0x5a5a5a5a5a5a5a5a);
	}
	make_ram(machines[0].pa);
	assert_int_equal(early(needed), 0);
}

static void the_linear_window_has_ends(void **state)
{
	EACH_MACHINE(m)
	{
		u64 start, end;

		boot(m, 50);
		start = layout.linear_start.v;
		end = layout.linear_end.v;
		assert_int_equal(el2_map_linear(PA(start - PAGE), PAGE, EL2_RW), -ERANGE);
		assert_int_equal(el2_map_linear(PA(end), PAGE, EL2_RW), -ERANGE);
		assert_int_equal(el2_map_linear(PA(end - PAGE), 2 * PAGE, EL2_RW), -ERANGE);
		assert_int_equal(el2_map_linear(PA(start), ~0ULL - PAGE + 1, EL2_RW), -ERANGE);
		assert_int_equal(el2_map_linear(PA(end - PAGE), PAGE, EL2_RW), 0);
		check_page(end - PAGE + layout.linear_offset, end - PAGE, "rw");
		/* What is shown cannot be shown otherwise. */
		assert_int_equal(el2_map_linear(PA(ram_pa), PAGE, EL2_RW), -EEXIST);
		check_image();
		el2_unmap_linear(PA(end - PAGE), PAGE);
		check_hole(end - PAGE + layout.linear_offset);
		assert_false(el2_linear_shown(PA(end - PAGE), PAGE));
		assert_false(el2_linear_shown(PA(ram_pa + KEEL), 3 * PAGE));
		assert_true(el2_linear_shown(PA(ram_pa + KEEL - PAGE), 4 * PAGE));
		assert_true(el2_linear_shown(PA(ram_pa), PAGE));
		assert_true(tlb.issued && tlb.done == tlb.issued);
	}
}

static void run_time_goes_on_where_early_stopped(void **state)
{
	EACH_MACHINE(m)
	{
		u64 roots = m->e2h ? 2 : 1;

		boot(m, 50);
		check_image();
		/* Each page before the first unused one is a table, and none behind it is. */
		assert_true(early_pages > roots && early_pages < 12);
		for (u64 at = FIRST + early_pages * PAGE; at < FIRST + 100 * PAGE; at += 8)
			if (at >= FIRST + (early_pages + 50) * PAGE)
				assert_int_equal(*(u64 *)(walker + at), 0x5a5a5a5a5a5a5a5a);
		assert_true(el2_va_to_pa(&layout, el2_pa_to_va(&layout, PA(ram_pa))).v == ram_pa);
		assert_ptr_equal(el2_pa_to_va(&layout, PA(ram_pa)), at_va);
	}
}

/* ---- private mappings ---- */

static void check_private(const void *ptr, u64 pa, u64 size, const char *expected)
{
	u64 va = (u64)ptr, first = ALIGN_DOWN(va, PAGE), end = ALIGN_UP(va + size, PAGE);

	if (!ptr)
		fail_msg("%#lx+%#lx is not mapped", pa, size);
	assert_true(first >= layout.private_base && end <= layout.private_end);
	assert_int_equal(va % PAGE, pa % PAGE);
	check_range(first, ALIGN_DOWN(pa, PAGE), end - first, expected);
	check_hole(first - PAGE);
	check_hole(end); /* the guard */
}

static void private_mappings_have_what_was_asked_for_and_a_guard(void **state)
{
	static const struct {
		u64 pa, size;
		enum el2_prot prot;
		const char *rights;
	} rows[] = {
		{ 0x9000000, PAGE, EL2_DEVICE, "rwd" }, { 0x80000123, 1, EL2_R, "r" },
		{ 0x80000ffc, 8, EL2_RW, "rw" },	{ 0x80000000, 5 * PAGE, EL2_RX, "rx" },
		{ 0x80200000, SZ_2M, EL2_R, "r" },	{ 0x80345000, 3 * SZ_2M, EL2_RW, "rw" },
		{ 0xffffffff000, PAGE, EL2_R, "r" },
	};

	EACH_MACHINE(m)
	{
		void *ptr[ARRAY_SIZE(rows)];
		u64 free;

		boot(m, 50);
		free = page_pool_available(&pool);
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			ptr[i] = el2_map_private(PA(rows[i].pa), rows[i].size, rows[i].prot);
			for (size_t j = 0; j <= i; j++)
				check_private(ptr[j], rows[j].pa, rows[j].size, rows[j].rights);
		}
		check_page(layout.linear_offset + ram_pa, ram_pa, "rx");
		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			u64 va = ALIGN_DOWN((u64)ptr[i], PAGE);

			tlb_begin();
			el2_unmap_private(ptr[i], rows[i].size);
			for (u64 at = 0; at < ALIGN_UP(rows[i].size + rows[i].pa % PAGE, PAGE);
			     at += PAGE)
				check_hole(va + at);
			assert_true(tlb.issued && tlb.done == tlb.issued);
			for (size_t j = i + 1; j < ARRAY_SIZE(rows); j++)
				check_private(ptr[j], rows[j].pa, rows[j].size, rows[j].rights);
		}
		if (page_pool_available(&pool) != free)
			fail_msg("%s: %lu pages for tables are gone", m->name,
				 free - page_pool_available(&pool));
	}
}

static void large_aligned_mappings_get_blocks(void **state)
{
	EACH_MACHINE(m)
	{
		char *ptr;

		boot(m, 50);
		ptr = el2_map_private(PA(0x80200000), 4 * SZ_2M, EL2_R);
		assert_int_equal(walk((u64)ptr).size, SZ_2M);
		/* A mapping that begins inside of a block has blocks where it can. */
		ptr = el2_map_private(PA(0x80345000), 3 * SZ_2M, EL2_R);
		assert_int_equal(walk((u64)ptr).size, PAGE);
		assert_int_equal(walk((u64)ptr + SZ_2M).size, SZ_2M);
	}
}

/* Every page that was reachable is named by a TLBI, or all are. */
static void each_unmapped_page_is_invalidated(void **state)
{
	EACH_MACHINE(m)
	{
		static const u64 pages[] = { 1, 2, 63, 64, 65, 300 };

		for (size_t n = 0; n < ARRAY_SIZE(pages); n++) {
			char *ptr, *keep;

			boot(m, 50);
			keep = el2_map_private(PA(0x9000000), PAGE, EL2_DEVICE);
			ptr = el2_map_private(PA(0x80001000), pages[n] * PAGE, EL2_R);
			tlb_begin();
			el2_unmap_private(ptr, pages[n] * PAGE);
			assert_true(tlb.done == tlb.issued);
			/* Past some number, one for all is cheaper. */
			assert_true(tlb.issued <= 64);
			for (u64 i = 0; i < pages[n] && !tlb.all; i++) {
				u64 va = ((u64)ptr + i * PAGE) & GENMASK(55, 12);
				bool found = false;

				for (unsigned int k = 0; k < tlb.issued; k++)
					found |= tlb.va[k] == va;
				if (!found)
					fail_msg("%s: no TLBI for page %lu of %lu", m->name, i,
						 pages[n]);
			}
			check_private(keep, 0x9000000, PAGE, "rwd");
		}
	}
}

static void the_area_is_used_again_from_its_end(void **state)
{
	EACH_MACHINE(m)
	{
		char *a, *b, *c;

		boot(m, 50);
		a = el2_map_private(PA(0x80000000), PAGE, EL2_R);
		b = el2_map_private(PA(0x80001000), 2 * PAGE, EL2_R);
		assert_true(b >= a + 2 * PAGE);
		el2_unmap_private(b, 2 * PAGE);
		c = el2_map_private(PA(0x80010000), PAGE, EL2_R);
		assert_ptr_equal(b, c);
		/* One in the middle leaves its place empty; those behind it stay. */
		el2_unmap_private(a, PAGE);
		check_private(c, 0x80010000, PAGE, "r");
		b = el2_map_private(PA(0x80002000), PAGE, EL2_R);
		assert_true(b >= c + 2 * PAGE);
	}
}

static void an_exhausted_area_refuses_and_stays_as_it_was(void **state)
{
	const struct machine *m = &machines[2]; /* 28 bits: 128 MiB of runtime range */
	u64 room;
	char *a, *b;

	boot(m, 50);
	room = layout.private_end - ALIGN_UP(layout.private_base, SZ_2M);
	/* Behind the last page is its guard, and both are in the area. */
	assert_null(el2_map_private(PA(0x80000000), room, EL2_R));
	a = el2_map_private(PA(0x80000000), room - PAGE, EL2_R);
	check_private(a, 0x80000000, room - PAGE, "r");
	assert_null(el2_map_private(PA(0x80000000), PAGE, EL2_R));
	el2_unmap_private(a, room - PAGE);
	a = el2_map_private(PA(0x80000000), room - 4 * PAGE, EL2_R);
	assert_null(el2_map_private(PA(0x80000000), 3 * PAGE, EL2_R));
	b = el2_map_private(PA(0x80000000), 2 * PAGE, EL2_R);
	check_private(b, 0x80000000, 2 * PAGE, "r");
	check_private(a, 0x80000000, room - 4 * PAGE, "r");
	check_hole(layout.private_end);
}

static void a_dry_pool_leaves_nothing_mapped(void **state)
{
	EACH_MACHINE(m)
	{
		/* Pages in two 2 MiB regions take tables of their own, and those above. */
		for (u64 pages = 0; pages < 6; pages++) {
			char *ptr, *next;
			u64 before = 0;

			boot(m, pages);
			ptr = el2_map_private(PA(0x80001000), SZ_2M + 2 * PAGE, EL2_R);
			if (ptr) {
				check_private(ptr, 0x80001000, SZ_2M + 2 * PAGE, "r");
				continue;
			}
			before = page_pool_available(&pool);
			assert_int_equal(before, pages);
			for (u64 va = layout.private_base; va < layout.private_base + 8 * SZ_2M;
			     va += PAGE)
				check_hole(va);
			check_image();
			/* With more pages the same call succeeds, at the area's beginning. */
			assert_int_equal(page_pool_add(&pool, at_va + RAM_SIZE / 2, 10), 0);
			next = el2_map_private(PA(0x80001000), SZ_2M + 2 * PAGE, EL2_R);
			assert_int_equal((u64)next, ALIGN_UP(layout.private_base, SZ_2M) + PAGE);
		}
	}
}

/* ---- stacks and windows ---- */

#define SLOT 0x10000ULL
static const struct el2_stack_part stack = { 0x4000, 0x4000 }, emergency = { 0xa000, 0x2000 };

static bool in_part(u64 offset, const struct el2_stack_part *part)
{
	return offset >= part->base && offset < part->base + part->size;
}

static void check_slot(const struct percpu *cpu)
{
	u64 slot = cpu->stack_top - stack.base - stack.size;

	assert_int_equal(slot % SLOT, 0);
	assert_int_equal(cpu->emergency_top, slot + emergency.base + emergency.size);
	assert_true(slot >= layout.private_base && slot + SLOT + 2 * PAGE <= layout.private_end);
	for (u64 offset = 0; offset < SLOT; offset += PAGE) {
		struct leaf l = walk(slot + offset);

		if (!in_part(offset, &stack) && !in_part(offset, &emergency)) {
			check_hole(slot + offset);
			continue;
		}
		assert_true(l.valid);
		assert_string_equal(rights(l.desc), "rw");
		assert_true(l.pa >= ram_pa && l.pa < ram_pa + RAM_SIZE);
	}
	check_hole(slot - PAGE);
	assert_int_equal(cpu->alias_va, slot + SLOT - PAGE);
	for (u64 i = 0; i <= EL2_WINDOW_PAGES; i++)
		check_hole(cpu->window_va + i * PAGE);
	assert_true(cpu->window_va >= slot + SLOT);
}

static void stacks_have_pages_of_their_own_and_guards(void **state)
{
	EACH_MACHINE(m)
	{
		struct percpu cpus[4] = { 0 };
		u64 seen[64];
		size_t n = 0;

		boot(m, 100);
		for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
			assert_int_equal(el2_map_stacks(&cpus[i], SLOT, stack, emergency), 0);
		for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
			u64 slot = cpus[i].stack_top - stack.base - stack.size;

			check_slot(&cpus[i]);
			for (u64 at = 0; at < SLOT; at += PAGE)
				if (walk(slot + at).valid)
					seen[n++] = walk(slot + at).pa;
		}
		assert_int_equal(n, 4 * 6);
		for (size_t i = 0; i < n; i++)
			for (size_t j = i + 1; j < n; j++)
				assert_int_not_equal(seen[i], seen[j]);
	}
}

static void stacks_that_do_not_fit_are_refused(void **state)
{
	static struct percpu cpus[2000];
	const struct el2_stack_part one = { PAGE, PAGE }, two = { 3 * PAGE, PAGE };
	size_t i = 0;
	int ret;

	boot(&machines[0], 3);
	assert_int_equal(el2_map_stacks(&cpus[0], SLOT, stack, emergency), -ENOMEM);
	/* 106 MiB of private area: slots of 4 MiB fill it soon. */
	boot(&machines[2], 400);
	do
		ret = el2_map_stacks(&cpus[i++], 2 * SZ_2M, one, two);
	while (!ret && i < ARRAY_SIZE(cpus));
	assert_int_equal(ret, -ENOSPC);
	assert_true(i > 5);
	check_hole(layout.private_end);
	check_image();
}

static void a_window_shows_one_page_at_a_time(void **state)
{
	EACH_MACHINE(m)
	{
		struct percpu cpus[2] = { 0 };
		u64 free;

		boot(m, 100);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(el2_map_stacks(&cpus[i], SLOT, stack, emergency), 0);
		assert_int_not_equal(cpus[0].window_va, cpus[1].window_va);
		free = page_pool_available(&pool);
		for (unsigned int i = 0; i < 20; i++) {
			u64 pa = 0x80000000 + i * 7 * PAGE;
			u64 va = cpus[i % 2].window_va;

			set_this_cpu(&cpus[i % 2]);
			tlb_begin();
			assert_int_equal((u64)el2_window_map(PA(pa), i & 4 ? EL2_R : EL2_RW), va);
			assert_false(tlb.unpublished);
			check_page(va, pa, i & 4 ? "r" : "rw");
			assert_int_equal(walk(va).size, PAGE);
			check_hole(cpus[(i + 1) % 2].window_va);
			check_hole(va + PAGE);
			tlb_begin();
			assert_int_equal(el2_physical(va + 0x123), pa + 0x123);
			el2_window_unmap();
			assert_int_equal(el2_physical(va), ~0ULL);
			check_hole(va);
			/* Any CPU may have cached it while it was there:
			 * all TLBs, and it is done. */
			assert_int_equal(tlb.issued, 1);
			assert_int_equal(tlb.done, 1);
			assert_int_equal(tlb.va[0], va & GENMASK(55, 12));
		}
		assert_int_equal(page_pool_available(&pool), free);
	}
}

static void a_window_shows_adjacent_pages(void **state)
{
	const struct pa pa = PA(0x80000000);

	EACH_MACHINE(m)
	{
		struct percpu cpus[3] = { 0 };

		boot(m, 100);
		for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
			assert_int_equal(el2_map_stacks(&cpus[i], SLOT, stack, emergency), 0);
		for (unsigned int count = 1; count <= EL2_WINDOW_PAGES; count++) {
			u64 va = cpus[count % 3].window_va;

			set_this_cpu(&cpus[count % 3]);
			tlb_begin();
			assert_int_equal((u64)el2_window_map_pages(pa, count, EL2_RW), va);
			assert_false(tlb.unpublished);
			for (u64 at = 0; at < count * PAGE; at += PAGE) {
				check_page(va + at, pa.v + at, "rw");
				assert_int_equal(el2_physical(va + at + 8), pa.v + at + 8);
			}
			check_hole(va + count * PAGE);
			assert_int_equal(el2_physical(va + count * PAGE), ~0ULL);
			tlb_begin();
			el2_window_unmap_pages(count);
			assert_int_equal(tlb.issued, count);
			assert_int_equal(tlb.done, count);
			for (u64 i = 0; i < count; i++) {
				check_hole(va + i * PAGE);
				assert_int_equal(tlb.va[i], (va + i * PAGE) & GENMASK(55, 12));
			}
		}
	}
}

static void an_alias_is_read_only_and_one_of_a_cpu(void **state)
{
	EACH_MACHINE(m)
	{
		struct percpu cpus[2] = { 0 };
		u64 free;

		boot(m, 100);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(el2_map_stacks(&cpus[i], SLOT, stack, emergency), 0);
		free = page_pool_available(&pool);
		for (unsigned int i = 0; i < 6; i++) {
			u64 va = cpus[i % 2].alias_va, pa = ram_pa + i * PAGE;
			void *page = el2_pa_to_va(el2_map_layout(), PA(pa));

			set_this_cpu(&cpus[i % 2]);
			tlb_begin();
			assert_int_equal((u64)el2_alias_open(page), va);
			assert_false(tlb.unpublished);
			check_page(va, pa, "r");
			check_hole(cpus[(i + 1) % 2].alias_va);
			check_hole(cpus[i % 2].window_va);
			tlb_begin();
			el2_alias_close();
			check_hole(va);
			assert_int_equal(tlb.issued, 1);
			assert_int_equal(tlb.done, 1);
			assert_int_equal(tlb.va[0], va & GENMASK(55, 12));
		}
		assert_int_equal(page_pool_available(&pool), free);
	}
}

/* ---- consistency ---- */

static void map_and_unmap(void *arg)
{
	char *ptr = el2_map_private(PA(0x80002000), PAGE, EL2_R);

	(void)arg;
	assert_non_null(ptr);
	el2_unmap_private(ptr, PAGE);
}

/* What the next change says, in a process of its own: the lock stays held after a panic. */
static void change_must_panic_with(const char *expected)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		const char *message = fake_panics(map_and_unmap, NULL);

		_exit(message && strstr(message, expected) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status)
		fail_msg("no panic with: %s", expected);
}

static void a_change_of_tables_that_are_not_sane_is_a_panic(void **state)
{
	EACH_MACHINE(m)
	{
		u64 *table;

		boot(m, 50);
		table = walk((u64)el2_map_private(PA(0x80001000), PAGE, EL2_R)).table;
		map_and_unmap(NULL);
		*table |= BIT(55);
		change_must_panic_with("a table's descriptor has more than its address");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(early_tables_show_the_image_and_nothing_else),
		cmocka_unit_test(early_mapping_stops_when_pages_run_out),
		cmocka_unit_test(the_linear_window_has_ends),
		cmocka_unit_test(run_time_goes_on_where_early_stopped),
		cmocka_unit_test(private_mappings_have_what_was_asked_for_and_a_guard),
		cmocka_unit_test(large_aligned_mappings_get_blocks),
		cmocka_unit_test(each_unmapped_page_is_invalidated),
		cmocka_unit_test(the_area_is_used_again_from_its_end),
		cmocka_unit_test(an_exhausted_area_refuses_and_stays_as_it_was),
		cmocka_unit_test(a_dry_pool_leaves_nothing_mapped),
		cmocka_unit_test(stacks_have_pages_of_their_own_and_guards),
		cmocka_unit_test(stacks_that_do_not_fit_are_refused),
		cmocka_unit_test(a_window_shows_one_page_at_a_time),
		cmocka_unit_test(a_window_shows_adjacent_pages),
		cmocka_unit_test(an_alias_is_read_only_and_one_of_a_cpu),
		cmocka_unit_test(a_change_of_tables_that_are_not_sane_is_a_panic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
