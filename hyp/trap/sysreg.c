// SPDX-License-Identifier: BSD-2-Clause
/* The system-register table and what is done with it. See sysreg.h; docs/traps.md. */
#include <arch/el2_regs.h>
#include <arch/sysreg.h>
#include <arch/timer.h>
#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <trap/debug.h>
#include <trap/device.h>
#include <trap/impl_regs.h>
#include <trap/set_way.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vm/switch.h>

#define OSLAR_OSLK BIT(0)

/* DBGBCR<n>_EL1, DBGWCR<n>_EL1 (D24.3.2, .12): bits that are not RES0; DBGWVR<n>_EL1 */
#define DBGBCR_BITS 0xffe1e7ULL
#define DBGWCR_BITS 0x1f1fffffULL
#define DBGWVR_BITS (~3ULL)
/* MDCCINT_EL1 (D24.3.18): RX, TX */
#define MDCCINT_BITS GENMASK(30, 29)

/* ICC_SRE_EL1 (IHI 0069, 12.2.22): DIB, DFB and SRE are fixed */
#define ICC_SRE 7

/* ---- reads and writes ---- */

static u64 read_zero(struct vcpu *vcpu, const struct sysreg_row *row)
{
	(void)vcpu;
	(void)row;
	return 0;
}

static enum vcpu_action ignore(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	(void)vcpu;
	(void)row;
	(void)value;
	return VCPU_RESUME;
}

/* CSSELR_EL1 (D24.2.34): TnD, Level, InD */
#define CSSELR_BITS GENMASK(4, 0)

static u64 read_stored(struct vcpu *vcpu, const struct sysreg_row *row)
{
	return vcpu_read_sysreg(vcpu, (enum vcpu_sysreg)row->storage);
}

static enum vcpu_action write_stored(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	vcpu_write_sysreg(vcpu, (enum vcpu_sysreg)row->storage,
			  (value & row->mask) | (row->reset & ~row->mask));
	return VCPU_RESUME;
}

static u64 read_id(struct vcpu *vcpu, const struct sysreg_row *row)
{
	return id_reg_value(vcpu, (enum id_reg)row->id);
}

/* A guest that reads it looks for what there is of debug and profiling. */
static u64 read_dfr0(struct vcpu *vcpu, const struct sysreg_row *row)
{
	if (vcpu->spe && this_vm_cpu()->vcpu == vcpu)
		trap_device(TRAP_DEVICE_SPE)->sought(vcpu);
	return read_id(vcpu, row);
}

/*
 * Registers that a guest reads from the hardware, where that says the same: impl_regs.h. Merged
 * where the CPUs may differ.
 */
static u64 read_machine(struct vcpu *vcpu, const struct sysreg_row *row)
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

/* The cache that the guest has selected; 0, which is UNKNOWN's, where there is none. */
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

/* While HCR_EL2.TVM is set. */
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

static enum vcpu_action write_debug(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	enum vcpu_action ret = write_stored(vcpu, row, value);

	debug_update_reg(vcpu, (enum vcpu_sysreg)row->storage);
	return ret;
}

static u64 read_device(struct vcpu *vcpu, const struct sysreg_row *row)
{
	return trap_device((enum trap_device_id)row->id)->read(vcpu, row->first);
}

static enum vcpu_action write_device(struct vcpu *vcpu, const struct sysreg_row *row, u64 value)
{
	return trap_device((enum trap_device_id)row->id)->write(vcpu, row->first, value);
}

/* ---- the table ---- */

#define REG_(enc_first, enc_last, reg_name) \
	.first = (enc_first), .last = (enc_last), .name = (reg_name), .storage = SYSREG_NO_STORAGE
#define REG(op0, op1, crn, crm, op2, reg_name) \
	REG_(SYSREG_ENC(op0, op1, crn, crm, op2), SYSREG_ENC(op0, op1, crn, crm, op2), reg_name)

