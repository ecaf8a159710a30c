// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host's hypercalls about VMs: see vm_calls.h. A call finds its row by its number, takes a
 * reference to the VM that x1 names, and, if it is about a vCPU, the vCPU that x2 names; most calls
 * about a vCPU own it for their duration, so that no other CPU uses it. The functions here move
 * arguments and results between registers and C; what a call does is in vm/, trap/, vgic/ and spe/.
 */
#include <cpu/assert.h>
#include <host/vm_calls.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <lib/smccc.h>
#include <lib/string.h>
#include <vm/run.h>
#include <vm/run_page.h>
#include <vm/vm_ops.h>

/* The size field of KVM's register ids: log2 of bytes (Linux: include/uapi/linux/kvm.h). */
#define KVM_REG_SIZE GENMASK(55, 52)

/* A call's function, in the member for the object that the call is about; the others are NULL. */
struct vm_call {
	s64 (*plain)(struct host_regs *regs);
	s64 (*vm)(struct vm *vm, struct host_regs *regs);
	s64 (*vcpu)(struct vcpu *vcpu, struct host_regs *regs);
	s64 (*owned)(struct vcpu *vcpu, struct host_regs *regs); /* this CPU owns the vCPU */
};

static const struct vm_call_ops no_ops;
static const struct vm_call_ops *ops = &no_ops;

void vm_calls_init(const struct vm_call_ops *new_ops)
{
	ops = new_ops;
}

/* ---- VMs ---- */

static s64 hc_vm_size(struct host_regs *regs)
{
	struct vm_sizes sizes;
	int ret = vm_sizes(regs->x[1], &sizes);

	if (ret)
		return ret;
	regs->x[1] = sizes.vm_pages;
	regs->x[2] = sizes.vcpu_pages;
	regs->x[3] = sizes.ipa_bits_default;
	regs->x[4] = sizes.ipa_bits_max | (u64)sizes.granule_shift << 8 |
		     (ops->vgic_version ? (u64)ops->vgic_version() << 16 : 0);
	regs->x[5] = sizes.features;
	regs->x[6] = sizes.spe;
	return 0;
}

static s64 hc_vm_create(struct host_regs *regs)
{
	u64 handle;
	int ret = vm_create(PA(regs->x[1]), regs->x[2], regs->x[3], &handle);

	if (!ret)
		regs->x[1] = handle;
	return ret;
}

static s64 hc_vm_destroy(struct host_regs *regs)
{
	return vm_destroy(regs->x[1]);
}

static s64 hc_vm_topup(struct vm *vm, struct host_regs *regs)
{
	return vm_topup(vm, PA(regs->x[2]), regs->x[3]);
}

static s64 hc_vm_map(struct vm *vm, struct host_regs *regs)
{
	struct vm_mapped so_far = { .clean = regs->x[6] };
	int ret = vm_map(vm, IPA(regs->x[2]), PA(regs->x[3]), regs->x[4], regs->x[5], &so_far);

	if (ret == -EAGAIN) {
		regs->x[1] = so_far.done;
		regs->x[2] = so_far.clean;
	}
	return ret;
}

/* Also of a VM that is being destroyed: its memory may be wanted before it is gone. */
static s64 hc_vm_unmap(struct host_regs *regs)
{
	const struct ipa ipa = IPA(regs->x[2]);
	struct vm *vm = vm_get(regs->x[1]);
	u64 done = 0;
	int ret;

	if (likely(vm)) {
		ret = vm_unmap(vm, ipa, regs->x[3], regs->x[4], &done);
		vm_put(vm);
	} else {
		ret = vm_unmap_ending(regs->x[1], ipa, regs->x[3], regs->x[4], &done);
	}
	if (ret == -EAGAIN)
		regs->x[1] = done;
	return ret;
}

