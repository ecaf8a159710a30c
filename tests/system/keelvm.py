# SPDX-License-Identifier: BSD-2-Clause
"""Whole machines under QEMU: start one, watch its console, run commands in the host, stop it.

Every wait has a limit, every machine is killed at the end of its test, and everything a console
printed is kept in build/test-logs/system/.
"""

import ctypes
import dataclasses
import os
import re
import signal
import struct
from pathlib import Path

import pexpect

import messages

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
LOGS = BUILD / "test-logs" / "system"
DEFAULT_KERNEL = "kernel-6.1-cloud"
HOST_BIN = BUILD / "host" / "bin"

# Emulation is slow and CI's machines are shared: these only end what will never come.
BOOT_TIMEOUT = float(os.environ.get("KEEL_BOOT_TIMEOUT", 240))
COMMAND_TIMEOUT = 90
TAIL_LINES = 60

PROMPT = "host# "
PR_SET_PDEATHSIG = 1

# QEMU's QARMA5 pointer authentication takes most of an emulated CPU's time.
CPU_OPTIONS = {"max": "max,pauth-impdef=on"}
# Linux tests its ciphers when it boots, which takes three fifths of a boot's instructions.
QUICK = "cryptomgr.notests"
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """In QEMU's process, before exec: no test run leaves a machine behind, however it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def keel_image(variant="release"):
    return BUILD / variant / "keel.img"


def kernel_image(kernel=DEFAULT_KERNEL):
    return BUILD / "downloads" / "arm64" / kernel / "vmlinuz"


def initrd(kernel=DEFAULT_KERNEL):
    return BUILD / "host" / kernel / "initrd"


def bundle(kernel=DEFAULT_KERNEL):
    return BUILD / "host" / kernel / "bundle.cpio"


def guests_bundle(kernel=DEFAULT_KERNEL):
    """A host with keel.ko, vmrun and something to run in a guest: tests/guests."""
    return BUILD / "host" / kernel / "guests-bundle.cpio"


def run_bundle(name="run-bundle.cpio"):
    """What `make run` boots."""
    return BUILD / "host" / DEFAULT_KERNEL / name


@dataclasses.dataclass
class Config:
    """A machine to build. The defaults are the quickest one that has everything."""

    cpu: str = "max"
    gic: int = 3
    smp: int = 2
    mem: str = "1G"
    append: str = "keel.console=keep"  # what Keel says while the host runs is on the console too
    variant: str = "release"
    image: "Path | None" = None  # in place of the variant's keel.img
    bundle: "Path | None" = dataclasses.field(default_factory=bundle)
    loads: tuple = ()  # (path, address): no -kernel; the first one is where CPU 0 starts
    bios: "Path | None" = None  # a boot loader: it starts, and nothing of `loads` does
    disk: "Path | None" = None  # what UEFI boots, in place of an image: esp.py
    acpi: bool = False  # UEFI passes ACPI tables, and no device tree
    virtualization: bool = True
    quick: bool = True  # Linux leaves out its tests of itself: QUICK
    reboot: bool = False  # may the machine reset? Otherwise a reset ends QEMU.
    extra: tuple = ()

    def qemu_args(self):
        onoff = "on" if self.virtualization else "off"
        acpi = ",acpi=off" if self.disk and not self.acpi else ""
        args = ["-machine", f"virt,virtualization={onoff},gic-version={self.gic}{acpi}"]
        args += ["-cpu", CPU_OPTIONS.get(self.cpu, self.cpu)]
        args += ["-smp", str(self.smp), "-m", self.mem]
        args += ["-nographic", "-nic", "none"]
        if self.bios:
            args += ["-bios", str(self.bios)]
        if self.disk:
            args += self.disk_args()
        else:
            args += self.loader_args() if self.loads else self.kernel_args()
        if not self.reboot:
            args += ["-no-reboot"]
        return args + list(self.extra)

    def kernel_args(self):
        args = ["-kernel", str(self.image or keel_image(self.variant))]
        if self.bundle:
            args += ["-initrd", str(self.bundle)]
        if self.append:
            args += ["-append", f"{self.append} {QUICK}" if self.quick else self.append]
        return args

    def disk_args(self):
        drive = f"if=none,id=esp,file={self.disk},format=raw,snapshot=on"
        return ["-drive", drive, "-device", "virtio-blk-device,drive=esp"]

    def loader_args(self):
        args = []
        for index, (path, address) in enumerate(self.loads):
            start = "" if index or self.bios else ",cpu-num=0"
            args += ["-device", f"loader,file={path},addr={address:#x},force-raw=on{start}"]
        return args


@dataclasses.dataclass
class Result:
    """What a command in the host's shell came to."""

    status: int
    output: str

    @property
    def lines(self):
        return self.output.splitlines()


