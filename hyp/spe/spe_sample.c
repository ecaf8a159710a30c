// SPDX-License-Identifier: BSD-2-Clause
/*
 * Takes one sample: spe_sample.h.
 *
 *	fetch the instruction at PC    by stage 1 and 2 of the guest (spe_guest.h); 0 if it cannot
 *	decode it                      spe_insn.h
 *	describe it in a struct spe_record: PC, context, timestamp; data address or branch target,
 *	                               from the registers as they are before the instruction
 *	filter it                      spe_filter.h
 *	write the record at PMBPTR     as one store of 64 bytes, under the stage 2's lock, so that
 *	                               the memory is the VM's from the translation to the store
 *
 * Most samples are of plain loads and stores; sample_usual() does these with the record in
 * registers only. Everything on that path is inline: the cost of a sample bounds the rate of
 * profiling.
 */
#include <arch/el1.h>
#include <arch/reg_bits.h>
#include <lib/bitmap.h>
#include <spe/spe_buffer.h>
#include <spe/spe_emul.h>
#include <spe/spe_filter.h>
#include <spe/spe_guest.h>
#include <spe/spe_hit.h>
#include <spe/spe_insn_usual.h>
#include <spe/spe_pack.h>
#include <spe/spe_sample.h>
#include <spe/spe_vcpu.h>
#include <timer/timer.h>
#include <vm/run.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* ---- the guest's state ---- */

/* The vector length in quadwords: the longest that the CPU has, up to ZCR_EL1.LEN. */
static unsigned int vector_quads(const struct vcpu *vcpu)
{
	u64 zcr = this_vm_cpu()->guest_fp_in ? read_el1_zcr() : vcpu->sysreg[ZCR_EL1];
	u64 vqs = switch_sve_vqs() & GENMASK(FIELD_GET(ZCR_LEN, zcr), 0);
	unsigned int n;

	if (vcpu->sve_vq)
		vqs &= GENMASK(vcpu->sve_vq - 1, 0);
	for (n = SVE_VQ_MAX; n > 1 && !(vqs & BIT(n - 1)); n--)
		;
	return n;
}

static void look_at_translation(struct spe_cpu *cpu)
{
	u64 tcr = read_el1_tcr();

	cpu->va_bits[0] = (u8)(64 - FIELD_GET(TCR_T0SZ_BITS, tcr));
	cpu->va_bits[1] = (u8)(64 - FIELD_GET(TCR_T1SZ_BITS, tcr));
	cpu->tbi[0] = tcr & TCR_TBI0;
	cpu->tbi[1] = tcr & TCR_TBI1;
}

static bool is_sve(const struct spe_insn *insn)
{
	return insn->class == SPE_INSN_OTHER_SVE || insn->kind == SPE_LDST_SVE ||
	       insn->form == SPE_FORM_VL;
}

/* The vector length in bytes; 0 if the instruction does not depend on it. */
static unsigned int vector_bytes(const struct vcpu *vcpu, const struct spe_insn *insn)
{
	if (!is_sve(insn) || !(vcpu->features & BIT(VCPU_SVE)))
		return 0;
	return 16 * vector_quads(vcpu);
}

static void look_at_register(const struct vcpu *vcpu, struct spe_cpu *cpu, unsigned int n)
{
	if (n < ARRAY_SIZE(cpu->x))
		cpu->x[n] = vcpu->regs.x[n];
}

static u64 stack_pointer(const struct vcpu *vcpu)
{
	bool sp1 = (vcpu->regs.pstate & PSR_MODE_MASK) == PSR_MODE_EL1h;

	return sp1 ? read_sysreg(sp_el1) : read_sysreg(sp_el0);
}

/* Read the registers that the instruction uses. */
static void look_at_cpu(const struct vcpu *vcpu, const struct spe_insn *insn, struct spe_cpu *cpu)
{
	cpu->pc = vcpu->regs.pc;
	cpu->pstate = vcpu->regs.pstate;
	look_at_register(vcpu, cpu, insn->rn);
	look_at_register(vcpu, cpu, insn->rm);
	look_at_register(vcpu, cpu, insn->rt);
	if (insn->rn == 31)
		cpu->sp = stack_pointer(vcpu);
	if (insn->rn == SPE_INSN_ELR)
		cpu->elr = read_el1_elr();
	if (insn->flags & SPE_INSN_AUTH)
		look_at_translation(cpu);
	cpu->vl = vector_bytes(vcpu, insn);
}

/* ---- the record's contents ---- */

