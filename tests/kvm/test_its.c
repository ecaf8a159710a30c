// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_CREATE_DEVICE of an ITS, its attributes, KVM_SIGNAL_MSI, KVM_SET_GSI_ROUTING; and LPIs that
 * reach a guest, more than any interrupt controller has at hand, also after save and restore.
 */
#include <pthread.h>
#include <sys/eventfd.h>

#include "kvmtest.h"

#define ITS_BASE    0x08080000ULL
#define TRANSLATER  (ITS_BASE + 0x10040)
#define PROPERTIES  (GUEST_BASE + 0x10000)
#define PENDING	    (GUEST_BASE + 0x20000)
#define QUEUE	    (GUEST_BASE + 0x30000)
#define DEVICES	    (GUEST_BASE + 0x40000)
#define COLLECTIONS (GUEST_BASE + 0x50000)
#define ITT	    (GUEST_BASE + 0x60000)
#define DEVICE	    0x10
#define LPI	    8192U
#define LPIS	    512U
#define VALID	    (1ULL << 63)

#define GITS_CTLR    0
#define GITS_IIDR    4
#define GITS_TYPER   8
#define GITS_CBASER  0x80
#define GITS_CWRITER 0x88
#define GITS_CREADR  0x90
#define GITS_BASER0  0x100
#define GITS_BASER1  0x108

static long create_its(int vm, uint32_t flags, int *its)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS, .flags = flags };
	long ret = ioctl(vm, KVM_CREATE_DEVICE, &device);

	if (!ret)
		*its = (int)device.fd;
	return ret;
}

static long its_ctrl(int its, uint64_t attr)
{
	return gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL, attr, NULL);
}

static long set_its_addr(int its, uint64_t addr)
{
	return gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE,
			&addr);
}

static long set_its_reg(int its, uint64_t offset, uint64_t value)
{
	return gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset, &value);
}

static uint64_t its_reg(int its, uint64_t offset)
{
	uint64_t value = 0;

	must(gic_attr(its, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset, &value),
	     "reading a register of the ITS");
	return value;
}

static long signal_msi(int vm, uint64_t address, uint32_t device, uint32_t event, uint32_t flags)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)address,
			       .address_hi = (uint32_t)(address >> 32),
			       .data = event,
			       .devid = device,
			       .flags = flags };

	return ioctl(vm, KVM_SIGNAL_MSI, &msi);
}

/* ---- the device ---- */

static void test_create(void)
{
	static const struct {
		uint32_t group;
		uint64_t attr;
		int want;
		const char *what;
	} rows[] = {
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, 0, "has ADDR" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, ENXIO, "no DIST" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0, "has INIT" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_CTRL_RESET, 0, "has RESET" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_SAVE_TABLES, 0, "has SAVE" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_RESTORE_TABLES, 0, "has RESTORE" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, 77, ENXIO, "no other control" },
		{ KVM_DEV_ARM_VGIC_GRP_ITS_REGS, GITS_CTLR, 0, "has GITS_CTLR" },
		{ KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0xffe8, 0, "has GITS_PIDR2" },
		{ KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0x84, EINVAL, "no half of GITS_CBASER" },
		{ KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0x40, ENXIO, "no GITS_STATUSR" },
		{ KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, ENXIO, "no NR_IRQS" },
	};
	struct vm vm = bare_vm();
	int its = -1, other = -1;

	gives(create_its(vm.fd, KVM_CREATE_DEVICE_TEST, &its), 0, "only testing for an ITS");
	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID) == 0, "no DeviceIDs yet");
	gives(create_its(vm.fd, 0, &its), 0, "an ITS");
	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID) == 1, "MSIs have DeviceIDs");
	gives(create_its(vm.fd, 0, &other), 0, "another one");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		gives(gic_attr(its, KVM_HAS_DEVICE_ATTR, rows[i].group, rows[i].attr, NULL),
		      rows[i].want, rows[i].what);
	gives(ioctl(its, KVM_RUN, 0), ENOTTY, "KVM_RUN on an ITS");
	gives(ioctl(its, KVM_SET_DEVICE_ATTR, NULL), EFAULT, "an attribute without an argument");
	close(other);
	close(its);
	close(vm.fd);
	close(vm.dev);
}

