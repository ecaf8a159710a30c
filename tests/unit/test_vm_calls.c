// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/host/vm_calls.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_info.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c */
/* The host's calls about VMs: registers in and out, handles and indices, owners, bad input. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <arch/foreign.h>
#include <host/vm_calls.h>
#include <keel/hypercall.h>
#include <vm/run.h>
#include <vm_machine.h>

#define UNTOUCHED 0x5151515151515151ULL
#define REG_U64	  0x6030000000100002ULL
#define REG_U2048 0x6080000000150000ULL

static struct host_regs regs;
static u64 handle, pages_of_vm, pages_of_vcpu;
static u64 clean; /* x6 of KEEL_HC_VM_MAP */
static struct pa run_page;

/* ---- calling ---- */

/* Registers from here on are preserved by a call. */
static int results(u64 fid)
{
	u32 call = (u32)fid & ~0x10000U;

	return call == KEEL_HC_VM_SIZE || call == KEEL_HC_VM_MAP ? 7 : 6;
}

static s64 call(u64 fid, u64 x1, u64 x2, u64 x3, u64 x4, u64 x5)
{
	for (int i = 0; i < 32; i++)
		regs.x[i] = UNTOUCHED;
	regs.x[0] = fid;
	regs.x[1] = x1;
	regs.x[2] = x2;
	regs.x[3] = x3;
	regs.x[4] = x4;
	regs.x[5] = x5;
	if (fid == KEEL_HC_VM_MAP)
		regs.x[6] = clean;
	assert_true(vm_hypercall(&regs));
	if (fid == KEEL_HC_VM_MAP)
		assert_int_equal(regs.x[6], clean);
	for (int i = results(fid); i < 32; i++)
		assert_int_equal(regs.x[i], UNTOUCHED);
	return (s64)regs.x[0];
}

static struct keel_run *run(void)
{
	return (struct keel_run *)(void *)machine_host_page(run_page);
}

/* ---- what trap/ and vgic/ would do ---- */

static u8 reg_value[VM_REG_BYTES_MAX];
static u64 seen_id;
static int answer;
static bool init_while_owned;
static int prepare_answer;

static int get_reg(struct vcpu *vcpu, u64 id, void *value)
{
	assert_int_not_equal(vcpu->owner, VCPU_NO_OWNER);
	seen_id = id;
	memcpy(value, reg_value, 1u << (id >> 52 & 15));
	return answer;
}

/* The host may write to the run page during the call: it makes no difference. */
static int set_reg(struct vcpu *vcpu, u64 id, const void *value)
{
	assert_int_not_equal(vcpu->owner, VCPU_NO_OWNER);
	memset(vcpu->run->data, 0xee, sizeof(vcpu->run->data));
	seen_id = id;
	memcpy(reg_value, value, sizeof(reg_value));
	return answer;
}

static int reg_list(struct vcpu *vcpu, u64 from, u64 *ids, u64 max, u64 *total)
{
	*total = 1000;
	for (u64 i = 0; i < max && from + i < *total; i++)
		ids[i] = from + i;
	return answer;
}

static u64 redists;

static int vgic_prepare(struct vm *vm, struct ipa dist, struct ipa redist, u64 intids, u64 count)
{
	assert_true(spin_is_locked(&vm->lock));
	assert_int_equal(dist.v, 0x8000000);
	assert_int_equal(redist.v, 0x80a0000);
	assert_int_equal(intids, 256);
	return prepare_answer;
}

static int vgic_init(struct vm *vm, struct ipa dist, struct ipa redist, u64 intids, u64 count)
{
	redists = count;
	assert_true(spin_is_locked(&vm->lock));
	assert_int_equal(dist.v, 0x8000000);
	assert_int_equal(redist.v, 0x80a0000);
	assert_int_equal(intids, 256);
	for (u64 i = 0; i < VM_VCPUS_MAX; i++)
		if (vm->vcpus[i])
			init_while_owned |= vm->vcpus[i]->owner != VCPU_NO_OWNER;
	if (!answer)
		vm->vgic = (struct vgic *)vm;
	return answer;
}

static int vgic_place(struct vm *vm, struct ipa base, u64 count)
{
	assert_true(spin_is_locked(&vm->lock));
	assert_int_equal(base.v, 0x9000000);
	for (u64 i = 0; i < VM_VCPUS_MAX; i++)
		if (vm->vcpus[i])
			assert_int_not_equal(vm->vcpus[i]->owner, VCPU_NO_OWNER);
	redists += count;
	return answer;
}

static unsigned int resets;

static void vgic_lpis(struct vm *vm)
{
	assert_non_null(vm->vgic);
}

static int lpi_pend(struct vcpu *vcpu, u64 intid, u64 priority, u64 *back)
{
	*back = intid + priority;
	return answer ? answer : 1;
}

static int lpi_take(struct vcpu *vcpu, u64 intid)
{
	return answer;
}

static int vgic_reset(struct vm *vm, u64 *at)
{
	assert_true(spin_is_locked(&vm->lock));
	for (u64 i = 0; i < VM_VCPUS_MAX; i++)
		if (vm->vcpus[i])
			assert_int_not_equal(vm->vcpus[i]->owner, VCPU_NO_OWNER);
	resets++;
	*at += 256;
	return answer;
}

static int irq_line(struct vm *vm, u64 *vcpu, u64 intid, u64 level)
{
	assert_false(spin_is_locked(&vm->lock));
	if (intid < 16 || level == 2)
		return -EINVAL;
	if (intid >= 32)
		*vcpu = 7;
	return level != 0;
}

