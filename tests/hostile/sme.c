// SPDX-License-Identifier: BSD-2-Clause
/*
 * A host that is in Streaming SVE mode when it runs a guest, or that enters the mode while a
 * guest's registers are still in the CPU (FEAT_SME). EL2 keeps running, the guest is not in that
 * mode, and both keep their registers.
 */
#include "hostile.h"

#define ZCR_EL1	  S3_0_C1_C2_0
#define SMCR_EL1  S3_0_C1_C2_6
#define SVCR	  S3_3_C4_C2_2
#define SMFR0_EL1 S3_0_C0_C4_5

#define SM	       1UL
#define ZA	       2UL
#define FPSR_ZERO      0x0800009fUL /* what a change of SM makes of it (B1.4) */
#define FPSR_MINE      0x01UL
#define FPCR_MINE      0x01000000UL /* FZ */
#define ESR_EC_UNKNOWN 0

struct vectors {
	u8 z[32][256], p[16][32], ffr[32];
};

/* sme.S */
extern const char uses_fp[], uses_fp_end[], uses_none[], uses_none_end[], streams[], streams_end[];
void vectors_load(const struct vectors *from, u32 ffr);
void vectors_store(struct vectors *to, u32 ffr);
void za_load(const void *from);
void za_store(void *to);
u64 streaming_bytes(void);
u64 vector_bytes(void);

static struct vectors mine, found;
static u8 za_mine[256][256], za_found[256][256];
static u32 fa64;
static u64 svl, vl, seed;

static void fill(u8 *to, u64 bytes)
{
	for (u64 i = 0; i < bytes; i++) {
		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		to[i] = (u8)(seed >> 56);
	}
}

/* Vectors of @length bytes with values of their own; what is in FFR is ones, then zeroes. */
static void make_vectors(u64 length, u32 ffr)
{
	fill((u8 *)&mine, sizeof(mine));
	for (u64 i = 0; i < sizeof(mine.ffr); i++)
		mine.ffr[i] = i < length / 16 ? 0xff : 0;
	vectors_load(&mine, ffr);
	write_sysreg(FPSR_MINE, FPSR);
	write_sysreg(FPCR_MINE, FPCR);
}

static u64 differences(const u8 *a, const u8 *b, u64 bytes)
{
	u64 n = 0;

	for (u64 i = 0; i < bytes; i++)
		n += a[i] != b[i];
	return n;
}

static void check_vectors(u64 length, u32 ffr)
{
	u64 z = 0, p = 0;

	vectors_store(&found, ffr);
	for (u32 i = 0; i < 32; i++)
		z += differences(found.z[i], mine.z[i], length);
	for (u32 i = 0; i < 16; i++)
		p += differences(found.p[i], mine.p[i], length / 8);
	check("Z registers", z, 0);
	check("P registers", p, 0);
	if (ffr)
		check("FFR", differences(found.ffr, mine.ffr, length / 8), 0);
}

static void check_mine(u64 length, u32 ffr)
{
	check_vectors(length, ffr);
	check("FPSR", read_sysreg(FPSR), FPSR_MINE);
	check("FPCR", read_sysreg(FPCR), FPCR_MINE);
}

static void make_za(void)
{
	fill((u8 *)za_mine, sizeof(za_mine));
	za_load(za_mine);
}

static void check_za(void)
{
	u64 n = 0;

	za_store(za_found);
	for (u64 row = 0; row < svl; row++)
		n += differences(za_found[row], za_mine[row], svl);
	check("ZA", n, 0);
}

/* What the guest found in v0 and FPSR: @first, what a vCPU begins with; later, what it left. */
static void check_guest(u64 n, u64 round)
{
	const volatile u64 *noted = (const volatile u64 *)(GUEST_CODE(n) + 0x1000);
	u64 own = round == 1 ? 0 : 0x5a5a5a5a5a5a5a5aUL;

	check("the guest came so far", noted[3], round);
	check("its v0 is its own", (noted[0] ^ own) | (noted[1] ^ own), 0);
	check("its FPSR is its own", noted[2], round == 1 ? 0 : 0x81);
}

