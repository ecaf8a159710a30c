// SPDX-License-Identifier: GPL-2.0
/*
 * keel.ko: /dev/kvm on a kernel that runs below Keel. Detection of Keel, loading and unloading, and
 * the ioctls of /dev/kvm itself.
 */
#define pr_fmt(fmt) "keel: " fmt

#include <asm/ptrace.h>
#include <asm/sysreg.h>
#include <linux/acpi.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/of.h>

#include <keel/version.h>

#include "keel.h"

#define KVM_MINOR 232

static long dev_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	switch (nr) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : KVM_API_VERSION;
	case KVM_CREATE_VM:
		return keel_vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return keel_check_extension(NULL, arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : PAGE_SIZE;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &dev_fops,
};

/*
 * Whether the device tree describes Keel, or ACPI's tables do. On a kernel that itself runs at EL2 a
 * hypercall may crash it.
 */
static bool keel_announced(void)
{
	struct device_node *node;

	if (read_sysreg(CurrentEL) != CurrentEL_EL1)
		return false;
	if (!acpi_disabled)
		return acpi_dev_found(KEEL_ACPI_HID);
	node = of_find_compatible_node(NULL, NULL, "keel,hypervisor");
	of_node_put(node);
	return node;
}

static bool keel_answers(void)
{
	struct keel_regs regs = { { KEEL_HC_UID } };

	keel_hvc(&regs);
	return (u32)regs.x[0] == KEEL_UID_0 && (u32)regs.x[1] == KEEL_UID_1 &&
	       (u32)regs.x[2] == KEEL_UID_2 && (u32)regs.x[3] == KEEL_UID_3;
}

int keel_find(void)
{
	long version;

	if (!keel_announced() || !keel_answers()) {
		pr_err("this kernel does not run below Keel: boot keel.img with it\n");
		return -ENODEV;
	}
	version = keel_call(KEEL_HC_VERSION, 0, 0, 0, 0, 0, NULL);
	/* A minor version only adds calls, and this module needs those that it knows. */
	if (version >> 16 == KEEL_ABI_VERSION >> 16 && version >= KEEL_ABI_VERSION)
		return 0;
	pr_err("Keel speaks version %ld.%ld of the hypercalls, this module %d.%d\n", version >> 16,
	       version & 0xffff, KEEL_ABI_VERSION >> 16, KEEL_ABI_VERSION & 0xffff);
	return -ENODEV;
}

static int __init keel_init(void)
{
	int ret = keel_find();

	if (ret)
		return ret;
	ret = keel_caps_probe();
	if (ret)
		return ret;
	ret = keel_irqfd_init();
	if (ret)
		return ret;
	ret = keel_hostirq_init();
	if (ret)
		goto no_hostirq;
	ret = keel_life_init();
	if (ret)
		goto no_life;
	/* Before userspace can open the device, since each VM has files in this directory. */
	keel_stats_init();
	ret = misc_register(&device);
	if (ret)
		goto no_device;
	return 0;

no_device:
	keel_stats_exit();
	keel_life_exit();
no_life:
	keel_hostirq_exit();
no_hostirq:
	keel_irqfd_exit();
	return ret;
}

static void __exit keel_exit(void)
{
	misc_deregister(&device);
	keel_stats_exit();
	keel_life_exit();
	keel_hostirq_exit();
	keel_irqfd_exit();
}

module_init(keel_init);
module_exit(keel_exit);

MODULE_DESCRIPTION("KVM's API on the Keel hypervisor");
MODULE_LICENSE("GPL");
MODULE_VERSION(KEEL_VERSION);
MODULE_ALIAS_MISCDEV(KVM_MINOR);
MODULE_ALIAS("devname:kvm");
MODULE_ALIAS("of:N*T*Ckeel,hypervisor");
MODULE_ALIAS("acpi*:" KEEL_ACPI_HID ":*");
