// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* The life of VMs and vCPUs: handles, donated memory, and that nothing of them is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <arch/foreign.h>
#include <arch/percpu.h>
#include <cpu/percpu.h>
#include <vm/donation.h>
#include <vm/run.h>
#include <vm_machine.h>

#define HANDLES_MAX 200

static struct vm_sizes sizes;

static int start(void **state)
{
	machine_start(&(struct machine_config){ .sve = true, .pauth = true });
	assert_int_equal(vm_sizes(0, &sizes), 0);
	return 0;
}

static int finish(void **state)
{
	machine_check();
	return 0;
}

/* ---- helpers ---- */

struct a_vm {
	u64 handle;
	struct pa pa;
};

static int try_create(struct a_vm *vm, u64 ipa_bits)
{
	struct vm_sizes s;
	int ret;

	assert_int_equal(vm_sizes(ipa_bits, &s), 0);
	vm->pa = machine_alloc(s.vm_pages, SZ_64K);
	ret = vm_create(vm->pa, s.vm_pages, ipa_bits, &vm->handle);
	if (ret)
		machine_free(vm->pa, s.vm_pages);
	return ret;
}

static struct a_vm create(u64 ipa_bits)
{
	struct a_vm vm;

	assert_int_equal(try_create(&vm, ipa_bits), 0);
	return vm;
}

static void destroy(u64 handle)
{
	int ret, calls = 0;

	while ((ret = vm_destroy(handle)) == -EAGAIN || ret == -ENOBUFS)
		if (++calls > 100000)
			fail_msg("a VM does not end");
	assert_int_equal(ret, 0);
}

static int add_vcpu(u64 handle, u64 index, struct pa *run)
{
	struct vm *vm = vm_get(handle);
	struct pa pa = machine_alloc(sizes.vcpu_pages, SZ_4K);
	int ret;

	assert_non_null(vm);
	*run = machine_alloc(1, SZ_4K);
	ret = vcpu_create(vm, index, pa, sizes.vcpu_pages, *run);
	vm_put(vm);
	return ret;
}

/* ---- sizes ---- */

static void ipa_sizes_are_what_the_machine_has(void **state)
{
	static const struct {
		unsigned int pa_bits;
		enum granule granule;
		unsigned int def, max;
	} rows[] = {
		{ 36, GRANULE_4K, 36, 36 },  { 40, GRANULE_4K, 40, 40 },
		{ 44, GRANULE_4K, 40, 44 },  { 48, GRANULE_4K, 40, 48 },
		{ 52, GRANULE_4K, 40, 52 },  { 36, GRANULE_16K, 36, 36 },
		{ 48, GRANULE_16K, 40, 48 }, { 52, GRANULE_16K, 40, 52 },
		{ 36, GRANULE_64K, 36, 36 }, { 48, GRANULE_64K, 40, 48 },
		{ 52, GRANULE_64K, 40, 52 },
	};
	struct vm_sizes s;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_start(&(struct machine_config){ .pa_bits = rows[i].pa_bits,
							.granule = rows[i].granule });
		assert_int_equal(vm_sizes(0, &s), 0);
		assert_int_equal(s.ipa_bits_default, rows[i].def);
		assert_int_equal(s.ipa_bits_max, rows[i].max);
		assert_int_equal(1ULL << s.granule_shift, granule_size(rows[i].granule));
		for (u64 bits = 1; bits < 70; bits++) {
			int want = bits < 32 || bits > rows[i].max ? -EINVAL : 0;

			if (vm_sizes(bits, &s) != want)
				fail_msg("%u-bit machine: VM of %u bits: %d", rows[i].pa_bits,
					 (unsigned int)bits, vm_sizes(bits, &s));
		}
		assert_int_equal(vm_sizes(~0ULL, &s), -EINVAL);
		assert_int_equal(vm_sizes((1ULL << 32) + 40, &s), -EINVAL);
	}
}

static void the_ipa_size_decides_vtcr(void **state)
{
	struct mmu_caps caps;

	machine_start(&(struct machine_config){ .pa_bits = 52 });
	cpu_features_mmu_caps(&machine_features, &caps);
	for (u64 bits = 32; bits <= 52; bits++) {
		struct stage2_geometry want;
		struct a_vm a = create(bits);
		struct vm *vm = vm_get(a.handle);

		assert_int_equal(stage2_geometry(&want, (unsigned int)bits, GRANULE_4K, &caps), 0);
		assert_int_equal(vm->s2.stage2.geometry.vtcr, want.vtcr);
		assert_int_equal(stage2_size(&vm->s2.stage2), 1ULL << bits);
		assert_int_equal(vm->s2.stage2.vttbr & GENMASK(47, 0), a.pa.v); /* the root */
		assert_int_not_equal(vm->s2.stage2.vttbr >> 48, VMID_HOST);
		vm_put(vm);
		destroy(a.handle);
	}
}

/* ---- handles ---- */

static void handles_are_never_the_same(void **state)
{
	u64 old[HANDLES_MAX];

	for (int i = 0; i < HANDLES_MAX; i++) {
		old[i] = create(0).handle;
		destroy(old[i]);
		for (int j = 0; j < i; j++)
			assert_int_not_equal(old[i], old[j]);
	}
	create(0);
	for (int i = 0; i < HANDLES_MAX; i++) {
		assert_null(vm_get(old[i]));
		assert_int_equal(vm_destroy(old[i]), -ENOENT);
	}
}

static void invented_handles_find_nothing(void **state)
{
	u64 real = create(0).handle;

	assert_null(vm_get(0));
	for (int bit = 0; bit < 64; bit++) {
		assert_null(vm_get(real ^ (1ULL << bit)));
		assert_int_equal(vm_destroy(real ^ (1ULL << bit)), -ENOENT);
	}
	assert_null(vm_get(~0ULL));
	for (u64 index = 0; index < 0x10000; index++)
		assert_null(vm_get(index));
	assert_non_null(vm_get(real));
}

static void hundreds_of_vms_can_exist_at_a_time(void **state)
{
	struct machine_state *before = machine_save();
	struct a_vm vms[HANDLES_MAX];

	for (int i = 0; i < HANDLES_MAX; i++) {
		vms[i] = create(0);
		machine_check();
	}
	for (int i = 0; i < HANDLES_MAX; i++) {
		struct vm *vm = vm_get(vms[i].handle);

		assert_non_null(vm);
		assert_int_equal(vm->handle, vms[i].handle);
		assert_int_equal(vm->s2.stage2.vttbr & GENMASK(47, 0), vms[i].pa.v);
		vm_put(vm);
	}
	for (int i = 0; i < HANDLES_MAX; i++)
		destroy(vms[i].handle);
	/* The table has grown to 256 slots, and stays so. */
	machine_pool.free += HANDLES_MAX / VM_SLOTS_PER_PAGE;
	machine_assert_same(before, "after 200 VMs");
	machine_pool.free -= HANDLES_MAX / VM_SLOTS_PER_PAGE;
	machine_drop(before);
}

