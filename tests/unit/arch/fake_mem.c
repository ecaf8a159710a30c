// SPDX-License-Identifier: BSD-2-Clause
/* Memory for translation tables in tests: see fake_mem.h. */
#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define HAVE_ASAN 1
#endif
#endif
#ifndef HAVE_ASAN
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

static struct {
	u8 *arena;
	size_t arena_size;
	u64 base;
	u64 page_size;
	unsigned int pages, in_use, hint;
	int fail_after;
	bool used[FAKE_MEM_MAX_PAGES];
} mem;

void fake_mem_init(enum granule granule, u64 base, unsigned int pages)
{
	size_t size = pages * granule_size(granule);

	if (mem.arena)
		ASAN_UNPOISON_MEMORY_REGION(mem.arena, mem.arena_size);
	if (mem.arena_size < size) {
		free(mem.arena);
		mem.arena = aligned_alloc(SZ_1M, ALIGN_UP(size, SZ_1M));
		mem.arena_size = ALIGN_UP(size, SZ_1M);
	}
	mem.base = base;
	mem.page_size = granule_size(granule);
	mem.pages = pages;
	mem.in_use = mem.hint = 0;
	mem.fail_after = -1;
	memset(mem.used, 0, sizeof(mem.used));
	ASAN_POISON_MEMORY_REGION(mem.arena, mem.arena_size);
}

static void *take(unsigned int first, unsigned int n)
{
	void *table = mem.arena + first * mem.page_size;

	ASAN_UNPOISON_MEMORY_REGION(table, n * mem.page_size);
	memset(table, 0, n * mem.page_size);
	for (unsigned int i = 0; i < n; i++)
		mem.used[first + i] = true;
	mem.in_use += n;
	return table;
}

static bool ordered_to_fail(void)
{
	if (mem.fail_after > 0)
		mem.fail_after--;
	else if (mem.fail_after == 0)
		return true;
	return false;
}

void *fake_mem_zalloc(void *ctx)
{
	if (ordered_to_fail())
		return NULL;
	for (unsigned int i = 0; i < mem.pages; i++) {
		unsigned int page = (mem.hint + i) % mem.pages;

		if (!mem.used[page]) {
			/* Not the one that was freed last: it should stay poisoned for a while. */
			mem.hint = page + 1;
			return take(page, 1);
		}
	}
	return NULL;
}

void *fake_mem_zalloc_root(unsigned int n, u64 align)
{
	for (unsigned int page = 0; page + n <= mem.pages; page++) {
		unsigned int i = 0;

		while (i < n && !mem.used[page + i])
			i++;
		if (i == n && IS_ALIGNED(mem.base + page * mem.page_size, align))
			return take(page, n);
	}
	return NULL;
}

void fake_mem_free(void *ctx, void *table)
{
	int page = fake_mem_page(table);

	if (page < 0 || !mem.used[page]) {
		fake_violation("free of %p, which is no table in use", table);
		return;
	}
	fake_tlb_table_freed(page);
	/* All ones look like a table at a wild address to a walker that still gets here. */
	memset(table, 0xff, mem.page_size);
	ASAN_POISON_MEMORY_REGION(table, mem.page_size);
	mem.used[page] = false;
	mem.in_use--;
}

struct pa fake_mem_to_pa(void *ctx, const void *table)
{
	return PA(mem.base + (u64)((const u8 *)table - mem.arena));
}

void *fake_mem_from_pa(void *ctx, struct pa pa)
{
	u64 page = (pa.v - mem.base) / mem.page_size;

	if (pa.v < mem.base || page >= mem.pages || !mem.used[page])
		return NULL;
	return mem.arena + (pa.v - mem.base);
}

unsigned int fake_mem_in_use(void)
{
	return mem.in_use;
}

void fake_mem_fail_after(int n)
{
	mem.fail_after = n;
}

int fake_mem_page(const void *ptr)
{
	const u8 *p = ptr;

	if (!mem.arena || p < mem.arena || p >= mem.arena + mem.pages * mem.page_size)
		return -1;
	return (int)((u64)(p - mem.arena) / mem.page_size);
}

bool fake_mem_allocated(int page)
{
	return page >= 0 && mem.used[page];
}

void *fake_mem_page_ptr(int page)
{
	return mem.arena + (u64)page * mem.page_size;
}
