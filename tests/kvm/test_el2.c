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

/* Of struct kvm_regs itself. */
#define EL1_CORE_REG(name)                                     \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 offsetof(struct kvm_regs, name) / sizeof(__u32))

#define PSCI (1U << KVM_ARM_VCPU_PSCI_0_2)
#define EL2  (1U << KVM_ARM_VCPU_HAS_EL2)
#define NVHE (EL2 | 1U << KVM_ARM_VCPU_HAS_EL2_E2H0)

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

static long get_reg_error(const struct vcpu *vcpu, uint64_t id)
{
	uint64_t value;
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg);
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
		1U << KVM_ARM_VCPU_PTRAUTH_ADDRESS, /* one kind of the two */
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

/* The kind whose HCR_EL2.E2H is 0: whether there is one, or not on these CPUs. */
static bool test_features_nvhe(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0), second = raw_vcpu(&vm, 1);
	bool there = ioctl(vm.dev, KVM_CHECK_EXTENSION, KVM_CAP_ARM_EL2_E2H0) == 1;

	gives(init_vcpu(vcpu.fd, PSCI | (NVHE & ~EL2)), EINVAL, "E2H0 without an EL2");
	gives(init_vcpu(vcpu.fd, PSCI | NVHE), there ? 0 : EINVAL, "E2H0");
	if (there) {
		gives(init_vcpu(second.fd, PSCI | EL2), EINVAL, "another vCPU of the other kind");
		gives(init_vcpu(second.fd, PSCI | NVHE), 0, "another vCPU of this kind");
		gives(get_reg_error(&vcpu, ARM64_SYS_REG(3, 4, 2, 0, 1)), ENOENT, "TTBR1_EL2");
		check((get_reg(&vcpu, ARM64_SYS_REG(3, 0, 0, 7, 1)) >> 8 & 15) == 0,
		      "ID_AA64MMFR1_EL1.VH is 0");
	}
	end_vcpu(&second);
	end(&vm, &vcpu);
	return there;
}

/* Or in the same layout. */
static bool has_reg(uint32_t kind, uint64_t id)
{
	return kind == EL2 ||
	       (id != ARM64_SYS_REG(3, 4, 2, 0, 1) && id != ARM64_SYS_REG(3, 4, 14, 1, 0) &&
		id != ARM64_SYS_REG(3, 4, 14, 3, 2));
}

