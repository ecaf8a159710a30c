// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which SMCs of the host reach firmware: each row of the table, and all others: only calls that are
 * known to be harmless, unless keel.smc allows more. OP-TEE's calls, with a fake Secure world.
 */
/* SOURCES: hyp/host/smc_policy.c hyp/host/optee.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <host/optee.h>
#include <host/psci.h>
#include <lib/errno.h>
#include <lib/options.h>

static const struct option_smc nothing;
static const struct option_smc everything = { .count = 1, .range = { { 0, 0xffffffff } } };

/* ---- the policy ---- */

static const struct {
	u32 fid;
	enum smc_policy policy;
} policy_rows[] = {
	/* yielding: trusted OS */
	{ 0x00000000, SMC_ASK },
	{ 0x32000004, SMC_ASK },
	{ 0x7fffffff, SMC_ASK },
	/* SMCCC_VERSION, ARCH_FEATURES, SOC_ID, FEATURE_AVAILABILITY, workarounds */
	{ 0x80000000, SMC_FORWARD },
	{ 0x80010000, SMC_FORWARD },
	{ 0x80000001, SMC_FORWARD },
	{ 0x80000002, SMC_FORWARD },
	{ 0xc0000002, SMC_FORWARD },
	{ 0x80000003, SMC_FORWARD },
	{ 0xc0000003, SMC_FORWARD },
	{ 0x80000004, SMC_ASK },
	{ 0xc0000000, SMC_ASK },
	{ 0xc0000001, SMC_ASK },
	{ 0x80003ffd, SMC_ASK },
	{ 0x80003ffe, SMC_FORWARD },
	{ 0x80003fff, SMC_FORWARD },
	{ 0x80004000, SMC_ASK },
	{ 0x80007ffe, SMC_ASK },
	{ 0x80007fff, SMC_FORWARD },
	{ 0x80008000, SMC_FORWARD },
	{ 0x80018000, SMC_FORWARD },
	{ 0x80008001, SMC_ASK },
	/* CPU, silicon provider, OEM */
	{ 0x81000000, SMC_ASK },
	{ 0xc2000001, SMC_ASK },
	{ 0x8300ff01, SMC_ASK },
	{ 0x83ffffff, SMC_ASK },
	/* execution state switch, hint or not */
	{ 0x82000020, SMC_DENY },
	{ 0xc2000020, SMC_DENY },
	{ 0x82010020, SMC_DENY },
	{ 0x82000021, SMC_ASK },
	/* PSCI */
	{ 0x84000000, SMC_PSCI },
	{ 0x8400001f, SMC_PSCI },
	{ 0xc4000003, SMC_PSCI },
	{ 0xc401001f, SMC_PSCI },
	/* the same numbers with bits that must be zero: whatever firmware makes of them */
	{ 0x84020003, SMC_DENY },
	{ 0xc4800003, SMC_DENY },
	/* SDEI */
	{ 0x84000020, SMC_DENY },
	{ 0xc4000021, SMC_DENY },
	{ 0xc400003f, SMC_DENY },
	/* management mode */
	{ 0x84000040, SMC_DENY },
	{ 0xc4000041, SMC_DENY },
	/* TRNG */
	{ 0x8400004f, SMC_DENY },
	{ 0x84000050, SMC_FORWARD },
	{ 0x84000053, SMC_FORWARD },
	{ 0xc4000053, SMC_FORWARD },
	{ 0xc4000050, SMC_DENY },
	{ 0x84000054, SMC_DENY },
	/* FF-A: version, RXTX_MAP, memory donation, lending, sharing */
	{ 0x84000060, SMC_DENY },
	{ 0x84000063, SMC_DENY },
	{ 0xc4000066, SMC_DENY },
	{ 0xc4000071, SMC_DENY },
	{ 0xc4000073, SMC_DENY },
	{ 0x840000ef, SMC_DENY },
	/* errata management */
	{ 0x840000f0, SMC_FORWARD },
	{ 0x840000f2, SMC_FORWARD },
	{ 0x840000f3, SMC_DENY },
	{ 0xc40000f2, SMC_DENY },
	/* dynamic launch */
	{ 0xc4000110, SMC_DENY },
	{ 0xc400012f, SMC_DENY },
	/* PCI configuration */
	{ 0x84000130, SMC_ASK },
	{ 0xc4000134, SMC_ASK },
	{ 0x8400014f, SMC_ASK },
	/* realm management: granule delegation */
	{ 0xc4000150, SMC_DENY },
	{ 0xc4000151, SMC_DENY },
	{ 0xc400018f, SMC_DENY },
	/* firmware activation */
	{ 0xc40002e0, SMC_DENY },
	/* general queries of the standard services */
	{ 0x8400ff00, SMC_FORWARD },
	{ 0x8400ff03, SMC_FORWARD },
	{ 0x8400ff04, SMC_DENY },
	/* hypervisors: that is Keel, and it is called by HVC */
	{ 0x85000000, SMC_DENY },
	{ 0xc5000020, SMC_DENY },
	{ 0x86000000, SMC_DENY },
	{ 0xc6000000, SMC_DENY },
	/* owners that do not exist, one of them KVM's PSCI 0.1 */
	{ 0x87000000, SMC_DENY },
	{ 0x95c1ba5e, SMC_DENY },
	{ 0xafffffff, SMC_DENY },
	{ 0xefffffff, SMC_DENY },
	/* trusted applications, trusted OS */
	{ 0xb0000000, SMC_ASK },
	{ 0xb2000001, SMC_ASK },
	{ 0xbf00ff01, SMC_ASK },
	{ 0xf2000000, SMC_ASK },
	{ 0xffffffff, SMC_ASK },
};

