// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/trap/trap.c hyp/trap/one_reg.c hyp/trap/abort.c tests/unit/fake_panic.c hyp/trap/error.c hyp/trap/sysreg.c hyp/trap/el2.c hyp/trap/set_way.c hyp/trap/debug.c hyp/trap/device.c hyp/spe/spe_vcpu.c hyp/spe/spe_emul_regs.c hyp/spe/spe_debug.c hyp/spe/spe_arm.c hyp/spe/spe_regs.c hyp/trap/id_regs.c hyp/trap/impl_regs.c hyp/trap/guest_psci.c hyp/trap/guest_smccc.c hyp/cpu/features.c hyp/lib/printf.c tests/unit/arch/fake_sysreg.c hyp/cpu/errata.c hyp/cpu/hw_errors.c hyp/vm/serror.c */
/* LIBS: -lcmocka */
/*
 * A guest that does anything it likes, and a userspace that sets any register: exits of every class
 * with any syndrome and any register contents, answers of the host to them, and KVM's ONE_REG in
 * between. After each step the vCPU is one that an architecture could have left behind.
 */
#include "../unit/trap_world.h"
#include "steps.h"

#include <trap/one_reg.h>

#define LIST_MAX 1024

static u64 ids[LIST_MAX], nr_ids;

static void broken(const char *rule, u64 value)
{
	fprintf(stderr, "traps: %s (%#llx)\n", rule, (unsigned long long)value);
	abort();
}

static u64 rnd64(void)
{
	return (u64)rnd(1U << 16) << 48 | (u64)rnd(1U << 16) << 32 | (u64)rnd(1U << 16) << 16 |
	       rnd(1U << 16);
}

/* Numbers that mean something more often than chance has it. */
static u64 some_value(void)
{
	static const u64 values[] = { 0,
				      1,
				      2,
				      3,
				      ~0ULL,
				      0x84000000,
				      0xc4000003,
				      0x8400000a,
				      0x80000001,
				      0xc5000020,
				      0x84000053,
				      VGIC_BASE,
				      VGIC_BASE + 0x100 };

	switch (rnd(4)) {
	case 0:
		return values[rnd(ARRAY_SIZE(values))];
	case 1:
		return BIT(rnd(64));
	case 2:
		return 0x84000000 + rnd(64) + ((u64)rnd(2) << 30);
	default:
		return rnd64();
	}
}

static u32 some_encoding(void)
{
	const struct sysreg_row *row = sysreg_row(rnd((u32)sysreg_count()));

	return rnd(4) ? (u32)row->first + rnd((u32)(row->last - row->first) + 1) : rnd(0x10000);
}

static u64 sysreg_iss(void)
{
	u32 enc = some_encoding();

	return FIELD_PREP(ESR_SYS64_OP0, enc >> 14) | FIELD_PREP(ESR_SYS64_OP1, enc >> 11 & 7) |
	       FIELD_PREP(ESR_SYS64_CRN, enc >> 7 & 15) | FIELD_PREP(ESR_SYS64_CRM, enc >> 3 & 15) |
	       FIELD_PREP(ESR_SYS64_OP2, enc & 7) | FIELD_PREP(ESR_SYS64_RT, rnd(32)) |
	       (rnd(2) ? ESR_SYS64_READ : 0);
}

static void check_exit(int ret)
{
	if (ret != VCPU_RESUME && ret != VCPU_NOT_MINE && (ret < 0 || ret > KEEL_EXIT_ABORT))
		broken("an exit that there is not", (u64)ret);
}

static void check_vcpu(void)
{
	u32 bytes = V->run->mmio.bytes;

	if (bytes > 8 || (bytes & (bytes - 1)))
		broken("an access of so many bytes", bytes);
	if (V->power != VCPU_RUNNABLE && V->power != VCPU_STOPPED)
		broken("a power state that there is not", V->power);
	for (unsigned int i = 1; i < WORLD_VCPUS; i++)
		if (w.vcpu[i].regs.x[5] != i)
			broken("another vCPU's register was changed, of vCPU", i);
}

static void prepare(void)
{
	static const u64 modes[] = { PSR_MODE_EL0t, PSR_MODE_EL1t, PSR_MODE_EL1h };

	for (unsigned int i = 0; i < 4; i++)
		V->regs.x[rnd(31)] = some_value();
	if (!rnd(8))
		V->regs.pstate = modes[rnd(ARRAY_SIZE(modes))] |
				 (rnd64() & (0xf0200000 | PSR_DAIF));
	w.pending = rnd(2);
	w.deadline = some_value();
	w.sgi_exit = rnd(2) ? VCPU_RESUME : KEEL_EXIT_IRQ;
	w.par = rnd64();
	w.vgic_data = rnd64();
	w.flush_steps = 1 + rnd(3);
	fake_sysreg_set("hpfar_el2", FIELD_PREP(HPFAR_FIPA, some_value() >> 12));
	fake_sysreg_set("far_el2", some_value());
}

