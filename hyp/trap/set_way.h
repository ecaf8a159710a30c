/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cache maintenance by set and way, as guests' boot code does it to turn its caches off and on
 * (ARM DDI 0487, D7.5.9). It works on one CPU's caches and cannot be given to a vCPU, which moves:
 * what it is meant to do is done to the VM's memory by address.
 *
 * All of that memory is written back and dropped at the first such instruction, and again when the
 * guest's caches are then turned off or on, for which HCR_EL2.TVM traps its writes of the
 * translation registers. Once its caches are on, nothing traps. With FEAT_S2FWB the guest's
 * accesses are cacheable whatever it says, and nothing needs doing.
 *
 * By the vCPU's owner, loaded here.
 */
#ifndef KEEL_TRAP_SET_WAY_H
#define KEEL_TRAP_SET_WAY_H

#include <vm/run.h>

/**
 * set_way_trap() - DC ISW, CSW or CISW
 *
 * Return: false when a bounded part is done: the instruction is to be repeated.
 */
bool set_way_trap(struct vcpu *vcpu);

/**
 * set_way_write() - a translation register is written, which traps since the first set_way_trap()
 *
 * Return: as set_way_trap(), and then the register is not written yet.
 */
bool set_way_write(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value);

#endif
