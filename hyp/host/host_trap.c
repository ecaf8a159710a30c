// SPDX-License-Identifier: BSD-2-Clause
/*
 * Exceptions from the host, by exception class (ARM DDI 0487, ESR_EL2.EC):
 *
 *	HVC #0                    host_hypercall()
 *	SMC                       smc_policy(): mediated, forwarded, or NOT_SUPPORTED
 *	translation fault         host_mem_fault() maps a device or zeros: repeated
 *	                          access_gic(): a register of the ITS or of an RD frame: emulated
 *	                          else refused: an abort at EL1
 *	permission fault          refused: an abort at EL1
 *	external abort on a walk  passed on to EL1
 *	ID register               read as the host is to see it
 *	FP, SVE, SME, trace       the host's registers come back, and the instruction is repeated
 *	all others                UNDEFINED at EL1, and logged
 *
 * The host can cause each of these at any time, so none stops the machine, and what is logged is
 * logged at a limited rate.
 */
#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/smc.h>
#include <arch/sysreg.h>
#include <cpu/errata.h>
#include <cpu/features.h>
#include <cpu/hw_errors.h>
#include <cpu/inject.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <host/host.h>
#include <host/host_features.h>
#include <host/host_gic.h>
#include <host/host_mem.h>
#include <keel/hypercall.h>
#include <lib/esr.h>
#include <lib/smccc.h>
#include <trap/mmio.h>
#include <vm/switch.h>

typedef void host_trap_handler_t(struct host_regs *regs, u64 esr);

struct psci host_psci;
struct optee host_optee;

static const struct option_smc no_smcs;
static const struct option_smc *allowed_smcs = &no_smcs;
static bool firmware_smc;

void host_set_firmware(bool smc)
{
	firmware_smc = smc;
}

void host_allow_smcs(const struct option_smc *allow)
{
	allowed_smcs = allow;
}

/* Which bits of PSTATE this CPU has, by its ID registers. */
static struct pstate_features this_pstate_features(void)
{
	u64 mmfr1 = read_sysreg(id_aa64mmfr1_el1), mmfr2 = read_sysreg(ASM_REG(ID_AA64MMFR2_EL1));
	u64 pfr1 = read_sysreg(id_aa64pfr1_el1);

	return (struct pstate_features){
		.pan = ID_FIELD_GET(MMFR1_PAN, mmfr1) != 0,
		.uao = ID_FIELD_GET(MMFR2_UAO, mmfr2) != 0,
		.ssbs = ID_FIELD_GET(PFR1_SSBS, pfr1) != 0,
		.mte = ID_FIELD_GET(PFR1_MTE, pfr1) >= 2,
		.nmi = ID_FIELD_GET(PFR1_NMI, pfr1) != 0,
	};
}

/* Make EL1 take a synchronous exception at the instruction that trapped. */
static void inject_sync(u64 esr, u64 far)
{
	struct pstate_features has = this_pstate_features();
	u64 spsr = read_sysreg(spsr_el2);
	struct el1_entry entry = el1_exception_entry(spsr, read_el1_sctlr(), &has);

	write_el1_elr(read_sysreg(elr_el2));
	write_el1_spsr(spsr);
	write_el1_esr(esr);
	write_el1_far(far);
	write_sysreg(read_el1_vbar() + entry.vector, elr_el2);
	write_sysreg(entry.pstate, spsr_el2);
}

static enum host_access host_access_of(u64 esr)
{
	if (esr & ESR_S1PTW)
		return HOST_WALK;
	if (esr_ec(esr) == ESR_EC_IABT_LOWER)
		return HOST_FETCH;
	return esr & ESR_WNR ? HOST_WRITE : HOST_READ;
}

/* An access to memory that is not the host's: an abort in the host, counted and logged. */
static void refuse_host_access(u64 esr, u64 far, struct ipa ipa)
{
	static struct ratelimit limit;
	static const char *const names[] = {
		[HOST_READ] = "read",
		[HOST_WRITE] = "write",
		[HOST_FETCH] = "fetch",
		[HOST_WALK] = "table walk",
	};

	host_count(KEEL_STAT_HOST_ABORTS);
	log_limited(&limit, LOG_WARN, "host %s of %#lx (%s) refused: CPU %u, pc %#lx",
		    names[host_access_of(esr)], ipa.v, host_mem_describe(ipa), this_cpu()->id,
		    read_sysreg(elr_el2));
	inject_sync(el1_refusal_esr(esr, read_sysreg(spsr_el2)), far);
}

/*
 * HCR_EL2.TEA is 0 for the host, so external aborts come here only from walks of its stage 2, whose
 * tables are Keel's. The host's kernel handles it as any other external abort.
 */
static void return_external_abort(u64 esr, u64 far)
{
	static struct ratelimit limit;

	hw_error(HW_EL2_FAULTS);
	log_limited(&limit, LOG_WARN,
		    "host: external abort on a walk of stage 2, ESR_EL2 %#lx, FAR_EL2 %#lx, CPU %u",
		    esr, far, this_cpu()->id);
	inject_sync(el1_external_abort_esr(esr, read_sysreg(spsr_el2)), far);
}

