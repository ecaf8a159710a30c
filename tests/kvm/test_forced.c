// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a machine does not do on demand, by a module with fault injection (linux/inject.h): a vCPU
 * that cannot run any more ends its VM, of which all others hear; memory is taken from a guest in
 * parts, however much the process discards; the process changes its memory between a fault's look
 * at it and the pin, or while the VM ends; huge pages around a fault are broken, or go; a slot moves,
 * or is logged from now on, while the module writes there; and the process discards the memory of one
 * whose deletion waits for that. For a shipped module: nothing to test, which is a failure.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "parameters.h"
#include "runner.h"

#define RUN_FAILS  PARAMETER("run_fails")
#define PIN_MS	   PARAMETER("pin_ms")
#define WRITE_MS   PARAMETER("write_ms")
#define MOST_TAKEN PARAMETER("most_taken")
#define MUCH	   (64UL << 20)
#define MUCH_BASE  0x80000000ULL
#define PART	   (8UL << 20) /* no more than that at once */
#define PAGE	   4096UL

GUEST_CODE(sleeps, "1: wfi\n"
		   "b 1b\n");
GUEST_CODE(spins, "b .\n");

/* Writes to each page from x0 to x1, and tells. */
GUEST_CODE(sweeps, "mov x10, #0x09000000\n"
		   "1: str x0, [x0]\n"
		   "add x0, x0, #4096\n"
		   "cmp x0, x1\n"
		   "b.lo 1b\n"
		   "str x0, [x10]\n"
		   "b .\n");

/* Reads at x0, and tells; and again. */
GUEST_CODE(reads, "mov x10, #0x09000000\n"
		  "1: ldr x6, [x0]\n"
		  "str x6, [x10]\n"
		  "b 1b\n");

/* Reads at x0, tells, and reads on. */
GUEST_CODE(reads_on, "mov x10, #0x09000000\n"
		     "ldr x6, [x0]\n"
		     "str x6, [x10]\n"
		     "1: ldr x6, [x0]\n"
		     "b 1b\n");

static void on_alarm(int signal)
{
	(void)signal;
}

/* ---- a vCPU that cannot run any more ---- */

static volatile int result = -1; /* of the other vCPU's run */

static void *run_other(void *arg)
{
	const struct vcpu *vcpu = arg;

	result = run(vcpu) < 0 ? errno : 0;
	return NULL;
}

static void wait_for_result(void)
{
	unsigned int tries;

	for (tries = 0; result < 0 && tries < 1000; tries++)
		usleep(10000);
}

static void test_run_page_fails(const char *code, const char *end, const char *what)
{
	struct vm vm = new_vm();
	struct vcpu first = new_vcpu(&vm, 0), other = new_vcpu(&vm, 1);
	pthread_t thread;
	int ended;

	load_code(&vm, &first, GUEST_BASE, spins, spins_end);
	load_code(&vm, &other, GUEST_BASE + 0x1000, code, end);
	result = -1;
	pthread_create(&thread, NULL, run_other, &other);
	usleep(300000); /* until it is there, most likely */
	write_number(RUN_FAILS, 1);
	/* Either may be the next that runs. */
	ended = ioctl(first.fd, KVM_RUN, 0) < 0 ? errno : 0;
	wait_for_result();
	check((ended == EFAULT && result == EIO) || (ended == EIO && result == EFAULT),
	      "EFAULT for the one, EIO for another that %s (%s, %s)", what, strerror(ended),
	      result < 0 ? "it does not end" : strerror(result));
	if (result < 0) {
		other.run->immediate_exit = 1;
		pthread_kill(thread, SIGALRM);
	}
	pthread_join(thread, NULL);
	gives(ioctl(first.fd, KVM_RUN, 0), EIO, "KVM_RUN afterwards");
	gives(init_vcpu(other.fd, 1U << KVM_ARM_VCPU_PSCI_0_2), EIO, "KVM_ARM_VCPU_INIT");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 2UL), EIO, "KVM_CREATE_VCPU");
	end_vcpu(&first);
	end_vcpu(&other);
	end_vm(&vm);
}

