// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_CREATE_GUEST_MEMFD: a file whose pages are a VM's memory, whatever the process has mapped. A slot
 * with KVM_MEM_GUEST_MEMFD names the file instead of the process's addresses; the process can map the
 * file as well, if it was made with GUEST_MEMFD_FLAG_MMAP, and sees the same pages.
 *
 * The pages are the file's from their first use until a hole is punched there, or the file is closed:
 * they are not written anywhere, not swapped out and not moved. So the guest's mappings need no
 * reference, and the kernel tells nobody of changes. The file takes from the guest what it gives up:
 * each slot of it is on its list.
 *
 * A fault holds the mapping's invalidate_lock for reading from the look-up of the page until it is
 * mapped; a hole is punched with the lock held for writing. Broken memory is taken without that lock,
 * since the kernel holds the folio's: a fault that has found it before sees by the sequence of the
 * VM's watch that it has to look again, and then that it is broken.
 *
 * Order: vm->slots_lock, invalidate_lock, a folio's lock, gmem->lock, vm->mem_lock.
 */
#include <linux/types.h> /* for falloc.h */

#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/highmem.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#include <keel/stage2.h>

#include "compat.h"
#include "keel.h"

/* The kernel's number of this file system, of Linux 6.18. */
#define GMEM_MAGIC 0x474d454d

#define GMEM_FLAGS (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/* A file. Its slots refer to it, also once it is closed. */
struct keel_gmem {
	refcount_t users;
	struct keel_vm *vm; /* as long as it is open */
	struct inode *inode;
	u64 flags;
	struct mutex lock;	/* @slots */
	struct list_head slots; /* struct keel_gmem_slot; added to under slots_lock too */
	bool closed;		/* under invalidate_lock */
};

/* ---- the file system that they are in ---- */

static int init_context(struct fs_context *context)
{
	if (!init_pseudo(context, GMEM_MAGIC))
		return -ENOMEM;
	context->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	return 0;
}

/*
 * It is mounted while there is a file. A superblock has a reference to the module, which the last file's
 * end, of which the kernel does the rest after gmem_release(), cannot do without.
 */
static struct file_system_type gmem_fs = {
	.owner = THIS_MODULE,
	.name = "keel_gmem",
	.init_fs_context = init_context,
	.kill_sb = kill_anon_super,
};

static struct vfsmount *mount; /* as long as there is a struct keel_gmem */
static int mounts;

/* ---- pages ---- */

/*
 * The page number @index, locked, with a reference; new ones are zero. It is dirty for good: a clean page
 * that no process has mapped the kernel drops from the file (soft offlining), and tells nobody.
 */
static struct folio *get_folio(struct inode *inode, pgoff_t index)
{
	struct folio *folio = keel_create_folio(inode->i_mapping, index);

	if (!IS_ERR(folio) && !folio_test_uptodate(folio)) {
		clear_highpage(folio_page(folio, 0));
		folio_mark_uptodate(folio);
		folio_mark_dirty(folio);
	}
	return folio;
}

