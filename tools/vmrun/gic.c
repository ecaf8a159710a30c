// SPDX-License-Identifier: BSD-2-Clause
/* The guest's interrupt controller. See Documentation/virt/kvm/devices/arm-vgic-v3.rst in Linux. */
#include "gic.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "layout.h"
#include "message.h"

static void set_attr(int device, uint32_t group, uint64_t attr, const void *value, const char *what)
{
	const struct kvm_device_attr request = {
		.group = group,
		.attr = attr,
		.addr = (uintptr_t)value,
	};

	if (ioctl(device, KVM_SET_DEVICE_ATTR, &request) < 0)
		die("cannot set the interrupt controller's %s: %s", what, strerror(errno));
}

/* The order matters: KVM needs the vCPUs first, then addresses and size, then INIT. */
void gic_create(const struct vm *vm)
{
	static const uint64_t gicd = GICD_BASE, gicr = GICR_BASE;
	static const uint32_t nr_intids = NR_INTIDS, maintenance = MAINTENANCE_INTID;
	struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &gic) < 0)
		die("cannot create a GICv3: %s%s", strerror(errno),
		    errno == ENODEV ? " (does this machine have one? QEMU: gic-version=3)" : "");
	set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &gicd,
		 "distributor address");
	set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &gicr,
		 "redistributor address");
	set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr_intids, "number of interrupts");
	if (vm->nested)
		set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0, &maintenance,
			 "maintenance interrupt");
	set_attr((int)gic.fd, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL,
		 "initial state");
}

void gic_set_level(const struct vm *vm, unsigned int intid, bool level)
{
	const struct kvm_irq_level line = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | intid,
		.level = level,
	};

	VM_IOCTL(vm->fd, KVM_IRQ_LINE, &line);
}

void gic_edge_init(struct gic_edge *edge, const struct vm *vm, unsigned int intid)
{
	struct kvm_irqfd irqfd = { .gsi = intid - FIRST_SPI };

	*edge = (struct gic_edge){ .vm = vm, .intid = intid, .eventfd = -1 };
	if (!vm->eventfds || !vm_has(vm, KVM_CAP_IRQFD))
		return;
	edge->eventfd = eventfd(0, EFD_CLOEXEC);
	if (edge->eventfd < 0)
		die("cannot create an eventfd: %s", strerror(errno));
	irqfd.fd = (uint32_t)edge->eventfd;
	VM_IOCTL(vm->fd, KVM_IRQFD, &irqfd);
}

/* The GIC records the rising edge. The falling edge of an edge-triggered line has no effect. */
void gic_pulse(const struct gic_edge *edge)
{
	if (edge->eventfd >= 0) {
		eventfd_write(edge->eventfd, 1);
		return;
	}
	gic_set_level(edge->vm, edge->intid, true);
	gic_set_level(edge->vm, edge->intid, false);
}