static s64 hc_vm_protect(struct vm *vm, struct host_regs *regs)
{
	u64 done;
	int ret = vm_protect(vm, IPA(regs->x[2]), regs->x[3], regs->x[4], &done);

	if (ret == -EAGAIN)
		regs->x[1] = done;
	return ret;
}

static s64 hc_vm_young(struct vm *vm, struct host_regs *regs)
{
	bool young = false;
	u64 done;
	int ret = vm_young(vm, IPA(regs->x[2]), regs->x[3], regs->x[4], &done, &young);

	if (!ret)
		return young;
	if (ret == -EAGAIN)
		regs->x[1] = done | young;
	return ret;
}

static s64 hc_vm_sync(struct vm *vm, struct host_regs *regs)
{
	u64 at = regs->x[2];
	int ret = vm_sync(vm, &at);

	if (ret == -EAGAIN)
		regs->x[1] = at;
	return ret;
}

/* ---- vCPUs ---- */

static s64 hc_vcpu_create(struct vm *vm, struct host_regs *regs)
{
	return vcpu_create(vm, regs->x[2], PA(regs->x[3]), regs->x[4], PA(regs->x[5]));
}

static s64 hc_vcpu_init(struct vcpu *vcpu, struct host_regs *regs)
{
	return vcpu_init(vcpu, regs->x[3]);
}

static s64 hc_vcpu_run(struct vcpu *vcpu, struct host_regs *regs)
{
	(void)regs;
	if (!vcpu->initialized)
		return -ENOEXEC;
	if (vcpu->spe && !vcpu->spe_ready)
		return -EINVAL;
	return vcpu_run(vcpu);
}

static s64 hc_vcpu_steal_time(struct vcpu *vcpu, struct host_regs *regs)
{
	return vcpu_set_steal_time(vcpu, regs->x[3]);
}

static s64 hc_vcpu_spe(struct vcpu *vcpu, struct host_regs *regs)
{
	if (!vcpu->initialized)
		return -ENOEXEC;
	return ops->spe ? ops->spe(vcpu, regs->x[3], regs->x[4]) : KEEL_NOT_SUPPORTED;
}

static s64 hc_vcpu_events(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 pending = 0;
	int ret;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (!ops->events)
		return KEEL_NOT_SUPPORTED;
	ret = ops->events(vcpu, regs->x[3], &pending);
	if (!ret)
		regs->x[1] = pending;
	return ret;
}

static s64 hc_vcpu_spe_stats(struct vcpu *vcpu, struct host_regs *regs)
{
	struct vcpu_spe_stats stats;
	int ret = ops->spe_stats ? ops->spe_stats(vcpu, &stats) : KEEL_NOT_SUPPORTED;

	if (ret)
		return ret;
	regs->x[1] = stats.samples;
	regs->x[2] = stats.dropped;
	regs->x[3] = stats.false_hits;
	regs->x[4] = stats.emulated;
	return 0;
}

static s64 hc_vcpu_state(struct vcpu *vcpu, struct host_regs *regs)
{
	return vcpu_set_state(vcpu, regs->x[3]);
}

/* ---- registers ---- */

/* A mask of the first 1..7 bytes of a doubleword. */
static u64 low_bytes(u64 bytes)
{
	return GENMASK(8 * bytes - 1, 0);
}

/* Copy to the run page's data, from doubleword @at on. Bytes behind the last one stay. */
static void copy_reg_out(struct vcpu *vcpu, u64 at, const u64 *from, u64 bytes)
{
	unsigned long long *to = run_doubleword(vcpu->run->data) + at;
	struct foreign_return host = foreign_return_save();

	for (; bytes >= sizeof(u64); bytes -= sizeof(u64))
		run_write64(vcpu, to++, *from++);
	if (bytes)
		run_write64(vcpu, to,
			    (run_read64(vcpu, to) & ~low_bytes(bytes)) |
				    (*from & low_bytes(bytes)));
	foreign_return_restore(&host);
}

