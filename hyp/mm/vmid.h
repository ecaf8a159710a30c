/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMIDs of stage-2 contexts. There are fewer VMIDs than there can be contexts, so they are given
 * out by generation. When they run out, a new generation begins: contexts that run at that moment
 * keep their number, all others get a new one at their next entry, and each CPU invalidates its
 * TLBs before its first entry in the new generation. So a VMID is never reused while a TLB may hold
 * a translation that was made under it.
 */
#ifndef KEEL_MM_VMID_H
#define KEEL_MM_VMID_H

#include <arch/spinlock.h>
#include <lib/types.h>

/* The host's VMID; never given out. */
#define VMID_HOST 0

/* Words of the bitmap for VMIDs of @bits bits. */
#define VMID_BITMAP_WORDS(bits) ((size_t)1 << ((bits)-6))

/**
 * struct vmid - the VMID of one stage-2 context
 * @id: generation and number; 0 before the first entry. Changed by vmid.c only, read atomically
 *
 * Embedded in the context, zeroed when it is made. Needs no call when the context ends: its number
 * stays taken until the next generation. The context must not be running then.
 */
struct vmid {
	u64 id;
};

/**
 * struct vmid_cpu - the allocator's state of a CPU
 * @active:        the id that runs or last ran there in this generation; 0 after a rollover
 * @reserved:      the id that was active at the last rollover, and so keeps its number
 * @flush_pending: the TLBs are to be invalidated before the next entry
 *
 * @active is atomic; the others are guarded by the allocator's lock.
 */
struct vmid_cpu {
	u64 active;
	u64 reserved;
	bool flush_pending;
};

/**
 * struct vmid_ops - functions of the machine that the allocator needs
 * @flush_local: invalidate all EL1&0 translations, of every VMID and both stages, in the TLBs of
 *               this CPU, and wait until that is done (TLBI ALLE1; DSB NSH; ISB). It is local, so
 *               VTTBR_EL2.CnP must be 0: no CPU may use entries of one that has not flushed yet.
 *               Called with the allocator's lock held
 */
struct vmid_ops {
	void (*flush_local)(void *ctx);
};

struct vmid_allocator {
	struct spinlock lock; /* guards everything here but the active ids */
	const struct vmid_ops *ops;
	void *ctx;
	u64 generation; /* in the bits above the number; 0 is never current */
	u64 *bitmap;	/* numbers taken in this generation */
	struct vmid_cpu *cpus;
	unsigned int nr_cpus;
	unsigned int bits;
	u32 next;      /* where the search for a free number starts */
	u64 rollovers; /* since boot, for statistics */
};

/**
 * vmid_init() - set up an allocator
 * @va:      the allocator, owned by the caller
 * @bits:    width of a VMID: 8 or 16 (struct mmu_caps.vmid_bits; VTCR_EL2.VS must say the same)
 * @bitmap:  VMID_BITMAP_WORDS(bits) words
 * @cpus:    one for each CPU
 * @nr_cpus: how many; less than there are numbers, so that all CPUs can run different contexts, and
 *           a new one still finds a number
 * @ops:     kept
 * @ctx:     for @ops
 *
 * Each CPU starts with flush_pending set: firmware may have left TLB entries.
 *
 * Return: 0; -EINVAL when @bits or @nr_cpus is out of range.
 */
int __must_check vmid_init(struct vmid_allocator *va, unsigned int bits, u64 *bitmap,
			   struct vmid_cpu *cpus, unsigned int nr_cpus, const struct vmid_ops *ops,
			   void *ctx);

/**
 * vmid_enter() - get the VMID for running a context on this CPU
 * @va:  the allocator
 * @v:   the context's
 * @cpu: this CPU, 0..nr_cpus-1; the caller cannot move to another (EL2 is not preempted)
 *
 * To be called at each entry, before VTTBR_EL2 is written. The number is valid until the next
 * vmid_enter() or vmid_cpu_reset() of this CPU. Takes no lock if @v is of the current generation
 * and there was no rollover since this CPU's last entry.
 *
 * Return: 1..2^bits-1, for VTTBR_EL2.VMID.
 */
u16 vmid_enter(struct vmid_allocator *va, struct vmid *v, unsigned int cpu);

/**
 * vmid_leave() - this CPU does not run a context any more
 *
 * Optional: a context that is not active at a rollover does not keep its number, so idle CPUs do
 * not keep numbers. VTTBR_EL2 must not hold the number any more.
 */
void vmid_leave(struct vmid_allocator *va, unsigned int cpu);

/**
 * vmid_cpu_reset() - a CPU has come up, and its TLBs may hold anything
 *
 * On that CPU, before its first vmid_enter().
 */
void vmid_cpu_reset(struct vmid_allocator *va, unsigned int cpu);

#endif
