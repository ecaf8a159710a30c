/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power State Coordination Interface (ARM DEN 0022): function identifiers, return codes and
 * argument formats. A function with an address or an affinity among its arguments has a 64-bit
 * form, whose identifier is the 32-bit one with PSCI_64 set.
 */
#ifndef KEEL_LIB_PSCI_ABI_H
#define KEEL_LIB_PSCI_ABI_H

#include <lib/smccc.h>

/* The range that SMCCC sets aside for PSCI, in its 32-bit form. */
#define PSCI_FIRST 0x84000000U
#define PSCI_LAST  0x8400001fU
#define PSCI_64	   0x40000000U

/* DEN 0022, 5.1: functions. */
#define PSCI_VERSION		 0x84000000U
#define PSCI_CPU_SUSPEND	 0x84000001U
#define PSCI_CPU_OFF		 0x84000002U
#define PSCI_CPU_ON		 0x84000003U
#define PSCI_AFFINITY_INFO	 0x84000004U
#define PSCI_MIGRATE		 0x84000005U
#define PSCI_MIGRATE_INFO_TYPE	 0x84000006U
#define PSCI_MIGRATE_INFO_UP_CPU 0x84000007U
#define PSCI_SYSTEM_OFF		 0x84000008U
#define PSCI_SYSTEM_RESET	 0x84000009U
#define PSCI_FEATURES		 0x8400000aU
#define PSCI_CPU_FREEZE		 0x8400000bU
#define PSCI_CPU_DEFAULT_SUSPEND 0x8400000cU
#define PSCI_NODE_HW_STATE	 0x8400000dU
#define PSCI_SYSTEM_SUSPEND	 0x8400000eU
#define PSCI_SET_SUSPEND_MODE	 0x8400000fU
#define PSCI_STAT_RESIDENCY	 0x84000010U
#define PSCI_STAT_COUNT		 0x84000011U
#define PSCI_SYSTEM_RESET2	 0x84000012U
#define PSCI_MEM_PROTECT	 0x84000013U
#define PSCI_MEM_CHECK_RANGE	 0x84000014U

/* DEN 0022, 5.2.2: return codes. */
#define PSCI_SUCCESS		0
#define PSCI_NOT_SUPPORTED	(-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_DENIED		(-3)
#define PSCI_ALREADY_ON		(-4)
#define PSCI_ON_PENDING		(-5)
#define PSCI_INTERNAL_FAILURE	(-6)
#define PSCI_NOT_PRESENT	(-7)
#define PSCI_DISABLED		(-8)
#define PSCI_INVALID_ADDRESS	(-9)

/* DEN 0022, 5.7: what AFFINITY_INFO returns when it does not fail. */
#define PSCI_AFFINITY_ON	 0
#define PSCI_AFFINITY_OFF	 1
#define PSCI_AFFINITY_ON_PENDING 2

/* DEN 0022, 5.1.1: version, major in 31:16 and minor in 15:0. */
#define PSCI_VERSION_MAJOR GENMASK(30, 16)

/* DEN 0022, 5.16: PSCI_FEATURES(CPU_SUSPEND), bit 1: the extended StateID format is in use. */
#define PSCI_FEATURES_SUSPEND_EXTENDED BIT(1)

/* DEN 0022, 5.4.2: power_state, StateType: set when the CPU loses its context. */
#define PSCI_POWER_STATE_DOWN	       BIT(16) /* original format */
#define PSCI_POWER_STATE_DOWN_EXTENDED BIT(30) /* extended StateID format */

/* DEN 0022, 5.6: target_cpu and target_affinity: MPIDR_EL1's affinity fields, all else zero. */
#define PSCI_TARGET_AFFINITY (GENMASK(39, 32) | GENMASK(23, 0))

#endif
