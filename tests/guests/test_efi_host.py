# SPDX-License-Identifier: BSD-2-Clause
"""A host that UEFI and GRUB booted below keel.efi runs guests, as one that Keel's bundle booted does."""

import pytest

import bundles
import esp
import keelvm
import vms
from test_gicv2 import boots_with_a_gicv2
from test_kexec import CONSOLE, PACK, PAYLOADS_ALONE, guest_alive, host_with_kexec

GRUB_CFG = """
set timeout=0
menuentry host {{
    linux /vmlinuz {cmdline}
    initrd /initrd
}}
"""


def disk_with_grub(path, kernel, initrd=None):
    """GRUB where Debian puts it, and a host with keel.ko and vmrun."""
    files = {
        esp.FALLBACK: keelvm.keel_image("debug"),
        esp.CONFIG: b"options keel.console=keep\n",
        "EFI/debian/grubaa64.efi": esp.GRUB,
        "EFI/debian/grub.cfg": GRUB_CFG.format(cmdline=f"quiet {esp.CMDLINE}").encode(),
        "vmlinuz": keelvm.kernel_image(kernel),
        "initrd": initrd or keelvm.BUILD / "host" / kernel / "guests-initrd",
    }
    return esp.write(path, files)


def runs_guests(machine):
    machine.check("grep -q keel /proc/modules")
    vms.warm_up(machine)
    before = vms.Leftovers(machine)
    guest = vms.Background(machine, "--cpus 2 --mem 128M")
    guest.wait_for_shell()
    assert guest.run("nproc") == "2"
    assert guest.end("poweroff -f") == vms.OFF
    before.check()
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("kernel", ["kernel-6.1-cloud", "kernel-6.12-cloud"])
@pytest.mark.parametrize("cpu, smp, gic", [("max", 2, 3), ("neoverse-n1", 2, 3), ("max", 1, 3)])
def test_a_host_booted_by_grub_runs_guests(boot, tmp_path, kernel, cpu, smp, gic):
    disk = disk_with_grub(tmp_path / "esp.img", kernel)
    machine = boot(bios=esp.FIRMWARE, disk=disk, cpu=cpu, smp=smp, gic=gic, mem="2G")
    runs_guests(machine)


# The host's timer is one that guests use, too.
@pytest.mark.full
@pytest.mark.parametrize("kernel", ["kernel-6.1-cloud", "kernel-6.12-cloud"])
@pytest.mark.parametrize("cpu, smp", [("max", 1), ("max", 4), ("neoverse-n1", 2)])
def test_a_host_on_acpi_runs_guests(boot, tmp_path, kernel, cpu, smp):
    disk = disk_with_grub(tmp_path / "esp.img", kernel)
    machine = boot(bios=esp.FIRMWARE, disk=disk, cpu=cpu, smp=smp, mem="2G", acpi=True)
    assert "27 Level     arch_timer" in machine.check("cat /proc/interrupts")
    runs_guests(machine)


GICH, GICV = 0x0803_0000, 0x0804_0000


@pytest.mark.full
@pytest.mark.parametrize("kernel, cpu, smp", [("kernel-6.1-cloud", "cortex-a57", 2), ("kernel-6.12-cloud", "max", 1)])
def test_a_host_on_acpi_with_a_gicv2_gives_guests_one_and_does_not_reach_what_they_use(
    boot, tmp_path, kernel, cpu, smp
):
    disk = disk_with_grub(tmp_path / "esp.img", kernel)
    machine = boot(bios=esp.FIRMWARE, disk=disk, cpu=cpu, smp=smp, gic=2, mem="2G", acpi=True)
    vms.warm_up(machine)
    before = vms.Leftovers(machine)
    boots_with_a_gicv2(machine, 2)
    before.check()
    for frame in [GICH, GICV]:
        assert "memprobe: signal BUS" in machine.run(f"memprobe read {frame:#x}").output
    vms.assert_healthy(machine)


@pytest.mark.full
def test_a_host_on_acpi_keeps_its_timer_beside_a_guest_that_never_exits(boot, tmp_path):
    """Only the host's own timer ends such a guest's run."""
    disk = disk_with_grub(tmp_path / "esp.img", keelvm.DEFAULT_KERNEL)
    machine = boot(bios=esp.FIRMWARE, disk=disk, smp=1, mem="2G", acpi=True)
    vms.warm_up(machine)
    guest = vms.Background(machine, "--cpus 1 --mem 128M")
    guest.wait_for_shell()
    guest.send("while :; do :; done")
    for _ in range(3):
        before = float(machine.check("cut -d' ' -f1 /proc/uptime"))
        machine.check("sleep 2")
        assert 2 <= float(machine.check("cut -d' ' -f1 /proc/uptime")) - before < 60
    assert guest.kill("KILL") == vms.KILLED
    vms.assert_healthy(machine)


def initrd_with_kexec():
    """Of the bundle that the tests of kexec boot."""
    data = host_with_kexec()["bundle"].read_bytes()
    (place,) = [(offset, size) for name, offset, size in bundles.mkbundle.list_bundle(data) if name == "initrd"]
    return data[place[0] : sum(place)]


@pytest.mark.full
@pytest.mark.parametrize("acpi", [False, True])
def test_a_host_that_uefi_booted_restarts_by_kexec_below_keel(boot, tmp_path, acpi):
    """What firmware left, ACPI's tables among it, is the next kernel's too. A VM lives meanwhile."""
    disk = disk_with_grub(tmp_path / "esp.img", keelvm.DEFAULT_KERNEL, initrd_with_kexec())
    machine = boot(bios=esp.FIRMWARE, disk=disk, cpu="neoverse-n1", mem="2G", acpi=acpi)
    guest_alive(machine)
    machine.check(PACK.format(PAYLOADS_ALONE, "initrd"), 300)
    machine.check(f"kexec -i -c -l /guest/Image --initrd=/tmp/initrd --command-line='{CONSOLE} second'", 300)
    machine.send("kexec -e")
    machine.wait_for_shell()
    machine.background_guests = set()
    assert "second" in machine.check("cat /proc/cmdline")
    assert machine.check("nproc") == "2"
    found = machine.run("test -e /sys/bus/acpi/devices/KEEL0001:00")
    assert (found.status == 0) == acpi
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)
    assert vms.stat(machine, "host_aborts") == 0
