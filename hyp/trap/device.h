/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's devices, which lie above trap/: the vGIC, the timers and SPE. Each registers at boot
 * what it answers, so that trap/ decodes accesses and knows no device.
 *
 * Everything is called on the vCPU's CPU, by its owner, without locks, and while the vCPU is loaded
 * if nothing else is said. Any function may be NULL where the device has no use for it.
 */
#ifndef KEEL_TRAP_DEVICE_H
#define KEEL_TRAP_DEVICE_H

#include <vm/exit.h>
#include <vm/vm.h>

enum trap_device_id { TRAP_DEVICE_VGIC, TRAP_DEVICE_TIMER, TRAP_DEVICE_SPE, TRAP_DEVICE_COUNT };

/* What came of an access to memory: not this device's; done; to be repeated, the host first. */
enum trap_mmio { TRAP_MMIO_NOT_MINE, TRAP_MMIO_DONE, TRAP_MMIO_AGAIN };

/**
 * struct trap_device - what a device answers
 * @read:   a system register of the device's rows in sysreg.c, by its encoding; also for userspace,
 *          then the vCPU may not be loaded
 * @write:  likewise. VCPU_RESUME or an exit
 * @mmio:   an access to memory where the VM has none; for VMs with a vGIC. @bytes: 1, 2, 4 or 8;
 *          @data: the value to write, or the value read, zero-extended
 * @reset:  the registers of the table have been reset; loaded or not. Of vCPUs that have the device
 * @version: what the field of an ID register that tells of the device says
 * @cpu_on: PSCI has turned the vCPU on: as after reset
 * @sought: the guest, or userspace for it, has looked for the device; of vCPUs that have it
 */
struct trap_device {
	u64 (*read)(struct vcpu *vcpu, u32 encoding);
	enum vcpu_action (*write)(struct vcpu *vcpu, u32 encoding, u64 value);
	enum trap_mmio (*mmio)(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write,
			       u64 *data);
	void (*reset)(struct vcpu *vcpu);
	unsigned int (*version)(void);
	void (*cpu_on)(struct vcpu *vcpu);
	void (*sought)(struct vcpu *vcpu);
};

/* Register a device; it is kept. Boot CPU, once each, before the first VM. */
void trap_set_device(enum trap_device_id id, const struct trap_device *device);

/* Those that are registered, by enum trap_device_id. Written by trap_set_device() alone. */
extern const struct trap_device *trap_devices[TRAP_DEVICE_COUNT];

/* The device, which is registered: a row or a vCPU that has it says so. */
static inline const struct trap_device *trap_device(enum trap_device_id id)
{
	return trap_devices[id];
}

/* PSCI has turned @vcpu on: tell all devices. */
void trap_devices_on(struct vcpu *vcpu);

#endif
