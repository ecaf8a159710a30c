/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of the loaded guest by its virtual addresses, through its stage 1 and the VM's stage 2 as
 * they are now: the CPU translates (AT), EL2 accesses what comes of it in its window. The lock of
 * the stage 2 is held from the translation to the end of the access, so the memory is the VM's
 * meanwhile, and no permission is used that it does not have.
 */
#ifndef KEEL_SPE_SPE_GUEST_H
#define KEEL_SPE_SPE_GUEST_H

#include <spe/spe_packet.h>
#include <vm/vm.h>

/* An instruction at @va, as EL1 reads it; false if that is not memory it can read. */
bool spe_guest_fetch(struct vcpu *vcpu, u64 va, u32 *word);

/* Whether EL1 can read at @va. */
bool spe_guest_readable(struct vcpu *vcpu, u64 va);

/* The intermediate physical address of @va for a read at EL @el; false if stage 1 has none. */
bool spe_guest_ipa(struct vcpu *vcpu, u64 va, unsigned int el, u64 *ipa);

enum spe_write {
	SPE_WRITE_DONE,
	SPE_WRITE_FAULT,   /* stage 1: *info is the fault status code */
	SPE_WRITE_MISSING, /* stage 2: *info is the IPA that the host can be asked for */
	SPE_WRITE_ABORT,   /* not normal memory, or there is no telling where */
};

/**
 * spe_guest_write() - a record, as a write by EL1
 * @va:	 a multiple of SPE_RECORD_SIZE
 *
 * The record is written whole, or nothing is.
 */
enum spe_write spe_guest_write(struct vcpu *vcpu, u64 va, const u64 record[SPE_RECORD_WORDS],
			       u64 *info);

#endif
