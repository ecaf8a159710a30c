/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One ITS, which turns devices' message-signalled interrupts into LPIs. It reads and writes tables
 * and commands in memory by physical address, past every stage 2. So its control frame is EL2's:
 * the hardware's tables and command queue are in Keel's memory, and the host accesses emulated
 * registers. docs/host-gic.md.
 */
#ifndef KEEL_HOST_ITS_H
#define KEEL_HOST_ITS_H

#include <arch/spinlock.h>
#include <host/gic_regs.h>
#include <lib/types.h>

/* Commands that the hardware's queue holds: one page. */
#define ITS_SLOTS (SZ_4K / GITS_COMMAND_SIZE)

/* The result of its_read() and its_write(). */
enum its_result {
	ITS_DONE,
	/* there is more to do: the host takes its interrupts, then repeats the access */
	ITS_AGAIN,
	ITS_FAULTED, /* the frame did not answer: it has no power, or no clock */
	ITS_REST,    /* internal to its.c: as ITS_AGAIN, but the write has taken effect */
};

struct its_command {
	u64 word[4];
};

/* One of GITS_BASER<n>. */
struct its_table {
	u64 hw;	   /* the hardware's value; 0 if the table is not used */
	u64 host;  /* the value that the host wrote */
	u64 fixed; /* read-only fields, as the host reads them */
	u8 *memory;
	u64 bytes;
};

/**
 * struct its_ops - what the emulation of an ITS needs from its user
 * @pin:       keep [pa, pa + size) the host's, so that it cannot be given to a VM or to Keel.
 *             Page-aligned. Return: 0 or an error
 * @unpin:     undo one @pin
 * @fetch:     read a command at a 32-byte aligned address of the host's memory, once. @coherent:
 *             the host writes through caches. Return: 0; -EPERM the memory is not the host's;
 *             -EFAULT the read faults. EL2's exception registers are preserved
 * @is_target: whether there is a redistributor that commands name so. @target: bits 51:16 of a
 *             doubleword, an address if @pta, else a processor number
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
	u8 *regs;     /* EL2's mapping of it; NULL: unusable, the host reads zeros */
	u64 typer;    /* GITS_TYPER as the host sees it */
	bool faulted; /* the hardware did not answer an access of the present call */
	struct its_table table[GITS_BASERS];

	u64 pa_limit; /* the hardware can reach addresses below this */

	/*
	 * The host's queue: what it wrote to the registers, and the offset up to which it is
	 * copied.
	 */
	u64 cbaser, cwriter, copied;
	bool enabled;
	u64 epoch; /* changes when the host sets a new queue, or starts another kernel */

	/* The hardware's queue: it has yet to carry out the commands in [head, tail). */
	struct its_command *queue;
	u64 hw_cbaser;
	unsigned int head, tail;
	u32 host_at[ITS_SLOTS]; /* by slot: the command's offset in the host's queue */

	/*
	 * By DeviceID: the ITT, its_itt_entry(). Its pages are pinned while the device is mapped.
	 */
	u64 *itts;
	u64 devices, collections;
	/* An ITT that the hardware may use until it has carried out the command in release_slot. */
	u64 release_pa, release_size;
	unsigned int release_slot;

	/* The hardware accepted all of its tables when they were last written. */
	bool programmed;
	/* The tables have contents; the host expects them empty, when it enables the ITS next. */
	bool used, stale;
	u64 emptied; /* how far they are: DeviceIDs released, then bytes cleared */
};

/* What its_plan() found out about an ITS, and how much memory its tables get. */
struct its_plan {
	u64 typer;		  /* the hardware's GITS_TYPER, corrected for errata */
	u64 baser[GITS_BASERS];	  /* the hardware's fields, with a page size that it accepts */
	u64 bytes[GITS_BASERS];	  /* size of each table; 0: not used */
	unsigned int device_bits; /* DeviceIDs are below 2^this */
	u64 total;		  /* bytes of memory, a multiple of 64 KiB */
	u64 pa_limit;		  /* the ITS can reach addresses below this */
	u64 memory_limit;	  /* its tables must lie below this */
	u32 actions;		  /* enum its_action */
};

/**
 * its_plan() - probe an ITS and decide on its tables
 * @regs:    its control frame
 * @limit:   most bytes of memory to use; if necessary, with fewer DeviceIDs
 * @actions: what Keel does about its errata (enum its_action)
 * @plan:    out
 *
 * Boot CPU. Disables the ITS.
 *
 * Return: 0; -ENODEV the frame does not answer, is not an ITS of a GICv3 or GICv4, does not become
 * quiescent, or has no device table.
 */
int __must_check its_plan(u8 *regs, u64 limit, u32 actions, struct its_plan *plan);

/**
 * its_init() - set up the emulation of an ITS
 * @its:    out
 * @ops:    the pointer is kept
 * @base:   physical address of the control frame
 * @regs:   EL2's mapping of it; NULL for an unusable ITS, all of whose registers read as zero
 * @plan:   of its_plan(); not used if @regs is NULL
 * @memory: plan->total bytes of Keel's, 64 KiB-aligned; cleared here
 * @pa:     physical address of @memory, which ends below plan->memory_limit
 * @coherent: false if the device tree says that the ITS is not coherent
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

/* The kernel that set the ITS up is gone: when it is enabled next, its tables are empty. */
void its_forget(struct its *its);

#endif
