/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds newc cpio archives in memory, sound ones and damaged ones. */
#ifndef KEEL_TESTS_UNIT_CPIO_WORLD_H
#define KEEL_TESTS_UNIT_CPIO_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cpio {
	char *data;
	size_t size;
};

static inline void cpio_bytes(struct cpio *c, const void *bytes, size_t n)
{
	c->data = realloc(c->data, c->size + n);
	if (bytes)
		memcpy(c->data + c->size, bytes, n);
	else
		memset(c->data + c->size, 0, n);
	c->size += n;
}

static inline void cpio_pad(struct cpio *c)
{
	cpio_bytes(c, NULL, -c->size % 4);
}

/* Adds a file; a NULL @contents are zeroes. Returns the offset of its header. */
static inline size_t cpio_add(struct cpio *c, const char *name, const void *contents, size_t size)
{
	size_t at = c->size;
	char header[111];

	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, 0100644, 0, 0, 1,
		 0, (unsigned int)size, 0, 0, 0, 0, (unsigned int)strlen(name) + 1, 0);
	cpio_bytes(c, header, 110);
	cpio_bytes(c, name, strlen(name) + 1);
	cpio_pad(c);
	cpio_bytes(c, contents, size);
	cpio_pad(c);
	return at;
}

static inline void cpio_end(struct cpio *c)
{
	cpio_add(c, "TRAILER!!!", "", 0);
}

static inline void cpio_free(struct cpio *c)
{
	free(c->data);
	*c = (struct cpio){ 0 };
}

#endif
