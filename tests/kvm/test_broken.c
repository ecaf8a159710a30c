// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory that is broken, and that the guest is the first to find out: by a module with fault
 * injection (linux/inject.h), which takes an interrupt's exit for an external abort there. For a
 * shipped module: nothing to test, which is a failure.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "parameters.h"

#define ABORT_AT   PARAMETER("abort_at")
#define ABORT_TOLD PARAMETER("abort_told")
#define BROKEN	   (GUEST_BASE + 0x8000)

struct arm_sea {
	uint64_t flags, esr, gva, gpa;
};

/* Writes to the page, and tells; then spins until x0 is set, and reads what is there. */
GUEST_CODE(touches, "mov x1, #0x09000000\n"
		    "mov x2, #0x40000000\n"
		    "add x2, x2, #0x8000\n"
		    "mov x3, #77\n"
		    "str x3, [x2]\n"
		    "str x1, [x1]\n"
		    "mov x0, #0\n"
		    "1: cbz x0, 1b\n"
		    "ldr x3, [x2]\n"
		    "str x3, [x1, #8]\n"
		    "b .\n");

static volatile sig_atomic_t bus_code;
static void *volatile bus_address;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (signal != SIGBUS)
		return;
	bus_code = info->si_code;
	bus_address = info->si_addr;
}

static struct vm vm;
static struct vcpu vcpu;

static void start(void)
{
	start_guest(&vm, &vcpu, touches, touches_end);
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest has the page");
	bus_code = 0;
	bus_address = NULL;
}

/* It spins behind "mov x0, #0", if it has got there. */
static void let_it_read(void)
{
	must(set_reg(&vcpu, CORE_REG(regs[0]), 1), "setting x0");
	must(set_reg(&vcpu, CORE_REG(pc), GUEST_BASE + 28), "setting pc");
}

static void test_broken(void)
{
	long ret;

	start();
	write_number(ABORT_AT, BROKEN);
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR, "the guest meets broken memory: EINTR (%s)",
	      ret < 0 ? strerror(errno) : "success");
	check(bus_code == BUS_MCEERR_AR && bus_address == vm.mem + 0x8000,
	      "SIGBUS says what and where: code %d, address %p (%p)", (int)bus_code, bus_address,
	      (void *)(vm.mem + 0x8000));
	bus_code = 0;
	let_it_read();
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR && bus_code == BUS_MCEERR_AR,
	      "... and again, when it touches the page: the kernel has taken it");
	if (mmap(vm.mem + 0x8000, 0x1000, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		give_up("mmap");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "with other memory there it goes on");
	end_guest(&vm, &vcpu);
}

/* The guest's doing, as far as anybody knows: the page stays. */
static void test_not_broken(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_SEA_TO_USER };
	const struct arm_sea *sea;
	long ret;

	start();
	must(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), "KVM_ENABLE_CAP");
	write_number(ABORT_TOLD, 1);
	write_number(ABORT_AT, BROKEN);
	ret = run(&vcpu);
	write_number(ABORT_TOLD, 0);
	sea = (const struct arm_sea *)(const void *)vcpu.run->padding;
	check(!ret && vcpu.run->exit_reason == KVM_EXIT_ARM_SEA, "KVM_EXIT_ARM_SEA (exit %u)",
	      vcpu.run->exit_reason);
	check(sea->flags == 1 && sea->gpa == BROKEN && sea->gva == (BROKEN | 0x123) &&
		      sea->esr == 0x92000010,
	      "it says what and where (%#llx, %#llx, %#llx, %#llx)", (unsigned long long)sea->flags,
	      (unsigned long long)sea->gpa, (unsigned long long)sea->gva,
	      (unsigned long long)sea->esr);
	let_it_read();
	expect_write(&vcpu, MMIO_BASE + 8, 8, 77, "the page is there still");
	check(!bus_code, "there was no signal");
	end_guest(&vm, &vcpu);
}

/* ---- a VM that ends meanwhile ---- */

#define NO_VM PARAMETER("no_vm")