class ConsoleError(AssertionError):
    """The console did not say what it should have."""


class Machine:
    """A running QEMU and its console."""

    def __init__(self, config, log_path):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.config = config
        self.log_path = log_path
        self.log = open(log_path, "w", encoding="utf-8", newline="")
        args = config.qemu_args()
        self.log.write("$ qemu-system-aarch64 " + " ".join(args) + "\n")
        self.child = pexpect.spawn(
            "qemu-system-aarch64",
            args,
            encoding="utf-8",
            codec_errors="replace",
            timeout=BOOT_TIMEOUT,
            preexec_fn=die_with_parent,
            dimensions=(24, 500),
        )
        self.child.delaybeforesend = None
        self.child.logfile_read = self.log

    # ---- the console

    @property
    def console(self):
        """Everything printed so far, with plain newlines."""
        self.log.flush()
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        return text.replace("\r", "")

    def tail(self, lines=TAIL_LINES):
        return "\n".join(self.console.splitlines()[-lines:])

    def keel_lines(self):
        """What Keel itself printed."""
        return [m.group(0) for m in re.finditer(messages.KEEL_LINE, self.console, re.M)]

    def expect(self, pattern, timeout=BOOT_TIMEOUT):
        """Wait until the console prints `pattern`; its match."""
        try:
            self.child.expect(pattern, timeout=timeout)
        except pexpect.TIMEOUT:
            raise ConsoleError(
                f"waited {timeout} s for {pattern!r}; the console ends with:\n{self.tail()}"
            ) from None
        except pexpect.EOF:
            raise ConsoleError(
                f"QEMU ended before {pattern!r} came; the console ends with:\n{self.tail()}"
            ) from None
        return self.child.match

    def expect_silence(self, seconds):
        """Nothing more may be printed for so long, and QEMU goes on: a machine that stands still."""
        try:
            self.child.expect(r"\S", timeout=seconds)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF:
            raise ConsoleError(f"QEMU ended; the console ends with:\n{self.tail()}") from None
        raise ConsoleError(f"the machine should be silent, but printed:\n{self.tail()}")

    def wait_for_shell(self, timeout=BOOT_TIMEOUT):
        self.expect("KEEL-INIT-REACHED", timeout)
        self.expect(PROMPT, timeout)
        return self

    def wait_for_exit(self, timeout=BOOT_TIMEOUT):
        """Wait until QEMU ends by itself; its exit status."""
        try:
            self.child.expect(pexpect.EOF, timeout=timeout)
        except pexpect.TIMEOUT:
            raise ConsoleError(
                f"QEMU did not end within {timeout} s; the console ends with:\n{self.tail()}"
            ) from None
        self.child.close()
        return self.child.exitstatus

    # ---- the host's shell

    def send(self, line):
        self.child.sendline(line)

    def run(self, command, timeout=COMMAND_TIMEOUT):
        """Run a command line in the host's shell."""
        # The quotes keep the typed line, which is echoed, from looking like the marks it prints.
        self.send(f'echo KEEL"-"BEGIN; {command}; echo KEEL"-"END=$?')
        self.expect(r"KEEL-BEGIN\r*\n", timeout)
        match = self.expect(r"KEEL-END=(\d+)\r", timeout)
        output = self.child.before.replace("\r", "")
        self.expect(PROMPT, timeout)
        return Result(int(match.group(1)), output.strip("\n"))

    def check(self, command, timeout=COMMAND_TIMEOUT):
        """Run a command that must succeed; its output."""
        result = self.run(command, timeout)
        if result.status != 0:
            raise ConsoleError(
                f"`{command}` in the host: expected status 0, got {result.status}:\n{result.output}"
            )
        return result.output

    def quit(self):
        # pexpect's own close() gives a process 0.1 s to die, which a loaded machine may not keep.
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()
        self.child.close(force=True)
        self.log.close()


# ---- small tools for the tests


def keel_regions(machine):
    """[(base, size)] of Keel's memory, from the host's device tree."""
    digits = machine.check(f"cat {messages.RESERVED_NODE_GLOB}/reg | od -An -tx1 -v").split()
    return list(struct.iter_unpack(">QQ", bytes(int(digit, 16) for digit in digits)))
