// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reads the bundle: a cpio archive in the "newc" format (Linux:
 * Documentation/driver-api/early-userspace/buffer-format.rst). All of it is untrusted input.
 */
#include <host/bundle.h>
#include <lib/errno.h>
#include <lib/string.h>

/* A header is the magic and 13 fields of 8 hexadecimal digits; then the name, then the contents. */
#define NEWC_MAGIC_LEN	 6
#define NEWC_FIELD_LEN	 8
#define NEWC_FIELDS	 13
#define NEWC_HEADER_SIZE (NEWC_MAGIC_LEN + NEWC_FIELDS * NEWC_FIELD_LEN)

/* The fields that are used here, by their index in the header. */
#define NEWC_FILESIZE 6
#define NEWC_NAMESIZE 11

/* Name and contents are padded so that what follows them is a multiple of this. */
#define NEWC_ALIGN 4U

/* The archive, and how far it has been read. */
struct reader {
	const char *data;
	u64 size;
	u64 pos; /* <= size */
};

/* One file of the archive. */
struct entry {
	const char *name; /* terminated, in the archive */
	struct bundle_file file;
};

static int bundle_fail(const char **why, const char *line, int err)
{
	*why = line;
	return err;
}

static bool is_newc_magic(const char *s)
{
	/* 070701; and 070702, with checksums, which are ignored */
	return memcmp(s, "07070", 5) == 0 && (s[5] == '1' || s[5] == '2');
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Check all fields, and return those that are used. */
static int read_fields(const char *header, u32 *file_size, u32 *name_size)
{
	u32 field[NEWC_FIELDS];

	for (unsigned int i = 0; i < NEWC_FIELDS; i++) {
		field[i] = 0;
		for (unsigned int j = 0; j < NEWC_FIELD_LEN; j++) {
			int digit = hex_digit(header[NEWC_MAGIC_LEN + i * NEWC_FIELD_LEN + j]);

			if (digit < 0)
				return -EINVAL;
			field[i] = field[i] << 4 | (u32)digit;
		}
	}
	*file_size = field[NEWC_FILESIZE];
	*name_size = field[NEWC_NAMESIZE];
	return 0;
}

static bool name_is_sound(const char *name, u32 size)
{
	return size >= 2 && strnlen(name, size) == size - 1;
}

/* Read one file's header and name, and advance past its contents. */
static int next_entry(struct reader *r, struct entry *e, const char **why)
{
	u32 file_size, name_size;
	u64 contents;

	if (r->size - r->pos < NEWC_HEADER_SIZE)
		return bundle_fail(why, "bundle: cut short: no room for a header", -EINVAL);
	if (!is_newc_magic(r->data + r->pos))
		return bundle_fail(why, "bundle: damaged: bad magic number in a header", -EINVAL);
	if (read_fields(r->data + r->pos, &file_size, &name_size))
		return bundle_fail(why, "bundle: damaged: bad hexadecimal number in a header",
				   -EINVAL);
	if (name_size > BUNDLE_NAME_MAX)
		return bundle_fail(why, "bundle: a file's name is too long", -E2BIG);
	if (r->size - r->pos - NEWC_HEADER_SIZE < name_size)
		return bundle_fail(why, "bundle: cut short in a file's name", -EINVAL);

	e->name = r->data + r->pos + NEWC_HEADER_SIZE;
	if (!name_is_sound(e->name, name_size))
		return bundle_fail(why, "bundle: damaged: bad file name", -EINVAL);
	contents = ALIGN_UP(r->pos + NEWC_HEADER_SIZE + name_size, NEWC_ALIGN);
	if (contents > r->size || r->size - contents < file_size)
		return bundle_fail(why, "bundle: cut short in a file's contents", -EINVAL);

	e->file = (struct bundle_file){ .offset = contents, .size = file_size };
	/* padding may be missing at the end of the archive: then a further header is cut short */
	r->pos = MIN(ALIGN_UP(contents + file_size, NEWC_ALIGN), r->size);
	return 0;
}

static struct bundle_file *known_file(struct bundle *b, const char *name)
{
	/* `find . | cpio` writes names with a dot */
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	if (strcmp(name, "kernel") == 0)
		return &b->kernel;
	if (strcmp(name, "initrd") == 0)
		return &b->initrd;
	if (strcmp(name, "cmdline") == 0)
		return &b->cmdline;
	return NULL;
}

static int read_archive(struct reader *r, struct bundle *b, const char **why)
{
	for (;;) {
		struct bundle_file *known;
		struct entry e;
		int err = next_entry(r, &e, why);

		if (err)
			return err;
		if (strcmp(e.name, "TRAILER!!!") == 0)
			break;
		known = known_file(b, e.name);
		if (!known)
			continue;
		if (known->offset)
			return bundle_fail(why, "bundle: two files of the same name", -EEXIST);
		*known = e.file;
	}
	b->size = r->pos;
	return 0;
}

/* The command line must be one line of printable text; newlines at its end are ignored. */
static int check_cmdline(const char *data, struct bundle_file *f, const char **why)
{
	const char *text = data + f->offset;

	while (f->size && (text[f->size - 1] == '\n' || text[f->size - 1] == '\r'))
		f->size--;
	if (f->size > BUNDLE_CMDLINE_MAX)
		return bundle_fail(why, "bundle: cmdline is too long", -E2BIG);
	for (u64 i = 0; i < f->size; i++) {
		if ((u8)text[i] < ' ' && text[i] != '\t')
			return bundle_fail(why, "bundle: cmdline is not one line of text", -EINVAL);
	}
	return 0;
}

int bundle_parse(const void *data, size_t size, struct bundle *out, const char **why)
{
	struct reader r = { .data = data, .size = size };
	struct bundle b = { 0 };
	int err;

	if (size < NEWC_MAGIC_LEN || !is_newc_magic(data))
		return bundle_fail(why, "bundle: none there: the initrd is no newc cpio archive",
				   -ENOENT);
	err = read_archive(&r, &b, why);
	if (err)
		return err;
	if (!b.kernel.size)
		return bundle_fail(why, "bundle: has no kernel", -ENOENT);
	if (!b.initrd.size)
		return bundle_fail(why, "bundle: has no initrd", -ENOENT);
	err = check_cmdline(data, &b.cmdline, why);
	if (err)
		return err;
	*out = b;
	return 0;
}
