// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's commands to an ITS (ARM IHI 0069, 5.3). A command that the manual does not allow, or
 * that is about virtual LPIs, is not carried out, and nothing else happens: the ITS does not stall.
 */
#include "its_model.h"

#define CBASER_ADDR GENMASK(51, 16)
#define CBASER_SIZE GENMASK(7, 0) /* pages of 4 KiB, less 1 */

/* Fields of doublewords 0 to 3 */
#define CMD_OP	   GENMASK(7, 0)
#define CMD_DEVICE GENMASK(63, 32) /* of 0 */
#define CMD_EVENT  GENMASK(31, 0)  /* of 1 */
#define CMD_INTID  GENMASK(63, 32) /* of 1 */
#define CMD_SIZE   GENMASK(4, 0)   /* of 1: bits of EventIDs, less 1 */
#define CMD_ITT	   GENMASK(51, 8)  /* of 2 */
#define CMD_ICID   GENMASK(15, 0)  /* of 2 */
#define CMD_TARGET GENMASK(51, 16) /* of 2, and of 3 for MOVALL */
#define CMD_VALID  BIT(63)	   /* of 2 */

static struct its_redist *target_of(const struct its *its, u64 word)
{
	return its_redist_of(its->lpis, FIELD_GET(CMD_TARGET, word));
}

/* Whether GITS_BASER<n>'s table has an entry for it. */
static bool has_entry(struct its *its, unsigned int n, u64 id)
{
	u64 ipa;

	return id < ITS_INTIDS && !its_table_entry(its, n, (u32)id, &ipa);
}

static struct its_lpi *event_of(const struct its *its, const u64 *command)
{
	return its_event_find(its, (u32)FIELD_GET(CMD_DEVICE, command[0]),
			      (u32)FIELD_GET(CMD_EVENT, command[1]));
}

/* A collection that is mapped. */
static struct its_collection *collection_of(const struct its *its, const u64 *command)
{
	struct its_collection *found =
		its_collection_find(its, (u32)FIELD_GET(CMD_ICID, command[2]));

	return found && found->redist ? found : NULL;
}

static int do_mapd(struct its *its, const u64 *command)
{
	u64 id = FIELD_GET(CMD_DEVICE, command[0]);
	struct its_device *device;

	if (!has_entry(its, 0, id))
		return -EINVAL;
	if (command[2] & CMD_VALID)
		return its_device_map(its, (u32)id, command[2] & CMD_ITT,
				      (unsigned int)FIELD_GET(CMD_SIZE, command[1]) + 1);
	device = its_device_find(its, (u32)id);
	if (device)
		its_device_unmap(its, device);
	return 0;
}

static int do_mapc(struct its *its, const u64 *command)
{
	u64 id = FIELD_GET(CMD_ICID, command[2]);
	struct its_redist *redist = NULL;

	if (!has_entry(its, 1, id))
		return -EINVAL;
	if (command[2] & CMD_VALID) {
		redist = target_of(its, command[2]);
		if (!redist)
			return -EINVAL;
	} else if (!its_collection_find(its, (u32)id)) {
		return 0;
	}
	return its_collection_map(its, (u32)id, redist);
}

/* An event that is mapped already stays as it is. */
static int map_event(struct its *its, const u64 *command, u64 intid)
{
	struct its_device *device = its_device_find(its, (u32)FIELD_GET(CMD_DEVICE, command[0]));
	u64 collection = FIELD_GET(CMD_ICID, command[2]);

	if (!device || intid >= its_lpi_end(its->lpis) || !has_entry(its, 1, collection))
		return -EINVAL;
	return its_event_map(its, device, (u32)FIELD_GET(CMD_EVENT, command[1]), (u32)intid,
			     (u32)collection);
}

static int do_mapti(struct its *its, const u64 *command)
{
	return map_event(its, command, FIELD_GET(CMD_INTID, command[1]));
}

static int do_mapi(struct its *its, const u64 *command)
{
	return map_event(its, command, FIELD_GET(CMD_EVENT, command[1]));
}

