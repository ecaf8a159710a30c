// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmlife: what making and ending a VM costs its host, in ticks of the counter.
 *
 * A VM is one with a memory slot, a GICv3 and a vCPU that has run up to its first exit to
 * userspace. All VMs are made first, and then all ended: so what the kernel does later (freeing
 * behind an RCU grace period) falls to the part that it belongs to. Each part ends with a pause for
 * that, and the time that the CPU was idle is not counted. The machine must have one CPU.
 *
 * Now and then the kernel does something of its own in such a pause. So all of it is done several
 * times, and a part's ticks are the median.
 *
 *   BENCH operation=NAME count=VMS ticks=TICKS
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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ticks.h"

#define NR_VMS	   32
#define PAUSE_US   200000
#define ROUNDS	   5
#define RAM_BASE   0x80000000UL
#define RAM_SIZE   0x200000UL
#define DEVICE	   0x10000000UL /* nobody's: a read exits */
#define GIC_DIST   0x08000000UL
#define GIC_REDIST 0x080a0000UL

#define CORE_REG(field)                                        \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 (offsetof(struct kvm_regs, field) / sizeof(uint32_t)))

/* mov x0, #DEVICE; ldr w1, [x0] */
static const uint32_t guest_code[] = { 0xd2a20000, 0xb9400001 };

static struct vm {
	int fd, vcpu, gic;
	struct kvm_run *run;
	void *ram;
} vms[NR_VMS];

static int dev;
static size_t run_size;

static void set_gic(int fd, uint32_t group, uint64_t attr, uint64_t address)
{
	const struct kvm_device_attr request = { .group = group,
						 .attr = attr,
						 .addr = (uintptr_t)&address };

	need(ioctl(fd, KVM_SET_DEVICE_ATTR, &request), "KVM_SET_DEVICE_ATTR");
}

static void add_memory(struct vm *vm)
{
	struct kvm_userspace_memory_region slot = {
		.guest_phys_addr = RAM_BASE,
		.memory_size = RAM_SIZE,
		.userspace_addr = (uintptr_t)vm->ram,
	};

	need(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

static void add_vcpu(struct vm *vm)
{
	struct kvm_vcpu_init init;

	vm->vcpu = need(ioctl(vm->fd, KVM_CREATE_VCPU, 0UL), "KVM_CREATE_VCPU");
	vm->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		err(1, "mmap of a vCPU");
	need(ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
	init.features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
	need(ioctl(vm->vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
}

static void add_gic(struct vm *vm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_V3 };

	need(ioctl(vm->fd, KVM_CREATE_DEVICE, &device), "KVM_CREATE_DEVICE");
	vm->gic = (int)device.fd;
	set_gic(vm->gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST);
	set_gic(vm->gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST);
	set_gic(vm->gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0);
}

static void create(struct vm *vm)
{
	vm->fd = need(ioctl(dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	add_memory(vm);
	add_vcpu(vm);
	add_gic(vm);
}

static void run(struct vm *vm)
{
	uint64_t pc = RAM_BASE;
	int result;
	const struct kvm_one_reg reg = { .id = CORE_REG(regs.pc), .addr = (uintptr_t)&pc };

	need(ioctl(vm->vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
	/* As every VMM does: KVM_RUN may return before anything has happened. */
	do
		result = ioctl(vm->vcpu, KVM_RUN, 0);
	while (result < 0 && errno == EINTR);
	need(result, "KVM_RUN");
	if (vm->run->exit_reason != KVM_EXIT_MMIO)
		errx(1, "exit %u, not MMIO", vm->run->exit_reason);
}

static void destroy(struct vm *vm)
{
	munmap(vm->run, run_size);
	close(vm->gic);
	close(vm->vcpu);
	close(vm->fd);
}

/* Ticks that the CPU was not idle. */
static uint64_t measure(void (*part)(struct vm *vm))
{
	uint64_t slept, start, end;

	slept = idle();
	start = counter();
	for (unsigned int i = 0; i < NR_VMS; i++)
		part(&vms[i]);
	usleep(PAUSE_US);
	end = counter();
	slept = idle() - slept;
	return end - start - slept * frequency() / 1000000000;
}

/*
 * A huge page, which stage 2 maps as a block: RAM is aligned to its size. Where mmap() puts it is
 * random, and would decide between a block and 64 KiB or a page, which take one more table.
 */
static void prepare(struct vm *vm)
{
	char *area = mmap(NULL, 2 * RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (area == MAP_FAILED)
		err(1, "mmap");
	vm->ram = area + (-(uintptr_t)area & (RAM_SIZE - 1)); /* up to the next multiple */
	memcpy(vm->ram, guest_code, sizeof(guest_code));
}

static void nothing(struct vm *vm)
{
	(void)vm;
}

static struct part {
	const char *name;
	void (*part)(struct vm *vm);
	uint64_t ticks[ROUNDS];
} parts[] = {
	{ .name = "vm-nothing", .part = nothing },
	{ .name = "vm-create", .part = create },
	{ .name = "vm-run", .part = run },
	{ .name = "vm-destroy", .part = destroy },
};

#define NR_PARTS (sizeof(parts) / sizeof(parts[0]))

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(void)
{
	dev = need(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	run_size = (size_t)need(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	for (unsigned int i = 0; i < NR_VMS; i++)
		prepare(&vms[i]);
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int i = 0; i < NR_PARTS; i++)
			parts[i].ticks[round] = measure(parts[i].part);
	printf("BENCH frequency=%lu\n", frequency());
	for (unsigned int i = 0; i < NR_PARTS; i++) {
		qsort(parts[i].ticks, ROUNDS, sizeof(parts[i].ticks[0]), compare);
		printf("BENCH operation=%s count=%d ticks=%lu\n", parts[i].name, NR_VMS,
		       parts[i].ticks[ROUNDS / 2]);
	}
	return 0;
}
