/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of a GICv2 that are for VMs: the virtual interface control registers (GICH), which are
 * EL2's, and the virtual CPU interface (GICV), which is in VMs' stage 2. The host has neither.
 * docs/host-gic.md.
 */
#ifndef KEEL_HOST_GICV2_H
#define KEEL_HOST_GICV2_H

#include <cpu/percpu.h>
#include <host/host_fdt.h>

/**
 * gicv2_claim() - claim GICH and GICV for EL2, wherever they appear
 *
 * Boot CPU, before the host's stage 2 is made.
 *
 * Return: 0; an error of ownership_claim_device().
 */
int __must_check gicv2_claim(const struct fdt_gicv2 *fdt);

/**
 * gicv2_init() - map the GICv2, and give it to the vGIC
 * @cpus:  out: gicr of each CPU: the distributor, where each finds its own private interrupts; NULL
 *         if VMs have no use for it (vgic_use_v2())
 * @count: how many CPUs
 *
 * Boot CPU, before the host runs and before vgic_init().
 *
 * Return: 0; -ENOMEM, and all fields stay NULL.
 */
int __must_check gicv2_init(const struct fdt_gicv2 *fdt, struct percpu *const cpus[],
			    unsigned int count);

#endif
