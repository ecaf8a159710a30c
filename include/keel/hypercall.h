/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The hypercall ABI: what the host may ask of Keel by `HVC #0`.
 *
 * SMC Calling Convention (ARM DEN 0028), fast calls in the vendor-hypervisor range; function
 * identifier in x0, arguments in x1.., results in x0... Errors are Linux's numbers, negative, in
 * x0. A call validates everything before it changes anything. Anything that is not listed here
 * returns KEEL_NOT_SUPPORTED and changes no other register. Only the host may make these calls.
 */
#ifndef KEEL_HYPERCALL_H
#define KEEL_HYPERCALL_H

#define KEEL_NOT_SUPPORTED (-1)

/* ABI version: major in bits 31:16 (other majors do not understand each other), minor below. */
#define KEEL_ABI_VERSION 0x00020007

/*
 * General queries that SMCCC defines for the range: UID (x0..x3, little-endian words of
 * 6b65656c-2d68-7970-8572-766973302e31) and revision (x0 major, x1 minor of the ABI).
 */
#define KEEL_HC_UID	 0x8600ff01
#define KEEL_HC_REVISION 0x8600ff03
#define KEEL_UID_0	 0x6c65656b
#define KEEL_UID_1	 0x7079682d
#define KEEL_UID_2	 0x69767285
#define KEEL_UID_3	 0x312e3073

/*
 * The host finds Keel by the node of a device tree that is compatible with "keel,hypervisor", or,
 * where there is no device tree, by the ACPI device with this _HID.
 */
#define KEEL_ACPI_HID "KEEL0001"

/*
 * What became of keel.efi in this boot is in UEFI's variable of this name and vendor, which is gone
 * after a reset: a line of ASCII without an end. It begins with KEEL_EFI_READY or KEEL_EFI_ERROR.
 */
#define KEEL_EFI_VARIABLE "KeelBoot"
#define KEEL_EFI_VENDOR	  "b18320bb-1395-45c9-88c2-508a36582f27"
#define KEEL_EFI_READY	  "ready: "
#define KEEL_EFI_ERROR	  "error: "

/* KEEL_HC_VERSION() -> x0 = KEEL_ABI_VERSION */
#define KEEL_HC_VERSION 0xc6000000

/*
 * KEEL_HC_STAT(x1 = one of KEEL_STAT_*) -> x0 = 0, x1 = its value; -EINVAL for others.
 * Counters since boot, of all CPUs together.
 */
#define KEEL_HC_STAT 0xc6000001

/*
 * KEEL_HC_LOG_READ(x1 = position, 0 to start with) -> x0 = bytes (0 at the end of the log),
 * x1 = the position to go on at, x2 = bytes lost because the ring had wrapped, x3..x17 = text.
 */
#define KEEL_HC_LOG_READ  0xc6000002
#define KEEL_LOG_READ_MAX 120

/*
 * KEEL_HC_POOL_DONATE(x1 = address, x2 = pages) -> x0 = 0: pages for Keel's own page tables and the
 * host's, which have to show and to hide, by the page, what the host donates. This is the answer to
 * -ENOBUFS: donate, and repeat the call. All that is ever asked for is two pages for each
 * 2 MiB of memory and two for each GiB. x2 is KEEL_POOL_DONATE_PAGES, and the address is aligned to
 * as much. -EINVAL, -EPERM, -EBUSY and -ERANGE as the calls about virtual machines.
 */
#define KEEL_HC_POOL_DONATE    0xc6000003
#define KEEL_POOL_DONATE_PAGES 8

/*
 * KEEL_HC_POOL_RECLAIM(x1 = address, x2 = pages, as for KEEL_HC_POOL_DONATE) -> x0 = 0: what was
 * donated so is the host's again, cleared; -EBUSY where some of it is in use; -EPERM where some was
 * not donated. Once there are no VMs, going from the newest donation to the oldest brings all back,
 * but what names of VMs are kept in: 512 at a time are for nothing.
 */
#define KEEL_HC_POOL_RECLAIM 0xc6000004

/*
 * KEEL_HC_VM_NEXT(x1 = handle, 0 to start with) -> x0 = 0, x1 = the handle of another VM, 0 if
 * there is none behind x1; also of one whose KEEL_HC_VM_DESTROY is not done. For a kernel that
 * starts on a machine where another one made VMs, and died.
 */
#define KEEL_HC_VM_NEXT 0xc6000005

