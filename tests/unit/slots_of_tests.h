/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's slots as linux/slot_table.h and linux/slot_steps.h use them, for tests of these. The including
 * file defines PAGE_SHIFT, min() and max() before.
 */
#ifndef SLOTS_OF_TESTS_H
#define SLOTS_OF_TESTS_H

#include <lib/types.h>

struct keel_slot {
	u64 gfn, npages;
	unsigned long hva;
	void *file;
};

struct keel_slots {
	unsigned int count;
	bool is_leaving;
	struct keel_slot leaving;
	struct keel_slot **by_host;
	unsigned long *reach;
	struct keel_slot *slot[];
};

#endif
