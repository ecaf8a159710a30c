// SPDX-License-Identifier: BSD-2-Clause
/*
 * Everything at once, at random: a guest counts in its memory while threads of its process do with that memory,
 * and with its slots, whatever a process may: no count is lost, none is stale, and no page is
 * another's. By a seed. As root; with swap, KSM and huge pages if the host has them.
 *
 *	test_churn [seconds [seed [kills]]]
 *
 * seconds: how long each of some VMs is churned, 4 if not given; of 1, 2 and 4 vCPUs, which log in different ways.
 * kills: how many more are killed in the middle of it, 4 if not given.
 *
 * A page of a region has one word that only the process writes, with the number of the page, and one that only vCPU i
 * writes. A vCPU adds 1 to its word of a page at random, and then to its count for the region. Regions that are
 * `lossy` are also discarded: there the counts say nothing, but guest and process see the same words when nobody
 * changes them. Where a slot is missing at the moment, the process does the guest's access.
 */
#include "kvmtest.h"

#include <linux/falloc.h>
#include <linux/mman.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define PAGES	512UL /* of a region */
#define REGIONS 8
#define VCPUS	4
#define THREADS 3
#define FIRST	64 /* a vCPU's word in a page: the first one's */

#define GIB	  (1ULL << 30)
#define HOME	  (1 * GIB + GIB / 2) /* where regions are */
#define ALIAS	  (3 * GIB)	      /* and are once more */
#define ELSEWHERE (5 * GIB)	      /* and where a slot is moved to */
#define STRIDE	  (64UL << 20)

#define MANUAL	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET KVM_DIRTY_LOG_INITIALLY_SET

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* ---- the guest ---- */

/*
 * x0: addresses of the regions, then what is not 0 if the guest is to stop, at 64. x1: where the vCPU's word is in a
 * page. x5: a seed. x11: its counts. x16: the page's shift.
 */
GUEST_CODE(count, "mov x10, #0x09000000\n"
		  "movz x6, #0x7f2d\n"
		  "movk x6, #0x4c95, lsl #16\n"
		  "movk x6, #0xf42d, lsl #32\n"
		  "movk x6, #0x5851, lsl #48\n"
		  "1: ldr x15, [x0, #64]\n"
		  "cbnz x15, 3f\n"
		  "mul x5, x5, x6\n"
		  "add x5, x5, #11\n"
		  "ubfx x7, x5, #60, #3\n"
		  "ldr x8, [x0, x7, lsl #3]\n"
		  "ubfx x9, x5, #40, #3\n"
		  "ubfx x13, x5, #43, #3\n"
		  "orr x9, x9, x13, lsl #6\n"
		  "lsl x13, x9, x16\n"
		  "add x8, x8, x13\n"
		  "ldr x12, [x8]\n"
		  "cbz x12, 2f\n"
		  "orr x14, x9, x7, lsl #12\n"
		  "movk x14, #0x4b45, lsl #16\n"
		  "lsr x13, x12, #32\n"
		  "cmp x13, x14\n"
		  "b.ne 4f\n"
		  "2: ldr x12, [x8, x1]\n"
		  "add x12, x12, #1\n"
		  "str x12, [x8, x1]\n"
		  "ldr x13, [x11, x7, lsl #3]\n"
		  "add x13, x13, #1\n"
		  "str x13, [x11, x7, lsl #3]\n"
		  "b 1b\n"
		  "3: str x15, [x10]\n"
		  "b 1b\n"
		  "4: str x8, [x10, #8]\n"
		  "str x12, [x10, #16]\n"
		  "b 1b\n");

