# SPDX-License-Identifier: BSD-2-Clause
"""What one operation of a virtual machine consists of: every instruction, by who executes it, and what costs
more than an instruction on silicon. Stock KVM beside Keel.

The benchmark guest (bench/guest/ops.c) marks its rounds, and so does the VMM for interrupts that a host
raises (bench/host/irqs.c). A plugin of QEMU (bench/plugin/trace.c) lists the instructions of the shortest
round of each operation, and this script divides by the operations of a round. They are those of one vCPU:
with two CPUs QEMU's plugins bring the machine to a stop.
The host is that of ops.py. docs/bench.md has tables made with it.
"""

import argparse
import bisect
import collections
import re
import subprocess
import sys
from pathlib import Path

import common
import hosts
from common import BenchError

CMDLINE = "console=ttyAMA0 quiet nokaslr bench=trace"
KERNEL = "6.1-cloud"
OPERATIONS = ("hypercall", "distributor-read", "mmio-read", "eoi", "timer")  # of the guest's; of the VMM's all
# Those whose guest executes the same on both sides, for print_parts().
PARTS = ("hypercall", "distributor-read", "mmio-read", "lpi-irqfd", "lpi-msi", "spi-irqfd", "doorbell")

# Where the release image is in EL2's address space: docs/el2-address-space.md. What runs there is compared with
# the image.
KEEL_BASE = 0x40_0040_0000
# vmrun's machine has its RAM there, and the guest runs with the MMU off.
GUEST = range(0x8000_0000, 0x9000_0000)
KERNEL_START = 0xFFFF_0000_0000_0000
VMM_END = 0x200_0000  # vmrun is linked statically, at 4 MiB


# ---- instructions


def sysreg_of(code):
    """(op0, op1, CRn, CRm, op2) of an MRS, MSR or SYS."""
    return 2 + (code >> 19 & 1), code >> 16 & 7, code >> 12 & 15, code >> 8 & 15, code >> 5 & 7


def is_gic(code):
    """A register of the GIC's CPU interface: ICC_* and ICH_*."""
    op0, op1, crn, crm, _ = sysreg_of(code)
    return op0 == 3 and ((crn == 12 and op1 in (0, 4) and 8 <= crm <= 15) or (op1 == 0 and (crn, crm) == (4, 6)))


def is_read(code):
    return code >> 20 == 0xD53


def is_write(code):
    return code >> 20 == 0xD51


def is_tlbi(code):
    return code & 0xFFF8_0000 == 0xD508_0000 and code >> 12 & 15 in (8, 9)


def barrier(code):
    """DSB, DMB, ISB, SB or None."""
    if code & 0xFFFF_F01F != 0xD503_301F:
        return None
    return {4: "DSB", 5: "DMB", 6: "ISB", 7: "SB"}.get(code >> 5 & 7)


def is_exclusive(code):
    """Half of a pair of load-exclusive and store-exclusive."""
    return code & 0x3F80_0000 == 0x0800_0000


def is_atomic(code):
    """LSE: CAS, SWP, LDADD and others."""
    return code & 0x3FA0_7C00 == 0x08A0_7C00 or code & 0x3F20_0C00 == 0x3820_0000


def is_ordered(code):
    """LDAR, STLR."""
    return code & 0x3FA0_0000 == 0x0880_0000


COLUMNS = {
    "instructions": lambda code: True,
    "MRS": is_read,
    "MSR": is_write,
    "of the GIC": lambda code: (is_read(code) or is_write(code)) and is_gic(code),
    "ISB": lambda code: barrier(code) == "ISB",
    "DSB": lambda code: barrier(code) == "DSB",
    "DMB": lambda code: barrier(code) == "DMB",
    "TLBI": is_tlbi,
    "exclusive": is_exclusive,
    "LSE": is_atomic,
    "LDAR, STLR": is_ordered,
    "ERET": lambda code: code in (0xD69F03E0, 0xD69F0BFF, 0xD69F0FFF),
    "HVC, SMC": lambda code: code & 0xFFE0_001F in (0xD400_0002, 0xD400_0003),
    "SVC": lambda code: code & 0xFFE0_001F == 0xD400_0001,
}


