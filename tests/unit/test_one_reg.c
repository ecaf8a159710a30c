// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/one_reg.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* Registers for userspace: KVM's ids, what they give and what they take. */
#include <trap_world.h>

#include <trap/el2.h>
#include <trap/guest_psci.h>
#include <trap/impl_regs.h>
#include <trap/one_reg.h>

/* Written out as Linux's headers have them. */
#define CORE(off)   (0x6030000000100000ULL | (off) / 4)
#define CORE32(off) (0x6020000000100000ULL | (off) / 4)
#define CORE_V(n)   (0x6040000000100000ULL | (336 + 16 * (n)) / 4)
#define SYS(enc)    (0x6030000000130000ULL | (enc))
#define FW(n)	    (0x6030000000140000ULL | (n))
#define SVE_Z(n)    (0x6080000000150000ULL | (n) << 5)
#define SVE_P(n)    (0x6050000000150400ULL | (n) << 5)
#define SVE_FFR	    0x6050000000150600ULL
#define SVE_VLS	    0x606000000015ffffULL
#define DEMUX(n)    (0x6020000000110000ULL | (n))
#define BMAP(n)	    (0x6030000000160000ULL | (n))
#define PSTATE	    CORE(264)
#define TIMER_CTL   0x603000000013df19ULL
#define TIMER_CVAL  0x603000000013df02ULL
#define TIMER_CNT   0x603000000013df1aULL

static u64 get(u64 id)
{
	u64 value = 0;

	if (one_reg_get(V, id, &value))
		fail_msg("%#lx cannot be read", id);
	return value;
}

static int set(u64 id, u64 value)
{
	return one_reg_set(V, id, &value);
}

static void core_registers_are_read_and_written(void **state)
{
	unsigned int n;
	u8 v[16], back[16];

	for (n = 0; n < 31; n++)
		assert_int_equal(set(CORE(8 * n), 100 + n), 0);
	assert_int_equal(V->regs.x[30], 130);
	assert_int_equal(get(CORE(8)), 101);
	assert_int_equal(set(CORE(248), 1), 0);
	assert_int_equal(set(CORE(256), 2), 0);
	assert_int_equal(set(CORE(272), 3), 0);
	assert_int_equal(set(CORE(280), 4), 0);
	assert_int_equal(set(CORE(288), 5), 0);
	assert_int_equal(V->sysreg[SP_EL0], 1);
	assert_int_equal(V->regs.pc, 2);
	assert_int_equal(V->sysreg[SP_EL1], 3);
	assert_int_equal(V->sysreg[ELR_EL1], 4);
	assert_int_equal(V->sysreg[SPSR_EL1], 5);
	assert_int_equal(set(CORE(296), 0), 0);
	assert_int_equal(set(CORE(296), 1), -EINVAL);
	assert_int_equal(get(CORE(320)), 0);

	memset(v, 0x5c, sizeof(v));
	assert_int_equal(one_reg_set(V, CORE_V(31), v), 0);
	assert_memory_equal(V->fp->v[31], v, 16);
	assert_int_equal(one_reg_get(V, CORE_V(31), back), 0);
	assert_memory_equal(back, v, 16);
	assert_int_equal(set(CORE32(848), 0xffffffff12345678), 0);
	assert_int_equal(V->fp->fpsr, 0x12345678);
	assert_int_equal(set(CORE32(852), 7), 0);
	assert_int_equal(get(CORE32(852)), 7);
}

/* A PSTATE of EL2, or one that makes the exception return illegal. */
static void a_pstate_that_el1_cannot_have_is_refused(void **state)
{
	u64 mode;

	for (mode = 0; mode < 32; mode++) {
		bool good = mode == PSR_MODE_EL0t || mode == PSR_MODE_EL1t || mode == PSR_MODE_EL1h;

		V->regs.pstate = 0x3c5;
		assert_int_equal(set(PSTATE, 0x3c0 | mode), good ? 0 : -EINVAL);
		assert_int_equal(V->regs.pstate, good ? 0x3c0 | mode : 0x3c5);
	}
	assert_int_equal(set(PSTATE, 1ULL << 32 | PSR_MODE_EL1h), -EINVAL);
	set_field(ID_PFR0_EL0, 2);
	assert_int_equal(set(PSTATE, PSR_MODE32), 0);
	assert_int_equal(set(PSTATE, PSR_MODE32 | 3), -EINVAL); /* Supervisor */
}

