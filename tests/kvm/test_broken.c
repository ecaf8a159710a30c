// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory that is broken, and that the guest is the first to find out: by a module with fault
 * injection (linux/inject.h), which takes an interrupt's exit for an external abort there. For a
 * shipped module: nothing to test, which is a failure.
 */
#include <signal.h>

#include "parameters.h"

#define ABORT_AT   PARAMETER("abort_at")
#define ABORT_TOLD PARAMETER("abort_told")
#define BROKEN	   (GUEST_BASE + 0x8000)

#ifndef KVM_CAP_ARM_SEA_TO_USER
#define KVM_CAP_ARM_SEA_TO_USER 245
#endif
#define EXIT_ARM_SEA 41

struct arm_sea {
	uint64_t flags, esr, gva, gpa;
};

/* Writes to the page, and tells; then spins until x0 is set, and reads what is there. */
GUEST_CODE(touches, "mov x1, #0x09000000\n"
		    "mov x2, #0x40000000\n"
		    "add x2, x2, #0x8000\n"
		    "mov x3, #77\n"
		    "str x3, [x2]\n"
		    "str x1, [x1]\n"
		    "mov x0, #0\n"
		    "1: cbz x0, 1b\n"
		    "ldr x3, [x2]\n"
		    "str x3, [x1, #8]\n"
		    "b .\n");

static volatile sig_atomic_t bus_code;
static void *volatile bus_address;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (signal != SIGBUS)
		return;
	bus_code = info->si_code;
	bus_address = info->si_addr;
}

static struct vm vm;
static struct vcpu vcpu;

static void start(void)
{
	vm = new_vm();
	vcpu = new_vcpu(&vm, 0);
	LOAD(&vm, &vcpu, touches);
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest has the page");
	bus_code = 0;
	bus_address = NULL;
}

static void stop(void)
{
	munmap(vcpu.run, vcpu.run_size);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
	munmap(vm.mem, GUEST_SIZE);
}

/* It spins behind "mov x0, #0", if it has got there. */
static void let_it_read(void)
{
	must(set_reg(&vcpu, CORE_REG(regs[0]), 1), "setting x0");
	must(set_reg(&vcpu, CORE_REG(pc), GUEST_BASE + 28), "setting pc");
}

static void test_broken(void)
{
	long ret;

	start();
	write_number(ABORT_AT, BROKEN);
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR, "the guest meets broken memory: EINTR (%s)",
	      ret < 0 ? strerror(errno) : "success");
	check(bus_code == BUS_MCEERR_AR && bus_address == vm.mem + 0x8000,
	      "SIGBUS says what and where: code %d, address %p (%p)", (int)bus_code, bus_address,
	      (void *)(vm.mem + 0x8000));
	bus_code = 0;
	let_it_read();
	ret = ioctl(vcpu.fd, KVM_RUN, 0);
	check(ret < 0 && errno == EINTR && bus_code == BUS_MCEERR_AR,
	      "... and again, when it touches the page: the kernel has taken it");
	if (mmap(vm.mem + 0x8000, 0x1000, PROT_READ | PROT_WRITE,
		 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		give_up("mmap");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "with other memory there it goes on");
	stop();
}

/* The guest's doing, as far as anybody knows: the page stays. */
static void test_not_broken(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_SEA_TO_USER };
	const struct arm_sea *sea;
	long ret;

	start();
	must(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), "KVM_ENABLE_CAP");
	write_number(ABORT_TOLD, 1);
	write_number(ABORT_AT, BROKEN);
	ret = run(&vcpu);
	write_number(ABORT_TOLD, 0);
	sea = (const struct arm_sea *)(const void *)vcpu.run->padding;
	check(!ret && vcpu.run->exit_reason == EXIT_ARM_SEA, "KVM_EXIT_ARM_SEA (exit %u)",
	      vcpu.run->exit_reason);
	check(sea->flags == 1 && sea->gpa == BROKEN && sea->gva == (BROKEN | 0x123) &&
		      sea->esr == 0x92000010,
	      "it says what and where (%#llx, %#llx, %#llx, %#llx)", (unsigned long long)sea->flags,
	      (unsigned long long)sea->gpa, (unsigned long long)sea->gva,
	      (unsigned long long)sea->esr);
	let_it_read();
	expect_write(&vcpu, MMIO_BASE + 8, 8, 77, "the page is there still");
	check(!bus_code, "there was no signal");
	stop();
}

int main(void)
{
	const struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	if (access(ABORT_AT, W_OK))
		give_up("this module has no fault injection");
	sigaction(SIGBUS, &action, NULL);
	test_broken();
	test_not_broken();
	return finish();
}
