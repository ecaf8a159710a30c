// SPDX-License-Identifier: BSD-2-Clause
/*
 * The first C code: MMU off, running at the image's physical address, one CPU, no locks. It finds
 * the console, reads Keel's options, lays out the EL2 address space and builds its tables. Then
 * head.S turns the MMU on, and boot_main() continues at runtime addresses.
 *
 * All memory is Device memory here: no unaligned accesses, no exclusives. Pointers that are stored
 * are physical addresses; they are written again after the MMU is on.
 */
#include <arch/barrier.h>
#include <arch/id_regs.h>
#include <arch/reg_bits.h>
#include <arch/sysreg.h>
#include <boot/boot.h>
#include <boot/boot_info.h>
#include <boot/efi_boot.h>
#include <boot/panic.h>
#include <cpu/features.h>
#include <cpu/log.h>
#include <cpu/pl011.h>
#include <mm/el2_map.h>

#include <host/host_fdt.h>
#include <libfdt.h>

struct boot_info boot_info;
static struct pl011 early_uart;
static struct log_sink early_sink;

static void early_write(void *ctx, const char *s, size_t n)
{
	pl011_write(ctx, s, n);
}

static void early_console(const void *fdt)
{
	if (host_fdt_console(fdt, &boot_info.console))
		return;
	boot_info.has_console = true;
	pl011_init(&early_uart, (void *)boot_info.console.base);
	early_sink.write = early_write;
	early_sink.ctx = &early_uart;
	log_add_sink(&early_sink);
}

static void early_fdt(u64 dtb)
{
	const void *fdt = (const void *)dtb;
	const char *why;

	/* Without a valid device tree there is no console for a message. UEFI's has been checked. */
	if (!IS_ALIGNED(dtb, 8) || host_fdt_check(fdt, HOST_FDT_SPACE, &why))
		for (;;)
			wfi();
	boot_info.fdt = PA(dtb);
	boot_info.fdt_size = fdt_totalsize(fdt);
}

static void warn_option(void *ctx, const char *why, const char *word, size_t len)
{
	(void)ctx;
	log_warn("option %.*s: %s", (int)len, word, why);
}

/* Whoever writes to the EFI system partition can write keel.cfg; Secure Boot is there to keep him out. */
static void restrict_options(struct options *options)
{
	if (!efi_handover || !efi_handover->secure || !(options->smc.count || options->smc.optee))
		return;
	log_warn("keel.smc is ignored: Secure Boot is on, and the option has no signature");
	options->smc.count = 0;
	options->smc.optee = false;
}

static void early_options(void)
{
	static const enum log_level levels[] = {
		[OPTION_LOG_ERR] = LOG_ERR,
		[OPTION_LOG_WARN] = LOG_WARN,
		[OPTION_LOG_INFO] = LOG_INFO,
		[OPTION_LOG_DEBUG] = LOG_DEBUG,
	};
	const char *args = efi_handover ? efi_handover->options
					: host_fdt_bootargs((const void *)boot_info.fdt.v);

	options_parse(args, &boot_info.options, warn_option, NULL);
	restrict_options(&boot_info.options);
	log_set_level(levels[boot_info.options.loglevel]);
}

/*
 * Choose HCR_EL2.E2H. On some CPUs it is fixed at 1 (no FEAT_E2H0), without FEAT_VHE at 0. If both
 * work, 0 is the default, since the host then needs no redirected registers.
 */
static bool choose_e2h(void)
{
	bool want = boot_info.options.e2h == OPTION_E2H_1;
	bool got;

	write_sysreg(HCR_RW | (want ? HCR_E2H : 0), hcr_el2);
	isb();
	got = (read_sysreg(hcr_el2) & HCR_E2H) != 0;
	if (got && !cpu_has(&boot_info.features, FEAT_VHE))
		got = false; /* the bit is RES0, which may read back as written */
	write_sysreg(HCR_RW | (got ? HCR_E2H : 0), hcr_el2);
	isb();
	if (got != want && boot_info.options.e2h != OPTION_E2H_AUTO)
		log_warn("option keel.e2h: this CPU has E2H=%d only", got);
	return got;
}

static void early_layout(struct el2_layout *layout)
{
	struct mem_ranges *ram = &boot_info.memmap.ram;
	struct mmu_caps caps;
	struct el2_layout_in in = {
		.trampoline = PA((u64)_idmap_start),
		.va_bits = boot_info.options.va_bits,
		.image = boot_info.image,
		.image_size = efi_boot_region_size(),
		.ram_start = PA(ram->range[0].base),
		.ram_end = PA(ram->range[ram->count - 1].end),
		.caps = &caps,
	};
	int ret;

	cpu_features_mmu_caps(&boot_info.features, &caps);
	in.e2h = choose_e2h();
	ret = el2_layout(layout, &in);
	if (ret && in.va_bits != EL2_VA_BITS_DEFAULT) {
		log_warn("option keel.va_bits: %u does not work on this machine, using %u",
			 in.va_bits, EL2_VA_BITS_DEFAULT);
		in.va_bits = EL2_VA_BITS_DEFAULT;
		ret = el2_layout(layout, &in);
	}
	if (ret)
		boot_stop(
			"no EL2 address space for an image at %#lx (error %d): is the image in the "
			"device tree's memory?",
			boot_info.image.v, ret);
	boot_info.va_bits = in.va_bits;
	boot_info.e2h = in.e2h;
}

