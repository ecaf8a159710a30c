// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest hypervisor, the payload nested_race with two vCPUs, while userspace takes its memory and its
 * registers away: memory that is discarded, slots that go, move and become read-only, random registers
 * of EL2 and of its GIC, vCPUs that are initialized again, and the end of all of it. What becomes of
 * the guest is its own affair. Afterwards another one runs, to its end, without a failure.
 *
 *	test_hypervisor [milliseconds of each]
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "kvmtest.h"

#define PAYLOAD	    "/payloads/nested_race.img"
#define VCPUS	    2
#define FEATURES    (1U << KVM_ARM_VCPU_PSCI_0_2 | 1U << KVM_ARM_VCPU_HAS_EL2)
#define MIB	    (1ULL << 20)
#define RAM	    0x80000000ULL
#define RAM_SIZE    (64 * MIB)
#define UART	    0x10000000ULL
#define REDIST	    0x080a0000ULL
#define OUTPUT_SIZE 4096

/* The payload's code; stage 2 tables of its nested guests, and more; their memory. */
static const struct slot {
	uint64_t offset, size;
} slots[] = { { 0, 16 * MIB }, { 16 * MIB, 16 * MIB }, { 32 * MIB, 32 * MIB } };

enum { CODE, TABLES, MEMORY, SLOTS };

static struct machine {
	struct vm vm;
	struct vcpu vcpu[VCPUS];
	char *ram;
	uint64_t entry;
	pthread_t thread[VCPUS];
	char output[OUTPUT_SIZE];
	size_t length;
	bool stop, off;
} machine;

static uint64_t seed = 1;

static uint64_t roll(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed ^ seed >> 31;
}

static long set_slot(unsigned int n, uint32_t flags, uint64_t gpa, uint64_t size)
{
	return set_region(machine.vm.fd, n, flags, gpa, size, machine.ram + slots[n].offset);
}

/* ---- the machine: vmrun's, as far as the payload needs it ---- */

static void load(void)
{
	int fd = (int)must(open(PAYLOAD, O_RDONLY), PAYLOAD);
	uint64_t header[2];

	must(pread(fd, header, sizeof(header), 0), "the payload's header");
	machine.entry = RAM + header[1];
	must(pread(fd, machine.ram + header[1], slots[CODE].size - header[1], 0), "the payload");
	close(fd);
}

static void set_entry(unsigned int n)
{
	(void)init_vcpu(machine.vcpu[n].fd, FEATURES | (n ? 1U << KVM_ARM_VCPU_POWER_OFF : 0));
	(void)set_reg(&machine.vcpu[n], CORE_REG(pc), machine.entry);
	/* a device tree of no size */
	(void)set_reg(&machine.vcpu[n], CORE_REG(regs[0]), RAM + slots[CODE].size - 4096);
}

static void start_machine(void)
{
	struct machine *m = &machine;

	memset(m, 0, sizeof(*m));
	m->vm = bare_vm();
	m->ram = map_memory(RAM_SIZE);
	load();
	for (unsigned int n = 0; n < SLOTS; n++)
		must(set_slot(n, 0, RAM + slots[n].offset, slots[n].size), "a slot");
	for (unsigned int n = 0; n < VCPUS; n++) {
		m->vcpu[n] = raw_vcpu(&m->vm, n);
		must(init_vcpu(m->vcpu[n].fd, FEATURES), "KVM_ARM_VCPU_INIT");
		set_entry(n);
	}
	add_gic_at(&m->vm, REDIST);
}

static void on_mmio(struct kvm_run *r)
{
	struct machine *m = &machine;

	if (!r->mmio.is_write)
		memset(r->mmio.data, 0, sizeof(r->mmio.data));
	else if (r->mmio.phys_addr == UART && m->length < OUTPUT_SIZE - 1)
		m->output[m->length++] = (char)r->mmio.data[0];
}

