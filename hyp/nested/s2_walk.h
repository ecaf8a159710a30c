/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk of a guest hypervisor's stage 2: what its tables say about an address of its own guest.
 *
 * From values to values: the registers as the guest hypervisor wrote them (any 64 bits), what the
 * ID registers of its VM promise, an address and an access give a translation or a fault, as the
 * MMU that the VM believes to have would (ARM DDI 0487, D8.2 to D8.7; AArch64.S2Translate()).
 * Descriptors are read, and access flags are set, by functions of the caller. No state, no lock.
 *
 * Where the architecture leaves a choice, this is the one made here:
 *
 *   VTCR_EL2.TG0 names no granule, or one that the VM does not have   the smallest that it has
 *   VTCR_EL2.T0SZ out of range                        Translation fault at level 0
 *   VTCR_EL2.PS reserved                              as 0b110
 *   VTTBR_EL2.BADDR below the root's alignment        ignored
 *   a contiguous group larger than the IPA space, or
 *   one whose addresses do not continue               the Contiguous bit is ignored
 *   a fetch from Device memory                        Permission fault
 *   the access flag, when the access has no permission   is left as it is
 *
 * FEAT_LPA2 is promised to no VM: VTCR_EL2.DS and SL2 are RES0, and no walk starts at level -1.
 * Neither is the dirty state (VTCR_EL2.HD), nor FEAT_BBM.
 */
#ifndef KEEL_NESTED_S2_WALK_H
#define KEEL_NESTED_S2_WALK_H

#include <cpu/mmu_caps.h>
#include <lib/types.h>
#include <mm/pgtable.h>
#include <mm/stage2.h>

/* What a guest hypervisor wrote. HCR_EL2.VM is the caller's to look at: with 0 there is no walk. */
struct s2_walk_regs {
	u64 vtcr_el2, vttbr_el2;
	u64 hcr_el2;   /* FWB, PTW */
	u64 sctlr_el2; /* EE */
};

/* The same, decoded: a value, the same for all walks until one of the registers changes. */
struct s2_tables {
	struct pgtable_format fmt; /* of IPAs and descriptors; oa_bits by PARange */
	u8 address_bits;	   /* of tables and of output, by VTCR_EL2.PS too */
	u64 plain_oa;		   /* the address in a descriptor if it is in one piece, or 0 */
	bool misshapen;		   /* each access is a Translation fault at level 0 */
	bool xnx;		   /* XN[0] has a meaning */
	bool fwb;		   /* MemAttr is FEAT_S2FWB's */
	bool ptw;
	bool big_endian;
	bool hw_access; /* a walk sets access flags */
	u16 vmid;
	struct ipa root;
};

/**
 * s2_tables_decode() - how a guest hypervisor's stage 2 is to be walked
 * @tables: where it goes
 * @regs:   any values
 * @caps:   what the VM's ID registers promise: pa_bits, vmid_bits, s2_granule[], small_tables,
 *          hw_access, fwb and xnx are read; s2_lpa2[] must be false
 *
 * Always succeeds: what the MMU would refuse is a fault of each walk.
 */
void s2_tables_decode(struct s2_tables *tables, const struct s2_walk_regs *regs,
		      const struct mmu_caps *caps);

/*
 * Two steps of it, for tables of another kind with descriptors of the same shape: how wide addresses
 * are, by the field PS, or IPS, once the granule is known; and where the root is, by the register that
 * points to it, once input addresses and the start level are known, too.
 */
void s2_tables_set_sizes(struct s2_tables *tables, u8 pa_bits, u64 ps);
struct ipa s2_tables_root(const struct s2_tables *tables, u64 ttbr);

enum s2_access_kind { S2_READ, S2_WRITE, S2_FETCH };

/* What is tried: by which instruction, or by the walk of stage 1 that it needs. */
struct s2_access {
	enum s2_access_kind kind;
	bool el0;
	/* The walk itself (ESR_ELx.S1PTW): S2_READ, or S2_WRITE when it updates a descriptor. */
	bool s1ptw;
};

