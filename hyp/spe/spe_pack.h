/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds a record: spe_record_build() inline, without its checks, for the path of a sample.
 * For files that may use unaligned stores (mk/hyp.mk).
 */
#ifndef KEEL_SPE_SPE_PACK_H
#define KEEL_SPE_SPE_PACK_H

#include <spe/spe_packet.h>

/* Short headers (D17.3): bits 5:4 are log2 of the payload's bytes. */
#define SPE_HEADER_END	     0x01
#define SPE_HEADER_TIMESTAMP 0x71
#define SPE_HEADER_EVENTS    0x42
#define SPE_HEADER_SOURCE    0x43
#define SPE_HEADER_OP	     0x48 /* + class */
#define SPE_HEADER_CONTEXT   0x64 /* + 1 for EL2's */
#define SPE_HEADER_ADDRESS   0xb0 /* + index */
#define SPE_HEADER_COUNTER   0x98 /* + index */
#define SPE_HEADER_SIZE	     GENMASK(5, 4)

/* Bytes of all packets that a record can have, and with the word that the last store overruns. */
#define SPE_PACKETS_MAX	 (SPE_ADDR_COUNT * 9 + 2 * 5 + SPE_COUNTER_COUNT * 3 + 9 + 2 + 2 + 9)
#define SPE_PACKETS_ROOM (SPE_PACKETS_MAX + sizeof(u64))

/*
 * Append a packet with 1 << @log2 bytes of payload, little-endian. The payload is stored as a whole
 * word, of which the next packet overwrites the unused bytes: stores of single bytes would be most
 * of a sample's cost. mk/hyp.mk lets the compiler use unaligned stores here, which it may not in
 * code that runs with the MMU off. Return: the end of the packet.
 */
static __always_inline u8 *spe_packet(u8 *at, u32 header, u64 payload, u32 log2)
{
	*at = (u8)((header & ~SPE_HEADER_SIZE) | FIELD_PREP(SPE_HEADER_SIZE, log2));
	__builtin_memcpy(at + 1, &payload, sizeof(payload));
	return at + 1 + (1U << log2);
}

static __always_inline u8 *spe_address_packet(u8 *at, const struct spe_record *r, u32 which)
{
	if (r->has & SPE_HAS_ADDR(which))
		at = spe_packet(at, SPE_HEADER_ADDRESS + which, r->addr[which], 3);
	return at;
}

static __always_inline u8 *spe_addresses(u8 *at, const struct spe_record *r)
{
	at = spe_address_packet(at, r, SPE_ADDR_PC);
	at = spe_address_packet(at, r, SPE_ADDR_TARGET);
	at = spe_address_packet(at, r, SPE_ADDR_VA);
	at = spe_address_packet(at, r, SPE_ADDR_PA);
	return spe_address_packet(at, r, SPE_ADDR_PREVIOUS);
}

static __always_inline u8 *spe_contexts(u8 *at, const struct spe_record *r)
{
	if (r->has & SPE_HAS_CONTEXT_EL1)
		at = spe_packet(at, SPE_HEADER_CONTEXT, r->context_el1, 2);
	if (r->has & SPE_HAS_CONTEXT_EL2)
		at = spe_packet(at, SPE_HEADER_CONTEXT + 1, r->context_el2, 2);
	return at;
}

static __always_inline u8 *spe_counter_packet(u8 *at, const struct spe_record *r, u32 which)
{
	u32 value = MIN(r->counter[which], SPE_COUNTER_MAX);

	if (r->has & SPE_HAS_COUNTER(which))
		at = spe_packet(at, SPE_HEADER_COUNTER + which, value, 1);
	return at;
}

static __always_inline u8 *spe_counters(u8 *at, const struct spe_record *r)
{
	at = spe_counter_packet(at, r, SPE_COUNTER_TOTAL);
	at = spe_counter_packet(at, r, SPE_COUNTER_ISSUE);
	return spe_counter_packet(at, r, SPE_COUNTER_TRANSLATION);
}

/* The payload is 2 bytes, or 4 or 8 if an event needs it. */
static __always_inline u8 *spe_events(u8 *at, u64 events)
{
	if (!(events >> 16))
		return spe_packet(at, SPE_HEADER_EVENTS, events, 1);
	return events >> 32 ? spe_packet(at, SPE_HEADER_EVENTS, events, 3)
			    : spe_packet(at, SPE_HEADER_EVENTS, events, 2);
}

