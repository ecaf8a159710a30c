/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who owns each page of RAM: the one place that decides what memory the host, Keel and the VMs can
 * reach. One byte a page, changed only by ownership.c through a table of legal moves. A move is
 * checked on both sides, over its whole range, before either side is changed: it happens entirely
 * or not at all. docs/ownership.md is the long version.
 */
#ifndef KEEL_MM_OWNERSHIP_H
#define KEEL_MM_OWNERSHIP_H

#include <arch/spinlock.h>
#include <lib/types.h>
#include <mm/stage2.h>

/* Ownership is kept by 4K page, whatever granule the page tables use. */
#define OWNERSHIP_PAGE_SIZE SZ_4K

/* How often one page may be shared at a time (with as many VMs, or places in one VM). */
#define OWNERSHIP_SHARE_MAX 0xffffffffU

/* So many of them need no memory; from one more on a page of counts (u32) serves this much RAM. */
#define OWNERSHIP_BYTE_SHARES 250
#define OWNERSHIP_COUNTS_SPAN (4 * SZ_1M)

/* How many device ranges Keel can claim, those that touch being one; banks of RAM. */
#define OWNERSHIP_DEVICE_MAX 640
#define OWNERSHIP_BANK_MAX   64

enum ownership_state {
	OWNERSHIP_HOST,	   /* the host's alone; mapped in the host's stage 2 */
	OWNERSHIP_SHARED,  /* the host's, and mapped in one VM or several as well */
	OWNERSHIP_DONATED, /* one VM's alone; not in the host's stage 2 */
	OWNERSHIP_KEEL,	   /* Keel's, given by the host; in nobody's stage 2 */
	OWNERSHIP_IMAGE,   /* Keel's since boot, and for ever: no move leads out of it */
	OWNERSHIP_FIXED,   /* firmware reserved it: mapped in the host's stage 2, and never moved */
	OWNERSHIP_NONE,	   /* not RAM: nothing is recorded for this address */
};

#define OWNERSHIP_STATES OWNERSHIP_NONE

/**
 * struct ownership_bank - a run of RAM and the bytes that say who owns it
 * @base:  first physical address, page-aligned
 * @size:  bytes, a multiple of the page size, not zero
 * @state: size / OWNERSHIP_PAGE_SIZE bytes, in memory that is Keel's own
 * @counts: ownership_counts_size() bytes there: the pages of counts, by OWNERSHIP_COUNTS_SPAN
 *
 * Filled by boot. The array of banks, the bytes and the addresses of counts belong to ownership.c
 * from ownership_init() on; they are never freed.
 */
struct ownership_bank {
	u64 base;
	u64 size;
	u8 *state;
	u32 **counts;
};

/* ownership_counts_size() - bytes of struct ownership_bank's counts, for a bank of @size bytes */
static inline u64 ownership_counts_size(u64 size)
{
	return ALIGN_UP(size, OWNERSHIP_COUNTS_SPAN) / OWNERSHIP_COUNTS_SPAN * sizeof(u32 *);
}

/**
 * struct page_move - what one side of a move is told of it
 * @ipa:   first address there, page-aligned; for the host it equals @pa
 * @pa:    first page; all are in one bank of RAM
 * @size:  bytes, a multiple of the page size, not zero; no address wraps
 * @attrs: how the side is to map them: ownership.c hands it on as it is. STAGE2_NONE for sides that
 *         have no choice
 * @map:   the side is to map them, or else to unmap them; filled by ownership.c
 */
struct page_move {
	struct ipa ipa;
	struct pa pa;
	u64 size;
	enum stage2_attrs attrs;
	bool map;
};

/**
 * struct ownership_side_ops - how a move sees and changes one side's stage 2
 *
 * The host is a side, and each VM is one. @ctx is the side's own (struct ownership_side).
 * All are called with ownership_lock held; a side takes its own stage-2 lock inside (lock order:
 * ownership_lock, then a stage 2's lock, then a page pool's lock).
 *
 * @check_mapped:   0 when the side maps every page of the range to the page of [pa, ...) that
 *                  corresponds to it; else a negative errno, which the move returns. Changes
 *                  nothing.
 * @check_unmapped: 0 when the side maps nothing in [ipa, ipa + size) and ipa + size is within its
 *                  IPA space; else a negative errno, which the move returns. Changes nothing.
 *                  Each of the two may be NULL for a side that nobody moves anything to or from
 *                  without having looked before, under a lock that he still holds.
 * @prepare:        make sure that the one @map or @unmap of exactly this move that follows under
 *                  the same hold of ownership_lock cannot fail: allocate or set aside the tables
 *                  it takes, split blocks that reach over the range's ends. What the side can reach
 *                  stays the same. 0, or a negative errno (-ENOMEM) that the move returns; what was
 *                  prepared may stay, since it is no more than a different shape of the same map.
 * @map:            map the range. Cannot fail.
 * @unmap:          unmap the range and invalidate TLBs: when it returns no CPU can reach the
 *                  memory through this side. Cannot fail.
 */
