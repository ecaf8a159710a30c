/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPE by the CPUs' own profiling units (docs/spe.md).
 *
 * The guest's registers are in memory (struct spe_vcpu.regs), where traps, userspace and reset read
 * and write them. They are in the unit only while the guest profiles (struct spe_vcpu.running): the
 * last step of an entry loads them, and one of these takes them out again, with the records written
 * and the unit off:
 * - a trapped read of a register that the unit changes, or any trapped write;
 * - an event in PMBSR_EL1;
 * - the end of KEEL_HC_VCPU_RUN, before any other register is the host's.
 * Any other exit only reads PMBSR_EL1.
 *
 *	       start_unit()                stop_unit()
 *	regs ---------------> unit: guest ------------> regs; unit off
 *	                      profiles
 *
 * All of SPE's registers trap (MDCR_EL2.TPMS = 1, E2PB = 0b10), as they do in a VM without SPE. So
 * values in memory never have more bits than the VM's ID registers offer: a guest cannot use bits
 * of a later version of the extension, it can move between CPUs that differ, and PMBLIMITR_EL1.PMFZ
 * cannot freeze the host's event counters. The cost is some eight traps each time that a profile
 * starts, and none for a sample.
 *
 * PMBIDR_EL1 traps only with FEAT_FGT. Without it the guest reads the CPU's own, of which P is 0,
 * since the buffer is EL1's.
 *
 * PMSCR_EL2 is 0 from host_cpu_init() on: no physical addresses in records, virtual timestamps
 * (with CNTVOFF_EL2), no CONTEXTIDR_EL2.
 *
 * The physical interrupt, PMBIRQ, is the host's PPI, enabled or not as the host's driver has it. It
 * interrupts the guest, and EL2 finds PMBSR_EL1.S and clears it before it does anything else for
 * the exit. The interrupt is level-sensitive, so then it is gone from the GIC, or reaches the host
 * once more as a spurious one (the host's PMBSR_EL1 has no event), which a PPI may be. If the host
 * has not enabled the interrupt, a full buffer is found at the next exit, at the latest by the
 * host's tick.
 */
#ifndef KEEL_SPE_SPE_HW_H
#define KEEL_SPE_SPE_HW_H

#include <cpu/spe_unit.h>

/*
 * Register with the run loop. @machine: what all CPUs have, copied; .version is not 0. Boot CPU,
 * once, after trap_init() and vgic_init().
 */
void spe_hw_init(const struct spe_unit_id *machine);

#endif
