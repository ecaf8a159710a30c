// SPDX-License-Identifier: BSD-2-Clause
/*
 * Boot, from the moment the MMU is on to the host's first instruction. Errors in what firmware
 * passed, or in the bundle, end in boot_stop() with one line. docs/boot.md tells the story in full.
 *
 *      early.c       MMU off: console, options, EL2's layout and tables
 *      boot_main()   on the early stack
 *        init_pool()        Keel's pool: the pages behind the image that are left
 *        find_cpus()        CPUs and PSCI, from the device tree
 *        host_load_place()  places for kernel, initrd and device tree of the host
 *        init_ownership()   page states: everything is the host's, but for Keel's ranges
 *        smp_init()         stacks and windows of all CPUs
 *      boot_on_stack()      on the boot CPU's own stack; the early one goes to the pool
 *        efi_boot_check()     can firmware's address space be EL1's?
 *        smp_probe()        each CPU comes up once: merged features, errata, SPE
 *        init_machine_gic() ITSs and redistributors become EL2's where they write memory
 *        init_host()        the host's stage 2, PSCI, SMCs
 *        init_guests()      VMs: features are final from here on; the layers register themselves
 *        load_host()        copy and patch the host
 *        enter_host()       the host's controls, then ERET to EL1
 *
 * The order follows from what each step needs: page states before anything takes or shares memory,
 * the probe before anything is built on features, the GIC before the host could program it.
 *
 * One CPU runs until enter_host(), so nothing here takes locks for its own sake. Secondary CPUs
 * that come later enter by smp.c.
 */
#include <arch/percpu.h>
#include <arch/reg_bits.h>
#include <arch/smc.h>
#include <arch/sysreg.h>
#include <boot/boot.h>
#include <boot/boot_info.h>
#include <boot/efi_boot.h>
#include <boot/panic.h>
#include <boot/selftest.h>
#include <boot/smp.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <cpu/pl011.h>
#include <cpu/withheld.h>
#include <host/gicv2.h>
#include <host/host.h>
#include <host/host_cpu.h>
#include <host/host_gic.h>
#include <host/host_load.h>
#include <host/host_mem.h>
#include <host/redist.h>
#include <host/vm_calls.h>
#include <lib/errno.h>
#include <lib/smccc.h>
#include <lib/string.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>
#include <nested/nested.h>
#include <spe/spe_provider.h>
#include <spe/spe_vcpu.h>
#include <timer/host_timer.h>
#include <timer/timer.h>
#include <trap/error.h>
#include <trap/one_reg.h>
#include <trap/trap.h>
#include <vgic/vgic.h>
#include <vm/switch.h>
#include <vm/vm_ops.h>
#include <vm/vm_table.h>

#define MPIDR_AFFINITY (GENMASK(39, 32) | GENMASK(23, 0))

static struct page_pool keel_pool;
static struct pl011 uart;
static struct log_sink uart_sink;
static struct host_load load;

/*
 * Keel's memory: its region, and what it allocated for page states and tables of ITSs. When the
 * host's device tree is made, also the RAM that keel.pa_bits excludes.
 */
static struct mem_range keel_ranges[3 + FDT_ITS_MAX];
static unsigned int keel_range_count;

/* There is PSCI by SMC: firmware answers SMCs. */
static bool has_firmware;

/* ---- log and pool ---- */

static void uart_write(void *ctx, const char *s, size_t n)
{
	pl011_write(ctx, s, n);
}

/* Initialize the log again, with runtime addresses. */
static void init_log(void)
{
	log_reset_sinks();
	if (log_init(boot_info.log_ring, sizeof(boot_info.log_ring)))
		panic("the log ring has a bad size");
	if (boot_info.has_console) {
		void *base = el2_map_private(PA(boot_info.console.base), SZ_4K, EL2_DEVICE);

		if (base) {
			pl011_init(&uart, base);
			uart_sink.write = uart_write;
			uart_sink.ctx = &uart;
			log_add_sink(&uart_sink);
		}
	}
	log_smp_ready();
}

