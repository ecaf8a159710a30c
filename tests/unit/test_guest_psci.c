// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* LIBS: -lpthread */
/* PSCI and SMCCC as a guest sees them. */
#include <trap_world.h>

#include <pthread.h>

#include <lib/psci_abi.h>
#include <trap/guest_psci.h>
#include <trap/guest_smccc.h>

#define PC	      0x40080000ULL
#define ARCH_FEATURES 0x80000001U
#define WORKAROUND(n) ((n) == 1 ? 0x80008000U : (n) == 2 ? 0x80007fffU : 0x80003fffU)

static int call(struct vcpu *vcpu, u64 fid, u64 a1, u64 a2, u64 a3)
{
	vcpu->regs.x[0] = fid;
	vcpu->regs.x[1] = a1;
	vcpu->regs.x[2] = a2;
	vcpu->regs.x[3] = a3;
	return take(vcpu, ESR_EC_HVC64, 0);
}

static s64 result(u64 fid, u64 a1, u64 a2, u64 a3)
{
	assert_int_equal(call(V, fid, a1, a2, a3), VCPU_RESUME);
	return (s64)V->regs.x[0];
}

static void a_call_works_by_hvc_and_by_smc(void **state)
{
	assert_int_equal(result(PSCI_VERSION, 0, 0, 0), 0x10001);
	assert_int_equal(V->regs.pc, PC); /* behind the HVC already */
	V->regs.x[0] = PSCI_VERSION;
	assert_int_equal(take(V, ESR_EC_SMC64, 0), VCPU_RESUME);
	assert_int_equal(V->regs.x[0], 0x10001);
	assert_int_equal(V->regs.pc, PC + 4);
}

static void features_lists_exactly_the_functions_there_are(void **state)
{
	static const u32 there[] = { PSCI_VERSION,
				     PSCI_CPU_SUSPEND,
				     PSCI_CPU_SUSPEND | PSCI_64,
				     PSCI_CPU_OFF,
				     PSCI_CPU_ON,
				     PSCI_CPU_ON | PSCI_64,
				     PSCI_AFFINITY_INFO | PSCI_64,
				     PSCI_MIGRATE_INFO_TYPE,
				     PSCI_SYSTEM_OFF,
				     PSCI_SYSTEM_RESET,
				     PSCI_SYSTEM_RESET2,
				     PSCI_FEATURES,
				     SMCCC_VERSION };
	static const u32 not_there[] = { PSCI_CPU_OFF | PSCI_64,
					 PSCI_MIGRATE,
					 PSCI_SYSTEM_SUSPEND,
					 PSCI_MEM_PROTECT,
					 PSCI_STAT_COUNT,
					 0,
					 0xffffffff };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(there); i++)
		assert_int_equal(result(PSCI_FEATURES, there[i], 0, 0), 0);
	for (i = 0; i < ARRAY_SIZE(not_there); i++) {
		assert_int_equal(result(PSCI_FEATURES, not_there[i], 0, 0), PSCI_NOT_SUPPORTED);
		if (not_there[i])
			assert_int_equal(result(not_there[i], 0, 0, 0), PSCI_NOT_SUPPORTED);
	}
}

static void userspace_can_choose_an_older_version(void **state)
{
	assert_int_equal(guest_psci_set_version(&w.vm, 0x10002), -EINVAL);
	assert_int_equal(guest_psci_set_version(&w.vm, 1), -EINVAL);
	assert_int_equal(guest_psci_set_version(&w.vm, 1ULL << 32 | GUEST_PSCI_0_2), -EINVAL);
	assert_int_equal(guest_psci_set_version(&w.vm, GUEST_PSCI_1_0), 0);
	assert_int_equal(result(PSCI_VERSION, 0, 0, 0), 0x10000);
	assert_int_equal(result(PSCI_SYSTEM_RESET2, 0, 0, 0), PSCI_NOT_SUPPORTED);
	assert_int_equal(guest_psci_set_version(&w.vm, GUEST_PSCI_0_2), 0);
	assert_int_equal(result(PSCI_FEATURES, PSCI_VERSION, 0, 0), PSCI_NOT_SUPPORTED);
}

