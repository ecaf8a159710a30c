# SPDX-License-Identifier: BSD-2-Clause
"""What guest hypervisors cost: stock KVM's nested mode beside Keel, in instructions and in exits.

Two guest hypervisors: bench/guest/nested.c, bare metal, and Debian's kernel with its own KVM, which runs the
guest of ops.py; the latter without VHE as well, on Keel alone. On stock KVM the host is the newest kernel of
Debian's archive; on Keel it is the one that keel.ko is built for. docs/bench.md explains the lines; common.py
the exit status, exits.py the exits.
"""

import argparse
import dataclasses
import os
import re
import statistics
import sys
from pathlib import Path

import common
import exits
import hosts
from common import BenchError
from hosts import sections

CMDLINE = "console=ttyAMA0 quiet bench=nested"
KEEL, KVM = "keel.nested=1", " kvm-arm.mode=nested"
HOST_KERNEL, KVM_KERNEL = "6.1-cloud", "trixie-cloud"
# Without FEAT_LPA2: stock KVM goes through all physical addresses, 2^52 with it, a GiB at a time, with each
# TLBI VMALLS12E1IS of a guest hypervisor.
CPU = "max,pauth-impdef=on,lpa2=off"

BOOT_PERCENT = 2.5  # of a boot's guest part, at EL2


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the table, with its targets."""

    section: str
    name: str
    title: str
    target: "float | None" = None
    exits: "float | None" = None


LINES = [
    Line("bare", "nothing", "nothing: the guest's loop"),
    Line("bare", "eret", "ERET at EL2", 120),
    Line("bare", "system-call", "system call at EL0 of EL2"),
    Line("bare", "tlbi", "TLBI of EL1's name in the host's context", 150, 0),
    Line("bare", "tlbi-el2", "TLBI of EL2's name", 150),
    Line("bare", "id-register", "read of an ID register"),
    Line("bare", "ich-vtr", "read of ICH_VTR_EL2"),
    Line("bare", "ich-elrsr", "read of ICH_ELRSR_EL2"),
    Line("bare", "hpfar", "read of HPFAR_EL2"),
    Line("bare", "cpacr", "write of CPACR_EL1"),
    Line("bare", "timer-el02", "read of CNTV_CTL_EL02"),
    Line("bare", "mdcr", "write of MDCR_EL2"),
    Line("bare", "context", "TGE to 0 and back to 1"),
    Line("bare", "nested-hypercall", "hypercall to a bare guest hypervisor"),
    Line("bare", "nested-abort", "abort to a bare guest hypervisor"),
    Line("bare", "shadow-fault", "shadow fault, both tables there", 1500),
    Line("outer", "hypercall", "nested null hypercall, Linux", 8000, 15),
    Line("outer", "distributor-read", "nested vGIC distributor read, Linux"),
    Line("outer", "mmio-read", "nested MMIO, Linux and its VMM"),
    Line("outer", "timer", "nested timer interrupt, latency"),
    Line("outer", "known-page", "nested stage-2 fault, page that both have"),
    Line("nvhe", "hypercall", "nested null hypercall, without VHE", 10000, 18),
    Line("nvhe", "distributor-read", "nested vGIC distributor read, without VHE"),
    Line("nvhe", "mmio-read", "nested MMIO, without VHE"),
    Line("nvhe", "timer", "nested timer interrupt, without VHE"),
    Line("nvhe", "known-page", "nested stage-2 fault, without VHE"),
]
SECTIONS = ("bare", "outer", "nvhe")  # in the order in which they are measured
BOOT_EXITS = 8000
NVHE_BOOT, NVHE_INNER_BOOT = 500_000_000, 480_000_000


@dataclasses.dataclass
class Row:
    """A line of the result: of one side, instructions and exits; None for what was not measured."""

    section: str
    operation: str
    title: str
    side: str
    instructions: float
    exits: "float | None"
    target: "float | None" = None
    target_exits: "float | None" = None

    @property
    def verdict(self):
        """Targets are Keel's."""
        if self.side != "keel":
            return ""
        verdicts = [
            common.verdict(value, target)
            for value, target in ((self.instructions, self.target), (self.exits, self.target_exits))
            if value is not None
        ]
        return "MISS" if "MISS" in verdicts else "PASS" if "PASS" in verdicts else ""


# ---- a host's output


def exits_of(found, counter):
    """{(section, operation): exits of one}, by the order in which they were done."""
    done = operations_done(found)
    if len(done) != len(counter.operations):
        raise BenchError(f"{len(done)} operations were done, and {len(counter.operations)} marked")
    each, nothing = {}, {}
    for (section, name, count), rounds in zip(done, counter.operations):
        exits_of_round = statistics.median(rounds)
        nothing.setdefault(section, exits_of_round)  # the first operation, and marks
        each[section, name] = (exits_of_round - nothing[section]) / count
    return each


def sections_of(found):
    return [section for section in SECTIONS if section in found]


def operations_done(found):
    """(section, operation, count) of each."""
    return [(section, *operation) for section in sections_of(found) for operation in operations_of(found[section])]


def operations_of(text):
    return [(line["operation"], int(line["count"])) for line in map(hosts.fields, hosts.lines(text))]


def rows_of_operations(side, found, counter):
    taken = exits_of(found, counter)
    values = {
        (section, name): value for section in sections_of(found) for name, value in hosts.instructions_of(found[section]).items()
    }
    for line in (line for line in LINES if line.section in found):
        key = line.section, line.name
        if key not in values:
            raise BenchError(f"{side}: {line.title} is missing")
        yield Row(*key, line.title, side, values[key], taken[key], line.target, line.exits)


