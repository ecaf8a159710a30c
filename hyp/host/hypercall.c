// SPDX-License-Identifier: BSD-2-Clause
/* The host's hypercalls (include/keel/hypercall.h), and the counters that they read. */
#include <arch/percpu.h>
#include <cpu/hw_errors.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <host/host.h>
#include <host/host_mem.h>
#include <host/vm_calls.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <lib/smccc.h>
#include <vm/vm_ops.h>
#include <vm/vm_table.h>

typedef void hypercall_t(struct host_regs *regs);

struct hypercall {
	u32 fid;
	hypercall_t *call;
};

STATIC_ASSERT(KEEL_LOG_READ_MAX == 15 * sizeof(u64), "text goes to x3..x17");

/* Of rare events. Hypercalls are frequent: each CPU counts its own. */
static u64 counters[KEEL_STAT_COUNT];

void host_count(unsigned int stat)
{
	__atomic_fetch_add(&counters[stat], 1, __ATOMIC_RELAXED);
}

static void count_hypercall(void)
{
	struct percpu *cpu = this_cpu();

	WRITE_ONCE(cpu->hypercalls, cpu->hypercalls + 1);
}

static u64 hypercall_count(void)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < KEEL_MAX_CPUS && percpu_table[i]; i++)
		sum += READ_ONCE(percpu_table[i]->hypercalls);
	return sum;
}

u64 host_stat(unsigned int stat)
{
	switch (stat) {
	case KEEL_STAT_HYPERCALLS:
		return hypercall_count();
	case KEEL_STAT_TABLE_PAGES_FREE:
		return host_mem_table_pages_free();
	case KEEL_STAT_TABLE_PAGES:
		return host_mem_table_pages();
	case KEEL_STAT_GUEST_ABORTS:
		return hw_errors(HW_GUEST_ABORTS);
	case KEEL_STAT_GUEST_SERRORS:
		return hw_errors(HW_GUEST_SERRORS);
	case KEEL_STAT_EL2_FAULTS:
		return hw_errors(HW_EL2_FAULTS);
	default:
		return __atomic_load_n(&counters[stat], __ATOMIC_RELAXED);
	}
}

static void hc_uid(struct host_regs *regs)
{
	regs->x[0] = KEEL_UID_0;
	regs->x[1] = KEEL_UID_1;
	regs->x[2] = KEEL_UID_2;
	regs->x[3] = KEEL_UID_3;
}

static void hc_revision(struct host_regs *regs)
{
	regs->x[0] = KEEL_ABI_VERSION >> 16;
	regs->x[1] = KEEL_ABI_VERSION & 0xffff;
}

static void hc_version(struct host_regs *regs)
{
	regs->x[0] = KEEL_ABI_VERSION;
}

static void hc_stat(struct host_regs *regs)
{
	u64 stat = regs->x[1];

	if (stat >= KEEL_STAT_COUNT) {
		regs->x[0] = (u64)-EINVAL;
		return;
	}
	regs->x[0] = 0;
	regs->x[1] = host_stat((unsigned int)stat);
}

static void hc_log_read(struct host_regs *regs)
{
	u64 text[KEEL_LOG_READ_MAX / sizeof(u64)] = { 0 };
	u64 pos = regs->x[1], lost;

	regs->x[0] = log_read(&pos, (char *)text, sizeof(text), &lost);
	regs->x[1] = pos;
	regs->x[2] = lost;
	for (size_t i = 0; i < ARRAY_SIZE(text); i++)
		regs->x[3 + i] = text[i];
}

static void hc_pool_donate(struct host_regs *regs)
{
	regs->x[0] = (u64)(s64)vm_pool_donate(PA(regs->x[1]), regs->x[2]);
}

static void hc_pool_reclaim(struct host_regs *regs)
{
	regs->x[0] = (u64)(s64)vm_pool_reclaim(PA(regs->x[1]), regs->x[2]);
}

static void hc_vm_next(struct host_regs *regs)
{
	regs->x[0] = 0;
	regs->x[1] = vm_table_next(regs->x[1]);
}

static const struct hypercall hypercalls[] = {
	{ KEEL_HC_UID, hc_uid },	   { KEEL_HC_REVISION, hc_revision },
	{ KEEL_HC_VERSION, hc_version },   { KEEL_HC_STAT, hc_stat },
	{ KEEL_HC_LOG_READ, hc_log_read }, { KEEL_HC_POOL_DONATE, hc_pool_donate },
	{ KEEL_HC_VM_NEXT, hc_vm_next },   { KEEL_HC_POOL_RECLAIM, hc_pool_reclaim },
};

/* After calls that change the host's stage 2 all of it is checked; after others, a part. */
static void check_after_vm_call(u32 fid)
{
	switch (fid) {
	case KEEL_HC_VM_CREATE:
	case KEEL_HC_VM_DESTROY:
	case KEEL_HC_VM_TOPUP:
	case KEEL_HC_VCPU_CREATE:
		host_mem_check();
		break;
	default:
		host_mem_check_some();
		break;
	}
}

static bool plain_hypercall(struct host_regs *regs, u32 fid)
{
	for (size_t i = 0; i < ARRAY_SIZE(hypercalls); i++) {
		if (hypercalls[i].fid != fid)
			continue;
		count_hypercall(); /* before: hc_stat() counts itself too */
		hypercalls[i].call(regs);
		return true;
	}
	return false;
}

/* Calls about VMs are the most frequent, so they are tried first. */
void host_hypercall(struct host_regs *regs)
{
	u32 fid = (u32)regs->x[0] & ~(u32)SMCCC_SVE_HINT;

	if (vm_hypercall(regs)) {
		count_hypercall();
		check_after_vm_call(fid);
	} else if (plain_hypercall(regs, fid)) {
		host_mem_check();
	} else {
		regs->x[0] = (u64)KEEL_NOT_SUPPORTED;
	}
}
