// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who owns each page of RAM: one byte a page, the table of legal transitions, and the order in
 * which a transition checks, prepares and changes its endpoints. Nothing else writes the bytes.
 * docs/ownership.md says which state means what.
 *
 *                        share (+1)
 *                   ┌─────────────────> SHARED ──┐ share, unshare
 *                   │ <──────────────── 1 .. n <─┘
 *                   │   unshare (-1)
 *      FIXED      HOST ── donate ─────> DONATED        IMAGE
 *                   │ <── reclaim ─────               (Keel's permanently)
 *                   │     (cleared)
 *                   ├──── donate_keel ─> KEEL
 *                   └ <── reclaim_keel ─
 *                         (cleared)
 *
 * The byte: 0 is HOST, 1..OWNERSHIP_BYTE_SHARES is SHARED that many times, and each other state has
 * a value above. BYTE_COUNTED is SHARED more often: then the count is a u32 in a page of counts,
 * which serves OWNERSHIP_COUNTS_SPAN of RAM and is allocated when it is first needed. Neighbours
 * mostly have equal bytes, so they are read eight words at a time, and all pages of an extent are
 * handled at once.
 *
 * A transition has one endpoint or two: the host, if its mapping changes, and the VM, if one takes
 * part (the other party may be Keel). transfer_locked() does three steps:
 *
 *      check      all pages are in a state that the row of transitions[] allows, and each endpoint
 *                 agrees (check_mapped, check_unmapped)
 *      prepare    each endpoint makes sure that its change cannot fail; counts are allocated
 *      commit     unmap ── clear, if the host gets it ── write the bytes ── map
 *
 * Everything that can fail comes before the commit, so an error means that nothing has changed. In
 * the commit the party that loses memory loses it first, TLBs included. So at no time do two
 * parties have memory of which only one may have it. The one failure within a commit is a page that
 * faults while it is cleared: it may still hold its last owner's data, so the host does not get it,
 * and it becomes IMAGE.
 *
 * Locking. A transition holds the locks of its pages (mm/page_lock.h) from the check to the end of
 * the commit; the endpoints' functions take their stage2.lock inside:
 *
 *      ownership_lock ──> page_locks[], in ascending order ──> stage2.lock
 *
 * Transitions of pages that the host loses or gets back hold ownership_lock as well. So do a share
 * whose party needs it, and one that counts in a page of counts. Other shares, which are guests'
 * faults, do without: faults of two VMs have no lock in common, except by the stripe of their pages.
 * So ownership_lock alone does not stop a page from changing between HOST and SHARED, but it stops
 * every other change. A single byte can be read without a lock; what the reader does must then
 * allow for the change that the locks which it holds do not stop.
 */
#include <lib/errno.h>
#include <mm/ownership.h>
#include <mm/page_lock.h>

#define BYTE_HOST    0
#define BYTE_COUNTED 0xfb /* shared more often: counts say how often */
#define BYTE_FIXED   0xfc
#define BYTE_DONATED 0xfd
#define BYTE_KEEL    0xfe
#define BYTE_IMAGE   0xff

#define PAGE_SHIFT 12

STATIC_ASSERT(OWNERSHIP_PAGE_SIZE == BIT(PAGE_SHIFT), "one byte a page");
STATIC_ASSERT(OWNERSHIP_BYTE_SHARES == BYTE_COUNTED - 1, "share counts and states do not overlap");

enum transition { SHARE, UNSHARE, DONATE, RECLAIM, DONATE_KEEL, RECLAIM_KEEL, TRANSITIONS };

/* What a transition does to the mapping of an endpoint. */
enum action { NOTHING, MAP, UNMAP };

/*
 * The legal transitions. to: the state after it, but SHARE and UNSHARE count the byte up and down.
 * host, vm: what happens to their mappings. clear: whether pages are cleared before the host gets
 * them. refuse: by the state before, 0 if the transition may start from it, else the error.
 */
static const struct transition_row {
	enum ownership_state to;
	enum action host, vm;
	bool clear;
	int refuse[OWNERSHIP_STATES];
} transitions[TRANSITIONS] = {
	/* clang-format off */
	/*                 to                  host     vm       clear      HOST    SHARED  DONATED KEEL    IMAGE   FIXED */
	[SHARE] =          { OWNERSHIP_SHARED,  NOTHING, MAP,     false, { 0,      0,      -EPERM, -EPERM, -EPERM, -EPERM } },
	[UNSHARE] =        { OWNERSHIP_HOST,    NOTHING, UNMAP,   false, { -EPERM, 0,      -EPERM, -EPERM, -EPERM, -EPERM } },
	[DONATE] =         { OWNERSHIP_DONATED, UNMAP,   MAP,     false, { 0,      -EBUSY, -EPERM, -EPERM, -EPERM, -EPERM } },
	[RECLAIM] =        { OWNERSHIP_HOST,    MAP,     UNMAP,   true,  { -EPERM, -EPERM, 0,      -EPERM, -EPERM, -EPERM } },
	[DONATE_KEEL] =    { OWNERSHIP_KEEL,    UNMAP,   NOTHING, false, { 0,      -EBUSY, -EPERM, -EPERM, -EPERM, -EPERM } },
	[RECLAIM_KEEL] =   { OWNERSHIP_HOST,    MAP,     NOTHING, true,  { -EPERM, -EPERM, -EPERM, 0,      -EPERM, -EPERM } },
	/* clang-format on */
};

struct device_range {
	u64 base;
	u64 size;
};

struct spinlock ownership_lock = SPINLOCK_INIT(LOCK_OWNERSHIP);

/* Banks and devices do not change once the host runs. */
static struct ownership_bank *banks;
static size_t bank_count;
static struct device_range devices[OWNERSHIP_DEVICE_MAX]; /* ascending, with gaps between */
static size_t device_count;
static const struct ownership_host *host;

/* Where ownership_check_some() continues. */
static size_t check_bank;
static u64 check_offset;

/* ---- bytes and states ---- */

static enum ownership_state byte_state(u8 byte)
{
	switch (byte) {
	case BYTE_HOST:
		return OWNERSHIP_HOST;
	case BYTE_DONATED:
		return OWNERSHIP_DONATED;
	case BYTE_KEEL:
		return OWNERSHIP_KEEL;
	case BYTE_IMAGE:
		return OWNERSHIP_IMAGE;
	case BYTE_FIXED:
		return OWNERSHIP_FIXED;
	default:
		return OWNERSHIP_SHARED;
	}
}

static bool byte_host_may_reach(u8 byte)
{
	return byte <= BYTE_COUNTED || byte == BYTE_FIXED;
}

/* The byte after a transition; check_states() has found it legal. */
static u8 byte_after(enum transition kind, u8 byte)
{
	static const u8 bytes[OWNERSHIP_STATES] = {
		[OWNERSHIP_HOST] = BYTE_HOST,
		[OWNERSHIP_DONATED] = BYTE_DONATED,
		[OWNERSHIP_KEEL] = BYTE_KEEL,
	};

	if (kind == SHARE)
		return (u8)(byte + 1);
	if (kind == UNSHARE)
		return (u8)(byte - 1);
	return bytes[transitions[kind].to];
}

/* The bytes that run_length() compares in one step: eight words, whose differences are or-ed. */
#define RUN_BYTES (8 * sizeof(u64))

static u64 words_differ(const u64 *word, u64 pattern)
{
	u64 other = (word[0] ^ pattern) | (word[1] ^ pattern);

	other |= (word[2] ^ pattern) | (word[3] ^ pattern);
	other |= (word[4] ^ pattern) | (word[5] ^ pattern);
	return other | (word[6] ^ pattern) | (word[7] ^ pattern);
}

/* How many of the @n bytes at @word equal @pattern, counted in whole steps of RUN_BYTES. */
static __always_inline size_t equal_rounds(const u64 *word, size_t n, u64 pattern)
{
	const u64 *start = word, *end = word + n / RUN_BYTES * 8;

	while (word != end && !words_differ(word, pattern))
		word += 8;
	return (size_t)(word - start) * sizeof(*word);
}

/*
 * How many of the @n bytes from @p on equal the first. Most often they are zero (HOST), for which
 * the compiler makes a faster loop.
 */
static size_t run_length(const u8 *p, size_t n)
{
	u64 pattern = p[0] * 0x0101010101010101ULL;
	const void *at;
	size_t i = 0;

	while (i < n && !IS_ALIGNED((uintptr_t)(p + i), sizeof(u64)) && p[i] == p[0])
		i++;
	at = p + i;
	if (IS_ALIGNED((uintptr_t)at, sizeof(u64)))
		i += pattern ? equal_rounds(at, n - i, pattern) : equal_rounds(at, n - i, 0);
	while (i < n && p[i] == p[0])
		i++;
	return i;
}

/* ---- addresses ---- */

static bool page_range_valid(u64 base, u64 size)
{
	return size != 0 && IS_ALIGNED(base | size, OWNERSHIP_PAGE_SIZE) && base + size > base;
}

static bool range_overlaps(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a <= b ? b - a < a_size : a - b < b_size;
}

/* There are few banks, so a linear search is fast enough. */
static struct ownership_bank *bank_of(u64 pa)
{
	for (size_t i = 0; i < bank_count; i++)
		if (pa - banks[i].base < banks[i].size)
			return &banks[i];
	return NULL;
}

/* Index of the first claimed device whose end is above pa; device_count if there is none. */
static size_t first_device(u64 pa)
{
	size_t low = 0, high = device_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (devices[middle].base + (devices[middle].size - 1) < pa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool device_is_keel(u64 pa)
{
	size_t i = first_device(pa);

	return i < device_count && pa >= devices[i].base;
}

/* The byte of the page that contains pa; NULL if it is not RAM. */
static u8 *byte_of(u64 pa)
{
	struct ownership_bank *bank = bank_of(pa);

	return bank ? &bank->state[(pa - bank->base) >> PAGE_SHIFT] : NULL;
}

/* The pointer to the page of counts for an offset into a bank. */
static u32 **counts_of(const struct ownership_bank *bank, u64 offset)
{
	return &bank->counts[offset / OWNERSHIP_COUNTS_SPAN];
}

/* The count of a page whose byte is BYTE_COUNTED, or is about to be. */
static u32 *count_of(const struct ownership_bank *bank, u64 offset)
{
	return &(*counts_of(bank, offset))[(offset % OWNERSHIP_COUNTS_SPAN) >> PAGE_SHIFT];
}

/* The bytes of a range, which must lie in one bank. */
static int range_bytes(struct pa pa, u64 size, u8 **bytes)
{
	struct ownership_bank *bank = bank_of(pa.v);

	if (!page_range_valid(pa.v, size))
		return -EINVAL;
	if (!bank || size > bank->size - (pa.v - bank->base))
		return -ERANGE;
	*bytes = &bank->state[(pa.v - bank->base) >> PAGE_SHIFT];
	return 0;
}

/* The next start or end of [base, base + size) above pa, but at most end. */
static u64 next_edge(u64 pa, u64 end, u64 base, u64 size)
{
	if (pa < base)
		return MIN(end, base);
	return pa - base < size && end - base > size ? base + size : end;
}

/* The end of the bank of RAM, claimed device or unclaimed space that contains pa. */
static u64 region_end(u64 pa, u64 end)
{
	size_t device;

	for (size_t i = 0; i < bank_count; i++)
		end = next_edge(pa, end, banks[i].base, banks[i].size);
	device = first_device(pa);
	if (device < device_count)
		end = next_edge(pa, end, devices[device].base, devices[device].size);
	return end;
}

/* ---- boot ---- */

static bool bank_valid(const struct ownership_bank *bank, const struct ownership_bank *before)
{
	if (!page_range_valid(bank->base, bank->size) || !bank->state || !bank->counts)
		return false;
	return !before || (before->base < bank->base && bank->base - before->base >= before->size);
}

int ownership_init(struct ownership_bank *new_banks, size_t n)
{
	if (n > OWNERSHIP_BANK_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		if (!bank_valid(&new_banks[i], i ? &new_banks[i - 1] : NULL))
			return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		__builtin_memset(new_banks[i].state, BYTE_HOST, new_banks[i].size >> PAGE_SHIFT);
		__builtin_memset(new_banks[i].counts, 0, ownership_counts_size(new_banks[i].size));
	}
	banks = new_banks;
	bank_count = n;
	device_count = 0;
	host = NULL;
	check_bank = 0;
	check_offset = 0;
	return 0;
}

int ownership_claim_boot(struct pa pa, u64 size)
{
	u8 *bytes;
	int err = range_bytes(pa, size, &bytes);

	if (err)
		return err;
	if (host)
		return -EBUSY;
	if (bytes[0] != BYTE_HOST || run_length(bytes, size >> PAGE_SHIFT) != size >> PAGE_SHIFT)
		return -EPERM;
	__builtin_memset(bytes, BYTE_IMAGE, size >> PAGE_SHIFT);
	return 0;
}

void ownership_fix_boot(u64 base, u64 size)
{
	u64 end = ALIGN_UP(base + size, OWNERSHIP_PAGE_SIZE);

	for (u64 pa = ALIGN_DOWN(base, OWNERSHIP_PAGE_SIZE); pa < end;) {
		u64 next = region_end(pa, end);
		u8 *byte = byte_of(pa);

		for (; pa < next; pa += OWNERSHIP_PAGE_SIZE)
			if (byte && *byte++ == BYTE_HOST)
				byte[-1] = BYTE_FIXED;
	}
}

/* Merge a range with the one behind it, if they touch. */
static void join_devices(size_t i)
{
	if (i + 1 >= device_count || devices[i].base + devices[i].size != devices[i + 1].base)
		return;
	devices[i].size += devices[i + 1].size;
	device_count--;
	for (i++; i < device_count; i++)
		devices[i] = devices[i + 1];
}

static void insert_device(size_t at, struct device_range range)
{
	for (size_t i = device_count++; i > at; i--)
		devices[i] = devices[i - 1];
	devices[at] = range;
	join_devices(at);
	if (at)
		join_devices(at - 1);
}

int ownership_claim_device(struct pa pa, u64 size)
{
	size_t at = first_device(pa.v);

	if (!page_range_valid(pa.v, size))
		return -EINVAL;
	if (host)
		return -EBUSY;
	for (size_t i = 0; i < bank_count; i++)
		if (range_overlaps(pa.v, size, banks[i].base, banks[i].size))
			return -ERANGE;
	if (at < device_count && range_overlaps(pa.v, size, devices[at].base, devices[at].size))
		return -EEXIST;
	if (device_count == OWNERSHIP_DEVICE_MAX)
		return -ENOSPC;
	insert_device(at, (struct device_range){ pa.v, size });
	return 0;
}

void ownership_set_host(const struct ownership_host *new_host)
{
	host = new_host;
}

/* ---- transitions ---- */

/* A party of a transition, what it is told, and what happens to its mapping. */
struct endpoint {
	const struct ownership_party *party;
	const struct page_move *move;
	enum action action;
};

struct transfer {
	enum transition kind;
	struct pa pa;
	u64 size;
	u8 *bytes;
	bool uniform;	       /* set by check_states(): all bytes are equal */
	bool counted;	       /* set by check_states(): counts may change or be needed */
	bool apart;	       /* ownership_lock is not held */
	size_t first_endpoint; /* 1 where the host's has nothing to do */
	size_t endpoint_count;
	struct endpoint endpoints[2]; /* the host's, and the VM's if there is one */
	struct page_move host_move;
};

/* With one endpoint, the host, which transfer_locked() fills in under the lock. */
static void transfer_init(struct transfer *t, enum transition kind, struct pa pa, u64 size)
{
	t->kind = kind;
	t->pa = pa;
	t->size = size;
	t->uniform = false;
	t->counted = false;
	t->apart = false;
	t->first_endpoint = transitions[kind].host == NOTHING;
	t->endpoint_count = 1;
}

/* Every page of the range must be in a state from which the transition may start. */
static int check_states(struct transfer *t)
{
	size_t n = t->size >> PAGE_SHIFT, run;

	for (size_t i = 0; i < n; i += run) {
		u8 byte = t->bytes[i];
		int refusal = transitions[t->kind].refuse[byte_state(byte)];

		if (refusal)
			return refusal;
		if (byte == OWNERSHIP_BYTE_SHARES || byte == BYTE_COUNTED)
			t->counted = true;
		run = i + 1 == n ? 1 : run_length(t->bytes + i, n - i);
		t->uniform = run == n;
	}
	return 0;
}

/* Before MAP an endpoint must have nothing mapped there; before UNMAP exactly these pages. */
static int check_endpoint(const struct endpoint *endpoint)
{
	const struct ownership_party *party = endpoint->party;

	switch (endpoint->action) {
	case MAP:
		if (party->ops->check_unmapped)
			return party->ops->check_unmapped(party->ctx, endpoint->move);
		return 0;
	case UNMAP:
		if (party->ops->check_mapped)
			return party->ops->check_mapped(party->ctx, endpoint->move);
		return 0;
	default:
		return 0;
	}
}

static int prepare_endpoint(const struct endpoint *endpoint)
{
	if (endpoint->action == NOTHING)
		return 0;
	return endpoint->party->ops->prepare(endpoint->party->ctx, endpoint->move);
}

/* ---- counts of shares ---- */

static bool counts_used(const struct ownership_bank *bank, u64 offset)
{
	const u8 *bytes = bank->state + (offset >> PAGE_SHIFT);
	size_t n = MIN(bank->size - offset, OWNERSHIP_COUNTS_SPAN) >> PAGE_SHIFT;

	for (size_t i = 0; i < n; i++)
		if (bytes[i] == BYTE_COUNTED)
			return true;
	return false;
}

/* Free the pages of counts in [from, end) that no byte uses any more. */
static void drop_counts(const struct ownership_bank *bank, u64 from, u64 end)
{
	for (u64 at = ALIGN_DOWN(from, OWNERSHIP_COUNTS_SPAN); at < end;
	     at += OWNERSHIP_COUNTS_SPAN) {
		u32 **counts = counts_of(bank, at);

		if (!*counts || counts_used(bank, at))
			continue;
		host->give_counts(host->party.ctx, *counts);
		*counts = NULL;
	}
}

/* Make sure that one more share of a page can be counted. */
static int prepare_count(const struct ownership_bank *bank, u64 offset)
{
	u8 byte = bank->state[offset >> PAGE_SHIFT];
	u32 **counts = counts_of(bank, offset);

	if (byte == BYTE_COUNTED)
		return *count_of(bank, offset) == OWNERSHIP_SHARE_MAX ? -EOVERFLOW : 0;
	if (byte == OWNERSHIP_BYTE_SHARES && !*counts)
		*counts = host->take_counts(host->party.ctx);
	return byte == OWNERSHIP_BYTE_SHARES && !*counts ? -ENOBUFS : 0;
}

static int prepare_counts(const struct transfer *t)
{
	const struct ownership_bank *bank = bank_of(t->pa.v);
	u64 from = t->pa.v - bank->base, end = from + t->size;
	int err = 0;

	if (t->kind != SHARE)
		return 0;
	for (u64 at = from; at < end && !err; at += OWNERSHIP_PAGE_SIZE)
		err = prepare_count(bank, at);
	if (err)
		drop_counts(bank, from, end);
	return err;
}

/* Count one share more or less of a page; prepare_counts() has allocated the counts. */
static void change_count(enum transition kind, const struct ownership_bank *bank, u64 offset)
{
	u8 *byte = &bank->state[offset >> PAGE_SHIFT];
	u32 n = *byte == BYTE_COUNTED ? *count_of(bank, offset) : *byte;

	n = kind == SHARE ? n + 1 : n - 1;
	*byte = (u8)MIN(n, BYTE_COUNTED);
	if (*byte == BYTE_COUNTED)
		*count_of(bank, offset) = n;
}

static void change_counts(const struct transfer *t)
{
	const struct ownership_bank *bank = bank_of(t->pa.v);
	u64 from = t->pa.v - bank->base, end = from + t->size;

	for (u64 at = from; at < end; at += OWNERSHIP_PAGE_SIZE)
		change_count(t->kind, bank, at);
	if (t->kind == UNSHARE)
		drop_counts(bank, from, end);
}

/*
 * Everything that can fail. What a party can access does not change. -ENOBUFS of a transition
 * apart: it has met a count, for which ownership_lock must be held.
 */
static int transfer_check(struct transfer *t)
{
	int err = check_states(t);

	if (t->apart && t->counted)
		return -ENOBUFS;
	for (size_t i = t->first_endpoint; i < t->endpoint_count && !err; i++)
		err = check_endpoint(&t->endpoints[i]);
	for (size_t i = t->first_endpoint; i < t->endpoint_count && !err; i++)
		err = prepare_endpoint(&t->endpoints[i]);
	return !err && t->counted ? prepare_counts(t) : err;
}

static void unmap_endpoints(const struct transfer *t)
{
	for (size_t i = t->first_endpoint; i < t->endpoint_count; i++) {
		const struct endpoint *endpoint = &t->endpoints[i];

		if (endpoint->action == UNMAP)
			endpoint->party->ops->unmap(endpoint->party->ctx, endpoint->move);
	}
}

static void map_endpoints(const struct transfer *t)
{
	for (size_t i = t->first_endpoint; i < t->endpoint_count; i++) {
		const struct endpoint *endpoint = &t->endpoints[i];

		if (endpoint->action == MAP)
			endpoint->party->ops->map(endpoint->party->ctx, endpoint->move);
	}
}

static void change_states(const struct transfer *t)
{
	size_t n = t->size >> PAGE_SHIFT, run;

	for (size_t i = 0; i < n; i += run) {
		u8 byte = byte_after(t->kind, t->bytes[i]);

		run = t->uniform ? n : run_length(t->bytes + i, n - i);
		if (run == 1)
			t->bytes[i] = byte;
		else
			__builtin_memset(t->bytes + i, byte, run);
	}
}

/* After unmap_endpoints(): write the states while no changing endpoint has the memory, then map. */
static void hand_over(const struct transfer *t)
{
	if (t->counted)
		change_counts(t);
	else
		change_states(t);
	map_endpoints(t);
}

/* The pages [from, from + n) of a transition some of whose pages have failed, on their own. */
struct part {
	struct transfer t;
	struct page_move moves[2];
};

static void part_init(struct part *part, const struct transfer *t, size_t from, size_t n)
{
	const u64 offset = (u64)from << PAGE_SHIFT, size = (u64)n << PAGE_SHIFT;

	part->t = *t;
	part->t.pa.v += offset;
	part->t.size = size;
	part->t.bytes += from;
	part->t.uniform = false;
	for (size_t i = t->first_endpoint; i < t->endpoint_count; i++) {
		part->moves[i] = *t->endpoints[i].move;
		part->moves[i].ipa.v += offset;
		part->moves[i].pa.v += offset;
		part->moves[i].size = size;
		part->t.endpoints[i].move = &part->moves[i];
	}
}

/* Make pages that cannot be handed over Keel's permanently: they fault, or cannot be mapped. */
static void retire_pages(const struct transfer *t)
{
	__builtin_memset(t->bytes, BYTE_IMAGE, t->size >> PAGE_SHIFT);
	host->forget(host->party.ctx, t->pa, t->size);
}

/*
 * Hand over a part of the pages. Tables were prepared for the range as a whole, so the part is
 * prepared again by itself.
 */
static void hand_over_part(const struct transfer *t, size_t from, size_t n)
{
	struct part part;
	int err = 0;

	if (!n)
		return;
	part_init(&part, t, from, n);
	for (size_t i = t->first_endpoint; i < t->endpoint_count && !err; i++)
		if (part.t.endpoints[i].action == MAP)
			err = prepare_endpoint(&part.t.endpoints[i]);
	if (err)
		retire_pages(&part.t);
	else
		hand_over(&part.t);
}

/*
 * The commit of a transition that clears. A page that faults when it is cleared may hold data of
 * its last owner, so it is retired; the pages before and behind it are handed over as parts.
 */
static void hand_over_clear(const struct transfer *t)
{
	size_t n = t->size >> PAGE_SHIFT, from = 0;

	for (size_t i = 0; i < n; i++) {
		struct part lost;

		if (host->clear_page(host->party.ctx, PA(t->pa.v + ((u64)i << PAGE_SHIFT))))
			continue;
		hand_over_part(t, from, i - from);
		part_init(&lost, t, i, 1);
		retire_pages(&lost.t);
		from = i + 1;
	}
	if (from)
		hand_over_part(t, from, n - from);
	else
		hand_over(t);
}

static void transfer_commit(const struct transfer *t)
{
	unmap_endpoints(t);
	if (transitions[t->kind].clear)
		hand_over_clear(t);
	else
		hand_over(t);
}

static void init_host_endpoint(struct transfer *t)
{
	enum action action = transitions[t->kind].host;

	t->host_move = (struct page_move){
		.ipa = host_pa_to_ipa(t->pa),
		.pa = t->pa,
		.size = t->size,
		.map = action == MAP,
	};
	t->endpoints[0] = (struct endpoint){ &host->party, &t->host_move, action };
}

/*
 * A transition apart changes nothing but its own bytes. Another one may look at the bytes of all
 * pages that have their counts in the same page of counts.
 */
static u64 lock_pages(const struct transfer *t)
{
	u64 base, from, end;

	if (t->apart)
		return page_locks_take(t->pa, t->size);
	base = bank_of(t->pa.v)->base;
	from = ALIGN_DOWN(t->pa.v - base, OWNERSHIP_COUNTS_SPAN);
	end = ALIGN_UP(t->pa.v - base + t->size, OWNERSHIP_COUNTS_SPAN);
	return page_locks_take(PA(base + from), end - from);
}

/* With ownership_lock, or apart. */
static int transfer_pages(struct transfer *t)
{
	int err = range_bytes(t->pa, t->size, &t->bytes);
	u64 held;

	if (err)
		return err;
	if (!host)
		return -ENODEV;
	if (!t->first_endpoint)
		init_host_endpoint(t);
	held = lock_pages(t);
	err = transfer_check(t);
	if (!err)
		transfer_commit(t);
	page_locks_release(held);
	return err;
}

static int transfer_locked(struct transfer *t)
{
	spin_assert_held(&ownership_lock);
	return transfer_pages(t);
}

static int lock_and_transfer(struct transfer *t)
{
	int err;

	spin_lock(&ownership_lock);
	err = transfer_locked(t);
	spin_unlock(&ownership_lock);
	return err;
}

/* Of a share, which changes nothing of the host's. The few that are counted begin anew. */
static int transfer_apart(struct transfer *t)
{
	int err;

	t->apart = true;
	err = transfer_pages(t);
	if (!t->counted)
		return err;
	t->apart = false;
	t->counted = false;
	return lock_and_transfer(t);
}

static int transfer_vm(enum transition kind, struct page_move *move,
		       const struct ownership_party *vm)
{
	enum action action = transitions[kind].vm;
	struct transfer t;

	if (!page_range_valid(move->ipa.v, move->size))
		return -EINVAL;
	move->map = action == MAP;
	transfer_init(&t, kind, move->pa, move->size);
	t.endpoint_count = 2;
	t.endpoints[1] = (struct endpoint){ vm, move, action };
	return vm->apart && t.first_endpoint ? transfer_apart(&t) : lock_and_transfer(&t);
}

static int transfer_keel(enum transition kind, struct pa pa, u64 size)
{
	struct transfer t;

	transfer_init(&t, kind, pa, size);
	return lock_and_transfer(&t);
}

int ownership_share(struct page_move *move, const struct ownership_party *vm)
{
	return transfer_vm(SHARE, move, vm);
}

int ownership_unshare(struct page_move *move, const struct ownership_party *vm)
{
	return transfer_vm(UNSHARE, move, vm);
}

int ownership_donate(struct page_move *move, const struct ownership_party *vm)
{
	return transfer_vm(DONATE, move, vm);
}

int ownership_reclaim(struct page_move *move, const struct ownership_party *vm)
{
	return transfer_vm(RECLAIM, move, vm);
}

int ownership_check_donate_keel(struct pa pa, u64 size)
{
	struct transfer t;
	int err;

	spin_assert_held(&ownership_lock);
	transfer_init(&t, DONATE_KEEL, pa, size);
	err = range_bytes(pa, size, &t.bytes);
	return err ? err : check_states(&t);
}

int ownership_donate_keel(struct pa pa, u64 size)
{
	return transfer_keel(DONATE_KEEL, pa, size);
}

int ownership_donate_keel_locked(struct pa pa, u64 size)
{
	struct transfer t;

	transfer_init(&t, DONATE_KEEL, pa, size);
	return transfer_locked(&t);
}

int ownership_reclaim_keel_locked(struct pa pa, u64 size)
{
	struct transfer t;

	transfer_init(&t, RECLAIM_KEEL, pa, size);
	return transfer_locked(&t);
}

int ownership_reclaim_keel(struct pa pa, u64 size)
{
	return transfer_keel(RECLAIM_KEEL, pa, size);
}

bool ownership_shrink_host(void)
{
	spin_assert_held(&ownership_lock);
	if (!host || !host->shrink)
		return false;
	host->shrink(host->party.ctx);
	return true;
}

/* ---- queries ---- */

enum ownership_state ownership_state(struct pa pa)
{
	u8 *byte = byte_of(pa.v);

	return byte ? byte_state(READ_ONCE(*byte)) : OWNERSHIP_NONE;
}

bool ownership_is_keels(struct pa pa, u64 size)
{
	u64 n = size >> PAGE_SHIFT;
	const u8 *first = byte_of(pa.v), *last = byte_of(pa.v + size - 1), *byte = first;

	spin_assert_held(&ownership_lock);
	if (!first || last != first + n - 1) /* not in one bank */
		return false;
	while (byte <= last && *byte == BYTE_KEEL)
		byte++;
	return byte > last;
}

u32 ownership_share_count(struct pa pa)
{
	const struct ownership_bank *bank = bank_of(pa.v);
	u64 offset, held;
	u32 count;

	if (!bank)
		return 0;
	offset = pa.v - bank->base;
	spin_lock(&ownership_lock);
	held = page_locks_take(pa, 1);
	count = bank->state[offset >> PAGE_SHIFT];
	if (count == BYTE_COUNTED)
		count = *count_of(bank, offset);
	else if (count > BYTE_COUNTED)
		count = 0;
	page_locks_release(held);
	spin_unlock(&ownership_lock);
	return count;
}

/*
 * One byte is read at once, and so without a lock; who changes states of several pages writes each byte once,
 * by memset().
 */
static __races int may_share_page(const u8 *byte)
{
	return transitions[SHARE].refuse[byte_state(READ_ONCE(*byte))];
}

int ownership_may_share(struct pa pa, u64 size)
{
	struct transfer t;
	u64 held;
	int err = range_bytes(pa, size, &t.bytes);

	if (err)
		return err;
	if (likely(size == OWNERSHIP_PAGE_SIZE))
		return may_share_page(t.bytes);
	transfer_init(&t, SHARE, pa, size);
	held = page_locks_take(pa, size);
	err = check_states(&t);
	page_locks_release(held);
	return err;
}

const char *ownership_state_name(enum ownership_state state)
{
	switch (state) {
	case OWNERSHIP_HOST:
		return "the host's";
	case OWNERSHIP_SHARED:
		return "shared with a VM";
	case OWNERSHIP_DONATED:
		return "a VM's";
	case OWNERSHIP_KEEL:
	case OWNERSHIP_IMAGE:
		return "Keel's";
	case OWNERSHIP_FIXED:
		return "reserved by firmware";
	default:
		return "not RAM";
	}
}

bool ownership_host_gave(struct pa pa)
{
	enum ownership_state state = ownership_state(pa);

	return state == OWNERSHIP_DONATED || state == OWNERSHIP_KEEL;
}

bool ownership_is_ram(struct pa pa)
{
	return bank_of(pa.v) != NULL;
}

bool ownership_host_may_reach(struct pa pa)
{
	u8 *byte = byte_of(pa.v);

	return byte ? byte_host_may_reach(READ_ONCE(*byte)) : !device_is_keel(pa.v);
}

/* Bytes from pa on, in a bank that reaches to end, that the host may access as it may the first. */
static u64 reachable_run(u64 pa, u64 end)
{
	const u8 *bytes = byte_of(pa);
	size_t n = (end - pa) >> PAGE_SHIFT, i = 0;
	bool reachable = byte_host_may_reach(bytes[0]);

	while (i < n && byte_host_may_reach(bytes[i]) == reachable)
		i += run_length(bytes + i, n - i);
	return (u64)i << PAGE_SHIFT;
}

struct ownership_run ownership_run_at(struct pa pa, u64 end)
{
	struct ownership_run run = {
		.pa = pa,
		.host = ownership_host_may_reach(pa),
		.ram = ownership_is_ram(pa),
	};

	end = region_end(pa.v, end);
	run.size = run.ram ? reachable_run(pa.v, end) : end - pa.v;
	return run;
}

bool ownership_next_device(u64 pa, u64 end, struct ownership_run *run)
{
	for (u64 next; pa < end; pa = next) {
		next = region_end(pa, end);
		if (ownership_is_ram(PA(pa)) || device_is_keel(pa))
			continue;
		*run = (struct ownership_run){ .pa = PA(pa), .size = next - pa, .host = true };
		return true;
	}
	return false;
}

/* Compare the states of [pa, end) with the host's stage 2, one run of equal pages at a time. */
static int check_host_range(u64 pa, u64 end, ownership_host_view_t *view, void *ctx,
			    struct ownership_mismatch *bad)
{
	const u64 held = page_locks_take(PA(pa), end - pa);
	int err = 0;

	while (pa < end && !err) {
		struct ownership_run want = ownership_run_at(PA(pa), end);
		u64 run = want.size;
		enum ownership_view got = view(ctx, PA(pa), want.size, &run);

		if (got != (want.host ? OWNERSHIP_VIEW_IDENTITY : OWNERSHIP_VIEW_NOTHING)) {
			*bad = (struct ownership_mismatch){ PA(pa), ownership_state(PA(pa)), got };
			err = -EIO;
		}
		pa += ALIGN_DOWN(MIN(MAX(run, OWNERSHIP_PAGE_SIZE), want.size),
				 OWNERSHIP_PAGE_SIZE);
	}
	page_locks_release(held);
	return err;
}

static int check_devices(ownership_host_view_t *view, void *ctx, struct ownership_mismatch *bad)
{
	int err = 0;

	for (size_t i = 0; i < device_count && !err; i++)
		err = check_host_range(devices[i].base, devices[i].base + devices[i].size, view,
				       ctx, bad);
	return err;
}

int ownership_check_consistency(ownership_host_view_t *view, void *ctx,
				struct ownership_mismatch *bad)
{
	int err = 0;

	spin_lock(&ownership_lock);
	for (size_t i = 0; i < bank_count && !err; i++)
		err = check_host_range(banks[i].base, banks[i].base + banks[i].size, view, ctx,
				       bad);
	if (!err)
		err = check_devices(view, ctx, bad);
	spin_unlock(&ownership_lock);
	return err;
}

/* Check up to @size bytes from check_bank and check_offset on, and advance them. */
static int check_next(u64 size, ownership_host_view_t *view, void *ctx,
		      struct ownership_mismatch *bad)
{
	struct ownership_bank *bank;
	u64 at;
	int err;

	if (check_bank >= bank_count) {
		check_bank = 0;
		return check_devices(view, ctx, bad);
	}
	bank = &banks[check_bank];
	at = check_offset;
	size = MIN(size, bank->size - at);
	err = check_host_range(bank->base + at, bank->base + at + size, view, ctx, bad);
	check_offset = at + size;
	if (check_offset == bank->size) {
		check_bank++;
		check_offset = 0;
	}
	return err;
}

int ownership_check_some(u64 size, ownership_host_view_t *view, void *ctx,
			 struct ownership_mismatch *bad)
{
	int err;

	spin_lock(&ownership_lock);
	err = check_next(size, view, ctx, bad);
	spin_unlock(&ownership_lock);
	return err;
}

static bool vm_may_reach(u8 byte)
{
	enum ownership_state state = byte_state(byte);

	return state == OWNERSHIP_SHARED || state == OWNERSHIP_DONATED;
}

/* Bytes from pa on, up to end, that a VM may map. */
static u64 vm_reachable(u64 pa, u64 end)
{
	const u8 *bytes = byte_of(pa);
	u64 region = region_end(pa, end);
	size_t n = (region - pa) >> PAGE_SHIFT, i = 0;

	if (!bytes)
		return device_is_keel(pa) ? 0 : region - pa;
	while (i < n && vm_may_reach(bytes[i]))
		i += run_length(bytes + i, n - i);
	return (u64)i << PAGE_SHIFT;
}

int ownership_check_vm(struct pa pa, u64 size, struct ownership_mismatch *bad)
{
	u64 at = pa.v, end = pa.v + size, run;

	for (; at < end; at += run) {
		run = vm_reachable(at, end);
		if (run)
			continue;
		*bad = (struct ownership_mismatch){ PA(at), ownership_state(PA(at)),
						    OWNERSHIP_VIEW_WRONG };
		return -EIO;
	}
	return 0;
}
