// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_packet.c */
/* SPE sample records: each packet's bytes, and whole records with a decoder of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/errno.h>
#include <spe/spe_pack.h>
#include <spe/spe_packet.h>

static union {
	u64 words[SPE_RECORD_WORDS];
	u8 bytes[SPE_RECORD_SIZE];
} built;

#define out (built.bytes)

/* The record is exactly these bytes and zeros. */
static void expect_bytes(const struct spe_record *r, const u8 *bytes, size_t n)
{
	u8 whole[SPE_RECORD_SIZE] = { 0 };

	memcpy(whole, bytes, n);
	memset(out, 0xee, sizeof(out));
	assert_int_equal(spe_record_build(r, built.words), 0);
	assert_memory_equal(out, whole, sizeof(out));
}

#define EXPECT(r, ...)                                                       \
	do {                                                                 \
		static const u8 bytes_[] = { __VA_ARGS__ };                  \
		expect_bytes(&(struct spe_record)r, bytes_, sizeof(bytes_)); \
	} while (0)
#define R(...)              \
	{                   \
		__VA_ARGS__ \
	}
#define REST 0x52, 0x00, 0x00, 0x48, 0x00 /* no events; operation: other */

static void address_packets_are_encoded(void **state)
{
	EXPECT(R(.has = SPE_HAS_ADDR(SPE_ADDR_PC), .addr = { 0x1122334455667788 }), 0xb0, 0x88,
	       0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, REST, 0x01);
	EXPECT(R(.has = SPE_HAS_ADDR(SPE_ADDR_TARGET), .addr = { [1] = 0x0102030405060708 }), 0xb1,
	       8, 7, 6, 5, 4, 3, 2, 1, REST, 0x01);
	EXPECT(R(.has = SPE_HAS_ADDR(SPE_ADDR_VA), .addr = { [2] = 0x0102030405060708 }), 0xb2, 8,
	       7, 6, 5, 4, 3, 2, 1, REST, 0x01);
	EXPECT(R(.has = SPE_HAS_ADDR(SPE_ADDR_PA), .addr = { [3] = 0x0102030405060708 }), 0xb3, 8,
	       7, 6, 5, 4, 3, 2, 1, REST, 0x01);
	EXPECT(R(.has = SPE_HAS_ADDR(SPE_ADDR_PREVIOUS), .addr = { [4] = 0x0102030405060708 }),
	       0xb4, 8, 7, 6, 5, 4, 3, 2, 1, REST, 0x01);
}

static void address_payloads_have_ns_and_el(void **state)
{
	/* NS is bit 63, EL bits 62:61; the address is bits 55:0 */
	assert_int_equal(spe_address_code(0xffff800012345678, 1), 0xa0ff800012345678);
	assert_int_equal(spe_address_code(0x0000aaaa12345678, 0), 0x8000aaaa12345678);
	assert_int_equal(spe_address_code(0xffff800012345678, 2), 0xc0ff800012345678);
	assert_int_equal(spe_address_va(0xffff800012345678, false), 0x00ff800012345678);
	assert_int_equal(spe_address_va(0xf4ff800012345678, true), 0xf4ff800012345678);
	assert_int_equal(spe_address_pa(0x4008123), 0x8000000004008123);
	assert_int_equal(spe_address_pa(~0ULL), 0x80ffffffffffffff);
}

static void context_packets_are_encoded(void **state)
{
	EXPECT(R(.has = SPE_HAS_CONTEXT_EL1, .context_el1 = 0x01020304), 0x64, 4, 3, 2, 1, REST,
	       0x01);
	EXPECT(R(.has = SPE_HAS_CONTEXT_EL2, .context_el2 = 0x01020304), 0x65, 4, 3, 2, 1, REST,
	       0x01);
}

static void counter_packets_saturate(void **state)
{
	EXPECT(R(.has = SPE_HAS_COUNTER(SPE_COUNTER_TOTAL), .counter = { 0x123 }), 0x98, 0x23, 0x01,
	       REST, 0x01);
	EXPECT(R(.has = SPE_HAS_COUNTER(SPE_COUNTER_ISSUE), .counter = { [1] = 0x123 }), 0x99, 0x23,
	       0x01, REST, 0x01);
	EXPECT(R(.has = SPE_HAS_COUNTER(SPE_COUNTER_TRANSLATION), .counter = { [2] = 0x123 }), 0x9a,
	       0x23, 0x01, REST, 0x01);
	/* 12 bits, saturating */
	EXPECT(R(.has = SPE_HAS_COUNTER(SPE_COUNTER_TOTAL), .counter = { 0xfff }), 0x98, 0xff, 0x0f,
	       REST, 0x01);
	EXPECT(R(.has = SPE_HAS_COUNTER(SPE_COUNTER_TOTAL), .counter = { 0x1000 }), 0x98, 0xff,
	       0x0f, REST, 0x01);
}

