/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secondary CPUs. At boot each is started once, reports its features and is turned off again, so
 * that everything is built on features that all CPUs have. Later the host starts them by PSCI, and
 * each comes through Keel.
 */
#ifndef KEEL_BOOT_SMP_H
#define KEEL_BOOT_SMP_H

#include <lib/types.h>

/**
 * smp_init() - make each CPU's structure, stacks and window
 *
 * Boot CPU; boot_info.cpus is filled. Sets this CPU's own structure.
 *
 * Return: 0; -ENOMEM.
 */
int __must_check smp_init(void);

/**
 * smp_probe() - start each other CPU once, merge its features into boot_info.features
 *
 * A CPU that does not answer within a second, or that firmware does not start, is left out with a
 * warning. The host may start it later.
 */
void smp_probe(void);

/* From now on CPUs that arrive enter the host. */
void smp_host_ready(void);

#endif
