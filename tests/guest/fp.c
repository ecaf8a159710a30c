// SPDX-License-Identifier: BSD-2-Clause
/*
 * FP, SIMD and SVE registers keep their values over exits of every kind, whoever else uses FP on
 * the CPU meanwhile. For this to mean something the test runs it beside itself, beside host
 * processes that use FP, and moves its vCPUs (churn -f).
 */
#include "lib/guest.h"

const char *payload_name = "fp";

#define V_BYTES	  (32 * 16)
#define VL_MAX	  256
#define FPCR_BITS 0x07c00000 /* AHP, DN, FZ, RMode: what every CPU has */
#define FPSR_BITS 0x0800009f /* QC, IDC, IXC..IOC */
#define FPEN	  (3UL << 20)
#define ZEN	  (3UL << 16)
#define ZCR_EL1	  S3_0_C1_C2_0
#define ROUNDS	  30

void fp_load(const u8 *v, u64 fpcr, u64 fpsr);
void fp_store(u8 *v, u64 *fpcr, u64 *fpsr);
void sve_load(const u8 *z, const u8 *p);
void sve_store(u8 *z, u8 *p);
u64 sve_bytes(void);
void v_write(void);

/* A CPU's registers: what went in, what came out. */
static struct state {
	u8 in[32 * VL_MAX], out[32 * VL_MAX];
	u8 p_in[17 * VL_MAX / 8], p_out[17 * VL_MAX / 8];
} states[MAX_CPUS];

static void fill(u8 *bytes, u64 count)
{
	u64 i, value = 0;

	for (i = 0; i < count; i++) {
		if (i % 8 == 0)
			value = random64();
		bytes[i] = (u8)(value >> (i % 8 * 8));
	}
}

/* The first byte that differs, + 1. */
static u64 differs(const u8 *a, const u8 *b, u64 count)
{
	u64 i;

	for (i = 0; i < count; i++)
		if (a[i] != b[i])
			return i + 1;
	return 0;
}

/* ---- exits ---- */

static void exit_hypercall(void)
{
	hvc(PSCI_VERSION, 0, 0, 0);
}

static void exit_userspace(void)
{
	read32(UART_BASE + 0x18);
}

static void exit_vgic(void)
{
	read32(GICD_BASE + GICD_TYPER);
}

static void exit_sysreg(void)
{
	read_sysreg(id_aa64pfr0_el1);
}

/* Memory that is not there yet; from all CPUs. */
static void exit_fault(void)
{
	static u64 next = FRESH_BASE;
	u64 page = __atomic_fetch_add(&next, PAGE, __ATOMIC_RELAXED);

	if (page < FRESH_END)
		write64(page, 1);
}

/* As long as it takes until the host wants the CPU. */
static void stay(void)
{
	u64 i;

	for (i = 0; i < 50000; i++)
		barrier();
}

static void (*const exits[])(void) = {
	exit_hypercall, exit_userspace, exit_vgic, exit_sysreg, exit_fault, relax, stay,
};

/* ---- V ---- */

static void check_v(u64 cpu, void (*exit)(void), u64 cpacr_meanwhile)
{
	struct state *s = &states[cpu];
	u64 fpcr = random64() & FPCR_BITS, fpsr = random64() & FPSR_BITS, fpcr_out, fpsr_out;
	u64 cpacr = read_sysreg(cpacr_el1);

	fill(s->in, V_BYTES);
	fp_load(s->in, fpcr, fpsr);
	write_sysreg(cpacr_meanwhile, cpacr_el1);
	exit();
	write_sysreg(cpacr, cpacr_el1);
	fp_store(s->out, &fpcr_out, &fpsr_out);
	check_quiet("V registers", differs(s->in, s->out, V_BYTES), 0);
	check_quiet("FPCR", fpcr_out, fpcr);
	check_quiet("FPSR", fpsr_out, fpsr);
}

static void check_v_all(u64 cpu, u64 cpacr_meanwhile)
{
	u64 round, i, rounds = payload_number("rounds=", ROUNDS);

	for (round = 0; round < rounds; round++)
		for (i = 0; i < ARRAY_SIZE(exits); i++)
			check_v(cpu, exits[i], cpacr_meanwhile);
}

/* ---- SVE ---- */

static bool has_sve(void)
{
	return field(read_sysreg(id_aa64pfr0_el1), 32) == 1;
}

static void fill_sve(struct state *s, u64 bytes)
{
	u64 ffr_bits = random64() % (bytes + 1), i;

	fill(s->in, 32 * bytes);
	fill(s->p_in, 16 * bytes / 8);
	/* WRFFR wants ones without a gap from bit 0 */
	for (i = 0; i < bytes / 8; i++)
		s->p_in[16 * bytes / 8 + i] = ffr_bits >= 8 * (i + 1) ? 0xff
					      : ffr_bits > 8 * i
						      ? (u8)((1 << (ffr_bits - 8 * i)) - 1)
						      : 0;
}

