// SPDX-License-Identifier: BSD-2-Clause
/*
 *      efi_app()              finds out where it is, reads options, loads the next loader
 *        prepare()            memory, the copy of the image, Keel's boot at EL2 up to the host
 *        hook()               ExitBootServices() is Keel's from here on, and tree and ACPI tables
 *        start_image()        the loader, and all that it loads
 *          exit_hook()        a trial; firmware's ExitBootServices(); if both succeed, Keel takes EL2
 *
 * Until hook() nothing is changed that the next loader could see, so whatever fails before it is
 * one line on the console, and the machine boots without Keel.
 */
#include <efi/efi_acpi.h>
#include <efi/efi_app.h>
#include <efi/efi_config.h>
#include <efi/efi_env.h>
#include <efi/efi_loader.h>
#include <efi/efi_memmap.h>
#include <efi/efi_path.h>
#include <host/host_fdt.h>
#include <keel/hypercall.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <libfdt.h>
#include <mm/ownership.h>

/* What the host's device tree may have more than firmware's. */
#define TREE_GROWTH (SZ_64K + FDT_ITS_MAX * 256)
/* Memory maps grow while loaders run; one that does not fit would be too late to refuse. */
#define MAP_SLACK SZ_256K
/* The tables of ITSs: as hyp/boot/main.c limits them. */
#define GIC_SHARE 256
/* What each CPU beyond the 32 that Keel's region has room for may take. */
#define CPU_BYTES (8 * SZ_4K)

/* The one application that runs: firmware calls exit_hook() without an argument of Keel's. */
static struct {
	const struct efi_platform *platform;
	struct efi_env env;
	struct efi_handover *handover;
	const void *fdt;	/* firmware's device tree, or the one made of ACPI's tables */
	bool made_tree;		/* the latter: the host has ACPI alone */
	bool has_acpi;		/* firmware has tables that Keel can change */
	struct memmap tree_map; /* the tree's /reserved-memory, which UEFI's map may lack */
	u64 block, pages;	/* Keel's memory */
	void *map;		/* room for the memory map at the end */
	u64 map_room;
	bool told; /* exit_hook() has printed a line */
	efi_status (*exit_boot_services)(efi_handle image, u64 key);
} app;

static const char *efi_why; /* a failure's reason */

static struct efi_boot_services *boot_services(void)
{
	return app.env.system->boot;
}

/* ---- where it is, and what it is asked for ---- */

static bool find_self(efi_handle image, struct efi_system_table *system)
{
	static char self[EFI_LOADER_MAX];
	struct efi_env *env = &app.env;
	size_t size;

	*env = (struct efi_env){ .image = image, .system = system, .self = self };
	env->loaded = efi_protocol(env, image, &efi_guid_loaded_image);
	if (!env->loaded)
		return false;
	env->device_path = efi_protocol(env, env->loaded->device, &efi_guid_device_path);
	env->device_path_size = efi_path_size(env->device_path, EFI_PATH_MAX);
	if (!env->device_path_size)
		env->device_path = NULL;
	size = efi_path_size(env->loaded->path, EFI_PATH_MAX);
	if (!efi_path_file(env->loaded->path, size, self, sizeof(self)))
		self[0] = '\0';
	return true;
}

static void warn_config(const char *why, const char *text, size_t len)
{
	efi_print(app.env.system, "warning: %.*s%s%s", (int)len, text, len ? ": " : "", why);
}

/* keel.cfg, in the folder of keel.efi. Return: its bytes. */
static u64 read_config_file(char *data, u64 room)
{
	struct efi_file_system *fs =
		efi_protocol(&app.env, app.env.loaded->device, &efi_guid_file_system);
	char name[EFI_LOADER_MAX + 16];
	efi_char wide[EFI_LOADER_MAX + 16];
	const char *slash = strrchr(app.env.self, '\\');
	struct efi_file *root, *file;
	u64 size = room;

	kl_snprintf(name, sizeof(name), "%.*s\\keel.cfg", slash ? (int)(slash - app.env.self) : 0,
		    app.env.self);
	(void)efi_widen(wide, ARRAY_SIZE(wide), name);
	if (!fs || fs->open_volume(fs, &root))
		return 0;
	if (root->open(root, &file, wide, EFI_FILE_MODE_READ, 0)) {
		size = 0;
	} else {
		if (file->read(file, &size, data))
			size = 0;
		(void)file->close(file);
	}
	(void)root->close(root);
	if (size < room)
		return size;
	efi_print(app.env.system, "warning: keel.cfg is too long, and is ignored");
	return 0;
}

