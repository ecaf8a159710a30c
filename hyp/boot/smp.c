// SPDX-License-Identifier: BSD-2-Clause
/*
 * Secondary CPUs: their memory, the probe at boot, and their way into the host.
 *
 * At boot, smp_probe() starts each CPU once by PSCI. It comes through head.S to secondary_main(),
 * finds that the host is not ready, leaves its ID registers for the boot CPU (answer_probe()), and
 * turns itself off. So everything is built on features that all CPUs have. A CPU that does not
 * answer within a second is left out.
 *
 * Later the host starts CPUs by PSCI, which Keel mediates (host/psci.c). secondary_main() compares
 * such a CPU with what was built on: a CPU that is weaker than what Keel requires, or whose SPE,
 * errata, SVE vector lengths or GIC interface do not fit, is refused: it is turned off, and the
 * host sees it as off.
 *
 * features_lock guards boot_info.features and the errata while several CPUs come up.
 */
#include <arch/barrier.h>
#include <arch/id_regs.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/smc.h>
#include <arch/spinlock.h>
#include <arch/sysreg.h>
#include <boot/boot.h>
#include <boot/boot_info.h>
#include <boot/efi_boot.h>
#include <boot/selftest.h>
#include <boot/smp.h>
#include <cpu/errata.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <cpu/percpu.h>
#include <cpu/withheld.h>
#include <host/host.h>
#include <host/host_cpu.h>
#include <host/host_mem.h>
#include <lib/errno.h>
#include <lib/psci_abi.h>
#include <mm/el2_map.h>
#include <spe/spe_provider.h>
#include <trap/trap.h>
#include <vgic/vgic.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

static struct percpu percpus[KEEL_MAX_CPUS];

/* A CPU's answer to the probe. */
struct cpu_answer {
	struct cpu_id_regs ids; /* without features that EL3 withholds */
	u32 withheld;
	struct spe_unit_id spe;
};

/*
 * Pointers to answers, each on its CPU's own stack, where it stays valid while the CPU is off. By
 * CPU, so that a CPU that answers late is not taken for another one.
 */
static const struct cpu_answer *probe_answers[KEEL_MAX_CPUS];

static bool host_ready;
/* Guards boot_info.features when several CPUs come up at a time. Only the log's lock is inside. */
static struct spinlock features_lock = SPINLOCK_INIT(LOCK_FEATURES);

STATIC_ASSERT(STACK_SLOT_SIZE % ((EL2_WINDOW_PAGES + 1) * SZ_4K) == 0, "a window is in one table");

int smp_init(void)
{
	const struct el2_stack_part stack = { STACK_BASE, STACK_SIZE };
	const struct el2_stack_part emergency = { STACK_EMERGENCY_BASE, STACK_EMERGENCY_SIZE };
	int ret = 0;

	for (unsigned int i = 0; i < boot_info.cpus.count && !ret; i++) {
		percpus[i].id = i;
		percpus[i].mpidr = boot_info.cpus.mpidr[i];
		ret = el2_map_stacks(&percpus[i], STACK_SLOT_SIZE, stack, emergency);
		/* Read with the MMU on, but after secondary_entry: no cache maintenance. */
		percpu_table[i] = &percpus[i];
	}
	set_this_cpu(&percpus[0]);
	return ret;
}

static s64 psci_call(u32 fid, u64 arg1, u64 arg2, u64 arg3)
{
	u64 regs[18] = { fid, arg1, arg2, arg3 };

	arch_smc(regs);
	return (s32)regs[0];
}

/* Wait until @done(@arg), a second at most. */
static bool wait_until(bool (*done)(u64 arg), u64 arg)
{
	u64 end = read_sysreg(cntpct_el0) + read_sysreg(cntfrq_el0);

	while (!done(arg)) {
		if (read_sysreg(cntpct_el0) > end)
			return false;
		cpu_relax();
	}
	return true;
}

static bool probe_done(u64 id)
{
	return __atomic_load_n(&probe_answers[id], __ATOMIC_ACQUIRE) != NULL;
}

static bool probed_cpu_is_off(u64 mpidr)
{
	return psci_call(PSCI_AFFINITY_INFO | PSCI_64, mpidr, 0, 0) == PSCI_AFFINITY_OFF;
}

/* Merge one CPU's registers into the machine's. Return: whether it may run. */
static bool merge_features(unsigned int id, const struct cpu_id_regs *ids)
{
	struct cpu_features_diff diff;
	char name[40];
	int ret;

	spin_lock(&features_lock);
	ret = cpu_features_merge(&boot_info.features, ids, &diff);
	spin_unlock(&features_lock);
	if (ret)
		log_err("CPU %u is refused: its %s is weaker than that of the others", id,
			id_field_format(diff.missing, name, sizeof(name)));
	return ret == 0;
}

/* This CPU's ID registers. Features that EL3 withholds are absent from here on. */
static void read_what_is_ours(struct cpu_id_regs *ids)
{
	read_id_regs(ids);
	this_cpu()->withheld = withheld_probe(ids);
	withheld_clear(ids, this_cpu()->withheld);
}

/* Log each register that is withheld once, however many CPUs lack it. */
static void note_withheld(u32 withheld)
{
	static u32 told;
	u32 left = withheld & ~__atomic_fetch_or(&told, withheld, __ATOMIC_RELAXED);

	for (; left; left &= left - 1)
		log_warn("firmware withholds %s from EL2: features that need it are absent",
			 withheld_name(left));
}

