// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/spe/spe_hw.c hyp/vm/host_spe.c hyp/cpu/spe_unit.c hyp/spe/spe_provider.c hyp/trap/trap.c hyp/trap/one_reg.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/withheld.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/*
 * SPE by the CPUs' own units: choice of the provider, ID registers, registers in memory and in the
 * unit, events, STOP, on a fake unit that consists of its registers.
 */
#include <trap_world.h>

#include <sys/wait.h>
#include <unistd.h>

#include <arch/barrier.h>
#include <spe/spe_hw.h>
#include <spe/spe_provider.h>
#include <trap/debug.h>
#include <trap/one_reg.h>

#define DFR0	  SYSREG_ENC(3, 0, 0, 5, 0)
#define PMSIDR	  "s3_0_c9_c9_7"
#define PMSEVFR	  "s3_0_c9_c9_5"
#define PMSCR	  "s3_0_c9_c9_0"
#define PMSICR	  "s3_0_c9_c9_2"
#define PMSNEVFR  "s3_0_c9_c9_1"
#define PMBLIMITR "s3_0_c9_c10_0"
#define PMBPTR	  "s3_0_c9_c10_1"
#define PMBSR	  "s3_0_c9_c10_3"
#define PMBIDR	  "s3_0_c9_c10_7"

/* FE FT FL ArchInst ERnd FnE, interval 4, records of 64 bytes, counters of 12 bits; and EFT */
#define PMSIDR_V1P2 0x02646fULL
#define PMSIDR_EFT  BIT(27)
#define LIMIT	    0x80010000ULL
#define FULL	    (PMBSR_S | PMBSR_BSC_FULL)

static u64 memory[2][VCPU_SPE_BYTES / 8];
static const struct exit_stage *stage;
static u32 spe_how;
static unsigned int emul_inits;

void exit_set_stage(enum exit_stage_id id, const struct exit_stage *new_stage)
{
	assert_int_equal(id, EXIT_STAGE_SPE);
	stage = new_stage;
}

void vm_set_spe(u32 how)
{
	spe_how = how;
}

void spe_emul_init(void)
{
	emul_inits++;
}

void fake_dsb(const char *opt)
{
	char text[16];

	snprintf(text, sizeof(text), "dsb %s", opt);
	fake_trace_note(text);
}

/* What all CPUs of the test's machines have, unless it says otherwise. */
static const struct spe_unit_id v1p2 = {
	.version = 3,
	.pmsidr = PMSIDR_V1P2,
	.pmbidr = PMBIDR_F | 6,
	.events = ~0ULL,
};

/* A CPU with a unit; the host does not profile. */
static void make_unit(unsigned int version)
{
	static const char *const regs[] = { PMSCR,	    PMSICR,  "s3_0_c9_c9_3",
					    "s3_0_c9_c9_4", PMSEVFR, "s3_0_c9_c9_6",
					    PMBLIMITR,	    PMBPTR,  PMBSR };

	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++)
		fake_sysreg_set(regs[i], 0);
	if (version >= 3)
		fake_sysreg_set(PMSNEVFR, 0);
	fake_sysreg_set("id_aa64dfr0_el1", (u64)version << 32 | 5 << 12 | 3 << 20);
	fake_sysreg_set(PMSIDR, PMSIDR_V1P2 | PMSIDR_EFT);
	fake_sysreg_set(PMBIDR, PMBIDR_F | 6);
}

static void start_machine(const struct spe_unit_id *id)
{
	const struct vcpu_hooks *traps = w.hooks;
	unsigned int i;

	spe_hw_init(id);
	w.hooks = traps; /* the last to register was spe_hw.c */
	spe_vcpu_set_provider(&spe_hw_ops);
	make_unit(id->version);
	host_spe_online(&w.cpu.spe);
	memset(memory, 0, sizeof(memory));
	for (i = 0; i < 2; i++) {
		w.vcpu[i].spe = (void *)memory[i];
		w.vcpu[i].features |= BIT(VCPU_SPE);
		w.vcpu[i].spe_ready = false;
		sysreg_reset(&w.vcpu[i]);
		assert_int_equal(spe_vcpu_control(&w.vcpu[i], KEEL_SPE_INIT, 21), 0);
	}
	w.cpu.vcpu = V;
	host_spe_leave(&w.cpu.spe);
}

