/* SPDX-License-Identifier: BSD-2-Clause */
/* One sample: from the guest's state at an interrupt to a record in its buffer. */
#ifndef KEEL_SPE_SPE_SAMPLE_H
#define KEEL_SPE_SPE_SAMPLE_H

#include <vm/vm.h>

/*
 * The instruction that @vcpu, loaded here, would execute next is sampled, if profiling is on where
 * it is and the filters let it through. What keeps the record from being written is told in
 * PMBSR_EL1; but for memory that the VM does not have yet the host is asked once:
 * struct spe_vcpu.ask.
 */
void spe_sample(struct vcpu *vcpu);

#endif
