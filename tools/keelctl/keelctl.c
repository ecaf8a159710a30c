// SPDX-License-Identifier: BSD-2-Clause
/*
 * keelctl: inspect Keel and its VMs from the host. It reads the files that keel.ko has in debugfs
 * (docs/module.md) and prints them in a readable form. keelctl(1) is the manual.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define DEBUGFS	      "/sys/kernel/debug"
#define KEEL	      DEBUGFS "/keel"
#define MODULE	      "/sys/module/keel"
#define KIB	      1024
#define LINE_MAX_     256
#define NAMES_MAX     4096
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum { STATUS_OK, STATUS_ERROR, STATUS_USAGE };

static const char help[] =
	"usage: keelctl COMMAND\n"
	"Show the state of Keel and of its virtual machines; for root, but for doctor.\n"
	"\n"
	"  doctor [--root DIR]   what is right or wrong, and what to do: does Keel run, can this user\n"
	"           start virtual machines? DIR in place of /\n"
	"  vms      a line for each VM: its number, guest physical address bits, granule, start\n"
	"           level and root of stage 2, memory for tables and in total, vCPUs, process\n"
	"  s2 VM    what stage 2 maps for the VM of that number, and the sizes of its blocks\n"
	"  nested VM   of a VM whose vCPUs have an EL2: its shadows, and counters of their use, of\n"
	"           faults, TLBIs and exits\n"
	"  stat     Keel's counters, and those of the vCPUs that have statistical profiling\n"
	"  log      Keel's log\n"
	"  -h, --help   this text\n"
	"\n"
	"Exit status: 0, 1 error, 2 wrong usage; of doctor, 3 no Keel, 4 no module, 5 versions differ,\n"
	"6 /dev/kvm cannot be used.\n";

static void __attribute__((noreturn, format(printf, 2, 3))) die(int status, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("keelctl: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

/* ---- files of debugfs ---- */

/* Why nothing can be read. The conditions are in the order in which they must hold. */
static void __attribute__((noreturn)) explain(const char *path)
{
	int error = errno;

	if (error == EACCES || error == EPERM)
		die(STATUS_ERROR, "cannot read %s: only root may", path);
	if (access(MODULE, F_OK))
		die(STATUS_ERROR, "keel.ko is not loaded");
	if (access(KEEL, F_OK))
		die(STATUS_ERROR, "there is no " KEEL ": mount -t debugfs debugfs " DEBUGFS);
	die(STATUS_ERROR, "cannot read %s: %s", path, strerror(error));
}

static DIR *open_directory(const char *path)
{
	DIR *directory = opendir(path);

	if (!directory)
		explain(path);
	return directory;
}

/* Print a file unchanged. */
static void copy_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char buffer[4096];
	size_t size;

	if (!file)
		explain(path);
	while ((size = fread(buffer, 1, sizeof(buffer), file)) > 0)
		fwrite(buffer, 1, size, stdout);
	if (ferror(file))
		die(STATUS_ERROR, "cannot read %s: %s", path, strerror(errno));
	fclose(file);
}

/* ---- vms ---- */

struct info {
	uint64_t ipa_bits, granule, start_level, root_tables, vcpus, root_bytes, table_bytes;
	uint64_t donated_bytes, free_bytes, owner;
	char owner_name[32];
};

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
#define NUMBER(field)                                \
	{                                            \
#field, offsetof(struct info, field) \
	}
	NUMBER(ipa_bits),   NUMBER(granule),	NUMBER(start_level), NUMBER(root_tables),
	NUMBER(vcpus),	    NUMBER(root_bytes), NUMBER(table_bytes), NUMBER(donated_bytes),
	NUMBER(free_bytes), NUMBER(owner),
};

static void take_line(struct info *info, char *line)
{
	char *value = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (!value)
		return;
	*value++ = '\0';
	if (!strcmp(line, "owner_name"))
		snprintf(info->owner_name, sizeof(info->owner_name), "%s", value);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (!strcmp(line, numbers[i].name))
			*(uint64_t *)(void *)((char *)info + numbers[i].offset) =
				strtoull(value, NULL, 10);
}

