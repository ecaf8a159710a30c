/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine and KVM's calls for it. See Documentation/virt/kvm/api.rst in Linux; the
 * files say which calls they make:
 *
 *   vm.c    KVM_GET_API_VERSION, KVM_CHECK_EXTENSION, KVM_CREATE_VM, KVM_SET_USER_MEMORY_REGION
 *   vcpu.c  KVM_CREATE_VCPU, KVM_GET_VCPU_MMAP_SIZE, KVM_ARM_PREFERRED_TARGET, KVM_ARM_VCPU_INIT,
 *           KVM_ARM_VCPU_FINALIZE, KVM_SET_DEVICE_ATTR, KVM_GET_ONE_REG, KVM_SET_ONE_REG, KVM_RUN
 *   gic.c   KVM_CREATE_DEVICE, KVM_SET_DEVICE_ATTR, KVM_IRQ_LINE, KVM_IRQFD
 *   virtio.c KVM_IOEVENTFD
 */
#ifndef VMRUN_VM_H
#define VMRUN_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/kvm_uapi.h>

#include "layout.h"

struct vcpu;

/** struct vm - all there is of a VM. Filled before vCPUs run, and constant from then on. */
struct vm {
	int kvm; /* /dev/kvm */
	int fd;	 /* the VM */
	unsigned int ipa_bits;
	uint64_t page; /* what memory slots are multiples of: keel/stage2.h */
	bool eventfds; /* use KVM_IOEVENTFD and KVM_IRQFD if KVM has them */

	bool spe;    /* the vCPUs can be profiled: Arm's SPE, keel/spe.h */
	bool mte;    /* the guest's memory has tags: KVM_CAP_ARM_MTE */
	bool nested; /* the vCPUs have an EL2 */
	bool nvhe;   /* ... whose HCR_EL2.E2H is 0 */
	bool gicv2;  /* the interrupt controller is a GICv2, not a GICv3: gic_create() */

	struct bank {
		uint64_t base, size; /* guest physical */
		uint8_t *mem;	     /* in our address space */
	} banks[MAX_BANKS];	     /* the kernel is in the first one */
	unsigned int nr_banks;

	struct vcpu *vcpus;
	unsigned int nr_cpus;
};

/**
 * vm_create() - create a VM
 * @ipa_bits: log2 of the end of its physical addresses; 0: 40, or what the machine has if it is
 *            less
 */
void vm_create(struct vm *vm, unsigned int ipa_bits);

/**
 * vm_add_ram() - give it a bank of memory; the first one is where the kernel goes
 * @base: guest physical address, a multiple of 2 MiB; or TOP_BASE, for the last where it fits
 * @size: bytes, a multiple of 4 KiB
 */
void vm_add_ram(struct vm *vm, uint64_t base, uint64_t size);

/** vm_bank_slot() - KVM's number of the slot of a bank. */
uint32_t vm_bank_slot(unsigned int index);

/** vm_overlaps() - whether there is memory of the guest's in [@base, @base + @size) */
bool vm_overlaps(const struct vm *vm, uint64_t base, uint64_t size);

/** vm_add_steal_memory() - give it memory for the stolen time of @count vCPUs, at STEAL_BASE. */
void vm_add_steal_memory(const struct vm *vm, unsigned int count);

/** vm_has() - the value of a capability, 0 if it is absent. */
int vm_has(const struct vm *vm, unsigned int capability);

/**
 * vm_ioctl() - an ioctl that can only fail if something is badly wrong
 * @fd: /dev/kvm, a VM, a vCPU or a device
 * @name: the request's name, for the message
 *
 * Return: what the ioctl returned, not negative. It does not return otherwise.
 */
int vm_ioctl(int fd, unsigned long request, const void *arg, const char *name);
#define VM_IOCTL(fd, request, arg) vm_ioctl(fd, request, arg, #request)

/** vm_ram() - [@ipa, @ipa + @size) of the guest's memory, NULL if not all of that is memory. */
void *vm_ram(const struct vm *vm, uint64_t ipa, uint64_t size);

#endif
