// SPDX-License-Identifier: BSD-2-Clause
/* Places the host's parts: in the bundle if the boot protocol allows that, else copied. */
#include <host/place.h>
#include <lib/errno.h>

/* booting.rst, 4: the kernel lies at text_offset from a boundary of this. */
#define KERNEL_ALIGN SZ_2M
/* booting.rst, 3: kernel and initrd lie in one window of this size, aligned to 1 GiB. */
#define INITRD_WINDOW (32 * SZ_1G)
/* booting.rst, 2: kernels before 4.2 need the device tree within this distance of the kernel. */
#define FDT_OLD_WINDOW (512 * SZ_1M)

static int place_fail(const char **why, const char *line, int err)
{
	*why = line;
	return err;
}

/* The initrd is not moved, so it decides where the kernel may be. */
static u64 window_begin(u64 initrd_end)
{
	u64 top = ALIGN_UP(initrd_end, SZ_1G);

	return top > INITRD_WINDOW ? top - INITRD_WINDOW : 0;
}

static u64 window_end(u64 initrd)
{
	return ALIGN_DOWN(initrd, SZ_1G) + INITRD_WINDOW;
}

static bool place_ranges_overlap(u64 a, u64 a_end, u64 b, u64 b_end)
{
	return a < b_end && b < a_end;
}

/*
 * Whether the kernel can be started where it lies in the bundle. The memory that it owns may
 * include the bundle's padding and headers, which are not needed any more, and memory behind the
 * bundle, but not the initrd. A kernel that cannot use memory below itself is copied to the lowest
 * address.
 */
static bool kernel_may_stay(const struct memmap *map, const struct image_info *image,
			    const struct host_layout *l)
{
	u64 at = l->kernel_from;

	return image->anywhere && at >= image->text_offset &&
	       IS_ALIGNED(at - image->text_offset, KERNEL_ALIGN) &&
	       memmap_is_free(map, at, image->image_size) &&
	       !place_ranges_overlap(at, at + image->image_size, l->initrd, l->initrd_end);
}

static int find_kernel(const struct memmap *map, const struct image_info *image,
		       struct host_layout *l)
{
	u64 base;
	int err = memmap_find(map, image->text_offset + image->image_size, KERNEL_ALIGN,
			      window_begin(l->initrd_end), window_end(l->initrd), MEMMAP_LOWEST,
			      &base);

	if (!err)
		l->kernel = base + image->text_offset;
	return err;
}

static int place_kernel(struct memmap *map, u64 base, const struct bundle *bundle,
			const struct image_info *image, struct host_layout *l, const char **why)
{
	bool stays = kernel_may_stay(map, image, l);

	if (memmap_reserve(map, base, bundle->size))
		return place_fail(why, "memory map: too many reserved ranges", -ENOSPC);
	l->kernel = l->kernel_from;
	if (!stays && find_kernel(map, image, l))
		return place_fail(why,
				  "kernel: does not fit: no free memory is large enough for it",
				  -ENOSPC);
	l->kernel_size = image->file_size;
	l->kernel_end = l->kernel + image->image_size;
	/*
	 * reserved from the boundary on: a kernel with a text_offset may use the memory below it
	 * too
	 */
	if (memmap_reserve(map, l->kernel - image->text_offset,
			   image->text_offset + image->image_size))
		return place_fail(why, "memory map: too many reserved ranges", -ENOSPC);
	return 0;
}

static int place_fdt(struct memmap *map, const struct image_info *image, struct host_layout *l,
		     const char **why)
{
	u64 near = l->kernel - image->text_offset;

	if (memmap_find(map, HOST_FDT_SPACE, SZ_2M, near, near + FDT_OLD_WINDOW, MEMMAP_LOWEST,
			&l->fdt) &&
	    memmap_find(map, HOST_FDT_SPACE, SZ_2M, 0, MEMMAP_PA_LIMIT, MEMMAP_LOWEST, &l->fdt))
		return place_fail(why,
				  "device tree: does not fit: no free memory for the host's copy",
				  -ENOSPC);
	if (memmap_reserve(map, l->fdt, HOST_FDT_SPACE))
		return place_fail(why, "memory map: too many reserved ranges", -ENOSPC);
	return 0;
}

int host_place(struct memmap *map, u64 base, const struct bundle *bundle,
	       const struct image_info *image, struct host_layout *layout, const char **why)
{
	struct host_layout l = { 0 };
	int err;

	if (!memmap_is_ram(map, base, bundle->size))
		return place_fail(why, "bundle: does not lie in RAM", -EINVAL);
	if (!memmap_is_free(map, base, bundle->size))
		return place_fail(why, "bundle: overlaps Keel, the device tree or reserved memory",
				  -EINVAL);
	l.kernel_from = base + bundle->kernel.offset;
	l.initrd = base + bundle->initrd.offset;
	l.initrd_end = l.initrd + bundle->initrd.size;
	err = place_kernel(map, base, bundle, image, &l, why);
	if (!err)
		err = place_fdt(map, image, &l, why);
	if (!err)
		*layout = l;
	return err;
}
