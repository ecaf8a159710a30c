// SPDX-License-Identifier: BSD-2-Clause
/* Device paths and boot entries, sound and damaged. */
/* SOURCES: hyp/efi/efi_path.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <efi/efi_path.h>

static u8 path[2048];
static size_t path_length;

static int start_empty(void **state)
{
	path_length = 0;
	return 0;
}

static void node(u8 type, u8 subtype, const void *data, size_t size)
{
	u8 *to = path + path_length;

	to[0] = type;
	to[1] = subtype;
	to[2] = (u8)(size + 4);
	to[3] = (u8)((size + 4) >> 8);
	memcpy(to + 4, data, size);
	path_length += size + 4;
}

static void file_node(const char *name, bool terminated)
{
	u8 wide[512] = { 0 };
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		wide[2 * i] = (u8)name[i];
	node(EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE, wide, 2 * n + (terminated ? 2 : 0));
}

static void disk_node(u8 number, u8 signature)
{
	u8 data[38] = { 0 };

	data[0] = number;
	data[20] = signature;
	data[37] = 2;
	node(EFI_PATH_MEDIA, EFI_PATH_MEDIA_DISK, data, sizeof(data));
}

static void end_node(void)
{
	node(EFI_PATH_END, EFI_PATH_END_OF_PATH, "", 0);
}

/* The path so far, exactly sized, so that a read beyond it is found. */
static void *taken(void)
{
	void *copy = malloc(path_length ? path_length : 1);

	memcpy(copy, path, path_length);
	return copy;
}

static void the_size_of_a_path_is_known_or_zero(void **state)
{
	u8 *copy;

	assert_int_equal(efi_path_size(NULL, 100), 0);
	node(2, 1, "12345678", 8);
	file_node("\\a", true);
	end_node();
	copy = taken();
	for (size_t most = 0; most < path_length; most++)
		assert_int_equal(efi_path_size(copy, most), 0);
	assert_int_equal(efi_path_size(copy, path_length), path_length);
	assert_int_equal(efi_path_size(copy, 1000), path_length);
	for (u8 size = 0; size < 4; size++) { /* nodes that do not even have their header */
		copy[2] = size;
		assert_int_equal(efi_path_size(copy, path_length), 0);
	}
	copy[2] = 0xff;
	copy[3] = 0xff;
	assert_int_equal(efi_path_size(copy, path_length), 0);
	free(copy);
	start_empty(NULL);
	node(EFI_PATH_END, EFI_PATH_END_OF_PATH, "more", 4); /* an end goes no further */
	assert_int_equal(efi_path_size(path, path_length), 0);
}

static void a_file_s_name_is_put_together(void **state)
{
	char name[32];
	void *copy;

	node(2, 1, "12345678", 8);
	file_node("\\EFI", true);
	file_node("keel", false);
	file_node("\\keel.efi", true);
	end_node();
	copy = taken();
	assert_true(efi_path_file(copy, path_length, name, sizeof(name)));
	assert_string_equal(name, "\\EFI\\keel\\keel.efi");
	assert_true(efi_path_names_file(copy, path_length, "\\efi\\KEEL\\keel.EFI"));
	assert_false(efi_path_names_file(copy, path_length, "\\efi\\keel\\keel.ef"));
	assert_false(efi_path_names_file(copy, path_length, "\\efi\\keel\\keel.efi2"));
	for (size_t size = 1; size <= strlen("\\EFI\\keel\\keel.efi"); size++)
		assert_false(efi_path_file(copy, path_length, name, size));
	free(copy);
}

static void a_path_without_a_file_has_no_name(void **state)
{
	char name[32];
	void *copy;

	disk_node(1, 7);
	end_node();
	copy = taken();
	assert_false(efi_path_file(copy, path_length, name, sizeof(name)));
	assert_false(efi_path_names_file(copy, path_length, ""));
	assert_false(efi_path_names_file(copy, 0, ""));
	free(copy);
}

