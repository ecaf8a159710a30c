/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's SPE: its state, its registers as the guest and userspace access them, and what the
 * host's calls set. Samples are taken by the provider (spe_provider.h): spe_emul.c or spe_hw.c.
 *
 * Only the vCPU's owner accesses the state, without locks. Other CPUs read statistics: spe_count().
 */
#ifndef KEEL_SPE_SPE_VCPU_H
#define KEEL_SPE_SPE_VCPU_H

#include <spe/spe_arm.h>
#include <spe/spe_provider.h>
#include <spe/spe_regs.h>
#include <vm/vm_ops.h>

/* What the CPU's debug registers hold, so that an entry writes only those that change. */
struct spe_debug_live {
	bool valid;   /* the breakpoint and watchpoint registers are as the members below say */
	bool settled; /* so are all others, unless .asked or struct spe_arm has changed since */
	u64 asked;    /* the guest's MDSCR_EL1 from which they were computed */
	bool tde;
	u64 mdscr;
	bool guest;
	unsigned int count;
	u64 bvr[SPE_ARM_VECTORS];
};

struct spe_vcpu {
	struct spe_regs regs;
	struct spe_arm arm;
	struct spe_debug_live live; /* while loaded */
	u32 stop;		    /* KVM_ARM_VCPU_SPE_STOP_*, or 0 */
	bool running;		    /* hardware: .regs are in the CPU's unit, which is on */
	bool due;		    /* the next interrupt takes a sample */
	bool plain;	 /* the alarm is at the end of a whole period: for spe_sample_exit() */
	u64 missing_ipa; /* the page of the buffer that the last sample did not find */
	u8 asked;	 /* how often the host was asked for it, without a record since */
	bool ask;	 /* ask the host for it at the end of this exit */
	u64 since;	 /* CNTPCT_EL0 at the entry, while the guest profiles; or 0 */
	u64 period; /* counts of the counter from the start of an interval to its sample; 0 if the
		     * interval has jitter */
	u64 period_of;	 /* the PMSIRR_EL1 from which .period was computed, plus one; or 0 */
	u64 random;	 /* state of the jitter's generator; not 0 */
	u64 exit_pstate; /* PSTATE at the exit that is being handled */
	u64 samples;	 /* records written; spe_count() */
	u64 dropped;	 /* samples without a record, because memory was missing; spe_count() */
};

/* The host is asked so often for a page. Then it cannot be had, and the guest gets an External abort. */
#define SPE_ASKS 4

/*
 * Whether the host is asked at the end of this exit. @can: the exit goes to the host for nothing else.
 * Otherwise nobody is asked, and that does not count: the next sample misses the page again.
 */
static inline bool spe_take_ask(struct spe_vcpu *spe, bool can)
{
	bool ask = spe->ask && can;

	spe->ask = false;
	spe->asked += ask;
	return ask;
}

/*
 * Set the provider, for all vCPUs, and register SPE as a device (trap/device.h). Boot CPU; if it is
 * not called, no vCPU may have the feature.
 */
void spe_vcpu_set_provider(const struct spe_ops *ops);

/* Whether a new interval begins now, without jitter. */
static inline bool spe_begins_anew(const struct spe_vcpu *spe)
{
	return !spe->regs.pmsicr && spe->period && !spe->due;
}

/* Reset SPE's state. @vcpu has the feature. */
void spe_vcpu_reset(struct vcpu *vcpu);

/*
 * Read or write a register by its encoding. Return: false if it is none of SPE's, or read-only. A
 * write takes effect at once, on the interrupt too. The vCPU has the feature.
 */
bool spe_vcpu_read(struct vcpu *vcpu, u32 encoding, u64 *value);
bool spe_vcpu_write(struct vcpu *vcpu, u32 encoding, u64 value);

/* Whether the vCPU has the feature: struct exit_stage.wanted. */
static inline bool spe_vcpu_has(const struct vcpu *vcpu)
{
	return vcpu->spe != NULL;
}

/* Set the level of the interrupt to PMBSR_EL1.S. */
void spe_vcpu_update_irq(struct vcpu *vcpu);

/**
 * spe_vcpu_control() - KEEL_HC_VCPU_SPE (struct vm_call_ops.spe)
 * @op: KEEL_SPE_*
 *
 * Return: 0, or the call's error.
 */
int __must_check spe_vcpu_control(struct vcpu *vcpu, u64 op, u64 value);

/**
 * spe_vcpu_stats() - KEEL_HC_VCPU_SPE_STATS (struct vm_call_ops.spe_stats)
 *
 * On any CPU, while the vCPU's owner may be counting. Each number is read at once.
 *
 * Return: 0; -ENXIO without SPE.
 */
int __must_check spe_vcpu_stats(const struct vcpu *vcpu, struct vcpu_spe_stats *stats);

#endif
