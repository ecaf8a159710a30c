// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_CREATE_GUEST_MEMFD and slots of such files: every refusal, and what guest and process see of one
 * memory, of holes in it, and of a file that is closed.
 */
#include <linux/falloc.h>
#include <setjmp.h>
#include <signal.h>

#include "runner.h"

#define SHARED (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define SLOT   1
#define BASE   0x80000000ULL
#define PAGES  16
#define PUNCH  (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static size_t page;

static long create(int vm, uint64_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);
}

static int must_create(const struct vm *vm, uint64_t flags)
{
	return (int)must(create(vm->fd, PAGES * page, flags), "KVM_CREATE_GUEST_MEMFD");
}

/* @pages of the file from @first on are the slot @id, at the same pages from BASE on. */
static long bind_pages(const struct vm *vm, uint32_t id, uint32_t flags, int fd, uint64_t first,
		       uint64_t pages)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = BASE + first * page,
		.memory_size = pages * page,
		.guest_memfd = (uint32_t)fd,
		.guest_memfd_offset = first * page,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region);
}

static long bind_slot(const struct vm *vm, int fd)
{
	return bind_pages(vm, SLOT, KVM_MEM_GUEST_MEMFD, fd, 0, PAGES);
}

static long unbind(const struct vm *vm, uint32_t id)
{
	return bind_pages(vm, id, 0, 0, 0, 0);
}

static char *must_map(int fd)
{
	char *mem = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (mem == MAP_FAILED)
		give_up("mmap of a guest_memfd");
	return mem;
}

/* ---- the file ---- */

static sigjmp_buf on_fault;

static void jump(int number)
{
	(void)number;
	siglongjmp(on_fault, 1);
}

static bool can_read(volatile char *at)
{
	struct sigaction action = { .sa_handler = jump }, old;
	volatile bool good = false;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(on_fault, 1)) {
		(void)*at;
		good = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return good;
}

static void test_create(void)
{
	struct vm vm = bare_vm();
	int fd;

	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS) == SHARED,
	      "the flags that there are");
	gives(ioctl(vm.fd, KVM_CREATE_GUEST_MEMFD, NULL), EFAULT, "no argument");
	gives(create(vm.fd, page, 4), EINVAL, "a flag that is not");
	gives(create(vm.fd, page, 1ULL << 63), EINVAL, "a high flag");
	gives(create(vm.fd, 0, 0), EINVAL, "no size");
	gives(create(vm.fd, page + 1, 0), EINVAL, "no multiple of pages");
	gives(create(vm.fd, -page, 0), EINVAL, "a negative size");
	for (uint64_t flags = 0; flags <= SHARED; flags++) {
		fd = (int)create(vm.fd, page, flags);
		gives(fd, 0, "each combination of flags");
		close(fd);
	}
	close(vm.fd);
	close(vm.dev);
}

