# SPDX-License-Identifier: BSD-2-Clause
"""Guests on a machine with a GICv2: they have one as well (docs/vgic.md)."""

import pytest

import keelvm
import vms
from test_qemu import (
    DISK_AND_NETWORK,
    FETCH,
    DefaultQemu,
    brings_up_network,
    goes_on_in_another_process,
    prepare_traffic,
)

# The line of an interrupt in /proc/interrupts: `name` is a part of it. Counts by vCPU.
COUNTS = "awk '/{name}/ {{ for (i = 2; i < 2 + {cpus}; i++) printf \"%d \", $i }}' /proc/interrupts"


def counts(guest, name, cpus):
    """How many interrupts with this name each vCPU has taken, all lines together."""
    values = [int(word) for word in guest.run(COUNTS.format(name=name, cpus=cpus)).split()]
    assert values and len(values) % cpus == 0, guest.run("cat /proc/interrupts")
    return [sum(values[cpu::cpus]) for cpu in range(cpus)]


def boots_with_a_gicv2(machine, vcpus):
    """Timers on every vCPU, SGIs between them, SPIs of devices; all of it after a reboot of the guest's CPUs too."""
    guest = vms.Guest(machine, f"--cpus {vcpus}")
    assert guest.run("nproc") == str(vcpus)
    assert "gic_handle_irq" in guest.run("dmesg | grep 'Root IRQ handler'")
    work = f"for i in $(seq {vcpus}); do memtouch 4 & done; wait"
    assert guest.run(work) == "\n".join(["memtouch: 4 MiB good"] * vcpus)
    assert all(counts(guest, "arch_timer", vcpus))
    assert sum(counts(guest, "uart-pl011", vcpus))
    if vcpus > 1:
        assert all(counts(guest, "Function call", vcpus))
        guest.run("echo 0 >/sys/devices/system/cpu/cpu1/online; echo 1 >/sys/devices/system/cpu/cpu1/online")
        assert guest.run("taskset 2 memtouch 4") == "memtouch: 4 MiB good"
        line = "/proc/irq/$(basename $(dirname /proc/irq/*/uart-pl011))"
        assert int(guest.run(f"echo 2 >{line}/smp_affinity; cat {line}/effective_affinity"), 16) == 2
        assert guest.run("echo by the other vCPU") == "by the other vCPU"
        assert counts(guest, "uart-pl011", vcpus)[1]
    assert guest.end("poweroff -f") == vms.OFF


@pytest.mark.parametrize("cpu,host_cpus,vcpus,variant", [("cortex-a57", 2, [1, 4], "release"), ("max", 2, [2], "debug")])
def test_guests_have_a_gicv2_on_a_machine_with_one(boot, cpu, host_cpus, vcpus, variant):
    machine = boot(cpu=cpu, smp=host_cpus, gic=2, variant=variant)
    vms.warm_up(machine)
    before = vms.Leftovers(machine)
    for count in vcpus:
        boots_with_a_gicv2(machine, count)
    before.check()
    vms.passes(machine, "vgic_v2")
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("cpu,host_cpus", [("cortex-a53", 1), ("neoverse-n1", 4), ("cortex-a72", 2)])
def test_guests_have_a_gicv2_on_each_machine_with_one(boot, cpu, host_cpus):
    machine = boot(cpu=cpu, smp=host_cpus, gic=2)
    for count in [1, 2, 8]:
        boots_with_a_gicv2(machine, count)
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("granule", ["16K", "64K"])
def test_the_interface_is_emulated_where_stage_2_has_large_pages(boot, granule):
    machine = boot(cpu="max", gic=2, append=f"quiet keel.console=keep keel.stage2_granule={granule}")
    boots_with_a_gicv2(machine, 2)
    vms.assert_healthy(machine)


def boot_with_qemu(boot, cpu):
    bundle = keelvm.guests_bundle().with_name("qemu-bundle.cpio")
    return boot(cpu=cpu, smp=2, gic=2, mem="3G", bundle=bundle)


@pytest.mark.full
@pytest.mark.parametrize("cpu", ["cortex-a57"])
def test_a_guest_with_a_gicv2_goes_on_in_another_qemu(boot, cpu):
    machine = boot_with_qemu(boot, cpu)
    goes_on_in_another_process(machine, DefaultQemu, f"-machine gic-version=2 {DISK_AND_NETWORK}")
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("cpu,version", [("neoverse-n1", "-machine gic-version=2"), ("cortex-a57", "")])
def test_qemu_with_a_gicv2_has_disk_and_network_by_msis(boot, cpu, version):
    """With its default, too: that is a GICv2 there. MSIs come by QEMU's GICv2m, as SPIs."""
    machine = boot_with_qemu(boot, cpu)
    there, sent = prepare_traffic(machine)
    guest = DefaultQemu(machine, f"{version} {DISK_AND_NETWORK}")
    for _ in range(2):
        for vcpu in range(4):
            before = sum(counts(guest, "MSI", 4))
            assert guest.run(f"echo 3 >/proc/sys/vm/drop_caches; taskset {1 << vcpu:x} md5sum </dev/vda") == there
            assert sum(counts(guest, "MSI", 4)) > before
        brings_up_network(guest)
        assert guest.run(FETCH) == sent
        assert "paused" in guest.monitor("stop", "info status", "cont")[1]
        machine.send("reboot -f")
        guest.wait_for_shell()
    assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(machine)
