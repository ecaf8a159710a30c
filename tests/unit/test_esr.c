// SPDX-License-Identifier: BSD-2-Clause
/* Syndromes in words: each kind of decoding once, and every possible value without harm. */
/* SOURCES: hyp/lib/esr.c hyp/lib/printf.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib/esr.h>

static void check(u64 esr, const char *want)
{
	char got[ESR_DESCRIBE_MAX];
	int n = esr_describe(got, sizeof(got), esr);

	if (strcmp(got, want))
		fail_msg("0x%lx: \"%s\", expected \"%s\"", esr, got, want);
	assert_int_equal(n, strlen(want));
}

/* Values as real and emulated CPUs report them. */
static void syndromes_are_described_in_words(void **state)
{
	check(0x02000000, "unknown reason (undefined instruction)");
	check(0x96000004, "Data Abort from the current EL: translation fault, level 0, read");
	check(0x9600004f, "Data Abort from the current EL: permission fault, level 3, write");
	check(0x93800007, "Data Abort from a lower EL: translation fault, level 3, "
			  "read of 4 bytes, w0");
	check(0x93c18046, "Data Abort from a lower EL: translation fault, level 2, "
			  "write of 8 bytes, x1");
	check(0x933fc007, "Data Abort from a lower EL: translation fault, level 3, "
			  "read of 1 sign-extended bytes, xzr, acquire/release");
	check(0x96000410, "Data Abort from the current EL: external abort, read, FAR not valid");
	check(0x92000084, "Data Abort from a lower EL: translation fault, level 0, read, "
			  "on a stage 1 table walk");
	check(0x92000147, "Data Abort from a lower EL: translation fault, level 3, write, "
			  "cache maintenance or AT instruction");
	check(0x96002007, "Data Abort from the current EL: translation fault, level 3, read, "
			  "through VNCR_EL2");
	check(0x96000061, "Data Abort from the current EL: alignment fault, write");
	check(0x96000030, "Data Abort from the current EL: TLB conflict, read");
	check(0x9600003f, "Data Abort from the current EL: reserved fault status 0x3f, read");
	check(0x86000005, "Instruction Abort from the current EL: translation fault, level 1");
	check(0x8200028d, "Instruction Abort from a lower EL: permission fault, level 1, "
			  "on a stage 1 table walk, EA");
	check(0x82002106, "Instruction Abort from a lower EL: translation fault, level 2");
	check(0x5a000012, "HVC #0x12");
	check(0x5e000000, "SMC #0x0");
	check(0x56000001, "SVC #0x1");
	check(0xf2000800, "BRK #0x800");
	check(0x6232f801, "trapped MSR, MRS or System instruction: MRS S3_3_C14_C0_1 to x0");
	check(0x1de00000, "trapped SVE, SIMD or floating-point access, "
			  "ISS 0x1e00000, 16-bit instruction");
	check(0x06000001, "trapped WFI or WFE: WFE");
	check(0x06000002, "trapped WFI or WFE: WFIT");
	check(0x6a000000, "trapped ERET: ERET");
	check(0x6a000002, "trapped ERET: ERETAA");
	check(0x6a000003, "trapped ERET: ERETAB");
	check(0xbe000000, "SError: uncategorized");
	check(0xbe000411, "SError: unrecoverable");
	check(0xbe001011, "SError: uncategorized");
	check(0xbf000123, "SError: IMPLEMENTATION DEFINED 0x123");
	check(0x8a000000, "PC alignment fault");
	check(0x0a000000, "reserved exception class 0x02");
	check(0xfe000009, "reserved exception class 0x3f, ISS 0x9");
}

static void sysreg_fields_are_each_in_place(void **state)
{
	u64 sys = FIELD_PREP(ESR_EC, ESR_EC_SYS64) | ESR_IL;

	check(sys | FIELD_PREP(ESR_SYS64_OP0, 3) | FIELD_PREP(ESR_SYS64_OP1, 7),
	      "trapped MSR, MRS or System instruction: MSR S3_7_C0_C0_0 from x0");
	check(sys | FIELD_PREP(ESR_SYS64_CRN, 15) | FIELD_PREP(ESR_SYS64_CRM, 14),
	      "trapped MSR, MRS or System instruction: MSR S0_0_C15_C14_0 from x0");
	check(sys | FIELD_PREP(ESR_SYS64_OP2, 5) | FIELD_PREP(ESR_SYS64_RT, 31) | ESR_SYS64_READ,
	      "trapped MSR, MRS or System instruction: MRS S0_0_C0_C0_5 to xzr");
}

