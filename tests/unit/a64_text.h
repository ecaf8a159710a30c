/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disassembler's line says about an A64 instruction, in the terms of hyp/spe/spe_insn.h, but
 * found from the text alone; and the comparison of the two. Capstone and objdump write alike.
 */
#ifndef KEEL_TESTS_A64_TEXT_H
#define KEEL_TESTS_A64_TEXT_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spe/spe_insn.h>

struct a64_text {
	struct spe_insn insn;
	u64 target; /* of a literal or a direct branch */
	char why[64];
};

/* Flags that the text tells. */
#define A64_TEXT_FLAGS                                                                         \
	(SPE_INSN_COND | SPE_INSN_INDIRECT | SPE_INSN_CALL | SPE_INSN_RETURN | SPE_INSN_AUTH | \
	 SPE_INSN_AT | SPE_INSN_EXCL | SPE_INSN_AR | SPE_INSN_PREFETCH | SPE_INSN_SG)

static inline bool a64_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static inline bool a64_any(const char *s, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(s, *names))
			return true;
	return false;
}

static inline bool a64_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

/* A register's number; sp, wsp: 31 as a base; xzr, wzr: 31. -1 if it is none. */
static inline int a64_reg(const char **at)
{
	const char *s = *at;
	int n;

	if (a64_starts(s, "sp") || a64_starts(s, "xzr") || a64_starts(s, "wzr") ||
	    a64_starts(s, "wsp")) {
		*at += a64_starts(s, "sp") ? 2 : 3;
		return 31;
	}
	if (!strchr("xw", *s) || !isdigit((unsigned char)s[1]))
		return -1;
	n = (int)strtol(s + 1, (char **)at, 10);
	return n;
}

static inline s64 a64_number(const char **at)
{
	if (**at == '#')
		++*at;
	if (**at == '-')
		return (s64)strtoll(*at, (char **)at, 0);
	return (s64)strtoull(*at, (char **)at, 0);
}

static inline void a64_comma(const char **at)
{
	while (**at == ',' || **at == ' ')
		++*at;
}

static inline void a64_index(struct spe_insn *i, const char *at)
{
	static const struct {
		const char *name;
		u8 extend;
	} names[] = { { "lsl", 3 }, { "uxtx", 3 }, { "uxtw", 2 }, { "sxtw", 6 }, { "sxtx", 7 } };

	i->form = SPE_FORM_INDEX;
	i->extend = 3;
	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		if (a64_starts(at, names[n].name)) {
			i->extend = names[n].extend;
			at += strlen(names[n].name);
			a64_comma(&at);
			if (*at == '#' || isdigit((unsigned char)*at))
				i->shift = (u8)a64_number(&at);
		}
}

/* "[x1]", "[x1, #8]", "[x1, x2, lsl #3]", "[x1, #1, mul vl]", "[z1.d, #8]", "[x1, z2.d]" */
static inline void a64_memory(struct spe_insn *i, const char *at)
{
	int base = a64_reg(&at), index;

	if (base < 0) {
		i->flags |= SPE_INSN_SG;
		return;
	}
	i->form = SPE_FORM_BASE;
	i->rn = (u8)base;
	a64_comma(&at);
	if (*at == 'z') {
		i->form = SPE_FORM_NONE;
		i->flags |= SPE_INSN_SG;
	} else if (*at == '#' || isdigit((unsigned char)*at)) {
		i->imm = a64_number(&at);
		if (strstr(at, "mul vl"))
			i->form = SPE_FORM_VL;
	} else if ((index = a64_reg(&at)) >= 0) {
		i->rm = (u8)index;
		a64_comma(&at);
		a64_index(i, at);
	}
}

static inline const char *const *a64_branches(void)
{
	static const char *const names[] = { "b",      "bl",	 "br",	   "blr",   "ret",
					     "cbz",    "cbnz",	 "tbz",	   "tbnz",  "eret",
					     "braa",   "brab",	 "braaz",  "brabz", "blraa",
					     "blrab",  "blraaz", "blrabz", "retaa", "retab",
					     "eretaa", "eretab", NULL };

	return names;
}

static inline const char *last_operand(const char *ops)
{
	const char *comma = strrchr(ops, ',');

	return comma ? comma + 2 : ops;
}

