// SPDX-License-Identifier: BSD-2-Clause
/*
 * vmrun: start a Linux kernel in a virtual machine, through KVM's API.
 *
 * main() shows the steps; each step has a file of its own.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "gic.h"
#include "loop.h"
#include "message.h"
#include "move.h"
#include "options.h"
#include "pl011.h"
#include "terminal.h"
#include "vcpu.h"
#include "virtio_blk.h"
#include "virtio_console.h"
#include "vm.h"

/* A reset starts a new machine: exec() closes all files, which ends the VM. */
static void start_again(char **argv)
{
	terminal_restore();
	execv("/proc/self/exe", argv);
	die("cannot start again: %s", strerror(errno));
}

/* The console is added last, so that it does not change which disk is vda. */
static const struct console *add_devices(const struct vm *vm, const struct options *options)
{
	const struct console *uart = pl011_create(vm), *hvc;

	for (unsigned int i = 0; i < options->nr_disks; i++)
		virtio_blk_create(vm, options->disks[i]);
	hvc = virtio_console_create(vm);
	return options->virtio_console ? hvc : uart;
}

int main(int argc, char **argv)
{
	struct options options;
	struct vm vm = { 0 };
	const struct console *console;
	int status;

	options_parse(&options, argc, argv);

	vm.eventfds = !options.no_eventfds;
	vm.spe = options.spe;
	vm.mte = options.mte;
	vm.nested = options.nested;
	vm.nvhe = options.nested_nvhe;
	vm_create(&vm, options.ipa_bits);
	vm_add_ram(&vm, options.mem_base, options.mem);
	for (unsigned int i = 0; i < options.nr_banks; i++)
		vm_add_ram(&vm, options.banks[i].base, options.banks[i].size);
	vcpus_create(&vm, options.cpus, options.features);
	gic_create(&vm);
	vcpus_init_spe(&vm);
	console = add_devices(&vm, &options);
	boot_load(&vm, &options.files);

	terminal_start(console);
	vcpus_start(&vm);
	if (options.move_ms)
		move_start(&vm, options.move_ms);
	status = loop_run();
	vcpus_stop(&vm);
	terminal_restore();
	if (options.move_ms)
		move_tell();

	if (status == STATUS_RESET && options.reboot)
		start_again(argv);
	return status;
}