/* While the host goes down, say. It is not that nothing is there, which would be userspace's access. */
static void test_ended(void)
{
	long ret;

	start();
	must(set_reg(&vcpu, CORE_REG(pc), GUEST_BASE), "setting pc");
	must(madvise(vm.mem + 0x8000, 0x1000, MADV_DONTNEED), "MADV_DONTNEED");
	write_number(NO_VM, 1);
	vcpu.run->exit_reason = 0;
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	gives(ret, EIO, "KVM_RUN of a VM that ends while its memory is mapped");
	check(vcpu.run->exit_reason != KVM_EXIT_MMIO, "... and no access for userspace (exit %u)",
	      vcpu.run->exit_reason);
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "it has not ended in truth");
	end_guest(&vm, &vcpu);
}

/* ---- a page of a huge page ---- */

#define HUGE	   (2UL << 20)
#define PAGE	   4096UL
#define BROKEN_AT  (5 * PAGE)
#define ALIAS_BASE 0x80000000ULL
#define OTHER_BASE 0x90000000ULL
#define ROUNDS	   6

/* Writes x4 to each page from x0 to x1, tells, and spins until x9 is set; and again. */
GUEST_CODE(sweeps, "mov x10, #0x09000000\n"
		   "1: mov x5, x0\n"
		   "2: str x4, [x5, #64]\n"
		   "add x5, x5, #4096\n"
		   "cmp x5, x1\n"
		   "b.lo 2b\n"
		   "str x4, [x10]\n"
		   "3: cbz x9, 3b\n"
		   "b 1b\n");

/* A VM with the huge page at @base, and at @alias if that is not 0, and a vCPU that can use both. */
static struct vm huge_vm(char *huge, uint64_t base, uint64_t alias, struct vcpu *cpu)
{
	struct vm made = new_vm();

	*cpu = new_vcpu(&made, 0);
	load_code(&made, cpu, GUEST_BASE, sweeps, sweeps_end);
	must(set_region(made.fd, 1, 0, base, HUGE, huge), "a slot with a huge page");
	if (alias)
		must(set_region(made.fd, 2, 0, alias, HUGE, huge), "another slot with it");
	return made;
}

static void set_sweep(const struct vcpu *cpu, uint64_t from, uint64_t to, uint64_t again)
{
	must(set_reg(cpu, CORE_REG(pc), GUEST_BASE), "pc");
	must(set_reg(cpu, CORE_REG(regs[0]), from), "x0");
	must(set_reg(cpu, CORE_REG(regs[1]), to), "x1");
	must(set_reg(cpu, CORE_REG(regs[4]), 77), "x4");
	must(set_reg(cpu, CORE_REG(regs[9]), again), "x9");
}

static volatile bool stopped;

static void *sweep_on(void *arg)
{
	const struct vcpu *cpu = arg;

	while (!stopped)
		if (run(cpu) || cpu->run->exit_reason != KVM_EXIT_MMIO)
			return "its run ends otherwise";
	return NULL;
}

/* By a system call, which fails where the kernel has unmapped the page, and sends no signal. */
static bool can_read(const char *at)
{
	int pipes[2];
	long n;

	must(pipe(pipes), "pipe");
	n = write(pipes[1], at, 1);
	close(pipes[0]);
	close(pipes[1]);
	return n == 1;
}

static unsigned int good_pages(const char *huge)
{
	unsigned int i, good = 0;

	for (i = 0; i < HUGE / PAGE; i++)
		good += i * PAGE != BROKEN_AT && can_read(huge + i * PAGE) &&
			*(const volatile uint64_t *)(const void *)(huge + i * PAGE + 64) == 77;
	return good;
}

/*
 * The guest has it three times: whole; by its pages, at addresses that are not aligned as it is; and
 * in another VM, whose vCPU goes on using what is beside the broken page.
 */
