# SPDX-License-Identifier: BSD-2-Clause
"""What Keel costs a host's boot, in instructions, and how much memory it takes.

QEMU runs with `-icount shift=0`: virtual time advances by one nanosecond an instruction, and the
counter of `-cpu max` runs at 1 GHz, so a difference of two counter values is a number of
instructions (and of the nanoseconds slept in WFI, which both machines have). The result is the same
on every run and every machine. docs/bench.md explains the lines of the table.

Exit status: 0 when every target is reached, 1 when one is missed, 2 when it could not be measured.
"""

import argparse
import dataclasses
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

import messages  # noqa: E402

KERNEL = "kernel-6.1-cloud"
CMDLINE = "console=ttyAMA0 rdinit=/bin/bootmark"
# tests/system/helpers/bootmark.c prints this as the host's first process.
BOOTMARK = r"BOOTMARK counter=(\d+) frequency=(\d+)"
FREQUENCY = 1_000_000_000
TIMEOUT = 600
# Where the kernel places itself (KASLR) changes its own work a little: the median of a few fixed seeds
# is compared.
SEEDS = (7, 8, 9)

RATIO_TARGET = 1.01
IMAGE_TARGET = 128 << 10
MEMORY_TARGET = 2 << 20


class BenchError(Exception):
    """Nothing could be measured."""


@dataclasses.dataclass
class Row:
    """One line of the table."""

    name: str
    value: float
    unit: str
    target: "float | None" = None  # at most this

    @property
    def verdict(self):
        if self.target is None:
            return ""
        return "PASS" if self.value <= self.target else "MISS"


def qemu_command(machine):
    command = ["qemu-system-aarch64", "-machine", f"virt,gic-version=3,{machine}"]
    return command + ["-cpu", "max,pauth-impdef=on", "-smp", "1", "-m", "1G", "-nographic", "-nic", "none"]


def make_dtb(machine, out):
    """The machine's device tree without the megabyte of padding that QEMU gives it.

    A kernel computes a checksum of all its tree, padding included. Keel hands on a tree without, so
    it would seem to save eight million instructions if only the bare kernel got QEMU's.
    """
    raw, packed = out / "raw.dtb", out / f"{machine}.dtb"
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(qemu_command(f"{machine},dumpdtb={raw}"), check=True, timeout=TIMEOUT, **quiet)
    subprocess.run(
        ["dtc", "-q", "-I", "dtb", "-O", "dtb", "-o", packed, raw], check=True, timeout=TIMEOUT, **quiet
    )
    return packed


def qemu(machine, seed, *args):
    """Run one machine until it powers off; its console."""
    command = qemu_command(machine)
    command += ["-icount", "shift=0,sleep=off", "-seed", str(seed), "-rtc", "base=2025-01-01,clock=vm"]
    command += ["-no-reboot", *map(str, args)]
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        console = (error.stdout or b"").decode("utf-8", "replace")
        raise BenchError(f"the machine did not power off; its console ends:\n{console[-2000:]}") from error
    return result.stdout.decode("utf-8", "replace").replace("\r", "")


def number(pattern, console, what):
    match = re.search(pattern, console)
    if not match:
        raise BenchError(f"the console does not tell {what}; it ends:\n{console[-2000:]}")
    return int(match.group(1))


def ticks_at_init(console):
    """The counter at the host's first process."""
    match = re.search(BOOTMARK, console)
    if not match:
        raise BenchError(f"the host did not reach its first process; the console ends:\n{console[-2000:]}")
    if int(match.group(2)) != FREQUENCY:
        raise BenchError(f"the counter runs at {match.group(2)} Hz: a tick is not an instruction")
    return int(match.group(1))


def make_bundle(build, out):
    bundle = out / "bundle.cpio"
    subprocess.run(
        [
            sys.executable,
            ROOT / "tools" / "mkbundle",
            *("--kernel", build / "downloads" / "arm64" / KERNEL / "vmlinuz"),
            *("--initrd", build / "host" / KERNEL / "initrd"),
            *("--cmdline", CMDLINE),
            *("-o", bundle),
        ],
        check=True,
    )
    return bundle


def boot_bare(build, out, seed):
    console = qemu(
        "virtualization=off",
        seed,
        *("-kernel", build / "downloads" / "arm64" / KERNEL / "vmlinuz"),
        *("-initrd", build / "host" / KERNEL / "initrd"),
        *("-append", CMDLINE),
        *("-dtb", make_dtb("virtualization=off", out)),
    )
    (out / f"bare-{seed}.log").write_text(console)
    return console


def boot_keel(image, bundle, out, seed):
    dtb = make_dtb("virtualization=on", out)
    console = qemu("virtualization=on", seed, "-kernel", image, "-initrd", bundle, "-dtb", dtb)
    (out / f"keel-{seed}.log").write_text(console)
    return console


def measure(build, out):
    image = build / "release" / "keel.img"
    bundle = make_bundle(build, out)
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
        Row("keel.img, release", image.stat().st_size, "bytes", IMAGE_TARGET),
        Row("memory kept, without the ownership array", kept, "bytes", MEMORY_TARGET),
        Row("ownership array, for 1 GiB of memory", array, "bytes"),
    ]


def formatted(value):
    return f"{value:.5f}" if isinstance(value, float) else f"{value:,}"


def print_table(rows):
    for row in rows:
        target = "" if row.target is None else f"target <= {formatted(row.target)}"
        print(f"{row.name:42} {formatted(row.value):>14} {row.unit:12} {row.verdict:4} {target}".rstrip())


def main():
    parser = argparse.ArgumentParser(description="Keel's boot in instructions, and its sizes.")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="the build directory")
    args = parser.parse_args()
    out = args.build / "bench"
    out.mkdir(parents=True, exist_ok=True)
    try:
        rows = measure(args.build, out)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    results = [dataclasses.asdict(row) | {"verdict": row.verdict} for row in rows]
    (out / "boot.json").write_text(json.dumps(results, indent=1) + "\n")
    print_table(rows)
    return 1 if any(row.verdict == "MISS" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
