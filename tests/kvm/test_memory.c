// SPDX-License-Identifier: BSD-2-Clause
/* KVM_SET_USER_MEMORY_REGION: what it takes, what it refuses, and what the guest then sees. */
#include <pthread.h>

#include "kvmtest.h"

static uint64_t page; /* what slots are multiples of */
#define PAGE page

static void test_refusals(void)
{
	struct vm vm = bare_vm();
	char *mem = map_memory(16 * PAGE);
	unsigned long slots = (unsigned long)ioctl(vm.dev, KVM_CHECK_EXTENSION,
						   (unsigned long)KVM_CAP_NR_MEMSLOTS);

	gives(set_region(vm.fd, 0, 0, 1, PAGE, mem), EINVAL, "unaligned guest address");
	gives(set_region(vm.fd, 0, 0, 0, PAGE + 1, mem), EINVAL, "unaligned size");
	gives(set_region(vm.fd, 0, 0, 0, PAGE, mem + 1), EINVAL, "unaligned user address");
	gives(set_region(vm.fd, 0, 0, ~0UL - PAGE + 1, 2 * PAGE, mem), EINVAL,
	      "wrapping guest range");
	gives(set_region(vm.fd, 0, 0, 0, PAGE, (void *)(1UL << 63)), EINVAL, "a kernel address");
	gives(set_region(vm.fd, 0, 1U << 31, 0, PAGE, mem), EINVAL, "unknown flags");
	gives(set_region(vm.fd, (uint32_t)slots, 0, 0, PAGE, mem), EINVAL, "slot number too large");
	gives(set_region(vm.fd, 1U << 16, 0, 0, PAGE, mem), EINVAL, "another address space");
	gives(set_region(vm.fd, 0, 0, 0, 0, mem), EINVAL, "deleting what there is not");
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, NULL), EFAULT, "no argument");
	close(vm.fd);
	close(vm.dev);
}

/* KVM_SET_USER_MEMORY_REGION2: the same slots. test_gmem has what it adds. */
static void test_region2(void)
{
	struct vm vm = bare_vm();
	char *mem = map_memory(4 * PAGE), *end = map_memory(2 * PAGE) + PAGE;
	struct kvm_userspace_memory_region2 region = {
		.guest_phys_addr = PAGE,
		.memory_size = 2 * PAGE,
		.userspace_addr = (uintptr_t)mem,
	};

	if (!on_keel() && ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY2) != 1)
		return; /* a kernel before 6.8 */
	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY2) == 1, "KVM_CAP_USER_MEMORY2");
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, NULL), EFAULT, "2: no argument");
	/* all of the structure is read */
	munmap(end, PAGE);
	memcpy(end - 32, &region, 32);
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, end - 32), EFAULT, "2: a short argument");
	region.flags = KVM_MEM_GUEST_MEMFD;
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &region), EINVAL, "2: guest_memfd");
	region.flags = 0;
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &region), 0, "2: create a slot");
	gives(set_region(vm.fd, 1, 0, 2 * PAGE, PAGE, mem), EEXIST, "2: it is there");
	gives(set_region(vm.fd, 0, 0, PAGE, 2 * PAGE, mem), 0, "2: and the same as the other's");
	region.memory_size = 0;
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &region), 0, "2: delete it");
	gives(set_region(vm.fd, 1, 0, 2 * PAGE, PAGE, mem), 0, "2: it is gone");
	close(vm.fd);
	close(vm.dev);
}

static void test_ipa_limit(void)
{
	char *mem = map_memory(2 * PAGE);
	int dev = open_kvm();
	int fd = (int)must(ioctl(dev, KVM_CREATE_VM, 32UL), "KVM_CREATE_VM with 32 bits");

	gives(set_region(fd, 0, 0, (1UL << 32) - PAGE, PAGE, mem), 0, "the last page below 2^32");
	gives(set_region(fd, 1, 0, 1UL << 32, PAGE, mem), EFAULT, "the first page beyond 2^32");
	gives(set_region(fd, 0, 0, 0, 0, NULL), 0, "delete it");
	gives(set_region(fd, 0, 0, (1UL << 32) - PAGE, 2 * PAGE, mem), EFAULT,
	      "a slot across 2^32");
	close(fd);
	close(dev);
}

