/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model of a VM's ITSs and LPIs (ARM IHI 0069, chapters 5 and 6): which event of which device is
 * which LPI, to which redistributor it goes, and what is pending that EL2 does not have. docs/its.md
 * has the picture. It is compiled natively as well (its_types.h); what it needs of its surroundings
 * are the functions its_env_*().
 *
 * A VM has one struct its_lpis. It has two locks, which its_env_*() implement:
 *
 *   the mutex  held by the caller of each function here, but its_msi() and its_refill(): commands,
 *              registers, tables, lives of all objects. What it guards may sleep.
 *   the lock   a spinlock, taken inside: what its_msi() reads, and what is pending.
 *
 * Maps, and the fields of an LPI marked (c), are written with both and read with either. Fields
 * marked (p) are under the lock. All others are under the mutex.
 */
#ifndef KEEL_ITS_MODEL_H
#define KEEL_ITS_MODEL_H

#include "its_map.h"

#define ITS_FIRST_LPI  8192U
#define ITS_ID_BITS    16 /* of INTIDs, DeviceIDs, EventIDs, and collections' numbers */
#define ITS_INTIDS     (1U << ITS_ID_BITS)
#define ITS_PRIORITIES 32 /* five bits, in bits 7:3 */
#define ITS_FRAME_SIZE 0x20000
#define ITS_MAX	       16 /* ITSs of a VM */
#define ITS_PAGE       SZ_64K
#define ITS_BASERS     8
/* All objects and nodes of a VM: 64 MiB. All 57,344 LPIs need less, whatever has them. */
#define ITS_BLOCKS_MAX (1U << 19)
/* Objects that are gone through without a pause. */
#define ITS_STEP 64

struct its;
struct its_device;
struct its_collection;

struct its_link {
	struct its_link *next, *prev;
};

/* Where LPIs become pending: a vCPU's redistributor. */
struct its_redist {
	u32 vcpu;			       /* its index at EL2 */
	bool enabled;			       /* (c) GICR_CTLR.EnableLPIs */
	u64 pendbaser;			       /* GICR_PENDBASER */
	u32 waiting;			       /* (p) levels of priority that have an LPI */
	struct its_link level[ITS_PRIORITIES]; /* (p) pending LPIs that EL2 has no room for */
};

/* An LPI, which one event of one device is mapped to. */
struct its_lpi {
	struct its_device *device;
	struct its_collection *collection;
	struct its_redist *redist; /* (c) where it goes; NULL: the collection is not mapped */
	u32 intid;
	u16 event;
	u8 priority;	      /* (c) */
	bool enabled;	      /* (c) */
	bool pending;	      /* (p) and EL2 does not have it */
	bool at_el2;	      /* (p) EL2 may have it, at @redist */
	bool taking;	      /* (p) it is being taken back from EL2 */
	struct its_link link; /* (p) in @redist->level[], or not */
};

struct its_device {
	struct its *its;
	u32 id;
	unsigned int event_bits;
	u64 itt;
	struct its_map events; /* (c) struct its_lpi, by EventID */
};

struct its_collection {
	u16 id;
	struct its_redist *redist; /* NULL: not mapped */
};

struct its {
	struct its_lpis *lpis;
	bool enabled; /* (c) GITS_CTLR.Enabled */
	bool saved;   /* the tables in memory have entries */
	u64 cbaser, cwriter, creadr;
	u64 baser[2];		/* devices, collections */
	struct its_map devices; /* (c) struct its_device, by DeviceID */
	struct its_map collections;
};

struct its_lpis {
	/* by number of a redistributor, GICR_TYPER.Processor_Number; NULL: there is none. Constant */
	struct its_redist **redist;
	unsigned int nr_redists; /* beyond all numbers */
	u64 propbaser;		 /* GICR_PROPBASER, of all redistributors */
	struct its_map lpi;	 /* (c) struct its_lpi, by INTID - ITS_FIRST_LPI */
	unsigned int blocks;	 /* that there are; atomic */
	struct its_reserve reserve;
	u64 refused; /* commands that were not carried out */
};

static inline struct its_redist *its_redist_of(const struct its_lpis *lpis, u64 number)
{
	return number < lpis->nr_redists ? lpis->redist[number] : NULL;
}

/* ---- what the model needs ---- */

