// SPDX-License-Identifier: BSD-2-Clause
/*
 * KVM_ARM_VCPU_SPE_CTRL (include/keel/spe.h): the feature, each attribute, each error, and every
 * order of the calls that set a VM up, beside a model.
 *
 *	test_spe [LENGTH]	every sequence of as many calls (default 2) after each step of a
 *				setup, and of one more at its beginning
 *	test_spe off		there is none of it
 */
#include <keel/spe.h>

#include "kvmtest.h"

#define PSCI		  (1U << KVM_ARM_VCPU_PSCI_0_2)
#define SPE_BIT		  (1U << KEEL_ARM_VCPU_SPE_BIT)
#define SPE_REG(crm, op2) ARM64_SYS_REG(3, 0, 9, crm, op2)
#define DFR0		  ARM64_SYS_REG(3, 0, 0, 5, 0)
#define PMSVER		  32
#define PMBLIMITR	  SPE_REG(10, 0)
#define PMSCR		  SPE_REG(9, 0)
#define PMSIRR		  SPE_REG(9, 3)
#define PMBPTR		  SPE_REG(10, 1)
#define PMBSR		  SPE_REG(10, 3)
#define BUFFER		  (GUEST_BASE + 0x10000)
#define PMBSR_ABORT	  0x90060010 /* EC: stage 1, EA, S; External abort */
#define NOWHERE		  ((int *)8)

/* Ends the machine by PSCI SYSTEM_OFF. */
GUEST_CODE(code_off, "movz x0, #0x8400, lsl #16\n movk x0, #8\n hvc #0\n b .\n");

/* Works for some milliseconds, then is done; over and over. */
GUEST_CODE(code_work, "movz x1, #0x0900, lsl #16\n1: movz x0, #40, lsl #16\n"
		      "2: subs x0, x0, #1\n b.ne 2b\n str w0, [x1]\n b 1b\n");

/* Done at once, over and over. */
GUEST_CODE(code_mmio, "movz x1, #0x0900, lsl #16\n1: str w0, [x1]\n b 1b\n");

static long init_spe(int fd, uint32_t word0, uint32_t word6)
{
	struct kvm_vcpu_init init = { .target = KVM_ARM_TARGET_GENERIC_V8,
				      .features = { [0] = word0, [6] = word6 } };

	return ioctl(fd, KVM_ARM_VCPU_INIT, &init);
}

static long attr(int request, const struct vcpu *vcpu, uint64_t which, const int *value)
{
	struct kvm_device_attr a = {
		.group = KVM_ARM_VCPU_SPE_CTRL,
		.attr = which,
		.addr = (uintptr_t)value,
	};

	return ioctl(vcpu->fd, (unsigned long)(unsigned int)request, &a);
}

