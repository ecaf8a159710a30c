/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system-register table. There is one row for each register that traps or that userspace can
 * save, and one for each range of encodings of registers that VMs do not have. Sorted by encoding.
 */
#ifndef KEEL_TRAP_SYSREG_H
#define KEEL_TRAP_SYSREG_H

#include <arch/regs.h>
#include <trap/id_regs.h>
#include <vm/guest_traps.h>
#include <vm/run.h>

/* What userspace can do with a register by ONE_REG. */
enum sysreg_user {
	USER_NONE,   /* userspace does not see it */
	USER_STORED, /* read and write .storage */
	USER_EQUAL,  /* read by .read; a write must be of the same value */
	USER_WI,     /* read by .read; a write is ignored */
	USER_OWN,    /* read and write by .read and .write, as the guest: SPE */
	USER_ID,     /* an ID register of .id, which can be lowered (id_regs.h) */
};

#define SYSREG_NO_STORAGE 0xffff

struct sysreg_row {
	u16 first, last; /* encodings; equal but for a range */
	u8 when;	 /* enum vcpu_when: other vCPUs do not have the register */
	u8 user;	 /* enum sysreg_user */
	u8 id; /* enum id_reg, for read_id_reg(); enum trap_device_id; the number of a breakpoint */
	u8 trap;     /* enum guest_trap: the control that makes it trap; of a range, all of it */
	u16 storage; /* enum vcpu_sysreg, or SYSREG_NO_STORAGE */
	const char *name;
	/*
	 * A trapped MRS and MSR; NULL is UNDEFINED. A write returns VCPU_RESUME, an exit, or
	 * VCPU_AGAIN: the host takes its interrupts, then the guest repeats the instruction.
	 */
	u64 (*read)(struct vcpu *vcpu, const struct sysreg_row *row);
	enum vcpu_action (*write)(struct vcpu *vcpu, const struct sysreg_row *row, u64 value);
	u64 reset; /* of .storage */
	u64 fixed; /* bits of .storage that a write does not change: they keep their reset value */
};

/* The registers of devices, which guests access again and again, get their short way. Boot CPU. */
void sysreg_init(void);

/* The row of an encoding, or NULL. */
const struct sysreg_row *sysreg_find(u32 encoding);

/* Rows by number, 0..sysreg_count()-1. */
size_t sysreg_count(void);
const struct sysreg_row *sysreg_row(size_t n);

/* A trapped MSR, MRS or system instruction. Return: VCPU_RESUME or an exit. */
enum vcpu_action sysreg_trap(struct vcpu *vcpu, u64 esr);

/* Set each stored register to its reset value; by the owner, loaded or not. */
void sysreg_reset(struct vcpu *vcpu);

/* Whether userspace sees the register, on this vCPU. */
bool sysreg_user_visible(const struct vcpu *vcpu, const struct sysreg_row *row);

/**
 * sysreg_user_get(), sysreg_user_set() - read and write a register for userspace; by the owner
 *
 * Return: 0; -ENOENT this vCPU has no such register that userspace sees; -EINVAL the register does
 * not take the value; -EBUSY it does not take it once a vCPU has run.
 */
int __must_check sysreg_user_get(struct vcpu *vcpu, u32 encoding, u64 *value);
int __must_check sysreg_user_set(struct vcpu *vcpu, u32 encoding, u64 value);

#endif
