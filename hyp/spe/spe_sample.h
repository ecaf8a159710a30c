/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes one sample: from the guest's state at an interrupt to a record in its buffer. */
#ifndef KEEL_SPE_SPE_SAMPLE_H
#define KEEL_SPE_SPE_SAMPLE_H

#include <vm/exit.h>

/**
 * spe_sample() - sample the instruction that a vCPU would execute next
 * @vcpu: loaded here; its buffer is enabled
 * @now:  value of CNTPCT_EL0, for the timestamp
 *
 * Writes a record if profiling is enabled at the vCPU's EL and the filters accept the sample. If
 * the record cannot be written, PMBSR_EL1 says why; but if the VM does not have the memory yet, the
 * host is asked for it first, once (struct spe_vcpu.ask).
 *
 * Return: whether nothing has changed for the run loop: no interrupt was raised, and the host is
 * not needed.
 */
bool spe_sample(struct vcpu *vcpu, u64 now);

/**
 * spe_sample_exit() - the emulation's struct exit_stage.exit
 *
 * If the exit is by the alarm at the end of an interval without jitter, and nothing else about the
 * guest has changed, takes the sample, sets the next alarm, and returns VCPU_AT_ONCE; another
 * pending interrupt then makes the guest exit again. All other exits go to spe_emul_exit(); the
 * sample may have been taken before.
 */
enum vcpu_action spe_sample_exit(struct vcpu *vcpu, enum guest_exit_kind kind);

#endif
