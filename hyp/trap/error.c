// SPDX-License-Identifier: BSD-2-Clause
/* Errors of the machine that guests' accesses meet. See error.h; docs/faults.md. */
#include <arch/sysreg.h>
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

/* ISV says that these describe the access. Which one it is is not looked at again. */
#define ESR_ISV_ISS GENMASK(24, 14)

/* ---- what it was met at ---- */

bool error_needs_stage1(u64 esr)
{
	if (esr_fsc(esr) == ESR_FSC_EXTABT)
		return !(esr & ESR_FNV);
	return !(esr & ESR_S1PTW);
}

enum error_at error_at(u64 esr, bool translates)
{
	bool known = error_needs_stage1(esr) && translates;

	if (esr_fsc(esr) == ESR_FSC_EXTABT)
		return known ? ERROR_AT_ACCESS : ERROR_AT_UNKNOWN;
	return known || (esr & ESR_S1PTW) ? ERROR_AT_STAGE2_TABLES : ERROR_AT_GUEST_TABLES;
}

/* ---- what is known of one ---- */

struct error {
	enum error_at at;
	u64 esr, far, ipa, pa;
	unsigned int flags; /* KEEL_ABORT_* */
};

/* Whether it is the memory, of whose failing a guest need not be believed. */
static void try_memory(struct vcpu *vcpu, struct error *error)
{
	struct pa pa;

	if (vm_memory_answers(vcpu, IPA(error->ipa), &pa))
		return;
	error->pa = pa.v;
	error->flags |= KEEL_ABORT_MEMORY;
}

static struct error examine(struct vcpu *vcpu, u64 esr)
{
	struct error error = { .esr = esr & ~ESR_ISV_ISS, .far = read_sysreg(far_el2) };
	bool translates = error_needs_stage1(esr) && abort_translate(error.far, &error.ipa);

	error.at = error_at(esr, translates);
	if (esr_fsc(esr) == ESR_FSC_EXTABT && (esr & ESR_FNV))
		error.far = 0;
	else
		error.flags |= KEEL_ABORT_FAR;
	if (error.at != ERROR_AT_ACCESS)
		return error;
	error.flags |= KEEL_ABORT_IPA;
	try_memory(vcpu, &error);
	return error;
}

/* ---- who is told ---- */

static void log_error(const struct vcpu *vcpu, const struct error *error)
{
	static const char *const where[ERROR_AT_COUNT] = {
		[ERROR_AT_ACCESS] = "its access",
		[ERROR_AT_UNKNOWN] = "an unknown address",
		[ERROR_AT_GUEST_TABLES] = "its translation tables",
		[ERROR_AT_STAGE2_TABLES] = "the VM's stage 2 tables",
	};
	static struct ratelimit limit;

	log_limited(&limit, LOG_WARN,
		    "VM %#lx, vCPU %u: external abort at %s, ESR_EL2 %#lx, FAR_EL2 %#lx, IPA %#lx, "
		    "PA %#lx (valid: %#x)",
		    vcpu->vm->handle, vcpu->index, where[error->at], error->esr, error->far,
		    error->ipa, error->pa, error->flags);
}

/* The access is open until the host has answered: abort_resume(). */
static int tell_host(struct vcpu *vcpu, const struct error *error)
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
	return KEEL_EXIT_ABORT;
}

int error_trap(struct vcpu *vcpu, u64 esr)
{
	struct error error = examine(vcpu, esr);

	hw_error(HW_GUEST_ABORTS);
	log_error(vcpu, &error);
	if (!abort_is_contained(esr, this_vm_cpu()->traps.has_ras)) {
		switch_host_serror(serror_esr_uncontained());
		return KEEL_EXIT_IRQ;
	}
	return error.at == ERROR_AT_STAGE2_TABLES ? VCPU_NOT_MINE : tell_host(vcpu, &error);
}

/* ---- what userspace wants it to have ---- */

/* What the fault was of, if it was one of data. */
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
	if (raise & ~(u64)(KEEL_EVENT_SERROR | KEEL_EVENT_ABORT))
		return -EINVAL;
	if (raise & KEEL_EVENT_ABORT)
		raise_abort(vcpu);
	if (raise & KEEL_EVENT_SERROR)
		vcpu->serror_pending = true;
	*pending = vcpu->serror_pending ? KEEL_EVENT_SERROR : 0;
	return 0;
}