/* Does not trap; userspace saves it. */
#define SAVED_WHEN(cond, op0, op1, crn, crm, op2, reg, at_reset)                             \
	{                                                                                    \
		.first = SYSREG_ENC(op0, op1, crn, crm, op2),                                \
		.last = SYSREG_ENC(op0, op1, crn, crm, op2), .name = #reg, .storage = (reg), \
		.when = (cond), .user = USER_STORED, .reset = (at_reset), .mask = ~0ULL      \
	}
#define SAVED(op0, op1, crn, crm, op2, reg) SAVED_WHEN(WHEN_ALWAYS, op0, op1, crn, crm, op2, reg, 0)

/* The same; it controls translation, so its writes trap for a while: set_way.h. */
#define SAVED_VM(op0, op1, crn, crm, op2, reg, at_reset)                                       \
	{                                                                                      \
		.first = SYSREG_ENC(op0, op1, crn, crm, op2),                                  \
		.last = SYSREG_ENC(op0, op1, crn, crm, op2), .name = #reg, .storage = (reg),   \
		.user = USER_STORED, .write = write_vm_reg, .reset = (at_reset), .mask = ~0ULL \
	}

/* Traps, and is kept in the register file. */
#define KEPT(op0, op1, crn, crm, op2, reg, on_read, on_write, at_reset, bits)                     \
	{                                                                                         \
		.first = SYSREG_ENC(op0, op1, crn, crm, op2),                                     \
		.last = SYSREG_ENC(op0, op1, crn, crm, op2), .name = #reg, .storage = (reg),      \
		.user = USER_STORED, .read = (on_read), .write = (on_write), .reset = (at_reset), \
		.mask = (bits)                                                                    \
	}

/* An ID register of a VM; and one that does not describe anything that a VM has. */
#define ID(crm, op2, reg_name, reg)                                                 \
	{                                                                           \
		REG(3, 0, 0, crm, op2, reg_name), .user = USER_ID, .read = read_id, \
						  .id = ID_REG_##reg                \
	}
#define ID_ZERO(crm, op2, reg_name)                                                     \
	{                                                                               \
		REG(3, 0, 0, crm, op2, reg_name), .user = USER_EQUAL, .read = read_zero \
	}

/*
 * One of AArch32, which a VM does not have. Userspace may restore what a machine had that has
 * AArch32: to a guest that does not it says nothing (KVM ignores it likewise).
 */
#define ID_AA32(crm, op2, reg_name)                                                  \
	{                                                                            \
		REG(3, 0, 0, crm, op2, reg_name), .user = USER_WI, .read = read_zero \
	}

/* The same on all vCPUs or in all VMs, does not trap. */
#define CONSTANT(op0, op1, crn, crm, op2, reg_name, on_read, reg)                              \
	{                                                                                      \
		REG(op0, op1, crn, crm, op2, reg_name), .user = USER_EQUAL, .read = (on_read), \
							.id = (reg)                            \
	}

#define ZERO(op0, op1, crn, crm, op2, reg_name)                                            \
	{                                                                                  \
		REG(op0, op1, crn, crm, op2, reg_name), .read = read_zero, .write = ignore \
	}
#define ZERO_RO(op0, op1, crn, crm, op2, reg_name)                        \
	{                                                                 \
		REG(op0, op1, crn, crm, op2, reg_name), .read = read_zero \
	}
#define SET_WAY(crm, reg_name)                                         \
	{                                                              \
		REG(1, 0, 7, crm, 2, reg_name), .write = write_set_way \
	}

/* A VM does not have them: UNDEFINED, and nothing to log. */
#define ABSENT(op0, op1, crn, crm, op2, reg_name)      \
	{                                              \
		REG(op0, op1, crn, crm, op2, reg_name) \
	}
#define ABSENT_GROUP(from, to, what) \
	{                            \
		REG_(from, to, what) \
	}

/* A breakpoint or watchpoint register. Userspace sees all 16, as KVM's does. */
#define DBG_(n, op2, what, cond, bits)                                                            \
	{                                                                                         \
		.first = SYSREG_ENC(2, 0, 0, n, op2), .last = SYSREG_ENC(2, 0, 0, n, op2),        \
		.name = #what #n "_EL1", .storage = what##0_EL1 + (n), .when = (cond), .id = (n), \
		.user = USER_STORED, .read = read_stored, .write = write_debug, .mask = (bits)    \
	}
