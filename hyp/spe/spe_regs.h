/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Statistical Profiling Extension's EL1 registers as the emulation offers them: their values
 * and reset values, whether they enable profiling, and the interval counter.
 *
 * The emulation offers (docs/spe.md has the reasons) FEAT_SPEv1p2 with inverse event filtering,
 * 64-byte records, architectural instructions as the population, jitter at the end of the interval.
 * It does not offer data sources, previous branch targets, and call and return records: an
 * emulation does not know them, or later versions added them.
 *
 * Pure functions: no locks, no hardware. The owner of a vCPU owns its struct spe_regs.
 */
#ifndef KEEL_SPE_SPE_REGS_H
#define KEEL_SPE_SPE_REGS_H

#include <cpu/spe_fields.h>

/* ID_AA64DFR0_EL1.PMSVer of a VM that has the feature: FEAT_SPEv1p2. */
#define SPE_PMSVER 3
/* Log2 of the size and of the alignment of records: each is exactly one cache line of 64 bytes. */
#define SPE_RECORD_SHIFT 6
#define SPE_RECORD_SIZE	 (1U << SPE_RECORD_SHIFT)

/* The minimum interval, as PMSIDR_EL1.Interval says; a smaller PMSIRR_EL1.INTERVAL means this. */
#define SPE_MIN_INTERVAL 1024U

/* Reset all registers as a Warm reset does; UNKNOWN values are 0. */
void spe_regs_reset(struct spe_regs *regs);

/**
 * spe_reg_read(), spe_reg_write() - an MRS or MSR of a register
 * @encoding: any value
 *
 * Bits that are RES0 read as zero and ignore writes.
 *
 * Return: false if the access is UNDEFINED (not one of these registers, or a write of PMSIDR_EL1 or
 * PMBIDR_EL1); nothing has changed then.
 */
bool spe_reg_read(const struct spe_regs *regs, u32 encoding, u64 *value);
bool spe_reg_write(struct spe_regs *regs, u32 encoding, u64 value);

/* Where the value of a writable register is stored; NULL for others. */
u64 *spe_reg_storage(struct spe_regs *regs, u32 encoding);

/* Whether spe_reg_read(), or spe_reg_write(), would succeed. */
bool spe_reg_is(u32 encoding, bool write);

/* Events that PMSEVFR_EL1 and PMSNEVFR_EL1 can select. */
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

/*
 * spe_interval_run() without jitter: one counter, which is reloaded and counts down to the sample.
 */
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

/* spe_interval_run() with jitter. */
u64 spe_interval_run_jitter(struct spe_regs *regs, u64 ops, u8 (*random)(void *), void *arg,
			    bool *sample);

/**
 * spe_interval_run() - count instructions of the population, up to the next sample
 * @regs:   PMSICR_EL1 counts down, and is reloaded from PMSIRR_EL1 (D17.2.2)
 * @ops:    how many instructions ran
 * @random: uniform in 0..255 at each call: the jitter
 * @sample: out: whether the last instruction that was counted is sampled
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
 * is not drawn yet.
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
