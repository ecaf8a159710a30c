/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One ITS, which turns devices' message-signalled interrupts into LPIs. It reads and writes tables
 * and commands in memory by physical address, past every stage 2. So its control frame is EL2's:
 * the hardware has tables and a command queue in memory of Keel's, and the host drives registers
 * that are emulated. docs/host-gic.md.
 */
#ifndef KEEL_HOST_ITS_H
#define KEEL_HOST_ITS_H

#include <arch/spinlock.h>
#include <host/gic_regs.h>
#include <lib/types.h>

/* Commands that the hardware's queue holds: one page. */
#define ITS_SLOTS (SZ_4K / GITS_COMMAND_SIZE)

/* What a call to its_*() came to. */
enum its_result {
	ITS_DONE,
	/* there is more to do: let the host take its interrupts, then repeat the access */
	ITS_AGAIN,
	ITS_FAULTED, /* the frame did not answer: it has no power, or no clock */
	ITS_REST,    /* inside only: as ITS_AGAIN, but the write has taken effect */
};

struct its_command {
	u64 word[4];
};

/* One of GITS_BASER<n>. */
struct its_table {
	u64 hw;	   /* as the hardware has it; 0 for none */
	u64 host;  /* as the host wrote it */
	u64 fixed; /* fields that are read-only */
	u8 *memory;
	u64 bytes;
};

/**
 * struct its_ops - what an ITS needs of its surroundings
 * @pin:       hold [pa, pa + size) as memory of the host's that neither a VM nor Keel can be given.
 *             Page-aligned. Return: 0 or an error
 * @unpin:     undo one @pin
 * @fetch:     read a command at a 32-byte aligned address of the host's memory, once. @coherent:
 *             the host writes through caches. Return: 0; -EPERM, it is not the host's; -EFAULT, it
 *             faults. Registers of EL2's exceptions stay as they are
 * @is_target: whether commands may name such a redistributor. @target: bits 51:16 of a doubleword,
 *             an address where @pta, else a processor number
 */
struct its_ops {
	int (*pin)(u64 pa, u64 size);
	void (*unpin)(u64 pa, u64 size);
	int (*fetch)(u64 pa, bool coherent, struct its_command *command);
	bool (*is_target)(u64 target, bool pta);
};

struct its {
	struct spinlock lock; /* guards all of the below; ownership_lock is taken inside */
	const struct its_ops *ops;
	u64 base;     /* physical address of the control frame */
	u8 *regs;     /* where EL2 sees it; NULL: of no use, and shown to the host as nothing */
	u64 typer;    /* as the host sees it */
	bool faulted; /* an access of now was not answered */
	struct its_table table[GITS_BASERS];

	u64 pa_limit; /* it can reach addresses below this */

	/* What the host wrote, and how much of its queue has been copied. */
	u64 cbaser, cwriter, copied;
	bool enabled;
	u64 epoch; /* counts queues, and kernels of the host's */

	/* The hardware's queue: commands in [head, tail) are its to carry out. */
	struct its_command *queue;
	u64 hw_cbaser;
	unsigned int head, tail;
	u32 host_at[ITS_SLOTS]; /* where each was in the host's queue */

	/* The ITT of each device, pinned while it is mapped: address, and log2 of events less 1. */
	u64 *itts;
	u64 devices, collections;
	/* One that the hardware may use until it has carried out the command in release_slot. */
	u64 release_pa, release_size;
	unsigned int release_slot;

	/* The hardware took all of its tables when it was last given them. */
	bool programmed;
	/* The host gave up what the tables hold: they are to be emptied before it is enabled. */
	bool used, stale;
	u64 emptied;
};

/* How much memory the tables of an ITS are given. */
struct its_plan {
	u64 typer;		  /* as the hardware says */
	u64 baser[GITS_BASERS];	  /* likewise, with a page size that works */
	u64 bytes[GITS_BASERS];	  /* of each table; 0: not used */
	unsigned int device_bits; /* DeviceIDs are below 2^this */
	u64 total;		  /* bytes of memory, a multiple of 64 KiB */
	u64 pa_limit;		  /* the ITS can reach addresses below this */
	u64 memory_limit;	  /* ... and its tables have to lie below this */
	u32 actions;		  /* enum its_action */
};

/**
 * its_plan() - look at an ITS and decide on its tables
 * @regs:    its control frame
 * @limit:   bytes of memory to stay below, by fewer DeviceIDs if need be
 * @actions: what is known about it (enum its_action)
 * @plan:    out
 *
 * Boot CPU. Disables it.
 *
 * Return: 0; -ENODEV, it does not answer, is not an ITS of a GICv3 or GICv4, does not become
 * quiescent, or has no device table.
 */
int __must_check its_plan(u8 *regs, u64 limit, u32 actions, struct its_plan *plan);

/**
 * its_init() - begin
 * @its:    filled
 * @ops:    kept
 * @base:   physical address of the control frame
 * @regs:   where EL2 sees it; NULL for an ITS that is of no use: all its registers read as zero
 * @plan:   of its_plan(); not used where @regs is NULL
 * @memory: plan->total bytes of Keel's, 64 KiB-aligned; cleared here
 * @pa:     its physical address; it ends below plan->memory_limit
 * @coherent: the device tree does not say that it is not
 */
void its_init(struct its *its, const struct its_ops *ops, u64 base, u8 *regs,
	      const struct its_plan *plan, void *memory, u64 pa, bool coherent);

/**
 * its_read(), its_write() - the host's access to the control frame
 * @offset: a multiple of @bytes, below GIC_FRAME_SIZE
 * @bytes:  4 or 8
 *
 * Registers that are not emulated read as zero and ignore writes. Takes its->lock. A bounded number
 * of steps, whatever the host asks for.
 */
enum its_result its_read(struct its *its, u64 offset, unsigned int bytes, u64 *value);
enum its_result its_write(struct its *its, u64 offset, unsigned int bytes, u64 value);

/* The kernel that set it up is gone: when it is enabled next its tables are empty. */
void its_forget(struct its *its);

#endif