/*
 * ---- virtual machines ----
 *
 * A VM and its vCPUs live in memory that the host donates: from that call on the host cannot reach
 * it, and it comes back, cleared, when KEEL_HC_VM_DESTROY has returned 0. VMs are named by handles,
 * vCPUs by their VM's handle and their index. Pages are of 4096 bytes, addresses and sizes
 * multiples of it; those of KEEL_HC_VM_MAP and _UNMAP are multiples of the granule of stage 2.
 *
 * All of them: -ENOENT for a handle or index that names nothing; -EPERM for memory that is not the
 * host's to give or share; -EINVAL for misaligned, empty or wrapping ranges and undefined bits;
 * -EBUSY where a vCPU runs, or another CPU is in the same call, and that stands in the way;
 * -ERANGE for memory that EL2's address space cannot show; -EFAULT for memory that does not answer
 * when EL2 accesses it; -EINVAL for more than KEEL_DONATE_MAX
 * pages in one call; -ENOBUFS where Keel's own pages run short: KEEL_HC_POOL_DONATE and repeat the
 * call.
 */
#define KEEL_DONATE_MAX 512

/*
 * KEEL_HC_VM_SIZE(x1 = IPA bits, 0 for the default) -> x0 = 0 or -EINVAL, x1 = pages for
 * KEEL_HC_VM_CREATE, x2 = pages for KEEL_HC_VCPU_CREATE, x3 = IPA bits that 0 stands for,
 * x4 = IPA bits at most in 7:0, log2 of the granule of stage 2 in 15:8, the version of the GIC that
 * VMs can have in 23:16 (2 or 3; 0: they can have none), x5 = KVM_ARM_VCPU_* feature
 * bits that KEEL_HC_VCPU_INIT takes, x6 = how SPE is provided: KEEL_SPE_* of keel/spe.h, 0 without
 * KEEL_HC_VCPU_FEATURE_SPE.
 */
#define KEEL_HC_VM_SIZE 0xc6000010

/* Keel's own bit in x3 of KEEL_HC_VCPU_INIT, as KEEL_HC_VCPU_FEATURE_SPE: memory tags (FEAT_MTE2). */
#define KEEL_HC_VCPU_FEATURE_MTE 62

/*
 * With a GICv2, an SGI by which Keel interrupts a CPU that has a guest. It should be enabled on each
 * CPU, and the host has nothing to do when it takes one.
 */
#define KEEL_KICK_SGI 15

/*
 * KEEL_HC_VM_CREATE(x1 = address of the pages that KEEL_HC_VM_SIZE asked for, adjacent and aligned
 * to 64 KiB and to the largest power of two that is no more than their size, x2 = pages, x3 = IPA
 * bits or 0) -> x0 = 0, x1 = handle; -EINVAL for IPA bits out of range or too few pages; -ENOSPC
 * without a free handle.
 */
#define KEEL_HC_VM_CREATE 0xc6000011

/*
 * KEEL_HC_VM_DESTROY(x1 = handle) -> x0 = 0: the handle is void and all that was donated is the
 * host's again, what was shared is shared no more; -EAGAIN: call again, work is left (every other
 * call gets -ENOENT from now on, but for KEEL_HC_VM_UNMAP); -EBUSY, nothing changed, while a call or
 * a vCPU holds the VM.
 */
#define KEEL_HC_VM_DESTROY 0xc6000012

/*
 * KEEL_HC_VM_TOPUP(x1 = handle, x2 = address, x3 = pages) -> x0 = 0. Donates pages for stage 2
 * tables; what a call that returned -ENOMEM was short of. A table is as large as the granule, and
 * aligned to it: other pages only help with what else a VM takes.
 */
#define KEEL_HC_VM_TOPUP 0xc6000013

/*
 * KEEL_HC_VM_MAP(x1 = handle, x2 = IPA, x3 = address, x4 = bytes, x5 = KEEL_MAP_*, x6 = bytes that
 * are clean) -> x0 = 0; -E2BIG past the VM's IPA size; -EEXIST where something else is mapped;
 * -ENOMEM: top up and repeat the call; -ENOBUFS for a page that is shared 250 times or more, where
 * Keel's own pages run short: KEEL_HC_POOL_DONATE and repeat the call; -EAGAIN: x1 bytes (0, too)
 * are done, go on with the rest, of which the first x2 bytes are clean; -EOVERFLOW for a page that
 * is shared too often (2^32 - 1 times). Shares memory of the host with the VM. Mapping what is
 * mapped there already is no error, so two vCPUs can fault on one page.
 *
 * Without FEAT_S2FWB memory is cleaned from the data caches before it is mapped, 256 KiB a call at
 * most. x6 says how many bytes from the start were cleaned by the calls before this one, and not
 * written since: 0 to begin with; a multiple of 4096, no more than x4.
 */