static void system_registers_are_read_and_written(void **state)
{
	const u64 ttbr0 = SYS(SYSREG_ENC(3, 0, 2, 0, 0)), pfr0 = SYS(SYSREG_ENC(3, 0, 0, 4, 0));
	const u64 mdscr = SYS(SYSREG_ENC(2, 0, 0, 2, 2)), oslsr = SYS(SYSREG_ENC(2, 0, 1, 1, 4));

	assert_int_equal(set(ttbr0, 0x1234), 0);
	assert_int_equal(V->sysreg[TTBR0_EL1], 0x1234);
	assert_int_equal(get(ttbr0), 0x1234);
	assert_int_equal(get(SYS(SYSREG_ENC(3, 0, 0, 0, 0))), 0x410fd0c1);
	assert_int_equal(get(SYS(SYSREG_ENC(3, 0, 0, 0, 5))), BIT(31));

	assert_int_equal(set(pfr0, get(pfr0)), 0);
	assert_int_equal(set(pfr0, get(pfr0) ^ 1), -EINVAL);
	assert_int_equal(set(SYS(SYSREG_ENC(3, 0, 0, 6, 7)), 0), 0);
	assert_int_equal(set(SYS(SYSREG_ENC(3, 0, 0, 6, 7)), 1), -EINVAL);
	assert_int_equal(set(mdscr, ~0ULL), 0);
	assert_int_equal(V->sysreg[MDSCR_EL1], 0xb001);
	assert_int_equal(set(oslsr, ~0ULL), 0);
	assert_int_equal(V->sysreg[OSLSR_EL1], 0xa);
}

static void registers_of_features_that_a_vcpu_lacks_are_not_there(void **state)
{
	const u64 zcr = SYS(SYSREG_ENC(3, 0, 1, 2, 0)), key = SYS(SYSREG_ENC(3, 0, 2, 1, 0));
	static u8 z[256];
	u64 value = 0;

	assert_int_equal(one_reg_get(V, zcr, &value), -ENOENT);
	assert_int_equal(one_reg_get(V, key, &value), -ENOENT);
	assert_int_equal(one_reg_get(V, SVE_Z(0), z), -ENOENT);
	V->features |= BIT(VCPU_SVE) | BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC);
	assert_int_equal(set(zcr, 1), 0);
	assert_int_equal(set(key, 2), 0);
	memset(z, 0xc5, sizeof(z));
	assert_int_equal(one_reg_set(V, SVE_Z(31), z), 0);
	assert_memory_equal(V->fp->z[31], z, 256);
	assert_int_equal(one_reg_set(V, SVE_P(15), z), 0);
	assert_memory_equal(V->fp->p[15], z, 32);
	assert_int_equal(one_reg_set(V, SVE_FFR, z), 0);
	assert_memory_equal(V->fp->ffr, z, 32);
	assert_int_equal(one_reg_set(V, SVE_P(16), z), 0); /* that is FFR's number */
	assert_int_equal(one_reg_set(V, SVE_FFR | 1, z), -ENOENT);
	assert_int_equal(one_reg_set(V, SVE_FFR | 1 << 5, z), -ENOENT);
	assert_int_equal(one_reg_set(V, SVE_Z(0) | 1, z), -ENOENT);
	assert_int_equal(one_reg_set(V, CORE_V(0), z), -ENOENT);
}

/* CVAL and CNT have each other's encoding, permanently. */
static void timer_registers_have_kvms_swapped_ids(void **state)
{
	assert_int_equal(set(TIMER_CNT, 400), 0);
	assert_int_equal(w.vm.cntvoff, 600);
	assert_int_equal(get(TIMER_CNT), 400);
	assert_int_equal(set(TIMER_CVAL, 500), 0);
	assert_int_equal(V->sysreg[CNTV_CVAL_EL0], 500);
	assert_int_equal(set(TIMER_CTL, ~0ULL), 0);
	assert_int_equal(get(TIMER_CTL), 3);
	fake_sysreg_set("cntpct_el0", 1100);
	assert_int_equal(get(TIMER_CTL), 7);
	assert_int_equal(set(SYS(REG_NUM(CNTP_CVAL_EL0)), 1100), 0);
	assert_int_equal(set(SYS(REG_NUM(CNTP_CTL_EL0)), 1), 0);
	assert_int_equal(get(SYS(REG_NUM(CNTP_CTL_EL0))), 5);
	assert_int_equal(get(SYS(REG_NUM(CNTPCT_EL0))), 1100);
	assert_int_equal(w.timer_encoding, 0); /* hardware is not touched */
}

static u64 el2_offset;

