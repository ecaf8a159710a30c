// SPDX-License-Identifier: BSD-2-Clause
/*
 * The EFI application on a firmware that is made of arrays: what it takes from firmware, what it
 * starts, and that the machine boots without Keel, with nothing changed, whatever fails.
 */
/* SOURCES: hyp/efi/efi_app.c hyp/efi/efi_acpi.c hyp/efi/acpi_read.c hyp/efi/acpi_madt.c hyp/efi/acpi_tree.c hyp/efi/acpi_copy.c hyp/efi/efi_env.c hyp/efi/efi_loader.c hyp/efi/efi_path.c hyp/efi/efi_config.c hyp/efi/efi_memmap.c hyp/host/memmap.c hyp/host/memmap_fdt.c hyp/host/fdt_read.c hyp/host/host_fdt.c hyp/lib/options.c hyp/lib/printf.c hyp/lib/parse.c */
/* LIBS: -lfdt */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "acpi_world.h"

#include <efi/acpi.h>
#include <efi/efi_app.h>
#include <efi/efi_env.h>
#include <efi/efi_path.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <libfdt.h>

#define REGION	SZ_2M
#define RAM	(32 * SZ_1M)
#define PAGES	(RAM / EFI_PAGE_SIZE)
#define MAP_KEY 77

/* ---- the firmware ---- */

static char *ram; /* physical memory, at its own address */
static u8 page_type[PAGES];
static unsigned int allocations, fail_allocation; /* the call that fails; 0: none */
static char console[4096];
static u8 fdt[4096] __attribute__((aligned(8)));
static void *tree; /* what the configuration table has */
static struct efi_boot_services boot;
static struct efi_configuration_table tables[3];
static struct efi_system_table firmware;
static unsigned int crc_calls, exit_calls, loads, starts;
static efi_status exit_status[4];
static unsigned int unloads;
static const char *refused_file; /* that firmware does not trust */
static const char *files[8];	 /* that can be loaded, by their whole name */
static char loaded_file[128], started_options[256];
static struct efi_loaded_image self_image, next_image;
static efi_status (*next)(void); /* what the loader does */
static const char *cfg;		 /* keel.cfg */
static u8 self_path[256], device_path[64];

static u64 page_of(u64 base)
{
	assert_true(base >= (u64)ram && base < (u64)ram + RAM && IS_ALIGNED(base, SZ_4K));
	return (base - (u64)ram) / SZ_4K;
}

/* From the top down, as firmware does. */
static efi_status allocate_pages(enum efi_allocate how, enum efi_memory_type type, u64 pages,
				 u64 *base)
{
	u64 run = 0;

	assert_int_equal(how, EFI_ALLOCATE_ANY);
	assert_true(pages > 0);
	if (++allocations == fail_allocation)
		return EFI_OUT_OF_RESOURCES;
	for (u64 i = PAGES; i-- > 0;) {
		run = page_type[i] == EFI_CONVENTIONAL_MEMORY ? run + 1 : 0;
		if (run == pages) {
			memset(page_type + i, (int)type, pages);
			memset(ram + i * SZ_4K, 0xa5, pages * SZ_4K);
			*base = (u64)ram + i * SZ_4K;
			return EFI_SUCCESS;
		}
	}
	return EFI_OUT_OF_RESOURCES;
}

static efi_status free_pages(u64 base, u64 pages)
{
	u64 first = page_of(base);

	assert_true(pages > 0 && pages <= PAGES - first);
	for (u64 i = first; i < first + pages; i++) {
		assert_int_not_equal(page_type[i], EFI_CONVENTIONAL_MEMORY);
		page_type[i] = EFI_CONVENTIONAL_MEMORY;
	}
	return EFI_SUCCESS;
}

static efi_status get_memory_map(u64 *size, void *data, u64 *key, u64 *descriptor_size,
				 u32 *version)
{
	u64 needed = 0, room = *size;

	*descriptor_size = 48;
	*version = 1;
	*key = MAP_KEY;
	for (u64 i = 0, start = 0; i < PAGES; i++) {
		struct efi_memory_descriptor d;

		if (i + 1 < PAGES && page_type[i + 1] == page_type[i])
			continue;
		d = (struct efi_memory_descriptor){
			page_type[i], 0, (u64)ram + start * SZ_4K, 0, i + 1 - start, EFI_MEMORY_WB
		};
		if (needed + 48 <= room)
			memcpy((char *)data + needed, &d, sizeof(d));
		needed += 48;
		start = i + 1;
	}
	*size = needed;
	return needed > room ? EFI_BUFFER_TOO_SMALL : EFI_SUCCESS;
}

static efi_status output_string(struct efi_text_output *out, const efi_char *s)
{
	size_t n = strlen(console);

	for (; *s && n < sizeof(console) - 1; s++)
		if (*s != '\r')
			console[n++] = (char)*s;
	console[n] = '\0';
	return EFI_SUCCESS;
}

