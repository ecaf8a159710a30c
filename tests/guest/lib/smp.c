// SPDX-License-Identifier: BSD-2-Clause
/*
 * Secondary CPUs: started by PSCI, they wait for functions to run. There may be more of them than
 * physical CPUs, so who waits gives its CPU away after a moment: a WFI that a timer ends.
 */
#include "guest.h"

u64 nr_cpus = 1;
static u32 arrived, phase;

void relax(void)
{
	u64 daif = read_sysreg(daif);

	irqs_off();
	write_sysreg(read_sysreg(cntvct_el0) + read_sysreg(cntfrq_el0) / 10000, cntv_cval_el0);
	write_sysreg(CTL_ENABLE, cntv_ctl_el0);
	wfi();
	write_sysreg(0, cntv_ctl_el0);
	write_sysreg(daif, daif);
}

void secondary_main(u64 id)
{
	struct cpu *cpu = this_cpu();
	u64 seen = 0;

	gic_init_cpu();
	gic_enable(PPI_VTIMER);
	__atomic_store_n(&cpu->done, 1, __ATOMIC_RELEASE);
	for (;;) {
		wait_until(__atomic_load_n(&cpu->generation, __ATOMIC_ACQUIRE) != seen);
		seen = cpu->generation;
		cpu->work(id, cpu->argument);
		__atomic_store_n(&cpu->done, 1, __ATOMIC_RELEASE);
	}
}

void smp_count(void)
{
	nr_cpus = 1;
	while (!(read64(gicr(nr_cpus - 1) + GICR_TYPER) & GICR_TYPER_LAST))
		nr_cpus++;
	if (nr_cpus > MAX_CPUS)
		die("more CPUs than stacks");
}

void smp_restart(void)
{
	u64 i;

	for (i = 1; i < nr_cpus; i++) {
		cpus[i].done = 0;
		cpus[i].generation = 0;
		if (hvc(PSCI_CPU_ON, i, (u64)secondary_entry, i) != 0)
			die("CPU_ON");
		wait_until(__atomic_load_n(&cpus[i].done, __ATOMIC_ACQUIRE));
	}
}

void smp_start(void)
{
	gic_init_cpu();
	gic_enable(PPI_VTIMER);
	smp_count();
	smp_restart();
}

void smp_run(void (*work)(u64 cpu, u64 argument), u64 argument)
{
	u64 i;

	for (i = 1; i < nr_cpus; i++) {
		cpus[i].work = work;
		cpus[i].argument = argument;
		cpus[i].done = 0;
		__atomic_store_n(&cpus[i].generation, cpus[i].generation + 1, __ATOMIC_RELEASE);
	}
	work(0, argument);
	for (i = 1; i < nr_cpus; i++)
		wait_until(__atomic_load_n(&cpus[i].done, __ATOMIC_ACQUIRE));
}

void smp_barrier(void)
{
	u32 mine = __atomic_load_n(&phase, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == nr_cpus) {
		__atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&phase, mine + 1, __ATOMIC_RELEASE);
	} else {
		wait_until(__atomic_load_n(&phase, __ATOMIC_ACQUIRE) != mine);
	}
}
