// SPDX-License-Identifier: BSD-2-Clause
/*
 * The size of a VM's guest physical addresses: finding out, choosing, and that it holds for memory,
 * for devices and for what the guest can reach.
 */
#include "kvmtest.h"

#define MIN_BITS 32
#define MAX_BITS 52
#define PAGE	 page
#define KIB	 0x400ULL

#define CAP_IPA		 ((unsigned long)KVM_CAP_ARM_VM_IPA_SIZE)
#define ID_AA64MMFR0_EL1 ARM64_SYS_REG(3, 0, 0, 7, 0)

#define DIST_SIZE  (64 * KIB)
#define FRAME_SIZE (128 * KIB) /* a redistributor */

static int dev, limit;
static uint64_t page; /* what slots are multiples of */

/* ---- finding out and choosing ---- */

static long create(unsigned long type)
{
	return ioctl(dev, KVM_CREATE_VM, type);
}

static bool size_exists(unsigned long bits)
{
	return bits >= MIN_BITS && bits <= (unsigned long)limit;
}

static void test_discovery(void)
{
	long fd;

	limit = ioctl(dev, KVM_CHECK_EXTENSION, CAP_IPA);
	check(limit >= MIN_BITS && limit <= MAX_BITS, "KVM_CAP_ARM_VM_IPA_SIZE: 32 to 52 (got %d)",
	      limit);
	fd = must(create(MIN_BITS), "a VM of 32 bits");
	if (on_keel() ||
	    ioctl((int)fd, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_CHECK_EXTENSION_VM))
		check(ioctl((int)fd, KVM_CHECK_EXTENSION, CAP_IPA) == limit,
		      "a VM of 32 bits tells the machine's limit, too");
	close((int)fd);
}

static void test_every_type(void)
{
	unsigned long type;
	char what[64];

	for (type = 0; type < 256; type++) {
		long fd = create(type);

		snprintf(what, sizeof(what), "KVM_CREATE_VM of type %lu", type);
		gives(fd, !type || size_exists(type) ? 0 : EINVAL, what);
		if (fd >= 0)
			close((int)fd);
	}
}

static void test_higher_bits(void)
{
	unsigned int bit;
	char what[64];

	for (bit = 8; bit < 64; bit++) {
		snprintf(what, sizeof(what), "KVM_CREATE_VM with type bit %u", bit);
		gives(create(1UL << bit), EINVAL, what);
		snprintf(what, sizeof(what), "KVM_CREATE_VM with type bit %u and 32 bits", bit);
		gives(create(1UL << bit | MIN_BITS), EINVAL, what);
	}
}

/* ---- memory slots ---- */

static void slot(int fd, unsigned int bits, uint64_t gpa, uint64_t size, void *mem, int want,
		 const char *where)
{
	char what[96];

	snprintf(what, sizeof(what), "%u bits: a slot %s", bits, where);
	if (gives(set_region(fd, 1, 0, gpa, size, mem), want, what) && !want)
		must(set_region(fd, 1, 0, 0, 0, NULL), "deleting the slot");
}

static void test_slots_of(unsigned int bits, char *mem)
{
	uint64_t edge = 1ULL << bits;
	int fd = (int)must(create(bits), "a VM");

	slot(fd, bits, edge - PAGE, PAGE, mem, 0, "that is the last page");
	slot(fd, bits, edge - 4 * PAGE, 4 * PAGE, mem, 0, "that ends at the edge");
	slot(fd, bits, edge - PAGE, 2 * PAGE, mem, EFAULT, "across the edge");
	slot(fd, bits, edge - 3 * PAGE, 4 * PAGE, mem, EFAULT, "with its last page beyond");
	slot(fd, bits, edge, PAGE, mem, EFAULT, "that begins at the edge");
	slot(fd, bits, edge + 4 * PAGE, PAGE, mem, EFAULT, "beyond the edge");
	slot(fd, bits, edge << 1, PAGE, mem, EFAULT, "at twice the size");
	slot(fd, bits, 1ULL << 62, PAGE, mem, EFAULT, "far beyond");
	slot(fd, bits, 0 - PAGE, PAGE, mem, EINVAL, "that wraps");

	/* A slot that is there can neither grow out nor be moved out. */
	must(set_region(fd, 1, 0, edge - PAGE, PAGE, mem), "the last page");
	gives(set_region(fd, 1, 0, edge, PAGE, mem), EFAULT, "moving a slot beyond the edge");
	gives(set_region(fd, 2, 0, edge - PAGE, PAGE, mem), EEXIST, "it is where it was");
	close(fd);
}

