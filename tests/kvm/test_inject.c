// SPDX-License-Identifier: BSD-2-Clause
/*
 * Everything that keel.ko allocates fails, one after the other, in the life of a whole VM: by a
 * module with fault injection (linux/inject.h). Each time a call answers with an error that says
 * what was short, or the VM is none the worse; and what is left can be closed. For a shipped
 * module: nothing to test, which is a failure.
 */
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "parameters.h"

#define MORE_BASE  0x50000000ULL
#define MORE_SIZE  (16UL << 12)
#define SLOTS	   4
#define FAR_REDIST 0x20000000ULL
#define ROUNDS	   1000

/* Touches 16 pages, tells so, and does it once more. */
GUEST_CODE(touch, "mov x1, #0x09000000\n"
		  "2: mov x0, #0x50000000\n"
		  "1: str x0, [x0]\n"
		  "add x0, x0, #0x1000\n"
		  "tst x0, #0xffff\n"
		  "b.ne 1b\n"
		  "str w0, [x1]\n"
		  "b 2b\n");

/* ---- the life of a VM, which ends where something fails ---- */

static struct vm vm;
static struct vcpu vcpus[2];
static int events[2];
static char *more;
static bool in_regions;	  /* each redistributor has its own */
static const char *where; /* what failed, and how */
static int error;

static bool step(long ret, const char *what)
{
	if (ret >= 0)
		return true;
	error = errno;
	where = what;
	return false;
}

static bool make_vcpu(unsigned long id)
{
	struct vcpu *vcpu = &vcpus[id];

	vcpu->fd = ioctl(vm.fd, KVM_CREATE_VCPU, id);
	if (!step(vcpu->fd, "KVM_CREATE_VCPU"))
		return false;
	vcpu->run_size = 4096;
	vcpu->run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		give_up("mmap of a vCPU");
	return step(init_vcpu(vcpu->fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "KVM_ARM_VCPU_INIT");
}

/* KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION's value, for one redistributor. */
static bool place_redist(uint64_t index, uint64_t base)
{
	return step(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
				 1ULL << 52 | base | index),
		    "REDIST_REGION");
}

static bool place_redists(void)
{
	if (in_regions)
		return place_redist(0, FAR_REDIST) && place_redist(1, GIC_REDIST);
	return step(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "REDIST");
}

static bool make_gic(void)
{
	return step(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE") &&
	       step(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "DIST") &&
	       place_redists() &&
	       step(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
			     KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
		    "init of the GIC");
}

static bool make_eventfds(void)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)events[0], .gsi = 3 };
	struct kvm_ioeventfd ioeventfd = { .fd = events[1], .addr = MMIO_BASE + 8, .len = 4 };

	return step(ioctl(vm.fd, KVM_IRQFD, &irqfd), "KVM_IRQFD") &&
	       step(ioctl(vm.fd, KVM_IOEVENTFD, &ioeventfd), "KVM_IOEVENTFD");
}

static bool make_slots(void)
{
	uint32_t slot;

	for (slot = 0; slot < SLOTS; slot++)
		if (!step(set_region(vm.fd, slot + 1, 0, MORE_BASE + slot * MORE_SIZE, MORE_SIZE,
				     more + slot * MORE_SIZE),
			  "KVM_SET_USER_MEMORY_REGION"))
			return false;
	return true;
}

static bool set_pc(void)
{
	memcpy(vm.mem, touch, (size_t)(touch_end - touch));
	__builtin___clear_cache(vm.mem, vm.mem + (touch_end - touch));
	return step(set_reg(&vcpus[0], CORE_REG(pc), GUEST_BASE), "KVM_SET_ONE_REG");
}

static bool run_guest(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (!step(run(&vcpus[0]), "KVM_RUN"))
			return false;
		if (vcpus[0].run->exit_reason != KVM_EXIT_MMIO)
			give_up("an exit that is no MMIO");
	}
	return true;
}

/* A fault that the guest could not be helped with is to be had again, and then be helped with. */
static bool run_guest_again(void)
{
	if (run_guest())
		return true;
	if (read_number(FAIL_AT) > 0)
		return false;
	where = NULL;
	return run_guest();
}

/* A fault there splits nothing, but each page is given the permission by itself. */
static bool log_slot(void)
{
	uint64_t bits[MORE_SIZE / 4096 / 64 + 1];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };

	return step(set_region(vm.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, MORE_BASE, MORE_SIZE, more),
		    "logging") &&
	       run_guest_again() && step(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), "GET_DIRTY_LOG") &&
	       run_guest_again() &&
	       step(set_region(vm.fd, 1, 0, MORE_BASE, MORE_SIZE, more), "no logging") &&
	       run_guest_again();
}

