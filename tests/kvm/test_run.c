// SPDX-License-Identifier: BSD-2-Clause
/* KVM_RUN: exits, and how it is left from outside. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "kvmtest.h"

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

/* ---- MMIO ---- */

GUEST_CODE(writes, "mov x1, #0x09000000\n"
		   "ldr x2, =0x1122334455667788\n"
		   "strb w2, [x1]\n"
		   "strh w2, [x1, #2]\n"
		   "str w2, [x1, #4]\n"
		   "str x2, [x1, #8]\n"
		   "str xzr, [x1, #16]\n"
		   "b .\n"
		   ".ltorg\n");

static void test_mmio_writes(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, writes);
	expect_write(&vcpu, MMIO_BASE, 1, 0x88, "strb");
	expect_write(&vcpu, MMIO_BASE + 2, 2, 0x7788, "strh");
	expect_write(&vcpu, MMIO_BASE + 4, 4, 0x55667788, "str w");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0x1122334455667788, "str x");
	expect_write(&vcpu, MMIO_BASE + 16, 8, 0, "str xzr");
	end_guest(&vm, &vcpu);
}

/*
 * Each read fills x2; it is told by a write of all of x2. Loads with sign extension are not here:
 * QEMU leaves out ESR_ELx.ISS.SSE, so no hypervisor below it gets them right.
 */
GUEST_CODE(reads, "mov x1, #0x09000000\n"
		  "mov x2, #-1\n ldrb w2, [x1]\n str x2, [x1, #256]\n"
		  "mov x2, #-1\n ldrh w2, [x1]\n str x2, [x1, #256]\n"
		  "mov x2, #-1\n ldr w2, [x1]\n str x2, [x1, #256]\n"
		  "mov x2, #-1\n ldr x2, [x1]\n str x2, [x1, #256]\n"
		  "b .\n");

static void test_mmio_reads(void)
{
	static const struct {
		const char *insn;
		uint32_t len;
		uint64_t x2;
	} rows[] = {
		{ "ldrb w", 1, 0xf8 },
		{ "ldrh w", 2, 0xf7f8 },
		{ "ldr w", 4, 0xf5f6f7f8 },
		{ "ldr x", 8, 0xf1f2f3f4f5f6f7f8 },
	};
	const uint64_t data = 0xf1f2f3f4f5f6f7f8;
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	unsigned int i;

	LOAD(&vm, &vcpu, reads);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!expect_mmio(&vcpu, false, MMIO_BASE, rows[i].len, rows[i].insn))
			break;
		memcpy(vcpu.run->mmio.data, &data, 8);
		expect_write(&vcpu, MMIO_BASE + 256, 8, rows[i].x2, rows[i].insn);
	}
	end_guest(&vm, &vcpu);
}

/* A pair has no syndrome, and nobody can emulate it: the guest takes an abort to its own vector. */
GUEST_CODE(pair, "adr x0, 1f\n"
		 "msr vbar_el1, x0\n"
		 "isb\n"
		 "mov x1, #0x09000000\n"
		 "stp x2, x3, [x1, #16]\n"
		 "b .\n"
		 ".balign 2048\n"
		 "1: .space 0x200\n"
		 "mrs x3, esr_el1\n"
		 "mrs x4, far_el1\n"
		 "str x3, [x1]\n"
		 "str x4, [x1, #8]\n"
		 "b .\n");

static void test_no_syndrome(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, pair);
	expect_write(&vcpu, MMIO_BASE, 8, 0x96000050,
		     "a pair outside memory is an external abort of a write");
	expect_write(&vcpu, MMIO_BASE + 8, 8, MMIO_BASE + 16, "... with its address");
	end_guest(&vm, &vcpu);
}

GUEST_CODE(ask, "mov x1, #0x09000000\n ldr x0, [x1]\n str x0, [x1, #8]\n b .\n");

