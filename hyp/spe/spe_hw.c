// SPDX-License-Identifier: BSD-2-Clause
/* SPE by the CPUs' own profiling units. See spe_hw.h. */
#include <arch/sysreg.h>
#include <keel/spe.h>
#include <lib/esr.h>
#include <spe/spe_hw.h>
#include <spe/spe_provider.h>
#include <spe/spe_vcpu.h>
#include <vm/run.h>
#include <vm/switch.h>

/* Fields of PMSIDR_EL1 that guests may see: those of FEAT_SPEv1p2. */
#define PMSIDR_OFFERED                                                                      \
	(PMSIDR_FE | PMSIDR_FT | PMSIDR_FL | PMSIDR_ARCHINST | PMSIDR_LDS | PMSIDR_ERND |   \
	 PMSIDR_FNE | PMSIDR_INTERVAL | PMSIDR_MAXSIZE | PMSIDR_COUNTSIZE | PMSIDR_FORMAT | \
	 PMSIDR_PBT | PMSIDR_CRR)

/*
 * PMSEVFR_EL1: events by the version that added them; the first has IMPLEMENTATION DEFINED ones too
 */
#define EVENTS_V1P0                                                                          \
	(SPE_EVENT_RETIRED | SPE_EVENT_L1D_REFILL | SPE_EVENT_TLB_WALK | SPE_EVENT_MISPRED | \
	 GENMASK(15, 12) | GENMASK(31, 24) | GENMASK(63, 48))
#define EVENTS_V1P1 SPE_EVENT_MISALIGNED
#define EVENTS_SVE  (SPE_EVENT_PRED_PARTIAL | SPE_EVENT_PRED_EMPTY) /* and FEAT_SPEv1p1 */
#define EVENTS_V1P2 SPE_EVENT_NOT_TAKEN

/* Granule protection check fault, on a write to the buffer */
#define PMBSR_EC_GPC 0x1e

/* PMSIDR_EL1.CountSize: counters of 16 bits, and not of 12 */
#define COUNTSIZE_16 3

/* What all CPUs have, reduced to what guests see. */
static struct spe_unit_id unit;
static unsigned int guest_version;
static u64 guest_events;

static unsigned int unit_version(void)
{
	return guest_version;
}

/* ---- the unit ---- */

/*
 * PMBSR_EL1 as the guest sees it. A fault of the VM's stage 2, or a granule protection fault, does
 * not exist in a VM without a stage 2 of its own: it becomes a synchronous External abort, as in
 * the emulation. All memory of such a VM is mapped, so the guest used an address without memory.
 */
static u64 pmbsr_for_guest(u64 pmbsr)
{
	u64 ec = FIELD_GET(PMBSR_EC, pmbsr);

	if (ec == PMBSR_EC_S2 || ec == PMBSR_EC_GPC)
		pmbsr = (pmbsr & ~(PMBSR_EC | PMBSR_MSS)) | FIELD_PREP(PMBSR_EC, PMBSR_EC_S1) |
			FIELD_PREP(PMBSR_MSS, ESR_FSC_EXTABT) | PMBSR_EA;
	return pmbsr & PMBSR_BITS;
}

static void start_unit(struct vcpu *vcpu)
{
	struct host_spe *host = &this_vm_cpu()->spe;
	const struct spe_regs *regs = &vcpu->spe->regs;

	host_spe_take(host);
	spe_unit_load(regs, host->inverse);
	spe_unit_enable(regs->pmblimitr);
	vcpu->spe->running = true;
}

/*
 * Take the registers out of the unit. An event becomes the vCPU's, with its interrupt; it is
 * cleared in the unit, or it would interrupt the host.
 */
static void stop_unit(struct vcpu *vcpu)
{
	struct spe_regs *regs = &vcpu->spe->regs;

	spe_unit_drain();
	regs->pmbptr = read_sysreg(ASM_REG(PMBPTR_EL1));
	regs->pmsicr = read_sysreg(ASM_REG(PMSICR_EL1));
	regs->pmbsr = pmbsr_for_guest(read_sysreg(ASM_REG(PMBSR_EL1)));
	spe_unit_disable();
	vcpu->spe->running = false;
	if (!spe_irq(regs))
		return;
	write_sysreg(0, ASM_REG(PMBSR_EL1));
	spe_vcpu_update_irq(vcpu);
}

static void stop_unit_if_running(struct vcpu *vcpu)
{
	if (vcpu->spe->running)
		stop_unit(vcpu);
}

/* ---- registers ---- */

static u64 unit_events(const struct spe_regs *regs)
{
	return guest_events & ~(regs->sve ? 0 : EVENTS_SVE);
}

static bool unit_has(u64 bit)
{
	return unit.pmsidr & bit;
}

/* PMSFCR_EL1: the bits of a filter that the unit does not have are RES0. */
static u64 pmsfcr_bits(void)
{
	return (unit_has(PMSIDR_FE) ? PMSFCR_FE : 0) | (unit_has(PMSIDR_FL) ? PMSFCR_FL : 0) |
	       (unit_has(PMSIDR_FT) ? PMSFCR_FT | PMSFCR_B | PMSFCR_LD | PMSFCR_ST : 0) |
	       (unit_has(PMSIDR_FNE) ? PMSFCR_FNE : 0);
}