static void cpu_on_starts_a_stopped_vcpu_at_its_entry(void **state)
{
	struct vcpu *t = &w.vcpu[2];

	t->power = VCPU_STOPPED;
	t->regs.x[5] = 5;
	t->sysreg[TTBR0_EL1] = 7;
	assert_int_equal(w.hooks->resume(t), KEEL_EXIT_OFF);
	assert_int_equal(result(PSCI_AFFINITY_INFO, 2, 0, 0), PSCI_AFFINITY_OFF);
	assert_int_equal(call(V, PSCI_CPU_ON | PSCI_64, 2, 0x8840000000, 0x1122334455667788),
			 KEEL_EXIT_IRQ);
	assert_int_equal(V->regs.x[0], PSCI_SUCCESS);
	assert_int_equal(w.run[0].wake[0], BIT(2));
	assert_int_equal(result(PSCI_AFFINITY_INFO, 2, 0, 0), PSCI_AFFINITY_ON_PENDING);
	/* as KVM answers, pending or not */
	assert_int_equal(result(PSCI_CPU_ON, 2, 0, 0), PSCI_ALREADY_ON);
	assert_int_equal(w.hooks->resume(t), VCPU_RESUME);
	assert_int_equal(t->regs.pc, 0x8840000000);
	assert_int_equal(t->regs.x[0], 0x1122334455667788);
	assert_int_equal(t->regs.x[5], 0);
	assert_int_equal(t->regs.pstate, PSR_MODE_EL1h | PSR_DAIF);
	assert_int_equal(t->sysreg[TTBR0_EL1], 0);
	assert_int_equal(t->sysreg[SCTLR_EL1], SCTLR_EL1_RESET);
	assert_int_equal(w.timers_off, 1);
	assert_int_equal(result(PSCI_CPU_ON, 2, 0, 0), PSCI_ALREADY_ON);
	assert_int_equal(result(PSCI_AFFINITY_INFO, 2, 0, 0), PSCI_AFFINITY_ON);
	assert_int_equal(w.cpus_on, 1);
	t->regs.pc = 4;
	assert_int_equal(w.hooks->resume(t), VCPU_RESUME);
	assert_int_equal(t->regs.pc, 4); /* once */
	assert_int_equal(w.cpus_on, 1);
}

/* DEN 0022: the vCPU starts in the byte order of the caller of CPU_ON. */
static void cpu_on_keeps_the_callers_byte_order(void **state)
{
	struct vcpu *t = &w.vcpu[2];

	for (int big = 0; big < 2; big++) {
		t->power = VCPU_STOPPED;
		t->sysreg[SCTLR_EL1] = SCTLR_EL1_RESET | (big ? 0 : SCTLR_EL1_EE);
		V->sysreg[SCTLR_EL1] = SCTLR_EL1_RESET | SCTLR_M | (big ? SCTLR_EL1_EE : 0);
		assert_int_equal(call(V, PSCI_CPU_ON | PSCI_64, 2, 0x40000000, 0), KEEL_EXIT_IRQ);
		assert_int_equal(w.hooks->resume(t), VCPU_RESUME);
		assert_int_equal(t->sysreg[SCTLR_EL1], SCTLR_EL1_RESET | (big ? SCTLR_EL1_EE : 0));
	}
}