static bool same_guid(const struct efi_guid *a, const struct efi_guid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static efi_status open_file(struct efi_file *directory, struct efi_file **file,
			    const efi_char *name, u64 mode, u64 attributes);
static efi_status close_file(struct efi_file *file)
{
	return EFI_SUCCESS;
}

static efi_status read_file(struct efi_file *file, u64 *size, void *buffer)
{
	*size = MIN(*size, (u64)strlen(cfg));
	memcpy(buffer, cfg, *size);
	return EFI_SUCCESS;
}

static struct efi_file root = { .open = open_file, .close = close_file, .read = read_file };

static efi_status open_file(struct efi_file *directory, struct efi_file **file,
			    const efi_char *name, u64 mode, u64 attributes)
{
	static const char wanted[] = "\\EFI\\keel\\keel.cfg";

	assert_int_equal(mode, EFI_FILE_MODE_READ);
	for (size_t i = 0; i < sizeof(wanted); i++)
		assert_int_equal(name[i], wanted[i]);
	*file = &root;
	return cfg ? EFI_SUCCESS : EFI_NOT_FOUND;
}

static efi_status open_volume(struct efi_file_system *fs, struct efi_file **file)
{
	*file = &root;
	return EFI_SUCCESS;
}

static struct efi_file_system file_system = { .open_volume = open_volume };

#define SELF	((efi_handle)1)
#define DEVICE	((efi_handle)2)
#define NEXT	((efi_handle)3)
#define REFUSED ((efi_handle)4)

static efi_status handle_protocol(efi_handle handle, const struct efi_guid *protocol,
				  void **interface)
{
	*interface = NULL;
	if (handle == SELF && same_guid(protocol, &efi_guid_loaded_image))
		*interface = &self_image;
	if (handle == NEXT && same_guid(protocol, &efi_guid_loaded_image))
		*interface = &next_image;
	if (handle == DEVICE && same_guid(protocol, &efi_guid_device_path))
		*interface = device_path;
	if (handle == DEVICE && same_guid(protocol, &efi_guid_file_system))
		*interface = &file_system;
	return *interface ? EFI_SUCCESS : EFI_UNSUPPORTED;
}

static efi_status install_table(const struct efi_guid *guid, void *table)
{
	for (u64 i = 0; i < firmware.table_count; i++)
		if (same_guid(guid, &tables[i].guid))
			tables[i].table = table;
	if (same_guid(guid, &efi_guid_device_tree))
		tree = table;
	return EFI_SUCCESS;
}

static efi_status load_image(u8 boot_policy, efi_handle parent, const struct efi_device_path *path,
			     const void *source, u64 size, efi_handle *image)
{
	char name[128];

	loads++;
	assert_ptr_equal(parent, SELF);
	assert_true(efi_path_file(path, efi_path_size(path, EFI_PATH_MAX), name, sizeof(name)));
	/* a path from a device on, not the short form */
	assert_memory_equal(path, device_path, 12);
	if (strcmp(name, refused_file) == 0) {
		*image = REFUSED;
		return EFI_SECURITY;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(files) && files[i]; i++) {
		if (strcmp(files[i], name))
			continue;
		strcpy(loaded_file, name);
		*image = NEXT;
		return EFI_SUCCESS;
	}
	return EFI_NOT_FOUND;
}

static efi_status unload_image(efi_handle image)
{
	assert_ptr_equal(image, REFUSED);
	unloads++;
	return EFI_SUCCESS;
}

static efi_status start_image(efi_handle image, u64 *size, efi_char **data)
{
	starts++;
	assert_ptr_equal(image, NEXT);
	memset(started_options, 0, sizeof(started_options));
	for (u32 i = 0; i < next_image.options_size / 2; i++)
		started_options[i] = (char)((const u16 *)next_image.options)[i];
	return next();
}

/* KEEL_EFI_VARIABLE, and what it was when the system called ExitBootServices() last. */
static char record[256], record_at_exit[256];

static efi_status firmware_exit(efi_handle image, u64 key)
{
	strcpy(record_at_exit, record);
	return exit_status[exit_calls++];
}

static efi_status calculate_crc32(const void *data, u64 size, u32 *crc)
{
	const struct efi_table_header *header = data;

	crc_calls++;
	assert_ptr_equal(data, &boot);
	assert_int_equal(size, sizeof(boot));
	assert_int_equal(header->crc32, 0);
	*crc = 0xc0c0 + (boot.exit_boot_services != firmware_exit);
	return EFI_SUCCESS;
}

/* ---- variables ---- */

static u16 boot_order[4];
static size_t order_count;
static u8 entries[4][256];
static u8 secure_boot; /* the variable's value; 0xff: there is none */
static size_t entry_size[4];

static efi_status get_variable(const efi_char *name, const struct efi_guid *vendor, u32 *attributes,
			       u64 *size, void *data)
{
	static const u16 current = 1;
	const void *from = NULL;
	char text[16] = "";
	u64 bytes = 0;

	assert_true(same_guid(vendor, &efi_guid_global_variable));
	for (size_t i = 0; name[i] && i < sizeof(text) - 1; i++)
		text[i] = (char)name[i];
	if (strcmp(text, "BootCurrent") == 0 && order_count) {
		from = &current;
		bytes = 2;
	} else if (strcmp(text, "BootOrder") == 0 && order_count) {
		from = boot_order;
		bytes = 2 * order_count;
	} else if (strcmp(text, "SecureBoot") == 0 && secure_boot != 0xff) {
		from = &secure_boot;
		bytes = 1;
	} else if (strncmp(text, "Boot000", 7) == 0 && text[7] >= '0' && text[7] < '4') {
		from = entries[text[7] - '0'];
		bytes = entry_size[text[7] - '0'];
	}
	if (!bytes)
		return EFI_NOT_FOUND;
	assert_true(bytes <= *size);
	memcpy(data, from, bytes);
	*size = bytes;
	return EFI_SUCCESS;
}

static unsigned int failed_exits(void)
{
	unsigned int n = 0;

	while (exit_status[n])
		n++;
	return n;
}

static efi_status set_variable(const efi_char *name, const struct efi_guid *vendor, u32 attributes,
			       u64 size, const void *data)
{
	assert_true(same_guid(vendor, &efi_guid_keel));
	for (size_t i = 0; i < sizeof(KEEL_EFI_VARIABLE); i++)
		assert_int_equal(name[i], KEEL_EFI_VARIABLE[i]);
	assert_int_equal(attributes, EFI_VARIABLE_BOOT | EFI_VARIABLE_RUNTIME);
	assert_true(size > 0 && size < sizeof(record));
	memcpy(record, data, size);
	record[size] = '\0';
	return EFI_SUCCESS;
}

static size_t put_node(u8 *to, u8 type, u8 subtype, const void *data, size_t size)
{
	to[0] = type;
	to[1] = subtype;
	to[2] = (u8)(size + 4);
	to[3] = 0;
	memcpy(to + 4, data, size);
	return size + 4;
}

static size_t put_disk(u8 *to)
{
	u8 disk[38] = { [20] = 9, [37] = 2 };

	return put_node(to, EFI_PATH_MEDIA, EFI_PATH_MEDIA_DISK, disk, sizeof(disk));
}

static size_t put_file(u8 *to, const char *name)
{
	u8 wide[128] = { 0 };

	for (size_t i = 0; name[i]; i++)
		wide[2 * i] = (u8)name[i];
	return put_node(to, EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE, wide, 2 * strlen(name) + 2);
}

static size_t put_end(u8 *to)
{
	return put_node(to, EFI_PATH_END, EFI_PATH_END_OF_PATH, "", 0);
}

/* A boot entry for a file on Keel's partition; @name NULL: of a program in firmware. */
static void put_entry(unsigned int number, const char *name, const char *options)
{
	u8 *e = entries[number];
	size_t n = 8, length;

	memset(e, 0, sizeof(entries[0]));
	e[0] = 1;
	if (name) {
		n += put_disk(e + n);
		n += put_file(e + n, name);
	} else {
		n += put_node(e + n, EFI_PATH_MEDIA, 6, "0123456789abcdef", 16);
	}
	n += put_end(e + n);
	length = n - 8;
	e[4] = (u8)length;
	for (size_t i = 0; options && options[i]; i++, n += 2)
		e[n] = (u8)options[i];
	entry_size[number] = n;
}

/* ---- Keel at EL2 ---- */

static unsigned int prepares, takes;
static unsigned int trials, failed_trials; /* the first ones fail */
static u64 prepare_result, kept;	   /* bytes of the block that Keel keeps */
static bool hardware;
static char keel_options[64];
static struct efi_handover *handover;
static struct efi_platform platform;
static const char keel_image[] = "Keel's image";

static bool firmware_has_tree, has_acpi;
static struct acpi_world acpi_world;

static void looks_like_acpi_s(const void *made)
{
	struct fdt_cpus cpus;
	const char *why;

	assert_int_equal(host_fdt_check(made, ACPI_TREE_SIZE, &why), 0);
	assert_int_equal(host_fdt_cpus(made, 0, &cpus, &why), 0);
	assert_int_equal(cpus.count, 2);
}

static u64 enter(u64 entry, u64 arg, struct efi_el2_state *state)
{
	if (entry == 0x1234 && handover->trial) {
		trials++;
		assert_int_equal(exit_calls, trials - 1); /* firmware's is not called yet */
		strcpy(handover->why, "Keel cannot take EL2");
		return trials <= failed_trials ? EFI_KEEL_FAILED : EFI_KEEL_READY;
	}
	if (entry == 0x1234) {
		takes++;
		assert_ptr_equal(state, &handover->state);
		assert_int_equal(exit_calls, takes + failed_exits());
		return 0;
	}
	prepares++;
	handover = (void *)arg;
	assert_true(IS_ALIGNED(entry - 16, REGION));
	assert_string_equal((const char *)entry - 16, keel_image);
	assert_ptr_equal(state, &handover->state);
	assert_int_equal(arg, entry - 16 + REGION);
	if (firmware_has_tree)
		assert_ptr_equal(handover->fdt, fdt);
	else
		looks_like_acpi_s((const void *)handover->fdt);
	assert_int_equal(handover->acpi, has_acpi);
	/* nothing is free for Keel but its own block */
	assert_true(memmap_is_free(&handover->map, entry - 16, REGION + handover->size));
	for (u64 i = 0; i < PAGES; i++)
		if (page_type[i] != EFI_RESERVED_MEMORY)
			assert_false(memmap_is_free(&handover->map, (u64)ram + i * SZ_4K, SZ_4K));
	strcpy(keel_options, handover->options);
	assert_int_equal(handover->tree_size != 0, firmware_has_tree);
	if (firmware_has_tree) {
		assert_int_equal(page_type[page_of(handover->tree)], EFI_ACPI_RECLAIM_MEMORY);
		memcpy((void *)handover->tree, "the host's tree", 16);
	}
	handover->take_entry = 0x1234;
	handover->end = entry - 16 + kept;
	handover->hardware = hardware;
	strcpy(handover->why, "Keel says why");
	return prepare_result;
}

static void clean(const void *start, u64 size)
{
}

/* ---- what the next loader does ---- */

static efi_status os_boots(void)
{
	while (boot.exit_boot_services(NEXT, MAP_KEY))
		;
	return EFI_SUCCESS;
}

static efi_status loader_returns(void)
{
	return EFI_LOAD_ERROR;
}

/* ---- the world ---- */

static struct efi_text_output con_out = { .output_string = output_string };
static struct efi_runtime_services runtime = { .get_variable = get_variable,
					       .set_variable = set_variable };

static void make_firmware(void)
{
	boot = (struct efi_boot_services){
		.header = { .header_size = sizeof(boot), .crc32 = 0xc0c0 },
		.allocate_pages = allocate_pages,
		.free_pages = free_pages,
		.get_memory_map = get_memory_map,
		.handle_protocol = handle_protocol,
		.install_configuration_table = install_table,
		.load_image = load_image,
		.start_image = start_image,
		.unload_image = unload_image,
		.exit_boot_services = firmware_exit,
		.calculate_crc32 = calculate_crc32,
	};
	tables[0] = (struct efi_configuration_table){ efi_guid_device_tree, fdt };
	firmware = (struct efi_system_table){ .con_out = &con_out,
					      .boot = &boot,
					      .runtime = &runtime,
					      .table_count = 1,
					      .tables = tables };
}

static efi_status locate_handles(u32 how, const struct efi_guid *protocol, void *key, u64 *count,
				 efi_handle **handles)
{
	static efi_handle all[] = { SELF, DEVICE };

	assert_int_equal(how, EFI_BY_PROTOCOL);
	*count = ARRAY_SIZE(all);
	*handles = all;
	return EFI_SUCCESS;
}

static efi_status free_pool(void *buffer)
{
	return EFI_SUCCESS;
}

static void make_paths(void)
{
	size_t n = put_node(device_path, 2, 1, "12345678", 8);

	n += put_disk(device_path + n);
	put_end(device_path + n);
	n = put_file(self_path, "\\EFI\\keel\\keel.efi");
	put_end(self_path + n);
}

static int start_fresh(void **state)
{
	if (!ram)
		ram = aligned_alloc(REGION, RAM);
	memset(page_type, EFI_CONVENTIONAL_MEMORY, sizeof(page_type));
	memset(page_type, EFI_BOOT_SERVICES_DATA, 16);
	memset(page_type + PAGES - 8, EFI_RUNTIME_DATA, 8);
	memset(files, 0, sizeof(files));
	memset(exit_status, 0, sizeof(exit_status));
	memset(entry_size, 0, sizeof(entry_size));
	allocations = fail_allocation = crc_calls = exit_calls = loads = starts = 0;
	prepares = takes = unloads = trials = failed_trials = 0;
	secure_boot = 0xff;
	refused_file = "";
	order_count = 0;
	console[0] = loaded_file[0] = record[0] = '\0';
	tree = NULL;
	cfg = NULL;
	hardware = false;
	firmware_has_tree = true;
	has_acpi = false;
	prepare_result = EFI_KEEL_READY;
	kept = REGION + SZ_64K;
	next = os_boots;
	files[0] = "\\EFI\\debian\\grubaa64.efi";
	assert_int_equal(fdt_create_empty_tree(fdt, sizeof(fdt)), 0);
	assert_true(fdt_add_subnode(fdt, 0, "cpus") > 0);
	make_firmware();
	boot.locate_handle_buffer = locate_handles;
	boot.free_pool = free_pool;
	make_paths();
	self_image = (struct efi_loaded_image){ .device = DEVICE, .path = (void *)self_path };
	next_image = (struct efi_loaded_image){ .device = DEVICE };
	platform = (struct efi_platform){
		.version = "1.2",
		.current_el = 2,
		.image = keel_image,
		.image_size = sizeof(keel_image),
		.region_size = REGION,
		.first_entry = 16,
		.resume = 1,
		.el1_entry = 2,
		.enter = enter,
		.clean = clean,
	};
	return 0;
}

static efi_status run(void)
{
	return efi_app(SELF, &firmware, &platform);
}

static u64 pages_of(enum efi_memory_type type)
{
	u64 n = 0;

	for (u64 i = 0; i < PAGES; i++)
		n += page_type[i] == type;
	return n;
}

static void says(const char *line)
{
	if (!strstr(console, line))
		fail_msg("\"%s\" is not in:\n%s", line, console);
}

/* The machine has booted without Keel, whose memory went back but @kept pages. */
static void booted_without_keel(const char *line, u64 kept_pages)
{
	says(line);
	assert_memory_equal(record_at_exit, "error: ", 7);
	assert_int_equal(starts, 1);
	assert_int_equal(takes, 0);
	assert_int_equal(exit_calls, 1);
	assert_ptr_equal(boot.exit_boot_services, firmware_exit);
	assert_int_equal(boot.header.crc32, 0xc0c0);
	assert_null(tree);
	assert_int_equal(pages_of(EFI_RESERVED_MEMORY), kept_pages);
	assert_int_equal(pages_of(EFI_ACPI_RECLAIM_MEMORY), 0);
	assert_int_equal(pages_of(EFI_LOADER_DATA), 0);
}

/* ---- tests ---- */

static void keel_takes_el2_when_boot_services_have_ended(void **state)
{
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(prepares, 1);
	assert_int_equal(takes, 1);
	assert_string_equal(loaded_file, files[0]);
	assert_string_equal(record_at_exit, "ready: \\EFI\\debian\\grubaa64.efi");
	/* what Keel does not need went back */
	assert_int_equal(pages_of(EFI_RESERVED_MEMORY), kept / SZ_4K);
}

static efi_status os_looks(void)
{
	assert_int_equal(boot.header.crc32, 0xc0c1);
	assert_string_equal(tree, "the host's tree");
	return os_boots();
}

static void the_loader_finds_the_host_s_tree_and_a_right_checksum(void **state)
{
	next = os_looks;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
}

static void a_failed_exit_is_firmware_s_and_a_second_one_is_keel_s(void **state)
{
	exit_status[0] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(exit_calls, 2);
	assert_int_equal(takes, 1);
}

static efi_status os_takes_runtime_memory(void)
{
	u64 base;

	assert_int_equal(allocate_pages(EFI_ALLOCATE_ANY, EFI_RUNTIME_DATA, 3, &base), EFI_SUCCESS);
	(void)os_boots();
	assert_true(mem_ranges_contain(&handover->map.fixed, base, 3 * SZ_4K));
	return EFI_SUCCESS;
}

static void keel_knows_what_firmware_keeps_at_the_end(void **state)
{
	next = os_takes_runtime_memory;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
}

static void a_loader_that_returns_leaves_firmware_as_it_was(void **state)
{
	next = loader_returns;
	assert_int_equal(run(), EFI_LOAD_ERROR);
	assert_int_equal(prepares, 1);
	assert_ptr_equal(boot.exit_boot_services, firmware_exit);
	assert_int_equal(boot.header.crc32, 0xc0c0);
	assert_ptr_equal(tree, fdt);
	assert_int_equal(pages_of(EFI_ACPI_RECLAIM_MEMORY), 0);
	says("grubaa64.efi returned");
	assert_string_equal(record, "error: \\EFI\\debian\\grubaa64.efi returned");
}

static void without_a_loader_nothing_is_done(void **state)
{
	files[0] = NULL;
	assert_int_equal(run(), EFI_NOT_FOUND);
	assert_int_equal(allocations, 0);
	assert_int_equal(prepares, 0);
	says("keel: error: no boot loader to start");
	assert_string_equal(record, "error: no boot loader to start");
}

static void a_named_loader_that_is_not_there_boots_another_without_keel(void **state)
{
	cfg = "loader \\vmlinuz\n";
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, files[0]);
	booted_without_keel("keel: error: \\vmlinuz cannot be loaded: "
			    "\\EFI\\debian\\grubaa64.efi starts without Keel",
			    0);
	assert_int_equal(allocations, 0);
}

