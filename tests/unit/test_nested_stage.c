// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/nested/nested_stage.c hyp/nested/nested_trap.c hyp/nested/nested_at.c hyp/nested/nested_fast.c hyp/nested/nested_timer.c hyp/nested/nested_regs.c hyp/nested/nested_nvhe.c hyp/nested/nested_layout.c hyp/nested/nested_exception.c hyp/nested/nested_route.c hyp/trap/el2.c hyp/vm/guest_traps.c hyp/cpu/features.c hyp/cpu/errata.c tests/unit/arch/fake_sysreg.c tests/unit/fake_panic.c */
/*
 * The stage of vCPUs with an EL2: what the hardware is given before an entry in each context, what
 * becomes of an exit, and that nothing that a guest has in its registers gives the hardware a level
 * above EL1 or a control that is not allowed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <cpu/errata.h>
#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <mm/el2_map.h>
#include <nested/nested.h>
#include <nested/nested_exception.h>
#include <nested/nested_fast.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <nested/nested_timer.h>
#include <nested/nested_tlbi.h>
#include <nested/nested_vgic.h>
#include <nested/s1_tables.h>
#include <nested/s2_compose.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <timer/timer.h>
#include <trap/debug.h>
#include <trap/device.h>
#include <trap/el2.h>
#include <trap/impl_regs.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vgic/vgic.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

#include "swap_el1.h"

#define VNCR_REG "s3_4_c2_c2_0"
#define TGE	 BIT(27)
#define EL2H	 0x3c9
#define EL1H	 0x3c5
#define OWN_HCR	 0x80000001ULL /* of any guest */
#define ESR_ERET (0x1aULL << 26 | ESR_IL)
#define ESR_HVC	 (0x16ULL << 26 | ESR_IL)

u32 panic_begun; /* cpu/panic.h */

static struct percpu cpu;
static struct vm_cpu vm_cpu;
static struct vm vm;
static struct vcpu vcpu;
static struct nested_vcpu nested __aligned(4096);
static struct vgic_cpu vgic_cpu;
static struct keel_run page;
static struct cpu_features features;
static const struct exit_stage *stage, *vhe, *nvhe;
static const struct vcpu_hooks *hooks;
static const struct trap_device *device;
static bool (*inject)(struct vcpu *v, u64 esr, u64 far);
static u64 file[VCPU_SYSREG_COUNT], more_hcr, less_hcr, alarm_at, ats, at_context, at_hcr, undefs;
static struct shadow shadow, el2_shadow;
static struct shadow_set shadows = { .el2 = &el2_shadow };
static unsigned int flushes, nested_allowed, nvhe_allowed, shadow_faults, el2_faults;
static bool levels[32];

/* ---- below and beside ---- */

const struct cpu_features *vm_features(void)
{
	return &features;
}

u64 vcpu_read_sysreg(const struct vcpu *v, enum vcpu_sysreg reg)
{
	return file[reg];
}

void vcpu_write_sysreg(struct vcpu *v, enum vcpu_sysreg reg, u64 value)
{
	file[reg] = value;
}

void vcpu_add_hooks(const struct vcpu_hooks *new_hooks)
{
	hooks = new_hooks;
}

void exit_set_stage(enum exit_stage_id id, const struct exit_stage *new_stage)
{
	assert_true(id == EXIT_STAGE_NESTED || id == EXIT_STAGE_NESTED_NVHE);
	*(id == EXIT_STAGE_NESTED ? &vhe : &nvhe) = new_stage;
}

void trap_set_device(enum trap_device_id id, const struct trap_device *new_device)
{
	assert_int_equal(id, TRAP_DEVICE_NESTED);
	device = new_device;
}

void vcpu_set_el2_inject(bool (*function)(struct vcpu *v, u64 esr, u64 far))
{
	inject = function;
}

const struct vm_nested_ops shadow_vm_ops;

void vm_set_nested(const struct vm_nested_ops *ops)
{
	assert_ptr_equal(ops, &shadow_vm_ops);
	nested_allowed++;
}

void vm_set_nested_nvhe(void)
{
	nvhe_allowed++;
}

void vcpu_change_s2(struct vcpu *v, struct s2_context *to)
{
	v->s2 = to;
}

/* ---- shadows ---- */

int shadow_prepare(struct vcpu *v)
{
	return 0;
}

struct shadow *shadow_of(struct vcpu *v)
{
	nested.shadow = &shadow;
	return &shadow;
}

void shadow_drop(struct vcpu *v)
{
	v->s2 = &vm.s2;
	nested.shadow = NULL;
}

struct shadow *shadow_current(const struct vcpu *v)
{
	return v->s2 == &shadow.ctx ? &shadow : NULL;
}

static bool shadow_fills, memory_faults;

/* An exception of EL2's own: what it changes is as hyp/arch/extable.h says. */
static void fault_at_el2(void)
{
	fake_sysreg_set("elr_el2", 0xffff800000001000);
	fake_sysreg_set("spsr_el2", EL2H);
	fake_sysreg_set("esr_el2", 0x96000010);
}

bool shadow_resolve(struct vcpu *v, u64 esr, struct shadow_fault *f)
{
	assert_ptr_equal(v->s2, &shadow.ctx);
	shadow_faults++;
	f->vcpu = v;
	f->esr = esr;
	if (memory_faults)
		fault_at_el2();
	return shadow_fills;
}

bool shadow_resolve_el2(struct vcpu *v, u64 esr, struct shadow_fault *f)
{
	assert_ptr_equal(v->s2, &el2_shadow.ctx);
	el2_faults++;
	f->vcpu = v;
	f->esr = esr;
	return shadow_fills;
}

enum vcpu_action shadow_conclude(struct shadow_fault *f)
{
	assert_ptr_equal(f->vcpu, &vcpu);
	assert_false(shadow_fills);
	return VCPU_RESUME;
}

bool shadow_walk_failed(struct vcpu *v)
{
	return nested.walk_esr;
}

enum s2_walk_end shadow_translate(struct vcpu *v, u64 ipa, struct s2_access access,
				  struct shadow_fault *f)
{
	*f = (struct shadow_fault){ .walk = { .leaf = { .memattr = 5 } },
				    .vm_ipa = ipa + 0x80000000 };
	assert_int_equal(access.kind, S2_WRITE);
	assert_true(access.el0);
	switch (ipa) {
	case 0x9000:
		f->walk.fsc = 0xf;
		return S2_WALK_FAULT;
	case 0xa000:
		f->walk.fsc = 0x16;
		f->walk.level = 2;
		return S2_WALK_FAULT;
	case 0xb000:
		return S2_WALK_TRY_AGAIN;
	default:
		return S2_WALK_LEAF;
	}
}

/* ---- AT's tables */

static enum s2_walk_end stage1_ends;
static bool stage1_has_tables, stage1_update;

bool s1_tables_decode(struct s2_tables *tables, const struct s1_regs *regs, u8 pa_bits, u64 va,
		      struct ipa *ia)
{
	assert_int_equal(regs->tcr, file[TCR_EL1]);
	assert_int_equal(regs->ttbr1, file[TTBR1_EL1]);
	*ia = IPA(va);
	return stage1_has_tables;
}

enum s2_walk_end shadow_walk_stage1(struct vcpu *v, const struct s2_tables *tables, struct ipa ia,
				    bool update, struct shadow_fault *f)
{
	f->walk = (struct s2_walk_result){ .desc = IPA(0x5008), .level = 1, .fsc = 0x15 };
	if (stage1_ends == S2_WALK_FAULT && ia.v == 0xc000) /* not there, to stage 1 itself */
		f->walk.fsc = 5;
	f->outcome = SHADOW_REPEAT;
	if (stage1_ends == S2_WALK_FAULT &&
	    ia.v >= 0xd000) { /* not there, to the guest's stage 2 */
		f->walk.fsc = ia.v == 0xd000 ? 7 : 0x17;
		f->walk.level = 3;
		f->outcome = SHADOW_FOR_EL2;
	}
	f->update = stage1_update = update;
	return stage1_ends;
}

static u64 asked_esr;

enum vcpu_action abort_at(struct vcpu *v, u64 esr, u64 far, u64 ipa)
{
	assert_int_equal(ipa, 0x5008);
	assert_int_equal(nested.context, NESTED_EL2);
	asked_esr = esr;
	return vcpu_to_host(KEEL_EXIT_FAULT);
}

u64 s2_compose_par(u64 par, const struct s2_leaf *guest)
{
	return par ^ (u64)guest->memattr << 56;
}

bool abort_is_stage2(u64 esr)
{
	return (esr & 0x3c) == 4;
}

#define AT_S1E2R	  SYSREG_ENC(1, 4, 7, 8, 0)
#define TLBI_ALLE2	  SYSREG_ENC(1, 4, 8, 7, 0)
#define TLBI_VAALE1IS	  SYSREG_ENC(1, 0, 8, 3, 7)
#define TLBI_VMALLS12E1IS SYSREG_ENC(1, 4, 8, 3, 6)

static unsigned int shadow_flushes;
static bool tlbi_left;

bool nested_tlbi_is_left(struct vcpu *v, u64 esr)
{
	return tlbi_left;
}

enum vcpu_action nested_tlbi_resume(struct vcpu *v)
{
	return VCPU_RESUME;
}

bool nested_tlbi_own(struct vcpu *v, u32 encoding, u64 xt)
{
	bool of_host = encoding == TLBI_VAALE1IS && (nested.page[HCR_EL2] & TGE);

	if (encoding != TLBI_ALLE2 && !of_host)
		return false;
	flushes++;
	return true;
}

bool nested_tlbi_own_nvhe(struct vcpu *v, u32 encoding, u64 xt)
{
	flushes += encoding == TLBI_ALLE2;
	return encoding == TLBI_ALLE2;
}

bool nested_tlbi_at_once(struct vcpu *v, u64 esr)
{
	assert_true(nested_is_el2_tlbi(esr));
	if (FIELD_GET(ESR_SYS64_OP2, esr)) /* TLBI_ALLE2 has 0 */
		return false;
	flushes++;
	trap_step_over_early();
	return true;
}

bool nested_tlbi(struct vcpu *v, u32 encoding, u64 xt)
{
	if (nested_tlbi_own(v, encoding, xt))
		return true;
	if (encoding != TLBI_VAALE1IS && encoding != TLBI_VMALLS12E1IS)
		return false;
	shadow_flushes++;
	return true;
}

/* The page's second address. */
#define ALIAS 0x4000007000ULL

static unsigned int alias_opened, alias_closed;

void *el2_alias_open(const void *linear)
{
	assert_ptr_equal(linear, nested.page);
	assert_int_equal(alias_opened, alias_closed);
	alias_opened++;
	return (void *)ALIAS;
}

void el2_alias_close(void)
{
	alias_closed++;
	assert_int_equal(alias_opened, alias_closed);
}

void vcpu_inject_undef(struct vcpu *v)
{
	undefs++;
}

/* What is as at EL1. */
void debug_write_mdscr(struct vcpu *v, u64 value)
{
	file[MDSCR_EL1] = value;
}

static u64 read_id_row(struct vcpu *v, const struct sysreg_row *row)
{
	return 0x1d0;
}

/* Of these two, the second one traps for another reason. */
const struct sysreg_row *sysreg_find(u32 encoding)
{
	static const struct sysreg_row id = { .user = USER_ID, .read = read_id_row };
	static const struct sysreg_row other = { .user = USER_STORED, .read = read_id_row };

	if (encoding == REG_NUM(ID_AA64PFR0_EL1))
		return &id;
	return encoding == REG_NUM(MIDR_EL1) ? &other : NULL;
}

void trap_step_over_aa32(struct vcpu *v, u64 esr)
{
	fail_msg("an instruction of AArch32");
}

void switch_set_hcr(struct vcpu *v, u64 more, u64 less)
{
	less_hcr = less;
	more_hcr = more;
	fake_sysreg_set("hcr_el2", OWN_HCR | more);
}

static const struct impl_regs machine = { .midr = 0x410fd4f0 };

const struct impl_regs *impl_regs_machine(void)
{
	return &machine;
}

void tlbi_vmalle1is(void)
{
	flushes++;
}

bool switch_serror_waits(struct vcpu *v)
{
	return v->serror_pending;
}

/* The virtual CPU interface: test_nested_vgic has the real one. */
static enum vgic_signal raised;
static unsigned int version = 3;

unsigned int vgic_version(void)
{
	return version;
}

static unsigned int entered, left, refills;
static bool maintenance, possible;

void nested_vgic_init(void)
{
}

bool nested_vgic_possible(void)
{
	return possible;
}

enum vgic_signal nested_vgic_lend(struct vcpu *v)
{
	v->nested->lent = raised == VGIC_NO_SIGNAL;
	return raised;
}

void nested_vgic_enter(struct vcpu *v)
{
	entered++;
}

bool nested_vgic_leave(struct vcpu *v)
{
	left += v->nested->lent;
	v->nested->lent = false;
	return maintenance;
}

