// SPDX-License-Identifier: BSD-2-Clause
/* PSCI mediation on a fake firmware that, like a real one, knows which CPUs are on. */
/* SOURCES: hyp/host/psci.c hyp/host/smc_policy.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <host/psci.h>
#include <lib/errno.h>
#include <lib/psci_abi.h>

#define KEEL_ENTRY 0x8840200800ULL
/* The host's memory, as the fake has it. */
#define HOST_BASE 0x40000000ULL
#define HOST_END  0x80000000ULL
#define HOST_PC	  0x40000100ULL
#define CONTEXT	  0x1122334455667788ULL

#define NR_CPUS 4
static const u64 mpidrs[NR_CPUS] = { 0x0, 0x1, 0x100, 0x100000001 };

/* What the fake firmware does, and what it saw. */
struct world {
	struct psci psci;
	u64 version;
	s64 features; /* answer to PSCI_FEATURES */
	bool on[NR_CPUS];
	s64 refuse;		/* answer to whatever changes power, if not 0 */
	unsigned int calls;	/* since the last check */
	unsigned int starts;	/* of the host's kernels */
	bool irqs_on;		/* of the host, when it calls */
	bool no_info;		/* AFFINITY_INFO is not answered */
	struct smccc_regs last; /* the last call's arguments */
	/* run by firmware during a call, as another CPU would */
	void (*meanwhile)(struct world *w);
	jmp_buf gone; /* a CPU went off or down: the call does not return */
	bool may_go;
};

static struct world w;

static int fw_cpu(u64 mpidr)
{
	for (int i = 0; i < NR_CPUS; i++) {
		if (mpidrs[i] == mpidr)
			return i;
	}
	return -1;
}

static s64 fw_cpu_on(struct smccc_regs *r)
{
	int cpu = fw_cpu(r->x[1]);

	if (cpu < 0)
		return PSCI_INVALID_PARAMETERS;
	if (w.on[cpu])
		return PSCI_ALREADY_ON;
	assert_int_equal(r->x[2], KEEL_ENTRY);
	assert_int_equal(r->x[3], cpu);
	w.on[cpu] = true;
	return PSCI_SUCCESS;
}

static s64 fw_affinity_info(struct smccc_regs *r)
{
	int cpu = fw_cpu(r->x[1]);

	if (w.no_info)
		return PSCI_NOT_SUPPORTED;
	if (cpu < 0 || r->x[2])
		return PSCI_INVALID_PARAMETERS;
	return w.on[cpu] ? PSCI_AFFINITY_ON : PSCI_AFFINITY_OFF;
}

/* The caller's context is gone. */
static void fw_go(void)
{
	assert_true(w.may_go);
	longjmp(w.gone, 1);
}

static s64 fw_power(struct smccc_regs *r)
{
	if (w.refuse)
		return w.refuse;
	switch ((u32)r->x[0]) {
	case PSCI_CPU_ON | PSCI_64:
		return fw_cpu_on(r);
	case PSCI_CPU_OFF:
		fw_go();
	}
	return PSCI_SUCCESS;
}

static void fake_smc(void *ctx, struct smccc_regs *r)
{
	void (*meanwhile)(struct world *) = w.meanwhile;
	s64 info = fw_affinity_info(r); /* may be out of date when the caller gets it */

	assert_ptr_equal(ctx, &w);
	/* firmware may take long, and other CPUs call meanwhile */
	assert_false(spin_is_locked(&w.psci.lock));
	w.calls++;
	w.last = *r;
	w.meanwhile = NULL;
	if (meanwhile)
		meanwhile(&w);
	switch ((u32)r->x[0]) {
	case PSCI_VERSION:
		r->x[0] = w.version;
		break;
	case PSCI_FEATURES:
		r->x[0] = (u64)w.features;
		break;
	case PSCI_AFFINITY_INFO | PSCI_64:
		r->x[0] = (u64)info;
		break;
	default:
		r->x[0] = (u64)fw_power(r);
	}
}

static bool fake_host_owns(void *ctx, struct ipa ipa)
{
	assert_ptr_equal(ctx, &w);
	return ipa.v >= HOST_BASE && ipa.v < HOST_END;
}