static int setup(void **state)
{
	world_start();
	set_field(ID_DFR0_BRPs, 5);
	set_field(ID_DFR0_CTX_CMPs, 1);
	start_machine(&v1p2);
	return 0;
}

static void set(u32 encoding, u64 value)
{
	assert_int_equal(sysreg_user_set(V, encoding, value), 0);
}

static u64 get(u32 encoding)
{
	u64 value = 0xdead;

	assert_int_equal(sysreg_user_get(V, encoding, &value), 0);
	return value;
}

/* The guest's MRS and MSR: of x1. */
static void trap(u32 encoding, bool read)
{
	u64 iss = (u64)(encoding >> 14) << 20 | (u64)(encoding & 7) << 17 |
		  (u64)(encoding >> 11 & 7) << 14 | (u64)(encoding >> 7 & 15) << 10 | 1 << 5 |
		  (u64)(encoding >> 3 & 15) << 1 | read;

	assert_int_equal(take(V, ESR_EC_SYS64, iss), VCPU_RESUME);
}

static u64 mrs(u32 encoding)
{
	trap(encoding, true);
	return V->regs.x[1];
}

static void msr(u32 encoding, u64 value)
{
	V->regs.x[1] = value;
	trap(encoding, false);
}

/* The guest profiles into a buffer, and runs. */
static void profile(void)
{
	msr(REG_NUM(PMSIRR_EL1), 0x1000);
	msr(REG_NUM(PMSICR_EL1), 0x777);
	msr(REG_NUM(PMBPTR_EL1), 0x80000000);
	msr(REG_NUM(PMSCR_EL1), PMSCR_E1SPE | PMSCR_TS);
	msr(REG_NUM(PMBLIMITR_EL1), LIMIT | PMBLIMITR_E);
	assert_false(V->spe->running);
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	assert_true(V->spe->running);
}

/* ---- the choice ---- */

/* spe_provider.c's state cannot be reset, so each machine is a process of its own. */
struct choice {
	enum option_spe asked;
	struct spe_unit_id cpu[3];
	unsigned int cpus;
	u32 how;
	unsigned int logs;
};

static u32 choose(enum option_spe asked, const struct spe_unit_id *cpus, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		spe_provider_add_cpu(&cpus[i]);
	spe_provider_init(asked);
	return spe_how;
}

#define UNIT                                                                     \
	{                                                                        \
		.version = 3, .pmsidr = PMSIDR_V1P2, .pmbidr = 6, .events = 0xaa \
	}
#define NONE                 \
	{                    \
		.version = 0 \
	}

static const struct choice choices[] = {
	{ OPTION_SPE_AUTO, { UNIT, UNIT }, 2, KEEL_SPE_HARDWARE, 1 },
	{ OPTION_SPE_HW, { UNIT, UNIT }, 2, KEEL_SPE_HARDWARE, 1 },
	{ OPTION_SPE_EMUL, { UNIT, UNIT }, 2, KEEL_SPE_EMULATED, 0 },
	{ OPTION_SPE_OFF, { UNIT, UNIT }, 2, 0, 0 },
	{ OPTION_SPE_AUTO, { NONE }, 1, KEEL_SPE_EMULATED, 0 },
	{ OPTION_SPE_EMUL, { NONE }, 1, KEEL_SPE_EMULATED, 0 },
	{ OPTION_SPE_OFF, { NONE }, 1, 0, 0 },
	{ OPTION_SPE_HW, { NONE }, 1, 0, 1 },
	{ OPTION_SPE_AUTO, { UNIT, NONE }, 2, KEEL_SPE_EMULATED, 0 },
	{ OPTION_SPE_HW, { UNIT, UNIT, NONE }, 3, 0, 1 },
	{ OPTION_SPE_AUTO, { NONE, UNIT }, 2, KEEL_SPE_EMULATED, 0 },
	/* micro-operations on one, instructions on the other */
	{ OPTION_SPE_AUTO,
	  { UNIT, { .version = 3, .pmsidr = PMSIDR_V1P2 & ~PMSIDR_ARCHINST, .pmbidr = 6 } },
	  2,
	  KEEL_SPE_EMULATED,
	  0 },
	/* another format of the records */
	{ OPTION_SPE_HW,
	  { UNIT, { .version = 3, .pmsidr = PMSIDR_V1P2 | 1 << 20, .pmbidr = 6 } },
	  2,
	  0,
	  1 },
};

