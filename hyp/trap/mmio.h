/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load or store as the syndrome of a Data Abort describes it (ARM DDI 0487, ESR_EL2, "ISS
 * encoding for an exception from a Data Abort"). Pure functions, inline because guests access the
 * vGIC's registers often.
 *
 * Data is as on the bus: an integer whose least significant byte is at the lowest address.
 */
#ifndef KEEL_TRAP_MMIO_H
#define KEEL_TRAP_MMIO_H

#include <arch/reg_bits.h>
#include <lib/compiler.h>
#include <lib/esr.h>
#include <lib/types.h>

/* AArch32 PSTATE.E */
#define PSR_AA32_E BIT(9)

struct mmio_access {
	unsigned int bytes; /* 1, 2, 4, 8 */
	unsigned int rt;    /* register transferred; 31 is the zero register */
	bool write;
	bool sign_extend; /* of a load */
	bool wide;	  /* a load extends to 64 bits, not 32 */
	bool big_endian;
};

static inline bool mmio_is_big_endian(u64 pstate, u64 sctlr)
{
	if (pstate & PSR_MODE32)
		return pstate & PSR_AA32_E;
	if ((pstate & PSR_MODE_MASK) == PSR_MODE_EL0t)
		return sctlr & SCTLR_EL1_E0E;
	return sctlr & SCTLR_EL1_EE;
}

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
static __always_inline bool mmio_decode(u64 esr, u64 pstate, u64 sctlr, struct mmio_access *access)
{
	if (!(esr & ESR_ISV) || (esr & (ESR_S1PTW | ESR_CM)))
		return false;
	*access = (struct mmio_access){
		.bytes = 1U << FIELD_GET(ESR_SAS, esr),
		.rt = (unsigned int)FIELD_GET(ESR_SRT, esr),
		.write = esr & ESR_WNR,
		.sign_extend = esr & ESR_SSE,
		.wide = esr & ESR_SF,
		.big_endian = mmio_is_big_endian(pstate, sctlr),
	};
	return true;
}

/* The low @bytes bytes of a value. */
static inline u64 mmio_low_bytes(u64 value, unsigned int bytes)
{
	return value & GENMASK(bytes * 8 - 1, 0);
}

static inline u64 mmio_swap_bytes(u64 value, unsigned int bytes)
{
	return __builtin_bswap64(value) >> (64 - bytes * 8);
}

/* The data of a store of @reg; bytes that are not stored are zero. */
static inline u64 mmio_store_data(const struct mmio_access *access, u64 reg)
{
	return unlikely(access->big_endian) ? mmio_swap_bytes(reg, access->bytes)
					    : mmio_low_bytes(reg, access->bytes);
}

/* The value that a load writes to its register; only the access's bytes of @data are used. */
static inline u64 mmio_load_value(const struct mmio_access *access, u64 data)
{
	unsigned int bits = access->bytes * 8;
	u64 value = unlikely(access->big_endian) ? mmio_swap_bytes(data, access->bytes)
						 : mmio_low_bytes(data, access->bytes);

	if (access->sign_extend && (value & BIT(bits - 1)))
		value |= ~GENMASK(bits - 1, 0);
	return access->wide ? value : (u32)value;
}

#endif
