# SPDX-License-Identifier: BSD-2-Clause
"""scripts/check-text: finds the comments that a formatter has damaged, and leaves sound ones alone."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECK_TEXT = Path(__file__).resolve().parents[2] / "scripts" / "check-text"


def check_text(path, text):
    path.write_text(text)
    return subprocess.run(
        [sys.executable, CHECK_TEXT, str(path)], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "text",
    [
        "/* One line. */\n",
        "/* Two lines,\n * closed behind the second. */\n",
        "/*\n * A block.\n */\n",
        "/**\n * f() - do\n * @a: one\n *     and more\n *\n * Prose.\n * Return: 0\n */\n",
    ],
)
def test_sound_comments_pass(tmp_path, text):
    done = check_text(tmp_path / "a.h", text)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "line, text",
    [
        (2, "/* Text that fills the line.\n */\n"),
        (3, "int a;\nint b; /* of it,\n\tits rest */\n"),
        (4, "/**\n * f() - do\n * @a: one\n * and more\n */\n"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path, line, text):
    path = tmp_path / "a.h"
    done = check_text(path, text)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{path}:{line}: ")


def test_without_files_it_says_how_to_use_it():
    done = subprocess.run([sys.executable, CHECK_TEXT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "usage" in done.stdout
