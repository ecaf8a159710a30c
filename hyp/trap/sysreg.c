// SPDX-License-Identifier: BSD-2-Clause
/*
 * The system-register table, and its users: traps, reset, and userspace's ONE_REG. docs/traps.md.
 *
 * One row says all about a register (sysreg.h): its encoding; which trap control makes a guest's
 * access come here (.trap; vm/guest_traps.c sets the control); which vCPUs have it (.when); how an
 * MRS and an MSR behave (.read, .write; NULL is UNDEFINED); where its value is stored, and its
 * value after reset (.storage, .reset, .fixed); and what userspace may do with it (.user). So a
 * register that does not trap but that userspace saves is a row without .read and .write, and a
 * register that guests do not have is a row without any: it documents what makes it UNDEFINED.
 *
 *	trapped MRS or MSR -> sysreg_trap() -> sysreg_find() by encoding: device_row[], search()
 *	                        no row, or not this vCPU's  -> UNDEFINED in the guest
 *	                        .read, .write               -> done, one instruction on
 *	                        .write returned VCPU_AGAIN  -> the host first, then the same again
 *	ONE_REG            -> sysreg_user_get(), sysreg_user_set(), by .user
 *	KVM_ARM_VCPU_INIT  -> sysreg_reset(): .reset into each .storage
 *
 * The table is sorted by encoding, which the search needs; a unit test checks that. Another one
 * checks, for each kind of CPU, that every register that guests do not have traps. An encoding that
 * has no row is UNDEFINED too, and is logged once, since it may be a register that is new to Keel.
 *
 * Who runs a function here owns the vCPU, so no lock is needed: a vCPU's registers are its owner's.
 */
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <arch/timer.h>
#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <trap/debug.h>
#include <trap/device.h>
#include <trap/el2.h>
#include <trap/impl_regs.h>
#include <trap/set_way.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vm/switch.h>

/* ICC_SRE_EL1 (IHI 0069, 12.2.22): DIB, DFB and SRE are RAO/WI */
#define ICC_SRE 7

/* ---- reads and writes ---- */

static u64 read_zero(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return 0;
}

static enum vcpu_action ignore_write(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	(void)vcpu;
	(void)row;
	(void)value;
	return VCPU_RESUME;
}

static u64 read_stored(struct vcpu *vcpu, const struct sysreg_row *row)
{
	return vcpu_read_sysreg(vcpu, (enum vcpu_sysreg)row->storage);
}

static enum vcpu_action write_stored(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	vcpu_write_sysreg(vcpu, (enum vcpu_sysreg)row->storage,
			  (value & ~row->fixed) | (row->reset & row->fixed));
	return VCPU_RESUME;
}

static u64 read_id_reg(struct vcpu *vcpu, const struct sysreg_row *row)
{
	return id_reg_read(vcpu, (enum id_reg)row->id);
}

/* A guest that reads ID_AA64DFR0_EL1 may be about to use SPE: tell the device. */
static u64 read_dfr0(struct vcpu *vcpu, const struct sysreg_row *row)
{
	if (vcpu->spe && this_vm_cpu()->vcpu == vcpu)
		trap_device(TRAP_DEVICE_SPE)->sought(vcpu);
	return read_id_reg(vcpu, row);
}

/*
 * Registers that a guest reads without a trap on CPUs whose own value is the machine's; on other
 * CPUs they trap (impl_regs.h). CTR_EL0 is merged from all CPUs, the others are the boot CPU's.
 */
static u64 read_machine_reg(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	return id_regs_machine()->reg[row->id];
}

static u64 read_midr(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return impl_regs_machine()->midr;
}

static u64 read_revidr(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return impl_regs_machine()->revidr;
}

static u64 read_aidr(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return impl_regs_machine()->aidr;
}

static u64 read_clidr(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return impl_regs_machine()->clidr;
}

/* Of the cache that CSSELR_EL1 selects; UNKNOWN, here 0, if there is no such cache. */
static u64 read_ccsidr(struct vcpu *vcpu, const struct sysreg_row *row)
{
	u64 csselr = vcpu_read_sysreg(vcpu, CSSELR_EL1);

	(void)row;
	return impl_regs_has_cache(csselr) ? impl_regs_machine()->ccsidr[csselr] : 0;
}

static u64 read_mpidr(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)row;
	return vcpu->mpidr;
}

static u64 read_sre(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return ICC_SRE;
}

static enum vcpu_action write_oslar(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	(void)row;
	vcpu_write_sysreg(vcpu, OSLSR_EL1, OSLSR_OSLM | (value & OSLAR_OSLK ? OSLSR_OSLK : 0));
	debug_update(vcpu);
	return VCPU_RESUME;
}

