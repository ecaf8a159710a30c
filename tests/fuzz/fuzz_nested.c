// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/nested/nested_stage.c hyp/nested/nested_trap.c hyp/nested/nested_at.c hyp/nested/s1_tables.c hyp/nested/nested_fast.c hyp/nested/nested_timer.c hyp/nested/nested_regs.c hyp/nested/nested_nvhe.c hyp/nested/nested_layout.c hyp/nested/nested_exception.c hyp/nested/nested_route.c hyp/nested/nested_stats.c hyp/nested/nested_tlbi.c hyp/nested/shadow.c hyp/nested/shadow_fault.c hyp/nested/shadow_rmap.c hyp/nested/s2_walk.c hyp/nested/s2_compose.c hyp/trap/el2.c hyp/vm/guest_traps.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c tests/unit/arch/fake_sysreg.c */
/* LIBS: -lcmocka */
/*
 * A guest hypervisor with two vCPUs, whose actions are the input: registers that the CPU redirects,
 * registers, TLBIs and ATs that trap, ERET, exceptions and faults of its nested guests, its tables;
 * beside it a host that takes memory away, interrupts, writes registers and resets vCPUs.
 *
 * What must hold after each step: the debug build's checks of each shadow, its reverse map, page
 * states and references; and a shadow of a VMID and tables that are known has only what the tables
 * say now, or have said since the last TLBI for it that has ended, of memory that the VM has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <arch/at.h>
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <nested/nested.h>
#include <nested/nested_exception.h>
#include <nested/nested_fast.h>
#include <nested/nested_pauth.h>
#include <nested/nested_regs.h>
#include <nested/nested_stage.h>
#include <nested/nested_timer.h>
#include <nested/nested_tlbi.h>
#include <nested/nested_trap.h>
#include <nested/nested_vgic.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <swap_el1.h>
#include <timer/timer.h>
#include <trap/device.h>
#include <trap/el2.h>
#include <trap/id_regs.h>
#include <trap/impl_regs.h>
#include <trap/trap.h>
#include <vgic/vgic.h>
#include <vm/exit.h>
#include <vm/run.h>
#include <vm/switch.h>
#include <vm_machine.h>

#include "steps.h"

#define VCPUS	     2
#define PAGES	     64
#define TABLE_SETS   2
#define FIRST_DATA   8
#define ENTRIES	     16
#define VMIDS	     4
#define HISTORY	     4
#define NESTED_AT    (5 * SZ_1G)
#define VTCR	     (25ULL | 1ULL << 6 | 2ULL << 16 | BIT(31))
#define D_LEAF	     (3ULL | 0xfULL << 2 | BIT(10))
#define D_R	     BIT(6)
#define D_W	     BIT(7)
#define D_XN	     BIT(54)
#define OWN_HCR	     0x80000001ULL
#define ALLE1IS	     SYSREG_ENC(1, 4, 8, 3, 4)
#define VMALLS12E1IS SYSREG_ENC(1, 4, 8, 3, 6)
#define IPAS2E1	     SYSREG_ENC(1, 4, 8, 4, 1)
#define RIPAS2E1IS   SYSREG_ENC(1, 4, 8, 0, 2)

u32 panic_begun; /* cpu/panic.h */

static u64 handle;
static struct vm *vm;
static struct vcpu vcpus[VCPUS];
static struct nested_vcpu nested[VCPUS] __aligned(4096);
static struct keel_run run_pages[VCPUS];
static struct vgic_cpu vgic_cpus[VCPUS];
static u64 files[VCPUS][VCPU_SYSREG_COUNT];
static bool inside[VCPUS]; /* the guest is entered */
static struct vm_cpu vm_cpu;

static const struct exit_stage *stage, *stages[EXIT_STAGE_COUNT];
static bool nvhe; /* HCR_EL2.E2H is 0 */
static const struct vcpu_hooks *hooks;
static bool (*inject)(struct vcpu *vcpu, u64 esr, u64 far);

static struct pa pages[PAGES];
static bool own_mapped[PAGES], own_writable[PAGES];
static unsigned int leaving; /* the page of an unmap that is not over, or 0 */
static bool wild;	     /* the second set of tables has anything in it */

/* What an entry was before, while some shadow of that VMID may still have it. */
static u64 history[TABLE_SETS][ENTRIES][VMIDS][HISTORY];

/* ---- below and beside ---- */

void vcpu_add_hooks(const struct vcpu_hooks *new_hooks)
{
	hooks = new_hooks;
}

void exit_set_stage(enum exit_stage_id id, const struct exit_stage *new_stage)
{
	stages[id] = new_stage;
}

void trap_set_device(enum trap_device_id id, const struct trap_device *device)
{
}

void vcpu_set_el2_inject(bool (*function)(struct vcpu *vcpu, u64 esr, u64 far))
{
	inject = function;
}

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return files[vcpu->index][reg];
}

