// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state of an interrupt controller with an ITS, saved on one KVM and restored on another one:
 *
 *	test_carry save FILE	a guest runs, and is saved with its memory and its interrupts
 *	test_carry restore FILE	it goes on, and takes what was pending there
 *	test_carry		both, here
 *
 * FILE may be a disk, by which another machine gets it.
 */
#include "kvmtest.h"

#define DIST  KVM_DEV_ARM_VGIC_GRP_DIST_REGS
#define RDIST KVM_DEV_ARM_VGIC_GRP_REDIST_REGS
#define LEVEL KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO
#define ICC   KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS
#define ITS   KVM_DEV_ARM_VGIC_GRP_ITS_REGS

#define ITS_BASE    0x08080000ULL
#define TRANSLATER  (ITS_BASE + 0x10040)
#define PROPERTIES  (GUEST_BASE + 0x10000)
#define QUEUE	    (GUEST_BASE + 0x30000)
#define DEVICES	    (GUEST_BASE + 0x40000)
#define COLLECTIONS (GUEST_BASE + 0x50000)
#define ITT	    (GUEST_BASE + 0x60000)
#define DEVICE	    0x10ULL
#define LPI	    8192U
#define LPIS	    8U
#define VALID	    (1ULL << 63)
#define SGI_FRAME   0x10000
#define GICR_CTLR   0
#define MAGIC	    0x5954524143ULL

/* Takes SPI 41, and stops while that is active; then ends it and takes what there is. */
GUEST_CODE(carried, "mov x1, #0x09000000\n"
		    "mov x10, #0x08000000\n"
		    "mov x11, #0xa0000\n add x11, x11, x10\n"
		    "mov w2, #0x12\n str w2, [x10]\n"		 /* GICD_CTLR: ARE, group 1 */
		    "mov w2, #0x700\n str w2, [x10, #0x84]\n"	 /* SPIs 40 to 42: group 1 */
		    "mov w2, #0x20000\n str w2, [x10, #0xc08]\n" /* 40 is an edge */
		    "mov w2, #0xa0\n strb w2, [x10, #0x428]\n"
		    "mov w2, #0x40\n strb w2, [x10, #0x429]\n"
		    "mov w2, #0x6000\n add x2, x10, x2\n"
		    "str xzr, [x2, #0x140]\n str xzr, [x2, #0x148]\n" /* GICD_IROUTER40, 41 */
		    "mov w2, #0x300\n str w2, [x10, #0x104]\n"	      /* 42 is not enabled */
		    "str wzr, [x11, #0x14]\n"			      /* GICR_WAKER */
		    "add x4, x11, #0x10, lsl #12\n"
		    "mov w2, #-1\n str w2, [x4, #0x80]\n" /* GICR_IGROUPR0 */
		    "mov w2, #8\n str w2, [x4, #0x100]\n" /* SGI 3 */
		    "mov w2, #0xc0\n strb w2, [x4, #0x403]\n"
		    "mov x2, #15\n movk x2, #0x4001, lsl #16\n str x2, [x11, #0x70]\n"
		    "mov x2, #0x40020000\n str x2, [x11, #0x78]\n"
		    "mov w2, #1\n str w2, [x11]\n" /* GICR_CTLR.EnableLPIs */
		    "mov x2, #7\n msr s3_0_c12_c12_5, x2\n isb\n"
		    "mov x2, #0xf0\n msr s3_0_c4_c6_0, x2\n"
		    "mov x2, #1\n msr s3_0_c12_c12_7, x2\n isb\n"
		    "str wzr, [x1]\n"
		    "mov x2, #1\n movk x2, #0x300, lsl #16\n"
		    "msr s3_0_c12_c11_5, x2\n isb\n" /* SGI 3 to itself */
		    "1: mrs x3, s3_0_c12_c12_0\n cmp x3, #41\n b.ne 1b\n"
		    "str w3, [x1, #4]\n"
		    "msr s3_0_c12_c12_1, x3\n isb\n"
		    "2: mrs x3, s3_0_c12_c12_0\n"
		    "str w3, [x1, #8]\n"
		    "msr s3_0_c12_c12_1, x3\n isb\n"
		    "b 2b\n");

/*
 * Registers by kind, in the order in which they are restored; @count of them, @step apart. KVM takes
 * what is made pending for the vCPU only if the distributor, and the interrupt, are on by then.
 */
