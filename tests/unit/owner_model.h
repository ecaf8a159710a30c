/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of who owns the registers of a CPU, beside the model of its TLBs (arch/fake_tlb.h): which
 * there are by the ID registers, by which controls of EL2 EL1 can reach them, and what is at work
 * without being reached. It looks at the fake registers (arch/sysreg.h) while the world switch
 * runs.
 *
 * The rules, by where the CPU is:
 *
 * host running      each register has the host's value; no buffer is EL2's
 * EL2               a buffer that is on sees no change of what it is translated by, or of its
 * owner; it goes off when all is written (PSB or TSB CSYNC, then DSB); SVE and SME are used as
 * CPTR_EL2, PSTATE.SM and FA64 allow guest running     a register that EL1 can reach does not have
 * the host's value; what the guest writes there is there in its next run, and gone in the host's;
 * nothing of the host's is at work: buffers, trace filter, branch records, Streaming SVE mode
 */
#ifndef KEEL_TESTS_OWNER_MODEL_H
#define KEEL_TESTS_OWNER_MODEL_H

#include <cpu/features.h>
#include <lib/types.h>

/* What the architecture wants beside a feature (A2): fields of @id that others need. */
void owner_model_complete(struct cpu_id_regs *id);

/* Exactly the registers of this CPU, UNKNOWN where reset leaves them so; @e2h: HCR_EL2.E2H. */
void owner_model_make(const struct cpu_id_regs *id, bool e2h);

/* Firmware keeps FEAT_SME_FA64 from EL2 and EL1, on CPUs that are made from then on. */
void owner_model_keep_fa64(bool keep);

/* The host's turn: each register gets a value of the host's; after a run it must have it still. */
void owner_model_host_begins(void);
void owner_model_host_ends(const char *what);

/* A guest's turn, @run counts from 1: checks, and then writes all that it can reach. */
void owner_model_guest(unsigned int run);

/* EL1 of the host turns something on, as far as the CPU has it: then it is at work. */
struct owner_host {
	bool profiles, traces, streams; /* SPE's and TRBE's buffer; PSTATE.SM */
	bool filter, branches;		/* TRFCR_EL1, BRBCR_EL1 */
};
void owner_model_host_starts(const struct owner_host *host);

/* Whether EL1 of the host, as controls are now, has FP, SVE or SME trapped. */
enum owner_unit { OWNER_FP, OWNER_SVE, OWNER_SME };
bool owner_model_trapped(enum owner_unit unit);

/* Vector registers: one number stands for all of them; a change of PSTATE.SM makes it 0. */
u64 owner_model_vectors(void);
void owner_model_set_vectors(u64 value);
bool owner_model_streaming(void);
void owner_model_set_streaming(bool on);

#endif
