// SPDX-License-Identifier: BSD-2-Clause
/*
 * Faults and an invalidation (linux/watch_steps.h) in every order: a fault while the kernel takes two
 * pages from the process, in two parts; and two faults while it takes one. Each is a thread of its own here, which is
 * switched at each lock and between each two steps; all schedules are tried, one after the other.
 *
 * At no time may the guest have a page that is not the process's, once the watch has been called; and
 * in the end it has what the process has. The kernel's part is a model of its interval notifiers.
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
	void (*body)(unsigned int page);
	unsigned int page;   /* of a fault; how many an invalidation is of */
	bool (*waits)(void); /* NULL: it can run */
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

static void wait_while(bool (*waits)(void))
{
	running->waits = waits;
	do
		step();
	while (waits());
	running->waits = NULL;
}

static void begin_thread(unsigned int number)
{
	struct thread *thread = &threads[number];

	thread->body(thread->page);
	thread->ended = true;
	check_world();
	swapcontext(&thread->context, &scheduler);
}

/* ---- the kernel, as far as the steps need it ---- */

#undef likely
#define likely(x) (x)
#undef min
#define min(a, b)	((a) < (b) ? (a) : (b))
#define KEEL_TAKE_PAGES 1ULL

struct mutex {
	bool held;
};

struct mmu_interval_notifier {
	unsigned long invalidate_seq;
};

struct keel_vm {
	struct mutex mem_lock;
};

struct keel_watch {
	struct mmu_interval_notifier notifier;
	struct keel_vm *vm;
	unsigned long calm;
};

#define PAGES	   2
#define FRAMES_MAX 64

static struct {
	struct keel_vm vm;
	struct keel_watch watch;
	unsigned long seq;	   /* of the process: odd during an invalidation */
	unsigned int has[PAGES];   /* the process's frame; 0: none */
	unsigned int guest[PAGES]; /* the guest's */
	unsigned int frames;	   /* how many there were so far */
	unsigned int refs[FRAMES_MAX];
	bool taken; /* the watch was called, and has returned: until the end of the invalidation */
	bool done;  /* the invalidation has ended */
	bool may_be_held; /* others run while mem_lock is held */
	bool careless;	  /* faults do not look whether the sequence has changed */
	unsigned int retries;
} world;

static bool is_locked(void)
{
	return world.vm.mem_lock.held;
}

static void mutex_lock(struct mutex *mutex)
{
	step();
	if (mutex->held)
		wait_while(is_locked);
	mutex->held = true;
}

static bool mutex_trylock(struct mutex *mutex)
{
	step();
	if (mutex->held)
		return false;
	mutex->held = true;
	return true;
}

/* Others find it held only where that makes a difference: whoever waits for it changes nothing. */
static void mutex_unlock(struct mutex *mutex)
{
	if (world.may_be_held)
		step();
	mutex->held = false;
}

static bool mmu_interval_check_retry(struct mmu_interval_notifier *notifier, unsigned long seq)
{
	return notifier->invalidate_seq != seq;
}

static bool mmu_interval_read_retry(struct mmu_interval_notifier *notifier, unsigned long seq)
{
	return !world.careless && notifier->invalidate_seq != seq;
}

static void mmu_interval_set_seq(struct mmu_interval_notifier *notifier, unsigned long seq)
{
	notifier->invalidate_seq = seq;
}

static bool is_invalidating(void)
{
	return world.seq == world.watch.notifier.invalidate_seq;
}

static unsigned long mmu_interval_read_begin(struct mmu_interval_notifier *notifier)
{
	unsigned long seq = notifier->invalidate_seq;

	if (world.seq == seq)
		wait_while(is_invalidating);
	return seq;
}

static void keel_take(struct keel_vm *vm, u64 first, u64 last)
{
	assert_true(vm->mem_lock.held);
	for (; first <= last; first++)
		world.guest[first] = 0;
}

#include "../../linux/watch_steps.h"

/* ---- a fault, an invalidation ---- */