static void a_table_without_memory_refuses(void **state)
{
	while (page_pool_available(&machine_pool))
		assert_non_null(page_pool_alloc(&machine_pool));
	for (unsigned int i = 0; i < VM_SLOTS_PER_PAGE; i++)
		create(0);
	assert_int_equal(try_create(&(struct a_vm){ 0 }, 0), -ENOBUFS);
	/* It is Keel's pool that is short, and the host can do something about that. */
	for (u64 n = 1; n <= 2; n++) {
		struct pa pa =
			machine_alloc(KEEL_POOL_DONATE_PAGES, KEEL_POOL_DONATE_PAGES * SZ_4K);

		assert_int_equal(vm_pool_donate(pa, KEEL_POOL_DONATE_PAGES), 0);
		assert_int_equal(page_pool_available(&machine_pool), n * KEEL_POOL_DONATE_PAGES);
	}
	create(0);
}

static void bad_donations_to_the_pool_change_nothing(void **state)
{
	struct pa pa = machine_alloc(512, SZ_2M), used = create(0).pa;
	struct machine_state *before = machine_save();
	static const struct {
		u64 offset, pages;
		int ret;
	} bad[] = {
		{ 0, 0, -EINVAL },
		{ 0, KEEL_POOL_DONATE_PAGES / 2, -EINVAL },
		{ 0, KEEL_POOL_DONATE_PAGES + 1, -EINVAL },
		{ 0, 24, -EINVAL },
		{ 0, 1024, -EINVAL },
		{ 0, ~0ULL, -EINVAL },
		{ 1, 8, -EINVAL },
		{ SZ_4K, 8, -EINVAL },
		{ 8 * SZ_4K, 16, -EINVAL },
		{ 0, KEEL_POOL_DONATE_PAGES * 2, -EINVAL },
		{ FAR_BASE - RAM_BASE, 8, -ERANGE },
		{ IMAGE_BASE - RAM_BASE, 8, -EPERM },
		{ ~0ULL << 15, 8, -ERANGE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 base = bad[i].offset >= IMAGE_BASE - RAM_BASE ? RAM_BASE : pa.v;
		int ret = vm_pool_donate(PA(base + bad[i].offset), bad[i].pages);

		if (ret != bad[i].ret)
			fail_msg("row %zu: %d, expected %d", i, ret, bad[i].ret);
		machine_assert_same(before, "a bad donation to the pool");
	}
	assert_int_equal(vm_pool_donate(PA(ALIGN_DOWN(used.v, 8 * SZ_4K)), 8), -EPERM);
	for (int n = 0; n < 2; n++) {
		machine_fail_after(n);
		assert_int_equal(vm_pool_donate(pa, KEEL_POOL_DONATE_PAGES), -ENOBUFS);
		machine_assert_same(before, "a donation that failed");
		assert_int_equal(machine_pool.reserve, KEEL_POOL_RESERVE);
	}
	assert_int_equal(vm_pool_donate(pa, KEEL_POOL_DONATE_PAGES), 0);
	assert_int_equal(vm_pool_donate(pa, KEEL_POOL_DONATE_PAGES), -EPERM);
	assert_int_equal(ownership_state(pa), OWNERSHIP_KEEL);
	machine_drop(before);
}

/* What the pool was given comes back as it went, unless it is in use. */
static void the_pool_gives_back_what_is_free(void **state)
{
	struct pa pa = machine_alloc(KEEL_POOL_DONATE_PAGES, KEEL_POOL_DONATE_PAGES * SZ_4K);
	struct machine_state *before = machine_save(), *given;
	void *page;

	assert_int_equal(vm_pool_reclaim(pa, KEEL_POOL_DONATE_PAGES), -EPERM);
	assert_int_equal(vm_pool_donate(pa, KEEL_POOL_DONATE_PAGES), 0);
	given = machine_save();
	assert_int_equal(vm_pool_reclaim(pa, 4), -EINVAL);
	assert_int_equal(vm_pool_reclaim(PA(pa.v + SZ_4K), 8), -EINVAL);
	assert_int_equal(vm_pool_reclaim(pa, 32), -EINVAL);
	assert_int_equal(vm_pool_reclaim(PA(pa.v - 8 * SZ_4K), 8), -EPERM);
	assert_int_equal(vm_pool_reclaim(PA(IMAGE_BASE), 8), -EPERM);
	assert_int_equal(vm_pool_reclaim(PA(FAR_BASE), 8), -ERANGE);
	machine_assert_same(given, "refusals");
	machine_drop(given);
	/* The reserve would suffer; one page of it is in use. */
	machine_pool.reserve = page_pool_available(&machine_pool) - (KEEL_POOL_DONATE_PAGES - 1);
	assert_int_equal(vm_pool_reclaim(pa, KEEL_POOL_DONATE_PAGES), -EBUSY);
	machine_pool.reserve = KEEL_POOL_RESERVE;
	page = vm_pa_to_va(PA(pa.v + 5 * SZ_4K));
	assert_true(page_pool_take_range(&machine_pool, page, 1));
	assert_int_equal(vm_pool_reclaim(pa, KEEL_POOL_DONATE_PAGES), -EBUSY);
	assert_int_equal(page_pool_add(&machine_pool, page, 1), 0);
	assert_int_equal(ownership_state(PA(pa.v + 7 * SZ_4K)), OWNERSHIP_KEEL);
	assert_int_equal(vm_pool_reclaim(pa, KEEL_POOL_DONATE_PAGES), 0);
	assert_int_equal(ownership_state(PA(pa.v + 7 * SZ_4K)), OWNERSHIP_HOST);
	assert_int_equal(vm_pool_reclaim(pa, KEEL_POOL_DONATE_PAGES), -EPERM);
	machine_assert_same(before, "a donation that came back");
	machine_drop(before);
}

static void a_vm_in_use_is_not_destroyed(void **state)
{
	u64 handle = create(0).handle;
	struct machine_state *before = machine_save();
	struct vm *one = vm_get(handle), *two = vm_get(handle);

	assert_ptr_equal(one, two);
	assert_int_equal(vm_destroy(handle), -EBUSY);
	vm_put(one);
	assert_int_equal(vm_destroy(handle), -EBUSY);
	machine_assert_same(before, "a refused end");
	assert_ptr_equal(vm_get(handle), two); /* it was not closed */
	vm_put(two);
	vm_put(two);
	destroy(handle);
	machine_drop(before);
}

/* ---- creating ---- */

static void bad_donations_change_nothing(void **state)
{
	struct pa pa = machine_alloc(1024, SZ_2M);
	struct machine_state *before = machine_save();
	u64 n = sizes.vm_pages;
	const struct {
		const char *what;
		u64 pa, pages, ipa_bits;
		int want;
	} rows[] = {
		{ "too few pages", pa.v, n - 1, 0, -EINVAL },
		{ "no pages", pa.v, 0, 0, -EINVAL },
		{ "too many pages", pa.v, 513, 0, -EINVAL },
		{ "pages that overflow", pa.v, 1ULL << 52, 0, -EINVAL },
		{ "aligned to a page alone", pa.v + SZ_4K, n, 0, -EINVAL },
		{ "not aligned", pa.v + 8, n, 0, -EINVAL },
		{ "31 IPA bits", pa.v, n, 31, -EINVAL },
		{ "49 IPA bits", pa.v, n, 49, -EINVAL },
		{ "no RAM", DEVICE, n, 0, -ERANGE },
		{ "the top of the address space", ~0ULL << 16, 15, 0, -ERANGE },
		{ "over the top of the address space", ~0ULL << 16, 17, 0, -EINVAL },
		{ "RAM that EL2 does not see", FAR_BASE, n, 0, -ERANGE },
		{ "over the end of RAM", RAM_END - SZ_64K, 32, 0, -ERANGE },
		{ "Keel's memory", IMAGE_BASE, n, 0, -EPERM },
		{ "partly Keel's memory", IMAGE_BASE - SZ_64K, 32, 0, -EPERM },
	};
	u64 handle = 77;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int ret = vm_create(PA(rows[i].pa), rows[i].pages, rows[i].ipa_bits, &handle);

		if (ret != rows[i].want)
			fail_msg("%s: %d, should be %d", rows[i].what, ret, rows[i].want);
		assert_int_equal(handle, 77);
		machine_assert_same(before, rows[i].what);
	}
	machine_drop(before);
}

