// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* Stage 2 faults of a guest: decoding, the request to the host, and how an access ends. */
#include <trap_world.h>

#include <trap/mmio.h>

#define IPA_PAGE 0x0a003000ULL
#define OFFSET	 0x18ULL

#define SAS(n)	  FIELD_PREP(ESR_SAS, n)
#define SRT(n)	  FIELD_PREP(ESR_SRT, n)
#define MISSING	  (ESR_FSC_TRANSLATION | 3)
#define FORBIDDEN (ESR_FSC_PERMISSION | 3)
#define EE	  BIT(25)
#define E0E	  BIT(24)
#define PC	  0x40080000ULL

/* The MMU reports a fault at @ipa. */
static void fault_at(u64 ipa)
{
	fake_sysreg_set("hpfar_el2", FIELD_PREP(HPFAR_FIPA, ipa >> 12));
	fake_sysreg_set("far_el2", 0xffff000000000000ULL | (ipa & 0xfff));
}

static int resume(void)
{
	return w.hooks->resume(V);
}

static int answer(u64 what)
{
	w.run[0].answer = what;
	return resume();
}

/* A fault where there is no memory. Returns how many bytes are reported to the host. */
static unsigned int mmio(u64 iss)
{
	w.run[0].mmio.bytes = 77;
	fault_at(IPA_PAGE + OFFSET);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, iss | MISSING), KEEL_EXIT_FAULT);
	assert_int_equal(w.run[0].fault.ipa, IPA_PAGE);
	return w.run[0].mmio.bytes;
}

static void a_load_is_extended_as_the_syndrome_says(void **state)
{
	static const struct {
		u64 iss;
		bool be;
		u64 expect;
	} rows[] = {
		{ SAS(0), false, 0xf1 },
		{ SAS(1), false, 0xf2f1 },
		{ SAS(2), false, 0xf4f3f2f1 },
		{ SAS(3) | ESR_SF, false, 0xf8f7f6f5f4f3f2f1 },
		{ SAS(0) | ESR_SSE, false, 0xfffffff1 },
		{ SAS(1) | ESR_SSE, false, 0xfffff2f1 },
		{ SAS(0) | ESR_SSE | ESR_SF, false, 0xfffffffffffffff1 },
		{ SAS(1) | ESR_SSE | ESR_SF, false, 0xfffffffffffff2f1 },
		{ SAS(2) | ESR_SSE | ESR_SF, false, 0xfffffffff4f3f2f1 },
		{ SAS(0), true, 0xf1 },
		{ SAS(1), true, 0xf1f2 },
		{ SAS(2), true, 0xf1f2f3f4 },
		{ SAS(3) | ESR_SF, true, 0xf1f2f3f4f5f6f7f8 },
		{ SAS(1) | ESR_SSE | ESR_SF, true, 0xfffffffffffff1f2 },
	};
	size_t i, b;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		world_start();
		fake_sysreg_set("sctlr_el1", rows[i].be ? EE : 0);
		V->regs.x[7] = ~0ULL;
		assert_int_equal(mmio(ESR_ISV | SRT(7) | rows[i].iss),
				 1U << FIELD_GET(ESR_SAS, rows[i].iss));
		assert_int_equal(w.run[0].mmio.address, IPA_PAGE + OFFSET);
		assert_int_equal(w.run[0].mmio.write, 0);
		assert_int_equal(V->regs.pc, PC);
		for (b = 0; b < 8; b++)
			w.run[0].mmio.data[b] = (u8)(0xf1 + b);
		assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
		if (V->regs.x[7] != rows[i].expect)
			fail_msg("row %zu: %#lx, expected %#lx", i, V->regs.x[7], rows[i].expect);
		assert_int_equal(V->regs.pc, PC + 4);
		assert_int_equal(resume(), VCPU_RESUME); /* once */
		assert_int_equal(V->regs.pc, PC + 4);
	}
}

/* KVM_RUN with immediate_exit: the access is finished, and the guest does not run. */
static void an_access_is_finished_without_running_the_guest(void **state)
{
	world_start();
	assert_int_equal(mmio(ESR_ISV | SRT(7) | SAS(2)), 4);
	w.run[0].mmio.data[0] = 0x5a;
	assert_int_equal(answer(KEEL_ANSWER_STOP), KEEL_EXIT_IRQ);
	assert_int_equal(V->regs.x[7] & 0xff, 0x5a);
	assert_int_equal(V->regs.pc, PC + 4);
	assert_int_equal(resume(), VCPU_RESUME); /* once */
	assert_int_equal(V->regs.pc, PC + 4);
}

