/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exception table: instructions of EL2 that may fault, because they access memory that is not
 * EL2's (arch/at.h, arch/foreign.h) or a register that EL3 may withhold (arch/sysreg.h), and where
 * EL2 continues after the fault. A fault without a row, or one that shows a bug of EL2, is a panic.
 */
#ifndef KEEL_CPU_EXTABLE_H
#define KEEL_CPU_EXTABLE_H

#include <lib/types.h>

/* As arch/extable.h writes it: each is the distance from itself, in bytes. */
struct extable_row {
	s32 from, to; /* instructions [from, to) */
	s32 fixup;    /* with EXTABLE_UNDEF: an access that may be UNDEFINED, and cannot abort */
};

/* Bit 0 of @fixup; the other bits are the address of an instruction. */
#define EXTABLE_UNDEF 1

/**
 * extable_fixup() - find where to continue after a synchronous exception or an SError at EL2
 * @rows: the table
 * @n:    how many
 * @esr:  ESR_EL2
 * @pc:   ELR_EL2
 * @out:  out: the address to continue at
 *
 * UNDEFINED and trapped accesses to system registers find rows with EXTABLE_UNDEF only. SErrors and
 * Data Aborts find the other rows, but not Data Aborts that mean that EL2's own tables are wrong,
 * unless a cache or AT instruction took them: that may walk tables that are not EL2's.
 *
 * Return: whether there is a row.
 */
bool extable_fixup(const struct extable_row *rows, size_t n, u64 esr, u64 pc, u64 *out);

#endif