static const struct block {
	uint32_t group, first, count, step;
} blocks[] = {
	{ DIST, 0x008, 1, 4 },	  /* GICD_IIDR */
	{ DIST, 0x000, 1, 4 },	  /* GICD_CTLR */
	{ DIST, 0x084, 7, 4 },	  /* GICD_IGROUPR */
	{ DIST, 0x104, 7, 4 },	  /* GICD_ISENABLER */
	{ DIST, 0x6100, 448, 4 }, /* GICD_IROUTER */
	{ DIST, 0xc08, 14, 4 },	  /* GICD_ICFGR */
	{ DIST, 0x204, 7, 4 },	  /* GICD_ISPENDR */
	{ DIST, 0x304, 7, 4 },	  /* GICD_ISACTIVER */
	{ DIST, 0x420, 56, 4 },	  /* GICD_IPRIORITYR */
	{ LEVEL, 0, 8, 32 },
	{ RDIST, 0x014, 1, 4 }, /* GICR_WAKER */
	{ RDIST, 0x070, 4, 4 }, /* GICR_PROPBASER, GICR_PENDBASER */
	{ RDIST, GICR_CTLR, 1, 4 },
	{ RDIST, SGI_FRAME + 0x080, 1, 4 },
	{ RDIST, SGI_FRAME + 0x100, 1, 4 },
	{ RDIST, SGI_FRAME + 0xc00, 2, 4 },
	{ RDIST, SGI_FRAME + 0x200, 1, 4 },
	{ RDIST, SGI_FRAME + 0x300, 1, 4 },
	{ RDIST, SGI_FRAME + 0x400, 8, 4 },
	/* ICC_SRE_EL1, CTLR, IGRPEN0, IGRPEN1, PMR, BPR0, BPR1, AP0R0, AP1R0 */
	{ ICC, 0xc665, 1, 1 },
	{ ICC, 0xc664, 1, 1 },
	{ ICC, 0xc666, 2, 1 },
	{ ICC, 0xc230, 1, 1 },
	{ ICC, 0xc643, 1, 1 },
	{ ICC, 0xc663, 1, 1 },
	{ ICC, 0xc644, 1, 1 },
	{ ICC, 0xc648, 1, 1 },
	{ ITS, 0x080, 1, 8 }, /* GITS_CBASER */
	{ ITS, 0x088, 1, 8 }, /* GITS_CWRITER */
	{ ITS, 0x090, 1, 8 }, /* GITS_CREADR */
	{ ITS, 0x100, 2, 8 }, /* GITS_BASER0, GITS_BASER1 */
	{ ITS, 0x004, 1, 4 }, /* GITS_IIDR */
	{ ITS, 0x000, 1, 4 }, /* GITS_CTLR, behind RESTORE_TABLES */
};

#define BLOCKS	  (sizeof(blocks) / sizeof(blocks[0]))
#define REGISTERS 640

struct image {
	uint64_t magic, pc, x[31], pstate, nr;
	uint64_t reg[REGISTERS];
	char mem[GUEST_SIZE] __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

static struct image image;

struct guest {
	struct vm vm;
	struct vcpu vcpu;
	int its;
	uint32_t commands;
};

static void *at(const struct guest *g, uint64_t gpa)
{
	return g->vm.mem + (gpa - GUEST_BASE);
}

static void control(int device, uint64_t attr, const char *what)
{
	must(gic_attr(device, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_CTRL, attr, NULL), what);
}

static void add_controllers(struct guest *g)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_ARM_VGIC_ITS };
	uint64_t base = ITS_BASE;

	add_gic(&g->vm);
	must(ioctl(g->vm.fd, KVM_CREATE_DEVICE, &device), "an ITS");
	g->its = (int)device.fd;
	must(gic_attr(g->its, KVM_SET_DEVICE_ATTR, KVM_DEV_ARM_VGIC_GRP_ADDR,
		      KVM_VGIC_ITS_ADDR_TYPE, &base),
	     "the ITS's address");
	control(g->its, KVM_DEV_ARM_VGIC_CTRL_INIT, "the ITS's init");
}

static void end(struct guest *g)
{
	close(g->its);
	close(g->vm.gic);
	end_guest(&g->vm, &g->vcpu);
}

/* ---- registers ---- */

static int device_of(const struct guest *g, const struct block *block)
{
	return block->group == ITS ? g->its : g->vm.gic;
}

static uint64_t get_register(const struct guest *g, const struct block *block, uint32_t i)
{
	uint64_t value = 0;

	must(gic_attr(device_of(g, block), KVM_GET_DEVICE_ATTR, block->group,
		      block->first + (uint64_t)i * block->step, &value),
	     "KVM_GET_DEVICE_ATTR");
	return value;
}

