/* SPDX-License-Identifier: BSD-2-Clause */
/* One sample: from the guest's state at an interrupt to a record in its buffer. */
#ifndef KEEL_SPE_SPE_SAMPLE_H
#define KEEL_SPE_SPE_SAMPLE_H

#include <vm/exit.h>

/**
 * spe_sample() - sample the instruction that a vCPU would execute next
 * @vcpu: loaded here; its buffer takes records
 * @now:  the counter's value, for its timestamp
 *
 * It becomes a record if profiling is on where it is and the filters let it through. What keeps the
 * record from being written is told in PMBSR_EL1; but for memory that the VM does not have yet the
 * host is asked once: struct spe_vcpu.ask.
 *
 * Return: whether all is as before: profiling is on, no interrupt has risen, nothing is asked for.
 */
bool spe_sample(struct vcpu *vcpu, u64 now);

/**
 * spe_sample_exit() - the emulation's struct exit_stage.exit
 *
 * If an interrupt has left @vcpu that is the alarm at the end of an interval without jitter, and
 * nothing else about the guest is new: the sample, the next alarm, and VCPU_AT_ONCE. Another
 * interrupt that is pending leaves the guest again at once. Everything else is spe_emul_exit()'s;
 * the sample may have been taken.
 */
enum vcpu_action spe_sample_exit(struct vcpu *vcpu, enum guest_exit_kind kind);

#endif
