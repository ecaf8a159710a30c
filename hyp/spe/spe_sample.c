// SPDX-License-Identifier: BSD-2-Clause
/* One sample. See spe_sample.h. */
#include <arch/el1.h>
#include <arch/timer.h>
#include <cpu/el2_regs.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <spe/spe_buffer.h>
#include <spe/spe_filter.h>
#include <spe/spe_guest.h>
#include <spe/spe_insn.h>
#include <spe/spe_packet.h>
#include <spe/spe_sample.h>
#include <spe/spe_vcpu.h>
#include <vm/run.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

/* TCR_EL1 (D24.2.170) */
#define TCR_T0SZ_BITS GENMASK(5, 0)
#define TCR_T1SZ_BITS GENMASK(21, 16)
#define TCR_TBI0      BIT(37)
#define TCR_TBI1      BIT(38)

#define ZCR_LEN GENMASK(3, 0)

/* A sampled instruction. */
struct sample {
	struct vcpu *vcpu;
	struct spe_regs *regs;
	unsigned int el;
	struct spe_cpu cpu;
	struct spe_insn insn;
	struct spe_record record;
};

/* ---- the guest's state ---- */

/* In quadwords, as ZCR_EL1 has it: lengths that there are not round down (ZCR_EL1.LEN). */
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

static void look_at_translation(struct vcpu *vcpu, struct spe_cpu *cpu)
{
	u64 tcr = vcpu_read_sysreg(vcpu, TCR_EL1);

	cpu->va_bits[0] = (u8)(64 - FIELD_GET(TCR_T0SZ_BITS, tcr));
	cpu->va_bits[1] = (u8)(64 - FIELD_GET(TCR_T1SZ_BITS, tcr));
	cpu->tbi[0] = tcr & TCR_TBI0;
	cpu->tbi[1] = tcr & TCR_TBI1;
}

static void look_at_cpu(struct vcpu *vcpu, struct spe_cpu *cpu)
{
	bool sp1 = (vcpu->regs.pstate & PSR_MODE_MASK) == PSR_MODE_EL1h;

	memcpy(cpu->x, vcpu->regs.x, sizeof(cpu->x));
	cpu->pc = vcpu->regs.pc;
	cpu->pstate = vcpu->regs.pstate;
	cpu->sp = vcpu_read_sysreg(vcpu, sp1 ? SP_EL1 : SP_EL0);
	cpu->elr = vcpu_read_sysreg(vcpu, ELR_EL1);
	cpu->vl = vcpu->features & BIT(VCPU_SVE) ? 16 * vector_quads(vcpu) : 0;
	look_at_translation(vcpu, cpu);
}

/* ---- what is recorded ---- */

static bool is_data(const struct spe_insn *insn)
{
	return insn->class >= SPE_INSN_LOAD && insn->class <= SPE_INSN_LOAD_ATOMIC;
}

static void add(struct spe_record *record, enum spe_address which, u64 payload)
{
	record->has |= SPE_HAS_ADDR(which);
	record->addr[which] = payload;
}

static void describe_data(struct sample *s)
{
	u64 va, ipa;

	if (!is_data(&s->insn) || !spe_insn_address(&s->insn, &s->cpu, &va))
		return;
	add(&s->record, SPE_ADDR_VA, spe_address_va(va, s->cpu.tbi[va >> 55 & 1]));
	if (spe_insn_misaligned(&s->insn, va))
		s->record.events |= SPE_EVENT_MISALIGNED;
	if ((s->regs->pmscr & PMSCR_PA) && spe_guest_ipa(s->vcpu, va, s->el, &ipa))
		add(&s->record, SPE_ADDR_PA, spe_address_pa(ipa));
}

/* Where a branch leads: an ERET to what SPSR_EL1 says. */
static unsigned int target_el(const struct sample *s)
{
	u64 mode;

	if (s->insn.rn != SPE_INSN_ELR)
		return s->el;
	mode = vcpu_read_sysreg(s->vcpu, SPSR_EL1);
	return !(mode & PSR_MODE32) && (mode & PSR_MODE_MASK) != PSR_MODE_EL0t;
}