static int vgic_reg(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value)
{
	assert_int_not_equal(vcpu->owner, VCPU_NO_OWNER);
	if (space)
		return -ENXIO;
	if (write)
		assert_int_equal(*value, 0x55667788);
	else
		*value = offset + 1;
	return 0;
}

/* On any CPU, while the vCPU may run. */
static int spe_stats(const struct vcpu *vcpu, struct vcpu_spe_stats *stats)
{
	if (vcpu->index != 3)
		return -ENXIO;
	*stats = (struct vcpu_spe_stats){ 11, 12, 13, 14 };
	return 0;
}

static u64 raised;

static int events(struct vcpu *vcpu, u64 raise, u64 *pending)
{
	assert_int_not_equal(vcpu->owner, VCPU_NO_OWNER);
	raised = raise;
	*pending = 5;
	return answer;
}

static unsigned int gic_version;

unsigned int vgic_version(void)
{
	return gic_version;
}

static const struct vm_call_ops layer = {
	.vgic_version = vgic_version,
	.events = events,
	.spe_stats = spe_stats,
	.get_reg = get_reg,
	.set_reg = set_reg,
	.reg_list = reg_list,
	.vgic_prepare = vgic_prepare,
	.vgic_init = vgic_init,
	.vgic_place = vgic_place,
	.vgic_reset = vgic_reset,
	.vgic_lpis = vgic_lpis,
	.lpi_pend = lpi_pend,
	.lpi_take = lpi_take,
	.irq_line = irq_line,
	.vgic_reg = vgic_reg,
};
static const struct vm_call_ops none;

static int exits(struct vcpu *vcpu)
{
	/* While it runs, on this CPU or another, nobody else gets at it. */
	struct host_regs before = regs;
	u64 index = vcpu->index;

	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, index, 0, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, index, 0, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_GET_REG, handle, index, REG_U64, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_SET_REG, handle, index, REG_U64, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_REG_LIST, handle, index, 0, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_STATE, handle, index, KEEL_STATE_STOPPED, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_STATE, handle, index, KEEL_STATE_QUERY, 0, 0),
			 KEEL_STATE_RUNNABLE);
	assert_int_equal(call(KEEL_HC_VCPU_SPE_STATS, handle, index, 0, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_EVENTS, handle, index, 0, 0, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VM_DESTROY, handle, 0, 0, 0, 0), -EBUSY);
	vcpu->last_cpu = 0;
	regs = before;
	return KEEL_EXIT_WFI;
}

/* ---- a VM with vCPU 3 ---- */

static void add_vcpu(u64 index)
{
	u64 pa = machine_alloc(pages_of_vcpu, SZ_4K).v;

	run_page = machine_alloc(1, SZ_4K);
	assert_int_equal(call(KEEL_HC_VCPU_CREATE, handle, index, pa, pages_of_vcpu, run_page.v),
			 0);
}

static int start_on(const struct machine_config *config)
{
	machine_start(config);
	vm_calls_init(&layer);
	answer = 0;
	init_while_owned = false;
	machine_run = exits;
	assert_int_equal(call(KEEL_HC_VM_SIZE, 0, 0, 0, 0, 0), 0);
	pages_of_vm = regs.x[1];
	pages_of_vcpu = regs.x[2];
	assert_int_equal(regs.x[3], 40);
	assert_int_equal(regs.x[4], 48 | 12 << 8);
	assert_int_equal(regs.x[5], 0x14); /* PSCI and SVE */
	assert_int_equal(regs.x[6], 0);
	assert_int_equal(
		call(KEEL_HC_VM_CREATE, machine_alloc(pages_of_vm, SZ_64K).v, pages_of_vm, 0, 0, 0),
		0);
	handle = regs.x[1];
	add_vcpu(3);
	return 0;
}

static int start(void **state)
{
	return start_on(&(struct machine_config){ .sve = true });
}

static int start_without_fwb(void **state)
{
	return start_on(&(struct machine_config){ .sve = true, .no_fwb = true });
}

static int finish(void **state)
{
	int ret;

	while ((ret = (int)call(KEEL_HC_VM_DESTROY, handle, 0, 0, 0, 0)) == -EAGAIN ||
	       ret == -ENOBUFS)
		;
	assert_true(ret == 0 || ret == -ENOENT);
	machine_check();
	return 0;
}

static void other_calls_are_not_ours(void **state)
{
	static const u64 fids[] = { 0,		KEEL_HC_VERSION,     KEEL_HC_LOG_READ,
				    0xc600000f, KEEL_HC_VM_LAST + 1, 0x86000010,
				    0x84000000 };

	for (size_t i = 0; i < ARRAY_SIZE(fids); i++) {
		struct host_regs before;

		regs.x[0] = fids[i];
		before = regs;
		if (vm_hypercall(&regs))
			fail_msg("%#llx is taken for a call about VMs",
				 (unsigned long long)fids[i]);
		assert_memory_equal(&before, &regs, sizeof(regs));
	}
}

/* Repeat the call until it does not return -EAGAIN. */
static s64 walk(u64 ipa)
{
	s64 ret;

	while ((ret = call(KEEL_HC_VM_WALK, handle, ipa, 0, 0, 0)) == -EAGAIN) {
		assert_true(regs.x[1] > ipa);
		ipa = regs.x[1];
	}
	return ret;
}

