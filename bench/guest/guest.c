// SPDX-License-Identifier: BSD-2-Clause
/* What the benchmark guests share. See guest.h. */
#include "guest.h"

void put(const char *text)
{
	for (; *text; text++)
		write32(UART_BASE + UARTDR, (unsigned char)*text);
}

void put_number(const char *name, u64 value)
{
	char digits[21], *first = &digits[20];

	*first = '\0';
	do {
		*--first = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(name);
	put(first);
}

void power_off(void)
{
	for (;;)
		hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
}

void bench_unexpected(void)
{
	put_number("BENCH unexpected exception, ESR_EL1 ", read_sysreg("esr_el1"));
	put_number(" ELR_EL1 ", read_sysreg("elr_el1"));
	put("\n");
	power_off();
}

void sort(u64 *values, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++) {
		u64 value = values[i];
		unsigned int at = i;

		for (; at && values[at - 1] > value; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
}