static void each_row_gives_its_policy(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(policy_rows); i++) {
		enum smc_policy got = smc_policy(&nothing, policy_rows[i].fid);
		enum smc_policy most = policy_rows[i].policy == SMC_ASK ? SMC_FORWARD
									: policy_rows[i].policy;

		if (got != policy_rows[i].policy)
			fail_msg("%08x: %d, expected %d", policy_rows[i].fid, got,
				 policy_rows[i].policy);
		got = smc_policy(&everything, policy_rows[i].fid);
		if (got != most)
			fail_msg("%08x, all allowed: %d, expected %d", policy_rows[i].fid, got,
				 most);
	}
}

/* Only the ranges of the architecture and of standard services have calls that are forwarded. */
static void only_known_owners_have_calls_that_are_forwarded(void **state)
{
	for (unsigned int top = 0; top < 256; top++) {
		for (u32 function = 0; function < 0x20000; function++) {
			u32 fid = (u32)top << 24 | function;
			enum smc_policy got = smc_policy(&nothing, fid);
			unsigned int owner = top & 0x3f;

			if (got != SMC_FORWARD && got != SMC_PSCI)
				continue;
			if (!(top & 0x80) ||
			    (owner != SMCCC_OWNER_ARCH && owner != SMCCC_OWNER_STANDARD))
				fail_msg("%08x reaches firmware: %d", fid, got);
		}
	}
}

