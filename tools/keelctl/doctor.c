// SPDX-License-Identifier: BSD-2-Clause
/*
 * What keelctl doctor looks at, in the order in which one thing needs the other: Keel, the module,
 * versions, /dev/kvm, features; and then what the next boot will do.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <keel/hypercall.h>
#include <keel/spe.h>
#include <keel/version.h>

#include "doctor.h"

/* A kernel's headers may be older than these. */
#define CAP_ARM_SVE  170
#define CAP_ARM_EL2  240
#define KVM_MAJOR    10
#define KVM_MINOR    232
#define HYPERVISOR   "/proc/device-tree/hypervisor"
#define MODULE	     "/sys/module/keel"
#define ACPI_DEVICE  "/sys/bus/acpi/devices/KEEL0001:00"
#define EFI	     "/sys/firmware/efi"
#define GLOBAL_GUID  "8be4df61-93ca-11d2-aa0d-00e098032b8c"
#define KEEL_FILE    "\\EFI\\keel\\keel.efi"
#define PACKAGE_FILE "/usr/lib/keel/keel.efi"
#define ORDER_MAX    256

static const char *root;
static int status;

/* ---- what is printed ---- */

static void __attribute__((format(printf, 2, 0)))
line(const char *kind, const char *format, va_list args)
{
	printf("%-6s ", kind);
	vprintf(format, args);
	putchar('\n');
}

static void __attribute__((format(printf, 1, 2))) good(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("ok", format, args);
	va_end(args);
}

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("note", format, args);
	va_end(args);
}

/* Something is wrong; the first of these decides the status. */
static void __attribute__((format(printf, 2, 3))) wrong(int number, const char *format, ...)
{
	va_list args;

	if (!status)
		status = number;
	va_start(args, format);
	line("wrong", format, args);
	va_end(args);
}

/* What to do about the line before. */
static void __attribute__((format(printf, 1, 2))) advise(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line("", format, args);
	va_end(args);
}

/* ---- files ---- */

static const char *full(const char *path)
{
	static char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s%s", root, path);
	return name;
}

static bool exists(const char *path)
{
	return access(full(path), F_OK) == 0;
}

/* Return: the bytes that were read, at most size; 0 if there are none. */
static size_t read_file(const char *path, void *data, size_t size)
{
	FILE *file = fopen(full(path), "rb");
	size_t bytes = 0;

	if (file) {
		bytes = fread(data, 1, size, file);
		fclose(file);
	}
	return bytes;
}