/* Map the image, each part with its own permissions, and the pages behind it. */
static int early_map_image(void)
{
	const struct {
		const char *start, *end;
		enum el2_prot prot;
	} parts[] = {
		{ _text, _etext, EL2_RX },
		{ _etext, _erodata, EL2_R },
		{ _erodata, _text + efi_boot_region_size(), EL2_RW },
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && !ret; i++)
		ret = el2_map_linear(PA((u64)parts[i].start), (u64)(parts[i].end - parts[i].start),
				     parts[i].prot);
	return ret ? ret : el2_map_identity(PA((u64)_idmap_start), SZ_4K, EL2_RX);
}

static void early_tables(const struct el2_layout *layout)
{
	struct pa pages = PA((u64)_end);
	struct pa end = PA(boot_info.image.v + EARLY_STACK_TOP - STACK_SIZE);
	int ret = el2_map_early_init(layout, pages, end);

	if (!ret)
		ret = early_map_image();
	if (ret)
		boot_stop("cannot build EL2's page tables (error %d)", ret);
}

static struct boot_regs *early_regs(const struct el2_layout *layout)
{
	boot_regs = (struct boot_regs){
		.hcr = HCR_RW | (boot_info.e2h ? HCR_E2H : 0),
		.mair = MAIR_EL2_VALUE,
		.tcr = layout->tcr,
		.ttbr0 = el2_map_ttbr0(),
		.ttbr1 = el2_map_ttbr1(),
		.sctlr = SCTLR_EL2_RES1 | SCTLR_M | SCTLR_C | SCTLR_I | SCTLR_SA | SCTLR_WXN,
		.vbar = (u64)vectors + layout->linear_offset,
		.offset = layout->linear_offset,
	};
	return &boot_regs;
}

static void __noreturn wrong_el(u64 current_el)
{
	boot_stop("entered at EL%lu, but Keel needs EL2: boot it where a hypervisor can start "
		  "(for QEMU: -machine virt,virtualization=on)",
		  current_el >> 2);
}

/* Tables and stacks are about to be written to the region that the loader was told to keep free. */
static void check_fdt_place(u64 image)
{
	u64 fdt = boot_info.fdt.v;

	if (fdt < image + KEEL_REGION_SIZE && fdt + boot_info.fdt_size > image)
		boot_stop("the device tree at %#lx overlaps Keel's 2 MiB at %#lx", fdt, image);
}

/* keel.pa_bits: treat the machine as one with fewer address bits, and ignore RAM beyond them. */
static void limit_pa_bits(void)
{
	struct mem_ranges *ram = &boot_info.memmap.ram;
	u64 end = ram->range[ram->count - 1].end;
	unsigned int bits;

	if (!boot_info.options.pa_bits)
		return;
	bits = cpu_features_limit_pa(&boot_info.features, boot_info.options.pa_bits);
	if (end <= BIT(bits))
		return;
	/* Firmware and the system have it in their memory map, and stacks and tables there. */
	if (efi_handover)
		boot_stop("keel.pa_bits: UEFI has memory beyond %u bits", bits);
	boot_info.beyond = (struct mem_range){ BIT(bits), end };
	if (mem_ranges_remove(ram, BIT(bits), end - BIT(bits)) || !ram->count)
		boot_stop("no memory below the %u bits of keel.pa_bits", bits);
}

static void early_memmap(const void *fdt)
{
	const struct mem_range at = { boot_info.fdt.v, boot_info.fdt.v + boot_info.fdt_size };
	const char *why;

	if (efi_handover)
		boot_info.memmap = efi_handover->map;
	else if (memmap_from_fdt(&boot_info.memmap, fdt, at, &why))
		boot_stop("%s", why);
}

struct boot_regs *early_main(u64 dtb, u64 image, u64 current_el, u64 entry_count, u64 efi)
{
	static struct el2_layout layout;
	struct cpu_id_regs ids;

	boot_info.image = PA(image);
	boot_info.entry_count = entry_count;
	efi_boot_early(efi);
	if (log_init(boot_info.log_ring, sizeof(boot_info.log_ring)))
		log_reset_sinks();
	early_fdt(dtb);
	early_console((const void *)dtb);
	if (current_el != CURRENTEL_EL2)
		wrong_el(current_el);
	check_fdt_place(image);
	early_options();
	if (!IS_ALIGNED(image, SZ_2M))
		boot_stop("loaded at %#lx, which is not a multiple of 2 MiB", image);
	early_memmap((const void *)dtb);
	read_id_regs(&ids);
	cpu_features_init(&boot_info.features, &ids);
	limit_pa_bits();
	early_layout(&layout);
	early_tables(&layout);
	return early_regs(&layout);
}
