// SPDX-License-Identifier: BSD-2-Clause
/*
 * EL2's accesses that may fault (hyp/arch/foreign.h, sysreg.h), executed on QEMU's `virt` machine
 * at addresses where nothing answers. In emulators cache instructions never fault, so a load
 * and a store take the place of DC CIVAC, which also show which lines were reached.
 */
#include <arch/foreign.h>
#include <arch/sysreg.h>
#include <cpu/extable.h>
#include <lib/esr.h>

#define UART_DR		((volatile u32 *)0x09000000)
#define PSCI_SYSTEM_OFF 0x84000008UL

#define RAM	0x40000000UL /* QEMU's boot code is here, and is not needed any more */
#define NOTHING (RAM - 0x10000)
#define PAGE	0x1000UL
#define LINE	64UL
#define LINES	256UL /* four pages */
#define PATTERN 0x5a5a5a5a5a5a5a5aUL
/* The manual leaves this encoding unallocated. */
#define UNALLOCATED s3_3_c2_c4_7

void el2_main(void);
void el2_exception(void);
void el2_unexpected(void);
extern const struct extable_row _extable_start[], _extable_end[];

static u32 passed, failed;
static volatile u64 faults;

static void print(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			*UART_DR = '\r';
		*UART_DR = (u32)*s;
	}
}

static void print_number(u64 value)
{
	if (value >= 16)
		print_number(value / 16);
	*UART_DR = (u32) "0123456789abcdef"[value % 16];
}

static void check(const char *what, u64 got, u64 expected)
{
	print(got == expected ? "el2: ok " : "el2: FAILED ");
	print(what);
	if (got == expected) {
		passed++;
	} else {
		failed++;
		print(": expected 0x");
		print_number(expected);
		print(", got 0x");
		print_number(got);
	}
	print("\n");
}

static void __noreturn finish(void)
{
	print("el2: done, 0x");
	print_number(passed);
	print(" passed, 0x");
	print_number(failed);
	print(" failed\n");
	__asm__ volatile("mov x0, %0\n"
			 "smc #0\n"
			 :
			 : "r"(PSCI_SYSTEM_OFF)
			 : "x0", "x1", "x2", "x3", "memory");
	for (;;)
		;
}

void el2_unexpected(void)
{
	check("an exception that nobody expects: ESR_EL2", read_sysreg(esr_el2), 0);
	finish();
}

void el2_exception(void)
{
	u64 to;

	if (!extable_fixup(_extable_start, (size_t)(_extable_end - _extable_start),
			   read_sysreg(esr_el2), read_sysreg(elr_el2), &to))
		el2_unexpected();
	write_sysreg(to, elr_el2);
	faults++;
}

/* ---- registers that the functions out of line preserve */

static void set_syndrome(void)
{
	write_sysreg(0x1000, elr_el2);
	write_sysreg(0x3c5, spsr_el2);
	write_sysreg(0x2000, esr_el2);
	write_sysreg(0x3000, far_el2);
	write_sysreg(0x4000, hpfar_el2);
}

/* Whether the last call has faulted. */
static void check_syndrome(u64 before, u64 met)
{
	check("... by as many faults", faults - before, met);
	check("... ELR_EL2 is kept", read_sysreg(elr_el2), 0x1000);
	check("... SPSR_EL2 is kept", read_sysreg(spsr_el2), 0x3c5);
	check("... ESR_EL2 is kept", read_sysreg(esr_el2), 0x2000);
	check("... FAR_EL2 is kept", read_sysreg(far_el2), 0x3000);
	check("... HPFAR_EL2 is kept", read_sysreg(hpfar_el2), 0x4000);
}

/* ---- memory, of which a part answers */

static void fill(u64 at, u64 size)
{
	for (u64 end = at + size; at < end; at += sizeof(u64))
		*(volatile u64 *)at = PATTERN;
}

/* Lines of [@at, @at + @size) whose first doubleword is zero. */
static u64 lines_done(u64 at, u64 size)
{
	u64 n = 0;

	for (u64 end = at + size; at < end; at += LINE)
		n += !*(volatile u64 *)at;
	return n;
}

/* Lines [first, first + count) of RAM. */
struct lines {
	u64 first, count;
};

static bool has_line(struct lines lines, u64 line)
{
	return line - lines.first < lines.count;
}

/* CLEAN_LINE() writes zero where the line points to: to itself, or to nothing. */
static void fill_lines(struct lines bad)
{
	for (u64 i = 0; i < LINES; i++)
		*(volatile u64 *)(RAM + i * LINE) = has_line(bad, i) ? NOTHING : RAM + i * LINE;
}

