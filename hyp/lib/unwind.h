/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking a stack by its frame records (AAPCS64 6.4.6): x29 points to a pair of the caller's x29
 * and the return address. Nothing outside of the stack is read, whatever the records say.
 */
#ifndef KEEL_LIB_UNWIND_H
#define KEEL_LIB_UNWIND_H

#include <lib/types.h>

struct unwind_frame {
	u64 fp; /* address of the frame record to read next; 0 when the chain has ended */
	u64 pc; /* where this function was, or will return to */
};

/**
 * unwind_step() - go to the caller
 * @f:  start with x29 and the program counter; changed to the caller's, untouched if there is none
 * @lo: lowest address of the stack, which must be readable
 * @hi: the address behind its highest byte
 *
 * A frame record must lie in [@lo, @hi), be 8-byte-aligned, and lie above the one before it (a
 * stack grows downwards), so every chain ends, even a corrupt one.
 *
 * Return: whether there was a caller.
 */
bool unwind_step(struct unwind_frame *f, u64 lo, u64 hi);

#endif
