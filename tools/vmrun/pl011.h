/* SPDX-License-Identifier: BSD-2-Clause */
/* A PL011 serial port (Arm DDI 0183): Linux's ttyAMA0. */
#ifndef VMRUN_PL011_H
#define VMRUN_PL011_H

#include "terminal.h"
#include "vm.h"

/** pl011_create() - put a serial port at UART_BASE. Return: its end for standard input. */
const struct console *pl011_create(const struct vm *vm);

#endif
