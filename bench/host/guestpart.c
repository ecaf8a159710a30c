// SPDX-License-Identifier: BSD-2-Clause
/*
 * guestpart COMMAND...: run a VMM and print how many instructions ran in its guests, EL2's and the
 * host's not among them. On stock KVM, which turns a host's counters off and on around a guest;
 * QEMU's PMU counts instructions exactly under -icount.
 *
 *   BENCH guest-instructions=N
 */
#include <err.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = 1,
		.inherit = 1,
		.enable_on_exec = 1,
		.exclude_host = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		err(1, "perf_event_open");
	return (int)fd;
}

int main(int argc, char **argv)
{
	int fd = open_counter(), status = 0;
	uint64_t count;
	pid_t child;

	if (argc < 2)
		errx(2, "usage: guestpart COMMAND...");
	child = fork();
	if (child == 0) {
		execvp(argv[1], argv + 1);
		err(1, "%s", argv[1]);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		err(1, "%s", argv[1]);
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		err(1, "read");
	printf("BENCH guest-instructions=%lu\n", count);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
