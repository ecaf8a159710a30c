// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_DEV_TYPE_ARM_VGIC_V3. KVM_DEV_ARM_VGIC_CTRL_INIT makes the GIC at EL2, which has its registers
 * from then on. VMMs differ in whether addresses come before it or behind it: those of
 * redistributors EL2 gets as soon as it can, the distributor's at the first run, where overlaps are
 * errors.
 */
#include <linux/anon_inodes.h>
#include <linux/bitfield.h>
#include <linux/irqchip/arm-gic-v3.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/of.h>
#include <linux/uaccess.h>

#include <asm/sysreg.h>

#include "compat.h"
#include "keel.h"

#define NR_IRQS_DEFAULT	  256
#define FIRST_PPI	  16
#define MAINT_IRQ_DEFAULT 25 /* Base System Architecture */
#define NR_IRQS_MIN	  64

/* ---- under vm->lock ---- */

static u64 redists_size(const struct keel_vm *vm, const struct keel_redists *redists)
{
	return (u64)(redists->count ?: vm->nr_vcpus) * KVM_VGIC_V3_REDIST_SIZE;
}

/* Does one of the redistributors lie in [@base, @base + @size)? */
static bool meets_redists(const struct keel_vm *vm, u64 base, u64 size)
{
	const struct keel_vgic *vgic = &vm->vgic;

	for (unsigned int i = 0; i < vgic->nr_redists; i++) {
		const struct keel_redists *redists = &vgic->redists[i];

		if (base < redists->base + redists_size(vm, redists) && redists->base < base + size)
			return true;
	}
	return false;
}

static bool meets_dist(const struct keel_vm *vm, u64 base, u64 size)
{
	u64 dist = vm->vgic.dist;

	return dist != KEEL_NO_ADDRESS && base < dist + KVM_VGIC_V3_DIST_SIZE && dist < base + size;
}

/* Of how many vCPUs the first @count regions have the redistributors. */
static unsigned int redists_in(const struct keel_vm *vm, unsigned int count)
{
	const struct keel_vgic *vgic = &vm->vgic;
	unsigned int sum = 0;

	for (unsigned int i = 0; i < count; i++)
		sum += vgic->redists[i].count ?: vm->nr_vcpus;
	return min(sum, vm->nr_vcpus);
}

/* As many vCPUs as there are when it is used: one range of all may turn out too long, or too near. */
static bool redists_fit(const struct keel_vm *vm, const struct keel_redists *redists)
{
	u64 size = redists_size(vm, redists);

	return redists->base + size >= redists->base &&
	       !((redists->base + size - 1) >> vm->ipa_bits);
}

/* What EL2 has when this fails it keeps: the next try goes on. */
static int tell_redists(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;
	int ret = 0;

	while (!ret && vgic->told < vgic->nr_redists && redists_in(vm, vgic->told) < vm->nr_vcpus) {
		const struct keel_redists *redists = &vgic->redists[vgic->told];

		if (!redists_fit(vm, redists))
			break;
		ret = keel_vm_call(vm, KEEL_HC_VGIC_PLACE, redists->base,
				   redists->count ?: vm->nr_vcpus, 0, 0, NULL);
		vgic->told += !ret;
	}
	return ret;
}

static int tell_dist(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;
	int ret;

	if (vgic->dist_told)
		return 0;
	ret = keel_vm_call(vm, KEEL_HC_VGIC_PLACE, vgic->dist, 0, 0, 0, NULL);
	vgic->dist_told = !ret;
	return ret;
}

/* GICD_IIDR of a KVM: what EL2's answers with the revision 0. */
#define IIDR_BASE     (0x4bU << 24 | 0x43b)
#define IIDR_REVISION GENMASK(15, 12)
#define IIDR_LATEST   3

/*
 * The distributor has its address. One that does not fit is refused at the first run, as KVM does. A
 * GICv2 gets both of its frames then.
 */
static bool dist_fits(const struct keel_vm *vm)
{
	return !vm->vgic.v2 && vm->vgic.dist != KEEL_NO_ADDRESS &&
	       !meets_redists(vm, vm->vgic.dist, KVM_VGIC_V3_DIST_SIZE);
}

