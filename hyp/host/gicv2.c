// SPDX-License-Identifier: BSD-2-Clause
/* The parts of a GICv2 that are for VMs: see gicv2.h. */
#include <host/gicv2.h>
#include <lib/errno.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>
#include <vgic/vgic.h>

/*
 * Where frames are 128 KiB apart, as on machines made for kernels with pages of 64 KiB (Juno, Seattle),
 * each page of 4 KiB is there sixteen times in its 64 KiB, and the tree names one or two of these: GICH
 * of Juno is at 0x2c040000, 0x2c041000 and so on, and the tree says 0x2c04f000.
 */
#define SPREAD (2 * SZ_64K)

static bool are_spread(const struct fdt_gicv2 *fdt)
{
	return ALIGN_DOWN(fdt->gich.base, SZ_64K) + SPREAD == ALIGN_DOWN(fdt->gicv.base, SZ_64K);
}

/* The pages that have a range of registers: EL2's mappings and claims are of pages. */
static int claim_pages(const struct mem_range *regs, bool spread)
{
	u64 base = ALIGN_DOWN(regs->base, spread ? SZ_64K : SZ_4K);
	u64 end = ALIGN_UP(regs->end, SZ_4K);

	return ownership_claim_device(PA(base), (spread ? MAX(end, base + SPREAD) : end) - base);
}

int gicv2_claim(const struct fdt_gicv2 *fdt)
{
	bool spread = are_spread(fdt);
	int ret = claim_pages(&fdt->gich, spread);

	return ret ? ret : claim_pages(&fdt->gicv, spread);
}

static u8 *map_registers(u64 base, u64 size)
{
	return el2_map_private(PA(base), size, EL2_DEVICE);
}

int gicv2_init(const struct fdt_gicv2 *fdt, struct percpu *const cpus[], unsigned int count)
{
	struct vgic_v2_frames frames = { .gich = map_registers(fdt->gich.base, SZ_4K),
					 .gicv = map_registers(fdt->gicv.base, VGIC_V2_CPU_MAPPED),
					 .gicv_pa = PA(fdt->gicv.base) };
	u8 *gicd = map_registers(fdt->gicd.base, SZ_4K);

	if (!frames.gich || !frames.gicv || !gicd)
		return -ENOMEM;
	if (!vgic_use_v2(&frames))
		return 0;
	for (unsigned int i = 0; i < count; i++)
		cpus[i]->gicr = gicd;
	return 0;
}