static void a_loader_that_firmware_does_not_trust_is_unloaded(void **state)
{
	cfg = "loader \\vmlinuz\n";
	refused_file = "\\vmlinuz";
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(unloads, 1);
	booted_without_keel("keel: error: \\vmlinuz cannot be loaded: ", 0);
}

static void a_loader_that_is_keel_itself_is_not_started(void **state)
{
	cfg = "loader \\EFI\\KEEL\\keel.efi\n";
	files[1] = "\\EFI\\KEEL\\keel.efi";
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, files[0]);
	booted_without_keel("keel: error: \\EFI\\KEEL\\keel.efi cannot be loaded: ", 0);
}

static void keel_cfg_names_options_a_loader_and_its_arguments(void **state)
{
	files[1] = "\\vmlinuz";
	cfg = "options keel.e2h=1\nloader \\vmlinuz\narguments root=/dev/vda1 quiet\n";
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, "\\vmlinuz");
	assert_string_equal(started_options, "root=/dev/vda1 quiet");
	assert_string_equal(keel_options, "keel.e2h=1");
	assert_int_equal(takes, 1);
}

static void load_options_name_them_too(void **state)
{
	static u16 options[64];
	const char *text = "keel.spe=off loader=\\vmlinuz -- quiet";

	for (size_t i = 0; text[i]; i++)
		options[i] = (u8)text[i];
	self_image.options = options;
	self_image.options_size = (u32)(2 * strlen(text) + 2);
	files[1] = "\\vmlinuz";
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, "\\vmlinuz");
	assert_string_equal(started_options, "quiet");
	assert_string_equal(keel_options, "keel.spe=off");
}

