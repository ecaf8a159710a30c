/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The profiling buffer: where the next record goes, and the management events in PMBSR_EL1
 * (ARM DDI 0487, D17.7, and PMBSR_EL1). Values to values; who writes the record translates its address
 * as the buffer's owner, EL1, would.
 *
 * Records are SPE_RECORD_SIZE bytes at multiples of that, so one never crosses a page, is written
 * whole or not at all, and PMBPTR_EL1 always points behind the last complete one: DL is never set.
 * There is no wrap: the buffer is full when no further record fits below the limit.
 */
#ifndef KEEL_SPE_SPE_BUFFER_H
#define KEEL_SPE_SPE_BUFFER_H

#include <spe/spe_regs.h>

/*
 * Not SPEBufferIsFull(): all of a record fits between the pointer and the limit. Both are multiples
 * of its size, so that its last byte says so.
 */
static inline bool spe_buffer_fits(const struct spe_regs *regs)
{
	u64 limit = regs->pmblimitr & PMBLIMITR_LIMIT;

	return (regs->pmbptr | (SPE_RECORD_SIZE - 1)) < limit;
}

enum spe_place {
	SPE_PLACE_OFF,	   /* the buffer is disabled, or stopped by a management event */
	SPE_PLACE_DISCARD, /* Discard mode: samples are taken, and records go nowhere */
	SPE_PLACE_WRITE,
};

/**
 * spe_buffer_place() - where the next record goes
 * @va: for SPE_PLACE_WRITE, the virtual address of its SPE_RECORD_SIZE bytes, which all lie below
 *      PMBLIMITR_EL1.LIMIT
 *
 * A write pointer at which no record fits (software put it there: behind the limit, or nearer to it
 * than a record) is a "buffer filled" event: PMBSR_EL1 tells it, and the answer is SPE_PLACE_OFF.
 */
enum spe_place spe_buffer_place(struct spe_regs *regs, u64 *va);

/* A "buffer filled" event. */
void spe_buffer_full(struct spe_regs *regs);

/*
 * The record at the address that spe_buffer_place() gave is written: the pointer moves on, and the
 * buffer is filled if that was the last one. Nothing may have changed the registers in between.
 */
static inline void spe_buffer_written(struct spe_regs *regs)
{
	regs->pmbptr += SPE_RECORD_SIZE;
	if (!spe_buffer_fits(regs))
		spe_buffer_full(regs);
}

/**
 * spe_buffer_fault() - the write faulted; nothing of the record was written
 * @stage: 1, or 2 where the guest has a stage 2 of its own (virtual EL2)
 * @fsc:   fault status code, as in ESR_ELx, of an abort on a write: ESR_FSC_*
 *
 * External aborts, also on a table walk, set PMBSR_EL1.EA. PMBPTR_EL1 holds the address that
 * faulted. Nothing happens if an event is pending already.
 */
void spe_buffer_fault(struct spe_regs *regs, unsigned int stage, u32 fsc);

/*
 * The VM's own stage 2 does not let the record be written: a VM without a stage 2 of its own is
 * told of a synchronous External abort.
 */
void spe_buffer_abort(struct spe_regs *regs);

#endif
