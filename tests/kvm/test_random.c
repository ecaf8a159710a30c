// SPDX-License-Identifier: BSD-2-Clause
/*
 * Eight threads call all of one VM's ioctls, with arguments at random, some good and most bad, while vCPUs run
 * and its memory comes and goes. Each VM's process is killed in the end. No call hangs or gives an error that
 * is not the API's, and the host is as it was: who runs this looks for that. As root.
 *
 *	test_random [VMs [seed [milliseconds]]]
 *
 * VMs: 6 if not given. milliseconds: how long each goes on, 1500 if not given.
 */
#include "kvmtest.h"

#include <linux/falloc.h>
#include <linux/mman.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define THREADS	   8
#define VCPUS	   4
#define FILES	   64
#define ARENA	   (8UL << 20)
#define ERRNO_MAX  133
#define ARGS_BYTES 4096UL

#define ITS_TYPE KVM_DEV_TYPE_ARM_VGIC_ITS

/* Adds to words all over its memory, with loads of devices between them. */
GUEST_CODE(wander, "mov x10, #0x09000000\n"
		   "movz x6, #0x7f2d\n"
		   "movk x6, #0x4c95, lsl #16\n"
		   "movk x6, #0xf42d, lsl #32\n"
		   "movk x6, #0x5851, lsl #48\n"
		   "mov x0, #0x40000000\n"
		   "1: mul x5, x5, x6\n"
		   "add x5, x5, #11\n"
		   "ubfx x8, x5, #30, #24\n"
		   "and x8, x8, #~7\n"
		   "orr x8, x8, #0x100000\n"
		   "add x8, x8, x0\n"
		   "ldr x9, [x8]\n"
		   "add x9, x9, #1\n"
		   "str x9, [x8]\n"
		   "tst x5, #0x3f000000\n"
		   "b.ne 1b\n"
		   "ldr x9, [x10]\n"
		   "b 1b\n");

/* What the process of a VM shares with the one that looks at it. */
struct shared {
	unsigned long calls;
	unsigned int errors[ERRNO_MAX + 1];
	unsigned long of_error[ERRNO_MAX + 1]; /* the last call that gave it */
};

static struct shared *shared;
static int files[FILES];
static unsigned int nr_files;
static char *arena;
static struct vcpu vcpus[VCPUS];

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

static uint64_t odd_number(uint64_t *seed)
{
	static const uint64_t some[] = {
		0,	    1,		2,	    3,		4,	    8,		16,
		26,	    32,		63,	    64,		128,	    512,	4095,
		4096,	    0x10000,	0x200000,   0x08000000, 0x080a0000, 0x09000000, GUEST_BASE,
		0x40100000, 0x7fffffff, 0xffffffff, 1ULL << 32, 1ULL << 40, 1ULL << 47, 1ULL << 48,
		1ULL << 63, ~0ULL,	~0xfffULL,
	};
	uint64_t at;

	switch (next(seed) % 6) {
	case 0:
		return next(seed) % 40;
	case 1:
		return (uintptr_t)arena + (next(seed) % ARENA & ~4095U);
	case 2:
		return (uint64_t)next(seed) << 32 | next(seed);
	case 3:
		return (uint64_t)files[next(seed) % FILES];
	default:
		at = next(seed) % (sizeof(some) / sizeof(some[0]));
		return some[at];
	}
}

/* Words of an argument, of 32 or 64 bits, and what it may point to behind it. */
static void fill(char *args, uint64_t *seed)
{
	for (unsigned int i = 0; i < 24; i++)
		((uint64_t *)(void *)args)[i] =
			next(seed) % 2 ? odd_number(seed)
				       : odd_number(seed) << 32 | (odd_number(seed) & 0xffffffff);
	if (next(seed) % 2)
		((uint64_t *)(void *)args)[1 + next(seed) % 3] = (uintptr_t)args + 256;
}

static void fill_region(struct kvm_userspace_memory_region2 *r, uint64_t *seed)
{
	static const uint32_t flags[] = { 0, 0, 1, 1, 2, 3, 4, 4, 8 };

	r->slot = 1 + next(seed) % 4;
	r->flags = flags[next(seed) % 9];
	r->guest_phys_addr = GUEST_BASE + 0x200000 + (next(seed) % 16 << 20);
	r->memory_size = next(seed) % 4 ? (next(seed) % 1024UL) << 12 : 0;
	r->userspace_addr = (uintptr_t)arena + (next(seed) % 1024UL << 12);
	r->guest_memfd = (uint32_t)files[next(seed) % FILES];
	r->guest_memfd_offset = (next(seed) % 8UL) << 20;
}

