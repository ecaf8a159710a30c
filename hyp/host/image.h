/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of an arm64 Linux Image (Linux: Documentation/arch/arm64/booting.rst): whether Keel
 * can start the kernel, and where it may lie. The Image is untrusted input.
 */
#ifndef KEEL_HOST_IMAGE_H
#define KEEL_HOST_IMAGE_H

#include <lib/types.h>

/* Bytes of the header, which is all that image_check() reads. */
#define IMAGE_HEADER_SIZE 64

/* Header flags, bits 2:1: the granule that the kernel was built for. */
enum image_page_size { IMAGE_PAGE_UNSPECIFIED, IMAGE_PAGE_4K, IMAGE_PAGE_16K, IMAGE_PAGE_64K };

struct image_info {
	u64 text_offset; /* load address, from a 2 MiB boundary; below 2 MiB */
	u64 file_size;	 /* bytes that must be there before the kernel is entered */
	u64 image_size;	 /* bytes that the kernel owns from its load address on; >= file_size */
	enum image_page_size page_size; /* stage 1 granule that it needs */
	bool anywhere;			/* may lie anywhere in memory; else as low as possible */
};

/**
 * image_check() - read and check an Image's header
 * @data: the Image
 * @size: its bytes in the file
 * @out:  what the header says; untouched on error
 * @why:  on error, one line for the console that says what is wrong
 *
 * A header without image_size (kernels before 3.17) is taken as the boot protocol says: 512 KiB of
 * text_offset, and generous room behind the file.
 *
 * Return: 0; -EINVAL if this is no arm64 Image, or a damaged one; -EOPNOTSUPP if it is a kernel,
 * but compressed or big-endian.
 */
int __must_check image_check(const void *data, size_t size, struct image_info *out,
			     const char **why);

#endif
