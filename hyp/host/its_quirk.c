// SPDX-License-Identifier: BSD-2-Clause
/* The table of its_quirk.h, from the makers' notices, which Linux's silicon-errata.rst lists. */
#include <host/its_quirk.h>

#define ALL_BITS 0xffffffffU

/* The GIC-600's GITS_IIDR: many machines have this ITS, so a row names those that it applies to. */
#define GIC600 0x0201743bU

#define THUNDERX      0xa100034cU
#define THUNDERX_MASK 0xffff0fffU

static const struct its_quirk quirks[] = {
	{ 0x00001070, ALL_BITS, ITS_ITT_ENTRY_16, "QDF2400 E0065", { NULL } },
	{ THUNDERX, THUNDERX_MASK, ITS_DEVICE_BITS_20, "ThunderX 22375", { NULL } },
	{ THUNDERX, THUNDERX_MASK, ITS_TABLES_NCNB, "ThunderX 24313", { NULL } },
	/* a collection must be of the ITS's own node, which the host sees to */
	{ THUNDERX, THUNDERX_MASK, ITS_HOSTS, "ThunderX 23144", { NULL } },
	{ 0x00000004, ALL_BITS, ITS_NO_VLPIS, "Hip07 161600802", { NULL } },
	{ 0x00051736, ALL_BITS, ITS_NO_VLPIS, "Hip09 162100801", { NULL } },
	{ GIC600,
	  ALL_BITS,
	  ITS_NOT_SHAREABLE,
	  "Rockchip 3588001",
	  { "rockchip,rk3588", "rockchip,rk3588s" } },
	{ GIC600,
	  ALL_BITS,
	  ITS_BELOW_4G,
	  "Rockchip 3568002",
	  { "rockchip,rk3566", "rockchip,rk3568" } },
	{ GIC600,
	  ALL_BITS,
	  ITS_BELOW_4G,
	  "R-Car Gen4 GEN4GICITS1",
	  { "renesas,r8a779f0", "renesas,r8a779g0", "renesas,r8a779h0" } },
};

static bool board_has_quirk(const struct its_quirk *quirk, its_is_board_t *is_board,
			    const void *ctx)
{
	size_t i;

	for (i = 0; i < ITS_QUIRK_BOARDS && quirk->board[i]; i++)
		if (is_board(ctx, quirk->board[i]))
			return true;
	return !i;
}

const struct its_quirk *its_quirk_next(u32 iidr, its_is_board_t *is_board, const void *ctx,
				       const struct its_quirk *prev)
{
	for (size_t i = prev ? (size_t)(prev - quirks) + 1 : 0; i < ARRAY_SIZE(quirks); i++)
		if ((iidr & quirks[i].mask) == (quirks[i].iidr & quirks[i].mask) &&
		    board_has_quirk(&quirks[i], is_board, ctx))
			return &quirks[i];
	return NULL;
}

const char *its_quirk_describe(const struct its_quirk *quirk)
{
	static const struct {
		u32 action;
		const char *words;
	} rows[] = {
		{ ITS_ITT_ENTRY_16, "an entry of an ITT is taken to be 16 bytes" },
		{ ITS_DEVICE_BITS_20, "at most 20 bits of DeviceID" },
		{ ITS_TABLES_NCNB, "tables are Device memory to it" },
		{ ITS_NOT_SHAREABLE, "tables and queue are not cacheable to it" },
		{ ITS_BELOW_4G, "no memory from 4 GiB on" },
		{ ITS_NO_VLPIS, "does not matter without virtual LPIs" },
		{ ITS_HOSTS, "left to the host" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (quirk->actions & rows[i].action)
			return rows[i].words;
	return "";
}

u64 its_quirk_redist_limit(its_is_board_t *is_board, const void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(quirks); i++)
		if ((quirks[i].actions & ITS_BELOW_4G) &&
		    board_has_quirk(&quirks[i], is_board, ctx))
			return SZ_4G;
	return ~0ULL;
}