/* Numbers of ioctls are tried with their own size, which is part of them. */
static const unsigned long calls[] = {
	KVM_CHECK_EXTENSION,
	KVM_CREATE_VCPU,
	KVM_SET_USER_MEMORY_REGION,
	KVM_SET_USER_MEMORY_REGION2,
	KVM_SET_USER_MEMORY_REGION2,
	KVM_SET_USER_MEMORY_REGION,
	KVM_CREATE_GUEST_MEMFD,
	KVM_GET_DIRTY_LOG,
	KVM_CLEAR_DIRTY_LOG,
	KVM_RESET_DIRTY_RINGS,
	KVM_ARM_PREFERRED_TARGET,
	KVM_ENABLE_CAP,
	KVM_CREATE_IRQCHIP,
	KVM_ARM_SET_DEVICE_ADDR,
	KVM_CREATE_DEVICE,
	KVM_IRQ_LINE,
	KVM_SIGNAL_MSI,
	KVM_SET_GSI_ROUTING,
	KVM_IRQFD,
	KVM_IOEVENTFD,
	KVM_SET_SIGNAL_MASK,
	KVM_ARM_VCPU_INIT,
	KVM_ARM_VCPU_FINALIZE,
	KVM_GET_ONE_REG,
	KVM_SET_ONE_REG,
	KVM_GET_REG_LIST,
	KVM_GET_VCPU_EVENTS,
	KVM_SET_VCPU_EVENTS,
	KVM_GET_MP_STATE,
	KVM_SET_MP_STATE,
	KVM_SET_DEVICE_ATTR,
	KVM_GET_DEVICE_ATTR,
	KVM_HAS_DEVICE_ATTR,
	KVM_GET_VCPU_MMAP_SIZE,
	KVM_CREATE_VM,
	KVM_RUN,
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void keep_file(int fd)
{
	unsigned int at = __atomic_fetch_add(&nr_files, 1, __ATOMIC_RELAXED);
	int old = __atomic_exchange_n(&files[at < FILES ? at : 16 + at % (FILES - 16)], fd,
				      __ATOMIC_RELAXED);

	if (at >= FILES && old > 2)
		close(old);
}

static void set_some(unsigned long nr, char *args, uint64_t *seed)
{
	struct kvm_device_attr *attr = (void *)args;
	struct kvm_one_reg *reg = (void *)args;
	struct kvm_irq_level *line = (void *)args;
	struct kvm_create_guest_memfd *gmem = (void *)args;
	struct kvm_dirty_log *log = (void *)args;

	if (nr == KVM_SET_USER_MEMORY_REGION || nr == KVM_SET_USER_MEMORY_REGION2)
		fill_region((void *)args, seed);
	if (nr == KVM_CREATE_GUEST_MEMFD)
		*gmem = (struct kvm_create_guest_memfd){ .size = (next(seed) % 2048UL) << 12,
							 .flags = next(seed) % 5 };
	if (nr == KVM_SET_DEVICE_ATTR || nr == KVM_GET_DEVICE_ATTR || nr == KVM_HAS_DEVICE_ATTR)
		*attr = (struct kvm_device_attr){ .group = next(seed) % 12,
						  .attr = next(seed) % 2 ? next(seed) % 0x400
									 : odd_number(seed),
						  .addr = (uintptr_t)args + 256 };
	if (nr == KVM_GET_ONE_REG || nr == KVM_SET_ONE_REG)
		*reg = (struct kvm_one_reg){
			.id = KVM_REG_ARM64 | KVM_REG_SIZE_U64 |
			      (next(seed) % 2 ? KVM_REG_ARM_CORE | next(seed) % 0x100
					      : KVM_REG_ARM64_SYSREG | next(seed) % 0x10000),
			.addr = (uintptr_t)args + 256,
		};
	if (nr == KVM_IRQ_LINE)
		line->irq = (next(seed) % 3) << 24 | next(seed) % 8 << 16 | next(seed) % 128;
	if (nr == KVM_GET_DIRTY_LOG || nr == KVM_CLEAR_DIRTY_LOG) {
		log->slot = next(seed) % 5;
		((uint32_t *)(void *)args)[1] = next(seed) % 1024;
		((uint64_t *)(void *)args)[1] = next(seed) % 1024 & (next(seed) % 2 ? ~63UL : ~0UL);
		if (nr == KVM_CLEAR_DIRTY_LOG)
			((uint64_t *)(void *)args)[2] = (uintptr_t)args + 256;
		else
			log->dirty_bitmap = args + 256;
	}
}

static void note(unsigned long nr, long ret)
{
	int err = ret < 0 ? errno : 0;

	__atomic_fetch_add(&shared->calls, 1, __ATOMIC_RELAXED);
	if (err > ERRNO_MAX)
		err = ERRNO_MAX;
	__atomic_fetch_add(&shared->errors[err], 1, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->of_error[err], nr, __ATOMIC_RELAXED);
}

static void call(char *args, uint64_t *seed)
{
	unsigned long nr = calls[next(seed) % CALLS], arg = (uintptr_t)args;
	int fd = files[next(seed) % (nr_files < FILES ? nr_files : FILES)];
	long ret;

	fill(args, seed);
	if (next(seed) % 8)
		set_some(nr, args, seed);
	if (nr == KVM_CHECK_EXTENSION || nr == KVM_CREATE_VCPU || nr == KVM_CREATE_VM)
		arg = odd_number(seed);
	if (nr == KVM_RUN || next(seed) % 64 == 0)
		arg = 0;
	else if (next(seed) % 32 == 0)
		arg = odd_number(seed);
	if (nr == KVM_RUN && next(seed) % 2)
		vcpus[next(seed) % VCPUS].run->immediate_exit = 1;
	ret = ioctl(fd, nr, arg);
	note(nr, ret);
	if (nr == KVM_RUN)
		vcpus[next(seed) % VCPUS].run->immediate_exit = 0;
	if (ret > 2 && (nr == KVM_CREATE_GUEST_MEMFD || nr == KVM_CREATE_VCPU))
		keep_file((int)ret);
	else if (ret > 2 && nr == KVM_CREATE_VM)
		close((int)ret);
	if (!ret && nr == KVM_CREATE_DEVICE)
		keep_file((int)((struct kvm_create_device *)(void *)args)->fd);
}

/* The memory of the slots, and the files of it. */
static void change_memory(uint64_t *seed)
{
	static const int advice[] = { MADV_DONTNEED,	MADV_FREE, MADV_PAGEOUT,
				      MADV_HUGEPAGE,	MADV_COLD, MADV_MERGEABLE,
				      MADV_UNMERGEABLE, 25 };
	char *at = arena + (next(seed) % ARENA & ~4095U);
	size_t len = 1 + next(seed) % 0x80000;
	int fd = files[next(seed) % FILES];

	if (at + len > arena + ARENA)
		len = (size_t)(arena + ARENA - at);
	switch (next(seed) % 6) {
	case 0:
		(void)mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, fd,
			   (off_t)(next(seed) % 64) << 12);
		break;
	case 1:
		(void)mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
		break;
	case 2:
		(void)fallocate(fd,
				FALLOC_FL_KEEP_SIZE | (next(seed) % 4 ? FALLOC_FL_PUNCH_HOLE : 0),
				next(seed) % 2048L << 12, (off_t)((len + 4095) & ~4095UL));
		break;
	case 3:
		(void)mprotect(at, len, next(seed) % 4 ? PROT_READ | PROT_WRITE : PROT_READ);
		break;
	default:
		(void)madvise(at, len, advice[next(seed) % 8]);
	}
}

