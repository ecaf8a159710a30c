// SPDX-License-Identifier: BSD-2-Clause
/*
 * Panics, and exceptions from EL2 itself. A report has registers, the syndrome in words and a
 * backtrace with names (docs/console.md shows one). Not in the portable core: it reads the frame
 * pointer and stops the CPU.
 *
 *      vectors.S ─> exception_at_el2() ─┬─ a row of the exception table: continue at its fix-up
 *                                       ├─ an SError of the host's: pass it on
 *                                       └─ panic_exception() ──┐
 *      panic() ────────────────────────────────────────────────┴─> panic_begin() ... end_turn()
 *
 * A report takes no lock, since the CPU may hold any. So that lines of several CPUs do not mix,
 * each CPU takes a ticket, and waits until those before it have been served, ten seconds at most.
 * The first ticket belongs to the CPU that panics. It also makes the others stop: it makes the
 * host's stage 2 empty and interrupts the other CPUs, so each comes to EL2 soon, finds
 * panic_in_progress(), and calls panic_stop_cpu(), which prints one line. A CPU that finds
 * something wrong at EL2 meanwhile prints one line, too: it may be what the first left half done.
 *
 * A panic in a CPU's own report ends the report. A stack overflow is recognized by the vectors,
 * which then put the frame on the emergency stack.
 */
#include <stdarg.h>

#include <arch/barrier.h>
#include <arch/gicr.h>
#include <arch/percpu.h>
#include <arch/spinlock.h>
#include <arch/sysreg.h>
#include <boot/efi_boot.h>
#include <boot/panic.h>
#include <cpu/log.h>
#include <cpu/percpu.h>
#include <host/host_mem.h>
#include <host/own_fault.h>
#include <lib/esr.h>
#include <lib/ksyms.h>
#include <lib/printf.h>
#include <lib/unwind.h>
#include <vgic/vgic.h>
#include <vm/switch.h>

#define BACKTRACE_MAX 32

/* The numbers that vectors.S gives */
#define VECTOR_SYNC_EL2H   4
#define VECTOR_SERROR_EL2H 7
#define VECTOR_SERROR_HOST 11

u32 panic_begun;

static const char *const vector_names[16] = {
	"synchronous, SP_EL0",	 "IRQ, SP_EL0",	  "FIQ, SP_EL0",   "SError, SP_EL0",
	"synchronous",		 "IRQ",		  "FIQ",	   "SError",
	"synchronous, lower EL", "IRQ, lower EL", "FIQ, lower EL", "SError, lower EL",
	"synchronous, AArch32",	 "IRQ, AArch32",  "FIQ, AArch32",  "SError, AArch32",
};

static void __noreturn stop_cpu(void)
{
	efi_boot_abandon(NULL);
	for (;;)
		wfi();
}

/* ---- stopping all CPUs, one report at a time ---- */

/* A CPU takes a ticket to print, and waits until those before it have been served. */
static u32 tickets, served;

/* Longer than any report takes on a slow UART, so that one that hangs does not silence others. */
#define TURN_SECONDS 10

static void wait_turn(u32 ticket)
{
	u64 end = read_sysreg(cntpct_el0) + TURN_SECONDS * read_sysreg(cntfrq_el0);

	while (__atomic_load_n(&served, __ATOMIC_ACQUIRE) < ticket && read_sysreg(cntpct_el0) < end)
		cpu_relax();
}

static void __noreturn end_turn(void)
{
	__atomic_fetch_add(&served, 1, __ATOMIC_RELEASE);
	stop_cpu();
}

/*
 * Interrupt the other CPUs, so that those that sleep or run a guest come to EL2. Needs GICv3: the
 * registers of a GICv2 are this CPU's own.
 */
static void interrupt_others(void)
{
	for (unsigned int i = 0; i < KEEL_MAX_CPUS && percpu_table[i]; i++) {
		if (percpu_table[i]->gicr == this_cpu()->gicr || !percpu_table[i]->gicr)
			continue;
		gicr_force(percpu_table[i]->gicr, VGIC_PPI_MAINTENANCE);
	}
}

