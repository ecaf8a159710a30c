// SPDX-License-Identifier: BSD-2-Clause
/*
 * Malicious guest hypervisors with a malicious host. Two VMs have an EL2 each, on two CPUs at a
 * time. There runs a program that fills its stage 2 tables with translations to all memory that it
 * may have, and with nonsense; writes nonsense to the registers of EL2; invalidates what it has
 * changed, or something else; and enters nested guests that write to wherever they can. Pages of an
 * arena move from the host to one of the VMs and back, also while they are such tables. The host
 * resets vCPUs, writes their registers, and answers exits at random.
 *
 * A page that the host has back stays as the host fills it. A page that a VM has had has nothing in
 * it that the other one writes. At the end all memory is the host's.
 *
 * The host's vectors are its own.
 *
 * The guest hypervisor is a part of this program: each VM has it at the same addresses, and cannot
 * write there.
 */
#define HOSTILE_SECONDARY
#include "gic.h"
#include "hostile.h"

#define NCPUS	    2
#define NVMS	    2
#define SECONDS	    15
#define SECONDS_MAX 100
#define ROUNDS_MIN  600
#define STUCK	    20 /* runs without progress after which the vCPU is reset */
#define CPU1_MPIDR  1UL
#define PSCI_CPU_ON 0xc4000003UL

#define DEVICE_HOLE 0x0b000000UL

#define ID_AA64PFR0_EL1 S3_0_C0_C4_0

#define ENOENT_ (-2L)
#define EAGAIN_ (-11L)
#define ENOMEM_ (-12L)
#define EBUSY_	(-16L)

#define PAGE HOSTILE_PAGE_SIZE

#define VCPU_AT(vm, i) (GUEST_VCPU(vm) + (i)*0x800000UL)
#define RUN_AT(vm, i)  (GUEST_RUN(vm) + (i)*0x10000UL)
#define REG_PC	       0x6030000000100040UL /* KVM_REG_ARM_CORE_REG(regs.pc) */
#define FEATURE_PSCI   4UL
#define FEATURE_SVE    (1UL << 4)
#define FEATURE_PAUTH  (3UL << 5)
#define FEATURE_EL2    (1UL << 7)
#define EL2_PAGES      300

/* The VMs' addresses. */
#define DATA_IPA      0x20000000UL
#define DATA_SHIFT    18
#define DATA_BYTES    (1UL << DATA_SHIFT) /* of each vCPU */
#define ARENA_IPA     0x80000000UL
#define ARENA_AGAIN   0x90000000UL /* the same memory */
#define HOLE_IPA      0xa0000000UL
#define DIST_IPA      0x08000000UL
#define REDIST_IPA    0x080a0000UL
#define ARENA	      GUEST_CODE(3)
#define ARENA_PAGES   64UL
#define NESTED_BLOCKS 0x80000000UL /* the nested guest's: a GiB of what may be blocks, ... */
#define NESTED_PAGES  0xc0000000UL /* ... and one of pages */

/* nested_wild.S */
extern const char hypervisor[], nested_guest[];
u64 enter_nested(u64 elr, u64 x0, u64 x1, u64 x2, u64 x3, u64 how);
void hypervisor_main(void *data);
void vectors_fill(u64 first);
u64 vectors_store(u64 *to);
extern char _end[];

/* A vCPU's data, which it finds by its MPIDR; nested_wild.S knows the first member. */
struct data {
	u64 sp;
	u64 seed, tag, rounds, entries, calls;
	u64 vmid, misshapen;
	u64 stack[0x3f00 / 8];
	u64 tables[8][512] __attribute__((aligned(4096))); /* root, level 2 and 3; others */
};

static u64 xorshift(u64 *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed * 0x2545f4914f6cdd1dUL;
}

/* ---- the guest hypervisor ---- */

#define HCR_VM	  (1UL << 0)
#define HCR_FMO	  (1UL << 3)
#define HCR_IMO	  (1UL << 4)
#define HCR_AMO	  (1UL << 5)
#define HCR_TGE	  (1UL << 27)
#define HCR_RW	  (1UL << 31)
#define HCR_E2H	  (1UL << 34)
#define HCR_API	  (3UL << 40)
#define HCR_HOST  (HCR_RW | HCR_E2H | HCR_TGE)
#define HCR_GUEST (HCR_VM | HCR_FMO | HCR_IMO | HCR_AMO | HCR_RW | HCR_E2H | HCR_API)

/* 39 bits from level 1, 4K, tables in Write-Back memory; PS is 40 bits */
#define VTCR_PLAIN (25UL | 1UL << 6 | 1UL << 8 | 1UL << 10 | 3UL << 12 | 2UL << 16 | 1UL << 31)
#define VTCR_HA	   (1UL << 21)