void nested_vgic_settle(struct vcpu *v)
{
}

static bool nested_wakes;

bool nested_vgic_wakes(const struct vcpu *v)
{
	return nested_wakes;
}

static bool told;

bool nested_vgic_is_told(const struct vcpu *v)
{
	return told;
}

bool nested_vgic_access(struct vcpu *v, u32 encoding, bool read, u64 *value)
{
	if (encoding != REG_NUM(ICH_VTR_EL2))
		return false;
	*value = 3;
	return read;
}

int nested_vgic_user_get(const struct vcpu *v, u32 encoding, u64 *value)
{
	return -ENOENT;
}

int nested_vgic_user_set(struct vcpu *v, u32 encoding, u64 value)
{
	return encoding == REG_NUM(ICH_HCR_EL2) ? 0 : -ENOENT;
}

void nested_vgic_reset(struct vcpu *v)
{
}

static unsigned int trapped;

void nested_vgic_add_traps(struct vcpu *v)
{
	assert_int_equal(v->nested->context, NESTED_EL1);
	trapped++;
}

static u64 sve_limit;

void switch_limit_sve(const struct vcpu *v, u64 zcr)
{
	assert_true(v->features & BIT(VCPU_SVE));
	sve_limit = zcr;
}

static bool has_pauth, authentic;

bool nested_has_pauth(const struct vcpu *v)
{
	return has_pauth;
}

bool nested_authenticate(struct vcpu *v, u64 esr, u64 *elr)
{
	assert_true(has_pauth);
	*elr &= 0xffffffffffff;
	return authentic;
}

static bool refill_needs_host;

void vgic_refill(struct vcpu *v)
{
	refills++;
	v->vgic->leave |= refill_needs_host;
}

void vgic_set_timer(struct vcpu *v, u32 intid, bool level)
{
	levels[intid] = v->vgic->irq[intid].line = level;
}

static unsigned int forwarded;

bool vgic_forward(struct vcpu *v, u32 intid)
{
	forwarded |= 1U << intid;
	return true;
}

void vgic_stop_forwarding(struct vcpu *v, u32 intid, bool level)
{
	forwarded &= ~(1U << intid);
	vgic_set_timer(v, intid, level);
}

bool vgic_wakes(struct vcpu *v, u32 intid)
{
	return true;
}

void timer_set_alarm(struct vcpu *v, u64 at)
{
	v->alarm = alarm_at = at;
}

/* EL1's physical timer: its condition is met if it is on. */
static unsigned int el1_timer_writes;

u64 timer_read_sysreg(struct vcpu *v, u32 encoding)
{
	u64 ctl = v->sysreg[CNTP_CTL_EL0];

	return encoding == REG_NUM(CNTP_CTL_EL0) ? ctl | (ctl & 1) << 2 : 0x1000000 + encoding;
}

void timer_write_sysreg(struct vcpu *v, u32 encoding, u64 value)
{
	el1_timer_writes++;
	v->sysreg[encoding == REG_NUM(CNTP_CTL_EL0) ? CNTP_CTL_EL0 : CNTP_CVAL_EL0] = value;
}

/* The redistributor: which interrupts are active. */
static u8 gicr[0x400];
static u32 active;

u32 mmio_read32(const volatile void *addr)
{
	assert_ptr_equal(addr, gicr + GICR_ISACTIVER0);
	return active;
}

void mmio_write32(volatile void *addr, u32 value)
{
	if (addr == gicr + GICR_ISACTIVER0)
		active |= value;
	else if (addr == gicr + GICR_ICACTIVER0)
		active &= ~value;
	else
		fail_msg("a write to another register");
}

void fake_dsb(const char *opt)
{
}

void log_msg(enum log_level level, const char *fmt, ...)
{
}

u64 ratelimit(struct ratelimit *rl)
{
	return ++rl->count;
}

static u64 at_par; /* so many times */
static unsigned int at_par_times;

static bool do_at(u64 va)
{
	ats++;
	at_context = nested.context;
	at_hcr = more_hcr;
	fake_sysreg_set("par_el1", 0xff00000000000180 | (va & ~0xfffULL)); /* Write-Back */
	if (memory_faults)
		fault_at_el2();
	if (at_par_times) {
		fake_sysreg_set("par_el1", at_par);
		at_par_times--;
	}
	return !memory_faults;
}

bool at_s1e1r(u64 va)
{
	return do_at(va);
}

bool at_s1e0r(u64 va)
{
	return do_at(va);
}

bool at_s1e1w(u64 va)
{
	return do_at(va);
}

bool at_s1e0w(u64 va)
{
	return do_at(va);
}

bool at_s1e1rp(u64 va)
{
	return do_at(va);
}

bool at_s1e1wp(u64 va)
{
	return do_at(va);
}

/* ---- the machine ---- */

static int start(void **state)
{
	static const char *const zero[] = { "cntvoff_el2", "vmpidr_el2",   "cptr_el2",
					    "cnthctl_el2", "cntv_ctl_el0", "cntv_cval_el0",
					    "par_el1",	   "s3_4_c5_c2_3", VNCR_REG,
					    "mdcr_el2",	   "elr_el2",	   "spsr_el2",
					    "vpidr_el2",   "cpacr_el1" };
	size_t i;

	fake_sysreg_reset();
	for (i = 0; i < ARRAY_SIZE(zero); i++)
		fake_sysreg_set(zero[i], 0);
	fake_sysreg_set("hcr_el2", OWN_HCR);
	fake_sysreg_set("midr_el1", 0x410fd490);
	fake_sysreg_set("cntpct_el0", 1000);
	fake_cpu = &cpu;
	vm_cpu = (struct vm_cpu){ .vcpu = &vcpu };
	vm_cpu.traps.has_nv2 = true;
	vm_cpu.traps.has_ecv = true;
	vm_cpu.traps.cptr = 0x37ff;
	vm_cpu.traps.cptr_fp = BIT(10);
	cpu = (struct percpu){ .vm_cpu = &vm_cpu, .alias_va = ALIAS };
	alias_opened = alias_closed = shadow_flushes = 0;
	errata_actions = 0;
	panic_begun = 0;
	told = true;
	memset(&nested, 0, sizeof(nested));
	memset(file, 0, sizeof(file));
	memset(levels, 0, sizeof(levels));
	memset(&features, 0, sizeof(features));
	memset(&vm, 0, sizeof(vm));
	vm.cntvoff = 500;
	vm.vgic = (struct vgic *)&vm;
	vm.shadows = &shadows;
	shadows.plain_el1 = false;
	vgic_cpu = (struct vgic_cpu){ .leave = false };
	refill_needs_host = false;
	vcpu = (struct vcpu){ .vm = &vm,
			      .s2 = &vm.s2,
			      .sysreg = file,
			      .nested = &nested,
			      .mpidr = 0x80000001,
			      .run = &page,
			      .vgic = &vgic_cpu };
	flushes = undefs = shadow_faults = entered = left = refills = forwarded = trapped = 0;
	has_pauth = authentic = false;
	raised = VGIC_NO_SIGNAL;
	maintenance = nested_wakes = false;
	possible = true;
	features.reg[ID_REG_MMFR2] = 2ULL << 24; /* NV2 */
	features.reg[ID_REG_MMFR0] = 1ULL << 60; /* ECV */
	features.reg[ID_REG_PFR0] = 1ULL << 24;	 /* GIC */
	vm_cpu.traps.has_nv1 = true;
	el2_faults = 0;
	memset(shadows.plain_vmids, 0, sizeof(shadows.plain_vmids));
	nested_init(true, &features);
	assert_true(vhe->wanted(&vcpu) && !nvhe->wanted(&vcpu));
	stage = vhe;
	hooks->reset(&vcpu);
	return 0;
}

/* Without VHE. */
static int start_nvhe(void **state)
{
	(void)start(state);
	vcpu.features = BIT(VCPU_HAS_EL2) | BIT(VCPU_HAS_EL2_E2H0);
	assert_true(nvhe->wanted(&vcpu) && !vhe->wanted(&vcpu));
	stage = nvhe;
	hooks->reset(&vcpu);
	return 0;
}

static enum vcpu_action enter(void)
{
	return stage->enter(&vcpu);
}

/* The early exit, as enter.S asks it: pc and PSTATE are in the hardware. */
static bool leave_early(u64 esr)
{
	u64 pc = vcpu.regs.pc, pstate = vcpu.regs.pstate;
	bool done;

	if (!(stage->early_classes & BIT(esr_ec(esr))))
		return false;
	fake_sysreg_set("elr_el2", pc);
	fake_sysreg_set("spsr_el2", pstate);
	vcpu.regs.pc = vcpu.regs.pstate = 0xbad;
	done = stage->early(&vcpu);
	vcpu.regs.pc = fake_sysreg_get("elr_el2");
	vcpu.regs.pstate = fake_sysreg_get("spsr_el2");
	assert_true(done || (vcpu.regs.pc == pc && vcpu.regs.pstate == pstate));
	return done;
}

/* The guest was left; what it had in the hardware's PSTATE stays. */
static enum vcpu_action leave(u64 esr)
{
	fake_sysreg_set("esr_el2", esr);
	return leave_early(esr) ? VCPU_AT_ONCE : stage->exit(&vcpu, GUEST_SYNC);
}

static u64 sys64(u32 encoding, bool read, unsigned int rt)
{
	return 0x18ULL << 26 | ESR_IL | (u64)(encoding >> 14 & 3) << 20 |
	       (u64)(encoding & 7) << 17 | (u64)(encoding >> 11 & 7) << 14 |
	       (u64)(encoding >> 7 & 15) << 10 | (u64)rt << 5 | (u64)(encoding >> 3 & 15) << 1 |
	       read;
}

/* ---- */

static void nothing_is_registered_unless_asked_and_possible(void **state)
{
	struct cpu_features less = features;
	unsigned int before = nested_allowed;

	nested_init(false, &features);
	less.reg[ID_REG_MMFR2] = 1ULL << 24;
	nested_init(true, &less);
	less = features;
	less.reg[ID_REG_PFR0] = 0;
	nested_init(true, &less);
	/* EL2 has no access to the registers of a GICv3 */
	for (version = 0; version < 3; version += 2)
		nested_init(true, &features);
	version = 3;
	assert_int_equal(nested_allowed, before);
	less = features;
	before = nvhe_allowed;
	less.reg[ID_REG_MMFR0] = 0; /* FEAT_ECV is not needed, but without VHE */
	nested_allowed = 0;
	nested_init(true, &less);
	assert_int_equal(nested_allowed, 1);
	assert_int_equal(nvhe_allowed, before);
	less = features;
	less.reg[ID_REG_MMFR4] = 0xeULL << 24; /* no HCR_EL2.NV1 */
	nested_init(true, &less);
	assert_int_equal(nvhe_allowed, before);
	less.reg[ID_REG_MMFR4] = 0xfULL << 24; /* E2H is 1 always, but for guests */
	nested_init(true, &less);
	assert_int_equal(nvhe_allowed, before + 1);
}

/* ---- without VHE ---- */

#define NVHE_BITS (HCR_NV | HCR_NV1 | HCR_NV2 | HCR_AT | HCR_TTLB)

