# SPDX-License-Identifier: BSD-2-Clause
"""What the benchmarks share: a machine that counts instructions, bundles, tables, exit statuses.

QEMU runs with `-icount shift=0`: virtual time advances by one nanosecond an instruction, so a
difference of two counter values is a number of instructions (and of the nanoseconds slept in WFI). With
a fixed seed and clock the result is the same on every run and every machine.

Exit status of a benchmark: 0 when every target is reached, 1 when one is missed, 2 when it could not be
measured.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "system"))
sys.dont_write_bytecode = True

import keelvm  # noqa: E402

DEFAULT_KERNEL = "6.1-cloud"
# tests/system/helpers/bootmark.c prints this as a machine's first process.
BOOTMARK = r"BOOTMARK counter=(\d+) frequency=(\d+)"
TIMEOUT = 600
# What nothing may be read from or printed to.
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

ALL_REACHED, MISSED, NOT_MEASURED = 0, 1, 2


class BenchError(Exception):
    """Nothing could be measured."""


@dataclasses.dataclass
class Machine:
    """A machine to run: its command line without what it boots."""

    virtualization: bool = True
    cpu: str = "max"
    smp: int = 1
    mem: str = "1G"
    seed: int = 7
    timeout: int = TIMEOUT

    @property
    def onoff(self):
        return "on" if self.virtualization else "off"

    def command(self, machine_options=""):
        command = ["qemu-system-aarch64"]
        command += ["-machine", f"virt,gic-version=3,virtualization={self.onoff}{machine_options}"]
        command += ["-cpu", keelvm.CPU_OPTIONS.get(self.cpu, self.cpu), "-smp", str(self.smp)]
        return command + ["-m", self.mem, "-nographic", "-nic", "none"]

    def run(self, *args):
        """Until it powers off; its console."""
        command = self.command()
        command += ["-icount", "shift=0,sleep=off", "-seed", str(self.seed)]
        command += ["-rtc", "base=2025-01-01,clock=vm", "-no-reboot", *map(str, args)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        limits = {"timeout": self.timeout, "preexec_fn": keelvm.die_with_parent}
        try:
            result = subprocess.run(command, check=False, **pipes, **limits)
        except subprocess.TimeoutExpired as error:
            console = (error.stdout or b"").decode("utf-8", "replace")
            raise BenchError(f"the machine did not power off; its console {ending(console)}") from error
        return result.stdout.decode("utf-8", "replace").replace("\r", "")


def ending(console):
    return f"ends:\n{console[-2000:]}"


def kernel_image(build, kernel):
    return build / "downloads" / "arm64" / f"kernel-{kernel}" / "vmlinuz"


def make_bundle(kernel, initrd, cmdline, bundle):
    """What Keel boots: tools/mkbundle."""
    parts = ["--kernel", kernel, "--initrd", initrd, "--cmdline", cmdline, "-o", bundle]
    subprocess.run([sys.executable, ROOT / "tools" / "mkbundle", *parts], check=True)
    return bundle


def verdict(value, target):
    if target is None:
        return ""
    return "PASS" if value <= target else "MISS"


def write_json(path, results):
    path.write_text(json.dumps(results, indent=1) + "\n")


def run(measure, build):
    """A benchmark's main: measure(build, out) gives the verdicts; the exit status."""
    out = build / "bench"
    out.mkdir(parents=True, exist_ok=True)
    try:
        verdicts = measure(build, out)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return NOT_MEASURED
    return MISSED if "MISS" in verdicts else ALL_REACHED
