/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The transmit side of a PL011 UART (ARM DDI 0183), shared with the host's own driver: Keel reads
 * the flag register and writes the data register, and changes nothing that the firmware or the host
 * has set up.
 */
#ifndef KEEL_CPU_PL011_H
#define KEEL_CPU_PL011_H

#include <lib/types.h>

/* Changed by pl011_write() only, under a lock of the caller (for the console, the log's). */
struct pl011 {
	void *base; /* of the registers, as mapped; Device memory */
	bool stuck; /* the FIFO stayed full for too long at the last write */
};

/**
 * pl011_init() - make a UART able to transmit
 * @uart: filled in
 * @base: where its registers are mapped; 4 KiB, Device memory
 *
 * Enables the UART and its transmitter if they are not enabled. Baud rate, format, FIFO, interrupts
 * and the receiver stay as they are.
 */
void pl011_init(struct pl011 *uart, void *base);

/**
 * pl011_write() - print text
 * @uart: initialized by pl011_init()
 * @s:    text; each "\n" is sent as "\r\n"
 * @n:    its length in bytes
 *
 * Waits for room in the FIFO, for a limited time: text that the UART does not take within
 * PL011_POLL_MAX reads of its flag register, counted over the whole text, is dropped. While the
 * FIFO stays full, each further call reads that register once. The caller serializes calls.
 */
void pl011_write(struct pl011 *uart, const char *s, size_t n);

/*
 * Reads of the flag register that one text may take. A read of a device register takes 50 ns or
 * more: this is at least the 50 ms that the longest line (256 characters) takes at 57600 baud.
 */
#define PL011_POLL_MAX 1000000

#endif
