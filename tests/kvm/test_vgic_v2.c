// SPDX-License-Identifier: BSD-2-Clause
/*
 * A GICv2: KVM_DEV_TYPE_ARM_VGIC_V2 with its attributes, KVM_CREATE_IRQCHIP, KVM_ARM_SET_DEVICE_ADDR,
 * and guests that use it. On a machine without a GICv2 (or one that is compatible) there is none.
 */
#include <pthread.h>
#include <signal.h>

#include "kvmtest.h"

#define GIC_CPU 0x08010000ULL

#define DIST KVM_DEV_ARM_VGIC_GRP_DIST_REGS
#define CPU  KVM_DEV_ARM_VGIC_GRP_CPU_REGS

#define GICD_CTLR	0x0
#define GICD_TYPER	0x4
#define GICD_IIDR	0x8
#define GICD_IGROUPR1	0x84
#define GICD_ISENABLER1 0x104
#define GICD_ISPENDR0	0x200
#define GICD_ISACTIVER0 0x300
#define GICD_ISACTIVER1 0x304
#define GICD_ICPENDR0	0x280
#define GICD_ITARGETSR0 0x800
#define GICD_ICFGR0	0xc00
#define GICD_CPENDSGIR1 0xf14
#define GICD_SPENDSGIR1 0xf24
#define GICC_CTLR	0x0
#define GICC_PMR	0x4
#define GICC_APR0	0xd0
#define GICC_IIDR	0xfc

/* What vCPU @vcpu has at @offset. */
#define OF(vcpu, offset) ((uint64_t)(vcpu) << KVM_DEV_ARM_VGIC_CPUID_SHIFT | (offset))

#define SPI(intid) ((uint32_t)KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (intid))
#define PPI(vcpu, intid)                                            \
	((uint32_t)KVM_ARM_IRQ_TYPE_PPI << KVM_ARM_IRQ_TYPE_SHIFT | \
	 (vcpu) << KVM_ARM_IRQ_VCPU_SHIFT | (intid))

static long create_v2(int fd, uint32_t flags, int *gic)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_V2, .flags = flags };
	long ret = ioctl(fd, KVM_CREATE_DEVICE, &device);

	if (!ret)
		*gic = (int)device.fd;
	return ret;
}

static long has(int gic, uint32_t group, uint64_t attr)
{
	return gic_attr(gic, KVM_HAS_DEVICE_ATTR, group, attr, NULL);
}

static long get(int gic, uint32_t group, uint64_t attr, void *value)
{
	return gic_attr(gic, KVM_GET_DEVICE_ATTR, group, attr, value);
}

static long set32(int gic, uint32_t group, uint64_t attr, uint32_t value)
{
	return gic_attr(gic, KVM_SET_DEVICE_ATTR, group, attr, &value);
}

static uint32_t get32(int gic, uint32_t group, uint64_t attr)
{
	uint32_t value = 0;

	must(get(gic, group, attr, &value), "KVM_GET_DEVICE_ATTR");
	return value;
}

static long init_gic(int gic)
{
	return gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
			KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

static long irq_line(int fd, uint32_t irq, uint32_t level)
{
	struct kvm_irq_level line = { .irq = irq, .level = level };

	return ioctl(fd, KVM_IRQ_LINE, &line);
}

static long set_device_addr(int fd, uint64_t id, uint64_t addr)
{
	struct kvm_arm_device_addr arg = { .id = id, .addr = addr };

	return ioctl(fd, KVM_ARM_SET_DEVICE_ADDR, &arg);
}

static void end_bare(struct vm *vm)
{
	close(vm->fd);
	close(vm->dev);
}

static void test_without_one(void)
{
	struct vm vm = bare_vm();
	int gic = -1;

	gives(create_v2(vm.fd, 0, &gic), ENODEV, "a GICv2 on a machine without one");
	gives(create_v2(vm.fd, KVM_CREATE_DEVICE_TEST, &gic), ENODEV, "testing whether there is");
	gives(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), ENODEV, "KVM_CREATE_IRQCHIP there");
	gives(set_device_addr(vm.fd, 0, GIC_DIST), ENODEV, "KVM_ARM_SET_DEVICE_ADDR there");
	end_bare(&vm);
}