static enum vcpu_action write_set_way(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	(void)row;
	(void)value;
	return set_way_trap(vcpu) ? VCPU_RESUME : VCPU_AGAIN;
}

/* A write of a register that traps only while HCR_EL2.TVM is set (set_way.c). */
static enum vcpu_action write_vm_reg(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	bool done = set_way_write(vcpu, (enum vcpu_sysreg)row->storage, value);

	return done ? VCPU_RESUME : VCPU_AGAIN;
}

/* MDSCR_EL1, OSDLR_EL1 */
static enum vcpu_action write_debug_control(struct vcpu *vcpu, const struct sysreg_row *row,
					    u64 value)
{
	enum vcpu_action ret = write_stored(vcpu, row, value);

	debug_update(vcpu);
	return ret;
}

static enum vcpu_action write_debug_reg(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	enum vcpu_action ret = write_stored(vcpu, row, value);

	debug_update_reg(vcpu, (enum vcpu_sysreg)row->storage);
	return ret;
}

static u64 read_device_reg(struct vcpu *vcpu, const struct sysreg_row *row)
{
	return trap_device((enum trap_device_id)row->id)->read(vcpu, row->first);
}

static enum vcpu_action write_device_reg(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	return trap_device((enum trap_device_id)row->id)->write(vcpu, row->first, value);
}

/* ---- the table ---- */

/* A register by its name in arch/regs.h; and one with a value in the vCPU's register file. */
#define REG(reg) \
	.first = REG_NUM(reg), .last = REG_NUM(reg), .name = #reg, .storage = SYSREG_NO_STORAGE
#define KEEPS(reg)                                                                   \
	.first = REG_NUM(reg), .last = REG_NUM(reg), .name = #reg, .storage = (reg), \
	.user = USER_STORED

/* A range of encodings of registers that no VM has. */
#define GROUP(from, to, what) \
	.first = (from), .last = (to), .name = (what), .storage = SYSREG_NO_STORAGE

/* An ID register of a VM. */
#define ID(reg, which)                                                               \
	{                                                                            \
		REG(reg), .trap = BY_HCR_TID3, .user = USER_ID, .read = read_id_reg, \
			  .id = ID_REG_##which                                       \
	}

/* A breakpoint or watchpoint register. Userspace sees all 16 of each, as with KVM. */
#define DBG_(n, op2, what, cond, bits)                                                            \
	{                                                                                         \
		.first = SYSREG_ENC(2, 0, 0, n, op2), .last = SYSREG_ENC(2, 0, 0, n, op2),        \
		.name = #what #n "_EL1", .storage = what##0_EL1 + (n), .when = (cond), .id = (n), \
		.trap = BY_MDCR_TDA, .user = USER_STORED, .read = read_stored,                    \
		.write = write_debug_reg, .fixed = ~(bits)                                        \
	}
#define DBG(n)                                                    \
	DBG_(n, 4, DBGBVR, WHEN_BREAKPOINT, ~0ULL),               \
		DBG_(n, 5, DBGBCR, WHEN_BREAKPOINT, DBGBCR_BITS), \
		DBG_(n, 6, DBGWVR, WHEN_WATCHPOINT, DBGWVR_BITS), \
		DBG_(n, 7, DBGWCR, WHEN_WATCHPOINT, DBGWCR_BITS)

