// SPDX-License-Identifier: BSD-2-Clause
/*
 * Calls that meet: threads of a process do different things to one VM at once, in all pairs of what
 * there is, with guests that run meanwhile. What a call returns is of no interest here: each
 * process must end in time, by itself or when it is killed, and its host must not complain.
 *
 * test_races [SECONDS [SEED]]: pairs in any order until the time is over; 0: all of them once.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <keel/spe.h>

#include "kvmtest.h"

#define VCPUS	  2
#define EVENTFDS  2
#define THREADS	  4
#define ROUND_MS  40
#define END_MS	  30000 /* an emulated machine is slow */
#define MORE_BASE 0x50000000ULL
#define MORE_SIZE 0x100000UL
#define PSCI	  (1U << KVM_ARM_VCPU_PSCI_0_2)

/* Of the ITS: what busy has in its registers. A device has its ITT at ITTS + DeviceID * 4 KiB. */
#define ITS	    0x08080000ULL
#define TRANSLATER  (ITS + 0x10040)
#define PROPERTIES  (GUEST_BASE + 0x10000) /* vCPU n's pending table: n * 64 KiB behind */
#define QUEUE	    (GUEST_BASE + 0x60000)
#define DEVICES	    (GUEST_BASE + 0x70000)
#define COLLECTIONS (GUEST_BASE + 0x80000)
#define ITTS	    (GUEST_BASE + 0x90000)
#define COMMANDS    128U /* as many as the queue's page has */
#define DEVICE_IDS  4U
#define EVENTS	    32U
#define LPI	    8192U
#define VALID	    (1ULL << 63)
#define ROUTES	    8U

/* ---- a VM that everybody has ---- */

/* Its files are replaced while others use them: a number may be another file's by then. */
static atomic_int vm, gic, its, vcpus[VCPUS], eventfds[EVENTFDS];
static char *memory, *more;
static struct kvm_run *runs; /* a page for each vCPU */
static long page;

/* Of all processes: MSIs that were an LPI of a vCPU. */
static atomic_uint *lpis;

static atomic_bool stopped;
static atomic_int tids[THREADS];

/*
 * Interrupts from 32 on are enabled, LPIs and the ITS turned on; then it writes to memory, to
 * devices, sends an SGI, has the ITS carry out commands, waits for interrupts now and then and takes
 * them, and resets the machine at last.
 */
GUEST_CODE(busy, "mov x1, #0x09000000\n"
		 "mov x10, #0x08000000\n"
		 "mov w2, #0x12\n str w2, [x10]\n"		 /* GICD_CTLR: ARE, group 1 */
		 "mov w2, #-1\n str w2, [x10, #0x84]\n"		 /* GICD_IGROUPR1 */
		 "mov w2, #0xaaaaaaaa\n str w2, [x10, #0xc08]\n" /* GICD_ICFGR2: edges */
		 "mov w2, #-1\n str w2, [x10, #0x104]\n"	 /* GICD_ISENABLER1 */
		 "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n"	 /* ICC_SRE_EL1 */
		 "mov x2, #0xff\n msr s3_0_c4_c6_0, x2\n"	 /* ICC_PMR_EL1 */
		 "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n"	 /* ICC_IGRPEN1_EL1 */
		 "mrs x3, mpidr_el1\n and x3, x3, #0xf\n"
		 "mov x11, #0xa0000\n add x11, x11, x10\n add x11, x11, x3, lsl #17\n"
		 "mov x2, #13\n movk x2, #0x4001, lsl #16\n str x2, [x11, #0x70]\n" /* PROPBASER */
		 "mov x2, #0x40020000\n add x2, x2, x3, lsl #16\n str x2, [x11, #0x78]\n" /* PEND */
		 "mov w2, #1\n str w2, [x11]\n" /* GICR_CTLR.EnableLPIs */
		 "mov x12, #0x80000\n add x12, x12, x10\n"
		 "mov x13, #0x8000000000000000\n"
		 "mov x2, #0x40070000\n orr x2, x2, x13\n str x2, [x12, #0x100]\n" /* BASER0 */
		 "mov x2, #0x40080000\n orr x2, x2, x13\n str x2, [x12, #0x108]\n" /* BASER1 */
		 "mov x2, #0x40060000\n orr x2, x2, x13\n str x2, [x12, #0x80]\n"  /* CBASER */
		 "mov w2, #1\n str w2, [x12]\n"					   /* GITS_CTLR */
		 "mov x2, #0xfe0\n str x2, [x12, #0x88]\n" /* GITS_CWRITER: all but one */
		 "mov x5, #0x50000000\n"
		 "mov x6, #0\n"
		 "1: add x6, x6, #1\n"
		 "and x7, x6, #0xff\n"
		 "add x7, x5, x7, lsl #12\n"
		 "str x6, [x7]\n"
		 "tst x6, #0x3f\n b.ne 1b\n"
		 "str w6, [x1]\n"
		 "str w6, [x1, #8]\n"
		 "ldr w7, [x1, #16]\n"
		 "mov x0, #3\n msr s3_0_c12_c11_5, x0\n" /* ICC_SGI1R_EL1 */
		 "mov x0, #0x84000000\n hvc #0\n"
		 "and x7, x6, #0xfe0\n str x7, [x12, #0x88]\n" /* GITS_CWRITER */
		 "ldr x7, [x12, #0x90]\n"		       /* GITS_CREADR */
		 "tst x6, #0x7ff\n b.ne 2f\n"
		 "mov x0, #0x84000000\n orr x0, x0, #8\n add x0, x0, #1\n hvc #0\n"
		 "2: tst x6, #0xff\n b.ne 3f\n"
		 "wfi\n"
		 "3: mrs x3, s3_0_c12_c12_0\n" /* ICC_IAR1_EL1 */
		 "cmp x3, #1020\n b.hs 1b\n"
		 "msr s3_0_c12_c12_1, x3\n" /* ICC_EOIR1_EL1 */
		 "b 3b\n");