static int get_offset(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	assert_int_equal(encoding, REG_NUM(CNTVOFF_EL2));
	*value = el2_offset;
	return 0;
}

static u64 read_plain(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return vcpu->sysreg[reg];
}

/* The VM's own offset counts at no level of a VM with an EL2. */
static void a_virtual_timers_condition_goes_by_the_offset_of_its_el2(void **state)
{
	static const struct trap_el2 el2 = { .get = get_offset, .read_el1 = read_plain };

	trap_set_el2(&el2);
	V->sysreg[CNTV_CVAL_EL0] = 900;
	V->sysreg[CNTV_CTL_EL0] = 1;
	w.vm.cntvoff = 600; /* the count is 1000 */
	assert_int_equal(get(TIMER_CTL), 1);
	V->nested = (struct nested_vcpu *)&w;
	el2_offset = 100;
	assert_int_equal(get(TIMER_CTL), 5);
	el2_offset = 101;
	assert_int_equal(get(TIMER_CTL), 1);
	V->nested = NULL;
	w.vm.cntvoff = 0;
}

static void firmware_registers_take_what_the_machine_can_offer(void **state)
{
	assert_int_equal(get(FW(0)), 0x10001);
	assert_int_equal(set(FW(0), 0x10000), 0);
	assert_int_equal(get(FW(0)), 0x10000);
	assert_int_equal(set(FW(0), 0x20000), -EINVAL);
	assert_int_equal(get(FW(1)), 2);
	assert_int_equal(set(FW(1), 1), 0);
	trap_cpu_online(&(struct cpu_id_regs){ 0 });
	assert_int_equal(get(FW(1)), 0);
	assert_int_equal(set(FW(1), 1), -EINVAL);
	assert_int_equal(set(FW(4), 0), -ENOENT);
}

static void services_are_turned_off_by_their_bitmaps(void **state)
{
	assert_int_equal(get(BMAP(0)), 1);
	assert_int_equal(get(BMAP(1)), 1);
	assert_int_equal(get(BMAP(2)), 3);
	assert_int_equal(set(BMAP(2), 7), -EINVAL);
	assert_int_equal(set(BMAP(2), 1), 0);
	assert_int_equal(get(BMAP(2)), 1);
	assert_int_equal(set(BMAP(2), 0), 0);
	assert_int_equal(get(BMAP(2)), 0);
	assert_int_equal(set(BMAP(0), 2), -EINVAL);
	assert_int_equal(set(BMAP(0), 0), 0);
	assert_int_equal(get(BMAP(0)), 0);
	w.hooks->load(V); /* the VM runs */
	assert_int_equal(set(BMAP(1), 0), -EBUSY);
	assert_int_equal(set(BMAP(1), 1), 0);
	assert_int_equal(set(BMAP(3), 0), -ENOENT);
}

static int set32(u64 id, u32 value)
{
	return one_reg_set(V, id, &value);
}

/* Level 1 has both caches, level 2 one of data and instructions, level 3 one of instructions. */
static void cache_sizes_are_the_machines(void **state)
{
	static const bool there[14] = { [0] = true, [1] = true, [2] = true, [5] = true };
	unsigned int n;
	u32 value;

	fake_sysreg_set("clidr_el1", 3 | 4 << 3 | 1 << 6);
	impl_regs_init();
	for (n = 0; n < 14; n++)
		if ((one_reg_get(V, DEMUX(n), &value) == 0) != there[n])
			fail_msg("cache %u", n);
	assert_int_equal(one_reg_get(V, DEMUX(0), &value), 0);
	assert_int_equal(value, 0x700fe01a);
	assert_int_equal(set32(DEMUX(0), 0x700fe01a), 0);
	assert_int_equal(set32(DEMUX(0), 0x700fe01b), -EINVAL);
	assert_int_equal(fake_sysreg_get("csselr_el1"), 5); /* the host's, as before */
	assert_int_equal(set32(DEMUX(14), 0), -ENOENT);
	assert_int_equal(set32(DEMUX(0x100), 0), -ENOENT);
}

