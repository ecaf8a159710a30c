// SPDX-License-Identifier: BSD-2-Clause
/*
 * Both sides of the door between firmware's EL2 and Keel's. efi_main() runs in the image that
 * firmware loaded, everything else in Keel's copy. efi.S has the door itself.
 */
#include <arch/barrier.h>
#include <arch/cache.h>
#include <arch/el1.h>
#include <arch/percpu.h>
#include <arch/sysreg.h>
#include <arch/tlb.h>
#include <boot/boot.h>
#include <boot/boot_info.h>
#include <boot/efi_boot.h>
#include <boot/panic.h>
#include <boot/smp.h>
#include <cpu/log.h>
#include <cpu/panic.h>
#include <efi/efi_app.h>
#include <efi/efi_regime.h>
#include <host/host_cpu.h>
#include <host/host_mem.h>
#include <lib/printf.h>
#include <mm/el2_map.h>
#include <mm/ownership.h>

#define CPACR_EL1_FPEN (3ULL << 20)

/* efi.S */
extern char efi_primary_entry[], efi_resume[], efi_el1_entry[];
u64 efi_enter(u64 entry, u64 arg, struct efi_el2_state *state);
void __noreturn efi_leave(u64 result, u64 resume, u64 state);
efi_status efi_main(efi_handle image, struct efi_system_table *system);

struct efi_handover *efi_handover;

/* ---- in the application ---- */

static void clean_range(const void *start, u64 size)
{
	dcache_clean_inval_poc(start, size);
	icache_inval_all();
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
	static struct efi_platform platform;

	platform = (struct efi_platform){
		.version = KEEL_VERSION,
		.current_el = read_sysreg(CurrentEL) >> 2,
		.image = _text,
		.image_size = (u64)_edata - (u64)_text,
		.region_size = KEEL_REGION_SIZE,
		.first_entry = (u64)efi_primary_entry - (u64)_text,
		.resume = (u64)efi_resume,
		.el1_entry = (u64)efi_el1_entry,
		.enter = efi_enter,
		.clean = clean_range,
	};
	return efi_app(image, system, &platform);
}

/* ---- in Keel, before there is a host ---- */

void efi_boot_early(u64 handover)
{
	efi_handover = (struct efi_handover *)handover;
}

/* The handover lies behind Keel's region, and is mapped like it. */
void efi_boot_runtime(void)
{
	if (efi_handover)
		efi_handover = el2_pa_to_va(el2_map_layout(), PA((u64)efi_handover));
}

u64 efi_boot_region_size(void)
{
	return KEEL_REGION_SIZE + (efi_handover ? efi_handover->size : 0);
}

static void __noreturn leave_to_firmware(u64 result)
{
	struct efi_handover *h = efi_handover;
	u64 state = boot_info.image.v + KEEL_REGION_SIZE +
		    __builtin_offsetof(struct efi_handover, state);

	efi_leave(result, h->resume, state);
}

static u64 *open_table(void *ctx, u64 pa)
{
	(void)ctx;
	if (!ownership_is_ram(PA(pa)) || !ownership_host_may_reach(PA(pa)))
		return NULL;
	return el2_window_map(PA(pa), EL2_RW);
}

/* Firmware's table walks may go past the caches (TCR_EL2.IRGN0, ORGN0). */
static void close_table(void *ctx, u64 *table)
{
	(void)ctx;
	dcache_clean_poc(table, SZ_4K);
	el2_window_unmap();
}

static const struct efi_table_ops table_ops = { .open = open_table, .close = close_table };

/* Return: NULL; or why firmware's address space cannot be EL1's. */
static const char *check_regime(const struct efi_el2_state *state, struct efi_el1_regime *regime)
{
	const char *why = efi_regime_read(state, regime);

	return why ? why : efi_tables_check(regime, &table_ops, NULL);
}

void efi_boot_check(void)
{
	struct efi_el1_regime regime;
	const char *why = efi_handover ? check_regime(&efi_handover->state, &regime) : NULL;

	if (why)
		boot_stop("%s", why);
}