/* Keel's pool gets the pages between the early tables and the early stack. */
static void init_pool(void)
{
	struct pa next;
	u64 end = boot_info.image.v + EARLY_STACK_TOP - STACK_SIZE;

	if (page_pool_init(&keel_pool, NULL, 0))
		panic("Keel's page pool cannot be initialized");
	next = el2_map_runtime(&keel_pool);
	if (page_pool_add(&keel_pool, el2_pa_to_va(el2_map_layout(), next), (end - next.v) / SZ_4K))
		panic("Keel's page pool cannot take the pages behind the image");
}

static void print_banner(void)
{
	const struct el2_layout *l = el2_map_layout();

	const bool has_tree = !efi_handover || efi_handover->tree_size;

	log_info("Keel " KEEL_VERSION " at %#lx, entered at EL2%s, device tree %s%#lx",
		 boot_info.image.v, efi_handover ? " by UEFI" : "",
		 has_tree ? "at " : "made of ACPI's tables at ", boot_info.fdt.v);
	log_info("EL2 address space: E2H=%d, VA_BITS=%u, %s", boot_info.e2h, boot_info.va_bits,
		 el2_case_name(l->which));
	log_info("EL2 address space: trampoline at %#lx, runtime %#lx..%#lx, %u bits, start level "
		 "%d",
		 (u64)_idmap_start - l->linear_offset, l->runtime_base,
		 l->runtime_base + l->runtime_size - 1, l->ttbr0_bits, l->ttbr0_level);
}

/* ---- memory ---- */

static void map_fdt(void)
{
	load.fdt = el2_map_private(boot_info.fdt, boot_info.fdt_size, EL2_R);
	if (!load.fdt)
		boot_stop("the device tree does not fit EL2's address space: raise keel.va_bits");
}

static void reserve_memory(u64 base, u64 size)
{
	if (memmap_reserve(&boot_info.memmap, base, size))
		boot_stop("too many memory reservations");
}

static void add_keel_range(u64 base, u64 size)
{
	keel_ranges[keel_range_count++] = (struct mem_range){ base, base + size };
	reserve_memory(base, size);
}

static void find_cpus(void)
{
	const char *why;

	load.boot_mpidr = read_sysreg(mpidr_el1) & MPIDR_AFFINITY;
	if (host_fdt_cpus(load.fdt, load.boot_mpidr, &boot_info.cpus, &why))
		boot_stop("%s", why);
	/* Without firmware that answers, no other CPU can be started. */
	if (host_fdt_psci(load.fdt) != FDT_PSCI_SMC) {
		log_warn("no PSCI by SMC in the device tree: one CPU, and no power management");
		boot_info.cpus.count = 1;
	} else {
		has_firmware = true;
		host_set_firmware(true);
	}
}

static void print_cpus(void)
{
	char text[LOG_LINE_MAX - 64];
	struct mmu_caps caps;

	cpu_features_mmu_caps(&boot_info.features, &caps);
	cpu_features_describe(&boot_info.features, text, sizeof(text));
	log_info("%u CPU%s, %u-bit physical addresses", boot_info.cpus.count,
		 boot_info.cpus.count == 1 ? "" : "s", caps.pa_bits);
	log_info("CPU features: %s", text);
}

/* The tables of ITSs take at most 1/GIC_MEMORY_SHARE of RAM, or 1 MiB if that is more. */
#define GIC_MEMORY_SHARE 256

/* Keel's region has room for the stacks of POOL_CPUS. For more CPUs the pool gets extra pages. */
#define POOL_CPUS	   32
#define POOL_PAGES_PER_CPU 5

static u64 bank_pages(const struct mem_range *bank)
{
	return (ALIGN_DOWN(bank->end, SZ_4K) - ALIGN_UP(bank->base, SZ_4K)) / SZ_4K;
}

/* Bytes of the pointers to share counts, of all banks. The banks' bytes follow them in memory. */
static u64 ownership_counts_bytes(void)
{
	const struct mem_ranges *ram = &boot_info.memmap.ram;
	u64 bytes = 0;

	for (unsigned int i = 0; i < ram->count; i++)
		bytes += ownership_counts_size(bank_pages(&ram->range[i]) * SZ_4K);
	return bytes;
}

static u64 ownership_bytes(void)
{
	const struct mem_ranges *ram = &boot_info.memmap.ram;
	u64 bytes = ownership_counts_bytes();

	for (unsigned int i = 0; i < ram->count; i++)
		bytes += bank_pages(&ram->range[i]);
	return ALIGN_UP(bytes, SZ_4K);
}

