// SPDX-License-Identifier: BSD-2-Clause
/*
 * PSCI between host and firmware, as a table of functions. A call that makes a CPU start at an
 * address is rewritten so that the CPU starts in Keel; other calls are passed on. psci.h has the
 * states of a CPU.
 *
 * A CPU's state changes before the call of firmware, and is changed back if firmware refuses. So it
 * is right when the CPU arrives, which may be before the call returns.
 */
#include <host/psci.h>
#include <lib/errno.h>
#include <lib/options.h>
#include <lib/psci_abi.h>

/* A call in progress. */
struct call {
	struct psci *psci;
	struct psci_cpu *self;
	struct smccc_regs *regs;
	u64 arg[4]; /* arg[n] is Xn, or Wn in a 32-bit call; arg[0] the function identifier */
};

static s64 firmware(struct psci *psci, u32 fid, u64 a1, u64 a2, u64 a3)
{
	struct smccc_regs r = { .x = { fid, a1, a2, a3 } };

	psci->ops->smc(psci->ctx, &r);
	/* all results that are used here have 32 bits, in either form of a call */
	return (s32)(u32)r.x[0];
}

static u32 call_fid(const struct call *c)
{
	return (u32)c->arg[0];
}

static void set_result(struct call *c, s64 result)
{
	c->regs->x[0] = (u64)result;
}

static unsigned int cpu_index(const struct psci *psci, const struct psci_cpu *cpu)
{
	return (unsigned int)(cpu - psci->cpu);
}

/* The CPU with this MPIDR; NULL if there is none, or if bits are set that must be zero. */
static struct psci_cpu *find_cpu(struct psci *psci, u64 mpidr)
{
	for (unsigned int i = 0; i < psci->nr_cpus; i++) {
		if (psci->cpu[i].mpidr == mpidr)
			return &psci->cpu[i];
	}
	return NULL;
}

/* The host runs AArch64 code, which is 4-byte aligned. */
static bool entry_is_valid(struct psci *psci, u64 pc)
{
	return IS_ALIGNED(pc, 4) && psci->ops->host_owns(psci->ctx, IPA(pc));
}

/* Not mediated: firmware gets the call as it is, and the caller firmware's registers. */
static void pass(struct call *c)
{
	c->psci->ops->smc(c->psci->ctx, c->regs);
}

/* No claim has this number. */
#define NOT_LOST (~0ULL)

/*
 * Claim an OFF CPU for a start, until end_claim(). A CPU that is ON here but off to firmware was
 * lost, since its state changes here first, and may be started again: @lost is the claim by which
 * it came up. *@last: the CPU's last claim, if it is ALREADY_ON.
 */
static s64 claim_cpu(struct psci *psci, struct psci_cpu *cpu, u64 lost, struct psci_entry entry,
		     u64 *last)
{
	s64 ret = PSCI_SUCCESS;

	spin_lock(&psci->lock);
	*last = cpu->claim;
	if (cpu->state == PSCI_CPU_ON_PENDING) {
		ret = PSCI_ON_PENDING;
	} else if (cpu->state == PSCI_CPU_ON && cpu->claim != lost) {
		ret = PSCI_ALREADY_ON;
	} else {
		cpu->state = PSCI_CPU_ON_PENDING;
		cpu->resuming = false;
		cpu->entry = entry;
		cpu->claim = ++psci->claims;
		psci->starting++;
	}
	spin_unlock(&psci->lock);
	return ret;
}

static void set_state(struct psci *psci, struct psci_cpu *cpu, enum psci_cpu_state state)
{
	spin_lock(&psci->lock);
	cpu->state = state;
	spin_unlock(&psci->lock);
}

/*
 * Firmware has answered. If it refused to start @cpu, the CPU may run all the same: firmware may
 * have refused to turn it off since.
 */
static void end_claim(struct psci *psci, struct psci_cpu *cpu, bool refused)
{
	spin_lock(&psci->lock);
	psci->starting--;
	if (refused && cpu->state == PSCI_CPU_ON_PENDING)
		cpu->state = PSCI_CPU_OFF;
	spin_unlock(&psci->lock);
}