static void test_create_v2(void)
{
	struct vm vm = bare_vm();
	struct kvm_create_device its = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	int gic = -1;

	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_IRQCHIP) == 1, "KVM_CAP_IRQCHIP");
	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_SET_DEVICE_ADDR) == 1,
	      "KVM_CAP_ARM_SET_DEVICE_ADDR");
	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS) == 8, "KVM_CAP_MAX_VCPUS");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 8UL), EINVAL, "a ninth vCPU");
	gives(create_gic(vm.fd, 0, &gic), ENODEV, "a GICv3");
	gives(ioctl(vm.fd, KVM_CREATE_DEVICE, &its), ENODEV, "an ITS");
	gives(create_v2(vm.fd, KVM_CREATE_DEVICE_TEST, &gic), 0, "only testing for a GICv2");
	gives(create_v2(vm.fd, 0, &gic), 0, "a GICv2");
	gives(create_v2(vm.fd, 0, &gic), EEXIST, "another one");
	gives(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), EEXIST, "KVM_CREATE_IRQCHIP beside it");
	gives(ioctl(gic, KVM_RUN, 0), ENOTTY, "KVM_RUN on a device");
	if (on_keel())
		gives(init_gic(gic), ENODEV, "init without vCPUs");
	close(gic);
	end_bare(&vm);
}

static void test_has_v2_attr(void)
{
	static const struct {
		uint32_t group;
		uint64_t attr;
		int want;
		const char *what;
	} rows[] = {
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_DIST, 0, "has DIST" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_CPU, 0, "has CPU" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, ENXIO,
		  "has a GICv3 address" },
		{ KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 0, "has NR_IRQS" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0, "has CTRL_INIT" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, ENXIO,
		  "has pending tables" },
		{ KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, 0, ENXIO, "has redistributors" },
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, 0, ENXIO, "has system registers" },
		{ KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, 0, ENXIO, "has levels" },
		{ 1000, 0, ENXIO, "has an unknown group" },
		{ DIST, GICD_IIDR, 0, "has GICD_IIDR" },
		{ DIST, GICD_ITARGETSR0, 0, "has GICD_ITARGETSR0" },
		{ DIST, GICD_SPENDSGIR1, 0, "has GICD_SPENDSGIR1" },
		{ DIST, GICD_ITARGETSR0 + 95, ENXIO, "has an unaligned one" },
		{ DIST, GICD_ITARGETSR0 + 92, 0, "has the last GICD_ITARGETSR" },
		{ DIST, GICD_ITARGETSR0 + 96, ENXIO, "has one more" },
		{ DIST, GICD_ISENABLER1 + 4, 0, "has the last GICD_ISENABLER" },
		{ DIST, GICD_ISENABLER1 + 8, ENXIO, "has one more" },
		{ DIST, 0xff0, ENXIO, "has a register where there is none" },
		{ DIST, 0x82, ENXIO, "has an unaligned register" },
		{ DIST, OF(1, 0), EINVAL, "has a register of no vCPU" },
		{ CPU, GICC_PMR, 0, "has GICC_PMR" },
		{ CPU, GICC_APR0, 0, "has GICC_APR0" },
		{ CPU, GICC_IIDR, 0, "has GICC_IIDR" },
		{ CPU, 0xc, ENXIO, "has GICC_IAR" },
		{ CPU, OF(7, 0), EINVAL, "has an interface of no vCPU" },
	};
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int gic = -1;

	must(create_v2(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	gives(has(gic, DIST, GICD_ISENABLER1), ENXIO, "has an SPI's register before NR_IRQS");
	must(set32(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 96), "NR_IRQS 96");
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		gives(has(gic, rows[i].group, rows[i].attr), rows[i].want, rows[i].what);
	close(gic);
	end_guest(&vm, &vcpu);
}

static void test_v2_addresses(void)
{
	struct vm vm = { .dev = open_kvm() };
	uint64_t value = 0;
	int gic = -1;

	vm.fd = (int)must(ioctl(vm.dev, KVM_CREATE_VM, 36UL), "KVM_CREATE_VM with 36 bits");
	must(create_v2(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	gives(set_gic_addr(gic, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU + 0x800), EINVAL,
	      "an address that is not a multiple of 4 KiB");
	gives(set_gic_addr(gic, KVM_VGIC_V2_ADDR_TYPE_CPU, (1ULL << 36) - 0x1000), E2BIG,
	      "an address across the end of the IPA space");
	gives(set_gic_addr(gic, KVM_VGIC_V2_ADDR_TYPE_DIST, 1ULL << 36), E2BIG, "one beyond it");
	gives(gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		       KVM_VGIC_V2_ADDR_TYPE_DIST, NULL),
	      EFAULT, "an address from nowhere");
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), ENXIO, "one of a GICv3");
	gives(set_gic_addr(gic, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST + 0x1000), 0,
	      "the distributor's address, a multiple of 4 KiB");
	gives(set_gic_addr(gic, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST), EEXIST, "again");
	gives(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST), EEXIST,
	      "again, by KVM_ARM_SET_DEVICE_ADDR");
	gives(get(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_DIST, &value), 0,
	      "reading it");
	check(value == GIC_DIST + 0x1000, "it is what was set");
	close(gic);
	end_bare(&vm);
}