static void a_store_gives_the_host_the_bytes_on_the_bus(void **state)
{
	unsigned int size, b, be;

	for (size = 0; size < 4; size++)
		for (be = 0; be < 2; be++) {
			unsigned int bytes = 1U << size;

			world_start();
			fake_sysreg_set("sctlr_el1", be ? EE : E0E);
			V->regs.x[3] = 0x8877665544332211;
			assert_int_equal(mmio(ESR_ISV | ESR_WNR | SRT(3) | SAS(size)), bytes);
			assert_int_equal(w.run[0].mmio.write, 1);
			for (b = 0; b < 8; b++) {
				unsigned int at = be ? bytes - 1 - b : b;

				assert_int_equal(w.run[0].mmio.data[b],
						 b < bytes ? 0x11 * (at + 1) : 0);
			}
			assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
			assert_int_equal(V->regs.pc, PC + 4);
			assert_int_equal(V->regs.x[3], 0x8877665544332211);
		}
}

static void each_state_has_its_byte_order(void **state)
{
	static const struct {
		u64 pstate, sctlr;
		bool be;
	} rows[] = {
		{ PSR_MODE_EL1h, EE, true },	 { PSR_MODE_EL1h, E0E, false },
		{ PSR_MODE_EL1t, EE, true },	 { PSR_MODE_EL0t, E0E, true },
		{ PSR_MODE_EL0t, EE, false },	 { PSR_MODE32 | BIT(9), 0, true },
		{ PSR_MODE32, EE | E0E, false },
	};
	struct mmio_access a;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_true(mmio_decode(ESR_ISV | SAS(2), rows[i].pstate, rows[i].sctlr, &a));
		if (a.big_endian != rows[i].be)
			fail_msg("row %zu: big-endian is %d", i, a.big_endian);
	}
}

static void the_zero_register_is_stored_as_zero_and_never_loaded(void **state)
{
	V->regs.x[30] = 5;
	assert_int_equal(mmio(ESR_ISV | ESR_WNR | SRT(31) | SAS(2)), 4);
	assert_int_equal(w.run[0].mmio.data[0], 0);
	answer(KEEL_ANSWER_DONE);
	assert_int_equal(mmio(ESR_ISV | SRT(31) | SAS(2)), 4);
	memset(w.run[0].mmio.data, 0xff, 8);
	answer(KEEL_ANSWER_DONE);
	assert_int_equal(V->regs.pc, PC + 8);
	assert_int_equal(V->regs.x[30], 5);
}

static void the_host_gets_the_page_and_the_kind_of_access(void **state)
{
	static const struct {
		u64 ec, iss;
		u32 write, exec;
	} rows[] = {
		{ ESR_EC_DABT_LOWER, MISSING, 0, 0 },
		{ ESR_EC_DABT_LOWER, MISSING | ESR_WNR, 1, 0 },
		{ ESR_EC_DABT_LOWER, ESR_FSC_TRANSLATION_M1, 0, 0 },
		{ ESR_EC_DABT_LOWER, MISSING | ESR_WNR | ESR_S1PTW, 0, 0 },
		{ ESR_EC_DABT_LOWER, FORBIDDEN | ESR_S1PTW, 1, 0 },
		{ ESR_EC_DABT_LOWER, MISSING | ESR_WNR | ESR_CM, 0, 0 },
		{ ESR_EC_IABT_LOWER, MISSING, 0, 1 },
		{ ESR_EC_IABT_LOWER, MISSING | ESR_S1PTW, 0, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		world_start();
		fault_at(IPA_PAGE + OFFSET);
		assert_int_equal(take(V, rows[i].ec, rows[i].iss), KEEL_EXIT_FAULT);
		assert_int_equal(w.run[0].fault.ipa, IPA_PAGE);
		if (w.run[0].fault.write != rows[i].write || w.run[0].fault.exec != rows[i].exec)
			fail_msg("row %zu: write %u, exec %u", i, w.run[0].fault.write,
				 w.run[0].fault.exec);
		assert_int_equal(V->regs.pc, PC);
		assert_int_equal(answer(KEEL_ANSWER_MAPPED), VCPU_RESUME);
		assert_int_equal(V->regs.pc, PC); /* repeated */
		assert_int_equal(w.aborts, 0);
	}
}

/* HPFAR_EL2 is not valid for a permission fault: stage 1 translates; PAR_EL1 is preserved. */
static void a_permission_fault_is_translated_by_stage_1(void **state)
{
	fault_at(OFFSET);
	fake_sysreg_set("hpfar_el2", ~0ULL);
	w.par = IPA_PAGE | 0x1ULL << 60;
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, FORBIDDEN | ESR_WNR | ESR_ISV),
			 KEEL_EXIT_FAULT);
	assert_int_equal(w.run[0].fault.ipa, IPA_PAGE);
	assert_int_equal(w.run[0].fault.write, 1);
	assert_int_equal(fake_sysreg_get("par_el1"), 0x9a9);

	world_start();
	fault_at(OFFSET);
	w.par = 1; /* gone meanwhile */
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, FORBIDDEN | ESR_WNR), VCPU_RESUME);
	assert_int_equal(resume(), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC);
}

