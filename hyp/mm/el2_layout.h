/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of EL2's virtual address space: a pure function of the machine.
 *
 * EL2 needs two things mapped: the trampoline (the page that turns the MMU on, mapped at its
 * physical address T) and the runtime range. docs/el2-address-space.md argues why the two can
 * never meet.
 */
#ifndef KEEL_MM_EL2_LAYOUT_H
#define KEEL_MM_EL2_LAYOUT_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>

#define EL2_VA_BITS_DEFAULT 39
#define EL2_VA_BITS_MIN	    28 /* half of it must hold Keel's memory, stacks and windows */

/* Which of the cases of the address space this machine is. */
enum el2_case {
	EL2_TRAMPOLINE_LOWER,  /* E2H=0: T in the lower half, runtime range in the upper */
	EL2_TRAMPOLINE_UPPER,  /* E2H=0: T in the upper half, runtime range in the lower */
	EL2_TRAMPOLINE_BEYOND, /* E2H=0: T past BIT(VA_BITS), runtime range in the lower half */
	EL2_TWO_BASES,	       /* E2H=1: T in TTBR0's range, runtime range in TTBR1's */
};

/* The arguments of the layout. */
struct el2_layout_in {
	struct pa trampoline; /* T: page-aligned */
	unsigned int va_bits; /* EL2_VA_BITS_MIN..48, or ..52 where s1_lpa2 has 4K */
	bool e2h;	      /* HCR_EL2.E2H will be 1 */
	struct pa image;      /* Keel's own memory, 2 MiB-aligned */
	u64 image_size;
	struct pa ram_start, ram_end; /* lowest RAM address, and one past the highest */
	const struct mmu_caps *caps;
};

struct el2_layout {
	enum el2_case which;
	bool ds;	  /* TCR_EL2.DS: 52-bit addresses in 4K descriptors */
	u8 ttbr0_bits;	  /* width of TTBR0's range: 64 - T0SZ */
	u8 ttbr1_bits;	  /* width of TTBR1's range, 0 without E2H */
	s8 ttbr0_level;	  /* start level of the walk from TTBR0, -1..3 */
	s8 ttbr1_level;	  /* likewise from TTBR1 */
	u64 runtime_base; /* the runtime range, [base, base + size) */
	u64 runtime_size;
	u64 linear_offset;		    /* linear window: va = pa + offset (modulo 2^64) */
	struct pa linear_start, linear_end; /* physical range that the window can show */
	u64 private_base; /* behind the window: stacks, devices, temporary mappings */
	u64 private_end;
	u64 tcr; /* TCR_EL2 as a whole */
};

/**
 * el2_layout() - decide where the runtime range lies and how TCR_EL2 is set
 * @out: the layout; written on success only
 * @in:  the machine
 *
 * Pure. Uses as few translation levels as hold what must be mapped: each costs a memory access at
 * every TLB miss.
 *
 * Return: 0; -EINVAL when va_bits is out of the CPU's or Keel's range, the 4K granule is missing,
 * or the trampoline or image is misaligned; -ERANGE when the trampoline's address is beyond what
 * the CPU's stage 1 can map, or Keel's memory does not fit the linear window.
 */
int __must_check el2_layout(struct el2_layout *out, const struct el2_layout_in *in);

/* The case in words, for the boot log: "trampoline in the lower half", ... */
const char *el2_case_name(enum el2_case which);

/**
 * el2_start_level() - first level of a 4K-granule stage 1 walk
 * @bits: width of the input address range, 25..52
 *
 * D8.2.4: each level below the start resolves 9 bits above the 12 of the page; the start level
 * takes what is left over, so the fewest levels follow from the width alone.
 *
 * Return: -1..3.
 */
int el2_start_level(unsigned int bits);

#endif
