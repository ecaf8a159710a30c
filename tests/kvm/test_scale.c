// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many VMs at once, one that is large, and one with as many slots as there may be: what the last VM takes
 * of the host is what the first took.
 *
 *	test_scale [VMs]
 *
 * VMs: 1000 if not given. Prints what making and running the first and the last VMs took, by the counter.
 */
#include "kvmtest.h"

#include <sys/resource.h>

#define TIB	    (1ULL << 40)
#define LARGE_VCPUS 512
#define LARGE_SLOTS 32763U    /* with that of the guest's code as many as KVM has */
#define SMALL	    0x10000UL /* bytes of a small VM */
#define SAMPLE	    50	      /* VMs at each end that are compared */

/* Adds to what is at x0, and tells it. */
GUEST_CODE(add, "mov x10, #0x09000000\n"
		"1: ldr x2, [x0]\n"
		"add x2, x2, x1\n"
		"str x2, [x0]\n"
		"str x2, [x10]\n"
		"b 1b\n");

static uint64_t now(void)
{
	uint64_t count;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(count));
	return count;
}

static long free_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemFree: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* Without reports: there are a thousand of them. */
static bool tells(const struct vcpu *vcpu, uint64_t value)
{
	return !run(vcpu) && vcpu->run->exit_reason == KVM_EXIT_MMIO && mmio_value(vcpu) == value;
}

/* ---- many VMs ---- */

struct small {
	struct vm vm;
	struct vcpu vcpu;
	uint64_t took; /* by the counter */
};

