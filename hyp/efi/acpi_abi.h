/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's tables in memory: offsets of fields, little-endian and not aligned, with the section of
 * ACPI 6.5 or the document that defines them. Offsets in an entry of a table are from its start.
 */
#ifndef KEEL_EFI_ACPI_ABI_H
#define KEEL_EFI_ACPI_ABI_H

#include <lib/string.h>
#include <lib/types.h>

/* 5.2.5.3: RSDP. The first checksum is over the first 20 bytes, the second over all. */
#define RSDP_SIGNATURE "RSD PTR "
#define RSDP_CHECKSUM  8
#define RSDP_REVISION  15
#define RSDP_RSDT      16
#define RSDP_V1_SIZE   20
#define RSDP_LENGTH    20
#define RSDP_XSDT      24
#define RSDP_CHECKSUM2 32
#define RSDP_SIZE      36

/* 5.2.6: the header of every other table */
#define ACPI_SIGNATURE	  0
#define ACPI_LENGTH	  4
#define ACPI_REVISION	  8
#define ACPI_CHECKSUM	  9
#define ACPI_OEM_ID	  10
#define ACPI_OEM_TABLE_ID 16
#define ACPI_OEM_REVISION 24
#define ACPI_CREATOR_ID	  28
#define ACPI_HEADER_SIZE  36

/* 5.2.8: XSDT, 64-bit addresses behind the header */
#define XSDT_ENTRY 8

/* 5.2.9: FADT */
#define FADT_ARM_BOOT_FLAGS 129 /* 16 bits */
#define FADT_PSCI_COMPLIANT BIT(0)
#define FADT_PSCI_USE_HVC   BIT(1)
#define FADT_ARM_SIZE	    131
#define FADT_HYPERVISOR	    268 /* 8 bytes: who */
#define FADT_HYPERVISOR_END 276

/* 5.2.12: MADT, entries with type and length behind this */
#define MADT_ENTRIES 44
/* 5.2.12.14: GICC */
#define MADT_GICC	      0x0b
#define GICC_FLAGS	      12
#define GICC_ENABLED	      BIT(0)
#define GICC_MAINTENANCE_EDGE BIT(2)
#define GICC_PARKING	      16
#define GICC_PARKED	      24 /* 64 bits, as the next three */
#define GICC_BASE	      32
#define GICC_GICV	      40
#define GICC_GICH	      48
#define GICC_MAINTENANCE      56
#define GICC_GICR	      60 /* 64 bits, as the next one */
#define GICC_MPIDR	      68
#define GICC_SIZE	      76
/* 5.2.12.15: GICD */
#define MADT_GICD    0x0c
#define GICD_BASE    8
#define GICD_VERSION 20
#define GICD_SIZE    24
/* 5.2.12.17: GICR */
#define MADT_GICR   0x0e
#define GICR_BASE   4
#define GICR_LENGTH 12
#define GICR_SIZE   16
/* 5.2.12.18: GIC ITS; flags of 6.6 */
#define MADT_ITS	0x0f
#define ITS_FLAGS	2
#define ITS_NONCOHERENT BIT(0)
#define ITS_BASE	8
#define ITS_SIZE	20

/* 5.2.25: GTDT. Each timer has an interrupt and, behind it, flags of 32 bits. */
#define GTDT_EL1_TIMER	   56
#define GTDT_VIRTUAL_TIMER 64
#define GTDT_SIZE	   80

/* 5.2.3.2: Generic Address Structure */
#define GAS_SPACE	 0
#define GAS_SPACE_MEMORY 0
#define GAS_ADDRESS	 4
#define GAS_SIZE	 12

/* Microsoft's Serial Port Console Redirection Table: kinds of UART as in DBG2 */
#define SPCR_UART 36
#define SPCR_BASE 40
#define SPCR_SIZE 52

/* Microsoft's Debug Port Table 2, and its devices' information */
#define DBG2_DEVICES	 36 /* offset, then number */
#define DBG2_COUNT	 40
#define DBG2_SIZE	 44
#define DBG2_DEV_LENGTH	 1 /* 16 bits */
#define DBG2_DEV_GASES	 3 /* 8 bits */
#define DBG2_DEV_TYPE	 12
#define DBG2_DEV_SUBTYPE 14
#define DBG2_DEV_BASE	 18 /* 16 bits: offset of a GAS */
#define DBG2_DEV_SIZE	 22
#define DBG2_SERIAL	 0x8000

#define DBG2_UART_PL011	  3
#define DBG2_UART_SBSA_32 0x0d
#define DBG2_UART_SBSA	  0x0e

static inline u16 acpi_u16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static inline u32 acpi_u32(const u8 *p)
{
	return acpi_u16(p) | (u32)acpi_u16(p + 2) << 16;
}

static inline u64 acpi_u64(const u8 *p)
{
	return acpi_u32(p) | (u64)acpi_u32(p + 4) << 32;
}

static inline void acpi_put(u8 *p, u64 value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (u8)(value >> 8 * i);
}

/* The sum of bytes, which is 0 where a checksum is right. */
static inline u8 acpi_sum(const u8 *p, size_t size)
{
	u8 sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (u8)(sum + p[i]);
	return sum;
}

#endif