/* An exception level that may not use SVE may lose what is above 128 bits (QEMU clears it). */
static u64 differs_low(const struct state *s, u64 bytes)
{
	u64 n, wrong = 0;

	for (n = 0; n < 32; n++)
		wrong += differs(s->in + n * bytes, s->out + n * bytes, 16) != 0;
	return wrong;
}

static void check_sve(u64 cpu, void (*exit)(void), u64 len, u64 cpacr_meanwhile)
{
	struct state *s = &states[cpu];
	u64 cpacr = read_sysreg(cpacr_el1), bytes;

	write_sysreg(len, ZCR_EL1);
	bytes = sve_bytes();
	fill_sve(s, bytes);
	sve_load(s->in, s->p_in);
	write_sysreg(cpacr_meanwhile, cpacr_el1);
	exit();
	write_sysreg(cpacr, cpacr_el1);
	check_quiet("the vector length", sve_bytes(), bytes);
	check_quiet("ZCR_EL1", read_sysreg(ZCR_EL1) & 15, len);
	sve_store(s->out, s->p_out);
	if (cpacr_meanwhile & ZEN) {
		check_quiet("Z registers", differs(s->in, s->out, 32 * bytes), 0);
		check_quiet("P registers and FFR", differs(s->p_in, s->p_out, 17 * bytes / 8), 0);
	} else {
		check_quiet("Z registers, low 128 bits", differs_low(s, bytes), 0);
	}
}

static void check_sve_all(u64 cpu, u64 cpacr_meanwhile)
{
	u64 len, i, round, rounds = payload_number("rounds=", ROUNDS) / 8 + 1;

	write_sysreg(FPEN | ZEN, cpacr_el1);
	for (round = 0; round < rounds; round++)
		for (len = 0; len < 16; len++)
			for (i = 0; i < ARRAY_SIZE(exits); i++)
				check_sve(cpu, exits[i], len, cpacr_meanwhile);
	write_sysreg(FPEN, cpacr_el1);
}

/* C1.2.5: an FP instruction clears a Z register above 128 bits, also if an exit comes first. */
static void check_v_clears_z(void)
{
	struct state *s = &states[0];
	u64 bytes, i, wrong = 0;

	write_sysreg(FPEN | ZEN, cpacr_el1);
	write_sysreg(15, ZCR_EL1);
	bytes = sve_bytes();
	fill_sve(s, bytes);
	sve_load(s->in, s->p_in);
	exit_userspace();
	v_write();
	exit_userspace();
	sve_store(s->out, s->p_out);
	for (i = 16; i < bytes; i++)
		wrong += s->out[i] || s->out[31 * bytes + i];
	check("an FP write clears the upper part of Z", wrong, 0);
	check("... and no other", differs(s->in + bytes, s->out + bytes, 30 * bytes), 0);
	write_sysreg(FPEN, cpacr_el1);
}

/* What EL1 does not let itself do is an exception to EL1, not something that EL2 answers. */
static void check_traps(void)
{
	u64 cpacr = read_sysreg(cpacr_el1);

	write_sysreg(0, cpacr_el1);
	check("FP with CPACR_EL1.FPEN=0",
	      ec_of(TRY(__asm__ volatile(".arch_extension fp\nfmov d0, xzr"))), EC_FP);
	check("FPCR with CPACR_EL1.FPEN=0", ec_of(TRY(read_sysreg(fpcr))), EC_FP);
	if (has_sve()) {
		write_sysreg(FPEN, cpacr_el1);
		check("SVE with CPACR_EL1.ZEN=0",
		      ec_of(TRY(__asm__ volatile(".arch_extension sve\nrdffr p0.b"))), EC_SVE);
		check("ZCR_EL1 with CPACR_EL1.ZEN=0", ec_of(TRY(read_sysreg(ZCR_EL1))), EC_SVE);
		write_sysreg(FPEN | ZEN, cpacr_el1);
		check("SVE with CPACR_EL1.ZEN=3",
		      TRY(__asm__ volatile(".arch_extension sve\nrdffr p0.b")), NO_EXCEPTION);
	} else {
		write_sysreg(FPEN | ZEN, cpacr_el1);
		check("SVE that is not there",
		      TRY(__asm__ volatile(".arch_extension sve\nrdffr p0.b")) >> 26, EC_UNKNOWN);
		check("ZCR_EL1 that is not there", TRY(read_sysreg(ZCR_EL1)) >> 26, EC_UNKNOWN);
	}
	write_sysreg(cpacr, cpacr_el1);
}

void payload_main(void)
{
	smp_start();
	check_traps();
	smp_run(check_v_all, FPEN);
	check_round("V registers, FPCR, FPSR over exits");
	smp_run(check_v_all, 0);
	check_round("... with FP off meanwhile");
	if (!has_sve())
		return;
	write_sysreg(FPEN | ZEN, cpacr_el1);
	write_sysreg(15, ZCR_EL1);
	print("fp: vectors of %u bytes\n", sve_bytes());
	check_v_clears_z();
	smp_run(check_sve_all, FPEN | ZEN);
	check_round("Z, P, FFR, ZCR_EL1 over exits, at every length");
	smp_run(check_sve_all, FPEN);
	check_round("... with SVE off meanwhile");
}
