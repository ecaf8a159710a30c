// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every call that the host can make, in every state that a CPU can be in. Two CPUs make calls with
 * valid, nearly valid and invalid arguments, on VMs that both know, while run pages change during
 * the calls. Results are not checked, but for this: Keel keeps running, calls preserve the
 * registers that they do not return results in, and at the end all memory comes back and a guest
 * runs.
 *
 * Random numbers have a fixed seed; the interleaving of two CPUs is not reproducible.
 */
#define HOSTILE_SECONDARY
#include "gic.h"
#include "hostile.h"

#define NCPUS 2
#define NVMS  4 /* VMs of each CPU at a time */
/* In each state: so many rounds, or fewer where they take long. */
#define ROUNDS	      6000
#define ROUNDS_MIN    500
#define SECONDS	      2
#define CPU1_MPIDR    1UL
#define PSCI_CPU_ON   0xc4000003UL
#define KEEL_CALLS    0xc6000000UL
#define NR_KEEL_CALLS 0x40

/* The machine: QEMU's `virt`. */
#define DEVICE_HOLE 0x0b000000UL /* nothing answers there */
#define KEEL_IMAGE  0x40200000UL
#define NO_INTID    1020 /* and above: ICC_IAR1_EL1 has no interrupt */

/* Interrupts that devices' messages become: the first ones, more than Keel has places for. */
#define LPI_FIRST 8192
#define LPIS	  (2 * KEEL_LPIS)

/* KVM_ARM_VCPU_*, and SPE */
#define FEATURE_PSCI 4UL
#define FEATURE_EL2  (1UL << 7)
#define FEATURE_SPE  (1UL << 63)

#define ENOENT_ (-2L)
#define EAGAIN_ (-11L)
#define ENOMEM_ (-12L)
#define EBUSY_	(-16L)

/*
 * Memory that CPU @cpu donates and gets back: 64 MiB each. Memory of the pool does not come back.
 */
#define SCRATCH(cpu)	  (HOSTILE_MEMORY + (cpu)*0x4000000UL)
#define SCRATCH_BYTES	  0x4000000UL
#define FOR_THE_POOL(cpu) (HOSTILE_MEMORY + 0x10000000UL + (cpu)*0x1000000UL)
#define POOL_DONATIONS	  8

/* calls.S */
extern const char busy[], busy_end[];
void hvc_el1t(struct regs *regs);

/* A VM that one CPU has made; the other CPU uses its handle too. */
struct vm {
	u64 handle; /* 0: no VM */
	u64 ipa_bits;
	u64 vcpus;
};

/* The state of a CPU. */
struct cpu {
	u64 seed;
	u64 id;
	u64 pool_used;
	u64 broken; /* calls that changed registers that they must preserve */
	u64 good;
	u64 exits[16]; /* by KEEL_EXIT_* */
	u64 last;      /* what the last run came to */
	u64 lpis;      /* that were pending */
	u64 el2s;      /* vCPUs that got an EL2 */
	struct vm vms[NVMS];
	void (*call)(struct regs *regs);
};

static struct cpu cpus[NCPUS];
static volatile u64 second_ready, mode_now, second_done, stop;

static u64 random(struct cpu *cpu)
{
	cpu->seed ^= cpu->seed << 13;
	cpu->seed ^= cpu->seed >> 7;
	cpu->seed ^= cpu->seed << 17;
	return cpu->seed * 0x2545f4914f6cdd1dUL;
}

static u64 below(struct cpu *cpu, u64 n)
{
	return (random(cpu) >> 16) % n;
}

/* ---- arguments ---- */

static u64 some_vm(struct cpu *cpu)
{
	return cpus[below(cpu, NCPUS)].vms[below(cpu, NVMS)].handle;
}

/* An address of this CPU's scratch memory; each slot has 64 KiB of its own. */
static u64 some_page(struct cpu *cpu)
{
	return SCRATCH(cpu->id) + below(cpu, SCRATCH_BYTES / HOSTILE_PAGE_SIZE) * HOSTILE_PAGE_SIZE;
}

