// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_ARM_VCPU_SPE_CTRL (include/keel/spe.h): the feature, each attribute, each error. With the
 * argument "off": that there is none of it.
 */
#include <keel/spe.h>

#include "kvmtest.h"

#define PSCI		  (1U << KVM_ARM_VCPU_PSCI_0_2)
#define SPE_BIT		  (1U << KEEL_ARM_VCPU_SPE_BIT)
#define SPE_REG(crm, op2) ARM64_SYS_REG(3, 0, 9, crm, op2)
#define DFR0		  ARM64_SYS_REG(3, 0, 0, 5, 0)
#define PMSVER		  32
#define PMBLIMITR	  SPE_REG(10, 0)
#define PMSCR		  SPE_REG(9, 0)
#define NOWHERE		  ((int *)8)

/* Ends the machine by PSCI SYSTEM_OFF. */
GUEST_CODE(code_off, "movz x0, #0x8400, lsl #16\n movk x0, #8\n hvc #0\n b .\n");

static long init_spe(int fd, uint32_t word0, uint32_t word6)
{
	struct kvm_vcpu_init init = { .target = KVM_ARM_TARGET_GENERIC_V8,
				      .features = { [0] = word0, [6] = word6 } };

	return ioctl(fd, KVM_ARM_VCPU_INIT, &init);
}

static long attr(int request, const struct vcpu *vcpu, uint64_t which, const int *value)
{
	struct kvm_device_attr a = {
		.group = KVM_ARM_VCPU_SPE_CTRL,
		.attr = which,
		.addr = (uintptr_t)value,
	};

	return ioctl(vcpu->fd, (unsigned long)(unsigned int)request, &a);
}

#define set(vcpu, which, value) \
	attr((int)KVM_SET_DEVICE_ATTR, vcpu, KVM_ARM_VCPU_SPE_##which, value)
#define get(vcpu, which, value) \
	attr((int)KVM_GET_DEVICE_ATTR, vcpu, KVM_ARM_VCPU_SPE_##which, value)
#define has(vcpu, which) attr((int)KVM_HAS_DEVICE_ATTR, vcpu, which, NULL)

static long set_irq(const struct vcpu *vcpu, int irq)
{
	return set(vcpu, IRQ, &irq);
}

static long stop(const struct vcpu *vcpu, int how)
{
	return set(vcpu, STOP, &how);
}

static void drop(const struct vm *vm, const struct vcpu *vcpus, unsigned int count)
{
	while (count--) {
		munmap(vcpus[count].run, vcpus[count].run_size);
		close(vcpus[count].fd);
	}
	if (vm->gic >= 0)
		close(vm->gic);
	if (vm->mem)
		munmap(vm->mem, GUEST_SIZE);
	close(vm->fd);
	close(vm->dev);
}

static struct vcpu spe_vcpu(const struct vm *vm, unsigned long id)
{
	struct vcpu vcpu = raw_vcpu(vm, id);

	must(init_spe(vcpu.fd, PSCI, SPE_BIT), "KVM_ARM_VCPU_INIT with SPE");
	return vcpu;
}

static void test_feature(void)
{
	struct vm vm = bare_vm();
	struct vcpu v[3] = { raw_vcpu(&vm, 0), raw_vcpu(&vm, 1), raw_vcpu(&vm, 2) };

	gives(init_spe(v[0].fd, PSCI, 1), ENOENT, "another bit of the word");
	gives(init_spe(v[0].fd, PSCI | 1U << KVM_ARM_VCPU_EL1_32BIT, SPE_BIT), EINVAL,
	      "with a 32-bit EL1");
	gives(init_spe(v[0].fd, PSCI, SPE_BIT), 0, "KVM_ARM_VCPU_INIT with SPE");
	gives(init_spe(v[0].fd, PSCI, SPE_BIT), 0, "again");
	gives(init_spe(v[0].fd, PSCI, 0), EINVAL, "again without it");
	gives(init_spe(v[1].fd, PSCI, 0), EINVAL, "another vCPU without it");
	gives(init_spe(v[1].fd, PSCI, SPE_BIT), 0, "another vCPU with it");
	check(get_reg(&v[0], DFR0) >> PMSVER & 15, "ID_AA64DFR0_EL1.PMSVer says that it is there");
	gives(set_reg(&v[0], PMBLIMITR, 0x12345001), 0, "KVM_SET_ONE_REG of PMBLIMITR_EL1");
	check(get_reg(&v[0], PMBLIMITR) == 0x12345001, "it is kept");
	check(get_reg(&v[1], PMBLIMITR) == 0, "each vCPU has its own");
	gives(init_spe(v[0].fd, PSCI, SPE_BIT), 0, "a reset");
	check(get_reg(&v[0], PMBLIMITR) == 0, "it is reset");
	drop(&vm, v, 3);
}

static void test_without(void)
{
	struct vm vm = bare_vm();
	struct vcpu v[2] = { raw_vcpu(&vm, 0), raw_vcpu(&vm, 1) };
	struct kvm_one_reg reg = { .id = PMBLIMITR, .addr = (uintptr_t)&vm };
	int value = 21;

	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), ENXIO, "the group before KVM_ARM_VCPU_INIT");
	must(init_vcpu(v[0].fd, PSCI), "a vCPU without SPE");
	gives(init_spe(v[1].fd, PSCI, SPE_BIT), EINVAL, "another vCPU with it");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), ENXIO, "IRQ of a vCPU without SPE");
	gives(set(&v[0], IRQ, &value), ENXIO, "setting it");
	gives(get(&v[0], IRQ, &value), ENXIO, "getting it");
	gives(set(&v[0], INIT, NULL), ENXIO, "INIT");
	gives(set(&v[0], STOP, &value), ENXIO, "STOP");
	gives(ioctl(v[0].fd, KVM_GET_ONE_REG, &reg), ENOENT, "PMBLIMITR_EL1");
	check(!(get_reg(&v[0], DFR0) >> PMSVER & 15), "ID_AA64DFR0_EL1.PMSVer is 0");
	drop(&vm, v, 2);
}

