// SPDX-License-Identifier: BSD-2-Clause
/* Create a VM with memory. */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <keel/stage2.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"
#include "message.h"

#define DEFAULT_IPA_BITS 40 /* what KVM's type 0 stands for */
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
		    "was started at EL2");
	if (fd < 0)
		die("cannot open /dev/kvm: %s%s", strerror(errno),
		    errno == EACCES ? " (be root or in the group kvm)" : "");
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		die("/dev/kvm has API version %d, not %d", version, KVM_API_VERSION);
	return fd;
}

/*
 * Bits 7:0 of the type are the IPA size, if KVM has the capability; its value is the limit. The
 * size is always given, because the meaning of type 0 on a machine with less than 40 bits differs
 * between KVMs, and some refuse it.
 */
static unsigned int choose_ipa_bits(const struct vm *vm, unsigned int wanted)
{
	unsigned int limit = (unsigned int)vm_has(vm, KVM_CAP_ARM_VM_IPA_SIZE);

	if (wanted && !limit)
		die("this KVM has no choice of --ipa-bits: leave it out");
	if (wanted > limit)
		die("%u bits of guest physical address are more than this machine's %u: "
		    "use --ipa-bits %u or less",
		    wanted, limit, limit);
	if (wanted)
		return wanted;
	return limit && limit < DEFAULT_IPA_BITS ? limit : DEFAULT_IPA_BITS;
}

static uint64_t slot_page(const struct vm *vm)
{
	uint64_t own = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t stage2 = (uint64_t)vm_has(vm, KEEL_CAP_ARM_STAGE2_PAGE_SIZE);

	return own > stage2 ? own : stage2;
}

/* Before there is memory or a vCPU. */
static void turn_tags_on(const struct vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_MTE };

	if (!vm_has(vm, KVM_CAP_ARM_MTE))
		die("this machine's KVM has no memory tags for guests: leave out --mte");
	VM_IOCTL(vm->fd, KVM_ENABLE_CAP, &cap);
}

void vm_create(struct vm *vm, unsigned int ipa_bits)
{
	unsigned int type;
	int error;

	vm->kvm = open_kvm();
	vm->ipa_bits = choose_ipa_bits(vm, ipa_bits);
	vm->page = slot_page(vm);
	type = vm_has(vm, KVM_CAP_ARM_VM_IPA_SIZE) ? vm->ipa_bits : 0;
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, (unsigned long)KVM_VM_TYPE_ARM_IPA_SIZE(type));
	error = errno;
	if (vm->fd < 0)
		die("cannot create a VM with %u bits of guest physical address: %s", vm->ipa_bits,
		    strerror(error));
	if (vm->mte)
		turn_tags_on(vm);
}

static uint64_t align_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

/* Aligned as its guest address is, so that it can be mapped in blocks of 2 MiB. */
static void *map_ram(uint64_t size)
{
	void *map = mmap(NULL, size + BLOCK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uintptr_t start = (uintptr_t)map;

	if (map == MAP_FAILED)
		die("cannot reserve %" PRIu64 " MiB for the guest: %s (use a smaller --mem)",
		    size >> 20, strerror(errno));
	start = align_up(start, BLOCK_SIZE);
	madvise((void *)start, size, MADV_HUGEPAGE); /* a hint */
	return (void *)start;
}

bool vm_overlaps(const struct vm *vm, uint64_t base, uint64_t size)
{
	for (unsigned int i = 0; i < vm->nr_banks; i++)
		if (base < vm->banks[i].base + vm->banks[i].size && vm->banks[i].base < base + size)
			return true;
	return false;
}

static void check_bank(const struct vm *vm, uint64_t base, uint64_t size)
{
	if (base < RAM_BASE)
		die("memory at 0x%" PRIx64 " is where devices are: 0x%" PRIx64 " is the least",
		    base, RAM_BASE);
	if (vm_overlaps(vm, base, size))
		die("memory at 0x%" PRIx64 " overlaps other memory", base);
}

uint32_t vm_bank_slot(unsigned int index)
{
	return index ? FURTHER_BANKS_SLOT + index : 0;
}

void vm_add_ram(struct vm *vm, uint64_t base, uint64_t size)
{
	const uint64_t end = UINT64_C(1) << vm->ipa_bits;
	const unsigned int index = vm->nr_banks;
	struct kvm_userspace_memory_region slot = {
		.slot = vm_bank_slot(index),
		.memory_size = size,
	};

	if (base == TOP_BASE)
		base = size > end ? 0 : (end - size) & ~(BLOCK_SIZE - 1);
	if (size > end || base > end - size)
		die("%" PRIu64 " MiB of memory at 0x%" PRIx64
		    " end beyond %u-bit addresses: use a smaller --mem or a greater --ipa-bits",
		    size >> 20, base, vm->ipa_bits);
	check_bank(vm, base, size);
	vm->banks[index] = (struct bank){ .base = base, .size = size, .mem = map_ram(size) };
	vm->nr_banks++;
	slot.guest_phys_addr = base;
	slot.userspace_addr = (uintptr_t)vm->banks[index].mem;
	VM_IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
}

static void *map_pages(uint64_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		die("out of memory");
	return map;
}

void vm_add_steal_memory(const struct vm *vm, unsigned int count)
{
	bool large = vm->page > (uint64_t)sysconf(_SC_PAGESIZE); /* only in huge pages */
	struct kvm_userspace_memory_region slot = {
		.slot = 1,
		.guest_phys_addr = STEAL_BASE,
		.memory_size = align_up(count * STEAL_SIZE, vm->page),
	};
	void *map = large ? map_ram(align_up(slot.memory_size, BLOCK_SIZE))
			  : map_pages(slot.memory_size);

	slot.userspace_addr = (uintptr_t)map;
	VM_IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);
}

void *vm_ram(const struct vm *vm, uint64_t ipa, uint64_t size)
{
	for (unsigned int i = 0; i < vm->nr_banks; i++) {
		const struct bank *bank = &vm->banks[i];

		if (ipa >= bank->base && size <= bank->size &&
		    ipa - bank->base <= bank->size - size)
			return bank->mem + (ipa - bank->base);
	}
	return NULL;
}
