/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of an EL2 whose HCR_EL2.E2H is 0 (docs/nested.md, "Without VHE"): what is different from
 * nested_regs.h, of vCPUs with nested->nvhe.
 *
 * In own[] and in the hardware such an EL2's registers have the layout of VHE, so whoever asks what
 * they mean, and the change of contexts, are those of the other kind. What the guest has written, for
 * it to read, is in own[] as well, under NESTED_RAW_*. A guest reaches them by traps alone.
 */
#ifndef KEEL_NESTED_NESTED_NVHE_H
#define KEEL_NESTED_NESTED_NVHE_H

#include <nested/nested_regs.h>

/*
 * Whether a name that traps at EL2, or a register of the rows, is UNDEFINED there without FEAT_VHE:
 * _EL12, _EL02, CNTHV_*, TTBR1_EL2, CONTEXTIDR_EL2.
 */
bool nested_nvhe_is_absent(u32 encoding);

/*
 * Read or write a register that has another layout, in either context, loaded or not. Return: whether
 * it is one.
 */
bool nested_nvhe_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value);

/* nested_switch_regs() without CNTKCTL_EL1, which is EL1's at EL2, too. Loaded. */
void nested_nvhe_switch_regs(struct vcpu *vcpu, enum nested_context to);

/* The end of nested_reset_regs(): loaded or not. */
void nested_nvhe_reset(struct vcpu *vcpu);

#endif
