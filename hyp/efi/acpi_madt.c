// SPDX-License-Identifier: BSD-2-Clause
/* The MADT (ACPI 6.5, 5.2.12): CPUs, and the parts of the GIC. */
#include <efi/acpi_abi.h>
#include <efi/acpi_parts.h>
#include <host/memmap.h>
#include <lib/errno.h>
#include <lib/psci_abi.h>

/* The frames that each redistributor has; GICR_TYPER tells of those that a GICv4's has behind them. */
#define GICR_FRAMES SZ_128K

/* Of a CPU's virtual interface. Keel knows the interrupt's number from the BSA (Arm DEN 0094). */
#define BSA_MAINTENANCE 25

/* While entries are read. Redistributors come by the one or the other kind of entry. */
struct madt_walk {
	struct acpi_machine *m;
	bool has_gicd;
	u8 version;		   /* of the GIC; 0: not said */
	unsigned int with_gicr;	   /* entries of CPUs, enabled or not, that have a redistributor */
	unsigned int without_gicr; /* enabled CPUs whose own entry has none */
	unsigned int regions;
};

static int madt_fail(struct madt_walk *w, const char *what)
{
	return acpi_fail(w->m, "MADT", what);
}

static bool cpu_is_known(const struct acpi_machine *m, u64 mpidr)
{
	for (unsigned int i = 0; i < m->cpus; i++)
		if (m->mpidr[i] == mpidr)
			return true;
	return false;
}

/* An entry that is not enabled is of no CPU, or of one that may be plugged in some day. */
static int take_gicc(struct madt_walk *w, const u8 *e)
{
	struct acpi_machine *m = w->m;
	u64 mpidr = acpi_u64(e + GICC_MPIDR), gicr = acpi_u64(e + GICC_GICR);

	if (gicr)
		w->with_gicr++;
	if (!(acpi_u32(e + GICC_FLAGS) & GICC_ENABLED))
		return 0;
	if (mpidr & ~PSCI_TARGET_AFFINITY)
		return madt_fail(w, "a CPU has a bad MPIDR");
	if (cpu_is_known(m, mpidr))
		return madt_fail(w, "two CPUs have the same MPIDR");
	if (!gicr)
		w->without_gicr++;
	if (m->cpus == KEEL_MAX_CPUS)
		m->cpus_left_out++;
	else
		m->mpidr[m->cpus++] = mpidr;
	return 0;
}

static int take_gicd(struct madt_walk *w, const u8 *e)
{
	if (w->has_gicd)
		return madt_fail(w, "two distributors");
	w->has_gicd = true;
	w->version = e[GICD_VERSION];
	w->m->gicd = acpi_u64(e + GICD_BASE);
	if (w->m->gicd >= MEMMAP_PA_LIMIT)
		return madt_fail(w, "the distributor has a bad address");
	if (w->version > 4)
		return madt_fail(w, "a GIC later than GICv4");
	return 0;
}

static int add_redists(struct madt_walk *w, u64 base, u64 size)
{
	struct fdt_redists *r = &w->m->redists;

	if (base % SZ_64K || base >= MEMMAP_PA_LIMIT || size < GICR_FRAMES)
		return madt_fail(w, "a bad range of redistributors");
	if (r->count == FDT_REDIST_REGIONS)
		return madt_fail(w, "redistributors are in too many places");
	r->region[r->count++] = (struct mem_range){ base, base + size };
	return 0;
}

static int take_gicr(struct madt_walk *w, const u8 *e)
{
	w->regions++;
	return add_redists(w, acpi_u64(e + GICR_BASE), acpi_u32(e + GICR_LENGTH));
}

static int take_its(struct madt_walk *w, const u8 *e)
{
	struct fdt_itses *itses = &w->m->itses;
	u64 base = acpi_u64(e + ITS_BASE);

	if (base % SZ_64K || base >= MEMMAP_PA_LIMIT)
		return madt_fail(w, "an ITS has a bad address");
	if (itses->count == FDT_ITS_MAX)
		return madt_fail(w, "too many ITSs");
	itses->its[itses->count++] = (struct fdt_its){
		.base = base,
		.available = true,
		.coherent = !(e[ITS_FLAGS] & ITS_NONCOHERENT),
	};
	return 0;
}

/* ACPI 6.5, table 5.21: what matters here of an entry's types. */
static const struct {
	u8 type, size;
	int (*take)(struct madt_walk *w, const u8 *e);
} madt_types[] = {
	{ MADT_GICC, GICC_SIZE, take_gicc },
	{ MADT_GICD, GICD_SIZE, take_gicd },
	{ MADT_GICR, GICR_SIZE, take_gicr },
	{ MADT_ITS, ITS_SIZE, take_its },
};

