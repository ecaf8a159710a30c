// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linux looks names up a word at a time, and reads up to 7 bytes over the end of a page: into the
 * next one, whoever has it. Here that is a VM's often enough. Many threads look up a path that
 * fills its buffer to the last byte, wait in it (its last part is a FIFO), and look it up again,
 * while VMs take the memory between their buffers.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kvmtest.h"

#define ROUNDS	50
#define READERS 16 /* a round */

static char path[4096];
static unsigned int looked_up; /* times that the path was found */

/* "./././.../f": a name that ends at the end of a page. */
static void make_path(void)
{
	size_t i;

	for (i = 0; i + 2 < sizeof(path) - 1; i += 2)
		memcpy(path + i, "./", 2);
	path[sizeof(path) - 2] = 'f';
	must(chdir("/tmp"), "chdir");
	unlink("f");
	must(mkfifo("f", 0600), "mkfifo");
}

static void *reader(void *unused)
{
	int i, fd;

	(void)unused;
	for (i = 0; i < 2; i++) {
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		__atomic_fetch_add(&looked_up, 1, __ATOMIC_RELAXED);
		close(fd);
	}
	return NULL;
}

/* Buffers and VMs turn about, so that one lies behind the other. All
 * stay until the process ends. */
static unsigned int fill_memory(pthread_t *threads)
{
	pthread_attr_t attr;
	unsigned int n = 0, round, i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (round = 0; round < ROUNDS; round++) {
		struct vm vm;

		for (i = 0; i < READERS; i++)
			n += !pthread_create(&threads[n], &attr, reader, NULL);
		usleep(2000);
		vm = bare_vm();
		must(ioctl(vm.fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
		must(ioctl(vm.fd, KVM_CREATE_VCPU, 1), "KVM_CREATE_VCPU");
	}
	return n;
}

/* Let all who wait in open() go on, until everybody has been there twice or seconds have passed. */
static void release_readers(unsigned int expected)
{
	int tries, fd;

	for (tries = 0; tries < 300; tries++) {
		if (__atomic_load_n(&looked_up, __ATOMIC_RELAXED) >= expected)
			return;
		fd = open("f", O_WRONLY | O_NONBLOCK);
		usleep(100000);
		if (fd >= 0)
			close(fd);
	}
}

int main(void)
{
	static pthread_t threads[ROUNDS * READERS];
	struct rlimit files = { 65536, 65536 };
	unsigned int n, i;

	must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	make_path();
	n = fill_memory(threads);
	check(n == ROUNDS * READERS, "%u threads wait in open(), beside %u VMs", n, ROUNDS);
	release_readers(2 * n);
	check(looked_up == 2 * n, "%u of %u times a path of 4095 bytes was found", looked_up,
	      2 * n);
	for (i = 0; i < n && looked_up == 2 * n; i++)
		pthread_join(threads[i], NULL);
	unlink("f");
	return finish();
}
