/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's SPE: what it has of it, its registers as the guest and userspace access them, and what
 * the host's calls set. The sampling itself is the provider's (spe_provider.h): spe_emul.c or
 * spe_hw.c.
 *
 * The vCPU's owner alone touches it; no locks. Statistics are read by others, too: spe_count().
 */
#ifndef KEEL_SPE_SPE_VCPU_H
#define KEEL_SPE_SPE_VCPU_H

#include <spe/spe_arm.h>
#include <spe/spe_provider.h>
#include <spe/spe_regs.h>
#include <vm/vm_ops.h>

/* What the debug registers of the CPU hold, so that an entry writes only what changes. */
struct spe_debug_live {
	bool valid;   /* breakpoints and watchpoints are in place */
	bool settled; /* all is, as long as .asked and struct spe_arm stay as they are */
	u64 asked;    /* the guest's MDSCR_EL1 that this was made of */
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
	bool due;		    /* a sample is to be taken at the next interrupt */
	bool plain;   /* the alarm is at the end of a whole period, and nothing else is going on */
	bool missing; /* .missing_ipa was asked of the host by the sample before */
	u64 missing_ipa;
	bool ask;   /* ask the host for it now */
	u64 since;  /* counter value of the entry while the guest profiles, or 0 */
	u64 period; /* counts of the counter to the sample of an interval that begins anew, without
		     * jitter; 0 with it */
	u64 period_of;	 /* one more than the PMSIRR_EL1 that it was made of, or 0 */
	u64 random;	 /* state of the jitter's generator; not 0 */
	u64 exit_pstate; /* PSTATE at the exit that is being dealt with */
	u64 samples;	 /* records written; spe_count() */
	u64 dropped;	 /* samples that became none for want of memory; spe_count() */
};

/*
 * Who provides it, for all vCPUs: from here on guests find it (trap/device.h). Boot CPU; without a
 * call no vCPU may have the feature.
 */
void spe_vcpu_set_provider(const struct spe_ops *ops);

/* The interval has been used up, the next one has not begun, and no jitter is under way. */
static inline bool spe_begins_anew(const struct spe_vcpu *spe)
{
	return !spe->regs.pmsicr && spe->period && !spe->due;
}

/* All of it as after a reset. @vcpu has the feature. */
void spe_vcpu_reset(struct vcpu *vcpu);

/*
 * A register by its encoding, SPE_SYSREG(); false if there is none, or it is not written. A write
 * takes effect at once, on the interrupt too. The vCPU has the feature.
 */
bool spe_vcpu_read(struct vcpu *vcpu, u32 encoding, u64 *value);
bool spe_vcpu_write(struct vcpu *vcpu, u32 encoding, u64 value);

/* Whether the vCPU has the feature: struct exit_stage.wanted. */
static inline bool spe_vcpu_has(const struct vcpu *vcpu)
{
	return vcpu->spe != NULL;
}

/* The interrupt is at the level that PMBSR_EL1 says. */
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
 * By any CPU: the vCPU's owner may be counting. Each number is whole, and not older than the call.
 *
 * Return: 0; -ENXIO without SPE.
 */
int __must_check spe_vcpu_stats(const struct vcpu *vcpu, struct vcpu_spe_stats *stats);

#endif