static void check_choice(const struct choice *c)
{
	const struct spe_unit_id less = { .version = 3, .pmsidr = 0x02640f, .pmbidr = 6 };
	bool hardware = c->how == KEEL_SPE_HARDWARE;

	w.logs = emul_inits = 0;
	stage = NULL;
	assert_int_equal(choose(c->asked, c->cpu, c->cpus), c->how);
	assert_int_equal(w.logs, c->logs);
	assert_int_equal(emul_inits, c->how == KEEL_SPE_EMULATED);
	assert_int_equal(stage != NULL, hardware);
	assert_true(spe_provider_fits(&c->cpu[0]));
	/* a CPU that comes later must have what guests were told of */
	assert_int_equal(spe_provider_fits(&(struct spe_unit_id){ .version = 0 }), !hardware);
	assert_int_equal(spe_provider_fits(&less), !hardware);
}

static void the_provider_is_chosen_by_option_and_machine(void **state)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(choices); i++) {
		int status = 0;
		pid_t child = fork();

		assert_true(child >= 0);
		if (!child) {
			check_choice(&choices[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (status)
			fail_msg("machine %u: status %#x", i, (unsigned int)status);
	}
}

static void a_unit_is_identified_by_its_registers(void **state)
{
	struct spe_unit_id id;

	fake_sysreg_mask(PMSEVFR, 0xaa);
	spe_unit_identify(&id);
	assert_int_equal(id.version, 3);
	assert_int_equal(id.pmsidr, PMSIDR_V1P2 | PMSIDR_EFT);
	assert_int_equal(id.pmbidr, PMBIDR_F | 6);
	assert_int_equal(id.events, 0xaa);
	assert_int_equal(fake_sysreg_get(PMSEVFR), 0);
	/* EL3 has it: nothing else can be touched */
	fake_sysreg_reset();
	fake_sysreg_set("id_aa64dfr0_el1", 3ULL << 32);
	fake_sysreg_set(PMBIDR, PMBIDR_P);
	spe_unit_identify(&id);
	assert_int_equal(id.version, 0);
	/* there is none */
	fake_sysreg_reset();
	fake_sysreg_set("id_aa64dfr0_el1", 6);
	spe_unit_identify(&id);
	assert_int_equal(id.version, 0);
}

static void units_that_differ_are_reduced_to_what_all_have(void **state)
{
	struct spe_unit_id all = {
		.version = 3,
		.pmsidr = PMSIDR_V1P2 | PMSIDR_PBT | PMSIDR_CRR,
		.pmbidr = PMBIDR_F | 4,
		.events = 0xff,
	};
	/* the longer interval, small records, counters of 16 bits, no FnE */
	struct spe_unit_id one = {
		.version = 2,
		.pmsidr = 0x0003082f | PMSIDR_EFT,
		.pmbidr = 6,
		.events = 0xf0f,
	};

	spe_unit_merge(&all, &one);
	assert_int_equal(all.version, 2);
	assert_int_equal(all.pmsidr, 0x2682f);
	assert_int_equal(all.pmbidr, 6);
	assert_int_equal(all.events, 0xf);
	assert_true(spe_unit_covers(&one, &all));
	one.pmbidr = 7;
	assert_false(spe_unit_covers(&one, &all));
}

/* ---- what a vCPU is told ---- */

static u64 id(const struct vcpu *vcpu, enum id_field field)
{
	const struct id_field_desc *desc = id_field_desc(field);

	return id_reg_value(vcpu, desc->reg) >> desc->shift & GENMASK(desc->width - 1, 0);
}

static void id_registers_show_the_unit(void **state)
{
	struct spe_unit_id other = v1p2;

	assert_int_equal(id(V, ID_DFR0_PMSVer), 3);
	assert_int_equal(id(&w.vcpu[2], ID_DFR0_PMSVer), 0);
	assert_int_equal(id(V, ID_DFR0_BRPs), 5); /* none is kept back */
	assert_int_equal(debug_breakpoints(V), 6);
	assert_int_equal(get(REG_NUM(PMSIDR_EL1)), PMSIDR_V1P2);
	assert_int_equal(get(REG_NUM(PMBIDR_EL1)), PMBIDR_F | 6);
	assert_int_equal(mrs(REG_NUM(PMSIDR_EL1)), PMSIDR_V1P2);
	assert_int_equal(mrs(REG_NUM(PMBIDR_EL1)), PMBIDR_F | 6);
	assert_int_equal(sysreg_user_set(V, REG_NUM(PMSIDR_EL1), PMSIDR_V1P2 + 1), -EINVAL);
	/* no more than Keel knows, */
	other.version = 6;
	other.pmsidr |= PMSIDR_EFT;
	start_machine(&other);
	assert_int_equal(id(V, ID_DFR0_PMSVer), 3);
	assert_int_equal(get(REG_NUM(PMSIDR_EL1)), PMSIDR_V1P2);
	/* and no more than the CPUs have */
	other.version = 1;
	start_machine(&other);
	assert_int_equal(id(V, ID_DFR0_PMSVer), 1);
	assert_int_equal(get(REG_NUM(PMSIDR_EL1)), PMSIDR_V1P2 & ~PMSIDR_FNE);
}

/* Write ones to all registers, on a machine as @id says, and compare what is read. */
static void check_masks(const struct spe_unit_id *unit, const u64 *want)
{
	static const u32 regs[] = { REG_NUM(PMSCR_EL1),	   REG_NUM(PMSNEVFR_EL1),
				    REG_NUM(PMSICR_EL1),   REG_NUM(PMSIRR_EL1),
				    REG_NUM(PMSFCR_EL1),   REG_NUM(PMSEVFR_EL1),
				    REG_NUM(PMSLATFR_EL1), REG_NUM(PMBLIMITR_EL1),
				    REG_NUM(PMBPTR_EL1),   REG_NUM(PMBSR_EL1) };
	unsigned int i;

	start_machine(unit);
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		msr(regs[i], ~0ULL);
		if (mrs(regs[i]) != want[i])
			fail_msg("register %#x: %#llx", regs[i], (unsigned long long)V->regs.x[1]);
		set(regs[i], want[i]);
		assert_int_equal(get(regs[i]), want[i]);
	}
	assert_int_equal(w.undefs, 0);
}

static void bits_that_the_unit_does_not_have_are_res0(void **state)
{
	static const u64 full[] = { 0x7b,
				    0xffff0000ff00f8eaULL,
				    0xff000000ffffffffULL,
				    0xffffff01,
				    0x7000f,
				    0xffff0000ff00f8eaULL,
				    0xfff,
				    ~0xfffULL | 7,
				    ~0x3fULL,
				    0xfc0f003f };
	static const u64 v1p0[] = { 0x7b, 0,	  0xffffffff,	 0xffffff01, 0x50001,
				    0xaa, 0xffff, ~0xfffULL | 1, ~0x7ffULL,  0xfc0f003f };
	struct spe_unit_id bare = { .version = 1, .pmbidr = 11, .events = 0xea };
	u64 v[10];

	check_masks(&v1p2, full);
	/* v1p0: filters by event alone, counters of 16 bits, records of 2 KiB */
	bare.pmsidr = PMSIDR_FE | FIELD_PREP(PMSIDR_COUNTSIZE, 3) | PMSIDR_FNE;
	memcpy(v, v1p0, sizeof(v));
	v[4] = PMSFCR_FE;
	check_masks(&bare, v);
	/* a VM with SVE has its events */
	setup(NULL);
	V->features |= BIT(VCPU_SVE);
	sysreg_reset(V);
	set(REG_NUM(PMSEVFR_EL1), ~0ULL);
	assert_int_equal(get(REG_NUM(PMSEVFR_EL1)), 0xffff0000ff06f8eaULL);
	/* read-only ones cannot be written by the guest */
	msr(REG_NUM(PMSIDR_EL1), 0);
	msr(REG_NUM(PMBIDR_EL1), 0);
	assert_int_equal(w.undefs, 2);
}

/* Debug registers are the guest's as if it had no SPE. */
static void the_guest_has_all_of_its_debug_registers(void **state)
{
	msr(DFR0, 0);
	assert_false(V->spe->arm.interested);
	V->sysreg[MDSCR_EL1] = MDSCR_SS;
	debug_load(V);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), MDSCR_SS);
	V->sysreg[MDSCR_EL1] = 0;
	debug_update(V);
	assert_int_equal(fake_sysreg_get("mdscr_el1"), 0);
	debug_put(V);
}