static int make_gic(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;
	const u64 dist = dist_fits(vm) ? vgic->dist : KEEL_NO_PLACE;
	int ret;

	if (vgic->made)
		return 0;
	do {
		ret = keel_vm_call(vm, KEEL_HC_VGIC_INIT, dist, KEEL_NO_PLACE,
				   (u64)vgic->maint_irq << 32 | vgic->nr_irqs, 0, NULL);
		cond_resched();
	} while (ret == -EAGAIN);
	vgic->made = !ret;
	vgic->dist_told = !ret && dist != KEEL_NO_PLACE;
	return ret == -ENODEV ? -ENXIO : ret;
}

static struct keel_vcpu *first_vcpu(struct keel_vm *vm)
{
	struct keel_vcpu *vcpu = NULL;

	for (unsigned int i = 0; i < KEEL_VCPUS && !vcpu; i++)
		vcpu = keel_vcpu_find(vm, i);
	return vcpu;
}

static int tell_revision(struct keel_vm *vm)
{
	u8 revision = vm->vgic.revision;

	if (!revision)
		return 0;
	return keel_vm_call(vm, KEEL_HC_VGIC_SET_REG, first_vcpu(vm)->index, KEEL_VGIC_DIST,
			    GICD_IIDR, IIDR_BASE | FIELD_PREP(IIDR_REVISION, revision), NULL);
}

/* What this did before it failed stays: the next try goes on. */
static int init_gic(struct keel_vm *vm)
{
	int ret = make_gic(vm);

	if (!ret)
		ret = tell_revision(vm);
	if (!ret)
		ret = tell_redists(vm);
	if (!ret)
		ret = keel_its_go_live(vm);
	if (!ret)
		smp_store_release(&vm->vgic.initialized, true);
	return ret;
}

/* The distributor has an address, and so has each vCPU's redistributor. */
static bool addresses_known(const struct keel_vm *vm)
{
	const struct keel_vgic *vgic = &vm->vgic;

	return vgic->dist != KEEL_NO_ADDRESS && vgic->nr_redists &&
	       redists_in(vm, vgic->nr_redists) == vm->nr_vcpus;
}

static int check_range(const struct keel_vm *vm, u64 base, u64 size)
{
	if (!IS_ALIGNED(base, SZ_64K) || base + size < base)
		return -EINVAL;
	return (base + size - 1) >> vm->ipa_bits ? -E2BIG : 0;
}

static int set_dist(struct keel_vm *vm, u64 base)
{
	struct keel_vgic *vgic = &vm->vgic;
	int ret;

	if (vgic->dist != KEEL_NO_ADDRESS)
		return -EEXIST;
	ret = check_range(vm, base, KVM_VGIC_V3_DIST_SIZE);
	if (!ret)
		vgic->dist = base;
	return ret;
}

static int add_redists(struct keel_vm *vm, u64 base, u32 count)
{
	struct keel_vgic *vgic = &vm->vgic;
	u64 size = (u64)(count ?: 1) * KVM_VGIC_V3_REDIST_SIZE;
	int ret = check_range(vm, base, size);

	if (ret)
		return ret;
	if (meets_redists(vm, base, size) || meets_dist(vm, base, size))
		return -EINVAL;
	if (vgic->nr_redists == KEEL_REDIST_REGIONS)
		return -ENOSPC;
	vgic->redists[vgic->nr_redists++] = (struct keel_redists){ base, count };
	if (vgic->initialized)
		ret = tell_redists(vm);
	/* userspace may take another one, unless EL2 has this one */
	if (ret && vgic->told < vgic->nr_redists)
		vgic->nr_redists--;
	return ret;
}

/* All of them, in one range. */
static int set_redist(struct keel_vm *vm, u64 base)
{
	const struct keel_vgic *vgic = &vm->vgic;

	if (vgic->nr_redists)
		return vgic->redists[0].count ? -EINVAL : -EEXIST;
	return add_redists(vm, base, 0);
}