static void test_registers(uint32_t kind)
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

	must(init_vcpu(vcpu.fd, PSCI | kind), "KVM_ARM_VCPU_INIT");
	check(get_reg(&vcpu, CORE_REG(pstate)) == EL2H, "it starts at EL2h, all masked");
	gives(set_reg(&vcpu, CORE_REG(pstate), EL3H), EINVAL, "PSTATE of EL3");
	for (i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		if (has_reg(kind, regs[i].id))
			gives(set_reg(&vcpu, regs[i].id, regs[i].value), 0, regs[i].name);
	for (m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		must(set_reg(&vcpu, CORE_REG(pstate), modes[m]), "PSTATE");
		for (i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
			if ((has_reg(kind, regs[i].id)) &&
			    get_reg(&vcpu, regs[i].id) != regs[i].value) {
				printf("# %s: %#llx\n", regs[i].name,
				       (unsigned long long)get_reg(&vcpu, regs[i].id));
				bad++;
			}
	}
	check(!bad, "each register keeps its own value, at whichever level the vCPU is");
	end(&vm, &vcpu);
}

static void test_list(uint32_t kind)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	struct kvm_reg_list probe = { .n = 0 }, *list;
	unsigned int bad = 0, of_el2 = 0;
	char value[512];

	must(init_vcpu(vcpu.fd, PSCI | kind), "KVM_ARM_VCPU_INIT");
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

/* Of 64 bits, and neither a count nor a timer's control, which has a condition. */
static bool is_constant(uint64_t id)
{
	static const uint64_t moving[] = {
		ARM64_SYS_REG(3, 3, 14, 3, 2), /* KVM_REG_ARM_TIMER_CNT */
		ARM64_SYS_REG(3, 3, 14, 0, 1), /* CNTPCT_EL0 */
		ARM64_SYS_REG(3, 3, 14, 3, 1),
		ARM64_SYS_REG(3, 3, 14, 2, 1),
	};

	for (size_t i = 0; i < sizeof(moving) / sizeof(moving[0]); i++)
		if (id == moving[i])
			return false;
	return (id & KVM_REG_SIZE_MASK) == KVM_REG_SIZE_U64;
}

/*
 * A state with offsets, written to another VM in the list's order and in the reverse: no register
 * changes another one, at whichever level the vCPU is meanwhile.
 */
static void test_restore(uint32_t kind)
{
	static uint64_t ids[1024], values[1024];
	struct kvm_reg_list *list = calloc(1, sizeof(*list) + sizeof(ids));
	struct vm from = new_vm(), to = new_vm();
	struct vcpu source = raw_vcpu(&from, 0), target = raw_vcpu(&to, 0);
	unsigned int bad = 0;
	uint64_t n = 0;

	must(init_vcpu(source.fd, PSCI | kind), "KVM_ARM_VCPU_INIT");
	must(init_vcpu(target.fd, PSCI | kind), "KVM_ARM_VCPU_INIT");
	must(set_reg(&source, ARM64_SYS_REG(3, 4, 14, 0, 3), 1ULL << 40), "CNTVOFF_EL2");
	must(set_reg(&source, ARM64_SYS_REG(3, 4, 14, 2, 2), 1ULL << 50), "CNTHP_CVAL_EL2");
	must(set_reg(&source, ARM64_SYS_REG(3, 4, 1, 1, 0), 0x488000000ULL), "HCR_EL2");
	must(set_reg(&source, EL1_CORE_REG(sp_el1), 0x8000), "SP_EL1");
	must(set_reg(&source, CORE_REG(pstate), EL1H), "PSTATE");
	list->n = sizeof(ids) / sizeof(ids[0]);
	must(ioctl(source.fd, KVM_GET_REG_LIST, list), "KVM_GET_REG_LIST");
	for (uint64_t i = 0; i < list->n; i++)
		if (is_constant(list->reg[i])) {
			ids[n] = list->reg[i];
			values[n] = get_reg(&source, ids[n]);
			n++;
		}
	for (uint64_t i = 0; i < n; i++)
		bad += set_reg(&target, ids[i], values[i]) != 0;
	for (uint64_t i = 0; i < n; i++)
		bad += get_reg(&target, ids[i]) != values[i];
	check(n > 100 && !bad, "%llu registers, restored in their order", (unsigned long long)n);
	must(set_reg(&target, CORE_REG(pstate), EL2H), "PSTATE");
	for (uint64_t i = n; i-- > 0;)
		bad += set_reg(&target, ids[i], values[i]) != 0;
	for (uint64_t i = 0; i < n; i++)
		bad += get_reg(&target, ids[i]) != values[i];
	check(!bad, "... and in the reverse");
	free(list);
	end(&from, &source);
	end(&to, &target);
}

static void test_maintenance_interrupt(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	uint32_t sgi = 8, spi = 40, ppi = 24, got = 0;

	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(maint_irq(&vm, KVM_HAS_DEVICE_ATTR, NULL), 0, "there is MAINT_IRQ");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &sgi), EINVAL, "an SGI");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &spi), EINVAL, "an SPI");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &ppi), 0, "a PPI");
	gives(maint_irq(&vm, KVM_GET_DEVICE_ATTR, &got), 0, "which one it is");
	check(got == 24, "it is the one");
	must(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "KVM_DEV_ARM_VGIC_CTRL_INIT");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &ppi), EBUSY, "when the GIC is initialized");
	gives(maint_irq(&vm, KVM_SET_DEVICE_ATTR, &sgi), EBUSY, "... whatever the value");
	end(&vm, &vcpu);
	vm = new_vm();
	vcpu = raw_vcpu(&vm, 0);
	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	must(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "KVM_DEV_ARM_VGIC_CTRL_INIT");
	gives(maint_irq(&vm, KVM_GET_DEVICE_ATTR, &got), 0, "one that was not set");
	check(got == 25, "it is the usual one");
	end(&vm, &vcpu);
}

#define ICH(crm, op2) ((3 << 14) | (4 << 11) | (12 << 7) | (crm) << 3 | (op2))