static void test_file(void)
{
	struct vm vm = bare_vm();
	int fd = must_create(&vm, SHARED), mute = must_create(&vm, GUEST_MEMFD_FLAG_MMAP);
	off_t size = (off_t)(PAGES * page), one = (off_t)page;
	char byte = 0, *mem;

	gives(fallocate(fd, 0, 0, one), EOPNOTSUPP, "fallocate() that may extend it");
	gives(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, 0, one), EOPNOTSUPP,
	      "another mode");
	gives(fallocate(fd, PUNCH, 1, one), EINVAL, "a hole at no page");
	gives(fallocate(fd, PUNCH, 0, one + 1), EINVAL, "a hole of no pages");
	gives(fallocate(fd, FALLOC_FL_KEEP_SIZE, one, size), EINVAL, "allocating beyond its end");
	gives(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size), 0, "allocating all of it");
	gives(fallocate(fd, PUNCH, 0, 2 * size), 0, "a hole over its end");
	gives(ftruncate(fd, 0), EINVAL, "ftruncate()");
	gives(read(fd, &byte, 1), EINVAL, "read()");
	gives(write(fd, &byte, 1), EINVAL, "write()");
	check(mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL,
	      "a private mapping is refused");
	mem = mmap(NULL, PAGES * page + page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		give_up("mmap");
	check(can_read(mem) && !mem[0], "the first page is there, and zero");
	check(can_read(mem + size - 1), "the last one is there");
	check(!can_read(mem + size), "behind the end there is SIGBUS");
	mem[page] = 1;
	gives(fallocate(fd, PUNCH, one, one), 0, "a hole");
	check(!mem[page], "it reads as zero");
	munmap(mem, PAGES * page + page);
	mem = must_map(mute);
	check(!can_read(mem), "without INIT_SHARED the process cannot read it");
	munmap(mem, PAGES * page);
	close(mute);
	mute = must_create(&vm, 0);
	check(mmap(NULL, page, PROT_READ, MAP_SHARED, mute, 0) == MAP_FAILED && errno == ENODEV,
	      "without MMAP it cannot be mapped");
	close(mute);
	close(vm.fd);
	close(vm.dev);
	gives(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size), 0, "the file outlives its VM's");
	close(fd);
}

/* ---- slots ---- */

static void test_regions(void)
{
	struct vm vm = bare_vm(), other = bare_vm();
	int fd = must_create(&vm, SHARED), foreign = must_create(&other, SHARED);
	int unmapped = must_create(&vm, 0), file = (int)must(open("/dev/zero", O_RDWR), "open");
	uint32_t flag = KVM_MEM_GUEST_MEMFD;
	struct kvm_userspace_memory_region2 odd = {
		.slot = SLOT,
		.flags = flag,
		.guest_phys_addr = BASE,
		.memory_size = page,
		.guest_memfd = (uint32_t)fd,
		.guest_memfd_offset = 1,
	};

	gives(set_region(vm.fd, SLOT, flag, BASE, page, NULL), EINVAL, "without the 2");
	gives(bind_pages(&vm, SLOT, flag | KVM_MEM_READONLY, fd, 0, 1), EINVAL, "read-only");
	gives(bind_pages(&vm, SLOT, flag | KVM_MEM_LOG_DIRTY_PAGES, fd, 0, 1), EINVAL, "logged");
	gives(bind_pages(&vm, SLOT, flag | 8, fd, 0, 1), EINVAL, "a flag that is not");
	gives(bind_pages(&vm, SLOT, flag, -1, 0, 1), EBADF, "no file");
	gives(bind_pages(&vm, SLOT, flag, file, 0, 1), EINVAL, "another file");
	gives(bind_pages(&vm, SLOT, flag, foreign, 0, 1), EINVAL, "another VM's");
	gives(bind_pages(&vm, SLOT, flag, unmapped, 0, 1), EINVAL, "one that cannot be mapped");
	gives(bind_pages(&vm, SLOT, flag, fd, 0, PAGES + 1), EINVAL, "more than there is");
	gives(bind_pages(&vm, SLOT, flag, fd, PAGES, 1), EINVAL, "what is behind its end");
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &odd), EINVAL, "no page of it");
	odd.guest_memfd_offset = -page;
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &odd), EINVAL, "an absurd page");
	odd.guest_memfd_offset = 0;
	odd.userspace_addr = 1;
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &odd), EINVAL, "an odd address");
	gives(bind_pages(&vm, SLOT, flag, fd, 2, 4), 0, "a part of it");
	gives(bind_pages(&vm, SLOT, flag, fd, 2, 4), EINVAL, "the same again");
	gives(bind_pages(&vm, SLOT, 0, fd, 2, 4), EINVAL, "without the flag");
	gives(bind_pages(&vm, SLOT, flag, fd, 8, 4), EINVAL, "it cannot be moved");
	gives(bind_pages(&vm, 2, flag, fd, 5, 1), EEXIST, "over another slot");
	odd.slot = 2;
	odd.userspace_addr = 0;
	odd.guest_memfd_offset = 2 * page;
	odd.guest_phys_addr = BASE + 64 * page;
	gives(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &odd), EINVAL,
	      "pages that another slot has");
	gives(bind_pages(&vm, 2, flag, fd, 6, 2), 0, "the next ones");
	gives(unbind(&vm, SLOT), 0, "deleting the slot");
	gives(unbind(&vm, SLOT), EINVAL, "... once only");
	gives(bind_pages(&vm, SLOT, flag, fd, 0, 6), 0, "and again");
	close(file);
	close(unmapped);
	close(foreign);
	close(fd);
	gives(unbind(&vm, SLOT), 0, "deleting a slot whose file is closed");
	close(vm.fd);
	close(vm.dev);
	close(other.fd);
	close(other.dev);
}

