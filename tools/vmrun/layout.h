/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's memory map and interrupts. */
#ifndef VMRUN_LAYOUT_H
#define VMRUN_LAYOUT_H

#include <stdint.h>

/* The interrupt controller. The redistributors (128 KiB for each vCPU) are adjacent. */
#define GICD_BASE UINT64_C(0x08000000)
#define GICD_SIZE UINT64_C(0x10000)
#define GICR_BASE UINT64_C(0x080a0000)
#define GICR_SIZE UINT64_C(0x20000) /* each */
#define MAX_CPUS  512		    /* up to 0x0c0a0000 */

/* A GICv2 has its CPU interface instead, which is at the same address for all vCPUs. */
#define GICV2_DIST_SIZE UINT64_C(0x1000)
#define GICC_BASE	UINT64_C(0x08010000)
#define GICC_SIZE	UINT64_C(0x2000)

/* Stolen time: 64 bytes for each vCPU, in memory that is not in the device tree. */
#define STEAL_BASE UINT64_C(0x0f000000)
#define STEAL_SIZE UINT64_C(0x40) /* each */

#define UART_BASE   UINT64_C(0x10000000)
#define UART_SIZE   UINT64_C(0x1000)
#define VIRTIO_BASE UINT64_C(0x10010000)
#define VIRTIO_SIZE UINT64_C(0x1000) /* each */
#define MAX_VIRTIO  8

/* The default address of the first bank. The user gives those of further banks. */
#define RAM_BASE  UINT64_C(0x80000000)
#define MAX_BANKS 8
#define TOP_BASE  UINT64_MAX /* instead of an address: at the end of the address space */

/* KVM's memory slots: the first bank is 0, the others follow from here; second halves: move.c. */
#define FURTHER_BANKS_SLOT 16
#define SECOND_HALF_SLOT   32 /* added to a bank's own */

/*
 * Interrupts by their INTID. SPIs begin at 32, and the device tree and KVM_IRQFD count from there;
 * PPIs begin at 16, and the device tree counts from there.
 */
#define FIRST_PPI    16
#define FIRST_SPI    32
#define NR_INTIDS    64 /* of SGIs, PPIs and SPIs together */
#define UART_INTID   32
#define VIRTIO_INTID 33 /* the first one's */

/* The PPI for SPE in Arm's Base System Architecture. */
#define SPE_INTID 21

/* The PPIs of the timers, KVM's defaults. */
#define TIMER_EL3_INTID	 29
#define TIMER_PHYS_INTID 30
#define TIMER_VIRT_INTID 27
#define TIMER_HYP_INTID	 26
#define TIMER_HYPV_INTID 28 /* EL2's virtual timer */

/* The PPI by which the interrupt controller tells a hypervisor of its guests' interrupts. */
#define MAINTENANCE_INTID 25

#endif
