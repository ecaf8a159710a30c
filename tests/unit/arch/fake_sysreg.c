// SPDX-License-Identifier: BSD-2-Clause
/* System registers by name (see sysreg.h), and the running CPU's structure (see percpu.h). */
#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <cpu/percpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REGS 256

static struct reg {
	char name[32];
	bool known; /* has a value */
	u64 value;
	u64 mask;
	unsigned int reads, writes;
	bool withheld;
} regs[MAX_REGS];
static unsigned int count;

static bool tolerant;
static char violation[64];

static bool tracing, tracing_reads;
static char trace[4096];

static struct percpu somebody;
struct percpu *fake_cpu = &somebody;

void (*fake_sysreg_watch)(const char *name, bool write, u64 value);
void (*fake_barrier_watch)(const char *what);

void fake_trace_start(bool reads)
{
	tracing = true;
	tracing_reads = reads;
	trace[0] = 0;
}

void fake_trace_note(const char *what)
{
	size_t n = strlen(trace);

	if (fake_barrier_watch)
		fake_barrier_watch(what);
	if (!tracing)
		return;
	if (n + strlen(what) + 2 > sizeof(trace)) {
		fprintf(stderr, "fake_sysreg: no room in the trace for %s\n", what);
		abort();
	}
	snprintf(trace + n, sizeof(trace) - n, "%s%s", n ? " " : "", what);
}

const char *fake_trace(void)
{
	return trace;
}

static void trace_access(const char *name, bool write, u64 value)
{
	char text[64];

	if (!tracing || !(write || tracing_reads))
		return;
	if (write)
		snprintf(text, sizeof(text), "%s=%llx", name, (unsigned long long)value);
	else
		snprintf(text, sizeof(text), "%s?", name);
	fake_trace_note(text);
}

static struct reg *find(const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp(regs[i].name, name))
			return &regs[i];
	return NULL;
}

static struct reg *make(const char *name)
{
	struct reg *reg = find(name);

	if (reg)
		return reg;
	if (count == MAX_REGS || strlen(name) >= sizeof(reg->name)) {
		fprintf(stderr, "fake_sysreg: no room for %s\n", name);
		abort();
	}
	reg = &regs[count++];
	*reg = (struct reg){ .mask = ~0ULL };
	strcpy(reg->name, name);
	return reg;
}

static void forbidden(const char *what, const char *name)
{
	if (!tolerant) {
		fprintf(stderr, "%s of %s: %s\n", what, name,
			find(name) ? "its value is UNKNOWN" : "this CPU has no such register");
		abort();
	}
	if (!*violation)
		snprintf(violation, sizeof(violation), "%s of %s", what, name);
}

u64 fake_sysreg_read(const char *name)
{
	struct reg *reg = find(name);

	if (fake_sysreg_watch)
		fake_sysreg_watch(name, false, 0);
	if (!reg || !reg->known) {
		forbidden("read", name);
		return 0;
	}
	reg->reads++;
	trace_access(name, false, 0);
	return reg->value;
}

void fake_sysreg_write(const char *name, u64 value)
{
	struct reg *reg = find(name);

	if (fake_sysreg_watch)
		fake_sysreg_watch(name, true, value);
	if (!reg || reg->withheld) {
		forbidden("write", name);
		return;
	}
	reg->writes++;
	trace_access(name, true, value);
	reg->known = true;
	reg->value = (reg->value & ~reg->mask) | (value & reg->mask);
}

void fake_sysreg_reset(void)
{
	count = 0;
	tracing = false;
	tolerant = false;
	violation[0] = 0;
	fake_sysreg_watch = NULL;
	fake_barrier_watch = NULL;
}

bool fake_sysreg_exists(const char *name)
{
	return find(name) != NULL;
}

void fake_sysreg_set(const char *name, u64 value)
{
	struct reg *reg = make(name);

	reg->known = true;
	reg->value = value;
}

void fake_sysreg_allow(const char *name)
{
	make(name);
}

void fake_sysreg_mask(const char *name, u64 mask)
{
	make(name)->mask = mask;
}

u64 fake_sysreg_get(const char *name)
{
	struct reg *reg = find(name);

	if (!reg || !reg->known) {
		fprintf(stderr, "fake_sysreg: %s has no value\n", name);
		abort();
	}
	return reg->value;
}

unsigned int fake_sysreg_writes(const char *name)
{
	struct reg *reg = find(name);

	return reg ? reg->writes : 0;
}

unsigned int fake_sysreg_reads(const char *name)
{
	struct reg *reg = find(name);

	return reg ? reg->reads : 0;
}

void fake_sysreg_tolerate(void)
{
	tolerant = true;
	violation[0] = 0;
}

const char *fake_sysreg_violation(void)
{
	return *violation ? violation : NULL;
}

void fake_sysreg_withhold(const char *name)
{
	struct reg *reg = make(name);

	reg->withheld = true;
	reg->known = false;
}

static bool withheld(const char *name)
{
	const struct reg *reg = find(name);

	return reg && reg->withheld;
}

bool fake_sysreg_try_read(const char *name, u64 *value)
{
	*value = withheld(name) ? 0 : fake_sysreg_read(name);
	return !withheld(name);
}

bool fake_sysreg_try_write(const char *name, u64 value)
{
	if (!withheld(name))
		fake_sysreg_write(name, value);
	return !withheld(name);
}
