/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest payload is written with: a bare-metal program at EL1 on vmrun's machine. The MMU is
 * on, memory and devices are mapped at their addresses; FP registers are not used by C code.
 *
 * A payload has payload_main(), which makes checks and returns; the library prints the sum and
 * powers off. A check is a line: "NAME: PASS", or "NAME: FAIL expected .. got ..".
 */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned long u64;
typedef long s64;
typedef unsigned int u32;
typedef int s32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define BIT(n)		  (1UL << (n))
#define GENMASK(h, l)	  ((~0UL >> (63 - (h))) & (~0UL << (l)))
#define ARRAY_SIZE(a)	  (sizeof(a) / sizeof((a)[0]))
#define field(reg, shift) (((reg) >> (shift)) & 15)
#define PAGE		  0x1000UL

/* ---- the CPU ---- */

#define STRING_(x) #x
#define STRING(x)  STRING_(x)
#define read_sysreg(name)                                                       \
	({                                                                      \
		u64 v_;                                                         \
		__asm__ volatile("mrs %0, " STRING(name) : "=r"(v_)::"memory"); \
		v_;                                                             \
	})
#define write_sysreg(value, name) \
	__asm__ volatile("msr " STRING(name) ", %0; isb" ::"r"((u64)(value)) : "memory")

#define isb()	  __asm__ volatile("isb" ::: "memory")
#define dsb()	  __asm__ volatile("dsb sy" ::: "memory")
#define dmb()	  __asm__ volatile("dmb ish" ::: "memory")
#define barrier() __asm__ volatile("" ::: "memory")
#define wfi()	  __asm__ volatile("dsb sy; wfi" ::: "memory")

/* vmrun --nested: EL1's names reach EL2's registers, HCR_EL2.TGE is 1, EL0 is EL2's. */
static inline bool at_el2(void)
{
	return read_sysreg(currentel) == 8;
}

/* IRQ and FIQ; the others stay masked. */
#define irqs_on()  __asm__ volatile("msr daifclr, #3; isb" ::: "memory")
#define irqs_off() __asm__ volatile("msr daifset, #3; isb" ::: "memory")

#define read_once(x)	 (*(volatile __typeof__(x) *)&(x))
#define write_once(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* ESR_EL1 (D24.2.37) */
#define EC_UNKNOWN   0x00UL
#define EC_FP	     0x07UL
#define EC_ILLEGAL   0x0eUL
#define EC_WFX	     0x01UL
#define EC_PAC	     0x09UL
#define EC_FPAC	     0x1cUL
#define EC_SVC64     0x15UL
#define EC_HVC64     0x16UL
#define EC_SMC64     0x17UL
#define EC_SYS64     0x18UL
#define EC_SVE	     0x19UL
#define EC_IABT_LOW  0x20UL
#define EC_IABT	     0x21UL
#define EC_PC_ALIGN  0x22UL
#define EC_DABT_LOW  0x24UL
#define EC_DABT	     0x25UL
#define EC_SP_ALIGN  0x26UL
#define EC_STEP	     0x33UL
#define EC_BRK64     0x3cUL
#define ec_of(esr)   ((esr) >> 26 & 0x3f)
#define fsc_of(esr)  ((esr)&0x3f)
#define ESR_WNR	     BIT(6)
#define ESR_CM	     BIT(8)
#define NO_EXCEPTION ~0UL /* what TRY() is when there was none: no ESR_EL1 */

#define FSC_EXTERNAL 0x10UL

#define MAX_CPUS 16

/**
 * struct cpu - what a CPU knows of its exceptions
 * @catching: the next synchronous exception is expected; the instruction is skipped (a fetch that
 *            failed returns to the caller)
 * @esr: of the last one, as are @far, @elr, @spsr; NO_EXCEPTION before
 * @step: a software step exception is expected: the handler notes it in @esr and ends stepping
 * @work: for smp.c
 */
struct cpu {
	u64 catching, step;
	u64 esr, far, elr, spsr;
	u64 el0_sp;
	void (*work)(u64 cpu, u64 argument);
	u64 argument, generation, done;
};

extern struct cpu cpus[MAX_CPUS];

static inline u64 this_cpu_id(void)
{
	return read_sysreg(mpidr_el1) & 0xff;
}

static inline struct cpu *this_cpu(void)
{
	return &cpus[this_cpu_id() % MAX_CPUS];
}

