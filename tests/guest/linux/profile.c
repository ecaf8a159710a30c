// SPDX-License-Identifier: BSD-2-Clause
/*
 * In a Linux guest: profile a loop of this program's own with arm_spe_0, as perf does it
 * (perf_event_open(2), the AUX area), and count where the samples are.
 *
 * profile [TURNS [PERIOD]]
 *     "profile: N samples, D draws, H in hot(), W in warm(), L in their caller, A of the array, B
 *     bad; hot for T us of a second"; H, W and L are of D
 *
 * profile calls [TURNS [PERIOD]]
 *     system calls (sched_get_priority_max) in place of the loop, the kernel, too: "profile: N
 *     samples, K in the kernel, B bad"
 *
 * profile loop [TURNS]
 *     the loop alone, for perf: "array: FROM to END", and "hot for T us of a second"
 *
 * profile only-calls [TURNS]
 *     the system calls alone
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
#define EL_SHIFT  61 /* of the address in a PC packet (D17.3.4) */

#define ELEMENTS 4096
#define CHUNK	 256
#define CHUNKS	 (ELEMENTS / CHUNK)

static uint64_t array[ELEMENTS];

/*
 * What is profiled: loads, stores, branches that are not taken, and branches, because QEMU takes
 * interrupts only where a block that it has translated begins, which is behind one. Twice the same,
 * each within a page, since QEMU chains blocks within pages. Many instructions: see look_at().
 */
#define ALIKE __attribute__((noinline, noclone, no_icf, aligned(512)))
#define SWEEP(at, end)                                                       \
	do {                                                                 \
		uint64_t value_;                                             \
                                                                             \
		__asm__ volatile(".rept 16\n"                                \
				 "b 1f\n1: ldr %0, [%1]\n"                   \
				 "b 2f\n2: str %0, [%1], #8\n"               \
				 "b 3f\n3: cbz %0, 4f\n4:\n"                 \
				 ".endr\n"                                   \
				 : "=&r"(value_), "+r"(at)::"memory", "cc"); \
	} while (at < end)

static ALIKE void hot(uint64_t *at, const uint64_t *end)
{
	SWEEP(at, end);
}

static ALIKE void warm(uint64_t *at, const uint64_t *end)
{
	SWEEP(at, end);
}

static __attribute__((noinline)) uint64_t now(void)
{
	uint64_t value;

	__asm__ volatile("isb\nmrs %0, cntvct_el0" : "=r"(value)::"memory");
	return value;
}

/*
 * How long hot(), warm(), and looking at the clock take where nothing comes in between. A look
 * costs an emulator much, so few are taken.
 */
enum { HOT, WARM, LOOK, PARTS };
#define TURNS_TIMED 16
#define WARM_UP	    10 /* code is translated, caches fill */

static uint64_t least[PARTS] = { UINT64_MAX, UINT64_MAX, UINT64_MAX }, sum[PARTS], chunks[PARTS];

static void note(const uint64_t *times)
{
	static unsigned int notes;
	bool undisturbed = notes++ >= WARM_UP;
	unsigned int i;

	for (i = 0; i < PARTS; i++) {
		uint64_t took = times[i + 1] - times[i];

		if (took < least[i])
			least[i] = took;
		undisturbed &= took <= 2 * least[i];
	}
	for (i = 0; i < PARTS && undisturbed; i++)
		sum[i] += times[i + 1] - times[i];
}

/* Half of the array for each. */
static void timed(void)
{
	uint64_t *middle = array + ELEMENTS / 2, times[PARTS + 1];

	times[HOT] = now();
	hot(array, middle);
	times[WARM] = now();
	warm(middle, array + ELEMENTS);
	times[LOOK] = now();
	times[PARTS] = now();
	note(times);
	chunks[HOT] += CHUNKS / 2;
	chunks[WARM] += CHUNKS / 2;
}

