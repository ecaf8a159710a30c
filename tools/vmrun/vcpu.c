// SPDX-License-Identifier: BSD-2-Clause
/* Virtual CPUs: set up, run, stop. */
#include "vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <keel/spe.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "layout.h"
#include "loop.h"
#include "message.h"
#include "mmio.h"

/* A general register's name in KVM: its place in struct kvm_regs, counted in 32-bit words. */
#define CORE_REG(field)                                        \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
	 (offsetof(struct kvm_regs, field) / sizeof(uint32_t)))

#define MPIDR_EL1      ARM64_SYS_REG(3, 0, 0, 0, 5)
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)

#define FEATURE_BIT(number) (UINT32_C(1) << (number))

/*
 * Features that must be requested. @init: bits of kvm_vcpu_init.features; @finalize: for
 * KVM_ARM_VCPU_FINALIZE.
 */
static const struct feature {
	const char *name;
	uint32_t feature;
	unsigned int capabilities[2];
	uint32_t init;
	int finalize;
} optional_features[] = {
	/* KVM offers both kinds of keys or none. */
	{ "pauth",
	  FEATURE_PAUTH,
	  { KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_CAP_ARM_PTRAUTH_GENERIC },
	  FEATURE_BIT(KVM_ARM_VCPU_PTRAUTH_ADDRESS) | FEATURE_BIT(KVM_ARM_VCPU_PTRAUTH_GENERIC),
	  0 },
	{ "sve",
	  FEATURE_SVE,
	  { KVM_CAP_ARM_SVE, KVM_CAP_ARM_SVE },
	  FEATURE_BIT(KVM_ARM_VCPU_SVE),
	  KVM_ARM_VCPU_SVE },
	{ "steal", FEATURE_STEAL, { KVM_CAP_STEAL_TIME, KVM_CAP_STEAL_TIME }, 0, 0 },
};
#define NR_FEATURES (sizeof(optional_features) / sizeof(optional_features[0]))

static atomic_bool stopping;

/* ---- set-up ---- */

uint32_t vcpu_feature(const char *name, size_t length)
{
	for (size_t i = 0; i < NR_FEATURES; i++) {
		const char *known = optional_features[i].name;

		if (strlen(known) == length && !memcmp(known, name, length))
			return optional_features[i].feature;
	}
	return 0;
}

static bool is_offered(const struct vm *vm, const struct feature *feature)
{
	return vm_has(vm, feature->capabilities[0]) && vm_has(vm, feature->capabilities[1]);
}

/* Those requested features that KVM offers. */
static uint32_t choose_features(const struct vm *vm, uint32_t asked)
{
	uint32_t chosen = 0;

	for (size_t i = 0; i < NR_FEATURES; i++) {
		const struct feature *feature = &optional_features[i];

		if (!(asked & feature->feature))
			continue;
		if (is_offered(vm, feature))
			chosen |= feature->feature;
		else if ((asked | FEATURE_SVE) != FEATURES_OFFERED)
			die("this machine or its KVM has no %s for guests: leave it out of "
			    "--features",
			    feature->name);
	}
	return chosen;
}

static void init_vcpu(const struct vcpu *vcpu, struct kvm_vcpu_init init, uint32_t features)
{
	init.features[0] |= FEATURE_BIT(KVM_ARM_VCPU_PSCI_0_2);
	if (vcpu->index)
		init.features[0] |= FEATURE_BIT(KVM_ARM_VCPU_POWER_OFF);
	for (size_t i = 0; i < NR_FEATURES; i++) {
		if (features & optional_features[i].feature)
			init.features[0] |= optional_features[i].init;
	}
	if (vcpu->vm->nested)
		init.features[0] |= FEATURE_BIT(KVM_ARM_VCPU_HAS_EL2);
	if (vcpu->vm->nvhe)
		init.features[0] |= FEATURE_BIT(KVM_ARM_VCPU_HAS_EL2_E2H0);
	if (vcpu->vm->spe)
		init.features[KEEL_ARM_VCPU_SPE_WORD] |= FEATURE_BIT(KEEL_ARM_VCPU_SPE_BIT);
	VM_IOCTL(vcpu->fd, KVM_ARM_VCPU_INIT, &init);
	/* Some features can be configured until this makes them final. */
	for (size_t i = 0; i < NR_FEATURES; i++) {
		if (features & optional_features[i].feature && optional_features[i].finalize)
			VM_IOCTL(vcpu->fd, KVM_ARM_VCPU_FINALIZE, &optional_features[i].finalize);
	}
}

static void set_spe(const struct vcpu *vcpu, uint64_t attr, const int *value)
{
	const struct kvm_device_attr request = {
		.group = KVM_ARM_VCPU_SPE_CTRL,
		.attr = attr,
		.addr = (uintptr_t)value,
	};

	VM_IOCTL(vcpu->fd, KVM_SET_DEVICE_ATTR, &request);
}

