# SPDX-License-Identifier: BSD-2-Clause
"""Another kernel takes the host's place below Keel: by kexec, or when the host has died."""

import re

import keelvm
import pytest

import vms

CONSOLE = f"console=ttyAMA0 quiet {keelvm.QUICK}"

# The next kernel's initial RAM disk is the host's root file system, or what a crash kernel needs of it.
PACK = "cd / && find . -xdev | grep {} | cpio -o -H newc >/tmp/{} 2>/dev/null; cd /root"
EVERYTHING = "-v '^./tmp/'"
PAYLOADS_ALONE = "-v -E '^./(tmp|guest)/'"
LITTLE = "-E '^./(init|bin|bin/(busybox|kcore)|dev|proc|sys|tmp|root|root/.*)$'"

# What the host that dies has in its memory, in a file of 1 MiB.
MARK = "written-before-the-crash"
MARKS = (1 << 20) // (len(MARK) + 1)

DISK = 4 << 20


def host_with_kexec(kernel=keelvm.DEFAULT_KERNEL, **changes):
    return {"kernel": kernel, "bundle": keelvm.guests_bundle(kernel).with_name("kexec-bundle.cpio"), **changes}


@pytest.fixture
def disk(tmp_path):
    """QEMU's arguments for a disk of the host's whose interrupts are LPIs."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(range(256)) * (DISK // 256))
    return ("-device", "virtio-blk-pci,drive=disk", "-drive", f"if=none,id=disk,format=raw,file={path}")


def read_disk(machine):
    """Read all of it; the checksum. Its interrupts must have come by the ITS."""
    checksum = machine.check("md5sum </dev/vda", 200).split()[0]
    interrupts = machine.check("cat /proc/interrupts")
    assert re.search(r"^ *\d+:.* [1-9]\d* .*ITS-\S*MSI.*virtio0-req", interrupts, re.M), interrupts
    return checksum


def guest_alive(machine):
    """A VM, with more donations than one: it is what the next kernel is not to notice."""
    guest = vms.Background(machine, "--cpus 2 --mem 128M")
    guest.wait_for_shell()


def next_kernel(machine, cpus):
    """Load a kernel, start it, and see that the machine is wholly its own."""
    checksum = read_disk(machine)
    machine.check(PACK.format(EVERYTHING, "initrd"), 300)
    machine.check(f"kexec -i -c -l /guest/Image --initrd=/tmp/initrd --command-line='{CONSOLE} second'", 300)
    machine.send("kexec -e")
    machine.wait_for_shell()
    machine.background_guests = set()
    assert "second" in machine.check("cat /proc/cmdline")
    assert machine.check("nproc") == str(cpus)
    assert read_disk(machine) == checksum
    for cpu in range(1, cpus):
        machine.check(f"cd /sys/devices/system/cpu/cpu{cpu} && echo 0 >online && echo 1 >online; cd /root")
    vms.boots_and_ends(machine, f"--cpus {cpus}")
    vms.assert_healthy(machine)
    assert vms.stat(machine, "host_aborts") == 0
    # What the first kernel did with its GIC is not in the second one's way.
    assert vms.stat(machine, "gic_refused") == 0
    taint = int(machine.check("cat /proc/sys/kernel/tainted"))
    assert taint & ~((1 << 12) | (1 << 13)) == 0, "tainted by more than a module from outside"


def test_kexec_works_while_a_vm_lives(boot, disk):
    """While a VM lives: its memory is the next kernel's, in which guests run as well."""
    machine = boot(**host_with_kexec(extra=disk))
    guest_alive(machine)
    next_kernel(machine, 2)


def test_kexec_waits_for_a_vm_that_is_being_released(boot):
    """Its last user is gone, and what EL2 has of it is not yet back: the next kernel would not have all memory."""
    machine = boot(**host_with_kexec())
    machine.check("rmmod keel && insmod /lib/inject/keel.ko release_ms=4000 && test -c /dev/kvm")
    machine.check(PACK.format(PAYLOADS_ALONE, "initrd"), 300)
    machine.check(f"kexec -i -c -l /guest/Image --initrd=/tmp/initrd --command-line='{CONSOLE} second'", 300)
    guest = vms.Background(machine, "--mem 64M")
    guest.wait_for_shell()
    machine.send(f"kill -KILL {guest.pid}; sleep 1; kexec -e")
    machine.wait_for_shell()
    machine.background_guests = set()
    assert "second" in machine.check("cat /proc/cmdline")
    assert "Keel keeps memory" not in machine.console
    # Ended by the first kernel, not found by the second.
    assert "of an earlier kernel's are ended" not in machine.check("dmesg")
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)
    assert vms.stat(machine, "host_aborts") == 0


