// SPDX-License-Identifier: BSD-2-Clause
/*
 * Dirty logging: KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG tell which pages the guest has written,
 * no more of them while nobody else writes, and never one too few while vCPUs write all the time.
 *
 *	test_dirty [quick]
 */
#include <asm/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "stage2_view.h"
#include "writers.h"

#define HUGE	(2UL << 20)
#define SLOT	1
#define LOGGED	KVM_MEM_LOG_DIRTY_PAGES
#define BASE	0x80000000ULL
#define MANUAL	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define ALL_SET KVM_DIRTY_LOG_INITIALLY_SET

static uint64_t page; /* of the process, which a bit is for */
static uint64_t unit; /* of stage 2: what is written is so many pages */
static bool quick;

/* ---- bitmaps ---- */

#define PAGES_MAX 8192
#define WORDS	  (PAGES_MAX / 64)

struct bitmap {
	uint64_t words[WORDS];
};

static bool has(const struct bitmap *b, uint64_t n)
{
	return b->words[n / 64] >> (n % 64) & 1;
}

static void set(struct bitmap *b, uint64_t n)
{
	b->words[n / 64] |= 1ULL << (n % 64);
}

/* The page at @offset was written: all pages of the page of stage 2. */
static void set_written(struct bitmap *b, uint64_t offset)
{
	uint64_t first = offset / unit * unit / page;

	for (uint64_t i = 0; i < unit / page; i++)
		set(b, first + i);
}

static unsigned int count(const struct bitmap *b)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < WORDS; i++)
		n += (unsigned int)__builtin_popcountll(b->words[i]);
	return n;
}

static void same(const struct bitmap *got, const struct bitmap *want, const char *what)
{
	for (uint64_t n = 0; n < PAGES_MAX; n++) {
		if (has(got, n) == has(want, n))
			continue;
		check(false, "%s: page %u is%s dirty (%u of %u)", what, (unsigned int)n,
		      has(got, n) ? "" : " not", count(got), count(want));
		return;
	}
	check(true, "%s: %u pages are dirty", what, count(got));
}

static long get_log(int fd, uint32_t slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return ioctl(fd, KVM_GET_DIRTY_LOG, &log);
}

static long clear_log(int fd, uint32_t slot, uint64_t first, uint32_t n, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = slot, .num_pages = n, .first_page = first, .dirty_bitmap = bitmap
	};

	return ioctl(fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static long set_manual(int fd, uint64_t how)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { how } };

	return ioctl(fd, KVM_ENABLE_CAP, &cap);
}

/* ---- the guest ---- */

/* Asks where; what to write, 0 for nothing; and tells what was there. */
GUEST_CODE(access_one, "mov x10, #0x09000000\n"
		       "1: ldr x0, [x10]\n"
		       "ldr x1, [x10, #8]\n"
		       "ldr x2, [x0]\n"
		       "cbz x1, 2f\n"
		       "str x1, [x0]\n"
		       "2: str x2, [x10, #16]\n"
		       "b 1b\n");

#define SCRIBBLE_AT (GUEST_BASE + 0x10000)
#define VCPUS	    2

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static char *mem;
static uint64_t npages; /* of the slot */

static long set_slot(uint32_t flags)
{
	return set_region(vm.fd, SLOT, flags, BASE, npages * page, mem);
}

