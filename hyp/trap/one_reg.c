// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM's register ids (one_reg.h). The kind and the size in an id lead to one of these:
 *
 *	core, 64 bits     core_get(), core_set()   struct kvm_regs by offset
 *	core, 128 bits    plain_bytes()            vectors of a vCPU without SVE
 *	core, 32 bits     fp_control()             FPSR, FPCR
 *	SVE               plain_bytes(), is_vls()  Z, P, FFR; vector lengths
 *	sysreg            timer_get() first, then sysreg_user_get(): rows of sysreg.c
 *	firmware          fw_get(), bmap_get()     PSCI's version, mitigations, services
 *	demux             is_ccsidr()              cache sizes
 *	CPU interface     gic_get(), gic_set()     KEEL_REG_CPU_INTERFACE, which is not in the list
 *
 * A value is validated before anything changes. It lies in a page that the host can write, so it
 * is copied once, and the copy is used. one_reg_list() has the same ids that get and set accept, but
 * for those of the CPU interface.
 */
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <lib/errno.h>
#include <lib/string.h>
#include <trap/el2.h>
#include <trap/guest_psci.h>
#include <trap/guest_smccc.h>
#include <trap/impl_regs.h>
#include <trap/one_reg.h>
#include <trap/sysreg.h>
#include <vm/switch.h>

/* api.rst, 4.68: 0x60 in bits 63:56, log2 of the size in 55:52, zero, the kind in 27:16 */
#define ID_ARM64       0x6000000000000000ULL
#define ID_SIZE	       GENMASK(55, 52)
#define ID_U32	       FIELD_PREP(ID_SIZE, 2)
#define ID_U64	       FIELD_PREP(ID_SIZE, 3)
#define ID_U128	       FIELD_PREP(ID_SIZE, 4)
#define ID_U256	       FIELD_PREP(ID_SIZE, 5)
#define ID_U512	       FIELD_PREP(ID_SIZE, 6)
#define ID_U2048       FIELD_PREP(ID_SIZE, 8)
#define ID_KIND	       GENMASK(27, 16)
#define ID_NUMBER      GENMASK(15, 0)
#define ID_KIND_CORE   0x10
#define ID_KIND_DEMUX  0x11
#define ID_KIND_SYSREG 0x13
#define ID_KIND_FW     0x14
#define ID_KIND_SVE    0x15
#define ID_KIND_BMAP   0x16
#define ID_KIND_GIC    FIELD_GET(ID_KIND, KEEL_REG_CPU_INTERFACE)

#define REG_ID(size, kind, number) (ID_ARM64 | (size) | FIELD_PREP(ID_KIND, kind) | (number))

/* struct kvm_regs (arch/arm64/include/uapi/asm/kvm.h): byte offsets; a core register's number is
 * its offset divided by 4. */
#define CORE_X	    0 /* user_pt_regs: 31 of 8 bytes */
#define CORE_SP	    248
#define CORE_PC	    256
#define CORE_PSTATE 264
#define CORE_SP_EL1 272
#define CORE_ELR    280
#define CORE_SPSR   288 /* EL1's, then four of AArch32's modes */
#define CORE_V	    336 /* user_fpsimd_state: 32 of 16 bytes */
#define CORE_FPSR   848
#define CORE_FPCR   852
#define SPSR_COUNT  5

/* Numbers of SVE registers: a base and 32 times the index; each register is one slice, number 0. */
#define SVE_Z	   0x000
#define SVE_P	   0x400
#define SVE_FFR	   0x600
#define SVE_REG(n) ((n) << 5)

#define SVE_VLS	   0xffff /* a bitmap: bit n is the vector length of n + 1 quadwords */
#define SVE_VLS_ID REG_ID(ID_U512, ID_KIND_SVE, SVE_VLS)

/*
 * In KVM's API the ids of two registers of the virtual timer are swapped, which was a mistake and
 * cannot be changed any more: CNTV_CVAL_EL0 has the encoding of CNTVCT_EL0, and the reverse.
 */
#define TIMER_ID_CTL  REG_NUM(CNTV_CTL_EL0)
#define TIMER_ID_CVAL REG_NUM(CNTVCT_EL0)
#define TIMER_ID_CNT  REG_NUM(CNTV_CVAL_EL0)

