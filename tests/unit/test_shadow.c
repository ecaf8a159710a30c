// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: tests/unit/vm_machine.c tests/unit/fake_panic.c hyp/nested/shadow.c hyp/nested/shadow_fault.c hyp/nested/shadow_rmap.c hyp/nested/nested_stats.c hyp/nested/nested_tlbi.c hyp/nested/nested_regs.c hyp/nested/nested_nvhe.c hyp/nested/nested_layout.c hyp/nested/s2_walk.c hyp/nested/s2_compose.c hyp/vm/vm.c hyp/vm/s2_context.c hyp/vm/vcpu.c hyp/vm/guest_mem.c hyp/vm/vm_table.c hyp/vm/donation.c hyp/mm/ownership.c hyp/mm/page_lock.c hyp/mm/page_pool.c hyp/mm/pgtable.c hyp/mm/pgtable_sane.c hyp/mm/stage2.c hyp/mm/stage2_geometry.c hyp/mm/vmid.c hyp/cpu/features.c hyp/cpu/errata.c tests/unit/arch/fake_sysreg.c */
/*
 * The shadows of a VM: which one an entry gets, with every order of two vCPUs; what a fault puts in;
 * what TLBIs, the VM's own stage 2 and a lack of pages take out. A VM on the machine of
 * vm_machine.h, with a guest hypervisor's tables in its memory. After each step of a random
 * sequence, all that any shadow translates must be what both tables say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/regs.h>
#include <arch/sysreg.h>
#include <lib/esr.h>
#include <nested/nested_exception.h>
#include <nested/nested_regs.h>
#include <nested/nested_tlbi.h>
#include <nested/shadow.h>
#include <nested/shadow_fault.h>
#include <trap/id_regs.h>
#include <trap/trap.h>
#include <vm/donation.h>
#include <vm/run.h>
#include <vm_machine.h>

#include "swap_el1.h"

#define VCPUS 2

static u64 handle;
static struct vm *vm;
static struct vcpu vcpus[VCPUS];
static struct nested_vcpu nested[VCPUS] __aligned(4096);
static u64 file[VCPU_SYSREG_COUNT];

/* ---- beside ---- */

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return file[reg];
}

void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	file[reg] = value;
}

void vcpu_change_s2(struct vcpu *vcpu, struct s2_context *to)
{
	vcpu->s2 = to;
}

/* 40 bits; 4K and 64K at stage 2. */
static u64 mmfr1;

u64 id_reg_value(const struct vcpu *vcpu, enum id_reg reg)
{
	if (reg == ID_REG_MMFR1)
		return mmfr1;
	return reg == ID_REG_MMFR0 ? 2ULL << 40 | 2ULL << 36 | 1ULL << 32 | 2 : 0;
}

void trap_step_over_aa32(struct vcpu *v, u64 esr)
{
	fail_msg("an instruction of AArch32");
}

/* TLBIs of EL2's own translations. */
static u64 own_xt, own_tlbis[10];

#define OWN_TLBI(n, name)        \
	void tlbi_##name(u64 xt) \
	{                        \
		own_xt = xt;     \
		own_tlbis[n]++;  \
	}
OWN_TLBI(1, vae1is)
OWN_TLBI(2, aside1is)
OWN_TLBI(3, vaae1is)
OWN_TLBI(4, vale1is)
OWN_TLBI(5, vaale1is)
OWN_TLBI(6, rvae1is)
OWN_TLBI(7, rvaae1is)
OWN_TLBI(8, rvale1is)
OWN_TLBI(9, rvaale1is)

/* What became of the last fault. */
static u64 fault_ipa, el2_esr, el2_far, asked_ipa, asked_esr;
static unsigned int to_el2, asked;

bool abort_fault_ipa(u64 esr, u64 far, u64 *ipa)
{
	*ipa = fault_ipa;
	return true;
}

bool abort_is_write(u64 esr)
{
	return esr & ESR_WNR;
}

enum vcpu_action abort_at(struct vcpu *vcpu, u64 esr, u64 far, u64 ipa)
{
	asked++;
	asked_esr = esr;
	asked_ipa = ipa;
	return vcpu_to_host(KEEL_EXIT_FAULT);
}

void nested_take_abort(struct vcpu *vcpu, u64 esr, u64 far)
{
	to_el2++;
	el2_esr = esr;
	el2_far = far;
}

/* ---- the VM's memory: where its pages are, and whether they are mapped ---- */

#define PAGES	   64
#define ROOT	   0 /* three tables; those of another base three pages further on */
#define TABLE_SETS 2
#define FIRST_DATA 8

static struct pa pages[PAGES];
static bool own_mapped[PAGES], own_writable[PAGES];

static void own_map(unsigned int page, bool writable)
{
	struct vm_mapped mapped = { 0 };

	assert_int_equal(vm_map(vm, IPA(page * SZ_4K), pages[page], SZ_4K,
				(writable ? KEEL_MAP_WRITE : 0) | KEEL_MAP_EXEC, &mapped),
			 0);
	own_mapped[page] = true;
	own_writable[page] = writable;
}

