# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be booted: one line that says why, then the machine stands still."""

import re
import subprocess

import pytest

import keelvm
import messages

SILENT_SECONDS = 3


def check_stops(machine, reason):
    """Keel gives this one reason, prints no other error, and does not reset or run on."""
    machine.expect(messages.STOP[reason], timeout=60)
    machine.expect(r"\n", timeout=10)
    machine.expect_silence(SILENT_SECONDS)
    errors = re.findall(messages.KEEL_ERROR, machine.console, re.M)
    assert len(errors) == 1, f"one line was expected: {errors}"


def test_not_started_at_el2(start):
    check_stops(start(virtualization=False), "not-el2")


def test_no_bundle(start):
    check_stops(start(bundle=None), "bundle-missing")


def test_bundle_of_garbage(start, tmp_path):
    path = tmp_path / "garbage"
    path.write_bytes(bytes(range(256)) * 4096)
    check_stops(start(bundle=path), "bundle-garbage")


@pytest.mark.parametrize("where", ["header", "kernel", "initrd", "trailer"])
def test_bundle_cut_short(start, cut_bundle, where):
    check_stops(start(bundle=cut_bundle(where)), "bundle-truncated")


def test_bundle_without_kernel(start, plain_bundle):
    check_stops(start(bundle=plain_bundle(kernel=None)), "bundle-no-kernel")


def test_bundle_without_initrd(start, plain_bundle):
    check_stops(start(bundle=plain_bundle(initrd=None)), "bundle-no-initrd")


def test_kernel_without_the_magic(start, plain_bundle):
    kernel = bytearray(keelvm.kernel_image().read_bytes())
    kernel[56:60] = b"\0\0\0\0"
    check_stops(start(bundle=plain_bundle(kernel=bytes(kernel))), "kernel-no-magic")


@pytest.mark.parametrize("size", [1 << 30, 1 << 40, (1 << 64) - 1])
def test_kernel_larger_than_memory(start, plain_bundle, size):
    kernel = bytearray(keelvm.kernel_image().read_bytes())
    kernel[16:24] = size.to_bytes(8, "little")
    check_stops(start(bundle=plain_bundle(kernel=bytes(kernel)), mem="512M"), "kernel-too-big")


def test_device_tree_without_memory(start, tmp_path):
    dtb = tmp_path / "nomemory.dtb"
    config = keelvm.Config(smp=1, mem="512M")
    args = config.qemu_args()
    args[1] += f",dumpdtb={dtb}"
    subprocess.run(["qemu-system-aarch64", *args], check=True, timeout=60, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # QEMU puts the memory back into a tree that has no memory node, but leaves one alone whose
    # device_type it does not know.
    nodes = subprocess.run(["fdtget", "-l", dtb, "/"], check=True, capture_output=True, text=True).stdout
    for node in nodes.split():
        if node.startswith("memory"):
            subprocess.run(["fdtput", "-r", dtb, f"/{node}"], check=True)
    check_stops(start(dtb=dtb, smp=1, mem="512M"), "no-memory")
