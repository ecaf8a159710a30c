# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the test of the packages; installed.py has the machine, which is one of the system tests'."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEM = Path(__file__).resolve().parents[1] / "system"
sys.path.insert(0, str(SYSTEM))

import installed  # noqa: E402
import keelvm  # noqa: E402

spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system_conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system_conftest)
pytest_runtest_makereport = system_conftest.pytest_runtest_makereport

DEB = keelvm.BUILD / "deb"
GUEST_INITRD = keelvm.BUILD / "host" / keelvm.DEFAULT_KERNEL / "guest-initrd"

# What `virsh create` gets.
DOMAIN = """
<domain type='kvm'>
  <name>guest</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='aarch64' machine='virt'>hvm</type>
    <kernel>/boot/guest-kernel</kernel>
    <initrd>/boot/guest-initrd</initrd>
    <cmdline>console=ttyAMA0 cryptomgr.notests quiet</cmdline>
  </os>
  <features><gic version='3'/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <emulator>/usr/bin/qemu-system-aarch64</emulator>
    <serial type='file'><source path='/var/log/guest.log'/></serial>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def newer_keel(folder):
    """The package `keel` in a later version, whose keel.efi is another file with the same contents."""
    (package,) = DEB.glob("keel_*_arm64.deb")
    tree, newer = folder / "newer", folder / "newer-keel.deb"
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True, timeout=120)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: ", "Version: 9:", control.read_text(), flags=re.M))
    with open(tree / "usr/lib/keel/keel.efi", "ab") as image:
        image.write(b"newer")
    command = ["dpkg-deb", "--root-owner-group", "--nocheck", "-b", tree, newer]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return newer


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A disk with the packages, and what a guest boots."""
    folder = tmp_path_factory.mktemp("packages")
    disk, contents = folder / "packages.img", folder / "contents"
    contents.mkdir()
    for file in [*DEB.glob("*.deb"), GUEST_INITRD, newer_keel(folder)]:
        (contents / file.name).write_bytes(file.read_bytes())
    (contents / "guest.xml").write_text(DOMAIN)
    command = ["mke2fs", "-q", "-t", "ext4", "-L", "packages", "-d", contents, disk, "64M"]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    return disk


@pytest.fixture
def boot(request, packages):
    """boot(state, after): a copy of the machine as a step left it. `after`: what this step will leave."""
    machines = request.node.machines = []
    scratch = re.sub(r"[^A-Za-z0-9_]+", "_", request.node.name)

    def start(state, after=None):
        if after:
            installed.forget(after)
        installed.copy(state, scratch)
        config = installed.Config(cpu="neoverse-n1", mem="2G", state=scratch, packages=packages)
        log = keelvm.LOGS / f"{scratch}{len(machines)}.log"
        machines.append(installed.Installed(config, log))
        return machines[-1].wait_for_shell()

    yield start
    for machine in machines:
        machine.quit()
    installed.forget(scratch)