static int take_madt_entry(struct madt_walk *w, const u8 *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(madt_types); i++) {
		if (e[0] != madt_types[i].type)
			continue;
		if (e[1] < madt_types[i].size)
			return madt_fail(w, "an entry is too short");
		return madt_types[i].take(w, e);
	}
	return 0;
}

int acpi_madt_next(const struct acpi_table *madt, u32 *at)
{
	u32 here = *at;

	if (here == madt->length)
		return 0;
	if (madt->length - here < 2 || madt->data[here + 1] < 2 ||
	    madt->data[here + 1] > madt->length - here)
		return -EINVAL;
	*at = here + madt->data[here + 1];
	return (int)here;
}

static int walk_madt(struct madt_walk *w, int (*visit)(struct madt_walk *w, const u8 *e))
{
	const struct acpi_table *madt = &w->m->madt;
	u32 at = MADT_ENTRIES;
	int entry, ret = 0;

	while (!ret && (entry = acpi_madt_next(madt, &at)) != 0)
		ret = entry < 0 ? madt_fail(w, "an entry goes beyond the end")
				: visit(w, madt->data + entry);
	return ret;
}

/* With another one, what a guest's list registers ask for would come to nobody. Keel's copies name none. */
static int check_maintenance(struct madt_walk *w, const u8 *e)
{
	u32 intid = acpi_u32(e + GICC_MAINTENANCE);

	if (acpi_u32(e + GICC_FLAGS) & GICC_ENABLED && intid != BSA_MAINTENANCE &&
	    !(w->m->marker && !intid))
		return madt_fail(w, "the GIC's maintenance interrupt is not 25");
	return 0;
}

/* ---- redistributors that CPUs' entries have ---- */

static bool redist_is_listed(const struct fdt_redists *r, u64 base)
{
	for (unsigned int i = 0; i < r->count; i++)
		if (base >= r->region[i].base && base < r->region[i].end &&
		    r->region[i].end - base >= GICR_FRAMES)
			return true;
	return false;
}

/* Also of a CPU that is not enabled: the frame is there, or may be once the CPU is. */
static int take_frames(struct madt_walk *w, const u8 *e)
{
	u64 base;
	int ret;

	if (e[0] != MADT_GICC)
		return 0;
	ret = check_maintenance(w, e);
	base = acpi_u64(e + GICC_GICR);
	if (ret || !base || redist_is_listed(&w->m->redists, base))
		return ret;
	return add_redists(w, base, GICR_FRAMES);
}

/* ---- the GICv2's part for VMs, which CPUs' entries have ---- */

/* All CPUs see their own registers at one address. Of a CPU that is not enabled it need not be said. */
static bool is_other(u64 *known, u64 base, bool enabled)
{
	if (!*known && enabled)
		*known = base;
	return *known != base && (base || enabled);
}

static int take_interface(struct madt_walk *w, const u8 *e)
{
	struct acpi_machine *m = w->m;
	bool enabled = acpi_u32(e + GICC_FLAGS) & GICC_ENABLED;

	if (e[0] != MADT_GICC)
		return 0;
	if (is_other(&m->gicc, acpi_u64(e + GICC_BASE), enabled) ||
	    is_other(&m->gich, acpi_u64(e + GICC_GICH), enabled) ||
	    is_other(&m->gicv, acpi_u64(e + GICC_GICV), enabled))
		return madt_fail(w, "CPUs have different interfaces of the GICv2");
	return m->gich ? check_maintenance(w, e) : 0;
}

/*
 * A CPU has its redistributor by a range or by its own entry. A GIC that is taken for the other version
 * would be left to the host with its tables.
 */
static int judge_gic(struct madt_walk *w)
{
	bool redists = w->regions || w->with_gicr;

	if (!w->m->cpus)
		return madt_fail(w, "no CPU");
	if (!w->has_gicd)
		return madt_fail(w, "no distributor");
	w->m->gicv3 = w->version ? w->version >= 3 : redists;
	if (!w->m->gicv3 && (redists || w->m->itses.count))
		return madt_fail(w, "a GICv2 with redistributors or an ITS");
	if (w->m->gicv3 && !redists)
		return madt_fail(w, "a GICv3 without redistributors");
	if (w->m->gicv3 && !w->regions && w->without_gicr)
		return madt_fail(w, "a CPU without a redistributor");
	return walk_madt(w, w->m->gicv3 ? take_frames : take_interface);
}

int acpi_read_madt(struct acpi_machine *m)
{
	struct madt_walk w = { .m = m };
	int ret = walk_madt(&w, take_madt_entry);

	return ret ? ret : judge_gic(&w);
}