#define S2_TABLE 3UL
#define S2_PAGE	 3UL
#define S2_BLOCK 1UL
#define S2_RW	 (1UL << 10 | 3UL << 8 | 3UL << 6 | 0xfUL << 2)
#define S2_CONT	 (1UL << 52)

#define SPSR_EL1H   0x3c5UL
#define SCTLR_PLAIN 0x30d00800UL
#define SCTLR_KEYS  30 /* EnIB, EnIA */
#define SYNC_LOWER  8
#define EC_HVC64    0x16

static u64 next(struct data *d)
{
	return xorshift(&d->seed) >> 16;
}

static u64 some(struct data *d, u64 n)
{
	return next(d) % n;
}

static u64 arena_page(struct data *d)
{
	return (some(d, 2) ? ARENA_IPA : ARENA_AGAIN) + some(d, ARENA_PAGES) * PAGE;
}

/* An address of the VM: mostly one that it may have. */
static u64 some_address(struct data *d)
{
	switch (some(d, 16)) {
	case 0:
		return (u64)d->tables[some(d, 8)];
	case 1:
		return HOLE_IPA;
	case 2:
		return DIST_IPA + some(d, 32) * PAGE;
	case 3:
		return ARENA; /* by the host's name for it */
	case 4:
		return next(d) << 12;
	case 5:
		return (u64)_start & ~(PAGE - 1UL);
	default:
		return arena_page(d);
	}
}

static u64 some_bits(struct data *d)
{
	static const u64 bits[] = { S2_RW,
				    S2_RW,
				    S2_RW,
				    S2_RW,
				    S2_RW & ~(1UL << 10),
				    S2_RW & ~(1UL << 7),
				    S2_RW & ~(0xfUL << 2),
				    S2_RW | 1UL << 54,
				    S2_RW | 1UL << 53,
				    S2_RW | 1UL << 51 };

	return bits[some(d, ARRAY_SIZE(bits))];
}

static void change_tables(struct data *d)
{
	u64 at = some(d, 512), i;

	switch (some(d, 16)) {
	case 0:
		d->tables[some(d, 8)][at] = next(d) << 20 ^ next(d);
		break;
	case 1: /* blocks, sometimes contiguous */
		for (i = 0; i < 16; i++)
			d->tables[3][(at & ~15UL) + i] =
				(some(d, 2) ? ARENA_IPA : (some_address(d) & ~0x1fffffUL)) |
				S2_BLOCK | some_bits(d) | (at & 1 ? S2_CONT : 0);
		break;
	case 2:
		for (i = 0; i < 16; i++)
			d->tables[2][(at & ~15UL) + i] = (ARENA_IPA + ((at & 48) + i) * PAGE) |
							 S2_PAGE | S2_RW | S2_CONT;
		break;
	case 3: /* tables that may vanish, or are the nested guest's to write */
		d->tables[3][at] = some_address(d) | S2_TABLE;
		break;
	case 4:
		d->tables[1][at % 64] = 0;
		break;
	default:
		for (i = 0; i < 8; i++)
			d->tables[2][some(d, ARENA_PAGES)] = some_address(d) | S2_PAGE |
							     some_bits(d);
		break;
	}
}

static void plain_tables(struct data *d)
{
	u64 image = (u64)_start;

	for (u64 i = 0; i < sizeof(d->tables) / 8; i++)
		((volatile u64 *)d->tables)[i] = 0;
	d->tables[0][image >> 30] = (u64)d->tables[1] | S2_TABLE;
	d->tables[1][image >> 21 & 511] = (image & ~0x1fffffUL) | S2_BLOCK | S2_RW;
	d->tables[0][NESTED_PAGES >> 30] = (u64)d->tables[4] | S2_TABLE;
	d->tables[4][0] = (u64)d->tables[2] | S2_TABLE;
	d->tables[0][NESTED_BLOCKS >> 30] = (u64)d->tables[3] | S2_TABLE;
	for (u64 i = 0; i < ARENA_PAGES; i++)
		d->tables[2][i] = (ARENA_IPA + i * PAGE) | S2_PAGE | S2_RW;
}

