# SPDX-License-Identifier: BSD-2-Clause
"""What runs between a guest's registers and its registers, in a fast exit, leaves those alone that are not saved.

enter.S saves for a fast exit (hyp/vm/exit.h) what a function may change by the procedure call standard, but for
x12 to x18. So each file that it calls into must be compiled without them, in debug builds, where locks are
checked, too.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("KEEL_BUILD", ROOT / "build")).resolve()
CROSS = "aarch64-linux-gnu-"
NOT_SAVED = range(12, 19)
# It does not return: nobody misses a register.
LAST = "panic"

FUNCTION = re.compile(r"^0*([0-9a-f]+) <([^>+]+)>:$")
BRANCH = re.compile(r"\t(?:bl?|b\.\w+|cbn?z|tbn?z)\t.*?\b([0-9a-f]+) <[^>+]+>")


def output(tool, *arguments):
    return subprocess.run(
        [CROSS + tool, *map(str, arguments)], check=True, capture_output=True, text=True
    ).stdout


def call_graph(elf):
    """By address: each function's name, and the addresses of those that it goes to; None is an indirect call."""
    functions = {}
    for line in output("objdump", "-d", "--no-show-raw-insn", elf).splitlines():
        if match := FUNCTION.match(line):
            functions[match[1]] = name, callees = match[2], set()
        elif match := BRANCH.search(line):
            callees.add(match[1])
        elif "\tblr\t" in line or "\tbr\t" in line:
            callees.add(None)
    return functions


def reached(functions, first):
    """Static functions of a name are several: their addresses count."""
    found, todo = set(), {at for at, (name, _) in functions.items() if name == first}
    while todo:
        at = todo.pop()
        found.add(at)
        todo |= {to for to in functions[at][1] if functions[to][0] != LAST} - found
    return found


def compiled_how(elf):
    """By address: the file that each function is compiled from, and the compiler's options."""
    how, file, options = {}, None, None
    for line in output("readelf", "--debug-dump=info", "--dwarf-depth=2", elf).splitlines():
        if "DW_TAG_compile_unit" in line:
            file = options = None
        elif "DW_AT_producer" in line and options is None:
            options = line.split()
        elif "DW_AT_name" in line and file is None:
            file = line.split()[-1]
        elif match := re.search(r"DW_AT_low_pc\s*: 0x([0-9a-f]+)", line):
            how[match[1]] = file, options
    return how


@pytest.mark.parametrize("variant", ["release", "debug"])
@pytest.mark.parametrize("first,locks", [("spe_false_hit", True), ("nested_fast", False)])
def test_what_a_fast_exit_calls_leaves_registers_alone(variant, first, locks):
    elf = BUILD / variant / "keel.elf"
    subprocess.run(["make", "-s", f"BUILD={BUILD}", str(elf)], cwd=ROOT, check=True)
    functions = call_graph(elf)
    found = reached(functions, first)
    names = {functions[at][0] for at in found}
    assert first in names
    assert ("spin_check_before" in names) == (locks and variant == "debug")
    how = compiled_how(elf)
    for at in found:
        file, options = how[at]
        wrong = [n for n in NOT_SAVED if f"-ffixed-x{n}" not in options]
        assert not wrong, f"{functions[at][0]}() of {file} may use x{wrong}"