static void test_irqchip_calls(void)
{
	struct vm vm = bare_vm();

	gives(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST), ENODEV,
	      "an address before there is a GIC");
	gives(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), 0, "KVM_CREATE_IRQCHIP");
	gives(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), EEXIST, "again");
	gives(ioctl(vm.fd, KVM_ARM_SET_DEVICE_ADDR, NULL), EFAULT, "an address from nowhere");
	gives(set_device_addr(vm.fd, 1ULL << KVM_ARM_DEVICE_ID_SHIFT, GIC_DIST), ENODEV,
	      "an unknown device");
	gives(set_device_addr(vm.fd, 7, GIC_DIST), ENODEV, "an unknown frame");
	gives(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU + 4), EINVAL,
	      "an unaligned address");
	gives(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_CPU, 1ULL << 52), E2BIG, "one too far");
	gives(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU), 0, "an address");
	end_bare(&vm);
}

static void test_v2_nr_irqs(void)
{
	static const uint32_t bad[] = { 0, 32, 63, 65, 1025, 1056 };
	struct vm vm = bare_vm();
	char what[64];
	int gic = -1;

	must(create_v2(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	check(get32(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0) == 32, "NR_IRQS reads as 32 at first");
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(what, sizeof(what), "NR_IRQS %u", bad[i]);
		gives(set32(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, bad[i]), EINVAL, what);
	}
	gives(gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, NULL), EFAULT,
	      "NR_IRQS from nowhere");
	gives(set32(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 96), 0, "NR_IRQS 96");
	gives(set32(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 128), EBUSY, "NR_IRQS a second time");
	check(get32(gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0) == 96, "it reads as 96");
	close(gic);
	end_bare(&vm);
}

/* Acknowledges and ends for ever; each INTID is told. It polls: interrupts stay masked. */
GUEST_CODE(taker, "mov x10, #0x08000000\n" /* distributor */
		  "mov x11, #0x08010000\n" /* CPU interface */
		  "mov x12, #0x09000000\n"
		  "mov w1, #0xf0\n str w1, [x11, #4]\n"
		  "mov w1, #1\n str w1, [x11]\n str w1, [x10]\n"
		  "mov w1, #0x100\n str w1, [x10, #0x104]\n" /* SPI 40 */
		  "str wzr, [x10, #0xc08]\n"		     /* a level */
		  "1: ldr w3, [x11, #0xc]\n"
		  "str w3, [x12]\n"
		  "str w3, [x11, #0x10]\n"
		  "b 1b\n");

/* Sends SGI 5 to the first two vCPUs, and tells so. */
GUEST_CODE(sender, "mov x10, #0x08000000\n"
		   "mov x12, #0x09000000\n"
		   "mov w1, #5\n movk w1, #3, lsl #16\n"
		   "1: str w1, [x10, #0xf00]\n"
		   "str w1, [x12, #8]\n"
		   "b 1b\n");

static void takes(const struct vcpu *vcpu, uint32_t iar, const char *what)
{
	expect_write(vcpu, MMIO_BASE, 4, iar, what);
}

static void sends(const struct vcpu *vcpu)
{
	expect_write(vcpu, MMIO_BASE + 8, 4, 0x30005, "a vCPU sends an SGI");
}