static void read_config(struct efi_config *config)
{
	static char data[EFI_CONFIG_MAX];
	const struct efi_loaded_image *loaded = app.env.loaded;

	*config = (struct efi_config){ .options = "" };
	efi_config_file(config, data, read_config_file(data, sizeof(data)), warn_config);
	if (loaded->options)
		efi_config_load_options(config, loaded->options, loaded->options_size, warn_config);
}

/* ---- firmware's memory map ---- */

/* Firmware's memory map, in memory of the application. */
static bool get_map(struct efi_map *map)
{
	u64 size = app.map_room, key;
	u32 version;

	*map = (struct efi_map){ .data = app.map };
	if (boot_services()->get_memory_map(&size, app.map, &key, &map->descriptor_size, &version))
		return false;
	map->size = size;
	return true;
}

static bool make_map_room(void)
{
	u64 size = 0, key, descriptor_size;
	u32 version;
	u64 base;

	(void)boot_services()->get_memory_map(&size, NULL, &key, &descriptor_size, &version);
	app.map_room = ALIGN_UP(2 * size + MAP_SLACK, EFI_PAGE_SIZE);
	efi_why = "no memory for the memory map";
	if (boot_services()->allocate_pages(EFI_ALLOCATE_ANY, EFI_LOADER_DATA,
					    app.map_room / EFI_PAGE_SIZE, &base))
		return false;
	app.map = (void *)(uintptr_t)base;
	return true;
}

static void free_map_room(void)
{
	(void)boot_services()->free_pages((u64)(uintptr_t)app.map, app.map_room / EFI_PAGE_SIZE);
}

/* ---- what the machine is: firmware's device tree, or ACPI's tables ---- */

static bool allocate_tree_of_acpi(u64 *base)
{
	efi_why = "no memory for the device tree";
	return boot_services()->allocate_pages(EFI_ALLOCATE_ANY, EFI_LOADER_DATA,
					       ACPI_TREE_SIZE / EFI_PAGE_SIZE, base) == EFI_SUCCESS;
}

static bool make_tree_of_acpi(const struct acpi_machine *machine)
{
	u64 base;

	if (!allocate_tree_of_acpi(&base))
		return false;
	app.fdt = (void *)(uintptr_t)base;
	app.made_tree = true;
	efi_why = "ACPI: the machine is too large for Keel";
	return acpi_make_tree(machine, (void *)(uintptr_t)base, ACPI_TREE_SIZE) == 0;
}

/* A boot loader on ACPI makes a tree for its own words (/chosen): that one tells of no machine. */
static bool is_machine_tree(const void *fdt)
{
	return !IS_ALIGNED((u64)(uintptr_t)fdt, 8) ||
	       host_fdt_check(fdt, HOST_FDT_SPACE, &efi_why) || fdt_path_offset(fdt, "/cpus") >= 0;
}

/* What the tree forbids to map is firmware's, as what UEFI's memory map says so of. */
static bool add_fixed_of_tree(struct memmap *map)
{
	const struct mem_ranges *fixed = &app.tree_map.fixed;

	for (unsigned int i = 0; i < fixed->count; i++)
		if (mem_ranges_add(&map->fixed, fixed->range[i].base,
				   fixed->range[i].end - fixed->range[i].base))
			return false;
	return true;
}

static bool take_fdt(const void *fdt)
{
	app.fdt = fdt;
	efi_why = "the device tree is not aligned";
	return IS_ALIGNED((u64)(uintptr_t)fdt, 8) &&
	       host_fdt_check(fdt, HOST_FDT_SPACE, &efi_why) == 0;
}

static bool take_reserved_memory(struct memmap *map)
{
	if (memmap_add_reserved_memory(&app.tree_map, app.fdt, &efi_why))
		return false;
	efi_why = "the device tree has too many reserved ranges";
	return add_fixed_of_tree(map);
}