#define KEEL_HC_VM_MAP	0xc6000014
#define KEEL_MAP_WRITE	1 /* else read-only */
#define KEEL_MAP_EXEC	2
#define KEEL_MAP_DEVICE 4 /* a device: not RAM, never executable; nGnRE */
#define KEEL_MAP_NC \
	8 /* with _DEVICE: Normal Non-cacheable instead, so the guest may gather and reorder */

/*
 * KEEL_HC_VM_UNMAP(x1 = handle, x2 = IPA, x3 = bytes, x4 = KEEL_UNMAP_*) -> x0 = 0; -E2BIG;
 * -ENOMEM: top up and repeat; -EAGAIN: x1 bytes (0, too) are done. Holes are passed over. With
 * KEEL_UNMAP_WHOLE all of a block is unmapped that a part of is in the range: there is no -ENOMEM.
 * Without FEAT_S2FWB caches may be stale for what was unmapped, until the call returns 0; and as
 * after KEEL_HC_VM_DESTROY, if that has begun. -EBUSY during another call on such a VM.
 */
#define KEEL_HC_VM_UNMAP 0xc6000015
#define KEEL_UNMAP_WHOLE 1

/*
 * KEEL_HC_VCPU_CREATE(x1 = handle, x2 = index, 0..511, x3 = address of the pages that
 * KEEL_HC_VM_SIZE asked for, adjacent, x4 = pages, x5 = address of the run page) -> x0 = 0;
 * -EEXIST, also for a run page that is one already; -EBUSY after KEEL_HC_VGIC_INIT; -ENOMEM: top up
 * and repeat. The run page stays the host's; it is shared with Keel until the VM is destroyed and
 * is laid out as struct keel_run.
 */
#define KEEL_HC_VCPU_CREATE 0xc6000016

/*
 * KEEL_HC_VCPU_INIT(x1 = handle, x2 = index, x3 = KVM_ARM_VCPU_* feature bits, and Keel's own: bit
 * 63, SPE; bit 62, memory tags) -> x0 = 0; -EINVAL for features that there are not, that another vCPU
 * of the VM has chosen otherwise, or other ones than at the first time; -ENOMEM: top
 * up and repeat, as often as it says so (only with an EL2). Resets the vCPU.
 */
#define KEEL_HC_VCPU_INIT 0xc6000017

/*
 * KEEL_HC_VCPU_RUN(x1 = handle, x2 = index) -> x0 = one of KEEL_EXIT_*, or -ENOEXEC before
 * KEEL_HC_VCPU_INIT, or -EFAULT, from then on, once the run page has failed. Runs the vCPU on this
 * CPU until the host is needed.
 */
#define KEEL_HC_VCPU_RUN 0xc6000018

/*
 * KEEL_HC_VCPU_GET_REG, _SET_REG(x1 = handle, x2 = index, x3 = register id as in KVM's
 * KVM_GET_ONE_REG) -> x0 = 0; -ENOENT for a register that there is not; -EINVAL for a value that it
 * does not take; -EBUSY while it runs, and for what can only be chosen before any vCPU has run. The
 * value is in struct keel_run.data, as long as the id says.
 *
 * Or x3 = KEEL_REG_CPU_INTERFACE | the encoding of a system register of the GIC's CPU interface,
 * which in KVM's API is an attribute of the GIC: of vCPUs with an EL2, ICH_AP0R<n>_EL2,
 * ICH_AP1R<n>_EL2, ICH_HCR_EL2, ICH_VMCR_EL2, ICH_LR<n>_EL2; ICH_VTR_EL2 and ICC_SRE_EL2, which take
 * their own value only. These are not in the list of registers.
 */
#define KEEL_HC_VCPU_GET_REG 0xc6000019
#define KEEL_HC_VCPU_SET_REG 0xc600001a

#define KEEL_REG_CPU_INTERFACE 0x603000000fff0000ULL

/*
 * KEEL_HC_VCPU_REG_LIST(x1 = handle, x2 = index, x3 = from) -> x0 = 0, x1 = how many register ids
 * there are in all; struct keel_run.data holds those from number x3 on, KEEL_REG_LIST_MAX at most.
 */
#define KEEL_HC_VCPU_REG_LIST 0xc600001b