#define set(vcpu, which, value) \
	attr((int)KVM_SET_DEVICE_ATTR, vcpu, KVM_ARM_VCPU_SPE_##which, value)
#define get(vcpu, which, value) \
	attr((int)KVM_GET_DEVICE_ATTR, vcpu, KVM_ARM_VCPU_SPE_##which, value)
#define has(vcpu, which) attr((int)KVM_HAS_DEVICE_ATTR, vcpu, which, NULL)

static long set_irq(const struct vcpu *vcpu, int irq)
{
	return set(vcpu, IRQ, &irq);
}

static long stop(const struct vcpu *vcpu, int how)
{
	return set(vcpu, STOP, &how);
}

static void drop(const struct vm *vm, const struct vcpu *vcpus, unsigned int count)
{
	while (count--) {
		munmap(vcpus[count].run, vcpus[count].run_size);
		close(vcpus[count].fd);
	}
	if (vm->gic >= 0)
		close(vm->gic);
	if (vm->mem)
		munmap(vm->mem, GUEST_SIZE);
	close(vm->fd);
	close(vm->dev);
}

static struct vcpu spe_vcpu(const struct vm *vm, unsigned long id)
{
	struct vcpu vcpu = raw_vcpu(vm, id);

	must(init_spe(vcpu.fd, PSCI, SPE_BIT), "KVM_ARM_VCPU_INIT with SPE");
	return vcpu;
}

static void test_feature(void)
{
	struct vm vm = bare_vm();
	struct vcpu v[3] = { raw_vcpu(&vm, 0), raw_vcpu(&vm, 1), raw_vcpu(&vm, 2) };

	gives(init_spe(v[0].fd, PSCI, 1), ENOENT, "another bit of the word");
	gives(init_spe(v[0].fd, PSCI | 1U << KVM_ARM_VCPU_EL1_32BIT, SPE_BIT), EINVAL,
	      "with a 32-bit EL1");
	gives(init_spe(v[0].fd, PSCI, SPE_BIT), 0, "KVM_ARM_VCPU_INIT with SPE");
	gives(init_spe(v[0].fd, PSCI, SPE_BIT), 0, "again");
	gives(init_spe(v[0].fd, PSCI, 0), EINVAL, "again without it");
	gives(init_spe(v[1].fd, PSCI, 0), EINVAL, "another vCPU without it");
	gives(init_spe(v[1].fd, PSCI, SPE_BIT), 0, "another vCPU with it");
	check(get_reg(&v[0], DFR0) >> PMSVER & 15, "ID_AA64DFR0_EL1.PMSVer says that it is there");
	gives(set_reg(&v[0], PMBLIMITR, 0x12345001), 0, "KVM_SET_ONE_REG of PMBLIMITR_EL1");
	check(get_reg(&v[0], PMBLIMITR) == 0x12345001, "it is kept");
	check(get_reg(&v[1], PMBLIMITR) == 0, "each vCPU has its own");
	gives(init_spe(v[0].fd, PSCI, SPE_BIT), 0, "a reset");
	check(get_reg(&v[0], PMBLIMITR) == 0, "it is reset");
	drop(&vm, v, 3);
}

static void test_without(void)
{
	struct vm vm = bare_vm();
	struct vcpu v[2] = { raw_vcpu(&vm, 0), raw_vcpu(&vm, 1) };
	struct kvm_one_reg reg = { .id = PMBLIMITR, .addr = (uintptr_t)&vm };
	int value = 21;

	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), ENXIO, "the group before KVM_ARM_VCPU_INIT");
	must(init_vcpu(v[0].fd, PSCI), "a vCPU without SPE");
	gives(init_spe(v[1].fd, PSCI, SPE_BIT), EINVAL, "another vCPU with it");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), ENXIO, "IRQ of a vCPU without SPE");
	gives(set(&v[0], IRQ, &value), ENXIO, "setting it");
	gives(get(&v[0], IRQ, &value), ENXIO, "getting it");
	gives(set(&v[0], INIT, NULL), ENXIO, "INIT");
	gives(set(&v[0], STOP, &value), ENXIO, "STOP");
	gives(ioctl(v[0].fd, KVM_GET_ONE_REG, &reg), ENOENT, "PMBLIMITR_EL1");
	check(!(get_reg(&v[0], DFR0) >> PMSVER & 15), "ID_AA64DFR0_EL1.PMSVer is 0");
	drop(&vm, v, 2);
}

static void test_irq(void)
{
	struct vm vm = new_vm();
	struct vcpu v[2] = { spe_vcpu(&vm, 0), spe_vcpu(&vm, 1) };
	int value = 0;

	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), 0, "KVM_HAS_DEVICE_ATTR of IRQ");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_INIT), 0, "of INIT");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_STOP), 0, "of STOP");
	gives(has(&v[0], 3), ENXIO, "of another");
	gives(set_irq(&v[0], 21), ENXIO, "IRQ without a GIC");
	gives(set(&v[0], INIT, NULL), ENODEV, "INIT without a GIC");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_STOP_TRAP), EAGAIN, "STOP before INIT");
	add_gic(&vm);
	gives(set(&v[0], INIT, NULL), ENXIO, "INIT without an interrupt");
	gives(get(&v[0], IRQ, &value), ENXIO, "getting IRQ before it is set");
	gives(set(&v[0], IRQ, NOWHERE), EFAULT, "IRQ from nowhere");
	gives(set_irq(&v[0], 15), EINVAL, "an SGI");
	gives(set_irq(&v[0], 32), EINVAL, "an SPI");
	gives(set_irq(&v[0], -1), EINVAL, "no INTID");
	gives(set_irq(&v[0], 27), EINVAL, "the virtual timer's");
	gives(set_irq(&v[0], 30), EINVAL, "the physical timer's");
	gives(set_irq(&v[0], 21), 0, "IRQ 21");
	gives(set_irq(&v[0], 21), EBUSY, "again");
	gives(get(&v[0], IRQ, &value), 0, "getting it");
	check(value == 21, "it is 21 (%d)", value);
	gives(get(&v[0], IRQ, NOWHERE), EFAULT, "getting it to nowhere");
	gives(get(&v[0], INIT, &value), ENXIO, "getting INIT");
	gives(set_irq(&v[1], 22), EINVAL, "another one on another vCPU");
	gives(set_irq(&v[1], 21), 0, "the same one on another vCPU");
	drop(&vm, v, 2);
}