/* DEN 0022, 5.6 */
static void cpu_on(struct call *c)
{
	struct psci_entry entry = { .pc = c->arg[2], .x0 = c->arg[3] };
	struct psci *psci = c->psci;
	struct psci_cpu *cpu = find_cpu(psci, c->arg[1]);
	u64 last;
	s64 ret;

	if (!cpu)
		return set_result(c, PSCI_INVALID_PARAMETERS);
	if (!entry_is_valid(psci, entry.pc))
		return set_result(c, PSCI_INVALID_ADDRESS);
	ret = claim_cpu(psci, cpu, NOT_LOST, entry, &last);
	if (ret == PSCI_ALREADY_ON && cpu != c->self &&
	    firmware(psci, PSCI_AFFINITY_INFO | PSCI_64, cpu->mpidr, 0, 0) == PSCI_AFFINITY_OFF)
		ret = claim_cpu(psci, cpu, last, entry, &last);
	if (ret != PSCI_SUCCESS)
		return set_result(c, ret);

	ret = firmware(psci, PSCI_CPU_ON | PSCI_64, cpu->mpidr, psci->secondary_entry,
		       cpu_index(psci, cpu));
	end_claim(psci, cpu, ret != PSCI_SUCCESS);
	set_result(c, ret);
}

/* DEN 0022, 5.5: returns only if firmware refuses. */
static void cpu_off(struct call *c)
{
	s64 ret;

	set_state(c->psci, c->self, PSCI_CPU_OFF);
	ret = firmware(c->psci, PSCI_CPU_OFF, 0, 0, 0);
	set_state(c->psci, c->self, PSCI_CPU_ON);
	set_result(c, ret);
}

static void set_resume(struct psci *psci, struct psci_cpu *cpu, bool resuming,
		       struct psci_entry entry)
{
	spin_lock(&psci->lock);
	cpu->resuming = resuming;
	cpu->entry = entry;
	spin_unlock(&psci->lock);
}

/*
 * A suspend that may lose the CPU's context: firmware wakes the CPU at Keel's entry. The call's
 * entry point and context are arguments @at and @at + 1. If the call returns, the CPU kept its
 * context. With @standby it should return, and the host's entry need not be valid; if firmware
 * powers the CPU down all the same, it wakes at Keel's entry too, and goes on at the host's entry
 * if that is valid.
 */
static void suspend(struct call *c, unsigned int at, bool standby)
{
	struct psci_entry entry = { .pc = c->arg[at], .x0 = c->arg[at + 1] };
	u64 arg[4] = { c->arg[0], c->arg[1], c->arg[2], c->arg[3] };
	struct psci *psci = c->psci;
	bool valid = entry_is_valid(psci, entry.pc);
	s64 ret;

	if (!valid && !standby)
		return set_result(c, PSCI_INVALID_ADDRESS);
	arg[at] = psci->secondary_entry;
	arg[at + 1] = cpu_index(psci, c->self);
	set_resume(psci, c->self, valid, entry);
	/* the 64-bit form: Keel's entry may lie anywhere */
	ret = firmware(psci, call_fid(c) | PSCI_64, arg[1], arg[2], arg[3]);
	set_resume(psci, c->self, false, (struct psci_entry){ 0 });
	set_result(c, ret);
}

static bool is_power_down(const struct psci *psci, u64 power_state)
{
	return power_state &
	       (psci->extended_state_id ? PSCI_POWER_STATE_DOWN_EXTENDED : PSCI_POWER_STATE_DOWN);
}

/* DEN 0022, 5.4: (power_state, entry, context). A standby state keeps the context: no entry. */
static void cpu_suspend(struct call *c)
{
	suspend(c, 2, !is_power_down(c->psci, c->arg[1]));
}

/* DEN 0022, 5.12 and 5.13: (entry, context) */
static void cpu_default_suspend(struct call *c)
{
	suspend(c, 1, false);
}

/* DEN 0022, 5.7: firmware's answer, but a CPU that is still in Keel's entry is ON_PENDING. */
static void affinity_info(struct call *c)
{
	struct psci_cpu *cpu = c->arg[2] == 0 ? find_cpu(c->psci, c->arg[1]) : NULL;
	enum psci_cpu_state state = PSCI_CPU_OFF;
	s64 ret;

	ret = firmware(c->psci, PSCI_AFFINITY_INFO | PSCI_64, c->arg[1], c->arg[2], 0);
	if (cpu) {
		spin_lock(&c->psci->lock);
		state = cpu->state;
		spin_unlock(&c->psci->lock);
	}
	if (ret >= 0 && state == PSCI_CPU_ON_PENDING)
		ret = PSCI_AFFINITY_ON_PENDING;
	set_result(c, ret);
}