#define REGION_COUNT_SHIFT 52
#define REGION_BASE	   GENMASK_ULL(51, 16)
#define REGION_FLAGS	   GENMASK_ULL(15, 12)
#define REGION_INDEX	   GENMASK_ULL(11, 0)

/* Some of them: regions are numbered from 0 on. */
static int set_redist_region(struct keel_vm *vm, u64 value)
{
	const struct keel_vgic *vgic = &vm->vgic;
	u32 count = value >> REGION_COUNT_SHIFT;

	if (!count || value & REGION_FLAGS || (value & REGION_INDEX) != vgic->nr_redists)
		return -EINVAL;
	if (vgic->nr_redists && !vgic->redists[0].count)
		return -EINVAL;
	return add_redists(vm, value & REGION_BASE, count);
}

static int get_redist_region(const struct keel_vgic *vgic, u64 *value)
{
	u64 index = *value & REGION_INDEX;
	const struct keel_redists *redists;

	if (index >= vgic->nr_redists)
		return -ENOENT;
	redists = &vgic->redists[array_index_nospec(index, KEEL_REDIST_REGIONS)];
	*value = index | redists->base | (u64)redists->count << REGION_COUNT_SHIFT;
	return 0;
}

static int set_address(struct keel_vm *vm, u64 type, u64 value)
{
	switch (type) {
	case KVM_VGIC_V3_ADDR_TYPE_DIST:
		return set_dist(vm, value);
	case KVM_VGIC_V3_ADDR_TYPE_REDIST:
		return set_redist(vm, value);
	case KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION:
		return set_redist_region(vm, value);
	default:
		return -ENXIO;
	}
}

/* @value comes with the number of a region, if it is one that is asked for. */
static int get_address(struct keel_vm *vm, u64 type, u64 *value)
{
	const struct keel_vgic *vgic = &vm->vgic;

	switch (type) {
	case KVM_VGIC_V3_ADDR_TYPE_DIST:
		*value = vgic->dist;
		return 0;
	case KVM_VGIC_V3_ADDR_TYPE_REDIST:
		*value = vgic->nr_redists ? vgic->redists[0].base : KEEL_NO_ADDRESS;
		return 0;
	case KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION:
		return get_redist_region(vgic, value);
	default:
		return -ENXIO;
	}
}

static bool is_address(u64 type)
{
	return type == KVM_VGIC_V3_ADDR_TYPE_DIST || type == KVM_VGIC_V3_ADDR_TYPE_REDIST ||
	       type == KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION;
}

int keel_vgic_set_nr_irqs(struct keel_vm *vm, u32 value)
{
	if (value < NR_IRQS_MIN || value > KEEL_IRQS_MAX || value % 32)
		return -EINVAL;
	if (vm->vgic.nr_irqs || vm->vgic.initialized)
		return -EBUSY;
	vm->vgic.nr_irqs = value;
	return 0;
}

/* Of VMs with an EL2: the PPI that their hypervisors are told of. Reads as 0 until it is decided. */
static int set_maint_irq(struct keel_vm *vm, u32 value)
{
	if (!keel_check_extension(vm, KVM_CAP_ARM_EL2))
		return -ENXIO;
	if (vm->vgic.initialized)
		return -EBUSY;
	if (value < FIRST_PPI || value >= KEEL_PRIVATE_IRQS)
		return -EINVAL;
	vm->vgic.maint_irq = value;
	return 0;
}

int keel_vgic_ctrl_init(struct keel_vm *vm)
{
	struct keel_vgic *vgic = &vm->vgic;

	if (vgic->initialized)
		return 0;
	if (!vm->nr_vcpus)
		return -ENODEV;
	if (!vgic->nr_irqs)
		vgic->nr_irqs = NR_IRQS_DEFAULT;
	if (!vgic->maint_irq)
		vgic->maint_irq = MAINT_IRQ_DEFAULT;
	return init_gic(vm);
}

static int set_ctrl(struct keel_vm *vm, u64 attr)
{
	switch (attr) {
	case KVM_DEV_ARM_VGIC_CTRL_INIT:
		return keel_vgic_ctrl_init(vm);
	case KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES:
		return vm->vgic.initialized ? keel_its_save_pending(vm) : -ENXIO;
	default:
		return -ENXIO;
	}
}