/* What enter.S looks at in place of panic_in_progress(), because it is beside the vCPU. */
static void tell_guest_exits(void)
{
	for (unsigned int i = 0; i < KEEL_MAX_CPUS && percpu_table[i]; i++)
		__atomic_store_n(&percpu_table[i]->stop, true, __ATOMIC_RELEASE);
}

/*
 * No CPU may continue with state that this one has left half changed. After host_mem_stop() a CPU
 * in the host comes to EL2 with its next access, and finds panic_in_progress(), as does one that an
 * interrupt takes out of a guest. A CPU that waits for a lock at EL2 waits permanently.
 */
static void stop_others(void)
{
	tell_guest_exits();
	host_mem_stop();
	interrupt_others();
}

/* The bounds of the stack that @sp is on: the main or emergency part of its slot. */
static void stack_bounds(u64 sp, u64 *lo, u64 *hi)
{
	u64 slot = ALIGN_DOWN(sp, (u64)STACK_SLOT_SIZE);

	if (sp & BIT(STACK_OK_BIT)) {
		*lo = slot + STACK_BASE;
		*hi = slot + STACK_BASE + STACK_SIZE;
	} else {
		*lo = slot + STACK_EMERGENCY_BASE;
		*hi = slot + STACK_EMERGENCY_BASE + STACK_EMERGENCY_SIZE;
	}
}

static void print_location(const char *what, u64 pc, u64 lookup)
{
	struct ksyms syms = ksyms_image();
	u64 text = (u64)_text;
	const char *name = NULL;
	u64 into = 0;

	if (lookup >= text && lookup < (u64)_etext)
		name = ksyms_lookup(&syms, lookup - text, &into);
	if (name)
		log_err("%s %016lx  %s+0x%lx", what, pc, name, into + (pc - lookup));
	else
		log_err("%s %016lx  (image+0x%lx)", what, pc, pc - text);
}

static void print_repeats(unsigned int repeats)
{
	if (repeats)
		log_err("  ... %u times more", repeats);
}

/* Print the callers from @frame on. Equal ones in a row (recursion) take two lines. */
static void print_callers(struct unwind_frame frame, u64 lo, u64 hi)
{
	u64 previous = 0;
	unsigned int lines = 0, repeats = 0;

	while (lines < BACKTRACE_MAX && unwind_step(&frame, lo, hi)) {
		if (frame.pc == previous) {
			repeats++;
			continue;
		}
		print_repeats(repeats);
		repeats = 0;
		lines++;
		previous = frame.pc;
		print_location("  from", frame.pc, frame.pc - 4);
	}
	print_repeats(repeats);
}

static void print_registers(const struct panic_frame *frame)
{
	for (unsigned int i = 0; i < 30; i += 3)
		log_err("x%-2u %016lx  x%-2u %016lx  x%-2u %016lx", i, frame->x[i], i + 1,
			frame->x[i + 1], i + 2, frame->x[i + 2]);
	log_err("x30 %016lx  sp  %016lx  pc  %016lx", frame->x[30], frame->sp, frame->elr);
	log_err("spsr %016lx  esr %016lx  far %016lx", frame->spsr, frame->esr, frame->far);
}

enum turn {
	TURN_FIRST, /* no other CPU has panicked */
	TURN_LATER,
	TURN_OWN, /* in the report of its own panic */
};

static enum turn panic_begin(void)
{
	struct percpu *cpu = this_cpu();
	u32 ticket;

	WRITE_ONCE(panic_begun, true);
	log_panic_enter();
	if (!cpu) /* early boot: there is only this CPU */
		return TURN_FIRST;
	if (cpu->panicking)
		return TURN_OWN;
	cpu->panicking = true;
	ticket = __atomic_fetch_add(&tickets, 1, __ATOMIC_ACQ_REL);
	if (!ticket)
		stop_others();
	wait_turn(ticket);
	return ticket ? TURN_LATER : TURN_FIRST;
}

static void panic_headline(const char *why)
{
	struct percpu *cpu = this_cpu();

	log_err("panic on CPU %u: %s", cpu ? cpu->id : 0, why);
}