/* Apply the workarounds of this CPU's errata. Each is logged once, however many CPUs have it. */
static void note_errata(u64 midr)
{
	const struct erratum *erratum = NULL;

	while ((erratum = errata_add(midr, erratum)))
		log_msg(erratum->actions & ERRATA_OPEN ? LOG_WARN : LOG_INFO,
			"erratum %s of %s: %s", erratum->number, erratum->cpu,
			errata_describe(erratum));
}

static void note_errata_locked(const struct cpu_id_regs *ids)
{
	spin_lock(&features_lock);
	note_errata(ids->reg[ID_REG_MIDR]);
	spin_unlock(&features_lock);
}

/* Some errata change how tables are made, so they must be known from CPUs at boot. */
static bool errata_fit(unsigned int id, const struct cpu_id_regs *ids)
{
	u32 early = errata_of(ids->reg[ID_REG_MIDR]) & ERRATA_EARLY;

	if (!(early & ~errata_actions))
		return true;
	log_err("CPU %u is refused: it has errata that the others do not have", id);
	return false;
}

static void probe_cpu(unsigned int id)
{
	u64 mpidr = percpus[id].mpidr;
	s64 ret;

	ret = psci_call(PSCI_CPU_ON | PSCI_64, mpidr,
			el2_va_to_pa(el2_map_layout(), secondary_entry).v, id);
	if (ret != PSCI_SUCCESS) {
		log_warn("CPU %u (MPIDR %#lx): firmware does not start it (PSCI error %ld)", id,
			 mpidr, ret);
		return;
	}
	if (!wait_until(probe_done, id) || !wait_until(probed_cpu_is_off, mpidr)) {
		log_warn("CPU %u (MPIDR %#lx): started, but did not answer within a second", id,
			 mpidr);
		/* it may run in Keel's memory, now or later */
		if (efi_handover)
			efi_handover->hardware = true;
		return;
	}
	note_withheld(probe_answers[id]->withheld);
	if (!merge_features(id, &probe_answers[id]->ids))
		return;
	note_errata(probe_answers[id]->ids.reg[ID_REG_MIDR]);
	spe_provider_add_cpu(&probe_answers[id]->spe);
}

void smp_probe(void)
{
	struct cpu_id_regs ids;
	struct spe_unit_id spe;

	read_what_is_ours(&ids);
	note_withheld(this_cpu()->withheld);
	if (!merge_features(0, &ids))
		panic("the first CPU's features do not fit its own");
	note_errata(read_sysreg(midr_el1));
	spe_unit_identify(&spe);
	spe_provider_add_cpu(&spe);
	for (unsigned int i = 1; i < boot_info.cpus.count; i++)
		probe_cpu(i);
}

void smp_host_ready(void)
{
	__atomic_store_n(&host_ready, true, __ATOMIC_RELEASE);
}

/* What guests have been told of SPE's hardware cannot change any more. */
static bool profiling_fits(unsigned int id)
{
	struct spe_unit_id spe;

	spe_unit_identify(&spe);
	if (spe_provider_fits(&spe))
		return true;
	log_err("CPU %u is refused: its profiling unit differs from the others'", id);
	return false;
}

/* The same for SVE vector lengths, once a vCPU or userspace was told of them. */
static bool vectors_fit(unsigned int id)
{
	if (switch_cpu_online())
		return true;
	log_err("CPU %u is refused: it lacks SVE vector lengths that guests have", id);
	return false;
}

static bool interrupts_fit(unsigned int id)
{
	if (vgic_cpu_online())
		return true;
	log_err("CPU %u is refused: its GIC interface differs from the first CPU's", id);
	return false;
}

/* Turn this CPU off. If firmware refuses, it waits here permanently. */
static void __noreturn turn_cpu_off(void)
{
	(void)psci_call(PSCI_CPU_OFF, 0, 0, 0);
	for (;;)
		wfi();
}

static void __noreturn answer_probe(unsigned int id)
{
	struct cpu_answer answer;

	read_what_is_ours(&answer.ids);
	answer.withheld = this_cpu()->withheld;
	spe_unit_identify(&answer.spe);
	__atomic_store_n(&probe_answers[id], &answer, __ATOMIC_RELEASE);
	turn_cpu_off();
}

/* Turn this CPU off by the PSCI mediator, so that the host sees it as off. */
static void __noreturn refuse_cpu(unsigned int id)
{
	struct smccc_regs regs = { .x = { PSCI_CPU_OFF } };

	(void)psci_handle(&host_psci, id, &regs);
	turn_cpu_off();
}

void __noreturn secondary_main(unsigned int id)
{
	struct cpu_id_regs ids;
	struct psci_entry entry;
	u64 args[4] = { 0 };

	if (!__atomic_load_n(&host_ready, __ATOMIC_ACQUIRE)) {
		if (id == 0)
			efi_boot_take();
		answer_probe(id);
	}
	if (panic_in_progress())
		panic_stop_cpu();
	read_what_is_ours(&ids);
	note_withheld(this_cpu()->withheld);
	if (!merge_features(id, &ids) || !profiling_fits(id) || !errata_fit(id, &ids))
		refuse_cpu(id);
	note_errata_locked(&ids);
	selftest_secondary(boot_info.options.selftest);
	host_cpu_init(host_mem_vtcr(), host_mem_vttbr());
	s2_contexts_cpu_online();
	if (!vectors_fit(id) || !interrupts_fit(id))
		refuse_cpu(id);
	trap_cpu_online(&ids);
	if (psci_cpu_arrived(&host_psci, id, &entry))
		refuse_cpu(id);
	args[0] = entry.x0;
	host_enter(entry.pc, PSR_MODE_EL1h | PSR_DAIF, args, this_cpu()->stack_top);
}