static void own_unmap(unsigned int page)
{
	u64 done;
	int ret;

	while ((ret = vm_unmap(vm, IPA(page * SZ_4K), SZ_4K, 0, &done)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	own_mapped[page] = false;
}

static void own_protect(unsigned int page, bool writable)
{
	u64 how = writable ? KEEL_PROTECT_GIVE : KEEL_PROTECT_TAKE, done;
	int ret;

	while ((ret = vm_protect(vm, IPA(page * SZ_4K), SZ_4K, how, &done)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	own_writable[page] = writable;
}

static u64 *guest_table(unsigned int page)
{
	return (u64 *)(void *)machine_host_page(pages[page]);
}

/* ---- the guest hypervisor ---- */

#define VTCR	  (25ULL | 1ULL << 6 | 2ULL << 16 | BIT(31)) /* 39 bits, 4K, from level 1 */
#define ENTRIES	  16
#define D_RW	  (BIT(6) | BIT(7))
#define D_LEAF	  (3ULL | 0xfULL << 2 | BIT(10))
#define D_XN	  BIT(54)
#define NESTED_AT (5 * SZ_1G) /* where the nested guest has its memory */

static void make_tables(unsigned int set)
{
	unsigned int root = ROOT + 3 * set;

	guest_table(root)[5] = (root + 1) * SZ_4K | 3;
	guest_table(root + 1)[0] = (root + 2) * SZ_4K | 3;
}

static u64 *entry_of(unsigned int set, unsigned int n)
{
	return &guest_table(ROOT + 3 * set + 2)[n];
}

static void set_key(struct vcpu *vcpu, unsigned int vmid, unsigned int set)
{
	vcpu->nested->page[VTTBR_EL2] = (u64)vmid << 48 | (ROOT + 3 * set) * SZ_4K;
	vcpu->nested->page[VTCR_EL2] = VTCR;
	vcpu->nested->page[HCR_EL2] = HCR_VM;
}

static unsigned int set_of(const struct shadow *shadow)
{
	return (unsigned int)((shadow->key.vttbr & GENMASK(47, 12)) / SZ_4K / 3);
}

static struct shadow *enter(struct vcpu *vcpu, unsigned int vmid, unsigned int set)
{
	struct shadow *shadow;

	set_key(vcpu, vmid, set);
	shadow = shadow_of(vcpu);
	vcpu_change_s2(vcpu, &shadow->ctx);
	assert_ptr_equal(shadow_current(vcpu), shadow);
	return shadow;
}

/* ---- start and end ---- */

static void prepare(struct vcpu *vcpu)
{
	unsigned int tries = 0;

	while (shadow_prepare(vcpu)) {
		assert_true(tries++ < 60);
		assert_int_equal(vm_topup(vm, machine_alloc(8, 8 * SZ_4K), 8), 0);
	}
}

static void start_with(unsigned int ipa_bits, enum vm_el2 kind)
{
	struct vm_sizes sizes;

	machine_start(&(struct machine_config){ .pa_bits = ipa_bits > 48 ? 52 : 48 });
	assert_int_equal(vm_sizes(ipa_bits, &sizes), 0);
	assert_int_equal(
		vm_create(machine_alloc(sizes.vm_pages, SZ_1M), sizes.vm_pages, ipa_bits, &handle),
		0);
	vm = vm_get(handle);
	vm_set_nested(&shadow_vm_ops);
	vm->el2 = kind;
	assert_int_equal(vm_topup(vm, machine_alloc(16, SZ_64K), 16), 0);
	mmfr1 = 0;
	memset(nested, 0, sizeof(nested));
	fake_sysreg_reset();
	fake_sysreg_set("far_el2", 0x1234);
	for (unsigned int i = 0; i < VCPUS; i++) {
		vcpus[i] = (struct vcpu){ .vm = vm, .s2 = &vm->s2, .index = i };
		vcpus[i].nested = &nested[i];
		vcpus[i].regs.pstate = PSR_MODE_EL1h;
		prepare(&vcpus[i]);
	}
	assert_int_equal(vm_topup(vm, machine_alloc(4, SZ_16K), 4), 0); /* for tables of its own */
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i] = machine_alloc(1, SZ_4K);
		memset(machine_host_page(pages[i]), 0, SZ_4K);
		own_map(i, true);
	}
	for (unsigned int set = 0; set < TABLE_SETS; set++)
		make_tables(set);
}

static int start(void **state)
{
	start_with(40, VM_EL2_VHE);
	return 0;
}

static void start_nvhe_with(unsigned int ipa_bits)
{
	start_with(ipa_bits, VM_EL2_NVHE);
	for (unsigned int i = 0; i < VCPUS; i++) {
		nested[i].nvhe = true;
		vcpus[i].s2 = &vm->shadows->el2->ctx;
	}
}

static int start_nvhe(void **state)
{
	start_nvhe_with(40);
	return 0;
}

static unsigned int count_shadows(void)
{
	unsigned int n = 0;

	for (struct shadow *s = vm->shadows->first; s; s = s->next)
		n++;
	return n;
}

static unsigned int free_chunks(void)
{
	unsigned int n = 0;

	for (struct shadow_chunk *chunk = vm->shadows->chunks; chunk; chunk = chunk->next)
		n++;
	return n;
}

static unsigned int of_vmid(unsigned int vmid)
{
	unsigned int n = 0;

	for (struct shadow *s = vm->shadows->by_vmid[vmid]; s; s = s->vmid_next, n++) {
		assert_true(s->valid);
		assert_int_equal(shadow_vmid(s->key.vttbr), vmid);
		assert_ptr_equal(*s->vmid_link, s);
	}
	return n;
}

/* Each shadow with a key is in its VMID's list, and each that nobody has in that of the idle ones. */
static void check_lists(void)
{
	const struct shadow_set *set = vm->shadows;
	struct shadow *last = NULL;
	unsigned int keyed = 0, idle = 0;

	for (unsigned int vmid = 0; vmid < SHADOW_VMIDS; vmid++) {
		assert_true(of_vmid(vmid) <= VCPUS);
		keyed += of_vmid(vmid);
	}
	for (struct shadow *s = set->idle_first; s; last = s, s = s->idle_next, idle++) {
		assert_int_equal(s->refs, 0);
		assert_ptr_equal(s->idle_prev, last);
		assert_true(!last || s->valid || !last->valid);
	}
	assert_ptr_equal(set->idle_last, last);
	for (struct shadow *s = set->first; s; s = s->next) {
		keyed -= s->valid;
		idle -= !s->refs;
	}
	assert_int_equal(keyed, 0);
	assert_int_equal(idle, 0);
}

/* Pools, tables and references agree; no page is in two places, since all that there are add up. */
static void check_set(void)
{
	const struct shadow_set *set = vm->shadows;
	unsigned int chunks = free_chunks(), refs = 0;

	for (struct shadow *s = shadow_first_of_all(set); s; s = shadow_next(s)) {
		machine_check_context(&s->ctx);
		assert_true(s->nr_chunks >= set->kept);
		assert_int_equal(s->pool.total, (u64)s->nr_chunks << set->chunk_order);
		chunks += s->nr_chunks + s->rmap.nr_chunks;
		refs += s->refs;
		for (struct shadow *other = s->next; other; other = other->next)
			assert_false(s->valid && other->valid &&
				     !memcmp(&s->key, &other->key, sizeof(s->key)));
	}
	assert_int_equal((u64)chunks << set->chunk_order, set->pages);
	for (unsigned int i = 0; i < VCPUS; i++)
		refs -= vcpus[i].nested->shadow ? 1 : 0;
	assert_int_equal(refs, 0);
	check_lists();
}

static int finish(void **state)
{
	int ret;

	check_set();
	for (unsigned int i = 0; i < VCPUS; i++)
		shadow_drop(&vcpus[i]);
	check_set();
	vm_put(vm);
	while ((ret = vm_destroy(handle)) == -EAGAIN)
		;
	assert_int_equal(ret, 0);
	machine_check();
	return 0;
}

/* ---- memory ---- */

static void each_vcpu_brings_shadows_and_pages_once(void **state)
{
	u64 donated = vm->donated_pages;

	assert_int_equal(count_shadows(), VCPUS * SHADOW_PER_VCPU);
	assert_int_equal(vm->shadows->pages, VCPUS * SHADOW_PAGES_PER_VCPU);
	for (unsigned int i = 0; i < VCPUS; i++)
		assert_int_equal(shadow_prepare(&vcpus[i]), 0);
	assert_int_equal(count_shadows(), VCPUS * SHADOW_PER_VCPU);
	assert_int_equal(vm->donated_pages, donated);
	check_set();
}

/* ---- keys ---- */

static void the_same_key_is_the_same_shadow(void **state)
{
	struct shadow *a = enter(&vcpus[0], 1, 0), *b = enter(&vcpus[1], 1, 0);

	assert_ptr_equal(a, b);
	assert_int_equal(a->refs, 2);
	vcpus[1].nested->page[VTTBR_EL2] |= 1; /* CnP */
	assert_ptr_equal(shadow_of(&vcpus[1]), a);
	vcpus[1].nested->page[VTTBR_EL2] |= BIT(60); /* a VMID has 8 bits */
	assert_ptr_equal(shadow_of(&vcpus[1]), a);
	assert_ptr_not_equal(enter(&vcpus[1], 2, 0), a);
	assert_int_equal(a->refs, 1);
	assert_ptr_not_equal(enter(&vcpus[1], 1, 1), a);
	set_key(&vcpus[1], 1, 0);
	vcpus[1].nested->page[VTCR_EL2] |= BIT(21);
	assert_ptr_not_equal(shadow_of(&vcpus[1]), a);
	set_key(&vcpus[1], 1, 0);
	vcpus[1].nested->page[HCR_EL2] |= HCR_PTW;
	assert_ptr_not_equal(shadow_of(&vcpus[1]), a);
	set_key(&vcpus[1], 1, 0);
	file[SCTLR_EL1] = SCTLR_EL1_EE;
	assert_ptr_not_equal(shadow_of(&vcpus[1]), a);
	file[SCTLR_EL1] = 0;
	assert_ptr_equal(enter(&vcpus[1], 1, 0), a);
	shadow_drop(&vcpus[1]);
	assert_ptr_equal(vcpus[1].s2, &vm->s2);
	assert_null(shadow_current(&vcpus[1]));
	assert_int_equal(a->refs, 1);
}

static void the_one_that_was_left_first_is_taken(void **state)
{
	struct shadow *of[6];

	for (unsigned int i = 0; i < 4; i++)
		of[i] = enter(&vcpus[0], i, 0);
	for (unsigned int i = 0; i < 4; i++)
		for (unsigned int k = 0; k < i; k++)
			assert_ptr_not_equal(of[i], of[k]);
	assert_ptr_equal(enter(&vcpus[0], 0, 0), of[0]); /* 1 is the oldest now */
	assert_ptr_equal(enter(&vcpus[0], 9, 0), of[1]);
	assert_ptr_equal(enter(&vcpus[1], 2, 0), of[2]); /* in use, so not taken */
	assert_ptr_equal(enter(&vcpus[0], 10, 0), of[3]);
	/* but one of the same VMID before all others */
	assert_ptr_equal(enter(&vcpus[0], 11, 0), of[0]);
	assert_ptr_equal(enter(&vcpus[0], 9, 1), of[1]);
}

/* Each order of steps of two vCPUs, each of which enters one of three guests, or is reset. */
static void any_order_of_two_vcpus_keeps_references(void **state)
{
	for (unsigned int order = 0; order < 4096 * 16; order++) {
		unsigned int steps = order;

		for (unsigned int i = 0; i < 6; i++, steps /= 8) {
			struct vcpu *vcpu = &vcpus[steps & 1];
			unsigned int what = steps / 2 % 4;

			if (what == 3)
				shadow_drop(vcpu);
			else
				(void)enter(vcpu, what / 2, what & 1);
		}
		for (struct shadow *s = vm->shadows->first; s; s = s->next)
			assert_int_equal(s->refs, (vcpus[0].nested->shadow == s) +
							  (vcpus[1].nested->shadow == s));
		check_lists();
	}
}

/* An entry looks at all of its VMID, and at no others. */
static void a_vmid_has_no_more_shadows_than_there_are_vcpus(void **state)
{
	struct shadow *first = enter(&vcpus[0], 7, 0), *second = enter(&vcpus[1], 7, 1);

	for (unsigned int base = 2; base < 20; base++) {
		assert_ptr_equal(enter(&vcpus[0], 7, base), first);
		assert_int_equal(first->key.vttbr, vcpus[0].nested->page[VTTBR_EL2]);
		assert_int_equal(of_vmid(7), 2);
	}
	shadow_drop(&vcpus[1]);
	assert_ptr_equal(enter(&vcpus[0], 7, 1), second);
	assert_int_equal(of_vmid(7), 2);
	(void)enter(&vcpus[1], 8, 0);
	assert_int_equal(of_vmid(7), 2);
	assert_int_equal(of_vmid(8), 1);
}

/* ---- faults ---- */

static u64 data_abort(bool write)
{
	return FIELD_PREP(ESR_EC, ESR_EC_DABT_LOWER) | ESR_IL | ESR_ISV | (write ? ESR_WNR : 0) |
	       ESR_FSC_TRANSLATION | 1;
}

static u64 fetch_abort(void)
{
	return FIELD_PREP(ESR_EC, ESR_EC_IABT_LOWER) | ESR_IL | ESR_FSC_TRANSLATION | 1;
}

static enum vcpu_action fault(struct vcpu *vcpu, u64 ipa, u64 esr)
{
	struct shadow_fault shadow_fault;

	to_el2 = asked = 0;
	fault_ipa = ipa;
	return shadow_resolve(vcpu, esr, &shadow_fault) ? VCPU_RESUME
							: shadow_conclude(&shadow_fault);
}

static bool lookup(struct shadow *shadow, u64 ipa, struct stage2_leaf *leaf)
{
	int ret;

	spin_lock(&shadow->ctx.stage2.lock);
	ret = stage2_lookup(&shadow->ctx.stage2, IPA(ipa), leaf);
	spin_unlock(&shadow->ctx.stage2.lock);
	return !ret;
}

static void assert_el2_fault(u64 ipa, u64 esr, u64 fsc)
{
	assert_int_equal(fault(&vcpus[0], ipa, esr), VCPU_RESUME);
	assert_int_equal(to_el2, 1);
	assert_int_equal(asked, 0);
	assert_int_equal(el2_esr, (esr & ~ESR_FSC) | fsc);
	assert_int_equal(el2_far, 0x1234);
	assert_int_equal(nested[0].own[NESTED_HPFAR_EL2], ipa >> 12 << 4);
}

static void a_fault_is_whose_it_is(void **state)
{
	struct shadow *shadow = enter(&vcpus[0], 1, 0);
	struct stage2_leaf leaf;

	assert_el2_fault(NESTED_AT, data_abort(true), ESR_FSC_TRANSLATION | 3);
	assert_el2_fault(NESTED_AT + SZ_2M, data_abort(false), ESR_FSC_TRANSLATION | 2);
	assert_el2_fault(0x1000, fetch_abort(), ESR_FSC_TRANSLATION | 1);
	assert_el2_fault(BIT(39), fetch_abort(), ESR_FSC_TRANSLATION | 0);
	*entry_of(0, 0) = 20 * SZ_4K | D_LEAF | BIT(6) | D_XN;
	assert_el2_fault(NESTED_AT, data_abort(true), ESR_FSC_PERMISSION | 3);
	assert_el2_fault(NESTED_AT, fetch_abort(), ESR_FSC_PERMISSION | 3);
	*entry_of(0, 0) = 20 * SZ_4K | D_LEAF | D_RW;
	assert_int_equal(fault(&vcpus[0], NESTED_AT + 0x18, data_abort(true)), VCPU_RESUME);
	assert_int_equal(to_el2 + asked, 0);
	assert_true(lookup(shadow, NESTED_AT, &leaf));
	assert_int_equal(leaf.pa.v, pages[20].v);
	assert_int_equal(leaf.attrs & STAGE2_RWX, STAGE2_RWX);
	/* a page that only the host has */
	own_unmap(21);
	*entry_of(0, 1) = 21 * SZ_4K | D_LEAF | D_RW;
	assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_4K + 0x18, data_abort(true)),
			 KEEL_EXIT_FAULT);
	assert_int_equal(asked_ipa, 21 * SZ_4K + 0x18);
	assert_int_equal(asked_esr, data_abort(true));
	own_map(21, false);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_4K, data_abort(true)), KEEL_EXIT_FAULT);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_4K, data_abort(false)), VCPU_RESUME);
	assert_true(lookup(shadow, NESTED_AT + SZ_4K, &leaf));
	assert_int_equal(leaf.attrs & STAGE2_RWX, STAGE2_R | STAGE2_X);
	/* what only an access flag is missing for, which hardware does not set for this VM */
	*entry_of(0, 2) = (22 * SZ_4K | D_LEAF | D_RW) & ~BIT(10);
	assert_el2_fault(NESTED_AT + 2 * SZ_4K, data_abort(false), ESR_FSC_ACCESS_FLAG | 3);
}

