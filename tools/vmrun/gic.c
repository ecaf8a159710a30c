// SPDX-License-Identifier: BSD-2-Clause
/*
 * The guest's interrupt controller. See arm-vgic-v3.rst and arm-vgic.rst in Linux's
 * Documentation/virt/kvm/devices.
 */
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

/* KVM has the version that the machine's own GIC is of. */
static int create_device(struct vm *vm)
{
	struct kvm_create_device gic = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };
	int ret = ioctl(vm->fd, KVM_CREATE_DEVICE, &gic);

	if (ret < 0 && errno == ENODEV) {
		gic.type = KVM_DEV_TYPE_ARM_VGIC_V2;
		vm->gicv2 = true;
		ret = ioctl(vm->fd, KVM_CREATE_DEVICE, &gic);
	}
	if (ret < 0)
		die("cannot create an interrupt controller: %s%s", strerror(errno),
		    errno == ENODEV ? " (does this machine have a GICv3, or a GICv2 for VMs?)"
				    : "");
	return (int)gic.fd;
}

static void set_addresses(const struct vm *vm, int gic)
{
	static const uint64_t gicd = GICD_BASE, gicr = GICR_BASE, gicc = GICC_BASE;

	if (vm->gicv2) {
		set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_DIST, &gicd,
			 "distributor address");
		set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_CPU, &gicc,
			 "CPU interface address");
		return;
	}
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, &gicd,
		 "distributor address");
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, &gicr,
		 "redistributor address");
}

/* The order matters: KVM needs the vCPUs first, then addresses and size, then INIT. */
void gic_create(struct vm *vm)
{
	static const uint32_t nr_intids = NR_INTIDS, maintenance = MAINTENANCE_INTID;
	int gic = create_device(vm);

	set_addresses(vm, gic);
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr_intids, "number of interrupts");
	if (vm->nested)
		set_attr(gic, KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0, &maintenance,
			 "maintenance interrupt");
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL, "initial state");
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