static bool fake_irqs_masked(void *ctx)
{
	assert_ptr_equal(ctx, &w);
	return !w.irqs_on;
}

static void fake_host_starts(void *ctx)
{
	assert_ptr_equal(ctx, &w);
	assert_false(spin_is_locked(&w.psci.lock));
	w.starts++;
}

static const struct psci_ops ops = { .smc = fake_smc,
				     .host_owns = fake_host_owns,
				     .irqs_masked = fake_irqs_masked,
				     .host_starts = fake_host_starts };

static void start(u64 version, s64 features)
{
	static struct fdt_cpus cpus;

	memset(&w, 0, sizeof(w));
	w.version = version;
	w.features = features;
	w.on[0] = true;
	cpus.count = NR_CPUS;
	memcpy(cpus.mpidr, mpidrs, sizeof(mpidrs));
	psci_init(&w.psci, &ops, &w, &cpus, PA(KEEL_ENTRY));
	w.calls = 0;
}

static int setup(void **state)
{
	start(0x10001, 0);
	return 0;
}

static struct smccc_regs args(u64 fid, u64 a1, u64 a2, u64 a3)
{
	struct smccc_regs r;

	for (unsigned int i = 0; i < ARRAY_SIZE(r.x); i++)
		r.x[i] = 0xf00d0000 + i;
	r.x[0] = fid;
	r.x[1] = a1;
	r.x[2] = a2;
	r.x[3] = a3;
	return r;
}

/* A call of the host on @cpu that returns; gives its result. */
static s64 call(unsigned int cpu, u64 fid, u64 a1, u64 a2, u64 a3)
{
	struct smccc_regs r = args(fid, a1, a2, a3), before = r;

	assert_true(psci_handle(&w.psci, cpu, &r));
	/* nothing of Keel's is left in the host's registers */
	assert_memory_equal(&r.x[1], &before.x[1], sizeof(r) - sizeof(r.x[0]));
	return (s64)r.x[0];
}

/* A call that does not return to the host. */
static void call_goes(unsigned int cpu, u64 fid, u64 a1, u64 a2, u64 a3)
{
	struct smccc_regs r = args(fid, a1, a2, a3);

	w.may_go = true;
	if (setjmp(w.gone) == 0) {
		psci_handle(&w.psci, cpu, &r);
		fail_msg("%llx returned %lld", (unsigned long long)fid, (long long)r.x[0]);
	}
	w.may_go = false;
}

static void firmware_saw(unsigned int calls)
{
	if (w.calls != calls)
		fail_msg("firmware saw %u calls, expected %u", w.calls, calls);
	w.calls = 0;
}

static void arrives(unsigned int cpu, u64 pc, u64 x0)
{
	struct psci_entry e = { 0, 0 };

	assert_int_equal(psci_cpu_arrived(&w.psci, cpu, &e), 0);
	assert_int_equal(e.pc, pc);
	assert_int_equal(e.x0, x0);
}

static void must_not_arrive(unsigned int cpu)
{
	struct psci_entry e = { 1, 2 };

	assert_int_equal(psci_cpu_arrived(&w.psci, cpu, &e), -EINVAL);
	assert_int_equal(e.pc, 1);
}

#define ON64	   (PSCI_CPU_ON | PSCI_64)
#define SUSPEND64  (PSCI_CPU_SUSPEND | PSCI_64)
#define AFFINITY64 (PSCI_AFFINITY_INFO | PSCI_64)
#define S2RAM64	   (PSCI_SYSTEM_SUSPEND | PSCI_64)

static s64 cpu_on(unsigned int cpu)
{
	return call(0, ON64, mpidrs[cpu], HOST_PC, CONTEXT + cpu);
}

static void bring_up(unsigned int cpu)
{
	assert_int_equal(cpu_on(cpu), PSCI_SUCCESS);
	arrives(cpu, HOST_PC, CONTEXT + cpu);
}

/* --- CPU_ON, CPU_OFF --- */