/* ---- the unit ---- */

static void a_guest_that_profiles_has_its_registers_in_the_unit(void **state)
{
	static const char order[] = "s3_0_c9_c9_0=22 s3_0_c9_c9_2=777 s3_0_c9_c9_3=1000 "
				    "s3_0_c9_c9_4=0 s3_0_c9_c9_5=0 s3_0_c9_c9_6=0 "
				    "s3_0_c9_c10_1=80000000 s3_0_c9_c10_3=0 s3_0_c9_c9_1=0 isb "
				    "s3_0_c9_c10_0=80010001";

	fake_trace_start(false);
	profile();
	assert_string_equal(fake_trace(), order);
	/* an exit that has nothing to do with it reads one register, the entry does nothing */
	fake_trace_start(true);
	assert_int_equal(stage->exit(V, GUEST_SYNC), VCPU_NOT_MINE);
	assert_int_equal(stage->handled(V, VCPU_RESUME), VCPU_RESUME);
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	assert_string_equal(fake_trace(), PMBSR "?");
	assert_true(V->spe->running);
}

/* Only registers that the CPU has: PMSNEVFR_EL1 is new in FEAT_SPEv1p2. */
static void an_old_unit_gets_only_the_registers_that_it_has(void **state)
{
	struct spe_unit_id old = v1p2;

	world_start();
	old.version = 2;
	start_machine(&old);
	profile();
	assert_int_equal(stage->handled(V, vcpu_to_host(KEEL_EXIT_IRQ)), KEEL_EXIT_IRQ);
	host_spe_return(&w.cpu.spe);
}

