// SPDX-License-Identifier: BSD-2-Clause
/* Output on the PL011, checks, the payload's arguments and its end. */
#include "guest.h"

#define MAX_ARGUMENT 128
#define MAX_QUIET    64

struct entry_state at_entry, at_secondary_entry;
static u32 passed, failed, quiet_failures;
static u32 lock;
static char arguments[MAX_ARGUMENT];

/* ---- output: a line at a time, each character is an exit to vmrun ---- */

static void take(u32 *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		;
}

static void release(u32 *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

static void put(char c)
{
	if (c == '\n')
		write32(UART_BASE, '\r');
	write32(UART_BASE, (u32)c);
}

static void put_string(const char *s)
{
	for (; *s; s++)
		put(*s);
}

static void put_number(u64 value, u32 base)
{
	char digits[24];
	u32 n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		put(digits[--n]);
}

static void put_one(char kind, __builtin_va_list *list)
{
	if (kind == 's')
		put_string(__builtin_va_arg(*list, const char *));
	else if (kind == 'u')
		put_number(__builtin_va_arg(*list, u64), 10);
	else
		put_number(__builtin_va_arg(*list, u64), 16);
}

static void print_list(const char *format, __builtin_va_list *list)
{
	for (; *format; format++) {
		if (*format != '%')
			put(*format);
		else
			put_one(*++format, list);
	}
}

void print(const char *format, ...)
{
	__builtin_va_list list;

	__builtin_va_start(list, format);
	take(&lock);
	print_list(format, &list);
	release(&lock);
	__builtin_va_end(list);
}

/* ---- checks ---- */

void check(const char *name, u64 got, u64 expected)
{
	if (got == expected) {
		__atomic_fetch_add(&passed, 1, __ATOMIC_RELAXED);
		print("%s: PASS\n", name);
	} else {
		__atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED);
		print("%s: FAIL expected 0x%x got 0x%x (cpu %u)\n", name, expected, got,
		      this_cpu_id());
	}
}

void check_true(const char *name, bool good)
{
	check(name, good, 1);
}

void check_quiet(const char *name, u64 got, u64 expected)
{
	static const char *seen[MAX_QUIET];
	static u32 quiet_lock;
	u32 i;

	if (got == expected)
		return;
	__atomic_fetch_add(&quiet_failures, 1, __ATOMIC_RELAXED);
	take(&quiet_lock);
	for (i = 0; i < MAX_QUIET && seen[i] && seen[i] != name; i++)
		;
	if (i < MAX_QUIET && !seen[i]) {
		seen[i] = name;
		check(name, got, expected);
	}
	release(&quiet_lock);
}

void check_round(const char *name)
{
	check(name, __atomic_exchange_n(&quiet_failures, 0, __ATOMIC_RELAXED), 0);
}

void finish(void)
{
	print("payload %s: %u passed, %u failed\n", payload_name, (u64)passed, (u64)failed);
	hvc(PSCI_SYSTEM_OFF, 0, 0, 0);
	print("payload: FAIL expected to be off\n");
	for (;;)
		;
}

void die(const char *why)
{
	failed++;
	print("%s: FAIL %s (cpu %u)\n", payload_name, why, this_cpu_id());
	finish();
}

/* ---- arguments: the command line is in the device tree, as one string that starts with args: */

static bool starts_with(const char *s, const char *what)
{
	while (*what)
		if (*s++ != *what++)
			return false;
	return true;
}

static void find_arguments(const char *tree)
{
	u64 size = __builtin_bswap32(*(const u32 *)(tree + 4)), at, i;

	for (at = 0; at + MAX_ARGUMENT < size; at++) {
		if (!starts_with(tree + at, "args: "))
			continue;
		for (i = 0; i + 1 < MAX_ARGUMENT && tree[at + i]; i++)
			arguments[i] = tree[at + i];
		return;
	}
}

static const char *find_word(const char *word)
{
	const char *s;

	for (s = arguments; *s; s++)
		if (*s == ' ' && starts_with(s + 1, word))
			return s + 1;
	return NULL;
}

bool payload_has_arg(const char *word)
{
	return find_word(word) != NULL;
}

u64 payload_number(const char *word, u64 otherwise)
{
	const char *s = find_word(word);
	u64 value = 0;

	if (!s)
		return otherwise;
	while (*s && *s != '=')
		s++;
	while (*s && *++s >= '0' && *s <= '9')
		value = value * 10 + (u64)(*s - '0');
	return value;
}

void guest_main(const char *tree);
void guest_main(const char *tree)
{
	find_arguments(tree);
	payload_main();
	finish();
}
