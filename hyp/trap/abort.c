// SPDX-License-Identifier: BSD-2-Clause
/*
 * Aborts that a guest takes to EL2: stage 2 faults, and external aborts (error.c).
 *
 * A stage 2 fault is an access to one of three things. The vGIC's registers are emulated at EL2,
 * without an exit to the host. Memory that is not mapped yet, and devices that userspace emulates,
 * are the host's to tell apart: the run ends with KEEL_EXIT_FAULT, and the next run begins with the
 * host's answer.
 *
 *	abort_trap()      missing_ipa(), guest_fault_ipa(): where did the access go?
 *	   |
 *	   +-- fault_near_vgic() ------> emulated; the guest goes on behind the access
 *	   |
 *	fault_elsewhere() describe_abort():  which load or store was it? (needs ESR_EL2.ISV)
 *	   |
 *	   +-- beyond the IPA size ----> external abort in the guest
 *	   +-- ask_host_for_page() ----> KEEL_EXIT_FAULT: IPA, write, exec, and the access
 *	                                    |
 *	abort_resume()  <-- next run --------+
 *	   +-- mapped -----------------> the guest repeats the access
 *	   +-- KEEL_ANSWER_DONE, STOP -> userspace did the access: finish it, go on behind it
 *	   +-- KEEL_ANSWER_ABORT, NONE > external abort in the guest
 *
 * Between the two, the fault is in the vCPU (fault_pending, fault_esr, fault_far, fault_ipa), out
 * of the host's reach: an answer says only how the access ends, and a load's data. pc stays at the
 * access, so an answer that EL2 does not know repeats it.
 *
 * HPFAR_EL2 is not valid for a permission fault, so stage 1 is translated again (AT S1E1R). The
 * guest may have changed its tables since: then the access is repeated, and faults as it now does.
 */
#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <cpu/assert.h>
#include <cpu/errata.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <mm/stage2.h>
#include <trap/device.h>
#include <trap/error.h>
#include <trap/mmio.h>
#include <trap/trap.h>
#include <vm/run_page.h>

enum fault_kind {
	FAULT_OTHER,
	FAULT_MISSING,
	FAULT_PERMISSION,
	FAULT_OLD,
	FAULT_EXTERNAL,
	FAULT_CONFLICT
};

/* By DFSC and IFSC: other codes are not of stage 2, or are left to another handler. */
#define LEVELS(fsc) [(fsc)...(fsc) + 3]
static const u8 kinds[ESR_FSC + 1] = {
	LEVELS(ESR_FSC_TRANSLATION) = FAULT_MISSING,   [ESR_FSC_TRANSLATION_M1] = FAULT_MISSING,
	[ESR_FSC_TRANSLATION_M2] = FAULT_MISSING,      LEVELS(ESR_FSC_ACCESS_FLAG) = FAULT_OLD,
	LEVELS(ESR_FSC_PERMISSION) = FAULT_PERMISSION, [ESR_FSC_EXTABT] = FAULT_EXTERNAL,
	LEVELS(ESR_FSC_EXTABT_WALK) = FAULT_EXTERNAL,  [ESR_FSC_EXTABT_WALK_M1] = FAULT_EXTERNAL,
	[ESR_FSC_EXTABT_WALK_M2] = FAULT_EXTERNAL,     [ESR_FSC_TLB_CONFLICT] = FAULT_CONFLICT,
};

static enum fault_kind fault_kind(u64 esr)
{
	return (enum fault_kind)kinds[esr_fsc(esr)];
}

bool abort_is_stage2(u64 esr)
{
	enum fault_kind kind = fault_kind(esr);

	return kind == FAULT_MISSING || kind == FAULT_PERMISSION;
}

static bool is_fetch(u64 esr)
{
	return esr_ec(esr) == ESR_EC_IABT_LOWER;
}

/*
 * Whether the page must be writable. On a fault of a stage 1 walk, WnR is of the access and not of
 * the walk: a walk reads, and writes only to update a descriptor, for which the permission can be
 * missing. Cache maintenance has WnR set but needs only a mapping, unless the permission is
 * missing.
 */
static __always_inline bool is_write(u64 esr)
{
	if (esr & (ESR_S1PTW | ESR_CM))
		return fault_kind(esr) == FAULT_PERMISSION;
	return !is_fetch(esr) && (esr & ESR_WNR);
}