static vm_fault_t gmem_fault(struct vm_fault *vmf)
{
	struct keel_gmem *gmem = vmf->vma->vm_file->private_data;
	struct folio *folio;

	if (vmf->pgoff >= i_size_read(gmem->inode) >> PAGE_SHIFT ||
	    !(gmem->flags & GUEST_MEMFD_FLAG_INIT_SHARED))
		return VM_FAULT_SIGBUS;
	folio = get_folio(gmem->inode, vmf->pgoff);
	if (IS_ERR(folio))
		return vmf_error(PTR_ERR(folio));
	if (folio_test_hwpoison(folio)) {
		folio_unlock(folio);
		folio_put(folio);
		return VM_FAULT_HWPOISON;
	}
	vmf->page = folio_page(folio, 0);
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct vm_ops = {
	.fault = gmem_fault,
};

/* It is mapped where the kernel does not know. */
static int refuse_to_move(struct address_space *mapping, struct folio *to, struct folio *from,
			  enum migrate_mode mode)
{
	return -EBUSY;
}

/* ---- what the guest has of it ---- */

/* Under gmem->lock: take pages @first up to @end of the file from the guest, some at a time. */
static void take_from(const struct keel_gmem_slot *slot, pgoff_t first, pgoff_t end)
{
	pgoff_t from = max(first, slot->pgoff), to = min(end, slot->pgoff + slot->npages);
	u64 gfn = slot->gfn + (from - slot->pgoff), count;

	if (from >= to)
		return;
	keel_watch_change(&slot->vm->watch);
	for (; from < to; from += count, gfn += count) {
		count = min(KEEL_TAKE_PAGES, (u64)(to - from));
		mutex_lock(&slot->vm->mem_lock);
		keel_take(slot->vm, gfn, gfn + count - 1);
		mutex_unlock(&slot->vm->mem_lock);
	}
}

static void take_range(struct keel_gmem *gmem, pgoff_t first, pgoff_t end)
{
	const struct keel_gmem_slot *slot;

	mutex_lock(&gmem->lock);
	list_for_each_entry (slot, &gmem->slots, in_file)
		take_from(slot, first, end);
	mutex_unlock(&gmem->lock);
}

/* memory_failure() has the folio locked. It stays in the file, broken, until userspace acts. */
static int take_broken(struct address_space *mapping, pgoff_t index, unsigned long pages)
{
	take_range(mapping->host->i_private, index, index + pages);
	return -EBUSY;
}

KEEL_ERROR_REMOVE(remove_broken, take_broken)

static const struct address_space_operations aops = {
	.dirty_folio = noop_dirty_folio,
	.migrate_folio = refuse_to_move,
	KEEL_ERROR_REMOVE_OP(remove_broken),
};

int keel_gmem_begin(struct keel_gmem_slot *file, u64 gfn, struct keel_gmem_page *page)
{
	struct keel_gmem *gmem = file->gmem;
	struct address_space *mapping = gmem->inode->i_mapping;
	struct folio *folio;

	/* A hole of terabytes takes minutes, in which KVM_RUN can be interrupted, as on KVM. */
	if (down_read_interruptible(&mapping->invalidate_lock))
		return -EINTR;
	if (gmem->closed) {
		filemap_invalidate_unlock_shared(mapping);
		return -EFAULT;
	}
	page->sequence = smp_load_acquire(&file->vm->watch.sequence);
	folio = get_folio(gmem->inode, file->pgoff + (gfn - file->gfn));
	if (IS_ERR(folio)) {
		filemap_invalidate_unlock_shared(mapping);
		return PTR_ERR(folio) == -EINTR ? -EINTR : -ENOMEM;
	}
	folio_unlock(folio);
	page->page = folio_page(folio, 0);
	if (!folio_test_hwpoison(folio))
		return 0;
	keel_gmem_end(file, page);
	return -EHWPOISON;
}

void keel_gmem_end(struct keel_gmem_slot *file, const struct keel_gmem_page *page)
{
	put_page(page->page);
	filemap_invalidate_unlock_shared(file->gmem->inode->i_mapping);
}

/* ---- the file ---- */

static void put_gmem(struct keel_gmem *gmem)
{
	if (!refcount_dec_and_test(&gmem->users))
		return;
	put_write_access(gmem->inode);
	iput(gmem->inode);
	kfree(gmem);
	simple_release_fs(&mount, &mounts);
}

static long punch_hole(struct keel_gmem *gmem, loff_t offset, loff_t size)
{
	struct address_space *mapping = gmem->inode->i_mapping;

	filemap_invalidate_lock(mapping);
	take_range(gmem, offset >> PAGE_SHIFT, (offset + size) >> PAGE_SHIFT);
	truncate_inode_pages_range(mapping, offset, offset + size - 1);
	filemap_invalidate_unlock(mapping);
	return 0;
}

static long allocate(struct keel_gmem *gmem, loff_t offset, loff_t size)
{
	struct address_space *mapping = gmem->inode->i_mapping;
	pgoff_t index = offset >> PAGE_SHIFT, end = (offset + size) >> PAGE_SHIFT;
	long ret = 0;

	if (offset + size > i_size_read(gmem->inode))
		return -EINVAL;
	filemap_invalidate_lock_shared(mapping);
	for (; index < end && !ret; index++) {
		struct folio *folio = signal_pending(current) ? ERR_PTR(-EINTR)
							      : get_folio(gmem->inode, index);

		ret = PTR_ERR_OR_ZERO(folio);
		if (!ret) {
			folio_unlock(folio);
			folio_put(folio);
		}
		cond_resched();
	}
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

/* The kernel has checked that @offset and @size are positive, and their sum no more than a loff_t's. */
static long gmem_fallocate(struct file *file, int mode, loff_t offset, loff_t size)
{
	if (!(mode & FALLOC_FL_KEEP_SIZE) || mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size))
		return -EINVAL;
	return mode & FALLOC_FL_PUNCH_HOLE ? punch_hole(file->private_data, offset, size)
					   : allocate(file->private_data, offset, size);
}

static int gmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct keel_gmem *gmem = file->private_data;

	if (!(gmem->flags & GUEST_MEMFD_FLAG_MMAP))
		return -ENODEV;
	if ((vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) != (VM_SHARED | VM_MAYSHARE))
		return -EINVAL;
	vma->vm_ops = &vm_ops;
	return 0;
}