static void fault(unsigned int page)
{
	bool mapped = false;

	while (!mapped) {
		unsigned long seq = keel_watch_sequence(&world.watch);
		unsigned int frame;

		step();
		if (!world.has[page])
			world.has[page] = ++world.frames;
		frame = world.has[page];
		world.refs[frame]++;
		mutex_lock(&world.vm.mem_lock);
		mapped = !keel_watch_changed(&world.watch, seq);
		if (mapped && !world.guest[page])
			world.guest[page] = frame;
		world.retries += !mapped;
		mutex_unlock(&world.vm.mem_lock);
		world.refs[frame]--;
	}
}

/* The kernel takes the first @pages. */
static void invalidate(unsigned int pages)
{
	world.seq |= 1;
	step();
	(void)keel_watch_take(&world.watch, 0, pages, world.seq, true);
	world.taken = true;
	step();
	for (unsigned int page = 0; page < pages; page++)
		world.has[page] = 0;
	step();
	world.taken = false;
	world.done = true;
	world.seq++;
}

/* The reaper's: it does not wait, and leaves the process its memory if it would have to. */
static void try_to_invalidate(unsigned int pages)
{
	world.seq |= 1;
	step();
	world.taken = keel_watch_take(&world.watch, 0, pages, world.seq, false);
	step();
	for (unsigned int page = 0; page < pages && world.taken; page++)
		world.has[page] = 0;
	step();
	world.taken = false;
	world.done = true;
	world.seq++;
}

static void check_world(void)
{
	for (unsigned int page = 0; page < PAGES; page++) {
		unsigned int frame = world.guest[page];

		if (frame && world.taken && page < threads[0].page)
			find_broken("the guest has it though the watch has returned", page);
		if (frame && frame != world.has[page])
			find_broken("the guest has what is not the process's", page);
	}
}

/* ---- all schedules ---- */

static void begin_world(bool careless)
{
	memset(&world, 0, sizeof(world));
	world.seq = 2;
	world.watch.notifier.invalidate_seq = 1;
	world.watch.vm = &world.vm;
	world.careless = careless;
	world.may_be_held = threads[0].body == try_to_invalidate;
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
	return !thread->ended && !(thread->waits && thread->waits());
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

static void set_threads(void (*taker)(unsigned int), unsigned int pages, int first, int second)
{
	threads[0] = (struct thread){ .body = taker, .page = pages, .used = true };
	threads[1] = (struct thread){ .body = fault, .page = (unsigned int)first, .used = true };
	threads[2] = (struct thread){ .body = fault,
				      .page = (unsigned int)(second < 0 ? 0 : second),
				      .used = second >= 0 };
}

static void all_good(void (*taker)(unsigned int), unsigned int pages, int first, int second)
{
	struct outcome outcome;

	set_threads(taker, pages, first, second);
	outcome = run_all(false);
	print_message("%lu schedules, in %lu of them a fault starts over\n", outcome.schedules,
		      outcome.retried);
	if (outcome.broken)
		fail_msg("%s", outcome.why);
	assert_true(outcome.schedules > 10 && outcome.retried);
}

static void test_a_fault_and_an_invalidation(void **state)
{
	all_good(invalidate, 2, 0, -1);
	all_good(invalidate, 2, 1, -1);
}

static void test_a_fault_and_an_invalidation_that_must_not_wait(void **state)
{
	all_good(try_to_invalidate, 2, 0, -1);
	all_good(try_to_invalidate, 2, 1, -1);
}

static void test_two_faults_and_an_invalidation(void **state)
{
	all_good(invalidate, 1, 0, 0);
	all_good(invalidate, 1, 0, 1);
}

static void test_a_fault_that_does_not_look_at_the_sequence_is_found(void **state)
{
	set_threads(invalidate, 2, 0, -1);
	assert_true(run_all(true).broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fault_and_an_invalidation),
		cmocka_unit_test(test_a_fault_and_an_invalidation_that_must_not_wait),
		cmocka_unit_test(test_two_faults_and_an_invalidation),
		cmocka_unit_test(test_a_fault_that_does_not_look_at_the_sequence_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
