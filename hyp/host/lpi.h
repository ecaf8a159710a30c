/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The RD frames of redistributors that have LPIs. A redistributor reads which LPIs are enabled and
 * writes which are pending, by physical address, from GICR_CTLR.EnableLPIs on. So these frames are
 * EL2's, and the host's accesses go through here: nearly all are passed on, and EnableLPIs takes
 * memory that is the host's and pins it. docs/host-gic.md.
 */
#ifndef KEEL_HOST_LPI_H
#define KEEL_HOST_LPI_H

#include <host/gic_regs.h>
#include <lib/types.h>

/* Memory that is pinned; size 0 for none. */
struct lpi_pin {
	u64 pa, size;
};

/**
 * struct lpi_rd - a redistributor
 * @base:     physical address of its RD frame
 * @regs:     where EL2 sees it
 * @typer:    its GICR_TYPER; redist_is_unknown() until the frame answers
 * @virtual:  frames for virtual LPIs follow; they read as zero and ignore writes
 * @pa_limit: it can reach addresses below this
 * @faulted:  an access to the frame was not answered: set here, cleared by the caller
 * @refused:  bits of GICR_PROPBASER that do not have what the host wrote last
 * @prop:     address and size in GICR_PROPBASER, while it may use its tables
 * @pins:     its property and pending tables, while it may use them
 * @left:     LPIs were enabled by a kernel that is gone
 */
struct lpi_rd {
	u64 base;
	u8 *regs;
	u64 typer;
	bool virtual;
	u64 pa_limit;
	bool faulted;
	u64 refused;
	u64 prop;
	struct lpi_pin pins[2];
	bool left;
};

/* As in struct its_ops; @is_off: the CPU with this MPIDR is off, or there is none. */
struct lpi_ops {
	int (*pin)(u64 pa, u64 size);
	void (*unpin)(u64 pa, u64 size);
	bool (*is_off)(u64 mpidr);
};

/* All of a machine's. Who calls sees that no two accesses are made at a time. */
struct lpi_set {
	const struct lpi_ops *ops;
	struct lpi_rd *rds;
	unsigned int count;
};

/**
 * lpi_start() - begin with whatever firmware left
 *
 * LPIs are disabled, if the redistributor lets itself be told so.
 *
 * Return: 0, also where the frame does not answer: the redistributor is off, and comes from reset;
 * -EBUSY, it goes on using memory that is not the host's to give it.
 */
int __must_check lpi_start(const struct lpi_set *set, struct lpi_rd *rd);

/*
 * lpi_forget() - the kernel that enabled LPIs is gone
 *
 * They are disabled, and the tables unpinned: at once where the frame answers, which that of a CPU
 * that is off may not do, or else at the host's next access to it. Takes as long as the
 * redistributors do, when no other CPU is on.
 */
void lpi_forget(const struct lpi_set *set);

/* lpi_read(), lpi_write() - the host's access to the RD frame, as its_read() and its_write(). */
u64 lpi_read(const struct lpi_set *set, struct lpi_rd *rd, u64 offset, unsigned int bytes);
void lpi_write(const struct lpi_set *set, struct lpi_rd *rd, u64 offset, unsigned int bytes,
	       u64 value);

#endif
