// SPDX-License-Identifier: BSD-2-Clause
/* The host's profiling while a guest has the CPU. See spe_host.h. */
#include <arch/sysreg.h>
#include <spe/spe_host.h>
#include <spe/spe_unit.h>

void spe_host_online(struct spe_host *host)
{
	struct spe_unit_id id;

	spe_unit_identify(&id);
	*host = (struct spe_host){
		.usable = id.version,
		.inverse = id.version >= SPE_VERSION_INVERSE,
	};
}

void spe_host_leave(struct spe_host *host)
{
	host->pmblimitr = read_sysreg(SYS_PMBLIMITR_EL1);
	if (!(host->pmblimitr & PMBLIMITR_E))
		return;
	spe_unit_drain();
	spe_unit_disable();
}

/* An event that is pending for the host (PMBSR_EL1.S) is kept too, and with it its interrupt. */
void spe_host_take(struct spe_host *host)
{
	if (host->taken)
		return;
	spe_unit_save(&host->regs, host->inverse);
	host->taken = true;
}

void spe_host_return(struct spe_host *host)
{
	if (host->taken)
		spe_unit_load(&host->regs, host->inverse);
	else if (!(host->pmblimitr & PMBLIMITR_E))
		return;
	host->taken = false;
	spe_unit_enable(host->pmblimitr);
}