/* Stopped between a read and its answer, a vCPU keeps the answer: the device is not read twice. */
static void test_stopped_with_an_answer(void)
{
	struct kvm_mp_state stopped = { KVM_MP_STATE_STOPPED },
			    runnable = { KVM_MP_STATE_RUNNABLE };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint64_t data = 0x123456789abcdef0;

	LOAD(&vm, &vcpu, ask);
	expect_mmio(&vcpu, false, MMIO_BASE, 8, "a read");
	memcpy(vcpu.run->mmio.data, &data, sizeof(data));
	must(ioctl(vcpu.fd, KVM_SET_MP_STATE, &stopped), "KVM_SET_MP_STATE");
	vcpu.run->immediate_exit = 1;
	gives(run(&vcpu), EINTR, "KVM_RUN that only finishes the read");
	vcpu.run->immediate_exit = 0;
	must(ioctl(vcpu.fd, KVM_SET_MP_STATE, &runnable), "KVM_SET_MP_STATE");
	expect_write(&vcpu, MMIO_BASE + 8, 8, data, "the answer is there, and asked for once");
	end_guest(&vm, &vcpu);
}

/* Fetching where no memory is: the guest takes an abort to its own vector. */
GUEST_CODE(fetch, "adr x0, 1f\n"
		  "msr vbar_el1, x0\n"
		  "isb\n"
		  "mov x1, #0x09000000\n"
		  "add x2, x1, #0x1000\n"
		  "br x2\n"
		  ".balign 2048\n"
		  "1: .space 0x200\n"
		  "mrs x3, esr_el1\n"
		  "ubfx x3, x3, #26, #6\n"
		  "str x3, [x1]\n"
		  "b .\n");

static void test_fetch_from_device(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, fetch);
	expect_write(&vcpu, MMIO_BASE, 8, 0x21, "a fetch outside memory is an instruction abort");
	end_guest(&vm, &vcpu);
}

/* ---- power ---- */

/* It begins with a NOP, since a KVM_RUN first steps over the access that made the exit before. */
GUEST_CODE(psci, "nop\n"
		 "hvc #0\n"
		 "mov x1, #0x09000000\n"
		 "str x0, [x1]\n"
		 "b .\n");

#define FN_PSCI_VERSION 0x84000000
#define FN_CPU_ON	0xc4000003
#define FN_SYSTEM_OFF	0x84000008
#define FN_SYSTEM_RESET 0x84000009

static void expect_event(const struct vcpu *vcpu, uint32_t type, const char *what)
{
	long ret = run(vcpu);

	if (ret < 0) {
		gives(ret, 0, what);
		return;
	}
	check(vcpu->run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
		      vcpu->run->system_event.type == type,
	      "%s: system event %u (got exit %u, event %u)", what, type, vcpu->run->exit_reason,
	      vcpu->run->system_event.type);
}

static void test_psci(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	struct kvm_mp_state state;

	LOAD(&vm, &vcpu, psci);
	must(set_reg(&vcpu, CORE_REG(regs[0]), FN_PSCI_VERSION), "setting x0");
	if (expect_mmio(&vcpu, true, MMIO_BASE, 8, "PSCI_VERSION"))
		check(mmio_value(&vcpu) >= 0x10000, "PSCI 1.0 or later");
	must(set_reg(&vcpu, CORE_REG(pc), GUEST_BASE), "setting pc");
	must(set_reg(&vcpu, CORE_REG(regs[0]), FN_SYSTEM_OFF), "setting x0");
	expect_event(&vcpu, KVM_SYSTEM_EVENT_SHUTDOWN, "SYSTEM_OFF");
	must(ioctl(vcpu.fd, KVM_GET_MP_STATE, &state), "KVM_GET_MP_STATE");
	check(state.mp_state == KVM_MP_STATE_STOPPED, "the vCPU is stopped after SYSTEM_OFF");
	must(init_vcpu(vcpu.fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "init after SYSTEM_OFF");
	LOAD(&vm, &vcpu, psci);
	must(set_reg(&vcpu, CORE_REG(regs[0]), FN_SYSTEM_RESET), "setting x0");
	expect_event(&vcpu, KVM_SYSTEM_EVENT_RESET, "SYSTEM_RESET");
	end_guest(&vm, &vcpu);
}

GUEST_CODE(second, "mov x1, #0x09000000\n str x0, [x1, #32]\n b .\n");

static void *run_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	return (void *)run(vcpu);
}

