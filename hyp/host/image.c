// SPDX-License-Identifier: BSD-2-Clause
/* Reads the header of an arm64 Image (Linux: Documentation/arch/arm64/booting.rst, section 4). */
#include <host/image.h>
#include <lib/errno.h>
#include <lib/string.h>

/* The header; all fields little-endian whatever the kernel's endianness. */
struct image_header {
	u32 code[2];
	u64 text_offset;
	u64 image_size;
	u64 flags;
	u64 res[3];
	u32 magic;
	u32 pe_offset;
};

STATIC_ASSERT(sizeof(struct image_header) == IMAGE_HEADER_SIZE, "booting.rst");

#define IMAGE_MAGIC 0x644d5241U /* "ARM\x64" */

#define IMAGE_FLAG_BIG_ENDIAN BIT(0)
#define IMAGE_FLAG_PAGE_SIZE  GENMASK(2, 1)
#define IMAGE_FLAG_ANYWHERE   BIT(3)

/* A header from before 3.17: the offset that the boot protocol prescribes, and room for the bss. */
#define LEGACY_TEXT_OFFSET 0x80000ULL
#define LEGACY_ROOM	   (16 * SZ_1M)

/* No memory is larger: such a header is damaged, and sums could overflow. */
#define IMAGE_SIZE_LIMIT BIT(56)

static int image_fail(const char **why, const char *line, int err)
{
	*why = line;
	return err;
}

static bool image_has_bytes(const void *data, size_t size, size_t at, const char *bytes, size_t len)
{
	return size >= at + len && memcmp((const char *)data + at, bytes, len) == 0;
}

/* It is no Image. If it is compressed, the error says so. */
static int not_an_image(const void *data, size_t size, const char **why)
{
	if (image_has_bytes(data, size, 0, "\x1f\x8b", 2))
		return image_fail(why, "kernel: compressed with gzip; unpack it first",
				  -EOPNOTSUPP);
	if (image_has_bytes(data, size, 0, "\x28\xb5\x2f\xfd", 4))
		return image_fail(why, "kernel: compressed with zstd; unpack it first",
				  -EOPNOTSUPP);
	if (image_has_bytes(data, size, 0, "MZ", 2) && image_has_bytes(data, size, 4, "zimg", 4))
		return image_fail(why, "kernel: compressed for EFI (zboot); unpack it first",
				  -EOPNOTSUPP);
	return image_fail(why, "kernel: no arm64 Image (its magic number is missing)", -EINVAL);
}

static void read_placement(const struct image_header *h, size_t size, struct image_info *out)
{
	bool legacy = h->image_size == 0;

	*out = (struct image_info){
		.text_offset = legacy ? LEGACY_TEXT_OFFSET : h->text_offset,
		.file_size = size,
		.image_size = legacy ? size + LEGACY_ROOM : MAX(h->image_size, (u64)size),
		.page_size = (enum image_page_size)FIELD_GET(IMAGE_FLAG_PAGE_SIZE, h->flags),
		.anywhere = (h->flags & IMAGE_FLAG_ANYWHERE) != 0,
	};
}

int image_check(const void *data, size_t size, struct image_info *out, const char **why)
{
	struct image_header h;

	if (size < sizeof(h))
		return not_an_image(data, size, why);
	memcpy(&h, data, sizeof(h));
	if (h.magic != IMAGE_MAGIC)
		return not_an_image(data, size, why);
	if (h.flags & IMAGE_FLAG_BIG_ENDIAN)
		return image_fail(why, "kernel: big-endian; Keel starts little-endian ones",
				  -EOPNOTSUPP);
	if (h.image_size && h.text_offset >= SZ_2M)
		return image_fail(why, "kernel: bad text_offset in its header", -EINVAL);
	if (h.image_size >= IMAGE_SIZE_LIMIT || size >= IMAGE_SIZE_LIMIT)
		return image_fail(why, "kernel: bad image_size in its header", -EINVAL);
	read_placement(&h, size, out);
	return 0;
}
