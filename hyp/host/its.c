// SPDX-License-Identifier: BSD-2-Clause
/*
 * An ITS for the host (ARM IHI 0069, 12.18 and 12.19): registers that Keel emulates, by means of an
 * ITS that only EL2 can access.
 *
 *	the host's memory                     Keel's memory
 *	queue: GITS_CBASER  --- copy, check -->  queue of one page: hw_cbaser   --> hardware
 *	  copied .. cwriter                        head .. tail
 *	GITS_BASER<n>: value is kept,            device and collection tables  <--> hardware
 *	  memory is not used
 *	ITT of a device, pinned  <--------------------------------------------------> hardware
 *
 * The hardware's registers hold addresses of Keel's memory and never any others, so there is
 * nothing in the host's tables to check. Commands are copied from the host's queue, each read once,
 * checked, rebuilt from its defined fields (its_command.c), and put into Keel's queue.
 *
 * An ITT is the one structure in the host's memory that the hardware uses. It contains no address,
 * so the host may write it, but its pages must stay the host's: they are pinned before the hardware
 * gets the MAPD that maps it, and unpinned when the hardware has carried out the MAPD that replaces
 * it. At most one ITT waits for that (release_*); while it does, no further command is copied.
 *
 * Nothing waits for the hardware. Its progress (GITS_CREADR) is read when the host accesses the
 * queue's registers, which a waiting host does, and is reported as progress in the host's queue. An
 * access does a bounded part of its work: if more is left, it returns ITS_AGAIN and the host
 * repeats it, after it has taken its interrupts.
 *
 * The tables become stale when the host writes another GITS_BASER<n>, when it starts another
 * kernel, and when power is lost with commands in the queue. Then they are emptied before the host
 * has the ITS enabled again:
 *
 *	stale, enable -> unpin each device's ITT -> clear tables -> program the hardware -> enabled
 *	                     (its->emptied: how far, over several accesses)
 *
 * its->lock is held for each access. The hardware may lose its power at any time: a read then
 * faults (its->faulted), or GITS_CBASER has another value than Keel's.
 */
#include <arch/cache.h>
#include <arch/foreign.h>
#include <arch/percpu.h>
#include <cpu/log.h>
#include <host/host.h>
#include <host/its.h>
#include <host/its_command.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <lib/string.h>

/* The most that one access does: commands copied, ITTs unpinned, DeviceIDs read, bytes cleared. */
#define BATCH	     16
#define RELEASE_STEP 16
#define LOOK_STEP    2048
#define CLEAR_STEP   SZ_16K

/* ---- the hardware's registers ---- */

/*
 * Read a register of the hardware. If it does not answer, the value is 0, which reads as "not
 * quiescent" and as another GITS_CBASER than Keel's.
 */
static u64 its_hw_read(struct its *its, u64 offset, unsigned int bytes)
{
	u64 value;

	if (!foreign_read_reg(its->regs + offset, bytes, &value))
		its->faulted = true;
	return value;
}

static void its_hw_write(struct its *its, u64 offset, unsigned int bytes, u64 value)
{
	if (!foreign_write_reg(its->regs + offset, bytes, value))
		its->faulted = true;
}

static u64 its_hw_read64(struct its *its, u64 offset)
{
	return its_hw_read(its, offset, 8);
}

static void its_hw_write64(struct its *its, u64 offset, u64 value)
{
	its_hw_write(its, offset, 8, value);
}

/*
 * Write a base register. If the hardware does not implement the shareability, the memory is made
 * non-cacheable too. Return: the value read back.
 */
static u64 its_write_base(struct its *its, u64 offset, u64 value)
{
	its_hw_write64(its, offset, value);
	if (!(its_hw_read64(its, offset) & GIC_SHAREABILITY) && (value & GIC_SHAREABILITY)) {
		value &= ~(GIC_SHAREABILITY | GIC_INNER_CACHE);
		its_hw_write64(its, offset, value | GIC_INNER_NC);
	}
	return its_hw_read64(its, offset);
}

/* Whether Valid, the address and the size are equal in both. */
static bool is_same_base(u64 a, u64 b)
{
	return !((a ^ b) & (GIC_VALID | GENMASK(51, 12) | GENMASK(9, 0)) & ~GITS_BASER_ENTRY_SIZE);
}

