// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of a GICv3: KVM_DEV_ARM_VGIC_GRP_DIST_REGS, _REDIST_REGS, _CPU_SYSREGS, _LEVEL_INFO.
 * Each error; what is saved is there when it is restored, and the guest goes on as if nothing was.
 */
#include <pthread.h>
#include <signal.h>

#include "kvmtest.h"

#define DIST  KVM_DEV_ARM_VGIC_GRP_DIST_REGS
#define RDIST KVM_DEV_ARM_VGIC_GRP_REDIST_REGS
#define LEVEL KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO
#define CPU   KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS

#define GICD_CTLR	0x0
#define GICD_TYPER	0x4
#define GICD_IIDR	0x8
#define GICD_TYPER2	0xc
#define GICD_STATUSR	0x10
#define GICR_STATUSR	0x10
#define GICD_ISPENDR1	0x204
#define GICD_ICPENDR1	0x284
#define GICD_ISACTIVER1 0x304
#define SGI_FRAME	0x10000

/* The vCPU with this number, below 16. */
#define OF(vcpu, offset) ((uint64_t)(vcpu) << KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT | (offset))

static long get(int gic, uint32_t group, uint64_t attr, void *value)
{
	return gic_attr(gic, KVM_GET_DEVICE_ATTR, group, attr, value);
}

static long set32(int gic, uint32_t group, uint64_t attr, uint32_t value)
{
	return gic_attr(gic, KVM_SET_DEVICE_ATTR, group, attr, &value);
}

static uint32_t get32(int gic, uint32_t group, uint64_t attr)
{
	uint32_t value = 0;

	must(get(gic, group, attr, &value), "KVM_GET_DEVICE_ATTR");
	return value;
}

static void init_gic(const struct vm *vm)
{
	must(gic_attr(vm->gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		      KVM_DEV_ARM_VGIC_CTRL_INIT, NULL),
	     "init");
}

#define ICC(crn, crm, op2) (3 << 14 | (crn) << 7 | (crm) << 3 | (op2))
#define ICC_PMR_EL1	   ICC(4, 6, 0)

/* Registers are there from the init on, which may come before any address. */
static void test_without_addresses(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint32_t value;
	uint64_t word = 0xf0;

	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	gives(get(vm.gic, DIST, GICD_CTLR, &value), EBUSY, "GICD_CTLR before the init");
	init_gic(&vm);
	gives(set32(vm.gic, DIST, 0x104, 0xf0), 0, "GICD_ISENABLER1 without addresses");
	gives(set32(vm.gic, RDIST, OF(0, SGI_FRAME + 0x100), 0xf0000), 0, "GICR_ISENABLER0");
	gives(set32(vm.gic, DIST, 0xc08, 0), 0, "GICD_ICFGR2");
	gives(set32(vm.gic, LEVEL, OF(0, 32), 0x100), 0, "levels");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, ICC_PMR_EL1,
		       &word),
	      0, "ICC_PMR_EL1");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "redistributors'");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor's address");
	check(get32(vm.gic, DIST, 0x104) == 0xf0, "it keeps what was written: the distributor");
	check(get32(vm.gic, RDIST, OF(0, SGI_FRAME + 0x100)) == 0xfffff, "a redistributor");
	check(get32(vm.gic, LEVEL, OF(0, 32)) == 0x100, "a level");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* What userspace decides before the init: so little that it may be read and written by then. */
