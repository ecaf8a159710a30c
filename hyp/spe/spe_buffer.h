/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The profiling buffer: where the next record goes, and the management events in PMBSR_EL1
 * (ARM DDI 0487, D17.7, and PMBSR_EL1). Pure functions: the caller translates the address, as
 * EL1's, and writes the record.
 *
 * Records are SPE_RECORD_SIZE bytes at multiples of that. So a record does not cross a page, it is
 * written entirely or not at all, and PMBPTR_EL1 always points behind the last complete one: DL is
 * never set. There is no wrap: the buffer is full when no further record fits below the limit.
 */
#ifndef KEEL_SPE_SPE_BUFFER_H
#define KEEL_SPE_SPE_BUFFER_H

#include <spe/spe_regs.h>

/*
 * Not SPEBufferIsFull(): whether a record fits between the pointer and the limit. Both are
 * multiples of its size, so it fits if its last byte is below the limit.
 */
static inline bool spe_buffer_fits(const struct spe_regs *regs)
{
	u64 limit = regs->pmblimitr & PMBLIMITR_LIMIT;

	return (regs->pmbptr | (SPE_RECORD_SIZE - 1)) < limit;
}

enum spe_place {
	SPE_PLACE_OFF,	   /* the buffer is disabled, or stopped by a management event */
	SPE_PLACE_DISCARD, /* Discard mode: samples are taken, and records are not written */
	SPE_PLACE_WRITE,
};

/**
 * spe_buffer_place() - where the next record goes
 * @va: for SPE_PLACE_WRITE, the virtual address of its SPE_RECORD_SIZE bytes, which all lie below
 *      PMBLIMITR_EL1.LIMIT
 *
 * If software has set the write pointer to where no record fits, that is a "buffer filled" event in
 * PMBSR_EL1, and the result is SPE_PLACE_OFF.
 */
enum spe_place spe_buffer_place(struct spe_regs *regs, u64 *va);

/* A "buffer filled" event. */
void spe_buffer_full(struct spe_regs *regs);

/*
 * The record was written to the address that spe_buffer_place() gave: advance the pointer; if no
 * further record fits, the buffer is filled. The registers must not have changed in between.
 */
static inline void spe_buffer_written(struct spe_regs *regs)
{
	regs->pmbptr += SPE_RECORD_SIZE;
	if (!spe_buffer_fits(regs))
		spe_buffer_full(regs);
}

/**
 * spe_buffer_fault() - the write faulted; nothing of the record was written
 * @stage: 1, or 2 if the guest has a stage 2 of its own (virtual EL2)
 * @fsc:   fault status code, as in ESR_ELx, of an abort on a write: ESR_FSC_*
 *
 * External aborts, also on a table walk, set PMBSR_EL1.EA. PMBPTR_EL1 stays at the address that
 * faulted. Does nothing if an event is pending already.
 */
void spe_buffer_fault(struct spe_regs *regs, unsigned int stage, u32 fsc);

/*
 * The VM's stage 2 does not allow the write. The guest, which has no stage 2 of its own, sees a
 * synchronous External abort.
 */
void spe_buffer_abort(struct spe_regs *regs);

#endif
