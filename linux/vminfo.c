// SPDX-License-Identifier: GPL-2.0
/*
 * What keelctl reads, in debugfs, readable by root only: /sys/kernel/debug/keel/log, the log of
 * Keel; and for each VM a directory vm/NUMBER with `info`, a name and a value per line; `stage2`,
 * its memory map; `spe`, the profiling of its vCPUs, with a vCPU, a name and a value per line; and
 * `nested`, what its EL2 came to, as `info`.
 *
 * A file is not removed while it is read, and it is removed before the VM is freed.
 */
#include <linux/arm-smccc.h>
#include <linux/debugfs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#include "keel.h"

static struct dentry *vms;

/* ---- a VM ---- */

static int info_show(struct seq_file *file, void *unused)
{
	struct keel_vm *vm = file->private;
	struct keel_regs regs = { { KEEL_HC_VM_INFO, vm->handle } };
	long ret = keel_hvc(&regs);

	if (ret)
		return ret;
	seq_printf(file, "ipa_bits %lu\n", regs.x[1] & 0xff);
	seq_printf(file, "granule %lu\n", 1UL << (regs.x[1] >> 8 & 0xff));
	seq_printf(file, "start_level %lu\n", regs.x[1] >> 16 & 0xff);
	seq_printf(file, "root_tables %lu\n", regs.x[1] >> 24 & 0xff);
	seq_printf(file, "vcpus %lu\n", regs.x[1] >> 32);
	seq_printf(file, "root_bytes %lu\n", regs.x[2]);
	seq_printf(file, "table_bytes %lu\n", regs.x[3]);
	seq_printf(file, "donated_bytes %lu\n", regs.x[4]);
	seq_printf(file, "free_bytes %lu\n", regs.x[5]);
	seq_printf(file, "owner %d\n", vm->owner);
	seq_printf(file, "owner_name %s\n", vm->owner_name);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(info);

/*
 * Adjacent memory with the same attributes. Extents that EL2 returned in several calls are merged.
 */
struct extent {
	u64 ipa, size, flags, block;
};

static void print_extent(struct seq_file *file, const struct extent *s)
{
	if (!s->size)
		return;
	seq_printf(file, "%#llx %#llx %llu r%c%c%s%s\n", s->ipa, s->ipa + s->size - 1, s->block,
		   s->flags & KEEL_MAP_WRITE ? 'w' : '-', s->flags & KEEL_MAP_EXEC ? 'x' : '-',
		   s->flags & KEEL_MAP_DEVICE ? " device" : "",
		   s->flags & KEEL_MAP_NC ? " non-cacheable" : "");
}

static void add_extent(struct seq_file *file, struct extent *s, const struct extent *next)
{
	if (s->size && next->ipa == s->ipa + s->size && next->flags == s->flags &&
	    next->block == s->block) {
		s->size += next->size;
		return;
	}
	print_extent(file, s);
	*s = *next;
}

/* Return: 1 at the end; 0, with *ipa where to continue; or an error. */
static int walk_step(struct keel_vm *vm, struct seq_file *file, u64 *ipa, struct extent *last)
{
	struct keel_regs regs = { { KEEL_HC_VM_WALK, vm->handle, *ipa } };
	struct extent next;
	long ret = keel_hvc(&regs);

	if (ret && ret != -EAGAIN)
		return ret;
	next = (struct extent){ regs.x[1], regs.x[2], regs.x[3], regs.x[4] };
	*ipa = next.ipa + next.size;
	if (!ret && !next.size)
		return 1;
	if (!ret)
		add_extent(file, last, &next);
	return *ipa >> vm->ipa_bits ? 1 : 0;
}

static int stage2_show(struct seq_file *file, void *unused)
{
	struct keel_vm *vm = file->private;
	struct extent last = {};
	u64 ipa = 0;
	int ret;

	do {
		ret = walk_step(vm, file, &ipa, &last);
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
	} while (!ret);
	print_extent(file, &last);
	return ret < 0 ? ret : 0;
}

DEFINE_SHOW_ATTRIBUTE(stage2);

static void show_spe(struct seq_file *file, struct keel_vm *vm, unsigned int index)
{
	struct keel_regs regs = { { KEEL_HC_VCPU_SPE_STATS, vm->handle, index } };

	if (keel_hvc(&regs)) /* it has no SPE, or this Keel has no such call */
		return;
	seq_printf(file, "%u samples %lu\n", index, regs.x[1]);
	seq_printf(file, "%u dropped %lu\n", index, regs.x[2]);
	seq_printf(file, "%u false_hits %lu\n", index, regs.x[3]);
	seq_printf(file, "%u emulated %lu\n", index, regs.x[4]);
}

static int spe_show(struct seq_file *file, void *unused)
{
	struct keel_vm *vm = file->private;

	for (unsigned int index = 0; index < KEEL_VCPUS; index++)
		if (smp_load_acquire(&vm->vcpus[index]))
			show_spe(file, vm, index);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(spe);

/* By enum keel_nested. */
static const char *const nested_names[KEEL_NESTED_COUNT] = {
	[KEEL_NESTED_CONTEXTS] = "contexts",
	[KEEL_NESTED_KEYED] = "keyed",
	[KEEL_NESTED_USED] = "used",
	[KEEL_NESTED_BYTES] = "bytes",
	[KEEL_NESTED_MAPPED] = "mapped",
	[KEEL_NESTED_PARTIAL] = "partial",
	[KEEL_NESTED_HITS] = "hits",
	[KEEL_NESTED_MISSES] = "misses",
	[KEEL_NESTED_RECYCLED] = "recycled",
	[KEEL_NESTED_CLEARED] = "cleared",
	[KEEL_NESTED_FORGOTTEN] = "forgotten",
	[KEEL_NESTED_FILLED] = "faults_filled",
	[KEEL_NESTED_TO_EL2] = "faults_el2",
	[KEEL_NESTED_TO_HOST] = "faults_host",
	[KEEL_NESTED_TLBI_EL2] = "tlbi_el2",
	[KEEL_NESTED_TLBI_STAGE1] = "tlbi_stage1",
	[KEEL_NESTED_TLBI_IPA] = "tlbi_ipa",
	[KEEL_NESTED_TLBI_ALL] = "tlbi_all",
	[KEEL_NESTED_EXIT_ERET] = "exits_eret",
	[KEEL_NESTED_EXIT_HVC] = "exits_hvc",
	[KEEL_NESTED_EXIT_SYSREG] = "exits_sysreg",
	[KEEL_NESTED_EXIT_EL2_OTHER] = "exits_el2_other",
	[KEEL_NESTED_EXIT_TAKEN] = "exits_taken",
	[KEEL_NESTED_EXIT_FAULT] = "exits_fault",
	[KEEL_NESTED_EXIT_EL1_OTHER] = "exits_el1_other",
	[KEEL_NESTED_EXIT_IRQ] = "exits_irq",
};

/* Nothing of a VM whose vCPUs have no EL2, nor of a Keel that has no such call. */
static int nested_show(struct seq_file *file, void *unused)
{
	struct keel_vm *vm = file->private;

	for (unsigned int i = 0; i < KEEL_NESTED_COUNT; i++) {
		struct keel_regs regs = { { KEEL_HC_VM_NESTED, vm->handle, i } };

		if (!keel_hvc(&regs))
			seq_printf(file, "%s %lu\n", nested_names[i], regs.x[1]);
	}
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(nested);

/* Without debugfs nothing can be read. Nothing else changes. */
void keel_vminfo_add(struct keel_vm *vm)
{
	static atomic_t number = ATOMIC_INIT(0);
	char name[16];

	vm->owner = task_tgid_nr(current);
	get_task_comm(vm->owner_name, current->group_leader);
	snprintf(name, sizeof(name), "%u", (unsigned int)atomic_inc_return(&number));
	vm->info = debugfs_create_dir(name, vms);
	debugfs_create_file("info", 0400, vm->info, vm, &info_fops);
	debugfs_create_file("stage2", 0400, vm->info, vm, &stage2_fops);
	debugfs_create_file("spe", 0400, vm->info, vm, &spe_fops);
	debugfs_create_file("nested", 0400, vm->info, vm, &nested_fops);
}

void keel_vminfo_remove(struct keel_vm *vm)
{
	debugfs_remove(vm->info);
}

/* ---- Keel's log ---- */

/* KEEL_HC_LOG_READ: x0 is the number of bytes, x1 where to continue, x3 and up the text. */
static unsigned long read_log(u64 *position, char *text)
{
	struct arm_smccc_1_2_regs regs = { .a0 = KEEL_HC_LOG_READ, .a1 = *position };
	unsigned long size;

	arm_smccc_1_2_hvc(&regs, &regs);
	size = min_t(unsigned long, regs.a0, KEEL_LOG_READ_MAX);
	*position = regs.a1;
	memcpy(text, (char *)&regs + offsetof(typeof(regs), a3), size);
	return size;
}

static int log_show(struct seq_file *file, void *unused)
{
	char text[KEEL_LOG_READ_MAX];
	unsigned long size;
	u64 position = 0;

	while ((size = read_log(&position, text)) && !seq_has_overflowed(file))
		seq_write(file, text, size);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(log);

void keel_vminfo_init(struct dentry *directory)
{
	debugfs_create_file("log", 0400, directory, NULL, &log_fops);
	vms = debugfs_create_dir("vm", directory);
}
