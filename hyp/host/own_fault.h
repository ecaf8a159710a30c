/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of EL2's own accesses to what is not its own (docs/faults.md): they are counted, logged,
 * and go on at their fix-up; one that has spoilt more than its access is the host's to know.
 */
#ifndef KEEL_HOST_OWN_FAULT_H
#define KEEL_HOST_OWN_FAULT_H

#include <cpu/extable.h>

/**
 * own_fault_mend() - a synchronous exception or an SError of EL2's own
 * @rows: the exception table
 * @n:    its rows
 * @esr:  ESR_EL2
 * @far:  FAR_EL2
 * @pc:   ELR_EL2; where to go on, if there is such a place
 *
 * Any context in which an instruction of the table may be executed. If ESR_EL2.SET says that the
 * abort is not contained, the host takes an uncontainable SError as soon as it runs, and a guest
 * that is loaded is left for that. Before the host has started nobody is told.
 *
 * Return: whether EL2 goes on.
 */
bool own_fault_mend(const struct extable_row *rows, size_t n, u64 esr, u64 far, u64 *pc);

#endif
