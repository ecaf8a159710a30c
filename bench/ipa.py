# SPDX-License-Identifier: BSD-2-Clause
"""What the size of a guest's physical addresses costs: stock KVM beside Keel, in instructions and KiB.

The first store to a page of the guest's, and the stage-2 tables of a guest that has touched its last page, with
pages of 4K. docs/ipa.md has the figures; common.py the exit status.
"""

import argparse
import dataclasses
import re
import sys
from pathlib import Path

import common
import hosts
from common import BenchError

CMDLINE = "console=ttyAMA0 quiet bench=ipa"
SIDES = ("keel", "kvm")


@dataclasses.dataclass
class Row:
    """A size; None is what a side cannot have."""

    bits: int
    known_page: dict  # by side: a page that the host has
    fresh_page: dict
    tables: dict  # KiB


def table_kib(text):
    match = re.search(r"^BENCH (bytes|kib)=(\d+)$", text, re.M)
    if not match:
        raise BenchError(f"no size of tables in:\n{text}")
    return int(match.group(2)) / (1024 if match.group(1) == "bytes" else 1)


def rows_of(consoles):
    found = {side: hosts.sections(console) for side, console in consoles.items()}
    sizes = sorted({int(name[4:]) for sections in found.values() for name in sections if name.startswith("size")})
    for bits in sizes:
        faults = {s: hosts.instructions_of(found[s][f"size{bits}"]) for s in SIDES if f"size{bits}" in found[s]}
        yield Row(
            bits,
            {side: values["known-page"] for side, values in faults.items()},
            {side: values["fresh-page"] for side, values in faults.items()},
            {side: table_kib(found[side][f"tables{bits}"]) for side in faults},
        )


def cells(row):
    """The columns of docs/ipa.md's table."""
    yield str(row.bits)
    for values in (row.known_page, row.fresh_page, row.tables):
        for side in SIDES:
            yield f"{values[side]:,.0f}" if side in values else "not to be had"


def print_table(rows):
    print("| Bits | Fault, page that the host has: Keel | stock KVM | Fresh page: Keel | stock KVM | Tables: Keel | stock KVM |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(cells(row))} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description="What an IPA size costs, on stock KVM and Keel.")
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    args = parser.parse_args()

    def measure(build, out):
        config = hosts.Config(build, out, "6.1-cloud", "max")
        rows = list(rows_of({side: config.boot(side, 1, CMDLINE, f"ipa-{side}") for side in SIDES}))
        print_table(rows)
        common.write_json(out / "ipa.json", [dataclasses.asdict(row) for row in rows])
        return []

    return common.run(measure, args.build)


if __name__ == "__main__":
    sys.exit(main())
