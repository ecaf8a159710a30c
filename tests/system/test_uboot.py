# SPDX-License-Identifier: BSD-2-Clause
"""Booted by U-Boot, as a Linux Image with `booti`: what boards do that QEMU's -kernel does not."""

import re

import keelvm

UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
IMAGE_AT = 0x50000000
BUNDLE_AT = 0x60000000
UBOOT_PROMPT = "=> "


def test_u_boot_starts_keel_by_booti(start):
    size = keelvm.bundle().stat().st_size
    machine = start(
        bios=UBOOT, loads=((keelvm.keel_image(), IMAGE_AT), (keelvm.bundle(), BUNDLE_AT))
    )
    machine.expect("stop autoboot")
    machine.child.send("\r")
    # The bundle and the device tree stay where they are; U-Boot's own tree is the machine's.
    for line in (
        "setenv initrd_high 0xffffffffffffffff",
        "setenv fdt_high 0xffffffffffffffff",
        "setenv bootargs keel.loglevel=debug",
    ):
        machine.expect(re.escape(UBOOT_PROMPT))
        machine.child.send(line + "\r")
    machine.expect(re.escape(UBOOT_PROMPT))
    machine.child.send(f"booti {IMAGE_AT:#x} {BUNDLE_AT:#x}:{size:x} $fdtcontroladdr\r")
    machine.wait_for_shell()
    assert machine.check("nproc") == "2"
    assert "keel,hypervisor" in machine.check("cat /proc/device-tree/hypervisor/compatible")