/* Copy from the run page's data; the rest of the last doubleword becomes zero. */
static void copy_reg_in(struct vcpu *vcpu, u64 *to, u64 bytes)
{
	const unsigned long long *from = run_doubleword(vcpu->run->data);
	struct foreign_return host = foreign_return_save();

	for (; bytes >= sizeof(u64); bytes -= sizeof(u64))
		*to++ = run_read64(vcpu, from++);
	if (bytes)
		*to = run_read64(vcpu, from) & low_bytes(bytes);
	foreign_return_restore(&host);
}

static s64 unless_run_failed(const struct vcpu *vcpu, s64 ret)
{
	return vcpu->run_failed ? -EFAULT : ret;
}

/* The size in bytes that @id has; 0 if no register is that large. */
static u64 reg_bytes(u64 id)
{
	u64 bytes = BIT(FIELD_GET(KVM_REG_SIZE, id));

	return bytes <= VM_REG_BYTES_MAX ? bytes : 0;
}

static s64 hc_get_reg(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 value[VM_REG_BYTES_MAX / sizeof(u64)] = { 0 };
	u64 id = regs->x[3], bytes = reg_bytes(id);
	int ret;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (!ops->get_reg)
		return KEEL_NOT_SUPPORTED;
	ret = bytes ? ops->get_reg(vcpu, id, value) : -ENOENT;
	if (!ret)
		copy_reg_out(vcpu, 0, value, bytes);
	return unless_run_failed(vcpu, ret);
}

static s64 hc_set_reg(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 value[VM_REG_BYTES_MAX / sizeof(u64)] = { 0 };
	u64 id = regs->x[3], bytes = reg_bytes(id);

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (!ops->set_reg)
		return KEEL_NOT_SUPPORTED;
	if (!bytes)
		return -ENOENT;
	copy_reg_in(vcpu, value, bytes);
	if (vcpu->run_failed)
		return -EFAULT;
	return ops->set_reg(vcpu, id, value);
}

/* Ids are listed in parts, since EL2's stack is small. */
#define REG_LIST_PART 32
STATIC_ASSERT(KEEL_REG_LIST_MAX % REG_LIST_PART == 0, "no more than there is room for");

static s64 hc_reg_list(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 from = regs->x[3], ids[REG_LIST_PART], total = 0;
	int ret = 0;

	if (!vcpu->initialized)
		return -ENOEXEC;
	if (!ops->reg_list)
		return KEEL_NOT_SUPPORTED;
	for (u64 at = 0; at < KEEL_REG_LIST_MAX && !ret; at += REG_LIST_PART) {
		ret = ops->reg_list(vcpu, from + at, ids, REG_LIST_PART, &total);
		if (ret || from >= total || at >= total - from)
			break;
		copy_reg_out(vcpu, at, ids, sizeof(u64) * MIN(REG_LIST_PART, total - from - at));
	}
	if (!ret && !vcpu->run_failed)
		regs->x[1] = total;
	return unless_run_failed(vcpu, ret);
}

/* ---- interrupts ---- */

static void drop_all_vcpus(struct vm *vm, unsigned int end)
{
	for (unsigned int i = 0; i < end; i++)
		if (vm->vcpus[i])
			vcpu_drop(vm->vcpus[i]);
}

/*
 * Own all vCPUs of the VM, so that none can run until drop_all_vcpus(). -EBUSY if another CPU owns
 * one, or, with @new, if one has run. Under vm->lock. *@end: the index behind the last one.
 */
static int take_all_vcpus(struct vm *vm, bool new, unsigned int *end)
{
	unsigned int i, left = vm->nr_vcpus;

	for (i = 0; left; i++) {
		struct vcpu *vcpu;

		ASSERT_CMP(i, <, VM_VCPUS_MAX);
		vcpu = vm->vcpus[i];
		if (!vcpu)
			continue;
		if (vcpu_take(vcpu))
			break;
		if (new && vcpu->last_cpu != VCPU_NO_OWNER) {
			vcpu_drop(vcpu);
			break;
		}
		left--;
	}
	*end = i;
	if (!left)
		return 0;
	drop_all_vcpus(vm, i);
	return -EBUSY;
}

