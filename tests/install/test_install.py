# SPDX-License-Identifier: BSD-2-Clause
"""The whole story on Debian 12: apt installs Keel's packages, guests run, apt removes them.

Each test boots what an earlier one has left: installed.py.
"""

import re

import installed
import messages
import pytest

PACKAGES = "keel keel-dkms keel-tools"
APT = "DEBIAN_FRONTEND=noninteractive apt-get"
REACHED = "KEEL-GUEST-REACHED"
CMDLINE = "console=ttyAMA0 cryptomgr.notests quiet"  # of guests


def boot_entries(machine):
    """The labels of the boot order."""
    text = machine.check("efibootmgr")
    labels = dict(re.findall(r"^Boot([0-9A-F]{4})\* ([^\t\n]*)", text, re.M))
    order = re.search(r"^BootOrder: (\S+)", text, re.M).group(1).split(",")
    return [labels[number].strip() for number in order]


def kernels_level(machine):
    return re.search(r"CPU: All CPU\(s\) started at EL(\d)", machine.check("dmesg")).group(1)


def assert_stock(machine):
    assert kernels_level(machine) == "2"
    assert machine.run("test -e /sys/module/keel").status == 1
    machine.check("test -c /dev/kvm")
    entries = boot_entries(machine)
    assert "debian" in entries and "Keel" not in entries
    return entries


def assert_below_keel(machine):
    assert re.search(messages.EFI_TAKEN, machine.console), "Keel did not take EL2"
    assert kernels_level(machine) == "1"
    assert machine.check("systemctl is-active keel").strip() == "active"
    said = machine.check("keelctl doctor")
    assert "ok     virtual machines can be made" in said and "wrong" not in said
    assert machine.check("stat -c %G /dev/kvm").strip() == "kvm"


def modules_built(machine):
    """The kernels for which DKMS has built keel.ko."""
    return re.findall(r"^keel/[^,]*, ([^,]*), .*: installed", machine.check("dkms status keel"), re.M)


def wait_for_guest(machine, log):
    machine.check(f"until grep -q {REACHED} {log}; do sleep 5; done")


def prepare_guest(machine):
    machine.check("cp /boot/vmlinuz-$(uname -r) /boot/guest-kernel; cp /mnt/guest-initrd /boot/guest-initrd")


def run_by_vmrun(machine):
    guest = f"vmrun /boot/guest-kernel -i /boot/guest-initrd -c '{CMDLINE}'"
    machine.check(f"({guest} </dev/null >/tmp/vmrun 2>&1 &)")
    wait_for_guest(machine, "/tmp/vmrun")
    machine.check("pkill -x vmrun")


def run_by_qemu(machine):
    machine.check(
        "(qemu-system-aarch64 -machine virt,gic-version=3 -accel kvm -cpu host -m 256M -nic none -display none"
        f" -serial file:/tmp/qemu -kernel /boot/guest-kernel -initrd /boot/guest-initrd -append '{CMDLINE}' &)"
    )
    wait_for_guest(machine, "/tmp/qemu")
    machine.check("pkill -f qemu-system-aarch64")


def run_by_libvirt(machine):
    machine.check("virsh create /mnt/guest.xml")
    wait_for_guest(machine, "/var/log/guest.log")
    assert "running" in machine.check("virsh list")
    machine.check("virsh destroy guest")


def test_apt_installs_keel_and_firmware_will_start_it(boot):
    machine = boot("debian", after="installed")
    entries = assert_stock(machine)
    machine.check(
        f"{APT} install -y --no-install-recommends /mnt/keel_*.deb /mnt/keel-dkms_*.deb /mnt/keel-tools_*.deb"
    )
    assert boot_entries(machine) == ["Keel", *entries]
    machine.check("cmp /usr/lib/keel/keel.efi /boot/efi/EFI/keel/keel.efi")
    assert modules_built(machine) == [machine.check("uname -r").strip()]
    told = machine.run("keelctl doctor")
    assert told.status == 3 and "restart" in told.output
    machine.keep_as("installed")


def test_on_keel_virsh_qemu_and_vmrun_start_guests(boot):
    machine = boot("installed")
    assert_below_keel(machine)
    prepare_guest(machine)
    run_by_libvirt(machine)
    run_by_qemu(machine)
    run_by_vmrun(machine)
    assert not re.search(messages.ANY_ERROR, machine.console)


@pytest.mark.parametrize("moment", ["Unpacking keel", "Setting up keel"])
def test_power_may_fail_in_the_middle_of_an_upgrade(boot, moment):
    """Firmware starts the Keel before it or the one after it, and dpkg goes on where it was cut off."""
    machine = boot("installed", after="cut")
    machine.check("rm -f /etc/dpkg/dpkg.cfg.d/unsafe-io; sync")
    machine.send(f"{APT} install -y --no-install-recommends /mnt/newer-keel.deb")
    machine.expect(moment, installed.LONG)
    machine.cut_power("cut")
    machine = boot("cut")
    assert kernels_level(machine) == "1"
    machine.check(f"dpkg --configure -a && {APT} install -y --no-install-recommends /mnt/newer-keel.deb")
    machine.check("cmp /usr/lib/keel/keel.efi /boot/efi/EFI/keel/keel.efi")
    assert boot_entries(machine)[0] == "Keel"


def test_apt_removes_keel(boot):
    machine = boot("installed", after="removed")
    entries = boot_entries(machine)
    assert entries[0] == "Keel"
    machine.check(f"{APT} remove -y {PACKAGES}")
    assert boot_entries(machine) == entries[1:]
    assert machine.run("test -e /boot/efi/EFI/keel").status == 1
    machine.keep_as("removed")


def test_after_the_removal_stock_kvm_is_back(boot):
    machine = boot("removed")
    assert_stock(machine)
    machine.check(f"{APT} purge -y {PACKAGES}")
    assert machine.run("test -e /etc/keel").status == 1
    prepare_guest(machine)
    run_by_qemu(machine)
