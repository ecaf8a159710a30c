/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses to the loaded guest's memory by virtual address. The CPU translates by the guest's stage
 * 1 and the VM's stage 2 as they are now (AT instructions), and EL2 accesses the physical page in
 * its window. The stage 2's lock is held from the translation to the end of the access, so during
 * that time the page stays mapped to the VM, with the permissions that the translation found.
 *
 * spe_guest_fetch() takes that lock itself; a caller that writes holds it from the translation to
 * spe_guest_close(), as short as possible, since the whole VM shares it. The translations overwrite
 * PAR_EL1, which is the guest's: they lie between spe_guest_begin() and spe_guest_end(), which save
 * and restore it. All is inline, because it is a large part of the cost of a sample and of a false
 * hit.
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

/* In place of PAR_EL1 for a translation or a write that took an exception: external aborts. */
#define PAR_WALK_ABORT	(PAR_F | FIELD_PREP(PAR_FST, ESR_FSC_EXTABT_WALK))
#define PAR_WRITE_ABORT (PAR_F | FIELD_PREP(PAR_FST, ESR_FSC_EXTABT))

/* PAR_EL1.ATTR, as MAIR_EL1's: Device is 0b0000xxxx, outer Non-cacheable is 0b0100xxxx */
#define PAR_ATTR_NORMAL GENMASK(63, 60)
#define PAR_ATTR_CACHED (PAR_ATTR_NORMAL & ~BIT(62))

/* What is read once for the accesses of a sample. Passed by value, in two registers. */
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

/* ---- between spe_guest_begin() and spe_guest_end() ---- */

static inline u64 spe_guest_translate(struct spe_view view, bool (*at)(u64 va), u64 va)
{
	if (!likely(at(va)))
		return PAR_WALK_ABORT;
	isb();
	return read_par_on(spe_errata(view));
}

/* Whether the address translates, to memory that is in caches: so it is no device for stage 2. */
static __always_inline bool spe_guest_is_cached(u64 par)
{
	return likely(!(par & PAR_F)) && likely(par & PAR_ATTR_CACHED);
}

/* spe_guest_is_memory() of what is in no cache: a device can be Normal Non-cacheable, too. */
bool spe_guest_is_ram(u64 par);

/* Whether the address translates, to Normal memory that is RAM. Not in a fast exit. */
static __always_inline bool spe_guest_is_memory(u64 par)
{
	return spe_guest_is_cached(par) || unlikely(spe_guest_is_ram(par));
}

/* The address that @va translates to. */
static inline u64 spe_guest_address(u64 par, u64 va)
{
	return (par & PAR_PA) | (va & (SZ_4K - 1));
}

static __always_inline u32 spe_guest_fetch_if(struct spe_view view, u64 va, bool (*is_memory)(u64))
{
	struct spinlock *lock = &view.vcpu->s2->stage2.lock;
	struct el2_window window;
	u32 word = 0;
	u64 par;

	spin_lock(lock);
	par = spe_guest_translate(view, at_s12e1r, va);
	if (is_memory(par)) {
		window = el2_window_open(PA(par & PAR_PA), EL2_R);
		word = foreign_fetch(window.page + (va & (SZ_4K - 1)));
		el2_window_close_on(window, spe_errata(view));
	}
	spin_unlock(lock);
	return word;
}

/* The instruction at @va, a multiple of 4, as EL1 reads it; 0 if EL1 cannot read memory there. */
static __always_inline u32 spe_guest_fetch(struct spe_view view, u64 va)
{
	return spe_guest_fetch_if(view, va, spe_guest_is_memory);
}

/* In a fast exit; 0 also if it is in no cache. */
static __always_inline u32 spe_guest_fetch_fast(struct spe_view view, u64 va)
{
	return spe_guest_fetch_if(view, va, spe_guest_is_cached);
}

/* Translate @va by stage 1 for a read at EL @el; false if that faults. */
static inline bool spe_guest_ipa(struct spe_view view, u64 va, unsigned int el, u64 *ipa)
{
	u64 par = el ? spe_guest_translate(view, at_s1e1r, va)
		     : spe_guest_translate(view, at_s1e0r, va);

	*ipa = spe_guest_address(par, va);
	return !(par & PAR_F);
}

/*
 * Open the window for a write, until spe_guest_close(). @par: the translation for a write, to
 * memory, under the stage 2's lock.
 */
static inline struct el2_window spe_guest_open(u64 par)
{
	return el2_window_open(PA(par & PAR_PA), EL2_RW);
}

/*
 * Close the window, of which @bytes at @at were written. If the guest has the memory non-cacheable,
 * they are cleaned to memory. A fault of that is ignored: then the guest cannot read them either.
 */
static inline void spe_guest_close(struct spe_view view, struct el2_window window, u64 par,
				   char *at, size_t bytes)
{
	if (~par & PAR_ATTR) /* all ones: write-back, inner and outer */
		(void)!foreign_clean_inval(at, bytes);
	el2_window_close_on(window, spe_errata(view));
}

/* ---- without spe_guest_begin() ---- */

/* Whether EL1 can read at @va. */
bool spe_guest_readable(struct vcpu *vcpu, u64 va);

#endif
