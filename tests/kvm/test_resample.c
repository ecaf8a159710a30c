// SPDX-License-Identifier: BSD-2-Clause
/* KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE: levels, which fall when the guest has ended them. */
#include <sys/eventfd.h>

#include "kvmtest.h"

#define GSI_EDGE  8 /* SPIs 40 and 41 */
#define GSI_LEVEL 9

static long resample_flags(int vm, int fd, int back, uint32_t gsi, uint32_t flags)
{
	struct kvm_irqfd args = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = (uint32_t)back,
	};

	return ioctl(vm, KVM_IRQFD, &args);
}

static long resample(int vm, int fd, int back, uint32_t gsi)
{
	return resample_flags(vm, fd, back, gsi, KVM_IRQFD_FLAG_RESAMPLE);
}

static long take_away(int vm, int fd, uint32_t gsi)
{
	return resample_flags(vm, fd, -1, gsi, KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE);
}

static uint64_t signalled(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void raise_fd(int fd)
{
	uint64_t one = 1;

	must(write(fd, &one, sizeof(one)), "eventfd");
}

/*
 * SPI 40 is an edge, 41 a level; both of group 1, for vCPU 0. The guest says that it is ready; of
 * each interrupt it writes the INTID, ends it, and writes how many there were.
 */
GUEST_CODE(level_guest, "mov x1, #0x09000000\n"
			"mov x10, #0x08000000\n"
			"mov w2, #0x12\n str w2, [x10]\n"	     /* GICD_CTLR: ARE, group 1 */
			"mov w2, #0x300\n str w2, [x10, #0x84]\n"    /* GICD_IGROUPR1 */
			"mov w2, #0x20000\n str w2, [x10, #0xc08]\n" /* GICD_ICFGR2: 40 is edge */
			"mov w2, #0x80\n strb w2, [x10, #0x428]\n"   /* GICD_IPRIORITYR */
			"strb w2, [x10, #0x429]\n"
			"mov w2, #0x6000\n add x2, x10, x2\n"
			"str xzr, [x2, #0x140]\n str xzr, [x2, #0x148]\n" /* IROUTER40, 41 */
			"mov w2, #0x300\n str w2, [x10, #0x104]\n"	  /* GICD_ISENABLER1 */
			"mov x2, #0xa0000\n add x2, x10, x2\n str wzr, [x2, #0x14]\n"
			"mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n" /* ICC_SRE_EL1 */
			"mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"      /* ICC_PMR_EL1 */
			"mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n" /* ICC_IGRPEN1_EL1 */
			"str wzr, [x1]\n"
			"mov x4, #0\n"
			"1: wfi\n"
			"2: mrs x3, s3_0_c12_c12_0\n" /* ICC_IAR1_EL1 */
			"cmp x3, #1020\n b.hs 1b\n"
			"add x4, x4, #1\n"
			"str w3, [x1, #4]\n"
			"msr s3_0_c12_c12_1, x3\n isb\n" /* ICC_EOIR1_EL1 */
			"str w4, [x1, #8]\n"
			"b 2b\n");

struct world {
	struct vm vm;
	struct vcpu vcpu;
	int edge, fd, back;
	unsigned int taken;
};

static struct world start(void)
{
	struct world w = { .edge = eventfd(0, EFD_NONBLOCK),
			   .fd = eventfd(0, EFD_NONBLOCK),
			   .back = eventfd(0, EFD_NONBLOCK) };

	start_guest(&w.vm, &w.vcpu, level_guest, level_guest_end);
	add_gic(&w.vm);
	must(resample_flags(w.vm.fd, w.edge, -1, GSI_EDGE, 0), "an irqfd of an edge");
	return w;
}

static void end(struct world *w)
{
	close(w->edge);
	close(w->fd);
	close(w->back);
	close(w->vm.gic);
	end_guest(&w->vm, &w->vcpu);
}

static void is_ready(struct world *w)
{
	expect_write(&w->vcpu, MMIO_BASE, 4, 0, "the guest is ready");
}

static void is_taken(struct world *w, uint32_t intid, const char *what)
{
	expect_write(&w->vcpu, MMIO_BASE + 4, 4, intid, what);
}

static void is_ended(struct world *w)
{
	expect_write(&w->vcpu, MMIO_BASE + 8, 4, ++w->taken, "it is ended");
}

/* No level is pending: an edge that comes now is the next interrupt. */
static void is_low(struct world *w, const char *what)
{
	raise_fd(w->edge);
	is_taken(w, 40, what);
	is_ended(w);
}

static void test_errors(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int fd = eventfd(0, EFD_NONBLOCK), back = eventfd(0, EFD_NONBLOCK);
	int file = open("/dev/null", O_RDWR);

	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQFD_RESAMPLE) == 1,
	      "KVM_CAP_IRQFD_RESAMPLE reads 1");
	gives(resample(vm.fd, fd, back, GSI_LEVEL), EAGAIN, "without a GIC");
	add_gic(&vm);
	gives(resample_flags(vm.fd, fd, back, GSI_LEVEL, KVM_IRQFD_FLAG_RESAMPLE | 1U << 31),
	      EINVAL, "an unknown flag beside it");
	gives(resample(vm.fd, -1, back, GSI_LEVEL), EBADF, "no file");
	gives(resample(vm.fd, file, back, GSI_LEVEL), EINVAL, "a file that is not an eventfd");
	gives(resample(vm.fd, fd, -1, GSI_LEVEL), EBADF, "no file to signal");
	gives(resample(vm.fd, fd, file, GSI_LEVEL), EINVAL, "one to signal that is not an eventfd");
	gives(resample(vm.fd, fd, back, GSI_LEVEL), 0, "an irqfd that is resampled");
	gives(resample(vm.fd, fd, back, GSI_LEVEL), EBUSY, "the same again");
	gives(resample_flags(vm.fd, fd, -1, GSI_LEVEL, 0), EBUSY, "its eventfd without the flag");
	gives(take_away(vm.fd, fd, GSI_LEVEL), 0, "taking it away, whatever is signalled");
	gives(take_away(vm.fd, fd, GSI_LEVEL), 0, "taking it away again");
	gives(resample(vm.fd, fd, fd, GSI_LEVEL), 0, "one eventfd for both");
	gives(resample_flags(vm.fd, fd, -1, GSI_LEVEL, KVM_IRQFD_FLAG_DEASSIGN), 0,
	      "taking it away without the flag");
	gives(resample(vm.fd, fd, back, 100000), 0, "an interrupt that there is not");
	raise_fd(fd);
	check(signalled(fd) == 0, "raising it does nothing");
	close(fd);
	close(back);
	close(file);
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

