// SPDX-License-Identifier: BSD-2-Clause
/*
 * ESR_ELx in words (ARM DDI 0487). The names are arrays, not pointers: a table of
 * pointers would need relocations, and this is read when something has gone wrong.
 */
#include <stdarg.h>

#include <lib/esr.h>
#include <lib/printf.h>

/* ESR_ELx.EC */
static const char ec_names[ESR_EC_COUNT][46] = {
	[ESR_EC_UNKNOWN] = "unknown reason (undefined instruction)",
	[ESR_EC_WFX] = "trapped WFI or WFE",
	[ESR_EC_CP15_32] = "trapped AArch32 MCR/MRC, coproc 15",
	[ESR_EC_CP15_64] = "trapped AArch32 MCRR/MRRC, coproc 15",
	[ESR_EC_CP14_32] = "trapped AArch32 MCR/MRC, coproc 14",
	[ESR_EC_CP14_LS] = "trapped AArch32 LDC/STC",
	[ESR_EC_FP_ASIMD] = "trapped SVE, SIMD or floating-point access",
	[ESR_EC_CP10_ID] = "trapped AArch32 VMRS",
	[ESR_EC_PAC] = "trapped pointer authentication",
	[ESR_EC_OTHER] = "trapped LD64B, ST64B or other instruction",
	[ESR_EC_CP14_64] = "trapped AArch32 MRRC, coproc 14",
	[ESR_EC_BTI] = "Branch Target exception",
	[ESR_EC_ILL] = "Illegal Execution state",
	[ESR_EC_SVC32] = "AArch32 SVC",
	[ESR_EC_HVC32] = "AArch32 HVC",
	[ESR_EC_SMC32] = "AArch32 SMC",
	[ESR_EC_SYS128] = "trapped MSRR, MRRS or SYSP",
	[ESR_EC_SVC64] = "SVC",
	[ESR_EC_HVC64] = "HVC",
	[ESR_EC_SMC64] = "SMC",
	[ESR_EC_SYS64] = "trapped MSR, MRS or System instruction",
	[ESR_EC_SVE] = "trapped SVE access",
	[ESR_EC_ERET] = "trapped ERET",
	[ESR_EC_TSTART] = "trapped TSTART",
	[ESR_EC_FPAC] = "pointer authentication failure",
	[ESR_EC_SME] = "trapped SME access",
	[ESR_EC_GPC] = "Granule Protection Check exception",
	[ESR_EC_IMP_DEF] = "IMPLEMENTATION DEFINED exception to EL3",
	[ESR_EC_IABT_LOWER] = "Instruction Abort from a lower EL",
	[ESR_EC_IABT_CUR] = "Instruction Abort from the current EL",
	[ESR_EC_PC_ALIGN] = "PC alignment fault",
	[ESR_EC_DABT_LOWER] = "Data Abort from a lower EL",
	[ESR_EC_DABT_CUR] = "Data Abort from the current EL",
	[ESR_EC_SP_ALIGN] = "SP alignment fault",
	[ESR_EC_MOPS] = "Memory Copy or Memory Set exception",
	[ESR_EC_FP_EXC32] = "trapped AArch32 floating-point exception",
	[ESR_EC_FP_EXC64] = "trapped floating-point exception",
	[ESR_EC_GCS] = "Guarded Control Stack exception",
	[ESR_EC_SERROR] = "SError",
	[ESR_EC_BRKPT_LOWER] = "Breakpoint exception from a lower EL",
	[ESR_EC_BRKPT_CUR] = "Breakpoint exception from the current EL",
	[ESR_EC_STEP_LOWER] = "Software Step exception from a lower EL",
	[ESR_EC_STEP_CUR] = "Software Step exception from the current EL",
	[ESR_EC_WATCHPT_LOWER] = "Watchpoint exception from a lower EL",
	[ESR_EC_WATCHPT_CUR] = "Watchpoint exception from the current EL",
	[ESR_EC_BKPT32] = "AArch32 BKPT",
	[ESR_EC_VECTOR32] = "AArch32 Vector Catch exception",
	[ESR_EC_BRK64] = "BRK",
	[ESR_EC_PMU] = "PMU exception",
};

#define NO_LEVEL INT8_MIN

/* ISS encodings for Data and Instruction Aborts, fields DFSC and IFSC. */
struct fsc_row {
	u8 first; /* codes first to last... */
	u8 last;
	s8 level; /* ...are for the levels from this one on */
	char name[45];
};