/* Firmware registers (api.rst, "ARM64 firmware pseudo-registers"; KVM_REG_ARM_*_WORKAROUND_*) */
#define FW_PSCI_VERSION	  0
#define FW_WORKAROUND_1	  1
#define FW_WORKAROUND_2	  2
#define FW_WORKAROUND_3	  3
#define FW_COUNT	  4
#define FW_AVAIL	  1
#define FW_NOT_REQUIRED	  2 /* of workarounds 1 and 3 */
#define FW_2_UNKNOWN	  1
#define FW_2_NOT_REQUIRED 3

/* ---- core registers ---- */

/* Where a 64-bit core register is stored; NULL if it is not plain memory. */
static u64 *core_u64(struct vcpu *vcpu, u64 offset)
{
	if (offset < CORE_SP && offset % 8 == 0)
		return &vcpu->regs.x[offset / 8];
	return offset == CORE_PC ? &vcpu->regs.pc : NULL;
}

static bool core_sysreg(u64 offset, enum vcpu_sysreg *reg)
{
	switch (offset) {
	case CORE_SP:
		*reg = SP_EL0;
		return true;
	case CORE_SP_EL1:
		*reg = SP_EL1;
		return true;
	case CORE_ELR:
		*reg = ELR_EL1;
		return true;
	case CORE_SPSR:
		*reg = SPSR_EL1;
		return true;
	default:
		return false;
	}
}

/* SPSR_abt, _und, _irq, _fiq: EL1 is never AArch32, so they are always zero. */
static bool core_is_spsr_aa32(u64 offset)
{
	return offset > CORE_SPSR && offset < CORE_SPSR + 8 * SPSR_COUNT && offset % 8 == 0;
}

static int core_get(struct vcpu *vcpu, u64 offset, u64 *value)
{
	const u64 *plain = core_u64(vcpu, offset);
	enum vcpu_sysreg reg;

	if (plain)
		*value = *plain;
	else if (core_sysreg(offset, &reg))
		*value = trap_read_el1(vcpu, reg);
	else if (offset == CORE_PSTATE)
		*value = vcpu->regs.pstate;
	else if (core_is_spsr_aa32(offset))
		*value = 0;
	else
		return -ENOENT;
	return 0;
}

/*
 * PSTATE goes into SPSR_EL2. A mode above EL1 would be entered, and a mode that the CPU does not
 * have would make the exception return illegal, which stays at EL2 (C5.2.18, D1.4.3).
 */
static bool pstate_valid(const struct vcpu *vcpu, u64 pstate)
{
	const bool aarch32 = cpu_has(id_regs_machine(), FEAT_AA32EL0);

	if (pstate >> 32)
		return false;
	switch (pstate & (PSR_MODE32 | PSR_MODE_MASK)) {
	case PSR_MODE_EL0t:
	case PSR_MODE_EL1t:
	case PSR_MODE_EL1h:
		return true;
	case PSR_MODE_EL2t: /* the hardware gets EL1's in its place: hyp/nested/ */
	case PSR_MODE_EL2h:
		return vcpu->nested;
	case PSR_MODE32: /* User */
		return aarch32;
	default:
		return false;
	}
}

static int core_set(struct vcpu *vcpu, u64 offset, u64 value)
{
	u64 *plain = core_u64(vcpu, offset);
	enum vcpu_sysreg reg;

	if (plain)
		*plain = value;
	else if (core_sysreg(offset, &reg))
		trap_write_el1(vcpu, reg, value);
	else if (core_is_spsr_aa32(offset))
		return value ? -EINVAL : 0;
	else if (offset != CORE_PSTATE)
		return -ENOENT;
	else if (!pstate_valid(vcpu, value))
		return -EINVAL;
	else
		vcpu->regs.pstate = value;
	return 0;
}

/* ---- registers of other sizes ---- */

static bool has_sve(const struct vcpu *vcpu)
{
	return vcpu_when(vcpu, WHEN_SVE);
}

/* With SVE, userspace sees the vectors only as Z registers. */
static void *core_v(struct vcpu *vcpu, u64 offset)
{
	if (has_sve(vcpu) || offset < CORE_V || offset >= CORE_FPSR || offset % 16)
		return NULL;
	return vcpu->fp->v[(offset - CORE_V) / 16];
}