/* vCPU 1 sleeps in KVM_RUN until vCPU 0 turns it on. */
static void test_cpu_on(void)
{
	struct vm vm = new_vm();
	struct vcpu first = new_vcpu(&vm, 0), other = raw_vcpu(&vm, 1);
	pthread_t thread;

	must(init_vcpu(other.fd, 1U << KVM_ARM_VCPU_PSCI_0_2 | 1U << KVM_ARM_VCPU_POWER_OFF),
	     "init");
	memcpy(vm.mem + 0x1000, second, (size_t)(second_end - second));
	LOAD(&vm, &first, psci);
	must(set_reg(&first, CORE_REG(regs[0]), FN_CPU_ON), "setting x0");
	must(set_reg(&first, CORE_REG(regs[1]), 1), "setting x1");
	must(set_reg(&first, CORE_REG(regs[2]), GUEST_BASE + 0x1000), "setting x2");
	must(set_reg(&first, CORE_REG(regs[3]), 0x77), "setting x3");
	pthread_create(&thread, NULL, run_thread, &other);
	usleep(100000);
	expect_write(&first, MMIO_BASE, 8, 0, "CPU_ON returns success");
	pthread_join(thread, NULL);
	check(other.run->exit_reason == KVM_EXIT_MMIO &&
		      other.run->mmio.phys_addr == MMIO_BASE + 32 && mmio_value(&other) == 0x77,
	      "the other vCPU began where it was told, with its argument");
	close(other.fd);
	end_guest(&vm, &first);
}

/* ---- the end of the machine ---- */

/* Counts, at 1 MiB into memory. */
GUEST_CODE(counting, "mov x1, #0x40100000\n"
		     "1: ldr x2, [x1]\n"
		     "add x2, x2, #1\n"
		     "str x2, [x1]\n"
		     "b 1b\n");

#define EVENT_ROUNDS 10

static atomic_bool over;

static void *run_for_ever(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!over)
		ioctl(vcpu->fd, KVM_RUN, 0);
	return NULL;
}

static void end_thread(pthread_t thread)
{
	struct timespec soon;
	int ret;

	over = true;
	do {
		pthread_kill(thread, SIGALRM);
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 10000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
		ret = pthread_timedjoin_np(thread, NULL, &soon);
	} while (ret == ETIMEDOUT);
}