/* Expected (host_mem_fault()), so it is information only. */
static void log_zeros_read(struct ipa ipa)
{
	static struct ratelimit limit;

	log_limited(&limit, LOG_INFO, "host read of %#lx (%s) finds zeros: CPU %u, pc %#lx", ipa.v,
		    host_mem_describe(ipa), this_cpu()->id, read_sysreg(elr_el2));
}

/* A translation fault: map what the host may access. Return: whether the access can be repeated. */
static bool map_missing(struct ipa ipa, u64 esr)
{
	int ret = host_mem_fault(ipa, host_access_of(esr));

	if (ret == HOST_MEM_ZEROS)
		log_zeros_read(ipa);
	return ret >= 0;
}

/*
 * Advance to the next instruction, with PSTATE as if this one had been executed (D1.3). Data
 * aborts, trapped SMCs (D1.3.6.4) and register accesses leave ELR_EL2 at the instruction.
 */
static void finish_instruction(void)
{
	write_sysreg(read_sysreg(elr_el2) + 4, elr_el2);
	write_sysreg(read_sysreg(spsr_el2) & ~(PSR_SS | PSR_BTYPE), spsr_el2);
}

/*
 * Emulate an access to a register of the interrupt controller that is EL2's. Return: false if it is
 * none, or if the syndrome does not describe the access. (AArch32 is left out: its instructions
 * have no fixed length.)
 */
static bool access_gic(struct host_regs *regs, u64 esr, struct ipa ipa)
{
	struct mmio_access access;
	u64 data = 0;
	enum host_gic_result result;

	if (esr_ec(esr) != ESR_EC_DABT_LOWER || (read_sysreg(spsr_el2) & PSR_MODE32) ||
	    !mmio_decode(esr, read_sysreg(spsr_el2), read_el1_sctlr(), &access))
		return false;
	if (access.write && access.rt != 31)
		data = mmio_store_data(&access, regs->x[access.rt]);
	result = host_gic_access(ipa, &access, &data);
	if (result == HOST_GIC_FAULTED) {
		inject_sync(el1_external_abort_esr(esr, read_sysreg(spsr_el2)),
			    read_sysreg(far_el2));
		return true;
	}
	if (result != HOST_GIC_DONE)
		return result == HOST_GIC_AGAIN;
	if (!access.write && access.rt != 31)
		regs->x[access.rt] = mmio_load_value(&access, data);
	finish_instruction();
	return true;
}

/*
 * Translate @va by the host's stage 1. Return: false if it faults. The walk can take an exception
 * at EL2, which overwrites ELR_EL2 and SPSR_EL2: these hold the host's return state and are
 * restored.
 */
static bool ask_stage1(u64 va, u64 *page)
{
	u64 elr = read_sysreg(elr_el2), spsr = read_sysreg(spsr_el2);
	u64 saved = read_par(), par;
	bool done = at_s1e1r(va);

	isb();
	par = read_par();
	write_sysreg(saved, par_el1);
	if (!done) {
		write_sysreg(elr, elr_el2);
		write_sysreg(spsr, spsr_el2);
	}
	if (!done || (par & PAR_F))
		return false;
	*page = par & PAR_PA;
	return true;
}

/*
 * The IPA of a fault. HPFAR_EL2 is valid for translation and access flag faults, and on stage 1
 * walks. For the host's other faults (a write to the zero page, a fetch from a device) stage 1
 * translates the address again; the IPA is only logged then, so a stage 1 that has changed since
 * does no harm.
 */
static struct ipa host_fault_ipa(u64 esr, u64 far)
{
	u64 type = esr & ESR_FSC_TYPE, page;

	page = FIELD_GET(HPFAR_FIPA, read_sysreg(hpfar_el2)) << 12;
	if (type == ESR_FSC_PERMISSION && !(esr & ESR_S1PTW))
		(void)ask_stage1(far, &page);
	return IPA(page | (far & (SZ_4K - 1)));
}

static void host_handle_abort(struct host_regs *regs, u64 esr)
{
	u64 far = read_sysreg(far_el2);
	struct ipa ipa;

	if (esr_fsc(esr) == ESR_FSC_TLB_CONFLICT) {
		host_mem_tlb_conflict();
		return;
	}
	if (esr_fsc_is_external(esr_fsc(esr))) {
		return_external_abort(esr, far);
		return;
	}
	ipa = host_fault_ipa(esr, far);
	if ((esr & ESR_FSC_TYPE) == ESR_FSC_TRANSLATION && map_missing(ipa, esr))
		return;
	if ((esr & ESR_FSC_TYPE) == ESR_FSC_TRANSLATION && access_gic(regs, esr, ipa))
		return;
	refuse_host_access(esr, far, ipa);
}

static void host_handle_hvc(struct host_regs *regs, u64 esr)
{
	if (FIELD_GET(ESR_IMM16, esr) == 0)
		host_hypercall(regs);
	else
		regs->x[0] = (u64)SMCCC_RET_NOT_SUPPORTED;
}