static void without_vhe_el2_has_a_context_and_el1_its_names(void **state)
{
	assert_int_equal(vcpu.regs.pstate, EL2H);
	assert_int_equal(nested.page[HCR_EL2], 0);
	nested.page[CNTVOFF_EL2] = 300;
	assert_int_equal(enter(), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	assert_ptr_equal(vcpu.s2, &el2_shadow.ctx);
	assert_int_equal(fake_sysreg_get(VNCR_REG), (u64)nested.page);
	assert_int_equal(more_hcr, NVHE_BITS);
	assert_int_equal(less_hcr, HCR_TVM);
	assert_int_equal(fake_sysreg_get("cntvoff_el2"), 300);
	assert_int_equal(fake_sysreg_get("cptr_el2") & CPTR_TCPAC, 0);
	assert_true(fake_sysreg_get("cnthctl_el2") & CNTHCTL_EL1TVT);
	assert_true(fake_sysreg_get("cnthctl_el2") & CNTHCTL_EL1TVCT);
	/* to EL1, which has no stage 2 */
	nested.page[VTTBR_EL2] = 0x41ULL << 48;
	nested.page[SCTLR_EL1] = 0x1111;
	file[SPSR_EL1] = EL1H;
	file[ELR_EL1] = 0x8000;
	assert_int_equal(leave(ESR_ERET), VCPU_RESUME);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	assert_int_equal(vcpu.regs.pc, 0x8000);
	assert_ptr_equal(vcpu.s2, &vm.s2);
	assert_int_equal(file[SCTLR_EL1], 0x1111);
	assert_int_equal(more_hcr & NVHE_BITS, 0);
	assert_int_equal(fake_sysreg_get("cnthctl_el2") & (CNTHCTL_EL1TVT | CNTHCTL_EL1TVCT), 0);
	assert_true(shadows.plain_el1);
	assert_int_equal(shadows.plain_vmids[1], 2);
	/* and back, by HVC; no TLB entry has had to go */
	assert_int_equal(leave(ESR_HVC), VCPU_RESUME);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_ptr_equal(vcpu.s2, &el2_shadow.ctx);
	assert_int_equal(nested.page[SCTLR_EL1], 0x1111);
	assert_int_equal(more_hcr, NVHE_BITS);
	assert_int_equal(flushes, 0);
	/* to a nested guest */
	nested.page[HCR_EL2] = HCR_VM;
	file[SPSR_EL1] = EL1H;
	(void)leave(ESR_ERET);
	(void)enter();
	assert_ptr_equal(vcpu.s2, &shadow.ctx);
	assert_int_equal(flushes, 0);
}

/* EL1 without a stage 2, with @vmid in VTTBR_EL2, and back. */
static void run_plain_el1(u64 vmid)
{
	vcpu.regs.pstate = EL2H;
	assert_int_equal(enter(), VCPU_RESUME);
	nested.page[HCR_EL2] = 0;
	nested.page[VTTBR_EL2] = vmid << 48;
	file[SPSR_EL1] = EL1H;
	assert_int_equal(leave(ESR_ERET), VCPU_RESUME);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_ptr_equal(vcpu.s2, &vm.s2);
	assert_int_equal(leave(ESR_HVC), VCPU_RESUME);
}

/* They are under the VM's own one, whatever the guest hypervisor's is. */
static void without_vhe_el1s_entries_of_another_vmid_go(void **state)
{
	run_plain_el1(0);
	run_plain_el1(0);
	assert_int_equal(flushes, 0);
	run_plain_el1(7);
	assert_int_equal(flushes, 1);
	run_plain_el1(7);
	assert_int_equal(flushes, 1);
	/* a nested guest's are not there */
	nested.page[HCR_EL2] = HCR_VM;
	nested.page[VTTBR_EL2] = 9ULL << 48;
	vcpu.regs.pstate = EL1H;
	assert_int_equal(enter(), VCPU_RESUME);
	assert_int_equal(leave(ESR_HVC), VCPU_RESUME);
	run_plain_el1(7);
	assert_int_equal(flushes, 1);
	run_plain_el1(0);
	assert_int_equal(flushes, 2);
	/* what has been left stays so when the vCPU begins anew, which it does at EL2 */
	hooks->reset(&vcpu);
	run_plain_el1(0);
	assert_int_equal(flushes, 2);
	device->cpu_on(&vcpu);
	run_plain_el1(7);
	assert_int_equal(flushes, 3);
}

/* ---- the order of two notes ---- */

static struct shadow_set *watched;
static unsigned int noted;

/* A write of the VMIDs' note. It is done when it is allowed. */
static void note_is_written(int signo, siginfo_t *info, void *context)
{
	const u8 *at = info->si_addr, *note = (u8 *)watched->plain_vmids;

	if (at < note || at >= note + sizeof(watched->plain_vmids) ||
	    mprotect(watched->plain_vmids, 4096, PROT_READ | PROT_WRITE))
		abort();
	noted += watched->plain_el1 ? 1 : 100;
}

/* Or a vCPU that found its VMID noted would run EL1, whose entries a TLBI of another one leaves. */
static void without_vhe_a_vmid_is_noted_after_plain_el1(void **state)
{
	struct sigaction action = { .sa_sigaction = note_is_written, .sa_flags = SA_SIGINFO }, was;
	size_t before = offsetof(struct shadow_set, plain_vmids);
	size_t head = ALIGN_UP(before, 4096);
	u8 *memory =
		mmap(NULL, head + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	watched = (struct shadow_set *)(void *)(memory + head - before);
	watched->el2 = &el2_shadow;
	vm.shadows = watched;
	noted = 0;
	assert_int_equal(mprotect(memory + head, 4096, PROT_READ), 0);
	assert_int_equal(sigaction(SIGSEGV, &action, &was), 0);
	run_plain_el1(3);
	assert_int_equal(sigaction(SIGSEGV, &was, NULL), 0);
	assert_int_equal(noted, 1);
	assert_int_equal(watched->plain_vmids[0], BIT(3));
	vm.shadows = &shadows;
	assert_int_equal(munmap(memory, head + 4096), 0);
}

/* EL2 changes it without an exit. WFI looks at EL1's virtual timer by the hardware's. */
static void without_vhe_a_wait_goes_by_the_offset_that_is_set_now(void **state)
{
	nested.page[CNTVOFF_EL2] = 700;
	(void)enter();
	nested.page[CNTVOFF_EL2] = 900;
	assert_int_equal(fake_sysreg_get("cntvoff_el2"), 700);
	assert_int_equal(leave(0x01ULL << 26 | ESR_IL), VCPU_NOT_MINE);
	assert_int_equal(fake_sysreg_get("cntvoff_el2"), 900);
	(void)enter();
	nested.page[CNTVOFF_EL2] = 100;
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_NOT_MINE);
	assert_int_equal(fake_sysreg_get("cntvoff_el2"), 100);
	assert_int_equal(vcpu.regs.pstate, EL2H);
}

static void without_vhe_aborts_of_el2_are_of_its_context(void **state)
{
	const u64 fault = 0x24ULL << 26 | ESR_IL | 7;

	(void)enter();
	shadow_fills = true;
	assert_int_equal(leave(fault), VCPU_AT_ONCE);
	shadow_fills = false;
	assert_int_equal(el2_faults, 1);
	assert_int_equal(leave(fault), VCPU_RESUME);
	assert_int_equal(el2_faults, 2);
	assert_int_equal(vcpu.regs.pstate, EL2H);
	(void)enter();
	assert_int_equal(leave(fault | 16), VCPU_NOT_MINE); /* an External abort */
	assert_int_equal(el2_faults, 2);
	/* EL1's without a stage 2 are those of any guest */
	vcpu.regs.pstate = EL1H;
	(void)enter();
	assert_int_equal(leave(fault), VCPU_NOT_MINE);
	assert_int_equal(shadow_faults, 0);
	nested.page[HCR_EL2] = HCR_VM;
	(void)enter();
	assert_int_equal(leave(fault), VCPU_RESUME);
	assert_int_equal(shadow_faults, 1);
}

static void without_vhe_el0_of_el2_is_refused(void **state)
{
	nested.page[HCR_EL2] = HCR_TGE;
	assert_int_equal(enter(), VCPU_RESUME);
	file[SPSR_EL1] = 0; /* EL0t */
	assert_int_equal(leave(ESR_ERET), VCPU_RESUME);
	assert_int_equal(enter(), vcpu_to_host(KEEL_EXIT_FAIL));
	vcpu.regs.pstate = EL2H;
	assert_int_equal(enter(), VCPU_RESUME);
	vm_cpu.traps.has_nv1 = false; /* a CPU that came later */
	(void)leave(ESR_ERET);
	vcpu.regs.pstate = EL2H;
	assert_int_equal(enter(), vcpu_to_host(KEEL_EXIT_FAIL));
}

static void without_vhe_a_short_return_is_one_to_el2(void **state)
{
	(void)enter();
	nested.page[HCR_EL2] = HCR_TGE;
	fake_sysreg_set("esr_el2", ESR_ERET);
	fake_sysreg_set("elr_el1", 0x9000);
	for (u64 mode = 0; mode < 16; mode++) {
		fake_sysreg_set("spsr_el1", 0x3c0 | mode);
		assert_int_equal(stage->fast(&vcpu) == &vcpu, mode == PSR_MODE_EL2h);
	}
	assert_int_equal(fake_sysreg_get("elr_el2"), 0x9000);
	assert_int_equal(fake_sysreg_get("spsr_el2"), EL1H);
	fake_sysreg_set("esr_el2", ESR_ERET | 2); /* ERETAA */
	assert_null(stage->fast(&vcpu));
}

static void without_vhe_names_are_other_registers_or_none(void **state)
{
	const u32 absent[] = { SYSREG_ENC(3, 5, 1, 0, 0),  SYSREG_ENC(3, 5, 14, 1, 0),
			       SYSREG_ENC(3, 5, 14, 3, 1), REG_NUM(TTBR1_EL2),
			       REG_NUM(CONTEXTIDR_EL2),	   REG_NUM(CNTHV_CTL_EL2) };

	(void)enter();
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++) {
		undefs = 0;
		assert_int_equal(leave(sys64(absent[i], true, 1)), VCPU_RESUME);
		assert_int_equal(undefs, 1);
		assert_int_equal(trap_el2()->get(&vcpu, absent[i], &(u64){ 0 }), -ENOENT);
		(void)enter();
	}
	/* CPTR_EL2 is written in its own layout, and acts in the hardware's */
	vcpu.regs.x[1] = CPTR_TFP;
	assert_int_equal(leave(sys64(REG_NUM(CPTR_EL2), false, 1)), VCPU_AT_ONCE);
	assert_int_equal(file[CPACR_EL1] & CPACR_FPEN, 0);
	assert_int_equal(leave(sys64(REG_NUM(CPTR_EL2), true, 2)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[2], CPTR_TFP);
	assert_int_equal(trap_el2()->set(&vcpu, REG_NUM(TCR_EL2), 25 | 2 << 16), 0);
	assert_int_equal(file[TCR_EL1], TCR_EPD1 | 25 | 2ULL << 32);
	assert_int_equal(leave(sys64(REG_NUM(TCR_EL2), true, 2)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[2], 25 | 2 << 16);
	/* CNTKCTL_EL1 is EL1's in both contexts */
	file[CNTKCTL_EL1] = 0x303;
	vcpu.regs.x[1] = 3;
	assert_int_equal(leave(sys64(REG_NUM(CNTHCTL_EL2), false, 1)), VCPU_AT_ONCE);
	assert_int_equal(file[CNTKCTL_EL1], 0x303);
	vcpu.regs.pstate = EL1H;
	(void)enter();
	assert_int_equal(file[CNTKCTL_EL1], 0x303);
	assert_int_equal(trap_read_el1(&vcpu, CNTKCTL_EL1), 0x303);
	assert_true(fake_sysreg_get("cnthctl_el2") & CNTHCTL_NVHE_EL1PCTEN);
	(void)leave(ESR_HVC);
	(void)enter();
	assert_int_equal(file[CNTKCTL_EL1], 0x303);
	assert_int_equal(leave(sys64(REG_NUM(CNTHCTL_EL2), true, 2)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[2], 3);
	/* TLBI by EL2's names are EL2's; those of EL1's never, whatever TGE is */
	flushes = shadow_flushes = 0;
	nested.page[HCR_EL2] = HCR_TGE;
	assert_int_equal(leave(sys64(TLBI_ALLE2, false, 31)), VCPU_AT_ONCE);
	assert_int_equal(flushes, 1);
	assert_int_equal(leave(sys64(SYSREG_ENC(1, 4, 8, 3, 6), false, 31)), VCPU_RESUME);
	assert_int_equal(shadow_flushes, 1);
}

/* At EL2 and EL1 alike they are in the hardware, with the same offset. */
static void without_vhe_el1s_virtual_timer_stays_in_the_hardware(void **state)
{
	nested.page[CNTVOFF_EL2] = 700; /* 300 now */
	(void)enter();
	vcpu.regs.x[1] = 1300;
	assert_int_equal(leave(sys64(REG_NUM(CNTV_CVAL_EL0), false, 1)), VCPU_RESUME);
	vcpu.regs.x[1] = 1;
	(void)leave(sys64(REG_NUM(CNTV_CTL_EL0), false, 1));
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 1300);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 1);
	assert_int_equal(alarm_at, 0);
	assert_false(levels[27]);
	(void)leave(sys64(REG_NUM(CNTVCT_EL0), true, 2));
	assert_int_equal(vcpu.regs.x[2], 300);
	vcpu.regs.x[1] = 100;
	(void)leave(sys64(REG_NUM(CNTV_TVAL_EL0), false, 1));
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 400);
	(void)leave(sys64(REG_NUM(CNTV_TVAL_EL0), true, 2));
	assert_int_equal(vcpu.regs.x[2], 100);
	fake_sysreg_set("cntpct_el0", 1100);
	(void)leave(sys64(REG_NUM(CNTV_CTL_EL0), true, 2));
	assert_int_equal(vcpu.regs.x[2], 5);
	vcpu.regs.pstate = EL1H;
	(void)enter();
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 400);
	assert_int_equal(forwarded, 0);
	(void)leave(ESR_HVC);
	assert_int_equal(alarm_at, 0);
	(void)enter();
	/* EL2's own */
	vcpu.regs.x[1] = 2000;
	(void)leave(sys64(REG_NUM(CNTHP_CVAL_EL2), false, 1));
	vcpu.regs.x[1] = 1;
	(void)leave(sys64(REG_NUM(CNTHP_CTL_EL2), false, 1));
	assert_int_equal(alarm_at, 2000);
	/* and EL1's physical one */
	vcpu.regs.x[1] = 77;
	(void)leave(sys64(REG_NUM(CNTP_CVAL_EL0), false, 1));
	assert_int_equal(file[CNTP_CVAL_EL0], 77);
	assert_int_equal(alarm_at, 2000);
}

