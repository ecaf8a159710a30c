// SPDX-License-Identifier: GPL-2.0
/* KVM_CHECK_EXTENSION. A capability that is not in the table reads 0. */
#define pr_fmt(fmt) "keel: " fmt

#include <linux/cpumask.h>

#include <keel/spe.h>
#include <keel/stage2.h>

#include "compat.h"
#include "keel.h"

/*
 * Written when the module is loaded, and again, under life_lock, after hibernation. Readers take no
 * lock; each reads one field. EL2 checks everything that is created with these values.
 */
static struct keel_vm_size limits;

/* A GICv2 has eight CPU interfaces. */
#define GICV2_VCPUS 8

/* ---- values that are not constants ---- */

static int value_nr_vcpus(void)
{
	return min_t(int, num_online_cpus(), keel_max_vcpus());
}

static int value_max_vcpus(void)
{
	return keel_max_vcpus();
}

static int value_ipa_bits(void)
{
	return limits.ipa_max;
}

static int value_stage2_page(void)
{
	return 1 << limits.granule_shift;
}

u32 keel_block_sizes(void)
{
	/* A table has an entry of 8 bytes for each block below its own: 1 GiB with pages of 4 KiB alone. */
	unsigned int page = limits.granule_shift, bits = page - 3;

	return BIT(page) | BIT(page + bits) | (page == 12 ? BIT(page + 2 * bits) : 0);
}

static int value_gmem(void)
{
	return !!keel_gmem_flags();
}

static int value_block_sizes(void)
{
	return keel_block_sizes();
}

static int value_gic(void)
{
	return limits.gic != 0;
}

static int value_irq_routing(void)
{
	return limits.gic ? KEEL_GSIS : 0;
}

static int value_el1_32bit(void)
{
	return !!(limits.features & BIT(KVM_ARM_VCPU_EL1_32BIT));
}

static int value_pmu(void)
{
	return !!(limits.features & BIT(KVM_ARM_VCPU_PMU_V3));
}

static int value_sve(void)
{
	return !!(limits.features & BIT(KVM_ARM_VCPU_SVE));
}

static int value_ptrauth(void)
{
	return !!(limits.features & BIT(KVM_ARM_VCPU_PTRAUTH_ADDRESS));
}

static int value_mte(void)
{
	return system_supports_mte() && limits.features & BIT_ULL(KEEL_HC_VCPU_FEATURE_MTE);
}

static int value_el2(void)
{
	return !!(limits.features & BIT(KVM_ARM_VCPU_HAS_EL2));
}

static int value_el2_e2h0(void)
{
	return !!(limits.features & BIT(KVM_ARM_VCPU_HAS_EL2_E2H0));
}

static int value_spe(void)
{
	return limits.spe;
}

u32 keel_spe_how(void)
{
	return limits.spe;
}

static int value_steal_time(void)
{
	return keel_pvtime_supported();
}

static const struct {
	unsigned int cap;
	int value;
	int (*get)(void);
} caps[] = {
	{ KVM_CAP_IRQCHIP, .get = value_gic },
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_NR_VCPUS, .get = value_nr_vcpus },
	{ KVM_CAP_NR_MEMSLOTS, KEEL_SLOTS },
	{ KVM_CAP_IRQ_ROUTING, .get = value_irq_routing },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_IRQFD, .get = value_gic },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_MAX_VCPUS, .get = value_max_vcpus },
	{ KVM_CAP_ONE_REG, 1 },
	{ KVM_CAP_SIGNAL_MSI, .get = value_gic },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, .get = value_gic },
	{ KVM_CAP_ARM_PSCI, 1 },
	{ KVM_CAP_ARM_SET_DEVICE_ADDR, 1 },
	{ KVM_CAP_DEVICE_CTRL, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_ARM_EL1_32BIT, .get = value_el1_32bit },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_ARM_PSCI_0_2, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_ARM_PMU_V3, .get = value_pmu },
	{ KVM_CAP_MAX_VCPU_ID, .get = value_max_vcpus },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_PTP_KVM, 1 },
	{ KVM_CAP_ARM_MTE, .get = value_mte },
	{ KVM_CAP_ARM_VM_IPA_SIZE, .get = value_ipa_bits },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_ARM_SVE, .get = value_sve },
	{ KVM_CAP_ARM_PTRAUTH_ADDRESS, .get = value_ptrauth },
	{ KVM_CAP_ARM_PTRAUTH_GENERIC, .get = value_ptrauth },
	{ KVM_CAP_ARM_IRQ_LINE_LAYOUT_2, 1 },
	{ KVM_CAP_ARM_INJECT_EXT_DABT, 1 },
	{ KVM_CAP_STEAL_TIME, .get = value_steal_time },
	{ KVM_CAP_SYSTEM_EVENT_DATA, 1 },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, .get = keel_ring_bytes_max },
	{ KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 1 },
	{ KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES, .get = value_block_sizes },
	{ KVM_CAP_USER_MEMORY2, 1 },
	{ KVM_CAP_GUEST_MEMFD, .get = value_gmem },
	{ KVM_CAP_ARM_EL2, .get = value_el2 },
	{ KVM_CAP_ARM_EL2_E2H0, .get = value_el2_e2h0 },
	{ KVM_CAP_GUEST_MEMFD_FLAGS, .get = keel_gmem_flags },
	{ KVM_CAP_ARM_SEA_TO_USER, 1 },
	{ KEEL_CAP_ARM_SPE, .get = value_spe },
	{ KEEL_CAP_ARM_STAGE2_PAGE_SIZE, .get = value_stage2_page },
};

/* Two are of a VM: whether it has an ITS, and what was set of it. */
int keel_check_extension(struct keel_vm *vm, unsigned long cap)
{
	if (cap == KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE)
		return vm ? READ_ONCE(vm->split_chunk) : 0;
	if (cap == KVM_CAP_MSI_DEVID)
		return vm && keel_its_created(vm);
	for (unsigned int i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].get ? caps[i].get() : caps[i].value;
	return 0;
}

/* ---- what this Keel can do ---- */

unsigned int keel_gic_version(void)
{
	return limits.gic;
}

unsigned int keel_max_vcpus(void)
{
	return limits.gic == 2 ? GICV2_VCPUS : KEEL_VCPUS;
}

int keel_caps_probe(void)
{
	struct keel_vm_size found;
	int ret = keel_vm_size(0, &found);

	if (!ret) {
		limits = found;
		return 0;
	}
	/* KEEL_NOT_SUPPORTED, or hardware on which no VM can run. */
	pr_err("this Keel cannot run guests (%d)\n", ret);
	return -ENODEV;
}
