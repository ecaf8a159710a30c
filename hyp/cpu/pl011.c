// SPDX-License-Identifier: BSD-2-Clause
/* PL011 UART, transmit side. Registers: ARM DDI 0183, 3.2. */
#include <arch/mmio.h>

#include <cpu/pl011.h>

#define UARTDR 0x00
#define UARTFR 0x18
#define UARTCR 0x30

#define UARTFR_TXFF   BIT(5) /* transmit FIFO full */
#define UARTCR_UARTEN BIT(0)
#define UARTCR_TXE    BIT(8)

static void *uart_register(const struct pl011 *uart, size_t offset)
{
	return (u8 *)uart->base + offset;
}

void pl011_init(struct pl011 *uart, void *base)
{
	const u32 enable = UARTCR_UARTEN | UARTCR_TXE;

	*uart = (struct pl011){ .base = base };

	u32 cr = mmio_read32(uart_register(uart, UARTCR));

	if ((cr & enable) != enable)
		mmio_write32(uart_register(uart, UARTCR), cr | enable);
}

/* @polls: reads of the flag register that are left; those it takes are subtracted. */
static bool wait_for_room(struct pl011 *uart, unsigned int *polls)
{
	while (*polls) {
		--*polls;
		if (!(mmio_read32(uart_register(uart, UARTFR)) & UARTFR_TXFF)) {
			uart->stuck = false;
			return true;
		}
		if (uart->stuck)
			return false;
	}
	uart->stuck = true;
	return false;
}

static bool put_byte(struct pl011 *uart, char c, unsigned int *polls)
{
	if (!wait_for_room(uart, polls))
		return false;
	mmio_write32(uart_register(uart, UARTDR), (u8)c);
	return true;
}

void pl011_write(struct pl011 *uart, const char *s, size_t n)
{
	unsigned int polls = PL011_POLL_MAX;

	for (; n; n--, s++) {
		if (*s == '\n' && !put_byte(uart, '\r', &polls))
			return;
		if (!put_byte(uart, *s, &polls))
			return;
	}
}