static void a_table_is_asked_for_as_memory(void **state)
{
	(void)enter(&vcpus[0], 1, 0);
	assert_el2_fault(NESTED_AT, data_abort(true), ESR_FSC_TRANSLATION | 3);
	own_unmap(ROOT + 2);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + 8 * SZ_4K, data_abort(true)),
			 KEEL_EXIT_FAULT);
	assert_int_equal(asked_ipa, (ROOT + 2) * SZ_4K + 64);
	assert_false(asked_esr & (ESR_ISV | ESR_WNR | ESR_CM));
	assert_true(asked_esr & ESR_S1PTW);
	to_el2 = 0;
	assert_true(shadow_walk_failed(&vcpus[0])); /* there is none */
	assert_int_equal(to_el2, 1);
	assert_int_equal(el2_esr, (data_abort(true) & ~ESR_FSC) | ESR_FSC_EXTABT_WALK | 3);
	assert_false(shadow_walk_failed(&vcpus[0]));
	own_map(ROOT + 2, true);
	assert_el2_fault(NESTED_AT, data_abort(true), ESR_FSC_TRANSLATION | 3);
	assert_false(shadow_walk_failed(&vcpus[0]));
	/* where the VM cannot have memory, nobody is asked */
	guest_table(ROOT + 1)[0] = BIT(40) - SZ_4K + 3; /* in the VM, not mapped */
	assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), KEEL_EXIT_FAULT);
	vcpus[0].nested->page[VTTBR_EL2] |= BIT(40);
	(void)shadow_of(&vcpus[0]);
	assert_el2_fault(NESTED_AT, data_abort(true), ESR_FSC_ADDRESS_SIZE);
	/* memory that does not answer */
	(void)enter(&vcpus[0], 1, 0);
	machine_bad_page = pages[ROOT].v + 5 * 8;
	assert_el2_fault(NESTED_AT, data_abort(true), ESR_FSC_EXTABT_WALK | 1);
	machine_bad_page = 0;
}

/* Stage 1 from level 2 on, 30 bits: its root is the page @ipa, which has one table, which has one page. */
static enum s2_walk_end walk_stage1(u64 ipa, bool update, struct shadow_fault *f)
{
	const struct s2_tables tables = {
		.fmt = { .granule = GRANULE_4K,
			 .start_level = 2,
			 .root_tables = 1,
			 .ia_bits = 30,
			 .oa_bits = 40 },
		.address_bits = 40,
		.root = IPA(ipa),
	};

	return shadow_walk_stage1(&vcpus[0], &tables, IPA(0x1000), update, f);
}

static void make_stage1(u64 level3)
{
	guest_table(24)[0] = level3 + 3;
	guest_table(25)[1] = 26 * SZ_4K + 0x403;
}

static void stage_1s_tables_are_found_in_the_own_stage_2(void **state)
{
	struct shadow_fault f;

	make_stage1(25 * SZ_4K);
	assert_int_not_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, 25 * SZ_4K + 8);
	assert_int_equal(f.walk.level, 3);
	own_unmap(25);
	assert_int_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, 25 * SZ_4K + 8);
	assert_int_equal(f.walk.level, 3);
	assert_false(f.update);
	/* to be written */
	own_map(25, false);
	assert_int_not_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(walk_stage1(24 * SZ_4K, true, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, 25 * SZ_4K + 8);
	assert_true(f.update);
	/* where the VM has nothing, and memory that does not answer */
	make_stage1(BIT(40) - SZ_4K);
	assert_int_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_ASK_HOST);
	make_stage1(25 * SZ_4K);
	machine_bad_page = pages[24].v;
	assert_int_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_FAULT);
	assert_int_equal(f.walk.fsc, ESR_FSC_EXTABT_WALK | 2);
	machine_bad_page = 0;
}

static void a_nested_guests_stage_1_goes_into_its_shadow(void **state)
{
	struct shadow *shadow = enter(&vcpus[0], 1, 0);
	struct shadow_fault f;
	struct stage2_leaf leaf;

	make_stage1(NESTED_AT + SZ_4K);
	*entry_of(0, 0) = 24 * SZ_4K | D_LEAF | D_RW;
	/* the second table is not there, to the guest hypervisor */
	assert_int_equal(walk_stage1(NESTED_AT, false, &f), S2_WALK_FAULT);
	assert_int_equal(f.outcome, SHADOW_FOR_EL2);
	assert_int_equal(f.walk.fsc, ESR_FSC_TRANSLATION | 3);
	assert_true(lookup(shadow, NESTED_AT, &leaf));
	/* nor to the VM */
	*entry_of(0, 1) = 25 * SZ_4K | D_LEAF | D_RW;
	own_unmap(25);
	assert_int_equal(walk_stage1(NESTED_AT, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, 25 * SZ_4K + 8);
	assert_int_equal(f.walk.level, 3);
	own_map(25, false);
	assert_int_not_equal(walk_stage1(NESTED_AT, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.outcome, SHADOW_REPEAT);
	assert_true(lookup(shadow, NESTED_AT + SZ_4K, &leaf));
	assert_int_equal(leaf.pa.v, pages[25].v);
	assert_int_equal(walk_stage1(NESTED_AT, true, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, 25 * SZ_4K + 8);
	assert_true(f.update);
	/* a table of the guest hypervisor's */
	own_unmap(ROOT + 2);
	assert_int_equal(walk_stage1(NESTED_AT, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, (ROOT + 2) * SZ_4K);
	assert_int_equal(f.walk.level, 3);
	own_map(ROOT + 2, true);
}

/* FEAT_HAFDBS is promised, and VTCR_EL2.HA is 1. */
static void enter_with_access_flags(unsigned int vmid)
{
	mmfr1 = 1;
	set_key(&vcpus[0], vmid, 0);
	nested[0].page[VTCR_EL2] |= BIT(21);
	vcpu_change_s2(&vcpus[0], &shadow_of(&vcpus[0])->ctx);
}

static void access_flags_are_set_in_the_guest_hypervisors_tables(void **state)
{
	const u64 old = (22 * SZ_4K | D_LEAF | D_RW) & ~BIT(10);
	struct stage2_leaf leaf;

	enter_with_access_flags(1);
	*entry_of(0, 2) = old;
	*entry_of(0, 3) = old & ~BIT(7); /* what is not allowed does not make it young */
	assert_int_equal(fault(&vcpus[0], NESTED_AT + 2 * SZ_4K, data_abort(false)), VCPU_RESUME);
	assert_int_equal(to_el2 + asked, 0);
	assert_int_equal(*entry_of(0, 2), old | BIT(10));
	assert_true(lookup(nested[0].shadow, NESTED_AT + 2 * SZ_4K, &leaf));
	assert_el2_fault(NESTED_AT + 3 * SZ_4K, data_abort(true), ESR_FSC_PERMISSION | 3);
	assert_int_equal(*entry_of(0, 3), old & ~BIT(7));
}

/* The walk reads it, and needs the host to write it; if the host refuses, the walk has failed. */
static void a_table_that_the_vm_may_only_read_is_asked_for_to_write(void **state)
{
	const u64 old = (22 * SZ_4K | D_LEAF | D_RW) & ~BIT(10);

	enter_with_access_flags(1);
	*entry_of(0, 2) = old;
	own_unmap(ROOT + 2);
	own_map(ROOT + 2, false);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + 2 * SZ_4K, data_abort(false)),
			 KEEL_EXIT_FAULT);
	assert_int_equal(asked_ipa, (ROOT + 2) * SZ_4K + 16);
	assert_int_equal(asked_esr & ESR_FSC, ESR_FSC_PERMISSION);
	assert_true(asked_esr & ESR_S1PTW);
	assert_int_equal(*entry_of(0, 2), old);
	to_el2 = 0;
	assert_true(shadow_walk_failed(&vcpus[0]));
	assert_int_equal(to_el2, 1);
	assert_int_equal(el2_esr, (data_abort(false) & ~ESR_FSC) | ESR_FSC_EXTABT_WALK | 3);
	own_unmap(ROOT + 2);
	own_map(ROOT + 2, true);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + 2 * SZ_4K, data_abort(false)), VCPU_RESUME);
	assert_int_equal(*entry_of(0, 2), old | BIT(10));
}

/* What the VM's own stage 2 has as old is young once a nested guest has it, and so are tables. */
static void what_a_nested_guest_uses_is_young_in_the_own_stage_2(void **state)
{
	struct stage2 *own = &vm->s2.stage2;
	struct stage2_leaf leaf;
	bool young;

	(void)enter(&vcpus[0], 1, 0);
	*entry_of(0, 0) = 20 * SZ_4K | D_LEAF | D_RW;
	spin_lock(&own->lock);
	assert_int_equal(stage2_test_clear_young(own, IPA(0), PAGES * SZ_4K, &young, NULL), 0);
	assert_int_equal(stage2_lookup(own, IPA(20 * SZ_4K), &leaf), 0);
	assert_true(leaf.attrs & STAGE2_OLD);
	spin_unlock(&own->lock);
	assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), VCPU_RESUME);
	assert_int_equal(to_el2 + asked, 0);
	assert_true(lookup(nested[0].shadow, NESTED_AT, &leaf));
	spin_lock(&own->lock);
	for (unsigned int page = ROOT; page < FIRST_DATA; page++) {
		assert_int_equal(stage2_lookup(own, IPA(page * SZ_4K), &leaf), 0);
		assert_int_equal(!(leaf.attrs & STAGE2_OLD), page <= ROOT + 2);
	}
	assert_int_equal(stage2_lookup(own, IPA(20 * SZ_4K), &leaf), 0);
	assert_false(leaf.attrs & STAGE2_OLD);
	spin_unlock(&own->lock);
}

/* Unmapping takes what translates to it out of each shadow, and nothing else. */
static void only_what_is_unmapped_leaves_shadows(void **state)
{
	struct stage2_leaf leaf;

	for (unsigned int n = 0; n < ENTRIES; n++) {
		*entry_of(0, n) = (20 + n) * SZ_4K | D_LEAF | D_RW;
		*entry_of(1, n) = (20 + n % 4) * SZ_4K | D_LEAF | D_RW;
	}
	for (unsigned int vmid = 0; vmid < VCPUS * SHADOW_PER_VCPU; vmid++) {
		(void)enter(&vcpus[0], vmid, vmid & 1);
		for (unsigned int n = 0; n < ENTRIES; n++)
			assert_int_equal(fault(&vcpus[0], NESTED_AT + n * SZ_4K, data_abort(true)),
					 VCPU_RESUME);
	}
	for (unsigned int gone = 0; gone < ENTRIES; gone++) {
		own_unmap(20 + gone);
		for (struct shadow *s = vm->shadows->first; s; s = s->next)
			for (unsigned int n = 0; n < ENTRIES; n++) {
				unsigned int page = set_of(s) ? n % 4 : n;

				assert_int_equal(lookup(s, NESTED_AT + n * SZ_4K, &leaf),
						 page > gone);
			}
	}
}

/* ---- unmapping in steps ---- */

#define ALIASES 28 /* of one page in each shadow: more than are removed one by one */

/* Page 20 is at many addresses of each shadow, page 21 at one. */
static void alias_in_all_shadows(void)
{
	own_map(20, true);
	for (unsigned int n = 0; n < ALIASES; n++)
		*entry_of(0, n) = 20 * SZ_4K | D_LEAF | D_RW;
	*entry_of(0, ALIASES) = 21 * SZ_4K | D_LEAF | D_RW;
	for (unsigned int vmid = 0; vmid < VCPUS * SHADOW_PER_VCPU; vmid++) {
		(void)enter(&vcpus[0], vmid, 0);
		for (unsigned int n = 0; n <= ALIASES; n++)
			assert_int_equal(fault(&vcpus[0], NESTED_AT + n * SZ_4K, data_abort(true)),
					 VCPU_RESUME);
	}
}

static unsigned int count_of_page(unsigned int page)
{
	struct stage2_leaf leaf;
	unsigned int count = 0;

	for (struct shadow *s = vm->shadows->first; s; s = s->next)
		for (unsigned int n = 0; n <= ALIASES; n++)
			count += lookup(s, NESTED_AT + n * SZ_4K, &leaf) &&
				 leaf.pa.v == pages[page].v;
	return count;
}

static bool is_shared(unsigned int page)
{
	return ownership_state(pages[page]) == OWNERSHIP_SHARED;
}

