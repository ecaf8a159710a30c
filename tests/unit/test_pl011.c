// SPDX-License-Identifier: BSD-2-Clause
/* The PL011 driver against a UART of which the test decides when it takes a character. */
/* SOURCES: hyp/cpu/pl011.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/mmio.h>
#include <cpu/pl011.h>

/* ARM DDI 0183, 3.2. */
#define DR 0x00
#define FR 0x18
#define CR 0x30

static struct {
	u32 cr;
	u32 cr_writes;
	u64 fr_reads;
	u64 busy;     /* reads of FR for which the FIFO stays full, each time it gets full */
	u64 busy_for; /* reads for which it is full now */
	bool jammed;  /* it stays full permanently */
	char sent[256];
	size_t count;
} device;

static char registers[0x1000];

static u32 read_fr(void)
{
	device.fr_reads++;
	if (device.jammed)
		return 1 << 5;
	if (!device.busy_for)
		return 0;
	device.busy_for--;
	return 1 << 5;
}

u32 mmio_read32(const volatile void *addr)
{
	switch ((const volatile char *)addr - registers) {
	case FR:
		return read_fr();
	case CR:
		return device.cr;
	default:
		fail_msg("read of register 0x%tx", (const volatile char *)addr - registers);
		return 0;
	}
}

void mmio_write32(volatile void *addr, u32 value)
{
	switch ((volatile char *)addr - registers) {
	case DR:
		if (device.jammed || device.busy_for)
			fail_msg("0x%x written although the FIFO is full", value);
		assert_true(value < 256 && device.count + 1 < sizeof(device.sent));
		device.sent[device.count++] = (char)value;
		device.busy_for = device.busy;
		break;
	case CR:
		device.cr = value;
		device.cr_writes++;
		break;
	default:
		fail_msg("write to register 0x%tx", (volatile char *)addr - registers);
	}
}

static struct pl011 uart;

static int setup(void **state)
{
	memset(&device, 0, sizeof(device));
	device.cr = 0x301;
	pl011_init(&uart, registers);
	return 0;
}

static void write_text(const char *s)
{
	pl011_write(&uart, s, strlen(s));
}

static void check_sent(const char *want)
{
	if (strcmp(device.sent, want))
		fail_msg("sent \"%s\", expected \"%s\"", device.sent, want);
}

static void init_leaves_an_enabled_uart_alone(void **state)
{
	assert_int_equal(device.cr_writes, 0);
}

static void init_enables_transmitter_and_keeps_the_rest(void **state)
{
	static const u32 before[] = { 0, 0x001, 0x100, 0xce80, 0x200 };

	for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
		device.cr = before[i];
		pl011_init(&uart, registers);
		if (device.cr != (before[i] | 0x101))
			fail_msg("CR 0x%x became 0x%x", before[i], device.cr);
	}
}

static void newline_becomes_carriage_return_newline(void **state)
{
	write_text("keel: a\n\nb");
	check_sent("keel: a\r\n\r\nb");
	pl011_write(&uart, "xyz", 1);
	check_sent("keel: a\r\n\r\nbx");
}

static void bytes_are_sent_as_unsigned(void **state)
{
	write_text("\xff");
	check_sent("\xff");
}

static void full_fifo_is_waited_for(void **state)
{
	device.busy = (PL011_POLL_MAX - 1) / 4 - 1;
	write_text("abc\n");
	check_sent("abc\r\n");
	assert_false(uart.stuck);
}

/* However long the text, and though no single character takes long. */
static void slow_uart_has_one_budget_for_the_whole_text(void **state)
{
	device.busy = PL011_POLL_MAX / 3;
	write_text("abcdefghijkl");
	check_sent("abc");
	assert_int_equal(device.fr_reads, PL011_POLL_MAX);
	device.busy = device.busy_for = 0;
	write_text("m");
	check_sent("abcm");
}

static void stuck_uart_is_given_up_after_bounded_polling(void **state)
{
	write_text("ab");
	device.fr_reads = 0;
	device.jammed = true;
	write_text("lost for ever");
	assert_int_equal(device.fr_reads, PL011_POLL_MAX);
	write_text("lost too");
	assert_int_equal(device.fr_reads, PL011_POLL_MAX + 1);
	check_sent("ab");
}

static void stuck_uart_that_recovers_is_used_again(void **state)
{
	device.jammed = true;
	write_text("lost");
	device.jammed = false;
	device.busy = 10;
	write_text("back");
	check_sent("back");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(init_leaves_an_enabled_uart_alone, setup),
		cmocka_unit_test_setup(init_enables_transmitter_and_keeps_the_rest, setup),
		cmocka_unit_test_setup(newline_becomes_carriage_return_newline, setup),
		cmocka_unit_test_setup(bytes_are_sent_as_unsigned, setup),
		cmocka_unit_test_setup(full_fifo_is_waited_for, setup),
		cmocka_unit_test_setup(slow_uart_has_one_budget_for_the_whole_text, setup),
		cmocka_unit_test_setup(stuck_uart_is_given_up_after_bounded_polling, setup),
		cmocka_unit_test_setup(stuck_uart_that_recovers_is_used_again, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