/* Taking all vCPUs takes long where there are many: after all steps that need it not. */
static int vgic_init_locked(struct vm *vm, struct host_regs *regs)
{
	const struct ipa dist = IPA(regs->x[2]), redist = IPA(regs->x[3]);
	unsigned int end;
	int ret;

	if (vm->vgic)
		return -EBUSY;
	ret = ops->vgic_prepare(vm, dist, redist, regs->x[4], regs->x[5]);
	if (!ret)
		ret = take_all_vcpus(vm, true, &end);
	if (ret)
		return ret;
	ret = ops->vgic_init(vm, dist, redist, regs->x[4], regs->x[5]);
	drop_all_vcpus(vm, end);
	return ret;
}

static s64 hc_vgic_init(struct vm *vm, struct host_regs *regs)
{
	int ret;

	if (!ops->vgic_init)
		return KEEL_NOT_SUPPORTED;
	spin_lock(&vm->lock);
	ret = vgic_init_locked(vm, regs);
	spin_unlock(&vm->lock);
	return ret;
}

static int vgic_place_locked(struct vm *vm, struct ipa base, u64 count)
{
	unsigned int end;
	int ret;

	if (!vm->vgic)
		return -ENODEV;
	ret = take_all_vcpus(vm, true, &end);
	if (ret)
		return ret;
	ret = ops->vgic_place(vm, base, count);
	drop_all_vcpus(vm, end);
	return ret;
}

static s64 hc_vgic_place(struct vm *vm, struct host_regs *regs)
{
	int ret;

	if (!ops->vgic_place)
		return KEEL_NOT_SUPPORTED;
	spin_lock(&vm->lock);
	ret = vgic_place_locked(vm, IPA(regs->x[2]), regs->x[3]);
	spin_unlock(&vm->lock);
	return ret;
}

static int vgic_reset_locked(struct vm *vm, u64 *at)
{
	unsigned int end;
	int ret;

	if (!vm->vgic)
		return -ENODEV;
	ret = take_all_vcpus(vm, false, &end);
	if (ret)
		return ret;
	ret = ops->vgic_reset(vm, at);
	drop_all_vcpus(vm, end);
	return ret;
}

static s64 hc_vgic_reset(struct vm *vm, struct host_regs *regs)
{
	u64 at = regs->x[2];
	int ret;

	if (!ops->vgic_reset)
		return KEEL_NOT_SUPPORTED;
	spin_lock(&vm->lock);
	ret = vgic_reset_locked(vm, &at);
	spin_unlock(&vm->lock);
	if (ret == -EAGAIN)
		regs->x[1] = at;
	return ret;
}

static s64 hc_irq_line(struct vm *vm, struct host_regs *regs)
{
	u64 vcpu = regs->x[2];
	int ret;

	if (!ops->irq_line)
		return KEEL_NOT_SUPPORTED;
	if (!__atomic_load_n(&vm->vgic, __ATOMIC_ACQUIRE))
		return -ENODEV;
	ret = ops->irq_line(vm, &vcpu, regs->x[3], regs->x[4]);
	if (ret == 1)
		regs->x[1] = vcpu;
	return ret;
}

static bool has_vgic(const struct vm *vm)
{
	return __atomic_load_n(&vm->vgic, __ATOMIC_ACQUIRE);
}

static s64 hc_vgic_lpis(struct vm *vm, struct host_regs *regs)
{
	(void)regs;
	if (!ops->vgic_lpis)
		return KEEL_NOT_SUPPORTED;
	if (!has_vgic(vm))
		return -ENODEV;
	ops->vgic_lpis(vm);
	return 0;
}

