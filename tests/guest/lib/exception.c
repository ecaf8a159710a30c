// SPDX-License-Identifier: BSD-2-Clause
/* Exceptions: expected ones are noted and stepped over, interrupts go to the payload. */
#include "guest.h"

/* Vectors, by their number (D1.3.1) */
enum { SYNC = 0, IRQ = 1, FIQ = 2, CURRENT_SPX = 4, LOWER_64 = 8 };

#define MDSCR_SS BIT(0)
#define SPSR_SS	 BIT(21)
#define SPSR_IL	 BIT(20)
#define EL0_CODE (WINDOW + WINDOW_SIZE - 2 * PAGE) /* two pages: the function may cross */

struct cpu cpus[MAX_CPUS];
void (*irq_handler)(struct frame *frame, bool fiq);
u64 el0_x0;

void handle_exception(u64 vector, struct frame *frame);

static void note(struct cpu *cpu, const struct frame *frame)
{
	cpu->far = read_sysreg(far_el1);
	cpu->elr = frame->elr;
	cpu->spsr = frame->spsr;
	write_once(cpu->esr, read_sysreg(esr_el1));
}

static void unexpected(u64 vector, const struct frame *frame)
{
	print("unexpected exception: vector %u esr 0x%x elr 0x%x", vector, read_sysreg(esr_el1),
	      frame->elr);
	print(" far 0x%x spsr 0x%x x30 0x%x\n", read_sysreg(far_el1), frame->spsr, frame->x[30]);
	die("unexpected exception");
}

/* A fetch that fails cannot be stepped over: as if the call had returned. */
static void skip(struct frame *frame, u64 ec)
{
	if (ec == EC_IABT || ec == EC_PC_ALIGN)
		frame->elr = frame->x[30];
	else if (ec != EC_SVC64 && ec != EC_HVC64)
		frame->elr += 4;
	frame->spsr &= ~SPSR_IL;
}

static void handle_sync(u64 vector, struct frame *frame)
{
	struct cpu *cpu = this_cpu();
	u64 ec = ec_of(read_sysreg(esr_el1));

	if (ec == EC_STEP && cpu->step) {
		note(cpu, frame);
		write_sysreg(read_sysreg(mdscr_el1) & ~MDSCR_SS, mdscr_el1);
		frame->spsr &= ~SPSR_SS;
		return;
	}
	if (!cpu->catching)
		unexpected(vector, frame);
	note(cpu, frame);
	skip(frame, ec);
}

static void handle_el0(struct frame *frame)
{
	struct cpu *cpu = this_cpu();

	note(cpu, frame);
	el0_x0 = frame->x[0];
	el0_leave(cpu->el0_sp, cpu->esr);
}

/* By an interrupt that the level above takes. */
static void handle_interrupted(u64 vector, struct frame *frame)
{
	struct cpu *cpu = this_cpu();

	cpu->elr = frame->elr;
	cpu->spsr = frame->spsr;
	el0_x0 = frame->x[0];
	el0_leave(cpu->el0_sp, vector == LOWER_64 + IRQ ? ENDED_BY_IRQ : ENDED_BY_FIQ);
}

void handle_exception(u64 vector, struct frame *frame)
{
	if (vector == CURRENT_SPX + SYNC)
		handle_sync(vector, frame);
	else if (vector == LOWER_64 + SYNC && this_cpu()->el0_sp)
		handle_el0(frame);
	else if ((vector == LOWER_64 + IRQ || vector == LOWER_64 + FIQ) && this_cpu()->el0_sp)
		handle_interrupted(vector, frame);
	else if ((vector == CURRENT_SPX + IRQ || vector == CURRENT_SPX + FIQ) && irq_handler)
		irq_handler(frame, vector == CURRENT_SPX + FIQ);
	else
		unexpected(vector, frame);
}

u64 el0_run(void (*function)(void), u64 x0)
{
	const u64 rx = (PAGE_RX | PTE_USER | PTE_PXN) & ~PTE_UXN;
	u64 page = (u64)function & ~(PAGE - 1), esr;

	window_map(EL0_CODE, page, rx);
	window_map(EL0_CODE + PAGE, page + PAGE, rx);
	esr = el0_enter(EL0_CODE + (u64)function % PAGE, x0, &this_cpu()->el0_sp);
	this_cpu()->el0_sp = 0;
	return esr;
}
