// SPDX-License-Identifier: GPL-2.0
/*
 * The private interrupts that EL2 handles while a guest runs. They must be enabled on each CPU in the
 * redistributor or the GICv2's distributor, which belongs to the host. The host has nothing to do when
 * one arrives, since EL2 has handled it by then.
 */
#include <linux/acpi.h>
#include <linux/cpuhotplug.h>
#include <linux/interrupt.h>
#include <linux/irqdomain.h>
#include <linux/of.h>
#include <linux/of_irq.h>
#include <linux/percpu.h>

#include "compat.h"
#include "keel.h"

/* The GIC's device-tree binding: private interrupts are type 1, counted from INTID 16. */
#define GIC_FDT_PPI   1
#define GIC_FDT_LEVEL 4

/* The last one is an SGI, which a GICv2 needs. */
static const struct {
	u32 intid;
	const char *name;
} held[] = {
	{ KEEL_PPI_VTIMER, "keel-vtimer" },
	{ 26, "keel-ptimer" },
	{ 25, "keel-vgic" },
	{ KEEL_KICK_SGI, "keel-kick" },
};

#define NR_HELD ARRAY_SIZE(held)
#define NR_PPIS (NR_HELD - 1)

/*
 * With ACPI the virtual timer is the host's own, which has its interrupt enabled already. While a
 * guest has it, EL2 keeps the host's deadline in the physical one.
 */
static u32 held_intid(unsigned int i)
{
	if (!acpi_disabled && held[i].intid == KEEL_PPI_VTIMER)
		return KEEL_PPI_PTIMER;
	return held[i].intid;
}

static unsigned int irqs[NR_HELD];
static unsigned int nr_irqs_held;
static int hotplug_state;
static int __percpu *cookie; /* for request_percpu_irq() */

static irqreturn_t handle_held(int irq, void *data)
{
	return IRQ_HANDLED;
}

static int enable_held(unsigned int cpu)
{
	for (unsigned int i = 0; i < nr_irqs_held; i++)
		enable_percpu_irq(irqs[i], IRQ_TYPE_NONE);
	return 0;
}

static int disable_held(unsigned int cpu)
{
	for (unsigned int i = 0; i < nr_irqs_held; i++)
		disable_percpu_irq(irqs[i]);
	return 0;
}

/* The driver of the GICv2 takes one number for an SGI, as of its own. */
static struct of_phandle_args spec_of(struct device_node *gic, u32 intid)
{
	struct of_phandle_args sgi = { .np = gic, .args_count = 1, .args = { intid } };
	struct of_phandle_args ppi = {
		.np = gic,
		.args_count = 3,
		.args = { GIC_FDT_PPI, intid - KEEL_SGIS, GIC_FDT_LEVEL },
	};

	return intid < KEEL_SGIS ? sgi : ppi;
}

/* ACPI knows no SGIs: as with a device tree, by the domain of an interrupt that the GIC has. */
static unsigned int map_acpi_sgi(u32 intid)
{
	unsigned int ppi = keel_acpi_map_gsi(KEEL_PPI_PTIMER);
	struct irq_data *data = ppi ? irq_get_irq_data(ppi) : NULL;
	struct irq_fwspec spec = { .param_count = 1, .param = { intid } };

	if (!data || !data->domain)
		return 0;
	spec.fwnode = data->domain->fwnode;
	return irq_create_fwspec_mapping(&spec);
}

/* Return: Linux's number of a private interrupt; 0 if it cannot be had. @gic: NULL with ACPI. */
static unsigned int map_held(struct device_node *gic, u32 intid)
{
	struct of_phandle_args spec = spec_of(gic, intid);

	if (gic)
		return irq_create_of_mapping(&spec);
	return intid < KEEL_SGIS ? map_acpi_sgi(intid) : keel_acpi_map_gsi(intid);
}

/* As Keel found it with ACPI, which gives VMs no GICv2 where it found none. */
static bool needs_sgi(const struct device_node *gic)
{
	return gic ? !of_device_is_compatible(gic, "arm,gic-v3") : keel_gic_version() == 2;
}

static int request_held(struct device_node *gic, unsigned int i)
{
	int ret;

	irqs[i] = map_held(gic, held_intid(i));
	if (!irqs[i])
		return -ENOENT;
	ret = request_percpu_irq(irqs[i], handle_held, held[i].name, cookie);
	if (!ret)
		nr_irqs_held++;
	return ret;
}

static void release_held(void)
{
	while (nr_irqs_held)
		free_percpu_irq(irqs[--nr_irqs_held], cookie);
	free_percpu(cookie);
}

static int request_all(struct device_node *gic, unsigned int count)
{
	int ret = 0;

	cookie = alloc_percpu(int);
	if (!cookie)
		return -ENOMEM;
	for (unsigned int i = 0; i < count && !ret; i++)
		ret = request_held(gic, i);
	if (ret)
		release_held();
	return ret;
}

static const struct of_device_id gics[] = { { .compatible = "arm,gic-v3" },
					    { .compatible = "arm,gic-400" },
					    { .compatible = "arm,cortex-a15-gic" },
					    { .compatible = "arm,cortex-a7-gic" },
					    {} };

int keel_hostirq_init(void)
{
	struct device_node *gic = of_find_matching_node(NULL, gics);
	int ret;

	/* Without one of these there is no vGIC, and EL2 has no interrupt. */
	if (!gic && acpi_disabled)
		return 0;
	/* On ACPI the first one is the host's own deadline, which any guest's run must end at. */
	ret = request_all(gic, needs_sgi(gic) ? NR_HELD : NR_PPIS);
	of_node_put(gic);
	if (ret)
		return ret;
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "keel:online", enable_held, disable_held);
	if (ret < 0) {
		release_held();
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
	release_held();
}
