/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who provides guests with SPE: the CPUs' own profiling units (spe_hw.c) or Keel (spe_emul.c).
 * Chosen once, at boot, for all VMs.
 *
 * A provider is reached in two ways. struct exit_stage (vm/exit.h) is its place in the run loop,
 * struct spe_ops what everybody else asks of it: traps, KVM_*_ONE_REG, reset, ID registers, debug.
 * The registers' storage, the level of the interrupt and the host's calls (STOP among them, which
 * the stage looks at before an entry) are the same for both: spe_vcpu.c.
 */
#ifndef KEEL_SPE_SPE_PROVIDER_H
#define KEEL_SPE_SPE_PROVIDER_H

#include <cpu/features.h>
#include <cpu/spe_unit.h>
#include <lib/options.h>
#include <trap/debug.h>
#include <vm/vm.h>

/**
 * struct spe_ops - a provider, of vCPUs that have the feature; by the vCPU's owner, loaded or not
 *
 * @how:	 KEEL_SPE_EMULATED or KEEL_SPE_HARDWARE
 * @version:	 ID_AA64DFR0_EL1.PMSVer for guests
 * @reset:	 the vCPU is reset; its registers, after this returns
 * @read:	 a register by its encoding, SPE_SYSREG(); false if there is none
 * @write:	 likewise; false, and nothing has changed, also if it is not written
 * @interest:	 the guest, or userspace for it, looks for SPE
 * @debug:	 its use of the debug registers, or NULL: trap/debug.h
 */
struct spe_ops {
	u32 how;
	unsigned int (*version)(void);
	void (*reset)(struct vcpu *vcpu);
	bool (*read)(struct vcpu *vcpu, u32 encoding, u64 *value);
	bool (*write)(struct vcpu *vcpu, u32 encoding, u64 value);
	void (*interest)(struct vcpu *vcpu);
	const struct debug_user *debug;
};

extern const struct spe_ops spe_emul_ops, spe_hw_ops;

/* A CPU of the machine has told what it has, before the choice: the boot CPU first. */
void spe_provider_add_cpu(const struct spe_unit_id *id);

/**
 * spe_provider_init() - choose, and register on the run loop
 * @asked: keel.spe
 *
 * The hardware takes a unit on every CPU that was added, and that they have enough in common.
 * Without that keel.spe=hw is one warning and no SPE for guests: who insists on hardware does not
 * want to mistake the emulation for it. Boot CPU, once, after vm_init(), trap_init(), vgic_init()
 * and timer_init().
 */
void spe_provider_init(enum option_spe asked);

/*
 * A CPU comes up: whether vCPUs can run there, which the choice depends on. It counts for CPUs that
 * could not be asked at boot.
 */
bool spe_provider_fits(const struct spe_unit_id *id);

#endif