/* The first line of a file, or the string of a device tree; "" if there is none. */
static const char *read_text(const char *path, char *text, size_t size)
{
	text[read_file(path, text, size - 1)] = '\0';
	text[strcspn(text, "\n")] = '\0';
	for (char *c = text; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return text;
}

/* ---- firmware's boot entries ---- */

struct entry {
	uint16_t number;
	bool is_keel;
	char name[64];
};

static size_t read_variable_of(const char *vendor, const char *name, uint8_t *data, size_t size)
{
	char path[PATH_MAX];
	uint8_t raw[4096];
	size_t bytes;

	snprintf(path, sizeof(path), EFI "/efivars/%s-%s", name, vendor);
	bytes = read_file(path, raw, sizeof(raw));
	if (bytes < 4 || bytes - 4 > size)
		return 0;
	memcpy(data, raw + 4, bytes - 4); /* behind its attributes */
	return bytes - 4;
}

static size_t read_variable(const char *name, uint8_t *data, size_t size)
{
	return read_variable_of(GLOBAL_GUID, name, data, size);
}

static uint16_t get16(const uint8_t *data)
{
	return (uint16_t)(data[0] | data[1] << 8);
}

/* ASCII of UTF-16, up to its end or `bytes`. Return: the bytes that it took, with its end. */
static size_t narrow(const uint8_t *data, size_t bytes, char *text, size_t size)
{
	size_t n = 0, at = 0;

	for (; at + 2 <= bytes && get16(data + at); at += 2) {
		uint16_t c = get16(data + at);

		if (n + 1 < size)
			text[n++] = c < 128 && isprint(c) ? (char)c : '?';
	}
	text[n] = '\0';
	return at + 2;
}

/* Does a device path name Keel's file? Its nodes: type, subtype, length. */
static bool names_keel(const uint8_t *path, size_t bytes)
{
	char file[256];

	while (bytes >= 4) {
		size_t size = get16(path + 2);

		if (size < 4 || size > bytes)
			return false;
		if (path[0] == 4 && path[1] == 4) {
			narrow(path + 4, size - 4, file, sizeof(file));
			if (!strcasecmp(file, KEEL_FILE))
				return true;
		}
		path += size;
		bytes -= size;
	}
	return false;
}

static bool read_entry(uint16_t number, struct entry *entry)
{
	char name[16];
	uint8_t data[4092];
	size_t bytes, at, path;

	snprintf(name, sizeof(name), "Boot%04X", number);
	bytes = read_variable(name, data, sizeof(data));
	if (bytes < 6)
		return false;
	path = get16(data + 4);
	at = 6 + narrow(data + 6, bytes - 6, entry->name, sizeof(entry->name));
	entry->number = number;
	entry->is_keel = at <= bytes &&
			 names_keel(data + at, path < bytes - at ? path : bytes - at);
	return true;
}

/* The entry that firmware tries first; the one that it took. */
static bool first_entry(struct entry *entry)
{
	uint8_t order[2 * ORDER_MAX];
	size_t bytes = read_variable("BootOrder", order, sizeof(order));

	for (size_t at = 0; at + 2 <= bytes; at += 2)
		if (read_entry(get16(order + at), entry))
			return true;
	return false;
}

static bool current_entry(struct entry *entry)
{
	uint8_t number[2];

	return read_variable("BootCurrent", number, sizeof(number)) == 2 &&
	       read_entry(get16(number), entry);
}

static bool keel_entry_in_order(void)
{
	uint8_t order[2 * ORDER_MAX];
	size_t bytes = read_variable("BootOrder", order, sizeof(order));
	struct entry entry;

	for (size_t at = 0; at + 2 <= bytes; at += 2)
		if (read_entry(get16(order + at), &entry) && entry.is_keel)
			return true;
	return false;
}

/* ---- Keel ---- */

/* By the device tree, by ACPI, or because keel.ko is loaded, which it is below Keel alone. */
static bool below_keel(void)
{
	char text[64];

	read_text(HYPERVISOR "/compatible", text, sizeof(text));
	return !strcmp(text, "keel,hypervisor") || exists(ACPI_DEVICE) || exists(MODULE);
}

/* What keel.efi left behind in this boot; "" if it was not started, or firmware keeps nothing. */
static const char *read_record(char *text, size_t size)
{
	size_t bytes =
		read_variable_of(KEEL_EFI_VENDOR, KEEL_EFI_VARIABLE, (uint8_t *)text, size - 1);

	text[bytes] = '\0';
	for (char *c = text; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return text;
}

/* Return: whether there is a record. */
static bool explain_record(void)
{
	static const char ready[] = KEEL_EFI_READY, error[] = KEEL_EFI_ERROR;
	char record[512];

	read_record(record, sizeof(record));
	if (!strncmp(record, error, strlen(error))) {
		advise("Firmware started Keel, which gave up, and said why:");
		advise("\"%.90s\"", record + strlen(error));
		advise("docs/boot.md, in /usr/share/doc/keel, has the reasons.");
		return true;
	}
	if (strncmp(record, ready, strlen(ready)))
		return false;
	advise("Firmware started Keel, which was ready for what this loader boots:");
	advise("\"%.90s\"", record + strlen(ready));
	advise("It could not take EL2 at the end: the last \"keel: error: ...\" on the serial port says why.");
	return true;
}

static void explain_firmware(void)
{
	struct entry first = { 0 }, current = { 0 };

	if (explain_record())
		return;
	if (current_entry(&current) && current.is_keel) {
		advise("Firmware started Keel (the boot entry \"%s\"), which went on without itself:",
		       current.name);
		advise("the line \"keel: error: ...\" on the console said why, at boot.");
	} else if (!keel_entry_in_order()) {
		advise("Firmware has no boot entry for Keel in its boot order: as root,");
		advise("keel-esp install, and restart.");
	} else if (first_entry(&first) && !first.is_keel) {
		advise("The boot entry \"%s\" is before Keel's: as root, keel-esp install, and restart.",
		       first.name);
	} else {
		advise("Keel's boot entry is the first one, and firmware started%s%s:",
		       current.name[0] ? " " : " something else", current.name);
		advise("restart. If that is what happened already, firmware could not load it.");
	}
}

static void explain_not_below(void)
{
	if (exists("/dev/kvm"))
		advise("The kernel has EL2 itself: /dev/kvm is its own KVM's.");
	if (exists(EFI))
		explain_firmware();
	else
		advise("Firmware is no UEFI: the boot loader has to start keel.efi in the kernel's place.");
	advise("docs/install.md, in /usr/share/doc/keel, tells what to do when it does not boot.");
}

static bool check_keel(void)
{
	char version[32];

	if (!below_keel()) {
		wrong(DOCTOR_NOT_BELOW, "this kernel does not run below Keel");
		explain_not_below();
		return false;
	}
	read_text(HYPERVISOR "/version", version, sizeof(version));
	good("this kernel runs below Keel%s%s", version[0] ? " " : "", version);
	return true;
}

/* ---- the module ---- */

/* Is there a keel.ko that modprobe would find? */
static bool module_is_installed(const char *release)
{
	char path[PATH_MAX], text[LINE_MAX];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	file = fopen(full(path), "r");
	while (file && !found && fgets(text, sizeof(text), file)) {
		const char *name = strstr(text, "keel.ko");
		const char *colon = strchr(text, ':');

		found = name && colon && name < colon && (name == text || name[-1] == '/');
	}
	if (file)
		fclose(file);
	return found;
}

static void explain_no_module(void)
{
	struct utsname name;

	uname(&name);
	if (module_is_installed(name.release)) {
		advise("It is there for this kernel: as root, modprobe keel; dmesg says why it fails.");
		return;
	}
	advise("There is none for this kernel, %s. As root:", name.release);
	advise("apt install keel-dkms linux-headers-%s, and dkms autoinstall.", name.release);
}

static bool check_module(void)
{
	char version[32];

	if (!exists(MODULE)) {
		wrong(DOCTOR_NO_MODULE, "keel.ko is not loaded");
		explain_no_module();
		return false;
	}
	read_text(MODULE "/version", version, sizeof(version));
	good("keel.ko%s%s is loaded", version[0] ? " " : "", version);
	return true;
}

/* Each as far as it is known. */
static void check_versions(void)
{
	char keel[32], module[32];

	read_text(HYPERVISOR "/version", keel, sizeof(keel));
	read_text(MODULE "/version", module, sizeof(module));
	if ((!keel[0] || !strcmp(keel, KEEL_VERSION)) &&
	    (!module[0] || !strcmp(module, KEEL_VERSION)))
		return;
	wrong(DOCTOR_VERSIONS, "versions differ: Keel %s, keel.ko %s, keelctl " KEEL_VERSION,
	      keel[0] ? keel : "?", module[0] ? module : "?");
	advise("After an upgrade, restart: the Keel that runs is the one that the machine was booted with.");
}

/* ---- /dev/kvm ---- */

/* The name of a group, of /etc/group: a static program has no getgrgid(). */
static const char *group_name(gid_t gid, char *name, size_t size)
{
	char text[LINE_MAX];
	FILE *file = fopen(full("/etc/group"), "r");

	snprintf(name, size, "%u", gid);
	while (file && fgets(text, sizeof(text), file)) {
		const char *end = strchr(text, ':');
		const char *number = end ? strchr(end + 1, ':') : NULL;

		if (!number || strtoul(number + 1, NULL, 10) != gid)
			continue;
		snprintf(name, size, "%.*s", (int)(end - text), text);
		break;
	}
	if (file)
		fclose(file);
	return name;
}

static void explain_device(const struct stat *node, int error)
{
	char group[64];

	if (error != EACCES && error != EPERM) {
		advise("%s", strerror(error));
		return;
	}
	group_name(node->st_gid, group, sizeof(group));
	if (node->st_gid && (node->st_mode & 0060) == 0060)
		advise("It is for the group %s: as root, adduser NAME %s, and log in again.", group,
		       group);
	else
		advise("Its mode is %04o, its group %s: udev's rules for it are not Debian's.",
		       node->st_mode & 07777, group);
}

/* Return: /dev/kvm, open; -1. */
static int open_device(void)
{
	struct stat node;
	int fd, error;

	if (stat(full("/dev/kvm"), &node)) {
		wrong(DOCTOR_NO_DEVICE, "there is no /dev/kvm");
		advise("udev makes it: is it running?");
		return -1;
	}
	if (!S_ISCHR(node.st_mode) || node.st_rdev != makedev(KVM_MAJOR, KVM_MINOR)) {
		wrong(DOCTOR_NO_DEVICE, "/dev/kvm is something else than KVM's device");
		return -1;
	}
	fd = open(full("/dev/kvm"), O_RDWR | O_CLOEXEC);
	error = errno;
	if (fd < 0) {
		wrong(DOCTOR_NO_DEVICE, "this user cannot open /dev/kvm");
		explain_device(&node, error);
	}
	return fd;
}

static void print_features(int kvm)
{
	static const struct {
		int number;
		const char *name;
	} features[] = {
		{ KVM_CAP_ARM_PMU_V3, "performance counters" },
		{ CAP_ARM_SVE, "SVE" },
		{ KEEL_CAP_ARM_SPE, "profiling by SPE" },
		{ CAP_ARM_EL2, "virtual machines in virtual machines" },
	};
	int vcpus = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	int bits = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	good("virtual machines can be made: up to %d vCPUs, addresses of %d bits", vcpus, bits);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		note("%s: %s", features[i].name,
		     ioctl(kvm, KVM_CHECK_EXTENSION, features[i].number) > 0 ? "yes" : "no");
}

static void check_device(void)
{
	int kvm = open_device(), vm;

	if (kvm < 0)
		return;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0) {
		wrong(DOCTOR_NO_DEVICE, "no virtual machine can be made: %s", strerror(errno));
	} else {
		print_features(kvm);
		close(vm);
	}
	close(kvm);
}

/* ---- the next boot ---- */

static bool same_files(const char *a, const char *b)
{
	FILE *first = fopen(full(a), "rb"), *second = fopen(full(b), "rb");
	bool same = first && second;
	int c;

	while (same && (c = getc(first)) != EOF)
		same = getc(second) == c;
	same = same && getc(second) == EOF;
	if (first)
		fclose(first);
	if (second)
		fclose(second);
	return same;
}

/* Only root may look into the EFI system partition. */
static void check_partition(void)
{
	static const char *const places[] = { "/boot/efi/EFI/keel/keel.efi",
					      "/efi/EFI/keel/keel.efi", "/boot/EFI/keel/keel.efi" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (!exists(places[i]))
			continue;
		if (!same_files(PACKAGE_FILE, places[i]))
			note("%s is not the package's: as root, keel-esp install", places[i]);
		return;
	}
	if (!geteuid())
		note("there is no keel.efi on the EFI system partition: keel-esp install");
}

static void check_next_boot(void)
{
	struct entry first;

	if (!exists(EFI) || !exists(PACKAGE_FILE))
		return;
	check_partition();
	if (first_entry(&first) && !first.is_keel)
		note("the next boot is without Keel: the boot entry \"%s\" is the first one",
		     first.name);
}

int doctor(const char *directory)
{
	root = directory;
	status = 0;
	if (check_keel()) {
		if (check_module())
			check_device();
		check_versions();
		check_next_boot();
	}
	return status;
}