static void it_begins_at_el2_with_the_page_in_the_hardware(void **state)
{
	assert_int_equal(vcpu.regs.pstate, EL2H);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	assert_int_equal(fake_sysreg_get(VNCR_REG), (u64)nested.page);
	assert_int_equal(more_hcr, HCR_NV | HCR_NV2 | HCR_AT | HCR_TTLB);
	assert_int_equal(fake_sysreg_get("cntvoff_el2"), 0);
	assert_int_equal(fake_sysreg_get("vmpidr_el2"), 0x80000001);
	assert_true(fake_sysreg_get("cptr_el2") & BIT(31));
	assert_int_equal(fake_sysreg_get("cnthctl_el2") & 0x1a000, 0x1a000);
	assert_int_equal(flushes, 0);
	assert_int_equal(leave(0x07ULL << 26), VCPU_NOT_MINE);
	assert_int_equal(vcpu.regs.pstate, EL2H);
}

static void eret_to_el1_changes_the_hardware(void **state)
{
	(void)enter();
	nested.page[HCR_EL2] = 1ULL << 34 | 1ULL << 19 | 1ULL << 46 |
			       1ULL << 40; /* TSC and others */
	nested.page[CNTVOFF_EL2] = 7;
	nested.page[VMPIDR_EL2] = 0x80000099;
	nested.page[VBAR_EL1] = 0x12000;
	nested.page[CNTV_CVAL_EL0] = 1234;
	nested.page[CNTV_CTL_EL0] = 1;
	file[SPSR_EL1] = EL1H;
	file[ELR_EL1] = 0x4000;
	file[VBAR_EL1] = 0x34000;
	assert_int_equal(leave(ESR_ERET), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, 0x4000);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	assert_int_equal(more_hcr, 1ULL << 19);
	assert_int_equal(file[VBAR_EL1], 0x12000);
	assert_int_equal(fake_sysreg_get("cntvoff_el2"), 7);
	assert_int_equal(fake_sysreg_get("vmpidr_el2"), 0x80000099);
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 1234);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 1);
	assert_int_equal(fake_sysreg_get("cnthctl_el2") & 0x1a000, 0);
	assert_int_equal(flushes, 1);

	/* and back by HVC */
	vcpu.regs.pc = 0x5000;
	assert_int_equal(leave(ESR_HVC | 5), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, 0x34400);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_int_equal(file[ESR_EL1], ESR_HVC | 5);
	assert_int_equal(file[ELR_EL1], 0x5000);
	assert_int_equal(nested.page[VBAR_EL1], 0x12000);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 0);
	assert_int_equal(nested.page[CNTV_CVAL_EL0], 1234);
	assert_int_equal(flushes, 2);
}

static void el1_is_not_entered_with_what_is_missing(void **state)
{
	vcpu.regs.pstate = EL1H; /* only one kind of interrupts to EL2 */
	nested.page[HCR_EL2] = HCR_IMO;
	assert_int_equal(enter(), KEEL_EXIT_FAIL);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	vcpu.regs.pstate = EL2H; /* EL2 itself may have it */
	assert_int_equal(enter(), VCPU_RESUME);
	vm_cpu.traps.has_nv2 = false;
	vcpu.regs.pstate = EL2H;
	assert_int_equal(enter(), KEEL_EXIT_FAIL);
	vm_cpu.traps.has_nv2 = true;
	vm_cpu.traps.has_ecv = false; /* the others have it, so guests' timers are made to trap */
	assert_int_equal(enter(), KEEL_EXIT_FAIL);
	vm_cpu.traps.has_ecv = true;
	possible = false;
	assert_int_equal(enter(), KEEL_EXIT_FAIL);
}

#define TO_EL2 (HCR_IMO | HCR_FMO | HCR_AMO)

/* In EL1 with @hcr; at EL2's vectors otherwise. */
static bool enters_el1(u64 hcr)
{
	vcpu.regs.pstate = EL1H;
	vcpu.regs.pc = 0x8000;
	nested.page[HCR_EL2] = hcr;
	nested_write_live(&vcpu, NESTED_VBAR_EL2, 0x40000);
	assert_int_equal(enter(), VCPU_RESUME);
	return nested.context == NESTED_EL1;
}

static void interrupts_of_the_vm_are_el2s_if_it_says_so(void **state)
{
	assert_true(enters_el1(TO_EL2));
	assert_int_equal(entered, 1);
	maintenance = true;
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	maintenance = false;
	assert_int_equal(left, 1);
	raised = VGIC_IRQ;
	assert_false(enters_el1(TO_EL2));
	assert_int_equal(vcpu.regs.pc, 0x40480);
	assert_int_equal(vcpu.regs.pstate & 0x3df, EL1H);
	assert_int_equal(refills, 1);
	assert_int_equal(leave(ESR_HVC), VCPU_RESUME);
	raised = VGIC_FIQ;
	assert_false(enters_el1(TO_EL2));
	assert_int_equal(vcpu.regs.pc, 0x40500);
	assert_int_equal(leave(ESR_HVC), VCPU_RESUME);
	assert_int_equal(trapped, 0);
	assert_true(enters_el1(0)); /* EL1's */
	assert_int_equal(entered, 1);
	assert_int_equal(refills, 3);
	assert_int_equal(trapped, 1); /* what its ICH_HCR_EL2 says of the VM's interface */
	assert_int_equal(left, 1);
}

static void an_serror_of_the_vm_is_el2s_if_it_says_so(void **state)
{
	vcpu.serror_pending = true;
	assert_true(enters_el1(0));
	assert_true(vcpu.serror_pending);
	(void)leave(ESR_HVC);
	assert_false(enters_el1(TO_EL2));
	assert_int_equal(vcpu.regs.pc, 0x40580);
	assert_false(vcpu.serror_pending);
	assert_int_equal(file[ESR_EL1], 0xbf000000); /* EC, IL, IDS */
}

static void virtual_interrupts_are_there_while_the_physical_ones_are_el2s(void **state)
{
	vm_cpu.traps.has_ras = true;
	assert_true(enters_el1(HCR_VI | HCR_VF | HCR_VSE));
	assert_int_equal(more_hcr, 0);
	(void)leave(ESR_HVC);
	assert_true(enters_el1(TO_EL2 | HCR_VI | HCR_VF | HCR_VSE));
	assert_int_equal(more_hcr, HCR_VI | HCR_VF | HCR_VSE);
	assert_int_equal(fake_sysreg_get("s3_4_c5_c2_3"), ESR_SERROR_IDS);
	(void)leave(ESR_HVC);
	assert_true(nested.page[HCR_EL2] & HCR_VSE);
	assert_true(enters_el1(TO_EL2 | HCR_VSE));
	fake_sysreg_set("hcr_el2", OWN_HCR); /* the CPU clears it */
	(void)leave(ESR_HVC);
	assert_false(nested.page[HCR_EL2] & HCR_VSE);
}

static void it_is_not_entered_if_the_host_is_needed(void **state)
{
	vgic_cpu.leave = true;
	vcpu.regs.pstate = EL1H;
	nested.page[HCR_EL2] = TO_EL2;
	assert_int_equal(enter(), KEEL_EXIT_IRQ);
	assert_false(nested.lent);
	assert_int_equal(entered + refills, 0);
	vgic_cpu.leave = false;
	vcpu.run_failed = true;
	assert_int_equal(enter(), KEEL_EXIT_IRQ);
	assert_int_equal(entered + refills, 0);
}

/* The last fold before the entry finds an end that the host is to be told of, or a vCPU to wake. */
static void it_is_not_entered_if_the_refill_needs_the_host(void **state)
{
	refill_needs_host = true;
	vcpu.regs.pstate = EL2H;
	assert_int_equal(enter(), KEEL_EXIT_IRQ);
	vgic_cpu.leave = false;
	vcpu.regs.pstate = EL1H;
	assert_int_equal(enter(), KEEL_EXIT_IRQ);
	assert_int_equal(trapped, 0);
	assert_int_equal(refills, 2);
}

static void a_nested_guests_own_interrupt_ends_its_wfi(void **state)
{
	assert_true(enters_el1(TO_EL2));
	(void)leave(0x01ULL << 26);
	page.wfi.deadline = ~0ULL;
	assert_int_equal(stage->handled(&vcpu, vcpu_to_host(KEEL_EXIT_WFI)), KEEL_EXIT_WFI);
	nested_wakes = true;
	assert_int_equal(stage->handled(&vcpu, vcpu_to_host(KEEL_EXIT_WFI)), VCPU_RESUME);
}

/* Each has a VMID of its own, so that a change invalidates nothing. */
static void a_nested_guest_runs_in_its_shadow(void **state)
{
	const u64 fault = 0x24ULL << 26 | ESR_IL | 7;

	(void)enter();
	assert_int_equal(leave(fault), VCPU_NOT_MINE);
	nested.page[HCR_EL2] = 1ULL << 34 | HCR_VM;
	vcpu.regs.pstate = EL1H;
	assert_int_equal(enter(), VCPU_RESUME);
	assert_ptr_equal(vcpu.s2, &shadow.ctx);
	nested.page[HCR_EL2] = 1ULL << 34 | HCR_DC; /* as if it had VM */
	(void)leave(0);
	assert_int_equal(enter(), VCPU_RESUME);
	assert_ptr_equal(vcpu.s2, &shadow.ctx);
	assert_int_equal(more_hcr, HCR_DC);
	nested.page[HCR_EL2] = 1ULL << 34 | HCR_VM;
	assert_int_equal(more_hcr & HCR_VM, 0); /* which any guest has */
	assert_int_equal(leave(fault), VCPU_RESUME);
	assert_int_equal(shadow_faults, 1);
	assert_int_equal(enter(), VCPU_RESUME);
	/* at once: nothing that was loaded for the entry is taken back */
	shadow_fills = true;
	entered = left = 0;
	fake_sysreg_set("vpidr_el2", 0x1234);
	assert_int_equal(leave(fault), VCPU_AT_ONCE);
	assert_int_equal(left, 0);
	assert_int_equal(fake_sysreg_get("vpidr_el2"), 0x1234);
	shadow_fills = false;
	assert_ptr_equal(vcpu.s2, &shadow.ctx);
	assert_int_equal(leave(fault | 16), VCPU_NOT_MINE); /* an external abort */
	(void)enter();
	(void)leave(ESR_HVC);
	(void)enter();
	assert_ptr_equal(vcpu.s2, &vm.s2);
	assert_int_equal(flushes, 0);
	assert_false(shadows.plain_el1);
	/* but stage 2 of the VM is EL2's and EL1's, if the guest hypervisor has none */
	nested.page[HCR_EL2] = 1ULL << 34;
	vcpu.regs.pstate = EL1H;
	(void)enter();
	assert_ptr_equal(vcpu.s2, &vm.s2);
	assert_int_equal(flushes, 1);
	assert_true(shadows.plain_el1);
	assert_int_equal(leave(fault), VCPU_NOT_MINE);
	nested.page[HCR_EL2] = 1ULL << 34 | HCR_VM;
	(void)enter();
	assert_ptr_equal(vcpu.s2, &shadow.ctx);
	(void)leave(ESR_HVC);
	hooks->reset(&vcpu);
	assert_ptr_equal(vcpu.s2, &vm.s2);
	(void)enter(); /* what was left under the VM's VMID is of EL1 */
	assert_int_equal(flushes, 2);
}

static void a_table_that_the_host_has_not_is_an_abort_at_el2(void **state)
{
	vcpu.regs.pstate = EL1H;
	nested.walk_esr = 0x24ULL << 26;
	assert_true(inject(&vcpu, 0x1234, 5));
	(void)leave(0x07ULL << 26);
	assert_int_equal(nested.walk_esr, 0);
	vcpu.regs.pstate = EL1H;
	assert_false(inject(&vcpu, 0x1234, 5));
}

/* Whatever is in the page, and wherever an ERET goes. */
static void the_hardware_gets_no_more_than_is_allowed(void **state)
{
	const u64 allowed = (0x57ff6000ULL & ~BIT(15) & ~BIT(27)) | HCR_VI | HCR_VF | HCR_VSE |
			    HCR_DC | HCR_PTW | HCR_CD | HCR_ID;
	u64 seed = 99;
	unsigned int i, entries = 0;

	for (i = 0; i < 200000; i++) {
		u64 mode;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		nested.page[HCR_EL2] = seed >> 7 & ~(seed & 1 ? 0x1019ULL : 0);
		file[SPSR_EL1] = seed >> 20;
		vcpu.regs.pstate = nested.context == NESTED_EL2 ? EL1H : vcpu.regs.pstate;
		if (nested.context == NESTED_EL2)
			(void)leave(ESR_ERET);
		else
			(void)leave(ESR_HVC);
		if (enter() != VCPU_RESUME) {
			vcpu.regs.pstate = EL2H;
			continue;
		}
		entries++;
		mode = vcpu.regs.pstate & 0x1f;
		assert_true(mode == 0 || mode == 4 || mode == 5);
		if (nested.context == NESTED_EL2)
			assert_int_equal(more_hcr, HCR_NV | HCR_NV2 | HCR_AT | HCR_TTLB);
		else
			assert_int_equal(more_hcr & ~allowed, 0);
	}
	assert_true(entries > 10000);
}

