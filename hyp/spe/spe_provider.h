/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What provides guests with SPE: the CPUs' own profiling units (spe_hw.c) or the emulation
 * (spe_emul.c). Chosen once, at boot, for all VMs.
 *
 * A provider has two interfaces: a struct exit_stage (vm/exit.h) for the run loop, and struct
 * spe_ops for all others: traps, KVM_*_ONE_REG, reset, ID registers, debug. Common to both, in
 * spe_vcpu.c, are the registers' storage, the level of the interrupt and the host's calls. (STOP is
 * one of these; the stages check it before an entry.)
 */
#ifndef KEEL_SPE_SPE_PROVIDER_H
#define KEEL_SPE_SPE_PROVIDER_H

#include <cpu/features.h>
#include <cpu/spe_unit.h>
#include <lib/options.h>
#include <trap/debug.h>
#include <vm/vm.h>

/**
 * struct spe_ops - a provider. For vCPUs that have the feature; by the vCPU's owner, loaded or not
 *
 * @how:	 KEEL_SPE_EMULATED or KEEL_SPE_HARDWARE
 * @version:	 ID_AA64DFR0_EL1.PMSVer for guests
 * @reset:	 reset the provider's own state; the caller resets the registers after this
 * @read:	 read a register by its encoding. Return: false if it is none of SPE's
 * @write:	 write one, likewise; false also if it is read-only. Then nothing has changed
 * @interest:	 the guest, or userspace for it, may be about to use SPE
 * @debug:	 the provider's use of the debug registers, or NULL: trap/debug.h
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

/* Add a CPU's profiling unit to the choice; before spe_provider_init(), the boot CPU first. */
void spe_provider_add_cpu(const struct spe_unit_id *id);

/**
 * spe_provider_init() - choose the provider, and register it with the run loop
 * @asked: keel.spe
 *
 * The hardware can be chosen if every CPU that was added has a unit, and the units have enough in
 * common. If not, keel.spe=hw gives one warning and no SPE for guests, not the emulation, which a
 * user could mistake for the hardware. Boot CPU, once, after vm_init(), trap_init(), vgic_init()
 * and timer_init().
 */
void spe_provider_init(enum option_spe asked);

/*
 * A CPU comes up: whether vCPUs can run there with the provider that was chosen. False is possible
 * for a CPU that was not added at boot.
 */
bool spe_provider_fits(const struct spe_unit_id *id);

#endif