/* Until it is told to stop. An exit that is nothing to go on from is tried again. */
static void *run_vcpu(void *argument)
{
	struct vcpu *vcpu = argument;
	struct kvm_run *r = vcpu->run;

	while (!__atomic_load_n(&machine.stop, __ATOMIC_ACQUIRE)) {
		if (ioctl(vcpu->fd, KVM_RUN, 0))
			usleep(1000);
		else if (r->exit_reason == KVM_EXIT_MMIO)
			on_mmio(r);
		else if (r->exit_reason == KVM_EXIT_SYSTEM_EVENT)
			__atomic_store_n(&machine.off, true, __ATOMIC_RELEASE);
		else
			usleep(1000);
	}
	return NULL;
}

static void run_threads(void)
{
	machine.stop = false;
	for (unsigned int n = 0; n < VCPUS; n++) {
		machine.vcpu[n].run->immediate_exit = 0;
		if (pthread_create(&machine.thread[n], NULL, run_vcpu, &machine.vcpu[n]))
			give_up("pthread_create");
	}
}

static void stop_threads(void)
{
	__atomic_store_n(&machine.stop, true, __ATOMIC_RELEASE);
	for (unsigned int n = 0; n < VCPUS; n++) {
		machine.vcpu[n].run->immediate_exit = 1;
		pthread_kill(machine.thread[n], SIGUSR1);
	}
	for (unsigned int n = 0; n < VCPUS; n++)
		pthread_join(machine.thread[n], NULL);
}

static void end_machine(void)
{
	for (unsigned int n = 0; n < VCPUS; n++)
		end_vcpu(&machine.vcpu[n]);
	close(machine.vm.gic);
	close(machine.vm.fd);
	close(machine.vm.dev);
	munmap(machine.ram, RAM_SIZE);
}

/* ---- what is done to it ---- */

static void discard_memory(void)
{
	uint64_t page = roll() % (32 * MIB / 4096), count = 1 + roll() % 64;

	(void)madvise(machine.ram + slots[MEMORY].offset + page % 2048 * 4096, count * 4096,
		      MADV_DONTNEED);
}

static void discard_tables(void)
{
	uint64_t page = roll() % (slots[TABLES].size / 4096);

	(void)madvise(machine.ram + slots[TABLES].offset + page * 4096, 4096, MADV_DONTNEED);
}

static void remove_memory(void)
{
	(void)set_slot(MEMORY, 0, 0, 0);
	usleep((useconds_t)(roll() % 2000));
	must(set_slot(MEMORY, 0, RAM + slots[MEMORY].offset, slots[MEMORY].size), "a slot again");
}

static void move_memory(void)
{
	must(set_slot(MEMORY, 0, RAM + RAM_SIZE, slots[MEMORY].size), "a slot elsewhere");
	usleep((useconds_t)(roll() % 2000));
	must(set_slot(MEMORY, 0, RAM + slots[MEMORY].offset, slots[MEMORY].size), "a slot back");
}

/* The guest hypervisor's tables: their access flags cannot be set, and it cannot change them. */
static void protect_tables(void)
{
	uint64_t gpa = RAM + slots[TABLES].offset;

	(void)set_slot(TABLES, 0, 0, 0);
	must(set_slot(TABLES, KVM_MEM_READONLY, gpa, slots[TABLES].size), "a read-only slot");
	usleep((useconds_t)(roll() % 20000));
	(void)set_slot(TABLES, 0, 0, 0);
	must(set_slot(TABLES, 0, gpa, slots[TABLES].size), "a writable slot");
}