/* Registers that KVM lists and a guest without AArch32 does not use have their reset values. */
static void registers_that_only_kvm_lists_are_stored(void **state)
{
	static const struct {
		u64 id, reset;
	} rows[] = {
		{ SYS(SYSREG_ENC(2, 4, 0, 7, 0)), 0 },	   /* DBGVCR32_EL2 */
		{ SYS(SYSREG_ENC(3, 0, 12, 1, 1)), 0 },	   /* DISR_EL1 */
		{ SYS(SYSREG_ENC(3, 4, 3, 0, 0)), 0 },	   /* DACR32_EL2 */
		{ SYS(SYSREG_ENC(3, 4, 5, 0, 1)), 0 },	   /* IFSR32_EL2 */
		{ SYS(SYSREG_ENC(3, 4, 5, 3, 0)), 0x700 }, /* FPEXC32_EL2 */
	};
	static u64 ids[KEEL_REG_LIST_MAX];
	u64 total;

	w.hooks->reset(V);
	assert_int_equal(one_reg_list(V, 0, ids, KEEL_REG_LIST_MAX, &total), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool listed = false;

		for (u64 n = 0; n < total; n++)
			listed |= ids[n] == rows[i].id;
		if (!listed)
			fail_msg("%#lx is not listed", rows[i].id);
		assert_int_equal(get(rows[i].id), rows[i].reset);
		assert_int_equal(set(rows[i].id, 0x5a5a), 0);
		assert_int_equal(get(rows[i].id), 0x5a5a);
	}
	w.hooks->reset(V);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(get(rows[i].id), rows[i].reset);
}

/* ID registers saved on a machine with AArch32 can be restored, and are ignored. */
static void id_registers_of_aarch32_are_ignored(void **state)
{
	for (u32 crm = 1; crm <= 3; crm++) {
		for (u32 op2 = 0; op2 < 8; op2++) {
			u64 id = SYS(SYSREG_ENC(3, 0, 0, crm, op2));
			/* ID_AFR0_EL1, ID_DFR1_EL1, not allocated */
			bool equal = (crm == 1 && op2 == 3) ||
				     (crm == 3 && (op2 == 3 || op2 == 5 || op2 == 7));

			assert_int_equal(get(id), 0);
			assert_int_equal(set(id, 0), 0);
			if (set(id, 0x131) != (equal ? -EINVAL : 0))
				fail_msg("S3_0_C0_C%u_%u", crm, op2);
			assert_int_equal(get(id), 0);
		}
	}
}

static int set_vls(u64 bits, u64 beyond)
{
	u64 words[8] = { bits, [7] = beyond };

	return one_reg_set(V, SVE_VLS, words);
}

static void the_longest_vector_length_can_be_chosen(void **state)
{
	u64 words[8];

	w.sve_vqs = 0x8b; /* 1, 2, 4 and 8 quadwords */
	assert_int_equal(one_reg_get(V, SVE_VLS, words), -ENOENT);
	assert_int_equal(set_vls(1, 0), -ENOENT);
	V->features |= BIT(VCPU_SVE);
	memset(words, 0x5a, sizeof(words));
	assert_int_equal(one_reg_get(V, SVE_VLS, words), 0);
	assert_int_equal(words[0], 0x8b);
	assert_int_equal(words[1] | words[7], 0);
	assert_int_equal(set_vls(0, 0), -EINVAL);
	assert_int_equal(set_vls(0x8a, 0), -EINVAL); /* one cannot be left out */
	assert_int_equal(set_vls(0x07, 0), -EINVAL); /* nor be had */
	assert_int_equal(set_vls(0x808b, 0), -EINVAL);
	assert_int_equal(set_vls(0x1008b, 0), -EINVAL);
	assert_int_equal(set_vls(0x8b, 1), -EINVAL);
	assert_int_equal(V->sve_vq, 0);
	assert_int_equal(set_vls(0x0b, 0), 0);
	assert_int_equal(V->sve_vq, 4);
	assert_int_equal(one_reg_get(V, SVE_VLS, words), 0);
	assert_int_equal(words[0], 0x0b);
	assert_int_equal(set_vls(0x8b, 0), 0);
	assert_int_equal(V->sve_vq, 8);
}

#define ID_REG_ID(crm, op2) SYS(SYSREG_ENC(3, 0, 0, crm, op2))

