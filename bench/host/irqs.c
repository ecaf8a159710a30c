// SPDX-License-Identifier: BSD-2-Clause
/*
 * irqs: what an interrupt costs that the host raises, and a guest's doorbell, in ticks of the
 * counter.
 *
 * The guest does nothing but exit to this program, over and over. An interrupt that is raised
 * between two exits is taken before the next one. So what a round takes more than one without an
 * interrupt is all of it: the system call that raises it, the way into the guest, the guest's
 * handler with acknowledge and EOI, and the way out of the list register. A doorbell is a write to
 * an ioeventfd's address, of which the guest does as many as it is told between two exits.
 *
 *   BENCH operation=NAME count=TIMES ticks=TICKS
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ticks.h"

#define ROUNDS	    33
#define TIMES	    64 /* in a round */
#define RINGS	    16 /* of the doorbell, each time */
#define RAM_BASE    0x80000000UL
#define RAM_SIZE    0x200000UL
#define DEVICE	    0x10000000UL
#define DOORBELL    0x10000100UL
#define GIC_DIST    0x08000000UL
#define GIC_REDIST  0x080a0000UL
#define ITS_BASE    0x08080000UL
#define TRANSLATER  (ITS_BASE + 0x10040)
#define PROPERTIES  0x10000UL /* from RAM_BASE on, as the next ones */
#define QUEUE	    0x30000UL
#define DEVICES	    0x40000UL
#define COLLECTIONS 0x50000UL
#define ITT	    0x60000UL
#define VALID	    (1ULL << 63)
#define DEVICE_ID   1U
#define LPI	    8192U
#define SPI	    40U

#define CORE_REG(field)                                        \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 (offsetof(struct kvm_regs, field) / sizeof(uint32_t)))

/*
 * Begins at 0x800, behind the vectors, of which one is used. SPI 40 is an edge; LPIs are on. x19 is
 * what the device read last: how often the doorbell is rung before the next read. x20 is the sum of
 * all INTIDs that were taken. The symbols are global, for of local ones the linker puts one in the
 * GOT for the whole section.
 */
__asm__(".pushsection .rodata\n.globl guest_code, guest_code_end\n.balign 2048\nguest_code:\n"
	".skip 0x280\n" /* the current EL's IRQs, with its own stack pointer */
	"mrs x3, s3_0_c12_c12_0\n add x20, x20, x3\n msr s3_0_c12_c12_1, x3\n eret\n"
	".org guest_code + 0x800\n"
	"mov x0, #0x80000000\n msr vbar_el1, x0\n"
	"mov x10, #0x08000000\n mov x11, #0xa0000\n add x11, x11, x10\n"
	"mov w2, #0x12\n str w2, [x10]\n"				  /* GICD_CTLR */
	"mov w2, #0x100\n str w2, [x10, #0x84]\n str w2, [x10, #0x104]\n" /* group 1, on */
	"mov w2, #0x20000\n str w2, [x10, #0xc08]\n"			  /* an edge */
	"add x4, x10, #0x6000\n str xzr, [x4, #320]\n"			  /* GICD_IROUTER40 */
	"str wzr, [x11, #0x14]\n"					  /* GICR_WAKER */
	"mov x2, #15\n movk x2, #0x8001, lsl #16\n str x2, [x11, #0x70]\n"
	"mov x2, #0x80020000\n str x2, [x11, #0x78]\n"
	"mov w2, #1\n str w2, [x11]\n" /* GICR_CTLR.EnableLPIs */
	"mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n"
	"mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"
	"mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n"
	"mov x1, #0x10000000\n msr daifclr, #2\n"
	"1: ldr w19, [x1]\n"
	"2: cbz w19, 1b\n str wzr, [x1, #0x100]\n sub w19, w19, #1\n b 2b\n"
	"guest_code_end:\n.popsection\n");
extern const char guest_code[], guest_code_end[];

static int vm, vcpu, gic, its, dev;
static struct kvm_run *run_page;
static char *ram;
static unsigned int commands;

