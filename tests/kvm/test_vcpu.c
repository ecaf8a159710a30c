// SPDX-License-Identifier: BSD-2-Clause
/* vCPUs: making, initializing, registers, power state. Not running. */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "kvmtest.h"

#define PSCI (1U << KVM_ARM_VCPU_PSCI_0_2)

static void test_create(void)
{
	struct vm vm = bare_vm();
	unsigned long max = (unsigned long)ioctl(vm.dev, KVM_CHECK_EXTENSION,
						 (unsigned long)KVM_CAP_MAX_VCPU_ID);
	long fd = ioctl(vm.fd, KVM_CREATE_VCPU, 0UL);

	gives(fd, 0, "KVM_CREATE_VCPU 0");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 0UL), EEXIST, "KVM_CREATE_VCPU 0 again");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, max), EINVAL, "an id beyond MAX_VCPU_ID");
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, max - 1), 0, "the last id");
	close((int)fd);
	gives(ioctl(vm.fd, KVM_CREATE_VCPU, 0UL), EEXIST, "an id whose file is closed");
	not_there(ioctl(vm.fd, KVM_RUN, 0), "KVM_RUN on a VM");
	close(vm.fd);
	close(vm.dev);
}

static void test_uninitialized(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	struct kvm_reg_list list = { 0 };

	gives(ioctl(vcpu.fd, KVM_RUN, 0), ENOEXEC, "KVM_RUN before KVM_ARM_VCPU_INIT");
	gives(set_reg(&vcpu, CORE_REG(pc), 0), ENOEXEC, "KVM_SET_ONE_REG before it");
	gives(ioctl(vcpu.fd, KVM_GET_REG_LIST, &list), ENOEXEC, "KVM_GET_REG_LIST before it");
	gives(ioctl(vcpu.fd, KVM_RUN, 1UL), EINVAL, "KVM_RUN with an argument");
	not_there(ioctl(vcpu.fd, _IO(KVMIO, 0xff), 0), "an unknown ioctl");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static long init_with(int fd, uint32_t target, uint32_t word, uint32_t value)
{
	struct kvm_vcpu_init init = { .target = target };

	init.features[word] = value;
	return ioctl(fd, KVM_ARM_VCPU_INIT, &init);
}

static void test_init(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	struct kvm_vcpu_init preferred;

	gives(ioctl(vm.fd, KVM_ARM_PREFERRED_TARGET, &preferred), 0, "KVM_ARM_PREFERRED_TARGET");
	gives(ioctl(vm.fd, KVM_ARM_PREFERRED_TARGET, NULL), EFAULT,
	      "KVM_ARM_PREFERRED_TARGET to nowhere");
	gives(init_with(vcpu.fd, 1000, 0, 0), EINVAL, "an unknown target");
	gives(init_with(vcpu.fd, preferred.target, 0, 1U << 31), ENOENT, "an unknown feature");
	gives(init_with(vcpu.fd, preferred.target, 6, 1), ENOENT, "a feature in the last word");
	gives(ioctl(vcpu.fd, KVM_ARM_VCPU_INIT, NULL), EFAULT,
	      "KVM_ARM_VCPU_INIT without an argument");
	gives(ioctl(vcpu.fd, KVM_RUN, 0), ENOEXEC, "still not initialized");
	gives(init_with(vcpu.fd, preferred.target, 0, PSCI), 0, "KVM_ARM_VCPU_INIT");
	gives(init_with(vcpu.fd, preferred.target, 0, PSCI), 0, "again, with the same features");
	gives(init_with(vcpu.fd, preferred.target, 0, 0), EINVAL, "again, with other features");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static void test_registers(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	struct kvm_one_reg reg = { .id = CORE_REG(pc), .addr = 1 };
	unsigned int i;

	for (i = 0; i < 31; i++)
		must(set_reg(&vcpu, CORE_REG(regs[0]) + 2 * i,
			     0x1111111111111111ULL * (i % 16) + i),
		     "setting Xn");
	for (i = 0; i < 31; i++)
		if (get_reg(&vcpu, CORE_REG(regs[0]) + 2 * i) !=
		    0x1111111111111111ULL * (i % 16) + i)
			break;
	check(i == 31, "X0 to X30 keep what is set (got to %u)", i);
	check((get_reg(&vcpu, CORE_REG(pstate)) & 0x1f) == 5, "reset PSTATE is EL1h");
	gives(ioctl(vcpu.fd, KVM_GET_ONE_REG, &reg), EFAULT, "to an address that there is not");
	gives(set_reg(&vcpu, CORE_REG(pc) + 0x8000, 0), ENOENT, "a core register beyond the last");
	gives(set_reg(&vcpu, KVM_REG_ARM64 | KVM_REG_SIZE_U64 | 0x0fff0000, 0), ENOENT,
	      "a register class that there is not");
	reg.id = KVM_REG_X86 | KVM_REG_SIZE_U64;
	gives(ioctl(vcpu.fd, KVM_GET_ONE_REG, &reg), EINVAL, "another architecture's register");
	reg.id = CORE_REG(pc) | 1ULL << 40;
	gives(ioctl(vcpu.fd, KVM_GET_ONE_REG, &reg), EINVAL,
	      "a bit between architecture and class");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static void test_reg_list(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	struct kvm_reg_list probe = { .n = 0 }, *list;
	uint64_t i, bad = 0, unwritable = 0;
	char value[512];

	gives(ioctl(vcpu.fd, KVM_GET_REG_LIST, &probe), E2BIG, "KVM_GET_REG_LIST without room");
	check(probe.n > 32, "it says how many there are (%llu)", (unsigned long long)probe.n);
	list = calloc(1, sizeof(*list) + (probe.n + 1) * sizeof(list->reg[0]));
	list->n = probe.n - 1;
	gives(ioctl(vcpu.fd, KVM_GET_REG_LIST, list), E2BIG, "with room for one less");
	list->reg[probe.n] = 0x5a5a;
	list->n = probe.n + 1;
	gives(ioctl(vcpu.fd, KVM_GET_REG_LIST, list), 0, "with room");
	check(list->n == probe.n && list->reg[probe.n] == 0x5a5a, "no more than that many came");
	for (i = 0; i < list->n; i++) {
		struct kvm_one_reg reg = { .id = list->reg[i], .addr = (uintptr_t)value };

		if (ioctl(vcpu.fd, KVM_GET_ONE_REG, &reg)) {
			bad++;
			printf("# register %#llx: %s\n", (unsigned long long)reg.id,
			       strerror(errno));
		} else if (ioctl(vcpu.fd, KVM_SET_ONE_REG, &reg)) {
			unwritable++;
			printf("# register %#llx: %s\n", (unsigned long long)reg.id,
			       strerror(errno));
		}
	}
	check(!bad, "each register that is listed can be read");
	check(!unwritable, "and takes what it gave");
	free(list);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static long set_state(const struct vcpu *vcpu, uint32_t value)
{
	struct kvm_mp_state state = { value };

	return ioctl(vcpu->fd, KVM_SET_MP_STATE, &state);
}

static uint32_t get_state(const struct vcpu *vcpu)
{
	struct kvm_mp_state state = { ~0U };

	must(ioctl(vcpu->fd, KVM_GET_MP_STATE, &state), "KVM_GET_MP_STATE");
	return state.mp_state;
}

static void test_mp_state(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0), off = raw_vcpu(&vm, 1);

	check(get_state(&vcpu) == KVM_MP_STATE_RUNNABLE, "runnable after KVM_ARM_VCPU_INIT");
	gives(set_state(&vcpu, KVM_MP_STATE_STOPPED), 0, "KVM_SET_MP_STATE stopped");
	check(get_state(&vcpu) == KVM_MP_STATE_STOPPED, "it is stopped");
	gives(set_state(&vcpu, KVM_MP_STATE_HALTED), EINVAL, "a state that arm64 does not have");
	check(get_state(&vcpu) == KVM_MP_STATE_STOPPED, "it is stopped still");
	gives(set_state(&vcpu, KVM_MP_STATE_RUNNABLE), 0, "KVM_SET_MP_STATE runnable");
	must(init_vcpu(off.fd, PSCI | 1U << KVM_ARM_VCPU_POWER_OFF), "init with POWER_OFF");
	check(get_state(&off) == KVM_MP_STATE_STOPPED, "stopped after POWER_OFF");
	must(set_state(&off, KVM_MP_STATE_RUNNABLE), "KVM_SET_MP_STATE runnable");
	must(init_vcpu(off.fd, PSCI | 1U << KVM_ARM_VCPU_POWER_OFF), "init with POWER_OFF");
	check(get_state(&off) == KVM_MP_STATE_STOPPED, "stopped after POWER_OFF, again");
	gives(ioctl(vcpu.fd, KVM_GET_MP_STATE, NULL), EFAULT, "KVM_GET_MP_STATE to nowhere");
	close(off.fd);
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static long vls_ioctl(const struct vcpu *vcpu, unsigned long op, uint64_t *vls)
{
	struct kvm_one_reg reg = { .id = KVM_REG_ARM64_SVE_VLS, .addr = (uintptr_t)vls };

	return ioctl(vcpu->fd, op, &reg);
}

/* Leaves the shortest vectors alone. */
static void test_vector_lengths(const struct vcpu *vcpu)
{
	uint64_t vls[8] = { 0 }, more[8] = { 0 }, one[8] = { 1 }, none[8] = { 0 };

	gives(vls_ioctl(vcpu, KVM_GET_ONE_REG, vls), 0, "vector lengths before finalize");
	check(vls[0] & 1, "128 bits are among them (%#llx)", (unsigned long long)vls[0]);
	gives(vls_ioctl(vcpu, KVM_SET_ONE_REG, none), EINVAL, "no vector length");
	more[7] = 1ULL << 63;
	gives(vls_ioctl(vcpu, KVM_SET_ONE_REG, more), EINVAL, "a length that there is not");
	gives(vls_ioctl(vcpu, KVM_SET_ONE_REG, vls), 0, "those that there are");
	gives(vls_ioctl(vcpu, KVM_SET_ONE_REG, one), 0, "the shortest alone");
}

#define ID_AA64MMFR0_EL1 ARM64_SYS_REG(3, 0, 0, 7, 0)

static void test_id_registers(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint64_t mmfr0 = get_reg(&vcpu, ID_AA64MMFR0_EL1);

	gives(set_reg(&vcpu, ID_AA64MMFR0_EL1, mmfr0), 0, "an ID register as it is");
	check(set_reg(&vcpu, ID_AA64MMFR0_EL1, mmfr0 + 1) < 0, "no wider PARange than there is");
	if (on_keel()) {
		gives(set_reg(&vcpu, ID_AA64MMFR0_EL1, mmfr0 - 1), 0, "a narrower one");
		check(get_reg(&vcpu, ID_AA64MMFR0_EL1) == mmfr0 - 1, "which is read back");
		gives(set_reg(&vcpu, ARM64_SYS_REG(3, 0, 0, 0, 0), 0), EINVAL, "another MIDR_EL1");
	}
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static void test_finalize(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0), sve;
	int what = KVM_ARM_VCPU_SVE;
	struct kvm_one_reg reg;
	uint64_t vls[8];

	gives(ioctl(vcpu.fd, KVM_ARM_VCPU_FINALIZE, &what), EINVAL, "SVE of a vCPU without it");
	what = 31;
	gives(ioctl(vcpu.fd, KVM_ARM_VCPU_FINALIZE, &what), EINVAL, "a feature that there is not");
	if (ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_ARM_SVE) > 0) {
		sve = raw_vcpu(&vm, 1);
		what = KVM_ARM_VCPU_SVE;
		must(init_vcpu(sve.fd, PSCI | 1U << KVM_ARM_VCPU_SVE), "init with SVE");
		test_vector_lengths(&sve);
		gives(ioctl(sve.fd, KVM_RUN, 0), EPERM, "KVM_RUN before SVE is finalized");
		gives(ioctl(sve.fd, KVM_ARM_VCPU_FINALIZE, &what), 0, "finalize SVE");
		gives(ioctl(sve.fd, KVM_ARM_VCPU_FINALIZE, &what), EPERM, "finalize SVE again");
		reg.id = KVM_REG_ARM64_SVE_VLS;
		reg.addr = (uintptr_t)vls;
		gives(ioctl(sve.fd, KVM_GET_ONE_REG, &reg), 0, "vector lengths, afterwards");
		check(vls[0] == 1, "they are what was chosen (%#llx)", (unsigned long long)vls[0]);
		gives(ioctl(sve.fd, KVM_SET_ONE_REG, &reg), EPERM, "and final");
		close(sve.fd);
	}
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static long timer_irq(const struct vcpu *vcpu, unsigned long op, uint64_t attr, int *irq)
{
	struct kvm_device_attr a = { .group = KVM_ARM_VCPU_TIMER_CTRL,
				     .attr = attr,
				     .addr = (uintptr_t)irq };

	return ioctl(vcpu->fd, op, &a);
}

static void test_timer_interrupts(void)
{
	static const int usual[] = {
		[KVM_ARM_VCPU_TIMER_IRQ_VTIMER] = 27, [KVM_ARM_VCPU_TIMER_IRQ_PTIMER] = 30
	};
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	int got, irq, sgi = 15, spi = 32, other = 20;
	uint64_t i;

	for (i = 0; i < 2; i++) {
		got = 0;
		irq = usual[i];
		gives(timer_irq(&vcpu, KVM_HAS_DEVICE_ATTR, i, NULL), 0, "it has the attribute");
		gives(timer_irq(&vcpu, KVM_GET_DEVICE_ATTR, i, &got), 0, "KVM_GET_DEVICE_ATTR");
		check(got == irq, "the timer's interrupt is the usual one (%d)", got);
		gives(timer_irq(&vcpu, KVM_GET_DEVICE_ATTR, i, NULL), EFAULT, "to nowhere");
		gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, i, &irq), EINVAL, "set without a GIC");
	}
	gives(timer_irq(&vcpu, KVM_HAS_DEVICE_ATTR, 9, NULL), ENXIO, "no such timer");
	gives(timer_irq(&vcpu, KVM_GET_DEVICE_ATTR, 9, &got), ENXIO, "which cannot be read");
	add_gic(&vm);
	for (i = 0; i < 2; i++) {
		irq = usual[i];
		gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, i, &irq), 0, "set to what it is");
		gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, i, NULL), EFAULT, "from nowhere");
		gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, i, &sgi), EINVAL, "set to an SGI");
		gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, i, &spi), EINVAL, "set to an SPI");
		if (on_keel())
			gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, i, &other), EINVAL,
			      "set to another private interrupt");
	}
	gives(timer_irq(&vcpu, KVM_SET_DEVICE_ATTR, 9, &irq), ENXIO, "set no such timer");
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