def rows_of_boots(side, found, counter, guest_part):
    """Of the guest hypervisor, and of its nested guest. The machine's third boot is the first's again, alone; so is
    the sixth the fourth's, without VHE."""
    boot = hosts.boot_instructions(found["outerboot"])
    number = sum(counter.boots[2].values())
    yield Row("outerboot", "boot", "guest hypervisor's boot, to /init", side, boot, number, None, BOOT_EXITS)
    if guest_part:
        percent = 100 * (boot - guest_part) / guest_part
        yield Row("outerboot", "boot-el2", "... beyond its guest part, %", side, percent, None, BOOT_PERCENT)
    yield Row("outer", "boot", "nested guest's boot, to /init", side, inner_boot(found["outer"]), None)
    if "nvhe" in found:
        boot, number = hosts.boot_instructions(found["nvheboot"]), sum(counter.boots[5].values())
        yield Row("nvheboot", "boot", "guest hypervisor's boot, without VHE", side, boot, number, NVHE_BOOT)
        inner = inner_boot(found["nvhe"])
        yield Row("nvhe", "boot", "nested guest's boot, without VHE", side, inner, None, NVHE_INNER_BOOT)


def inner_boot(text):
    return hosts.boot_instructions(text.split("BENCH inner=0", 1)[-1])


# ---- machines


class Config(hosts.Config):
    """A side's machine. On stock KVM its guests' boots take several thousand million instructions."""

    timeout = 6 * common.TIMEOUT

    def run(self, side):
        """What the host measured, and a Counter."""
        pipe = self.dir / f"nested-{side}.pipe"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        reader = exits.Reader(pipe)
        keel = ["-append", KEEL] if side == "keel" else []
        cmdline = CMDLINE if side == "keel" else CMDLINE + KVM
        console = self.boot(side, 1, cmdline, f"nested-{side}", "-d", "int", "-D", pipe, *keel)
        reader.join()
        pipe.unlink()
        return sections(console), reader.counter


def guest_part_of(found):
    part = re.search(r"^BENCH guest-instructions=(\d+)$", found.get("guestpart", ""), re.M)
    return int(part.group(1)) if part else None


def measure_side(side, build, out, guest_part=None):
    config = Config(build, out, HOST_KERNEL, CPU)
    if side == "kvm":
        config.vmlinuz = common.kernel_image(build, KVM_KERNEL)
    found, counter = config.run(side)
    guest_part = guest_part or guest_part_of(found)
    rows = [*rows_of_operations(side, found, counter), *rows_of_boots(side, found, counter, guest_part)]
    return rows, guest_part, (found, counter)


# ---- results


def formatted(value):
    return "" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def print_table(rows):
    sides = list(dict.fromkeys(row.side for row in rows))
    print(f"\nnested, -cpu {CPU}; instructions, exits; host kernel {HOST_KERNEL} on Keel, {KVM_KERNEL} with its own KVM")
    print(f"{'operation':42}" + "".join(f"{side:>16}{'exits':>9}" for side in sides) + f"{'target':>13}{'exits':>7} verdict")
    for row in (row for row in rows if row.side == sides[-1]):
        line = f"{row.title:42}"
        for side in sides:
            same = [each for each in rows if each.side == side and (each.section, each.operation) == (row.section, row.operation)]
            value, number = (same[0].instructions, same[0].exits) if same else (None, None)
            line += f"{formatted(value):>16}{formatted(number):>9}"
        print(f"{line}{formatted(row.target):>13}{formatted(row.target_exits):>7} {row.verdict}".rstrip(), flush=True)


def print_kinds(title, kinds, count):
    """The most frequent exits, each as a class or a register."""
    print(f"\nexits of {title}, by class or register")
    for what, number in kinds.most_common(16):
        print(f"{what if isinstance(what, str) else f'{what:#04x}':24} {formatted(number / count):>9}")


def print_exits(found, counter):
    print_kinds("the guest hypervisor's boot", counter.boots[2], 1)
    if "nvhe" in found:
        print_kinds("the boot of one without VHE", counter.boots[5], 1)
    for (section, name, count), kinds, rounds in zip(operations_done(found), counter.kinds, counter.operations):
        if section != "bare" and name == "hypercall":
            print_kinds(f"a nested null hypercall, {section}", kinds, count * len(rounds))


def main():
    parser = argparse.ArgumentParser(description="Guest hypervisors in instructions and exits, on stock KVM and Keel.")
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    parser.add_argument("--side", choices=("kvm", "keel"), help="measure this one alone, as text")
    args = parser.parse_args()

    def one(build, out):
        rows, _, counted = measure_side(args.side, build, out)
        print_table(rows)
        print_exits(*counted)
        return []

    def both(build, out):
        kvm, guest_part, _ = measure_side("kvm", build, out)
        keel, _, counted = measure_side("keel", build, out, guest_part)
        print_table(kvm + keel)
        print_exits(*counted)
        common.write_json(out / "nested.json", [dataclasses.asdict(row) | {"verdict": row.verdict} for row in kvm + keel])
        print(f"\n{out / 'nested.json'}")
        return [row.verdict for row in keel]

    return common.run(one if args.side else both, args.build)


if __name__ == "__main__":
    sys.exit(main())
