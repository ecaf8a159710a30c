/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU, a VM and its vCPU, for tests that have the world switch and the run loop (vm/switch.c,
 * run.c) as they are: what is below and beside these, fake. run_world.c's comments name the sources
 * that come with it.
 */
#ifndef KEEL_RUN_WORLD_H
#define KEEL_RUN_WORLD_H

#include <cpu/features.h>
#include <cpu/percpu.h>
#include <keel/hypercall.h>
#include <vm/vm.h>

struct run_world {
	struct percpu cpu;
	struct vm vm;
	struct vcpu vcpu;
	u64 file[VCPU_SYSREG_BYTES / 8];
	struct vcpu_fpstate fp;
	struct keel_run page;
	struct cpu_features features; /* of the machine: none */
	unsigned int log_lines;
};

extern struct run_world rw;

/* In the place of enter.S: the test's. Each entry of a run is a call, noted in the trace as "guest". */
extern int (*run_world_guest)(struct vcpu *vcpu);

/* As enter.S calls it: the guest was left, by what enum guest_exit_kind says. */
int vcpu_exit(struct vcpu *vcpu, unsigned int kind);

/* The registers of a CPU that has no feature, as the world switch uses them. */
void run_world_plain_registers(void);

/* Be on a CPU that has just been given its struct vm_cpu. Then it comes online. */
void run_world_start_cpu(void);

/* A new VM with one vCPU, initialized. */
void run_world_make_vcpu(void);

#endif
