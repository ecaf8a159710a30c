/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine for tests of VMs: RAM that is an array, real page ownership, pools, page tables and
 * CPU features, and a host and an EL2 map that are arrays of what is mapped. RAM that EL2 does not
 * map is poisoned, so ASan finds an access that EL2 could not make. Breaking a rule ends the test:
 * clearing a page that somebody reaches, showing what is not Keel's, and so on.
 */
#ifndef KEEL_VM_MACHINE_H
#define KEEL_VM_MACHINE_H

#include <cpu/features.h>
#include <host/host.h>
#include <lib/errno.h>
#include <mm/ownership.h>
#include <vm/vm_ops.h>

/* RAM: a bank that EL2's linear window shows, and one that it does not, with nothing behind. */
#define RAM_BASE   0x40000000ULL
#define RAM_PAGES  16384U
#define RAM_END	   (RAM_BASE + RAM_PAGES * SZ_4K)
#define FAR_BASE   0x880000000ULL
#define FAR_PAGES  524288U	 /* 2 GiB */
#define DEVICE	   0x09000000ULL /* the host's */
#define KEEL_UART  0x08000000ULL /* claimed by Keel */
#define IMAGE_BASE (RAM_BASE + 256 * SZ_4K)
#define IMAGE_SIZE (16 * SZ_4K)

struct machine_config {
	unsigned int pa_bits; /* 0: 48 */
	enum granule granule; /* of guests' stage 2 */
	bool no_fwb, vmid16, sve, pauth, mte, dic, gicv3;
	unsigned int keel_pages; /* 0: 64 */
	unsigned int cpus;	 /* 0: 4 */
};

/* Begin anew, up to and with vm_init(). */
void machine_start(const struct machine_config *config);
/* Only up to it. */
void machine_start_without_vms(const struct machine_config *config);

extern struct page_pool machine_pool; /* Keel's */
extern struct cpu_features machine_features;

/* Let the @n-th thing that may fail from now on (0: the next) fail, once; -1: nothing. */
void machine_fail_after(int n);
/* Whether it has come to that. */
bool machine_failed(void);

/* Pages of the host's, aligned to @align, anywhere (machine_seed()); never ones in use. */
struct pa machine_alloc(u64 pages, u64 align);
void machine_free(struct pa pa, u64 pages);
/* Everything that machine_alloc() gave. */
void machine_free_all(void);
void machine_seed(u64 seed);
u32 machine_random(u32 below);

/* The host's contents of a page in RAM; it must be able to reach it. */
u8 *machine_host_page(struct pa pa);

/* The address of a page of which no access of EL2's is answered; 0: none. */
extern u64 machine_bad_page;

/* VTTBR_EL2 of the last TLBI VMALLE1IS. */
extern u64 machine_vmalle1is_vttbr;

/* Page states, the host's map, EL2's map and Keel's pool now; and: are they what they were? */
struct machine_state;
struct machine_state *machine_save(void);
void machine_assert_same(const struct machine_state *state, const char *when);
void machine_drop(struct machine_state *state);

/* Page states and both maps agree. */
void machine_check(void);

/* It is sane, and has just the tables that it says. */
void machine_check_context(struct s2_context *ctx);

/* TLBI VMALLE1: what vCPUs leave on a CPU is forgotten. */
extern u64 machine_vmalle1s;

/* What was asked of the caches: pages cleaned and invalidated, instruction caches invalidated. */
extern u64 machine_pages_cleaned, machine_icaches;

/* Of the host, on this CPU: interrupt_waits(). */
extern bool machine_interrupt_waits;

/* Reads of descriptors. */
extern u64 machine_pte_reads;

/* Called for each page that is cleaned, if it is set. */
extern void (*machine_on_clean)(struct pa pa);

/* Log lines since machine_start(), and the last one. */
extern unsigned int machine_log_lines;
extern char machine_log_last[256];

/* In the place of the world switch. */
extern int (*machine_run)(struct vcpu *vcpu);
extern unsigned int machine_resets;

#endif