static unsigned int any(unsigned int *seed, unsigned int limit)
{
	return (unsigned int)rand_r(seed) / 7 % limit;
}

static void swap_fd(atomic_int *slot, int fd)
{
	int old = atomic_exchange(slot, fd);

	if (old >= 0)
		close(old);
}

static void start_vcpu(int fd)
{
	uint64_t pc = GUEST_BASE;
	struct kvm_one_reg reg = { .id = CORE_REG(pc), .addr = (uintptr_t)&pc };

	if (!init_vcpu(fd, PSCI))
		ioctl(fd, KVM_SET_ONE_REG, &reg);
}

static void start_gic(int fd)
{
	set_gic_addr(fd, KVM_VGIC_V3_ADDR_TYPE_DIST, GIC_DIST);
	gic_attr(fd, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT,
		 NULL);
	set_gic_addr(fd, KVM_VGIC_V3_ADDR_TYPE_REDIST, GIC_REDIST);
}

static long create_its(int fd, uint32_t flags, int *device)
{
	struct kvm_create_device args = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS, .flags = flags };
	long ret = ioctl(fd, KVM_CREATE_DEVICE, &args);

	if (!ret)
		*device = (int)args.fd;
	return ret;
}

static void start_its(int fd)
{
	uint64_t address = ITS;

	gic_attr(fd, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE,
		 &address);
	gic_attr(fd, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT,
		 NULL);
}

/* A new one takes the place of what there is. */
static void renew(void)
{
	int dev = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd = ioctl(dev, KVM_CREATE_VM, 0UL);
	int i, device = -1;

	close(dev);
	if (fd < 0)
		return;
	set_region(fd, 0, 0, GUEST_BASE, GUEST_SIZE, memory);
	set_region(fd, 1, 0, MORE_BASE, MORE_SIZE, more);
	swap_fd(&vm, fd);
	for (i = 0; i < VCPUS; i++) {
		int vcpu = ioctl(fd, KVM_CREATE_VCPU, (unsigned long)i);

		start_vcpu(vcpu);
		mmap((char *)runs + i * page, (size_t)page, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, vcpu, 0);
		swap_fd(&vcpus[i], vcpu);
	}
	create_gic(fd, 0, &device);
	start_gic(device);
	swap_fd(&gic, device);
	device = -1;
	create_its(fd, 0, &device);
	start_its(device);
	swap_fd(&its, device);
}

static uint64_t *guest_words(uint64_t gpa)
{
	return (uint64_t *)(memory + (gpa - GUEST_BASE));
}

