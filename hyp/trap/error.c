// SPDX-License-Identifier: BSD-2-Clause
/* External aborts of guests' accesses: error.h; docs/faults.md. */
#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <cpu/assert.h>
#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <trap/error.h>
#include <trap/trap.h>
#include <vm/run_page.h>
#include <vm/serror.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* ISV, and the fields that describe the access: dropped, since EL2 does not emulate it. */
#define ESR_ISV_ISS GENMASK(24, 14)

/* ---- what the abort is of ---- */

static bool is_walk(u64 esr)
{
	return esr_fsc(esr) != ESR_FSC_EXTABT;
}

bool error_needs_stage1(u64 esr)
{
	return is_walk(esr) ? !(esr & ESR_S1PTW) : !(esr & ESR_FNV);
}

enum error_at error_at(u64 esr, const struct error_now *now)
{
	bool known = error_needs_stage1(esr) && now->translates;

	if (!is_walk(esr))
		return known ? ERROR_AT_ACCESS : ERROR_AT_UNKNOWN;
	if (now->tables_answer)
		return ERROR_AT_GONE;
	return known || (esr & ESR_S1PTW) ? ERROR_AT_STAGE2_TABLES : ERROR_AT_GUEST_TABLES;
}

/* ---- what EL2 finds out ---- */

struct error {
	enum error_at at;
	u64 esr, far, ipa, pa;
	unsigned int flags; /* KEEL_ABORT_* */
};

/* Find out whether the memory itself fails: a guest's abort alone is no proof of that. */
static void test_memory(struct vcpu *vcpu, struct error *error)
{
	struct pa pa;

	if (vm_memory_answers(vcpu, IPA(error->ipa), &pa))
		return;
	error->pa = pa.v;
	error->flags |= KEEL_ABORT_MEMORY;
}

static struct error examine_error(struct vcpu *vcpu, u64 esr)
{
	struct error error = { .esr = esr & ~ESR_ISV_ISS, .far = read_sysreg(far_el2) };
	struct error_now now = { .tables_answer = is_walk(esr) && abort_tables_answer(error.far) };

	if (!now.tables_answer && error_needs_stage1(esr))
		now.translates = abort_translate(error.far, &error.ipa);
	error.at = error_at(esr, &now);
	if (!is_walk(esr) && (esr & ESR_FNV))
		error.far = 0;
	else
		error.flags |= KEEL_ABORT_FAR;
	/* behind a shadow (hyp/nested/) stage 1 gives no address of the VM */
	if (error.at != ERROR_AT_ACCESS || (vcpu->s2 != &vcpu->vm->s2 && !vcpu->s2->identity)) {
		error.ipa = 0;
		return error;
	}
	error.flags |= KEEL_ABORT_IPA;
	test_memory(vcpu, &error);
	return error;
}

/* ---- reports ---- */

static void log_error(const struct vcpu *vcpu, const struct error *error)
{
	static const char *const where[ERROR_AT_COUNT] = {
		[ERROR_AT_ACCESS] = "its access",
		[ERROR_AT_UNKNOWN] = "an unknown address",
		[ERROR_AT_GUEST_TABLES] = "its translation tables",
		[ERROR_AT_STAGE2_TABLES] = "the VM's stage 2 tables",
		[ERROR_AT_GONE] = "tables that answer now",
	};
	static struct ratelimit limit;

	log_limited(&limit, LOG_WARN,
		    "VM %#lx, vCPU %u: external abort at %s, ESR_EL2 %#lx, FAR_EL2 %#lx, IPA %#lx, "
		    "PA %#lx (valid: %#x)",
		    vcpu->vm->handle, vcpu->index, where[error->at], error->esr, error->far,
		    error->ipa, error->pa, error->flags);
}

/* End the run with KEEL_EXIT_ABORT; abort_resume() acts on the host's answer. */
static enum vcpu_action report_error(struct vcpu *vcpu, const struct error *error)
{
	struct keel_run *run = vcpu->run;

	vcpu->fault_pending = true;
	vcpu->fault_esr = error->esr;
	vcpu->fault_far = error->far;
	vcpu->fault_ipa = error->ipa;
	run_write32(vcpu, &run->mmio.bytes, 0);
	run_write64(vcpu, &run->abort.esr, error->esr);
	run_write64(vcpu, &run->abort.far, error->far);
	run_write64(vcpu, &run->abort.ipa, error->ipa);
	run_write64(vcpu, &run->abort.pa, error->pa);
	run_write32(vcpu, &run->abort.flags, error->flags);
	return vcpu_to_host(KEEL_EXIT_ABORT);
}

/*
 * Whether the guest may repeat an access whose error has gone. EL2's own walk may have been
 * answered by a TLB, so if the same access fails again at once, it is reported, or it would repeat
 * for ever.
 */
static bool may_repeat_error(struct vcpu *vcpu, const struct error *error)
{
	bool again = vcpu->again_pc == vcpu->regs.pc + 1 && vcpu->again_far == error->far;

	vcpu->again_pc = again ? 0 : vcpu->regs.pc + 1;
	vcpu->again_far = error->far;
	return !again;
}

enum vcpu_action error_trap(struct vcpu *vcpu, u64 esr)
{
	struct error error = examine_error(vcpu, esr);

	hw_error(HW_GUEST_ABORTS);
	log_error(vcpu, &error);
	if (!abort_is_contained(esr, this_vm_cpu()->traps.has_ras)) {
		switch_host_serror(serror_esr_uncontained());
		return vcpu_to_host(KEEL_EXIT_IRQ);
	}
	if (error.at == ERROR_AT_STAGE2_TABLES)
		return VCPU_NOT_MINE;
	if (error.at == ERROR_AT_GONE && may_repeat_error(vcpu, &error))
		return VCPU_RESUME;
	return report_error(vcpu, &error);
}

/* ---- errors that userspace injects ---- */

/* An abort of the access that waits for an answer, if that is a data access. */
static void raise_abort(struct vcpu *vcpu)
{
	u64 esr = vcpu->fault_pending ? vcpu->fault_esr : 0;

	if (esr_ec(esr) != ESR_EC_DABT_LOWER)
		esr = FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | ESR_FSC_EXTABT;
	abort_forget(vcpu);
	vcpu_inject_external_abort(vcpu, esr, vcpu->fault_far);
}

int error_events(struct vcpu *vcpu, u64 raise, u64 *pending)
{
	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	if (raise & ~(u64)(KEEL_EVENT_SERROR | KEEL_EVENT_ABORT))
		return -EINVAL;
	if (raise & KEEL_EVENT_ABORT)
		raise_abort(vcpu);
	if (raise & KEEL_EVENT_SERROR)
		vcpu->serror_pending = true;
	*pending = vcpu->serror_pending ? KEEL_EVENT_SERROR : 0;
	return 0;
}
