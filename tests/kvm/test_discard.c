// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the process does with its memory reaches the guest before the call returns
 * (KVM_CAP_SYNC_MMU): every way to discard it or to put other memory in its place, for pages, huge
 * pages and files, all of it and in part, and while vCPUs use it. Afterwards the guest and the
 * process must be at the same page.
 *
 *	test_discard [quick]
 *
 * quick: every test and every way, with fewer rounds of the races.
 */
#include "free_memory.h"
#include "kvmtest.h"

#include <linux/falloc.h>
#include <linux/mman.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#define MIB   (1UL << 20)
#define HUGE  (2 * MIB)
#define BASE  0x80000000ULL /* of the memory that the tests are about */
#define SIZE  (4 * HUGE)
#define READY 0x55aa55aa55aa55aaULL

static uint64_t page; /* what slots are multiples of */
static bool quick;

/* ---- the guest ---- */

/* Asks where; what to write, 0 for nothing; and tells what was there. */
GUEST_CODE(probe, "mov x10, #0x09000000\n"
		  "1: ldr x0, [x10]\n"
		  "ldr x1, [x10, #8]\n"
		  "ldr x2, [x0]\n"
		  "cbz x1, 2f\n"
		  "str x1, [x0]\n"
		  "2: str x2, [x10, #16]\n"
		  "b 1b\n");

/* Writes x4 to each page, x2 bytes long, from x0 to x1, at x3 in the page; tells; and again. */
GUEST_CODE(sweep, "mov x10, #0x09000000\n"
		  "1: mov x5, x0\n"
		  "2: str x4, [x5, x3]\n"
		  "add x5, x5, x2\n"
		  "cmp x5, x1\n"
		  "b.lo 2b\n"
		  "str x4, [x10]\n"
		  "b 1b\n");

/* Reads the first word of each page, and tells a sum of them. */
GUEST_CODE(sum, "mov x10, #0x09000000\n"
		"1: mov x5, x0\n"
		"mov x7, #0\n"
		"mov x8, #31\n"
		"2: ldr x6, [x5]\n"
		"madd x7, x7, x8, x6\n"
		"add x5, x5, x2\n"
		"cmp x5, x1\n"
		"b.lo 2b\n"
		"str x7, [x10]\n"
		"b 1b\n");

#define PROBE_AT GUEST_BASE
#define SWEEP_AT (GUEST_BASE + 0x10000)
#define SUM_AT	 (GUEST_BASE + 0x20000)
#define VCPUS	 2

static struct vm vm;
static struct vcpu vcpus[VCPUS];

/* Memory of one kind, which is in the slot at BASE. */
static struct memory {
	const char *name;
	char *mem;
	int fd; /* -1: anonymous */
	bool huge, hugetlb;
} now;

static void start(const struct memory *memory)
{
	int i;

	now = *memory;
	vm = new_vm();
	must(set_region(vm.fd, 1, 0, BASE, SIZE, now.mem), "the slot");
	for (i = 0; i < VCPUS; i++) {
		vcpus[i] = new_vcpu(&vm, (unsigned long)i);
		load_code(&vm, &vcpus[i], SWEEP_AT, sweep, sweep_end);
		load_code(&vm, &vcpus[i], SUM_AT, sum, sum_end);
		load_code(&vm, &vcpus[i], PROBE_AT, probe, probe_end);
	}
}

static void end(void)
{
	int i;

	for (i = 0; i < VCPUS; i++)
		end_vcpu(&vcpus[i]);
	end_vm(&vm);
}

/* Up to the next exit for userspace. The errno, or 0. */
static int go(const struct vcpu *vcpu)
{
	return run(vcpu) < 0 ? errno : 0;
}

static void answer(const struct vcpu *vcpu, uint64_t value)
{
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
}

/*
 * The guest reads at @offset, and writes @value there if it is not 0. The errno of KVM_RUN, or 0,
 * and *@seen is what it has read. After an error the access is still to be done: probe_again().
 */
