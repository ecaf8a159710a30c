/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's stage 2: the identity over everything that is the host's. RAM is mapped at boot in the
 * largest blocks; devices when they are first touched, so that a sparse physical address space
 * costs no tables. docs/stage2.md, docs/ownership.md.
 */
#ifndef KEEL_HOST_HOST_MEM_H
#define KEEL_HOST_HOST_MEM_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>
#include <mm/page_pool.h>

/**
 * host_mem_init() - build the host's stage 2 from page ownership
 * @caps: of the machine, as the weakest CPU has them
 * @pool: where its tables come from
 *
 * Boot CPU, after the last ownership_claim_boot(). Names the host's side to ownership.c.
 *
 * Return: 0; -ENOMEM; what stage2_geometry() refused.
 */
int __must_check host_mem_init(const struct mmu_caps *caps, struct page_pool *pool);

/* VTCR_EL2 and VTTBR_EL2 of the host's stage 2, the same on every CPU. */
u64 host_mem_vtcr(void);
u64 host_mem_vttbr(void);

/* The host's access that its stage 2 does not allow. */
enum host_access { HOST_READ, HOST_WRITE, HOST_FETCH, HOST_WALK };

/* What host_mem_fault() answers besides 0 and errors. */
#define HOST_MEM_ZEROS 1

/**
 * host_mem_fault() - the host touched an address that its stage 2 does not map
 * @ipa:    any value
 * @access: what it did
 *
 * Maps the device range around @ipa if that is the host's. Where the host gave memory away, a read
 * finds a page of zeros: Linux reads a few bytes over the end of a page into the next one, and
 * copies all of its memory when it hibernates or dumps core. Two CPUs may come for the same at
 * once. Takes ownership_lock.
 *
 * Return: 0, the access can be repeated; HOST_MEM_ZEROS, likewise, and zeros are there now; -EPERM,
 * the address is not the host's; -ERANGE, it is beyond what the machine can address; -ENOMEM.
 */
int __must_check host_mem_fault(struct ipa ipa, enum host_access access);

/*
 * The host met two TLB entries for one address, which FEAT_BBM level 2 allows while blocks are
 * split or merged (D8.17.2): forget them all; the access can then be repeated.
 */
void host_mem_tlb_conflict(void);

/*
 * EL2 stops for good: take everything from the host, so that each CPU that runs it comes to EL2
 * with its next access or fetch. Takes no lock; nothing of this file may be used afterwards.
 */
void host_mem_stop(void);

/* What lies at an address, in words, for the log. */
const char *host_mem_describe(struct ipa ipa);

/* Pages for tables: those left, and all of them. */
u64 host_mem_table_pages_free(void);
u64 host_mem_table_pages(void);

/* In a debug build: page states and the host's stage 2 must agree, or Keel panics. Else nothing. */
void host_mem_check(void);

/* The same for the next few of the pages, at a cost that every exit of a guest can bear. */
void host_mem_check_some(void);

#endif
