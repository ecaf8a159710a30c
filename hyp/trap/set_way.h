/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance by set and way, which guests' boot code uses when it turns caches off and on
 * (ARM DDI 0487, D7.5.9). The instructions work on one CPU's caches, and a vCPU can move to another
 * CPU, so they trap, and EL2 cleans and invalidates the VM's memory by address in their place.
 *
 *	first DC ISW, CSW, CISW   clean and invalidate all of the VM's memory; set HCR_EL2.TVM
 *	further ones              nothing to do while TVM is set
 *	SCTLR_EL1 (TVM traps)     caches turn off or on: clean and invalidate all memory again;
 *	                          caches are on: clear TVM
 *
 * The work is done in bounded parts; between two, the host takes its interrupts and the guest
 * repeats the instruction. With FEAT_S2FWB the guest's accesses are always cacheable, and nothing
 * is done.
 *
 * By the vCPU's owner, loaded here.
 */
#ifndef KEEL_TRAP_SET_WAY_H
#define KEEL_TRAP_SET_WAY_H

#include <vm/run.h>

/**
 * set_way_trap() - DC ISW, CSW or CISW
 *
 * Return: false if only a part is done: the guest repeats the instruction.
 */
bool set_way_trap(struct vcpu *vcpu);

/**
 * set_way_write() - a write of a translation register, which traps after set_way_trap()
 *
 * Return: as set_way_trap(); if false, the register is not written yet.
 */
bool set_way_write(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);

#endif