static int do_movi(struct its *its, const u64 *command)
{
	struct its_collection *collection = collection_of(its, command);
	struct its_lpi *lpi = event_of(its, command);

	if (!lpi || !lpi->collection->redist || !collection)
		return -EINVAL;
	lpi->collection = collection;
	its_lpi_move(its->lpis, lpi, collection->redist);
	return 0;
}

/* The collections are the guest's to move: until then the LPIs stay where they are sent here. */
static int do_movall(struct its *its, const u64 *command)
{
	struct its_redist *from = target_of(its, command[2]), *to = target_of(its, command[3]);
	struct its_lpi *lpi;

	if (!from || !to)
		return -EINVAL;
	for (u32 intid = 0; (lpi = its_lpi_next(its->lpis, &intid)); intid++)
		if (lpi->redist == from)
			its_lpi_move(its->lpis, lpi, to);
	return 0;
}

static int do_int(struct its *its, const u64 *command)
{
	return its_msi(its, (u32)FIELD_GET(CMD_DEVICE, command[0]),
		       (u32)FIELD_GET(CMD_EVENT, command[1])) == 1
		       ? 0
		       : -EINVAL;
}

static int do_clear(struct its *its, const u64 *command)
{
	struct its_lpi *lpi = event_of(its, command);

	if (!lpi)
		return -EINVAL;
	its_lpi_clear(its->lpis, lpi);
	return 0;
}

static int do_discard(struct its *its, const u64 *command)
{
	struct its_lpi *lpi = event_of(its, command);

	if (!lpi)
		return -EINVAL;
	its_table_forget_event(its, lpi);
	its_event_unmap(its, lpi);
	return 0;
}

static int do_inv(struct its *its, const u64 *command)
{
	struct its_lpi *lpi = event_of(its, command);

	if (!lpi)
		return -EINVAL;
	its_lpi_configure(its->lpis, lpi);
	return 0;
}

static int do_invall(struct its *its, const u64 *command)
{
	struct its_collection *collection = collection_of(its, command);
	struct its_lpi *lpi;

	if (!collection)
		return -EINVAL;
	for (u32 intid = 0; (lpi = its_lpi_next(its->lpis, &intid)); intid++)
		if (lpi->redist == collection->redist)
			its_lpi_configure(its->lpis, lpi);
	return 0;
}

/* Each command is done when the next one begins. */
static int do_sync(struct its *its, const u64 *command)
{
	return target_of(its, command[2]) ? 0 : -EINVAL;
}

/* By opcode */
static int (*const commands[])(struct its *its, const u64 *command) = {
	[0x01] = do_movi, [0x03] = do_int,    [0x04] = do_clear,  [0x05] = do_sync,
	[0x08] = do_mapd, [0x09] = do_mapc,   [0x0a] = do_mapti,  [0x0b] = do_mapi,
	[0x0c] = do_inv,  [0x0d] = do_invall, [0x0e] = do_movall, [0x0f] = do_discard,
};

int its_command(struct its *its, const u64 command[4])
{
	u64 op = FIELD_GET(CMD_OP, command[0]);

	if (op >= sizeof(commands) / sizeof(commands[0]) || !commands[op])
		return -EINVAL;
	return commands[op](its, command);
}

/* The next command of the queue. One whose memory is not there is refused. */
static void run_one(struct its *its)
{
	u64 size = (FIELD_GET(CBASER_SIZE, its->cbaser) + 1) * SZ_4K;
	u64 command[4];

	if (its_env_read(its->lpis, (its->cbaser & CBASER_ADDR) + its->creadr, command,
			 sizeof(command)) ||
	    its_command(its, command))
		its->lpis->refused++;
	its->creadr += sizeof(command);
	if (its->creadr >= size)
		its->creadr = 0;
}

void its_run_queue(struct its *its)
{
	while (its->enabled && its->creadr != its->cwriter) {
		run_one(its);
		if (its_env_must_stop(its->lpis))
			return;
	}
}
