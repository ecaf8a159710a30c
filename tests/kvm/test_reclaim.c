// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest's memory is the process's, and the kernel does with it what it does with any: it swaps it
 * out, merges equal pages, moves them, and makes huge pages of them, while vCPUs use it. Nothing is
 * lost, and nothing stale is seen. For a host with swap, as root.
 *
 *	test_reclaim [seconds]
 *
 * seconds: how long eight vCPUs check their memory in a storm of all of it; 5 if not given.
 */
#include "kvmtest.h"

#include <linux/mman.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#define MIB    (1UL << 20)
#define HUGE   (2 * MIB)
#define BASE   0x80000000ULL
#define VCPUS  8
#define SHARE  (2 * MIB) /* of a vCPU */
#define SIZE   (VCPUS * SHARE)
#define SPIN_S 60 /* how long the kernel may take for what it does by and by */

static uint64_t page;
static unsigned int seconds = 5;

/* ---- the guest ---- */

/*
 * Each page from x0 to x1, x2 bytes long, begins with x3, exclusive or its address if x4 is -1, and
 * gets the next number. Tells the number after each round; or where, and what was wrong.
 */
GUEST_CODE(rounds, "mov x10, #0x09000000\n"
		   "1: mov x5, x0\n"
		   "2: ldr x6, [x5]\n"
		   "and x7, x5, x4\n"
		   "eor x8, x3, x7\n"
		   "cmp x6, x8\n"
		   "b.ne 3f\n"
		   "add x9, x3, #1\n"
		   "eor x9, x9, x7\n"
		   "str x9, [x5]\n"
		   "add x5, x5, x2\n"
		   "cmp x5, x1\n"
		   "b.lo 2b\n"
		   "add x3, x3, #1\n"
		   "str x3, [x10]\n"
		   "b 1b\n"
		   "3: str x5, [x10, #8]\n"
		   "str x6, [x10, #16]\n"
		   "b 3b\n");

/* Reads the first word of each page from x0 to x1, and tells their exclusive or. */
GUEST_CODE(look, "mov x10, #0x09000000\n"
		 "1: mov x5, x0\n"
		 "mov x7, #0\n"
		 "2: ldr x6, [x5]\n"
		 "eor x7, x7, x6\n"
		 "add x5, x5, x2\n"
		 "cmp x5, x1\n"
		 "b.lo 2b\n"
		 "str x7, [x10]\n"
		 "b 1b\n");

#define ROUNDS_AT GUEST_BASE
#define LOOK_AT	  (GUEST_BASE + 0x10000)

/* A vCPU and its share of the memory. */
struct worker {
	struct vcpu vcpu;
	pthread_t thread;
	uint64_t from, to; /* guest addresses */
	uint64_t number;   /* of the round that is to begin */
	uint64_t wrong;	   /* where it was */
	uint64_t was, mask;
	unsigned int faults; /* the process had no such memory at that moment */
	int err;
};

static struct vm vm;
static struct worker workers[VCPUS];
static char *mem; /* SIZE bytes, aligned to HUGE */
static bool stop_storm, stop_vcpus;

static uint64_t *word_at(uint64_t ipa)
{
	return (uint64_t *)(mem + (ipa - BASE));
}

static uint64_t value(const struct worker *w, uint64_t ipa)
{
	return w->number ^ (ipa & w->mask);
}

static void fill(const struct worker *w)
{
	for (uint64_t ipa = w->from; ipa < w->to; ipa += page)
		*word_at(ipa) = value(w, ipa);
}

/* How many pages of @w are not what they should be. */
static unsigned int count_wrong(const struct worker *w)
{
	unsigned int wrong = 0;

	for (uint64_t ipa = w->from; ipa < w->to; ipa += page)
		wrong += *word_at(ipa) != value(w, ipa);
	return wrong;
}

static void set_up(struct worker *w, uint64_t code)
{
	/* Whatever it has exited for is done. */
	w->vcpu.run->immediate_exit = 1;
	(void)ioctl(w->vcpu.fd, KVM_RUN, 0);
	w->vcpu.run->immediate_exit = 0;
	must(set_reg(&w->vcpu, CORE_REG(regs[0]), w->from), "x0");
	must(set_reg(&w->vcpu, CORE_REG(regs[1]), w->to), "x1");
	must(set_reg(&w->vcpu, CORE_REG(regs[2]), page), "x2");
	must(set_reg(&w->vcpu, CORE_REG(regs[3]), w->number), "x3");
	must(set_reg(&w->vcpu, CORE_REG(regs[4]), w->mask), "x4");
	must(set_reg(&w->vcpu, CORE_REG(pc), code), "pc");
}