static void a_vm_is_described(void **state)
{
	const u64 pa = machine_alloc(2, SZ_2M).v;

	(void)state;
	assert_int_equal(call(KEEL_HC_VM_INFO, handle, 0, 0, 0, 0), 0);
	/* 40 bits, 4K, level 1, two tables; one vCPU */
	assert_int_equal(regs.x[1], 40 | 12 << 8 | 1 << 16 | 2 << 24 | 1ULL << 32);
	assert_int_equal(regs.x[2], 2 * SZ_4K);
	assert_int_equal(regs.x[3], 2 * SZ_4K);
	assert_int_equal(regs.x[4], (pages_of_vm + pages_of_vcpu) * SZ_4K);
	assert_true(regs.x[5] < regs.x[4]);
	assert_int_equal(call(KEEL_HC_VM_NESTED, handle, KEEL_NESTED_CONTEXTS, 0, 0, 0), -ENXIO);

	assert_int_equal(walk(0), 0);
	assert_int_equal(regs.x[2], 0);
	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, machine_alloc(8, SZ_4K).v, 8, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0x80000000, pa, SZ_4K, KEEL_MAP_WRITE), 0);
	assert_int_equal(walk(0), 0);
	assert_int_equal(regs.x[1], 0x80000000);
	assert_int_equal(regs.x[2], SZ_4K);
	assert_int_equal(regs.x[3], KEEL_MAP_WRITE);
	assert_int_equal(regs.x[4], SZ_4K);
	assert_int_equal(call(KEEL_HC_VM_WALK, handle, 1, 0, 0, 0), -EINVAL);
	assert_int_equal(call(KEEL_HC_VM_WALK, handle, 1ULL << 40, 0, 0, 0), -E2BIG);
	assert_int_equal(regs.x[1], handle);
}

static void the_identifier_is_32_bits(void **state)
{
	assert_int_equal(call(0xffffffff00000000ULL | KEEL_HC_VM_SIZE, 0, 0, 0, 0, 0), 0);
	/* Bit 16 of it is a hint that the caller's SVE state may be lost (SMCCC 1.3). */
	assert_int_equal(call(KEEL_HC_VM_SIZE | 0x10000, 0, 0, 0, 0, 0), 0);
}

static void the_size_call_tells_which_gic_there_is(void **state)
{
	for (gic_version = 2; gic_version < 4; gic_version++) {
		assert_int_equal(call(KEEL_HC_VM_SIZE, 0, 0, 0, 0, 0), 0);
		assert_int_equal(regs.x[4], 48 | 12 << 8 | gic_version << 16);
	}
	gic_version = 0;
}

static void a_bad_size_returns_nothing_else(void **state)
{
	assert_int_equal(call(KEEL_HC_VM_SIZE, 49, 2, 3, 4, 5), -EINVAL);
	assert_int_equal(regs.x[1], 49);
	assert_int_equal(regs.x[2], 2);
	assert_int_equal(regs.x[4], 4);
}

static void every_call_wants_a_handle(void **state)
{
	struct machine_state *before = machine_save();

	for (u64 fid = KEEL_HC_VM_DESTROY; fid <= KEEL_HC_VM_LAST; fid++) {
		static const u64 bad[] = { 0, 1, ~0ULL, 1ULL << 63 };

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			if (call(fid, bad[i], 3, 0, SZ_4K, 0) != -ENOENT)
				fail_msg("call %#llx with handle %#llx: %lld",
					 (unsigned long long)fid, (unsigned long long)bad[i],
					 (long long)regs.x[0]);
		if (call(fid, handle + 1, 3, 0, SZ_4K, 0) != -ENOENT)
			fail_msg("call %#llx with another handle", (unsigned long long)fid);
	}
	machine_assert_same(before, "bad handles");
	machine_drop(before);
}

static void calls_of_a_vcpu_want_an_index(void **state)
{
	static const u64 fids[] = { KEEL_HC_VCPU_INIT,	     KEEL_HC_VCPU_RUN,
				    KEEL_HC_VCPU_GET_REG,    KEEL_HC_VCPU_SET_REG,
				    KEEL_HC_VCPU_REG_LIST,   KEEL_HC_VCPU_STATE,
				    KEEL_HC_VCPU_STEAL_TIME, KEEL_HC_VCPU_SPE,
				    KEEL_HC_VCPU_SPE_STATS,  KEEL_HC_VCPU_EVENTS };
	static const u64 bad[] = { 0, 2, 4, 511, 512, 1ULL << 32 | 3, ~0ULL };

	for (size_t f = 0; f < ARRAY_SIZE(fids); f++)
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			assert_int_equal(call(fids[f], handle, bad[i], 0, 0, 0), -ENOENT);
}

static void arguments_of_memory_calls_are_passed_on(void **state)
{
	u64 pa = machine_alloc(1024, SZ_2M).v, extra = machine_alloc(8, SZ_4K).v, at = 0;
	s64 ret;

	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, 2 * SZ_2M, 1), -ENOMEM);
	assert_int_equal(regs.x[1], handle);
	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, 2 * SZ_2M, 1), -EAGAIN);
	assert_int_equal(regs.x[1], SZ_2M);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, SZ_2M, pa + SZ_2M, SZ_2M, 1), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa + SZ_2M, SZ_2M, 1), -EEXIST);
	while ((ret = call(KEEL_HC_VM_UNMAP, handle, at, (1ULL << 40) - at, 0, 0)) == -EAGAIN)
		at += regs.x[1];
	assert_int_equal(ret, 0);
	assert_int_equal(ownership_state(PA(pa)), OWNERSHIP_HOST);
}