/* xorshift */
static uint64_t random64(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

/* Each chunk is hot()'s in three of four cases, at random: a loop would beat with the samples. */
static __attribute__((noinline)) void loop(uint64_t turns)
{
	uint64_t *at, random;

	while (turns--) {
		if (turns % TURNS_TIMED == 0)
			timed();
		random = random64();
		for (at = array; at < array + ELEMENTS; at += CHUNK, random >>= 2) {
			bool is_hot = random & 3;

			chunks[is_hot ? HOT : WARM]++;
			if (is_hot)
				hot(at, at + CHUNK);
			else
				warm(at, at + CHUNK);
		}
	}
}

/* Microseconds of a second of the two. */
static double hot_time(void)
{
	double part[] = { [HOT] = (double)(chunks[HOT] * (sum[HOT] - sum[LOOK])),
			  [WARM] = (double)(chunks[WARM] * (sum[WARM] - sum[LOOK])) };

	return 1e6 * part[HOT] / (part[HOT] + part[WARM]);
}

static __attribute__((noinline)) void calls(uint64_t turns)
{
	while (turns--)
		syscall(SYS_sched_get_priority_max, 0);
}

/* Behind the loop, so that its end is known. */
static __attribute__((noinline)) void fail(const char *what)
{
	perror(what);
	exit(1);
}

static unsigned long count(const char *turns)
{
	return turns ? strtoul(turns, NULL, 0) : 2000;
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
	uint64_t last_pc;
	unsigned long samples, draws, in_hot, in_warm, in_caller, in_kernel, in_array, bad;
};

static uint64_t number(const uint8_t *from, unsigned int bytes)
{
	uint64_t value = 0;

	memcpy(&value, from, bytes);
	return value;
}

/*
 * One record's packets (ARM DDI 0487, D17.3). On an emulator that other processes keep from the CPU
 * a sample can fall due before the guest has gone on from the last one. Where the same instruction
 * comes again, that is no draw of its own; two draws are seldom the same of so many instructions.
 */
static void look_at(const uint8_t *record, struct result *r)
{
	uint64_t pc = 0, va = 0, level = 0;
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
			pc = number(record + i, 8);
		else if (header == 0xb2)
			va = number(record + i, 8) & ADDRESS;
		i += header == 1 ? 0 : bytes;
	}
	level = pc >> EL_SHIFT & 3;
	pc &= ADDRESS;
	r->samples++;
	r->bad += !ended || !pc || level > 1;
	r->in_kernel += level == 1;
	r->in_array += va >= (uintptr_t)array && va < (uintptr_t)(array + ELEMENTS);
	if (pc == r->last_pc)
		return;
	r->last_pc = pc;
	r->draws++;
	r->in_hot += pc >= (uintptr_t)hot && pc < (uintptr_t)warm;
	r->in_warm += pc >= (uintptr_t)warm && pc < (uintptr_t)now;
	r->in_caller += pc >= (uintptr_t)now && pc < (uintptr_t)fail;
}

/* Linux's driver fills a page up with packets of padding where there is no room in the next one. */
static bool is_padding(const uint8_t *record)
{
	static const uint8_t none[RECORD];

	return !memcmp(record, none, RECORD);
}

/* Padding is less than a page: more of it are records that are not there. */
static void look_at_all(const uint8_t *aux, uint64_t size, size_t page, struct result *r)
{
	unsigned long padding = 0;

	for (uint64_t at = 0; at + RECORD <= size && at < AUX_SIZE; at += RECORD) {
		if (is_padding(aux + at))
			padding++;
		else
			look_at(aux + at, r);
	}
	if (padding * RECORD >= page)
		r->bad += padding;
}

static struct result profile(void (*work)(uint64_t turns), bool kernel, const char *turns,
			     const char *period)
{
	struct perf_event_attr attr = {
		.type = pmu_type(),
		.size = sizeof(attr),
		.config = TS_ENABLE,
		.sample_period = period ? strtoul(period, NULL, 0) : 20000,
		.disabled = 1,
		.exclude_kernel = !kernel,
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
	if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		fail("PERF_EVENT_IOC_ENABLE");
	work(count(turns));
	if (ioctl(fd, PERF_EVENT_IOC_DISABLE, 0))
		fail("PERF_EVENT_IOC_DISABLE");
	look_at_all(aux, header->aux_head, page, &r);
	return r;
}

static void profile_loop(const char *turns, const char *period)
{
	struct result r = profile(loop, false, turns, period);

	printf("profile: %lu samples, %lu draws, %lu in hot(), %lu in warm(), %lu in their caller, "
	       "%lu of the array, %lu bad; hot for %.0f us of a second\n",
	       r.samples, r.draws, r.in_hot, r.in_warm, r.in_caller, r.in_array, r.bad, hot_time());
}

static void profile_calls(const char *turns, const char *period)
{
	struct result r = profile(calls, true, turns, period);

	printf("profile: %lu samples, %lu in the kernel, %lu bad\n", r.samples, r.in_kernel, r.bad);
}

static void loop_alone(const char *turns)
{
	printf("array: %p to %p\n", (void *)array, (void *)(array + ELEMENTS));
	loop(count(turns));
	printf("hot for %.0f us of a second\n", hot_time());
}

int main(int argc, char **argv)
{
	memset(array, 1, sizeof(array));
	/* argv[argc] is NULL */
	if (argc > 1 && !strcmp(argv[1], "loop"))
		loop_alone(argv[2]);
	else if (argc > 1 && !strcmp(argv[1], "only-calls"))
		calls(count(argv[2]));
	else if (argc > 1 && !strcmp(argv[1], "calls"))
		profile_calls(argv[2], argc > 2 ? argv[3] : NULL);
	else
		profile_loop(argv[1], argc > 1 ? argv[2] : NULL);
	return 0;
}
