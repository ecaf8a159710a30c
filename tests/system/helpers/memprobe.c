// SPDX-License-Identifier: BSD-2-Clause
/*
 * memprobe: touch one physical address from the host, as a process or as the kernel, and say what
 * happened. Runs in the system tests' host.
 *
 *   memprobe read ADDR          load 8 bytes
 *   memprobe write ADDR VALUE   store 8 bytes
 *   memprobe kernel ADDR        have the kernel read it, by a write() from that address
 *
 * Exit status: 0 the access went through; 1 it could not be tried; 3 a signal, printed with its
 * code and address. A kernel that oopses on the access kills the program: no status at all; one
 * that deals with it makes write() fail.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STATUS_OK = 0, STATUS_ERROR = 1, STATUS_SIGNAL = 3 };

static void on_signal(int number, siginfo_t *info, void *context)
{
	char line[128];
	int length;

	(void)context;
	length = snprintf(line, sizeof(line), "memprobe: signal %s code %d address %p\n",
			  sigabbrev_np(number), info->si_code, info->si_addr);
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(STATUS_ERROR);
	_exit(STATUS_SIGNAL);
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGBUS, SIGSEGV, SIGILL };
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

static volatile uint64_t *map_physical(uint64_t address, int prot)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	char *base;

	if (fd < 0) {
		perror("memprobe: /dev/mem");
		exit(STATUS_ERROR);
	}
	base = mmap(NULL, page, prot, MAP_SHARED, fd, (off_t)(address & ~(page - 1)));
	if (base == MAP_FAILED) {
		perror("memprobe: mmap");
		exit(STATUS_ERROR);
	}
	return (volatile uint64_t *)(base + (address & (page - 1)));
}

static int do_read(uint64_t address)
{
	printf("memprobe: value %#lx\n", *map_physical(address, PROT_READ));
	return STATUS_OK;
}

static int do_write(uint64_t address, uint64_t value)
{
	*map_physical(address, PROT_READ | PROT_WRITE) = value;
	printf("memprobe: written\n");
	return STATUS_OK;
}

/* An eventfd's write takes no lock before it reads: an oops would leave nothing locked behind. */
static int do_kernel(uint64_t address)
{
	volatile uint64_t *target = map_physical(address, PROT_READ);
	int fd = eventfd(0, 0);

	if (fd < 0 || write(fd, (const void *)(uintptr_t)target, 8) != 8) {
		perror("memprobe: write");
		return STATUS_ERROR;
	}
	printf("memprobe: the kernel could read it\n");
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	uint64_t address;

	if (argc < 3) {
		fprintf(stderr, "usage: memprobe read|write|kernel ADDR [VALUE]\n");
		return STATUS_ERROR;
	}
	address = strtoull(argv[2], NULL, 0);
	catch_signals();
	if (!strcmp(argv[1], "read"))
		return do_read(address);
	if (!strcmp(argv[1], "write") && argc == 4)
		return do_write(address, strtoull(argv[3], NULL, 0));
	if (!strcmp(argv[1], "kernel"))
		return do_kernel(address);
	fprintf(stderr, "memprobe: cannot %s\n", argv[1]);
	return STATUS_ERROR;
}