/* Shows a user who misses a service of the firmware which value keel.smc needs. */
static void log_refused_smc(u32 fid)
{
	static struct ratelimit limit;

	log_limited(&limit, LOG_WARN, "host SMC %#x refused: keel.smc does not allow it", fid);
}

static void host_handle_smc(struct host_regs *regs, u64 esr)
{
	struct smccc_regs *smccc = (struct smccc_regs *)regs->x;

	finish_instruction();
	host_count(KEEL_STAT_SMCS);
	if (!firmware_smc || FIELD_GET(ESR_IMM16, esr) != 0) {
		regs->x[0] = (u64)SMCCC_RET_NOT_SUPPORTED;
		return;
	}
	switch (smc_policy(allowed_smcs, (u32)regs->x[0])) {
	case SMC_PSCI:
		if (psci_handle(&host_psci, this_cpu()->id, smccc))
			return;
		break;
	case SMC_FORWARD:
		arch_smc(smccc->x);
		return;
	case SMC_ASK:
		if (optee_handle(&host_optee, smccc))
			return;
		log_refused_smc((u32)regs->x[0]);
		break;
	case SMC_DENY:
		break;
	}
	regs->x[0] = (u64)SMCCC_RET_NOT_SUPPORTED;
}

/* Keel lets nothing else trap. If a CPU traps more, the instruction is UNDEFINED to the host. */
static void host_handle_other(struct host_regs *regs, u64 esr)
{
	static struct ratelimit limit;
	char text[ESR_DESCRIBE_MAX];

	(void)regs;
	esr_describe(text, sizeof(text), esr);
	log_limited(&limit, LOG_WARN, "unexpected trap from the host: %s, pc %#lx", text,
		    read_sysreg(elr_el2));
	inject_sync(el1_undef_esr(), read_sysreg(far_el2));
}

/* The host uses floating point after a guest did: its registers are restored only now. */
static void host_handle_fp(struct host_regs *regs, u64 esr)
{
	if (!switch_host_fp())
		host_handle_other(regs, esr);
}

/* MRS of S3_0_C0_C1..C7_*: HCR_EL2.TID3. */
static bool is_id_read(u64 esr)
{
	return (esr & ESR_SYS64_READ) && FIELD_GET(ESR_SYS64_OP0, esr) == 3 &&
	       !(esr & (ESR_SYS64_OP1 | ESR_SYS64_CRN)) && FIELD_GET(ESR_SYS64_CRM, esr) >= 1 &&
	       FIELD_GET(ESR_SYS64_CRM, esr) <= 7;
}

static void finish_read(struct host_regs *regs, u64 esr, u64 value)
{
	u64 rt = FIELD_GET(ESR_SYS64_RT, esr);

	if (rt != 31) /* XZR */
		regs->x[rt] = value;
	finish_instruction();
}

static void host_read_id(struct host_regs *regs, u64 esr)
{
	finish_read(regs, esr,
		    host_features_read((unsigned int)FIELD_GET(ESR_SYS64_CRM, esr),
				       (unsigned int)FIELD_GET(ESR_SYS64_OP2, esr)));
}

/* MRS or MSR of S3_<op1>_C11 and C15: IMPLEMENTATION DEFINED. */
static bool is_implementation_defined(u64 esr)
{
	u64 crn = FIELD_GET(ESR_SYS64_CRN, esr);

	return FIELD_GET(ESR_SYS64_OP0, esr) == 3 && (crn == 11 || crn == 15);
}

/*
 * ACTLR_EL2 is zero, so on many CPUs these registers trap from EL1. Drivers of the host (of the
 * DSU's counters, for one) use them because the device tree says that they exist, and do not expect
 * an UNDEFINED instruction. So they read as zero and ignore writes.
 */
static void access_razwi(struct host_regs *regs, u64 esr)
{
	if (esr & ESR_SYS64_READ)
		finish_read(regs, esr, 0);
	else
		finish_instruction();
}

/* A trapped MSR, MRS or system instruction. */
static void host_handle_sysreg(struct host_regs *regs, u64 esr)
{
	if (is_id_read(esr))
		host_read_id(regs, esr);
	else if (is_implementation_defined(esr))
		access_razwi(regs, esr);
	else if (!switch_host_trace(esr))
		host_handle_other(regs, esr);
}

static host_trap_handler_t *const handlers[ESR_EC_COUNT] = {
	[ESR_EC_HVC64] = host_handle_hvc,	 [ESR_EC_SMC64] = host_handle_smc,
	[ESR_EC_FP_ASIMD] = host_handle_fp,	 [ESR_EC_SVE] = host_handle_fp,
	[ESR_EC_SME] = host_handle_fp,		 [ESR_EC_SYS64] = host_handle_sysreg,
	[ESR_EC_IABT_LOWER] = host_handle_abort, [ESR_EC_DABT_LOWER] = host_handle_abort,
};

void host_trap(struct host_regs *regs)
{
	u64 esr = read_sysreg(esr_el2);
	host_trap_handler_t *handler = handlers[esr_ec(esr)];

	if (panic_in_progress())
		panic_stop_cpu();
	(handler ? handler : host_handle_other)(regs, esr);
}
