// SPDX-License-Identifier: BSD-2-Clause
/* /dev/kvm itself: version, capabilities, what kinds of VM can be made. */
#include "kvmtest.h"

static int dev;

static void test_version(void)
{
	check(ioctl(dev, KVM_GET_API_VERSION, 0) == 12, "KVM_GET_API_VERSION is 12");
	gives(ioctl(dev, KVM_GET_API_VERSION, 1UL), EINVAL, "KVM_GET_API_VERSION with an argument");
	check(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0) >= (int)sizeof(struct kvm_run),
	      "struct kvm_run has room in the mapping");
	gives(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1UL), EINVAL,
	      "KVM_GET_VCPU_MMAP_SIZE with an argument");
}

/* What vmrun and other VMMs build on. */
static void test_caps(void)
{
	static const struct {
		unsigned long cap;
		const char *name;
	} caps[] = {
		{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },
		{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION_WORKS" },
		{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "JOIN_MEMORY_REGIONS_WORKS" },
		{ KVM_CAP_ONE_REG, "ONE_REG" },
		{ KVM_CAP_ARM_PSCI_0_2, "ARM_PSCI_0_2" },
		{ KVM_CAP_MP_STATE, "MP_STATE" },
		{ KVM_CAP_READONLY_MEM, "READONLY_MEM" },
		{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
		{ KVM_CAP_DEVICE_CTRL, "DEVICE_CTRL" },
		{ KVM_CAP_IOEVENTFD, "IOEVENTFD" },
		{ KVM_CAP_CHECK_EXTENSION_VM, "CHECK_EXTENSION_VM" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		check(ioctl(dev, KVM_CHECK_EXTENSION, caps[i].cap) > 0, "KVM_CAP_%s", caps[i].name);
	check(ioctl(dev, KVM_CHECK_EXTENSION, 0x7fffffffUL) == 0,
	      "a capability that there is not: 0");
	check(ioctl(dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_MAX_VCPUS) >=
		      ioctl(dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_NR_VCPUS),
	      "MAX_VCPUS is not below NR_VCPUS");
	check(ioctl(dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_NR_MEMSLOTS) >= 32,
	      "32 memory slots or more");
}

static long create(unsigned long type)
{
	long fd = ioctl(dev, KVM_CREATE_VM, type);

	if (fd >= 0)
		close((int)fd);
	return fd;
}

static void test_vm_types(void)
{
	int max = ioctl(dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_ARM_VM_IPA_SIZE);
	char what[64];
	long bits;

	check(max >= 32 && max <= 52, "KVM_CAP_ARM_VM_IPA_SIZE: 32 to 52 bits (got %d)", max);
	gives(create(0), 0, "KVM_CREATE_VM of type 0");
	for (bits = 1; bits <= 64; bits++) {
		snprintf(what, sizeof(what), "KVM_CREATE_VM with %ld bits of IPA", bits);
		gives(create((unsigned long)bits), bits >= 32 && bits <= max ? 0 : EINVAL, what);
	}
	gives(create(0x100), EINVAL, "KVM_CREATE_VM with type bit 8");
	gives(create(1UL << 31), EINVAL, "KVM_CREATE_VM with type bit 31");
	gives(create(255), EINVAL, "KVM_CREATE_VM with 255 bits of IPA");
}

static void test_unknown(void)
{
	not_there(ioctl(dev, _IO(KVMIO, 0xff), 0), "an unknown ioctl");
	not_there(ioctl(dev, KVM_RUN, 0), "KVM_RUN on /dev/kvm");
	not_there(ioctl(dev, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU on /dev/kvm");
}

int main(void)
{
	dev = open_kvm();
	test_version();
	test_caps();
	test_vm_types();
	test_unknown();
	return finish();
}
