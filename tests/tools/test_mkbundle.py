# SPDX-License-Identifier: BSD-2-Clause
"""tools/mkbundle: what it writes can be read back, lies where Keel wants it, and errors are clear."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path

import pytest

MKBUNDLE = Path(__file__).resolve().parents[2] / "tools" / "mkbundle"
MIB = 1 << 20


def make_image(size=5000, image_size=3 * MIB, text_offset=0, flags=0xA, magic=b"ARM\x64"):
    """An arm64 Image: a header, and something recognizable behind it."""
    header = struct.pack("<II QQQ QQQ 4sI", 0, 0, text_offset, image_size, flags, 0, 0, 0, magic, 0)
    return header + bytes(i % 251 for i in range(size - len(header)))


def mkbundle(*args):
    return subprocess.run(
        [sys.executable, MKBUNDLE, *map(str, args)], capture_output=True, text=True, timeout=60
    )


class Inputs:
    """A kernel, an initrd and a place for the bundle."""

    def __init__(self, path):
        self.kernel = path / "Image"
        self.initrd = path / "initrd"
        self.bundle = path / "bundle"
        self.kernel.write_bytes(make_image())
        self.initrd.write_bytes(b"initrd" * 1000)

    def make(self, *more):
        return mkbundle("--kernel", self.kernel, "--initrd", self.initrd, "-o", self.bundle, *more)

    def entries(self):
        """{name: (offset, size)} as `mkbundle --list` prints them."""
        listing = mkbundle("--list", self.bundle)
        assert listing.returncode == 0, listing.stderr
        rows = [line.split() for line in listing.stdout.splitlines()]
        return {name: (int(offset, 16), int(size)) for offset, size, name in rows}


@pytest.fixture
def inputs(tmp_path):
    return Inputs(tmp_path)


def check_error(result, *words):
    assert result.returncode == 1, f"expected exit status 1, got {result.returncode}"
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("mkbundle: "), f"one line was expected: {lines}"
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"


def test_cpio_reads_it_back(inputs, tmp_path):
    """cpio(1) is the judge of the format."""
    assert inputs.make("--cmdline", "console=ttyAMA0  quiet\n").returncode == 0
    out = tmp_path / "out"
    out.mkdir()
    with open(inputs.bundle, "rb") as bundle:
        subprocess.run(["cpio", "--quiet", "-i"], stdin=bundle, cwd=out, check=True, timeout=60)
    assert (out / "kernel").read_bytes() == inputs.kernel.read_bytes()
    assert (out / "initrd").read_bytes() == inputs.initrd.read_bytes()
    assert (out / "cmdline").read_text() == "console=ttyAMA0 quiet"


@pytest.mark.parametrize("cmdline", [None, "", "x", "x" * 2047])
def test_kernel_is_aligned(inputs, cmdline):
    assert inputs.make(*([] if cmdline is None else ["--cmdline", cmdline])).returncode == 0
    entries = inputs.entries()
    assert entries["kernel"][0] % (2 * MIB) == 0, f"kernel at {entries['kernel'][0]:#x}"
    assert ("cmdline" in entries) == (cmdline is not None)


@pytest.mark.parametrize("text_offset", [0, 0x80000, 2 * MIB - 4096])
def test_text_offset_is_honoured(inputs, text_offset):
    inputs.kernel.write_bytes(make_image(text_offset=text_offset))
    assert inputs.make().returncode == 0
    assert inputs.entries()["kernel"][0] % (2 * MIB) == text_offset


@pytest.mark.parametrize("image_size", [1, 5000, 65536, 3 * MIB, 64 * MIB])
def test_the_kernel_has_room_behind_it(inputs, image_size):
    """All of image_size, or of the file if that is longer, is free before the initrd."""
    inputs.kernel.write_bytes(make_image(size=5000, image_size=image_size))
    assert inputs.make().returncode == 0
    entries = inputs.entries()
    room = entries["initrd"][0] - entries["kernel"][0]
    assert room >= max(image_size, 5000), f"{room:#x} bytes for image_size {image_size:#x}"
    assert entries["initrd"][0] % 4096 == 0
    assert list(entries)[-1] == "initrd"


def test_same_inputs_give_the_same_bundle(inputs):
    inputs.make()
    first = inputs.bundle.read_bytes()
    inputs.make()
    assert inputs.bundle.read_bytes() == first


def test_gzip_kernel_is_unpacked(inputs):
    image = inputs.kernel.read_bytes()
    inputs.kernel.write_bytes(gzip.compress(image))
    assert inputs.make().returncode == 0
    offset, size = inputs.entries()["kernel"]
    assert inputs.bundle.read_bytes()[offset : offset + size] == image


def zboot(payload, how):
    header = struct.pack("<4s4sIIQ32s", b"MZ\0\0", b"zimg", 128, len(payload), 0, how)
    return header.ljust(128, b"\0") + payload


def test_zboot_kernel_is_unpacked(inputs):
    image = inputs.kernel.read_bytes()
    inputs.kernel.write_bytes(zboot(gzip.compress(image), b"gzip"))
    assert inputs.make().returncode == 0
    offset, size = inputs.entries()["kernel"]
    assert inputs.bundle.read_bytes()[offset : offset + size] == image


@pytest.mark.parametrize(
    "kernel,words",
    [
        (b"", ["not an arm64 Image"]),
        (b"\x7fELF" + bytes(200), ["not an arm64 Image"]),
        (make_image(magic=b"\0\0\0\0"), ["not an arm64 Image"]),
        (make_image(flags=1), ["big-endian"]),
        (make_image(image_size=0), ["image_size"]),
        (make_image(text_offset=2 * MIB), ["text_offset"]),
        (gzip.compress(make_image())[:-20], ["gzip", "damaged"]),
        (zboot(b"", b"zstd22"), ["zstd22", "unpack it first"]),
    ],
)
def test_a_file_that_is_no_kernel_is_refused(inputs, kernel, words):
    inputs.kernel.write_bytes(kernel)
    check_error(inputs.make(), "kernel", *words)
    assert not inputs.bundle.exists(), "a bundle was left behind"


def test_a_command_line_that_is_too_long_is_refused(inputs):
    check_error(inputs.make("--cmdline", "x" * 2048), "command line", "2047")


@pytest.mark.parametrize("which", ["kernel", "initrd"])
def test_an_input_that_is_missing_is_named(inputs, which):
    getattr(inputs, which).unlink()
    check_error(inputs.make(), which, "No such file")


def test_an_output_that_cannot_be_written_is_named(inputs, tmp_path):
    inputs.bundle = tmp_path / "nowhere" / "bundle"
    check_error(inputs.make(), "cannot write", "No such file")


def test_failure_keeps_the_old_bundle(inputs):
    inputs.bundle.write_bytes(b"old")
    inputs.kernel.write_bytes(b"no kernel")
    check_error(inputs.make())
    assert inputs.bundle.read_bytes() == b"old"
    assert [p.name for p in inputs.bundle.parent.glob(".mkbundle-*")] == []


@pytest.mark.parametrize("missing", ["--kernel", "--initrd", "-o"])
def test_an_option_that_is_missing_is_named(inputs, missing):
    options = {"--kernel": inputs.kernel, "--initrd": inputs.initrd, "-o": inputs.bundle}
    del options[missing]
    result = mkbundle(*[word for option in options.items() for word in option])
    assert result.returncode == 2
    assert "usage:" in result.stderr and "missing" in result.stderr


def test_help_names_every_option():
    result = mkbundle("--help")
    assert result.returncode == 0
    for option in ("--kernel", "--initrd", "--cmdline", "--output", "--list"):
        assert option in result.stdout


def test_list_says_that_a_bundle_is_damaged(inputs):
    inputs.make()
    inputs.bundle.write_bytes(inputs.bundle.read_bytes()[: 3 * MIB // 2])
    check_error(mkbundle("--list", inputs.bundle), "past the end")
    inputs.bundle.write_bytes(b"no cpio at all")
    check_error(mkbundle("--list", inputs.bundle), "no newc header")
