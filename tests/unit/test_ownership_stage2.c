// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c tests/unit/arch/fake_tlb.c tests/unit/arch/fake_mem.c hyp/cpu/errata.c tests/unit/fake_panic.c */
/*
 * Ownership on real stage-2 tables and the strict TLB model: a host, identity-mapped with blocks,
 * and VMs. After any sequence of moves no CPU reaches through its TLB what it should not, tables
 * and page states agree, and a change never takes more tables than docs/ownership.md says a party
 * must have set aside for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arch/fake_mem.h>
#include <arch/fake_tlb.h>
#include <lib/errno.h>
#include <mm/ownership.h>
#include <mm/stage2.h>
#include <page_moves.h>

#define PAGE	   OWNERSHIP_PAGE_SIZE
#define RAM	   0x40000000ULL
#define RAM_SIZE   (SZ_1G + 16 * SZ_2M) /* so that the host's map has blocks of both sizes */
#define PAGES	   (RAM_SIZE / PAGE)
#define VMS	   2
#define TABLES	   4000
#define STEPS	   4000
#define TABLE_BASE 0x8000000000ULL

struct party {
	struct stage2 s2;
	int regime;
	struct ownership_party as_party;
};

static struct party host_s, vm_s[VMS];
static u8 bytes[PAGES];
static u32 *counts[PAGES / 1024];
static struct ownership_bank bank = { RAM, RAM_SIZE, bytes, counts };
static unsigned int most_tables; /* the most that one change ever took */

static const struct stage2_mem_ops table_mem = {
	.zalloc_table = fake_mem_zalloc,
	.free_table = fake_mem_free,
	.table_to_pa = fake_mem_to_pa,
	.pa_to_table = fake_mem_from_pa,
};

static int leaf_is_identity(void *arg, const struct stage2_leaf *leaf)
{
	u64 offset = *(u64 *)arg; /* pa - ipa */

	return leaf->mapped && leaf->pa.v == leaf->ipa.v + offset ? 0 : -EPERM;
}

static int leaf_is_hole(void *arg, const struct stage2_leaf *leaf)
{
	return leaf->mapped ? -EEXIST : 0;
}

static int check_mapped(void *ctx, const struct page_move *move)
{
	struct party *party = ctx;
	u64 offset = move->pa.v - move->ipa.v;
	int ret;

	spin_lock(&party->s2.lock);
	ret = stage2_walk(&party->s2, move->ipa, move->size, leaf_is_identity, &offset, NULL);
	spin_unlock(&party->s2.lock);
	return ret;
}

static int check_unmapped(void *ctx, const struct page_move *move)
{
	struct party *party = ctx;
	int ret;

	spin_lock(&party->s2.lock);
	ret = stage2_walk(&party->s2, move->ipa, move->size, leaf_is_hole, NULL, NULL);
	spin_unlock(&party->s2.lock);
	return ret;
}

/*
 * What a party must set aside: a table for each level below the root at each end, and for what does
 * not lie in its IPA space as it lies in memory also one a 2 MiB and a 1 GiB in between.
 */
static int tables_needed(const struct party *party, u64 size)
{
	int ends = 2 * 3;

	return party == &host_s ? ends : (int)((u64)ends + size / SZ_2M + size / SZ_1G);
}

/* Nothing to prepare: the change itself is given no more tables than were promised. */
static int prepare(void *ctx, const struct page_move *move)
{
	return 0;
}

static void begin_change(struct party *party, u64 size, unsigned int *before)
{
	spin_lock(&party->s2.lock);
	fake_mem_fail_after(tables_needed(party, size));
	*before = fake_mem_in_use();
}

static void end_change(struct party *party, unsigned int before)
{
	unsigned int now = fake_mem_in_use();

	fake_mem_fail_after(-1);
	spin_unlock(&party->s2.lock);
	if (now > before)
		most_tables = MAX(most_tables, now - before);
}

/* The host's memory grows together to blocks again; a VM's is mapped by
 * pages, as userspace has it. */
static void map(void *ctx, const struct page_move *move)
{
	struct party *party = ctx;
	u64 start = ALIGN_DOWN(move->ipa.v, SZ_1G);
	unsigned int before;

	begin_change(party, move->size, &before);
	assert_int_equal(stage2_map(&party->s2, move->ipa, move->pa, move->size, STAGE2_RWX), 0);
	if (party == &host_s)
		assert_int_equal(stage2_merge(&party->s2, IPA(start),
					      ALIGN_UP(move->ipa.v + move->size, SZ_1G) - start,
					      NULL),
				 0);
	end_change(party, before);
}

static void unmap(void *ctx, const struct page_move *move)
{
	struct party *party = ctx;
	unsigned int before;

	begin_change(party, move->size, &before);
	assert_int_equal(stage2_unmap(&party->s2, move->ipa, move->size, NULL), 0);
	end_change(party, before);
}

