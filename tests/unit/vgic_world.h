/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM with a vGIC and running vCPUs, vCPU n on CPU n, with a guest that takes interrupts when the
 * test says. Takes the place of the run loop: the hooks are called as by vm/run.c.
 */
#ifndef KEEL_VGIC_WORLD_H
#define KEEL_VGIC_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arch/ich.h>
#include <arch/percpu.h>
#include <cpu/percpu.h>
#include <keel/hypercall.h>
#include <lib/errno.h>
#include <trap/device.h>
#include <vgic/vgic.h>
#include <vm/vm_ops.h>

#define DIST	   0x08000000ULL
#define REDIST	   0x080a0000ULL
#define WORLD_CPUS 4

extern struct vm world_vm;
extern struct vcpu world_vcpu[WORLD_CPUS];
/* The vGIC's hooks, and those that were registered last. */
extern const struct vcpu_hooks *world_vgic_hooks, *world_last_hooks;
/* vCPUs that vcpu_wake() named, a bit each. */
extern u32 world_woken;
/* How often vcpu_tell_ended() named each interrupt. */
extern unsigned int world_ended[1024];
/* The level that the physical PPI 27 of each CPU has. */
extern bool world_phys27[WORLD_CPUS];

/* A new VM of @cpus vCPUs, with its vGIC of @irqs interrupts; all loaded, group 1 and all on,
 * SPIs levels. */
void world_start(unsigned int lrs, unsigned int cpus, u32 irqs);
/* Only the VM; vgic_create() is up to the test. */
void world_start_without_vgic(unsigned int lrs, unsigned int cpus);
/* vgic_create(), with the lock that it needs. */
int world_create(u64 dist, u64 redist, u64 irqs);
/* The same with only @count redistributors, 0 for all; and vgic_place(). */
int world_create_some(u64 dist, u64 redist, u64 irqs, u64 count);
int world_add_region(u64 base, u64 count);
/* vgic_reset(), until it is done. */
void world_reset_vgic(void);
/* The same with a GICv2, on a machine that has one: its interrupts are of group 0. */
#define WORLD_GICC 0x08010000ULL /* of the VM */
#define WORLD_GICV 0x08040000ULL /* of the machine */
void world_start_v2(unsigned int lrs, unsigned int cpus, u32 irqs);
void world_start_v2_without_vgic(unsigned int lrs, unsigned int cpus);
/* What vm_map_own_device() returns, and where it has mapped the CPU interface, or 0. */
extern int world_map_result;
extern u64 world_mapped;
/* What world_start() does once there is a vGIC: the vCPUs are loaded, group 1 and all are on. */
void world_go(void);

/* Be on vCPU @n's CPU. */
struct vcpu *on(unsigned int n);
void world_load(unsigned int n);
void world_put(unsigned int n);
/* An exit of the guest and its next entry; all physical interrupts are handled. */
void world_exit(unsigned int n);
/* The hook before an entry, where there is something for it (call_enter() of vm/exit.c). */
static inline enum vcpu_action world_enter(struct vcpu *vcpu)
{
	return vcpu_has_attention(vcpu) ? world_vgic_hooks->enter(vcpu) : VCPU_RESUME;
}
/* The guest has run: only the physical interrupts that this has caused are handled. */
void world_serve(unsigned int n);
/* vCPUs that have been notified, by waking them or by a kick. */
u32 world_told(void);
/* world_exit() of all vCPUs that were notified or that left to the host. */
void world_kick(void);

/* Accesses of the guest on vCPU @n. */
u64 rd(unsigned int n, u64 ipa, unsigned int bytes);
void wr(unsigned int n, u64 ipa, unsigned int bytes, u64 value);
static inline u64 gicr(unsigned int n, u64 offset)
{
	return REDIST + n * 0x20000ULL + offset;
}
static inline u64 sgi_frame(unsigned int n, u64 offset)
{
	return gicr(n, 0x10000 + offset);
}

/* Acknowledge and end on vCPU @n at idle priority; FAKE_NONE. */
u32 ack(unsigned int n);
void eoi(unsigned int n, u32 intid);
/* Deactivate by ICC_DIR_EL1, whether or not that traps; or by GICC_DIR, of fake_source an SGI. */
void dir(unsigned int n, u32 intid);

/* vgic_sane(), and what must hold of the hardware at any time. */
void world_check(void);

#endif