static void test_before_init(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint32_t iidr;

	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	if (get(vm.gic, DIST, GICD_IIDR, &iidr) && !on_keel())
		goto out; /* KVM before Linux 6.16 */
	check((iidr & ~0xf000U) == 0x4b00043b, "GICD_IIDR before the init (%#x)", iidr);
	gives(set32(vm.gic, DIST, GICD_IIDR, iidr ^ 1), EINVAL, "another implementer");
	gives(set32(vm.gic, DIST, GICD_IIDR, 0x4b00243b), 0, "revision 2");
	check(get32(vm.gic, DIST, GICD_IIDR) == 0x4b00243b, "reads back");
	check(get32(vm.gic, DIST, GICD_TYPER2) == 0, "GICD_TYPER2: nothing of GICv4.1");
	gives(set32(vm.gic, DIST, GICD_TYPER2, 0), 0, "which can be said");
	gives(set32(vm.gic, DIST, GICD_TYPER2, 1 << 8), EINVAL, "nASSGIcap");
	init_gic(&vm);
	check(get32(vm.gic, DIST, GICD_IIDR) == 0x4b00243b, "GICD_IIDR is the same after the init");
	gives(set32(vm.gic, DIST, GICD_TYPER2, 0), 0, "GICD_TYPER2 as it is");
	gives(set32(vm.gic, DIST, GICD_TYPER2, 1 << 8), EBUSY, "nASSGIcap after the init");
out:
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* An interface has them all, those included that say how many bits of priority it has not. */
static void test_has_icc(void)
{
	static const uint32_t regs[] = { ICC_PMR_EL1,	 ICC(12, 8, 3),	 ICC(12, 8, 4),
					 ICC(12, 8, 5),	 ICC(12, 8, 6),	 ICC(12, 8, 7),
					 ICC(12, 9, 0),	 ICC(12, 9, 1),	 ICC(12, 9, 2),
					 ICC(12, 9, 3),	 ICC(12, 12, 3), ICC(12, 12, 4),
					 ICC(12, 12, 5), ICC(12, 12, 6), ICC(12, 12, 7) };
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	bool all = true;

	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
		all &= !gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
				 regs[i], NULL);
	check(all, "it has every ICC_*_EL1, also before the init");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
		       ICC(12, 11, 5), NULL),
	      ENXIO, "but not ICC_SGI1R_EL1");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
		       OF(1, ICC_PMR_EL1), NULL),
	      EINVAL, "nor one of a vCPU that there is not");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* Redistributors lie in the order in which the vCPUs were created, whatever their ids. */
static void test_order_of_creation(void)
{
	static const unsigned int ids[] = { 0, 3, 1, 2 };
	static const uint32_t typers[] = { 0x000, 0x100, 0x210, 0x310 };
	uint64_t regions[] = { 2ULL << 52 | 0x200000, 10ULL << 52 | 0x20000 | 1 };
	struct vm vm = new_vm();
	struct vcpu vcpu[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		vcpu[i] = new_vcpu(&vm, ids[i]);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	init_gic(&vm);
	for (i = 0; i < 4; i++)
		check(get32(vm.gic, RDIST, OF(i, 8)) == i << 8,
		      "GICR_TYPER of vCPU %u before it has a place", i);
	for (i = 0; i < 2; i++)
		must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, regions[i]),
		     "a region");
	for (i = 0; i < 4; i++)
		check(get32(vm.gic, RDIST, OF(i, 8)) == typers[i],
		      "GICR_TYPER of vCPU %u (%#x): 3 and 2 are the last of their regions", i,
		      get32(vm.gic, RDIST, OF(i, 8)));
	for (i = 0; i < 4; i++)
		end_vcpu(&vcpu[i]);
	close(vm.gic);
	end_vm(&vm);
}

/*
 * What there is, and for a vCPU that there is, what there is not: KVM reads that as zero and ignores
 * writes, so that a VMM need not know how many interrupts a VM has.
 */
static void reads_and_writes(int gic, uint32_t group, uint64_t attr, int has, const char *name)
{
	uint32_t value = ~0U;
	char what[80];

	snprintf(what, sizeof(what), "read of %s", name);
	if (!gives(get(gic, group, attr, &value), has == EINVAL ? EINVAL : 0, what) ||
	    has == EINVAL)
		return;
	if (!has) {
		gives(set32(gic, group, attr, value), 0, "the same written");
		return;
	}
	check(!value, "it is zero");
	gives(set32(gic, group, attr, ~0U), 0, "all ones written");
	must(get(gic, group, attr, &value), "reading again");
	check(!value, "are ignored");
}