/*
 * That translation takes an exception at EL2: the guest repeats the access; PAR_EL1 is preserved.
 */
static void an_access_whose_translation_faults_is_repeated(void **state)
{
	for (int i = 0; i < 3; i++) {
		fault_at(OFFSET);
		w.par = IPA_PAGE;
		w.at_faults = true;
		assert_int_equal(take(V, ESR_EC_DABT_LOWER, FORBIDDEN | ESR_WNR | ESR_ISV),
				 VCPU_RESUME);
		assert_int_equal(w.ats, i + 1);
		assert_int_equal(V->regs.pc, PC);
		assert_int_equal(w.aborts, 0);
		assert_int_equal(fake_sysreg_get("par_el1"), 0x9a9);
	}
	w.at_faults = false;
	fault_at(OFFSET);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, FORBIDDEN | ESR_WNR | ESR_ISV),
			 KEEL_EXIT_FAULT);
}

static void a_write_to_read_only_memory_becomes_mmio(void **state)
{
	fault_at(OFFSET);
	w.par = IPA_PAGE;
	V->regs.x[2] = 0x1234;
	assert_int_equal(
		take(V, ESR_EC_DABT_LOWER, FORBIDDEN | ESR_WNR | ESR_ISV | SAS(1) | SRT(2)),
		KEEL_EXIT_FAULT);
	assert_int_equal(w.run[0].mmio.address, IPA_PAGE + OFFSET);
	assert_int_equal(w.run[0].mmio.bytes, 2);
	assert_int_equal(w.run[0].mmio.data[1], 0x12);
	assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC + 4);
}

static void a_refused_access_is_an_abort_in_the_guest(void **state)
{
	fault_at(IPA_PAGE + OFFSET);
	take(V, ESR_EC_DABT_LOWER, MISSING | ESR_WNR);
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.abort_far, 0xffff000000000000ULL | OFFSET);
	assert_int_equal(resume(), VCPU_RESUME);
	assert_int_equal(w.aborts, 1);

	assert_int_equal(mmio(ESR_ISV | SAS(2)), 4);
	V->regs.x[0] = 77;
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(w.aborts, 2);
	assert_int_equal(V->regs.x[0], 77);
	assert_int_equal(V->regs.pc, PC);
}

static void an_access_that_cannot_be_emulated_is_an_abort(void **state)
{
	assert_int_equal(mmio(ESR_WNR), 0);
	assert_int_equal(answer(KEEL_ANSWER_NONE), VCPU_RESUME);
	assert_int_equal(w.aborts, 1);
	assert_int_equal(w.abort_far, 0xffff000000000000ULL | OFFSET);
	assert_true(w.abort_esr & ESR_WNR);
	assert_int_equal(V->regs.pc, PC);

	assert_int_equal(mmio(ESR_CM | ESR_WNR | ESR_ISV), 0); /* cache maintenance: done */
	assert_int_equal(answer(KEEL_ANSWER_NONE), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC + 4);
	assert_int_equal(mmio(ESR_S1PTW | ESR_ISV), 0);
	assert_int_equal(answer(KEEL_ANSWER_NONE), VCPU_RESUME);
	assert_int_equal(w.aborts, 2);
	fault_at(IPA_PAGE);
	assert_int_equal(take(V, ESR_EC_IABT_LOWER, MISSING | ESR_ISV), KEEL_EXIT_FAULT);
	assert_int_equal(w.run[0].mmio.bytes, 0);
	assert_int_equal(answer(KEEL_ANSWER_NONE), VCPU_RESUME);
	assert_int_equal(w.aborts, 3);
}

