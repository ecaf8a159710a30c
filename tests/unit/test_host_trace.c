// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/vm/host_trace.c hyp/cpu/features.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c */
/*
 * The host's trace and branch records: in what order they are stopped and started, what is touched
 * on which CPU, and that Keel touches nothing that firmware may trap before the host does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <arch/tlb_s2.h>
#include <cpu/percpu.h>
#include <lib/esr.h>
#include <vm/switch.h>

#define TRBLIMITR "s3_0_c9_c11_0"
#define TRBIDR	  "s3_0_c9_c11_7"
#define TRFCR1	  "s3_0_c1_c2_1"
#define TRFCR12	  "s3_5_c1_c2_1"
#define TRFCR2	  "s3_4_c1_c2_1"
#define BRBCR1	  "s2_1_c9_c0_0"
#define BRBCR2	  "s2_4_c9_c0_0"
#define HDFGRTR	  "s3_4_c3_c1_4"
#define HDFGWTR	  "s3_4_c3_c1_5"
#define HFGITR	  "s3_4_c1_c1_6"

static struct percpu percpu;
static struct vm_cpu vm_cpu;

void fake_dsb(const char *opt)
{
	char text[16];

	snprintf(text, sizeof(text), "dsb %s", opt);
	fake_trace_note(text);
}

static void set_field(struct cpu_id_regs *id, enum id_field field, u64 value)
{
	id->reg[id_field_desc(field)->reg] |= value << id_field_desc(field)->shift;
}

/* ESR_EL2 of an MRS or MSR of S<op0>_<op1>_C<crn>_C<crm>_<op2>, or SYS instruction. */
static u64 access(unsigned int op0, unsigned int op1, unsigned int crn, unsigned int crm,
		  unsigned int op2)
{
	return FIELD_PREP(ESR_SYS64_OP0, op0) | FIELD_PREP(ESR_SYS64_OP1, op1) |
	       FIELD_PREP(ESR_SYS64_CRN, crn) | FIELD_PREP(ESR_SYS64_CRM, crm) |
	       FIELD_PREP(ESR_SYS64_OP2, op2);
}

#define ACCESS_TRFCR access(3, 0, 1, 2, 1)
#define ACCESS_BRBCR access(2, 1, 9, 0, 0)

/* A CPU with all of it, or with none; @withheld: firmware has the buffer. */
static void make(bool all, bool withheld, bool e2h)
{
	struct cpu_id_regs id = { 0 };

	fake_cpu = &percpu;
	percpu = (struct percpu){ .vm_cpu = &vm_cpu };
	vm_cpu = (struct vm_cpu){ .mdcr = MDCR_TTRF };
	fake_sysreg_reset();
	fake_sysreg_set("hcr_el2", e2h ? HCR_E2H : 0);
	fake_sysreg_set("mdcr_el2", MDCR_TTRF);
	fake_sysreg_set("vttbr_el2", 1);
	fake_sysreg_set("elr_el2", 0x1000);
	fake_sysreg_set("spsr_el2", 0x3c5);
	if (all) {
		set_field(&id, ID_DFR0_TraceFilt, 1);
		set_field(&id, ID_DFR0_TraceBuffer, 1);
		set_field(&id, ID_DFR0_BRBE, 1);
		set_field(&id, ID_MMFR0_FGT, 1);
		fake_sysreg_set(TRBIDR, withheld ? BIT(4) : 0);
		fake_sysreg_set(HDFGRTR, 0);
		fake_sysreg_set(HDFGWTR, 0);
		fake_sysreg_set(HFGITR, 0);
	}
	if (all && !withheld)
		fake_sysreg_set(TRBLIMITR, 0);
	host_trace_online(&vm_cpu.trace, &id);
}

/* Firmware lets the host have them. */
static void host_begins(bool e2h)
{
	fake_sysreg_allow(TRFCR2);
	fake_sysreg_allow(BRBCR2);
	fake_sysreg_set(e2h ? TRFCR12 : TRFCR1, 0x43);
	fake_sysreg_set(e2h ? "s2_5_c9_c0_0" : BRBCR1, 0x3);
	assert_true(switch_host_trace(ACCESS_TRFCR));
	assert_true(switch_host_trace(ACCESS_BRBCR));
}

static void without_it_nothing_is_touched(void **state)
{
	make(false, false, false);
	assert_false(vm_cpu.trace.used || percpu.trace_buffer);
	assert_false(switch_host_trace(ACCESS_TRFCR));
	assert_false(switch_host_trace(ACCESS_BRBCR));
}

