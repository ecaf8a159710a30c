/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM's shadows have, and what its virtual EL2s came to. */
#ifndef KEEL_NESTED_NESTED_STATS_H
#define KEEL_NESTED_NESTED_STATS_H

#include <vm/vm.h>

/**
 * nested_stat() - one of enum keel_nested
 * @vm:    with vm->shadows
 * @value: out
 *
 * No lock; vCPUs may run meanwhile. Return: 0; -EINVAL for a number that there is not.
 */
int __must_check nested_stat(const struct vm *vm, u64 which, u64 *value);

#endif
