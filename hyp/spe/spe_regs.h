/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Statistical Profiling Extension's EL1 registers as the emulation offers them: what they hold,
 * what they read as after reset, whether they let samples be taken, and the interval counter.
 *
 * What is offered (docs/spe.md has the reasons): FEAT_SPEv1p2 with inverse event filtering, 64-byte
 * records, architectural instructions as the population, jitter at the end of the interval. No data
 * sources, no previous branch targets, no call and return records: those are not known to an
 * emulation, or came with later versions.
 *
 * Values to values: no locks, no hardware. Whoever owns the vCPU owns its struct spe_regs.
 */
#ifndef KEEL_SPE_SPE_REGS_H
#define KEEL_SPE_SPE_REGS_H

#include <lib/types.h>

/* Encodings as in the low 16 bits of an ESR's system-register form (ARM DDI 0487, C5.3). */
#define SPE_SYSREG(crm, op2) ((u32)(3 << 14 | 0 << 11 | 9 << 7 | (crm) << 3 | (op2)))

#define SPE_PMSCR_EL1	  SPE_SYSREG(9, 0)
#define SPE_PMSNEVFR_EL1  SPE_SYSREG(9, 1)
#define SPE_PMSICR_EL1	  SPE_SYSREG(9, 2)
#define SPE_PMSIRR_EL1	  SPE_SYSREG(9, 3)
#define SPE_PMSFCR_EL1	  SPE_SYSREG(9, 4)
#define SPE_PMSEVFR_EL1	  SPE_SYSREG(9, 5)
#define SPE_PMSLATFR_EL1  SPE_SYSREG(9, 6)
#define SPE_PMSIDR_EL1	  SPE_SYSREG(9, 7)
#define SPE_PMBLIMITR_EL1 SPE_SYSREG(10, 0)
#define SPE_PMBPTR_EL1	  SPE_SYSREG(10, 1)
#define SPE_PMBSR_EL1	  SPE_SYSREG(10, 3)
#define SPE_PMBIDR_EL1	  SPE_SYSREG(10, 7)

/* ID_AA64DFR0_EL1.PMSVer of a VM that has the feature: FEAT_SPEv1p2 (D24.2.80). */
#define SPE_PMSVER 3
/* The PMSVer from which on there are PMSNEVFR_EL1 and Discard mode: FEAT_SPEv1p2. */
#define SPE_VERSION_INVERSE 3

/* PMSCR_EL1 (D24.7.10) */
#define PMSCR_E0SPE BIT(0)
#define PMSCR_E1SPE BIT(1)
#define PMSCR_CX    BIT(3) /* CONTEXTIDR_EL1 in records */
#define PMSCR_PA    BIT(4) /* physical addresses in records */
#define PMSCR_TS    BIT(5) /* timestamps in records */
#define PMSCR_PCT   BIT(6) /* bit 7 is RES0 without FEAT_ECV; EL2's PCT decides anyway */

#define PMSCR_BITS (PMSCR_E0SPE | PMSCR_E1SPE | PMSCR_CX | PMSCR_PA | PMSCR_TS | PMSCR_PCT)

/* PMSICR_EL1 (D24.7.13) */
#define PMSICR_COUNT  GENMASK(31, 0)
#define PMSICR_ECOUNT GENMASK(63, 56)

/* PMSIRR_EL1 (D24.7.15) */
#define PMSIRR_RND	BIT(0)
#define PMSIRR_INTERVAL GENMASK(31, 8)

/* PMSFCR_EL1 (D24.7.12) */
#define PMSFCR_FE  BIT(0)
#define PMSFCR_FT  BIT(1)
#define PMSFCR_FL  BIT(2)
#define PMSFCR_FNE BIT(3)
#define PMSFCR_B   BIT(16)
#define PMSFCR_LD  BIT(17)
#define PMSFCR_ST  BIT(18)

/* PMSLATFR_EL1 (D24.7.16), as wide as the counters */
#define PMSLATFR_MINLAT GENMASK(11, 0)

/* PMSIDR_EL1 (D24.7.14) */
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

/* PMBLIMITR_EL1 (D24.7.2) */
#define PMBLIMITR_E	     BIT(0)
#define PMBLIMITR_FM	     GENMASK(2, 1)
#define PMBLIMITR_FM_DISCARD 2
#define PMBLIMITR_PMFZ	     BIT(5)
#define PMBLIMITR_LIMIT	     GENMASK(63, 12)

/* PMBSR_EL1 (D24.7.5) */
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

/* PMBIDR_EL1 (D24.7.1). Emulated, F is 0: a write sets neither access flags nor dirty state. */
#define PMBIDR_ALIGN GENMASK(3, 0)
#define PMBIDR_P     BIT(4)
#define PMBIDR_F     BIT(5)

/* Log2 of the size and of the alignment of records: each is exactly one cache line of 64 bytes. */
#define SPE_RECORD_SHIFT 6
#define SPE_RECORD_SIZE	 (1U << SPE_RECORD_SHIFT)