static void test_address(void)
{
	struct vm vm = bare_vm();
	uint64_t addr = 0;
	int its = -1;

	must(create_its(vm.fd, 0, &its), "an ITS");
	gives(set_its_reg(its, GITS_CBASER, 0), ENXIO, "a register before the address");
	gives(set_its_addr(its, ITS_BASE + 0x1000), EINVAL, "a misaligned address");
	gives(set_its_addr(its, 1ULL << 52), E2BIG, "an address out of reach");
	gives(set_its_addr(its, (1ULL << 40) - 0x10000), E2BIG, "half of it out of reach");
	gives(gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, 0, &addr), ENODEV,
	      "the address of something else");
	gives(gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE,
		       NULL),
	      EFAULT, "no address");
	gives(set_its_addr(its, ITS_BASE), 0, "the address");
	gives(set_its_addr(its, ITS_BASE), EEXIST, "the address again");
	gives(gic_attr(its, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE,
		       &addr),
	      0, "reading it");
	check(addr == ITS_BASE, "it is what was written");
	close(its);
	close(vm.fd);
	close(vm.dev);
}

static void test_registers(void)
{
	struct vm vm = new_vm();
	int its = -1;

	must(create_its(vm.fd, 0, &its), "an ITS");
	must(set_its_addr(its, ITS_BASE), "the address");
	gives(its_ctrl(its, KVM_DEV_ARM_VGIC_CTRL_INIT), 0, "init");
	gives(its_ctrl(its, 77), ENXIO, "an unknown control");
	check(its_reg(its, GITS_CTLR) == 1U << 31, "GITS_CTLR");
	check((its_reg(its, GITS_IIDR) & ~0xf000ULL) == 0x4b00043b, "GITS_IIDR");
	check((its_reg(its, GITS_TYPER) & 0x3fff1) == 0x1ef71, "GITS_TYPER");
	check((its_reg(its, 0xffe8) & 0xf0) == 0x30, "GITS_PIDR2");
	gives(set_its_reg(its, 0x84, 0), EINVAL, "half a register");
	gives(set_its_reg(its, 0x40, 0), ENXIO, "a register that there is not");
	gives(set_its_reg(its, 0x10040, 0), ENXIO, "GITS_TRANSLATER");
	gives(gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, GITS_CBASER, NULL),
	      EFAULT, "a register without a value");
	gives(set_its_reg(its, GITS_IIDR, 0x4b00f43b), EINVAL, "an unknown revision");
	gives(set_its_reg(its, GITS_CTLR, 1), 0, "enabling it without tables");
	check(!(its_reg(its, GITS_CTLR) & 1), "is not done");
	gives(set_its_reg(its, GITS_CBASER, VALID | QUEUE | 0xf), 0, "GITS_CBASER");
	gives(set_its_reg(its, GITS_CREADR, 0x20), 0, "GITS_CREADR");
	gives(set_its_reg(its, GITS_CREADR, 0x10000), EINVAL, "GITS_CREADR behind the queue");
	gives(set_its_reg(its, GITS_CWRITER, 0x20), 0, "GITS_CWRITER");
	gives(set_its_reg(its, GITS_BASER0, VALID | DEVICES), 0, "GITS_BASER0");
	gives(set_its_reg(its, GITS_BASER1, VALID | COLLECTIONS), 0, "GITS_BASER1");
	gives(set_its_reg(its, GITS_CTLR, 1), 0, "enabling it");
	check(its_reg(its, GITS_CTLR) == (1U << 31 | 1), "it is enabled and quiet");
	gives(set_its_reg(its, GITS_CREADR, 0), EBUSY, "GITS_CREADR while it is");
	gives(its_ctrl(its, KVM_DEV_ARM_ITS_CTRL_RESET), 0, "reset");
	check(its_reg(its, GITS_CTLR) == 1U << 31 && !its_reg(its, GITS_CBASER) &&
		      !its_reg(its, GITS_CREADR) && !its_reg(its, GITS_CWRITER) &&
		      !(its_reg(its, GITS_BASER0) & VALID),
	      "all is as at first");
	close(its);
	close(vm.fd);
	close(vm.dev);
}

/* ---- MSIs and routes ---- */