static void test_errors(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	static const struct {
		uint32_t group;
		uint64_t attr;
		int want;
		const char *what;
	} rows[] = {
		{ DIST, GICD_CTLR, 0, "GICD_CTLR" },
		{ DIST, 0x10, 0, "GICD_STATUSR" },
		{ DIST, 0x14, ENXIO, "between registers of the distributor" },
		{ DIST, GICD_CTLR + 2, ENXIO, "a misaligned register" },
		{ DIST, 0x6100, 0, "a half of GICD_IROUTER32" },
		{ DIST, 0xffe8, 0, "GICD_PIDR2" },
		{ DIST, 0x120, ENXIO, "GICD_ISENABLER of interrupts from 256 on" },
		{ DIST, 0x8fc, 0, "the last GICD_ITARGETSR" },
		{ DIST, 0x4fc, 0, "the last GICD_IPRIORITYR" },
		{ DIST, 0x500, ENXIO, "GICD_IPRIORITYR of interrupts from 256 on" },
		{ DIST, 0x900, ENXIO, "GICD_ITARGETSR of interrupts from 256 on" },
		{ DIST, 0xd20, ENXIO, "GICD_IGRPMODR of interrupts from 256 on" },
		{ DIST, 0x67fc, 0, "a half of GICD_IROUTER255" },
		{ DIST, 0x6800, ENXIO, "GICD_IROUTER256" },
		{ DIST, 0x10000, ENXIO, "behind the distributor" },
		{ DIST, OF(7, GICD_CTLR), 0, "the distributor, by any vCPU's name" },
		{ RDIST, OF(0, 0), 0, "GICR_CTLR" },
		{ RDIST, OF(0, 0x14), 0, "GICR_WAKER" },
		{ RDIST, OF(0, 0x70), 0, "GICR_PROPBASER" },
		{ RDIST, OF(0, 0x7c), 0, "the other half of GICR_PENDBASER" },
		{ RDIST, OF(0, 0x20), ENXIO, "between registers of a redistributor" },
		{ RDIST, OF(0, 0xa0), 0, "GICR_INVLPIR" },
		{ RDIST, OF(0, 0xb4), 0, "a half of GICR_INVALLR" },
		{ RDIST, OF(0, 0xc0), 0, "GICR_SYNCR" },
		{ RDIST, OF(0, 0xc4), ENXIO, "behind it" },
		{ RDIST, OF(0, SGI_FRAME + 0x100), 0, "GICR_ISENABLER0" },
		{ RDIST, OF(0, SGI_FRAME + 0x104), ENXIO, "behind it" },
		{ RDIST, OF(1, 0), EINVAL, "a redistributor without a vCPU" },
		{ LEVEL, OF(0, 32), 0, "levels of shared interrupts" },
		{ LEVEL, OF(0, 0), 0, "levels of private interrupts" },
	};

	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor's address");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST), "redistributors'");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, DIST, 0x104, NULL), ENXIO,
	      "has GICD_ISENABLER1 before it has SPIs");
	gives(set32(vm.gic, DIST, GICD_CTLR, 0), EBUSY, "GICD_CTLR before the init");
	gives(set32(vm.gic, RDIST, OF(0, 0x14), 0), EBUSY, "GICR_WAKER before the init");
	gives(set32(vm.gic, LEVEL, OF(0, 32), 0), EBUSY, "levels before the init");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		       KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL),
	      ENXIO, "pending tables before the init");
	gives(set32(vm.gic, RDIST, OF(3, 0x14), 0), EINVAL, "no such vCPU is found first");
	init_gic(&vm);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char what[80];

		snprintf(what, sizeof(what), "has %s", rows[i].what);
		gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, rows[i].group, rows[i].attr, NULL),
		      rows[i].want, what);
		reads_and_writes(vm.gic, rows[i].group, rows[i].attr, rows[i].want, rows[i].what);
	}
	gives(get(vm.gic, LEVEL, OF(0, 33), &(uint32_t){ 0 }), EINVAL, "levels from INTID 33 on");
	gives(get(vm.gic, LEVEL, OF(0, 1 << 10), &(uint32_t){ 0 }), EINVAL, "no kind of levels");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, LEVEL, OF(0, 1 << 10), NULL), ENXIO,
	      "nor has it that");
	gives(get(vm.gic, LEVEL, OF(1, 32), &(uint32_t){ 0 }), EINVAL, "levels of no vCPU");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, LEVEL, OF(1, 33), NULL), 0,
	      "whether there are levels is no question of a vCPU");
	gives(get(vm.gic, DIST, GICD_CTLR, NULL), EFAULT, "reading to nowhere");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, DIST, GICD_CTLR, NULL), EFAULT,
	      "writing from nowhere");
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

