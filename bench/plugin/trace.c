// SPDX-License-Identifier: BSD-2-Clause
/*
 * A plugin of QEMU for bench/trace.py: which instructions run in a round of an operation, and how often.
 *
 * The benchmark guest marks its rounds (MARKS in bench/guest/guest.c): a round is what all CPUs execute
 * from the instruction behind the HVC that begins it to the HVC that ends it, that one included. A program
 * of the host has HINTs for it (bench/host/irqs.c), both of which are included. Of each operation the
 * shortest round is kept, in which no tick of the host's timer fell:
 *
 *   operation NUMBER instructions
 *   ADDRESS INSTRUCTION TIMES        all but NUMBER in hexadecimal
 *
 * Arguments: out=FILE. QEMU must run with -icount: then one thread runs all CPUs.
 *
 * The declarations are those of QEMU's interface of version 4, which Debian has no header for.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
struct qemu_plugin_scoreboard;

/* A number of each CPU */
struct qemu_plugin_u64 {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
};

#define QEMU_PLUGIN_COND_NE 3

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*call)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*call)(unsigned int, void *), int flags,
					    void *data);
void qemu_plugin_register_vcpu_insn_exec_cond_cb(struct qemu_plugin_insn *insn,
						 void (*call)(unsigned int, void *), int flags,
						 int condition, struct qemu_plugin_u64 entry,
						 uint64_t value, void *data);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void qemu_plugin_u64_set(struct qemu_plugin_u64 entry, unsigned int cpu, uint64_t value);
int qemu_plugin_num_vcpus(void);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, void *),
				    void *data);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 4;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
				 char **argv);

/* HVC #imm, and the immediates of guest.c's MARK() */
#define HVC(imm)       (0xd4000002U | (uint32_t)(imm) << 5)
#define ROUND_BEGINS   HVC(0xbe00)
#define ROUND_ENDS     HVC(0xbe01)
#define OPERATION_ENDS HVC(0xbe02)

/* HINT #imm, and the numbers of irqs.c's MARK() */
#define HINT(imm)	    (0xd503201fU | (uint32_t)(imm) << 5)
#define HOST_ROUND_BEGINS   HINT(60)
#define HOST_ROUND_ENDS	    HINT(61)
#define HOST_OPERATION_ENDS HINT(62)

#define MAX_MARKS      64
#define MAX_OPERATIONS 32

/* An instruction at an address. */
struct place {
	uint64_t address;
	uint32_t code;
	uint64_t times; /* in this round */
};

/* A round: the places that were executed, and how often. */
struct round {
	uint64_t instructions; /* 0: none yet */
	size_t count;
	struct place *places;
};

/* All places, found by their hash; never moved, as translated code points to them. */
#define TABLE_BITS 22
static struct place *table[1U << TABLE_BITS];

static struct place **touched; /* of this round */
static size_t nr_touched, touched_max;

static uint64_t begins[MAX_MARKS]; /* addresses behind the HVC that begins a round */
static unsigned int nr_begins;

static struct round rounds[MAX_OPERATIONS];
static unsigned int operation;
static struct qemu_plugin_u64 counting; /* of all CPUs the same: translated code looks at it */
static const char *out_name = "trace.txt";

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static struct place *place_of(uint64_t address, uint32_t code)
{
	uint64_t hash = ((address >> 2) ^ (uint64_t)code << 20) * 0x9e3779b97f4a7c15ULL;
	size_t at = hash >> (64 - TABLE_BITS);

	for (; table[at]; at = (at + 1) % (1U << TABLE_BITS))
		if (table[at]->address == address && table[at]->code == code)
			return table[at];
	table[at] = must(calloc(1, sizeof(*table[at])));
	table[at]->address = address;
	table[at]->code = code;
	return table[at];
}

static void touch(struct place *place)
{
	if (nr_touched == touched_max) {
		touched_max = touched_max ? 2 * touched_max : 4096;
		touched = must(realloc(touched, touched_max * sizeof(struct place *)));
	}
	touched[nr_touched++] = place;
}

static void set_counting(bool on)
{
	for (int cpu = 0; cpu < qemu_plugin_num_vcpus(); cpu++)
		qemu_plugin_u64_set(counting, (unsigned int)cpu, on);
}

/* ---- while the machine runs: before each instruction ---- */

static void on_instruction(unsigned int cpu, void *data)
{
	struct place *place = data;

	(void)cpu;
	if (!place->times++)
		touch(place);
}

static void forget_round(void)
{
	for (size_t i = 0; i < nr_touched; i++)
		touched[i]->times = 0;
	nr_touched = 0;
}

static void on_begin(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	forget_round();
	set_counting(true);
}

static void keep_round(struct round *round, uint64_t instructions)
{
	round->instructions = instructions;
	round->count = nr_touched;
	round->places = must(realloc(round->places, nr_touched * sizeof(round->places[0])));
	for (size_t i = 0; i < nr_touched; i++)
		round->places[i] = *touched[i];
}

static void on_end(unsigned int cpu, void *data)
{
	struct round *round = &rounds[operation % MAX_OPERATIONS];
	uint64_t instructions = 0;

	(void)cpu;
	(void)data;
	for (size_t i = 0; i < nr_touched; i++)
		instructions += touched[i]->times;
	if (instructions && (!round->instructions || instructions < round->instructions))
		keep_round(round, instructions);
	forget_round();
	set_counting(false);
}

static void on_operation(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	operation++;
}

/* ---- while code is translated ---- */

static bool is_behind_begin(uint64_t address)
{
	for (unsigned int i = 0; i < nr_begins; i++)
		if (begins[i] == address)
			return true;
	return false;
}

static void note_begin(uint64_t behind)
{
	if (!is_behind_begin(behind) && nr_begins < MAX_MARKS)
		begins[nr_begins++] = behind;
}

static void translate(struct qemu_plugin_insn *insn, bool first)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	uint32_t code = 0;

	qemu_plugin_insn_data(insn, &code, sizeof(code));
	if ((first && is_behind_begin(address)) || code == HOST_ROUND_BEGINS)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_begin, 0, NULL);
	qemu_plugin_register_vcpu_insn_exec_cond_cb(insn, on_instruction, 0, QEMU_PLUGIN_COND_NE,
						    counting, 0, place_of(address, code));
	if (code == ROUND_BEGINS)
		note_begin(address + 4);
	else if (code == ROUND_ENDS || code == HOST_ROUND_ENDS)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_end, 0, NULL);
	else if (code == OPERATION_ENDS || code == HOST_OPERATION_ENDS)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_operation, 0, NULL);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < count; i++)
		translate(qemu_plugin_tb_get_insn(tb, i), !i);
}

static void write_rounds(qemu_plugin_id_t id, void *data)
{
	FILE *out = must(fopen(out_name, "w"));

	(void)id;
	(void)data;
	for (unsigned int i = 0; i < operation && i < MAX_OPERATIONS; i++) {
		fprintf(out, "operation %u %lx\n", i, rounds[i].instructions);
		for (size_t n = 0; n < rounds[i].count; n++)
			fprintf(out, "%lx %x %lx\n", rounds[i].places[n].address,
				rounds[i].places[n].code, rounds[i].places[n].times);
	}
	fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out_name = must(strdup(argv[i] + 4));
	counting.score = must(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, write_rounds, NULL);
	return 0;
}