/*
 * Each page of it in turn does not answer, or only a part of what a pool keeps there of free pages:
 * Keel notices before it depends on it.
 */
static void memory_that_does_not_answer_is_not_taken(void **state)
{
	struct pa pa = machine_alloc(64, SZ_2M), topup = machine_alloc(16, SZ_64K);
	struct machine_state *before = machine_save();
	u64 handle = 77;
	struct vm *vm;

	for (u64 i = 0; i < sizes.vm_pages; i++) {
		machine_bad_page = pa.v + i * SZ_4K + i * sizeof(u64) % POOL_NODE_BYTES;
		assert_int_equal(vm_create(pa, sizes.vm_pages, 0, &handle), -EFAULT);
		machine_assert_same(before, "a page that does not answer");
	}
	machine_bad_page = 0;
	machine_drop(before);
	assert_int_equal(vm_create(pa, sizes.vm_pages, 0, &handle), 0);
	before = machine_save();
	vm = vm_get(handle);
	for (u64 i = 0; i < POOL_NODE_BYTES; i += sizeof(u64)) {
		machine_bad_page = topup.v + 15 * SZ_4K + i;
		assert_int_equal(vm_topup(vm, topup, 16), -EFAULT);
		assert_int_equal(donation_to_pool(&machine_pool, PA(topup.v + 8 * SZ_4K),
						  KEEL_POOL_DONATE_PAGES),
				 -EFAULT);
	}
	machine_assert_same(before, "a page that does not answer");
	vm_put(vm);
	machine_drop(before);
}

/* A page that fails later does not come back; everything else does, and the VM ends. */
static void a_page_that_fails_later_is_lost(void **state)
{
	struct a_vm a = create(0);

	machine_bad_page = a.pa.v + SZ_4K;
	destroy(a.handle);
	for (u64 i = 0; i < sizes.vm_pages; i++)
		assert_int_equal(ownership_state(PA(a.pa.v + i * SZ_4K)),
				 i == 1 ? OWNERSHIP_IMAGE : OWNERSHIP_HOST);
}

/* 64K pages and 33 bits: 16 tables side by side, a root of 1 MiB. */
static void a_large_root_is_aligned_to_its_size(void **state)
{
	struct machine_state *before;
	struct pa pa;
	struct vm_sizes s;
	u64 handle;

	machine_start(&(struct machine_config){ .granule = GRANULE_64K });
	assert_int_equal(vm_sizes(33, &s), 0);
	pa = machine_alloc(2 * s.vm_pages, SZ_1M);
	before = machine_save();
	assert_int_equal(vm_create(PA(pa.v + SZ_64K), s.vm_pages, 33, &handle), -EINVAL);
	assert_int_equal(vm_create(PA(pa.v + SZ_1M / 2), s.vm_pages, 33, &handle), -EINVAL);
	assert_int_equal(vm_create(pa, s.vm_pages - 1, 33, &handle), -EINVAL);
	machine_assert_same(before, "a root that is not aligned");
	assert_int_equal(vm_create(pa, s.vm_pages, 33, &handle), 0);
	assert_int_equal(vm_get(handle)->s2.stage2.vttbr & GENMASK(47, 0), pa.v);
	machine_drop(before);
}

static void donated_memory_cannot_be_donated_again(void **state)
{
	struct a_vm a = create(0);
	u64 handle;

	assert_int_equal(vm_create(a.pa, sizes.vm_pages, 0, &handle), -EPERM);
	destroy(a.handle);
	assert_int_equal(vm_create(a.pa, sizes.vm_pages, 0, &handle), 0);
}

static void memory_comes_back_cleared(void **state)
{
	struct a_vm a = create(0);
	struct pa run;

	assert_int_equal(add_vcpu(a.handle, 0, &run), 0);
	destroy(a.handle);
	for (u64 i = 0; i < sizes.vm_pages * SZ_4K; i++)
		assert_int_equal(machine_host_page(PA(a.pa.v + ALIGN_DOWN(i, SZ_4K)))[i % SZ_4K],
				 0);
	/* The run page was only shared: it is as the host left it. */
	assert_int_equal(machine_host_page(run)[0], 0xa5);
}

/* ---- vCPUs ---- */

static void mpidr_counts_as_kvm_does(void **state)
{
	static const struct {
		u64 index, mpidr;
	} rows[] = { { 0, 0x80000000 },	 { 1, 0x80000001 },   { 15, 0x8000000f },
		     { 16, 0x80000100 }, { 255, 0x80000f0f }, { 256, 0x80001000 },
		     { 511, 0x80001f0f } };
	u64 handle = create(0).handle;
	struct pa run;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm *vm = vm_get(handle);
		struct vcpu *vcpu;

		assert_int_equal(add_vcpu(handle, rows[i].index, &run), 0);
		vcpu = vm_vcpu(vm, rows[i].index);
		assert_int_equal(vcpu->mpidr, rows[i].mpidr);
		assert_int_equal(vcpu->index, rows[i].index);
		assert_int_equal(vcpu->number, i);
		vm_put(vm);
	}
}

