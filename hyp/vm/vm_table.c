// SPDX-License-Identifier: BSD-2-Clause
/*
 * Handles and their slots. vm_table.h says what callers may rely on.
 *
 *      handle:  63                    16 15          0       slot->refs: calls at work, and
 *               │ number of the VM      │ slot index │       REFS_CLOSED, REFS_ALONE
 *
 *      free ── vm_table_new() ──> closed, alone ── vm_table_open() ──> open
 *       ^                            ^       │                          │  vm_get(), vm_put():
 *       │                  vm_table_close()  │ vm_table_pause()         │  refs + 1, - 1
 *       │                            │       v                          │
 *       └── vm_table_free() ──── closed, idle <── vm_table_close(), refs are 0
 *
 * A call looks a VM up without a lock: it reads the slot's handle, adds itself to refs by
 * compare-and-exchange, which fails while REFS_CLOSED is set, and reads the handle again. Between
 * the two reads the slot may have become another VM's; once the call is counted, it cannot change.
 * vm_table_close() succeeds only while no call is counted. So a VM does not end under a call, and
 * none finds it once it is closed.
 *
 * vm_table_lock guards giving out and freeing slots. Pages of slots are added and never removed, so
 * a look-up of any handle is safe.
 */
#include <arch/spinlock.h>
#include <lib/errno.h>
#include <vm/vm.h>
#include <vm/vm_table.h>

/* A handle: the slot's index, and above it a number that is incremented with each VM. */
#define HANDLE_INDEX	  GENMASK(15, 0)
#define HANDLE_GENERATION GENMASK(63, 16)

STATIC_ASSERT(VM_TABLE_SLOTS == HANDLE_INDEX + 1, "an index is 16 bits");

/* slot->refs: the number of calls at work, or these flags. */
#define REFS_CLOSED BIT(31) /* no call is counted any more */
#define REFS_ALONE  BIT(30) /* with REFS_CLOSED: one caller makes or ends the VM */

static struct spinlock vm_table_lock = SPINLOCK_INIT(LOCK_VM_TABLE);
static struct page_pool *slot_pool;
static struct vm_slot *pages[VM_TABLE_PAGES]; /* set once, in order; read with acquire */
static unsigned int nr_pages;
static u32 first_free; /* index + 1 */
static u64 generation;

static struct vm_slot *slot_at(u32 index)
{
	struct vm_slot *page = __atomic_load_n(&pages[index / VM_SLOTS_PER_PAGE], __ATOMIC_ACQUIRE);

	return page ? &page[index % VM_SLOTS_PER_PAGE] : NULL;
}

static struct vm_slot *slot_of(u64 handle)
{
	struct vm_slot *slot = slot_at((u32)(handle & HANDLE_INDEX));

	return handle && slot && __atomic_load_n(&slot->handle, __ATOMIC_ACQUIRE) == handle ? slot
											    : NULL;
}

static u32 index_of(const struct vm_slot *slot)
{
	return (u32)(slot->handle & HANDLE_INDEX);
}

static struct vm_slot *alloc_page(void)
{
	struct vm_slot *page = NULL;

	spin_lock(&ownership_lock); /* held by all who take pages from Keel's pool */
	if (page_pool_spare(slot_pool))
		page = page_pool_alloc(slot_pool);
	spin_unlock(&ownership_lock);
	return page;
}

/* With vm_table_lock held, or at boot. */
static int add_page(void)
{
	struct vm_slot *page;
	u32 first = nr_pages * VM_SLOTS_PER_PAGE;

	if (nr_pages == VM_TABLE_PAGES)
		return -ENOSPC;
	page = alloc_page();
	if (!page)
		return -ENOBUFS;
	for (u32 i = VM_SLOTS_PER_PAGE; i-- > 0;) {
		page[i].refs = (u32)REFS_CLOSED;
		page[i].next_free = first_free;
		first_free = first + i + 1;
	}
	__atomic_store_n(&pages[nr_pages], page, __ATOMIC_RELEASE);
	nr_pages++;
	return 0;
}

int vm_table_init(struct page_pool *pool)
{
	for (unsigned int i = 0; i < VM_TABLE_PAGES; i++)
		pages[i] = NULL;
	slot_pool = pool;
	nr_pages = 0;
	first_free = 0;
	return add_page() ? -ENOMEM : 0;
}