/* With E2H=1 EL1's PMSCR_EL1 has another name, and its own is EL2's. */
static void with_e2h_the_el12_name_of_pmscr_is_used(void **state)
{
	fake_sysreg_set("hcr_el2", HCR_E2H);
	fake_sysreg_set("s3_5_c9_c9_0", 0x10);
	profile();
	assert_int_equal(fake_sysreg_get("s3_5_c9_c9_0"), PMSCR_E1SPE | PMSCR_TS);
	assert_int_equal(fake_sysreg_writes(PMSCR), 0);
	stage->handled(V, vcpu_to_host(KEEL_EXIT_IRQ));
	host_spe_return(&w.cpu.spe);
	assert_int_equal(fake_sysreg_get("s3_5_c9_c9_0"), 0x10);
}

static void the_end_of_a_run_takes_the_registers_out_of_the_unit(void **state)
{
	static const char order[] = "psb csync dsb nsh isb " PMBPTR "? " PMSICR "? " PMBSR
				    "? " PMBLIMITR "=0 isb";

	profile();
	fake_sysreg_set(PMBPTR, 0x80000400);
	fake_sysreg_set(PMSICR, 0x55);
	fake_trace_start(true);
	assert_int_equal(stage->handled(V, vcpu_to_host(KEEL_EXIT_FAULT)), KEEL_EXIT_FAULT);
	assert_string_equal(fake_trace(), order);
	assert_false(V->spe->running);
	assert_int_equal(get(REG_NUM(PMBPTR_EL1)), 0x80000400);
	assert_int_equal(get(REG_NUM(PMSICR_EL1)), 0x55);
	assert_int_equal(get(REG_NUM(PMBLIMITR_EL1)), LIMIT | PMBLIMITR_E);
	assert_false(w.ppi_level);
	/* and it goes on where it was */
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	assert_int_equal(fake_sysreg_get(PMBPTR), 0x80000400);
	assert_int_equal(fake_sysreg_get(PMSICR), 0x55);
}