static void write_command(unsigned int at, uint64_t word0, uint64_t word1, uint64_t word2)
{
	uint64_t *words = guest_words(QUEUE) + at % COMMANDS * 4;

	words[0] = word0;
	words[1] = word1;
	words[2] = word2;
	words[3] = 0;
}

/* What a guest needs before the first LPI: devices, collections, and events that are mapped. */
static void write_commands(void)
{
	unsigned int at = 0, device, i;

	memset(memory + (PROPERTIES - GUEST_BASE), 0xa1, 0x2000);
	for (device = 0; device < DEVICE_IDS; device++)
		write_command(at++, (uint64_t)device << 32 | 8, 4,
			      VALID | (ITTS + device * 0x1000));
	for (i = 0; i < VCPUS; i++)
		write_command(at++, 9, 0, VALID | (uint64_t)i << 16 | i);
	while (at < COMMANDS) {
		unsigned int event = at % EVENTS;

		device = at / EVENTS;
		write_command(at, (uint64_t)device << 32 | 0xa, (uint64_t)(LPI + at) << 32 | event,
			      at % VCPUS);
		at++;
	}
}

static void build(void)
{
	int i;

	page = sysconf(_SC_PAGESIZE);
	memory = map_memory(GUEST_SIZE);
	more = map_memory(MORE_SIZE);
	runs = map_memory((size_t)(VCPUS * page));
	memcpy(memory, busy, (size_t)(busy_end - busy));
	__builtin___clear_cache(memory, memory + (busy_end - busy));
	write_commands();
	vm = gic = its = -1;
	for (i = 0; i < VCPUS; i++)
		vcpus[i] = -1;
	for (i = 0; i < EVENTFDS; i++)
		eventfds[i] = eventfd(0, EFD_NONBLOCK);
	renew();
	if (vm < 0 || vcpus[VCPUS - 1] < 0 || gic < 0 || its < 0)
		_exit(2);
}

/* ---- what threads do, over and over ---- */

static int any_vcpu(unsigned int *seed)
{
	return vcpus[any(seed, VCPUS)];
}

static void run_vcpu(unsigned int i)
{
	volatile struct kvm_run *run = (void *)((char *)runs + i * page);

	if (!ioctl(vcpus[i], KVM_RUN, 0) && run->exit_reason == KVM_EXIT_SYSTEM_EVENT)
		start_vcpu(vcpus[i]);
}

static void do_run_0(unsigned int *seed)
{
	(void)seed;
	run_vcpu(0);
}

static void do_run_1(unsigned int *seed)
{
	(void)seed;
	run_vcpu(1);
}

static void do_immediate_exit(unsigned int *seed)
{
	struct kvm_run *run = (void *)((char *)runs + any(seed, VCPUS) * page);

	__atomic_store_n(&run->immediate_exit, 1, __ATOMIC_RELAXED);
	sched_yield();
	__atomic_store_n(&run->immediate_exit, 0, __ATOMIC_RELAXED);
}

/* What userspace may write there is garbage to the kernel at any time. */
static void do_scribble(unsigned int *seed)
{
	volatile uint32_t *word = (void *)((char *)runs + any(seed, VCPUS) * page);

	word[any(seed, 64)] = (uint32_t)rand_r(seed);
}

static void do_signal(unsigned int *seed)
{
	syscall(SYS_tgkill, getpid(), tids[any(seed, THREADS)], SIGUSR1);
	sched_yield();
}

static void do_init_vcpu(unsigned int *seed)
{
	int fd = any_vcpu(seed);

	if (any(seed, 4))
		start_vcpu(fd);
	else
		init_vcpu(fd, PSCI | 1U << any(seed, 12));
}

static void do_registers(unsigned int *seed)
{
	struct {
		struct kvm_reg_list list;
		uint64_t id[2048];
	} all = { .list.n = 2048 };
	unsigned char value[2048] = { 0 };
	struct kvm_one_reg reg = { .addr = (uintptr_t)value };
	int fd = any_vcpu(seed), i;

	if (ioctl(fd, KVM_GET_REG_LIST, &all.list) || !all.list.n)
		return;
	for (i = 0; i < 20; i++) {
		reg.id = all.id[any(seed, (unsigned int)all.list.n)];
		ioctl(fd, KVM_GET_ONE_REG, &reg);
		ioctl(fd, KVM_SET_ONE_REG, &reg);
	}
}