static bool its_program_table(struct its *its, unsigned int n)
{
	const struct its_table *table = &its->table[n];

	if (!table->bytes)
		return true;
	its_hw_write64(its, GITS_BASER + n * 8, 0);
	return is_same_base(its_write_base(its, GITS_BASER + n * 8, table->hw), table->hw);
}

/*
 * Give the disabled hardware its tables and an empty queue. Return: whether it accepted them; it
 * does not if it has too few address bits.
 */
static bool its_program(struct its *its)
{
	u64 cbaser = its_write_base(its, GITS_CBASER, its->hw_cbaser);
	bool taken = is_same_base(cbaser, its->hw_cbaser);

	for (unsigned int n = 0; n < GITS_BASERS; n++)
		taken = its_program_table(its, n) && taken;
	its_hw_write64(its, GITS_CWRITER, 0);
	its->head = its->tail = 0;
	its->programmed = taken && !its->faulted;
	if (its->programmed)
		its->hw_cbaser = cbaser;
	return its->programmed;
}

/* ---- ITTs ---- */

static void its_release_mapping(struct its *its)
{
	if (its->release_size)
		its->ops->unpin(its->release_pa, its->release_size);
	its->release_size = 0;
}

static unsigned int its_slots_between(unsigned int from, unsigned int to)
{
	return (to - from) % ITS_SLOTS;
}

/* Whether the hardware has lost its registers, because it had no power. */
static bool its_lost_state(struct its *its)
{
	return its_hw_read64(its, GITS_CBASER) != its->hw_cbaser;
}

/* Read the hardware's progress in its queue, and unpin the replaced ITT if that is carried out. */
static void its_update_head(struct its *its)
{
	u64 creadr;

	if (its_lost_state(its))
		return;
	creadr = its_hw_read64(its, GITS_CREADR);
	if (its->faulted)
		return;
	its->head = (unsigned int)((creadr & GITS_QUEUE_OFFSET) / GITS_COMMAND_SIZE) % ITS_SLOTS;
	if (its_slots_between(its->head, its->release_slot) >=
	    its_slots_between(its->head, its->tail))
		its_release_mapping(its);
}

/*
 * A device gets another ITT, or none. The new one is pinned now; the old one is unpinned when the
 * hardware has carried out the command in @slot.
 */
static int its_remap_device(struct its *its, const struct its_command *mapd, unsigned int slot)
{
	u64 *entry = &its->itts[FIELD_GET(GITS_CMD_DEVICE, mapd->word[0])];
	u64 next = its_itt_entry(mapd);
	struct its_itt old = its_itt_of(its, *entry), new = its_itt_of(its, next);
	int ret = new.size ? its->ops->pin(new.pa, new.size) : 0;

	if (ret)
		return ret;
	its->release_pa = old.pa;
	its->release_size = old.size;
	its->release_slot = slot;
	*entry = next;
	return 0;
}

/* ---- commands ---- */

static void its_refuse_command(const struct its *its, const struct its_command *command, u64 at)
{
	static struct ratelimit limit;

	host_count(KEEL_STAT_GIC_REFUSED);
	log_limited(&limit, LOG_WARN,
		    "command of the host's to the ITS at %#lx refused, at %#lx of its queue: %#lx "
		    "%#lx %#lx",
		    its->base, at, command->word[0], command->word[1], command->word[2]);
}

static u64 its_queue_size(const struct its *its)
{
	return (FIELD_GET(GITS_CBASER_SIZE, its->cbaser) + 1) * SZ_4K;
}

static bool its_is_coherent(u64 cbaser)
{
	return (cbaser & GIC_SHAREABILITY) && FIELD_GET(GIC_INNER_CACHE, cbaser) > 1;
}

/* Cleaned to memory, so that it does not matter whether the hardware snoops caches. */
static void its_put_command(struct its *its, const struct its_command *command)
{
	its->queue[its->tail] = *command;
	dcache_clean_inval_poc(&its->queue[its->tail], sizeof(*command));
	its->host_at[its->tail] = (u32)its->copied;
	its->tail = (its->tail + 1) % ITS_SLOTS;
}

static int its_check_command(struct its *its, struct its_command *command)
{
	int ret = its_command_check(its, command);

	if (!ret && FIELD_GET(GITS_CMD_OP, command->word[0]) == GITS_MAPD)
		ret = its_remap_device(its, command, its->tail);
	return ret;
}