static void test_values(void)
{
	struct vm vm = new_vm();
	struct vcpu first = new_vcpu(&vm, 0), second = new_vcpu(&vm, 1);
	uint32_t iidr;

	add_gic(&vm);
	check(get32(vm.gic, RDIST, OF(0, SGI_FRAME + 0x100)) == 0xffff,
	      "SGIs are enabled at first");
	iidr = get32(vm.gic, DIST, GICD_IIDR);
	gives(set32(vm.gic, DIST, GICD_IIDR, iidr ^ 1), EINVAL, "another implementer");
	gives(set32(vm.gic, DIST, GICD_IIDR, iidr | 0xf000), EINVAL, "a revision to come");
	gives(set32(vm.gic, DIST, GICD_IIDR, iidr & ~0xf000U), EINVAL, "revision 0");
	gives(set32(vm.gic, DIST, GICD_IIDR, (iidr & ~0xf000U) | 0x1000), 0, "revision 1");
	check(get32(vm.gic, DIST, GICD_IIDR) == ((iidr & ~0xf000U) | 0x1000), "reads as 1");
	gives(set32(vm.gic, DIST, GICD_IIDR, iidr), 0, "the latest again");
	check((get32(vm.gic, DIST, GICD_TYPER) & 0x1f) == 7, "GICD_TYPER: 256 interrupts");
	check(!(get32(vm.gic, RDIST, OF(0, 8)) & 1 << 4), "GICR_TYPER.Last: not the first");
	check(get32(vm.gic, RDIST, OF(1, 8)) & 1 << 4, "but the second");
	check(get32(vm.gic, RDIST, OF(1, 12)) == 1, "its affinity");
	check(get32(vm.gic, DIST, 0xc08) == 0xaaaaaaaa, "SPIs are edges at first");
	check(get32(vm.gic, RDIST, OF(0, SGI_FRAME + 0xc04)) == 0, "and PPIs levels");
	/* KVM's EnableGrp1 is of both groups; with Group 0 off, there is a bit that KVM ignores. */
	gives(set32(vm.gic, DIST, GICD_CTLR, 0x52), 0, "GICD_CTLR as KVM has it");
	check(get32(vm.gic, DIST, GICD_CTLR) == 0x52, "reads back");
	gives(set32(vm.gic, DIST, GICD_CTLR, 0x56), 0, "with Group 0 off");
	check(get32(vm.gic, DIST, GICD_CTLR) == (on_keel() ? 0x56 : 0x52), "reads back");
	gives(set32(vm.gic, DIST, GICD_CTLR, 0), 0, "no group");
	check(get32(vm.gic, DIST, GICD_CTLR) == 0x50, "reads back");
	if (on_keel()) {
		gives(set32(vm.gic, DIST, GICD_STATUSR, ~0U), 0, "GICD_STATUSR");
		gives(set32(vm.gic, RDIST, OF(1, GICR_STATUSR), 5), 0,
		      "GICR_STATUSR of the second");
		check(get32(vm.gic, DIST, GICD_STATUSR) == 0xf, "keeps what is not reserved");
		check(get32(vm.gic, RDIST, OF(1, GICR_STATUSR)) == 5, "as does this one");
		check(get32(vm.gic, RDIST, OF(0, GICR_STATUSR)) == 0, "each has its own");
		gives(set32(vm.gic, DIST, GICD_STATUSR, 0), 0, "a zero");
		check(get32(vm.gic, DIST, GICD_STATUSR) == 0, "is a zero");
	}
	/* Tables of LPIs, without an ITS. */
	check(get32(vm.gic, RDIST, OF(0, 0)) == 6, "GICR_CTLR: IR and CES");
	gives(set32(vm.gic, RDIST, OF(0, 0x70), 0x80010000), 0, "GICR_PROPBASER");
	check(get32(vm.gic, RDIST, OF(1, 0x70)) == 0x80010280, "is one for all redistributors");
	gives(set32(vm.gic, RDIST, OF(1, 0x7c), 0x40000003), 0, "GICR_PENDBASER with PTZ");
	check(get32(vm.gic, RDIST, OF(1, 0x7c)) == 3, "which reads as zero");
	check(get32(vm.gic, RDIST, OF(0, 0x7c)) == 0, "each has its own");
	/* Latches and inputs are states of their own. */
	gives(set32(vm.gic, DIST, 0xc08, 0), 0, "SPIs 32 to 47 are levels");
	gives(set32(vm.gic, LEVEL, OF(0, 32), 1 << 9), 0, "the input of 41");
	check(get32(vm.gic, LEVEL, OF(0, 32)) == 1 << 9, "is high");
	check(get32(vm.gic, DIST, GICD_ISPENDR1) == 0, "and not latched");
	gives(set32(vm.gic, DIST, 0xc08, 0x2 << 18), 0, "41 is an edge");
	check(get32(vm.gic, LEVEL, OF(0, 32)) == 0, "whose input is no level");
	gives(set32(vm.gic, DIST, 0xc08, 0), 0, "41 is a level");
	check(get32(vm.gic, LEVEL, OF(0, 32)) == 1 << 9, "which is high still");
	gives(set32(vm.gic, LEVEL, OF(0, 256), ~0U), 0, "inputs that there are not");
	check(get32(vm.gic, LEVEL, OF(0, 256)) == 0, "are none");
	gives(set32(vm.gic, DIST, GICD_ISPENDR1, 3 << 8), 0, "latches of 40 and 41");
	gives(set32(vm.gic, DIST, GICD_ISPENDR1, 1 << 8), 0, "a zero takes one away");
	gives(set32(vm.gic, DIST, GICD_ICPENDR1, 1 << 8), 0, "GICD_ICPENDR is ignored");
	check(get32(vm.gic, DIST, GICD_ICPENDR1) == 0, "and reads as zero");
	check(get32(vm.gic, DIST, GICD_ISPENDR1) == 1 << 8, "40 is latched");
	gives(set32(vm.gic, DIST, GICD_ISACTIVER1, 1 << 8), 0, "and active");
	check(get32(vm.gic, DIST, GICD_ISACTIVER1) == 1 << 8, "as it reads");
	gives(set32(vm.gic, RDIST, OF(1, SGI_FRAME + 0x180), 0xffaa), 0, "SGIs of the second");
	check(get32(vm.gic, RDIST, OF(1, SGI_FRAME + 0x100)) == 0x55, "are disabled");
	check(get32(vm.gic, RDIST, OF(0, SGI_FRAME + 0x100)) == 0xffff, "not of the first");
	close(vm.gic);
	end_vcpu(&second);
	end_guest(&vm, &first);
}

