// SPDX-License-Identifier: BSD-2-Clause
/*
 * The device tree, written in order with libfdt's sequential-write functions. The bindings are in
 * Documentation/devicetree/bindings in Linux.
 */
#include "tree.h"

#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "layout.h"
#include "message.h"
#include "vcpu.h"
#include "virtio.h"

#define PHANDLE_GIC   1
#define PHANDLE_CLOCK 2

#define UART_CLOCK_HZ 24000000

/* The cells of an interrupt: kind, number, trigger (arm,gic-v3.yaml). */
#define GIC_SPI	   0
#define GIC_PPI	   1
#define EDGE	   1
#define LEVEL_HIGH 4

/* All functions below fail only if there is too little room. */
static void need(int error)
{
	if (error)
		die("cannot build the device tree: %s", fdt_strerror(error));
}

static void begin(void *fdt, const char *name)
{
	need(fdt_begin_node(fdt, name));
}

/* A node NAME@ADDRESS. */
static void begin_at(void *fdt, const char *name, uint64_t address)
{
	char full[64];

	snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
	need(fdt_begin_node(fdt, full));
}

static void end(void *fdt)
{
	need(fdt_end_node(fdt));
}

static void put_string(void *fdt, const char *name, const char *value)
{
	need(fdt_property_string(fdt, name, value));
}

static void put_u32(void *fdt, const char *name, uint32_t value)
{
	need(fdt_property_u32(fdt, name, value));
}

/* @count numbers of 64 bits: addresses and sizes have two cells each in this tree. */
static void put_u64s(void *fdt, const char *name, const uint64_t *values, unsigned int count)
{
	fdt64_t cells[4];

	for (unsigned int i = 0; i < count; i++)
		cells[i] = cpu_to_fdt64(values[i]);
	need(fdt_property(fdt, name, cells, (int)(count * sizeof(cells[0]))));
}

static void put_reg(void *fdt, uint64_t base, uint64_t size)
{
	const uint64_t reg[] = { base, size };

	put_u64s(fdt, "reg", reg, 2);
}

static void put_u32s(void *fdt, const char *name, const uint32_t *values, unsigned int count)
{
	fdt32_t cells[12];

	for (unsigned int i = 0; i < count; i++)
		cells[i] = cpu_to_fdt32(values[i]);
	need(fdt_property(fdt, name, cells, (int)(count * sizeof(cells[0]))));
}

static void put_spi(void *fdt, unsigned int intid, uint32_t trigger)
{
	const uint32_t interrupt[] = { GIC_SPI, intid - FIRST_SPI, trigger };

	put_u32s(fdt, "interrupts", interrupt, 3);
}

static void put_chosen(void *fdt, const struct tree_boot *boot)
{
	char uart[32];

	snprintf(uart, sizeof(uart), "/serial@%" PRIx64, UART_BASE);
	begin(fdt, "chosen");
	put_string(fdt, "bootargs", boot->cmdline);
	put_string(fdt, "stdout-path", uart);
	if (boot->initrd_end) {
		put_u64s(fdt, "linux,initrd-start", &boot->initrd_start, 1);
		put_u64s(fdt, "linux,initrd-end", &boot->initrd_end, 1);
	}
	end(fdt);
}

static void put_memory(void *fdt, const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_banks; i++) {
		begin_at(fdt, "memory", vm->banks[i].base);
		put_string(fdt, "device_type", "memory");
		put_reg(fdt, vm->banks[i].base, vm->banks[i].size);
		end(fdt);
	}
}

static void put_cpus(void *fdt, const struct vm *vm)
{
	begin(fdt, "cpus");
	put_u32(fdt, "#address-cells", 2);
	put_u32(fdt, "#size-cells", 0);
	for (unsigned int i = 0; i < vm->nr_cpus; i++) {
		uint64_t mpidr = vcpu_mpidr(&vm->vcpus[i]);

		begin_at(fdt, "cpu", mpidr);
		put_string(fdt, "device_type", "cpu");
		put_string(fdt, "compatible", "arm,armv8");
		put_string(fdt, "enable-method", "psci");
		put_u64s(fdt, "reg", &mpidr, 1);
		end(fdt);
	}
	end(fdt);
}

/* KVM answers PSCI calls itself: it was asked to by KVM_ARM_VCPU_PSCI_0_2. */
static void put_psci(void *fdt, const struct vm *vm)
{
	static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

	begin(fdt, "psci");
	need(fdt_property(fdt, "compatible", compatible, sizeof(compatible)));
	/* at EL2, HVC is the guest's own */
	put_string(fdt, "method", vm->nested ? "smc" : "hvc");
	end(fdt);
}