static void a_config_file_that_is_too_long_is_ignored(void **state)
{
	static char text[20000];

	memset(text, '#', sizeof(text) - 1);
	cfg = text;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	says("keel: warning: keel.cfg is too long");
}

static void the_boot_entry_that_would_have_come_next_is_started(void **state)
{
	static const u16 order[] = { 0, 1, 2, 3 };

	memcpy(boot_order, order, sizeof(order));
	order_count = 4;
	files[1] = "\\EFI\\other\\a.efi";
	put_entry(0, "\\EFI\\other\\a.efi", NULL);
	put_entry(1, "\\EFI\\keel\\keel.efi", NULL);
	put_entry(2, NULL, NULL); /* firmware's shell */
	put_entry(3, "\\EFI\\debian\\grubaa64.efi", "data");
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, "\\EFI\\debian\\grubaa64.efi");
	assert_string_equal(started_options, "data");
	assert_int_equal(takes, 1);
}

static void an_entry_that_is_not_in_the_order_or_last_starts_the_first_one(void **state)
{
	static const u16 order[] = { 0, 3, 1 };

	for (size_t n = 2; n <= 3; n++) {
		(void)start_fresh(NULL);
		order_count = n;
		memcpy(boot_order, order, sizeof(order));
		files[1] = "\\EFI\\other\\a.efi";
		put_entry(0, "\\EFI\\other\\a.efi", NULL);
		put_entry(1, "\\EFI\\keel\\keel.efi", NULL);
		put_entry(3, "\\EFI\\debian\\grubaa64.efi", NULL);
		assert_int_equal(run(), EFI_SUCCESS);
		assert_string_equal(loaded_file, "\\EFI\\other\\a.efi");
	}
}

