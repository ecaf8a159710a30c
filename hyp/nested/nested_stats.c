// SPDX-License-Identifier: BSD-2-Clause
/*
 * KEEL_HC_VM_NESTED. A counter is where it is counted without a lock of its own: in the vCPU, or in
 * the shadow. Here they are added up, which takes time linear in vCPUs, or shadows. None is read
 * twice, so that a sum is a number that was true for each part at some time of the call.
 */
#include <lib/errno.h>
#include <nested/nested_regs.h>
#include <nested/nested_stats.h>
#include <nested/shadow.h>

static u64 shadow_bytes(const struct shadow_set *set, const struct shadow *shadow)
{
	unsigned int chunks = READ_ONCE(shadow->nr_chunks) + READ_ONCE(shadow->rmap.nr_chunks);

	return set->geometry.root_size + ((u64)chunks << set->chunk_order) * SZ_4K;
}

static u64 of_shadow(const struct shadow_set *set, const struct shadow *shadow, u64 which)
{
	switch (which) {
	case KEEL_NESTED_CONTEXTS:
		return 1;
	case KEEL_NESTED_KEYED:
		return READ_ONCE(shadow->valid);
	case KEEL_NESTED_USED:
		return READ_ONCE(shadow->refs) ? 1 : 0;
	case KEEL_NESTED_BYTES:
		return shadow_bytes(set, shadow);
	case KEEL_NESTED_MAPPED:
		return READ_ONCE(shadow->rmap.count);
	case KEEL_NESTED_PARTIAL:
		return READ_ONCE(shadow->rmap.partial);
	case KEEL_NESTED_CLEARED:
		return READ_ONCE(shadow->cleared);
	case KEEL_NESTED_FORGOTTEN:
		return READ_ONCE(shadow->forgotten);
	default:
		return 0;
	}
}

static u64 of_vcpu(const struct vcpu *vcpu, u64 which)
{
	const struct nested_vcpu *nested = READ_ONCE(vcpu->nested);

	return nested ? READ_ONCE(nested->counters[which - NESTED_COUNTER_FIRST]) : 0;
}

static u64 of_vcpus(const struct vm *vm, u64 which)
{
	u64 sum = 0;

	for (unsigned int i = 0; i < VM_VCPUS_MAX; i++) {
		const struct vcpu *vcpu = __atomic_load_n(&vm->vcpus[i], __ATOMIC_ACQUIRE);

		if (vcpu)
			sum += of_vcpu(vcpu, which);
	}
	return sum;
}

int nested_stat(const struct vm *vm, u64 which, u64 *value)
{
	const struct shadow *shadow = shadow_first_of_all(vm->shadows);

	if (which >= KEEL_NESTED_COUNT)
		return -EINVAL;
	*value = which >= NESTED_COUNTER_FIRST ? of_vcpus(vm, which) : 0;
	for (; shadow; shadow = shadow_next(shadow))
		*value += of_shadow(vm->shadows, shadow, which);
	return 0;
}
