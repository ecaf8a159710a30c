// SPDX-License-Identifier: BSD-2-Clause
/* A table of OP-TEE's calls. A call that is not in it does not reach the Secure world. */
#include <host/optee.h>
#include <host/psci.h>
#include <lib/errno.h>

/* Function identifiers: fast ones of owner 50, queries of owner 63, yielding ones of owner 50. */
#define OPTEE_CALLS_UID		    0xbf00ff01U
#define OPTEE_CALLS_REVISION	    0xbf00ff03U
#define OPTEE_GET_OS_UUID	    0xb2000000U
#define OPTEE_GET_OS_REVISION	    0xb2000001U
#define OPTEE_GET_SHM_CONFIG	    0xb2000007U
#define OPTEE_EXCHANGE_CAPABILITIES 0xb2000009U
#define OPTEE_DISABLE_SHM_CACHE	    0xb200000aU
#define OPTEE_ENABLE_SHM_CACHE	    0xb200000bU
#define OPTEE_GET_THREAD_COUNT	    0xb200000fU
#define OPTEE_ENABLE_ASYNC_NOTIF    0xb2000010U
#define OPTEE_GET_ASYNC_NOTIF_VALUE 0xb2000011U
#define OPTEE_RETURN_FROM_RPC	    0x32000003U
#define OPTEE_CALL_WITH_ARG	    0x32000004U

#define OPTEE_RETURN_OK	      0
#define OPTEE_RETURN_EBADADDR 4

/* Capabilities of the Secure world. */
#define OPTEE_CAP_RESERVED_SHM BIT(0) /* it has reserved shared memory */
#define OPTEE_CAP_MEMREF_NULL  BIT(4) /* it accepts a reference to no memory */
#define OPTEE_CAP_ASYNC_NOTIF  BIT(5) /* it notifies by an interrupt */

/* With none of these does it accept an address outside of the reserved memory. */
#define OPTEE_CAPS_HARMLESS (OPTEE_CAP_RESERVED_SHM | OPTEE_CAP_MEMREF_NULL | OPTEE_CAP_ASYNC_NOTIF)

/* What is checked in a call; all else is passed on unchanged. */
enum optee_check {
	OPTEE_PASS,
	OPTEE_MESSAGE, /* w1:w2 is the address of a message */
	OPTEE_CAPS     /* x1 of the result has capabilities */
};

static const struct optee_call {
	u32 fid;
	enum optee_check check;
} calls[] = {
	{ OPTEE_CALLS_UID, OPTEE_PASS },
	{ OPTEE_CALLS_REVISION, OPTEE_PASS },
	{ OPTEE_GET_OS_UUID, OPTEE_PASS },
	{ OPTEE_GET_OS_REVISION, OPTEE_PASS },
	{ OPTEE_GET_SHM_CONFIG, OPTEE_PASS },
	{ OPTEE_EXCHANGE_CAPABILITIES, OPTEE_CAPS },
	{ OPTEE_DISABLE_SHM_CACHE, OPTEE_PASS },
	{ OPTEE_ENABLE_SHM_CACHE, OPTEE_PASS },
	{ OPTEE_GET_THREAD_COUNT, OPTEE_PASS },
	{ OPTEE_ENABLE_ASYNC_NOTIF, OPTEE_PASS },
	{ OPTEE_GET_ASYNC_NOTIF_VALUE, OPTEE_PASS },
	/*
	 * the host's reply to "allocate" has an address, which OP-TEE checks against its own range
	 */
	{ OPTEE_RETURN_FROM_RPC, OPTEE_PASS },
	{ OPTEE_CALL_WITH_ARG, OPTEE_MESSAGE },
};

static struct smccc_regs ask_optee(const struct optee *optee, u32 fid)
{
	struct smccc_regs r = { .x = { fid } };

	optee->ops->smc(optee->ctx, &r);
	return r;
}

/* 384fb3e0-e7f8-11e3-af63-0002a5d5c51b: the interface, not the OS behind it. */
static bool speaks_optee(const struct optee *optee)
{
	struct smccc_regs r = ask_optee(optee, OPTEE_CALLS_UID);

	return (u32)r.x[0] == 0x384fb3e0 && (u32)r.x[1] == 0xe7f811e3 &&
	       (u32)r.x[2] == 0xaf630002 && (u32)r.x[3] == 0xa5d5c51b;
}

/* Whole pages, since ownership is of pages. */
static int keep_shm(struct optee *optee)
{
	struct smccc_regs r = ask_optee(optee, OPTEE_GET_SHM_CONFIG);
	u64 base = r.x[1], size = r.x[2];

	if ((u32)r.x[0] != OPTEE_RETURN_OK || !size || base > BIT(52) || size > BIT(52))
		return -EINVAL;
	optee->shm_base = base;
	optee->shm_size = size;
	return optee->ops->keep(optee->ctx, ALIGN_DOWN(base, SZ_4K),
				ALIGN_UP(base + size, SZ_4K) - ALIGN_DOWN(base, SZ_4K));
}

const char *optee_init(struct optee *optee, const struct optee_ops *ops, void *ctx)
{
	struct smccc_regs caps;

	*optee = (struct optee){ .ops = ops, .ctx = ctx };
	if (!speaks_optee(optee))
		return "there is no OP-TEE that is called by SMC";
	caps = ask_optee(optee, OPTEE_EXCHANGE_CAPABILITIES);
	if ((u32)caps.x[0] != OPTEE_RETURN_OK || !(caps.x[1] & OPTEE_CAP_RESERVED_SHM))
		return "it has no reserved shared memory";
	if (caps.x[1] & ~(u64)OPTEE_CAPS_HARMLESS)
		return "it accepts any memory as shared memory";
	if (keep_shm(optee))
		return "its reserved shared memory is not the host's";
	optee->on = true;
	return NULL;
}

static const struct optee_call *find_optee_call(u32 id)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].fid == id)
			return &calls[i];
	}
	return NULL;
}

static bool is_in_shm(const struct optee *optee, u64 address)
{
	return address >= optee->shm_base && address - optee->shm_base < optee->shm_size;
}

bool optee_handle(const struct optee *optee, struct smccc_regs *regs)
{
	const struct optee_call *call = find_optee_call(smc_identity((u32)regs->x[0]));

	if (!optee->on || !call)
		return false;
	if (call->check == OPTEE_MESSAGE &&
	    !is_in_shm(optee, (u64)(u32)regs->x[1] << 32 | (u32)regs->x[2])) {
		regs->x[0] = OPTEE_RETURN_EBADADDR;
		return true;
	}
	optee->ops->smc(optee->ctx, regs);
	if (call->check == OPTEE_CAPS)
		regs->x[1] &= OPTEE_CAPS_HARMLESS;
	return true;
}
