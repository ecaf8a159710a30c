// SPDX-License-Identifier: BSD-2-Clause
/* Device paths: sequences of nodes, each with its length. */
#include <efi/efi_path.h>
#include <lib/string.h>

#define OPTION_ACTIVE	   1
#define OPTION_DESCRIPTION 6 /* offset: behind the attributes and the length of the path */

/* 10.3.5.1: a partition's node; its number, and the signature with its type */
#define DISK_SIZE      42
#define DISK_SIGNATURE 24

static size_t node_size(const void *node)
{
	const struct efi_device_path *n = node;

	return n->length[0] + ((size_t)n->length[1] << 8);
}

static bool is_end(const struct efi_device_path *node)
{
	return node->type == EFI_PATH_END && node->subtype == EFI_PATH_END_OF_PATH;
}

size_t efi_path_size(const void *path, size_t most)
{
	size_t at = 0;

	while (path && most - at >= sizeof(struct efi_device_path)) {
		const struct efi_device_path *node = (const void *)((const char *)path + at);
		size_t size = node_size(node);

		if (size < sizeof(*node) || size > most - at)
			return 0;
		at += size;
		if (is_end(node))
			return size == sizeof(*node) ? at : 0;
	}
	return 0;
}

/* The node behind @node. */
static const struct efi_device_path *next_node(const struct efi_device_path *node)
{
	return (const void *)((const char *)node + node_size(node));
}

const struct efi_device_path *efi_path_find(const void *path, size_t size, u8 type, u8 subtype)
{
	const struct efi_device_path *node = path;

	if (!size)
		return NULL;
	for (; !is_end(node); node = next_node(node))
		if (node->type == type && node->subtype == subtype)
			return node;
	return NULL;
}

bool efi_path_same_disk(const void *a, size_t a_size, const void *b, size_t b_size)
{
	const char *x = (const char *)efi_path_find(a, a_size, EFI_PATH_MEDIA, EFI_PATH_MEDIA_DISK);
	const char *y = (const char *)efi_path_find(b, b_size, EFI_PATH_MEDIA, EFI_PATH_MEDIA_DISK);

	return x && y && node_size(x) == DISK_SIZE && node_size(y) == DISK_SIZE &&
	       memcmp(x + 4, y + 4, 4) == 0 &&
	       memcmp(x + DISK_SIGNATURE, y + DISK_SIGNATURE, DISK_SIZE - DISK_SIGNATURE) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Append a node's name to @out, which holds @n characters. Return: how many then; 0: too many. */
static size_t add_name(const struct efi_device_path *node, char *out, size_t n, size_t out_size)
{
	const u8 *name = (const u8 *)(node + 1);
	size_t count = (node_size(node) - sizeof(*node)) / sizeof(efi_char);

	/* each of several nodes may begin or end with a separator, or not */
	if (n && out[n - 1] != '\\' && count && name[0] != '\\' && n < out_size - 1)
		out[n++] = '\\';
	for (size_t i = 0; i < count && (name[2 * i] || name[2 * i + 1]); i++) {
		if (n >= out_size - 1)
			return 0;
		out[n++] = name[2 * i + 1] ? '?' : (char)name[2 * i];
	}
	return n;
}

bool efi_path_file(const void *path, size_t size, char *out, size_t out_size)
{
	const struct efi_device_path *node = path;
	size_t n = 0;

	if (!efi_path_find(path, size, EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE))
		return false;
	for (; !is_end(node); node = next_node(node)) {
		if (node->type != EFI_PATH_MEDIA || node->subtype != EFI_PATH_MEDIA_FILE)
			continue;
		n = add_name(node, out, n, out_size);
		if (!n)
			return false;
	}
	out[n] = '\0';
	return n != 0;
}

bool efi_path_names_file(const void *path, size_t size, const char *name)
{
	char file[EFI_PATH_MAX / sizeof(efi_char)];
	size_t i = 0;

	if (!efi_path_file(path, size, file, sizeof(file)))
		return false;
	while (file[i] && lower(file[i]) == lower(name[i]))
		i++;
	return !file[i] && !name[i];
}

static void put_node(void *to, u8 type, u8 subtype, size_t size)
{
	struct efi_device_path *node = to;

	*node = (struct efi_device_path){ type, subtype, { (u8)size, (u8)(size >> 8) } };
}

bool efi_path_of_file(const void *device, size_t size, const char *name, void *out)
{
	size_t end = sizeof(struct efi_device_path), at = size - end, count = strlen(name) + 1;
	size_t node = end + count * sizeof(efi_char);
	u8 *to = out;

	if (size < end || size > EFI_PATH_MAX || node > EFI_PATH_MAX - size)
		return false;
	memcpy(to, device, at);
	put_node(to + at, EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE, node);
	for (size_t i = 0; i < count; i++) {
		to[at + end + 2 * i] = (u8)name[i];
		to[at + end + 2 * i + 1] = 0;
	}
	put_node(to + at + node, EFI_PATH_END, EFI_PATH_END_OF_PATH, end);
	return true;
}

bool efi_path_append(const void *device, size_t size, const void *tail, size_t tail_size,
		     const struct efi_device_path *from, void *out)
{
	size_t at = size - sizeof(struct efi_device_path);
	size_t left = tail_size - (size_t)((const char *)from - (const char *)tail);

	if (size < sizeof(struct efi_device_path) || at > EFI_PATH_MAX || left > EFI_PATH_MAX - at)
		return false;
	memcpy(out, device, at);
	memcpy((char *)out + at, from, left);
	return true;
}

const void *efi_option_path(const void *data, size_t size, size_t *path_size)
{
	const u8 *p = data;
	size_t at = OPTION_DESCRIPTION, listed;

	if (size < OPTION_DESCRIPTION || !(p[0] & OPTION_ACTIVE))
		return NULL;
	listed = p[4] + ((size_t)p[5] << 8);
	while (size - at >= 2 && (p[at] || p[at + 1]))
		at += 2;
	if (size - at < 2 || listed > size - at - 2)
		return NULL;
	*path_size = efi_path_size(p + at + 2, listed);
	return *path_size ? p + at + 2 : NULL;
}