static void every_cpu_comes_up_through_keel(void **state)
{
	for (unsigned int cpu = 1; cpu < NR_CPUS; cpu++) {
		bring_up(cpu);
		firmware_saw(1);
		assert_int_equal(w.last.x[0], ON64);
	}
	assert_true(psci_is_off(&w.psci, 0xffffff)); /* no CPU */
	for (unsigned int cpu = 0; cpu < NR_CPUS; cpu++) {
		assert_int_equal(cpu_on(cpu), PSCI_ALREADY_ON);
		must_not_arrive(cpu);
	}
}

static void cpus_can_be_turned_off_and_on_many_times(void **state)
{
	for (unsigned int round = 0; round < 40; round++) {
		unsigned int cpu = 1 + round % 3;

		bring_up(cpu);
		assert_false(psci_is_off(&w.psci, mpidrs[cpu]));
		call_goes(cpu, PSCI_CPU_OFF, 0, 0, 0);
		w.on[cpu] = false;
		must_not_arrive(cpu);
		assert_true(psci_is_off(&w.psci, mpidrs[cpu]));
	}
}

static void goes_off(unsigned int cpu)
{
	call_goes(cpu, PSCI_CPU_OFF, 0, 0, 0);
	w.on[cpu] = false;
}

static void asks_version(unsigned int cpu, unsigned int starts)
{
	assert_int_equal(call(cpu, PSCI_VERSION, 0, 0, 0), 0x10001);
	assert_int_equal(w.starts, starts);
}

/* On whichever CPU it starts, the others being off, or on their way. */
static void a_kernel_that_starts_is_noticed(void **state)
{
	assert_int_equal(w.starts, 0); /* Keel's own calls are no kernel's */
	asks_version(0, 1);
	assert_int_equal(cpu_on(1), PSCI_SUCCESS);
	asks_version(0, 1);
	arrives(1, HOST_PC, CONTEXT + 1);
	asks_version(0, 1);
	asks_version(1, 1);
	bring_up(3);
	goes_off(0);
	asks_version(1, 1);
	goes_off(3);
	asks_version(1, 2);
	assert_int_equal(call(1, AFFINITY64, 0, 0, 0), PSCI_AFFINITY_OFF);
	assert_int_equal(w.starts, 2);
}

/* A reader of Linux's debugfs asks as well, on a host of one CPU too. */
static void a_kernel_that_runs_with_interrupts_does_not_start(void **state)
{
	w.irqs_on = true;
	asks_version(0, 0);
	w.irqs_on = false;
	asks_version(0, 1);
}

/* A crash kernel: one CPU was lost by firmware, one never came, one had gone off as it should. */
static void cpus_that_are_gone_do_not_hide_a_kernel_that_starts(void **state)
{
	bring_up(1);
	bring_up(2);
	goes_off(2);
	assert_int_equal(cpu_on(3), PSCI_SUCCESS);
	w.on[1] = false;
	asks_version(0, 0);
	w.on[3] = false;
	asks_version(0, 1);
}

static void still_runs(struct world *world)
{
	assert_false(psci_is_off(&world->psci, mpidrs[1]));
	asks_version(0, 0);
}

static void a_cpu_is_not_off_before_firmware_says_so(void **state)
{
	bring_up(1);
	w.meanwhile = still_runs;
	goes_off(1);
	assert_true(psci_is_off(&w.psci, mpidrs[1]));
	asks_version(0, 1);
}

/* CPU 1 was seen to be off; CPU 2 starts it, and goes off before it is looked at. */
static void hands_over(struct world *world)
{
	assert_int_equal(call(2, ON64, mpidrs[1], HOST_PC, CONTEXT), PSCI_SUCCESS);
	arrives(1, HOST_PC, CONTEXT);
	goes_off(2);
}

static void cpus_that_take_turns_hide_no_one(void **state)
{
	bring_up(2);
	w.meanwhile = hands_over;
	asks_version(0, 0);
	assert_false(w.meanwhile);
	goes_off(1);
	asks_version(0, 1);
}

/* As before, but CPU 2 had asked for it already: firmware is about to start CPU 1. */
static void is_asked_for(struct world *world)
{
	world->on[2] = false;
	asks_version(0, 0);
	world->on[2] = true;
}

