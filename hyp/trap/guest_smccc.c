// SPDX-License-Identifier: BSD-2-Clause
/*
 * SMCCC for guests. A call is carried out at EL2 and returns at once, with two exceptions: random
 * numbers on a CPU without FEAT_RNG, and the host's clock. For these the run ends with
 * KEEL_EXIT_ENTROPY or KEEL_EXIT_CLOCK, the host writes the answer to the run page, and
 * guest_smccc_resume() finishes the call at the next run.
 *
 * Mitigations of the firmware (SMCCC_ARCH_WORKAROUND_<n>) are passed through. A vCPU can move to
 * any CPU, so a guest is told the state of the CPU where it is worst.
 */
#include <arch/smc.h>
#include <arch/sysreg.h>
#include <lib/errno.h>
#include <lib/psci_abi.h>
#include <lib/smccc.h>
#include <trap/guest_psci.h>
#include <trap/guest_smccc.h>
#include <vm/run_page.h>

#define SMCCC_VERSION_1_1 0x10001

/* DEN 0028, 7.3 to 7.8 */
#define SMCCC_ARCH_FEATURES	  0x80000001U
#define SMCCC_ARCH_WORKAROUND_1	  0x80008000U
#define SMCCC_ARCH_WORKAROUND_2	  0x80007fffU
#define SMCCC_ARCH_WORKAROUND_3	  0x80003fffU
#define WORKAROUND_RET_NEEDED	  0
#define WORKAROUND_RET_NOT_NEEDED 1
#define WORKAROUND_2_NOT_REQUIRED (-2)

/* DEN 0098: random numbers */
#define TRNG_VERSION	    0x84000050U
#define TRNG_FEATURES	    0x84000051U
#define TRNG_GET_UUID	    0x84000052U
#define TRNG_RND	    0x84000053U
#define TRNG_VERSION_1_0    0x10000
#define TRNG_INVALID_PARAMS (-2)
#define TRNG_NO_ENTROPY	    (-3)
#define RNDRRS_TRIES	    8

/* DEN 0057: stolen time */
#define PV_TIME_FEATURES 0xc5000020U
#define PV_TIME_ST	 0xc5000021U

/* KVM's (Linux: Documentation/virt/kvm/arm/hypercalls.rst) */
#define VENDOR_HYP_FEATURES 0x86000000U
#define VENDOR_HYP_PTP	    0x86000001U
#define VENDOR_HYP_UID	    0x8600ff01U
#define PTP_VIRTUAL_COUNT   0
#define PTP_PHYSICAL_COUNT  1

/* vcpu->call_pending */
enum pending_call { PENDING_NONE, PENDING_RND, PENDING_PTP };

static const struct cpu_features *machine;

static void set_call_result(struct vcpu *vcpu, s64 result)
{
	vcpu->regs.x[0] = (u64)result;
}

static enum vcpu_action not_supported(struct vcpu *vcpu)
{
	set_call_result(vcpu, SMCCC_RET_NOT_SUPPORTED);
	return VCPU_RESUME;
}

/* ---- services that userspace can turn off ---- */

static const u64 services_there[GUEST_SMCCC_GROUPS] = {
	[GUEST_SMCCC_STD] = GUEST_SMCCC_TRNG,
	[GUEST_SMCCC_STD_HYP] = GUEST_SMCCC_PV_TIME,
	[GUEST_SMCCC_VENDOR_HYP] = GUEST_SMCCC_FEATURES | GUEST_SMCCC_PTP,
};

u64 guest_smccc_services(const struct vm *vm, enum guest_smccc_group group)
{
	return services_there[group] & ~READ_ONCE(vm->smccc_off[group]);
}

int guest_smccc_set_services(struct vm *vm, enum guest_smccc_group group, u64 services)
{
	if (services & ~services_there[group])
		return -EINVAL;
	if (services == guest_smccc_services(vm, group))
		return 0;
	if (READ_ONCE(vm->has_run))
		return -EBUSY;
	WRITE_ONCE(vm->smccc_off[group], ~services);
	return 0;
}

/* ---- mitigations ---- */

static const u32 workaround_fids[] = {
	SMCCC_ARCH_WORKAROUND_1,
	SMCCC_ARCH_WORKAROUND_2,
	SMCCC_ARCH_WORKAROUND_3,
};

/*
 * enum workaround_state, the worst of all CPUs that have come up: a vCPU can move to any of them.
 */
static u8 workarounds[ARRAY_SIZE(workaround_fids)];

static u64 id_field(const struct cpu_id_regs *id, enum id_field field)
{
	const struct id_field_desc *d = id_field_desc(field);

	return id->reg[d->reg] >> d->shift & GENMASK(d->width - 1, 0);
}