/* Tells the sums of the process's words and of its own in each region. */
GUEST_CODE(sums, "mov x10, #0x09000000\n"
		 "1: mov x7, #0\n"
		 "2: ldr x8, [x0, x7, lsl #3]\n"
		 "mov x9, #0\n"
		 "mov x12, #0\n"
		 "3: ubfx x13, x9, #3, #3\n"
		 "and x14, x9, #7\n"
		 "orr x13, x14, x13, lsl #6\n"
		 "lsl x13, x13, x16\n"
		 "add x17, x8, x13\n"
		 "ldr x13, [x17]\n"
		 "ldr x14, [x17, x1]\n"
		 "add x12, x12, x13\n"
		 "add x12, x12, x14\n"
		 "add x9, x9, #1\n"
		 "cmp x9, #64\n"
		 "b.ne 3b\n"
		 "str x12, [x10, #24]\n"
		 "add x7, x7, #1\n"
		 "cmp x7, #8\n"
		 "b.ne 2b\n"
		 "b 1b\n");

#define COUNT_AT  GUEST_BASE
#define SUMS_AT	  (GUEST_BASE + 0x10000)
#define TABLES	  0x20000 /* in the memory with the code: 256 bytes for each vCPU */
#define COUNTS_AT 128	  /* in such a table */

/* ---- state ---- */

enum kind { ANON, SHARED, PRIVATE, GMEM };

struct region {
	enum kind kind;
	bool lossy;
	bool logged;
	int file;
	char *mem;
	pthread_mutex_t lock; /* whoever changes it */
	char *copy;	      /* logged: what a migration would have */
	uint8_t mine[PAGES];  /* changed by the process */
};

static const struct {
	enum kind kind;
	bool lossy;
} kinds[REGIONS] = {
	{ ANON, false },    { ANON, true },    { SHARED, false }, { SHARED, true },
	{ PRIVATE, false }, { PRIVATE, true }, { GMEM, false },	  { GMEM, true },
};

static uint64_t page, size;
static struct vm vm;
static struct vcpu vcpus[VCPUS];
static pthread_t vcpu_threads[VCPUS], threads[THREADS + 1];
static unsigned int nr_vcpus;
static struct region regions[REGIONS];
static char *
	arena; /* where a thread may map what it likes: a region's size for each, and a hole after it */
static pthread_rwlock_t calm = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static bool over;
static uint64_t log_how;
static unsigned int offlined, done[32];
static unsigned int lost, foreign, trouble;
static unsigned int refused,
	done_for_it; /* accesses of the guest: KVM_RUN failed; the process did them */

static uint64_t *table_of(unsigned int i)
{
	return (uint64_t *)(vm.mem + TABLES + 256UL * i);
}

static uint64_t *word(const struct region *r, uint64_t at, uint64_t where)
{
	return (uint64_t *)(r->mem + at * page + where);
}

/* Eight pages of each 64 are the guest's to count in. */
static bool is_used(uint64_t at)
{
	return at % 64 < 8;
}

static void write_mine(struct region *r, uint64_t at, uint32_t what)
{
	uint64_t tag = 0x4b450000ULL | (uint64_t)(r - regions) << 12 | at;

	if (is_used(at))
		__atomic_store_n(word(r, at, 0), tag << 32 | what, __ATOMIC_RELAXED);
}

static uint32_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

/* ---- slots ---- */

static uint64_t home_of(const struct region *r, bool alias)
{
	return (alias ? ALIAS : HOME) + (uint64_t)(r - regions) * STRIDE;
}

static uint32_t slot_of(const struct region *r, bool alias)
{
	return (uint32_t)(r - regions) + (alias ? 33 : 1);
}

static long set_slot_at(const struct region *r, bool alias, uint64_t gpa, uint64_t bytes)
{
	struct kvm_userspace_memory_region2 region = {
		.slot = slot_of(r, alias),
		.flags = r->kind == GMEM ? KVM_MEM_GUEST_MEMFD
			 : r->logged	 ? KVM_MEM_LOG_DIRTY_PAGES
					 : 0,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)r->mem,
		.guest_memfd = r->kind == GMEM ? (uint32_t)r->file : 0,
	};

	if (r->kind != GMEM)
		return ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region);
	return ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &region);
}

static void bad(const char *what)
{
	if (!__atomic_fetch_add(&trouble, 1, __ATOMIC_RELAXED))
		printf("# %s: %s\n", what, strerror(errno));
}

