/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's registers for userspace, under the ids of KVM's KVM_GET_ONE_REG (Linux:
 * Documentation/virt/kvm/api.rst, 4.68). All functions are for the vCPU's owner; the vCPU is
 * initialized, and not loaded.
 */
#ifndef KEEL_TRAP_ONE_REG_H
#define KEEL_TRAP_ONE_REG_H

#include <vm/run.h>

/* The longest register, a vector of SVE, in bytes. */
#define ONE_REG_BYTES_MAX 256

/**
 * one_reg_get(), one_reg_set() - read or write a register
 * @id:   any number
 * @data: as many bytes as the id says, ONE_REG_BYTES_MAX at most. The host may change it during the
 *        call: it is read once
 *
 * Return: 0; -ENOENT the id names no register of this vCPU; -EINVAL the register does not take the
 * value; -EBUSY it does not take it once a vCPU has run. An error has changed nothing.
 */
int __must_check one_reg_get(struct vcpu *vcpu, u64 id, void *data);
int __must_check one_reg_set(struct vcpu *vcpu, u64 id, const void *data);

/**
 * one_reg_list() - the ids of all registers of the vCPU
 * @from:  number of the first one to write to @ids
 * @ids:   out
 * @max:   how many @ids has room for
 * @total: out: how many registers there are in all
 *
 * Return: 0.
 */
int __must_check one_reg_list(struct vcpu *vcpu, u64 from, u64 *ids, u64 max, u64 *total);

#endif