static long pvtime(const struct vcpu *vcpu, unsigned long op, uint64_t attr, uint64_t *ipa)
{
	struct kvm_device_attr a = { .group = KVM_ARM_VCPU_PVTIME_CTRL,
				     .attr = attr,
				     .addr = (uintptr_t)ipa };

	return ioctl(vcpu->fd, op, &a);
}

static void test_stolen_time(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = raw_vcpu(&vm, 0);
	uint64_t ipa = GUEST_BASE + 64, odd = GUEST_BASE + 32, hole = 0x1000, got = 0;
	struct kvm_device_attr group = { .group = 99 };

	gives(ioctl(vcpu.fd, KVM_HAS_DEVICE_ATTR, &group), ENXIO, "a group that there is not");
	gives(ioctl(vcpu.fd, KVM_SET_DEVICE_ATTR, NULL), EFAULT, "KVM_SET_DEVICE_ATTR of nothing");
	if (ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_STEAL_TIME) <= 0) {
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &ipa), ENXIO,
		      "stolen time where there is none");
	} else {
		gives(pvtime(&vcpu, KVM_HAS_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, NULL), 0,
		      "it has KVM_ARM_VCPU_PVTIME_IPA");
		gives(pvtime(&vcpu, KVM_HAS_DEVICE_ATTR, 1, NULL), ENXIO, "and no other");
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, 1, &ipa), ENXIO, "which cannot be set");
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, NULL), EFAULT,
		      "an address from nowhere");
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &odd), EINVAL,
		      "an address that is not a multiple of 64");
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &hole), EINVAL,
		      "an address without memory");
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &ipa), 0,
		      "a good address");
		gives(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &ipa), EEXIST,
		      "the same again");
		gives(pvtime(&vcpu, KVM_GET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &got), 0,
		      "KVM_GET_DEVICE_ATTR");
		check(got == ipa, "it is what was set (%#llx)", (unsigned long long)got);
	}
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* HVC PV_TIME_FEATURES(PV_TIME_ST), PV_TIME_ST; the results and the structure go to MMIO. */
GUEST_CODE(steal_guest, "	ldr	x19, =0x09000000\n"
			"	ldr	w0, =0xc5000020\n"
			"	ldr	w1, =0xc5000021\n"
			"	hvc	#0\n"
			"	str	x0, [x19]\n"
			"	ldr	w0, =0xc5000021\n"
			"	hvc	#0\n"
			"	str	x0, [x19]\n"
			"1:	ldr	x1, [x0]\n"
			"	str	x1, [x19]\n"
			"	ldr	x1, [x0, #8]\n"
			"	str	x1, [x19]\n"
			"	b	1b\n"
			"	.ltorg\n");