static void begin(struct small *s, int dev)
{
	uint64_t from = now();

	s->vm = (struct vm){ .dev = dev, .gic = -1, .mem = map_memory(SMALL) };
	s->vm.fd = (int)must(ioctl(dev, KVM_CREATE_VM, 0UL), "KVM_CREATE_VM");
	must(set_region(s->vm.fd, 0, 0, GUEST_BASE, SMALL, s->vm.mem), "memory of a VM");
	s->vcpu = new_vcpu(&s->vm, 0);
	LOAD(&s->vm, &s->vcpu, add);
	must(set_reg(&s->vcpu, CORE_REG(regs[0]), GUEST_BASE + SMALL / 2), "x0");
	must(set_reg(&s->vcpu, CORE_REG(regs[1]), 1), "x1");
	if (!tells(&s->vcpu, 1))
		give_up("the first run of a VM");
	s->took = now() - from;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(const struct small *s)
{
	uint64_t took[SAMPLE];

	for (unsigned int i = 0; i < SAMPLE; i++)
		took[i] = s[i].took;
	qsort(took, SAMPLE, sizeof(*took), by_size);
	return took[SAMPLE / 2];
}

/* Memory that a VM takes may not grow with the number of VMs; a tenth is for what is not per VM. */
static void test_many(unsigned int count)
{
	struct small *s = calloc(count, sizeof(*s));
	struct rlimit files = { 3 * count + 1024, 3 * count + 1024 };
	long start, at_first, at_last, end, first, last;
	unsigned int good = 0;
	int dev = open_kvm();

	if (!s || setrlimit(RLIMIT_NOFILE, &files))
		give_up("room for so many VMs");
	begin(&s[0], dev); /* it brings what the module and Keel need once */
	start = at_first = at_last = free_kib();
	for (unsigned int i = 1; i < count; i++) {
		begin(&s[i], dev);
		if (i == count / 2)
			at_first = free_kib();
	}
	at_last = free_kib();
	first = (start - at_first) / (count / 2);
	last = (at_first - at_last) / (count - 1 - count / 2);
	printf("# KiB of a VM: %ld in the first half, %ld in the second\n", first, last);
	printf("# a VM to its first exit, in ticks: %llu the first %d, %llu the last\n",
	       (unsigned long long)median(s + 1), SAMPLE,
	       (unsigned long long)median(s + count - SAMPLE));
	check(last <= first + first / 10 + 4, "a VM takes %ld KiB, and %ld when there are many",
	      first, last);
	for (unsigned int i = 0; i < count; i++)
		good += tells(&s[i].vcpu, 2);
	check(good == count, "%u of %u VMs run on", good, count);
	for (unsigned int i = 0; i < count; i++) {
		end_vcpu(&s[i].vcpu);
		close(s[i].vm.fd);
		munmap(s[i].vm.mem, SMALL);
	}
	for (unsigned int i = 0; i < 100 && free_kib() < start - 16 * 1024; i++)
		usleep(100000);
	end = free_kib();
	check(end >= start - 16 * 1024, "they give back what they took: %ld KiB free, %ld before",
	      end, start);
	close(dev);
	free(s);
}

/* ---- a large one ---- */

static int ipa_bits(int dev)
{
	return ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
}

/* Each vCPU has a page of its own, 2 GiB from the next one's. */
static void test_large(void)
{
	static struct vcpu vcpus[LARGE_VCPUS];
	unsigned int good = 0, again = 0;
	struct vm vm = { .dev = open_kvm(), .gic = -1 };
	uint64_t from = now(), middle;
	char *space;

	if (ipa_bits(vm.dev) < 42 ||
	    ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS) < LARGE_VCPUS) {
		close(vm.dev);
		return;
	}
	space = mmap(NULL, TIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1, 0);
	if (space == MAP_FAILED)
		give_up("1 TiB of addresses");
	madvise(space, TIB, MADV_NOHUGEPAGE);
	vm.fd = (int)must(ioctl(vm.dev, KVM_CREATE_VM, KVM_VM_TYPE_ARM_IPA_SIZE(42)),
			  "KVM_CREATE_VM");
	vm.mem = map_memory(GUEST_SIZE);
	must(set_region(vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, vm.mem), "memory for code");
	gives(set_region(vm.fd, 1, 0, TIB, TIB, space), 0, "a slot of 1 TiB");
	for (unsigned int i = 0; i < LARGE_VCPUS; i++) {
		vcpus[i] = new_vcpu(&vm, i);
		LOAD(&vm, &vcpus[i], add);
		must(set_reg(&vcpus[i], CORE_REG(regs[0]), TIB + i * (TIB / LARGE_VCPUS)), "x0");
		must(set_reg(&vcpus[i], CORE_REG(regs[1]), i + 1), "x1");
	}
	for (unsigned int i = 0; i < LARGE_VCPUS; i++)
		good += tells(&vcpus[i], i + 1);
	check(good == LARGE_VCPUS, "%u of %u vCPUs write to their part of 1 TiB", good,
	      LARGE_VCPUS);
	middle = now();
	gives(madvise(space, TIB, MADV_DONTNEED), 0, "all of it is discarded");
	for (unsigned int i = 0; i < LARGE_VCPUS; i++)
		again += tells(&vcpus[i], i + 1);
	check(again == LARGE_VCPUS, "%u of %u find zero there", again, LARGE_VCPUS);
	gives(set_region(vm.fd, 1, 0, TIB, 0, space), 0, "deleting the slot");
	printf("# 512 vCPUs in 1 TiB, in ticks: %llu to run each, %llu to discard it and again\n",
	       (unsigned long long)(middle - from), (unsigned long long)(now() - middle));
	for (unsigned int i = 0; i < LARGE_VCPUS; i++)
		end_vcpu(&vcpus[i]);
	munmap(space, TIB);
	end_vm(&vm);
}

/* ---- as many slots as there may be ---- */

#define SLOT	   0x10000UL /* bytes of each, as many as lie between two */
#define SLOTS_BASE (1ULL << 32)

static uint64_t slot_at(unsigned int n)
{
	return SLOTS_BASE + n * 2 * SLOT;
}

/* Ticks of a round with one of @count slots: its memory is discarded, and the guest finds it zero. */
static uint64_t one_round(struct vcpu *vcpu, char *mem, unsigned int count, bool *good)
{
	unsigned int n = count / 2;
	uint64_t from;

	must(set_reg(vcpu, CORE_REG(regs[0]), slot_at(n)), "x0");
	from = now();
	must(madvise(mem + (LARGE_SLOTS - 1 - n) * SLOT, SLOT, MADV_DONTNEED), "madvise");
	*good &= tells(vcpu, 1);
	return now() - from;
}