void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	files[vcpu->index][reg] = value;
}

void vcpu_change_s2(struct vcpu *vcpu, struct s2_context *to)
{
	vcpu->s2 = to;
}

void vcpu_inject_undef(struct vcpu *vcpu)
{
	(void)inject(vcpu, ESR_IL, 0);
}

/* 40 bits; 4K and 64K at stage 2. */
u64 id_reg_value(const struct vcpu *vcpu, enum id_reg reg)
{
	return reg == ID_REG_MMFR0 ? 2ULL << 40 | 2ULL << 36 | 1ULL << 32 | 2 : 0;
}

void trap_step_over_aa32(struct vcpu *vcpu, u64 esr)
{
	vcpu->regs.pc += 4;
}

void switch_set_hcr(struct vcpu *vcpu, u64 more, u64 less)
{
	fake_sysreg_set("hcr_el2", OWN_HCR | more);
}

void switch_limit_sve(const struct vcpu *vcpu, u64 zcr)
{
}

bool switch_serror_waits(struct vcpu *vcpu)
{
	return vcpu->serror_pending;
}

const struct impl_regs *impl_regs_machine(void)
{
	static const struct impl_regs machine = { .midr = 0x410fd4f0 };

	return &machine;
}

void debug_write_mdscr(struct vcpu *vcpu, u64 value)
{
	vcpu->sysreg[MDSCR_EL1] = value;
}

/* No ID register: these are as at EL1. */
const struct sysreg_row *sysreg_find(u32 encoding)
{
	return NULL;
}

bool nested_has_pauth(const struct vcpu *vcpu)
{
	return true;
}

bool nested_authenticate(struct vcpu *vcpu, u64 esr, u64 *elr)
{
	return rnd(2);
}

/* The alias belongs to one run of one vCPU. */
static unsigned int aliases;

void *el2_alias_open(const void *page)
{
	aliases++;
	return NULL;
}

void el2_alias_close(void)
{
	assert_true(aliases);
	aliases--;
}

#define TLBI(name)               \
	void tlbi_##name(u64 xt) \
	{                        \
	}
TLBI(vae1is)
TLBI(aside1is)
TLBI(vaae1is)
TLBI(vale1is)
TLBI(vaale1is)
TLBI(rvae1is)
TLBI(rvaae1is)
TLBI(rvale1is)
TLBI(rvaale1is)

/* A walk that faults: what an exception of EL2's own changes (hyp/arch/extable.h). */
static bool fault_at_el2(void)
{
	fake_sysreg_set("elr_el2", 0xffff800000001000);
	fake_sysreg_set("spsr_el2", PSR_MODE_EL2h | PSR_DAIF);
	fake_sysreg_set("esr_el2", 0x96000010);
	return false;
}

static bool at_fails; /* at stage 2, mostly */

static bool translate_any(u64 va)
{
	bool fails = at_fails ? rnd(4) : !rnd(4);

	fake_sysreg_set("par_el1",
			!fails ? va & GENMASK(47, 12) : rnd(1024) | (at_fails ? 0x201 : 0));
	return rnd(8) || fault_at_el2();
}

#define AT(name)                          \
	bool at_##name(u64 va)            \
	{                                 \
		return translate_any(va); \
	}
AT(s1e1r)
AT(s1e1w)
AT(s1e0r)
AT(s1e0w)
AT(s1e1rp)
AT(s1e1wp)

/* ---- interrupts and timers: any answer ---- */

unsigned int vgic_version(void)
{
	return 3;
}

void nested_vgic_init(void)
{
}

bool nested_vgic_possible(void)
{
	return true;
}

enum vgic_signal nested_vgic_lend(struct vcpu *vcpu)
{
	vcpu->nested->lent = rnd(4);
	return vcpu->nested->lent ? VGIC_NO_SIGNAL : rnd(2) ? VGIC_IRQ : VGIC_FIQ;
}

void nested_vgic_enter(struct vcpu *vcpu)
{
}

bool nested_vgic_leave(struct vcpu *vcpu)
{
	vcpu->nested->lent = false;
	return !rnd(4);
}

void nested_vgic_settle(struct vcpu *vcpu)
{
}

bool nested_vgic_wakes(const struct vcpu *vcpu)
{
	return rnd(2);
}

bool nested_vgic_access(struct vcpu *vcpu, u32 encoding, bool read, u64 *value)
{
	return false;
}

bool nested_vgic_is_told(const struct vcpu *vcpu)
{
	return rnd(2);
}

int nested_vgic_user_get(const struct vcpu *vcpu, u32 encoding, u64 *value)
{
	return -ENOENT;
}

int nested_vgic_user_set(struct vcpu *vcpu, u32 encoding, u64 value)
{
	return -ENOENT;
}

