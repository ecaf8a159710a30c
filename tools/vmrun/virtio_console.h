/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio console (virtio 1.1, 5.3) with one port: Linux's hvc0. */
#ifndef VMRUN_VIRTIO_CONSOLE_H
#define VMRUN_VIRTIO_CONSOLE_H

#include "terminal.h"
#include "vm.h"

/** virtio_console_create() - Return: its end for standard input. */
const struct console *virtio_console_create(const struct vm *vm);

#endif