/* An access stops the unit if it reads or changes state that is in it. */
static void an_access_to_what_is_in_the_unit_stops_it(void **state)
{
	profile();
	fake_sysreg_set(PMBPTR, 0x80000040);
	fake_sysreg_set(PMSICR, 0x123);
	assert_int_equal(mrs(REG_NUM(PMSCR_EL1)), PMSCR_E1SPE | PMSCR_TS);
	assert_int_equal(mrs(REG_NUM(PMSIDR_EL1)), PMSIDR_V1P2);
	assert_true(V->spe->running);
	assert_int_equal(mrs(REG_NUM(PMSICR_EL1)), 0x123);
	assert_false(V->spe->running);
	assert_int_equal(fake_sysreg_get(PMBLIMITR), 0);
	stage->enter(V);
	msr(REG_NUM(PMSCR_EL1), 0);
	assert_false(V->spe->running);
	stage->enter(V);
	assert_false(V->spe->running);
	assert_int_equal(mrs(REG_NUM(PMBPTR_EL1)), 0x80000040);
	/* a reset too */
	msr(REG_NUM(PMSCR_EL1), PMSCR_E0SPE);
	stage->enter(V);
	assert_true(V->spe->running);
	sysreg_reset(V);
	assert_false(V->spe->running);
	assert_int_equal(get(REG_NUM(PMBPTR_EL1)), 0);
}

/* An event at an exit becomes the vCPU's; the unit is off until the guest has handled it. */
static void an_event_becomes_the_vcpus(void **state)
{
	profile();
	fake_sysreg_set(PMBSR, FULL | PMBSR_COLL);
	fake_sysreg_set(PMBPTR, LIMIT);
	fake_trace_start(false);
	assert_int_equal(stage->exit(V, GUEST_IRQ), VCPU_NOT_MINE);
	assert_string_equal(fake_trace(), "psb csync dsb nsh isb " PMBLIMITR "=0 isb " PMBSR "=0");
	assert_int_equal(w.ppi, 21);
	assert_true(w.ppi_level);
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	assert_false(V->spe->running);
	assert_int_equal(mrs(REG_NUM(PMBSR_EL1)), FULL | PMBSR_COLL);
	assert_int_equal(mrs(REG_NUM(PMBPTR_EL1)), LIMIT);
	msr(REG_NUM(PMBPTR_EL1), 0x80000000);
	msr(REG_NUM(PMBSR_EL1), 0);
	assert_false(w.ppi_level);
	stage->enter(V);
	assert_true(V->spe->running);
	assert_int_equal(fake_sysreg_get(PMBLIMITR), LIMIT | PMBLIMITR_E);
}

/* The last records fill the buffer when the guest is about to wait: then it must not wait. */
static void an_event_at_wfi_keeps_the_vcpu_awake(void **state)
{
	profile();
	assert_int_equal(stage->handled(V, vcpu_to_host(KEEL_EXIT_WFI)), KEEL_EXIT_WFI);
	stage->enter(V);
	assert_int_equal(stage->exit(V, GUEST_SYNC), VCPU_NOT_MINE);
	fake_sysreg_set(PMBSR, FULL);
	assert_int_equal(stage->handled(V, vcpu_to_host(KEEL_EXIT_WFI)), KEEL_EXIT_IRQ);
	assert_true(w.ppi_level);
	assert_int_equal(fake_sysreg_get(PMBSR), 0);
	/* not running: nothing to look for */
	assert_int_equal(stage->handled(V, vcpu_to_host(KEEL_EXIT_WFI)), KEEL_EXIT_WFI);
}

static u64 event(u64 pmbsr)
{
	setup(NULL);
	profile();
	fake_sysreg_set(PMBSR, pmbsr);
	assert_int_equal(stage->exit(V, GUEST_IRQ), VCPU_NOT_MINE);
	return get(REG_NUM(PMBSR_EL1));
}

static void faults_of_stage_2_are_external_aborts_to_the_guest(void **state)
{
	const u64 s1 = FIELD_PREP(PMBSR_EC, PMBSR_EC_S1) | PMBSR_S;
	const u64 s2 = FIELD_PREP(PMBSR_EC, PMBSR_EC_S2) | PMBSR_S;
	const u64 gpc = FIELD_PREP(PMBSR_EC, 0x1e) | PMBSR_S;
	const u64 abort = s1 | PMBSR_EA | 0x10;

	/* the guest's own, as they are */
	assert_int_equal(event(s1 | PMBSR_DL | 0x07), s1 | PMBSR_DL | 0x07);
	assert_int_equal(event(abort), abort);
	/* of the VM's stage 2: an External abort; what else was told stays */
	assert_int_equal(event(s2 | 0x07), abort);
	assert_int_equal(event(s2 | PMBSR_DL | PMBSR_COLL | 0x0b), abort | PMBSR_DL | PMBSR_COLL);
	assert_int_equal(event(gpc), abort);
	/* and nothing of it is left in bits that guests have not heard of: MSS2, MSS[15:6] */
	assert_int_equal(event(s2 | 0xffULL << 32 | 0xffc7), abort);
}