static inline void a64_branch(struct a64_text *t, const char *m, const char *ops)
{
	struct spe_insn *i = &t->insn;
	const char *at = last_operand(ops);

	i->class = SPE_INSN_BRANCH;
	if (strchr("ct", *m) || a64_starts(m, "b.") || a64_starts(m, "bc."))
		i->flags |= SPE_INSN_COND;
	if (!strcmp(m, "bl") || a64_starts(m, "blr"))
		i->flags |= SPE_INSN_CALL;
	if (a64_starts(m, "br") || a64_starts(m, "blr") || a64_starts(m, "ret") ||
	    a64_starts(m, "eret")) {
		i->flags |= SPE_INSN_INDIRECT;
		if (strlen(m) > 3 && strcmp(m, "eret"))
			i->flags |= SPE_INSN_AUTH;
		at = ops;
		i->rn = a64_starts(m, "eret") ? SPE_INSN_ELR : *at ? (u8)a64_reg(&at) : 30;
		if (a64_starts(m, "ret"))
			i->flags |= SPE_INSN_RETURN;
		return;
	}
	t->target = (u64)a64_number(&at);
}

static inline bool a64_atomic(struct spe_insn *i, const char *m, bool zero)
{
	static const char *const ops[] = { "add",  "clr",  "eor",  "set", "smax",
					   "smin", "umax", "umin", NULL };
	const char *rest = NULL;

	if (a64_starts(m, "cas") || a64_starts(m, "swp"))
		rest = m + 3;
	for (unsigned int n = 0; ops[n] && (a64_starts(m, "ld") || a64_starts(m, "st")); n++)
		if (a64_starts(m + 2, ops[n]))
			rest = m + 2 + strlen(ops[n]);
	if (!rest)
		return false;
	i->class = SPE_INSN_LOAD_ATOMIC;
	i->kind = SPE_LDST_EXT;
	i->flags |= SPE_INSN_AT | (strpbrk(rest, "al") ? SPE_INSN_AR : 0);
	if (*m == 's' && m[1] == 't')
		i->class = SPE_INSN_STORE;
	if (*m == 'l' && zero && !strchr(rest, 'a'))
		i->class = SPE_INSN_STORE;
	return true;
}

static inline void a64_extended(struct spe_insn *i, const char *m)
{
	static const char *const excl[] = { "ldxr",  "ldaxr", "stxr",  "stlxr", "ldxp",
					    "ldaxp", "stxp",  "stlxp", NULL };
	static const char *const ar[] = { "ldaxr", "stlxr",  "ldaxp", "stlxp", "ldar",	"ldlar",
					  "ldapr", "ldapur", "stlr",  "stllr", "stlur", NULL };

	for (unsigned int n = 0; excl[n]; n++)
		if (a64_starts(m, excl[n]))
			i->flags |= SPE_INSN_EXCL;
	for (unsigned int n = 0; ar[n]; n++)
		if (a64_starts(m, ar[n]))
			i->flags |= SPE_INSN_AR;
	if (i->flags & (SPE_INSN_EXCL | SPE_INSN_AR))
		i->kind = SPE_LDST_EXT;
}

/* Bytes of an element, by its letter. */
static inline unsigned int a64_letter(char c)
{
	switch (c) {
	case 'b':
		return 1;
	case 'h':
		return 2;
	case 's':
	case 'w':
		return 4;
	case 'd':
	case 'x':
		return 8;
	default:
		return c == 'q' ? 16 : 0;
	}
}

/* "{v1.16b-v3.16b}", "{ v1.16b, v2.16b }", "{v0.b}[1]" */
static inline u16 a64_list_size(const char *m, const char *ops)
{
	const char *close = strchr(ops, '}'), *dot = strchr(ops, '.'), *dash = strchr(ops, '-');
	unsigned int count = 0, lanes, element, first, last;

	for (const char *c = ops; c < close; c++)
		count += *c == 'v';
	if (dash && dash < close && sscanf(ops, "{v%u.", &first) == 1 &&
	    sscanf(dash + 1, "v%u.", &last) == 1)
		count = ((last - first) & 31) + 1;
	lanes = (unsigned int)strtoul(dot + 1, (char **)&dot, 10);
	if (!isalpha((unsigned char)*dot))
		dot++;
	element = a64_letter(*dot);
	if (a64_ends(m, "r") || close[1] == '[')
		lanes = 1;
	return (u16)(count * element * (lanes ? lanes : 1));
}

