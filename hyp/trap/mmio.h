/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load or store as the syndrome of a Data Abort describes it (ARM DDI 0487, ESR_EL2, "ISS
 * encoding for an exception from a Data Abort"). Values in, values out.
 *
 * Data is what is on the bus: an integer whose least significant byte is at the lowest address.
 */
#ifndef KEEL_TRAP_MMIO_H
#define KEEL_TRAP_MMIO_H

#include <lib/types.h>

struct mmio_access {
	unsigned int bytes; /* 1, 2, 4, 8 */
	unsigned int rt;    /* register transferred; 31 is the zero register */
	bool write;
	bool sign_extend; /* a load does */
	bool wide;	  /* to 64 bits, not 32 */
	bool big_endian;
};

/**
 * mmio_decode() - the access that aborted
 * @esr:    syndrome of a Data Abort
 * @pstate: SPSR_EL2
 * @sctlr:  SCTLR_EL1, which decides the byte order
 * @access: out, whole, if there is one
 *
 * Return: whether the syndrome describes an access: not for pairs, exclusives, write-back forms,
 * vectors, cache maintenance or a stage 1 walk.
 */
bool mmio_decode(u64 esr, u64 pstate, u64 sctlr, struct mmio_access *access);

/* What a store of @reg puts on the bus; bytes that it does not store are zero. */
u64 mmio_store_data(const struct mmio_access *access, u64 reg);

/* What a load of @data, of which only the access's bytes count, puts into its register. */
u64 mmio_load_value(const struct mmio_access *access, u64 data);

#endif
