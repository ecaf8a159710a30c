/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Statistical Profiling Extension's EL1 registers: encodings, fields, and a set of their
 * values. Constants and data only; what the emulation makes of them is in spe/spe_regs.h.
 */
#ifndef KEEL_CPU_SPE_FIELDS_H
#define KEEL_CPU_SPE_FIELDS_H

#include <arch/regs.h>
#include <lib/types.h>

#define SPE_SYSREG(crm, op2) SYSREG_ENC(3, 0, 9, crm, op2)

/* The PMSVer from which on there are PMSNEVFR_EL1 and Discard mode: FEAT_SPEv1p2. */
#define SPE_VERSION_INVERSE 3

/* PMSCR_EL1 */
#define PMSCR_E0SPE BIT(0)
#define PMSCR_E1SPE BIT(1)
#define PMSCR_CX    BIT(3) /* CONTEXTIDR_EL1 in records */
#define PMSCR_PA    BIT(4) /* physical addresses in records */
#define PMSCR_TS    BIT(5) /* timestamps in records */
#define PMSCR_PCT   BIT(6) /* bit 7 is RES0 without FEAT_ECV; EL2's PCT decides anyway */

#define PMSCR_BITS (PMSCR_E0SPE | PMSCR_E1SPE | PMSCR_CX | PMSCR_PA | PMSCR_TS | PMSCR_PCT)

/* PMSICR_EL1 */
#define PMSICR_COUNT  GENMASK(31, 0)
#define PMSICR_ECOUNT GENMASK(63, 56)

/* PMSIRR_EL1 */
#define PMSIRR_RND	BIT(0)
#define PMSIRR_INTERVAL GENMASK(31, 8)

/* PMSFCR_EL1 */
#define PMSFCR_FE  BIT(0)
#define PMSFCR_FT  BIT(1)
#define PMSFCR_FL  BIT(2)
#define PMSFCR_FNE BIT(3)
#define PMSFCR_B   BIT(16)
#define PMSFCR_LD  BIT(17)
#define PMSFCR_ST  BIT(18)

/* PMSLATFR_EL1, as wide as the counters */
#define PMSLATFR_MINLAT GENMASK(11, 0)

/* PMSIDR_EL1 */
#define PMSIDR_FE	 BIT(0)
#define PMSIDR_FT	 BIT(1)
#define PMSIDR_FL	 BIT(2)
#define PMSIDR_ARCHINST	 BIT(3)
#define PMSIDR_LDS	 BIT(4)
#define PMSIDR_ERND	 BIT(5)
#define PMSIDR_FNE	 BIT(6)
#define PMSIDR_INTERVAL	 GENMASK(11, 8)
#define PMSIDR_MAXSIZE	 GENMASK(15, 12)
#define PMSIDR_COUNTSIZE GENMASK(19, 16)
#define PMSIDR_FORMAT	 GENMASK(23, 20)
#define PMSIDR_PBT	 BIT(24)
#define PMSIDR_CRR	 BIT(25)

/* PMBLIMITR_EL1 */
#define PMBLIMITR_E	     BIT(0)
#define PMBLIMITR_FM	     GENMASK(2, 1)
#define PMBLIMITR_FM_DISCARD 2
#define PMBLIMITR_PMFZ	     BIT(5)
#define PMBLIMITR_LIMIT	     GENMASK(63, 12)

/* PMBSR_EL1 */
#define PMBSR_MSS      GENMASK(5, 0) /* BSC or FSC; the rest of MSS is RES0 */
#define PMBSR_COLL     BIT(16)
#define PMBSR_S	       BIT(17)
#define PMBSR_EA       BIT(18)
#define PMBSR_DL       BIT(19)
#define PMBSR_EC       GENMASK(31, 26)
#define PMBSR_EC_OTHER 0x00
#define PMBSR_EC_S1    0x24 /* stage 1 Data Abort */
#define PMBSR_EC_S2    0x25 /* stage 2 Data Abort */
#define PMBSR_BSC_FULL 0x01
#define PMBSR_BITS     (PMBSR_MSS | PMBSR_COLL | PMBSR_S | PMBSR_EA | PMBSR_DL | PMBSR_EC)

/* PMBIDR_EL1. Emulated, F is 0: a write sets neither access flags nor dirty state. */
#define PMBIDR_ALIGN GENMASK(3, 0)
#define PMBIDR_P     BIT(4)
#define PMBIDR_F     BIT(5)

/* Bits of an Events packet (D17.3.5), of PMSEVFR_EL1 and PMSNEVFR_EL1. */
#define SPE_EVENT_EXCEPTION    BIT(0)
#define SPE_EVENT_RETIRED      BIT(1)
#define SPE_EVENT_L1D_ACCESS   BIT(2)
#define SPE_EVENT_L1D_REFILL   BIT(3)
#define SPE_EVENT_TLB_ACCESS   BIT(4)
#define SPE_EVENT_TLB_WALK     BIT(5)
#define SPE_EVENT_NOT_TAKEN    BIT(6)
#define SPE_EVENT_MISPRED      BIT(7)
#define SPE_EVENT_LLC_ACCESS   BIT(8)
#define SPE_EVENT_LLC_MISS     BIT(9)
#define SPE_EVENT_REMOTE       BIT(10)
#define SPE_EVENT_MISALIGNED   BIT(11)
#define SPE_EVENT_PRED_PARTIAL BIT(17)
#define SPE_EVENT_PRED_EMPTY   BIT(18)

struct spe_regs {
	u64 pmscr;
	u64 pmsnevfr;
	u64 pmsicr;
	u64 pmsirr;
	u64 pmsfcr;
	u64 pmsevfr;
	u64 pmslatfr;
	u64 pmblimitr;
	u64 pmbptr;
	u64 pmbsr;
	bool sve; /* the VM has SVE: predicate events can be filtered on. Set by its owner. */
};

#endif
