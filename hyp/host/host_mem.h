/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's stage 2: an identity mapping of everything that is the host's. RAM is mapped at boot,
 * in the largest blocks; devices when they are first accessed, so that a sparse physical address
 * space costs no tables. docs/stage2.md, docs/ownership.md.
 */
#ifndef KEEL_HOST_HOST_MEM_H
#define KEEL_HOST_HOST_MEM_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>
#include <mm/page_pool.h>

/**
 * host_mem_init() - build the host's stage 2 from page ownership
 * @caps: what all CPUs of the machine have
 * @pool: for its tables
 *
 * Boot CPU, after the last ownership_claim_boot(). Registers the host's functions with ownership.c.
 *
 * Return: 0; -ENOMEM; an error of stage2_geometry().
 */
int __must_check host_mem_init(const struct mmu_caps *caps, struct page_pool *pool);

/* VTCR_EL2 and VTTBR_EL2 of the host's stage 2, the same on every CPU. */
u64 host_mem_vtcr(void);
u64 host_mem_vttbr(void);

/* An access of the host that its stage 2 does not allow. */
enum host_access { HOST_READ, HOST_WRITE, HOST_FETCH, HOST_WALK };

/* A result of host_mem_fault() besides 0 and errors. */
#define HOST_MEM_ZEROS 1

/**
 * host_mem_fault() - the host accessed an address that its stage 2 does not map
 * @ipa:    any value
 * @access: the access
 *
 * Maps the device range around @ipa if that is the host's. For a read of memory that the host has
 * given away it maps a page of zeros: Linux reads a few bytes over the end of a page into the next
 * one, and reads all of its memory when it hibernates or dumps core. Two CPUs may fault on the same
 * address at once. Takes ownership_lock.
 *
 * Return: 0 the access can be repeated; HOST_MEM_ZEROS likewise, and the page of zeros was mapped;
 * -EPERM the address is not the host's; -ERANGE it is beyond what the machine can address; -ENOMEM.
 */
int __must_check host_mem_fault(struct ipa ipa, enum host_access access);

/*
 * A TLB conflict abort of the host's: FEAT_BBM level 2 allows two TLB entries for one address while
 * blocks are split or merged (D8.17.2). Invalidates all of them; the access can then be repeated.
 */
void host_mem_tlb_conflict(void);

/*
 * EL2 stops permanently: unmap everything, so that each CPU that runs the host comes to EL2 with
 * its next access or fetch. Takes no lock; no function of this file may be called afterwards.
 */
void host_mem_stop(void);

/* What is at an address, in words for the log. */
const char *host_mem_describe(struct ipa ipa);

/* Pages for tables: those that are free, and all of them. */
u64 host_mem_table_pages_free(void);
u64 host_mem_table_pages(void);

/* Debug builds: panic unless page states and the host's stage 2 agree. Release builds: nothing. */
void host_mem_check(void);

/* The same for the next few of the pages, cheap enough for each hypercall. */
void host_mem_check_some(void);

#endif