/* ---- much memory that is discarded at once ---- */

static void test_parts(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	char *much = map_memory(MUCH);

	madvise(much, MUCH, MADV_NOHUGEPAGE);
	must(set_region(vm.fd, 1, 0, MUCH_BASE, MUCH, much), "a slot");
	LOAD(&vm, &vcpu, sweeps);
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	must(set_reg(&vcpu, CORE_REG(regs[1]), MUCH_BASE + MUCH), "x1");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest has used much memory");
	write_number(MOST_TAKEN, 0);
	must(madvise(much, MUCH, MADV_DONTNEED), "MADV_DONTNEED");
	check(read_number(MOST_TAKEN) == (int)(PART / PAGE),
	      "it is taken in parts, of %d pages (%lu)", read_number(MOST_TAKEN), PART / PAGE);
	LOAD(&vm, &vcpu, sweeps);
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest has used it again");
	write_number(MOST_TAKEN, 0);
	must(set_region(vm.fd, 1, 0, MUCH_BASE, 0, much), "no slot");
	check(read_number(MOST_TAKEN) == (int)(PART / PAGE), "so is a slot's, of %d pages (%lu)",
	      read_number(MOST_TAKEN), PART / PAGE);
	end_vcpu(&vcpu);
	end_vm(&vm);
	munmap(much, MUCH);
}

/* ---- a VM that ends ---- */

#define SOME (4UL << 20)