static void test_irq(void)
{
	struct vm vm = new_vm();
	struct vcpu v[2] = { spe_vcpu(&vm, 0), spe_vcpu(&vm, 1) };
	int value = 0;

	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), 0, "KVM_HAS_DEVICE_ATTR of IRQ");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_INIT), 0, "of INIT");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_STOP), 0, "of STOP");
	gives(has(&v[0], 3), ENXIO, "of another");
	gives(set_irq(&v[0], 21), ENXIO, "IRQ without a GIC");
	gives(set(&v[0], INIT, NULL), ENODEV, "INIT without a GIC");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_STOP_TRAP), EAGAIN, "STOP before INIT");
	add_gic(&vm);
	gives(set(&v[0], INIT, NULL), ENXIO, "INIT without an interrupt");
	gives(get(&v[0], IRQ, &value), ENXIO, "getting IRQ before it is set");
	gives(set(&v[0], IRQ, NOWHERE), EFAULT, "IRQ from nowhere");
	gives(set_irq(&v[0], 15), EINVAL, "an SGI");
	gives(set_irq(&v[0], 32), EINVAL, "an SPI");
	gives(set_irq(&v[0], -1), EINVAL, "no INTID");
	gives(set_irq(&v[0], 27), EINVAL, "the virtual timer's");
	gives(set_irq(&v[0], 30), EINVAL, "the physical timer's");
	gives(set_irq(&v[0], 21), 0, "IRQ 21");
	gives(set_irq(&v[0], 21), EBUSY, "again");
	gives(get(&v[0], IRQ, &value), 0, "getting it");
	check(value == 21, "it is 21 (%d)", value);
	gives(get(&v[0], IRQ, NOWHERE), EFAULT, "getting it to nowhere");
	gives(get(&v[0], INIT, &value), ENXIO, "getting INIT");
	gives(set_irq(&v[1], 22), EINVAL, "another one on another vCPU");
	gives(set_irq(&v[1], 21), 0, "the same one on another vCPU");
	drop(&vm, v, 2);
}