/* A zeroed block of ITS_BLOCK bytes, or NULL. May sleep. */
void *its_env_alloc(struct its_lpis *lpis);
/* Any context. */
void its_env_free(struct its_lpis *lpis, void *block);
/* The lock. */
unsigned long its_env_lock(struct its_lpis *lpis);
void its_env_unlock(struct its_lpis *lpis, unsigned long flags);
/* Guest memory; the range may cross pages. May sleep. -EFAULT: not all of it is there. */
int its_env_read(struct its_lpis *lpis, u64 ipa, void *to, unsigned int bytes);
int its_env_write(struct its_lpis *lpis, u64 ipa, const void *from, unsigned int bytes);
/* Whether guest memory has [@ipa, @ipa + @bytes). */
bool its_env_has(struct its_lpis *lpis, u64 ipa, unsigned int bytes);
/*
 * Make an LPI pending at EL2. Under the lock. *@back: an INTID that EL2 had, pending for the same
 * vCPU, and has no more, or 0. Return: 0; -ENOSPC: EL2 has as many for that vCPU as it can, all at
 * least as urgent; another error: the VM ends.
 */
int its_env_pend(struct its_lpis *lpis, u32 vcpu, u32 intid, u8 priority, u32 *back);
/*
 * The same for an LPI that EL2 may have. Return: whether EL2 has it: then it is pending once, however
 * often it was made so.
 */
bool its_env_pend_again(struct its_lpis *lpis, u32 vcpu, u32 intid, u8 priority);
/*
 * Take an LPI back from EL2. Under the lock. Return: 1, it was pending; 0, it was not; -EAGAIN: a
 * vCPU that runs must tell, and is about to: call again after its_env_relax().
 */
int its_env_take(struct its_lpis *lpis, u32 vcpu, u32 intid);
/* Without the lock; may sleep. */
void its_env_relax(struct its_lpis *lpis);
/* Whether the caller is to stop, and go on later. */
bool its_env_must_stop(struct its_lpis *lpis);
/* Whether the caller is to stop, and never to go on. */
bool its_env_killed(struct its_lpis *lpis);

/* ---- LPIs: its_lpi.c ---- */

/* @redist: @nr_redists of them, each initialized by its_redist_init(). */
void its_lpis_init(struct its_lpis *lpis, struct its_redist **redist, unsigned int nr_redists);
void its_redist_init(struct its_redist *redist, u32 vcpu);

/**
 * its_msi() - a device signals an event
 *
 * Any context; no lock held. The caller sees to it that @its stays.
 *
 * Return: 1; 0 nothing is mapped there; -EBUSY the ITS, or the redistributor's LPIs, are off.
 */
int its_msi(struct its *its, u32 device, u32 event);

/* EL2 may have room: give it what waits for @redist. Any context, no lock held. */
void its_refill(struct its_lpis *lpis, struct its_redist *redist);

/* Take @lpi back from EL2, with its pending state. It must not be given back before its_lpi_give() */
void its_lpi_take(struct its_lpis *lpis, struct its_lpi *lpi);
/* To where it belongs now. */
void its_lpi_give(struct its_lpis *lpis, struct its_lpi *lpi);
/* Send @lpi to @redist, or with NULL nowhere, with its pending state. */
void its_lpi_move(struct its_lpis *lpis, struct its_lpi *lpi, struct its_redist *redist);
void its_lpi_clear(struct its_lpis *lpis, struct its_lpi *lpi);
/* Make it pending. */
void its_lpi_set(struct its_lpis *lpis, struct its_lpi *lpi);
/* Read its priority and whether it is enabled from the guest's table. */
void its_lpi_configure(struct its_lpis *lpis, struct its_lpi *lpi);
/* The LPI @intid, if it is mapped; else NULL. */
struct its_lpi *its_lpi_find(const struct its_lpis *lpis, u32 intid);
/* The first from *@intid on, which is set to its INTID. */
struct its_lpi *its_lpi_next(const struct its_lpis *lpis, u32 *intid);
/* One more than the highest INTID that the guest's tables have room for. */
u32 its_lpi_end(const struct its_lpis *lpis);

/* Fill the reserve. -ENOMEM. */
int its_reserve_fill(struct its_lpis *lpis);
/* A block of the reserve, which was filled. */
void *its_reserve_take(struct its_lpis *lpis);
void its_release(void *lpis, void *block);

/* ---- devices, collections, events: its_object.c ---- */

