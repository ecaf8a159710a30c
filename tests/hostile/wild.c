// SPDX-License-Identifier: BSD-2-Clause
/*
 * Malicious guests: two vCPUs of a VM execute random instructions with registers full of bad
 * addresses, on two CPUs at a time, and the host answers their exits at random. They may damage
 * themselves in any way. A second VM, which runs in between, and the host must find their registers
 * as they left them.
 */
#define HOSTILE_SECONDARY
#include "gic.h"
#include "hostile.h"

#define NCPUS	    2
#define RUNS	    4000 /* of each CPU, or fewer in so many seconds, but so many at least */
#define RUNS_MIN    200
#define SECONDS	    12
#define STUCK	    20	/* runs without progress after which the vCPU is reset */
#define ANEW	    256 /* runs after which it is reset whatever it did: it overwrites itself */
#define CPU1_MPIDR  1UL
#define PSCI_CPU_ON 0xc4000003UL

/* The machine: QEMU's `virt`. */
#define DEVICE_HOLE 0x0b000000UL /* nothing answers there */

/* The VMs' memory: VM 0 is the wild one, VM 1 + n the still one of CPU n. */
#define VCPU_AT(vm, i) (GUEST_VCPU(vm) + (i)*0x800000UL)
#define RUN_AT(vm, i)  (GUEST_RUN(vm) + (i)*0x10000UL)
#define WILD_IPA(i)    ((i)*0x20000UL)
#define WILD_BYTES     0x40000UL
#define WILD_STATE     0x4000UL
#define STILL_STATE    0x4000UL
#define REG_PC	       0x6030000000100040UL /* KVM_REG_ARM_CORE_REG(regs.pc) */
#define FEATURE_PSCI   4UL
#define FEATURE_EL2    (1UL << 7)
#define FEATURE_E2H0   (1UL << 8) /* the EL2 is one without VHE */
#define FEATURE_SPE    (1UL << 63)
#define EL2_PAGES      300 /* for a vCPU's shadows, and more */

/* wild.S */
extern const char wild[], wild_end[], wild_entry[], still[], still_end[], still_entry[];

/* The wild guest's data at WILD_STATE, which it accesses by offsets. */
struct wild_state {
	u64 seed, rounds, unused[6];
	u64 addresses[32];
	u64 more[24];
	u64 registers[32];
};

static struct cpu {
	u64 id, seed;
	u64 wild, still; /* handles */
	u64 went_on;	 /* runs in which the wild guest made progress */
	u64 rounds;	 /* of the wild guest, before its last reset, as it says itself */
	u64 anew;
	u64 host_changed;
	u64 bad_exits;
	u64 exits[16];
} cpus[NCPUS];

/*
 * The wild VM's: with a virtual EL2 where there can be one (keel.nested=1), without VHE if the command line
 * says "nvhe"; else with SPE.
 */
static u64 wild_features;

static volatile u64 second_ready, begin, second_done;

static u64 random(struct cpu *cpu)
{
	cpu->seed ^= cpu->seed << 13;
	cpu->seed ^= cpu->seed >> 7;
	cpu->seed ^= cpu->seed << 17;
	return cpu->seed * 0x2545f4914f6cdd1dUL >> 16;
}

/* ---- the host's registers ---- */

#define HOST_REGISTERS(X) \
	X(TPIDR_EL0)      \
	X(TPIDR_EL1)      \
	X(TPIDRRO_EL0)    \
	X(TTBR0_EL1)      \
	X(TTBR1_EL1)      \
	X(MAIR_EL1)       \
	X(CONTEXTIDR_EL1) \
	X(FAR_EL1)        \
	X(CNTKCTL_EL1)    \
	X(AFSR0_EL1)      \
	X(VBAR_EL1)       \
	X(SCTLR_EL1)      \
	X(CPACR_EL1)      \
	X(TCR_EL1)        \
	X(CSSELR_EL1)     \
	X(MDSCR_EL1)      \
	X(DBGBVR0_EL1)    \
	X(DBGBCR0_EL1)    \
	X(PAR_EL1)        \
	X(SP_EL0)

#define GIVE(name) write_sysreg(random(cpu), name);
#define KEEP(name) values[n++] = read_sysreg(name);
#define LOOK(name) changed += values[n++] != read_sysreg(name);

static void give_registers(struct cpu *cpu)
{
	GIVE(TPIDR_EL0)
	GIVE(TPIDR_EL1)
	GIVE(TPIDRRO_EL0)
	GIVE(TTBR0_EL1)
	GIVE(TTBR1_EL1)
	GIVE(MAIR_EL1)
	GIVE(FAR_EL1)
	GIVE(SP_EL0)
}

/* ---- runs ---- */

static u64 run(struct cpu *cpu, u64 handle, u64 vcpu)
{
	u64 values[24], n = 0, changed = 0, exit;

	give_registers(cpu);
	HOST_REGISTERS(KEEP)
	write_sysreg(read_sysreg(CNTFRQ_EL0) / 2000, CNTP_TVAL_EL0);
	write_sysreg(1, CNTP_CTL_EL0);
	exit = hvc(KEEL_HC_VCPU_RUN, handle, vcpu, 0, 0, 0);
	write_sysreg(0, CNTP_CTL_EL0);
	n = 0;
	HOST_REGISTERS(LOOK)
	cpu->host_changed += changed;
	return exit;
}