/*
 * KEEL_HC_VGIC_INIT(x1 = handle, x2 = distributor's IPA, x3 = redistributors' IPA (128 KiB each, in
 * the order in which the vCPUs were created), x4 = interrupts, 64..1024 in steps of 32, and in bits
 * 63 to 32 the PPI of the maintenance interrupt of VMs with an EL2, 0 for 25, x5 = how many
 * redistributors there are at x3, 0 for all) -> x0 = 0; -EBUSY once it is done or a vCPU has run;
 * -ENODEV without a GICv3 interface of the CPU; -E2BIG past the IPA size; -EAGAIN: call again, as
 * often as the VM has eight vCPUs more. What has no place then (KEEL_NO_PLACE, or behind the first
 * x5) gets it by KEEL_HC_VGIC_PLACE, or cannot be accessed.
 *
 * On a machine with a GICv2 (KEEL_HC_VM_SIZE says so) it is a GICv2: x2 and x3 are KEEL_NO_PLACE, and
 * -EINVAL is also for vCPUs of other indices than 0..7.
 */
#define KEEL_HC_VGIC_INIT 0xc600001c
#define KEEL_NO_PLACE	  (~0ULL)

/*
 * KEEL_HC_IRQ_LINE(x1 = handle, x2 = index of a vCPU, for a PPI, x3 = INTID, 16.., x4 = level) ->
 * x0 = 0, and 1 if that vCPU (for an SPI: the one it is routed to, whose index is in x1) is to be
 * woken or kicked; -EINVAL; -ENODEV without a vGIC. With KEEL_LINE_REPORT besides a level of 1, for
 * an SPI: when the guest next ends the interrupt, which is configured as a level then, the run ends,
 * and keel_run.ended has it.
 */
#define KEEL_HC_IRQ_LINE 0xc600001d
#define KEEL_LINE_REPORT 2

/*
 * KEEL_HC_VCPU_STATE(x1 = handle, x2 = index, x3 = KEEL_STATE_*) -> x0 = the state before it.
 * KEEL_STATE_QUERY changes nothing.
 */
#define KEEL_HC_VCPU_STATE  0xc600001e
#define KEEL_STATE_RUNNABLE 0
#define KEEL_STATE_STOPPED  1 /* powered off: waits for PSCI CPU_ON */
#define KEEL_STATE_QUERY    2

/*
 * KEEL_HC_VCPU_STEAL_TIME(x1 = handle, x2 = index, x3 = IPA, a multiple of 64) -> x0 = 0; -E2BIG
 * past the IPA size; -EEXIST once it is set. Where in the guest's memory the host keeps the vCPU's
 * stolen-time structure (ARM DEN 0057): Keel tells a guest that asks for it (KEEL_EXIT_STEAL_TIME)
 * and does not look there.
 */
#define KEEL_HC_VCPU_STEAL_TIME 0xc600001f

/*
 * KEEL_HC_VM_INFO(x1 = handle) -> x0 = 0, x1 = bits of its IPA size in 7:0, log2 of the granule in
 * 15:8, start level of stage 2 in 23:16, tables of the root in 31:24, vCPUs in 63:32; x2 = bytes of
 * the root, x3 = of all tables, x4 = of all that was donated, x5 = of it, what is not used yet.
 */
#define KEEL_HC_VM_INFO 0xc6000020

/*
 * KEEL_HC_VM_WALK(x1 = handle, x2 = IPA, a multiple of the granule) -> x0 = 0, x1 = IPA of the
 * first memory that is mapped there or behind (it may begin before x2), x2 = bytes, 0 if there is
 * no more; x3 = KEEL_MAP_*, x4 = bytes of each block that it is made of; -EAGAIN: nothing is mapped
 * up to x1, go on from there; -E2BIG past the VM's IPA size.
 */
#define KEEL_HC_VM_WALK 0xc6000021

/*
 * KEEL_HC_VCPU_SPE(x1 = handle, x2 = index, x3 = KEEL_SPE_*, x4) -> x0 = 0; -ENXIO for a vCPU
 * without KEEL_HC_VCPU_FEATURE_SPE (keel/spe.h). KEEL_SPE_INIT, x4 = the profiling interrupt's
 * INTID: once, before which KEEL_HC_VCPU_RUN is -EINVAL; -EBUSY the second time, -ENODEV before
 * KEEL_HC_VGIC_INIT, -EINVAL for what is no PPI, is a timer's, or is another than another vCPU's.
 * KEEL_SPE_STOP, x4 = KVM_ARM_VCPU_SPE_STOP_*: -EAGAIN before KEEL_SPE_INIT; -EINVAL.
 */
#define KEEL_HC_VCPU_SPE 0xc6000022
#define KEEL_SPE_INIT	 0
#define KEEL_SPE_STOP	 1