void vcpus_init_spe(const struct vm *vm)
{
	static const int irq = SPE_INTID;

	for (unsigned int i = 0; vm->spe && i < vm->nr_cpus; i++) {
		set_spe(&vm->vcpus[i], KVM_ARM_VCPU_SPE_IRQ, &irq);
		set_spe(&vm->vcpus[i], KVM_ARM_VCPU_SPE_INIT, NULL);
	}
}

static void set_steal_time(const struct vcpu *vcpu)
{
	uint64_t ipa = STEAL_BASE + vcpu->index * STEAL_SIZE;
	const struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PVTIME_CTRL,
		.attr = KVM_ARM_VCPU_PVTIME_IPA,
		.addr = (uintptr_t)&ipa,
	};

	VM_IOCTL(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr);
}

static void open_vcpu(struct vcpu *vcpu, size_t run_size)
{
	const struct vm *vm = vcpu->vm;

	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);
	if (vcpu->fd < 0)
		die("cannot create vCPU %u: %s", vcpu->index, strerror(errno));
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("cannot map vCPU %u: %s", vcpu->index, strerror(errno));
}

static void check_count(const struct vm *vm, unsigned int count)
{
	int limit = vm_has(vm, KVM_CAP_MAX_VCPUS);

	if (limit && count > (unsigned int)limit)
		die("%u vCPUs are more than this machine's limit: use --cpus %d or less", count,
		    limit);
}

void vcpus_create(struct vm *vm, unsigned int count, uint32_t features)
{
	size_t run_size =
		(size_t)vm_ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_vcpu_init init = { 0 };

	check_count(vm, count);
	if (vm->spe && !vm_has(vm, KEEL_CAP_ARM_SPE))
		die("this machine's KVM has no SPE for guests: leave out --spe");
	if (vm->nested && !vm_has(vm, KVM_CAP_ARM_EL2))
		die("this machine's KVM has no EL2 for guests: leave out --nested");
	if (vm->nvhe && !vm_has(vm, KVM_CAP_ARM_EL2_E2H0))
		die("this machine's KVM has no EL2 without VHE for guests: use --nested=vhe");
	/* Older kernels open SVE with CPTR_EL2 as it is without VHE: at an EL2 whose E2H is 1 they hang. */
	if (vm->nested && !vm->nvhe && features == FEATURES_OFFERED)
		features &= ~(uint32_t)FEATURE_SVE;
	features = choose_features(vm, features);
	VM_IOCTL(vm->fd, KVM_ARM_PREFERRED_TARGET, &init);
	vm->vcpus = calloc(count, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		die("out of memory");
	vm->nr_cpus = count;
	if (features & FEATURE_STEAL)
		vm_add_steal_memory(vm, count);
	for (unsigned int i = 0; i < count; i++) {
		vm->vcpus[i] = (struct vcpu){ .vm = vm, .index = i };
		open_vcpu(&vm->vcpus[i], run_size);
		init_vcpu(&vm->vcpus[i], init, features);
		if (features & FEATURE_STEAL)
			set_steal_time(&vm->vcpus[i]);
	}
}

/* ---- registers ---- */

static uint64_t get_reg(const struct vcpu *vcpu, uint64_t id)
{
	uint64_t value = 0;
	const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	VM_IOCTL(vcpu->fd, KVM_GET_ONE_REG, &reg);
	return value;
}

static void set_reg(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	const struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	VM_IOCTL(vcpu->fd, KVM_SET_ONE_REG, &reg);
}

uint64_t vcpu_mpidr(const struct vcpu *vcpu)
{
	return get_reg(vcpu, MPIDR_EL1) & MPIDR_AFFINITY;
}

/* The rest is as after a reset: zero, and PSTATE at EL1h with exceptions masked. */
void vcpu_set_entry(const struct vcpu *vcpu, uint64_t pc, uint64_t x0)
{
	set_reg(vcpu, CORE_REG(regs.pc), pc);
	set_reg(vcpu, CORE_REG(regs.regs[0]), x0);
}

/* ---- running ---- */

static void end_of_guest(const struct kvm_run *run)
{
	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		loop_stop(STATUS_OFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		loop_stop(STATUS_RESET);
		break;
	default:
		warn("the guest ended with system event %u", run->system_event.type);
		loop_stop(STATUS_CRASH);
		break;
	}
}

/* Handle the exit. Return: whether the vCPU runs on. */
static bool handle_exit(const struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		/* KVM completes the guest's load with what is in data
		 * when KVM_RUN is called next. */
		mmio_access(run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
		return true;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_SYSTEM_EVENT:
		end_of_guest(run);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		die("vCPU %u at pc 0x%" PRIx64 ": KVM's internal error %u", vcpu->index,
		    get_reg(vcpu, CORE_REG(regs.pc)), run->internal.suberror);
	case KVM_EXIT_FAIL_ENTRY:
		die("vCPU %u at pc 0x%" PRIx64 ": it could not be entered, reason 0x%llx",
		    vcpu->index, get_reg(vcpu, CORE_REG(regs.pc)),
		    run->fail_entry.hardware_entry_failure_reason);
	default:
		die("vCPU %u at pc 0x%" PRIx64 ": exit %u, which vmrun does not know", vcpu->index,
		    get_reg(vcpu, CORE_REG(regs.pc)), run->exit_reason);
	}
}

static void run_failed(const struct vcpu *vcpu, int error)
{
	uint64_t pc = get_reg(vcpu, CORE_REG(regs.pc));

	/* An access outside of memory by an instruction that has no syndrome. */
	if (error == ENOSYS)
		die("vCPU %u at pc 0x%" PRIx64
		    ": a device access by an instruction that KVM cannot "
		    "emulate (a pair, a vector, with writeback?)",
		    vcpu->index, pc);
	die("vCPU %u at pc 0x%" PRIx64 ": KVM_RUN failed: %s", vcpu->index, pc, strerror(error));
}

/* Of threads: those that wait for vcpus_resume(), and those that have ended. Under the lock. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t came, over;
	bool asked;
	unsigned int waiting, ended;
} pause_state = { .lock = PTHREAD_MUTEX_INITIALIZER,
		  .came = PTHREAD_COND_INITIALIZER,
		  .over = PTHREAD_COND_INITIALIZER };

/* KVM_RUN was interrupted: perhaps for a pause. */
static void wait_while_paused(void)
{
	pthread_mutex_lock(&pause_state.lock);
	pause_state.waiting++;
	pthread_cond_signal(&pause_state.came);
	while (pause_state.asked)
		pthread_cond_wait(&pause_state.over, &pause_state.lock);
	pause_state.waiting--;
	pthread_mutex_unlock(&pause_state.lock);
}

static void thread_ended(void)
{
	pthread_mutex_lock(&pause_state.lock);
	pause_state.ended++;
	pthread_cond_signal(&pause_state.came);
	pthread_mutex_unlock(&pause_state.lock);
}

static void *vcpu_thread(void *arg)
{
	const struct vcpu *vcpu = arg;
	bool goes_on = true;

	while (goes_on && !atomic_load(&stopping)) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
			goes_on = handle_exit(vcpu);
		else if (errno == EINTR)
			wait_while_paused();
		else
			run_failed(vcpu, errno);
	}
	thread_ended();
	return NULL;
}

