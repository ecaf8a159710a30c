/* SPDX-License-Identifier: BSD-2-Clause */
/* Virtual CPUs: a file descriptor, a page shared with KVM and a thread each. */
#ifndef VMRUN_VCPU_H
#define VMRUN_VCPU_H

#include <pthread.h>
#include <stdint.h>

#include "vm.h"

/** struct vcpu - one virtual CPU. */
struct vcpu {
	const struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run; /* mapped from fd; KVM tells in it why KVM_RUN returned */
	pthread_t thread;
};

/* What a CPU may have that not every machine or KVM has. Bits of vcpus_create()'s @features. */
enum {
	FEATURE_PAUTH = 1 << 0, /* pointer authentication */
	FEATURE_SVE = 1 << 1,
	FEATURE_STEAL = 1 << 2, /* stolen time: not the CPU's, but KVM's */
};
#define FEATURES_OFFERED UINT32_MAX /* all that this machine's KVM offers */

/**
 * vcpus_create() - create @count vCPUs; all but the first are powered off until the guest asks PSCI
 * @features: FEATURE_* that the vCPUs must have, or FEATURES_OFFERED
 */
void vcpus_create(struct vm *vm, unsigned int count, uint32_t features);

/** vcpus_init_spe() - finish what vm->spe asks for, once there is an interrupt controller */
void vcpus_init_spe(const struct vm *vm);

/** vcpu_feature() - the FEATURE_* of a name of @length bytes, 0 if there is none of that name. */
uint32_t vcpu_feature(const char *name, size_t length);

/** vcpu_mpidr() - the affinity fields of its MPIDR_EL1, as the device tree's cpu node has them. */
uint64_t vcpu_mpidr(const struct vcpu *vcpu);

/** vcpu_set_entry() - where it starts, and what is in x0 there; x1 to x3 are zero. */
void vcpu_set_entry(const struct vcpu *vcpu, uint64_t pc, uint64_t x0);

/** vcpus_start() - start every vCPU's thread. The guest's end comes as a loop_stop(). */
void vcpus_start(struct vm *vm);

/**
 * vcpus_pause(), vcpus_resume() - bring every vCPU out of the guest, and back
 *
 * In between none of their threads calls KVM or handles an exit. By one thread, which is none of theirs.
 */
void vcpus_pause(struct vm *vm);
void vcpus_resume(struct vm *vm);

/** vcpus_stop() - bring every vCPU out of the guest, end its thread and close it. */
void vcpus_stop(struct vm *vm);

#endif