static u64 some_number(struct cpu *cpu)
{
	static const u64 numbers[] = {
		0,
		1,
		2,
		3,
		8,
		16,
		31,
		32,
		48,
		64,
		128,
		511,
		512,
		513,
		4096,
		8192,
		65536,
		0x200000,
		0x40000000,
		KEEL_IMAGE,
		KEEL_IMAGE + 0x1000,
		DEVICE_HOLE,
		0x08000000,
		0x08080000, /* the ITS */
		0x080a0000,
		0x09000000,
		0x10000000,
		1UL << 31,
		1UL << 32,
		1UL << 40,
		1UL << 47,
		1UL << 52,
		1UL << 63,
		~0UL,
		~0UL - 4095,
		~0UL - 0x1fffff,
		0x7ffffffffffff000UL,
		0x6030000000130000UL, /* a core register, as KVM_GET_ONE_REG names it */
		0x603000000013c080UL,
		0x6030000000140000UL,
		KEEL_REG_CPU_INTERFACE | 0xe658, /* ICH_HCR_EL2 */
		LPI_FIRST,
		LPI_FIRST + 1,
		1UL << 24,
	};

	return numbers[below(cpu, ARRAY_SIZE(numbers))];
}

static u64 some_argument(struct cpu *cpu)
{
	switch (below(cpu, 6)) {
	case 0:
		return some_vm(cpu);
	case 1:
		return some_page(cpu);
	case 2:
		return some_page(cpu) + below(cpu, HOSTILE_PAGE_SIZE);
	case 3:
		return below(cpu, 8);
	default:
		return some_number(cpu);
	}
}

/* ---- calls ---- */

static const u64 others[] = {
	KEEL_HC_UID, KEEL_HC_REVISION, 0x8600ff00, 0x86000000, 0xc6000000, 0xc600ffff, 0x86001234,
	0x80000000,  0x80008000,       0xc5000000, 0x83000000, 0x84000050, 0xbf00ff01, 0xb2000000,
	0x0,	     0x7fffffff,       0xffffffff, 0xc3000000, 0xc4000060, 0x84000061,
};

/* Registers that only KEEL_HC_LOG_READ writes; no other call may. */
static void make_call(struct cpu *cpu, struct regs *regs)
{
	u64 kept[4], i;

	for (i = 0; i < ARRAY_SIZE(kept); i++)
		kept[i] = regs->x[14 + i] = random(cpu);
	u64 fid = regs->x[0];

	cpu->call(regs);
	cpu->good += regs->x[0] == 0;
	if (fid == KEEL_HC_LOG_READ)
		return;
	for (i = 0; i < ARRAY_SIZE(kept); i++)
		cpu->broken += regs->x[14 + i] != kept[i];
}

static u64 call(struct cpu *cpu, u64 fid, u64 x1, u64 x2, u64 x3, u64 x4, u64 x5)
{
	struct regs regs = { { fid, x1, x2, x3, x4, x5 } };

	make_call(cpu, &regs);
	return regs.x[0];
}

/* Memory for VM @n of a CPU: the VM's pages, then four vCPUs and their run pages, then RAM. */
static u64 vm_memory(const struct cpu *cpu, u64 n)
{
	return SCRATCH(cpu->id) + n * (SCRATCH_BYTES / NVMS);
}

static u64 vcpu_memory(const struct cpu *cpu, u64 n, u64 vcpu)
{
	return vm_memory(cpu, n) + 0x400000 + vcpu * 0x100000;
}

static u64 run_page(const struct cpu *cpu, u64 n, u64 vcpu)
{
	return vm_memory(cpu, n) + 0x800000 + vcpu * 0x10000;
}

static u64 guest_memory(const struct cpu *cpu, u64 n)
{
	return vm_memory(cpu, n) + 0xa00000;
}

/* What the shadows of vCPUs with an EL2 take, 2 MiB for each of two. */
static u64 shadow_memory(const struct cpu *cpu, u64 n, u64 vcpu)
{
	return vm_memory(cpu, n) + 0xc00000 + vcpu % 2 * 0x200000;
}

/* ---- valid calls, for which @cpu uses only its own memory ---- */