/* Slots that name it stay, and have no memory. */
static int gmem_release(struct inode *inode, struct file *file)
{
	struct keel_gmem *gmem = file->private_data;
	struct keel_vm *vm = gmem->vm;

	filemap_invalidate_lock(inode->i_mapping);
	gmem->closed = true;
	take_range(gmem, 0, ULONG_MAX);
	truncate_inode_pages(inode->i_mapping, 0);
	filemap_invalidate_unlock(inode->i_mapping);
	put_gmem(gmem);
	keel_vm_put(vm);
	return 0;
}

static const struct file_operations gmem_fops = {
	.owner = THIS_MODULE,
	.mmap = gmem_mmap,
	.fallocate = gmem_fallocate,
	.release = gmem_release,
	.llseek = noop_llseek,
};

/* Its size is what it was made with, and its owner is who has made it. */
static int gmem_setattr(KEEL_SETATTR_IDMAP *idmap, struct dentry *dentry, struct iattr *attr)
{
	return -EINVAL;
}

static const struct inode_operations gmem_iops = {
	.setattr = gmem_setattr,
};

static struct inode *make_inode(loff_t size)
{
	struct inode *inode = keel_inject() ? ERR_PTR(-ENOMEM) : alloc_anon_inode(mount->mnt_sb);

	if (IS_ERR(inode))
		return inode;
	inode->i_op = &gmem_iops;
	inode->i_mapping->a_ops = &aops;
	inode->i_mode |= S_IFREG;
	/* The kernel may make huge pages of a file that nobody can write to. */
	atomic_inc(&inode->i_writecount);
	i_size_write(inode, size);
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(inode->i_mapping);
	return inode;
}

static struct keel_gmem *make_gmem(struct keel_vm *vm, const struct kvm_create_guest_memfd *args)
{
	struct keel_gmem *gmem = kzalloc(sizeof(*gmem), GFP_KERNEL_ACCOUNT);
	long err;

	if (!gmem)
		return ERR_PTR(-ENOMEM);
	err = simple_pin_fs(&gmem_fs, &mount, &mounts);
	if (err)
		goto no_mount;
	gmem->inode = make_inode(args->size);
	err = PTR_ERR_OR_ZERO(gmem->inode);
	if (err)
		goto no_inode;
	refcount_set(&gmem->users, 1);
	gmem->vm = vm;
	gmem->flags = args->flags;
	mutex_init(&gmem->lock);
	INIT_LIST_HEAD(&gmem->slots);
	gmem->inode->i_private = gmem;
	return gmem;

no_inode:
	simple_release_fs(&mount, &mounts);
no_mount:
	kfree(gmem);
	return ERR_PTR(err);
}

/* The file has a reference to the inode of its own, to the VM, and to this module. */
static struct file *make_file(struct keel_gmem *gmem)
{
	struct file *file;

	if (!try_module_get(THIS_MODULE))
		return ERR_PTR(-ENODEV);
	ihold(gmem->inode);
	file = alloc_file_pseudo(gmem->inode, mount, "[kvm-gmem]", O_RDWR, &gmem_fops);
	if (IS_ERR(file)) {
		iput(gmem->inode);
		module_put(THIS_MODULE);
		return file;
	}
	file->f_flags |= O_LARGEFILE;
	file->private_data = gmem;
	keel_vm_get(gmem->vm);
	return file;
}

