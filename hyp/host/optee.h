/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mediates OP-TEE's calls (its SMC interface, without FF-A) between the host and the Secure world.
 *
 * An OP-TEE with "dynamic shared memory" takes lists of physical pages from messages that the host
 * writes and can change at any time, so Keel cannot check them. Hiding the capability from the host
 * would not help, since OP-TEE accepts such lists all the same. So the host may call only an OP-TEE
 * without that capability, which accepts nothing but addresses in its own reserved shared memory.
 * Keel keeps that range the host's permanently: it is never given to a VM or to Keel.
 */
#ifndef KEEL_HOST_OPTEE_H
#define KEEL_HOST_OPTEE_H

#include <lib/smccc.h>
#include <lib/types.h>

/**
 * struct optee_ops - what the mediation needs from its user
 * @smc:  call firmware; @regs are X0..X17, in and out
 * @keep: keep the whole pages from @base to @base + @size (not wrapping) the host's permanently.
 *        Return: 0, or a negative errno if they are not the host's now
 */
struct optee_ops {
	void (*smc)(void *ctx, struct smccc_regs *regs);
	int (*keep)(void *ctx, u64 base, u64 size);
};

/* Written once, by optee_init(). All zero: no call is allowed. */
struct optee {
	const struct optee_ops *ops;
	void *ctx;
	bool on;
	u64 shm_base; /* reserved shared memory */
	u64 shm_size;
};

/**
 * optee_init() - find out whether the host may call OP-TEE
 * @optee: out; after an error no call is allowed
 * @ops:   the pointer is kept
 * @ctx:   argument for @ops
 *
 * Boot CPU, after ownership of memory is set up and before the host runs.
 *
 * Return: NULL if it may; else the reason, in words.
 */
const char *optee_init(struct optee *optee, const struct optee_ops *ops, void *ctx);

/**
 * optee_handle() - carry out an SMC of the host if it is an allowed call of OP-TEE's
 * @optee: after optee_init(), or all zero
 * @regs:  the caller's X0..X17; if true is returned, the call's results
 *
 * Any CPU; takes no lock.
 *
 * Return: true if @regs holds the result; false if the call is not to be made.
 */
bool optee_handle(const struct optee *optee, struct smccc_regs *regs);

#endif
