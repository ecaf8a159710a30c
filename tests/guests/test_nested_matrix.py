# SPDX-License-Identifier: BSD-2-Clause
"""Linux as a guest hypervisor, in full: kernels, CPU models, CPUs and vCPUs, vmrun and Debian's QEMU as the VMM
there; several nested guests, kills, memory that comes and goes. `make test-nested` repeats it (docs/nested.md)."""

import random
import re

import pytest

import keelvm
import nesting
import vms
from vms import KILLED, OFF, Background

pytestmark = [pytest.mark.full, pytest.mark.nested]

NESTED = "quiet keel.console=keep keel.nested=1"

# Kernel of all three levels, CPU model, CPUs of the machine, vCPUs of both levels.
MACHINES = [
    ("kernel-6.1-cloud", "max", 1, 1),
    ("kernel-6.1-cloud", "max", 2, 4),
    ("kernel-6.1-cloud", "max", 4, 8),
    ("kernel-6.1-cloud", "neoverse-n2", 2, 2),
    ("kernel-6.1-cloud", "neoverse-n2", 4, 4),
    ("kernel-6.12-cloud", "max", 2, 2),
    ("kernel-6.12-cloud", "max", 2, 4),
    ("kernel-6.12-cloud", "max", 4, 4),
    ("kernel-6.12-cloud", "max", 4, 8),
    ("kernel-6.12-cloud", "neoverse-n2", 2, 4),
]


# The same without VHE at the second level.
NVHE_MACHINES = [("kernel-6.1-cloud", 4, 4)]


def nested_host(boot, kernel=keelvm.DEFAULT_KERNEL, **changes):
    return boot(kernel=kernel, **{"append": NESTED, "smp": 2, "mem": "3G", **changes})


@pytest.mark.parametrize("kernel,cpu,host_cpus,vcpus", MACHINES)
def test_linux_runs_linux_on(boot, kernel, cpu, host_cpus, vcpus):
    """A nested guest to its shell, busy with a disk, and to its end; then both levels end."""
    run_both_levels(nested_host(boot, kernel, cpu=cpu, smp=host_cpus), vcpus)


@pytest.mark.parametrize("kernel,host_cpus,vcpus", NVHE_MACHINES)
def test_linux_without_vhe_runs_linux_on(boot, kernel, host_cpus, vcpus):
    run_both_levels(nested_host(boot, kernel, smp=host_cpus), vcpus, "nvhe")


def run_both_levels(host, vcpus, kind="vhe"):
    outer = nesting.start_outer(host, vcpus, "768M", kind=kind)
    checksum = nesting.make_disk(outer)
    nesting.start_inner(outer, f"--cpus {vcpus} --disk /tmp/disk", "256M")
    nesting.works(outer, vcpus, checksum)
    nesting.assert_calm(outer)
    assert nesting.end_inner(outer) == OFF
    assert outer.run("md5sum </tmp/disk") == checksum
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    vms.assert_healthy(host)


# ---- another kernel at each level

OTHER_FILES = r"printf 'guest/other\nguest/other/Image\nguest/other/initrd\n'"
OTHER = {"image": nesting.OTHER_IMAGE, "initrd": nesting.OTHER_INITRD}


@pytest.mark.parametrize(
    "cpu,outer_is_other", [("max", True), ("max", False), ("neoverse-n2", True), ("neoverse-n2", False)]
)
def test_the_levels_have_different_kernels(boot, cpu, outer_is_other):
    """6.12 runs 6.1, and the reverse, on a host with 6.1."""
    host = nested_host(boot, cpu=cpu, bundle=keelvm.guests_bundle().with_name("mixed-bundle.cpio"))
    own = {"initrd": nesting.OUTER, **({"image": nesting.OTHER_IMAGE} if outer_is_other else {})}
    nesting.make_outer(host, more=OTHER_FILES, initrd=nesting.OTHER_INITRD if outer_is_other else vms.INITRD)
    outer = vms.Guest(host, "--nested --cpus 2 --mem 768M", cmdline=nesting.PATIENT, **own)
    checksum = nesting.make_disk(outer)
    nesting.start_inner(outer, "--cpus 2 --disk /tmp/disk", **({} if outer_is_other else OTHER))
    assert outer.run("uname -r").startswith("6.1." if outer_is_other else "6.12.")
    nesting.works(outer, 2, checksum)
    assert nesting.end_inner(outer) == OFF
    assert outer.run("uname -r").startswith("6.12." if outer_is_other else "6.1.")
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    vms.assert_healthy(host)


