// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_CAP_ARM_MTE and KVM_ARM_MTE_COPY_TAGS: each error that is documented, memory that cannot have
 * tags, registers, and tags that go both ways between a file of the VMM's and the memory itself. On a
 * machine without tags, that there are none.
 */
#include <sys/utsname.h>

#include "kvmtest.h"

#ifndef PROT_MTE
#define PROT_MTE 0x20
#endif

#define GRANULE	  16
#define ID_PFR1	  ARM64_SYS_REG(3, 0, 0, 4, 1)
#define RGSR	  ARM64_SYS_REG(3, 0, 1, 0, 5)
#define GCR	  ARM64_SYS_REG(3, 0, 1, 0, 6)
#define TFSR	  ARM64_SYS_REG(3, 0, 5, 6, 0)
#define TFSRE0	  ARM64_SYS_REG(3, 0, 5, 6, 1)
#define LOG	  KVM_MEM_LOG_DIRTY_PAGES
#define READ_ONLY KVM_MEM_READONLY

static const uint64_t tag_regs[] = { RGSR, GCR, TFSR, TFSRE0 };

static size_t page, page_tags;

/* Read a word at 0x40100000, and tell of it. */
GUEST_CODE(reads,
	   "mov x1, #0x40100000\n ldr x2, [x1]\n mov x3, #0x09000000\n str x2, [x3]\n b .\n");

static long enable(const struct vm *vm, uint32_t flags)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_MTE, .flags = flags };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static long copy(const struct vm *vm, uint64_t ipa, uint64_t length, void *tags, uint64_t flags)
{
	struct kvm_arm_copy_mte_tags args = {
		.guest_ipa = ipa, .length = length, .addr = tags, .flags = flags
	};

	return ioctl(vm->fd, KVM_ARM_MTE_COPY_TAGS, &args);
}

static struct vm tagged_vm(void)
{
	struct vm vm = bare_vm();

	gives(enable(&vm, 0), 0, "the capability is enabled");
	vm.mem = map_memory(GUEST_SIZE);
	gives(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), 0, "private memory");
	return vm;
}

/* ---- a machine without tags ---- */

static void test_without(void)
{
	struct vm vm = bare_vm();
	char tags;

	check(!ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_MTE), "nor has a VM");
	gives(enable(&vm, 0), EINVAL, "the capability cannot be enabled");
	gives(copy(&vm, GUEST_BASE, page, &tags, 0), EINVAL, "tags cannot be copied");
	close(vm.fd);
	close(vm.dev);
}

/* ---- the capability ---- */

static void test_enable(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu;
	uint64_t value;
	struct kvm_one_reg reg = { .addr = (uintptr_t)&value };

	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_MTE) == 1, "a VM has it, too");
	gives(copy(&vm, GUEST_BASE, page, vm.mem, 0), EINVAL, "a copy before it is enabled");
	gives(enable(&vm, 1), EINVAL, "a flag");
	vcpu = new_vcpu(&vm, 0);
	gives(enable(&vm, 0), EINVAL, "once there is a vCPU");
	check(!(get_reg(&vcpu, ID_PFR1) >> 8 & 15), "without it ID_AA64PFR1_EL1.MTE is 0");
	for (size_t i = 0; i < sizeof(tag_regs) / sizeof(tag_regs[0]); i++) {
		reg.id = tag_regs[i];
		gives(ioctl(vcpu.fd, KVM_GET_ONE_REG, &reg), ENOENT, "a register of tags");
	}
	end_guest(&vm, &vcpu);
}

/* Whether KVM_GET_REG_LIST has @id. */
static bool is_listed(const struct vcpu *vcpu, uint64_t id)
{
	struct kvm_reg_list none = { 0 }, *list;
	bool found = false;

	(void)ioctl(vcpu->fd, KVM_GET_REG_LIST, &none);
	list = calloc(1, sizeof(*list) + none.n * sizeof(uint64_t));
	list->n = none.n;
	must(ioctl(vcpu->fd, KVM_GET_REG_LIST, list), "KVM_GET_REG_LIST");
	for (uint64_t i = 0; i < list->n; i++)
		found |= list->reg[i] == id;
	free(list);
	return found;
}

