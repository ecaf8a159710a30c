# SPDX-License-Identifier: BSD-2-Clause
"""Guests' memory: sizes, what a guest uses it for, and hosts that have not got it."""

import re

import pytest

import keelvm
import vms

# MiB of the guest, MiB that it fills and reads back, the machine's memory.
SIZES = [
    (64, 8, "1G"),
    pytest.param(256, 128, "1G", marks=pytest.mark.full),
    (1024, 256, "2G"),
    pytest.param(1024, 768, "2G", marks=pytest.mark.full),
    pytest.param(4096, 3584, "6G", marks=pytest.mark.full),
]


@pytest.mark.parametrize("size,used,mem", SIZES)
def test_a_guest_uses_all_of_its_memory(boot, size, used, mem):
    machine = boot(mem=mem)
    # The initial RAM disk is 10 MiB, the kernel 30.
    guest = vms.Guest(machine, f"--cpus 2 --mem {size}M")
    total = int(guest.run("awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
    assert size * 1024 * 0.4 < total < size * 1024
    assert guest.run(f"memtouch {used}") == f"memtouch: {used} MiB good"
    # Files too: their pages come one by one, and go.
    guest.run("mkdir -p /tmp/t; mount -t tmpfs -o size=90% none /tmp/t")
    guest.run("dd if=/dev/urandom of=/tmp/t/part bs=1M count=1 2>/dev/null")
    guest.run(f"for i in $(seq {size // 64}); do cat /tmp/t/part; done >/tmp/t/a; cp /tmp/t/a /tmp/t/b")
    assert guest.run("cmp /tmp/t/a /tmp/t/b && echo same") == "same"
    assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(machine)


@pytest.mark.full
def test_memory_moves_while_a_guest_uses_it(boot):
    """Two banks, whose slots the VMM removes and adds again with other pages behind them, twice in a second."""
    machine = boot()
    guest = vms.Guest(machine, "--cpus 2 --mem 128M --bank top,32M --move-memory 500")
    assert guest.run("memtouch 64 6") == "memtouch: 64 MiB good"
    assert guest.end("poweroff -f") == vms.OFF
    assert int(re.search(r"memory has moved (\d+) times", machine.console).group(1)) >= 3
    vms.assert_healthy(machine)


@pytest.mark.parametrize("cpu,kernel", [
    ("max", "kernel-6.1-cloud"),
    pytest.param("neoverse-n1", "kernel-6.12-cloud", marks=pytest.mark.full),
])
def test_registers_of_devices_are_guest_memory(boot, cpu, kernel):
    """Mapped by /dev/mem, as VFIO maps them; also where a driver has the device. Not what EL2 has itself."""
    machine = boot(cpu=cpu, kernel=kernel, append="keel.console=keep iomem=relaxed")
    vms.passes(machine, "frames")
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("cpu", ["max", "neoverse-n1"])
def test_a_thousand_vms_and_a_large_one(boot, cpu):
    machine = boot(cpu=cpu, mem="4G")
    vms.warm_up(machine)
    vms.passes(machine, "scale", timeout=4 * keelvm.BOOT_TIMEOUT)
    vms.assert_healthy(machine)


def survives(machine, before):
    """A guest that asked for too much has gone; all is as before."""
    before.check()
    vms.boots_and_ends(machine)


@pytest.mark.full
def test_a_guest_may_be_larger_than_its_host(boot):
    """The host kills vmrun, or vmrun says that there is no memory; nothing else is hurt."""
    machine = boot(mem="640M")
    vms.boots_and_ends(machine)
    before = vms.Leftovers(machine)
    guest = vms.Background(machine, "--cpus 2 --mem 1G")
    guest.wait_for_shell()
    status = guest.end("memtouch 900; echo SURVIVED-$((1))")
    assert status in (vms.ERROR, vms.KILLED), guest.console()
    assert status == vms.KILLED or "Cannot allocate memory" in guest.console()
    assert "SURVIVED-1" not in guest.console()
    survives(machine, before)


def small_group(machine, limit):
    """A memory cgroup in /cg, and the command whose arguments are a command that runs in it."""
    machine.check("mkdir -p /cg; mount -t cgroup2 none /cg")
    machine.check(f"echo +memory >/cg/cgroup.subtree_control; mkdir -p /cg/small; echo {limit} >/cg/small/memory.max")
    enter = "echo 0 >/cg/small/cgroup.procs; exec"
    machine.check(f"echo '#!/bin/sh' >/tmp/in-cgroup; echo '{enter} \"$@\"' >>/tmp/in-cgroup; chmod +x /tmp/in-cgroup")
    return "/tmp/in-cgroup"


def test_guest_memory_is_charged_to_the_cgroup(shared):
    """Guest memory is charged to vmrun's memory cgroup: beyond its limit vmrun is killed."""
    machine = shared()
    vms.warm_up(machine)
    in_group = small_group(machine, "160M")
    before = vms.Leftovers(machine)
    guest = vms.Background(machine, "--mem 512M", prefix=in_group)
    guest.wait_for_shell()
    status = guest.end("memtouch 300; echo SURVIVED-$((1))")
    assert status in (vms.ERROR, vms.KILLED), guest.console()
    assert "SURVIVED-1" not in guest.console()
    survives(machine, before)
    machine.check("umount /cg")


def test_locked_memory_has_a_limit(shared):
    """
    A guest's memory is no locked memory of its user's, unless the module lets it be: then the guest cannot
    have more, vmrun says so, and the kernel's log says why.
    """
    machine = shared()
    vms.warm_up(machine)
    machine.check("chmod 666 /dev/kvm")
    before = vms.Leftovers(machine)
    off = "echo 'poweroff -f' |"
    result = machine.run(f"{off} limited 8192 {vms.vmrun()} >/tmp/out 2>&1", vms.GUEST_TIMEOUT)
    assert result.status == vms.OFF, machine.check("cat /tmp/out")
    machine.check("echo 1 >/sys/module/keel/parameters/memlock")
    result = machine.run(f"limited 16384 {vms.vmrun()} 2>&1 </dev/null", vms.GUEST_TIMEOUT)
    assert result.status == vms.ERROR
    assert "KVM_RUN failed: Cannot allocate memory" in result.output
    assert "the limit of 16384 KiB is reached" in machine.check("dmesg")
    # Enough for all of it.
    result = machine.run(f"{off} limited 524288 {vms.vmrun()} >/tmp/out 2>&1", vms.GUEST_TIMEOUT)
    machine.check("echo 0 >/sys/module/keel/parameters/memlock")
    assert result.status == vms.OFF, machine.check("cat /tmp/out")
    before.check()
    vms.assert_healthy(machine)


@pytest.mark.parametrize("kernel", ["kernel-6.1-cloud", pytest.param("kernel-6.12-cloud", marks=pytest.mark.full)])
def test_guest_memory_is_swapped_merged_and_moved(boot, kernel):
    """
    A process's limit is lower than its guest's memory, and all that the kernel does with memory is done at
    once under eight vCPUs, which find what they have written; VMMs are killed in it, and nothing is left.
    Then slots, their logs and files that are guest memory change as well.
    """
    machine = boot(kernel=kernel, smp=4)
    vms.warm_up(machine)
    vms.swap_on(machine)
    in_group = small_group(machine, "16M")
    before = vms.Leftovers(machine)
    result = machine.run(f"{in_group} test_reclaim 10", timeout=900)
    assert result.status == 0, result.output
    result = machine.run("test_churn 2 1 2", timeout=600)
    assert result.status == 0, result.output
    vms.swap_off(machine)
    before.check()
    vms.assert_healthy(machine)


def churns(machine, command, *, seconds):
    """`command`, in a host with swap, leaves nothing behind."""
    vms.warm_up(machine)
    vms.swap_on(machine)
    before = vms.Leftovers(machine)
    result = machine.run(command, timeout=seconds)
    assert result.status == 0, result.output
    vms.swap_off(machine)
    before.check()
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 1000])
@pytest.mark.parametrize("kernel,cpu", [("kernel-6.1-cloud", "max"), ("kernel-6.12-cloud", "neoverse-n1")])
def test_a_guest_loses_no_write_whatever_the_process_does_with_its_memory(boot, kernel, cpu, seed):
    """Memory, slots, their log and files of a VM change all the time, while 1, 2 and 4 vCPUs count in it."""
    machine = boot(kernel=kernel, cpu=cpu, smp=2, variant="debug")
    churns(machine, f"test_churn 30 {seed} 12", seconds=1500)


def test_a_guest_waits_for_memory_that_is_held(boot):
    """Memory that somebody holds where the kernel wants all to be movable: the guest waits for it."""
    machine = boot(append="quiet keel.console=keep kernelcore=512M")
    assert "Movable" in machine.check("cat /proc/zoneinfo")
    result = machine.run("test_held", timeout=100)
    assert result.status == 0, result.output
    vms.assert_healthy(machine)