void nested_vgic_add_traps(struct vcpu *vcpu)
{
}

void nested_vgic_reset(struct vcpu *vcpu)
{
}

void vgic_refill(struct vcpu *vcpu)
{
}

void vgic_set_timer(struct vcpu *vcpu, u32 intid, bool level)
{
	vcpu->vgic->irq[intid].line = level;
}

bool vgic_forward(struct vcpu *vcpu, u32 intid)
{
	return rnd(2);
}

void vgic_stop_forwarding(struct vcpu *vcpu, u32 intid, bool level)
{
	vgic_set_timer(vcpu, intid, level);
}

bool vgic_wakes(struct vcpu *vcpu, u32 intid)
{
	return true;
}

/* Each vCPU has a CPU of its own, with a redistributor: which interrupts are active there. */
static u8 gicrs[VCPUS][0x400];
static u32 active[VCPUS];

u32 mmio_read32(const volatile void *addr)
{
	return active[(size_t)((const volatile u8 *)addr - gicrs[0]) / sizeof(gicrs[0])];
}

void mmio_write32(volatile void *addr, u32 value)
{
	size_t offset = (size_t)((volatile u8 *)addr - gicrs[0]);
	u32 *of = &active[offset / sizeof(gicrs[0])];

	assert_int_equal(value, BIT(VGIC_PPI_VTIMER));
	if (offset % sizeof(gicrs[0]) == GICR_ISACTIVER0)
		*of |= value;
	else
		*of &= ~value;
}

void timer_set_alarm(struct vcpu *vcpu, u64 at)
{
	vcpu->alarm = at;
}

u64 timer_read_sysreg(struct vcpu *vcpu, u32 encoding)
{
	return encoding;
}

void timer_write_sysreg(struct vcpu *vcpu, u32 encoding, u64 value)
{
	vcpu->sysreg[encoding == REG_NUM(CNTP_CTL_EL0) ? CNTP_CTL_EL0 : CNTP_CVAL_EL0] = value;
}

/* ---- aborts ---- */

static u64 fault_ipa;
static bool fault_is_stage2; /* the same, however often an exit asks */

bool abort_is_stage2(u64 esr)
{
	return fault_is_stage2;
}

bool abort_fault_ipa(u64 esr, u64 far, u64 *ipa)
{
	*ipa = fault_ipa;
	return rnd(32) || fault_at_el2();
}

bool abort_is_write(u64 esr)
{
	return esr & ESR_WNR;
}

enum vcpu_action abort_at(struct vcpu *vcpu, u64 esr, u64 far, u64 ipa)
{
	return vcpu_to_host(KEEL_EXIT_FAULT);
}

/* ---- the VM's memory ---- */

static u64 *guest_table(unsigned int page)
{
	return (u64 *)(void *)machine_host_page(pages[page]);
}

static u64 *entry_of(unsigned int set, unsigned int n)
{
	return &guest_table(3 * set + 2)[n];
}

static void own_map(unsigned int page, bool writable)
{
	struct vm_mapped mapped = { 0 };

	if (own_mapped[page] || page == leaving)
		return;
	assert_int_equal(vm_map(vm, IPA(page * SZ_4K), pages[page], SZ_4K,
				(writable ? KEEL_MAP_WRITE : 0) | KEEL_MAP_EXEC, &mapped),
			 0);
	own_mapped[page] = true;
	own_writable[page] = writable;
}

/* One call: what it leaves is for a later one, of the same page. */
static void own_unmap(unsigned int page)
{
	int ret;
	u64 done;

	page = leaving ? leaving : page;
	ret = vm_unmap(vm, IPA(page * SZ_4K), SZ_4K, 0, &done);
	leaving = ret == -EAGAIN ? page : 0;
	if (ret != -EAGAIN)
		assert_int_equal(ret, 0);
	own_mapped[page] = false;
}