static void a_map_returns_how_far_it_has_cleaned(void **state)
{
	u64 pa = machine_alloc(1024, SZ_2M).v, extra = machine_alloc(8, SZ_4K).v;

	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	for (clean = 0; clean < SZ_2M - SZ_256K; clean = regs.x[2]) {
		assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, 2 * SZ_2M, 1), -EAGAIN);
		assert_int_equal(regs.x[1], 0);
		assert_int_equal(regs.x[2], clean + SZ_256K);
	}
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, 2 * SZ_2M, 1), -EAGAIN);
	assert_int_equal(regs.x[1], SZ_2M);
	assert_int_equal(regs.x[2], 0);
	clean = SZ_2M + SZ_4K;
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, SZ_2M, pa + SZ_2M, SZ_2M, 1), -EINVAL);
	assert_int_equal(regs.x[2], SZ_2M);
	clean = 0;
}

static void a_long_unmap_returns_how_far_it_came(void **state)
{
	u64 extra = machine_alloc(8, SZ_4K).v;

	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	for (u64 at = 0; at < SZ_2M; at += SZ_4K) {
		u64 pa = machine_alloc(1, SZ_4K).v;

		assert_int_equal(call(KEEL_HC_VM_MAP, handle, at, pa, SZ_4K, 1), 0);
	}
	assert_int_equal(call(KEEL_HC_VM_UNMAP, handle, 0, SZ_2M, 0, 0), -EAGAIN);
	assert_true(regs.x[1] > 0 && regs.x[1] < SZ_2M && IS_ALIGNED(regs.x[1], SZ_4K));
	assert_int_equal(call(KEEL_HC_VM_UNMAP, handle, SZ_2M - SZ_4K, SZ_4K, 0, 0), 0);
}

static void an_unmap_can_take_whole_blocks(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v, extra = machine_alloc(8, SZ_4K).v;

	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, SZ_2M, 1), 0);
	assert_int_equal(call(KEEL_HC_VM_UNMAP, handle, SZ_4K, SZ_4K, 2, 0), -EINVAL);
	assert_int_equal(call(KEEL_HC_VM_UNMAP, handle, SZ_4K, SZ_4K, KEEL_UNMAP_WHOLE, 0), 0);
	assert_int_equal(ownership_state(PA(pa)), OWNERSHIP_HOST);
	assert_int_equal(ownership_state(PA(pa + SZ_2M - SZ_4K)), OWNERSHIP_HOST);
}

static void write_permission_is_taken_and_given(void **state)
{
	u64 pa = machine_alloc(512, SZ_2M).v, extra = machine_alloc(8, SZ_4K).v;
	const u64 fid = KEEL_HC_VM_PROTECT;

	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	assert_int_equal(call(fid, handle + 1, 0, SZ_4K, KEEL_PROTECT_TAKE, 0), -ENOENT);
	assert_int_equal(call(fid, handle, 0, SZ_4K, KEEL_PROTECT_GIVE, 0), -ENXIO);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, SZ_2M, KEEL_MAP_WRITE), 0);
	assert_int_equal(call(fid, handle, 0, SZ_2M, 4, 0), -EINVAL);
	assert_int_equal(call(fid, handle, 1ULL << 40, SZ_2M, KEEL_PROTECT_TAKE, 0), -E2BIG);
	assert_int_equal(call(fid, handle, 0, SZ_4K, KEEL_PROTECT_TAKE, 0), 0);
	/* all of it, and it is the same without the permission */
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, SZ_2M, 0), 0);
	assert_int_equal(call(fid, handle, SZ_4K, SZ_4K, KEEL_PROTECT_GIVE, 0), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, SZ_4K, 0), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, SZ_4K, pa + SZ_4K, SZ_4K, KEEL_MAP_WRITE), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, SZ_4K, pa + SZ_4K, SZ_4K, 0), -EEXIST);
	assert_int_equal(call(fid, handle, 0, SZ_2M, KEEL_PROTECT_GIVE, 0), -EAGAIN);
	assert_true(regs.x[1] > 0 && regs.x[1] < SZ_2M && IS_ALIGNED(regs.x[1], SZ_4K));
	assert_int_equal(call(fid, handle, 0, SZ_2M, KEEL_PROTECT_JOIN, 0), 0);
}

static void memory_is_young_until_it_is_asked_and_when_it_is_mapped_again(void **state)
{
	u64 pa = machine_alloc(1024, SZ_2M).v, extra = machine_alloc(8, SZ_4K).v;
	const u64 fid = KEEL_HC_VM_YOUNG;

	(void)state;
	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	assert_int_equal(call(fid, handle + 1, 0, SZ_4K, KEEL_YOUNG_TEST, 0), -ENOENT);
	assert_int_equal(call(fid, handle, 0, SZ_4K, 2, 0), -EINVAL);
	assert_int_equal(call(fid, handle, 8, SZ_4K, KEEL_YOUNG_CLEAR, 0), -EINVAL);
	assert_int_equal(call(fid, handle, 0, 0, KEEL_YOUNG_CLEAR, 0), -EINVAL);
	assert_int_equal(call(fid, handle, 1ULL << 40, SZ_4K, KEEL_YOUNG_CLEAR, 0), -E2BIG);
	assert_int_equal(call(fid, handle, 0, SZ_4K, KEEL_YOUNG_CLEAR, 0), 0);
	assert_int_equal(call(fid, handle, 0, SZ_1G, KEEL_YOUNG_CLEAR, 0), 0);
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, SZ_2M, KEEL_MAP_WRITE), 0);
	assert_int_equal(call(fid, handle, SZ_4K, SZ_4K, KEEL_YOUNG_TEST, 0), 1);
	assert_int_equal(call(fid, handle, 0, SZ_2M, KEEL_YOUNG_TEST, 0), 1);
	assert_int_equal(call(fid, handle, 0, SZ_2M, KEEL_YOUNG_CLEAR, 0), 1);
	assert_int_equal(call(fid, handle, SZ_4K, SZ_4K, KEEL_YOUNG_TEST, 0), 0);
	assert_int_equal(call(fid, handle, 0, SZ_2M, KEEL_YOUNG_TEST, 0), 0);
	assert_int_equal(call(fid, handle, 0, SZ_2M, KEEL_YOUNG_CLEAR, 0), 0);
	/* a fault at the access flag, of who accesses memory for the guest */
	assert_int_equal(call(KEEL_HC_VM_MAP, handle, 0, pa, SZ_4K, KEEL_MAP_WRITE), 0);
	assert_int_equal(call(fid, handle, 0, SZ_4K, KEEL_YOUNG_CLEAR, 0), 1);
	assert_int_equal(call(fid, handle, 0, SZ_4K, KEEL_YOUNG_CLEAR, 0), 0);
}

