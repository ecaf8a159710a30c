/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPE sample records: packets of format 0 (ARM DDI 0487, D17.3). One record is SPE_RECORD_SIZE
 * bytes. Pure functions.
 */
#ifndef KEEL_SPE_SPE_PACKET_H
#define KEEL_SPE_SPE_PACKET_H

#include <spe/spe_regs.h>

#define SPE_RECORD_WORDS (SPE_RECORD_SIZE / 8)

/* Address packets, by their index. */
enum spe_address {
	SPE_ADDR_PC,
	SPE_ADDR_TARGET, /* target of a taken branch */
	SPE_ADDR_VA,	 /* data address */
	SPE_ADDR_PA,
	SPE_ADDR_PREVIOUS, /* target of the previous branch */
	SPE_ADDR_COUNT
};

/* Counter packets, by their index; in cycles. */
enum spe_counter {
	SPE_COUNTER_TOTAL,
	SPE_COUNTER_ISSUE,
	SPE_COUNTER_TRANSLATION,
	SPE_COUNTER_COUNT
};

/* Largest value of a counter: PMSIDR_EL1.CountSize says 12 bits, saturating. */
#define SPE_COUNTER_MAX 0xfffU

/* Operation Type packets: the class is in the header, the subclass is the payload. */
enum spe_op_class {
	SPE_OP_CLASS_OTHER,
	SPE_OP_CLASS_LDST, /* loads, stores, atomics */
	SPE_OP_CLASS_BRANCH,
};

/* Class "other": bit 0; SVE operations have bits of their own. */
#define SPE_SUB_OTHER_COND 0x01
#define SPE_SUB_OTHER_SVE  0x08
#define SPE_SUB_SVE_FP	   0x02 /* other SVE */
#define SPE_SUB_SVE_PRED   0x04 /* SVE, predicated */
#define SPE_SUB_SVE_SG	   0x80 /* SVE load or store, gather or scatter */
#define SPE_SUB_SVE_EVL	   GENMASK(6, 4)
/* Class "load/store": bit 0 is set for a store; the rest is one of these. */
#define SPE_SUB_ST	    0x01
#define SPE_SUB_LDST_GP	    0x00
#define SPE_SUB_LDST_SIMDFP 0x04
#define SPE_SUB_LDST_UNSPEC 0x10
#define SPE_SUB_LDST_TAGS   0x14
#define SPE_SUB_LDST_MEMCPY 0x20
#define SPE_SUB_LDST_MEMSET 0x24
#define SPE_SUB_LDST_SVE    0x08
#define SPE_SUB_LDST_EXT    0x02 /* atomic, exclusive, acquire or release; with any of: */
#define SPE_SUB_EXT_AT	    0x04
#define SPE_SUB_EXT_EXCL    0x08
#define SPE_SUB_EXT_AR	    0x10
/* Class "branch or exception return". */
#define SPE_SUB_BR_COND	    0x01
#define SPE_SUB_BR_INDIRECT 0x02

/* Which members of a record are valid. */
#define SPE_HAS_ADDR(n)	    BIT(n)	 /* enum spe_address */
#define SPE_HAS_COUNTER(n)  BIT(8 + (n)) /* enum spe_counter */
#define SPE_HAS_CONTEXT_EL1 BIT(16)
#define SPE_HAS_CONTEXT_EL2 BIT(17)
#define SPE_HAS_SOURCE	    BIT(18)
#define SPE_HAS_TIMESTAMP   BIT(19)

struct spe_record {
	u64 has;			/* SPE_HAS_* */
	u64 addr[SPE_ADDR_COUNT];	/* payloads, as spe_address_*() make them */
	u32 counter[SPE_COUNTER_COUNT]; /* saturates at SPE_COUNTER_MAX */
	u32 context_el1, context_el2;
	u64 events;  /* SPE_EVENT_* */
	u8 op_class; /* enum spe_op_class */
	u8 op_sub;   /* SPE_SUB_* */
	u8 source;
	u64 timestamp;
};

/*
 * Clear a record, member by member: for an assignment of the whole a compiler calls memset(), which
 * takes ten times as long.
 */
static __always_inline void spe_record_clear(struct spe_record *record)
{
	record->has = 0;
	for (unsigned int i = 0; i < SPE_ADDR_COUNT; i++)
		record->addr[i] = 0;
	for (unsigned int i = 0; i < SPE_COUNTER_COUNT; i++)
		record->counter[i] = 0;
	record->context_el1 = 0;
	record->context_el2 = 0;
	record->events = 0;
	record->op_class = 0;
	record->op_sub = 0;
	record->source = 0;
	record->timestamp = 0;
}

/* Address packets, bits 63:56 of the payload (D17.3.1) */
#define SPE_ADDRESS_NS BIT(63)
#define SPE_ADDRESS_EL GENMASK(62, 61)
#define SPE_ADDRESS    GENMASK(55, 0)

/* Payload of an address packet for a code address, executed (or branched to) at @el, Non-secure. */
static inline u64 spe_address_code(u64 va, unsigned int el)
{
	return (va & SPE_ADDRESS) | FIELD_PREP(SPE_ADDRESS_EL, el) | SPE_ADDRESS_NS;
}

/*
 * Payload for a data address. The top byte is the address's own if translation ignores it (@tbi: it
 * is a tag), else zero.
 */
static inline u64 spe_address_va(u64 va, bool tbi)
{
	return tbi ? va : va & SPE_ADDRESS;
}

/* Payload for a Non-secure physical address, 56 bits at most. */
static inline u64 spe_address_pa(u64 pa)
{
	return (pa & SPE_ADDRESS) | SPE_ADDRESS_NS;
}

/**
 * spe_evl() - SPE_SUB_SVE_EVL of an effective vector length
 * @bits: 1..2048; rounded up to a power of two, 32 at least
 */
u8 spe_evl(unsigned int bits);

/**
 * spe_record_build() - encode a record as in the profiling buffer
 * @out: the whole record: packets, a Timestamp or End packet, padding; in memory order, EL2 being
 *       little-endian
 *
 * Return: 0; -E2BIG the packets do not fit (a load or store with all its members does, and so does
 * a branch; the members of both do not); -EINVAL for an invalid op_class. After an error the
 * contents of @out are undefined.
 */
int __must_check spe_record_build(const struct spe_record *record, u64 out[SPE_RECORD_WORDS]);

#endif