/* A Timestamp or End packet ends the record. */
static __always_inline u8 *spe_ending(u8 *at, const struct spe_record *r)
{
	if (r->has & SPE_HAS_TIMESTAMP)
		return spe_packet(at, SPE_HEADER_TIMESTAMP, r->timestamp, 3);
	*at = SPE_HEADER_END;
	return at + 1;
}

static __always_inline void spe_clear(u8 *out)
{
	const u64 zero = 0;

#define SPE_CLEAR(word) __builtin_memcpy(out + (word) * sizeof(zero), &zero, sizeof(zero))
	SPE_CLEAR(0);
	SPE_CLEAR(1);
	SPE_CLEAR(2);
	SPE_CLEAR(3);
	SPE_CLEAR(4);
	SPE_CLEAR(5);
	SPE_CLEAR(6);
	SPE_CLEAR(7);
#undef SPE_CLEAR
}

/*
 * Write a record's packets to @out, and zeros behind them. @out has room for SPE_PACKETS_ROOM
 * bytes, or fewer if the record is known to fit. Return: bytes of packets.
 */
static __always_inline size_t spe_record_pack(const struct spe_record *r, u8 *out)
{
	u8 *at = out;

	spe_clear(out);
	at = spe_addresses(at, r);
	at = spe_contexts(at, r);
	at = spe_counters(at, r);
	at = spe_events(at, r->events);
	at = spe_packet(at, SPE_HEADER_OP + (u32)r->op_class, r->op_sub, 0);
	if (r->has & SPE_HAS_SOURCE)
		at = spe_packet(at, SPE_HEADER_SOURCE, r->source, 0);
	at = spe_ending(at, r);
	return (size_t)(at - out);
}

/* The members of a load's or store's record with addresses, contexts and timestamps enabled. */
#define SPE_HAS_USUAL                                                                        \
	(SPE_HAS_ADDR(SPE_ADDR_PC) | SPE_HAS_ADDR(SPE_ADDR_VA) | SPE_HAS_ADDR(SPE_ADDR_PA) | \
	 SPE_HAS_CONTEXT_EL1 | SPE_HAS_COUNTER(SPE_COUNTER_TOTAL) | SPE_HAS_TIMESTAMP)

static __always_inline bool spe_record_is_usual(const struct spe_record *r)
{
	return r->has == SPE_HAS_USUAL && !(r->events >> 16);
}

/* A header, with log2 of its payload's bytes, at bit @shift of a word. */
#define SPE_HEADER_AT(header, log2, shift) \
	((u64)(((header) & ~SPE_HEADER_SIZE) | FIELD_PREP(SPE_HEADER_SIZE, log2)) << (shift))

/*
 * spe_record_pack() for spe_record_is_usual(): each packet has a constant offset, so the words are
 * made in registers.
 */
static __always_inline void spe_record_pack_usual(const struct spe_record *r,
						  u64 out[SPE_RECORD_WORDS])
{
	u64 pc = r->addr[SPE_ADDR_PC], va = r->addr[SPE_ADDR_VA], pa = r->addr[SPE_ADDR_PA];
	u64 total = MIN(r->counter[SPE_COUNTER_TOTAL], SPE_COUNTER_MAX);

	out[0] = SPE_HEADER_AT(SPE_HEADER_ADDRESS + SPE_ADDR_PC, 3, 0) | pc << 8;
	out[1] = pc >> 56 | SPE_HEADER_AT(SPE_HEADER_ADDRESS + SPE_ADDR_VA, 3, 8) | va << 16;
	out[2] = va >> 48 | SPE_HEADER_AT(SPE_HEADER_ADDRESS + SPE_ADDR_PA, 3, 16) | pa << 24;
	out[3] = pa >> 40 | SPE_HEADER_AT(SPE_HEADER_CONTEXT, 2, 24) | (u64)r->context_el1 << 32;
	out[4] = SPE_HEADER_AT(SPE_HEADER_COUNTER + SPE_COUNTER_TOTAL, 1, 0) | total << 8 |
		 SPE_HEADER_AT(SPE_HEADER_EVENTS, 1, 24) | r->events << 32 |
		 SPE_HEADER_AT(SPE_HEADER_OP + (u32)r->op_class, 0, 48) | (u64)r->op_sub << 56;
	out[5] = SPE_HEADER_AT(SPE_HEADER_TIMESTAMP, 3, 0) | r->timestamp << 8;
	out[6] = r->timestamp >> 56;
	out[7] = 0;
}

#endif
