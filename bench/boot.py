# SPDX-License-Identifier: BSD-2-Clause
"""What Keel costs a host's boot, in instructions, and how much memory it takes.

The counter of `-cpu max` runs at 1 GHz, so a tick is an instruction. docs/bench.md explains the lines
of the table, common.py the exit status.
"""

import argparse
import dataclasses
import re
import statistics
import subprocess
import sys
from pathlib import Path

import common
import messages  # tests/system/messages.py: common extends the path
from common import BenchError, Machine

CMDLINE = "console=ttyAMA0 rdinit=/bin/bootmark"
FREQUENCY = 1_000_000_000
# Where the kernel places itself (KASLR) changes its own work a little: the median of a few fixed seeds
# is compared.
SEEDS = (7, 8, 9)

RATIO_TARGET = 1.01
MEMORY_TARGET = 2 << 20


@dataclasses.dataclass
class Row:
    """One line of the table."""

    name: str
    value: float
    unit: str
    target: "float | None" = None  # at most this

    @property
    def verdict(self):
        return common.verdict(self.value, self.target)


def make_dtb(machine, out):
    """The machine's device tree without the megabyte of padding that QEMU gives it.

    A kernel computes a checksum of all its tree, padding included. Keel hands on a tree without, so
    it would seem to save eight million instructions if only the bare kernel got QEMU's.
    """
    raw, packed = out / "raw.dtb", out / f"virtualization={machine.onoff}.dtb"
    dump = machine.command(f",dumpdtb={raw}")
    pack = ["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", packed, raw]
    for command in (dump, pack):
        subprocess.run(command, check=True, timeout=common.TIMEOUT, **common.QUIET)
    return packed


def number(pattern, console, what):
    match = re.search(pattern, console)
    if not match:
        raise BenchError(f"the console does not tell {what}; it {common.ending(console)}")
    return int(match.group(1))


def ticks_at_init(console):
    """The counter at the host's first process."""
    match = re.search(common.BOOTMARK, console)
    if not match:
        raise BenchError(f"the host did not reach its first process; the console {common.ending(console)}")
    if int(match.group(2)) != FREQUENCY:
        raise BenchError(f"the counter runs at {match.group(2)} Hz: a tick is not an instruction")
    return int(match.group(1))


def host_files(build):
    kernel = common.DEFAULT_KERNEL
    return common.kernel_image(build, kernel), build / "host" / f"kernel-{kernel}" / "initrd"


def boot_bare(build, out, seed):
    machine = Machine(virtualization=False, seed=seed)
    kernel, initrd = host_files(build)
    boot = ["-kernel", kernel, "-initrd", initrd, "-append", CMDLINE]
    console = machine.run(*boot, "-dtb", make_dtb(machine, out))
    (out / f"bare-{seed}.log").write_text(console)
    return console


def boot_keel(image, bundle, out, seed):
    machine = Machine(seed=seed)
    console = machine.run("-kernel", image, "-initrd", bundle, "-dtb", make_dtb(machine, out))
    (out / f"keel-{seed}.log").write_text(console)
    return console


def rows(build, out):
    image = build / "release" / "keel.img"
    bundle = common.make_bundle(*host_files(build), CMDLINE, out / "bundle.cpio")
    bare_ticks = statistics.median(ticks_at_init(boot_bare(build, out, seed)) for seed in SEEDS)
    consoles = [boot_keel(image, bundle, out, seed) for seed in SEEDS]
    keel_ticks = statistics.median(map(ticks_at_init, consoles))
    keel = consoles[0]
    entry_ticks = number(messages.INSTRUCTIONS, keel, "the instructions up to the host's first")
    kept = number(messages.MEMORY_KEPT, keel, "the memory kept") << 10
    array = number(messages.OWNERSHIP_ARRAY, keel, "the ownership array's size") << 10
    return [
        Row("host boot, reset to init, bare at EL1", bare_ticks, "instructions"),
        Row("host boot, reset to init, under Keel", keel_ticks, "instructions"),
        Row("difference", keel_ticks - bare_ticks, "instructions"),
        Row("ratio", keel_ticks / bare_ticks, "", RATIO_TARGET),
        Row("Keel's first instruction to the host's", entry_ticks, "instructions"),
        Row("keel.img, release", image.stat().st_size, "bytes"),
        Row("memory kept, without the ownership array", kept, "bytes", MEMORY_TARGET),
        Row("ownership array, for 1 GiB of memory", array, "bytes"),
    ]


def formatted(value):
    return f"{value:.5f}" if isinstance(value, float) else f"{value:,}"


def print_table(table):
    for row in table:
        target = "" if row.target is None else f"target <= {formatted(row.target)}"
        print(f"{row.name:42} {formatted(row.value):>14} {row.unit:12} {row.verdict:4} {target}".rstrip())


def measure(build, out):
    table = rows(build, out)
    common.write_json(out / "boot.json", [dataclasses.asdict(row) | {"verdict": row.verdict} for row in table])
    print_table(table)
    return [row.verdict for row in table]


def main():
    parser = argparse.ArgumentParser(description="Keel's boot in instructions, and its sizes.")
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    return common.run(measure, parser.parse_args().build)


if __name__ == "__main__":
    sys.exit(main())
