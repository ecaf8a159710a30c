/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercalls of the "virtual machines" part of include/keel/hypercall.h: for each, which object
 * it is about, and the function that carries it out.
 */
#ifndef KEEL_HOST_VM_CALLS_H
#define KEEL_HOST_VM_CALLS_H

#include <host/host.h>
#include <vm/vm.h>

/* Longest register of KVM_GET_ONE_REG's ids, in bytes. */
#define VM_REG_BYTES_MAX 256

struct vcpu_spe_stats; /* vm/vm_ops.h */

/**
 * struct vm_call_ops - functions of trap/, vgic/ and spe/ for the host's calls
 *
 * Those for a vCPU: this CPU owns it, and it is not loaded, unless the comment says otherwise. A
 * call whose function is NULL returns KEEL_NOT_SUPPORTED.
 *
 * @get_reg:	 copy the register's value to @value, as many bytes as @id says. Return: 0; -ENOENT
 * @set_reg:	 the reverse; @value is Keel's own copy. Return: 0; -ENOENT; -EINVAL; -EBUSY
 * @reg_list:	 write up to @max ids, from number @from on, to @ids; *total: how many there are in
 *		 all. Return: 0
 * @vgic_prepare: the first part of KEEL_HC_VGIC_INIT; vm->lock held, vCPUs may run. Memory is from
 *		 vm->pool. Return: 0; -EINVAL; -EBUSY; -ENODEV; -E2BIG; -ENOMEM; -EAGAIN
 * @vgic_init:	 the second part, under the same vm->lock; no vCPU has run or can during the call.
 *		 Sets vm->vgic last, with release order. Return: 0; -ENOMEM
 * @vgic_place: KEEL_HC_VGIC_PLACE; as @vgic_init, and vm->vgic is not NULL. Return: 0; -EINVAL;
 *		 -E2BIG; -ENOSPC
 * @vgic_reset:	 KEEL_HC_VGIC_RESET; vm->lock held, this CPU owns all vCPUs, vm->vgic is not NULL.
 *		 *at: in, where to begin; out, where to go on. Return: 0; -EAGAIN; -EINVAL
 * @irq_line:	 KEEL_HC_IRQ_LINE; no lock held, vm->vgic is not NULL. *vcpu: in, the host's index,
 *		 any value; out, with 1, the vCPU to wake or kick; level: any value. Return: 1; 0;
 *		 -EINVAL
 * @vgic_lpis:	 KEEL_HC_VGIC_LPIS; as @irq_line
 * @lpi_pend:	 KEEL_HC_LPI_PEND; vm->vgic is not NULL, another CPU may run the vCPU. *back: out, the
 *		 INTID that is given back. Return: 1; 0; -ENOSPC; -EINVAL
 * @lpi_take:	 KEEL_HC_LPI_TAKE; as @lpi_pend. Return: 1; 0; -EAGAIN; -EINVAL
 * @vgic_reg:	 KEEL_HC_VGIC_GET_REG, _SET_REG; vm->vgic is not NULL. Return: 0; -ENXIO; -EINVAL
 * @spe:	 KEEL_HC_VCPU_SPE; the vCPU is initialized
 * @events:	 KEEL_HC_VCPU_EVENTS; the vCPU is initialized. Return: 0, with *pending; -EINVAL
 * @spe_stats:	 KEEL_HC_VCPU_SPE_STATS; another CPU may run the vCPU. Return: 0; -ENXIO
 */
struct vm_call_ops {
	unsigned int (*vgic_version)(void); /* of VMs' GICs: 2 or 3; 0: they can have none */
	int (*get_reg)(struct vcpu *vcpu, u64 id, void *value);
	int (*set_reg)(struct vcpu *vcpu, u64 id, const void *value);
	int (*reg_list)(struct vcpu *vcpu, u64 from, u64 *ids, u64 max, u64 *total);
	int (*vgic_prepare)(struct vm *vm, struct ipa dist, struct ipa redist, u64 intids,
			    u64 count);
	int (*vgic_init)(struct vm *vm, struct ipa dist, struct ipa redist, u64 intids, u64 count);
	int (*vgic_place)(struct vm *vm, struct ipa base, u64 count);
	int (*vgic_reset)(struct vm *vm, u64 *at);
	int (*irq_line)(struct vm *vm, u64 *vcpu, u64 intid, u64 level);
	void (*vgic_lpis)(struct vm *vm);
	int (*lpi_pend)(struct vcpu *vcpu, u64 intid, u64 priority, u64 *back);
	int (*lpi_take)(struct vcpu *vcpu, u64 intid);
	int (*vgic_reg)(struct vcpu *vcpu, u64 space, u64 offset, bool write, u64 *value);
	int (*spe)(struct vcpu *vcpu, u64 op, u64 value);
	int (*events)(struct vcpu *vcpu, u64 raise, u64 *pending);
	int (*spe_stats)(const struct vcpu *vcpu, struct vcpu_spe_stats *stats);
};

/* Boot CPU, before the host runs; the pointer is kept. */
void vm_calls_init(const struct vm_call_ops *ops);

/**
 * vm_hypercall() - carry out a call about a VM
 * @regs: the host's; x0 is the function identifier
 *
 * Return: false for another identifier (nothing was changed).
 */
bool vm_hypercall(struct host_regs *regs);

#endif