static void test_signal_msi(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int its = -1;

	gives(signal_msi(vm.fd, TRANSLATER, 0, 0, KVM_MSI_VALID_DEVID), EINVAL, "an MSI, no GIC");
	add_gic(&vm);
	gives(signal_msi(vm.fd, TRANSLATER, 0, 0, KVM_MSI_VALID_DEVID), ENODEV, "an MSI, no ITS");
	must(create_its(vm.fd, 0, &its), "an ITS");
	gives(signal_msi(vm.fd, 0, 0, 0, KVM_MSI_VALID_DEVID), EINVAL, "an ITS without an address");
	must(set_its_addr(its, ITS_BASE), "the address");
	gives(signal_msi(vm.fd, TRANSLATER, 0, 0, 0), EINVAL, "no DeviceID");
	gives(signal_msi(vm.fd, TRANSLATER, 0, 0, 2), EINVAL, "unknown flags");
	gives(signal_msi(vm.fd, MMIO_BASE, 0, 0, KVM_MSI_VALID_DEVID), EINVAL, "not an ITS");
	gives(signal_msi(vm.fd, TRANSLATER, 0, 0, KVM_MSI_VALID_DEVID), EBUSY, "the ITS is off");
	gives(ioctl(vm.fd, KVM_SIGNAL_MSI, NULL), EFAULT, "KVM_SIGNAL_MSI without an argument");
	close(its);
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* Up to two routes. */
struct routing {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entry[2];
};

static long set_routing(int vm, uint32_t nr, uint32_t flags, struct routing *routing)
{
	routing->head.nr = nr;
	routing->head.flags = flags;
	return ioctl(vm, KVM_SET_GSI_ROUTING, routing);
}

static struct kvm_irq_routing_entry pin(uint32_t gsi, uint32_t chip, uint32_t number)
{
	return (struct kvm_irq_routing_entry){ .gsi = gsi,
					       .type = KVM_IRQ_ROUTING_IRQCHIP,
					       .u.irqchip = { chip, number } };
}

static struct kvm_irq_routing_entry msi_route(uint32_t gsi, uint32_t event)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.flags = KVM_MSI_VALID_DEVID,
		.u.msi = { .address_lo = (uint32_t)TRANSLATER, .data = event, .devid = DEVICE }
	};
}

static void test_routing(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	struct routing r = { .entry = { pin(0, 0, 0), pin(0, 0, 1) } };
	int most = ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);

	check(most > 0, "KVM_CAP_IRQ_ROUTING (%d)", most);
	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_SIGNAL_MSI) == 1, "KVM_CAP_SIGNAL_MSI");
	gives(set_routing(vm.fd, 1, 0, &r), EINVAL, "routes without a GIC");
	add_gic(&vm);
	gives(set_routing(vm.fd, 1, 1, &r), EINVAL, "unknown flags");
	gives(set_routing(vm.fd, (uint32_t)most + 1, 0, &r), EINVAL, "too many");
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "two routes of a GSI");
	r.entry[1] = pin((uint32_t)most, 0, 0);
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "a GSI that there is not");
	r.entry[1] = pin(1, 1, 0);
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "another interrupt controller");
	r.entry[1] = pin(1, 0, 988);
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "a pin that there is not");
	r.entry[1] = pin(1, 0, 1);
	r.entry[1].flags = 1;
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "flags of a pin");
	r.entry[1] = msi_route(1, 0);
	r.entry[1].flags |= 2;
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "unknown flags of an MSI");
	r.entry[1].type = 77;
	gives(set_routing(vm.fd, 2, 0, &r), EINVAL, "an unknown type");
	r.entry[1] = msi_route(1, 0);
	gives(set_routing(vm.fd, 2, 0, &r), 0, "a pin and an MSI");
	gives(set_routing(vm.fd, 0, 0, &r), 0, "no routes");
	gives(ioctl(vm.fd, KVM_SET_GSI_ROUTING, NULL), EFAULT, "no argument");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* ---- at work ---- */

/* Redistributor @vcpu's register for LPIs, by userspace. */
static uint32_t redist_reg(const struct vm *vm, uint64_t vcpu, uint64_t offset)
{
	uint32_t value = 0;

	must(gic_attr(vm->gic, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
		      vcpu << 32 | offset, &value),
	     "reading a register of a redistributor");
	return value;
}