/* Userspace stops the vCPU while an access waits: the answer is used, and the vCPU stays off. */
static void the_answer_comes_while_the_vcpu_is_off(void **state)
{
	static const u64 what[] = { KEEL_ANSWER_DONE, KEEL_ANSWER_STOP };

	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		world_start();
		assert_int_equal(mmio(ESR_ISV | SRT(7) | SAS(2)), 4);
		w.run[0].mmio.data[0] = 0x5a;
		V->power = VCPU_STOPPED;
		assert_int_equal(answer(what[i]), i ? KEEL_EXIT_IRQ : KEEL_EXIT_OFF);
		assert_int_equal(V->regs.x[7] & 0xff, 0x5a);
		assert_int_equal(V->regs.pc, PC + 4);
		assert_int_equal(answer(KEEL_ANSWER_MAPPED), KEEL_EXIT_OFF);
		V->power = VCPU_RUNNABLE;
		assert_int_equal(answer(KEEL_ANSWER_MAPPED), VCPU_RESUME);
		assert_int_equal(V->regs.pc, PC + 4);
	}
}

/* DONE for an access that was not described to the host; and an unknown answer. */
static void an_answer_without_sense_repeats_the_access(void **state)
{
	V->regs.x[0] = 77;
	assert_int_equal(mmio(0), 0);
	assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
	assert_int_equal(mmio(0), 0);
	assert_int_equal(answer(KEEL_ANSWER_STOP), KEEL_EXIT_IRQ);
	assert_int_equal(mmio(ESR_ISV | SAS(2)), 4);
	assert_int_equal(answer(~0ULL), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC);
	assert_int_equal(V->regs.x[0], 77);
	assert_int_equal(w.aborts, 0);
	/* without a fault there is nothing to answer */
	assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
	assert_int_equal(answer(KEEL_ANSWER_ABORT), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC);
	assert_int_equal(w.aborts, 0);
}

static void registers_of_the_vgic_are_emulated_without_the_host(void **state)
{
	w.vgic_data = 0x80;
	fault_at(VGIC_BASE + 8);
	assert_int_equal(
		take(V, ESR_EC_DABT_LOWER, MISSING | ESR_ISV | SAS(0) | ESR_SSE | ESR_SF | SRT(4)),
		VCPU_RESUME);
	assert_int_equal(V->regs.x[4], 0xffffffffffffff80);
	assert_int_equal(w.vgic_ipa, VGIC_BASE + 8);
	assert_int_equal(w.vgic_bytes, 1);
	assert_int_equal(V->regs.pc, PC + 4);
	V->regs.x[4] = 0xaabbccdd;
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, MISSING | ESR_WNR | ESR_ISV | SAS(2) | SRT(4)),
			 VCPU_RESUME);
	assert_int_equal(w.vgic_written, 0xaabbccdd);
	assert_int_equal(V->regs.pc, PC + 8);
	/* to be made again: nothing has changed */
	w.mmio_answer = TRAP_MMIO_AGAIN;
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, MISSING | ESR_ISV | SAS(2) | SRT(4)),
			 VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC + 8);
	assert_int_equal(V->regs.x[4], 0xaabbccdd);
	w.mmio_answer = TRAP_MMIO_DONE;
	/* without syndrome, or without a vGIC, it is the host's */
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, MISSING), KEEL_EXIT_FAULT);
	w.vm.vgic = NULL;
	w.vm.vgic_span = 0;
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, MISSING | ESR_ISV), KEEL_EXIT_FAULT);
	assert_int_equal(w.vgic_accesses, 3);
}

