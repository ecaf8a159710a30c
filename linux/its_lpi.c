// SPDX-License-Identifier: GPL-2.0
/*
 * LPIs: what is pending, and who has it. An LPI that is pending and enabled, at a redistributor whose
 * LPIs are enabled, is given to EL2, as far as EL2 has room for it. The others wait here, by priority:
 * none of them is more urgent than one that EL2 has.
 *
 *	pending          here: at its redistributor's level[], unless it is disabled, or being taken
 *	at_el2           EL2 may have it, or the guest has taken it: EL2 knows
 *	pending, at_el2  it came while it is being taken
 *
 * Whoever changes an LPI takes it first: then EL2 has it no more, its pending state is here, and what
 * comes meanwhile stays here, until it is given again. So EL2 never has an LPI that is not mapped, or
 * at another vCPU than @redist.
 */
#include "its_model.h"

#define PROP_ENABLED   BIT(0)
#define PROP_PRIORITY  GENMASK(7, 3)
#define PROPBASER_IDS  GENMASK(4, 0)
#define PROPBASER_ADDR GENMASK(51, 12)
#define PRIORITY_SHIFT 3

/* ---- blocks ---- */

int its_reserve_fill(struct its_lpis *lpis)
{
	struct its_reserve *reserve = &lpis->reserve;
	const unsigned int most = sizeof(reserve->block) / sizeof(reserve->block[0]);

	while (reserve->count < most) {
		void *block = lpis->blocks < ITS_BLOCKS_MAX ? its_env_alloc(lpis) : NULL;

		if (!block)
			return -ENOMEM;
		lpis->blocks++;
		reserve->block[reserve->count++] = block;
	}
	return 0;
}

void *its_reserve_take(struct its_lpis *lpis)
{
	return lpis->reserve.block[--lpis->reserve.count];
}

void its_release(void *ctx, void *block)
{
	struct its_lpis *lpis = ctx;

	lpis->blocks--;
	its_env_free(lpis, block);
}

/* ---- LPIs that wait; under the lock ---- */

static void list_init(struct its_link *head)
{
	head->next = head->prev = head;
}

static bool is_waiting(const struct its_lpi *lpi)
{
	return lpi->link.next;
}

static unsigned int level_of(const struct its_lpi *lpi)
{
	return lpi->priority >> PRIORITY_SHIFT;
}

static void start_waiting(struct its_lpi *lpi)
{
	struct its_link *head = &lpi->redist->level[level_of(lpi)];

	lpi->link.prev = head->prev;
	lpi->link.next = head;
	head->prev->next = &lpi->link;
	head->prev = &lpi->link;
	lpi->redist->waiting |= BIT(level_of(lpi));
}

static void stop_waiting(struct its_lpi *lpi)
{
	struct its_link *head = &lpi->redist->level[level_of(lpi)];

	lpi->link.prev->next = lpi->link.next;
	lpi->link.next->prev = lpi->link.prev;
	lpi->link.next = NULL;
	if (head->next == head)
		lpi->redist->waiting &= ~(u32)BIT(level_of(lpi));
}

static struct its_lpi *most_urgent(struct its_redist *redist)
{
	struct its_link *first = redist->level[__builtin_ctz(redist->waiting)].next;

	return (void *)((char *)first - offsetof(struct its_lpi, link));
}

/* ---- to EL2 and back; under the lock ---- */

static bool can_be_signalled(const struct its_lpi *lpi)
{
	return lpi->pending && lpi->enabled && !lpi->taking && lpi->redist && lpi->redist->enabled;
}

/* EL2 has given the room of this one to a more urgent one. */
static void comes_back(struct its_lpis *lpis, u32 intid)
{
	struct its_lpi *lpi = its_lpi_find(lpis, intid);

	if (WARN_ON_ONCE(!lpi || !lpi->at_el2))
		return;
	lpi->at_el2 = false;
	lpi->pending = true;
	if (can_be_signalled(lpi) && !is_waiting(lpi))
		start_waiting(lpi);
}

/* Return: whether EL2 has room for it. */
static bool send(struct its_lpis *lpis, struct its_lpi *lpi)
{
	u32 back = 0;

	if (its_env_pend(lpis, lpi->redist->vcpu, lpi->intid, lpi->priority, &back))
		return false;
	if (is_waiting(lpi))
		stop_waiting(lpi);
	lpi->pending = false;
	lpi->at_el2 = true;
	if (back)
		comes_back(lpis, back);
	return true;
}

/* As many as EL2 has room for, the most urgent first. */
static void send_waiting(struct its_lpis *lpis, struct its_redist *redist)
{
	for (unsigned int n = 0; n < ITS_STEP && redist->waiting; n++)
		if (!send(lpis, most_urgent(redist)))
			return;
}

/*
 * Others wait, so EL2 is not asked to find room for this one. If it has it still, nothing changes: an
 * LPI is pending or not. Otherwise the guest has taken it since.
 */
static bool is_pending_there(struct its_lpis *lpis, struct its_lpi *lpi)
{
	if (!lpi->at_el2)
		return false;
	lpi->at_el2 = its_env_pend_again(lpis, lpi->redist->vcpu, lpi->intid, lpi->priority);
	lpi->pending = !lpi->at_el2;
	return lpi->at_el2;
}

static void submit(struct its_lpis *lpis, struct its_lpi *lpi)
{
	if (!can_be_signalled(lpi))
		return;
	if (!lpi->redist->waiting) {
		if (!send(lpis, lpi))
			start_waiting(lpi);
		return;
	}
	if (is_pending_there(lpis, lpi))
		return;
	if (!is_waiting(lpi))
		start_waiting(lpi);
	send_waiting(lpis, lpi->redist);
}