/* ---- while a vCPU runs ---- */

GUEST_CODE(spin, "mov x1, #0x09000000\n str wzr, [x1]\n 1: b 1b\n");

static void nothing(int signal)
{
	(void)signal;
}

static void *run_it(void *arg)
{
	struct vcpu *vcpu = arg;

	ioctl(vcpu->fd, KVM_RUN, 0);
	return NULL;
}

static void test_running(void)
{
	struct vm vm;
	struct vcpu vcpu, second;
	pthread_t thread;
	struct sigaction action = { .sa_handler = nothing };
	uint64_t word = 0xf0;
	long ret = 0;

	sigaction(SIGUSR1, &action, NULL);
	start_guest(&vm, &vcpu, spin, spin_end);
	second = new_vcpu(&vm, 1);
	add_gic(&vm);
	expect_write(&vcpu, MMIO_BASE, 4, 0, "the guest runs");
	pthread_create(&thread, NULL, run_it, &vcpu);
	for (int i = 0; i < 500 && !ret; i++) {
		uint32_t value;

		usleep(10000);
		ret = get(vm.gic, DIST, GICD_CTLR, &value);
	}
	gives(ret, EBUSY, "GICD_CTLR while a vCPU runs");
	gives(set32(vm.gic, RDIST, OF(0, 0x14), 0), EBUSY, "GICR_WAKER");
	gives(set32(vm.gic, LEVEL, OF(0, 32), 0), EBUSY, "levels");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, OF(1, ICC_PMR_EL1), &word), EBUSY,
	      "ICC_PMR_EL1 of another vCPU, which does not run");
	gives(get(vm.gic, CPU, OF(1, ICC_PMR_EL1), &word), EBUSY, "read as well");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, CPU, OF(0, ICC_PMR_EL1), NULL), 0,
	      "whether there is one can be asked");
	gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, CPU,
		       OF(0, 3 << 14 | 4 << 11 | 12 << 7 | 11 << 3), NULL),
	      ENXIO, "nor has a vCPU without an EL2 ICH_HCR_EL2");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
		       KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL),
	      EBUSY, "pending tables");
	vcpu.run->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	check(get(vm.gic, DIST, GICD_CTLR, &(uint32_t){ 0 }) == 0,
	      "when it has stopped it is read");
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, OF(1, ICC_PMR_EL1), &word), 0,
	      "and ICC_PMR_EL1 written");
	close(vm.gic);
	end_vcpu(&second);
	end_guest(&vm, &vcpu);
}

/* ---- as many vCPUs as a VM can have ---- */

#define MOST	512
#define FAR_AT	(GUEST_BASE + 0x1000)
#define REGIONS 0x200000000ULL
/* vCPU @n's affinities, and the name of its redistributor. */
#define AFFINITY(n)	((uint64_t)(n) % 16 | (uint64_t)(n) / 16 << 8)
#define FAR(n, offset)	OF(AFFINITY(n), offset)
#define REGION(i, n, b) ((uint64_t)(n) << 52 | (b) | (i))