static void set_attr(int fd, uint32_t group, uint64_t attr, uint64_t value)
{
	const struct kvm_device_attr request = { .group = group,
						 .attr = attr,
						 .addr = (uintptr_t)&value };

	need(ioctl(fd, KVM_SET_DEVICE_ATTR, &request), "KVM_SET_DEVICE_ATTR");
}

static int add_device(uint32_t type)
{
	struct kvm_create_device device = { .type = type };

	need(ioctl(vm, KVM_CREATE_DEVICE, &device), "KVM_CREATE_DEVICE");
	return (int)device.fd;
}

/* ---- the VM ---- */

static void add_memory(void)
{
	struct kvm_userspace_memory_region slot = { .guest_phys_addr = RAM_BASE,
						    .memory_size = RAM_SIZE };

	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ram == MAP_FAILED)
		err(1, "mmap");
	memset(ram, 0, RAM_SIZE);
	memcpy(ram, guest_code, (size_t)(guest_code_end - guest_code));
	slot.userspace_addr = (uintptr_t)ram;
	need(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

static void add_vcpu(void)
{
	uint64_t pc = RAM_BASE + 0x800;
	const struct kvm_one_reg reg = { .id = CORE_REG(regs.pc), .addr = (uintptr_t)&pc };
	size_t size = (size_t)need(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_vcpu_init init;

	vcpu = need(ioctl(vm, KVM_CREATE_VCPU, 0UL), "KVM_CREATE_VCPU");
	run_page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run_page == MAP_FAILED)
		err(1, "mmap of a vCPU");
	need(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
	init.features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
	need(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
	need(ioctl(vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

static void add_gic(void)
{
	gic = add_device(KVM_DEV_TYPE_ARM_VGIC_V3);
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST);
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST);
	its = add_device(KVM_DEV_TYPE_ARM_VGIC_ITS);
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, ITS_BASE);
	set_attr(gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0);
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0);
}

/* Put a command into the ITS's queue, and have it carried out. */
static void command(uint64_t word0, uint64_t word1, uint64_t word2)
{
	uint64_t words[4] = { word0, word1, word2, 0 };

	memcpy(ram + QUEUE + commands * sizeof(words), words, sizeof(words));
	commands++;
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0x88, commands * sizeof(words));
}

/* Event 0 of the device is the first LPI. */
static void map_lpi(void)
{
	ram[PROPERTIES] = (char)0x81;
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0x100, VALID | (RAM_BASE + DEVICES));
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0x108, VALID | (RAM_BASE + COLLECTIONS));
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0x80, VALID | (RAM_BASE + QUEUE) | 0xf);
	set_attr(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0, 1);
	command((uint64_t)DEVICE_ID << 32 | 8, 4, VALID | (RAM_BASE + ITT)); /* MAPD */
	command(9, 0, VALID);						     /* MAPC */
	command((uint64_t)DEVICE_ID << 32 | 0xa, (uint64_t)LPI << 32, 0);    /* MAPTI */
}

/* ---- what is raised ---- */

static int eventfd_of_gsi(uint32_t gsi)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)need(eventfd(0, 0), "eventfd"), .gsi = gsi };

	need(ioctl(vm, KVM_IRQFD, &irqfd), "KVM_IRQFD");
	return (int)irqfd.fd;
}

/* GSI 0 is the LPI, GSI 1 the SPI. */
static void set_routes(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} routes = {
		.head = { .nr = 2 },
		.entry = { { .gsi = 0,
			     .type = KVM_IRQ_ROUTING_MSI,
			     .flags = KVM_MSI_VALID_DEVID,
			     .u.msi = { .address_lo = (uint32_t)TRANSLATER, .devid = DEVICE_ID } },
			   { .gsi = 1,
			     .type = KVM_IRQ_ROUTING_IRQCHIP,
			     .u.irqchip = { .pin = SPI - 32 } } },
	};

	need(ioctl(vm, KVM_SET_GSI_ROUTING, &routes), "KVM_SET_GSI_ROUTING");
}

static void add_doorbell(void)
{
	struct kvm_ioeventfd doorbell = { .addr = DOORBELL,
					  .len = 4,
					  .fd = need(eventfd(0, EFD_NONBLOCK), "eventfd") };

	need(ioctl(vm, KVM_IOEVENTFD, &doorbell), "KVM_IOEVENTFD");
}

