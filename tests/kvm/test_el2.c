// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_ARM_VCPU_HAS_EL2: the capability, which features go with it, the registers of EL2, where a
 * vCPU starts.
 *
 *	test_el2	with keel.nested=1 on CPUs that have what it needs
 *	test_el2 off	there is none of it
 */
#include <stddef.h>

#include "kvmtest.h"

#ifndef KVM_CAP_ARM_EL2
#define KVM_CAP_ARM_EL2		       240
#define KVM_ARM_VCPU_HAS_EL2	       7
#define KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ 9
#endif
#define HAS_EL2_E2H0 8

/* Of struct kvm_regs itself. */
#define EL1_CORE_REG(name)                                     \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 offsetof(struct kvm_regs, name) / sizeof(__u32))

#define PSCI (1U << KVM_ARM_VCPU_PSCI_0_2)
#define EL2  (1U << KVM_ARM_VCPU_HAS_EL2)

#define EL1H 0x3c5
#define EL2T 0x3c8
#define EL2H 0x3c9
#define EL3H 0x3cd

/* CurrentEL to userspace, over and over. */
GUEST_CODE(code_level, "movz x1, #0x0900, lsl #16\n1: mrs x0, currentel\n str w0, [x1]\n b 1b\n");

static long maint_irq(const struct vm *vm, unsigned long op, uint32_t *intid)
{
	return gic_attr(vm->gic, op, KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ, 0, intid);
}

static void end(const struct vm *vm, const struct vcpu *vcpu)
{
	if (vm->gic >= 0)
		close(vm->gic);
	end_guest(vm, vcpu);
}

static void test_absent(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);

	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL2) == 0, "the capability is 0");
	gives(init_vcpu(vcpu.fd, PSCI | EL2), EINVAL, "the feature");
	gives(init_vcpu(vcpu.fd, PSCI), 0, "without it");
	end(&vm, &vcpu);
}

static void test_features(void)
{
	static const uint32_t others[] = {
		1U << HAS_EL2_E2H0,
		1U << KVM_ARM_VCPU_SVE,
		1U << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1U << KVM_ARM_VCPU_PTRAUTH_GENERIC,
	};
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0), second = raw_vcpu(&vm, 1);

	check(ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL2) == 1, "the capability is 1");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		gives(init_vcpu(vcpu.fd, PSCI | EL2 | others[i]), EINVAL, "with another feature");
	gives(init_vcpu(vcpu.fd, PSCI | EL2), 0, "the feature");
	gives(init_vcpu(second.fd, PSCI), EINVAL, "another vCPU without it");
	gives(init_vcpu(second.fd, PSCI | EL2), 0, "another vCPU with it");
	end_vcpu(&second);
	end(&vm, &vcpu);
}

