/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the interrupt controller that read and write memory by physical address, and
 * therefore are EL2's: ITSs (its.h) and the RD frames of redistributors with LPIs (lpi.h).
 * docs/host-gic.md.
 */
#ifndef KEEL_HOST_HOST_GIC_H
#define KEEL_HOST_HOST_GIC_H

#include <host/host_fdt.h>
#include <lib/types.h>
#include <mm/page_pool.h>
#include <trap/mmio.h>

/* The result of host_gic_access(). */
enum host_gic_result {
	HOST_GIC_NONE,	  /* the address is in none of these frames */
	HOST_GIC_FAULTED, /* the hardware does not answer: an external abort in the host */
	HOST_GIC_DONE,	  /* the access is done */
	HOST_GIC_AGAIN,	  /* the host repeats it, after it has taken its interrupts */
};

/**
 * struct host_gic_boot - arguments of host_gic_init()
 * @redists: the redistributors
 * @itses:   the ITSs
 * @pool:    for Keel's records of each
 * @fdt:     the device tree, which names the machine
 * @limit:   most bytes of memory for the tables of all ITSs together
 * @take:    allocate memory permanently, 64 KiB-aligned, ending below @end; @pa: its physical
 *           address. Return: NULL if there is none
 */
struct host_gic_boot {
	const struct fdt_redists *redists;
	const struct fdt_itses *itses;
	struct page_pool *pool;
	const void *fdt;
	u64 limit;
	void *(*take)(u64 size, u64 end, struct pa *pa);
};

/**
 * host_gic_init() - claim these frames for EL2, so that the host cannot map them
 *
 * Boot CPU, before the host's stage 2 is made. An ITS that cannot be used reads as zero from then
 * on.
 *
 * Return: 0; -ENOENT a redistributor is not where the device tree says; -ENOMEM; an error of
 * ownership_claim_device().
 */
int __must_check host_gic_init(const struct host_gic_boot *boot);

/**
 * host_gic_start() - disable LPIs that firmware left enabled; after the host's stage 2 is made
 *
 * Return: 0; -EBUSY a redistributor uses memory that is not the host's, and cannot be stopped.
 */
int __must_check host_gic_start(void);

/**
 * host_gic_forget() - reset what a previous kernel of the host's has set up
 *
 * The kernel that starts will find ITSs with empty tables, and LPIs disabled. Any CPU, while no
 * other one is on. Takes the locks of ITSs and rd_lock.
 */
void host_gic_forget(void);

/**
 * host_gic_access() - the host's access to an address that its stage 2 does not map
 * @ipa:    any
 * @access: the load or store
 * @data:   the value to store, or (out) the value loaded
 *
 * Any CPU. A bounded number of steps.
 */
enum host_gic_result host_gic_access(struct ipa ipa, const struct mmio_access *access, u64 *data);

#endif
