// SPDX-License-Identifier: BSD-2-Clause
/*
 * A PL011 serial port. Sending takes no time: a character is printed at once, so the transmit FIFO
 * is always empty. One interrupt, level-triggered.
 */
#include "pl011.h"

#include <pthread.h>

#include "gic.h"
#include "layout.h"
#include "loop.h"
#include "mmio.h"

#define RX_FIFO_DEPTH 16

/* Registers (DDI 0183, 3.2). Divisors and others are stored without effect. */
enum {
	UARTDR = 0x000,
	UARTFR = 0x018,
	UARTIBRD = 0x024,
	UARTFBRD = 0x028,
	UARTLCR_H = 0x02c,
	UARTCR = 0x030,
	UARTIFLS = 0x034,
	UARTIMSC = 0x038,
	UARTRIS = 0x03c,
	UARTMIS = 0x040,
	UARTICR = 0x044,
	UARTPeriphID0 = 0xfe0,
	LAST_REGISTER = 0xffc,
};

#define FR_RXFE (1 << 4)
#define FR_RXFF (1 << 6)
#define FR_TXFE (1 << 7)

#define CR_UARTEN (1 << 0)
#define CR_TXE	  (1 << 8)
#define CR_RXE	  (1 << 9)

/* Bits of IMSC, RIS, MIS and ICR. */
#define INT_RX (1 << 4) /* the receive FIFO has reached its level: here, one byte */
#define INT_TX (1 << 5)
#define INT_RT (1 << 6) /* receive timeout: here, at once */

/* UARTPeriphID0..3 and UARTPCellID0..3: a PL011, revision 3. */
static const uint8_t identification[] = { 0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

static struct pl011 {
	const struct vm *vm;
	pthread_mutex_t lock; /* for all that follows */
	uint8_t fifo[RX_FIFO_DEPTH];
	unsigned int first, count; /* of the FIFO */
	bool tx_done;		   /* INT_TX, until the guest clears it */
	bool line;		   /* the interrupt's level */
	uint16_t ibrd, fbrd, lcr_h, cr, ifls, imsc;
} uart = { .lock = PTHREAD_MUTEX_INITIALIZER, .cr = CR_TXE | CR_RXE, .ifls = 0x12 };

static uint32_t raw_interrupts(const struct pl011 *pl011)
{
	return (pl011->count ? INT_RX | INT_RT : 0) | (pl011->tx_done ? INT_TX : 0);
}

static void update_line(struct pl011 *pl011)
{
	bool line = raw_interrupts(pl011) & pl011->imsc;

	if (line != pl011->line)
		gic_set_level(pl011->vm, UART_INTID, line);
	pl011->line = line;
}

/*
 * Nothing is received before the guest has enabled the receiver and an interrupt. Earlier input
 * would be lost, since a driver empties the FIFO before it starts.
 */
static bool is_listening(const struct pl011 *pl011)
{
	return pl011->cr & CR_UARTEN && pl011->cr & CR_RXE && pl011->imsc & (INT_RX | INT_RT);
}

static uint8_t take_byte(struct pl011 *pl011)
{
	uint8_t byte = pl011->fifo[pl011->first];

	if (!pl011->count)
		return 0;
	pl011->first = (pl011->first + 1) % RX_FIFO_DEPTH;
	pl011->count--;
	loop_wake(); /* there is room again */
	return byte;
}

static uint32_t flags(const struct pl011 *pl011)
{
	return FR_TXFE | (pl011->count ? 0 : FR_RXFE) |
	       (pl011->count == RX_FIFO_DEPTH ? FR_RXFF : 0);
}

static uint32_t read_register(struct pl011 *pl011, uint64_t offset)
{
	switch (offset) {
	case UARTDR:
		return take_byte(pl011);
	case UARTFR:
		return flags(pl011);
	case UARTIBRD:
		return pl011->ibrd;
	case UARTFBRD:
		return pl011->fbrd;
	case UARTLCR_H:
		return pl011->lcr_h;
	case UARTCR:
		return pl011->cr;
	case UARTIFLS:
		return pl011->ifls;
	case UARTIMSC:
		return pl011->imsc;
	case UARTRIS:
		return raw_interrupts(pl011);
	case UARTMIS:
		return raw_interrupts(pl011) & pl011->imsc;
	default:
		if (offset >= UARTPeriphID0 && offset <= LAST_REGISTER)
			return identification[(offset - UARTPeriphID0) / 4];
		return 0;
	}
}

static void send_byte(struct pl011 *pl011, uint8_t byte)
{
	terminal_output(&byte, 1);
	pl011->tx_done = true;
}

static void write_register(struct pl011 *pl011, uint64_t offset, uint16_t value)
{
	switch (offset) {
	case UARTDR:
		send_byte(pl011, (uint8_t)value);
		break;
	case UARTIBRD:
		pl011->ibrd = value;
		break;
	case UARTFBRD:
		pl011->fbrd = value;
		break;
	case UARTLCR_H:
		pl011->lcr_h = value;
		break;
	case UARTCR:
		pl011->cr = value;
		break;
	case UARTIFLS:
		pl011->ifls = value;
		break;
	case UARTIMSC:
		pl011->imsc = value;
		break;
	case UARTICR:
		if (value & INT_TX)
			pl011->tx_done = false;
		break;
	default:
		break;
	}
}

static uint64_t pl011_read(void *self, uint64_t offset, unsigned int size)
{
	struct pl011 *pl011 = self;
	uint32_t value;

	(void)size;
	pthread_mutex_lock(&pl011->lock);
	value = read_register(pl011, offset);
	update_line(pl011);
	pthread_mutex_unlock(&pl011->lock);
	return value;
}

static void pl011_write(void *self, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pl011 *pl011 = self;
	bool was_listening;

	(void)size;
	pthread_mutex_lock(&pl011->lock);
	was_listening = is_listening(pl011);
	write_register(pl011, offset, (uint16_t)value);
	update_line(pl011);
	if (is_listening(pl011) && !was_listening)
		loop_wake();
	pthread_mutex_unlock(&pl011->lock);
}

static size_t room(void *self)
{
	struct pl011 *pl011 = self;
	size_t free_bytes;

	pthread_mutex_lock(&pl011->lock);
	free_bytes = is_listening(pl011) ? RX_FIFO_DEPTH - pl011->count : 0;
	pthread_mutex_unlock(&pl011->lock);
	return free_bytes;
}

static void input(void *self, const uint8_t *bytes, size_t count)
{
	struct pl011 *pl011 = self;

	pthread_mutex_lock(&pl011->lock);
	for (size_t i = 0; i < count && pl011->count < RX_FIFO_DEPTH; i++)
		pl011->fifo[(pl011->first + pl011->count++) % RX_FIFO_DEPTH] = bytes[i];
	update_line(pl011);
	pthread_mutex_unlock(&pl011->lock);
}

const struct console *pl011_create(const struct vm *vm)
{
	static const struct console console = { .self = &uart, .room = room, .input = input };
	static const struct mmio_device device = {
		.name = "pl011",
		.base = UART_BASE,
		.size = UART_SIZE,
		.self = &uart,
		.read = pl011_read,
		.write = pl011_write,
	};

	uart.vm = vm;
	mmio_add(&device);
	return &console;
}
