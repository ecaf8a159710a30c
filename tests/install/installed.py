# SPDX-License-Identifier: BSD-2-Clause
"""A machine with a disk that Debian is installed on, and what the steps of the story leave of it.

A state is the disk and firmware's variables: `debian`, which make-disk makes, and what the steps keep
under names of their own. So a step that failed can be tried again without those before it.
"""

import dataclasses
import os
import subprocess
from pathlib import Path

import keelvm

FIRMWARE = "/usr/share/AAVMF/AAVMF_CODE.fd"
INSTALL = keelvm.BUILD / "install"
DEBIAN = "debian"
# A distribution boots, and builds a module, on an emulated CPU that others share.
LONG = float(os.environ.get("KEEL_INSTALL_TIMEOUT", 5400))


def files_of(state):
    """The disk and the variables."""
    if state == DEBIAN:
        return [INSTALL / "disk.img", INSTALL / "vars.fd"]
    return [INSTALL / f"{state}.disk", INSTALL / f"{state}.vars"]


def forget(state):
    for file in files_of(state):
        file.unlink(missing_ok=True)


def copy(before, after):
    for source, target in zip(files_of(before), files_of(after)):
        assert source.exists(), f"there is no {source}: the step before has not passed"
        subprocess.run(["cp", "--sparse=always", source, target], check=True, timeout=600)


@dataclasses.dataclass
class Config(keelvm.Config):
    """With ACPI, as most machines that start by UEFI have it."""

    state: str = DEBIAN
    packages: "Path | None" = None

    def qemu_args(self):
        disk, variables = files_of(self.state)
        args = ["-machine", "virt,virtualization=on,gic-version=3", "-cpu", self.cpu, "-smp", "2"]
        args += ["-m", self.mem, "-nographic", "-nic", "none", "-no-reboot"]
        args += ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"]
        args += ["-drive", f"if=pflash,format=raw,file={variables}"]
        args += ["-drive", f"if=none,id=disk,format=raw,file={disk}"]
        args += ["-device", "virtio-blk-device,drive=disk"]
        args += ["-drive", f"if=none,id=packages,format=raw,readonly=on,file={self.packages}"]
        return args + ["-device", "virtio-blk-device,drive=packages"]


class Installed(keelvm.Machine):
    """A machine that boots by itself to root's shell."""

    def run(self, command, timeout=LONG):
        return super().run(command, timeout)

    def check(self, command, timeout=LONG):
        return super().check(command, timeout)

    def wait_for_shell(self, timeout=LONG):
        self.expect(keelvm.PROMPT, timeout)
        self.check("mount -o ro LABEL=packages /mnt")
        return self

    def keep_as(self, state):
        """The system goes down by itself, to start again: here, as another machine."""
        self.send("systemctl reboot")
        assert self.wait_for_exit(LONG) == 0
        self.leave(state)

    def cut_power(self, state):
        """The system gets no chance to write anything more."""
        self.quit()
        self.leave(state)

    def leave(self, state):
        forget(state)
        for source, target in zip(files_of(self.config.state), files_of(state)):
            source.rename(target)
