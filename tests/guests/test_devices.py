# SPDX-License-Identifier: BSD-2-Clause
"""What vmrun gives a guest, on Keel: disks, both consoles, address sizes."""

import pytest

import vms

LONG = "0123456789" * 20


@pytest.mark.parametrize(
    "cpu",
    [
        "max",
        pytest.param("neoverse-n1", marks=pytest.mark.full),
        pytest.param("cortex-a57", marks=pytest.mark.full),
    ],
)
def test_disks_and_consoles_carry_what_a_guest_writes(shared, cpu):
    machine = shared(cpu=cpu)
    machine.check("dd if=/dev/urandom of=/tmp/a bs=1M count=8 2>/dev/null; cp /tmp/a /tmp/b")
    checksum = machine.check("md5sum </tmp/a")
    guest = vms.Guest(machine, "--cpus 2 --ipa-bits 36 --disk /tmp/a --disk /tmp/b,ro")
    assert guest.run(f"echo {LONG}") == LONG
    assert guest.run("md5sum </dev/vda") == checksum
    assert guest.run("cmp /dev/vda /dev/vdb && echo same") == "same"
    assert guest.run("echo x >/dev/vdb || echo refused").endswith("refused")
    guest.run("echo from-the-guest | dd of=/dev/vda bs=512 seek=3 conv=sync,fsync")
    interrupts = guest.run("awk '/arch_timer/ { print ($2 > 0) + ($3 > 0) }' /proc/interrupts")
    assert interrupts == "2", "timer interrupts on both vCPUs"
    assert guest.end("poweroff -f") == vms.OFF
    written = machine.check("dd if=/tmp/a bs=512 skip=3 count=1 2>/dev/null | tr -d '\\0'")
    assert written == "from-the-guest"
    assert machine.check("md5sum </tmp/b") == checksum

    # Input by virtio, and no eventfds: each notification is an exit to vmrun.
    guest = vms.Guest(
        machine,
        "--console virtio --no-eventfds --disk /tmp/b",
        console="console=ttyAMA0 console=hvc0",
    )
    assert guest.run("tty") == "/dev/hvc0"
    assert guest.run(f"echo {LONG}") == LONG
    assert guest.run("md5sum </dev/vda") == checksum
    assert guest.end("reboot -f") == vms.RESET
    vms.assert_healthy(machine)


@pytest.mark.full
def test_vmrun_takes_the_ipa_size(shared):
    machine = shared()
    for bits in (32, 36, 40):
        vms.boots_and_ends(machine, f"--ipa-bits {bits}")
    refused = machine.run(vms.vmrun("--ipa-bits 32 --mem 2049M") + " 2>&1")
    assert refused.status == vms.ERROR and "32-bit addresses" in refused.output
