// SPDX-License-Identifier: BSD-2-Clause
/*
 * The dirty ring: each vCPU tells which pages it has written, in a ring that userspace maps. None is
 * missing and none is told that was not written, whatever userspace writes to the ring.
 *
 *	test_ring [quick]
 */
#include <asm/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "writers.h"

#define RING_PAGE 64 /* KVM_DIRTY_LOG_PAGE_OFFSET */
#define RESERVED  64 /* entries that a run may still use when KVM_RUN says that the ring is full */
#define MOST	  (65536 * sizeof(struct kvm_dirty_gfn))

#define SLOT   1
#define LOGGED KVM_MEM_LOG_DIRTY_PAGES
#define BASE   0x80000000ULL
#define VCPUS  2
#define PAGES  8192

static uint64_t page; /* of the process, which an entry is for */
static uint64_t unit; /* of stage 2: what is written is so many pages */
static bool quick;
static bool log_first; /* the slot is logged before the VM has rings */

/* ---- the guest ---- */

/* Asks for a page and how many to write; writes to them, downwards; says that it is done. */
GUEST_CODE(write_pages, "mov x10, #0x09000000\n"
			"1: ldr x0, [x10]\n"
			"ldr x1, [x10, #8]\n"
			"ldr x2, [x10, #16]\n"
			"2: subs x1, x1, #1\n"
			"madd x3, x1, x2, x0\n"
			"str x3, [x3]\n"
			"b.ne 2b\n"
			"str x0, [x10, #24]\n"
			"b 1b\n");

#define SCRIBBLE_AT (GUEST_BASE + 0x10000)

/* ---- a VM with rings ---- */

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static struct kvm_dirty_gfn *rings[VCPUS];
static uint32_t entries, next[VCPUS];
static char *mem;
static bool seen[PAGES]; /* an entry was for that page */

static long enable(int fd, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap args = { .cap = cap, .args = { value } };

	return ioctl(fd, KVM_ENABLE_CAP, &args);
}

static long set_ring(int fd, uint64_t bytes)
{
	return enable(fd, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, bytes);
}

static long set_slot(uint32_t flags)
{
	return set_region(vm.fd, SLOT, flags, BASE, PAGES * page, mem);
}

static void *map_ring(int fd, int prot, int flags)
{
	return mmap(NULL, entries * sizeof(struct kvm_dirty_gfn), prot, flags, fd,
		    (off_t)(RING_PAGE * page));
}

static void set_rings(bool bitmap)
{
	must(set_ring(vm.fd, entries * sizeof(struct kvm_dirty_gfn)), "the ring");
	if (bitmap)
		must(enable(vm.fd, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0), "the bitmap");
}

static void start(uint32_t ring_entries, bool bitmap, bool huge)
{
	char *all = map_memory(PAGES * page + (2UL << 20));

	entries = ring_entries;
	mem = all + (-(uintptr_t)all & ((2UL << 20) - 1));
	madvise(mem, PAGES * page, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	if (huge)
		memset(mem, 1, PAGES * page);
	vm = bare_vm();
	if (!log_first)
		set_rings(bitmap);
	vm.mem = map_memory(GUEST_SIZE);
	must(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "memory of a VM");
	must(set_slot(LOGGED), "the slot");
	if (log_first)
		set_rings(bitmap);
	memset(next, 0, sizeof(next));
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < VCPUS; i++) {
		vcpus[i] = new_vcpu(&vm, i);
		rings[i] = map_ring(vcpus[i].fd, PROT_READ | PROT_WRITE, MAP_SHARED);
		if (rings[i] == MAP_FAILED)
			give_up("mmap of a ring");
		load_code(&vm, &vcpus[i], SCRIBBLE_AT, scribble, scribble_end);
		LOAD(&vm, &vcpus[i], write_pages);
	}
}