static void test_registers(void)
{
	struct vm vm = tagged_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint64_t pfr1 = get_reg(&vcpu, ID_PFR1);

	check((pfr1 >> 8 & 15) == 2 || (pfr1 >> 8 & 15) == 3, "ID_AA64PFR1_EL1.MTE is 2 or 3");
	check(!(pfr1 >> 52 & 15), "MTEX is 0");
	gives(set_reg(&vcpu, ID_PFR1, pfr1), 0, "what it is can be written");
	gives(set_reg(&vcpu, ID_PFR1, pfr1 & ~(15ULL << 8)), EINVAL, "no other MTE");
	for (size_t i = 0; i < sizeof(tag_regs) / sizeof(tag_regs[0]); i++) {
		gives(set_reg(&vcpu, tag_regs[i], i + 1), 0, "a register of tags is written");
		check(get_reg(&vcpu, tag_regs[i]) == i + 1, "... and has its value");
		check(is_listed(&vcpu, tag_regs[i]), "... and is listed");
	}
	end_guest(&vm, &vcpu);
}

static void test_nested(void)
{
	struct vm vm;
	struct vcpu vcpu;

	if (!ioctl(open_kvm(), KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL2)) {
		printf("skipped: no EL2 for guests\n");
		return;
	}
	vm = tagged_vm();
	vcpu = raw_vcpu(&vm, 0);
	gives(init_vcpu(vcpu.fd, 1U << KVM_ARM_VCPU_PSCI_0_2 | 1U << KVM_ARM_VCPU_HAS_EL2), 0,
	      "a vCPU with an EL2");
	check(!(get_reg(&vcpu, ID_PFR1) >> 8 & 15), "... has no tags");
	end_guest(&vm, &vcpu);
}

/* ---- memory ---- */

/* Kernels before 6.2 have no lock for the first tags of a page that processes share. */
static bool shares_tags(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	return major > 6 || (major == 6 && minor >= 2);
}

static void test_slots(void)
{
	struct vm vm = tagged_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_create_guest_memfd file = { .size = page };
	int fd;

	gives(set_region(vm.fd, 1, 0, 0x80000000, page, vcpu.run), EINVAL,
	      "memory that cannot have tags");
	gives(set_region(vm.fd, 1, 0, 0x80000000, page, shared), shares_tags() ? 0 : EINVAL,
	      "memory that processes share");
	(void)set_region(vm.fd, 1, 0, 0x80000000, 0, NULL);
	fd = ioctl(vm.fd, KVM_CREATE_GUEST_MEMFD, &file);
	if (fd >= 0) {
		struct kvm_userspace_memory_region2 region = { .slot = 1,
							       .flags = KVM_MEM_GUEST_MEMFD,
							       .guest_phys_addr = 0x80000000,
							       .memory_size = page,
							       .guest_memfd = (uint32_t)fd };

		gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &region), EINVAL, "a guest_memfd");
		close(fd);
	}
	end_guest(&vm, &vcpu);
}

static void test_fault(void)
{
	struct vm vm = tagged_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	char *at = vm.mem + 0x100000;

	*(uint64_t *)at = 77;
	LOAD(&vm, &vcpu, reads);
	expect_write(&vcpu, MMIO_BASE, 8, 77, "a guest reads its memory");
	end_guest(&vm, &vcpu);

	vm = tagged_vm();
	vcpu = new_vcpu(&vm, 0);
	LOAD(&vm, &vcpu, reads);
	if (mmap(vm.mem + 0x100000, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, vcpu.fd,
		 0) == MAP_FAILED)
		give_up("mmap over guest memory");
	gives(run(&vcpu), EFAULT, "a guest reads where memory cannot have tags any more");
	end_guest(&vm, &vcpu);
}

/* ---- copies ---- */

