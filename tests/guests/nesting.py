# SPDX-License-Identifier: BSD-2-Clause
"""Driving nested guests: a Linux guest hypervisor, whose KVM runs Linux by vmrun or by Debian's QEMU.

    outer = start_outer(host, cpus=2)            the machine's console is the guest hypervisor's
    start_inner(outer, "--cpus 2")               ... and now its guest's
    works(outer, cpus=2)
    assert end_inner(outer) == OFF
    assert outer.end("poweroff -f") == OFF

    inside = Inside(outer)                       its shell, as a host's: for vms.Background
"""

import re

import keelvm
import vms
from vms import INITRD, PROMPT, Guest

# The guest's initial RAM disk, and in it what a guest hypervisor needs: vmrun, a kernel, a RAM disk.
OUTER = "/tmp/outer"
# The same, with QEMU and its libraries.
OUTER_QEMU = "/tmp/outer-qemu"
# Another kernel, where the host has one (mixed-bundle.cpio), and its initial RAM disk.
OTHER_IMAGE, OTHER_INITRD = "/guest/other/Image", "/guest/other/initrd"

# Watchdogs go by the clock, and the machine is emulated.
PATIENT = f"quiet {keelvm.QUICK} rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"


def make_outer(host, path=OUTER, more="", initrd=INITRD):
    """@more: what finds more files, by their paths without the first slash. @initrd: its own kernel's."""
    files = r"guest\nbin/vmrun\nguest/Image\nguest/initrd\n"
    archive = f"cd / && (printf '{files}'; {more or 'true'}) | cpio -o -H newc 2>/dev/null"
    host.check(f"test -e {path} || (cat {initrd}; {archive}) >{path}", vms.GUEST_TIMEOUT)


def start_outer(host, cpus, mem="512M", options="", cmdline=PATIENT, kind="vhe"):
    make_outer(host)
    return Guest(host, f"--nested={kind} --cpus {cpus} --mem {mem} {options}", initrd=OUTER, cmdline=cmdline)


def start_inner(guest, options="", mem="128M", **image):
    """Run vmrun in the guest's shell: its console is the guest's."""
    start_inner_by(guest, vms.vmrun(f"--mem {mem} {options}", PATIENT, **image))


def start_inner_by(guest, command):
    guest.machine.send(f'{command}; echo INNER"="$?')
    guest.wait_for_shell()


def end_inner(guest):
    guest.machine.send("poweroff -f")
    status = int(guest.machine.expect(r"INNER=(\d+)\r").group(1))
    guest.machine.expect(PROMPT)
    return status


# A loop whose processes are on all CPUs, and read the disk: IPIs, timers, faults, virtio.
BUSY = "for i in 1 2 3 4; do (for j in 1 2 3 4 5; do md5sum </dev/vda; done) & done; wait"


def make_disk(guest, mib=2):
    """Its checksum."""
    guest.run(f"dd if=/dev/urandom of=/tmp/disk bs=1M count={mib} 2>/dev/null")
    return guest.run("md5sum </tmp/disk")


def works(guest, cpus, checksum):
    """What a nested guest's console shows: CPUs, sleep, a disk under load, timers on each CPU."""
    assert guest.run("nproc") == str(cpus)
    assert guest.run("sleep 1; echo awake") == "awake"
    sums = [line for line in guest.run(BUSY).splitlines() if "-" in line]
    assert len(sums) == 20 and set(sums) == {checksum}
    count = "for (i = 2; i < NF; i++) n += ($i + 0 > 0)"
    timers = guest.run(f"awk '/arch_timer/ {{ {count} }} END {{ print n }}' /proc/interrupts")
    assert int(timers) >= cpus


# What a kernel says when something is wrong with it; it goes to the console's shell.
ALARMS = "dmesg | grep -v 'ommand line' | grep -E 'Oops|BUG:|WARNING|detected.*stall|lockup|hung_task'"


def assert_calm(guest):
    assert guest.run(ALARMS) == ""


class Inside:
    """A guest's shell, for what is written for the host's: run() and check() as keelvm.Machine has them."""

    def __init__(self, guest):
        self.guest = guest

    def run(self, command, timeout=vms.GUEST_TIMEOUT):
        output = self.guest.run(f'{command}; echo "STATUS=$?"', max(timeout, vms.GUEST_TIMEOUT))
        match = re.search(r"^(.*?)\n?STATUS=(\d+)$", output, re.S)
        return keelvm.Result(int(match.group(2)), match.group(1))

    def check(self, command, timeout=vms.GUEST_TIMEOUT):
        result = self.run(command, timeout)
        assert result.status == 0, f"`{command}` in the guest: status {result.status}:\n{result.output}"
        return result.output
