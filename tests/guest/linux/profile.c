// SPDX-License-Identifier: BSD-2-Clause
/*
 * In a Linux guest: profile a loop of this program's own with arm_spe_0, as perf does it
 * (perf_event_open(2), the AUX area), and count where the samples are.
 *
 *	profile [TURNS [PERIOD]]	"profile: N samples, M in the loop, A of the array, B bad"
 *	profile loop [TURNS]		the loop alone, for perf: "array: FROM to END"
 */
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DATA_PAGES 8
#define AUX_SIZE   (4UL << 20)
#define RECORD	   64
#define EVENT_DIR  "/sys/bus/event_source/devices/arm_spe_0/"

/* arm_spe_0's format, which /sys describes (ts_enable config:0, pa_enable 1, load_filter 33...) */
#define TS_ENABLE 1ULL
#define ADDRESS	  0x00ffffffffffffffULL

static uint64_t array[4096];

/* The loop that is profiled; QEMU takes interrupts behind branches. */
static __attribute__((noinline)) void hot(uint64_t turns)
{
	uint64_t *at, value;

	while (turns--)
		for (at = array; at < array + 4096; at++)
			__asm__ volatile("b 1f\n1: ldr %0, [%1]\nb 2f\n2:\n"
					 : "=r"(value)
					 : "r"(at)
					 : "memory");
}

/* Behind hot(), so that its end is known. */
static __attribute__((noinline)) void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint32_t pmu_type(void)
{
	FILE *file = fopen(EVENT_DIR "type", "r");
	unsigned int type;

	if (!file || fscanf(file, "%u", &type) != 1)
		fail(EVENT_DIR "type");
	fclose(file);
	return type;
}

struct result {
	unsigned long samples, in_loop, bad, in_array;
};

static uint64_t number(const uint8_t *from, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return value;
}

/* One record's packets (ARM DDI 0487, D17.3). */
static void look_at(const uint8_t *record, struct result *r)
{
	uint64_t pc = 0, va = 0;
	bool ended = false;
	unsigned int i = 0;

	while (i < RECORD && !ended) {
		uint8_t header = record[i++];
		unsigned int bytes = 1U << (header >> 4 & 3);

		if (!header)
			continue;
		if (header == 1 || header == 0x71)
			ended = true;
		else if (header < 0x42 || header > 0xbf || i + bytes > RECORD)
			break;
		else if (header == 0xb0)
			pc = number(record + i, 8) & ADDRESS;
		else if (header == 0xb2)
			va = number(record + i, 8) & ADDRESS;
		i += header == 1 ? 0 : bytes;
	}
	r->samples++;
	r->bad += !ended || !pc;
	r->in_loop += pc >= (uintptr_t)hot && pc < (uintptr_t)fail;
	r->in_array += va >= (uintptr_t)array && va < (uintptr_t)(array + 4096);
}

static void profile(unsigned long turns, unsigned long period)
{
	struct perf_event_attr attr = {
		.type = pmu_type(),
		.size = sizeof(attr),
		.config = TS_ENABLE,
		.sample_period = period,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *header;
	struct result r = { 0 };
	const uint8_t *aux;
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		fail("perf_event_open");
	header = mmap(NULL, (DATA_PAGES + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		fail("mmap");
	header->aux_offset = (DATA_PAGES + 1) * page;
	header->aux_size = AUX_SIZE;
	aux = mmap(NULL, AUX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)header->aux_offset);
	if (aux == MAP_FAILED)
		fail("mmap of the AUX area");
	memset(array, 1, sizeof(array));
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		fail("PERF_EVENT_IOC_ENABLE");
	hot(turns);
	if (ioctl(fd, PERF_EVENT_IOC_DISABLE, 0))
		fail("PERF_EVENT_IOC_DISABLE");
	for (uint64_t at = 0; at + RECORD <= header->aux_head && at < AUX_SIZE; at += RECORD)
		look_at(aux + at, &r);
	printf("profile: %lu samples, %lu in the loop, %lu of the array, %lu bad\n", r.samples,
	       r.in_loop, r.in_array, r.bad);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "loop")) {
		printf("array: %p to %p\n", (void *)array, (void *)(array + 4096));
		hot(argc > 2 ? strtoul(argv[2], NULL, 0) : 2000);
		return 0;
	}
	profile(argc > 1 ? strtoul(argv[1], NULL, 0) : 2000,
		argc > 2 ? strtoul(argv[2], NULL, 0) : 20000);
	return 0;
}
