// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pages of stage 2 (keel/stage2.h): what slots are multiples of, and what becomes of a
 * process's memory that does not come in such pieces.
 */
#include "kvmtest.h"

#include <linux/mman.h>

#define MIB  (1UL << 20)
#define HUGE (2 * MIB)

static uint64_t own, page; /* bytes of the kernel's page, and of what slots are multiples of */

static void test_capability(int dev)
{
	int vm = (int)must(ioctl(dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	unsigned long cap = KEEL_CAP_ARM_STAGE2_PAGE_SIZE;
	int stage2 = ioctl(dev, KVM_CHECK_EXTENSION, cap);

	check(stage2 == 4096 || stage2 == 16384 || stage2 == 65536, "a page of stage 2: %d bytes",
	      stage2);
	check(ioctl(vm, KVM_CHECK_EXTENSION, cap) == stage2, "the same for a VM");
	close(vm);
}

static char *map_huge(void)
{
	char *mem = map_memory(2 * HUGE);

	return (char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
}

static void test_parts_of_a_page(void)
{
	struct vm vm = bare_vm();
	char *mem = map_huge();
	uint64_t part;

	for (part = page / 2; part >= 512; part /= 2) {
		gives(set_region(vm.fd, 0, 0, part, page, mem), EINVAL, "a part as address");
		gives(set_region(vm.fd, 0, 0, 0, part, mem), EINVAL, "a part as size");
		gives(set_region(vm.fd, 0, 0, 0, page + part, mem), EINVAL, "and a part");
		gives(set_region(vm.fd, 0, 0, 0, page, mem + part), EINVAL, "memory at a part");
	}
	gives(set_region(vm.fd, 0, 0, page, page, mem + page), 0, "whole pages");
	close(vm.fd);
	close(vm.dev);
}

/* Stores its x1 where x0 is, and tells. */
GUEST_CODE(store, "str x1, [x0]\n"
		  "mov x2, #0x09000000\n"
		  "1: str x1, [x2]\n"
		  "b 1b\n");

#define SCRATCH (GUEST_BASE + HUGE)

/* Code is in a huge page; what is in @mem, at SCRATCH, is what the test is about. */
static void start(struct vm *vm, struct vcpu *vcpu, void *mem)
{
	*vm = bare_vm();
	vm->mem = map_huge();
	madvise(vm->mem, HUGE, MADV_HUGEPAGE);
	must(set_region(vm->fd, 0, 0, GUEST_BASE, HUGE, vm->mem), "memory of a VM");
	must(set_region(vm->fd, 1, 0, SCRATCH, HUGE, mem), "more of it");
	*vcpu = new_vcpu(vm, 0);
	LOAD(vm, vcpu, store);
	must(set_reg(vcpu, CORE_REG(regs[0]), SCRATCH + MIB + 8), "x0");
	must(set_reg(vcpu, CORE_REG(regs[1]), 42), "x1");
}

static void expect_store(struct vcpu *vcpu, const char *mem)
{
	expect_write(vcpu, MMIO_BASE, 8, 42, "the guest goes on");
	check(*(const uint64_t *)(mem + MIB + 8) == 42, "its store is in the process's memory");
}

static void end(struct vm *vm, struct vcpu *vcpu)
{
	close(vcpu->fd);
	close(vm->fd);
	close(vm->dev);
}

static void test_huge_page(void)
{
	char *mem = map_huge();
	struct vm vm;
	struct vcpu vcpu;

	madvise(mem, HUGE, MADV_HUGEPAGE);
	start(&vm, &vcpu, mem);
	expect_store(&vcpu, mem);
	end(&vm, &vcpu);
}

/* Each second of the kernel's pages there before its neighbour: they do not lie side by side. */
static void scatter(char *mem)
{
	uint64_t at;

	madvise(mem, HUGE, MADV_NOHUGEPAGE);
	for (at = 0; at < HUGE; at += 2 * own)
		mem[at] = 1;
	for (at = own; at < HUGE; at += 2 * own)
		mem[at] = 1;
}

/* Refused where a page of stage 2 is more than one of the kernel's; the same vCPU goes on then. */
static void test_small_pages(void)
{
	char *mem = map_huge();
	struct vm vm;
	struct vcpu vcpu;

	scatter(mem);
	start(&vm, &vcpu, mem);
	if (page > own) {
		gives(ioctl(vcpu.fd, KVM_RUN, 0), EFAULT, "KVM_RUN at memory in small pieces");
		check(!*(const uint64_t *)(mem + MIB + 8), "nothing is stored");
		madvise(mem, HUGE, MADV_HUGEPAGE);
		must(madvise(mem, HUGE, MADV_COLLAPSE), "MADV_COLLAPSE");
	}
	expect_store(&vcpu, mem);
	end(&vm, &vcpu);
}

int main(void)
{
	int dev = open_kvm();

	own = (uint64_t)sysconf(_SC_PAGESIZE);
	page = slot_page(dev);
	if (on_keel())
		test_capability(dev);
	close(dev);
	test_parts_of_a_page();
	test_huge_page();
	test_small_pages();
	return finish();
}