/* Return: whether the other vCPU counts no further once userspace has been told of the end. */
static bool stops_other(const struct vm *vm, struct vcpu *first, struct vcpu *other)
{
	volatile uint64_t *counter = (uint64_t *)(void *)(vm->mem + 0x100000);
	pthread_t thread;
	uint64_t at_end;

	must(init_vcpu(first->fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "init");
	must(init_vcpu(other->fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "init");
	LOAD(vm, first, psci);
	load_code(vm, other, GUEST_BASE + 0x1000, counting, counting_end);
	must(set_reg(first, CORE_REG(regs[0]), FN_SYSTEM_OFF), "setting x0");
	*counter = 0;
	over = false;
	pthread_create(&thread, NULL, run_for_ever, other);
	while (*counter < 1000)
		usleep(100);
	if (run(first) || first->run->exit_reason != KVM_EXIT_SYSTEM_EVENT)
		give_up("SYSTEM_OFF");
	at_end = *counter;
	usleep(20000);
	end_thread(thread);
	return *counter == at_end;
}

static void test_no_vcpu_outlives_the_end(void)
{
	struct vm vm = new_vm();
	struct vcpu first = new_vcpu(&vm, 0), other = raw_vcpu(&vm, 1);
	unsigned int i, good = 0;

	signal(SIGALRM, on_signal);
	for (i = 0; i < EVENT_ROUNDS; i++)
		good += stops_other(&vm, &first, &other);
	check(good == EVENT_ROUNDS,
	      "no vCPU runs once one has returned KVM_EXIT_SYSTEM_EVENT (%u of %u times)", good,
	      EVENT_ROUNDS);
	check(first.run->system_event.ndata == 1 && first.run->system_event.data[0] == 0,
	      "the event has one datum, 0");
	close(other.fd);
	end_guest(&vm, &first);
}

/* ---- leaving from outside ---- */

/* struct kvm_signal_mask, with the kernel's sigset_t. */
struct signal_mask {
	uint32_t len;
	uint8_t set[8];
};

GUEST_CODE(spin, "msr daifset, #0xf\n b .\n");
GUEST_CODE(sleeping, "1: wfi\n b 1b\n");

static void catch_alarm(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGALRM, &action, NULL);
}

/* KVM_RUN, with a signal in 100 ms that is to end it. */
static void expect_signal_ends(const struct vcpu *vcpu, const char *what)
{
	struct itimerval timer = { .it_value = { .tv_usec = 100000 } };
	long ret = 0;
	int before = signals;

	setitimer(ITIMER_REAL, &timer, NULL);
	while (signals == before) {
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
		if (!ret || errno != EINTR)
			break;
	}
	gives(ret, EINTR, what);
	check(signals == before + 1, "the signal was taken");
	check(vcpu->run->exit_reason == KVM_EXIT_INTR, "the exit reason is KVM_EXIT_INTR");
}

static bool is_pending(int sig)
{
	sigset_t pending;

	return !sigpending(&pending) && sigismember(&pending, sig);
}

/* A signal that is blocked but in KVM_RUN ends it, and is still pending afterwards. */
static void test_signal_mask(void)
{
	struct signal_mask mask = { .len = 4 };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	struct itimerval timer = { .it_value = { .tv_usec = 100000 } };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t usr1;
	int before;

	catch_alarm();
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	before = signals;
	gives(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, &mask), EINVAL, "a signal mask of 4 bytes");
	gives(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, 8UL), EFAULT, "a signal mask that is not there");
	mask.len = sizeof(mask.set);
	gives(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, &mask), 0, "a mask that blocks nothing");
	LOAD(&vm, &vcpu, spin);
	raise(SIGUSR1);
	check(is_pending(SIGUSR1), "the signal is blocked");
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "but not in KVM_RUN");
	check(signals == before && is_pending(SIGUSR1), "... after which it still waits");
	/* without a mask it does not end a run; another signal does */
	gives(ioctl(vcpu.fd, KVM_SET_SIGNAL_MASK, NULL), 0, "no mask");
	setitimer(ITIMER_REAL, &timer, NULL);
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "a signal that is not blocked");
	check(signals == before + 1 && is_pending(SIGUSR1), "... and only that was taken");
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	check(signals == before + 2, "the other is taken once it is not blocked");
	end_guest(&vm, &vcpu);
}

static void test_signals(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	catch_alarm();
	LOAD(&vm, &vcpu, spin);
	expect_signal_ends(&vcpu, "a signal, to a guest that spins with interrupts masked");
	LOAD(&vm, &vcpu, sleeping);
	expect_signal_ends(&vcpu, "a signal, to a guest in WFI");
	check(get_reg(&vcpu, CORE_REG(pc)) - GUEST_BASE <= 8, "it is where it was");
	end_guest(&vm, &vcpu);
}

/*
 * CPUs with too much to do: the thread is preempted all the time, which leaves the kernel more to
 * do on its way out than to see to signals.
 */
#define HOGS	4
#define SIGNALS 200

static atomic_uint handled, restarted, returned;

#define INSN_SVC 0xd4000001
#define NR_IOCTL 29

/* Whether KVM_RUN would be made once more by itself, and not return. */
static void look_where(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;

	(void)sig;
	(void)info;
	if (*(const uint32_t *)user->uc_mcontext.pc == INSN_SVC &&
	    user->uc_mcontext.regs[8] == NR_IOCTL && user->uc_mcontext.regs[1] == KVM_RUN)
		restarted++;
	handled++;
}

static void *hog(void *arg)
{
	while (!over)
		;
	return arg;
}

static void *run_and_count(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!over && ioctl(vcpu->fd, KVM_RUN, 0) < 0 && errno == EINTR)
		returned++;
	return NULL;
}

static void send_and_wait(pthread_t thread)
{
	unsigned int before = handled;

	usleep(500 + (useconds_t)rand() % 4000);
	pthread_kill(thread, SIGALRM);
	while (handled == before)
		usleep(100);
}

