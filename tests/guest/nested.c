// SPDX-License-Identifier: BSD-2-Clause
/*
 * At a virtual EL2 (vmrun --nested): its registers by each of their names, exceptions to it from
 * itself, EL1 and EL0, returns from it, what it traps from EL1, TLBI, AT and timers. HCR_EL2.E2H is
 * 1: the other kind is `nvhe`'s. Nested guests are `shadow`'s. With the argument "guest" it asks for
 * one of a kind that there is not.
 */
#include "lib/hypervisor.h"

const char *payload_name = "nested";

void nested_hvc(void), nested_smc(void), nested_svc(void), nested_wfi(void), nested_id(void);
void nested_write_vm(void), nested_read_vm(void), nested_fp(void), nested_count(void);
void nested_cpacr(void), nested_mpidr(void), nested_currentel(void), nested_sp(void);
void nested_write_all(void), nested_el2_register(void), nested_el12_register(void);
void nested_at_eret(void), nested_midr(void), nested_key(void), nested_pac(void);
void nested_rdvl(void);
u64 own_rdvl(void);
void eret_a(u64 wrong, u64 spsr), eret_b(u64 wrong, u64 spsr);
extern char nested_vectors[];
void illegal_eret(u64 spsr);

/* ---- registers ---- */

/* EL2's register by both names, EL1's by the third: three accesses, two registers. */
#define THREE_NAMES(el2, el1, el12, mask)                                       \
	do {                                                                    \
		u64 was_ = read_sysreg(el2), a_ = (PATTERN + 0x1000) & (mask);  \
		u64 b_ = (~PATTERN) & (mask), c_ = (PATTERN + 0x3000) & (mask); \
		write_sysreg(c_, el12);                                         \
		write_sysreg(a_, el2);                                          \
		check_quiet(#el1 " is " #el2, read_sysreg(el1), a_);            \
		write_sysreg(b_, el1);                                          \
		check_quiet(#el2 " is " #el1, read_sysreg(el2), b_);            \
		check_quiet(#el12 " is another", read_sysreg(el12), c_);        \
		write_sysreg(was_, el2);                                        \
	} while (0)

#define SAME(el2, el1) check_quiet(#el1 " is " #el2, read_sysreg(el1), read_sysreg(el2))

static void check_registers(void)
{
	check("CurrentEL", read_sysreg(currentel), 8);
	check("HCR_EL2", read_sysreg(hcr_el2), HCR_HOST);
	THREE_NAMES(TTBR1_EL2, ttbr1_el1, TTBR1_EL12, 0x0000ffffffffffffUL);
	THREE_NAMES(esr_el2, esr_el1, ESR_EL12, 0xffffffffUL);
	THREE_NAMES(far_el2, far_el1, FAR_EL12, ~0UL);
	THREE_NAMES(elr_el2, elr_el1, ELR_EL12, ~3UL);
	THREE_NAMES(spsr_el2, spsr_el1, SPSR_EL12, 0xf0000000UL);
	THREE_NAMES(CONTEXTIDR_EL2, contextidr_el1, CONTEXTIDR_EL12, 0xffffffffUL);
	check_round("EL2's registers by EL1's names, and EL1's own");
	SAME(sctlr_el2, sctlr_el1);
	SAME(tcr_el2, tcr_el1);
	SAME(ttbr0_el2, ttbr0_el1);
	SAME(mair_el2, mair_el1);
	SAME(vbar_el2, vbar_el1);
	SAME(cptr_el2, cpacr_el1);
	SAME(afsr0_el2, afsr0_el1);
	SAME(afsr1_el2, afsr1_el1);
	SAME(amair_el2, amair_el1);
	check_round("those that are in use are the same by both names");
	KEEPS(SCTLR_EL12, ~0UL);
	KEEPS(CPACR_EL12, 3UL << 20);
	KEEPS(TTBR0_EL12, ~0UL);
	KEEPS(TCR_EL12, ~0UL);
	KEEPS(MAIR_EL12, ~0UL);
	KEEPS(VBAR_EL12, ~0x7ffUL);
	KEEPS(CNTKCTL_EL12, 0x303UL);
	KEEPS(CNTP_CVAL_EL02, ~0UL);
	KEEPS(CNTV_CVAL_EL02, ~0UL);
	KEEPS(sp_el1, ~0UL);
	KEEPS(vttbr_el2, ~0UL);
	KEEPS(vtcr_el2, ~0UL);
	KEEPS(vmpidr_el2, ~0UL);
	KEEPS(vpidr_el2, 0xffffffffUL);
	KEEPS(tpidr_el2, ~0UL);
	KEEPS(cntvoff_el2, ~0UL);
	KEEPS(hpfar_el2, 0xfffffffff0UL);
	KEEPS(mdcr_el2, 0xf00UL);
	KEEPS(cnthctl_el2, 0xf03UL);
	KEEPS(cnthp_cval_el2, ~0UL);
	KEEPS(CNTHV_CVAL_EL2, ~0UL);
	KEEPS(ICH_LR0_EL2, ~0UL);
	KEEPS(ICH_VMCR_EL2, ~0UL);
	KEEPS(ICH_AP0R0_EL2, 0xffffffffUL);
	KEEPS(ICH_AP1R0_EL2, 0xffffffffUL);
	check_round("EL2's other registers, and EL1's by their names at EL2");
	check("HACR_EL2", read_sysreg(hacr_el2), 0);
	check("ACTLR_EL2", read_sysreg(actlr_el2), 0);
	check("ICC_SRE_EL2", read_sysreg(ICC_SRE_EL2), 0xf);
	check("ICH_VTR_EL2: list registers", (read_sysreg(ICH_VTR_EL2) & 0x1f) < 16, 1);
	write_sysreg(0, ICH_LR0_EL2);
	check("ICH_ELRSR_EL2: the first is empty", read_sysreg(ICH_ELRSR_EL2) & 1, 1);
	write_sysreg(BIT(62) | 40, ICH_LR0_EL2);
	check("ICH_ELRSR_EL2: it is not", read_sysreg(ICH_ELRSR_EL2) & 1, 0);
	write_sysreg(0, ICH_LR0_EL2);
	check("ICH_MISR_EL2, ICH_EISR_EL2", read_sysreg(ICH_MISR_EL2) | read_sysreg(ICH_EISR_EL2),
	      0);
	check("ID_AA64PFR0_EL1.EL2", read_sysreg(id_aa64pfr0_el1) >> 8 & 15, 1);
	check("ID_AA64MMFR1_EL1.VH", read_sysreg(id_aa64mmfr1_el1) >> 8 & 15, 1);
	check("ID_AA64MMFR2_EL1.NV", read_sysreg(id_aa64mmfr2_el1) >> 24 & 15, 0);
}

static bool has_sve(void)
{
	return field(read_sysreg(id_aa64pfr0_el1), 32);
}

/* ---- exceptions of EL2 itself, and of its EL0 ---- */

#define EXCEPTION(name, ec, statement)                                                  \
	do {                                                                            \
		u64 esr_ = TRY(statement);                                              \
		check(name, ec_of(esr_), ec);                                           \
		check_quiet(name ": from EL2", this_cpu()->spsr &(MODE | 0x3c0), EL2H); \
	} while (0)

static void check_own_exceptions(void)
{
	EXCEPTION("an undefined instruction", EC_UNKNOWN, __asm__ volatile("udf #1"));
	EXCEPTION("a register that is not there", EC_UNKNOWN, read_sysreg(scr_el3));
	EXCEPTION("SVE, which is not there or traps", has_sve() ? EC_SVE : EC_UNKNOWN,
		  read_sysreg(ZCR_EL2));
	EXCEPTION("BRK", EC_BRK64, __asm__ volatile("brk #1"));
	EXCEPTION("SVC", EC_SVC64, __asm__ volatile("svc #0x4321"));
	EXCEPTION("HVC", EC_HVC64, __asm__ volatile("hvc #0x1234"));
	check("HVC: its number", this_cpu()->esr & 0xffff, 0x1234);
	write_sysreg(HCR_HOST | HCR_HCD, hcr_el2);
	EXCEPTION("HVC with HCR_EL2.HCD", EC_UNKNOWN, __asm__ volatile("hvc #0x1234"));
	write_sysreg(HCR_HOST, hcr_el2);
	check_round("PSTATE of these");
	check("SMC is a call", smc(PSCI_VERSION, 0, 0, 0), 0x10001);
	check("SVC at EL0, which is EL2's", ec_of(el0_run(nested_svc, 0)), EC_SVC64);
	check("... from EL0", this_cpu()->spsr & MODE, 0);
	check("HVC at EL0", ec_of(el0_run(nested_hvc, 0)), EC_UNKNOWN);
}

/* ---- EL1 ---- */

static void el1_setup(void)
{
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
	write_sysreg(3UL << 20, CPACR_EL12);
	write_sysreg((u64)nested_vectors, VBAR_EL12);
	write_sysreg(3UL << 10, cnthctl_el2); /* EL1PCTEN, EL1PTEN */
}

#define TRAPS(name, hcr, function, ec)                                                      \
	do {                                                                                \
		check(name ": trapped", ec_of(el1_run(function, 0, HCR_EL1 | (hcr))), ec);  \
		check_quiet(name ": at the instruction", this_cpu()->elr, (u64)(function)); \
		check_quiet(name ": from EL1", this_cpu()->spsr &MODE, EL1H &MODE);         \
		check(name ": not trapped", el1_run(function, 0, HCR_EL1) & 0xfc00ffff,     \
		      EC_HVC64 << 26);                                                      \
	} while (0)

static void check_el1(void)
{
	u64 esr;

	el1_setup();
	esr = el1_run(nested_hvc, 7, HCR_EL1);
	check("HVC of EL1", ec_of(esr), EC_HVC64);
	check("... its number", esr & 0xffff, 0x33);
	check("... its return address", this_cpu()->elr, (u64)nested_hvc + 4);
	check("... from EL1h", this_cpu()->spsr & (MODE | 0x3c0), EL1H);
	check("... from EL1t", (el1_run_at(nested_hvc, 7, HCR_EL1, EL1T), this_cpu()->spsr & MODE),
	      4);
	check("CurrentEL at EL1", (el1_run(nested_currentel, 0, HCR_EL1), el0_x0), 4);
	write_sysreg(0x1000, sp_el1);
	check("SP at EL1h is SP_EL1", (el1_run(nested_sp, 0, HCR_EL1), el0_x0), 0x1000);
	write_sysreg(0x80000205, vmpidr_el2);
	check("MPIDR_EL1 at EL1 is VMPIDR_EL2", (el1_run(nested_mpidr, 0, HCR_EL1), el0_x0),
	      0x80000205);
	check_true("MPIDR_EL1 at EL2 is not", read_sysreg(mpidr_el1) != 0x80000205);
	write_sysreg(0x12345678, vpidr_el2);
	check("MIDR_EL1 at EL1 is VPIDR_EL2", (el1_run(nested_midr, 0, HCR_EL1), el0_x0),
	      0x12345678);
	check_true("MIDR_EL1 at EL2 is not", read_sysreg(midr_el1) != 0x12345678);
	write_sysreg(read_sysreg(midr_el1), vpidr_el2);

	(void)el1_run(nested_write_all, 0x4000, HCR_EL1);
	check_quiet("TTBR0_EL12", read_sysreg(TTBR0_EL12), 0x4000);
	check_quiet("CONTEXTIDR_EL12", read_sysreg(CONTEXTIDR_EL12), 0x4001);
	check_quiet("FAR_EL12", read_sysreg(FAR_EL12), 0x4002);
	check_quiet("ELR_EL12", read_sysreg(ELR_EL12), 0x4003);
	check_round("what EL1 wrote, EL2 finds by the names for it");
	write_sysreg(0x770000, TTBR0_EL12);
	check("and the reverse", (el1_run(nested_read_vm, 0, HCR_EL1), el0_x0), 0x770000);

	TRAPS("SMC", HCR_TSC, nested_smc, EC_SMC64);
	/* without the trap it would wait, for nothing comes */
	check("WFI: trapped", ec_of(el1_run(nested_wfi, 0, HCR_EL1 | HCR_TWI)), EC_WFX);
	TRAPS("an ID register", HCR_TID3, nested_id, EC_SYS64);
	TRAPS("a write of TTBR0_EL1", HCR_TVM, nested_write_vm, EC_SYS64);
	TRAPS("a read of TTBR0_EL1", HCR_TRVM, nested_read_vm, EC_SYS64);
	write_sysreg(1UL << 31 | 3UL << 20, cptr_el2);
	check("CPACR_EL1, by CPTR_EL2.TCPAC", ec_of(el1_run(nested_cpacr, 0, HCR_EL1)), EC_SYS64);
	check("TCPAC by EL2's other name", read_sysreg(cpacr_el1), 1UL << 31 | 3UL << 20);
	write_sysreg(0, cptr_el2);
	check("FP, by CPTR_EL2.FPEN", ec_of(el1_run(nested_fp, 0, HCR_EL1)), EC_FP);
	write_sysreg(3UL << 20, cptr_el2);
	check("FP, not trapped", ec_of(el1_run(nested_fp, 0, HCR_EL1)), EC_HVC64);
	write_sysreg(0, cnthctl_el2);
	check("CNTPCT_EL0, by CNTHCTL_EL2", ec_of(el1_run(nested_count, 0, HCR_EL1)), EC_SYS64);
	write_sysreg(3UL << 10, cnthctl_el2);
	check("CNTPCT_EL0, not trapped", ec_of(el1_run(nested_count, 0, HCR_EL1)), EC_HVC64);
	check_round("addresses and PSTATE of these");

	esr = el1_run(nested_el2_register, 0, HCR_EL1);
	check("HCR_EL2 at EL1: EL1's exception", esr & 0xffff, 0x88);
	check("... undefined", ec_of(el0_x0), EC_UNKNOWN);
	esr = el1_run(nested_el12_register, 0, HCR_EL1);
	check("SCTLR_EL12 at EL1: EL1's exception", esr & 0xffff, 0x88);
	esr = el1_run(nested_at_eret, 0, HCR_EL1);
	check("EL1's ERET to its EL0, and SVC: EL1's", esr & 0xffff, 0x88);
	check("... SVC", ec_of(el0_x0), EC_SVC64);
	esr = el1_run_at(nested_hvc, 0, HCR_EL1, EL0T);
	check("HVC at EL1's EL0 is undefined, at EL1", esr & 0xffff, 0x88);
}

static void check_illegal(u64 hcr, u64 spsr)
{
	write_sysreg(hcr, hcr_el2);
	check_quiet("illegal ERET", ec_of(TRY(illegal_eret(spsr))), EC_ILLEGAL);
	check_quiet("illegal ERET: stays at EL2", this_cpu()->spsr & MODE, EL2H & MODE);
	check_quiet("illegal ERET: flags", this_cpu()->spsr >> 28, spsr >> 28 & 15);
	write_sysreg(HCR_HOST, hcr_el2);
}

static void check_illegal_returns(void)
{
	u64 mode;

	for (mode = 0; mode < 32; mode++) {
		bool el1 = mode == 4 || mode == 5;

		if (el1 || (mode != 0 && mode != 8 && mode != 9))
			check_illegal(HCR_HOST, 0xa00003c0 | mode);
		if (!el1 && mode != 0 && mode != 8 && mode != 9)
			check_illegal(HCR_EL1, 0x500003c0 | mode);
	}
	check_round("illegal exception returns");
}

/* ---- pointer authentication ---- */

/* ID_AA64ISAR1_EL1.APA, API, ID_AA64ISAR2_EL1.APA3: the kind of FEAT_PAuth; 0 for none. */
static u64 pauth_kind(void)
{
	u64 isar1 = read_sysreg(id_aa64isar1_el1), isar2 = read_sysreg(S3_0_C0_C6_2);

	return field(isar1, 4) | field(isar1, 8) | field(isar2, 12);
}

#define WRONG BIT(54)

/* A wrong code is an exception (FEAT_FPACCOMBINE), or an address that cannot be fetched from. */
static void check_wrong_code(const char *name, void (*eret)(u64 wrong, u64 spsr), u64 key)
{
	u64 esr = TRY(eret(WRONG, EL2H));

	if (pauth_kind() >= 5)
		check(name, esr, EC_FPAC << 26 | BIT(25) | key);
	else
		check(name, ec_of(esr), EC_IABT);
}

static void check_pauth(void)
{
	u64 sctlr = read_sysreg(sctlr_el2);

	if (!pauth_kind()) {
		check("ERETAA without pointer authentication",
		      ec_of(TRY(__asm__ volatile(".inst 0xd69f0bff"))), EC_UNKNOWN);
		return;
	}
	write_sysreg(random64(), S3_0_C2_C1_0); /* keys A and B */
	write_sysreg(random64(), S3_0_C2_C1_1);
	write_sysreg(random64(), S3_0_C2_C1_2);
	write_sysreg(random64(), S3_0_C2_C1_3);
	check("ERETAA that is not enabled", TRY(eret_a(0, EL2H)), NO_EXCEPTION);
	write_sysreg(sctlr | 3UL << 30, sctlr_el2);
	check("ERETAA", TRY(eret_a(0, EL2H)), NO_EXCEPTION);
	check("ERETAB", TRY(eret_b(0, EL2H)), NO_EXCEPTION);
	check_wrong_code("ERETAA with a wrong code", eret_a, 0);
	check_wrong_code("ERETAB with a wrong code", eret_b, 1);
	check("an illegal return with the right code", ec_of(TRY(eret_a(0, EL2H | 4))), EC_ILLEGAL);
	if (pauth_kind() >= 5)
		check("... with a wrong one", ec_of(TRY(eret_a(WRONG, EL2H | 4))), EC_FPAC);
	write_sysreg(sctlr, sctlr_el2);

	el1_setup();
	write_sysreg(SCTLR_OFF | BIT(31), SCTLR_EL12);
	check("a key at EL1, by HCR_EL2.APK=0", ec_of(el1_run(nested_key, 0, HCR_EL1 | HCR_API)),
	      EC_SYS64);
	check("PACIA at EL1, by HCR_EL2.API=0", ec_of(el1_run(nested_pac, 0, HCR_EL1 | HCR_APK)),
	      EC_PAC);
	check("... at the instruction", this_cpu()->elr, (u64)nested_pac);
	check("a key, not trapped", ec_of(el1_run(nested_key, 0, HCR_EL1 | HCR_APK)), EC_HVC64);
	check("... it is EL2's too", el0_x0, read_sysreg(S3_0_C2_C1_0));
	check("PACIA, not trapped", ec_of(el1_run(nested_pac, 0, HCR_EL1 | HCR_API)), EC_HVC64);
	write_sysreg(SCTLR_OFF, SCTLR_EL12);
}

/* ---- SVE ---- */

#define ZEN	 (3UL << 16)
#define ZCR_EL1_ S3_0_C1_C2_0

/* EL2's vectors by its ZCR_EL2, EL1's by both: the shorter ones. */
static void check_lengths(u64 longest)
{
	u64 el2, el1;

	for (el2 = 0; el2 < 16; el2++) {
		u64 own, shortest;

		write_sysreg(el2, ZCR_EL2);
		check_quiet("ZCR_EL2 by EL1's name", read_sysreg(ZCR_EL1_), el2);
		own = own_rdvl();
		check_quiet("EL2's vectors", own <= (el2 + 1) * 16 && own <= longest, 1);
		for (el1 = 0; el1 < 16; el1 += 3) {
			write_sysreg(el1, ZCR_EL12);
			check_quiet("ZCR_EL2 is another", read_sysreg(ZCR_EL2), el2);
			check_quiet("EL1 uses SVE", ec_of(el1_run(nested_rdvl, 0, HCR_EL1)),
				    EC_HVC64);
			shortest = el0_x0;
			check_quiet("EL1's vectors", shortest <= own && shortest <= (el1 + 1) * 16,
				    1);
			if (el1 >= el2)
				check_quiet("... are EL2's, if nothing else limits them", shortest,
					    own);
		}
	}
	check_round("vector lengths of EL1 by ZCR_EL2 and ZCR_EL12");
}

static void check_sve(void)
{
	u64 longest;

	if (!has_sve())
		return;
	el1_setup();
	write_sysreg(FP_ON | ZEN, CPACR_EL12);
	write_sysreg(FP_ON | ZEN, cptr_el2);
	write_sysreg(15, ZCR_EL2);
	longest = own_rdvl();
	check_true("vectors", longest >= 16 && longest % 16 == 0);
	check_lengths(longest);
	write_sysreg(15, ZCR_EL2);
	write_sysreg(15, ZCR_EL12);
	write_sysreg(FP_ON, cptr_el2);
	check("SVE at EL1, by CPTR_EL2.ZEN", ec_of(el1_run(nested_rdvl, 0, HCR_EL1)), EC_SVE);
	check("... at the instruction", this_cpu()->elr, (u64)nested_rdvl);
	check("... at EL2 itself", ec_of(TRY((void)own_rdvl())), EC_SVE);
	write_sysreg(ZEN, cptr_el2);
	check("SVE at EL1, by CPTR_EL2.FPEN", ec_of(el1_run(nested_rdvl, 0, HCR_EL1)), EC_FP);
	write_sysreg(FP_ON | ZEN, cptr_el2);
	check("not trapped", ec_of(el1_run(nested_rdvl, 0, HCR_EL1)), EC_HVC64);
	check("... of full length", el0_x0, longest);
	write_sysreg(FP_ON, CPACR_EL12);
	check("SVE at EL1, by its own CPACR_EL1", el1_run(nested_rdvl, 0, HCR_EL1) & 0xffff, 0x88);
	write_sysreg(FP_ON, cptr_el2);
}

/* ---- memory ---- */

#define PAR_F BIT(0)

static u64 par_of(u64 va, void (*at)(u64 va))
{
	at(va);
	isb();
	return read_sysreg(par_el1);
}

#define AT(name, op)                                                    \
	static void at_##name(u64 va)                                   \
	{                                                               \
		__asm__ volatile("at " op ", %0" ::"r"(va) : "memory"); \
	}
AT(s1e2r, "s1e2r")
AT(s1e2w, "s1e2w")
AT(s1e1r, "s1e1r")
AT(s1e1w, "s1e1w")
AT(s12e1r, "s12e1r")
AT(s12e0w, "s12e0w")

static void check_at(void)
{
	u64 page = fresh_page(), va = WINDOW;

	window_map(va, page, PAGE_RW | PTE_RO);
	check("AT S1E2R", par_of(va, at_s1e2r) & 0xfffffffff001UL, page);
	check("AT S1E1R with TGE", par_of(va, at_s1e1r) & 0xfffffffff001UL, page);
	check("AT S1E2W of a read-only page", par_of(va, at_s1e2w) & PAR_F, PAR_F);
	check("AT S1E1W with TGE", par_of(va, at_s1e1w) & PAR_F, PAR_F);
	window_map(va, 0, 0);
	check("AT S1E2R of nothing", par_of(va, at_s1e2r) & PAR_F, PAR_F);
	el1_setup();
	write_sysreg(HCR_EL1, hcr_el2);
	check("AT S12E1R, EL1's MMU off", par_of(va, at_s12e1r) & 0xfffffffff001UL, va);
	check("AT S1E1R without TGE is EL1's", par_of(va, at_s1e1r) & 0xfffffffff001UL, va);
	check("AT S12E0W", par_of(page, at_s12e0w) & 0xfffffffff001UL, page);
	write_sysreg(HCR_HOST, hcr_el2);
}

TLBI(alle2, "alle2")
TLBI(alle2is, "alle2is")
TLBI(vae2, "vae2, %0")
TLBI(vae2is, "vae2is, %0")
TLBI(vale2is, "vale2is, %0")
TLBI(alle1, "alle1")
TLBI(alle1is, "alle1is")
TLBI(vmalls12e1is, "vmalls12e1is")
TLBI(ipas2e1is, "ipas2e1is, %0")
TLBI(vmalle1is, "vmalle1is")
TLBI(vaale1is, "vaale1is, %0")
TLBI(vaae1, "vaae1, %0")
TLBI(vae1is, "vae1is, %0")

/* By EL1's names, which the CPU executes from the second one on (docs/nested.md). */
static void check_host_tlbi(void)
{
	static void (*const by_el1_name[])(u64 x) = { tlbi_vmalle1is, tlbi_vaale1is, tlbi_vaae1,
						      tlbi_vae1is };
	u64 pages[] = { fresh_page(), fresh_page() }, va = WINDOW + 8 * PAGE;

	write64(pages[0], 10);
	write64(pages[1], 11);
	window_map(va, pages[1], PAGE_RW);
	for (u64 i = 0; i < 10 * ARRAY_SIZE(by_el1_name); i++) {
		check_quiet("before", read64(va), 10 + !(i & 1));
		write_once(*window_pte(va), 0);
		by_el1_name[i % ARRAY_SIZE(by_el1_name)](va >> 12);
		check_quiet("it is gone", ec_of(TRY(read64(va))), EC_DABT);
		write_once(*window_pte(va), pages[i & 1] | PAGE_RW);
		dsb();
		isb();
		if (i % 3 == 0)
			write_sysreg(i, tpidr_el2);
	}
	window_map(va, 0, 0);
	check_round("TLBI of EL2 by EL1's names");
}

/* A write to a register that the CPU redirects, where TLBIs of EL1's names do not trap. */
#define KEEPS_THEN(name, mask)                                           \
	do {                                                             \
		u64 was_ = read_sysreg(name);                            \
		tlbi_vmalle1is(0);                                       \
		check_quiet(#name, read_sysreg(name), was_);             \
		write_sysreg(PATTERN &(mask), name);                     \
		check_quiet(#name, read_sysreg(name), PATTERN &(mask));  \
		tlbi_vmalle1is(0);                                       \
		check_quiet(#name, read_sysreg(name), PATTERN &(mask));  \
		write_sysreg(~PATTERN &(mask), name);                    \
		check_quiet(#name, read_sysreg(name), ~PATTERN &(mask)); \
		tlbi_vmalle1is(0);                                       \
		write_sysreg(was_, name);                                \
		check_quiet(#name, read_sysreg(name), was_);             \
	} while (0)

static void check_writes_behind_tlbi(void)
{
	u64 va = WINDOW;

	KEEPS_THEN(SCTLR_EL12, ~0UL);
	KEEPS_THEN(CPACR_EL12, 3UL << 20);
	KEEPS_THEN(TTBR0_EL12, ~0UL);
	KEEPS_THEN(TCR_EL12, ~0UL);
	KEEPS_THEN(VBAR_EL12, ~0x7ffUL);
	KEEPS_THEN(SPSR_EL12, 0xf0000000UL);
	KEEPS_THEN(ELR_EL12, ~3UL);
	KEEPS_THEN(sp_el1, ~0UL);
	KEEPS_THEN(vttbr_el2, ~0UL);
	KEEPS_THEN(vtcr_el2, ~0UL);
	KEEPS_THEN(vmpidr_el2, ~0UL);
	KEEPS_THEN(tpidr_el2, ~0UL);
	KEEPS_THEN(cntvoff_el2, ~0UL);
	KEEPS_THEN(ICH_LR0_EL2, ~0UL);
	KEEPS_THEN(ICH_VMCR_EL2, ~0UL);
	KEEPS_THEN(ICH_AP1R0_EL2, 0xffffffffUL);
	check_round("registers that are written behind a TLBI");
	/* What is EL1's is so at once. */
	el1_setup();
	window_map(va, fresh_page(), PAGE_RW);
	for (u64 i = 0; i < 4; i++) {
		tlbi_vmalle1is(0);
		check_quiet("AT S1E1R with TGE", par_of(va, at_s1e1r) & 0xfffffffff001UL,
			    *window_pte(va) & 0xfffffffff000UL);
		write_sysreg(HCR_EL1, hcr_el2);
		check_quiet("AT S1E1R without", par_of(va, at_s1e1r) & 0xfffffffff001UL, va);
		check_quiet("TLBI", TRY(tlbi_vmalle1is(0)), NO_EXCEPTION);
		check_quiet("EL1 runs", ec_of(el1_run(nested_hvc, 0, HCR_EL1)), EC_HVC64);
		write_sysreg(HCR_HOST, hcr_el2);
	}
	window_map(va, 0, 0);
	check_round("TGE that changes behind a TLBI");
}

static void check_tlbi(void)
{
	static void (*const of_el2[])(u64 x) = { tlbi_alle2,  tlbi_alle2is, tlbi_vae2,
						 tlbi_vae2is, tlbi_vale2is, tlbi_vmalle1is };
	static void (*const others[])(u64 x) = { tlbi_alle1, tlbi_alle1is, tlbi_vmalls12e1is,
						 tlbi_ipas2e1is };
	u64 a = fresh_page(), b = fresh_page(), va = WINDOW;
	u64 i;

	write64(a, 1);
	write64(b, 2);
	for (i = 0; i < ARRAY_SIZE(of_el2); i++) {
		window_map(va, a, PAGE_RW);
		check_quiet("before", read64(va), 1);
		write_once(*window_pte(va), 0);
		of_el2[i](va >> 12);
		write_once(*window_pte(va), b | PAGE_RW);
		dsb();
		isb();
		check_quiet("TLBI of EL2", read64(va), 2);
	}
	for (i = 0; i < ARRAY_SIZE(others); i++)
		check_quiet("TLBI for a guest", TRY(others[i](va >> 12)), NO_EXCEPTION);
	check_round("TLBI");
}

/* ---- timers: the rest is `timers`, which runs at EL2 too ---- */

static void check_timers(void)
{
	u64 before;

	write_sysreg(~0UL, cnthp_cval_el2);
	write_sysreg(1, cnthp_ctl_el2);
	check("CNTHP by its EL1 name", read_sysreg(cntp_ctl_el0), 1);
	write_sysreg(0, cntp_cval_el0);
	check("CNTHP's condition", read_sysreg(cnthp_ctl_el2), 5);
	write_sysreg(0, cnthp_ctl_el2);
	write_sysreg(0, CNTHV_CVAL_EL2);
	write_sysreg(3, cntv_ctl_el0);
	check("CNTHV by both names", read_sysreg(CNTHV_CTL_EL2), 7);
	write_sysreg(0, cntv_ctl_el0);
	check("EL1's are others", read_sysreg(CNTP_CTL_EL02) | read_sysreg(CNTV_CTL_EL02), 0);
	write_sysreg(BIT(60), cntvoff_el2);
	before = read_sysreg(cntpct_el0);
	isb();
	check_true("CNTVCT_EL0 at EL2 has no offset", read_sysreg(cntvct_el0) - before < BIT(59));
	write_sysreg(0, cntvoff_el2);
}

void payload_main(void)
{
	if (payload_has_arg("guest")) {
		el1_setup();
		(void)el1_run(nested_hvc, 0, HCR_EL1 | HCR_IMO);
		check_true("there is no such guest", false);
		return;
	}
	check_registers();
	check_own_exceptions();
	check_el1();
	check_illegal_returns();
	check_pauth();
	check_sve();
	check_at();
	check_tlbi();
	check_host_tlbi();
	check_writes_behind_tlbi();
	check_timers();
}
