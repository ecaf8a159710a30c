// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* A VM's own stage-2 context, and a second one behind which its vCPUs run as well: a shadow. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <vm/donation.h>
#include <vm_machine.h>

#define VTTBR 0x0007000045678000ULL /* a guest hypervisor's */
#define VTCR  0x80023558ULL

static u64 handle;
static struct vm *vm;
static struct s2_context shadow;
static struct page_pool shadow_pool;

/* Memory that EL2 sees. */
static void *keel_pages(u64 pages, u64 align)
{
	struct pa pa = machine_alloc(pages, align);

	assert_int_equal(donation_take(pa, pages), 0);
	return vm_pa_to_va(pa);
}

static void make_shadow(unsigned int bits)
{
	struct s2_context_config config = {
		.vm = vm, .pool = &shadow_pool, .tlb_vttbr = VTTBR, .tlb_vtcr = VTCR
	};
	struct stage2_geometry geometry;
	struct mmu_caps caps;

	cpu_features_mmu_caps(&machine_features, &caps);
	assert_int_equal(stage2_geometry(&geometry, bits, GRANULE_4K, &caps), 0);
	config.geometry = &geometry;
	config.caps = &caps;
	config.root = keel_pages(ALIGN_UP(geometry.root_size, SZ_4K) / SZ_4K, SZ_64K);
	assert_int_equal(page_pool_init(&shadow_pool, keel_pages(16, SZ_4K), 16), 0);
	memset(&shadow, 0, sizeof(shadow));
	assert_int_equal(s2_context_init(&shadow, &config), 0);
}

static int start(void **state)
{
	struct vm_sizes sizes;
	struct pa topup;

	machine_start(&(struct machine_config){ 0 });
	assert_int_equal(vm_sizes(40, &sizes), 0);
	assert_int_equal(
		vm_create(machine_alloc(sizes.vm_pages, SZ_1M), sizes.vm_pages, 40, &handle), 0);
	vm = vm_get(handle);
	topup = machine_alloc(32, SZ_4K);
	assert_int_equal(vm_topup(vm, topup, 32), 0);
	make_shadow(36);
	return 0;
}

static int finish(void **state)
{
	int ret;

	stage2_destroy(&shadow.stage2);
	machine_check_context(&shadow);
	assert_int_equal(shadow.nr_tables, 0);
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	return 0;
}

static void map_own(u64 ipa, u64 pa)
{
	struct vm_mapped mapped = { 0 };

	assert_int_equal(vm_map(vm, IPA(ipa), PA(pa), SZ_4K, KEEL_MAP_WRITE, &mapped), 0);
}

static int lookup(struct s2_context *ctx, u64 ipa, u64 *pa)
{
	struct stage2_leaf leaf;
	int ret;

	spin_lock(&ctx->stage2.lock);
	ret = stage2_lookup(&ctx->stage2, IPA(ipa), &leaf);
	spin_unlock(&ctx->stage2.lock);
	*pa = leaf.pa.v + (ipa - leaf.ipa.v);
	return ret;
}

static void contexts_of_a_vm_are_sane_and_told_apart(void **state)
{
	machine_check_context(&vm->s2);
	machine_check_context(&shadow);
	assert_true(s2_context_is_own(&vm->s2));
	assert_false(s2_context_is_own(&shadow));
	assert_int_not_equal(s2_context_load(&vm->s2), s2_context_load(&shadow));
	assert_int_equal(shadow.tlb_vttbr, VTTBR);
	assert_int_equal(shadow.tlb_vtcr, VTCR);
}

/* Its tables and pages are being counted anew, by another CPU that clears it. */
static void a_vcpu_enters_a_context_that_changes(void **state)
{
	u64 was = shadow.nr_tables;

	shadow.nr_tables = shadow.pool->total + 1;
	assert_false(s2_context_sane(&shadow));
	(void)s2_context_load(&shadow);
	shadow.nr_tables = was;
}