/* What happens between two calls of an unmap: the page is not put in again, and stays the VM's. */
static void between_calls(unsigned int what)
{
	u64 done;

	switch (what) {
	case 0:
		return;
	case 1: /* an access to the page is for the host to answer */
	case 2:
		(void)enter(&vcpus[1], what, 0);
		assert_int_equal(fault(&vcpus[1], NESTED_AT, data_abort(true)), KEEL_EXIT_FAULT);
		assert_int_equal(asked_ipa, 20 * SZ_4K);
		return;
	case 3: /* another one is filled as ever */
		(void)enter(&vcpus[1], 0, 0);
		assert_int_equal(fault(&vcpus[1], NESTED_AT + ALIASES * SZ_4K, data_abort(true)),
				 VCPU_RESUME);
		assert_int_equal(to_el2 + asked, 0);
		return;
	case 4: /* a TLBI of the guest hypervisor's */
		assert_true(nested_tlbi(&vcpus[1], SYSREG_ENC(1, 4, 8, 3, 4), 0));
		return;
	default: /* another unmap, which does the rest of this one first */
		if (vm_unmap(vm, IPA(22 * SZ_4K), SZ_4K, 0, &done) != -EAGAIN)
			assert_int_equal(count_of_page(20), 0);
	}
}

static void an_unmap_ends_with_the_last_shadow(void **state)
{
	unsigned int calls, most = 0;

	for (unsigned int order = 0; order < 6 * 6 * 6; order++) {
		unsigned int gaps = order;
		u64 done;

		alias_in_all_shadows();
		assert_int_equal(count_of_page(20), ALIASES * VCPUS * SHADOW_PER_VCPU);
		for (calls = 1; vm_unmap(vm, IPA(20 * SZ_4K), SZ_4K, 0, &done) == -EAGAIN;
		     calls++, gaps /= 6) {
			assert_true(calls < 10);
			assert_int_equal(done, 0);
			assert_true(is_shared(20));
			between_calls(gaps % 6);
		}
		assert_int_equal(count_of_page(20), 0);
		assert_false(is_shared(20));
		most = MAX(most, calls);
		check_set();
		shadow_drop(&vcpus[1]);
		if (!own_mapped[22] || vm_unmap(vm, IPA(22 * SZ_4K), SZ_4K, 0, &done) == 0)
			own_map(22, true);
	}
	assert_true(most >= 4);
}

/* The host gives the page to the VM again before the unmap has ended: then it is the VM's after it. */
static void a_page_that_comes_back_meanwhile_stays(void **state)
{
	unsigned int calls = 0;
	u64 done;

	alias_in_all_shadows();
	assert_int_equal(vm_unmap(vm, IPA(20 * SZ_4K), SZ_4K, 0, &done), -EAGAIN);
	own_map(20, true);
	while (vm_unmap(vm, IPA(40 * SZ_4K), SZ_4K, 0, &done) == -EAGAIN)
		assert_true(calls++ < 10);
	assert_true(is_shared(20));
	assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), VCPU_RESUME);
	assert_int_equal(count_of_page(20), 1);
	own_unmap(20);
	assert_false(is_shared(20));
	assert_int_equal(count_of_page(20), 0);
}

/* finish() destroys the VM. */
static void a_vm_can_end_while_an_unmap_is_not_over(void **state)
{
	u64 done;

	alias_in_all_shadows();
	assert_int_equal(vm_unmap(vm, IPA(20 * SZ_4K), SZ_4K, 0, &done), -EAGAIN);
	assert_true(is_shared(20));
}

/* ---- write permission ---- */

static int protect(unsigned int page, u64 how)
{
	u64 done;
	int ret = vm_protect(vm, IPA(page * SZ_4K), SZ_4K, how, &done);

	if (ret == -EAGAIN)
		assert_int_equal(done, 0);
	return ret;
}

/* Reads go on in each shadow; a write is for the host to answer, and goes on once it has. */
static void what_is_not_to_be_written_leaves_shadows_writable_by_none(void **state)
{
	unsigned int calls = 1;
	struct stage2_leaf leaf;
	struct shadow *shadow;

	alias_in_all_shadows();
	for (; protect(20, KEEL_PROTECT_TAKE) == -EAGAIN; calls++)
		assert_true(calls < 10);
	assert_true(calls >= 4);
	assert_int_equal(count_of_page(20), 0);
	assert_int_equal(count_of_page(21), 0); /* the shadows were cleared: too many aliases */
	assert_true(is_shared(20));
	check_set();
	shadow = enter(&vcpus[0], 0, 0);
	assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(false)), VCPU_RESUME);
	assert_true(lookup(shadow, NESTED_AT, &leaf));
	assert_false(leaf.attrs & STAGE2_W);
	assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), KEEL_EXIT_FAULT);
	assert_int_equal(asked_ipa, 20 * SZ_4K);
	assert_int_equal(protect(20, KEEL_PROTECT_GIVE), 0);
	assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), VCPU_RESUME);
	assert_true(lookup(shadow, NESTED_AT, &leaf));
	assert_true(leaf.attrs & STAGE2_W);
	assert_int_equal(leaf.pa.v, pages[20].v);
}

/* Of one address no other leaves its shadow; what was not writable stays. */
static void only_what_was_writable_leaves_shadows(void **state)
{
	struct shadow *shadow = enter(&vcpus[0], 1, 0);
	struct stage2_leaf leaf;

	own_protect(22, false);
	for (unsigned int n = 0; n < 3; n++) {
		*entry_of(0, n) = (20 + n) * SZ_4K | D_LEAF | D_RW;
		assert_int_equal(fault(&vcpus[0], NESTED_AT + n * SZ_4K, data_abort(false)),
				 VCPU_RESUME);
	}
	own_protect(20, false);
	own_protect(22, false);
	assert_false(lookup(shadow, NESTED_AT, &leaf));
	assert_true(lookup(shadow, NESTED_AT + SZ_4K, &leaf));
	assert_true(leaf.attrs & STAGE2_W);
	assert_true(lookup(shadow, NESTED_AT + 2 * SZ_4K, &leaf));
	assert_false(leaf.attrs & STAGE2_W);
}

/* An unmap of another page first does what is left; the page stays the VM's, and its end is no loss. */
static void a_protection_that_is_given_up_is_finished_by_the_next_call(void **state)
{
	unsigned int calls = 0;
	u64 done;

	alias_in_all_shadows();
	assert_int_equal(protect(20, KEEL_PROTECT_TAKE), -EAGAIN);
	while (vm_unmap(vm, IPA(40 * SZ_4K), SZ_4K, 0, &done) == -EAGAIN)
		assert_true(calls++ < 10);
	assert_int_equal(count_of_page(20), 0);
	assert_true(is_shared(20));
	own_unmap(20);
	assert_false(is_shared(20));

	alias_in_all_shadows();
	assert_int_equal(vm_unmap(vm, IPA(20 * SZ_4K), SZ_4K, 0, &done), -EAGAIN);
	assert_true(is_shared(20));
	while (protect(22, KEEL_PROTECT_TAKE) == -EAGAIN)
		assert_true(calls++ < 20);
	assert_int_equal(count_of_page(20), 0);
	assert_false(is_shared(20));

	alias_in_all_shadows();
	assert_int_equal(protect(20, KEEL_PROTECT_TAKE),
			 -EAGAIN); /* and finish() destroys the VM */
}

/* Of a block, one page: what the shadows have of the block goes as a whole, by one address or 512. */
static void a_page_of_a_block_leaves_shadows_with_what_it_was_mapped_with(void **state)
{
	struct pa block = machine_alloc(512, SZ_2M);
	struct vm_mapped mapped = { 0 };
	struct stage2_leaf leaf;
	struct shadow *a, *b;
	u64 done;

	assert_int_equal(vm_topup(vm, machine_alloc(8, 8 * SZ_4K), 8), 0);
	assert_int_equal(vm_map(vm, IPA(SZ_1G), block, SZ_2M, KEEL_MAP_WRITE, &mapped), 0);
	guest_table(ROOT + 1)[1] = (SZ_1G | D_LEAF | D_RW) & ~2ULL;
	for (unsigned int n = 0; n < 4; n++)
		*entry_of(1, n) = (SZ_1G + n * SZ_4K) | D_LEAF | D_RW;
	a = enter(&vcpus[0], 1, 0);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_2M + 0x5000, data_abort(true)),
			 VCPU_RESUME);
	assert_true(lookup(a, NESTED_AT + SZ_2M, &leaf));
	assert_int_equal(leaf.size, SZ_2M);
	b = enter(&vcpus[1], 2, 1);
	for (unsigned int n = 0; n < 4; n++)
		assert_int_equal(fault(&vcpus[1], NESTED_AT + n * SZ_4K, data_abort(true)),
				 VCPU_RESUME);
	assert_int_equal(vm_unmap(vm, IPA(SZ_1G + 2 * SZ_4K), SZ_4K, 0, &done), 0);
	assert_false(lookup(a, NESTED_AT + SZ_2M, &leaf));
	for (unsigned int n = 0; n < 4; n++)
		assert_int_equal(lookup(b, NESTED_AT + n * SZ_4K, &leaf), n != 2);
	/* the rest of the block is pages of the VM's now, and the block of the guest hypervisor is too */
	assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_2M + 0x1000, data_abort(true)),
			 VCPU_RESUME);
	assert_true(lookup(a, NESTED_AT + SZ_2M + 0x1000, &leaf));
	assert_true(leaf.size < SZ_2M);
	while (vm_unmap(vm, IPA(SZ_1G), SZ_2M, KEEL_UNMAP_WHOLE, &done) == -EAGAIN)
		;
	assert_false(lookup(a, NESTED_AT + SZ_2M + 0x1000, &leaf));
}

/* Without a chunk for it, a reverse map is given up: then a shadow that may have a page is cleared. */
static void a_shadow_without_a_reverse_map_is_cleared(void **state)
{
	struct shadow *shadow = enter(&vcpus[0], 1, 0);
	struct stage2_leaf leaf;

	*entry_of(0, 0) = 20 * SZ_4K | D_LEAF | D_RW;
	*entry_of(0, 1) = 21 * SZ_4K | D_LEAF | D_RW;
	for (unsigned int n = 0; n < 2; n++)
		assert_int_equal(fault(&vcpus[0], NESTED_AT + n * SZ_4K, data_abort(true)),
				 VCPU_RESUME);
	rmap_give_up(&shadow->rmap);
	vm->shadows->pages -= 8;
	own_unmap(20);
	assert_false(lookup(shadow, NESTED_AT + SZ_4K, &leaf));
	assert_false(shadow->rmap.partial);
	assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_4K, data_abort(true)), VCPU_RESUME);
	own_unmap(22);
	assert_true(lookup(shadow, NESTED_AT + SZ_4K, &leaf));
}

/* ---- TLBIs ---- */

#define TLBI(op1, crn, crm, op2) SYSREG_ENC(1, op1, crn, crm, op2)