/* Least interval: what PMSIDR_EL1.Interval says, and what a smaller PMSIRR_EL1.INTERVAL means. */
#define SPE_MIN_INTERVAL 1024U

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

/* All registers as after a Warm reset; those that the manual leaves UNKNOWN are 0. */
void spe_regs_reset(struct spe_regs *regs);

/**
 * spe_reg_read(), spe_reg_write() - a register as an MRS reads it, and an MSR writes it
 * @encoding: as SPE_SYSREG() makes it; any value
 *
 * Bits that are RES0 read as zero and ignore writes.
 *
 * Return: false if the access is UNDEFINED (not a register of these, or a write of PMSIDR_EL1 or
 * PMBIDR_EL1); nothing has changed then.
 */
bool spe_reg_read(const struct spe_regs *regs, u32 encoding, u64 *value);
bool spe_reg_write(struct spe_regs *regs, u32 encoding, u64 value);

/* Where the value of a register that can be written is kept; NULL for others. */
u64 *spe_reg_storage(struct spe_regs *regs, u32 encoding);

/* Whether spe_reg_read(), or spe_reg_write(), would succeed. */
bool spe_reg_is(u32 encoding, bool write);

/* Events that PMSEVFR_EL1 and PMSNEVFR_EL1 can ask for. */
u64 spe_events_filtered(const struct spe_regs *regs);

/* The level of the profiling interrupt, PMBIRQ. */
static inline bool spe_irq(const struct spe_regs *regs)
{
	return (regs->pmbsr & PMBSR_S) != 0;
}

/* Whether the profiling buffer takes records, or discards them in Discard mode (D17.4). */
static inline bool spe_buffer_enabled(const struct spe_regs *regs)
{
	return (regs->pmblimitr & PMBLIMITR_E) && !spe_irq(regs);
}

/*
 * StatisticalProfilingEnabled() of the manual: whether instructions at EL @el (0 or 1) count as
 * population and are sampled. AArch32 never is.
 */
static inline bool spe_enabled_at(const struct spe_regs *regs, unsigned int el, bool aarch32)
{
	if (aarch32 || el > 1 || !spe_buffer_enabled(regs))
		return false;
	return (regs->pmscr & (el ? PMSCR_E1SPE : PMSCR_E0SPE)) != 0;
}

/* PMSIRR_EL1.INTERVAL, not below what PMSIDR_EL1 says: 0 is "an UNKNOWN interval". */
static inline u32 spe_interval(const struct spe_regs *regs)
{
	return (u32)MAX(regs->pmsirr & PMSIRR_INTERVAL, SPE_MIN_INTERVAL);
}

/* spe_interval_run() without jitter: one counter, which is reloaded,
 * and runs down to the sample. */
static inline u64 spe_interval_run_plain(struct spe_regs *regs, u64 ops, bool *sample)
{
	u64 count = FIELD_GET(PMSICR_COUNT, regs->pmsicr), reload = !count && ops ? 1 : 0, step;

	if (reload)
		count = spe_interval(regs);
	step = MIN(count, ops - reload);
	count -= step;
	*sample = step && !count;
	regs->pmsicr = FIELD_PREP(PMSICR_COUNT, count) | (regs->pmsicr & PMSICR_ECOUNT);
	return reload + step;
}

/* And with it. */
u64 spe_interval_run_jitter(struct spe_regs *regs, u64 ops, u8 (*random)(void *), void *arg,
			    bool *sample);

/**
 * spe_interval_run() - the population advances
 * @regs:   PMSICR_EL1 counts down, and is reloaded from PMSIRR_EL1 (D17.2.2)
 * @ops:    sampled population that ran, in instructions; stops short of the next sample after one
 * @random: uniform in 0..255 at each call: the jitter
 * @sample: whether the last of the instructions that are counted is to be sampled
 *
 * Return: how many of @ops were counted: all of them, or up to and including the sampled one.
 */
static inline u64 spe_interval_run(struct spe_regs *regs, u64 ops, u8 (*random)(void *), void *arg,
				   bool *sample)
{
	if (!(regs->pmsirr & PMSIRR_RND))
		return spe_interval_run_plain(regs, ops, sample);
	return spe_interval_run_jitter(regs, ops, random, arg, sample);
}

/*
 * A lower bound of the instructions until the next sample: at least 1, and exact unless the jitter
 * has still to be drawn.
 */
static inline u64 spe_interval_left(const struct spe_regs *regs)
{
	u64 count = FIELD_GET(PMSICR_COUNT, regs->pmsicr);
	u64 ecount = FIELD_GET(PMSICR_ECOUNT, regs->pmsicr);

	if ((regs->pmsirr & PMSIRR_RND) && ecount)
		return MIN(ecount, count ? count : ecount);
	return count ? count : 1 + spe_interval(regs);
}

#endif