static void end(void)
{
	for (unsigned int i = 0; i < VCPUS; i++) {
		munmap(rings[i], entries * sizeof(struct kvm_dirty_gfn));
		end_vcpu(&vcpus[i]);
	}
	end_vm(&vm);
	munmap(mem, PAGES * page);
}

static long reset(void)
{
	return ioctl(vm.fd, KVM_RESET_DIRTY_RINGS, 0);
}

/* Take what a vCPU has written: into seen[]. Return: how many entries there were. */
static unsigned int take(unsigned int i)
{
	unsigned int n = 0;

	for (;; n++) {
		struct kvm_dirty_gfn *entry = &rings[i][next[i] % entries];

		if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		if (entry->slot != SLOT || entry->offset >= PAGES)
			check(false, "an entry is for page %llu of slot %u",
			      (unsigned long long)entry->offset, entry->slot);
		else
			seen[entry->offset] = true;
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		next[i]++;
	}
}

static void answer(const struct vcpu *vcpu, uint64_t value)
{
	must(run(vcpu), "KVM_RUN");
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
}

/* Write to @n pages of stage 2, each the @step-th, from the last one down to @first. */
static void ask_for(unsigned int i, uint64_t first, uint64_t n, uint64_t step)
{
	answer(&vcpus[i], BASE + first * unit);
	answer(&vcpus[i], n);
	answer(&vcpus[i], step * unit);
}

static bool is_done(unsigned int i)
{
	return !run(&vcpus[i]) && vcpus[i].run->exit_reason == KVM_EXIT_MMIO;
}

static unsigned int seen_pages(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PAGES; i++)
		n += seen[i];
	return n;
}

/* What was seen is what ask_for() was called for; nothing is seen any more then. */
static void check_seen(uint64_t first, uint64_t n, uint64_t step, const char *what)
{
	uint64_t each = unit / page, good = 0;

	for (uint64_t i = 0; i < n; i++)
		for (uint64_t k = 0; k < each; k++)
			good += seen[(first + i * step) * each + k];
	check(good == n * each && seen_pages() == good,
	      "%s: %u of %u pages are told, and %u others", what, (unsigned int)good,
	      (unsigned int)(n * each), (unsigned int)(seen_pages() - good));
	memset(seen, 0, sizeof(seen));
}

/* ---- calls ---- */

static void test_capabilities(void)
{
	struct kvm_enable_cap flags = { .cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL, .flags = 1 };
	void *some = map_memory(page);

	vm = bare_vm();
	entries = (uint32_t)(page / sizeof(struct kvm_dirty_gfn));
	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_ACQ_REL) == MOST,
	      "KVM_CAP_DIRTY_LOG_RING_ACQ_REL reads the largest ring");
	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP) == 1,
	      "KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP reads 1");
	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) == 0,
	      "KVM_CAP_DIRTY_LOG_RING is for CPUs that order all stores");
	gives(reset(), EINVAL, "a reset without rings");
	gives(enable(vm.fd, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0), EINVAL,
	      "a bitmap without rings");
	gives(enable(vm.fd, KVM_CAP_DIRTY_LOG_RING, page), EINVAL, "KVM_CAP_DIRTY_LOG_RING");
	gives(ioctl(vm.fd, KVM_ENABLE_CAP, &flags), EINVAL, "flags");
	gives(set_ring(vm.fd, 0), EINVAL, "a ring of no bytes");
	gives(set_ring(vm.fd, page / 2), EINVAL, "less than a page");
	gives(set_ring(vm.fd, 3 * page), EINVAL, "no power of two");
	gives(set_ring(vm.fd, 2 * MOST), E2BIG, "more than the most");
	gives(set_ring(vm.fd, page), 0, "a page");
	gives(set_ring(vm.fd, page), EINVAL, "... once only");
	gives(reset(), 0, "a reset without vCPUs");
	must(set_region(vm.fd, 0, 0, GUEST_BASE, page, some), "a slot");
	gives(enable(vm.fd, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0), EINVAL,
	      "a bitmap when there are slots");
	must(set_region(vm.fd, 0, 0, GUEST_BASE, 0, some), "no slot");
	gives(enable(vm.fd, KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP, 0), 0, "a bitmap");
	end_vcpu(&(struct vcpu){ .fd = -1, .run = some, .run_size = page });
	close(vm.fd);
	close(vm.dev);
}