static int probe_again(const struct vcpu *vcpu, uint64_t *seen)
{
	int err = go(vcpu);

	if (!err)
		*seen = mmio_value(vcpu);
	return err;
}

static int try_probe(const struct vcpu *vcpu, uint64_t offset, uint64_t value, uint64_t *seen)
{
	int err = go(vcpu);

	if (err)
		return err;
	answer(vcpu, BASE + offset);
	err = go(vcpu);
	if (err)
		return err;
	answer(vcpu, value);
	return probe_again(vcpu, seen);
}

static uint64_t guest_access(const struct vcpu *vcpu, uint64_t offset, uint64_t value)
{
	uint64_t seen = ~0ULL;
	int err = try_probe(vcpu, offset, value, &seen);

	if (err)
		check(false, "%s: the guest's access at %#llx: %s", now.name,
		      (unsigned long long)offset, strerror(err));
	return seen;
}

static volatile uint64_t *word(uint64_t offset)
{
	return (volatile uint64_t *)(void *)(now.mem + offset);
}

/* Each sees what the other writes. */
static bool same_page(uint64_t offset)
{
	static uint64_t token = READY;
	uint64_t mine = ++token, its = ++token;
	uint64_t seen;

	*word(offset) = mine;
	seen = guest_access(&vcpus[0], offset, its);
	return seen == mine && *word(offset) == its && guest_access(&vcpus[1], offset, 0) == its;
}

/* Of some all over the memory, and those around the ends of [@offset, @offset + @size). */
static unsigned int different_pages(uint64_t offset, uint64_t size)
{
	const uint64_t ends[] = { offset, offset + size - page, offset + size, offset - page };
	unsigned int i, n = 0;

	for (i = 0; i < 8; i++)
		n += !same_page(i * (SIZE / 8) + i * page);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		n += ends[i] < SIZE && !same_page(ends[i]);
	return n;
}

/* ---- ways to discard memory, and to put other memory there ---- */

/* What the process reads afterwards. */
enum after { ZERO, KEPT, EITHER };

static int dontneed(char *at, size_t size)
{
	return madvise(at, size, MADV_DONTNEED);
}

static int lazy_free(char *at, size_t size)
{
	return madvise(at, size, MADV_FREE);
}

static int remove_pages(char *at, size_t size)
{
	return madvise(at, size, MADV_REMOVE);
}

static int punch(char *at, size_t size)
{
	return fallocate(now.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at - now.mem,
			 (off_t)size);
}

static int truncate_file(char *at, size_t size)
{
	(void)size;
	return ftruncate(now.fd, at - now.mem) || ftruncate(now.fd, SIZE);
}

static int flags_of_map(void)
{
	if (now.fd >= 0)
		return MAP_SHARED | MAP_FIXED;
	return MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (now.hugetlb ? MAP_HUGETLB : 0);
}

static int map_at(char *at, size_t size)
{
	return mmap(at, size, PROT_READ | PROT_WRITE, flags_of_map(), now.fd,
		    now.fd >= 0 ? at - now.mem : 0) == at
		       ? 0
		       : -1;
}

static int unmap_and_map(char *at, size_t size)
{
	return munmap(at, size) || map_at(at, size);
}

static int no_access_and_back(char *at, size_t size)
{
	return mprotect(at, size, PROT_NONE) || mprotect(at, size, PROT_READ | PROT_WRITE);
}

static int read_only_and_back(char *at, size_t size)
{
	return mprotect(at, size, PROT_READ) || mprotect(at, size, PROT_READ | PROT_WRITE);
}

