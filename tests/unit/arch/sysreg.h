/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System registers, fake: an array of values by name. The names are what the real header makes of
 * them, so a register that hyp/arch/sysreg.h gives by encoding is "s3_4_c1_c2_2" here as well.
 *
 * It ends the test to touch a register that the test has neither given a value nor allowed: a
 * register that this CPU does not have, or one whose value is UNKNOWN.
 */
#ifndef KEEL_FAKE_SYSREG_H
#define KEEL_FAKE_SYSREG_H

#include "../../../hyp/arch/sysreg.h"

#undef read_sysreg
#undef write_sysreg
#define read_sysreg(reg)	 fake_sysreg_read(SYSREG_STR(reg))
#define write_sysreg(value, reg) fake_sysreg_write(SYSREG_STR(reg), (u64)(value))

#undef try_read_sysreg
#undef try_write_sysreg
#define try_read_sysreg(reg, value)  fake_sysreg_try_read(SYSREG_STR(reg), value)
#define try_write_sysreg(value, reg) fake_sysreg_try_write(SYSREG_STR(reg), (u64)(value))

/* As the code under test sees them; recorded. */
u64 fake_sysreg_read(const char *name);
void fake_sysreg_write(const char *name, u64 value);

bool fake_sysreg_try_read(const char *name, u64 *value);
bool fake_sysreg_try_write(const char *name, u64 value);

/* EL3 keeps the register: to try it is no mistake, and fails. */
void fake_sysreg_withhold(const char *name);

/* Forget all registers. */
void fake_sysreg_reset(void);

/* This CPU has the register: the value that it is read as, until it is written. */
void fake_sysreg_set(const char *name, u64 value);

/* This CPU has the register, with an UNKNOWN value: it is a mistake to read it before a write. */
void fake_sysreg_allow(const char *name);

/* The register ignores writes of bits outside of @mask. */
void fake_sysreg_mask(const char *name, u64 mask);

/* The value now. It ends the test if there is none. */
u64 fake_sysreg_get(const char *name);

/* How often the code under test has written it, and how often it has read it. */
unsigned int fake_sysreg_writes(const char *name);
unsigned int fake_sysreg_reads(const char *name);

/*
 * The trace: what happens from fake_trace_start() on, one after the other with a blank between: a
 * write as "NAME=VALUE" (hexadecimal), a barrier by its name; a read too, as "NAME?", if it is
 * asked for.
 */
void fake_trace_start(bool reads);
void fake_trace_note(const char *what);
const char *fake_trace(void);

/*
 * A model's eye on what happens: each access before it is carried out, and each barrier. Both are
 * NULL after fake_sysreg_reset().
 */
extern void (*fake_sysreg_watch)(const char *name, bool write, u64 value);
extern void (*fake_barrier_watch)(const char *what);

/* Whether this CPU has the register. */
bool fake_sysreg_exists(const char *name);

/* From here on touching a forbidden register is noted instead of ending the test. */
void fake_sysreg_tolerate(void);
/* The first such register since then, or NULL. */
const char *fake_sysreg_violation(void);

#endif
