/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Statistical Profiling Extension for guests: Keel's addition to KVM's API for arm64. Included
 * by the VMM that asks for it, by keel.ko and by Keel. docs/spe.md tells how it is used and who
 * provides it: where nobody does (keel.spe=off), the capability reads 0 and the feature is refused
 * as stock KVM refuses it.
 *
 * KVM has no SPE. Patches that were published for it used numbers which KVM has since given to
 * other things, so a program that goes by those would ask for something else. These numbers are
 * Keel's own, from where upstream's cannot arrive:
 *
 * - Feature bits of struct kvm_vcpu_init are given from bit 0 of features[0] upwards; KVM refuses
 *   (-ENOENT) a bit in any other word. Keel counts from the other end of the array: the last bit of
 *   the last word. Stock KVM refuses it.
 * - Capabilities, and groups of device attributes, are given one after the other from 0 (some 250
 *   and 4 of them in 2025). Keel's have "KE" (0x4b45) in the upper half of 32 bits. Stock KVM
 *   answers 0 to KVM_CHECK_EXTENSION, and -ENXIO for a group that it does not know.
 *
 * Within the group the attributes and what they return are those of the patches, but for STOP's
 * exit, which names its reason. Registers need no numbers: KVM_GET_ONE_REG and KVM_SET_ONE_REG
 * take ARM64_SYS_REG(3, 0, 9, 9..10, x) on a vCPU that has the feature.
 */
#ifndef KEEL_SPE_H
#define KEEL_SPE_H

/*
 * The vCPU feature: features[KEEL_ARM_VCPU_SPE_WORD] & (1U << KEEL_ARM_VCPU_SPE_BIT) of struct
 * kvm_vcpu_init. All vCPUs of a VM have it, or none: else KVM_ARM_VCPU_INIT is -EINVAL, and also
 * together with KVM_ARM_VCPU_EL1_32BIT.
 */
#define KEEL_ARM_VCPU_SPE_WORD 6
#define KEEL_ARM_VCPU_SPE_BIT  31

/* Likewise in x3 of KEEL_HC_VCPU_INIT, whose bits 31:0 are KVM's features[0]. */
#define KEEL_HC_VCPU_FEATURE_SPE 63

/*
 * KVM_CHECK_EXTENSION, on /dev/kvm and on a VM: 0 if vCPUs cannot have the feature; else how it is
 * provided.
 */
#define KEEL_CAP_ARM_SPE  0x4b450001
#define KEEL_SPE_EMULATED 1 /* samples by a timer, on any CPU */
#define KEEL_SPE_HARDWARE 2 /* the CPU's own profiling unit */

/*
 * KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_HAS_DEVICE_ATTR on a vCPU: the group, its
 * attributes and their errors. A vCPU without the feature has none of them: -ENXIO.
 */
#define KVM_ARM_VCPU_SPE_CTRL 0x4b450003

/*
 * IRQ: the profiling interrupt, PMBIRQ. addr points to an int: an INTID, 16..31 (a PPI), the same
 * on every vCPU of the VM; 21 is what Arm's Base System Architecture gives it. Set, in this order:
 * -ENXIO no in-kernel GIC; -EBUSY it is set already, or INIT was done; -EFAULT unreadable; -EINVAL
 * not a PPI, a timer's (27, 30), or another than another vCPU's. Get: -ENXIO it is not set; -EFAULT
 * unwritable.
 */
#define KVM_ARM_VCPU_SPE_IRQ 0

/*
 * INIT: no parameter. Once for each vCPU, after the GIC is initialized (KVM_DEV_ARM_VGIC_CTRL_INIT;
 * its addresses can come later) and the interrupt set; before it KVM_RUN is -EINVAL. -EBUSY it was
 * done; -ENODEV the GIC is not initialized; -ENXIO no interrupt is set.
 *
 * Under KEEL_SPE_HARDWARE the first INIT of a VM brings all memory of its writable slots, since the
 * profiling unit cannot wait for a page: it is pinned and mapped when INIT returns, which may take
 * a while. -EINTR a signal came (what is there stays; INIT again goes on); -ENOMEM not enough
 * memory, or more than RLIMIT_MEMLOCK; -EFAULT a slot without memory behind it, or memory that
 * cannot be pinned; -EHWPOISON memory that is broken: the thread was sent the SIGBUS of an access
 * to it, whether it blocks that or not. From then on KVM_SET_USER_MEMORY_REGION does the same for a
 * writable slot that it adds or moves, with the same errors: then the slot is not there.
 */
#define KVM_ARM_VCPU_SPE_INIT 1

/*
 * STOP: for migration. addr points to an int, exactly one of KVM_ARM_VCPU_SPE_STOP_*. -EAGAIN
 * before INIT; -EFAULT unreadable; -EINVAL another value.
 */
#define KVM_ARM_VCPU_SPE_STOP	   2
#define KVM_ARM_VCPU_SPE_STOP_TRAP 1 /* registers go on working; no sample is taken */
#define KVM_ARM_VCPU_SPE_STOP_EXIT 2 /* KVM_RUN returns rather than run a guest that profiles */
#define KVM_ARM_VCPU_SPE_RESUME	   4 /* as before */

/*
 * KVM_RUN of a vCPU under STOP_EXIT that has profiling enabled: KVM_EXIT_FAIL_ENTRY with this
 * hardware_entry_failure_reason. The vCPU has not run.
 */
#define KEEL_EXIT_FAIL_ENTRY_SPE 0x4b450001

/* KVM_ARM_VCPU_SPE_IRQ's usual value: the PPI of Arm's Base System Architecture. */
#define KEEL_SPE_IRQ_BSA 21

#endif