/* Equal pages at odd vCPUs' shares, which the kernel can merge. */
static void start(unsigned int vcpus)
{
	char *room = map_memory(SIZE + HUGE);

	mem = (char *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	madvise(mem, SIZE, MADV_NOHUGEPAGE);
	vm = new_vm();
	must(set_region(vm.fd, 1, 0, BASE, SIZE, mem), "the slot");
	memset(workers, 0, sizeof(workers));
	for (unsigned int i = 0; i < vcpus; i++) {
		struct worker *w = &workers[i];

		w->vcpu = new_vcpu(&vm, i);
		load_code(&vm, &w->vcpu, ROUNDS_AT, rounds, rounds_end);
		load_code(&vm, &w->vcpu, LOOK_AT, look, look_end);
		w->from = BASE + i * SHARE;
		w->to = w->from + SHARE;
		w->number = 1;
		w->mask = i % 2 ? 0 : ~0ULL;
		fill(w);
		set_up(w, ROUNDS_AT);
	}
}

static void end(unsigned int vcpus)
{
	for (unsigned int i = 0; i < vcpus; i++)
		end_vcpu(&workers[i].vcpu);
	end_vm(&vm);
	munmap(mem, SIZE);
}

/* One round. Whether it was as it should be. */
static bool go_round(struct worker *w)
{
	while (run(&w->vcpu) < 0) {
		/* The process has no such memory, at this moment. */
		if (errno != EFAULT && errno != EINTR && errno != EAGAIN) {
			w->err = errno;
			return false;
		}
		w->faults++;
		sched_yield();
	}
	if (w->vcpu.run->exit_reason != KVM_EXIT_MMIO) {
		w->err = EIO;
		return false;
	}
	if (w->vcpu.run->mmio.phys_addr == MMIO_BASE) {
		w->number = mmio_value(&w->vcpu);
		return true;
	}
	w->wrong = mmio_value(&w->vcpu);
	(void)run(&w->vcpu);
	w->was = mmio_value(&w->vcpu);
	return false;
}

static void good_round(struct worker *w, const char *what)
{
	bool good = go_round(w);

	check(good, "%s: the guest finds what it has written, and writes (%s, %#llx: %#llx)", what,
	      w->err ? strerror(w->err) : "", (unsigned long long)w->wrong,
	      (unsigned long long)w->was);
	check(!count_wrong(w), "%s: ... and so does the process", what);
}

/* ---- one after the other ---- */

static long number_in(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[256];
	long number = -1;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			number = strtol(line + strlen(name), NULL, 10);
	if (file)
		fclose(file);
	return number;
}

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

static long swapped_kib(void)
{
	return number_in("/proc/self/status", "VmSwap:");
}

/*
 * What was used since the kernel asked last stays for once. *@kib: how much is in swap then.
 */
static void swap_out(long *kib)
{
	for (unsigned int i = 0; i < 4; i++) {
		must(madvise(mem, SHARE, MADV_PAGEOUT), "MADV_PAGEOUT");
		*kib = swapped_kib();
		if (*kib >= (long)(SHARE >> 10) * 9 / 10)
			return;
	}
}

/* Memory that the guest has is swapped out, and comes back when it is accessed. */
static void test_swap(void)
{
	long kib;

	start(1);
	good_round(&workers[0], "before");
	for (int i = 0; i < 3; i++) {
		swap_out(&kib);
		check(kib >= (long)(SHARE >> 10) * 9 / 10,
		      "the guest's memory is swapped out (%ld of %lu KiB)", kib, SHARE >> 10);
		good_round(&workers[0], "swapped out");
	}
	/* It reads, and only that. */
	swap_out(&kib);
	set_up(&workers[0], LOOK_AT);
	check(!run(&workers[0].vcpu), "the guest reads what was swapped out");
	set_up(&workers[0], ROUNDS_AT);
	good_round(&workers[0], "read");
	end(1);
}

/* How many pages of @w are in swap. */
static unsigned int swapped_pages(const struct worker *w)
{
	static uint64_t entries[SHARE / 4096];
	int fd = must(open("/proc/self/pagemap", O_RDONLY), "pagemap");
	uint64_t pages = SHARE / page, first = (uintptr_t)word_at(w->from) / page;
	unsigned int swapped = 0;

	if (pread(fd, entries, pages * 8, (off_t)(first * 8)) != (ssize_t)(pages * 8))
		check(false, "pagemap: %s", strerror(errno));
	for (uint64_t i = 0; i < pages; i++)
		swapped += entries[i] >> 62 & 1;
	close(fd);
	return swapped;
}

/*
 * The kernel is told to swap out what two guests have, and asks which of it they use. Then one of them
 * uses its share, which the process does not touch; and what the other has goes.
 */
static void test_used(void)
{
	struct worker *used = &workers[0], *unused = &workers[1];
	unsigned int gone, stayed;

	start(2);
	good_round(used, "before");
	good_round(unused, "before");
	must(madvise(mem, 2 * SHARE, MADV_PAGEOUT), "MADV_PAGEOUT");
	check(go_round(used), "the guest uses its share");
	must(madvise(mem, 2 * SHARE, MADV_PAGEOUT), "MADV_PAGEOUT");
	stayed = SHARE / page - swapped_pages(used);
	gone = swapped_pages(unused);
	check(stayed >= SHARE / page / 2, "what the guest uses stays (%u of %lu pages)", stayed,
	      SHARE / page);
	check(gone >= SHARE / page / 2, "what it does not use goes (%u of %lu pages)", gone,
	      SHARE / page);
	good_round(used, "after");
	good_round(unused, "after");
	end(2);
}

/* Equal pages are one until the guest writes to them; it may read them. */
static void test_merged(void)
{
	const char *sharing = "/sys/kernel/mm/ksm/pages_sharing";
	long want = (long)(SHARE / page) / 2, got = 0;
	struct worker *w = &workers[1];

	if (access(sharing, R_OK))
		return;
	start(2);
	good_round(w, "before");
	must(madvise(mem + SHARE, SHARE, MADV_MERGEABLE), "MADV_MERGEABLE");
	put("/sys/kernel/mm/ksm/pages_to_scan", "5000");
	put("/sys/kernel/mm/ksm/sleep_millisecs", "10");
	check(put("/sys/kernel/mm/ksm/run", "1"), "pages are merged from now on");
	for (int i = 0; i < 10 * SPIN_S && got < want; i++) {
		usleep(100000);
		got = number_in(sharing, "");
	}
	check(got >= want, "equal pages of the guest are one (%ld, of %lu)", got, SHARE / page);
	put("/sys/kernel/mm/ksm/run", "0");
	set_up(w, LOOK_AT);
	check(!run(&w->vcpu) && !mmio_value(&w->vcpu), "the guest reads them");
	got = number_in(sharing, "");
	check(got >= want, "they are one as before (%ld)", got);
	set_up(w, ROUNDS_AT);
	good_round(w, "merged");
	good_round(w, "no longer merged");
	put("/sys/kernel/mm/ksm/run", "2");
	end(2);
}

/* The kernel moves a page elsewhere. */
static void test_moved(void)
{
	start(1);
	good_round(&workers[0], "before");
	for (int i = 0; i < 4; i++) {
		char *at = mem + (uint64_t)i * 5 * page;

		check(!madvise(at, page, MADV_SOFT_OFFLINE), "a page that the guest has moves: %s",
		      strerror(errno));
	}
	good_round(&workers[0], "moved");
	check(put("/proc/sys/vm/compact_memory", "1"), "memory is compacted");
	good_round(&workers[0], "compacted");
	end(1);
}

/* Pages that the guest has become a huge page; and are pages again. */
static void test_collapsed(void)
{
	start(1);
	good_round(&workers[0], "before");
	must(madvise(mem, SIZE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	check(!madvise(mem, HUGE, MADV_COLLAPSE), "pages that the guest has become a huge one: %s",
	      strerror(errno));
	good_round(&workers[0], "a huge page");
	must(madvise(mem, SHARE, MADV_PAGEOUT), "MADV_PAGEOUT");
	good_round(&workers[0], "swapped out again");
	end(1);
}

/* A child sees what was there at the fork, whatever the guest writes afterwards. */
static void test_forked(void)
{
	int tell[2], status = -1;
	pid_t child;
	char byte;

	start(1);
	good_round(&workers[0], "before");
	must(pipe(tell), "pipe");
	child = (pid_t)must(fork(), "fork");
	if (!child) {
		close(tell[1]);
		(void)!read(tell[0], &byte, 1);
		_exit(count_wrong(&workers[0]) ? 1 : 0);
	}
	close(tell[0]);
	good_round(&workers[0], "forked");
	good_round(&workers[0], "and again");
	close(tell[1]);
	waitpid(child, &status, 0);
	check(status == 0, "the child has what was there at the fork");
	end(1);
}

/* ---- all at once ---- */

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&stop_vcpus, __ATOMIC_RELAXED))
		if (!go_round(w))
			break;
	return NULL;
}