static void own_protect(unsigned int page, bool writable)
{
	u64 how = writable ? KEEL_PROTECT_GIVE : KEEL_PROTECT_TAKE, done;
	int ret;

	if (!own_mapped[page])
		return;
	while ((ret = vm_protect(vm, IPA(page * SZ_4K), SZ_4K, how, &done)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	own_writable[page] = writable;
}

static void make_tables(unsigned int set)
{
	u64 root = 3 * set;

	guest_table(3 * set)[5] = (root + 1) * SZ_4K | 3;
	guest_table(3 * set + 1)[0] = (root + 2) * SZ_4K | 3;
}

/* ---- start and end ---- */

static void prepare(struct vcpu *vcpu)
{
	while (shadow_prepare(vcpu))
		assert_int_equal(vm_topup(vm, machine_alloc(8, 8 * SZ_4K), 8), 0);
}

static void make_vcpu(unsigned int i)
{
	vgic_cpus[i] = (struct vgic_cpu){ .leave = false };
	vcpus[i] = (struct vcpu){ .vm = vm,
				  .s2 = &vm->s2,
				  .index = i,
				  .nested = &nested[i],
				  .sysreg = files[i],
				  .run = &run_pages[i],
				  .vgic = &vgic_cpus[i],
				  .mpidr = 0x80000000 + i };
	if (nvhe)
		vcpus[i].features = BIT(VCPU_HAS_EL2) | BIT(VCPU_HAS_EL2_E2H0);
	prepare(&vcpus[i]);
	hooks->reset(&vcpus[i]);
	inside[i] = false;
}

static void set_registers(void)
{
	static const char *const zero[] = {
		"cntvoff_el2",	 "vmpidr_el2", "cptr_el2",     "cnthctl_el2",  "cntv_ctl_el0",
		"cntv_cval_el0", "par_el1",    "s3_4_c5_c2_3", "s3_4_c2_c2_0", "mdcr_el2",
		"far_el2",	 "esr_el2",    "cpacr_el1",    "midr_el1",     "spsr_el1",
		"elr_el1",	 "elr_el2",    "spsr_el2",     "vpidr_el2"
	};

	fake_sysreg_reset();
	for (unsigned int i = 0; i < ARRAY_SIZE(zero); i++)
		fake_sysreg_set(zero[i], 0);
	fake_sysreg_set("hcr_el2", OWN_HCR);
	fake_sysreg_set("cntpct_el0", 1000);
	vm_cpu = (struct vm_cpu){ .traps.has_nv2 = true,
				  .traps.has_nv1 = true,
				  .traps.has_ecv = true };
	((struct percpu *)this_cpu())->vm_cpu = &vm_cpu;
}

static void end(void)
{
	int ret;

	for (unsigned int i = 0; i < VCPUS; i++)
		shadow_drop(&vcpus[i]);
	vm->vgic = NULL;
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	machine_check();
	machine_free_all();
}

static void start(void)
{
	struct vm_sizes sizes;

	if (vm)
		end();
	machine_start(&(struct machine_config){ 0 });
	nested_trap_init();
	nested_stage_init();
	nvhe = rnd(2);
	stage = stages[nvhe ? EXIT_STAGE_NESTED_NVHE : EXIT_STAGE_NESTED];
	nested_timer_init(nvhe || rnd(2));
	vm_set_nested(&shadow_vm_ops);
	assert_int_equal(vm_sizes(40, &sizes), 0);
	assert_int_equal(
		vm_create(machine_alloc(sizes.vm_pages, SZ_1M), sizes.vm_pages, 40, &handle), 0);
	vm = vm_get(handle);
	vm->el2 = nvhe ? VM_EL2_NVHE : VM_EL2_VHE;
	assert_int_equal(vm_topup(vm, machine_alloc(20, SZ_64K), 20), 0);
	set_registers();
	memset(nested, 0, sizeof(nested));
	memset(files, 0, sizeof(files));
	memset(history, 0, sizeof(history));
	memset(own_mapped, 0, sizeof(own_mapped));
	leaving = 0;
	wild = false;
	for (unsigned int i = 0; i < VCPUS; i++)
		make_vcpu(i);
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i] = machine_alloc(1, SZ_4K);
		memset(machine_host_page(pages[i]), 0, SZ_4K);
		own_map(i, true);
	}
	for (unsigned int set = 0; set < TABLE_SETS; set++)
		make_tables(set);
}

/* ---- the run loop ---- */

static u64 any64(void)
{
	u64 value = (u64)rnd(1U << 16) << 48 | (u64)rnd(1U << 16) << 32;

	return value | (u64)rnd(1U << 16) << 16 | rnd(1U << 16);
}

/* No physical interrupt stays active for a guest that is not there. */
static void end_run(struct vcpu *vcpu)
{
	stage->leave(vcpu);
	assert_int_equal(active[vcpu->index], 0);
}

/* Into the guest, as far as it can be: one that is refused is reset. */
static bool go_in(struct vcpu *vcpu)
{
	enum vcpu_action action;

	vm_cpu.vcpu = vcpu;
	((struct percpu *)this_cpu())->gicr = gicrs[vcpu->index];
	if (inside[vcpu->index])
		return true;
	action = hooks->resume(vcpu);
	if (action == VCPU_RESUME)
		action = stage->enter(vcpu);
	inside[vcpu->index] = action == VCPU_RESUME;
	if (action != VCPU_RESUME)
		end_run(vcpu);
	if (action == vcpu_to_host(KEEL_EXIT_FAIL)) {
		hooks->reset(vcpu);
		vcpu->vgic->leave = false;
	}
	return inside[vcpu->index];
}