/* ---- a guest ---- */

/* Tells what is at x0, and stores x1 there; reads it until it is not x1 any more, and tells that. */
GUEST_CODE(use, "mov x10, #0x09000000\n"
		"1: ldr x2, [x0]\n"
		"str x2, [x10]\n"
		"str x1, [x0]\n"
		"str xzr, [x10, #8]\n"
		"2: ldr x2, [x0]\n"
		"cmp x2, x1\n"
		"b.eq 2b\n"
		"str x2, [x10]\n"
		"b 1b\n");

static void start(struct vm *vm, struct vcpu *vcpu, uint64_t at)
{
	start_guest(vm, vcpu, use, use_end);
	must(set_reg(vcpu, CORE_REG(regs[0]), at), "x0");
	must(set_reg(vcpu, CORE_REG(regs[1]), 0x5678), "x1");
}

/* Guest and process have one memory; what the process has mapped is not what the guest has. */
static void test_one_memory(void)
{
	uint64_t at = 3 * page + 8, *word;
	struct vcpu vcpu;
	struct runner r;
	struct vm vm;
	char *mem;
	int fd;

	start(&vm, &vcpu, BASE + at);
	fd = must_create(&vm, SHARED);
	mem = must_map(fd);
	word = (uint64_t *)(mem + at);
	must(bind_slot(&vm, fd), "the slot");
	*word = 0x1234;
	expect_write(&vcpu, MMIO_BASE, 8, 0x1234, "the guest reads what the process has written");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "it writes");
	check(*word == 0x5678, "the process reads that");
	munmap(mem, PAGES * page);
	run_in_thread(&r, &vcpu);
	mem = must_map(fd);
	word = (uint64_t *)(mem + at);
	check(*word == 0x5678, "it is there when the process maps it again");
	must(fallocate(fd, PUNCH, (off_t)(4 * page), (off_t)page), "a hole elsewhere");
	usleep(50000);
	is_in_guest(&r);
	must(fallocate(fd, PUNCH, (off_t)(3 * page), (off_t)page), "a hole");
	pthread_join(r.thread, NULL);
	check(!r.ret && mmio_value(&vcpu) == 0, "in a hole the guest reads zero");
	expect_write(&vcpu, MMIO_BASE, 8, 0, "... and again");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "it writes there");
	check(*word == 0x5678, "the process reads that");
	must(unbind(&vm, SLOT), "deleting the slot");
	must(bind_slot(&vm, fd), "the slot again");
	run_in_thread(&r, &vcpu);
	*word = 0x9abc;
	pthread_join(r.thread, NULL);
	check(!r.ret && mmio_value(&vcpu) == 0x9abc, "what was in the file stayed there");
	munmap(mem, PAGES * page);
	close(fd);
	end_guest(&vm, &vcpu);
}

