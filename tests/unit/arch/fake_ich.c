// SPDX-License-Identifier: BSD-2-Clause
/* The GIC CPU interfaces, fake: see ich.h. Written from ARM IHI 0069, 4.1, 12.4. */
#include <arch/gicr.h>
#include <arch/ich.h>
#include <arch/percpu.h>
#include <cpu/percpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define P  (1ULL << 62)
#define A  (1ULL << 63)
#define HW (1ULL << 61)
#define G1 (1ULL << 60)

#define FIRST_LPI 8192

#define TDIR (1ULL << 14) /* ICH_HCR_EL2 */
#define EOIM (1ULL << 9)  /* ICH_VMCR_EL2 */

struct fake_icc fake_icc[FAKE_CPUS];
unsigned int fake_nr_lrs;
bool fake_icc_present = true;
bool fake_lpis_become_active;

static void broken(const char *rule)
{
	fprintf(stderr, "GIC: %s\n", rule);
	abort();
}

struct fake_icc *fake_this_icc(void)
{
	if (this_cpu()->id >= FAKE_CPUS)
		abort();
	return &fake_icc[this_cpu()->id];
}

void fake_ich_reset(unsigned int lrs, unsigned int bits)
{
	memset(fake_icc, 0, sizeof(fake_icc));
	fake_gicr_faults = NULL;
	fake_nr_lrs = lrs;
	fake_icc_present = true;
	fake_lpis_become_active = false;
	fake_secure_sgis = 0;
	fake_source = 0;
	for (int i = 0; i < FAKE_CPUS; i++) {
		fake_icc[i].sre_open = true;
		fake_icc[i].nr_lrs = lrs;
		fake_icc[i].prebits = bits;
		for (int n = 0; n < ICH_LR_MAX; n++) /* UNKNOWN at reset */
			fake_icc[i].lr[n] = P | G1 | 0x155ULL;
	}
}

u64 ich_read_lr(unsigned int n)
{
	if (n >= fake_this_icc()->nr_lrs)
		broken("read of a list register that there is not");
	return fake_this_icc()->lr[n];
}

static void check_hw(u64 value)
{
	u32 pintid = (u32)(value >> 32) & 0x1fff;

	if ((value & A) && (value & P))
		broken("a hardware interrupt both pending and active");
	if (pintid < 16 || pintid > 31 ||
	    !((fake_this_icc()->phys_active & 1U << pintid) || fake_this_icc()->had_no_power))
		broken("a list register is linked to a physical interrupt that is not active");
}

void ich_write_lr(unsigned int n, u64 value)
{
	struct fake_icc *icc = fake_this_icc();

	if (n >= fake_this_icc()->nr_lrs)
		broken("write of a list register that there is not");
	if ((value & (P | A)) && (value & HW))
		check_hw(value);
	if (value & 0x7000ULL << 45)
		broken("RES0 bits");
	icc->lr[n] = value;
}

static unsigned int aprs(void)
{
	unsigned int prebits = fake_this_icc()->prebits;

	return prebits <= 5 ? 1 : prebits == 6 ? 2 : 4;
}

void ich_read_apr(u64 ap0r[4], u64 ap1r[4], unsigned int count)
{
	if (count != aprs())
		broken("not all active priorities, or too many");
	memcpy(ap0r, fake_this_icc()->ap0r, count * 8);
	memcpy(ap1r, fake_this_icc()->ap1r, count * 8);
}

void ich_write_apr(const u64 ap0r[4], const u64 ap1r[4], unsigned int count)
{
	if (count != aprs())
		broken("not all active priorities, or too many");
	memcpy(fake_this_icc()->ap0r, ap0r, count * 8);
	memcpy(fake_this_icc()->ap1r, ap1r, count * 8);
}

u64 ich_read_hcr(void)
{
	return fake_this_icc()->hcr;
}

void ich_write_hcr(u64 value)
{
	struct fake_icc *icc = fake_this_icc();

	if (!icc_present())
		broken("ICH_HCR_EL2 of a CPU that has no interface");
	for (unsigned int i = 0; (value & 1) && i < icc->nr_lrs; i++)
		for (unsigned int j = 0; j < i; j++)
			if ((icc->lr[i] & (P | A)) && (icc->lr[j] & (P | A)) &&
			    (u32)icc->lr[i] == (u32)icc->lr[j])
				broken("the same interrupt in two list registers");
	icc->hcr = value;
}

u64 ich_read_vmcr(void)
{
	return fake_this_icc()->vmcr;
}