static uint64_t fastest_round(struct vcpu *vcpu, char *mem, unsigned int count, bool *good)
{
	uint64_t least = ~0ULL, took;

	for (unsigned int i = 0; i < 50; i++) {
		took = one_round(vcpu, mem, count, good);
		least = took < least ? took : least;
	}
	return least;
}

static bool add_slots(const struct vm *vm, char *mem, unsigned int first, unsigned int end)
{
	bool good = true;

	for (unsigned int i = first; i < end; i++)
		good &= !set_region(vm->fd, i + 1, 0, slot_at(i), SLOT,
				    mem + (LARGE_SLOTS - 1 - i) * SLOT);
	return good;
}

/* The guest's code has a slot of its own. The process's memory is in the reverse order. */
static void test_slots(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	unsigned int found = 0, looked = 0, gone = 0;
	uint64_t few, many, from;
	bool good = true;
	char *mem;

	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_NR_MEMSLOTS) ==
		      LARGE_SLOTS + 1,
	      "KVM_CAP_NR_MEMSLOTS is KVM's");
	mem = mmap(NULL, LARGE_SLOTS * SLOT, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		give_up("addresses for slots");
	madvise(mem, LARGE_SLOTS * SLOT, MADV_NOHUGEPAGE);
	LOAD(&vm, &vcpu, add);
	must(set_reg(&vcpu, CORE_REG(regs[1]), 1), "x1");
	good &= add_slots(&vm, mem, 0, 10);
	few = fastest_round(&vcpu, mem, 10, &good);
	from = now();
	good &= add_slots(&vm, mem, 10, LARGE_SLOTS);
	from = now() - from;
	check(good, "%u slots", LARGE_SLOTS + 1);
	many = fastest_round(&vcpu, mem, LARGE_SLOTS, &good);
	check(good, "the guest finds zero in one whose memory is discarded");
	for (unsigned int i = 0; i < LARGE_SLOTS; i += 331) {
		memcpy(mem + (LARGE_SLOTS - 1 - i) * SLOT, &(uint64_t){ i }, 8);
		must(set_reg(&vcpu, CORE_REG(regs[0]), slot_at(i)), "x0");
		found += tells(&vcpu, i + 1);
		looked++;
	}
	check(found == looked, "the guest finds the memory of %u of %u", found, looked);
	gives(set_region(vm.fd, LARGE_SLOTS + 1, 0, 0, SLOT, mem), EINVAL, "one more");
	gives(set_region(vm.fd, 1, 0, slot_at(7), SLOT, mem + (LARGE_SLOTS - 1) * SLOT), EEXIST,
	      "one that moves onto another");
	gives(set_region(vm.fd, 1, 0, slot_at(LARGE_SLOTS), SLOT, mem + (LARGE_SLOTS - 1) * SLOT),
	      0, "one that moves above all");
	must(set_reg(&vcpu, CORE_REG(regs[0]), slot_at(LARGE_SLOTS)), "x0");
	check(tells(&vcpu, 2), "it has its memory there");
	for (unsigned int i = 1; i < LARGE_SLOTS; i += 2)
		gone += !set_region(vm.fd, i + 1, 0, slot_at(i), 0, NULL);
	check(gone == LARGE_SLOTS / 2, "%u are deleted", gone);
	must(set_reg(&vcpu, CORE_REG(regs[0]), slot_at(2)), "x0");
	check(tells(&vcpu, 1), "one between them is there");
	printf("# a page is discarded, and found again, in ticks: %llu with 11 slots, %llu with all\n"
	       "# making these slots: %llu ticks\n",
	       (unsigned long long)few, (unsigned long long)many, (unsigned long long)from);
	end_guest(&vm, &vcpu);
	munmap(mem, LARGE_SLOTS * SLOT);
}

int main(int argc, char **argv)
{
	unsigned int count = argc > 1 ? (unsigned int)atoi(argv[1]) : 1000;

	test_many(count > 2 * SAMPLE ? count : 2 * SAMPLE + 1);
	test_large();
	test_slots();
	return finish();
}
