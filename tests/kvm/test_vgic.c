// SPDX-License-Identifier: BSD-2-Clause
/* KVM_CREATE_DEVICE of a GICv3, its attributes, KVM_IRQ_LINE. */
#include <pthread.h>
#include <stdatomic.h>

#include "kvmtest.h"

#define IRQ(type, vcpu, num)                                                                       \
	((uint32_t)(type) << KVM_ARM_IRQ_TYPE_SHIFT | (uint32_t)(vcpu) << KVM_ARM_IRQ_VCPU_SHIFT | \
	 (num))

static long irq_line(int fd, uint32_t irq, uint32_t level)
{
	struct kvm_irq_level line = { .irq = irq, .level = level };

	return ioctl(fd, KVM_IRQ_LINE, &line);
}

static long set_nr_irqs(int gic, uint32_t nr)
{
	return gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr);
}

static long init_gic(int gic)
{
	return gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
			KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

static void test_create(void)
{
	struct vm vm = bare_vm();
	struct kvm_create_device device = { .type = 0x7fff };
	int gic = -1;

	gives(ioctl(vm.fd, KVM_CREATE_DEVICE, &device), ENODEV, "an unknown type of device");
	gives(ioctl(vm.fd, KVM_CREATE_DEVICE, NULL), EFAULT,
	      "KVM_CREATE_DEVICE without an argument");
	gives(create_gic(vm.fd, KVM_CREATE_DEVICE_TEST, &gic), 0,
	      "only testing whether there is a GICv3");
	gives(create_gic(vm.fd, 0, &gic), 0, "a GICv3");
	gives(create_gic(vm.fd, 0, &gic), EEXIST, "another one");
	gives(ioctl(gic, KVM_RUN, 0), ENOTTY, "KVM_RUN on a device");
	if (on_keel())
		gives(init_gic(gic), ENODEV, "init without vCPUs");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

static void test_has_attr(void)
{
	static const struct {
		uint32_t group;
		uint64_t attr;
		int want;
		const char *what;
	} rows[] = {
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, 0, "has DIST" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, 0, "has REDIST" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, 0,
		  "has REDIST_REGION" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V2_ADDR_TYPE_CPU, ENXIO,
		  "has a GICv2 address" },
		{ KVM_DEV_ARM_VGIC_GRP_ADDR, 1000, ENXIO, "has an unknown address" },
		{ KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, 0, "has NR_IRQS" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0, "has CTRL_INIT" },
		{ KVM_DEV_ARM_VGIC_GRP_CTRL, 1000, ENXIO, "has an unknown control" },
		{ 1000, 0, ENXIO, "has an unknown group" },
	};
	struct vm vm = bare_vm();
	int gic = -1;
	unsigned int i;

	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		gives(gic_attr(gic, KVM_HAS_DEVICE_ATTR, rows[i].group, rows[i].attr, NULL),
		      rows[i].want, rows[i].what);
	gives(ioctl(gic, KVM_SET_DEVICE_ATTR, NULL), EFAULT,
	      "KVM_SET_DEVICE_ATTR without an argument");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

static void test_addresses(void)
{
	struct vm vm = { .dev = open_kvm() };
	uint64_t value = 0;
	int gic = -1;

	vm.fd = (int)must(ioctl(vm.dev, KVM_CREATE_VM, 36UL), "KVM_CREATE_VM with 36 bits");
	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST + 0x1000), EINVAL,
	      "an address that is not a multiple of 64 KiB");
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, 1ULL << 36), E2BIG,
	      "an address beyond the IPA size");
	gives(gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		       KVM_VGIC_V3_ADDR_TYPE_DIST, NULL),
	      EFAULT, "an address from nowhere");
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), 0,
	      "the distributor's address");
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), EEXIST, "again");
	gives(gic_attr(gic, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		       KVM_VGIC_V3_ADDR_TYPE_DIST, &value),
	      0, "reading it");
	check(value == GIC_DIST, "it is what was set");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