static bool is_data(const struct spe_insn *insn)
{
	return insn->class >= SPE_INSN_LOAD && insn->class <= SPE_INSN_LOAD_ATOMIC;
}

static __always_inline void add_address(struct spe_record *record, enum spe_address which,
					u64 payload)
{
	record->has |= SPE_HAS_ADDR(which);
	record->addr[which] = payload;
}

/* Whether the top byte of @va is a tag, which translation ignores. */
static __always_inline bool has_tag(u64 va)
{
	return va >> 56 && (read_el1_tcr() & (va >> 55 & 1 ? TCR_TBI1 : TCR_TBI0));
}

/* A data address: virtual, and physical if that is enabled. */
static __always_inline void describe_access(struct spe_view view, const struct spe_regs *regs,
					    u64 va, bool misaligned, unsigned int el,
					    struct spe_record *record)
{
	u64 ipa;

	add_address(record, SPE_ADDR_VA, spe_address_va(va, has_tag(va)));
	if (misaligned)
		record->events |= SPE_EVENT_MISALIGNED;
	if ((regs->pmscr & PMSCR_PA) && spe_guest_ipa(view, va, el, &ipa))
		add_address(record, SPE_ADDR_PA, spe_address_pa(ipa));
}

/* The EL at which a branch's target executes: for an ERET, SPSR_EL1's. */
static unsigned int target_el(const struct spe_insn *insn, unsigned int el)
{
	u64 mode;

	if (insn->rn != SPE_INSN_ELR)
		return el;
	mode = read_el1_spsr();
	return !(mode & PSR_MODE32) && (mode & PSR_MODE_MASK) != PSR_MODE_EL0t;
}

static void describe_branch(const struct spe_insn *insn, const struct spe_cpu *cpu, unsigned int el,
			    struct spe_record *record)
{
	u64 target;

	if (!spe_insn_holds(insn, cpu))
		record->events |= SPE_EVENT_NOT_TAKEN;
	else if (spe_insn_target(insn, cpu, &target))
		add_address(record, SPE_ADDR_TARGET, spe_address_code(target, target_el(insn, el)));
}

/* The parts of a record that do not depend on the instruction. */
static __always_inline void describe_cpu(const struct vcpu *vcpu, const struct spe_regs *regs,
					 unsigned int el, u64 now, struct spe_record *record)
{
	u64 pmscr = regs->pmscr;

	record->has = SPE_HAS_COUNTER(SPE_COUNTER_TOTAL);
	record->counter[SPE_COUNTER_TOTAL] = spe_filter_unknown_latency(regs);
	record->events = SPE_EVENT_RETIRED;
	add_address(record, SPE_ADDR_PC, spe_address_code(vcpu->regs.pc, el));
	if (pmscr & PMSCR_CX) {
		record->has |= SPE_HAS_CONTEXT_EL1;
		record->context_el1 = (u32)read_el1_contextidr();
	}
	if (pmscr & PMSCR_TS) {
		record->has |= SPE_HAS_TIMESTAMP;
		record->timestamp = now - vcpu->vm->cntvoff;
	}
}

static u64 operation_of(const struct spe_insn *insn)
{
	switch ((enum spe_insn_class)insn->class) {
	case SPE_INSN_BRANCH:
		return SPE_OP_BRANCH;
	case SPE_INSN_LOAD:
		return SPE_OP_LOAD;
	case SPE_INSN_STORE:
		return SPE_OP_STORE;
	case SPE_INSN_LOAD_ATOMIC:
		return SPE_OP_LOAD | SPE_OP_STORE;
	default:
		return 0;
	}
}

/* Whether the filter selects stores and not loads: a memory copy then counts as a store. */
static bool stores_alone(const struct spe_regs *regs)
{
	return (regs->pmsfcr & PMSFCR_FT) && (regs->pmsfcr & PMSFCR_ST) &&
	       !(regs->pmsfcr & PMSFCR_LD);
}

/* ---- the buffer ---- */

/*
 * Ask the host for memory of the buffer. It may be interrupted while it brings the page, or take it
 * away again at once: so it is asked SPE_ASKS times until this is an abort.
 */
static void memory_missing(struct spe_vcpu *spe, u64 ipa)
{
	spe_count(&spe->dropped);
	ipa = ALIGN_DOWN(ipa, SZ_4K);
	if (spe->missing_ipa != ipa)
		spe->asked = 0;
	spe->missing_ipa = ipa;
	if (spe->asked < SPE_ASKS) {
		spe->ask = true;
		return;
	}
	spe->asked = 0;
	spe_buffer_abort(&spe->regs);
}