struct ownership_side_ops {
	int (*check_mapped)(void *ctx, const struct page_move *move);
	int (*check_unmapped)(void *ctx, const struct page_move *move);
	int (*prepare)(void *ctx, const struct page_move *move);
	void (*map)(void *ctx, const struct page_move *move);
	void (*unmap)(void *ctx, const struct page_move *move);
};

struct ownership_side {
	const struct ownership_side_ops *ops;
	void *ctx;
};

/**
 * struct ownership_host - what ownership needs of the host VM and the machine
 * @side:       the host's stage 2
 * @clear_page: fill a page of RAM with zeroes; the page is in nobody's stage 2 when it is called.
 *              False if it faults: then the page stays behind, as Keel's for ever
 * @forget:     pages that nobody has, and that stay behind: the host finds nothing there any more.
 *              ownership_lock held
 * @shrink:     give tables back that can be made again when they are missed; NULL if there are
 *              none. ownership_lock held
 * @take_counts: OWNERSHIP_PAGE_SIZE bytes of EL2's for counts, with any contents; NULL if there are
 *               too few, and the host is to give some. ownership_lock held
 * @give_counts: give them back. ownership_lock held
 */
struct ownership_host {
	struct ownership_side side;
	bool (*clear_page)(void *ctx, struct pa pa);
	void (*forget)(void *ctx, struct pa pa, u64 size);
	void (*shrink)(void *ctx);
	u32 *(*take_counts)(void *ctx);
	void (*give_counts)(void *ctx, u32 *counts);
};

/*
 * Guards every page state and the tables of this file. Taken before any stage-2 lock. Code that
 * looks at a state and then acts on it (the host's fault handler: "the page is the host's, so map
 * it") must hold it across both.
 */
extern struct spinlock ownership_lock;

/**
 * ownership_init() - start with all RAM owned by the host
 * @banks: the machine's RAM; sorted by base, not overlapping, at most OWNERSHIP_BANK_MAX. Banks
 *         that touch should be merged: a move does not cross from one into the next
 * @n:     how many
 *
 * Boot, one CPU, before anything else here. Forgets everything from before.
 *
 * Return: 0; -EINVAL on an empty, misaligned, wrapping, overlapping or unsorted bank, or one
 * without bytes or counts; -E2BIG on more than OWNERSHIP_BANK_MAX.
 */
int __must_check ownership_init(struct ownership_bank *banks, size_t n);

/**
 * ownership_claim_boot() - make host-owned RAM Keel's for ever
 * @pa:   first address, page-aligned
 * @size: bytes, a multiple of the page size
 *
 * For Keel's image, stacks, boot-time tables and the ownership bytes themselves. Before
 * ownership_set_host(), so that the host's stage 2 is never built with them.
 *
 * Return: 0; -EINVAL misaligned, empty or wrapping; -ERANGE not within one bank; -EPERM some of it
 * is not the host's (nothing was changed); -EBUSY after ownership_set_host().
 */
int __must_check ownership_claim_boot(struct pa pa, u64 size);

/**
 * ownership_fix_boot() - let no move take what firmware reserved
 * @base: first address
 * @size: bytes; base + size does not wrap
 *
 * Such memory may be the Secure world's, and then answers with an external abort or not at all. So
 * EL2 and VMs must not touch it; the host may, as on a machine without Keel. Pages that the range
 * only touches count too. What is not RAM, or not the host's, stays as it is. Before
 * ownership_set_host().
 */
void ownership_fix_boot(u64 base, u64 size);

/**
 * ownership_claim_device() - keep a device's registers from the host
 * @pa:   first address, page-aligned
 * @size: bytes, a multiple of the page size
 *
 * Before ownership_set_host().
 *
 * Return: 0; -EINVAL misaligned, empty or wrapping; -ERANGE overlaps RAM; -EEXIST overlaps another
 * claim; -ENOSPC after OWNERSHIP_DEVICE_MAX claims; -EBUSY after ownership_set_host().
 */
int __must_check ownership_claim_device(struct pa pa, u64 size);

