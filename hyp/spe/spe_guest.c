// SPDX-License-Identifier: BSD-2-Clause
/* Accesses to a guest's memory by virtual address: spe_guest.h. */
#include <mm/ownership.h>
#include <spe/spe_guest.h>

bool spe_guest_is_ram(u64 par)
{
	return !(par & PAR_F) && (par & PAR_ATTR_NORMAL) && ownership_is_ram(PA(par & PAR_PA));
}

bool spe_guest_readable(struct vcpu *vcpu, u64 va)
{
	struct spe_view view = spe_guest_view(vcpu);
	u64 saved = spe_guest_begin(view), par = spe_guest_translate(view, at_s12e1r, va);

	spe_guest_end(saved);
	return !(par & PAR_F);
}
