// SPDX-License-Identifier: BSD-2-Clause
/* Read all of the machine's RAM, to the end, through /proc/kcore: what debuggers of kernels do. */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NO_RAM ((Elf64_Addr)-1) /* of a segment that is not memory of known place */

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
		done += got;
	}
	return done;
}

int main(void)
{
	int fd = open("/proc/kcore", O_RDONLY);
	unsigned long long total = 0;
	Elf64_Ehdr header;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header))
		err(1, "/proc/kcore");
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr segment;

		if (pread(fd, &segment, sizeof(segment), header.e_phoff + i * sizeof(segment)) !=
		    sizeof(segment))
			err(1, "segment %u", i);
		if (segment.p_type == PT_LOAD && segment.p_paddr != NO_RAM)
			total += read_segment(fd, &segment);
	}
	printf("%llu MiB were read\n", total >> 20);
	return 0;
}