static void place(const struct region *r, bool alias, uint64_t gpa, uint64_t bytes)
{
	if (set_slot_at(r, alias, gpa, bytes))
		bad("a slot");
}

static unsigned int aliases(const struct region *r)
{
	return r->kind == GMEM ? 1 : 2;
}

/* ---- the log ---- */

static void copy_page(const struct region *r, uint64_t at)
{
	memcpy(r->copy + at * page, r->mem + at * page, page);
}

static void copy_all(struct region *r)
{
	for (uint64_t at = 0; at < PAGES; at++)
		copy_page(r, at);
}

static void read_log(const struct region *r, bool alias, uint64_t *seed, uint64_t *bits)
{
	struct kvm_dirty_log log = { .slot = slot_of(r, alias), .dirty_bitmap = bits };
	uint32_t at = 0, n;

	if (ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log))
		bad("KVM_GET_DIRTY_LOG");
	for (; log_how && at < PAGES; at += n) {
		struct kvm_clear_dirty_log clear = { .slot = slot_of(r, alias), .first_page = at };

		n = 64 * (1 + next(seed) % 4);
		n = at + n > PAGES ? (uint32_t)PAGES - at : n;
		clear.num_pages = n;
		clear.dirty_bitmap = bits + at / 64;
		if (ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &clear))
			bad("KVM_CLEAR_DIRTY_LOG");
	}
}

/* As a migration: who is in the log is copied again. */
static void pass(struct region *r, uint64_t *seed)
{
	uint64_t bits[2][PAGES / 64] = { { 0 } };

	for (unsigned int i = 0; i < aliases(r); i++)
		read_log(r, i, seed, bits[i]);
	for (uint64_t at = 0; at < PAGES; at++) {
		if (!r->mine[at] && !((bits[0][at / 64] | bits[1][at / 64]) >> at % 64 & 1))
			continue;
		r->mine[at] = 0;
		copy_page(r, at);
	}
}

static void set_logged(struct region *r, bool logged)
{
	r->logged = logged;
	for (unsigned int i = 0; i < aliases(r); i++)
		place(r, i, home_of(r, i), size);
	if (logged && !(log_how & ALL_SET))
		copy_all(r);
}

/* Once the guest stands still: what a migration has is what the guest has. */
static void check_copy(struct region *r, uint64_t *seed)
{
	unsigned int wrong = 0;

	pass(r, seed);
	for (uint64_t at = 0; at < PAGES; at++)
		wrong += memcmp(r->copy + at * page + FIRST, word(r, at, FIRST), 8UL * nr_vcpus) !=
			 0;
	if (wrong)
		printf("# log %#llx: region %d lacks %u pages\n", (unsigned long long)log_how,
		       (int)(r - regions), wrong);
	lost += wrong;
}

/* ---- what a process may do ---- */

struct part {
	struct region *r;
	uint64_t first, count;
	char *at;
	size_t len;
	uint64_t *seed;
	char *room; /* as large as a region, of this thread */
};

static void advise(const struct part *p, int advice)
{
	(void)madvise(p->at, p->len, advice);
}

static void protect(const struct part *p, int how)
{
	if (mprotect(p->at, p->len, how))
		bad("mprotect");
	if (next(p->seed) % 2)
		usleep(next(p->seed) % 2000);
	if (mprotect(p->at, p->len, PROT_READ | PROT_WRITE))
		bad("mprotect back");
}

static void read_only(const struct part *p)
{
	protect(p, PROT_READ);
}

static void no_access(const struct part *p)
{
	protect(p, PROT_NONE);
}

/* Nobody else maps memory without an address. */
static void move_away(const struct part *p)
{
	void *at = mremap(p->at, p->len, p->len, MREMAP_MAYMOVE | MREMAP_FIXED, p->room);

	if (at == MAP_FAILED) {
		if (errno != EFAULT)
			bad("mremap");
		return;
	}
	if (next(p->seed) % 2)
		usleep(next(p->seed) % 1000);
	if (mremap(at, p->len, p->len, MREMAP_MAYMOVE | MREMAP_FIXED, p->at) == MAP_FAILED)
		bad("mremap back");
}