static bool all_redists_fit(const struct keel_vm *vm)
{
	for (unsigned int i = 0; i < vm->vgic.nr_redists; i++)
		if (!redists_fit(vm, &vm->vgic.redists[i]))
			return false;
	return true;
}

static int is_ready(struct keel_vm *vm)
{
	int ret;

	if (!addresses_known(vm))
		return -ENXIO;
	if (meets_redists(vm, vm->vgic.dist, KVM_VGIC_V3_DIST_SIZE) || !all_redists_fit(vm))
		return -EINVAL;
	if (!vm->vgic.initialized)
		return -EBUSY;
	ret = tell_redists(vm);
	return ret ? ret : tell_dist(vm);
}

static int first_run(struct keel_vm *vm)
{
	int ret = 0;

	if (vm->vgic.created)
		ret = vm->vgic.v2 ? keel_vgic_v2_is_ready(vm) : is_ready(vm);
	if (!ret)
		WRITE_ONCE(vm->has_run, true);
	return ret;
}

/*
 * Before the first entry of any vCPU. -EBUSY, -ENXIO, -EINVAL: there is a GIC, but its settings are
 * incomplete, or its frames overlap.
 */
int keel_vgic_first_run(struct keel_vm *vm)
{
	int ret;

	if (READ_ONCE(vm->has_run))
		return 0;
	mutex_lock(&vm->lock);
	ret = first_run(vm);
	mutex_unlock(&vm->lock);
	return ret;
}

bool keel_vgic_created(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->vgic.created);
}

bool keel_vgic_initialized(struct keel_vm *vm)
{
	return smp_load_acquire(&vm->vgic.initialized);
}

/* Under vm->lock. Whether a vCPU has run since its last KVM_ARM_VCPU_INIT. */
static bool any_has_run(struct keel_vm *vm)
{
	for (unsigned int i = 0; i < KEEL_VCPUS; i++) {
		struct keel_vcpu *vcpu = keel_vcpu_find(vm, i);

		if (vcpu && READ_ONCE(vcpu->ran_since))
			return true;
	}
	return false;
}

/*
 * -EAGAIN: a part is left. -EBUSY is due to an ioctl on a vCPU, which ends soon, or to a run that
 * has begun meanwhile.
 */
static void reset_vgic(struct keel_vm *vm)
{
	u64 at = 0, next = 0;
	long ret = -EAGAIN;

	while ((ret == -EAGAIN || ret == -EBUSY) && !any_has_run(vm)) {
		ret = keel_vm_call(vm, KEEL_HC_VGIC_RESET, at, 0, 0, 0, &next);
		if (ret == -EAGAIN)
			at = next;
		cond_resched();
	}
	if (!ret)
		keel_its_machine_reset(vm);
}

/*
 * The vCPU was initialized again. If no vCPU has run since its last initialization, userspace
 * resets the machine, and the distributor is reset as well.
 */
void keel_vgic_vcpu_reset(struct keel_vcpu *vcpu)
{
	struct keel_vm *vm = vcpu->vm;

	if (!xchg(&vcpu->ran_since, false) || !keel_vgic_initialized(vm))
		return;
	mutex_lock(&vm->lock);
	reset_vgic(vm);
	mutex_unlock(&vm->lock);
}

/* ---- KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS: what an EL2 has in its CPU interface ---- */

/* The vCPU with the MPIDR_EL1 in an attribute: Aff3 to Aff0 in bits 63:32. */
static struct keel_vcpu *vcpu_of_attr(struct keel_vm *vm, u64 attr)
{
	u32 mpidr = attr >> KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT;
	u32 index = (mpidr & 0xf) | (mpidr >> 8 & 0xff) << 4 | (mpidr >> 16 & 0xff) << 12;

	return mpidr & 0xff0000f0 ? NULL : keel_vcpu_find(vm, index);
}

