/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The surroundings of the model of the ITS (linux/its_model.h): a guest's memory, and an EL2 that has
 * room for a few LPIs of each vCPU. A vCPU that runs is asked twice before it gives an LPI back.
 */
#ifndef KEEL_TESTS_ITS_WORLD_H
#define KEEL_TESTS_ITS_WORLD_H

#include "../../linux/its_model.h"

#define WORLD_REDISTS 3
#define WORLD_ITSS    2
#define WORLD_SLOTS   4
#define MEMORY	      0x40000000ULL
#define MEMORY_SIZE   0x400000ULL
/* Where the guest has its tables */
#define PROPERTIES  (MEMORY + 0x10000)	/* to 0x1e000 */
#define PENDING	    (MEMORY + 0x20000)	/* 64 KiB each */
#define QUEUE	    (MEMORY + 0x80000)	/* 64 KiB each */
#define DEVICES	    (MEMORY + 0x100000) /* 512 KiB each */
#define COLLECTIONS (MEMORY + 0x200000) /* 64 KiB each */
#define ITTS	    (MEMORY + 0x300000)

/* An LPI that EL2 has. */
struct world_slot {
	u32 intid; /* 0: none */
	u8 priority;
	bool asked;
};

struct world {
	struct its_lpis lpis;
	struct its_redist redist[WORLD_REDISTS];
	struct its_redist *redists[WORLD_REDISTS];
	struct its its[WORLD_ITSS];
	struct world_slot slot[WORLD_REDISTS][WORLD_SLOTS];
	bool runs[WORLD_REDISTS];
	u8 *memory;
	unsigned int allocated;	  /* blocks */
	unsigned int allocations; /* that succeed before one fails; ~0U: all */
	bool locked, must_stop, killed;
	void (*relax)(void);	  /* while the model waits for EL2 */
	u64 taken[WORLD_REDISTS]; /* LPIs that guests have acknowledged */
};

extern struct world world;

/* All is off. */
void world_reset(void);
void world_end(void);
/* Tables, queues and LPIs are on, as a guest does it. */
void world_start(void);
u64 world_read(u64 ipa);
void world_write(u64 ipa, u64 value);
/* Configure an LPI in the guest's table. */
void world_configure(u32 intid, u8 priority, bool enabled);
/* The guest takes the most urgent LPI: its INTID, or 0 */
u32 world_take(unsigned int n);
/* Whether an LPI is pending, wherever it is. */
bool world_is_pending(u32 intid);
/* What always holds, when no function of the model is running; NULL, or what does not. */
const char *world_fault(void);

/* Commands, as the guest writes them. */
int do_command(struct its *its, u64 word0, u64 word1, u64 word2, u64 word3);
int mapd(struct its *its, u32 device, u64 itt, unsigned int bits);
int unmapd(struct its *its, u32 device);
int mapc(struct its *its, u32 collection, u64 redist);
int unmapc(struct its *its, u32 collection);
int mapti(struct its *its, u32 device, u32 event, u32 intid, u32 collection);
int mapi(struct its *its, u32 device, u32 event, u32 collection);
int movi(struct its *its, u32 device, u32 event, u32 collection);
int movall(struct its *its, u64 from, u64 to);
/* INT, CLEAR, INV, DISCARD */
int event_command(struct its *its, u32 op, u32 device, u32 event);
int invall(struct its *its, u32 collection);

#define CMD_INT	    0x03
#define CMD_CLEAR   0x04
#define CMD_INV	    0x0c
#define CMD_DISCARD 0x0f

#endif
