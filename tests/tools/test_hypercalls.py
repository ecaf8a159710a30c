# SPDX-License-Identifier: BSD-2-Clause
"""Nothing is called between a hypercall of keel.ko's and its arguments, also where sanitizers are.

In a kernel with KASAN or KCSAN the compiler has a function called at each access to memory. The functions
that make hypercalls are compiled in that way, against the headers of a kernel without, and disassembled.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
HEADERS = BUILD / "downloads" / "arm64" / "headers-6.1-cloud" / "build"
CROSS = "aarch64-linux-gnu-"
# KASAN's and KCSAN's, as arch/arm64 and scripts/Makefile.k?san have them for calls out of line.
SANITIZERS = {
    "kasan": "-fsanitize=kernel-address --param asan-instrumentation-with-call-threshold=0",
    "kcsan": "-fsanitize=thread -fno-optimize-sibling-calls",
}
CALLED = {"kasan": "__asan_", "kcsan": "__tsan_"}
# File: how many registers each hypercall in it takes and gives.
OBJECTS = {"hvc.o": (7, 7), "fault.o": (7, 3), "run.o": (3, 1)}

INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\s+[0-9a-f]{8}\s+(\S+)\s*(.*)$")
RELOCATION = re.compile(r"(.*)\n\s+[0-9a-f]+: R_AARCH64_CALL26\s+(\S+)")
NO_RESULT = "st", "cmp", "cmn", "tst", "b", "cb", "tb", "hvc", "ret", "msr", "dmb", "prfm"


class Instruction:
    """What one instruction does with general-purpose registers, near enough, and where it goes."""

    def __init__(self, address, mnemonic, operands):
        operands = operands.split("//")[0]
        self.address = int(address, 16)
        self.is_hvc = mnemonic == "hvc"
        self.is_call = mnemonic in ("bl", "blr")
        self.ends = mnemonic in ("ret", "b", "br", "brk") or "__stack_chk_fail" in operands
        target = re.search(r"\b([0-9a-f]+) <", operands)
        jumps = target and not self.is_call and mnemonic.startswith(("b", "cb", "tb"))
        self.target = int(target.group(1), 16) if jumps else None
        parts = operands.split("<")[0].split(",")
        results = 0 if mnemonic.startswith(NO_RESULT) else 2 if mnemonic.startswith("ldp") else 1
        self.writes = registers(parts[:results])
        self.reads = registers(parts[results:])


def registers(operands):
    return {int(n) for n in re.findall(r"\b[xw](\d+)\b", ",".join(operands))}


def disassemble(path):
    text = subprocess.run(
        [CROSS + "objdump", "-dr", str(path)], check=True, capture_output=True, text=True
    ).stdout
    text = RELOCATION.sub(r"\1 \2", text)
    return [Instruction(*match.groups()) for match in map(INSTRUCTION.match, text.splitlines()) if match]


def arguments_set(code, at):
    """The registers that are set between the last call before the HVC and the HVC."""
    found = set()
    while at and not code[at - 1].is_call:
        at -= 1
        found |= code[at].writes
    return found


def results_lost(code, at, results):
    """The registers that are read, on some way on from the HVC, after a call that may have changed them."""
    index = {instruction.address: i for i, instruction in enumerate(code)}
    ways, seen, lost = [(at + 1, False, frozenset(results))], set(), set()
    while ways:
        way = ways.pop()
        at, called, pending = way
        if way in seen or at >= len(code) or not pending:
            continue
        seen.add(way)
        here = code[at]
        if called:
            lost |= pending & here.reads
        pending -= here.writes
        if here.is_call:
            called, pending = True, pending - {0}
        if here.target in index:
            ways.append((index[here.target], called, pending))
        if not here.ends:
            ways.append((at + 1, called, pending))
    return lost


@pytest.fixture(scope="module", params=SANITIZERS)
def objects(request, tmp_path_factory):
    """The folder of the module's objects, compiled with a sanitizer's calls; and what it calls."""
    tree = tmp_path_factory.mktemp(request.param)
    shutil.copytree(ROOT / "linux", tree / "linux")
    shutil.copytree(ROOT / "include", tree / "include")
    subprocess.run(
        ["make", "-s", "-C", str(HEADERS), f"M={tree / 'linux'}", "ARCH=arm64", f"CROSS_COMPILE={CROSS}",
         f"KCFLAGS={SANITIZERS[request.param]}", *OBJECTS],
        check=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("MAKE")},
    )  # fmt: skip
    return tree / "linux", CALLED[request.param]


@pytest.mark.parametrize("name", OBJECTS)
def test_no_call_comes_between_a_hypercall_and_its_registers(objects, name):
    folder, called = objects
    arguments, results = OBJECTS[name]
    code = disassemble(folder / name)
    calls = [at for at, instruction in enumerate(code) if instruction.is_hvc]
    assert calls, f"{name} makes no hypercall"
    symbols = subprocess.run(
        [CROSS + "nm", "-u", str(folder / name)], check=True, capture_output=True, text=True
    ).stdout
    assert called in symbols, f"{name} is compiled without the sanitizer's calls"
    for at in calls:
        missing = set(range(arguments)) - arguments_set(code, at)
        assert not missing, f"{name}: a call comes between the HVC and the setting of {missing}"
        lost = results_lost(code, at, range(results))
        assert not lost, f"{name}: a call comes between the HVC and a use of {lost}"