void ich_write_vmcr(u64 value)
{
	fake_this_icc()->vmcr = value;
}

u64 ich_read_vtr(void)
{
	const struct fake_icc *icc = fake_this_icc();

	if (!icc_present())
		broken("ICH_VTR_EL2 of a CPU that has no interface");
	return (icc->nr_lrs - 1) | (u64)(icc->prebits - 1) << 29 | (u64)(icc->prebits - 1) << 26 |
	       1 << 23 | 1 << 19;
}

bool icc_present(void)
{
	return fake_icc_present && !fake_this_icc()->absent;
}

void (*fake_others_go_on)(void);

bool interrupt_waits(void)
{
	if (fake_others_go_on)
		fake_others_go_on();
	return fake_this_icc()->host_waits;
}

void icc_open_sre(bool open)
{
	if (!icc_present())
		broken("ICC_SRE_EL2 of a CPU that has no interface");
	fake_this_icc()->sre_open = open;
}

u64 ich_read_misr(void)
{
	struct fake_icc *icc = fake_this_icc();
	unsigned int valid = 0, pending = 0;
	u64 misr = 0;

	if (!(icc->hcr & 1))
		return 0;
	for (unsigned int n = 0; n < icc->nr_lrs; n++) {
		u64 lr = icc->lr[n];

		valid += (lr & (P | A)) != 0;
		pending += (lr & (P | A)) == P;
		if (!(lr & (P | A)) && !(lr & HW) && (lr & 1ULL << 41))
			misr |= 1; /* EOI */
	}
	if ((icc->hcr & 2) && valid <= 1)
		misr |= 2; /* U */
	if ((icc->hcr & 4) && (icc->hcr >> 27 & 31))
		misr |= 4; /* LRENP */
	if ((icc->hcr & 8) && !pending)
		misr |= 8;				   /* NP */
	for (unsigned int group = 0; group < 2; group++) { /* VGrp<n>E, VGrp<n>D */
		unsigned int bit = 4 + 2 * group + !(icc->vmcr >> group & 1);

		misr |= icc->hcr & 1ULL << bit;
	}
	return misr;
}

u32 fake_irq(void)
{
	struct fake_icc *icc = fake_this_icc();
	u32 pending = (icc->phys_pending | (ich_read_misr() ? 1U << 25 : 0)) & ~icc->phys_active;

	return pending ? (u32)__builtin_ctz(pending) : FAKE_NONE;
}

/* ---- redistributors ---- */

#define FRAME_SIZE 4096

static u8 frames[FAKE_CPUS][FRAME_SIZE];

void (*fake_gicr_faults)(void);

void *fake_gicr(unsigned int cpu)
{
	return frames[cpu];
}

void fake_gicr_power(unsigned int cpu, bool on)
{
	struct fake_icc *icc = &fake_icc[cpu];

	icc->no_power = !on;
	icc->had_no_power = true;
	icc->phys_active = icc->phys_pending = 0;
}

/* Whose register it is; NULL: no redistributor's. */
static struct fake_icc *icc_at(const volatile void *reg, unsigned int *offset)
{
	uintptr_t at = (uintptr_t)reg - (uintptr_t)frames;

	*offset = at % FRAME_SIZE;
	return at < sizeof(frames) ? &fake_icc[at / FRAME_SIZE] : NULL;
}

bool fake_foreign_faults(const void *start, u64 size)
{
	unsigned int offset;
	struct fake_icc *icc = icc_at(start, &offset);

	if (!icc || !icc->no_power)
		return false;
	icc->faults++;
	if (fake_gicr_faults)
		fake_gicr_faults();
	return true;
}

/* A register that a plain access may reach, or one that may fault: not without power any more. */
static struct fake_icc *powered(const volatile void *reg, unsigned int *offset)
{
	struct fake_icc *icc = icc_at(reg, offset);

	if (!icc)
		broken("an access to no redistributor");
	if (icc->no_power)
		broken("an external abort that EL2 does not expect");
	return icc;
}

static void set_active(struct fake_icc *icc, u32 bit)
{
	if (icc->phys_active & bit)
		broken("a physical interrupt is made active that is active");
	icc->phys_active |= bit;
}

static void clear_active(struct fake_icc *icc, u32 bit)
{
	if (!(icc->phys_active & bit) && !icc->had_no_power)
		broken("a physical interrupt is deactivated that is not active");
	icc->phys_active &= ~bit;
}

