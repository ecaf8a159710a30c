# SPDX-License-Identifier: BSD-2-Clause
"""What statistical profiling costs guests by emulation, in instructions. Stock KVM has no such thing.

A host on Keel runs bench/guest/spe.c in a VM without SPE and in one with it, and Debian's kernel in both.
docs/bench.md explains the lines; common.py the exit status.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import common
import hosts
from common import BenchError

CMDLINE = "console=ttyAMA0 quiet bench=spe"
QUICK = [("6.1-cloud", "max")]
FULL = [(kernel, cpu) for kernel in ("6.1-cloud", "6.12-cloud") for cpu in ("max", "neoverse-n1", "cortex-a57")]

# Targets.
SAMPLE = 400
FALSE_HIT = 120
BOOT = 2.0  # percent more than without
IDLE = 0.1


@dataclasses.dataclass
class Row:
    """A line of the result."""

    kernel: str
    cpu: str
    operation: str
    title: str
    value: float
    unit: str
    target: "float | None" = None  # at most this

    @property
    def verdict(self):
        return common.verdict(self.value, self.target)


@dataclasses.dataclass(frozen=True)
class Count:
    """What one line of the guest says."""

    count: int
    instructions: float
    samples: int

    @property
    def each(self):
        return self.instructions / self.count


def counts(text):
    """{operation: Count} of a run of bench/guest/spe.c."""
    scale = hosts.NANOSECONDS / hosts.frequency(text)
    lines = map(hosts.fields, hosts.lines(text))
    return {
        line["operation"]: Count(int(line["count"]), int(line["ticks"]) * scale, int(line["samples"])) for line in lines
    }


def percent(more, than):
    return 100 * (more / than - 1)


def sample(profiled, without):
    """What a sample took, of a run that would have taken so many instructions."""
    if not profiled.samples:
        raise BenchError("the guest took no samples")
    return (profiled.instructions - without) / profiled.samples


def intervals(have):
    """The intervals that were measured, as they are named, the shortest first."""
    names = [name.removeprefix("work-") for name in have if name.startswith("work-")]
    names = [name for name in names if name not in ("off", "armed")]
    return sorted(names, key=lambda name: int(name.replace("k", "000").replace("M", "000000")))


def lines(without, have, boots):
    """(operation, title, value, unit, target) of each line of the table."""
    loop = without["svc-off"].each  # what an exception takes that EL1 takes to itself
    work = without["work-off"].instructions
    branches = without["branches-off"].instructions
    yield "hypercall", "null hypercall, VM without SPE", without["hypercall-off"].each, "", None
    yield "hypercall-unarmed", "with SPE, nothing watched", have["hypercall-off"].each, "", None
    yield "hypercall-armed", "with SPE, vectors watched", have["hypercall-armed"].each, "", None
    yield "false-hit", "false hit", have["svc-armed"].each - loop, "", FALSE_HIT
    yield "false-hit-stepped", "false hit, vector that is stepped over", have["svc-stepped-armed"].each - loop, "", None
    yield "read", "read of a register", have["read"].each, "", None
    yield "write", "write of a register", have["write"].each, "", None
    yield "sample", "sample of a load", sample(have["work-1k"], work), "", SAMPLE
    yield "sample-branch", "sample of a branch", sample(have["branches-1k"], branches), "", None
    yield "sample-jitter", "sample of a load, with jitter", sample(have["jitter"], work), "", None
    yield "work-armed", "work, vectors watched", percent(have["work-armed"].instructions, work), "%", IDLE
    for name in intervals(have):
        value = percent(have[f"work-{name}"].instructions, work)
        yield f"work-{name}", f"work, a sample each {name} instructions", value, "%", None
    yield "boot", "guest boot, VM without SPE", boots[0], "", None
    yield "boot-armed", "guest boot, vectors watched", percent(boots[1], boots[0]), "%", BOOT


class Config(hosts.Config):
    """A host kernel and a CPU model."""

    def measure(self):
        found = hosts.sections(self.boot("keel", 1, CMDLINE, f"spe-{self.cpu}"))
        boots = [hosts.boot_instructions(found[name]) for name in ("bootwithout", "bootwith")]
        rows = lines(counts(found["without"]), counts(found["with"]), boots)
        return [Row(self.kernel, self.cpu, *row) for row in rows]


def formatted(row):
    if row.unit == "%":
        return f"{row.value:.3f} %"
    return f"{row.value:,.1f}" if row.value < 100 else f"{row.value:,.0f}"


def print_table(rows):
    print(f"\nprofiling in guests, host kernel {rows[0].kernel}, -cpu {rows[0].cpu}; instructions, or % more of them")
    print(f"{'operation':42} {'Keel':>13} {'target':>8} verdict")
    for row in rows:
        target = "" if row.target is None else f"{row.target:g}{' %' if row.unit == '%' else ''}"
        print(f"{row.title:42} {formatted(row):>13} {target:>8} {row.verdict}".rstrip(), flush=True)


def measure_all(configs, build, out):
    rows = []
    for kernel, cpu in configs:
        measured = Config(build, out, kernel, cpu).measure()
        print_table(measured)
        rows += measured
    return rows


def main():
    parser = argparse.ArgumentParser(description="Statistical profiling in guests, in instructions.")
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    parser.add_argument("--full", action="store_true", help="the other host kernel and CPU models too")
    parser.add_argument("--twice", action="store_true", help="measure again, and fail if a figure differs")
    args = parser.parse_args()
    configs = FULL if args.full else QUICK

    def measure(build, out):
        rows = measure_all(configs, build, out)
        if args.twice and measure_all(configs, build, out) != rows:
            raise BenchError("the second time there were other figures")
        common.write_json(out / "spe.json", [dataclasses.asdict(row) | {"verdict": row.verdict} for row in rows])
        print(f"\n{out / 'spe.json'}")
        return [row.verdict for row in rows]

    return common.run(measure, args.build)


if __name__ == "__main__":
    sys.exit(main())
