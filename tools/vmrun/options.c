// SPDX-License-Identifier: BSD-2-Clause
/* The command line. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "vcpu.h"

#define MIB	     (UINT64_C(1) << 20)
#define MAX_MEM_MIB  (UINT64_C(1) << 31) /* 2^51 bytes: no machine has that */
#define BANK_ALIGN   (2 * MIB)
#define MIN_IPA_BITS 32
#define MAX_IPA_BITS 52

static const char help[] =
	"usage: vmrun [OPTION...] IMAGE\n"
	"Start the arm64 kernel IMAGE in a virtual machine, its console on this terminal.\n"
	"\n"
	"  -i, --initrd FILE     initial RAM disk\n"
	"  -c, --cmdline TEXT    the kernel's command line (default: console=ttyAMA0)\n"
	"  -m, --mem SIZE        memory, in MiB or as 512M, 2G (default 256M)\n"
	"      --mem-base ADDR   where the memory begins (default 0x80000000); top: as high as guest\n"
	"                        physical addresses allow\n"
	"      --bank ADDR,SIZE  a further bank of memory, at ADDR or at the top; may be repeated\n"
	"  -p, --cpus N          virtual CPUs (default 1; with a GICv2 8 at most)\n"
	"      --ipa-bits N      guest physical addresses have N bits, 32 to 52 (default 40, or fewer)\n"
	"      --features LIST   optional features: pauth,sve,steal; or none (default: all available;\n"
	"                            with --nested=vhe not sve)\n"
	"  -d, --disk FILE[,ro]  a virtio disk (read-only with ,ro); may be repeated\n"
	"      --spe             statistical profiling in the guest (SPE; only on Keel)\n"
	"      --mte             memory tags in the guest (MTE), where the machine has them\n"
	"      --nested[=KIND]   the guest starts at EL2, and can be a hypervisor: vhe (the default), nvhe\n"
	"      --console KIND    which console gets input: uart (ttyAMA0, the default), virtio (hvc0)\n"
	"      --reboot          start again when the guest asks for a reset\n"
	"      --move-memory MS  each MS milliseconds the guest's memory moves (a test of KVM)\n"
	"      --no-eventfds     no KVM_IOEVENTFD and KVM_IRQFD: every notification exits to vmrun\n"
	"  -h, --help            this text\n"
	"\n"
	"The guest's interrupt controller is of the machine's kind: a GICv3, or a GICv2.\n"
	"On a terminal Ctrl-A X leaves, Ctrl-A Ctrl-A sends a Ctrl-A.\n"
	"Exit status: 0 the guest powered off, 1 error, 2 wrong usage, 3 the guest asked for a reset,\n"
	"4 the guest crashed, 5 left by Ctrl-A X.\n";

enum {
	OPT_IPA_BITS = 256,
	OPT_MEM_BASE,
	OPT_BANK,
	OPT_FEATURES,
	OPT_SPE,
	OPT_MTE,
	OPT_NESTED,
	OPT_CONSOLE,
	OPT_REBOOT,
	OPT_MOVE_MEMORY,
	OPT_NO_EVENTFDS
};

static const struct option long_options[] = {
	{ "initrd", required_argument, NULL, 'i' },
	{ "cmdline", required_argument, NULL, 'c' },
	{ "mem", required_argument, NULL, 'm' },
	{ "mem-base", required_argument, NULL, OPT_MEM_BASE },
	{ "bank", required_argument, NULL, OPT_BANK },
	{ "cpus", required_argument, NULL, 'p' },
	{ "ipa-bits", required_argument, NULL, OPT_IPA_BITS },
	{ "features", required_argument, NULL, OPT_FEATURES },
	{ "spe", no_argument, NULL, OPT_SPE },
	{ "mte", no_argument, NULL, OPT_MTE },
	{ "nested", optional_argument, NULL, OPT_NESTED },
	{ "disk", required_argument, NULL, 'd' },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "reboot", no_argument, NULL, OPT_REBOOT },
	{ "move-memory", required_argument, NULL, OPT_MOVE_MEMORY },
	{ "no-eventfds", no_argument, NULL, OPT_NO_EVENTFDS },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* A decimal number; *@rest is set to what follows it. No digits are an error. */
static bool parse_number(const char *text, uint64_t *value, const char **rest)
{
	char *after;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &after, 10);
	*rest = after;
	return errno == 0;
}

static unsigned int parse_range(const char *option, const char *text, unsigned int least,
				unsigned int most)
{
	const char *rest;
	uint64_t value;

	if (!parse_number(text, &value, &rest) || *rest || value < least || value > most)
		die_usage("--%s wants a number from %u to %u, not \"%s\"", option, least, most,
			  text);
	return (unsigned int)value;
}

/* SIZE in MiB, or with M or G. */
static uint64_t parse_size(const char *option, const char *text)
{
	const char *rest;
	uint64_t mib, unit = 1;

	if (!parse_number(text, &mib, &rest))
		die_usage("--%s wants a size like 512M, not \"%s\"", option, text);
	if (*rest == 'G' || *rest == 'g')
		unit = 1024;
	if (*rest && strchr("MmGg", *rest))
		rest++;
	if (*rest || !mib || mib > MAX_MEM_MIB / unit)
		die_usage("--%s wants a size like 512M, not \"%s\"", option, text);
	return mib * unit * MIB;
}

