// SPDX-License-Identifier: BSD-2-Clause
/*
 * A boot loader that keel.efi starts, in place of GRUB and Linux: it ends boot services as its load
 * options say, looks at what is different then, and turns the machine off.
 *
 *   boot     as loaders do
 *   retry    with a wrong key first
 *   regs     after a change of TCR_EL2 that Keel does not know
 *   less     as one to which firmware lists less memory than to Keel before
 *   never    not at all
 *   return   not at all, and returns to its caller
 *   spoil    the same, after the change of TCR_EL2
 */
#include <efi/efi_abi.h>

#define UART	   ((volatile u32 *)0x9000000)
#define PSCI_OFF   0x84000008
#define MAP_ROOM   16384
#define TCR_TBID   (1ULL << 29)
#define ATTRIBUTES 7 /* non-volatile, in boot services, at runtime */

efi_status exit_watched(efi_status (*exit)(efi_handle image, u64 key), efi_handle image, u64 key,
			u64 *differences);
efi_status efi_entry(efi_handle image, struct efi_system_table *system);

static void say(const char *s)
{
	for (; *s; s++)
		*UART = (u8)*s;
}

static void say_number(const char *what, u64 value)
{
	say(what);
	for (int shift = 60; shift >= 0; shift -= 4)
		*UART = (u8)("0123456789abcdef"[value >> shift & 15]);
	say("\r\n");
}

static u64 current_el(void)
{
	u64 el;

	__asm__ volatile("mrs %0, CurrentEL" : "=r"(el));
	return el >> 2;
}

static u64 masks(void)
{
	u64 daif;

	__asm__ volatile("mrs %0, daif" : "=r"(daif));
	return daif;
}

static void __noreturn turn_off(void)
{
	register u64 x0 __asm__("x0") = PSCI_OFF;

	__asm__ volatile("smc #0" : "+r"(x0) : : "memory");
	for (;;)
		;
}

static void change_tcr(void)
{
	u64 tcr;

	__asm__ volatile("mrs %0, tcr_el2" : "=r"(tcr));
	__asm__ volatile("msr tcr_el2, %0\n\tisb" : : "r"(tcr | TCR_TBID));
}

static bool same_text(const u16 *a, const char *b)
{
	while (*b && *a == (u8)*b) {
		a++;
		b++;
	}
	return !*a && !*b;
}

/* Runtime services, by physical addresses: a variable, written and read back. */
static void use_variables(struct efi_system_table *system)
{
	efi_status (*set)(const efi_char *name, const struct efi_guid *vendor, u32 attributes,
			  u64 size, const void *data) = ((void **)system->runtime)[3 + 8];
	const struct efi_guid vendor = { .a = 0x4b65656c };
	const efi_char name[] = { 'K', 'e', 'e', 'l', 0 };
	u64 value = 0x5eed, back = 0, size = sizeof(back);

	say_number("LOADER: set variable ", set(name, &vendor, ATTRIBUTES, sizeof(value), &value));
	say_number("LOADER: get variable ",
		   system->runtime->get_variable(name, &vendor, NULL, &size, &back));
	say_number("LOADER: variable ", back);
}

/* What Keel has left for the system: KEEL_EFI_VARIABLE. */
static void show_record(struct efi_system_table *system)
{
	const struct efi_guid vendor = { .a = 0xb18320bb,
					 .b = 0x1395,
					 .c = 0x45c9,
					 .d = { 0x88, 0xc2, 0x50, 0x8a, 0x36, 0x58, 0x2f, 0x27 } };
	const efi_char name[] = { 'K', 'e', 'e', 'l', 'B', 'o', 'o', 't', 0 };
	char text[256] = "";
	u64 size = sizeof(text) - 1;

	if (system->runtime->get_variable(name, &vendor, NULL, &size, text))
		return;
	say("LOADER: record ");
	say(text);
	say("\r\n");
}

static efi_status end_boot_services(efi_handle image, struct efi_system_table *system, u64 wrong)
{
	char map[MAP_ROOM] __attribute__((aligned(16)));
	u64 size = sizeof(map), key, step, differences, before = masks();
	efi_status status;
	u32 version;

	if (system->boot->get_memory_map(&size, map, &key, &step, &version))
		return EFI_LOAD_ERROR;
	status = exit_watched(system->boot->exit_boot_services, image, key + wrong, &differences);
	say_number("LOADER: exit status ", status);
	say_number("LOADER: exception level ", current_el());
	say_number("LOADER: registers changed ", differences);
	say_number("LOADER: masks changed ", masks() ^ before);
	return status;
}

typedef efi_status (*map_service)(u64 *size, void *map, u64 *key, u64 *step, u32 *version);

/*
 * Firmware's memory map, but the last page of its largest free part. There is no data here that can be
 * written (efi.ld), so a register that firmware does not use has firmware's service.
 */
static efi_status map_with_less(u64 *size, void *map, u64 *key, u64 *step, u32 *version)
{
	efi_status status;
	map_service whole_map;
	struct efi_memory_descriptor *largest = NULL;

	__asm__ volatile("mrs %0, tpidr_el0" : "=r"(whole_map));
	status = whole_map(size, map, key, step, version);
	for (u64 at = 0; !status && at < *size; at += *step) {
		struct efi_memory_descriptor *d = (void *)((char *)map + at);

		if (d->type == EFI_CONVENTIONAL_MEMORY && (!largest || d->pages > largest->pages))
			largest = d;
	}
	if (largest)
		largest->pages--;
	return status;
}

static void lose_memory(struct efi_system_table *system)
{
	__asm__ volatile("msr tpidr_el0, %0" : : "r"(system->boot->get_memory_map));
	system->boot->get_memory_map = map_with_less;
}

static const u16 *options_of(efi_handle image, struct efi_system_table *system)
{
	const struct efi_guid guid = { .a = 0x5b1b31a1,
				       .b = 0x9562,
				       .c = 0x11d2,
				       .d = { 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } };
	void *loaded = NULL;

	if (system->boot->handle_protocol(image, &guid, &loaded))
		return NULL;
	return ((struct efi_loaded_image *)loaded)->options;
}

efi_status efi_entry(efi_handle image, struct efi_system_table *system)
{
	const u16 *options = options_of(image, system);

	say_number("LOADER: starts at exception level ", current_el());
	if (!options || same_text(options, "return"))
		return EFI_LOAD_ERROR;
	if (same_text(options, "spoil")) {
		change_tcr();
		return EFI_LOAD_ERROR;
	}
	if (same_text(options, "never"))
		turn_off();
	if (same_text(options, "regs"))
		change_tcr();
	if (same_text(options, "less"))
		lose_memory(system);
	if (same_text(options, "retry"))
		(void)end_boot_services(image, system, 1);
	(void)end_boot_services(image, system, 0);
	show_record(system);
	use_variables(system);
	turn_off();
}