/* ---- short ways ---- */

#define PAGE_WRITE  (0x25ULL << 26 | ESR_IL | 0x204f)
#define TRAPS	    (HCR_AT | HCR_TTLB)
#define HARDWARE    fake_sysreg_get("hcr_el2")
#define TLBI_TRAPS  ((HARDWARE & TRAPS) == TRAPS)
#define RUNS_NATIVE (!(HARDWARE & TRAPS) && (HARDWARE & HCR_NV2))

/* The fast exit; whether it has done it. */
static bool fast(u64 esr)
{
	fake_sysreg_set("esr_el2", esr);
	return stage->fast(&vcpu) == &vcpu;
}

static void in_the_hosts_context_tlbis_run_natively_after_the_first(void **state)
{
	nested.page[HCR_EL2] = TGE;
	(void)enter();
	assert_true(TLBI_TRAPS);
	assert_int_equal(alias_opened, 0);
	assert_int_equal(leave(sys64(TLBI_VAALE1IS, false, 1)), VCPU_AT_ONCE);
	assert_int_equal(flushes, 1);
	assert_true(RUNS_NATIVE);
	assert_int_equal(fake_sysreg_get(VNCR_REG), ALIAS);
	/* it stays so until a write */
	(void)leave(0x07ULL << 26);
	(void)enter();
	assert_true(RUNS_NATIVE);
	assert_true(fast(PAGE_WRITE));
	assert_true(TLBI_TRAPS);
	assert_int_equal(fake_sysreg_get(VNCR_REG), (u64)nested.page);
	assert_false(fast(PAGE_WRITE)); /* it would be another fault */
	assert_int_equal(leave(PAGE_WRITE), VCPU_NOT_MINE);
	/* TLBIs by EL2's names trap in any case */
	assert_int_equal(leave(sys64(TLBI_ALLE2, false, 1)), VCPU_AT_ONCE);
	assert_true(TLBI_TRAPS);
	assert_int_equal(leave(sys64(SYSREG_ENC(1, 0, 7, 8, 0), false, 1)), VCPU_AT_ONCE);
	assert_true(RUNS_NATIVE);
	assert_int_equal(alias_opened, 1);
	(void)leave(0x07ULL << 26);
	stage->leave(&vcpu);
	assert_int_equal(alias_closed, 1);
	stage->leave(&vcpu);
	/* the next run has it from the beginning, unless TGE was changed meanwhile */
	(void)enter();
	assert_true(RUNS_NATIVE);
	assert_int_equal(alias_opened, 2);
	(void)leave(0x07ULL << 26);
	stage->leave(&vcpu);
	nested.page[HCR_EL2] = 0;
	(void)enter();
	assert_true(TLBI_TRAPS);
	assert_int_equal(alias_opened, 2);
}

static void a_write_of_the_page_is_noticed_by_the_long_way_too(void **state)
{
	nested.page[HCR_EL2] = TGE;
	(void)enter();
	(void)leave(sys64(TLBI_VAALE1IS, false, 1));
	errata_actions = ERRATUM_FENCE_HCR;
	assert_false(fast(PAGE_WRITE));
	assert_true(RUNS_NATIVE);
	assert_int_equal(leave(PAGE_WRITE), VCPU_RESUME);
	(void)enter();
	assert_true(TLBI_TRAPS);
	assert_int_equal(fake_sysreg_get(VNCR_REG), (u64)nested.page);
}

/* A read, a translation fault, an external abort, one that is not by VNCR_EL2, another class. */
static void other_aborts_of_the_page_are_nobodys(void **state)
{
	static const u64 esrs[] = { PAGE_WRITE & ~ESR_WNR, PAGE_WRITE ^ 8, PAGE_WRITE ^ 0x1c,
				    PAGE_WRITE & ~ESR_VNCR, PAGE_WRITE ^ 1ULL << 26 };

	nested.page[HCR_EL2] = TGE;
	(void)enter();
	(void)leave(sys64(TLBI_VAALE1IS, false, 1));
	for (size_t i = 0; i < ARRAY_SIZE(esrs); i++) {
		assert_false(fast(esrs[i]));
		assert_true(RUNS_NATIVE);
	}
	assert_int_equal(leave(esrs[0]), VCPU_NOT_MINE);
	panic_begun = 1;
	assert_false(fast(PAGE_WRITE));
	assert_false(fast(ESR_ERET));
}

/* PSTATE and pc after ERET by the long way. */
static void eret_slowly(u64 spsr, u64 *pstate, u64 *pc)
{
	vcpu.regs.pstate = EL1H;
	file[SPSR_EL1] = spsr;
	file[ELR_EL1] = 0x1234;
	(void)leave(ESR_ERET);
	*pstate = nested_pstate_to_hw(vcpu.regs.pstate);
	*pc = vcpu.regs.pc;
	vcpu.regs.pstate = EL2H;
}

/* All modes, with each bit of PSTATE, and features of CPUs. */
static void a_short_return_is_that_of_the_long_way_or_none(void **state)
{
	unsigned int done = 0;

	for (unsigned int have = 0; have < 2; have++) {
		if (have) {
			features.reg[ID_REG_MMFR1] = 1ULL << 20; /* PAN */
			features.reg[ID_REG_PFR1] = 2ULL << 4;	 /* SSBS */
			hooks->reset(&vcpu);
		}
		for (unsigned int i = 0; i < 2 * 32 * 65; i++) {
			u64 spsr = (i >> 1 & 31) | (i / 64 < 64 ? 1ULL << i / 64 : 0), pstate, pc;
			u64 mode = spsr & 0x1f;

			nested.page[HCR_EL2] = i & 1 ? TGE : 0;
			(void)enter();
			fake_sysreg_set("spsr_el1", spsr);
			fake_sysreg_set("elr_el1", 0x1234);
			fake_sysreg_set("spsr_el2", 0x99);
			fake_sysreg_set("elr_el2", 0x88);
			if (!fast(ESR_ERET)) {
				assert_int_equal(fake_sysreg_get("spsr_el2"), 0x99);
				assert_int_equal(fake_sysreg_get("elr_el2"), 0x88);
				/* the usual ones are short */
				assert_false((spsr & ~0xf00003dfULL) == 0 &&
					     (mode == 9 || (mode == 0 && (i & 1))));
				vcpu.regs.pstate = EL2H;
				continue;
			}
			done++;
			eret_slowly(spsr, &pstate, &pc);
			assert_int_equal(fake_sysreg_get("spsr_el2"), pstate);
			assert_int_equal(fake_sysreg_get("elr_el2"), pc);
			assert_int_equal(nested_context_of(mode, nested.page[HCR_EL2]), NESTED_EL2);
		}
	}
	assert_true(done > 20);
}

static void a_return_takes_the_long_way_if_the_page_asks_for_an_interrupt(void **state)
{
	nested.page[HCR_EL2] = TGE;
	(void)enter();
	fake_sysreg_set("spsr_el1", EL2H);
	fake_sysreg_set("elr_el1", 0x1234);
	assert_true(fast(ESR_ERET));
	assert_false(fast(ESR_ERET | ESR_ERET_ERETA));
	nested.page[ICH_HCR_EL2] = 1;
	assert_false(fast(ESR_ERET));
	nested.page[ICH_HCR_EL2] = 0;
	nested.maintenance = true;
	assert_false(fast(ESR_ERET));
	nested.maintenance = false;
	assert_true(fast(ESR_ERET));
}

/*
 * At random: exits, entries, writes of HCR_EL2 as the CPU would do them, and ends of runs. TLBIs of
 * EL1's names are the CPU's only while TGE is 1, and a write is the guest's only where the page is
 * writable.
 */
static void tlbis_never_run_natively_outside_of_the_hosts_context(void **state)
{
	u64 seed = 5;
	unsigned int native = 0;

	(void)enter();
	for (unsigned int i = 0; i < 100000; i++) {
		u64 value;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		value = seed >> 40 & 1 ? TGE : 0;
		switch (seed >> 60) {
		case 0 ... 3: /* the guest writes HCR_EL2 */
			if (fake_sysreg_get(VNCR_REG) == ALIAS)
				assert_true(fast(PAGE_WRITE));
			assert_int_equal(fake_sysreg_get(VNCR_REG), (u64)nested.page);
			nested.page[HCR_EL2] = value;
			break;
		case 4 ... 8: /* a TLBI */
			if (TLBI_TRAPS && leave(sys64(TLBI_VAALE1IS, false, 1)) == VCPU_RESUME)
				(void)enter();
			break;
		case 9: /* the host has the vCPU, and userspace may write registers */
			(void)leave(0x07ULL << 26);
			stage->leave(&vcpu);
			assert_int_equal(alias_opened, alias_closed);
			if (seed >> 41 & 1)
				nested.page[HCR_EL2] = value;
			(void)enter();
			break;
		case 10: /* to EL1, or not */
			file[SPSR_EL1] = EL1H;
			(void)leave(ESR_ERET);
			(void)enter();
			if (nested.context == NESTED_EL1) {
				(void)leave(ESR_HVC);
				(void)enter();
			}
			break;
		default:
			(void)leave(0x07ULL << 26);
			(void)enter();
			break;
		}
		assert_int_equal(nested.context, NESTED_EL2);
		assert_int_equal(RUNS_NATIVE, fake_sysreg_get(VNCR_REG) == ALIAS);
		assert_int_equal(TLBI_TRAPS, fake_sysreg_get(VNCR_REG) == (u64)nested.page);
		if (RUNS_NATIVE)
			assert_int_equal(nested.page[HCR_EL2], TGE);
		native += RUNS_NATIVE;
	}
	assert_true(native > 10000 && native < 90000);
}

static void fp_traps_at_el1_as_the_hypervisor_says(void **state)
{
	vm_cpu.guest_fp_in = true;
	(void)enter();
	assert_false(fake_sysreg_get("cptr_el2") & BIT(10));
	vcpu.regs.pstate = EL1H;
	nested.own[NESTED_CPTR_EL2] = 0;
	file[CPACR_EL1] = 0;
	(void)enter();
	assert_true(fake_sysreg_get("cptr_el2") & BIT(10));
	nested.own[NESTED_CPTR_EL2] = 3ULL << 20;
	(void)enter();
	assert_false(fake_sysreg_get("cptr_el2") & BIT(10));
}

/* By both formats of CPTR_EL2: TZ is RES1 and traps, ZEN is 0 and traps. */
static void sve_traps_at_el1_as_the_hypervisor_says(void **state)
{
	const u64 fp = 3ULL << 20, sve = 3ULL << 16;

	vcpu.features = BIT(VCPU_SVE);
	vm_cpu.guest_fp_in = true;
	for (unsigned int e2h = 0; e2h < 2; e2h++) {
		u64 zen = e2h ? sve : BIT(8), closed = e2h ? 0 : 0x37ff, open = e2h ? zen : 0;

		vm_cpu.traps.e2h = e2h;
		vm_cpu.traps.cptr = closed;
		vm_cpu.traps.cptr_fp = e2h ? fp : BIT(10);
		vm_cpu.traps.cptr_sve = zen;
		vcpu.regs.pstate = EL2H;
		nested_write_live(&vcpu, NESTED_CPTR_EL2, 0); /* EL2's own: in CPACR_EL1 */
		(void)enter();
		assert_int_equal(fake_sysreg_get("cptr_el2") & zen, open);
		assert_int_equal(sve_limit, 15);
		(void)leave(ESR_HVC);
		nested_write_live(&vcpu, NESTED_CPTR_EL2, fp);
		nested_write(&vcpu, nested_find(REG_NUM(ZCR_EL2)), 2);
		assert_true(enters_el1(0));
		assert_int_equal(fake_sysreg_get("cptr_el2") & zen, closed & zen);
		assert_int_equal(sve_limit, 2);
		assert_int_equal(leave(0x19ULL << 26 | ESR_IL), VCPU_RESUME); /* it is EL2's */
		(void)enter();
		assert_int_equal(file[ESR_EL1], 0x19ULL << 26 | ESR_IL);
		(void)leave(ESR_HVC);
		nested_write_live(&vcpu, NESTED_CPTR_EL2, sve); /* FP, of which SVE is a part */
		assert_true(enters_el1(0));
		assert_int_equal(leave(0x19ULL << 26 | ESR_IL), VCPU_RESUME);
		(void)enter();
		assert_int_equal(file[ESR_EL1], 0x1fe00000); /* EC, IL, CV, COND */
		(void)leave(ESR_HVC);
		nested_write_live(&vcpu, NESTED_CPTR_EL2, fp | sve);
		assert_true(enters_el1(0));
		assert_int_equal(fake_sysreg_get("cptr_el2") & zen, open);
		assert_int_equal(leave(0x19ULL << 26 | ESR_IL), VCPU_NOT_MINE);
		vcpu.regs.pstate = EL2H;
	}
}

