// SPDX-License-Identifier: BSD-2-Clause
/*
 * A device's registers as guest memory: QEMU's fw_cfg and virtio transports, which no driver has, mapped
 * by /dev/mem. As root, in a host whose kernel has the option iomem=relaxed for what drivers do have.
 */
#include "runner.h"
#include "stage2_view.h"

#define FW_CFG	      0x09020000
#define FW_SIGNATURE  16 /* of its DMA interface: a constant, in big-endian order */
#define SIGNATURE     __builtin_bswap64(0x51454d5520434647)
#define TRANSPORTS    0x0a000000
#define MAGIC	      0x74726976
#define TRANSPORT(n)  ((n)*0x200)
#define LAST	      31
#define REDISTRIBUTOR 0x080a0000

#define DEVICE 0x10000000ULL /* guest address */
#define BLOCK  0x200000UL

static size_t page;

/* Tells what is at x0; then again. */
GUEST_CODE(tell, "mov x10, #0x09000000\n"
		 "1: ldr x1, [x0]\n"
		 "str x1, [x10]\n"
		 "b 1b\n");

/* Selects fw_cfg's item 0, and tells four bytes of it. */
GUEST_CODE(ask, "mov x10, #0x09000000\n"
		"strh wzr, [x0, #8]\n"
		"ldrb w1, [x0]\n"
		"ldrb w2, [x0]\n"
		"ldrb w3, [x0]\n"
		"ldrb w4, [x0]\n"
		"orr x1, x1, x2, lsl #8\n"
		"orr x1, x1, x3, lsl #16\n"
		"orr x1, x1, x4, lsl #24\n"
		"str x1, [x10]\n"
		"b .\n");

GUEST_CODE(fetch, "adr x1, 1f\n"
		  "msr vbar_el1, x1\n"
		  "isb\n"
		  "cbz x2, 2f\n"
		  "ldr x2, [x0]\n"
		  "2: br x0\n"
		  ".balign 2048\n"
		  "1: .space 0x200\n"
		  "mov x10, #0x09000000\n"
		  "mrs x3, esr_el1\n"
		  "ubfx x3, x3, #26, #6\n"
		  "str x3, [x10]\n"
		  "b .\n");

/* Reads x0 until it is not x2 any more; tells what it is. */
GUEST_CODE(spin, "mov x10, #0x09000000\n"
		 "str xzr, [x10, #8]\n"
		 "1: ldr x1, [x0]\n"
		 "cmp x1, x2\n"
		 "b.eq 1b\n"
		 "str x1, [x10]\n"
		 "b .\n");

GUEST_CODE(store, "mov x10, #0x09000000\n"
		  "ldr x1, [x0]\n"
		  "str x1, [x10]\n"
		  "str x1, [x0]\n"
		  "str xzr, [x10, #8]\n"
		  "b .\n");

static void *map_device(uint64_t address, size_t size, int prot)
{
	int fd = (int)must(open("/dev/mem", O_RDWR | O_SYNC), "/dev/mem");
	void *mem = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)address);

	close(fd);
	return mem;
}

static void *must_map(uint64_t address, size_t size, int prot)
{
	void *mem = map_device(address, size, prot);

	if (mem == MAP_FAILED)
		give_up("mmap of a device");
	return mem;
}

static void start(struct vm *vm, struct vcpu *vcpu, const char *code, const char *end, uint64_t at)
{
	start_guest(vm, vcpu, code, end);
	must(set_reg(vcpu, CORE_REG(regs[0]), at), "x0");
	must(set_reg(vcpu, CORE_REG(regs[2]), SIGNATURE), "x2");
}

#define START(vm, vcpu, code, at) start(vm, vcpu, code, code##_end, at)

static void test_registers(void)
{
	char *device = must_map(FW_CFG, page, PROT_READ | PROT_WRITE);
	struct vcpu vcpu;
	struct vm vm;

	START(&vm, &vcpu, tell, DEVICE + FW_SIGNATURE);
	must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of a device");
	expect_write(&vcpu, MMIO_BASE, 8, SIGNATURE, "the guest reads a device's register");
	expect_write(&vcpu, MMIO_BASE, 8, SIGNATURE, "and again");
	gives(set_region(vm.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, DEVICE, page, device), EINVAL,
	      "logging a device's slot");
	gives(set_region(vm.fd, 1, 0, DEVICE, 0, device), 0, "deleting it");
	expect_mmio(&vcpu, false, DEVICE + FW_SIGNATURE, 8, "without the slot it is userspace's");
	gives(set_region(vm.fd, 1, KVM_MEM_LOG_DIRTY_PAGES, DEVICE, page, device), EINVAL,
	      "a slot of a device that is to be logged");
	end_guest(&vm, &vcpu);

	START(&vm, &vcpu, ask, DEVICE);
	must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of a device");
	expect_write(&vcpu, MMIO_BASE, 8, 0x554d4551, "what the guest writes reaches the device");
	end_guest(&vm, &vcpu);
	munmap(device, page);
}

static void test_fetch(void)
{
	char *device = must_map(FW_CFG, page, PROT_READ | PROT_WRITE);
	struct vcpu vcpu;
	struct vm vm;

	for (unsigned int seen = 0; seen < 2; seen++) {
		START(&vm, &vcpu, fetch, DEVICE + FW_SIGNATURE);
		must(set_reg(&vcpu, CORE_REG(regs[2]), seen), "x2");
		must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of a device");
		expect_write(&vcpu, MMIO_BASE, 8, 0x21,
			     seen ? "a fetch from a device that is mapped is the guest's abort"
				  : "and so is one from a device that is not");
		end_guest(&vm, &vcpu);
	}
	munmap(device, page);
}