static void test_work_on_the_way_out(void)
{
	struct sigaction action = { .sa_sigaction = look_where, .sa_flags = SA_SIGINFO };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	pthread_t thread, hogs[HOGS];
	unsigned int i;

	LOAD(&vm, &vcpu, spin);
	sigaction(SIGALRM, &action, NULL);
	over = false;
	for (i = 0; i < HOGS; i++)
		pthread_create(&hogs[i], NULL, hog, NULL);
	pthread_create(&thread, NULL, run_and_count, &vcpu);
	usleep(500000);
	check(!returned, "KVM_RUN does not return because its thread was preempted (%u times)",
	      returned);
	for (i = 0; i < SIGNALS; i++)
		send_and_wait(thread);
	check(!restarted, "each signal ends KVM_RUN (%u of %u did not)", restarted, SIGNALS);
	end_thread(thread);
	for (i = 0; i < HOGS; i++)
		pthread_join(hogs[i], NULL);
	end_guest(&vm, &vcpu);
}

#define NT_PRSTATUS	 1
#define ERESTARTNOINTR	 513 /* the kernel's own: make the call again, without userspace */
#define SYSCALL_TRAP	 (SIGTRAP | 0x80)
#define TRACED_SYSCALLS	 100
#define TRACED_SIGNAL_MS 20

/* Runs a vCPU for ever; its system calls are seen by the parent, and a
 * signal comes now and then. */
__attribute__((noreturn)) static void be_traced(void)
{
	struct itimerval timer = { .it_value = { .tv_usec = TRACED_SIGNAL_MS * 1000 },
				   .it_interval = { .tv_usec = TRACED_SIGNAL_MS * 1000 } };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, spin);
	signal(SIGALRM, on_signal);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (;;)
		ioctl(vcpu.fd, KVM_RUN, 0);
}

/* What the traced process's system call returns, by x0 as it is now. */
static long x0_of(pid_t child)
{
	struct user_regs_struct regs = { 0 };
	struct iovec iov = { &regs, sizeof(regs) };

	must(ptrace(PTRACE_GETREGSET, child, (void *)NT_PRSTATUS, &iov), "PTRACE_GETREGSET");
	return (long)regs.regs[0];
}

/* Return: how often a system call of the child's was to be made again by the kernel. */
static unsigned int count_restarts(pid_t child)
{
	unsigned int stops = 0, restarts = 0;
	int status, deliver = 0;

	while (stops < 2 * TRACED_SYSCALLS) {
		must(ptrace(PTRACE_SYSCALL, child, NULL, (void *)(long)deliver), "PTRACE_SYSCALL");
		if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
			give_up("a traced process");
		deliver = WSTOPSIG(status) == SYSCALL_TRAP ? 0 : WSTOPSIG(status);
		if (deliver)
			continue;
		stops++;
		restarts += x0_of(child) == -ERESTARTNOINTR;
	}
	return restarts;
}

/* However busy the CPUs are: KVM_RUN is over when userspace hears of it, and not before. */
static void test_no_restart(void)
{
	pthread_t hogs[HOGS];
	unsigned int i, restarts;
	int status;
	pid_t child;

	fflush(stdout);
	child = (pid_t)must(fork(), "fork");
	if (!child)
		be_traced();
	if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		give_up("a process to trace");
	must(ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACESYSGOOD), "tracing");
	over = false;
	for (i = 0; i < HOGS; i++)
		pthread_create(&hogs[i], NULL, hog, NULL);
	restarts = count_restarts(child);
	over = true;
	for (i = 0; i < HOGS; i++)
		pthread_join(hogs[i], NULL);
	check(!restarts, "KVM_RUN is not made again by the kernel (%u of %u were)", restarts,
	      TRACED_SYSCALLS);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
}

static void test_immediate_exit(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, spin);
	vcpu.run->immediate_exit = 1;
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "immediate_exit");
	check(get_reg(&vcpu, CORE_REG(pc)) == GUEST_BASE, "no instruction ran");
	vcpu.run->immediate_exit = 0;
	LOAD(&vm, &vcpu, writes);
	expect_mmio(&vcpu, true, MMIO_BASE, 1, "without it the guest runs");
	end_guest(&vm, &vcpu);
}

/* KVM_RUN first finishes what userspace was asked for, then looks at immediate_exit. */
GUEST_CODE(one_read, "mov x1, #0x09000000\n ldr x2, [x1]\n b .\n");

