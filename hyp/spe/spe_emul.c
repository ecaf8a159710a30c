// SPDX-License-Identifier: BSD-2-Clause
/*
 * SPE by emulation: register accesses and the sampling interval. See spe_emul.h.
 *
 * The interval counts time in place of instructions: one nanosecond in the guest counts as one
 * instruction. While profiling is enabled at either EL all time in the guest counts, and a sample
 * that falls due at an EL without profiling is discarded. So the samples of each EL are in
 * proportion to its time.
 *
 *	emul_enter()       since = counter; the alarm is set to the end of the interval
 *	  guest runs
 *	spe_sample_exit()  the alarm, and nothing else: sample, next alarm, back to the guest
 *	spe_emul_exit()    another exit, or more to do: counts the time since the entry; takes the
 *	                   sample if it is due and the exit was an interrupt
 *	emul_handled()     notes where the guest's vectors are; asks the host for missing memory
 */
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <arch/timer.h>
#include <keel/spe.h>
#include <lib/esr.h>
#include <spe/spe_debug.h>
#include <spe/spe_emul.h>
#include <spe/spe_guest.h>
#include <spe/spe_hit.h>
#include <spe/spe_sample.h>
#include <spe/spe_vcpu.h>
#include <timer/timer.h>
#include <trap/debug.h>
#include <trap/trap.h>
#include <vm/run.h>
#include <vm/run_page.h>

#define NS_PER_SECOND 1000000000ULL

/* Nanoseconds of one count of the counter, in 1/65536; and the other way round. */
static u64 ns_per_count, count_per_ns;

/* ---- control ---- */

static bool guest_va_readable(void *arg, u64 va)
{
	return spe_guest_readable(arg, va);
}

static u32 fetch_guest_word(struct vcpu *vcpu, u64 va)
{
	struct spe_view view = spe_guest_view(vcpu);
	u64 saved = spe_guest_begin(view);
	u32 word = IS_ALIGNED(va, 4) ? spe_guest_fetch(view, va) : 0;

	spe_guest_end(saved);
	return word;
}

/* Carry out the access, and return behind it, as if EL1 had not taken the UNDEFINED exception. */
static void emulate_access(struct vcpu *vcpu, const struct spe_access *access, u64 spsr)
{
	u64 value = 0;

	if (access->write) {
		(void)spe_vcpu_write(vcpu, access->encoding, vcpu_get_x(vcpu, access->rt));
	} else {
		(void)spe_vcpu_read(vcpu, access->encoding, &value);
		vcpu_set_x(vcpu, access->rt, value);
	}
	vcpu->regs.pc = read_el1_elr();
	vcpu->regs.pstate = (u32)spsr;
	trap_step_over(vcpu, ESR_IL);
}

static void sub_sp(struct vcpu *vcpu, u32 bytes)
{
	bool sp1 = (vcpu->regs.pstate & PSR_MODE_MASK) == PSR_MODE_EL1h;
	enum vcpu_sysreg sp = sp1 ? SP_EL1 : SP_EL0;

	vcpu_write_sysreg(vcpu, sp, vcpu_read_sysreg(vcpu, sp) - bytes);
	trap_step_over(vcpu, ESR_IL);
}

/* Return: whether it was EL2's breakpoint. */
static bool handle_hit(struct vcpu *vcpu)
{
	u64 esr = read_el1_esr(), spsr = read_el1_spsr();
	u32 word = 0, vector = 0;
	struct spe_access access;
	struct spe_hit hit;
	bool is_access;

	if (esr_ec(esr) == ESR_EC_UNKNOWN)
		word = fetch_guest_word(vcpu, read_el1_elr());
	is_access = spe_arm_is_access(esr, spsr, word, &access);
	if (!is_access)
		vector = fetch_guest_word(vcpu, vcpu->regs.pc);
	hit = spe_arm_hit(&vcpu->spe->arm, vcpu->regs.pc, spe_el_of(vcpu->regs.pstate), is_access,
			  vector);
	switch (hit.action) {
	case SPE_HIT_EMULATE:
		emulate_access(vcpu, &access, spsr);
		return true;
	case SPE_HIT_SUB_SP:
		sub_sp(vcpu, hit.sub);
		return true;
	case SPE_HIT_STEP:
		return true;
	default:
		return false;
	}
}

