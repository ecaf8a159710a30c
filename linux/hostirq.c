// SPDX-License-Identifier: GPL-2.0
/*
 * The three private interrupts that EL2 handles while a guest runs. They must be enabled in the
 * redistributor of each CPU, which belongs to the host. The host has nothing to do when one
 * arrives, since EL2 has handled it by then.
 */
#include <linux/cpuhotplug.h>
#include <linux/interrupt.h>
#include <linux/irqdomain.h>
#include <linux/of.h>
#include <linux/of_irq.h>
#include <linux/percpu.h>

#include "keel.h"

/* The GIC's device-tree binding: private interrupts are type 1, counted from INTID 16. */
#define GIC_FDT_PPI   1
#define GIC_FDT_LEVEL 4

static const struct {
	u32 intid;
	const char *name;
} ppis[] = {
	{ 27, "keel-vtimer" },
	{ 26, "keel-ptimer" },
	{ 25, "keel-vgic" },
};

static unsigned int irqs[ARRAY_SIZE(ppis)];
static unsigned int nr_irqs_held;
static int hotplug_state;
static int __percpu *cookie; /* for request_percpu_irq() */

static irqreturn_t handle_ppi(int irq, void *data)
{
	return IRQ_HANDLED;
}

static int enable_ppis(unsigned int cpu)
{
	for (unsigned int i = 0; i < nr_irqs_held; i++)
		enable_percpu_irq(irqs[i], IRQ_TYPE_NONE);
	return 0;
}

static int disable_ppis(unsigned int cpu)
{
	for (unsigned int i = 0; i < nr_irqs_held; i++)
		disable_percpu_irq(irqs[i]);
	return 0;
}

static int request_ppi(struct device_node *gic, unsigned int i)
{
	struct of_phandle_args spec = {
		.np = gic,
		.args_count = 3,
		.args = { GIC_FDT_PPI, ppis[i].intid - KEEL_SGIS, GIC_FDT_LEVEL },
	};
	int ret;

	irqs[i] = irq_create_of_mapping(&spec);
	if (!irqs[i])
		return -ENOENT;
	ret = request_percpu_irq(irqs[i], handle_ppi, ppis[i].name, cookie);
	if (!ret)
		nr_irqs_held++;
	return ret;
}

static void release_ppis(void)
{
	while (nr_irqs_held)
		free_percpu_irq(irqs[--nr_irqs_held], cookie);
	free_percpu(cookie);
}

static int request_ppis(struct device_node *gic)
{
	int ret = 0;

	cookie = alloc_percpu(int);
	if (!cookie)
		return -ENOMEM;
	for (unsigned int i = 0; i < ARRAY_SIZE(ppis) && !ret; i++)
		ret = request_ppi(gic, i);
	if (ret)
		release_ppis();
	return ret;
}

int keel_hostirq_init(void)
{
	struct device_node *gic = of_find_compatible_node(NULL, NULL, "arm,gic-v3");
	int ret;

	/* Without a GICv3 there is no vGIC. VMs can be created all the same. */
	if (!gic)
		return 0;
	ret = request_ppis(gic);
	of_node_put(gic);
	if (ret)
		return ret;
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "keel:online", enable_ppis, disable_ppis);
	if (ret < 0) {
		release_ppis();
		return ret;
	}
	hotplug_state = ret;
	return 0;
}

void keel_hostirq_exit(void)
{
	if (!hotplug_state)
		return;
	cpuhp_remove_state(hotplug_state);
	release_ppis();
}