static void test_closed(void)
{
	struct vcpu vcpu;
	struct runner r;
	struct vm vm;
	uint64_t gpa;
	int fd;

	start(&vm, &vcpu, BASE + page);
	fd = must_create(&vm, SHARED);
	must(bind_slot(&vm, fd), "the slot");
	expect_write(&vcpu, MMIO_BASE, 8, 0, "new memory is zero");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "the guest writes");
	run_in_thread(&r, &vcpu);
	close(fd);
	pthread_join(r.thread, NULL);
	errno = r.err;
	gives(r.ret, EFAULT, "KVM_RUN when the file is closed");
	memcpy(&gpa, (char *)vcpu.run + offsetof(struct kvm_run, hw) + 8, sizeof(gpa));
	check(vcpu.run->exit_reason == KVM_EXIT_MEMORY_FAULT && gpa == BASE + page,
	      "it says where: exit %u, %#llx", vcpu.run->exit_reason, (unsigned long long)gpa);
	end_guest(&vm, &vcpu);
}

static volatile sig_atomic_t bus_code;
static void *volatile bus_address;

static void note_bus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	bus_code = info->si_code;
	bus_address = info->si_addr;
}

/* As root. Another KVM has KVM_RUN fail. */
static void test_broken(void)
{
	struct sigaction action = { .sa_sigaction = note_bus, .sa_flags = SA_SIGINFO }, old;
	struct vcpu vcpu;
	struct vm vm;
	char *mem;
	long ret;
	int fd;

	start(&vm, &vcpu, BASE + 3 * page);
	fd = must_create(&vm, SHARED);
	mem = must_map(fd);
	must(bind_slot(&vm, fd), "the slot");
	expect_write(&vcpu, MMIO_BASE, 8, 0, "the guest reads");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "it writes");
	sigaction(SIGBUS, &action, &old);
	/* The kernel cannot remove it from the file, and says so, but knows that it is broken. */
	ret = on_keel() ? madvise(mem + 3 * page, page, MADV_HWPOISON) : -1;
	if (ret && (!on_keel() || errno != EBUSY)) {
		check(!on_keel() || errno == EINVAL || errno == EPERM, "nothing can be broken");
	} else {
		bus_code = 0;
		ret = ioctl(vcpu.fd, KVM_RUN, 0);
		check(ret < 0 && bus_code == BUS_MCEERR_AR && bus_address == (void *)(3 * page),
		      "of a broken page the process is told: code %d, address %p", (int)bus_code,
		      bus_address);
		must(fallocate(fd, PUNCH, (off_t)(3 * page), (off_t)page), "a hole");
		check(!run(&vcpu) && mmio_value(&vcpu) == 0, "in a hole there is another page");
	}
	sigaction(SIGBUS, &old, NULL);
	munmap(mem, PAGES * page);
	close(fd);
	end_guest(&vm, &vcpu);
}

/* The physical address of the page of the file that is mapped at @at. */
static uint64_t physical(const volatile char *at)
{
	int fd = (int)must(open("/proc/self/pagemap", O_RDONLY), "pagemap");
	uint64_t entry = 0;

	(void)*at;
	if (pread(fd, &entry, 8, (off_t)((uintptr_t)at / page * 8)) != 8)
		give_up("pagemap");
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * page;
}

/* Ask the kernel to take the page at @pa out of use, as one that will break. False: it never does. */
static bool soft_offline(uint64_t pa)
{
	int fd = open("/sys/devices/system/memory/soft_offline_page", O_WRONLY);
	char text[32];
	int len = snprintf(text, sizeof(text), "%#llx", (unsigned long long)pa);

	if (fd < 0)
		return false;
	check(write(fd, text, (size_t)len) < 0, "the kernel does not get it");
	close(fd);
	return true;
}