static void *sve_bytes(struct vcpu *vcpu, u64 size, u64 number)
{
	u64 n = number >> 5 & 31;

	if (!has_sve(vcpu) || (number & 31))
		return NULL;
	if (size == ID_U2048 && number < SVE_P)
		return vcpu->fp->z[n];
	if (size == ID_U256 && number >= SVE_P && number < SVE_FFR)
		return vcpu->fp->p[n];
	return size == ID_U256 && number == SVE_FFR ? vcpu->fp->ffr : NULL;
}

/* Where a register without further meaning is stored, or NULL. */
static void *plain_bytes(struct vcpu *vcpu, u64 id)
{
	u64 number = FIELD_GET(ID_NUMBER, id);

	if (FIELD_GET(ID_KIND, id) == ID_KIND_SVE)
		return sve_bytes(vcpu, id & ID_SIZE, number);
	if (FIELD_GET(ID_KIND, id) == ID_KIND_CORE && (id & ID_SIZE) == ID_U128)
		return core_v(vcpu, number * 4);
	return NULL;
}

/* FPSR and FPCR. */
static u64 *fp_control(struct vcpu *vcpu, u64 id)
{
	if (id == REG_ID(ID_U32, ID_KIND_CORE, CORE_FPSR / 4))
		return &vcpu->fp->fpsr;
	if (id == REG_ID(ID_U32, ID_KIND_CORE, CORE_FPCR / 4))
		return &vcpu->fp->fpcr;
	return NULL;
}

/* ---- timers ---- */

static u64 virtual_count(const struct vcpu *vcpu)
{
	return read_sysreg(cntpct_el0) - READ_ONCE(vcpu->vm->cntvoff);
}

/* What EL1's virtual timer compares with: the offset of an EL2, where there is one, in place of the VM's. */
static u64 virtual_timer_count(struct vcpu *vcpu)
{
	u64 offset;

	if (!vcpu->nested || trap_el2()->get(vcpu, REG_NUM(CNTVOFF_EL2), &offset))
		return virtual_count(vcpu);
	return read_sysreg(cntpct_el0) - offset;
}

/* A timer's CTL, with ISTATUS as it would be now. */
static u64 timer_ctl(struct vcpu *vcpu, enum vcpu_sysreg ctl, enum vcpu_sysreg cval, u64 now)
{
	u64 value = trap_read_el1(vcpu, ctl) & CNT_CTL_WRITABLE;

	if ((value & CNT_CTL_ENABLE) && now >= trap_read_el1(vcpu, cval))
		value |= CNT_CTL_ISTATUS;
	return value;
}

static int timer_get(struct vcpu *vcpu, u64 number, u64 *value)
{
	switch (number) {
	case TIMER_ID_CTL:
		*value = timer_ctl(vcpu, CNTV_CTL_EL0, CNTV_CVAL_EL0, virtual_timer_count(vcpu));
		return 0;
	case TIMER_ID_CVAL:
		*value = trap_read_el1(vcpu, CNTV_CVAL_EL0);
		return 0;
	case TIMER_ID_CNT:
		*value = virtual_count(vcpu);
		return 0;
	case REG_NUM(CNTPCT_EL0):
		*value = read_sysreg(cntpct_el0);
		return 0;
	case REG_NUM(CNTP_CTL_EL0):
		*value = timer_ctl(vcpu, CNTP_CTL_EL0, CNTP_CVAL_EL0, read_sysreg(cntpct_el0));
		return 0;
	case REG_NUM(CNTP_CVAL_EL0):
		*value = trap_read_el1(vcpu, CNTP_CVAL_EL0);
		return 0;
	default:
		return -ENOENT;
	}
}

/*
 * All vCPUs of a VM have one virtual count, so setting it on one sets it on all. A write of the
 * physical count is ignored.
 */
static int timer_set(struct vcpu *vcpu, u64 number, u64 value)
{
	switch (number) {
	case TIMER_ID_CTL:
		trap_write_el1(vcpu, CNTV_CTL_EL0, value & CNT_CTL_WRITABLE);
		return 0;
	case TIMER_ID_CVAL:
		trap_write_el1(vcpu, CNTV_CVAL_EL0, value);
		return 0;
	case TIMER_ID_CNT:
		WRITE_ONCE(vcpu->vm->cntvoff, read_sysreg(cntpct_el0) - value);
		return 0;
	case REG_NUM(CNTPCT_EL0):
		return 0;
	case REG_NUM(CNTP_CTL_EL0):
		trap_write_el1(vcpu, CNTP_CTL_EL0, value & CNT_CTL_WRITABLE);
		return 0;
	case REG_NUM(CNTP_CVAL_EL0):
		trap_write_el1(vcpu, CNTP_CVAL_EL0, value);
		return 0;
	default:
		return -ENOENT;
	}
}