/* Inject what EL1 takes without MDCR_EL2.TDE. Taken from EL1 itself, the class is one higher. */
static void inject_debug(struct vcpu *vcpu, u64 esr)
{
	unsigned int ec = esr_ec(esr);
	u64 far = vcpu_read_sysreg(vcpu, FAR_EL1);

	if (ec == ESR_EC_WATCHPT_LOWER)
		far = read_sysreg(far_el2);
	if (spe_el_of(vcpu->regs.pstate) &&
	    (ec == ESR_EC_BRKPT_LOWER || ec == ESR_EC_WATCHPT_LOWER))
		esr += FIELD_PREP(ESR_EC, 1);
	vcpu_inject(vcpu, esr, far);
}

static void debug_exception(struct vcpu *vcpu, u64 esr)
{
	if (spe_arm_debug(&vcpu->spe->arm, esr_ec(esr), vcpu->regs.pc, spe_el_of(vcpu->regs.pstate),
			  vcpu->regs.pstate, debug_mdscr(vcpu)) == SPE_DEBUG_INJECT)
		inject_debug(vcpu, esr);
}

static enum vcpu_action emul_handle_debug(struct vcpu *vcpu, u64 esr)
{
	if (!vcpu->spe)
		return VCPU_NOT_MINE;
	debug_exception(vcpu, esr);
	return VCPU_RESUME;
}

static enum vcpu_action emul_handle_breakpoint(struct vcpu *vcpu, u64 esr)
{
	if (!vcpu->spe)
		return VCPU_NOT_MINE;
	if (!handle_hit(vcpu))
		debug_exception(vcpu, esr);
	return VCPU_RESUME;
}

/*
 * With TDE single steps are EL2's. If the step ended at a vector, the breakpoint has not fired yet.
 */
static enum vcpu_action emul_handle_step(struct vcpu *vcpu, u64 esr)
{
	(void)esr;
	if (!vcpu->spe)
		return VCPU_NOT_MINE;
	if (spe_arm_stepped(&vcpu->spe->arm, vcpu->regs.pc))
		(void)handle_hit(vcpu);
	return VCPU_RESUME;
}

/* ---- time ---- */

static bool is_profiling(const struct spe_regs *regs)
{
	return spe_buffer_enabled(regs) && (regs->pmscr & (PMSCR_E0SPE | PMSCR_E1SPE));
}

/* A xorshift generator: it only needs to be independent of the code that is sampled. */
static u8 interval_jitter(void *arg)
{
	struct spe_vcpu *spe = arg;

	spe->random ^= spe->random << 13;
	spe->random ^= spe->random >> 7;
	spe->random ^= spe->random << 17;
	return (u8)(spe->random >> 32);
}

/* Count the time from the entry to @now, up to the sample that falls due in it. */
static void count_interval(struct spe_vcpu *spe, u64 now)
{
	u64 counts = now - spe->since;
	u64 ran = (counts >> 32 ? ~0ULL >> 16 : counts * ns_per_count) >> 16;

	spe->since = 0;
	if (ran && !spe->due)
		(void)spe_interval_run(&spe->regs, ran, interval_jitter, spe, &spe->due);
}

static u64 next_alarm(const struct spe_vcpu *spe)
{
	u64 left = spe->due ? 0 : spe_interval_left(&spe->regs);

	if (spe_begins_anew(spe))
		return spe->since + spe->period;
	return spe->since + ((left * count_per_ns) >> 16) + 1;
}

/* Compute .period: the fewest counts for which count_interval() counts a whole interval. */
static void find_period(struct spe_vcpu *spe)
{
	u64 ops = spe_interval(&spe->regs) + 1ULL;

	spe->period_of = spe->regs.pmsirr + 1;
	spe->period = ((ops << 16) + ns_per_count - 1) / ns_per_count;
	if (spe->regs.pmsirr & PMSIRR_RND)
		spe->period = 0;
}

/* ---- the run loop ---- */

enum vcpu_action spe_emul_exit(struct vcpu *vcpu, bool irq)
{
	struct spe_vcpu *spe = vcpu->spe;
	u64 now;

