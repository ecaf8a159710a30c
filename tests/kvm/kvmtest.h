/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of /dev/kvm share: reporting, and a VM in a few lines. The tests ask for what
 * KVM's documentation says, no more: they hold on Keel and on any other KVM for arm64.
 *
 * Output: a line for each check, and `N passed, M failed` at the end; exit status 0 if none failed.
 */
#ifndef KVMTEST_H
#define KVMTEST_H

#include <errno.h>
#include <fcntl.h>
#include <keel/kvm_uapi.h>
#include <keel/stage2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUEST_BASE 0x40000000ULL
#define GUEST_SIZE 0x200000ULL
#define MMIO_BASE  0x09000000ULL
#define GIC_DIST   0x08000000ULL
#define GIC_REDIST 0x080a0000ULL

#define CORE_REG(name) \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(regs.name))

/* Guest code, to run with the MMU off at any multiple of 2 KiB (what a vector table needs). */
#define GUEST_CODE(name, text)                                                             \
	__asm__(".pushsection .rodata\n.balign 2048\n.global " #name "\n" #name ":\n" text \
		"\n.global " #name "_end\n" #name "_end:\n.popsection\n");                 \
	extern const char name[], name##_end[]

static int passed, failed;

__attribute__((format(printf, 2, 3), unused)) static bool check(bool good, const char *fmt, ...)
{
	va_list args;

	printf("%s %d - ", good ? "ok" : "not ok", passed + failed + 1);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	good ? passed++ : failed++;
	return good;
}

/* What a call that returned @ret, with errno set, should give: 0 for success, else the errno. */
__attribute__((unused)) static bool gives(long ret, int want, const char *what)
{
	int got = ret < 0 ? errno : 0;

	if (got == want)
		return check(true, "%s: %s", what, want ? strerrorname_np(want) : "success");
	return check(false, "%s: expected %s, got %s", what,
		     want ? strerrorname_np(want) : "success",
		     got ? strerrorname_np(got) : "success");
}

/* An ioctl that there is not: ENOTTY, for which KVM on arm64 often says EINVAL. */
__attribute__((unused)) static bool not_there(long ret, const char *what)
{
	return check(ret < 0 && (errno == ENOTTY || errno == EINVAL), "%s is refused", what);
}

/* Whether keel.ko is what is tested. Other KVMs differ from KVM's documentation here and there. */
__attribute__((unused)) static bool on_keel(void)
{
	return !access("/sys/module/keel", F_OK);
}

/* What slots are multiples of: pages of the kernel, or larger ones of stage 2's. */
__attribute__((unused)) static uint64_t slot_page(int dev)
{
	uint64_t own = (uint64_t)sysconf(_SC_PAGESIZE);
	int stage2 = ioctl(dev, KVM_CHECK_EXTENSION, (unsigned long)KEEL_CAP_ARM_STAGE2_PAGE_SIZE);

	return stage2 > 0 && (uint64_t)stage2 > own ? (uint64_t)stage2 : own;
}

static int finish(void)
{
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}

__attribute__((noreturn, unused)) static void give_up(const char *what)
{
	check(false, "%s: %s", what, strerror(errno));
	exit(finish());
}

__attribute__((unused)) static long must(long ret, const char *what)
{
	if (ret < 0)
		give_up(what);
	return ret;
}

/* ---- a VM ---- */

struct vm {
	int dev, fd, gic;
	char *mem; /* guest memory from GUEST_BASE on */
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size; /* of its mapping, which keeps the VM as long as it is there */
};

static int open_kvm(void)
{
	return (int)must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm");
}

__attribute__((unused)) static long set_region(int fd, uint32_t slot, uint32_t flags, uint64_t gpa,
					       uint64_t size, void *mem)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	return ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void *map_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		give_up("mmap");
	return mem;
}

