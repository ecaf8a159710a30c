/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. vmrun(1) documents it. */
#ifndef VMRUN_OPTIONS_H
#define VMRUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "layout.h"

#define MAX_DISKS   (MAX_VIRTIO - 1)
#define MAX_MOVE_MS 1000000

/** struct options - what the user asked for, or the defaults. */
struct options {
	struct boot_files files;
	uint64_t mem; /* bytes */
	uint64_t mem_base;
	struct bank_wish {
		uint64_t base, size;
	} banks[MAX_BANKS - 1]; /* in addition to that memory */
	unsigned int nr_banks;
	unsigned int cpus;
	unsigned int ipa_bits; /* 0: KVM's default */
	uint32_t features;     /* FEATURE_*, or FEATURES_OFFERED */
	const char *disks[MAX_DISKS];
	unsigned int nr_disks;
	bool virtio_console; /* whether standard input goes to it, or to the serial port */
	bool spe;
	bool mte;
	bool nested, nested_nvhe;
	bool reboot;
	bool no_eventfds;
	unsigned int move_ms; /* 0: the guest's memory stays */
};

/** options_parse() - Does not return for --help or what it does not understand. */
void options_parse(struct options *options, int argc, char **argv);

#endif
