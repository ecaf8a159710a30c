// SPDX-License-Identifier: GPL-2.0
/* Fault injection, in test builds: which of the module's allocations fails. See inject.h. */
#include <linux/module.h>
#include <linux/spinlock.h>

#include "keel.h"

/* The n-th from now on fails, counted down to 0: then nothing fails any more. */
static int fail_at;
module_param(fail_at, int, 0644);
MODULE_PARM_DESC(fail_at, "let the n-th allocation from now on fail; 0: none");

/* So many after it fail as well. */
static int fail_more;
module_param(fail_more, int, 0644);
MODULE_PARM_DESC(fail_more, "how many that follow fail too");

static bool spe_populate;
module_param(spe_populate, bool, 0644);
MODULE_PARM_DESC(spe_populate,
		 "INIT of SPE brings all memory, as it does with SPE of the hardware");

static bool unmap_fails;
module_param(unmap_fails, bool, 0644);
MODULE_PARM_DESC(unmap_fails, "EL2 refuses to unmap what the process discards");

static DEFINE_SPINLOCK(lock);

bool keel_inject_populate(void)
{
	return READ_ONCE(spe_populate);
}

bool keel_inject_unmap(void)
{
	return READ_ONCE(unmap_fails);
}

bool keel_inject(void)
{
	unsigned long flags;
	bool fail = false;

	spin_lock_irqsave(&lock, flags);
	if (fail_at > 1) {
		fail_at--;
	} else if (fail_at == 1) {
		fail = true;
		if (fail_more)
			fail_more--;
		else
			fail_at = 0;
	}
	spin_unlock_irqrestore(&lock, flags);
	return fail;
}