static void test_nr_irqs(void)
{
	static const uint32_t bad[] = { 0, 32, 63, 65, 1025, 1056 };
	struct vm vm = bare_vm();
	char what[64];
	unsigned int i;
	uint32_t nr = 0;
	int gic = -1;

	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	must(gic_attr(gic, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &nr), "NR_IRQS");
	check(nr == 32, "NR_IRQS reads as 32 at first");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(what, sizeof(what), "NR_IRQS %u", bad[i]);
		gives(set_nr_irqs(gic, bad[i]), EINVAL, what);
	}
	gives(set_nr_irqs(gic, 96), 0, "NR_IRQS 96");
	gives(set_nr_irqs(gic, 128), EBUSY, "NR_IRQS a second time");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

GUEST_CODE(mmio_once, "mov x1, #0x09000000\n str xzr, [x1]\n b .\n");

static void test_order(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, mmio_once);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 40), 1), EBUSY,
	      "KVM_IRQ_LINE before the GIC is initialized");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 31), 1), EINVAL,
	      "of a PPI as an SPI, which is checked before");
	gives(init_gic(vm.gic), 0, "init before the addresses are set");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 1UL), EBUSY, "a vCPU after the GIC's init");
	gives(set_nr_irqs(vm.gic, 128), EBUSY, "NR_IRQS after the GIC's init");
	gives(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), 0, "the distributor");
	gives(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), 0,
	      "the redistributors");
	expect_write(&vcpu, MMIO_BASE, 8, 0, "the guest runs");
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* Tells what is pending of the interrupts 32 to 63, and of vCPU 0's own. */
GUEST_CODE(pending, "mov x1, #0x09000000\n"
		    "mov x2, #0x08000000\n"
		    "ldr w3, [x2, #0x204]\n" /* GICD_ISPENDR1 */
		    "str w3, [x1]\n"
		    "mov x2, #0x080b0000\n"
		    "ldr w3, [x2, #0x200]\n" /* GICR_ISPENDR0 */
		    "str w3, [x1, #4]\n"
		    "b .\n");

static bool bit_of(const struct vcpu *vcpu, unsigned int bit)
{
	return mmio_value(vcpu) >> bit & 1;
}

/* From the GIC's init on, lines are there: also while nobody knows where the GIC will be. */
static void test_early_lines(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, pending);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 40), 0), EBUSY,
	      "KVM_IRQ_LINE before the GIC is initialized, of level 0");
	must(init_gic(vm.gic), "init of the GIC");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 40), 1), 0, "an SPI, early");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 20), 1), 0, "a PPI, early");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 21), 1), 0, "another");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 21), 0), 0, "which goes");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 256), 1), EINVAL, "no SPI, early");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "the distributor");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "redistributors");
	if (expect_mmio(&vcpu, true, MMIO_BASE, 4, "pending SPIs"))
		check(bit_of(&vcpu, 8) && !bit_of(&vcpu, 9), "the SPI that came early is pending");
	if (expect_mmio(&vcpu, true, MMIO_BASE + 4, 4, "pending PPIs"))
		check(bit_of(&vcpu, 20) && !bit_of(&vcpu, 21), "so is the PPI, if it still is");
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

#define MEETINGS 30

static atomic_bool met_enough;
static atomic_uint refused;

static void *look_at_pc(void *arg)
{
	struct vcpu *vcpu = arg;
	uint64_t pc;
	struct kvm_one_reg reg = { .id = CORE_REG(pc), .addr = (uintptr_t)&pc };

	while (!met_enough)
		refused += ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0;
	return NULL;
}

static bool make_gic_meanwhile(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	pthread_t thread;
	bool good;

	met_enough = false;
	pthread_create(&thread, NULL, look_at_pc, &vcpu);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	good = !set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST) && !init_gic(vm.gic) &&
	       !set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST);
	met_enough = true;
	pthread_join(thread, NULL);
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
	munmap(vm.mem, GUEST_SIZE);
	return good;
}

/* A GIC is made while another thread looks at a vCPU: neither is in the other's way. */
static void test_meets_registers(void)
{
	unsigned int i, good = 0;

	for (i = 0; i < MEETINGS; i++)
		good += make_gic_meanwhile();
	check(good == MEETINGS, "a GIC is made while registers are read (%u of %u times)", good,
	      MEETINGS);
	check(!refused, "and the registers are (%u times not)", refused);
}