static const u16 timer_numbers[] = {
	TIMER_ID_CTL,	     TIMER_ID_CVAL,	    TIMER_ID_CNT,
	REG_NUM(CNTPCT_EL0), REG_NUM(CNTP_CTL_EL0), REG_NUM(CNTP_CVAL_EL0),
};

/* ---- firmware ---- */

static u64 fw_workaround(unsigned int n)
{
	switch (guest_smccc_workaround(n)) {
	case WORKAROUND_NEEDED:
		return FW_AVAIL;
	case WORKAROUND_NOT_NEEDED:
		return n == 2 ? FW_2_NOT_REQUIRED : FW_NOT_REQUIRED;
	default:
		return 0;
	}
}

static int fw_get(struct vcpu *vcpu, u64 number, u64 *value)
{
	if (number >= FW_COUNT)
		return -ENOENT;
	*value = number == FW_PSCI_VERSION ? guest_psci_version(vcpu->vm)
					   : fw_workaround((unsigned int)number);
	return 0;
}

/*
 * A restored guest may have been told of fewer mitigations than this machine has, but not of more.
 */
static int fw_set(struct vcpu *vcpu, u64 number, u64 value)
{
	if (number >= FW_COUNT)
		return -ENOENT;
	if (number == FW_PSCI_VERSION)
		return guest_psci_set_version(vcpu->vm, value);
	if (number == FW_WORKAROUND_2 && value == FW_2_UNKNOWN)
		return 0;
	return value <= fw_workaround((unsigned int)number) ? 0 : -EINVAL;
}

/* Services of the firmware, one bit each. */
static int bmap_get(struct vcpu *vcpu, u64 number, u64 *value)
{
	if (number >= GUEST_SMCCC_GROUPS)
		return -ENOENT;
	*value = guest_smccc_services(vcpu->vm, (enum guest_smccc_group)number);
	return 0;
}

static int bmap_set(struct vcpu *vcpu, u64 number, u64 value)
{
	if (number >= GUEST_SMCCC_GROUPS)
		return -ENOENT;
	return guest_smccc_set_services(vcpu->vm, (enum guest_smccc_group)number, value);
}

/* ---- cache sizes: CCSIDR_EL1, the machine's ---- */

/* Whether @id names the CCSIDR_EL1 of a cache that the machine has. */
static bool is_ccsidr(u64 id, u64 *csselr)
{
	*csselr = FIELD_GET(ID_NUMBER, id);
	return id == REG_ID(ID_U32, ID_KIND_DEMUX, *csselr) && impl_regs_has_cache(*csselr);
}

/* ---- vector lengths ---- */

static bool is_vls(const struct vcpu *vcpu, u64 id)
{
	return id == SVE_VLS_ID && has_sve(vcpu);
}

/*
 * This machine's vector lengths up to the vCPU's longest: the first 16 of the register's 512 bits.
 */
static u64 vls_of(const struct vcpu *vcpu)
{
	return switch_sve_vqs() & (vcpu->sve_vq ? GENMASK(vcpu->sve_vq - 1, 0) : ~0ULL);
}

/*
 * Userspace chooses the longest; the shorter ones that the machine has cannot be left out (E1.2).
 */
static int vls_set(struct vcpu *vcpu, const u64 *words)
{
	u64 vqs = READ_ONCE(words[0]), there = switch_sve_vqs(), beyond = 0;
	unsigned int longest = 0;

	for (unsigned int i = 1; i < 8; i++)
		beyond |= READ_ONCE(words[i]);
	for (unsigned int i = 0; i < SVE_VQ_MAX; i++)
		if (vqs & BIT(i))
			longest = i + 1;
	if (beyond || !longest || vqs != (there & GENMASK(longest - 1, 0)))
		return -EINVAL;
	vcpu->sve_vq = longest;
	return 0;
}

/* ---- the GIC's CPU interface: of vCPUs with an EL2, that EL2's registers ---- */