/* Plain ones have a short way: it may not differ from the other. */
static void every_form_of_an_access_to_the_vgic_has_its_result(void **state)
{
	static const struct {
		u64 iss, pstate, sctlr, expect;
	} rows[] = {
		{ SAS(2), PSR_MODE_EL1h | PSR_BTYPE, 0, 0xf4f3f2f1 },
		{ SAS(0), PSR_MODE_EL1h, 0, 0xf1 },
		{ SAS(3) | ESR_SF, PSR_MODE_EL0t, 0, 0xf8f7f6f5f4f3f2f1 },
		{ SAS(2) | ESR_SF | ESR_SSE, PSR_MODE_EL1h, 0, 0xfffffffff4f3f2f1 },
		{ SAS(2), PSR_MODE_EL1h, EE, 0xf1f2f3f4 },
		{ SAS(2), PSR_MODE_EL0t, E0E, 0xf1f2f3f4 },
		{ SAS(2), PSR_MODE_EL0t, EE, 0xf4f3f2f1 },
		{ SAS(2), PSR_MODE32 | BIT(9), 0, 0xf1f2f3f4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		world_start();
		w.vgic_data =
			mmio_low_bytes(0xf8f7f6f5f4f3f2f1, 1U << FIELD_GET(ESR_SAS, rows[i].iss));
		fault_at(VGIC_BASE + 8);
		fake_sysreg_set("sctlr_el1", rows[i].sctlr);
		V->regs.pstate = rows[i].pstate;
		V->regs.x[7] = ~0ULL;
		take(V, ESR_EC_DABT_LOWER, MISSING | ESR_ISV | SRT(7) | rows[i].iss);
		if (V->regs.x[7] != rows[i].expect)
			fail_msg("row %zu: %#lx, expected %#lx", i, V->regs.x[7], rows[i].expect);
		/* take() says that the instruction has 32 bits */
		assert_int_equal(V->regs.pc, PC + 4);
		assert_int_equal(V->regs.pstate, rows[i].pstate & ~PSR_BTYPE);
	}
}

static void what_is_near_the_vgic_and_not_its_own_is_the_host_s(void **state)
{
	static const u64 forms[] = { SAS(2) | SRT(7), SAS(2) | SRT(7) | ESR_SSE, SAS(2) | SRT(31) };

	w.mmio_answer = TRAP_MMIO_NOT_MINE;
	fault_at(VGIC_BASE + 8);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		V->regs.x[7] = 0x1234;
		assert_int_equal(take(V, ESR_EC_DABT_LOWER, MISSING | ESR_ISV | forms[i]),
				 KEEL_EXIT_FAULT);
		assert_int_equal(w.run[0].mmio.bytes, 4);
		assert_int_equal(w.run[0].mmio.address, VGIC_BASE + 8);
		assert_int_equal(w.vgic_accesses, i + 1);
		assert_int_equal(V->regs.x[7], 0x1234);
		assert_int_equal(V->regs.pc, PC);
	}
	/* and what is not near it does not ask it */
	fault_at(VGIC_BASE + VGIC_DIST_SIZE);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, MISSING | ESR_ISV | forms[0]), KEEL_EXIT_FAULT);
	assert_int_equal(w.vgic_accesses, ARRAY_SIZE(forms));
}

static void an_access_beyond_the_ipa_size_is_an_abort(void **state)
{
	fault_at(BIT(40));
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, ESR_FSC_TRANSLATION), VCPU_RESUME);
	assert_int_equal(w.aborts, 1);
	fault_at(BIT(40) - SZ_4K);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, ESR_FSC_TRANSLATION), KEEL_EXIT_FAULT);
}

static void an_old_page_is_young_again_without_the_host(void **state)
{
	fault_at(IPA_PAGE + OFFSET);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, ESR_FSC_ACCESS_FLAG | 3 | ESR_WNR),
			 VCPU_RESUME);
	assert_int_equal(w.young_ipa, IPA_PAGE);
	assert_int_equal(V->regs.pc, PC); /* repeated */
	assert_int_equal(w.aborts, 0);
	fault_at(IPA_PAGE + SZ_4K);
	assert_int_equal(take(V, ESR_EC_IABT_LOWER, ESR_FSC_ACCESS_FLAG), VCPU_RESUME);
	assert_int_equal(w.young_ipa, IPA_PAGE + SZ_4K);
}

