/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM for tests of hyp/trap/: vCPUs are plain memory, and what lies below and beside the
 * layer (run loop, vGIC, timers, firmware, MMU) are functions that record. Included once, by a
 * test.
 */
#ifndef KEEL_TRAP_WORLD_H
#define KEEL_TRAP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arch/at.h>
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/smc.h>
#include <arch/sysreg.h>
#include <cpu/log.h>
#include <lib/errno.h>
#include <lib/esr.h>
#include <spe/spe_vcpu.h>
#include <timer/timer.h>
#include <trap/device.h>
#include <trap/id_regs.h>
#include <trap/sysreg.h>
#include <trap/trap.h>
#include <vgic/vgic.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>

#define WORLD_VCPUS 4
#define VGIC_BASE   0x08000000ULL

static struct world {
	struct percpu percpu;
	struct vm_cpu cpu;
	struct vm vm;
	struct vcpu vcpu[WORLD_VCPUS];
	u64 file[WORLD_VCPUS][VCPU_SYSREG_COUNT];
	struct vcpu_fpstate fp[WORLD_VCPUS];
	struct keel_run run[WORLD_VCPUS];
	struct vgic vgic;
	struct cpu_features features;
	const struct vcpu_hooks *hooks;
	/* what is */
	bool pending;
	u64 deadline;
	s64 firmware; /* answer to SMCCC_ARCH_FEATURES */
	bool firmware_there;
	u64 par;	   /* answer to AT */
	bool at_faults;	   /* AT is an exception at EL2 */
	bool tables_fault; /* that with stage 2 behind it is */
	u64 vgic_data;	   /* what the vGIC's registers read as */
	int sgi_exit;
	/* what happened */
	u64 young_ipa; /* of the last stage2_set_young() */
	unsigned int undefs, aborts, smcs, ats, logs, invalidations, vgic_accesses, sgis, sgis0;
	u64 inject_esr; /* of an undefined access that is told as a trapped one; 0: as UNDEFINED */
	u64 dir, abort_esr, abort_far, vgic_ipa, vgic_written, sgi, timer_written;
	unsigned int vgic_bytes, cpus_on, timers_off;
	enum trap_mmio mmio_answer;
	u64 sve_vqs;
	u32 ppi;
	bool ppi_level;
	u32 timer_encoding;
	bool memory_broken; /* answer to vm_memory_answers() */
	u64 memory_pa;
	unsigned int memory_reads;
	u64 memory_ipa, host_serror; /* ... and its question; ESR_EL2 of switch_host_serror() */
	unsigned int flush_steps;    /* how many the whole of the VM takes */
	unsigned int flushes, flush_calls, hcr_updates;
} w;

#define V (&w.vcpu[0])

/* ---- below and beside ---- */

void vcpu_add_hooks(const struct vcpu_hooks *hooks)
{
	w.hooks = hooks;
}

u64 vcpu_read_sysreg(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return vcpu->sysreg[reg];
}

void vcpu_write_sysreg(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	vcpu->sysreg[reg] = value;
}

u64 switch_sve_vqs(void)
{
	return w.sve_vqs;
}

void vcpu_inject_undef(struct vcpu *vcpu)
{
	w.undefs++;
}

void vcpu_inject(struct vcpu *vcpu, u64 esr, u64 far)
{
	w.undefs++;
	w.inject_esr = esr;
}

void vcpu_inject_external_abort(struct vcpu *vcpu, u64 esr, u64 far)
{
	w.aborts++;
	w.abort_esr = esr;
	w.abort_far = far;
}

bool vcpu_has_pending(struct vcpu *vcpu)
{
	return w.pending;
}

u64 vcpu_deadline(struct vcpu *vcpu)
{
	return w.deadline;
}

void vcpu_wake(struct vcpu *runner, const struct vcpu *vcpu)
{
	runner->run->wake[vcpu->index / 64] |= BIT(vcpu->index % 64);
}

static enum trap_mmio fake_vgic_mmio(struct vcpu *vcpu, u64 ipa, unsigned int bytes, bool write,
				     u64 *data)
{
	if (ipa < VGIC_BASE || ipa >= VGIC_BASE + VGIC_DIST_SIZE)
		return TRAP_MMIO_NOT_MINE;
	w.vgic_accesses++;
	w.vgic_ipa = ipa;
	w.vgic_bytes = bytes;
	if (write)
		w.vgic_written = *data;
	else if (w.mmio_answer == TRAP_MMIO_DONE)
		*data = w.vgic_data;
	return w.mmio_answer;
}

static int fake_vgic_write(struct vcpu *vcpu, u32 encoding, u64 value)
{
	if (encoding == REG_NUM(ICC_DIR_EL1)) {
		w.dir = value;
		return VCPU_RESUME;
	}
	if (encoding == REG_NUM(ICC_SGI1R_EL1))
		w.sgis++;
	else
		w.sgis0++;
	w.sgi = value;
	return w.sgi_exit;
}

void vgic_set_timer(struct vcpu *vcpu, u32 intid, bool level)
{
	w.ppi = intid;
	w.ppi_level = level;
}

static void fake_cpu_on(struct vcpu *vcpu)
{
	w.cpus_on++;
}

static const struct trap_device fake_vgic = { .write = fake_vgic_write,
					      .mmio = fake_vgic_mmio,
					      .cpu_on = fake_cpu_on };

static u64 fake_timer_read(struct vcpu *vcpu, u32 encoding)
{
	w.timer_encoding = encoding;
	return 0x7157;
}