static const struct fsc_row fsc_rows[] = {
	{ ESR_FSC_ADDRESS_SIZE, ESR_FSC_ADDRESS_SIZE + 3, 0, "address size fault" },
	{ ESR_FSC_TRANSLATION, ESR_FSC_TRANSLATION + 3, 0, "translation fault" },
	{ ESR_FSC_ACCESS_FLAG, ESR_FSC_ACCESS_FLAG + 3, 0, "access flag fault" },
	{ ESR_FSC_PERMISSION, ESR_FSC_PERMISSION + 3, 0, "permission fault" },
	{ ESR_FSC_EXTABT, ESR_FSC_EXTABT, NO_LEVEL, "external abort" },
	{ ESR_FSC_TAG_CHECK, ESR_FSC_TAG_CHECK, NO_LEVEL, "tag check fault" },
	{ ESR_FSC_EXTABT_WALK_M2, ESR_FSC_EXTABT_WALK_M1, -2, "external abort on a table walk" },
	{ ESR_FSC_EXTABT_WALK, ESR_FSC_EXTABT_WALK + 3, 0, "external abort on a table walk" },
	{ ESR_FSC_PARITY, ESR_FSC_PARITY, NO_LEVEL, "parity or ECC error" },
	{ ESR_FSC_PARITY_WALK_M1, ESR_FSC_PARITY_WALK_M1, -1,
	  "parity or ECC error on a table walk" },
	{ ESR_FSC_PARITY_WALK, ESR_FSC_PARITY_WALK + 3, 0, "parity or ECC error on a table walk" },
	{ ESR_FSC_ALIGNMENT, ESR_FSC_ALIGNMENT, NO_LEVEL, "alignment fault" },
	{ ESR_FSC_GPF_WALK_M2, ESR_FSC_GPF_WALK_M1, -2,
	  "Granule Protection Fault on a table walk" },
	{ ESR_FSC_GPF_WALK, ESR_FSC_GPF_WALK + 3, 0, "Granule Protection Fault on a table walk" },
	{ ESR_FSC_GPF, ESR_FSC_GPF, NO_LEVEL, "Granule Protection Fault" },
	{ ESR_FSC_ADDRESS_SIZE_M1, ESR_FSC_ADDRESS_SIZE_M1, -1, "address size fault" },
	{ ESR_FSC_TRANSLATION_M2, ESR_FSC_TRANSLATION_M1, -2, "translation fault" },
	{ ESR_FSC_ADDRESS_SIZE_M2, ESR_FSC_ADDRESS_SIZE_M2, -2, "address size fault" },
	{ ESR_FSC_TLB_CONFLICT, ESR_FSC_TLB_CONFLICT, NO_LEVEL, "TLB conflict" },
	{ ESR_FSC_ATOMIC_UPDATE, ESR_FSC_ATOMIC_UPDATE, NO_LEVEL,
	  "unsupported atomic hardware update" },
	{ ESR_FSC_LOCKDOWN, ESR_FSC_LOCKDOWN, NO_LEVEL, "lockdown fault" },
	{ ESR_FSC_EXCLUSIVE, ESR_FSC_EXCLUSIVE, NO_LEVEL,
	  "unsupported exclusive or atomic access" },
};

/* What else an abort's syndrome may say. S1PTW, FnV and EA are in both kinds of abort. */
struct flag_row {
	u32 bit;
	bool data_only;
	char name[40];
};

static const struct flag_row abort_flags[] = {
	{ ESR_CM, true, "cache maintenance or AT instruction" },
	{ ESR_VNCR, true, "through VNCR_EL2" },
	{ ESR_S1PTW, false, "on a stage 1 table walk" },
	{ ESR_FNV, false, "FAR not valid" },
	{ ESR_EA, false, "EA" },
};

const char *esr_ec_name(unsigned int ec)
{
	if (ec >= ESR_EC_COUNT || !ec_names[ec][0])
		return "reserved exception class";
	return ec_names[ec];
}

static const struct fsc_row *find_fsc(unsigned int fsc)
{
	for (size_t i = 0; i < ARRAY_SIZE(fsc_rows); i++) {
		if (fsc >= fsc_rows[i].first && fsc <= fsc_rows[i].last)
			return &fsc_rows[i];
	}
	return NULL;
}

const char *esr_fsc_name(unsigned int fsc)
{
	const struct fsc_row *row = find_fsc(fsc);

	return row ? row->name : "reserved fault status";
}

bool esr_fsc_level(unsigned int fsc, int *level)
{
	const struct fsc_row *row = find_fsc(fsc);

	if (!row || row->level == NO_LEVEL)
		return false;
	*level = row->level + (int)(fsc - row->first);
	return true;
}

/* A description as it grows. */
struct text {
	char *buf;
	size_t size;
	size_t used; /* of the whole description, so possibly more than fit */
};

static void __printf(2, 3) append(struct text *text, const char *fmt, ...)
{
	size_t at = MIN(text->used, text->size);
	char *end = text->size ? text->buf + at : NULL;
	va_list ap;

	va_start(ap, fmt);
	text->used += (size_t)kl_vsnprintf(end, text->size - at, fmt, ap);
	va_end(ap);
}

static void append_fsc(struct text *text, u64 esr)
{
	unsigned int fsc = esr_fsc(esr);
	int level;

	append(text, ": %s", esr_fsc_name(fsc));
	if (!find_fsc(fsc))
		append(text, " 0x%02x", fsc);
	else if (esr_fsc_level(fsc, &level))
		append(text, ", level %d", level);
}

static void append_abort_flags(struct text *text, u64 esr, bool data)
{
	for (size_t i = 0; i < ARRAY_SIZE(abort_flags); i++) {
		if ((esr & abort_flags[i].bit) && (data || !abort_flags[i].data_only))
			append(text, ", %s", abort_flags[i].name);
	}
}