/* The ends of keel.smc's ranges: one below, first, last, one above; also with the SVE hint. */
static void keel_smc_allows_exactly_its_ranges(void **state)
{
	static const struct option_smc allow = {
		.count = 2,
		.range = { { 0x82000010, 0x82000011 }, { 0x32000003, 0x32000004 } },
	};
	static const struct {
		u32 fid;
		enum smc_policy policy;
	} rows[] = {
		{ 0x8200000f, SMC_ASK },
		{ 0x82000010, SMC_FORWARD },
		{ 0x82010011, SMC_FORWARD },
		{ 0x82000012, SMC_ASK },
		{ 0xc2000010, SMC_ASK },
		{ 0x32000002, SMC_ASK },
		{ 0x32000003, SMC_FORWARD },
		{ 0x32000004, SMC_FORWARD },
		{ 0x32000005, SMC_ASK },
		/* a yielding call has no hint: the bit is part of its number */
		{ 0x32010003, SMC_ASK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (smc_policy(&allow, rows[i].fid) != rows[i].policy)
			fail_msg("%08x is not %d", rows[i].fid, rows[i].policy);
}

/* ---- OP-TEE ---- */

#define SHM_BASE 0x43e000800ULL
#define SHM_SIZE 0x1ff000ULL

enum { UID = 0xbf00ff01, CAPS = 0xb2000009, SHM = 0xb2000007, CALL = 0x32000004 };

static struct secure_world {
	bool absent;
	u64 caps_status, caps, shm_status, shm_base, shm_size;
	int keep_result;
	u64 kept_base, kept_size;
	unsigned int calls, kept;
	struct smccc_regs last;
} w;

static struct optee optee;

static void secure_smc(void *ctx, struct smccc_regs *r)
{
	w.calls++;
	w.last = *r;
	if (w.absent) {
		r->x[0] = (u64)SMCCC_RET_NOT_SUPPORTED;
		return;
	}
	switch ((u32)r->x[0]) {
	case UID:
		r->x[0] = 0x384fb3e0;
		r->x[1] = 0xe7f811e3;
		r->x[2] = 0xaf630002;
		r->x[3] = 0xa5d5c51b;
		break;
	case CAPS:
		r->x[0] = w.caps_status;
		r->x[1] = w.caps;
		r->x[2] = 42;
		break;
	case SHM:
		r->x[0] = w.shm_status;
		r->x[1] = w.shm_base;
		r->x[2] = w.shm_size;
		break;
	default:
		r->x[0] = 0;
		break;
	}
}

static int keep(void *ctx, u64 base, u64 size)
{
	w.kept++;
	w.kept_base = base;
	w.kept_size = size;
	return w.keep_result;
}

static const struct optee_ops ops = { .smc = secure_smc, .keep = keep };

static void good_world(void)
{
	w = (struct secure_world){ .caps = 0x31, .shm_base = SHM_BASE, .shm_size = SHM_SIZE };
}

static struct smccc_regs call(u32 fid, u64 x1, u64 x2, bool made)
{
	struct smccc_regs r = { .x = { fid, x1, x2, 3, 4, 5, 6, 7 } };
	unsigned int before = w.calls;

	if (optee_handle(&optee, &r) && made != (w.calls == before + 1))
		fail_msg("%08x: %u calls of the secure world", fid, w.calls - before);
	return r;
}

static void an_optee_with_reserved_memory_only_may_be_called(void **state)
{
	struct smccc_regs r;

	good_world();
	assert_null(optee_init(&optee, &ops, NULL));
	/* whole pages are kept with the host */
	assert_int_equal(w.kept, 1);
	assert_int_equal(w.kept_base, 0x43e000000);
	assert_int_equal(w.kept_size, 0x200000);
	r = call(CALL, SHM_BASE >> 32, SHM_BASE & 0xffffffff, true);
	assert_int_equal(r.x[0], 0);
	assert_int_equal(w.last.x[7], 7);
	/* the address is w1:w2, whatever the upper halves say */
	r = call(CALL, 0xdead00000000 | (SHM_BASE + SHM_SIZE - 1) >> 32,
		 0xbeef00000000 | ((SHM_BASE + SHM_SIZE - 1) & 0xffffffff), true);
	assert_int_equal(r.x[0], 0);
}

/* OPTEE_SMC_RETURN_EBADADDR, and the Secure world does not get the call. */
static void messages_outside_the_reserved_memory_are_refused(void **state)
{
	static const u64 bad[] = { 0,	  0x40000000,		SHM_BASE - 1, SHM_BASE + SHM_SIZE,
				   ~0ULL, SHM_BASE & 0xffffffff };

	good_world();
	assert_null(optee_init(&optee, &ops, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct smccc_regs r = call(CALL, bad[i] >> 32, bad[i] & 0xffffffff, false);

		if (r.x[0] != 4)
			fail_msg("a message at %#lx: %#lx", bad[i], r.x[0]);
	}
}

/* With each capability by which OP-TEE takes addresses from the host, the host may not call it. */
static void an_optee_that_takes_addresses_may_not_be_called(void **state)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool harmless = bit == 0 || bit == 4 || bit == 5;

		good_world();
		w.caps |= 1ULL << bit;
		if (!optee_init(&optee, &ops, NULL) != harmless)
			fail_msg("capability bit %u", bit);
		if (!harmless && (w.kept || optee.on))
			fail_msg("capability bit %u: refused, but not wholly", bit);
	}
}

static void each_refusal_has_its_reason(void **state)
{
	struct smccc_regs r = { .x = { CAPS } };

	good_world();
	w.absent = true;
	assert_string_equal(optee_init(&optee, &ops, NULL),
			    "there is no OP-TEE that is called by SMC");
	good_world();
	w.caps = 0x30;
	assert_string_equal(optee_init(&optee, &ops, NULL), "it has no reserved shared memory");
	good_world();
	w.caps_status = 7;
	assert_string_equal(optee_init(&optee, &ops, NULL), "it has no reserved shared memory");
	for (unsigned int i = 0; i < 5; i++) {
		good_world();
		w.shm_status = i == 0 ? 7 : 0;
		w.shm_size = i == 1 ? 0 : i == 2 ? ~0ULL - 10 : SHM_SIZE;
		w.shm_base = i == 3 ? ~0ULL - 4095 : SHM_BASE;
		w.keep_result = i == 4 ? -EPERM : 0;
		if (!optee_init(&optee, &ops, NULL) || optee.on)
			fail_msg("shared memory %u was accepted", i);
		if (optee_handle(&optee, &r))
			fail_msg("shared memory %u: a call was carried out", i);
	}
	assert_false(optee_handle(&(struct optee){ .on = false }, &r));
}

/* The host sees only capabilities that it can use; the rest of the result is OP-TEE's. */
static void capabilities_are_filtered(void **state)
{
	struct smccc_regs r;

	good_world();
	assert_null(optee_init(&optee, &ops, NULL));
	w.caps = 0x3ff;
	r = call(CAPS, 1, 0, true);
	assert_int_equal(r.x[1], 0x31);
	assert_int_equal(r.x[2], 42);
}

/* Calls that are not in the list are not made: all numbers of both kinds are tried. */
static void only_known_calls_are_made(void **state)
{
	static const u32 known[] = { UID,	 0xbf00ff03, 0xb2000000, 0xb2000001, SHM,
				     CAPS,	 0xb200000a, 0xb200000b, 0xb200000f, 0xb2000010,
				     0xb2000011, 0x32000003, CALL };
	static const u32 bases[] = { 0x32000000, 0xb2000000, 0xbf000000, 0x72000000, 0xf2000000 };
	unsigned int made = 0;

	good_world();
	assert_null(optee_init(&optee, &ops, NULL));
	for (size_t b = 0; b < ARRAY_SIZE(bases); b++) {
		for (u32 function = 0; function < 0x10000; function++) {
			struct smccc_regs r = { .x = { bases[b] | function, SHM_BASE >> 32,
						       SHM_BASE & 0xffffffff } };
			bool is_known = false;

			for (size_t i = 0; i < ARRAY_SIZE(known); i++)
				is_known |= known[i] == (bases[b] | function);
			if (optee_handle(&optee, &r) != is_known)
				fail_msg("%08x: known %d", bases[b] | function, is_known);
			made += is_known;
		}
	}
	assert_int_equal(made, ARRAY_SIZE(known));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_gives_its_policy),
		cmocka_unit_test(only_known_owners_have_calls_that_are_forwarded),
		cmocka_unit_test(keel_smc_allows_exactly_its_ranges),
		cmocka_unit_test(an_optee_with_reserved_memory_only_may_be_called),
		cmocka_unit_test(messages_outside_the_reserved_memory_are_refused),
		cmocka_unit_test(an_optee_that_takes_addresses_may_not_be_called),
		cmocka_unit_test(each_refusal_has_its_reason),
		cmocka_unit_test(capabilities_are_filtered),
		cmocka_unit_test(only_known_calls_are_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