/* Lines that are not as they should be when @wanted have been cleaned, of which @bad fault. */
static u64 lines_wrong(struct lines wanted, struct lines bad)
{
	u64 n = 0;

	for (u64 i = 0; i < LINES; i++) {
		bool done = !*(volatile u64 *)(RAM + i * LINE);

		n += done != (has_line(wanted, i) && !has_line(bad, i));
	}
	return n;
}

/*
 * Clean [RAM + @offset, + @size), where lines @bad fault: that must reach lines @wanted, meet
 * @faulted faults, and return @result.
 */
static void clean(const char *what, u64 offset, u64 size, struct lines bad, struct lines wanted,
		  u64 faulted, u64 result)
{
	u64 before = faults;

	fill_lines(bad);
	set_syndrome();
	check(what, foreign_clean_inval((const void *)(RAM + offset), size), result);
	check_syndrome(before, faulted);
	check("... which cleans all that it should, and no more", lines_wrong(wanted, bad), 0);
}

#define NONE		      ((struct lines){ 0, 0 })
#define BAD(first, count)     ((struct lines){ first, count })
#define REACHES(first, count) ((struct lines){ first, count })

static void check_cleaning(void)
{
	clean("clean a page", PAGE, PAGE, NONE, REACHES(64, 64), 0, PAGE);
	clean("clean a line", LINE, LINE, NONE, REACHES(1, 1), 0, LINE);
	clean("clean parts of two lines", LINE + 40, 48, NONE, REACHES(1, 2), 0, 48);
	clean("clean 37 lines", 3 * LINE, 37 * LINE, NONE, REACHES(3, 37), 0, 37 * LINE);
	clean("clean 151 lines", 3 * LINE, 151 * LINE, NONE, REACHES(3, 151), 0, 151 * LINE);
	clean("clean four pages", 0, 4 * PAGE, NONE, REACHES(0, 256), 0, 4 * PAGE);
}

static void check_cleaning_what_faults(void)
{
	clean("clean a page whose first line faults", PAGE, PAGE, BAD(64, 1), REACHES(64, 64), 1,
	      0);
	clean("clean a page whose last line faults", PAGE, PAGE, BAD(127, 1), REACHES(64, 64), 1,
	      0);
	clean("clean a page of which half faults", PAGE, PAGE, BAD(80, 32), REACHES(64, 64), 32, 0);
	clean("clean a page that faults", PAGE, PAGE, BAD(0, 256), REACHES(64, 64), 64, 0);
	clean("clean lines, some of which fault", 5 * LINE + 8, 9 * LINE, BAD(7, 3), REACHES(5, 10),
	      3, 0);
	clean("clean three pages, of which the first faults", PAGE, 3 * PAGE, BAD(70, 1),
	      REACHES(64, 64), 1, 0);
	clean("clean three pages, of which the second faults", PAGE, 3 * PAGE, BAD(128, 2),
	      REACHES(64, 128), 2, PAGE);
	clean("clean three pages, of which the last two fault", PAGE, 3 * PAGE, BAD(191, 65),
	      REACHES(64, 128), 1, PAGE);
	clean("clean three pages, of which the last faults", PAGE, 3 * PAGE, BAD(255, 1),
	      REACHES(64, 192), 1, 2 * PAGE);
	clean("clean from within a page to one that faults", 3 * LINE, 2 * PAGE, BAD(100, 1),
	      REACHES(3, 125), 1, PAGE - 3 * LINE);
}

static void check_clearing(void)
{
	u64 before = faults;

	fill(RAM, 0x2000);
	set_syndrome();
	check("clear a page", foreign_clear((void *)RAM, 0x1000), true);
	check_syndrome(before, 0);
	check("... and no more", lines_done(RAM, 0x2000), 0x1000 / LINE);
	check("clear what is not there", foreign_clear((void *)(RAM - LINE), 2 * LINE), false);
	check_syndrome(before, 1);
}

static void check_reading(void)
{
	u64 to[4] = { 1, 2, 3, 4 }, before = faults;

	fill(RAM, 0x1000);
	set_syndrome();
	check("read 32 bytes", foreign_load(to, (void *)RAM), true);
	check("... which are those", to[0] == PATTERN && to[3] == PATTERN, true);
	to[3] = 4;
	check("read 32 bytes of nothing", foreign_load(to, (void *)NOTHING), false);
	check("... which gives none", to[3], 4);
	check("memory answers", foreign_answers((void *)RAM, 0x1000, LINE), true);
	check_syndrome(before, 1);
	check("memory answers in part",
	      foreign_answers((void *)(RAM - 0x1000), 0x2000, FOREIGN_LINE), false);
	check_syndrome(before, 2);
}