/* Each that removes one page: by its IPA, its VMID, all. With and without nXS. */
static u64 tlbi_by(unsigned int way, u64 ipa, u64 *xt)
{
	static const u16 by_ipa[] = { TLBI(4, 8, 0, 1), TLBI(4, 8, 0, 5), TLBI(4, 8, 4, 0),
				      TLBI(4, 8, 4, 1), TLBI(4, 8, 4, 4), TLBI(4, 8, 4, 5) };
	static const u16 by_range[] = { TLBI(4, 8, 0, 2), TLBI(4, 8, 0, 6), TLBI(4, 8, 4, 2),
					TLBI(4, 8, 4, 3), TLBI(4, 8, 4, 6), TLBI(4, 8, 4, 7) };
	static const u16 by_all[] = { TLBI(4, 8, 1, 4), TLBI(4, 8, 3, 4), TLBI(4, 8, 7, 4),
				      TLBI(4, 8, 1, 6), TLBI(4, 8, 3, 6), TLBI(4, 8, 7, 6) };
	u64 nxs = way & 1 ? 1 << 7 : 0, n = way / 2 % 6;

	switch (way / 12 % 5) {
	case 0:
		*xt = ipa >> 12;
		return by_ipa[n] + nxs;
	case 1:
		*xt = ipa >> 12 | 7ULL << 44; /* level 3, 4K */
		return by_ipa[n] + nxs;
	case 2:
		*xt = (ipa >> 12) | 1ULL << 46; /* two pages */
		return by_range[n] + nxs;
	case 3: /* ends behind the page */
		*xt = ((ipa >> 12) - 63) | 1ULL << 46 | 3ULL << 37 | 0ULL << 44 | 31ULL << 39;
		return by_range[n] + nxs;
	default:
		return by_all[n] + nxs;
	}
}

static void tlbi_of_page(struct vcpu *vcpu, unsigned int vmid, u64 ipa, unsigned int way)
{
	u64 was = vcpu->nested->page[VTTBR_EL2], xt = 0, encoding = tlbi_by(way, ipa, &xt);

	vcpu->nested->page[VTTBR_EL2] = (u64)vmid << 48 | 0x5000;
	assert_true(nested_tlbi(vcpu, (u32)encoding, xt));
	vcpu->nested->page[VTTBR_EL2] = was;
}

static void each_tlbi_removes_what_it_names(void **state)
{
	struct stage2_leaf leaf;

	for (unsigned int way = 0; way < 60; way++) {
		struct shadow *shadow = enter(&vcpus[0], 7, 0);

		*entry_of(0, 5) = 30 * SZ_4K | D_LEAF | D_RW;
		assert_int_equal(fault(&vcpus[0], NESTED_AT + 5 * SZ_4K, data_abort(true)),
				 VCPU_RESUME);
		assert_true(lookup(shadow, NESTED_AT + 5 * SZ_4K, &leaf));
		tlbi_of_page(&vcpus[1], 7, NESTED_AT + 5 * SZ_4K, way);
		if (lookup(shadow, NESTED_AT + 5 * SZ_4K, &leaf))
			fail_msg("way %u", way);
	}
}

/* At each level, after a walk that has read it; with other memory in its place. */
static void a_table_is_read_where_the_vm_has_it_now(void **state)
{
	(void)enter(&vcpus[0], 1, 0);
	for (unsigned int n = 0; n < 2; n++)
		*entry_of(0, n) = (20 + n) * SZ_4K | D_LEAF | D_RW;
	for (unsigned int table = ROOT; table < ROOT + 3; table++) {
		struct pa old = pages[table];

		assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), VCPU_RESUME);
		own_unmap(table);
		tlbi_of_page(&vcpus[1], 1, NESTED_AT + SZ_4K, 0); /* all levels again */
		assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_4K, data_abort(true)),
				 KEEL_EXIT_FAULT);
		assert_int_equal(ALIGN_DOWN(asked_ipa, SZ_4K), table * SZ_4K);
		pages[table] = machine_alloc(1, SZ_4K);
		memset(machine_host_page(pages[table]), 0, SZ_4K);
		own_map(table, true);
		assert_el2_fault(NESTED_AT + SZ_4K, data_abort(true),
				 ESR_FSC_TRANSLATION | (table - ROOT + 1));
		memcpy(machine_host_page(pages[table]), machine_host_page(old), SZ_4K);
		assert_int_equal(fault(&vcpus[0], NESTED_AT + SZ_4K, data_abort(true)),
				 VCPU_RESUME);
		assert_int_equal(to_el2 + asked, 0);
	}
}

static u64 translated_to(struct vcpu *vcpu, u64 ipa)
{
	struct stage2_leaf leaf;

	assert_int_equal(fault(vcpu, ipa, data_abort(true)), VCPU_RESUME);
	assert_int_equal(to_el2 + asked, 0);
	assert_true(lookup(shadow_current(vcpu), ipa, &leaf));
	return leaf.pa.v;
}

/* Until a TLBI, walks may begin at a table that the last one has come to; nor with another key. */
static void a_table_that_is_replaced_is_not_read_after_a_tlbi(void **state)
{
	const u64 other = 9, at = NESTED_AT + 5 * SZ_4K;

	*entry_of(0, 5) = 30 * SZ_4K | D_LEAF | D_RW;
	*entry_of(0, 6) = 31 * SZ_4K | D_LEAF | D_RW;
	*entry_of(1, 6) = 33 * SZ_4K | D_LEAF | D_RW;
	guest_table(other)[6] = 32 * SZ_4K | D_LEAF | D_RW;
	for (unsigned int way = 0; way < 60; way++) {
		(void)enter(&vcpus[0], 7, 0);
		assert_int_equal(translated_to(&vcpus[0], at), pages[30].v);
		guest_table(ROOT + 1)[0] = other * SZ_4K | 3;
		tlbi_of_page(&vcpus[1], 7, at, way);
		assert_int_equal(translated_to(&vcpus[0], at + SZ_4K), pages[32].v);
		guest_table(ROOT + 1)[0] = (ROOT + 2) * SZ_4K | 3;
		tlbi_of_page(&vcpus[1], 7, at + SZ_4K, way);
	}
	for (unsigned int vmid = 1; vmid < 24; vmid++) {
		(void)enter(&vcpus[0], vmid, vmid & 1);
		assert_int_equal(translated_to(&vcpus[0], at + SZ_4K), pages[vmid & 1 ? 33 : 31].v);
	}
}

static void other_tlbis_leave_it(void **state)
{
	static const u16 not [] = { TLBI(4, 8, 3, 0), TLBI(4, 8, 3, 1), TLBI(4, 8, 2, 1),
				    TLBI(0, 8, 3, 0), TLBI(0, 9, 7, 1), TLBI(0, 8, 6, 7) };
	static const u16 none[] = { TLBI(4, 8, 0, 0), TLBI(4, 8, 8, 1),	 TLBI(0, 8, 0, 1),
				    TLBI(0, 8, 3, 4), TLBI(4, 10, 3, 0), TLBI(0, 7, 1, 0),
				    TLBI(3, 8, 3, 0) };
	struct shadow *shadow = enter(&vcpus[0], 7, 0);
	struct stage2_leaf leaf;

	*entry_of(0, 5) = 30 * SZ_4K | D_LEAF | D_RW;
	assert_int_equal(fault(&vcpus[0], NESTED_AT + 5 * SZ_4K, data_abort(true)), VCPU_RESUME);
	for (unsigned int i = 0; i < ARRAY_SIZE(not ); i++)
		assert_true(nested_tlbi(&vcpus[0], not [i], 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(none); i++)
		assert_false(nested_tlbi(&vcpus[0], none[i], 0));
	for (unsigned int way = 0; way < 60; way++) /* another page, far away; another VMID */
		if (way / 12 % 5 < 3)
			tlbi_of_page(&vcpus[1], 7, NESTED_AT + 8 * SZ_1G + 32 * SZ_4K, way);
	for (unsigned int way = 0; way < 48; way++)
		tlbi_of_page(&vcpus[1], 8, NESTED_AT + 5 * SZ_4K, way);
	assert_true(lookup(shadow, NESTED_AT + 5 * SZ_4K, &leaf));
}

/* ---- EL2's own, without VHE ---- */

static enum vcpu_action el2_fault(u64 ipa, u64 esr)
{
	struct shadow_fault f;

	to_el2 = asked = 0;
	fault_ipa = ipa;
	return shadow_resolve_el2(&vcpus[0], esr, &f) ? VCPU_RESUME : shadow_conclude(&f);
}

static bool el2_has(unsigned int page, enum stage2_attrs perm)
{
	struct stage2_leaf leaf;

	if (!lookup(vm->shadows->el2, page * SZ_4K, &leaf))
		return false;
	assert_int_equal(leaf.pa.v, pages[page].v);
	return (leaf.attrs & STAGE2_RWX) == perm;
}

static void without_vhe_there_is_one_context_more_for_el2(void **state)
{
	const struct shadow_set *set = vm->shadows;

	assert_int_equal(count_shadows(), VCPUS * SHADOW_PER_VCPU);
	assert_int_equal(set->nr_shadows, VCPUS * SHADOW_PER_VCPU + 1);
	assert_ptr_equal(set->all, set->el2);
	assert_ptr_equal(set->el2->next, set->first);
	assert_true(set->el2->nr_chunks >= set->kept);
	assert_ptr_equal(shadow_current(&vcpus[0]), set->el2);
	assert_int_not_equal(set->el2->ctx.stage2.vttbr >> 48, vm->s2.stage2.vttbr >> 48);
	check_set();
}

static void without_vhe_el2s_context_is_the_identity(void **state)
{
	assert_int_equal(el2_fault(20 * SZ_4K + 8, data_abort(true)), VCPU_RESUME);
	assert_true(el2_has(20, STAGE2_RWX));
	own_unmap(21);
	assert_int_equal(el2_fault(21 * SZ_4K + 8, fetch_abort()), KEEL_EXIT_FAULT);
	assert_int_equal(asked_ipa, 21 * SZ_4K + 8);
	assert_int_equal(to_el2, 0);
	own_map(21, false);
	assert_int_equal(el2_fault(21 * SZ_4K, data_abort(true)), KEEL_EXIT_FAULT);
	assert_int_equal(el2_fault(21 * SZ_4K, data_abort(false)), VCPU_RESUME);
	assert_true(el2_has(21, STAGE2_R | STAGE2_X));
	/* beyond the VM's addresses */
	assert_int_equal(el2_fault(BIT(44), data_abort(false)), KEEL_EXIT_FAULT);
	/* what the VM loses, EL2 loses */
	own_protect(20, false);
	assert_false(el2_has(20, STAGE2_RWX));
	assert_int_equal(el2_fault(20 * SZ_4K, data_abort(false)), VCPU_RESUME);
	assert_true(el2_has(20, STAGE2_R | STAGE2_X));
	own_unmap(20);
	assert_false(el2_has(20, STAGE2_R | STAGE2_X));
	assert_true(el2_has(21, STAGE2_R | STAGE2_X));
	check_set();
}

/* A nested guest has 48 bits at most, and so have all other shadows. */
static void without_vhe_el2_reaches_all_of_the_vms_addresses(void **state)
{
	static const u64 at[] = { BIT(40), BIT(48), BIT(48) + SZ_4K, BIT(51), BIT(52) - SZ_4K };
	struct stage2_leaf leaf;

	(void)finish(state);
	start_nvhe_with(52);
	assert_int_equal(vm_topup(vm, machine_alloc(16, SZ_64K), 16), 0); /* for tables */
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		struct vm_mapped mapped = { 0 };

		assert_int_equal(el2_fault(at[i] + 8, data_abort(true)), KEEL_EXIT_FAULT);
		assert_int_equal(asked_ipa, at[i] + 8);
		own_unmap(20);
		assert_int_equal(vm_map(vm, IPA(at[i]), pages[20], SZ_4K, KEEL_MAP_WRITE, &mapped),
				 0);
		assert_int_equal(el2_fault(at[i] + 8, data_abort(true)), VCPU_RESUME);
		assert_true(lookup(vm->shadows->el2, at[i], &leaf));
		assert_int_equal(leaf.pa.v, pages[20].v);
		pages[20] = machine_alloc(1, SZ_4K);
		memset(machine_host_page(pages[20]), 0, SZ_4K);
		own_map(20, true);
	}
	assert_int_equal(vm->shadows->geometry.ia_bits, 48);
	assert_int_equal(vm->shadows->first->ctx.stage2.geometry.ia_bits, 48);
	check_set();
}

