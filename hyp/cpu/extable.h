/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exception table: where EL2 goes on after a fault of an instruction that touches what is not
 * EL2's (arch/at.h, arch/foreign.h), or a register that EL3 may keep (arch/sysreg.h). A fault that is not in it, or is a mistake of EL2's own, ends
 * in a panic.
 */
#ifndef KEEL_CPU_EXTABLE_H
#define KEEL_CPU_EXTABLE_H

#include <lib/types.h>

/* As arch/extable.h writes it: each is the distance from itself, in bytes. */
struct extable_row {
	s32 from, to; /* instructions [from, to) */
	s32 fixup;    /* with EXTABLE_UNDEF: what may be UNDEFINED, and cannot abort */
};

/* Of @fixup, which is the address of an instruction otherwise. */
#define EXTABLE_UNDEF 1

/**
 * extable_fixup() - where to go on after a synchronous exception or an SError of EL2's
 * @rows: the table
 * @n:    how many
 * @esr:  ESR_EL2
 * @pc:   ELR_EL2
 * @out:  set if there is such a place
 *
 * Looked up are UNDEFINED and trapped accesses to system registers, which find rows of that kind
 * alone; SErrors, and Data Aborts but those that say that EL2's own tables are wrong; these
 * too if a cache or AT instruction took them: what it walks may be somebody else's.
 *
 * Return: whether there is.
 */
bool extable_fixup(const struct extable_row *rows, size_t n, u64 esr, u64 pc, u64 *out);

#endif
