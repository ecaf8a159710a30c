/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generic timer from EL2 (ARM DDI 0487, D12): the counter, EL1's virtual timer, and EL2's own
 * physical timer, which Keel uses for the guest's physical one.
 */
#ifndef KEEL_ARCH_TIMER_H
#define KEEL_ARCH_TIMER_H

#include <arch/barrier.h>
#include <arch/el1.h>

/* With E2H=1 the plain names access EL2's virtual timer, and EL1's is CNTV_*_EL02. */
DEFINE_EL1_REG(cntv_ctl, cntv_ctl_el0, CNTV_CTL_EL0)
DEFINE_EL1_REG(cntv_cval, cntv_cval_el0, CNTV_CVAL_EL0)
DEFINE_EL1_REG(cntp_ctl, cntp_ctl_el0, CNTP_CTL_EL0)
DEFINE_EL1_REG(cntp_cval, cntp_cval_el0, CNTP_CVAL_EL0)

/* The physical counter now, and not an earlier value from speculation. */
static inline u64 timer_counter(void)
{
	isb();
	return read_sysreg(cntpct_el0);
}

static inline void cnthp_start(u64 cval)
{
	write_sysreg(cval, cnthp_cval_el2);
	write_sysreg(1, cnthp_ctl_el2);
}

/* Set the compare value of a timer that is on already. */
static inline void cnthp_move(u64 cval)
{
	write_sysreg(cval, cnthp_cval_el2);
}

/* EL2's physical timer asserts its interrupt (CNTHP_CTL_EL2: on, not masked, condition met). */
static inline bool cnthp_asserted(void)
{
	return (read_sysreg(cnthp_ctl_el2) & 7) == 5;
}

static inline void cnthp_stop(void)
{
	write_sysreg(0, cnthp_ctl_el2);
	isb();
}

#endif