static long set_redist_reg(const struct vm *vm, uint64_t vcpu, uint64_t offset, uint32_t value)
{
	return gic_attr(vm->gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
			vcpu << 32 | offset, &value);
}

#define GICR_CTLR      0
#define GICR_PROPBASER 0x70
#define GICR_PENDBASER 0x78

/* Turns LPIs on, says what GICR_CTLR reads, and writes the INTID of each interrupt. */
GUEST_CODE(lpi_guest, "mov x1, #0x09000000\n"
		      "mov x10, #0x08000000\n"
		      "mov x11, #0xa0000\n add x11, x11, x10\n"
		      "mov w2, #0x12\n str w2, [x10]\n" /* GICD_CTLR: ARE, group 1 */
		      "str wzr, [x11, #0x14]\n"		/* GICR_WAKER */
		      "mov x2, #15\n movk x2, #0x4001, lsl #16\n str x2, [x11, #0x70]\n" /* PROP */
		      "mov x2, #0x40020000\n str x2, [x11, #0x78]\n" /* GICR_PENDBASER */
		      "mov w2, #1\n str w2, [x11]\n"		     /* GICR_CTLR.EnableLPIs */
		      "ldr w2, [x11]\n str w2, [x1]\n"
		      "ldr w2, [x10, #4]\n str w2, [x1]\n"	    /* GICD_TYPER */
		      "ldr w2, [x11, #8]\n str w2, [x1]\n"	    /* GICR_TYPER */
		      "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n" /* ICC_SRE_EL1 */
		      "mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"	    /* ICC_PMR_EL1 */
		      "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n" /* ICC_IGRPEN1_EL1 */
		      "str wzr, [x1]\n"
		      "1: wfi\n"
		      "2: mrs x3, s3_0_c12_c12_0\n" /* ICC_IAR1_EL1 */
		      "cmp x3, #1023\n b.eq 1b\n"
		      "msr s3_0_c12_c12_1, x3\n isb\n" /* ICC_EOIR1_EL1 */
		      "str w3, [x1, #4]\n"
		      "b 2b\n");

struct guest {
	struct vm vm;
	struct vcpu vcpu;
	int its;
	uint32_t commands;
};

static uint64_t *at(const struct guest *g, uint64_t gpa)
{
	return (uint64_t *)(g->vm.mem + (gpa - GUEST_BASE));
}

/* Put a command into the queue, and have it carried out. */
static void command(struct guest *g, uint64_t word0, uint64_t word1, uint64_t word2)
{
	uint64_t *words = at(g, QUEUE) + g->commands * 4;

	words[0] = word0;
	words[1] = word1;
	words[2] = word2;
	words[3] = 0;
	g->commands = (g->commands + 1) % 2048;
	must(set_its_reg(g->its, GITS_CWRITER, g->commands * 32), "GITS_CWRITER");
}

static void enable_its(struct guest *g)
{
	must(set_its_reg(g->its, GITS_BASER0, VALID | DEVICES), "GITS_BASER0");
	must(set_its_reg(g->its, GITS_BASER1, VALID | COLLECTIONS), "GITS_BASER1");
	must(set_its_reg(g->its, GITS_CBASER, VALID | QUEUE | 0xf), "GITS_CBASER");
	must(set_its_reg(g->its, GITS_CTLR, 1), "GITS_CTLR");
}

/* Device 0x10 has 512 events, which are LPIs 8192 and on: priority by number, in four levels. */
static void map_lpis(struct guest *g)
{
	uint8_t *properties = (uint8_t *)at(g, PROPERTIES);

	for (uint32_t i = 0; i < LPIS; i++)
		properties[i] = (uint8_t)(0x80 | i % 4 << 3 | 1);
	command(g, (uint64_t)DEVICE << 32 | 8, 8, VALID | ITT);
	command(g, 9, 0, VALID);
	for (uint32_t i = 0; i < LPIS; i++)
		command(g, (uint64_t)DEVICE << 32 | 0xa, (uint64_t)(LPI + i) << 32 | i, 0);
}