static void a_vcpu_is_made_of_its_memory(void **state)
{
	u64 handle = create(0).handle;
	struct pa run;
	struct vm *vm;
	struct vcpu *vcpu;

	assert_int_equal(add_vcpu(handle, 3, &run), 0);
	vm = vm_get(handle);
	vcpu = vm_vcpu(vm, 3);
	assert_ptr_equal(vcpu->vm, vm);
	assert_ptr_equal(vcpu->s2, &vm->s2);
	assert_ptr_equal(vcpu->s2->vm, vm);
	assert_true(s2_context_sane(vcpu->s2));
	assert_true(IS_ALIGNED((uintptr_t)vcpu->sysreg, 4096));
	for (size_t i = 0; i < VCPU_SYSREG_BYTES / 8; i++)
		assert_int_equal(vcpu->sysreg[i], 0);
	assert_int_equal(vcpu->fp->ffr[31], 0);
	assert_int_equal(vm_va_to_pa(vcpu->run).v, run.v);
	assert_int_equal(vcpu->run->data[0], 0xa5); /* EL2 reaches it, contents are the host's */
	assert_int_equal(ownership_state(run), OWNERSHIP_SHARED);
	assert_int_equal(vcpu->owner, VCPU_NO_OWNER);
	assert_int_equal(vcpu->last_cpu, VCPU_NO_OWNER);
	assert_false(vcpu->initialized);
	assert_int_equal(vm->nr_vcpus, 1);
	assert_null(vm_vcpu(vm, 2));
	assert_null(vm_vcpu(vm, 512));
	assert_null(vm_vcpu(vm, ~0ULL));
	vm_put(vm);
}

static void a_vm_has_512_vcpus(void **state)
{
	struct machine_state *before = machine_save();
	u64 handle = create(0).handle;
	struct pa run;

	for (u64 i = 0; i < 512; i++) {
		struct pa pa = machine_alloc(1, SZ_4K);
		struct vm *vm = vm_get(handle);

		/* The records of so many donations need a page now and then. */
		if (i % 100 == 0)
			assert_int_equal(vm_topup(vm, pa, 1), 0);
		vm_put(vm);
		if (add_vcpu(handle, i, &run))
			fail_msg("vCPU %d cannot be created", (int)i);
	}
	machine_check();
	destroy(handle);
	machine_assert_same(before, "after 512 vCPUs");
	machine_drop(before);
}

static void a_record_without_memory_asks_for_a_topup(void **state)
{
	u64 handle = create(0).handle, index;
	struct pa run, pa, pa2;
	struct vm *vm = vm_get(handle);
	struct machine_state *before;

	for (index = 0; index < 254; index++)
		assert_int_equal(add_vcpu(handle, index, &run), 0);
	pa = machine_alloc(sizes.vcpu_pages, SZ_4K);
	pa2 = machine_alloc(1, SZ_4K);
	run = machine_alloc(1, SZ_4K);
	before = machine_save();
	assert_int_equal(vcpu_create(vm, 254, pa, sizes.vcpu_pages, run), -ENOMEM);
	machine_assert_same(before, "no memory for the record");
	assert_int_equal(vm_topup(vm, pa2, 1), 0);
	assert_int_equal(vcpu_create(vm, 254, pa, sizes.vcpu_pages, run), 0);
	vm_put(vm);
	destroy(handle);
	machine_drop(before);
}

/* The page for a record was taken, and then the donation failed. */
static void an_empty_page_of_records_does_no_harm(void **state)
{
	struct machine_state *before = machine_save();
	u64 handle = create(0).handle, index;
	struct vm *vm = vm_get(handle);
	struct pa run = machine_alloc(1, SZ_4K), pa;

	assert_int_equal(vm_topup(vm, machine_alloc(4, SZ_4K), 4), 0);
	for (index = 0; index < 253; index++)
		assert_int_equal(add_vcpu(handle, index, &pa), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vcpu_create(vm, 300, PA(IMAGE_BASE), sizes.vcpu_pages, run),
				 -EPERM);
	assert_int_equal(page_pool_available(&vm->pool), 3);
	vm_put(vm);
	destroy(handle);
	machine_assert_same(before, "an empty page of records");
	machine_drop(before);
}

static void donation_records_that_do_not_fit_are_found(void **state)
{
	u64 handle = create(0).handle, index;
	struct vm *vm = vm_get(handle);
	struct donation_page *newest, *oldest;
	struct pa run;

	assert_int_equal(vm_topup(vm, machine_alloc(4, SZ_4K), 4), 0);
	for (index = 0; index < 254; index++)
		assert_int_equal(add_vcpu(handle, index, &run), 0);
	newest = vm->donations;
	oldest = newest->older;
	assert_non_null(oldest);
	assert_true(donation_sane(vm));
#define INSANE(field, value)                               \
	do {                                               \
		__typeof__(field) was_ = (field);          \
                                                           \
		(field) = (value);                         \
		if (donation_sane(vm))                     \
			fail_msg("%s: not found", #field); \
		(field) = was_;                            \
	} while (0)
	INSANE(vm->donated_pages, vm->donated_pages + 1);
	INSANE(newest->count, newest->count - 1);
	INSANE(newest->count, DONATIONS_PER_PAGE + 1);
	INSANE(oldest->count, oldest->count - 1);
	INSANE(newest->record[0].pages, 0);
	INSANE(newest->record[0].pages, newest->record[0].pages + 1);
	INSANE(newest->record[0].pa, PA(newest->record[0].pa.v + 1));
	INSANE(oldest->record[9].pa, machine_alloc(1, SZ_4K)); /* the host's */
	INSANE(oldest->record[0].pa, newest->record[0].pa);    /* where the page lies itself */
	INSANE(vm->pool.total, vm->donated_pages + 1);
#undef INSANE
	assert_true(donation_sane(vm));
	vm_put(vm);
	destroy(handle);
}

static void bad_vcpus_change_nothing(void **state)
{
	u64 handle = create(0).handle;
	struct pa pa = machine_alloc(64, SZ_64K), run = machine_alloc(1, SZ_4K), taken;
	u64 n = sizes.vcpu_pages;
	const struct {
		const char *what;
		u64 index, pa, pages, run;
		int want;
	} rows[] = {
		{ "an index of 512", 512, pa.v, n, run.v, -EINVAL },
		{ "a huge index", 1ULL << 32, pa.v, n, run.v, -EINVAL },
		{ "an index that is taken", 5, pa.v, n, run.v, -EEXIST },
		{ "too few pages", 1, pa.v, n - 1, run.v, -EINVAL },
		{ "too many pages", 1, pa.v, 513, run.v, -EINVAL },
		{ "not aligned", 1, pa.v + 16, n, run.v, -EINVAL },
		{ "a run page not aligned", 1, pa.v, n, run.v + 8, -EINVAL },
		{ "a run page that is another's", 1, pa.v, n, 0, -EEXIST },
		{ "a run page in what is donated", 1, pa.v, n, pa.v + SZ_4K, -EBUSY },
		{ "a run page of Keel's", 1, pa.v, n, IMAGE_BASE, -EPERM },
		{ "a run page that is a device", 1, pa.v, n, DEVICE, -ERANGE },
		{ "a run page that EL2 does not see", 1, pa.v, n, FAR_BASE, -ERANGE },
		{ "Keel's pages", 1, IMAGE_BASE, n, run.v, -EPERM },
		{ "pages that are a run page", 1, 0, n, run.v, -EBUSY },
	};
	struct machine_state *before;
	struct vm *vm;

	assert_int_equal(add_vcpu(handle, 5, &taken), 0);
	before = machine_save();
	vm = vm_get(handle);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pa p = PA(rows[i].pa ? rows[i].pa : taken.v);
		struct pa r = PA(rows[i].run ? rows[i].run : taken.v);
		int ret = vcpu_create(vm, rows[i].index, p, rows[i].pages, r);

		if (ret != rows[i].want)
			fail_msg("%s: %d, should be %d", rows[i].what, ret, rows[i].want);
		machine_assert_same(before, rows[i].what);
		assert_int_equal(vm->nr_vcpus, 1);
	}
	vm->vgic = (struct vgic *)vm;
	assert_int_equal(vcpu_create(vm, 1, pa, n, run), -EBUSY);
	machine_assert_same(before, "a complete vGIC");
	vm->vgic = NULL;
	for (u64 at = 0; at < SZ_4K; at += sizeof(u64)) {
		machine_bad_page = run.v + at;
		assert_int_equal(vcpu_create(vm, 1, pa, n, run), -EFAULT);
		machine_assert_same(before, "a run page with a word that does not answer");
	}
	machine_bad_page = pa.v + (n - 1) * SZ_4K;
	assert_int_equal(vcpu_create(vm, 1, pa, n, run), -EFAULT);
	machine_assert_same(before, "a page of the vCPU's that does not answer");
	vm_put(vm);
	machine_drop(before);
}

