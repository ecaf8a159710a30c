/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB maintenance: each tlbi_*() is one TLBI instruction without a barrier (ARM DDI 0487, D8.17).
 * The sequences are in portable code, which is tested on a model of a TLB. Operands are those of
 * C5.5.
 */
#ifndef KEEL_ARCH_TLB_H
#define KEEL_ARCH_TLB_H

#include <arch/tlb_s2.h>
#include <lib/types.h>

#define DEFINE_TLBI(name, op)                              \
	static inline void tlbi_##name(void)               \
	{                                                  \
		__asm__ volatile("tlbi " op ::: "memory"); \
	}
#define DEFINE_TLBI_XT(name, insn)                                    \
	static inline void tlbi_##name(u64 xt)                        \
	{                                                             \
		__asm__ volatile(insn ", %0" : : "r"(xt) : "memory"); \
	}

DEFINE_TLBI_XT(ipas2e1is, "tlbi ipas2e1is")
DEFINE_TLBI_XT(ripas2e1is, "sys #4, c8, c0, #2") /* RIPAS2E1IS, FEAT_TLBIRANGE */
DEFINE_TLBI(vmalle1is, "vmalle1is")
DEFINE_TLBI(vmalle1, "vmalle1")
DEFINE_TLBI(vmalls12e1is, "vmalls12e1is")
DEFINE_TLBI_XT(vae1is, "tlbi vae1is")
DEFINE_TLBI_XT(aside1is, "tlbi aside1is")
DEFINE_TLBI_XT(vaae1is, "tlbi vaae1is")
DEFINE_TLBI_XT(vale1is, "tlbi vale1is")
DEFINE_TLBI_XT(vaale1is, "tlbi vaale1is")
DEFINE_TLBI_XT(rvae1is, "sys #0, c8, c2, #1")	/* RVAE1IS, FEAT_TLBIRANGE */
DEFINE_TLBI_XT(rvaae1is, "sys #0, c8, c2, #3")	/* RVAAE1IS */
DEFINE_TLBI_XT(rvale1is, "sys #0, c8, c2, #5")	/* RVALE1IS */
DEFINE_TLBI_XT(rvaale1is, "sys #0, c8, c2, #7") /* RVAALE1IS */
DEFINE_TLBI(alle1is, "alle1is")
DEFINE_TLBI(alle1, "alle1")
DEFINE_TLBI_XT(vae2is, "tlbi vae2is")
DEFINE_TLBI(alle2is, "alle2is")

#endif