/* Another keel.efi that starts this one will take EL2, and this one would be entered at EL1. */
static bool is_first(const struct acpi_machine *machine)
{
	int node = app.made_tree ? -FDT_ERR_NOTFOUND : fdt_path_offset(app.fdt, "/hypervisor");

	efi_why = "another keel.efi is ready already";
	return !(machine && machine->marker) &&
	       (node < 0 || fdt_node_check_compatible(app.fdt, node, "keel,hypervisor"));
}

static void warn_of_acpi(const struct acpi_machine *machine)
{
	const char *why = machine ? machine->warning : efi_acpi_why();

	if (why[0])
		efi_print(app.env.system, "warning: %s%s", why,
			  machine ? "" : ": the host cannot use ACPI");
	if (machine && machine->cpus_left_out)
		efi_print(app.env.system, "warning: ACPI: %u CPUs are left out",
			  machine->cpus_left_out);
}

/* Where both a tree and ACPI are, Keel reads the tree, and the host has its choice. */
static bool find_machine(struct memmap *map)
{
	const struct efi_configuration_table *entry =
		efi_config_entry(app.env.system, &efi_guid_device_tree);
	const struct acpi_machine *machine = efi_acpi_find(app.env.system, map);
	bool has_tables = machine || efi_acpi_why()[0];

	app.made_tree = false;
	app.tree_map.reserved.count = app.tree_map.fixed.count = 0;
	app.has_acpi = machine;
	if (entry && entry->table && (!has_tables || is_machine_tree(entry->table))) {
		if (!take_fdt(entry->table) || !take_reserved_memory(map))
			return false;
		warn_of_acpi(machine);
	} else if (!machine) {
		efi_why = has_tables ? efi_acpi_why()
				     : "firmware passes no device tree and no ACPI tables";
		return false;
	} else if (!make_tree_of_acpi(machine)) {
		return false;
	} else {
		warn_of_acpi(machine);
	}
	return is_first(machine);
}

static void forget_machine(void)
{
	if (app.made_tree)
		(void)boot_services()->free_pages((u64)(uintptr_t)app.fdt,
						  ACPI_TREE_SIZE / EFI_PAGE_SIZE);
	app.made_tree = false;
}

/* ---- Keel's memory ---- */

static u64 gic_bytes(u64 ram)
{
	struct fdt_itses itses;

	if (host_fdt_itses(app.fdt, &itses) || !itses.count)
		return 0;
	return MAX(ram / GIC_SHARE, SZ_1M) + itses.count * SZ_64K;
}

/* At most as many as there are nodes below /cpus. */
static u64 cpu_bytes(void)
{
	int cpus = fdt_path_offset(app.fdt, "/cpus"), node;
	u64 count = 0;

	for (node = fdt_first_subnode(app.fdt, cpus); node >= 0;
	     node = fdt_next_subnode(app.fdt, node))
		count++;
	return MIN(count, KEEL_MAX_CPUS) * CPU_BYTES;
}

/* All that Keel's boot may take, behind its region; what is left of it goes back. */
static u64 room_for(const struct memmap *map)
{
	u64 ram = memmap_ram_size(map), bytes = ALIGN_UP(sizeof(struct efi_handover), SZ_4K);

	for (unsigned int i = 0; i < map->ram.count; i++) {
		u64 bank = map->ram.range[i].end - map->ram.range[i].base;

		bytes += bank / SZ_4K + ownership_counts_size(bank) + SZ_4K;
	}
	return ALIGN_UP(bytes + gic_bytes(ram) + cpu_bytes(), SZ_64K);
}

/*
 * Reserved memory: kernels neither use nor map it, and it has no place in the mappings of runtime
 * services.
 */
static bool allocate_block(const struct memmap *map)
{
	u64 align = app.platform->region_size, pages, base;

	pages = (align + room_for(map)) / EFI_PAGE_SIZE;
	efi_why = "firmware has too little memory for Keel";
	if (boot_services()->allocate_pages(EFI_ALLOCATE_ANY, EFI_RESERVED_MEMORY,
					    pages + align / EFI_PAGE_SIZE, &base))
		return false;
	app.block = ALIGN_UP(base, align);
	app.pages = pages;
	if (app.block > base)
		(void)boot_services()->free_pages(base, (app.block - base) / EFI_PAGE_SIZE);
	if (base + align > app.block)
		(void)boot_services()->free_pages(app.block + pages * EFI_PAGE_SIZE,
						  (base + align - app.block) / EFI_PAGE_SIZE);
	return true;
}