#define DBG(n)                                                    \
	DBG_(n, 4, DBGBVR, WHEN_BREAKPOINT, ~0ULL),               \
		DBG_(n, 5, DBGBCR, WHEN_BREAKPOINT, DBGBCR_BITS), \
		DBG_(n, 6, DBGWVR, WHEN_WATCHPOINT, DBGWVR_BITS), \
		DBG_(n, 7, DBGWCR, WHEN_WATCHPOINT, DBGWCR_BITS)

/* Its device keeps it and answers for it (device.h). */
#define OF_DEVICE(device) .read = read_device, .write = write_device, .id = TRAP_DEVICE_##device

/* SPE: on a CPU that has none these do not trap (spe/spe_arm.h); elsewhere they always do. */
#define SPE(crm, op2, reg_name)                                                       \
	{                                                                             \
		REG(3, 0, 9, crm, op2, reg_name), .when = WHEN_SPE, .user = USER_OWN, \
						  OF_DEVICE(SPE)                      \
	}
#define SPE_RO(crm, op2, reg_name)                                                           \
	{                                                                                    \
		REG(3, 0, 9, crm, op2, reg_name), .when = WHEN_SPE, .user = USER_EQUAL,      \
						  .read = read_device, .id = TRAP_DEVICE_SPE \
	}
#define TIMER(crm, op2, reg_name)                                   \
	{                                                           \
		REG(3, 3, 14, crm, op2, reg_name), OF_DEVICE(TIMER) \
	}
/* Traps while more interrupts are active than there are list registers (ICC_DIR_EL1), or always. */
#define VGIC_WO(crm, op2, reg_name)                                                          \
	{                                                                                    \
		REG(3, 0, 12, crm, op2, reg_name), .when = WHEN_VGIC, .write = write_device, \
						   .id = TRAP_DEVICE_VGIC                    \
	}

/*
 * In order of encodings (checked by a test). What traps: vm/guest_traps.c. Besides, CNTHCTL_EL2
 * (physical timer); HCR_EL2.IMO and FMO (SGIs).
 */