# ---- what ran


def read_rounds(path):
    """[{(address, code): times}] of the operations that were done, in order."""
    rounds = []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[0] == "operation":
            rounds.append({})
        else:
            address, code, times = (int(word, 16) for word in words)
            rounds[-1][address, code] = times
    return rounds


class Image:
    """keel.elf: which function an address is in, and what is there."""

    def __init__(self, elf):
        binary = elf.with_suffix(".img").read_bytes()
        self.words = [int.from_bytes(binary[at : at + 4], "little") for at in range(0, len(binary) - 3, 4)]
        text = subprocess.run(["aarch64-linux-gnu-nm", "-n", elf], check=True, capture_output=True, text=True).stdout
        symbols = [line.split() for line in text.splitlines()]
        self.symbols = [(int(value, 16), name) for value, kind, name in symbols if kind in "tT" and name[0] != "$"]

    def has(self, address, code):
        at = address - KEEL_BASE
        return 0 <= at < 4 * len(self.words) and self.words[at // 4] == code

    def function(self, address):
        names = [name for value, name in self.symbols if value <= address - KEEL_BASE]
        return names[-1]


class Owners:
    """Whose an instruction is."""

    def __init__(self, side, console, image):
        self.image = image if side == "keel" else None
        symbols = re.findall(r"^([0-9a-f]{16}) [tT] (\S+)\s+\[keel\]$", console, re.M)
        self.symbols = sorted((int(value, 16), name) for value, name in symbols)
        module = re.search(r"^keel (\d+) .* (0x[0-9a-f]+)", console, re.M)
        self.module = range(int(module.group(2), 16), int(module.group(2), 16) + int(module.group(1))) if module else ()

    def of(self, address, code):
        if address in GUEST:
            return "guest"
        if self.image and self.image.has(address, code):
            return "Keel"
        if address in self.module:
            return "keel.ko"
        if address >= KERNEL_START:
            return "host's kernel"
        return "VMM" if address < VMM_END else "KVM at EL2"

    def function(self, address, owner):
        """Of Keel's image or of keel.ko."""
        if owner == "Keel":
            return self.image.function(address)
        at = bisect.bisect(self.symbols, (address, chr(0x10FFFF)))
        return "keel.ko: " + (self.symbols[at - 1][1] if at else "?")


OWNERS = ("guest", "Keel", "KVM at EL2", "keel.ko", "host's kernel", "VMM")


def table_of(counts, per, owners):
    """{owner: {column: times an operation}}"""
    table = collections.defaultdict(collections.Counter)
    for (address, code), times in counts.items():
        owner = owners.of(address, code)
        for column, has in COLUMNS.items():
            if has(code):
                table[owner][column] += times / per
    return table


def functions_of(counts, per, owners):
    """Functions of Keel and keel.ko: instructions an operation."""
    functions = collections.Counter()
    for (address, code), times in counts.items():
        owner = owners.of(address, code)
        if owner in ("Keel", "keel.ko"):
            functions[owners.function(address, owner)] += times / per
    return functions


def difference(counts, without):
    """What a round has more than one without the operation; some instructions it may have less often."""
    return {place: counts.get(place, 0) - without.get(place, 0) for place in counts.keys() | without.keys()}


def operations_of(console, rounds):
    """[(its line, its instructions)]; the VMM's operations have a round, and one without the operation."""
    found = hosts.sections(console)
    guest, vmm = ([hosts.fields(line) for line in hosts.lines(found[name])] for name in ("trace", "irqs"))
    if len(guest) + 2 * len(vmm) != len(rounds):
        raise BenchError(f"{len(guest)} operations and {len(vmm)} of the VMM, {len(rounds)} lists of instructions")
    pairs = iter(rounds[len(guest) :])
    of_vmm = [difference(counts, without) for counts, without in zip(pairs, pairs)]
    kept = [pair for pair in zip(guest, rounds) if pair[0]["operation"] in OPERATIONS]
    return kept + list(zip(vmm, of_vmm))


# ---- results


def formatted(value):
    return "" if abs(value) < 0.05 else f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"


def print_table(title, table):
    print(f"\n{title}")
    print(f"{'':14}" + "".join(f"{column:>{max(6, len(column)) + 2}}" for column in COLUMNS))
    sums = collections.Counter()
    for owner in (owner for owner in OWNERS if owner in table):
        sums.update(table[owner])
    for owner, row in [*((owner, table[owner]) for owner in OWNERS if owner in table), ("all", sums)]:
        cells = "".join(f"{formatted(row[column]):>{max(6, len(column)) + 2}}" for column in COLUMNS)
        print(f"{owner:14}{cells}".rstrip(), flush=True)


def print_functions(functions):
    for name, number in functions.most_common():
        print(f"  {name:40}{formatted(number):>8}")


class Config(hosts.Config):
    """A host kernel and a CPU model."""

    def __init__(self, build, out, cpu):
        super().__init__(build, out, KERNEL, cpu)
        self.plugin = build / "bench" / "trace.so"

    def run(self, side):
        """(console, rounds)"""
        listing = self.dir / f"trace-{side}-{self.cpu}.txt"
        plugin = "-plugin", f"{self.plugin},out={listing}"
        console = self.boot(side, 1, CMDLINE, f"trace-{side}-{self.cpu}", *plugin)
        return console, read_rounds(listing)


def print_parts(tables):
    """What the two hypervisors decide on: of stock KVM's kernel, what is beyond the host's kernel on Keel."""
    print("\nWhat is not the host's kernel, the VMM's or the guest's: instructions of an operation")
    print(f"{'':18}{'stock KVM':>10}{'Keel':>8}{'Keel/KVM':>10}{'both have':>11}")
    for operation in PARTS:
        kvm, keel = (
            {owner: row["instructions"] for owner, row in tables[side][operation].items()} for side in ("kvm", "keel")
        )
        own = keel["Keel"] + keel.get("keel.ko", 0)
        common_part = sum(keel.values()) - own
        kvms = sum(kvm.values()) - common_part
        print(f"{operation:18}{kvms:10.0f}{own:8.0f}{own / kvms:10.3f}{common_part:11.0f}", flush=True)


def report(config, side, image, with_functions):
    """{operation: its table}"""
    tables = {}
    console, rounds = config.run(side)
    owners = Owners(side, console, image)
    for operation, counts in operations_of(console, rounds):
        per = int(operation["count"])
        title = f"{operation['operation']}, {'Keel' if side == 'keel' else 'stock KVM'}, -cpu {config.cpu}; an operation"
        table = tables[operation["operation"]] = table_of(counts, per, owners)
        print_table(title, table)
        if with_functions and side == "keel":
            print_functions(functions_of(counts, per, owners))
    return tables


def main():
    parser = argparse.ArgumentParser(description="One operation of a virtual machine, instruction by instruction.")
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    parser.add_argument("--side", choices=("kvm", "keel"), help="this one alone")
    parser.add_argument("--cpu", default="max", help="QEMU's CPU model")
    parser.add_argument("--functions", action="store_true", help="and the functions of Keel and keel.ko")
    args = parser.parse_args()

    def measure(build, out):
        config, image = Config(build, out, args.cpu), Image(build / "release" / "keel.elf")
        sides = (args.side,) if args.side else ("kvm", "keel")
        tables = {side: report(config, side, image, args.functions) for side in sides}
        if not args.side:
            print_parts(tables)
        return []

    return common.run(measure, args.build)


if __name__ == "__main__":
    sys.exit(main())