static void start(uint64_t pages, bool huge, uint32_t flags)
{
	char *all = map_memory(PAGES_MAX * page + HUGE);

	npages = pages;
	mem = all + (-(uintptr_t)all & (HUGE - 1));
	madvise(mem, pages * page, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (huge)
		memset(mem, 1, pages * page);
	vm = new_vm();
	for (unsigned int i = 0; i < VCPUS; i++) {
		vcpus[i] = new_vcpu(&vm, i);
		load_code(&vm, &vcpus[i], SCRIBBLE_AT, scribble, scribble_end);
		LOAD(&vm, &vcpus[i], access_one);
	}
	must(set_slot(flags), "the slot");
}

static void end(void)
{
	for (unsigned int i = 0; i < VCPUS; i++)
		end_vcpu(&vcpus[i]);
	end_vm(&vm);
	munmap(mem, npages * page);
}

static void answer(const struct vcpu *vcpu, uint64_t value)
{
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
}

/* The guest reads there, and writes @value unless it is 0. Return: what it has read. */
static uint64_t guest_access(uint64_t offset, uint64_t value)
{
	const struct vcpu *vcpu = &vcpus[offset / page % VCPUS];

	must(run(vcpu), "KVM_RUN");
	answer(vcpu, BASE + offset);
	must(run(vcpu), "KVM_RUN");
	answer(vcpu, value);
	must(run(vcpu), "KVM_RUN");
	return mmio_value(vcpu);
}

static uint64_t word_at(uint64_t offset)
{
	return *(volatile uint64_t *)(void *)(mem + offset);
}

static bool writes(struct bitmap *written, uint64_t offset, uint64_t value)
{
	guest_access(offset, value);
	set_written(written, offset);
	return word_at(offset) == value;
}

static struct bitmap get(void)
{
	struct bitmap got = { { 0 } };

	must(get_log(vm.fd, SLOT, &got), "KVM_GET_DIRTY_LOG");
	return got;
}

static void clear(uint64_t first, uint64_t n, const struct bitmap *which)
{
	struct bitmap copy = *which;

	must(clear_log(vm.fd, SLOT, first, (uint32_t)n, &copy.words[first / 64]),
	     "KVM_CLEAR_DIRTY_LOG");
}

static const struct bitmap none;

/* ---- calls ---- */

static void test_errors(void)
{
	static struct bitmap bits;
	void *no_memory = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t slots;

	start(4 * unit / page * 64 + 2 * unit / page, false, 0);
	slots = (uint32_t)ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_NR_MEMSLOTS);
	gives(ioctl(vm.fd, KVM_GET_DIRTY_LOG, NULL), EFAULT, "GET without an argument");
	gives(get_log(vm.fd, SLOT, &bits), ENOENT, "GET of a slot that is not logged");
	gives(get_log(vm.fd, 7, &bits), ENOENT, "GET of no slot");
	gives(get_log(vm.fd, slots, &bits), EINVAL, "GET of a slot number that is too large");
	gives(get_log(vm.fd, 1U << 16 | SLOT, &bits), EINVAL, "GET of another address space");
	gives(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, NULL), EFAULT, "CLEAR without an argument");
	gives(clear_log(vm.fd, SLOT, 0, 64, &bits), ENOENT, "CLEAR of a slot that is not logged");
	gives(clear_log(vm.fd, 7, 0, 64, &bits), ENOENT, "CLEAR of no slot");
	gives(clear_log(vm.fd, slots, 0, 64, &bits), EINVAL, "CLEAR of a number that is too large");
	gives(set_slot(LOGGED), 0, "a slot is logged from now on");
	gives(set_slot(LOGGED), 0, "... the same again");
	gives(set_slot(LOGGED | KVM_MEM_READONLY), EINVAL, "... it does not become read-only");
	gives(get_log(vm.fd, SLOT, no_memory), EFAULT, "GET to no memory");
	gives(clear_log(vm.fd, SLOT, 0, 64, no_memory), EFAULT, "CLEAR of no memory");
	gives(clear_log(vm.fd, SLOT, 32, 64, &bits), EINVAL, "CLEAR from within a word");
	gives(clear_log(vm.fd, SLOT, 0, 32, &bits), EINVAL, "CLEAR of a part of a word");
	gives(clear_log(vm.fd, SLOT, 0, 0, &bits), 0, "CLEAR of nothing");
	gives(clear_log(vm.fd, SLOT, 64, 64, &bits), 0, "CLEAR of a word");
	gives(clear_log(vm.fd, SLOT, npages / 64 * 64, npages % 64, &bits), 0, "CLEAR of the rest");
	gives(clear_log(vm.fd, SLOT, 64, (uint32_t)npages - 64, &bits), 0, "CLEAR up to the end");
	gives(clear_log(vm.fd, SLOT, 64, (uint32_t)npages, &bits), EINVAL, "CLEAR beyond the end");
	gives(clear_log(vm.fd, SLOT, npages / 64 * 64 + 64, 64, &bits), EINVAL,
	      "CLEAR behind the end");
	gives(clear_log(vm.fd, SLOT, 1ULL << 63, 64, &bits), EINVAL, "CLEAR of an absurd page");
	gives(set_slot(0), 0, "the slot is not logged any more");
	gives(get_log(vm.fd, SLOT, &bits), ENOENT, "... it has no log");
	gives(set_region(vm.fd, 2, LOGGED | KVM_MEM_READONLY, BASE - 64 * unit, unit, mem), 0,
	      "a read-only slot can be logged");
	gives(get_log(vm.fd, 2, &bits), 0, "... and has a log");
	gives(set_region(vm.fd, 2, KVM_MEM_READONLY, BASE - 64 * unit, unit, mem), 0,
	      "... or not be logged");
	end();
	munmap(no_memory, page);
}

