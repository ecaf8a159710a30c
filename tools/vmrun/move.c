// SPDX-License-Identifier: BSD-2-Clause
/* Memory that moves. In the I/O thread, which alone accesses guest memory while no vCPU runs. */
#define _GNU_SOURCE /* mremap() */
#include "move.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "message.h"
#include "vcpu.h"

#define BLOCK_SIZE UINT64_C(0x200000)
/* How much of a bank gets other pages at a time. */
#define MOVED_SIZE UINT64_C(0x1000000)

static struct mover {
	struct vm *vm;
	int timer;
	unsigned int round;
	unsigned int ms;
} mover;

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* KVM_SET_USER_MEMORY_REGION: adds a slot, moves one that there is, removes it if @size is 0. */
static void set_slot(uint32_t slot, uint64_t base, uint64_t size, uint8_t *mem)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = base,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	VM_IOCTL(mover.vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Fresh pages take the place of those at @at, whose contents they have. */
static void replace_pages(uint8_t *at, uint64_t size)
{
	void *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fresh == MAP_FAILED)
		die("cannot reserve %" PRIu64 " MiB to move the guest's memory: %s", size >> 20,
		    strerror(errno));
	memcpy(fresh, at, size);
	if (mremap(fresh, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at)
		die("cannot move the guest's memory: %s", strerror(errno));
}

static void add_in_two(const struct bank *bank, uint32_t slot)
{
	uint64_t half = bank->size / 2 & ~(BLOCK_SIZE - 1);

	set_slot(slot, bank->base, half ? half : bank->size, bank->mem);
	if (half)
		set_slot(slot + SECOND_HALF_SLOT, bank->base + half, bank->size - half,
			 bank->mem + half);
}

/* First behind all memory, if there is room. */
static void add_by_moving(const struct bank *bank, uint32_t slot)
{
	uint64_t end = UINT64_C(1) << mover.vm->ipa_bits,
		 other = (end - bank->size) & ~(BLOCK_SIZE - 1);

	if (!vm_overlaps(mover.vm, other, bank->size))
		set_slot(slot, other, bank->size, bank->mem);
	set_slot(slot, bank->base, bank->size, bank->mem);
}

static void move_bank(struct bank *bank, uint32_t slot)
{
	uint64_t parts = (bank->size + MOVED_SIZE - 1) / MOVED_SIZE;
	uint64_t at = mover.round % parts * MOVED_SIZE;

	if (mover.round % 3 == 2 && bank->size / 2 >= BLOCK_SIZE)
		set_slot(slot + SECOND_HALF_SLOT, 0, 0, NULL);
	set_slot(slot, 0, 0, NULL);
	replace_pages(bank->mem + at, least(MOVED_SIZE, bank->size - at));
	switch (mover.round % 3) {
	case 0:
		set_slot(slot, bank->base, bank->size, bank->mem);
		break;
	case 1:
		add_in_two(bank, slot);
		break;
	default:
		add_by_moving(bank, slot);
		break;
	}
}

/* Once: however long a move takes, the guest has that much time after it. */
static void set_timer(void)
{
	const struct itimerspec setting = {
		.it_value = { .tv_sec = mover.ms / 1000, .tv_nsec = mover.ms % 1000 * 1000000L },
	};

	if (timerfd_settime(mover.timer, 0, &setting, NULL))
		die("cannot set a timer: %s", strerror(errno));
}

static void timer_fired(void *unused)
{
	uint64_t times;

	(void)unused;
	if (read(mover.timer, &times, sizeof(times)) != sizeof(times))
		return;
	vcpus_pause(mover.vm);
	for (unsigned int i = 0; i < mover.vm->nr_banks; i++)
		move_bank(&mover.vm->banks[i], vm_bank_slot(i));
	vcpus_resume(mover.vm);
	mover.round++;
	set_timer();
}

void move_start(struct vm *vm, unsigned int ms)
{
	struct watch watch = { .ready = timer_fired };

	mover.vm = vm;
	mover.ms = ms;
	mover.timer = watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (watch.fd < 0)
		die("cannot create a timer: %s", strerror(errno));
	set_timer();
	loop_watch(&watch);
}

void move_tell(void)
{
	warn("the guest's memory has moved %u times", mover.round);
}
