// SPDX-License-Identifier: BSD-2-Clause
/* Encodes SPE sample records. See spe_packet.h. */
#include <lib/errno.h>
#include <spe/spe_packet.h>

/* Short headers (D17.3): bits 5:4 are log2 of the payload's bytes. */
#define HEADER_END	 0x01
#define HEADER_TIMESTAMP 0x71
#define HEADER_EVENTS	 0x42
#define HEADER_SOURCE	 0x43
#define HEADER_OP	 0x48 /* + class */
#define HEADER_CONTEXT	 0x64 /* + 1 for EL2's */
#define HEADER_ADDRESS	 0xb0 /* + index */
#define HEADER_COUNTER	 0x98 /* + index */
#define HEADER_SIZE	 GENMASK(5, 4)

/* Address packets, bits 63:56 of the payload (D17.3.1) */
#define ADDRESS_NS BIT(63)
#define ADDRESS_EL GENMASK(62, 61)
#define ADDRESS	   GENMASK(55, 0)

/*
 * A record in the making. A packet is stored as whole words, what follows overwrites what was too
 * much: stores of single bytes would be most of what a sample costs. mk/hyp.mk lets the compiler
 * use unaligned stores here, which it may not where the MMU can be off.
 */
struct packets {
	u8 bytes[SPE_RECORD_SIZE + 2 * sizeof(u64)];
	u32 used; /* more than SPE_RECORD_SIZE: it does not fit, and nothing more is stored */
};

static __always_inline void store(u8 *at, u64 value)
{
	__builtin_memcpy(at, &value, sizeof(value));
}

/* A packet with 1 << @log2 bytes of payload, little-endian; the payload's other bytes are zero. */
static __always_inline void packet(struct packets *p, u32 header, u64 payload, u32 log2)
{
	if (p->used > SPE_RECORD_SIZE)
		return;
	p->bytes[p->used] = (u8)((header & ~HEADER_SIZE) | FIELD_PREP(HEADER_SIZE, log2));
	store(p->bytes + p->used + 1, payload);
	p->used += 1 + (1U << log2);
}

static __always_inline void addresses(struct packets *p, const struct spe_record *r)
{
	for (u32 i = 0; i < SPE_ADDR_COUNT; i++)
		if (r->has & SPE_HAS_ADDR(i))
			packet(p, HEADER_ADDRESS + i, r->addr[i], 3);
}

static __always_inline void contexts(struct packets *p, const struct spe_record *r)
{
	if (r->has & SPE_HAS_CONTEXT_EL1)
		packet(p, HEADER_CONTEXT, r->context_el1, 2);
	if (r->has & SPE_HAS_CONTEXT_EL2)
		packet(p, HEADER_CONTEXT + 1, r->context_el2, 2);
}

static __always_inline void counters(struct packets *p, const struct spe_record *r)
{
	for (u32 i = 0; i < SPE_COUNTER_COUNT; i++)
		if (r->has & SPE_HAS_COUNTER(i))
			packet(p, HEADER_COUNTER + i, MIN(r->counter[i], SPE_COUNTER_MAX), 1);
}

/* The payload is 2 bytes, or more where an event needs it. */
static __always_inline void events(struct packets *p, u64 events)
{
	packet(p, HEADER_EVENTS, events, events >> 32 ? 3 : events >> 16 ? 2 : 1);
}

int spe_record_build(const struct spe_record *r, u64 out[SPE_RECORD_WORDS])
{
	struct packets p;

	if (r->op_class > SPE_OP_CLASS_BRANCH)
		return -EINVAL;
	p.used = 0;
	addresses(&p, r);
	contexts(&p, r);
	counters(&p, r);
	events(&p, r->events);
	packet(&p, HEADER_OP + (u32)r->op_class, r->op_sub, 0);
	if (r->has & SPE_HAS_SOURCE)
		packet(&p, HEADER_SOURCE, r->source, 0);
	if (r->has & SPE_HAS_TIMESTAMP)
		packet(&p, HEADER_TIMESTAMP, r->timestamp, 3);
	else if (p.used < SPE_RECORD_SIZE)
		p.bytes[p.used++] = HEADER_END;
	else
		p.used = SPE_RECORD_SIZE + 1;
	if (p.used > SPE_RECORD_SIZE)
		return -E2BIG;
	for (u32 at = p.used; at < SPE_RECORD_SIZE; at += sizeof(u64))
		store(p.bytes + at, 0);
	__builtin_memcpy(out, p.bytes, SPE_RECORD_SIZE);
	return 0;
}

u64 spe_address_code(u64 va, unsigned int el)
{
	return (va & ADDRESS) | FIELD_PREP(ADDRESS_EL, el) | ADDRESS_NS;
}

u64 spe_address_va(u64 va, bool tbi)
{
	return tbi ? va : va & ADDRESS;
}

u64 spe_address_pa(u64 pa)
{
	return (pa & ADDRESS) | ADDRESS_NS;
}

/* SPEEncodeEVL() in J1.1.1: log2 of the length over 32. */
u8 spe_evl(unsigned int bits)
{
	unsigned int log2 = 0;

	while (log2 < 6 && 32U << log2 < bits)
		log2++;
	return (u8)FIELD_PREP(SPE_SUB_SVE_EVL, log2);
}
