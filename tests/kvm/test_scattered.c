// SPDX-License-Identifier: BSD-2-Clause
/*
 * VMs of a host whose memory is in pieces: free pages lie alone, one in each 256 KiB, and 1,500
 * vCPUs take their pages from there.
 */
#include "kvmtest.h"

#define HOLE_SPACING (256UL << 10)
#define VMS	     3
#define VCPUS	     500

/* Fill @size bytes, and free a page here and there. */
static char *fragment(size_t size)
{
	char *mem = map_memory(size);
	size_t at;

	madvise(mem, size, MADV_NOHUGEPAGE);
	for (at = 0; at < size; at += 4096)
		mem[at] = 1;
	for (at = 0; at < size; at += HOLE_SPACING)
		must(madvise(mem + at, 4096, MADV_DONTNEED), "MADV_DONTNEED");
	return mem;
}

static size_t free_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	unsigned long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib << 10;
}

static void fill_with_vcpus(struct vm *vms)
{
	unsigned long i, made = 0;
	unsigned int n;

	for (n = 0; n < VMS; n++) {
		vms[n] = bare_vm();
		for (i = 0; i < VCPUS; i++) {
			long fd = ioctl(vms[n].fd, KVM_CREATE_VCPU, i);

			if (fd < 0 && !gives(fd, 0, "KVM_CREATE_VCPU"))
				return;
			close((int)fd);
			made++;
		}
	}
	check(made == VMS * VCPUS, "%lu vCPUs in memory that is in pieces", made);
}

int main(void)
{
	struct vm vms[VMS];
	size_t available = free_bytes();
	char *mem;
	unsigned int n;

	if (!check(available > (700UL << 20), "700 MiB are free"))
		return finish();
	mem = fragment((available - (300UL << 20)) & ~(HOLE_SPACING - 1));
	fill_with_vcpus(vms);
	for (n = 0; n < VMS; n++) {
		close(vms[n].fd);
		close(vms[n].dev);
	}
	check(mem[4096] == 1, "what the host kept is what it was");
	return finish();
}
