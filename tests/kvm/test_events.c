// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS: errors that userspace has a guest meet. That a guest
 * takes an SError only when it does not mask it, and an external abort at once, in place of the
 * access that userspace was asked for.
 */
#include "kvmtest.h"

#define ESR_DABT_CUR 0x25
#define ESR_SERROR   0x2f
#define EXTABT	     0x10

/*
 * Vectors behind the code: each tells its offset, ESR_EL1, FAR_EL1 and ELR_EL1. Entries of EL1h:
 * synchronous at 0x200, SError at 0x380. x20: how far the guest has come.
 */
#define VECTORS                \
	"b .\n"                \
	".balign 2048\n"       \
	"1: .space 0x200\n"    \
	"mov x2, #0x200\n"     \
	"b 2f\n"               \
	".org 1b + 0x380\n"    \
	"mov x2, #0x380\n"     \
	"2: mrs x3, esr_el1\n" \
	"mrs x4, far_el1\n"    \
	"mrs x5, elr_el1\n"    \
	"str x2, [x1, #256]\n" \
	"str x3, [x1, #264]\n" \
	"str x4, [x1, #272]\n" \
	"str x5, [x1, #280]\n" \
	"b .\n"

GUEST_CODE(reads, "adr x0, 1f\n"
		  "msr vbar_el1, x0\n"
		  "isb\n"
		  "mov x1, #0x09000000\n"
		  "mov x6, #0x1234\n"
		  "ldr x6, [x1, #16]\n"
		  "str x6, [x1, #288]\n" VECTORS);

/* Masked as at reset, until it has told of it twice. */
GUEST_CODE(unmasks, "adr x0, 1f\n"
		    "msr vbar_el1, x0\n"
		    "isb\n"
		    "mov x1, #0x09000000\n"
		    "str x1, [x1]\n"
		    "str x1, [x1, #8]\n"
		    "msr daifclr, #4\n"
		    "isb\n"
		    "str x1, [x1, #16]\n" VECTORS);

static struct vm vm;
static struct vcpu vcpu;

static long set(struct kvm_vcpu_events events)
{
	return ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, &events);
}

static struct kvm_vcpu_events get(void)
{
	struct kvm_vcpu_events events;

	memset(&events, 0xff, sizeof(events));
	must(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	return events;
}

static long extension(int cap)
{
	return ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)cap);
}

static const struct kvm_vcpu_events serror = { .exception.serror_pending = 1 };
static const struct kvm_vcpu_events abort_event = { .exception.ext_dabt_pending = 1 };

static void test_arguments(void)
{
	static const struct kvm_vcpu_events none;
	struct kvm_vcpu_events events = serror;
	bool has_esr = extension(KVM_CAP_ARM_INJECT_SERROR_ESR) > 0;

	check(extension(KVM_CAP_VCPU_EVENTS) == 1, "KVM_CAP_VCPU_EVENTS");
	check(extension(KVM_CAP_ARM_INJECT_EXT_DABT) == 1, "KVM_CAP_ARM_INJECT_EXT_DABT");
	gives(ioctl(vcpu.fd, KVM_GET_VCPU_EVENTS, NULL), EFAULT, "KVM_GET_VCPU_EVENTS to nowhere");
	gives(ioctl(vcpu.fd, KVM_SET_VCPU_EVENTS, NULL), EFAULT,
	      "KVM_SET_VCPU_EVENTS from nowhere");
	events.reserved[11] = 1;
	gives(set(events), EINVAL, "a reserved field");
	events = serror;
	events.exception.pad[4] = 1;
	gives(set(events), EINVAL, "padding");
	events = serror;
	events.exception.serror_has_esr = 1;
	events.exception.serror_esr = 1ULL << 25;
	gives(set(events), EINVAL, "a syndrome that there cannot be");
	if (!has_esr) {
		events.exception.serror_esr = 0;
		gives(set(events), EINVAL, "a syndrome without KVM_CAP_ARM_INJECT_SERROR_ESR");
	}
	check(!get().exception.serror_pending, "nothing came of these");
	gives(set(none), 0, "no event");
	events = get();
	check(!events.exception.serror_pending && !events.exception.ext_dabt_pending &&
		      !!events.exception.serror_has_esr == has_esr,
	      "no event is pending");
}

static void test_uninitialized(void)
{
	struct vcpu raw = raw_vcpu(&vm, 1);
	struct kvm_vcpu_events events = serror;

	if (on_keel()) { /* KVM's answer has changed */
		gives(ioctl(raw.fd, KVM_GET_VCPU_EVENTS, &events), ENOEXEC,
		      "KVM_GET_VCPU_EVENTS before KVM_ARM_VCPU_INIT");
		gives(ioctl(raw.fd, KVM_SET_VCPU_EVENTS, &events), ENOEXEC,
		      "KVM_SET_VCPU_EVENTS before it");
	}
	end_vcpu(&raw);
}

