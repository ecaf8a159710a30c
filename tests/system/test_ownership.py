# SPDX-License-Identifier: BSD-2-Clause
"""The host touches memory that is Keel's: it gets an abort that it can deal with, and goes on."""

import re

import pytest

import keelvm
import messages

BUS_ERROR = r"memprobe: signal BUS code \d+ address 0x[0-9a-f]+"
# memprobe.c
STATUS_ERROR = 1
STATUS_SIGNAL = 3


def probe(machine, how, address, *more):
    return machine.run(" ".join(["memprobe", how, hex(address), *more]))


def check_alive(machine):
    assert machine.check("echo alive") == "alive"
    assert machine.check("nproc") == str(machine.config.smp)


@pytest.mark.parametrize("cpu,gic", [("max", 3), ("cortex-a53", 2)])
@pytest.mark.parametrize("how", ["read", "write"])
def test_process_gets_sigbus(boot, cpu, gic, how):
    machine = boot(cpu=cpu, gic=gic)
    places = [place for base, size in keelvm.keel_regions(machine)
              for place in (base, base + size // 2, base + size - 8)]
    for address in places:
        result = probe(machine, how, address, "0")
        assert result.status == STATUS_SIGNAL, f"{how} {address:#x}: {result.output}"
        assert re.search(BUS_ERROR, result.output), f"{how} {address:#x}: {result.output}"
    check_alive(machine)
    assert re.search(messages.HOST_ABORT, machine.console), "Keel logged nothing"


def test_kernel_access_is_an_error_where_the_kernel_expects_one(boot):
    """A system call that is given such an address says so: the abort goes to the exception tables."""
    machine = boot()
    base, _ = keelvm.keel_regions(machine)[0]
    result = probe(machine, "kernel", base)
    assert result.status == STATUS_ERROR and result.output.endswith("memprobe: write: Bad address"), result
    dmesg = machine.check("dmesg")
    assert not re.search(r"Internal error|Unhandled fault|Call trace", dmesg), dmesg
    assert re.search(messages.HOST_ABORT, machine.console), "Keel logged nothing"
    check_alive(machine)


def test_every_abort_is_counted(boot):
    """Lines are few (the 1st, 2nd, 4th, 8th, ...), but the count in them is that of all."""
    machine = boot()
    base, _ = keelvm.keel_regions(machine)[0]
    machine.check(f"for i in $(seq 20); do memprobe read {base:#x} >/dev/null; done; true", timeout=120)
    counts = [int(count) for count in re.findall(messages.HOST_ABORT, machine.console)]
    assert counts == [1, 2, 4, 8, 16], f"the counts that were logged: {counts}"
    check_alive(machine)


def test_linux_uses_nothing_of_keels(boot):
    """Nothing of what Linux uses as memory is Keel's."""
    machine = boot()
    regions = keelvm.keel_regions(machine)
    assert regions
    iomem = machine.check("cat /proc/iomem")
    ram = [
        (int(first, 16), int(last, 16))
        for first, last in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM", iomem, re.M)
    ]
    assert ram, "no RAM in /proc/iomem"
    for base, size in regions:
        overlapping = [r for r in ram if r[0] < base + size and base <= r[1]]
        assert not overlapping, f"Keel's [{base:#x}, {base + size:#x}) is in the host's RAM {overlapping}"


@pytest.mark.parametrize("gic", [2, 3])
def test_devices_are_the_hosts(boot, gic):
    """Device memory is passed through: fw_cfg's signature and a virtio transport's magic."""
    machine = boot(gic=gic)
    assert probe(machine, "read", 0x0902_0000).output == "memprobe: value 0x554d4551"
    assert probe(machine, "read", 0x0A00_0000).output == "memprobe: value 0x174726976"