/*
 * Whether a CPU is off, according to firmware. Keel's state is not enough: a CPU that is ON may be
 * lost, one that is ON_PENDING may never arrive, and one that is OFF may still run for a while.
 */
static bool cpu_is_off(struct psci *psci, const struct psci_cpu *cpu)
{
	s64 ret = firmware(psci, PSCI_AFFINITY_INFO | PSCI_64, cpu->mpidr, 0, 0);
	bool off;

	if (ret >= 0)
		return ret == PSCI_AFFINITY_OFF;
	spin_lock(&psci->lock);
	off = cpu->state == PSCI_CPU_OFF;
	spin_unlock(&psci->lock);
	return off;
}

/* Whether no CPU has been started since claim @claims, and none is being started. */
static bool nobody_starts(struct psci *psci, u64 claims)
{
	bool nobody;

	spin_lock(&psci->lock);
	nobody = !psci->starting && psci->claims == claims;
	spin_unlock(&psci->lock);
	return nobody;
}

static u64 last_claim(struct psci *psci)
{
	u64 claims;

	spin_lock(&psci->lock);
	claims = psci->claims;
	spin_unlock(&psci->lock);
	return claims;
}

/*
 * CPUs are checked one after the other. While none is started, one that was off stays off. If one
 * is started, then by another running CPU, so @self is not alone.
 */
static bool is_alone(struct psci *psci, const struct psci_cpu *self)
{
	u64 claims = last_claim(psci);

	if (!nobody_starts(psci, claims))
		return false;
	for (unsigned int i = 0; i < psci->nr_cpus; i++)
		if (&psci->cpu[i] != self && !cpu_is_off(psci, &psci->cpu[i]))
			return false;
	return nobody_starts(psci, claims);
}

/*
 * DEN 0022, 5.3: a kernel's first call, before it uses interrupts. If no other CPU is on, the
 * kernel that ran before is gone. Linux also makes the call when its debugfs is read, with
 * interrupts on.
 */
static void version(struct call *c)
{
	struct psci *psci = c->psci;

	if (psci->ops->irqs_masked(psci->ctx) && is_alone(psci, c->self))
		psci->ops->host_starts(psci->ctx);
	pass(c);
}

static void features(struct call *c);

enum psci_forms { FORM_32 = 1, FORM_64 = 2, FORM_BOTH = FORM_32 | FORM_64 };

/* DEN 0022, table 6: the functions that the host may call. All others are NOT_SUPPORTED. */
static const struct psci_function {
	u32 fid; /* its 32-bit form */
	enum psci_forms forms;
	void (*handle)(struct call *c);
} functions[] = {
	{ PSCI_VERSION, FORM_32, version },
	{ PSCI_CPU_SUSPEND, FORM_BOTH, cpu_suspend },
	{ PSCI_CPU_OFF, FORM_32, cpu_off },
	{ PSCI_CPU_ON, FORM_BOTH, cpu_on },
	{ PSCI_AFFINITY_INFO, FORM_BOTH, affinity_info },
	{ PSCI_MIGRATE, FORM_BOTH, pass },
	{ PSCI_MIGRATE_INFO_TYPE, FORM_32, pass },
	{ PSCI_MIGRATE_INFO_UP_CPU, FORM_BOTH, pass },
	{ PSCI_SYSTEM_OFF, FORM_32, pass },
	{ PSCI_SYSTEM_RESET, FORM_32, pass },
	{ PSCI_FEATURES, FORM_32, features },
	{ PSCI_CPU_DEFAULT_SUSPEND, FORM_BOTH, cpu_default_suspend },
	{ PSCI_NODE_HW_STATE, FORM_BOTH, pass },
	{ PSCI_SYSTEM_SUSPEND, FORM_BOTH, cpu_default_suspend },
	{ PSCI_SET_SUSPEND_MODE, FORM_32, pass },
	{ PSCI_STAT_RESIDENCY, FORM_BOTH, pass },
	{ PSCI_STAT_COUNT, FORM_BOTH, pass },
	{ PSCI_SYSTEM_RESET2, FORM_BOTH, pass },
	{ PSCI_MEM_PROTECT, FORM_32, pass },
	{ PSCI_MEM_CHECK_RANGE, FORM_BOTH, pass },
};

