# SPDX-License-Identifier: BSD-2-Clause
"""A host that UEFI and GRUB booted below keel.efi runs guests, as one that Keel's bundle booted does."""

import pytest

import esp
import keelvm
import vms

GRUB_CFG = """
set timeout=0
menuentry host {{
    linux /vmlinuz {cmdline}
    initrd /initrd
}}
"""


def disk_with_grub(path, kernel):
    """GRUB where Debian puts it, and a host with keel.ko and vmrun."""
    files = {
        esp.FALLBACK: keelvm.keel_image("debug"),
        esp.CONFIG: b"options keel.console=keep\n",
        "EFI/debian/grubaa64.efi": esp.GRUB,
        "EFI/debian/grub.cfg": GRUB_CFG.format(cmdline=f"quiet {esp.CMDLINE}").encode(),
        "vmlinuz": keelvm.kernel_image(kernel),
        "initrd": keelvm.BUILD / "host" / kernel / "guests-initrd",
    }
    return esp.write(path, files)


@pytest.mark.full
@pytest.mark.parametrize("kernel", ["kernel-6.1-cloud", "kernel-6.12-cloud"])
@pytest.mark.parametrize("cpu, smp, gic", [("max", 2, 3), ("neoverse-n1", 2, 3), ("max", 1, 3)])
def test_a_host_booted_by_grub_runs_guests(boot, tmp_path, kernel, cpu, smp, gic):
    disk = disk_with_grub(tmp_path / "esp.img", kernel)
    machine = boot(bios=esp.FIRMWARE, disk=disk, cpu=cpu, smp=smp, gic=gic, mem="2G")
    machine.check("grep -q keel /proc/modules")
    vms.warm_up(machine)
    before = vms.Leftovers(machine)
    guest = vms.Background(machine, "--cpus 2 --mem 128M")
    guest.wait_for_shell()
    assert guest.run("nproc") == "2"
    assert guest.end("poweroff -f") == vms.OFF
    before.check()
    vms.assert_healthy(machine)
