/* SPDX-License-Identifier: BSD-2-Clause */
/* Barriers and hints (ARM DDI 0487, B2.3 and C6.2). */
#ifndef KEEL_ARCH_BARRIER_H
#define KEEL_ARCH_BARRIER_H

#define isb()	 __asm__ volatile("isb" ::: "memory")
#define dsb(opt) __asm__ volatile("dsb " #opt ::: "memory")
#define dmb(opt) __asm__ volatile("dmb " #opt ::: "memory")

/* PSB CSYNC (C6.2.260): what was sampled before it is written by the time a DSB behind it
 * completes. A NOP on a CPU without FEAT_SPE. */
#define psb_csync() __asm__ volatile("hint #17" ::: "memory")

/* ESB (C6.2.98): errors of what is before it are pending by then, and one that is masked goes into
 * DISR_EL1. A NOP without FEAT_RAS. */
#define esb() __asm__ volatile("hint #16" ::: "memory")

/* TSB CSYNC (C6.2.402): the same for what was traced. A NOP without FEAT_TRF. */
#define tsb_csync() __asm__ volatile("hint #18" ::: "memory")

#define wfi()	    __asm__ volatile("wfi" ::: "memory")
#define cpu_relax() __asm__ volatile("yield" ::: "memory")

#endif