/* By number: op1, CRn, CRm and op2 are constants of the instruction. */
static void invalidate(struct data *d)
{
	u64 x = some(d, 4) ? (NESTED_PAGES >> 12) + some(d, ARENA_PAGES) : next(d) << 20 ^ next(d);

	if (some(d, 4) == 0)
		x |= some(d, 4) << 46 | some(d, 128) << 37; /* range or TTL */
	__asm__ volatile("dsb ish" ::: "memory");
	switch (some(d, 14)) {
#define TLBI(n, op1, crn, crm, op2)                                                              \
	case n:                                                                                  \
		__asm__ volatile("sys #" #op1 ", c" #crn ", c" #crm ", #" #op2 ", %0" ::"r"(x)); \
		break
		TLBI(0, 4, 8, 0, 1);  /* IPAS2E1IS */
		TLBI(1, 4, 8, 4, 1);  /* IPAS2E1 */
		TLBI(2, 4, 8, 0, 2);  /* RIPAS2E1IS */
		TLBI(3, 4, 8, 4, 6);  /* RIPAS2LE1 */
		TLBI(4, 4, 8, 3, 6);  /* VMALLS12E1IS */
		TLBI(5, 4, 8, 3, 4);  /* ALLE1IS */
		TLBI(6, 4, 8, 3, 0);  /* ALLE2IS */
		TLBI(7, 4, 8, 3, 1);  /* VAE2IS */
		TLBI(8, 4, 8, 2, 1);  /* RVAE2IS */
		TLBI(9, 0, 8, 3, 0);  /* VMALLE1IS */
		TLBI(10, 0, 8, 3, 1); /* VAE1IS */
		TLBI(11, 0, 8, 2, 1); /* RVAE1IS */
		TLBI(12, 0, 8, 7, 2); /* ASIDE1 */
		TLBI(13, 4, 8, 4, 5); /* IPAS2LE1 */
	}
	__asm__ volatile("dsb ish; isb" ::: "memory");
}

/* In the host's context the CPU executes them itself, until a register is written. */
static void invalidate_own(struct data *d)
{
	write_sysreg(HCR_HOST, hcr_el2);
	for (u64 i = some(d, 8); i > 0; i--) {
		__asm__ volatile("tlbi vae1is, %0; tlbi vmalle1; dsb ish" ::"r"(next(d)));
		if (!some(d, 4))
			write_sysreg(next(d), S3_4_C14_C0_3); /* CNTVOFF_EL2 */
		if (!some(d, 4))
			write_sysreg(some(d, 2) ? HCR_HOST : HCR_GUEST, hcr_el2);
		if (!some(d, 4))
			invalidate(d);
	}
}

static void translate(struct data *d)
{
	u64 va = some(d, 2) ? NESTED_PAGES + some(d, ARENA_PAGES) * PAGE : next(d) << 12;

	switch (some(d, 4)) {
	case 0:
		__asm__ volatile("at s12e1r, %0; isb" ::"r"(va));
		break;
	case 1:
		__asm__ volatile("at s12e0w, %0; isb" ::"r"(va));
		break;
	case 2:
		__asm__ volatile("at s1e1r, %0; isb" ::"r"(va));
		break;
	default:
		__asm__ volatile("at s1e2w, %0; isb" ::"r"(va));
		break;
	}
	d->misshapen += read_sysreg(PAR_EL1) & 1;
}

#define SOME_REGISTERS(X)                                        \
	X(0, ich_hcr_el2)                                        \
	X(1, ich_vmcr_el2)                                       \
	X(2, ich_lr0_el2)                                        \
	X(3, ich_lr1_el2)                                        \
	X(4, ich_lr3_el2)                                        \
	X(5, ich_ap1r0_el2)                                      \
	X(6, vpidr_el2)                                          \
	X(7, vmpidr_el2)                                         \
	X(8, cntvoff_el2)                                        \
	X(9, hstr_el2)                                           \
	X(10, mdcr_el2)                                          \
	X(11, cptr_el2)                                          \
	X(12, cnthctl_el2)                                       \
	X(13, cnthp_cval_el2)                                    \
	X(14, cnthp_ctl_el2)                                     \
	X(15, S3_4_C1_C2_0)  /* ZCR_EL2 */                       \
	X(16, S3_5_C1_C2_0)  /* ZCR_EL12 */                      \
	X(17, S3_5_C14_C3_2) /* CNTV_CVAL_EL02 */                \
	X(18, S3_5_C14_C3_1) /* CNTV_CTL_EL02 */                 \
	X(19, S3_5_C1_C0_0)  /* SCTLR_EL12 */                    \
	X(20, S3_5_C12_C0_0) /* VBAR_EL12 */                     \
	X(21, S3_5_C2_C0_2)  /* TCR_EL12 */                      \
	X(22, S3_5_C2_C0_0)  /* TTBR0_EL12 */                    \
	X(23, sp_el1)                                            \
	X(24, tpidr_el2)                                         \
	X(25, S3_5_C1_C0_2) /* CPACR_EL12 */                     \
	X(26, hpfar_el2)                                         \
	X(27, far_el2)                                           \
	X(28, S3_4_C14_C3_1) /* CNTHV_CTL_EL2 */                 \
	X(29, S3_4_C14_C3_2) /* CNTHV_CVAL_EL2 */                \
	X(30, S3_4_C1_C1_4)  /* HFGRTR_EL2 */                    \
	X(31, S3_4_C1_C2_2)  /* HCRX_EL2 */                      \
	X(32, S3_4_C12_C0_1) /* RVBAR_EL2, which is read-only */ \
	X(33, S3_0_C2_C1_0)  /* APIAKeyLo_EL1 */                 \
	X(34, S3_0_C2_C3_1)  /* APGAKeyHi_EL1 */

static void write_some_register(struct data *d)
{
	u64 value = some(d, 2) ? next(d) << 20 ^ next(d) : some(d, 16);

	switch (some(d, 35)) {
#define WRITE(n, name)                     \
	case n:                            \
		write_sysreg(value, name); \
		break;
		SOME_REGISTERS(WRITE)
	}
}

/* What a nested guest can run with at all. */
static void plain_registers(void)
{
	write_sysreg(SCTLR_PLAIN, S3_5_C1_C0_0); /* SCTLR_EL12 */
	write_sysreg(SCTLR_PLAIN, sctlr_el1);
	write_sysreg(3UL << 20 | 3UL << 16, S3_5_C1_C0_2);
	write_sysreg(3UL << 20 | 3UL << 16, cptr_el2);
	write_sysreg(0, mdcr_el2);
	write_sysreg(0, ich_hcr_el2);
	write_sysreg(0, S3_5_C14_C3_1);
	write_sysreg(0, cnthp_ctl_el2);
}

static void take_interrupt(void)
{
	u64 intid = read_sysreg(ICC_IAR1_EL1);

	write_sysreg(intid, ICC_EOIR1_EL1);
}

/* How a nested guest is entered: with stage 2, mostly. */
static void choose_controls(struct data *d)
{
	u64 vtcr = VTCR_PLAIN | (some(d, 4) ? 0 : VTCR_HA), hcr = HCR_GUEST,
	    root = (u64)d->tables[0];

	if (!some(d, 16))
		vtcr = next(d) << 20 ^ next(d);
	if (!some(d, 16))
		root = some_address(d);
	if (!some(d, 16))
		hcr ^= 1UL << some(d, 64);
	d->vmid = some(d, 4) ? d->vmid : some(d, 6);
	write_sysreg(vtcr, vtcr_el2);
	write_sysreg(root | d->vmid << 48, vttbr_el2);
	write_sysreg(hcr, hcr_el2);
}

static void run_nested(struct data *d)
{
	u64 vector;

	if (!some(d, 8))
		write_sysreg(SCTLR_PLAIN | some(d, 4) << SCTLR_KEYS, sctlr_el1);
	write_sysreg(SPSR_EL1H, spsr_el1);
	vector = enter_nested((u64)nested_guest, d->tag << 32 | (u32)next(d) | 1, 1 + some(d, 8),
			      some(d, 4) ? NESTED_PAGES : NESTED_BLOCKS,
			      (ARENA_PAGES * PAGE - 1) & ~7UL, some(d, 6));
	d->entries++;
	if (vector != SYNC_LOWER)
		take_interrupt();
	else
		d->calls += read_sysreg(esr_el1) >> ESR_EC_SHIFT == EC_HVC64;
}

static void run_some_nested(struct data *d)
{
	choose_controls(d);
	for (u64 i = 1 + some(d, 16); i > 0; i--)
		run_nested(d);
	write_sysreg(HCR_HOST, hcr_el2);
}

/* What it has by itself. The access may be one that is not answered, or the host's. */
static void access_some(struct data *d)
{
	volatile u64 *at = (volatile u64 *)(arena_page(d) + some(d, 512) * 8);

	if (some(d, 2))
		*at = d->tag << 32 | (u32)next(d);
	else
		(void)*at;
}

static void call_psci(struct data *d)
{
	static const u32 functions[] = { 0x84000000, 0xc4000003, 0xc4000004, 0x80000000 };
	register u64 x0 __asm__("x0") = functions[some(d, ARRAY_SIZE(functions))];
	register u64 x1 __asm__("x1") = some(d, 3);
	register u64 x2 __asm__("x2") = (u64)hypervisor;

	__asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2)::"x3", "memory");
}

