/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that have an EL2 of their own (FEAT_NV2; docs/nested.md), with HCR_EL2.E2H=1 or 0, and nested
 * guests behind shadows of its stage 2 (shadow.h), with the list registers that it gives them
 * (nested_vgic.h).
 */
#ifndef KEEL_NESTED_NESTED_H
#define KEEL_NESTED_NESTED_H

#include <cpu/features.h>

/**
 * nested_init() - register with the run loop, and let vCPUs have the feature
 * @asked:    keel.nested: nothing is registered without it
 * @machine:  must have FEAT_NV2 and a GICv3 interface; else a message says why not
 *
 * Boot CPU, once, after trap_init(), vgic_init() and timer_init().
 */
void nested_init(bool asked, const struct cpu_features *machine);

#endif
