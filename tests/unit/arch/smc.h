/* SPDX-License-Identifier: BSD-2-Clause */
/* A call to firmware, fake: the test that links a caller defines it, and so is the firmware. */
#ifndef KEEL_ARCH_SMC_H
#define KEEL_ARCH_SMC_H

#include <lib/types.h>

void arch_smc(u64 regs[18]);

#endif