static void cpu_on_refuses_bad_targets_and_addresses(void **state)
{
	w.vcpu[1].power = VCPU_STOPPED;
	assert_int_equal(result(PSCI_CPU_ON | PSCI_64, 9, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(result(PSCI_CPU_ON | PSCI_64, BIT(31) | 1, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(result(PSCI_CPU_ON | PSCI_64, BIT(40) | 1, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(result(PSCI_CPU_ON | PSCI_64, 1, 2, 0), PSCI_INVALID_ADDRESS);
	assert_int_equal(result(PSCI_CPU_ON, 0, 0, 0), PSCI_ALREADY_ON);
	w.vcpu[1].initialized = false;
	assert_int_equal(result(PSCI_CPU_ON, 1, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(w.vcpu[1].power, VCPU_STOPPED);
	assert_int_equal(w.run[0].wake[0], 0);
}

static void calls_of_32_bits_have_arguments_of_32_bits(void **state)
{
	w.vcpu[1].power = VCPU_STOPPED;
	assert_int_equal(call(V, PSCI_CPU_ON, 0xff00000001, 0x140000000, 0x1ffffffff),
			 KEEL_EXIT_IRQ);
	assert_int_equal(w.hooks->resume(&w.vcpu[1]), VCPU_RESUME);
	assert_int_equal(w.vcpu[1].regs.pc, 0x40000000);
	assert_int_equal(w.vcpu[1].regs.x[0], 0xffffffff);
}

static void cpu_off_stops_the_caller(void **state)
{
	assert_int_equal(call(V, PSCI_CPU_OFF, 0, 0, 0), KEEL_EXIT_OFF);
	assert_int_equal(V->power, VCPU_STOPPED);
	assert_int_equal(w.hooks->resume(V), KEEL_EXIT_OFF);
}

static void suspend_waits_for_an_interrupt(void **state)
{
	w.deadline = 77;
	assert_int_equal(call(V, PSCI_CPU_SUSPEND | PSCI_64, PSCI_POWER_STATE_DOWN, 4, 5),
			 KEEL_EXIT_WFI);
	assert_int_equal(w.run[0].wfi.deadline, 77);
	assert_int_equal(V->regs.x[0], PSCI_SUCCESS);
	w.pending = true;
	assert_int_equal(result(PSCI_CPU_SUSPEND, 0, 0, 0), PSCI_SUCCESS);
}

static void affinity_info_of_a_level_is_on_if_any_vcpu_of_it_is(void **state)
{
	unsigned int i;

	for (i = 0; i < WORLD_VCPUS; i++)
		w.vcpu[i].power = VCPU_STOPPED;
	assert_int_equal(result(PSCI_AFFINITY_INFO, 0, 1, 0), PSCI_AFFINITY_OFF);
	w.vcpu[3].power = VCPU_STARTING;
	assert_int_equal(result(PSCI_AFFINITY_INFO, 0, 1, 0), PSCI_AFFINITY_ON_PENDING);
	w.vcpu[1].power = VCPU_RUNNABLE;
	assert_int_equal(result(PSCI_AFFINITY_INFO, 0, 1, 0), PSCI_AFFINITY_ON);
	assert_int_equal(result(PSCI_AFFINITY_INFO, 0, 3, 0), PSCI_AFFINITY_ON);
	assert_int_equal(result(PSCI_AFFINITY_INFO, 0x100, 1, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(result(PSCI_AFFINITY_INFO, 0, 4, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(result(PSCI_AFFINITY_INFO, 4, 0, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(result(PSCI_MIGRATE_INFO_TYPE, 0, 0, 0), 2);
}

static void calls_about_the_system_exit_to_the_host(void **state)
{
	static const struct {
		u64 fid, arg;
		u32 type;
		u64 flags;
	} rows[] = {
		{ PSCI_SYSTEM_OFF, 0, 1, 0 },
		{ PSCI_SYSTEM_RESET, 0, 2, 0 },
		{ PSCI_SYSTEM_RESET2, 0, 2, 1 },
		{ PSCI_SYSTEM_RESET2 | PSCI_64, BIT(31) | 5, 2, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(call(V, rows[i].fid, rows[i].arg, 0, 0), KEEL_EXIT_SYSTEM);
		assert_int_equal(w.run[0].system.type, rows[i].type);
		assert_int_equal(w.run[0].system.data[0], rows[i].flags);
		assert_int_equal((s64)V->regs.x[0], PSCI_INTERNAL_FAILURE);
	}
	assert_int_equal(result(PSCI_SYSTEM_RESET2, 1, 0, 0), PSCI_INVALID_PARAMETERS);
}

static int wins[2], finished;

static void *race(void *arg)
{
	struct vcpu *vcpu = &w.vcpu[(size_t)arg];
	unsigned int tries;

	for (tries = 0; tries < 20000; tries++) {
		vcpu->regs.x[0] = PSCI_CPU_ON;
		vcpu->regs.x[1] = 3;
		vcpu->regs.x[2] = vcpu->regs.x[3] = 0x1000 * (1 + (size_t)arg);
		if (guest_psci_call(vcpu) == KEEL_EXIT_IRQ)
			__atomic_fetch_add(&wins[(size_t)arg], 1, __ATOMIC_RELAXED);
		else if ((s64)vcpu->regs.x[0] != PSCI_ALREADY_ON &&
			 (s64)vcpu->regs.x[0] != PSCI_ON_PENDING)
			abort();
	}
	__atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Two callers and one target that turns off repeatedly: each start has one caller's arguments. */
static void of_two_callers_of_cpu_on_one_starts_the_vcpu(void **state)
{
	struct vcpu *t = &w.vcpu[3];
	pthread_t thread[2];
	int started = 0;
	size_t i;

	t->power = VCPU_STOPPED;
	wins[0] = wins[1] = finished = 0;
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, race, (void *)i), 0);
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < 2) {
		if (__atomic_load_n(&t->power, __ATOMIC_ACQUIRE) == VCPU_RUNNABLE) {
			assert_int_equal(w.hooks->resume(t), VCPU_RESUME);
			assert_int_equal(t->regs.pc, t->regs.x[0]);
			started++;
			assert_int_equal(call(t, PSCI_CPU_OFF, 0, 0, 0), KEEL_EXIT_OFF);
		}
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	if (t->power == VCPU_RUNNABLE)
		started++;
	assert_int_equal(started, wins[0] + wins[1]);
	assert_true(started > 0);
}

static void version_and_features_are_answered_and_unknown_calls_are_not(void **state)
{
	assert_int_equal(result(SMCCC_VERSION, 0, 0, 0), 0x10001);
	assert_int_equal(result(ARCH_FEATURES, SMCCC_VERSION, 0, 0), 0);
	assert_int_equal(result(ARCH_FEATURES, ARCH_FEATURES, 0, 0), 0);
	assert_int_equal(result(ARCH_FEATURES, 0x12345, 0, 0), -1);
	/* Keel's own hypercalls are not for guests, nor is anything else */
	assert_int_equal(result(KEEL_HC_VERSION, 0, 0, 0), -1);
	assert_int_equal(result(KEEL_HC_VM_DESTROY, 1, 0, 0), -1);
	assert_int_equal(result(0xc2000000, 0, 0, 0), -1);
	assert_int_equal(result(5, 0, 0, 0), -1);
}

/* A CPU comes up, with its own CSV2, ECBHB and EL3, and firmware's result on it. */
static void cpu_online(u64 csv2, u64 ecbhb, bool el3, s64 firmware)
{
	struct cpu_id_regs id = { 0 };

	id.reg[ID_REG_PFR0] = csv2 << 56 | (u64)el3 << 12;
	id.reg[ID_REG_MMFR1] = ecbhb << 60;
	w.firmware_there = el3;
	w.firmware = firmware;
	trap_cpu_online(&id);
}

static void assert_workaround(unsigned int n, s64 features, s64 call_result)
{
	assert_int_equal(result(ARCH_FEATURES, WORKAROUND(n), 0, 0), features);
	assert_int_equal(result(WORKAROUND(n), 0, 0, 0), call_result);
}

static void a_workaround_is_offered_by_what_the_cpu_says(void **state)
{
	/* no firmware, nothing known */
	cpu_online(0, 0, false, 0);
	assert_workaround(1, -1, -1);
	assert_workaround(2, -1, -1);
	assert_workaround(3, -1, -1);
	world_start();
	cpu_online(1, 0, false, 0);
	assert_workaround(1, 1, 0);
	assert_workaround(3, -1, -1);
	world_start();
	cpu_online(3, 0, false, 0);
	assert_workaround(3, 1, 0);
	world_start();
	cpu_online(1, 1, false, 0);
	assert_workaround(3, 1, 0);
	assert_int_equal(w.smcs, 0);
}

static void a_workaround_of_firmwares_is_passed_through(void **state)
{
	cpu_online(0, 0, true, 0);
	w.smcs = 0;
	assert_workaround(1, 0, 0);
	assert_int_equal(w.smcs, 1); /* the call itself: nobody asks again */
	assert_workaround(3, 0, 0);
	assert_workaround(2, -1, -1); /* the switch would outlast the guest */
	world_start();
	cpu_online(0, 0, true, -2);
	assert_int_equal(result(ARCH_FEATURES, WORKAROUND(2), 0, 0), -2);
	world_start();
	cpu_online(0, 0, true, 1);
	w.smcs = 0;
	assert_workaround(3, 1, 0);
	assert_int_equal(w.smcs, 0);
	world_start();
	cpu_online(0, 0, true, -1);
	assert_workaround(1, -1, -1);
}

/* The result is that of the worst CPU, in whatever order they come up. */
static void the_worst_cpu_decides_about_a_workaround(void **state)
{
	cpu_online(1, 1, true, 1);
	assert_workaround(1, 1, 0);
	cpu_online(0, 0, true, 0);
	assert_workaround(1, 0, 0);
	cpu_online(1, 1, true, 1);
	assert_workaround(1, 0, 0);
	cpu_online(0, 0, true, -1);
	assert_workaround(1, -1, -1);
	cpu_online(0, 0, true, 0);
	assert_workaround(1, -1, -1);
}

#define PV_FEATURES 0xc5000020U
#define PV_ST	    0xc5000021U

static void stolen_time_is_of_the_vcpus_that_userspace_gave_it_to(void **state)
{
	V->steal_ipa = VCPU_NO_STEAL_TIME;
	w.vcpu[1].steal_ipa = 0x40001040;
	/* the VM knows of it, this vCPU has none */
	assert_int_equal(result(ARCH_FEATURES, PV_FEATURES, 0, 0), 0);
	assert_int_equal(result(PV_FEATURES, PV_ST, 0, 0), -1);
	assert_int_equal(result(PV_ST, 0, 0, 0), -1);
	/* that one has */
	assert_int_equal(call(&w.vcpu[1], PV_FEATURES, PV_ST, 0, 0), VCPU_RESUME);
	assert_int_equal(w.vcpu[1].regs.x[0], 0);
	assert_int_equal(call(&w.vcpu[1], PV_FEATURES, PV_FEATURES, 0, 0), VCPU_RESUME);
	assert_int_equal(w.vcpu[1].regs.x[0], 0);
	assert_int_equal(call(&w.vcpu[1], PV_FEATURES, 0xc5000022, 0, 0), VCPU_RESUME);
	assert_int_equal(w.vcpu[1].regs.x[0], ~0ULL);
	assert_int_equal(call(&w.vcpu[1], PV_ST, 0, 0, 0), KEEL_EXIT_STEAL_TIME);
	assert_int_equal(w.vcpu[1].regs.x[0], 0x40001040);
	/* userspace turns it off */
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD_HYP, 0), 0);
	assert_int_equal(result(ARCH_FEATURES, PV_FEATURES, 0, 0), -1);
	assert_int_equal(call(&w.vcpu[1], PV_ST, 0, 0, 0), VCPU_RESUME);
	assert_int_equal(w.vcpu[1].regs.x[0], ~0ULL);
}

static void userspace_can_turn_services_off(void **state)
{
	assert_int_equal(guest_smccc_services(&w.vm, GUEST_SMCCC_STD), 1);
	assert_int_equal(guest_smccc_services(&w.vm, GUEST_SMCCC_STD_HYP), 1);
	assert_int_equal(guest_smccc_services(&w.vm, GUEST_SMCCC_VENDOR_HYP), 3);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD, 2), -EINVAL);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD, 0), 0);
	assert_int_equal(result(0x84000050, 0, 0, 0), -1);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD, 1), 0);
	assert_int_equal(result(0x84000050, 0, 0, 0), 0x10000);
	/* KVM's UID and its features call; then without PTP */
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_VENDOR_HYP, 7), -EINVAL);
	assert_int_equal(result(0x86000000, 9, 9, 9), 3);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_VENDOR_HYP, 1), 0);
	assert_int_equal(result(0x8600ff01, 0, 0, 0), 0xb66fb428);
	assert_int_equal(V->regs.x[1], 0xe911c52e);
	assert_int_equal(V->regs.x[2], 0x564bcaa9);
	assert_int_equal(V->regs.x[3], 0x743a004d);
	assert_int_equal(result(0x86000000, 9, 9, 9), 1);
	assert_int_equal(V->regs.x[1] | V->regs.x[2] | V->regs.x[3], 0);
	assert_int_equal(result(0x86000001, 0, 0, 0), -1); /* PTP */
	assert_int_equal(result(0xc6000000, 0, 0, 0), -1);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_VENDOR_HYP, 0), 0);
	assert_int_equal(result(0x8600ff01, 0, 0, 0), -1);
	assert_int_equal(result(0x86000000, 0, 0, 0), -1);
	/* once a vCPU has run it stays so */
	w.vm.has_run = true;
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD, 0), -EBUSY);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD, 1), 0);
	assert_int_equal(guest_smccc_set_services(&w.vm, GUEST_SMCCC_STD, 2), -EINVAL);
}