/* In order of encodings, which a test checks. */
static const struct sysreg_row table[] = {
	{ GROUP(SYSREG_ENC(0, 1, 4, 0, 0), SYSREG_ENC(0, 1, 4, 1, 7), "ALLINT, immediate"),
	  .trap = BY_HCRX_TALLINT },

	{ REG(DC_ISW), .trap = BY_HCR_TSW, .write = write_set_way },
	{ REG(DC_IGSW), .trap = BY_HCR_TSW, .when = WHEN_MTE, .write = write_set_way },
	{ REG(DC_IGDSW), .trap = BY_HCR_TSW, .when = WHEN_MTE, .write = write_set_way },
	{ REG(DC_CSW), .trap = BY_HCR_TSW, .write = write_set_way },
	{ REG(DC_CGSW), .trap = BY_HCR_TSW, .when = WHEN_MTE, .write = write_set_way },
	{ REG(DC_CGDSW), .trap = BY_HCR_TSW, .when = WHEN_MTE, .write = write_set_way },
	{ REG(DC_CISW), .trap = BY_HCR_TSW, .write = write_set_way },
	{ REG(DC_CIGSW), .trap = BY_HCR_TSW, .when = WHEN_MTE, .write = write_set_way },
	{ REG(DC_CIGDSW), .trap = BY_HCR_TSW, .when = WHEN_MTE, .write = write_set_way },

	{ REG(DC_CIVAPS), .trap = BY_FGT2_0 },
	{ REG(DC_CIGDVAPS), .trap = BY_FGT2_0 },
	{ GROUP(SYSREG_ENC(1, 1, 7, 2, 4), SYSREG_ENC(1, 1, 7, 2, 5), "BRB"),
	  .trap = BY_HFGITR_BRB_0 },
	{ GROUP(SYSREG_ENC(1, 3, 7, 4, 1), SYSREG_ENC(1, 3, 7, 4, 4), "DC ZVA"),
	  .trap = BY_HCR_TDZ },
	{ GROUP(SYSREG_ENC(1, 3, 7, 7, 0), SYSREG_ENC(1, 3, 7, 7, 7), "GCS"),
	  .trap = BY_HFGRTR_GCS_0 },

	/* Debug. There is no external debugger, so the Debug Communications Channel is empty. */
	{ REG(OSDTRRX_EL1), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	DBG(0),
	DBG(1),
	{ KEEPS(MDCCINT_EL1), .trap = BY_MDCR_TDA, .read = read_stored, .write = write_stored,
	  .fixed = ~MDCCINT_BITS },
	{ KEEPS(MDSCR_EL1), .trap = BY_MDCR_TDA, .read = read_stored, .write = write_debug_control,
	  .fixed = ~MDSCR_GUEST },
	DBG(2),
	{ REG(OSDTRTX_EL1), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	DBG(3),
	{ REG(MDSELR_EL1), .trap = BY_FGT2_0 },
	DBG(4),
	{ REG(MDSTEPOP_EL1), .trap = BY_FGT2_0 },
	DBG(5),
	{ REG(OSECCR_EL1), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	DBG(6),
	DBG(7),
	DBG(8),
	DBG(9),
	DBG(10),
	DBG(11),
	DBG(12),
	DBG(13),
	DBG(14),
	DBG(15),
	{ REG(MDRAR_EL1), .trap = BY_MDCR_TDRA, .read = read_zero },
	{ REG(OSLAR_EL1), .trap = BY_MDCR_TDOSA, .write = write_oslar },
	{ KEEPS(OSLSR_EL1), .trap = BY_MDCR_TDOSA, .read = read_stored, .reset = OSLSR_OSLM,
	  .fixed = ~OSLSR_OSLK },
	{ KEEPS(OSDLR_EL1), .trap = BY_MDCR_TDOSA, .read = read_stored,
	  .write = write_debug_control, .fixed = ~OSDLR_DLK },
	{ REG(DBGPRCR_EL1), .trap = BY_MDCR_TDOSA, .read = read_zero, .write = ignore_write },
	{ REG(DBGCLAIMSET_EL1), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	{ REG(DBGCLAIMCLR_EL1), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	{ REG(DBGAUTHSTATUS_EL1), .trap = BY_MDCR_TDA, .read = read_zero },
	{ GROUP(SYSREG_ENC(2, 0, 9, 0, 0), SYSREG_ENC(2, 0, 15, 15, 7), "system PMU, PMU"),
	  .trap = BY_FGT2_0 },
	{ GROUP(SYSREG_ENC(2, 1, 0, 0, 0), SYSREG_ENC(2, 1, 7, 15, 7), "trace unit"),
	  .trap = BY_CPTR_TTA },
	{ GROUP(SYSREG_ENC(2, 1, 8, 0, 0), SYSREG_ENC(2, 1, 15, 15, 7), "BRBE"),
	  .trap = BY_HDFGRTR_BRB_0 },
	{ REG(MDCCSR_EL0), .trap = BY_MDCR_TDA, .read = read_zero },
	{ REG(DBGDTR_EL0), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	{ REG(DBGDTRRX_EL0), .trap = BY_MDCR_TDA, .read = read_zero, .write = ignore_write },
	{ GROUP(SYSREG_ENC(2, 3, 9, 0, 0), SYSREG_ENC(2, 3, 15, 15, 7), "system PMU"),
	  .trap = BY_FGT2_0 },
	{ KEEPS(DBGVCR32_EL2) },

	/*
	 * Identification; encodings that are not allocated read as zero. Guests do not have AArch32
	 * at EL1. Userspace may restore its ID registers from a machine that has it: the write is
	 * ignored, as with KVM.
	 */
	{ REG(MIDR_EL1), .user = USER_EQUAL, .read = read_midr, .id = ID_REG_MIDR },
	{ REG(MPIDR_EL1), .user = USER_EQUAL, .read = read_mpidr },
	{ REG(REVIDR_EL1), .trap = BY_HCR_TID1, .user = USER_EQUAL, .read = read_revidr },
	{ REG(ID_PFR0_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_PFR1_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_DFR0_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_AFR0_EL1), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_MMFR0_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_MMFR1_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_MMFR2_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_MMFR3_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR0_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR1_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR2_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR3_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR4_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR5_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_MMFR4_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_ISAR6_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(MVFR0_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(MVFR1_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(MVFR2_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(S3_0_C0_C3_3), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_PFR2_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(ID_DFR1_EL1), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_MMFR5_EL1), .trap = BY_HCR_TID3, .user = USER_WI, .read = read_zero },
	{ REG(S3_0_C0_C3_7), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	ID(ID_AA64PFR0_EL1, PFR0),
	ID(ID_AA64PFR1_EL1, PFR1),
	ID(ID_AA64PFR2_EL1, PFR2),
	{ REG(S3_0_C0_C4_3), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	ID(ID_AA64ZFR0_EL1, ZFR0),
	ID(ID_AA64SMFR0_EL1, SMFR0),
	{ REG(S3_0_C0_C4_6), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_AA64FPFR0_EL1), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_AA64DFR0_EL1), .trap = BY_HCR_TID3, .user = USER_ID, .read = read_dfr0,
	  .id = ID_REG_DFR0 },
	ID(ID_AA64DFR1_EL1, DFR1),
	{ REG(ID_AA64DFR2_EL1), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C5_3), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_AA64AFR0_EL1), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(ID_AA64AFR1_EL1), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C5_6), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C5_7), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	ID(ID_AA64ISAR0_EL1, ISAR0),
	ID(ID_AA64ISAR1_EL1, ISAR1),
	ID(ID_AA64ISAR2_EL1, ISAR2),
	ID(ID_AA64ISAR3_EL1, ISAR3),
	{ REG(S3_0_C0_C6_4), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C6_5), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C6_6), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C6_7), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	ID(ID_AA64MMFR0_EL1, MMFR0),
	ID(ID_AA64MMFR1_EL1, MMFR1),
	ID(ID_AA64MMFR2_EL1, MMFR2),
	ID(ID_AA64MMFR3_EL1, MMFR3),
	ID(ID_AA64MMFR4_EL1, MMFR4),
	{ REG(S3_0_C0_C7_5), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C7_6), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },
	{ REG(S3_0_C0_C7_7), .trap = BY_HCR_TID3, .user = USER_EQUAL, .read = read_zero },

	/* EL1 */
	{ KEEPS(SCTLR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg, .reset = SCTLR_EL1_RESET },
	{ KEEPS(ACTLR_EL1), .trap = BY_HCR_TACR, .read = read_stored, .write = ignore_write },
	{ KEEPS(CPACR_EL1) },
	{ REG(SCTLR2_EL1), .trap = BY_HCRX_SCTLR2EN_0 },
	{ KEEPS(RGSR_EL1), .trap = BY_HCR_ATA_0, .when = WHEN_MTE },
	{ KEEPS(GCR_EL1), .trap = BY_HCR_ATA_0, .when = WHEN_MTE },
	{ KEEPS(ZCR_EL1), .trap = BY_CPTR_TZ, .when = WHEN_SVE },
	{ REG(TRFCR_EL1), .trap = BY_MDCR_TTRF },
	{ REG(TRCITECR_EL1), .trap = BY_FGT2_0 },
	{ REG(SMPRI_EL1), .trap = BY_HFGRTR_SMPRI_0 },
	{ REG(SMCR_EL1), .trap = BY_CPTR_TSM },
	{ KEEPS(TTBR0_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ KEEPS(TTBR1_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ KEEPS(TCR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ REG(TCR2_EL1), .trap = BY_HCRX_TCR2EN_0 },
	{ KEEPS(APIAKEYLO_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APIAKEYHI_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APIBKEYLO_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APIBKEYHI_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APDAKEYLO_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APDAKEYHI_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APDBKEYLO_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APDBKEYHI_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APGAKEYLO_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ KEEPS(APGAKEYHI_EL1), .trap = BY_HCR_APK_0, .when = WHEN_PAUTH },
	{ GROUP(SYSREG_ENC(3, 0, 2, 5, 0), SYSREG_ENC(3, 0, 2, 5, 2), "GCS"),
	  .trap = BY_HFGRTR_GCS_0 },
	{ REG(ALLINT), .trap = BY_HCRX_TALLINT },
	{ REG(ICC_PMR_EL1), .trap = BY_ICH_HCR },
	{ KEEPS(AFSR0_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ KEEPS(AFSR1_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ KEEPS(ESR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ GROUP(SYSREG_ENC(3, 0, 5, 3, 0), SYSREG_ENC(3, 0, 5, 5, 7), "RAS error records"),
	  .trap = BY_HCR_TERR },
	{ KEEPS(TFSR_EL1), .trap = BY_HCR_ATA_0, .when = WHEN_MTE },
	{ KEEPS(TFSRE0_EL1), .trap = BY_HCR_ATA_0, .when = WHEN_MTE },
	{ KEEPS(FAR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ REG(PFAR_EL1), .trap = BY_FGT2_0 },
	{ KEEPS(PAR_EL1) },
	{ REG(PMSCR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSNEVFR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg,
	  .write = write_device_reg, .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSICR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSIRR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSFCR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSEVFR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg,
	  .write = write_device_reg, .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSLATFR_EL1), .trap = BY_MDCR_TPMS, .read = read_device_reg,
	  .write = write_device_reg, .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMSIDR_EL1), .trap = BY_MDCR_TPMS, .when = WHEN_SPE, .user = USER_EQUAL,
	  .read = read_device_reg, .id = TRAP_DEVICE_SPE },
	{ REG(PMBLIMITR_EL1), .trap = BY_MDCR_E2PB, .read = read_device_reg,
	  .write = write_device_reg, .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(PMBPTR_EL1), .trap = BY_MDCR_E2PB, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ REG(S3_0_C9_C10_2), .trap = BY_MDCR_E2PB },
	{ REG(PMBSR_EL1), .trap = BY_MDCR_E2PB, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_SPE, .when = WHEN_SPE, .user = USER_OWN },
	{ GROUP(SYSREG_ENC(3, 0, 9, 10, 4), SYSREG_ENC(3, 0, 9, 10, 6), "SPE"),
	  .trap = BY_MDCR_E2PB },
	{ REG(PMBIDR_EL1), .trap = BY_HDFGRTR_PMBIDR, .when = WHEN_SPE, .user = USER_EQUAL,
	  .read = read_device_reg, .id = TRAP_DEVICE_SPE },
	{ GROUP(SYSREG_ENC(3, 0, 9, 11, 0), SYSREG_ENC(3, 0, 9, 11, 6), "TRBE"),
	  .trap = BY_MDCR_E2TB },
	{ REG(TRBIDR_EL1), .trap = BY_HDFGRTR_TRBIDR },
	{ GROUP(SYSREG_ENC(3, 0, 9, 13, 0), SYSREG_ENC(3, 0, 9, 15, 7), "PMU"),
	  .trap = BY_MDCR_TPM },
	{ KEEPS(MAIR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ REG(MAIR2_EL1), .trap = BY_HFGRTR_AIE_0 },
	{ GROUP(SYSREG_ENC(3, 0, 10, 2, 2), SYSREG_ENC(3, 0, 10, 2, 3), "S1PIE"),
	  .trap = BY_HFGRTR_PIE_0 },
	{ GROUP(SYSREG_ENC(3, 0, 10, 2, 4), SYSREG_ENC(3, 0, 10, 2, 7), "S1POE"),
	  .trap = BY_HFGRTR_POR_0 },
	{ KEEPS(AMAIR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ REG(AMAIR2_EL1), .trap = BY_HFGRTR_AIE_0 },
	{ GROUP(SYSREG_ENC(3, 0, 10, 4, 0), SYSREG_ENC(3, 0, 10, 4, 3), "LORegions"),
	  .trap = BY_HCR_TLOR },
	{ GROUP(SYSREG_ENC(3, 0, 10, 4, 4), SYSREG_ENC(3, 0, 10, 4, 6), "MPAM"), .trap = BY_MPAM2 },
	{ REG(LORID_EL1), .trap = BY_HCR_TLOR },
	{ GROUP(SYSREG_ENC(3, 0, 10, 5, 0), SYSREG_ENC(3, 0, 10, 5, 7), "MPAM"), .trap = BY_MPAM2 },
	{ KEEPS(VBAR_EL1) },
	/* an access is to VDISR_EL2: the guest does not have FEAT_RAS, but the register does
	 * not trap */
	{ KEEPS(DISR_EL1) },

	/*
	 * The GIC. Without a vGIC all of it traps and is UNDEFINED; with one, the rows WHEN_VGIC.
	 */
	{ GROUP(SYSREG_ENC(3, 0, 12, 8, 0), SYSREG_ENC(3, 0, 12, 11, 0), "GIC CPU interface"),
	  .trap = BY_ICH_HCR },
	{ REG(ICC_DIR_EL1), .trap = BY_ICH_HCR, .when = WHEN_VGIC, .write = write_device_reg,
	  .id = TRAP_DEVICE_VGIC },
	{ GROUP(SYSREG_ENC(3, 0, 12, 11, 2), SYSREG_ENC(3, 0, 12, 11, 4), "GIC CPU interface"),
	  .trap = BY_ICH_HCR },
	{ REG(ICC_SGI1R_EL1), .trap = BY_HCR_IMO, .when = WHEN_VGIC, .write = write_device_reg,
	  .id = TRAP_DEVICE_VGIC },
	{ REG(ICC_ASGI1R_EL1), .trap = BY_HCR_IMO, .when = WHEN_VGIC, .write = write_device_reg,
	  .id = TRAP_DEVICE_VGIC },
	{ REG(ICC_SGI0R_EL1), .trap = BY_HCR_IMO, .when = WHEN_VGIC, .write = write_device_reg,
	  .id = TRAP_DEVICE_VGIC },
	{ GROUP(SYSREG_ENC(3, 0, 12, 12, 0), SYSREG_ENC(3, 0, 12, 12, 4), "GIC CPU interface"),
	  .trap = BY_ICH_HCR },
	{ REG(ICC_SRE_EL1), .trap = BY_ICC_SRE_0, .when = WHEN_VGIC, .read = read_sre,
	  .write = ignore_write },
	{ GROUP(SYSREG_ENC(3, 0, 12, 12, 6), SYSREG_ENC(3, 0, 12, 12, 7), "GIC CPU interface"),
	  .trap = BY_ICH_HCR },

	{ KEEPS(CONTEXTIDR_EL1), .trap = BY_HCR_TVM, .write = write_vm_reg },
	{ REG(RCWSMASK_EL1), .trap = BY_HFGRTR_RCWMASK_0 },
	{ KEEPS(TPIDR_EL1) },
	{ REG(ACCDATA_EL1), .trap = BY_HFGRTR_ACCDATA_0 },
	{ REG(RCWMASK_EL1), .trap = BY_HFGRTR_RCWMASK_0 },
	{ REG(SCXTNUM_EL1), .trap = BY_HCR_ENSCXT_0 },
	{ KEEPS(CNTKCTL_EL1) },
	{ REG(CCSIDR_EL1), .trap = BY_HCR_TID2, .read = read_ccsidr },
	{ REG(CLIDR_EL1), .trap = BY_HCR_TID2, .user = USER_EQUAL, .read = read_clidr },
	{ REG(CCSIDR2_EL1), .trap = BY_HCR_TID2, .read = read_zero },
	{ REG(GMID_EL1), .trap = BY_HCR_TID5 },
	{ REG(SMIDR_EL1), .trap = BY_HCR_TID1 },
	{ REG(AIDR_EL1), .trap = BY_HCR_TID1, .user = USER_EQUAL, .read = read_aidr },
	{ KEEPS(CSSELR_EL1), .trap = BY_HCR_TID2, .read = read_stored, .write = write_stored,
	  .fixed = ~CSSELR_BITS },
	{ REG(CTR_EL0), .trap = BY_HCR_TID2, .user = USER_EQUAL, .read = read_machine_reg,
	  .id = ID_REG_CTR },

	/* EL0 */
	{ REG(GCSPR_EL0), .trap = BY_HFGRTR_GCS_0 },
	{ REG(SVCR), .trap = BY_CPTR_TSM },
	{ REG(FPMR), .trap = BY_HCRX_ENFPM_0 },
	{ GROUP(SYSREG_ENC(3, 3, 9, 4, 0), SYSREG_ENC(3, 3, 9, 6, 7), "PMU"), .trap = BY_MDCR_TPM },
	{ GROUP(SYSREG_ENC(3, 3, 9, 12, 0), SYSREG_ENC(3, 3, 9, 15, 7), "PMU"),
	  .trap = BY_MDCR_TPM },
	{ REG(POR_EL0), .trap = BY_HFGRTR_POR_0 },
	{ KEEPS(TPIDR_EL0) },
	{ KEEPS(TPIDRRO_EL0) },
	{ REG(TPIDR2_EL0), .trap = BY_HFGRTR_TPIDR2_0 },
	{ REG(SCXTNUM_EL0), .trap = BY_HCR_ENSCXT_0 },
	{ GROUP(SYSREG_ENC(3, 3, 13, 2, 0), SYSREG_ENC(3, 3, 13, 15, 7), "AMU"),
	  .trap = BY_CPTR_TAM },
	{ REG(CNTP_TVAL_EL0), .trap = BY_CNTHCTL, .read = read_device_reg,
	  .write = write_device_reg, .id = TRAP_DEVICE_TIMER },
	{ REG(CNTP_CTL_EL0), .trap = BY_CNTHCTL, .read = read_device_reg, .write = write_device_reg,
	  .id = TRAP_DEVICE_TIMER },
	{ REG(CNTP_CVAL_EL0), .trap = BY_CNTHCTL, .read = read_device_reg,
	  .write = write_device_reg, .id = TRAP_DEVICE_TIMER },
	{ GROUP(SYSREG_ENC(3, 3, 14, 8, 0), SYSREG_ENC(3, 3, 14, 15, 7), "PMU"),
	  .trap = BY_MDCR_TPM },

	/* Of an AArch32 EL1, which no guest has; stored because KVM's userspace saves them. */
	{ KEEPS(DACR32_EL2) },
	{ KEEPS(IFSR32_EL2) },
	{ KEEPS(FPEXC32_EL2), .reset = 0x700 },
};

size_t sysreg_count(void)
{
	return ARRAY_SIZE(table);
}

const struct sysreg_row *sysreg_row(size_t n)
{
	return &table[n];
}

static __noinline const struct sysreg_row *search(u32 encoding)
{
	size_t low = 0, high = ARRAY_SIZE(table);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (encoding > table[middle].last)
			low = middle + 1;
		else if (encoding < table[middle].first)
			high = middle;
		else
			return &table[middle];
	}
	return NULL;
}

/*
 * The short way: by the low bits of an encoding, the row of a device's register, or one that is not
 * it. Written at boot. Of two with the same bits the first one has it.
 */
static u16 device_row[128];
#define DEVICE_ROW(encoding) (((encoding) ^ (encoding) >> 7) % ARRAY_SIZE(device_row))

void sysreg_init(void)
{
	for (size_t i = ARRAY_SIZE(table); i-- > 0;)
		if (table[i].read == read_device_reg || table[i].write == write_device_reg)
			device_row[DEVICE_ROW(table[i].first)] = (u16)i;
}

static __always_inline const struct sysreg_row *find_row(u32 encoding)
{
	const struct sysreg_row *row = &table[device_row[DEVICE_ROW(encoding)]];

	return likely(row->first == encoding) ? row : search(encoding);
}

const struct sysreg_row *sysreg_find(u32 encoding)
{
	return find_row(encoding);
}

/* ---- traps ---- */

/* By encoding: the register was logged already. Of all VMs together, to bound the log. */
static u64 unknown[BITMAP_WORDS(0x10000)];
/* How many are logged: a guest that tries every encoding must not fill the log. */
#define UNKNOWN_MAX 64
static unsigned int nr_unknown;

static __noinline void log_unknown(const struct vcpu *vcpu, u32 encoding, bool read)
{
	u64 bit = BIT(encoding % 64);
	unsigned int nr;

	if (__atomic_load_n(&nr_unknown, __ATOMIC_RELAXED) > UNKNOWN_MAX ||
	    __atomic_fetch_or(&unknown[encoding / 64], bit, __ATOMIC_RELAXED) & bit)
		return;
	nr = __atomic_fetch_add(&nr_unknown, 1, __ATOMIC_RELAXED);
	if (nr == UNKNOWN_MAX)
		log_warn("further undefined registers of guests will not be logged");
	if (nr >= UNKNOWN_MAX)
		return;
	log_warn("a guest's %s of S%u_%u_C%u_C%u_%u is undefined (pc %#lx)",
		 read ? "read" : "write", encoding >> 14, encoding >> 11 & 7, encoding >> 7 & 15,
		 encoding >> 3 & 15, encoding & 7, vcpu->regs.pc);
}

/* FEAT_IDST: reads of op0 3, op1 0, 1 and 3, CRn 0, CRm 0 to 7. */
static bool in_id_space(u64 esr)
{
	u64 op1 = FIELD_GET(ESR_SYS64_OP1, esr);

	return (esr & ESR_SYS64_READ) && FIELD_GET(ESR_SYS64_OP0, esr) == 3 &&
	       (op1 == 0 || op1 == 1 || op1 == 3) && FIELD_GET(ESR_SYS64_CRN, esr) == 0 &&
	       FIELD_GET(ESR_SYS64_CRM, esr) < 8;
}

/*
 * The register is not implemented: UNDEFINED. With FEAT_IDST, a read in the ID space is reported
 * with the exception class of a trapped access instead.
 */
static __noinline enum vcpu_action inject_undef_access(struct vcpu *vcpu, u64 esr)
{
	if (in_id_space(esr) && ID_FIELD_GET(MMFR2_IDS, id_reg_read(vcpu, ID_REG_MMFR2)))
		vcpu_inject(vcpu, FIELD_PREP(ESR_EC, ESR_EC_SYS64) | ESR_IL | (esr & ESR_ISS),
			    vcpu_read_sysreg(vcpu, FAR_EL1));
	else
		vcpu_inject_undef(vcpu);
	return VCPU_RESUME;
}

static __always_inline bool guest_has(const struct vcpu *vcpu, const struct sysreg_row *row)
{
	if (likely(row->when <= WHEN_VGIC))
		return row->when == WHEN_ALWAYS || vcpu->vm->vgic;
	switch ((enum vcpu_when)row->when) {
	case WHEN_BREAKPOINT:
		return row->id < debug_breakpoints(vcpu);
	case WHEN_WATCHPOINT:
		return row->id < debug_watchpoints();
	default:
		return vcpu_when(vcpu, (enum vcpu_when)row->when);
	}
}

static u32 esr_encoding(u64 esr)
{
	return SYSREG_ENC(FIELD_GET(ESR_SYS64_OP0, esr), FIELD_GET(ESR_SYS64_OP1, esr),
			  FIELD_GET(ESR_SYS64_CRN, esr), FIELD_GET(ESR_SYS64_CRM, esr),
			  FIELD_GET(ESR_SYS64_OP2, esr));
}

enum vcpu_action sysreg_trap(struct vcpu *vcpu, u64 esr)
{
	const struct sysreg_row *row = find_row(esr_encoding(esr));
	unsigned int rt = (unsigned int)FIELD_GET(ESR_SYS64_RT, esr);
	bool read = esr & ESR_SYS64_READ, there;
	enum vcpu_action ret = VCPU_RESUME;

	if (!row)
		log_unknown(vcpu, esr_encoding(esr), read);
	there = row && guest_has(vcpu, row);
	if (!there || !(read ? row->read != NULL : row->write != NULL))
		return inject_undef_access(vcpu, esr);
	if (read)
		vcpu_set_x(vcpu, rt, row->read(vcpu, row));
	else
		ret = row->write(vcpu, row, vcpu_get_x(vcpu, rt));
	if (ret == VCPU_AGAIN)
		return vcpu_to_host(KEEL_EXIT_IRQ);
	trap_step_over(vcpu, esr);
	return ret;
}

/* ---- reset ---- */

void sysreg_reset(struct vcpu *vcpu)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].storage != SYSREG_NO_STORAGE)
			vcpu_write_sysreg(vcpu, (enum vcpu_sysreg)table[i].storage, table[i].reset);
	if (vcpu->spe)
		trap_device(TRAP_DEVICE_SPE)->reset(vcpu);
	debug_update(vcpu);
}

/* ---- userspace ---- */

bool sysreg_user_visible(const struct vcpu *vcpu, const struct sysreg_row *row)
{
	return row->user != USER_NONE && vcpu_when(vcpu, (enum vcpu_when)row->when);
}

static const struct sysreg_row *find_user(const struct vcpu *vcpu, u32 encoding)
{
	const struct sysreg_row *row = sysreg_find(encoding);

	return row && sysreg_user_visible(vcpu, row) ? row : NULL;
}

static u64 user_value(struct vcpu *vcpu, const struct sysreg_row *row)
{
	switch ((enum sysreg_user)row->user) {
	case USER_STORED:
		return trap_read_el1(vcpu, (enum vcpu_sysreg)row->storage);
	default:
		return row->read(vcpu, row);
	}
}

int sysreg_user_get(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	const struct sysreg_row *row = find_user(vcpu, encoding);

	if (!row)
		return vcpu->nested ? trap_el2()->get(vcpu, encoding, value) : -ENOENT;
	*value = user_value(vcpu, row);
	return 0;
}

int sysreg_user_set(struct vcpu *vcpu, u32 encoding, u64 value)
{
	const struct sysreg_row *row = find_user(vcpu, encoding);

	if (!row)
		return vcpu->nested ? trap_el2()->set(vcpu, encoding, value) : -ENOENT;
	if (row->user == USER_ID)
		return id_reg_set(vcpu, (enum id_reg)row->id, value);
	if (row->user == USER_WI)
		return 0;
	if (row->user == USER_EQUAL)
		return value == user_value(vcpu, row) ? 0 : -EINVAL;
	if (row->user == USER_OWN) {
		/* a restored guest may use the device without looking for it again */
		trap_device((enum trap_device_id)row->id)->sought(vcpu);
		(void)row->write(vcpu, row, value);
		return 0;
	}
	trap_write_el1(vcpu, (enum vcpu_sysreg)row->storage,
		       (value & ~row->fixed) | (row->reset & row->fixed));
	return 0;
}