static void test_capability(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = 1 };
	long caps;

	vm = bare_vm();
	caps = ioctl(vm.fd, KVM_CHECK_EXTENSION, (unsigned long)cap.cap);
	check(caps == (MANUAL | ALL_SET), "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 is %ld", caps);
	gives(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), EINVAL, "it has no flags");
	gives(set_manual(vm.fd, ALL_SET), EINVAL, "INITIALLY_SET alone");
	gives(set_manual(vm.fd, MANUAL | 4), EINVAL, "an unknown bit");
	gives(set_manual(vm.fd, MANUAL | ALL_SET), 0, "both");
	gives(set_manual(vm.fd, MANUAL), 0, "manual protection");
	gives(set_manual(vm.fd, 0), 0, "none");
	close(vm.fd);
	close(vm.dev);
}

/* ---- what is dirty ---- */

/* Some pages, no two next to each other, at both ends of words among them. */
static uint64_t some_page(unsigned int i)
{
	static const unsigned int at[] = { 0, 63, 64, 127, 130, 200 };

	return at[i] * unit;
}
#define SOME 6

/* Reads, and what the process writes, make nothing dirty. */
static void test_pages(bool huge, bool late)
{
	const char *kind = huge ? "huge pages" : "pages";
	struct bitmap want = none, got;
	bool good = true;

	start(PAGES_MAX / 2 + 2 * unit / page, huge, late ? 0 : LOGGED);
	for (uint64_t at = 0; late && at < npages * page; at += huge ? HUGE / 2 : unit)
		guest_access(at, 1 + at);
	if (late)
		must(set_slot(LOGGED), "logging");
	got = get();
	same(&got, &none, kind);
	for (unsigned int i = 0; i < SOME; i++)
		good &= writes(&want, some_page(i) + 8 * i, 100 + i);
	guest_access(5 * unit, 0);
	*(volatile char *)(mem + 7 * unit) = 1;
	check(good, "%s: what the guest has written is there", kind);
	got = get();
	same(&got, &want, "pages that the guest has written");
	got = get();
	same(&got, &none, "... and once");
	want = none;
	check(writes(&want, some_page(3), 7) && writes(&want, npages * page - unit, 8),
	      "%s: it writes again", kind);
	got = get();
	same(&got, &want, "pages that it has written again");
	check(guest_access(some_page(2) + 16, 0) == 102, "%s: what it wrote first is there", kind);
	must(set_slot(0), "no logging");
	good = true;
	for (uint64_t at = 0; at < npages * page; at += unit)
		good &= writes(&want, at, 3 + at);
	check(good, "%s: without a log all of it can be written", kind);
	must(set_slot(LOGGED), "logging again");
	got = get();
	same(&got, &none, "a new log");
	want = none;
	check(writes(&want, 3 * unit, 9), "%s: written in the new log", kind);
	got = get();
	same(&got, &want, "the new log");
	end();
}