/*
 * KEEL_HC_VCPU_SPE_STATS(x1 = handle, x2 = index) -> x0 = 0; what the vCPU's SPE has come to since
 * it was created, also while it runs: x1 = records written, x2 = samples that were dropped for want
 * of memory, x3 = false hits of the breakpoint on its vectors, x4 = accesses to registers that were
 * emulated; all 0 for SPE of the hardware. -ENXIO for a vCPU without KEEL_HC_VCPU_FEATURE_SPE.
 */
#define KEEL_HC_VCPU_SPE_STATS 0xc6000023

/*
 * KEEL_HC_VM_SYNC(x1 = handle, x2 = IPA to go on at, 0 to begin with) -> x0 = 0; -EAGAIN: go on at
 * x1; -E2BIG. The guest sees what was written to memory that is mapped, also with its caches off,
 * and executes it: as if all of it were mapped now. Where caches see to that it does nothing.
 */
#define KEEL_HC_VM_SYNC 0xc6000024

/*
 * KEEL_HC_VGIC_RESET(x1 = handle, x2 = INTID to go on at, 0 to begin with) -> x0 = 0; -EAGAIN: go on
 * at x1; -EINVAL for another x2; -ENODEV without a vGIC; -EBUSY, nothing changed, while a vCPU runs,
 * or another call is about one. The distributor as after KEEL_HC_VGIC_INIT: what it
 * keeps of each SPI, and which groups are on; inputs keep the level that KEEL_HC_IRQ_LINE gave
 * them. (What is a vCPU's own, KEEL_HC_VCPU_INIT resets.)
 */
#define KEEL_HC_VGIC_RESET 0xc6000025

/*
 * KEEL_HC_VCPU_EVENTS(x1 = handle, x2 = index, x3 = KEEL_EVENT_* to raise, 0 to ask) -> x0 = 0,
 * x1 = KEEL_EVENT_* that the vCPU has not taken yet; -EINVAL for other bits, nothing changed;
 * -ENOEXEC before KEEL_HC_VCPU_INIT. An abort is taken at once: the next run begins at the guest's
 * vector. It is what becomes of the access that the last exit told of, if the exit was
 * KEEL_EXIT_FAULT or KEEL_EXIT_ABORT; the address is that of the last fault in any case.
 */
#define KEEL_HC_VCPU_EVENTS 0xc6000026
#define KEEL_EVENT_SERROR   1 /* a virtual SError, of no syndrome that the guest knows */
#define KEEL_EVENT_ABORT    2 /* a synchronous external abort of data */

/*
 * KEEL_HC_VGIC_PLACE(x1 = handle, x2 = IPA, x3 = count, 1..) -> x0 = 0. After KEEL_HC_VGIC_INIT:
 * the next x3 vCPUs that have no redistributor yet, in their order, or all of them if they are
 * fewer, have it at x2, 128 KiB each. With a count of 0: x2 is the distributor's place. -ENODEV
 * without a vGIC; -EBUSY, nothing changed, once a vCPU has run, or while another call is about one;
 * -E2BIG past the IPA size; -EINVAL on misalignment, on overlap, and for what has its place;
 * -ENOSPC: it is one region more than KEEL_REDIST_REGIONS. Of a GICv2 the distributor is 4 KiB, and
 * with a count of 1 x2 is the place of the CPU interface, 8 KiB; -ENOMEM: top up and repeat.
 */
#define KEEL_HC_VGIC_PLACE  0xc6000027
#define KEEL_REDIST_REGIONS 64 /* that with KEEL_HC_VGIC_INIT included */

/*
 * KEEL_HC_VGIC_LPIS(x1 = handle) -> x0 = 0; -ENODEV without a vGIC. The host has an ITS for the VM:
 * GICD_TYPER and GICR_TYPER say so, and an access to a redistributor's GICR_CTLR, GICR_PROPBASER,
 * GICR_PENDBASER, GICR_INVLPIR, GICR_INVALLR or GICR_SYNCR is a KEEL_EXIT_FAULT, as where nothing
 * is mapped.
 */
#define KEEL_HC_VGIC_LPIS 0xc6000028

/*
 * KEEL_HC_LPI_PEND(x1 = handle, x2 = index, x3 = INTID, 8192..2^24 - 1, x4 = priority, a multiple of
 * 8, and KEEL_LPI_AGAIN) -> x0 = 0, or 1 if that vCPU is to be woken or kicked; x1 = INTID of a less
 * urgent LPI that was pending for the same vCPU, and that Keel has no more, since it has room for
 * KEEL_LPIS of a vCPU; 0 if there is none. -ENOSPC: there is no room, and none is less urgent. After
 * this, or where x1 was not 0, the vCPU's run ends with KEEL_EXIT_IRQ once few LPIs are left.
 * -EINVAL; -ENODEV without a vGIC.
 * The LPI is pending and enabled, of group 1. If Keel has it already, it is pending again. With
 * KEEL_LPI_AGAIN that is all that may happen: -ENOSPC if Keel does not have it.
 */
