// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmmemory: what a VMM's calls on its guest's memory cost, in ticks of the counter, for SIZE bytes
 * that the guest has in pages. The time that the CPU was idle is not counted. The machine must have
 * one CPU.
 *
 *   BENCH operation=NAME count=OPERATIONS ticks=TICKS idle=NANOSECONDS
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ticks.h"

#define CODE_BASE 0x40000000UL
#define RAM_BASE  0x80000000UL
#define PAGE	  0x1000UL
#define SIZE	  0x10000000UL
#define PAGES	  (SIZE / PAGE)
#define SINGLE	  512 /* pages that go one by one */

#define CORE_REG(field)                                        \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 (offsetof(struct kvm_regs, field) / sizeof(uint32_t)))

/* 1: str x0, [x0]; add x0, x0, #4096; cmp x0, x1; b.lo 1b; mov x2, #0x10000000; ldr w3, [x2] */
static const uint32_t guest_code[] = { 0xf9000000, 0x91400400, 0xeb01001f,
				       0x54ffffa3, 0xd2a20002, 0xb9400043 };

static int vm, vcpu;
static struct kvm_run *run;
static char *ram;

static char *map(size_t size)
{
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		err(1, "mmap");
	need(madvise(mem, size, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(mem, 1, size);
	return mem;
}

static void set_slot(uint32_t number, uint32_t flags, uint64_t base, size_t size, char *mem)
{
	struct kvm_userspace_memory_region slot = {
		.slot = number,
		.flags = flags,
		.guest_phys_addr = base,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	need(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot), "KVM_SET_USER_MEMORY_REGION");
}

static void set_reg(uint64_t id, uint64_t value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	need(ioctl(vcpu, KVM_SET_ONE_REG, &reg), "KVM_SET_ONE_REG");
}

static void make_vm(void)
{
	int dev = need(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	size_t run_size =
		(size_t)need(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	char *code = map(PAGE);
	struct kvm_vcpu_init init;

	vm = need(ioctl(dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	vcpu = need(ioctl(vm, KVM_CREATE_VCPU, 0UL), "KVM_CREATE_VCPU");
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of a vCPU");
	need(ioctl(vm, KVM_ARM_PREFERRED_TARGET, &init), "KVM_ARM_PREFERRED_TARGET");
	init.features[0] |= 1U << KVM_ARM_VCPU_PSCI_0_2;
	need(ioctl(vcpu, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT");
	memcpy(code, guest_code, sizeof(guest_code));
	set_slot(0, 0, CODE_BASE, PAGE, code);
	ram = map(SIZE);
	set_slot(1, 0, RAM_BASE, SIZE, ram);
}

/* The guest writes to each page. It has ended with a read of a device, which is answered first. */
static void write_all(void)
{
	static bool begun;
	int result;

	if (begun) {
		run->immediate_exit = 1;
		(void)!ioctl(vcpu, KVM_RUN, 0);
		run->immediate_exit = 0;
	}
	begun = true;
	set_reg(CORE_REG(regs.regs[0]), RAM_BASE);
	set_reg(CORE_REG(regs.regs[1]), RAM_BASE + SIZE);
	set_reg(CORE_REG(regs.pc), CODE_BASE);
	do
		result = ioctl(vcpu, KVM_RUN, 0);
	while (result < 0 && errno == EINTR);
	need(result, "KVM_RUN");
	if (run->exit_reason != KVM_EXIT_MMIO)
		errx(1, "exit %u, not MMIO", run->exit_reason);
}

static void measure(const char *name, unsigned long count, void (*part)(void))
{
	uint64_t slept = idle(), start = counter(), end;

	part();
	end = counter();
	printf("BENCH operation=%s count=%lu ticks=%lu idle=%lu\n", name, count, end - start,
	       idle() - slept);
}

static void begin_log(void)
{
	set_slot(1, KVM_MEM_LOG_DIRTY_PAGES, RAM_BASE, SIZE, ram);
}

static void get_log(void)
{
	static uint64_t bits[PAGES / 64];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	need(ioctl(vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
}

static void end_log(void)
{
	set_slot(1, 0, RAM_BASE, SIZE, ram);
}

static void fork_vmm(void)
{
	pid_t child = need(fork(), "fork");

	if (!child)
		_exit(0);
	need(waitpid(child, NULL, 0), "waitpid");
}

static void unmap_pages(void)
{
	for (unsigned long i = 0; i < SINGLE; i++)
		need(madvise(ram + i * 32 * PAGE, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
}

static void unmap_all(void)
{
	need(madvise(ram, SIZE, MADV_DONTNEED), "MADV_DONTNEED");
}

int main(void)
{
	uint64_t frequency;

	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
	make_vm();
	printf("BENCH frequency=%lu\n", frequency);
	write_all();
	measure("log-begin", 1, begin_log);
	measure("logged-write", PAGES, write_all);
	measure("log-round", 1, get_log);
	end_log();
	write_all();
	measure("fork", 1, fork_vmm);
	measure("forked-write", PAGES, write_all);
	measure("unmap-page", SINGLE, unmap_pages);
	write_all();
	measure("unmap-range", 1, unmap_all);
	return 0;
}
