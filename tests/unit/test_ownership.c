// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/ownership.c hyp/mm/page_lock.c */
/*
 * Page ownership, on a machine of two banks of RAM, a host and a few VMs whose stage 2 is an array.
 * The arrays fail the test when ownership.c breaks the contract of struct ownership_party_ops:
 * mapping what is mapped, changing without a prepare, clearing a page that a party can access.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <mm/ownership.h>
#include <mm/page_lock.h>
#include <page_moves.h>

#define PAGE	   OWNERSHIP_PAGE_SIZE
#define BANK0	   0x40000000ULL
#define BANK1	   0x880000000ULL
#define BANK_PAGES 100
#define PAGES	   (2 * BANK_PAGES)
#define VMS	   3
#define VM_PAGES   160 /* IPA space of a VM */
#define UNMAPPED   (~0ULL)
#define FRESH	   0xa5 /* contents of RAM that was not cleared */

/* A party: what it maps each of its pages to. */
struct fake_party {
	const char *name;
	size_t pages;
	u64 base[2]; /* address of page 0 and of page BANK_PAGES */
	u64 map[PAGES];
	u64 prepared_at, prepared_size;
	bool prepared_map;
};

static struct fake_party host_party, vm_party[VMS];
static u8 contents[PAGES];
static u8 bytes0[BANK_PAGES], bytes1[BANK_PAGES];
static u32 *counts0[1], *counts1[1];
static struct ownership_bank banks[2];

static unsigned int fallible_calls; /* how many calls that may fail there were */
static unsigned int fail_call;	    /* which of them is to fail; 0 for none */
static int fail_error;
static char order[256]; /* which party changed, in order: "-h c +v " and so on */

static u64 page_pa(size_t page)
{
	return page < BANK_PAGES ? BANK0 + page * PAGE : BANK1 + (page - BANK_PAGES) * PAGE;
}

static size_t pa_page(u64 pa)
{
	size_t page = pa >= BANK1 ? BANK_PAGES + (pa - BANK1) / PAGE : (pa - BANK0) / PAGE;

	assert_true(page < PAGES);
	return page;
}

static size_t party_page(const struct fake_party *party, u64 ipa)
{
	return party == &host_party ? pa_page(ipa) : ipa / PAGE;
}

static struct ownership_party vms[VMS];

/* Whether a party may be called without ownership_lock. */
static bool is_apart(const struct fake_party *party)
{
	return party != &host_party && vms[party - vm_party].apart;
}

/* A party is called with the locks of all pages, and with ownership_lock unless it is apart. */
static void check_locks(const struct fake_party *party, const struct page_move *move)
{
	for (u64 at = 0; at < move->size; at += PAGE) {
		u64 stripe = (move->pa.v + at) >> PAGE_STRIPE_SHIFT;

		assert_true(spin_is_locked(&page_locks[stripe % PAGE_LOCKS].lock));
	}
	assert_true(is_apart(party) || spin_is_locked(&ownership_lock));
}

/* Whether the call that is made now is the one to fail. */
static int inject(void)
{
	return ++fallible_calls == fail_call ? fail_error : 0;
}

static int fake_check_mapped(void *ctx, const struct page_move *move)
{
	struct fake_party *party = ctx;
	int err = inject();

	check_locks(party, move);
	for (u64 at = 0; at < move->size && !err; at += PAGE)
		if ((move->ipa.v + at) / PAGE >= VM_PAGES && party != &host_party)
			err = -E2BIG;
		else if (party->map[party_page(party, move->ipa.v + at)] != move->pa.v + at)
			err = -ENOENT;
	return err;
}

static int fake_check_unmapped(void *ctx, const struct page_move *move)
{
	struct fake_party *party = ctx;
	int err = inject();

	check_locks(party, move);
	for (u64 at = 0; at < move->size && !err; at += PAGE)
		if ((move->ipa.v + at) / PAGE >= VM_PAGES && party != &host_party)
			err = -E2BIG;
		else if (party->map[party_page(party, move->ipa.v + at)] != UNMAPPED)
			err = -EEXIST;
	return err;
}

static int fake_prepare(void *ctx, const struct page_move *move)
{
	struct fake_party *party = ctx;

	check_locks(party, move);
	party->prepared_at = move->ipa.v;
	party->prepared_size = move->size;
	party->prepared_map = move->map;
	return inject();
}

/* Writes down what happened; clearing several pages once. What does not fit is left out. */
static void note(const char *what)
{
	size_t length = strlen(order), n = strlen(what);

	if (length >= n && strcmp(what, "c ") == 0 && strcmp(order + length - n, what) == 0)
		return;
	if (length + n < sizeof(order))
		memcpy(order + length, what, n + 1);
}

/* Each party is told its own addresses of the pages; only the VM's caller chooses attributes. */
static void check_move(const struct fake_party *party, const struct page_move *move)
{
	assert_int_equal(move->attrs, party == &host_party ? STAGE2_NONE : MOVE_ATTRS);
	if (party == &host_party)
		assert_int_equal(move->ipa.v, move->pa.v);
}

static void spend_preparation(struct fake_party *party, const struct page_move *move,
			      const char *sign)
{
	check_locks(party, move);
	check_move(party, move);
	assert_int_equal(move->map, *sign == '+');
	if (party->prepared_at != move->ipa.v || party->prepared_size != move->size ||
	    party->prepared_map != move->map)
		fail_msg("%s: [%#lx, +%#lx) changes without having been prepared", party->name,
			 move->ipa.v, move->size);
	party->prepared_size = 0;
	note(sign);
	note(party == &host_party ? "h " : "v ");
}

static void fake_map(void *ctx, const struct page_move *move)
{
	struct fake_party *party = ctx;

	spend_preparation(party, move, "+");
	for (u64 at = 0; at < move->size; at += PAGE) {
		u64 *entry = &party->map[party_page(party, move->ipa.v + at)];

		if (*entry != UNMAPPED)
			fail_msg("%s: %#lx is mapped twice", party->name, move->ipa.v + at);
		/* The state changes before the party can access the page. */
		assert_int_equal(ownership_state(PA(move->pa.v + at)) == OWNERSHIP_HOST,
				 party == &host_party);
		*entry = move->pa.v + at;
	}
}

static void fake_unmap(void *ctx, const struct page_move *move)
{
	struct fake_party *party = ctx;

	spend_preparation(party, move, "-");
	for (u64 at = 0; at < move->size; at += PAGE) {
		u64 *entry = &party->map[party_page(party, move->ipa.v + at)];

		if (*entry == UNMAPPED)
			fail_msg("%s: %#lx is unmapped twice", party->name, move->ipa.v + at);
		*entry = UNMAPPED;
	}
}

static bool party_maps(const struct fake_party *party, u64 pa)
{
	for (size_t i = 0; i < party->pages; i++)
		if (party->map[i] == pa)
			return true;
	return false;
}

/* Pages that fault when they are cleared. */
static bool bad[PAGES];

static bool fake_clear_page(void *ctx, struct pa pa)
{
	assert_ptr_equal(ctx, &host_party);
	for (size_t i = 0; i < VMS; i++)
		if (party_maps(&vm_party[i], pa.v))
			fail_msg("%#lx is cleared while VM %zu can reach it", pa.v, i);
	if (party_maps(&host_party, pa.v))
		fail_msg("%#lx is cleared while the host can reach it", pa.v);
	if (bad[pa_page(pa.v)])
		return false;
	note("c ");
	contents[pa_page(pa.v)] = 0;
	return true;
}

/* Pages that stayed behind. */
static u64 forgotten;

static void fake_forget(void *ctx, struct pa pa, u64 size)
{
	assert_ptr_equal(ctx, &host_party);
	assert_true(spin_is_locked(&ownership_lock));
	for (u64 at = pa.v; at < pa.v + size; at += PAGE, forgotten++) {
		assert_int_equal(ownership_state(PA(at)), OWNERSHIP_IMAGE);
		if (party_maps(&host_party, at))
			fail_msg("%#lx stays behind while the host can reach it", at);
	}
}

