// SPDX-License-Identifier: BSD-2-Clause
/* The I/O thread's loop over poll(2). */
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "message.h"

#define MAX_WATCHES 32
#define RUNNING	    (-1)

static struct watch watches[MAX_WATCHES];
static unsigned int nr_watches;
static int wake_fd = -1;
static atomic_int end_status = RUNNING;

static void woken(void *unused)
{
	eventfd_t count;

	(void)unused;
	eventfd_read(wake_fd, &count);
}

static void make_wake_fd(void)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		die("cannot create an eventfd: %s", strerror(errno));
	watches[nr_watches++] = (struct watch){ .fd = wake_fd, .ready = woken };
}

void loop_watch(const struct watch *watch)
{
	if (wake_fd < 0)
		make_wake_fd();
	if (nr_watches == MAX_WATCHES)
		die("too many devices");
	watches[nr_watches++] = *watch;
}

void loop_wake(void)
{
	if (wake_fd >= 0)
		eventfd_write(wake_fd, 1);
}

void loop_stop(int status)
{
	int running = RUNNING;

	atomic_compare_exchange_strong(&end_status, &running, status);
	loop_wake();
}

/* poll(2) ignores negative descriptors. */
static void wait_for_any(struct pollfd *fds)
{
	for (unsigned int i = 0; i < nr_watches; i++) {
		const struct watch *watch = &watches[i];
		bool wanted = !watch->before_wait || watch->before_wait(watch->arg);

		fds[i] = (struct pollfd){ .fd = wanted ? watch->fd : -1, .events = POLLIN };
	}
	if (poll(fds, nr_watches, -1) < 0 && errno != EINTR)
		die("cannot wait for input: %s", strerror(errno));
}

int loop_run(void)
{
	struct pollfd fds[MAX_WATCHES];

	while (atomic_load(&end_status) == RUNNING) {
		wait_for_any(fds);
		for (unsigned int i = 0; i < nr_watches; i++) {
			if (fds[i].fd >= 0 && fds[i].revents)
				watches[i].ready(watches[i].arg);
		}
	}
	return atomic_load(&end_status);
}
