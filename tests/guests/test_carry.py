# SPDX-License-Identifier: BSD-2-Clause
"""Guests that are saved on one KVM and go on on another one (tests/kvm/test_carry.c)."""

import re

import pytest

import keelvm
from hosts import host_config


def carried(machine, step):
    """A step of test_carry, with the state on the disk."""
    output = machine.check(f"test_carry {step} /dev/vda | grep -E '^not|^group|passed'", keelvm.BOOT_TIMEOUT)
    assert re.fullmatch(r"\d+ passed, 0 failed", output), f"{step}: {output}"


@pytest.mark.full
def test_pending_interrupts_move_from_stock_kvm_to_keel_and_back(start, tmp_path):
    """A guest with an ITS is saved on a disk; on each side what the other one has saved goes on."""
    disk = tmp_path / "state"
    disk.write_bytes(bytes(4 << 20))
    drive = ("-drive", f"if=none,id=state,file={disk},format=raw", "-device", "virtio-blk-device,drive=state")
    kernel = keelvm.DEFAULT_KERNEL
    stock = {
        "image": keelvm.kernel_image(kernel),
        "bundle": keelvm.guests_bundle(kernel).with_name("guests-initrd"),
        "append": "console=ttyAMA0 quiet",
    }
    for side, steps in ((stock, ["save"]), ({}, ["restore", "save"]), (stock, ["restore"])):
        machine = start(**{**vars(host_config(kernel, extra=drive)), **side}).wait_for_shell()
        assert machine.run("test -d /sys/module/keel").status == bool(side)
        for step in steps:
            carried(machine, step)
        machine.send("poweroff -f")
        machine.wait_for_exit()