static void test_too_late(void)
{
	struct vcpu vcpu;

	vm = bare_vm();
	vcpu = raw_vcpu(&vm, 0);
	gives(set_ring(vm.fd, page), EINVAL, "a ring when there is a vCPU");
	entries = (uint32_t)(page / sizeof(struct kvm_dirty_gfn));
	rings[0] = map_ring(vcpu.fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	check(rings[0] != MAP_FAILED, "where there is no ring can be mapped");
	munmap(rings[0], page);
	end_vcpu(&vcpu);
	close(vm.fd);
	close(vm.dev);
}

static void test_mapping(void)
{
	static uint64_t bits[PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = { .slot = SLOT, .num_pages = 64, .dirty_bitmap = bits };
	void *two;

	start((uint32_t)(page / sizeof(struct kvm_dirty_gfn)), false, false);
	check(map_ring(vcpus[0].fd, PROT_READ, MAP_PRIVATE) == MAP_FAILED && errno == EINVAL,
	      "a ring is not mapped privately");
	check(map_ring(vcpus[0].fd, PROT_READ | PROT_EXEC, MAP_SHARED) == MAP_FAILED &&
		      errno == EINVAL,
	      "a ring is not mapped to be executed");
	two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, vcpus[0].fd,
		   (off_t)((RING_PAGE - 1) * page));
	check(two == MAP_FAILED && errno == EINVAL, "... nor at the end of a mapping");
	gives(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), ENXIO, "KVM_GET_DIRTY_LOG with rings");
	gives(ioctl(vm.fd, KVM_CLEAR_DIRTY_LOG, &clear), ENXIO, "KVM_CLEAR_DIRTY_LOG with rings");
	end();
}

/* ---- what is told ---- */

static void test_pages(bool huge)
{
	unsigned int each = (unsigned int)(unit / page);

	start(4096, false, huge);
	ask_for(0, 3, 100, 5);
	check(is_done(0), "pages are written");
	check(take(0) == 100 * each && take(1) == 0, "each has an entry of its vCPU");
	check_seen(3, 100, 5, huge ? "huge pages" : "pages");
	ask_for(0, 3, 100, 5);
	check(is_done(0) && take(0) == 0, "before the reset they can be written again untold");
	ask_for(1, 4, 1, 1);
	check(is_done(1) && take(1) == each, "another vCPU writes");
	check_seen(4, 1, 1, "another page");
	check(reset() == 101 * (long)each && reset() == 0,
	      "the entries of both vCPUs are reset, once");
	ask_for(1, 3, 100, 5);
	check(is_done(1) && take(1) == 100 * each && take(0) == 0, "then they are told again");
	check_seen(3, 100, 5, "written by the other vCPU");
	must(set_slot(0), "no logging");
	ask_for(0, 0, 64, 1);
	check(is_done(0) && take(0) == 0, "without a log nothing is told");
	check(reset() == 100 * (long)each, "entries of a slot that is not logged are reset");
	must(set_slot(LOGGED), "logging");
	ask_for(0, 10, 64, 1);
	check(is_done(0) && take(0) == 64 * each, "with a new log it is");
	check_seen(10, 64, 1, "a new log");
	end();
}