static const struct ownership_party_ops fake_ops = {
	.check_mapped = fake_check_mapped,
	.check_unmapped = fake_check_unmapped,
	.prepare = fake_prepare,
	.map = fake_map,
	.unmap = fake_unmap,
};

/* Memory for share counts, with old contents. */
#define COUNT_PAGES 4
static u32 count_pages[COUNT_PAGES][PAGE / sizeof(u32)];
static bool count_taken[COUNT_PAGES];

static u32 *fake_take_counts(void *ctx)
{
	assert_ptr_equal(ctx, &host_party);
	assert_true(spin_is_locked(&ownership_lock));
	if (inject())
		return NULL;
	for (size_t i = 0; i < COUNT_PAGES; i++)
		if (!count_taken[i]) {
			count_taken[i] = true;
			return memset(count_pages[i], FRESH, PAGE);
		}
	fail_msg("more pages of counts than there can be");
	return NULL;
}

static void fake_give_counts(void *ctx, u32 *counts)
{
	size_t i = (size_t)(counts - count_pages[0]) / ARRAY_SIZE(count_pages[0]);

	assert_ptr_equal(ctx, &host_party);
	assert_true(spin_is_locked(&ownership_lock));
	assert_true(i < COUNT_PAGES && counts == count_pages[i] && count_taken[i]);
	count_taken[i] = false;
}

static size_t counts_taken(void)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT_PAGES; i++)
		n += count_taken[i];
	return n;
}

static const struct ownership_host fake_host = {
	.party = { .ops = &fake_ops, .ctx = &host_party },
	.clear_page = fake_clear_page,
	.forget = fake_forget,
	.take_counts = fake_take_counts,
	.give_counts = fake_give_counts,
};

static void make_party(struct fake_party *party, const char *name, size_t pages)
{
	*party = (struct fake_party){ .name = name, .pages = pages };
	for (size_t i = 0; i < PAGES; i++)
		party->map[i] = UNMAPPED;
}

static void start_injecting(unsigned int call, int error)
{
	fallible_calls = 0;
	fail_call = call;
	fail_error = error;
	order[0] = '\0';
}

/* A machine that booted with all of its RAM the host's; nothing claimed. */
static int fresh_machine(void **state)
{
	static const char *const names[VMS] = { "VM 0", "VM 1", "VM 2" };

	memset(bytes0, 0x77, sizeof(bytes0));
	memset(bytes1, 0x77, sizeof(bytes1));
	banks[0] = (struct ownership_bank){ BANK0, BANK_PAGES * PAGE, bytes0, counts0 };
	banks[1] = (struct ownership_bank){ BANK1, BANK_PAGES * PAGE, bytes1, counts1 };
	assert_int_equal(ownership_init(banks, 2), 0);
	make_party(&host_party, "the host", PAGES);
	for (size_t i = 0; i < PAGES; i++)
		host_party.map[i] = page_pa(i);
	for (size_t i = 0; i < VMS; i++) {
		make_party(&vm_party[i], names[i], VM_PAGES);
		vms[i] = (struct ownership_party){ &fake_ops, &vm_party[i], .apart = i != 1 };
	}
	memset(contents, FRESH, sizeof(contents));
	memset(bad, 0, sizeof(bad));
	memset(count_taken, 0, sizeof(count_taken));
	start_injecting(0, 0);
	ownership_set_host(&fake_host);
	return 0;
}

/* Everything there is, to compare before and after. */
struct snapshot {
	u8 bytes[PAGES], contents[PAGES];
	u32 *counts[2];
	bool count_taken[COUNT_PAGES];
	u64 host[PAGES], vm[VMS][VM_PAGES];
};

static struct snapshot take_snapshot(void)
{
	struct snapshot s;

	memset(&s, 0, sizeof(s));
	s.counts[0] = counts0[0];
	s.counts[1] = counts1[0];
	memcpy(s.count_taken, count_taken, sizeof(count_taken));
	memcpy(s.bytes, bytes0, BANK_PAGES);
	memcpy(s.bytes + BANK_PAGES, bytes1, BANK_PAGES);
	memcpy(s.contents, contents, PAGES);
	memcpy(s.host, host_party.map, sizeof(s.host));
	for (size_t i = 0; i < VMS; i++)
		memcpy(s.vm[i], vm_party[i].map, sizeof(s.vm[i]));
	return s;
}

static void expect_unchanged(const struct snapshot *before, const char *after_what)
{
	struct snapshot now = take_snapshot();

	if (memcmp(before, &now, sizeof(now)) != 0)
		fail_msg("%s failed and changed something", after_what);
	assert_false(spin_is_locked(&ownership_lock));
	for (size_t i = 0; i < PAGE_LOCKS; i++)
		assert_false(spin_is_locked(&page_locks[i].lock));
}

/* Moves by number, so that tests can go through all of them. */
enum { SHARE, UNSHARE, DONATE, RECLAIM, DONATE_KEEL, RECLAIM_KEEL, MOVES };

static const char *const move_name[MOVES] = { "share",	 "unshare",	"donate",
					      "reclaim", "donate_keel", "reclaim_keel" };

static int do_move(int move, u64 pa, u64 size, const struct ownership_party *vm, u64 ipa)
{
	switch (move) {
	case SHARE:
		return share_pages(PA(pa), size, vm, IPA(ipa));
	case UNSHARE:
		return unshare_pages(PA(pa), size, vm, IPA(ipa));
	case DONATE:
		return donate_pages(PA(pa), size, vm, IPA(ipa));
	case RECLAIM:
		return reclaim_pages(PA(pa), size, vm, IPA(ipa));
	case DONATE_KEEL:
		return ownership_donate_keel(PA(pa), size);
	default:
		return ownership_reclaim_keel(PA(pa), size);
	}
}

static bool move_has_vm(int move)
{
	return move <= RECLAIM;
}

