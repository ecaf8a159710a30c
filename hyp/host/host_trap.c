// SPDX-License-Identifier: BSD-2-Clause
/*
 * What an exception from the host means, by exception class (ARM DDI 0487, ESR_EL2.EC).
 * The host can cause all of these at will: none stops the machine.
 */
#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/smc.h>
#include <arch/sysreg.h>
#include <cpu/errata.h>
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

/* ID registers of this CPU: PSTATE bits exist or not by what the CPU has. */
static struct pstate_features this_pstate_features(void)
{
	u64 mmfr1 = read_sysreg(id_aa64mmfr1_el1), mmfr2 = read_sysreg(ASM_REG(ID_AA64MMFR2_EL1));
	u64 pfr1 = read_sysreg(id_aa64pfr1_el1);

	return (struct pstate_features){
		.pan = (mmfr1 & GENMASK(23, 20)) != 0,
		.uao = (mmfr2 & GENMASK(7, 4)) != 0,
		.ssbs = (pfr1 & GENMASK(7, 4)) != 0,
		.mte = FIELD_GET(GENMASK(11, 8), pfr1) >= 2,
		.nmi = (pfr1 & GENMASK(39, 36)) != 0,
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

/* A host access outside of what it owns: an abort there, counted and logged. */
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
 * HCR_EL2.TEA is 0 for the host: what comes here is of a walk of its stage 2, whose tables are
 * Keel's. Its kernel decides, as of any other external abort.
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

/* Nothing that need worry anybody, so said once in a while. */
static void log_zeros_read(struct ipa ipa)
{
	static struct ratelimit limit;

	log_limited(&limit, LOG_INFO, "host read of %#lx (%s) finds zeros: CPU %u, pc %#lx", ipa.v,
		    host_mem_describe(ipa), this_cpu()->id, read_sysreg(elr_el2));
}

/* A translation fault, which can be cured by mapping. Return: whether it was. */
static bool map_missing(struct ipa ipa, u64 esr)
{
	int ret = host_mem_fault(ipa, host_access_of(esr));

	if (ret == HOST_MEM_ZEROS)
		log_zeros_read(ipa);
	return ret >= 0;
}

/* Data aborts, and trapped SMCs (D1.3.6.4), leave ELR_EL2 at the instruction. */
static void skip_instruction(void)
{
	write_sysreg(read_sysreg(elr_el2) + 4, elr_el2);
}

/*
 * A register of the interrupt controller that is EL2's. Return: false if it is none, or if the
 * syndrome does not say what the access is. AArch32's instructions have no fixed length.
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
	skip_instruction();
	return true;
}

/*
 * The page that the host's stage 1 has at @va, if it has one. The walk can fault at EL2, whose
 * registers still say where the host goes on.
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
 * HPFAR_EL2 is valid for translation and access flag faults and on a stage 1 walk; for
 * the host's other faults (a write where it reads zeros, a fetch from a device) stage 1 is asked.
 * The address is for the log alone then, so a stage 1 that changed meanwhile does no harm.
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

/* So that who misses a service of firmware's finds out what keel.smc is to say. */
static void log_refused_smc(u32 fid)
{
	static struct ratelimit limit;

	log_limited(&limit, LOG_WARN, "host SMC %#x refused: keel.smc does not allow it", fid);
}

static void host_handle_smc(struct host_regs *regs, u64 esr)
{
	struct smccc_regs *smccc = (struct smccc_regs *)regs->x;

	skip_instruction();
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

/* Nothing else is set to trap; a CPU that traps more gets the answer "no such instruction". */
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

/* The host uses floating point after a guest did: its registers come back now. */
static void host_handle_fp(struct host_regs *regs, u64 esr)
{
	if (!switch_host_fp())
		host_handle_other(regs, esr);
}

/* The next instruction, with the PSTATE that executing this one would have left: D1.3. */
static void finish_instruction(void)
{
	skip_instruction();
	write_sysreg(read_sysreg(spsr_el2) & ~(PSR_SS | PSR_BTYPE), spsr_el2);
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
 * ACTLR_EL2 is zero, which on many CPUs takes these from EL1. Drivers of the host (of the DSU's
 * counters, for one) use them because the device tree says that they are there, and have no way to
 * hear of an UNDEFINED instruction: to them they read as zero and ignore writes.
 */
static void inject_undefined(struct host_regs *regs, u64 esr)
{
	if (esr & ESR_SYS64_READ)
		finish_read(regs, esr, 0);
	else
		finish_instruction();
}

/* A system register, or an instruction of that kind, that traps. */
static void host_handle_sysreg(struct host_regs *regs, u64 esr)
{
	if (is_id_read(esr))
		host_read_id(regs, esr);
	else if (is_implementation_defined(esr))
		inject_undefined(regs, esr);
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
