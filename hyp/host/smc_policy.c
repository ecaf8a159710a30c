// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which of the host's SMCs reach firmware. Firmware can do what the host cannot: write to any
 * memory, and start any CPU anywhere. Calls by which it could be made to do so to Keel are not
 * forwarded; docs/boot.md tells the reasons one by one.
 */
#include <host/psci.h>
#include <lib/psci_abi.h>

/* Identifiers [first, last], without the SVE hint; the first row that matches counts. */
static const struct smc_rule {
	u32 first;
	u32 last;
	enum smc_policy policy;
} rules[] = {
	/* yielding calls: of old trusted OSes and of today's */
	{ 0x00000000, 0x7fffffff, SMC_FORWARD },

	/* TF-A's "execution state switch": it would enter the caller's level, EL2, at any address
	 */
	{ 0x82000020, 0x82000020, SMC_DENY },
	{ 0xc2000020, 0xc2000020, SMC_DENY },

	/* SMC32, fast. Arm architecture, CPU, silicon provider, OEM */
	{ 0x80000000, 0x83ffffff, SMC_FORWARD },
	/* standard services: PSCI, TRNG, errata management, PCI configuration, general queries */
	{ PSCI_FIRST, PSCI_LAST, SMC_PSCI },
	{ 0x84000050, 0x8400005f, SMC_FORWARD },
	{ 0x840000f0, 0x8400010f, SMC_FORWARD },
	{ 0x84000130, 0x8400014f, SMC_FORWARD },
	{ 0x8400ff00, 0x8400ff03, SMC_FORWARD },
	/* trusted applications and trusted OS, and the query calls of the latter */
	{ 0xb0000000, 0xbfffffff, SMC_FORWARD },

	/* SMC64, fast: the same */
	{ 0xc0000000, 0xc3ffffff, SMC_FORWARD },
	{ PSCI_FIRST | PSCI_64, PSCI_LAST | PSCI_64, SMC_PSCI },
	{ 0xc4000050, 0xc400005f, SMC_FORWARD },
	{ 0xc40000f0, 0xc400010f, SMC_FORWARD },
	{ 0xc4000130, 0xc400014f, SMC_FORWARD },
	{ 0xf0000000, 0xffffffff, SMC_FORWARD },
};

enum smc_policy smc_policy(u32 fid)
{
	u32 id = fid & SMCCC_FAST ? fid & ~(u32)SMCCC_SVE_HINT : fid;

	for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
		if (id >= rules[i].first && id <= rules[i].last)
			return rules[i].policy;
	}
	return SMC_DENY;
}