/* Bits of a register that are not RES0 to the VM. PMBLIMITR_EL1.PMFZ is: the VM has no PMU. */
static u64 writable_unit_bits(const struct spe_regs *regs, u32 encoding)
{
	switch (encoding) {
	case REG_NUM(PMSCR_EL1):
		return PMSCR_BITS;
	case REG_NUM(PMSNEVFR_EL1):
		return unit_has(PMSIDR_FNE) ? unit_events(regs) : 0;
	case REG_NUM(PMSICR_EL1):
		return PMSICR_COUNT | (unit_has(PMSIDR_ERND) ? PMSICR_ECOUNT : 0);
	case REG_NUM(PMSIRR_EL1):
		return PMSIRR_INTERVAL | PMSIRR_RND;
	case REG_NUM(PMSFCR_EL1):
		return pmsfcr_bits();
	case REG_NUM(PMSEVFR_EL1):
		return unit_has(PMSIDR_FE) ? unit_events(regs) : 0;
	case REG_NUM(PMSLATFR_EL1):
		return FIELD_GET(PMSIDR_COUNTSIZE, unit.pmsidr) == COUNTSIZE_16 ? GENMASK(15, 0)
										: PMSLATFR_MINLAT;
	case REG_NUM(PMBLIMITR_EL1):
		return PMBLIMITR_LIMIT | PMBLIMITR_E |
		       (guest_version >= SPE_VERSION_INVERSE ? PMBLIMITR_FM : 0);
	case REG_NUM(PMBPTR_EL1):
		return ~(BIT(FIELD_GET(PMBIDR_ALIGN, unit.pmbidr)) - 1);
	default:
		return PMBSR_BITS;
	}
}

/* Whether the unit changes the register by itself. */
static bool unit_changes(u32 encoding)
{
	return encoding == REG_NUM(PMSICR_EL1) || encoding == REG_NUM(PMBPTR_EL1) ||
	       encoding == REG_NUM(PMBSR_EL1);
}

static bool unit_read(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	if (encoding == REG_NUM(PMSIDR_EL1)) {
		*value = unit.pmsidr;
		return true;
	}
	if (encoding == REG_NUM(PMBIDR_EL1)) {
		*value = unit.pmbidr;
		return true;
	}
	if (unit_changes(encoding))
		stop_unit_if_running(vcpu);
	return spe_reg_read(&vcpu->spe->regs, encoding, value);
}

static bool unit_write(struct vcpu *vcpu, u32 encoding, u64 value)
{
	struct spe_regs *regs = &vcpu->spe->regs;
	u64 *storage = spe_reg_storage(regs, encoding);

	if (!storage)
		return false;
	stop_unit_if_running(vcpu);
	*storage = value & writable_unit_bits(regs, encoding);
	return true;
}

static void unit_reset(struct vcpu *vcpu)
{
	stop_unit_if_running(vcpu);
}

/* Accesses trap, so no breakpoint is needed. */
static void unit_interest(struct vcpu *vcpu)
{
	(void)vcpu;
}

const struct spe_ops spe_hw_ops = {
	.how = KEEL_SPE_HARDWARE,
	.version = unit_version,
	.reset = unit_reset,
	.read = unit_read,
	.write = unit_write,
	.interest = unit_interest,
};

/* ---- the run loop ---- */

static enum vcpu_action unit_exited(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	(void)kind;
	if (vcpu->spe->running && (read_sysreg(ASM_REG(PMBSR_EL1)) & PMBSR_S))
		stop_unit(vcpu);
	return VCPU_NOT_MINE;
}

/*
 * If the run ends, take the registers out of the unit. That can write the record that fills the
 * buffer: then a vCPU that was about to sleep in WFI has an interrupt, and does not.
 */
static enum vcpu_action unit_handled(struct vcpu *vcpu, enum vcpu_action action)
{
	const enum vcpu_action sleeps = vcpu_to_host(KEEL_EXIT_WFI);

	if (action == VCPU_RESUME || !vcpu->spe->running)
		return action;
	stop_unit(vcpu);
	return action == sleeps && spe_irq(&vcpu->spe->regs) ? vcpu_to_host(KEEL_EXIT_IRQ) : action;
}

/* Profiling is off while an event is pending (spe_enabled_at()), so the unit stays off too. */
static enum vcpu_action unit_enter(struct vcpu *vcpu)
{
	const struct spe_vcpu *spe = vcpu->spe;

	if (spe->running ||
	    !(spe_enabled_at(&spe->regs, 0, false) || spe_enabled_at(&spe->regs, 1, false)))
		return VCPU_RESUME;
	if (spe->stop == KVM_ARM_VCPU_SPE_STOP_EXIT)
		return vcpu_to_host(KEEL_EXIT_SPE);
	if (!spe->stop)
		start_unit(vcpu);
	return VCPU_RESUME;
}

/* For a run that ended without unit_handled(), because an entry was abandoned. */
static void unit_put(struct vcpu *vcpu)
{
	if (vcpu->spe)
		stop_unit_if_running(vcpu);
}

void spe_hw_init(const struct spe_unit_id *machine)
{
	static const struct vcpu_hooks hooks = { .put = unit_put };
	static const struct exit_stage stage = {
		.wanted = spe_vcpu_has,
		.exit = unit_exited,
		.handled = unit_handled,
		.enter = unit_enter,
	};

	unit = *machine;
	guest_version = MIN(unit.version, (unsigned int)SPE_PMSVER);
	unit.pmsidr &= PMSIDR_OFFERED;
	if (guest_version < SPE_VERSION_INVERSE)
		unit.pmsidr &= ~(PMSIDR_FNE | PMSIDR_PBT | PMSIDR_CRR);
	guest_events = EVENTS_V1P0;
	if (guest_version >= 2)
		guest_events |= EVENTS_V1P1 | EVENTS_SVE;
	if (guest_version >= SPE_VERSION_INVERSE)
		guest_events |= EVENTS_V1P2;
	guest_events &= unit.events;
	vcpu_add_hooks(&hooks);
	exit_set_stage(EXIT_STAGE_SPE, &stage);
}