static void load_taker(struct vm *vm, struct vcpu *vcpu)
{
	load_code(vm, vcpu, GUEST_BASE, taker, taker_end);
}

/* All by the calls from before there were devices; nobody asks for the init. */
static void test_guest_of_irqchip(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	load_taker(&vm, &vcpu);
	must(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	gives(ioctl(vcpu.fd, KVM_RUN, 0), ENXIO, "a run without addresses");
	must(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST), "distributor");
	gives(ioctl(vcpu.fd, KVM_RUN, 0), ENXIO, "a run with one of two");
	must(set_device_addr(vm.fd, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU), "CPU interface");
	takes(&vcpu, 1023, "nothing to take");
	gives(irq_line(vm.fd, SPI(40), 1), 0, "an SPI");
	takes(&vcpu, 40, "which is taken");
	takes(&vcpu, 40, "and again, as it is a level");
	gives(irq_line(vm.fd, SPI(40), 0), 0, "it falls");
	takes(&vcpu, 1023, "nothing to take");
	gives(irq_line(vm.fd, SPI(256), 1), EINVAL, "an SPI that there is not");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 1UL), EBUSY, "a vCPU after the init");
	end_guest(&vm, &vcpu);
}

static void test_overlap(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	load_taker(&vm, &vcpu);
	must(create_v2(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm.gic, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_CPU + 0x1000), "distributor");
	must(set_gic_addr(vm.gic, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU), "CPU interface");
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINVAL, "a run with frames that overlap");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* An interrupt is driven: the GIC is initialized by then. */
static void test_lazy_init(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	must(create_v2(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(irq_line(vm.fd, SPI(31), 1), EINVAL, "a PPI as an SPI before anything else");
	gives(irq_line(vm.fd, PPI(0, 15), 1), EINVAL, "an SGI as a PPI");
	gives(irq_line(vm.fd, PPI(1, 16), 1), EINVAL, "a PPI of no vCPU");
	gives(set32(vm.gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 64), 0,
	      "NR_IRQS, as nothing has initialized the GIC");
	gives(irq_line(vm.fd, SPI(64), 1), EINVAL, "an SPI that there is not, and the init");
	gives(set32(vm.gic, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 96), EBUSY, "NR_IRQS behind it");
	gives(irq_line(vm.fd, SPI(40), 1), 0, "an SPI");
	gives(init_gic(vm.gic), 0, "init behind it");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 1UL), EBUSY, "a vCPU behind it");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

static void add_v2(struct vm *vm)
{
	must(create_v2(vm->fd, 0, &vm->gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm->gic, KVM_VGIC_V2_ADDR_TYPE_DIST, GIC_DIST), "distributor");
	must(set_gic_addr(vm->gic, KVM_VGIC_V2_ADDR_TYPE_CPU, GIC_CPU), "CPU interface");
	must(init_gic(vm->gic), "init");
}

/* GICD_TYPER: two vCPUs, 256 interrupts. */
#define TYPER_OF_TWO ((256 / 32 - 1) | 1 << 5)

/* What there is not reads as zero, and writes are ignored, as on KVM. */
static void is_none(int gic, uint32_t group, uint64_t attr, const char *what)
{
	uint32_t value = ~0U;

	gives(get(gic, group, attr, &value), 0, what);
	check(!value, "it reads as zero");
	gives(set32(gic, group, attr, ~0U), 0, "and is written");
	must(get(gic, group, attr, &value), "reading again");
	check(!value, "to no effect");
}

static void test_registers(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu[2] = { new_vcpu(&vm, 0), new_vcpu(&vm, 1) };
	uint32_t word;

	add_v2(&vm);
	check(get32(vm.gic, DIST, GICD_TYPER) == TYPER_OF_TWO, "GICD_TYPER");
	check((get32(vm.gic, DIST, GICD_IIDR) & ~0xf000U) == 0x4b00043b, "GICD_IIDR");
	gives(set32(vm.gic, DIST, GICD_IGROUPR1, 0xff), 0, "groups before GICD_IIDR");
	check(get32(vm.gic, DIST, GICD_IGROUPR1) == 0, "which are not written");
	gives(set32(vm.gic, DIST, GICD_IIDR, 0x4b00143b), EINVAL, "revision 1");
	gives(set32(vm.gic, DIST, GICD_IIDR, 0x4b00243c), EINVAL, "another implementer");
	gives(set32(vm.gic, DIST, GICD_IIDR, 0x4b00243b), 0, "revision 2");
	gives(set32(vm.gic, DIST, GICD_IGROUPR1, 0xff), 0, "groups behind it");
	check(get32(vm.gic, DIST, GICD_IGROUPR1) == 0xff, "which are written");
	check(get32(vm.gic, DIST, GICD_ICFGR0) == 0xaaaaaaaa, "SGIs are edges");
	check(get32(vm.gic, DIST, GICD_ICFGR0 + 4) == 0, "PPIs levels");
	check(get32(vm.gic, DIST, GICD_ICFGR0 + 8) == 0xaaaaaaaa, "SPIs edges at first");
	check(get32(vm.gic, DIST, GICD_ITARGETSR0) == 0x01010101, "a vCPU's own targets");
	check(get32(vm.gic, DIST, OF(1, GICD_ITARGETSR0)) == 0x02020202, "another one's");
	gives(set32(vm.gic, DIST, GICD_ITARGETSR0 + 40, 0xff), 0, "an SPI to all");
	check(get32(vm.gic, DIST, GICD_ITARGETSR0 + 40) == 3, "goes to those that there are");
	is_none(vm.gic, DIST, 2, "an unaligned register");
	is_none(vm.gic, DIST, 0x202, "another one");
	is_none(vm.gic, DIST, 0xff0, "no register");
	is_none(vm.gic, DIST, 0x120, "a register of interrupts that there are not");
	is_none(vm.gic, DIST, 0x220, "their pending state");
	gives(get(vm.gic, DIST, OF(2, 0), &word), EINVAL, "no vCPU");
	gives(get(vm.gic, DIST, 0, NULL), EFAULT, "a register to nowhere");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, DIST, 0, NULL), EFAULT, "one from nowhere");
	gives(set32(vm.gic, CPU, OF(1, GICC_PMR), 0x1e), 0, "GICC_PMR, its upper five bits");
	check(get32(vm.gic, CPU, OF(1, GICC_PMR)) == 0x1e, "is what was written");
	check(get32(vm.gic, CPU, GICC_PMR) == 0, "for that vCPU alone");
	gives(set32(vm.gic, CPU, GICC_CTLR, 0x201), 0, "GICC_CTLR");
	check(get32(vm.gic, CPU, GICC_CTLR) == 0x201, "is what was written");
	check(get32(vm.gic, CPU, GICC_IIDR) == 0x04b2043b, "GICC_IIDR");
	check(get32(vm.gic, CPU, GICC_APR0 + 4) == 0, "GICC_APR1 is zero");
	is_none(vm.gic, CPU, 0xc, "GICC_IAR");
	is_none(vm.gic, CPU, 0x1000, "GICC_DIR");
	close(vm.gic);
	end_vcpu(&vcpu[1]);
	end_guest(&vm, &vcpu[0]);
}