static volatile struct wild_state *state_of(u64 i)
{
	return (volatile struct wild_state *)(GUEST_CODE(0) + WILD_IPA(i) + WILD_STATE);
}

static volatile struct keel_run *run_page(u64 vm, u64 i)
{
	return (volatile struct keel_run *)RUN_AT(vm, i);
}

/* Start a vCPU at its entry, with other random numbers. */
static void begin_anew(struct cpu *cpu)
{
	u64 at = GUEST_CODE(0) + WILD_IPA(cpu->id), i;
	volatile struct wild_state *state = state_of(cpu->id);
	static const u64 addresses[] = {
		0x4000,	      0x24000,	    0x30000,	0x3fff8,     0x3fffc,
		0x40000,      0x80000000,   0x80000ffc, 0x80001000,  0x08000000,
		0x08000004,   0x08000f00,   0x080a0000, 0x080b0400,  0x080c0000,
		0x080effff,   0x08080000,   0x09000000, 0x40200000,  0x48200000,
		0xffffff0000, 0x7fffffffff, ~0UL,	~0UL << 12,  1UL << 40,
		1UL << 51,    1UL << 63,    0,		0x400000000, 0x2b,
		0x603000000,  0x30d0198d,
	};

	cpu->rounds += state->rounds;
	cpu->anew++;
	memcpy((void *)at, wild, (u64)(wild_end - wild));
	state->seed = random(cpu) | 1;
	state->rounds = 0;
	for (i = 0; i < ARRAY_SIZE(state->addresses); i++)
		state->addresses[i] = addresses[i];
	(void)hvc(KEEL_HC_VCPU_STATE, cpu->wild, cpu->id, KEEL_STATE_RUNNABLE, 0, 0);
	if (hvc(KEEL_HC_VCPU_INIT, cpu->wild, cpu->id, wild_features, 0, 0))
		cpu->bad_exits++;
	*(volatile u64 *)run_page(0, cpu->id)->data = WILD_IPA(cpu->id) + (u64)(wild_entry - wild);
	if (hvc(KEEL_HC_VCPU_SET_REG, cpu->wild, cpu->id, REG_PC, 0, 0))
		cpu->bad_exits++;
}

/* Answer an exit with anything. */
static void answer(struct cpu *cpu, u64 exit)
{
	volatile struct keel_run *page = run_page(0, cpu->id);
	u64 i;

	if (exit == KEEL_EXIT_FAULT) {
		page->answer = random(cpu) % 6;
		for (i = 0; i < 8; i++)
			page->mmio.data[i] = (u8)random(cpu);
	}
	if (exit >= ARRAY_SIZE(cpu->exits))
		cpu->bad_exits++;
	else
		cpu->exits[exit]++;
}

static void wild_runs(struct cpu *cpu)
{
	u64 end = read_sysreg(CNTPCT_EL0) + SECONDS * read_sysreg(CNTFRQ_EL0), stuck = 0,
	    rounds = 0, i;

	for (i = 0; i < RUNS && (i < RUNS_MIN || read_sysreg(CNTPCT_EL0) < end); i++) {
		u64 exit = run(cpu, cpu->wild, cpu->id);

		answer(cpu, exit);
		stuck = state_of(cpu->id)->rounds == rounds ? stuck + 1 : 0;
		cpu->went_on += !stuck;
		rounds = state_of(cpu->id)->rounds;
		if (stuck > STUCK || i % ANEW == ANEW - 1 || exit == KEEL_EXIT_OFF ||
		    exit == KEEL_EXIT_SYSTEM || exit == KEEL_EXIT_FAIL) {
			begin_anew(cpu);
			stuck = rounds = 0;
		}
		if (i % 4 == 0)
			(void)run(cpu, cpu->still, 0);
	}
	cpu->rounds += state_of(cpu->id)->rounds;
}

/* ---- VMs ---- */

/* With an EL2 it takes a part of the pages in each call. */
static u64 init_vcpu(u64 handle, u64 i, u64 features)
{
	u64 tries = 0, ret;

	do
		ret = hvc(KEEL_HC_VCPU_INIT, handle, i, features, 0, 0);
	while (ret == (u64)-12 && ++tries < 64);
	return ret;
}

static u64 vm_with(u64 n, u64 vcpus, u64 features)
{
	u64 spare = features & FEATURE_EL2 ? EL2_PAGES : 0;
	struct regs size = { { KEEL_HC_VM_SIZE } }, vm;

	hvc0(&size);
	vm = (struct regs){ { KEEL_HC_VM_CREATE, GUEST_VM(n), size.x[1] + 128 } };
	hvc0(&vm);
	check("VM_CREATE", vm.x[0], 0);
	for (u64 i = 0; i < vcpus; i++) {
		check("VCPU_CREATE",
		      hvc(KEEL_HC_VCPU_CREATE, vm.x[1], i, VCPU_AT(n, i), size.x[2] + spare,
			  RUN_AT(n, i)),
		      0);
		check("VCPU_INIT", init_vcpu(vm.x[1], i, features), 0);
	}
	memset((void *)GUEST_CODE(n), 0, WILD_BYTES);
	check("VM_MAP",
	      hvc(KEEL_HC_VM_MAP, vm.x[1], 0, GUEST_CODE(n), WILD_BYTES,
		  KEEL_MAP_WRITE | KEEL_MAP_EXEC),
	      0);
	return vm.x[1];
}

