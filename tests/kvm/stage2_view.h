/* SPDX-License-Identifier: BSD-2-Clause */
/* How Keel maps guest memory, as `keelctl s2` shows it: for tests on Keel alone, with one VM alive. */
#ifndef STAGE2_VIEW_H
#define STAGE2_VIEW_H

#include <glob.h>
#include <sys/mount.h>

#include "kvmtest.h"

struct mapping {
	unsigned long long first, last;
	unsigned long block; /* bytes; 0: nothing is mapped */
	char rights[64];     /* "rwx", "rw- device", ... */
};

static void find_in_file(const char *path, uint64_t ipa, struct mapping *found)
{
	FILE *file = fopen(path, "r");
	char line[160];
	struct mapping m;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%llx %llx %lu %63[^\n]", &m.first, &m.last, &m.block, m.rights) ==
			    4 &&
		    m.first <= ipa && ipa <= m.last)
			*found = m;
	if (file)
		fclose(file);
}

/* What is mapped at @ipa. */
static struct mapping mapping_at(uint64_t ipa)
{
	struct mapping found = { .block = 0 };
	glob_t files;

	(void)mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (glob("/sys/kernel/debug/keel/vm/*/stage2", 0, NULL, &files))
		return found;
	for (size_t i = 0; i < files.gl_pathc; i++)
		find_in_file(files.gl_pathv[i], ipa, &found);
	globfree(&files);
	return found;
}

#endif