static void nothing(int sig)
{
	(void)sig;
}

GUEST_CODE(spin_v2, "b .\n");

static void *run_vcpu(void *arg)
{
	const struct vcpu *vcpu = arg;

	return (void *)(long)ioctl(vcpu->fd, KVM_RUN, 0);
}

static void test_while_it_runs(void)
{
	struct sigaction action = { .sa_handler = nothing };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	pthread_t thread;
	uint32_t word;
	long ret = 0;

	LOAD(&vm, &vcpu, spin_v2);
	add_v2(&vm);
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, run_vcpu, &vcpu);
	for (int i = 0; i < 1000 && !ret; i++) {
		usleep(1000);
		ret = get(vm.gic, DIST, GICD_CTLR, &word);
	}
	gives(ret, EBUSY, "a register while a vCPU runs");
	vcpu.run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	gives(get(vm.gic, DIST, GICD_CTLR, &word), 0, "and when it does not");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

#define SENDER_AT (GUEST_BASE + 0x1000)

/* Two vCPUs, of which the second sends SGIs to both. */
static void start_two(struct vm *vm, struct vcpu vcpu[2])
{
	*vm = new_vm();
	vcpu[0] = new_vcpu(vm, 0);
	vcpu[1] = new_vcpu(vm, 1);
	load_taker(vm, &vcpu[0]);
	load_code(vm, &vcpu[1], SENDER_AT, sender, sender_end);
	add_v2(vm);
}