/* The signal's only effect is that a KVM_RUN that is under way returns with EINTR. */
static void kicked(int signal_number)
{
	(void)signal_number;
}

void vcpus_start(struct vm *vm)
{
	const struct sigaction action = { .sa_handler = kicked };
	int error;

	sigaction(SIGUSR1, &action, NULL);
	for (unsigned int i = 0; i < vm->nr_cpus; i++) {
		error = pthread_create(&vm->vcpus[i].thread, NULL, vcpu_thread, &vm->vcpus[i]);
		if (error)
			die("cannot start a thread for vCPU %u: %s", i, strerror(error));
	}
}

/*
 * A thread may be just about to call KVM_RUN when the signal comes: with immediate_exit that call
 * returns with EINTR at once.
 */
static void kick(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, SIGUSR1);
}

void vcpus_pause(struct vm *vm)
{
	pthread_mutex_lock(&pause_state.lock);
	pause_state.asked = true;
	for (unsigned int i = 0; i < vm->nr_cpus; i++)
		kick(&vm->vcpus[i]);
	while (pause_state.waiting + pause_state.ended < vm->nr_cpus)
		pthread_cond_wait(&pause_state.came, &pause_state.lock);
	pthread_mutex_unlock(&pause_state.lock);
}

void vcpus_resume(struct vm *vm)
{
	pthread_mutex_lock(&pause_state.lock);
	for (unsigned int i = 0; i < vm->nr_cpus; i++)
		__atomic_store_n(&vm->vcpus[i].run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pause_state.asked = false;
	pthread_cond_broadcast(&pause_state.over);
	pthread_mutex_unlock(&pause_state.lock);
}

void vcpus_stop(struct vm *vm)
{
	atomic_store(&stopping, true);
	for (unsigned int i = 0; i < vm->nr_cpus; i++)
		kick(&vm->vcpus[i]);
	for (unsigned int i = 0; i < vm->nr_cpus; i++) {
		pthread_join(vm->vcpus[i].thread, NULL);
		close(vm->vcpus[i].fd);
	}
}