/* SMCCC_ARCH_FEATURES of the firmware. Without EL3 there is none. */
static s64 ask_firmware(const struct cpu_id_regs *id, u32 fid)
{
	u64 regs[18] = { SMCCC_ARCH_FEATURES, fid };

	if (!id_field(id, ID_PFR0_EL3))
		return SMCCC_RET_NOT_SUPPORTED;
	arch_smc(regs);
	return (s32)(u32)regs[0];
}

/* Whether the CPU's ID registers say that predictions do not cross contexts. */
static bool cpu_is_safe(const struct cpu_id_regs *id, unsigned int n)
{
	if (n == 1)
		return id_field(id, ID_PFR0_CSV2) >= 1;
	return n == 3 && (id_field(id, ID_PFR0_CSV2) >= 3 || id_field(id, ID_MMFR1_ECBHB));
}

/*
 * Workaround 2 is a switch of the CPU, which would stay as the guest sets it while the CPU does
 * other work. So a guest does not get it; it can only learn that it is not needed.
 */
static enum workaround_state workaround_here(const struct cpu_id_regs *id, unsigned int n)
{
	s64 ret;

	if (cpu_is_safe(id, n))
		return WORKAROUND_NOT_NEEDED;
	ret = ask_firmware(id, workaround_fids[n - 1]);
	if (ret == WORKAROUND_RET_NOT_NEEDED || (n == 2 && ret == WORKAROUND_2_NOT_REQUIRED))
		return WORKAROUND_NOT_NEEDED;
	return ret == WORKAROUND_RET_NEEDED && n != 2 ? WORKAROUND_NEEDED : WORKAROUND_NONE;
}

/* Atomic, because two CPUs can come up at a time. */
void guest_smccc_cpu_online(const struct cpu_id_regs *id)
{
	for (unsigned int n = 1; n <= ARRAY_SIZE(workarounds); n++) {
		u8 here = (u8)workaround_here(id, n), worst = READ_ONCE(workarounds[n - 1]);

		while (here < worst &&
		       !__atomic_compare_exchange_n(&workarounds[n - 1], &worst, here, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
	}
}

void guest_smccc_init(const struct cpu_features *features)
{
	machine = features;
	for (unsigned int i = 0; i < ARRAY_SIZE(workarounds); i++)
		workarounds[i] = WORKAROUND_NOT_NEEDED;
}

enum workaround_state guest_smccc_workaround(unsigned int n)
{
	return (enum workaround_state)READ_ONCE(workarounds[n - 1]);
}

static s64 workaround_features(unsigned int n)
{
	switch (guest_smccc_workaround(n)) {
	case WORKAROUND_NEEDED:
		return WORKAROUND_RET_NEEDED;
	case WORKAROUND_NOT_NEEDED:
		return n == 2 ? WORKAROUND_2_NOT_REQUIRED : WORKAROUND_RET_NOT_NEEDED;
	default:
		return SMCCC_RET_NOT_SUPPORTED;
	}
}

/*
 * A mitigation's call has no result. If the CPU does not need it, it may be made and does nothing.
 */
static enum vcpu_action call_workaround(struct vcpu *vcpu, unsigned int n)
{
	u64 regs[18] = { workaround_fids[n - 1] };

	if (n == 2 || guest_smccc_workaround(n) == WORKAROUND_NONE)
		return not_supported(vcpu);
	if (guest_smccc_workaround(n) == WORKAROUND_NEEDED)
		arch_smc(regs);
	set_call_result(vcpu, SMCCC_RET_SUCCESS);
	return VCPU_RESUME;
}

static unsigned int workaround_number(u32 fid)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(workaround_fids); i++)
		if (workaround_fids[i] == fid)
			return i + 1;
	return 0;
}

static bool has_pv_time(const struct vm *vm)
{
	return guest_smccc_services(vm, GUEST_SMCCC_STD_HYP) & GUEST_SMCCC_PV_TIME;
}

static s64 arch_features(const struct vm *vm, u32 fid)
{
	unsigned int n = workaround_number(fid);

	if (n)
		return workaround_features(n);
	if (fid == PV_TIME_FEATURES)
		return has_pv_time(vm) ? SMCCC_RET_SUCCESS : SMCCC_RET_NOT_SUPPORTED;
	return fid == SMCCC_VERSION || fid == SMCCC_ARCH_FEATURES ? SMCCC_RET_SUCCESS
								  : SMCCC_RET_NOT_SUPPORTED;
}

/* ---- random numbers ---- */

static bool trng_has(const struct vm *vm, u32 fid)
{
	switch (fid) {
	case TRNG_VERSION:
	case TRNG_FEATURES:
	case TRNG_GET_UUID:
	case TRNG_RND:
	case TRNG_RND | SMCCC_64:
		return guest_smccc_services(vm, GUEST_SMCCC_STD) & GUEST_SMCCC_TRNG;
	default:
		return false;
	}
}