/* A child that writes to its copy. */
static void copy_on_write(const struct part *p)
{
	pid_t child = fork();

	if (!child) {
		if (p->r->kind == ANON || p->r->kind == PRIVATE)
			for (uint64_t i = 0; i < p->count; i += 3)
				memset(p->at + i * page, 0xee, page);
		_exit(0);
	}
	if (child < 0)
		bad("fork");
	else if (waitpid(child, NULL, 0) != child)
		bad("waitpid");
}

static void page_out(const struct part *p)
{
	advise(p, MADV_PAGEOUT);
}

static void cold(const struct part *p)
{
	advise(p, MADV_COLD);
}

static void collapse(const struct part *p)
{
	(void)madvise(p->r->mem, size, MADV_COLLAPSE);
}

static void huge(const struct part *p)
{
	(void)madvise(p->r->mem, size, next(p->seed) % 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void merge(const struct part *p)
{
	advise(p, MADV_MERGEABLE);
	usleep(2000);
	if (next(p->seed) % 2)
		advise(p, MADV_UNMERGEABLE);
}

static void lock_memory(const struct part *p)
{
	if (!mlock(p->at, p->len))
		(void)munlock(p->at, p->len);
}

static void offline(const struct part *p)
{
	if (__atomic_fetch_add(&offlined, 1, __ATOMIC_RELAXED) < 30)
		(void)madvise(p->at, page, MADV_SOFT_OFFLINE);
}

/* The mappings of shared files; the file keeps what is in it. */
static void map_again(const struct part *p)
{
	if (p->r->kind != SHARED && p->r->kind != GMEM)
		return;
	if (next(p->seed) % 2)
		advise(p, MADV_DONTNEED);
	else if (mmap(p->at, p->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, p->r->file,
		      (off_t)(p->first * page)) == MAP_FAILED)
		bad("mmap again");
}

static void compact(const struct part *p)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	(void)p;
	if (fd >= 0 && write(fd, "1", 1) < 0)
		bad("compaction");
	close(fd);
}

/* A slot goes and comes. It has another log then. */
static void remove_slot(const struct part *p)
{
	bool alias = next(p->seed) % aliases(p->r);

	place(p->r, alias, 0, 0);
	if (next(p->seed) % 2)
		usleep(next(p->seed) % 1000);
	place(p->r, alias, home_of(p->r, alias), size);
	if (p->r->logged)
		copy_all(p->r);
}

static void move_slot(const struct part *p)
{
	bool alias = next(p->seed) % aliases(p->r);

	if (p->r->kind == GMEM)
		return;
	place(p->r, alias, ELSEWHERE + (uint64_t)(p->r - regions) * STRIDE, size);
	if (next(p->seed) % 2)
		usleep(next(p->seed) % 1000);
	place(p->r, alias, home_of(p->r, alias), size);
}

static void begin_log(const struct part *p)
{
	if (p->r->kind != GMEM && !p->r->logged)
		set_logged(p->r, true);
}

static void end_log(const struct part *p)
{
	if (p->r->logged)
		set_logged(p->r, false);
}

static void flip_log(const struct part *p)
{
	for (unsigned int i = 0; i < 4 && p->r->kind != GMEM; i++)
		set_logged(p->r, !p->r->logged);
}

static void use_log(const struct part *p)
{
	if (p->r->logged)
		pass(p->r, p->seed);
}

static void note_changed(const struct part *p)
{
	memset(p->r->mine + p->first, 1, p->count);
}

/* What the process has lost it writes anew: whoever has an old page does not see that. */
static void write_again(const struct part *p)
{
	for (uint64_t i = 0; i < p->count; i++)
		write_mine(p->r, p->first + i, next(p->seed));
}

static void hole(const struct part *p)
{
	off_t at = (off_t)(p->first * page);

	if (fallocate(p->r->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)p->len))
		bad("a hole");
}

