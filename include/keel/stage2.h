/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages of guests' stage 2: Keel's addition to KVM's API for arm64. Included by the VMM that
 * asks and by keel.ko. docs/ipa.md tells what it is for; keel/spe.h why the number is what it is.
 */
#ifndef KEEL_STAGE2_H
#define KEEL_STAGE2_H

/*
 * KVM_CHECK_EXTENSION, on /dev/kvm and on a VM: bytes of a page of stage 2, 4096, 16384 or 65536.
 * KVM_SET_USER_MEMORY_REGION takes multiples of it, or of the kernel's page size, whichever is
 * more: of guest_phys_addr, memory_size and userspace_addr; -EINVAL otherwise. Where it is more
 * than the kernel's page size, the process's memory must come in pieces as large, and so aligned,
 * as huge pages do: KVM_RUN is -EFAULT at a piece that does not. Stock KVM answers 0: there they
 * are of the kernel's page size.
 */
#define KEEL_CAP_ARM_STAGE2_PAGE_SIZE 0x4b450002

#endif
