/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keel's boot options: the words of the boot loader's command line that begin with `keel.`.
 *
 * They are parsed before anything else is set up: with the MMU off, without a lock or an
 * allocation, from the string in the device tree. A wrong word never stops the boot: it is
 * reported, and its option keeps the default.
 */
#ifndef KEEL_LIB_OPTIONS_H
#define KEEL_LIB_OPTIONS_H

#include <lib/types.h>

#define OPTIONS_VA_BITS_MIN	25
#define OPTIONS_VA_BITS_MAX	52
#define OPTIONS_VA_BITS_DEFAULT 39
#define OPTIONS_PA_BITS_MIN	32
#define OPTIONS_PA_BITS_MAX	52

/* keel.e2h: which translation regime Keel asks HCR_EL2.E2H for. */
enum option_e2h {
	OPTION_E2H_AUTO, /* what the CPU suggests */
	OPTION_E2H_0,
	OPTION_E2H_1
};

/* keel.loglevel: the least important messages that still reach the console. */
enum option_loglevel { OPTION_LOG_ERR, OPTION_LOG_WARN, OPTION_LOG_INFO, OPTION_LOG_DEBUG };

/* keel.console: whether messages go to the console while the host runs. */
enum option_console { OPTION_CONSOLE_BOOT, OPTION_CONSOLE_KEEP };

/* keel.spe: what provides SPE to guests, the CPUs' units or Keel. */
enum option_spe {
	OPTION_SPE_AUTO, /* the CPUs if all have a profiling unit, else Keel */
	OPTION_SPE_HW,
	OPTION_SPE_EMUL,
	OPTION_SPE_OFF
};

#define OPTIONS_SELFTEST_SIZE 32

/* keel.smc: at most this many ranges of function identifiers; a name takes up to three */
#define OPTIONS_SMC_MAX 16

/* keel.smc: which of the host's SMCs are passed to firmware, besides those that always are. */
struct option_smc {
	bool optee; /* OP-TEE's calls, checked (host/optee.h) */
	u8 count;
	struct {
		u32 first, last; /* both included; a fast call's without the SVE hint */
	} range[OPTIONS_SMC_MAX];
};

struct options {
	u8 va_bits;			      /* keel.va_bits: 25..52 */
	u8 pa_bits;			      /* keel.pa_bits: 32..52; 0 if not given */
	u8 stage2_page_shift;		      /* keel.stage2_granule: 12, 14, 16; 0 if not given */
	enum option_e2h e2h;		      /* keel.e2h */
	enum option_loglevel loglevel;	      /* keel.loglevel */
	enum option_console console;	      /* keel.console */
	enum option_spe spe;		      /* keel.spe */
	bool nested;			      /* keel.nested */
	struct option_smc smc;		      /* keel.smc: nothing if not given */
	char selftest[OPTIONS_SELFTEST_SIZE]; /* keel.selftest: empty if not given */
};

/**
 * typedef options_warn_t - called for a word that could not be used
 * @ctx:  as given to options_parse()
 * @why:  what is wrong with it, a few words
 * @word: the word itself, not terminated
 * @len:  its length
 */
typedef void options_warn_t(void *ctx, const char *why, const char *word, size_t len);

/**
 * options_parse() - read Keel's options from a command line
 * @bootargs: the command line; NULL stands for an empty one
 * @out:      filled with the defaults, then with the values of @bootargs; of two words of an option
 *            the last counts
 * @warn:     called once for each word that is unknown or has a bad value; may be NULL
 * @ctx:      for @warn
 *
 * Words are divided by blanks outside double quotes, as the Linux kernel divides them, and end at
 * the word `--`, behind which everything belongs to the host's init.
 */
void options_parse(const char *bootargs, struct options *out, options_warn_t *warn, void *ctx);

/**
 * options_host_args() - copy a command line without Keel's own words
 * @bootargs: the command line; NULL stands for an empty one
 * @out:      where to; always terminated if @size is not 0; may be @bootargs itself
 * @size:     bytes at @out
 *
 * The words left are divided by one blank each and are otherwise unchanged.
 *
 * Return: 0; -E2BIG if @out is too small for them (@out is then empty).
 */
int __must_check options_host_args(const char *bootargs, char *out, size_t size);

#endif