/* A register of every vCPU's interface. No vCPU runs. */
static int icc_reg(struct keel_vcpu *vcpu, u32 encoding, u64 *value, bool set)
{
	u64 got;
	int ret = keel_call(set ? KEEL_HC_VGIC_SET_REG : KEEL_HC_VGIC_GET_REG, vcpu->vm->handle,
			    vcpu->index, KEEL_VGIC_CPU, encoding, *value, &got);

	if (!ret && !set)
		*value = got;
	return ret;
}

/* No vCPU runs. */
static int access_cpu_sysreg(struct keel_vcpu *vcpu, u32 encoding, u64 *value, bool set)
{
	int ret;

	if (!vcpu->vm->vgic.initialized)
		return -EBUSY;
	ret = icc_reg(vcpu, encoding, value, set);
	return ret == -ENXIO ? keel_vcpu_gic_reg(vcpu, encoding, value, set) : ret;
}

/* -EBUSY while any vCPU runs, as for the other registers. */
static int cpu_sysreg(struct keel_vm *vm, u64 attr, u64 *value, bool set)
{
	struct keel_vcpu *vcpu = vcpu_of_attr(vm, attr);
	int ret;

	if (!vcpu)
		return -EINVAL;
	if (keel_vcpus_trylock(vm))
		return -EBUSY;
	ret = access_cpu_sysreg(vcpu, attr & KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK, value, set);
	keel_vcpus_unlock(vm);
	return ret;
}

/* The registers of every vCPU's interface, for KVM_HAS_DEVICE_ATTR: whether this CPU has them all. */
static const u32 icc_regs[] = {
	SYS_ICC_PMR_EL1,      SYS_ICC_BPR0_EL1,	    SYS_ICC_AP0Rn_EL1(0), SYS_ICC_AP0Rn_EL1(1),
	SYS_ICC_AP0Rn_EL1(2), SYS_ICC_AP0Rn_EL1(3), SYS_ICC_AP1Rn_EL1(0), SYS_ICC_AP1Rn_EL1(1),
	SYS_ICC_AP1Rn_EL1(2), SYS_ICC_AP1Rn_EL1(3), SYS_ICC_BPR1_EL1,	  SYS_ICC_CTLR_EL1,
	SYS_ICC_SRE_EL1,      SYS_ICC_IGRPEN0_EL1,  SYS_ICC_IGRPEN1_EL1,
};

/* The registers of an EL2's interface. */
static const struct {
	u32 first, count;
} el2_regs[] = {
	{ SYS_ICH_AP0R0_EL2, 4 }, { SYS_ICH_AP1R0_EL2, 4 }, { SYS_ICC_SRE_EL2, 1 },
	{ SYS_ICH_HCR_EL2, 1 },	  { SYS_ICH_VTR_EL2, 1 },   { SYS_ICH_VMCR_EL2, 1 },
	{ SYS_ICH_LR0_EL2, 16 },
};

static bool has_el2_reg(const struct keel_vcpu *vcpu, u32 encoding)
{
	if (!(READ_ONCE(vcpu->features) & BIT(KVM_ARM_VCPU_HAS_EL2)))
		return false;
	for (unsigned int i = 0; i < ARRAY_SIZE(el2_regs); i++)
		if (encoding - (el2_regs[i].first >> Op2_shift) < el2_regs[i].count)
			return true;
	return false;
}

static int has_cpu_sysreg(struct keel_vm *vm, u64 attr)
{
	struct keel_vcpu *vcpu = vcpu_of_attr(vm, attr);
	u32 encoding = attr & KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK;

	if (!vcpu)
		return -EINVAL;
	for (unsigned int i = 0; i < ARRAY_SIZE(icc_regs); i++)
		if (encoding == icc_regs[i] >> Op2_shift)
			return 0;
	return has_el2_reg(vcpu, encoding) ? 0 : -ENXIO;
}

/* ---- KVM_DEV_ARM_VGIC_GRP_DIST_REGS, _REDIST_REGS, _LEVEL_INFO: 32 bits each ---- */

/* Registers that there are, for KVM_HAS_DEVICE_ATTR. */
struct reg_range {
	u32 first, size;
};

