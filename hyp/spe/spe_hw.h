/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SPE by the CPUs' own profiling units (docs/spe.md).
 *
 * The guest's registers are in memory (struct spe_vcpu.regs), which is what traps, userspace and
 * resets read and write. They are in the unit while the guest profiles and EL2 has nothing to do
 * with them, struct spe_vcpu.running: loaded by the last step of an entry, taken out again, with
 * the records written and the unit off, by
 * - a trapped access to one of the registers that the unit changes, or that changes what it does;
 * - an event in PMBSR_EL1;
 * - the end of KEEL_HC_VCPU_RUN, before any other register is the host's.
 * An exit that is none of these reads PMBSR_EL1 and no more.
 *
 * All of SPE's registers trap (MDCR_EL2.TPMS = 1, E2PB = 0b10), as they do in a VM without it, so
 * what is in memory is always masked by what the VM was told: a guest cannot reach bits of a later
 * version of the extension, it can move between CPUs that differ, and PMBLIMITR_EL1.PMFZ cannot
 * freeze the host's event counters. The price is some eight traps each time that a profile starts,
 * not for each sample.
 *
 * PMBIDR_EL1 traps only with FEAT_FGT. Elsewhere the guest reads the CPU's own, of which P is 0,
 * since the buffer is EL1's.
 *
 * PMSCR_EL2 is 0, from host_cpu_init() on: no physical addresses in records, virtual timestamps
 * (by CNTVOFF_EL2), no context of EL2's.
 *
 * The physical interrupt, PMBIRQ, is the host's PPI and stays enabled as the host's driver has it.
 * It takes the guest to EL2, which finds PMBSR_EL1.S and clears it before anything else is done
 * about the exit; the interrupt is level-sensitive, so by the time the host looks, it is gone from
 * the GIC, or comes once more as one of which the host's driver finds that it is none of its own
 * (no event in its PMBSR_EL1) and which a PPI may be. Where the host has no driver for it, and the
 * interrupt is off, a full buffer is found at the next exit, at the latest by the host's tick.
 */
#ifndef KEEL_SPE_SPE_HW_H
#define KEEL_SPE_SPE_HW_H

#include <cpu/spe_unit.h>

/*
 * Register on the run loop. @machine: what every CPU has, copied; .version is not 0. Boot CPU,
 * once, after trap_init() and vgic_init().
 */
void spe_hw_init(const struct spe_unit_id *machine);

#endif
