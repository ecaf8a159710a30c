/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU that is in its guest while the test does something to its memory. */
#ifndef RUNNER_H
#define RUNNER_H

#include <pthread.h>

#include "kvmtest.h"

struct runner {
	struct vcpu *vcpu;
	pthread_t thread;
	long ret; /* of KVM_RUN, and errno */
	int err;
	bool done;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->ret = run(r->vcpu);
	r->err = errno;
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void is_in_guest(struct runner *r)
{
	check(!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE), "the guest reads on");
}

/* Until pthread_join(): the guest has nothing to tell for a while. */
static void run_in_thread(struct runner *r, struct vcpu *vcpu)
{
	*r = (struct runner){ .vcpu = vcpu };
	if (pthread_create(&r->thread, NULL, run_thread, r))
		give_up("a thread");
	usleep(100000);
	is_in_guest(r);
}

#endif