static long cpu_sysreg(const struct vm *vm, unsigned long op, uint64_t attr, uint64_t *value)
{
	return gic_attr(vm->gic, op, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, attr, value);
}

/* Each of @from's interface keeps its own value; returns how many do not. */
static unsigned int fill_interface(const struct vm *vm, uint64_t from)
{
	static const uint16_t regs[] = { ICH(8, 0),  ICH(9, 0),	 ICH(11, 0), ICH(11, 7),
					 ICH(12, 0), ICH(12, 7), ICH(13, 0), ICH(13, 7) };
	unsigned int bad = 0;
	uint64_t value;

	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		value = 0x1234567800000000ULL + from + i;
		bad += cpu_sysreg(vm, KVM_SET_DEVICE_ATTR, from << 32 | regs[i], &value) != 0;
	}
	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		bad += cpu_sysreg(vm, KVM_GET_DEVICE_ATTR, from << 32 | regs[i], &value) ||
		       value != 0x1234567800000000ULL + from + i;
		value = 0;
		bad += cpu_sysreg(vm, KVM_SET_DEVICE_ATTR, from << 32 | regs[i], &value) != 0;
	}
	return bad;
}

/* They are attributes of the GIC, and none of the registers of GET_REG_LIST. */
static void test_cpu_interface(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0), second = raw_vcpu(&vm, 1);
	uint64_t value = 0, vtr;

	must(init_vcpu(vcpu.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	must(init_vcpu(second.fd, PSCI | EL2), "KVM_ARM_VCPU_INIT");
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(cpu_sysreg(&vm, KVM_GET_DEVICE_ATTR, ICH(11, 0), &value), EBUSY, "too early");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, 0x1000000), "distributor");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, 0x2000000), "redistributors");
	must(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "KVM_DEV_ARM_VGIC_CTRL_INIT");
	gives(cpu_sysreg(&vm, KVM_HAS_DEVICE_ATTR, ICH(12, 3), NULL), 0, "there is ICH_LR3_EL2");
	gives(cpu_sysreg(&vm, KVM_HAS_DEVICE_ATTR, ICH(11, 2), NULL), ENXIO, "no ICH_MISR_EL2");
	gives(cpu_sysreg(&vm, KVM_GET_DEVICE_ATTR, 2ULL << 32 | ICH(11, 0), &value), EINVAL,
	      "a vCPU that there is not");
	gives(cpu_sysreg(&vm, KVM_GET_DEVICE_ATTR, 0x10ULL << 32 | ICH(11, 0), &value), EINVAL,
	      "an affinity that no vCPU has");
	check(!fill_interface(&vm, 0), "each register keeps its own value");
	check(!fill_interface(&vm, 1), "... of the other vCPU as well");
	gives(cpu_sysreg(&vm, KVM_GET_DEVICE_ATTR, ICH(11, 1), &vtr), 0, "ICH_VTR_EL2");
	gives(cpu_sysreg(&vm, KVM_SET_DEVICE_ATTR, ICH(11, 1), &vtr), 0, "... takes its value");
	vtr ^= 1;
	gives(cpu_sysreg(&vm, KVM_SET_DEVICE_ATTR, ICH(11, 1), &vtr), EINVAL, "... and no other");
	gives(cpu_sysreg(&vm, KVM_GET_DEVICE_ATTR, ICH(9, 5), &value), 0, "ICC_SRE_EL2");
	check(value == 0xf, "... all of it");
	gives(get_reg_error(&vcpu, ARM64_SYS_REG(3, 4, 12, 11, 0)), ENOENT, "by KVM_GET_ONE_REG");
	gives(get_reg_error(&vcpu, 0x603000000fff0000ULL | ICH(11, 0)), ENOENT,
	      "... by an id of Keel's own");
	end_vcpu(&second);
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

static void test_runs(uint32_t kind)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);

	must(init_vcpu(vcpu.fd, PSCI | kind), "KVM_ARM_VCPU_INIT");
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
	test_registers(EL2);
	test_list(EL2);
	test_restore(EL2);
	test_maintenance_interrupt();
	test_cpu_interface();
	test_runs(EL2);
	if (test_features_nvhe()) {
		test_registers(NVHE);
		test_list(NVHE);
		test_restore(NVHE);
		test_runs(NVHE);
	}
	return finish();
}