/* A random word of the CPU's, or of the host's if the CPU has no source; 0 if there is none now. */
static u64 trng_random_word(struct vcpu *vcpu, unsigned int i)
{
	u64 word = 0;

	if (!cpu_has(machine, FEAT_RNG))
		return run_read64(vcpu, &vcpu->run->entropy.word[i]);
	for (unsigned int tries = 0; tries < RNDRRS_TRIES && !word; tries++)
		(void)try_read_sysreg(ASM_REG(RNDRRS), &word); /* leaves 0 if it fails */
	return word;
}

/* @bits of entropy, @width in each word of @out, the least significant word last. */
static s64 trng_words(struct vcpu *vcpu, u64 out[3], u64 bits, unsigned int width)
{
	unsigned int take;

	if (!bits || bits > 3 * width)
		return TRNG_INVALID_PARAMS;
	for (unsigned int i = 3; i-- > 0 && bits; bits -= take) {
		take = bits < width ? (unsigned int)bits : width;
		out[i] = trng_random_word(vcpu, i);
		if (!out[i])
			return TRNG_NO_ENTROPY;
		out[i] &= GENMASK(take - 1, 0);
	}
	return SMCCC_RET_SUCCESS;
}

/* TRNG_RND: as many bits of entropy as x1 says, in x1..x3; zeros with an error. */
static void trng_rnd(struct vcpu *vcpu)
{
	bool wide = vcpu->regs.x[0] & SMCCC_64;
	u64 *x = vcpu->regs.x, out[3] = { 0 };
	s64 ret = trng_words(vcpu, out, wide ? x[1] : (u32)x[1], wide ? 64 : 32);

	for (unsigned int i = 0; i < 3; i++)
		x[1 + i] = ret ? 0 : out[i];
	set_call_result(vcpu, ret);
}

/* Without FEAT_RNG the host is asked, and guest_smccc_resume() finishes the call. */
static enum vcpu_action call_trng_rnd(struct vcpu *vcpu)
{
	if (cpu_has(machine, FEAT_RNG)) {
		trng_rnd(vcpu);
		return VCPU_RESUME;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(vcpu->run->entropy.word); i++)
		run_write64(vcpu, &vcpu->run->entropy.word[i], 0);
	vcpu->call_pending = PENDING_RND;
	return vcpu_to_host(KEEL_EXIT_ENTROPY);
}

static enum vcpu_action trng_call(struct vcpu *vcpu, u32 fid)
{
	u64 *x = vcpu->regs.x;

	switch (fid) {
	case TRNG_VERSION:
		set_call_result(vcpu, TRNG_VERSION_1_0);
		break;
	case TRNG_FEATURES:
		set_call_result(vcpu, trng_has(vcpu->vm, (u32)x[1]) ? SMCCC_RET_SUCCESS
								    : SMCCC_RET_NOT_SUPPORTED);
		break;
	/* 6b65656c-7472-4e67-8e52-4e4452525321, Keel's own, in the order of bytes in memory */
	case TRNG_GET_UUID:
		x[0] = 0x6c65656b;
		x[1] = 0x674e7274;
		x[2] = 0x444e528e;
		x[3] = 0x21535252;
		break;
	default:
		return call_trng_rnd(vcpu);
	}
	return VCPU_RESUME;
}

/* ---- stolen time ---- */

/* Userspace can give stolen time to some vCPUs of a VM and not to others. */
static bool has_steal_time(const struct vcpu *vcpu)
{
	return has_pv_time(vcpu->vm) && vcpu->steal_ipa != VCPU_NO_STEAL_TIME;
}

static enum vcpu_action pv_time_features(struct vcpu *vcpu)
{
	u32 fid = (u32)vcpu->regs.x[1];

	if ((fid != PV_TIME_FEATURES && fid != PV_TIME_ST) || !has_steal_time(vcpu))
		return not_supported(vcpu);
	set_call_result(vcpu, SMCCC_RET_SUCCESS);
	return VCPU_RESUME;
}

/* The host starts to count before the guest sees the record's address. */
static enum vcpu_action pv_time_st(struct vcpu *vcpu)
{
	if (!has_steal_time(vcpu))
		return not_supported(vcpu);
	vcpu->regs.x[0] = vcpu->steal_ipa;
	return vcpu_to_host(KEEL_EXIT_STEAL_TIME);
}

/* ---- vendor-specific hypervisor services: KVM's numbers ---- */

/* The UID is implemented as long as any service is. */
static bool has_vendor(const struct vm *vm, u32 fid)
{
	u64 services = guest_smccc_services(vm, GUEST_SMCCC_VENDOR_HYP);

	switch (fid) {
	case VENDOR_HYP_UID:
		return services;
	case VENDOR_HYP_FEATURES:
		return services & GUEST_SMCCC_FEATURES;
	case VENDOR_HYP_PTP:
		return services & GUEST_SMCCC_PTP;
	default:
		return false;
	}
}