static u64 extra_pool_bytes(void)
{
	unsigned int count = boot_info.cpus.count;

	return count > POOL_CPUS ? (count - POOL_CPUS) * POOL_PAGES_PER_CPU * SZ_4K : 0;
}

/*
 * Allocate memory for Keel beyond its region, below @end, with any contents. Return: NULL if there
 * is none.
 */
static void *find_memory(u64 size, u64 align, u64 end, const char *what)
{
	const struct el2_layout *l = el2_map_layout();
	u64 base;

	if (memmap_find(&boot_info.memmap, size, align, l->linear_start.v,
			MIN(l->linear_end.v, end), MEMMAP_LOWEST, &base))
		return NULL;
	add_keel_range(base, size);
	if (el2_map_linear(PA(base), size, EL2_RW))
		boot_stop("%s: out of pages to map it", what);
	return el2_pa_to_va(l, PA(base));
}

static void *take_memory(u64 size, u64 align, const char *what)
{
	void *memory = find_memory(size, align, ~0ULL, what);

	if (!memory)
		boot_stop("no %llu KiB of free memory for %s", size / SZ_1K, what);
	return memory;
}

/* Exclude memory that firmware reserved. After Keel's own memory has been claimed. */
static void fix_reserved(void)
{
	const struct mem_ranges *fixed = &boot_info.memmap.fixed;

	for (unsigned int i = 0; i < fixed->count; i++)
		ownership_fix_boot(fixed->range[i].base,
				   fixed->range[i].end - fixed->range[i].base);
}

static void init_ownership(void)
{
	static struct ownership_bank banks[OWNERSHIP_BANK_MAX];
	const struct mem_ranges *ram = &boot_info.memmap.ram;
	u64 size = ownership_bytes(), extra = extra_pool_bytes();
	u8 *memory = take_memory(size + extra, SZ_4K, "page ownership");
	u8 *state = memory + ownership_counts_bytes();
	int ret;

	if (extra && page_pool_add(&keel_pool, memory + size, extra / SZ_4K))
		panic("Keel's page pool cannot take the pages for more CPUs");
	if (ram->count > OWNERSHIP_BANK_MAX)
		boot_stop("more than %u banks of memory", OWNERSHIP_BANK_MAX);
	for (unsigned int i = 0; i < ram->count; i++) {
		banks[i] = (struct ownership_bank){
			.base = ALIGN_UP(ram->range[i].base, SZ_4K),
			.size = bank_pages(&ram->range[i]) * SZ_4K,
			.state = state,
			.counts = (void *)memory,
		};
		state += bank_pages(&ram->range[i]);
		memory += ownership_counts_size(banks[i].size);
	}
	ret = ownership_init(banks, ram->count);
	for (unsigned int i = 0; i < keel_range_count && !ret; i++)
		ret = ownership_claim_boot(PA(keel_ranges[i].base),
					   keel_ranges[i].end - keel_ranges[i].base);
	if (ret)
		boot_stop("page ownership cannot be initialized (error %d)", ret);
	fix_reserved();
	log_info("memory: %llu KiB of Keel's own, %llu KiB of page ownership for %llu MiB",
		 (KEEL_REGION_SIZE + extra) / SZ_1K, size / SZ_1K,
		 memmap_ram_size(&boot_info.memmap) / SZ_1M);
}

/* ---- the host ---- */

/* Without firmware an SMC is UNDEFINED at EL2, or goes to EL3, where nobody may answer. */
static void firmware_smc(void *ctx, struct smccc_regs *regs)
{
	(void)ctx;
	if (has_firmware)
		arch_smc(regs->x);
	else
		regs->x[0] = (u64)SMCCC_RET_NOT_SUPPORTED;
}

static bool host_owns(void *ctx, struct ipa ipa)
{
	(void)ctx;
	return ownership_is_ram(host_ipa_to_pa(ipa)) &&
	       ownership_host_may_reach(host_ipa_to_pa(ipa));
}

/* A party that maps nothing: sharing pages with it pins them; they stay the host's. */
static void pin_nothing(void *ctx, const struct page_move *move)
{
	(void)ctx;
	(void)move;
}

static int pin_prepare(void *ctx, const struct page_move *move)
{
	pin_nothing(ctx, move);
	return 0;
}