static void run(const char *what, u64 handle)
{
	print("hostile: -- ");
	print(what);
	print("\n");
	check("VCPU_RUN", guest_run(handle), KEEL_EXIT_WFI);
}

/* In the mode, with ZA, into the run and out of it; @round: the guest's, 0 if it does not count. */
static void stream(const char *what, u64 n, u64 handle, u64 round)
{
	write_sysreg(SM | ZA, SVCR);
	make_za();
	make_vectors(svl, fa64);
	run(what, handle);
	check("SVCR", read_sysreg(SVCR), SM | ZA);
	check("streaming vector length", streaming_bytes(), svl);
	check_mine(svl, fa64);
	check_za();
	if (round)
		check_guest(n, round);
	write_sysreg(0, SVCR);
	check("FPSR after SMSTOP", read_sysreg(FPSR), FPSR_ZERO);
}

/* The mode is entered while the registers are not there: they are zero then, and stay so. */
static void enter_later(u64 n, u64 handle, u64 round)
{
	make_vectors(vl, 1);
	run("enters the mode after the run", handle);
	write_sysreg(SM, SVCR);
	memset(&mine, 0, sizeof(mine));
	check("SVCR", read_sysreg(SVCR), SM);
	check_vectors(svl, 0);
	check("FPSR", read_sysreg(FPSR), FPSR_ZERO);
	make_vectors(svl, fa64);
	check_mine(svl, fa64);
	write_sysreg(0, SVCR);
	check_guest(n, round);
}

/* ZA alone takes no vectors: those from before the run are there. */
static void enable_za_later(u64 n, u64 handle, u64 round)
{
	make_vectors(vl, 1);
	run("turns ZA on after the run", handle);
	write_sysreg(ZA, SVCR);
	make_za();
	check_mine(vl, 1);
	check_za();
	write_sysreg(0, SVCR);
	check_guest(n, round);
}

static void plain(u64 n, u64 handle, u64 round)
{
	make_vectors(vl, 1);
	run("without the mode", handle);
	check("SVCR", read_sysreg(SVCR), 0);
	check_mine(vl, 1);
	check_guest(n, round);
}

static void with_guest(u64 n, u64 features)
{
	u64 handle = guest_create(n, uses_fp, (u64)(uses_fp_end - uses_fp), features);

	stream("in the mode, the guest's first use", n, handle, 1);
	stream("in the mode, the guest has state", n, handle, 2);
	plain(n, handle, 3);
	enter_later(n, handle, 4);
	enable_za_later(n, handle, 5);
	stream("in the mode, after all that", n, handle, 6);
}

static void guest_cannot_enter(void)
{
	u64 handle = guest_create(3, streams, (u64)(streams_end - streams), 0);

	run("the guest wants the mode", handle);
	check("it gets an exception", *(volatile u64 *)(GUEST_CODE(3) + 0x1000) >> ESR_EC_SHIFT,
	      ESR_EC_UNKNOWN);
	check("SVCR", read_sysreg(SVCR), 0);
}

static void hostile_main(u64 fdt)
{
	u64 none;

	(void)fdt;
	write_sysreg(3UL << 24 | 3UL << 20 | 3UL << 16, CPACR_EL1);
	fa64 = read_sysreg(SMFR0_EL1) >> 63;
	write_sysreg(0xfUL | (u64)fa64 << 31, SMCR_EL1);
	write_sysreg(0xfUL, ZCR_EL1);
	svl = streaming_bytes();
	vl = vector_bytes();
	check("there are streaming vectors", svl >= 16, 1);
	with_guest(0, 0);
	with_guest(1, 1 << 4); /* KVM_ARM_VCPU_SVE */
	none = guest_create(2, uses_none, (u64)(uses_none_end - uses_none), 0);
	stream("in the mode, a guest without FP", 2, none, 0);
	guest_cannot_enter();
}