#define KEEL_HC_LPI_PEND 0xc6000029
#define KEEL_LPIS	 64
#define KEEL_LPI_AGAIN	 1

/*
 * KEEL_HC_LPI_TAKE(x1 = handle, x2 = index, x3 = INTID) -> x0 = 1: the LPI was pending; 0: it was
 * not, or the guest has taken it; in both cases Keel has it no more. -EAGAIN: it is in a list
 * register: kick the vCPU and call again. Until then the guest may still take it, but not twice.
 * -EINVAL; -ENODEV.
 */
#define KEEL_HC_LPI_TAKE 0xc600002a

/*
 * KEEL_HC_VM_NESTED(x1 = handle, x2 = one of enum keel_nested) -> x0 = 0, x1 = its value; -ENXIO for
 * a VM whose vCPUs have no EL2; -EINVAL for another x2. Also while vCPUs run.
 */
#define KEEL_HC_VM_NESTED 0xc600002b

/*
 * KEEL_HC_VGIC_GET_REG(x1 = handle, x2 = index, x3 = KEEL_VGIC_*, x4 = offset, in bytes) -> x0 = 0,
 * x1 = 32 bits of the vGIC's state; -ENODEV without a vGIC; -ENXIO there is no register; -EINVAL.
 * KEEL_HC_VGIC_SET_REG(the same, x5 = value) -> x0 = 0; also -EINVAL for a GICD_IIDR that cannot be.
 * Pending state is what was latched, without the input. No vCPU of the VM is told of a change.
 */
#define KEEL_HC_VGIC_GET_REG 0xc600002c
#define KEEL_HC_VGIC_SET_REG 0xc600002d
#define KEEL_VGIC_DIST	     0 /* the distributor; any vCPU */
#define KEEL_VGIC_REDIST     1 /* the vCPU's redistributor, both frames */
#define KEEL_VGIC_LINES	     2 /* levels' inputs, a bit each, by INTID; private: the vCPU's */
#define KEEL_VGIC_CPU	     3 /* the vCPU's interface; offset: the encoding of an ICC_*_EL1 */
/* Of a GICv2: DIST as @index sees it, LINES, and CPU with GICC's offsets */

/*
 * KEEL_HC_VM_PROTECT(x1 = handle, x2 = IPA, x3 = bytes, x4 = KEEL_PROTECT_*) -> x0 = 0; -E2BIG past
 * the VM's IPA size; -EAGAIN: x1 bytes (0, too) are done, go on with the rest. Write permission of
 * what is mapped; holes are passed over.
 *
 * KEEL_PROTECT_TAKE: nobody in the VM writes there when the call has returned 0, nested guests
 * neither. A block that a part of is in the range loses it as a whole: there is no -ENOMEM.
 * KEEL_PROTECT_GIVE: as with KEEL_MAP_WRITE, and what is outside the range stays as it is, so blocks
 * that reach over an end of it are split. -ENXIO: nothing is mapped there; -ENOMEM: top up and
 * repeat.
 * KEEL_PROTECT_JOIN: pages within the range become blocks again, of 2 MiB at most.
 * KEEL_PROTECT_SPLIT: blocks that a part of is in the range become pages there, with the permission that
 * they have. -ENOMEM: top up and repeat.
 */
#define KEEL_HC_VM_PROTECT 0xc600002e
#define KEEL_PROTECT_TAKE  0
#define KEEL_PROTECT_GIVE  1
#define KEEL_PROTECT_JOIN  2
#define KEEL_PROTECT_SPLIT 3

/*
 * KEEL_HC_VM_YOUNG(x1 = handle, x2 = IPA, x3 = bytes, x4 = KEEL_YOUNG_*) -> x0 = 1 if the guest has
 * accessed some of it since KEEL_YOUNG_CLEAR, or since it was mapped; 0 if not; -E2BIG past the VM's
 * IPA size; -EAGAIN: x1 bytes are looked at, and bit 0 of x1 is set if some of them was accessed; go
 * on with the rest. Holes are passed over. For an estimate: what a TLB has is used without being
 * seen; a part of a block stands for all of it; and accesses of nested guests are not seen.
 */
#define KEEL_HC_VM_YOUNG 0xc600002f
#define KEEL_YOUNG_TEST	 0
#define KEEL_YOUNG_CLEAR 1 /* and ask anew from now on */