static void test_init(void)
{
	struct vm vm = new_vm();
	struct vcpu v[1] = { spe_vcpu(&vm, 0) };

	LOAD(&vm, &v[0], code_off);
	add_gic(&vm);
	gives(ioctl(v[0].fd, KVM_RUN, 0), EINVAL, "KVM_RUN before IRQ and INIT");
	must(set_irq(&v[0], 21), "IRQ");
	gives(ioctl(v[0].fd, KVM_RUN, 0), EINVAL, "KVM_RUN before INIT");
	gives(set(&v[0], INIT, NULL), 0, "INIT");
	gives(set(&v[0], INIT, NULL), EBUSY, "INIT again");
	gives(set_irq(&v[0], 21), EBUSY, "IRQ after INIT");
	gives(set(&v[0], STOP, NOWHERE), EFAULT, "STOP from nowhere");
	gives(stop(&v[0], 0), EINVAL, "STOP with none of its values");
	gives(stop(&v[0], 3), EINVAL, "STOP with two of them");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_STOP_TRAP), 0, "STOP_TRAP");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_RESUME), 0, "RESUME");
	gives(ioctl(v[0].fd, KVM_RUN, 0), 0, "KVM_RUN");
	check(v[0].run->exit_reason == KVM_EXIT_SYSTEM_EVENT, "the guest runs to its end (%u)",
	      v[0].run->exit_reason);
	drop(&vm, v, 1);
}

/* Registers say that profiling is on, so the vCPU must not run. */
static void test_stop(void)
{
	struct vm vm = new_vm();
	struct vcpu v[1] = { spe_vcpu(&vm, 0) };

	LOAD(&vm, &v[0], code_off);
	add_gic(&vm);
	must(set_irq(&v[0], 21), "IRQ");
	must(set(&v[0], INIT, NULL), "INIT");
	must(set_reg(&v[0], PMSCR, 3), "PMSCR_EL1");
	must(set_reg(&v[0], PMBLIMITR, GUEST_BASE + GUEST_SIZE + 1), "PMBLIMITR_EL1");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_STOP_EXIT), 0, "STOP_EXIT");
	gives(ioctl(v[0].fd, KVM_RUN, 0), 0, "KVM_RUN of a vCPU that profiles");
	check(v[0].run->exit_reason == KVM_EXIT_FAIL_ENTRY &&
		      v[0].run->fail_entry.hardware_entry_failure_reason ==
			      KEEL_EXIT_FAIL_ENTRY_SPE,
	      "it returns and says why (exit %u)", v[0].run->exit_reason);
	check(get_reg(&v[0], CORE_REG(pc)) == GUEST_BASE, "the guest has not run");
	gives(stop(&v[0], KVM_ARM_VCPU_SPE_RESUME), 0, "RESUME");
	gives(ioctl(v[0].fd, KVM_RUN, 0), 0, "KVM_RUN");
	check(v[0].run->exit_reason == KVM_EXIT_SYSTEM_EVENT, "the guest runs to its end (%u)",
	      v[0].run->exit_reason);
	drop(&vm, v, 1);
}

/*
 * The guest's MMU is off: a sample is a record, or an abort where its memory is Device memory then.
 * An emulator's timers may be late, so many turns are tried until there is one.
 */
static bool sample_taken(struct vcpu *vcpu, int turns)
{
	bool taken = false;

	while (turns-- && !taken) {
		must(run(vcpu), "KVM_RUN");
		taken = get_reg(vcpu, PMBPTR) > BUFFER || get_reg(vcpu, PMBSR) == PMBSR_ABORT;
	}
	return taken;
}

