# SPDX-License-Identifier: BSD-2-Clause
"""Message-signalled interrupts of a host: LPIs by an ITS whose registers are EL2's."""

import re

import pytest

import keelvm
import messages

SIZE_MIB = 16
# ITS-MSI, or from 6.11 on ITS-PCI-MSIX-0000:00:01.0
MSI = r"^\s*\d+:((?:\s+\d+)+)\s+ITS-\S*MSI\S*\s+\d+\s+Edge\s+(\S+)"


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(range(256)) * (SIZE_MIB * 4096))
    return ("-device", "virtio-blk-pci,drive=disk", "-drive", f"if=none,id=disk,format=raw,file={path}")


def interrupts(machine):
    """What the disk's LPIs came to: one count for each CPU that is there."""
    counts = [0] * machine.config.smp
    for numbers, name in re.findall(MSI, machine.check("cat /proc/interrupts"), re.M):
        if name.startswith("virtio0-req"):
            counts = [a + int(b) for a, b in zip(counts, numbers.split())]
    return counts


def read_disk(machine, cpu=0):
    """Read all of it on one CPU, past the page cache's copy; the checksum."""
    mask = hex(1 << cpu)
    return machine.check(
        f"echo 3 >/proc/sys/vm/drop_caches; taskset {mask} md5sum </dev/vda", timeout=200
    ).split()[0]


@pytest.mark.parametrize(
    "cpu,smp,e2h,variant",
    [
        ("max", 4, 0, "debug"),
        ("cortex-a57", 2, 0, "release"),
        pytest.param("max", 2, 1, "release", marks=pytest.mark.full),
        pytest.param("neoverse-n1", 1, 0, "debug", marks=pytest.mark.full),
        pytest.param("cortex-a72", 4, 0, "release", marks=pytest.mark.full),
    ],
)
def test_a_disks_interrupts_arrive_on_every_cpu(boot, disk, cpu, smp, e2h, variant):
    machine = boot(
        cpu=cpu, smp=smp, variant=variant, extra=disk, append=f"keel.console=keep keel.e2h={e2h}"
    )
    first = read_disk(machine)
    for number in range(smp):
        before = interrupts(machine)
        assert read_disk(machine, number) == first
        after = interrupts(machine)
        assert sum(after) > sum(before), f"CPU {number} read, and no LPI came: {before}, {after}"
    check_nothing_was_refused(machine)


OTHERS = [
    (3, "off", 2, "debug"),  # redistributors alone
    (2, "on", 1, "release"),  # a GICv2, which Keel leaves to the host
    pytest.param(4, "on", 2, "release", marks=pytest.mark.full),  # two frames more of each redistributor
]


@pytest.mark.parametrize("gic,its,smp,variant", OTHERS)
def test_a_host_boots_on_other_interrupt_controllers(boot, disk, gic, its, smp, variant):
    """The same disk, by LPIs where there are some, and by its interrupt line elsewhere."""
    extra = (*disk, "-machine", f"its={its}")
    machine = boot(gic=gic, smp=smp, variant=variant, extra=extra)
    first = read_disk(machine)
    assert read_disk(machine, smp - 1) == first
    assert (sum(interrupts(machine)) > 0) == (gic == 4)
    if gic >= 3 and smp > 1:
        machine.check("echo 0 >/sys/devices/system/cpu/cpu1/online && echo 1 >/sys/devices/system/cpu/cpu1/online")
        assert read_disk(machine, 1) == first
    check_nothing_was_refused(machine)


def check_nothing_was_refused(machine):
    dmesg = machine.check("dmesg")
    assert not re.search(r"ITS.*(timeout|fail|queue)|irq \d+: nobody cared", dmesg, re.I), dmesg
    assert not re.search(messages.KEEL_ERROR, machine.console, re.M)
    assert "refused" not in machine.console


@pytest.mark.parametrize("kernel", [keelvm.DEFAULT_KERNEL, pytest.param("kernel-6.12-cloud", marks=pytest.mark.full)])
def test_interrupts_arrive_after_their_cpus_went_and_came(start, disk, kernel):
    machine = start(smp=4, extra=disk, bundle=keelvm.bundle(kernel))
    machine.wait_for_shell()
    first = read_disk(machine)
    for cpu in (1, 2, 3):
        online = f"/sys/devices/system/cpu/cpu{cpu}/online"
        machine.check(f"echo 0 >{online}")
        before = sum(interrupts_left(machine))
        assert read_disk(machine) == first
        assert sum(interrupts_left(machine)) > before
        machine.check(f"echo 1 >{online}")
        assert read_disk(machine, cpu) == first
    check_nothing_was_refused(machine)


def interrupts_left(machine):
    """As interrupts(), with one CPU fewer."""
    text = machine.check("cat /proc/interrupts")
    return [
        int(n) for numbers, name in re.findall(MSI, text, re.M) if name.startswith("virtio0-req")
        for n in numbers.split()
    ]


def test_a_driver_may_come_and_go(boot, disk):
    """Each time it maps its device and events anew, and frees the memory of its ITT afterwards."""
    machine = boot(extra=disk)
    first = read_disk(machine)
    device = machine.check("basename $(dirname $(readlink -f /sys/block/vda/device))")
    driver = "/sys/bus/pci/drivers/virtio-pci"
    for _ in range(20):
        machine.check(f"echo {device} >{driver}/unbind && echo {device} >{driver}/bind")
    machine.check("for i in $(seq 50); do [ -b /dev/vda ] && break; sleep 0.1; done")
    assert read_disk(machine) == first
    check_nothing_was_refused(machine)