static void a_cpu_that_is_being_started_is_not_gone(void **state)
{
	bring_up(2);
	w.meanwhile = is_asked_for;
	assert_int_equal(call(2, ON64, mpidrs[1], HOST_PC, CONTEXT), PSCI_SUCCESS);
	arrives(1, HOST_PC, CONTEXT);
	asks_version(0, 0);
	goes_off(1);
	goes_off(2);
	asks_version(0, 1);
}

static void without_affinity_info_keels_own_states_count(void **state)
{
	w.no_info = true;
	bring_up(1);
	asks_version(0, 0);
	assert_false(psci_is_off(&w.psci, mpidrs[1]));
	goes_off(1);
	assert_true(psci_is_off(&w.psci, mpidrs[1]));
	asks_version(0, 1);
}

static void a_call_of_32_bits_has_arguments_of_32_bits(void **state)
{
	/* upper halves are ignored, as in Wn; firmware is called with 64 bits all the same */
	s64 ret = call(0, 0xdead0000ULL << 32 | PSCI_CPU_ON, 0xbeef00000100,
		       0xbeef00000000 | HOST_PC, CONTEXT);

	assert_int_equal(ret, PSCI_SUCCESS);
	assert_int_equal(w.last.x[0], ON64);
	arrives(2, HOST_PC, CONTEXT & 0xffffffff);
}

static void cpu_on_refuses_bad_arguments(void **state)
{
	static const u64 no_cpus[] = {
		2, 0x101, 0x80000001, 0x200000001, 0xff00000000000001, ~0ULL
	};
	static const u64 no_places[] = { 0,	      HOST_BASE - 4, HOST_END,	 ~3ULL,
					 HOST_PC + 1, HOST_PC + 2,   KEEL_ENTRY, HOST_PC + 3 };

	for (size_t i = 0; i < ARRAY_SIZE(no_cpus); i++)
		assert_int_equal(call(0, ON64, no_cpus[i], HOST_PC, 0), PSCI_INVALID_PARAMETERS);
	for (size_t i = 0; i < ARRAY_SIZE(no_places); i++)
		assert_int_equal(call(0, ON64, 1, no_places[i], 0), PSCI_INVALID_ADDRESS);
	firmware_saw(0);
	must_not_arrive(1);
	assert_int_equal(call(0, ON64, 1, HOST_END - 4, 0), PSCI_SUCCESS);
}

static void a_second_cpu_on_before_the_arrival_is_pending(void **state)
{
	assert_int_equal(cpu_on(1), PSCI_SUCCESS);
	firmware_saw(1);
	assert_int_equal(call(2, ON64, 1, HOST_PC + 8, 0), PSCI_ON_PENDING);
	firmware_saw(0);
	arrives(1, HOST_PC, CONTEXT + 1);
	assert_int_equal(cpu_on(1), PSCI_ALREADY_ON);
}

/* Another CPU asks for the same target while firmware works. */
static void race_cpu_on(struct world *world)
{
	assert_int_equal(call(2, ON64, 1, HOST_PC + 8, 0), PSCI_ON_PENDING);
}

static void of_two_callers_of_cpu_on_one_starts_the_cpu(void **state)
{
	w.meanwhile = race_cpu_on;
	assert_int_equal(cpu_on(1), PSCI_SUCCESS);
	firmware_saw(1);
	arrives(1, HOST_PC, CONTEXT + 1);
}

/* The target is faster than firmware's return to the caller. */
static void race_arrival(struct world *world)
{
	arrives(1, HOST_PC, CONTEXT + 1);
	assert_int_equal(call(1, PSCI_VERSION, 0, 0, 0), 0x10001);
}

static void the_target_may_arrive_before_the_call_returns(void **state)
{
	w.meanwhile = race_arrival;
	assert_int_equal(cpu_on(1), PSCI_SUCCESS);
	assert_int_equal(w.psci.cpu[1].state, PSCI_CPU_ON);
}

static void a_cpu_on_that_firmware_refuses_leaves_the_cpu_off(void **state)
{
	static const s64 errors[] = {
		PSCI_DENIED,	 PSCI_INTERNAL_FAILURE, PSCI_INVALID_PARAMETERS,
		PSCI_ALREADY_ON, PSCI_ON_PENDING,	PSCI_INVALID_ADDRESS
	};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		w.refuse = errors[i];
		assert_int_equal(cpu_on(1), errors[i]);
		must_not_arrive(1);
	}
	w.refuse = 0;
	bring_up(1);
}

