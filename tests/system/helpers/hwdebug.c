// SPDX-License-Identifier: BSD-2-Clause
/*
 * Debug as a debugger does it: a hardware breakpoint on a function and a watchpoint on a variable
 * of a child process, set by ptrace, each hit stepped over by a single step.
 *
 * usage: hwdebug [ROUNDS]
 * Says how many breakpoints and watchpoints the kernel offers; exit status 0 if each hit came, and
 * no other.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* As in Linux's asm/ptrace.h, which the C library's header does not go with. */
struct debug_regs {
	uint32_t info, pad;
	struct {
		uint64_t addr;
		uint32_t ctrl, pad;
	} reg[16];
};

/* Length, kind, EL0, enabled (Linux: struct arch_hw_breakpoint_ctrl). */
#define BREAK_EXECUTE (0xfU << 5 | 0U << 3 | 2U << 1 | 1)
#define WATCH_STORE   (0xffU << 5 | 2U << 3 | 2U << 1 | 1)
#define HW_TRAP	      4 /* TRAP_HWBKPT */

static volatile uint64_t watched __attribute__((aligned(8)));
static volatile uint64_t calls;

__attribute__((noinline)) static void target(void)
{
	calls++;
}

static void die(const char *what)
{
	printf("hwdebug: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void child(int rounds)
{
	/* Untraced first: a breakpoint that is somebody else's would be hit here. */
	for (int i = 0; i < rounds; i++) {
		target();
		watched = (uint64_t)i;
	}
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	for (int i = 0; i < rounds; i++) {
		target();
		watched = (uint64_t)i;
	}
	_exit(0);
}

static unsigned int slots(pid_t pid, int kind)
{
	struct debug_regs regs = { 0 };
	struct iovec vec = { &regs, sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, kind, &vec))
		die("PTRACE_GETREGSET");
	return regs.info & 0xff;
}

static void set(pid_t pid, int kind, uint64_t addr, uint32_t ctrl)
{
	struct debug_regs regs = { 0 };
	struct iovec vec = { &regs, offsetof(struct debug_regs, reg[1]) };

	regs.reg[0].addr = addr;
	regs.reg[0].ctrl = ctrl;
	if (ptrace(PTRACE_SETREGSET, pid, kind, &vec))
		die("PTRACE_SETREGSET");
}

static void arm(pid_t pid, bool on)
{
	set(pid, NT_ARM_HW_BREAK, (uintptr_t)target, on ? BREAK_EXECUTE : 0);
	set(pid, NT_ARM_HW_WATCH, (uintptr_t)&watched, on ? WATCH_STORE : 0);
}

/* Whether it has stopped by SIGTRAP; else it has ended well. */
static bool wait_for_trap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) {
		printf("hwdebug: the child ended, or stopped, with status %#x\n", status);
		exit(1);
	}
	return true;
}

static void step_over(pid_t pid)
{
	arm(pid, false);
	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
		die("PTRACE_SINGLESTEP");
	if (!wait_for_trap(pid)) {
		printf("hwdebug: it ended in a single step\n");
		exit(1);
	}
	arm(pid, true);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 100, breaks = 0, watches = 0, others = 0, status;
	pid_t pid = fork();

	if (!pid)
		child(rounds);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGSTOP)
		die("the child did not stop");
	printf("hwdebug: %u breakpoints, %u watchpoints\n", slots(pid, NT_ARM_HW_BREAK),
	       slots(pid, NT_ARM_HW_WATCH));
	arm(pid, true);
	for (;;) {
		siginfo_t info = { 0 };

		if (ptrace(PTRACE_CONT, pid, NULL, NULL))
			die("PTRACE_CONT");
		if (!wait_for_trap(pid))
			break;
		if (ptrace(PTRACE_GETSIGINFO, pid, NULL, &info))
			die("PTRACE_GETSIGINFO");
		if (info.si_code == HW_TRAP && info.si_addr == (void *)target)
			breaks++;
		else if (info.si_code == HW_TRAP && info.si_addr == (void *)&watched)
			watches++;
		else
			others++;
		step_over(pid);
	}
	printf("hwdebug: %d rounds, %d breaks, %d watches, %d others\n", rounds, breaks, watches,
	       others);
	return breaks != rounds || watches != rounds || others;
}