/*
 * The record cannot be written: stage 1 faults, there is no normal memory, or it is not mapped yet.
 */
static void cannot_write(struct spe_view view, u64 par, u64 va)
{
	struct spe_vcpu *spe = view.vcpu->spe;

	if (!(par & PAR_F)) {
		spe_buffer_abort(&spe->regs);
		return;
	}
	if (!(par & PAR_S)) {
		spe_buffer_fault(&spe->regs, 1, (u32)FIELD_GET(PAR_FST, par));
		return;
	}
	/* stage 2 faults: stage 1 gives the IPA that the host must map */
	par = spe_guest_translate(view, at_s1e1w, va);
	if (par & PAR_F)
		spe_buffer_abort(&spe->regs);
	else
		memory_missing(spe, spe_guest_address(par, va));
}

/* PC, target or two data addresses, context, counter, events, operation, timestamp. */
STATIC_ASSERT(3 * 9 + 5 + 3 + 3 + 2 + 9 <= SPE_RECORD_SIZE - sizeof(u64), "a record fits");

STATIC_ASSERT(SPE_RECORD_SIZE == FOREIGN_RECORD, "one write");

/* One store of the whole record, since the memory may fault. Return: false if it does. */
static __always_inline bool store_record(const struct spe_record *record, char *to)
{
	struct foreign_record usual, other;

	if (likely(spe_record_is_usual(record))) {
		spe_record_pack_usual(record, usual.word);
		/* cppcheck-suppress uninitvar -- it does not see that all words are written */
		return foreign_store_record(to, usual);
	}
	(void)spe_record_pack(record, (u8 *)other.word);
	/* cppcheck-suppress uninitvar */
	return foreign_store_record(to, other);
}

/* The store has faulted. Not inline, to keep the usual path short. */
static __noinline void write_faulted(struct spe_view view, struct el2_window window, u64 va)
{
	el2_window_close_on(window, spe_errata(view));
	spin_unlock(&view.vcpu->s2->stage2.lock);
	cannot_write(view, PAR_WRITE_ABORT, va);
}

static __always_inline void write_record(struct spe_view view, struct spe_vcpu *spe,
					 const struct spe_record *record)
{
	struct spinlock *lock = &view.vcpu->s2->stage2.lock;
	u64 va = spe->regs.pmbptr, par;
	struct el2_window window;
	char *to;

	spin_lock(lock);
	par = spe_guest_translate(view, at_s12e1w, va);
	if (unlikely(!spe_guest_is_memory(par))) {
		spin_unlock(lock);
		cannot_write(view, par, va);
		return;
	}
	window = spe_guest_open(par);
	to = window.page + (va & (SZ_4K - 1));
	if (unlikely(!store_record(record, to))) {
		write_faulted(view, window, va);
		return;
	}
	spe_guest_close(view, window, par, to, SPE_RECORD_SIZE);
	spin_unlock(lock);
	spe->asked = 0;
	spe_count(&spe->samples);
	spe_buffer_written(&spe->regs);
}

/* spe_buffer_place() == SPE_PLACE_WRITE, with a short path for the usual case: there is room. */
static __always_inline bool has_place(struct spe_regs *regs)
{
	u64 va;

	if (likely(spe_buffer_fits(regs) && !(regs->pmblimitr & PMBLIMITR_FM)))
		return true;
	return spe_buffer_place(regs, &va) == SPE_PLACE_WRITE;
}

static __always_inline void filter_and_write(struct spe_view view, struct spe_vcpu *spe,
					     struct spe_record *record, const struct spe_insn *insn)
{
	struct spe_regs *regs = &spe->regs;
	bool kept = spe_filter_none(regs) ||
		    spe_filter_keep(regs, record->events, operation_of(insn),
				    record->counter[SPE_COUNTER_TOTAL]);

	if (kept && has_place(regs))
		write_record(view, spe, record);
}

/* ---- a sample ---- */

static void sample_other(struct spe_view view, unsigned int el, u64 now, u32 word)
{
	struct vcpu *vcpu = view.vcpu;
	struct spe_vcpu *spe = vcpu->spe;
	struct spe_record record;
	struct spe_insn insn;
	struct spe_cpu cpu;
	u64 va;

	spe_record_clear(&record);
	spe_insn_decode(word, &insn);
	if (stores_alone(&spe->regs))
		spe_insn_as_store(&insn);
	look_at_cpu(vcpu, &insn, &cpu);
	describe_cpu(vcpu, &spe->regs, el, now, &record);
	if (!is_data(&insn))
		describe_branch(&insn, &cpu, el, &record);
	else if (spe_insn_address(&insn, &cpu, &va))
		describe_access(view, &spe->regs, va, spe_insn_misaligned(&insn, va), el, &record);
	spe_insn_operation(&insn, cpu.vl * 8, &record.op_class, &record.op_sub);
	filter_and_write(view, spe, &record, &insn);
}