static void test_init(void)
{
	struct vm vm = new_vm();
	struct vcpu v[1] = { spe_vcpu(&vm, 0) };

	LOAD(&vm, &v[0], code_off);
	add_gic(&vm);
	gives(ioctl(v[0].fd, KVM_RUN, 0), EINVAL, "KVM_RUN before IRQ and INIT");
	must(set_irq(&v[0], 21), "IRQ");
	gives(ioctl(v[0].fd, KVM_RUN, 0), EINVAL, "KVM_RUN before INIT");
	gives(set(&v[0], INIT, NULL), 0, "INIT");
	gives(set(&v[0], INIT, NULL), EBUSY, "INIT again");
	gives(set_irq(&v[0], 21), EBUSY, "IRQ after INIT");
	gives(set(&v[0], STOP, NOWHERE), EFAULT, "STOP from nowhere");
	gives(stop(&v[0], 0), EINVAL, "STOP with none of its values");
	gives(stop(&v[0], 3), EINVAL, "STOP with two of them");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_STOP_TRAP), 0, "STOP_TRAP");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_RESUME), 0, "RESUME");
	gives(ioctl(v[0].fd, KVM_RUN, 0), 0, "KVM_RUN");
	check(v[0].run->exit_reason == KVM_EXIT_SYSTEM_EVENT, "the guest runs to its end (%u)",
	      v[0].run->exit_reason);
	drop(&vm, v, 1);
}

/* Registers say that profiling is on, so the vCPU must not run. */
static void test_stop(void)
{
	struct vm vm = new_vm();
	struct vcpu v[1] = { spe_vcpu(&vm, 0) };

	LOAD(&vm, &v[0], code_off);
	add_gic(&vm);
	must(set_irq(&v[0], 21), "IRQ");
	must(set(&v[0], INIT, NULL), "INIT");
	must(set_reg(&v[0], PMSCR, 3), "PMSCR_EL1");
	must(set_reg(&v[0], PMBLIMITR, GUEST_BASE + GUEST_SIZE + 1), "PMBLIMITR_EL1");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_STOP_EXIT), 0, "STOP_EXIT");
	gives(ioctl(v[0].fd, KVM_RUN, 0), 0, "KVM_RUN of a vCPU that profiles");
	check(v[0].run->exit_reason == KVM_EXIT_FAIL_ENTRY &&
		      v[0].run->fail_entry.hardware_entry_failure_reason ==
			      KEEL_EXIT_FAIL_ENTRY_SPE,
	      "it returns and says why (exit %u)", v[0].run->exit_reason);
	check(get_reg(&v[0], CORE_REG(pc)) == GUEST_BASE, "the guest has not run");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_RESUME), 0, "RESUME");
	gives(ioctl(v[0].fd, KVM_RUN, 0), 0, "KVM_RUN");
	check(v[0].run->exit_reason == KVM_EXIT_SYSTEM_EVENT, "the guest runs to its end (%u)",
	      v[0].run->exit_reason);
	drop(&vm, v, 1);
}

static void test_off(void)
{
	struct vm vm = bare_vm();
	struct vcpu v[1] = { raw_vcpu(&vm, 0) };

	gives(init_spe(v[0].fd, PSCI, SPE_BIT), ENOENT, "KVM_ARM_VCPU_INIT with SPE");
	must(init_vcpu(v[0].fd, PSCI), "a vCPU without SPE");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), ENXIO, "the group");
	check(!(get_reg(&v[0], DFR0) >> PMSVER & 15), "ID_AA64DFR0_EL1.PMSVer is 0");
	drop(&vm, v, 1);
}

static void test_capability(int want)
{
	struct vm vm = bare_vm();
	int how = ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KEEL_CAP_ARM_SPE);

	check(how == want, "the capability says how SPE is provided (%d)", how);
	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, (unsigned long)KEEL_CAP_ARM_SPE) == how,
	      "a VM says the same");
	close(vm.fd);
	close(vm.dev);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "off")) {
		test_capability(0);
		test_off();
		return finish();
	}
	test_capability(KEEL_SPE_EMULATED);
	test_feature();
	test_without();
	test_irq();
	test_init();
	test_stop();
	return finish();
}