static void a_look_for_young_pages_is_bounded(void **state)
{
	u64 pa = machine_alloc(1024, SZ_2M).v, extra = machine_alloc(8, SZ_4K).v, at = 0, size;
	unsigned int calls = 0;
	s64 ret;

	(void)state;
	assert_int_equal(call(KEEL_HC_VM_TOPUP, handle, extra, 8, 0, 0), 0);
	for (; at < SZ_2M; at += size) { /* as pages: not aligned as the addresses are */
		size = SZ_64K;
		ret = call(KEEL_HC_VM_MAP, handle, at, pa + SZ_4K + at, size, KEEL_MAP_WRITE);
		assert_int_equal(ret, 0);
	}
	at = 0;
	while ((ret = call(KEEL_HC_VM_YOUNG, handle, at, SZ_2M - at, KEEL_YOUNG_CLEAR, 0)) ==
	       -EAGAIN) {
		assert_true(regs.x[1] & 1 && regs.x[1] > 1 && ++calls < 100);
		at += regs.x[1] & ~1ULL;
	}
	assert_int_equal(ret, 1);
	assert_true(calls);
	at = 0;
	while ((ret = call(KEEL_HC_VM_YOUNG, handle, at, SZ_2M - at, KEEL_YOUNG_TEST, 0)) ==
	       -EAGAIN) {
		assert_true(!(regs.x[1] & 1) && regs.x[1]);
		at += regs.x[1];
	}
	assert_int_equal(ret, 0);
}

static void a_sync_goes_through_all_memory(void **state)
{
	u64 at = 0, calls = 0;
	s64 ret;

	assert_int_equal(call(KEEL_HC_VM_SYNC, handle + 1, 0, 0, 0, 0), -ENOENT);
	assert_int_equal(call(KEEL_HC_VM_SYNC, handle, 1, 0, 0, 0), -EINVAL);
	assert_int_equal(call(KEEL_HC_VM_SYNC, handle, ~0xfffULL, 0, 0, 0), -E2BIG);
	while ((ret = call(KEEL_HC_VM_SYNC, handle, at, 0, 0, 0)) == -EAGAIN) {
		assert_true(regs.x[1] > at && ++calls < 100);
		at = regs.x[1];
	}
	assert_int_equal(ret, 0);
}

/* ---- running ---- */

static void a_vcpu_runs_after_init(void **state)
{
	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, 3, 0, 0, 0), -ENOEXEC);
	assert_int_equal(call(KEEL_HC_VCPU_GET_REG, handle, 3, REG_U64, 0, 0), -ENOEXEC);
	assert_int_equal(call(KEEL_HC_VCPU_SET_REG, handle, 3, REG_U64, 0, 0), -ENOEXEC);
	assert_int_equal(call(KEEL_HC_VCPU_REG_LIST, handle, 3, 0, 0, 0), -ENOEXEC);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 2, 0, 0), -EINVAL);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0x14, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, 3, 0, 0, 0), KEEL_EXIT_WFI);
	/* It is nobody's again. */
	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, 3, 0, 0, 0), KEEL_EXIT_WFI);
}

static void states_are_passed_on(void **state)
{
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 1, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_STATE, handle, 3, KEEL_STATE_QUERY, 0, 0),
			 KEEL_STATE_STOPPED);
	assert_int_equal(call(KEEL_HC_VCPU_STATE, handle, 3, KEEL_STATE_RUNNABLE, 0, 0),
			 KEEL_STATE_STOPPED);
	assert_int_equal(call(KEEL_HC_VCPU_STATE, handle, 3, KEEL_STATE_QUERY, 0, 0),
			 KEEL_STATE_RUNNABLE);
	assert_int_equal(call(KEEL_HC_VCPU_STATE, handle, 3, 9, 0, 0), -EINVAL);
}

/* ---- registers ---- */

static void a_register_is_as_long_as_its_id_says(void **state)
{
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	for (u64 log2 = 0; log2 <= 8; log2++) {
		u64 id = (REG_U64 & ~(15ULL << 52)) | log2 << 52, size = 1ULL << log2;

		memset(reg_value, 0x77, sizeof(reg_value));
		memset(run()->data, 0x11, KEEL_RUN_DATA);
		assert_int_equal(call(KEEL_HC_VCPU_GET_REG, handle, 3, id, 0, 0), 0);
		assert_int_equal(seen_id, id);
		for (u64 i = 0; i < KEEL_RUN_DATA; i++)
			assert_int_equal(run()->data[i], i < size ? 0x77 : 0x11);
		memset(run()->data, 0x22, KEEL_RUN_DATA);
		assert_int_equal(call(KEEL_HC_VCPU_SET_REG, handle, 3, id, 0, 0), 0);
		for (u64 i = 0; i < sizeof(reg_value); i++)
			assert_int_equal(reg_value[i], i < size ? 0x22 : 0);
	}
	for (u64 log2 = 9; log2 < 16; log2++) {
		u64 id = (REG_U64 & ~(15ULL << 52)) | log2 << 52;

		assert_int_equal(call(KEEL_HC_VCPU_GET_REG, handle, 3, id, 0, 0), -ENOENT);
		assert_int_equal(call(KEEL_HC_VCPU_SET_REG, handle, 3, id, 0, 0), -ENOENT);
	}
}

