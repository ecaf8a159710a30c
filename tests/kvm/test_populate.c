// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_ARM_VCPU_SPE_INIT where the CPUs' profiling units write to guest memory (include/keel/spe.h):
 * all memory of writable slots is there when it returns, and that of slots that come later when
 * they are there. By a module that does so for the emulation too, if asked (linux/inject.h), and
 * that can let it fail. For a shipped module: nothing to test, which is a failure.
 */
#include <keel/spe.h>
#include <signal.h>
#include <sys/time.h>

#include "parameters.h"

#define SPE_BIT	   (1U << KEEL_ARM_VCPU_SPE_BIT)
#define SLOT_BASE  0x80000000ULL
#define SLOT_SIZE  (32UL << 12)
#define LARGE_SIZE (64UL << 20)
#define KIB(bytes) ((long)((bytes) / 1024))
#define ROUNDS	   500

static char *map_pages(size_t size)
{
	char *mem = map_memory(size);

	madvise(mem, size, MADV_NOHUGEPAGE);
	return mem;
}

static long spe_attr(const struct vcpu *vcpu, uint64_t which, const int *value)
{
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_SPE_CTRL,
		.attr = which,
		.addr = (uintptr_t)value,
	};

	return ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr);
}

static struct vcpu spe_vcpu(const struct vm *vm, unsigned long id)
{
	struct kvm_vcpu_init init = {
		.target = KVM_ARM_TARGET_GENERIC_V8,
		.features = { 1U << KVM_ARM_VCPU_PSCI_0_2, [KEEL_ARM_VCPU_SPE_WORD] = SPE_BIT },
	};
	struct vcpu vcpu = raw_vcpu(vm, id);

	must(ioctl(vcpu.fd, KVM_ARM_VCPU_INIT, &init), "KVM_ARM_VCPU_INIT with SPE");
	return vcpu;
}

static long spe_init(const struct vcpu *vcpu)
{
	return spe_attr(vcpu, KVM_ARM_VCPU_SPE_INIT, NULL);
}

/* A VM with GUEST_SIZE of memory, two vCPUs, a GIC, and the interrupt chosen. */
static struct vm start(struct vcpu v[2])
{
	static const int irq = KEEL_SPE_IRQ_BSA;
	struct vm vm = new_vm();
	unsigned int i;

	madvise(vm.mem, GUEST_SIZE, MADV_NOHUGEPAGE);
	for (i = 0; i < 2; i++)
		v[i] = spe_vcpu(&vm, i);
	add_gic(&vm);
	for (i = 0; i < 2; i++)
		must(spe_attr(&v[i], KVM_ARM_VCPU_SPE_IRQ, &irq), "IRQ");
	return vm;
}

static void end(const struct vm *vm, const struct vcpu v[2])
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		munmap(v[i].run, v[i].run_size);
		close(v[i].fd);
	}
	close(vm->gic);
	close(vm->fd);
	close(vm->dev);
	munmap(vm->mem, GUEST_SIZE);
}

static void is_there(long kib, const char *what)
{
	check(locked_kib() == kib, "%s: %ld KiB are there (%ld)", what, kib, locked_kib());
}

static long slot(const struct vm *vm, uint32_t id, uint32_t flags, uint64_t base, char *mem)
{
	return set_region(vm->fd, id, flags, base, mem ? SLOT_SIZE : 0, mem);
}

static void test_slots(void)
{
	char *mem = map_pages(SLOT_SIZE), *more = map_pages(SLOT_SIZE);
	long all = KIB(GUEST_SIZE + SLOT_SIZE);
	struct vcpu v[2];
	struct vm vm = start(v);

	must(slot(&vm, 1, 0, SLOT_BASE, mem), "a slot");
	must(slot(&vm, 2, KVM_MEM_READONLY, 0x90000000, more), "a read-only slot");
	is_there(0, "before INIT");
	gives(spe_init(&v[0]), 0, "INIT");
	is_there(all, "after it");
	gives(spe_init(&v[1]), 0, "INIT of another vCPU");
	is_there(all, "no more");
	gives(slot(&vm, 2, 0, 0, NULL), 0, "taking the read-only slot away");
	gives(slot(&vm, 2, 0, 0x90000000, more), 0, "a slot after INIT");
	is_there(all + KIB(SLOT_SIZE), "with its memory");
	gives(slot(&vm, 2, 0, 0x10000000, more), 0, "moving it");
	is_there(all + KIB(SLOT_SIZE), "with its memory");
	gives(slot(&vm, 2, 0, 0x10000000, NULL), 0, "taking it away");
	is_there(all, "without its memory");
	gives(slot(&vm, 2, KVM_MEM_READONLY, 0x10000000, more), 0, "a read-only slot after INIT");
	is_there(all, "as before");
	end(&vm, v);
	is_there(0, "at the end");
	munmap(mem, SLOT_SIZE);
	munmap(more, SLOT_SIZE);
}