static const struct reg_range dist_regs[] = {
	{ 0x0000, 0x14 },  /* GICD_CTLR to GICD_STATUSR */
	{ 0x0080, 0xc80 }, /* GICD_IGROUPR to GICD_ICFGR */
	{ 0x0d00, 0x80 },  /* GICD_IGRPMODR */
	{ 0x6000, 0x2000 }, { 0xffd0, 0x30 },
};

static const struct reg_range redist_regs[] = {
	{ 0x0000, 0x18 }, { 0x0070, 0x10 }, /* GICR_CTLR to GICR_WAKER; tables of LPIs */
	{ 0x00a0, 8 },	  { 0x00b0, 8 },    { 0x00c0, 4 }, /* GICR_INVLPIR, _INVALLR, _SYNCR */
	{ 0xffd0, 0x30 },				   /* ID registers */
	{ 0x10080, 4 },	  { 0x10100, 4 },   { 0x10180, 4 }, { 0x10200, 4 },
	{ 0x10280, 4 },	  { 0x10300, 4 },   { 0x10380, 4 }, { 0x10400, 0x20 }, /* GICR_IPRIORITYR */
	{ 0x10c00, 8 },	  { 0x10d00, 4 },   { 0x10e00, 4 },
};

static bool in_ranges(const struct reg_range *ranges, unsigned int count, u32 offset)
{
	for (unsigned int i = 0; i < count; i++)
		if (offset - ranges[i].first < ranges[i].size)
			return true;
	return false;
}

/* Arrays of the distributor, of registers with so many bits for each interrupt. */
static const struct {
	u32 first, size, bits;
} dist_arrays[] = {
	{ 0x0080, 0x380, 1 }, /* GICD_IGROUPR to GICD_ICACTIVER */
	{ 0x0400, 0x800, 8 }, /* GICD_IPRIORITYR, GICD_ITARGETSR */
	{ 0x0c00, 0x100, 2 }, { 0x0d00, 0x80, 1 }, { 0x6000, 0x2000, 64 },
};

/* The first interrupt that a register of the distributor is about; 0: it is about none. */
static u32 first_irq_of(u32 offset)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(dist_arrays); i++) {
		u32 bits = dist_arrays[i].bits, at = offset - dist_arrays[i].first;

		if (at < dist_arrays[i].size)
			return at % (KEEL_IRQS_MAX * bits / 8) * 8 / bits;
	}
	return 0;
}

/* As long as nobody has said how many there are, there are the private ones. */
u32 keel_vgic_irqs_so_far(const struct keel_vm *vm)
{
	return vm->vgic.nr_irqs ?: KEEL_PRIVATE_IRQS;
}

bool keel_vgic_has_irqs_of(const struct keel_vm *vm, u32 offset)
{
	return first_irq_of(offset) < keel_vgic_irqs_so_far(vm);
}

/* An attribute of these groups: the vCPU, and what of it as KEEL_HC_VGIC_GET_REG takes it. */
struct vgic_place {
	struct keel_vcpu *vcpu;
	u64 space;
	u32 offset;
};

/* The one kind of information about INTIDs that there is. */
static bool is_line_level(u64 attr)
{
	return (attr & KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_MASK) >>
		       KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT ==
	       VGIC_LEVEL_INFO_LINE_LEVEL;
}

/* -EINVAL: there is no such vCPU, or no such information about INTIDs. */
static int find_vgic_place(struct keel_vm *vm, const struct kvm_device_attr *attr,
			   struct vgic_place *place)
{
	u64 what = attr->attr & KVM_DEV_ARM_VGIC_OFFSET_MASK;

	place->space = attr->group == KVM_DEV_ARM_VGIC_GRP_DIST_REGS ? KEEL_VGIC_DIST
								     : KEEL_VGIC_REDIST;
	place->offset = what;
	if (attr->group == KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO) {
		if (!is_line_level(what) || what % 32)
			return -EINVAL;
		place->space = KEEL_VGIC_LINES;
		place->offset = (what & KVM_DEV_ARM_VGIC_LINE_LEVEL_INTID_MASK) / 8;
	}
	place->vcpu = place->space == KEEL_VGIC_DIST ? first_vcpu(vm)
						     : vcpu_of_attr(vm, attr->attr);
	return place->vcpu ? 0 : -EINVAL;
}