static void entries_for_keel_itself_and_for_lost_files_are_passed_over(void **state)
{
	static const u16 order[] = { 1, 0, 2, 3 };

	memcpy(boot_order, order, sizeof(order));
	order_count = 4;
	files[0] = "\\EFI\\keel\\keel.efi";
	files[1] = "\\EFI\\other\\a.efi";
	put_entry(0, "\\efi\\KEEL\\keel.efi", NULL);
	put_entry(2, "\\EFI\\lost\\b.efi", NULL);
	put_entry(3, "\\EFI\\other\\a.efi", NULL);
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, "\\EFI\\other\\a.efi");
}

static void damaged_entries_are_passed_over(void **state)
{
	static const u16 order[] = { 1, 0, 2 };

	memcpy(boot_order, order, sizeof(order));
	order_count = 3;
	put_entry(0, "\\EFI\\other\\a.efi", NULL);
	entry_size[0] -= 3;
	put_entry(2, "\\EFI\\other\\a.efi", NULL);
	entries[2][4] = 0xff;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_string_equal(loaded_file, "\\EFI\\debian\\grubaa64.efi");
}

static void keel_as_the_fallback_loader_does_not_start_itself(void **state)
{
	size_t n = put_file(self_path, "\\EFI\\BOOT\\BOOTAA64.EFI");

	put_end(self_path + n);
	files[0] = "\\EFI\\BOOT\\BOOTAA64.EFI";
	self_image.device = NULL; /* its keel.cfg cannot be read either */
	assert_int_equal(run(), EFI_NOT_FOUND);
	self_image.device = DEVICE;
	assert_int_equal(starts, 0);
}

static void the_vendor_of_keel_s_variable_is_what_the_system_looks_for(void **state)
{
	const struct efi_guid *g = &efi_guid_keel;
	char text[64];

	snprintf(text, sizeof(text), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", g->a, g->b,
		 g->c, g->d[0], g->d[1], g->d[2], g->d[3], g->d[4], g->d[5], g->d[6], g->d[7]);
	assert_string_equal(text, KEEL_EFI_VENDOR);
}

static void at_el1_the_machine_boots_without_keel(void **state)
{
	platform.current_el = 1;
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("keel: error: firmware runs at EL1, and Keel needs EL2", 0);
	assert_string_equal(record_at_exit, "error: firmware runs at EL1, and Keel needs EL2");
}

static void without_a_device_tree_the_machine_boots_without_keel(void **state)
{
	firmware.table_count = 0;
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("keel: error: firmware passes no device tree and no ACPI tables", 0);
}

static void with_a_damaged_device_tree_too(void **state)
{
	fdt[0] = 0;
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("keel: error: ", 0);
}

static void below_another_keel_it_steps_back(void **state)
{
	int node = fdt_add_subnode(fdt, 0, "hypervisor");

	assert_true(node > 0);
	assert_int_equal(fdt_setprop_string(fdt, node, "compatible", "xen,xen"), 0);
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	start_fresh(NULL);
	node = fdt_add_subnode(fdt, 0, "hypervisor");
	assert_int_equal(fdt_setprop_string(fdt, node, "compatible", "keel,hypervisor"), 0);
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("keel: error: another keel.efi is ready already", 0);
}

/* A child of /reserved-memory, by the tree's default cells (2, 1). */
static void reserve_in_tree(u64 base, u32 size, bool no_map)
{
	u32 reg[3] = { cpu_to_fdt32((u32)(base >> 32)), cpu_to_fdt32((u32)base),
		       cpu_to_fdt32(size) };
	int parent = fdt_add_subnode(fdt, 0, "reserved-memory"), node;

	node = fdt_add_subnode(fdt, parent, "firmware");
	assert_true(node > 0);
	assert_int_equal(fdt_setprop(fdt, node, "reg", reg, sizeof(reg)), 0);
	if (no_map)
		assert_int_equal(fdt_setprop(fdt, node, "no-map", "", 0), 0);
}

static efi_status os_boots_and_no_map_is_firmware_s(void)
{
	(void)os_boots();
	assert_true(mem_ranges_contain(&handover->map.fixed, (u64)ram + SZ_1M, SZ_64K));
	return EFI_SUCCESS;
}

static void what_the_tree_forbids_to_map_is_firmware_s(void **state)
{
	reserve_in_tree((u64)ram + SZ_1M, SZ_64K, true);
	next = os_boots_and_no_map_is_firmware_s;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
}

static void keel_takes_no_memory_that_the_tree_reserves(void **state)
{
	reserve_in_tree((u64)ram + SZ_1M, RAM - SZ_1M, false);
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(prepares, 0);
	booted_without_keel(
		"keel: error: firmware gave Keel memory that its device tree reserves: ", 0);
}

static void each_allocation_that_fails_boots_without_keel_and_without_a_leak(void **state)
{
	for (unsigned int i = 1; i <= 3; i++) {
		start_fresh(NULL);
		fail_allocation = i;
		assert_int_equal(run(), EFI_SUCCESS);
		assert_int_equal(prepares, 0);
		booted_without_keel("keel: error: ", 0);
	}
	start_fresh(NULL);
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(allocations, 3); /* so these were all */
}

static void a_memory_map_that_is_wrong_boots_without_keel(void **state)
{
	memset(page_type, EFI_MMIO, sizeof(page_type));
	memset(page_type + PAGES / 2, EFI_CONVENTIONAL_MEMORY, 1024);
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("firmware has too little memory for Keel", 0);
}

static void a_boot_that_fails_at_el2_gives_its_memory_back(void **state)
{
	prepare_result = EFI_KEEL_FAILED;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(prepares, 1);
	booted_without_keel("keel: error: Keel says why: \\EFI\\debian\\grubaa64.efi starts", 0);
}

static void unless_devices_may_have_its_addresses(void **state)
{
	prepare_result = EFI_KEEL_FAILED;
	hardware = true;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(prepares, 1);
	says("keel: error: Keel says why");
	assert_true(pages_of(EFI_RESERVED_MEMORY) >= kept / SZ_4K);
	assert_int_equal(takes, 0);
}

/* ---- the trial, when boot services are about to end ---- */