/* SGI 3 to all others, SGI 5 to vCPU 511: affinities 1 and 0 are 31 and 15. */
GUEST_CODE(sender, "mov x10, #0x08000000\n"
		   "mov w1, #0x12\n str w1, [x10]\n"
		   "mov x1, #0x3000000\n movk x1, #0x100, lsl #32\n msr s3_0_c12_c11_5, x1\n"
		   "mov x1, #0x8000\n movk x1, #0x51f, lsl #16\n msr s3_0_c12_c11_5, x1\n isb\n"
		   "mov x12, #0x09000000\n str wzr, [x12]\n b .\n");

/* Nobody has enabled its SGIs: they are at reset. */
GUEST_CODE(taker, "mov x1, #0xf0\n msr s3_0_c4_c6_0, x1\n"
		  "mov x1, #1\n msr s3_0_c12_c12_7, x1\n isb\n"
		  "mov x12, #0x09000000\n"
		  "1: mrs x3, s3_0_c12_c12_0\n str w3, [x12, #4]\n"
		  "msr s3_0_c12_c12_1, x3\n isb\n b 1b\n");

static void check_redistributors(int gic)
{
	unsigned int wrong = 0;

	for (uint32_t i = 0; i < MOST; i++) {
		bool last = i == 299 || i == MOST - 1;

		wrong += get32(gic, RDIST, FAR(i, 8)) != (i << 8 | last << 4) ||
			 get32(gic, RDIST, FAR(i, 12)) != AFFINITY(i);
	}
	check(!wrong, "each of %u has its GICR_TYPER (%u have not)", MOST, wrong);
}

static void test_most_vcpus(void)
{
	static struct vcpu vcpu[MOST];
	struct vm vm = new_vm();
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < MOST; i++)
		vcpu[i] = new_vcpu(&vm, i);
	must(create_gic(vm.fd, 0, &vm.gic), "KVM_CREATE_DEVICE");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST), "distributor");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, REGION(0, 300, REGIONS)),
	     "300 redistributors");
	must(set_gic_addr(vm.gic, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, REGION(1, 300, 2 * REGIONS)),
	     "and more than there are vCPUs");
	init_gic(&vm);
	check_redistributors(vm.gic);
	load_code(&vm, &vcpu[0], GUEST_BASE, sender, sender_end);
	load_code(&vm, &vcpu[MOST - 1], FAR_AT, taker, taker_end);
	expect_write(&vcpu[0], MMIO_BASE, 4, 0, "a vCPU sends an SGI to all others");
	for (uint32_t i = 1; i < MOST - 1; i++)
		wrong += get32(vm.gic, RDIST, FAR(i, SGI_FRAME + 0x200)) != 1 << 3;
	check(!wrong, "which have it (%u have not)", wrong);
	check(get32(vm.gic, RDIST, FAR(0, SGI_FRAME + 0x200)) == 0, "but the sender");
	expect_write(&vcpu[MOST - 1], MMIO_BASE + 4, 4, 3, "the last one takes it");
	expect_write(&vcpu[MOST - 1], MMIO_BASE + 4, 4, 5, "and one that was for it alone");
	expect_write(&vcpu[MOST - 1], MMIO_BASE + 4, 4, 1023, "and no more");
	close(vm.gic);
	for (unsigned int i = 1; i < MOST; i++)
		end_vcpu(&vcpu[i]);
	end_guest(&vm, &vcpu[0]);
}

/* ---- from one VM to another ---- */

#define SYSREG(op0, op1, crn, crm, op2)                                                      \
	((uint64_t)(op0) << KVM_REG_ARM64_SYSREG_OP0_SHIFT |                                 \
	 (op1) << KVM_REG_ARM64_SYSREG_OP1_SHIFT | (crn) << KVM_REG_ARM64_SYSREG_CRN_SHIFT | \
	 (crm) << KVM_REG_ARM64_SYSREG_CRM_SHIFT | (op2))

/* ICC_*_EL1: SRE, CTLR, PMR, BPR0, BPR1, AP0R0, AP1R0, IGRPEN0, IGRPEN1 */
static const uint64_t icc[] = {
	SYSREG(3, 0, 12, 12, 5), SYSREG(3, 0, 12, 12, 4), SYSREG(3, 0, 4, 6, 0),
	SYSREG(3, 0, 12, 8, 3),	 SYSREG(3, 0, 12, 12, 3), SYSREG(3, 0, 12, 8, 4),
	SYSREG(3, 0, 12, 9, 0),	 SYSREG(3, 0, 12, 12, 6), SYSREG(3, 0, 12, 12, 7),
};

