# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be booted: one line that says why, then the machine stands still."""

import dataclasses
import gzip
import re
import subprocess

import pytest

import bundles
import keelvm
import messages

SILENT_SECONDS = 2
STOP_TIMEOUT = 60
STUB_ADDRESS = 0x4018_0000
KEEL_ADDRESS = 0x4020_0000
DTB_ADDRESS = 0x4A00_0000


def check_stops(machine, reason):
    """Keel gives this one reason, prints no other error, and does not reset or run on."""
    machine.expect(f"{messages.ANY_ERROR}|{messages.HOST_STARTS}", timeout=STOP_TIMEOUT)
    machine.expect(r"\n", timeout=10)
    machine.expect_silence(SILENT_SECONDS)
    errors = re.findall(messages.KEEL_ERROR, machine.console, re.M)
    assert len(errors) == 1 and re.search(messages.STOP[reason], errors[0]), (
        f"expected one line like {messages.STOP[reason]!r}, got {errors}"
    )


def test_an_image_started_at_el1_says_so(start):
    check_stops(start(virtualization=False), "not-el2")


def test_boot_stops_without_a_bundle(start):
    check_stops(start(bundle=None), "bundle-missing")


def test_a_bundle_of_garbage_is_refused(start, tmp_path):
    path = tmp_path / "garbage"
    path.write_bytes(bytes(range(256)) * 4096)
    check_stops(start(bundle=path), "bundle-garbage")


@pytest.mark.parametrize("where", ["header", "kernel", "initrd", "trailer"])
def test_a_bundle_cut_short_is_refused(start, cut_bundle, where):
    check_stops(start(bundle=cut_bundle(where)), "bundle-truncated")


def test_a_bundle_without_kernel_is_refused(start, plain_bundle):
    check_stops(start(bundle=plain_bundle(kernel=None)), "bundle-no-kernel")


def test_a_bundle_without_initrd_boots(start, plain_bundle):
    check_stops(start(bundle=plain_bundle(initrd=None)), "bundle-no-initrd")


def test_a_kernel_without_the_magic_is_refused(start, plain_bundle):
    kernel = bytearray(keelvm.kernel_image().read_bytes())
    kernel[56:60] = b"\0\0\0\0"
    check_stops(start(bundle=plain_bundle(kernel=bytes(kernel))), "kernel-no-magic")


@pytest.mark.parametrize(
    "size,reason",
    [(1 << 30, "kernel-too-big"), (1 << 40, "kernel-too-big"), ((1 << 64) - 1, "kernel-bad-size")],
)
def test_a_kernel_larger_than_memory_is_refused(start, plain_bundle, size, reason):
    kernel = bytearray(keelvm.kernel_image().read_bytes())
    kernel[16:24] = size.to_bytes(8, "little")
    check_stops(start(bundle=plain_bundle(kernel=bytes(kernel)), mem="512M"), reason)


def test_boot_stops_at_a_compressed_kernel(start, plain_bundle):
    kernel = gzip.compress(keelvm.kernel_image().read_bytes()[: 1 << 20])
    check_stops(start(bundle=plain_bundle(kernel=kernel)), "kernel-gzip")


def test_a_long_command_line_reaches_the_kernel(start, plain_bundle):
    check_stops(start(bundle=plain_bundle(cmdline="x" * 2048)), "cmdline-too-long")


def device_tree(path, **changes):
    """The device tree that QEMU gives such a machine, in a file."""
    args = dataclasses.replace(keelvm.Config(), **changes).qemu_args()
    args[1] += f",dumpdtb={path}"
    subprocess.run(
        ["qemu-system-aarch64", *args],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return path


def fdt_tool(*args):
    return subprocess.run(list(map(str, args)), check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def start_with_tree(start, tmp_path):
    """Start Keel with this device tree, by a stub in the place of a boot loader (QEMU's own adds
    what it thinks is missing)."""

    def run(dtb, dtb_at=DTB_ADDRESS, **changes):
        stub = tmp_path / "stub"
        stub.write_bytes(bundles.boot_stub(dtb_at, KEEL_ADDRESS))
        image = keelvm.keel_image()
        return start(loads=((stub, STUB_ADDRESS), (image, KEEL_ADDRESS), (dtb, dtb_at)), **changes)

    return run


def test_a_device_tree_without_memory_is_refused(start_with_tree, tmp_path):
    dtb = device_tree(tmp_path / "tree.dtb", smp=1)
    nodes = [node for node in fdt_tool("fdtget", "-l", dtb, "/").split() if node.startswith("memory")]
    assert nodes, "QEMU's tree has no memory node to remove"
    for node in nodes:
        fdt_tool("fdtput", "-r", dtb, f"/{node}")
    check_stops(start_with_tree(dtb, smp=1), "no-memory")


def test_a_device_tree_may_lie_in_the_memory_that_keel_asked_for(start_with_tree, tmp_path):
    """Behind the image, where image_size says that nothing may be."""
    dtb = device_tree(tmp_path / "tree.dtb", smp=1)
    check_stops(start_with_tree(dtb, dtb_at=KEEL_ADDRESS + (1 << 20), smp=1), "tree-in-keel")


def test_an_initrd_that_is_no_memory_is_refused(start_with_tree, tmp_path):
    """The boot loader says that the bundle is where no memory is."""
    dtb = device_tree(tmp_path / "tree.dtb", smp=1)
    fdt_tool("fdtput", "-t", "lx", dtb, "/chosen", "linux,initrd-start", "10", "0")
    fdt_tool("fdtput", "-t", "lx", dtb, "/chosen", "linux,initrd-end", "10", "1000000")
    check_stops(start_with_tree(dtb, smp=1), "bundle-not-in-ram")


def test_an_image_at_a_bad_address_is_refused(start, moved_image):
    check_stops(start(image=moved_image(0x11000)), "bad-address")