/* One of EL2's: op0 3, op1 4; or the HCR_EL2 and the like that decide most. */
static void write_el2(const struct vcpu *vcpu)
{
	static const uint64_t first[] = {
		ARM64_SYS_REG(3, 4, 1, 1, 0),  ARM64_SYS_REG(3, 4, 2, 1, 0),
		ARM64_SYS_REG(3, 4, 2, 1, 2),  ARM64_SYS_REG(3, 4, 1, 0, 0),
		ARM64_SYS_REG(3, 4, 14, 0, 3), ARM64_SYS_REG(3, 4, 14, 2, 2),
	};
	static const uint16_t modes[] = { 0x3c0, 0x3c4, 0x3c5, 0x3c8, 0x3c9, 0, 5, 9 };
	uint64_t id = roll() % 3 ? first[roll() % 6]
				 : ARM64_SYS_REG(3, 4, roll() % 16, roll() % 16, roll() % 8);

	(void)set_reg(vcpu, id,
		      roll() % 2 ? roll() : get_reg(vcpu, first[0]) ^ 1ULL << roll() % 64);
	if (roll() % 4 == 0)
		(void)set_reg(vcpu, CORE_REG(pstate), modes[roll() % 8]);
}

static void write_interface(void)
{
	uint64_t value = roll(), attr = (roll() % VCPUS) << 32 | 3 << 14 | 4 << 11 | 12 << 7;

	attr |= (8 + roll() % 6) << 3 | roll() % 8;
	(void)gic_attr(machine.vm.gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, attr,
		       &value);
}

static void write_registers(void)
{
	stop_threads();
	for (unsigned int i = 0; i < 8; i++) {
		write_el2(&machine.vcpu[roll() % VCPUS]);
		write_interface();
	}
	run_threads();
	usleep(2000);
}

/* In whatever state it is: the other one runs on in its nested guest. */
static void initialize_again(void)
{
	unsigned int n = roll() % VCPUS;

	stop_threads();
	set_entry(n);
	run_threads();
	usleep((useconds_t)(roll() % 20000));
}

static const struct {
	const char *name;
	void (*do_it)(void);
	bool begin_again; /* the guest does not survive it: vCPU 0 is initialized now and then */
} attacks[] = {
	{ "memory of nested guests is discarded", discard_memory, false },
	{ "the guest hypervisor's tables are discarded", discard_tables, true },
	{ "a slot goes and comes", remove_memory, true },
	{ "a slot moves", move_memory, true },
	{ "tables are in a read-only slot", protect_tables, true },
	{ "random registers of EL2", write_registers, true },
	{ "vCPUs are initialized again", initialize_again, false },
};

#define ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void attack(size_t which, uint64_t ms)
{
	uint64_t end, again;

	start_machine();
	run_threads();
	usleep(300000); /* until it has nested guests */
	end = now_ms() + ms;
	again = now_ms() + ms / 4;
	while (now_ms() < end) {
		attacks[which].do_it();
		usleep((useconds_t)(roll() % 3000));
		if (attacks[which].begin_again && now_ms() > again) {
			stop_threads();
			load();
			set_entry(1);
			set_entry(0);
			run_threads();
			again = now_ms() + ms / 4;
		}
	}
	stop_threads();
	end_machine();
	check(true, "%s", attacks[which].name);
}

/* Killed while nested guests run, all of the process at once. */
static void kill_it(uint64_t ms)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		start_machine();
		run_threads();
		for (;;)
			remove_memory();
	}
	usleep((useconds_t)ms * 1000);
	kill(child, SIGKILL);
	check(waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
		      WTERMSIG(status) == SIGKILL,
	      "it ends while nested guests run");
}

static void run_to_its_end(void)
{
	uint64_t end = now_ms() + 100000;

	start_machine();
	run_threads();
	while (!__atomic_load_n(&machine.off, __ATOMIC_ACQUIRE) && now_ms() < end)
		usleep(10000);
	stop_threads();
	check(strstr(machine.output, " 0 failed"), "another one runs to its end");
	if (!strstr(machine.output, " 0 failed"))
		printf("# %s\n", machine.output);
	end_machine();
}

static void on_signal(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	uint64_t ms = argc > 1 ? (uint64_t)atoi(argv[1]) : 2000;

	sigaction(SIGUSR1, &action, NULL);
	for (size_t i = 0; i < ATTACKS; i++)
		attack(i, ms);
	kill_it(ms);
	run_to_its_end();
	return finish();
}