/* Whether a word is anywhere in the device tree: in the command line. */
static u64 tree_says(u64 fdt, const char *word, u64 length)
{
	const volatile u8 *tree = (const volatile u8 *)fdt;
	u64 size = (u64)tree[4] << 24 | (u64)tree[5] << 16 | (u64)tree[6] << 8 | tree[7], n;

	for (u64 at = 0; at + length <= size; at++) {
		for (n = 0; n < length && tree[at + n] == (u8)word[n]; n++)
			;
		if (n == length)
			return 1;
	}
	return 0;
}

static void make_wild_vm(u64 fdt)
{
	struct regs size = { { KEEL_HC_VM_SIZE } };
	u64 handle, i;

	hvc0(&size);
	wild_features = FEATURE_PSCI | (size.x[5] & FEATURE_EL2 ? FEATURE_EL2 : FEATURE_SPE);
	if (tree_says(fdt, "wild=nvhe", 9))
		wild_features |= FEATURE_E2H0;
	handle = vm_with(0, NCPUS, wild_features);
	check("VM_MAP of nothing, as a device",
	      hvc(KEEL_HC_VM_MAP, handle, 0x80000000, DEVICE_HOLE, 0x1000,
		  KEEL_MAP_WRITE | KEEL_MAP_DEVICE),
	      0);
	check("VGIC_INIT", hvc(KEEL_HC_VGIC_INIT, handle, 0x08000000, 0x080a0000, 64, 0), 0);
	for (i = 0; i < NCPUS; i++) {
		if (wild_features & FEATURE_SPE)
			check("VCPU_SPE", hvc(KEEL_HC_VCPU_SPE, handle, i, KEEL_SPE_INIT, 21, 0),
			      0);
		cpus[i].wild = handle;
		begin_anew(&cpus[i]);
	}
}

static void make_still_vm(struct cpu *cpu)
{
	u64 n = 1 + cpu->id;

	cpu->still = vm_with(n, 1, FEATURE_PSCI);
	memcpy((void *)GUEST_CODE(n), still, (u64)(still_end - still));
	*(volatile u64 *)run_page(n, 0)->data = (u64)(still_entry - still);
	check("SET_REG", hvc(KEEL_HC_VCPU_SET_REG, cpu->still, 0, REG_PC, 0, 0), 0);
}

static void check_still(const struct cpu *cpu)
{
	const volatile u64 *state = (const volatile u64 *)(GUEST_CODE(1 + cpu->id) + STILL_STATE);

	check("the still guest went on", state[0] > 5, 1);
	check("its registers are its own", state[1], 0);
}

/* ---- */

static void begin_cpu(u64 id)
{
	write_sysreg(3UL << 20, CPACR_EL1);
	write_sysreg(0, MDSCR_EL1);
	gic_init(id, 1U << TIMER_PPI);
}

void payload_secondary(u64 context)
{
	(void)context;
	begin_cpu(1);
	second_ready = 1;
	while (!begin)
		;
	wild_runs(&cpus[1]);
	__asm__ volatile("dsb sy" ::: "memory");
	second_done = 1;
	for (;;)
		;
}

static void hostile_main(u64 fdt)
{
	u64 i;

	for (i = 0; i < NCPUS; i++)
		cpus[i] = (struct cpu){ .id = i, .seed = 0x9e3779b97f4a7c15UL * (i + 1) };
	begin_cpu(0);
	check("CPU 1 is started", smc(PSCI_CPU_ON, CPU1_MPIDR, (u64)secondary, 0), 0);
	while (!second_ready)
		;
	make_wild_vm(fdt);
	make_still_vm(&cpus[0]);
	make_still_vm(&cpus[1]);
	begin = 1;
	wild_runs(&cpus[0]);
	while (!second_done)
		;
	for (i = 0; i < NCPUS; i++) {
		check("the wild guest went on", cpus[i].went_on > 100, 1);
		check("the host's registers are its own", cpus[i].host_changed, 0);
		check("every exit is one of KEEL_EXIT_*", cpus[i].bad_exits, 0);
		check("faults are among them", cpus[i].exits[KEEL_EXIT_FAULT] > 10, 1);
		check_still(&cpus[i]);
	}
	print(wild_features & FEATURE_EL2 ? "hostile: at EL2\n" : "hostile: at EL1\n");
	if (wild_features & FEATURE_E2H0)
		print("hostile: without VHE\n");
	print("hostile: instructions: ");
	print_decimal((u32)(cpus[0].rounds + cpus[1].rounds));
	print(", begun anew: ");
	print_decimal((u32)(cpus[0].anew + cpus[1].anew));
	print("\n");
}
