// SPDX-License-Identifier: BSD-2-Clause
/* KVM_IRQFD and KVM_IOEVENTFD. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "kvmtest.h"

static long irqfd(int vm, int fd, uint32_t gsi, uint32_t flags)
{
	struct kvm_irqfd args = { .fd = (uint32_t)fd, .gsi = gsi, .flags = flags };

	return ioctl(vm, KVM_IRQFD, &args);
}

static long ioeventfd(int vm, int fd, uint64_t addr, uint32_t len, uint32_t flags, uint64_t data)
{
	struct kvm_ioeventfd args = {
		.fd = fd,
		.addr = addr,
		.len = len,
		.flags = flags,
		.datamatch = data,
	};

	return ioctl(vm, KVM_IOEVENTFD, &args);
}

/* How often it was signalled since the last time. */
static uint64_t signalled(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void test_ioeventfd_errors(void)
{
	struct vm vm = bare_vm();
	int fd = eventfd(0, EFD_NONBLOCK), file = open("/dev/null", O_RDWR);

	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 3, 0, 0), EINVAL, "a length of 3");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 16, 0, 0), EINVAL, "a length of 16");
	gives(ioeventfd(vm.fd, fd, ~0ULL, 4, 0, 0), EINVAL, "a wrapping range");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 4, 1U << 31, 0), EINVAL, "unknown flags");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 0, KVM_IOEVENTFD_FLAG_DATAMATCH, 0), EINVAL,
	      "data to match, without a length");
	gives(ioeventfd(vm.fd, -1, MMIO_BASE, 4, 0, 0), EBADF, "no file");
	gives(ioeventfd(vm.fd, file, MMIO_BASE, 4, 0, 0), EINVAL, "a file that is not an eventfd");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), ENOENT,
	      "taking away what there is not");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 4, 0, 0), 0, "an ioeventfd");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 4, 0, 0), EEXIST, "the same again");
	gives(ioeventfd(vm.fd, fd, MMIO_BASE, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), 0,
	      "taking it away");
	gives(ioctl(vm.fd, KVM_IOEVENTFD, NULL), EFAULT, "KVM_IOEVENTFD without an argument");
	close(vm.fd);
	close(vm.dev);
}

/* Writes w2 = 1, 2, 3, ... */
GUEST_CODE(count, "mov x1, #0x09000000\n"
		  "mov w2, #0\n"
		  "1: add w2, w2, #1\n"
		  "str w2, [x1]\n"
		  "b 1b\n");