/* An early exit returns to the instruction or to the next one, at the same level. */
static bool is_early(struct vcpu *vcpu)
{
	u64 pc = read_sysreg(elr_el2), pstate = read_sysreg(spsr_el2);
	bool done = stage->early(vcpu);

	if (done) {
		assert_true(read_sysreg(elr_el2) - pc <= 4);
		assert_int_equal((read_sysreg(spsr_el2) ^ pstate) & ~(u64)(PSR_SS | PSR_BTYPE), 0);
	}
	return done;
}

/* The fast and the early exit, where enter.S asks them. */
static bool is_short(struct vcpu *vcpu, u64 class)
{
	if (stage->fast_classes & class)
		return stage->fast(vcpu);
	return (stage->early_classes & class) && is_early(vcpu);
}

/* Return: whether the guest goes on. */
static bool leave_shortly(struct vcpu *vcpu, u64 esr, enum guest_exit_kind kind)
{
	u64 pstate = vcpu->regs.pstate;

	if (kind != GUEST_SYNC)
		return false;
	fake_sysreg_set("elr_el2", vcpu->regs.pc);
	fake_sysreg_set("spsr_el2", pstate);
	if (!is_short(vcpu, BIT(esr_ec(esr)))) {
		assert_int_equal(read_sysreg(elr_el2), vcpu->regs.pc);
		assert_int_equal(read_sysreg(spsr_el2), pstate);
		return false;
	}
	vcpu->regs.pc = read_sysreg(elr_el2);
	vcpu->regs.pstate = read_sysreg(spsr_el2);
	return true;
}

static void leave_the_long_way(struct vcpu *vcpu, enum guest_exit_kind kind)
{
	enum vcpu_action action = stage->exit(vcpu, kind);

	if (action == VCPU_AT_ONCE)
		return;
	inside[vcpu->index] = false;
	if (action == VCPU_NOT_MINE)
		action = rnd(2) ? vcpu_to_host(KEEL_EXIT_WFI) : VCPU_RESUME;
	(void)stage->handled(vcpu, action);
	end_run(vcpu);
}

static void come_out(struct vcpu *vcpu, u64 esr, enum guest_exit_kind kind)
{
	if (!go_in(vcpu))
		return;
	fault_is_stage2 = rnd(16);
	fake_sysreg_set("esr_el2", esr);
	fake_sysreg_set("far_el2", any64());
	if (!leave_shortly(vcpu, esr, kind))
		leave_the_long_way(vcpu, kind);
}

static u64 sys64(u32 encoding, bool read, unsigned int rt)
{
	return 0x18ULL << 26 | ESR_IL | (u64)(encoding >> 14 & 3) << 20 |
	       (u64)(encoding & 7) << 17 | (u64)(encoding >> 11 & 7) << 14 |
	       (u64)(encoding >> 7 & 15) << 10 | (u64)rt << 5 | (u64)(encoding >> 3 & 15) << 1 |
	       read;
}

/* ---- what the guest hypervisor does ---- */

static void set_key(struct vcpu *vcpu, unsigned int vmid, unsigned int set)
{
	vcpu->nested->page[VTTBR_EL2] = (u64)vmid << 48 | 3 * set * SZ_4K;
	vcpu->nested->page[VTCR_EL2] = VTCR;
}

/* At EL2 first, which an exception from EL1 does. */
static bool to_el2(struct vcpu *vcpu)
{
	if (vcpu->nested->context == NESTED_EL1)
		come_out(vcpu, (u64)ESR_EC_HVC64 << 26 | ESR_IL, GUEST_SYNC);
	return go_in(vcpu) && vcpu->nested->context == NESTED_EL2;
}

/* Into a nested guest of known tables, or of whatever is in the registers. */
static void enter_guest(struct vcpu *vcpu)
{
	bool plain = rnd(8);

	if (!to_el2(vcpu))
		return;
	if (plain) {
		set_key(vcpu, rnd(VMIDS), rnd(TABLE_SETS));
		vcpu->nested->page[HCR_EL2] = HCR_VM | BIT(31) | BIT(34);
		files[vcpu->index][SCTLR_EL1] = 0;
	}
	files[vcpu->index][SPSR_EL1] = plain ? PSR_MODE_EL1h | PSR_DAIF : any64();
	come_out(vcpu, (u64)ESR_EC_ERET << 26 | ESR_IL | rnd(4), GUEST_SYNC);
}

static void fault(struct vcpu *vcpu)
{
	static const u8 ecs[] = { ESR_EC_DABT_LOWER, ESR_EC_IABT_LOWER };
	u64 esr = (u64)ecs[rnd(2)] << 26 | ESR_IL | ESR_FSC_TRANSLATION | rnd(4);

	fault_ipa = NESTED_AT + rnd(ENTRIES) * SZ_4K;
	if (!rnd(16))
		fault_ipa = any64() & GENMASK(47, 0);
	else if (nvhe && rnd(2)) /* EL2's own memory */
		fault_ipa = rnd(PAGES) * SZ_4K;
	if (rnd(2))
		esr |= ESR_ISV | (rnd(2) ? ESR_WNR : 0);
	else if (!rnd(4))
		esr |= ESR_S1PTW;
	come_out(vcpu, esr, GUEST_SYNC);
}