static const struct sysreg_row table[] = {
	ABSENT_GROUP(SYSREG_ENC(0, 1, 4, 0, 0), SYSREG_ENC(0, 1, 4, 1, 7), "ALLINT, immediate"),

	SET_WAY(6, "DC ISW"),
	ABSENT(1, 0, 7, 6, 4, "DC IGSW"),
	ABSENT(1, 0, 7, 6, 6, "DC IGDSW"),
	SET_WAY(10, "DC CSW"),
	ABSENT(1, 0, 7, 10, 4, "DC CGSW"),
	ABSENT(1, 0, 7, 10, 6, "DC CGDSW"),
	SET_WAY(14, "DC CISW"),
	ABSENT(1, 0, 7, 14, 4, "DC CIGSW"),
	ABSENT(1, 0, 7, 14, 6, "DC CIGDSW"),

	ABSENT(1, 0, 7, 15, 1, "DC CIVAPS"),
	ABSENT(1, 0, 7, 15, 5, "DC CIGDVAPS"),
	ABSENT_GROUP(SYSREG_ENC(1, 1, 7, 2, 4), SYSREG_ENC(1, 1, 7, 2, 5), "BRB"),
	ABSENT_GROUP(SYSREG_ENC(1, 3, 7, 4, 1), SYSREG_ENC(1, 3, 7, 4, 4), "DC ZVA"),
	ABSENT_GROUP(SYSREG_ENC(1, 3, 7, 7, 0), SYSREG_ENC(1, 3, 7, 7, 7), "GCS"),

	/* Debug. There is no external debugger: its communication channel is empty. */
	ZERO(2, 0, 0, 0, 2, "OSDTRRX_EL1"),
	DBG(0),
	DBG(1),
	KEPT(2, 0, 0, 2, 0, MDCCINT_EL1, read_stored, write_stored, 0, MDCCINT_BITS),
	KEPT(2, 0, 0, 2, 2, MDSCR_EL1, read_stored, write_debug_control, 0,
	     MDSCR_SS | MDSCR_TDCC | MDSCR_KDE | MDSCR_MDE),
	DBG(2),
	ZERO(2, 0, 0, 3, 2, "OSDTRTX_EL1"),
	DBG(3),
	ABSENT(2, 0, 0, 4, 2, "MDSELR_EL1"),
	DBG(4),
	ABSENT(2, 0, 0, 5, 2, "MDSTEPOP_EL1"),
	DBG(5),
	ZERO(2, 0, 0, 6, 2, "OSECCR_EL1"),
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
	ZERO_RO(2, 0, 1, 0, 0, "MDRAR_EL1"),
	{ REG(2, 0, 1, 0, 4, "OSLAR_EL1"), .write = write_oslar },
	KEPT(2, 0, 1, 1, 4, OSLSR_EL1, read_stored, NULL, OSLSR_OSLM, OSLSR_OSLK),
	KEPT(2, 0, 1, 3, 4, OSDLR_EL1, read_stored, write_debug_control, 0, OSDLR_DLK),
	ZERO(2, 0, 1, 4, 4, "DBGPRCR_EL1"),
	ZERO(2, 0, 7, 8, 6, "DBGCLAIMSET_EL1"),
	ZERO(2, 0, 7, 9, 6, "DBGCLAIMCLR_EL1"),
	ZERO_RO(2, 0, 7, 14, 6, "DBGAUTHSTATUS_EL1"),
	ABSENT_GROUP(SYSREG_ENC(2, 0, 9, 0, 0), SYSREG_ENC(2, 0, 15, 15, 7), "system PMU, PMU"),
	ABSENT_GROUP(SYSREG_ENC(2, 1, 0, 0, 0), SYSREG_ENC(2, 1, 15, 15, 7), "trace unit, BRBE"),
	ZERO_RO(2, 3, 0, 1, 0, "MDCCSR_EL0"),
	ZERO(2, 3, 0, 4, 0, "DBGDTR_EL0"),
	ZERO(2, 3, 0, 5, 0, "DBGDTRRX_EL0"),
	ABSENT_GROUP(SYSREG_ENC(2, 3, 9, 0, 0), SYSREG_ENC(2, 3, 15, 15, 7), "system PMU"),
	SAVED(2, 4, 0, 7, 0, DBGVCR32_EL2),

	/* Identification; whatever is not allocated reads as zero. AArch32 is not offered. */
	CONSTANT(3, 0, 0, 0, 0, "MIDR_EL1", read_midr, ID_REG_MIDR),
	CONSTANT(3, 0, 0, 0, 5, "MPIDR_EL1", read_mpidr, 0),
	CONSTANT(3, 0, 0, 0, 6, "REVIDR_EL1", read_revidr, 0),
	ID_AA32(1, 0, "ID_PFR0_EL1"),
	ID_AA32(1, 1, "ID_PFR1_EL1"),
	ID_AA32(1, 2, "ID_DFR0_EL1"),
	ID_ZERO(1, 3, "ID_AFR0_EL1"),
	ID_AA32(1, 4, "ID_MMFR0_EL1"),
	ID_AA32(1, 5, "ID_MMFR1_EL1"),
	ID_AA32(1, 6, "ID_MMFR2_EL1"),
	ID_AA32(1, 7, "ID_MMFR3_EL1"),
	ID_AA32(2, 0, "ID_ISAR0_EL1"),
	ID_AA32(2, 1, "ID_ISAR1_EL1"),
	ID_AA32(2, 2, "ID_ISAR2_EL1"),
	ID_AA32(2, 3, "ID_ISAR3_EL1"),
	ID_AA32(2, 4, "ID_ISAR4_EL1"),
	ID_AA32(2, 5, "ID_ISAR5_EL1"),
	ID_AA32(2, 6, "ID_MMFR4_EL1"),
	ID_AA32(2, 7, "ID_ISAR6_EL1"),
	ID_AA32(3, 0, "MVFR0_EL1"),
	ID_AA32(3, 1, "MVFR1_EL1"),
	ID_AA32(3, 2, "MVFR2_EL1"),
	ID_ZERO(3, 3, "S3_0_C0_C3_3"),
	ID_AA32(3, 4, "ID_PFR2_EL1"),
	ID_ZERO(3, 5, "ID_DFR1_EL1"),
	ID_AA32(3, 6, "ID_MMFR5_EL1"),
	ID_ZERO(3, 7, "S3_0_C0_C3_7"),
	ID(4, 0, "ID_AA64PFR0_EL1", PFR0),
	ID(4, 1, "ID_AA64PFR1_EL1", PFR1),
	ID(4, 2, "ID_AA64PFR2_EL1", PFR2),
	ID_ZERO(4, 3, "S3_0_C0_C4_3"),
	ID(4, 4, "ID_AA64ZFR0_EL1", ZFR0),
	ID(4, 5, "ID_AA64SMFR0_EL1", SMFR0),
	ID_ZERO(4, 6, "S3_0_C0_C4_6"),
	ID_ZERO(4, 7, "ID_AA64FPFR0_EL1"),
	{ REG(3, 0, 0, 5, 0, "ID_AA64DFR0_EL1"), .user = USER_ID, .read = read_dfr0,
	  .id = ID_REG_DFR0 },
	ID(5, 1, "ID_AA64DFR1_EL1", DFR1),
	ID_ZERO(5, 2, "ID_AA64DFR2_EL1"),
	ID_ZERO(5, 3, "S3_0_C0_C5_3"),
	ID_ZERO(5, 4, "ID_AA64AFR0_EL1"),
	ID_ZERO(5, 5, "ID_AA64AFR1_EL1"),
	ID_ZERO(5, 6, "S3_0_C0_C5_6"),
	ID_ZERO(5, 7, "S3_0_C0_C5_7"),
	ID(6, 0, "ID_AA64ISAR0_EL1", ISAR0),
	ID(6, 1, "ID_AA64ISAR1_EL1", ISAR1),
	ID(6, 2, "ID_AA64ISAR2_EL1", ISAR2),
	ID(6, 3, "ID_AA64ISAR3_EL1", ISAR3),
	ID_ZERO(6, 4, "S3_0_C0_C6_4"),
	ID_ZERO(6, 5, "S3_0_C0_C6_5"),
	ID_ZERO(6, 6, "S3_0_C0_C6_6"),
	ID_ZERO(6, 7, "S3_0_C0_C6_7"),
	ID(7, 0, "ID_AA64MMFR0_EL1", MMFR0),
	ID(7, 1, "ID_AA64MMFR1_EL1", MMFR1),
	ID(7, 2, "ID_AA64MMFR2_EL1", MMFR2),
	ID(7, 3, "ID_AA64MMFR3_EL1", MMFR3),
	ID(7, 4, "ID_AA64MMFR4_EL1", MMFR4),
	ID_ZERO(7, 5, "S3_0_C0_C7_5"),
	ID_ZERO(7, 6, "S3_0_C0_C7_6"),
	ID_ZERO(7, 7, "S3_0_C0_C7_7"),

	/* EL1 */
	SAVED_VM(3, 0, 1, 0, 0, SCTLR_EL1, SCTLR_EL1_RESET),
	KEPT(3, 0, 1, 0, 1, ACTLR_EL1, read_stored, ignore, 0, ~0ULL),
	SAVED(3, 0, 1, 0, 2, CPACR_EL1),
	ABSENT(3, 0, 1, 0, 3, "SCTLR2_EL1"),
	ABSENT(3, 0, 1, 0, 5, "RGSR_EL1"),
	ABSENT(3, 0, 1, 0, 6, "GCR_EL1"),
	SAVED_WHEN(WHEN_SVE, 3, 0, 1, 2, 0, ZCR_EL1, 0),
	ABSENT(3, 0, 1, 2, 1, "TRFCR_EL1"),
	ABSENT(3, 0, 1, 2, 3, "TRCITECR_EL1"),
	ABSENT(3, 0, 1, 2, 4, "SMPRI_EL1"),
	ABSENT(3, 0, 1, 2, 6, "SMCR_EL1"),
	SAVED_VM(3, 0, 2, 0, 0, TTBR0_EL1, 0),
	SAVED_VM(3, 0, 2, 0, 1, TTBR1_EL1, 0),
	SAVED_VM(3, 0, 2, 0, 2, TCR_EL1, 0),
	ABSENT(3, 0, 2, 0, 3, "TCR2_EL1"),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 1, 0, APIAKEYLO_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 1, 1, APIAKEYHI_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 1, 2, APIBKEYLO_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 1, 3, APIBKEYHI_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 2, 0, APDAKEYLO_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 2, 1, APDAKEYHI_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 2, 2, APDBKEYLO_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 2, 3, APDBKEYHI_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 3, 0, APGAKEYLO_EL1, 0),
	SAVED_WHEN(WHEN_PAUTH, 3, 0, 2, 3, 1, APGAKEYHI_EL1, 0),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 2, 5, 0), SYSREG_ENC(3, 0, 2, 5, 2), "GCS"),
	ABSENT(3, 0, 4, 3, 0, "ALLINT"),
	ABSENT(3, 0, 4, 6, 0, "ICC_PMR_EL1"),
	SAVED_VM(3, 0, 5, 1, 0, AFSR0_EL1, 0),
	SAVED_VM(3, 0, 5, 1, 1, AFSR1_EL1, 0),
	SAVED_VM(3, 0, 5, 2, 0, ESR_EL1, 0),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 5, 3, 0), SYSREG_ENC(3, 0, 5, 5, 7), "RAS error records"),
	ABSENT(3, 0, 5, 6, 0, "TFSR_EL1"),
	ABSENT(3, 0, 5, 6, 1, "TFSRE0_EL1"),
	SAVED_VM(3, 0, 6, 0, 0, FAR_EL1, 0),
	ABSENT(3, 0, 6, 0, 5, "PFAR_EL1"),
	SAVED(3, 0, 7, 4, 0, PAR_EL1),
	SPE(9, 0, "PMSCR_EL1"),
	SPE(9, 1, "PMSNEVFR_EL1"),
	SPE(9, 2, "PMSICR_EL1"),
	SPE(9, 3, "PMSIRR_EL1"),
	SPE(9, 4, "PMSFCR_EL1"),
	SPE(9, 5, "PMSEVFR_EL1"),
	SPE(9, 6, "PMSLATFR_EL1"),
	SPE_RO(9, 7, "PMSIDR_EL1"),
	SPE(10, 0, "PMBLIMITR_EL1"),
	SPE(10, 1, "PMBPTR_EL1"),
	ABSENT(3, 0, 9, 10, 2, "S3_0_C9_C10_2"),
	SPE(10, 3, "PMBSR_EL1"),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 9, 10, 4), SYSREG_ENC(3, 0, 9, 10, 6), "SPE"),
	SPE_RO(10, 7, "PMBIDR_EL1"),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 9, 11, 0), SYSREG_ENC(3, 0, 9, 11, 7), "TRBE"),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 9, 13, 0), SYSREG_ENC(3, 0, 9, 15, 7), "PMU"),
	SAVED_VM(3, 0, 10, 2, 0, MAIR_EL1, 0),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 10, 2, 1), SYSREG_ENC(3, 0, 10, 2, 7), "MAIR2, S1PIE, S1POE"),
	SAVED_VM(3, 0, 10, 3, 0, AMAIR_EL1, 0),
	ABSENT(3, 0, 10, 3, 1, "AMAIR2_EL1"),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 10, 4, 0), SYSREG_ENC(3, 0, 10, 5, 7), "LORegions, MPAM"),
	SAVED(3, 0, 12, 0, 0, VBAR_EL1),
	/* VDISR_EL2 while a guest is loaded: it does not have FEAT_RAS, but
	 * the register does not trap */
	SAVED(3, 0, 12, 1, 1, DISR_EL1),

	/* The GIC: SGIs trap; the others only where a VM has no vGIC and finds nothing. */
	ABSENT_GROUP(SYSREG_ENC(3, 0, 12, 8, 0), SYSREG_ENC(3, 0, 12, 11, 0), "GIC CPU interface"),
	VGIC_WO(11, 1, "ICC_DIR_EL1"),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 12, 11, 2), SYSREG_ENC(3, 0, 12, 11, 4), "GIC CPU interface"),
	VGIC_WO(11, 5, "ICC_SGI1R_EL1"),
	VGIC_WO(11, 6, "ICC_ASGI1R_EL1"),
	VGIC_WO(11, 7, "ICC_SGI0R_EL1"),
	ABSENT_GROUP(SYSREG_ENC(3, 0, 12, 12, 0), SYSREG_ENC(3, 0, 12, 12, 4), "GIC CPU interface"),
	{ REG(3, 0, 12, 12, 5, "ICC_SRE_EL1"), .when = WHEN_VGIC, .read = read_sre,
	  .write = ignore },
	ABSENT_GROUP(SYSREG_ENC(3, 0, 12, 12, 6), SYSREG_ENC(3, 0, 12, 12, 7), "GIC CPU interface"),

	SAVED_VM(3, 0, 13, 0, 1, CONTEXTIDR_EL1, 0),
	ABSENT(3, 0, 13, 0, 3, "RCWSMASK_EL1"),
	SAVED(3, 0, 13, 0, 4, TPIDR_EL1),
	ABSENT(3, 0, 13, 0, 5, "ACCDATA_EL1"),
	ABSENT(3, 0, 13, 0, 6, "RCWMASK_EL1"),
	ABSENT(3, 0, 13, 0, 7, "SCXTNUM_EL1"),
	SAVED(3, 0, 14, 1, 0, CNTKCTL_EL1),
	{ REG(3, 1, 0, 0, 0, "CCSIDR_EL1"), .read = read_ccsidr },
	CONSTANT(3, 1, 0, 0, 1, "CLIDR_EL1", read_clidr, 0),
	ZERO_RO(3, 1, 0, 0, 2, "CCSIDR2_EL1"),
	ABSENT(3, 1, 0, 0, 4, "GMID_EL1"),
	ABSENT(3, 1, 0, 0, 6, "SMIDR_EL1"),
	CONSTANT(3, 1, 0, 0, 7, "AIDR_EL1", read_aidr, 0),
	KEPT(3, 2, 0, 0, 0, CSSELR_EL1, read_stored, write_stored, 0, CSSELR_BITS),
	CONSTANT(3, 3, 0, 0, 1, "CTR_EL0", read_machine, ID_REG_CTR),

	/* EL0 */
	ABSENT(3, 3, 2, 5, 1, "GCSPR_EL0"),
	ABSENT(3, 3, 4, 2, 2, "SVCR"),
	ABSENT(3, 3, 4, 4, 2, "FPMR"),
	ABSENT_GROUP(SYSREG_ENC(3, 3, 9, 4, 0), SYSREG_ENC(3, 3, 9, 6, 7), "PMU"),
	ABSENT_GROUP(SYSREG_ENC(3, 3, 9, 12, 0), SYSREG_ENC(3, 3, 9, 15, 7), "PMU"),
	ABSENT(3, 3, 10, 2, 4, "POR_EL0"),
	SAVED(3, 3, 13, 0, 2, TPIDR_EL0),
	SAVED(3, 3, 13, 0, 3, TPIDRRO_EL0),
	ABSENT(3, 3, 13, 0, 5, "TPIDR2_EL0"),
	ABSENT(3, 3, 13, 0, 7, "SCXTNUM_EL0"),
	ABSENT_GROUP(SYSREG_ENC(3, 3, 13, 2, 0), SYSREG_ENC(3, 3, 13, 15, 7), "AMU"),
	TIMER(2, 0, "CNTP_TVAL_EL0"),
	TIMER(2, 1, "CNTP_CTL_EL0"),
	TIMER(2, 2, "CNTP_CVAL_EL0"),
	ABSENT_GROUP(SYSREG_ENC(3, 3, 14, 8, 0), SYSREG_ENC(3, 3, 14, 15, 7), "PMU"),

	/* An AArch32 EL1's, which is never there; kept, since KVM has them to save. */
	SAVED(3, 4, 3, 0, 0, DACR32_EL2),
	SAVED(3, 4, 5, 0, 1, IFSR32_EL2),
	SAVED_WHEN(WHEN_ALWAYS, 3, 4, 5, 3, 0, FPEXC32_EL2, 0x700),
};

