/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's commands to an ITS, checked. Internal to host/. */
#ifndef KEEL_HOST_ITS_COMMAND_H
#define KEEL_HOST_ITS_COMMAND_H

#include <host/its.h>

/* An ITT's memory: the pages around it. */
struct its_itt {
	u64 pa, size; /* size 0: none */
};

/**
 * its_command_check() - make of a command what the hardware may have
 * @its:     lock held
 * @command: fields that the command does not have become zero
 *
 * Return: 0; -EINVAL, a command or a value that is not allowed.
 */
int __must_check its_command_check(const struct its *its, struct its_command *command);

/* The pages of the ITT that a device is mapped to, by its entry in its->itts. */
struct its_itt its_itt_of(const struct its *its, u64 entry);

/* What a checked MAPD makes of the entry. */
u64 its_itt_entry(const struct its_command *mapd);

#endif