#define must(call)                                               \
	do {                                                     \
		int err_ = (call);                               \
		if (err_)                                        \
			fail_msg("%s answered %d", #call, err_); \
	} while (0)

/* Brings a page of the host's to a state, mapped at ipa in VM 0 where that state has a VM. */
static void bring_to(enum ownership_state to, u64 pa, u64 ipa)
{
	switch (to) {
	case OWNERSHIP_SHARED:
		must(share_pages(PA(pa), PAGE, &vms[0], IPA(ipa)));
		break;
	case OWNERSHIP_DONATED:
		must(donate_pages(PA(pa), PAGE, &vms[0], IPA(ipa)));
		break;
	case OWNERSHIP_KEEL:
		must(ownership_donate_keel(PA(pa), PAGE));
		break;
	case OWNERSHIP_IMAGE:
		ownership_set_host(NULL);
		must(ownership_claim_boot(PA(pa), PAGE));
		host_party.map[pa_page(pa)] = UNMAPPED;
		ownership_set_host(&fake_host);
		break;
	case OWNERSHIP_FIXED:
		ownership_fix_boot(pa, PAGE);
		break;
	default:
		break;
	}
	assert_int_equal(ownership_state(PA(pa)), to);
}

/* What each move answers from each state, and where it leads, as docs/ownership.md has it. */
static const struct {
	int answer;
	enum ownership_state to;
} expected[MOVES][OWNERSHIP_STATES] = {
	[SHARE] = { { 0, OWNERSHIP_SHARED },
		    { 0, OWNERSHIP_SHARED },
		    { -EPERM, 0 },
		    { -EPERM, 0 },
		    { -EPERM, 0 },
		    { -EPERM, 0 } },
	[UNSHARE] = { { -EPERM, 0 },
		      { 0, OWNERSHIP_HOST },
		      { -EPERM, 0 },
		      { -EPERM, 0 },
		      { -EPERM, 0 },
		      { -EPERM, 0 } },
	[DONATE] = { { 0, OWNERSHIP_DONATED },
		     { -EBUSY, 0 },
		     { -EPERM, 0 },
		     { -EPERM, 0 },
		     { -EPERM, 0 },
		     { -EPERM, 0 } },
	[RECLAIM] = { { -EPERM, 0 },
		      { -EPERM, 0 },
		      { 0, OWNERSHIP_HOST },
		      { -EPERM, 0 },
		      { -EPERM, 0 },
		      { -EPERM, 0 } },
	[DONATE_KEEL] = { { 0, OWNERSHIP_KEEL },
			  { -EBUSY, 0 },
			  { -EPERM, 0 },
			  { -EPERM, 0 },
			  { -EPERM, 0 },
			  { -EPERM, 0 } },
	[RECLAIM_KEEL] = { { -EPERM, 0 },
			   { -EPERM, 0 },
			   { -EPERM, 0 },
			   { 0, OWNERSHIP_HOST },
			   { -EPERM, 0 },
			   { -EPERM, 0 } },
};

static bool move_maps_vm(int move)
{
	return move == SHARE || move == DONATE;
}

static void every_move_from_every_state(void **state)
{
	for (int move = 0; move < MOVES; move++) {
		for (enum ownership_state from = 0; from < OWNERSHIP_STATES; from++) {
			int want = expected[move][from].answer, got;
			/* A mapping move goes to a free place, the others to where the page is. */
			u64 ipa = move_maps_vm(move) ? 9 * PAGE : 4 * PAGE;
			struct snapshot before;

			fresh_machine(NULL);
			bring_to(from, BANK0 + 7 * PAGE, 4 * PAGE);
			before = take_snapshot();
			got = do_move(move, BANK0 + 7 * PAGE, PAGE, &vms[0], ipa);
			if (got != want)
				fail_msg("%s of a page in state %d answered %d, not %d",
					 move_name[move], from, got, want);
			if (got)
				expect_unchanged(&before, move_name[move]);
			else
				assert_int_equal(ownership_state(PA(BANK0 + 7 * PAGE)),
						 expected[move][from].to);
		}
	}
}

static void the_loser_loses_before_the_winner_has(void **state)
{
	static const struct {
		int move;
		enum ownership_state from;
		const char *order;
	} rows[] = {
		{ SHARE, OWNERSHIP_HOST, "+v " },	{ UNSHARE, OWNERSHIP_SHARED, "-v " },
		{ DONATE, OWNERSHIP_HOST, "-h +v " },	{ RECLAIM, OWNERSHIP_DONATED, "-v c +h " },
		{ DONATE_KEEL, OWNERSHIP_HOST, "-h " }, { RECLAIM_KEEL, OWNERSHIP_KEEL, "c +h " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh_machine(NULL);
		for (u64 page = 0; page < 3; page++)
			bring_to(rows[i].from, BANK1 + page * PAGE, page * PAGE);
		start_injecting(0, 0);
		must(do_move(rows[i].move, BANK1, 3 * PAGE, &vms[0], 0));
		assert_string_equal(order, rows[i].order);
	}
}

/* Keel's or a VM's pages come back to the host, some of which fault when they are cleared. */
static void lose(int give, int take, unsigned int lost)
{
	fresh_machine(NULL);
	must(do_move(give, BANK0, 6 * PAGE, &vms[0], 0));
	for (unsigned int i = 0; i < 6; i++)
		bad[i] = lost >> i & 1;
	must(do_move(take, BANK0, 6 * PAGE, &vms[0], 0));
	for (unsigned int i = 0; i < 6; i++) {
		struct pa pa = PA(BANK0 + i * PAGE);

		assert_int_equal(ownership_state(pa), bad[i] ? OWNERSHIP_IMAGE : OWNERSHIP_HOST);
		assert_int_equal(party_maps(&host_party, pa.v), !bad[i]);
		assert_false(party_maps(&vm_party[0], pa.v));
		assert_int_equal(contents[i], bad[i] ? FRESH : 0);
	}
}

static void what_cannot_be_cleared_stays_and_the_rest_comes_back(void **state)
{
	for (unsigned int lost = 0; lost < 64; lost++) {
		lose(DONATE_KEEL, RECLAIM_KEEL, lost);
		lose(DONATE, RECLAIM, lost);
	}
}

/* A lost page stays so whatever is asked. */
static void a_lost_page_is_nobodys(void **state)
{
	lose(DONATE_KEEL, RECLAIM_KEEL, 1);
	bad[0] = false;
	assert_int_equal(ownership_reclaim_keel(PA(BANK0), PAGE), -EPERM);
	assert_int_equal(ownership_donate_keel(PA(BANK0), PAGE), -EPERM);
	assert_int_equal(share_pages(PA(BANK0), PAGE, &vms[0], IPA(0)), -EPERM);
	assert_false(ownership_host_may_reach(PA(BANK0)));
}

/* Fewer tables than a part takes, where the whole would have had enough: it is kept as well. */
static void a_part_without_tables_is_kept(void **state)
{
	must(ownership_donate_keel(PA(BANK0), 3 * PAGE));
	bad[1] = true;
	start_injecting(3, -ENOMEM); /* checked, prepared; the first part's prepare */
	must(ownership_reclaim_keel(PA(BANK0), 3 * PAGE));
	assert_int_equal(ownership_state(PA(BANK0)), OWNERSHIP_IMAGE);
	assert_false(party_maps(&host_party, BANK0));
	assert_int_equal(ownership_state(PA(BANK0 + PAGE)), OWNERSHIP_IMAGE);
	assert_int_equal(ownership_state(PA(BANK0 + 2 * PAGE)), OWNERSHIP_HOST);
	assert_true(party_maps(&host_party, BANK0 + 2 * PAGE));
}

static void contents_go_only_when_the_host_gets_them(void **state)
{
	must(donate_pages(PA(BANK0), PAGE, &vms[1], IPA(0)));
	assert_int_equal(contents[0], FRESH);
	must(reclaim_pages(PA(BANK0), PAGE, &vms[1], IPA(0)));
	assert_int_equal(contents[0], 0);
	must(ownership_donate_keel(PA(BANK0 + PAGE), PAGE));
	assert_int_equal(contents[1], FRESH);
	must(ownership_reclaim_keel(PA(BANK0 + PAGE), PAGE));
	assert_int_equal(contents[1], 0);
	must(share_pages(PA(BANK0 + 2 * PAGE), PAGE, &vms[1], IPA(0)));
	must(unshare_pages(PA(BANK0 + 2 * PAGE), PAGE, &vms[1], IPA(0)));
	assert_int_equal(contents[2], FRESH);
	assert_int_equal(contents[3], FRESH);
}

/* Ranges long enough for comparisons by words, with one page that does not fit. */
#define RANGE 75

static void one_bad_page_spoils_the_range(void **state)
{
	for (int move = 0; move < MOVES; move++) {
		for (u64 bad = 0; bad < RANGE; bad++) {
			enum ownership_state from = OWNERSHIP_HOST;
			struct snapshot before;

			fresh_machine(NULL);
			while (expected[move][from].answer)
				from++;
			for (u64 page = 0; page < RANGE; page++)
				bring_to(page != bad ? from
					 : bad % 2   ? OWNERSHIP_IMAGE
						     : OWNERSHIP_FIXED,
					 BANK1 + page * PAGE, page * PAGE);
			before = take_snapshot();
			if (do_move(move, BANK1, RANGE * PAGE, &vms[0],
				    move_maps_vm(move) ? RANGE * PAGE : 0) != -EPERM)
				fail_msg("%s took bad page %lu", move_name[move], bad);
			expect_unchanged(&before, move_name[move]);
		}
	}
}

static void a_vm_must_map_what_it_gives_back(void **state)
{
	struct snapshot before;

	must(donate_pages(PA(BANK0), 4 * PAGE, &vms[0], IPA(0)));
	must(share_pages(PA(BANK1), 4 * PAGE, &vms[0], IPA(8 * PAGE)));
	before = take_snapshot();
	/* another VM's; another place; beyond the place; the wrong half of it */
	assert_int_equal(reclaim_pages(PA(BANK0), 4 * PAGE, &vms[1], IPA(0)), -ENOENT);
	assert_int_equal(reclaim_pages(PA(BANK0), PAGE, &vms[0], IPA(PAGE)), -ENOENT);
	assert_int_equal(reclaim_pages(PA(BANK0), PAGE, &vms[0], IPA(VM_PAGES * PAGE)), -E2BIG);
	assert_int_equal(unshare_pages(PA(BANK1), 4 * PAGE, &vms[2], IPA(8 * PAGE)), -ENOENT);
	assert_int_equal(unshare_pages(PA(BANK1 + PAGE), PAGE, &vms[0], IPA(8 * PAGE)), -ENOENT);
	expect_unchanged(&before, "taking what a VM does not have");
}

static void nothing_is_mapped_over_something(void **state)
{
	struct snapshot before;

	must(share_pages(PA(BANK0), PAGE, &vms[0], IPA(5 * PAGE)));
	before = take_snapshot();
	assert_int_equal(share_pages(PA(BANK1), 4 * PAGE, &vms[0], IPA(2 * PAGE)), -EEXIST);
	assert_int_equal(donate_pages(PA(BANK1), 4 * PAGE, &vms[0], IPA(5 * PAGE)), -EEXIST);
	assert_int_equal(donate_pages(PA(BANK1), 4 * PAGE, &vms[0], IPA((VM_PAGES - 2) * PAGE)),
			 -E2BIG);
	expect_unchanged(&before, "mapping over something");
}

/* Every call that may fail is made to, one at a time: nothing changes, and then it works. */
static void a_failure_anywhere_changes_nothing(void **state)
{
	static const struct {
		int move;
		enum ownership_state from;
		unsigned int calls; /* that may fail: a check and a prepare of each party */
	} rows[MOVES] = {
		{ SHARE, OWNERSHIP_HOST, 2 },	    { UNSHARE, OWNERSHIP_SHARED, 2 },
		{ DONATE, OWNERSHIP_HOST, 4 },	    { RECLAIM, OWNERSHIP_DONATED, 4 },
		{ DONATE_KEEL, OWNERSHIP_HOST, 2 }, { RECLAIM_KEEL, OWNERSHIP_KEEL, 2 },
	};

	for (size_t i = 0; i < MOVES; i++) {
		struct snapshot before;

		fresh_machine(NULL);
		for (u64 page = 0; page < 10; page++)
			bring_to(rows[i].from, BANK0 + page * PAGE, page * PAGE);
		before = take_snapshot();
		for (unsigned int call = 1; call <= rows[i].calls; call++) {
			start_injecting(call, call % 2 ? -ENOMEM : -EFAULT);
			assert_int_equal(do_move(rows[i].move, BANK0, 10 * PAGE, &vms[0], 0),
					 fail_error);
			expect_unchanged(&before, move_name[rows[i].move]);
			assert_int_equal(fallible_calls, call);
		}
		start_injecting(0, 0);
		must(do_move(rows[i].move, BANK0, 10 * PAGE, &vms[0], 0));
		assert_int_equal(fallible_calls, rows[i].calls);
	}
}

/* The VM's place is given up behind ownership's back, so that one VM can share it often. */
static int share_once(u64 pa)
{
	int err = share_pages(PA(pa), PAGE, &vms[0], IPA(0));

	if (!err)
		vm_party[0].map[0] = UNMAPPED;
	return err;
}

static void unshare_once(u64 pa)
{
	vm_party[0].map[0] = pa;
	must(unshare_pages(PA(pa), PAGE, &vms[0], IPA(0)));
}

static void expect_shared(u64 pa, u32 n)
{
	assert_int_equal(ownership_share_count(PA(pa)), n);
	assert_int_equal(ownership_state(PA(pa)), n ? OWNERSHIP_SHARED : OWNERSHIP_HOST);
	assert_true(ownership_host_may_reach(PA(pa)));
	assert_int_equal(counts_taken(), n > OWNERSHIP_BYTE_SHARES);
	assert_int_equal(counts0[0] != NULL, n > OWNERSHIP_BYTE_SHARES);
}

static void shares_are_counted_far_past_a_byte(void **state)
{
	const u32 many = 100000;
	const u64 pa = BANK0 + 7 * PAGE;

	for (u32 n = 1; n <= many; n++) {
		must(share_once(pa));
		expect_shared(pa, n);
	}
	must(ownership_may_share(PA(BANK0), BANK_PAGES * PAGE));
	for (u32 n = many; n > 0; n--) {
		assert_int_equal(donate_pages(PA(pa), PAGE, &vms[1], IPA(0)), -EBUSY);
		assert_int_equal(ownership_donate_keel(PA(pa), PAGE), -EBUSY);
		assert_int_equal(reclaim_pages(PA(pa), PAGE, &vms[1], IPA(0)), -EPERM);
		unshare_once(pa);
		expect_shared(pa, n - 1);
	}
	assert_int_equal(unshare_pages(PA(pa), PAGE, &vms[0], IPA(0)), -EPERM);
	must(donate_pages(PA(pa), PAGE, &vms[1], IPA(0)));
}

static void shares_saturate(void **state)
{
	for (u32 n = 0; n <= OWNERSHIP_BYTE_SHARES; n++)
		must(share_once(BANK0));
	counts0[0][0] = OWNERSHIP_SHARE_MAX - 1;
	must(share_once(BANK0));
	assert_int_equal(ownership_share_count(PA(BANK0)), OWNERSHIP_SHARE_MAX);
	struct snapshot before = take_snapshot();

	assert_int_equal(share_once(BANK0), -EOVERFLOW);
	assert_int_equal(share_pages(PA(BANK0), 3 * PAGE, &vms[0], IPA(0)), -EOVERFLOW);
	expect_unchanged(&before, "one share too many");
	assert_int_equal(ownership_share_count(PA(BANK0)), OWNERSHIP_SHARE_MAX);
	unshare_once(BANK0);
	assert_int_equal(ownership_share_count(PA(BANK0)), OWNERSHIP_SHARE_MAX - 1);
}

/* A bank that three pages of counts serve, the last not wholly; what shares it maps nothing. */
#define SPAN_PAGES  (OWNERSHIP_COUNTS_SPAN / PAGE)
#define LARGE_SPANS 3
#define LARGE_PAGES (2 * SPAN_PAGES + 100)
#define LARGE_BASE  (BANK0 + 5 * PAGE)

static u8 large_bytes[LARGE_PAGES];
static u32 *large_counts[LARGE_SPANS];
static struct ownership_bank large = { LARGE_BASE, LARGE_PAGES *PAGE, large_bytes, large_counts };

static int large_prepare(void *ctx, const struct page_move *move)
{
	return inject();
}

static void large_map(void *ctx, const struct page_move *move)
{
}

static void large_unmap(void *ctx, const struct page_move *move)
{
}

static const struct ownership_party_ops large_ops = { .prepare = large_prepare,
						      .map = large_map,
						      .unmap = large_unmap };
static const struct ownership_party large_party = { .ops = &large_ops };

/* All of the bank is shared so often. */
static void make_large(unsigned int shares)
{
	memset(large_counts, FRESH, sizeof(large_counts));
	must(ownership_init(&large, 1));
	ownership_set_host(&fake_host);
	for (unsigned int i = 0; i < shares; i++)
		must(share_pages(PA(LARGE_BASE), LARGE_PAGES * PAGE, &large_party, IPA(0)));
}

static int large_move(int move, size_t page, size_t n)
{
	const u64 pa = LARGE_BASE + page * PAGE;

	return do_move(move, pa, n * PAGE, &large_party, pa);
}

static void counts_that_run_short_change_nothing(void **state)
{
	static const struct {
		size_t page, n, spans;
	} rows[] = {
		{ 3, 1, 1 },
		{ SPAN_PAGES - 1, 2, 2 },
		{ 0, LARGE_PAGES, 3 },
		{ 2 * SPAN_PAGES + 99, 1, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh_machine(NULL);
		make_large(OWNERSHIP_BYTE_SHARES);
		assert_int_equal(counts_taken(), 0);
		for (unsigned int call = 1; call <= rows[i].spans + 1; call++) {
			start_injecting(call, -ENOMEM);
			assert_int_equal(large_move(SHARE, rows[i].page, rows[i].n),
					 call == 1 ? -ENOMEM : -ENOBUFS);
			assert_int_equal(fallible_calls, call);
			assert_int_equal(counts_taken(), 0);
			for (size_t k = 0; k < LARGE_PAGES; k++)
				assert_int_equal(large_bytes[k], OWNERSHIP_BYTE_SHARES);
			for (size_t k = 0; k < LARGE_SPANS; k++)
				assert_null(large_counts[k]);
		}
		start_injecting(0, 0);
		must(large_move(SHARE, rows[i].page, rows[i].n));
		assert_int_equal(counts_taken(), rows[i].spans);
		must(large_move(UNSHARE, rows[i].page, rows[i].n));
		assert_int_equal(counts_taken(), 0);
		assert_int_equal(large_bytes[rows[i].page], OWNERSHIP_BYTE_SHARES);
	}
}

/* Counts as they should be, and pages of counts where a byte does not do, and nowhere else. */
static void expect_counts(const u32 *want, unsigned int step)
{
	bool used[LARGE_SPANS] = { false };
	size_t n = 0;

	for (size_t i = 0; i < LARGE_PAGES; i++) {
		u32 count = ownership_share_count(PA(LARGE_BASE + i * PAGE));

		if (count != want[i])
			fail_msg("step %u: page %zu is shared %u times, not %u", step, i, count,
				 want[i]);
		used[i / SPAN_PAGES] |= count > OWNERSHIP_BYTE_SHARES;
	}
	for (size_t i = 0; i < LARGE_SPANS; i++) {
		assert_int_equal(large_counts[i] != NULL, used[i]);
		n += used[i];
	}
	assert_int_equal(counts_taken(), n);
}

static u32 random_below(u64 *seed, u32 n);

/*
 * All of the bank, or a few pages about the places where other counts begin, up and down about the
 * most that a byte counts, so that pages of counts come and go; the pool is short now and then.
 */
static void random_counts_agree_with_the_model(void **state)
{
	static u32 want[LARGE_PAGES];
	unsigned int short_of = 0;
	u64 seed = 3;

	make_large(OWNERSHIP_BYTE_SHARES - 2);
	for (size_t i = 0; i < LARGE_PAGES; i++)
		want[i] = OWNERSHIP_BYTE_SHARES - 2;
	for (unsigned int step = 0; step < 16000; step++) {
		const u32 limit = step / 64 % 2 ? 245 : 255;
		bool all = random_below(&seed, 16) == 0;
		size_t n = all ? LARGE_PAGES : 1 + random_below(&seed, 6);
		size_t page = all ? 0 : (1 + random_below(&seed, 2)) * SPAN_PAGES - 4;
		int move, answer;

		page += all ? 0 : random_below(&seed, 8);
		move = want[all ? SPAN_PAGES / 2 : page] < limit ? SHARE : UNSHARE;
		start_injecting(random_below(&seed, 3) ? 2 + random_below(&seed, 2) : 0, -ENOMEM);
		answer = large_move(move, page, n);
		assert_true(!answer || (move == SHARE && answer == -ENOBUFS));
		short_of += answer == -ENOBUFS;
		for (size_t i = page; i < page + n && !answer; i++)
			want[i] += move == SHARE ? 1 : -1u;
		expect_counts(want, step);
	}
	print_message("%u of 16000 moves were short of a page\n", short_of);
	assert_true(short_of > 20);
	start_injecting(0, 0);
	for (size_t i = 0; i < LARGE_PAGES; i++)
		for (; want[i]; want[i]--)
			must(large_move(UNSHARE, i, 1));
	expect_counts(want, 0);
	must(ownership_may_share(PA(LARGE_BASE), LARGE_PAGES * PAGE));
}

/* A range with different share counts in it moves each page by one. */
static void mixed_counts_move_together(void **state)
{
	must(share_pages(PA(BANK0 + 3 * PAGE), 4 * PAGE, &vms[0], IPA(0)));
	must(share_pages(PA(BANK0 + 5 * PAGE), 4 * PAGE, &vms[1], IPA(0)));
	must(share_pages(PA(BANK0), 12 * PAGE, &vms[2], IPA(0)));
	static const u8 counts[12] = { 1, 1, 1, 2, 2, 3, 3, 2, 2, 1, 1, 1 };

	assert_memory_equal(bytes0, counts, 12);
	must(unshare_pages(PA(BANK0), 12 * PAGE, &vms[2], IPA(0)));
	assert_int_equal(ownership_share_count(PA(BANK0 + 5 * PAGE)), 2);
	assert_int_equal(ownership_state(PA(BANK0)), OWNERSHIP_HOST);
}

static void bad_ranges_are_refused(void **state)
{
	static const struct {
		u64 pa, size;
		int answer;
	} rows[] = {
		{ BANK0, 0, -EINVAL },
		{ BANK0, PAGE / 2, -EINVAL },
		{ BANK0, PAGE + 1, -EINVAL },
		{ BANK0 + 8, PAGE, -EINVAL },
		{ BANK0, ~0ULL, -EINVAL },
		{ BANK0, ~0ULL & ~(PAGE - 1), -EINVAL }, /* wraps */
		{ ~0ULL & ~(PAGE - 1), PAGE, -EINVAL },	 /* ends at 2^64 */
		{ 0, PAGE, -ERANGE },
		{ BANK0 - PAGE, PAGE, -ERANGE },
		{ BANK0 - PAGE, 2 * PAGE, -ERANGE },
		{ BANK0 + BANK_PAGES * PAGE, PAGE, -ERANGE },
		{ BANK0 + (BANK_PAGES - 1) * PAGE, 2 * PAGE, -ERANGE },
		{ BANK0, (BANK_PAGES + 1) * PAGE, -ERANGE },
		{ BANK0, BANK1 - BANK0 + PAGE, -ERANGE }, /* from one bank into the other */
		{ BANK1 + BANK_PAGES * PAGE, PAGE, -ERANGE },
		{ BIT(60), PAGE, -ERANGE },
	};
	struct snapshot before = take_snapshot();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int move = 0; move < MOVES; move++) {
			int got = do_move(move, rows[i].pa, rows[i].size, &vms[0], 0);

			if (got != rows[i].answer)
				fail_msg("%s of [%#lx, +%#lx) answered %d, not %d", move_name[move],
					 rows[i].pa, rows[i].size, got, rows[i].answer);
		}
	}
	for (int move = 0; move < MOVES; move++) {
		if (!move_has_vm(move))
			continue;
		assert_int_equal(do_move(move, BANK0, PAGE, &vms[0], 12), -EINVAL);
		assert_int_equal(do_move(move, BANK0, 2 * PAGE, &vms[0], ~0ULL & ~(PAGE - 1)),
				 -EINVAL);
	}
	assert_int_equal(fallible_calls, 0);
	expect_unchanged(&before, "a bad range");
	must(share_pages(PA(BANK0), BANK_PAGES * PAGE, &vms[0], IPA(0)));
	must(ownership_donate_keel(PA(BANK1), BANK_PAGES * PAGE)); /* a whole bank is fine */
}

/* Banks that touch are two all the same. */
static void a_move_stays_within_a_bank(void **state)
{
	struct ownership_bank touching[2] = { { BANK0, 8 * PAGE, bytes0, counts0 },
					      { BANK0 + 8 * PAGE, 8 * PAGE, bytes1, counts1 } };

	must(ownership_init(touching, 2));
	ownership_set_host(&fake_host);
	assert_int_equal(ownership_donate_keel(PA(BANK0 + 7 * PAGE), 2 * PAGE), -ERANGE);
	must(ownership_donate_keel(PA(BANK0 + 7 * PAGE), PAGE));
	must(ownership_donate_keel(PA(BANK0 + 8 * PAGE), PAGE));
	assert_int_equal(bytes0[7], bytes1[0]);
	fresh_machine(NULL); /* touching[] goes out of scope */
}

static void banks_are_checked(void **state)
{
	static struct ownership_bank many[OWNERSHIP_BANK_MAX + 1];
	struct ownership_bank good[2] = { { BANK0, PAGE, bytes0, counts0 },
					  { BANK1, PAGE, bytes1, counts1 } };
	struct ownership_bank b[2];

#define refused(edit)                                                \
	do {                                                         \
		memcpy(b, good, sizeof(b));                          \
		edit;                                                \
		if (ownership_init(b, 2) != -EINVAL)                 \
			fail_msg("a bank with %s was taken", #edit); \
	} while (0)

	refused(b[1].size = 0);
	refused(b[1].size = PAGE - 1);
	refused(b[1].base += 16);
	refused(b[0].state = NULL);
	refused(b[1].counts = NULL);
	refused(b[1].base = BANK0);
	refused(b[1].base = BANK0 - PAGE);
	refused(b[0].size = BANK1 - BANK0 + PAGE);
	refused(b[1].size = ~0ULL & ~(PAGE - 1));
	assert_int_equal(ownership_init(many, ARRAY_SIZE(many)), -E2BIG);
	/* A refused init left the machine as it was. */
	assert_int_equal(ownership_state(PA(BANK1 + 5 * PAGE)), OWNERSHIP_HOST);
	must(ownership_donate_keel(PA(BANK1 + 5 * PAGE), PAGE));
	for (size_t i = 0; i < OWNERSHIP_BANK_MAX; i++)
		many[i] =
			(struct ownership_bank){ BANK0 + 2 * i * PAGE, PAGE, bytes0 + i, counts0 };
	must(ownership_init(many, OWNERSHIP_BANK_MAX));
	assert_true(ownership_is_ram(PA(BANK0 + 126 * PAGE + 5)));
	assert_false(ownership_is_ram(PA(BANK0 + 127 * PAGE)));
}

static void boot_claims_are_permanent(void **state)
{
	must(ownership_init(banks, 2));
	assert_int_equal(share_pages(PA(BANK0), PAGE, &vms[0], IPA(0)), -ENODEV);
	must(ownership_claim_boot(PA(BANK0 + 10 * PAGE), 20 * PAGE));
	assert_int_equal(ownership_claim_boot(PA(BANK0 + 29 * PAGE), 2 * PAGE), -EPERM);
	assert_int_equal(ownership_claim_boot(PA(BANK0 + 9 * PAGE), 2 * PAGE), -EPERM);
	assert_int_equal(ownership_claim_boot(PA(BANK0 + 10 * PAGE), 20 * PAGE), -EPERM);
	assert_int_equal(ownership_claim_boot(PA(BANK0 - PAGE), 2 * PAGE), -ERANGE);
	assert_int_equal(ownership_claim_boot(PA(BANK0 + 1), PAGE), -EINVAL);
	ownership_set_host(&fake_host);
	assert_int_equal(ownership_claim_boot(PA(BANK1), PAGE), -EBUSY);
	assert_int_equal(ownership_state(PA(BANK0 + 9 * PAGE + 4095)), OWNERSHIP_HOST);
	assert_int_equal(ownership_state(PA(BANK0 + 10 * PAGE)), OWNERSHIP_IMAGE);
	assert_int_equal(ownership_state(PA(BANK0 + 29 * PAGE)), OWNERSHIP_IMAGE);
	assert_int_equal(ownership_state(PA(BANK0 + 30 * PAGE)), OWNERSHIP_HOST);
	assert_int_equal(ownership_reclaim_keel(PA(BANK0 + 10 * PAGE), PAGE), -EPERM);
}

/* Ranges that reach over banks and out of them, that begin and end
 * within pages, and over Keel's. */
static void what_firmware_reserved_is_never_moved(void **state)
{
	static const u64 fixed[] = { 0, 5, 6, 10, 29, 98, 99, 100, 101, 199 };
	u64 end = BANK1 + BANK_PAGES * PAGE;
	size_t next = 0;

	must(ownership_init(banks, 2));
	must(ownership_claim_boot(PA(BANK0 + 11 * PAGE), 18 * PAGE));
	ownership_fix_boot(BANK0, 0);
	ownership_fix_boot(BANK0 + 12 * PAGE + 1, 3);
	ownership_fix_boot(BANK0 - 1, 2);
	ownership_fix_boot(BANK0 + 5 * PAGE + 1, PAGE);
	ownership_fix_boot(BANK0 + 10 * PAGE, 20 * PAGE);
	ownership_fix_boot(BANK0 + 98 * PAGE, BANK1 + 2 * PAGE - (BANK0 + 98 * PAGE));
	ownership_fix_boot(end - 1, PAGE);
	ownership_fix_boot(0x1000, 0x100000);
	ownership_set_host(&fake_host);
	for (size_t i = 0; i < PAGES; i++) {
		bool keel = i >= 11 && i < 29, is_fixed = fixed[next] == i;
		enum ownership_state want = keel       ? OWNERSHIP_IMAGE
					    : is_fixed ? OWNERSHIP_FIXED
						       : OWNERSHIP_HOST;

		if (ownership_state(PA(page_pa(i))) != want)
			fail_msg("page %zu is %s", i,
				 ownership_state_name(ownership_state(PA(page_pa(i)))));
		assert_int_equal(ownership_host_may_reach(PA(page_pa(i))), !keel);
		assert_int_equal(ownership_share_count(PA(page_pa(i))), 0);
		assert_int_equal(ownership_may_share(PA(page_pa(i)), PAGE),
				 want == OWNERSHIP_HOST ? 0 : -EPERM);
		next += is_fixed && next + 1 < ARRAY_SIZE(fixed);
	}
	assert_int_equal(ownership_state(PA(end)), OWNERSHIP_NONE);
}

/* It is asked before the memory is touched, and answers as the share would. */
static void a_share_can_be_asked_for_first(void **state)
{
	must(share_pages(PA(BANK0 + PAGE), PAGE, &vms[0], IPA(0)));
	must(ownership_may_share(PA(BANK0), BANK_PAGES * PAGE));
	assert_int_equal(ownership_may_share(PA(BANK0), (BANK_PAGES + 1) * PAGE), -ERANGE);
	assert_int_equal(ownership_may_share(PA(BANK0 - PAGE), PAGE), -ERANGE);
	assert_int_equal(ownership_may_share(PA(BANK0 + 1), PAGE), -EINVAL);
	assert_int_equal(ownership_may_share(PA(BANK0), 0), -EINVAL);
	assert_int_equal(ownership_may_share(PA(BANK0), ~0ULL & ~(PAGE - 1)), -EINVAL);
	bring_to(OWNERSHIP_FIXED, BANK0 + 99 * PAGE, 0);
	assert_int_equal(ownership_may_share(PA(BANK0), BANK_PAGES * PAGE), -EPERM);
	must(ownership_may_share(PA(BANK0), (BANK_PAGES - 1) * PAGE));
	bring_to(OWNERSHIP_KEEL, BANK0 + 50 * PAGE, 0);
	assert_int_equal(ownership_may_share(PA(BANK0), (BANK_PAGES - 1) * PAGE), -EPERM);
}

static void devices_are_the_hosts_unless_claimed(void **state)
{
	must(ownership_init(banks, 2));
	assert_true(ownership_host_may_reach(PA(0x9000000)));
	must(ownership_claim_device(PA(0x9000000), 2 * PAGE));
	assert_false(ownership_host_may_reach(PA(0x9000000)));
	assert_false(ownership_host_may_reach(PA(0x9001fff)));
	assert_true(ownership_host_may_reach(PA(0x9002000)));
	assert_true(ownership_host_may_reach(PA(0x8ffffff)));
	assert_false(ownership_is_ram(PA(0x9000000)));
	assert_int_equal(ownership_state(PA(0x9000000)), OWNERSHIP_NONE);
	assert_int_equal(ownership_share_count(PA(0x9000000)), 0);
	assert_int_equal(ownership_claim_device(PA(0x9001000), PAGE), -EEXIST);
	assert_int_equal(ownership_claim_device(PA(0x8fff000), 2 * PAGE), -EEXIST);
	assert_int_equal(ownership_claim_device(PA(BANK0 - PAGE), 2 * PAGE), -ERANGE);
	assert_int_equal(ownership_claim_device(PA(BANK0 + 3 * PAGE), PAGE), -ERANGE);
	assert_int_equal(ownership_claim_device(PA(0x123), PAGE), -EINVAL);
	assert_int_equal(ownership_claim_device(PA(0x1000), 0), -EINVAL);
	must(ownership_claim_device(PA(0x8fff000), PAGE)); /* touching is not overlapping */
	must(ownership_claim_device(PA(BANK0 - PAGE), PAGE));
	must(ownership_claim_device(PA(BANK0 + BANK_PAGES * PAGE), PAGE));
	/* Those that touch are one. */
	for (u64 i = 3; i < OWNERSHIP_DEVICE_MAX; i++)
		must(ownership_claim_device(PA(0xa000000 + i * 2 * PAGE), PAGE));
	assert_int_equal(ownership_claim_device(PA(0xc000000), PAGE), -ENOSPC);
	ownership_set_host(&fake_host);
	assert_int_equal(ownership_claim_device(PA(0xc000000), PAGE), -EBUSY);
}

static void expect_run(u64 pa, u64 end, u64 run_end, bool is_host, bool ram)
{
	struct ownership_run run = ownership_run_at(PA(pa), end);

	if (run.pa.v != pa || run.size != run_end - pa || run.host != is_host || run.ram != ram)
		fail_msg("run at %#lx: %#lx bytes, host %d, RAM %d; not %#lx, %d, %d", pa, run.size,
			 run.host, run.ram, run_end - pa, is_host, ram);
}

static void expect_device(u64 pa, u64 end, u64 first, u64 behind)
{
	struct ownership_run run = { 0 };

	assert_true(ownership_next_device(pa, end, &run));
	if (run.pa.v != first || run.size != behind - first || !run.host || run.ram)
		fail_msg("device at %#lx: %#lx bytes, host %d, RAM %d; not %#lx to %#lx", run.pa.v,
			 run.size, run.host, run.ram, first, behind);
}

static void runs_cover_the_address_space(void **state)
{
	struct ownership_run run;
	u64 end = BIT(40);

	must(ownership_init(banks, 2));
	must(ownership_claim_device(PA(0x9000000), PAGE));
	must(ownership_claim_device(PA(0x9001000), PAGE));
	must(ownership_claim_boot(PA(BANK0 + 20 * PAGE), 30 * PAGE));
	ownership_set_host(&fake_host);
	must(share_pages(PA(BANK0 + 3 * PAGE), 5 * PAGE, &vms[0], IPA(0)));
	must(ownership_donate_keel(PA(BANK0 + 50 * PAGE), PAGE));
	expect_run(0, end, 0x9000000, true, false);
	expect_run(0x9000000, end, 0x9002000, false, false);
	expect_run(0x9002000, end, BANK0, true, false);
	expect_run(BANK0, end, BANK0 + 20 * PAGE, true, true); /* shared pages are the host's */
	expect_run(BANK0 + PAGE, BANK0 + 2 * PAGE, BANK0 + 2 * PAGE, true, true);
	expect_run(BANK0 + 20 * PAGE, end, BANK0 + 51 * PAGE, false, true);
	expect_run(BANK0 + 51 * PAGE, end, BANK0 + BANK_PAGES * PAGE, true, true);
	expect_run(BANK0 + BANK_PAGES * PAGE, end, BANK1, true, false);
	expect_run(BANK1, end, BANK1 + BANK_PAGES * PAGE, true, true);
	expect_run(BANK1 + BANK_PAGES * PAGE, end, end, true, false);
	expect_device(0, end, 0, 0x9000000);
	expect_device(0x1000, 0x2000, 0x1000, 0x2000);
	expect_device(0x9000000, end, 0x9002000, BANK0);
	expect_device(BANK0 + PAGE, end, BANK0 + BANK_PAGES * PAGE, BANK1);
	expect_device(BANK1, end, BANK1 + BANK_PAGES * PAGE, end);
	assert_false(ownership_next_device(BANK0, BANK0 + 2 * PAGE, &run));
	assert_false(ownership_next_device(0x9000000, 0x9002000, &run));
	assert_false(ownership_next_device(end, end, &run));
}

/* The host's stage 2 as its fake has it, in runs of at most *ctx pages. */
static enum ownership_view fake_view_of(u64 pa)
{
	u64 entry = UNMAPPED;

	if (ownership_is_ram(PA(pa)))
		entry = host_party.map[pa_page(pa)];
	if (entry == UNMAPPED)
		return OWNERSHIP_VIEW_NOTHING;
	return entry == pa ? OWNERSHIP_VIEW_IDENTITY : OWNERSHIP_VIEW_WRONG;
}

static enum ownership_view fake_view(void *ctx, struct pa pa, u64 max, u64 *run)
{
	const u64 *most = ctx;
	u64 size = PAGE;

	assert_true(spin_is_locked(&ownership_lock));
	while (size < max && size / PAGE < *most && fake_view_of(pa.v + size) == fake_view_of(pa.v))
		size += PAGE;
	*run = size;
	return fake_view_of(pa.v);
}

static int check(u64 most, struct ownership_mismatch *bad)
{
	return ownership_check_consistency(fake_view, &most, bad);
}

static void expect_mismatch(u64 pa, enum ownership_state s, enum ownership_view view)
{
	struct ownership_mismatch bad = { 0 };

	for (u64 most = 1; most < 200; most += 9) {
		assert_int_equal(check(most, &bad), -EIO);
		assert_int_equal(bad.pa.v, pa);
		assert_int_equal(bad.state, s);
		assert_int_equal(bad.view, view);
	}
}

static void disagreement_with_the_host_is_found(void **state)
{
	struct ownership_mismatch bad;

	must(ownership_donate_keel(PA(BANK0 + 30 * PAGE), 20 * PAGE));
	must(share_pages(PA(BANK0 + 60 * PAGE), 5 * PAGE, &vms[0], IPA(0)));
	must(check(1, &bad));
	must(check(1000, &bad));
	/* Keel's page in the host's stage 2; a shared one missing; one mapped to another. */
	host_party.map[42] = page_pa(42);
	expect_mismatch(page_pa(42), OWNERSHIP_KEEL, OWNERSHIP_VIEW_IDENTITY);
	host_party.map[42] = page_pa(3);
	expect_mismatch(page_pa(42), OWNERSHIP_KEEL, OWNERSHIP_VIEW_WRONG);
	host_party.map[42] = UNMAPPED;
	host_party.map[62] = UNMAPPED;
	expect_mismatch(page_pa(62), OWNERSHIP_SHARED, OWNERSHIP_VIEW_NOTHING);
	host_party.map[62] = page_pa(62);
	host_party.map[PAGES - 1] = page_pa(0);
	expect_mismatch(page_pa(PAGES - 1), OWNERSHIP_HOST, OWNERSHIP_VIEW_WRONG);
	host_party.map[PAGES - 1] = page_pa(PAGES - 1);
	must(check(7, &bad));
}

static enum ownership_view view_all(void *ctx, struct pa pa, u64 max, u64 *run)
{
	*run = *(const u64 *)ctx;
	return OWNERSHIP_VIEW_IDENTITY;
}

static void a_claimed_device_in_the_hosts_stage_2_is_found(void **state)
{
	static const u64 runs[] = { 0, 1, PAGE, 5000, ~0ULL }; /* answers out of bounds, too */
	struct ownership_mismatch bad;

	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		u64 run = runs[i];

		must(ownership_init(banks, 2));
		must(ownership_check_consistency(view_all, &run, &bad));
		must(ownership_claim_device(PA(0x9000000), PAGE));
		assert_int_equal(ownership_check_consistency(view_all, &run, &bad), -EIO);
		assert_int_equal(bad.pa.v, 0x9000000);
		assert_int_equal(bad.state, OWNERSHIP_NONE);
	}
}

/* Claims in any order, against a model of one page at a time. */
static void many_devices_are_claimed(void **state)
{
	static bool claimed[2 * OWNERSHIP_DEVICE_MAX + 8];
	u64 x = 1;

	memset(claimed, 0, sizeof(claimed));
	must(ownership_init(banks, 2));
	for (unsigned int i = 0; i < 4000; i++) {
		size_t page = (x = x * 6364136223846793005ULL + 1442695040888963407ULL) >> 40;
		size_t pages = 1 + (x >> 33) % 3;
		bool free = true;

		page %= ARRAY_SIZE(claimed) - 3;
		for (size_t k = 0; k < pages; k++)
			free &= !claimed[page + k];
		assert_int_equal(ownership_claim_device(PA(page * PAGE), pages * PAGE),
				 free ? 0 : -EEXIST);
		for (size_t k = 0; k < pages; k++)
			claimed[page + k] |= free;
	}
	for (size_t page = 0, next; page < ARRAY_SIZE(claimed); page = next) {
		for (next = page; next < ARRAY_SIZE(claimed) && claimed[next] == claimed[page];)
			next++;
		if (next < ARRAY_SIZE(claimed))
			expect_run(page * PAGE, BANK0, next * PAGE, !claimed[page], false);
	}
}

static void states_have_names(void **state)
{
	assert_string_equal(ownership_state_name(OWNERSHIP_HOST), "the host's");
	assert_string_equal(ownership_state_name(OWNERSHIP_SHARED), "shared with a VM");
	assert_string_equal(ownership_state_name(OWNERSHIP_DONATED), "a VM's");
	assert_string_equal(ownership_state_name(OWNERSHIP_KEEL), "Keel's");
	assert_string_equal(ownership_state_name(OWNERSHIP_IMAGE), "Keel's");
	assert_string_equal(ownership_state_name(OWNERSHIP_FIXED), "reserved by firmware");
	assert_string_equal(ownership_state_name(OWNERSHIP_NONE), "not RAM");
}

/* The naive model: who owns each page, and which VM has it where, one page at a time. */
struct model_page {
	enum ownership_state state;
	unsigned int shares;
};

static struct model_page model[PAGES];
static size_t model_vm[VMS][VM_PAGES]; /* page + 1; 0 for none */

static int model_page_answer(int move, size_t page)
{
	enum ownership_state s = model[page].state;

	if (expected[move][s].answer)
		return expected[move][s].answer;
	return 0;
}

static int model_vm_answer(int move, size_t page, size_t vm, size_t at)
{
	if (!move_has_vm(move))
		return 0;
	if (at >= VM_PAGES)
		return -E2BIG;
	if (move_maps_vm(move))
		return model_vm[vm][at] ? -EEXIST : 0;
	return model_vm[vm][at] == page + 1 ? 0 : -ENOENT;
}

static int model_answer(int move, size_t page, size_t n, size_t vm, size_t at)
{
	if (page / BANK_PAGES != (page + n - 1) / BANK_PAGES)
		return -ERANGE;
	for (size_t i = 0; i < n; i++)
		if (model_page_answer(move, page + i))
			return model_page_answer(move, page + i);
	for (size_t i = 0; i < n; i++)
		if (model_vm_answer(move, page + i, vm, at + i))
			return model_vm_answer(move, page + i, vm, at + i);
	return 0;
}

static void model_move(int move, size_t page, size_t vm, size_t at)
{
	struct model_page *p = &model[page];

	p->state = expected[move][p->state].to;
	if (move == SHARE)
		p->shares++;
	if (move == UNSHARE && --p->shares)
		p->state = OWNERSHIP_SHARED;
	if (move_has_vm(move))
		model_vm[vm][at] = move_maps_vm(move) ? page + 1 : 0;
}

static void compare_with_model(unsigned int step)
{
	for (size_t i = 0; i < PAGES; i++) {
		bool reach = model[i].state <= OWNERSHIP_SHARED;

		if (ownership_state(PA(page_pa(i))) != model[i].state ||
		    ownership_share_count(PA(page_pa(i))) != model[i].shares ||
		    ownership_host_may_reach(PA(page_pa(i))) != reach ||
		    host_party.map[i] != (reach ? page_pa(i) : UNMAPPED))
			fail_msg("step %u: page %zu is in state %d, not %d", step, i,
				 ownership_state(PA(page_pa(i))), model[i].state);
	}
	for (size_t vm = 0; vm < VMS; vm++)
		for (size_t at = 0; at < VM_PAGES; at++)
			assert_int_equal(vm_party[vm].map[at],
					 model_vm[vm][at] ? page_pa(model_vm[vm][at] - 1)
							  : UNMAPPED);
}

static u32 random_below(u64 *seed, u32 n)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (u32)(*seed >> 33) % n;
}

