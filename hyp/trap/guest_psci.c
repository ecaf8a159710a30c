// SPDX-License-Identifier: BSD-2-Clause
/* PSCI for guests, as a table of functions. See guest_psci.h. */
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <cpu/assert.h>
#include <lib/errno.h>
#include <lib/psci_abi.h>
#include <trap/device.h>
#include <trap/guest_psci.h>
#include <trap/guest_smccc.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vm/run_page.h>

/* KVM_SYSTEM_EVENT_* and its flag in data[0] */
#define SYSTEM_EVENT_SHUTDOWN 1
#define SYSTEM_EVENT_RESET    2
#define SYSTEM_EVENT_RESET2   BIT(0)

#define MIGRATE_TOS_NOT_PRESENT 2

/* DEN 0022, 5.12.2: reset_type: 0 is a warm reset of the architecture, others are the vendor's */
#define RESET2_VENDOR BIT(31)

#define AFFINITY_LEVELS 4

/* Of a function's identifier */
#define PSCI_NUMBER(fid) ((fid) & (PSCI_LAST - PSCI_FIRST))

/* Argument @n of the call in progress: Xn, or Wn in a 32-bit call. Before psci_return(). */
static u64 psci_arg(const struct vcpu *vcpu, unsigned int n)
{
	const u64 *x = vcpu->regs.x;

	return x[0] & PSCI_64 ? x[n] : (u32)x[n];
}

static enum vcpu_action psci_return(struct vcpu *vcpu, s64 value)
{
	vcpu->regs.x[0] = (u64)value;
	return VCPU_RESUME;
}

u32 guest_psci_version(const struct vm *vm)
{
	u32 version = READ_ONCE(vm->psci_version);

	return version ? version : GUEST_PSCI_1_1;
}

int guest_psci_set_version(struct vm *vm, u64 version)
{
	if (version != GUEST_PSCI_0_2 && version != GUEST_PSCI_1_0 && version != GUEST_PSCI_1_1)
		return -EINVAL;
	WRITE_ONCE(vm->psci_version, (u32)version);
	return 0;
}

static enum vcpu_action guest_version(struct vcpu *vcpu)
{
	return psci_return(vcpu, guest_psci_version(vcpu->vm));
}

/* ---- vCPUs ---- */

/* The vCPU with this index, if userspace has initialized it, or NULL. */
static struct vcpu *vcpu_at(struct vm *vm, unsigned int index)
{
	struct vcpu *vcpu = __atomic_load_n(&vm->vcpus[index], __ATOMIC_ACQUIRE);

	return vcpu && READ_ONCE(vcpu->initialized) ? vcpu : NULL;
}

static struct vcpu *find_vcpu(struct vm *vm, u64 target)
{
	for (unsigned int i = 0; i < VM_VCPUS_MAX; i++) {
		struct vcpu *vcpu = vcpu_at(vm, i);

		if (vcpu && (vcpu->mpidr & PSCI_TARGET_AFFINITY) == target)
			return vcpu;
	}
	return NULL;
}

static s64 vcpu_affinity_state(const struct vcpu *vcpu)
{
	switch (__atomic_load_n(&vcpu->power, __ATOMIC_ACQUIRE)) {
	case VCPU_STOPPED:
		return PSCI_AFFINITY_OFF;
	case VCPU_STARTING:
		return PSCI_AFFINITY_ON_PENDING;
	default:
		return __atomic_load_n(&vcpu->on_pending, __ATOMIC_ACQUIRE)
			       ? PSCI_AFFINITY_ON_PENDING
			       : PSCI_AFFINITY_ON;
	}
}

/*
 * One of several callers finds the vCPU STOPPED. The others get ALREADY_ON; DEN 0022 also has
 * ON_PENDING, but KVM never returns it, and software written for KVM expects ALREADY_ON.
 */