static void what_keeps_keel_from_el2_is_told_while_firmware_can_tell_it(void **state)
{
	failed_trials = 2;
	exit_status[0] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(trials, 2);
	assert_int_equal(takes, 0);
	assert_int_equal(exit_calls, 2);
	says("keel: error: Keel cannot take EL2: the system boots without Keel\n");
	assert_null(strstr(strstr(console, "cannot take") + 1, "cannot take")); /* said once */
	assert_string_equal(record_at_exit, "error: Keel cannot take EL2");
}

static void a_trial_is_made_before_each_exit_and_takes_nothing(void **state)
{
	exit_status[0] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(trials, 2);
	assert_int_equal(takes, 1);
	assert_false(handover->trial);
}

/* ---- Secure Boot ---- */

static void keel_knows_whether_firmware_checks_signatures(void **state)
{
	static const struct {
		u8 value;
		bool secure;
	} cases[] = { { 0xff, false }, { 0, false }, { 1, true }, { 2, false } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		start_fresh(state);
		secure_boot = cases[i].value;
		assert_int_equal(run(), EFI_SUCCESS);
		assert_int_equal(handover->secure, cases[i].secure);
	}
}

/* ---- the memory map at the end ---- */

static efi_status map_fails(u64 *size, void *data, u64 *key, u64 *descriptor_size, u32 *version)
{
	return EFI_BUFFER_TOO_SMALL;
}

static efi_status os_boots_without_a_map(void)
{
	boot.get_memory_map = map_fails;
	return os_boots();
}

/* What firmware has taken meanwhile is not known, so Keel could not keep the host from it. */
static void a_memory_map_that_cannot_be_read_at_the_end_boots_without_keel(void **state)
{
	next = os_boots_without_a_map;
	exit_status[0] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 0);
	assert_int_equal(exit_calls, 2);
	says("keel: error: firmware gives no memory map at the end: the system boots without Keel\n");
	assert_null(strstr(strstr(console, "at the end") + 1, "at the end")); /* said once */
	assert_string_equal(record_at_exit, "error: firmware gives no memory map at the end");
}

static efi_status os_boots_with_a_map_in_pieces(void)
{
	for (u64 i = 32; i < 32 + 4 * 128; i += 2)
		page_type[i] = i % 4 ? EFI_RUNTIME_DATA : EFI_CONVENTIONAL_MEMORY;
	return os_boots();
}

static void one_with_too_many_ranges_too(void **state)
{
	next = os_boots_with_a_map_in_pieces;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 0);
	says("keel: error: firmware's memory map has ");
	says(": the system boots without Keel\n");
}

static bool said_once(const char *what)
{
	const char *at = strstr(console, what);

	return at && !strstr(at + 1, what);
}

static void boots_without_keel_after_two_exits(const char *why)
{
	char line[256];

	exit_status[0] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 0);
	assert_int_equal(trials, 0);
	assert_int_equal(exit_calls, 2);
	snprintf(line, sizeof(line), "keel: error: %s: the system boots without Keel\n", why);
	says(line);
	assert_true(said_once(why));
	snprintf(line, sizeof(line), "error: %s", why);
	assert_string_equal(record_at_exit, line);
}

static u64 lost_page;

static efi_status map_without_a_page(u64 *size, void *data, u64 *key, u64 *descriptor_size,
				     u32 *version)
{
	const efi_status status = get_memory_map(size, data, key, descriptor_size, version);
	const u64 pa = (u64)ram + lost_page * SZ_4K;

	if (status)
		return status;
	for (u64 at = 0; at < *size; at += *descriptor_size) {
		struct efi_memory_descriptor *d = (void *)((char *)data + at);

		if (pa >= d->physical_start && pa < d->physical_start + d->pages * SZ_4K)
			d->pages = (pa - d->physical_start) / SZ_4K;
	}
	return EFI_SUCCESS;
}

static efi_status os_boots_with_less_memory(void)
{
	boot.get_memory_map = map_without_a_page;
	return os_boots();
}

/* A page anywhere: in memory that is free, and the last one. */
static void a_system_with_less_memory_than_before_boots_without_keel(void **state)
{
	static const u64 cases[] = { 700, PAGES - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		start_fresh(state);
		lost_page = cases[i];
		next = os_boots_with_less_memory;
		boots_without_keel_after_two_exits(
			"firmware's memory map has less memory than before");
	}
}

static u64 first_page_of(enum efi_memory_type type)
{
	u64 i = 0;

	while (i < PAGES && page_type[i] != type)
		i++;
	return i;
}

static efi_status os_gets_a_page_of_keel(void)
{
	page_type[first_page_of(EFI_RESERVED_MEMORY) + lost_page] = EFI_CONVENTIONAL_MEMORY;
	return os_boots();
}

/* Its first page, and its last. */
static void a_system_that_would_get_keel_s_memory_boots_without_keel(void **state)
{
	static const u64 cases[] = { 0, (REGION + SZ_64K) / SZ_4K - 1 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		start_fresh(state);
		lost_page = cases[i];
		next = os_gets_a_page_of_keel;
		boots_without_keel_after_two_exits(
			"firmware's memory map gives Keel's memory to the system");
	}
}

/* ---- ACPI ---- */

/* Tables in firmware's memory, where nothing is allocated. */
static void *write_tables(u64 page, u64 cpus)
{
	aw_begin(&acpi_world, (u8 *)ram + page * SZ_4K, (u64)ram + page * SZ_4K, SZ_16K);
	aw_gicd(&acpi_world, 2);
	for (u64 i = 0; i < cpus; i++)
		aw_gicc(&acpi_world, i, 0);
	return (void *)(uintptr_t)aw_end(&acpi_world);
}

static void *firmware_s_root;

static int start_with_acpi(void **state)
{
	start_fresh(state);
	firmware_s_root = write_tables(0, 2);
	tables[1] = (struct efi_configuration_table){ efi_guid_acpi20, firmware_s_root };
	tables[2] = (struct efi_configuration_table){ efi_guid_acpi10, firmware_s_root };
	firmware.table_count = 3;
	has_acpi = true;
	return 0;
}

static int start_with_acpi_alone(void **state)
{
	start_with_acpi(state);
	tables[0] = tables[1];
	tables[1] = tables[2];
	firmware.table_count = 2;
	firmware_has_tree = false;
	return 0;
}

static const u8 *memory_at(const void *ctx, u64 pa, u64 size)
{
	return pa >= (u64)ram && pa - (u64)ram <= RAM - size ? (const u8 *)(uintptr_t)pa : NULL;
}

