// SPDX-License-Identifier: BSD-2-Clause
/* The host's trace and branch records while a guest has the CPU. See host_trace.h. */
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <arch/trace_buffer.h>
#include <cpu/percpu.h>
#include <lib/esr.h>
#include <vm/host_trace.h>
#include <vm/switch.h>

void host_trace_online(struct host_trace *trace, const struct cpu_id_regs *id)
{
	bool fgt = cpu_id_field(id, ID_MMFR0_FGT) >= 1;

	*trace = (struct host_trace){
		.has_filter = cpu_id_field(id, ID_DFR0_TraceFilt) >= 1,
		.has_branches = fgt && cpu_id_field(id, ID_DFR0_BRBE) >= 1,
	};
	if (cpu_id_field(id, ID_DFR0_TraceBuffer) >= 1)
		trace->buffer = !(read_sysreg(ASM_REG(TRBIDR_EL1)) & TRBIDR_P);
	trace->used = trace->buffer;
	this_cpu()->trace_buffer = trace->buffer;
}

void host_trace_leave(struct host_trace *trace)
{
	if (trace->branches) {
		trace->brbcr = read_el1_brbcr();
		write_el1_brbcr(0);
	}
	if (trace->filter) {
		trace->trfcr = read_el1_trfcr();
		write_el1_trfcr(0);
		isb();
	}
	if (trace->buffer)
		trace->trblimitr = trace_buffer_stop();
}

void host_trace_return(const struct host_trace *trace)
{
	if (trace->buffer && trace->trblimitr)
		trace_buffer_start(trace->trblimitr);
	if (trace->filter)
		write_el1_trfcr(trace->trfcr);
	if (trace->branches)
		write_el1_brbcr(trace->brbcr);
}

/* ---- the host's first access ---- */

static u64 is_sysreg_of(u64 esr, unsigned int op0, unsigned int op1)
{
	return FIELD_GET(ESR_SYS64_OP0, esr) == op0 && FIELD_GET(ESR_SYS64_OP1, esr) == op1;
}

static bool is_trfcr(u64 esr)
{
	return is_sysreg_of(esr, 3, 0) && FIELD_GET(ESR_SYS64_CRN, esr) == 1 &&
	       FIELD_GET(ESR_SYS64_CRM, esr) == 2 && FIELD_GET(ESR_SYS64_OP2, esr) == 1;
}

/* BRB*_EL1 are op0 2, op1 1, CRn 8 and 9; BRB IALL and BRB INJ are op0 1, op1 1, CRn 7, CRm 2. */
static bool is_brbe(u64 esr)
{
	u64 crn = FIELD_GET(ESR_SYS64_CRN, esr);

	return (is_sysreg_of(esr, 2, 1) && (crn == 8 || crn == 9)) ||
	       (is_sysreg_of(esr, 1, 1) && crn == 7 && FIELD_GET(ESR_SYS64_CRM, esr) == 2);
}

/*
 * Change the host's controls, in the registers and in their saved copies. Return: false if EL3
 * withholds the register: the access is UNDEFINED for the host, as without Keel.
 */
static bool open_filter(struct vm_cpu *cpu)
{
	if (!try_write_sysreg(0, ASM_REG(TRFCR_EL2)))
		return false;
	cpu->mdcr = read_sysreg(mdcr_el2) & ~MDCR_TTRF;
	write_sysreg(cpu->mdcr, mdcr_el2);
	cpu->trace.filter = true;
	return true;
}

static bool open_branches(struct vm_cpu *cpu)
{
	if (!try_write_sysreg(0, ASM_REG(BRBCR_EL2)))
		return false;
	cpu->hdfgrtr = read_sysreg(ASM_REG(HDFGRTR_EL2)) | HDFGRTR_BRBE;
	cpu->hdfgwtr = read_sysreg(ASM_REG(HDFGWTR_EL2)) | HDFGWTR_BRBE;
	cpu->hfgitr = read_sysreg(ASM_REG(HFGITR_EL2)) | HFGITR_BRBE;
	write_sysreg(cpu->hdfgrtr, ASM_REG(HDFGRTR_EL2));
	write_sysreg(cpu->hdfgwtr, ASM_REG(HDFGWTR_EL2));
	write_sysreg(cpu->hfgitr, ASM_REG(HFGITR_EL2));
	cpu->trace.branches = true;
	return true;
}

static bool open_either(struct vm_cpu *cpu, u64 esr)
{
	const struct host_trace *trace = &cpu->trace;

	if (trace->has_filter && !trace->filter && is_trfcr(esr))
		return open_filter(cpu);
	if (trace->has_branches && !trace->branches && is_brbe(esr))
		return open_branches(cpu);
	return false;
}

bool switch_host_trace(u64 esr)
{
	struct vm_cpu *cpu = this_vm_cpu();
	u64 elr = read_sysreg(elr_el2), spsr = read_sysreg(spsr_el2);

	if (!cpu)
		return false;
	if (open_either(cpu, esr)) {
		cpu->trace.used = true;
		return true;
	}
	/* The access may have been UNDEFINED, which has changed these registers. */
	write_sysreg(elr, elr_el2);
	write_sysreg(spsr, spsr_el2);
	return false;
}