	spe->exit_pstate = vcpu->regs.pstate;
	spe->plain = false;
	vcpu->alarm = 0;
	if (!spe->since)
		return VCPU_NOT_MINE;
	now = timer_counter();
	count_interval(spe, now);
	if (!irq || !spe->due)
		return VCPU_NOT_MINE;
	spe->due = false;
	(void)spe_sample(vcpu, now);
	return VCPU_NOT_MINE;
}

static void watch_vectors(struct vcpu *vcpu)
{
	struct spe_vcpu *spe = vcpu->spe;
	struct spe_guest guest = {
		.el = 1,
		.sp0 = (spe->exit_pstate & PSR_MODE_MASK) == PSR_MODE_EL1t,
		.vbar = read_el1_vbar(),
		.sctlr = read_el1_sctlr(),
		.readable = guest_va_readable,
		.arg = vcpu,
	};

	spe_arm_exit(&spe->arm, &guest);
}

/*
 * Ask the host to map memory for the buffer. fault_pending is not set: the answer does not matter,
 * and the guest goes on at its next run.
 */
static enum vcpu_action ask_host_for_buffer(struct vcpu *vcpu)
{
	run_write32(vcpu, &vcpu->run->mmio.bytes, 0);
	run_write64(vcpu, &vcpu->run->fault.ipa, vcpu->spe->missing_ipa);
	run_write32(vcpu, &vcpu->run->fault.write, 1);
	run_write32(vcpu, &vcpu->run->fault.exec, 0);
	return vcpu_to_host(KEEL_EXIT_FAULT);
}

static enum vcpu_action emul_handled(struct vcpu *vcpu, enum vcpu_action action)
{
	struct spe_vcpu *spe = vcpu->spe;

	if (spe->arm.interested && spe_el_of(spe->exit_pstate) &&
	    !spe_vectors_known(&spe->arm, spe->exit_pstate))
		watch_vectors(vcpu);
	return spe_take_ask(spe, action == VCPU_RESUME) ? ask_host_for_buffer(vcpu) : action;
}

static enum vcpu_action emul_enter(struct vcpu *vcpu)
{
	struct spe_vcpu *spe = vcpu->spe;
	bool on = is_profiling(&spe->regs);

	if (on && spe->stop == KVM_ARM_VCPU_SPE_STOP_EXIT)
		return vcpu_to_host(KEEL_EXIT_SPE);
	spe_debug_enter(vcpu);
	if (!on || spe->stop)
		return VCPU_RESUME;
	if (spe->period_of != spe->regs.pmsirr + 1)
		find_period(spe);
	spe->since = timer_counter();
	timer_set_alarm(vcpu, next_alarm(spe));
	spe->plain = spe_begins_anew(spe) && !spe->arm.stepping && timer_is_alarms(vcpu);
	return VCPU_RESUME;
}

static vcpu_exit_handler *const handlers[ESR_EC_COUNT] = {
	[ESR_EC_BRKPT_LOWER] = emul_handle_breakpoint, [ESR_EC_STEP_LOWER] = emul_handle_step,
	[ESR_EC_WATCHPT_LOWER] = emul_handle_debug,    [ESR_EC_BKPT32] = emul_handle_debug,
	[ESR_EC_VECTOR32] = emul_handle_debug,	       [ESR_EC_BRK64] = emul_handle_debug,
};

void spe_emul_init(void)
{
	static const struct vcpu_hooks hooks = { .exits = handlers };
	static const struct exit_stage stage = {
		.wanted = spe_vcpu_has,
		.exit = spe_sample_exit,
		.handled = emul_handled,
		.enter = emul_enter,
		.fast = spe_false_hit,
		.fast_classes = BIT(ESR_EC_BRKPT_LOWER),
	};
	u64 frequency = read_sysreg(cntfrq_el0);

	frequency = MAX(frequency, 1);
	ns_per_count = (NS_PER_SECOND << 16) / frequency;
	count_per_ns = (frequency << 16) / NS_PER_SECOND;
	vcpu_add_hooks(&hooks);
	exit_set_stage(EXIT_STAGE_SPE, &stage);
}