static void random_numbers_come_from_the_cpu(void **state)
{
	set_field(ID_ISAR0_RNDR, 1);
	fake_sysreg_set("s3_3_c2_c4_1", ~0ULL);
	assert_int_equal(result(0x84000050, 0, 0, 0), 0x10000);
	assert_int_equal(result(0x84000051, 0xc4000053, 0, 0), 0);
	assert_int_equal(result(0x84000051, 0xc4000050, 0, 0), -1);
	assert_true(result(0x84000052, 0, 0, 0) > 0);
	assert_int_equal(result(0xc4000053, 100, 0, 0), 0);
	assert_int_equal(V->regs.x[3], ~0ULL);
	assert_int_equal(V->regs.x[2], GENMASK(35, 0));
	assert_int_equal(V->regs.x[1], 0);
	assert_int_equal(result(0xc4000053, 192, 0, 0), 0);
	assert_int_equal(V->regs.x[1], ~0ULL);
	assert_int_equal(result(0x84000053, 33, 9, 9), 0);
	assert_int_equal(V->regs.x[3], 0xffffffff);
	assert_int_equal(V->regs.x[2], 1);
	assert_int_equal(result(0xc4000053, 0, 0, 0), -2);
	assert_int_equal(result(0xc4000053, 193, 0, 0), -2);
	assert_int_equal(result(0xc4000053, ~0ULL, 0, 0), -2);
	assert_int_equal(result(0x84000053, 97, 0, 0), -2);
	fake_sysreg_set("s3_3_c2_c4_1", 0); /* nothing there now */
	assert_int_equal(result(0xc4000053, 64, 7, 8), -3);
	assert_int_equal(V->regs.x[3], 0);
}