static void free_block(u64 from)
{
	u64 end = app.block + app.pages * EFI_PAGE_SIZE;

	if (from < end)
		(void)boot_services()->free_pages(from, (end - from) / EFI_PAGE_SIZE);
	app.pages = (from - app.block) / EFI_PAGE_SIZE;
}

/* Of a host that has ACPI alone there is none. */
static bool allocate_tree(void)
{
	struct efi_handover *h = app.handover;

	if (app.made_tree)
		return true;
	h->tree_size = ALIGN_UP(fdt_totalsize(app.fdt) + TREE_GROWTH, EFI_PAGE_SIZE);
	efi_why = "no memory for the device tree";
	return boot_services()->allocate_pages(EFI_ALLOCATE_ANY, EFI_ACPI_RECLAIM_MEMORY,
					       h->tree_size / EFI_PAGE_SIZE,
					       &h->tree) == EFI_SUCCESS;
}

static void free_tree(void)
{
	if (!app.handover->tree_size)
		return;
	(void)boot_services()->free_pages(app.handover->tree,
					  app.handover->tree_size / EFI_PAGE_SIZE);
}

/* Keel takes memory from its block alone, where it is not reserved. */
static bool reserve_all_else(struct memmap *map)
{
	map->reserved = map->ram;
	efi_why = "firmware's memory map has too many separate ranges";
	return mem_ranges_remove(&map->reserved, app.block, app.pages * EFI_PAGE_SIZE) == 0;
}

/* ---- Keel at EL2 ---- */

static void copy_image(void)
{
	void *region = (void *)(uintptr_t)app.block;

	memset(region, 0, app.platform->region_size);
	memcpy(region, app.platform->image, app.platform->image_size);
	app.platform->clean(region, app.platform->region_size);
}

static void fill_handover(const struct memmap *map, const char *options)
{
	struct efi_handover *h = (void *)(uintptr_t)(app.block + app.platform->region_size);

	app.handover = h;
	memset(h, 0, sizeof(*h));
	h->fdt = (u64)(uintptr_t)app.fdt;
	h->resume = app.platform->resume;
	h->el1_entry = app.platform->el1_entry;
	h->size = ALIGN_UP(sizeof(*h), SZ_4K);
	h->acpi = app.has_acpi;
	h->secure = efi_has_secure_boot(app.env.system);
	h->map = *map;
	kl_snprintf(h->options, sizeof(h->options), "%s", options);
}

/* Run Keel's boot up to where the host would start. */
static bool run_boot(void)
{
	struct efi_handover *h = app.handover;
	const struct efi_platform *p = app.platform;
	u64 result;

	/* What is read or run with the MMU off. */
	p->clean(p->image, p->image_size);
	p->clean(app.fdt, fdt_totalsize(app.fdt));
	p->clean(h, sizeof(*h));
	result = p->enter(app.block + p->first_entry, (u64)(uintptr_t)h, &h->state);
	/* Keel may have written it past the caches; lines that came there meanwhile are stale. */
	p->clean(h, sizeof(*h));
	if (result == EFI_KEEL_READY)
		return true;
	h->why[sizeof(h->why) - 1] = '\0';
	efi_why = h->why;
	return false;
}

static bool prepare_acpi(void)
{
	efi_why = "no memory for ACPI's tables";
	return !app.has_acpi || efi_acpi_prepare(app.env.system);
}

static bool boot_keel(const struct memmap *map, const char *options)
{
	copy_image();
	fill_handover(map, options);
	if (!reserve_all_else(&app.handover->map) || !allocate_tree())
		return false;
	if (prepare_acpi() && run_boot())
		return true;
	efi_acpi_undo(app.env.system);
	free_tree();
	return false;
}