/* The size of what a register before the '[' is loaded from, or stored to. */
static inline u16 a64_size(const char *m, const char *ops)
{
	static const char *const pairs[] = { "ldp",  "stp",  "ldnp",  "stnp",  "ldpsw",
					     "ldxp", "stxp", "ldaxp", "stlxp", NULL };
	const char *open = strchr(ops, '['), *reg;
	unsigned int times = a64_any(m, pairs) || a64_starts(m, "casp") ? 2 : 1;

	if (a64_ends(m, "64b") || a64_starts(m, "st64"))
		return 64;
	if (!strcmp(m, "ldraa") || !strcmp(m, "ldrab"))
		return 8;
	if (a64_ends(m, "sw"))
		return (u16)(4 * times);
	if (a64_ends(m, "b"))
		return 1;
	if (a64_ends(m, "h"))
		return 2;
	if (!open)
		open = ops + strlen(ops);
	else
		open -= 2;
	for (reg = open; reg > ops && reg[-1] != ' '; reg--)
		;
	if (!strchr(ops, '['))
		reg = ops;
	return (u16)(a64_letter(*reg) * times);
}

static inline void a64_memory_copy(struct spe_insn *i, const char *m, const char *ops)
{
	const char *at = strchr(ops, '[') + 1;
	bool set = a64_starts(m, "set");

	i->class = set ? SPE_INSN_STORE : SPE_INSN_LOAD;
	i->kind = set ? SPE_LDST_MEMSET : SPE_LDST_MEMCPY;
	i->form = SPE_FORM_MOPS;
	if (!set)
		at = strchr(at, '[') + 1;
	i->rn = (u8)a64_reg(&at);
	at += strspn(at, "]!, ");
	i->rm = (u8)a64_reg(&at);
}

static inline void a64_registers(struct spe_insn *i, const char *m, const char *ops)
{
	static const char *const tags[] = { "stg",  "stzg", "st2g",  "stz2g", "ldg",
					    "ldgm", "stgm", "stzgm", "stgp",  NULL };

	if (a64_any(m, tags)) {
		i->kind = SPE_LDST_TAGS;
		i->flags |= strcmp(m, "ldg") ? 0 : SPE_INSN_ALIGN16;
	} else if (*ops == '{' && ops[1 + strspn(ops + 1, " ")] == 'v') {
		i->kind = SPE_LDST_SIMDFP;
		i->size = a64_list_size(m, ops);
	} else if (*ops == '{' || *ops == 'z' || *ops == 'p') {
		i->kind = SPE_LDST_SVE;
	} else {
		i->kind = strchr("bhsdqv", *ops) && !a64_starts(ops, "sp") ? SPE_LDST_SIMDFP
									   : SPE_LDST_GP;
		a64_extended(i, m);
		i->size = a64_size(m, ops);
	}
}

static inline void a64_load_store(struct a64_text *t, const char *m, const char *ops)
{
	struct spe_insn *i = &t->insn;
	const char *list = strchr(ops, '}'), *open = strchr(list ? list : ops, '['), *close, *at;

	/* "{v1.b}[3], [x1]" */
	if (list && open == list + 1)
		open = strchr(open + 1, '[');
	/* "za[w12, 0], [x1]" */
	if (a64_starts(ops, "za[") && open)
		open = strchr(open + 1, '[');
	if (!a64_atomic(i, m, strstr(ops, "zr, [") != NULL)) {
		i->class = *m == 'l' ? SPE_INSN_LOAD : SPE_INSN_STORE;
		a64_registers(i, m, ops);
	} else {
		i->size = a64_size(m, ops);
	}
	if (!strcmp(m, "ldraa") || !strcmp(m, "ldrab"))
		i->flags |= SPE_INSN_AUTH;
	if (!open) {
		i->form = SPE_FORM_LITERAL;
		at = last_operand(ops);
		t->target = (u64)a64_number(&at);
		return;
	}
	a64_memory(i, open + 1);
	close = strchr(open, ']');
	if (close && close[1] == ',')
		i->imm = 0; /* post-index */
}

static inline void a64_prefetch(struct a64_text *t, const char *m, const char *ops)
{
	const char *open = strchr(ops, '['), *at = last_operand(ops);

	t->insn.flags |= SPE_INSN_PREFETCH;
	if (open && strcmp(m, "prfm") && strcmp(m, "prfum"))
		return; /* SVE's */
	if (open) {
		a64_memory(&t->insn, open + 1);
		return;
	}
	t->insn.form = SPE_FORM_LITERAL;
	t->target = (u64)a64_number(&at);
}