static void check_pc(u64 before, int ret)
{
	u64 moved = V->regs.pc - before;

	if (moved != 0 && moved != 4 && moved != 2)
		broken("the program counter moved by", moved);
	if (ret == KEEL_EXIT_FAULT && moved)
		broken("a fault that is not repeated", moved);
}

static void trap(unsigned int ec)
{
	u64 pc = V->regs.pc;
	int ret;

	prepare();
	ret = take(V, ec, ec == ESR_EC_SYS64 ? sysreg_iss() : rnd64() & GENMASK(24, 0));
	check_exit(ret);
	check_pc(pc, ret);
	if (V->power != VCPU_RUNNABLE) /* as if another had turned it on again */
		V->power = VCPU_RUNNABLE;
}

static void answer(void)
{
	V->run->answer = rnd(8) ? rnd(6) : rnd64();
	for (unsigned int i = 0; i < 8; i++)
		V->run->mmio.data[i] = (u8)rnd(256);
	V->run->mmio.bytes = rnd(2) ? 4 : (u32)rnd64(); /* which is not believed */
	check_exit(w.hooks->resume(V));
	V->run->mmio.bytes = 0;
}

static void list_registers(void)
{
	if (one_reg_list(V, 0, ids, LIST_MAX, &nr_ids) || nr_ids > LIST_MAX)
		broken("the list of registers", nr_ids);
}

/* What is listed reads, and what was read can be written. */
static void read_and_write_back(u64 id)
{
	u64 value[ONE_REG_BYTES_MAX / 8] = { 0 };

	if (one_reg_get(V, id, value))
		broken("a listed register cannot be read", id);
	if (one_reg_set(V, id, value))
		broken("a register does not take what it was", id);
}

static void set_anything(void)
{
	u64 id = rnd(4) ? ids[rnd((u32)nr_ids)] : ids[rnd((u32)nr_ids)] ^ BIT(rnd(64));
	u64 value[ONE_REG_BYTES_MAX / 8];
	int ret;

	for (unsigned int i = 0; i < ARRAY_SIZE(value); i++)
		value[i] = some_value();
	ret = one_reg_set(V, id, value);
	if (ret && ret != -EINVAL && ret != -ENOENT && ret != -EBUSY && ret != -EPERM)
		broken("an error that is not documented", (u64)ret);
}

static void one_reg(void)
{
	if (rnd(2))
		set_anything();
	else
		read_and_write_back(ids[rnd((u32)nr_ids)]);
}

static void load_or_put(void)
{
	if (w.cpu.vcpu) {
		w.hooks->put(V);
		w.cpu.vcpu = NULL;
	} else {
		w.cpu.vcpu = V;
		w.hooks->load(V);
	}
}

static void step(void)
{
	static const unsigned int classes[] = { ESR_EC_DABT_LOWER, ESR_EC_IABT_LOWER, ESR_EC_WFX,
						ESR_EC_HVC64, ESR_EC_SMC64 };

	switch (rnd(8)) {
	case 0:
		trap(rnd(64));
		break;
	case 1:
	case 2:
		trap(classes[rnd(ARRAY_SIZE(classes))]);
		break;
	case 3:
		answer();
		break;
	case 4:
		one_reg();
		break;
	case 5:
		if (rnd(16))
			load_or_put();
		else
			w.hooks->reset(V);
		break;
	default:
		trap(ESR_EC_SYS64);
	}
	check_vcpu();
}

/* Six breakpoints and four watchpoints. */
static void debug_registers(void)
{
	static const char *const names[] = { "dbgbvr%u_el1", "dbgbcr%u_el1", "dbgwvr%u_el1",
					     "dbgwcr%u_el1" };
	char name[24];

	for (unsigned int i = 0; i < 6; i++)
		for (unsigned int k = 0; k < (i < 4 ? 4 : 2); k++) {
			snprintf(name, sizeof(name), names[k], i);
			fake_sysreg_set(name, 0);
		}
	fake_sysreg_set("id_aa64dfr0_el1", 0x305006);
	set_field(ID_DFR0_BRPs, 5);
	set_field(ID_DFR0_WRPs, 3);
}

static void start(void)
{
	world_start();
	debug_registers();
	w.firmware_there = true;
	w.sve_vqs = 0xffff;
	w.vm.has_run = rnd(2);
	for (unsigned int i = 0; i < WORLD_VCPUS; i++) {
		w.vcpu[i].regs.x[5] = i;
		w.vcpu[i].power = i % 2 ? VCPU_STOPPED : VCPU_RUNNABLE;
		w.vcpu[i].features |= rnd(2) ? BIT(VCPU_SVE) : 0;
	}
	w.hooks->reset(V);
	list_registers();
}

/* FUZZ_STANDALONE: see steps.h */
STEPS_MAIN("traps", start, step)
