/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The debug registers of a vCPU whose SPE is emulated.
 *
 * By the vCPU's owner, on its CPU.
 */
#ifndef KEEL_SPE_SPE_DEBUG_H
#define KEEL_SPE_SPE_DEBUG_H

#include <trap/debug.h>

/* Before each entry, in place of debug_update(): write the registers that have changed. */
void spe_debug_enter(struct vcpu *vcpu);

extern const struct debug_user spe_debug_user;

#endif