static void begin(struct guest *g)
{
	*g = (struct guest){ .its = -1 };
	start_guest(&g->vm, &g->vcpu, lpi_guest, lpi_guest_end);
	add_gic(&g->vm);
	must(create_its(g->vm.fd, 0, &g->its), "an ITS");
	must(set_its_addr(g->its, ITS_BASE), "the ITS's address");
	must(its_ctrl(g->its, KVM_DEV_ARM_VGIC_CTRL_INIT), "the ITS's init");
	expect_mmio(&g->vcpu, true, MMIO_BASE, 4, "GICR_CTLR");
	check((mmio_value(&g->vcpu) & 1) == 1, "LPIs are enabled");
	expect_mmio(&g->vcpu, true, MMIO_BASE, 4, "GICD_TYPER");
	check((mmio_value(&g->vcpu) & (1 << 17)) && (mmio_value(&g->vcpu) >> 19 & 31) == 15,
	      "the GIC has LPIs, and 16 bits of INTID (%#llx)",
	      (unsigned long long)mmio_value(&g->vcpu));
	expect_mmio(&g->vcpu, true, MMIO_BASE, 4, "GICR_TYPER");
	check(mmio_value(&g->vcpu) & 1, "the redistributor has LPIs");
	expect_write(&g->vcpu, MMIO_BASE, 4, 0, "the guest is ready");
	enable_its(g);
	map_lpis(g);
}

static void end(struct guest *g)
{
	close(g->its);
	close(g->vm.gic);
	end_guest(&g->vm, &g->vcpu);
}

static long msi(struct guest *g, uint32_t event)
{
	return signal_msi(g->vm.fd, TRANSLATER, DEVICE, event, KVM_MSI_VALID_DEVID);
}

static void expect_lpi(struct guest *g, uint32_t event, const char *what)
{
	expect_write(&g->vcpu, MMIO_BASE + 4, 4, LPI + event, what);
}

static void *write_later(void *arg)
{
	uint64_t one = 1;

	usleep(100000);
	if (write(*(int *)arg, &one, sizeof(one)) != sizeof(one))
		perror("eventfd");
	return NULL;
}

static void test_delivery(void)
{
	struct routing r = { .entry = { msi_route(3000, 7) } };
	int fd = eventfd(0, EFD_NONBLOCK);
	struct kvm_irqfd irqfd = { .fd = (uint32_t)fd, .gsi = 3000 };
	pthread_t thread;
	struct guest g;

	begin(&g);
	check(msi(&g, 5) == 1, "KVM_SIGNAL_MSI of an event that is mapped gives 1");
	expect_lpi(&g, 5, "an MSI");
	check(msi(&g, LPIS) == 0, "of one that is not, 0");
	check(signal_msi(g.vm.fd, TRANSLATER, DEVICE + 1, 0, KVM_MSI_VALID_DEVID) == 0,
	      "of a device that is not, 0");
	must(set_routing(g.vm.fd, 1, 0, &r), "a route");
	gives(ioctl(g.vm.fd, KVM_IRQFD, &irqfd), 0, "an irqfd of an MSI");
	must(pthread_create(&thread, NULL, write_later, &fd), "a thread");
	expect_lpi(&g, 7, "a vCPU in WFI is woken by an irqfd's MSI");
	pthread_join(thread, NULL);
	r.entry[0] = msi_route(3000, 9);
	must(set_routing(g.vm.fd, 1, 0, &r), "another route");
	write_later(&fd);
	expect_lpi(&g, 9, "the irqfd follows its route");
	command(&g, (uint64_t)DEVICE << 32 | 3, 11, 0);
	expect_lpi(&g, 11, "INT");
	msi(&g, 4);
	command(&g, (uint64_t)DEVICE << 32 | 4, 4, 0);
	msi(&g, 6);
	expect_lpi(&g, 6, "CLEAR took the other one back");
	*((uint8_t *)at(&g, PROPERTIES) + 8) &= (uint8_t)~1;
	command(&g, (uint64_t)DEVICE << 32 | 0xc, 8, 0);
	msi(&g, 8);
	msi(&g, 12);
	expect_lpi(&g, 12, "one that INV disabled waits");
	*((uint8_t *)at(&g, PROPERTIES) + 8) |= 1;
	command(&g, 0xd, 0, 0);
	expect_lpi(&g, 8, "and comes when INVALL has enabled it");
	command(&g, (uint64_t)DEVICE << 32 | 0xf, 8, 0);
	check(msi(&g, 8) == 0, "one that is discarded is not mapped");
	close(fd);
	end(&g);
}

