// SPDX-License-Identifier: BSD-2-Clause
/* Identifiers of protocols (UEFI 2.10, in the sections of each), lines, and strings. */
#include <stdarg.h>

#include <efi/efi_env.h>
#include <keel/hypercall.h>
#include <lib/printf.h>
#include <lib/string.h>

/* Longer lines are cut off. */
#define EFI_LINE_MAX 256

const struct efi_guid efi_guid_loaded_image = {
	.a = 0x5b1b31a1,
	.b = 0x9562,
	.c = 0x11d2,
	.d = { 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b },
};
const struct efi_guid efi_guid_device_path = {
	.a = 0x09576e91,
	.b = 0x6d3f,
	.c = 0x11d2,
	.d = { 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b },
};
const struct efi_guid efi_guid_file_system = {
	.a = 0x964e5b22,
	.b = 0x6459,
	.c = 0x11d2,
	.d = { 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b },
};
const struct efi_guid efi_guid_global_variable = {
	.a = 0x8be4df61,
	.b = 0x93ca,
	.c = 0x11d2,
	.d = { 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c },
};
const struct efi_guid efi_guid_device_tree = {
	.a = 0xb1b621d5,
	.b = 0xf19c,
	.c = 0x41a5,
	.d = { 0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0 },
};
/* ACPI 6.5, 5.2.5.2; the second is that of ACPI 1.0 */
const struct efi_guid efi_guid_acpi20 = {
	.a = 0x8868e871,
	.b = 0xe4f1,
	.c = 0x11d3,
	.d = { 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 },
};
const struct efi_guid efi_guid_acpi10 = {
	.a = 0xeb9d2d30,
	.b = 0x2d88,
	.c = 0x11d3,
	.d = { 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d },
};

/* KEEL_EFI_VENDOR */
const struct efi_guid efi_guid_keel = {
	.a = 0xb18320bb,
	.b = 0x1395,
	.c = 0x45c9,
	.d = { 0x88, 0xc2, 0x50, 0x8a, 0x36, 0x58, 0x2f, 0x27 },
};

size_t efi_widen(efi_char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; n < size - 1 && from[n]; n++)
		to[n] = (efi_char)(u8)from[n];
	to[n++] = 0;
	return n * sizeof(*to);
}

void efi_print(const struct efi_system_table *system, const char *fmt, ...)
{
	char text[EFI_LINE_MAX] = "keel: ";
	efi_char wide[EFI_LINE_MAX + 2];
	size_t n = strlen(text);
	va_list ap;

	if (!system->con_out)
		return;
	va_start(ap, fmt);
	kl_vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	n = efi_widen(wide, EFI_LINE_MAX, text) / sizeof(*wide) - 1;
	wide[n++] = '\r';
	wide[n++] = '\n';
	wide[n] = 0;
	(void)system->con_out->output_string(system->con_out, wide);
}

/* Firmware that takes no variable has said so to nobody who could do better. */
void efi_record(const struct efi_system_table *system, const char *kind, const char *fmt, ...)
{
	efi_char name[sizeof(KEEL_EFI_VARIABLE)];
	char text[EFI_LINE_MAX];
	size_t n;
	va_list ap;

	kl_snprintf(text, sizeof(text), "%s", kind);
	n = strlen(text);
	va_start(ap, fmt);
	kl_vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	(void)efi_widen(name, ARRAY_SIZE(name), KEEL_EFI_VARIABLE);
	(void)system->runtime->set_variable(
		name, &efi_guid_keel, EFI_VARIABLE_BOOT | EFI_VARIABLE_RUNTIME, strlen(text), text);
}

bool efi_global_variable(const struct efi_system_table *system, const char *name, void *data,
			 u64 *size)
{
	efi_char wide[16];

	(void)efi_widen(wide, ARRAY_SIZE(wide), name);
	return system->runtime->get_variable(wide, &efi_guid_global_variable, NULL, size, data) ==
	       EFI_SUCCESS;
}

bool efi_has_secure_boot(const struct efi_system_table *system)
{
	u64 size = 1;
	u8 on = 0;

	return efi_global_variable(system, "SecureBoot", &on, &size) && on == 1;
}

void *efi_protocol(const struct efi_env *env, efi_handle handle, const struct efi_guid *protocol)
{
	void *interface = NULL;

	if (!handle || env->system->boot->handle_protocol(handle, protocol, &interface))
		return NULL;
	return interface;
}
