// SPDX-License-Identifier: BSD-2-Clause
/* The next loader: by name, by firmware's boot order, or by where one usually is. */
#include <efi/efi_loader.h>
#include <efi/efi_path.h>
#include <lib/printf.h>
#include <lib/string.h>

/* Bytes of a boot entry, and entries of the boot order, that are looked at. */
#define OPTION_MAX 4096
#define ORDER_MAX  256

/* One loader is started, so these are of one. */
static u8 option_data[OPTION_MAX] __attribute__((aligned(8)));
static efi_char arguments[EFI_ARGUMENTS_MAX];
static u64 path_buffer[EFI_PATH_MAX / sizeof(u64)];

/* What firmware's verification refuses is loaded nevertheless, to be started after a change of mind. */
static bool load_path(const struct efi_env *env, const void *path, struct efi_loader *out)
{
	const struct efi_boot_services *boot = env->system->boot;
	efi_status status = boot->load_image(false, env->image, path, NULL, 0, &out->image);

	if (status == EFI_SECURITY)
		(void)boot->unload_image(out->image);
	return status == EFI_SUCCESS;
}

static void pass_options(const struct efi_env *env, const struct efi_loader *loader, void *data,
			 size_t size)
{
	struct efi_loaded_image *image = efi_protocol(env, loader->image, &efi_guid_loaded_image);

	if (!image)
		return;
	image->options = data;
	image->options_size = (u32)size;
}

/* A file on Keel's own device, but Keel, which would start itself until memory or stack is out. */
static bool load_file(const struct efi_env *env, const struct efi_config *config, const char *name,
		      struct efi_loader *out)
{
	if (!env->device_path ||
	    !efi_path_of_file(env->device_path, env->device_path_size, name, path_buffer) ||
	    efi_path_names_file(path_buffer, sizeof(path_buffer), env->self) ||
	    !load_path(env, path_buffer, out))
		return false;
	kl_snprintf(out->name, sizeof(out->name), "%s", name);
	if (config->arguments[0])
		pass_options(env, out, arguments,
			     efi_widen(arguments, ARRAY_SIZE(arguments), config->arguments));
	return true;
}

/*
 * A path that begins at a partition is short for the path of the device that has it (3.1.2), which
 * LoadImage() does not look for.
 */
static const void *whole_path(const struct efi_env *env, const void *path, size_t size)
{
	const struct efi_device_path *first = path;
	efi_handle *handles;
	const void *found = NULL;
	u64 count = 0;

	if (first->type != EFI_PATH_MEDIA || first->subtype != EFI_PATH_MEDIA_DISK)
		return path;
	if (env->system->boot->locate_handle_buffer(EFI_BY_PROTOCOL, &efi_guid_file_system, NULL,
						    &count, &handles))
		return NULL;
	for (u64 i = 0; i < count && !found; i++) {
		const void *device = efi_protocol(env, handles[i], &efi_guid_device_path);
		size_t device_size = efi_path_size(device, EFI_PATH_MAX);
		const struct efi_device_path *file =
			efi_path_find(path, size, EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE);

		if (efi_path_same_disk(device, device_size, path, size) && file &&
		    efi_path_append(device, device_size, path, size, file, path_buffer))
			found = path_buffer;
	}
	(void)env->system->boot->free_pool(handles);
	return found;
}

/* Keel's own entry, or another for the same file on the same partition. */
static bool is_self(const struct efi_env *env, const void *path, size_t size)
{
	const bool disk = efi_path_find(path, size, EFI_PATH_MEDIA, EFI_PATH_MEDIA_DISK);

	return efi_path_names_file(path, size, env->self) &&
	       (!disk || efi_path_same_disk(env->device_path, env->device_path_size, path, size));
}

/* A boot entry of a file. Others are for firmware's own programs, or for whatever a disk has. */
static bool load_entry(const struct efi_env *env, u16 number, struct efi_loader *out)
{
	u64 size = sizeof(option_data);
	size_t path_size;
	const void *path, *whole;
	char name[16];
	u8 *rest;

	kl_snprintf(name, sizeof(name), "Boot%04X", number);
	if (!efi_global_variable(env->system, name, option_data, &size))
		return false;
	path = efi_option_path(option_data, size, &path_size);
	if (!path || !efi_path_file(path, path_size, out->name, sizeof(out->name)) ||
	    is_self(env, path, path_size))
		return false;
	whole = whole_path(env, path, path_size);
	if (!whole || !load_path(env, whole, out))
		return false;
	rest = (u8 *)path + option_data[4] + ((size_t)option_data[5] << 8);
	if (rest < option_data + size)
		pass_options(env, out, rest, (size_t)(option_data + size - rest));
	return true;
}

/*
 * What is behind Keel's entry in the order; then what is before it: firmware started Keel by BootNext, or
 * somebody chose it, and it need not be in the order at all.
 */
static bool load_next_entry(const struct efi_env *env, struct efi_loader *out)
{
	static u16 order[ORDER_MAX];
	u64 size = sizeof(order), current_size = sizeof(u16), count, own;
	u16 current;

	if (!efi_global_variable(env->system, "BootCurrent", &current, &current_size) ||
	    current_size != sizeof(current) ||
	    !efi_global_variable(env->system, "BootOrder", order, &size))
		return false;
	count = size / sizeof(*order);
	for (own = 0; own < count && order[own] != current; own++)
		;
	for (u64 i = own + 1; i < count; i++)
		if (load_entry(env, order[i], out))
			return true;
	for (u64 i = 0; i < own; i++)
		if (load_entry(env, order[i], out))
			return true;
	return false;
}

static bool load_usual_file(const struct efi_env *env, const struct efi_config *config,
			    struct efi_loader *out)
{
	static const char files[][40] = {
		"\\EFI\\debian\\shimaa64.efi",
		"\\EFI\\debian\\grubaa64.efi",
		"\\EFI\\systemd\\systemd-bootaa64.efi",
		"\\EFI\\BOOT\\BOOTAA64.EFI",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (load_file(env, config, files[i], out))
			return true;
	}
	return false;
}

efi_status efi_loader_load(const struct efi_env *env, const struct efi_config *config,
			   struct efi_loader *out)
{
	out->named = config->loader[0] && load_file(env, config, config->loader, out);
	if (out->named || load_next_entry(env, out) || load_usual_file(env, config, out))
		return EFI_SUCCESS;
	return EFI_NOT_FOUND;
}
