/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Keel uses of UEFI (Unified Extensible Firmware Interface Specification 2.10): calls, tables
 * and structures as firmware has them in memory. Names are the specification's, in this tree's
 * spelling. Members that Keel does not use are there for their size.
 *
 * On arm64 a call of UEFI is a call by the procedure call standard (2.3.6.1), so function pointers
 * need no attribute.
 */
#ifndef KEEL_EFI_EFI_ABI_H
#define KEEL_EFI_EFI_ABI_H

#include <lib/types.h>

typedef u64 efi_status;
typedef void *efi_handle;
typedef u16 efi_char; /* UCS-2 */

/* Appendix D */
#define EFI_ERROR_BIT	     (1ULL << 63)
#define EFI_SUCCESS	     0ULL
#define EFI_LOAD_ERROR	     (EFI_ERROR_BIT | 1)
#define EFI_INVALID_PARAM    (EFI_ERROR_BIT | 2)
#define EFI_UNSUPPORTED	     (EFI_ERROR_BIT | 3)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR_BIT | 5)
#define EFI_OUT_OF_RESOURCES (EFI_ERROR_BIT | 9)
#define EFI_NOT_FOUND	     (EFI_ERROR_BIT | 14)
#define EFI_SECURITY	     (EFI_ERROR_BIT | 26)

#define EFI_PAGE_SIZE 4096ULL

struct efi_guid {
	u32 a;
	u16 b, c;
	u8 d[8];
};

struct efi_table_header {
	u64 signature;
	u32 revision, header_size, crc32, reserved;
};

/* 7.2: AllocatePages(), GetMemoryMap() */
enum efi_allocate { EFI_ALLOCATE_ANY, EFI_ALLOCATE_MAX, EFI_ALLOCATE_ADDRESS };

enum efi_memory_type {
	EFI_RESERVED_MEMORY,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_SERVICES_CODE,
	EFI_BOOT_SERVICES_DATA,
	EFI_RUNTIME_CODE,
	EFI_RUNTIME_DATA,
	EFI_CONVENTIONAL_MEMORY,
	EFI_UNUSABLE_MEMORY,
	EFI_ACPI_RECLAIM_MEMORY,
	EFI_ACPI_NVS_MEMORY,
	EFI_MMIO,
	EFI_MMIO_PORT_SPACE,
	EFI_PAL_CODE,
	EFI_PERSISTENT_MEMORY,
};

/* The cacheabilities that only memory has */
#define EFI_MEMORY_WC 0x2ULL
#define EFI_MEMORY_WT 0x4ULL
#define EFI_MEMORY_WB 0x8ULL

struct efi_memory_descriptor {
	u32 type, pad;
	u64 physical_start, virtual_start, pages, attribute;
};

/* 12.4 */
struct efi_text_output {
	void *reset;
	efi_status (*output_string)(struct efi_text_output *out, const efi_char *s);
};

/* 10.2: a node of a device path */
struct efi_device_path {
	u8 type, subtype;
	u8 length[2]; /* little-endian, not aligned; with this header */
};

#define EFI_PATH_MEDIA	     4
#define EFI_PATH_MEDIA_DISK  1 /* a partition */
#define EFI_PATH_MEDIA_FILE  4
#define EFI_PATH_END	     0x7f
#define EFI_PATH_END_OF_PATH 0xff