/* ---- a GICv2: GICH, and GICD as far as it is each CPU's own (ARM IHI 0048, 4.3 and 5.3) ---- */

static u8 gich_frame[FRAME_SIZE], gicd_frame[FRAME_SIZE];
u32 fake_secure_sgis;

u8 *fake_gich(void)
{
	return gich_frame;
}

u8 *fake_gicd(void)
{
	return gicd_frame;
}

static bool is_in(const volatile void *reg, const u8 *frame, unsigned int *offset)
{
	*offset = (unsigned int)((uintptr_t)reg - (uintptr_t)frame);
	return (uintptr_t)reg - (uintptr_t)frame < FRAME_SIZE;
}

static u64 lr_from_gich(u32 lr)
{
	return (lr & 0x3ff) | (u64)(lr >> 10 & 0x3ff) << 32 | (u64)(lr >> 23 & 0x1f) << 51 |
	       (u64)(lr >> 28 & 3) << 62 | (lr >> 30 & 1 ? G1 : 0) | (lr >> 31 ? HW : 0);
}

static u32 lr_to_gich(u64 lr)
{
	return (u32)((lr & 0x3ff) | (lr >> 32 & 0x3ff) << 10 | (lr >> 51 & 0x1f) << 23 |
		     (lr >> 62 & 3) << 28 | (lr & G1 ? 1ULL << 30 : 0) |
		     (lr & HW ? 1ULL << 31 : 0));
}

static void write_gich(unsigned int offset, u32 value)
{
	struct fake_icc *icc = fake_this_icc();
	unsigned int n = (offset - 0x100) / 4;

	if (offset == 0x0)
		icc->hcr = value;
	else if (offset == 0x8)
		icc->vmcr = value & 0xf8fffe1f;
	else if (offset == 0xf0)
		icc->ap0r[0] = value;
	else if (n < icc->nr_lrs && offset % 4 == 0)
		ich_write_lr(n, lr_from_gich(value));
	else
		broken("a write to no register of GICH");
}

static u32 read_gich(unsigned int offset)
{
	struct fake_icc *icc = fake_this_icc();
	unsigned int n = (offset - 0x100) / 4;

	if (offset == 0x0)
		return (u32)icc->hcr;
	if (offset == 0x4)
		return (icc->nr_lrs - 1) | (icc->prebits - 1) << 26 | (icc->prebits - 1) << 29;
	if (offset == 0x8)
		return (u32)icc->vmcr;
	if (offset == 0x10)
		return (u32)ich_read_misr();
	if (offset == 0xf0)
		return (u32)icc->ap0r[0];
	if (n < icc->nr_lrs && offset % 4 == 0)
		return lr_to_gich(icc->lr[n]);
	broken("a read of no register of GICH");
	return 0;
}

static void send_fake_sgi(u32 value)
{
	if (value >> 24)
		broken("an SGI with a filter");
	for (unsigned int n = 0; n < FAKE_CPUS; n++)
		if (value >> (16 + n) & 1)
			fake_icc[n].phys_pending |= 1U << (value & 15);
}

static void write_gicd(unsigned int offset, u32 value)
{
	struct fake_icc *icc = fake_this_icc();

	if (offset == GICR_ISACTIVER0)
		set_active(icc, value);
	else if (offset == GICR_ICACTIVER0)
		clear_active(icc, value);
	else if (offset == GICR_ISENABLER0)
		icc->enabled |= value & ~fake_secure_sgis;
	else if (offset == GICR_ICENABLER0)
		icc->enabled &= ~value;
	else if (offset == 0xf00)
		send_fake_sgi(value);
	else if (offset == 0xf1c && (value == 0xff000000 || !value))
		icc->phys_pending &= ~(value >> 16 & 1U << 15);
	else
		broken("a write to a register of GICD that is the host's");
}

static u32 read_gicd(unsigned int offset)
{
	struct fake_icc *icc = fake_this_icc();

	if (offset == GICR_ISENABLER0)
		return icc->enabled;
	return offset == 0x800 ? 0x01010101U << this_cpu()->id : icc->phys_active;
}

