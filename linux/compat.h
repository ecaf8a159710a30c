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
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/version.h>

#include <asm/mte.h>

#include <keel/kvm_uapi.h>

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

/*
 * Whether current is the one to give a page its first tags; if so, until keel_tagging_end(). Otherwise
 * it has tags, which are there to see. Kernels before 6.2 have no lock for that (mte.c).
 */
#ifdef PG_mte_lock
#define KEEL_SHARED_TAGS true

static inline bool keel_tagging_begin(struct page *page)
{
	return try_page_mte_tagging(page);
}

static inline void keel_tagging_end(struct page *page)
{
	set_page_mte_tagged(page);
}
#else
#define KEEL_SHARED_TAGS false
extern struct mutex keel_tags_lock;

static inline bool keel_tagging_begin(struct page *page)
{
	mutex_lock(&keel_tags_lock);
	if (!page_mte_tagged(page))
		return true;
	mutex_unlock(&keel_tags_lock);
	return false;
}

static inline void keel_tagging_end(struct page *page)
{
	set_page_mte_tagged(page);
	mutex_unlock(&keel_tags_lock);
}
#endif

/* KVM_EXIT_MEMORY_FAULT, for which an older struct kvm_run has no field. */
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

/* KVM_EXIT_ARM_SEA */
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