static void end_two(struct vm *vm, struct vcpu vcpu[2])
{
	close(vm->gic);
	end_vcpu(&vcpu[1]);
	end_guest(vm, &vcpu[0]);
}

static void test_sgis(void)
{
	struct vm vm;
	struct vcpu vcpu[2];

	start_two(&vm, vcpu);
	takes(&vcpu[0], 1023, "nothing to take");
	sends(&vcpu[1]);
	takes(&vcpu[0], 5 | 1 << 10, "the SGI, and who has sent it");
	takes(&vcpu[0], 1023, "once");
	gives(set32(vm.gic, DIST, GICD_SPENDSGIR1, 0x0300), 0, "the same SGI from both vCPUs");
	check(get32(vm.gic, DIST, GICD_CPENDSGIR1) == 0x0300, "is pending from both");
	check(get32(vm.gic, DIST, GICD_ISPENDR0) == 1 << 5, "and pending");
	takes(&vcpu[0], 5, "the first");
	takes(&vcpu[0], 5 | 1 << 10, "the second");
	takes(&vcpu[0], 1023, "no other");
	gives(set32(vm.gic, DIST, GICD_ISPENDR0, 1 << 5), 0, "an SGI whose sender is not known");
	check(get32(vm.gic, DIST, GICD_SPENDSGIR1) == 0x0100, "is the vCPU's own");
	gives(set32(vm.gic, DIST, GICD_CPENDSGIR1, 0xff00), 0, "it is taken back");
	takes(&vcpu[0], 1023, "nothing to take");
	end_two(&vm, vcpu);
}

/* As the taker, with EOImode=1: what it has taken stays active. */
GUEST_CODE(split_taker, "mov x10, #0x08000000\n"
			"mov x11, #0x08010000\n"
			"mov x12, #0x09000000\n"
			"mov w1, #0xf0\n str w1, [x11, #4]\n"
			"mov w1, #0x201\n str w1, [x11]\n str w1, [x10]\n"
			"mov w1, #0x700\n str w1, [x10, #0x104]\n" /* SPIs 40 to 42 */
			"str wzr, [x10, #0xc08]\n"		   /* levels */
			"1: ldr w3, [x11, #0xc]\n"
			"str w3, [x12]\n"
			"str w3, [x11, #0x10]\n"
			"b 1b\n");

/* Deactivates what it reads from the device. */
GUEST_CODE(deactivator, "mov x11, #0x08010000\n"
			"add x10, x11, #0x1000\n" /* GICC_DIR */
			"mov x12, #0x09000000\n"
			"mov w1, #0x201\n str w1, [x11]\n"
			"1: ldr w3, [x12]\n"
			"str w3, [x10]\n"
			"str w3, [x12, #8]\n"
			"b 1b\n");

static void deactivates(const struct vcpu *vcpu, uint32_t intid)
{
	must(ioctl(vcpu->fd, KVM_RUN, 0), "KVM_RUN of the vCPU that deactivates");
	check(vcpu->run->exit_reason == KVM_EXIT_MMIO && !vcpu->run->mmio.is_write,
	      "it asks which interrupt");
	memcpy(vcpu->run->mmio.data, &intid, sizeof(intid));
	expect_write(vcpu, MMIO_BASE + 8, 4, intid, "it has deactivated it");
}

/* GICC_DIR, of any vCPU, in any order. Stock KVM: from Linux 6.19 on. */
static void test_split(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu[2] = { new_vcpu(&vm, 0), new_vcpu(&vm, 1) };

	load_code(&vm, &vcpu[0], GUEST_BASE, split_taker, split_taker_end);
	load_code(&vm, &vcpu[1], SENDER_AT, deactivator, deactivator_end);
	add_v2(&vm);
	takes(&vcpu[0], 1023, "nothing to take");
	for (uint32_t intid = 40; intid < 43; intid++) {
		must(irq_line(vm.fd, SPI(intid), 1), "an SPI");
		takes(&vcpu[0], intid, "which is taken, and its priority dropped");
	}
	takes(&vcpu[0], 1023, "all are active");
	check(get32(vm.gic, DIST, GICD_ISACTIVER1) == 0x700, "and read as active");
	deactivates(&vcpu[1], 41);
	check(get32(vm.gic, DIST, GICD_ISACTIVER1) == 0x500, "one is not active any more");
	takes(&vcpu[0], 41, "and taken again, as it is a level");
	deactivates(&vcpu[1], 40);
	takes(&vcpu[0], 40, "so is another one");
	takes(&vcpu[0], 1023, "no other");
	end_two(&vm, vcpu);
}