/* Away and back: the same pages, in a mapping that is made anew. */
static int move_and_back(char *at, size_t size)
{
	char *away = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *there = (char *)(((uintptr_t)away + HUGE - 1) & ~(HUGE - 1));

	if (mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, there) != there ||
	    mremap(there, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
		return -1;
	return munmap(away, size + HUGE);
}

/*
 * Each side of a fork writes while the other is there: copies, of which the guest's is the
 * parent's.
 */
static int fork_and_write(char *at, size_t size)
{
	pid_t child = fork();
	size_t i;
	int status;

	if (!child) {
		for (i = 0; i < size; i += page)
			*(volatile uint64_t *)(void *)(at + i + 64) = 1;
		_exit(0);
	}
	for (i = 0; i < size; i += page)
		*(volatile uint64_t *)(void *)(at + i + 128) = 2;
	return child < 0 || waitpid(child, &status, 0) != child || status;
}

static int collapse(char *at, size_t size)
{
	int ret = madvise(at, size, MADV_COLLAPSE);

	/* Not for parts of a huge page, nor without any to be had. */
	return ret && (errno == EINVAL || errno == ENOMEM || errno == EAGAIN || errno == EBUSY)
		       ? 0
		       : ret;
}

#define ANON  1
#define FILES 2
#define HTLB  4

static const struct way {
	const char *name;
	int (*fn)(char *at, size_t size);
	unsigned int kinds;
	enum after after;
} ways[] = {
	{ "MADV_DONTNEED", dontneed, ANON | HTLB, ZERO },
	{ "MADV_FREE", lazy_free, ANON, EITHER },
	{ "MADV_DONTNEED of a file", dontneed, FILES, KEPT },
	{ "MADV_REMOVE", remove_pages, FILES, ZERO },
	{ "a punched hole", punch, FILES, ZERO },
	{ "a truncated file", truncate_file, FILES, EITHER },
	{ "munmap and mmap", unmap_and_map, ANON | HTLB, ZERO },
	{ "munmap and mmap of a file", unmap_and_map, FILES, KEPT },
	{ "mmap over it", map_at, ANON | HTLB, ZERO },
	{ "mprotect to none and back", no_access_and_back, ANON | FILES | HTLB, KEPT },
	{ "mprotect to read-only and back", read_only_and_back, ANON | FILES | HTLB, KEPT },
	{ "mremap and back", move_and_back, ANON | FILES, KEPT },
	{ "fork", fork_and_write, ANON | FILES | HTLB, KEPT },
	{ "MADV_COLLAPSE", collapse, ANON, KEPT },
};

static unsigned int kind_of(const struct memory *memory)
{
	if (memory->hugetlb)
		return HTLB;
	return memory->fd >= 0 ? FILES : ANON;
}

/* ---- each way, on all of the memory, on parts ---- */

static bool fits(uint64_t value, uint64_t before, enum after after)
{
	return (after != KEPT && !value) || (after != ZERO && value == before);
}

/* The guest has used all of it, and both know the last value at @offset. */
static void one_way(const struct way *way, uint64_t offset, uint64_t size)
{
	unsigned int different;
	uint64_t before, seen;

	check(same_page(offset), "%s: before %s guest and process see the same", now.name,
	      way->name);
	before = *word(offset);
	if (way->fn(now.mem + offset, size)) {
		check(false, "%s: %s: %s", now.name, way->name, strerror(errno));
		return;
	}
	seen = guest_access(&vcpus[0], offset, 0);
	check(fits(seen, before, way->after) && *word(offset) == seen,
	      "%s: after %s of %llu KiB at %#llx the guest reads %#llx, the process %#llx",
	      now.name, way->name, (unsigned long long)size >> 10, (unsigned long long)offset,
	      (unsigned long long)seen, (unsigned long long)*word(offset));
	different = different_pages(offset, size);
	check(!different, "%s: both at the same pages then (%u differ)", now.name, different);
}

static void each_way(const struct memory *memory)
{
	uint64_t unit = memory->hugetlb ? HUGE : page;
	unsigned int i;

	start(memory);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!(ways[i].kinds & kind_of(memory)))
			continue;
		one_way(&ways[i], 0, SIZE);
		one_way(&ways[i], HUGE + (unit < HUGE ? 8 * page : 0), unit);
		one_way(&ways[i], unit < HUGE ? HUGE - page : HUGE, 2 * unit);
	}
	end();
}

