// SPDX-License-Identifier: BSD-2-Clause
/* SPE's registers and the interval counter. See spe_regs.h. */
#include <lib/compiler.h>
#include <spe/spe_regs.h>

#define RECORD_PTR GENMASK(63, SPE_RECORD_SHIFT)
#define PMSFCR_BITS \
	(PMSFCR_FE | PMSFCR_FT | PMSFCR_FL | PMSFCR_FNE | PMSFCR_B | PMSFCR_LD | PMSFCR_ST)
#define NO_STORAGE 0xff

/* PMSEVFR_EL1: E[x] of FEAT_SPEv1p2; no IMPLEMENTATION DEFINED events. */
#define EVENTS_V1P2                                                                            \
	(SPE_EVENT_RETIRED | SPE_EVENT_L1D_REFILL | SPE_EVENT_TLB_WALK | SPE_EVENT_NOT_TAKEN | \
	 SPE_EVENT_MISPRED | SPE_EVENT_MISALIGNED)
#define EVENTS_SVE (SPE_EVENT_PRED_PARTIAL | SPE_EVENT_PRED_EMPTY)

/* PMSIDR_EL1.Interval = 4: 1024 instructions; CountSize = 2: 12 bits, saturating. */
STATIC_ASSERT(SPE_MIN_INTERVAL == 1024, "PMSIDR_EL1.Interval says so");
#define PMSIDR_VALUE                                                                      \
	(PMSIDR_FE | PMSIDR_FT | PMSIDR_FL | PMSIDR_ARCHINST | PMSIDR_ERND | PMSIDR_FNE | \
	 FIELD_PREP(PMSIDR_INTERVAL, 4) | FIELD_PREP(PMSIDR_MAXSIZE, SPE_RECORD_SHIFT) |  \
	 FIELD_PREP(PMSIDR_COUNTSIZE, 2))
#define PMBIDR_VALUE FIELD_PREP(PMBIDR_ALIGN, SPE_RECORD_SHIFT)

/* CRm is 9 or 10, op2 anything: 16 encodings in a row. */
#define FIRST	 REG_NUM(PMSCR_EL1)
#define ROW(reg) [REG_NUM(reg) - FIRST]
#define STORED(reg, field, bits) \
	ROW(reg) = { .there = true, .offset = offsetof(struct spe_regs, field), .mask = (bits) }
#define FIXED(reg, bits) ROW(reg) = { .there = true, .offset = NO_STORAGE, .value = (bits) }

static const struct spe_row {
	bool there;
	u8 offset; /* in struct spe_regs, or NO_STORAGE */
	u64 mask;  /* bits that are not RES0 */
	u64 value; /* of a read-only register */
} rows[16] = {
	STORED(PMSCR_EL1, pmscr, PMSCR_BITS),
	STORED(PMSNEVFR_EL1, pmsnevfr, EVENTS_V1P2 | EVENTS_SVE),
	STORED(PMSICR_EL1, pmsicr, PMSICR_COUNT | PMSICR_ECOUNT),
	STORED(PMSIRR_EL1, pmsirr, PMSIRR_INTERVAL | PMSIRR_RND),
	STORED(PMSFCR_EL1, pmsfcr, PMSFCR_BITS),
	STORED(PMSEVFR_EL1, pmsevfr, EVENTS_V1P2 | EVENTS_SVE),
	STORED(PMSLATFR_EL1, pmslatfr, PMSLATFR_MINLAT),
	FIXED(PMSIDR_EL1, PMSIDR_VALUE),
	STORED(PMBLIMITR_EL1, pmblimitr,
	       PMBLIMITR_LIMIT | PMBLIMITR_PMFZ | PMBLIMITR_FM | PMBLIMITR_E),
	STORED(PMBPTR_EL1, pmbptr, RECORD_PTR),
	STORED(PMBSR_EL1, pmbsr, PMBSR_BITS),
	FIXED(PMBIDR_EL1, PMBIDR_VALUE),
};

static const struct spe_row *find_spe_row(u32 encoding)
{
	u32 index = encoding - FIRST;

	return index < ARRAY_SIZE(rows) && rows[index].there ? &rows[index] : NULL;
}

static u64 *row_storage(struct spe_regs *regs, const struct spe_row *row)
{
	return (u64 *)(void *)((char *)regs + row->offset);
}

u64 spe_events_filtered(const struct spe_regs *regs)
{
	return EVENTS_V1P2 | (regs->sve ? EVENTS_SVE : 0);
}

/* The register's writable bits: without SVE its events cannot be selected. */
static u64 kept_mask(const struct spe_regs *regs, u32 encoding, u64 mask)
{
	if (encoding == REG_NUM(PMSEVFR_EL1) || encoding == REG_NUM(PMSNEVFR_EL1))
		mask &= spe_events_filtered(regs);
	return mask;
}

void spe_regs_reset(struct spe_regs *regs)
{
	*regs = (struct spe_regs){ .sve = regs->sve };
}

bool spe_reg_read(const struct spe_regs *regs, u32 encoding, u64 *value)
{
	const struct spe_row *row = find_spe_row(encoding);

	if (!row)
		return false;
	if (row->offset == NO_STORAGE)
		*value = row->value;
	else
		*value = *(const u64 *)(const void *)((const char *)regs + row->offset);
	return true;
}

u64 *spe_reg_storage(struct spe_regs *regs, u32 encoding)
{
	const struct spe_row *row = find_spe_row(encoding);

	return row && row->offset != NO_STORAGE ? row_storage(regs, row) : NULL;
}

bool spe_reg_is(u32 encoding, bool write)
{
	const struct spe_row *row = find_spe_row(encoding);

	return row && !(write && row->offset == NO_STORAGE);
}

bool spe_reg_write(struct spe_regs *regs, u32 encoding, u64 value)
{
	const struct spe_row *row = find_spe_row(encoding);

	if (!row || row->offset == NO_STORAGE)
		return false;
	*row_storage(regs, row) = value & kept_mask(regs, encoding, row->mask);
	return true;
}

/* ---- the interval (D17.2.2; SPEToCollectSample() and SPEResetSampleCounter() in J1.1.1) ---- */

/*
 * The number of instructions until one of the two counters reaches zero or is reloaded: at least 1.
 */
static u64 until_event(u64 count, u64 ecount)
{
	u64 left = count ? count : 1; /* 1: the instruction that reloads COUNT */

	return ecount ? MIN(left, ecount) : left;
}

/*
 * ERnd = 1: the jitter is drawn when COUNT has reached zero and delays the sample; the next
 * interval starts without waiting for it.
 */
u64 spe_interval_run_jitter(struct spe_regs *regs, u64 ops, u8 (*random)(void *), void *arg,
			    bool *sample)
{
	u64 count = FIELD_GET(PMSICR_COUNT, regs->pmsicr);
	u64 ecount = FIELD_GET(PMSICR_ECOUNT, regs->pmsicr);
	u64 done = 0;

	*sample = false;
	while (done < ops && !*sample) {
		u64 step = MIN(until_event(count, ecount), ops - done);
		bool drawn = false;

		done += step;
		if (!count) {
			count = spe_interval(regs);
		} else {
			count -= step;
			drawn = !count;
		}
		if (drawn) { /* replaces a jitter that was still counting down */
			ecount = random(arg);
			*sample = !ecount;
		} else if (ecount) {
			ecount -= step;
			*sample = !ecount;
		}
	}
	regs->pmsicr = FIELD_PREP(PMSICR_COUNT, count) | FIELD_PREP(PMSICR_ECOUNT, ecount);
	return done;
}
