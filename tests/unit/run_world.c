// SPDX-License-Identifier: BSD-2-Clause
/*
 * A CPU, a VM and its vCPU: see run_world.h. Comes with tests/unit/fake_panic.c and, where the test
 * has no FP registers of its own, fake_fp.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/barrier.h>
#include <arch/ich.h>
#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/inject.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <mm/page_pool.h>
#include <run_world.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

#define POOL_PAGES 64

struct run_world rw;
int (*run_world_guest)(struct vcpu *vcpu);
u32 panic_begun; /* cpu/panic.h */

static u8 pool_memory[POOL_PAGES * SZ_4K] __aligned(65536);

int guest_run(struct vcpu *vcpu);

int guest_run(struct vcpu *vcpu)
{
	fake_trace_note("guest");
	return run_world_guest(vcpu);
}

/* ---- below and beside ---- */

u16 s2_context_load(struct s2_context *ctx)
{
	return 1;
}

const struct cpu_features *vm_features(void)
{
	return &rw.features;
}

void s2_context_forget_vcpus(struct s2_context *ctx, unsigned int cpu, u16 vcpu)
{
}

void tlbi_alle1(void)
{
}

void fake_dsb(const char *opt)
{
	char text[16];

	snprintf(text, sizeof(text), "dsb %s", opt);
	fake_trace_note(text);
}

/* The host's: what a guest's run ends by. */
bool interrupt_waits(void)
{
	return true;
}

void panic_stop_cpu(void)
{
	abort();
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	rw.log_lines++;
}

u64 ratelimit(struct ratelimit *rl)
{
	return ++rl->count;
}

/* No guest of these tests takes an exception of EL2's making. */
struct el1_entry el1_exception_entry(u64 spsr, u64 sctlr, const struct pstate_features *has)
{
	abort();
}

u64 el1_external_abort_esr(u64 esr, u64 spsr)
{
	abort();
}

u64 el1_undef_esr(void)
{
	abort();
}

/* ---- the machine ---- */

void run_world_plain_registers(void)
{
	static const char *const zero[] = {
		"id_aa64pfr0_el1",  "id_aa64pfr1_el1",	"s3_0_c0_c4_2", "id_aa64dfr1_el1",
		"id_aa64isar0_el1", "id_aa64isar1_el1", "s3_0_c0_c6_2", "s3_0_c0_c6_3",
		"id_aa64mmfr0_el1", "id_aa64mmfr1_el1", "s3_0_c0_c7_2", "s3_0_c0_c7_3",
		"s3_0_c0_c7_4",	    "s3_0_c0_c4_4",	"s3_0_c0_c4_5", "ctr_el0",
		"dczid_el0",	    "midr_el1",		"cptr_el2",	"cnthctl_el2",
		"cntvoff_el2",	    "vtcr_el2",		"vttbr_el2",	"vmpidr_el2",
		"elr_el2",	    "spsr_el2",		"esr_el2",	"far_el2",
		"hpfar_el2",	    "sctlr_el1",	"cpacr_el1",	"ttbr0_el1",
		"ttbr1_el1",	    "tcr_el1",		"spsr_el1",	"elr_el1",
		"afsr0_el1",	    "afsr1_el1",	"esr_el1",	"far_el1",
		"mair_el1",	    "amair_el1",	"vbar_el1",	"contextidr_el1",
		"cntkctl_el1",	    "sp_el0",		"sp_el1",	"tpidr_el0",
		"tpidrro_el0",	    "tpidr_el1",	"par_el1",	"csselr_el1",
		"mdcr_el2",
	};

	fake_sysreg_reset();
	for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
		fake_sysreg_set(zero[i], 0);
	fake_sysreg_set("id_aa64dfr0_el1", 6);
	fake_sysreg_set("hcr_el2", 0x80000001);
}

void run_world_start_cpu(void)
{
	struct page_pool pool;

	fake_cpu = &rw.cpu;
	rw.cpu = (struct percpu){ 0 };
	memset(pool_memory, 0, sizeof(pool_memory));
	assert_int_equal(page_pool_init(&pool, pool_memory, POOL_PAGES), 0);
	assert_int_equal(switch_init(&pool, 1), 0);
}

void run_world_make_vcpu(void)
{
	memset(&rw.vm, 0, sizeof(rw.vm));
	memset(rw.file, 0, sizeof(rw.file));
	memset(&rw.fp, 0, sizeof(rw.fp));
	rw.vcpu = (struct vcpu){ .vm = &rw.vm,
				 .s2 = &rw.vm.s2,
				 .sysreg = rw.file,
				 .fp = &rw.fp,
				 .run = &rw.page,
				 .initialized = true };
	rw.vm.s2.stage2.vttbr = 0x1000080000000;
	rw.vm.s2.stage2.geometry.vtcr = 0x80023558;
}