static void the_events_packet_grows_with_its_events(void **state)
{
	EXPECT(R(.events = 0xffff), 0x52, 0xff, 0xff, 0x48, 0, 0x01);
	EXPECT(R(.events = 0x10000), 0x62, 0, 0, 1, 0, 0x48, 0, 0x01);
	EXPECT(R(.events = 0xffffffff), 0x62, 0xff, 0xff, 0xff, 0xff, 0x48, 0, 0x01);
	EXPECT(R(.events = 1ULL << 32), 0x72, 0, 0, 0, 0, 1, 0, 0, 0, 0x48, 0, 0x01);
}

static void operation_packets_are_encoded(void **state)
{
	EXPECT(R(.op_class = SPE_OP_CLASS_OTHER, .op_sub = 1), 0x52, 0, 0, 0x48, 1, 0x01);
	EXPECT(R(.op_class = SPE_OP_CLASS_LDST, .op_sub = 0x1f), 0x52, 0, 0, 0x49, 0x1f, 0x01);
	EXPECT(R(.op_class = SPE_OP_CLASS_BRANCH, .op_sub = 3), 0x52, 0, 0, 0x4a, 3, 0x01);
	assert_int_equal(spe_record_build(&(struct spe_record){ .op_class = 3 }, built.words),
			 -EINVAL);
}

static void a_timestamp_ends_the_record(void **state)
{
	EXPECT(R(.has = SPE_HAS_SOURCE, .source = 0x0d), REST, 0x43, 0x0d, 0x01);
	/* a timestamp ends the record, in the place of an End packet */
	EXPECT(R(.has = SPE_HAS_TIMESTAMP, .timestamp = 0x0102030405060708), REST, 0x71, 8, 7, 6, 5,
	       4, 3, 2, 1);
}