/* The target runs all the same, as when it was refused to go off at that moment. */
static void race_arrival_and_refusal(struct world *world)
{
	arrives(1, HOST_PC, CONTEXT + 1);
	w.refuse = PSCI_INTERNAL_FAILURE;
}

static void a_running_cpu_is_not_marked_off_by_another(void **state)
{
	w.meanwhile = race_arrival_and_refusal;
	assert_int_equal(cpu_on(1), PSCI_INTERNAL_FAILURE);
	assert_int_equal(w.psci.cpu[1].state, PSCI_CPU_ON);
}

static void a_cpu_that_firmware_lost_can_be_started_again(void **state)
{
	bring_up(1);
	w.on[1] = false;
	w.calls = 0;
	bring_up(1);
	firmware_saw(2);
	/* but a CPU never takes itself for lost */
	w.on[0] = false;
	assert_int_equal(cpu_on(0), PSCI_ALREADY_ON);
	firmware_saw(0);
}

/* Another CPU starts it while the caller is told that it is off. */
static void starts_it_again(struct world *world)
{
	assert_int_equal(call(2, ON64, mpidrs[1], HOST_PC, CONTEXT), PSCI_SUCCESS);
	arrives(1, HOST_PC, CONTEXT);
}

static void a_lost_cpu_is_started_again_once(void **state)
{
	bring_up(1);
	bring_up(2);
	w.on[1] = false;
	w.meanwhile = starts_it_again;
	assert_int_equal(cpu_on(1), PSCI_ALREADY_ON);
	assert_int_equal(w.psci.cpu[1].state, PSCI_CPU_ON);
	/* that one can be lost as well */
	w.on[1] = false;
	bring_up(1);
}

/* A CPU is on its way off: firmware still has it on. */
static void race_on_while_going_off(struct world *world)
{
	assert_int_equal(cpu_on(1), PSCI_ALREADY_ON);
	assert_int_equal(call(0, AFFINITY64, 1, 0, 0), PSCI_AFFINITY_ON);
}

static void a_cpu_on_of_a_cpu_that_is_going_off_is_in_order(void **state)
{
	bring_up(1);
	w.meanwhile = race_on_while_going_off;
	call_goes(1, PSCI_CPU_OFF, 0, 0, 0);
	w.on[1] = false;
	must_not_arrive(1);
	bring_up(1);
}

static void a_cpu_off_that_firmware_refuses_leaves_the_cpu_on(void **state)
{
	bring_up(1);
	w.refuse = PSCI_DENIED;
	assert_int_equal(call(1, PSCI_CPU_OFF, 0, 0, 0), PSCI_DENIED);
	assert_int_equal(w.psci.cpu[1].state, PSCI_CPU_ON);
	w.refuse = 0;
	assert_int_equal(cpu_on(1), PSCI_ALREADY_ON);
}

static void uninvited_cpus_stay_out(void **state)
{
	must_not_arrive(1);
	must_not_arrive(0);
	must_not_arrive(NR_CPUS);
	must_not_arrive(~0U);
}

/* --- AFFINITY_INFO --- */

static void affinity_info_knows_cpus_that_are_pending(void **state)
{
	assert_int_equal(call(0, AFFINITY64, 0, 0, 0), PSCI_AFFINITY_ON);
	assert_int_equal(call(0, AFFINITY64, 1, 0, 0), PSCI_AFFINITY_OFF);
	assert_int_equal(cpu_on(1), PSCI_SUCCESS);
	assert_int_equal(call(0, AFFINITY64, 1, 0, 0), PSCI_AFFINITY_ON_PENDING);
	assert_int_equal(call(0, PSCI_AFFINITY_INFO, 1, 0, 0), PSCI_AFFINITY_ON_PENDING);
	arrives(1, HOST_PC, CONTEXT + 1);
	assert_int_equal(call(0, AFFINITY64, 1, 0, 0), PSCI_AFFINITY_ON);
	/* other levels, and CPUs that are none, are firmware's to judge */
	w.calls = 0;
	assert_int_equal(call(0, AFFINITY64, 1, 1, 0), PSCI_INVALID_PARAMETERS);
	assert_int_equal(call(0, AFFINITY64, 77, 0, 0), PSCI_INVALID_PARAMETERS);
	firmware_saw(2);
}

