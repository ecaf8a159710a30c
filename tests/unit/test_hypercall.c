// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/host/hypercall.c hyp/cpu/percpu.c hyp/lib/printf.c hyp/cpu/log.c hyp/cpu/hw_errors.c */
/* The hypercall ABI: what include/keel/hypercall.h promises of each call, and of all others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <host/host.h>
#include <host/host_mem.h>
#include <host/vm_calls.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <vm/vm_ops.h>

/* CPUs, of which the first two make calls. */
static struct percpu cpus[3];
struct percpu *fake_cpu = &cpus[0];

#define TABLE_PAGES 321
#define ALL_PAGES   567

static unsigned int checks; /* of page states against the host's stage 2 */
static char ring[1024];

void host_mem_check(void)
{
	checks++;
}

u64 host_mem_table_pages_free(void)
{
	return TABLE_PAGES;
}

u64 host_mem_table_pages(void)
{
	return ALL_PAGES;
}

static unsigned int partial_checks;

void host_mem_check_some(void)
{
	partial_checks++;
}

static u32 vm_call; /* the one that a fake of vm_calls.c takes; 0 for none */

bool vm_hypercall(struct host_regs *regs)
{
	if (!vm_call || (u32)regs->x[0] != vm_call)
		return false;
	regs->x[0] = 77;
	return true;
}

static u64 donated, donated_pages;
static int donate_result;

int vm_pool_donate(struct pa pa, u64 pages)
{
	donated = pa.v;
	donated_pages = pages;
	return donate_result;
}

int vm_pool_reclaim(struct pa pa, u64 pages)
{
	donated = ~pa.v;
	donated_pages = pages;
	return donate_result;
}

u64 vm_table_next(u64 handle)
{
	return handle + 0x10001;
}

/* One call with x1 = @arg and a number of their own in the other registers. */
static struct host_regs call(u64 fid, u64 arg)
{
	struct host_regs regs;

	for (unsigned int i = 0; i < ARRAY_SIZE(regs.x); i++)
		regs.x[i] = 0xabcd0000 + i;
	regs.x[0] = fid;
	regs.x[1] = arg;
	checks = partial_checks = 0;
	host_hypercall(&regs);
	return regs;
}

static void check_unchanged(const struct host_regs *regs, unsigned int first, const char *what)
{
	for (unsigned int i = first; i < ARRAY_SIZE(regs->x); i++)
		if (regs->x[i] != 0xabcd0000 + i)
			fail_msg("%s changed x%u to %#lx", what, i, regs->x[i]);
}

static void the_uid_is_the_one_of_the_abi(void **state)
{
	/* 6b65656c-2d68-7970-8572-766973302e31 in little-endian words: "keel-hyp.rvis0.1" */
	static const char uid[16] = { 'k',    'e', 'e', 'l', '-', 'h', 'y', 'p',
				      '\x85', 'r', 'v', 'i', 's', '0', '.', '1' };
	struct host_regs regs = call(0x8600ff01, 7);

	for (unsigned int i = 0; i < 4; i++) {
		u32 word;

		memcpy(&word, uid + 4 * i, 4);
		if (regs.x[i] != word)
			fail_msg("UID word %u is %#lx, expected %#x", i, regs.x[i], word);
	}
	check_unchanged(&regs, 4, "UID");
}

static void revision_and_version_agree(void **state)
{
	struct host_regs revision = call(0x8600ff03, 7), version = call(0xc6000000, 7);

	assert_int_equal(version.x[0], KEEL_ABI_VERSION);
	assert_int_equal(revision.x[0], version.x[0] >> 16);
	assert_int_equal(revision.x[1], version.x[0] & 0xffff);
	check_unchanged(&revision, 2, "REVISION");
	assert_int_equal(version.x[1], 7);
	check_unchanged(&version, 2, "VERSION");
}

static u64 stat(unsigned int which)
{
	struct host_regs regs = call(KEEL_HC_STAT, which);

	assert_int_equal(regs.x[0], 0);
	check_unchanged(&regs, 2, "STAT");
	return regs.x[1];
}