static void *go_wild(void *arg)
{
	uint64_t seed = *(const uint64_t *)arg;
	char *args = map_memory(4 * ARGS_BYTES);

	/* The end of an argument may be missing. */
	munmap(args + 2 * ARGS_BYTES, ARGS_BYTES);
	for (;;) {
		unsigned int at = next(&seed) % 16 ? 0 : 2 * ARGS_BYTES - 8 * (next(&seed) % 24);

		if (at)
			memset(args + ARGS_BYTES, (int)next(&seed), ARGS_BYTES);
		if (next(&seed) % 8 == 0)
			change_memory(&seed);
		else if (at)
			note(0, ioctl(files[next(&seed) % FILES], calls[next(&seed) % CALLS],
				      args + at));
		else
			call(args, &seed);
	}
	return NULL;
}

static void nothing(int number)
{
	(void)number;
}

/* Ends KVM_RUN in all threads, now and then. */
static void send_signals(const pthread_t *threads)
{
	for (;;) {
		for (unsigned int i = 0; i < THREADS; i++)
			pthread_kill(threads[i], SIGUSR1);
		usleep(5000);
	}
}

static void make_vm(struct vm *vm, uint64_t *seed)
{
	struct kvm_enable_cap ring = { .cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL, .args = { 65536 } };
	struct kvm_create_device its = { .type = ITS_TYPE };
	struct kvm_create_guest_memfd args = { .size = ARENA, .flags = 3 };

	*vm = bare_vm();
	for (unsigned int i = 0; i < FILES; i++)
		files[i] = vm->fd;
	if (next(seed) % 2)
		(void)ioctl(vm->fd, KVM_ENABLE_CAP, &ring);
	ring.cap = KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP;
	if (next(seed) % 2)
		(void)ioctl(vm->fd, KVM_ENABLE_CAP, &ring);
	vm->mem = map_memory(GUEST_SIZE);
	must(set_region(vm->fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm->mem), "memory");
	nr_files = 1;
	keep_file(vm->dev);
	for (unsigned int i = 0; i < VCPUS; i++) {
		vcpus[i] = new_vcpu(vm, i);
		load_code(vm, &vcpus[i], GUEST_BASE, wander, wander_end);
		must(set_reg(&vcpus[i], CORE_REG(regs[5]), next(seed)), "x5");
		keep_file(vcpus[i].fd);
	}
	if (next(seed) % 2) {
		add_gic(vm);
		keep_file(vm->gic);
		if (!ioctl(vm->fd, KVM_CREATE_DEVICE, &its))
			keep_file((int)its.fd);
	}
	keep_file(eventfd(0, EFD_NONBLOCK));
	keep_file(memfd_create("random", 0));
	(void)ftruncate(files[nr_files - 1], ARENA);
	for (unsigned int i = 0; i < 2; i++) {
		int fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &args);

		if (fd >= 0)
			keep_file(fd);
	}
}