/* What the system that looks now finds: Keel's copies, in memory that it keeps, of @cpus CPUs. */
static void finds_copies(const void *root, unsigned int cpus)
{
	static struct acpi_machine found;
	const struct acpi_reader reader = { memory_at, NULL };

	assert_ptr_not_equal(root, firmware_s_root);
	assert_int_equal(page_type[page_of((u64)(uintptr_t)root)], EFI_ACPI_RECLAIM_MEMORY);
	if (acpi_read(&reader, (u64)(uintptr_t)root, &found))
		fail_msg("%s", found.why);
	assert_int_not_equal(found.marker, 0);
	assert_int_equal(found.cpus, cpus);
	assert_int_equal(acpi_u32(found.madt.data + MADT_ENTRIES + GICD_SIZE + GICC_MAINTENANCE),
			 0);
}

static efi_status os_looks_at_acpi(void)
{
	finds_copies(tables[0].table, 2);
	assert_ptr_equal(tables[0].table, tables[1].table);
	return os_boots();
}

static void on_acpi_alone_the_host_gets_copies_of_the_tables(void **state)
{
	next = os_looks_at_acpi;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	assert_null(tree);
}

static efi_status os_looks_at_both(void)
{
	assert_string_equal(tree, "the host's tree");
	finds_copies(tables[1].table, 2);
	finds_copies(tables[2].table, 2);
	return os_boots();
}

static void with_a_tree_and_acpi_the_host_has_its_choice(void **state)
{
	next = os_looks_at_both;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
}

static void a_boot_loader_s_own_tree_tells_of_no_machine(void **state)
{
	assert_int_equal(fdt_del_node(fdt, fdt_path_offset(fdt, "/cpus")), 0);
	tables[2] = (struct efi_configuration_table){ efi_guid_device_tree, fdt };
	firmware.table_count = 3;
	next = os_looks_at_acpi;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	assert_null(tree);
}

static efi_status loader_replaces_the_tables(void)
{
	tables[0].table = tables[1].table = write_tables(8, 3);
	(void)os_boots();
	assert_ptr_equal(tables[0].table, tables[1].table);
	finds_copies(tables[0].table, 3);
	return EFI_SUCCESS;
}

static void tables_that_replace_keel_s_copies_are_copied_again(void **state)
{
	next = loader_replaces_the_tables;
	exit_status[0] = EFI_INVALID_PARAM; /* and a second time, when nothing has changed */
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
}

/* A root pointer and an XSDT of one's own, with the tables that are there now. */
static void *borrow_tables(u64 page)
{
	static struct acpi_machine found;
	const struct acpi_reader reader = { memory_at, NULL };
	u8 *rsdp = (u8 *)ram + page * SZ_4K, *xsdt = rsdp + 64;

	assert_int_equal(acpi_read(&reader, (u64)(uintptr_t)tables[0].table, &found), 0);
	memcpy(rsdp, found.rsdp.data, found.rsdp.length);
	memcpy(xsdt, found.xsdt.data, found.xsdt.length);
	acpi_put(rsdp + RSDP_XSDT, (u64)(uintptr_t)xsdt, 8);
	rsdp[RSDP_CHECKSUM] = rsdp[RSDP_CHECKSUM2] = 0;
	rsdp[RSDP_CHECKSUM] = (u8)-acpi_sum(rsdp, RSDP_V1_SIZE);
	rsdp[RSDP_CHECKSUM2] = (u8)-acpi_sum(rsdp, RSDP_SIZE);
	return rsdp;
}

/* Each try of ExitBootServices() is followed by other tables, which use Keel's copies. */
static efi_status loader_goes_on_to_replace_the_tables(void)
{
	void *first = borrow_tables(8), *second;

	tables[0].table = tables[1].table = first;
	assert_int_not_equal(boot.exit_boot_services(NEXT, MAP_KEY), EFI_SUCCESS);
	finds_copies(tables[0].table, 2);
	second = borrow_tables(9);
	tables[0].table = tables[1].table = second;
	assert_int_not_equal(boot.exit_boot_services(NEXT, MAP_KEY), EFI_SUCCESS);
	finds_copies(tables[0].table, 2);
	tables[0].table = tables[1].table = second;
	assert_int_not_equal(boot.exit_boot_services(NEXT, MAP_KEY), EFI_SUCCESS);
	finds_copies(tables[0].table, 2);
	return os_boots();
}

static void tables_can_be_replaced_again_and_again(void **state)
{
	next = loader_goes_on_to_replace_the_tables;
	exit_status[0] = exit_status[1] = exit_status[2] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	assert_null(strstr(console, "error"));
}

static efi_status loader_breaks_the_tables(void)
{
	tables[0].table = tables[1].table = write_tables(8, 3);
	acpi_world.madt[ACPI_CHECKSUM]++;
	(void)os_boots();
	assert_int_equal(takes, 0);
	return EFI_SUCCESS;
}

static void tables_that_are_broken_at_the_end_boot_without_keel(void **state)
{
	next = loader_breaks_the_tables;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(exit_calls, 1);
	says("keel: error: ACPI: MADT: has a wrong checksum: the system boots without Keel");
}

static efi_status loader_breaks_the_tables_beside_a_tree(void)
{
	tables[1].table = tables[2].table = write_tables(8, 3);
	acpi_world.madt[ACPI_CHECKSUM]++;
	return os_boots();
}

static void tables_that_are_broken_at_the_end_beside_a_tree_are_a_warning(void **state)
{
	next = loader_breaks_the_tables_beside_a_tree;
	exit_status[0] = EFI_INVALID_PARAM;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	says("keel: warning: ACPI: MADT: has a wrong checksum: the host cannot use ACPI");
}

static void broken_tables_alone_boot_without_keel(void **state)
{
	acpi_world.gtdt[ACPI_CHECKSUM]++;
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("keel: error: ACPI: GTDT: has a wrong checksum: ", 0);
	assert_ptr_equal(tables[0].table, firmware_s_root);
}

static void broken_tables_beside_a_tree_are_a_warning(void **state)
{
	acpi_world.gtdt[ACPI_CHECKSUM]++;
	has_acpi = false;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(takes, 1);
	says("keel: warning: ACPI: GTDT: has a wrong checksum: the host cannot use ACPI");
	assert_ptr_equal(tables[1].table, firmware_s_root);
}

static void below_another_keel_on_acpi_it_steps_back(void **state)
{
	struct acpi_machine found;
	const struct acpi_reader reader = { memory_at, NULL };
	u8 *copies = (u8 *)ram + 8 * SZ_4K;

	assert_int_equal(acpi_read(&reader, (u64)(uintptr_t)firmware_s_root, &found), 0);
	assert_int_equal(acpi_make_copies(&found, copies, (u64)(uintptr_t)copies, SZ_16K), 0);
	tables[0].table = tables[1].table = copies;
	assert_int_equal(run(), EFI_SUCCESS);
	booted_without_keel("keel: error: another keel.efi is ready already", 0);
}