static int fake_timer_write(struct vcpu *vcpu, u32 encoding, u64 value)
{
	w.timer_encoding = encoding;
	w.timer_written = value;
	return VCPU_RESUME;
}

static void fake_timer_on(struct vcpu *vcpu)
{
	w.timers_off++;
}

static const struct trap_device fake_timer = { .read = fake_timer_read,
					       .write = fake_timer_write,
					       .cpu_on = fake_timer_on };

int stage2_set_young(struct stage2 *s2, struct ipa ipa)
{
	assert_ptr_equal(s2, &V->s2->stage2);
	w.young_ipa = ipa.v;
	return 0;
}

void stage2_invalidate_all(const struct stage2 *s2)
{
	assert_ptr_equal(s2, &w.vm.s2.stage2);
	w.invalidations++;
}

int vm_flush_caches(struct vm *vm, u64 *at)
{
	assert_ptr_equal(vm, &w.vm);
	w.flush_calls++;
	if (++*at < w.flush_steps)
		return -EAGAIN;
	w.flushes++;
	return 0;
}

void switch_update_hcr(struct vcpu *vcpu)
{
	assert_ptr_equal(vcpu, V);
	w.hcr_updates++;
}

bool vm_memory_answers(struct vcpu *vcpu, struct ipa ipa, struct pa *pa)
{
	w.memory_reads++;
	w.memory_ipa = ipa.v;
	*pa = PA(w.memory_pa);
	return !w.memory_broken;
}

void switch_host_serror(u64 esr)
{
	w.host_serror = esr;
}

u64 ratelimit(struct ratelimit *rl)
{
	return ++rl->count;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	w.logs++;
}

void arch_smc(u64 regs[18])
{
	w.smcs++;
	regs[0] = w.firmware_there ? (u64)w.firmware : 0;
	if (!w.firmware_there)
		fail_msg("an SMC on a machine without firmware");
}

bool at_s1e1r(u64 va)
{
	w.ats++;
	fake_sysreg_set("par_el1", w.par);
	return !w.at_faults;
}

bool at_s12e1r(u64 va)
{
	w.ats++;
	fake_sysreg_set("par_el1", w.par);
	return !w.tables_fault;
}

/* ---- the machine and its VM ---- */

static inline void set_field(enum id_field field, u64 value)
{
	const struct id_field_desc *desc = id_field_desc(field);
	u64 mask = GENMASK(desc->width - 1, 0) << desc->shift;

	w.features.reg[desc->reg] = (w.features.reg[desc->reg] & ~mask) | value << desc->shift;
}

static inline void world_start(void)
{
	unsigned int i;

	memset(&w, 0, sizeof(w));
	w.vm.s2.stage2.lock = (struct spinlock)SPINLOCK_INIT(LOCK_STAGE2);
	w.percpu.vm_cpu = &w.cpu;
	fake_cpu = &w.percpu;
	fake_sysreg_reset();
	fake_sysreg_set("par_el1", 0x9a9);
	fake_sysreg_set("cntpct_el0", 1000);
	fake_sysreg_set("hcr_el2", 0);
	fake_sysreg_set("sctlr_el1", 0);
	fake_sysreg_set("cntv_ctl_el0", 1);
	fake_sysreg_set("midr_el1", 0x410fd0c1);
	fake_sysreg_set("revidr_el1", 0x11);
	fake_sysreg_set("aidr_el1", 0x22);
	fake_sysreg_set("clidr_el1", 0x123); /* separate, unified, instructions alone */
	fake_sysreg_set("mdscr_el1", 0);
	fake_sysreg_set("csselr_el1", 5);
	fake_sysreg_set("ccsidr_el1", 0x700fe01a);
	w.deadline = ~0ULL;
	w.sgi_exit = VCPU_RESUME;
	w.vm.s2.stage2.geometry.ia_bits = 40;
	w.vm.vgic = &w.vgic;
	w.vm.vgic_first = VGIC_BASE;
	w.vm.vgic_span = VGIC_DIST_SIZE;
	w.mmio_answer = TRAP_MMIO_DONE;
	for (i = 0; i < WORLD_VCPUS; i++) {
		w.vcpu[i] = (struct vcpu){ .vm = &w.vm,
					   .s2 = &w.vm.s2,
					   .sysreg = w.file[i],
					   .fp = &w.fp[i],
					   .run = &w.run[i],
					   .index = i,
					   .mpidr = BIT(31) | i,
					   .initialized = true,
					   .features = BIT(VCPU_PSCI_0_2) };
		w.vcpu[i].regs.pstate = PSR_MODE_EL1h;
		w.vcpu[i].regs.pc = 0x40080000;
		w.vm.vcpus[i] = &w.vcpu[i];
	}
	trap_init(&w.features);
	trap_set_device(TRAP_DEVICE_VGIC, &fake_vgic);
	trap_set_device(TRAP_DEVICE_TIMER, &fake_timer);
	spe_vcpu_set_provider(&spe_emul_ops);
}

static inline int world_setup(void **state)
{
	world_start();
	return 0;
}

/* An exit of class @ec with syndrome @iss. */
static inline int take(struct vcpu *vcpu, u64 ec, u64 iss)
{
	vcpu_exit_handler *handler = w.hooks->exits[ec];

	return handler ? handler(vcpu, FIELD_PREP(ESR_EC, ec) | ESR_IL | iss) : VCPU_NOT_MINE;
}

#endif