static void test_nothing_behind(void)
{
	char *mem = map_pages(SLOT_SIZE);
	struct vcpu v[2];
	struct vm vm = start(v);

	must(slot(&vm, 1, 0, SLOT_BASE, mem), "a slot");
	munmap(mem + SLOT_SIZE / 2, SLOT_SIZE / 2);
	gives(spe_init(&v[0]), EFAULT, "INIT with half a slot without memory");
	gives(slot(&vm, 1, 0, 0, NULL), 0, "taking it away");
	gives(slot(&vm, 1, 0, SLOT_BASE, mem), EFAULT, "putting it there again");
	gives(slot(&vm, 1, 0, 0, NULL), EINVAL, "it is not there");
	gives(spe_init(&v[0]), 0, "INIT");
	is_there(KIB(GUEST_SIZE), "after it");
	end(&vm, v);
	is_there(0, "at the end");
	munmap(mem, SLOT_SIZE / 2);
}

/* The flags of a slot that is there: nothing of it is brought, and it stays, whatever is missing. */
static void test_logged(void)
{
	uint64_t bits[SLOT_SIZE / 4096 / 64 + 1] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	char *mem = map_pages(SLOT_SIZE);
	struct vcpu v[2];
	struct vm vm = start(v);

	must(slot(&vm, 1, 0, SLOT_BASE, mem), "a slot");
	must(spe_init(&v[0]), "INIT");
	munmap(mem + SLOT_SIZE / 2, SLOT_SIZE / 2);
	gives(slot(&vm, 1, 0, SLOT_BASE, mem), 0, "the same slot, with half of its memory");
	gives(slot(&vm, 1, KVM_MEM_LOG_DIRTY_PAGES, SLOT_BASE, mem), 0, "it is logged");
	gives(ioctl(vm.fd, KVM_GET_DIRTY_LOG, &log), 0, "its log");
	check(!bits[0], "nothing was written (%#llx)", (unsigned long long)bits[0]);
	gives(slot(&vm, 1, 0, SLOT_BASE, mem), 0, "it is not logged any more");
	gives(slot(&vm, 1, 0, 0, NULL), 0, "taking it away: it was there");
	is_there(KIB(GUEST_SIZE), "without its memory");
	end(&vm, v);
	is_there(0, "at the end");
	munmap(mem, SLOT_SIZE / 2);
}

static void nothing(int signal)
{
	(void)signal;
}

/* One signal, long before all of that can be there. */
static void test_signal(void)
{
	const struct itimerval once = { .it_value = { .tv_usec = 2000 } };
	const struct sigaction action = { .sa_handler = nothing };
	char *mem = map_pages(LARGE_SIZE);
	struct vcpu v[2];
	struct vm vm = start(v);
	long there;

	must(set_region(vm.fd, 1, 0, SLOT_BASE, LARGE_SIZE, mem), "a large slot");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	gives(spe_init(&v[0]), EINTR, "INIT that a signal ends");
	there = locked_kib();
	check(there < KIB(LARGE_SIZE + GUEST_SIZE), "not all is there (%ld KiB)", there);
	gives(spe_init(&v[0]), 0, "INIT again");
	is_there(KIB(LARGE_SIZE + GUEST_SIZE), "after it");
	end(&vm, v);
	is_there(0, "at the end");
	munmap(mem, LARGE_SIZE);
}

/* It goes from such a VM too; what is there again comes when the guest touches it. */
static void test_discarded(void)
{
	char *mem = map_pages(SLOT_SIZE);
	struct vcpu v[2];
	struct vm vm = start(v);

	must(slot(&vm, 1, 0, SLOT_BASE, mem), "a slot");
	must(spe_init(&v[0]), "INIT");
	is_there(KIB(GUEST_SIZE + SLOT_SIZE), "after INIT");
	must(madvise(mem, SLOT_SIZE, MADV_DONTNEED), "MADV_DONTNEED");
	must(spe_init(&v[1]), "INIT of another vCPU");
	must(slot(&vm, 1, 0, 0, NULL), "taking the slot away");
	is_there(KIB(GUEST_SIZE), "none of what was discarded");
	end(&vm, v);
	is_there(0, "at the end");
	munmap(mem, SLOT_SIZE);
}

/*
 * A page of it is broken, of which the process hears by SIGBUS: when it blocks that, too, INIT ends.
 * Without an end the alarm comes.
 */
