// SPDX-License-Identifier: BSD-2-Clause
/* A guest's memory by virtual address. See spe_guest.h. */
#include <spe/spe_guest.h>

bool spe_guest_readable(struct vcpu *vcpu, u64 va)
{
	u64 saved = spe_guest_begin(), par = spe_guest_translate(at_s12e1r, va);

	(void)vcpu;
	spe_guest_end(saved);
	return !(par & PAR_F);
}