/* @spare: pages more than the VM itself takes, for tables and for what its vCPUs have in common. */
static void create(struct cpu *cpu, u64 n, u64 bits, u64 spare)
{
	struct vm *vm = &cpu->vms[n];
	struct regs size = { { KEEL_HC_VM_SIZE, bits } }, regs;

	if (vm->handle)
		return;
	vm->ipa_bits = bits;
	make_call(cpu, &size);
	regs = (struct regs){ { KEEL_HC_VM_CREATE, vm_memory(cpu, n), size.x[1] + spare, bits } };
	if (size.x[0])
		return;
	make_call(cpu, &regs);
	vm->handle = regs.x[0] ? 0 : regs.x[1];
	vm->vcpus = 0;
}

/* Some have too few pages for all that they are asked to do. */
static void create_some(struct cpu *cpu, u64 n)
{
	static const u64 bits[] = { 0, 32, 33, 36, 40, 42, 48, 52 };
	u64 some = bits[below(cpu, ARRAY_SIZE(bits))];

	create(cpu, n, some, below(cpu, 64));
}

/* With an EL2 there is more to do than one call does. */
static u64 init_with(struct cpu *cpu, u64 n, u64 vcpu, u64 features)
{
	u64 ret = 0;

	for (u64 tries = 0; tries < 32; tries++) {
		ret = call(cpu, KEEL_HC_VCPU_INIT, cpu->vms[n].handle, vcpu, features, 0, 0);
		if (ret != (u64)ENOMEM_ || !(features & FEATURE_EL2))
			break;
		if (!tries)
			(void)call(cpu, KEEL_HC_VM_TOPUP, cpu->vms[n].handle,
				   shadow_memory(cpu, n, vcpu), KEEL_DONATE_MAX, 0, 0);
	}
	return ret;
}

/* Some features, or none. */
static void init_vcpu(struct cpu *cpu, u64 n, u64 vcpu, u64 possible)
{
	static const u64 some[] = { 0, FEATURE_SPE, FEATURE_EL2, FEATURE_EL2 };
	u64 features = FEATURE_PSCI | (some[below(cpu, ARRAY_SIZE(some))] & possible);

	if (init_with(cpu, n, vcpu, features))
		(void)init_with(cpu, n, vcpu, FEATURE_PSCI);
	else
		cpu->el2s += !!(features & FEATURE_EL2);
}

static void add_vcpu(struct cpu *cpu, u64 n)
{
	struct vm *vm = &cpu->vms[n];
	struct regs size = { { KEEL_HC_VM_SIZE } };
	u64 i = vm->vcpus;

	if (!vm->handle || i == 4)
		return;
	make_call(cpu, &size);
	if (call(cpu, KEEL_HC_VCPU_CREATE, vm->handle, i, vcpu_memory(cpu, n, i), size.x[2],
		 run_page(cpu, n, i)))
		return;
	vm->vcpus++;
	init_vcpu(cpu, n, i, size.x[5]);
}

static void map(struct cpu *cpu, u64 n)
{
	u64 to = guest_memory(cpu, n), handle = cpu->vms[n].handle;

	if (!handle)
		return;
	/* if the memory is another party's by now, the copy faults, and the fault is skipped */
	memcpy((void *)to, busy, (u64)(busy_end - busy));
	(void)call(cpu, KEEL_HC_VM_MAP, handle, 0, to, 0x10000, KEEL_MAP_WRITE | KEEL_MAP_EXEC);
	(void)call(cpu, KEEL_HC_VM_MAP, handle, 0x10000 + below(cpu, 4) * 0x1000, to + 0x10000,
		   0x1000 << below(cpu, 8), below(cpu, 4));
	(void)call(cpu, KEEL_HC_VM_MAP, handle, 0x80000000 + below(cpu, 4) * 0x1000,
		   below(cpu, 2) ? DEVICE_HOLE : some_number(cpu), 0x1000 << below(cpu, 8),
		   KEEL_MAP_DEVICE | (below(cpu, 2) ? KEEL_MAP_NC : 0) | below(cpu, 4));
	(void)call(cpu, KEEL_HC_VGIC_INIT, handle, 0x08000000, 0x080a0000, 64, 0);
	(void)call(cpu, KEEL_HC_VCPU_SPE, handle, 0, KEEL_SPE_INIT, 21, 0);
}

