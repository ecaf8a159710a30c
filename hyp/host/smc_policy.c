// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which of the host's SMCs reach firmware. Firmware can do more than the host may: write any
 * memory, and start any CPU at any address. So a call is forwarded only if a row here says that it
 * is harmless, or if the user who boots Keel allows it (keel.smc). docs/boot.md has the reasons.
 */
#include <host/psci.h>
#include <lib/options.h>
#include <lib/psci_abi.h>

/*
 * Identifiers [first, last], without the SVE hint. The first row that matches counts; a call
 * without a row is SMC_DENY. SMC_FORWARD is for calls that are fully specified (DEN 0028 and the
 * documents that it names), have no address among their arguments, and return results in registers
 * only.
 */
static const struct smc_rule {
	u32 first;
	u32 last;
	enum smc_policy policy;
} rules[] = {
	/* yielding calls, of old and of present trusted OSes */
	{ 0x00000000, 0x7fffffff, SMC_ASK },

	/* TF-A's "execution state switch": would enter the caller's level, EL2, at any address */
	{ 0x82000020, 0x82000020, SMC_DENY },
	{ 0xc2000020, 0xc2000020, SMC_DENY },

	/* SMCCC_VERSION, ARCH_FEATURES, ARCH_SOC_ID, ARCH_FEATURE_AVAILABILITY */
	{ 0x80000000, 0x80000003, SMC_FORWARD },
	{ 0xc0000002, 0xc0000003, SMC_FORWARD },
	/* SMCCC_ARCH_WORKAROUND_4, _3, _2, _1: Linux calls these at its own entries and exits */
	{ 0x80003ffe, 0x80003fff, SMC_FORWARD },
	{ 0x80007fff, 0x80008000, SMC_FORWARD },
	/*
	 * other calls of the architecture's; CPU, silicon provider and OEM calls are not known to
	 * Keel
	 */
	{ 0x80000000, 0x83ffffff, SMC_ASK },
	{ 0xc0000000, 0xc3ffffff, SMC_ASK },

	/* standard services (owner 4); those without a row are never forwarded */
	{ PSCI_FIRST, PSCI_LAST, SMC_PSCI },
	{ PSCI_FIRST | PSCI_64, PSCI_LAST | PSCI_64, SMC_PSCI },
	/* TRNG: version, features, UUID, random bits */
	{ 0x84000050, 0x84000053, SMC_FORWARD },
	{ 0xc4000053, 0xc4000053, SMC_FORWARD },
	/* errata management: version, features, state of an erratum */
	{ 0x840000f0, 0x840000f2, SMC_FORWARD },
	/* PCI configuration space: firmware writes to a device for the host */
	{ 0x84000130, 0x8400014f, SMC_ASK },
	{ 0xc4000130, 0xc400014f, SMC_ASK },
	/* call count, UID, revision */
	{ 0x8400ff00, 0x8400ff03, SMC_FORWARD },

	/* trusted applications and trusted OS, and the query calls of the latter */
	{ 0xb0000000, 0xbfffffff, SMC_ASK },
	{ 0xf0000000, 0xffffffff, SMC_ASK },
};

u32 smc_identity(u32 fid)
{
	return fid & SMCCC_FAST ? fid & ~(u32)SMCCC_SVE_HINT : fid;
}

static bool smc_is_allowed(const struct option_smc *allow, u32 id)
{
	for (unsigned int i = 0; i < allow->count; i++) {
		if (id >= allow->range[i].first && id <= allow->range[i].last)
			return true;
	}
	return false;
}

enum smc_policy smc_policy(const struct option_smc *allow, u32 fid)
{
	u32 id = smc_identity(fid);

	for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
		if (id < rules[i].first || id > rules[i].last)
			continue;
		if (rules[i].policy == SMC_ASK && smc_is_allowed(allow, id))
			return SMC_FORWARD;
		return rules[i].policy;
	}
	return SMC_DENY;
}
