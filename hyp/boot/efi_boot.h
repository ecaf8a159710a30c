/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keel's side of a start by UEFI. Keel is entered three times: to prepare itself, after which firmware
 * goes on at EL2; to say whether it could take EL2, when the operating system is about to end boot
 * services; and to take it, when they have ended. docs/boot.md.
 */
#ifndef KEEL_BOOT_EFI_BOOT_H
#define KEEL_BOOT_EFI_BOOT_H

#include <efi/handover.h>
#include <lib/types.h>

/* What the EFI application passed; NULL if Keel was not started by one, or firmware is gone. */
extern struct efi_handover *efi_handover;

/* efi_boot_early() - the handover at @handover, or 0; MMU off */
void efi_boot_early(u64 handover);

/* efi_boot_runtime() - the MMU is on: use runtime addresses */
void efi_boot_runtime(void);

/* Bytes of Keel's region and of the handover behind it. */
u64 efi_boot_region_size(void);

/*
 * efi_boot_check() - whether firmware's address space can be EL1's; boot_stop() if not
 *
 * After page states are initialized, before any device is told of Keel's memory.
 */
void efi_boot_check(void);

/*
 * efi_boot_ready() - go back to firmware, ready to take EL2
 * @end: Keel's memory ends here
 */
void __noreturn efi_boot_ready(u64 end);

/*
 * efi_boot_abandon() - go back to firmware, which goes on without Keel; if it is there, and this is
 * its CPU
 *
 * MMU on or off. @why: for its console; NULL if it has been printed.
 */
void efi_boot_abandon(const char *why);

/* The boot CPU, from secondary_main(): boot services have ended, or will if it says that EL2 can be taken. */
void __noreturn efi_boot_take(void);

#endif
