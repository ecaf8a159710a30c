// SPDX-License-Identifier: BSD-2-Clause
/* Chooses the provider of SPE: spe_provider.h. */
#include <cpu/log.h>
#include <keel/spe.h>
#include <spe/spe_emul.h>
#include <spe/spe_hw.h>
#include <spe/spe_provider.h>
#include <spe/spe_vcpu.h>
#include <vm/vm_ops.h>

/* What all CPUs have. */
static struct spe_unit_id machine;
static bool any_cpu;

/* KEEL_SPE_*, or 0 */
static u32 chosen;

void spe_provider_add_cpu(const struct spe_unit_id *id)
{
	if (!any_cpu)
		machine = *id;
	spe_unit_merge(&machine,
		       id); /* the first with itself: keeps only the fields that guests see */
	any_cpu = true;
}

static u32 choose_provider(enum option_spe asked)
{
	u32 hardware = machine.version ? KEEL_SPE_HARDWARE : 0;

	switch (asked) {
	case OPTION_SPE_OFF:
		return 0;
	case OPTION_SPE_EMUL:
		return KEEL_SPE_EMULATED;
	case OPTION_SPE_HW:
		if (!hardware)
			log_warn("option keel.spe: not all CPUs have a profiling unit for Keel to "
				 "use, guests have no SPE");
		return hardware;
	default:
		return hardware ? hardware : KEEL_SPE_EMULATED;
	}
}

void spe_provider_init(enum option_spe asked)
{
	chosen = choose_provider(asked);
	vm_set_spe(chosen);
	if (chosen == KEEL_SPE_HARDWARE) {
		spe_hw_init(&machine);
		spe_vcpu_set_provider(&spe_hw_ops);
		log_info("guests have the CPUs' profiling units (SPE)");
	} else if (chosen == KEEL_SPE_EMULATED) {
		spe_emul_init();
		spe_vcpu_set_provider(&spe_emul_ops);
	}
}

bool spe_provider_fits(const struct spe_unit_id *id)
{
	return chosen != KEEL_SPE_HARDWARE || spe_unit_covers(id, &machine);
}
