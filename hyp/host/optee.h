/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OP-TEE's calls (its SMC interface, without FF-A) between the host and the secure world.
 *
 * An OP-TEE with "dynamic shared memory" takes lists of physical pages out of messages that the
 * host writes, and can rewrite at any moment: no check of Keel's on the way there would hold.
 * Hiding that capability from the host would not help either, since OP-TEE goes on taking such
 * lists from a host that sends them. So only an OP-TEE that says of itself that it does not have it
 * is let at: one that accepts nothing but addresses in its own reserved shared memory. That range
 * is the host's and stays the host's: Keel sees to it that it never becomes a VM's or Keel's.
 */
#ifndef KEEL_HOST_OPTEE_H
#define KEEL_HOST_OPTEE_H

#include <lib/smccc.h>
#include <lib/types.h>

/**
 * struct optee_ops - what this needs of its surroundings
 * @smc:  call firmware; @regs are X0..X17 in and out
 * @keep: see to it that whole pages from @base to @base + @size (not wrapping) stay the host's for
 *        ever. 0, or a negative errno if they are not the host's now
 */
struct optee_ops {
	void (*smc)(void *ctx, struct smccc_regs *regs);
	int (*keep)(void *ctx, u64 base, u64 size);
};

/* Written by optee_init(), by one CPU, and never again; all zero, nothing is let through. */
struct optee {
	const struct optee_ops *ops;
	void *ctx;
	bool on;
	u64 shm_base; /* reserved shared memory */
	u64 shm_size;
};

/**
 * optee_init() - ask the secure world whether the host can be let at OP-TEE
 * @optee: filled; without success no call is let through
 * @ops:   must stay valid
 * @ctx:   for @ops
 *
 * Boot CPU, after ownership of memory is set up and before the host runs.
 *
 * Return: NULL, or why it cannot.
 */
const char *optee_init(struct optee *optee, const struct optee_ops *ops, void *ctx);

/**
 * optee_handle() - carry out an SMC of the host if it is one of OP-TEE's that are let through
 * @optee: as filled by optee_init(), or all zero
 * @regs:  the caller's X0..X17; on return of true, what it is to see
 *
 * Any CPU; takes no lock.
 *
 * Return: true if @regs holds the result; false if the call is not to be made.
 */
bool optee_handle(const struct optee *optee, struct smccc_regs *regs);

#endif