/* What stage 1 gives there is an address of the VM: hyp/trap/error.c. */
static void without_vhe_el2s_shadow_alone_is_the_identity(void **state)
{
	assert_true(vm->shadows->el2->ctx.identity);
	for (const struct shadow *s = vm->shadows->first; s; s = s->next)
		assert_false(s->ctx.identity);
}

static void without_vhe_a_table_of_el2s_stage_1_goes_into_its_context(void **state)
{
	struct shadow_fault f;

	make_stage1(25 * SZ_4K);
	own_unmap(25);
	assert_int_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_ASK_HOST);
	assert_int_equal(f.walk.desc.v, 25 * SZ_4K + 8);
	own_map(25, true);
	assert_int_not_equal(walk_stage1(24 * SZ_4K, false, &f), S2_WALK_ASK_HOST);
	assert_true(el2_has(25, STAGE2_RWX));
}

/* TLBIs by VMID or IPA are about nested guests, and EL1 without a stage 2 under its VMIDs. */
static void without_vhe_no_tlbi_is_about_el2s_context(void **state)
{
	static const struct {
		u16 encoding;
		bool of_el1;
	} rows[] = {
		{ TLBI(4, 8, 7, 4), true },  { TLBI(4, 8, 3, 6), true },
		{ TLBI(4, 8, 0, 1), false }, { TLBI(4, 8, 4, 6), false },
		{ TLBI(0, 8, 3, 0), true },  { TLBI(0, 8, 3, 1), true },
	};

	assert_int_equal(el2_fault(20 * SZ_4K, data_abort(true)), VCPU_RESUME);
	vm->shadows->plain_el1 = true;
	vm->shadows->plain_vmids[0] = BIT(5);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (u64 vmid = 4; vmid < 6; vmid++) {
			bool of_it = rows[i].of_el1 && (vmid == 5 || i == 0); /* ALLE1 */

			nested[0].page[VTTBR_EL2] = vmid << 48;
			machine_vmalle1is_vttbr = 0;
			assert_true(nested_tlbi(&vcpus[0], rows[i].encoding, 20));
			assert_int_equal(machine_vmalle1is_vttbr, of_it ? vm->s2.stage2.vttbr : 0);
			assert_true(el2_has(20, STAGE2_RWX));
		}
	}
}

static void without_vhe_tlbis_of_el2_have_no_asid(void **state)
{
	memset(own_tlbis, 0, sizeof(own_tlbis));
	assert_true(nested_tlbi_own_nvhe(&vcpus[0], TLBI(4, 8, 3, 1), ~0ULL));
	assert_int_equal(own_tlbis[1], 1);
	assert_int_equal(own_xt, GENMASK(47, 0));
	nested[0].page[HCR_EL2] = HCR_TGE;
	assert_false(nested_tlbi_own_nvhe(&vcpus[0], TLBI(0, 8, 3, 1), 0));
	assert_false(nested_tlbi_own(&vcpus[0], TLBI(0, 8, 3, 1), 0));
	assert_false(nested_tlbi_own_nvhe(&vcpus[0], TLBI(4, 8, 3, 6), 0));
}

/* ---- TLBIs in steps ---- */

#define TLBI_PC	 0x4000
#define TLBI_RT	 3
#define TLBI_ESR FIELD_PREP(ESR_SYS64_RT, TLBI_RT)

/* The trap of a TLBI, and the runs after it. */
static enum vcpu_action trap_tlbi(struct vcpu *vcpu, u64 encoding, u64 xt)
{
	vcpu->regs.pc = TLBI_PC;
	vcpu->regs.x[TLBI_RT] = xt;
	assert_true(nested_tlbi(vcpu, (u32)encoding, xt));
	if (nested_tlbi_is_left(vcpu, TLBI_ESR))
		return vcpu_to_host(KEEL_EXIT_IRQ);
	trap_step_over(vcpu, TLBI_ESR);
	return VCPU_RESUME;
}

/* Each VMID's shadow has the first page of its tables. */
static void fill_shadows(void)
{
	for (unsigned int vmid = 0; vmid < VCPUS * SHADOW_PER_VCPU; vmid++) {
		*entry_of(vmid & 1, 0) = 20 * SZ_4K | D_LEAF | D_RW;
		(void)enter(&vcpus[0], vmid, vmid & 1);
		assert_int_equal(fault(&vcpus[0], NESTED_AT, data_abort(true)), VCPU_RESUME);
	}
	vcpus[0].nested->page[HCR_EL2] = 0;
}

static unsigned int count_filled(void)
{
	struct stage2_leaf leaf;
	unsigned int n = 0;

	for (struct shadow *s = vm->shadows->first; s; s = s->next)
		n += lookup(s, NESTED_AT, &leaf);
	return n;
}

static void a_tlbi_ends_after_each_shadow_if_the_host_is_interrupted(void **state)
{
	static const u16 all = TLBI(4, 8, 3, 4);

	for (unsigned int waits = 0; waits < 2; waits++) {
		unsigned int left = VCPUS * SHADOW_PER_VCPU;
		enum vcpu_action action;

		fill_shadows();
		machine_interrupt_waits = waits;
		action = trap_tlbi(&vcpus[0], all, 0);
		while (waits && --left) {
			assert_int_equal(action, KEEL_EXIT_IRQ);
			assert_int_equal(vcpus[0].regs.pc, TLBI_PC);
			assert_int_equal(count_filled(), left);
			action = nested_tlbi_resume(&vcpus[0]);
		}
		assert_int_equal(action, VCPU_RESUME);
		assert_int_equal(vcpus[0].regs.pc, TLBI_PC + 4);
		assert_int_equal(count_filled(), 0);
		assert_int_equal(nested_tlbi_resume(&vcpus[0]), VCPU_RESUME);
		assert_int_equal(vcpus[0].regs.pc, TLBI_PC + 4);
	}
}

static void change_before_resume(struct vcpu *vcpu, unsigned int what)
{
	switch (what) {
	case 0:
		vcpu->regs.pc += 8;
		break;
	case 1:
		vcpu->regs.pstate |= PSR_DAIF;
		break;
	case 2:
		vcpu->regs.x[TLBI_RT]++;
		break;
	case 3:
		vcpu->nested->page[VTTBR_EL2] ^= BIT(48);
		break;
	default:
		vcpu->nested->page[HCR_EL2] |= HCR_TGE;
	}
}

/* Another instruction, or this one with other operands: the guest executes it as a whole then. */
static void a_tlbi_that_userspace_changes_begins_again(void **state)
{
	for (unsigned int what = 0; what < 5; what++) {
		struct vcpu *vcpu = &vcpus[0];
		u64 pc = TLBI_PC + (what == 0 ? 8 : 0);

		fill_shadows();
		vcpu->regs.pstate = PSR_MODE_EL1h;
		vcpu->nested->page[VTTBR_EL2] = vm->shadows->first->key.vttbr;
		machine_interrupt_waits = true;
		assert_int_equal(trap_tlbi(vcpu, TLBI(0, 8, 3, 0), 5), KEEL_EXIT_IRQ);
		change_before_resume(vcpu, what);
		assert_int_equal(nested_tlbi_resume(vcpu), VCPU_RESUME);
		assert_int_equal(vcpu->regs.pc, pc);
		assert_int_equal(nested_tlbi_resume(vcpu), VCPU_RESUME);
		assert_int_equal(vcpu->regs.pc, pc);
		vcpu->nested->page[HCR_EL2] = 0;
	}
}

/* What the other vCPU does between two steps of a TLBI. */
#define OTHER_ACTS 6

static void other_acts(unsigned int what)
{
	struct vcpu *vcpu = &vcpus[1];

	switch (what) {
	case 0:
		return;
	case 1:
	case 2:
	case 3: /* in a shadow that has been cleared, in one that has not, in a recycled one */
		(void)enter(vcpu, what == 3 ? 9 : 3 * (what - 1), 0);
		assert_int_equal(fault(vcpu, NESTED_AT, data_abort(true)), VCPU_RESUME);
		return;
	case 4:
		shadow_drop(vcpu);
		return;
	default: /* the next step of its own, or the first */
		if (vcpu->nested->tlbi.next)
			(void)nested_tlbi_resume(vcpu);
		else
			(void)trap_tlbi(vcpu, TLBI(4, 8, 3, 4), 0);
	}
}

static void assert_nothing_stale(unsigned int order)
{
	struct stage2_leaf leaf;

	for (struct shadow *s = vm->shadows->first; s; s = s->next)
		if (lookup(s, NESTED_AT, &leaf) && leaf.pa.v != pages[21].v)
			fail_msg("order %u: VMID %u", order, shadow_vmid(s->key.vttbr));
}

/* Page 20 is taken away before the TLBI begins: when it ends, no shadow has it. */
static void run_order(unsigned int order, u64 encoding, u64 xt)
{
	enum vcpu_action action;
	unsigned int gaps = order;

	fill_shadows();
	*entry_of(0, 0) = *entry_of(1, 0) = 21 * SZ_4K | D_LEAF | D_RW;
	machine_interrupt_waits = true;
	action = trap_tlbi(&vcpus[0], encoding, xt);
	for (; action != VCPU_RESUME; gaps /= OTHER_ACTS) {
		other_acts(gaps % OTHER_ACTS);
		action = nested_tlbi_resume(&vcpus[0]);
	}
	assert_int_equal(vcpus[0].regs.pc, TLBI_PC + 4);
	assert_nothing_stale(order);
	check_set();
	machine_interrupt_waits = false;
	vcpus[1].nested->tlbi.next = NULL;
	shadow_drop(&vcpus[1]);
	(void)trap_tlbi(&vcpus[1], TLBI(4, 8, 3, 4), 0);
}

/* The same of TLBIs by VMID: one for each shadow. */
static void run_order_of_vmid(unsigned int order, unsigned int vmid, u64 encoding)
{
	struct stage2_leaf leaf;

	fill_shadows();
	*entry_of(0, 0) = *entry_of(1, 0) = 21 * SZ_4K | D_LEAF | D_RW;
	machine_interrupt_waits = true;
	vcpus[0].nested->page[VTTBR_EL2] = (u64)vmid << 48;
	if (trap_tlbi(&vcpus[0], encoding, NESTED_AT >> 12) != VCPU_RESUME) {
		other_acts(order);
		vcpus[0].nested->page[VTTBR_EL2] = (u64)vmid << 48;
		assert_int_equal(nested_tlbi_resume(&vcpus[0]), VCPU_RESUME);
	}
	machine_interrupt_waits = false;
	for (struct shadow *s = vm->shadows->first; s; s = s->next)
		if (shadow_vmid(s->key.vttbr) == vmid && lookup(s, NESTED_AT, &leaf))
			assert_int_equal(leaf.pa.v, pages[21].v);
	vcpus[1].nested->tlbi.next = NULL;
	shadow_drop(&vcpus[1]);
	(void)trap_tlbi(&vcpus[1], TLBI(4, 8, 3, 4), 0);
}