static void a_tlb_conflict_is_invalidated_and_other_faults_are_not_handled(void **state)
{
	fault_at(IPA_PAGE);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, ESR_FSC_TLB_CONFLICT), VCPU_RESUME);
	assert_int_equal(w.invalidations, 1);
	assert_int_equal(take(V, ESR_EC_DABT_LOWER, ESR_FSC_LOCKDOWN), VCPU_NOT_MINE);
	assert_int_equal(V->regs.pc, PC);
}

static void a_reset_drops_an_access_that_waits(void **state)
{
	assert_int_equal(mmio(ESR_ISV | SAS(2)), 4);
	w.hooks->reset(V);
	assert_int_equal(answer(KEEL_ANSWER_DONE), VCPU_RESUME);
	assert_int_equal(V->regs.pc, PC);
}

/* Any syndrome from any state has a result, and pc advances by one instruction at most. */
static void any_syndrome_advances_the_guest_by_at_most_one_instruction(void **state)
{
	unsigned int i;

	srand(1);
	for (i = 0; i < 200000; i++) {
		u64 iss = (u64)rand() & ESR_ISS;
		u64 ec = rand() & 1 ? ESR_EC_DABT_LOWER : ESR_EC_IABT_LOWER, pc = V->regs.pc;
		int ret;

		fault_at(((u64)rand() << 16 ^ (u64)rand()) & GENMASK(51, 0));
		w.par = (u64)rand();
		fake_sysreg_set("sctlr_el1", rand() & 1 ? EE : 0);
		ret = take(V, ec, iss);
		if (ret == KEEL_EXIT_FAULT)
			assert_true(IS_ALIGNED(w.run[0].fault.ipa, SZ_4K));
		if (ret == KEEL_EXIT_FAULT || ret == KEEL_EXIT_ABORT)
			ret = answer((u64)rand() % 6);
		assert_true(ret == VCPU_RESUME || ret == VCPU_NOT_MINE || ret == KEEL_EXIT_FAIL ||
			    ret == KEEL_EXIT_IRQ);
		assert_in_range(V->regs.pc - pc, 0, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_load_is_extended_as_the_syndrome_says, world_setup),
		cmocka_unit_test_setup(a_store_gives_the_host_the_bytes_on_the_bus, world_setup),
		cmocka_unit_test_setup(each_state_has_its_byte_order, world_setup),
		cmocka_unit_test_setup(the_zero_register_is_stored_as_zero_and_never_loaded,
				       world_setup),
		cmocka_unit_test_setup(the_host_gets_the_page_and_the_kind_of_access, world_setup),
		cmocka_unit_test_setup(an_old_page_is_young_again_without_the_host, world_setup),
		cmocka_unit_test_setup(a_permission_fault_is_translated_by_stage_1, world_setup),
		cmocka_unit_test_setup(an_access_whose_translation_faults_is_repeated, world_setup),
		cmocka_unit_test_setup(a_write_to_read_only_memory_becomes_mmio, world_setup),
		cmocka_unit_test_setup(an_access_is_finished_without_running_the_guest,
				       world_setup),
		cmocka_unit_test_setup(a_refused_access_is_an_abort_in_the_guest, world_setup),
		cmocka_unit_test_setup(an_access_that_cannot_be_emulated_is_an_abort, world_setup),
		cmocka_unit_test_setup(the_answer_comes_while_the_vcpu_is_off, world_setup),
		cmocka_unit_test_setup(an_answer_without_sense_repeats_the_access, world_setup),
		cmocka_unit_test_setup(registers_of_the_vgic_are_emulated_without_the_host,
				       world_setup),
		cmocka_unit_test_setup(every_form_of_an_access_to_the_vgic_has_its_result,
				       world_setup),
		cmocka_unit_test_setup(what_is_near_the_vgic_and_not_its_own_is_the_host_s,
				       world_setup),
		cmocka_unit_test_setup(an_access_beyond_the_ipa_size_is_an_abort, world_setup),
		cmocka_unit_test_setup(
			a_tlb_conflict_is_invalidated_and_other_faults_are_not_handled,
			world_setup),
		cmocka_unit_test_setup(a_reset_drops_an_access_that_waits, world_setup),
		cmocka_unit_test_setup(any_syndrome_advances_the_guest_by_at_most_one_instruction,
				       world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