static void test_read_only(void)
{
	char *device = must_map(FW_CFG, page, PROT_READ);
	struct vcpu vcpu;
	struct vm vm;

	START(&vm, &vcpu, store, DEVICE + FW_SIGNATURE);
	must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of a device");
	expect_write(&vcpu, MMIO_BASE, 8, SIGNATURE,
		     "what the process may read the guest may read");
	gives(run(&vcpu), EFAULT, "what it may not write the guest may not write");
	end_guest(&vm, &vcpu);
	START(&vm, &vcpu, store, DEVICE + FW_SIGNATURE);
	must(set_region(vm.fd, 1, KVM_MEM_READONLY, DEVICE, page, device), "a read-only slot");
	expect_write(&vcpu, MMIO_BASE, 8, SIGNATURE, "the guest reads");
	expect_write(&vcpu, DEVICE + FW_SIGNATURE, 8, SIGNATURE, "a write is userspace's");
	end_guest(&vm, &vcpu);
	munmap(device, page);
}

/* 2 MiB of devices, all of which the process has. */
static void test_block(void)
{
	char *space = map_memory(2 * BLOCK);
	char *room = (char *)(((uintptr_t)space + BLOCK - 1) & ~(BLOCK - 1));
	char *device = must_map(TRANSPORTS, BLOCK, PROT_READ | PROT_WRITE);
	struct vcpu vcpu;
	struct vm vm;

	if (mremap(device, BLOCK, BLOCK, MREMAP_MAYMOVE | MREMAP_FIXED, room) != room)
		give_up("mremap");
	START(&vm, &vcpu, tell, DEVICE + TRANSPORT(0));
	must(set_region(vm.fd, 1, 0, DEVICE, BLOCK, room), "a slot of 2 MiB of devices");
	if (expect_mmio(&vcpu, true, MMIO_BASE, 8, "a device at its start"))
		check((uint32_t)mmio_value(&vcpu) == MAGIC, "the first transport's magic");
	if (on_keel() && page == 4096) {
		struct mapping m = mapping_at(DEVICE);

		check(m.block == BLOCK && !strcmp(m.rights, "rw- device"),
		      "a block maps all of it: %lu bytes, %s", m.block, m.rights);
	}
	end_guest(&vm, &vcpu);
	START(&vm, &vcpu, tell, DEVICE + TRANSPORT(LAST));
	must(set_region(vm.fd, 1, 0, DEVICE, BLOCK, room), "a slot of 2 MiB of devices");
	if (expect_mmio(&vcpu, true, MMIO_BASE, 8, "another one"))
		check((uint32_t)mmio_value(&vcpu) == MAGIC, "the last transport's magic");
	/* A part of it goes. */
	munmap(room, page);
	set_reg(&vcpu, CORE_REG(regs[0]), DEVICE + TRANSPORT(0));
	gives(run(&vcpu), EFAULT, "a page that is not the process's any more");
	end_guest(&vm, &vcpu);
	munmap(space, 2 * BLOCK);
}

/* ---- it is taken back under a running vCPU ---- */

static void test_taken_back(void)
{
	char *device = must_map(FW_CFG, page, PROT_READ | PROT_WRITE);
	uint64_t *memory;
	struct runner r;
	struct vcpu vcpu;
	struct vm vm;

	START(&vm, &vcpu, spin, DEVICE + FW_SIGNATURE);
	must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of a device");
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "the guest is there");
	run_in_thread(&r, &vcpu);
	munmap(device, page);
	pthread_join(r.thread, NULL);
	errno = r.err;
	gives(r.ret, EFAULT, "KVM_RUN when the process has given the device up");
	if (mmap(device, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != device)
		give_up("mmap");
	memory = (uint64_t *)(device + FW_SIGNATURE);
	*memory = SIGNATURE;
	run_in_thread(&r, &vcpu);
	*memory = 0x1234;
	pthread_join(r.thread, NULL);
	check(!r.ret && vcpu.run->exit_reason == KVM_EXIT_MMIO && mmio_value(&vcpu) == 0x1234,
	      "memory in its place is what the guest reads");
	end_guest(&vm, &vcpu);

	/* and the other way round */
	START(&vm, &vcpu, spin, DEVICE + FW_SIGNATURE);
	must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of memory");
	*memory = SIGNATURE;
	expect_write(&vcpu, MMIO_BASE + 8, 8, 0, "the guest is there");
	run_in_thread(&r, &vcpu);
	if (mremap(must_map(TRANSPORTS, page, PROT_READ), page, page, MREMAP_MAYMOVE | MREMAP_FIXED,
		   device) != device)
		give_up("mremap");
	pthread_join(r.thread, NULL);
	check(!r.ret && vcpu.run->exit_reason == KVM_EXIT_MMIO && mmio_value(&vcpu) != SIGNATURE,
	      "a device in memory's place is what the guest reads");
	end_guest(&vm, &vcpu);
	munmap(device, page);
}

/* ---- what EL2 keeps ---- */

/* The host's own accesses there are emulated: it has LPIs. */
static void test_redistributor(void)
{
	char *device = map_device(REDISTRIBUTOR, page, PROT_READ | PROT_WRITE);
	struct vcpu vcpu;
	struct vm vm;

	if (device == MAP_FAILED || !on_keel())
		return;
	START(&vm, &vcpu, tell, DEVICE);
	must(set_region(vm.fd, 1, 0, DEVICE, page, device), "a slot of a redistributor");
	gives(run(&vcpu), EFAULT, "no guest reaches the redistributors that Keel has");
	end_guest(&vm, &vcpu);
	munmap(device, page);
}

int main(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	test_registers();
	test_fetch();
	test_read_only();
	test_block();
	test_taken_back();
	test_redistributor();
	return finish();
}
