// SPDX-License-Identifier: BSD-2-Clause
/*
 * rawguest: write a guest of a few instructions to standard output, as an arm64 Image for vmrun.
 * Runs in the system tests' host.
 *
 *   rawguest masked >FILE     loops with all interrupts masked
 *   rawguest load >FILE       loads where there is neither memory nor a device, then powers off
 *   rawguest pair >FILE       loads a pair there: an access that nobody can emulate
 *   rawguest fetch >FILE      jumps there; powers off from the exception vector that follows
 *   rawguest fetch-loop >FILE jumps there without a vector table in memory: aborts for ever
 *
 * Exit status: 0; 1 for a kind that there is not.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NOTHING_THERE "0x70000000" /* vmrun has memory from 0x80000000 on */
#define POWER_OFF     "movz x0, #0x8400, lsl #16\nmovk x0, #8\nhvc #0\nb .\n"

#define GUEST_CODE(name, text)                                                             \
	__asm__(".pushsection .rodata\n.balign 2048\n.global " #name "\n" #name ":\n" text \
		"\n.global " #name "_end\n" #name "_end:\n.popsection\n");                 \
	extern const char name[], name##_end[]

GUEST_CODE(masked, "msr daifset, #0xf\n"
		   "b .\n");
GUEST_CODE(load, "mov x1, #" NOTHING_THERE "\n"
		 "ldr x2, [x1]\n" POWER_OFF);
/* The Image is loaded at a multiple of 2 MiB and the code is 2 KiB into it. */
GUEST_CODE(pair, "adr x0, .\n"
		 "msr vbar_el1, x0\n"
		 "isb\n"
		 "mov x1, #" NOTHING_THERE "\n"
		 "ldp x2, x3, [x1]\n"
		 "b .\n"
		 ".balign 0x200\n" /* a synchronous exception of EL1h */
	   POWER_OFF);
GUEST_CODE(fetch, "adr x0, .\n"
		  "msr vbar_el1, x0\n"
		  "isb\n"
		  "mov x1, #" NOTHING_THERE "\n"
		  "br x1\n"
		  ".balign 0x200\n" /* a synchronous exception of EL1h */
	   POWER_OFF);
GUEST_CODE(fetch_loop, "mov x1, #" NOTHING_THERE "\n"
		       "msr vbar_el1, x1\n"
		       "isb\n"
		       "br x1\n");

static const struct {
	const char *name, *code, *end;
} kinds[] = {
	{ "masked", masked, masked_end },
	{ "load", load, load_end },
	{ "pair", pair, pair_end },
	{ "fetch", fetch, fetch_end },
	{ "fetch-loop", fetch_loop, fetch_loop_end },
};

/* Documentation/arm64/booting: little-endian, 4 KiB pages, anywhere in memory. */
struct image_header {
	uint32_t code[2];
	uint64_t text_offset, image_size, flags, reserved[3];
	uint32_t magic, pe;
};

#define IMAGE_MAGIC 0x644d5241
#define CODE_OFFSET 2048u

static int write_image(const char *code, size_t size)
{
	static char image[CODE_OFFSET + 4096];
	const struct image_header header = {
		.code = { 0x14000000 | CODE_OFFSET / 4 }, /* b . + CODE_OFFSET */
		.image_size = sizeof(image),
		.flags = 0xa,
		.magic = IMAGE_MAGIC,
	};

	if (size > sizeof(image) - CODE_OFFSET)
		return 1;
	memcpy(image, &header, sizeof(header));
	memcpy(image + CODE_OFFSET, code, size);
	return fwrite(image, sizeof(image), 1, stdout) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(argv[1], kinds[i].name))
			return write_image(kinds[i].code, (size_t)(kinds[i].end - kinds[i].code));
	fprintf(stderr, "usage: rawguest masked|load|pair|fetch|fetch-loop >FILE\n");
	return 1;
}