/* Pin pages with the host by sharing them: a shared page cannot be donated. Devices need no pin. */
static int keep_with_host(void *ctx, u64 base, u64 size)
{
	static const struct ownership_party_ops ops = { .prepare = pin_prepare,
							.map = pin_nothing,
							.unmap = pin_nothing };
	static const struct ownership_party firmware = { .ops = &ops };
	int ret = 0;

	(void)ctx;
	for (u64 pa = base; pa < base + size && !ret; pa += SZ_4K) {
		struct page_move move = { .ipa = IPA(pa), .pa = PA(pa), .size = SZ_4K };

		if (ownership_is_ram(PA(pa)))
			ret = ownership_share(&move, &firmware);
		else if (!ownership_host_may_reach(PA(pa)))
			ret = -EPERM;
	}
	return ret;
}

/* keel.smc: which of the host's SMCs reach firmware, besides those that are always passed on. */
static void init_smcs(void)
{
	static const struct optee_ops optee_ops = { .smc = firmware_smc, .keep = keep_with_host };
	const struct option_smc *allow = &boot_info.options.smc;
	const char *why;

	host_allow_smcs(allow);
	for (unsigned int i = 0; i < allow->count; i++)
		log_info("keel.smc: the host may call firmware with %#x to %#x",
			 allow->range[i].first, allow->range[i].last);
	if (!allow->optee)
		return;
	why = optee_init(&host_optee, &optee_ops, NULL);
	if (why)
		log_warn("keel.smc: no OP-TEE for the host: %s", why);
	else
		log_info("keel.smc: OP-TEE for the host, %llu KiB shared at %#lx",
			 host_optee.shm_size / SZ_1K, host_optee.shm_base);
}

static bool host_irqs_masked(void *ctx)
{
	(void)ctx;
	return read_sysreg(spsr_el2) & PSR_I;
}

static void host_starts(void *ctx)
{
	(void)ctx;
	host_gic_forget();
}

static void init_host(void)
{
	static const struct psci_ops psci_ops = { .smc = firmware_smc,
						  .host_owns = host_owns,
						  .irqs_masked = host_irqs_masked,
						  .host_starts = host_starts };
	struct mmu_caps caps;
	int ret;

	cpu_features_mmu_caps(&boot_info.features, &caps);
	ret = host_mem_init(&caps, &keel_pool);
	if (ret)
		boot_stop("no stage 2 for the host (error %d): %s", ret,
			  ret == -ENOMEM ? "out of pages for tables"
					 : "the CPU has no 4K granule at stage 2");
	cpu_features_require_mmu(&boot_info.features, caps.pa_bits);
	psci_init(&host_psci, &psci_ops, NULL, &boot_info.cpus,
		  el2_va_to_pa(el2_map_layout(), secondary_entry));
	init_smcs();
}

/* After init_ownership(). */
static void *take_gic_memory(u64 size, u64 end, struct pa *pa)
{
	void *memory = find_memory(size, SZ_64K, end, "the tables of an ITS");

	if (!memory)
		return NULL;
	*pa = el2_va_to_pa(el2_map_layout(), memory);
	if (ownership_claim_boot(*pa, size))
		panic("memory for the tables of an ITS cannot be claimed");
	return memory;
}

static struct fdt_redists machine_redists; /* as the device tree has them */

static int init_gic_parts(const struct fdt_redists *redists)
{
	struct fdt_itses itses;
	const struct host_gic_boot boot = {
		.redists = redists,
		.itses = &itses,
		.pool = &keel_pool,
		.fdt = load.fdt,
		.limit = MAX(memmap_ram_size(&boot_info.memmap) / GIC_MEMORY_SHARE, SZ_1M),
		.take = take_gic_memory,
	};
	int ret = host_fdt_itses(load.fdt, &itses);

	if (efi_handover)
		efi_handover->hardware = true;
	return ret ? ret : host_gic_init(&boot);
}

/* The parts of a GICv2 that are for VMs are not the host's. */
static void init_machine_gicv2(void)
{
	struct fdt_gicv2 v2;
	int ret;

	/* one that cannot be used, of which init_gicv2() warns: VMs get no GIC, and the host keeps it */
	if (host_fdt_gicv2(load.fdt, &v2))
		return;
	ret = gicv2_claim(&v2);
	if (ret)
		boot_stop("the GIC's interface for VMs cannot be kept from the host (error %d)",
			  ret);
}