/* All are signalled before the guest runs: they come by priority, each once. */
static void expect_all(struct guest *g, uint32_t count, const char *what)
{
	bool seen[LPIS] = { false };
	uint32_t n, level = 0;

	for (n = 0; n < count; n++) {
		uint32_t i;

		if (run(&g->vcpu) < 0 || g->vcpu.run->exit_reason != KVM_EXIT_MMIO)
			break;
		i = (uint32_t)mmio_value(&g->vcpu) - LPI;
		if (i >= LPIS || seen[i] || i % 4 < level)
			break;
		seen[i] = true;
		level = i % 4;
	}
	check(n == count, "%s: %u of %u", what, n, count);
}

static void test_many(void)
{
	struct guest g;

	begin(&g);
	for (unsigned int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < LPIS; i++)
			msi(&g, i * 77 % LPIS);
		for (uint32_t i = 0; i < LPIS; i++)
			msi(&g, i);
		expect_all(&g, LPIS, "each of 512 LPIs comes once, by priority");
	}
	end(&g);
}

static void test_save_and_restore(void)
{
	static const uint64_t regs[] = { GITS_CBASER, GITS_CWRITER, GITS_CREADR, GITS_BASER0,
					 GITS_BASER1, GITS_IIDR,    GITS_CTLR };
	uint64_t value[7];
	struct guest g;

	begin(&g);
	for (uint32_t i = 0; i < LPIS; i++)
		msi(&g, i);
	for (int i = 0; i < 7; i++)
		value[i] = its_reg(g.its, regs[i]);
	gives(gic_attr(g.vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		       KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL),
	      0, "SAVE_PENDING_TABLES");
	gives(its_ctrl(g.its, KVM_DEV_ARM_ITS_SAVE_TABLES), 0, "SAVE_TABLES");
	check(at(&g, DEVICES)[DEVICE] == (VALID | ITT >> 8 << 5 | 8), "the device's entry");
	check(at(&g, ITT)[0] == (1ULL << 48 | (uint64_t)LPI << 16), "the first event's");
	check(at(&g, ITT)[LPIS - 1] == (uint64_t)(LPI + LPIS - 1) << 16, "the last event's");
	check(at(&g, COLLECTIONS)[0] == VALID && !at(&g, COLLECTIONS)[1], "the collection's");
	check(at(&g, PENDING)[LPI / 64] == ~0ULL, "what is pending");
	gives(its_ctrl(g.its, KVM_DEV_ARM_ITS_CTRL_RESET), 0, "reset");
	gives(msi(&g, 5), EBUSY, "an MSI to an ITS that is reset");
	for (int i = 0; i < 6; i++)
		must(set_its_reg(g.its, regs[i], value[i]), "restoring a register");
	gives(its_ctrl(g.its, KVM_DEV_ARM_ITS_RESTORE_TABLES), 0, "RESTORE_TABLES");
	must(set_its_reg(g.its, GITS_CTLR, value[6]), "restoring GITS_CTLR");
	expect_all(&g, LPIS, "what was pending comes");
	check(msi(&g, 5) == 1, "events are mapped as before");
	expect_lpi(&g, 5, "an MSI");
	its_ctrl(g.its, KVM_DEV_ARM_ITS_CTRL_RESET);
	for (int i = 0; i < 6; i++)
		must(set_its_reg(g.its, regs[i], value[i]), "restoring a register");
	at(&g, ITT)[3] = 1ULL << 48 | (uint64_t)100 << 16;
	gives(its_ctrl(g.its, KVM_DEV_ARM_ITS_RESTORE_TABLES), EINVAL, "an entry with SPI 100");
	end(&g);
}

/* A second ITS, its frame and tables; and the LPI of its one event, which is not one of the first's. */
#define OTHER_BASE (ITS_BASE + 0x2000000)
#define OTHER(gpa) ((gpa) + 0x80000)
#define OTHER_LPI  600U

