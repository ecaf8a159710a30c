/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deliberate failures and checks of a running Keel, chosen by the boot option keel.selftest in a
 * debug build (docs/man/keel.7 lists them). A release build has none.
 */
#ifndef KEEL_BOOT_SELFTEST_H
#define KEEL_BOOT_SELFTEST_H

/* On the boot CPU, with everything set up, before the host is entered. */
void selftest_boot(const char *name);

/* On a secondary CPU, before it enters the host. */
void selftest_secondary(const char *name);

#endif