/* A VM whose GIC is not ready when it is run. */
static void test_not_ready(bool addresses, int want, const char *what)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, mmio_once);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	if (addresses) {
		must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor");
		must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST),
		     "redistributors");
	}
	gives(ioctl(vcpu.fd, KVM_RUN, 0), want, what);
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION's value. */
static uint64_t redists(uint64_t index, uint64_t base, uint64_t count)
{
	return count << 52 | base | index;
}

static long set_redists(int gic, uint64_t value)
{
	return set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, value);
}

#define FAR_REGION  0x10000000ULL
#define LAST_REGION 0x20000000ULL
#define SPACE	    (1ULL << 40)

static void test_regions(void)
{
	static const struct {
		uint64_t base, index, count, flags;
		int want;
		const char *what;
	} rows[] = {
		{ FAR_REGION, 0, 0, 0, EINVAL, "a region of no redistributors" },
		{ FAR_REGION, 0, 1, 1, EINVAL, "a region with flags" },
		{ FAR_REGION, 1, 1, 0, EINVAL, "a first region with index 1" },
		{ GIC_DIST, 0, 1, 0, EINVAL, "a region over the distributor" },
		{ SPACE, 0, 1, 0, E2BIG, "a region beyond the IPA size" },
		{ SPACE - 0x30000, 0, 2, 0, E2BIG, "a region across its edge" },
		{ FAR_REGION, 0, 2, 0, 0, "a region" },
		{ LAST_REGION, 0, 1, 0, EINVAL, "an index again" },
		{ LAST_REGION, 2, 1, 0, EINVAL, "an index too far" },
		{ FAR_REGION + 0x30000, 1, 1, 0, EINVAL, "a region over another one" },
		{ FAR_REGION + 0x40000, 1, 1, 0, 0, "a region behind another one" },
	};
	struct vm vm = { .dev = open_kvm() };
	uint64_t value;
	unsigned int i;
	int gic = -1;

	vm.fd = (int)must(ioctl(vm.dev, KVM_CREATE_VM, 40UL), "KVM_CREATE_VM with 40 bits");
	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		value = redists(rows[i].index | rows[i].flags << 12, rows[i].base, rows[i].count);
		/* Other KVMs look at the distributor when a vCPU has its redistributor there. */
		if (on_keel() || rows[i].base != GIC_DIST)
			gives(set_redists(gic, value), rows[i].want, rows[i].what);
	}
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, LAST_REGION), EINVAL,
	      "all redistributors in one range beside regions");
	value = 1;
	gives(gic_attr(gic, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		       KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &value),
	      0, "reading a region");
	check(value == redists(1, FAR_REGION + 0x40000, 1), "it is what was set");
	value = 2;
	gives(gic_attr(gic, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		       KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &value),
	      ENOENT, "reading a region that there is not");
	gives(gic_attr(gic, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		       KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, NULL),
	      EFAULT, "reading a region to nowhere");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

static void test_one_range(void)
{
	struct vm vm = bare_vm();
	int gic = -1;

	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "redistributors");
	gives(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, FAR_REGION), EEXIST,
	      "all redistributors a second time");
	gives(set_redists(gic, redists(0, FAR_REGION, 1)), EINVAL,
	      "a region beside all of them in one range");
	gives(set_redists(gic, redists(1, FAR_REGION, 1)), EINVAL, "the same with index 1");
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

/* More regions than vCPUs could need: the last ones are refused, and the VM is none the worse. */
static void test_many_regions(void)
{
	struct vm vm = bare_vm();
	unsigned int i;
	long ret = 0;
	int gic = -1;

	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	for (i = 0; i < 1000 && !ret; i++)
		ret = set_redists(gic, redists(i, FAR_REGION + i * 0x20000ULL, 1));
	if (on_keel())
		check(i == 65 && errno == ENOSPC, "64 regions at the most (%u)", i);
	close(gic);
	close(vm.fd);
	close(vm.dev);
}