static void any_order_of_steps_leaves_nothing_stale(void **state)
{
	static const u16 tlbis[] = { TLBI(4, 8, 3, 4), TLBI(4, 8, 3, 6), TLBI(4, 8, 4, 1) };

	for (unsigned int order = 0; order < OTHER_ACTS * OTHER_ACTS * OTHER_ACTS; order++)
		run_order(order, tlbis[0], 0);
	for (unsigned int order = 0; order < OTHER_ACTS; order++)
		for (unsigned int vmid = 0; vmid < VCPUS * SHADOW_PER_VCPU; vmid++)
			run_order_of_vmid(order, vmid, tlbis[1 + order % 2]);
}

/* With the operand as it is: under the VM's own VMID, EL2's translations are those of EL1's regime. */
static void tlbis_of_el2_are_those_of_el1(void **state)
{
	static const struct {
		u16 encoding;
		u8 tge, does;
	} rows[] = {
		{ TLBI(4, 8, 3, 1), 0, 1 }, { TLBI(4, 8, 7, 1), 1, 1 }, { TLBI(4, 9, 1, 5), 0, 4 },
		{ TLBI(4, 8, 3, 0), 0, 0 }, { TLBI(4, 8, 2, 1), 0, 6 }, { TLBI(4, 9, 5, 5), 0, 8 },
		{ TLBI(0, 8, 3, 0), 1, 0 }, { TLBI(0, 8, 7, 1), 1, 1 }, { TLBI(0, 9, 1, 2), 1, 2 },
		{ TLBI(0, 8, 3, 3), 1, 3 }, { TLBI(0, 8, 3, 5), 1, 4 }, { TLBI(0, 8, 3, 7), 1, 5 },
		{ TLBI(0, 8, 2, 1), 1, 6 }, { TLBI(0, 8, 5, 3), 1, 7 }, { TLBI(0, 8, 6, 5), 1, 8 },
		{ TLBI(0, 8, 6, 7), 1, 9 },
	};

	for (u64 i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(own_tlbis, 0, sizeof(own_tlbis));
		vcpus[0].nested->page[HCR_EL2] = rows[i].tge ? HCR_TGE : 0;
		assert_true(nested_tlbi(&vcpus[0], rows[i].encoding, 0x1234567 + i));
		for (unsigned int n = 1; n < ARRAY_SIZE(own_tlbis); n++)
			assert_int_equal(own_tlbis[n], n == rows[i].does);
		assert_true(!rows[i].does || own_xt == 0x1234567 + i);
	}
	memset(own_tlbis, 0, sizeof(own_tlbis));
	vcpus[0].nested->page[HCR_EL2] = 0; /* EL1's are a nested guest's */
	assert_true(nested_tlbi(&vcpus[0], TLBI(0, 8, 3, 1), 0));
	assert_int_equal(own_tlbis[1], 0);
}

/* ESR_EL2 of the trap; the operand is in x3. */
static u64 esr_of_tlbi(u32 encoding, bool read)
{
	return FIELD_PREP(ESR_EC, ESR_EC_SYS64) | ESR_IL | TLBI_ESR | read |
	       FIELD_PREP(ESR_SYS64_OP0, encoding >> 14) |
	       FIELD_PREP(ESR_SYS64_OP1, encoding >> 11 & 7) |
	       FIELD_PREP(ESR_SYS64_CRN, encoding >> 7 & 15) |
	       FIELD_PREP(ESR_SYS64_CRM, encoding >> 3 & 15) |
	       FIELD_PREP(ESR_SYS64_OP2, encoding & 7);
}

/* By all names of EL2: what is of its own translations is done as by the long way, the rest is not. */
static void the_early_exit_has_the_tlbis_of_el2s_own(void **state)
{
	struct vcpu *vcpu = &vcpus[0];
	unsigned int count = 0;

	vcpu->nested->page[HCR_EL2] = 0;
	vcpu->regs.x[TLBI_RT] = 0x7654321;
	for (u32 encoding = 0; encoding < 0x10000; encoding++) {
		bool named = (encoding & ~0xffU) == TLBI(4, 8, 0, 0), done;
		u64 expected[ARRAY_SIZE(own_tlbis)];

		assert_int_equal(nested_is_el2_tlbi(esr_of_tlbi(encoding, false)), named);
		assert_false(nested_is_el2_tlbi(esr_of_tlbi(encoding, true)));
		if (!named)
			continue;
		memset(own_tlbis, 0, sizeof(own_tlbis));
		done = nested_tlbi_own(vcpu, encoding, 0x7654321);
		memcpy(expected, own_tlbis, sizeof(expected));
		memset(own_tlbis, 0, sizeof(own_tlbis));
		own_xt = 0x7654321;
		fake_sysreg_set("elr_el2", TLBI_PC);
		fake_sysreg_set("spsr_el2", 0x9 | PSR_SS | PSR_BTYPE);
		assert_int_equal(nested_tlbi_at_once(vcpu, esr_of_tlbi(encoding, false)), done);
		assert_memory_equal(own_tlbis, expected, sizeof(expected));
		assert_int_equal(own_xt, 0x7654321);
		assert_int_equal(fake_sysreg_get("elr_el2"), TLBI_PC + (done ? 4 : 0));
		assert_int_equal(fake_sysreg_get("spsr_el2"),
				 done ? 0x9 : 0x9 | PSR_SS | PSR_BTYPE);
		count += done;
	}
	assert_int_equal(count, 2 * (3 * 3 + 3 * 2)); /* each with and without nXS */
}

/* A block whose parts are pages in the shadow, since they are in the VM's own stage 2. */
static void any_address_of_a_block_removes_all_of_it(void **state)
{
	struct stage2_leaf leaf;

	guest_table(ROOT + 1)[1] = 0 | D_LEAF | D_RW;
	guest_table(ROOT + 1)[1] &= ~2ULL; /* 2 MiB at IPA 0 of the VM */
	for (unsigned int way = 0; way < 60; way++) {
		struct shadow *shadow = enter(&vcpus[0], 7, 0);

		for (unsigned int i = FIRST_DATA; i < PAGES; i += 7)
			assert_int_equal(
				fault(&vcpus[0], NESTED_AT + SZ_2M + i * SZ_4K, data_abort(true)),
				VCPU_RESUME);
		if (way / 12 % 5 == 1 || way / 12 % 5 == 3) /* their hint would be wrong */
			continue;
		tlbi_of_page(&vcpus[0], 7, NESTED_AT + SZ_2M + 300 * SZ_4K, way);
		for (unsigned int i = FIRST_DATA; i < PAGES; i += 7)
			assert_false(lookup(shadow, NESTED_AT + SZ_2M + i * SZ_4K, &leaf));
	}
}

/* ---- counters ---- */

static u64 stat_of(u64 which)
{
	u64 value = ~0ULL;

	for (unsigned int i = 0; i < VCPUS; i++) /* the VM's destruction must not see them */
		vm->vcpus[i] = &vcpus[i];
	assert_int_equal(vm_nested_stat(vm, which, &value), 0);
	memset(vm->vcpus, 0, sizeof(vm->vcpus));
	return value;
}

static void counters_tell_what_has_happened(void **state)
{
	const struct shadow_set *set = vm->shadows;
	u64 value = 5, shadows = VCPUS * SHADOW_PER_VCPU;

	assert_int_equal(stat_of(KEEL_NESTED_CONTEXTS), shadows);
	assert_int_equal(stat_of(KEEL_NESTED_KEYED) + stat_of(KEEL_NESTED_USED), 0);
	assert_int_equal(
		stat_of(KEEL_NESTED_BYTES),
		shadows * (set->geometry.root_size + ((u64)set->kept << set->chunk_order) * SZ_4K));
	for (unsigned int which = KEEL_NESTED_MAPPED; which < KEEL_NESTED_COUNT; which++)
		assert_int_equal(stat_of(which), 0);
	fill_shadows(); /* four misses, four faults */
	(void)enter(&vcpus[1], 1, 1);
	(void)enter(&vcpus[1], 9, 0);
	assert_int_equal(stat_of(KEEL_NESTED_KEYED), shadows);
	assert_int_equal(stat_of(KEEL_NESTED_USED), 2);
	assert_int_equal(stat_of(KEEL_NESTED_MAPPED), 3);
	assert_int_equal(stat_of(KEEL_NESTED_HITS), 1);
	assert_int_equal(stat_of(KEEL_NESTED_MISSES), 5);
	assert_int_equal(stat_of(KEEL_NESTED_RECYCLED), 1);
	assert_int_equal(stat_of(KEEL_NESTED_CLEARED), 1);
	assert_int_equal(stat_of(KEEL_NESTED_FILLED), 4);
	own_unmap(20);
	assert_int_equal(stat_of(KEEL_NESTED_FORGOTTEN), 3);
	assert_int_equal(stat_of(KEEL_NESTED_MAPPED), 0);
	assert_int_equal(fault(&vcpus[1], NESTED_AT, data_abort(true)), KEEL_EXIT_FAULT);
	assert_int_equal(fault(&vcpus[1], 0, data_abort(true)), VCPU_RESUME);
	assert_int_equal(stat_of(KEEL_NESTED_TO_HOST), 1);
	assert_int_equal(stat_of(KEEL_NESTED_TO_EL2), 1);
	for (unsigned int way = 0; way < 60; way++)
		tlbi_of_page(&vcpus[0], 7, NESTED_AT, way);
	assert_true(nested_tlbi(&vcpus[1], TLBI(4, 8, 3, 1), 0));
	assert_true(nested_tlbi(&vcpus[1], TLBI(0, 8, 3, 0), 0));
	assert_int_equal(stat_of(KEEL_NESTED_TLBI_IPA), 48);
	assert_int_equal(stat_of(KEEL_NESTED_TLBI_ALL), 12);
	assert_int_equal(stat_of(KEEL_NESTED_TLBI_EL2), 1);
	assert_int_equal(stat_of(KEEL_NESTED_TLBI_STAGE1), 1);
	assert_int_equal(vm_nested_stat(vm, KEEL_NESTED_COUNT, &value), -EINVAL);
	assert_int_equal(vm_nested_stat(vm, ~0ULL, &value), -EINVAL);
	assert_int_equal(value, 5);
}

/* ---- pages ---- */

static void a_guest_hypervisor_uses_no_more_pages_than_there_are(void **state)
{
	u64 donated = vm->donated_pages;
	unsigned int cleared = 0;
	struct stage2_leaf leaf;

	/* every 2 MiB of the nested guest's space shows the same 2 MiB */
	for (unsigned int i = 0; i < 512; i++)
		guest_table(ROOT + 1)[i] = (ROOT + 2) * SZ_4K | 3;
	for (unsigned int i = 0; i < 64; i++)
		guest_table(ROOT)[i] = (ROOT + 1) * SZ_4K | 3;
	*entry_of(0, 0) = 20 * SZ_4K | D_LEAF | D_RW;
	for (unsigned int i = 0; i < 3000; i++) {
		struct shadow *shadow = enter(&vcpus[i & 1], i / 1000, 0);
		unsigned int before = free_chunks();

		assert_int_equal(fault(&vcpus[i & 1], (u64)i * SZ_2M, data_abort(true)),
				 VCPU_RESUME);
		assert_true(lookup(shadow, (u64)i * SZ_2M, &leaf));
		assert_int_equal(leaf.pa.v, pages[20].v);
		cleared += free_chunks() > before;
		if (i % 100 == 0)
			check_set();
	}
	assert_true(cleared > 2);
	assert_int_equal(vm->donated_pages, donated);
	own_unmap(20);
	assert_int_equal(free_chunks(),
			 vm->shadows->pages / 8 - count_shadows() * vm->shadows->kept);
}