/* A log goes with its slot to another address. */
static void test_move(void)
{
	struct bitmap want = none, got;

	start(64 * unit / page, false, LOGGED);
	check(writes(&want, 9 * unit, 5), "written before the slot is moved");
	must(set_region(vm.fd, SLOT, LOGGED, BASE + HUGE, npages * page, mem), "moving the slot");
	guest_access(HUGE + 11 * unit, 6);
	set_written(&want, 11 * unit);
	got = get();
	same(&got, &want, "before and after a move");
	check(word_at(11 * unit) == 6, "written where the slot is now");
	end();
}

static void test_manual(bool huge)
{
	struct bitmap want = none, some = none, got;

	start(PAGES_MAX / 2, huge, 0);
	must(set_manual(vm.fd, MANUAL), "manual protection");
	for (uint64_t at = 0; at < npages * page; at += unit)
		guest_access(at, 1);
	must(set_slot(LOGGED), "logging");
	for (unsigned int i = 0; i < SOME; i++)
		writes(&want, some_page(i), 100 + i);
	got = get();
	same(&got, &want, "GET with manual protection");
	got = get();
	same(&got, &want, "... takes nothing");
	/* of the second word what is asked for only, and none of the first */
	set_written(&some, some_page(0));
	set_written(&some, some_page(3));
	set_written(&some, some_page(3) - unit); /* it was not dirty */
	clear(64 * unit / page, 64, &some);
	for (uint64_t n = 0; n < unit / page; n++)
		if (some_page(3) / page + n < 64 * unit / page + 64)
			want.words[(some_page(3) / page + n) / 64] &=
				~(1ULL << (some_page(3) / page + n) % 64);
	got = get();
	same(&got, &want, "CLEAR of a part");
	writes(&want, some_page(3), 9);
	got = get();
	same(&got, &want, "... which is written again");
	clear(0, npages, &got);
	got = get();
	same(&got, &none, "CLEAR of all");
	want = none;
	for (unsigned int i = 0; i < SOME; i += 2)
		writes(&want, some_page(i), 50 + i);
	got = get();
	same(&got, &want, "... some of which is written again");
	end();
}

static void test_initially_set(bool huge)
{
	struct bitmap want = none, got;

	start(PAGES_MAX / 2 + 2 * unit / page, huge, 0);
	must(set_manual(vm.fd, MANUAL | ALL_SET), "INITIALLY_SET");
	for (uint64_t at = 0; at < npages * page; at += unit)
		guest_access(at, 1);
	must(set_slot(LOGGED), "logging");
	for (uint64_t n = 0; n < npages; n++)
		set(&want, n);
	got = get();
	same(&got, &want, "initially");
	clear(64, 128, &got);
	for (uint64_t n = 64; n < 192; n++)
		want.words[n / 64] = 0;
	got = get();
	same(&got, &want, "INITIALLY_SET: CLEAR of a part");
	for (unsigned int i = 0; i < SOME; i++)
		writes(&want, some_page(i), 100 + i);
	got = get();
	same(&got, &want, "INITIALLY_SET: written again");
	clear(0, npages, &got);
	got = get();
	same(&got, &none, "INITIALLY_SET: CLEAR of all");
	end();
}

/* ---- blocks that are split before they are written ---- */

#define CHUNK KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define SIZES KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES

static long set_chunk(uint64_t bytes)
{
	struct kvm_enable_cap cap = { .cap = CHUNK, .args = { bytes } };

	return ioctl(vm.fd, KVM_ENABLE_CAP, &cap);
}

static long read_cap(int fd, unsigned long cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap);
}