/* ---- kinds of memory ---- */

static char *aligned(char *mem)
{
	return (char *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
}

static struct memory anonymous(bool huge)
{
	struct memory m = { huge ? "huge pages" : "pages", aligned(map_memory(SIZE + HUGE)), -1,
			    huge, false };

	madvise(m.mem, SIZE, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return m;
}

static struct memory file(void)
{
	struct memory m = { "a file", MAP_FAILED, memfd_create("guest", 0), false, false };
	char *room = aligned(map_memory(SIZE + HUGE));

	must(m.fd, "memfd_create");
	must(ftruncate(m.fd, SIZE), "ftruncate");
	m.mem = mmap(room, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, m.fd, 0);
	if (m.mem == MAP_FAILED)
		give_up("mmap of a file");
	return m;
}

static void set_hugepages(int n)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f) {
		fprintf(f, "%d\n", n);
		fclose(f);
	}
}

/* A fork takes as many again. */
static bool hugetlb(struct memory *m)
{
	*m = (struct memory){ "hugetlb", NULL, -1, true, true };
	set_hugepages(3 * SIZE / HUGE);
	m->mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
	return m->mem != MAP_FAILED;
}

static void drop(const struct memory *m)
{
	munmap(m->mem, SIZE);
	if (m->fd >= 0)
		close(m->fd);
}

/* ---- what may only be read ---- */

static void test_read_only(void)
{
	struct memory m = anonymous(false);
	uint64_t seen = 0;

	start(&m);
	same_page(0);
	*word(0) = READY;
	mprotect(m.mem, SIZE, PROT_READ);
	check(!try_probe(&vcpus[0], 0, 0, &seen) && seen == READY,
	      "the guest reads what the process may only read");
	check(try_probe(&vcpus[0], 0, READY + 1, &seen) == EFAULT, "its write is EFAULT");
	check(*word(0) == READY, "and is not done");
	mprotect(m.mem, SIZE, PROT_READ | PROT_WRITE);
	check(!probe_again(&vcpus[0], &seen) && *word(0) == READY + 1,
	      "it is when the process may write again");
	end();
	drop(&m);
}

/* ---- nothing there any more ---- */

static void test_gone(void)
{
	struct memory m = file();
	uint64_t seen = 0;

	start(&m);
	same_page(0);
	must(ftruncate(m.fd, 0), "ftruncate");
	check(try_probe(&vcpus[0], 0, 0, &seen) == EFAULT, "behind the end of a file: EFAULT");
	must(ftruncate(m.fd, SIZE), "ftruncate");
	check(!probe_again(&vcpus[0], &seen) && !seen, "zero once the file has grown again");
	munmap(m.mem, SIZE);
	check(try_probe(&vcpus[0], 0, 0, &seen) == EFAULT, "nothing mapped: EFAULT");
	now.fd = -1;
	must(map_at(m.mem, SIZE), "mmap");
	check(!probe_again(&vcpus[0], &seen) && !seen, "the guest sees what is mapped then");
	check(same_page(page), "as does the process");
	end();
	drop(&m);
}

/* ---- the memory is the host's again ---- */

static void run_program(const struct vcpu *vcpu, uint64_t pc, uint64_t value)
{
	must(set_reg(vcpu, CORE_REG(pc), pc), "pc");
	must(set_reg(vcpu, CORE_REG(regs[0]), BASE), "x0");
	must(set_reg(vcpu, CORE_REG(regs[1]), BASE + SIZE), "x1");
	must(set_reg(vcpu, CORE_REG(regs[2]), page), "x2");
	must(set_reg(vcpu, CORE_REG(regs[3]), (uint64_t)(vcpu - vcpus) * 8 + 64), "x3");
	must(set_reg(vcpu, CORE_REG(regs[4]), value), "x4");
}

/* So much that what the kernel keeps for itself of it does not count. */
#define MUCH	  (128 * MIB)
#define MUCH_BASE 0x100000000ULL

