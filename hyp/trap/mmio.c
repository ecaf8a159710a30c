// SPDX-License-Identifier: BSD-2-Clause
/* Decoding of emulated loads and stores. See mmio.h. */
#include <arch/reg_bits.h>
#include <lib/esr.h>
#include <trap/mmio.h>

/* AArch32 PSTATE.E */
#define PSR_AA32_E BIT(9)

static bool is_big_endian(u64 pstate, u64 sctlr)
{
	if (pstate & PSR_MODE32)
		return pstate & PSR_AA32_E;
	if ((pstate & PSR_MODE_MASK) == PSR_MODE_EL0t)
		return sctlr & SCTLR_EL1_E0E;
	return sctlr & SCTLR_EL1_EE;
}

bool mmio_decode(u64 esr, u64 pstate, u64 sctlr, struct mmio_access *access)
{
	if (!(esr & ESR_ISV) || (esr & (ESR_S1PTW | ESR_CM)))
		return false;
	*access = (struct mmio_access){
		.bytes = 1U << FIELD_GET(ESR_SAS, esr),
		.rt = (unsigned int)FIELD_GET(ESR_SRT, esr),
		.write = esr & ESR_WNR,
		.sign_extend = esr & ESR_SSE,
		.wide = esr & ESR_SF,
		.big_endian = is_big_endian(pstate, sctlr),
	};
	return true;
}

/* The low @bytes bytes of a value. */
static u64 low_data_bytes(u64 value, unsigned int bytes)
{
	return value & GENMASK(bytes * 8 - 1, 0);
}

static u64 swap_data_bytes(u64 value, unsigned int bytes)
{
	return __builtin_bswap64(value) >> (64 - bytes * 8);
}

u64 mmio_store_data(const struct mmio_access *access, u64 reg)
{
	return access->big_endian ? swap_data_bytes(reg, access->bytes)
				  : low_data_bytes(reg, access->bytes);
}

u64 mmio_load_value(const struct mmio_access *access, u64 data)
{
	unsigned int bits = access->bytes * 8;
	u64 value = access->big_endian ? swap_data_bytes(data, access->bytes)
				       : low_data_bytes(data, access->bytes);

	if (access->sign_extend && (value & BIT(bits - 1)))
		value |= ~GENMASK(bits - 1, 0);
	return access->wide ? value : (u32)value;
}