#define NR_ICC (sizeof(icc) / sizeof(icc[0]))

struct state {
	uint32_t dist[0x10000 / 4], redist[0x20000 / 4], lines[1024 / 32];
	uint64_t icc[NR_ICC];
};

static void save_words(int gic, uint32_t group, uint32_t *words, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		words[i] = 0;
		if (get(gic, group, OF(0, i * 4), &words[i]) && errno != ENXIO)
			give_up("saving registers");
	}
}

static void save(int gic, struct state *s)
{
	save_words(gic, DIST, s->dist, 0x10000 / 4);
	save_words(gic, RDIST, s->redist, 0x20000 / 4);
	for (uint32_t i = 0; i < 256 / 32; i++)
		s->lines[i] = get32(gic, LEVEL, OF(0, i * 32));
	for (size_t i = 0; i < NR_ICC; i++)
		must(get(gic, CPU, icc[i], &s->icc[i]), "saving the CPU interface");
}

/* GICD_ICENABLER and its like clear what is written as one. */
static bool clears(uint32_t group, uint32_t offset)
{
	return (group == DIST || offset >= SGI_FRAME) && offset % 0x10000 >= 0x180 &&
	       offset % 0x10000 < 0x400 && offset & 0x80;
}

static void restore_words(int gic, uint32_t group, uint32_t *words, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!clears(group, i * 4) &&
		    gic_attr(gic, KVM_SET_DEVICE_ATTR, group, OF(0, i * 4), &words[i]) &&
		    errno != ENXIO)
			give_up("restoring registers");
}

static void restore(int gic, struct state *s)
{
	restore_words(gic, DIST, s->dist, 0x10000 / 4);
	restore_words(gic, RDIST, s->redist, 0x20000 / 4);
	for (uint32_t i = 0; i < 256 / 32; i++)
		must(set32(gic, LEVEL, OF(0, i * 32), s->lines[i]), "restoring levels");
	for (size_t i = 0; i < NR_ICC; i++)
		must(gic_attr(gic, KVM_SET_DEVICE_ATTR, CPU, icc[i], &s->icc[i]),
		     "restoring the CPU interface");
}

static void test_interface(void)
{
	struct vm vm = new_vm();
	struct vcpu vcpu = new_vcpu(&vm, 0);
	uint64_t value, ctlr;

	add_gic(&vm);
	for (size_t i = 0; i < NR_ICC; i++)
		gives(gic_attr(vm.gic, KVM_HAS_DEVICE_ATTR, CPU, icc[i], NULL), 0, "has ICC_*_EL1");
	gives(get(vm.gic, CPU, SYSREG(3, 0, 12, 12, 0), &value), ENXIO, "ICC_IAR1_EL1");
	gives(get(vm.gic, CPU, OF(1, icc[0]), &value), EINVAL, "ICC_SRE_EL1 of no vCPU");
	value = 0;
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, icc[0], &value), EINVAL,
	      "ICC_SRE_EL1 without system registers");
	must(get(vm.gic, CPU, icc[1], &ctlr), "ICC_CTLR_EL1");
	value = ctlr ^ 1 << 14;
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, icc[1], &value), EINVAL,
	      "ICC_CTLR_EL1 with another SEIS");
	value = ctlr | 7 << 8;
	if (value != ctlr)
		gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, icc[1], &value), EINVAL,
		      "with more bits of priority than there are");
	value = ctlr & ~(uint64_t)(7 << 11);
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, icc[1], &value), 0, "with fewer INTIDs");
	must(get(vm.gic, CPU, icc[1], &value), "ICC_CTLR_EL1");
	check(value == (ctlr & ~(uint64_t)(7 << 11)), "it reads so (%#llx)",
	      (unsigned long long)value);
	value = on_keel() ? ctlr : value; /* KVM takes the larger number no more */
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, icc[1], &value), 0, "as it was");
	must(get(vm.gic, CPU, icc[1], &ctlr), "ICC_CTLR_EL1");
	value = ctlr ^ 2;
	gives(gic_attr(vm.gic, KVM_SET_DEVICE_ATTR, CPU, icc[1], &value), 0, "with EOImode");
	must(get(vm.gic, CPU, icc[1], &ctlr), "ICC_CTLR_EL1");
	check(value == ctlr, "ICC_CTLR_EL1 reads as %#llx (got %#llx)", (unsigned long long)value,
	      (unsigned long long)ctlr);
	close(vm.gic);
	end_guest(&vm, &vcpu);
}