static void do_mp_state(unsigned int *seed)
{
	struct kvm_mp_state state;
	int fd = any_vcpu(seed);

	ioctl(fd, KVM_GET_MP_STATE, &state);
	state.mp_state = any(seed, 3) ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_STOPPED;
	ioctl(fd, KVM_SET_MP_STATE, &state);
}

static void do_events(unsigned int *seed)
{
	struct kvm_vcpu_events events = { 0 };
	int fd = any_vcpu(seed);

	ioctl(fd, KVM_GET_VCPU_EVENTS, &events);
	events.exception.serror_pending = any(seed, 4) == 0;
	events.exception.ext_dabt_pending = any(seed, 4) == 0;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &events);
}

static void do_vcpu_attributes(unsigned int *seed)
{
	static const uint32_t groups[] = { KVM_ARM_VCPU_PVTIME_CTRL, KVM_ARM_VCPU_TIMER_CTRL,
					   KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_SPE_CTRL };
	static const unsigned long ops[] = { KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR,
					     KVM_HAS_DEVICE_ATTR };
	uint64_t value = any(seed, 2) ? MORE_BASE + 64 * any(seed, 64) : any(seed, 32);
	struct kvm_device_attr attr = { .group = groups[any(seed, 4)],
					.attr = any(seed, 4),
					.addr = (uintptr_t)&value };
	int sve = KVM_ARM_VCPU_SVE, fd = any_vcpu(seed);

	ioctl(fd, ops[any(seed, 3)], &attr);
	ioctl(fd, KVM_ARM_VCPU_FINALIZE, &sve);
}

static void do_map_run(unsigned int *seed)
{
	size_t size = (size_t)page * (1 + any(seed, 2));
	int flags = any(seed, 2) ? MAP_SHARED : MAP_PRIVATE;
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, any_vcpu(seed), 0);

	if (map == MAP_FAILED)
		return;
	*(volatile char *)map = 0;
	munmap(map, size);
}

static struct kvm_irqfd irqfd_of(unsigned int *seed, uint32_t flags)
{
	unsigned int i = any(seed, EVENTFDS);

	return (struct kvm_irqfd){ .fd = (uint32_t)eventfds[i], .gsi = i, .flags = flags };
}

static void do_irqfd(unsigned int *seed)
{
	struct kvm_irqfd args = irqfd_of(seed, 0);

	ioctl(vm, KVM_IRQFD, &args);
}

/* A level, which the guest ends; the same eventfd may be told of that. */
static void do_resampled_irqfd(unsigned int *seed)
{
	struct kvm_irqfd args = irqfd_of(seed, KVM_IRQFD_FLAG_RESAMPLE);

	args.resamplefd = (uint32_t)eventfds[any(seed, EVENTFDS)];
	ioctl(vm, KVM_IRQFD, &args);
}

static void do_no_irqfd(unsigned int *seed)
{
	struct kvm_irqfd args = irqfd_of(seed, KVM_IRQFD_FLAG_DEASSIGN);

	ioctl(vm, KVM_IRQFD, &args);
}

static struct kvm_ioeventfd ioeventfd_of(unsigned int *seed, uint32_t flags)
{
	unsigned int i = any(seed, EVENTFDS);

	return (struct kvm_ioeventfd){
		.fd = eventfds[i], .addr = MMIO_BASE + 4 * i, .len = 4, .flags = flags
	};
}

static void do_ioeventfd(unsigned int *seed)
{
	struct kvm_ioeventfd args = ioeventfd_of(seed, 0);

	ioctl(vm, KVM_IOEVENTFD, &args);
}

static void do_no_ioeventfd(unsigned int *seed)
{
	struct kvm_ioeventfd args = ioeventfd_of(seed, KVM_IOEVENTFD_FLAG_DEASSIGN);

	ioctl(vm, KVM_IOEVENTFD, &args);
}

static void do_event(unsigned int *seed)
{
	uint64_t count = 1;

	if (write(eventfds[any(seed, EVENTFDS)], &count, sizeof(count)) < 0)
		sched_yield();
}