/* The next place of the VM from @at on that has something, or nothing; @at if there is none. */
static size_t next_place(size_t vm, size_t at, bool mapped)
{
	for (size_t i = 0; i < VM_PAGES; i++)
		if ((model_vm[vm][(at + i) % VM_PAGES] != 0) == mapped)
			return (at + i) % VM_PAGES;
	return at;
}

/* A move that is often legal: to a free place, back from where something is, or anywhere. */
static void random_move(u64 *seed, unsigned int step, unsigned int *done)
{
	int move = (int)random_below(seed, MOVES), want, got;
	size_t vm = random_below(seed, VMS), at = random_below(seed, VM_PAGES);
	size_t n = 1 + random_below(seed, random_below(seed, 4) ? 2 : 70);
	size_t page = random_below(seed, PAGES - 24);

	if (move_has_vm(move) && random_below(seed, 8))
		at = next_place(vm, at, !move_maps_vm(move));
	if (move_has_vm(move) && !move_maps_vm(move) && model_vm[vm][at])
		page = model_vm[vm][at] - 1;
	if (page + n > PAGES)
		n = PAGES - page;
	want = model_answer(move, page, n, vm, at);
	got = do_move(move, page_pa(page), n * PAGE, &vms[vm], at * PAGE);
	if (got != want)
		fail_msg("step %u: %s of page %zu, %zu pages, answered %d, not %d", step,
			 move_name[move], page, n, got, want);
	for (size_t i = 0; i < n && !want; i++)
		model_move(move, page + i, vm, at + i);
	*done += !want;
}