static void use_vectors(struct data *d)
{
	__asm__ volatile(".inst 0x04bf5020" ::: "x0"); /* rdvl x0, #1 */
	__asm__ volatile(".inst 0x2518e3e0");	       /* ptrue p0.b */
	write_sysreg(some(d, 16), S3_0_C1_C2_0);       /* ZCR_EL1: EL2's */
	__asm__ volatile(".inst 0x04bf5020" ::: "x0");
}

void hypervisor_main(void *data)
{
	struct data *d = data;

	plain_tables(d);
	plain_registers();
	write_sysreg(0xf0, ICC_PMR_EL1);
	write_sysreg(1, ICC_IGRPEN1_EL1);
	for (;; d->rounds++) {
		switch (some(d, 16)) {
		case 0:
		case 1:
		case 2:
			change_tables(d);
			break;
		case 3:
		case 4:
			invalidate(d);
			break;
		case 5:
			invalidate_own(d);
			break;
		case 6:
			translate(d);
			break;
		case 7:
			write_some_register(d);
			break;
		case 8:
			access_some(d);
			break;
		case 9:
			if (!some(d, 8))
				call_psci(d);
			else
				use_vectors(d);
			break;
		case 10:
			if (!some(d, 8))
				plain_tables(d);
			plain_registers();
			break;
		default:
			run_some_nested(d);
			break;
		}
	}
}