/* ADDR, decimal or 0x..., or "top"; @length characters of @text. */
static uint64_t parse_base(const char *option, const char *text, size_t length)
{
	char *rest = NULL;
	uint64_t base;

	if (length == 3 && !memcmp(text, "top", 3))
		return TOP_BASE;
	errno = 0;
	base = strtoull(text, &rest, 0);
	if (*text < '0' || *text > '9' || rest != text + length || errno || base % BANK_ALIGN)
		die_usage("--%s wants a multiple of 2 MiB or the word top, not \"%.*s\"", option,
			  (int)length, text);
	return base;
}

static void add_bank(struct options *options, const char *spec)
{
	size_t length = strcspn(spec, ",");

	if (!spec[length])
		die_usage("--bank wants ADDR,SIZE, not \"%s\"", spec);
	if (options->nr_banks == MAX_BANKS - 1)
		die_usage("too many banks: %d at most", MAX_BANKS - 1);
	options->banks[options->nr_banks++] = (struct bank_wish){
		.base = parse_base("bank", spec, length),
		.size = parse_size("bank", spec + length + 1),
	};
}

/* The list is not modified, since --reboot parses it again. */
static uint32_t parse_features(const char *list)
{
	uint32_t features = 0;

	if (!strcmp(list, "none"))
		return 0;
	while (*list) {
		size_t length = strcspn(list, ",");
		uint32_t feature = vcpu_feature(list, length);

		if (!feature)
			die_usage("--features takes pauth, sve, steal, or none, not \"%.*s\"",
				  (int)length, list);
		features |= feature;
		list += length + (list[length] == ',');
	}
	return features;
}

static bool parse_console(const char *kind)
{
	if (strcmp(kind, "uart") != 0 && strcmp(kind, "virtio") != 0)
		die_usage("--console is uart or virtio, not \"%s\"", kind);
	return !strcmp(kind, "virtio");
}

static bool parse_nested(const char *kind)
{
	if (strcmp(kind, "vhe") != 0 && strcmp(kind, "nvhe") != 0)
		die_usage("--nested is vhe or nvhe, not \"%s\"", kind);
	return !strcmp(kind, "nvhe");
}

static void add_disk(struct options *options, const char *spec)
{
	if (options->nr_disks == MAX_DISKS)
		die_usage("too many disks: %d at most", MAX_DISKS);
	options->disks[options->nr_disks++] = spec;
}

static void parse_one(struct options *options, int option, char *value)
{
	switch (option) {
	case 'i':
		options->files.initrd = value;
		break;
	case 'c':
		options->files.cmdline = value;
		break;
	case 'm':
		options->mem = parse_size("mem", value);
		break;
	case OPT_MEM_BASE:
		options->mem_base = parse_base("mem-base", value, strlen(value));
		break;
	case OPT_BANK:
		add_bank(options, value);
		break;
	case 'p':
		options->cpus = parse_range("cpus", value, 1, MAX_CPUS);
		break;
	case 'd':
		add_disk(options, value);
		break;
	case OPT_IPA_BITS:
		options->ipa_bits = parse_range("ipa-bits", value, MIN_IPA_BITS, MAX_IPA_BITS);
		break;
	case OPT_FEATURES:
		options->features = parse_features(value);
		break;
	case OPT_SPE:
		options->spe = true;
		break;
	case OPT_MTE:
		options->mte = true;
		break;
	case OPT_NESTED:
		options->nested = true;
		options->nested_nvhe = value && parse_nested(value);
		break;
	case OPT_CONSOLE:
		options->virtio_console = parse_console(value);
		break;
	case OPT_REBOOT:
		options->reboot = true;
		break;
	case OPT_MOVE_MEMORY:
		options->move_ms = parse_range("move-memory", value, 1, MAX_MOVE_MS);
		break;
	case OPT_NO_EVENTFDS:
		options->no_eventfds = true;
		break;
	default:
		fputs(help, stdout);
		exit(fflush(stdout) ? STATUS_ERROR : STATUS_OFF);
	}
}

/* Messages for getopt's two errors. It returns an unknown short option as a character. */
static void refuse(char **argv, int complaint)
{
	if (complaint == ':')
		die_usage("%s needs a value", argv[optind - 1]);
	if (optopt)
		die_usage("there is no option -%c", optopt);
	die_usage("there is no option %s", argv[optind - 1]);
}

void options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.mem = 256 * MIB, .mem_base = RAM_BASE, .cpus = 1, .features = FEATURES_OFFERED
	};
	while ((option = getopt_long(argc, argv, ":i:c:m:p:d:h", long_options, NULL)) != -1) {
		if (option == '?' || option == ':')
			refuse(argv, option);
		parse_one(options, option, optarg);
	}
	if (optind != argc - 1)
		die_usage(optind == argc ? "no kernel is named" : "only one kernel can be started");
	options->files.image = argv[optind];
	if (!options->files.cmdline)
		options->files.cmdline = options->virtio_console ? "console=ttyAMA0 console=hvc0"
								 : "console=ttyAMA0";
}