static void random_moves_agree_with_the_model(void **state)
{
	struct ownership_mismatch bad;
	unsigned int done = 0;
	u64 seed = 20;

	memset(model, 0, sizeof(model));
	memset(model_vm, 0, sizeof(model_vm));
	for (unsigned int step = 0; step < 100000; step++) {
		order[0] = '\0';
		random_move(&seed, step, &done);
		if (step % 16 == 0) {
			compare_with_model(step);
			must(check(1 + step % 40, &bad));
		}
	}
	print_message("%u of 100000 moves were legal\n", done);
	assert_true(done > 10000);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup(f, fresh_machine)
	const struct CMUnitTest tests[] = {
		test(every_move_from_every_state),
		test(the_loser_loses_before_the_winner_has),
		test(contents_go_only_when_the_host_gets_them),
		test(what_cannot_be_cleared_stays_and_the_rest_comes_back),
		test(a_lost_page_is_nobodys),
		test(a_part_without_tables_is_kept),
		test(one_bad_page_spoils_the_range),
		test(a_vm_must_map_what_it_gives_back),
		test(nothing_is_mapped_over_something),
		test(a_failure_anywhere_changes_nothing),
		test(shares_are_counted_far_past_a_byte),
		test(shares_saturate),
		test(counts_that_run_short_change_nothing),
		test(random_counts_agree_with_the_model),
		test(mixed_counts_move_together),
		test(bad_ranges_are_refused),
		test(a_move_stays_within_a_bank),
		test(banks_are_checked),
		test(boot_claims_are_permanent),
		test(what_firmware_reserved_is_never_moved),
		test(a_share_can_be_asked_for_first),
		test(devices_are_the_hosts_unless_claimed),
		test(runs_cover_the_address_space),
		test(disagreement_with_the_host_is_found),
		test(a_claimed_device_in_the_hosts_stage_2_is_found),
		test(many_devices_are_claimed),
		test(states_have_names),
		test(random_moves_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