/* ---- the host ---- */

static struct cpu {
	u64 id, seed;
	u64 rounds, entries, calls, anew, taken, given;
	u64 changed, strange, vectors, bad_calls; /* what must not be */
	u64 vector_bytes;
	u64 exits[16];
} cpus[NCPUS];

static struct vm {
	u64 handle;
} vms[NVMS];

/* Of each page: whose it is. The CPU that moves a page is known by its number. */
static u8 owner[ARENA_PAGES]; /* 0: the host; 1 + n: VM n */

static u64 features, has_vectors;
static volatile u64 second_ready, begin, second_done;

static u64 below(struct cpu *cpu, u64 n)
{
	return (xorshift(&cpu->seed) >> 16) % n;
}

static u64 tag_of(u64 vm)
{
	return vm ? 0x5bbb0002 : 0x2aaa0001;
}

#define CANARY(page, word) (0x7ead7ead00000000UL | (page) << 16 | (word))

static volatile u64 *arena_at(u64 page)
{
	return (volatile u64 *)(ARENA + page * PAGE);
}

static void fill(u64 page)
{
	for (u64 i = 0; i < 512; i++)
		arena_at(page)[i] = CANARY(page, i);
}

static void check_filled(struct cpu *cpu, u64 page)
{
	for (u64 i = 0; i < 512; i++)
		cpu->changed += arena_at(page)[i] != CANARY(page, i);
}

static void check_not_of(struct cpu *cpu, u64 page, u64 vm)
{
	for (u64 i = 0; i < 512; i++)
		cpu->strange += arena_at(page)[i] >> 32 == tag_of(vm);
}

/* Until it is done: it may take several calls, and another CPU may be in one. */
static u64 unmap(u64 handle, u64 ipa)
{
	u64 ret, tries = 0;

	do
		ret = hvc(KEEL_HC_VM_UNMAP, handle, ipa, PAGE, 0, 0);
	while ((ret == (u64)EAGAIN_ || ret == (u64)EBUSY_) && tries++ < 100000);
	return ret;
}

/* -ENOENT: nothing is there, which is as good. */
static void take_page(struct cpu *cpu, u64 page)
{
	u64 vm = owner[page] - 1UL, first, second;

	first = unmap(vms[vm].handle, ARENA_IPA + page * PAGE);
	second = unmap(vms[vm].handle, ARENA_AGAIN + page * PAGE);
	if (first || second) {
		cpu->bad_calls++;
		return;
	}
	owner[page] = 0;
	check_not_of(cpu, page, !vm);
	fill(page);
	cpu->taken++;
}

static void give_page(struct cpu *cpu, u64 page)
{
	static const u64 flags[] = { 3, 3, 3, 1, 0 };
	u64 vm = below(cpu, NVMS), handle = vms[vm].handle, offset = page * PAGE, ret;

	check_filled(cpu, page);
	owner[page] = (u8)(1 + vm);
	ret = hvc(KEEL_HC_VM_MAP, handle, ARENA_IPA + offset, ARENA + offset, PAGE,
		  flags[below(cpu, ARRAY_SIZE(flags))]);
	if (below(cpu, 2))
		(void)hvc(KEEL_HC_VM_MAP, handle, ARENA_AGAIN + offset, ARENA + offset, PAGE,
			  flags[below(cpu, ARRAY_SIZE(flags))]);
	cpu->given += !ret;
}

static void move_page(struct cpu *cpu)
{
	u64 page = below(cpu, ARENA_PAGES / NCPUS) * NCPUS + cpu->id;

	if (owner[page])
		take_page(cpu, page);
	else
		give_page(cpu, page);
}

static struct data *data_of(u64 vm, u64 i)
{
	return (struct data *)(GUEST_CODE(vm) + i * DATA_BYTES);
}

static volatile struct keel_run *run_page(u64 vm, u64 i)
{
	return (volatile struct keel_run *)RUN_AT(vm, i);
}

static u64 init_vcpu(u64 handle, u64 i)
{
	u64 tries = 0, ret;

	do
		ret = hvc(KEEL_HC_VCPU_INIT, handle, i, features, 0, 0);
	while (ret == (u64)ENOMEM_ && ++tries < 64);
	return ret;
}

static u64 set_reg(u64 vm, u64 i, u64 id, u64 value)
{
	*(volatile u64 *)run_page(vm, i)->data = value;
	return hvc(KEEL_HC_VCPU_SET_REG, vms[vm].handle, i, id, 0, 0);
}

