// SPDX-License-Identifier: BSD-2-Clause
/* ACPI's tables between firmware and the system: efi_acpi.h. */
#include <efi/efi_acpi.h>
#include <efi/efi_env.h>
#include <lib/string.h>

/* Tables that replace firmware's may be larger. */
#define COPIES_SLACK SZ_64K

/* The tables' identifiers, of ACPI 2.0 and 1.0: systems prefer the first. */
static const struct efi_guid *const acpi_guids[] = { &efi_guid_acpi20, &efi_guid_acpi10 };

static struct {
	struct acpi_machine machine;
	void *firmware[ARRAY_SIZE(acpi_guids)]; /* firmware's root pointers */
	/*
	 * Two sets of copies: what replaced one may point to tables in it. No copy points to the other
	 * set, so there is always one to be written, but if somebody joined tables of both.
	 */
	u64 memory, set_size;
	unsigned int set; /* the one that is in use */
	bool installed;
} acpi;

struct efi_configuration_table *efi_config_entry(const struct efi_system_table *system,
						 const struct efi_guid *guid)
{
	for (u64 i = 0; i < system->table_count; i++)
		if (memcmp(&system->tables[i].guid, guid, sizeof(*guid)) == 0)
			return &system->tables[i];
	return NULL;
}

static void *root_pointer(const struct efi_system_table *system)
{
	for (size_t i = 0; i < ARRAY_SIZE(acpi_guids); i++) {
		const struct efi_configuration_table *e = efi_config_entry(system, acpi_guids[i]);

		if (e && e->table)
			return e->table;
	}
	return NULL;
}

/*
 * Firmware's mappings are the identity. It may have none of the first page, to catch null pointers, which
 * XSDTs have.
 */
static const u8 *table_memory(const void *ctx, u64 pa, u64 size)
{
	const struct memmap *map = ctx;

	return pa >= EFI_PAGE_SIZE && mem_ranges_contain(&map->ram, pa, size)
		       ? (const u8 *)(uintptr_t)pa
		       : NULL;
}

static int read_tables(const struct efi_system_table *system, const struct memmap *map)
{
	const struct acpi_reader reader = { table_memory, map };

	return acpi_read(&reader, (u64)(uintptr_t)root_pointer(system), &acpi.machine);
}

const struct acpi_machine *efi_acpi_find(const struct efi_system_table *system,
					 const struct memmap *map)
{
	acpi.machine.why[0] = '\0';
	acpi.installed = false;
	acpi.memory = 0;
	if (!root_pointer(system) || read_tables(system, map))
		return NULL;
	return &acpi.machine;
}

const char *efi_acpi_why(void)
{
	return acpi.machine.why;
}

static u64 set_address(unsigned int set)
{
	return acpi.memory + set * acpi.set_size;
}

static void *copied_root(void)
{
	return (void *)(uintptr_t)set_address(acpi.set);
}

static bool make_set(unsigned int set)
{
	u64 at = set_address(set);

	return acpi_make_copies(&acpi.machine, (void *)(uintptr_t)at, at, acpi.set_size) == 0;
}

static void free_sets(const struct efi_system_table *system)
{
	if (acpi.memory)
		(void)system->boot->free_pages(acpi.memory, 2 * acpi.set_size / EFI_PAGE_SIZE);
	acpi.memory = 0;
}

bool efi_acpi_prepare(const struct efi_system_table *system)
{
	acpi.set_size = ALIGN_UP(acpi_copies_size(&acpi.machine) + COPIES_SLACK, SZ_64K);
	acpi.set = 0;
	if (system->boot->allocate_pages(EFI_ALLOCATE_ANY, EFI_ACPI_RECLAIM_MEMORY,
					 2 * acpi.set_size / EFI_PAGE_SIZE, &acpi.memory))
		return false;
	return make_set(0);
}

/* Keel's copies in place of each root pointer that there is. */
bool efi_acpi_install(const struct efi_system_table *system)
{
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(acpi_guids); i++) {
		const struct efi_configuration_table *e = efi_config_entry(system, acpi_guids[i]);

		acpi.firmware[i] = e ? e->table : NULL;
	}
	acpi.installed = true;
	for (size_t i = 0; i < ARRAY_SIZE(acpi_guids) && ok; i++)
		if (acpi.firmware[i])
			ok = !system->boot->install_configuration_table(acpi_guids[i],
									copied_root());
	return ok;
}

/*
 * Directly: an entry that is there is changed where it is by InstallConfigurationTable(), too, but
 * that tells others, who may allocate memory.
 */
static void point_to_copies(const struct efi_system_table *system)
{
	for (size_t i = 0; i < ARRAY_SIZE(acpi_guids); i++) {
		struct efi_configuration_table *e = efi_config_entry(system, acpi_guids[i]);

		if (e && e->table)
			e->table = copied_root();
	}
}

const char *efi_acpi_refresh(const struct efi_system_table *system, const struct memmap *map)
{
	void *root = root_pointer(system);

	if (!acpi.installed || !root || root == copied_root())
		return NULL;
	if (read_tables(system, map))
		return acpi.machine.why;
	if (make_set(!acpi.set))
		acpi.set = !acpi.set;
	else if (!make_set(acpi.set))
		return "ACPI: tables have changed and have no room";
	point_to_copies(system);
	return NULL;
}

void efi_acpi_undo(const struct efi_system_table *system)
{
	for (size_t i = 0; i < ARRAY_SIZE(acpi_guids) && acpi.installed; i++)
		if (acpi.firmware[i])
			(void)system->boot->install_configuration_table(acpi_guids[i],
									acpi.firmware[i]);
	acpi.installed = false;
	free_sets(system);
}