size_t sysreg_count(void)
{
	return ARRAY_SIZE(table);
}

const struct sysreg_row *sysreg_row(size_t n)
{
	return &table[n];
}

const struct sysreg_row *sysreg_find(u32 encoding)
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

/* ---- traps ---- */

/* Registers that were unknown already: of all VMs, so that none can fill the log. */
static u64 unknown[BITMAP_WORDS(0x10000)];
/* How many are told of: a guest that tries every encoding must not have the log to itself. */
#define UNKNOWN_MAX 64
static unsigned int nr_unknown;

static void log_unknown(const struct vcpu *vcpu, u32 encoding, bool read)
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

#define MMFR2_IDS GENMASK(39, 36)

/* FEAT_IDST (D23.3.1): reads of op0 3, op1 0, 1 and 3, CRn 0, CRm 0 to 7. */
static bool in_id_space(u64 esr)
{
	u64 op1 = FIELD_GET(ESR_SYS64_OP1, esr);

	return (esr & ESR_SYS64_READ) && FIELD_GET(ESR_SYS64_OP0, esr) == 3 &&
	       (op1 == 0 || op1 == 1 || op1 == 3) && FIELD_GET(ESR_SYS64_CRN, esr) == 0 &&
	       FIELD_GET(ESR_SYS64_CRM, esr) < 8;
}