void mmio_write32(volatile void *reg, u32 value)
{
	unsigned int offset;
	struct fake_icc *icc;

	if (is_in(reg, gich_frame, &offset)) {
		write_gich(offset, value);
		return;
	}
	if (is_in(reg, gicd_frame, &offset)) {
		write_gicd(offset, value);
		return;
	}
	icc = powered(reg, &offset);
	if (__builtin_popcount(value) != 1)
		broken("a write that is not of one interrupt");
	switch (offset) {
	case GICR_ISPENDR0:
		icc->phys_pending |= value;
		return;
	case GICR_ICPENDR0:
		icc->phys_pending &= ~value;
		return;
	case GICR_ISACTIVER0:
		set_active(icc, value);
		return;
	case GICR_ICACTIVER0:
		clear_active(icc, value);
		return;
	default:
		broken("a write to a register that is the host's");
	}
}

u32 mmio_read32(const volatile void *reg)
{
	unsigned int offset;
	struct fake_icc *icc;

	if (is_in(reg, gich_frame, &offset))
		return read_gich(offset);
	if (is_in(reg, gicd_frame, &offset))
		return read_gicd(offset);
	icc = powered(reg, &offset);
	return offset == GICR_ISACTIVER0 || offset == GICR_ICACTIVER0 ? icc->phys_active
								      : icc->phys_pending;
}

u64 mmio_read64(const volatile void *reg)
{
	broken("a doubleword of an SGI frame");
	return 0;
}

void mmio_write64(volatile void *reg, u64 value)
{
	broken("a doubleword of an SGI frame");
}

/* ---- the guest ---- */

unsigned int fake_source;

/* Of an SGI of a GICv2; a GICv3's list register has zeros there. */
static unsigned int source_of(u64 lr)
{
	return lr & HW ? 0 : (unsigned int)(lr >> 32 & 7);
}

static int best_lr(struct fake_icc *icc, u32 running, bool group1)
{
	int best = -1;

	if (!(icc->hcr & 1) || !(icc->vmcr & (group1 ? 2 : 1)))
		return -1;
	for (unsigned int n = 0; n < icc->nr_lrs; n++) {
		u64 lr = icc->lr[n];
		u32 priority = (u32)(lr >> 48) & 0xff;

		if ((lr & (P | A)) != P || !(lr & G1) == group1)
			continue;
		if (priority >= running || priority >= (icc->vmcr >> 24 & 0xff))
			continue;
		if (best < 0 || priority < ((u32)(icc->lr[best] >> 48) & 0xff))
			best = (int)n;
	}
	return best;
}

u32 fake_guest_pending(u32 running, bool group1)
{
	int n = best_lr(fake_this_icc(), running, group1);

	return n < 0 ? FAKE_NONE : (u32)fake_this_icc()->lr[n];
}

u32 fake_guest_ack(u32 running, bool group1, u32 *priority)
{
	struct fake_icc *icc = fake_this_icc();
	int n = best_lr(icc, running, group1);

	if (n < 0)
		return FAKE_NONE;
	fake_source = source_of(icc->lr[n]);
	icc->lr[n] &= ~P;
	if ((u32)icc->lr[n] < FIRST_LPI || fake_lpis_become_active)
		icc->lr[n] |= A;
	*priority = (u32)(icc->lr[n] >> 48) & 0xff;
	return (u32)icc->lr[n];
}

/* The highest priority of the groups that are enabled; of both the same: group 0's. */
u32 fake_guest_best(u32 running, bool *group1)
{
	struct fake_icc *icc = fake_this_icc();
	int g0 = best_lr(icc, running, false), g1 = best_lr(icc, running, true);

	*group1 = g1 >= 0 && (g0 < 0 || (icc->lr[g1] >> 48 & 0xff) < (icc->lr[g0] >> 48 & 0xff));
	return fake_guest_pending(running, *group1);
}

static void deactivate(struct fake_icc *icc, u32 intid)
{
	for (unsigned int n = 0; n < icc->nr_lrs; n++) {
		if (!(icc->lr[n] & A) || (u32)icc->lr[n] != intid ||
		    (intid < 16 && source_of(icc->lr[n]) != fake_source))
			continue;
		icc->lr[n] &= ~A;
		if (icc->lr[n] & HW)
			clear_active(icc, 1U << ((u32)(icc->lr[n] >> 32) & 0x1f));
		return;
	}
	if (intid < FIRST_LPI)
		icc->hcr += 1ULL << 27;
}

void fake_guest_eoi(u32 intid)
{
	struct fake_icc *icc = fake_this_icc();

	if (!(icc->vmcr & EOIM))
		deactivate(icc, intid);
}

bool fake_guest_dir(u32 intid)
{
	struct fake_icc *icc = fake_this_icc();

	if (icc->hcr & TDIR)
		return true;
	if (icc->vmcr & EOIM)
		deactivate(icc, intid);
	return false;
}