static void test_slots(void)
{
	char *mem = map_memory(4 * PAGE);
	unsigned int bits;

	for (bits = MIN_BITS; bits <= (unsigned int)limit; bits++)
		test_slots_of(bits, mem);
	munmap(mem, 4 * PAGE);
}

/* ---- frames of the interrupt controller ---- */

static int vm_with_gic(unsigned int bits, unsigned long cpus, int *fd)
{
	unsigned long i;
	int gic = -1;

	*fd = (int)must(create(bits), "a VM");
	for (i = 0; i < cpus; i++)
		close((int)must(ioctl(*fd, KVM_CREATE_VCPU, i), "KVM_CREATE_VCPU"));
	must(create_gic(*fd, 0, &gic), "KVM_CREATE_DEVICE");
	return gic;
}

static void frame(unsigned int bits, uint64_t type, uint64_t address, int want, const char *what)
{
	char text[96];
	int fd, gic = vm_with_gic(bits, 1, &fd);

	snprintf(text, sizeof(text), "%u bits: %s", bits, what);
	gives(set_gic_addr(gic, type, address), want, text);
	close(gic);
	close(fd);
}

/* Each redistributor fits, but not all of them: known when their number is, at the first run. */
static void last_redistributor(unsigned int bits)
{
	struct vm vm = { .dev = dev, .fd = (int)must(create(bits), "a VM") };
	uint64_t edge = 1ULL << bits;
	struct vcpu first = new_vcpu(&vm, 0), second = new_vcpu(&vm, 1);
	char what[96];
	int gic = -1;

	snprintf(what, sizeof(what), "%u bits: redistributors of which the second is beyond", bits);
	must(create_gic(vm.fd, 0, &gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_DIST, 0), "distributor's address");
	must(set_gic_addr(gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, edge - FRAME_SIZE), "the first fits");
	must(gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "CTRL_INIT");
	gives(ioctl(first.fd, KVM_RUN, 0), EINVAL, what);
	end_vcpu(&second);
	end_vcpu(&first);
	close(gic);
	close(vm.fd);
}

static void test_frames_of(unsigned int bits)
{
	uint64_t edge = 1ULL << bits;

	frame(bits, KVM_VGIC_V3_ADDR_TYPE_DIST, edge - DIST_SIZE, 0, "the last distributor");
	frame(bits, KVM_VGIC_V3_ADDR_TYPE_DIST, edge, E2BIG, "a distributor at the edge");
	frame(bits, KVM_VGIC_V3_ADDR_TYPE_DIST, 1ULL << 60, E2BIG, "a distributor far beyond");
	frame(bits, KVM_VGIC_V3_ADDR_TYPE_REDIST, edge - FRAME_SIZE, 0, "the last redistributor");
	frame(bits, KVM_VGIC_V3_ADDR_TYPE_REDIST, edge, E2BIG, "a redistributor at the edge");
	/* Other KVMs look at a redistributor's first half here, and at
	 * its place not at all later. */
	if (!on_keel())
		return;
	frame(bits, KVM_VGIC_V3_ADDR_TYPE_REDIST, edge - FRAME_SIZE / 2, E2BIG,
	      "a redistributor across the edge");
	last_redistributor(bits);
}

static void test_frames(void)
{
	unsigned int bits;

	for (bits = MIN_BITS; bits <= (unsigned int)limit; bits++)
		test_frames_of(bits);
}

/* ---- what guests see ---- */

/*
 * x0: the last page; x1: the first byte behind it; x2: a value; x4: a device. Tells what it reads
 * back, PARange, and ESR_EL1 and FAR_EL1 of an access beyond.
 */