/* --- suspend --- */

static u64 power_down(bool extended)
{
	return extended ? PSCI_POWER_STATE_DOWN_EXTENDED : PSCI_POWER_STATE_DOWN;
}

/* A state that keeps all, by Keel's reading: whatever firmware makes of it, it has Keel's entry. */
static void standby_has_keels_entry(void **state)
{
	for (unsigned int extended = 0; extended < 2; extended++) {
		start(0x10001, extended ? 2 : 0);
		/* the bit of the other format says nothing; the entry need not be one */
		assert_int_equal(call(0, SUSPEND64, power_down(!extended) | 5, 1, 2), PSCI_SUCCESS);
		assert_int_equal(w.last.x[0], SUSPEND64);
		assert_int_equal(w.last.x[1], power_down(!extended) | 5);
		assert_int_equal(w.last.x[2], KEEL_ENTRY);
		assert_int_equal(w.last.x[3], 0);
		must_not_arrive(0);
	}
}

static void comes_by_keels_entry(struct world *world)
{
	assert_int_equal(w.last.x[2], KEEL_ENTRY);
	assert_int_equal(w.last.x[3], 2);
	arrives(2, HOST_PC + 4, CONTEXT);
	must_not_arrive(2);
}

static void comes_uninvited(struct world *world)
{
	assert_int_equal(w.last.x[2], KEEL_ENTRY);
	must_not_arrive(2);
}

/* Firmware lost the context of what was to be a standby. */
static void a_standby_that_goes_deeper_wakes_in_keel(void **state)
{
	bring_up(2);
	w.meanwhile = comes_by_keels_entry;
	call(2, SUSPEND64, 5, HOST_PC + 4, CONTEXT);
	assert_int_equal(w.psci.cpu[2].state, PSCI_CPU_ON);
	w.meanwhile = comes_uninvited;
	call(2, SUSPEND64, 5, 0, 0);
	call(2, SUSPEND64, 5, HOST_END, 0);
	call(2, SUSPEND64, 5, KEEL_ENTRY, 0);
}

static void wakes_by_the_entry(struct world *world)
{
	assert_int_equal(w.last.x[2], KEEL_ENTRY);
	assert_int_equal(w.last.x[3], 2);
	arrives(2, HOST_PC + 4, CONTEXT);
	/* once */
	must_not_arrive(2);
}

static void a_power_down_wakes_in_keel(void **state)
{
	for (unsigned int extended = 0; extended < 2; extended++) {
		start(0x10001, extended ? 2 : 0);
		bring_up(2);
		w.meanwhile = wakes_by_the_entry;
		call(2, SUSPEND64, power_down(extended), HOST_PC + 4, CONTEXT);
		assert_int_equal(w.psci.cpu[2].state, PSCI_CPU_ON);
	}
}

static void a_power_down_that_returns_leaves_no_entry(void **state)
{
	bring_up(2);
	/* a wake-up was pending, or firmware refused: in both cases nobody may come by the entry */
	assert_int_equal(call(2, SUSPEND64, PSCI_POWER_STATE_DOWN, HOST_PC, 0), PSCI_SUCCESS);
	must_not_arrive(2);
	w.refuse = PSCI_INVALID_PARAMETERS;
	assert_int_equal(call(2, SUSPEND64, PSCI_POWER_STATE_DOWN, HOST_PC, 0),
			 PSCI_INVALID_PARAMETERS);
	must_not_arrive(2);
	assert_int_equal(w.psci.cpu[2].state, PSCI_CPU_ON);
}

static void a_suspend_with_a_bad_address_is_refused(void **state)
{
	assert_int_equal(call(0, SUSPEND64, PSCI_POWER_STATE_DOWN, HOST_END, 0),
			 PSCI_INVALID_ADDRESS);
	assert_int_equal(call(0, S2RAM64, KEEL_ENTRY, 0, 0), PSCI_INVALID_ADDRESS);
	assert_int_equal(call(0, PSCI_CPU_DEFAULT_SUSPEND, 2, 0, 0), PSCI_INVALID_ADDRESS);
	firmware_saw(0);
}

