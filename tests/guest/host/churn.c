// SPDX-License-Identifier: BSD-2-Clause
/*
 * churn [-f] COMMAND...: run a command and move its threads from CPU to CPU until it ends; its
 * status is churn's. With -f every CPU has a thread beside it that keeps values in all FP (and SVE)
 * registers, and looks whether they are still there whenever it is interrupted.
 *
 * Prints what it did: "churn: N moves", "churn: N looks, N values lost".
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOVE_US	 1500
#define HOLD	 300000 /* iterations that the registers are held: longer than a time slice here */
#define V_BYTES	 (32 * 16)
#define SVE_MAX	 256
#define HOG_NICE 5

static atomic_bool stopping;
static atomic_ulong looks, lost;
static atomic_uint hogs_done;

struct hog {
	unsigned int cpu;
	bool sve;
};

/* ---- threads that use FP ---- */

static void hold_v(const uint8_t *in, uint8_t *out)
{
	unsigned long count = HOLD;

	__asm__ volatile(
		"ldp q0, q1, [%1, #0]\n ldp q2, q3, [%1, #32]\n ldp q4, q5, [%1, #64]\n"
		"ldp q6, q7, [%1, #96]\n ldp q8, q9, [%1, #128]\n ldp q10, q11, [%1, #160]\n"
		"ldp q12, q13, [%1, #192]\n ldp q14, q15, [%1, #224]\n ldp q16, q17, [%1, #256]\n"
		"ldp q18, q19, [%1, #288]\n ldp q20, q21, [%1, #320]\n ldp q22, q23, [%1, #352]\n"
		"ldp q24, q25, [%1, #384]\n ldp q26, q27, [%1, #416]\n ldp q28, q29, [%1, #448]\n"
		"ldp q30, q31, [%1, #480]\n"
		"1: subs %0, %0, #1\n b.ne 1b\n"
		"stp q0, q1, [%2, #0]\n stp q2, q3, [%2, #32]\n stp q4, q5, [%2, #64]\n"
		"stp q6, q7, [%2, #96]\n stp q8, q9, [%2, #128]\n stp q10, q11, [%2, #160]\n"
		"stp q12, q13, [%2, #192]\n stp q14, q15, [%2, #224]\n stp q16, q17, [%2, #256]\n"
		"stp q18, q19, [%2, #288]\n stp q20, q21, [%2, #320]\n stp q22, q23, [%2, #352]\n"
		"stp q24, q25, [%2, #384]\n stp q26, q27, [%2, #416]\n stp q28, q29, [%2, #448]\n"
		"stp q30, q31, [%2, #480]\n"
		: "+&r"(count)
		: "r"(in), "r"(out)
		: "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
		  "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
		  "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

#define LDR_Z(n) "ldr z" #n ", [%1, #" #n ", mul vl]\n"
#define STR_Z(n) "str z" #n ", [%2, #" #n ", mul vl]\n"
#define ALL_Z(x)                                                                              \
	x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15) \
		x(16) x(17) x(18) x(19) x(20) x(21) x(22) x(23) x(24) x(25) x(26) x(27) x(28) \
			x(29) x(30) x(31)
/* P15 is left as a loop's governing predicate would be; FFR is written from P0. */
#define LDR_P(n) "ldr p" #n ", [%3, #" #n ", mul vl]\n"
#define STR_P(n) "str p" #n ", [%4, #" #n ", mul vl]\n"
#define ALL_P(x) \
	x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)

static void hold_z(const uint8_t *in, uint8_t *out, const uint8_t *p_in, uint8_t *p_out)
{
	unsigned long count = HOLD;

	__asm__ volatile(
		".arch_extension sve\n" ALL_Z(LDR_Z)
			ALL_P(LDR_P) "1: subs %0, %0, #1\n b.ne 1b\n" ALL_Z(STR_Z) ALL_P(STR_P)
		: "+&r"(count)
		: "r"(in), "r"(out), "r"(p_in), "r"(p_out)
		: "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10",
		  "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21",
		  "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

static unsigned int vector_bytes(void)
{
	unsigned long bytes;

	__asm__ volatile(".arch_extension sve\n rdvl %0, #1" : "=r"(bytes));
	return (unsigned int)bytes;
}

static void look(const struct hog *hog, uint8_t seed)
{
	static const unsigned int registers = 32;
	uint8_t in[32 * SVE_MAX], out[32 * SVE_MAX], p_in[32 * SVE_MAX / 8],
		p_out[32 * SVE_MAX / 8];
	unsigned int bytes = hog->sve ? vector_bytes() * registers : V_BYTES;

	for (unsigned int i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(seed + i * 7 + i / 256);
	for (unsigned int i = 0; i < sizeof(p_in); i++)
		p_in[i] = (uint8_t)(seed ^ i);
	memset(out, 0, sizeof(out));
	memset(p_out, 0, sizeof(p_out));
	if (hog->sve)
		hold_z(in, out, p_in, p_out);
	else
		hold_v(in, out);
	atomic_fetch_add(&looks, 1);
	if (memcmp(in, out, bytes) || (hog->sve && memcmp(p_in, p_out, bytes / registers * 2)))
		atomic_fetch_add(&lost, 1);
}

static void pin(pid_t thread, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(thread, sizeof(set), &set);
}

static void *hog_thread(void *arg)
{
	const struct hog *hog = arg;

	pin(0, hog->cpu);
	setpriority(PRIO_PROCESS, 0, HOG_NICE);
	for (uint8_t seed = (uint8_t)(hog->cpu * 77); !atomic_load(&stopping); seed += 13) {
		look(hog, seed);
		sched_yield();
	}
	atomic_fetch_add(&hogs_done, 1);
	return NULL;
}

static void start_hogs(unsigned int cpus)
{
	static struct hog hogs[64];
	pthread_t thread;

	for (unsigned int i = 0; i < cpus && i < 64; i++) {
		hogs[i] = (struct hog){ i, getauxval(AT_HWCAP) & (1 << 22) /* HWCAP_SVE */ };
		pthread_create(&thread, NULL, hog_thread, &hogs[i]);
	}
}

/* ---- moving ---- */

static unsigned long move_threads(pid_t child, unsigned int cpus)
{
	char path[64];
	struct dirent *entry;
	unsigned long moves = 0;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/task", child);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		pid_t thread = atoi(entry->d_name);

		if (thread > 0) {
			pin(thread, (unsigned int)rand() % cpus);
			moves++;
		}
	}
	if (directory)
		closedir(directory);
	return moves;
}

int main(int argc, char **argv)
{
	unsigned int cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	bool use_fp = argc > 1 && !strcmp(argv[1], "-f");
	unsigned long moves = 0;
	int status;
	pid_t child;

	argv += 1 + use_fp;
	if (!*argv) {
		fprintf(stderr, "usage: churn [-f] COMMAND...\n");
		return 2;
	}
	child = fork();
	if (!child) {
		execvp(*argv, argv);
		_exit(127);
	}
	if (use_fp)
		start_hogs(cpus);
	while (waitpid(child, &status, WNOHANG) == 0) {
		moves += move_threads(child, cpus);
		usleep(MOVE_US);
	}
	atomic_store(&stopping, true);
	while (use_fp && atomic_load(&hogs_done) < cpus)
		usleep(MOVE_US);
	printf("churn: %lu moves\n", moves);
	if (use_fp)
		printf("churn: %lu looks, %lu values lost\n", looks, lost);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
