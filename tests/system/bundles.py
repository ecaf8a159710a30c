# SPDX-License-Identifier: BSD-2-Clause
"""Bundles and images for the tests: good ones, and ones broken in a chosen place."""

import importlib.machinery
import importlib.util
import io
import struct

import keelvm


def load_mkbundle():
    """tools/mkbundle as a module (it has no .py in its name)."""
    path = str(keelvm.ROOT / "tools" / "mkbundle")
    loader = importlib.machinery.SourceFileLoader("mkbundle", path)
    spec = importlib.util.spec_from_loader("mkbundle", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


mkbundle = load_mkbundle()


def aligned(kernel, initrd, cmdline):
    """As tools/mkbundle makes it."""
    out = io.BytesIO()
    mkbundle.write_bundle(out, kernel, initrd, cmdline)
    return out.getvalue()


def plain(files):
    """As cpio(1) makes it: the files one after the other, no padding. `files` is (name, data)s."""
    out = io.BytesIO()
    cpio = mkbundle.NewcWriter(out)
    for name, data in files:
        cpio.add(name, data)
    cpio.finish()
    return out.getvalue()


def cut(data, where):
    """A bundle that ends in the middle of something."""
    entries = {name: (offset, size) for name, offset, size in mkbundle.list_bundle(data)}
    if where == "header":
        return data[: entries["kernel"][0] - 60]
    if where == "trailer":
        offset, size = entries["initrd"]
        return data[: offset + size]
    offset, size = entries[where]
    return data[: offset + size // 2]


def with_text_offset(image, text_offset):
    """An arm64 Image whose header asks for another load address (QEMU obeys)."""
    return image[:8] + struct.pack("<Q", text_offset) + image[16:]


def boot_stub(x0, entry):
    """Code that branches to `entry` with x0, as a boot loader does."""
    code = (
        0x58000080,  # ldr x0, .+16
        0x580000A1,  # ldr x1, .+20
        0xD61F0020,  # br  x1
        0xD503201F,  # nop
    )
    return struct.pack("<4I2Q", *code, x0, entry)