static void wakes_from_s2ram(struct world *world)
{
	assert_int_equal(w.last.x[1], KEEL_ENTRY);
	assert_int_equal(w.last.x[2], 0);
	arrives(0, HOST_PC, CONTEXT & 0xffffffff);
}

static void suspends_without_a_power_state_wake_in_keel(void **state)
{
	static const u32 fids[] = { PSCI_SYSTEM_SUSPEND, PSCI_CPU_DEFAULT_SUSPEND };

	for (size_t i = 0; i < ARRAY_SIZE(fids); i++) {
		w.meanwhile = wakes_from_s2ram;
		call(0, fids[i], HOST_PC, CONTEXT, 0);
		assert_int_equal(w.last.x[0], fids[i] | PSCI_64);
	}
}

static void old_firmware_has_the_original_state_format(void **state)
{
	/* before 1.0 there is no PSCI_FEATURES to be asked */
	start(0x00002, 2);
	assert_false(w.psci.extended_state_id);
	start(0x10000, PSCI_NOT_SUPPORTED);
	assert_false(w.psci.extended_state_id);
	start((u64)-1, 2);
	assert_false(w.psci.extended_state_id);
	start(0x10000, 2);
	assert_true(w.psci.extended_state_id);
}

/* --- what passes, and what does not --- */

static void other_functions_are_passed_on(void **state)
{
	static const u32 fids[] = {
		PSCI_VERSION,
		PSCI_MIGRATE,
		PSCI_MIGRATE | PSCI_64,
		PSCI_MIGRATE_INFO_TYPE,
		PSCI_MIGRATE_INFO_UP_CPU,
		PSCI_MIGRATE_INFO_UP_CPU | PSCI_64,
		PSCI_SYSTEM_OFF,
		PSCI_SYSTEM_RESET,
		PSCI_NODE_HW_STATE,
		PSCI_SET_SUSPEND_MODE,
		PSCI_STAT_RESIDENCY | PSCI_64,
		PSCI_STAT_COUNT,
		PSCI_SYSTEM_RESET2,
		PSCI_SYSTEM_RESET2 | PSCI_64,
		PSCI_MEM_PROTECT,
		PSCI_MEM_CHECK_RANGE | PSCI_64,
	};

	w.irqs_on = true;
	for (size_t i = 0; i < ARRAY_SIZE(fids); i++) {
		struct smccc_regs r = args(fids[i], 11, 22, 33), before = r;

		assert_true(psci_handle(&w.psci, 0, &r));
		firmware_saw(1);
		assert_memory_equal(&w.last, &before, sizeof(before));
	}
}

static void unknown_functions_are_not_supported(void **state)
{
	static const u32 fids[] = {
		PSCI_CPU_FREEZE,
		PSCI_CPU_FREEZE | PSCI_64,
		0x84000015,
		0xc4000015,
		0x8400001f,
		0xc400001f,
		PSCI_VERSION | PSCI_64,
		PSCI_CPU_OFF | PSCI_64,
		PSCI_FEATURES | PSCI_64,
		PSCI_SYSTEM_OFF | PSCI_64,
	};

	for (size_t i = 0; i < ARRAY_SIZE(fids); i++)
		assert_int_equal(call(0, fids[i], 0, 0, 0), PSCI_NOT_SUPPORTED);
	firmware_saw(0);
}