static void test_stolen_time_in_a_guest(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint64_t ipa = GUEST_BASE + 0x10000, stolen = 0, last = 0;
	volatile uint64_t *shared = (void *)(vm.mem + 0x10000);
	bool backwards = false;
	int i;

	if (ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_STEAL_TIME) > 0) {
		shared[0] = shared[1] = ~0ULL;
		must(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &ipa),
		     "the address of stolen time");
		add_gic(&vm);
		LOAD(&vm, &vcpu, steal_guest);
		expect_write(&vcpu, MMIO_BASE, 8, 0, "PV_TIME_FEATURES: success");
		expect_write(&vcpu, MMIO_BASE, 8, ipa, "PV_TIME_ST: the address");
		expect_write(&vcpu, MMIO_BASE, 8, 0, "revision and attributes are 0");
		for (i = 0; i < 50 && !stolen; i++) {
			if (!expect_mmio(&vcpu, true, MMIO_BASE, 8, "stolen time"))
				break;
			stolen = mmio_value(&vcpu);
			backwards |= stolen < last;
			last = stolen;
			expect_write(&vcpu, MMIO_BASE, 8, 0, "and again");
			sched_yield();
		}
		check(!backwards && stolen < 60000000000ULL, "stolen time counts up from 0 (%llu)",
		      (unsigned long long)stolen);
		check(shared[1] >= stolen, "userspace sees what the guest sees");
	}
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

