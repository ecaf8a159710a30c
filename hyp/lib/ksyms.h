/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The names of Keel's functions, for backtraces. scripts/ksyms makes the table from the linked
 * image; a release build has an empty one.
 */
#ifndef KEEL_LIB_KSYMS_H
#define KEEL_LIB_KSYMS_H

#include <lib/types.h>

/* Never changed after the build, so read without a lock. */
struct ksyms {
	u32 count;		 /* entries of both arrays */
	const u32 *offsets;	 /* start of each function in bytes from _text, ascending */
	const u32 *name_offsets; /* where in names its name starts */
	const char *names;	 /* terminated strings */
};

/* The image's own table, as scripts/ksyms emits it. */
extern const u32 ksyms_count;
extern const u32 ksyms_offsets[];
extern const u32 ksyms_name_offsets[];
extern const char ksyms_names[];

/* The image's own table, for the callers that are linked into the image. */
static inline struct ksyms ksyms_image(void)
{
	return (struct ksyms){
		.count = ksyms_count,
		.offsets = ksyms_offsets,
		.name_offsets = ksyms_name_offsets,
		.names = ksyms_names,
	};
}

/**
 * ksyms_lookup() - find the function that contains an offset
 * @syms:   the table
 * @offset: bytes from _text. The table has no ends: an offset behind the last function counts as
 *          part of it, so the caller checks that the address is in the image's text. A return
 *          address is behind its call, possibly in the next function: look up the byte before it.
 * @into:   bytes from the function's start to @offset; untouched when there is no name
 *
 * Return: the name; NULL if the table is empty or @offset is before the first function.
 */
const char *ksyms_lookup(const struct ksyms *syms, u64 offset, u64 *into);

#endif
