// SPDX-License-Identifier: BSD-2-Clause
/* The registered devices of guests: device.h. */
#include <lib/types.h>
#include <trap/device.h>

const struct trap_device *trap_devices[TRAP_DEVICE_COUNT];

void trap_set_device(enum trap_device_id id, const struct trap_device *device)
{
	trap_devices[id] = device;
}

void trap_devices_on(struct vcpu *vcpu)
{
	for (size_t i = 0; i < ARRAY_SIZE(trap_devices); i++)
		if (trap_devices[i] && trap_devices[i]->cpu_on)
			trap_devices[i]->cpu_on(vcpu);
}