static void page_out(void)
{
	madvise(mem, SIZE, MADV_PAGEOUT);
}

static void protect(void)
{
	mprotect(mem, SIZE, PROT_READ);
	sched_yield();
	mprotect(mem, SIZE, PROT_READ | PROT_WRITE);
	usleep(1000);
}

static void fork_one(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	if (child > 0)
		waitpid(child, NULL, 0);
	usleep(5000);
}

/* A quarter of a MiB in the third share goes elsewhere, and comes back. */
static void move(void)
{
	char *at = mem + 2 * SHARE, *to;
	size_t size = MIB / 4;

	to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to == MAP_FAILED)
		return;
	if (mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED)
		mremap(to, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at);
	usleep(1000);
}

static void make_huge(void)
{
	madvise(mem + 4 * SHARE, SIZE - 4 * SHARE, MADV_HUGEPAGE);
	for (unsigned int i = 4; i < VCPUS; i++)
		madvise(mem + i * SHARE, SHARE, MADV_COLLAPSE);
	usleep(10000);
}

static void compact(void)
{
	put("/proc/sys/vm/compact_memory", "1");
	usleep(20000);
}

static void make_cold(void)
{
	madvise(mem, SIZE, MADV_COLD);
	usleep(1000);
}

static struct storm {
	const char *name;
	void (*once)(void);
	pthread_t thread;
	unsigned int times;
} storms[] = {
	{ .name = "page out", .once = page_out },   { .name = "protect", .once = protect },
	{ .name = "fork", .once = fork_one },	    { .name = "move", .once = move },
	{ .name = "make huge", .once = make_huge }, { .name = "compact", .once = compact },
	{ .name = "make cold", .once = make_cold },
};
#define STORMS (sizeof(storms) / sizeof(storms[0]))