/* Of VMs that have an ITS and of those that have none: LPIs that they have not are refused. */
static void lpi(struct cpu *cpu, u64 n)
{
	u64 handle = cpu->vms[n].handle, vcpu = below(cpu, 4), intid = LPI_FIRST + below(cpu, LPIS);

	switch (below(cpu, 8)) {
	case 0:
		(void)call(cpu, KEEL_HC_VGIC_LPIS, handle, 0, 0, 0, 0);
		break;
	case 1:
	case 2:
		(void)call(cpu, KEEL_HC_LPI_TAKE, handle, vcpu, intid, 0, 0);
		break;
	default:
		cpu->lpis += call(cpu, KEEL_HC_LPI_PEND, handle, vcpu, intid,
				  below(cpu, 32) * 8 | !below(cpu, 4), 0) <= 1;
		break;
	}
}

static void topup(struct cpu *cpu, u64 n)
{
	u64 at = vm_memory(cpu, n) + 0x200000 + below(cpu, 64) * 0x8000;

	if (cpu->vms[n].handle)
		(void)call(cpu, KEEL_HC_VM_TOPUP, cpu->vms[n].handle, at, 8, 0, 0);
}

static void run_untimed(struct cpu *cpu, u64 handle, u64 vcpu)
{
	cpu->last = call(cpu, KEEL_HC_VCPU_RUN, handle, vcpu, 0, 0, 0);
	if (cpu->last < ARRAY_SIZE(cpu->exits))
		cpu->exits[cpu->last]++;
}

/* The host's timer ends the run at the latest. */
static void run(struct cpu *cpu, u64 handle, u64 vcpu)
{
	write_sysreg(read_sysreg(CNTFRQ_EL0) / 5000, CNTP_TVAL_EL0);
	write_sysreg(1, CNTP_CTL_EL0);
	run_untimed(cpu, handle, vcpu);
	write_sysreg(0, CNTP_CTL_EL0);
}

static void run_some(struct cpu *cpu)
{
	u64 n = below(cpu, NVMS), vcpu = below(cpu, 4);
	struct cpu *of = &cpus[below(cpu, NCPUS)];
	volatile struct keel_run *page = (volatile void *)run_page(of, n, vcpu);

	for (u64 i = below(cpu, 16); i > 0; i--) {
		page->answer = below(cpu, 2) ? below(cpu, 8) : KEEL_ANSWER_ABORT;
		run(cpu, of->vms[n].handle, vcpu);
	}
}

/* Whether the VM is gone. The other CPU may use it for a while, or have destroyed it. */
static u64 destroy_handle(struct cpu *cpu, u64 handle)
{
	u64 tries;

	for (tries = 0; tries < 100000; tries++) {
		u64 ret = call(cpu, KEEL_HC_VM_DESTROY, handle, 0, 0, 0, 0);

		if (!ret || ret == (u64)ENOENT_)
			return 1;
		if (ret != (u64)EAGAIN_ && ret != (u64)EBUSY_)
			return 0;
	}
	return 0;
}

static void destroy(struct cpu *cpu, u64 n)
{
	if (cpu->vms[n].handle && destroy_handle(cpu, cpu->vms[n].handle))
		cpu->vms[n].handle = 0;
}

static void pool(struct cpu *cpu)
{
	if (cpu->pool_used < POOL_DONATIONS &&
	    !call(cpu, KEEL_HC_POOL_DONATE, FOR_THE_POOL(cpu->id) + cpu->pool_used * 0x8000, 8, 0,
		  0, 0))
		cpu->pool_used++;
}

static void good_call(struct cpu *cpu)
{
	u64 n = below(cpu, NVMS);

	switch (below(cpu, 18)) {
	case 0:
	case 1:
		create_some(cpu, n);
		break;
	case 2:
	case 3:
		add_vcpu(cpu, n);
		break;
	case 4:
	case 5:
		map(cpu, n);
		break;
	case 6:
		topup(cpu, n);
		break;
	case 7:
		if (!below(cpu, 8))
			destroy(cpu, n);
		break;
	case 8:
		if (!below(cpu, 16))
			pool(cpu);
		break;
	case 9:
		(void)call(cpu, KEEL_HC_IRQ_LINE, some_vm(cpu), below(cpu, 4), 16 + below(cpu, 48),
			   below(cpu, 5), 0);
		break;
	case 16:
	case 17:
		lpi(cpu, n);
		break;
	default:
		run_some(cpu);
		break;
	}
}

