// SPDX-License-Identifier: BSD-2-Clause
/*
 * Faults and invalidations (linux/watch_steps.h), and slots that go (linux/slot_steps.h), in every
 * order: a fault while the kernel takes two pages from the process, in two parts; two faults while it
 * takes one; a fault and two invalidations; and one in a slot that is added, removed or moved
 * meanwhile. Each is a thread of its own here, which is switched at each lock, at each access to what
 * is shared without one, and between each two steps; all schedules are tried, one after the other.
 *
 * At no time may the guest have a page that is not the process's, once the watch has been called; and
 * in the end it has what the process has, where it has a slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include <lib/compiler.h>
#include <lib/types.h>

/* ---- threads, and who runs next ---- */

#define THREADS	   3
#define STACK	   (256 * 1024)
#define STEPS_MAX  200
#define BROKEN_MAX 160

static struct thread {
	ucontext_t context;
	void (*body)(unsigned int page, unsigned int pages);
	unsigned int page, pages;		    /* the first, and how many of an invalidation */
	bool (*waits)(const struct thread *thread); /* NULL: it can run */
	unsigned int woken;			    /* when it went to sleep */
	bool ended;
	bool used; /* it takes part in this test */
} threads[THREADS];

static char stacks[THREADS][STACK];
static ucontext_t scheduler;
static struct thread *running;

/* The schedule: at each step, the number among those that can run; and how many these are. */
static unsigned int chosen[STEPS_MAX], choices[STEPS_MAX], steps, fixed;

static char broken[BROKEN_MAX]; /* why this schedule is wrong */

static void find_broken(const char *what, unsigned int page)
{
	if (!broken[0])
		snprintf(broken, sizeof(broken), "page %u, step %u: %s", page, steps, what);
}

static void check_world(void);

/* Others may run here. */
static void step(void)
{
	check_world();
	swapcontext(&running->context, &scheduler);
}

static void wait_while(bool (*waits)(const struct thread *thread))
{
	running->waits = waits;
	do
		step();
	while (waits(running));
	running->waits = NULL;
}

static void begin_thread(unsigned int number)
{
	struct thread *thread = &threads[number];

	thread->body(thread->page, thread->pages);
	thread->ended = true;
	check_world();
	swapcontext(&thread->context, &scheduler);
}

/* ---- the kernel, as far as the steps need it ---- */

#undef likely
#undef unlikely
#define likely(x)   (x)
#define unlikely(x) (x)
#undef min
#undef max
#undef READ_ONCE
#undef WRITE_ONCE
#define min(a, b)	((a) < (b) ? (a) : (b))
#define max(a, b)	((a) > (b) ? (a) : (b))
#define KEEL_TAKE_PAGES 1ULL

struct lock {
	bool held;
};

typedef unsigned int wait_queue_head_t; /* how many threads are about to sleep, or do */

struct keel_watch {
	struct lock lock;
	unsigned long sequence;
	unsigned int active;
	unsigned long start, end;
	wait_queue_head_t calm;
};

#define PAGE_SHIFT 0
#define PAGES	   2
#define GFNS	   (2 * PAGES) /* page n is at n, or where its slot is moved to, PAGES further */
#define FRAMES_MAX 64

#include "slots_of_tests.h"

#define TABLE_WORDS 24 /* a table of this test's slots */

struct keel_vm {
	struct lock mem_lock;
	struct keel_watch watch;
	struct keel_slots *slots;
	unsigned long slots_generation;
};

static unsigned int slots_at_first; /* each has the same number of pages */

static struct {
	struct keel_vm vm;
	u64 tables[3][TABLE_WORDS]; /* at first, and after one and two changes */
	struct keel_slot slots[PAGES], moved;
	bool slot_comes, slot_goes;
	unsigned int has[PAGES];  /* the process's frame; 0: none */
	unsigned int guest[GFNS]; /* the guest's */
	unsigned int frames;	  /* how many there were so far */
	unsigned int refs[FRAMES_MAX];
	unsigned int
		taken[PAGES]; /* by invalidations whose first call has returned, and that go on */
	unsigned int woken;   /* how often sleepers were woken */
	const struct keel_slots *seen; /* by the last look for a first part */
	bool began_between;	       /* an invalidation, while a slot was leaving */
	bool parted;   /* one has taken a part of the range before a slot left, and one after */
	bool coarse;   /* threads are switched at locks only, and where the kernel's steps are */
	bool careless; /* faults do not look whether anything has changed */
	unsigned int retries;
} world;

static bool is_locked(const struct thread *thread)
{
	(void)thread;
	return world.vm.mem_lock.held;
}