# ---- QEMU in the guest hypervisor


QEMU_FILES = "find lib -path lib/modules -prune -o -print; echo bin/qemu-system-aarch64"


def qemu(cpus):
    return (
        f"qemu-system-aarch64 -machine virt,gic-version=3 -accel kvm -cpu host -nodefaults -nographic -m 128M -smp {cpus} "
        "-serial stdio -drive if=none,id=d,file=/tmp/disk,format=raw -device virtio-blk-pci,drive=d "
        f"-kernel {vms.IMAGE} -initrd {vms.INITRD} -append 'console=ttyAMA0 {nesting.PATIENT}'"
    )


@pytest.mark.parametrize(
    "kernel,cpu,cpus",
    [("kernel-6.1-cloud", "max", 2), ("kernel-6.1-cloud", "neoverse-n2", 2), ("kernel-6.12-cloud", "max", 2)],
)
def test_debians_qemu_runs_nested_guests(boot, kernel, cpu, cpus):
    """-accel kvm in the guest hypervisor: an ITS, virtio-pci with MSI-X, a disk."""
    bundle = keelvm.guests_bundle(kernel).with_name("qemu-bundle.cpio")
    host = nested_host(boot, kernel, cpu=cpu, mem="4G", bundle=bundle)
    nesting.make_outer(host, nesting.OUTER_QEMU, QEMU_FILES)
    outer = vms.Guest(host, f"--nested --cpus {cpus} --mem 1G", initrd=nesting.OUTER_QEMU, cmdline=nesting.PATIENT)
    checksum = nesting.make_disk(outer)
    nesting.start_inner_by(outer, qemu(cpus))
    nesting.works(outer, cpus, checksum)
    assert nesting.end_inner(outer) == OFF
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    vms.assert_healthy(host)


# ---- several at once, and sudden ends


@pytest.mark.parametrize("cpu", ["max", "neoverse-n2"])
def test_four_nested_guests_at_once(boot, cpu):
    """With two vCPUs each, on two: each has memory of its own, and one that is killed is nothing to the others."""
    host = nested_host(boot, cpu=cpu)
    outer = nesting.start_outer(host, 2, "1G")
    inside = nesting.Inside(outer)
    guests = [Background(inside, "--cpus 2 --mem 128M", cmdline=nesting.PATIENT) for _ in range(4)]
    for guest in guests:
        guest.wait_for_shell()
    for number, guest in enumerate(guests):
        guest.send(f"memtouch 32 2 >/tmp/memory; echo GUEST-{number}-DONE")
    for number, guest in enumerate(guests):
        guest.expect(f"GUEST-{number}-DONE")
        assert guest.run("cat /tmp/memory") == "memtouch: 32 MiB good"
    assert guests[0].kill("KILL") == KILLED
    assert guests[1].end("poweroff -f") == OFF
    for guest in guests[2:]:
        assert guest.run("memtouch 16") == "memtouch: 16 MiB good"
        assert guest.end("poweroff -f") == OFF
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    vms.assert_healthy(host)


def loop_of_kills(times, delays, command):
    """A shell's: the command is killed after each of the delays; what it printed last is in /tmp/out."""
    waits = " ".join(f"{delays.uniform(0.2, 12):.2f}" for _ in range(times))
    return f"for t in {waits}; do {command} </dev/null >/tmp/out 2>&1 & sleep $t; kill -9 $!; wait $!; echo ENDED $?; done"


@pytest.mark.parametrize("cpu", ["max", "neoverse-n2"])
def test_nested_guests_are_killed(boot, cpu):
    """At any time of their boot: the guest hypervisor goes on, and runs another one."""
    host = nested_host(boot, cpu=cpu)
    outer = nesting.start_outer(host, 2)
    checksum = nesting.make_disk(outer)
    inner = vms.vmrun("--mem 128M --cpus 2", nesting.PATIENT)
    ends = outer.run(loop_of_kills(12, random.Random(cpu), inner))
    assert ends.count(f"ENDED {KILLED}") == 12, ends
    nesting.start_inner(outer, "--cpus 2 --disk /tmp/disk")
    nesting.works(outer, 2, checksum)
    assert nesting.end_inner(outer) == OFF
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    vms.assert_healthy(host)


# A guest hypervisor whose initial RAM disk starts a nested guest by itself, again and again.
AUTOSTART = "#!/bin/sh\\nwhile :; do vmrun --mem 96M --cpus 2 -i /guest/initrd -c quiet /guest/Image </dev/null; done\\n"