/* ZCR_EL2 by its name: with SVE, unless it traps to EL2 itself; EL1's is another. */
static void zcr_el2_is_there_with_sve(void **state)
{
	(void)enter();
	assert_int_equal(leave(sys64(REG_NUM(ZCR_EL2), true, 1)), VCPU_NOT_MINE);
	assert_int_equal(trap_el2()->set(&vcpu, REG_NUM(ZCR_EL2), 1), -ENOENT);
	vcpu.features = BIT(VCPU_SVE);
	nested_write_live(&vcpu, NESTED_VBAR_EL2, 0x40000);
	assert_int_equal(leave(sys64(REG_NUM(ZCR_EL2), true, 1)), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, 0x40200);
	assert_int_equal(file[ESR_EL1], 0x19ULL << 26 | ESR_IL);
	nested_write_live(&vcpu, NESTED_CPTR_EL2, 3ULL << 16);
	vcpu.regs.x[1] = ~0ULL;
	assert_int_equal(leave(sys64(REG_NUM(ZCR_EL2), false, 1)), VCPU_RESUME);
	assert_int_equal(file[ZCR_EL1], 15);
	assert_int_equal(nested.page[ZCR_EL1], 0);
	assert_int_equal(trap_el2()->set(&vcpu, REG_NUM(ZCR_EL2), 3), 0);
	assert_int_equal(leave(sys64(REG_NUM(ZCR_EL2), true, 2)), VCPU_RESUME);
	assert_int_equal(vcpu.regs.x[2], 3);
}

static void debug_exceptions_of_el1_are_el2s_if_it_says_so(void **state)
{
	const u64 host = BIT(9) | 6; /* TDA, HPMN */

	fake_sysreg_set("mdcr_el2", host);
	nested.own[NESTED_MDCR_EL2] = ~0ULL;
	(void)enter();
	assert_int_equal(fake_sysreg_get("mdcr_el2"), host);
	assert_true(enters_el1(0));
	assert_int_equal(fake_sysreg_get("mdcr_el2"), host | MDCR_TDE);
	fake_sysreg_set("far_el2", 0x7654);
	assert_int_equal(leave(0x34ULL << 26 | ESR_IL | 0x22), VCPU_RESUME);
	(void)enter();
	assert_int_equal(nested.context, NESTED_EL2);
	assert_int_equal(file[ESR_EL1], 0x34ULL << 26 | ESR_IL | 0x22);
	assert_int_equal(file[FAR_EL1], 0x7654);
	assert_int_equal(fake_sysreg_get("mdcr_el2"), host);
	nested.own[NESTED_MDCR_EL2] = 0;
	assert_true(enters_el1(0));
	assert_int_equal(fake_sysreg_get("mdcr_el2"), host);
}

static void registers_and_instructions_of_el2_are_emulated_at_once(void **state)
{
	u64 pc;

	(void)enter();
	pc = vcpu.regs.pc;
	vcpu.regs.x[3] = 0x3000;
	assert_int_equal(leave(sys64(REG_NUM(TTBR0_EL2), false, 3)), VCPU_AT_ONCE);
	assert_int_equal(file[TTBR0_EL1], 0x3000);
	assert_int_equal(leave(sys64(REG_NUM(TTBR0_EL2), true, 5)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[5], 0x3000);
	assert_int_equal(leave(sys64(REG_NUM(ICH_VTR_EL2), true, 5)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[5] & 0x1f, 3);
	assert_int_equal(vcpu.regs.pc, pc + 12);
	assert_int_equal(vcpu.regs.pstate, EL1H); /* the hardware's */
	assert_int_equal(leave(sys64(TLBI_ALLE2, false, 31)), VCPU_AT_ONCE);
	assert_int_equal(flushes, 1);
	/* by the long way if an interrupt of the guest's is to change its level */
	told = false;
	assert_int_equal(leave(sys64(REG_NUM(TTBR0_EL2), true, 6)), VCPU_RESUME);
	assert_int_equal(vcpu.regs.x[6], 0x3000);
	assert_int_equal(vcpu.regs.pstate, EL2H);
	told = true;
	/* EL1's translations */
	(void)enter();
	assert_int_equal(leave(sys64(TLBI_VMALLS12E1IS, false, 31)), VCPU_RESUME);
	assert_int_equal(flushes, 1);
	assert_int_equal(shadow_flushes, 1);
	/* and if they take several runs */
	tlbi_left = true;
	pc = vcpu.regs.pc;
	(void)enter();
	assert_int_equal(leave(sys64(TLBI_VMALLS12E1IS, false, 31)), KEEL_EXIT_IRQ);
	assert_int_equal(vcpu.regs.pc, pc);
	tlbi_left = false;
	/* AT of EL2, and of EL1 */
	vcpu.regs.x[1] = 0x7000;
	nested.page[HCR_EL2] = TGE;
	(void)leave(sys64(SYSREG_ENC(1, 0, 7, 8, 0), false, 1));
	assert_int_equal(at_context, NESTED_EL2);
	nested.page[HCR_EL2] = 0;
	(void)leave(sys64(SYSREG_ENC(1, 0, 7, 8, 0), false, 1));
	assert_int_equal(at_context, NESTED_EL1);
	(void)leave(sys64(SYSREG_ENC(1, 4, 7, 8, 0), false, 1));
	assert_int_equal(at_context, NESTED_EL2);
	assert_int_equal(nested.context, NESTED_EL2);
	/* by both stages of a nested guest */
	vcpu.regs.x[1] = 0x7000;
	nested.page[HCR_EL2] = HCR_VM | HCR_DC | HCR_PTW | HCR_CD | HCR_TSC;
	(void)leave(sys64(SYSREG_ENC(1, 4, 7, 8, 7), false, 1));
	assert_int_equal(at_hcr, HCR_DC | HCR_PTW);
	assert_int_equal(fake_sysreg_get("par_el1"), 0xfa00000080007180);
	vcpu.regs.x[1] = 0x9000;
	(void)leave(sys64(SYSREG_ENC(1, 4, 7, 8, 7), false, 1));
	assert_int_equal(fake_sysreg_get("par_el1"), 0x800 | 0x200 | 0xf << 1 | 1);
	assert_ptr_equal(vcpu.s2, &vm.s2);
	/* what EL2 does not have is as at EL1 */
	nested.page[HCR_EL2] = TGE;
	vcpu.regs.pstate = EL2H;
	(void)enter();
	assert_int_equal(leave(sys64(SYSREG_ENC(3, 4, 1, 2, 0), true, 1)), VCPU_NOT_MINE);
	assert_int_equal(leave(sys64(REG_NUM(SP_EL2), true, 1)), VCPU_NOT_MINE);
	assert_int_equal(leave(sys64(REG_NUM(MIDR_EL1), true, 1)), VCPU_NOT_MINE);
	assert_int_equal(leave(sys64(REG_NUM(ID_AA64PFR0_EL1), false, 1)), VCPU_NOT_MINE);
	assert_int_equal(leave(sys64(REG_NUM(ID_AA64PFR1_EL1), true, 1)), VCPU_NOT_MINE);
	(void)leave(ESR_ERET | 2);
	assert_int_equal(undefs, 1);
}

/* Or EL2 would be entered in place of the guest, with the guest's registers. */
static void a_fault_of_el2s_own_does_not_change_where_the_guest_goes_on(void **state)
{
	u64 esr = sys64(AT_S1E2R, false, 1), pc;

	(void)enter();
	pc = vcpu.regs.pc;
	memory_faults = true;
	stage1_has_tables = false;
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, pc + 4);
	assert_int_equal(vcpu.regs.pstate, EL2H);
	assert_int_equal(fake_sysreg_get("par_el1") & 1, 1);
	assert_int_equal(fake_sysreg_get("esr_el2"), esr);
	/* a nested guest's fault, which is met again, or is its hypervisor's */
	nested.page[HCR_EL2] = HCR_VM;
	vcpu.regs.pstate = 0x1c5;
	(void)enter();
	pc = vcpu.regs.pc;
	esr = 0x24ULL << 26 | ESR_IL | 7;
	for (int n = 0; n < 2; n++) {
		shadow_fills = !n;
		assert_int_equal(leave(esr), shadow_fills ? VCPU_AT_ONCE : VCPU_RESUME);
		assert_int_equal(vcpu.regs.pc, pc);
		assert_int_equal(vcpu.regs.pstate, 0x1c5);
		assert_int_equal(fake_sysreg_get("esr_el2"), esr);
	}
	memory_faults = false;
}

#define AT_ABORT	   (0x25ULL << 26 | ESR_IL | ESR_CM | ESR_WNR | 0x14)
#define PAR_OF_STAGE2(fsc) (0xa01 | (fsc) << 1)

static void expect_abort(u64 pc, u64 level, u64 far)
{
	assert_int_equal(file[ESR_EL1], AT_ABORT | level);
	assert_int_equal(file[FAR_EL1], far);
	assert_int_equal(file[ELR_EL1], pc);
	assert_int_equal(vcpu.regs.pc, file[VBAR_EL1] + 0x200);
	vcpu.regs.pc = pc;
}

static void at_asks_for_tables_and_meets_aborts(void **state)
{
	u64 esr = sys64(AT_S1E2R, false, 1), pc = vcpu.regs.pc;

	stage1_has_tables = true;
	stage1_ends = S2_WALK_FAULT;
	vcpu.regs.x[1] = 0x7000;
	file[VBAR_EL1] = 0x40000;
	/* memory that does not answer */
	(void)enter();
	memory_faults = true;
	assert_int_equal(leave(esr), VCPU_RESUME);
	expect_abort(pc, 1, 0x7000);
	memory_faults = false;
	/* memory that the host may have: to read, and to write */
	at_par = PAR_OF_STAGE2(6);
	stage1_ends = S2_WALK_ASK_HOST;
	for (int i = 0; i < 2; i++) {
		at_par_times = 2;
		(void)enter();
		assert_int_equal(leave(esr), KEEL_EXIT_FAULT);
		assert_int_equal(vcpu.regs.pc, pc);
		assert_int_equal(stage1_update, i);
		assert_int_equal(asked_esr, 0x24ULL << 26 | ESR_IL | ESR_S1PTW | (i ? 0xc : 4));
		assert_int_equal(nested.walk_esr, AT_ABORT | 1);
		at_par = PAR_OF_STAGE2(0xf);
	}
	/* it is there by now; what has no tables, or a fault of its own, is PAR_EL1's */
	stage1_ends = S2_WALK_LEAF;
	at_par = PAR_OF_STAGE2(6);
	at_par_times = 2; /* one in the early exit */
	ats = 0;
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(ats, 3);
	assert_int_equal(fake_sysreg_get("par_el1") & 1, 0);
	assert_int_equal(vcpu.regs.pc, pc + 4);
	at_par_times = 3; /* and has gone again before the instruction */
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(fake_sysreg_get("par_el1") & 1, 0);
	vcpu.regs.pc = pc + 4;
	at_par_times = 4;
	stage1_ends = S2_WALK_FAULT;
	vcpu.regs.x[1] = 0xc000;
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, pc + 8);
	assert_int_equal(fake_sysreg_get("par_el1"), 0x801 | 0x14 << 1);
	assert_int_equal(at_par_times, 0);
	/* stage 2 of a nested guest */
	nested.page[HCR_EL2] = HCR_VM;
	esr = sys64(SYSREG_ENC(1, 4, 7, 8, 7), false, 1);
	vcpu.regs.x[1] = 0xa000;
	pc = vcpu.regs.pc;
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(nested.context, NESTED_EL2);
	expect_abort(pc, 2, 0xa000);
	vcpu.regs.x[1] = 0xb000;
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, pc);
	/* that has not stage 1's table, or a table of its own for it */
	at_par = PAR_OF_STAGE2(6);
	at_par_times = 2;
	vcpu.regs.x[1] = 0xd000;
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	assert_int_equal(vcpu.regs.pc, pc + 4);
	assert_int_equal(fake_sysreg_get("par_el1"), 0xb01 | 7 << 1);
	at_par_times = 1;
	vcpu.regs.x[1] = 0xe000;
	pc = vcpu.regs.pc;
	(void)enter();
	assert_int_equal(leave(esr), VCPU_RESUME);
	expect_abort(pc, 3, 0xe000);
	at_par_times = 0;
}