static void do_end_eventfd(unsigned int *seed)
{
	swap_fd(&eventfds[any(seed, EVENTFDS)], eventfd(any(seed, 2), EFD_NONBLOCK));
}

static void do_line(unsigned int *seed)
{
	struct kvm_irq_level line = { .level = any(seed, 2) };
	uint32_t kind = any(seed, 2) ? KVM_ARM_IRQ_TYPE_SPI : KVM_ARM_IRQ_TYPE_PPI;

	line.irq = kind << KVM_ARM_IRQ_TYPE_SHIFT | any(seed, VCPUS + 1) << KVM_ARM_IRQ_VCPU_SHIFT |
		   any(seed, 64);
	ioctl(vm, KVM_IRQ_LINE, &line);
}

static void do_msi(unsigned int *seed)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)TRANSLATER,
			       .data = any(seed, EVENTS + 1),
			       .devid = any(seed, DEVICE_IDS + 1),
			       .flags = KVM_MSI_VALID_DEVID };

	if (ioctl(vm, KVM_SIGNAL_MSI, &msi) == 1)
		(*lpis)++;
}

/* What GSIs of irqfds mean: pins, events, or nothing. */
static void do_routing(unsigned int *seed)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[ROUTES];
	} routing = { .head.nr = any(seed, ROUTES + 1) };

	for (uint32_t i = 0; i < routing.head.nr; i++) {
		struct kvm_irq_routing_entry *entry = &routing.entry[i];

		entry->gsi = i;
		if (any(seed, 2)) {
			entry->type = KVM_IRQ_ROUTING_IRQCHIP;
			entry->u.irqchip.pin = any(seed, 32);
			continue;
		}
		entry->type = KVM_IRQ_ROUTING_MSI;
		entry->flags = KVM_MSI_VALID_DEVID;
		entry->u.msi.address_lo = (uint32_t)TRANSLATER;
		entry->u.msi.data = any(seed, EVENTS);
		entry->u.msi.devid = any(seed, DEVICE_IDS);
	}
	ioctl(vm, KVM_SET_GSI_ROUTING, &routing);
}

/* Other commands come into the queue while the ITS reads it. */
static void do_commands(unsigned int *seed)
{
	static const uint64_t codes[] = { 1, 3, 4, 5, 8, 9, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf };
	uint64_t code = codes[any(seed, sizeof(codes) / sizeof(codes[0]))];
	uint64_t device = any(seed, DEVICE_IDS), event = any(seed, EVENTS);
	uint64_t on = any(seed, 3) ? VALID : 0, collection = any(seed, VCPUS), word2 = collection;

	if (code == 8)
		word2 = on | (ITTS + device * 0x1000);
	else if (code == 9)
		word2 = on | collection << 16 | collection;
	else if (code == 0xe)
		word2 = collection << 16;
	write_command(any(seed, COMMANDS), device << 32 | code,
		      code == 8 ? 4 : (uint64_t)(LPI + any(seed, COMMANDS)) << 32 | event, word2);
}

static void do_its_attributes(unsigned int *seed)
{
	static const uint64_t controls[] = { KVM_DEV_ARM_VGIC_CTRL_INIT,
					     KVM_DEV_ARM_ITS_SAVE_TABLES,
					     KVM_DEV_ARM_ITS_RESTORE_TABLES,
					     KVM_DEV_ARM_ITS_CTRL_RESET };
	static const uint64_t offsets[] = { 0, 4, 8, 0x80, 0x88, 0x90, 0x100, 0x108 };
	uint64_t offset = offsets[any(seed, sizeof(offsets) / sizeof(offsets[0]))], value = 0;

	if (any(seed, 2)) {
		gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
			 controls[any(seed, 4)], NULL);
		return;
	}
	gic_attr(its, KVM_GET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset, &value);
	if (offset == 0)
		value ^= any(seed, 2);
	gic_attr(its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset, &value);
}

static void do_slots(unsigned int *seed)
{
	uint32_t slot = 1 + any(seed, 3), flags = any(seed, 4) ? 0 : KVM_MEM_READONLY;
	size_t size = any(seed, 2) ? MORE_SIZE : (size_t)page * any(seed, 4);
	int fd = vm;

	set_region(fd, slot, flags, MORE_BASE + MORE_SIZE * any(seed, 2), size, more);
	set_region(fd, slot, 0, MORE_BASE, 0, NULL);
	set_region(fd, 1, 0, MORE_BASE, MORE_SIZE, more);
}