/* The ring is full before there is no room: the vCPU does not go on until entries were reset. */
static void test_full(void)
{
	unsigned int each = (unsigned int)(unit / page), n = 0, fulls = 0, taken;
	uint64_t pages = 1000 / each;

	start((uint32_t)(page / sizeof(struct kvm_dirty_gfn)), false, false);
	ask_for(0, 0, pages, 1);
	while (!run(&vcpus[0]) && vcpus[0].run->exit_reason == KVM_EXIT_DIRTY_RING_FULL) {
		if (++fulls > 100)
			break;
		if (!run(&vcpus[0]) && vcpus[0].run->exit_reason != KVM_EXIT_DIRTY_RING_FULL)
			check(false, "it goes on with a full ring");
		taken = take(0);
		if (taken < entries - RESERVED || taken > entries)
			check(false, "full with %u entries of %u", taken, entries);
		if (!run(&vcpus[0]) && vcpus[0].run->exit_reason != KVM_EXIT_DIRTY_RING_FULL)
			check(false, "it goes on before the reset");
		n += taken;
		if (reset() != (long)taken)
			check(false, "not all are reset");
	}
	check(fulls >= 1000 / entries, "KVM_RUN says %u times that the ring is full", fulls);
	/* Of the last page before each the reset takes the permission before it was written to. */
	n += take(0);
	check(n >= pages * each && n <= (pages + fulls) * each, "%u entries for %u pages", n,
	      (unsigned int)pages * each);
	check_seen(0, pages, 1, "a ring that is full");
	end();
}

/* ---- a process that writes what it likes ---- */

static void test_garbage(void)
{
	start((uint32_t)(page / sizeof(struct kvm_dirty_gfn)), false, false);
	for (uint32_t i = 0; i < entries; i++)
		rings[1][i].flags = KVM_DIRTY_GFN_F_RESET;
	check(reset() == 0, "entries that nobody has filled are not reset");
	ask_for(0, 0, 32, 1);
	check(is_done(0), "pages are written");
	for (uint32_t i = 0; i < entries; i++)
		rings[0][i] = (struct kvm_dirty_gfn){
			.flags = i % 3 ? ~0U : KVM_DIRTY_GFN_F_RESET,
			.slot = i % 5 == 1   ? SLOT
				: i % 5 == 2 ? 7
					     : 0x7fff0000U * (i % 5) + i,
			.offset = i % 2 ? ~0ULL - i : (uint64_t)i << (i % 50),
		};
	check(reset() == 32 * (long)(unit / page), "as many are reset as were filled");
	ask_for(0, 100, 20, 1);
	check(is_done(0), "the guest goes on");
	end();
}

static atomic_bool stop;

/* ---- signals ---- */

static void no_handler(int number)
{
	(void)number;
}

static void *signal_storm(void *arg)
{
	pthread_t victim = *(pthread_t *)arg;

	while (!stop)
		pthread_kill(victim, SIGUSR1);
	return NULL;
}

/* A signal that is pending does not end a reset early: a VMM may take that for lost entries. */
static void test_signals(void)
{
	unsigned int each = (unsigned int)(unit / page), rounds = quick ? 5 : 50, whole = 0;
	struct sigaction action = { .sa_handler = no_handler, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self(), thread;

	start(16384, false, false);
	sigaction(SIGUSR1, &action, NULL);
	stop = false;
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int taken;

		/* KVM_RUN would end by the signals. */
		ask_for(0, 0, PAGES / each, 1);
		if (!is_done(0))
			check(false, "the guest does not write");
		taken = take(0);
		stop = false;
		if (pthread_create(&thread, NULL, signal_storm, &self))
			give_up("a thread");
		whole += taken == PAGES && reset() == (long)taken;
		stop = true;
		pthread_join(thread, NULL);
		memset(seen, 0, sizeof(seen));
	}
	check(whole == rounds, "%u of %u resets are whole under signals", whole, rounds);
	end();
}

/* ---- while vCPUs write ---- */

static atomic_uint wrote[VCPUS];
static pthread_mutex_t harvest = PTHREAD_MUTEX_INITIALIZER;
static char *copy;