/* What there is now; then counters, since the VM was made. */
enum keel_nested {
	KEEL_NESTED_CONTEXTS,	 /* shadows */
	KEEL_NESTED_KEYED,	 /* of them, those of a VMID and tables of the guest hypervisor's */
	KEEL_NESTED_USED,	 /* and those in which a vCPU is, or was last */
	KEEL_NESTED_BYTES,	 /* donated memory that shadows have: roots, tables, reverse maps */
	KEEL_NESTED_MAPPED,	 /* entries of reverse maps */
	KEEL_NESTED_PARTIAL,	 /* shadows whose reverse map was given up */
	KEEL_NESTED_HITS,	 /* entries of EL1 that found another shadow than the last one */
	KEEL_NESTED_MISSES,	 /* and that found none of their key */
	KEEL_NESTED_RECYCLED,	 /* misses for which a shadow with another key was taken */
	KEEL_NESTED_CLEARED,	 /* shadows that were emptied at once */
	KEEL_NESTED_FORGOTTEN,	 /* entries that were removed since memory left the VM */
	KEEL_NESTED_FILLED,	 /* faults after which a shadow had the translation */
	KEEL_NESTED_TO_EL2,	 /* faults at stage 2 that the guest hypervisor took */
	KEEL_NESTED_TO_HOST,	 /* faults for which the host was asked */
	KEEL_NESTED_TLBI_EL2,	 /* TLBIs at EL2 by what they are about: EL2's own translations */
	KEEL_NESTED_TLBI_STAGE1, /* stage 1 of nested guests */
	KEEL_NESTED_TLBI_IPA,	 /* addresses of a nested guest */
	KEEL_NESTED_TLBI_ALL,	 /* all of a VMID, or of all */
	KEEL_NESTED_EXIT_ERET,	 /* exits from EL2, by reason */
	KEEL_NESTED_EXIT_HVC,
	KEEL_NESTED_EXIT_SYSREG,
	KEEL_NESTED_EXIT_EL2_OTHER,
	KEEL_NESTED_EXIT_TAKEN, /* exits from EL1: exceptions that EL2 takes */
	KEEL_NESTED_EXIT_FAULT, /* stage 2 */
	KEEL_NESTED_EXIT_EL1_OTHER,
	KEEL_NESTED_EXIT_IRQ, /* interrupts, from either */
	KEEL_NESTED_COUNT
};

/* Calls about VMs are numbered from KEEL_HC_VM_SIZE to this one, without a gap. */
#define KEEL_HC_VM_LAST KEEL_HC_VM_YOUNG

/* Why KEEL_HC_VCPU_RUN returned, and which part of struct keel_run says more. */
enum keel_exit {
	KEEL_EXIT_IRQ, /* a host interrupt is pending, or a kick */
	/* .fault, .mmio: nothing, or not enough, is mapped there: keel_run.answer */
	KEEL_EXIT_FAULT,
	KEEL_EXIT_WFI, /* .wfi: nothing to do until an interrupt, or the counter is at .deadline */
	KEEL_EXIT_OFF, /* the vCPU turned itself off by PSCI */
	KEEL_EXIT_SYSTEM,     /* .system: shutdown or reset, as KVM_EXIT_SYSTEM_EVENT */
	KEEL_EXIT_FAIL,	      /* .fail: the guest did what Keel cannot emulate; ESR_EL2 tells */
	KEEL_EXIT_STEAL_TIME, /* the guest asks for its stolen time: begin it at zero, run again */
	KEEL_EXIT_SPE,	      /* the guest profiles, and KVM_ARM_VCPU_SPE_STOP_EXIT was asked for */
	KEEL_EXIT_ENTROPY,    /* .entropy: the guest asks for random numbers: keel_run.answer */
	KEEL_EXIT_ABORT, /* .abort: an access of the guest met an external abort: keel_run.answer */
	KEEL_EXIT_CLOCK, /* .clock: the guest asks for the host's clock: keel_run.answer */
};

/*
 * What the host has done about the last KEEL_EXIT_FAULT (keel_run.answer), for the next run. _DONE
 * and _STOP need an access that .mmio told of; otherwise, and for any other number, the guest
 * repeats it. After KEEL_EXIT_ENTROPY and KEEL_EXIT_CLOCK the next run takes what is in .entropy or
 * .clock; _STOP as below. After KEEL_EXIT_ABORT the access is repeated, or with _ABORT the guest has the external abort.
 */