static void begin_anew(struct cpu *cpu, u64 vm, u64 i)
{
	volatile struct data *d = data_of(vm, i);

	cpu->rounds += d->rounds;
	cpu->entries += d->entries;
	cpu->calls += d->calls;
	cpu->anew++;
	d->seed = xorshift(&cpu->seed) | 1;
	d->tag = tag_of(vm);
	d->rounds = d->entries = d->calls = d->vmid = 0;
	(void)hvc(KEEL_HC_VCPU_STATE, vms[vm].handle, i, KEEL_STATE_RUNNABLE, 0, 0);
	cpu->bad_calls += init_vcpu(vms[vm].handle, i) != 0;
	cpu->bad_calls += set_reg(vm, i, REG_PC, (u64)hypervisor) != 0;
}

/* Registers of EL2, by KVM's numbers, with nonsense in them. */
static void change_register(struct cpu *cpu, u64 vm, u64 i)
{
	static const u32 encodings[] = { 0xe088 /* HCR_EL2 */,	0xe108 /* VTTBR_EL2 */,
					 0xe10a /* VTCR_EL2 */, 0xe080 /* SCTLR_EL2 */,
					 0xe703 /* CNTVOFF */,	0xe200 /* SPSR_EL2 */,
					 0xe090 /* ZCR_EL2 */,	0xe102 /* TCR_EL2 */ };
	u64 value = xorshift(&cpu->seed);

	if (below(cpu, 4))
		(void)set_reg(vm, i,
			      0x6030000000130000UL | encodings[below(cpu, ARRAY_SIZE(encodings))],
			      value);
	else if (below(cpu, 2))
		(void)set_reg(vm, i, 0x6030000000100042UL, value & 0xf00003cf); /* PSTATE */
	else
		(void)set_reg(vm, i, KEEL_REG_CPU_INTERFACE | (0xe658 + below(cpu, 64)), value);
}

/* All of its data, tables and stacks of the guest hypervisors among it, goes and comes back. */
static void move_data(u64 vm)
{
	u64 handle = vms[vm].handle, ret, tries = 0;

	do
		ret = hvc(KEEL_HC_VM_UNMAP, handle, DATA_IPA, NCPUS * DATA_BYTES, 0, 0);
	while (ret == (u64)EAGAIN_ && tries++ < 100000);
	(void)hvc(KEEL_HC_VM_MAP, handle, DATA_IPA, GUEST_CODE(vm), NCPUS * DATA_BYTES,
		  KEEL_MAP_WRITE);
}

/* Some are refused while a vCPU runs. */
static void call_other(struct cpu *cpu, u64 vm)
{
	u64 handle = vms[vm].handle;

	switch (below(cpu, 8)) {
	case 0:
		(void)hvc(KEEL_HC_VCPU_EVENTS, handle, cpu->id, below(cpu, 4), 0, 0);
		break;
	case 1:
		(void)hvc(KEEL_HC_VGIC_RESET, handle, 0, 0, 0, 0);
		break;
	case 2:
		(void)hvc(KEEL_HC_VM_SYNC, handle, 0, 0, 0, 0);
		break;
	case 3:
		(void)hvc(KEEL_HC_VM_WALK, handle, ARENA_IPA, 0, 0, 0);
		break;
	case 4:
		(void)hvc(KEEL_HC_VCPU_REG_LIST, handle, cpu->id, 0, 0, 0);
		break;
	case 5:
		(void)hvc(KEEL_HC_VCPU_STATE, handle, cpu->id, below(cpu, 2), 0, 0);
		break;
	case 6:
		(void)hvc(KEEL_HC_LPI_TAKE, handle, cpu->id, 8192 + below(cpu, 100), 0, 0);
		break;
	default:
		if (!below(cpu, 4))
			move_data(vm);
		break;
	}
}

static void disturb(struct cpu *cpu, u64 vm)
{
	switch (below(cpu, 16)) {
	case 0:
		change_register(cpu, vm, cpu->id);
		break;
	case 1:
		(void)hvc(KEEL_HC_IRQ_LINE, vms[vm].handle, below(cpu, 2), 16 + below(cpu, 48),
			  below(cpu, 2), 0);
		break;
	case 2:
		(void)hvc(KEEL_HC_LPI_PEND, vms[vm].handle, below(cpu, 2), 8192 + below(cpu, 100),
			  below(cpu, 32) * 8, 0);
		break;
	case 3:
		(void)hvc(KEEL_HC_VM_NESTED, vms[vm].handle, below(cpu, 40), 0, 0, 0);
		break;
	case 4:
		if (!below(cpu, 4))
			begin_anew(cpu, vm, cpu->id);
		break;
	case 5:
		call_other(cpu, vm);
		break;
	default:
		move_page(cpu);
		break;
	}
}

static u64 run(struct cpu *cpu, u64 vm)
{
	u64 exit;

	write_sysreg(read_sysreg(CNTFRQ_EL0) / 1000, CNTP_TVAL_EL0);
	write_sysreg(1, CNTP_CTL_EL0);
	exit = hvc(KEEL_HC_VCPU_RUN, vms[vm].handle, cpu->id, 0, 0, 0);
	write_sysreg(0, CNTP_CTL_EL0);
	return exit;
}