static void what_firmware_withholds_is_not_touched(void **state)
{
	make(true, true, false);
	assert_false(vm_cpu.trace.used || percpu.trace_buffer);
	host_trace_leave(&vm_cpu.trace);
	host_trace_return(&vm_cpu.trace);
}

/* Before the host uses them the filter and the recorder are not touched; the buffer may be on. */
static void before_the_host_begins_only_the_buffer_is_switched(void **state)
{
	make(true, false, false);
	assert_true(vm_cpu.trace.used);
	fake_sysreg_set(TRBLIMITR, 0x40001001);
	fake_trace_start(false);
	host_trace_leave(&vm_cpu.trace);
	assert_string_equal(fake_trace(), "tsb csync tsb csync dsb nsh " TRBLIMITR "=0 isb");
	fake_trace_start(false);
	host_trace_return(&vm_cpu.trace);
	assert_string_equal(fake_trace(), "isb " TRBLIMITR "=40001001");
}

static void it_begins_once(void **state)
{
	make(true, false, false);
	host_begins(false);
	assert_int_equal(fake_sysreg_get(TRFCR2), 0);
	assert_int_equal(fake_sysreg_get(BRBCR2), 0);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), 0);
	assert_int_equal(fake_sysreg_get(HDFGRTR), 7ULL << 59);
	assert_int_equal(fake_sysreg_get(HDFGWTR), 3ULL << 60);
	assert_int_equal(fake_sysreg_get(HFGITR), 3ULL << 55);
	/* ... and that is what comes back after a guest */
	assert_int_equal(vm_cpu.mdcr, 0);
	assert_int_equal(vm_cpu.hdfgrtr, 7ULL << 59);
	assert_int_equal(vm_cpu.hdfgwtr, 3ULL << 60);
	assert_int_equal(vm_cpu.hfgitr, 3ULL << 55);
	assert_false(switch_host_trace(ACCESS_TRFCR));
	assert_false(switch_host_trace(ACCESS_BRBCR));
}

/* EL3 keeps them: UNDEFINED to the host, where it was, and nothing is switched from then on. */
static void what_el3_withholds_does_not_begin(void **state)
{
	make(true, false, false);
	fake_sysreg_withhold(TRFCR2);
	fake_sysreg_withhold(BRBCR2);
	for (unsigned int i = 0; i < 2; i++) {
		assert_false(switch_host_trace(ACCESS_TRFCR));
		assert_false(switch_host_trace(ACCESS_BRBCR));
	}
	assert_false(vm_cpu.trace.filter || vm_cpu.trace.branches);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), MDCR_TTRF);
	assert_int_equal(fake_sysreg_get(HDFGRTR), 0);
	assert_int_equal(fake_sysreg_get("elr_el2"), 0x1000);
	assert_int_equal(fake_sysreg_get("spsr_el2"), 0x3c5);
	assert_int_equal(fake_sysreg_writes("elr_el2"), 4);
}

/* Each way to begin with branch records, and what is beside them. */
static void accesses_to_branch_record_registers_begin_it(void **state)
{
	const u64 yes[] = { access(2, 1, 8, 0, 0), access(2, 1, 8, 15, 7), access(2, 1, 9, 2, 0),
			    access(1, 1, 7, 2, 4), access(1, 1, 7, 2, 5) };
	const u64 no[] = { access(3, 0, 1, 2, 0), access(3, 0, 1, 3, 1), access(2, 0, 9, 0, 0),
			   access(2, 1, 7, 0, 0), access(1, 1, 7, 3, 4), access(3, 1, 9, 0, 0) };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		make(true, false, false);
		fake_sysreg_allow(BRBCR2);
		assert_true(switch_host_trace(yes[i]));
		assert_true(vm_cpu.trace.branches && !vm_cpu.trace.filter);
	}
	make(true, false, false);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(switch_host_trace(no[i]));
}

static void whole(bool e2h, const char *leave, const char *back)
{
	make(true, false, e2h);
	host_begins(e2h);
	fake_sysreg_set(TRBLIMITR, 0x40001001);
	fake_trace_start(false);
	host_trace_leave(&vm_cpu.trace);
	assert_string_equal(fake_trace(), leave);
	fake_trace_start(false);
	host_trace_return(&vm_cpu.trace);
	assert_string_equal(fake_trace(), back);
}

