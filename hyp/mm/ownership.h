/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who owns each page of RAM: the one place that decides what memory the host, Keel and the VMs can
 * access. One byte a page, changed only by ownership.c through a table of legal transitions. A
 * transition is checked for both endpoints, over its whole range, before either is changed: it
 * happens entirely or not at all. docs/ownership.md is the long version.
 *
 * Names: a struct page_move is what an endpoint is told of a transition, and a struct
 * ownership_party is a party.
 */
#ifndef KEEL_MM_OWNERSHIP_H
#define KEEL_MM_OWNERSHIP_H

#include <arch/spinlock.h>
#include <lib/types.h>
#include <mm/stage2.h>

/* Ownership is kept by 4K page, whatever granule the page tables use. */
#define OWNERSHIP_PAGE_SIZE SZ_4K

/* How many shares of one page there may be at a time: with as many VMs, or places in one VM. */
#define OWNERSHIP_SHARE_MAX 0xffffffffU

/* Up to this many shares need no memory; for more, a page of counts (u32) serves so much RAM. */
#define OWNERSHIP_BYTE_SHARES 250
#define OWNERSHIP_COUNTS_SPAN (4 * SZ_1M)

/* How many device ranges Keel can claim (those that touch are one), and how many banks of RAM. */
#define OWNERSHIP_DEVICE_MAX 640
#define OWNERSHIP_BANK_MAX   64

enum ownership_state {
	OWNERSHIP_HOST,	   /* the host's alone; mapped in the host's stage 2 */
	OWNERSHIP_SHARED,  /* the host's, and mapped in one VM or several as well */
	OWNERSHIP_DONATED, /* one VM's alone; not in the host's stage 2 */
	OWNERSHIP_KEEL,	   /* Keel's, given by the host; in nobody's stage 2 */
	OWNERSHIP_IMAGE,   /* Keel's permanently: no transition leads out of it */
	OWNERSHIP_FIXED,   /* firmware reserved it: in the host's stage 2, without transitions */
	OWNERSHIP_NONE,	   /* not RAM: nothing is recorded for this address */
};

#define OWNERSHIP_STATES OWNERSHIP_NONE

/**
 * struct ownership_bank - a range of RAM and the bytes that say who owns its pages
 * @base:  first physical address, page-aligned
 * @size:  bytes, a multiple of the page size, not zero
 * @state: size / OWNERSHIP_PAGE_SIZE bytes, in memory that is Keel's own
 * @counts: ownership_counts_size() bytes there: pointers to pages of counts, one for each
 *          OWNERSHIP_COUNTS_SPAN
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
 * struct page_move - what an endpoint of a transition is told of it
 * @ipa:   first address in the party's address space, page-aligned; for the host it equals @pa
 * @pa:    first page; all are in one bank of RAM
 * @size:  bytes, a multiple of the page size, not zero; no address wraps
 * @attrs: how the party is to map the pages: ownership.c passes it on unchanged. STAGE2_NONE for
 *         parties that have no choice
 * @map:   whether the party is to map or to unmap the pages; filled by ownership.c
 * @whole: of an unmap: no block of the party's extends over an end, so it takes no memory. Passed on
 */
struct page_move {
	struct ipa ipa;
	struct pa pa;
	u64 size;
	enum stage2_attrs attrs;
	bool map;
	bool whole;
};

/**
 * struct ownership_party_ops - how a transition checks and changes the mapping of one party
 *
 * The host is a party, and each VM is one. @ctx is the party's own (struct ownership_party). All are
 * called with the locks of the pages held (mm/page_lock.h), and with ownership_lock, except for a
 * share of a party that is apart. A party takes its own stage-2 lock inside (lock order:
 * ownership_lock, page_locks, then a stage 2's lock, then a page pool's lock).
 *
 * @check_mapped:   0 if the party maps every page of the range to the corresponding page of
 *                  [pa, pa + size); else a negative errno, which the transition returns. Changes
 *                  nothing.
 * @check_unmapped: 0 if the party maps nothing in [ipa, ipa + size) and ipa + size is within its
 *                  IPA space; else a negative errno, which the transition returns. Changes nothing.
 *                  Either may be NULL if every caller has checked this before, under a lock that
 *                  the caller still holds.
 * @prepare:        make sure that the @map or @unmap of this transition, which follows under the
 *                  same hold of these locks, cannot fail: allocate or count tables, split blocks
 *                  that extend over an end of the range. What the party can access stays the same.
 *                  0, or a negative errno (-ENOMEM), which the transition returns; what was
 *                  prepared may stay, since the mapping is the same in another shape.
 * @map:            map the range. Cannot fail.
 * @unmap:          unmap the range and invalidate TLBs: when it returns, no CPU can access the
 *                  memory through this party's mapping. Cannot fail.
 */