static void mutex_lock(struct lock *mutex)
{
	step();
	if (mutex->held)
		wait_while(is_locked);
	mutex->held = true;
}

/* Others find it held only where that makes a difference: whoever waits for it changes nothing. */
static void mutex_unlock(struct lock *mutex)
{
	mutex->held = false;
}

static bool is_spun(const struct thread *thread)
{
	(void)thread;
	return world.vm.watch.lock.held;
}

static void spin_lock(struct lock *lock)
{
	if (lock->held)
		wait_while(is_spun);
	lock->held = true;
}

static void spin_unlock(struct lock *lock)
{
	lock->held = false;
}

/* At an access to what is shared without a lock. */
static void fine_step(void)
{
	if (!world.coarse)
		step();
}

/* At an access to what only changes while a slot goes. */
static void slots_step(void)
{
	if (world.slot_goes)
		fine_step();
}

#define smp_mb() fine_step()
#define rcu_read_lock() \
	do {            \
	} while (0)
#define rcu_read_unlock() \
	do {              \
	} while (0)
#define READ_ONCE(x)	 (fine_step(), (x))
#define WRITE_ONCE(x, v) ((void)((x) = (v)))
/* The one bool is keel_slots.is_leaving. */
#define smp_load_acquire(p) (_Generic(*(p), bool : slots_step(), default : fine_step()), *(p))
#define smp_store_release(p, v) \
	do {                    \
		fine_step();    \
		*(p) = (v);     \
	} while (0)

static bool is_asleep(const struct thread *thread)
{
	return thread->woken == world.woken;
}

#define wait_event(queue, condition)                  \
	do {                                          \
		(queue)++;                            \
		running->woken = world.woken;         \
		while (!(condition)) {                \
			wait_while(is_asleep);        \
			running->woken = world.woken; \
		}                                     \
		(queue)--;                            \
	} while (0)
#define wq_has_sleeper(queue) (fine_step(), *(queue))
#define wake_up_all(queue)    world.woken++

static void keel_take(struct keel_vm *vm, u64 first, u64 last)
{
	assert_true(vm->mem_lock.held);
	for (; first <= last; first++)
		world.guest[first] = 0;
}

static void keel_take_all(struct keel_vm *vm, u64 gfn, u64 npages)
{
	for (u64 end = gfn + npages; gfn < end; gfn++) {
		mutex_lock(&vm->mem_lock);
		keel_take(vm, gfn, gfn);
		mutex_unlock(&vm->mem_lock);
	}
}

#include "../../linux/slot_steps.h"

/* At its end it waits for those who write to guest memory. */
static void replace_slots(struct keel_vm *vm, struct keel_slots *new)
{
	mutex_lock(&vm->mem_lock);
	vm->slots = new;
	vm->slots_generation++;
	mutex_unlock(&vm->mem_lock);
	slots_step();
}

static void note_look(const struct keel_slots *slots, u64 gfn)
{
	if (!gfn)
		world.seen = slots;
	else if (slots != world.seen && slots->is_leaving)
		world.parted = true;
}

static bool keel_slots_part(struct keel_vm *vm, unsigned long start, unsigned long end, u64 *gfn,
			    u64 *count)
{
	if (!vm->mem_lock.held)
		fine_step();
	note_look(vm->slots, *gfn);
	return keel_part_in_slots(vm->slots, start, end, gfn, count);
}

#include "../../linux/watch_steps.h"

/* ---- a fault, an invalidation, a slot ---- */

static bool find_gfn(unsigned int page, unsigned int *gfn)
{
	u64 at = 0, count;
	bool found = false;

	for (unsigned int i = 0; i < world.vm.slots->count && !found; i++)
		found = keel_part_in_slot(world.vm.slots->slot[i], page, page + 1, &at, &count);
	*gfn = (unsigned int)at;
	return found;
}

static bool lacks_slot(const struct thread *thread)
{
	unsigned int gfn;

	return !find_gfn(thread->page, &gfn);
}

/* After @gfn was found in slots of @generation. */
static bool try_fault(unsigned int page, unsigned int gfn, unsigned long generation)
{
	unsigned long seq = keel_watch_sequence(&world.vm.watch, page, page + 1);
	unsigned int frame;
	bool mapped;

	step();
	if (!world.has[page])
		world.has[page] = ++world.frames;
	frame = world.has[page];
	world.refs[frame]++;
	mutex_lock(&world.vm.mem_lock);
	mapped = world.careless || !keel_watch_changed(&world.vm.watch, page, page + 1, seq);
	mapped &= world.vm.slots_generation == generation;
	if (mapped && !world.guest[gfn])
		world.guest[gfn] = frame;
	world.retries += !mapped;
	mutex_unlock(&world.vm.mem_lock);
	world.refs[frame]--;
	return mapped;
}