GUEST_CODE(read_typers,
	   "mov x1, #0x09000000\n mov x2, #0x080a0000\n ldr x0, [x2, #8]\n str x0, [x1]\n"
	   "mov x2, #0x10000000\n ldr x0, [x2, #8]\n str x0, [x1]\n"
	   "mov x2, #0x20000000\n ldr x0, [x2, #8]\n str x0, [x1]\n b .\n");

#define TYPER(cpu) ((uint64_t)(cpu) << 32 | (cpu) << 8 | 0x10)

/* Three vCPUs, each with a redistributor of another region; the last region has room for one more. */
static void test_guest_finds_regions(bool early)
{
	struct vm vm = new_vm();
	struct vcpu vcpu[3];
	unsigned int i;

	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	for (i = 0; i < 3; i++)
		vcpu[i] = new_vcpu(&vm, i);
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor");
	must(set_redists(vm.gic, redists(0, GIC_REDIST, 1)), "a region");
	must(set_redists(vm.gic, redists(1, FAR_REGION, 1)), "a second one");
	LOAD(&vm, &vcpu[0], read_typers);
	if (early) {
		must(init_gic(vm.gic), "init before all redistributors have a place");
		gives(ioctl(vcpu[0].fd, KVM_RUN, 0), ENXIO, "KVM_RUN then");
	}
	must(set_redists(vm.gic, redists(2, LAST_REGION, 2)), "a third one");
	if (!early)
		must(init_gic(vm.gic), "init");
	for (i = 0; i < 3; i++)
		expect_write(&vcpu[0], MMIO_BASE, 8, TYPER(i), "GICR_TYPER in its region");
	close(vm.gic);
	for (i = 0; i < 3; i++)
		close(vcpu[i].fd);
	close(vm.fd);
	close(vm.dev);
}

/* The distributor comes last, and over redistributors: that is seen at the first run. */
static void test_overlap(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, mmio_once);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "redistributors");
	gives(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_REDIST + 0x10000), 0,
	      "a distributor over a redistributor");
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINVAL, "KVM_RUN then");
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static void test_late(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, mmio_once);
	expect_write(&vcpu, MMIO_BASE, 8, 0, "a guest without a GIC runs");
	gives(create_gic(vm.fd, 0, &vm.gic), EBUSY, "a GIC after the guest has run");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static void test_irq_line(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 40), 1), ENXIO,
	      "KVM_IRQ_LINE without a GIC");
	add_gic(&vm);
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 40), 1), 0, "an SPI");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 40), 0), 0, "and off again");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 31), 1), EINVAL, "a PPI as an SPI");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_SPI, 0, 256), 1), EINVAL,
	      "an SPI beyond the last");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 20), 1), 0, "a PPI");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 20), 0), 0, "and off again");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 15), 1), EINVAL, "an SGI as a PPI");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 32), 1), EINVAL, "an SPI as a PPI");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 7, 20), 1), EINVAL,
	      "a vCPU that there is not");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 20) | 1U << KVM_ARM_IRQ_VCPU2_SHIFT, 1),
	      EINVAL, "vCPU 256, by the upper bits");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_CPU, 0, 0), 1), ENXIO,
	      "a CPU's line, with a GIC");
	gives(irq_line(vm.fd, IRQ(3, 0, 40), 1), EINVAL, "an unknown type");
	gives(irq_line(vm.fd, IRQ(KVM_ARM_IRQ_TYPE_PPI, 0, 27), 1), 0, "the virtual timer's PPI");
	gives(ioctl(vm.fd, KVM_IRQ_LINE, NULL), EFAULT, "KVM_IRQ_LINE without an argument");
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* w2 = the distributor: enable SPI 40 in group 1, pend it, take it, and tell its INTID. */
GUEST_CODE(take_spi_40, "mov x2, #0x08000000\n mov x1, #0x09000000\n mov w0, #2\n str w0, [x2]\n"
			"mov w0, #0x100\n str w0, [x2, #0x104]\n mov w3, #0xff\n"
			"msr s3_0_c4_c6_0, x3\n mov x3, #1\n msr s3_0_c12_c12_7, x3\n isb\n"
			"str w0, [x2, #0x204]\n 1: mrs x0, s3_0_c12_c12_0\n cmp x0, #40\n b.ne 1b\n"
			"str w0, [x1]\n b .\n");