/* What the vectors tell: that the exception is taken there, of that class, from that address. */
static void expect_exception(uint64_t vector, uint64_t class, uint64_t far, uint64_t elr)
{
	uint64_t esr;

	expect_write(&vcpu, MMIO_BASE + 256, 8, vector, "the exception");
	if (!expect_mmio(&vcpu, true, MMIO_BASE + 264, 8, "its syndrome"))
		return;
	esr = mmio_value(&vcpu);
	check(esr >> 26 == class, "class %#llx (%#llx)", (unsigned long long)class,
	      (unsigned long long)esr);
	if (class == ESR_DABT_CUR)
		check((esr & 0x3f) == EXTABT, "a synchronous external abort");
	expect_mmio(&vcpu, true, MMIO_BASE + 272, 8, "its address");
	if (class == ESR_DABT_CUR)
		check(mmio_value(&vcpu) == far, "... is %#llx (%#llx)", (unsigned long long)far,
		      (unsigned long long)mmio_value(&vcpu));
	if (!expect_mmio(&vcpu, true, MMIO_BASE + 280, 8, "where it was taken"))
		return;
	/* An SError is taken between its unmasking and the ISB's end. */
	check(mmio_value(&vcpu) == elr || (class == ESR_SERROR && mmio_value(&vcpu) == elr - 4),
	      "... is %#llx (%#llx)", (unsigned long long)elr,
	      (unsigned long long)mmio_value(&vcpu));
}

static void test_abort_of_a_read(void)
{
	start_guest(&vm, &vcpu, reads, reads_end);
	if (expect_mmio(&vcpu, false, MMIO_BASE + 16, 8, "a read")) {
		memset(vcpu.run->mmio.data, 0x77, 8);
		gives(set(abort_event), 0, "an external abort in place of its data");
		check(!get().exception.ext_dabt_pending, "it is taken, and not pending");
		expect_exception(0x200, ESR_DABT_CUR, MMIO_BASE + 16, GUEST_BASE + 20);
		check(get_reg(&vcpu, CORE_REG(regs[6])) == 0x1234, "the read has read nothing");
	}
	end_guest(&vm, &vcpu);
}

static void test_serror(void)
{
	start_guest(&vm, &vcpu, unmasks, unmasks_end);
	test_arguments();
	test_uninitialized();
	expect_mmio(&vcpu, true, MMIO_BASE, 8, "the guest runs with SErrors masked");
	gives(set(serror), 0, "an SError");
	check(get().exception.serror_pending, "it is pending");
	gives(set((struct kvm_vcpu_events){ 0 }), 0, "that no other is pending...");
	check(get().exception.serror_pending, "... takes back none");
	expect_mmio(&vcpu, true, MMIO_BASE + 8, 8, "the guest runs on");
	check(get().exception.serror_pending, "it is pending still");
	expect_exception(0x380, ESR_SERROR, 0, GUEST_BASE + 32);
	check(!get().exception.serror_pending, "it is taken, once");
	end_guest(&vm, &vcpu);
}

static void test_reset(void)
{
	start_guest(&vm, &vcpu, unmasks, unmasks_end);
	must(set(serror), "KVM_SET_VCPU_EVENTS");
	must(init_vcpu(vcpu.fd, 1U << KVM_ARM_VCPU_PSCI_0_2), "KVM_ARM_VCPU_INIT");
	check(!get().exception.serror_pending, "KVM_ARM_VCPU_INIT forgets an SError");
	end_guest(&vm, &vcpu);
}

/* Both at once: the abort is taken, and the SError waits, masked by it. */
static void test_both(void)
{
	struct kvm_vcpu_events both = abort_event;

	both.exception.serror_pending = 1;
	start_guest(&vm, &vcpu, reads, reads_end);
	if (expect_mmio(&vcpu, false, MMIO_BASE + 16, 8, "a read")) {
		gives(set(both), 0, "an external abort and an SError");
		expect_exception(0x200, ESR_DABT_CUR, MMIO_BASE + 16, GUEST_BASE + 20);
		check(get().exception.serror_pending, "the SError is pending");
	}
	end_guest(&vm, &vcpu);
}

/* ---- KVM_CAP_ARM_SEA_TO_USER, of Linux 6.19 ---- */

static void test_capability(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ARM_SEA_TO_USER };

	start_guest(&vm, &vcpu, reads, reads_end);
	if (extension(KVM_CAP_ARM_SEA_TO_USER) > 0) {
		gives(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), 0, "KVM_CAP_ARM_SEA_TO_USER");
		cap.flags = 1;
		gives(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), EINVAL, "a flag of KVM_ENABLE_CAP");
	}
	cap = (struct kvm_enable_cap){ .cap = 0xffff };
	gives(ioctl(vm.fd, KVM_ENABLE_CAP, &cap), EINVAL, "a capability that there is not");
	gives(ioctl(vm.fd, KVM_ENABLE_CAP, NULL), EFAULT, "KVM_ENABLE_CAP of nothing");
	end_guest(&vm, &vcpu);
}

int main(void)
{
	test_serror();
	test_abort_of_a_read();
	test_reset();
	test_both();
	test_capability();
	return finish();
}