static void test_changes(void)
{
	struct vm vm = bare_vm();
	char *mem = map_memory(16 * PAGE);

	gives(set_region(vm.fd, 0, 0, 16 * PAGE, 4 * PAGE, mem), 0, "create a slot");
	gives(set_region(vm.fd, 0, 0, 16 * PAGE, 4 * PAGE, mem), 0, "the same again");
	gives(set_region(vm.fd, 1, 0, 19 * PAGE, PAGE, mem), EEXIST, "overlap at the end");
	gives(set_region(vm.fd, 1, 0, 15 * PAGE, 2 * PAGE, mem), EEXIST, "overlap at the start");
	gives(set_region(vm.fd, 1, 0, 14 * PAGE, 8 * PAGE, mem), EEXIST, "overlap around");
	gives(set_region(vm.fd, 1, 0, 20 * PAGE, PAGE, mem), 0, "adjacent above");
	gives(set_region(vm.fd, 2, 0, 15 * PAGE, PAGE, mem), 0, "adjacent below");
	gives(set_region(vm.fd, 0, 0, 16 * PAGE, 3 * PAGE, mem), EINVAL, "another size");
	gives(set_region(vm.fd, 0, 0, 16 * PAGE, 4 * PAGE, mem + PAGE), EINVAL, "other memory");
	gives(set_region(vm.fd, 0, KVM_MEM_READONLY, 16 * PAGE, 4 * PAGE, mem), EINVAL,
	      "read-only afterwards");
	gives(set_region(vm.fd, 0, 0, 17 * PAGE, 4 * PAGE, mem), EEXIST, "move onto another");
	gives(set_region(vm.fd, 0, 0, 64 * PAGE, 4 * PAGE, mem), 0, "move");
	gives(set_region(vm.fd, 3, 0, 16 * PAGE, PAGE, mem), 0, "where it was is free");
	gives(set_region(vm.fd, 0, 0, 0, 0, NULL), 0, "delete");
	gives(set_region(vm.fd, 0, 0, 0, 0, NULL), EINVAL, "delete again");
	close(vm.fd);
	close(vm.dev);
}

/* x0: address; reads it, writes back the value plus one, tells the value by a write to MMIO. */
GUEST_CODE(peek, "mov x1, #0x09000000\n"
		 "1: ldr x2, [x0]\n"
		 "str x2, [x1]\n"
		 "add x2, x2, #1\n"
		 "str x2, [x0]\n"
		 "str x2, [x1, #8]\n"
		 "b 1b\n");

#define SCRATCH 0x50000000UL

static void start_peek(struct vm *vm, struct vcpu *vcpu, uint64_t addr)
{
	*vm = new_vm();
	*vcpu = new_vcpu(vm, 0);
	LOAD(vm, vcpu, peek);
	must(set_reg(vcpu, CORE_REG(regs[0]), addr), "setting x0");
}

static void test_read_write(void)
{
	uint64_t *mem = map_memory(16 * PAGE);
	struct vm vm;
	struct vcpu vcpu;

	start_peek(&vm, &vcpu, SCRATCH + PAGE);
	must(set_region(vm.fd, 1, 0, SCRATCH, 16 * PAGE, mem), "a slot");
	mem[PAGE / 8] = 41;
	expect_write(&vcpu, MMIO_BASE, 8, 41, "the guest reads what the process wrote");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 42, "the guest goes on");
	check(mem[PAGE / 8] == 42, "the process reads what the guest wrote");
	/* Take it away while it is mapped: what was memory is a device now. */
	gives(set_region(vm.fd, 1, 0, 0, 0, NULL), 0, "delete a slot in use");
	expect_mmio(&vcpu, false, SCRATCH + PAGE, 8, "a read where the slot was");
	end_guest(&vm, &vcpu);
}