/* As root. The guest has a page that no process has mapped, nor has ever written to. */
static void test_soft_offline(void)
{
	struct vcpu vcpu;
	struct vm vm;
	uint64_t pa;
	char *mem;
	int fd;

	start(&vm, &vcpu, BASE + 3 * page);
	fd = must_create(&vm, SHARED);
	must(bind_slot(&vm, fd), "the slot");
	expect_write(&vcpu, MMIO_BASE, 8, 0, "the guest reads");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "it writes");
	mem = mmap(NULL, PAGES * page, PROT_READ, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		give_up("mmap of a guest_memfd");
	pa = physical(mem + 3 * page);
	munmap(mem, PAGES * page);
	if (on_keel() && pa && soft_offline(pa)) {
		mem = must_map(fd);
		check(*(uint64_t *)(mem + 3 * page) == 0x5678, "the page is still in the file");
		*(uint64_t *)(mem + 3 * page) = 0x1234;
		check(!run(&vcpu) && mmio_value(&vcpu) == 0x1234, "and is still the guest's");
		munmap(mem, PAGES * page);
	}
	close(fd);
	end_guest(&vm, &vcpu);
}

/* ---- holes all the time ---- */

#define ROUNDS 500

/* Counts in each of 16 pages from x0 on, x1 bytes long, and tells the number of rounds. */
GUEST_CODE(churn, "mov x10, #0x09000000\n"
		  "mov x5, #0\n"
		  "1: mov x2, x0\n"
		  "mov x3, #16\n"
		  "2: ldr x4, [x2]\n"
		  "add x4, x4, #1\n"
		  "str x4, [x2]\n"
		  "add x2, x2, x1\n"
		  "subs x3, x3, #1\n"
		  "b.ne 2b\n"
		  "add x5, x5, #1\n"
		  "cmp x5, #64\n"
		  "b.lo 1b\n"
		  "str x5, [x10]\n"
		  "mov x5, #0\n"
		  "b 1b\n");

static bool stop;

static void *run_on(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		if (run(vcpu))
			return arg;
	return NULL;
}

static void test_holes(void)
{
	unsigned int seed = 1, wrong = 0;
	struct vcpu vcpu;
	pthread_t thread;
	void *ret;
	struct vm vm;
	char *mem;
	int fd;

	start_guest(&vm, &vcpu, churn, churn_end);
	must(set_reg(&vcpu, CORE_REG(regs[0]), BASE), "x0");
	must(set_reg(&vcpu, CORE_REG(regs[1]), page), "x1");
	fd = must_create(&vm, SHARED);
	mem = must_map(fd);
	must(bind_slot(&vm, fd), "the slot");
	stop = false;
	if (pthread_create(&thread, NULL, run_on, &vcpu))
		give_up("a thread");
	for (unsigned int i = 0; i < ROUNDS; i++) {
		off_t at = (off_t)((seed = seed * 1103515245 + 12345) / 65536 % PAGES * page);

		must(fallocate(fd, PUNCH, at, (off_t)page), "a hole");
		mem[at + 64] = 1;
		must(fallocate(fd, PUNCH, at, (off_t)page), "a hole");
		wrong += mem[at + 64] != 0; /* a stale page of the guest's would not be this one */
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, &ret);
	check(!ret, "the guest went on while there were holes");
	check(!wrong, "%u of %u holes were not empty", wrong, ROUNDS);
	/* What the guest writes now is what the process reads. */
	memset(mem, 0, PAGES * page);
	must(run(&vcpu), "KVM_RUN");
	for (unsigned int i = 0; i < PAGES; i++)
		wrong += !*(uint64_t *)(mem + i * page);
	check(!wrong, "guest and process have the same pages at the end");
	munmap(mem, PAGES * page);
	close(fd);
	end_guest(&vm, &vcpu);
}

int main(void)
{
	int dev = open_kvm();
	bool there = ioctl(dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_GUEST_MEMFD) > 0 &&
		     ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD_FLAGS) > 0;

	page = (size_t)sysconf(_SC_PAGESIZE);
	close(dev);
	if (!there) {
		struct vm vm = bare_vm();

		check(!on_keel() || slot_page(vm.dev) > page, "there is none");
		not_there(create(vm.fd, page, 0), "KVM_CREATE_GUEST_MEMFD");
		return finish();
	}
	test_create();
	test_file();
	test_regions();
	test_one_memory();
	test_closed();
	test_broken();
	test_soft_offline();
	test_holes();
	return finish();
}