/* The registers of the second ITS, with @commands in its queue; and it is enabled, if @enable. */
static void write_other(int its, uint64_t commands, bool enable)
{
	must(set_its_reg(its, GITS_CBASER, VALID | OTHER(QUEUE) | 0xf), "GITS_CBASER");
	must(set_its_reg(its, GITS_CREADR, enable ? 0 : commands), "GITS_CREADR");
	must(set_its_reg(its, GITS_BASER0, VALID | OTHER(DEVICES)), "GITS_BASER0");
	must(set_its_reg(its, GITS_BASER1, VALID | OTHER(COLLECTIONS)), "GITS_BASER1");
	if (enable)
		must(set_its_reg(its, GITS_CTLR, 1), "GITS_CTLR");
	must(set_its_reg(its, GITS_CWRITER, commands), "GITS_CWRITER");
}

/* Event 5 of device 0x10, as the first ITS has one. */
static void map_other(const struct guest *g, int its)
{
	static const uint64_t commands[][4] = {
		{ (uint64_t)DEVICE << 32 | 8, 8, VALID | OTHER(ITT) },
		{ 9, 0, VALID },
		{ (uint64_t)DEVICE << 32 | 0xa, (uint64_t)(LPI + OTHER_LPI) << 32 | 5, 0 },
	};

	((uint8_t *)at(g, PROPERTIES))[OTHER_LPI] = 0x81;
	memcpy(at(g, OTHER(QUEUE)), commands, sizeof(commands));
	write_other(its, sizeof(commands), true);
}

static long other_msi(const struct guest *g)
{
	return signal_msi(g->vm.fd, OTHER_BASE + 0x10040, DEVICE, 5, KVM_MSI_VALID_DEVID);
}

/* Each ITS has devices, tables and a life of its own; the LPIs are one space. */
static void test_two_itss(void)
{
	int other = -1;
	struct guest g;

	begin(&g);
	must(create_its(g.vm.fd, 0, &other), "a second ITS");
	must(set_its_addr(other, OTHER_BASE), "its address");
	must(its_ctrl(other, KVM_DEV_ARM_VGIC_CTRL_INIT), "its init");
	gives(other_msi(&g), EBUSY, "an MSI to it, while it is off");
	map_other(&g, other);
	check(other_msi(&g) == 1, "an MSI to it");
	expect_lpi(&g, OTHER_LPI, "is its own event's LPI");
	check(msi(&g, 5) == 1, "one of the same device and event to the first ITS");
	expect_lpi(&g, 5, "is that one's");
	check(signal_msi(g.vm.fd, OTHER_BASE + 0x10040, DEVICE, 6, KVM_MSI_VALID_DEVID) == 0,
	      "the second has not what the first has");
	gives(its_ctrl(other, KVM_DEV_ARM_ITS_SAVE_TABLES), 0, "its tables are saved");
	check(at(&g, OTHER(ITT))[5] == (uint64_t)(LPI + OTHER_LPI) << 16, "the event's entry");
	gives(its_ctrl(other, KVM_DEV_ARM_ITS_CTRL_RESET), 0, "it is reset");
	gives(other_msi(&g), EBUSY, "an MSI to it then");
	check(msi(&g, 7) == 1, "one to the first");
	expect_lpi(&g, 7, "comes nevertheless");
	write_other(other, 0x60, false);
	gives(its_ctrl(other, KVM_DEV_ARM_ITS_RESTORE_TABLES), 0, "its tables are restored");
	must(set_its_reg(other, GITS_CTLR, 1), "GITS_CTLR");
	check(other_msi(&g) == 1, "an MSI to it again");
	expect_lpi(&g, OTHER_LPI, "comes");
	close(other);
	end(&g);
}

static void *run_it(void *arg)
{
	struct guest *g = arg;

	run(&g->vcpu);
	return NULL;
}

static void test_busy(void)
{
	pthread_t thread;
	struct guest g;

	begin(&g);
	must(pthread_create(&thread, NULL, run_it, &g), "a thread");
	usleep(200000);
	gives(its_ctrl(g.its, KVM_DEV_ARM_ITS_SAVE_TABLES), EBUSY, "SAVE while a vCPU runs");
	gives(set_its_reg(g.its, GITS_CBASER, 0), EBUSY, "a register while a vCPU runs");
	check(msi(&g, 1) == 1, "an MSI to a vCPU that sleeps");
	pthread_join(thread, NULL);
	check(mmio_value(&g.vcpu) == LPI + 1, "wakes it");
	end(&g);
}

