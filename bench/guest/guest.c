// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the benchmark guests share. See guest.h.
 *
 * Each operation is done in rounds of a few dozen; the counter is read before and after a round,
 * and the median round counts, so that a tick of the host's timer in some of them changes nothing.
 * Nothing is printed before the end, for a console makes the host work. A line of the result:
 *
 *   BENCH operation=NAME count=OPERATIONS_A_ROUND ticks=MEDIAN least=TICKS most=TICKS
 *
 * With MARKS, an HVC whose number nobody else uses comes before and after each round, and after an
 * operation: who has a list of the machine's exceptions finds the round in it (bench/exits.py).
 */
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

/* At EL2 HVC is an exception to EL2 itself, and SMC is PSCI's. */
void power_off(void)
{
	for (;;) {
		if (read_sysreg("currentel") == EL2)
			__asm__ volatile("mov x0, %0\n\tsmc #0" ::"r"(PSCI_SYSTEM_OFF) : "x0");
		else
			hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
	}
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

/* ---- operations ---- */

/* The numbers of bench/exits.py. */
#ifdef MARKS
#define MARK(number)                                                                        \
	__asm__ volatile("mov x0, %0\n\thvc %1" ::"r"(PSCI_VERSION), "i"(0xbe00 + (number)) \
			 : "x0", "x1", "x2", "x3", "memory")
#else
#define MARK(number) ((void)0)
#endif
#define ROUND_BEGINS   0
#define ROUND_ENDS     1
#define OPERATION_ENDS 2

#define MAX_OPERATIONS 32

static u64 results[MAX_OPERATIONS][MAX_ROUNDS];

static void measure(const struct operation *operation, u64 *ticks)
{
	if (operation->warm)
		operation->run(operation->count, 0);
	for (unsigned int round = 0; round < operation->rounds; round++) {
		MARK(ROUND_BEGINS);
		ticks[round] = operation->run(operation->count, round);
		MARK(ROUND_ENDS);
	}
	MARK(OPERATION_ENDS);
}

static void report(const struct operation *operation, u64 *ticks)
{
	sort(ticks, operation->rounds);
	put("BENCH operation=");
	put(operation->name);
	put_number(" count=", operation->count);
	put_number(" ticks=", ticks[operation->rounds / 2]);
	put_number(" least=", ticks[0]);
	put_number(" most=", ticks[operation->rounds - 1]);
	put("\n");
}

void run_operations(const struct operation *operations, unsigned int count, bool pair)
{
	for (unsigned int i = 0; i < count; i++)
		if (operations[i].pair == pair)
			measure(&operations[i], results[i]);
	put_number("BENCH frequency=", read_sysreg("cntfrq_el0"));
	put("\n");
	for (unsigned int i = 0; i < count; i++)
		if (operations[i].pair == pair)
			report(&operations[i], results[i]);
}