GUEST_CODE(probe_code, "adr x9, probe_code\n"
		       "msr vbar_el1, x9\n"
		       "isb\n"
		       "str x2, [x0]\n"
		       "dsb sy\n"
		       "ldr x3, [x0]\n"
		       "str x3, [x4]\n"
		       "mrs x3, id_aa64mmfr0_el1\n"
		       "str x3, [x4, #8]\n"
		       "ldr x3, [x1]\n"
		       "1: str x3, [x4, #0x20]\n" /* it was not taken */
		       "b 1b\n"
		       ".org probe_code + 0x200\n"
		       "mrs x3, esr_el1\n"
		       "str x3, [x4, #0x10]\n"
		       "mrs x3, far_el1\n"
		       "str x3, [x4, #0x18]\n"
		       "1: b 1b\n");

#define REG_X(n)      CORE_REG(regs[n])
#define PARANGE_MASK  15ULL
#define EC_DABT	      0x25ULL /* from the same exception level */
#define FSC_ADDRESS_0 0x00ULL
#define FSC_EXTERNAL  0x10ULL
#define ESR_EC(esr)   ((esr) >> 26 & 0x3f)
#define ESR_FSC(esr)  ((esr)&0x3f)

static const unsigned int widths[] = { 32, 36, 40, 42, 44, 48, 52 };

static unsigned int narrowest_parange(unsigned int bits)
{
	unsigned int i;

	for (i = 0; widths[i] < bits; i++)
		;
	return i;
}

struct sized_vm {
	struct vm vm;
	struct vcpu vcpu;
	uint64_t *last; /* its last page */
};

/* A VM whose guest is about to use its last page, with a value of its own. */
static struct sized_vm sized_vm(unsigned int bits)
{
	struct sized_vm s = { .vm = { .dev = dev, .gic = -1 } };
	uint64_t edge = 1ULL << bits;

	s.vm.fd = (int)must(create(bits), "a VM");
	s.vm.mem = map_memory(GUEST_SIZE);
	s.last = (uint64_t *)map_memory(PAGE);
	must(set_region(s.vm.fd, 0, 0, GUEST_BASE, GUEST_SIZE, s.vm.mem), "memory of a VM");
	must(set_region(s.vm.fd, 1, 0, edge - PAGE, PAGE, s.last), "its last page");
	s.vcpu = new_vcpu(&s.vm, 0);
	LOAD(&s.vm, &s.vcpu, probe_code);
	must(set_reg(&s.vcpu, REG_X(0), edge - PAGE), "x0");
	must(set_reg(&s.vcpu, REG_X(1), edge), "x1");
	must(set_reg(&s.vcpu, REG_X(2), 0x1234500000000000ULL + bits), "x2");
	must(set_reg(&s.vcpu, REG_X(4), MMIO_BASE), "x4");
	return s;
}

static void end_sized_vm(struct sized_vm *s)
{
	end_vcpu(&s->vcpu);
	close(s->vm.fd);
	munmap(s->vm.mem, GUEST_SIZE);
	munmap(s->last, PAGE);
}

static void test_last_page(struct sized_vm *s, unsigned int bits)
{
	uint64_t value = 0x1234500000000000ULL + bits;
	char what[64];

	snprintf(what, sizeof(what), "%u bits: the last page", bits);
	expect_write(&s->vcpu, MMIO_BASE, 8, value, what);
	check(*s->last == value, "%u bits: userspace sees it too", bits);
}

static void test_parange(struct sized_vm *s, unsigned int bits)
{
	char what[64];

	snprintf(what, sizeof(what), "%u bits: ID_AA64MMFR0_EL1", bits);
	if (!expect_mmio(&s->vcpu, true, MMIO_BASE + 8, 8, what) || !on_keel())
		return;
	check((mmio_value(&s->vcpu) & PARANGE_MASK) == narrowest_parange(bits),
	      "%u bits: PARange is %u (got %llu)", bits, narrowest_parange(bits),
	      (unsigned long long)(mmio_value(&s->vcpu) & PARANGE_MASK));
}