/* False if the VM has ended meanwhile. */
static bool read_info(unsigned long vm, struct info *info)
{
	char path[PATH_MAX], line[LINE_MAX_];
	FILE *file;
	bool good;

	*info = (struct info){ 0 };
	snprintf(path, sizeof(path), KEEL "/vm/%lu/info", vm);
	file = fopen(path, "r");
	if (!file && errno != ENOENT)
		explain(path);
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		take_line(info, line);
	good = !ferror(file) && info->ipa_bits;
	fclose(file);
	return good;
}

/* Names come from processes: none of their characters may control the terminal. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar(isprint((unsigned char)*name) ? *name : '?');
}

static void print_vm(unsigned long vm)
{
	struct info i;

	if (!read_info(vm, &i))
		return;
	printf("%4lu  %4" PRIu64 "  %6" PRIu64 "K  %5" PRIu64 "  %3" PRIu64 "x  %7" PRIu64
	       "  %7" PRIu64 "K  %7" PRIu64 "K  %5" PRIu64 "  %" PRIu64 " ",
	       vm, i.ipa_bits, i.granule / KIB, i.start_level, i.root_tables, i.root_bytes,
	       (i.table_bytes + KIB - 1) / KIB, i.donated_bytes / KIB, i.vcpus, i.owner);
	print_name(i.owner_name);
	putchar('\n');
}

static int compare(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static size_t list_vms(unsigned long *vms, size_t most)
{
	DIR *directory = open_directory(KEEL "/vm");
	const struct dirent *entry;
	size_t count = 0;

	while (count < most && (entry = readdir(directory)))
		if (isdigit((unsigned char)entry->d_name[0]))
			vms[count++] = strtoul(entry->d_name, NULL, 10);
	closedir(directory);
	qsort(vms, count, sizeof(*vms), compare);
	return count;
}

static void cmd_vms(const char *unused)
{
	static unsigned long vms[NAMES_MAX];
	size_t count = list_vms(vms, NAMES_MAX);

	(void)unused;
	printf("  VM  BITS  GRANULE  LEVEL  ROOT    BYTES    TABLES    MEMORY  VCPUS  PROCESS\n");
	for (size_t i = 0; i < count; i++)
		print_vm(vms[i]);
}

/* ---- s2 ---- */

static const char *size_text(uint64_t bytes, char *text, size_t size)
{
	static const char units[] = "KMGTP";
	unsigned int unit = 0;

	for (bytes /= KIB; bytes >= KIB && bytes % KIB == 0 && unit < 4; unit++)
		bytes /= KIB;
	snprintf(text, size, "%" PRIu64 "%c", bytes, units[unit]);
	return text;
}

static void print_stretch(const char *line)
{
	uint64_t first, last, block;
	char how[32], size[32], each[32];

	if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNu64 " %31[^\n]", &first, &last, &block,
		   how) != 4)
		die(STATUS_ERROR, "keel.ko and keelctl are of different versions");
	printf("%#018" PRIx64 "..%#018" PRIx64 "  %6s in blocks of %4s  %s\n", first, last,
	       size_text(last - first + 1, size, sizeof(size)),
	       size_text(block, each, sizeof(each)), how);
}

/* A file of a VM of that number. */
static FILE *open_of_vm(const char *command, const char *vm, const char *name)
{
	char path[PATH_MAX];
	FILE *file;

	if (!*vm || vm[strspn(vm, "0123456789")])
		die(STATUS_USAGE, "%s wants a VM's number, as `keelctl vms` prints it, not \"%s\"",
		    command, vm);
	closedir(open_directory(KEEL "/vm"));
	snprintf(path, sizeof(path), KEEL "/vm/%s/%s", vm, name);
	file = fopen(path, "r");
	if (!file && errno == ENOENT)
		die(STATUS_ERROR, "there is no VM %s", vm);
	if (!file)
		explain(path);
	return file;
}

static void close_of_vm(FILE *file, const char *vm)
{
	if (ferror(file))
		die(STATUS_ERROR, "VM %s: %s", vm, strerror(errno));
	fclose(file);
}

