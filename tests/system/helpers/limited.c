// SPDX-License-Identifier: BSD-2-Clause
/*
 * limited: run a program as an ordinary user that may lock only so much memory. Runs in the
 * system tests' host, whose busybox can set neither.
 *
 *   limited KIB PROGRAM ARGUMENT...
 *
 * Exit status: the program's; 127 if it could not be started.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define USER 1000

int main(int argc, char **argv)
{
	struct rlimit limit;

	if (argc < 3) {
		fprintf(stderr, "usage: limited KIB PROGRAM ARGUMENT...\n");
		return 127;
	}
	limit.rlim_cur = limit.rlim_max = strtoul(argv[1], NULL, 0) << 10;
	if (!setrlimit(RLIMIT_MEMLOCK, &limit) && !setgid(USER) && !setuid(USER))
		execvp(argv[2], argv + 2);
	perror("limited");
	return 127;
}