/* Registers that the CPU redirects to the page, and those of the level that is in the hardware. */
static void write_register(struct vcpu *vcpu)
{
	static const u16 regs[] = { HCR_EL2, VTTBR_EL2, VTCR_EL2, VMPIDR_EL2, CNTVOFF_EL2 };
	u64 *page = vcpu->nested->page;

	switch (rnd(6)) {
	case 0:
		page[regs[rnd(ARRAY_SIZE(regs))]] ^= BIT(rnd(64));
		break;
	case 1:
		page[rnd(VCPU_SYSREG_FIRST_OWN)] = any64();
		break;
	case 2:
		files[vcpu->index][rnd(VCPU_SYSREG_COUNT)] = any64();
		break;
	case 3:
		page[HCR_EL2] = rnd(2) ? BIT(27) : any64();
		break;
	case 4: /* the timer in the hardware */
		fake_sysreg_set("cntv_ctl_el0", rnd(8));
		fake_sysreg_set("cntv_cval_el0", rnd(2) ? rnd(2000) : any64());
		break;
	default:
		vcpu->regs.x[rnd(31)] = any64();
	}
}

static void trap(struct vcpu *vcpu)
{
	static const u32 some[] = {
		SYSREG_ENC(1, 4, 7, 8, 0),  SYSREG_ENC(1, 4, 7, 8, 4),	SYSREG_ENC(1, 4, 7, 8, 7),
		SYSREG_ENC(1, 0, 7, 8, 0),  SYSREG_ENC(3, 4, 1, 0, 0),	SYSREG_ENC(3, 4, 14, 2, 1),
		SYSREG_ENC(3, 4, 14, 3, 2), SYSREG_ENC(3, 5, 14, 1, 0), SYSREG_ENC(3, 5, 14, 3, 1),
		SYSREG_ENC(3, 0, 1, 0, 2),  SYSREG_ENC(3, 4, 2, 0, 0),	SYSREG_ENC(3, 4, 4, 0, 0),
		SYSREG_ENC(3, 4, 6, 0, 4),
	};
	u32 encoding = some[rnd(ARRAY_SIZE(some))];

	if (!rnd(4))
		encoding = SYSREG_ENC(rnd(4), rnd(8), rnd(16), rnd(16), rnd(8));
	else if (!rnd(3))
		encoding = SYSREG_ENC(1, rnd(2) ? 4 : 0, 8 + rnd(2), rnd(8), rnd(8));
	if (to_el2(vcpu))
		come_out(vcpu, sys64(encoding, rnd(2), rnd(32)), GUEST_SYNC);
}

/*
 * AT of a nested guest whose stage 1 the hardware cannot read: its tables are looked for, by both
 * stages, and go into the shadow. Three levels at most, in pages that it or the VM has.
 */
static void translate(struct vcpu *vcpu)
{
	static const u32 ats[] = { SYSREG_ENC(1, 4, 7, 8, 1), SYSREG_ENC(1, 4, 7, 8, 4),
				   SYSREG_ENC(1, 4, 7, 8, 7), SYSREG_ENC(1, 0, 7, 8, 0) };
	u64 *page = vcpu->nested->page;

	if (!to_el2(vcpu))
		return;
	set_key(vcpu, rnd(VMIDS), rnd(TABLE_SETS));
	page[HCR_EL2] = BIT(31) | BIT(34) | (rnd(8) ? HCR_VM : 0);
	page[SCTLR_EL1] = files[vcpu->index][SCTLR_EL1] = SCTLR_M;
	page[TCR_EL1] = files[vcpu->index][TCR_EL1] = 2ULL << 32 | (25 + rnd(20));
	page[TTBR0_EL1] = files[vcpu->index][TTBR0_EL1] = (rnd(4) ? NESTED_AT : 0) +
							  rnd(ENTRIES) * SZ_4K;
	vcpu->regs.x[3] = (u64)rnd(16) << 30 | (u64)rnd(8) << 21 | (u64)rnd(8) << 12;
	at_fails = true;
	come_out(vcpu, sys64(ats[rnd(ARRAY_SIZE(ats))], false, 3), GUEST_SYNC);
	at_fails = false;
}

/* The tables change; a TLBI comes at some time, or never. */
static void forget_history(unsigned int vmid, unsigned int first, unsigned int last)
{
	for (unsigned int set = 0; set < TABLE_SETS; set++)
		for (unsigned int n = first; n <= last; n++)
			memset(history[set][n][vmid], 0, sizeof(history[set][n][vmid]));
}

