/* SPDX-License-Identifier: BSD-2-Clause */
/* Transitions of pages between the host and a VM, for tests: all with the same attributes. */
#ifndef KEEL_PAGE_MOVES_H
#define KEEL_PAGE_MOVES_H

#include <mm/ownership.h>

#define MOVE_ATTRS (STAGE2_RW | STAGE2_SW1)

#define DEFINE_MOVE(name)                                                                        \
	static inline int name##_pages(struct pa pa, u64 size, const struct ownership_party *vm, \
				       struct ipa ipa)                                           \
	{                                                                                        \
		struct page_move move = {                                                        \
			.ipa = ipa, .pa = pa, .size = size, .attrs = MOVE_ATTRS                  \
		};                                                                               \
                                                                                                 \
		return ownership_##name(&move, vm);                                              \
	}

DEFINE_MOVE(share)
DEFINE_MOVE(unshare)
DEFINE_MOVE(donate)
DEFINE_MOVE(reclaim)

#endif