def test_nothing_is_given_to_keel_once_the_host_restarts(boot):
    """A fault for which Keel's pool lacks memory goes on during the restart: what it would give is the next kernel's."""
    machine = boot(**host_with_kexec())
    pages = vms.stat(machine, "table_pages")
    machine.check("rmmod keel && insmod /lib/inject/keel.ko && test -c /dev/kvm")
    machine.check(PACK.format(PAYLOADS_ALONE, "initrd"), 300)
    machine.check(f"kexec -i -c -l /guest/Image --initrd=/tmp/initrd --command-line='{CONSOLE} second'", 300)
    late = "/sys/module/keel/parameters/pool_late"
    machine.check(f"echo Y >{late}")
    machine.send(f"{vms.vmrun('--mem 64M')} </dev/null >/dev/null 2>&1 & until [ $(cat {late}) = N ]; do :; done; kexec -e")
    machine.wait_for_shell()
    assert "second" in machine.check("cat /proc/cmdline")
    assert vms.stat(machine, "table_pages") == pages
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)
    assert vms.stat(machine, "host_aborts") == 0


@pytest.mark.full
@pytest.mark.parametrize(
    "host",
    [
        {"cpu": "max", "e2h": 1, "smp": 4},
        {"cpu": "neoverse-n1", "smp": 2},
        {"cpu": "cortex-a57", "kernel": "kernel-6.12-cloud", "smp": 1},
    ],
    ids=lambda host: "-".join(str(value) for value in host.values()),
)
def test_kexec_works_again_and_again(boot, disk, host):
    """A kernel after the other, without and with VMs having run; the last one fills all memory."""
    machine = boot(**host_with_kexec(extra=disk, **host))
    next_kernel(machine, host["smp"])
    guest_alive(machine)
    next_kernel(machine, host["smp"])
    machine.check("mkdir /tmp/all && mount -t tmpfs -o size=90% tmpfs /tmp/all")
    machine.check("dd if=/dev/zero of=/tmp/all/file bs=1M count=1400 && rm /tmp/all/file", 300)
    assert vms.stat(machine, "host_aborts") == 0


def crash_kernel(machine, cpu):
    """Load one, fill some memory, and die on that CPU; the crash kernel's shell is the machine's then."""
    machine.check(f"cp {vms.MODULE} /root/keel.ko")
    machine.check(PACK.format(LITTLE, "crash.initrd"))
    machine.check(f"yes {MARK} | head -c {1 << 20} >/tmp/marks", 300)
    options = f"{CONSOLE} maxcpus=1 reset_devices"
    loaded = machine.check(f"kexec -c -p /guest/Image --initrd=/tmp/crash.initrd --command-line='{options}'", 300)
    assert "symbol" not in loaded, "kexec knows the kernel's symbols"
    machine.send(f"taskset {1 << cpu:x} sh -c 'echo c >/proc/sysrq-trigger'")
    machine.wait_for_shell()
    machine.background_guests = set()


@pytest.mark.full
@pytest.mark.parametrize("cpu, e2h, crashed", [("max", 0, 0), ("max", 1, 1), ("neoverse-n1", 0, 1)])
def test_a_crash_kernel_reads_all_of_the_dump(boot, cpu, e2h, crashed):
    """The host dies with a VM alive: /proc/vmcore is read to its end, and Keel goes on."""
    options = f"quiet keel.console=keep keel.e2h={e2h} crashkernel=256M"
    machine = boot(**host_with_kexec("kernel-6.12-cloud", cpu=cpu, mem="1G", append=options))
    guest_alive(machine)
    crash_kernel(machine, crashed)
    size = int(machine.check("stat -c %s /proc/vmcore"))
    assert size > 700 << 20
    read = machine.check(f"kcore /proc/vmcore {MARK}", 600)
    assert int(re.search(r"(\d+) MiB were read", read).group(1)) >= (size >> 20) - 1
    assert int(re.search(r"(\d+) marks", read).group(1)) > MARKS * 0.99
    # The dead kernel's VM is there still, until the module of this one comes.
    machine.check("insmod /root/keel.ko")
    assert "destroyed 1 VMs of an earlier kernel" in machine.check("dmesg")
    assert vms.stat(machine, "host_aborts") == 0
    assert vms.stat(machine, "host_zero_pages") > 0, "no read reached a page of the VM's"
    vms.assert_healthy(machine)
    machine.send("reboot -f")
    assert machine.wait_for_exit() == 0
