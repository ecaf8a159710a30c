/* SPDX-License-Identifier: BSD-2-Clause */
/* Barriers and hints (ARM DDI 0487, B2.3 and C6.2). */
#ifndef KEEL_ARCH_BARRIER_H
#define KEEL_ARCH_BARRIER_H

#define isb()	 __asm__ volatile("isb" ::: "memory")
#define dsb(opt) __asm__ volatile("dsb " #opt ::: "memory")
#define dmb(opt) __asm__ volatile("dmb " #opt ::: "memory")

/* PSB CSYNC (C6.2.260): records of samples before it are written when a later DSB completes. A NOP
 * without FEAT_SPE. */
#define psb_csync() __asm__ volatile("hint #17" ::: "memory")

/* ESB (C6.2.98): errors of earlier instructions become pending, and one that is masked is deferred
 * to DISR_EL1. A NOP without FEAT_RAS. */
#define esb() __asm__ volatile("hint #16" ::: "memory")

/* TSB CSYNC (C6.2.402): as PSB CSYNC, for trace. A NOP without FEAT_TRF. */
#define tsb_csync() __asm__ volatile("hint #18" ::: "memory")

#define wfi()	    __asm__ volatile("wfi" ::: "memory")
#define cpu_relax() __asm__ volatile("yield" ::: "memory")

#endif
