// SPDX-License-Identifier: BSD-2-Clause
/*
 * What kvmtool's lkvm does by default, call by call: a GICv3 with an ITS before there are vCPUs,
 * addresses, then vCPUs, interrupts and inits, then routes. And what it does where there is no ITS.
 */
#include <sys/eventfd.h>

#include "kvmtest.h"

#define VCPUS  2
#define DIST   0x3fff0000ULL
#define REDIST (DIST - VCPUS * 0x20000ULL)
#define ITS    (REDIST - 0x20000ULL)
#define IRQS   64

struct machine {
	struct vm vm;
	struct vcpu vcpu[VCPUS];
	int its;
};

static long set_attr(int fd, uint32_t group, uint64_t attr, void *value)
{
	return gic_attr(fd, KVM_SET_DEVICE_ATTR, group, attr, value);
}

/* The GIC comes first: no vCPU is there. */
static void create_irqchip(struct machine *m)
{
	struct kvm_create_device its = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	uint64_t base = ITS;

	gives(create_gic(m->vm.fd, 0, &m->vm.gic), 0, "KVM_CREATE_DEVICE of a GICv3");
	gives(set_gic_addr(m->vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, REDIST), 0,
	      "redistributors' address, before there are vCPUs");
	gives(set_gic_addr(m->vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, DIST), 0, "distributor's");
	gives(ioctl(m->vm.fd, KVM_CREATE_DEVICE, &its), 0, "KVM_CREATE_DEVICE of an ITS");
	m->its = (int)its.fd;
	gives(set_attr(m->its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &base), 0,
	      "its address");
}