/* A hypercall with arbitrary arguments. */
static void bad_call(struct cpu *cpu)
{
	struct regs regs;
	u64 i;

	regs.x[0] = below(cpu, 8) ? KEEL_CALLS + below(cpu, NR_KEEL_CALLS)
				  : others[below(cpu, ARRAY_SIZE(others))];
	for (i = 1; i < ARRAY_SIZE(regs.x); i++)
		regs.x[i] = some_argument(cpu);
	if (regs.x[0] > KEEL_HC_VM_SIZE && below(cpu, 4))
		regs.x[1] = some_vm(cpu);
	if (regs.x[0] == KEEL_HC_POOL_DONATE)
		regs.x[1] = some_number(cpu); /* scratch memory would not come back */
	if (regs.x[0] == KEEL_HC_VCPU_RUN) {
		run(cpu, regs.x[1], regs.x[2]);
		return;
	}
	if (regs.x[0] == KEEL_HC_VM_CREATE) {
		make_call(cpu, &regs);
		if (!regs.x[0]) /* created by chance, and not recorded */
			(void)destroy_handle(cpu, regs.x[1]);
		return;
	}
	make_call(cpu, &regs);
}

/* Change both CPUs' run pages while they are used. */
static void scribble(struct cpu *cpu)
{
	volatile u64 *page = (volatile void *)run_page(&cpus[below(cpu, NCPUS)], below(cpu, NVMS),
						       below(cpu, 4));
	u64 i;

	for (i = 0; i < 8; i++)
		page[below(cpu, HOSTILE_PAGE_SIZE / 8)] = random(cpu);
}

static void one_round(struct cpu *cpu)
{
	switch (below(cpu, 4)) {
	case 0:
		bad_call(cpu);
		break;
	case 1:
		scribble(cpu);
		break;
	default:
		good_call(cpu);
		break;
	}
}

/* ---- states of a CPU ---- */

#define ID_AA64PFR1_EL1	 S3_0_C0_C4_1
#define ID_AA64MMFR1_EL1 S3_0_C0_C7_1
#define ID_AA64MMFR2_EL1 S3_0_C0_C7_2
#define ID_AA64DFR0_EL1	 S3_0_C0_C5_0
#define ID_AA64PFR0_EL1	 S3_0_C0_C4_0
#define SVCR		 S3_3_C4_C2_2
#define PAN		 S3_0_C4_C2_3
#define UAO		 S3_0_C4_C2_4
#define DIT		 S3_3_C4_C2_5
#define SSBS		 S3_3_C4_C2_6
#define TCO		 S3_3_C4_C2_7
#define ALLINT		 S3_0_C4_C3_0

static u64 field(u64 reg, u64 shift)
{
	return reg >> shift & 0xf;
}

static u64 always(void)
{
	return 1;
}

static u64 has_sme(void)
{
	return field(read_sysreg(ID_AA64PFR1_EL1), 24);
}

static u64 has_pmu(void)
{
	u64 version = field(read_sysreg(ID_AA64DFR0_EL1), 8);

	return version && version != 0xf;
}

static void nothing(void)
{
}

static void stream_on(void)
{
	write_sysreg(1, SVCR);
}

static void za_on(void)
{
	write_sysreg(2, SVCR);
}

static void stream_and_za_on(void)
{
	write_sysreg(3, SVCR);
}

static void stream_off(void)
{
	write_sysreg(0, SVCR);
}

/* Every counter is about to overflow, with its interrupt enabled. */
static void pmu_on(void)
{
	write_sysreg(~0UL, PMUSERENR_EL0);
	write_sysreg(0xffffffffUL, PMINTENSET_EL1);
	write_sysreg(~0UL - 100, PMCCNTR_EL0);
	write_sysreg(0xffffffffUL, PMCNTENSET_EL0);
	write_sysreg(0x41, PMCR_EL0);
}