bool abort_is_write(u64 esr)
{
	return is_write(esr);
}

bool abort_translate(u64 va, u64 *ipa)
{
	u64 saved = read_par(), par;
	bool done = at_s1e1r(va);

	isb();
	par = read_par();
	write_sysreg(saved, par_el1);
	*ipa = (par & PAR_PA) | (va & (SZ_4K - 1));
	return done && !(par & PAR_F);
}

bool abort_tables_answer(u64 va)
{
	u64 saved = read_par();
	bool done = at_s12e1r(va);

	isb();
	write_sysreg(saved, par_el1);
	return done;
}

/* The IPA of a fault for which HPFAR_EL2 is valid. Inline: the vGIC's registers are accessed often. */
static __always_inline u64 missing_ipa(u64 far)
{
	return FIELD_GET(HPFAR_FIPA, read_sysreg(hpfar_el2)) << 12 | (far & (SZ_4K - 1));
}

/*
 * The IPA of a fault. HPFAR_EL2 is valid for translation and access flag faults, and for faults of
 * stage 1 walks; otherwise stage 1 translates the address again. False if stage 1 faults now: the
 * guest has changed its tables, and takes that fault when it repeats the access. (A guest that
 * makes this happen each time makes no progress, and is interrupted as any other.)
 */
static bool guest_fault_ipa(u64 esr, u64 far, u64 *ipa)
{
	if (fault_kind(esr) == FAULT_MISSING || (esr & ESR_S1PTW)) {
		*ipa = missing_ipa(far);
		return true;
	}
	return abort_translate(far, ipa);
}

bool abort_fault_ipa(u64 esr, u64 far, u64 *ipa)
{
	return guest_fault_ipa(esr, far, ipa);
}

static __noinline enum vcpu_action inject_abort(struct vcpu *vcpu, u64 esr, u64 far)
{
	vcpu_inject_external_abort(vcpu, esr, far);
	return VCPU_RESUME;
}

/* @vcpu is loaded, so SCTLR_EL1 is the guest's. */
static __always_inline bool decode_access(const struct vcpu *vcpu, u64 esr,
					  struct mmio_access *access)
{
	return !is_fetch(esr) && mmio_decode(esr, vcpu->regs.pstate, read_el1_sctlr(), access);
}

static __always_inline void finish_load(struct vcpu *vcpu, const struct mmio_access *access,
					u64 data)
{
	vcpu_set_x(vcpu, access->rt, mmio_load_value(access, data));
}

/* The load or store that faulted. */
struct described {
	struct mmio_access access; /* bytes: 0 if the syndrome does not describe it */
	u64 data;		   /* a store's */
};

static __always_inline void describe_abort(const struct vcpu *vcpu, u64 esr, struct described *it)
{
	it->data = 0;
	if (!decode_access(vcpu, esr, &it->access))
		it->access.bytes = 0;
	else if (it->access.write)
		it->data = mmio_store_data(&it->access, vcpu_get_x(vcpu, it->access.rt));
}

/* Most accesses are not: these ask no device. */
static __always_inline bool is_near_vgic(const struct vm *vm, u64 ipa)
{
	return ipa - READ_ONCE(vm->vgic_first) < READ_ONCE(vm->vgic_span);
}

/* Whether the vGIC has the register, and the access is done or will be repeated. */
static __noinline bool try_vgic_access(struct vcpu *vcpu, u64 esr, u64 ipa)
{
	enum trap_mmio answer;
	struct described it;

	describe_abort(vcpu, esr, &it);
	if (!it.access.bytes)
		return false;
	answer = trap_device(TRAP_DEVICE_VGIC)
			 ->mmio(vcpu, ipa, it.access.bytes, it.access.write, &it.data);
	if (answer != TRAP_MMIO_DONE)
		return answer == TRAP_MMIO_AGAIN;
	if (!it.access.write)
		finish_load(vcpu, &it.access, it.data);
	trap_step_over(vcpu, esr);
	return true;
}

/* Write the load or store to the run page, in case there is no memory and userspace emulates it. */
static __always_inline void write_run_access(struct vcpu *vcpu, u64 ipa, const struct described *it)
{
	struct keel_run *run = vcpu->run;

	run_write32(vcpu, &run->mmio.bytes, it->access.bytes);
	if (!it->access.bytes)
		return;
	run_write64(vcpu, &run->mmio.address, ipa);
	run_write32(vcpu, &run->mmio.write, it->access.write);
	run_write64(vcpu, run_doubleword(run->mmio.data), it->data);
}