/*
 * The same for a plain load or store; the decoded instruction and the record stay in registers.
 * Return: false for any other instruction.
 */
static __always_inline bool sample_usual(struct spe_view view, struct spe_vcpu *spe,
					 unsigned int el, u64 now, u32 word)
{
	struct vcpu *vcpu = view.vcpu;
	struct spe_record record = { 0 };
	struct spe_insn insn;
	bool store;
	u64 va;

	if (!spe_insn_decode_usual(word, &insn) || insn.kind > SPE_LDST_SIMDFP || !insn.kind)
		return false;
	store = insn.class == SPE_INSN_STORE;
	va = insn.rn < 31 ? vcpu->regs.x[insn.rn] : stack_pointer(vcpu);
	va += (u64)insn.imm;
	describe_cpu(vcpu, &spe->regs, el, now, &record);
	describe_access(view, &spe->regs, va, !IS_ALIGNED(va, insn.align), el, &record);
	record.op_class = SPE_OP_CLASS_LDST;
	record.op_sub = insn.kind == SPE_LDST_SIMDFP ? SPE_SUB_LDST_SIMDFP : SPE_SUB_LDST_GP;
	record.op_sub |= store ? SPE_SUB_ST : 0;
	filter_and_write(view, spe, &record, &insn);
	return true;
}

/* spe_sample(), inline for sample_alarm(). */
static __always_inline bool take_sample(struct vcpu *vcpu, struct spe_vcpu *spe, unsigned int el,
					u64 now)
{
	u32 word = 0; /* UDF: "other" */
	struct spe_view view = spe_guest_view(vcpu);
	u64 saved;

	if (!(spe->regs.pmscr & (el ? PMSCR_E1SPE : PMSCR_E0SPE)))
		return true;
	saved = spe_guest_begin(view);
	if (likely(IS_ALIGNED(vcpu->regs.pc, 4)))
		word = spe_guest_fetch(view, vcpu->regs.pc);
	if (!sample_usual(view, spe, el, now, word))
		sample_other(view, el, now, word);
	spe_guest_end(saved);
	if (likely(!spe_irq(&spe->regs)))
		return !spe->ask;
	spe_vcpu_update_irq(vcpu);
	return false;
}

bool spe_sample(struct vcpu *vcpu, u64 now)
{
	u64 pstate = vcpu->regs.pstate;

	return (pstate & PSR_MODE32) || take_sample(vcpu, vcpu->spe, spe_el_of(pstate), now);
}

/* Return: true if it was the alarm, its sample was taken, and nothing else has changed. */
static __always_inline bool sample_alarm(struct vcpu *vcpu)
{
	struct spe_vcpu *spe = vcpu->spe;
	u64 now = timer_counter(), pstate = vcpu->regs.pstate;
	unsigned int el = spe_el_of(pstate);

	if (!spe->plain || now < vcpu->alarm)
		return false;
	if (el ? !spe_vectors_known(&spe->arm, pstate) : (pstate & PSR_MODE32) != 0)
		return false;
	if (!take_sample(vcpu, spe, el, now)) {
		spe->since = 0;
		return false;
	}
	spe->since = timer_counter();
	timer_move_alarm(vcpu, spe->since + spe->period);
	return true;
}

/*
 * If the way from an alarm to the guest and back takes longer than the interval, each entry ends
 * with the next alarm, and a pending interrupt of the host's would never be seen. So if the guest
 * makes no progress and an interrupt is pending (vcpu_host_waits()), the exit takes the long path.
 */
static __always_inline enum vcpu_action exit_by_irq(struct vcpu *vcpu)
{
	if (unlikely(!sample_alarm(vcpu)))
		return spe_emul_exit(vcpu, true);
	if (likely(!vcpu_host_waits(vcpu)))
		return VCPU_AT_ONCE;
	vcpu->spe->since = 0; /* the time up to now is counted */
	return spe_emul_exit(vcpu, true);
}

enum vcpu_action spe_sample_exit(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	return kind == GUEST_IRQ ? exit_by_irq(vcpu) : spe_emul_exit(vcpu, false);
}