/* ARM DDI 0487, D24.2.37: every DFSC that has a level, by the manual's binary notation. */
static void fault_status_has_its_level(void **state)
{
	static const struct {
		unsigned int fsc;
		int level;
		const char *name;
	} rows[] = {
		{ 0b000000, 0, "address size fault" },
		{ 0b000011, 3, "address size fault" },
		{ 0b000100, 0, "translation fault" },
		{ 0b000111, 3, "translation fault" },
		{ 0b001000, 0, "access flag fault" },
		{ 0b001011, 3, "access flag fault" },
		{ 0b001100, 0, "permission fault" },
		{ 0b001111, 3, "permission fault" },
		{ 0b010010, -2, "external abort on a table walk" },
		{ 0b010011, -1, "external abort on a table walk" },
		{ 0b010100, 0, "external abort on a table walk" },
		{ 0b010111, 3, "external abort on a table walk" },
		{ 0b011011, -1, "parity or ECC error on a table walk" },
		{ 0b011100, 0, "parity or ECC error on a table walk" },
		{ 0b011111, 3, "parity or ECC error on a table walk" },
		{ 0b100010, -2, "Granule Protection Fault on a table walk" },
		{ 0b100011, -1, "Granule Protection Fault on a table walk" },
		{ 0b100100, 0, "Granule Protection Fault on a table walk" },
		{ 0b100111, 3, "Granule Protection Fault on a table walk" },
		{ 0b101001, -1, "address size fault" },
		{ 0b101010, -2, "translation fault" },
		{ 0b101011, -1, "translation fault" },
		{ 0b101100, -2, "address size fault" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int level = 99;

		if (!esr_fsc_level(rows[i].fsc, &level) || level != rows[i].level)
			fail_msg("status 0x%02x: level %d, expected %d", rows[i].fsc, level,
				 rows[i].level);
		assert_string_equal(esr_fsc_name(rows[i].fsc), rows[i].name);
	}
}

static void other_fault_status_has_no_level(void **state)
{
	static const unsigned int codes[] = { 0b010000, 0b010001, 0b011000, 0b100001, 0b101000,
					      0b110000, 0b110001, 0b110100, 0b110101, 0b111111 };

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		int level = 99;

		if (esr_fsc_level(codes[i], &level) || level != 99)
			fail_msg("status 0x%02x has level %d, expected none", codes[i], level);
	}
}

static void names_out_of_range_are_reserved(void **state)
{
	assert_string_equal(esr_ec_name(64), "reserved exception class");
	assert_string_equal(esr_ec_name(0x3f), "reserved exception class");
	assert_string_equal(esr_fsc_name(64), "reserved fault status");
	assert_string_equal(esr_fsc_name(0b101101), "reserved fault status");
}

/* Longest of all: every class and status, with all other bits clear, set, and in turn. */
static void description_always_fits(void **state)
{
	char buf[ESR_DESCRIBE_MAX];

	for (u64 ec = 0; ec < ESR_EC_COUNT; ec++) {
		for (u64 iss = 0; iss < BIT(25); iss += iss < 64 ? 1 : 0x1003f) {
			int n = esr_describe(buf, sizeof(buf), FIELD_PREP(ESR_EC, ec) | iss);

			if (n >= ESR_DESCRIBE_MAX)
				fail_msg("EC 0x%lx, ISS 0x%lx takes %d bytes", ec, iss, n);
		}
	}
	for (u64 fsc = 0; fsc < 64; fsc++) {
		u64 all = FIELD_PREP(ESR_EC, ESR_EC_DABT_CUR) | (ESR_ISS & ~ESR_FSC) | fsc;
		int n = esr_describe(buf, sizeof(buf), all);

		if (n >= ESR_DESCRIBE_MAX)
			fail_msg("0x%lx takes %d bytes, %d are there", all, n, ESR_DESCRIBE_MAX);
	}
}

static void a_small_buffer_cuts_the_text_off(void **state)
{
	char *buf = malloc(8);
	char whole[ESR_DESCRIBE_MAX];
	int n = esr_describe(whole, sizeof(whole), 0x96000004);

	assert_int_equal(esr_describe(buf, 8, 0x96000004), n);
	assert_string_equal(buf, "Data Ab");
	assert_int_equal(esr_describe(NULL, 0, 0x96000004), n);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syndromes_are_described_in_words),
		cmocka_unit_test(sysreg_fields_are_each_in_place),
		cmocka_unit_test(fault_status_has_its_level),
		cmocka_unit_test(other_fault_status_has_no_level),
		cmocka_unit_test(names_out_of_range_are_reserved),
		cmocka_unit_test(description_always_fits),
		cmocka_unit_test(a_small_buffer_cuts_the_text_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