/* A TLBI that has ended in one run; one that is left has no effect that anybody relies on. */
static bool tlbi(struct vcpu *vcpu, u32 encoding, u64 xt)
{
	unsigned int rt = 3;
	u64 pc;

	if (!to_el2(vcpu))
		return false;
	vcpu->nested->page[HCR_EL2] &= ~(u64)HCR_TGE;
	vcpu->regs.x[rt] = xt;
	pc = vcpu->regs.pc;
	come_out(vcpu, sys64(encoding, false, rt), GUEST_SYNC);
	for (unsigned int i = 0; i < 8 && vcpu->regs.pc == pc; i++)
		(void)go_in(vcpu);
	return vcpu->regs.pc == pc + 4;
}

/* Rather one that has changed, of which a shadow may have too much. */
static unsigned int entry_for_tlbi(unsigned int vmid)
{
	unsigned int n = rnd(ENTRIES), set = rnd(TABLE_SETS);

	for (unsigned int i = 0; i < ENTRIES && !history[set][n][vmid][0]; i++)
		n = (n + 1) % ENTRIES;
	return n;
}

static void tlbi_known(struct vcpu *vcpu)
{
	unsigned int vmid = rnd(VMIDS), n = entry_for_tlbi(vmid), what = rnd(16);
	u64 page = (NESTED_AT >> 12) + n;

	if (!to_el2(vcpu))
		return;
	vcpu->nested->page[VTTBR_EL2] = (u64)vmid << 48;
	if (what < 8) {
		if (tlbi(vcpu, IPAS2E1, page))
			forget_history(vmid, n, n);
	} else if (what < 13) {
		if (tlbi(vcpu, RIPAS2E1IS, page | 1ULL << 46))
			forget_history(vmid, n, MIN(n + 1, ENTRIES - 1U));
	} else if (what < 15) {
		if (tlbi(vcpu, VMALLS12E1IS, 0))
			forget_history(vmid, 0, ENTRIES - 1);
	} else if (tlbi(vcpu, ALLE1IS, 0)) {
		memset(history, 0, sizeof(history));
	}
}

static bool remember(unsigned int set, unsigned int n, u64 was)
{
	for (unsigned int vmid = 0; vmid < VMIDS; vmid++) {
		unsigned int i = 0;

		while (i < HISTORY && history[set][n][vmid][i])
			i++;
		if (i == HISTORY)
			return false;
		history[set][n][vmid][i] = was;
	}
	return true;
}

static void change_entry(void)
{
	unsigned int set = rnd(TABLE_SETS), n = rnd(ENTRIES);
	u64 *entry = entry_of(set, n);
	u64 page = FIRST_DATA + rnd(PAGES - FIRST_DATA + 4), value;

	value = page * SZ_4K | D_LEAF | (rnd(4) ? D_R | D_W : rnd(4) * D_R) | (rnd(3) ? 0 : D_XN);
	if (*entry && !remember(set, n, *entry))
		return;
	*entry = rnd(4) ? value : 0;
}

/* Anything in the second set: loops, blocks, tables that are data. */
static void change_wildly(void)
{
	u64 desc = any64();

	wild = true;
	if (rnd(4))
		desc = (desc & ~GENMASK(47, 12)) | rnd(PAGES + 8) * SZ_4K | 1;
	guest_table(3 + rnd(3))[rnd(4) ? rnd(16) : rnd(512)] = desc;
}

/* ---- what the host does ---- */

static void userspace(struct vcpu *vcpu)
{
	const struct trap_el2 *el2 = trap_el2();
	u32 encoding = el2->encoding(vcpu, rnd((u32)el2->count()));
	u64 value;

	if (inside[vcpu->index])
		come_out(vcpu, 0, GUEST_IRQ);
	if (rnd(2))
		(void)el2->set(vcpu, encoding, any64());
	else
		(void)el2->get(vcpu, encoding, &value);
	if (!rnd(4))
		vcpu->regs.pc = any64() & ~3ULL;
}

static void disturb(struct vcpu *vcpu)
{
	switch (rnd(6)) {
	case 0:
		come_out(vcpu, 0, rnd(2) ? GUEST_IRQ : GUEST_FIQ);
		break;
	case 1:
		machine_interrupt_waits = rnd(2);
		break;
	case 2:
		if (inside[vcpu->index])
			come_out(vcpu, 0, GUEST_IRQ);
		if (!rnd(8))
			hooks->reset(vcpu);
		break;
	case 3:
		vcpu->serror_pending = rnd(2);
		break;
	case 4:
		if (inside[vcpu->index])
			come_out(vcpu, 0, GUEST_IRQ);
		(void)inject(vcpu, any64(), any64());
		break;
	default:
		come_out(vcpu, any64(), GUEST_SYNC);
	}
}

/* ---- what must hold ---- */