static s64 start_vcpu(struct vcpu *target, u64 pc, u64 x0, bool big_endian)
{
	u32 stopped = VCPU_STOPPED;

	if (!__atomic_compare_exchange_n(&target->power, &stopped, VCPU_STARTING, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return PSCI_ALREADY_ON;
	target->on_pc = pc;
	target->on_x0 = x0;
	target->on_big_endian = big_endian;
	__atomic_store_n(&target->on_pending, true, __ATOMIC_RELEASE);
	__atomic_store_n(&target->power, VCPU_RUNNABLE, __ATOMIC_RELEASE);
	return PSCI_SUCCESS;
}

/* DEN 0022, 5.6. The host wakes the target's thread when this run has ended. */
static enum vcpu_action guest_cpu_on(struct vcpu *vcpu)
{
	struct vcpu *target = find_vcpu(vcpu->vm, psci_arg(vcpu, 1));
	s64 ret;

	if (!target)
		return psci_return(vcpu, PSCI_INVALID_PARAMETERS);
	if (!IS_ALIGNED(psci_arg(vcpu, 2), 4))
		return psci_return(vcpu, PSCI_INVALID_ADDRESS);
	ret = start_vcpu(target, psci_arg(vcpu, 2), psci_arg(vcpu, 3),
			 vcpu_read_sysreg(vcpu, SCTLR_EL1) & SCTLR_EL1_EE);
	psci_return(vcpu, ret);
	if (ret != PSCI_SUCCESS)
		return VCPU_RESUME;
	vcpu_wake(vcpu, target);
	return vcpu_to_host(KEEL_EXIT_IRQ);
}

/*
 * Does to a loaded vCPU what vcpu_reset() does to one that is not loaded. Registers that are not in
 * the table are UNKNOWN after reset. PSTATE is that of EL1 after reset, the byte order is the
 * caller's (DEN 0022, CPU_ON).
 */
void guest_psci_start(struct vcpu *vcpu)
{
	u64 pc = vcpu->on_pc, x0 = vcpu->on_x0;

	ASSERT_CMP(vcpu->owner, ==, this_cpu()->id);
	__atomic_store_n(&vcpu->on_pending, false, __ATOMIC_RELEASE);
	vcpu->regs = (struct vcpu_gpregs){ .pc = pc, .pstate = PSR_MODE_EL1h | PSR_DAIF };
	vcpu->regs.x[0] = x0;
	abort_forget(vcpu);
	guest_smccc_forget(vcpu);
	sysreg_reset(vcpu);
	trap_devices_on(vcpu);
	if (vcpu->on_big_endian)
		vcpu_write_sysreg(vcpu, SCTLR_EL1,
				  vcpu_read_sysreg(vcpu, SCTLR_EL1) | SCTLR_EL1_EE);
}

/* DEN 0022, 5.5. Another vCPU may turn this one on again before its run has ended. */
static enum vcpu_action guest_cpu_off(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->power, VCPU_STOPPED, __ATOMIC_RELEASE);
	return vcpu_to_host(KEEL_EXIT_OFF);
}

/* DEN 0022, 5.4: a state may end early, so each is implemented as the shallowest one. */
static enum vcpu_action guest_cpu_suspend(struct vcpu *vcpu)
{
	psci_return(vcpu, PSCI_SUCCESS);
	return trap_wait(vcpu, ~0ULL);
}

/* DEN 0022, 5.7: a node is on if anything in it is. */
static enum vcpu_action guest_affinity_info(struct vcpu *vcpu)
{
	static const u64 masks[AFFINITY_LEVELS] = {
		GENMASK(39, 32) | GENMASK(23, 0),
		GENMASK(39, 32) | GENMASK(23, 8),
		GENMASK(39, 32) | GENMASK(23, 16),
		GENMASK(39, 32),
	};
	u64 target = psci_arg(vcpu, 1), level = psci_arg(vcpu, 2), mask;
	s64 found = PSCI_INVALID_PARAMETERS;

	if (level >= AFFINITY_LEVELS || (target & ~PSCI_TARGET_AFFINITY))
		return psci_return(vcpu, PSCI_INVALID_PARAMETERS);
	mask = masks[level];
	for (unsigned int i = 0; i < VM_VCPUS_MAX && found != PSCI_AFFINITY_ON; i++) {
		struct vcpu *other = vcpu_at(vcpu->vm, i);
		s64 state;

		if (!other || ((other->mpidr ^ target) & mask))
			continue;
		state = vcpu_affinity_state(other);
		/* ON takes precedence over ON_PENDING, and that over OFF */
		if (found < 0 || state == PSCI_AFFINITY_ON || found == PSCI_AFFINITY_OFF)
			found = state;
	}
	return psci_return(vcpu, found);
}

static enum vcpu_action guest_migrate_info_type(struct vcpu *vcpu)
{
	return psci_return(vcpu, MIGRATE_TOS_NOT_PRESENT);
}

/* ---- the system ---- */

/* A call that does not return. The result is for a userspace that runs the vCPU all the same. */
static enum vcpu_action guest_system_event(struct vcpu *vcpu, u32 type, u64 flags)
{
	struct keel_run *run = vcpu->run;

	psci_return(vcpu, PSCI_INTERNAL_FAILURE);
	run_write32(vcpu, &run->system.type, type);
	run_write32(vcpu, &run->system.pad, 0);
	run_write64(vcpu, &run->system.data[0], flags);
	run_write64(vcpu, &run->system.data[1], 0);
	return vcpu_to_host(KEEL_EXIT_SYSTEM);
}

static enum vcpu_action guest_system_off(struct vcpu *vcpu)
{
	return guest_system_event(vcpu, SYSTEM_EVENT_SHUTDOWN, 0);
}

static enum vcpu_action guest_system_reset(struct vcpu *vcpu)
{
	return guest_system_event(vcpu, SYSTEM_EVENT_RESET, 0);
}

static enum vcpu_action guest_system_reset2(struct vcpu *vcpu)
{
	if (psci_arg(vcpu, 1) && !(psci_arg(vcpu, 1) & RESET2_VENDOR))
		return psci_return(vcpu, PSCI_INVALID_PARAMETERS);
	return guest_system_event(vcpu, SYSTEM_EVENT_RESET, SYSTEM_EVENT_RESET2);
}

/* ---- the table ---- */

static enum vcpu_action guest_psci_features(struct vcpu *vcpu);

/* By number; a number without a function has no row, which is one of zeros. */
static const struct psci_row {
	u32 fid; /* 32-bit form */
	bool has_64;
	u32 since;
	enum vcpu_action (*call)(struct vcpu *vcpu);
} functions[PSCI_LAST - PSCI_FIRST + 1] = {
#define ROW(fid, ...) [PSCI_NUMBER(fid)] = { fid, __VA_ARGS__ }
	ROW(PSCI_VERSION, false, GUEST_PSCI_0_2, guest_version),
	ROW(PSCI_CPU_SUSPEND, true, GUEST_PSCI_0_2, guest_cpu_suspend),
	ROW(PSCI_CPU_OFF, false, GUEST_PSCI_0_2, guest_cpu_off),
	ROW(PSCI_CPU_ON, true, GUEST_PSCI_0_2, guest_cpu_on),
	ROW(PSCI_AFFINITY_INFO, true, GUEST_PSCI_0_2, guest_affinity_info),
	ROW(PSCI_MIGRATE_INFO_TYPE, false, GUEST_PSCI_0_2, guest_migrate_info_type),
	ROW(PSCI_SYSTEM_OFF, false, GUEST_PSCI_0_2, guest_system_off),
	ROW(PSCI_SYSTEM_RESET, false, GUEST_PSCI_0_2, guest_system_reset),
	ROW(PSCI_FEATURES, false, GUEST_PSCI_1_0, guest_psci_features),
	ROW(PSCI_SYSTEM_RESET2, true, GUEST_PSCI_1_1, guest_system_reset2),
#undef ROW
};

static __always_inline const struct psci_row *find_guest_function(const struct vm *vm, u32 fid)
{
	const struct psci_row *row = &functions[PSCI_NUMBER(fid)];

	if (fid != row->fid && (!row->has_64 || fid != (row->fid | PSCI_64)))
		return NULL;
	return row->since <= guest_psci_version(vm) ? row : NULL;
}

/* DEN 0022, 5.16: original power state format, no flags. Also answers for SMCCC_VERSION. */
static enum vcpu_action guest_psci_features(struct vcpu *vcpu)
{
	u32 fid = (u32)psci_arg(vcpu, 1);

	return psci_return(vcpu, fid == SMCCC_VERSION || find_guest_function(vcpu->vm, fid)
					 ? PSCI_SUCCESS
					 : PSCI_NOT_SUPPORTED);
}

enum vcpu_action guest_psci_call(struct vcpu *vcpu)
{
	const struct psci_row *row = find_guest_function(vcpu->vm, (u32)vcpu->regs.x[0]);

	return row ? row->call(vcpu) : psci_return(vcpu, PSCI_NOT_SUPPORTED);
}
