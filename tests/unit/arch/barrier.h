/* SPDX-License-Identifier: BSD-2-Clause */
/* Barriers, fake: DSB completes TLB maintenance and publishes descriptors in the TLB model. */
#ifndef KEEL_ARCH_BARRIER_H
#define KEEL_ARCH_BARRIER_H

/* @opt: the barrier's option as text, "ishst" or "ish" or another. */
void fake_dsb(const char *opt);

/* Into the trace of a test that links fake_sysreg.c (sysreg.h); nothing elsewhere. */
void fake_trace_note(const char *what) __attribute__((weak));

#define fake_barrier(what)                     \
	do {                                   \
		if (fake_trace_note)           \
			fake_trace_note(what); \
	} while (0)

#define isb()	    fake_barrier("isb")
#define esb()	    fake_barrier("esb")
#define psb_csync() fake_barrier("psb csync")
#define tsb_csync() fake_barrier("tsb csync")
#define dsb(opt)    fake_dsb(#opt)
#define dmb(opt)    fake_barrier("dmb " #opt)

#define wfi()	    ((void)0)
#define cpu_relax() ((void)0)

#endif
