# SPDX-License-Identifier: BSD-2-Clause
"""scripts/check-names: a function's name is in one file of a folder only."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
START = "/* one */\n#include <a.h>\n\nstruct first {\n\tint a;\n};\n\n"
FUNCTION = "static int start_it(int a, int b)\n{\n\treturn 0;\n}\n"


def check_names(*folders):
    return subprocess.run(
        [sys.executable, TOP / "scripts/check-names", *map(str, folders)],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(name="folder")
def make_folder(tmp_path):
    """A folder with start_it() in one file."""
    (tmp_path / "a.c").write_text(START + FUNCTION)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "static int end_it(void)\n{\n\treturn start_it(1, 2);\n}\n",
        "int start_it(int a, int b);\n",
        "/*\n * start_it(int a)\n * {\n */\n",
        "static const struct ops ops = {\n\t.start = start_it,\n};\n",
        "static int (*const calls[])(int a) = {\n\tstart_it,\n};\n",
    ],
)
def test_a_name_that_is_used_elsewhere_passes(folder, text):
    (folder / "b.c").write_text(START + text)
    done = check_names(folder)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        FUNCTION,
        "struct first *start_it(int a,\n\t\t       int b)\n{\n\treturn 0;\n}\n",
        "static __always_inline void start_it(int (*f)(int a))\n{\n}\n",
        "__attribute__((noinline)) static int start_it(void)\n{\n\treturn 0;\n}\n",
    ],
)
def test_a_second_function_of_the_name_is_found(folder, text):
    (folder / "sub").mkdir()
    (folder / "sub" / "b.c").write_text(START + text)
    done = check_names(folder)
    assert done.returncode == 1
    assert done.stdout == (
        f"start_it() is more than one function: {folder}/a.c:8, {folder}/sub/b.c:8\n"
    )


def test_folders_are_images_of_their_own(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.c").write_text(FUNCTION)
    assert check_names(tmp_path / "a", tmp_path / "b").returncode == 0


def test_the_module_passes():
    done = check_names(TOP / "linux")
    assert (done.returncode, done.stdout) == (0, "")
