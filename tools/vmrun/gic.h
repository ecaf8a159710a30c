/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's interrupt controller: a GICv3, or a GICv2, emulated by KVM. */
#ifndef VMRUN_GIC_H
#define VMRUN_GIC_H

#include <stdbool.h>

#include "vm.h"

/**
 * gic_create() - give the VM its GIC. All vCPUs must exist, and none may have run
 *
 * A GICv3; or a GICv2, if that is what the machine's KVM has: it sets vm->gicv2.
 */
void gic_create(struct vm *vm);

/** gic_set_level() - the level of a level-triggered SPI's line. Any thread. */
void gic_set_level(const struct vm *vm, unsigned int intid, bool level);

/** struct gic_edge - the line of an edge-triggered SPI. */
struct gic_edge {
	const struct vm *vm;
	unsigned int intid;
	int eventfd; /* KVM pulses the line when this is written; -1: without KVM_IRQFD */
};

/** gic_edge_init() - connect to an SPI. After gic_create(). */
void gic_edge_init(struct gic_edge *edge, const struct vm *vm, unsigned int intid);

/** gic_pulse() - the interrupt happens once. Any thread. */
void gic_pulse(const struct gic_edge *edge);

#endif