/*
 * An SGI that was active when the guest was saved: no register says who has sent it, but the guest knows,
 * and ends it. Stock KVM takes it for vCPU 0's.
 */
static void test_restored_sgi(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu[2] = { new_vcpu(&vm, 0), new_vcpu(&vm, 1) };

	load_code(&vm, &vcpu[0], GUEST_BASE, deactivator, deactivator_end);
	load_code(&vm, &vcpu[1], SENDER_AT, sender, sender_end);
	add_v2(&vm);
	gives(set32(vm.gic, DIST, GICD_ISACTIVER0, 1 << 5), 0, "an SGI that was active");
	check(get32(vm.gic, DIST, GICD_ISACTIVER0) == 1 << 5, "and is");
	sends(&vcpu[1]);
	deactivates(&vcpu[0], 5 | 1 << 10);
	check(get32(vm.gic, DIST, GICD_ISACTIVER0) == 0, "the guest has ended it");
	check(get32(vm.gic, DIST, GICD_CPENDSGIR1) == 0x0200, "and has what came meanwhile");
	end_two(&vm, vcpu);
}

/* What a VMM saves and restores, in the order in which QEMU does. */
static const uint32_t saved[] = { GICD_IIDR, GICD_CTLR, 0x080, 0x084, 0x100,
				  0x104,     0x300,	0x304, 0x400, 0x404,
				  0x428,     0x828,	0xc08, 0x204, GICD_SPENDSGIR1 };
static const uint32_t saved_cpu[] = { GICC_CTLR, GICC_PMR, 0x8, 0x1c, GICC_APR0 };

static void move_registers(int from, int to, uint32_t group, unsigned int vcpu,
			   const uint32_t *offsets, size_t count)
{
	bool same = true;

	for (size_t i = 0; i < count; i++) {
		uint64_t at = OF(vcpu, offsets[i]);

		must(set32(to, group, at, get32(from, group, at)), "KVM_SET_DEVICE_ATTR");
		same &= get32(to, group, at) == get32(from, group, at);
	}
	check(same, "registers of vCPU %u are as they were", vcpu);
}

static void test_moves(void)
{
	struct vm from, to;
	struct vcpu old[2], new[2];

	start_two(&from, old);
	takes(&old[0], 1023, "nothing to take");
	sends(&old[1]);
	must(irq_line(from.fd, SPI(40), 1), "an SPI");
	start_two(&to, new);
	for (unsigned int n = 0; n < 2; n++) {
		move_registers(from.gic, to.gic, DIST, n, saved, sizeof(saved) / sizeof(*saved));
		move_registers(from.gic, to.gic, CPU, n, saved_cpu,
			       sizeof(saved_cpu) / sizeof(*saved_cpu));
	}
	/* the device does not drive its line again: what QEMU saves has no inputs */
	takes(&new[0], 5 | 1 << 10, "the SGI that was pending there, and its sender");
	takes(&new[0], 40, "the SPI");
	takes(&new[0], 1023, "once");
	end_two(&to, new);
	end_two(&from, old);
}

int main(void)
{
	struct vm vm = bare_vm();
	int gic = -1;
	bool there = !create_v2(vm.fd, KVM_CREATE_DEVICE_TEST, &gic);

	end_bare(&vm);
	if (!there) {
		test_without_one();
		return finish();
	}
	test_create_v2();
	test_has_v2_attr();
	test_v2_addresses();
	test_irqchip_calls();
	test_v2_nr_irqs();
	test_guest_of_irqchip();
	test_overlap();
	test_lazy_init();
	test_registers();
	test_while_it_runs();
	test_sgis();
	if (on_keel()) {
		test_split();
		test_restored_sgi();
	}
	test_moves();
	return finish();
}
