/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fixed-width integers, and one type an address space.
 *
 * A physical address, a guest (intermediate) physical address and an EL2 virtual address are
 * different structures, so that mixing them up does not compile. Functions that cross from one
 * space to another are named for what they cross (el2_va_to_pa(), ...).
 */
#ifndef KEEL_LIB_TYPES_H
#define KEEL_LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lib/compiler.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Physical address: what leaves the last stage of translation. */
struct pa {
	u64 v;
};

/* Intermediate physical address: what a VM (the host included) takes for physical. */
struct ipa {
	u64 v;
};

/* EL2 virtual address, as a number; a pointer is used where it may be dereferenced. */
struct va {
	u64 v;
};

#define PA(x)  ((struct pa){ .v = (x) })
#define IPA(x) ((struct ipa){ .v = (x) })
#define VA(x)  ((struct va){ .v = (x) })

/* The host's stage 2 is the identity, which is the one place where an IPA is a PA. */
static inline struct pa host_ipa_to_pa(struct ipa ipa)
{
	return PA(ipa.v);
}

static inline struct ipa host_pa_to_ipa(struct pa pa)
{
	return IPA(pa.v);
}

#endif