/* The host's own, with the longest vectors that there are. */
static u64 vector_memory[NCPUS][32 * 256 / 8] __attribute__((aligned(16)));

static void check_vectors(struct cpu *cpu, u64 first)
{
	const u64 *at = vector_memory[cpu->id];
	u64 elements = vectors_store(vector_memory[cpu->id]) / 8, n, i;

	for (n = 0; n < 32; n++)
		for (i = 0; i < elements; i++)
			cpu->vectors += at[n * elements + i] != first + (n << 32) + 7 * i;
	cpu->vectors += elements * 8 != cpu->vector_bytes;
}

static u64 run_with_vectors(struct cpu *cpu, u64 vm)
{
	u64 first = xorshift(&cpu->seed), exit;

	vectors_fill(first);
	exit = run(cpu, vm);
	check_vectors(cpu, first);
	return exit;
}

static void answer(struct cpu *cpu, u64 vm, u64 exit)
{
	volatile struct keel_run *page = run_page(vm, cpu->id);

	page->answer = below(cpu, 2) ? KEEL_ANSWER_ABORT : below(cpu, 6);
	for (u64 i = 0; i < 8; i++)
		page->mmio.data[i] = (u8)below(cpu, 256);
	if (exit < ARRAY_SIZE(cpu->exits))
		cpu->exits[exit]++;
	else if (exit != (u64)EBUSY_)
		cpu->bad_calls++;
}

/* One run of a VM's vCPU, and what comes of it. @stuck: runs without progress. */
static void run_once(struct cpu *cpu, u64 vm, u64 *rounds, u64 *stuck)
{
	u64 exit = has_vectors && !below(cpu, 4) ? run_with_vectors(cpu, vm) : run(cpu, vm),
	    now = *(volatile u64 *)&data_of(vm, cpu->id)->rounds;

	answer(cpu, vm, exit);
	*stuck = now == *rounds ? *stuck + 1 : 0;
	*rounds = now;
	if (*stuck <= STUCK && exit != KEEL_EXIT_OFF && exit != KEEL_EXIT_SYSTEM &&
	    exit != KEEL_EXIT_FAIL)
		return;
	begin_anew(cpu, vm, cpu->id);
	*stuck = *rounds = 0;
}

/* What check_cpu() wants to see; a busy machine may take longer for it. */
static u64 has_enough(const struct cpu *cpu)
{
	return cpu->rounds > 50 && cpu->entries > 50 && cpu->calls > 2;
}

static void runs(struct cpu *cpu)
{
	u64 begun = read_sysreg(CNTPCT_EL0), second = read_sysreg(CNTFRQ_EL0), passed_time = 0;
	u64 rounds[NVMS] = { 0 }, stuck[NVMS] = { 0 };

	for (u64 i = 0; i < ROUNDS_MIN || passed_time < SECONDS * second ||
			(!has_enough(cpu) && passed_time < SECONDS_MAX * second);
	     i++) {
		u64 vm = below(cpu, NVMS);

		run_once(cpu, vm, &rounds[vm], &stuck[vm]);
		for (u64 n = below(cpu, 3); n > 0; n--)
			disturb(cpu, below(cpu, NVMS));
		passed_time = read_sysreg(CNTPCT_EL0) - begun;
	}
}

/* ---- VMs ---- */

static void map(u64 handle, u64 ipa, u64 pa, u64 bytes, u64 flags)
{
	u64 done = 0;
	struct regs regs;

	do {
		regs = (struct regs){ { KEEL_HC_VM_MAP, handle, ipa + done, pa + done, bytes - done,
					flags } };
		hvc0(&regs);
		if (regs.x[0] == (u64)EAGAIN_)
			done += regs.x[1];
	} while (regs.x[0] == (u64)EAGAIN_);
	check("VM_MAP", regs.x[0], 0);
}

static void make_vm(u64 n)
{
	u64 image = (u64)_start & ~(PAGE - 1UL);
	struct regs size = { { KEEL_HC_VM_SIZE } }, vm;

	hvc0(&size);
	features = FEATURE_PSCI | FEATURE_EL2 | (size.x[5] & (FEATURE_SVE | FEATURE_PAUTH));
	vm = (struct regs){ { KEEL_HC_VM_CREATE, GUEST_VM(n), size.x[1] + 128 } };
	hvc0(&vm);
	check("VM_CREATE", vm.x[0], 0);
	vms[n].handle = vm.x[1];
	for (u64 i = 0; i < NCPUS; i++) {
		check("VCPU_CREATE",
		      hvc(KEEL_HC_VCPU_CREATE, vm.x[1], i, VCPU_AT(n, i), size.x[2] + EL2_PAGES,
			  RUN_AT(n, i)),
		      0);
		check("VCPU_INIT", init_vcpu(vm.x[1], i), 0);
	}
	check("VGIC_INIT", hvc(KEEL_HC_VGIC_INIT, vm.x[1], DIST_IPA, REDIST_IPA, 64, 0), 0);
	map(vm.x[1], image, image, (u64)_end - image, KEEL_MAP_EXEC);
	memset((void *)GUEST_CODE(n), 0, NCPUS * DATA_BYTES);
	map(vm.x[1], DATA_IPA, GUEST_CODE(n), NCPUS * DATA_BYTES, KEEL_MAP_WRITE);
	map(vm.x[1], HOLE_IPA, DEVICE_HOLE, PAGE, KEEL_MAP_WRITE | KEEL_MAP_DEVICE);
	for (u64 i = 0; i < NCPUS; i++)
		begin_anew(&cpus[i], n, i);
}