/*
 * Copy the next command, or drop it if it is refused. Return: false if it must wait: the queue is
 * full, or the hardware still uses an ITT that an earlier command replaced.
 */
static bool its_copy_command(struct its *its)
{
	u64 at = (its->cbaser & GITS_CBASER_ADDR) + its->copied;
	struct its_command command = { { 0 } };

	if ((its->tail + 1) % ITS_SLOTS == its->head || its->release_size)
		return false;
	if (its->ops->fetch(at, its_is_coherent(its->cbaser), &command) ||
	    its_check_command(its, &command))
		its_refuse_command(its, &command, at);
	else
		its_put_command(its, &command);
	its->copied = (its->copied + GITS_COMMAND_SIZE) % its_queue_size(its);
	return true;
}

/* Copy up to BATCH commands. Return: whether there are more that need not wait. */
static bool its_copy_commands(struct its *its)
{
	unsigned int n = 0, tail = its->tail;

	its_update_head(its);
	if (!its->enabled || !(its->cbaser & GIC_VALID))
		return false;
	while (n < BATCH && its->copied != its->cwriter && its_copy_command(its))
		n++;
	if (its->tail != tail)
		its_hw_write64(its, GITS_CWRITER, its->tail * GITS_COMMAND_SIZE);
	return n && its->copied != its->cwriter;
}

/* The access has taken effect; if commands are left to copy, the host repeats it for these. */
static enum its_result its_copy_rest(struct its *its)
{
	return its_copy_commands(its) ? ITS_REST : ITS_DONE;
}

/* ---- emptying the tables ---- */

/* Unpin the next devices' ITTs. Return: whether that was the last one. */
static bool its_release_some(struct its *its)
{
	unsigned int released = 0, looked = 0;

	its_release_mapping(its);
	for (; its->emptied < its->devices && released < RELEASE_STEP && looked < LOOK_STEP;
	     its->emptied++, looked++) {
		struct its_itt itt = its_itt_of(its, its->itts[its->emptied]);

		if (!itt.size)
			continue;
		its->itts[its->emptied] = 0;
		its->ops->unpin(itt.pa, itt.size);
		released++;
	}
	return its->emptied == its->devices;
}

/*
 * Clear the next part of the tables. @at: how many of their bytes are clear. Return: bytes cleared.
 */
static u64 its_clear_some(struct its *its, u64 at)
{
	for (unsigned int n = 0; n < GITS_BASERS; n++) {
		struct its_table *table = &its->table[n];
		u64 size;

		if (at >= table->bytes) {
			at -= table->bytes;
			continue;
		}
		size = MIN(table->bytes - at, CLEAR_STEP);
		memset(table->memory + at, 0, size);
		dcache_clean_inval_poc(table->memory + at, size);
		return size;
	}
	return 0;
}

/*
 * Do the next part of emptying the tables; the hardware is disabled. Return: whether they are
 * empty.
 */
static bool its_empty_some(struct its *its)
{
	u64 size;

	if (its->emptied < its->devices) {
		(void)its_release_some(its);
		return false;
	}
	size = its_clear_some(its, its->emptied - its->devices);
	its->emptied += size;
	return size == 0;
}

static bool its_is_quiescent(struct its *its)
{
	return its_hw_read(its, GITS_CTLR, 4) & GITS_CTLR_QUIESCENT;
}

/* Write the hardware's base registers again. Return: whether it accepted them. */
static bool its_program_again(struct its *its)
{
	static struct ratelimit limit;

	if (its_program(its)) {
		its_release_mapping(its);
		return true;
	}
	log_limited(&limit, LOG_WARN, "the ITS at %#lx does not take its tables", its->base);
	its->used = its->stale = true; /* it is not known which it has: the next try empties them */
	return false;
}

/*
 * If power was lost while commands were in the queue, it is not known which of these the tables
 * show, nor which ITTs they name: then the tables are stale.
 */
static enum its_result its_enable(struct its *its)
{
	bool lost = its_lost_state(its);