struct ownership_party_ops {
	int (*check_mapped)(void *ctx, const struct page_move *move);
	int (*check_unmapped)(void *ctx, const struct page_move *move);
	int (*prepare)(void *ctx, const struct page_move *move);
	void (*map)(void *ctx, const struct page_move *move);
	void (*unmap)(void *ctx, const struct page_move *move);
};

/*
 * @apart: its functions need nothing that ownership_lock guards (pages of Keel's pool, EL2's tables),
 *         so that ownership_share() and ownership_unshare() do without that lock
 */
struct ownership_party {
	const struct ownership_party_ops *ops;
	void *ctx;
	bool apart;
};

/**
 * struct ownership_host - what ownership needs of the host and the machine
 * @party:      the host as a party
 * @clear_page: fill a page of RAM with zeroes; the page is in nobody's stage 2 when it is called.
 *              False if it faults: then the page becomes Keel's permanently
 * @forget:     pages have become Keel's permanently: the host finds nothing there any more.
 *              ownership_lock held
 * @shrink:     free tables that can be made again on demand; NULL if there are none. ownership_lock
 *              held
 * @take_counts: allocate a page of counts, with any contents; NULL if Keel's pool is short.
 *               ownership_lock held
 * @give_counts: free it. ownership_lock held
 */
struct ownership_host {
	struct ownership_party party;
	bool (*clear_page)(void *ctx, struct pa pa);
	void (*forget)(void *ctx, struct pa pa, u64 size);
	void (*shrink)(void *ctx);
	u32 *(*take_counts)(void *ctx);
	void (*give_counts)(void *ctx, u32 *counts);
};

/*
 * Guards every page state, except that pages shared with VMs change between HOST and SHARED under
 * their page_locks alone; and the counts of shares. Taken before any stage-2 lock. Code that reads
 * a state and then acts on it (the host's fault handler: "the page is the host's, so map it") must
 * hold it across both, and must take HOST and SHARED for the same.
 */
extern struct spinlock ownership_lock;

/**
 * ownership_init() - start with all RAM owned by the host
 * @banks: the machine's RAM; sorted by base, not overlapping, at most OWNERSHIP_BANK_MAX. Banks
 *         that touch should be merged: a transition does not cross from one into the next
 * @n:     how many
 *
 * Boot, one CPU, before anything else here. Discards all earlier state.
 *
 * Return: 0; -EINVAL on an empty, misaligned, wrapping, overlapping or unsorted bank, or one
 * without bytes or counts; -E2BIG on more than OWNERSHIP_BANK_MAX.
 */
int __must_check ownership_init(struct ownership_bank *banks, size_t n);

/**
 * ownership_claim_boot() - make host-owned RAM Keel's permanently
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
 * ownership_fix_boot() - exclude memory that firmware reserved from all transitions
 * @base: first address
 * @size: bytes; base + size does not wrap
 *
 * Such memory may be accessible to the Secure world only, and then answers with an external abort
 * or not at all. So EL2 and VMs must not access it; the host may, as on a machine without Keel.
 * Pages that are partly in the range are included. Other pages than host-owned RAM stay as they
 * are. Before ownership_set_host().
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
 * ownership_set_host() - set the host's party; transitions are possible from here on
 * @host: the host's stage 2, which by now maps exactly what is the host's; kept, not copied
 */
void ownership_set_host(const struct ownership_host *host);

/**
 * ownership_share() - map memory of the host in a VM; it stays the host's
 * @move: which pages, page-aligned, at which IPA in the VM, and how it maps them; nothing may be
 *        mapped at these IPAs
 * @vm:   the VM as a party
 *
 * From host-owned, or shared already, less than OWNERSHIP_SHARE_MAX times.
 *
 * Of every transition: any CPU; takes the locks of its pages, and ownership_lock unless it is a share
 * of a party that is apart; time linear in its size; an error means that nothing was changed.
 *
 * Return: 0; -EINVAL misaligned, empty or wrapping; -ERANGE the pages are not within one bank of
 * RAM; -EPERM some page is not the host's to share; -EOVERFLOW some page is shared
 * OWNERSHIP_SHARE_MAX times; -ENOBUFS Keel's pool is short of a page of counts; -ENODEV before
 * ownership_set_host(); else what check or prepare of a party returned.
 */
