// SPDX-License-Identifier: BSD-2-Clause
/*
 * Faults and invalidations (linux/watch_steps.h) in every order: a fault while the kernel takes two
 * pages from the process, in two parts; two faults while it takes one; a fault and two invalidations;
 * and a fault in a slot that is added meanwhile. Each is a thread of its own here, which is switched
 * at each lock, at each access to what is shared without one, and between each two steps; all
 * schedules are tried, one after the other.
 *
 * At no time may the guest have a page that is not the process's, once the watch has been called; and
 * in the end it has what the process has.
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

struct keel_vm {
	struct lock mem_lock;
	struct keel_watch watch;
};

#define PAGES	   2
#define FRAMES_MAX 64

static struct {
	struct keel_vm vm;
	unsigned int has[PAGES];   /* the process's frame; 0: none */
	unsigned int guest[PAGES]; /* the guest's */
	unsigned int frames;	   /* how many there were so far */
	unsigned int refs[FRAMES_MAX];
	unsigned int
		taken[PAGES]; /* by invalidations whose first call has returned, and that go on */
	unsigned int woken;   /* how often sleepers were woken */
	bool no_slot;
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

#define smp_mb() fine_step()
#define rcu_read_lock() \
	do {            \
	} while (0)
#define rcu_read_unlock() \
	do {              \
	} while (0)
#define READ_ONCE(x)	    (fine_step(), (x))
#define WRITE_ONCE(x, v)    ((void)((x) = (v)))
#define smp_load_acquire(p) (fine_step(), *(p))
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

/* The slot, if there is one, has all pages. */
static bool keel_slots_part(struct keel_vm *vm, unsigned long start, unsigned long end, u64 *gfn,
			    u64 *count)
{
	if (!vm->mem_lock.held)
		fine_step();
	*gfn = max(*gfn, start);
	*count = *gfn < end ? end - *gfn : 0;
	return *count && !world.no_slot;
}

static void keel_take(struct keel_vm *vm, u64 first, u64 last)
{
	assert_true(vm->mem_lock.held);
	for (; first <= last; first++)
		world.guest[first] = 0;
}

#include "../../linux/watch_steps.h"

/* ---- a fault, an invalidation, a slot ---- */

static bool lacks_slot(const struct thread *thread)
{
	(void)thread;
	return world.no_slot;
}

static bool try_fault(unsigned int page)
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
	if (mapped && !world.guest[page])
		world.guest[page] = frame;
	world.retries += !mapped;
	mutex_unlock(&world.vm.mem_lock);
	world.refs[frame]--;
	return mapped;
}

static void fault(unsigned int page, unsigned int pages)
{
	(void)pages;
	if (world.no_slot)
		wait_while(lacks_slot);
	while (!try_fault(page))
		;
}

/* The kernel takes @pages. */
static void invalidate(unsigned int page, unsigned int pages)
{
	const unsigned int end = page + pages;
	unsigned int i;

	keel_watch_enter(&world.vm.watch, page, end);
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

static void add_slot(unsigned int page, unsigned int pages)
{
	(void)page;
	(void)pages;
	step();
	mutex_lock(&world.vm.mem_lock);
	world.no_slot = false;
	mutex_unlock(&world.vm.mem_lock);
}

static void check_world(void)
{
	for (unsigned int page = 0; page < PAGES; page++) {
		unsigned int frame = world.guest[page];

		if (frame && world.taken[page])
			find_broken("the guest has it though the watch has returned", page);
		if (frame && frame != world.has[page])
			find_broken("the guest has what is not the process's", page);
	}
}

/* ---- all schedules ---- */

static void begin_world(bool careless)
{
	memset(&world, 0, sizeof(world));
	world.careless = careless;
	world.no_slot = threads[2].body == add_slot;
	world.coarse = threads[2].used && !world.no_slot;
	for (unsigned int page = 0; page < PAGES; page++)
		world.has[page] = ++world.frames;
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
	for (unsigned int i = 0; i < THREADS && !broken[0]; i++)
		if (threads[i].used && threads[i].body == fault && !world.has[threads[i].page] &&
		    world.guest[threads[i].page])
			find_broken("the guest has a page of nobody's", threads[i].page);
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
	unsigned long schedules, broken, retried;
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

static void all_good(void)
{
	struct outcome outcome = run_all(false);

	print_message("%lu schedules, in %lu of them a fault starts over\n", outcome.schedules,
		      outcome.retried);
	if (outcome.broken)
		fail_msg("%s", outcome.why);
	assert_true(outcome.schedules > 10 && outcome.retried);
}

static void one_fault(unsigned int page)
{
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
	threads[2] = make_thread(add_slot, 0, 0);
	all_good();
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
		cmocka_unit_test(
			test_a_fault_that_does_not_look_whether_anything_has_changed_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