/* The results of a PTP call: the clock and the count, each in two words, the high one first. */
static void set_ptp_result(struct vcpu *vcpu, u64 real, u64 count)
{
	u64 *x = vcpu->regs.x;

	x[0] = real >> 32;
	x[1] = (u32)real;
	x[2] = count >> 32;
	x[3] = (u32)count;
}

static void refuse_ptp(struct vcpu *vcpu)
{
	set_ptp_result(vcpu, 0, 0);
	set_call_result(vcpu, SMCCC_RET_NOT_SUPPORTED);
}

/* With an EL2 of its own the caller's offset depends on the level, and is in the CPU: vm/count.h. */
static u64 cntvoff_here(const struct vcpu *vcpu)
{
	return vcpu->nested ? read_sysreg(cntvoff_el2) : READ_ONCE(vcpu->vm->cntvoff);
}

/* The host's clock, with the counter that the guest asked for at the same moment. */
static enum vcpu_action call_ptp(struct vcpu *vcpu)
{
	if ((u32)vcpu->regs.x[1] > PTP_PHYSICAL_COUNT) {
		refuse_ptp(vcpu);
		return VCPU_RESUME;
	}
	run_write64(vcpu, &vcpu->run->clock.valid, 0);
	vcpu->call_pending = PENDING_PTP;
	vcpu->call_cntvoff = cntvoff_here(vcpu);
	return vcpu_to_host(KEEL_EXIT_CLOCK);
}

static void finish_ptp(struct vcpu *vcpu)
{
	u64 real = run_read64(vcpu, &vcpu->run->clock.real);
	u64 count = run_read64(vcpu, &vcpu->run->clock.count);

	if ((u32)vcpu->regs.x[1] == PTP_VIRTUAL_COUNT)
		count -= vcpu->call_cntvoff;
	if (run_read64(vcpu, &vcpu->run->clock.valid))
		set_ptp_result(vcpu, real, count);
	else
		refuse_ptp(vcpu);
}

static enum vcpu_action vendor_call(struct vcpu *vcpu, u32 fid)
{
	u64 *x = vcpu->regs.x;

	if (fid == VENDOR_HYP_PTP)
		return call_ptp(vcpu);
	if (fid == VENDOR_HYP_UID) { /* 28b46fb6-2ec5-11e9-a9ca-4b564d003a74 */
		x[0] = 0xb66fb428;
		x[1] = 0xe911c52e;
		x[2] = 0x564bcaa9;
		x[3] = 0x743a004d;
	} else {
		x[0] = guest_smccc_services(vcpu->vm, GUEST_SMCCC_VENDOR_HYP);
		x[1] = x[2] = x[3] = 0;
	}
	return VCPU_RESUME;
}

/* ---- what the host was asked for ---- */

void guest_smccc_forget(struct vcpu *vcpu)
{
	vcpu->call_pending = PENDING_NONE;
}

enum vcpu_action guest_smccc_resume(struct vcpu *vcpu)
{
	const u8 pending = vcpu->call_pending;

	if (pending == PENDING_NONE)
		return VCPU_RESUME;
	guest_smccc_forget(vcpu);
	if (pending == PENDING_RND)
		trng_rnd(vcpu);
	else
		finish_ptp(vcpu);
	return run_answer(vcpu) == KEEL_ANSWER_STOP ? vcpu_to_host(KEEL_EXIT_IRQ) : VCPU_RESUME;
}

/* ---- dispatch ---- */

enum vcpu_action guest_smccc_call(struct vcpu *vcpu, u64 esr)
{
	u32 fid = (u32)vcpu->regs.x[0];
	u32 fid32 = fid & ~(u32)SMCCC_64;

	(void)esr;
	if (fid32 >= PSCI_FIRST && fid32 <= PSCI_LAST)
		return guest_psci_call(vcpu);
	if (workaround_number(fid))
		return call_workaround(vcpu, workaround_number(fid));
	if (trng_has(vcpu->vm, fid))
		return trng_call(vcpu, fid);
	if (fid == PV_TIME_FEATURES)
		return pv_time_features(vcpu);
	if (fid == PV_TIME_ST)
		return pv_time_st(vcpu);
	if (has_vendor(vcpu->vm, fid))
		return vendor_call(vcpu, fid);
	if (fid == SMCCC_VERSION)
		set_call_result(vcpu, SMCCC_VERSION_1_1);
	else if (fid == SMCCC_ARCH_FEATURES)
		set_call_result(vcpu, arch_features(vcpu->vm, (u32)vcpu->regs.x[1]));
	else
		return not_supported(vcpu);
	return VCPU_RESUME;
}