static void a_register_that_is_not_there_leaves_the_data(void **state)
{
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	memset(run()->data, 0x11, KEEL_RUN_DATA);
	answer = -ENOENT;
	assert_int_equal(call(KEEL_HC_VCPU_GET_REG, handle, 3, REG_U2048, 0, 0), -ENOENT);
	assert_int_equal(run()->data[0], 0x11);
	answer = -EINVAL;
	assert_int_equal(call(KEEL_HC_VCPU_SET_REG, handle, 3, REG_U64, 0, 0), -EINVAL);
}

static void lists_come_in_parts(void **state)
{
	u64 n = 0;

	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	for (u64 from = 0; from < 1000; from += KEEL_REG_LIST_MAX) {
		assert_int_equal(call(KEEL_HC_VCPU_REG_LIST, handle, 3, from, 0, 0), 0);
		assert_int_equal(regs.x[1], 1000);
		for (u64 i = 0; i < KEEL_REG_LIST_MAX && from + i < 1000; i++, n++)
			assert_int_equal(((u64 *)(void *)run()->data)[i], n);
	}
	assert_int_equal(call(KEEL_HC_VCPU_REG_LIST, handle, 3, ~0ULL, 0, 0), 0);
}

/* ---- interrupts ---- */

static void a_vgic_is_made_once_before_vcpus_run(void **state)
{
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 40, 1, 0), -ENODEV);
	answer = -EINVAL;
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), -EINVAL);
	answer = 0;
	prepare_answer = -EAGAIN;
	init_while_owned = false;
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), -EAGAIN);
	assert_false(init_while_owned); /* the second part comes after the whole of the first */
	prepare_answer = 0;
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), 0);
	assert_true(init_while_owned);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0); /* it was dropped again */
	assert_int_equal(call(KEEL_HC_VCPU_CREATE, handle, 4, 0, pages_of_vcpu, 0), -EBUSY);
}

static void a_vgic_comes_too_late_when_one_has_run(void **state)
{
	struct pa first = run_page;

	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	add_vcpu(1);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 1, 0, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, 3, 0, 0, 0), KEEL_EXIT_WFI);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), -EBUSY);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 1, 0, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	run_page = first;
}

static void redistributors_are_placed_before_vcpus_run(void **state)
{
	assert_int_equal(call(KEEL_HC_VGIC_PLACE, handle, 0x9000000, 2, 0, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 5), 0);
	assert_int_equal(redists, 5);
	answer = -E2BIG;
	assert_int_equal(call(KEEL_HC_VGIC_PLACE, handle, 0x9000000, 2, 0, 0), -E2BIG);
	answer = 0;
	assert_int_equal(call(KEEL_HC_VGIC_PLACE, handle, 0x9000000, 4, 0, 0), 0);
	assert_int_equal(redists, 11);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0); /* it was dropped again */
	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, 3, 0, 0, 0), KEEL_EXIT_WFI);
	assert_int_equal(call(KEEL_HC_VGIC_PLACE, handle, 0x9000000, 2, 0, 0), -EBUSY);
	assert_int_equal(redists, 11);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0); /* it was dropped again */
}

static void a_vgic_is_reset_while_no_vcpu_runs(void **state)
{
	struct vcpu *vcpu;

	resets = 0;
	assert_int_equal(call(KEEL_HC_VGIC_RESET, handle, 0, 0, 0, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_RUN, handle, 3, 0, 0, 0), KEEL_EXIT_WFI);
	vcpu = vm_vcpu(vm_get(handle), 3);
	vm_put(vcpu->vm);
	vcpu->owner = 1;
	assert_int_equal(call(KEEL_HC_VGIC_RESET, handle, 0, 0, 0, 0), -EBUSY);
	assert_int_equal(resets, 0);
	vcpu->owner = VCPU_NO_OWNER;
	assert_int_equal(call(KEEL_HC_VGIC_RESET, handle, 0, 0, 0, 0), 0);
	assert_int_equal(resets, 1);
	answer = -EAGAIN;
	assert_int_equal(call(KEEL_HC_VGIC_RESET, handle, 288, 0, 0, 0), -EAGAIN);
	assert_int_equal(regs.x[1], 288 + 256);
	answer = 0;
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0); /* it was dropped again */
	assert_int_equal(call(KEEL_HC_VGIC_RESET, handle + 1, 0, 0, 0, 0), -ENOENT);
}

static void lpis_are_pended_and_taken_back(void **state)
{
	assert_int_equal(call(KEEL_HC_VGIC_LPIS, handle, 0, 0, 0, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_LPI_PEND, handle, 3, 8192, 0xa0, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_LPI_TAKE, handle, 3, 8192, 0, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), 0);
	assert_int_equal(call(KEEL_HC_VGIC_LPIS, handle, 0, 0, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_LPI_PEND, handle, 3, 8192, 0xa0, 0), 1);
	assert_int_equal(regs.x[1], 8192 + 0xa0);
	assert_int_equal(call(KEEL_HC_LPI_PEND, handle, 9, 8192, 0xa0, 0), -ENOENT);
	assert_int_equal(call(KEEL_HC_LPI_TAKE, handle, 3, 8192, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_LPI_TAKE, handle, 9, 8192, 0, 0), -ENOENT);
	answer = -ENOSPC;
	assert_int_equal(call(KEEL_HC_LPI_PEND, handle, 3, 8192, 0xa0, 0), -ENOSPC);
	assert_int_equal(regs.x[1], handle);
	answer = -EAGAIN;
	assert_int_equal(call(KEEL_HC_LPI_TAKE, handle, 3, 8192, 0, 0), -EAGAIN);
	answer = 0;
}