/* ESR_EL1 of the exception that @statement took, which must be one instruction; NO_EXCEPTION. */
#define TRY(...)                             \
	({                                   \
		struct cpu *c_ = this_cpu(); \
		c_->esr = NO_EXCEPTION;      \
		write_once(c_->catching, 1); \
		barrier();                   \
		__VA_ARGS__;                 \
		barrier();                   \
		write_once(c_->catching, 0); \
		read_once(c_->esr);          \
	})

struct frame {
	u64 x[31];
	u64 elr, spsr;
};

/* Called for each IRQ and FIQ, with them masked; until a payload has set one they are failures. */
extern void (*irq_handler)(struct frame *frame, bool fiq);

/**
 * el0_run() - call a function at EL0 and wait for its end, which is any exception
 * @function: code that uses no stack and no data of its own, and lies in one page
 * @x0: its argument
 *
 * Return: ESR_EL1; the rest is in this_cpu(). @x0 after it is in el0_x0.
 */
u64 el0_run(void (*function)(void), u64 x0);
extern u64 el0_x0;
u64 el0_enter(u64 pc, u64 x0, u64 *sp);
void el0_leave(u64 sp, u64 result);

/* The same at EL2 for EL1: HCR_EL2 is the caller's, @sp is this_cpu()->el0_sp, 0 again afterwards. */
u64 el1_enter(u64 pc, u64 x0, u64 *sp, u64 spsr);
/* What both return if an interrupt has been the end, which the caller's level takes. */
#define ENDED_BY_IRQ (NO_EXCEPTION - 1)
#define ENDED_BY_FIQ (NO_EXCEPTION - 2)

struct entry_state {
	u64 x0, x1, x2, x3, sctlr, daif, currentel, spsel;
};
extern struct entry_state at_entry, at_secondary_entry;
void secondary_entry(void);

/* ---- output and checks ---- */

void print(const char *format, ...); /* %s %u %x: of a u64 */
void check(const char *name, u64 got, u64 expected);
void check_true(const char *name, bool good);
/* For what is checked very often: a line for the first failure of a name. check_round() is the
 * line for all of them: how many failed since the last one. */
void check_quiet(const char *name, u64 got, u64 expected);

/* What a register is set to, and its complement, to see whether it keeps the bits of a mask. */
#define PATTERN 0x123456789abc0000UL

