// SPDX-License-Identifier: BSD-2-Clause
/* Faults of EL2's own accesses. See own_fault.h. */
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <host/own_fault.h>
#include <lib/esr.h>
#include <mm/el2_map.h>
#include <vgic/vgic.h>
#include <vm/serror.h>
#include <vm/switch.h>

/*
 * End the run of the loaded guest: a maintenance interrupt for which the vGIC finds no cause goes
 * to the host. The redistributor itself may be what fails, with an uncontained error each time.
 */
static void leave_guest(const struct percpu *cpu)
{
	static bool leaving[KEEL_MAX_CPUS];

	if (!cpu->vm_cpu->vcpu || !cpu->gicr || leaving[cpu->id])
		return;
	leaving[cpu->id] = true;
	gicr_set_pending(cpu->gicr, VGIC_PPI_MAINTENANCE);
	leaving[cpu->id] = false;
}

static void pend_host_serror(u64 esr)
{
	const struct percpu *cpu = this_cpu();

	if (!cpu || !cpu->vm_cpu || abort_is_contained(esr, cpu->ras))
		return;
	switch_host_serror(serror_esr_uncontained());
	leave_guest(cpu);
}

bool own_fault_mend(const struct extable_row *rows, size_t n, u64 esr, u64 far, u64 *pc)
{
	static struct ratelimit limit;
	u64 at = *pc;

	if (!extable_fixup(rows, n, esr, at, pc))
		return false;
	/* code that waits for an SError, or probes a register, logs by itself */
	if (esr_ec(esr) != ESR_EC_DABT_CUR)
		return true;
	hw_error(HW_EL2_FAULTS);
	log_limited(&limit, LOG_WARN,
		    "EL2 met memory that faults: ESR_EL2 %#lx, FAR_EL2 %#lx, PA %#lx, pc %#lx", esr,
		    far, el2_physical(far), at);
	pend_host_serror(esr);
	return true;
}