void vm_table_grow(void)
{
	while (nr_pages < VM_TABLE_BOOT_PAGES && !add_page())
		;
}

u64 vm_table_next(u64 handle)
{
	u32 index = handle ? (u32)(handle & HANDLE_INDEX) + 1 : 0;
	struct vm_slot *slot;
	u64 next;

	for (; index < VM_TABLE_SLOTS && (slot = slot_at(index)); index++) {
		next = __atomic_load_n(&slot->handle, __ATOMIC_ACQUIRE);
		if (next)
			return next;
	}
	return 0;
}

/* With vm_table_lock held. */
static int take_slot(struct vm_slot **taken)
{
	int ret = first_free ? 0 : add_page();
	struct vm_slot *slot;
	u32 index;

	if (ret)
		return ret;
	index = first_free - 1;
	slot = slot_at(index);
	first_free = slot->next_free;
	slot->vm = NULL;
	slot->return_pages = 0;
	__atomic_store_n(&slot->refs, (u32)(REFS_CLOSED | REFS_ALONE), __ATOMIC_RELAXED);
	__atomic_store_n(&slot->handle, FIELD_PREP(HANDLE_GENERATION, ++generation) | index,
			 __ATOMIC_RELEASE);
	*taken = slot;
	return 0;
}

int vm_table_new(struct vm_slot **slot)
{
	int ret;

	spin_lock(&vm_table_lock);
	ret = take_slot(slot);
	spin_unlock(&vm_table_lock);
	return ret;
}

void vm_table_open(struct vm_slot *slot)
{
	__atomic_store_n(&slot->refs, 0, __ATOMIC_RELEASE);
}

static void drop_ref(struct vm_slot *slot)
{
	__atomic_fetch_sub(&slot->refs, 1, __ATOMIC_RELEASE);
}

static bool take_ref(struct vm_slot *slot)
{
	u32 refs = __atomic_load_n(&slot->refs, __ATOMIC_RELAXED);

	do {
		if (refs & REFS_CLOSED)
			return false;
	} while (!__atomic_compare_exchange_n(&slot->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

/*
 * Between reading the handle and being counted, the slot may have become another VM's. Once a call
 * is counted the slot cannot change, so the handle is read again.
 */
struct vm *vm_get(u64 handle)
{
	struct vm_slot *slot = slot_of(handle);

	if (!slot || !take_ref(slot))
		return NULL;
	if (__atomic_load_n(&slot->handle, __ATOMIC_RELAXED) != handle) {
		drop_ref(slot);
		return NULL;
	}
	return slot->vm;
}

void vm_put(struct vm *vm)
{
	drop_ref(slot_at((u32)(vm->handle & HANDLE_INDEX)));
}

/* From open or closed, without calls, to closed and alone. */
static int close_slot(struct vm_slot *slot)
{
	u32 refs = __atomic_load_n(&slot->refs, __ATOMIC_RELAXED);

	if (refs != 0 && refs != REFS_CLOSED)
		return -EBUSY;
	return __atomic_compare_exchange_n(&slot->refs, &refs, (u32)(REFS_CLOSED | REFS_ALONE),
					   false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
		       ? 0
		       : -EBUSY;
}

int vm_table_close(u64 handle, struct vm_slot **slot)
{
	int ret;

	spin_lock(&vm_table_lock);
	*slot = slot_of(handle);
	ret = *slot ? close_slot(*slot) : -ENOENT;
	spin_unlock(&vm_table_lock);
	return ret;
}

void vm_table_pause(struct vm_slot *slot)
{
	__atomic_store_n(&slot->refs, (u32)REFS_CLOSED, __ATOMIC_RELEASE);
}

void vm_table_free(struct vm_slot *slot)
{
	u32 index = index_of(slot);

	spin_lock(&vm_table_lock);
	__atomic_store_n(&slot->handle, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->refs, (u32)REFS_CLOSED, __ATOMIC_RELEASE);
	slot->vm = NULL;
	slot->next_free = first_free;
	first_free = index + 1;
	spin_unlock(&vm_table_lock);
}