/* Leave to the host for an answer. pc stays at the access. */
static __always_inline enum vcpu_action ask_host_for_page(struct vcpu *vcpu, u64 esr, u64 far,
							  u64 ipa, const struct described *it)
{
	struct keel_run *run = vcpu->run;

	vcpu->fault_pending = true;
	vcpu->fault_esr = esr;
	vcpu->fault_far = far;
	vcpu->fault_ipa = ipa;
	run_write64(vcpu, &run->fault.ipa, ALIGN_DOWN(ipa, SZ_4K));
	run_write32(vcpu, &run->fault.write, is_write(esr));
	run_write32(vcpu, &run->fault.exec, is_fetch(esr) && !(esr & ESR_S1PTW));
	write_run_access(vcpu, ipa, it);
	return vcpu_to_host(KEEL_EXIT_FAULT);
}

/* Of memory, or a device that the vGIC is not. */
static __noinline enum vcpu_action fault_elsewhere(struct vcpu *vcpu, u64 esr, u64 far, u64 ipa)
{
	struct described it;

	/* nothing can be there, as on a machine whose bus has fewer address bits than its CPU */
	if (ipa >> vcpu->vm->s2.stage2.geometry.ia_bits)
		return inject_abort(vcpu, esr, far);
	describe_abort(vcpu, esr, &it);
	return ask_host_for_page(vcpu, esr, far, ipa, &it);
}

/* @ipa is the VM's: the vGIC's frames and the host's memory slots are at addresses of the VM. */
enum vcpu_action abort_at(struct vcpu *vcpu, u64 esr, u64 far, u64 ipa)
{
	if (fault_kind(esr) == FAULT_MISSING && is_near_vgic(vcpu->vm, ipa) &&
	    try_vgic_access(vcpu, esr, ipa))
		return VCPU_RESUME;
	return fault_elsewhere(vcpu, esr, far, ipa);
}

/*
 * A load or store of AArch64 that the syndrome describes, of a register that is not the zero register,
 * without sign extension, least significant byte first: software accesses devices by these. The register's
 * place in the register file is the access's data.
 */
#define PLAIN_ACCESS_MASK (ESR_EC | ESR_ISV | ESR_SSE | ESR_CM | ESR_S1PTW)
#define PLAIN_ACCESS	  (FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | ESR_ISV)

static __always_inline bool is_plain_access(const struct vcpu *vcpu, u64 esr)
{
	return (esr & PLAIN_ACCESS_MASK) == PLAIN_ACCESS && FIELD_GET(ESR_SRT, esr) != 31 &&
	       !(vcpu->regs.pstate & PSR_MODE32) &&
	       !(read_el1_sctlr() & (SCTLR_EL1_EE | SCTLR_EL1_E0E));
}

/* A translation fault where the vGIC may have registers. */
static __noinline enum vcpu_action fault_near_vgic(struct vcpu *vcpu, u64 esr, u64 far, u64 ipa)
{
	enum trap_mmio answer;

	if (unlikely(!is_plain_access(vcpu, esr)))
		return abort_at(vcpu, esr, far, ipa);
	answer = trap_device(TRAP_DEVICE_VGIC)
			 ->mmio(vcpu, ipa, 1U << FIELD_GET(ESR_SAS, esr), esr & ESR_WNR,
				&vcpu->regs.x[FIELD_GET(ESR_SRT, esr)]);
	if (unlikely(answer == TRAP_MMIO_NOT_MINE))
		return fault_elsewhere(vcpu, esr, far, ipa);
	if (likely(answer == TRAP_MMIO_DONE)) {
		vcpu->regs.pc += 4;
		vcpu->regs.pstate &= ~(PSR_BTYPE | PSR_SS);
	}
	return VCPU_RESUME;
}

static __noinline enum vcpu_action rare_stage2_fault(struct vcpu *vcpu, u64 esr)
{
	u64 far = read_sysreg(far_el2), ipa;

	if (!guest_fault_ipa(esr, far, &ipa))
		return VCPU_RESUME;
	return abort_at(vcpu, esr, far, ipa);
}

