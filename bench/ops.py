# SPDX-License-Identifier: BSD-2-Clause
"""What virtual machines cost: stock KVM beside Keel, operation by operation, in instructions.

The same QEMU, CPU model, host kernel, VMM (vmrun) and guest on both sides. On one the host's kernel has
EL2 and its own KVM, on the other Keel has EL2 and the host has keel.ko. bench/host/autostart is what
the host does, bench/guest/ the guest. docs/bench.md explains the lines; common.py the exit status.
"""

import argparse
import dataclasses
import re
import statistics
import sys
from pathlib import Path

import chart
import common
import hosts
from common import BenchError
from hosts import boot_instructions, instructions_of, lines, sections

CMDLINE = "console=ttyAMA0 quiet"
# (host kernel, CPU model)
QUICK = [("6.1-cloud", "max")]
FULL = [(kernel, cpu) for kernel in ("6.1-cloud", "6.12-cloud") for cpu in ("max", "neoverse-n1", "cortex-a57")]

# Targets.
NONE = None
STOCK_KVM = "stock KVM"  # what it costs there
SHARE = "a share of stock KVM"  # SHARE_FACTOR times what it costs there
SHARE_FACTOR = 0.6
GUEST_PART = "guest part"  # GUEST_FACTOR times what ran in the guest itself
GUEST_FACTOR = 1.005


@dataclasses.dataclass(frozen=True)
class Operation:
    """A line of the table."""

    name: str
    title: str
    section: str  # of the host's output
    target: "int | str | None"


OPERATIONS = [
    Operation("nothing", "nothing: the guest's loop", "pages", NONE),
    Operation("hypercall", "null hypercall", "pages", 120),
    Operation("distributor-read", "vGIC distributor read", "pages", 220),
    Operation("mmio-read", "MMIO read served by the VMM", "pages", 2500),
    Operation("ipi", "IPI between two vCPUs", "pair", 800),
    Operation("eoi", "EOI of a virtual interrupt", "pages", 21),
    Operation("timer", "virtual timer interrupt, latency", "pages", 600),
    Operation("lpi-irqfd", "LPI by irqfd", "irqs", 2500),
    Operation("lpi-irqfd", "the same, beside stock KVM", "irqs", SHARE),
    Operation("lpi-msi", "LPI by KVM_SIGNAL_MSI", "irqs", SHARE),
    Operation("spi-irqfd", "SPI by irqfd", "irqs", SHARE),
    Operation("doorbell", "doorbell: write to an ioeventfd", "irqs", SHARE),
    Operation("known-page", "stage-2 fault, page that the host has", "pages", STOCK_KVM),
    Operation("fresh-page", "stage-2 fault, fresh page", "pages", STOCK_KVM),
    Operation("known-block", "stage-2 fault, 2 MiB that the host has", "blocks", STOCK_KVM),
    Operation("fresh-block", "stage-2 fault, fresh 2 MiB", "blocks", STOCK_KVM),
    Operation("vm-create", "VM create", "vmlife", STOCK_KVM),
    Operation("vm-run", "VM, first entry to first exit", "vmlife", STOCK_KVM),
    Operation("vm-destroy", "VM destroy", "vmlife", STOCK_KVM),
    Operation("unmap-page", "madvise: a page of the guest's goes", "vmmemory", STOCK_KVM),
    Operation("unmap-range", "madvise: 256 MiB in pages go", "vmmemory", STOCK_KVM),
    Operation("log-begin", "256 MiB in pages are logged from now on", "vmmemory", STOCK_KVM),
    Operation("logged-write", "first write to a page that is logged", "vmmemory", STOCK_KVM),
    Operation("log-round", "dirty log of 256 MiB, all written", "vmmemory", STOCK_KVM),
    Operation("fork", "fork of a VMM with 256 MiB in pages", "vmmemory", STOCK_KVM),
    Operation("forked-write", "first write to a page after the fork", "vmmemory", STOCK_KVM),
    Operation("boot", "guest boot, first instruction to /init", "boot", GUEST_PART),
]


@dataclasses.dataclass
class Row:
    """A line of the result. Instructions, for one operation."""

    kernel: str
    cpu: str
    operation: str
    title: str
    kvm: float
    keel: float
    target: "float | None"
    target_is: "str | None"  # STOCK_KVM, SHARE, GUEST_PART, or a number of its own

    @property
    def verdict(self):
        return common.verdict(self.keel, self.target)


# ---- the host's output


