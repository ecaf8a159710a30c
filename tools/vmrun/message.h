/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to the user: one line each on standard error, "vmrun: ...". */
#ifndef VMRUN_MESSAGE_H
#define VMRUN_MESSAGE_H

/* Exit statuses. vmrun(1) documents them. */
enum {
	STATUS_OFF = 0,	  /* the guest powered itself off */
	STATUS_ERROR = 1, /* an error of vmrun or of the machine */
	STATUS_USAGE = 2, /* the command line is wrong */
	STATUS_RESET = 3, /* the guest asked for a reset */
	STATUS_CRASH = 4, /* the guest told the hypervisor that it crashed */
	STATUS_LEFT = 5,  /* the user left with Ctrl-A X */
};

/** warn() - say something and go on. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** die() - say why, give the terminal back, and end with STATUS_ERROR. Any thread may call it. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/** die_usage() - the same with STATUS_USAGE, and a hint at --help. */
void die_usage(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