/* Of the memory that the guest writes to: begun, ended, read, and cleared in parts. */
static void do_dirty_log(unsigned int *seed)
{
	uint64_t bits[MORE_SIZE / 4096 / 64];
	uint32_t pages = (uint32_t)(MORE_SIZE / (size_t)page);
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = { .slot = 1, .dirty_bitmap = bits };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				      .args = { any(seed, 4) } };

	if (!any(seed, 8))
		ioctl(vm, KVM_ENABLE_CAP, &cap);
	if (!any(seed, 4))
		set_region(vm, 1, any(seed, 2) ? KVM_MEM_LOG_DIRTY_PAGES : 0, MORE_BASE, MORE_SIZE,
			   more);
	ioctl(vm, KVM_GET_DIRTY_LOG, &log);
	clear.first_page = any(seed, 2) * 64;
	clear.num_pages = pages - (uint32_t)clear.first_page;
	ioctl(vm, KVM_CLEAR_DIRTY_LOG, &clear);
}

/* What a guest has is taken from the process, or changed, and comes again. */
static void do_memory(unsigned int *seed)
{
	size_t size = (size_t)page * (1 + any(seed, 16));
	char *at = more + (size_t)page * any(seed, (unsigned int)(MORE_SIZE / (size_t)page) - 16);

	switch (any(seed, 4)) {
	case 0:
		madvise(at, size, MADV_DONTNEED);
		break;
	case 1:
		mprotect(at, size, PROT_READ);
		mprotect(at, size, PROT_READ | PROT_WRITE);
		break;
	case 2:
		madvise(at, size, MADV_POPULATE_WRITE);
		break;
	default:
		mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		     0);
	}
}

static void do_create(unsigned int *seed)
{
	int fd = ioctl(vm, KVM_CREATE_VCPU, (unsigned long)any(seed, 6)), device = -1;

	if (fd >= 0)
		close(fd);
	create_gic(vm, any(seed, 2) ? KVM_CREATE_DEVICE_TEST : 0, &device);
	device = -1;
	if (!create_its(vm, any(seed, 2) ? KVM_CREATE_DEVICE_TEST : 0, &device))
		close(device);
	ioctl(vm, KVM_CHECK_EXTENSION, (unsigned long)any(seed, 250));
}

static void do_gic_attributes(unsigned int *seed)
{
	static const unsigned long ops[] = { KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR,
					     KVM_HAS_DEVICE_ATTR };
	uint64_t value = (uint64_t)any(seed, 4096) << 16 | any(seed, 2) * 64;

	gic_attr(gic, ops[any(seed, 3)], any(seed, 10), any(seed, 4096), &value);
}

/* What a VMM reads before it moves a VM, and writes behind that. */
static void do_gic_state(unsigned int *seed)
{
	static const struct {
		uint32_t group;
		uint64_t first, count, step;
	} rows[] = {
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, 0x100, 4 },	 /* GICD_CTLR and on */
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x200, 0x80, 4 },	 /* pending, active */
		{ KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0x6000, 0x100, 4 },	 /* GICD_IROUTER */
		{ KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, 0, 0x20, 4 },	 /* GICR_CTLR and on */
		{ KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, 0x70, 4, 4 },	 /* LPIs' tables */
		{ KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, 0x10080, 0x100, 4 }, /* private ones */
		{ KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, 0xc600, 0x80, 1 },	 /* ICC_*_EL1 */
		{ KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, 0, 4, 32 },
	};
	unsigned int row = any(seed, sizeof(rows) / sizeof(rows[0]));
	uint64_t vcpu = any(seed, VCPUS + 1), value = 0;
	uint64_t attr = vcpu << 32 | (rows[row].first +
				      any(seed, (unsigned int)rows[row].count) * rows[row].step);

	if (!any(seed, 8)) {
		gic_attr(gic, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL,
			 KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, NULL);
		return;
	}
	gic_attr(gic, KVM_GET_DEVICE_ATTR, rows[row].group, attr, &value);
	if (!any(seed, 4))
		value = (uint32_t)rand_r(seed);
	gic_attr(gic, KVM_SET_DEVICE_ATTR, rows[row].group, attr, &value);
}