/* If there is no slot, and none comes, the guest has met no memory. */
static void fault(unsigned int page, unsigned int pages)
{
	unsigned int gfn;
	bool found;

	(void)pages;
	do {
		if (world.slot_comes && lacks_slot(running))
			wait_while(lacks_slot);
		found = find_gfn(page, &gfn);
	} while (found && !try_fault(page, gfn, world.vm.slots_generation));
}

/* The kernel takes @pages. */
static void invalidate(unsigned int page, unsigned int pages)
{
	const unsigned int end = page + pages;
	unsigned int i;

	keel_watch_enter(&world.vm.watch, page, end);
	world.began_between |= world.vm.slots->is_leaving;
	if (keel_watch_has_memory(&world.vm, page, end))
		keel_watch_take(&world.vm, page, end);
	for (i = page; i < end; i++)
		world.taken[i]++;
	step();
	for (i = page; i < end; i++)
		world.has[i] = 0;
	step();
	for (i = page; i < end; i++)
		world.taken[i]--;
	keel_watch_leave(&world.vm.watch, keel_watch_has_memory(&world.vm, page, end));
}

/* The table after @changes: the VM's without @without, and with @add. */
static struct keel_slots *new_table(unsigned int changes, const struct keel_slot *without,
				    struct keel_slot *add)
{
	struct keel_slots *table = (struct keel_slots *)world.tables[changes];

	assert_true(sizeof(*table) + keel_table_size(PAGES) <= sizeof(world.tables[0]));
	keel_table_begin(table, PAGES);
	keel_table_copy(table, world.vm.slots, without, add);
	return table;
}

static void add_slot(unsigned int page, unsigned int pages)
{
	struct keel_slots *with;

	world.slots[0] = (struct keel_slot){ .gfn = page, .npages = pages, .hva = page };
	with = new_table(1, NULL, &world.slots[0]);
	step();
	replace_slots(&world.vm, with);
}

static struct keel_slot *slot_of(unsigned int page)
{
	const struct keel_slots *slots = world.vm.slots;

	for (unsigned int i = 0; i < slots->count; i++)
		if (page - slots->slot[i]->hva < slots->slot[i]->npages)
			return slots->slot[i];
	return NULL;
}

static void remove_slot(unsigned int page, unsigned int pages)
{
	const struct keel_slot *it = slot_of(page);

	(void)pages;
	keel_slot_withdraw(&world.vm, it, new_table(1, it, NULL));
}

static void move_slot(unsigned int page, unsigned int pages)
{
	const struct keel_slot *it = slot_of(page);
	struct keel_slots *with;

	world.moved = *it;
	world.moved.gfn += PAGES;
	with = new_table(2, it, &world.moved);
	remove_slot(page, pages);
	replace_slots(&world.vm, with);
}

/* In the same two steps, but invalidations are not told. */
static void remove_slot_unseen(unsigned int page, unsigned int pages)
{
	const struct keel_slot *it = slot_of(page);

	(void)pages;
	replace_slots(&world.vm, new_table(1, it, NULL));
	keel_take_all(&world.vm, it->gfn, it->npages);
}

static void check_world(void)
{
	for (unsigned int gfn = 0; gfn < GFNS; gfn++) {
		unsigned int frame = world.guest[gfn], page = gfn % PAGES;

		if (frame && world.taken[page])
			find_broken("the guest has it though the watch has returned", page);
		if (frame && frame != world.has[page])
			find_broken("the guest has what is not the process's", page);
	}
}

/* ---- all schedules ---- */

/* What goes the guest has been given before. */
static void begin_slots(void)
{
	const unsigned int pages = slots_at_first ? PAGES / slots_at_first : 0;

	world.vm.slots = (struct keel_slots *)world.tables[0];
	keel_table_begin(world.vm.slots, PAGES);
	for (unsigned int i = 0; i < slots_at_first; i++) {
		world.slots[i] = (struct keel_slot){ .gfn = (u64)i * pages,
						     .npages = pages,
						     .hva = (unsigned long)i * pages };
		world.vm.slots->slot[i] = world.vm.slots->by_host[i] = &world.slots[i];
		world.vm.slots->reach[i] = (i + 1UL) * pages;
		world.vm.slots->count++;
	}
	world.slot_comes = threads[2].body == add_slot || threads[2].body == move_slot;
	world.slot_goes = threads[2].body == remove_slot || threads[2].body == move_slot ||
			  threads[2].body == remove_slot_unseen;
	if (world.slot_goes)
		for (unsigned int gfn = 0; gfn < slots_at_first * pages; gfn++)
			world.guest[gfn] = world.has[gfn];
}

