/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest hypervisor's leaf combined with the VM's own stage 2: what a shadow has in place of both.
 *
 *   nested guest's IPA ──guest leaf──> address of the VM ──own leaf──> physical address
 *            └──────────────────────── shadow's leaf ─────────────────────────┘
 *
 * The shadow never gives more than the two in a row would: no larger range, no permission that one
 * of them has not, and memory attributes at least as strong. From values to values; no state, no
 * lock of its own. Who fills a shadow holds the lock of the VM's own stage 2 from the look-up there
 * until the shadow has the leaf (docs/locking.md).
 *
 * Memory attributes, where both are combined as the architecture combines stages (ARM DDI 0487,
 * D8.6.5, D8.6.6), the strongest wins: Device-nGnRnE, -nGnRE, -nGRE, -GRE, Normal Non-cacheable,
 * Write-Through, Write-Back. Three things are particular:
 *
 *  - The VM's own stage 2 with FEAT_S2FWB makes normal memory Write-Back, whatever comes before it:
 *    a nested guest's accesses too, as those of the guest hypervisor.
 *  - A stage 2 of Keel has four memory types. What is between two of them becomes the stronger one:
 *    Device-nGRE and -GRE become Device-nGnRE, Write-Through becomes Non-cacheable.
 *  - Shareability is Keel's: inner shareable for normal memory. What the guest hypervisor writes to
 *    SH can only widen it to outer shareable, which makes no difference among the CPUs that VMs run
 *    on: they are in one inner shareable domain.
 */
#ifndef KEEL_NESTED_S2_COMPOSE_H
#define KEEL_NESTED_S2_COMPOSE_H

#include <lib/types.h>
#include <mm/pgtable.h>
#include <mm/stage2.h>
#include <nested/s2_walk.h>

/* What a shadow can express: the same as the VM's own stage 2. */
struct s2_shadow_format {
	enum granule granule;
	bool fwb; /* HCR_EL2.FWB while a guest runs behind it, and behind the VM's own */
	bool xnx; /* FEAT_XNX: EL1's and EL0's permission to execute are separate */
};

/* A leaf for a shadow: the arguments of stage2_map(). */
struct s2_composed {
	struct ipa ipa;
	struct pa pa;
	u64 size;
	enum stage2_attrs attrs; /* permissions, memory type, and s2_level_tag() in STAGE2_SW* */
};

/**
 * s2_compose() - the largest leaf around an address that both stages agree on
 * @format: of the shadow
 * @guest:  from s2_walk()
 * @own:    what stage2_lookup() tells of the address of the VM that @ipa is translated to
 * @ipa:    of the nested guest, in @guest
 * @out:    filled if the result is 0
 *
 * What @guest allows and @out does not, the VM's own stage 2 does not allow: the host has to be
 * asked, and the guest hypervisor is not told. While @own is clean (STAGE2_CLEAN), @out cannot be
 * written, since a write through a shadow would not be noted in @own: stage2_protect() makes it
 * dirty first. STAGE2_OLD of @own has no effect: who uses @own makes it young (stage2_set_young()).
 *
 * Return: 0; -ENOENT if @own is not mapped, or does not translate the address; -ERANGE if @guest is
 * smaller than a page of the shadow, whose granule the VM should not have been promised; -EINVAL
 * for an address outside @guest, a size that is no power of two, or a leaf that is not aligned.
 */
int __must_check s2_compose(const struct s2_shadow_format *format, const struct s2_leaf *guest,
			    const struct stage2_leaf *own, struct ipa ipa, struct s2_composed *out);

/**
 * s2_compose_par() - PAR_EL1 after AT of both stages
 * @par:   after AT of stage 1, which was successful
 * @guest: from s2_walk(), of the address that it gave
 *
 * By the guest hypervisor's leaf alone: what the VM's own stage 2 does is not told. Return: @par with
 * the ATTR and SH of both stages (D8.6.5, D8.6.6). The address stays.
 */
u64 s2_compose_par(u64 par, const struct s2_leaf *guest);

/*
 * The level of a guest hypervisor's leaf, in STAGE2_SW*: a TLBI without a level hint is for all
 * that the leaf translates, of which the shadow may have many smaller leaves.
 */
enum stage2_attrs s2_level_tag(s8 level, bool contiguous);

/**
 * s2_tagged_range() - what a TLBI by IPA, without a level hint, has to take out of a shadow
 * @fmt:   of the guest hypervisor's tables
 * @attrs: of the shadow's leaf at @ipa, with a tag; or STAGE2_NONE where the shadow has none
 * @ipa:   that the TLBI names; becomes the first address of the range
 *
 * The leaf (contiguous group) of the guest hypervisor's tables from which the entry came. Where the
 * shadow has nothing at @ipa, it may still have another part of a leaf that translates @ipa: so the
 * range is that of the largest block that the granule has.
 *
 * Return: bytes: a power of two, and *@ipa is aligned to it.
 */
u64 s2_tagged_range(const struct pgtable_format *fmt, enum stage2_attrs attrs, struct ipa *ipa);

#endif
