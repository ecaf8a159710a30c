// SPDX-License-Identifier: BSD-2-Clause
/* SOURCES: hyp/timer/host_timer.c hyp/timer/timer.c hyp/vgic/vgic.c hyp/vgic/vgic_sane.c hyp/vgic/vgic_mmio.c hyp/mm/page_pool.c tests/unit/vgic_world.c tests/unit/arch/fake_ich.c tests/unit/arch/fake_sysreg.c hyp/trap/device.c tests/unit/fake_panic.c */
/* A host whose timer is the virtual one keeps it, and its deadline, while a guest runs. */
#include "vgic_world.h"

#include <arch/sysreg.h>
#include <timer/host_timer.h>
#include <timer/timer.h>

static const struct vcpu_hooks *host, *guest;

#define GET(name)	 fake_sysreg_get(name)
#define SET(name, value) fake_sysreg_set(name, value)

static int start(void **state)
{
	static const char *const names[] = { "cntv_ctl_el0",  "cntv_cval_el0", "cntp_ctl_el0",
					     "cntp_cval_el0", "cnthp_ctl_el2", "cnthp_cval_el2",
					     "hcr_el2" };

	fake_sysreg_reset();
	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		SET(names[i], 0);
	SET("cntpct_el0", 1000000);
	world_start(4, 1, 64);
	host_timer_init();
	host = world_last_hooks;
	timer_init();
	guest = world_last_hooks;
	return 0;
}

/* As vm/run.c does, in the order of registration. */
static void load(struct vcpu *vcpu)
{
	host->load(vcpu);
	guest->load(vcpu);
}

static void put(struct vcpu *vcpu)
{
	guest->put(vcpu);
	host->put(vcpu);
}

static void the_physical_timer_has_the_host_s_deadline_while_a_guest_runs(void **state)
{
	struct vcpu *vcpu = on(0);

	SET("cntv_cval_el0", 5000000);
	SET("cntv_ctl_el0", 1 | 4);
	vcpu->sysreg[CNTV_CVAL_EL0] = 777;
	vcpu->sysreg[CNTV_CTL_EL0] = 3;
	load(vcpu);
	assert_int_equal(GET("cntp_cval_el0"), 5000000);
	assert_int_equal(GET("cntp_ctl_el0"), 1);
	assert_int_equal(GET("cntv_cval_el0"), 777);
	assert_int_equal(GET("cntv_ctl_el0"), 3);
	SET("cntv_cval_el0", 888); /* the guest */
	put(vcpu);
	assert_int_equal(GET("cntp_ctl_el0"), 0);
	assert_int_equal(GET("cntv_cval_el0"), 5000000);
	assert_int_equal(GET("cntv_ctl_el0"), 1);
	assert_int_equal(vcpu->sysreg[CNTV_CVAL_EL0], 888);
}

static void a_masked_timer_stays_masked(void **state)
{
	struct vcpu *vcpu = on(0);

	SET("cntv_cval_el0", 5);
	SET("cntv_ctl_el0", 3);
	load(vcpu);
	assert_int_equal(GET("cntp_ctl_el0"), 3);
	put(vcpu);
	assert_int_equal(GET("cntv_ctl_el0"), 3);
	assert_int_equal(GET("cntp_ctl_el0"), 0);
}

static void the_physical_timer_of_a_host_that_uses_it_is_left_alone(void **state)
{
	struct vcpu *vcpu = on(0);

	SET("cntv_cval_el0", 9);
	SET("cntp_cval_el0", 1234);
	SET("cntp_ctl_el0", 1);
	load(vcpu);
	assert_int_equal(GET("cntp_cval_el0"), 1234);
	assert_int_equal(GET("cntp_ctl_el0"), 1);
	put(vcpu);
	assert_int_equal(GET("cntp_cval_el0"), 1234);
	assert_int_equal(GET("cntp_ctl_el0"), 1);
	assert_int_equal(GET("cntv_ctl_el0"), 0);
	assert_int_equal(GET("cntv_cval_el0"), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_physical_timer_has_the_host_s_deadline_while_a_guest_runs, start),
		cmocka_unit_test_setup(a_masked_timer_stays_masked, start),
		cmocka_unit_test_setup(the_physical_timer_of_a_host_that_uses_it_is_left_alone,
				       start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
