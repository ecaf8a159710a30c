# SPDX-License-Identifier: BSD-2-Clause
"""Hosts that measure by themselves (bench/host/autostart), and what their consoles say."""

import re

import common
from common import BenchError

MEM = "2G"
NANOSECONDS = 1_000_000_000


def sections(console):
    """{name: what the host measured under it}; each of them must have ended well."""
    found = {}
    for match in re.finditer(r"^BENCH begin (\w+)\n(.*?)^BENCH status=(\d+)$", console, re.M | re.S):
        name, text, status = match.groups()
        if status != "0":
            raise BenchError(f"{name} ended with status {status}:\n{text}")
        found[name] = text
    if not re.search(r"^BENCH done$", console, re.M):
        raise BenchError(f"the host did not come to an end; its console {common.ending(console)}")
    return found


def fields(line):
    return dict(re.findall(r"(\w+)=(\S+)", line))


def lines(text):
    return re.findall(r"^BENCH operation=.*$", text, re.M)


def frequency(text):
    match = re.search(r"\bfrequency=(\d+)", text)
    if not match:
        raise BenchError(f"no counter frequency in:\n{text}")
    return int(match.group(1))


def instructions_of(text):
    """{operation: instructions for one} of a section that has BENCH lines."""
    scale = NANOSECONDS / frequency(text)
    values = {}
    for line in map(fields, lines(text)):
        total = int(line["ticks"]) * scale - int(line.get("idle", 0))
        values[line["operation"]] = total / int(line["count"])
    return values


def boot_instructions(text):
    """From a guest's first instruction to its first process."""
    start = re.search(r"^BENCH start=(0x[0-9a-f]+)$", text, re.M)
    mark = re.search(common.BOOTMARK, text)
    if not start or not mark:
        raise BenchError(f"the guest did not reach its first process:\n{text}")
    return (int(mark.group(1)) - int(start.group(1), 16)) * NANOSECONDS / frequency(text)


class Config:
    """A host kernel and a CPU model, and the host's initial RAM disk."""

    timeout = common.TIMEOUT
    initrd_name = "initrd"

    def __init__(self, build, out, kernel, cpu):
        self.kernel, self.cpu = kernel, cpu
        self.image = build / "release" / "keel.img"
        self.vmlinuz = common.kernel_image(build, kernel)
        self.dir = out / f"host-{kernel}"
        self.initrd = self.dir / self.initrd_name
        if not self.initrd.exists():
            raise BenchError(f"there is no {self.initrd}: use make bench or make bench-full")

    def boot(self, side, smp, cmdline, name, *qemu):
        """The console of a host on Keel (side "keel") or with its own KVM ("kvm"); kept as NAME.log. @qemu: options."""
        machine = common.Machine(cpu=self.cpu, smp=smp, mem=MEM, timeout=self.timeout)
        if side == "keel":
            console = machine.run("-kernel", self.image, "-initrd", self.make_bundle(f"{name}.cpio", cmdline), *qemu)
        else:
            console = machine.run("-kernel", self.vmlinuz, "-initrd", self.initrd, "-append", cmdline, *qemu)
        (self.dir / f"{name}.log").write_text(console)
        has_keel = "/sys/module/keel" in console
        if has_keel != (side == "keel"):
            raise BenchError(f"{side}: keel.ko is {'' if has_keel else 'not '}loaded; the console {common.ending(console)}")
        return console

    def make_bundle(self, name, cmdline):
        return common.make_bundle(self.vmlinuz, self.initrd, cmdline, self.dir / name)
