// SPDX-License-Identifier: BSD-2-Clause
/* Create a VM with memory. */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"
#include "message.h"

#define DEFAULT_IPA_BITS 40 /* what type 0 stands for */
#define BLOCK_SIZE	 (UINT64_C(2) << 20)

int vm_ioctl(int fd, unsigned long request, const void *arg, const char *name)
{
	int result = ioctl(fd, request, arg);

	if (result < 0)
		die("%s failed: %s", name, strerror(errno));
	return result;
}

int vm_has(const struct vm *vm, unsigned int capability)
{
	int value = ioctl(vm->kvm, KVM_CHECK_EXTENSION, (unsigned long)capability);

	return value > 0 ? value : 0;
}

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), version;

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		die("there is no /dev/kvm: load keel.ko below Keel, or use a kernel with KVM that "
		    "was "
		    "started at EL2");
	if (fd < 0)
		die("cannot open /dev/kvm: %s%s", strerror(errno),
		    errno == EACCES ? " (be root or in the group kvm)" : "");
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		die("/dev/kvm has API version %d, not %d", version, KVM_API_VERSION);
	return fd;
}

/* The type's bits 7:0 are the IPA size, where there is the capability; its value is the limit. */
void vm_create(struct vm *vm, unsigned int ipa_bits)
{
	int limit, error;

	vm->kvm = open_kvm();
	limit = vm_has(vm, KVM_CAP_ARM_VM_IPA_SIZE);
	if (ipa_bits && !limit)
		die("this KVM has no choice of --ipa-bits: leave it out");
	vm->ipa_bits = ipa_bits ? ipa_bits : DEFAULT_IPA_BITS;
	if (limit && vm->ipa_bits > (unsigned int)limit)
		die("%u bits of guest physical address are more than this machine's %d: "
		    "use --ipa-bits %d or less",
		    vm->ipa_bits, limit, limit);
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, (unsigned long)KVM_VM_TYPE_ARM_IPA_SIZE(ipa_bits));
	error = errno;
	if (vm->fd < 0)
		die("cannot create a VM with %u bits of guest physical address: %s", vm->ipa_bits,
		    strerror(error));
}

/* Aligned as the guest sees it, so that blocks of 2 MiB can back it. */
static void *map_ram(uint64_t size)
{
	void *map = mmap(NULL, size + BLOCK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start = (uintptr_t)map;

	if (map == MAP_FAILED)
		die("cannot reserve %" PRIu64 " MiB for the guest: %s (use a smaller --mem)",
		    size >> 20, strerror(errno));
	start = (start + BLOCK_SIZE - 1) & ~(uintptr_t)(BLOCK_SIZE - 1);
	madvise((void *)start, size, MADV_HUGEPAGE); /* a wish */
	return (void *)start;
}

void vm_add_ram(struct vm *vm, uint64_t size)
{
	struct kvm_userspace_memory_region slot = {
		.slot = 0,
		.guest_phys_addr = RAM_BASE,
		.memory_size = size,
	};

	/* ipa_bits may be 64 and more only in a KVM from a far future; the shift is safe anyway. */
	if (vm->ipa_bits < 64 && size > (UINT64_C(1) << vm->ipa_bits) - RAM_BASE)
		die("%" PRIu64 " MiB of memory at 0x%" PRIx64
		    " end beyond %u-bit addresses: use a smaller "
		    "--mem or a greater --ipa-bits",
		    size >> 20, RAM_BASE, vm->ipa_bits);
	vm->ram = map_ram(size);
	vm->ram_size = size;
	slot.userspace_addr = (uintptr_t)vm->ram;
	VM_IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
}

void vm_add_steal_memory(const struct vm *vm, unsigned int count)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct kvm_userspace_memory_region slot = {
		.slot = 1,
		.guest_phys_addr = STEAL_BASE,
		.memory_size = (count * STEAL_SIZE + page - 1) & ~(page - 1),
	};
	void *map = mmap(NULL, slot.memory_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("out of memory");
	slot.userspace_addr = (uintptr_t)map;
	VM_IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
}

void *vm_ram(const struct vm *vm, uint64_t ipa, uint64_t size)
{
	if (ipa < RAM_BASE || size > vm->ram_size || ipa - RAM_BASE > vm->ram_size - size)
		return NULL;
	return vm->ram + (ipa - RAM_BASE);
}