def values_of(*consoles):
    """{(section, operation): instructions} of hosts: with one and two CPUs, with QEMU."""
    found = {name: text for console in consoles for name, text in sections(console).items()}
    boots = [boot_instructions(text) for name, text in found.items() if name.startswith("boot")]
    values = {
        (name, operation): value
        for name, text in found.items()
        if lines(text)
        for operation, value in instructions_of(text).items()
    }
    pause = values.pop(("vmlife", "vm-nothing"), 0)
    for key in values:
        if key[0] == "vmlife":
            values[key] -= pause
    if boots:
        values["boot", "boot"] = statistics.median(boots)
    part = re.search(r"^BENCH guest-instructions=(\d+)$", found.get("guestpart", ""), re.M)
    if part:
        values["guestpart", "boot"] = int(part.group(1))
    return values


# ---- machines


def target_of(operation, kvm):
    if operation.target == STOCK_KVM:
        return kvm[operation.section, operation.name], STOCK_KVM
    if operation.target == SHARE:
        return round(SHARE_FACTOR * kvm[operation.section, operation.name]), SHARE
    if operation.target == GUEST_PART:
        if ("guestpart", operation.name) not in kvm:
            raise BenchError("stock KVM's host does not tell what ran in the guest itself")
        return round(GUEST_FACTOR * kvm["guestpart", operation.name]), GUEST_PART
    return operation.target, None


class Config(hosts.Config):
    """A host kernel and a CPU model."""

    operations = OPERATIONS

    def measure(self, side):
        return values_of(*(self.boot(side, smp, CMDLINE, f"{side}-{self.cpu}-{smp}") for smp in (1, 2)))

    def row(self, operation, kvm, keel):
        key = operation.section, operation.name
        for side, values in (("stock KVM", kvm), ("Keel", keel)):
            if key not in values:
                raise BenchError(f"{side}, {self.cpu}, {self.kernel}: {operation.title} is missing")
        target, target_is = target_of(operation, kvm)
        return Row(self.kernel, self.cpu, operation.name, operation.title, kvm[key], keel[key], target, target_is)

    def rows(self):
        kvm, keel = self.measure("kvm"), self.measure("keel")
        return [self.row(operation, kvm, keel) for operation in self.operations]


# ---- results


def formatted(value):
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def print_table(rows):
    print(f"\nhost kernel {rows[0].kernel}, -cpu {rows[0].cpu}; instructions")
    print(f"{'operation':42} {'stock KVM':>13} {'Keel':>13} {'Keel/KVM':>9} {'target':>13} verdict")
    for row in rows:
        target = "" if row.target is None else STOCK_KVM if row.target_is == STOCK_KVM else f"{row.target:,}"
        line = f"{row.title:42} {formatted(row.kvm):>13} {formatted(row.keel):>13} {row.keel / row.kvm:9.3f}"
        print(f"{line} {target:>13} {row.verdict}".rstrip(), flush=True)


def print_side(config, values):
    print(f"\nhost kernel {config.kernel}, -cpu {config.cpu}; instructions")
    for operation in config.operations:
        value = values.get((operation.section, operation.name))
        if value is not None:
            print(f"{operation.title:42} {formatted(value):>13}", flush=True)


def measure_all(configs):
    rows = []
    for config in configs:
        rows += config.rows()
        print_table([row for row in rows if (row.kernel, row.cpu) == (config.kernel, config.cpu)])
    return rows


def main(config, name, description):
    """A benchmark of the operations of a class of Configs; NAME.json and NAME.svg."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    parser.add_argument("--full", action="store_true", help="the other host kernel and CPU models too")
    parser.add_argument("--side", choices=("kvm", "keel"), help="measure this one alone, as text")
    parser.add_argument("--twice", action="store_true", help="measure again, and fail if a figure differs")
    args = parser.parse_args()

    def configs(build, out):
        return [config(build, out, kernel, cpu) for kernel, cpu in (FULL if args.full else QUICK)]

    def measure_side(build, out):
        for each in configs(build, out):
            print_side(each, each.measure(args.side))
        return []

    def measure(build, out):
        rows = measure_all(configs(build, out))
        if args.twice and measure_all(configs(build, out)) != rows:
            raise BenchError("the second time there were other figures")
        results = [dataclasses.asdict(row) | {"verdict": row.verdict} for row in rows]
        common.write_json(out / f"{name}.json", results)
        chart.draw(results, out / f"{name}.svg")
        print(f"\n{out / name}.json, {out / name}.svg")
        return [row.verdict for row in rows]

    return common.run(measure_side if args.side else measure, args.build)


if __name__ == "__main__":
    sys.exit(main(Config, "ops", "Operations of virtual machines in instructions, on stock KVM and Keel."))