/* The registers that the guest below uses. */
static void move_registers(const struct vcpu *from, const struct vcpu *to)
{
	must(set_reg(to, CORE_REG(pc), get_reg(from, CORE_REG(pc))), "pc");
	for (unsigned int i = 0; i < 31; i++) {
		uint64_t id = CORE_REG(regs[0]) + i * 2;

		must(set_reg(to, id, get_reg(from, id)), "x0..x30");
	}
}

/*
 * SPIs 40 (an edge, of low priority) and 41 (a level, of high priority). The guest waits for 41, and
 * stops while it is active; then it ends it, and takes what is next, until there is none.
 */
GUEST_CODE(two_spis, "mov x1, #0x09000000\n"
		     "mov x10, #0x08000000\n"
		     "mov w2, #0x12\n str w2, [x10]\n"
		     "mov w2, #0x300\n str w2, [x10, #0x84]\n"
		     "mov w2, #0x20000\n str w2, [x10, #0xc08]\n"
		     "mov w2, #0xa0\n strb w2, [x10, #0x428]\n"
		     "mov w2, #0x40\n strb w2, [x10, #0x429]\n"
		     "mov w2, #0x6000\n add x2, x10, x2\n"
		     "str xzr, [x2, #0x140]\n str xzr, [x2, #0x148]\n"
		     "mov w2, #0x300\n str w2, [x10, #0x104]\n"
		     "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n"
		     "mov x2, #0xf0\n msr s3_0_c4_c6_0, x2\n"
		     "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n"
		     "str wzr, [x1]\n"
		     "1: mrs x3, s3_0_c12_c12_0\n cmp x3, #41\n b.ne 1b\n"
		     "str w3, [x1, #4]\n"
		     "msr s3_0_c12_c12_1, x3\n isb\n"
		     "2: mrs x3, s3_0_c12_c12_0\n"
		     "str w3, [x1, #8]\n"
		     "msr s3_0_c12_c12_1, x3\n isb\n"
		     "b 2b\n");

static void raise_line(int fd, uint32_t intid, uint32_t level)
{
	struct kvm_irq_level line = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | intid,
		.level = level,
	};

	must(ioctl(fd, KVM_IRQ_LINE, &line), "KVM_IRQ_LINE");
}

static void test_move(void)
{
	static struct state before, after;
	struct vm vm, other = new_vm();
	struct vcpu vcpu, there = new_vcpu(&other, 0);

	start_guest(&vm, &vcpu, two_spis, two_spis_end);
	add_gic(&vm);
	expect_write(&vcpu, MMIO_BASE, 4, 0, "the guest is ready");
	raise_line(vm.fd, 40, 1);
	raise_line(vm.fd, 41, 1);
	expect_write(&vcpu, MMIO_BASE + 4, 4, 41, "the level is active, the edge is pending");
	vcpu.run->immediate_exit = 1;
	check(run(&vcpu) < 0 && errno == EINTR, "the store is completed");
	save(vm.gic, &before);
	check(before.dist[GICD_ISACTIVER1 / 4] == 1 << 9, "41 is active in what is saved");
	check(before.dist[GICD_ISPENDR1 / 4] == 1 << 8, "40 is latched");
	check(before.lines[1] == 1 << 9, "the input of the level is high");
	add_gic(&other);
	restore(other.gic, &before);
	save(other.gic, &after);
	check(!memcmp(&before, &after, sizeof(before)), "the other VM has the same state");
	memcpy(other.mem, vm.mem, GUEST_SIZE);
	move_registers(&vcpu, &there);
	raise_line(other.fd, 41, 0);
	expect_write(&there, MMIO_BASE + 8, 4, 40, "the guest goes on there: the edge");
	expect_write(&there, MMIO_BASE + 8, 4, 1023, "and no more");
	close(vm.gic);
	close(other.gic);
	end_guest(&vm, &vcpu);
	end_guest(&other, &there);
}

int main(void)
{
	test_before_init();
	test_without_addresses();
	test_has_icc();
	test_order_of_creation();
	test_errors();
	test_values();
	test_interface();
	test_running();
	test_most_vcpus();
	test_move();
	return finish();
}