static void the_host_can_stop_profiling(void **state)
{
	profile();
	stage->handled(V, vcpu_to_host(KEEL_EXIT_IRQ));
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, KVM_ARM_VCPU_SPE_STOP_TRAP), 0);
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	assert_false(V->spe->running);
	assert_int_equal(mrs(REG_NUM(PMSCR_EL1)), PMSCR_E1SPE | PMSCR_TS);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, KVM_ARM_VCPU_SPE_STOP_EXIT), 0);
	assert_int_equal(stage->enter(V), KEEL_EXIT_SPE);
	msr(REG_NUM(PMSCR_EL1), 0);
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	msr(REG_NUM(PMSCR_EL1), PMSCR_E0SPE);
	assert_int_equal(stage->enter(V), KEEL_EXIT_SPE);
	assert_false(V->spe->running);
	assert_int_equal(spe_vcpu_control(V, KEEL_SPE_STOP, KVM_ARM_VCPU_SPE_RESUME), 0);
	assert_int_equal(stage->enter(V), VCPU_RESUME);
	assert_true(V->spe->running);
}

/* All registers out of one vCPU and into another, as a migration does. */
static void all_registers_move_to_another_vcpu(void **state)
{
	static const u32 regs[] = { REG_NUM(PMSCR_EL1),	    REG_NUM(PMSNEVFR_EL1),
				    REG_NUM(PMSICR_EL1),    REG_NUM(PMSIRR_EL1),
				    REG_NUM(PMSFCR_EL1),    REG_NUM(PMSEVFR_EL1),
				    REG_NUM(PMSLATFR_EL1),  REG_NUM(PMSIDR_EL1),
				    REG_NUM(PMBLIMITR_EL1), REG_NUM(PMBPTR_EL1),
				    REG_NUM(PMBSR_EL1),	    REG_NUM(PMBIDR_EL1) };
	struct vcpu *to = &w.vcpu[1];
	u64 value;

	profile();
	msr(REG_NUM(PMSNEVFR_EL1), 2);
	msr(REG_NUM(PMSFCR_EL1), PMSFCR_FE | PMSFCR_FNE);
	stage->enter(V);
	fake_sysreg_set(PMBSR, FULL);
	fake_sysreg_set(PMBPTR, 0x80000c00);
	fake_sysreg_set(PMSICR, 0x99);
	assert_int_equal(stage->exit(V, GUEST_IRQ), VCPU_NOT_MINE);
	stage->handled(V, vcpu_to_host(KEEL_EXIT_IRQ));
	w.ppi_level = false;
	for (unsigned int i = 0; i < ARRAY_SIZE(regs); i++) {
		assert_int_equal(sysreg_user_get(V, regs[i], &value), 0);
		assert_int_equal(sysreg_user_set(to, regs[i], value), 0);
	}
	assert_memory_equal(&to->spe->regs, &V->spe->regs, sizeof(V->spe->regs));
	assert_int_equal(to->spe->regs.pmbptr, 0x80000c00);
	assert_int_equal(to->spe->regs.pmsicr, 0x99);
	assert_true(w.ppi_level); /* the interrupt comes with PMBSR_EL1 */
}

/* ---- the host ---- */

static void give_host(u64 pmblimitr)
{
	fake_sysreg_set(PMSCR, 0x13);
	fake_sysreg_set(PMSICR, 0x1111);
	fake_sysreg_set("s3_0_c9_c9_3", 0x2200);
	fake_sysreg_set("s3_0_c9_c9_4", 4);
	fake_sysreg_set(PMSEVFR, 0x80);
	fake_sysreg_set("s3_0_c9_c9_6", 0x66);
	fake_sysreg_set(PMSNEVFR, 0x40);
	fake_sysreg_set(PMBPTR, 0xffff000012345678);
	fake_sysreg_set(PMBSR, FULL);
	fake_sysreg_set(PMBLIMITR, pmblimitr);
}

