/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State of physical private interrupts, in a CPU's redistributor (ARM IHI 0069, 12.11): by register
 * writes of which each says one interrupt only, so the host's own writes, of the same CPU or
 * another, cannot get in the way. The redistributor is the host's otherwise.
 *
 * Its power is its CPU's, which may go off at any time, or the host's to cut. Then an access faults,
 * and what it should have done is not done: of a CPU that is off nothing is lost, and a guest that
 * runs beside a dead redistributor is not interrupted, or not let go on, until there is power again.
 *
 * All but gicr_force() are for a CPU that has a vCPU loaded: behind a fault ELR_EL2, SPSR_EL2,
 * ESR_EL2, FAR_EL2 and HPFAR_EL2 are that fault's. What they said of an exit has been read by then.
 */
#ifndef KEEL_ARCH_GICR_H
#define KEEL_ARCH_GICR_H

#include <arch/foreign.h>

/* In the SGI frame */
#define GICR_ISENABLER0 0x100
#define GICR_ISPENDR0	0x200
#define GICR_ICPENDR0	0x280
#define GICR_ISACTIVER0 0x300
#define GICR_ICACTIVER0 0x380

/* In the RD frame */
#define GICR_TYPER	 0x8
#define GICR_TYPER_VLPIS BIT(1) /* two frames more, for virtual LPIs */
#define GICR_TYPER_LAST	 BIT(4) /* of a range of adjacent redistributors */
#define GICR_TYPER_AFF	 GENMASK(63, 32)

/*
 * Make an interrupt of a CPU's active: it is not signalled until it is deactivated, be it by
 * gicr_clear_active() or by a guest's EOI through a list register. In effect when this returns: the
 * read makes sure that a deactivation that follows comes second.
 */
static inline void gicr_set_active(void *gicr, u32 intid)
{
	foreign_post32((u8 *)gicr + GICR_ISACTIVER0, (u32)BIT(intid));
	foreign_settle((u8 *)gicr + GICR_ISACTIVER0);
}

static inline void gicr_clear_active(void *gicr, u32 intid)
{
	foreign_post32((u8 *)gicr + GICR_ICACTIVER0, (u32)BIT(intid));
}

/*
 * Enable a PPI of a CPU's and make it pending, which is not EL2's to do while the host runs. The
 * CPU may be off, and its redistributor with it.
 */
static inline void gicr_force(void *gicr, u32 intid)
{
	if (foreign_write_reg((u8 *)gicr + GICR_ISENABLER0, 4, BIT(intid)))
		(void)!foreign_write_reg((u8 *)gicr + GICR_ISPENDR0, 4, BIT(intid));
}

/* Make a PPI of a CPU's pending, whatever its input is; it may be another CPU's. */
static inline void gicr_set_pending(void *gicr, u32 intid)
{
	foreign_post32((u8 *)gicr + GICR_ISPENDR0, (u32)BIT(intid));
}

/* Take that back. A PPI whose input is up stays pending. In effect when this returns. */
static inline void gicr_clear_pending(void *gicr, u32 intid)
{
	foreign_post32((u8 *)gicr + GICR_ICPENDR0, (u32)BIT(intid));
	foreign_settle((u8 *)gicr + GICR_ICPENDR0);
}

#endif