/* TRNG_RND on a CPU without a source of its own: the guest's result after the host's answer. */
static s64 host_gives(u32 fid, u64 bits, u64 high, u64 middle, u64 low)
{
	assert_int_equal(call(V, fid, bits, 0, 0), KEEL_EXIT_ENTROPY);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(V->run->entropy.word[i], 0);
	V->run->entropy.word[0] = high;
	V->run->entropy.word[1] = middle;
	V->run->entropy.word[2] = low;
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
	return (s64)V->regs.x[0];
}

static void without_a_source_of_the_cpus_random_numbers_come_from_the_host(void **state)
{
	V->run->answer = KEEL_ANSWER_DONE;
	assert_int_equal(result(0x84000050, 0, 0, 0), 0x10000);
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME); /* nothing to end */
	assert_int_equal(V->regs.x[0], 0x10000);
	assert_int_equal(host_gives(0xc4000053, 192, 1, 2, 3), 0);
	assert_int_equal(V->regs.x[1], 1);
	assert_int_equal(V->regs.x[2], 2);
	assert_int_equal(V->regs.x[3], 3);
	assert_int_equal(host_gives(0xc4000053, 65, 1, ~0ULL, 5), 0);
	assert_int_equal(V->regs.x[1], 0);
	assert_int_equal(V->regs.x[2], 1);
	assert_int_equal(V->regs.x[3], 5);
	assert_int_equal(host_gives(0x84000053, 32, 1, 2, ~0ULL), 0);
	assert_int_equal(V->regs.x[3], 0xffffffff);
	/* It has given nothing, or too little. */
	assert_int_equal(host_gives(0xc4000053, 192, 0, 2, 3), -3);
	assert_int_equal(V->regs.x[3], 0);
	assert_int_equal(host_gives(0xc4000053, 0, 1, 2, 3), -2);
	assert_int_equal(host_gives(0xc4000053, 193, 1, 2, 3), -2);
	/* Userspace wants the registers consistent: the call ends, and no instruction runs. */
	assert_int_equal(call(V, 0xc4000053, 64, 0, 0), KEEL_EXIT_ENTROPY);
	V->run->entropy.word[2] = 7;
	V->run->answer = KEEL_ANSWER_STOP;
	assert_int_equal(guest_smccc_resume(V), KEEL_EXIT_IRQ);
	assert_int_equal(V->regs.x[3], 7);
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
	/* A vCPU that begins anew has made no call. */
	assert_int_equal(call(V, 0xc4000053, 64, 0, 0), KEEL_EXIT_ENTROPY);
	guest_smccc_forget(V);
	V->regs.x[0] = 9;
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
	assert_int_equal(V->regs.x[0], 9);
}

