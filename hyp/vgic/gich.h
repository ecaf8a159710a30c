/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual CPU interface of a GICv2 (ARM IHI 0048, 5.3): registers in memory, GICH, which show
 * each CPU its own. Control, status and active priorities are as in the GICv3's ICH_*_EL2; list
 * registers have another form. Here they have the GICv3's, so that vgic.c knows one.
 *
 * An SGI's list register has the CPU interface that sent it, in the bits of LR_PINTID.
 */
#ifndef KEEL_VGIC_GICH_H
#define KEEL_VGIC_GICH_H

#include <arch/ich.h>
#include <arch/mmio.h>
#include <arch/reg_bits.h>
#include <lib/compiler.h>

#define GICH_HCR  0x000
#define GICH_VTR  0x004
#define GICH_VMCR 0x008
#define GICH_MISR 0x010
#define GICH_APR  0x0f0
#define GICH_LR0  0x100

/* GICH_VTR; the other fields are those of ICH_VTR_EL2 */
#define GICH_VTR_LISTREGS GENMASK(5, 0)

#define GICH_LR_VINTID	 GENMASK(9, 0)
#define GICH_LR_PINTID	 GENMASK(19, 10)
#define GICH_LR_PRIORITY GENMASK(27, 23) /* the upper five bits of eight */
#define GICH_LR_STATE	 GENMASK(29, 28)
#define GICH_LR_GROUP1	 BIT(30)
#define GICH_LR_HW	 BIT(31)

/* In LR_PINTID of an SGI: who sent it */
#define LR_SOURCE GENMASK(34, 32)

/* The registers, in EL2's address space; NULL without a GICv2 that has them. Constant from boot on. */
extern u8 *gich;

/* Where list registers are: a constant in each call, so that each has code of its own. */
enum vgic_hw { VGIC_ICH, VGIC_GICH };

static inline u32 gich_from_lr(u64 lr)
{
	return (u32)(FIELD_PREP(GICH_LR_VINTID, FIELD_GET(LR_VINTID, lr)) |
		     FIELD_PREP(GICH_LR_PINTID, FIELD_GET(LR_PINTID, lr)) |
		     FIELD_PREP(GICH_LR_PRIORITY, FIELD_GET(LR_PRIORITY, lr) >> 3) |
		     FIELD_PREP(GICH_LR_STATE, FIELD_GET(LR_STATE, lr)) |
		     (lr & LR_GROUP1 ? GICH_LR_GROUP1 : 0) | (lr & LR_HW ? GICH_LR_HW : 0));
}

/* Of a list register the guest changes the state alone. */
static inline u64 lr_state_from_gich(u32 value)
{
	return FIELD_PREP(LR_STATE, FIELD_GET(GICH_LR_STATE, value));
}

static __always_inline u64 hw_read_lr(enum vgic_hw hw, unsigned int n)
{
	return hw == VGIC_ICH ? ich_read_lr(n)
			      : lr_state_from_gich(mmio_read32(gich + GICH_LR0 + 4 * n));
}

static __always_inline void hw_write_lr(enum vgic_hw hw, unsigned int n, u64 value)
{
	if (hw == VGIC_ICH)
		ich_write_lr(n, value);
	else
		mmio_write32(gich + GICH_LR0 + 4 * n, gich_from_lr(value));
}

static __always_inline u64 hw_read_hcr(enum vgic_hw hw)
{
	return hw == VGIC_ICH ? ich_read_hcr() : mmio_read32(gich + GICH_HCR);
}

static __always_inline void hw_write_hcr(enum vgic_hw hw, u64 value)
{
	if (hw == VGIC_ICH)
		ich_write_hcr(value);
	else
		mmio_write32(gich + GICH_HCR, (u32)value);
}

static __always_inline u64 hw_read_vmcr(enum vgic_hw hw)
{
	return hw == VGIC_ICH ? ich_read_vmcr() : mmio_read32(gich + GICH_VMCR);
}

static __always_inline void hw_write_vmcr(enum vgic_hw hw, u64 value)
{
	if (hw == VGIC_ICH)
		ich_write_vmcr(value);
	else
		mmio_write32(gich + GICH_VMCR, (u32)value);
}

static __always_inline u64 hw_read_misr(enum vgic_hw hw)
{
	return hw == VGIC_ICH ? ich_read_misr() : mmio_read32(gich + GICH_MISR);
}

/* A GICv2 has one register of active priorities, of both groups: ap0r[0]. */
static __always_inline void hw_read_apr(enum vgic_hw hw, u64 ap0r[4], u64 ap1r[4],
					unsigned int count)
{
	if (hw == VGIC_ICH)
		ich_read_apr(ap0r, ap1r, count);
	else
		ap0r[0] = mmio_read32(gich + GICH_APR);
}

static __always_inline void hw_write_apr(enum vgic_hw hw, const u64 ap0r[4], const u64 ap1r[4],
					 unsigned int count)
{
	if (hw == VGIC_ICH)
		ich_write_apr(ap0r, ap1r, count);
	else
		mmio_write32(gich + GICH_APR, (u32)ap0r[0]);
}

#endif
