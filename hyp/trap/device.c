// SPDX-License-Identifier: BSD-2-Clause
/* The devices of guests that have registered. See device.h. */
#include <lib/types.h>
#include <trap/device.h>

static const struct trap_device *devices[TRAP_DEVICE_COUNT];

void trap_set_device(enum trap_device_id id, const struct trap_device *device)
{
	devices[id] = device;
}

const struct trap_device *trap_device(enum trap_device_id id)
{
	return devices[id];
}

void trap_devices_on(struct vcpu *vcpu)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i] && devices[i]->cpu_on)
			devices[i]->cpu_on(vcpu);
}
