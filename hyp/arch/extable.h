/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of EL2 that may fault, because they access memory that is not EL2's: rows of the
 * exception table (cpu/extable.h), which the vectors search before they panic.
 */
#ifndef KEEL_ARCH_EXTABLE_H
#define KEEL_ARCH_EXTABLE_H

/*
 * After a fault in [from, to) execution continues at fixup. Addresses are relative to the row, so
 * that they need no relocation. All registers are as at the fault, but ELR_EL2, SPSR_EL2, ESR_EL2,
 * FAR_EL2 and HPFAR_EL2 have the fault's values: code that needs their values from before has read
 * them, or restores them at the fix-up.
 */
#define EXTABLE(from, to, fixup)                    \
	".pushsection .extable, \"a\"\n.balign 4\n" \
	".long " from " - ., " to " - ., " fixup " - .\n.popsection\n"

/* Likewise an access to a system register that may be UNDEFINED. */
#define EXTABLE_SYSREG(from, to, fixup) EXTABLE(from, to, fixup " + 1")

#endif