static void end_vm(u64 n)
{
	u64 ret, tries = 0;

	do
		ret = hvc(KEEL_HC_VM_DESTROY, vms[n].handle, 0, 0, 0, 0);
	while ((ret == (u64)EAGAIN_ || ret == (u64)EBUSY_) && tries++ < 1000000);
	check("VM_DESTROY", ret, 0);
}

static u64 pages_that_fault(u64 at, u64 bytes)
{
	u64 n = 0, end = at + bytes;

	for (; at < end; at += PAGE) {
		touch(at, 1);
		n += fault.esr != 0;
	}
	return n;
}

/* ---- */

static void begin_cpu(struct cpu *cpu)
{
	gic_init(cpu->id, 1U << TIMER_PPI);
	has_vectors = read_sysreg(ID_AA64PFR0_EL1) >> 32 & 0xf;
	if (!has_vectors)
		return;
	write_sysreg(3UL << 20 | 3UL << 16, CPACR_EL1);
	write_sysreg(0xf, S3_0_C1_C2_0); /* ZCR_EL1 */
	cpu->vector_bytes = vectors_store(vector_memory[cpu->id]);
}

void payload_secondary(u64 context)
{
	(void)context;
	begin_cpu(&cpus[1]);
	second_ready = 1;
	while (!begin)
		;
	runs(&cpus[1]);
	__asm__ volatile("dsb sy" ::: "memory");
	second_done = 1;
	for (;;)
		;
}

static void print_counts(const struct cpu *cpu)
{
	const struct {
		char what[12];
		u64 n;
	} counts[] = { { "rounds", cpu->rounds },    { "entries", cpu->entries },
		       { "to the end", cpu->calls }, { "anew", cpu->anew },
		       { "taken", cpu->taken },	     { "given", cpu->given } };

	print("hostile:");
	for (u64 i = 0; i < ARRAY_SIZE(counts); i++) {
		print(" ");
		print(counts[i].what);
		print(" ");
		print_decimal((u32)counts[i].n);
	}
	print("; exits");
	for (u64 i = 0; i < ARRAY_SIZE(cpu->exits); i++) {
		print(" ");
		print_decimal((u32)cpu->exits[i]);
	}
	print("\n");
}

static void check_cpu(struct cpu *cpu)
{
	print_counts(cpu);
	check("guest hypervisors and nested guests went on", has_enough(cpu), 1);
	check("pages moved", cpu->taken > 20 && cpu->given > 20, 1);
	check("pages of the host that changed", cpu->changed, 0);
	check("words of one VM in memory of the other", cpu->strange, 0);
	check("vectors of the host that changed", cpu->vectors, 0);
	check("calls that failed", cpu->bad_calls, 0);
}

static void hostile_main(u64 fdt)
{
	u64 i;

	(void)fdt;
	for (i = 0; i < NCPUS; i++)
		cpus[i] = (struct cpu){ .id = i, .seed = 0x9e3779b97f4a7c15UL * (i + 1) };
	begin_cpu(&cpus[0]);
	for (i = 0; i < ARENA_PAGES; i++)
		fill(i);
	check("CPU 1 is started", smc(PSCI_CPU_ON, CPU1_MPIDR, (u64)secondary, 0), 0);
	while (!second_ready)
		;
	for (i = 0; i < NVMS; i++)
		make_vm(i);
	begin = 1;
	runs(&cpus[0]);
	while (!second_done)
		;
	for (i = 0; i < NVMS; i++) {
		cpus[i].rounds += data_of(i, i)->rounds;
		end_vm(i);
	}
	for (i = 0; i < NCPUS; i++)
		check_cpu(&cpus[i]);
	for (i = 0; i < ARENA_PAGES; i++)
		if (!owner[i])
			check_filled(&cpus[0], i);
	check("pages of the host that changed at the end", cpus[0].changed, 0);
	check("all memory is the host's again",
	      pages_that_fault(GUEST_VM(0), NVMS * (GUEST_VM(1) - GUEST_VM(0))), 0);
}