void its_refill(struct its_lpis *lpis, struct its_redist *redist)
{
	unsigned long flags = its_env_lock(lpis);

	send_waiting(lpis, redist);
	its_env_unlock(lpis, flags);
}

/* Return: whether EL2 has it no more. */
static bool try_to_take(struct its_lpis *lpis, struct its_lpi *lpi)
{
	int ret;

	lpi->taking = true;
	if (is_waiting(lpi))
		stop_waiting(lpi);
	if (!lpi->at_el2)
		return true;
	ret = its_env_take(lpis, lpi->redist->vcpu, lpi->intid);
	if (ret == -EAGAIN)
		return false;
	lpi->at_el2 = false;
	lpi->pending |= ret == 1;
	send_waiting(lpis, lpi->redist);
	return true;
}

void its_lpi_take(struct its_lpis *lpis, struct its_lpi *lpi)
{
	for (;;) {
		unsigned long flags = its_env_lock(lpis);
		bool taken = try_to_take(lpis, lpi);

		its_env_unlock(lpis, flags);
		if (taken)
			return;
		its_env_relax(lpis);
	}
}

void its_lpi_give(struct its_lpis *lpis, struct its_lpi *lpi)
{
	unsigned long flags = its_env_lock(lpis);

	lpi->taking = false;
	submit(lpis, lpi);
	its_env_unlock(lpis, flags);
}

/* ---- changes ---- */

void its_lpi_move(struct its_lpis *lpis, struct its_lpi *lpi, struct its_redist *redist)
{
	unsigned long flags;

	if (lpi->redist == redist)
		return;
	its_lpi_take(lpis, lpi);
	flags = its_env_lock(lpis);
	lpi->redist = redist;
	its_env_unlock(lpis, flags);
	its_lpi_give(lpis, lpi);
}

void its_lpi_clear(struct its_lpis *lpis, struct its_lpi *lpi)
{
	unsigned long flags;

	its_lpi_take(lpis, lpi);
	flags = its_env_lock(lpis);
	lpi->pending = false;
	its_env_unlock(lpis, flags);
	its_lpi_give(lpis, lpi);
}

void its_lpi_set(struct its_lpis *lpis, struct its_lpi *lpi)
{
	unsigned long flags = its_env_lock(lpis);

	lpi->pending = true;
	submit(lpis, lpi);
	its_env_unlock(lpis, flags);
}

/* An entry that cannot be read is that of an LPI that is disabled. */
void its_lpi_configure(struct its_lpis *lpis, struct its_lpi *lpi)
{
	u64 table = lpis->propbaser & PROPBASER_ADDR;
	unsigned long flags;
	u8 entry = 0;

	if (lpi->intid >= its_lpi_end(lpis) ||
	    its_env_read(lpis, table + lpi->intid - ITS_FIRST_LPI, &entry, sizeof(entry)))
		entry = 0;
	if (lpi->priority == (entry & PROP_PRIORITY) && lpi->enabled == (entry & PROP_ENABLED))
		return;
	its_lpi_take(lpis, lpi);
	flags = its_env_lock(lpis);
	lpi->priority = entry & PROP_PRIORITY;
	lpi->enabled = entry & PROP_ENABLED;
	its_env_unlock(lpis, flags);
	its_lpi_give(lpis, lpi);
}

/* ---- which there are ---- */

struct its_lpi *its_lpi_find(const struct its_lpis *lpis, u32 intid)
{
	return intid < ITS_FIRST_LPI ? NULL : its_map_get(&lpis->lpi, intid - ITS_FIRST_LPI);
}

struct its_lpi *its_lpi_next(const struct its_lpis *lpis, u32 *intid)
{
	u32 key = *intid < ITS_FIRST_LPI ? 0 : *intid - ITS_FIRST_LPI;
	struct its_lpi *lpi = its_map_next(&lpis->lpi, &key);

	*intid = key + ITS_FIRST_LPI;
	return lpi;
}

u32 its_lpi_end(const struct its_lpis *lpis)
{
	unsigned int bits = FIELD_GET(PROPBASER_IDS, lpis->propbaser) + 1;

	return 1U << (bits < ITS_ID_BITS ? bits : ITS_ID_BITS);
}

void its_redist_init(struct its_redist *redist, u32 vcpu)
{
	memset(redist, 0, sizeof(*redist));
	redist->vcpu = vcpu;
	for (unsigned int i = 0; i < ITS_PRIORITIES; i++)
		list_init(&redist->level[i]);
}

void its_lpis_init(struct its_lpis *lpis, struct its_redist **redist, unsigned int nr_redists)
{
	memset(lpis, 0, sizeof(*lpis));
	lpis->redist = redist;
	lpis->nr_redists = nr_redists;
	its_map_init(&lpis->lpi, ITS_ID_BITS);
}

/* ---- events ---- */

/* Under the lock. */
static int signal_event(struct its *its, u32 device, u32 event)
{
	struct its_lpi *lpi = its->enabled ? its_event_find(its, device, event) : NULL;

	if (!its->enabled)
		return -EBUSY;
	if (!lpi || !lpi->redist)
		return 0;
	if (!lpi->redist->enabled)
		return -EBUSY;
	lpi->pending = true;
	submit(its->lpis, lpi);
	return 1;
}

int its_msi(struct its *its, u32 device, u32 event)
{
	unsigned long flags = its_env_lock(its->lpis);
	int ret = signal_event(its, device, event);

	its_env_unlock(its->lpis, flags);
	return ret;
}
