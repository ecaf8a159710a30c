/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EL2's accesses to a vCPU's run page. The page is the host's memory, so it may fail after it was
 * shared. Then a read gives 0, a write does nothing, and vcpu->run_failed is set: the vCPU does not
 * run again, and calls that use the page return -EFAULT.
 *
 * By the vCPU's owner, while it is loaded, after the registers of the exception (ESR_EL2, FAR_EL2
 * and others) were read: a fault here overwrites them. While no vCPU is loaded, ELR_EL2 and
 * SPSR_EL2 are the host's, and the caller saves them (foreign_return_save()). Each field is read
 * once, since the host can write to it at any time.
 */
#ifndef KEEL_VM_RUN_PAGE_H
#define KEEL_VM_RUN_PAGE_H

#include <arch/foreign.h>
#include <keel/hypercall.h>
#include <vm/vm.h>

static __always_inline u64 run_read64(struct vcpu *vcpu, const unsigned long long *field)
{
	return foreign_read64(field, &vcpu->run_failed);
}

static __always_inline void run_write64(struct vcpu *vcpu, unsigned long long *field, u64 value)
{
	foreign_write64(field, value, &vcpu->run_failed);
}

static __always_inline void run_write32(struct vcpu *vcpu, unsigned int *field, u32 value)
{
	foreign_write32(field, value, &vcpu->run_failed);
}

/* The bytes of a device access, the lowest first: EL2 and the host are little-endian. */
STATIC_ASSERT(__builtin_offsetof(struct keel_run, mmio.data) % sizeof(u64) == 0, "one access");
STATIC_ASSERT(__builtin_offsetof(struct keel_run, data) % sizeof(u64) == 0, "by doublewords");

static __always_inline unsigned long long *run_doubleword(unsigned char *bytes)
{
	return (unsigned long long *)(void *)bytes;
}

static inline u64 run_answer(struct vcpu *vcpu)
{
	return run_read64(vcpu, &vcpu->run->answer);
}

#endif