static inline void a64_parse(struct a64_text *t, const char *m, const char *ops)
{
	static const char *const selects[] = { "csel", "csinc", "csinv", "csneg",  "ccmp",
					       "ccmn", "cset",	"csetm", "cinc",   "cinv",
					       "cneg", "fcsel", "fccmp", "fccmpe", NULL };

	memset(t, 0, sizeof(*t));
	if (a64_any(m, a64_branches()) || a64_starts(m, "b.") || a64_starts(m, "bc."))
		a64_branch(t, m, ops);
	else if ((a64_starts(m, "cpy") || a64_starts(m, "set")) && *ops == '[')
		a64_memory_copy(&t->insn, m, ops);
	else if (a64_starts(m, "prf"))
		a64_prefetch(t, m, ops);
	else if (a64_starts(m, "ld") || a64_starts(m, "st") || a64_starts(m, "cas") ||
		 a64_starts(m, "swp"))
		a64_load_store(t, m, ops);
	else if (a64_any(m, selects))
		t->insn.flags |= SPE_INSN_COND;
	else if (!strcmp(m, "dc") && strstr(ops, "zva"))
		t->insn = (struct spe_insn){ .class = SPE_INSN_STORE, .form = SPE_FORM_REG };
	else if (!strcmp(m, "dc") && strstr(ops, "gva"))
		t->insn = (struct spe_insn){ .class = SPE_INSN_STORE, .form = SPE_FORM_REG };
}

static inline u8 a64_plain(u8 class)
{
	return class == SPE_INSN_OTHER_SVE ? SPE_INSN_OTHER : class;
}

/* NULL, or what the decoder and the text do not agree about. @pc: where the text takes it to be. */
static inline const char *a64_differs(const struct spe_insn *i, const struct a64_text *t, u64 pc)
{
	const struct spe_insn *want = &t->insn;
	bool vl = want->form == SPE_FORM_VL;

	if (a64_plain(i->class) != want->class)
		return "class";
	if (i->form != want->form &&
	    !(i->form == SPE_FORM_VL && !i->imm && want->form == SPE_FORM_BASE))
		return "form";
	if (want->form == SPE_FORM_REG)
		return NULL;
	if (i->kind != want->kind)
		return "kind";
	if ((i->flags ^ want->flags) & A64_TEXT_FLAGS)
		return "flags";
	if (i->size != want->size && i->kind != SPE_LDST_TAGS)
		return "size";
	if ((i->form == SPE_FORM_LITERAL ||
	     (i->class == SPE_INSN_BRANCH && !(i->flags & SPE_INSN_INDIRECT))) &&
	    pc + (u64)i->imm != t->target)
		return "target";
	if ((want->form >= SPE_FORM_BASE || (i->flags & SPE_INSN_INDIRECT)) && i->rn != want->rn)
		return "base";
	if ((want->form == SPE_FORM_INDEX || want->form == SPE_FORM_MOPS) && i->rm != want->rm)
		return "index";
	if (want->form == SPE_FORM_INDEX && (i->extend != want->extend || i->shift != want->shift))
		return "extend";
	if ((want->form == SPE_FORM_BASE || vl) && i->imm != want->imm)
		return "offset";
	return NULL;
}

/* Random words, most of them loads, stores and branches, with the fixed
 * fields often as they must. */
static inline u32 a64_random_word(u64 (*rnd)(void))
{
	u32 word = (u32)(rnd() >> 20);

	switch ((rnd() >> 20) % 10) {
	case 0:
		return word;
	case 1 ... 3: /* op0 = x1x0 */
		word = (word & ~0x02000000U) | 0x08000000;
		break;
	case 4: /* 101x */
		word = (word & ~0x18000000U) | 0x14000000;
		break;
	case 5: /* branch by register */
		word = 0xd61f0000 | (word & 0x01e00fff);
		if (rnd() >> 20 & 1)
			word |= 0x1f;
		return rnd() >> 20 & 1 ? word | 0x3e0 : word & ~0x1fU;
	case 6: /* 0010: SVE */
		word = (word & ~0x1e000000U) | 0x04000000;
		return rnd() >> 20 & 3 ? word | 0x80000000 : word;
	case 7: { /* groups that are rare */
		static const u32 groups[] = { 0x38200000, 0x08000000, 0x19000400, 0xd9200000 };
		static const u32 masks[] = { 0xc0dfffff, 0xc0ffffff, 0x04dff3ff, 0x00dfffff };
		unsigned int n = rnd() >> 20 & 3;

		word = groups[n] | (word & masks[n]);
		break;
	}
	default: /* load and store, with register fields that are all ones or zero */
		word = (word & ~0x02000000U) | 0x08000000;
		break;
	}
	if (rnd() >> 20 & 1)
		word |= 0x7c00;
	if ((rnd() >> 20 & 3) == 1)
		word |= 0x1f0000;
	if ((rnd() >> 20 & 3) == 1)
		word &= ~0x1ff000U;
	return word;
}

#endif
