/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's devices, which are layers above trap/: the vGIC, the timers and SPE. Each registers its
 * functions at boot, so that trap/ decodes accesses without depending on any device.
 *
 * All functions are called on the vCPU's CPU, by its owner, without locks, and while the vCPU is
 * loaded unless the comment says otherwise. A function that the device does not need is NULL.
 */
#ifndef KEEL_TRAP_DEVICE_H
#define KEEL_TRAP_DEVICE_H

#include <vm/exit.h>
#include <vm/vm.h>

enum trap_device_id {
	TRAP_DEVICE_VGIC,
	TRAP_DEVICE_TIMER,
	TRAP_DEVICE_SPE,
	TRAP_DEVICE_NESTED,
	TRAP_DEVICE_COUNT
};

/*
 * The result of an access to memory: it is not this device's; it is done; or the guest repeats it
 * after the host has taken its interrupts.
 */
enum trap_mmio { TRAP_MMIO_NOT_MINE, TRAP_MMIO_DONE, TRAP_MMIO_AGAIN };

/**
 * struct trap_device - the functions of a device
 * @read:   read a system register of the device's rows in sysreg.c, by its encoding; also for
 *          userspace, when the vCPU may not be loaded
 * @write:  write one, likewise. Return: VCPU_RESUME or an exit
 * @mmio:   an access to memory where the VM has none; for VMs with a vGIC. @bytes: 1, 2, 4 or 8;
 *          @data: the value to write, with anything above @bytes, or the value read, zero-extended
 * @reset:  the system registers have been reset; loaded or not. Of vCPUs that have the device
 * @version: the value of the ID register field that describes the device
 * @cpu_on: PSCI has turned the vCPU on: set the device's state as after reset
 * @sought: the guest, or userspace for it, may be about to use the device; of vCPUs that have it
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

/* Register a device; the pointer is kept. Boot CPU, once for each, before the first VM. */
void trap_set_device(enum trap_device_id id, const struct trap_device *device);

/* The registered devices, by enum trap_device_id. Only trap_set_device() writes it. */
extern const struct trap_device *trap_devices[TRAP_DEVICE_COUNT];

/* A device that is registered, as each device is of which a row or a vCPU says so. */
static inline const struct trap_device *trap_device(enum trap_device_id id)
{
	return trap_devices[id];
}

/* Call each device's cpu_on: PSCI has turned @vcpu on. */
void trap_devices_on(struct vcpu *vcpu);

#endif