static int lpi_eventfd, spi_eventfd;

static void write_eventfd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		err(1, "write of an eventfd");
}

static void lpi_by_irqfd(void)
{
	write_eventfd(lpi_eventfd);
}

static void spi_by_irqfd(void)
{
	write_eventfd(spi_eventfd);
}

static void lpi_by_msi(void)
{
	const struct kvm_msi msi = { .address_lo = (uint32_t)TRANSLATER,
				     .flags = KVM_MSI_VALID_DEVID,
				     .devid = DEVICE_ID };

	if (need(ioctl(vm, KVM_SIGNAL_MSI, &msi), "KVM_SIGNAL_MSI") != 1)
		errx(1, "the MSI was not delivered");
}

static void none(void)
{
}

/*
 * NOPs that bench/plugin/trace.c knows: the instructions between the first two are those of a round, and
 * the third ends an operation.
 */
#define ROUND_BEGINS   60
#define ROUND_ENDS     61
#define OPERATION_ENDS 62
#define MARK(number)   __asm__ volatile("hint %0" ::"i"(number) : "memory")

/* ---- rounds ---- */

/* To the guest's next read of the device, which gives it @rings. */
static void go_on(uint32_t rings)
{
	int result;

	memcpy(run_page->mmio.data, &rings, sizeof(rings));
	do
		result = ioctl(vcpu, KVM_RUN, 0);
	while (result < 0 && errno == EINTR);
	need(result, "KVM_RUN");
	if (run_page->exit_reason != KVM_EXIT_MMIO || run_page->mmio.phys_addr != DEVICE)
		errx(1, "exit %u, not the guest's read", run_page->exit_reason);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The median of rounds. Their number is odd. */
static uint64_t ticks_of(void (*raise)(void), uint32_t rings)
{
	uint64_t ticks[ROUNDS];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t start = counter();

		MARK(ROUND_BEGINS);
		for (unsigned int i = 0; i < TIMES; i++) {
			raise();
			go_on(rings);
		}
		MARK(ROUND_ENDS);
		ticks[round] = counter() - start;
	}
	MARK(OPERATION_ENDS);
	qsort(ticks, ROUNDS, sizeof(ticks[0]), by_value);
	return ticks[ROUNDS / 2];
}

static void measure(const char *name, void (*raise)(void), uint32_t rings, unsigned int count)
{
	uint64_t with = ticks_of(raise, rings);
	uint64_t without = ticks_of(none, 0); /* bench/trace.py knows the order */

	printf("BENCH operation=%s count=%u ticks=%lu\n", name, count, with - without);
}

/* What was measured is worth something only if every interrupt was taken. */
static void check_taken(void)
{
	uint64_t sum = 0, want = LPI + (uint64_t)ROUNDS * TIMES * (LPI + LPI + SPI);
	const struct kvm_one_reg reg = { .id = CORE_REG(regs.regs[20]), .addr = (uintptr_t)&sum };

	need(ioctl(vcpu, KVM_GET_ONE_REG, &reg), "KVM_GET_ONE_REG");
	if (sum != want)
		errx(1, "the guest took INTIDs that add up to %lu, not to %lu", sum, want);
}

int main(void)
{
	dev = need(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	vm = need(ioctl(dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	add_memory();
	add_vcpu();
	add_gic();
	set_routes();
	lpi_eventfd = eventfd_of_gsi(0);
	spi_eventfd = eventfd_of_gsi(1);
	add_doorbell();
	go_on(0);
	map_lpi(); /* the guest has said where properties of LPIs are */
	/*
	 * KVM caches the translation. An irqfd that does not find it there leaves the MSI to a kernel thread, and
	 * the MSIs until that one runs are one.
	 */
	lpi_by_msi();
	go_on(0);
	printf("BENCH frequency=%lu\n", frequency());
	measure("lpi-irqfd", lpi_by_irqfd, 0, TIMES);
	measure("lpi-msi", lpi_by_msi, 0, TIMES);
	measure("spi-irqfd", spi_by_irqfd, 0, TIMES);
	measure("doorbell", none, RINGS, TIMES * RINGS);
	check_taken();
	return 0;
}
