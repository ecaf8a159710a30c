/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errata of ITSs and redistributors, by GITS_IIDR and by machine. The host applies workarounds of
 * its own; Keel's part is what would let the hardware use memory that was not checked, and what
 * Keel's own tables need. Internal to host/.
 */
#ifndef KEEL_HOST_ITS_QUIRK_H
#define KEEL_HOST_ITS_QUIRK_H

#include <lib/types.h>

/* What Keel does about an erratum. */
enum its_action {
	ITS_ITT_ENTRY_16 = BIT(0),   /* take an entry of an ITT to be 16 bytes */
	ITS_DEVICE_BITS_20 = BIT(1), /* use at most 20 bits of DeviceID */
	ITS_TABLES_NCNB = BIT(2),    /* declare tables Device-nGnRnE memory */
	ITS_NOT_SHAREABLE = BIT(3),  /* declare tables and queue neither shareable nor cacheable */
	ITS_BELOW_4G = BIT(4),	     /* use no address from 4 GiB on: it would be truncated */
	ITS_NO_VLPIS = BIT(5),	     /* nothing: it concerns virtual LPIs, which are not offered */
	ITS_HOSTS = BIT(6), /* nothing: the host reads GITS_IIDR and applies its workaround */
};

#define ITS_QUIRK_BOARDS 3

struct its_quirk {
	u32 iidr, mask;			     /* of GITS_IIDR */
	u32 actions;			     /* enum its_action */
	const char *number;		     /* what the maker calls it */
	const char *board[ITS_QUIRK_BOARDS]; /* only on these machines; none: on all */
};

/* Whether the machine's device tree says that it is compatible with @board. */
typedef bool its_is_board_t(const void *ctx, const char *board);

/**
 * its_quirk_next() - iterate over the errata of an ITS
 * @iidr: its GITS_IIDR
 * @prev: the row that the last call returned; NULL for the first
 *
 * Return: the next row that applies; NULL after the last.
 */
const struct its_quirk *its_quirk_next(u32 iidr, its_is_board_t *is_board, const void *ctx,
				       const struct its_quirk *prev);

/* What Keel does about it, in words for the log. */
const char *its_quirk_describe(const struct its_quirk *quirk);

/*
 * The end of the addresses that redistributors can reach on this machine: they use the same bus as
 * the ITS, also if the device tree lists none. ~0: no limit is known.
 */
u64 its_quirk_redist_limit(its_is_board_t *is_board, const void *ctx);

#endif
