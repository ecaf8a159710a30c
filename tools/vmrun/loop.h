/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O thread: it waits for files (standard input, the eventfds of virtio queues) and calls
 * their watches. It is the first thread of the program; each vCPU has a thread of its own.
 */
#ifndef VMRUN_LOOP_H
#define VMRUN_LOOP_H

#include <stdbool.h>

/** struct watch - a file to wait for. Both functions run in the I/O thread. */
struct watch {
	int fd;
	bool (*before_wait)(void *arg); /* called before each wait: is it waited for? NULL: yes */
	void (*ready)(void *arg);	/* called when the file can be read */
	void *arg;
};

/** loop_watch() - watch one more file (a copy of @watch is kept). Before loop_run() only. */
void loop_watch(const struct watch *watch);

/** loop_run() - call those whose files are ready until loop_stop(). Return: what that was given. */
int loop_run(void);

/** loop_wake() - something has changed: everybody's before_wait() is called again. Any thread. */
void loop_wake(void);

/** loop_stop() - end loop_run(). The first @status counts. Any thread. */
void loop_stop(int status);

#endif