/*
 * Two vCPUs, the second created first: so the first redistributor is its own. Userspace finds what
 * the guest wrote there, and a collection that names number 1 sends LPIs to it.
 */
static void test_redistributors(void)
{
	struct guest g = { .its = -1 };
	struct vcpu other;

	g.vm = new_vm();
	g.vcpu = new_vcpu(&g.vm, 1);
	other = new_vcpu(&g.vm, 0);
	LOAD(&g.vm, &g.vcpu, lpi_guest);
	add_gic(&g.vm);
	must(create_its(g.vm.fd, 0, &g.its), "an ITS");
	must(set_its_addr(g.its, ITS_BASE), "the ITS's address");
	must(its_ctrl(g.its, KVM_DEV_ARM_VGIC_CTRL_INIT), "the ITS's init");
	for (unsigned int i = 0; i < 2; i++) {
		gives(set_redist_reg(&g.vm, i, GICR_PENDBASER + 4, 1), 0, "half of GICR_PENDBASER");
		gives(set_redist_reg(&g.vm, i, GICR_PENDBASER, 0x30000), 0, "the other half");
		check(redist_reg(&g.vm, i, GICR_PENDBASER + 4) == 1 &&
			      (redist_reg(&g.vm, i, GICR_PENDBASER) & 0xffff0000) == 0x30000,
		      "its address reads back");
	}
	for (unsigned int i = 0; i < 3; i++)
		expect_mmio(&g.vcpu, true, MMIO_BASE, 4, "the guest tells what it finds");
	check((mmio_value(&g.vcpu) & 0xff01) == 0x0101, "GICR_TYPER of vCPU 1, with LPIs (%#llx)",
	      (unsigned long long)mmio_value(&g.vcpu));
	expect_write(&g.vcpu, MMIO_BASE, 4, 0, "the guest is ready");
	check((redist_reg(&g.vm, 1, GICR_CTLR) & 1) == 1, "its LPIs are enabled");
	check((redist_reg(&g.vm, 0, GICR_CTLR) & 1) == 0, "the other vCPU's are not");
	check((redist_reg(&g.vm, 1, GICR_PENDBASER) & 0xffff0000) == 0x40020000 &&
		      redist_reg(&g.vm, 1, GICR_PENDBASER + 4) == 0,
	      "its GICR_PENDBASER is what the guest wrote");
	check((redist_reg(&g.vm, 0, GICR_PENDBASER) & 0xffff0000) == 0x30000, "the other's is not");
	check((redist_reg(&g.vm, 0, GICR_PROPBASER) & 0xfffff01f) == 0x4001000f,
	      "GICR_PROPBASER is one for all (%#x)", redist_reg(&g.vm, 0, GICR_PROPBASER));
	gives(set_redist_reg(&g.vm, 1, GICR_PENDBASER, 0x50000), 0, "while LPIs are enabled");
	check((redist_reg(&g.vm, 1, GICR_PENDBASER) & 0xffff0000) == 0x40020000,
	      "GICR_PENDBASER keeps its value");
	enable_its(&g);
	*(uint8_t *)at(&g, PROPERTIES) = 0x81;
	command(&g, (uint64_t)DEVICE << 32 | 8, 8, VALID | ITT);
	command(&g, 9, 0, VALID | 1 << 16);
	command(&g, (uint64_t)DEVICE << 32 | 0xa, (uint64_t)LPI << 32, 0);
	check(msi(&g, 0) == 1, "an MSI");
	expect_lpi(&g, 0, "which comes to vCPU 1");
	end_vcpu(&other);
	end(&g);
}

int main(void)
{
	struct vm vm = bare_vm();
	int its = -1;

	if (create_its(vm.fd, KVM_CREATE_DEVICE_TEST, &its)) {
		gives(create_its(vm.fd, 0, &its), ENODEV, "an ITS where there is no GICv3");
		return finish();
	}
	close(vm.fd);
	close(vm.dev);
	test_create();
	test_address();
	test_registers();
	test_signal_msi();
	test_routing();
	test_delivery();
	test_many();
	test_save_and_restore();
	test_two_itss();
	test_busy();
	test_redistributors();
	return finish();
}