void __noreturn efi_boot_ready(u64 end)
{
	/* Another CPU, in its probe. Each exit of the host's would find that, and stop its CPU. */
	if (panic_in_progress())
		boot_stop("Keel panicked");
	efi_handover->take_entry = el2_va_to_pa(el2_map_layout(), secondary_entry).v;
	efi_handover->end = end;
	leave_to_firmware(EFI_KEEL_READY);
}

void efi_boot_abandon(const char *why)
{
	const struct percpu *cpu;

	/* Without it Keel may be at EL1, and this_cpu() an undefined instruction. */
	if (!efi_handover)
		return;
	cpu = this_cpu();
	if (cpu && cpu->id)
		return;
	kl_snprintf(efi_handover->why, sizeof(efi_handover->why), "%s",
		    why ? why : "Keel panicked");
	leave_to_firmware(EFI_KEEL_FAILED);
}

/* ---- taking EL2 ---- */

/* While boot services run, for the application to say it. Nothing has changed. */
static void __noreturn answer_trial(const char *why)
{
	kl_snprintf(efi_handover->why, sizeof(efi_handover->why), "%s", why ? why : "");
	leave_to_firmware(why ? EFI_KEEL_FAILED : EFI_KEEL_READY);
}

/* Nothing has changed if firmware has now what it had not before, and what cannot be EL1's. */
static void convert_regime(const struct efi_handover *h, struct efi_el1_regime *regime)
{
	const char *why = panic_in_progress() ? "Keel panicked" : check_regime(&h->state, regime);

	if (h->trial)
		answer_trial(why);
	if (why) {
		log_err("%s: the system boots without Keel", why);
		leave_to_firmware(EFI_KEEL_FAILED);
	}
	efi_tables_convert(regime, &table_ops, NULL);
}

static void write_el1_regime(const struct efi_el2_state *state, const struct efi_el1_regime *regime)
{
	write_el1_mair(regime->mair);
	write_el1_amair(0);
	write_el1_tcr(regime->tcr);
	write_el1_ttbr0(regime->ttbr0);
	write_el1_ttbr1(regime->ttbr1);
	write_el1_vbar(state->vbar);
	write_el1_cpacr(CPACR_EL1_FPEN);
	write_el1_contextidr(0);
	/* UNKNOWN after reset: with PSTATE.D clear, which is as firmware has it, it could single-step */
	write_sysreg(0, mdscr_el1);
	write_sysreg(state->tpidr, tpidr_el1);
	write_sysreg(state->sp_el2, sp_el1);
	isb();
	write_el1_sctlr(regime->sctlr);
	isb();
	tlbi_alle1();
	dsb(nsh);
	isb();
}

/* What firmware keeps for itself, as its last memory map says. */
static void fix_final_reserved(const struct mem_ranges *fixed)
{
	for (unsigned int i = 0; i < fixed->count && i < MEMMAP_MAX_RANGES; i++)
		ownership_fix_boot(fixed->range[i].base,
				   fixed->range[i].end - fixed->range[i].base);
}

void __noreturn efi_boot_take(void)
{
	const struct efi_handover *h = efi_handover;
	u64 args[4] = { h->state.sp };
	u64 mode = h->state.spsel ? PSR_MODE_EL1h : PSR_MODE_EL1t;
	struct efi_el1_regime regime;

	convert_regime(h, &regime);
	fix_final_reserved(&h->map.fixed);
	efi_handover = NULL;
	host_mem_check();
	smp_host_ready();
	host_cpu_init(host_mem_vtcr(), host_mem_vttbr());
	write_el1_regime(&h->state, &regime);
	log_info("boot services have ended: the system goes on at EL1");
	if (boot_info.options.console == OPTION_CONSOLE_BOOT)
		log_console_off();
	host_enter(h->el1_entry, mode | (h->state.daif & PSR_DAIF), args, this_cpu()->stack_top);
}