static void profiled(struct vcpu *vcpu, int how, bool sampled, const char *what)
{
	must(set_reg(vcpu, PMBSR, 0), "PMBSR_EL1");
	must(set_reg(vcpu, PMBPTR, BUFFER), "PMBPTR_EL1");
	gives(stop(vcpu, how), 0, what);
	check(sample_taken(vcpu, sampled ? 1000 : 10) == sampled, "%s: samples are %s", what,
	      sampled ? "taken" : "not taken");
	check(sampled || !get_reg(vcpu, PMBSR), "%s: nothing is said of the buffer", what);
	check(get_reg(vcpu, PMSCR) == 3, "%s: PMSCR_EL1 is as it was", what);
}

static void test_stop_trap(void)
{
	struct vm vm = new_vm();
	struct vcpu v[1] = { spe_vcpu(&vm, 0) };

	LOAD(&vm, &v[0], code_work);
	add_gic(&vm);
	must(set_irq(&v[0], 21), "IRQ");
	must(set(&v[0], INIT, NULL), "INIT");
	must(set_reg(&v[0], PMSCR, 3), "PMSCR_EL1");
	must(set_reg(&v[0], PMSIRR, 100000), "PMSIRR_EL1");
	must(set_reg(&v[0], PMBLIMITR, GUEST_BASE + GUEST_SIZE + 1), "PMBLIMITR_EL1");
	profiled(&v[0], KVM_ARM_VCPU_SPE_STOP_TRAP, false, "STOP_TRAP before the first run");
	profiled(&v[0], KVM_ARM_VCPU_SPE_RESUME, true, "RESUME");
	profiled(&v[0], KVM_ARM_VCPU_SPE_STOP_TRAP, false, "STOP_TRAP");
	profiled(&v[0], KVM_ARM_VCPU_SPE_RESUME, true, "RESUME again");
	drop(&vm, v, 1);
}

/* ---- every order of the calls ---- */

/* A VM as the calls have left it, and what its owner should know of it. */
struct world {
	struct vm vm;
	struct vcpu vcpu;
	bool created, addresses, initialized; /* the GIC */
	bool irq, ready;
};

/* What the call gives now, which changes what the next ones give. */
struct step {
	const char *name;
	long (*call)(struct world *w);
	int (*model)(struct world *w);
};

static int once(bool *done, int again)
{
	int error = *done ? again : 0;

	*done = true;
	return error;
}

static long call_create(struct world *w)
{
	return create_gic(w->vm.fd, 0, &w->vm.gic);
}

static int model_create(struct world *w)
{
	return once(&w->created, EEXIST);
}

static long call_addresses(struct world *w)
{
	long ret = set_gic_addr(w->vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST);

	return ret ? ret : set_gic_addr(w->vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST);
}

static int model_addresses(struct world *w)
{
	return w->created ? once(&w->addresses, EEXIST) : EBADF;
}

static long call_ctrl_init(struct world *w)
{
	return gic_attr(w->vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
			KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
}

static int model_ctrl_init(struct world *w)
{
	return w->created ? once(&w->initialized, 0) : EBADF;
}

static long call_irq(struct world *w)
{
	return set_irq(&w->vcpu, 21);
}

static int model_irq(struct world *w)
{
	return w->created ? once(&w->irq, EBUSY) : ENXIO;
}

static long call_init(struct world *w)
{
	return set(&w->vcpu, INIT, NULL);
}

static int model_init(struct world *w)
{
	if (!w->initialized)
		return ENODEV;
	return w->irq ? once(&w->ready, EBUSY) : ENXIO;
}

static long call_stop(struct world *w)
{
	return stop(&w->vcpu, KVM_ARM_VCPU_SPE_STOP_TRAP);
}

static int model_stop(struct world *w)
{
	return w->ready ? 0 : EAGAIN;
}

static long call_run(struct world *w)
{
	return run(&w->vcpu);
}

static int model_run(struct world *w)
{
	if (!w->ready)
		return EINVAL;
	return w->addresses ? 0 : ENXIO;
}

static const struct step steps[] = {
	{ "the GIC", call_create, model_create },
	{ "its addresses", call_addresses, model_addresses },
	{ "its INIT", call_ctrl_init, model_ctrl_init },
	{ "IRQ", call_irq, model_irq },
	{ "INIT", call_init, model_init },
	{ "STOP", call_stop, model_stop },
	{ "KVM_RUN", call_run, model_run },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))