/* Beyond what the CPU has, too, it is stage 1 that refuses the address: D8.2.4. */
static void test_beyond(struct sized_vm *s, unsigned int bits)
{
	uint64_t esr;
	char what[64];

	snprintf(what, sizeof(what), "%u bits: the first byte beyond", bits);
	if (!expect_mmio(&s->vcpu, true, MMIO_BASE + 0x10, 8, what))
		return;
	esr = mmio_value(&s->vcpu);
	check(ESR_EC(esr) == EC_DABT &&
		      (ESR_FSC(esr) == FSC_EXTERNAL || ESR_FSC(esr) == FSC_ADDRESS_0),
	      "%u bits: ... is an external abort or an address size fault (ESR %#llx)", bits,
	      (unsigned long long)esr);
	if (bits < (unsigned int)limit && on_keel())
		check(ESR_FSC(esr) == FSC_EXTERNAL,
		      "%u bits: ... an external abort where the machine has more", bits);
	expect_write(&s->vcpu, MMIO_BASE + 0x18, 8, 1ULL << bits, "... at that address");
}

/* All sizes at the same time, and in turns. */
static void test_guests(void)
{
	struct sized_vm vms[MAX_BITS + 1];
	unsigned int bits, most = (unsigned int)limit;

	for (bits = MIN_BITS; bits <= most; bits++)
		vms[bits] = sized_vm(bits);
	for (bits = MIN_BITS; bits <= most; bits++)
		test_last_page(&vms[bits], bits);
	for (bits = MIN_BITS; bits <= most; bits++)
		test_parange(&vms[bits], bits);
	for (bits = most; bits >= MIN_BITS; bits--)
		test_beyond(&vms[bits], bits);
	for (bits = MIN_BITS; bits <= most; bits++)
		end_sized_vm(&vms[bits]);
}

/* ---- what userspace lets the guest see ---- */

static void set_parange(const struct vcpu *vcpu, unsigned int bits, uint64_t mmfr0,
			unsigned int parange, int want)
{
	char what[64];

	snprintf(what, sizeof(what), "%u bits: setting PARange to %u", bits, parange);
	gives(set_reg(vcpu, ID_AA64MMFR0_EL1, (mmfr0 & ~PARANGE_MASK) | parange), want, what);
}

/* Down and up again to what the size is, before the first run; never above; not afterwards. */
static void test_lowering_of(unsigned int bits)
{
	struct sized_vm s = sized_vm(bits);
	uint64_t mmfr0 = get_reg(&s.vcpu, ID_AA64MMFR0_EL1);
	unsigned int most = narrowest_parange(bits), i;

	check((mmfr0 & PARANGE_MASK) == most, "%u bits: userspace reads PARange %u", bits, most);
	for (i = most + 1; i <= PARANGE_MASK; i++)
		set_parange(&s.vcpu, bits, mmfr0, i, EINVAL);
	for (i = 0; i < most; i++)
		set_parange(&s.vcpu, bits, mmfr0, i, 0);
	set_parange(&s.vcpu, bits, mmfr0, most, 0);
	set_parange(&s.vcpu, bits, mmfr0, 0, 0);

	/* The guest is told of 32 bits, and its last page is where it was. */
	test_last_page(&s, bits);
	if (expect_mmio(&s.vcpu, true, MMIO_BASE + 8, 8, "what the guest reads"))
		check(!(mmio_value(&s.vcpu) & PARANGE_MASK), "%u bits: lowered to 32", bits);
	if (most)
		set_parange(&s.vcpu, bits, mmfr0, most, EBUSY);
	set_parange(&s.vcpu, bits, mmfr0, 0, 0);
	end_sized_vm(&s);
}

static void test_lowering(void)
{
	unsigned int bits;

	for (bits = MIN_BITS; bits <= (unsigned int)limit && on_keel(); bits++)
		test_lowering_of(bits);
}

int main(void)
{
	dev = open_kvm();
	page = slot_page(dev);
	test_discovery();
	test_every_type();
	test_higher_bits();
	test_slots();
	test_frames();
	test_guests();
	test_lowering();
	return finish();
}