static void vector_lengths_are_rounded_up(void **state)
{
	static const struct {
		unsigned int bits;
		u8 evl;
	} rows[] = { { 1, 0x00 },    { 32, 0x00 },   { 33, 0x10 },  { 64, 0x10 },
		     { 128, 0x20 },  { 256, 0x30 },  { 384, 0x40 }, { 512, 0x40 },
		     { 1024, 0x50 }, { 1025, 0x60 }, { 2048, 0x60 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(spe_evl(rows[i].bits), rows[i].evl);
}

static void the_largest_records_fit(void **state)
{
	struct spe_record r = {
		.has = SPE_HAS_ADDR(SPE_ADDR_PC) | SPE_HAS_ADDR(SPE_ADDR_VA) |
		       SPE_HAS_ADDR(SPE_ADDR_PA) | SPE_HAS_COUNTER(0) | SPE_HAS_COUNTER(1) |
		       SPE_HAS_COUNTER(2) | SPE_HAS_CONTEXT_EL1 | SPE_HAS_CONTEXT_EL2 |
		       SPE_HAS_SOURCE | SPE_HAS_TIMESTAMP,
		.events = SPE_EVENT_PRED_EMPTY,
		.timestamp = 0xa500000000000000,
	};

	/* a load with everything fills the record to the last byte */
	assert_int_equal(spe_record_build(&r, built.words), 0);
	assert_int_equal(out[SPE_RECORD_SIZE - 1], 0xa5);
	r.has |= SPE_HAS_ADDR(SPE_ADDR_TARGET);
	assert_int_equal(spe_record_build(&r, built.words), -E2BIG);
}

/*
 * A decoder by the manual's tables of packet headers (D17.3): bits 7:6 and 3:0 say what it is, bits
 * 5:4 how much follows. 0b001000xx would be an extended header, which no packet here needs.
 */
static u64 payload(const u8 *at, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static void decode_payload(struct spe_record *r, u8 header, u64 value)
{
	u8 kind = header & 0xcf, index = header & 7;

	if ((header & 0xf8) == 0xb0) {
		assert_true(index <= 4);
		r->addr[index] = value;
		r->has |= SPE_HAS_ADDR(index);
	} else if ((header & 0xf8) == 0x98) {
		assert_true(index <= 2);
		r->counter[index] = (u32)value;
		r->has |= SPE_HAS_COUNTER(index);
	} else if (header == 0x64) {
		r->context_el1 = (u32)value;
		r->has |= SPE_HAS_CONTEXT_EL1;
	} else if (header == 0x65) {
		r->context_el2 = (u32)value;
		r->has |= SPE_HAS_CONTEXT_EL2;
	} else if ((header & 0xfc) == 0x48) {
		r->op_class = header & 3;
		r->op_sub = (u8)value;
	} else if (kind == 0x42) {
		r->events = value;
	} else if (kind == 0x43) {
		r->source = (u8)value;
		r->has |= SPE_HAS_SOURCE;
	} else {
		fail_msg("no packet has the header %02x", header);
	}
}

static struct spe_record decode(const u8 *bytes)
{
	struct spe_record r = { 0 };
	unsigned int at = 0;

	while (bytes[at] != 0x01 && bytes[at] != 0x71) {
		unsigned int size = 1U << (bytes[at] >> 4 & 3);

		assert_true(at + 1 + size < SPE_RECORD_SIZE);
		decode_payload(&r, bytes[at], payload(bytes + at + 1, size));
		at += 1 + size;
	}
	if (bytes[at] == 0x71) {
		r.timestamp = payload(bytes + at + 1, 8);
		r.has |= SPE_HAS_TIMESTAMP;
		at += 8;
	}
	while (++at < SPE_RECORD_SIZE)
		assert_int_equal(bytes[at], 0); /* padding */
	return r;
}

static u64 seed = 0x9e3779b97f4a7c15;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static struct spe_record random_record(void)
{
	struct spe_record r = { .has = rnd() & 0xf071f & (rnd() | rnd()) };

	for (unsigned int i = 0; i < SPE_ADDR_COUNT; i++)
		r.addr[i] = r.has & SPE_HAS_ADDR(i) ? rnd() : 0;
	for (unsigned int i = 0; i < SPE_COUNTER_COUNT; i++)
		r.counter[i] = r.has & SPE_HAS_COUNTER(i) ? rnd() & 0xfff : 0;
	r.context_el1 = r.has & SPE_HAS_CONTEXT_EL1 ? (u32)rnd() : 0;
	r.context_el2 = r.has & SPE_HAS_CONTEXT_EL2 ? (u32)rnd() : 0;
	r.source = r.has & SPE_HAS_SOURCE ? (u8)rnd() : 0;
	r.timestamp = r.has & SPE_HAS_TIMESTAMP ? rnd() : 0;
	r.events = rnd() >> (rnd() & 63);
	r.op_class = rnd() % 3;
	r.op_sub = (u8)rnd();
	return r;
}

static void random_records_are_decoded_again(void **state)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < 200000; i++) {
		struct spe_record r = random_record(), back;

		if (spe_record_build(&r, built.words) == -E2BIG)
			continue;
		count++;
		back = decode(out);
		assert_int_equal(back.has, r.has);
		assert_memory_equal(back.addr, r.addr, sizeof(r.addr));
		assert_memory_equal(back.counter, r.counter, sizeof(r.counter));
		assert_int_equal(back.context_el1, r.context_el1);
		assert_int_equal(back.context_el2, r.context_el2);
		assert_int_equal(back.events, r.events);
		assert_int_equal(back.op_class, r.op_class);
		assert_int_equal(back.op_sub, r.op_sub);
		assert_int_equal(back.source, r.source);
		assert_int_equal(back.timestamp, r.timestamp);
	}
	assert_true(count > 100000);
}

/* The words that are made in registers equal those of the general function. */
static void usual_records_are_encoded_as_others(void **state)
{
	u64 words[SPE_RECORD_WORDS], n;

	for (n = 0; n < 1000; n++) {
		struct spe_record r = {
			.has = SPE_HAS_USUAL,
			.addr = { rnd(), 0, rnd(), rnd() },
			.counter = { (u32)(rnd() & 0x1fff) },
			.context_el1 = (u32)rnd(),
			.events = rnd() & 0xffff,
			.op_class = (u8)(rnd() % 3),
			.op_sub = (u8)rnd(),
			.timestamp = rnd(),
		};

		assert_true(spe_record_is_usual(&r));
		assert_int_equal(spe_record_build(&r, built.words), 0);
		memset(words, 0xee, sizeof(words));
		spe_record_pack_usual(&r, words);
		assert_memory_equal(words, built.words, sizeof(words));
		r.events |= BIT(16 + n % 48);
		assert_false(spe_record_is_usual(&r));
		r.events = 0;
		r.has ^= BIT(n % 20);
		assert_false(spe_record_is_usual(&r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_packets_are_encoded),
		cmocka_unit_test(address_payloads_have_ns_and_el),
		cmocka_unit_test(context_packets_are_encoded),
		cmocka_unit_test(counter_packets_saturate),
		cmocka_unit_test(the_events_packet_grows_with_its_events),
		cmocka_unit_test(operation_packets_are_encoded),
		cmocka_unit_test(a_timestamp_ends_the_record),
		cmocka_unit_test(vector_lengths_are_rounded_up),
		cmocka_unit_test(the_largest_records_fit),
		cmocka_unit_test(random_records_are_decoded_again),
		cmocka_unit_test(usual_records_are_encoded_as_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