#define KEEL_ANSWER_MAPPED 0 /* the memory is mapped now: the access is repeated */
#define KEEL_ANSWER_ABORT  1 /* an external abort for the guest */
/* no memory there, and nobody who could do it: an external abort, but for cache maintenance */
#define KEEL_ANSWER_NONE 2
#define KEEL_ANSWER_DONE 3 /* the access is done, for a read with the data in .mmio: go on */
#define KEEL_ANSWER_STOP 4 /* the same; then KEEL_EXIT_IRQ before any instruction */

/* keel_run.abort.flags: what is known of an external abort. */
#define KEEL_ABORT_FAR 1 /* .far: the guest's virtual address */
#define KEEL_ABORT_IPA 2 /* .ipa: where that is in the VM's memory; else it was on a table walk */
/*
 * .pa: the memory that the VM has there; EL2 has read it, and met an external abort as well. Else
 * it is the kind of access, or a device, or the error has gone: no reason to do without the memory.
 */
#define KEEL_ABORT_MEMORY 4

#define KEEL_RUN_DATA	  3072
#define KEEL_REG_LIST_MAX (KEEL_RUN_DATA / 8)
#define KEEL_VCPUS_MAX	  512
#define KEEL_INTIDS_MAX	  1024 /* LPIs aside */

/*
 * The run page. Whoever runs the vCPU owns it; Keel reads each field once and believes none, and
 * writes what is marked "out" before KEEL_HC_VCPU_RUN returns.
 */
struct keel_run {
	/* in */
	unsigned long long answer; /* one of KEEL_ANSWER_* */
	/* out, with KEEL_EXIT_FAULT: the load or store, for a host that has no memory there */
	struct {
		unsigned long long address;
		unsigned char data[8]; /* in, for a read */
		unsigned int bytes;    /* 1, 2, 4, 8; 0 if the syndrome does not describe it */
		unsigned int write;
	} mmio;
	/* out */
	union {
		struct {
			unsigned long long ipa; /* page-aligned */
			unsigned int write, exec;
		} fault;
		struct {
			unsigned long long deadline; /* counter value; all ones for never */
		} wfi;
		struct {
			unsigned int type; /* KVM_SYSTEM_EVENT_* */
			unsigned int pad;
			unsigned long long data[2];
		} system;
		struct {
			unsigned long long esr, far, ipa, pc;
		} fail;
		struct {
			unsigned long long word[3]; /* in; zero: there is none */
		} entropy;
		struct {
			/* in; nanoseconds since 1970, and the physical count at that moment */
			unsigned long long real, count;
			unsigned long long valid; /* in; 0: the host cannot tell that */
		} clock;
		struct {
			unsigned long long esr; /* ESR_EL2 without ISV and what it brings */
			unsigned long long far, ipa, pa;
			unsigned int flags; /* KEEL_ABORT_*: which of these are valid */
		} abort;
		unsigned char pad[224];
	};
	/* out: vCPUs that became able to run and whose threads are to be woken, a bit each */
	unsigned long long wake[KEEL_VCPUS_MAX / 64];
	/* out: which words of .ended have a bit, and SPIs that the guest has ended: KEEL_LINE_REPORT */
	unsigned long long any_ended, ended[KEEL_INTIDS_MAX / 64];
	unsigned char reserved[4096 - 8 - 248 - KEEL_VCPUS_MAX / 8 - 8 - KEEL_INTIDS_MAX / 8 -
			       KEEL_RUN_DATA];
	unsigned char data[KEEL_RUN_DATA]; /* register values and lists */
};

enum keel_stat {
	KEEL_STAT_HOST_ABORTS,	    /* host accesses that were refused: an abort in the host */
	KEEL_STAT_HOST_MMIO_MAPS,   /* device ranges that were mapped when first touched */
	KEEL_STAT_HYPERCALLS,	    /* calls in Keel's range */
	KEEL_STAT_SMCS,		    /* SMCs of the host, PSCI included */
	KEEL_STAT_TABLE_PAGES_FREE, /* free pages of Keel's own pool, for page tables */
	KEEL_STAT_TABLE_PAGES,	    /* pages of that pool, free or in use */
	KEEL_STAT_HOST_ZERO_PAGES,  /* pages given away that the host read, as zeros */
	KEEL_STAT_GIC_REFUSED,	    /* commands to an ITS, and tables of LPIs, that were refused */
	KEEL_STAT_GUEST_ABORTS,	    /* external aborts that guests' accesses met, and EL2 took */
	KEEL_STAT_GUEST_SERRORS,    /* SErrors that EL2 took from guests, or found behind them */
	KEEL_STAT_EL2_FAULTS,	    /* accesses of EL2's own to memory that faulted */
	KEEL_STAT_COUNT
};

#endif