/* Take all rings, reset, then copy. */
static void copy_round(void)
{
	pthread_mutex_lock(&harvest);
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < VCPUS; i++)
		take(i);
	must(reset(), "KVM_RESET_DIRTY_RINGS");
	for (uint64_t n = 0; n < PAGES; n++)
		if (seen[n])
			memcpy(copy + n * page, mem + n * page, page);
	pthread_mutex_unlock(&harvest);
}

static void *writer(void *arg)
{
	const struct vcpu *vcpu = arg;

	while (!stop) {
		must(run(vcpu), "KVM_RUN");
		if (vcpu->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL)
			copy_round();
		else
			wrote[vcpu - vcpus]++;
	}
	return NULL;
}

static void start_writer(unsigned int i, pthread_t *thread)
{
	set_scribble(&vcpus[i], SCRIBBLE_AT, BASE, PAGES, page, i);
	pthread_create(thread, NULL, writer, &vcpus[i]);
}

/* A copy of what is told, round by round, is what the guest has when it stands still. */
static void test_migration(bool huge)
{
	unsigned int exits = quick ? 20 : 100, differing = 0; /* with 500 writes each */
	pthread_t threads[VCPUS];

	start(512, false, huge);
	copy = map_memory(PAGES * page);
	memcpy(copy, mem, PAGES * page);
	stop = false;
	wrote[0] = wrote[1] = 0;
	for (unsigned int i = 0; i < VCPUS; i++)
		start_writer(i, &threads[i]);
	while (wrote[0] + wrote[1] < exits)
		copy_round();
	stop = true;
	for (unsigned int i = 0; i < VCPUS; i++)
		pthread_join(threads[i], NULL);
	copy_round();
	for (uint64_t at = 0; at < PAGES * page; at += page)
		differing += memcmp(copy + at, mem + at, page) != 0;
	check(!differing, "%s: %u of %u pages of the copy differ after %u writes",
	      huge ? "huge pages" : "pages", differing, PAGES, (wrote[0] + wrote[1]) * 500);
	munmap(copy, PAGES * page);
	end();
}

/* ---- what is written for the guest ---- */

static void test_steal_time(bool bitmap)
{
	static uint64_t bits[PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bits };
	uint64_t ipa = BASE + 3 * page;
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&ipa,
	};

	start((uint32_t)(page / sizeof(struct kvm_dirty_gfn)), bitmap, false);
	if (ioctl(vcpus[0].fd, KVM_HAS_DEVICE_ATTR, &attr)) {
		end();
		return;
	}
	must(ioctl(vcpus[0].fd, KVM_SET_DEVICE_ATTR, &attr), "stolen time");
	LOAD(&vm, &vcpus[0], ask_for_time);
	expect_write(&vcpus[0], MMIO_BASE, 8, ipa, "the guest asks for its stolen time");
	take(0);
	if (bitmap)
		gives(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), 0, "KVM_GET_DIRTY_LOG with a bitmap");
	check(seen[3] || (bitmap && bits[0] == 1U << 3), "its page is in the %s",
	      bitmap ? "bitmap, or the ring" : "ring");
	seen[3] = false;
	check(!seen_pages(), "and no other page");
	end();
}

int main(int argc, char **argv)
{
	int dev = open_kvm();

	quick = argc > 1 && !strcmp(argv[1], "quick");
	page = (uint64_t)sysconf(_SC_PAGESIZE);
	unit = slot_page(dev);
	if (!on_keel() && !ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_ACQ_REL)) {
		check(true, "this KVM has no rings");
		return finish();
	}
	close(dev);
	test_capabilities();
	test_too_late();
	test_mapping();
	for (int huge = 0; huge < 2; huge++) {
		test_pages(huge);
		test_migration(huge);
	}
	test_full();
	test_garbage();
	test_signals();
	test_steal_time(false);
	test_steal_time(true);
	log_first = true;
	test_steal_time(false);
	return finish();
}