static void test_level(void)
{
	struct world w = start();
	uint32_t line = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | 41;
	struct kvm_irq_level level = { .irq = line, .level = 1 };

	must(resample(w.vm.fd, w.fd, w.back, GSI_LEVEL), "KVM_IRQFD");
	is_ready(&w);
	raise_fd(w.fd);
	is_taken(&w, 41, "a level");
	check(signalled(w.back) == 0, "while it is active nothing is signalled");
	is_ended(&w);
	check(signalled(w.back) == 1, "after its end the other eventfd is");
	check(signalled(w.fd) == 0, "its own was read");
	is_low(&w, "and the line is low");
	/* A device that still wants service raises it again. */
	raise_fd(w.fd);
	is_taken(&w, 41, "once more");
	raise_fd(w.fd);
	is_ended(&w);
	check(signalled(w.back) == 1, "raised while active: it is signalled, and low");
	is_low(&w, "until it is raised again");
	raise_fd(w.fd);
	is_taken(&w, 41, "as now");
	is_ended(&w);
	check(signalled(w.back) == 1, "and signalled");
	/* The eventfd is of what it has raised, not of the line. */
	must(ioctl(w.vm.fd, KVM_IRQ_LINE, &level), "KVM_IRQ_LINE");
	is_taken(&w, 41, "a level of KVM_IRQ_LINE");
	level.level = 0;
	must(ioctl(w.vm.fd, KVM_IRQ_LINE, &level), "KVM_IRQ_LINE");
	is_ended(&w);
	is_low(&w, "which is low again");
	end(&w);
}

/* Without the flag nothing lowers the line, as on KVM, but KVM_IRQ_LINE. */
static void test_level_that_stays(void)
{
	struct world w = start();
	struct kvm_irq_level low = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | 41,
	};

	must(resample_flags(w.vm.fd, w.fd, -1, GSI_LEVEL, 0), "KVM_IRQFD");
	is_ready(&w);
	raise_fd(w.fd);
	is_taken(&w, 41, "a level by an irqfd that is not resampled");
	is_ended(&w);
	is_taken(&w, 41, "it is still high");
	must(ioctl(w.vm.fd, KVM_IRQ_LINE, &low), "KVM_IRQ_LINE");
	is_ended(&w);
	is_low(&w, "until it is lowered");
	end(&w);
}

static void test_shared(void)
{
	struct world w = start();
	int fd = eventfd(0, EFD_NONBLOCK), back = eventfd(0, EFD_NONBLOCK);

	must(resample(w.vm.fd, w.fd, w.back, GSI_LEVEL), "KVM_IRQFD");
	must(resample(w.vm.fd, fd, back, GSI_LEVEL), "another one for the same line");
	is_ready(&w);
	raise_fd(w.fd);
	is_taken(&w, 41, "a level that two devices share");
	is_ended(&w);
	check(signalled(w.back) == 1 && signalled(back) == 1, "both are to look");
	raise_fd(w.fd);
	must(take_away(w.vm.fd, fd, GSI_LEVEL), "taking one away");
	is_taken(&w, 41, "the line is the other's still");
	is_ended(&w);
	check(signalled(w.back) == 1 && signalled(back) == 0, "which alone is to look");
	raise_fd(w.fd);
	must(take_away(w.vm.fd, w.fd, GSI_LEVEL), "taking that away, too");
	is_low(&w, "the line falls with the last");
	check(signalled(w.back) == 0, "and nothing is signalled");
	close(fd);
	close(back);
	end(&w);
}