/* A VM without memory, vCPUs or devices. */
__attribute__((unused)) static struct vm bare_vm(void)
{
	struct vm vm = { .dev = open_kvm(), .gic = -1 };

	vm.fd = (int)must(ioctl(vm.dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	return vm;
}

__attribute__((unused)) static struct vm new_vm(void)
{
	struct vm vm = bare_vm();

	vm.mem = map_memory(GUEST_SIZE);
	must(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "memory of a VM");
	return vm;
}

__attribute__((unused)) static long init_vcpu(int fd, uint32_t features)
{
	struct kvm_vcpu_init init = { .target = KVM_ARM_TARGET_GENERIC_V8,
				      .features = { features } };

	return ioctl(fd, KVM_ARM_VCPU_INIT, &init);
}

/* One that is not initialized. */
__attribute__((unused)) static struct vcpu raw_vcpu(const struct vm *vm, unsigned long id)
{
	struct vcpu vcpu = { .fd = (int)must(ioctl(vm->fd, KVM_CREATE_VCPU, id),
					     "KVM_CREATE_VCPU") };
	long size = must(ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

	vcpu.run_size = (size_t)size;
	vcpu.run = mmap(NULL, vcpu.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
	if (vcpu.run == MAP_FAILED)
		give_up("mmap of a vCPU");
	return vcpu;
}

__attribute__((unused)) static struct vcpu new_vcpu(const struct vm *vm, unsigned long id)
{
	struct vcpu vcpu = raw_vcpu(vm, id);

	must(init_vcpu(vcpu.fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "KVM_ARM_VCPU_INIT");
	return vcpu;
}

__attribute__((unused)) static long set_reg(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg);
}

__attribute__((unused)) static uint64_t get_reg(const struct vcpu *vcpu, uint64_t id)
{
	uint64_t value = 0;
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	must(ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg), "KVM_GET_ONE_REG");
	return value;
}

/* Put @code at @gpa and let the vCPU begin there. */
__attribute__((unused)) static void load_code(const struct vm *vm, const struct vcpu *vcpu,
					      uint64_t gpa, const char *code, const char *end)
{
	memcpy(vm->mem + (gpa - GUEST_BASE), code, (size_t)(end - code));
	__builtin___clear_cache(vm->mem + (gpa - GUEST_BASE),
				vm->mem + (gpa - GUEST_BASE) + (end - code));
	must(set_reg(vcpu, CORE_REG(pc), gpa), "setting pc");
}

#define LOAD(vm, vcpu, name) load_code(vm, vcpu, GUEST_BASE, name, name##_end)

/* A new VM with one vCPU that begins with @code: LOAD's. */
__attribute__((unused)) static void start_guest(struct vm *vm, struct vcpu *vcpu, const char *code,
						const char *end)
{
	*vm = new_vm();
	*vcpu = new_vcpu(vm, 0);
	load_code(vm, vcpu, GUEST_BASE, code, end);
}

/* With the mapping, which keeps the VM as long as it is there. */
__attribute__((unused)) static void end_vcpu(const struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}

__attribute__((unused)) static void end_vm(const struct vm *vm)
{
	close(vm->fd);
	close(vm->dev);
	munmap(vm->mem, GUEST_SIZE);
}

__attribute__((unused)) static void end_guest(const struct vm *vm, const struct vcpu *vcpu)
{
	end_vcpu(vcpu);
	end_vm(vm);
}

/* KVM_RUN until there is something for userspace. */
__attribute__((unused)) static long run(const struct vcpu *vcpu)
{
	long ret;

	do
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
	while (ret < 0 && errno == EINTR && !vcpu->run->immediate_exit);
	return ret;
}

/* The next exit should be this access. */
__attribute__((unused)) static bool expect_mmio(const struct vcpu *vcpu, bool write, uint64_t addr,
						uint32_t len, const char *what)
{
	long ret = run(vcpu);
	const struct kvm_run *r = vcpu->run;

	if (ret < 0)
		return gives(ret, 0, what);
	if (r->exit_reason != KVM_EXIT_MMIO)
		return check(false, "%s: expected KVM_EXIT_MMIO, got exit %u", what,
			     r->exit_reason);
	return check(r->mmio.phys_addr == addr && r->mmio.len == len && !r->mmio.is_write == !write,
		     "%s: %s of %u bytes at %#llx (got %s, %u, %#llx)", what,
		     write ? "write" : "read", len, (unsigned long long)addr,
		     r->mmio.is_write ? "write" : "read", r->mmio.len,
		     (unsigned long long)r->mmio.phys_addr);
}

__attribute__((unused)) static uint64_t mmio_value(const struct vcpu *vcpu)
{
	uint64_t value = 0;

	memcpy(&value, vcpu->run->mmio.data, vcpu->run->mmio.len <= 8 ? vcpu->run->mmio.len : 8);
	return value;
}

__attribute__((unused)) static bool expect_write(const struct vcpu *vcpu, uint64_t addr,
						 uint32_t len, uint64_t value, const char *what)
{
	return expect_mmio(vcpu, true, addr, len, what) &&
	       check(mmio_value(vcpu) == value, "%s: value %#llx (got %#llx)", what,
		     (unsigned long long)value, (unsigned long long)mmio_value(vcpu));
}

/* ---- interrupt controller ---- */

__attribute__((unused)) static long gic_attr(int fd, unsigned long op, uint32_t group,
					     uint64_t attr, void *value)
{
	struct kvm_device_attr a = { .group = group, .attr = attr, .addr = (uintptr_t)value };

	return ioctl(fd, op, &a);
}

__attribute__((unused)) static long set_gic_addr(int fd, uint64_t type, uint64_t addr)
{
	return gic_attr(fd, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, type, &addr);
}

__attribute__((unused)) static long create_gic(int fd, uint32_t flags, int *gic)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_V3, .flags = flags };
	long ret = ioctl(fd, KVM_CREATE_DEVICE, &device);

	if (!ret)
		*gic = (int)device.fd;
	return ret;
}

/* A whole interrupt controller; the vCPUs are there already. A redistributor takes 128 KiB. */
__attribute__((unused)) static void add_gic_at(struct vm *vm, uint64_t redist)
{
	must(create_gic(vm->fd, 0, &vm->gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm->gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor's address");
	must(set_gic_addr(vm->gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, redist),
	     "redistributors' address");
	must(gic_attr(vm->gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "init of the GIC");
}

__attribute__((unused)) static void add_gic(struct vm *vm)
{
	add_gic_at(vm, GIC_REDIST);
}

#endif