#define PTP 0x86000001U

static s64 host_tells(u64 counter, u64 real, u64 count, u64 valid)
{
	assert_int_equal(call(V, PTP, counter, 0, 0), KEEL_EXIT_CLOCK);
	assert_int_equal(V->run->clock.valid, 0);
	V->run->clock.real = real;
	V->run->clock.count = count;
	V->run->clock.valid = valid;
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
	return (s64)V->regs.x[0];
}

static void the_hosts_clock_comes_with_the_count_that_the_guest_asked_for(void **state)
{
	V->run->answer = KEEL_ANSWER_DONE;
	w.vm.cntvoff = 0x1000000005ULL;
	assert_int_equal(host_tells(1, 0x123456789abcdef0, 0xfedcba9876543210, 1), 0x12345678);
	assert_int_equal(V->regs.x[1], 0x9abcdef0);
	assert_int_equal(V->regs.x[2], 0xfedcba98);
	assert_int_equal(V->regs.x[3], 0x76543210);
	assert_int_equal(host_tells(0, 5ULL << 32, 0x1100000004ULL, 1), 5);
	assert_int_equal(V->regs.x[1], 0);
	assert_int_equal(V->regs.x[2], 0);
	assert_int_equal(V->regs.x[3], 0xffffffff);
	/* The host cannot tell, or there is no such counter. */
	assert_int_equal(host_tells(0, 1, 2, 0), -1);
	assert_int_equal(V->regs.x[1] | V->regs.x[2] | V->regs.x[3], 0);
	assert_int_equal(result(PTP, 2, 8, 9), -1);
	assert_int_equal(V->regs.x[1] | V->regs.x[2] | V->regs.x[3], 0);
	/* As with random numbers: the call ends before the guest goes on, or a reset drops it. */
	assert_int_equal(call(V, PTP, 1, 0, 0), KEEL_EXIT_CLOCK);
	V->run->clock.valid = 1;
	V->run->answer = KEEL_ANSWER_STOP;
	assert_int_equal(guest_smccc_resume(V), KEEL_EXIT_IRQ);
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
	assert_int_equal(call(V, PTP, 1, 0, 0), KEEL_EXIT_CLOCK);
	guest_smccc_forget(V);
	V->regs.x[0] = 9;
	assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
	assert_int_equal(V->regs.x[0], 9);
}