static void test_chunks(void)
{
	struct kvm_enable_cap flags = { .cap = CHUNK, .flags = 1 };
	uint64_t sizes, largest;

	vm = bare_vm();
	sizes = (uint64_t)read_cap(vm.fd, SIZES);
	largest = 1ULL << (63 - __builtin_clzll(sizes));
	check(sizes & unit && largest > unit, "sizes of blocks: %#llx", (unsigned long long)sizes);
	check(!read_cap(vm.dev, CHUNK) && !read_cap(vm.fd, CHUNK), "no chunks to begin with");
	gives(ioctl(vm.fd, KVM_ENABLE_CAP, &flags), EINVAL, "it has no flags");
	gives(set_chunk(unit + 1), EINVAL, "no power of two");
	gives(set_chunk(2 * unit), EINVAL, "no size of a block");
	gives(set_chunk(sizes), EINVAL, "several sizes");
	gives(set_chunk(largest << 32), EINVAL, "what is too large");
	for (uint64_t size = unit; size <= largest; size *= 2)
		if (sizes & size)
			gives(set_chunk(size), 0, "the size of a block");
	check((uint64_t)read_cap(vm.fd, CHUNK) == largest, "what was set is read");
	gives(set_chunk(3), EINVAL, "another one");
	check((uint64_t)read_cap(vm.fd, CHUNK) == largest, "... changes nothing");
	gives(set_chunk(0), 0, "none");
	check(!read_cap(vm.fd, CHUNK), "... is what there is then");
	vm.mem = map_memory(GUEST_SIZE);
	must(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "a slot");
	gives(set_chunk(largest), EINVAL, "with a slot");
	must(set_region(vm.fd, 0, 0, GUEST_BASE, 0, vm.mem), "no slot");
	gives(set_chunk(largest), 0, "without one again");
	end_vm(&vm);
}

/* As start(), with chunks, which are set before there are slots. */
static void start_split(uint64_t chunk, uint64_t manual)
{
	start(PAGES_MAX, true, 0);
	must(set_region(vm.fd, SLOT, 0, BASE, 0, mem), "no slot");
	must(set_region(vm.fd, 0, 0, GUEST_BASE, 0, vm.mem), "no slot");
	must(set_chunk(chunk), "the chunks");
	if (manual)
		must(set_manual(vm.fd, manual), "manual protection");
	must(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "memory of a VM");
	must(set_slot(0), "the slot");
	for (uint64_t at = 0; at < npages * page; at += HUGE)
		guest_access(at, at / HUGE + 1);
}

static void blocks_are(uint64_t offset, uint64_t size, const char *what)
{
	struct mapping m = mapping_at(BASE + offset);

	if (on_keel())
		check(m.block == size, "%s: %lu bytes (expected %llu)", what, m.block,
		      (unsigned long long)size);
}

static void test_split(void)
{
	struct bitmap want = none, got;

	if (page != 4096 || unit != page)
		return;
	start_split(HUGE, 0);
	blocks_are(0, HUGE, "before logging");
	must(set_slot(LOGGED), "logging");
	blocks_are(0, page, "logging splits");
	blocks_are(npages * page - page, page, "logging splits, at the end");
	got = get();
	same(&got, &none, "a block that is split is not dirty");
	for (unsigned int i = 0; i < SOME; i++)
		writes(&want, some_page(i), 100 + i);
	got = get();
	same(&got, &want, "pages of blocks that were split");
	must(set_slot(0), "no logging");
	blocks_are(0, HUGE, "the end of logging joins");
	blocks_are(npages * page - page, HUGE, "the end of logging joins, at the end");
	end();

	start_split(HUGE, MANUAL | ALL_SET);
	must(set_slot(LOGGED), "logging");
	blocks_are(0, HUGE, "INITIALLY_SET: blocks as they were");
	got = get();
	clear(HUGE / page, HUGE / page, &got);
	blocks_are(0, HUGE, "before what is cleared");
	blocks_are(HUGE, page, "what is cleared is split");
	blocks_are(2 * HUGE, HUGE, "behind what is cleared");
	end();

	start_split(0, 0);
	must(set_slot(LOGGED), "logging");
	blocks_are(0, HUGE, "without chunks nothing is split");
	want = none;
	writes(&want, some_page(1), 100);
	blocks_are(0, page, "... before it is written");
	blocks_are(HUGE, HUGE, "... and nothing else then");
	got = get();
	same(&got, &want, "a page of a block");
	end();
}

/* ---- while vCPUs write ---- */

static atomic_bool stop;
static atomic_uint wrote[VCPUS];

static void *scribbler(void *arg)
{
	const struct vcpu *vcpu = arg;

	while (!stop) {
		must(run(vcpu), "KVM_RUN");
		wrote[vcpu - vcpus]++;
	}
	return NULL;
}