static void begin_world(bool careless)
{
	memset(&world, 0, sizeof(world));
	world.careless = careless;
	for (unsigned int page = 0; page < PAGES; page++)
		world.has[page] = ++world.frames;
	begin_slots();
	world.coarse = threads[2].body == move_slot ||
		       (threads[1].used && threads[2].used && slots_at_first);
	for (unsigned int i = 0; i < THREADS; i++) {
		struct thread *thread = &threads[i];

		thread->ended = !thread->used;
		thread->waits = NULL;
		getcontext(&thread->context);
		thread->context.uc_stack.ss_sp = stacks[i];
		thread->context.uc_stack.ss_size = STACK;
		thread->context.uc_link = NULL;
		makecontext(&thread->context, (void (*)(void))(void *)begin_thread, 1, i);
	}
}

static bool can_run(const struct thread *thread)
{
	return !thread->ended && !(thread->waits && thread->waits(thread));
}

/* The next of those that can run, by the schedule. NULL: none can. */
static struct thread *next_thread(void)
{
	struct thread *ready[THREADS];
	unsigned int count = 0;

	for (unsigned int i = 0; i < THREADS; i++)
		if (can_run(&threads[i]))
			ready[count++] = &threads[i];
	if (!count)
		return NULL;
	assert_true(steps < STEPS_MAX);
	if (steps >= fixed)
		chosen[steps] = 0;
	choices[steps] = count;
	return ready[chosen[steps++]];
}

static bool has_slot(unsigned int gfn)
{
	unsigned int at;

	return find_gfn(gfn % PAGES, &at) && at == gfn;
}

/* In the end. */
static void check_guest(void)
{
	for (unsigned int gfn = 0; gfn < GFNS && !broken[0]; gfn++)
		if (world.guest[gfn] && !world.has[gfn % PAGES])
			find_broken("the guest has a page of nobody's", gfn);
		else if (world.guest[gfn] && !has_slot(gfn))
			find_broken("the guest has memory where it has no slot", gfn);
}

static void run_schedule(bool careless)
{
	begin_world(careless);
	broken[0] = '\0';
	steps = 0;
	while (!broken[0] && (running = next_thread()))
		swapcontext(&scheduler, &running->context);
	for (unsigned int i = 0; i < THREADS && !broken[0]; i++)
		if (!threads[i].ended)
			find_broken("a thread waits for ever", i);
	check_guest();
	for (unsigned int i = 1; i <= world.frames && !broken[0]; i++)
		if (world.refs[i])
			find_broken("a reference is left", i);
}

/* Whether there is another schedule than the last one: the last choice that has another. */
static bool next_schedule(void)
{
	while (steps && chosen[steps - 1] + 1 == choices[steps - 1])
		steps--;
	if (!steps)
		return false;
	chosen[steps - 1]++;
	fixed = steps;
	return true;
}

struct outcome {
	unsigned long schedules, broken, retried, began_between, parted;
	char why[BROKEN_MAX];
};

static struct outcome run_all(bool careless)
{
	struct outcome outcome = { 0 };

	fixed = 0;
	do {
		run_schedule(careless);
		outcome.schedules++;
		outcome.retried += world.retries > 0;
		outcome.began_between += world.began_between;
		outcome.parted += world.parted;
		if (broken[0] && !outcome.broken++)
			strcpy(outcome.why, broken);
	} while (!outcome.broken && next_schedule());
	return outcome;
}

static struct thread make_thread(void (*body)(unsigned int, unsigned int), unsigned int page,
				 unsigned int pages)
{
	return (struct thread){ .body = body, .page = page, .pages = pages, .used = body };
}

static struct outcome nothing_broken(void)
{
	struct outcome outcome = run_all(false);

	print_message("%lu schedules, in %lu of them a fault starts over\n", outcome.schedules,
		      outcome.retried);
	if (outcome.broken)
		fail_msg("%s", outcome.why);
	assert_true(outcome.schedules > 10);
	return outcome;
}

static void all_good(void)
{
	assert_true(nothing_broken().retried);
}

static void one_fault(unsigned int page)
{
	slots_at_first = 1;
	threads[0] = make_thread(invalidate, 0, 2);
	threads[1] = make_thread(fault, page, 1);
	threads[2] = make_thread(NULL, 0, 0);
}