static void id_registers_can_be_lowered(void **state)
{
	const u64 mmfr0 = ID_REG_ID(7, 0), isar0 = ID_REG_ID(6, 0), pfr0 = ID_REG_ID(4, 0);
	const u64 isar1 = ID_REG_ID(6, 1), dfr0 = ID_REG_ID(5, 0), mmfr1 = ID_REG_ID(7, 1);
	u64 value;

	set_field(ID_MMFR0_PARange, 6);
	set_field(ID_ISAR0_AES, 2);
	set_field(ID_PFR0_GIC, 1);
	set_field(ID_ISAR1_API, 5);
	set_field(ID_MMFR1_SpecSEI, 1);
	set_field(ID_DFR0_BRPs, 5);
	w.vm.s2.stage2.geometry.ia_bits = 48;
	V->features |= BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC);

	/* PARange: 48 bits, then 40; never more */
	value = get(mmfr0);
	assert_int_equal(value & 15, 5);
	assert_int_equal(set(mmfr0, value + 1), -EINVAL);
	assert_int_equal(set(mmfr0, value - 3), 0);
	assert_int_equal(get(mmfr0) & 15, 2);
	assert_int_equal(set(mmfr0, value), 0); /* and back: nothing has run */
	assert_int_equal(set(mmfr0, value - 3), 0);
	/* TGran4_2 is Keel's to say; TGran4 may become "none" */
	assert_int_equal(set(mmfr0, (value - 3) ^ BIT(41)), -EINVAL);
	assert_int_equal(set(mmfr0, (value - 3) | 0xfULL << 28), 0);

	assert_int_equal(set(isar0, get(isar0) - (1 << 4)), 0);
	assert_int_equal(get(isar0) >> 4 & 15, 1);
	assert_int_equal(set(isar0, 3 << 4), -EINVAL);
	assert_int_equal(set(isar0, get(isar0) | 1), -EINVAL); /* not a field that is offered */
	/* an algorithm, or none; not another */
	assert_int_equal(set(isar1, get(isar1) - (1 << 8)), -EINVAL);
	assert_int_equal(set(isar1, get(isar1) & ~0xf00ULL), 0);
	/* what EL2 decides by stays: vGIC, breakpoints; and what is worse when it is more */
	assert_int_equal(set(pfr0, get(pfr0) ^ BIT(24)), -EINVAL);
	assert_int_equal(set(dfr0, get(dfr0) - (1 << 12)), -EINVAL);
	assert_int_equal(set(mmfr1, get(mmfr1) & ~(0xfULL << 24)), -EINVAL);
	assert_int_equal(set(ID_REG_ID(6, 7), 0), 0);
	assert_int_equal(set(ID_REG_ID(6, 7), 1), -EINVAL);

	/* the guest reads what was chosen, on every vCPU, and so does userspace */
	assert_int_equal(id_reg_value(&w.vcpu[1], ID_REG_ISAR0), get(isar0));
	assert_int_equal(id_reg_value(&w.vcpu[1], ID_REG_MMFR0), get(mmfr0));
	/* but of what that vCPU has not, nothing */
	assert_int_equal(set(pfr0, get(pfr0) & ~0xf0000ULL), 0);
	w.vm.vgic = NULL;
	assert_int_equal(get(pfr0) >> 24 & 15, 1); /* one may still come */

	w.hooks->load(V);
	assert_int_equal(get(pfr0) >> 24 & 15, 0);
	assert_int_equal(set(isar0, get(isar0)), 0);
	assert_int_equal(set(isar0, 0), -EBUSY);
	assert_int_equal(get(isar0) >> 4 & 15, 1);
}

static void check_list(void)
{
	static u64 ids[KEEL_REG_LIST_MAX];
	static u8 data[ONE_REG_BYTES_MAX];
	u64 total, i, j;

	assert_int_equal(one_reg_list(V, 0, ids, KEEL_REG_LIST_MAX, &total), 0);
	assert_in_range(total, 100, KEEL_REG_LIST_MAX);
	for (i = 0; i < total; i++) {
		for (j = 0; j < i; j++)
			if (ids[i] == ids[j])
				fail_msg("%#lx is there twice", ids[i]);
		if (one_reg_get(V, ids[i], data))
			fail_msg("%#lx cannot be read", ids[i]);
		if (one_reg_set(V, ids[i], data))
			fail_msg("%#lx does not take what it gave, %#lx", ids[i], *(u64 *)data);
	}
}

/* A shadow is made of pages as large as those of the VM's own stage 2. */
static void a_guest_hypervisor_has_no_granule_that_is_too_small(void **state)
{
	/* TGran4_2, TGran64_2, TGran16_2 in bits 43:32 */
	static const u16 told[] = { 0x222, 0x122, 0x121 };

	for (unsigned int pages = GRANULE_4K; pages <= GRANULE_64K; pages++) {
		w.vm.s2.stage2.geometry.granule = (enum granule)pages;
		V->nested = NULL;
		assert_int_equal(get(ID_REG_ID(7, 0)) >> 32 & 0xfff, 0x111);
		V->nested = (struct nested_vcpu *)&w;
		assert_int_equal(get(ID_REG_ID(7, 0)) >> 32 & 0xfff, told[pages]);
	}
	V->nested = NULL;
}