int __must_check ownership_share(struct page_move *move, const struct ownership_party *vm);

/**
 * ownership_unshare() - undo one ownership_share()
 *
 * Arguments as ownership_share(), without attributes; @vm must map all of the IPAs to these pages.
 * Pages that nobody else shares become host-owned.
 *
 * Return: 0; -EPERM some page is not shared; else as ownership_share().
 */
int __must_check ownership_unshare(struct page_move *move, const struct ownership_party *vm);

/**
 * ownership_donate() - give memory of the host to one VM; contents stay
 *
 * Arguments as ownership_share(). The host cannot access the memory any more when the VM first can.
 *
 * Return: 0; -EBUSY some page is shared; -EPERM some page is not the host's; else as
 * ownership_share().
 */
int __must_check ownership_donate(struct page_move *move, const struct ownership_party *vm);

/**
 * ownership_reclaim() - give memory that was donated to a VM back to the host, cleared
 *
 * Arguments as ownership_unshare(); that @vm maps all of the IPAs to these pages proves that this
 * VM is the owner.
 *
 * Return: 0; -EPERM some page is not donated; else as ownership_share().
 */
int __must_check ownership_reclaim(struct page_move *move, const struct ownership_party *vm);

/**
 * ownership_donate_keel() - give memory of the host to Keel; contents stay
 * @pa:   first address, page-aligned
 * @size: bytes, a multiple of the page size
 *
 * Return: 0; -EBUSY some page is shared; -EPERM some page is not the host's; -EINVAL, -ERANGE,
 * -ENODEV as ownership_share(); what check or prepare of the host returned.
 */
int __must_check ownership_donate_keel(struct pa pa, u64 size);

/* ownership_donate_keel_locked() - ownership_donate_keel() with ownership_lock held. */
int __must_check ownership_donate_keel_locked(struct pa pa, u64 size);

/**
 * ownership_check_donate_keel() - whether ownership_donate_keel_locked() finds states that it accepts
 *
 * Changes nothing. ownership_lock held.
 *
 * Return: 0; -EINVAL, -ERANGE, -EPERM, -EBUSY as ownership_donate_keel().
 */
int __must_check ownership_check_donate_keel(struct pa pa, u64 size);

/* ownership_reclaim_keel_locked() - ownership_reclaim_keel() with ownership_lock held. */
int __must_check ownership_reclaim_keel_locked(struct pa pa, u64 size);

/**
 * ownership_shrink_host() - free tables of the host's stage 2 that can be made again on demand
 *
 * ownership_lock held. Return: whether the host can free any.
 */
bool ownership_shrink_host(void);

/**
 * ownership_reclaim_keel() - give memory that was donated to Keel back to the host, cleared
 *
 * Arguments as ownership_donate_keel(). The caller guarantees that Keel does not use it any more.
 * Memory that Keel has had since boot is refused.
 *
 * Return: 0; -EPERM some page is not one that was donated to Keel; else as ownership_donate_keel().
 */
int __must_check ownership_reclaim_keel(struct pa pa, u64 size);

/**
 * ownership_state() - who owns the page that contains pa
 * @pa: any address
 *
 * No lock needed; the answer stays true only while ownership_lock is held, and for HOST and SHARED
 * the page's lock.
 *
 * Return: the state; OWNERSHIP_NONE where there is no RAM.
 */
enum ownership_state ownership_state(struct pa pa);

/*
 * Whether all of [pa, pa + size), page-aligned and not empty, was donated to Keel. ownership_lock held.
 */
bool ownership_is_keels(struct pa pa, u64 size);

/**
 * ownership_share_count() - how often the page that contains pa is shared
 *
 * Takes ownership_lock. Return: 0..OWNERSHIP_SHARE_MAX.
 */
u32 ownership_share_count(struct pa pa);

/**
 * ownership_may_share() - whether ownership_share() may start from the states of a range
 *
 * To be called before EL2 accesses memory of the host that is about to change hands. Memory that
 * EL2 must not access (OWNERSHIP_FIXED) stays so, so the answer holds as far as it is needed. Takes
 * the locks of the pages, if they are several.
 *
 * Return: 0; what ownership_share() returns for such a range, but neither -EOVERFLOW nor -ENOBUFS.
 */