__attribute__((noreturn)) static void be_wild(uint64_t seed)
{
	static uint64_t seeds[THREADS];
	pthread_t threads[THREADS];
	struct vm vm;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, nothing);
	arena = map_memory(ARENA);
	make_vm(&vm, &seed);
	for (unsigned int i = 0; i < THREADS; i++) {
		seeds[i] = (uint64_t)next(&seed) << 32 | next(&seed);
		if (pthread_create(&threads[i], NULL, go_wild, &seeds[i]))
			give_up("a thread");
	}
	send_signals(threads);
	_exit(1);
}

/* What KVM's documentation has for its calls. */
static bool is_known(int err)
{
	static const int known[] = {
		0,	EINTR,	EFAULT,	    EINVAL,  ENOTTY, EEXIST, EBUSY,
		ENOMEM, ENOENT, ENXIO,	    ENODEV,  EPERM,  E2BIG,  EAGAIN,
		EBADF,	EIO,	EOPNOTSUPP, ENOEXEC, ENOSPC, EMFILE, ERANGE,
	};

	for (unsigned int i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == err)
			return true;
	return false;
}

static void test_one(uint64_t seed, unsigned int ms)
{
	unsigned int unknown = 0;
	pid_t child;
	int status = 0;

	memset(shared, 0, sizeof(*shared));
	child = (pid_t)must(fork(), "fork");
	if (!child)
		be_wild(seed);
	usleep(ms * 1000);
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child)
		give_up("waitpid");
	for (int err = 0; err < ERRNO_MAX; err++) {
		if (!shared->errors[err] || is_known(err))
			continue;
		unknown++;
		printf("# seed %llu: call %#lx: %s\n", (unsigned long long)seed,
		       shared->of_error[err], strerror(err));
	}
	check(shared->calls && !unknown && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	      "seed %llu: %lu calls, %u good, %u kinds of unknown errors, ended by %d",
	      (unsigned long long)seed, shared->calls, shared->errors[0], unknown,
	      WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(int argc, char **argv)
{
	unsigned int vms = argc > 1 ? (unsigned int)atoi(argv[1]) : 6;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	unsigned int ms = argc > 3 ? (unsigned int)atoi(argv[3]) : 1500;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		give_up("mmap");
	for (unsigned int i = 0; i < vms; i++)
		test_one(seed + i, ms);
	return finish();
}