/* Every GiB of the nested guest's space shows the same page, at its begin. */
static void show_page_in_each_gib(void)
{
	for (unsigned int i = 0; i < 512; i++)
		guest_table(ROOT)[i] = (ROOT + 1) * SZ_4K | 3;
	*entry_of(0, 0) = 20 * SZ_4K | D_LEAF | D_RW;
}

static void touch(struct vcpu *vcpu, unsigned int gib)
{
	assert_int_equal(fault(vcpu, gib * SZ_1G, data_abort(true)), VCPU_RESUME);
	assert_int_equal(to_el2 + asked, 0);
}

/*
 * One instruction: its own page and two of data, each behind four tables of stage 1. If they are
 * not in the shadow together, the instruction faults for ever.
 */
#define AT_ONCE 15

static void one_shadow_cannot_keep_others_from_running(void **state)
{
	struct stage2_leaf leaf;
	struct shadow *greedy, *small;

	show_page_in_each_gib();
	greedy = enter(&vcpus[0], 1, 0);
	for (unsigned int i = 0; free_chunks(); i++)
		touch(&vcpus[0], i);
	for (unsigned int vmid = 2; vmid < 5; vmid++) {
		small = enter(&vcpus[1], vmid, 0);
		assert_ptr_not_equal(small, greedy);
		for (unsigned int i = 0; i < AT_ONCE; i++)
			touch(&vcpus[1], 40 + i);
		for (unsigned int i = 0; i < AT_ONCE; i++)
			assert_true(lookup(small, (40 + i) * SZ_1G, &leaf));
		check_set();
		for (unsigned int i = 100; free_chunks(); i++)
			touch(&vcpus[0], i);
	}
}

/* One more vCPU is initialized step by step, while another one's nested guest takes all that it gets. */
static void new_shadows_have_their_pages_whatever_the_others_take(void **state)
{
	struct vcpu late = { .vm = vm, .s2 = &vm->s2, .index = VCPUS };
	unsigned int gib = 0, calls = 0;

	show_page_in_each_gib();
	(void)enter(&vcpus[0], 1, 0);
	assert_int_equal(vm_topup(vm, machine_alloc(512, SZ_2M), 512), 0);
	do {
		for (; free_chunks(); gib++)
			touch(&vcpus[0], gib);
		assert_true(calls++ < 60);
	} while (shadow_prepare(&late));
	assert_true(calls > 10);
	assert_int_equal(count_shadows(), (VCPUS + 1) * SHADOW_PER_VCPU);
	check_set();
}

/* Of a root of 4096 entries 2048 are used at most, so that clearing them is bounded. */
static void a_part_of_a_large_root_is_used_at_a_time(void **state)
{
	struct stage2_leaf leaf;
	struct shadow *shadow;
	struct spinlock *lock;
	unsigned int cleared = 0;

	(void)finish(state);
	start_with(42, VM_EL2_VHE);
	shadow = enter(&vcpus[0], 1, 0);
	lock = &vm->s2.stage2.lock;
	for (unsigned int i = 0; i < 64; i++) {
		u64 ipa = (u64)(i * 5 % 64) << 36;
		const struct s2_composed composed = { IPA(ipa), pages[20], SZ_4K, STAGE2_RW };
		u64 parts = shadow->root_parts;

		spin_lock(lock);
		assert_int_equal(shadow_map(vm->shadows, shadow, &composed), 0);
		spin_unlock(lock);
		assert_true(lookup(shadow, ipa, &leaf));
		assert_true(shadow->root_parts >> (ipa >> 36) & 1);
		assert_true(__builtin_popcountll(shadow->root_parts) <= 32);
		cleared += parts & ~shadow->root_parts ? 1 : 0;
	}
	assert_int_equal(cleared, 1);
}

/* ---- everything at random ---- */

static const u64 perms[] = { D_RW, BIT(6), D_RW | D_XN, BIT(6) | D_XN, 0, BIT(7) | D_XN };

/* What the guest hypervisor's tables and the VM's own allow of an access, by their models. */
static bool both_allow(unsigned int set, unsigned int n, enum stage2_attrs needs, u64 *pa)
{
	u64 entry = *entry_of(set, n);
	unsigned int page = (unsigned int)((entry & GENMASK(47, 12)) / SZ_4K), may = 0;

	if (!(entry & 1) || page >= PAGES || !own_mapped[page])
		return false;
	may |= entry & BIT(6) ? STAGE2_R : 0;
	may |= entry & BIT(7) && own_writable[page] ? STAGE2_W : 0;
	may |= entry & D_XN ? 0 : STAGE2_X;
	*pa = pages[page].v;
	return !(needs & ~may);
}

static unsigned int check_contents(void)
{
	unsigned int entries = 0;

	for (struct shadow *s = vm->shadows->first; s; s = s->next) {
		for (unsigned int n = 0; n < ENTRIES; n++) {
			struct stage2_leaf leaf;
			u64 pa;

			if (!s->valid || !lookup(s, NESTED_AT + n * SZ_4K, &leaf))
				continue;
			entries++;
			assert_true(both_allow(set_of(s), n, leaf.attrs & STAGE2_RWX, &pa));
			assert_int_equal(leaf.pa.v, pa);
			assert_int_equal(leaf.size, SZ_4K);
		}
	}
	return entries;
}

static void access_until_it_is_over(struct vcpu *vcpu, unsigned int n)
{
	static const enum stage2_attrs needs[] = { STAGE2_R, STAGE2_W, STAGE2_PX };
	unsigned int kind = machine_random(3), tries;
	u64 ipa = NESTED_AT + n * SZ_4K, pa;
	struct shadow *shadow = shadow_current(vcpu);

	for (tries = 0; tries < 2; tries++) {
		struct stage2_leaf leaf;

		if (lookup(shadow, ipa, &leaf) && (leaf.attrs & needs[kind])) {
			assert_true(both_allow(set_of(shadow), n, needs[kind], &pa));
			assert_int_equal(leaf.pa.v, pa);
			return;
		}
		if (fault(vcpu, ipa, kind == 2 ? fetch_abort() : data_abort(kind == 1)) !=
		    VCPU_RESUME) {
			unsigned int page = (unsigned int)(asked_ipa / SZ_4K);

			assert_false(both_allow(set_of(shadow), n, needs[kind], &pa));
			if (page < PAGES && !own_mapped[page])
				own_map(page, machine_random(4));
			return;
		}
		if (to_el2) {
			assert_false(both_allow(set_of(shadow), n, needs[kind], &pa));
			return;
		}
	}
	fail_msg("the access does not end");
}

static void change_entry(unsigned int vmids)
{
	unsigned int set = machine_random(TABLE_SETS), n = machine_random(ENTRIES);
	u64 page = FIRST_DATA + machine_random(PAGES - FIRST_DATA + 4), entry;

	entry = page * SZ_4K | D_LEAF | perms[machine_random(ARRAY_SIZE(perms))];
	*entry_of(set, n) = machine_random(4) ? entry : 0;
	for (unsigned int vmid = 0; vmid < vmids; vmid++)
		tlbi_of_page(&vcpus[machine_random(VCPUS)], vmid, NESTED_AT + n * SZ_4K,
			     machine_random(60));
}

static void at_random_a_shadow_has_what_both_tables_say(void **state)
{
	unsigned int entries = 0;

	machine_seed(4711);
	for (unsigned int i = 0; i < VCPUS; i++)
		(void)enter(&vcpus[i], i, 0);
	for (unsigned int step = 0; step < 60000; step++) {
		struct vcpu *vcpu = &vcpus[machine_random(VCPUS)];
		unsigned int page = FIRST_DATA + machine_random(PAGES - FIRST_DATA);

		switch (machine_random(16)) {
		case 0:
			(void)enter(vcpu, machine_random(3), machine_random(TABLE_SETS));
			break;
		case 1:
		case 2:
			change_entry(3);
			break;
		case 3:
			if (own_mapped[page])
				own_unmap(page);
			else
				own_map(page, machine_random(2));
			break;
		case 4:
			if (own_mapped[page])
				own_protect(page, machine_random(2));
			break;
		default:
			access_until_it_is_over(vcpu, machine_random(ENTRIES));
		}
		entries += check_contents();
		if (step % 1000 == 0)
			check_set();
	}
	assert_true(entries > 50000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, finish)
	const struct CMUnitTest tests[] = {
#define NVHE(f) cmocka_unit_test_setup_teardown(f, start_nvhe, finish)
		NVHE(without_vhe_there_is_one_context_more_for_el2),
		NVHE(without_vhe_el2s_context_is_the_identity),
		NVHE(without_vhe_el2_reaches_all_of_the_vms_addresses),
		NVHE(without_vhe_el2s_shadow_alone_is_the_identity),
		NVHE(without_vhe_a_table_of_el2s_stage_1_goes_into_its_context),
		NVHE(without_vhe_no_tlbi_is_about_el2s_context),
		NVHE(without_vhe_tlbis_of_el2_have_no_asid),
		TEST(each_vcpu_brings_shadows_and_pages_once),
		TEST(the_same_key_is_the_same_shadow),
		TEST(stage_1s_tables_are_found_in_the_own_stage_2),
		TEST(a_nested_guests_stage_1_goes_into_its_shadow),
		TEST(the_one_that_was_left_first_is_taken),
		TEST(a_vmid_has_no_more_shadows_than_there_are_vcpus),
		TEST(any_order_of_two_vcpus_keeps_references),
		TEST(a_fault_is_whose_it_is),
		TEST(a_table_is_asked_for_as_memory),
		TEST(access_flags_are_set_in_the_guest_hypervisors_tables),
		TEST(a_table_that_the_vm_may_only_read_is_asked_for_to_write),
		TEST(what_a_nested_guest_uses_is_young_in_the_own_stage_2),
		TEST(a_table_is_read_where_the_vm_has_it_now),
		TEST(only_what_is_unmapped_leaves_shadows),
		TEST(an_unmap_ends_with_the_last_shadow),
		TEST(a_page_that_comes_back_meanwhile_stays),
		TEST(a_vm_can_end_while_an_unmap_is_not_over),
		TEST(what_is_not_to_be_written_leaves_shadows_writable_by_none),
		TEST(only_what_was_writable_leaves_shadows),
		TEST(a_protection_that_is_given_up_is_finished_by_the_next_call),
		TEST(a_page_of_a_block_leaves_shadows_with_what_it_was_mapped_with),
		TEST(a_shadow_without_a_reverse_map_is_cleared),
		TEST(each_tlbi_removes_what_it_names),
		TEST(a_table_that_is_replaced_is_not_read_after_a_tlbi),
		TEST(other_tlbis_leave_it),
		TEST(a_tlbi_ends_after_each_shadow_if_the_host_is_interrupted),
		TEST(a_tlbi_that_userspace_changes_begins_again),
		TEST(any_order_of_steps_leaves_nothing_stale),
		TEST(tlbis_of_el2_are_those_of_el1),
		TEST(the_early_exit_has_the_tlbis_of_el2s_own),
		TEST(any_address_of_a_block_removes_all_of_it),
		TEST(counters_tell_what_has_happened),
		TEST(a_guest_hypervisor_uses_no_more_pages_than_there_are),
		TEST(one_shadow_cannot_keep_others_from_running),
		TEST(new_shadows_have_their_pages_whatever_the_others_take),
		TEST(a_part_of_a_large_root_is_used_at_a_time),
		TEST(at_random_a_shadow_has_what_both_tables_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