static void test_broken(void)
{
	const struct itimerval once = { .it_value = { .tv_sec = 20 } };
	const struct itimerval never = { 0 };
	char *mem = map_pages(SLOT_SIZE);
	sigset_t bus, pending;
	struct vcpu v[2];
	struct vm vm = start(v);

	must(slot(&vm, 1, 0, SLOT_BASE, mem), "a slot");
	mem[7 * 4096] = 1;
	signal(SIGBUS, nothing); /* newer kernels send one at once, as from an access */
	if (madvise(mem + 7 * 4096, 4096, MADV_HWPOISON)) {
		check(errno == EINVAL || errno == EPERM, "the kernel can break no memory: %s",
		      strerror(errno));
		end(&vm, v);
		munmap(mem, SLOT_SIZE);
		return;
	}
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	sigprocmask(SIG_BLOCK, &bus, NULL);
	setitimer(ITIMER_REAL, &once, NULL);
	gives(spe_init(&v[0]), EHWPOISON, "INIT with a broken page, and SIGBUS blocked");
	gives(slot(&vm, 2, 0, 0x90000000, mem), EHWPOISON, "a slot with it");
	setitimer(ITIMER_REAL, &never, NULL);
	sigpending(&pending);
	check(sigismember(&pending, SIGBUS), "SIGBUS is pending");
	signal(SIGBUS, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &bus, NULL);
	signal(SIGBUS, nothing);
	gives(spe_init(&v[0]), EHWPOISON, "the same where it is not blocked");
	munmap(mem, SLOT_SIZE);
	must(slot(&vm, 1, 0, 0, NULL), "taking the slot away");
	gives(spe_init(&v[0]), 0, "INIT without it");
	end(&vm, v);
	is_there(0, "at the end");
}

/* Each thing that INIT, and a slot after it, takes fails once: a clean
 * error, and the next works. */
static int fail_init(int n)
{
	struct vcpu v[2];
	struct vm vm = start(v);
	int hit;

	write_number(FAIL_AT, n);
	if (spe_init(&v[0]) && (errno != ENOMEM || spe_init(&v[0])))
		check(false, "INIT, failure %d: %s", n, strerror(errno));
	hit = read_number(FAIL_AT) == 0;
	write_number(FAIL_AT, 0);
	if (locked_kib() != KIB(GUEST_SIZE))
		check(false, "INIT, failure %d: %ld KiB", n, locked_kib());
	end(&vm, v);
	if (locked_kib())
		check(false, "INIT, failure %d: %ld KiB are left", n, locked_kib());
	return hit;
}

static int fail_slot(const struct vm *vm, char *mem, int n)
{
	int hit;

	write_number(FAIL_AT, n);
	if (slot(vm, 1, 0, SLOT_BASE, mem)) {
		if (errno != ENOMEM || locked_kib() != KIB(GUEST_SIZE))
			check(false, "slot, failure %d: %s", n, strerror(errno));
		write_number(FAIL_AT, 0);
		must(slot(vm, 1, 0, SLOT_BASE, mem), "the slot, which is not there");
		hit = 1;
	} else {
		hit = read_number(FAIL_AT) == 0;
	}
	write_number(FAIL_AT, 0);
	if (locked_kib() != KIB(GUEST_SIZE + SLOT_SIZE))
		check(false, "slot, failure %d: %ld KiB", n, locked_kib());
	must(slot(vm, 1, 0, 0, NULL), "taking it away");
	return hit;
}

static void test_failures(void)
{
	char *mem = map_pages(SLOT_SIZE);
	struct vcpu v[2];
	struct vm vm;
	int n, before = failed;

	for (n = 1; n < ROUNDS && fail_init(n); n += n < 40 ? 1 : 17)
		;
	check(n > 40 && failed == before, "things that INIT takes failed, up to number %d", n);
	vm = start(v);
	must(spe_init(&v[0]), "INIT");
	before = failed;
	for (n = 1; n < ROUNDS && fail_slot(&vm, mem, n); n++)
		;
	check(n > 2 && n < ROUNDS && failed == before, "each of %d things that a slot takes failed",
	      n - 1);
	end(&vm, v);
	is_there(0, "at the end");
	munmap(mem, SLOT_SIZE);
}

int main(void)
{
	FILE *file = fopen(POPULATE, "r");

	if (!check(file && fgetc(file) == 'Y', "the module brings all memory at INIT"))
		return finish();
	fclose(file);
	write_number(MEMLOCK, 1);
	test_slots();
	test_nothing_behind();
	test_logged();
	test_signal();
	test_discarded();
	test_broken();
	test_failures();
	write_number(MEMLOCK, 0);
	return finish();
}