static void set_register(const struct guest *g, const struct block *block, uint32_t i,
			 uint64_t value)
{
	uint64_t attr = block->first + (uint64_t)i * block->step;
	long ret = gic_attr(device_of(g, block), KVM_SET_DEVICE_ATTR, block->group, attr, &value);

	if (ret)
		check(false, "group %u, %#llx: %#llx: %s", block->group, (unsigned long long)attr,
		      (unsigned long long)value, strerror(errno));
}

static void save_registers(const struct guest *g)
{
	image.nr = 0;
	for (size_t b = 0; b < BLOCKS; b++)
		for (uint32_t i = 0; i < blocks[b].count; i++)
			image.reg[image.nr++] = get_register(g, &blocks[b], i);
}

/* GICD_ICENABLER, GICR_ICENABLER: KVM's SGIs are enabled at first. */
static void disable_all(const struct guest *g)
{
	static const struct block off[] = { { DIST, 0x184, 7, 4 },
					    { RDIST, SGI_FRAME + 0x180, 1, 4 } };

	for (size_t b = 0; b < 2; b++)
		for (uint32_t i = 0; i < off[b].count; i++)
			set_register(g, &off[b], i, ~0U);
}

/* The tables are restored before the last block, which enables the ITS. */
static void restore_registers(const struct guest *g)
{
	uint32_t n = 0;

	disable_all(g);
	for (size_t b = 0; b < BLOCKS; b++) {
		if (b == BLOCKS - 1)
			control(g->its, KVM_DEV_ARM_ITS_RESTORE_TABLES, "RESTORE_TABLES");
		for (uint32_t i = 0; i < blocks[b].count; i++)
			set_register(g, &blocks[b], i, image.reg[n++]);
	}
}

static void compare_registers(const struct guest *g)
{
	uint32_t n = 0, differ = 0;

	for (size_t b = 0; b < BLOCKS; b++)
		for (uint32_t i = 0; i < blocks[b].count; i++, n++) {
			uint64_t got = get_register(g, &blocks[b], i);

			if (got == image.reg[n])
				continue;
			differ++;
			printf("group %u, %#x: %#llx, it was %#llx\n", blocks[b].group,
			       blocks[b].first + i * blocks[b].step, (unsigned long long)got,
			       (unsigned long long)image.reg[n]);
		}
	check(!differ, "%u registers read as they were saved (%u do not)", n, differ);
}

/* ---- the guest that is saved ---- */

static void its_command(struct guest *g, uint64_t word0, uint64_t word1, uint64_t word2)
{
	static const struct block cwriter = { ITS, 0x088, 1, 8 };
	const uint64_t words[4] = { word0, word1, word2, 0 };

	memcpy((char *)at(g, QUEUE) + g->commands++ * sizeof(words), words, sizeof(words));
	set_register(g, &cwriter, 0, g->commands * sizeof(words));
}

static void map_lpis(struct guest *g)
{
	static const struct block its[] = { { ITS, 0x100, 1, 8 },
					    { ITS, 0x108, 1, 8 },
					    { ITS, 0x080, 1, 8 },
					    { ITS, 0x000, 1, 8 } };
	uint8_t *properties = at(g, PROPERTIES);

	for (uint32_t i = 0; i < LPIS; i++)
		properties[i] = (uint8_t)(0x80 | i << 3 | 1);
	set_register(g, &its[0], 0, VALID | DEVICES);
	set_register(g, &its[1], 0, VALID | COLLECTIONS);
	set_register(g, &its[2], 0, VALID | QUEUE | 0xf);
	set_register(g, &its[3], 0, 1);
	its_command(g, DEVICE << 32 | 8, 2, VALID | ITT);
	its_command(g, 9, 0, VALID);
	for (uint64_t i = 0; i < LPIS; i++)
		its_command(g, DEVICE << 32 | 0xa, (LPI + i) << 32 | i, 0);
}

static void raise_line(const struct guest *g, uint32_t intid, uint32_t level)
{
	struct kvm_irq_level line = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | intid,
		.level = level,
	};

	must(ioctl(g->vm.fd, KVM_IRQ_LINE, &line), "KVM_IRQ_LINE");
}

static void signal_msi(const struct guest *g, uint32_t event)
{
	struct kvm_msi msi = { .address_lo = (uint32_t)TRANSLATER,
			       .data = event,
			       .devid = DEVICE,
			       .flags = KVM_MSI_VALID_DEVID };

	check(ioctl(g->vm.fd, KVM_SIGNAL_MSI, &msi) == 1, "an MSI of event %u", event);
}

