// SPDX-License-Identifier: BSD-2-Clause
/* Registers of vCPUs with an EL2, by the layer that has them. See el2.h. */
#include <trap/el2.h>
#include <vm/run.h>

static const struct trap_el2 *registered;

void trap_set_el2(const struct trap_el2 *el2)
{
	registered = el2;
}

const struct trap_el2 *trap_el2(void)
{
	return registered;
}

u64 trap_read_el1(const struct vcpu *vcpu, enum vcpu_sysreg reg)
{
	return vcpu->nested ? registered->read_el1(vcpu, reg) : vcpu_read_sysreg(vcpu, reg);
}

void trap_write_el1(struct vcpu *vcpu, enum vcpu_sysreg reg, u64 value)
{
	if (vcpu->nested)
		registered->write_el1(vcpu, reg, value);
	else
		vcpu_write_sysreg(vcpu, reg, value);
}
