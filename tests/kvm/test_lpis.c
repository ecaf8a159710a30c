// SPDX-License-Identifier: BSD-2-Clause
/*
 * A hundred thousand LPIs over eight vCPUs, counted exactly. Each vCPU's guest counts what it takes in
 * memory, by event. All events are signalled once in a round, by two threads, while the vCPUs run; then
 * each must have come once more: an LPI that is lost, doubled, or that comes to another vCPU is found.
 * `test_lpis ROUNDS` is for that many.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "kvmtest.h"

#define VCPUS	    8U
#define EVENTS	    4096U
#define ROUNDS	    25U /* 102,400 LPIs */
#define PATIENCE_MS 600000U
#define ITS_BASE    0x08080000ULL
#define TRANSLATER  (ITS_BASE + 0x10040)
#define PROPERTIES  (GUEST_BASE + 0x10000)
#define QUEUE	    (GUEST_BASE + 0x30000)
#define DEVICES	    (GUEST_BASE + 0x40000)
#define COLLECTIONS (GUEST_BASE + 0x50000)
#define ITT	    (GUEST_BASE + 0x60000)
#define COUNTS	    (GUEST_BASE + 0x70000) /* by event, what the guest has taken */
#define OTHERS	    (GUEST_BASE + 0x78000) /* of each vCPU, what it took that is not its own */
#define DEVICE	    0x10ULL
#define LPI	    8192U
#define VALID	    (1ULL << 63)

#define GITS_CTLR    0
#define GITS_CBASER  0x80
#define GITS_CWRITER 0x88
#define GITS_BASER0  0x100
#define GITS_BASER1  0x108

/* x0: the vCPU. An LPI is its own if the last three bits are the same. */
GUEST_CODE(counter, "mov x1, #0x09000000\n"
		    "mov x10, #0x08000000\n"
		    "mov x11, #0xa0000\n add x11, x11, x10\n add x11, x11, x0, lsl #17\n"
		    "mov w2, #0x12\n str w2, [x10]\n" /* GICD_CTLR: ARE, group 1 */
		    "str wzr, [x11, #0x14]\n"	      /* GICR_WAKER */
		    "mov x2, #15\n movk x2, #0x4001, lsl #16\n str x2, [x11, #0x70]\n" /* PROP */
		    "mov x2, #0x40100000\n add x2, x2, x0, lsl #16\n"
		    "str x2, [x11, #0x78]\n"			  /* GICR_PENDBASER */
		    "mov w2, #1\n str w2, [x11]\n"		  /* GICR_CTLR.EnableLPIs */
		    "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n" /* ICC_SRE_EL1 */
		    "mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"	  /* ICC_PMR_EL1 */
		    "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n" /* ICC_IGRPEN1_EL1 */
		    "mov x12, #0x40070000\n add x13, x12, #8, lsl #12\n add x13, x13, x0, lsl #2\n"
		    "str wzr, [x1]\n"
		    "1: wfi\n"
		    "2: mrs x3, s3_0_c12_c12_0\n" /* ICC_IAR1_EL1 */
		    "cmp x3, #1023\n b.eq 1b\n"
		    "and x4, x3, #7\n cmp x4, x0\n b.ne 3f\n"
		    "sub x5, x3, #2, lsl #12\n cmp x5, #1, lsl #12\n b.hs 3f\n"
		    "ldr w6, [x12, x5, lsl #2]\n add w6, w6, #1\n str w6, [x12, x5, lsl #2]\n"
		    "4: msr s3_0_c12_c12_1, x3\n isb\n" /* ICC_EOIR1_EL1 */
		    "b 2b\n"
		    "3: ldr w6, [x13]\n add w6, w6, #1\n str w6, [x13]\n b 4b\n");

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static int its;
static uint32_t commands;

static void *at(uint64_t gpa)
{
	return vm.mem + (gpa - GUEST_BASE);
}

static void set_its(uint32_t group, uint64_t attr, uint64_t value, const char *what)
{
	must(gic_attr(its, KVM_SET_DEVICE_ATTR, group, attr, &value), what);
}

static void set_its_reg(uint64_t offset, uint64_t value)
{
	set_its(KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset, value, "a register of the ITS");
}

/* Put a command into the queue, which has room for 2,048, and have it carried out. */
static void its_command(uint64_t word0, uint64_t word1, uint64_t word2)
{
	const uint64_t words[4] = { word0, word1, word2, 0 };

	memcpy((char *)at(QUEUE) + commands * sizeof(words), words, sizeof(words));
	commands = (commands + 1) % 2048;
	set_its_reg(GITS_CWRITER, commands * sizeof(words));
}

static void add_its(void)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };

	must(ioctl(vm.fd, KVM_CREATE_DEVICE, &device), "an ITS");
	its = (int)device.fd;
	set_its(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, ITS_BASE, "the ITS's address");
	set_its(KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, 0, "the ITS's init");
}