/* SPI 41 is active, its input high; 40, an edge, SGI 3 and four LPIs are pending; 42 is not enabled. */
static void start(struct guest *g)
{
	start_guest(&g->vm, &g->vcpu, carried, carried_end);
	add_controllers(g);
	expect_write(&g->vcpu, MMIO_BASE, 4, 0, "the guest is ready");
	map_lpis(g);
	for (uint32_t intid = 40; intid < 43; intid++)
		raise_line(g, intid, 1);
	raise_line(g, 40, 0); /* KVM saves inputs of levels alone */
	expect_write(&g->vcpu, MMIO_BASE + 4, 4, 41, "an SPI is active");
	for (uint32_t event = 1; event < LPIS; event += 2)
		signal_msi(g, event);
	g->vcpu.run->immediate_exit = 1;
	check(run(&g->vcpu) < 0 && errno == EINTR, "the store is completed");
	g->vcpu.run->immediate_exit = 0;
}

static void save(struct guest *g)
{
	control(g->vm.gic, KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES, "SAVE_PENDING_TABLES");
	control(g->its, KVM_DEV_ARM_ITS_SAVE_TABLES, "SAVE_TABLES");
	save_registers(g);
	for (unsigned int i = 0; i < 31; i++)
		image.x[i] = get_reg(&g->vcpu, CORE_REG(regs[0]) + i * 2);
	image.pc = get_reg(&g->vcpu, CORE_REG(pc));
	image.pstate = get_reg(&g->vcpu, CORE_REG(pstate));
	memcpy(image.mem, g->vm.mem, GUEST_SIZE);
	image.magic = MAGIC;
}

/* ---- the guest that goes on ---- */

static void restore(struct guest *g)
{
	check(image.magic == MAGIC, "there is a guest that was saved");
	g->vm = new_vm();
	g->vcpu = new_vcpu(&g->vm, 0);
	add_controllers(g);
	memcpy(g->vm.mem, image.mem, GUEST_SIZE);
	for (unsigned int i = 0; i < 31; i++)
		must(set_reg(&g->vcpu, CORE_REG(regs[0]) + i * 2, image.x[i]), "x0..x30");
	must(set_reg(&g->vcpu, CORE_REG(pc), image.pc), "pc");
	must(set_reg(&g->vcpu, CORE_REG(pstate), image.pstate), "pstate");
	restore_registers(g);
}

static void takes(struct guest *g, uint32_t intid, const char *what)
{
	expect_write(&g->vcpu, MMIO_BASE + 8, 4, intid, what);
}

static void go_on(struct guest *g)
{
	raise_line(g, 41, 0);
	takes(g, LPI + 1, "an LPI");
	takes(g, LPI + 3, "the next one");
	takes(g, 40, "the SPI, an edge");
	takes(g, LPI + 5, "an LPI");
	takes(g, LPI + 7, "the last one");
	takes(g, 3, "the SGI");
	takes(g, 1023, "no more");
	signal_msi(g, 4);
	takes(g, LPI + 4, "an LPI that comes now");
	raise_line(g, 41, 1);
	takes(g, 41, "the level, which is high again");
	raise_line(g, 41, 0);
	takes(g, 1023, "no more");
}

/* ---- files ---- */

static void read_image(const char *path)
{
	int fd = (int)must(open(path, O_RDONLY), path);

	for (size_t done = 0; done < sizeof(image);)
		done += (size_t)must(read(fd, (char *)&image + done, sizeof(image) - done), path);
	close(fd);
}

static void write_image(const char *path)
{
	int fd = (int)must(open(path, O_WRONLY | O_CREAT, 0600), path);

	for (size_t done = 0; done < sizeof(image);)
		done += (size_t)must(write(fd, (char *)&image + done, sizeof(image) - done), path);
	must(fsync(fd), path);
	close(fd);
}

static void save_there(const char *path)
{
	struct guest g = { .its = -1 };

	start(&g);
	save(&g);
	end(&g);
	if (path)
		write_image(path);
}

static void restore_from(const char *path)
{
	struct guest g = { .its = -1 };

	if (path)
		read_image(path);
	restore(&g);
	compare_registers(&g);
	go_on(&g);
	end(&g);
}

int main(int argc, char **argv)
{
	const char *path = argc > 2 ? argv[2] : NULL;

	if (argc < 2 || !strcmp(argv[1], "save"))
		save_there(path);
	if (argc < 2 || !strcmp(argv[1], "restore"))
		restore_from(path);
	return finish();
}
