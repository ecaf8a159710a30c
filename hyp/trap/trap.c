// SPDX-License-Identifier: BSD-2-Clause
/* Exits by exception class, WFI and WFE, and the points of the run loop. See trap.h. */
#include <arch/reg_bits.h>
#include <lib/esr.h>
#include <trap/debug.h>
#include <trap/guest_psci.h>
#include <trap/guest_smccc.h>
#include <trap/id_regs.h>
#include <trap/impl_regs.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vm/count.h>
#include <vm/run_page.h>
#include <vm/switch.h>

/* AArch32 PSTATE of a Thumb instruction in an IT block (G1.9.2): IT[7:5] is the base condition */
#define PSR_AA32_IT_LOW	 GENMASK(26, 25) /* IT[1:0] */
#define PSR_AA32_IT_HIGH GENMASK(15, 10) /* IT[7:2] */

/* G1.17.5, AArch32.ITAdvance */
static u64 advance_it(u64 pstate)
{
	u64 it = FIELD_GET(PSR_AA32_IT_HIGH, pstate) << 2 | FIELD_GET(PSR_AA32_IT_LOW, pstate);

	it = it & 7 ? (it & 0xe0) | ((it << 1) & 0x1f) : 0;
	return (pstate & ~(PSR_AA32_IT_HIGH | PSR_AA32_IT_LOW)) |
	       FIELD_PREP(PSR_AA32_IT_HIGH, it >> 2) | FIELD_PREP(PSR_AA32_IT_LOW, it & 3);
}

void trap_step_over_aa32(struct vcpu *vcpu, u64 esr)
{
	vcpu->regs.pc += esr & ESR_IL ? 4 : 2;
	vcpu->regs.pstate = advance_it(vcpu->regs.pstate) & ~PSR_SS;
}

enum vcpu_action trap_wait(struct vcpu *vcpu, u64 until)
{
	u64 deadline;

	if (vcpu_has_pending(vcpu))
		return VCPU_RESUME;
	deadline = vcpu_deadline(vcpu);
	run_write64(vcpu, &vcpu->run->wfi.deadline, MIN(deadline, until));
	return vcpu_to_host(KEEL_EXIT_WFI);
}

/* WFIT's operand is a value of CNTVCT_EL0 (C6.2.490). */
static u64 wfit_deadline(const struct vcpu *vcpu, u64 esr)
{
	if (FIELD_GET(ESR_WFX_TI, esr) != ESR_WFX_TI_WFIT || !(esr & ESR_WFX_RV))
		return ~0ULL;
	return vcpu_count_time(vcpu, vcpu_get_x(vcpu, (unsigned int)FIELD_GET(ESR_WFX_RN, esr)));
}

/* WFE may do nothing. A guest that spins in it is preempted by the host's timer. */
static enum vcpu_action handle_wfx(struct vcpu *vcpu, u64 esr)
{
	u64 until = wfit_deadline(vcpu, esr);

	trap_step_over(vcpu, esr);
	if (esr & ESR_WFX_TI_WFE) /* WFE or WFET */
		return VCPU_RESUME;
	return trap_wait(vcpu, until);
}

/* For a trapped SMC, ELR_EL2 is the SMC itself; for HVC, it is the next instruction. */
static enum vcpu_action handle_smc(struct vcpu *vcpu, u64 esr)
{
	trap_step_over(vcpu, esr);
	return guest_smccc_call(vcpu, esr);
}

/* An instruction that the guest does not have. */
static enum vcpu_action handle_undef(struct vcpu *vcpu, u64 esr)
{
	(void)esr;
	vcpu_inject_undef(vcpu);
	return VCPU_RESUME;
}

/*
 * By ESR_EL2.EC. AArch32 can be at EL0 only, where debug, performance monitors and the physical
 * timer trap: AArch32 applications do not have these. A class without a handler is not routed to
 * EL2 with HCR_GUEST_TRAPS, or is handled by another layer.
 */
static vcpu_exit_handler *const handlers[ESR_EC_COUNT] = {
	[ESR_EC_UNKNOWN] = handle_undef,   [ESR_EC_WFX] = handle_wfx,
	[ESR_EC_CP15_32] = handle_undef,   [ESR_EC_CP15_64] = handle_undef,
	[ESR_EC_CP14_32] = handle_undef,   [ESR_EC_CP14_LS] = handle_undef,
	[ESR_EC_CP10_ID] = handle_undef,   [ESR_EC_PAC] = handle_undef,
	[ESR_EC_OTHER] = handle_undef,	   [ESR_EC_CP14_64] = handle_undef,
	[ESR_EC_HVC64] = guest_smccc_call, [ESR_EC_SMC64] = handle_smc,
	[ESR_EC_SYS128] = handle_undef,	   [ESR_EC_SYS64] = sysreg_trap,
	[ESR_EC_TSTART] = handle_undef,	   [ESR_EC_SME] = handle_undef,
	[ESR_EC_IABT_LOWER] = abort_trap,  [ESR_EC_DABT_LOWER] = abort_trap,
};

/* Finish what the host was asked for, also for a vCPU that userspace has stopped since. */
static enum vcpu_action finish_pending(struct vcpu *vcpu)
{
	enum vcpu_action ret = guest_smccc_resume(vcpu);

	return ret == VCPU_RESUME ? abort_resume(vcpu) : ret;
}

/*
 * The CPU that makes a vCPU runnable writes on_pending before power, so on_pending is read after
 * power. A vCPU that PSCI starts has nothing to finish: it was reset or off.
 */
static enum vcpu_action trap_resume(struct vcpu *vcpu)
{
	enum vcpu_action ret = finish_pending(vcpu);

	if (ret != VCPU_RESUME)
		return ret;
	if (__atomic_load_n(&vcpu->power, __ATOMIC_ACQUIRE) != VCPU_RUNNABLE)
		return vcpu_to_host(KEEL_EXIT_OFF);
	if (__atomic_load_n(&vcpu->on_pending, __ATOMIC_ACQUIRE))
		guest_psci_start(vcpu);
	return VCPU_RESUME;
}

static void trap_load(struct vcpu *vcpu)
{
	if (!READ_ONCE(vcpu->vm->has_run))
		WRITE_ONCE(vcpu->vm->has_run, true);
	debug_load(vcpu);
}

static void trap_reset(struct vcpu *vcpu)
{
	abort_forget(vcpu);
	guest_smccc_forget(vcpu);
	sysreg_reset(vcpu);
}

static const struct vcpu_hooks hooks = {
	.load = trap_load,
	.put = debug_put,
	.resume = trap_resume,
	.exits = handlers,
	.reset = trap_reset,
};

void trap_init(const struct cpu_features *features)
{
	id_regs_init(features);
	sysreg_init();
	impl_regs_init();
	debug_init(features);
	guest_smccc_init(features);
	vcpu_add_hooks(&hooks);
}

void trap_cpu_online(const struct cpu_id_regs *id)
{
	guest_smccc_cpu_online(id);
	this_vm_cpu()->traps.hcr |= impl_regs_traps(id, id_regs_machine());
}