static void test_errors(void)
{
	struct vm vm = tagged_vm();
	uint64_t high = GUEST_BASE + GUEST_SIZE;
	struct kvm_arm_copy_mte_tags args = { .guest_ipa = GUEST_BASE, .length = page };
	char *tags = calloc(2, page_tags);
	char *other = map_memory(page);

	gives(ioctl(vm.fd, KVM_ARM_MTE_COPY_TAGS, NULL), EFAULT, "no argument");
	args.addr = tags;
	args.reserved[0] = 1;
	gives(ioctl(vm.fd, KVM_ARM_MTE_COPY_TAGS, &args), EINVAL, "a reserved word");
	args.reserved[0] = 0;
	args.reserved[1] = 1;
	gives(ioctl(vm.fd, KVM_ARM_MTE_COPY_TAGS, &args), EINVAL, "the other one");
	gives(copy(&vm, GUEST_BASE, page, tags, 2), EINVAL, "an unknown flag");
	gives(copy(&vm, GUEST_BASE + 1, page, tags, 0), EINVAL, "an address that is not aligned");
	gives(copy(&vm, GUEST_BASE, page + 16, tags, 0), EINVAL, "a length that is not");
	gives(copy(&vm, GUEST_BASE, 1ULL << 31, tags, 0), EINVAL, "more than an int can say");
	check(copy(&vm, GUEST_BASE, 0, tags, 0) == 0, "nothing is copied");
	for (uint64_t from = 0; from < 2; from++) {
		gives(copy(&vm, high, page, tags, from), EFAULT, "where there is no slot");
		gives(copy(&vm, GUEST_BASE, page, (void *)8, from), EFAULT, "tags at no address");
		check(copy(&vm, high - page, 2 * page, tags, from) == (long)page,
		      "as far as there is a slot");
	}
	gives(set_region(vm.fd, 1, READ_ONLY, 0x80000000, page, other), 0, "a read-only slot");
	gives(copy(&vm, 0x80000000, page, tags, 0), EFAULT, "its tags cannot be written");
	check(copy(&vm, 0x80000000, page, tags, 1) == (long)page, "... but read");
	gives(set_region(vm.fd, 2, LOG, 0x90000000, page, map_memory(page)), 0, "a logged slot");
	gives(copy(&vm, GUEST_BASE, page, tags, 0), EBUSY, "no tags are written meanwhile");
	check(copy(&vm, GUEST_BASE, page, tags, 1) == (long)page, "... but read");
	free(tags);
	end_vm(&vm);
}

__asm__(".arch armv8.5-a+memtag");

static unsigned int load_tag(const char *at)
{
	uint64_t tag = 0;

	__asm__ volatile("ldg %0, [%1]" : "+r"(tag) : "r"(at) : "memory");
	return tag >> 56 & 15;
}

static void store_tag(char *at, uint64_t tag)
{
	__asm__ volatile("stg %0, [%1]" : : "r"(tag << 56), "r"(at) : "memory");
}

static void test_copies(void)
{
	struct vm vm = tagged_vm();
	uint8_t *in = malloc(page_tags), *out = malloc(page_tags);
	char *at = vm.mem + 16 * page;
	uint64_t ipa = GUEST_BASE + 16 * page;
	bool same = true;

	memset(out, 0xff, page_tags);
	check(copy(&vm, ipa, page, out, 1) == (long)page, "a page without tags is read");
	for (size_t i = 0; i < page_tags; i++)
		same &= !out[i];
	check(same, "... as zeros");
	at[0] = 42;
	for (size_t i = 0; i < page_tags; i++)
		in[i] = (uint8_t)(i * 7);
	check(copy(&vm, ipa, page, in, 0) == (long)page, "tags are written");
	check(copy(&vm, ipa, page, out, 1) == (long)page, "... and read");
	for (size_t i = 0; i < page_tags; i++)
		same &= out[i] == (in[i] & 15);
	check(same && at[0] == 42, "... as they were written, 4 bits each; data stays");

	gives(mprotect(vm.mem, GUEST_SIZE, PROT_READ | PROT_WRITE | PROT_MTE), 0, "PROT_MTE");
	for (size_t i = 0; i < page_tags; i++)
		same &= load_tag(at + i * GRANULE) == (in[i] & 15);
	check(same, "the memory itself has them");
	for (size_t i = 0; i < page_tags; i++)
		store_tag(at + i * GRANULE, 15 - i % 16);
	check(copy(&vm, ipa, page, out, 1) == (long)page, "the process's own tags are read");
	for (size_t i = 0; i < page_tags; i++)
		same &= out[i] == 15 - i % 16;
	check(same, "... as they are");
	free(in);
	free(out);
	end_vm(&vm);
}