/* What must not be: each by itself is noticed, in the one that it is wrong for. */
static void fields_that_do_not_fit_are_found(void **state)
{
	struct s2_context own = vm->s2, other = shadow;

#define NOTICED(ctx, change)                        \
	do {                                        \
		(ctx)->change;                      \
		assert_false(s2_context_sane(ctx)); \
		vm->s2 = own;                       \
		shadow = other;                     \
		assert_true(s2_context_sane(ctx));  \
	} while (0)

	NOTICED(&vm->s2, pool = &shadow_pool);
	NOTICED(&shadow, pool = &vm->pool);
	NOTICED(&shadow, pool = NULL);
	NOTICED(&shadow, vm = NULL);
	NOTICED(&vm->s2, tlb_vttbr = VTTBR);
	NOTICED(&vm->s2, tlb_vtcr = VTCR);
	NOTICED(&vm->s2, nr_tables = 33 + 1);
	NOTICED(&shadow, nr_tables = 1);
	NOTICED(&shadow, nr_tables--);
	NOTICED(&vm->s2, stage2.mem_ctx = &shadow);
	NOTICED(&vm->s2, stage2.vttbr &= GENMASK(47, 0)); /* the host's VMID */
	NOTICED(&vm->s2, stage2.vttbr += SZ_4K);
	NOTICED(&shadow, stage2.vttbr = own.stage2.vttbr);
	NOTICED(&shadow, stage2.geometry.ia_bits--);
#undef NOTICED
}

/* Both are filled; neither takes what the other has counted on. */
static void each_takes_tables_from_its_own_pool(void **state)
{
	u64 own_free, shadow_free = page_pool_available(&shadow_pool), pa;

	map_own(SZ_1G, machine_alloc(1, SZ_4K).v);
	own_free = page_pool_available(&vm->pool);
	spin_lock(&shadow.stage2.lock); /* and not vm->lock */
	assert_int_equal(stage2_map(&shadow.stage2, IPA(5 * SZ_1G), PA(RAM_BASE), SZ_4K, STAGE2_R),
			 0);
	spin_unlock(&shadow.stage2.lock);
	assert_int_equal(page_pool_available(&vm->pool), own_free);
	assert_int_equal(shadow_free - page_pool_available(&shadow_pool), shadow.nr_tables);
	assert_true(shadow.nr_tables > 0);
	machine_check_context(&vm->s2);
	machine_check_context(&shadow);
	assert_int_equal(lookup(&vm->s2, 5 * SZ_1G, &pa), -ENOENT);
	assert_int_equal(lookup(&shadow, 5 * SZ_1G, &pa), 0);
}

static void takes_over(struct s2_context *ctx, unsigned int cpu, unsigned int vcpu, bool forgets)
{
	u64 before = machine_vmalle1s;

	s2_context_take_over(ctx, cpu, vcpu);
	assert_int_equal(machine_vmalle1s - before, forgets);
}

/* ASIDs are private to a vCPU: what it left on a CPU is forgotten when another one runs there in the same context. */
static void a_vcpu_finds_nothing_of_another_ones(void **state)
{
	takes_over(&vm->s2, 0, 0, true);
	takes_over(&vm->s2, 0, 0, false);
	takes_over(&vm->s2, 1, 1, true);
	takes_over(&vm->s2, 0, 1, true);
	takes_over(&vm->s2, 1, 1, false);
	/* what ran in the shadow is of another VMID */
	takes_over(&shadow, 0, 0, true);
	takes_over(&vm->s2, 0, 1, false);
	takes_over(&shadow, 0, 0, false);
	takes_over(&shadow, 0, 1, true);
	takes_over(&vm->s2, 0, VM_VCPUS_MAX - 1, true);
	takes_over(&vm->s2, 0, VM_VCPUS_MAX - 1, false);
}

/* Of the lowest rank first: docs/locking.md. */
static void the_own_lock_comes_before_the_shadows(void **state)
{
	assert_int_equal(vm->s2.stage2.lock.rank, LOCK_STAGE2);
	assert_int_equal(shadow.stage2.lock.rank, LOCK_SHADOW_STAGE2);
	assert_true(LOCK_STAGE2 < LOCK_SHADOW_STAGE2);
	assert_true(LOCK_SHADOW_STAGE2 < LOCK_PAGE_POOL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)
	const struct CMUnitTest tests[] = {
		TEST(contexts_of_a_vm_are_sane_and_told_apart),
		TEST(a_vcpu_enters_a_context_that_changes),
		TEST(fields_that_do_not_fit_are_found),
		TEST(each_takes_tables_from_its_own_pool),
		TEST(a_vcpu_finds_nothing_of_another_ones),
		TEST(the_own_lock_comes_before_the_shadows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