static void test_finishes_first(void)
{
	const uint64_t data = 0x1234;
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, one_read);
	expect_mmio(&vcpu, false, MMIO_BASE, 8, "a read");
	memcpy(vcpu.run->mmio.data, &data, 8);
	vcpu.run->immediate_exit = 1;
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "immediate_exit after it");
	check(get_reg(&vcpu, CORE_REG(regs[2])) == data, "the read has its data");
	check(get_reg(&vcpu, CORE_REG(pc)) == GUEST_BASE + 8, "the guest is behind the read");
	end_guest(&vm, &vcpu);
}

/* That finishes what was asked for, and is no exit of its own. */
static void test_leaves_the_exit(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	unsigned int i;

	LOAD(&vm, &vcpu, writes);
	expect_write(&vcpu, MMIO_BASE, 1, 0x88, "a write");
	vcpu.run->immediate_exit = 1;
	for (i = 0; i < 2; i++) {
		gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "immediate_exit after it");
		check(vcpu.run->exit_reason == KVM_EXIT_MMIO &&
			      vcpu.run->mmio.phys_addr == MMIO_BASE && vcpu.run->mmio.len == 1 &&
			      vcpu.run->mmio.is_write && mmio_value(&vcpu) == 0x88,
		      "the exit before is still there to be read");
		check(get_reg(&vcpu, CORE_REG(pc)) == GUEST_BASE + 12, "the write is done, once");
	}
	vcpu.run->immediate_exit = 0;
	expect_write(&vcpu, MMIO_BASE + 2, 2, 0x7788, "the next one");
	end_guest(&vm, &vcpu);
}

/* The guest's own timer ends its sleep. CNTV: 50 ms from now, at any frequency. */
GUEST_CODE(timer, "mov x1, #0x09000000\n"
		  "mrs x2, cntfrq_el0\n"
		  "mov x3, #20\n"
		  "udiv x2, x2, x3\n"
		  "mrs x4, cntvct_el0\n"
		  "msr cntv_tval_el0, x2\n"
		  "mov x3, #1\n"
		  "msr cntv_ctl_el0, x3\n"
		  "isb\n"
		  "1: wfi\n"
		  "mrs x5, cntv_ctl_el0\n"
		  "tbz x5, #2, 1b\n"
		  "mrs x5, cntvct_el0\n"
		  "sub x5, x5, x4\n"
		  "udiv x5, x5, x2\n"
		  "str x5, [x1]\n"
		  "b .\n");

static void test_timer_wakes(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, timer);
	if (expect_mmio(&vcpu, true, MMIO_BASE, 8, "WFI ends when the virtual timer fires"))
		check(mmio_value(&vcpu) >= 1, "not before its time");
	end_guest(&vm, &vcpu);
}

/* A guest whose counter is far ahead of the machine's sleeps no longer than one whose is not. */
static void test_timer_wakes_after_a_move(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);

	LOAD(&vm, &vcpu, timer);
	must(set_reg(&vcpu, KVM_REG_ARM_TIMER_CNT, ~0ULL >> 1), "the guest's counter is set");
	if (expect_mmio(&vcpu, true, MMIO_BASE, 8, "WFI ends when the virtual timer fires there"))
		check(mmio_value(&vcpu) >= 1, "not before its time");
	end_guest(&vm, &vcpu);
}

/* vCPUs that work while they are run in turns by threads that come and go. */
static void test_other_thread(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	pthread_t thread;
	void *ret;

	LOAD(&vm, &vcpu, writes);
	expect_mmio(&vcpu, true, MMIO_BASE, 1, "KVM_RUN in one thread");
	pthread_create(&thread, NULL, run_thread, &vcpu);
	pthread_join(thread, &ret);
	check(!ret && vcpu.run->exit_reason == KVM_EXIT_MMIO && vcpu.run->mmio.len == 2,
	      "and in another");
	end_guest(&vm, &vcpu);
}

int main(void)
{
	test_mmio_writes();
	test_mmio_reads();
	test_no_syndrome();
	test_stopped_with_an_answer();
	test_fetch_from_device();
	test_psci();
	test_cpu_on();
	test_no_vcpu_outlives_the_end();
	test_signals();
	test_signal_mask();
	test_work_on_the_way_out();
	test_no_restart();
	test_immediate_exit();
	test_finishes_first();
	test_leaves_the_exit();
	test_other_thread();
	test_timer_wakes();
	test_timer_wakes_after_a_move();
	return finish();
}