# A nested guest has memory.
FILLED = "keelctl nested $(keelctl vms | awk 'END { print $1 }') 2>/dev/null | grep -q 'faults_filled  *[1-9]'"


@pytest.mark.parametrize("variant,kind", [("release", "vhe"), ("debug", "vhe"), ("release", "nvhe"), ("debug", "nvhe")])
def test_guest_hypervisors_are_killed_while_nested_guests_run(boot, variant, kind):
    """Nothing of them is left: neither memory of the host's nor Keel's tables."""
    host = nested_host(boot, variant=variant)
    nesting.make_outer(host)
    host.check(f"mkdir -p /tmp/a/etc; cd /tmp/a; printf '{AUTOSTART}' >etc/autostart; chmod 755 etc/autostart")
    more = r"printf 'etc\netc/autostart\n' | cpio -o -H newc 2>/dev/null"
    host.check(f"cd /tmp/a; (cat {nesting.OUTER}; {more}) >/tmp/auto; cd /")
    vms.mount_debugfs(host)
    vms.warm_up(host)
    before = vms.Leftovers(host)
    delays = random.Random(variant)
    outer = f"--nested={kind} --cpus 2 --mem 512M"
    for _ in range(4):
        guest = Background(host, outer, initrd="/tmp/auto", cmdline=nesting.PATIENT)
        host.check(f"until {FILLED}; do sleep 0.3; done", vms.GUEST_TIMEOUT)
        host.run(f"sleep {delays.uniform(1, 20):.2f}", vms.GUEST_TIMEOUT)
        assert guest.kill("KILL") == KILLED
    before.check()
    vms.assert_healthy(host)


# ---- memory that comes and goes


# 4: as a checkpoint does, the process's pages are to be write-protected, and no guest may have them meanwhile.
TAKE = "while :; do pid=$(pidof vmrun) && echo 4 >/proc/$pid/clear_refs; sleep 0.3; done"


def test_the_hosts_memory_management_is_busy_meanwhile(boot):
    """All memory of the guest hypervisor is taken from it, again and again, and comes back page by page."""
    host = nested_host(boot)
    nesting.make_outer(host)
    vms.mount_debugfs(host)
    host.check(f"({TAKE}) >/dev/null 2>&1 & true")
    outer = nesting.start_outer(host, 2)
    checksum = nesting.make_disk(outer)
    nesting.start_inner(outer, "--cpus 2 --disk /tmp/disk")
    nesting.works(outer, 2, checksum)
    assert outer.run("memtouch 32 3") == "memtouch: 32 MiB good"
    assert nesting.end_inner(outer) == OFF
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    vms.assert_healthy(host)


# CPU model, CPUs of the machine, vCPUs of both levels, Keel.
MOVES = [
    ("max", 2, 2, "release"),
    ("max", 2, 2, "debug"),
    ("max", 2, 4, "release"),
    ("max", 4, 8, "release"),
    ("neoverse-n2", 2, 2, "release"),
    ("neoverse-n2", 2, 4, "release"),
    ("neoverse-n2", 4, 8, "release"),
]


@pytest.mark.parametrize("cpu,host_cpus,vcpus,variant", MOVES)
def test_the_vmm_changes_its_slots_meanwhile(boot, cpu, host_cpus, vcpus, variant):
    """All slots of the guest hypervisor's memory are removed, in part replaced, and added again, in halves or
    elsewhere first: what nested guests have in memory and on a disk stays."""
    host = nested_host(boot, cpu=cpu, smp=host_cpus, variant=variant)
    outer = nesting.start_outer(host, vcpus, options="--move-memory 5000")
    checksum = nesting.make_disk(outer)
    nesting.start_inner(outer, f"--cpus {vcpus} --disk /tmp/disk")
    nesting.works(outer, vcpus, checksum)
    # a minute of the nested guest's, however fast the machine is: a dozen moves
    minute = "while read up _ </proc/uptime; [ ${up%.*} -lt 60 ]; do memtouch 32 >/tmp/m || cat /tmp/m; done"
    assert outer.run(minute) == ""
    assert nesting.end_inner(outer) == OFF
    assert outer.run("md5sum </tmp/disk") == checksum
    assert outer.run("memtouch 128 2") == "memtouch: 128 MiB good"
    nesting.assert_calm(outer)
    assert outer.end("poweroff -f") == OFF
    moves = int(re.search(r"memory has moved (\d+) times", host.console).group(1))
    assert moves >= 12
    vms.assert_healthy(host)
