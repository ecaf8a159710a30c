# SPDX-License-Identifier: BSD-2-Clause
"""A boot by UEFI and Debian's GRUB, in instructions: at EL2 with stock KVM, and below Keel.

Both machines have the same firmware, disk, GRUB and kernel. As where Keel is installed, firmware starts a
boot entry: GRUB's, or Keel's, which starts GRUB's. docs/bench.md explains the lines, common.py the exit status.
"""

import argparse
import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boot
import common
import esp  # tests/system/esp.py: common extends the path
import keelvm
import messages
from common import BenchError, Machine

# A kernel that places itself by firmware's random numbers would compare two kernels.
GRUB_CFG = f"""
set timeout=0
menuentry host {{
    linux /vmlinuz {boot.CMDLINE} nokaslr
    initrd /initrd
}}
"""
GRUB = "EFI/debian/grubaa64.efi"
KEEL = "EFI/keel/keel.efi"
# Firmware gives nobody the time to press a key: a tick that passes while it waits is no instruction.
NO_WAIT = "setvar Timeout -guid 8be4df61-93ca-11d2-aa0d-00e098032b8c -nv -bs -rt =0000\n"
# Firmware polls its disk, which answers in real time, so other load on this machine adds instructions:
# the least of a few boots is compared.
RUNS = 3
TIMEOUT = 3 * common.TIMEOUT  # GRUB reads the kernel by firmware, a block at a time


def drives(variables, disk, snapshot="on"):
    """Firmware, its variables, which a snapshot keeps as they are, and a disk."""
    files = [
        f"if=pflash,format=raw,readonly=on,file={esp.AAVMF_CODE}",
        f"if=pflash,format=raw,snapshot={snapshot},file={variables}",
        f"if=none,id=esp,format=raw,snapshot=on,file={disk}",
    ]
    args = [word for file in files for word in ("-drive", file)]
    return [*args, "-device", "virtio-blk-device,drive=esp"]


def add_entries(out, variables, entries):
    """Firmware's shell does that, on a machine that counts nothing."""
    script = "".join(f"bcfg boot add 0 fs0:/{path} {label}\n".replace("/", "\\") for path, label in reversed(entries))
    files = {path: b"" for path, label in entries} | {"startup.nsh": (script + NO_WAIT + "reset -s\n").encode()}
    disk = esp.write(out / f"{variables.name}.disk", files)
    command = [*Machine().command(), "-no-reboot", *drives(variables, disk, snapshot="off")]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "timeout": common.TIMEOUT}
    told = subprocess.run(command, check=True, preexec_fn=keelvm.die_with_parent, **pipes).stdout.decode()
    disk.unlink()
    if told.count("bcfg: Add Boot") != len(entries):
        raise BenchError(f"no boot entries could be made; the console {common.ending(told)}")


def boots(out, name, disk, entries):
    """Consoles of boots where firmware starts the first of `entries`, [(path, label)]."""
    variables = out / f"uefi-{name}.vars"
    shutil.copyfile(esp.AAVMF_VARS, variables)
    add_entries(out, variables, entries)
    consoles = [Machine(timeout=TIMEOUT).run(*drives(variables, disk)) for _ in range(RUNS)]
    variables.unlink()
    for index, console in enumerate(consoles):
        (out / f"uefi-{name}-{index}.log").write_text(console)
    return consoles


def spread(ticks):
    return ticks[-1] - ticks[0]


def rows(build, out):
    kernel, initrd = boot.host_files(build)
    files = {"vmlinuz": kernel, "initrd": initrd, "EFI/debian/grub.cfg": GRUB_CFG.encode()}
    disk = esp.write(out / "uefi.disk", {GRUB: esp.GRUB, KEEL: build / "release" / "keel.img"} | files)
    debian = (GRUB, "debian")
    stock = boots(out, "stock", disk, [debian])
    below = boots(out, "keel", disk, [(KEEL, "Keel"), debian])
    disk.unlink()
    for console in below:
        if not re.search(messages.EFI_READY, console):
            raise BenchError(f"the host was not booted below Keel; the console {common.ending(console)}")
    stock_ticks, below_ticks = (sorted(map(boot.ticks_at_init, consoles)) for consoles in (stock, below))
    return [
        boot.Row("boot by UEFI, reset to init, stock at EL2", stock_ticks[0], "instructions"),
        boot.Row("boot by UEFI, reset to init, under Keel", below_ticks[0], "instructions"),
        boot.Row("difference", below_ticks[0] - stock_ticks[0], "instructions"),
        boot.Row("boots of one kind differ by", max(map(spread, (stock_ticks, below_ticks))), "instructions"),
    ]


def measure(build, out):
    table = rows(build, out)
    common.write_json(out / "uefi.json", [dataclasses.asdict(row) for row in table])
    boot.print_table(table)
    return []


def main():
    parser = argparse.ArgumentParser(description="A boot by UEFI below Keel and without, in instructions.")
    parser.add_argument("--build", type=Path, default=common.ROOT / "build", help="the build directory")
    return common.run(measure, parser.parse_args().build)


if __name__ == "__main__":
    sys.exit(main())
