/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the interrupt controller that read and write memory by themselves, and so are EL2's:
 * ITSs (its.h) and the RD frames of redistributors with LPIs (lpi.h). docs/host-gic.md.
 */
#ifndef KEEL_HOST_HOST_GIC_H
#define KEEL_HOST_HOST_GIC_H

#include <host/host_fdt.h>
#include <lib/types.h>
#include <mm/page_pool.h>
#include <trap/mmio.h>

/* What host_gic_access() came to. */
enum host_gic_result {
	HOST_GIC_NONE,	  /* no register of these: the access is refused */
	HOST_GIC_FAULTED, /* the hardware does not answer: an external abort */
	HOST_GIC_DONE,	  /* the instruction is done */
	HOST_GIC_AGAIN,	  /* it is to be repeated, once the host has taken its interrupts */
};

/**
 * struct host_gic_boot - what host_gic_init() needs
 * @redists: the redistributors
 * @itses:   the ITSs
 * @pool:    for what Keel keeps of each
 * @fdt:     the device tree, which says what machine this is
 * @limit:   bytes of memory that the tables of all ITSs may take
 * @take:    memory of Keel's own for ever, 64 KiB-aligned, that ends below @end, with its physical
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
 * host_gic_init() - take these registers away from the host
 *
 * Boot CPU, before the host's stage 2 is made: claims their pages. An ITS that does not behave
 * reads as zero from then on.
 *
 * Return: 0; -ENOENT, the redistributors are not where they should be; -ENOMEM; what
 * ownership_claim_device() refused.
 */
int __must_check host_gic_init(const struct host_gic_boot *boot);

/**
 * host_gic_start() - the host's stage 2 is made: disable LPIs that firmware left enabled
 *
 * Return: 0; -EBUSY, a redistributor uses memory that is not the host's and does not let go of it.
 */
int __must_check host_gic_start(void);

/**
 * host_gic_forget() - a kernel of the host's starts: what another one set up is not its
 *
 * ITSs have empty tables, and LPIs are disabled, when it comes to them. Any CPU, no other one being
 * on. Takes the locks of ITSs and rd_lock.
 */
void host_gic_forget(void);

/**
 * host_gic_access() - the host's access to an address that its stage 2 does not map
 * @ipa:    any
 * @access: what it is
 * @data:   what is stored, or (out) loaded
 *
 * Any CPU. A bounded number of steps.
 */
enum host_gic_result host_gic_access(struct ipa ipa, const struct mmio_access *access, u64 *data);

#endif