static void test_move(void)
{
	uint64_t *mem = map_memory(16 * PAGE);
	struct vm vm;
	struct vcpu vcpu;

	start_peek(&vm, &vcpu, SCRATCH);
	must(set_region(vm.fd, 1, 0, SCRATCH, PAGE, mem), "a slot");
	mem[0] = 7;
	expect_write(&vcpu, MMIO_BASE, 8, 7, "memory before the move");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 8, "memory before the move, written");
	must(set_region(vm.fd, 1, 0, SCRATCH + 16 * PAGE, PAGE, mem), "moving the slot");
	must(set_reg(&vcpu, CORE_REG(regs[0]), SCRATCH + 16 * PAGE), "setting x0");
	expect_write(&vcpu, MMIO_BASE, 8, 8, "memory after the move");
	end_guest(&vm, &vcpu);
}

static void test_readonly(void)
{
	uint64_t *mem = map_memory(16 * PAGE);
	struct vm vm;
	struct vcpu vcpu;

	start_peek(&vm, &vcpu, SCRATCH);
	must(set_region(vm.fd, 1, KVM_MEM_READONLY, SCRATCH, 16 * PAGE, mem), "a read-only slot");
	mem[0] = 5;
	expect_write(&vcpu, MMIO_BASE, 8, 5, "a read of read-only memory");
	expect_write(&vcpu, SCRATCH, 8, 6, "a write to it is userspace's");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 6, "the guest goes on behind it");
	check(mem[0] == 5, "the memory is as it was");
	end_guest(&vm, &vcpu);
}

/* Large enough for blocks, and touched at odd places. */
static void test_large(void)
{
	size_t size = 16UL << 20, at;
	char *mem = map_memory(size + (2UL << 20));
	struct vm vm;
	struct vcpu vcpu;

	mem = (char *)(((uintptr_t)mem + (2UL << 20) - 1) & ~((2UL << 20) - 1));
	madvise(mem, size, MADV_HUGEPAGE);
	start_peek(&vm, &vcpu, SCRATCH);
	must(set_region(vm.fd, 1, 0, SCRATCH, size, mem), "16 MiB");
	for (at = 0; at < size; at += (1UL << 20) + 8 * PAGE + 8) {
		*(uint64_t *)(mem + at) = at;
		must(set_reg(&vcpu, CORE_REG(pc), GUEST_BASE), "setting pc");
		must(set_reg(&vcpu, CORE_REG(regs[0]), SCRATCH + at), "setting x0");
		if (!expect_write(&vcpu, MMIO_BASE, 8, at, "a place in 16 MiB"))
			break;
		expect_write(&vcpu, MMIO_BASE + 8, 8, at + 1, "a place in 16 MiB, written");
		check(*(uint64_t *)(mem + at) == at + 1, "the process sees it");
	}
	end_guest(&vm, &vcpu);
}

/* Memory that the process does not have. */
static void test_no_backing(void)
{
	char *mem = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vm vm;
	struct vcpu vcpu;

	start_peek(&vm, &vcpu, SCRATCH);
	must(set_region(vm.fd, 1, 0, SCRATCH, 16 * PAGE, mem), "a slot without memory");
	gives(run(&vcpu), EFAULT, "KVM_RUN that touches it");
	must(mprotect(mem, 16 * PAGE, PROT_READ | PROT_WRITE), "mprotect");
	expect_write(&vcpu, MMIO_BASE, 8, 0, "once the memory is there the guest goes on");
	end_guest(&vm, &vcpu);
}