static void a_line_names_the_vcpu_to_wake(void **state)
{
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), 0);
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 40, 1, 0), 1);
	assert_int_equal(regs.x[1], 7);
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 40, 0, 0), 0);
	assert_int_equal(regs.x[1], handle);
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 20, 1, 0), 1);
	assert_int_equal(regs.x[1], 3);
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 5, 1, 0), -EINVAL);
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 40, 2, 0), -EINVAL);
	assert_int_equal(call(KEEL_HC_IRQ_LINE, handle, 3, 40, 1 | KEEL_LINE_REPORT, 0), 1);
}

static void registers_of_the_vgic_are_read_and_written(void **state)
{
	assert_int_equal(call(KEEL_HC_VGIC_GET_REG, handle, 3, 0, 8, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_VGIC_SET_REG, handle, 3, 0, 8, 0), -ENODEV);
	assert_int_equal(call(KEEL_HC_VGIC_INIT, handle, 0x8000000, 0x80a0000, 256, 0), 0);
	assert_int_equal(call(KEEL_HC_VGIC_GET_REG, handle, 3, 0, 8, 0), 0);
	assert_int_equal(regs.x[1], 9);
	assert_int_equal(call(KEEL_HC_VGIC_GET_REG, handle, 3, 1, 8, 0), -ENXIO);
	assert_int_equal(regs.x[1], handle);
	assert_int_equal(call(KEEL_HC_VGIC_SET_REG, handle, 3, 0, 8, 0x1122334455667788), 0);
	assert_int_equal(call(KEEL_HC_VGIC_SET_REG, handle, 9, 0, 8, 0), -ENOENT);
}

u64 fake_return;

/* The run page answered when it was shared. The vCPU cannot run any more; the VM can end. */
static void a_run_page_that_fails_is_an_error(void **state)
{
	static const u64 rows[] = { KEEL_HC_VCPU_GET_REG, KEEL_HC_VCPU_SET_REG,
				    KEEL_HC_VCPU_REG_LIST };
	struct pa good = run_page;
	struct vm *vm;

	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0x14, 0, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 id = rows[i] == KEEL_HC_VCPU_REG_LIST ? 0 : REG_U64;

		add_vcpu(10 + i);
		assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 10 + i, 0x14, 0, 0), 0);
		assert_int_equal(call(rows[i], handle, 10 + i, id, 0, 0), 0);
		machine_bad_page = run_page.v + __builtin_offsetof(struct keel_run, data);
		reg_value[0] = 0x77;
		fake_return = 0x1234;
		assert_int_equal(call(rows[i], handle, 10 + i, id, 0, 0), -EFAULT);
		assert_int_equal(fake_return, 0x1234); /* EL2 still knows where the host was */
		assert_int_equal(regs.x[1], handle);
		assert_int_equal(reg_value[0], 0x77); /* a value that was not read is not set */
		machine_bad_page = 0;
		assert_int_equal(call(rows[i], handle, 10 + i, id, 0, 0), -EFAULT);
		vm = vm_get(handle);
		assert_true(vm_vcpu(vm, 10 + i)->run_failed);
		vm_put(vm);
	}
	run_page = good;
	assert_int_equal(call(KEEL_HC_VCPU_GET_REG, handle, 3, REG_U64, 0, 0), 0);
}

static void statistics_of_profiling_are_returned(void **state)
{
	(void)state;
	add_vcpu(5);
	assert_int_equal(call(KEEL_HC_VCPU_SPE_STATS, handle, 3, 0, 0, 0), 0);
	for (u64 i = 1; i <= 4; i++)
		assert_int_equal(regs.x[i], 10 + i);
	assert_int_equal(call(KEEL_HC_VCPU_SPE_STATS, handle, 5, 7, 8, 9), -ENXIO);
	assert_int_equal(regs.x[3], 7); /* no other register changes */
	assert_int_equal(call(KEEL_HC_VCPU_SPE_STATS, handle, 4, 0, 0, 0), -ENOENT);
	assert_int_equal(call(KEEL_HC_VCPU_SPE_STATS, handle + 1, 3, 0, 0, 0), -ENOENT);
}

static void events_are_raised_and_returned(void **state)
{
	(void)state;
	raised = 0;
	assert_int_equal(call(KEEL_HC_VCPU_EVENTS, handle, 3, 3, 0, 0), -ENOEXEC);
	assert_int_equal(raised, 0);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	assert_int_equal(call(KEEL_HC_VCPU_EVENTS, handle, 3, 1ULL << 40 | 3, 0, 0), 0);
	assert_int_equal(raised, 1ULL << 40 | 3);
	assert_int_equal(regs.x[1], 5);
	answer = -EINVAL;
	assert_int_equal(call(KEEL_HC_VCPU_EVENTS, handle, 3, 4, 0, 0), -EINVAL);
	assert_int_equal(regs.x[1], handle); /* no register changes */
}

