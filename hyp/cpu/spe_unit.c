// SPDX-License-Identifier: BSD-2-Clause
/* A CPU's profiling unit. See spe_unit.h. */
#include <arch/barrier.h>
#include <arch/el1.h>
#include <arch/sysreg.h>
#include <cpu/spe_unit.h>
#include <cpu/withheld.h>

/* ---- identification ---- */

void spe_unit_identify(struct spe_unit_id *id)
{
	struct cpu_id_regs ids = { .reg = { [ID_REG_DFR0] = read_sysreg(id_aa64dfr0_el1) } };
	s64 version;

	withheld_clear(&ids, this_cpu()->withheld);
	version = cpu_id_field(&ids, ID_DFR0_PMSVer);

	*id = (struct spe_unit_id){ .version = 0 };
	if (!version)
		return;
	/* PMBIDR_EL1 can always be read. Read at EL2, its bit P gives EL3's MDCR_EL3.NSPB. */
	id->pmbidr = read_sysreg(ASM_REG(PMBIDR_EL1));
	if (id->pmbidr & PMBIDR_P)
		return;
	id->version = (unsigned int)version;
	id->pmsidr = read_sysreg(ASM_REG(PMSIDR_EL1));
	write_sysreg(~0ULL, ASM_REG(PMSEVFR_EL1));
	id->events = read_sysreg(ASM_REG(PMSEVFR_EL1));
	write_sysreg(0, ASM_REG(PMSEVFR_EL1));
}

/* How two CPUs' values of a field become one. */
enum how { BOTH, MOST, LEAST, SAME };

/*
 * PMSIDR_EL1 and PMBIDR_EL1. The longer minimum interval, the larger record, the coarser alignment
 * and the narrower counter also work on a CPU that has better values.
 */
static const struct field_row {
	u64 field;
	u8 how;
} pmsidr_rows[] = {
	{ PMSIDR_FE | PMSIDR_FT | PMSIDR_FL | PMSIDR_LDS | PMSIDR_ERND | PMSIDR_FNE, BOTH },
	{ PMSIDR_PBT | PMSIDR_CRR, BOTH },
	{ PMSIDR_INTERVAL, MOST },
	{ PMSIDR_MAXSIZE, MOST },
	{ PMSIDR_COUNTSIZE, LEAST },
	{ PMSIDR_ARCHINST, SAME },
	{ PMSIDR_FORMAT, SAME },
}, pmbidr_rows[] = {
	{ PMBIDR_F, BOTH },
	{ PMBIDR_ALIGN, MOST },
};

static bool merge_fields(u64 *all, u64 one, const struct field_row *rows, size_t count)
{
	u64 merged = 0;

	for (size_t i = 0; i < count; i++) {
		u64 a = *all & rows[i].field, b = one & rows[i].field;

		if (rows[i].how == SAME && a != b)
			return false;
		if (rows[i].how == BOTH)
			merged |= a & b;
		else
			merged |= rows[i].how == MOST ? MAX(a, b) : MIN(a, b);
	}
	*all = merged;
	return true;
}

void spe_unit_merge(struct spe_unit_id *all, const struct spe_unit_id *one)
{
	bool alike =
		merge_fields(&all->pmsidr, one->pmsidr, pmsidr_rows, ARRAY_SIZE(pmsidr_rows)) &&
		merge_fields(&all->pmbidr, one->pmbidr, pmbidr_rows, ARRAY_SIZE(pmbidr_rows));

	all->events &= one->events;
	all->version = alike ? MIN(all->version, one->version) : 0;
}

bool spe_unit_covers(const struct spe_unit_id *one, const struct spe_unit_id *all)
{
	struct spe_unit_id merged = *all;

	spe_unit_merge(&merged, one);
	return merged.version == all->version && merged.pmsidr == all->pmsidr &&
	       merged.pmbidr == all->pmbidr && merged.events == all->events;
}

/* ---- its registers ---- */

void spe_unit_drain(void)
{
	psb_csync();
	dsb(nsh);
	isb();
}

void spe_unit_disable(void)
{
	write_sysreg(0, ASM_REG(PMBLIMITR_EL1));
	isb();
}

/* Without an ISB: the ERET synchronizes, and EL2 is not sampled. */
void spe_unit_enable(u64 pmblimitr)
{
	isb();
	write_sysreg(pmblimitr, ASM_REG(PMBLIMITR_EL1));
}

void spe_unit_save(struct spe_regs *regs, bool inverse)
{
	regs->pmscr = read_el1_pmscr();
	regs->pmsicr = read_sysreg(ASM_REG(PMSICR_EL1));
	regs->pmsirr = read_sysreg(ASM_REG(PMSIRR_EL1));
	regs->pmsfcr = read_sysreg(ASM_REG(PMSFCR_EL1));
	regs->pmsevfr = read_sysreg(ASM_REG(PMSEVFR_EL1));
	regs->pmslatfr = read_sysreg(ASM_REG(PMSLATFR_EL1));
	regs->pmbptr = read_sysreg(ASM_REG(PMBPTR_EL1));
	regs->pmbsr = read_sysreg(ASM_REG(PMBSR_EL1));
	if (inverse)
		regs->pmsnevfr = read_sysreg(ASM_REG(PMSNEVFR_EL1));
}

void spe_unit_load(const struct spe_regs *regs, bool inverse)
{
	write_el1_pmscr(regs->pmscr);
	write_sysreg(regs->pmsicr, ASM_REG(PMSICR_EL1));
	write_sysreg(regs->pmsirr, ASM_REG(PMSIRR_EL1));
	write_sysreg(regs->pmsfcr, ASM_REG(PMSFCR_EL1));
	write_sysreg(regs->pmsevfr, ASM_REG(PMSEVFR_EL1));
	write_sysreg(regs->pmslatfr, ASM_REG(PMSLATFR_EL1));
	write_sysreg(regs->pmbptr, ASM_REG(PMBPTR_EL1));
	write_sysreg(regs->pmbsr, ASM_REG(PMBSR_EL1));
	if (inverse)
		write_sysreg(regs->pmsnevfr, ASM_REG(PMSNEVFR_EL1));
}
