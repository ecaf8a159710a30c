/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercalls of the "virtual machines" part of include/keel/hypercall.h: which object each is
 * about, and who does it.
 */
#ifndef KEEL_HOST_VM_CALLS_H
#define KEEL_HOST_VM_CALLS_H

#include <host/host.h>
#include <vm/vm.h>

/* Longest register of KVM_GET_ONE_REG's ids, in bytes. */
#define VM_REG_BYTES_MAX 256

struct vcpu_spe_stats; /* vm/vm_ops.h */

/**
 * struct vm_call_ops - what trap/ and vgic/ do for the host's calls
 *
 * A vCPU is owned by this CPU and not loaded. A call whose function is NULL is KEEL_NOT_SUPPORTED.
 *
 * @get_reg:   the register's value to @value, as many bytes as @id says: 0; -ENOENT
 * @set_reg:   the opposite; @value is Keel's own copy: 0; -ENOENT; -EINVAL; -EBUSY
 * @reg_list:  @max ids at most to @ids, from number @from on; *total: how many there are. @ids is
 *the host's memory: write it once, do not read it
 * @vgic_init: vm->lock held, no vCPU has run or can while it does; sets vm->vgic last, with release
 *	       order. Memory from vm->pool: 0; -EINVAL; -EBUSY; -ENODEV; -E2BIG; -ENOMEM
 * @vgic_redist: KEEL_HC_VGIC_REDIST; vm->lock held, vm->vgic is not NULL, no vCPU has run or can
 *	       while it does: 0; -EINVAL; -E2BIG; -ENOSPC
 * @vgic_reset: KEEL_HC_VGIC_RESET; vm->lock held, all vCPUs owned by this CPU; vm->vgic is not NULL
 * @spe:	       KEEL_HC_VCPU_SPE
 * @spe_stats: KEEL_HC_VCPU_SPE_STATS; another CPU may run the vCPU. 0; -ENXIO
 * @events:    KEEL_HC_VCPU_EVENTS; the vCPU is initialized: 0, with *pending; -EINVAL
 * @irq_line:  no lock held; vm->vgic is not NULL. 1 with *vcpu, where it is to be woken or kicked;
 *0; -EINVAL. *vcpu comes in as the host's index, any value
 */
struct vm_call_ops {
	int (*get_reg)(struct vcpu *vcpu, u64 id, void *value);
	int (*set_reg)(struct vcpu *vcpu, u64 id, const void *value);
	int (*reg_list)(struct vcpu *vcpu, u64 from, u64 *ids, u64 max, u64 *total);
	int (*vgic_init)(struct vm *vm, struct ipa dist, struct ipa redist, u64 intids, u64 count);
	int (*vgic_redist)(struct vm *vm, struct ipa base, u64 count);
	void (*vgic_reset)(struct vm *vm);
	int (*irq_line)(struct vm *vm, u64 *vcpu, u64 intid, bool level);
	int (*spe)(struct vcpu *vcpu, u64 op, u64 value);
	int (*events)(struct vcpu *vcpu, u64 raise, u64 *pending);
	int (*spe_stats)(const struct vcpu *vcpu, struct vcpu_spe_stats *stats);
};

/* Boot CPU, before the host runs; @ops is kept. */
void vm_calls_init(const struct vm_call_ops *ops);

/**
 * vm_hypercall() - carry out a call about a VM
 * @regs: the host's; x0 is the function identifier
 *
 * Return: false for another identifier (nothing was changed).
 */
bool vm_hypercall(struct host_regs *regs);

#endif