static void test_registers(void)
{
	static const struct {
		const char *name;
		uint64_t id, value;
	} regs[] = {
		{ "SCTLR_EL2", ARM64_SYS_REG(3, 4, 1, 0, 0), 0x30d0180dULL },
		{ "HCR_EL2", ARM64_SYS_REG(3, 4, 1, 1, 0), 0x488000000ULL },
		{ "TTBR0_EL2", ARM64_SYS_REG(3, 4, 2, 0, 0), 0x1234000 },
		{ "TTBR1_EL2", ARM64_SYS_REG(3, 4, 2, 0, 1), 0x5678000 },
		{ "TCR_EL2", ARM64_SYS_REG(3, 4, 2, 0, 2), 0x3500 },
		{ "VTTBR_EL2", ARM64_SYS_REG(3, 4, 2, 1, 0), 0x7777000 },
		{ "VTCR_EL2", ARM64_SYS_REG(3, 4, 2, 1, 2), 0x80000000 },
		{ "ELR_EL2", ARM64_SYS_REG(3, 4, 4, 0, 1), 0x4000 },
		{ "ESR_EL2", ARM64_SYS_REG(3, 4, 5, 2, 0), 0x96000004 },
		{ "FAR_EL2", ARM64_SYS_REG(3, 4, 6, 0, 0), ~0ULL },
		{ "HPFAR_EL2", ARM64_SYS_REG(3, 4, 6, 0, 4), 0xffff0 },
		{ "VBAR_EL2", ARM64_SYS_REG(3, 4, 12, 0, 0), 0x800 },
		{ "TPIDR_EL2", ARM64_SYS_REG(3, 4, 13, 0, 2), 0xdeadbeef },
		{ "CNTVOFF_EL2", ARM64_SYS_REG(3, 4, 14, 0, 3), 99 },
		{ "CNTHCTL_EL2", ARM64_SYS_REG(3, 4, 14, 1, 0), 0xc00 },
		{ "CNTHP_CVAL_EL2", ARM64_SYS_REG(3, 4, 14, 2, 2), 12345 },
		{ "CNTHV_CVAL_EL2", ARM64_SYS_REG(3, 4, 14, 3, 2), 54321 },
		{ "SP_EL2", ARM64_SYS_REG(3, 6, 4, 1, 0), 0x6000 },
		/* EL1's are others */
		{ "SCTLR_EL1", ARM64_SYS_REG(3, 0, 1, 0, 0), 0x30d00802ULL },
		{ "TTBR0_EL1", ARM64_SYS_REG(3, 0, 2, 0, 0), 0x9999000 },
		{ "VBAR_EL1", ARM64_SYS_REG(3, 0, 12, 0, 0), 0x1000 },
		{ "FAR_EL1", ARM64_SYS_REG(3, 0, 6, 0, 0), 1 },
		{ "SP_EL1", EL1_CORE_REG(sp_el1), 0x3000 },
		{ "ELR_EL1", EL1_CORE_REG(elr_el1), 0x5000 },
	};
	static const uint64_t modes[] = { EL2H, EL1H, EL2T };
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	size_t i, m, bad = 0;

	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	check(get_reg(&vcpu, CORE_REG(pstate)) == EL2H, "it starts at EL2h, all masked");
	gives(set_reg(&vcpu, CORE_REG(pstate), EL3H), EINVAL, "PSTATE of EL3");
	for (i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		gives(set_reg(&vcpu, regs[i].id, regs[i].value), 0, regs[i].name);
	for (m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		must(set_reg(&vcpu, CORE_REG(pstate), modes[m]), "PSTATE");
		for (i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
			if (get_reg(&vcpu, regs[i].id) != regs[i].value) {
				printf("# %s: %#llx\n", regs[i].name,
				       (unsigned long long)get_reg(&vcpu, regs[i].id));
				bad++;
			}
	}
	check(!bad, "each register keeps its own value, at whichever level the vCPU is");
	end(&vm, &vcpu);
}

static void test_list(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	struct kvm_reg_list probe = { .n = 0 }, *list;
	unsigned int bad = 0, of_el2 = 0;
	char value[512];

	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	gives(ioctl(vcpu.fd, KVM_GET_REG_LIST, &probe), E2BIG, "how many registers");
	list = calloc(1, sizeof(*list) + probe.n * sizeof(list->reg[0]));
	list->n = probe.n;
	gives(ioctl(vcpu.fd, KVM_GET_REG_LIST, list), 0, "their list");
	for (uint64_t i = 0; i < list->n; i++) {
		struct kvm_one_reg reg = { .id = list->reg[i], .addr = (uintptr_t)value };

		of_el2 += list->reg[i] == ARM64_SYS_REG(3, 4, 1, 1, 0);
		bad += ioctl(vcpu.fd, KVM_GET_ONE_REG, &reg) ||
		       ioctl(vcpu.fd, KVM_SET_ONE_REG, &reg);
	}
	check(of_el2 == 1, "HCR_EL2 is among them");
	check(!bad, "each can be read, and takes what it gave");
	free(list);
	end(&vm, &vcpu);
}

static void test_maintenance_interrupt(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	uint32_t sgi = 8, spi = 40, ppi = 25, got = 0;

	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(maint_irq(&vm, KVM_HAS_DEVICE_ATTR, NULL), 0, "there is MAINT_IRQ");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &sgi), EINVAL, "an SGI");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &spi), EINVAL, "an SPI");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &ppi), 0, "a PPI");
	gives(maint_irq(&vm, KVM_GET_DEVICE_ATTR, &got), 0, "which one it is");
	check(got == 25, "it is the one");
	end(&vm, &vcpu);
}

static bool level_is(const struct vcpu *vcpu, uint32_t level)
{
	uint32_t got = 0;

	if (run(vcpu) || vcpu->run->exit_reason != KVM_EXIT_MMIO)
		return false;
	memcpy(&got, vcpu->run->mmio.data, sizeof(got));
	return got == level << 2;
}

static void test_runs(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);

	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	LOAD(&vm, &vcpu, code_level);
	check(level_is(&vcpu, 2), "it runs at EL2");
	check(get_reg(&vcpu, CORE_REG(pstate)) == EL2H, "PSTATE between runs is EL2's");
	must(set_reg(&vcpu, CORE_REG(pstate), EL1H), "PSTATE");
	check(level_is(&vcpu, 1), "it runs at EL1 when userspace says so");
	check(get_reg(&vcpu, CORE_REG(pstate)) == EL1H, "PSTATE between runs is EL1's");
	must(set_reg(&vcpu, CORE_REG(pstate), EL2H), "PSTATE");
	check(level_is(&vcpu, 2), "and at EL2 again");
	end(&vm, &vcpu);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "off")) {
		test_absent();
		return finish();
	}
	test_features();
	test_registers();
	test_list();
	test_maintenance_interrupt();
	test_runs();
	return finish();
}