static void each_statistic_counts_its_own(void **state)
{
	static const unsigned int counted[] = { KEEL_STAT_HOST_ABORTS, KEEL_STAT_HOST_MMIO_MAPS,
						KEEL_STAT_SMCS };

	for (size_t i = 0; i < ARRAY_SIZE(counted); i++) {
		u64 before[ARRAY_SIZE(counted)];

		for (size_t j = 0; j < ARRAY_SIZE(counted); j++)
			before[j] = stat(counted[j]);
		host_count(counted[i]);
		host_count(counted[i]);
		for (size_t j = 0; j < ARRAY_SIZE(counted); j++)
			if (stat(counted[j]) != before[j] + (i == j ? 2 : 0))
				fail_msg("counting %u: statistic %u went from %lu to %lu",
					 counted[i], counted[j], before[j], stat(counted[j]));
	}
	assert_int_equal(stat(KEEL_STAT_TABLE_PAGES_FREE), TABLE_PAGES);
	assert_int_equal(host_stat(KEEL_STAT_TABLE_PAGES_FREE), TABLE_PAGES);
	assert_int_equal(stat(KEEL_STAT_TABLE_PAGES), ALL_PAGES);
}

static void errors_of_the_machine_are_counted(void **state)
{
	static const unsigned int stats[HW_ERROR_COUNT] = {
		[HW_GUEST_ABORTS] = KEEL_STAT_GUEST_ABORTS,
		[HW_GUEST_SERRORS] = KEEL_STAT_GUEST_SERRORS,
		[HW_EL2_FAULTS] = KEEL_STAT_EL2_FAULTS,
	};

	for (unsigned int i = 0; i < HW_ERROR_COUNT; i++) {
		for (unsigned int j = 0; j <= i; j++)
			hw_error((enum hw_error)i);
		for (unsigned int j = 0; j < HW_ERROR_COUNT; j++)
			assert_int_equal(stat(stats[j]), j <= i ? j + 1 : 0);
	}
}

/* Known calls are counted, also those that fail, and also the call that reads the counter. */
static void hypercalls_are_counted(void **state)
{
	u64 before = stat(KEEL_STAT_HYPERCALLS);

	call(KEEL_HC_UID, 0);
	call(KEEL_HC_STAT, 1000);
	call(0xc6001234, 0); /* not a call of Keel's */
	assert_int_equal(stat(KEEL_STAT_HYPERCALLS), before + 3);
	assert_int_equal(host_stat(KEEL_STAT_HYPERCALLS), before + 3);
	fake_cpu = &cpus[1];
	call(KEEL_HC_UID, 0);
	fake_cpu = &cpus[0];
	assert_int_equal(host_stat(KEEL_STAT_HYPERCALLS), before + 4);
}

static void unknown_statistics_are_refused(void **state)
{
	static const u64 bad[] = { KEEL_STAT_COUNT, KEEL_STAT_COUNT + 1, 0x80000000,
				   0x100000000,	    0x100000001,	 ~0ULL };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct host_regs regs = call(KEEL_HC_STAT, bad[i]);

		if ((s64)regs.x[0] != -EINVAL || regs.x[1] != bad[i])
			fail_msg("statistic %#lx: x0 %ld, x1 %#lx; expected -EINVAL", bad[i],
				 (s64)regs.x[0], regs.x[1]);
		check_unchanged(&regs, 2, "a bad STAT");
	}
}

/* Read the log to its end by hypercalls alone, from @pos on. */
static u64 read_log(u64 pos, char *text, size_t size, u64 *lost)
{
	size_t used = 0;

	*lost = 0;
	for (;;) {
		struct host_regs regs = call(KEEL_HC_LOG_READ, pos);
		u64 n = regs.x[0];

		assert_true(n <= KEEL_LOG_READ_MAX && used + n < size);
		memcpy(text + used, &regs.x[3], n);
		/* What the text does not fill reads as zero: nothing of Keel's stack leaks. */
		for (u64 i = n; i < KEEL_LOG_READ_MAX; i++)
			assert_int_equal(((const char *)&regs.x[3])[i], 0);
		check_unchanged(&regs, 18, "LOG_READ");
		*lost += regs.x[2];
		used += n;
		text[used] = 0;
		if (!n)
			return regs.x[1];
		assert_int_equal(regs.x[1], pos + regs.x[2] + n);
		pos = regs.x[1];
	}
}