/* Nothing but exits: as after a migration, where the guest asked long ago. */
GUEST_CODE(migrated_guest, "	ldr	x19, =0x09000000\n"
			   "1:	str	x19, [x19]\n"
			   "	b	1b\n"
			   "	.ltorg\n");

/* This thread gets a companion on CPU 0, or its CPUs back. */
static pid_t share_cpu(cpu_set_t *all)
{
	cpu_set_t first;
	pid_t pid;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	must(sched_getaffinity(0, sizeof(*all), all), "which CPUs");
	must(sched_setaffinity(0, sizeof(first), &first), "to one CPU");
	pid = (pid_t)must(fork(), "fork");
	while (!pid)
		;
	return pid;
}

static void end_sharing(pid_t pid, const cpu_set_t *all)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	must(sched_setaffinity(0, sizeof(*all), all), "to all CPUs");
}

static void test_stolen_time_of_a_migrated_guest(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint64_t ipa = GUEST_BASE + 0x10000, first;
	volatile uint64_t *shared = (void *)(vm.mem + 0x10000);
	cpu_set_t all;
	pid_t other;
	int i;

	if (ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KVM_CAP_STEAL_TIME) > 0) {
		must(pvtime(&vcpu, KVM_SET_DEVICE_ATTR, KVM_ARM_VCPU_PVTIME_IPA, &ipa),
		     "the address of stolen time");
		LOAD(&vm, &vcpu, migrated_guest);
		expect_write(&vcpu, MMIO_BASE, 8, MMIO_BASE, "the guest runs");
		first = shared[1];
		other = share_cpu(&all);
		for (i = 0; i < 1000 && shared[1] == first; i++) {
			must(ioctl(vcpu.fd, KVM_RUN, 0), "KVM_RUN");
			sched_yield();
		}
		end_sharing(other, &all);
		check(shared[1] > first, "stolen time counts, though this guest has not asked");
	}
	close(vcpu.fd);
	close(vm.fd);
	close(vm.dev);
}

int main(void)
{
	test_create();
	test_uninitialized();
	test_init();
	test_registers();
	test_reg_list();
	test_mp_state();
	test_id_registers();
	test_timer_interrupts();
	test_finalize();
	test_stolen_time();
	test_stolen_time_in_a_guest();
	test_stolen_time_of_a_migrated_guest();
	return finish();
}