/* A guest that has FEAT_IDST is told of an ID register that there is not as of a trapped access. */
static enum vcpu_action undefined(struct vcpu *vcpu, u64 esr)
{
	if (in_id_space(esr) && FIELD_GET(MMFR2_IDS, id_reg_value(vcpu, ID_REG_MMFR2)))
		vcpu_inject(vcpu, FIELD_PREP(ESR_EC, ESR_EC_SYS64) | ESR_IL | (esr & ESR_ISS),
			    vcpu_read_sysreg(vcpu, FAR_EL1));
	else
		vcpu_inject_undef(vcpu);
	return VCPU_RESUME;
}

static bool guest_has(const struct vcpu *vcpu, const struct sysreg_row *row)
{
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
	const struct sysreg_row *row = sysreg_find(esr_encoding(esr));
	unsigned int rt = (unsigned int)FIELD_GET(ESR_SYS64_RT, esr);
	bool read = esr & ESR_SYS64_READ, there;
	enum vcpu_action ret = VCPU_RESUME;

	if (!row)
		log_unknown(vcpu, esr_encoding(esr), read);
	there = row && guest_has(vcpu, row);
	if (!there || !(read ? row->read != NULL : row->write != NULL))
		return undefined(vcpu, esr);
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
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
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
		return read_stored(vcpu, row);
	default:
		return row->read(vcpu, row);
	}
}

int sysreg_user_get(struct vcpu *vcpu, u32 encoding, u64 *value)
{
	const struct sysreg_row *row = find_user(vcpu, encoding);

	if (!row)
		return -ENOENT;
	*value = user_value(vcpu, row);
	return 0;
}

int sysreg_user_set(struct vcpu *vcpu, u32 encoding, u64 value)
{
	const struct sysreg_row *row = find_user(vcpu, encoding);

	if (!row)
		return -ENOENT;
	if (row->user == USER_ID)
		return id_reg_set(vcpu, (enum id_reg)row->id, value);
	if (row->user == USER_WI)
		return 0;
	if (row->user == USER_EQUAL)
		return value == user_value(vcpu, row) ? 0 : -EINVAL;
	if (row->user == USER_OWN) {
		/* the guest has used it where it comes from, and need not ask again whether it is
		 * there */
		trap_device((enum trap_device_id)row->id)->sought(vcpu);
		(void)row->write(vcpu, row, value);
		return 0;
	}
	write_stored(vcpu, row, value);
	return 0;
}