/* Firmware that gives away what its own tree reserves. */
static bool block_is_reserved(void)
{
	efi_why = "firmware gave Keel memory that its device tree reserves";
	return mem_ranges_overlap(&app.tree_map.reserved, app.block, app.pages * EFI_PAGE_SIZE);
}

/* In a block of its own. On failure what may be given back is given back. */
static bool boot_in_block(const struct memmap *map, const char *options)
{
	static char why[EFI_WHY_MAX];

	if (!allocate_block(map))
		return false;
	if (block_is_reserved()) {
		free_block(app.block);
		return false;
	}
	if (boot_keel(map, options)) {
		free_block(ALIGN_UP(app.handover->end, EFI_PAGE_SIZE));
		return true;
	}
	kl_snprintf(why, sizeof(why), "%s", efi_why); /* it may lie in the block */
	efi_why = why;
	if (!app.handover->hardware)
		free_block(app.block);
	return false;
}

/* Make Keel ready to take EL2. */
static bool prepare(const char *options)
{
	static struct memmap map;
	struct efi_map efi;
	bool ready;

	if (!make_map_room())
		return false;
	efi_why = "firmware gives no memory map";
	ready = get_map(&efi) && !efi_memmap_read(&efi, &map, &efi_why) && find_machine(&map) &&
		boot_in_block(&map, options);
	forget_machine();
	if (!ready)
		free_map_room();
	return ready;
}

/* ---- the hook ---- */

static void update_crc(struct efi_table_header *header)
{
	header->crc32 = 0;
	(void)boot_services()->calculate_crc32(header, header->header_size, &header->crc32);
}

static void set_exit(efi_status (*exit)(efi_handle image, u64 key))
{
	boot_services()->exit_boot_services = exit;
	update_crc(&boot_services()->header);
}

/*
 * The system gets the map as it is now. Memory that is missing in it would still be Keel's to give to
 * VMs, and Keel's own memory is not the system's.
 */
static bool has_memory_as_expected(const struct memmap *map)
{
	const struct efi_handover *h = app.handover;
	const struct mem_ranges *ram = &h->map.ram;

	efi_why = "firmware's memory map has less memory than before";
	for (unsigned int i = 0; i < ram->count; i++)
		if (!mem_ranges_contain(&map->ram, ram->range[i].base,
					ram->range[i].end - ram->range[i].base))
			return false;
	efi_why = "firmware's memory map gives Keel's memory to the system";
	return mem_ranges_contain(&map->fixed, app.block, h->end - app.block);
}

/* What firmware keeps for itself may be more than it was when Keel made itself ready. */
static bool read_final_map(struct memmap *map)
{
	struct efi_map efi;

	efi_why = "firmware gives no memory map at the end";
	if (!get_map(&efi) || efi_memmap_read(&efi, map, &efi_why) || !has_memory_as_expected(map))
		return false;
	efi_why = "firmware's memory map has too many separate ranges";
	if (!add_fixed_of_tree(map))
		return false;
	app.handover->map.fixed = map->fixed;
	return true;
}

/*
 * Once: the console may allocate memory, with which the caller's map key is stale, and callers try again
 * once. After a call that failed there is no console any more (UEFI 2.10, 7.4.6).
 */
static void tell_at_exit(const char *kind, const char *why, const char *result)
{
	if (!app.told)
		efi_print(app.env.system, "%s: %s: %s", kind, why, result);
	app.told = true;
}

/* Is the machine as Keel must know it? ACPI's tables too, but of a host that has a tree. */
static bool is_known_machine(void)
{
	static struct memmap map;
	const char *why;

	if (!read_final_map(&map))
		return false;
	why = efi_acpi_refresh(app.env.system, &map);
	if (why && app.handover->tree_size)
		tell_at_exit("warning", why, "the host cannot use ACPI");
	efi_why = why;
	return !why || app.handover->tree_size;
}

/* Keel looks at firmware's regime as it will when boot services have ended, and nobody can be told. */
static bool trial_succeeds(void)
{
	struct efi_handover *h = app.handover;
	u64 result;

	h->trial = true;
	result = app.platform->enter(h->take_entry, 0, &h->state);
	h->trial = false;
	h->why[sizeof(h->why) - 1] = '\0';
	efi_why = h->why;
	return result == EFI_KEEL_READY;
}