static int gic_get(struct vcpu *vcpu, u64 number, u64 *value)
{
	return vcpu->nested ? trap_el2()->get_gic(vcpu, (u32)number, value) : -ENOENT;
}

static int gic_set(struct vcpu *vcpu, u64 number, u64 value)
{
	return vcpu->nested ? trap_el2()->set_gic(vcpu, (u32)number, value) : -ENOENT;
}

/* ---- by id ---- */

static int get_u64(struct vcpu *vcpu, u64 id, u64 *value)
{
	u64 number = FIELD_GET(ID_NUMBER, id);
	int ret;

	switch (FIELD_GET(ID_KIND, id)) {
	case ID_KIND_CORE:
		return core_get(vcpu, number * 4, value);
	case ID_KIND_FW:
		return fw_get(vcpu, number, value);
	case ID_KIND_BMAP:
		return bmap_get(vcpu, number, value);
	case ID_KIND_SYSREG:
		ret = timer_get(vcpu, number, value);
		return ret == -ENOENT ? sysreg_user_get(vcpu, (u32)number, value) : ret;
	case ID_KIND_GIC:
		return gic_get(vcpu, number, value);
	default:
		return -ENOENT;
	}
}

static int set_u64(struct vcpu *vcpu, u64 id, u64 value)
{
	u64 number = FIELD_GET(ID_NUMBER, id);
	int ret;

	switch (FIELD_GET(ID_KIND, id)) {
	case ID_KIND_CORE:
		return core_set(vcpu, number * 4, value);
	case ID_KIND_FW:
		return fw_set(vcpu, number, value);
	case ID_KIND_BMAP:
		return bmap_set(vcpu, number, value);
	case ID_KIND_SYSREG:
		ret = timer_set(vcpu, number, value);
		return ret == -ENOENT ? sysreg_user_set(vcpu, (u32)number, value) : ret;
	case ID_KIND_GIC:
		return gic_set(vcpu, number, value);
	default:
		return -ENOENT;
	}
}

/* Whether all bits of @id but size, kind and number are as KVM's API has them. */
static bool id_valid(u64 id)
{
	return (id & ~(ID_SIZE | ID_KIND | ID_NUMBER)) == ID_ARM64;
}

static size_t id_bytes(u64 id)
{
	return (size_t)1 << FIELD_GET(ID_SIZE, id);
}

/* Registers that are neither plain bytes nor 64 bits long. */
static int get_odd(struct vcpu *vcpu, u64 id, void *data)
{
	const u64 *control = fp_control(vcpu, id);
	u64 csselr, vls[8] = { 0 };
	u32 ccsidr;

	if (control) {
		memcpy(data, control, sizeof(u32));
	} else if (is_ccsidr(id, &csselr)) {
		ccsidr = (u32)impl_regs_machine()->ccsidr[csselr];
		memcpy(data, &ccsidr, sizeof(ccsidr));
	} else if (is_vls(vcpu, id)) {
		vls[0] = vls_of(vcpu);
		memcpy(data, vls, sizeof(vls));
	} else {
		return -ENOENT;
	}
	return 0;
}

static int set_odd(struct vcpu *vcpu, u64 id, const void *data)
{
	u64 *control = fp_control(vcpu, id);
	u64 csselr, vls[8];
	u32 value = 0;

	if (is_vls(vcpu, id)) {
		memcpy(vls, data, sizeof(vls));
		return vls_set(vcpu, vls);
	}
	if (control) {
		memcpy(&value, data, sizeof(value));
		*control = value;
		return 0;
	}
	if (!is_ccsidr(id, &csselr))
		return -ENOENT;
	memcpy(&value, data, sizeof(value));
	return value == (u32)impl_regs_machine()->ccsidr[csselr] ? 0 : -EINVAL;
}

int one_reg_get(struct vcpu *vcpu, u64 id, void *data)
{
	const void *bytes;
	u64 value;
	int ret;

	if (!id_valid(id))
		return -ENOENT;
	bytes = plain_bytes(vcpu, id);
	if (bytes) {
		memcpy(data, bytes, id_bytes(id));
		return 0;
	}
	if ((id & ID_SIZE) != ID_U64)
		return get_odd(vcpu, id, data);
	ret = get_u64(vcpu, id, &value);
	if (!ret)
		memcpy(data, &value, sizeof(value));
	return ret;
}

