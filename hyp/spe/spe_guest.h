/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of the loaded guest by its virtual addresses, through its stage 1 and the VM's stage 2 as
 * they are now: the CPU translates (AT), EL2 accesses what comes of it in its window. The lock of
 * the stage 2 is held from the translation to the end of the access, so the memory is the VM's
 * meanwhile, and no permission is used that it does not have.
 *
 * spe_guest_fetch() takes that lock itself; who writes holds it from the translation to
 * spe_guest_close(). For as short as can be: it is the whole VM's. PAR_EL1 is the guest's: all is
 * between spe_guest_begin() and spe_guest_end(), which keep it. Inline, for this is much of what a
 * sample and a false hit cost.
 */
#ifndef KEEL_SPE_SPE_GUEST_H
#define KEEL_SPE_SPE_GUEST_H

#include <arch/at.h>
#include <arch/barrier.h>
#include <arch/foreign.h>
#include <arch/reg_bits.h>
#include <arch/spinlock.h>
#include <arch/sysreg.h>
#include <cpu/errata.h>
#include <lib/esr.h>
#include <mm/el2_window.h>
#include <mm/stage2.h>
#include <vm/vm.h>

/* What is said in its place of a translation or a write that took an exception: external aborts. */
#define PAR_WALK_ABORT	(PAR_F | FIELD_PREP(PAR_FST, ESR_FSC_EXTABT_WALK))
#define PAR_WRITE_ABORT (PAR_F | FIELD_PREP(PAR_FST, ESR_FSC_EXTABT))

/* PAR_EL1.ATTR, as MAIR_EL1's: Device is 0b0000xxxx */
#define PAR_ATTR_NORMAL GENMASK(63, 60)

/* What is looked up once for all that is in between. By value, in two registers. */
struct spe_view {
	struct vcpu *vcpu; /* loaded */
	u64 errata_wide;   /* errata_actions, in a register of its own: see spe_errata() */
};

static inline struct spe_view spe_guest_view(struct vcpu *vcpu)
{
	return (struct spe_view){ vcpu, READ_ONCE(errata_actions) };
}

static inline u32 spe_errata(struct spe_view view)
{
	return (u32)view.errata_wide;
}

/* Return: the guest's PAR_EL1, for spe_guest_end(). */
static inline u64 spe_guest_begin(struct spe_view view)
{
	return read_par_on(spe_errata(view));
}

static inline void spe_guest_end(u64 saved)
{
	write_sysreg(saved, par_el1);
}

/* ---- in between ---- */

static inline u64 spe_guest_translate(struct spe_view view, bool (*at)(u64 va), u64 va)
{
	if (!likely(at(va)))
		return PAR_WALK_ABORT;
	isb();
	return read_par_on(spe_errata(view));
}

/* Where stage 1 and stage 2 say normal memory. */
static inline bool spe_guest_is_memory(u64 par)
{
	return likely(!(par & PAR_F)) && likely(par & PAR_ATTR_NORMAL);
}

/* What an address translates to: its page and the offset in it. */
static inline u64 spe_guest_address(u64 par, u64 va)
{
	return (par & PAR_PA) | (va & (SZ_4K - 1));
}

/* An instruction at @va, a multiple of 4, as EL1 reads it; 0 if that is not memory it can read. */
static __always_inline u32 spe_guest_fetch(struct spe_view view, u64 va)
{
	struct spinlock *lock = &view.vcpu->s2->stage2.lock;
	struct el2_window window;
	u32 word = 0;
	u64 par;

	spin_lock(lock);
	par = spe_guest_translate(view, at_s12e1r, va);
	if (spe_guest_is_memory(par)) {
		window = el2_window_open(PA(par & PAR_PA), EL2_R);
		word = foreign_fetch(window.page + (va & (SZ_4K - 1)));
		el2_window_close_on(window, spe_errata(view));
	}
	spin_unlock(lock);
	return word;
}

/* The intermediate physical address of @va for a read at EL @el; false if stage 1 has none. */
static inline bool spe_guest_ipa(struct spe_view view, u64 va, unsigned int el, u64 *ipa)
{
	u64 par = el ? spe_guest_translate(view, at_s1e1r, va)
		     : spe_guest_translate(view, at_s1e0r, va);

	*ipa = spe_guest_address(par, va);
	return !(par & PAR_F);
}

/*
 * The page of an address for EL2 to write, until spe_guest_close(); @par is what a write there, of
 * memory, translates to, under the stage 2's lock.
 */
static inline struct el2_window spe_guest_open(u64 par)
{
	return el2_window_open(PA(par & PAR_PA), EL2_RW);
}

/*
 * @bytes at @at, in it, were written. What the guest looks at past the caches is there, too, or
 * will never be, since the memory faults.
 */
static inline void spe_guest_close(struct spe_view view, struct el2_window window, u64 par,
				   char *at, size_t bytes)
{
	if (~par & PAR_ATTR) /* all ones: write-back, inner and outer */
		(void)!foreign_clean_inval(at, bytes);
	el2_window_close_on(window, spe_errata(view));
}

/* ---- by itself ---- */

/* Whether EL1 can read at @va. */
bool spe_guest_readable(struct vcpu *vcpu, u64 va);

#endif