static void a_file_on_a_device_is_the_device_and_a_node(void **state)
{
	u64 made[EFI_PATH_MAX / 8];
	char name[64], longest[EFI_PATH_MAX];
	void *copy;
	size_t size;

	node(2, 1, "12345678", 8);
	disk_node(1, 7);
	end_node();
	copy = taken();
	assert_true(efi_path_of_file(copy, path_length, "\\vmlinuz", made));
	size = efi_path_size(made, sizeof(made));
	assert_int_equal(size, path_length + 4 + 2 * sizeof("\\vmlinuz"));
	assert_memory_equal(made, copy, path_length - 4);
	assert_true(efi_path_file(made, size, name, sizeof(name)));
	assert_string_equal(name, "\\vmlinuz");
	memset(longest, 'x', sizeof(longest));
	longest[(EFI_PATH_MAX - path_length - 4) / 2] = '\0';
	assert_false(efi_path_of_file(copy, path_length, longest, made));
	longest[(EFI_PATH_MAX - path_length - 4) / 2 - 1] = '\0';
	assert_true(efi_path_of_file(copy, path_length, longest, made));
	assert_false(efi_path_of_file(copy, 0, "\\a", made));
	free(copy);
}

static void a_short_path_continues_behind_the_device_s(void **state)
{
	u64 made[EFI_PATH_MAX / 8];
	u8 device[64], *tail;
	size_t device_size;
	char name[64];

	node(2, 1, "12345678", 8);
	disk_node(1, 7);
	end_node();
	memcpy(device, path, device_size = path_length);
	start_empty(NULL);
	disk_node(1, 7);
	file_node("\\EFI\\debian\\grubaa64.efi", true);
	end_node();
	tail = taken();
	assert_true(efi_path_same_disk(device, device_size, tail, path_length));
	assert_true(efi_path_append(
		device, device_size, tail, path_length,
		efi_path_find(tail, path_length, EFI_PATH_MEDIA, EFI_PATH_MEDIA_FILE), made));
	assert_memory_equal(made, device, device_size - 4);
	assert_true(efi_path_file(made, efi_path_size(made, sizeof(made)), name, sizeof(name)));
	assert_string_equal(name, "\\EFI\\debian\\grubaa64.efi");
	tail[4]++; /* another partition */
	assert_false(efi_path_same_disk(device, device_size, tail, path_length));
	tail[4]--;
	tail[24]++; /* another disk */
	assert_false(efi_path_same_disk(device, device_size, tail, path_length));
	assert_false(efi_path_same_disk(device, device_size, NULL, 0));
	free(tail);
}

/* A boot entry: attributes, the path's length, a description, the path, and optional data. */
static size_t put_option(u8 *to, u32 attributes, size_t listed)
{
	static const u8 description[] = { 'd', 0, 'e', 0, 'b', 0, 0, 0 };

	memcpy(to, &attributes, 4);
	to[4] = (u8)listed;
	to[5] = (u8)(listed >> 8);
	memcpy(to + 6, description, sizeof(description));
	memcpy(to + 6 + sizeof(description), path, path_length);
	memcpy(to + 6 + sizeof(description) + path_length, "data", 4);
	return 6 + sizeof(description) + path_length + 4;
}

static void the_path_of_a_boot_entry_is_found_or_the_entry_is_damaged(void **state)
{
	u8 option[256], *copy;
	size_t size, path_size;

	disk_node(1, 7);
	file_node("\\a", true);
	end_node();
	size = put_option(option, 1, path_length);
	for (size_t most = 0; most <= size; most++) {
		const void *found;

		copy = malloc(most ? most : 1);
		memcpy(copy, option, most);
		found = efi_option_path(copy, most, &path_size);
		assert_ptr_equal(found, most >= size - 4 ? copy + 14 : NULL);
		if (found)
			assert_int_equal(path_size, path_length);
		free(copy);
	}
	put_option(option, 0, path_length); /* not active */
	assert_null(efi_option_path(option, size, &path_size));
	put_option(option, 1, path_length - 1);
	assert_null(efi_option_path(option, size, &path_size));
	put_option(option, 1, 0xffff);
	assert_null(efi_option_path(option, size, &path_size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_size_of_a_path_is_known_or_zero, start_empty),
		cmocka_unit_test_setup(a_file_s_name_is_put_together, start_empty),
		cmocka_unit_test_setup(a_path_without_a_file_has_no_name, start_empty),
		cmocka_unit_test_setup(a_file_on_a_device_is_the_device_and_a_node, start_empty),
		cmocka_unit_test_setup(a_short_path_continues_behind_the_device_s, start_empty),
		cmocka_unit_test_setup(the_path_of_a_boot_entry_is_found_or_the_entry_is_damaged,
				       start_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