/* Tell GICD_CTLR's groups, and what of SPI 40 is active, enabled, pending. */
GUEST_CODE(tell_spi_40,
	   "mov x2, #0x08000000\n mov x1, #0x09000000\n ldr w0, [x2]\n"
	   "and w0, w0, #3\n str w0, [x1]\n ldr w0, [x2, #0x304]\n str w0, [x1]\n"
	   "ldr w0, [x2, #0x104]\n str w0, [x1]\n ldr w0, [x2, #0x204]\n str w0, [x1]\n"
	   "b .\n");

static void tell_spi(const struct vm *vm, struct vcpu *vcpu, uint32_t ctlr, uint32_t bits)
{
	LOAD(vm, vcpu, tell_spi_40);
	expect_write(vcpu, MMIO_BASE, 4, ctlr, "groups that are on");
	expect_write(vcpu, MMIO_BASE, 4, bits, "active SPIs");
	expect_write(vcpu, MMIO_BASE, 4, bits, "enabled SPIs");
	expect_write(vcpu, MMIO_BASE, 4, 0, "pending SPIs");
}

static void reinit(const struct vcpu *vcpu)
{
	must(init_vcpu(vcpu->fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "KVM_ARM_VCPU_INIT again");
}

/*
 * A machine whose vCPUs are all initialized again has a new distributor, too. (On other KVMs that
 * is userspace's to do.) One that is initialized again while the other goes on has the old one.
 */
static void test_reset(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0), other = new_vcpu(&vm, 1);

	add_gic(&vm);
	LOAD(&vm, &vcpu, take_spi_40);
	expect_write(&vcpu, MMIO_BASE, 4, 40, "an SPI is taken");
	tell_spi(&vm, &other, 2, 0x100);
	reinit(&vcpu);
	tell_spi(&vm, &vcpu, 2, 0x100);
	reinit(&other);
	tell_spi(&vm, &other, 2, 0x100);
	reinit(&vcpu);
	reinit(&other);
	tell_spi(&vm, &vcpu, on_keel() ? 0 : 2, on_keel() ? 0 : 0x100);
	reinit(&vcpu);
	close(vm.gic);
	close(vcpu.fd);
	close(other.fd);
	close(vm.fd);
	close(vm.dev);
}

/* As many vCPUs and interrupts as one call to EL2 cannot make or reset. */
static void test_many_vcpus(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu[20];
	const unsigned int n = sizeof(vcpu) / sizeof(vcpu[0]);

	for (unsigned int i = 0; i < n; i++)
		vcpu[i] = new_vcpu(&vm, i);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "redistributors");
	must(set_nr_irqs(vm.gic, 1024), "1024 interrupts");
	gives(init_gic(vm.gic), 0, "a GIC for 20 vCPUs");
	LOAD(&vm, &vcpu[0], take_spi_40);
	expect_write(&vcpu[0], MMIO_BASE, 4, 40, "an SPI is taken, by one of 20 vCPUs");
	tell_spi(&vm, &vcpu[n - 1], 2, 0x100);
	for (unsigned int i = 0; i < n; i++)
		reinit(&vcpu[i]);
	tell_spi(&vm, &vcpu[0], on_keel() ? 0 : 2, on_keel() ? 0 : 0x100);
	close(vm.gic);
	for (unsigned int i = 0; i < n; i++)
		close(vcpu[i].fd);
	close(vm.fd);
	close(vm.dev);
}

int main(void)
{
	test_create();
	test_has_attr();
	test_addresses();
	test_nr_irqs();
	test_order();
	test_not_ready(false, ENXIO, "KVM_RUN without the GIC's addresses");
	test_not_ready(true, EBUSY, "KVM_RUN before the GIC's init");
	test_regions();
	test_one_range();
	test_many_regions();
	test_guest_finds_regions(false);
	test_guest_finds_regions(true);
	test_overlap();
	test_late();
	test_irq_line();
	test_early_lines();
	test_reset();
	test_many_vcpus();
	test_meets_registers();
	return finish();
}
