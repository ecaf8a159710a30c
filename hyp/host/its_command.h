/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's commands to an ITS, checked. Internal to host/. */
#ifndef KEEL_HOST_ITS_COMMAND_H
#define KEEL_HOST_ITS_COMMAND_H

#include <host/its.h>

/* An ITT's memory, in whole pages. */
struct its_itt {
	u64 pa, size; /* size 0: none */
};

/**
 * its_command_check() - check a command, and reduce it to its defined fields
 * @its:     lock held
 * @command: bits that are of no field of this command become zero
 *
 * Return: 0; -EINVAL the command or a value is not allowed.
 */
int __must_check its_command_check(const struct its *its, struct its_command *command);

/* The pages of the ITT that an entry of its->itts describes. */
struct its_itt its_itt_of(const struct its *its, u64 entry);

/* The entry of its->itts after a checked MAPD; 0 if it unmaps the device. */
u64 its_itt_entry(const struct its_command *mapd);

#endif