/* A file is kept, and closed, by more than its number. */
static void do_duplicate(unsigned int *seed)
{
	static atomic_int *const files[] = { &vm, &gic, &its, &vcpus[0], &vcpus[1] };
	int fd = dup(*files[any(seed, 5)]);

	sched_yield();
	if (fd >= 0)
		close(fd);
}

static void do_renew(unsigned int *seed)
{
	(void)seed;
	renew();
}

/* Another process has the files, but not the memory. */
static void do_fork(unsigned int *seed)
{
	pid_t child = fork();

	if (child < 0)
		return;
	if (!child) {
		ioctl(vm, KVM_CREATE_VCPU, 5UL);
		ioctl(any_vcpu(seed), KVM_RUN, 0);
		_exit(0);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What keelctl(1) reads, in the place of a directory that may be gone by then. */
static void do_look(unsigned int *seed)
{
	static const char *const names[] = { "info", "stage2", "spe" };
	char text[4096];
	int fd;

	(void)snprintf(text, sizeof(text), "/sys/kernel/debug/keel/vm/%u/%s", any(seed, 100),
		       names[any(seed, 3)]);
	fd = open(text, O_RDONLY);
	if (fd < 0)
		return;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
}

static const struct {
	const char *name;
	void (*act)(unsigned int *seed);
} actions[] = {
	{ "run-0", do_run_0 },
	{ "run-1", do_run_1 },
	{ "immediate-exit", do_immediate_exit },
	{ "scribble", do_scribble },
	{ "signal", do_signal },
	{ "init-vcpu", do_init_vcpu },
	{ "registers", do_registers },
	{ "mp-state", do_mp_state },
	{ "events", do_events },
	{ "vcpu-attributes", do_vcpu_attributes },
	{ "map-run", do_map_run },
	{ "irqfd", do_irqfd },
	{ "resampled-irqfd", do_resampled_irqfd },
	{ "no-irqfd", do_no_irqfd },
	{ "ioeventfd", do_ioeventfd },
	{ "no-ioeventfd", do_no_ioeventfd },
	{ "event", do_event },
	{ "end-eventfd", do_end_eventfd },
	{ "line", do_line },
	{ "msi", do_msi },
	{ "routing", do_routing },
	{ "commands", do_commands },
	{ "its-attributes", do_its_attributes },
	{ "slots", do_slots },
	{ "dirty-log", do_dirty_log },
	{ "memory", do_memory },
	{ "create", do_create },
	{ "gic-attributes", do_gic_attributes },
	{ "gic-state", do_gic_state },
	{ "duplicate", do_duplicate },
	{ "renew", do_renew },
	{ "fork", do_fork },
	{ "look", do_look },
};

#define ACTIONS (sizeof(actions) / sizeof(actions[0]))
#define PAIRS	(ACTIONS * (ACTIONS + 1) / 2)

/* ---- a round: one process ---- */

struct worker {
	unsigned int index, action, seed;
};

struct round {
	struct worker worker[THREADS];
	unsigned int threads;
	bool killed; /* in the middle, and not ended */
};

static void on_signal(int sig)
{
	(void)sig;
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	tids[worker->index] = (int)syscall(SYS_gettid);
	while (!stopped)
		actions[worker->action].act(&worker->seed);
	tids[worker->index] = 0;
	return NULL;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&time, &time))
		;
}

/* Until each of them has come out of what it is in. */
static void end_threads(const struct round *round, pthread_t *threads)
{
	unsigned int i, alive = 1;

	stopped = true;
	while (alive) {
		for (i = alive = 0; i < round->threads; i++)
			if (tids[i]) {
				syscall(SYS_tgkill, getpid(), tids[i], SIGUSR1);
				alive++;
			}
		sleep_ms(2);
	}
	for (i = 0; i < round->threads; i++)
		pthread_join(threads[i], NULL);
}

__attribute__((noreturn)) static void be_process(struct round *round)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t threads[THREADS];
	unsigned int i;

	sigaction(SIGUSR1, &action, NULL);
	build();
	for (i = 0; i < round->threads; i++) {
		tids[i] = 1; /* no thread's of this process */
		if (pthread_create(&threads[i], NULL, work, &round->worker[i]))
			_exit(2);
	}
	sleep_ms(ROUND_MS);
	if (round->killed)
		for (;;)
			pause();
	end_threads(round, threads);
	exit(0);
}

