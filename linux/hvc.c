// SPDX-License-Identifier: GPL-2.0
/* The hypercall, and functions for its usual forms. */
#include <linux/errno.h>

#include "keel.h"

/* Enough for any one call: a level of tables takes one page, and the range of a call is bounded. */
#define TOPUPS_PER_CALL 64

/* A call that owns a vCPU ends within some ten thousand instructions. */
#define BUSY_TRIES 10000

/* The values are copied to a local structure first; see keel_hvc_run(). */
long keel_hvc(struct keel_regs *regs)
{
	struct keel_regs in = *regs, out;
	register unsigned long x0 asm("x0") = in.x[0];
	register unsigned long x1 asm("x1") = in.x[1];
	register unsigned long x2 asm("x2") = in.x[2];
	register unsigned long x3 asm("x3") = in.x[3];
	register unsigned long x4 asm("x4") = in.x[4];
	register unsigned long x5 asm("x5") = in.x[5];
	register unsigned long x6 asm("x6") = in.x[6];

	asm volatile("hvc #0"
		     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6)
		     :
		     : "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
		       "cc", "memory");
	out = (struct keel_regs){ { x0, x1, x2, x3, x4, x5, x6 } };
	*regs = out;
	return (long)out.x[0];
}

long keel_call(u32 fid, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out)
{
	struct keel_regs regs = { { fid, a1, a2, a3, a4, a5 } };
	long ret = keel_hvc(&regs);

	if (out)
		*out = regs.x[1];
	return ret;
}

/* Donate what EL2 lacks, according to @err: pages of its own pool, or of the pool of @vm. */
static int give_pages(struct keel_vm *vm, long err)
{
	return err == -ENOBUFS ? keel_pool_topup() : keel_topup(vm);
}

long keel_giving_call(u32 fid, u64 a1, u64 a2, u64 a3, u64 *out)
{
	long ret;

	for (unsigned int topups = 0; topups <= TOPUPS_PER_CALL; topups++) {
		ret = keel_inject() ? -ENOBUFS : keel_call(fid, a1, a2, a3, 0, 0, out);
		if (ret != -ENOBUFS || keel_pool_topup())
			break;
	}
	return ret == -ENOBUFS ? -ENOMEM : ret;
}

/*
 * EL2 takes ownership of all vCPUs to create or reset the GIC. If another CPU owns one of them for
 * a call, both calls can get -EBUSY, for a short time. The caller of a reset repeats it itself,
 * since a running vCPU is in its way as well. -EBUSY is also the final answer for a register that
 * can only be set before the first run.
 */
static long call_when_free(struct keel_vm *vm, u32 fid, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out)
{
	unsigned int tries = fid == KEEL_HC_VGIC_RESET ? 1 : BUSY_TRIES;
	long ret;

	for (;;) {
		ret = keel_call(fid, vm->handle, a2, a3, a4, a5, out);
		if (likely(ret != -EBUSY) || !--tries)
			return ret;
		cpu_relax();
	}
}

long keel_vm_call(struct keel_vm *vm, u32 fid, u64 a2, u64 a3, u64 a4, u64 a5, u64 *out)
{
	long ret;

	for (unsigned int topups = 0; topups <= TOPUPS_PER_CALL; topups++) {
		ret = keel_inject() ? -ENOMEM : call_when_free(vm, fid, a2, a3, a4, a5, out);
		if (ret != -ENOMEM && ret != -ENOBUFS)
			return ret;
		if (give_pages(vm, ret))
			break;
	}
	return -ENOMEM;
}

int keel_vm_size(u32 ipa_bits, struct keel_vm_size *size)
{
	struct keel_regs regs = { { KEEL_HC_VM_SIZE, ipa_bits } };
	long ret = keel_hvc(&regs);

	if (ret)
		return ret;
	size->vm_pages = regs.x[1];
	size->vcpu_pages = regs.x[2];
	size->ipa_default = regs.x[3];
	size->ipa_max = regs.x[4] & 0xff;
	size->granule_shift = regs.x[4] >> 8 & 0xff;
	size->gic = regs.x[4] >> 16 & 0xff;
	size->features = regs.x[5];
	size->spe = regs.x[6];
	return 0;
}