/* The permissions that an access needs: of STAGE2_R, _W, _PX and _UX. */
static inline enum stage2_attrs s2_access_needs(struct s2_access access)
{
	if (access.s1ptw)
		return access.kind == S2_WRITE ? STAGE2_RW : STAGE2_R;
	if (access.kind == S2_FETCH)
		return access.el0 ? STAGE2_UX : STAGE2_PX;
	return access.kind == S2_WRITE ? STAGE2_W : STAGE2_R;
}

/*
 * Where walks can begin: the table of the last level that has the addresses with @region in their bits
 * from @shift on. As an entry of a TLB for a table: valid until a TLBI.
 */
struct s2_walk_start {
	u64 region;
	struct ipa table;
	u8 shift;
};

/*
 * Guest memory, as the guest hypervisor's page table walker sees it. During a call, level and desc of
 * the walk's result are those of the descriptor.
 */
struct s2_walk_memory {
	/*
	 * Read 8 bytes at @ipa, which is aligned to 8, at once. Return: 0; -EAGAIN: the memory may
	 * be there, and the host has to be asked for it; any other error: it is not there, or not
	 * the guest's to read.
	 */
	int (*read)(void *ctx, struct ipa ipa, u64 *raw);
	/*
	 * Replace @old by @new there, if it still is @old, atomically. Return: as @read;
	 * -EBUSY: it is something else by now.
	 */
	int (*cmpxchg)(void *ctx, struct ipa ipa, u64 old, u64 new);
	void *ctx;
	const struct s2_walk_start *start; /* or NULL */
};

enum s2_walk_end {
	S2_WALK_LEAF,	   /* the access is allowed: leaf is filled */
	S2_WALK_FAULT,	   /* it is not: fsc, level, and leaf for a Permission fault */
	S2_WALK_ASK_HOST,  /* the host has to be asked for the memory at desc */
	S2_WALK_TRY_AGAIN, /* the tables keep changing: let the guest make its access again */
};

/* A leaf of the guest hypervisor's tables. */
struct s2_leaf {
	struct ipa ipa; /* first address (of its guest) that it translates */
	struct ipa oa;	/* what that is translated to: an address of the VM */
	u64 size;	/* bytes; of the whole group if contiguous */
	s8 level;
	bool contiguous;
	bool device;		/* MemAttr is one of Device memory */
	bool fwb;		/* MemAttr is FEAT_S2FWB's */
	u8 memattr;		/* MemAttr[3:0], as it is written */
	u8 sh;			/* SH[1:0] */
	enum stage2_attrs perm; /* STAGE2_R, _W, _PX, _UX */
};

struct s2_walk_result {
	enum s2_walk_end end;
	u8 fsc;		 /* ESR_EL2.DFSC or IFSC for the guest hypervisor, level included */
	s8 level;	 /* of the fault or the leaf */
	bool set_af;	 /* the walk has set the leaf's access flag */
	struct ipa desc; /* the descriptor that was used last */
	struct s2_leaf leaf;
};

/* A walk is repeated so often when a descriptor changes while its access flag is to be set. */
#define S2_WALK_TRIES 4

/**
 * s2_walk() - what a guest hypervisor's tables say about an access of its guest
 * @tables: from s2_tables_decode()
 * @ipa:    any value
 * @access: what is tried
 * @memory: of the VM
 * @out:    the answer
 *
 * Reads at most S2_WALK_TRIES * 4 descriptors, and each only once in a try: so what another vCPU
 * does to the tables meanwhile gives the old or the new answer. An access flag is set (hw_access)
 * only if nothing else is against the access.
 *
 * Return: out->end.
 */
enum s2_walk_end s2_walk(const struct s2_tables *tables, struct ipa ipa, struct s2_access access,
			 const struct s2_walk_memory *memory, struct s2_walk_result *out);

/**
 * s2_walk_start_of() - where later walks of the same tables can begin
 * @walk:  ended with S2_WALK_LEAF
 *
 * Return: false if the leaf is not in a table of the last level that another table is above.
 */
bool s2_walk_start_of(const struct s2_tables *tables, const struct s2_walk_result *walk,
		      struct s2_walk_start *start);

#endif