static void on_acpi_a_loader_that_returns_leaves_firmware_as_it_was(void **state)
{
	next = loader_returns;
	assert_int_equal(run(), EFI_LOAD_ERROR);
	assert_int_equal(prepares, 1);
	assert_ptr_equal(tables[0].table, firmware_s_root);
	assert_ptr_equal(tables[1].table, firmware_s_root);
	assert_int_equal(pages_of(EFI_ACPI_RECLAIM_MEMORY), 0);
	assert_int_equal(pages_of(EFI_LOADER_DATA), 0);
}

static void on_acpi_each_allocation_that_fails_boots_without_keel_and_without_a_leak(void **state)
{
	for (unsigned int i = 1; i <= 4; i++) {
		start_with_acpi_alone(NULL);
		fail_allocation = i;
		assert_int_equal(run(), EFI_SUCCESS);
		assert_int_equal(prepares, 0);
		booted_without_keel("keel: error: ", 0);
		assert_ptr_equal(tables[0].table, firmware_s_root);
	}
	start_with_acpi_alone(NULL);
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(allocations, 4); /* so these were all */
}

static void on_acpi_a_boot_that_fails_at_el2_gives_its_memory_back(void **state)
{
	prepare_result = EFI_KEEL_FAILED;
	assert_int_equal(run(), EFI_SUCCESS);
	assert_int_equal(prepares, 1);
	booted_without_keel("keel: error: Keel says why: ", 0);
	assert_ptr_equal(tables[0].table, firmware_s_root);
}

#define WITH_ACPI(test)	 cmocka_unit_test_setup(test, start_with_acpi)
#define ACPI_ALONE(test) cmocka_unit_test_setup(test, start_with_acpi_alone)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keel_takes_el2_when_boot_services_have_ended, start_fresh),
		cmocka_unit_test_setup(the_loader_finds_the_host_s_tree_and_a_right_checksum,
				       start_fresh),
		cmocka_unit_test_setup(a_failed_exit_is_firmware_s_and_a_second_one_is_keel_s,
				       start_fresh),
		cmocka_unit_test_setup(keel_knows_what_firmware_keeps_at_the_end, start_fresh),
		cmocka_unit_test_setup(a_loader_that_returns_leaves_firmware_as_it_was,
				       start_fresh),
		cmocka_unit_test_setup(without_a_loader_nothing_is_done, start_fresh),
		cmocka_unit_test_setup(a_named_loader_that_is_not_there_boots_another_without_keel,
				       start_fresh),
		cmocka_unit_test_setup(a_loader_that_firmware_does_not_trust_is_unloaded,
				       start_fresh),
		cmocka_unit_test_setup(a_loader_that_is_keel_itself_is_not_started, start_fresh),
		cmocka_unit_test_setup(keel_cfg_names_options_a_loader_and_its_arguments,
				       start_fresh),
		cmocka_unit_test_setup(load_options_name_them_too, start_fresh),
		cmocka_unit_test_setup(a_config_file_that_is_too_long_is_ignored, start_fresh),
		cmocka_unit_test_setup(the_boot_entry_that_would_have_come_next_is_started,
				       start_fresh),
		cmocka_unit_test_setup(
			an_entry_that_is_not_in_the_order_or_last_starts_the_first_one,
			start_fresh),
		cmocka_unit_test_setup(entries_for_keel_itself_and_for_lost_files_are_passed_over,
				       start_fresh),
		cmocka_unit_test_setup(damaged_entries_are_passed_over, start_fresh),
		cmocka_unit_test_setup(keel_as_the_fallback_loader_does_not_start_itself,
				       start_fresh),
		cmocka_unit_test_setup(the_vendor_of_keel_s_variable_is_what_the_system_looks_for,
				       start_fresh),
		cmocka_unit_test_setup(at_el1_the_machine_boots_without_keel, start_fresh),
		cmocka_unit_test_setup(without_a_device_tree_the_machine_boots_without_keel,
				       start_fresh),
		cmocka_unit_test_setup(with_a_damaged_device_tree_too, start_fresh),
		cmocka_unit_test_setup(below_another_keel_it_steps_back, start_fresh),
		cmocka_unit_test_setup(what_the_tree_forbids_to_map_is_firmware_s, start_fresh),
		cmocka_unit_test_setup(keel_takes_no_memory_that_the_tree_reserves, start_fresh),
		cmocka_unit_test_setup(
			each_allocation_that_fails_boots_without_keel_and_without_a_leak,
			start_fresh),
		cmocka_unit_test_setup(a_memory_map_that_is_wrong_boots_without_keel, start_fresh),
		cmocka_unit_test_setup(a_boot_that_fails_at_el2_gives_its_memory_back, start_fresh),
		cmocka_unit_test_setup(unless_devices_may_have_its_addresses, start_fresh),
		cmocka_unit_test_setup(what_keeps_keel_from_el2_is_told_while_firmware_can_tell_it,
				       start_fresh),
		cmocka_unit_test_setup(a_trial_is_made_before_each_exit_and_takes_nothing,
				       start_fresh),
		cmocka_unit_test_setup(keel_knows_whether_firmware_checks_signatures, start_fresh),
		cmocka_unit_test_setup(
			a_memory_map_that_cannot_be_read_at_the_end_boots_without_keel,
			start_fresh),
		cmocka_unit_test_setup(one_with_too_many_ranges_too, start_fresh),
		cmocka_unit_test(a_system_with_less_memory_than_before_boots_without_keel),
		cmocka_unit_test(a_system_that_would_get_keel_s_memory_boots_without_keel),
		ACPI_ALONE(on_acpi_alone_the_host_gets_copies_of_the_tables),
		WITH_ACPI(with_a_tree_and_acpi_the_host_has_its_choice),
		ACPI_ALONE(a_boot_loader_s_own_tree_tells_of_no_machine),
		ACPI_ALONE(tables_that_replace_keel_s_copies_are_copied_again),
		ACPI_ALONE(tables_can_be_replaced_again_and_again),
		ACPI_ALONE(tables_that_are_broken_at_the_end_boot_without_keel),
		WITH_ACPI(tables_that_are_broken_at_the_end_beside_a_tree_are_a_warning),
		ACPI_ALONE(broken_tables_alone_boot_without_keel),
		WITH_ACPI(broken_tables_beside_a_tree_are_a_warning),
		ACPI_ALONE(below_another_keel_on_acpi_it_steps_back),
		ACPI_ALONE(on_acpi_a_loader_that_returns_leaves_firmware_as_it_was),
		ACPI_ALONE(
			on_acpi_each_allocation_that_fails_boots_without_keel_and_without_a_leak),
		ACPI_ALONE(on_acpi_a_boot_that_fails_at_el2_gives_its_memory_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
