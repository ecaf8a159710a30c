// SPDX-License-Identifier: BSD-2-Clause
/* Firmware calls. */
#include "guest.h"

u64 hvc(u64 fid, u64 x1, u64 x2, u64 x3)
{
	u64 x[18] = { fid, x1, x2, x3 };

	if (at_el2()) /* HVC is its own exception there */
		smc_regs(x);
	else
		hvc_regs(x);
	return x[0];
}

u64 smc(u64 fid, u64 x1, u64 x2, u64 x3)
{
	u64 x[18] = { fid, x1, x2, x3 };

	smc_regs(x);
	return x[0];
}