/* 4.4: BootServices */
struct efi_boot_services {
	struct efi_table_header header;
	void *raise_tpl, *restore_tpl;
	efi_status (*allocate_pages)(enum efi_allocate how, enum efi_memory_type type, u64 pages,
				     u64 *base);
	efi_status (*free_pages)(u64 base, u64 pages);
	efi_status (*get_memory_map)(u64 *size, void *map, u64 *key, u64 *descriptor_size,
				     u32 *descriptor_version);
	efi_status (*allocate_pool)(enum efi_memory_type type, u64 size, void **buffer);
	efi_status (*free_pool)(void *buffer);
	void *create_event, *set_timer, *wait_for_event, *signal_event, *close_event, *check_event;
	void *install_protocol, *reinstall_protocol, *uninstall_protocol;
	efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol,
				      void **interface);
	void *reserved, *register_notify, *locate_handle, *locate_device_path;
	efi_status (*install_configuration_table)(const struct efi_guid *guid, void *table);
	efi_status (*load_image)(u8 boot_policy, efi_handle parent,
				 const struct efi_device_path *path, const void *source, u64 size,
				 efi_handle *image);
	efi_status (*start_image)(efi_handle image, u64 *exit_data_size, efi_char **exit_data);
	void *exit;
	efi_status (*unload_image)(efi_handle image);
	efi_status (*exit_boot_services)(efi_handle image, u64 key);
	void *monotonic_count, *stall, *set_watchdog, *connect, *disconnect;
	void *open_protocol, *close_protocol, *open_protocol_information, *protocols_per_handle;
	efi_status (*locate_handle_buffer)(u32 how, const struct efi_guid *protocol, void *key,
					   u64 *count, efi_handle **handles);
	void *locate_protocol, *install_multiple, *uninstall_multiple;
	efi_status (*calculate_crc32)(const void *data, u64 size, u32 *crc);
	void *copy_mem, *set_mem, *create_event_ex;
};

#define EFI_BY_PROTOCOL 2

/* 4.5: RuntimeServices */
struct efi_runtime_services {
	struct efi_table_header header;
	void *get_time, *set_time, *get_wakeup, *set_wakeup, *set_virtual_address_map;
	void *convert_pointer;
	efi_status (*get_variable)(const efi_char *name, const struct efi_guid *vendor,
				   u32 *attributes, u64 *size, void *data);
	void *get_next_variable_name;
	efi_status (*set_variable)(const efi_char *name, const struct efi_guid *vendor,
				   u32 attributes, u64 size, const void *data);
};

/* Attributes of a variable that is gone after a reset, and that the system can read until then */
#define EFI_VARIABLE_BOOT    0x2U
#define EFI_VARIABLE_RUNTIME 0x4U

struct efi_configuration_table {
	struct efi_guid guid;
	void *table;
};

/* 4.3 */
struct efi_system_table {
	struct efi_table_header header;
	const efi_char *vendor;
	u32 revision;
	efi_handle con_in_handle;
	void *con_in;
	efi_handle con_out_handle;
	struct efi_text_output *con_out;
	efi_handle stderr_handle;
	void *std_err;
	struct efi_runtime_services *runtime;
	struct efi_boot_services *boot;
	u64 table_count;
	struct efi_configuration_table *tables;
};

/* 9.1 */
struct efi_loaded_image {
	u32 revision;
	efi_handle parent;
	struct efi_system_table *system;
	efi_handle device;
	const struct efi_device_path *path;
	void *reserved;
	u32 options_size;
	void *options;
	void *image_base;
	u64 image_size;
	u32 code_type, data_type;
	void *unload;
};

/* 13.5 */
struct efi_file {
	u64 revision;
	efi_status (*open)(struct efi_file *directory, struct efi_file **file, const efi_char *name,
			   u64 mode, u64 attributes);
	efi_status (*close)(struct efi_file *file);
	void *delete;
	efi_status (*read)(struct efi_file *file, u64 *size, void *buffer);
};

#define EFI_FILE_MODE_READ 1ULL

/* 13.4 */
struct efi_file_system {
	u64 revision;
	efi_status (*open_volume)(struct efi_file_system *fs, struct efi_file **root);
};

STATIC_ASSERT(__builtin_offsetof(struct efi_boot_services, exit_boot_services) == 24 + 26 * 8,
	      "UEFI 4.4");
STATIC_ASSERT(__builtin_offsetof(struct efi_boot_services, create_event_ex) == 24 + 43 * 8,
	      "UEFI 4.4");
STATIC_ASSERT(__builtin_offsetof(struct efi_runtime_services, get_variable) == 24 + 6 * 8,
	      "UEFI 4.5");
STATIC_ASSERT(__builtin_offsetof(struct efi_runtime_services, set_variable) == 24 + 8 * 8,
	      "UEFI 4.5");
STATIC_ASSERT(__builtin_offsetof(struct efi_system_table, tables) == 112, "UEFI 4.3");
STATIC_ASSERT(__builtin_offsetof(struct efi_loaded_image, unload) == 88, "UEFI 9.1");
STATIC_ASSERT(sizeof(struct efi_memory_descriptor) == 40, "UEFI 7.2");

#endif