static bool live(void)
{
	vm.fd = ioctl(vm.dev, KVM_CREATE_VM, 0UL);
	return step(vm.fd, "KVM_CREATE_VM") &&
	       step(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "memory") &&
	       make_vcpu(0) && make_vcpu(1) && make_gic() && make_slots() && make_eventfds() &&
	       set_pc() && run_guest_again() &&
	       step(set_region(vm.fd, 1, 0, MORE_BASE, 0, NULL), "taking memory away") &&
	       step(set_region(vm.fd, 1, 0, MORE_BASE, MORE_SIZE, more), "giving it back") &&
	       run_guest_again() && log_slot();
}

static void prepare(void)
{
	where = NULL;
	vm = (struct vm){ .dev = open_kvm(), .fd = -1, .gic = -1 };
	vcpus[0] = vcpus[1] = (struct vcpu){ .fd = -1 };
	vm.mem = map_memory(GUEST_SIZE);
	more = map_memory(SLOTS * MORE_SIZE);
	madvise(vm.mem, GUEST_SIZE, MADV_NOHUGEPAGE);
	madvise(more, SLOTS * MORE_SIZE, MADV_NOHUGEPAGE);
	events[0] = eventfd(0, EFD_NONBLOCK);
	events[1] = eventfd(0, EFD_NONBLOCK);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void clean_up(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (vcpus[i].fd >= 0)
			munmap(vcpus[i].run, vcpus[i].run_size);
		close_fd(vcpus[i].fd);
		close_fd(events[i]);
	}
	close_fd(vm.gic);
	close_fd(vm.fd);
	close_fd(vm.dev);
	munmap(vm.mem, GUEST_SIZE);
	munmap(more, SLOTS * MORE_SIZE);
}

/* ---- rounds ---- */

static bool clean_errno(int err)
{
	return err == ENOMEM || err == EMFILE;
}

/* Return: whether there was anything left to fail. */
static bool one_round(int n, int also)
{
	bool lived, hit;

	prepare();
	write_number(FAIL_MORE, also);
	write_number(FAIL_AT, n);
	lived = live();
	hit = read_number(FAIL_AT) <= 1;
	clean_up();
	write_number(FAIL_AT, 0);
	if (!lived && !clean_errno(error))
		check(false, "failure %d and %d more: %s: %s", n, also, where,
		      strerrorname_np(error));
	if (locked_kib() != 0)
		check(false, "failure %d and %d more: %ld KiB stay locked", n, also, locked_kib());
	return hit;
}

static void rounds(int also)
{
	unsigned int before = (unsigned int)failed;
	int n = 1;

	while (n < ROUNDS && one_round(n, also))
		n++;
	check(n > 40 && n < ROUNDS && (unsigned int)failed == before,
	      "each of %d things failed, and %d after it: errors were clean, nothing is left",
	      n - 1, also);
}

static void a_vm_lives_after_all_that(void)
{
	prepare();
	check(live(), "a VM without failures lives (%s)", where ? where : "all of it");
	clean_up();
}

/*
 * Memory that the process discards and that cannot be taken from the guest: the guest does not run
 * any more.
 */
static void a_failed_unmap_ends_the_vm(void)
{
	prepare();
	check(live(), "a VM lives (%s)", where ? where : "all of it");
	write_number(UNMAP_FAILS, 1);
	must(madvise(more, SLOTS * MORE_SIZE, MADV_DONTNEED), "MADV_DONTNEED");
	write_number(UNMAP_FAILS, 0);
	gives(run(&vcpus[0]), EIO, "KVM_RUN when memory could not be taken from the guest");
	gives(run(&vcpus[1]), EIO, "of another vCPU");
	gives(set_region(vm.fd, 1, 0, MORE_BASE, 0, NULL), EIO, "KVM_SET_USER_MEMORY_REGION");
	clean_up();
}

int main(void)
{
	if (access(FAIL_AT, W_OK)) {
		check(false, "the module has fault injection built in");
		return finish();
	}
	a_vm_lives_after_all_that();
	write_number(MEMLOCK, 1);
	rounds(0);
	write_number(MEMLOCK, 0);
	in_regions = true;
	rounds(0);
	rounds(1);
	rounds(100000);
	a_failed_unmap_ends_the_vm();
	a_vm_lives_after_all_that();
	return finish();
}
