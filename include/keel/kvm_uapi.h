/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * What Linux's <linux/kvm.h> of after 6.1 has and keel.ko, its tests or vmrun use: the headers that these are
 * compiled with may be older. Names, numbers and layouts are KVM's.
 */
#ifndef KEEL_KVM_UAPI_H
#define KEEL_KVM_UAPI_H

#include <linux/kvm.h>

/* Linux 6.2 */
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif

/* Linux 6.5 */
#ifndef KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE 228
#define KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES  229
#endif

/* Linux 6.8. The first fields are those of struct kvm_userspace_memory_region. */
#ifndef KVM_SET_USER_MEMORY_REGION2
#define KVM_CAP_USER_MEMORY2 231
struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#endif

#ifndef KVM_CREATE_GUEST_MEMFD
#define KVM_CAP_GUEST_MEMFD 234
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif

/* Linux 6.16 */
#ifndef KVM_CAP_ARM_EL2
#define KVM_CAP_ARM_EL2		       240
#define KVM_CAP_ARM_EL2_E2H0	       241
#define KVM_ARM_VCPU_HAS_EL2	       7
#define KVM_ARM_VCPU_HAS_EL2_E2H0      8
#define KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ 9
#endif

/* Linux 6.18 */
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS    244
#define GUEST_MEMFD_FLAG_MMAP	     (1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED (1ULL << 1)
#endif

/* Linux 6.19 */
#ifndef KVM_CAP_ARM_SEA_TO_USER
#define KVM_CAP_ARM_SEA_TO_USER		245
#define KVM_EXIT_ARM_SEA		41
#define KVM_EXIT_ARM_SEA_FLAG_GPA_VALID (1ULL << 0)
#endif

#endif