static void describe(const struct round *round, const char *what)
{
	unsigned int i;

	printf("# %s:", what);
	for (i = 0; i < round->threads; i++)
		printf(" %s", actions[round->worker[i].action].name);
	printf("%s\n", round->killed ? ", killed" : "");
}

/* Return: whether the process has ended, and as it was to. */
static bool ended(pid_t child, const struct round *round)
{
	unsigned int ms;
	int status;

	for (ms = 0; ms < END_MS; ms += 5) {
		pid_t pid = waitpid(child, &status, WNOHANG);

		if (pid == child)
			return round->killed ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
					     : WIFEXITED(status) && !WEXITSTATUS(status);
		sleep_ms(5);
	}
	return false;
}

static bool do_round(struct round *round)
{
	pid_t child;

	fflush(stdout);
	child = (pid_t)must(fork(), "fork");
	if (!child)
		be_process(round);
	if (round->killed) {
		sleep_ms(ROUND_MS + rand() % ROUND_MS);
		kill(child, SIGKILL);
	}
	if (ended(child, round))
		return true;
	describe(round, "a process that did not end as it was to");
	kill(child, SIGKILL);
	return false;
}

/* ---- all pairs ---- */

static bool met[ACTIONS][ACTIONS];

static void note_met(const struct round *round)
{
	unsigned int i, k;

	for (i = 0; i < round->threads; i++)
		for (k = 0; k < i; k++)
			met[round->worker[i].action][round->worker[k].action] =
				met[round->worker[k].action][round->worker[i].action] = true;
}

static unsigned int count_met(void)
{
	unsigned int a, b, count = 0;

	for (a = 0; a < ACTIONS; a++)
		for (b = a; b < ACTIONS; b++)
			count += met[a][b];
	return count;
}

static struct pair {
	unsigned int a, b;
} pairs[PAIRS];

static void shuffle_pairs(void)
{
	unsigned int a, b, i = 0;

	for (a = 0; a < ACTIONS; a++)
		for (b = a; b < ACTIONS; b++)
			pairs[i++] = (struct pair){ a, b };
	while (--i) {
		unsigned int other = (unsigned int)rand() % (i + 1);
		struct pair pair = pairs[i];

		pairs[i] = pairs[other];
		pairs[other] = pair;
	}
}

/* The pair, and up to two more. */
static struct round round_of(const struct pair *pair)
{
	struct round round = { .threads = 2 + (unsigned int)rand() % (THREADS - 1),
			       .killed = rand() % 4 == 0 };
	unsigned int i;

	for (i = 0; i < round.threads; i++) {
		round.worker[i].index = i;
		round.worker[i].action = (unsigned int)rand() % ACTIONS;
		round.worker[i].seed = (unsigned int)rand();
	}
	round.worker[0].action = pair->a;
	round.worker[1].action = pair->b;
	return round;
}

static unsigned int seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned int)(now.tv_sec - start->tv_sec);
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? (unsigned int)atoi(argv[1]) : 0;
	unsigned int seed = argc > 2 ? (unsigned int)atoi(argv[2]) : (unsigned int)time(NULL);
	unsigned int rounds = 0, bad = 0;
	struct timespec start;

	lpis = mmap(NULL, sizeof(*lpis), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (lpis == MAP_FAILED)
		give_up("mmap");
	printf("# seed %u\n", seed);
	srand(seed);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (bad < 3 && (seconds ? seconds_since(&start) < seconds : rounds < PAIRS)) {
		struct round round;

		if (rounds % PAIRS == 0)
			shuffle_pairs();
		round = round_of(&pairs[rounds++ % PAIRS]);
		bad += !do_round(&round);
		note_met(&round);
	}
	check(!bad, "%u processes, %u of %zu pairs of calls: all of them ended (%u did not)",
	      rounds, count_met(), PAIRS, bad);
	printf("# %u LPIs\n", *lpis);
	if (count_met() == PAIRS && !*lpis)
		check(false, "guests turned their ITS on, and MSIs reached them");
	return finish();
}