void __noreturn panic_stop_cpu(void)
{
	const struct percpu *cpu = this_cpu();

	wait_turn(__atomic_fetch_add(&tickets, 1, __ATOMIC_ACQ_REL));
	log_err("CPU %u stopped: another CPU panicked; it ran %s at %016lx", cpu->id,
		cpu->vcpu ? "a guest" : "the host", read_sysreg(elr_el2));
	end_turn();
}

/*
 * A failed check while another CPU panics is not reported as a panic of its own: its cause may be
 * state that the other CPU left half changed, or what stop_others() did to the host's stage 2.
 */
static void __noreturn panic_found(const char *what)
{
	log_err("CPU %u stopped: another CPU panicked; at EL2 it found: %s", this_cpu()->id, what);
	end_turn();
}

static void __noreturn panic_exception(const struct panic_frame *frame)
{
	char text[ESR_DESCRIBE_MAX];
	/* The vectors put the frame on the emergency stack when it did not fit below sp. */
	bool overflow = !((u64)frame & BIT(STACK_OK_BIT));
	u64 lo, hi;

	if (panic_begin() == TURN_OWN)
		end_turn(); /* a panic in this CPU's own report: the next CPU's turn */
	panic_headline(overflow ? "stack overflow" : "exception at EL2");
	esr_describe(text, sizeof(text), frame->esr);
	log_err("%s: %s", vector_names[frame->vector & 15], text);
	print_registers(frame);
	/* After an overflow, the frame records are above sp, in the mapped part of the stack. */
	stack_bounds(overflow ? ALIGN_DOWN(frame->sp, (u64)STACK_SLOT_SIZE) | STACK_BASE
			      : frame->sp,
		     &lo, &hi);
	log_err("backtrace:");
	print_location("  at  ", frame->elr, frame->elr);
	print_callers((struct unwind_frame){ .fp = frame->x[29] }, lo, hi);
	log_err("stopped");
	end_turn();
}

/* Whether the exception table has a row for the exception. Never for a stack overflow. */
static bool mend_own_fault(struct panic_frame *frame)
{
	size_t rows = ((u64)_extable_end - (u64)_extable_start) / sizeof(struct extable_row);

	if (frame->vector != VECTOR_SYNC_EL2H && frame->vector != VECTOR_SERROR_EL2H)
		return false;
	return ((u64)frame & BIT(STACK_OK_BIT)) &&
	       own_fault_mend(_extable_start, rows, frame->esr, frame->far, &frame->elr);
}

void exception_at_el2(struct panic_frame *frame)
{
	if (frame->vector == VECTOR_SERROR_HOST)
		switch_host_serror(frame->esr);
	else if (!mend_own_fault(frame))
		panic_exception(frame);
}

void __noreturn panic(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	struct panic_frame frame = { 0 };
	enum turn turn = panic_begin();
	u64 lo, hi;
	va_list ap;

	if (turn == TURN_OWN)
		end_turn();
	va_start(ap, fmt);
	kl_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (turn == TURN_LATER)
		panic_found(text);
	panic_headline(text);
	/* The registers of panic()'s caller: the callee-saved ones only, the others are lost. */
	__asm__ volatile("stp x19, x20, [%0, #152]\n"
			 "stp x21, x22, [%0, #168]\n"
			 "stp x23, x24, [%0, #184]\n"
			 "stp x25, x26, [%0, #200]\n"
			 "stp x27, x28, [%0, #216]\n"
			 :
			 : "r"(&frame)
			 : "memory");
	frame.x[29] = (u64)__builtin_frame_address(0);
	frame.sp = frame.x[29];
	frame.elr = (u64)__builtin_return_address(0);
	frame.x[30] = frame.elr;
	frame.spsr = read_sysreg(spsr_el2);
	frame.esr = read_sysreg(esr_el2);
	frame.far = read_sysreg(far_el2);
	print_registers(&frame);
	stack_bounds(frame.sp, &lo, &hi);
	log_err("backtrace:");
	print_callers((struct unwind_frame){ .fp = frame.x[29] }, lo, hi);
	log_err("stopped");
	end_turn();
}

void __noreturn boot_stop(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	kl_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	efi_boot_abandon(text);
	log_err("%s", text);
	stop_cpu();
}