static void a_run_page_may_be_guest_memory_too(void **state)
{
	struct machine_state *before = machine_save();
	u64 handle = create(0).handle;
	struct vm_mapped mapped = { 0 };
	struct vm *vm = vm_get(handle);
	struct pa run;

	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	assert_int_equal(vm_topup(vm, machine_alloc(8, SZ_4K), 8), 0);
	assert_int_equal(vm_map(vm, IPA(0), run, SZ_4K, KEEL_MAP_WRITE, &mapped), 0);
	assert_int_equal(ownership_share_count(run), 2);
	vm_put(vm);
	destroy(handle);
	machine_assert_same(before, "a run page that was mapped");
	machine_drop(before);
}

/* ---- features and states ---- */

/* vcpu_init() by the vCPU's owner. */
static int init_vcpu(struct vcpu *vcpu, u64 features)
{
	int ret;

	assert_int_equal(vcpu->owner, VCPU_NO_OWNER);
	vcpu->owner = this_cpu()->id;
	ret = vcpu_init(vcpu, features);
	vcpu->owner = VCPU_NO_OWNER;
	return ret;
}

static void features_are_what_the_machine_has(void **state)
{
	static const struct {
		bool sve, pauth;
		u64 features;
		int want;
	} rows[] = {
		{ false, false, 0, 0 },
		{ false, false, 0x4, 0 },
		{ false, false, 0x5, 0 },
		{ true, true, 0x2, -EINVAL }, /* AArch32 */
		{ true, true, 0x8, -EINVAL }, /* PMU */
		{ false, true, 0x10, -EINVAL },
		{ true, false, 0x10, 0 },
		{ true, false, 0x60, -EINVAL },
		{ true, true, 0x60, 0 },
		{ true, true, 0x20, -EINVAL }, /* address and generic keys go together */
		{ true, true, 0x40, -EINVAL },
		{ true, true, 0x80, -EINVAL }, /* virtual EL2 */
		{ true, true, 1ULL << 40, -EINVAL },
		{ true, true, 0x75, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vcpu *vcpu;
		struct pa run;
		u64 handle;
		int ret;

		machine_start(
			&(struct machine_config){ .sve = rows[i].sve, .pauth = rows[i].pauth });
		handle = create(0).handle;
		assert_int_equal(add_vcpu(handle, 0, &run), 0);
		vcpu = vm_vcpu(vm_get(handle), 0);
		ret = init_vcpu(vcpu, rows[i].features);
		if (ret != rows[i].want)
			fail_msg("features %#llx with SVE %d, PAuth %d: %d",
				 (unsigned long long)rows[i].features, rows[i].sve, rows[i].pauth,
				 ret);
		assert_int_equal(vcpu->initialized, ret == 0);
		assert_int_equal(machine_resets, ret == 0);
		if (!ret)
			assert_int_equal(vcpu->features, rows[i].features & ~1ULL);
	}
}

/* By whom, if by anybody; and it takes a vGIC for its interrupt. */
static void spe_is_as_the_machine_was_told(void **state)
{
	static const struct {
		bool gicv3;
		u32 how, want;
	} rows[] = {
		{ false, KEEL_SPE_EMULATED, 0 },
		{ false, KEEL_SPE_HARDWARE, 0 },
		{ true, 0, 0 },
		{ true, KEEL_SPE_EMULATED, KEEL_SPE_EMULATED },
		{ true, KEEL_SPE_HARDWARE, KEEL_SPE_HARDWARE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_sizes sizes;
		struct pa run;
		u64 handle;

		machine_start(&(struct machine_config){ .gicv3 = rows[i].gicv3 });
		vm_set_spe(rows[i].how);
		assert_int_equal(vm_sizes(0, &sizes), 0);
		assert_int_equal(sizes.spe, rows[i].want);
		assert_int_equal(!(sizes.features & BIT(VCPU_SPE)), !rows[i].want);
		handle = create(0).handle;
		assert_int_equal(add_vcpu(handle, 0, &run), 0);
		assert_int_equal(init_vcpu(vm_vcpu(vm_get(handle), 0), 0x4 | BIT(VCPU_SPE)),
				 rows[i].want ? 0 : -EINVAL);
	}
}

static void memory_tags_are_of_all_vcpus_of_a_vm_or_of_none(void **state)
{
	u64 handle;
	struct pa run;
	struct vm *vm;

	handle = create(0).handle;
	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	assert_int_equal(init_vcpu(vm_vcpu(vm_get(handle), 0), 0x4 | BIT(VCPU_MTE)), -EINVAL);

	machine_start(&(struct machine_config){ .mte = true });
	vm_set_nested(&(const struct vm_nested_ops){ 0 });
	assert_int_equal(vm_sizes(0, &sizes), 0);
	assert_true(sizes.features & BIT(VCPU_MTE));
	for (unsigned int with = 0; with < 2; with++) {
		u64 mine = 0x4 | (with ? BIT(VCPU_MTE) : 0), other = mine ^ BIT(VCPU_MTE);

		handle = create(0).handle;
		assert_int_equal(add_vcpu(handle, 0, &run), 0);
		assert_int_equal(add_vcpu(handle, 1, &run), 0);
		vm = vm_get(handle);
		assert_int_equal(init_vcpu(vm_vcpu(vm, 0), 0x4 | BIT(VCPU_MTE) | BIT(VCPU_HAS_EL2)),
				 -EINVAL);
		assert_int_equal(init_vcpu(vm_vcpu(vm, 0), mine), 0);
		assert_int_equal(vm_vcpu(vm, 0)->has_tags, with);
		assert_int_equal(init_vcpu(vm_vcpu(vm, 1), other), -EINVAL);
		assert_int_equal(init_vcpu(vm_vcpu(vm, 1), mine), 0);
	}
}

/* All vCPUs of a VM or none, and not with what Keel cannot have at EL2; nobody has it unless told. */
static unsigned int prepared;
static int prepare_result;

static int prepare_el2(struct vcpu *vcpu)
{
	assert_non_null(vcpu->nested);
	prepared++;
	return prepare_result;
}

static void an_el2_is_there_if_keel_was_told(void **state)
{
	static const u64 with[] = { BIT(VCPU_SPE), BIT(VCPU_PTRAUTH_ADDRESS), BIT(8) };
	const u64 more = BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC) | BIT(VCPU_SVE);
	const u64 nvhe = BIT(VCPU_HAS_EL2) | BIT(VCPU_HAS_EL2_E2H0);
	u64 handle, pages;
	struct pa run;
	struct vm *vm;

	machine_start(&(struct machine_config){ .gicv3 = true, .pauth = true, .sve = true });
	vm_set_spe(KEEL_SPE_EMULATED);
	assert_int_equal(vm_sizes(0, &sizes), 0);
	assert_false(sizes.features & BIT(VCPU_HAS_EL2));
	pages = sizes.vcpu_pages;
	handle = create(0).handle;
	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	assert_int_equal(init_vcpu(vm_vcpu(vm_get(handle), 0), 0x4 | BIT(VCPU_HAS_EL2)), -EINVAL);
	assert_null(vm_vcpu(vm_get(handle), 0)->nested);

	vm_set_nested(&(const struct vm_nested_ops){ .prepare = prepare_el2 });
	assert_int_equal(vm_sizes(0, &sizes), 0);
	assert_true(sizes.features & BIT(VCPU_HAS_EL2));
	assert_int_equal(sizes.vcpu_pages, pages + VCPU_NESTED_BYTES / SZ_4K);
	handle = create(0).handle;
	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	assert_int_equal(add_vcpu(handle, 1, &run), 0);
	vm = vm_get(handle);
	for (size_t i = 0; i < ARRAY_SIZE(with); i++)
		assert_int_equal(init_vcpu(vm_vcpu(vm, 0), 0x4 | BIT(VCPU_HAS_EL2) | with[i]),
				 -EINVAL);
	assert_int_equal(prepared, 0);
	prepare_result = -ENOMEM;
	assert_int_equal(init_vcpu(vm_vcpu(vm, 0), 0x4 | BIT(VCPU_HAS_EL2)), -ENOMEM);
	assert_false(vm_vcpu(vm, 0)->initialized);
	prepare_result = 0;
	assert_int_equal(init_vcpu(vm_vcpu(vm, 0), 0x4 | BIT(VCPU_HAS_EL2)), 0);
	assert_int_equal(prepared, 2);
	assert_true(IS_ALIGNED((u64)vm_vcpu(vm, 0)->nested, SZ_4K));
	assert_int_equal(init_vcpu(vm_vcpu(vm, 1), 0x4), -EINVAL);
	assert_int_equal(init_vcpu(vm_vcpu(vm, 1), 0x4 | BIT(VCPU_HAS_EL2) | more), 0);

	vm_set_nested_nvhe();
	assert_int_equal(vm_sizes(0, &sizes), 0);
	assert_true(sizes.features & BIT(VCPU_HAS_EL2_E2H0));
	handle = create(0).handle;
	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	assert_int_equal(add_vcpu(handle, 1, &run), 0);
	vm = vm_get(handle);
	assert_int_equal(init_vcpu(vm_vcpu(vm, 0), 0x4 | BIT(VCPU_HAS_EL2_E2H0)), -EINVAL);
	assert_int_equal(init_vcpu(vm_vcpu(vm, 0), 0x4 | nvhe), 0);
	/* all vCPUs of a VM are of one kind */
	assert_int_equal(init_vcpu(vm_vcpu(vm, 1), 0x4 | BIT(VCPU_HAS_EL2)), -EINVAL);
	assert_int_equal(init_vcpu(vm_vcpu(vm, 1), 0x4), -EINVAL);
	assert_int_equal(init_vcpu(vm_vcpu(vm, 1), 0x4 | nvhe), 0);
}

static void features_stay_as_they_were(void **state)
{
	u64 handle = create(0).handle;
	struct vcpu *vcpu;
	struct pa run;

	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	vcpu = vm_vcpu(vm_get(handle), 0);
	assert_int_equal(init_vcpu(vcpu, 0x14), 0);
	assert_int_equal(vcpu->power, VCPU_RUNNABLE);
	vcpu->fault_pending = vcpu->on_pending = true;
	assert_int_equal(init_vcpu(vcpu, 0x04), -EINVAL);
	assert_int_equal(machine_resets, 1);
	assert_true(vcpu->fault_pending);
	assert_int_equal(init_vcpu(vcpu, 0x15), 0); /* powered off is a state */
	assert_int_equal(machine_resets, 2);
	assert_int_equal(vcpu->power, VCPU_STOPPED);
	assert_false(vcpu->fault_pending || vcpu->on_pending);
}

static void states_are_told_and_set(void **state)
{
	u64 handle = create(0).handle;
	struct vcpu *vcpu;
	struct pa run;

	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	vcpu = vm_vcpu(vm_get(handle), 0);
	assert_int_equal(init_vcpu(vcpu, 0), 0);
	assert_int_equal(vcpu_set_state(vcpu, KEEL_STATE_QUERY), KEEL_STATE_RUNNABLE);
	vcpu->on_pending = true;
	assert_int_equal(vcpu_set_state(vcpu, KEEL_STATE_STOPPED), KEEL_STATE_RUNNABLE);
	assert_false(vcpu->on_pending);
	vcpu->on_pending = true; /* CPU_ON is at work on it */
	assert_int_equal(vcpu_set_state(vcpu, KEEL_STATE_STOPPED), KEEL_STATE_STOPPED);
	assert_true(vcpu->on_pending);
	assert_int_equal(vcpu_set_state(vcpu, 3), -EINVAL);
	assert_int_equal(vcpu_set_state(vcpu, ~0ULL), -EINVAL);
	assert_int_equal(vcpu_take(vcpu), 0);
	assert_int_equal(vcpu_set_state(vcpu, KEEL_STATE_RUNNABLE), -EBUSY);
	assert_int_equal(vcpu_set_state(vcpu, KEEL_STATE_QUERY), KEEL_STATE_STOPPED);
	vcpu_drop(vcpu);
	vcpu->power = VCPU_STARTING; /* a CPU_ON is at it: the host knows two states */
	assert_int_equal(vcpu_set_state(vcpu, KEEL_STATE_QUERY), KEEL_STATE_RUNNABLE);
}

static void stolen_time_is_set_once(void **state)
{
	u64 handle = create(36).handle;
	struct vcpu *vcpu;
	struct pa run;

	assert_int_equal(add_vcpu(handle, 0, &run), 0);
	vcpu = vm_vcpu(vm_get(handle), 0);
	vcpu->owner = this_cpu()->id;
	assert_int_equal(vcpu->steal_ipa, VCPU_NO_STEAL_TIME);
	assert_int_equal(vcpu_set_steal_time(vcpu, 32), -EINVAL);
	assert_int_equal(vcpu_set_steal_time(vcpu, 1ULL << 36), -E2BIG);
	assert_int_equal(vcpu_set_steal_time(vcpu, ~63ULL), -E2BIG);
	assert_int_equal(vcpu->steal_ipa, VCPU_NO_STEAL_TIME);
	assert_int_equal(vcpu_set_steal_time(vcpu, (1ULL << 36) - 64), 0);
	assert_int_equal(vcpu->steal_ipa, (1ULL << 36) - 64);
	assert_int_equal(vcpu_set_steal_time(vcpu, 64), -EEXIST);
	assert_int_equal(vcpu->steal_ipa, (1ULL << 36) - 64);
}

/* ---- VMIDs ---- */

static void vmids_are_given_at_entry(void **state)
{
	struct a_vm a = create(0), b = create(0);
	struct vcpu *va, *vb;
	struct pa run;
	u16 id;

	assert_int_equal(add_vcpu(a.handle, 0, &run), 0);
	assert_int_equal(add_vcpu(b.handle, 0, &run), 0);
	va = vm_vcpu(vm_get(a.handle), 0);
	vb = vm_vcpu(vm_get(b.handle), 0);
	id = s2_context_load(va->s2);
	assert_int_not_equal(id, VMID_HOST);
	assert_int_equal(va->s2->stage2.vttbr, a.pa.v | (u64)id << 48);
	assert_int_not_equal(s2_context_load(vb->s2), id);
	assert_int_equal(s2_context_load(va->s2), id);
	s2_contexts_cpu_online();
	assert_int_equal(s2_context_load(va->s2), id);
}

static void a_vm_that_was_idle_gets_another_vmid(void **state)
{
	struct a_vm a = create(0);
	struct vcpu *vcpu;
	struct pa run;
	u16 before, after;

	assert_int_equal(add_vcpu(a.handle, 0, &run), 0);
	vcpu = vm_vcpu(vm_get(a.handle), 0);
	before = s2_context_load(vcpu->s2);
	for (int i = 0; i < 300; i++) /* more than there are numbers */
		destroy(create(0).handle);
	after = s2_context_load(vcpu->s2);
	assert_int_not_equal(after, before);
	assert_int_equal(vcpu->s2->stage2.vttbr >> 48, after);
}

static struct vm *told;

static void remember(struct vm *vm)
{
	assert_null(vm_get(vm->handle)); /* nobody finds it yet */
	told = vm;
}

static void the_created_hook_is_told_of_each_new_vm(void **state)
{
	struct a_vm a;

	vm_set_created(remember);
	a = create(0);
	assert_ptr_equal(told, vm_get(a.handle));
}

/* ---- nothing is left behind ---- */

static void init_fails_with_the_reason(void **state)
{
	for (unsigned int pages = 1; pages < 4; pages++) {
		machine_start_without_vms(&(struct machine_config){ .keel_pages = pages });
		assert_int_equal(vm_init(&machine_features, 4, GRANULE_4K, &machine_pool),
				 pages < 3 ? -ENOMEM : 0);
	}
	machine_start_without_vms(&(struct machine_config){ 0 });
	assert_int_equal(vm_init(&machine_features, 256, GRANULE_4K, &machine_pool), -EINVAL);
	machine_start_without_vms(&(struct machine_config){ .vmid16 = true });
	assert_int_equal(vm_init(&machine_features, 512, GRANULE_4K, &machine_pool), 0);
	/* ID_AA64MMFR0_EL1 without 16K and 64K: then there is another try. */
	machine_start_without_vms(&(struct machine_config){ 0 });
	cpu_features_init(&machine_features,
			  &(struct cpu_id_regs){
				  .reg = { [ID_REG_MMFR0] = 0x0f000005, [ID_REG_PFR0] = 0x11 } });
	assert_int_equal(vm_init(&machine_features, 4, GRANULE_16K, &machine_pool), -EOPNOTSUPP);
	assert_int_equal(vm_init(&machine_features, 4, GRANULE_64K, &machine_pool), -EOPNOTSUPP);
	assert_int_equal(page_pool_available(&machine_pool), 64);
	assert_int_equal(vm_init(&machine_features, 4, GRANULE_4K, &machine_pool), 0);
}

/* Each thing that can fail in a VM's life does, once: the error is
 * -ENOBUFS, and nothing changed. */
static void each_failure_is_undone(void **state)
{
	bool more = true;

	for (int n = 0; more; n++) {
		struct machine_state *before = machine_save(), *middle;
		struct pa pa = machine_alloc(sizes.vcpu_pages, SZ_4K),
			  run = machine_alloc(1, SZ_4K);
		struct pa extra = machine_alloc(3, SZ_4K);
		struct a_vm a;
		struct vm *vm;
		int ret;

		machine_fail_after(n);
		ret = try_create(&a, 0);
		assert_int_equal(ret, machine_failed() ? -ENOBUFS : 0);
		if (ret) {
			machine_assert_same(before, "a VM that failed");
			machine_drop(before);
			continue;
		}
		vm = vm_get(a.handle);
		middle = machine_save();
		ret = vcpu_create(vm, 0, pa, sizes.vcpu_pages, run);
		assert_int_equal(ret, machine_failed() ? -ENOBUFS : 0);
		if (ret)
			machine_assert_same(middle, "a vCPU that failed");
		machine_drop(middle);
		middle = machine_save();
		if (!machine_failed()) {
			ret = vm_topup(vm, extra, 3);
			assert_int_equal(ret, machine_failed() ? -ENOBUFS : 0);
			if (ret)
				machine_assert_same(middle, "a top-up that failed");
		}
		machine_drop(middle);
		vm_put(vm);
		destroy(a.handle);
		more = machine_failed();
		machine_fail_after(-1);
		machine_assert_same(before, "the end");
		machine_drop(before);
	}
}

/* A random VM: vCPUs, memory, top-ups, each of which may fail. */
static void random_life(u64 handle)
{
	struct vm *vm = vm_get(handle);
	u32 steps = machine_random(6);
	struct pa run;

	assert_non_null(vm);
	for (u32 i = 0; i < steps; i++) {
		u64 done, pages = 1 + machine_random(4);
		struct vm_mapped mapped = { 0 };
		int ret = 0;

		switch (machine_random(4)) {
		case 0:
			ret = add_vcpu(handle, machine_random(4), &run);
			break;
		case 1:
			ret = vm_topup(vm, machine_alloc(pages, SZ_4K), pages);
			break;
		case 2:
			ret = vm_map(vm, IPA(machine_random(64) * SZ_4K),
				     machine_alloc(pages, SZ_4K), pages * SZ_4K, machine_random(4),
				     &mapped);
			break;
		case 3:
			ret = vm_unmap(vm, IPA(machine_random(64) * SZ_4K), pages * SZ_4K, 0,
				       &done);
			break;
		}
		assert_true(ret == 0 || ret == -ENOMEM || ret == -ENOBUFS || ret == -EEXIST);
	}
	vm_put(vm);
}

static void ten_thousand_vms_leave_nothing(void **state)
{
	struct machine_state *before = machine_save();
	struct a_vm vms[8] = { 0 };
	struct a_vm *vm;

	for (int cycle = 0; cycle < 10000 + 8; cycle++) {
		vm = &vms[cycle % 8];
		if (vm->handle) {
			machine_fail_after(machine_random(2) ? (int)machine_random(4) : -1);
			destroy(vm->handle);
		}
		vm->handle = 0;
		if (cycle % 100 == 99) {
			for (int i = 0; i < 8; i++)
				if (vms[i].handle)
					destroy(vms[i].handle);
			memset(vms, 0, sizeof(vms));
			machine_fail_after(-1);
			machine_assert_same(before, "a hundred VMs");
			machine_free_all();
		}
		if (cycle >= 10000)
			continue;
		machine_fail_after(machine_random(2) ? (int)machine_random(8) : -1);
		if (try_create(vm, 32 + machine_random(17)))
			vm->handle = 0;
		else
			random_life(vm->handle);
	}
	machine_fail_after(-1);
	machine_assert_same(before, "ten thousand VMs");
	machine_drop(before);
}

static u64 hosts_pages(struct pa pa, u64 pages)
{
	u64 count = 0;

	for (u64 i = 0; i < pages; i++)
		count += ownership_state(PA(pa.v + i * SZ_4K)) == OWNERSHIP_HOST;
	return count;
}

/* Run pages count as eight: a step gives back one of these, or a part of a donation. */
static u64 hosts_parts(struct pa pa, u64 pages, const struct pa *runs, unsigned int nr_runs)
{
	u64 count = hosts_pages(pa, pages);

	for (unsigned int i = 0; i < nr_runs; i++)
		count += 8 * hosts_pages(runs[i], 1);
	return count;
}

/* Each step does a part, or the host would not come further, and no more than that. */
static void a_vm_ends_in_short_steps_where_an_interrupt_of_the_host_waits(void **state)
{
	const u64 pages = 100;
	u64 before, now = 0, steps = 0;
	struct pa pa, runs[3];
	struct a_vm a = create(0);
	struct vm *vm = vm_get(a.handle);
	int ret;

	pa = machine_alloc(pages, SZ_64K);
	assert_int_equal(vm_topup(vm, PA(pa.v + SZ_4K), pages - 1), 0);
	vm_put(vm);
	for (unsigned int i = 0; i < ARRAY_SIZE(runs); i++)
		assert_int_equal(add_vcpu(a.handle, i, &runs[i]), 0);
	machine_interrupt_waits = true;
	do {
		before = hosts_parts(pa, pages, runs, ARRAY_SIZE(runs));
		ret = vm_destroy(a.handle);
		now = hosts_parts(pa, pages, runs, ARRAY_SIZE(runs));
		assert_in_range(now - before, 0, 8);
		steps++;
	} while (ret == -EAGAIN && steps < 1000);
	machine_interrupt_waits = false;
	assert_int_equal(ret, 0);
	assert_int_equal(hosts_pages(pa, pages), pages);
	assert_true(steps > pages / 8 + ARRAY_SIZE(runs));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
	const struct CMUnitTest tests[] = {
		TEST(a_vm_ends_in_short_steps_where_an_interrupt_of_the_host_waits),
		TEST(ipa_sizes_are_what_the_machine_has),
		TEST(the_ipa_size_decides_vtcr),
		TEST(handles_are_never_the_same),
		TEST(invented_handles_find_nothing),
		TEST(hundreds_of_vms_can_exist_at_a_time),
		TEST(a_table_without_memory_refuses),
		TEST(bad_donations_to_the_pool_change_nothing),
		TEST(the_pool_gives_back_what_is_free),
		TEST(a_vm_in_use_is_not_destroyed),
		TEST(bad_donations_change_nothing),
		TEST(memory_that_does_not_answer_is_not_taken),
		TEST(a_page_that_fails_later_is_lost),
		TEST(a_large_root_is_aligned_to_its_size),
		TEST(donated_memory_cannot_be_donated_again),
		TEST(memory_comes_back_cleared),
		TEST(mpidr_counts_as_kvm_does),
		TEST(a_vcpu_is_made_of_its_memory),
		TEST(a_vm_has_512_vcpus),
		TEST(a_record_without_memory_asks_for_a_topup),
		TEST(bad_vcpus_change_nothing),
		TEST(a_run_page_may_be_guest_memory_too),
		TEST(features_are_what_the_machine_has),
		TEST(spe_is_as_the_machine_was_told),
		TEST(memory_tags_are_of_all_vcpus_of_a_vm_or_of_none),
		TEST(an_el2_is_there_if_keel_was_told),
		TEST(features_stay_as_they_were),
		TEST(states_are_told_and_set),
		TEST(stolen_time_is_set_once),
		TEST(vmids_are_given_at_entry),
		TEST(a_vm_that_was_idle_gets_another_vmid),
		TEST(the_created_hook_is_told_of_each_new_vm),
		TEST(an_empty_page_of_records_does_no_harm),
		TEST(donation_records_that_do_not_fit_are_found),
		TEST(init_fails_with_the_reason),
		TEST(each_failure_is_undone),
		TEST(ten_thousand_vms_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