	if (!its_is_quiescent(its) || its->faulted)
		return ITS_DONE;
	its->stale |= lost && its->head != its->tail;
	if (its->used && its->stale && !its_empty_some(its))
		return ITS_AGAIN;
	if ((!its->programmed || (its->used && its->stale) || lost) && !its_program_again(its))
		return ITS_DONE;
	its->used = true;
	its->stale = false;
	its->emptied = 0;
	its_hw_write(its, GITS_CTLR, 4, GITS_CTLR_ENABLED);
	its->enabled = !its->faulted;
	return its_copy_rest(its);
}

/* ---- the host's registers ---- */

static u64 its_read_ctlr(struct its *its, u64 offset)
{
	(void)offset;
	return (its_hw_read(its, GITS_CTLR, 4) & GITS_CTLR_QUIESCENT) |
	       (its->enabled ? GITS_CTLR_ENABLED : 0);
}

static enum its_result its_write_ctlr(struct its *its, u64 offset, u64 value)
{
	(void)offset;
	if (value & GITS_CTLR_ENABLED)
		return its->enabled ? ITS_DONE : its_enable(its);
	its_hw_write(its, GITS_CTLR, 4, 0);
	its->enabled = false;
	return ITS_DONE;
}

static u64 its_read_typer(struct its *its, u64 offset)
{
	(void)offset;
	return its->typer;
}

/* Identification, which the host reads as the hardware has it. */
static u64 its_read_hw32(struct its *its, u64 offset)
{
	return its_hw_read(its, offset, 4);
}

static u64 its_read_cbaser(struct its *its, u64 offset)
{
	(void)offset;
	return its->cbaser;
}

/* 12.19.2: software does not write it while the ITS is enabled; such a write is ignored. */
static enum its_result its_write_cbaser(struct its *its, u64 offset, u64 value)
{
	(void)offset;
	if (its->enabled)
		return ITS_DONE;
	its->cbaser = value;
	its->cwriter = its->copied = 0;
	its->epoch++;
	return ITS_DONE;
}

static u64 its_read_cwriter(struct its *its, u64 offset)
{
	(void)offset;
	return its->cwriter;
}

static enum its_result its_write_cwriter(struct its *its, u64 offset, u64 value)
{
	(void)offset;
	if ((value & GITS_QUEUE_OFFSET) >= its_queue_size(its))
		return ITS_DONE;
	its->cwriter = value & GITS_QUEUE_OFFSET;
	if ((value & GITS_CWRITER_RETRY) && its->enabled)
		its_hw_write64(its, GITS_CWRITER,
			       its->tail * GITS_COMMAND_SIZE | GITS_CWRITER_RETRY);
	return its_copy_rest(its);
}

/* The hardware's progress, as an offset in the host's queue. */
static u64 its_read_creadr(struct its *its, u64 offset)
{
	u64 stalled = its_hw_read64(its, GITS_CREADR) & GITS_CREADR_STALLED;

	(void)offset;
	(void)its_copy_commands(its);
	return stalled | (its->head == its->tail ? its->copied : its->host_at[its->head]);
}

static struct its_table *its_table_at(struct its *its, u64 offset)
{
	return &its->table[(offset - GITS_BASER) / 8];
}

static u64 its_read_baser(struct its *its, u64 offset)
{
	struct its_table *table = its_table_at(its, offset);

	return table->host | table->fixed;
}

static void its_forget_contents(struct its *its)
{
	its->stale = true;
	its->emptied = 0;
}

/*
 * With a new value the host expects an empty table. 12.19.1: software does not write it while the
 * ITS is enabled; such a write is ignored.
 */
static enum its_result its_write_baser(struct its *its, u64 offset, u64 value)
{
	struct its_table *table = its_table_at(its, offset);
	const u64 fields = GIC_VALID | GIC_INNER_CACHE | GENMASK(55, 53) | GENMASK(47, 0);

	if (its->enabled || !table->bytes)
		return ITS_DONE;
	if (table->host != (value & fields))
		its_forget_contents(its);
	table->host = value & fields;
	return ITS_DONE;
}

