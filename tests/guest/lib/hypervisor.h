/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For payloads at a virtual EL2 (vmrun --nested): its registers, nested guests at EL1, and stage 2
 * tables of 4K pages for them, of 39 bits, from level 1 on.
 */
#ifndef GUEST_HYPERVISOR_H
#define GUEST_HYPERVISOR_H

#include "guest.h"

/* ---- HCR_EL2 ---- */

#define HCR_VM	 BIT(0)
#define HCR_PTW	 BIT(2)
#define HCR_FMO	 BIT(3)
#define HCR_IMO	 BIT(4)
#define HCR_AMO	 BIT(5)
#define HCR_VF	 BIT(6)
#define HCR_VI	 BIT(7)
#define HCR_VSE	 BIT(8)
#define HCR_DC	 BIT(12)
#define HCR_TWI	 BIT(13)
#define HCR_TID3 BIT(18)
#define HCR_TSC	 BIT(19)
#define HCR_TVM	 BIT(26)
#define HCR_TGE	 BIT(27)
#define HCR_HCD	 BIT(29)
#define HCR_TRVM BIT(30)
#define HCR_RW	 BIT(31)
#define HCR_E2H	 BIT(34)
#define HCR_APK	 BIT(40)
#define HCR_API	 BIT(41)

/* EL0 is EL2's; EL1 has no stage 2 of the payload's; EL1 has. */
#define HCR_HOST   (HCR_E2H | HCR_TGE | HCR_RW)
#define HCR_EL1	   (HCR_E2H | HCR_RW)
#define HCR_NESTED (HCR_EL1 | HCR_VM)

/* ---- names that assemblers do not know ---- */

#define SCTLR_EL12	S3_5_C1_C0_0
#define CPACR_EL12	S3_5_C1_C0_2
#define ZCR_EL12	S3_5_C1_C2_0
#define TTBR0_EL12	S3_5_C2_C0_0
#define TTBR1_EL12	S3_5_C2_C0_1
#define TCR_EL12	S3_5_C2_C0_2
#define SPSR_EL12	S3_5_C4_C0_0
#define ELR_EL12	S3_5_C4_C0_1
#define AFSR0_EL12	S3_5_C5_C1_0
#define AFSR1_EL12	S3_5_C5_C1_1
#define ESR_EL12	S3_5_C5_C2_0
#define FAR_EL12	S3_5_C6_C0_0
#define MAIR_EL12	S3_5_C10_C2_0
#define AMAIR_EL12	S3_5_C10_C3_0
#define VBAR_EL12	S3_5_C12_C0_0
#define CONTEXTIDR_EL12 S3_5_C13_C0_1
#define CNTKCTL_EL12	S3_5_C14_C1_0
#define CNTP_CTL_EL02	S3_5_C14_C2_1
#define CNTP_CVAL_EL02	S3_5_C14_C2_2
#define CNTV_CTL_EL02	S3_5_C14_C3_1
#define CNTV_CVAL_EL02	S3_5_C14_C3_2
#define ZCR_EL2		S3_4_C1_C2_0
#define TTBR1_EL2	S3_4_C2_C0_1
#define CONTEXTIDR_EL2	S3_4_C13_C0_1
#define CNTHV_CTL_EL2	S3_4_C14_C3_1
#define CNTHV_CVAL_EL2	S3_4_C14_C3_2
#define ICC_SRE_EL2	S3_4_C12_C9_5
#define ICH_AP0R0_EL2	S3_4_C12_C8_0
#define ICH_AP1R0_EL2	S3_4_C12_C9_0
#define ICH_HCR_EL2	S3_4_C12_C11_0
#define ICH_VTR_EL2	S3_4_C12_C11_1
#define ICH_MISR_EL2	S3_4_C12_C11_2
#define ICH_EISR_EL2	S3_4_C12_C11_3
#define ICH_ELRSR_EL2	S3_4_C12_C11_5
#define ICH_VMCR_EL2	S3_4_C12_C11_7
#define ICH_LR0_EL2	S3_4_C12_C12_0

/* ---- EL1 ---- */

#define SCTLR_OFF 0x30d00800UL /* no MMU, no caches */
#define FP_ON	  (3UL << 20)  /* CPACR_EL1, CPTR_EL2 */

/* PSTATE, with all exceptions masked */
#define EL0T 0x3c0UL
#define EL1T 0x3c4UL
#define EL1H 0x3c5UL
#define EL2H 0x3c9UL
#define MODE 0x1fUL

/* ESR_EL2 of HVC #n */
#define HVC(n) (EC_HVC64 << 26 | BIT(25) | (n))

/**
 * el1_run_at() - run code at EL1, or at its EL0, until EL2 takes an exception
 * @function: code that ends by an exception to EL2, such as HVC
 * @x0: its argument; x1 is 0x55
 * @hcr: HCR_EL2 meanwhile; afterwards it is HCR_HOST
 * @spsr: SPSR_EL2 of the entry
 *
 * Return: ESR_EL2, ENDED_BY_IRQ or ENDED_BY_FIQ; x0 after it is in el0_x0, the rest in this_cpu().
 */
u64 el1_run_at(void (*function)(void), u64 x0, u64 hcr, u64 spsr);

/* The same at EL1h. */
static inline u64 el1_run(void (*function)(void), u64 x0, u64 hcr)
{
	return el1_run_at(function, x0, hcr, EL1H);
}

/* ---- stage 2 ---- */

#define VTCR_AT	  (25UL | 1UL << 6 | 1UL << 8 | 1UL << 10 | 3UL << 12 | 2UL << 16 | BIT(31))
#define VTCR_HA	  BIT(21)
#define S2_NORMAL (0xfUL << 2)
#define S2_DEVICE (1UL << 2)
#define S2_R	  BIT(6)
#define S2_W	  BIT(7)
#define S2_AF	  BIT(10)
#define S2_CONT	  BIT(52)
#define S2_XN	  BIT(54)
#define S2_RWX	  (S2_NORMAL | S2_R | S2_W | 3UL << 8 | S2_AF)
#define S2_RW	  (S2_RWX | S2_XN)
#define S2_RO	  (S2_RW & ~S2_W)
#define S2_DEV	  (S2_DEVICE | S2_R | S2_W | S2_AF | S2_XN)
/* bits 1:0 */
#define S2_BLOCK 1UL
#define S2_TABLE 3UL
#define S2_PAGE	 3UL

/* static void tlbi_NAME(u64 x): TLBI OP by @x, complete on all CPUs when it returns. */
#define TLBI(name, op)                                                                      \
	static void tlbi_##name(u64 x)                                                      \
	{                                                                                   \
		__asm__ volatile("dsb ish; tlbi " op "; dsb ish; isb" ::"r"(x) : "memory"); \
	}

#endif
