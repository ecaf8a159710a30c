/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The RD frames of redistributors that have LPIs. While GICR_CTLR.EnableLPIs is set, a
 * redistributor reads the LPIs' properties and writes their pending state in memory, by physical
 * address. So these frames are EL2's. Most accesses of the host are passed on to the hardware; when
 * the host sets EnableLPIs, the tables must be the host's memory, and are pinned. docs/host-gic.md.
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
 * @regs:     EL2's mapping of the RD frame
 * @typer:    its GICR_TYPER; redist_is_unknown() until the frame answers
 * @virtual:  frames for virtual LPIs follow; they read as zero and ignore writes
 * @pa_limit: the hardware can reach addresses below this
 * @faulted:  the hardware did not answer an access: set here, cleared by the caller
 * @refused:  bits of GICR_PROPBASER of which the host's last write was refused
 * @prop:     GICR_PROPBASER, while the hardware may use its tables
 * @pins:     the property and the pending table, while the hardware may use them
 * @left:     a kernel that is gone has left LPIs enabled
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

/* As in struct its_ops; @is_off: whether the CPU with this MPIDR is off, or does not exist. */
struct lpi_ops {
	int (*pin)(u64 pa, u64 size);
	void (*unpin)(u64 pa, u64 size);
	bool (*is_off)(u64 mpidr);
};

/* All redistributors of the machine. The caller serializes the calls (rd_lock in host_gic.c). */
struct lpi_set {
	const struct lpi_ops *ops;
	struct lpi_rd *rds;
	unsigned int count;
};

/**
 * lpi_start() - take over a redistributor from firmware
 *
 * Disables LPIs, if the hardware can do that; if not, pins the tables that it uses.
 *
 * Return: 0, also if the frame does not answer: then the redistributor has no power, and will come
 * up as after reset; -EBUSY the hardware goes on to use memory that is not the host's.
 */
int __must_check lpi_start(const struct lpi_set *set, struct lpi_rd *rd);

/*
 * lpi_forget() - the kernel that enabled LPIs is gone
 *
 * Disables LPIs and unpins the tables: at once if the frame answers, and else (its CPU may be off)
 * at the host's next access to it. Waits for the hardware; no other CPU is on.
 */
void lpi_forget(const struct lpi_set *set);

/* lpi_read(), lpi_write() - the host's access to the RD frame; arguments as of its_read(). */
u64 lpi_read(const struct lpi_set *set, struct lpi_rd *rd, u64 offset, unsigned int bytes);
void lpi_write(const struct lpi_set *set, struct lpi_rd *rd, u64 offset, unsigned int bytes,
	       u64 value);

#endif