int keel_gmem_create(struct keel_vm *vm, const struct kvm_create_guest_memfd *args)
{
	struct keel_gmem *gmem;
	struct file *file;
	int fd;

	if (!keel_gmem_flags() || args->flags & ~GMEM_FLAGS)
		return -EINVAL;
	if ((loff_t)args->size <= 0 || !PAGE_ALIGNED(args->size))
		return -EINVAL;
	fd = get_unused_fd_flags(0);
	if (fd < 0)
		return fd;
	gmem = make_gmem(vm, args);
	file = IS_ERR(gmem) ? ERR_CAST(gmem) : make_file(gmem);
	if (!IS_ERR(file)) {
		fd_install(fd, file);
		return fd;
	}
	if (!IS_ERR(gmem))
		put_gmem(gmem);
	put_unused_fd(fd);
	return PTR_ERR(file);
}

int keel_gmem_flags(void)
{
	/* Its pages are the kernel's; those of stage 2 may be larger. */
	int stage2_page = keel_check_extension(NULL, KEEL_CAP_ARM_STAGE2_PAGE_SIZE);

	return stage2_page <= (int)PAGE_SIZE ? GMEM_FLAGS : 0;
}

/* ---- slots of it ---- */

static bool overlaps_slot(const struct keel_gmem *gmem, u64 pgoff, u64 npages)
{
	const struct keel_gmem_slot *slot;

	list_for_each_entry (slot, &gmem->slots, in_file)
		if (pgoff < slot->pgoff + slot->npages && slot->pgoff < pgoff + npages)
			return true;
	return false;
}

/* A guest without private memory has all of it mapped by the process, too, or could. */
static int check_binding(const struct keel_vm *vm, const struct keel_gmem *gmem, u64 offset,
			 u64 npages)
{
	if (gmem->vm != vm || !PAGE_ALIGNED(offset) || (loff_t)offset < 0 ||
	    offset + (npages << PAGE_SHIFT) > i_size_read(gmem->inode))
		return -EINVAL;
	return gmem->flags & GUEST_MEMFD_FLAG_MMAP ? 0 : -EINVAL;
}

static int add_to_file(struct keel_gmem *gmem, struct keel_gmem_slot *slot)
{
	int ret = -EINVAL;

	mutex_lock(&gmem->lock);
	if (!overlaps_slot(gmem, slot->pgoff, slot->npages)) {
		list_add(&slot->in_file, &gmem->slots);
		refcount_inc(&gmem->users);
		ret = 0;
	}
	mutex_unlock(&gmem->lock);
	return ret;
}

static struct keel_gmem_slot *bind_to(struct keel_vm *vm, struct keel_gmem *gmem,
				      const struct keel_slot *slot, u64 offset)
{
	struct keel_gmem_slot *file;
	int ret = check_binding(vm, gmem, offset, slot->npages);

	if (ret)
		return ERR_PTR(ret);
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return ERR_PTR(-ENOMEM);
	file->vm = vm;
	file->gfn = slot->gfn;
	file->gmem = gmem;
	file->pgoff = offset >> PAGE_SHIFT;
	file->npages = slot->npages;
	refcount_set(&file->users, 1);
	ret = add_to_file(gmem, file);
	if (!ret)
		return file;
	kfree(file);
	return ERR_PTR(ret);
}

struct keel_gmem_slot *keel_gmem_bind(struct keel_vm *vm, const struct keel_slot *slot, int fd,
				      u64 offset)
{
	struct keel_gmem_slot *bound = ERR_PTR(-EINVAL);
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &gmem_fops)
		bound = bind_to(vm, file->private_data, slot, offset);
	fput(file);
	return bound;
}

void keel_gmem_unbind(struct keel_gmem_slot *file)
{
	mutex_lock(&file->gmem->lock);
	list_del(&file->in_file);
	mutex_unlock(&file->gmem->lock);
	keel_gmem_drop(file);
}

void keel_gmem_drop(struct keel_gmem_slot *file)
{
	if (!refcount_dec_and_test(&file->users))
		return;
	put_gmem(file->gmem);
	kfree_rcu(file, rcu);
}