static void the_log_is_read_piece_by_piece(void **state)
{
	char text[2048];
	u64 lost, end = read_log(0, text, sizeof(text), &lost);

	log_info("first");
	for (unsigned int i = 0; i < 5; i++)
		log_info("a line that is long enough to need several calls: %u %s", i,
			 "abcdefghijklmnopqrstuvwxyz");
	end = read_log(end, text, sizeof(text), &lost);
	assert_int_equal(lost, 0);
	assert_memory_equal(text, "keel: first\nkeel: a line", 24);
	assert_non_null(strstr(text, "calls: 4 abcdefghijklmnopqrstuvwxyz\n"));
	assert_int_equal(read_log(end, text, sizeof(text), &lost), end);
	assert_string_equal(text, "");
}

static void lost_bytes_of_the_log_are_counted(void **state)
{
	char text[2048];
	u64 lost, start = read_log(0, text, sizeof(text), &lost), end;

	for (unsigned int i = 0; i < 100; i++)
		log_info("line %u", i);
	end = read_log(start, text, sizeof(text), &lost);
	assert_true(lost > 0);
	assert_int_equal(start + lost + strlen(text), end);
	assert_memory_equal(text, "keel: line ", 11);
	assert_non_null(strstr(text, "line 99\n"));
}

static void a_position_that_never_was_reads_nothing(void **state)
{
	static const u64 bad[] = { 1ULL << 40, ~0ULL, 1ULL << 63 };
	char text[2048];
	u64 lost, end = read_log(0, text, sizeof(text), &lost);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct host_regs regs = call(KEEL_HC_LOG_READ, bad[i]);

		assert_int_equal(regs.x[0], 0);
		assert_int_equal(regs.x[1], end);
	}
}

static const u32 known[] = { KEEL_HC_UID,	   KEEL_HC_REVISION, KEEL_HC_VERSION,
			     KEEL_HC_STAT,	   KEEL_HC_LOG_READ, KEEL_HC_POOL_DONATE,
			     KEEL_HC_POOL_RECLAIM, KEEL_HC_VM_NEXT };

static bool is_known(u32 fid)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == fid)
			return true;
	return false;
}

static void check_not_supported(u64 fid)
{
	struct host_regs regs = call(fid, 0xabcd0001);

	if ((s64)regs.x[0] != -1)
		fail_msg("call %#lx: x0 is %#lx, expected NOT_SUPPORTED", fid, regs.x[0]);
	check_unchanged(&regs, 1, "an unknown call");
	assert_int_equal(checks, 0);
}

static void all_other_calls_are_not_supported_and_change_nothing(void **state)
{
	/* whole functions of each owner in both forms, fast and yielding; and single bits off */
	for (u64 high = 0; high < 256; high++)
		for (u64 function = 0; function < 0x20; function++) {
			u64 fid = high << 24 | function;

			if (!is_known((u32)fid))
				check_not_supported(fid);
			if (!is_known((u32)fid | 0xff00))
				check_not_supported(fid | 0xff00);
		}
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		for (unsigned int bit = 0; bit < 32; bit++)
			if (bit != 16 && !is_known(known[i] ^ (u32)BIT(bit)))
				check_not_supported(known[i] ^ (u32)BIT(bit));
	check_not_supported(~0ULL);
}

/* The identifier is W0 (DEN 0028): the upper half of x0 is ignored. */
static void the_upper_half_of_x0_is_ignored(void **state)
{
	assert_int_equal(call(0xdeadbeef00000000 | KEEL_HC_VERSION, 0).x[0], KEEL_ABI_VERSION);
}

/* The SVE hint, bit 16, is ignored too; a kernel can add it to any fast call (DEN 0028, 2.5). */
static void the_sve_hint_is_ignored(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		assert_int_not_equal((s64)call(known[i] | BIT(16), 0).x[0], -1);
	assert_int_equal(call(KEEL_HC_VERSION | BIT(16), 0).x[0], KEEL_ABI_VERSION);
}

