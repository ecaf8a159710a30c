/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of physical private interrupts, in a CPU's redistributor (ARM IHI 0069, 12.11), or in a
 * GICv2's distributor, which has the same registers for the CPU that accesses it. Each
 * register write concerns one interrupt only, so it does not interfere with the host's writes, on
 * the same CPU or another. The redistributor is the host's otherwise.
 *
 * A redistributor loses power with its CPU, which may go off at any time, and the host can turn it
 * off. Then an access faults and has no effect. For a CPU that is off that does not matter; a guest
 * whose CPU has no redistributor is not interrupted, or does not continue, until it has power
 * again.
 *
 * All functions but gicr_force() are for a CPU with a vCPU loaded: after a fault ELR_EL2, SPSR_EL2,
 * ESR_EL2, FAR_EL2 and HPFAR_EL2 have the fault's values. The exit's have been read before.
 */
#ifndef KEEL_ARCH_GICR_H
#define KEEL_ARCH_GICR_H

#include <arch/foreign.h>

/* In the SGI frame */
#define GICR_ISENABLER0 0x100
#define GICR_ICENABLER0 0x180
#define GICR_ISPENDR0	0x200
#define GICR_ICPENDR0	0x280
#define GICR_ISACTIVER0 0x300
#define GICR_ICACTIVER0 0x380

/* In the RD frame */
#define GICR_TYPER	 0x8
#define GICR_TYPER_VLPIS BIT(1) /* two frames more, for virtual LPIs */
#define GICR_TYPER_LAST	 BIT(4) /* the last of adjacent redistributors */
#define GICR_TYPER_AFF	 GENMASK(63, 32)

/*
 * Make an interrupt of a CPU active: it is not signalled until it is deactivated, by
 * gicr_clear_active() or by a guest's EOI of a list register. In effect when this returns: because
 * of the read, a deactivation that follows comes second.
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
 * Enable a PPI of a CPU and make it pending. Only in a panic, since the enable is the host's. The
 * CPU may be off, and its redistributor with it.
 */
static inline void gicr_force(void *gicr, u32 intid)
{
	if (foreign_write_reg((u8 *)gicr + GICR_ISENABLER0, 4, BIT(intid)))
		(void)!foreign_write_reg((u8 *)gicr + GICR_ISPENDR0, 4, BIT(intid));
}

/* Make a PPI pending, whatever its input is, on this CPU or another. */
static inline void gicr_set_pending(void *gicr, u32 intid)
{
	foreign_post32((u8 *)gicr + GICR_ISPENDR0, (u32)BIT(intid));
}

/* Undo gicr_set_pending(). A PPI whose input is asserted stays pending. In effect at return. */
static inline void gicr_clear_pending(void *gicr, u32 intid)
{
	foreign_post32((u8 *)gicr + GICR_ICPENDR0, (u32)BIT(intid));
	foreign_settle((u8 *)gicr + GICR_ICPENDR0);
}

#endif