static void test_freed(bool huge)
{
	char *room = map_memory(MUCH + HUGE), *mem = aligned(room);
	struct memory m = anonymous(huge);
	const long all = MUCH >> 10;
	long before, freed;

	start(&m);
	madvise(mem, MUCH, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	must(set_region(vm.fd, 3, 0, MUCH_BASE, MUCH, mem), "much memory");
	run_program(&vcpus[0], SWEEP_AT, 1);
	must(set_reg(&vcpus[0], CORE_REG(regs[0]), MUCH_BASE), "x0");
	must(set_reg(&vcpus[0], CORE_REG(regs[1]), MUCH_BASE + MUCH), "x1");
	expect_write(&vcpus[0], MMIO_BASE, 8, 1, "the guest has used all memory");
	before = free_kib();
	madvise(mem, MUCH, MADV_DONTNEED);
	freed = free_kib() - before;
	check(freed >= all / 4 * 3, "%s that are discarded are the host's again: %ld KiB of %ld",
	      m.name, freed, all);
	end();
	munmap(room, MUCH + HUGE);
	drop(&m);
}

/* ---- while vCPUs use it ---- */

static volatile bool stop;

static void *sweeper(void *arg)
{
	const struct vcpu *vcpu = arg;
	uint64_t rounds = 0;

	while (!stop) {
		int err = go(vcpu);

		if (err || vcpu->run->exit_reason != KVM_EXIT_MMIO) {
			check(false, "%s: KVM_RUN meanwhile: %s, exit %u", now.name, strerror(err),
			      vcpu->run->exit_reason);
			break;
		}
		rounds++;
	}
	return (void *)(uintptr_t)rounds;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

/* All that leaves no moment without memory there. */
static int (*const racing_ways[])(char *at, size_t size) = {
	dontneed, map_at, lazy_free, punch, remove_pages, fork_and_write,
};

static bool races(unsigned int way)
{
	if (now.fd >= 0)
		return way != 2;
	return way < 3 || way == 5;
}

static void *discarder(void *arg)
{
	uint64_t state = (uintptr_t)arg, pages = SIZE / page;

	while (!stop) {
		uint64_t first = next_random(&state) % pages;
		uint64_t n = 1 +
			     next_random(&state) % (next_random(&state) % 4 ? 16 : pages - first);
		unsigned int way = next_random(&state) % 6;

		n = first + n > pages ? pages - first : n;
		if (!races(way) || (way == 5 && next_random(&state) % 8))
			continue;
		if (racing_ways[way](now.mem + first * page, n * page) && errno != EAGAIN)
			check(false, "%s: way %u: %s", now.name, way, strerror(errno));
		usleep(next_random(&state) % 300);
	}
	return NULL;
}

/* What the guest reads of all pages is what the process has there. */
static bool sums_agree(void)
{
	uint64_t mine = 0, at;

	for (at = 0; at < SIZE; at += page) {
		*word(at) = at * 7 + READY;
		mine = mine * 31 + *word(at);
	}
	run_program(&vcpus[0], SUM_AT, 0);
	return !go(&vcpus[0]) && mmio_value(&vcpus[0]) == mine;
}

#define ROUNDS	   (quick ? 2U : 6U)
#define ROUND_US   60000
#define DISCARDERS 2

static bool race_once(uint64_t seed, uint64_t *rounds)
{
	pthread_t sweepers[VCPUS], discarders[DISCARDERS];
	uint64_t i;

	stop = false;
	for (i = 0; i < VCPUS; i++) {
		run_program(&vcpus[i], SWEEP_AT, i + 1);
		pthread_create(&sweepers[i], NULL, sweeper, &vcpus[i]);
	}
	for (i = 0; i < DISCARDERS; i++)
		pthread_create(&discarders[i], NULL, discarder, (void *)(uintptr_t)(seed * 8 + i));
	usleep(ROUND_US);
	stop = true;
	for (i = 0; i < DISCARDERS; i++)
		pthread_join(discarders[i], NULL);
	for (i = 0; i < VCPUS; i++) {
		void *n;

		pthread_join(sweepers[i], &n);
		*rounds += (uintptr_t)n;
	}
	return sums_agree();
}

static void test_races(const struct memory *memory)
{
	uint64_t rounds = 0;
	unsigned int i, bad = 0;

	start(memory);
	for (i = 0; i < ROUNDS; i++)
		bad += !race_once(i + 1, &rounds);
	check(!bad && rounds, "%s: discarded while vCPUs write to them: %u of %u times different",
	      now.name, bad, ROUNDS);
	end();
}

/* ---- memory that is broken ---- */

static volatile sig_atomic_t bus_code;
static void *volatile bus_address;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	bus_code = info->si_code;
	bus_address = info->si_addr;
}

/* For a guest that reads. Where the process may not write, it is no different. */
static void test_poison(bool may_write)
{
	const struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	struct memory m = anonymous(false);
	uint64_t seen = 0;
	long ret;

	start(&m);
	same_page(8 * page);
	sigaction(SIGBUS, &action, NULL); /* newer kernels send one at once, as from an access */
	if (madvise(m.mem + 8 * page, page, MADV_HWPOISON)) {
		check(errno == EINVAL || errno == EPERM, "the kernel can break no memory: %s",
		      strerror(errno));
		end();
		return;
	}
	if (!may_write)
		must(mprotect(m.mem, SIZE, PROT_READ), "mprotect");
	bus_code = 0;
	go(&vcpus[0]);
	answer(&vcpus[0], BASE + 8 * page);
	go(&vcpus[0]);
	answer(&vcpus[0], 0);
	ret = ioctl(vcpus[0].fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR, "the guest reads broken memory that %s: EINTR (%s)",
	      may_write ? "is the process's" : "the process may only read",
	      ret < 0 ? strerror(errno) : "success");
	check(bus_code == BUS_MCEERR_AR && bus_address == m.mem + 8 * page,
	      "SIGBUS says what and where: code %d, address %p (%p)", (int)bus_code, bus_address,
	      (void *)(m.mem + 8 * page));
	must(map_at(m.mem + 8 * page, page), "other memory there");
	check(!probe_again(&vcpus[0], &seen) && !seen, "the guest goes on with other memory");
	end();
	drop(&m);
}

/*
 * What is said of the zero page does not break it: a guest reads it as processes do. The kernel keeps
 * what was said until it ends.
 */
static void test_zero_page(void)
{
	struct memory m = anonymous(false);
	uint64_t at = 8 * page, seen = READY;
	int err;

	start(&m);
	check(!*(volatile uint64_t *)(m.mem + at), "the process reads the zero page");
	(void)madvise(m.mem + at, page, MADV_HWPOISON); /* the kernel notes it, and no more */
	bus_code = 0;
	err = try_probe(&vcpus[0], at, 0, &seen);
	check(!err && !seen && !bus_code,
	      "a guest reads the zero page, broken or not: %s, %#llx, SIGBUS of code %d",
	      strerror(err), (unsigned long long)seen, (int)bus_code);
	check(same_page(at), "both at the same page when they write");
	end();
	drop(&m);
}

/* ---- memory that userspace is to bring, and does not ---- */

static void on_alarm(int signal)
{
	(void)signal;
}

static void test_missing(bool may_write)
{
	/* Again and again: one could come before KVM_RUN has begun. */
	const struct itimerval often = { .it_value = { .tv_usec = 200000 },
					 .it_interval = { .tv_usec = 200000 } };
	const struct itimerval never = { 0 };
	const struct sigaction action = { .sa_handler = on_alarm };
	struct uffdio_api api = { .api = UFFD_API };
	struct memory m = anonymous(false);
	struct uffdio_register reg = { .range = { (uintptr_t)m.mem, SIZE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_zeropage zero = { .range = { (uintptr_t)m.mem, SIZE } };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	uint64_t seen = READY;
	long ret;
	int err;

	start(&m);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg)) {
		check(errno == ENOSYS || errno == EPERM, "there is no userfaultfd: %s",
		      strerror(errno));
		end();
		return;
	}
	if (!may_write)
		must(mprotect(m.mem, SIZE, PROT_READ), "mprotect");
	sigaction(SIGALRM, &action, NULL);
	go(&vcpus[0]);
	answer(&vcpus[0], BASE);
	go(&vcpus[0]);
	answer(&vcpus[0], 0);
	setitimer(ITIMER_REAL, &often, NULL);
	ret = ioctl(vcpus[0].fd, KVM_RUN, 0);
	err = errno;
	setitimer(ITIMER_REAL, &never, NULL);
	check(ret < 0 && err == EINTR, "a signal ends the wait for memory%s: EINTR (%s)",
	      may_write ? "" : " that may only be read", ret < 0 ? strerror(err) : "success");
	must(ioctl(fd, UFFDIO_ZEROPAGE, &zero), "UFFDIO_ZEROPAGE");
	check(!probe_again(&vcpus[0], &seen) && !seen, "the guest goes on once it is there");
	close(fd);
	if (!may_write)
		must(mprotect(m.mem, SIZE, PROT_READ | PROT_WRITE), "mprotect");
	check(same_page(0), "both at the same page");
	end();
	drop(&m);
}

/* ---- a slot that comes and goes meanwhile ---- */

static void *slot_changer(void *arg)
{
	while (!stop) {
		must(set_region(vm.fd, 2, 0, BASE + 2 * SIZE, SIZE, now.mem), "the slot again");
		usleep(200);
		must(set_region(vm.fd, 2, 0, BASE + 4 * SIZE, SIZE, now.mem), "moved");
		usleep(200);
		must(set_region(vm.fd, 2, 0, BASE, 0, now.mem), "gone");
	}
	return arg;
}

#define SLOT_ROUNDS (quick ? 2U : 4U)
#define SWEEPS	    (quick ? 3U : 20U)

/* The same memory in two slots, one of which comes and goes. */
static void test_slots(void)
{
	struct memory m = anonymous(false);
	pthread_t changer, other;
	uint64_t rounds = 0;
	unsigned int i;

	start(&m);
	for (i = 0; i < SLOT_ROUNDS; i++) {
		stop = false;
		run_program(&vcpus[0], SWEEP_AT, 1);
		pthread_create(&changer, NULL, slot_changer, NULL);
		pthread_create(&other, NULL, discarder, (void *)(uintptr_t)(i + 77));
		while (rounds < SWEEPS * (i + 1) && !go(&vcpus[0]))
			rounds++;
		stop = true;
		pthread_join(changer, NULL);
		pthread_join(other, NULL);
		check(sums_agree(), "slots that come and go while memory is discarded, %u", i);
	}
	end();
	drop(&m);
}

static void test_capability(void)
{
	int dev = open_kvm();

	page = slot_page(dev);
	check(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_MMU) == 1, "KVM_CAP_SYNC_MMU");
	close(dev);
}

int main(int argc, char **argv)
{
	struct memory m;

	quick = argc > 1 && !strcmp(argv[1], "quick");
	test_capability();
	m = anonymous(false);
	each_way(&m);
	test_races(&m);
	drop(&m);
	m = anonymous(true);
	each_way(&m);
	test_races(&m);
	drop(&m);
	m = file();
	each_way(&m);
	test_races(&m);
	drop(&m);
	if (hugetlb(&m)) {
		each_way(&m);
		drop(&m);
	}
	set_hugepages(0);
	test_read_only();
	test_gone();
	test_freed(false);
	test_freed(true);
	test_slots();
	test_poison(true);
	test_poison(false);
	test_zero_page();
	if (on_keel()) {
		test_missing(true);
		test_missing(false);
	}
	return finish();
}
