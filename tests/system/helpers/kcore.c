// SPDX-License-Identifier: BSD-2-Clause
/*
 * Read all of the machine's RAM, to the end, through /proc/kcore: what debuggers of kernels do.
 *
 * usage: kcore [FILE [MARK]]    FILE may be /proc/vmcore; MARK is a text that is looked for
 */
#define _GNU_SOURCE
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NO_RAM ((Elf64_Addr)-1) /* of a segment that is not memory of known place */

static const char *mark;
static unsigned long long marks;

/* Those that begin and end in one piece. */
static void count_marks(const char *at, size_t size)
{
	const char *end = at + size;

	while (mark && (at = memmem(at, (size_t)(end - at), mark, strlen(mark)))) {
		marks++;
		at += strlen(mark);
	}
}

static unsigned long long read_segment(int fd, const Elf64_Phdr *segment)
{
	static char buffer[1 << 20];
	unsigned long long done = 0;

	while (done < segment->p_memsz) {
		size_t size = sizeof(buffer);
		ssize_t got;

		if (size > segment->p_memsz - done)
			size = segment->p_memsz - done;
		got = pread(fd, buffer, size, segment->p_offset + done);
		if (got <= 0)
			err(1, "physical address %#llx",
			    (unsigned long long)segment->p_paddr + done);
		count_marks(buffer, (size_t)got);
		done += got;
	}
	return done;
}

int main(int argc, char **argv)
{
	const char *file = argc > 1 ? argv[1] : "/proc/kcore";
	int fd = open(file, O_RDONLY);
	unsigned long long total = 0;
	Elf64_Ehdr header;

	mark = argc > 2 ? argv[2] : NULL;
	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		err(1, "%s", file);
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr segment;

		if (pread(fd, &segment, sizeof(segment), header.e_phoff + i * sizeof(segment)) !=
		    sizeof(segment))
			err(1, "segment %u", i);
		if (segment.p_type == PT_LOAD && segment.p_paddr != NO_RAM)
			total += read_segment(fd, &segment);
	}
	printf("%llu MiB were read\n", total >> 20);
	if (mark)
		printf("%llu marks\n", marks);
	return 0;
}