static void truncate_file(const struct part *p)
{
	if (ftruncate(p->r->file, (off_t)(p->first * page)) || ftruncate(p->r->file, (off_t)size))
		bad("ftruncate");
	p->r->mine[0] = 1;
	memset(p->r->mine + p->first, 1, PAGES - p->first);
}

static void lose(const struct part *p)
{
	if (!p->r->lossy)
		return;
	note_changed(p);
	if (p->r->kind == GMEM)
		hole(p);
	else if (p->r->kind == SHARED && next(p->seed) % 4 == 0)
		truncate_file(p);
	else if (p->r->kind == SHARED)
		hole(p);
	else if (p->r->kind == ANON && next(p->seed) % 3 == 0)
		advise(p, MADV_FREE);
	else if (p->r->kind == ANON && next(p->seed) % 3 == 0 &&
		 mmap(p->at, p->len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		bad("mmap over it");
	else
		advise(p, MADV_DONTNEED);
	write_again(p);
}

typedef void step(const struct part *p);
static step *const steps[] = {
	read_only, no_access,	move_away, copy_on_write, page_out, cold,
	collapse,  huge,	merge,	   lock_memory,	  offline,  map_again,
	compact,   remove_slot, move_slot, begin_log,	  use_log,  end_log,
	flip_log,  lose,	lose,	   write_again,	  use_log,  lose,
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* ---- threads ---- */

static void take_step(unsigned int thread, uint64_t *seed)
{
	struct part p = { .r = &regions[next(seed) % REGIONS], .seed = seed };
	unsigned int which = next(seed) % STEPS;

	if (pthread_mutex_trylock(&p.r->lock))
		return;
	p.first = next(seed) % PAGES;
	p.count = 1 + next(seed) % (next(seed) % 3 ? 8 : PAGES);
	if (next(seed) % 16 == 0)
		p.first = 0, p.count = PAGES;
	p.count = p.first + p.count > PAGES ? PAGES - p.first : p.count;
	p.at = p.r->mem + p.first * page;
	p.len = p.count * page;
	p.room = arena + thread * 2 * size;
	steps[which](&p);
	__atomic_fetch_add(&done[which], 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p.r->lock);
}

static uint64_t thread_seeds[THREADS];

static void *change(void *arg)
{
	uint64_t *seed = arg;
	unsigned int thread = (unsigned int)(seed - thread_seeds);

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		pthread_rwlock_rdlock(&calm);
		take_step(thread, seed);
		pthread_rwlock_unlock(&calm);
		sched_yield();
	}
	return NULL;
}

/* Somebody who gets the memory that others have given back: it stays what it is. */
static void *look_for_writes(void *arg)
{
	char *room = arena + 2UL * THREADS * size;
	uint64_t value = 0x1234567;

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		unsigned int wrong = 0;

		if (mmap(room, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			bad("mmap for memory of its own");
		value++;
		for (uint64_t i = 0; i < size / 8; i += 4)
			((uint64_t *)(void *)room)[i] = value;
		usleep(3000);
		for (uint64_t i = 0; i < size / 8; i += 4)
			wrong += ((uint64_t *)(void *)room)[i] != value;
		__atomic_fetch_add(&foreign, wrong, __ATOMIC_RELAXED);
		(void)madvise(room, size, MADV_DONTNEED);
	}
	return NULL;
}

static struct region *region_at(uint64_t gpa, uint64_t *at)
{
	for (unsigned int i = 0; i < 2 * REGIONS; i++) {
		uint64_t home = home_of(&regions[i / 2], i % 2);

		if (gpa < home || gpa >= home + size)
			continue;
		*at = gpa - home;
		return &regions[i / 2];
	}
	return NULL;
}

/* The guest's access where there is no slot at the moment. */
static bool access_for(const struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t at, value;
	struct region *r = region_at(run->mmio.phys_addr, &at);

	if (!r)
		return false;
	pthread_mutex_lock(&r->lock);
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, 8);
		__atomic_store_n(word(r, 0, at), value, __ATOMIC_RELAXED);
		r->mine[at / page] = 1;
	} else {
		value = __atomic_load_n(word(r, 0, at), __ATOMIC_RELAXED);
		memcpy(run->mmio.data, &value, 8);
	}
	pthread_mutex_unlock(&r->lock);
	__atomic_fetch_add(&done_for_it, 1, __ATOMIC_RELAXED);
	return true;
}

/* KVM_RUN, until the guest has something to tell. */
static bool go_on(const struct vcpu *vcpu)
{
	for (;;) {
		if (run(vcpu)) {
			if (errno != EFAULT && errno != EINTR && errno != EAGAIN) {
				bad("KVM_RUN");
				return false;
			}
			__atomic_fetch_add(&refused, errno == EFAULT, __ATOMIC_RELAXED);
			sched_yield();
			continue;
		}
		if (vcpu->run->exit_reason != KVM_EXIT_MMIO) {
			printf("# exit %u\n", vcpu->run->exit_reason);
			bad("an exit");
			return false;
		}
		if (!access_for(vcpu))
			return true;
	}
}

static void *run_until_told(void *arg)
{
	const struct vcpu *vcpu = arg;

	while (go_on(vcpu)) {
		uint64_t at = vcpu->run->mmio.phys_addr;

		if (at == MMIO_BASE)
			return NULL;
		if (!__atomic_fetch_add(&foreign, 1, __ATOMIC_RELAXED) || at == MMIO_BASE + 16)
			printf("# vCPU %d: %s %#llx\n", (int)(vcpu - vcpus),
			       at == MMIO_BASE + 16 ? "it was" : "another's page at",
			       (unsigned long long)mmio_value(vcpu));
		if (foreign > 50)
			return arg;
	}
	return arg;
}

/* ---- a VM ---- */

static void make_region(struct region *r, unsigned int i, char *at)
{
	int flags = MAP_FIXED;

	r->kind = kinds[i].kind;
	r->lossy = kinds[i].lossy;
	r->logged = false;
	r->file = -1;
	r->mem = at;
	r->copy = map_memory(size);
	pthread_mutex_init(&r->lock, NULL);
	memset(r->mine, 0, sizeof(r->mine));
	if (r->kind == GMEM) {
		struct kvm_create_guest_memfd args = { .size = size, .flags = 3 };

		r->file = ioctl(vm.fd, KVM_CREATE_GUEST_MEMFD, &args);
		if (r->file < 0)
			r->kind = SHARED; /* there is none */
	}
	if (r->kind == SHARED || r->kind == PRIVATE) {
		r->file = (int)must(memfd_create("churn", MFD_CLOEXEC), "memfd_create");
		must(ftruncate(r->file, (off_t)size), "ftruncate");
	}
	flags |= r->kind == SHARED || r->kind == GMEM ? MAP_SHARED : MAP_PRIVATE;
	flags |= r->kind == ANON ? MAP_ANONYMOUS : 0;
	if (mmap(at, size, PROT_READ | PROT_WRITE, flags, r->file, 0) == MAP_FAILED)
		give_up("mmap of a region");
	for (unsigned int alias = 0; alias < aliases(r); alias++)
		must(set_slot_at(r, alias, home_of(r, alias), size), "a region's slot");
}

static void enable(unsigned long cap, uint64_t arg)
{
	struct kvm_enable_cap enable = { .cap = (uint32_t)cap, .args = { arg } };

	must(ioctl(vm.fd, KVM_ENABLE_CAP, &enable), "KVM_ENABLE_CAP");
}

static void set_vcpu(unsigned int i, uint64_t code)
{
	const struct vcpu *vcpu = &vcpus[i];
	uint64_t table = GUEST_BASE + TABLES + 256UL * i;

	vcpu->run->immediate_exit = 1;
	(void)ioctl(vcpu->fd, KVM_RUN, 0);
	vcpu->run->immediate_exit = 0;
	must(set_reg(vcpu, CORE_REG(pc), code), "pc");
	must(set_reg(vcpu, CORE_REG(regs[0]), table), "x0");
	must(set_reg(vcpu, CORE_REG(regs[1]), FIRST + 8UL * i), "x1");
	must(set_reg(vcpu, CORE_REG(regs[11]), table + COUNTS_AT), "x11");
	must(set_reg(vcpu, CORE_REG(regs[16]), (uint64_t)__builtin_ctzll(page)), "x16");
}

static void begin(unsigned int n, uint64_t how, uint64_t chunk, uint64_t seed)
{
	char *room = mmap(NULL, (4UL * REGIONS) * size, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		give_up("mmap");
	room = (char *)(((uintptr_t)room + size - 1) & ~(size - 1));
	arena = room + 2UL * REGIONS * size;
	vm = bare_vm();
	nr_vcpus = n;
	log_how = how;
	if (chunk)
		enable(KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE, chunk);
	if (how)
		enable(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, how);
	vm.mem = map_memory(GUEST_SIZE);
	must(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "memory of a VM");
	for (unsigned int i = 0; i < REGIONS; i++)
		make_region(&regions[i], i, room + 2UL * i * size);
	memset(vm.mem + TABLES, 0, 256UL * VCPUS);
	for (unsigned int i = 0; i < n; i++) {
		vcpus[i] = new_vcpu(&vm, i);
		load_code(&vm, &vcpus[i], SUMS_AT, sums, sums_end);
		load_code(&vm, &vcpus[i], COUNT_AT, count, count_end);
		for (unsigned int j = 0; j < REGIONS; j++)
			table_of(i)[j] = home_of(&regions[j], i % aliases(&regions[j]));
		must(set_reg(&vcpus[i], CORE_REG(regs[5]), seed + i), "x5");
	}
}

static void end(void)
{
	for (unsigned int i = 0; i < nr_vcpus; i++)
		end_vcpu(&vcpus[i]);
	for (unsigned int i = 0; i < REGIONS; i++) {
		munmap(regions[i].mem, size);
		munmap(regions[i].copy, size);
		if (regions[i].file >= 0)
			close(regions[i].file);
	}
	end_vm(&vm);
}

static void set_stop(uint64_t stop)
{
	for (unsigned int i = 0; i < nr_vcpus; i++)
		__atomic_store_n(&table_of(i)[8], stop, __ATOMIC_RELAXED);
}

static void start_vcpus(void)
{
	set_stop(0);
	for (unsigned int i = 0; i < nr_vcpus; i++) {
		set_vcpu(i, COUNT_AT);
		if (pthread_create(&vcpu_threads[i], NULL, run_until_told, &vcpus[i]))
			give_up("a vCPU's thread");
	}
}

static void stop_vcpus(void)
{
	set_stop(1);
	for (unsigned int i = 0; i < nr_vcpus; i++) {
		void *ret;

		pthread_join(vcpu_threads[i], &ret);
		trouble += ret != NULL;
	}
}

/* Nobody changes anything. */
static void check_counts(void)
{
	for (unsigned int i = 0; i < nr_vcpus; i++)
		for (const struct region *r = regions; r < regions + REGIONS; r++) {
			uint64_t sum = 0, want = table_of(i)[COUNTS_AT / 8 + (r - regions)];

			if (r->lossy)
				continue;
			for (uint64_t at = 0; at < PAGES; at++)
				if (is_used(at))
					sum += *word(r, at, FIRST + 8UL * i);
			if (sum != want)
				printf("# region %d: vCPU %u counted %llu, and there are %llu\n",
				       (int)(r - regions), i, (unsigned long long)want,
				       (unsigned long long)sum);
			lost += sum != want;
		}
}

static void check_sums(void)
{
	for (unsigned int i = 0; i < nr_vcpus; i++) {
		set_vcpu(i, SUMS_AT);
		for (const struct region *r = regions; r < regions + REGIONS; r++) {
			uint64_t sum = 0;

			for (uint64_t at = 0; at < PAGES; at++)
				if (is_used(at))
					sum += *word(r, at, 0) + *word(r, at, FIRST + 8UL * i);
			if (!go_on(&vcpus[i]) || vcpus[i].run->mmio.phys_addr != MMIO_BASE + 24) {
				bad("the guest's sums");
				return;
			}
			if (mmio_value(&vcpus[i]) != sum)
				printf("# region %d: vCPU %u sees %#llx, the process %#llx\n",
				       (int)(r - regions), i,
				       (unsigned long long)mmio_value(&vcpus[i]),
				       (unsigned long long)sum);
			lost += mmio_value(&vcpus[i]) != sum;
		}
	}
}

static void check_all(uint64_t *seed)
{
	check_counts();
	check_sums();
	for (struct region *r = regions; r < regions + REGIONS; r++) {
		for (uint64_t at = 0; at < PAGES; at++)
			write_mine(r, at, next(seed));
		if (r->logged)
			check_copy(r, seed);
	}
	check_sums();
}

static void start_threads(uint64_t *seed)
{
	over = false;
	for (unsigned int i = 0; i < THREADS; i++) {
		thread_seeds[i] = (uint64_t)next(seed) << 32 | next(seed);
		if (pthread_create(&threads[i], NULL, change, &thread_seeds[i]))
			give_up("a thread");
	}
	if (pthread_create(&threads[THREADS], NULL, look_for_writes, NULL))
		give_up("a thread");
}

/* A process maps nothing else meanwhile: there are holes where its memory is away. */
static void churn(unsigned int n, uint64_t how, uint64_t chunk, unsigned int seconds, uint64_t seed)
{
	time_t until;
	unsigned int rounds = 0;
	uint64_t counted = 0;

	lost = foreign = trouble = refused = done_for_it = 0;
	begin(n, how, chunk, seed);
	start_threads(&seed);
	until = time(NULL) + (time_t)seconds;
	do {
		pthread_rwlock_wrlock(&calm);
		start_vcpus();
		pthread_rwlock_unlock(&calm);
		usleep(400000);
		pthread_rwlock_wrlock(&calm);
		stop_vcpus();
		check_all(&seed);
		pthread_rwlock_unlock(&calm);
		rounds++;
	} while (time(NULL) < until && !lost && !foreign && !trouble);
	over = true;
	for (unsigned int i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < REGIONS; j++)
			counted += table_of(i)[COUNTS_AT / 8 + j];
	check(!lost && !foreign && !trouble && counted,
	      "%u vCPUs, log %llu, chunk %#llx, %u rounds, %llu counts: %u lost, %u another's, %u errors",
	      n, (unsigned long long)how, (unsigned long long)chunk, rounds,
	      (unsigned long long)counted, lost, foreign, trouble);
	printf("# %u accesses were refused, %u the process did\n", refused, done_for_it);
	end();
}

/* The process is killed in the middle of it. */
static void test_kill(uint64_t *seed, unsigned int kills)
{
	unsigned int good = 0;

	for (unsigned int i = 0; i < kills; i++) {
		pid_t child = fork();
		int status;

		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			churn(1U << i % 3, i % 2 ? MANUAL | ALL_SET : 0, 0, 60, *seed);
			_exit(1);
		}
		must(child, "fork");
		usleep(200000 + next(seed) % 1000000);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		good += WIFSIGNALED(status);
	}
	check(good == kills, "%u of %u are killed", good, kills);
}

static void write_to(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, what, strlen(what)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 4;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	unsigned int kills = argc > 3 ? (unsigned int)atoi(argv[3]) : 4;

	page = (uint64_t)sysconf(_SC_PAGESIZE);
	size = PAGES * page;
	write_to("/sys/kernel/mm/ksm/sleep_millisecs", "5");
	write_to("/sys/kernel/mm/ksm/run", "1");
	churn(1, 0, 0, seconds, seed);
	churn(2, MANUAL, 0, seconds, seed + 1);
	churn(4, MANUAL | ALL_SET, 0x200000, seconds, seed + 2);
	churn(4, 0, 0x200000, seconds, seed + 3);
	test_kill(&seed, kills);
	write_to("/sys/kernel/mm/ksm/run", "2");
	for (unsigned int i = 0; i < STEPS; i++)
		printf("# step %u: %u times\n", i, done[i]);
	return finish();
}
