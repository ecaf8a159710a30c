/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The GIC CPU interfaces, fake: list registers that a model of a guest acknowledges and ends
 * interrupts in. fake_ich.c has the model, and ends the test where the architecture's rules for
 * list registers are broken.
 */
#ifndef KEEL_ARCH_ICH_H
#define KEEL_ARCH_ICH_H

#include <lib/types.h>

#define ICH_LR_MAX 16
#define ICC_INTID  0xffffff

/* ---- what the code under test calls: on the CPU this_cpu() ---- */

u64 ich_read_lr(unsigned int n);
void ich_write_lr(unsigned int n, u64 value);
void ich_read_apr(u64 ap0r[4], u64 ap1r[4], unsigned int count);
void ich_write_apr(const u64 ap0r[4], const u64 ap1r[4], unsigned int count);
u64 ich_read_hcr(void);
void ich_write_hcr(u64 value);
u64 ich_read_vmcr(void);
void ich_write_vmcr(u64 value);
u64 ich_read_vtr(void);
u64 ich_read_misr(void);
bool icc_present(void);
bool interrupt_waits(void);
void icc_open_sre(bool open);

/* ---- what tests call ---- */

#define FAKE_CPUS  8
#define FAKE_NONE  1023
#define FAKE_STACK 128

struct fake_icc {
	u64 lr[ICH_LR_MAX], hcr, vmcr, ap0r[4], ap1r[4];
	unsigned int nr_lrs, prebits; /* what ICH_VTR_EL2 says */
	bool absent;		      /* this CPU has no interface */
	bool host_waits;	      /* an interrupt of the host's is pending */
	bool sre_open;
	u32 phys_pending, phys_active; /* physical SGIs and PPIs: inputs; active */
	u32 enabled;		       /* a GICv2's GICD_ISENABLER0 */
	bool no_power, had_no_power;   /* its redistributor does not answer; or did not once... */
	unsigned int faults;	       /* ... so many times */
};

extern struct fake_icc fake_icc[FAKE_CPUS];
extern unsigned int fake_nr_lrs;
/* Called by interrupt_waits(), which a CPU asks while it waits for others: let them go on. */
extern void (*fake_others_go_on)(void);
extern bool fake_icc_present;
/* Whether an LPI is active in its list register once it is taken, as on some CPUs. */
extern bool fake_lpis_become_active;

/* All CPUs as after reset, with so many list registers and PREbits + 1 bits of preemption. */
void fake_ich_reset(unsigned int lrs, unsigned int prebits);
/* A CPU's redistributor, as struct percpu has it: the registers of arch/gicr.h, no other. */
void *fake_gicr(unsigned int cpu);
/* A GICv2's GICH and GICD, as each CPU sees them; SGIs that are not there for the Non-secure world. */
u8 *fake_gich(void);
u8 *fake_gicd(void);
extern u32 fake_secure_sgis;
/* Called when an access of it faults. */
extern void (*fake_gicr_faults)(void);
/* It is cut off from power, or gets it back: what it held is lost. */
void fake_gicr_power(unsigned int cpu, bool on);
/* This CPU's. */
struct fake_icc *fake_this_icc(void);
/* The INTID that the guest would be interrupted for now, if its running priority is @running. */
u32 fake_guest_pending(u32 running, bool group1);
/* Read ICC_IAR<n>; priority of what was acknowledged. FAKE_NONE. */
u32 fake_guest_ack(u32 running, bool group1, u32 *priority);
/* With a GICv2, who sent the SGI that was acknowledged; and what the guest writes with its INTID to
 * end it. */
extern unsigned int fake_source;
/* What the guest would be interrupted for now, of both groups; FAKE_NONE. */
u32 fake_guest_best(u32 running, bool *group1);
/* Write ICC_EOIR<n>: with EOImode=0 that deactivates. (Priorities are the caller's to keep.) */
void fake_guest_eoi(u32 intid);
/* Write ICC_DIR. True: it traps, and nothing was done. */
bool fake_guest_dir(u32 intid);
/* What interrupts this CPU, the lowest INTID: a private interrupt,
 * maintenance included; FAKE_NONE. */
u32 fake_irq(void);

#endif
