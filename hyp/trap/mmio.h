/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load or store as the syndrome of a Data Abort describes it (ARM DDI 0487, ESR_EL2, "ISS
 * encoding for an exception from a Data Abort"). Pure functions.
 *
 * Data is as on the bus: an integer whose least significant byte is at the lowest address.
 */
#ifndef KEEL_TRAP_MMIO_H
#define KEEL_TRAP_MMIO_H

#include <lib/types.h>

struct mmio_access {
	unsigned int bytes; /* 1, 2, 4, 8 */
	unsigned int rt;    /* register transferred; 31 is the zero register */
	bool write;
	bool sign_extend; /* of a load */
	bool wide;	  /* a load extends to 64 bits, not 32 */
	bool big_endian;
};

/**
 * mmio_decode() - decode the access that aborted
 * @esr:    syndrome of a Data Abort
 * @pstate: SPSR_EL2
 * @sctlr:  SCTLR_EL1, which decides the byte order
 * @access: out, if true is returned
 *
 * Return: whether the syndrome describes the access. It does not for pairs, exclusives, write-back
 * forms, vectors, cache maintenance and stage 1 walks.
 */
bool mmio_decode(u64 esr, u64 pstate, u64 sctlr, struct mmio_access *access);

/* The data of a store of @reg; bytes that are not stored are zero. */
u64 mmio_store_data(const struct mmio_access *access, u64 reg);

/* The value that a load writes to its register; only the access's bytes of @data are used. */
u64 mmio_load_value(const struct mmio_access *access, u64 data);

#endif