struct its_device *its_device_find(const struct its *its, u32 id);
struct its_lpi *its_event_find(const struct its *its, u32 device, u32 event);
struct its_collection *its_collection_find(const struct its *its, u32 id);

/* Return: 0; -ENOMEM; -EINVAL; -EEXIST. The reserve is filled by the function. */
int its_device_map(struct its *its, u32 id, u64 itt, unsigned int event_bits);
/* The device and its events. */
void its_device_unmap(struct its *its, struct its_device *device);
int its_collection_map(struct its *its, u32 id, struct its_redist *redist);
/* An event of @device that is not mapped yet becomes LPI @intid, which is not mapped either. */
int its_event_map(struct its *its, struct its_device *device, u32 event, u32 intid, u32 collection);
void its_event_unmap(struct its *its, struct its_lpi *lpi);
void its_devices_unmap_all(struct its *its);
void its_collections_unmap_all(struct its *its);

/* ---- commands and registers: its_command.c, its_regs.c ---- */

/* Carry out one command. Return: 0, or why it was refused. */
int its_command(struct its *its, const u64 command[4]);
/* Carry out what is in the queue. If the caller must stop before, the rest is left there. */
void its_run_queue(struct its *its);

void its_init(struct its *its, struct its_lpis *lpis);
/* KVM_DEV_ARM_ITS_CTRL_RESET, and the end: all is unmapped. */
void its_reset(struct its *its);

/**
 * its_mmio_read(), its_mmio_write() - a guest's access to the control frame
 * @offset: from the ITS's base; the frame of GITS_TRANSLATER included, where nothing can be read and
 *          a CPU's write has no DeviceID, so that nothing happens
 * @bytes:  1, 2, 4, 8
 *
 * An access that there is no register for reads as zero, and ignores writes.
 */
u64 its_mmio_read(struct its *its, u32 offset, unsigned int bytes);
void its_mmio_write(struct its *its, u32 offset, unsigned int bytes, u64 value);

/* KVM_DEV_ARM_VGIC_GRP_ITS_REGS. -EINVAL: misaligned; -ENXIO: no register. */
int its_reg_check(u64 offset);
int its_reg_get(struct its *its, u64 offset, u64 *value);
/* Also -EINVAL for a value that cannot be, -EBUSY for GITS_CREADR while the ITS is enabled. */
int its_reg_set(struct its *its, u64 offset, u64 value);

/* A redistributor's registers: GICR_CTLR, GICR_PROPBASER, GICR_PENDBASER, GICR_INV*, GICR_SYNCR. */
u64 its_redist_read(struct its_lpis *lpis, struct its_redist *redist, u32 offset,
		    unsigned int bytes);
void its_redist_write(struct its_lpis *lpis, struct its_redist *redist, u32 offset,
		      unsigned int bytes, u64 value);
/* Whether @offset, of a redistributor's first frame, is one of these. */
bool its_redist_has(u32 offset);
/* LPIs off, and what is pending forgotten: the machine is reset. */
void its_redist_reset(struct its_lpis *lpis, struct its_redist *redist);

/* ---- tables in the guest's memory: its_table.c ---- */

/*
 * The address of entry @id of GITS_BASER<n>'s table. Return: 0; -EINVAL there is none, or its memory
 * is not there.
 */
int its_table_entry(struct its *its, unsigned int n, u32 id, u64 *ipa);
/* The entries of what is unmapped, if the tables in memory have entries. */
void its_table_forget_device(struct its *its, const struct its_device *device);
void its_table_forget_event(struct its *its, const struct its_lpi *lpi);

/* KVM_DEV_ARM_ITS_SAVE_TABLES. -EINVAL, -EFAULT. */
int its_tables_save(struct its *its);
/*
 * KVM_DEV_ARM_ITS_RESTORE_TABLES. -EINVAL, -EEXIST, -EFAULT, -ENOMEM, and -EINTR after
 * its_env_killed(): nothing is mapped.
 */
int its_tables_restore(struct its *its);
/* Pending state to and from GICR_PENDBASER's table: of all LPIs, where LPIs are enabled; of one
 * redistributor's. */
int its_pending_save(struct its_lpis *lpis);
void its_pending_load(struct its_lpis *lpis, struct its_redist *redist);
int its_pending_store(struct its_lpis *lpis, struct its_redist *redist);
/* Whether the table says that @lpi is pending. */
bool its_pending_bit(struct its_lpis *lpis, const struct its_lpi *lpi);

#endif