/* GICD_TYPER2: nothing of GICv4.1, so it is what it must be until the init decides it. */
static int access_typer2(const struct keel_vgic *vgic, u32 *value, bool set)
{
	if (!set)
		*value = 0;
	if (!*value)
		return 0;
	return vgic->initialized ? -EBUSY : -EINVAL;
}

/* GICD_IIDR before the init. */
static int access_early_iidr(struct keel_vgic *vgic, u32 *value, bool set)
{
	u32 revision = FIELD_GET(IIDR_REVISION, *value);

	if (!set) {
		*value = IIDR_BASE | FIELD_PREP(IIDR_REVISION, vgic->revision ?: IIDR_LATEST);
		return 0;
	}
	if ((*value & ~IIDR_REVISION) != IIDR_BASE || !revision || revision > IIDR_LATEST)
		return -EINVAL;
	vgic->revision = revision;
	return 0;
}

/*
 * What EL2's GIC has at @offset of @space, 32 bits. As on KVM, where there is no register, or one of
 * interrupts that the VM does not have, it reads as zero, and writes are ignored.
 */
int keel_vgic_reg(struct keel_vcpu *vcpu, u64 space, u32 offset, u32 *value, bool set)
{
	u64 got = 0;
	int ret = keel_call(set ? KEEL_HC_VGIC_SET_REG : KEEL_HC_VGIC_GET_REG, vcpu->vm->handle,
			    vcpu->index, space, offset, *value, &got);

	if (ret && ret != -ENXIO)
		return ret;
	if (!set)
		*value = ret ? 0 : got;
	return 0;
}

/* No vCPU runs, EL2 has the GIC. */
static int access_place(const struct vgic_place *place, u32 *value, bool set)
{
	struct keel_vcpu *vcpu = place->vcpu;

	if (place->space == KEEL_VGIC_REDIST && vcpu->redist &&
	    keel_its_redist_reg(vcpu, place->offset, value, set))
		return 0;
	return keel_vgic_reg(vcpu, place->space, place->offset, value, set);
}

static int vgic_state(struct keel_vm *vm, const struct kvm_device_attr *attr, u32 *value, bool set)
{
	struct vgic_place place;
	int ret = find_vgic_place(vm, attr, &place);

	if (ret)
		return ret;
	if (keel_vcpus_trylock(vm))
		return -EBUSY;
	if (place.space == KEEL_VGIC_DIST && place.offset == GICD_TYPER2)
		ret = access_typer2(&vm->vgic, value, set);
	else if (vm->vgic.initialized)
		ret = access_place(&place, value, set);
	else if (place.space == KEEL_VGIC_DIST && place.offset == GICD_IIDR)
		ret = access_early_iidr(&vm->vgic, value, set);
	else
		ret = -EBUSY;
	keel_vcpus_unlock(vm);
	return ret;
}

static int has_state(struct keel_vm *vm, const struct kvm_device_attr *attr)
{
	struct vgic_place place;
	int ret = find_vgic_place(vm, attr, &place);
	bool found = true;

	if (ret)
		return ret;
	if (place.space == KEEL_VGIC_DIST)
		found = in_ranges(dist_regs, ARRAY_SIZE(dist_regs), place.offset) &&
			keel_vgic_has_irqs_of(vm, place.offset);
	else
		found = in_ranges(redist_regs, ARRAY_SIZE(redist_regs), place.offset);
	return found && IS_ALIGNED(place.offset, 4) ? 0 : -ENXIO;
}

/* ---- attributes ---- */