static void pool_donate_hands_on_what_it_is_given(void **state)
{
	struct host_regs regs;

	donate_result = 0;
	regs = call(KEEL_HC_POOL_DONATE, 0x12345000);
	assert_int_equal(regs.x[0], 0);
	assert_int_equal(donated, 0x12345000);
	assert_int_equal(donated_pages, 0xabcd0002);
	check_unchanged(&regs, 2, "POOL_DONATE");
	regs = call(KEEL_HC_POOL_RECLAIM, 0x12345000);
	assert_int_equal(regs.x[0], 0);
	assert_int_equal(donated, ~0x12345000ULL);
	assert_int_equal(donated_pages, 0xabcd0002);
	check_unchanged(&regs, 2, "POOL_RECLAIM");
	donate_result = -EPERM;
	assert_int_equal((s64)call(KEEL_HC_POOL_DONATE, 0x12345000).x[0], -EPERM);
	assert_int_equal((s64)call(KEEL_HC_POOL_RECLAIM, 0x12345000).x[0], -EPERM);
	donate_result = 0;
}

static void vm_next_tells_the_next_handle(void **state)
{
	struct host_regs regs = call(KEEL_HC_VM_NEXT, 0x777);

	assert_int_equal(regs.x[0], 0);
	assert_int_equal(regs.x[1], 0x777 + 0x10001);
	check_unchanged(&regs, 2, "VM_NEXT");
}

/* All of it after calls that move pages from or to the host, a part of it after others. */
static void page_states_are_checked_after_calls_about_vms(void **state)
{
	static const struct {
		u32 fid;
		bool whole;
	} rows[] = {
		{ KEEL_HC_VM_CREATE, true },   { KEEL_HC_VM_DESTROY, true },
		{ KEEL_HC_VM_TOPUP, true },    { KEEL_HC_VCPU_CREATE, true },
		{ KEEL_HC_VM_MAP, false },     { KEEL_HC_VCPU_RUN, false },
		{ KEEL_HC_VCPU_STATE, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vm_call = rows[i].fid;
		assert_int_equal(call(vm_call, 0).x[0], 77);
		assert_int_equal(checks, rows[i].whole);
		assert_int_equal(partial_checks, !rows[i].whole);
	}
	vm_call = 0;
}

static void page_states_are_checked_after_each_call(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		call(known[i], 0);
		assert_int_equal(checks, 1);
	}
}

static void calls_about_vms_go_on_and_are_counted(void **state)
{
	u64 before = call(KEEL_HC_STAT, KEEL_STAT_HYPERCALLS).x[1];
	struct host_regs regs;

	vm_call = KEEL_HC_VM_SIZE;
	regs = call(vm_call, 0xabcd0001);
	vm_call = 0;
	assert_int_equal(regs.x[0], 77);
	check_unchanged(&regs, 1, "a call about VMs");
	assert_int_equal(call(KEEL_HC_STAT, KEEL_STAT_HYPERCALLS).x[1], before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_uid_is_the_one_of_the_abi),
		cmocka_unit_test(revision_and_version_agree),
		cmocka_unit_test(each_statistic_counts_its_own),
		cmocka_unit_test(errors_of_the_machine_are_counted),
		cmocka_unit_test(hypercalls_are_counted),
		cmocka_unit_test(unknown_statistics_are_refused),
		cmocka_unit_test(the_log_is_read_piece_by_piece),
		cmocka_unit_test(lost_bytes_of_the_log_are_counted),
		cmocka_unit_test(a_position_that_never_was_reads_nothing),
		cmocka_unit_test(all_other_calls_are_not_supported_and_change_nothing),
		cmocka_unit_test(the_upper_half_of_x0_is_ignored),
		cmocka_unit_test(the_sve_hint_is_ignored),
		cmocka_unit_test(page_states_are_checked_after_each_call),
		cmocka_unit_test(calls_about_vms_go_on_and_are_counted),
		cmocka_unit_test(pool_donate_hands_on_what_it_is_given),
		cmocka_unit_test(vm_next_tells_the_next_handle),
		cmocka_unit_test(page_states_are_checked_after_calls_about_vms),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++)
		percpu_table[i] = &cpus[i];
	if (log_init(ring, sizeof(ring)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