static void pmu_off(void)
{
	write_sysreg(0xffffffffUL, PMCNTENCLR_EL0);
	write_sysreg(0xffffffffUL, PMINTENCLR_EL1);
	write_sysreg(0xffffffffUL, PMOVSCLR_EL0);
	write_sysreg(0, PMCR_EL0);
}

/* Breakpoints and watchpoints on all addresses, EL2's too, and single step; PSTATE.D is set. */
static void debug_on(void)
{
	write_sysreg(0, OSLAR_EL1);
	write_sysreg((u64)_start, DBGBVR0_EL1);
	write_sysreg(0x21e7, DBGBCR0_EL1);
	write_sysreg(0, DBGBVR1_EL1);
	write_sysreg(0x2001e7 | 4UL << 20, DBGBCR1_EL1); /* a mismatch: everywhere */
	write_sysreg(HOSTILE_MEMORY, DBGWVR0_EL1);
	write_sysreg(0x1f003ff9, DBGWCR0_EL1); /* 2 GiB of them */
	write_sysreg(1UL << 15 | 1UL << 13 | 1, MDSCR_EL1);
}

static void debug_off(void)
{
	write_sysreg(0, MDSCR_EL1);
	write_sysreg(0, DBGBCR0_EL1);
	write_sysreg(0, DBGBCR1_EL1);
	write_sysreg(0, DBGWCR0_EL1);
}

/* Set those registers that the CPU has. */
static void pstate_on(void)
{
	u64 mmfr1 = read_sysreg(ID_AA64MMFR1_EL1), mmfr2 = read_sysreg(ID_AA64MMFR2_EL1),
	    pfr0 = read_sysreg(ID_AA64PFR0_EL1), pfr1 = read_sysreg(ID_AA64PFR1_EL1);

	if (field(mmfr1, 20))
		write_sysreg(1UL << 22, PAN);
	if (field(mmfr2, 4))
		write_sysreg(1UL << 23, UAO);
	if (field(pfr0, 48))
		write_sysreg(1UL << 24, DIT);
	if (field(pfr1, 4) >= 2)
		write_sysreg(1UL << 12, SSBS);
	if (field(pfr1, 8) >= 2)
		write_sysreg(1UL << 25, TCO);
	if (field(pfr1, 36))
		write_sysreg(1UL << 13, ALLINT);
}

static void pstate_off(void)
{
	u64 pfr1 = read_sysreg(ID_AA64PFR1_EL1);

	if (field(read_sysreg(ID_AA64MMFR1_EL1), 20))
		write_sysreg(0, PAN);
	if (field(read_sysreg(ID_AA64MMFR2_EL1), 4))
		write_sysreg(0, UAO);
	if (field(read_sysreg(ID_AA64PFR0_EL1), 48))
		write_sysreg(0, DIT);
	if (field(pfr1, 8) >= 2)
		write_sysreg(0, TCO);
	if (field(pfr1, 36))
		write_sysreg(0, ALLINT);
}

/* An invalid translation regime, which the host can have because its MMU is off. */
static void tables_bad(void)
{
	write_sysreg(~0UL, TTBR0_EL1);
	write_sysreg(~0UL, TTBR1_EL1);
	write_sysreg(~0UL, TCR_EL1);
	write_sysreg(~0UL, MAIR_EL1);
	write_sysreg(~0UL, CONTEXTIDR_EL1);
	write_sysreg(~0UL, PAR_EL1);
	write_sysreg(~0UL, CSSELR_EL1);
	write_sysreg(~0UL, TPIDR_EL1);
	write_sysreg(~0UL, CNTKCTL_EL1);
	write_sysreg(~0UL, AFSR0_EL1);
}

static void tables_off(void)
{
	write_sysreg(0, TCR_EL1);
	write_sysreg(0, CNTKCTL_EL1);
}

static void fp_off(void)
{
	write_sysreg(0, CPACR_EL1);
}

static void fp_on(void)
{
	write_sysreg(3UL << 24 | 3UL << 20 | 3UL << 16, CPACR_EL1);
}

