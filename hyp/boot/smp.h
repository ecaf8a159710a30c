/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other CPUs. At boot each is started once, tells what it can do and goes off again, so that
 * the features that everything is built on are those of the weakest CPU; later the host starts them
 * by PSCI, and each comes through Keel.
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
 * A CPU that does not come within a second, or whose firmware refuses, is left out with a warning:
 * the host may try again later.
 */
void smp_probe(void);

/* From now on CPUs that arrive enter the host. */
void smp_host_ready(void);

#endif