/* With an EL2 the VM's offset counts at no level (nested_timer.h): its own one does, at EL1. */
static void with_an_el2_the_virtual_count_is_that_of_the_callers_level(void **state)
{
	V->run->answer = KEEL_ANSWER_DONE;
	w.vm.cntvoff = 1000;
	V->nested = (struct nested_vcpu *)&w; /* not looked into */
	for (u64 own = 0; own < 20; own += 10) {
		fake_sysreg_set("cntvoff_el2", own);
		V->regs.x[0] = PTP;
		V->regs.x[1] = 0;
		assert_int_equal(guest_smccc_call(V, 0), KEEL_EXIT_CLOCK);
		fake_sysreg_set("cntvoff_el2", w.vm.cntvoff); /* the next run begins with it */
		V->run->clock.count = 5000;
		V->run->clock.valid = 1;
		assert_int_equal(guest_smccc_resume(V), VCPU_RESUME);
		assert_int_equal(V->regs.x[3], 5000 - own);
	}
	V->nested = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_call_works_by_hvc_and_by_smc, world_setup),
		cmocka_unit_test_setup(features_lists_exactly_the_functions_there_are, world_setup),
		cmocka_unit_test_setup(userspace_can_choose_an_older_version, world_setup),
		cmocka_unit_test_setup(cpu_on_starts_a_stopped_vcpu_at_its_entry, world_setup),
		cmocka_unit_test_setup(cpu_on_keeps_the_callers_byte_order, world_setup),
		cmocka_unit_test_setup(cpu_on_refuses_bad_targets_and_addresses, world_setup),
		cmocka_unit_test_setup(calls_of_32_bits_have_arguments_of_32_bits, world_setup),
		cmocka_unit_test_setup(cpu_off_stops_the_caller, world_setup),
		cmocka_unit_test_setup(suspend_waits_for_an_interrupt, world_setup),
		cmocka_unit_test_setup(affinity_info_of_a_level_is_on_if_any_vcpu_of_it_is,
				       world_setup),
		cmocka_unit_test_setup(calls_about_the_system_exit_to_the_host, world_setup),
		cmocka_unit_test_setup(of_two_callers_of_cpu_on_one_starts_the_vcpu, world_setup),
		cmocka_unit_test_setup(version_and_features_are_answered_and_unknown_calls_are_not,
				       world_setup),
		cmocka_unit_test_setup(a_workaround_is_offered_by_what_the_cpu_says, world_setup),
		cmocka_unit_test_setup(a_workaround_of_firmwares_is_passed_through, world_setup),
		cmocka_unit_test_setup(the_worst_cpu_decides_about_a_workaround, world_setup),
		cmocka_unit_test_setup(stolen_time_is_of_the_vcpus_that_userspace_gave_it_to,
				       world_setup),
		cmocka_unit_test_setup(userspace_can_turn_services_off, world_setup),
		cmocka_unit_test_setup(random_numbers_come_from_the_cpu, world_setup),
		cmocka_unit_test_setup(
			without_a_source_of_the_cpus_random_numbers_come_from_the_host,
			world_setup),
		cmocka_unit_test_setup(
			the_hosts_clock_comes_with_the_count_that_the_guest_asked_for, world_setup),
		cmocka_unit_test_setup(with_an_el2_the_virtual_count_is_that_of_the_callers_level,
				       world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