/*
 * Take over the parts of the GIC that write memory by themselves. If that fails, nothing runs: the
 * host could write Keel's memory with them.
 */
static void init_machine_gic(void)
{
	int ret = host_fdt_redists(load.fdt, &machine_redists);

	if (ret == -ENOENT) {
		init_machine_gicv2();
		return;
	}
	if (!ret)
		ret = init_gic_parts(&machine_redists);
	if (ret)
		boot_stop("the GIC cannot be prevented from writing Keel's memory (error %d)", ret);
}

static void init_gicv2(void)
{
	struct fdt_gicv2 v2;
	int ret = host_fdt_gicv2(load.fdt, &v2);

	if (!ret)
		ret = gicv2_init(&v2, percpu_table, boot_info.cpus.count);
	if (ret && ret != -ENOENT)
		log_warn("the GICv2 cannot be used (error %d)", ret);
}

/* A CPU without a redistributor runs no vCPUs. If it is this one, VMs have no vGIC. */
static void init_redists(void)
{
	int ret = host_fdt_redists(load.fdt, &machine_redists);

	if (ret == -ENOENT) {
		init_gicv2();
		return;
	}
	if (!ret)
		ret = redist_init(&machine_redists, percpu_table, boot_info.cpus.count);
	if (ret)
		log_warn("not all redistributors of the GIC were found (error %d)", ret);
}

/* keel.stage2_granule, or else the page size of the host's kernel: its memory has such pages. */
static enum granule wanted_granule(void)
{
	static const enum granule of_kernel[] = {
		[IMAGE_PAGE_UNSPECIFIED] = GRANULE_4K,
		[IMAGE_PAGE_4K] = GRANULE_4K,
		[IMAGE_PAGE_16K] = GRANULE_16K,
		[IMAGE_PAGE_64K] = GRANULE_64K,
	};
	unsigned int shift = boot_info.options.stage2_page_shift;

	for (enum granule g = GRANULE_4K; g < GRANULE_COUNT; g++)
		if (granule_shift(g) == shift)
			return g;
	return of_kernel[load.page_size];
}

static int init_vms(void)
{
	enum granule granule = wanted_granule();
	int ret = vm_init(&boot_info.features, boot_info.cpus.count, granule, &keel_pool);

	if (ret != -EOPNOTSUPP)
		return ret;
	log_warn("stage 2 has no pages of %lluK here: guests' stage 2 has 4K",
		 granule_size(granule) / SZ_1K);
	return vm_init(&boot_info.features, boot_info.cpus.count, GRANULE_4K, &keel_pool);
}

/* Set up VMs. The order of the layers is the order in which their hooks are called (vm/run.h). */
static void init_guests(void)
{
	static struct vm_call_ops call_ops = {
		.vgic_version = vgic_version,
		.get_reg = one_reg_get,
		.set_reg = one_reg_set,
		.reg_list = one_reg_list,
		.vgic_prepare = vgic_prepare,
		.vgic_init = vgic_create,
		.vgic_place = vgic_place,
		.vgic_reset = vgic_reset,
		.irq_line = vgic_irq_line,
		.vgic_lpis = vgic_enable_lpis,
		.lpi_pend = vgic_lpi_pend,
		.lpi_take = vgic_lpi_take,
		.vgic_reg = vgic_host_reg,
		.spe = spe_vcpu_control,
		.spe_stats = spe_vcpu_stats,
		.events = error_events,
	};
	struct cpu_id_regs ids;
	int ret;

	cpu_features_freeze(&boot_info.features);
	ret = init_vms();
	if (!ret) {
		vm_table_grow();
		ret = switch_init(&keel_pool, boot_info.cpus.count);
	}
	if (ret)
		boot_stop("virtual machines cannot be set up (error %d)", ret);
	trap_init(&boot_info.features);
	init_redists();
	vgic_init();
	if (vgic_is_v2()) { /* which has no LPIs */
		call_ops.vgic_lpis = NULL;
		call_ops.lpi_pend = NULL;
		call_ops.lpi_take = NULL;
	}
	if (efi_handover && efi_handover->acpi)
		host_timer_init();
	timer_init();
	nested_init(boot_info.options.nested, &boot_info.features);
	spe_provider_init(boot_info.options.spe);
	vm_set_created(timer_vm_init);
	vm_calls_init(&call_ops);
	s2_contexts_cpu_online();
	if (!switch_cpu_online())
		panic("the first CPU lacks SVE vector lengths");
	cpu_read_id_regs(&ids);
	trap_cpu_online(&ids);
}