static void copy_dirty(char *copy, const struct bitmap *dirty)
{
	for (uint64_t n = 0; n < npages; n++)
		if (has(dirty, n))
			memcpy(copy + n * page, mem + n * page, page);
}

/* Take what is dirty, in one of the ways that there are, and copy it. */
static void copy_round(char *copy, bool manual)
{
	struct bitmap got = get();

	if (manual)
		for (uint64_t first = 0; first < npages; first += 512)
			clear(first, npages - first < 512 ? npages - first : 512, &got);
	copy_dirty(copy, &got);
}

static unsigned int differing(const char *copy)
{
	unsigned int n = 0;

	for (uint64_t at = 0; at < npages * page; at += page)
		n += memcmp(copy + at, mem + at, page) != 0;
	return n;
}

static void start_scribbler(unsigned int i, pthread_t *thread)
{
	set_scribble(&vcpus[i], SCRIBBLE_AT, BASE, npages, page, i);
	pthread_create(thread, NULL, scribbler, &vcpus[i]);
}

/* A copy of what is dirty, round by round, is what the guest has when it stands still. */
static void test_migration(bool huge, uint64_t manual)
{
	char *copy = map_memory(PAGES_MAX * page);
	unsigned int exits = quick ? 10 : 40, begun; /* of both vCPUs, with 500 writes each */
	pthread_t threads[VCPUS];
	struct bitmap got;

	start(1024, huge, 0);
	if (manual)
		must(set_manual(vm.fd, manual), "manual protection");
	stop = false;
	wrote[0] = wrote[1] = 0;
	for (unsigned int i = 0; i < VCPUS; i++)
		start_scribbler(i, &threads[i]);
	for (unsigned int log = 0; log < 3; log++) {
		must(set_slot(LOGGED), "logging");
		memcpy(copy, mem, npages * page);
		begun = wrote[0] + wrote[1];
		while (wrote[0] + wrote[1] - begun < exits)
			copy_round(copy, manual);
		if (log < 2)
			must(set_slot(0), "no logging");
	}
	stop = true;
	for (unsigned int i = 0; i < VCPUS; i++)
		pthread_join(threads[i], NULL);
	copy_round(copy, manual);
	check(!differing(copy), "%s, manual %u: %u of %u pages of the copy differ after %u writes",
	      huge ? "huge pages" : "pages", (unsigned int)manual, differing(copy),
	      (unsigned int)npages, (wrote[0] + wrote[1]) * 500);
	got = get();
	same(&got, &none, "nobody writes any more");
	end();
	munmap(copy, PAGES_MAX * page);
}

/* ---- what is written for the guest ---- */

static void test_steal_time(void)
{
	struct bitmap want = none, got;
	uint64_t ipa = BASE + 3 * unit;
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&ipa,
	};

	start(64, false, LOGGED);
	if (ioctl(vcpus[0].fd, KVM_HAS_DEVICE_ATTR, &attr)) {
		end();
		return;
	}
	must(ioctl(vcpus[0].fd, KVM_SET_DEVICE_ATTR, &attr), "stolen time");
	LOAD(&vm, &vcpus[0], ask_for_time);
	expect_write(&vcpus[0], MMIO_BASE, 8, ipa, "the guest asks for its stolen time");
	set(&want, 3 * unit / page);
	got = get();
	same(&got, &want, "the structure was begun");
	end();
}

int main(int argc, char **argv)
{
	int dev = open_kvm();

	quick = argc > 1 && !strcmp(argv[1], "quick");
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	unit = slot_page(dev);
	close(dev);
	test_errors();
	test_capability();
	for (int huge = 0; huge < 2; huge++) {
		test_pages(huge, false);
		test_pages(huge, true);
		test_manual(huge);
		test_initially_set(huge);
		test_migration(huge, 0);
		test_migration(huge, MANUAL);
		test_migration(huge, MANUAL | ALL_SET);
	}
	test_chunks();
	test_split();
	test_move();
	test_steal_time();
	return finish();
}