static void features_lists_what_the_host_may_call(void **state)
{
	static const u32 known[] = { PSCI_CPU_ON, ON64,		 SUSPEND64,    PSCI_SYSTEM_RESET2,
				     S2RAM64,	  PSCI_FEATURES, SMCCC_VERSION };
	static const u32 unknown[] = { PSCI_CPU_FREEZE, 0xc4000015, 0x80000001, 0xc4000020, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		w.features = i % 2 ? 0 : PSCI_NOT_SUPPORTED;
		assert_int_equal(call(0, PSCI_FEATURES, known[i], 22, 33), w.features);
		firmware_saw(1);
		assert_int_equal(w.last.x[1], known[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		assert_int_equal(call(0, PSCI_FEATURES, unknown[i], 0, 0), PSCI_NOT_SUPPORTED);
	firmware_saw(0);
}

static void the_sve_hint_is_not_part_of_the_function(void **state)
{
	assert_int_equal(call(0, ON64 | 0x10000, 1, HOST_PC, CONTEXT + 1), PSCI_SUCCESS);
	arrives(1, HOST_PC, CONTEXT + 1);
}

static void other_calls_are_left_alone(void **state)
{
	static const u32 fids[] = { 0,		0x80000000, 0x84000020, 0xc4000060, 0xc2000000,
				    0x84020003, 0x04000003, 0x85000003, 0xb2000001 };

	for (size_t i = 0; i < ARRAY_SIZE(fids); i++) {
		struct smccc_regs r = args(fids[i], 1, HOST_PC, 0), before = r;

		assert_false(psci_handle(&w.psci, 0, &r));
		assert_memory_equal(&r, &before, sizeof(r));
	}
	firmware_saw(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_cpu_comes_up_through_keel, setup),
		cmocka_unit_test_setup(cpus_can_be_turned_off_and_on_many_times, setup),
		cmocka_unit_test_setup(a_kernel_that_starts_is_noticed, setup),
		cmocka_unit_test_setup(a_kernel_that_runs_with_interrupts_does_not_start, setup),
		cmocka_unit_test_setup(cpus_that_are_gone_do_not_hide_a_kernel_that_starts, setup),
		cmocka_unit_test_setup(a_cpu_is_not_off_before_firmware_says_so, setup),
		cmocka_unit_test_setup(cpus_that_take_turns_hide_no_one, setup),
		cmocka_unit_test_setup(a_cpu_that_is_being_started_is_not_gone, setup),
		cmocka_unit_test_setup(without_affinity_info_keels_own_states_count, setup),
		cmocka_unit_test_setup(a_call_of_32_bits_has_arguments_of_32_bits, setup),
		cmocka_unit_test_setup(cpu_on_refuses_bad_arguments, setup),
		cmocka_unit_test_setup(a_second_cpu_on_before_the_arrival_is_pending, setup),
		cmocka_unit_test_setup(of_two_callers_of_cpu_on_one_starts_the_cpu, setup),
		cmocka_unit_test_setup(the_target_may_arrive_before_the_call_returns, setup),
		cmocka_unit_test_setup(a_cpu_on_that_firmware_refuses_leaves_the_cpu_off, setup),
		cmocka_unit_test_setup(a_running_cpu_is_not_marked_off_by_another, setup),
		cmocka_unit_test_setup(a_cpu_that_firmware_lost_can_be_started_again, setup),
		cmocka_unit_test_setup(a_lost_cpu_is_started_again_once, setup),
		cmocka_unit_test_setup(a_cpu_on_of_a_cpu_that_is_going_off_is_in_order, setup),
		cmocka_unit_test_setup(a_cpu_off_that_firmware_refuses_leaves_the_cpu_on, setup),
		cmocka_unit_test_setup(uninvited_cpus_stay_out, setup),
		cmocka_unit_test_setup(affinity_info_knows_cpus_that_are_pending, setup),
		cmocka_unit_test_setup(standby_has_keels_entry, setup),
		cmocka_unit_test_setup(a_standby_that_goes_deeper_wakes_in_keel, setup),
		cmocka_unit_test_setup(a_power_down_wakes_in_keel, setup),
		cmocka_unit_test_setup(a_power_down_that_returns_leaves_no_entry, setup),
		cmocka_unit_test_setup(a_suspend_with_a_bad_address_is_refused, setup),
		cmocka_unit_test_setup(suspends_without_a_power_state_wake_in_keel, setup),
		cmocka_unit_test_setup(old_firmware_has_the_original_state_format, setup),
		cmocka_unit_test_setup(other_functions_are_passed_on, setup),
		cmocka_unit_test_setup(unknown_functions_are_not_supported, setup),
		cmocka_unit_test_setup(features_lists_what_the_host_may_call, setup),
		cmocka_unit_test_setup(the_sve_hint_is_not_part_of_the_function, setup),
		cmocka_unit_test_setup(other_calls_are_left_alone, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