static void describe_branch(struct sample *s)
{
	u64 target;

	if (!spe_insn_holds(&s->insn, &s->cpu))
		s->record.events |= SPE_EVENT_NOT_TAKEN;
	else if (spe_insn_target(&s->insn, &s->cpu, &target))
		add(&s->record, SPE_ADDR_TARGET, spe_address_code(target, target_el(s)));
}

static void describe(struct sample *s)
{
	struct spe_record *record = &s->record;

	record->events = SPE_EVENT_RETIRED;
	add(record, SPE_ADDR_PC, spe_address_code(s->cpu.pc, s->el));
	describe_data(s);
	describe_branch(s);
	record->has |= SPE_HAS_COUNTER(SPE_COUNTER_TOTAL);
	record->counter[SPE_COUNTER_TOTAL] = spe_filter_unknown_latency(s->regs);
	if (s->regs->pmscr & PMSCR_CX) {
		record->has |= SPE_HAS_CONTEXT_EL1;
		record->context_el1 = (u32)vcpu_read_sysreg(s->vcpu, CONTEXTIDR_EL1);
	}
	if (s->regs->pmscr & PMSCR_TS) {
		record->has |= SPE_HAS_TIMESTAMP;
		record->timestamp = timer_counter() - s->vcpu->vm->cntvoff;
	}
	spe_insn_operation(&s->insn, s->cpu.vl * 8, &record->op_class, &record->op_sub);
}

static u64 operation(const struct spe_insn *insn)
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

/* Memory copies are whichever of the two the filter asks for. */
static bool stores_alone(const struct spe_regs *regs)
{
	return (regs->pmsfcr & PMSFCR_FT) && (regs->pmsfcr & PMSFCR_ST) &&
	       !(regs->pmsfcr & PMSFCR_LD);
}

/* ---- the buffer ---- */

/* Memory of the VM that is not mapped yet: asked for once; if it is not there then, it is not. */
static void memory_missing(struct spe_vcpu *spe, u64 ipa)
{
	spe->dropped++;
	ipa = ALIGN_DOWN(ipa, SZ_4K);
	if (spe->missing && spe->missing_ipa == ipa) {
		spe->missing = false;
		spe_buffer_abort(&spe->regs);
		return;
	}
	spe->missing = true;
	spe->missing_ipa = ipa;
	spe->ask = true;
}

static void write(struct vcpu *vcpu, u64 va, const u64 record[SPE_RECORD_WORDS])
{
	struct spe_vcpu *spe = vcpu->spe;
	u64 info = 0;

	switch (spe_guest_write(vcpu, va, record, &info)) {
	case SPE_WRITE_DONE:
		spe->missing = false;
		spe->samples++;
		spe_buffer_written(&spe->regs);
		return;
	case SPE_WRITE_FAULT:
		spe_buffer_fault(&spe->regs, 1, (u32)info);
		return;
	case SPE_WRITE_MISSING:
		memory_missing(spe, info);
		return;
	default:
		spe_buffer_abort(&spe->regs);
		return;
	}
}

static void record(struct sample *s)
{
	u64 words[SPE_RECORD_WORDS], va;

	if (spe_buffer_place(s->regs, &va) != SPE_PLACE_WRITE)
		return;
	if (!spe_record_build(&s->record, words))
		write(s->vcpu, va, words);
}

void spe_sample(struct vcpu *vcpu)
{
	struct sample s = { .vcpu = vcpu, .regs = &vcpu->spe->regs };
	bool aarch32 = vcpu->regs.pstate & PSR_MODE32;
	u32 word = 0; /* UDF: "other" */

	s.el = (vcpu->regs.pstate & PSR_MODE_MASK) != PSR_MODE_EL0t;
	if (!spe_enabled_at(s.regs, s.el, aarch32))
		return;
	look_at_cpu(vcpu, &s.cpu);
	(void)spe_guest_fetch(vcpu, s.cpu.pc, &word);
	spe_insn_decode(word, &s.insn);
	if (stores_alone(s.regs))
		spe_insn_as_store(&s.insn);
	describe(&s);
	if (spe_filter_keep(s.regs, s.record.events, operation(&s.insn),
			    s.record.counter[SPE_COUNTER_TOTAL]))
		record(&s);
	spe_vcpu_update_irq(vcpu);
}
