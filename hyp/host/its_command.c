// SPDX-License-Identifier: BSD-2-Clause
/*
 * Checks the host's commands to an ITS (ARM IHI 0069, 5.3). Commands for virtual LPIs are refused:
 * they name tables by their address, in memory that the host can write.
 */
#include <host/its_command.h>
#include <lib/errno.h>

#define DEVICE	 BIT(0) /* doubleword 0 names a device */
#define ICID	 BIT(1) /* doubleword 2 names a collection */
#define TARGET	 BIT(2) /* doubleword 2 names a redistributor */
#define TARGET_3 BIT(3) /* doubleword 3 names one too */

#define OP_DEVICE (GITS_CMD_OP | GITS_CMD_DEVICE)
#define EVENT	  GENMASK(31, 0)
#define PINTID	  GENMASK(63, 32)

/* By opcode: the fields of each doubleword, and which of them are checked. */
static const struct row {
	u64 mask[4];
	unsigned int checks;
} rows[] = {
	/* clang-format off */
	[GITS_MOVI] =    { { OP_DEVICE,   EVENT,          GITS_CMD_ICID },                 DEVICE | ICID },
	[GITS_INT] =     { { OP_DEVICE,   EVENT },                                         DEVICE },
	[GITS_CLEAR] =   { { OP_DEVICE,   EVENT },                                         DEVICE },
	[GITS_SYNC] =    { { GITS_CMD_OP, 0,              GITS_CMD_TARGET },               TARGET },
	[GITS_MAPD] =    { { OP_DEVICE,   GITS_CMD_SIZE,  GIC_VALID | GITS_CMD_ITT },      DEVICE },
	[GITS_MAPC] =    { { GITS_CMD_OP, 0, GIC_VALID | GITS_CMD_TARGET | GITS_CMD_ICID }, ICID | TARGET },
	[GITS_MAPTI] =   { { OP_DEVICE,   EVENT | PINTID, GITS_CMD_ICID },                 DEVICE | ICID },
	[GITS_MAPI] =    { { OP_DEVICE,   EVENT,          GITS_CMD_ICID },                 DEVICE | ICID },
	[GITS_INV] =     { { OP_DEVICE,   EVENT },                                         DEVICE },
	[GITS_INVALL] =  { { GITS_CMD_OP, 0,              GITS_CMD_ICID },                 ICID },
	[GITS_MOVALL] =  { { GITS_CMD_OP, 0, GITS_CMD_TARGET, GITS_CMD_TARGET },           TARGET | TARGET_3 },
	[GITS_DISCARD] = { { OP_DEVICE,   EVENT },                                         DEVICE },
	/* clang-format on */
};

/* More than an ITT needs: bounds the memory that one command pins. */
#define ITT_SIZE_MAX (4 * SZ_1M)

/* An entry of its->itts: bits 51:8 of the address, ENTRY_VALID, and MAPD's size in bits 4:0. */
#define ENTRY_VALID BIT(5)

u64 its_itt_entry(const struct its_command *mapd)
{
	if (!(mapd->word[2] & GIC_VALID))
		return 0;
	return (mapd->word[2] & GITS_CMD_ITT) | ENTRY_VALID | mapd->word[1];
}

struct its_itt its_itt_of(const struct its *its, u64 entry)
{
	u64 pa = entry & GITS_CMD_ITT, first = ALIGN_DOWN(pa, SZ_4K);
	u64 bytes = FIELD_GET(GITS_TYPER_ITT_ENTRY_SIZE, its->typer) + 1;

	if (!(entry & ENTRY_VALID))
		return (struct its_itt){ 0, 0 };
	bytes <<= FIELD_GET(GITS_CMD_SIZE, entry) + 1;
	return (struct its_itt){ first, ALIGN_UP(pa + bytes, SZ_4K) - first };
}

static int check_mapd(const struct its *its, struct its_command *command)
{
	struct its_itt itt;

	if (!(command->word[2] & GIC_VALID)) {
		command->word[1] = 0;
		command->word[2] = 0;
		return 0;
	}
	if (command->word[1] > FIELD_GET(GITS_TYPER_ID_BITS, its->typer))
		return -EINVAL;
	itt = its_itt_of(its, its_itt_entry(command));
	if (itt.size > ITT_SIZE_MAX || itt.pa >= its->pa_limit || itt.size > its->pa_limit - itt.pa)
		return -EINVAL;
	return 0;
}

/* A MAPC that unmaps a collection names no redistributor. */
static bool command_has_target(const struct its_command *command)
{
	return FIELD_GET(GITS_CMD_OP, command->word[0]) != GITS_MAPC ||
	       (command->word[2] & GIC_VALID);
}

static bool command_has_valid_target(const struct its *its, u64 word)
{
	return its->ops->is_target(FIELD_GET(GITS_CMD_TARGET, word), its->typer & GITS_TYPER_PTA);
}

static int check_command_fields(const struct its *its, struct its_command *command,
				unsigned int checks)
{
	if ((checks & DEVICE) && FIELD_GET(GITS_CMD_DEVICE, command->word[0]) >= its->devices)
		return -EINVAL;
	if ((checks & ICID) && (command->word[2] & GITS_CMD_ICID) >= its->collections)
		return -EINVAL;
	if ((checks & TARGET) && !command_has_target(command))
		command->word[2] &= ~GITS_CMD_TARGET;
	else if ((checks & TARGET) && !command_has_valid_target(its, command->word[2]))
		return -EINVAL;
	if ((checks & TARGET_3) && !command_has_valid_target(its, command->word[3]))
		return -EINVAL;
	return 0;
}

int its_command_check(const struct its *its, struct its_command *command)
{
	u64 op = FIELD_GET(GITS_CMD_OP, command->word[0]);
	int ret;

	if (op >= ARRAY_SIZE(rows) || !rows[op].checks)
		return -EINVAL;
	for (unsigned int i = 0; i < ARRAY_SIZE(command->word); i++)
		command->word[i] &= rows[op].mask[i];
	ret = check_command_fields(its, command, rows[op].checks);
	return !ret && op == GITS_MAPD ? check_mapd(its, command) : ret;
}