static void init_irqchip(struct machine *m)
{
	uint32_t irqs = IRQS;

	gives(gic_attr(m->vm.gic, KVM_HAS_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, NULL), 0,
	      "has NR_IRQS");
	gives(set_attr(m->vm.gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &irqs), 0, "NR_IRQS");
	gives(gic_attr(m->vm.gic, KVM_HAS_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		       KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	      0, "has CTRL_INIT");
	gives(set_attr(m->vm.gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL), 0,
	      "CTRL_INIT of the GIC");
	gives(gic_attr(m->its, KVM_HAS_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		       KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	      0, "the ITS has CTRL_INIT");
	gives(set_attr(m->its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL), 0,
	      "CTRL_INIT of the ITS");
}

static void start(struct machine *m, const char *code, const char *code_end)
{
	m->vm = new_vm();
	create_irqchip(m);
	for (unsigned int i = 0; i < VCPUS; i++)
		m->vcpu[i] = new_vcpu(&m->vm, i);
	init_irqchip(m);
	load_code(&m->vm, &m->vcpu[0], GUEST_BASE, code, code_end);
}

static void end(struct machine *m)
{
	close(m->its);
	close(m->vm.gic);
	for (unsigned int i = 1; i < VCPUS; i++)
		end_vcpu(&m->vcpu[i]);
	end_guest(&m->vm, &m->vcpu[0]);
}

/* Each shared interrupt by its number, then one of PCI's MSIs, with the number of its device. */
static void set_routes(struct machine *m)
{
	static struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[IRQS - 32 + 1];
	} routes = { .head.nr = IRQS - 32 };

	for (uint32_t i = 0; i < IRQS - 32; i++)
		routes.entry[i] = (struct kvm_irq_routing_entry){ .gsi = i,
								  .type = KVM_IRQ_ROUTING_IRQCHIP,
								  .u.irqchip.pin = i };
	gives(ioctl(m->vm.fd, KVM_SET_GSI_ROUTING, &routes), 0, "routes of all interrupts");
	routes.entry[routes.head.nr++] = (struct kvm_irq_routing_entry){
		.gsi = IRQS - 32,
		.type = KVM_IRQ_ROUTING_MSI,
		.flags = KVM_MSI_VALID_DEVID,
		.u.msi = { .address_lo = (uint32_t)ITS + 0x10040, .data = 0, .devid = 8 },
	};
	gives(ioctl(m->vm.fd, KVM_SET_GSI_ROUTING, &routes), 0, "the same with an MSI");
}

/*
 * Reads GITS_TYPER and GICR_TYPER, writes their low halves; then takes SPI 40, an edge.
 */
GUEST_CODE(lkvm_guest, "mov x1, #0x09000000\n"
		       "mov x10, #0x3fff0000\n"
		       "mov x11, #0x40000\n sub x11, x10, x11\n"    /* redistributors */
		       "mov x12, #0x20000\n sub x12, x11, x12\n"    /* ITS */
		       "ldr x2, [x12, #8]\n str w2, [x1]\n"	    /* GITS_TYPER */
		       "ldr x2, [x11, #8]\n str w2, [x1, #4]\n"	    /* GICR_TYPER */
		       "mov w2, #0x12\n str w2, [x10]\n"	    /* GICD_CTLR */
		       "mov w2, #0x100\n str w2, [x10, #0x84]\n"    /* GICD_IGROUPR1 */
		       "mov w2, #0x20000\n str w2, [x10, #0xc08]\n" /* GICD_ICFGR2 */
		       "mov w2, #0x6000\n add x2, x10, x2\n str xzr, [x2, #0x140]\n"
		       "mov w2, #0x100\n str w2, [x10, #0x104]\n"    /* GICD_ISENABLER1 */
		       "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n" /* ICC_SRE_EL1 */
		       "mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"	     /* ICC_PMR_EL1 */
		       "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n" /* ICC_IGRPEN1_EL1 */
		       "str wzr, [x1, #12]\n"
		       "1: wfi\n"
		       "mrs x3, s3_0_c12_c12_0\n cmp x3, #1020\n b.hs 1b\n" /* ICC_IAR1_EL1 */
		       "str w3, [x1, #8]\n"
		       "msr s3_0_c12_c12_1, x3\n isb\n b 1b\n");

static void test_default(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), msi = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = 8 };
	uint64_t one = 1;
	struct machine m;

	start(&m, lkvm_guest, lkvm_guest_end);
	check(ioctl(m.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID) == 1, "KVM_CAP_MSI_DEVID");
	check(ioctl(m.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING) > 0, "KVM_CAP_IRQ_ROUTING");
	check(ioctl(m.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD) == 1, "KVM_CAP_IRQFD");
	check(ioctl(m.vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SIGNAL_MSI) == 1, "KVM_CAP_SIGNAL_MSI");
	set_routes(&m);
	gives(ioctl(m.vm.fd, KVM_IRQFD, &args), 0, "an irqfd of an interrupt");
	args = (struct kvm_irqfd){ .fd = (uint32_t)msi, .gsi = IRQS - 32 };
	gives(ioctl(m.vm.fd, KVM_IRQFD, &args), 0, "one of the MSI");
	must(write(fd, &one, sizeof(one)), "eventfd");
	must(write(msi, &one, sizeof(one)), "an MSI of which the guest knows nothing");
	expect_mmio(&m.vcpu[0], true, MMIO_BASE, 4, "GITS_TYPER");
	check(mmio_value(&m.vcpu[0]) & 1, "it has physical LPIs");
	expect_mmio(&m.vcpu[0], true, MMIO_BASE + 4, 4, "GICR_TYPER");
	check(mmio_value(&m.vcpu[0]) & 1, "and so has the redistributor");
	expect_write(&m.vcpu[0], MMIO_BASE + 12, 4, 0, "the guest is ready");
	must(write(fd, &one, sizeof(one)), "eventfd");
	expect_write(&m.vcpu[0], MMIO_BASE + 8, 4, 40, "the interrupt");
	close(fd);
	close(msi);
	end(&m);
}

/* Where the ITS cannot be created lkvm creates the GICv3 again: it is there already. */
static void test_second_try(void)
{
	struct vm vm = bare_vm();
	int gic = -1, again = -1;

	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	gives(create_gic(vm.fd, 0, &again), EEXIST, "another GICv3");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

int main(void)
{
	test_default();
	test_second_try();
	return finish();
}