/**
 * ownership_set_host() - name the host's side; moves are possible from here on
 * @host: the host's stage 2, which by now maps exactly what is the host's; kept, not copied
 */
void ownership_set_host(const struct ownership_host *host);

/**
 * ownership_share() - let a VM reach memory of the host, which keeps it
 * @move: which pages, page-aligned, where in the VM, and how it maps them; nothing of the IPAs may
 *        be mapped there
 * @vm:   the VM's side
 *
 * From host-owned, or shared already, less than OWNERSHIP_SHARE_MAX times.
 *
 * Every move: any CPU, takes ownership_lock, time linear in its size. On any error nothing was
 * changed.
 *
 * Return: 0; -EINVAL misaligned, empty or wrapping; -ERANGE the pages are not within one bank of
 * RAM; -EPERM some page is not the host's to share; -EOVERFLOW some page is shared
 * OWNERSHIP_SHARE_MAX times; -ENOBUFS Keel's pool is short of a page of counts; -ENODEV before
 * ownership_set_host(); else what the sides' check or prepare returned.
 */
int __must_check ownership_share(struct page_move *move, const struct ownership_side *vm);

/**
 * ownership_unshare() - undo one ownership_share()
 *
 * Arguments as ownership_share(), without attributes; @vm must map all of the IPAs to these pages.
 * Pages that nobody else shares become host-owned.
 *
 * Return: 0; -EPERM some page is not shared; else as ownership_share().
 */
int __must_check ownership_unshare(struct page_move *move, const struct ownership_side *vm);

/**
 * ownership_donate() - give memory of the host to one VM; contents stay
 *
 * Arguments as ownership_share(). The host can no longer reach it when the VM first can.
 *
 * Return: 0; -EBUSY some page is shared; -EPERM some page is not the host's; else as
 * ownership_share().
 */
int __must_check ownership_donate(struct page_move *move, const struct ownership_side *vm);

/**
 * ownership_reclaim() - give memory that was donated to a VM back to the host, cleared
 *
 * Arguments as ownership_unshare(); that @vm maps all of the IPAs to these pages proves that this
 * VM is the owner.
 *
 * Return: 0; -EPERM some page is not donated; else as ownership_share().
 */
int __must_check ownership_reclaim(struct page_move *move, const struct ownership_side *vm);

/**
 * ownership_donate_keel() - give memory of the host to Keel; contents stay
 * @pa:   first address, page-aligned
 * @size: bytes, a multiple of the page size
 *
 * Return: 0; -EBUSY some page is shared; -EPERM some page is not the host's; -EINVAL, -ERANGE,
 * -ENODEV as ownership_share(); what the host side's check or prepare returned.
 */
int __must_check ownership_donate_keel(struct pa pa, u64 size);

/* ownership_donate_keel_locked() - the same by who holds ownership_lock. */
int __must_check ownership_donate_keel_locked(struct pa pa, u64 size);

/* ownership_reclaim_keel_locked() - ownership_reclaim_keel() by who holds ownership_lock. */
int __must_check ownership_reclaim_keel_locked(struct pa pa, u64 size);

/**
 * ownership_shrink_host() - let the host's side give tables back
 *
 * ownership_lock held. Return: whether it has any that it can give.
 */
bool ownership_shrink_host(void);

/**
 * ownership_reclaim_keel() - give memory that was donated to Keel back to the host, cleared
 *
 * Arguments as ownership_donate_keel(). The caller vouches that Keel no longer uses it. Keel's own
 * memory of boot time is not given up even so.
 *
 * Return: 0; -EPERM some page is not one that was donated to Keel; else as ownership_donate_keel().
 */
int __must_check ownership_reclaim_keel(struct pa pa, u64 size);

/**
 * ownership_state() - who owns the page that holds pa
 * @pa: any address
 *
 * No lock needed; the answer stays true only while ownership_lock is held.
 *
 * Return: the state; OWNERSHIP_NONE where there is no RAM.
 */
enum ownership_state ownership_state(struct pa pa);

/**
 * ownership_share_count() - how often the page that holds pa is shared
 *
 * Takes ownership_lock. Return: 0..OWNERSHIP_SHARE_MAX.
 */
u32 ownership_share_count(struct pa pa);

/**
 * ownership_may_share() - whether all of a range is in a state that ownership_share() starts from
 *
 * Whoever touches memory of the host before he moves it asks this first: fixed memory stays fixed,
 * so that the answer is as good as long as it need be. Else as ownership_state(), without a lock.
 *
 * Return: 0; what ownership_share() answers to such a range, -EOVERFLOW and -ENOBUFS excepted.
 */