static void put_gic(void *fdt, const struct vm *vm)
{
	const uint64_t v3[] = { GICD_BASE, GICD_SIZE, GICR_BASE, vm->nr_cpus * GICR_SIZE };
	static const uint64_t v2[] = { GICD_BASE, GICV2_DIST_SIZE, GICC_BASE, GICC_SIZE };
	static const uint32_t maintenance[] = { GIC_PPI, MAINTENANCE_INTID - FIRST_PPI,
						LEVEL_HIGH };

	begin_at(fdt, "interrupt-controller", GICD_BASE);
	put_string(fdt, "compatible", vm->gicv2 ? "arm,cortex-a15-gic" : "arm,gic-v3");
	put_u32(fdt, "#interrupt-cells", 3);
	need(fdt_property(fdt, "interrupt-controller", NULL, 0));
	put_u64s(fdt, "reg", vm->gicv2 ? v2 : v3, 4);
	if (vm->nested)
		put_u32s(fdt, "interrupts", maintenance, 3);
	put_u32(fdt, "phandle", PHANDLE_GIC);
	end(fdt);
}

static void put_timer(void *fdt, const struct vm *vm)
{
	/* Secure, non-secure, virtual, hypervisor, EL2's virtual: in the binding's order. */
	static const uint32_t interrupts[] = {
		GIC_PPI, TIMER_EL3_INTID - FIRST_PPI,  LEVEL_HIGH, /**/
		GIC_PPI, TIMER_PHYS_INTID - FIRST_PPI, LEVEL_HIGH, /**/
		GIC_PPI, TIMER_VIRT_INTID - FIRST_PPI, LEVEL_HIGH, /**/
		GIC_PPI, TIMER_HYP_INTID - FIRST_PPI,  LEVEL_HIGH, /**/
		GIC_PPI, TIMER_HYPV_INTID - FIRST_PPI, LEVEL_HIGH,
	};

	begin(fdt, "timer");
	put_string(fdt, "compatible", "arm,armv8-timer");
	put_u32s(fdt, "interrupts", interrupts, vm->nested ? 15 : 12);
	need(fdt_property(fdt, "always-on", NULL, 0));
	end(fdt);
}

static void put_spe(void *fdt)
{
	static const uint32_t interrupt[] = { GIC_PPI, SPE_INTID - FIRST_PPI, LEVEL_HIGH };

	begin(fdt, "spe-pmu");
	put_string(fdt, "compatible", "arm,statistical-profiling-extension-v1");
	put_u32s(fdt, "interrupts", interrupt, 3);
	end(fdt);
}

static void put_uart(void *fdt)
{
	static const char compatible[] = "arm,pl011\0arm,primecell";
	static const char clock_names[] = "uartclk\0apb_pclk";
	static const uint32_t clocks[] = { PHANDLE_CLOCK, PHANDLE_CLOCK };

	begin(fdt, "clock");
	put_string(fdt, "compatible", "fixed-clock");
	put_u32(fdt, "#clock-cells", 0);
	put_u32(fdt, "clock-frequency", UART_CLOCK_HZ);
	put_u32(fdt, "phandle", PHANDLE_CLOCK);
	end(fdt);

	begin_at(fdt, "serial", UART_BASE);
	need(fdt_property(fdt, "compatible", compatible, sizeof(compatible)));
	put_reg(fdt, UART_BASE, UART_SIZE);
	put_spi(fdt, UART_INTID, LEVEL_HIGH);
	put_u32s(fdt, "clocks", clocks, 2);
	need(fdt_property(fdt, "clock-names", clock_names, sizeof(clock_names)));
	end(fdt);
}

static void put_virtio(void *fdt, unsigned int index)
{
	uint64_t base = VIRTIO_BASE + index * VIRTIO_SIZE;

	begin_at(fdt, "virtio", base);
	put_string(fdt, "compatible", "virtio,mmio");
	put_reg(fdt, base, VIRTIO_SIZE);
	put_spi(fdt, VIRTIO_INTID + index, EDGE);
	need(fdt_property(fdt, "dma-coherent", NULL, 0));
	end(fdt);
}

static void put_root(void *fdt)
{
	put_string(fdt, "compatible", "keel,vmrun");
	put_string(fdt, "model", "vmrun");
	put_u32(fdt, "#address-cells", 2);
	put_u32(fdt, "#size-cells", 2);
	put_u32(fdt, "interrupt-parent", PHANDLE_GIC);
}

void tree_build(const struct vm *vm, const struct tree_boot *boot, void *to)
{
	need(fdt_create(to, TREE_SIZE));
	need(fdt_finish_reservemap(to));
	begin(to, "");
	put_root(to);
	put_chosen(to, boot);
	put_memory(to, vm);
	put_cpus(to, vm);
	put_psci(to, vm);
	put_gic(to, vm);
	put_timer(to, vm);
	if (vm->spe)
		put_spe(to);
	put_uart(to);
	for (unsigned int i = 0; i < virtio_count(); i++)
		put_virtio(to, i);
	end(to);
	need(fdt_finish(to));
}
