/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the tables of EL1's stage 1 are that translate an address; or of an EL2 in EL1's place.
 *
 * The MMU walks them, not Keel. But what AT at EL2 says of a walk that could not read a table
 * (PAR_EL1) has neither the table's address nor its level. From values to values, as s2_walk.h,
 * whose s2_walk() reads these tables as well: descriptors of both stages have type and address at
 * the same bits. What it says of permissions means nothing then.
 */
#ifndef KEEL_NESTED_S1_TABLES_H
#define KEEL_NESTED_S1_TABLES_H

#include <nested/s2_walk.h>

struct s1_regs {
	u64 sctlr, tcr, ttbr0, ttbr1; /* of EL1, or EL2 with HCR_EL2.E2H=1: any values */
};

/**
 * s1_tables_decode() - which tables translate an address
 * @tables:  where it goes, for s2_walk()
 * @regs:    any values
 * @pa_bits: the width of addresses of the VM
 * @va:      any value
 * @ia:      out: the address that s2_walk() looks for
 *
 * FEAT_LPA2 is promised to no VM: TCR_EL1.DS has no effect here.
 *
 * Return: false if no table is read for the address: the MMU is off, or it is a fault before.
 */
bool s1_tables_decode(struct s2_tables *tables, const struct s1_regs *regs, u8 pa_bits, u64 va,
		      struct ipa *ia);

#endif