/*
 * An access to what vm_young() has made old, where the hardware does not make it young by itself. If
 * it has gone meanwhile, the access faults again. HPFAR_EL2 is valid.
 */
static enum vcpu_action make_young(struct vcpu *vcpu)
{
	struct stage2 *s2 = &vcpu->s2->stage2;
	int ret;

	spin_lock(&s2->lock);
	ret = stage2_set_young(s2, IPA(FIELD_GET(HPFAR_FIPA, read_sysreg(hpfar_el2)) << 12));
	spin_unlock(&s2->lock);
	return !ret || ret == -ENOENT ? VCPU_RESUME : VCPU_NOT_MINE;
}

static __noinline enum vcpu_action other_abort(struct vcpu *vcpu, u64 esr)
{
	switch (fault_kind(esr)) {
	case FAULT_EXTERNAL:
		return error_trap(vcpu, esr);
	case FAULT_OLD:
		return make_young(vcpu);
	case FAULT_CONFLICT: /* allowed with FEAT_BBM, see mm/stage2.h; the access is repeated */
		stage2_invalidate_all(&vcpu->s2->stage2);
		return VCPU_RESUME;
	default:
		return VCPU_NOT_MINE;
	}
}

/* For vCPUs in the VM's own context. What a shadow lacks, hyp/nested/ handles before. */
enum vcpu_action abort_trap(struct vcpu *vcpu, u64 esr)
{
	u64 far, ipa;

	if (unlikely((esr & ESR_FSC_TYPE) != ESR_FSC_TRANSLATION))
		return abort_is_stage2(esr) ? rare_stage2_fault(vcpu, esr) : other_abort(vcpu, esr);
	ASSERT(vcpu->s2 == &vcpu->vm->s2);
	far = read_sysreg(far_el2);
	ipa = missing_ipa(far);
	return is_near_vgic(vcpu->vm, ipa) ? fault_near_vgic(vcpu, esr, far, ipa)
					   : fault_elsewhere(vcpu, esr, far, ipa);
}

/* ---- the host's answer ---- */

/*
 * There is no memory, and nobody can do the access: it is a fetch from a device, a stage 1 table in
 * one, or an instruction that the syndrome does not describe (a pair, a vector, an atomic). That is
 * an external abort in the guest, where it may end one process and no more.
 */
static enum vcpu_action answer_no_memory(struct vcpu *vcpu)
{
	u64 esr = vcpu->fault_esr;
	bool cache_maintenance = (esr & ESR_CM) && !(esr & ESR_S1PTW) && !is_fetch(esr);

	if (!cache_maintenance)
		return inject_abort(vcpu, esr, vcpu->fault_far);
	trap_step_over(vcpu, esr); /* no cache holds a device's registers */
	return VCPU_RESUME;
}

/*
 * Userspace has done the access. It is decoded again from the syndrome, which EL2 kept; pstate and
 * SCTLR_EL1 may have changed since, by KVM_SET_ONE_REG. If the syndrome does not describe the
 * access, userspace cannot have done it, and the guest repeats it.
 */
static void finish_access(struct vcpu *vcpu)
{
	struct mmio_access access;

	if (!decode_access(vcpu, vcpu->fault_esr, &access))
		return;
	if (!access.write)
		finish_load(vcpu, &access, run_read64(vcpu, run_doubleword(vcpu->run->mmio.data)));
	trap_step_over(vcpu, vcpu->fault_esr);
}

void abort_forget(struct vcpu *vcpu)
{
	vcpu->fault_pending = false;
}

enum vcpu_action abort_resume(struct vcpu *vcpu)
{
	if (!vcpu->fault_pending)
		return VCPU_RESUME;
	abort_forget(vcpu);
	switch (run_answer(vcpu)) {
	case KEEL_ANSWER_ABORT:
		return inject_abort(vcpu, vcpu->fault_esr, vcpu->fault_far);
	case KEEL_ANSWER_NONE:
		return answer_no_memory(vcpu);
	case KEEL_ANSWER_DONE:
		finish_access(vcpu);
		return VCPU_RESUME;
	case KEEL_ANSWER_STOP:
		finish_access(vcpu);
		return vcpu_to_host(KEEL_EXIT_IRQ);
	default:
		return VCPU_RESUME;
	}
}