/* A page that someone else had, with tags: the process's own page gets none of them. */
static void test_old_tags(void)
{
	const size_t pages = 256;
	struct vcpu vcpu;
	struct vm vm;
	bool zero = true;
	char *mem;

	mem = map_memory(pages * page);
	must(mprotect(mem, pages * page, PROT_READ | PROT_WRITE | PROT_MTE), "PROT_MTE");
	for (size_t at = 0; at < pages * page; at += GRANULE)
		store_tag(mem + at, 15);
	munmap(mem, pages * page);
	vm = tagged_vm();
	vcpu = new_vcpu(&vm, 0);
	LOAD(&vm, &vcpu, reads);
	expect_write(&vcpu, MMIO_BASE, 8, 0, "a guest touches fresh memory");
	end_vcpu(&vcpu);
	must(mprotect(vm.mem, GUEST_SIZE, PROT_READ | PROT_WRITE | PROT_MTE), "PROT_MTE");
	for (size_t i = 0; i < page_tags; i++)
		zero &= !load_tag(vm.mem + 0x100000 + i * GRANULE) &&
			!load_tag(vm.mem + i * GRANULE);
	check(zero, "what it has touched has zero tags");
	end_vm(&vm);
}

/* Whether the page is in memory; whether it is in swap space, if not. */
static uint64_t pagemap_of(const void *at)
{
	int fd = (int)must(open("/proc/self/pagemap", O_RDONLY), "/proc/self/pagemap");
	uint64_t entry = 0, own = (uint64_t)sysconf(_SC_PAGESIZE);

	must(pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)at / own * sizeof(entry))),
	     "pread");
	close(fd);
	return entry;
}

#define IS_PRESENT (1ULL << 63)
#define IS_SWAPPED (1ULL << 62)

static bool swap_out(char *at)
{
	for (int i = 0; i < 100 && pagemap_of(at) & IS_PRESENT; i++) {
		must(madvise(at, page, MADV_PAGEOUT), "MADV_PAGEOUT");
		usleep(1000);
	}
	return pagemap_of(at) & IS_SWAPPED;
}

/* A guest that has the page again gets it with the tags that it had. */
static void test_swap(void)
{
	struct vm vm = tagged_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint8_t *in = malloc(page_tags), *out = malloc(page_tags);
	char *at = vm.mem + 0x100000;

	must(madvise(at, page, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	for (size_t i = 0; i < page_tags; i++)
		in[i] = (uint8_t)((i * 5 + 3) & 15);
	for (uint64_t round = 1; round <= 3; round++) {
		*(uint64_t *)at = round;
		LOAD(&vm, &vcpu, reads);
		expect_write(&vcpu, MMIO_BASE, 8, round, "a guest has the page");
		in[0] = (uint8_t)round;
		check(copy(&vm, GUEST_BASE + 0x100000, page, in, 0) == (long)page, "it gets tags");
		if (!check(swap_out(at), "it is swapped out"))
			break;
		LOAD(&vm, &vcpu, reads);
		expect_write(&vcpu, MMIO_BASE, 8, round, "the guest has it again");
		check(copy(&vm, GUEST_BASE + 0x100000, page, out, 1) == (long)page &&
			      !memcmp(in, out, page_tags),
		      "... with its tags");
	}
	free(in);
	free(out);
	end_guest(&vm, &vcpu);
}

int main(int argc, char **argv)
{
	int dev = open_kvm(), has = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_MTE);

	page = slot_page(dev);
	page_tags = page / GRANULE;
	if (!has) {
		check(true, "skipped: this machine's KVM has no memory tags for guests");
		test_without();
		return finish();
	}
	check(has == 1, "KVM_CAP_ARM_MTE");
	if (argc > 1 && !strcmp(argv[1], "swap")) {
		test_swap();
		return finish();
	}
	test_enable();
	test_registers();
	test_nested();
	test_slots();
	test_fault();
	test_errors();
	test_copies();
	test_old_tags();
	return finish();
}
