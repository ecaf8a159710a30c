/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that moves while the guest runs, as a VMM's does that changes its memory map: for tests of
 * KVM. The guest notices nothing but the time that it takes.
 */
#ifndef VMRUN_MOVE_H
#define VMRUN_MOVE_H

#include "vm.h"

/**
 * move_start() - from now on, each time that the guest has run for @ms milliseconds
 *
 * All vCPUs leave the guest. Each bank's slot is removed. Other pages, with the same contents, come
 * behind a part of it. Then the bank is added again: in turn as one slot, as two, and as one that is
 * first elsewhere and then moved to its place.
 *
 * Before loop_run(); the vCPUs need not have been started.
 */
void move_start(struct vm *vm, unsigned int ms);

/** move_tell() - say how often, at the end. */
void move_tell(void);

#endif