/* MDSCR_EL1, CPACR_EL1, ID registers: at once, unless an interrupt of the guest's is to change. */
static void what_a_world_switch_accesses_is_done_at_once(void **state)
{
	u64 pc;

	(void)enter();
	pc = vcpu.regs.pc;
	vcpu.regs.pstate |= PSR_SS | PSR_BTYPE;
	vcpu.regs.x[1] = 0x8000;
	assert_int_equal(leave(sys64(REG_NUM(MDSCR_EL1), false, 1)), VCPU_AT_ONCE);
	assert_int_equal(file[MDSCR_EL1], 0x8000);
	assert_int_equal(vcpu.regs.pc, pc + 4);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	assert_int_equal(leave(sys64(REG_NUM(MDSCR_EL1), true, 2)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[2], 0x8000);
	assert_int_equal(leave(sys64(REG_NUM(MDSCR_EL1), false, 31)), VCPU_AT_ONCE);
	assert_int_equal(file[MDSCR_EL1], 0);
	assert_int_equal(leave(sys64(REG_NUM(MDSCR_EL1), true, 31)), VCPU_AT_ONCE);
	/* CPTR_EL2 by another name: what CPACR_EL1 has of it, and the rest */
	vcpu.regs.x[1] = ~0ULL;
	assert_int_equal(leave(sys64(REG_NUM(CPACR_EL1), false, 1)), VCPU_AT_ONCE);
	assert_int_equal(fake_sysreg_get("cpacr_el1"), CPACR_FPEN | CPACR_ZEN);
	assert_int_equal(nested.own[NESTED_CPTR_EL2],
			 CPACR_FPEN | CPACR_ZEN | CPTR_TAM | CPTR_TCPAC);
	fake_sysreg_set("cpacr_el1", CPACR_ZEN);
	assert_int_equal(leave(sys64(REG_NUM(CPACR_EL1), true, 2)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[2], CPACR_ZEN | CPTR_TAM | CPTR_TCPAC);
	assert_int_equal(leave(sys64(REG_NUM(ID_AA64PFR0_EL1), true, 2)), VCPU_AT_ONCE);
	assert_int_equal(vcpu.regs.x[2], 0x1d0);
	assert_int_equal(vcpu.regs.pc, pc + 28);
	told = false;
	assert_int_equal(leave(sys64(REG_NUM(MDSCR_EL1), false, 1)), VCPU_NOT_MINE);
	(void)enter();
	assert_int_equal(leave(sys64(REG_NUM(ID_AA64PFR0_EL1), true, 1)), VCPU_NOT_MINE);
	told = true;
	(void)enter();
	panic_begun = 1; /* this CPU stops, in vcpu_exit() */
	fake_sysreg_set("esr_el2", sys64(TLBI_ALLE2, false, 31));
	assert_false(leave_early(sys64(TLBI_ALLE2, false, 31)));
	assert_int_equal(flushes, 0);
}

#define FPAC 0x72000000 /* EC, IL */

/* Undefined; then a code that is wrong; then a return that is illegal (D1.3.6). */
static void the_exceptions_of_authenticated_returns_have_an_order(void **state)
{
	(void)enter();
	nested_write_live(&vcpu, NESTED_VBAR_EL2, 0x40000);
	file[ELR_EL1] = 0x7f00000000005000;
	file[SPSR_EL1] = 0x3cd; /* EL3h */
	(void)leave(ESR_ERET | 2);
	assert_int_equal(undefs, 1);
	has_pauth = true;
	vcpu.regs.pc = 0x6000;
	(void)leave(ESR_ERET | 3); /* ERETAB */
	assert_int_equal(vcpu.regs.pc, 0x40200);
	assert_int_equal(file[ESR_EL1], FPAC | 1);
	assert_int_equal(file[ELR_EL1], 0x6000);
	(void)leave(ESR_ERET | 2);
	assert_int_equal(file[ESR_EL1], FPAC);
	authentic = true;
	file[ELR_EL1] = 0x7f00000000005000;
	file[SPSR_EL1] = 0x3cd;
	(void)leave(ESR_ERET | 2);
	assert_int_equal(vcpu.regs.pc, 0x5000);
	assert_true(vcpu.regs.pstate & PSR_IL);
	file[SPSR_EL1] = EL1H;
	(void)leave(ESR_ERET | 2);
	assert_int_equal(vcpu.regs.pstate, EL1H);
	assert_int_equal(undefs, 1);
}

static void pointer_authentication_is_taken_from_el1_unless_it_is_allowed(void **state)
{
	(void)enter();
	assert_int_equal(less_hcr, 0);
	assert_true(enters_el1(HCR_API));
	assert_int_equal(less_hcr, HCR_APK);
	(void)leave(ESR_HVC);
	(void)enter();
	assert_int_equal(less_hcr, 0);
}

/* EL1 alone: EL2, and the host, have the CPU's own. */
static void midr_of_el1_is_what_el2_says(void **state)
{
	nested.page[VPIDR_EL2] = 0x99990123456789;
	assert_true(enters_el1(0));
	assert_int_equal(fake_sysreg_get("vpidr_el2"), 0x23456789);
	(void)leave(ESR_HVC);
	assert_int_equal(fake_sysreg_get("vpidr_el2"), 0x410fd490);
}

static void timers_of_el2_set_levels_and_the_alarm(void **state)
{
	(void)enter();
	vcpu.regs.x[1] = 2000;
	(void)leave(sys64(REG_NUM(CNTP_CVAL_EL0), false, 1)); /* by EL1's name */
	vcpu.regs.x[1] = 1;
	(void)leave(sys64(REG_NUM(CNTHP_CTL_EL2), false, 1));
	assert_int_equal(alarm_at, 2000);
	assert_false(levels[26]);
	fake_sysreg_set("cntpct_el0", 2000);
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	assert_true(levels[26]);
	assert_int_equal(vcpu.alarm, 0);
	(void)leave(sys64(REG_NUM(CNTP_CTL_EL0), true, 2));
	assert_int_equal(vcpu.regs.x[2], 5);
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_NOT_MINE);
	vcpu.regs.x[1] = 0;
	(void)leave(sys64(REG_NUM(CNTHP_CTL_EL2), false, 1));
	assert_false(levels[26]);
	/* the virtual one, by TVAL; a vCPU that waits is woken by it */
	vcpu.regs.x[1] = 100;
	(void)leave(sys64(REG_NUM(CNTHV_TVAL_EL2), false, 1));
	vcpu.regs.x[1] = 1;
	(void)leave(sys64(REG_NUM(CNTV_CTL_EL0), false, 1));
	page.wfi.deadline = ~0ULL;
	assert_int_equal(stage->handled(&vcpu, vcpu_to_host(KEEL_EXIT_WFI)), KEEL_EXIT_WFI);
	assert_int_equal(page.wfi.deadline, 2100);
	fake_sysreg_set("cntpct_el0", 2100);
	(void)leave(ESR_HVC);
	assert_true(levels[28]);
	/* PSCI turns the vCPU on: both off */
	device->cpu_on(&vcpu);
	assert_false(levels[26] || levels[28]);
	assert_int_equal(vcpu.regs.pstate, EL2H);
}

/* A VM is restored: the timer, which is armed already, is looked at after the first entry. */
static void timers_that_userspace_sets_fire(void **state)
{
	(void)trap_el2()->set(&vcpu, REG_NUM(CNTHP_CVAL_EL2), 1500);
	(void)trap_el2()->set(&vcpu, REG_NUM(CNTHP_CTL_EL2), 1);
	assert_in_range(vcpu.alarm, 1, 1000);
	(void)enter();
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	assert_int_equal(alarm_at, 1500);
	/* a reason for the maintenance interrupt, likewise */
	assert_int_equal(trap_el2()->set_gic(&vcpu, REG_NUM(ICH_MISR_EL2), 1), -ENOENT);
	assert_int_equal(vcpu.alarm, 1500);
	assert_int_equal(trap_el2()->set_gic(&vcpu, REG_NUM(ICH_HCR_EL2), 1), 0);
	assert_in_range(vcpu.alarm, 1, 1000);
	nested.page[CNTVOFF_EL2] = 100;
	trap_write_el1(&vcpu, CNTV_CVAL_EL0, 1100);
	trap_write_el1(&vcpu, CNTV_CTL_EL0, 1);
	assert_in_range(vcpu.alarm, 1, 1000);
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	assert_int_equal(alarm_at, 1200);
}

/* The page has it while EL2 runs; CNTVOFF_EL2 counts, not the VM's; its level is PPI 27. */
static void el1s_virtual_timer_fires_while_el2_runs(void **state)
{
	nested.page[CNTVOFF_EL2] = 700; /* 300 now */
	(void)enter();
	vcpu.regs.x[1] = 1300;
	(void)leave(sys64(SYSREG_ENC(3, 5, 14, 3, 2), false, 1)); /* CNTV_CVAL_EL02 */
	vcpu.regs.x[1] = 1;
	(void)leave(sys64(SYSREG_ENC(3, 5, 14, 3, 1), false, 1));
	assert_int_equal(alarm_at, 2000);
	assert_false(levels[27]);
	page.wfi.deadline = ~0ULL;
	(void)stage->handled(&vcpu, vcpu_to_host(KEEL_EXIT_WFI));
	assert_int_equal(page.wfi.deadline, 2000);
	fake_sysreg_set("cntpct_el0", 2000);
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	assert_true(levels[27]);
	/* EL1 takes it over, and gives it back */
	file[SPSR_EL1] = EL1H;
	(void)enter();
	assert_int_equal(leave(ESR_ERET), VCPU_RESUME);
	(void)enter();
	assert_int_equal(forwarded, 1U << 27);
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 1300);
	fake_sysreg_set("cntv_cval_el0", 1301);
	assert_int_equal(leave(ESR_HVC), VCPU_RESUME);
	(void)enter();
	assert_int_equal(forwarded, 0);
	assert_false(levels[27]);
	assert_int_equal(alarm_at, 2001); /* from the first instruction of EL2 on */
	(void)leave(ESR_HVC);
	assert_int_equal(alarm_at, 2001);
	/* a sum of count and offset wraps: it is as far away as it is */
	nested.page[CNTVOFF_EL2] = -10000ULL;
	nested.page[CNTV_CVAL_EL0] = 12100;
	(void)leave(ESR_HVC);
	assert_int_equal(alarm_at, 2100);
	nested.page[CNTVOFF_EL2] = 500; /* beyond the physical count's range: never */
	nested.page[CNTV_CVAL_EL0] = ~0ULL;
	(void)leave(ESR_HVC);
	assert_int_equal(alarm_at, 0);
	device->cpu_on(&vcpu);
	assert_false(levels[27]);
}

#define EL02(reg) (REG_NUM(reg) ^ SYSREG_ENC(0, 3 ^ 5, 0, 0, 0))

/* EL1's physical timer is that of any guest, by another name; a TVAL is a distance, signed. */
static void el1s_timers_have_names_at_el2(void **state)
{
	(void)enter();
	vcpu.regs.x[1] = 4321;
	(void)leave(sys64(EL02(CNTP_CVAL_EL0), false, 1));
	vcpu.regs.x[1] = 1;
	(void)leave(sys64(EL02(CNTP_CTL_EL0), false, 1));
	assert_int_equal(vcpu.sysreg[CNTP_CVAL_EL0], 4321);
	assert_int_equal(vcpu.sysreg[CNTP_CTL_EL0], 1);
	(void)leave(sys64(EL02(CNTP_CTL_EL0), true, 2));
	assert_int_equal(vcpu.regs.x[2], 5);
	nested.page[CNTVOFF_EL2] = 700;	     /* 300 now */
	vcpu.regs.x[1] = 0xffffffffffffff9c; /* -100 */
	(void)leave(sys64(EL02(CNTV_TVAL_EL0), false, 1));
	assert_int_equal(nested.page[CNTV_CVAL_EL0], 200);
	fake_sysreg_set("cntpct_el0", 1010);
	(void)leave(sys64(EL02(CNTV_TVAL_EL0), true, 2));
	assert_int_equal(vcpu.regs.x[2], 0xffffff92); /* -110, 32 bits */
}

/* ---- without FEAT_ECV ---- */

#define PPI27 (1U << 27)

static int start_native(void **state)
{
	(void)start(state);
	vm_cpu.traps.has_ecv = false;
	features.reg[ID_REG_MMFR0] = 0;
	cpu.gicr = gicr;
	active = 0;
	el1_timer_writes = 0;
	nested_init(true, &features);
	return 0;
}

static void native_timers_do_not_trap(void **state)
{
	(void)enter();
	assert_int_equal(fake_sysreg_get("cnthctl_el2") & 0x1a000, 0);
	assert_int_equal(fake_sysreg_get("cnthctl_el2") & 1, 1); /* the counter of EL2 */
}