static s64 hc_lpi_pend(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 back = 0;
	int ret;

	if (!ops->lpi_pend)
		return KEEL_NOT_SUPPORTED;
	if (!has_vgic(vcpu->vm))
		return -ENODEV;
	ret = ops->lpi_pend(vcpu, regs->x[3], regs->x[4], &back);
	if (ret >= 0)
		regs->x[1] = back;
	return ret;
}

static s64 hc_lpi_take(struct vcpu *vcpu, struct host_regs *regs)
{
	if (!ops->lpi_take)
		return KEEL_NOT_SUPPORTED;
	return has_vgic(vcpu->vm) ? ops->lpi_take(vcpu, regs->x[3]) : -ENODEV;
}

static s64 vgic_reg(struct vcpu *vcpu, const struct host_regs *regs, bool write, u64 *value)
{
	if (!ops->vgic_reg)
		return KEEL_NOT_SUPPORTED;
	return has_vgic(vcpu->vm) ? ops->vgic_reg(vcpu, regs->x[3], regs->x[4], write, value)
				  : -ENODEV;
}

static s64 hc_vgic_get_reg(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 value = 0;
	s64 ret = vgic_reg(vcpu, regs, false, &value);

	if (!ret)
		regs->x[1] = value;
	return ret;
}

static s64 hc_vgic_set_reg(struct vcpu *vcpu, struct host_regs *regs)
{
	u64 value = (u32)regs->x[5];

	return vgic_reg(vcpu, regs, true, &value);
}

/* ---- information about VMs ---- */

static s64 hc_vm_info(struct vm *vm, struct host_regs *regs)
{
	const struct stage2_geometry *g;
	struct vm_info info;

	vm_info(vm, &info);
	g = &info.geometry;
	regs->x[1] = g->ia_bits | (u64)granule_shift(g->granule) << 8 | (u64)g->start_level << 16 |
		     (u64)g->root_tables << 24 | (u64)info.vcpus << 32;
	regs->x[2] = g->root_size;
	regs->x[3] = info.table_bytes;
	regs->x[4] = info.donated_bytes;
	regs->x[5] = info.free_bytes;
	return 0;
}

static s64 hc_vm_walk(struct vm *vm, struct host_regs *regs)
{
	struct vm_extent extent;
	int ret = vm_walk(vm, IPA(regs->x[2]), &extent);

	if (ret && ret != -EAGAIN)
		return ret;
	regs->x[1] = extent.ipa.v;
	regs->x[2] = extent.size;
	regs->x[3] = extent.flags;
	regs->x[4] = extent.block;
	return ret;
}

static s64 hc_vm_nested(struct vm *vm, struct host_regs *regs)
{
	u64 value;
	int ret = vm_nested_stat(vm, regs->x[2], &value);

	if (!ret)
		regs->x[1] = value;
	return ret;
}

/* ---- dispatch ---- */