static bool break_huge_page(char *huge)
{
	struct vcpu one, two;
	struct vm first = huge_vm(huge, ALIAS_BASE, ALIAS_BASE + HUGE + 3 * PAGE, &one);
	struct vm second = huge_vm(huge, OTHER_BASE + PAGE, 0, &two);
	pthread_t thread;
	bool unmapped;
	void *wrong;
	long ret;

	set_sweep(&one, ALIAS_BASE, ALIAS_BASE + HUGE, 0);
	expect_mmio(&one, true, MMIO_BASE, 8, "the guest has used the huge page");
	set_sweep(&one, ALIAS_BASE + HUGE + 3 * PAGE, ALIAS_BASE + 2 * HUGE + 3 * PAGE, 0);
	expect_mmio(&one, true, MMIO_BASE, 8, "... at other addresses");
	set_sweep(&two, OTHER_BASE + PAGE, OTHER_BASE + PAGE + HUGE, 1);
	expect_mmio(&two, true, MMIO_BASE, 8, "... in another VM");
	set_sweep(&two, OTHER_BASE + PAGE + BROKEN_AT + PAGE, OTHER_BASE + PAGE + HUGE, 1);
	stopped = false;
	bus_code = 0;
	pthread_create(&thread, NULL, sweep_on, &two);
	write_number(ABORT_AT, (long)(ALIAS_BASE + BROKEN_AT));
	ret = ioctl(one.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR && bus_code == BUS_MCEERR_AR &&
		      bus_address == huge + BROKEN_AT,
	      "one of its pages is broken: SIGBUS, address %p (%p)", bus_address,
	      (void *)(huge + BROKEN_AT));
	unmapped = !can_read(huge + BROKEN_AT);
	stopped = true;
	pthread_join(thread, &wrong);
	check(!wrong, "the other VM runs on%s%s", wrong ? ": " : "", wrong ? (char *)wrong : "");
	check(good_pages(huge) == HUGE / PAGE - 1, "its other pages are as they were (%u)",
	      good_pages(huge));
	bus_code = 0;
	set_sweep(&two, OTHER_BASE + PAGE + BROKEN_AT, OTHER_BASE + PAGE + HUGE, 1);
	ret = ioctl(two.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR && bus_code == BUS_MCEERR_AR,
	      "the other VM's access to the page: SIGBUS");
	end_guest(&first, &one);
	end_guest(&second, &two);
	return unmapped;
}

static void test_huge(void)
{
	char *room = map_memory(2 * HUGE);
	char *huge = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	unsigned int i, unmapped = 0;

	for (i = 0; i < ROUNDS; i++) {
		if (mmap(huge, HUGE, PROT_READ | PROT_WRITE,
			 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			give_up("mmap");
		must(madvise(huge, HUGE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
		memset(huge, 1, HUGE);
		unmapped += break_huge_page(huge);
	}
	check(unmapped == ROUNDS, "the kernel has taken the page from the process: %u of %u times",
	      unmapped, ROUNDS);
	munmap(room, 2 * HUGE);
}

/* ---- another process, whose memory changes at that time ---- */

#define INVALIDATE_MS PARAMETER("invalidate_ms")
#define LATE_MS	      6000

static int ready[2];

static void tell(const int *pipe_ends)
{
	if (write(pipe_ends[1], "", 1) != 1)
		give_up("write to a pipe");
}

static void wait_to_be_told(const int *pipe_ends)
{
	char byte;

	if (read(pipe_ends[0], &byte, 1) != 1)
		give_up("read from a pipe");
}

/*
 * It has discarded a page that counted as locked, and is about to discard another: the kernel holds
 * its mmap_lock, which is needed to count the first no more.
 */
static void discard_slowly(void)
{
	start();
	must(madvise(vm.mem + 0x8000, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	write_number(INVALIDATE_MS, LATE_MS);
	tell(ready);
	must(madvise(vm.mem, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	end_guest(&vm, &vcpu);
	_exit(failed);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_busy_neighbour(void)
{
	double took;
	int status;
	pid_t other;
	long ret;

	must(pipe(ready), "pipe");
	write_number(MEMLOCK, 1);
	other = fork();
	if (!other)
		discard_slowly();
	wait_to_be_told(ready);
	start();
	while (read_number(INVALIDATE_MS))
		usleep(1000);
	write_number(ABORT_AT, BROKEN);
	took = seconds();
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	took = seconds() - took;
	write_number(MEMLOCK, 0);
	check(ret < 0 && errno == EINTR && bus_code == BUS_MCEERR_AR,
	      "the guest meets broken memory while another process is busy: SIGBUS");
	check(took < LATE_MS / 2000.0, "... and does not wait for that one (%.2f s)", took);
	check(!waitpid(other, &status, WNOHANG), "it was busy all the time");
	waitpid(other, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "its own guest is well");
	end_guest(&vm, &vcpu);
}

int main(void)
{
	const struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	if (access(ABORT_AT, W_OK))
		give_up("this module has no fault injection");
	sigaction(SIGBUS, &action, NULL);
	test_broken();
	test_not_broken();
	test_ended();
	test_huge();
	test_busy_neighbour();
	return finish();
}
