/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults of EL2's accesses to memory and registers that are not its own (docs/faults.md). They are
 * counted and logged, and EL2 goes on at the fix-up of its exception table. If the error is not
 * contained, the host gets an SError.
 */
#ifndef KEEL_HOST_OWN_FAULT_H
#define KEEL_HOST_OWN_FAULT_H

#include <cpu/extable.h>

/**
 * own_fault_mend() - handle a synchronous exception or an SError taken from EL2
 * @rows: the exception table
 * @n:    number of its rows
 * @esr:  ESR_EL2
 * @far:  FAR_EL2
 * @pc:   in: ELR_EL2; out: the fix-up, if the table has one
 *
 * In any context in which an instruction of the table may be executed. If ESR_EL2.SET says that the
 * abort is not contained, the host takes an uncontainable SError as soon as it runs, and the run of
 * a loaded guest is ended for that; before the host has started, this is left out.
 *
 * Return: whether there is a fix-up, so that EL2 goes on.
 */
bool own_fault_mend(const struct extable_row *rows, size_t n, u64 esr, u64 far, u64 *pc);

#endif
