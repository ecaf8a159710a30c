/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bundle: what Keel boots. A cpio archive in the "newc" format with the files
 *
 *   kernel    the host's arm64 Image
 *   initrd    the host's initial file system
 *   cmdline   optional: the host's command line, one line of text
 *
 * in any order. Files with other names are ignored; tools use them as padding, so that `kernel`
 * begins on a 2 MiB boundary and has free memory behind it. The bundle is untrusted input.
 */
#ifndef KEEL_HOST_BUNDLE_H
#define KEEL_HOST_BUNDLE_H

#include <lib/types.h>

/* The longest `cmdline`, without a terminator: one less than arm64's COMMAND_LINE_SIZE. */
#define BUNDLE_CMDLINE_MAX 2047
/* The longest name of a file, with its terminator. */
#define BUNDLE_NAME_MAX 256

/* Where a file's contents are in the bundle. */
struct bundle_file {
	/* bytes from the bundle's first; 0 (where a header is) if there is no such file */
	u64 offset;
	u64 size; /* bytes */
};

struct bundle {
	struct bundle_file kernel;
	struct bundle_file initrd;
	struct bundle_file cmdline; /* trailing newlines are not counted */
	u64 size;		    /* bytes up to the end of the trailer */
};

/**
 * bundle_parse() - find the files of a bundle
 * @data: the bundle; only read, and only up to @size bytes
 * @size: its bytes according to the boot loader; the last ones may be of something else
 * @out:  where the files are; untouched on error
 * @why:  on error, one line for the console that says what is wrong
 *
 * Return: 0; -ENOENT without `kernel` or `initrd`, or if there is no archive at all; -EINVAL if the
 * archive is damaged or cut short; -EEXIST for two files of one name; -E2BIG for a name or a
 * command line beyond the limits above.
 */
int __must_check bundle_parse(const void *data, size_t size, struct bundle *out, const char **why);

#endif
