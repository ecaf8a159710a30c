/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of all locks at EL2: a CPU takes a lock only while every lock that it holds has a lower
 * rank, so that no two CPUs can wait for each other. docs/locking.md says what each lock guards.
 *
 * Debug builds and the native tests check it at each spin_lock().
 */
#ifndef KEEL_LIB_LOCK_RANK_H
#define KEEL_LIB_LOCK_RANK_H

enum lock_rank {
	LOCK_NO_RANK,	/* a lock that was never initialized */
	LOCK_VM_TABLE,	/* vm_table_lock */
	LOCK_VM,	/* struct vm.lock */
	LOCK_DONATION,	/* donation_lock */
	LOCK_ITS,	/* struct its.lock */
	LOCK_RD,	/* rd_lock */
	LOCK_OWNERSHIP, /* ownership_lock */
	LOCK_PAGES,	/* page_locks[]: of a range, in ascending order */
	LOCK_SHADOWS,	/* struct shadow_set.lock */
	LOCK_STAGE2,	/* struct stage2.lock of the host, of a VM's own: at most one at a time */
	LOCK_SHADOW_STAGE2, /* of a shadow: one at a time; its VM's own may be held */
	LOCK_SHADOW_CHUNKS, /* struct shadow_set.chunk_lock */
	LOCK_EL2_MAP,	    /* el2_map_lock */
	LOCK_VGIC,	    /* struct vgic.lock */
	LOCK_VMID,	    /* struct vmid_allocator.lock */
	LOCK_PSCI,	    /* struct psci.lock */
	LOCK_FEATURES,	    /* features_lock */
	LOCK_PAGE_POOL,	    /* struct page_pool.lock: at most one at a time */
	LOCK_LOG,	    /* log_state.lock */
	LOCK_RANKS
};

#endif