/* Event n is LPI 8192 + n, of vCPU n % 8, and of one of 16 priorities. */
static void map_events(void)
{
	uint8_t *properties = at(PROPERTIES);

	for (uint32_t i = 0; i < EVENTS; i++)
		properties[i] = (uint8_t)(i / VCPUS % 16 << 3 | 1);
	set_its_reg(GITS_BASER0, VALID | DEVICES);
	set_its_reg(GITS_BASER1, VALID | COLLECTIONS);
	set_its_reg(GITS_CBASER, VALID | QUEUE | 0xf);
	set_its_reg(GITS_CTLR, 1);
	its_command(DEVICE << 32 | 8, 11, VALID | ITT); /* MAPD */
	for (uint64_t n = 0; n < VCPUS; n++)
		its_command(9, 0, VALID | n << 16 | n); /* MAPC */
	for (uint64_t i = 0; i < EVENTS; i++)
		its_command(DEVICE << 32 | 0xa, (LPI + i) << 32 | i, i % VCPUS); /* MAPTI */
}

static void start(void)
{
	vm = new_vm();
	for (unsigned int n = 0; n < VCPUS; n++)
		vcpus[n] = new_vcpu(&vm, n);
	add_gic(&vm);
	add_its();
	for (unsigned int n = 0; n < VCPUS; n++) {
		LOAD(&vm, &vcpus[n], counter);
		must(set_reg(&vcpus[n], CORE_REG(regs[0]), n), "x0");
		expect_write(&vcpus[n], MMIO_BASE, 4, 0, "a vCPU is ready");
	}
	map_events();
}

/* ---- */

static void wake_up(int sig)
{
	(void)sig;
}

static void *run_until_told(void *arg)
{
	const struct vcpu *vcpu = arg;

	return (void *)run(vcpu);
}

/* Each second event, in no order. */
static void *signal_half(void *arg)
{
	uintptr_t first = (uintptr_t)arg, delivered = 0;

	for (uint32_t i = 0; i < EVENTS / 2; i++) {
		struct kvm_msi msi = { .address_lo = (uint32_t)TRANSLATER,
				       .data = (uint32_t)(first + i * 2 * 1021) % EVENTS,
				       .devid = DEVICE,
				       .flags = KVM_MSI_VALID_DEVID };

		delivered += ioctl(vm.fd, KVM_SIGNAL_MSI, &msi) == 1;
	}
	return (void *)delivered;
}

static void signal_all(unsigned int round)
{
	uintptr_t delivered = 0;
	pthread_t thread[2];
	void *result;

	for (uintptr_t n = 0; n < 2; n++)
		must(-pthread_create(&thread[n], NULL, signal_half, (void *)n), "a thread");
	for (unsigned int n = 0; n < 2; n++) {
		pthread_join(thread[n], &result);
		delivered += (uintptr_t)result;
	}
	if (delivered != EVENTS)
		check(false, "round %u: %lu of %u were mapped", round, delivered, EVENTS);
}

static uint32_t events_that_came(uint32_t times)
{
	const volatile uint32_t *counts = at(COUNTS);
	uint32_t sum = 0;

	for (uint32_t i = 0; i < EVENTS; i++)
		sum += counts[i] == times;
	return sum;
}

static bool all_came(unsigned int round)
{
	uint32_t came = 0;

	for (unsigned int ms = 0; ms < PATIENCE_MS && came < EVENTS; ms += 10) {
		came = events_that_came(round);
		if (came < EVENTS)
			usleep(10000);
	}
	return came == EVENTS ||
	       check(false, "round %u: %u of %u LPIs came that often", round, came, EVENTS);
}

static void signal_rounds(unsigned int rounds)
{
	const volatile uint32_t *others = at(OTHERS);
	uint32_t strangers = 0;

	for (unsigned int round = 1; round <= rounds; round++) {
		signal_all(round);
		if (!all_came(round))
			return;
	}
	usleep(100000); /* what comes twice has come by then */
	check(events_that_came(rounds) == EVENTS, "%u LPIs came, each of %u as often as another",
	      rounds * EVENTS, EVENTS);
	for (unsigned int n = 0; n < VCPUS; n++)
		strangers += others[n];
	check(!strangers, "none came to another vCPU (%u did)", strangers);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = wake_up };
	pthread_t thread[VCPUS];
	unsigned int n;
	void *result;

	start();
	sigaction(SIGUSR1, &action, NULL);
	for (n = 0; n < VCPUS; n++)
		must(-pthread_create(&thread[n], NULL, run_until_told, &vcpus[n]), "a thread");
	signal_rounds(argc > 1 ? (unsigned int)atoi(argv[1]) : ROUNDS);
	for (n = 0; n < VCPUS; n++) {
		vcpus[n].run->immediate_exit = 1;
		pthread_kill(thread[n], SIGUSR1);
	}
	for (n = 0; n < VCPUS; n++) {
		pthread_join(thread[n], &result);
		check((long)result < 0, "vCPU %u ran to the end", n);
	}
	return finish();
}