/* The guest uses CNTV_*_EL0, and no access exits. */
static void el2s_virtual_timer_is_the_hardwares_while_it_runs(void **state)
{
	(void)trap_el2()->set(&vcpu, REG_NUM(CNTHV_CVAL_EL2), 1500);
	(void)trap_el2()->set(&vcpu, REG_NUM(CNTHV_CTL_EL2), 1);
	(void)enter();
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 1500);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 1);
	fake_sysreg_set("cntv_cval_el0", 3000);
	fake_sysreg_set("cntv_ctl_el0", 3 | 4);
	(void)leave(sys64(REG_NUM(CNTHV_CTL_EL2), true, 2));
	assert_int_equal(vcpu.regs.x[2], 3);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 0); /* nothing of the guest's fires now */
	assert_int_equal(nested.own[NESTED_CNTHV_CVAL_EL2], 3000);
	vcpu.regs.x[1] = 1;
	(void)enter();
	(void)leave(sys64(REG_NUM(CNTHV_CTL_EL2), false, 1));
	assert_int_equal(alarm_at, 3000);
	page.wfi.deadline = ~0ULL;
	(void)stage->handled(&vcpu, vcpu_to_host(KEEL_EXIT_WFI));
	assert_int_equal(page.wfi.deadline, 3000);
	(void)enter();
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 1);
	/* as a record while EL1 runs, which has a timer of its own there */
	nested.page[CNTV_CVAL_EL0] = 77;
	file[SPSR_EL1] = EL1H;
	(void)leave(ESR_ERET);
	(void)enter();
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 77);
	assert_int_equal(alarm_at, 3000);
	(void)leave(ESR_HVC);
	(void)enter();
	assert_int_equal(fake_sysreg_get("cntv_cval_el0"), 3000);
}

/* PPI 27 is active as long as PPI 28 is high: or the guest would not make a step. */
static void el2s_virtual_timer_interrupts_once(void **state)
{
	(void)enter();
	fake_sysreg_set("cntv_cval_el0", 900);
	fake_sysreg_set("cntv_ctl_el0", 5);
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	assert_true(levels[28]);
	assert_false(levels[27]);
	(void)enter();
	assert_int_equal(active, PPI27);
	/* an interrupt of the host's, meanwhile, is not taken for the timer's */
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_NOT_MINE);
	(void)enter();
	assert_int_equal(active, PPI27);
	fake_sysreg_set("cntv_cval_el0", 5000);
	(void)leave(ESR_HVC);
	assert_false(levels[28]);
	(void)enter();
	assert_int_equal(active, 0);
	/* it ends with the run, and with EL2's */
	fake_sysreg_set("cntv_cval_el0", 900);
	(void)leave(ESR_HVC);
	(void)enter();
	assert_int_equal(active, PPI27);
	file[SPSR_EL1] = EL1H;
	(void)leave(ESR_ERET);
	(void)enter();
	assert_int_equal(active, 0);
	assert_true(levels[28]);
	(void)leave(ESR_HVC);
	(void)enter();
	assert_int_equal(active, PPI27);
	(void)leave(0x07ULL << 26);
	stage->leave(&vcpu);
	assert_int_equal(active, 0);
}

/* The run page has failed after the entry was prepared. */
static void a_native_timer_leaves_a_run_that_has_not_begun(void **state)
{
	(void)trap_el2()->set(&vcpu, REG_NUM(CNTHV_CVAL_EL2), 500);
	(void)trap_el2()->set(&vcpu, REG_NUM(CNTHV_CTL_EL2), 1);
	(void)enter();
	assert_int_equal(active, PPI27);
	stage->leave(&vcpu);
	assert_int_equal(active, 0);
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 0);
	assert_int_equal(nested.own[NESTED_CNTHV_CVAL_EL2], 500);
	assert_int_equal(nested.own[NESTED_CNTHV_CTL_EL2], 1);
}

static void without_a_redistributor_a_native_timer_is_masked(void **state)
{
	cpu.gicr = NULL;
	(void)enter();
	fake_sysreg_set("cntv_ctl_el0", 5);
	(void)stage->exit(&vcpu, GUEST_IRQ);
	(void)enter();
	assert_int_equal(fake_sysreg_get("cntv_ctl_el0"), 3);
	assert_int_equal(active, 0);
}

/* What a guest writes by the _EL02 names is in the page, and found at the next exit. */
static void el1s_timers_are_in_the_page(void **state)
{
	nested.page[CNTVOFF_EL2] = 700; /* 300 now */
	(void)enter();
	nested.page[CNTV_CVAL_EL0] = 1300;
	nested.page[CNTV_CTL_EL0] = ~2ULL;
	nested.page[CNTP_CVAL_EL0] = 1234;
	nested.page[CNTP_CTL_EL0] = ~0ULL;
	(void)leave(ESR_HVC);
	assert_int_equal(alarm_at, 2000);
	assert_int_equal(trap_read_el1(&vcpu, CNTV_CTL_EL0), 1);
	assert_int_equal(vcpu.sysreg[CNTP_CVAL_EL0], 1234);
	assert_int_equal(vcpu.sysreg[CNTP_CTL_EL0], 3);
	assert_int_equal(el1_timer_writes, 2);
	(void)enter();
	assert_int_equal(nested.page[CNTV_CTL_EL0], 1);
	assert_int_equal(nested.page[CNTP_CTL_EL0], 7);
	(void)leave(ESR_HVC); /* ISTATUS is not the guest's */
	assert_int_equal(el1_timer_writes, 2);
	fake_sysreg_set("cntpct_el0", 2000);
	assert_int_equal(stage->exit(&vcpu, GUEST_IRQ), VCPU_RESUME);
	assert_true(levels[27]);
	(void)enter();
	assert_int_equal(nested.page[CNTV_CTL_EL0], 5);
	/* what EL1 or userspace writes is there, too */
	(void)leave(0x07ULL << 26);
	stage->leave(&vcpu);
	vcpu.sysreg[CNTP_CVAL_EL0] = 4321;
	vcpu.sysreg[CNTP_CTL_EL0] = 0;
	(void)enter();
	assert_int_equal(nested.page[CNTP_CVAL_EL0], 4321);
	assert_int_equal(nested.page[CNTP_CTL_EL0], 0);
}

static void exceptions_of_others_making_go_to_the_right_level(void **state)
{
	vcpu.regs.pstate = EL2H;
	assert_true(inject(&vcpu, 0x1234, 5));
	vcpu.regs.pstate = 0;
	nested.page[HCR_EL2] = TGE;
	assert_true(inject(&vcpu, 0x1234, 5));
	vcpu.regs.pstate = 0;
	nested.page[HCR_EL2] = 0;
	assert_false(inject(&vcpu, 0x1234, 5));
	vcpu.regs.pstate = EL1H;
	assert_false(inject(&vcpu, 0x1234, 5));
}

/* By EL1's names, EL2's and the _EL02 ones: three registers of two timers each, and nothing else. */
static void timers_have_eighteen_names(void **state)
{
	static const u16 names[] = {
		REG_NUM(CNTP_TVAL_EL0),	 REG_NUM(CNTP_CTL_EL0),	 REG_NUM(CNTP_CVAL_EL0),
		REG_NUM(CNTV_TVAL_EL0),	 REG_NUM(CNTV_CTL_EL0),	 REG_NUM(CNTV_CVAL_EL0),
		REG_NUM(CNTHP_TVAL_EL2), REG_NUM(CNTHP_CTL_EL2), REG_NUM(CNTHP_CVAL_EL2),
		REG_NUM(CNTHV_TVAL_EL2), REG_NUM(CNTHV_CTL_EL2), REG_NUM(CNTHV_CVAL_EL2),
		EL02(CNTP_TVAL_EL0),	 EL02(CNTP_CTL_EL0),	 EL02(CNTP_CVAL_EL0),
		EL02(CNTV_TVAL_EL0),	 EL02(CNTV_CTL_EL0),	 EL02(CNTV_CVAL_EL0),
	};
	unsigned int found = 0;
	u64 value;

	assert_int_equal(enter(), VCPU_RESUME);
	for (u32 encoding = 0; encoding <= 0xffff; encoding++)
		found += nested_timer_access(&vcpu, encoding, true, &value);
	assert_int_equal(found, ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_true(nested_timer_access(&vcpu, names[i], true, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_registered_unless_asked_and_possible, start),
		cmocka_unit_test_setup(timers_have_eighteen_names, start),
		cmocka_unit_test_setup(it_begins_at_el2_with_the_page_in_the_hardware, start),
		cmocka_unit_test_setup(eret_to_el1_changes_the_hardware, start),
		cmocka_unit_test_setup(el1_is_not_entered_with_what_is_missing, start),
		cmocka_unit_test_setup(a_nested_guest_runs_in_its_shadow, start),
		cmocka_unit_test_setup(a_table_that_the_host_has_not_is_an_abort_at_el2, start),
		cmocka_unit_test_setup(interrupts_of_the_vm_are_el2s_if_it_says_so, start),
		cmocka_unit_test_setup(an_serror_of_the_vm_is_el2s_if_it_says_so, start),
		cmocka_unit_test_setup(
			virtual_interrupts_are_there_while_the_physical_ones_are_el2s, start),
		cmocka_unit_test_setup(it_is_not_entered_if_the_host_is_needed, start),
		cmocka_unit_test_setup(it_is_not_entered_if_the_refill_needs_the_host, start),
		cmocka_unit_test_setup(a_nested_guests_own_interrupt_ends_its_wfi, start),
		cmocka_unit_test_setup(the_hardware_gets_no_more_than_is_allowed, start),
		cmocka_unit_test_setup(in_the_hosts_context_tlbis_run_natively_after_the_first,
				       start),
		cmocka_unit_test_setup(a_write_of_the_page_is_noticed_by_the_long_way_too, start),
		cmocka_unit_test_setup(other_aborts_of_the_page_are_nobodys, start),
		cmocka_unit_test_setup(a_short_return_is_that_of_the_long_way_or_none, start),
		cmocka_unit_test_setup(
			a_return_takes_the_long_way_if_the_page_asks_for_an_interrupt, start),
		cmocka_unit_test_setup(tlbis_never_run_natively_outside_of_the_hosts_context,
				       start),
		cmocka_unit_test_setup(fp_traps_at_el1_as_the_hypervisor_says, start),
		cmocka_unit_test_setup(sve_traps_at_el1_as_the_hypervisor_says, start),
		cmocka_unit_test_setup(zcr_el2_is_there_with_sve, start),
		cmocka_unit_test_setup(debug_exceptions_of_el1_are_el2s_if_it_says_so, start),
		cmocka_unit_test_setup(registers_and_instructions_of_el2_are_emulated_at_once,
				       start),
		cmocka_unit_test_setup(at_asks_for_tables_and_meets_aborts, start),
		cmocka_unit_test_setup(a_fault_of_el2s_own_does_not_change_where_the_guest_goes_on,
				       start),
		cmocka_unit_test_setup(what_a_world_switch_accesses_is_done_at_once, start),
		cmocka_unit_test_setup(the_exceptions_of_authenticated_returns_have_an_order,
				       start),
		cmocka_unit_test_setup(
			pointer_authentication_is_taken_from_el1_unless_it_is_allowed, start),
		cmocka_unit_test_setup(midr_of_el1_is_what_el2_says, start),
		cmocka_unit_test_setup(timers_of_el2_set_levels_and_the_alarm, start),
		cmocka_unit_test_setup(timers_that_userspace_sets_fire, start),
		cmocka_unit_test_setup(el1s_virtual_timer_fires_while_el2_runs, start),
		cmocka_unit_test_setup(el1s_timers_have_names_at_el2, start),
		cmocka_unit_test_setup(native_timers_do_not_trap, start_native),
		cmocka_unit_test_setup(el2s_virtual_timer_is_the_hardwares_while_it_runs,
				       start_native),
		cmocka_unit_test_setup(el2s_virtual_timer_interrupts_once, start_native),
		cmocka_unit_test_setup(a_native_timer_leaves_a_run_that_has_not_begun,
				       start_native),
		cmocka_unit_test_setup(without_a_redistributor_a_native_timer_is_masked,
				       start_native),
		cmocka_unit_test_setup(el1s_timers_are_in_the_page, start_native),
		cmocka_unit_test_setup(without_vhe_el2_has_a_context_and_el1_its_names, start_nvhe),
		cmocka_unit_test_setup(without_vhe_el1s_entries_of_another_vmid_go, start_nvhe),
		cmocka_unit_test_setup(without_vhe_a_vmid_is_noted_after_plain_el1, start_nvhe),
		cmocka_unit_test_setup(without_vhe_a_wait_goes_by_the_offset_that_is_set_now,
				       start_nvhe),
		cmocka_unit_test_setup(without_vhe_aborts_of_el2_are_of_its_context, start_nvhe),
		cmocka_unit_test_setup(without_vhe_el0_of_el2_is_refused, start_nvhe),
		cmocka_unit_test_setup(without_vhe_a_short_return_is_one_to_el2, start_nvhe),
		cmocka_unit_test_setup(without_vhe_names_are_other_registers_or_none, start_nvhe),
		cmocka_unit_test_setup(without_vhe_el1s_virtual_timer_stays_in_the_hardware,
				       start_nvhe),
		cmocka_unit_test_setup(exceptions_of_others_making_go_to_the_right_level, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
