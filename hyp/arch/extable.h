/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions of EL2 that may fault, since they touch what is not EL2's: rows of the exception
 * table (cpu/extable.h), which the vectors look at before they panic.
 */
#ifndef KEEL_ARCH_EXTABLE_H
#define KEEL_ARCH_EXTABLE_H

/*
 * A fault in [from, to) goes on at fixup. Relative to the row, so that nothing is to be relocated.
 * All registers are as at the fault, but ELR_EL2, SPSR_EL2, ESR_EL2, FAR_EL2 and HPFAR_EL2 are the
 * fault's: who needs what they said before has read it, or puts it back at the fix-up.
 */
#define EXTABLE(from, to, fixup)                    \
	".pushsection .extable, \"a\"\n.balign 4\n" \
	".long " from " - ., " to " - ., " fixup " - .\n.popsection\n"

/* Likewise an access to a system register that may be UNDEFINED. */
#define EXTABLE_SYSREG(from, to, fixup) EXTABLE(from, to, fixup " + 1")

#endif