static void *rage(void *arg)
{
	struct storm *storm = arg;

	for (; !__atomic_load_n(&stop_storm, __ATOMIC_RELAXED); storm->times++)
		storm->once();
	return NULL;
}

static void begin_storm(void)
{
	stop_storm = stop_vcpus = false;
	madvise(mem, SIZE, MADV_MERGEABLE);
	put("/sys/kernel/mm/ksm/run", "1");
	for (unsigned int i = 0; i < VCPUS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (unsigned int i = 0; i < STORMS; i++) {
		storms[i].times = 0;
		pthread_create(&storms[i].thread, NULL, rage, &storms[i]);
	}
}

static void end_storm(void)
{
	__atomic_store_n(&stop_storm, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < STORMS; i++) {
		pthread_join(storms[i].thread, NULL);
		check(storms[i].times, "%s: %u times", storms[i].name, storms[i].times);
	}
	/* mprotect() ends early where memory was elsewhere at that moment. */
	must(mprotect(mem, SIZE, PROT_READ | PROT_WRITE), "mprotect");
	put("/sys/kernel/mm/ksm/run", "0");
	__atomic_store_n(&stop_vcpus, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < VCPUS; i++)
		pthread_join(workers[i].thread, NULL);
}

static void test_storm(void)
{
	start(VCPUS);
	begin_storm();
	sleep(seconds);
	end_storm();
	for (unsigned int i = 0; i < VCPUS; i++) {
		struct worker *w = &workers[i];

		check(!w->err && !w->wrong && w->number > 1,
		      "vCPU %u: %llu rounds, %u waits for memory (%s, %#llx: %#llx)", i,
		      (unsigned long long)w->number, w->faults, w->err ? strerror(w->err) : "",
		      (unsigned long long)w->wrong, (unsigned long long)w->was);
		check(!count_wrong(w), "... and the process has what it has written");
	}
	end(VCPUS);
}

/* A VMM is killed within it. */
static void test_killed(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		pid_t child = (pid_t)must(fork(), "fork");
		int status = 0;

		if (!child) {
			start(VCPUS);
			begin_storm();
			sleep(600);
			_exit(1);
		}
		usleep(700000 + 137000 * i);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		      "a VMM is killed in the storm, and ends");
	}
	put("/sys/kernel/mm/ksm/run", "0");
}

int main(int argc, char **argv)
{
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (argc > 1)
		seconds = (unsigned int)strtoul(argv[1], NULL, 10);
	if (number_in("/proc/meminfo", "SwapTotal:") <= 0)
		give_up("no swap");
	test_swap();
	test_used();
	test_merged();
	test_moved();
	test_collapsed();
	test_forked();
	test_storm();
	test_killed();
	return finish();
}