/* ---- registers of devices, for which RAM serves */

static void check_registers(void)
{
	volatile u64 *reg = (volatile u64 *)RAM;
	u64 before = faults, value = 1;

	fill(RAM, LINE);
	set_syndrome();
	check("read a register of 64 bits", foreign_read_reg(reg, 8, &value), true);
	check("... its value", value, PATTERN);
	check("read a register of 32 bits", foreign_read_reg(reg, 4, &value), true);
	check("... its value", value, (u32)PATTERN);
	check("write a register of 32 bits", foreign_write_reg(reg, 4, 7), true);
	check("... and half of it", *reg, (PATTERN & ~0xffffffffUL) | 7);
	check("write a register of 64 bits", foreign_write_reg(reg, 8, 9), true);
	check("... all of it", *reg, 9);
	check_syndrome(before, 0);
	for (u32 bytes = 4; bytes <= 8; bytes += 4) {
		value = 1;
		check("read no register", foreign_read_reg((void *)NOTHING, bytes, &value), false);
		check("... which is 0", value, 0);
		check("write no register", foreign_write_reg((void *)NOTHING, bytes, 7), false);
	}
	check_syndrome(before, 4);
}

/* ---- inline accesses */

static void check_words(void)
{
	volatile u64 *word = (volatile u64 *)RAM;
	u64 before = faults, lost = 0;

	fill(RAM, LINE);
	check("read a doubleword", foreign_read64((void *)RAM, &lost), PATTERN);
	foreign_write32((void *)RAM, 7, &lost);
	check("write a word", *word, (PATTERN & ~0xffffffffUL) | 7);
	foreign_write64((void *)RAM, 9, &lost);
	check("write a doubleword", *word, 9);
	foreign_post32((void *)RAM, 11);
	foreign_settle((void *)RAM);
	check("write a register", *word, 11);
	check("read an instruction", foreign_fetch((void *)RAM), 11);
	check("... without a fault", faults - before, 0);
	check("... nor a failure", lost, 0);

	check("read nothing", foreign_read64((void *)NOTHING, &lost), 0);
	check("... which fails", lost, 1);
	lost = 0;
	foreign_write32((void *)NOTHING, 7, &lost);
	check("write a word to nothing", lost, 1);
	lost = 0;
	foreign_write64((void *)NOTHING, 7, &lost);
	check("write a doubleword to nothing", lost, 1);
	check("read an instruction from nothing", foreign_fetch((void *)NOTHING), 0);
	check("... each by a fault", faults - before, 4);
	foreign_post32((void *)NOTHING, 7);
	foreign_settle((void *)NOTHING);
	check("... and so are those that nobody asks", faults - before, 6);
}

static void check_records(void)
{
	struct foreign_record record = { { 1, 2, 3, 4, 5, 6, 7, 8 } };
	u64 before = faults;

	fill(RAM, LINE);
	check("write a record", foreign_store_record((void *)RAM, record), true);
	check("... all of it", ((volatile u64 *)RAM)[7], 8);
	check("write a record to nothing", foreign_store_record((void *)NOTHING, record), false);
	check("... by a fault", faults - before, 1);
}

/* ---- system registers */

/*
 * One comparison before and one after the access: a compiler that does not know that the access
 * changes the flags would use those of the first for both. Reading RNDRRS sets them to "below".
 */
static __noinline u64 compare_twice(u64 a, u64 b, u64 *word)
{
	u64 result = a < b ? 3 : 5;

	(void)try_read_sysreg(s3_3_c2_c4_1, word);
	if (a < b)
		result += 8;
	return result;
}

static void check_sysregs(void)
{
	u64 before = faults, value = 1, first = 0;

	check("try a register", try_read_sysreg(currentel, &value), true);
	check("... which is EL2", value, 2 << 2);
	check("try one that is UNDEFINED", try_read_sysreg(UNALLOCATED, &value), false);
	check("... which is 0", value, 0);
	check("try to write it", try_write_sysreg(1, UNALLOCATED), false);
	check("... by faults", faults - before, 2);
	check("flags after a random number, above", compare_twice(2, 1, &first), 5);
	check("flags after a random number, below", compare_twice(1, 2, &value), 11);
	check("... which are numbers", first && value && first != value, true);
}

void el2_main(void)
{
	check_cleaning();
	check_cleaning_what_faults();
	check_clearing();
	check_reading();
	check_registers();
	check_words();
	check_records();
	check_sysregs();
	finish();
}
