/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ITSs and redistributors that are not as the architecture says, by GITS_IIDR and by machine. Of
 * what software can do about it, this is Keel's part: what would have the hardware use memory that
 * nobody checked, and what Keel's own tables need. Internal to host/.
 */
#ifndef KEEL_HOST_ITS_QUIRK_H
#define KEEL_HOST_ITS_QUIRK_H

#include <lib/types.h>

/* What Keel does. */
enum its_action {
	ITS_ITT_ENTRY_16 = BIT(0),   /* an entry of an ITT is 16 bytes, whatever GITS_TYPER says */
	ITS_DEVICE_BITS_20 = BIT(1), /* at most 20 bits of DeviceID */
	ITS_TABLES_NCNB = BIT(2),    /* tables as Device-nGnRnE memory */
	ITS_NOT_SHAREABLE = BIT(3),  /* tables and queue neither shareable nor cacheable */
	ITS_BELOW_4G = BIT(4),	     /* no address from 4 GiB on: it would be cut off */
	ITS_NO_VLPIS = BIT(5),	     /* nothing: it is about virtual LPIs, which nobody has */
	ITS_HOSTS = BIT(6),	     /* nothing: the host reads GITS_IIDR, and knows what to do */
};

#define ITS_QUIRK_BOARDS 3

struct its_quirk {
	u32 iidr, mask;			     /* of GITS_IIDR */
	u32 actions;			     /* enum its_action */
	const char *number;		     /* what the maker calls it */
	const char *board[ITS_QUIRK_BOARDS]; /* of such a machine only; none: of any */
};

/* Is the machine compatible with @board, as its device tree has it? */
typedef bool its_is_board_t(const void *ctx, const char *board);

/**
 * its_quirk_next() - go through what concerns an ITS
 * @iidr: its GITS_IIDR
 * @prev: what this returned before; NULL to begin
 *
 * Return: a row of the table; NULL after the last.
 */
const struct its_quirk *its_quirk_next(u32 iidr, its_is_board_t *is_board, const void *ctx,
				       const struct its_quirk *prev);

/* What is done about it, in words. */
const char *its_quirk_describe(const struct its_quirk *quirk);

/*
 * Where the addresses end that redistributors can reach on this machine: they share the ITS's way
 * to memory, also where the device tree lists no ITS. ~0: nothing is known against any address.
 */
u64 its_quirk_redist_limit(its_is_board_t *is_board, const void *ctx);

#endif