/* The guest has written to all of @mem. */
static void start_with(char *mem, struct vm *vm, struct vcpu *vcpu)
{
	*vm = new_vm();
	*vcpu = new_vcpu(vm, 0);
	must(madvise(mem, SOME, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	must(set_region(vm->fd, 1, 0, MUCH_BASE, SOME, mem), "a slot");
	LOAD(vm, vcpu, sweeps);
	must(set_reg(vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	must(set_reg(vcpu, CORE_REG(regs[1]), MUCH_BASE + SOME), "x1");
	expect_mmio(vcpu, true, MMIO_BASE, 8, "the guest has used some memory");
}

/* EL2 ends it as a whole. To take memory that goes on to be used cleans caches, for each page. */
static void test_end(void)
{
	char *mem = map_memory(SOME);
	struct vm vm;
	struct vcpu vcpu;

	start_with(mem, &vm, &vcpu);
	write_number(MOST_TAKEN, 0);
	end_vcpu(&vcpu);
	close(vm.fd);
	check(!read_number(MOST_TAKEN), "no memory is taken from a VM that ends (%d pages)",
	      read_number(MOST_TAKEN));
	check(*(uint64_t *)(mem + SOME - PAGE) == MUCH_BASE + SOME - PAGE,
	      "the process has what the guest wrote");
	close(vm.dev);
	munmap(vm.mem, GUEST_SIZE);
	munmap(mem, SOME);
}

/* The process ends first: the kernel tells before it frees the memory, page by page. */
static void test_process_ends(void)
{
	pid_t child = (pid_t)must(fork(), "fork");
	int status = 0;

	if (!child) {
		struct vm vm;
		struct vcpu vcpu;

		start_with(map_memory(SOME), &vm, &vcpu);
		write_number(MOST_TAKEN, 0);
		kill(getpid(), SIGKILL);
	}
	waitpid(child, &status, 0);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a VMM is killed (%#x)",
	      (unsigned int)status);
	check(!read_number(MOST_TAKEN), "its VM ends as a whole (%d pages are taken)",
	      read_number(MOST_TAKEN));
}

static char *discarded;
static unsigned int discarded_after; /* microseconds */

static void *discard(void *arg)
{
	usleep(discarded_after);
	must(madvise(discarded, SOME, MADV_DONTNEED), "MADV_DONTNEED");
	return arg;
}

/* Before, during and after the steps of its end. */
static void test_discarded_at_the_end(void)
{
	discarded = map_memory(SOME);
	for (discarded_after = 0; discarded_after < 2000; discarded_after += 500) {
		struct vm vm;
		struct vcpu vcpu;
		pthread_t thread;

		start_with(discarded, &vm, &vcpu);
		pthread_create(&thread, NULL, discard, NULL);
		end_vcpu(&vcpu);
		close(vm.fd);
		pthread_join(thread, NULL);
		check(!*(uint64_t *)discarded, "memory goes after %u us, while its VM ends",
		      discarded_after);
		close(vm.dev);
		munmap(vm.mem, GUEST_SIZE);
	}
	munmap(discarded, SOME);
}

/* ---- memory that is not as a fault has seen it ---- */

/*
 * The fault finds several pages that the process may write, and is about to pin them for that. By
 * then the process may only read them, which is enough for this guest.
 */
static void test_protected_meanwhile(void)
{
	char *mem = map_memory(16 * PAGE);
	struct vm vm;
	struct vcpu vcpu;
	pthread_t thread;

	start_guest(&vm, &vcpu, reads, reads_end);
	must(madvise(mem, 16 * PAGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(mem, 1, 16 * PAGE);
	must(set_region(vm.fd, 1, 0, MUCH_BASE, 16 * PAGE, mem), "a slot");
	must(set_reg(&vcpu, CORE_REG(regs[0]), GUEST_BASE), "x0");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest runs");
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	write_number(PIN_MS, 1000);
	result = -1;
	pthread_create(&thread, NULL, run_other, &vcpu);
	usleep(300000);
	check(result < 0, "the fault waits");
	must(mprotect(mem, 16 * PAGE, PROT_READ), "mprotect");
	pthread_join(thread, NULL);
	check(!result && vcpu.run->exit_reason == KVM_EXIT_MMIO,
	      "the guest reads memory that becomes read-only during its fault: %s (exit %u)",
	      result ? strerror(result) : "success", vcpu.run->exit_reason);
	end_guest(&vm, &vcpu);
	munmap(mem, 16 * PAGE);
}

/* ---- broken memory beside that of a fault ---- */

#define HUGE   (2UL << 20)
#define BLOCKS 4

static volatile sig_atomic_t bus_count;
static void *volatile bus_address;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	bus_count++;
	bus_address = info->si_addr;
}

/* In @room, twice as large, BLOCKS huge pages, which are the guest's memory at MUCH_BASE. */
static char *add_huge_pages(struct vm *vm, char *room)
{
	char *mem = (char *)(((uintptr_t)room + BLOCKS * HUGE - 1) & ~(BLOCKS * HUGE - 1));

	must(madvise(mem, BLOCKS * HUGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	memset(mem, 1, BLOCKS * HUGE);
	must(set_region(vm->fd, 1, 0, MUCH_BASE, BLOCKS * HUGE, mem), "a slot of huge pages");
	return mem;
}

/*
 * A fault brings the huge pages that follow. One of them is broken, and still the process's since it
 * was pinned when the kernel found that.
 */
static void test_broken_neighbour(void)
{
	const struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	char *room, *mem;
	struct vm vm;
	struct vcpu vcpu;
	long ret;

	start_guest(&vm, &vcpu, reads, reads_end);
	room = map_memory(2 * BLOCKS * HUGE);
	mem = add_huge_pages(&vm, room);
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest reads the first");
	sigaction(SIGBUS, &action, NULL);
	(void)madvise(mem + HUGE, PAGE, MADV_HWPOISON); /* fails, as the page stays mapped */
	must(set_region(vm.fd, 1, 0, MUCH_BASE, 0, mem), "the slot goes");
	must(set_region(vm.fd, 1, 0, MUCH_BASE, BLOCKS * HUGE, mem), "... and comes");
	bus_count = 0;
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "it reads the first again");
	check(!bus_count, "no SIGBUS for the second, which it has not read (%d, %p)",
	      (int)bus_count, bus_address);
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE + HUGE), "x0");
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	check(!ret || errno == EINTR, "it ends its access to the first");
	if (!ret)
		ret = ioctl(vcpu.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR && bus_count && bus_address == mem + HUGE,
	      "it reads the second: SIGBUS, address %p (%p)", bus_address, (void *)(mem + HUGE));
	end_guest(&vm, &vcpu);
	munmap(room, 2 * BLOCKS * HUGE);
}

/* ---- memory that a fault brings besides, and that goes meanwhile ---- */

static void wait_for_pin(void)
{
	unsigned int tries;

	for (tries = 0; read_number(PIN_MS) && tries < 1000; tries++)
		usleep(10000);
	check(!read_number(PIN_MS), "memory is about to be pinned");
}

static unsigned int pages_there(char *at)
{
	static unsigned char there[HUGE / PAGE];
	unsigned int i, count = 0;

	must(mincore(at, HUGE, there), "mincore");
	for (i = 0; i < HUGE / PAGE; i++)
		count += there[i] & 1;
	return count;
}

/*
 * The guest reads the first of some huge pages. While the second is about to be pinned, which the
 * guest has not asked for, the process gives a part of it up, by @advice.
 */
static void test_gone_meanwhile(int advice, size_t size, const char *what)
{
	const struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	char *room, *mem;
	unsigned int left;
	struct vm vm;
	struct vcpu vcpu;
	pthread_t thread;

	start_guest(&vm, &vcpu, reads, reads_end);
	room = map_memory(2 * BLOCKS * HUGE);
	mem = add_huge_pages(&vm, room);
	must(set_reg(&vcpu, CORE_REG(regs[0]), GUEST_BASE), "x0");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest runs");
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	sigaction(SIGBUS, &action, NULL);
	bus_count = 0;
	result = -1;
	write_number(PIN_MS, 500);
	pthread_create(&thread, NULL, run_other, &vcpu);
	wait_for_pin();
	write_number(PIN_MS, 1000);
	wait_for_pin();
	must(madvise(mem + HUGE, size, advice), what);
	bus_count = 0; /* newer kernels tell the caller that they cannot split the huge page */
	left = pages_there(mem + HUGE);
	check(result < 0 && (advice == MADV_HWPOISON || !left),
	      "the fault has not ended (%u pages of the second are left)", left);
	pthread_join(thread, NULL);
	check(!result && vcpu.run->exit_reason == KVM_EXIT_MMIO,
	      "the guest reads the first, while the second goes by %s: %s (exit %u)", what,
	      result ? strerror(result) : "success", vcpu.run->exit_reason);
	check(pages_there(mem + HUGE) == left, "what has gone does not come back (%u of %u pages)",
	      pages_there(mem + HUGE), left);
	check(!bus_count, "no SIGBUS (%d, %p)", (int)bus_count, bus_address);
	end_guest(&vm, &vcpu);
	munmap(room, 2 * BLOCKS * HUGE);
}

/* ---- memory that goes meanwhile, and that only userspace could bring again ---- */

/* One run, which a signal ends. */
static void *run_once(void *arg)
{
	const struct vcpu *vcpu = arg;

	result = ioctl(vcpu->fd, KVM_RUN, 0) < 0 ? errno : 0;
	return NULL;
}

/* From here on, userspace brings what is not there. */
static int discard_for_good(char *mem, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)mem, size },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)must(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");

	must(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	must(ioctl(fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER");
	must(madvise(mem, size, MADV_DONTNEED), "MADV_DONTNEED");
	return fd;
}

/* Memory is there without userspace again: with huge pages, if it had them. */
static void bring_again(int fd, char *mem, size_t size)
{
	struct uffdio_range range = { (uintptr_t)mem, size };

	must(ioctl(fd, UFFDIO_UNREGISTER, &range), "UFFDIO_UNREGISTER");
	close(fd);
	memset(mem, 0, size);
}

/* The second of two pins of a fault waits now, if @second; otherwise the first. */
static void wait_for_last_pin(bool second)
{
	wait_for_pin();
	if (!second)
		return;
	write_number(PIN_MS, 1000);
	wait_for_pin();
}

/*
 * The fault finds a page, and is about to pin it. By then it has gone. A signal ends the wait. @large:
 * in a host with stage-2 pages of 64 KiB. A page of the kernel's is pinned, and then the 64 KiB around
 * it; they are part of a huge page.
 */
static void test_missing_meanwhile(bool large)
{
	size_t size = large ? HUGE : 16 * PAGE;
	char *room = map_memory(2 * HUGE);
	char *mem = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	unsigned int tries;
	struct vm vm;
	struct vcpu vcpu;
	pthread_t thread;
	int fd;

	start_guest(&vm, &vcpu, reads, reads_end);
	must(madvise(mem, size, large ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), "madvise");
	memset(mem, 1, PAGE);
	must(set_region(vm.fd, 1, 0, MUCH_BASE, 16 * PAGE, mem), "a slot");
	must(set_reg(&vcpu, CORE_REG(regs[0]), GUEST_BASE), "x0");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest runs");
	must(set_reg(&vcpu, CORE_REG(regs[0]), MUCH_BASE), "x0");
	write_number(PIN_MS, 1000);
	result = -1;
	pthread_create(&thread, NULL, run_once, &vcpu);
	wait_for_last_pin(large);
	fd = discard_for_good(mem, size);
	check(result < 0, "the fault waits");
	usleep(1500000);
	for (tries = 0; result < 0 && tries < 30; tries++) {
		pthread_kill(thread, SIGALRM);
		usleep(100000);
	}
	check(result == EINTR, "a signal ends the wait for memory that has gone: EINTR (%s)",
	      result < 0 ? "it waits" : strerror(result));
	bring_again(fd, mem, size);
	pthread_join(thread, NULL);
	expect_write(&vcpu, MMIO_BASE, 8, 0, "the guest goes on once it is there");
	end_guest(&vm, &vcpu);
	munmap(room, 2 * HUGE);
}

/* ---- a slot that changes while the module writes to its memory ---- */

/* HVC PV_TIME_ST; then it tells. */
GUEST_CODE(asks_for_time, "ldr w0, =0xc5000021\n"
			  "hvc #0\n"
			  "mov x10, #0x09000000\n"
			  "str x0, [x10]\n"
			  "b .\n"
			  ".ltorg\n");

static void wait_for_write(void)
{
	unsigned int tries;

	for (tries = 0; read_number(WRITE_MS) && tries < 1000; tries++)
		usleep(10000);
	check(!read_number(WRITE_MS), "guest memory is about to be written");
}

/*
 * The guest asks for its stolen time, in page 1 of the slot. While that is about to be written the
 * slot changes: it is at @to from then on, and logged.
 */
static void test_slot_changes_meanwhile(bool logged, uint64_t to, const char *what)
{
	uint64_t ipa = MUCH_BASE + PAGE, bits = 0;
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&ipa,
	};
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };
	uint32_t flags = logged ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	char *mem = map_memory(16 * PAGE);
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	pthread_t thread;

	memset(mem, 0xff, 16 * PAGE);
	LOAD(&vm, &vcpu, asks_for_time);
	must(set_region(vm.fd, 1, flags, MUCH_BASE, 16 * PAGE, mem), "a slot");
	must(ioctl(vcpu.fd, KVM_SET_DEVICE_ATTR, &attr), "stolen time");
	write_number(WRITE_MS, 1000);
	result = -1;
	pthread_create(&thread, NULL, run_other, &vcpu);
	wait_for_write();
	must(set_region(vm.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, to, 16 * PAGE, mem), what);
	check(!mem[PAGE], "%s: whoever was writing has written", what);
	pthread_join(thread, NULL);
	must(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	check(!logged || bits == 1 << 1, "%s: what was written meanwhile is dirty (%#llx)", what,
	      (unsigned long long)bits);
	check(!result && vcpu.run->exit_reason == KVM_EXIT_MMIO, "%s: the guest goes on (%d)", what,
	      result);
	end_guest(&vm, &vcpu);
	munmap(mem, 16 * PAGE);
}

struct deletion {
	int vm;
	char *mem;
	bool done;
};

static void *delete_slot(void *arg)
{
	struct deletion *d = arg;

	must(set_region(d->vm, 1, 0, MUCH_BASE, 0, d->mem), "the slot goes");
	__atomic_store_n(&d->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The reader's next exit is its access to what is not its memory any more. */
static void check_is_lost(const struct runner *reader, const struct deletion *deletion)
{
	const struct kvm_run *r = reader->vcpu->run;
	unsigned int tries;
	bool lost;

	for (tries = 0; !__atomic_load_n(&reader->done, __ATOMIC_ACQUIRE) && tries < 100; tries++)
		usleep(10000);
	lost = __atomic_load_n(&reader->done, __ATOMIC_ACQUIRE);
	check(!__atomic_load_n(&deletion->done, __ATOMIC_ACQUIRE), "the deletion still waits");
	check(lost, "the guest has nothing of what the process has discarded");
	check(!lost || (!reader->ret && r->exit_reason == KVM_EXIT_MMIO &&
			r->mmio.phys_addr == MUCH_BASE),
	      "it reads where it has no slot (%ld, exit %u)", reader->ret, r->exit_reason);
}

/*
 * The deletion of a slot waits for the module, which is about to write there, and takes the slot's
 * memory from the guest only after that. Meanwhile the process discards this memory.
 */
static void test_discarded_while_its_slot_goes(void)
{
	uint64_t ipa = MUCH_BASE + PAGE;
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&ipa,
	};
	char *mem = map_memory(16 * PAGE);
	struct vm vm = new_vm();
	struct vcpu writes = new_vcpu(&vm, 0), other = new_vcpu(&vm, 1);
	struct deletion deletion = { .vm = vm.fd, .mem = mem };
	struct runner reader, writer;
	pthread_t thread;

	must(madvise(mem, 16 * PAGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(mem, 1, 16 * PAGE);
	LOAD(&vm, &writes, asks_for_time);
	load_code(&vm, &other, GUEST_BASE + 0x1000, reads_on, reads_on_end);
	must(set_region(vm.fd, 1, 0, MUCH_BASE, 16 * PAGE, mem), "a slot");
	must(ioctl(writes.fd, KVM_SET_DEVICE_ATTR, &attr), "stolen time");
	must(set_reg(&other, CORE_REG(regs[0]), MUCH_BASE), "x0");
	expect_write(&other, MMIO_BASE, 8, 0x0101010101010101, "the guest has the memory");
	run_in_thread(&reader, &other);
	write_number(WRITE_MS, 5000);
	run_in_thread(&writer, &writes);
	wait_for_write();
	pthread_create(&thread, NULL, delete_slot, &deletion);
	usleep(300000); /* until it waits, most likely */
	is_in_guest(&reader);
	must(madvise(mem, 16 * PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	check_is_lost(&reader, &deletion);
	pthread_join(thread, NULL);
	pthread_join(reader.thread, NULL);
	pthread_join(writer.thread, NULL);
	check(!writer.ret && writes.run->exit_reason == KVM_EXIT_MMIO &&
		      writes.run->mmio.phys_addr == MMIO_BASE,
	      "whoever was writing goes on (%ld, exit %u)", writer.ret, writes.run->exit_reason);
	end_vcpu(&other);
	end_guest(&vm, &writes);
	munmap(mem, 16 * PAGE);
}

/* Without arguments; or, in a host with stage-2 pages of 64 KiB, "large". */
int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_alarm };

	if (access(RUN_FAILS, W_OK))
		give_up("this module has no fault injection");
	sigaction(SIGALRM, &action, NULL);
	if (argc > 1 && !strcmp(argv[1], "large")) {
		test_missing_meanwhile(true);
		return finish();
	}
	test_run_page_fails(sleeps, sleeps_end, "sleeps");
	test_run_page_fails(spins, spins_end, "is in the guest");
	test_parts();
	test_end();
	test_process_ends();
	test_discarded_at_the_end();
	test_protected_meanwhile();
	test_broken_neighbour();
	test_gone_meanwhile(MADV_DONTNEED, HUGE, "MADV_DONTNEED");
	test_gone_meanwhile(MADV_HWPOISON, PAGE, "MADV_HWPOISON");
	test_missing_meanwhile(false);
	test_slot_changes_meanwhile(true, 2 * MUCH_BASE, "a slot moves");
	test_slot_changes_meanwhile(false, MUCH_BASE, "logging begins");
	test_discarded_while_its_slot_goes();
	return finish();
}