#define SETUP 5 /* the first ones, in their order, make a VM that runs */

/* @done calls of a setup, then those of @calls: a number in base STEPS, the first one lowest. */
struct sequence {
	unsigned int done, length;
	unsigned long calls;
};

static const struct step *step_of(const struct sequence *s, unsigned int i)
{
	unsigned long calls = s->calls;

	if (i < s->done)
		return &steps[i];
	for (i -= s->done; i--;)
		calls /= STEPS;
	return &steps[calls % STEPS];
}

static bool irq_is(const struct world *w)
{
	int irq = 0, error = get(&w->vcpu, IRQ, &irq) ? errno : 0;

	return error == (w->irq ? 0 : ENXIO) && irq == (w->irq ? 21 : 0);
}

static bool as_modelled(const struct step *step, struct world *w)
{
	int error = step->call(w) < 0 ? errno : 0, want = step->model(w);

	if (error == want && irq_is(w))
		return true;
	printf("# %s: expected %s, got %s\n", step->name, want ? strerrorname_np(want) : "success",
	       error ? strerrorname_np(error) : "success");
	return false;
}

static bool all_as_modelled(const struct sequence *s)
{
	struct world w = { .vm = new_vm() };
	unsigned int i, end = s->done + s->length;
	bool good = true;

	w.vcpu = spe_vcpu(&w.vm, 0);
	LOAD(&w.vm, &w.vcpu, code_mmio);
	for (i = 0; i < end && good; i++)
		good = as_modelled(step_of(s, i), &w);
	for (end = i, i = 0; i < end && !good; i++)
		printf("#   in: %s\n", step_of(s, i)->name);
	drop(&w.vm, &w.vcpu, 1);
	return good;
}

static void test_orders(unsigned int done, unsigned int length)
{
	struct sequence s = { .done = done, .length = length };
	unsigned long sequences = 1, bad = 0;
	unsigned int i;

	for (i = 0; i < length; i++)
		sequences *= STEPS;
	for (; s.calls < sequences && bad < 5; s.calls++)
		bad += !all_as_modelled(&s);
	check(!bad, "%lu sequences of %u calls after %u of a setup", s.calls, length, done);
}

/* ---- without SPE, and all of it ---- */

static void test_off(void)
{
	struct vm vm = bare_vm();
	struct vcpu v[1] = { raw_vcpu(&vm, 0) };

	gives(init_spe(v[0].fd, PSCI, SPE_BIT), ENOENT, "KVM_ARM_VCPU_INIT with SPE");
	must(init_vcpu(v[0].fd, PSCI), "a vCPU without SPE");
	gives(has(&v[0], KVM_ARM_VCPU_SPE_IRQ), ENXIO, "the group");
	check(!(get_reg(&v[0], DFR0) >> PMSVER & 15), "ID_AA64DFR0_EL1.PMSVer is 0");
	drop(&vm, v, 1);
}

static void test_capability(int want)
{
	struct vm vm = bare_vm();
	int how = ioctl(vm.dev, KVM_CHECK_EXTENSION, (unsigned long)KEEL_CAP_ARM_SPE);

	check(how == want, "the capability says how SPE is provided (%d)", how);
	check(ioctl(vm.fd, KVM_CHECK_EXTENSION, (unsigned long)KEEL_CAP_ARM_SPE) == how,
	      "a VM says the same");
	close(vm.fd);
	close(vm.dev);
}

int main(int argc, char **argv)
{
	unsigned int done, length = argc > 1 ? (unsigned int)atoi(argv[1]) : 2;

	if (argc > 1 && !strcmp(argv[1], "off")) {
		test_capability(0);
		test_off();
		return finish();
	}
	test_capability(KEEL_SPE_EMULATED);
	test_feature();
	test_without();
	test_irq();
	test_init();
	test_stop();
	test_stop_trap();
	test_orders(0, length + 1);
	for (done = 1; done <= SETUP; done++)
		test_orders(done, length);
	return finish();
}