static bool may_take(void)
{
	if (is_known_machine() && trial_succeeds())
		return true;
	if (!app.told)
		efi_record(app.env.system, KEEL_EFI_ERROR, "%s", efi_why);
	tell_at_exit("error", efi_why, "the system boots without Keel");
	return false;
}

/*
 * In place of firmware's ExitBootServices(). When firmware's fails, which it does once if the memory
 * map has changed, boot services run on, and this is called again.
 */
static efi_status exit_hook(efi_handle image, u64 key)
{
	struct efi_handover *h = app.handover;
	bool takes = may_take();
	efi_status status = app.exit_boot_services(image, key);

	if (status || !takes)
		return status;
	/* As the trial did. Otherwise there is nobody to tell any more: Keel prints a line on its UART. */
	(void)app.platform->enter(h->take_entry, 0, &h->state);
	return EFI_SUCCESS;
}

static bool install_tree(void)
{
	efi_why = "firmware does not take the changed device tree";
	return !app.handover->tree_size ||
	       !boot_services()->install_configuration_table(&efi_guid_device_tree,
							     (void *)(uintptr_t)app.handover->tree);
}

static bool install_acpi(void)
{
	efi_why = "firmware does not take the changed ACPI tables";
	return !app.has_acpi || efi_acpi_install(app.env.system);
}

static void uninstall_all(void)
{
	efi_acpi_undo(app.env.system);
	if (app.handover->tree_size)
		(void)boot_services()->install_configuration_table(&efi_guid_device_tree,
								   (void *)(uintptr_t)app.fdt);
	free_tree();
	free_map_room();
}

static bool hook(void)
{
	if (!install_tree() || !install_acpi()) {
		uninstall_all();
		return false;
	}
	app.told = false;
	app.exit_boot_services = boot_services()->exit_boot_services;
	set_exit(exit_hook);
	return true;
}

/* The next loader gave up. Keel's memory stays: the GIC may have addresses in it. */
static void unhook(void)
{
	set_exit(app.exit_boot_services);
	uninstall_all();
}

/* ---- the application ---- */

static bool is_at_el2(void)
{
	efi_why = "firmware runs at EL1, and Keel needs EL2";
	return app.platform->current_el == 2;
}

/* A loader that was named and is not there: Keel does not go on with another one. */
static bool has_named(const struct efi_config *config, const struct efi_loader *loader)
{
	static char why[EFI_LOADER_MAX + 32];

	kl_snprintf(why, sizeof(why), "%s cannot be loaded", config->loader);
	efi_why = why;
	return loader->named || !config->loader[0];
}

static efi_status start_next(const struct efi_loader *loader, bool keel)
{
	efi_status status;

	if (keel) {
		efi_record(app.env.system, KEEL_EFI_READY, "%s", loader->name);
		efi_print(app.env.system, "Keel %s is ready for what %s boots",
			  app.platform->version, loader->name);
	} else {
		efi_record(app.env.system, KEEL_EFI_ERROR, "%s", efi_why);
		efi_print(app.env.system, "error: %s: %s starts without Keel", efi_why,
			  loader->name);
	}
	status = boot_services()->start_image(loader->image, NULL, NULL);
	if (keel) {
		unhook();
		efi_record(app.env.system, KEEL_EFI_ERROR, "%s returned", loader->name);
	}
	efi_print(app.env.system, "%s returned (status %#llx), Keel is not used", loader->name,
		  (unsigned long long)status);
	return status;
}

efi_status efi_app(efi_handle image, struct efi_system_table *system,
		   const struct efi_platform *platform)
{
	static struct efi_config config;
	static struct efi_loader loader;

	app.platform = platform;
	if (!find_self(image, system))
		return EFI_LOAD_ERROR;
	read_config(&config);
	if (efi_loader_load(&app.env, &config, &loader)) {
		efi_record(system, KEEL_EFI_ERROR, "no boot loader to start");
		efi_print(system, "error: no boot loader to start, the machine boots without Keel");
		return EFI_NOT_FOUND;
	}
	return start_next(&loader, has_named(&config, &loader) && is_at_el2() &&
					   prepare(config.options) && hook());
}