/* Register 31 is the zero register wherever a syndrome names a transfer register. */
static void append_register(struct text *text, char width, u64 number)
{
	if (number == 31)
		append(text, "%czr", width);
	else
		append(text, "%c%lu", width, number);
}

static void append_access(struct text *text, u64 esr)
{
	append(text, esr & ESR_WNR ? ", write" : ", read");
	if (!(esr & ESR_ISV))
		return;
	append(text, " of %u%s bytes, ", 1U << FIELD_GET(ESR_SAS, esr),
	       esr & ESR_SSE ? " sign-extended" : "");
	append_register(text, esr & ESR_SF ? 'x' : 'w', FIELD_GET(ESR_SRT, esr));
	if (esr & ESR_AR)
		append(text, ", acquire/release");
}

static void append_data_abort(struct text *text, u64 esr)
{
	append_fsc(text, esr);
	append_access(text, esr);
	append_abort_flags(text, esr, true);
}

static void append_instruction_abort(struct text *text, u64 esr)
{
	append_fsc(text, esr);
	append_abort_flags(text, esr, false);
}

static void append_sys64(struct text *text, u64 esr)
{
	append(text, esr & ESR_SYS64_READ ? ": MRS " : ": MSR ");
	append(text, "S%lu_%lu_C%lu_C%lu_%lu", (unsigned long)FIELD_GET(ESR_SYS64_OP0, esr),
	       (unsigned long)FIELD_GET(ESR_SYS64_OP1, esr),
	       (unsigned long)FIELD_GET(ESR_SYS64_CRN, esr),
	       (unsigned long)FIELD_GET(ESR_SYS64_CRM, esr),
	       (unsigned long)FIELD_GET(ESR_SYS64_OP2, esr));
	append(text, esr & ESR_SYS64_READ ? " to " : " from ");
	append_register(text, 'x', FIELD_GET(ESR_SYS64_RT, esr));
}

static void append_wfx(struct text *text, u64 esr)
{
	static const char names[][5] = {
		[ESR_WFX_TI_WFI] = "WFI",
		[ESR_WFX_TI_WFE] = "WFE",
		[ESR_WFX_TI_WFIT] = "WFIT",
		[ESR_WFX_TI_WFET] = "WFET",
	};

	append(text, ": %s", names[FIELD_GET(ESR_WFX_TI, esr)]);
}

static void append_eret(struct text *text, u64 esr)
{
	const char *name = "ERET";

	if (esr & ESR_ERET_ERETA)
		name = esr & ESR_ERET_ERETAB ? "ERETAB" : "ERETAA";
	append(text, ": %s", name);
}

/* ISS encoding for an SError: AET, meaningful with the DFSC for SErrors alone. */
static void append_serror(struct text *text, u64 esr)
{
	static const char aet_names[8][14] = {
		"uncontainable", "unrecoverable", "restartable", "recoverable", "", "", "corrected",
	};
	const char *aet = aet_names[FIELD_GET(ESR_SERROR_AET, esr)];

	if (esr & ESR_SERROR_IDS)
		append(text, ": IMPLEMENTATION DEFINED 0x%lx",
		       (unsigned long)(esr & ESR_ISS & ~ESR_SERROR_IDS));
	else if (esr_fsc(esr) == ESR_FSC_SERROR && aet[0])
		append(text, ": %s", aet);
	else
		append(text, ": uncategorized");
}

static void append_iss(struct text *text, u64 esr)
{
	u64 iss = esr & ESR_ISS;

	if (iss)
		append(text, ", ISS 0x%lx", iss);
}

static void append_syndrome(struct text *text, u64 esr)
{
	switch (esr_ec(esr)) {
	case ESR_EC_DABT_LOWER:
	case ESR_EC_DABT_CUR:
		append_data_abort(text, esr);
		break;
	case ESR_EC_IABT_LOWER:
	case ESR_EC_IABT_CUR:
		append_instruction_abort(text, esr);
		break;
	case ESR_EC_SYS64:
		append_sys64(text, esr);
		break;
	case ESR_EC_SVC64:
	case ESR_EC_HVC64:
	case ESR_EC_SMC64:
	case ESR_EC_BRK64:
		append(text, " #0x%lx", (unsigned long)FIELD_GET(ESR_IMM16, esr));
		break;
	case ESR_EC_WFX:
		append_wfx(text, esr);
		break;
	case ESR_EC_ERET:
		append_eret(text, esr);
		break;
	case ESR_EC_SERROR:
		append_serror(text, esr);
		break;
	default:
		append_iss(text, esr);
	}
}

int esr_describe(char *buf, size_t size, u64 esr)
{
	struct text text = { .buf = buf, .size = size };
	unsigned int ec = esr_ec(esr);

	append(&text, "%s", esr_ec_name(ec));
	if (!ec_names[ec][0])
		append(&text, " 0x%02x", ec);
	append_syndrome(&text, esr);
	if (!(esr & ESR_IL))
		append(&text, ", 16-bit instruction");
	return (int)text.used;
}
