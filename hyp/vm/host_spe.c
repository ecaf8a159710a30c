// SPDX-License-Identifier: BSD-2-Clause
/* The host's profiling while a guest has the CPU. See host_spe.h. */
#include <arch/sysreg.h>
#include <cpu/spe_unit.h>
#include <vm/host_spe.h>

void host_spe_online(struct host_spe *host)
{
	struct spe_unit_id id;

	spe_unit_identify(&id);
	*host = (struct host_spe){
		.usable = id.version,
		.inverse = id.version >= SPE_VERSION_INVERSE,
	};
}

void host_spe_leave(struct host_spe *host)
{
	host->pmblimitr = read_sysreg(ASM_REG(PMBLIMITR_EL1));
	if (!(host->pmblimitr & PMBLIMITR_E))
		return;
	spe_unit_drain();
	spe_unit_disable();
}

/* Saving includes a pending event of the host (PMBSR_EL1.S), and with it its interrupt. */
void host_spe_take(struct host_spe *host)
{
	if (host->taken)
		return;
	spe_unit_save(&host->regs, host->inverse);
	host->taken = true;
}

void host_spe_return(struct host_spe *host)
{
	if (host->taken)
		spe_unit_load(&host->regs, host->inverse);
	else if (!(host->pmblimitr & PMBLIMITR_E))
		return;
	host->taken = false;
	spe_unit_enable(host->pmblimitr);
}