/* Nothing is traced any more, then it is written, then it is off; and back. */
static void trace_and_records_are_off_while_a_guest_runs(void **state)
{
	whole(false, BRBCR1 "=0 " TRFCR1 "=0 isb tsb csync tsb csync dsb nsh " TRBLIMITR "=0 isb",
	      "isb " TRBLIMITR "=40001001 " TRFCR1 "=43 " BRBCR1 "=3");
	whole(true,
	      "s2_5_c9_c0_0=0 " TRFCR12 "=0 isb tsb csync tsb csync dsb nsh " TRBLIMITR "=0 isb",
	      "isb " TRBLIMITR "=40001001 " TRFCR12 "=43 s2_5_c9_c0_0=3");
}

/* A buffer that is off, or was when the guest came, is left alone. */
static void an_idle_buffer_is_not_touched(void **state)
{
	make(true, false, false);
	fake_trace_start(false);
	host_trace_leave(&vm_cpu.trace);
	host_trace_return(&vm_cpu.trace);
	assert_string_equal(fake_trace(), "");
}

/* Borrowing VTTBR_EL2: the buffer is off for as long, external mode too. */
static void the_buffer_is_off_under_another_vmid(void **state)
{
	struct tlb_s2_saved saved;

	make(true, false, false);
	fake_sysreg_set(TRBLIMITR, 0x40001040);
	fake_sysreg_set("vtcr_el2", 5);
	fake_trace_start(false);
	saved = tlb_s2_enter(2, 7, false, true);
	assert_string_equal(fake_trace(), "psb csync dsb nsh tsb csync tsb csync dsb nsh " TRBLIMITR
					  "=0 isb vtcr_el2=7 vttbr_el2=2 isb");
	fake_trace_start(false);
	tlb_s2_exit(&saved);
	assert_string_equal(fake_trace(), "vtcr_el2=5 vttbr_el2=1 isb isb " TRBLIMITR "=40001040");
	/* the same VMID, and a buffer that is off */
	fake_trace_start(false);
	saved = tlb_s2_enter(1, 5, true, true);
	tlb_s2_exit(&saved);
	assert_string_equal(fake_trace(), "");
	fake_sysreg_set(TRBLIMITR, 0);
	fake_trace_start(false);
	saved = tlb_s2_enter(2, 5, false, true);
	tlb_s2_exit(&saved);
	assert_string_equal(fake_trace(), "psb csync dsb nsh vtcr_el2=5 vttbr_el2=2 isb vtcr_el2=5 "
					  "vttbr_el2=1 isb");
}

/* Where AT may be executed ahead: EL1's tables are walked to drain the units, and then no more. */
static void the_buffer_is_off_under_another_vmid_without_walks(void **state)
{
	struct tlb_s2_saved saved;

	make(true, false, false);
	fake_sysreg_set(TRBLIMITR, 1);
	fake_sysreg_set("vtcr_el2", 5);
	fake_sysreg_set("hcr_el2", 0);
	fake_sysreg_set("tcr_el1", 0x10);
	fake_sysreg_set("sctlr_el1", 0x30);
	fake_trace_start(false);
	saved = tlb_s2_enter(1, 7, true, true);
	assert_string_equal(fake_trace(), "psb csync dsb nsh tsb csync tsb csync dsb nsh " TRBLIMITR
					  "=0 isb tcr_el1=800090 isb sctlr_el1=31 isb vtcr_el2=7 "
					  "vttbr_el2=1 isb");
	fake_trace_start(false);
	tlb_s2_exit(&saved);
	assert_string_equal(fake_trace(), "vtcr_el2=5 vttbr_el2=1 isb isb sctlr_el1=30 isb "
					  "tcr_el1=10 isb " TRBLIMITR "=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_el3_withholds_does_not_begin),
		cmocka_unit_test(without_it_nothing_is_touched),
		cmocka_unit_test(what_firmware_withholds_is_not_touched),
		cmocka_unit_test(before_the_host_begins_only_the_buffer_is_switched),
		cmocka_unit_test(it_begins_once),
		cmocka_unit_test(accesses_to_branch_record_registers_begin_it),
		cmocka_unit_test(trace_and_records_are_off_while_a_guest_runs),
		cmocka_unit_test(an_idle_buffer_is_not_touched),
		cmocka_unit_test(the_buffer_is_off_under_another_vmid),
		cmocka_unit_test(the_buffer_is_off_under_another_vmid_without_walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
