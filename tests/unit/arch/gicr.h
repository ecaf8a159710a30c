/* SPDX-License-Identifier: BSD-2-Clause */
/* State of physical private interrupts, fake: in fake_icc[] (ich.h). Here a CPU's frame is its struct percpu. */
#ifndef KEEL_ARCH_GICR_H
#define KEEL_ARCH_GICR_H

#include <lib/types.h>

#define GICR_TYPER	 0x8
#define GICR_TYPER_VLPIS BIT(1)
#define GICR_TYPER_LAST	 BIT(4)
#define GICR_TYPER_AFF	 GENMASK(63, 32)

void gicr_set_active(void *gicr, u32 intid);
void gicr_clear_active(void *gicr, u32 intid);
void gicr_set_pending(void *gicr, u32 intid);
void gicr_clear_pending(void *gicr, u32 intid);

#endif