static bool entry_allows(u64 entry, u64 pa, unsigned int perm)
{
	u64 page = (entry & GENMASK(47, 12)) / SZ_4K;
	unsigned int may = 0;

	if (!(entry & 1) || page >= PAGES || pages[page].v != pa)
		return false;
	may |= entry & D_R ? STAGE2_R : 0;
	may |= entry & D_W && own_writable[page] ? STAGE2_W : 0;
	may |= entry & D_XN ? 0 : STAGE2_X;
	return (own_mapped[page] || page == leaving) && !(perm & ~may);
}

static bool is_known(const struct shadow *shadow)
{
	u64 base = shadow->key.vttbr & GENMASK(47, 0), vmid = shadow->key.vttbr >> 48;

	return shadow->valid && shadow->key.vtcr == VTCR && !shadow->key.hcr &&
	       !shadow->key.sctlr && vmid < VMIDS && (!base || (base == 3 * SZ_4K && !wild));
}

static void check_entry(const struct shadow *shadow, unsigned int n, const struct stage2_leaf *leaf)
{
	unsigned int set = shadow->key.vttbr & GENMASK(47, 0) ? 1 : 0;
	unsigned int perm = leaf->attrs & STAGE2_RWX;
	bool allowed = entry_allows(*entry_of(set, n), leaf->pa.v, perm);

	for (unsigned int i = 0; i < HISTORY; i++)
		allowed |=
			entry_allows(history[set][n][shadow->key.vttbr >> 48][i], leaf->pa.v, perm);
	if (!allowed)
		fail_msg("VMID %u, set %u: entry %u", shadow_vmid(shadow->key.vttbr), set, n);
}

static void check_shadow(struct shadow *shadow)
{
	struct stage2 *s2 = &shadow->ctx.stage2;
	struct stage2_leaf leaf;

	spin_lock(&s2->lock);
	for (unsigned int n = 0; n < ENTRIES && is_known(shadow); n++)
		if (!stage2_lookup(s2, IPA(NESTED_AT + n * SZ_4K), &leaf))
			check_entry(shadow, n, &leaf);
	spin_unlock(&s2->lock);
}

/* EL2's own context has what the VM has, where the VM has it. */
static void check_el2(struct shadow *el2)
{
	struct stage2_leaf leaf;

	spin_lock(&el2->ctx.stage2.lock);
	for (unsigned int n = 0; n < PAGES; n++) {
		if (stage2_lookup(&el2->ctx.stage2, IPA(n * SZ_4K), &leaf))
			continue;
		assert_int_equal(leaf.pa.v, pages[n].v);
		assert_true(own_mapped[n] || n == leaving);
		assert_true(own_writable[n] || !(leaf.attrs & STAGE2_W));
	}
	spin_unlock(&el2->ctx.stage2.lock);
	machine_check_context(&el2->ctx);
}

/* EL2 is in no other context, and nobody else is in its. */
static void check_where(const struct vcpu *vcpu)
{
	if (nvhe && inside[vcpu->index])
		assert_int_equal(vcpu->s2 == &vm->shadows->el2->ctx,
				 vcpu->nested->context == NESTED_EL2);
}

static void check(void)
{
	unsigned int refs = 0;

	if (nvhe)
		check_el2(vm->shadows->el2);
	for (unsigned int i = 0; i < VCPUS; i++)
		check_where(&vcpus[i]);

	for (struct shadow *s = vm->shadows->first; s; s = s->next) {
		check_shadow(s);
		machine_check_context(&s->ctx);
		refs += s->refs;
	}
	for (unsigned int i = 0; i < VCPUS; i++)
		refs -= vcpus[i].nested->shadow ? 1 : 0;
	assert_int_equal(refs, 0);
}

static void step(void)
{
	struct vcpu *vcpu = &vcpus[rnd(VCPUS)];
	unsigned int page = FIRST_DATA + rnd(PAGES - FIRST_DATA);

	switch (rnd(16)) {
	case 0:
	case 1:
		enter_guest(vcpu);
		break;
	case 2:
		tlbi_known(vcpu);
		break;
	case 3:
	case 4:
		change_entry();
		break;
	case 5:
		trap(vcpu);
		break;
	case 6:
		write_register(vcpu);
		break;
	case 7:
		if (!rnd(3))
			own_protect(page, rnd(2));
		else if (own_mapped[page] || leaving)
			own_unmap(page);
		else
			own_map(page, rnd(2));
		break;
	case 8:
		userspace(vcpu);
		break;
	case 9:
		disturb(vcpu);
		break;
	case 10:
		if (!rnd(8))
			change_wildly();
		else
			translate(vcpu);
		break;
	default:
		fault(vcpu);
	}
	check();
}

/* FUZZ_STANDALONE: see steps.h */
STEPS_MAIN("a guest hypervisor's actions", start, step)