static void test_a_fault_and_an_invalidation(void **state)
{
	(void)state;
	one_fault(0);
	all_good();
	one_fault(1);
	all_good();
}

static void two_faults(unsigned int second)
{
	threads[0] = make_thread(invalidate, 0, 1);
	threads[1] = make_thread(fault, 0, 1);
	threads[2] = make_thread(fault, second, 1);
	all_good();
}

static void test_two_faults_and_an_invalidation(void **state)
{
	(void)state;
	two_faults(0);
	two_faults(1);
}

static void two_invalidations(unsigned int page, unsigned int second)
{
	threads[0] = make_thread(invalidate, 0, 1);
	threads[1] = make_thread(fault, page, 1);
	threads[2] = make_thread(invalidate, second, 1);
	all_good();
}

static void test_a_fault_and_two_invalidations(void **state)
{
	(void)state;
	two_invalidations(0, 1);
	two_invalidations(1, 1);
	two_invalidations(0, 0);
}

static void test_a_fault_in_a_slot_that_is_added_during_an_invalidation(void **state)
{
	(void)state;
	one_fault(0);
	slots_at_first = 0;
	threads[2] = make_thread(add_slot, 0, 2);
	all_good();
}

/* The slot of @page, one of @slots, goes by @body while the kernel takes both pages. */
static void slot_goes(void (*body)(unsigned int, unsigned int), unsigned int slots,
		      unsigned int page)
{
	slots_at_first = slots;
	threads[0] = make_thread(invalidate, 0, 2);
	threads[1] = make_thread(NULL, 0, 0);
	threads[2] = make_thread(body, page, 0);
}

static void both_orders(void (*body)(unsigned int, unsigned int), unsigned int slots,
			unsigned int page)
{
	struct outcome outcome;

	slot_goes(body, slots, page);
	outcome = nothing_broken();
	print_message("in %lu an invalidation begins while a slot leaves, in %lu one goes on\n",
		      outcome.began_between, outcome.parted);
	assert_true(outcome.began_between && outcome.parted);
}

static void test_an_invalidation_of_a_slot_that_is_removed(void **state)
{
	(void)state;
	both_orders(remove_slot, 1, 0);
	both_orders(move_slot, 1, 0);
}

/* Parts come in the order of guest addresses, whichever slot leaves. */
static void test_an_invalidation_of_two_slots_of_which_one_is_removed(void **state)
{
	(void)state;
	both_orders(remove_slot, 2, 0);
	both_orders(remove_slot, 2, 1);
	both_orders(move_slot, 2, 0);
	both_orders(move_slot, 2, 1);
}

static void fault_in_slot_that_goes(void (*body)(unsigned int, unsigned int), unsigned int page)
{
	slot_goes(body, 1, 0);
	threads[1] = make_thread(fault, page, 1);
	all_good();
}

static void test_a_fault_in_a_slot_that_goes_during_an_invalidation(void **state)
{
	(void)state;
	fault_in_slot_that_goes(remove_slot, 0);
	fault_in_slot_that_goes(remove_slot, 1);
	fault_in_slot_that_goes(move_slot, 0);
}

static void test_a_slot_that_invalidations_do_not_find_once_it_is_removed_is_found(void **state)
{
	(void)state;
	slot_goes(remove_slot_unseen, 1, 0);
	assert_true(run_all(false).broken);
	slot_goes(remove_slot_unseen, 2, 0);
	assert_true(run_all(false).broken);
	slot_goes(remove_slot_unseen, 2, 1);
	assert_true(run_all(false).broken);
}

static void test_a_fault_that_does_not_look_whether_anything_has_changed_is_found(void **state)
{
	(void)state;
	one_fault(0);
	assert_true(run_all(true).broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fault_and_an_invalidation),
		cmocka_unit_test(test_two_faults_and_an_invalidation),
		cmocka_unit_test(test_a_fault_and_two_invalidations),
		cmocka_unit_test(test_a_fault_in_a_slot_that_is_added_during_an_invalidation),
		cmocka_unit_test(test_an_invalidation_of_a_slot_that_is_removed),
		cmocka_unit_test(test_an_invalidation_of_two_slots_of_which_one_is_removed),
		cmocka_unit_test(test_a_fault_in_a_slot_that_goes_during_an_invalidation),
		cmocka_unit_test(
			test_a_slot_that_invalidations_do_not_find_once_it_is_removed_is_found),
		cmocka_unit_test(
			test_a_fault_that_does_not_look_whether_anything_has_changed_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