static void check_host(u64 pmblimitr)
{
	assert_int_equal(fake_sysreg_get(PMSCR), 0x13);
	assert_int_equal(fake_sysreg_get(PMSICR), 0x1111);
	assert_int_equal(fake_sysreg_get("s3_0_c9_c9_3"), 0x2200);
	assert_int_equal(fake_sysreg_get("s3_0_c9_c9_4"), 4);
	assert_int_equal(fake_sysreg_get(PMSEVFR), 0x80);
	assert_int_equal(fake_sysreg_get("s3_0_c9_c9_6"), 0x66);
	assert_int_equal(fake_sysreg_get(PMSNEVFR), 0x40);
	assert_int_equal(fake_sysreg_get(PMBPTR), 0xffff000012345678);
	assert_int_equal(fake_sysreg_get(PMBSR), FULL);
	assert_int_equal(fake_sysreg_get(PMBLIMITR), pmblimitr);
}

/* The host profiles, and has an event pending, while a guest that profiles has the CPU. */
static void a_host_that_profiles_gets_its_registers_back(void **state)
{
	static const u64 limits[] = { 0xffff000012400001, 0xffff000012400000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(limits); i++) {
		setup(NULL);
		give_host(limits[i]);
		host_spe_leave(&w.cpu.spe);
		profile();
		assert_int_equal(fake_sysreg_get(PMBSR), 0);
		msr(REG_NUM(PMSCR_EL1), 0);
		stage->enter(V); /* off and on again: the host's are saved once */
		msr(REG_NUM(PMSCR_EL1), PMSCR_E0SPE);
		stage->enter(V);
		stage->handled(V, vcpu_to_host(KEEL_EXIT_IRQ));
		host_spe_return(&w.cpu.spe);
		check_host(limits[i]);
	}
}

/* A guest that does not profile: only the host's buffer is off, and nothing else changes. */
static void for_a_guest_that_does_not_profile_only_the_hosts_buffer_is_off(void **state)
{
	const u64 limit = 0xffff000012400001;

	give_host(limit);
	fake_trace_start(false);
	host_spe_leave(&w.cpu.spe);
	assert_string_equal(fake_trace(), "psb csync dsb nsh isb " PMBLIMITR "=0 isb");
	fake_trace_start(true);
	host_spe_return(&w.cpu.spe);
	assert_string_equal(fake_trace(), "isb " PMBLIMITR "=ffff000012400001");
	check_host(limit);
	/* nor the host: one read */
	fake_sysreg_set(PMBLIMITR, 0xffff000012400000);
	fake_trace_start(true);
	host_spe_leave(&w.cpu.spe);
	host_spe_return(&w.cpu.spe);
	assert_string_equal(fake_trace(), PMBLIMITR "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_provider_is_chosen_by_option_and_machine, setup),
		cmocka_unit_test_setup(a_unit_is_identified_by_its_registers, setup),
		cmocka_unit_test_setup(units_that_differ_are_reduced_to_what_all_have, setup),
		cmocka_unit_test_setup(id_registers_show_the_unit, setup),
		cmocka_unit_test_setup(bits_that_the_unit_does_not_have_are_res0, setup),
		cmocka_unit_test_setup(the_guest_has_all_of_its_debug_registers, setup),
		cmocka_unit_test_setup(a_guest_that_profiles_has_its_registers_in_the_unit, setup),
		cmocka_unit_test_setup(an_old_unit_gets_only_the_registers_that_it_has, setup),
		cmocka_unit_test_setup(with_e2h_the_el12_name_of_pmscr_is_used, setup),
		cmocka_unit_test_setup(the_end_of_a_run_takes_the_registers_out_of_the_unit, setup),
		cmocka_unit_test_setup(an_access_to_what_is_in_the_unit_stops_it, setup),
		cmocka_unit_test_setup(an_event_becomes_the_vcpus, setup),
		cmocka_unit_test_setup(an_event_at_wfi_keeps_the_vcpu_awake, setup),
		cmocka_unit_test_setup(faults_of_stage_2_are_external_aborts_to_the_guest, setup),
		cmocka_unit_test_setup(the_host_can_stop_profiling, setup),
		cmocka_unit_test_setup(all_registers_move_to_another_vcpu, setup),
		cmocka_unit_test_setup(a_host_that_profiles_gets_its_registers_back, setup),
		cmocka_unit_test_setup(
			for_a_guest_that_does_not_profile_only_the_hosts_buffer_is_off, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