static void fpcr_odd(void)
{
	write_sysreg(~0UL, FPCR);
	write_sysreg(~0UL, FPSR);
}

static void fpcr_plain(void)
{
	write_sysreg(0, FPCR);
}

/* An interrupt is pending all the time. */
static void interrupt_on(void)
{
	write_sysreg(0, CNTV_TVAL_EL0);
	write_sysreg(1, CNTV_CTL_EL0);
	write_sysreg(1UL << (read_sysreg(MPIDR_EL1) & 0xf), ICC_SGI1R_EL1); /* to itself */
}

/* Nothing is pending any more: otherwise no guest would ever be entered again. */
static void interrupt_off(void)
{
	u64 intid;

	write_sysreg(0, CNTV_CTL_EL0);
	while ((intid = read_sysreg(ICC_IAR1_EL1)) < NO_INTID)
		write_sysreg(intid, ICC_EOIR1_EL1);
}

struct mode {
	const char *name;
	u64 (*have)(void);
	void (*enter)(void);
	void (*leave)(void);
	void (*call)(struct regs *regs);
};

/* Linked at 0: mode_at() relocates the pointers. */
static const struct mode modes[] = {
	{ "nothing special", always, nothing, nothing, hvc0 },
	{ "EL1t", always, nothing, nothing, hvc_el1t },
	{ "PSTATE bits of features", always, pstate_on, pstate_off, hvc0 },
	{ "Streaming SVE mode", has_sme, stream_on, stream_off, hvc0 },
	{ "ZA", has_sme, za_on, stream_off, hvc0 },
	{ "Streaming SVE mode and ZA", has_sme, stream_and_za_on, stream_off, hvc0 },
	{ "FP that traps", always, fp_off, fp_on, hvc0 },
	{ "FPCR with all bits", always, fpcr_odd, fpcr_plain, hvc0 },
	{ "counters that overflow", has_pmu, pmu_on, pmu_off, hvc0 },
	{ "breakpoints and single step", always, debug_on, debug_off, hvc0 },
	{ "translation by nonsense", always, tables_bad, tables_off, hvc0 },
	{ "an interrupt is pending", always, interrupt_on, interrupt_off, hvc0 },
	{ "an immediate that is not 0", always, nothing, nothing, hvc1 },
	{ "SMC", always, nothing, nothing, smc0 },
};

static u64 here(const void *linked)
{
	return (u64)linked + (u64)_start;
}

static struct mode mode_at(u64 i)
{
	const struct mode *m = &modes[i];

	return (struct mode){
		.name = (const char *)here(m->name),
		.have = (u64(*)(void))here((void *)m->have),
		.enter = (void (*)(void))here((void *)m->enter),
		.leave = (void (*)(void))here((void *)m->leave),
		.call = (void (*)(struct regs *))here((void *)m->call),
	};
}

static void rounds(struct cpu *cpu, struct mode mode)
{
	u64 end = read_sysreg(CNTPCT_EL0) + SECONDS * read_sysreg(CNTFRQ_EL0), i;

	cpu->call = mode.call;
	mode.enter();
	for (i = 0; i < ROUNDS && (i < ROUNDS_MIN || read_sysreg(CNTPCT_EL0) < end); i++)
		one_round(cpu);
	mode.leave();
	cpu->call = hvc0;
}

/* ---- the end ---- */

/* For whoever has to find out why they are not those that they should be. */
static void print_exits(const struct cpu *cpu)
{
	print("hostile: exits of kinds 0, 1...:");
	for (u64 i = 0; i < ARRAY_SIZE(cpu->exits); i++) {
		print(" ");
		print_decimal((u32)cpu->exits[i]);
	}
	print("; the last run's answer: ");
	print_hex(cpu->last);
	print("\n");
}

static void destroy_all(struct cpu *cpu)
{
	for (u64 n = 0; n < NVMS; n++)
		destroy(cpu, n);
}

static u64 pages_that_fault(u64 at, u64 bytes)
{
	u64 n = 0, end = at + bytes;

	for (; at < end; at += HOSTILE_PAGE_SIZE) {
		touch(at, 1);
		n += fault.esr != 0;
	}
	return n;
}