/* Registers first to last, each of 4 or 8 bytes; all others are RAZ/WI. */
static const struct row {
	u64 first, last;
	unsigned int bytes;
	u64 (*read)(struct its *its, u64 offset);
	enum its_result (*write)(struct its *its, u64 offset, u64 value);
} rows[] = {
	{ GITS_CTLR, GITS_CTLR, 4, its_read_ctlr, its_write_ctlr },
	{ GITS_IIDR, GITS_IIDR, 4, its_read_hw32, NULL },
	{ GITS_TYPER, GITS_TYPER, 8, its_read_typer, NULL },
	{ GITS_MPIDR, GITS_MPIDR, 4, its_read_hw32, NULL },
	{ GITS_STATUSR, GITS_STATUSR, 4, its_read_hw32, NULL },
	{ GITS_CBASER, GITS_CBASER, 8, its_read_cbaser, its_write_cbaser },
	{ GITS_CWRITER, GITS_CWRITER, 8, its_read_cwriter, its_write_cwriter },
	{ GITS_CREADR, GITS_CREADR, 8, its_read_creadr, NULL },
	{ GITS_BASER, GITS_BASER + (GITS_BASERS - 1) * 8, 8, its_read_baser, its_write_baser },
	{ GIC_ID_FIRST, GIC_FRAME_SIZE - 4, 4, its_read_hw32, NULL },
};

static const struct row *its_row_at(const struct its *its, u64 offset, unsigned int bytes)
{
	for (size_t i = 0; its->regs && i < ARRAY_SIZE(rows); i++)
		if (offset >= rows[i].first && offset < rows[i].last + rows[i].bytes &&
		    bytes <= rows[i].bytes)
			return &rows[i];
	return NULL;
}

/* The offset of the register of which an access is the whole, or a half. */
static u64 its_whole_offset(const struct row *row, u64 offset)
{
	return ALIGN_DOWN(offset, (u64)row->bytes);
}

/*
 * By CPU: its last write, if that returned ITS_REST. The write has taken effect, and its repetition
 * only copies more commands: another CPU may have written the same register since, and the
 * repetition must not undo that. Any other access of the CPU to an ITS ends this, and so does a new
 * queue or another kernel (epoch).
 */
static struct rest {
	const struct its *its; /* NULL: nothing */
	u64 epoch, offset, value;
} rests[KEEL_MAX_CPUS];

static struct rest *its_rest_of(void)
{
	return &rests[this_cpu()->id];
}

static bool its_is_repetition(const struct its *its, u64 offset, u64 value)
{
	const struct rest *rest = its_rest_of();

	return rest->its == its && rest->epoch == its->epoch && rest->offset == offset &&
	       rest->value == value && (its->enabled || offset == GITS_CTLR);
}

enum its_result its_read(struct its *its, u64 offset, unsigned int bytes, u64 *value)
{
	const struct row *row = its_row_at(its, offset, bytes);
	bool faulted;

	*value = 0;
	if (!row)
		return ITS_DONE;
	spin_lock(&its->lock);
	its_rest_of()->its = NULL;
	its->faulted = false;
	*value = row->read(its, its_whole_offset(row, offset));
	faulted = its->faulted;
	spin_unlock(&its->lock);
	*value >>= (offset - its_whole_offset(row, offset)) * 8;
	if (bytes == 4)
		*value = (u32)*value;
	return faulted ? ITS_FAULTED : ITS_DONE;
}

static u64 its_merge_half(u64 old, u64 half, bool upper)
{
	return upper ? (u32)old | half << 32 : (old & GENMASK(63, 32)) | (u32)half;
}

static enum its_result its_write_row(struct its *its, const struct row *row, u64 offset,
				     unsigned int bytes, u64 value)
{
	u64 at = its_whole_offset(row, offset);

	if (bytes < row->bytes)
		value = its_merge_half(row->read(its, at), value, offset != at);
	return row->write(its, at, value);
}

enum its_result its_write(struct its *its, u64 offset, unsigned int bytes, u64 value)
{
	const struct row *row = its_row_at(its, offset, bytes);
	enum its_result result;

	if (!row || !row->write)
		return ITS_DONE;
	spin_lock(&its->lock);
	its->faulted = false;
	result = its_is_repetition(its, offset, value)
			 ? its_copy_rest(its)
			 : its_write_row(its, row, offset, bytes, value);
	*its_rest_of() =
		(struct rest){ result == ITS_REST ? its : NULL, its->epoch, offset, value };
	if (its->faulted)
		result = ITS_FAULTED;
	spin_unlock(&its->lock);
	return result == ITS_REST ? ITS_AGAIN : result;
}

void its_forget(struct its *its)
{
	spin_lock(&its->lock);
	its_forget_contents(its);
	its->epoch++;
	spin_unlock(&its->lock);
}