/* The eventfd goes away, not by KVM_IRQFD. */
static void test_closed(void)
{
	struct world w = start();
	int fd = eventfd(0, EFD_NONBLOCK);

	must(resample(w.vm.fd, fd, w.back, GSI_LEVEL), "KVM_IRQFD");
	is_ready(&w);
	raise_fd(fd);
	is_taken(&w, 41, "a level");
	close(fd);
	is_ended(&w);
	usleep(200000);
	is_low(&w, "after its eventfd was closed");
	end(&w);
}

static void test_route(void)
{
	struct world w = start();
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} routes = { .head.nr = 2 };

	routes.entry[0] = (struct kvm_irq_routing_entry){ .gsi = 2,
							  .type = KVM_IRQ_ROUTING_IRQCHIP,
							  .u.irqchip.pin = GSI_LEVEL };
	routes.entry[1] = (struct kvm_irq_routing_entry){ .gsi = GSI_EDGE,
							  .type = KVM_IRQ_ROUTING_IRQCHIP,
							  .u.irqchip.pin = GSI_EDGE };
	must(ioctl(w.vm.fd, KVM_SET_GSI_ROUTING, &routes), "KVM_SET_GSI_ROUTING");
	must(resample(w.vm.fd, w.fd, w.back, 2), "KVM_IRQFD");
	is_ready(&w);
	raise_fd(w.fd);
	is_taken(&w, 41, "a level by a route");
	is_ended(&w);
	check(signalled(w.back) == 1, "its end is told by the route, too");
	is_low(&w, "and it is low");
	end(&w);
}

/* Raised when the GIC is initialized and has no address yet; or before there is an irqfd. */
static void test_early(void)
{
	struct world w = { .edge = eventfd(0, EFD_NONBLOCK),
			   .fd = eventfd(0, EFD_NONBLOCK),
			   .back = eventfd(0, EFD_NONBLOCK) };

	start_guest(&w.vm, &w.vcpu, level_guest, level_guest_end);
	must(create_gic(w.vm.fd, 0, &w.vm.gic), "KVM_CREATE_DEVICE");
	must(gic_attr(w.vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "init of the GIC");
	must(resample_flags(w.vm.fd, w.edge, -1, GSI_EDGE, 0), "an irqfd of an edge");
	must(resample(w.vm.fd, w.fd, w.back, GSI_LEVEL), "KVM_IRQFD before addresses");
	raise_fd(w.fd);
	must(set_gic_addr(w.vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor's address");
	must(set_gic_addr(w.vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST),
	     "redistributors' address");
	is_ready(&w);
	is_taken(&w, 41, "a level from before the GIC's addresses");
	is_ended(&w);
	check(signalled(w.back) == 1, "and signalled");
	must(take_away(w.vm.fd, w.fd, GSI_LEVEL), "taking it away");
	raise_fd(w.fd);
	must(resample(w.vm.fd, w.fd, w.back, GSI_LEVEL), "an eventfd that was signalled before");
	is_taken(&w, 41, "its level comes at once");
	is_ended(&w);
	end(&w);
}

/* Without KVM_IRQFD_FLAG_RESAMPLE: the line is high until it is lowered. */
static void test_early_line(void)
{
	struct kvm_irq_level low = { .irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | 41 };
	struct world w = { .edge = eventfd(0, EFD_NONBLOCK),
			   .fd = eventfd(0, EFD_NONBLOCK),
			   .back = eventfd(0, EFD_NONBLOCK) };

	start_guest(&w.vm, &w.vcpu, level_guest, level_guest_end);
	must(create_gic(w.vm.fd, 0, &w.vm.gic), "KVM_CREATE_DEVICE");
	must(gic_attr(w.vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "init of the GIC");
	must(resample_flags(w.vm.fd, w.edge, -1, GSI_EDGE, 0), "an irqfd of an edge");
	must(resample_flags(w.vm.fd, w.fd, -1, GSI_LEVEL, 0), "one of a level");
	raise_fd(w.fd);
	must(set_gic_addr(w.vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor's address");
	must(set_gic_addr(w.vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST),
	     "redistributors' address");
	is_ready(&w);
	is_taken(&w, 41, "what an irqfd raised before the GIC's addresses");
	gives(ioctl(w.vm.fd, KVM_IRQ_LINE, &low), 0, "lowering it");
	is_ended(&w);
	is_low(&w, "it does not come again");
	end(&w);
}

int main(void)
{
	test_errors();
	test_level();
	test_level_that_stays();
	test_shared();
	test_closed();
	test_route();
	test_early();
	test_early_line();
	return finish();
}