static void without_the_layers_their_calls_are_not_supported(void **state)
{
	static const u64 fids[] = { KEEL_HC_VCPU_GET_REG,   KEEL_HC_VCPU_SET_REG,
				    KEEL_HC_VCPU_REG_LIST,  KEEL_HC_VGIC_INIT,
				    KEEL_HC_IRQ_LINE,	    KEEL_HC_VCPU_SPE,
				    KEEL_HC_VCPU_SPE_STATS, KEEL_HC_VGIC_RESET,
				    KEEL_HC_VCPU_EVENTS,    KEEL_HC_VGIC_PLACE,
				    KEEL_HC_VGIC_GET_REG,   KEEL_HC_VGIC_SET_REG };

	vm_calls_init(&none);
	assert_int_equal(call(KEEL_HC_VCPU_INIT, handle, 3, 0, 0, 0), 0);
	for (size_t i = 0; i < ARRAY_SIZE(fids); i++)
		assert_int_equal(call(fids[i], handle, 3, 0, 0, 0), KEEL_NOT_SUPPORTED);
}

/* ---- anything at all ---- */

static u64 random_argument(void)
{
	static const u64 odd[] = { 0,	  1,	     3,		 512,	     SZ_4K,    SZ_2M,
				   ~0ULL, ~0xfffULL, 1ULL << 40, IMAGE_BASE, FAR_BASE, DEVICE };

	switch (machine_random(6)) {
	case 0:
		return handle;
	case 1:
		return RAM_BASE + machine_random(RAM_PAGES) * SZ_4K;
	case 2:
		return machine_random(20);
	case 3:
		return 1ULL << machine_random(64);
	default:
		return odd[machine_random(ARRAY_SIZE(odd))];
	}
}

static int leaves(struct vcpu *vcpu)
{
	return KEEL_EXIT_IRQ;
}

/* Whatever the host passes, page states and mappings agree, and all memory comes back. */
static void nonsense_does_no_harm(void **state)
{
	u64 handles[64] = { 0 };
	unsigned int n = 0;

	static const struct vm_call_ops harmless = { .get_reg = get_reg };

	machine_run = leaves;
	vm_calls_init(&harmless);
	for (int i = 0; i < 60000; i++) {
		u64 fid = KEEL_HC_VM_SIZE + machine_random(16);
		u64 x1 = machine_random(4) && n ? handles[machine_random(n)] : random_argument();
		s64 ret;

		if (fid == KEEL_HC_VM_DESTROY && machine_random(20))
			continue;
		if (fid == KEEL_HC_VM_CREATE)
			x1 = RAM_BASE + machine_random(RAM_PAGES / 16) * SZ_64K;
		machine_fail_after(machine_random(10) ? -1 : (int)machine_random(4));
		ret = call(fid, x1,
			   fid == KEEL_HC_VM_CREATE ? machine_random(40) : random_argument(),
			   random_argument(), random_argument(), random_argument());
		if (fid == KEEL_HC_VM_CREATE && !ret && n < ARRAY_SIZE(handles))
			handles[n++] = regs.x[1];
		if (i % 1000 == 0)
			machine_check();
	}
	machine_fail_after(-1);
	assert_true(n > 10);
	for (unsigned int i = 0; i < n; i++)
		while (call(KEEL_HC_VM_DESTROY, handles[i], 0, 0, 0, 0) == -EAGAIN)
			;
	while (call(KEEL_HC_VM_DESTROY, handle, 0, 0, 0, 0) == -EAGAIN)
		;
	machine_check();
	if (n == ARRAY_SIZE(handles))
		return; /* others are left that we have lost sight of */
	for (u64 i = 0; i < RAM_PAGES; i++) {
		enum ownership_state s = ownership_state(PA(RAM_BASE + i * SZ_4K));

		assert_true(s == OWNERSHIP_HOST || s == OWNERSHIP_IMAGE);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)
	const struct CMUnitTest tests[] = {
		TEST(other_calls_are_not_ours),
		TEST(a_vm_is_described),
		TEST(the_identifier_is_32_bits),
		TEST(the_size_call_tells_which_gic_there_is),
		TEST(a_bad_size_returns_nothing_else),
		TEST(every_call_wants_a_handle),
		TEST(calls_of_a_vcpu_want_an_index),
		TEST(arguments_of_memory_calls_are_passed_on),
		cmocka_unit_test_setup_teardown(a_map_returns_how_far_it_has_cleaned,
						start_without_fwb, finish),
		TEST(a_long_unmap_returns_how_far_it_came),
		TEST(an_unmap_can_take_whole_blocks),
		TEST(write_permission_is_taken_and_given),
		TEST(memory_is_young_until_it_is_asked_and_when_it_is_mapped_again),
		TEST(a_look_for_young_pages_is_bounded),
		TEST(a_sync_goes_through_all_memory),
		TEST(a_vcpu_runs_after_init),
		TEST(states_are_passed_on),
		TEST(a_register_is_as_long_as_its_id_says),
		TEST(a_register_that_is_not_there_leaves_the_data),
		TEST(lists_come_in_parts),
		TEST(a_vgic_is_made_once_before_vcpus_run),
		TEST(a_vgic_comes_too_late_when_one_has_run),
		TEST(redistributors_are_placed_before_vcpus_run),
		TEST(a_vgic_is_reset_while_no_vcpu_runs),
		TEST(lpis_are_pended_and_taken_back),
		TEST(a_line_names_the_vcpu_to_wake),
		TEST(registers_of_the_vgic_are_read_and_written),
		TEST(a_run_page_that_fails_is_an_error),
		TEST(statistics_of_profiling_are_returned),
		TEST(events_are_raised_and_returned),
		TEST(without_the_layers_their_calls_are_not_supported),
		TEST(nonsense_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