static int set_vgic_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_vm *vm = device;
	void __user *argp = (void __user *)attr->addr;
	u64 address;
	u32 count;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		if (copy_from_user(&address, argp, sizeof(address)))
			return -EFAULT;
		return set_address(vm, attr->attr, address);
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		if (copy_from_user(&count, argp, sizeof(count)))
			return -EFAULT;
		return keel_vgic_set_nr_irqs(vm, count);
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return set_ctrl(vm, attr->attr);
	case KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ:
		if (copy_from_user(&count, argp, sizeof(count)))
			return -EFAULT;
		return set_maint_irq(vm, count);
	case KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS:
		if (copy_from_user(&address, argp, sizeof(address)))
			return -EFAULT;
		return cpu_sysreg(vm, attr->attr, &address, true);
	case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_REDIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO:
		if (copy_from_user(&count, argp, sizeof(count)))
			return -EFAULT;
		return vgic_state(vm, attr, &count, true);
	default:
		return -ENXIO;
	}
}

static int get_vgic_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_vm *vm = device;
	void __user *argp = (void __user *)attr->addr;
	u64 address;
	u32 word = 0;
	int ret;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		if (copy_from_user(&address, argp, sizeof(address)))
			return -EFAULT;
		ret = get_address(vm, attr->attr, &address);
		if (ret)
			return ret;
		return copy_to_user(argp, &address, sizeof(address)) ? -EFAULT : 0;
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		return put_user(keel_vgic_irqs_so_far(vm), (u32 __user *)argp);
	case KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ:
		if (!keel_check_extension(vm, KVM_CAP_ARM_EL2))
			return -ENXIO;
		return put_user(vm->vgic.maint_irq, (u32 __user *)argp);
	case KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS:
		ret = cpu_sysreg(vm, attr->attr, &address, false);
		if (ret)
			return ret;
		return copy_to_user(argp, &address, sizeof(address)) ? -EFAULT : 0;
	case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_REDIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO:
		ret = vgic_state(vm, attr, &word, false);
		return ret ? ret : put_user(word, (u32 __user *)argp);
	default:
		return -ENXIO;
	}
}

static int has_vgic_attr(void *device, const struct kvm_device_attr *attr)
{
	struct keel_vm *vm = device;

	switch (attr->group) {
	case KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS:
		return has_cpu_sysreg(vm, attr->attr);
	case KVM_DEV_ARM_VGIC_GRP_DIST_REGS:
	case KVM_DEV_ARM_VGIC_GRP_REDIST_REGS:
		return has_state(vm, attr);
	case KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO:
		return is_line_level(attr->attr) ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ:
		return keel_check_extension(vm, KVM_CAP_ARM_EL2) ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_ADDR:
		return is_address(attr->attr) ? 0 : -ENXIO;
	case KVM_DEV_ARM_VGIC_GRP_NR_IRQS:
		return 0;
	case KVM_DEV_ARM_VGIC_GRP_CTRL:
		return attr->attr == KVM_DEV_ARM_VGIC_CTRL_INIT ||
				       attr->attr == KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES
			       ? 0
			       : -ENXIO;
	default:
		return -ENXIO;
	}
}

static const struct keel_device_ops vgic_ops = {
	.set = set_vgic_attr,
	.get = get_vgic_attr,
	.has = has_vgic_attr,
};

static long device_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	return keel_device_ioctl(file->private_data, &vgic_ops, file->private_data, nr, arg);
}

static int device_release(struct inode *inode, struct file *file)
{
	keel_vm_put(file->private_data);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.llseek = noop_llseek,
};

/* ---- KVM_CREATE_DEVICE ---- */

static int create_vgic_locked(struct keel_vm *vm)
{
	int fd;

	if (vm->vgic.created)
		return -EEXIST;
	if (vm->has_run)
		return -EBUSY;
	keel_vm_get(vm);
	fd = anon_inode_getfd("kvm-arm-vgic-v3", &device_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		keel_vm_put(vm);
	else
		smp_store_release(&vm->vgic.created, true);
	return fd;
}

int keel_vgic_create(struct keel_vm *vm, struct kvm_create_device *device)
{
	int fd;

	if (keel_gic_version() != 3)
		return -ENODEV;
	if (device->flags & KVM_CREATE_DEVICE_TEST)
		return 0;
	mutex_lock(&vm->lock);
	fd = create_vgic_locked(vm);
	mutex_unlock(&vm->lock);
	if (fd < 0)
		return fd;
	device->fd = fd;
	return 0;
}
