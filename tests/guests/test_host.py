# SPDX-License-Identifier: BSD-2-Clause
"""The host does what hosts do with all of their memory, some of which VMs have."""

import re

import keelvm
import pytest

import vms


def test_reads_over_the_end_of_a_page_find_zeros(shared):
    """Names are looked up a word at a time, into pages that are a VM's: they read as zeros."""
    machine = shared()
    before = vms.stat(machine, "host_zero_pages")
    result = machine.run("test_overread", timeout=300)
    assert result.status == 0, result.output
    assert vms.stat(machine, "host_zero_pages") > before, "no read reached a page of a VM's"
    assert vms.stat(machine, "host_aborts") == 0
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)


def disk_for_swap(path, size, device="virtio-blk-device"):
    """QEMU's arguments for a disk of the host's, /dev/vda."""
    with open(path, "wb") as disk:
        disk.truncate(size)
    return ("-drive", f"file={path},format=raw,if=none,id=swap", "-device", f"{device},drive=swap")


HIBERNATE = "echo shutdown >/sys/power/disk && echo disk >/sys/power/state"


@pytest.mark.full
def test_hibernation_is_refused_with_a_vm(boot, tmp_path):
    """With a VM it is refused, and says why; the VM goes on, and new VMs are made after it."""
    machine = boot(mem="1G", extra=disk_for_swap(tmp_path / "swap", 2 << 30))
    machine.check("mkswap /dev/vda && swapon /dev/vda")
    guest = vms.Background(machine, "--cpus 2 --mem 128M")
    guest.wait_for_shell()
    pages = vms.stat(machine, "table_pages")
    result = machine.run(HIBERNATE, 300)
    assert result.status != 0
    assert "Device or resource busy" in result.output
    assert "hibernation is refused: there are VMs" in machine.check("dmesg")
    assert guest.run("nproc") == "2"
    assert guest.end("poweroff -f") == vms.OFF
    assert vms.stat(machine, "table_pages") <= pages
    assert vms.stat(machine, "host_aborts") == 0
    vms.boots_and_ends(machine)
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize(
    "cpu, kernel, e2h, device",
    [
        ("max", "kernel-6.1-cloud", 0, "virtio-blk-pci"),
        # Not max: 6.12 copies tables of five levels wrongly, on any machine.
        ("neoverse-n1", "kernel-6.12-cloud", 1, "virtio-blk-device"),
    ],
)
def test_the_host_hibernates_when_no_vm_is_left(boot, tmp_path, cpu, kernel, e2h, device):
    """With the last VM gone memory is written to disk, the machine goes off, and another boot goes on with it."""
    disk = disk_for_swap(tmp_path / "swap", 1 << 30, device)
    host = {"cpu": cpu, "kernel": kernel, "e2h": e2h, "mem": "512M", "extra": disk}
    machine = boot(**host)
    guest = vms.Background(machine, "--cpus 2 --mem 128M")
    guest.wait_for_shell()
    machine.check("mkswap /dev/vda && swapon /dev/vda")
    assert guest.end("poweroff -f") == vms.OFF
    machine.check("echo from-the-first-boot >/tmp/mark; sleep 100000 & echo $! >/tmp/pid")
    machine.send(HIBERNATE)
    assert machine.wait_for_exit(300) == 0
    assert "refused" not in machine.console

    machine = boot(**host)
    assert machine.run("cat /tmp/mark").status != 0
    machine.send("cat /sys/block/vda/dev >/sys/power/resume")
    machine.expect(keelvm.PROMPT, 300)  # of the shell in the image
    assert machine.check("cat /tmp/mark") == "from-the-first-boot"
    machine.check("kill $(cat /tmp/pid)")
    machine.check("dd if=/dev/vda of=/dev/null bs=4k count=100 iflag=direct")
    assert machine.check("nproc") == "2"
    assert "PM: hibernation: hibernation exit" in machine.check("dmesg")
    assert vms.stat(machine, "host_aborts") == 0
    vms.boots_and_ends(machine)
    vms.assert_healthy(machine)


@pytest.mark.full
def test_kcore_is_read_to_its_end(shared):
    """/proc/kcore gives all of RAM, while a VM lives and EL2 has memory of the host's."""
    machine = shared()
    guest = vms.Background(machine, "--cpus 2 --mem 128M")
    guest.wait_for_shell()
    read = re.search(r"(\d+) MiB were read", machine.check("kcore", 300))
    assert int(read.group(1)) > 1900
    assert vms.stat(machine, "host_aborts") == 0
    assert guest.run("nproc") == "2"
    assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(machine)


# Of /proc/kpageflags, a word a page: KPF_OFFLINE is bit 23.
LAST_DONATED = "od -An -v -tx8 -w8 /proc/kpageflags | grep -n '[89a-f][0-9a-f]\\{5\\}$' | tail -n 1 | cut -d: -f1"
MEMORY = "/sys/devices/system/memory"


@pytest.mark.full
def test_memory_that_vms_have_is_not_taken_offline(boot):
    """By page, as broken or not, and by block: the kernel says no, and all goes on."""
    machine = boot()
    guest = vms.Background(machine, "--cpus 1 --mem 64M")
    guest.wait_for_shell()
    address = (int(machine.check(LAST_DONATED, 120)) - 1) * 4096
    block = int(machine.check(f"cat {MEMORY}/block_size_bytes"), 16)
    for file in ("soft_offline_page", "hard_offline_page"):
        assert machine.run(f"echo {address:#x} >{MEMORY}/{file}").status != 0
    assert machine.run(f"echo offline >{MEMORY}/memory{address // block}/state").status != 0
    assert "unhandlable page" in machine.check("dmesg -c")
    assert vms.stat(machine, "host_aborts") == 0
    assert guest.run("nproc") == "1"
    assert guest.end("poweroff -f") == vms.OFF
    vms.boots_and_ends(machine)
    vms.assert_healthy(machine)