static void cmd_s2(const char *vm)
{
	FILE *file = open_of_vm("s2", vm, "stage2");
	char line[LINE_MAX_];

	while (fgets(line, sizeof(line), file))
		print_stretch(line);
	close_of_vm(file, vm);
}

/* ---- nested ---- */

static void cmd_nested(const char *vm)
{
	FILE *file = open_of_vm("nested", vm, "nested");
	char line[LINE_MAX_], name[64];
	unsigned int lines = 0;
	uint64_t value;

	for (; fgets(line, sizeof(line), file); lines++) {
		if (sscanf(line, "%63s %" SCNu64, name, &value) != 2)
			die(STATUS_ERROR, "keel.ko and keelctl are of different versions");
		printf("%-26s %" PRIu64 "\n", name, value);
	}
	close_of_vm(file, vm);
	if (!lines)
		die(STATUS_ERROR, "the vCPUs of VM %s have no EL2", vm);
}

/* ---- stat, log ---- */

static int is_counter(const struct dirent *entry)
{
	return entry->d_type == DT_REG && strcmp(entry->d_name, "log") != 0;
}

/* vmVM/vcpuINDEX/spe_NAME and the value; a VM that has ended meanwhile has no lines. */
static void print_spe(unsigned long vm)
{
	char path[PATH_MAX], line[LINE_MAX_], name[64], what[32];
	unsigned int vcpu;
	uint64_t value;
	FILE *file;

	snprintf(path, sizeof(path), KEEL "/vm/%lu/spe", vm);
	file = fopen(path, "r");
	if (!file && errno != ENOENT)
		explain(path);
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%u %31s %" SCNu64, &vcpu, what, &value) != 3)
			die(STATUS_ERROR, "keel.ko and keelctl are of different versions");
		snprintf(name, sizeof(name), "vm%lu/vcpu%u/spe_%s", vm, vcpu, what);
		printf("%-26s %" PRIu64 "\n", name, value);
	}
	fclose(file);
}

static void print_profiling(void)
{
	static unsigned long vms[NAMES_MAX];
	size_t count = list_vms(vms, NAMES_MAX);

	for (size_t i = 0; i < count; i++)
		print_spe(vms[i]);
}

static void cmd_stat(const char *unused)
{
	struct dirent **entries;
	char path[PATH_MAX];
	int count;

	(void)unused;
	closedir(open_directory(KEEL));
	count = scandir(KEEL, &entries, is_counter, alphasort);
	if (count < 0)
		explain(KEEL);
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), KEEL "/%s", entries[i]->d_name);
		printf("%-26s ", entries[i]->d_name);
		copy_file(path);
		free(entries[i]);
	}
	free(entries);
	print_profiling();
}

static void cmd_log(const char *unused)
{
	(void)unused;
	copy_file(KEEL "/log");
}

/* ---- the command line ---- */

static int run_doctor(int argc, char **argv)
{
	if (argc == 2)
		return doctor("");
	if (argc != 4 || strcmp(argv[2], "--root"))
		die(STATUS_USAGE, "doctor takes --root DIR, or no more words");
	return doctor(argv[3]);
}

static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout))
		die(STATUS_ERROR, "cannot write: %s", strerror(errno));
	return status;
}

static const struct command {
	const char *name;
	void (*run)(const char *argument);
	bool argument;
} commands[] = {
	{ "vms", cmd_vms, false },   { "s2", cmd_s2, true },	{ "nested", cmd_nested, true },
	{ "stat", cmd_stat, false }, { "log", cmd_log, false },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	die(STATUS_USAGE, "there is no command %s: keelctl --help lists them", name);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2)
		die(STATUS_USAGE, "which command? keelctl --help lists them");
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
		fputs(help, stdout);
		return fflush(stdout) ? STATUS_ERROR : STATUS_OK;
	}
	if (!strcmp(argv[1], "doctor"))
		return finish(run_doctor(argc, argv));
	command = find_command(argv[1]);
	if (argc != 2 + command->argument)
		die(STATUS_USAGE, "%s takes %s", command->name,
		    command->argument ? "a VM's number" : "no more words");
	command->run(command->argument ? argv[2] : NULL);
	return finish(STATUS_OK);
}
