// SPDX-License-Identifier: BSD-2-Clause
/* Encodes SPE sample records. See spe_packet.h. */
#include <lib/errno.h>
#include <spe/spe_pack.h>

int spe_record_build(const struct spe_record *r, u64 out[SPE_RECORD_WORDS])
{
	u8 bytes[SPE_PACKETS_ROOM];

	if (r->op_class > SPE_OP_CLASS_BRANCH)
		return -EINVAL;
	if (spe_record_pack(r, bytes) > SPE_RECORD_SIZE)
		return -E2BIG;
	__builtin_memcpy(out, bytes, SPE_RECORD_SIZE);
	return 0;
}

/* SPEEncodeEVL() in J1.1.1: log2 of the length over 32. */
u8 spe_evl(unsigned int bits)
{
	unsigned int log2 = 0;

	while (log2 < 6 && 32U << log2 < bits)
		log2++;
	return (u8)FIELD_PREP(SPE_SUB_SVE_EVL, log2);
}