static const struct ownership_party_ops party_ops = { check_mapped, check_unmapped, prepare, map,
						      unmap };

static enum fake_outcome access(const struct party *party, u64 ipa, enum fake_access how)
{
	u64 pa;

	return fake_tlb_access(fake_rand(FAKE_CPUS), party->regime, ipa, how, &pa);
}

/* No party's tables or TLBs may translate to the page while it is cleared. */
static void expect_unreachable(const struct party *party, u64 ipa)
{
	u64 pa;

	for (unsigned int cpu = 0; cpu < FAKE_CPUS; cpu++)
		assert_int_equal(fake_tlb_access(cpu, party->regime, ipa, FAKE_READ, &pa),
				 FAKE_TRANSLATION);
}

static bool clear_page(void *ctx, struct pa pa)
{
	expect_unreachable(&host_s, pa.v);
	return true;
}

/* Nothing fails to be cleared. */
static void forget(void *ctx, struct pa pa, u64 size)
{
	fail_msg("%#lx of %#lx bytes is kept", pa.v, size);
}

static const struct ownership_host host = {
	.party = { .ops = &party_ops, .ctx = &host_s },
	.clear_page = clear_page,
	.forget = forget,
};

static void make_party(struct party *party, u16 vmid, unsigned int ia_bits, struct mmu_caps *caps)
{
	struct stage2_geometry g;
	struct stage2_config config = {
		.geometry = &g, .caps = caps, .vmid = vmid, .mem = &table_mem
	};
	struct fake_regime r = { .vmid = vmid, .granule = GRANULE_4K };

	assert_int_equal(stage2_geometry(&g, ia_bits, GRANULE_4K, caps), 0);
	config.root =
		fake_mem_zalloc_root((unsigned int)MAX(g.root_size / PAGE, 1ULL), g.root_align);
	r.root = config.root;
	r.start_level = g.start_level;
	r.ia_bits = g.ia_bits;
	r.oa_bits = g.oa_bits;
	r.ds = g.ds;
	r.ha = caps->hw_access;
	r.hd = caps->hw_dirty;
	party->regime = fake_tlb_add(&r);
	assert_int_equal(stage2_init(&party->s2, &config), 0);
	party->as_party = (struct ownership_party){ .ops = &party_ops, .ctx = party };
}

static void make_machine(unsigned int pa_bits)
{
	struct mmu_caps caps = { .pa_bits = (u8)pa_bits,
				 .vmid_bits = 16,
				 .s2_granule = { true, true, true },
				 .s2_lpa2 = { pa_bits == 52, false, false } };

	fake_tlb_reset();
	fake_mem_init(GRANULE_4K, TABLE_BASE, TABLES);
	make_party(&host_s, 0, pa_bits, &caps);
	for (u16 i = 0; i < VMS; i++)
		make_party(&vm_s[i], (u16)(i + 1), 36, &caps);
	assert_int_equal(ownership_init(&bank, 1), 0);
	assert_int_equal(ownership_claim_boot(PA(RAM + 3 * SZ_2M), SZ_2M + 5 * PAGE), 0);
	spin_lock(&host_s.s2.lock);
	for (u64 pa = RAM; pa < RAM + RAM_SIZE;) {
		struct ownership_run run = ownership_run_at(PA(pa), RAM + RAM_SIZE);

		if (run.host)
			assert_int_equal(
				stage2_map(&host_s.s2, IPA(pa), PA(pa), run.size, STAGE2_RWX), 0);
		pa += run.size;
	}
	spin_unlock(&host_s.s2.lock);
	ownership_set_host(&host);
}

static void drop_machine(void)
{
	stage2_destroy(&host_s.s2);
	fake_tlb_remove(host_s.regime);
	for (size_t i = 0; i < VMS; i++) {
		stage2_destroy(&vm_s[i].s2);
		fake_tlb_remove(vm_s[i].regime);
	}
}

static enum ownership_view host_view(void *ctx, struct pa pa, u64 max, u64 *run)
{
	struct stage2_leaf leaf;
	int ret;

	spin_lock(&host_s.s2.lock);
	ret = stage2_lookup(&host_s.s2, host_pa_to_ipa(pa), &leaf);
	spin_unlock(&host_s.s2.lock);
	*run = leaf.ipa.v + leaf.size - pa.v;
	if (ret)
		return OWNERSHIP_VIEW_NOTHING;
	return leaf.pa.v == leaf.ipa.v ? OWNERSHIP_VIEW_IDENTITY : OWNERSHIP_VIEW_WRONG;
}

static void check_machine(void)
{
	struct ownership_mismatch bad;

	fake_tlb_check("the check");
	if (ownership_check_consistency(host_view, NULL, &bad))
		fail_msg("page %#lx is %s, the host's stage 2 has %d", bad.pa.v,
			 ownership_state_name(bad.state), bad.view);
}