int one_reg_set(struct vcpu *vcpu, u64 id, const void *data)
{
	u64 value = 0;
	void *bytes;

	if (!id_valid(id))
		return -ENOENT;
	bytes = plain_bytes(vcpu, id);
	if (bytes) {
		memcpy(bytes, data, id_bytes(id));
		return 0;
	}
	if ((id & ID_SIZE) != ID_U64)
		return set_odd(vcpu, id, data);
	memcpy(&value, data, sizeof(value));
	/* READ_ONCE: the compiler must not read the host's page a second time */
	return set_u64(vcpu, id, READ_ONCE(value));
}

/* ---- the list ---- */

struct list {
	u64 from, *ids, count;
	u64 max;
};

static void add_reg_id(struct list *list, u64 id)
{
	if (list->count >= list->from && list->count - list->from < list->max)
		list->ids[list->count - list->from] = id;
	list->count++;
}

static void add_core(struct list *list, const struct vcpu *vcpu)
{
	for (u64 offset = CORE_X; offset < CORE_SPSR + 8 * SPSR_COUNT; offset += 8)
		add_reg_id(list, REG_ID(ID_U64, ID_KIND_CORE, offset / 4));
	for (u64 offset = CORE_V; offset < CORE_FPSR && !has_sve(vcpu); offset += 16)
		add_reg_id(list, REG_ID(ID_U128, ID_KIND_CORE, offset / 4));
	add_reg_id(list, REG_ID(ID_U32, ID_KIND_CORE, CORE_FPSR / 4));
	add_reg_id(list, REG_ID(ID_U32, ID_KIND_CORE, CORE_FPCR / 4));
}

static void add_sve(struct list *list, const struct vcpu *vcpu)
{
	if (!has_sve(vcpu))
		return;
	for (u64 n = 0; n < 32; n++)
		add_reg_id(list, REG_ID(ID_U2048, ID_KIND_SVE, SVE_Z | SVE_REG(n)));
	for (u64 n = 0; n < 16; n++)
		add_reg_id(list, REG_ID(ID_U256, ID_KIND_SVE, SVE_P | SVE_REG(n)));
	add_reg_id(list, REG_ID(ID_U256, ID_KIND_SVE, SVE_FFR));
	add_reg_id(list, SVE_VLS_ID);
}

static void add_sysregs(struct list *list, const struct vcpu *vcpu)
{
	for (size_t i = 0; i < ARRAY_SIZE(timer_numbers); i++)
		add_reg_id(list, REG_ID(ID_U64, ID_KIND_SYSREG, timer_numbers[i]));
	for (size_t i = 0; i < sysreg_count(); i++)
		if (sysreg_user_visible(vcpu, sysreg_row(i)))
			add_reg_id(list, REG_ID(ID_U64, ID_KIND_SYSREG, sysreg_row(i)->first));
}

static void add_el2(struct list *list, const struct vcpu *vcpu)
{
	size_t count = vcpu->nested ? trap_el2()->count() : 0;

	for (size_t i = 0; i < count; i++)
		if (trap_el2()->encoding(vcpu, i))
			add_reg_id(list,
				   REG_ID(ID_U64, ID_KIND_SYSREG, trap_el2()->encoding(vcpu, i)));
}

static void add_ccsidrs(struct list *list)
{
	for (u64 csselr = 0; csselr < CCSIDR_COUNT; csselr++)
		if (impl_regs_has_cache(csselr))
			add_reg_id(list, REG_ID(ID_U32, ID_KIND_DEMUX, csselr));
}

int one_reg_list(struct vcpu *vcpu, u64 from, u64 *ids, u64 max, u64 *total)
{
	struct list list = { .from = from, .ids = ids, .max = max };

	add_core(&list, vcpu);
	add_sve(&list, vcpu);
	for (u64 n = 0; n < FW_COUNT; n++)
		add_reg_id(&list, REG_ID(ID_U64, ID_KIND_FW, n));
	for (u64 n = 0; n < GUEST_SMCCC_GROUPS; n++)
		add_reg_id(&list, REG_ID(ID_U64, ID_KIND_BMAP, n));
	add_ccsidrs(&list);
	add_sysregs(&list, vcpu);
	add_el2(&list, vcpu);
	*total = list.count;
	return 0;
}
