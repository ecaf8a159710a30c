// SPDX-License-Identifier: BSD-2-Clause
#include <cpu/percpu.h>

struct percpu *percpu_table[KEEL_MAX_CPUS];