static const struct psci_function *find_function(u32 fid)
{
	enum psci_forms form = fid & PSCI_64 ? FORM_64 : FORM_32;

	for (unsigned int i = 0; i < ARRAY_SIZE(functions); i++) {
		if (functions[i].fid == (fid & ~PSCI_64))
			return functions[i].forms & form ? &functions[i] : NULL;
	}
	return NULL;
}

/* DEN 0022, 5.16. SMCCC_VERSION is the only function outside PSCI that may be queried. */
static void features(struct call *c)
{
	u32 fid = (u32)c->arg[1];

	if (fid == SMCCC_VERSION || find_function(fid))
		pass(c);
	else
		set_result(c, PSCI_NOT_SUPPORTED);
}

/* The arguments: of a 32-bit call they are Wn. */
static void read_args(struct call *c)
{
	bool wide = c->regs->x[0] & SMCCC_64;

	for (unsigned int i = 0; i < ARRAY_SIZE(c->arg); i++)
		c->arg[i] = wide && i ? c->regs->x[i] : (u32)c->regs->x[i];
	c->arg[0] &= ~SMCCC_SVE_HINT;
}

bool psci_handle(struct psci *psci, unsigned int cpu, struct smccc_regs *regs)
{
	static const struct option_smc no_others; /* PSCI does not depend on keel.smc */
	struct call c = { .psci = psci, .self = &psci->cpu[cpu], .regs = regs };
	const struct psci_function *f;

	if (smc_policy(&no_others, (u32)regs->x[0]) != SMC_PSCI)
		return false;
	read_args(&c);
	f = find_function(call_fid(&c));
	if (f)
		f->handle(&c);
	else
		set_result(&c, PSCI_NOT_SUPPORTED);
	return true;
}

int psci_cpu_arrived(struct psci *psci, unsigned int cpu, struct psci_entry *out)
{
	struct psci_cpu *self;
	int err = 0;

	if (cpu >= psci->nr_cpus)
		return -EINVAL;
	self = &psci->cpu[cpu];
	spin_lock(&psci->lock);
	if (self->state == PSCI_CPU_ON_PENDING || self->resuming) {
		*out = self->entry;
		self->state = PSCI_CPU_ON;
		self->resuming = false;
	} else {
		err = -EINVAL;
	}
	spin_unlock(&psci->lock);
	return err;
}

bool psci_is_off(struct psci *psci, u64 mpidr)
{
	const struct psci_cpu *cpu = find_cpu(psci, mpidr);

	return !cpu || cpu_is_off(psci, cpu);
}

/* Which of two formats power_state has, as firmware says from version 1.0 on. */
static bool has_extended_state_id(struct psci *psci)
{
	s64 version = firmware(psci, PSCI_VERSION, 0, 0, 0);
	s64 answer;

	if (version < 0 || FIELD_GET(PSCI_VERSION_MAJOR, (u64)version) < 1)
		return false;
	answer = firmware(psci, PSCI_FEATURES, PSCI_CPU_SUSPEND | PSCI_64, 0, 0);
	return answer >= 0 && ((u64)answer & PSCI_FEATURES_SUSPEND_EXTENDED);
}

void psci_init(struct psci *psci, const struct psci_ops *ops, void *ctx,
	       const struct fdt_cpus *cpus, struct pa secondary_entry)
{
	psci->ops = ops;
	psci->ctx = ctx;
	psci->secondary_entry = secondary_entry.v;
	psci->nr_cpus = cpus->count;
	psci->lock = (struct spinlock)SPINLOCK_INIT(LOCK_PSCI);
	for (unsigned int i = 0; i < cpus->count; i++) {
		psci->cpu[i] = (struct psci_cpu){
			.mpidr = cpus->mpidr[i],
			.state = i ? PSCI_CPU_OFF : PSCI_CPU_ON,
		};
	}
	psci->extended_state_id = has_extended_state_id(psci);
}