static void everything_listed_can_be_saved_and_restored(void **state)
{
	w.sve_vqs = 0xffff;
	w.hooks->reset(V);
	check_list();
	V->features |= BIT(VCPU_SVE) | BIT(VCPU_PTRAUTH_ADDRESS) | BIT(VCPU_PTRAUTH_GENERIC);
	check_list();
}

static void the_list_can_be_read_in_parts(void **state)
{
	u64 all[KEEL_REG_LIST_MAX], part[8], total, again, from, i;

	assert_int_equal(one_reg_list(V, 0, all, KEEL_REG_LIST_MAX, &total), 0);
	for (from = 0; from < total + 8; from += 7) {
		memset(part, 0, sizeof(part));
		assert_int_equal(one_reg_list(V, from, part, 7, &again), 0);
		assert_int_equal(again, total);
		for (i = 0; i < 8; i++)
			assert_int_equal(part[i], i < 7 && from + i < total ? all[from + i] : 0);
	}
	assert_int_equal(one_reg_list(V, ~0ULL, part, 8, &again), 0);
}

/* Ids near valid ones, and random ones: errors, and nothing is written beyond a register. */
static void bad_ids_are_errors(void **state)
{
	static const u64 bad[] = { 0,
				   ~0ULL,
				   CORE(4),
				   CORE(328),
				   CORE(848),
				   CORE32(0),
				   CORE32(856),
				   CORE_V(32),
				   CORE_V(0) + 1,
				   CORE(0) | 1ULL << 40,
				   CORE(0) ^ 1ULL << 56,
				   SYS(SYSREG_ENC(3, 3, 9, 12, 0)),
				   SYS(0xffff),
				   FW(99),
				   SYS(SYSREG_ENC(3, 0, 2, 0, 0)) ^ 1ULL << 52 };
	u8 data[ONE_REG_BYTES_MAX];
	unsigned int n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		if (one_reg_get(V, bad[i], data) != -ENOENT ||
		    one_reg_set(V, bad[i], data) != -ENOENT)
			fail_msg("%#lx is a register", bad[i]);
	}
	srand(1);
	for (n = 0; n < 300000; n++) {
		u64 id = 0x6000000000000000ULL | (u64)(rand() % 16) << 52 |
			 (u64)(0x10 + rand() % 8) << 16 | ((u64)rand() & 0xffff);

		V->features = BIT(VCPU_PSCI_0_2) | (rand() & 1 ? BIT(VCPU_SVE) : 0);
		memset(data, rand(), sizeof(data));
		(void)!one_reg_set(V, id, data);
		(void)!one_reg_get(V, id, data);
	}
	assert_true((V->regs.pstate & PSR_MODE_MASK) <= PSR_MODE_EL1h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(core_registers_are_read_and_written, world_setup),
		cmocka_unit_test_setup(a_pstate_that_el1_cannot_have_is_refused, world_setup),
		cmocka_unit_test_setup(system_registers_are_read_and_written, world_setup),
		cmocka_unit_test_setup(registers_of_features_that_a_vcpu_lacks_are_not_there,
				       world_setup),
		cmocka_unit_test_setup(timer_registers_have_kvms_swapped_ids, world_setup),
		cmocka_unit_test_setup(a_virtual_timers_condition_goes_by_the_offset_of_its_el2,
				       world_setup),
		cmocka_unit_test_setup(firmware_registers_take_what_the_machine_can_offer,
				       world_setup),
		cmocka_unit_test_setup(services_are_turned_off_by_their_bitmaps, world_setup),
		cmocka_unit_test_setup(cache_sizes_are_the_machines, world_setup),
		cmocka_unit_test_setup(registers_that_only_kvm_lists_are_stored, world_setup),
		cmocka_unit_test_setup(id_registers_of_aarch32_are_ignored, world_setup),
		cmocka_unit_test_setup(the_longest_vector_length_can_be_chosen, world_setup),
		cmocka_unit_test_setup(id_registers_can_be_lowered, world_setup),
		cmocka_unit_test_setup(a_guest_hypervisor_has_no_granule_that_is_too_small,
				       world_setup),
		cmocka_unit_test_setup(everything_listed_can_be_saved_and_restored, world_setup),
		cmocka_unit_test_setup(the_list_can_be_read_in_parts, world_setup),
		cmocka_unit_test_setup(bad_ids_are_errors, world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