/* Three times until its WFI, or as many runs as a guest that never comes there may have. */
static u64 run_to_wfi(struct cpu *cpu)
{
	volatile struct keel_run *page = (volatile void *)run_page(cpu, 0, 0);
	u64 *waits = &cpu->exits[KEEL_EXIT_WFI];

	memset(cpu->exits, 0, sizeof(cpu->exits));
	for (u64 i = 0; i < 1000 && *waits < 3; i++) {
		page->answer = KEEL_ANSWER_ABORT;
		run_untimed(cpu, cpu->vms[0].handle, 0);
	}
	if (*waits < 3)
		print_exits(cpu);
	return *waits;
}

/* It has pages for everything, and nothing is pending that would keep it from running. */
static void guest_runs(void)
{
	struct cpu *cpu = &cpus[0];

	interrupt_off();
	create(cpu, 0, 0, 128);
	check("a VM can be made", cpu->vms[0].handle != 0, 1);
	memset((void *)run_page(cpu, 0, 0), 0, HOSTILE_PAGE_SIZE);
	add_vcpu(cpu, 0);
	check("it has a vCPU", cpu->vms[0].vcpus, 1);
	map(cpu, 0);
	check("its guest comes to its WFI, again and again", run_to_wfi(cpu), 3);
	destroy_all(cpu);
	check("it ends", cpu->vms[0].handle, 0);
}

void payload_secondary(u64 context)
{
	u64 mode = 0;

	(void)context;
	fp_on();
	gic_init(1, 1U << TIMER_PPI | 1);
	second_ready = 1;
	for (;;) {
		while (mode_now == mode)
			if (stop)
				for (;;)
					;
		mode = mode_now;
		rounds(&cpus[1], mode_at(mode - 1));
		__asm__ volatile("dsb sy" ::: "memory");
		second_done = mode;
	}
}

static u64 has_el2(void)
{
	struct regs size = { { KEEL_HC_VM_SIZE } };

	hvc0(&size);
	return size.x[5] & FEATURE_EL2;
}

/* Whether guests were entered, and did their work. */
static void check_exits(void)
{
	static const u8 kinds[] = { KEEL_EXIT_IRQ, KEEL_EXIT_FAULT, KEEL_EXIT_WFI };

	print_exits(&cpus[0]);
	print_exits(&cpus[1]);
	for (u64 i = 0; i < ARRAY_SIZE(kinds); i++)
		check("exits of each kind", cpus[0].exits[kinds[i]] + cpus[1].exits[kinds[i]] > 20,
		      1);
}

static void hostile_main(u64 fdt)
{
	u64 i;

	(void)fdt;
	fp_on();
	gic_init(0, 1U << TIMER_PPI | 1);
	for (i = 0; i < NCPUS; i++)
		cpus[i] = (struct cpu){ .seed = 0x9e3779b97f4a7c15UL * (i + 1),
					.id = i,
					.call = hvc0 };
	check("CPU 1 is started", smc(PSCI_CPU_ON, CPU1_MPIDR, (u64)secondary, 0), 0);
	while (!second_ready)
		;
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct mode mode = mode_at(i);

		if (!mode.have())
			continue;
		print("hostile: -- ");
		print(mode.name);
		print("\n");
		mode_now = i + 1;
		rounds(&cpus[0], mode);
		while (second_done != i + 1)
			;
		check("registers that are nobody's stay", cpus[0].broken + cpus[1].broken, 0);
	}
	check("some calls succeed", cpus[0].good > 500 && cpus[1].good > 500, 1);
	check_exits();
	check("LPIs are pending", cpus[0].lpis + cpus[1].lpis > 5, 1);
	if (has_el2())
		check("vCPUs have an EL2", cpus[0].el2s + cpus[1].el2s > 5, 1);
	destroy_all(&cpus[0]);
	destroy_all(&cpus[1]);
	for (i = 0; i < NCPUS; i++)
		check("all memory is the host's again", pages_that_fault(SCRATCH(i), SCRATCH_BYTES),
		      0);
	guest_runs();
}
