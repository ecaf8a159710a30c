// SPDX-License-Identifier: BSD-2-Clause
/*
 * Load a kernel:
 *
 *   the first bank + text_offset   the Image, and what its header asks for behind it
 *   the next multiple of 2 MiB     the device tree
 *   the next multiple of 2 MiB     the initial RAM disk
 */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "layout.h"
#include "message.h"
#include "tree.h"
#include "vcpu.h"

#define MIB		 (UINT64_C(1) << 20)
#define BOOT_ALIGN	 (2 * MIB)
#define IMAGE_MAGIC	 0x644d5241 /* "ARM\x64" */
#define OLD_TEXT_OFFSET	 0x80000    /* used if image_size is 0: a kernel older than 3.17 */
#define OLD_IMAGE_MEMORY (16 * MIB) /* for such a kernel's bss */
#define FLAG_BIG_ENDIAN	 1
#define MOST_MEMORY	 (UINT64_C(1) << 40) /* so that sums of addresses do not overflow */

/** struct image_header - an Image's first 64 bytes; little-endian. */
struct image_header {
	uint32_t code[2];
	uint64_t text_offset; /* from a multiple of 2 MiB */
	uint64_t image_size;  /* the memory that it takes, with its bss */
	uint64_t flags;
	uint64_t reserved[3];
	uint32_t magic;
	uint32_t pe_offset;
};

/** struct file - an open file of known size. */
struct file {
	const char *name;
	int fd;
	uint64_t size;
};

static struct file open_file(const char *name, const char *what)
{
	struct file file = { .name = name, .fd = open(name, O_RDONLY | O_CLOEXEC) };
	struct stat status;

	if (file.fd < 0 || fstat(file.fd, &status) < 0)
		die("cannot open the %s %s: %s", what, name, strerror(errno));
	if (!S_ISREG(status.st_mode))
		die("the %s %s is not a file", what, name);
	file.size = (uint64_t)status.st_size;
	return file;
}

static void read_file(const struct file *file, void *to, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		ssize_t got = pread(file->fd, (char *)to + done, size - done, (off_t)done);

		if (got <= 0)
			die("cannot read %s: %s", file->name,
			    got ? strerror(errno) : "it is too short");
		done += (uint64_t)got;
	}
}

static uint64_t align_up(uint64_t value)
{
	return (value + BOOT_ALIGN - 1) & ~(BOOT_ALIGN - 1);
}

/* Read a whole file to @ipa. */
static void load_file(const struct vm *vm, const struct file *file, uint64_t ipa)
{
	const struct bank *bank = &vm->banks[0];
	void *to = vm_ram(vm, ipa, file->size);

	if (!to)
		die("%s does not fit into %" PRIu64
		    " MiB of memory: use a greater --mem (it takes %" PRIu64 " MiB more)",
		    file->name, bank->size / MIB,
		    (ipa + file->size - bank->base - bank->size + MIB - 1) / MIB);
	read_file(file, to, file->size);
	close(file->fd);
}

/* What the file is, if it is not an Image. */
static void refuse_image(const char *name, const uint8_t start[8])
{
	if (start[0] == 0x1f && start[1] == 0x8b)
		die("%s is compressed with gzip: unpack it with gunzip first", name);
	if (!memcmp(start, "MZ", 2) && !memcmp(start + 4, "zimg", 4))
		die("%s is a compressed EFI image: its kernel must be unpacked first", name);
	if (!memcmp(start, "\177ELF", 4))
		die("%s is an ELF file: use the Image that objcopy -O binary makes of it", name);
	die("%s is not an arm64 Linux Image", name);
}

static struct image_header read_header(const struct file *file)
{
	struct image_header header;

	if (file->size < sizeof(header))
		die("%s is not an arm64 Linux Image", file->name);
	read_file(file, &header, sizeof(header));
	if (header.magic != IMAGE_MAGIC)
		refuse_image(file->name, (const uint8_t *)&header);
	if (header.image_size && header.flags & FLAG_BIG_ENDIAN)
		die("%s is a big-endian kernel: vmrun starts little-endian ones", file->name);
	if (!header.image_size) {
		header.text_offset = OLD_TEXT_OFFSET;
		header.image_size = file->size + OLD_IMAGE_MEMORY;
	}
	if (header.text_offset > MOST_MEMORY || header.image_size > MOST_MEMORY)
		die("%s has an invalid header", file->name);
	return header;
}

/* Load the Image. Return: its address; *@end is set to the end of its memory. */
static uint64_t load_image(const struct vm *vm, const char *name, uint64_t *end)
{
	struct file file = open_file(name, "kernel");
	struct image_header header = read_header(&file);
	uint64_t start = vm->banks[0].base + header.text_offset;

	load_file(vm, &file, start);
	*end = start + (header.image_size > file.size ? header.image_size : file.size);
	return start;
}

void boot_load(const struct vm *vm, const struct boot_files *files)
{
	const struct bank *bank = &vm->banks[0];
	struct tree_boot chosen = { .cmdline = files->cmdline };
	uint64_t kernel_end, entry, tree;
	void *to;

	entry = load_image(vm, files->image, &kernel_end);
	tree = align_up(kernel_end);
	if (files->initrd) {
		struct file initrd = open_file(files->initrd, "initial RAM disk");

		chosen.initrd_start = tree + BOOT_ALIGN;
		chosen.initrd_end = chosen.initrd_start + initrd.size;
		load_file(vm, &initrd, chosen.initrd_start);
	}
	to = vm_ram(vm, tree, TREE_SIZE);
	if (!to)
		die("%" PRIu64 " MiB of memory are too little for this kernel: use --mem %" PRIu64
		    "M or more",
		    bank->size / MIB, (tree + TREE_SIZE - bank->base + MIB - 1) / MIB);
	tree_build(vm, &chosen, to);
	vcpu_set_entry(&vm->vcpus[0], entry, tree);
}
