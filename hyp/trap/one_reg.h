/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's registers for userspace, under the ids of KVM's KVM_GET_ONE_REG (Linux:
 * Documentation/virt/kvm/api.rst, 4.68). All functions: by the vCPU's owner, initialized, not
 * loaded.
 */
#ifndef KEEL_TRAP_ONE_REG_H
#define KEEL_TRAP_ONE_REG_H

#include <vm/run.h>

/* The longest register, a vector of SVE, in bytes. */
#define ONE_REG_BYTES_MAX 256

/**
 * one_reg_get(), one_reg_set() - a register
 * @id:   any number
 * @data: as many bytes as the id says, ONE_REG_BYTES_MAX at most. The host may change it meanwhile:
 *        it is read once
 *
 * Return: 0; -ENOENT for an id that names no register of this vCPU; -EINVAL for a value that it
 * does not take, -EBUSY for one that it does not take once a vCPU has run (nothing was changed).
 */
int __must_check one_reg_get(struct vcpu *vcpu, u64 id, void *data);
int __must_check one_reg_set(struct vcpu *vcpu, u64 id, const void *data);

/**
 * one_reg_list() - ids of all registers
 * @from:  number of the first that goes into @ids
 * @ids:   out
 * @max:   as many at most
 * @total: out: how many there are
 *
 * Return: 0.
 */
int __must_check one_reg_list(struct vcpu *vcpu, u64 from, u64 *ids, u64 max, u64 *total);

#endif