#define HUGE	    (2UL << 20)
#define RACE_BASE   0x100000000ULL /* huge pages: one vCPU goes through them */
#define RACE_HUGE   64
#define PAGES_BASE  0xc0000000ULL /* single pages: the other does, and they come and go */
#define PAGES_COUNT 80
#define RACE_ROUNDS 20

/* Writes to x0, x0 + x3, ... up to x2, and tells. */
GUEST_CODE(stride, "1: str x0, [x0]\n"
		   "add x0, x0, x3\n"
		   "cmp x0, x2\n"
		   "b.lo 1b\n"
		   "mov x1, #0x09000000\n"
		   "str w3, [x1]\n"
		   "b .\n");

static bool goes_through(const struct vcpu *vcpu, uint64_t from, uint64_t to, uint64_t step)
{
	set_reg(vcpu, CORE_REG(regs[0]), from);
	set_reg(vcpu, CORE_REG(regs[2]), to);
	set_reg(vcpu, CORE_REG(regs[3]), step);
	return !set_reg(vcpu, CORE_REG(pc), GUEST_BASE) && !run(vcpu) &&
	       vcpu->run->exit_reason == KVM_EXIT_MMIO;
}

struct race {
	struct vm vm;
	struct vcpu huge;
	char *mem;
	unsigned int good;
};

/* Huge pages that the process has: several come by each fault. */
static void *huge_thread(void *arg)
{
	struct race *race = arg;
	unsigned int i;

	for (i = 0; i < RACE_ROUNDS; i++) {
		must(set_region(race->vm.fd, 1, 0, RACE_BASE, RACE_HUGE * HUGE, race->mem), "huge");
		race->good +=
			goes_through(&race->huge, RACE_BASE, RACE_BASE + RACE_HUGE * HUGE, HUGE);
		must(set_region(race->vm.fd, 1, 0, RACE_BASE, 0, NULL), "no huge");
	}
	return NULL;
}

/* Huge pages are brought while single ones, and the record of them, come and go. */
static void test_races(void)
{
	struct race race = { .vm = new_vm() };
	struct vcpu pages = new_vcpu(&race.vm, 0);
	char *mem = map_memory(PAGES_COUNT * PAGE);
	unsigned int i, good = 0;
	pthread_t thread;

	race.huge = new_vcpu(&race.vm, 1);
	race.mem = map_memory((RACE_HUGE + 1) * HUGE);
	race.mem += -(uintptr_t)race.mem & (HUGE - 1);
	madvise(race.mem, RACE_HUGE * HUGE, MADV_HUGEPAGE);
	memset(race.mem, 1, RACE_HUGE * HUGE);
	madvise(mem, PAGES_COUNT * PAGE, MADV_NOHUGEPAGE);
	LOAD(&race.vm, &pages, stride);
	pthread_create(&thread, NULL, huge_thread, &race);
	for (i = 0; i < RACE_ROUNDS; i++) {
		must(set_region(race.vm.fd, 2, 0, PAGES_BASE, PAGES_COUNT * PAGE, mem), "pages");
		good += goes_through(&pages, PAGES_BASE, PAGES_BASE + PAGES_COUNT * PAGE, PAGE);
		must(set_region(race.vm.fd, 2, 0, PAGES_BASE, 0, NULL), "no pages");
	}
	pthread_join(thread, NULL);
	check(good == RACE_ROUNDS, "single pages come and go (%u times)", good);
	check(race.good == RACE_ROUNDS, "... while huge ones are brought (%u times)", race.good);
	close(pages.fd);
	close(race.huge.fd);
	close(race.vm.fd);
	close(race.vm.dev);
}

int main(void)
{
	int dev = open_kvm();

	page = slot_page(dev);
	close(dev);
	test_refusals();
	test_region2();
	test_ipa_limit();
	test_changes();
	test_read_write();
	test_move();
	test_readonly();
	test_large();
	test_no_backing();
	test_races();
	return finish();
}