int __must_check ownership_may_share(struct pa pa, u64 size);

/* ownership_state_name() - a state in words, for logs. */
const char *ownership_state_name(enum ownership_state state);

/**
 * ownership_host_gave() - whether the host has donated the page that contains pa
 *
 * To a VM or to Keel; it may come back. No lock, as ownership_state().
 */
bool ownership_host_gave(struct pa pa);

/* ownership_is_ram() - whether pa is in a bank of RAM. No lock needed: banks do not change. */
bool ownership_is_ram(struct pa pa);

/**
 * ownership_host_may_reach() - whether the host may access the page that contains pa
 *
 * True for RAM that is host-owned, shared or fixed, and for everything that is neither RAM nor a
 * device that Keel claimed. No lock, as ownership_state().
 */
bool ownership_host_may_reach(struct pa pa);

/**
 * struct ownership_run - an extent of the physical address space for which @host and @ram are equal
 * @pa:   first address
 * @size: bytes
 * @host: whether the host may access it
 * @ram:  whether it is RAM (else devices, or nothing)
 */
struct ownership_run {
	struct pa pa;
	u64 size;
	bool host;
	bool ram;
};

/**
 * ownership_run_at() - the longest extent that starts at pa
 * @pa:  first address, page-aligned
 * @end: exclusive end of the address space to look at, page-aligned, above @pa
 *
 * Repeated calls, each at the end of the last extent, walk the whole space: so the host's stage 2
 * is built. ownership_lock held (or one CPU, at boot).
 */
struct ownership_run ownership_run_at(struct pa pa, u64 end);

/**
 * ownership_next_device() - the first extent from pa on, not of RAM, that the host may access
 * @pa:  first address to look at, page-aligned
 * @end: exclusive end, page-aligned
 * @run: out, if there is one: it ends where anything else begins
 *
 * As a walk with ownership_run_at(), but without reading the bytes of RAM. The same lock.
 *
 * Return: whether there is one before @end.
 */
bool ownership_next_device(u64 pa, u64 end, struct ownership_run *run);

/* What the host's stage 2 maps a page to: nothing, the page itself, or something wrong. */
enum ownership_view { OWNERSHIP_VIEW_NOTHING, OWNERSHIP_VIEW_IDENTITY, OWNERSHIP_VIEW_WRONG };

/**
 * struct ownership_mismatch - a disagreement between page states and a stage 2
 * @pa:    first page
 * @state: its state
 * @view:  what the stage 2 maps it to
 */
struct ownership_mismatch {
	struct pa pa;
	enum ownership_state state;
	enum ownership_view view;
};

/**
 * typedef ownership_host_view_t - look up a page in the host's stage 2
 * @ctx: the caller's
 * @pa:  a page
 * @max: bytes from @pa on that matter, at least a page
 * @run: out: bytes from @pa on, whole pages, for which the answer is the same; it is limited to a
 *       page at least and @max at most
 *
 * Called with ownership_lock held. Return: the answer.
 */
typedef enum ownership_view ownership_host_view_t(void *ctx, struct pa pa, u64 max, u64 *run);

/**
 * ownership_check_consistency() - check that the host's stage 2 maps what the host may access
 * @view: called for all RAM, and all devices that Keel claimed
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
 * ownership_check_some() - check the next part: enough calls check everything, repeatedly
 * @size: bytes of RAM to check, page-aligned; less at the end of a bank
 *
 * Continues where the last call ended. After the last bank a call checks the claimed devices.
 */
int __must_check ownership_check_some(u64 size, ownership_host_view_t *view, void *ctx,
				      struct ownership_mismatch *bad);

/**
 * ownership_check_vm() - whether a VM may map these pages
 * @pa:   first page
 * @size: bytes, a multiple of the page size
 * @bad:  out, with an error: the first page that no VM may map
 *
 * A VM may map memory that is shared or donated, and devices that are not Keel's. The states cannot
 * change while the VM maps the pages, so the VM's own lock is enough.
 *
 * Return: 0; -EIO with @bad filled.
 */
int __must_check ownership_check_vm(struct pa pa, u64 size, struct ownership_mismatch *bad);

#endif