#define KEEPS(name, mask)                                                \
	do {                                                             \
		u64 was_ = read_sysreg(name);                            \
		write_sysreg(PATTERN &(mask), name);                     \
		check_quiet(#name, read_sysreg(name), PATTERN &(mask));  \
		write_sysreg(~PATTERN &(mask), name);                    \
		check_quiet(#name, read_sysreg(name), ~PATTERN &(mask)); \
		write_sysreg(was_, name);                                \
	} while (0)
void check_round(const char *name);
extern const char *payload_name;
void __attribute__((noreturn)) finish(void);
void __attribute__((noreturn)) die(const char *why);
/* The word of `args: ...` in the kernel command line: payload_has_arg("reset"). */
bool payload_has_arg(const char *word);
u64 payload_number(const char *word, u64 otherwise); /* rounds=7 */

void payload_main(void);

void *memset(void *to, int c, u64 n);
void *memcpy(void *to, const void *from, u64 n);
u64 random64(void);

/* ---- memory ---- */

/* vmrun's machine */
#define UART_BASE   0x10000000UL
#define GICD_BASE   0x08000000UL
#define GICR_BASE   0x080a0000UL
#define GICR_SIZE   0x20000UL
#define UART_INTID  32
#define RAM_BASE    0x80000000UL
#define FRESH_BASE  (RAM_BASE + (16UL << 20)) /* nothing was here before; to the end of 64 MiB */
#define FRESH_END   (RAM_BASE + (64UL << 20))
#define UNBACKED    0x100000000UL /* within 40 bits; nothing is there. Device, 1 GiB */
#define BEYOND_IPA  0x180000000UL /* mapped to 1 << 40, beyond the VM's addresses. Device */
#define WINDOW	    0xc0000000UL  /* 2 MiB of pages to map as one likes */
#define WINDOW_SIZE 0x200000UL

/* Stage 1 attributes of a page */
#define PTE_VALID  3UL
#define PTE_NORMAL 0UL
#define PTE_DEVICE (1UL << 2)
#define PTE_USER   BIT(6)
#define PTE_RO	   BIT(7)
#define PTE_SH	   (3UL << 8)
#define PTE_AF	   BIT(10)
#define PTE_NG	   BIT(11)
#define PTE_PXN	   BIT(53)
#define PTE_UXN	   BIT(54)
#define PAGE_RW	   (PTE_VALID | PTE_NORMAL | PTE_SH | PTE_AF | PTE_PXN | PTE_UXN)
#define PAGE_RX	   (PTE_VALID | PTE_NORMAL | PTE_SH | PTE_AF | PTE_RO | PTE_UXN)

u64 *window_pte(u64 va);
/* Map a page of the window, with break-before-make and a broadcast TLBI. 0: unmap. */
void window_map(u64 va, u64 pa, u64 attributes);
u64 fresh_page(void); /* memory that no stage 2 table has yet; from one CPU alone */

static inline void tlbi_va(u64 va)
{
	__asm__ volatile("dsb ishst; tlbi vae1is, %0; dsb ish; isb" ::"r"(va >> 12) : "memory");
}

/* Device accesses: a hypervisor can emulate plain loads and stores alone, so the compiler may not
 * choose the instruction. */
#define DEFINE_MMIO(bits, type, load, store, w)                                                  \
	static inline type read##bits(u64 address)                                               \
	{                                                                                        \
		type value;                                                                      \
		__asm__ volatile(load " %" w "0, [%1]" : "=r"(value) : "r"(address) : "memory"); \
		return value;                                                                    \
	}                                                                                        \
	static inline void write##bits(u64 address, type value)                                  \
	{                                                                                        \
		__asm__ volatile(store " %" w "0, [%1]" ::"r"(value), "r"(address) : "memory");  \
	}
DEFINE_MMIO(8, u8, "ldrb", "strb", "w")
DEFINE_MMIO(16, u16, "ldrh", "strh", "w")
DEFINE_MMIO(32, u32, "ldr", "str", "w")
DEFINE_MMIO(64, u64, "ldr", "str", "x")

/* ---- firmware ---- */

#define PSCI_VERSION	    0x84000000UL
#define PSCI_CPU_SUSPEND    0xc4000001UL
#define PSCI_CPU_OFF	    0x84000002UL
#define PSCI_CPU_ON	    0xc4000003UL
#define PSCI_CPU_ON_32	    0x84000003UL
#define PSCI_AFFINITY_INFO  0xc4000004UL
#define PSCI_MIGRATE_TYPE   0x84000006UL
#define PSCI_SYSTEM_OFF	    0x84000008UL
#define PSCI_SYSTEM_RESET   0x84000009UL
#define PSCI_FEATURES	    0x8400000aUL
#define PSCI_SYSTEM_SUSPEND 0xc400000eUL
#define PSCI_SYSTEM_RESET2  0xc4000012UL
#define SMCCC_VERSION	    0x80000000UL
#define SMCCC_ARCH_FEATURES 0x80000001UL
#define TRNG_VERSION	    0x84000050UL
#define TRNG_FEATURES	    0x84000051UL
#define TRNG_GET_UUID	    0x84000052UL
#define TRNG_RND	    0xc4000053UL
#define KVM_PTP		    0x86000001UL
#define KVM_PTP_VIRT	    0UL
#define KVM_PTP_PHYS	    1UL
#define NOT_SUPPORTED	    (~0UL) /* -1 */
#define PSCI_INVALID	    (-2UL)
#define PSCI_DENIED	    (-3UL)
#define PSCI_ALREADY_ON	    (-4UL)
#define PSCI_ON_PENDING	    (-5UL)
#define PSCI_BAD_ADDRESS    (-9UL)
#define PSCI_ON		    0
#define PSCI_OFF	    1

u64 hvc_regs(u64 *x); /* x[18]; all of them go in and come out */
u64 smc_regs(u64 *x);
u64 hvc(u64 fid, u64 x1, u64 x2, u64 x3);
u64 smc(u64 fid, u64 x1, u64 x2, u64 x3);

/* ---- CPUs ---- */

extern u64 nr_cpus; /* Aff0 0 to nr_cpus - 1 */

/* This CPU's interrupts, and all secondaries, which wait for work. To be called once. */
void smp_start(void);
void smp_count(void);	/* sets nr_cpus by the redistributors that there are */
void smp_restart(void); /* CPUs 1 to nr_cpus - 1, all of which must be off */
/* Run @work on all CPUs, this one too, and wait for its end on all. */
void smp_run(void (*work)(u64 cpu, u64 argument), u64 argument);
void smp_barrier(void); /* in @work: all CPUs must come */
/* Give the physical CPU away for a moment. Uses the virtual timer, which must not be in use. */
void relax(void);
/* Wait for a condition without using up the machine. Needs gic_init_cpu(). */
#define wait_until(condition)               \
	do {                                \
		u32 spins_ = 0;             \
		while (!(condition))        \
			if (++spins_ > 200) \
				relax();    \
	} while (0)
void secondary_main(u64 cpu);

/* ---- GICv3 ---- */

#define ICC_PMR_EL1	S3_0_C4_C6_0
#define ICC_IAR0_EL1	S3_0_C12_C8_0
#define ICC_EOIR0_EL1	S3_0_C12_C8_1
#define ICC_HPPIR0_EL1	S3_0_C12_C8_2
#define ICC_BPR0_EL1	S3_0_C12_C8_3
#define ICC_AP0R0_EL1	S3_0_C12_C8_4
#define ICC_AP1R0_EL1	S3_0_C12_C9_0
#define ICC_DIR_EL1	S3_0_C12_C11_1
#define ICC_RPR_EL1	S3_0_C12_C11_3
#define ICC_SGI1R_EL1	S3_0_C12_C11_5
#define ICC_SGI0R_EL1	S3_0_C12_C11_7
#define ICC_IAR1_EL1	S3_0_C12_C12_0
#define ICC_EOIR1_EL1	S3_0_C12_C12_1
#define ICC_HPPIR1_EL1	S3_0_C12_C12_2
#define ICC_BPR1_EL1	S3_0_C12_C12_3
#define ICC_CTLR_EL1	S3_0_C12_C12_4
#define ICC_SRE_EL1	S3_0_C12_C12_5
#define ICC_IGRPEN0_EL1 S3_0_C12_C12_6
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_EOIMODE	BIT(1)
#define SPURIOUS	1023

/* Of the timers by their EL1 names: at EL2, with HCR_EL2.E2H=1, these are EL2's. */
#define PPI_VTIMER (at_el2() ? 28 : 27)
#define PPI_PTIMER (at_el2() ? 26 : 30)

#define GICD_CTLR	0x0000
#define GICD_TYPER	0x0004
#define GICD_IIDR	0x0008
#define GIC_IGROUPR	0x0080
#define GIC_ISENABLER	0x0100
#define GIC_ICENABLER	0x0180
#define GIC_ISPENDR	0x0200
#define GIC_ICPENDR	0x0280
#define GIC_ISACTIVER	0x0300
#define GIC_ICACTIVER	0x0380
#define GIC_IPRIORITYR	0x0400
#define GICD_ITARGETSR	0x0800
#define GIC_ICFGR	0x0c00
#define GICD_IROUTER	0x6000
#define GIC_PIDR2	0xffe8
#define GICR_TYPER	0x0008
#define GICR_TYPER_LAST BIT(4)
#define GICR_WAKER	0x0014

static inline u64 gicr(u64 cpu)
{
	return GICR_BASE + cpu * GICR_SIZE;
}

void gic_init(void);	 /* the distributor, once; all SPIs off, group 1, priority 0x80, to CPU 0 */
void gic_init_cpu(void); /* this CPU's redistributor and interface; all PPIs and SGIs off */
/* The frame that has @intid's registers for this CPU: its redistributor's, or the distributor. */
u64 gic_frame(u32 intid);
bool gic_bit(u64 reg, u32 intid);
void gic_set_bit(u64 reg, u32 intid); /* in a register where zeroes do nothing */
void gic_set_group(u32 intid, bool group1);
void gic_set_priority(u32 intid, u8 priority);
void gic_set_edge(u32 intid, bool edge);
void gic_route(u32 intid, u64 cpu);
void gic_send_sgi(u32 intid, u64 cpu);
#define gic_enable(intid)  gic_set_bit(GIC_ISENABLER, intid)
#define gic_disable(intid) gic_set_bit(GIC_ICENABLER, intid)
#define gic_pend(intid)	   gic_set_bit(GIC_ISPENDR, intid)
u32 gic_ack(void);
void gic_eoi(u32 intid);

/* ---- timers ---- */

#define CTL_ENABLE  1UL
#define CTL_IMASK   2UL
#define CTL_ISTATUS 4UL

#endif