/* Where a VM has a page: aligned differently, so that it is mapped by pages. */
static struct ipa vm_ipa(struct pa pa)
{
	return IPA(pa.v - RAM + 5 * PAGE);
}

/* An access brings a translation into some CPU's TLB, or faults as the page state says. */
static void touch(u64 pa)
{
	enum fake_outcome want = ownership_host_may_reach(PA(pa)) ? FAKE_OK : FAKE_TRANSLATION;

	assert_int_equal(access(&host_s, pa, FAKE_WRITE), want);
	(void)access(&vm_s[fake_rand(VMS)], vm_ipa(PA(pa)).v, FAKE_READ);
}

static const u64 sizes[] = { PAGE, PAGE, 3 * PAGE, 16 * PAGE, 100 * PAGE, SZ_2M, 3 * SZ_2M };

/* What was given and not taken back yet. */
struct grant {
	enum { SHARE, DONATE, DONATE_KEEL } kind;
	struct pa pa;
	u64 size;
	const struct ownership_party *vm;
};

static struct grant grants[40];
static u32 grant_count;

static int give(const struct grant *g)
{
	switch (g->kind) {
	case SHARE:
		return share_pages(g->pa, g->size, g->vm, vm_ipa(g->pa));
	case DONATE:
		return donate_pages(g->pa, g->size, g->vm, vm_ipa(g->pa));
	default:
		return ownership_donate_keel(g->pa, g->size);
	}
}

static int take_back(const struct grant *g)
{
	switch (g->kind) {
	case SHARE:
		return unshare_pages(g->pa, g->size, g->vm, vm_ipa(g->pa));
	case DONATE:
		return reclaim_pages(g->pa, g->size, g->vm, vm_ipa(g->pa));
	default:
		return ownership_reclaim_keel(g->pa, g->size);
	}
}

static bool random_gift(void)
{
	u64 at = fake_rand(10) * 320 * PAGE + fake_rand(100) * PAGE;
	struct grant g = {
		.kind = fake_rand(3),
		.pa = PA(RAM + fake_rand(2) * SZ_1G + at),
		.size = sizes[fake_rand(ARRAY_SIZE(sizes))],
		.vm = &vm_s[fake_rand(VMS)].as_party,
	};

	if (give(&g))
		return false;
	grants[grant_count++] = g;
	return true;
}

/* Gives something that may be anybody's already, or takes back something that was given. */
static bool random_move(void)
{
	u32 i;

	fake_tlb_set_cpu(fake_rand(FAKE_CPUS));
	if (grant_count < ARRAY_SIZE(grants) && fake_rand(3))
		return random_gift();
	if (grant_count == 0)
		return false;
	i = fake_rand(grant_count);
	assert_int_equal(take_back(&grants[i]), 0);
	grants[i] = grants[--grant_count];
	return true;
}

static void random_moves_keep_tables_tlbs_and_states_together(void **state)
{
	static const unsigned int pa_bits[] = { 40, 52 };

	for (size_t i = 0; i < ARRAY_SIZE(pa_bits); i++) {
		unsigned int done = 0;

		fake_srand(100 + i);
		most_tables = grant_count = 0;
		make_machine(pa_bits[i]);
		for (unsigned int step = 0; step < STEPS; step++) {
			for (int n = 0; n < 4; n++)
				touch(RAM + fake_rand(2) * SZ_1G + fake_rand(4096) * PAGE);
			done += random_move();
			fake_tlb_check("a move");
			if (step % 32 == 0)
				check_machine();
		}
		print_message("%u-bit machine: %u moves of %u, up to %u tables for one\n",
			      pa_bits[i], done, STEPS, most_tables);
		assert_true(done > STEPS / 4 && most_tables >= 2);
		drop_machine();
	}
}

/* What was mapped with the largest blocks is so again when everything has come back. */
static void the_hosts_blocks_come_back(void **state)
{
	struct stage2_leaf leaf;
	unsigned int tables;

	make_machine(40);
	tables = fake_mem_in_use();
	for (u64 at = 0; at < 4; at++)
		assert_int_equal(ownership_donate_keel(PA(RAM + SZ_1G + at * 5 * SZ_1M + 3 * PAGE),
						       7 * PAGE),
				 0);
	assert_true(fake_mem_in_use() > tables);
	for (u64 at = 0; at < 4; at++)
		assert_int_equal(ownership_reclaim_keel(PA(RAM + SZ_1G + at * 5 * SZ_1M + 3 * PAGE),
							7 * PAGE),
				 0);
	assert_int_equal(fake_mem_in_use(), tables);
	spin_lock(&host_s.s2.lock);
	assert_int_equal(stage2_lookup(&host_s.s2, IPA(RAM + SZ_1G), &leaf), 0);
	spin_unlock(&host_s.s2.lock);
	assert_true(leaf.size >= SZ_2M);
	check_machine();
	drop_machine();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_moves_keep_tables_tlbs_and_states_together),
		cmocka_unit_test(the_hosts_blocks_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
