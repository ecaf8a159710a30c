/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the architecture does when an exception is taken to EL1, so that EL2 can do it in its stead
 * (ARM DDI 0487, D1.3.1 and the pseudocode AArch64.TakeException). Values in, values out.
 */
#ifndef KEEL_CPU_INJECT_H
#define KEEL_CPU_INJECT_H

#include <lib/types.h>

/* PSTATE bits that exist on this CPU: bits of others are left clear. */
struct pstate_features {
	bool pan, uao, ssbs, mte, nmi;
};

struct el1_entry {
	u64 vector; /* offset from VBAR_EL1 */
	u64 pstate; /* SPSR_EL2 to return with */
};

/**
 * el1_exception_entry() - where and how a synchronous exception enters EL1
 * @spsr:  PSTATE that it is taken from (SPSR_EL2), EL0 or EL1
 * @sctlr: SCTLR_EL1
 * @has:   what this CPU has
 */
struct el1_entry el1_exception_entry(u64 spsr, u64 sctlr, const struct pstate_features *has);

/**
 * el1_external_abort_esr() - the syndrome of a synchronous external abort at EL1
 * @esr:  ESR_EL2 of what becomes one, a stage 2 fault or an external abort: a Data or Instruction
 *	  Abort
 * @spsr: SPSR_EL2
 *
 * WnR and CM are the access's own. A fault on a stage 1 table walk becomes an external abort on
 * the walk; its stage 1 level is not known to EL2, and reads as 0. An external abort stays what it
 * was: level, EA, and FnV with the one that can have it.
 */
u64 el1_external_abort_esr(u64 esr, u64 spsr);

/**
 * el1_refusal_esr() - the syndrome of an access that EL2 refuses the host
 *
 * As el1_external_abort_esr(), but that a load or store becomes an alignment fault, which says as
 * little about memory: operating systems end a process for it, and give what the kernel did to
 * their exception tables first, as they must for any load over the end of a page. An external abort
 * they take for broken hardware, and a translation fault for one that a second try mends.
 */
u64 el1_refusal_esr(u64 esr, u64 spsr);

/* The syndrome of an UNDEFINED instruction. */
u64 el1_undef_esr(void);

#endif
