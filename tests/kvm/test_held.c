// SPDX-License-Identifier: BSD-2-Clause
/*
 * Guest memory that somebody else holds (a pipe, by vmsplice()), in a host that keeps memory which
 * cannot be moved apart: to be booted with kernelcore=. Where guests' memory is to be pinned
 * (memlock=1), keel.ko cannot move such a page to where it may be. The guest waits for it, and KVM_RUN
 * can be interrupted, killed and repeated; a page beside it is no reason to wait. Memory that is not
 * pinned need not be moved. Other KVMs do not pin: this test is for keel.ko.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "parameters.h"

#define PAGES	  16
#define SLOT_BASE 0x80000000ULL

/* Reads at x0, and tells; and again. */
GUEST_CODE(reads, "mov x10, #0x09000000\n"
		  "1: ldr x6, [x0]\n"
		  "str x6, [x10]\n"
		  "b 1b\n");

static void on_alarm(int signal)
{
	(void)signal;
}

static double seconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- a guest, one page of whose memory is held ---- */

static struct vm vm;
static struct vcpu vcpu;
static char *mem; /* PAGES, at SLOT_BASE */
static size_t page;
static int ends[2];

/* Page @held is in a pipe; the guest reads page 0 next. */
static void begin(unsigned int held)
{
	struct iovec part = { mem + held * page, page };

	must(madvise(mem, PAGES * page, MADV_DONTNEED), "MADV_DONTNEED");
	memset(mem, 1, PAGES * page);
	must(pipe(ends), "pipe");
	must(vmsplice(ends[1], &part, 1, 0), "vmsplice");
	start_guest(&vm, &vcpu, reads, reads_end);
	must(set_region(vm.fd, 1, 0, SLOT_BASE, PAGES * page, mem), "a slot");
	must(set_reg(&vcpu, CORE_REG(regs[0]), GUEST_BASE), "x0");
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest runs");
	must(set_reg(&vcpu, CORE_REG(regs[0]), SLOT_BASE), "x0");
}

static void let_go(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void *let_go_soon(void *arg)
{
	usleep(500000);
	let_go();
	return arg;
}

static void test_waits(void)
{
	const struct itimerval soon = { .it_value.tv_sec = 2 };
	double start = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_THREAD_CPUTIME_ID);
	pthread_t thread;

	begin(0);
	setitimer(ITIMER_REAL, &soon, NULL);
	gives(ioctl(vcpu.fd, KVM_RUN, 0), EINTR, "KVM_RUN, when a signal comes");
	start = seconds(CLOCK_MONOTONIC) - start;
	used = seconds(CLOCK_THREAD_CPUTIME_ID) - used;
	check(start > 1.5 && used < start / 2, "it has waited till then, asleep (%.2f of %.2f s)",
	      used, start);
	pthread_create(&thread, NULL, let_go_soon, NULL);
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "once nobody holds the page the guest goes on");
	pthread_join(thread, NULL);
	end_guest(&vm, &vcpu);
}

/* A fault brings pages that follow, if they can be had. */
static void test_neighbour(void)
{
	const struct itimerval late = { .it_value.tv_sec = 10 }, never = { 0 };
	long ret;

	begin(1);
	setitimer(ITIMER_REAL, &late, NULL);
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	gives(ret, 0, "KVM_RUN, beside a page that is held");
	setitimer(ITIMER_REAL, &never, NULL);
	check(vcpu.run->exit_reason == KVM_EXIT_MMIO, "... the guest goes on (exit %u)",
	      vcpu.run->exit_reason);
	let_go();
	end_guest(&vm, &vcpu);
}

static void test_killed(void)
{
	double start;
	int status;
	pid_t child = fork();

	if (!child) {
		begin(0);
		ioctl(vcpu.fd, KVM_RUN, 0);
		_exit(0);
	}
	sleep(2);
	check(!waitpid(child, &status, WNOHANG), "another process waits in KVM_RUN");
	start = seconds(CLOCK_MONOTONIC);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	check(WIFSIGNALED(status) && seconds(CLOCK_MONOTONIC) - start < 5, "it is killed");
}

static void test_not_pinned(void)
{
	const struct itimerval late = { .it_value.tv_sec = 10 }, never = { 0 };

	begin(0);
	setitimer(ITIMER_REAL, &late, NULL);
	gives(ioctl(vcpu.fd, KVM_RUN, 0), 0,
	      "KVM_RUN, of a page that is held and need not be pinned");
	setitimer(ITIMER_REAL, &never, NULL);
	let_go();
	end_guest(&vm, &vcpu);
}

int main(void)
{
	const struct sigaction action = { .sa_handler = on_alarm };

	page = (size_t)sysconf(_SC_PAGESIZE);
	mem = map_memory(PAGES * page);
	must(madvise(mem, PAGES * page, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	sigaction(SIGALRM, &action, NULL);
	test_not_pinned();
	write_number(MEMLOCK, 1);
	test_waits();
	test_neighbour();
	test_killed();
	write_number(MEMLOCK, 0);
	return finish();
}
