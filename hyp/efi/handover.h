/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the EFI application and Keel at EL2 tell each other. It lies in Keel's memory, behind its
 * region, where the application writes it by firmware's mappings, and Keel by its own
 * (docs/boot.md).
 */
#ifndef KEEL_EFI_HANDOVER_H
#define KEEL_EFI_HANDOVER_H

/* struct efi_el2_state, as efi.S stores it */
#define EFI_STATE_SP	 0
#define EFI_STATE_SPSEL	 8
#define EFI_STATE_DAIF	 16
#define EFI_STATE_SP_EL2 24
#define EFI_STATE_HCR	 32
#define EFI_STATE_SCTLR	 40
#define EFI_STATE_TCR	 48
#define EFI_STATE_TTBR0	 56
#define EFI_STATE_TTBR1	 64
#define EFI_STATE_MAIR	 72
#define EFI_STATE_VBAR	 80
#define EFI_STATE_TPIDR	 88
#define EFI_STATE_CPTR	 96
#define EFI_STATE_TCR2	 104
#define EFI_STATE_SCTLR2 112
#define EFI_STATE_PIR	 120
#define EFI_STATE_PIRE0	 128
#define EFI_STATE_SIZE	 256

/* Offsets in struct efi_handover */
#define EFI_HANDOVER_FDT    EFI_STATE_SIZE
#define EFI_HANDOVER_RESUME (EFI_STATE_SIZE + 8)

#ifndef __ASSEMBLY__
#include <host/memmap.h>
#include <lib/types.h>

#define EFI_OPTIONS_MAX 1024 /* with a terminator */
#define EFI_WHY_MAX	192

/* Firmware's state at EL2 while Keel runs there. */
struct efi_el2_state {
	u64 sp; /* registers that the caller keeps are on this stack */
	u64 spsel, daif;
	u64 sp_el2; /* SP_EL2, whatever SPSel is */
	u64 hcr, sctlr, tcr, ttbr0, ttbr1, mair, vbar, tpidr, cptr;
	u64 tcr2, sctlr2; /* 0 where there are none */
	u64 pir, pire0;	  /* what permissions mean with @tcr2.PIE; likewise */
	u64 pad[15];
};

struct efi_handover {
	/* Cache lines of its own: read with the MMU off, after firmware wrote it with the MMU on. */
	struct efi_el2_state state;
	/* in: physical addresses */
	u64 fdt;       /* what the machine is */
	u64 resume;    /* code to which Keel returns with the MMU off, at EL2 (efi.S) */
	u64 el1_entry; /* code at which EL1 begins, in firmware's mappings */
	u64 size;      /* bytes of this structure's memory, whole pages */
	u64 tree;      /* where the host's device tree goes */
	u64 tree_size; /* 0: the host has none */
	bool acpi;     /* the host may take ACPI's tables */
	bool secure; /* firmware starts nothing that it does not trust: what has no signature decides less */
	bool trial; /* a visit that tells whether EL2 can be taken, and takes nothing */
	/* memory; @map.reserved is all of RAM but what Keel may take */
	struct memmap map;
	char options[EFI_OPTIONS_MAX];
	/* out */
	u64 take_entry; /* where Keel is entered, MMU off, to take EL2 */
	u64 end;	/* Keel's memory ends here */
	bool hardware;	/* devices may have addresses in Keel's memory, or a CPU runs there */
	char why[EFI_WHY_MAX];
};

STATIC_ASSERT(sizeof(struct efi_el2_state) == EFI_STATE_SIZE, "efi.S");
STATIC_ASSERT(__builtin_offsetof(struct efi_el2_state, cptr) == EFI_STATE_CPTR, "efi.S");
STATIC_ASSERT(__builtin_offsetof(struct efi_el2_state, sctlr2) == EFI_STATE_SCTLR2, "efi.S");
STATIC_ASSERT(__builtin_offsetof(struct efi_handover, fdt) == EFI_HANDOVER_FDT, "efi.S");
STATIC_ASSERT(__builtin_offsetof(struct efi_handover, resume) == EFI_HANDOVER_RESUME, "efi.S");
#endif
#endif