/* Each call: its number, a member of struct vm_call, and the function for it. */
#define VM_CALLS(X)                                           \
	X(KEEL_HC_VM_SIZE, plain, hc_vm_size)                 \
	X(KEEL_HC_VM_CREATE, plain, hc_vm_create)             \
	X(KEEL_HC_VM_DESTROY, plain, hc_vm_destroy)           \
	X(KEEL_HC_VM_TOPUP, vm, hc_vm_topup)                  \
	X(KEEL_HC_VM_MAP, vm, hc_vm_map)                      \
	X(KEEL_HC_VM_UNMAP, plain, hc_vm_unmap)               \
	X(KEEL_HC_VCPU_CREATE, vm, hc_vcpu_create)            \
	X(KEEL_HC_VCPU_INIT, owned, hc_vcpu_init)             \
	X(KEEL_HC_VCPU_RUN, owned, hc_vcpu_run)               \
	X(KEEL_HC_VCPU_GET_REG, owned, hc_get_reg)            \
	X(KEEL_HC_VCPU_SET_REG, owned, hc_set_reg)            \
	X(KEEL_HC_VCPU_REG_LIST, owned, hc_reg_list)          \
	X(KEEL_HC_VGIC_INIT, vm, hc_vgic_init)                \
	X(KEEL_HC_IRQ_LINE, vm, hc_irq_line)                  \
	X(KEEL_HC_VCPU_STATE, vcpu, hc_vcpu_state)            \
	X(KEEL_HC_VCPU_STEAL_TIME, owned, hc_vcpu_steal_time) \
	X(KEEL_HC_VM_INFO, vm, hc_vm_info)                    \
	X(KEEL_HC_VM_WALK, vm, hc_vm_walk)                    \
	X(KEEL_HC_VCPU_SPE, owned, hc_vcpu_spe)               \
	X(KEEL_HC_VCPU_SPE_STATS, vcpu, hc_vcpu_spe_stats)    \
	X(KEEL_HC_VM_SYNC, vm, hc_vm_sync)                    \
	X(KEEL_HC_VGIC_RESET, vm, hc_vgic_reset)              \
	X(KEEL_HC_VCPU_EVENTS, owned, hc_vcpu_events)         \
	X(KEEL_HC_VGIC_PLACE, vm, hc_vgic_place)              \
	X(KEEL_HC_VGIC_LPIS, vm, hc_vgic_lpis)                \
	X(KEEL_HC_LPI_PEND, vcpu, hc_lpi_pend)                \
	X(KEEL_HC_LPI_TAKE, vcpu, hc_lpi_take)                \
	X(KEEL_HC_VM_NESTED, vm, hc_vm_nested)                \
	X(KEEL_HC_VGIC_GET_REG, owned, hc_vgic_get_reg)       \
	X(KEEL_HC_VGIC_SET_REG, owned, hc_vgic_set_reg)       \
	X(KEEL_HC_VM_PROTECT, vm, hc_vm_protect)              \
	X(KEEL_HC_VM_YOUNG, vm, hc_vm_young)

#define CALL_FIRST		   KEEL_HC_VM_SIZE
#define CALL_ROW(id, about, call)  [(id)-CALL_FIRST] = { .about = (call) },
#define CALL_NAME(id, about, call) row_of_##call,

enum { VM_CALLS(CALL_NAME) NR_ROWS };
static const struct vm_call calls[] = { VM_CALLS(CALL_ROW) };

/* The compiler refuses two rows with one number, so as many rows as numbers leave no gap. */
STATIC_ASSERT(NR_ROWS == KEEL_HC_VM_LAST - CALL_FIRST + 1, "each call has a row");
STATIC_ASSERT(ARRAY_SIZE(calls) == KEEL_HC_VM_LAST - CALL_FIRST + 1, "the last call is the last");

static s64 call_vcpu(const struct vm_call *call, struct vm *vm, struct host_regs *regs)
{
	struct vcpu *vcpu = vm_vcpu(vm, regs->x[2]);
	s64 ret;

	if (!vcpu)
		return -ENOENT;
	if (call->vcpu)
		return call->vcpu(vcpu, regs);
	ret = vcpu_take(vcpu);
	if (ret)
		return ret;
	ret = call->owned(vcpu, regs);
	vcpu_drop(vcpu);
	return ret;
}

static s64 call_vm(const struct vm_call *call, struct host_regs *regs)
{
	struct vm *vm = vm_get(regs->x[1]);
	s64 ret;

	if (!vm)
		return -ENOENT;
	ret = call->vm ? call->vm(vm, regs) : call_vcpu(call, vm, regs);
	vm_mem_check(vm);
	vm_put(vm);
	return ret;
}

bool vm_hypercall(struct host_regs *regs)
{
	u32 index = ((u32)regs->x[0] & ~(u32)SMCCC_SVE_HINT) - CALL_FIRST;
	const struct vm_call *call;

	if (index >= ARRAY_SIZE(calls))
		return false;
	call = &calls[index];
	regs->x[0] = (u64)(call->plain ? call->plain(regs) : call_vm(call, regs));
	return true;
}
