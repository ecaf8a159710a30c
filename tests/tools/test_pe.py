# SPDX-License-Identifier: BSD-2-Clause
"""keel.img is an arm64 Image and an EFI application: both headers say what the linked image is."""

import os
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("KEEL_BUILD", ROOT / "build")).resolve()
PAGE = 0x1000
FILE_ALIGNMENT = 0x200
EXECUTE, READ, WRITE = 0x20000000, 0x40000000, 0x80000000


@pytest.fixture(scope="module", params=["release", "debug"])
def built(request):
    """(the image's bytes, {symbol: address})"""
    image = BUILD / request.param / "keel.img"
    subprocess.run(["make", "-s", f"BUILD={BUILD}", str(image)], cwd=ROOT, check=True)
    names = subprocess.run(
        ["aarch64-linux-gnu-nm", image.with_suffix(".elf")], check=True, capture_output=True, text=True
    )
    symbols = {line.split()[2]: int(line.split()[0], 16) for line in names.stdout.splitlines()}
    return image.read_bytes(), symbols


def headers(image):
    """(COFF header, optional header, [section]) as lists of fields."""
    (at,) = struct.unpack_from("<I", image, 0x3C)
    assert image[at : at + 4] == b"PE\0\0"
    coff = struct.unpack_from("<HHIIIHH", image, at + 4)
    optional = at + 24
    fields = struct.unpack_from("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", image, optional)
    table = optional + coff[5]
    sections = [struct.unpack_from("<8sIIIIIIHHI", image, table + 40 * n) for n in range(coff[1])]
    assert table + 40 * coff[1] <= fields[19], "the headers are longer than they say"
    return coff, fields, sections


def test_it_is_a_linux_image_still(built):
    image, _ = built
    text_offset, image_size, flags = struct.unpack_from("<QQQ", image, 8)
    assert image[:2] == b"MZ" and image[56:60] == b"ARM\x64"
    assert (text_offset, image_size, flags) == (0, 0x200000, 0xA)
    assert image[3] == 0xFA, "the first word is not an instruction without effect"
    assert image[7] >> 2 == 0x14 >> 2, "the second one is not a branch"


def test_it_is_an_arm64_efi_application(built):
    image, symbols = built
    coff, optional, _ = headers(image)
    assert coff[0] == 0xAA64 and optional[0] == 0x20B
    assert coff[6] & 2 and not coff[6] & 1, "not executable, or it may not be moved"
    assert optional[21] == 10, "Subsystem is not EFI application"
    assert optional[22] & 0x100, "data would have to be executable"
    assert optional[6] == symbols["efi_entry"]
    assert optional[27] == 0 and optional[28] == 6
    assert optional[9] == PAGE and optional[10] == FILE_ALIGNMENT


def test_its_sections_are_its_code_and_all_else(built):
    image, symbols = built
    _, optional, sections = headers(image)
    size_of_image, size_of_headers = optional[18], optional[19]
    code, data = sections
    assert size_of_headers == PAGE and size_of_image == symbols["_end"]
    assert code[0].rstrip(b"\0") == b".text" and data[0].rstrip(b"\0") == b".data"
    assert code[1:5] == (symbols["_etext"] - PAGE, PAGE, symbols["_etext"] - PAGE, PAGE)
    assert data[1] == symbols["_end"] - symbols["_etext"] and data[2] == symbols["_etext"]
    assert data[3] == symbols["_edata"] - symbols["_etext"] and data[4] == symbols["_etext"]
    assert code[9] & (EXECUTE | READ | WRITE) == EXECUTE | READ
    assert data[9] & (EXECUTE | READ | WRITE) == READ | WRITE
    for section in sections:
        assert section[2] % PAGE == 0, "a section does not begin with a page"
        assert section[3] % FILE_ALIGNMENT == 0 and section[4] % FILE_ALIGNMENT == 0
    assert data[3] + data[4] == len(image), "the file is not what the header describes"


def test_what_firmware_runs_is_in_the_code_section(built):
    """The page of the headers is in no section: firmware may map it as it likes."""
    _, symbols = built
    for name in ("efi_entry", "relocate", "efi_enter", "efi_resume", "efi_el1_entry", "efi_main"):
        assert PAGE <= symbols[name] < symbols["_etext"], name