static void test_ioeventfd(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int any = eventfd(0, EFD_NONBLOCK), two = eventfd(0, EFD_NONBLOCK);

	LOAD(&vm, &vcpu, count);
	must(ioeventfd(vm.fd, two, MMIO_BASE, 4, KVM_IOEVENTFD_FLAG_DATAMATCH, 2),
	     "for the value 2");
	expect_write(&vcpu, MMIO_BASE, 4, 1, "a value that does not match is userspace's");
	expect_write(&vcpu, MMIO_BASE, 4, 3, "the one that matches is not");
	check(signalled(two) == 1, "it was signalled once");
	must(ioeventfd(vm.fd, any, MMIO_BASE + 64, 4, 0, 0), "another address");
	expect_write(&vcpu, MMIO_BASE, 4, 4, "another address does not match");
	must(ioeventfd(vm.fd, two, MMIO_BASE, 4,
		       KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN, 2),
	     "taking it away");
	must(ioeventfd(vm.fd, two, MMIO_BASE, 0, 0, 0), "for any length");
	must(ioeventfd(vm.fd, two, MMIO_BASE, 0, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), "taking it away");
	expect_write(&vcpu, MMIO_BASE, 4, 5, "after that all is userspace's");
	check(signalled(any) == 0 && signalled(two) == 0, "and nothing is signalled");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static void test_irqfd_errors(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int fd = eventfd(0, EFD_NONBLOCK), file = open("/dev/null", O_RDWR);
	uint64_t one = 1;

	gives(irqfd(vm.fd, fd, 8, 0), EAGAIN, "KVM_IRQFD without a GIC");
	add_gic(&vm);
	gives(irqfd(vm.fd, fd, 8, 1U << 31), EINVAL, "unknown flags");
	gives(irqfd(vm.fd, -1, 8, 0), EBADF, "no file");
	gives(irqfd(vm.fd, file, 8, 0), EINVAL, "a file that is not an eventfd");
	for (int i = 0; i < 2; i++) {
		uint32_t gsi = i ? UINT32_MAX : 100000;

		gives(irqfd(vm.fd, fd, gsi, 0), 0, "an interrupt that there is not");
		check(write(fd, &one, sizeof(one)) == sizeof(one), "raising it does nothing");
		gives(irqfd(vm.fd, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN), 0, "taking that away");
	}
	gives(irqfd(vm.fd, fd, 8, 0), 0, "an irqfd");
	gives(irqfd(vm.fd, fd, 9, 0), EBUSY, "the same eventfd for another interrupt");
	gives(irqfd(vm.fd, fd, 8, KVM_IRQFD_FLAG_DEASSIGN), 0, "taking it away");
	gives(irqfd(vm.fd, fd, 8, KVM_IRQFD_FLAG_DEASSIGN), 0, "taking it away again");
	gives(irqfd(vm.fd, fd, 9, 0), 0, "now for another");
	close(fd);
	gives(ioctl(vm.fd, KVM_IRQFD, NULL), EFAULT, "KVM_IRQFD without an argument");
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/*
 * Sets up the GIC for SPI 40 (edge, group 1, routed to vCPU 0), says so, and sleeps; after each
 * interrupt it writes the INTID, then the number of interrupts so far.
 */
GUEST_CODE(gic_guest, "mov x1, #0x09000000\n"
		      "mov x10, #0x08000000\n"
		      "mov w2, #0x12\n str w2, [x10]\n"		   /* GICD_CTLR: ARE, group 1 */
		      "mov w2, #0x100\n str w2, [x10, #0x84]\n"	   /* GICD_IGROUPR1 */
		      "mov w2, #0x20000\n str w2, [x10, #0xc08]\n" /* GICD_ICFGR2: 40 is edge */
		      "mov w2, #0x80\n strb w2, [x10, #0x428]\n"   /* GICD_IPRIORITYR */
		      "mov w2, #0x6000\n add x2, x10, x2\n str xzr, [x2, #0x140]\n" /* IROUTER40 */
		      "mov w2, #0x100\n str w2, [x10, #0x104]\n" /* GICD_ISENABLER1 */
		      "mov x2, #0xa0000\n add x2, x10, x2\n str wzr, [x2, #0x14]\n" /* GICR_WAKER */
		      "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n" /* ICC_SRE_EL1 */
		      "mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"	    /* ICC_PMR_EL1 */
		      "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n" /* ICC_IGRPEN1_EL1 */
		      "str wzr, [x1]\n"
		      "mov x4, #0\n"
		      "1: wfi\n"
		      "2: mrs x3, s3_0_c12_c12_0\n" /* ICC_IAR1_EL1 */
		      "cmp x3, #1020\n b.hs 1b\n"
		      "add x4, x4, #1\n"
		      "msr s3_0_c12_c12_1, x3\n isb\n" /* ICC_EOIR1_EL1 */
		      "str w3, [x1, #4]\n"
		      "str w4, [x1, #8]\n"
		      "b 2b\n");

static void *write_later(void *arg)
{
	uint64_t one = 1;

	usleep(100000);
	if (write(*(int *)arg, &one, sizeof(one)) != sizeof(one))
		perror("eventfd");
	return NULL;
}

static void test_irqfd(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t one = 1;
	pthread_t thread;

	add_gic(&vm);
	LOAD(&vm, &vcpu, gic_guest);
	must(irqfd(vm.fd, fd, 8, 0), "KVM_IRQFD");
	expect_write(&vcpu, MMIO_BASE, 4, 0, "the guest is ready");
	must(write(fd, &one, sizeof(one)), "eventfd");
	expect_write(&vcpu, MMIO_BASE + 4, 4, 40, "an interrupt from before it slept");
	expect_write(&vcpu, MMIO_BASE + 8, 4, 1, "the first");
	pthread_create(&thread, NULL, write_later, &fd);
	expect_write(&vcpu, MMIO_BASE + 4, 4, 40, "one that wakes it");
	expect_write(&vcpu, MMIO_BASE + 8, 4, 2, "the second, and no more than that");
	pthread_join(thread, NULL);
	check(signalled(fd) == 0, "the eventfd was read");
	must(irqfd(vm.fd, fd, 8, KVM_IRQFD_FLAG_DEASSIGN), "taking it away");
	must(write(fd, &one, sizeof(one)), "eventfd");
	check(signalled(fd) == 1, "after that the eventfd is userspace's");
	/* Signalled before it is given: the interrupt comes at once. */
	must(write(fd, &one, sizeof(one)), "eventfd");
	must(irqfd(vm.fd, fd, 8, 0), "KVM_IRQFD");
	expect_write(&vcpu, MMIO_BASE + 4, 4, 40, "an eventfd that was signalled before");
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* ---- one that is made while it is taken away ---- */

#define RACERS	   4
#define PER_RACE   3 /* threads */
#define RACE_MADE  400
#define RACE_LIMIT 20000 /* ms */

struct racer {
	int vm, fd;
	uint32_t gsi;
};

static atomic_bool race_over;
static atomic_uint made, closed;

static void *make_irqfds(void *arg)
{
	struct racer *racer = arg;

	while (!race_over)
		made += !irqfd(racer->vm, racer->fd, racer->gsi, 0);
	return NULL;
}

static void *end_irqfds(void *arg)
{
	struct racer *racer = arg;

	while (!race_over)
		irqfd(racer->vm, racer->fd, racer->gsi, KVM_IRQFD_FLAG_DEASSIGN);
	return NULL;
}

/* And from the other side: the eventfd's last file is closed. */
static void *close_eventfds(void *arg)
{
	struct racer *racer = arg;
	uint64_t one = 1;

	while (!race_over) {
		int fd = eventfd(1, EFD_NONBLOCK);

		irqfd(racer->vm, fd, racer->gsi, 0);
		if (write(fd, &one, sizeof(one)) != sizeof(one))
			perror("eventfd");
		close(fd);
		closed++;
		usleep(1000);
	}
	return NULL;
}

static void test_irqfd_races(void)
{
	static void *(*const act[PER_RACE])(void *arg) = { make_irqfds, end_irqfds, end_irqfds };
	struct racer racers[RACERS];
	pthread_t threads[RACERS][PER_RACE], closer;
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	unsigned int i, k, ms;

	add_gic(&vm);
	for (i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ vm.fd, eventfd(0, EFD_NONBLOCK), i };
		for (k = 0; k < PER_RACE; k++)
			pthread_create(&threads[i][k], NULL, act[k], &racers[i]);
	}
	pthread_create(&closer, NULL, close_eventfds, &racers[0]);
	for (ms = 0; made < RACE_MADE && ms < RACE_LIMIT; ms += 10)
		usleep(10000);
	race_over = true;
	pthread_join(closer, NULL);
	for (i = 0; i < RACERS; i++) {
		for (k = 0; k < PER_RACE; k++)
			pthread_join(threads[i][k], NULL);
		close(racers[i].fd);
	}
	check(made && closed, "irqfds that are taken away while they are made (%u made, %u closed)",
	      made, closed);
	close(vm.gic);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

int main(void)
{
	test_ioeventfd_errors();
	test_ioeventfd();
	test_irqfd_errors();
	test_irqfd();
	test_irqfd_races();
	return finish();
}
