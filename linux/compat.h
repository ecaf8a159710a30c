/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the kernels that keel.ko builds for, 6.1 to 6.12. No other file looks at the
 * version.
 */
#ifndef KEEL_COMPAT_H
#define KEEL_COMPAT_H

#include <linux/acpi.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/version.h>

#if !IS_ENABLED(CONFIG_KVM)
#error "a kernel with CONFIG_KVM is needed: not for its KVM, but for what it exports to one"
#endif

#ifdef CONFIG_ACPI
/* What the GTDT says of a timer's interrupt: the kernel's driver has mapped it so. */
static inline u32 keel_gtdt_flags(u32 gsi)
{
	struct acpi_table_header *table;
	const struct acpi_table_gtdt *gtdt;
	u32 flags = 0;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_GTDT, 0, &table)))
		return 0;
	gtdt = container_of(table, struct acpi_table_gtdt, header);
	if (gsi == gtdt->non_secure_el1_interrupt)
		flags = gtdt->non_secure_el1_flags;
	else if (gsi == gtdt->non_secure_el2_interrupt)
		flags = gtdt->non_secure_el2_flags;
	acpi_put_table(table);
	return flags;
}
#endif

/*
 * As the GTDT has it, else an active-high level: the kernel refuses an interrupt that it has mapped with
 * another type. Return: Linux's number; 0 if it cannot be had.
 */
static inline unsigned int keel_acpi_map_gsi(u32 gsi)
{
#ifdef CONFIG_ACPI
	u32 flags = keel_gtdt_flags(gsi);
	int irq = acpi_register_gsi(
		NULL, gsi,
		flags & ACPI_GTDT_INTERRUPT_MODE ? ACPI_EDGE_SENSITIVE : ACPI_LEVEL_SENSITIVE,
		flags & ACPI_GTDT_INTERRUPT_POLARITY ? ACPI_ACTIVE_LOW : ACPI_ACTIVE_HIGH);

	return irq > 0 ? irq : 0;
#else
	return 0;
#endif
}

static inline void keel_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* Of Linux 6.8. Its first fields are those of struct kvm_userspace_memory_region. */
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

/*
 * Whether a device's driver allows any access without caches, by Normal Non-cacheable memory. Older
 * kernels' drivers say nothing of it.
 */
static inline bool keel_vma_any_uncached(const struct vm_area_struct *vma)
{
#ifdef VM_ALLOW_ANY_UNCACHED
	return vma->vm_flags & VM_ALLOW_ANY_UNCACHED;
#else
	return false;
#endif
}

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

/* Of Linux 6.18. */
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS    244
#define GUEST_MEMFD_FLAG_MMAP	     (1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED (1ULL << 1)
#endif

/* Of Linux 6.8; no field of an older struct kvm_run is for it. */
#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif
struct keel_memory_fault {
	__u64 flags, gpa, size;
};

static inline struct keel_memory_fault *keel_memory_fault(struct kvm_run *run)
{
	BUILD_BUG_ON(sizeof(struct keel_memory_fault) > sizeof(run->padding));
	return (struct keel_memory_fault *)run->padding;
}

/* A page of a file, locked, which is allocated if it is not there. ERR_PTR. */
static inline struct folio *keel_create_folio(struct address_space *mapping, pgoff_t index)
{
	struct folio *folio = __filemap_get_folio(mapping, index, FGP_LOCK | FGP_CREAT,
						  mapping_gfp_mask(mapping));

	return folio ?: ERR_PTR(-ENOMEM);
}

/* What setattr() of an inode is told of its mount. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define KEEL_SETATTR_IDMAP struct mnt_idmap
#else
#define KEEL_SETATTR_IDMAP struct user_namespace
#endif

/* The operation that memory_failure() calls of a file's page, as @name; it has @take do the work. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define KEEL_ERROR_REMOVE(name, take)                                       \
	static int name(struct address_space *mapping, struct folio *folio) \
	{                                                                   \
		return take(mapping, folio->index, folio_nr_pages(folio));  \
	}
#define KEEL_ERROR_REMOVE_OP(name) .error_remove_folio = (name)
#else
#define KEEL_ERROR_REMOVE(name, take)                                     \
	static int name(struct address_space *mapping, struct page *page) \
	{                                                                 \
		return take(mapping, page->index, 1);                     \
	}
#define KEEL_ERROR_REMOVE_OP(name) .error_remove_page = (name)
#endif

/* Of Linux 6.2. */
#ifndef KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP
#define KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225
#endif

/* Of Linux 6.5. */
#ifndef KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE
#define KVM_CAP_ARM_EAGER_SPLIT_CHUNK_SIZE 228
#define KVM_CAP_ARM_SUPPORTED_BLOCK_SIZES  229
#endif

/* Of Linux 6.16. */
#ifndef KVM_CAP_ARM_EL2
#define KVM_CAP_ARM_EL2		       240
#define KVM_CAP_ARM_EL2_E2H0	       241
#define KVM_ARM_VCPU_HAS_EL2	       7
#define KVM_ARM_VCPU_HAS_EL2_E2H0      8
#define KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ 9
#endif

/* Of Linux 6.19. */
#ifndef KVM_CAP_ARM_SEA_TO_USER
#define KVM_CAP_ARM_SEA_TO_USER		245
#define KVM_EXIT_ARM_SEA		41
#define KVM_EXIT_ARM_SEA_FLAG_GPA_VALID (1ULL << 0)
#endif
struct keel_arm_sea {
	__u64 flags, esr, gva, gpa;
};

/*
 * No field of an older struct kvm_run is for this exit: the structure is in the padding of the
 * union.
 */
static inline struct keel_arm_sea *keel_arm_sea(struct kvm_run *run)
{
	BUILD_BUG_ON(sizeof(struct keel_arm_sea) > sizeof(run->padding));
	return (struct keel_arm_sea *)run->padding;
}

/*
 * Whether the kernel knows that a page of this compound page is broken. It says so of a hugetlb
 * page as a whole, in its head; of a transparent huge page, in a flag beside those of the pages.
 */
static inline bool keel_compound_is_broken(struct page *head)
{
	if (likely(!PageHWPoison(head) && !PageHasHWPoisoned(head)))
		return false;
	return PageHuge(head) ? PageHWPoison(head) : PageHasHWPoisoned(head);
}

/* How many entries of page tables map any of the folio. Older kernels do not export this. */
static inline int keel_folio_mapcount(struct folio *folio)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return folio_mapcount(folio);
#else
	int whole, count = 0;
	long pages = folio_nr_pages(folio);

	if (!folio_test_large(folio))
		return atomic_read(&folio->_mapcount) + 1;
	whole = folio_entire_mapcount(folio);
	if (folio_test_hugetlb(folio))
		return whole;
	for (long i = 0; i < pages; i++)
		count += atomic_read(&folio_page(folio, i)->_mapcount) + 1;
	/* A page of a file counts the entries for the whole as well. */
	if (!folio_test_anon(folio))
		return count - whole * (int)(pages - 1);
	return count + whole - (PageDoubleMap(&folio->page) ? (int)pages : 0);
#endif
}

/* The field's name differs between versions, its place does not. */
static inline bool keel_immediate_exit(struct kvm_run *run)
{
	return READ_ONCE(*((u8 *)run + offsetofend(struct kvm_run, request_interrupt_window)));
}

#endif