static void load_host(void)
{
	const char *why;

	/* ACPI's tables tell the host what it must know (efi/acpi.h). */
	if (efi_handover && !efi_handover->tree_size)
		return;
	if (boot_info.beyond.end)
		keel_ranges[keel_range_count++] = boot_info.beyond;
	load.keel = keel_ranges;
	load.keel_count = keel_range_count;
	load.version = KEEL_VERSION;
	if (efi_handover ? host_load_tree(&load, &why) : host_load(&load, &why))
		boot_stop("%s", why);
	if (efi_handover)
		return;
	log_info("host: kernel at %#lx%s, initrd at %#lx, device tree at %#lx", load.layout.kernel,
		 load.layout.kernel == load.layout.kernel_from ? " (in place)" : "",
		 load.layout.initrd, load.layout.fdt);
}

/* Firmware goes on, at EL2, until the operating system ends boot services. */
static void __noreturn wait_for_host(void)
{
	u64 end = 0;

	for (unsigned int i = 0; i < keel_range_count; i++)
		if (keel_ranges[i].base != boot_info.beyond.base)
			end = MAX(end, keel_ranges[i].end);
	log_info("ready for the system that UEFI boots");
	efi_boot_ready(end);
}

static void __noreturn enter_host(void)
{
	const u64 args[4] = { load.layout.fdt };

	el2_unmap_private(load.fdt, boot_info.fdt_size);
	if (efi_handover)
		wait_for_host();
	host_mem_check();
	smp_host_ready();
	host_cpu_init(host_mem_vtcr(), host_mem_vttbr());
	log_info("starting the host, %lu counts of the %lu Hz counter after Keel's first "
		 "instruction",
		 read_sysreg(cntpct_el0) - boot_info.entry_count, read_sysreg(cntfrq_el0));
	/* The host may turn the UART's clock off, and then an access to it hangs or aborts. */
	if (boot_info.options.console == OPTION_CONSOLE_BOOT)
		log_console_off();
	host_enter(load.layout.kernel, PSR_MODE_EL1h | PSR_DAIF, args, this_cpu()->stack_top);
}

/* On the boot CPU's own stack: the early stack goes to the pool. */
static void __noreturn boot_on_stack(void)
{
	if (page_pool_add(&keel_pool,
			  el2_pa_to_va(el2_map_layout(),
				       PA(boot_info.image.v + EARLY_STACK_TOP - STACK_SIZE)),
			  (KEEL_REGION_SIZE - EARLY_STACK_TOP + STACK_SIZE) / SZ_4K))
		panic("Keel's page pool cannot take the early stack");
	efi_boot_check();
	smp_probe();
	print_cpus();
	init_machine_gic();
	init_host();
	if (host_gic_start())
		boot_stop("the GIC uses memory that is Keel's");
	init_guests();
	load_host();
	selftest_boot(boot_info.options.selftest);
	enter_host();
}

void __noreturn boot_main(void)
{
	const char *why = NULL;

	efi_boot_runtime();
	init_pool();
	init_log();
	print_banner();
	map_fdt();
	load.map = &boot_info.memmap;
	load.fdt_range =
		(struct mem_range){ boot_info.fdt.v, boot_info.fdt.v + boot_info.fdt_size };
	add_keel_range(boot_info.image.v, efi_boot_region_size());
	reserve_memory(boot_info.fdt.v, boot_info.fdt_size);
	find_cpus();
	if (efi_handover)
		host_load_tree_place(&load, efi_handover->tree, efi_handover->tree_size);
	else if (host_load_place(&load, &why))
		boot_stop("%s", why);
	init_ownership();
	if (smp_init())
		boot_stop("no memory for the stacks of %u CPUs", boot_info.cpus.count);
	call_on_stack(boot_on_stack, this_cpu()->stack_top);
}