int __must_check ownership_may_share(struct pa pa, u64 size);

/* ownership_state_name() - a state in words, for logs. */
const char *ownership_state_name(enum ownership_state state);

/**
 * ownership_host_gave() - whether the host had the page that holds pa, and gave it away
 *
 * To a VM or to Keel, at run time: it may come back. As ownership_state().
 */
bool ownership_host_gave(struct pa pa);

/* ownership_is_ram() - whether pa is in a bank of RAM. No lock needed: banks do not change. */
bool ownership_is_ram(struct pa pa);

/**
 * ownership_host_may_reach() - whether the host's stage 2 is to map the page that holds pa
 *
 * RAM that is host-owned, shared or fixed, and whatever is neither RAM nor a device that Keel
 * claimed.
 * As ownership_state().
 */
bool ownership_host_may_reach(struct pa pa);

/**
 * struct ownership_run - a stretch of the physical address space, all alike
 * @pa:   first address
 * @size: bytes
 * @host: whether the host may reach it
 * @ram:  whether it is RAM (else devices, or nothing)
 */
struct ownership_run {
	struct pa pa;
	u64 size;
	bool host;
	bool ram;
};

/**
 * ownership_run_at() - the longest stretch from pa on that is alike
 * @pa:  first address, page-aligned
 * @end: exclusive end of the address space to look at, page-aligned, above @pa
 *
 * Calling it again at the run's end walks the whole space, in time linear in the bytes of RAM / 8:
 * how the host's stage 2 is built. ownership_lock held (or one CPU, at boot).
 */
struct ownership_run ownership_run_at(struct pa pa, u64 end);

/**
 * ownership_next_device() - the first stretch from pa on that is not RAM and that the host may
 * reach
 * @pa:  first address to look at, page-aligned
 * @end: exclusive end, page-aligned
 * @run: out, if there is one: it ends where anything else begins
 *
 * As walking with ownership_run_at(), but the bytes of RAM between are not looked at. Locks as
 * there.
 *
 * Return: whether there is one before @end.
 */
bool ownership_next_device(u64 pa, u64 end, struct ownership_run *run);

/* What the host's stage 2 has for a page: nothing, the page itself, or
 * something it never should. */
enum ownership_view { OWNERSHIP_VIEW_NOTHING, OWNERSHIP_VIEW_IDENTITY, OWNERSHIP_VIEW_WRONG };

/**
 * struct ownership_mismatch - where page states and the host's stage 2 disagree
 * @pa:    first page
 * @state: what is recorded
 * @view:  what the host's stage 2 has
 */
struct ownership_mismatch {
	struct pa pa;
	enum ownership_state state;
	enum ownership_view view;
};

/**
 * typedef ownership_host_view_t - what the host's stage 2 says
 * @ctx: the caller's
 * @pa:  a page
 * @max: bytes from @pa on that matter, at least a page
 * @run: out: bytes from @pa on, whole pages, for which the answer is the same; more than @max, or
 *       less than a page, is taken for @max or a page
 *
 * Called with ownership_lock held. Return: the answer.
 */
typedef enum ownership_view ownership_host_view_t(void *ctx, struct pa pa, u64 max, u64 *run);

/**
 * ownership_check_consistency() - the host's stage 2 maps exactly what the host may reach
 * @view: asked about all RAM, and all devices that Keel claimed
 * @ctx:  for @view
 * @bad:  out: the first disagreement
 *
 * For debug builds, after each hypercall. Takes ownership_lock.
 *
 * Return: 0; -EIO with @bad filled.
 */
int __must_check ownership_check_consistency(ownership_host_view_t *view, void *ctx,
					     struct ownership_mismatch *bad);

/**
 * ownership_check_some() - the same for a part, so that many calls check everything, again and
 * again
 * @size: bytes of RAM to check, page-aligned; less where a bank ends
 *
 * Goes on where the last call ended. Claimed devices are checked whenever RAM has been.
 */
int __must_check ownership_check_some(u64 size, ownership_host_view_t *view, void *ctx,
				      struct ownership_mismatch *bad);

/**
 * ownership_check_vm() - may a VM map these pages?
 * @pa:   first page
 * @size: bytes, a multiple of the page size
 * @bad:  out, with an error: the first page that no VM may have
 *
 * Memory that is shared or donated, and devices that are not Keel's. The states stay as they are
 * while the VM maps the pages, so this needs no lock but the VM's own.
 *
 * Return: 0; -EIO with @bad filled.
 */
int __must_check ownership_check_vm(struct pa pa, u64 size, struct ownership_mismatch *bad);

#endif
