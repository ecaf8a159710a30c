# SPDX-License-Identifier: BSD-2-Clause
"""scripts/check-layers: includes go from a folder to those before it, and nowhere else."""

import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(name="tree")
def make_tree(tmp_path):
    """A project of two layers that is in order."""
    for folder in ("hyp/low", "hyp/high", "linux"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "hyp/layers").write_text("# in order\nlow   below\nhigh  above\n")
    (tmp_path / "hyp/low/a.h").write_text("#include <low/b.h>\n")
    (tmp_path / "hyp/high/a.c").write_text("#include <low/a.h>\n#include <high/a.h>\n")
    (tmp_path / "linux/a.c").write_text("#include <linux/kvm.h>\n")
    (tmp_path / "CONTRIBUTING.md").write_text("One way: `low`,\n`high`.\n")
    return tmp_path


def check_layers(tree):
    return subprocess.run(
        [sys.executable, TOP / "scripts/check-layers", str(tree)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_tree_in_order_passes(tree):
    done = check_layers(tree)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "path, text, line",
    [
        ("hyp/low/c.c", "int a;\n#include <high/a.h>\n", 2),
        ("hyp/low/c.S", '#include "high/a.h"\n', 1),
        ("linux/c.c", "#include <linux/kvm.h>\n#include <low/a.h>\n", 2),
    ],
)
def test_an_include_of_what_is_above_is_named(tree, path, text, line):
    (tree / path).write_text(text)
    done = check_layers(tree)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{tree / path}:{line}: ")


def test_a_folder_that_is_not_in_the_order_is_named(tree):
    (tree / "hyp/new").mkdir()
    done = check_layers(tree)
    assert done.returncode == 1
    assert "hyp/new" in done.stdout


def test_the_rule_for_people_is_the_same(tree):
    (tree / "CONTRIBUTING.md").write_text("One way: `high`, `low`.\n")
    done = check_layers(tree)
    assert done.returncode == 1
    assert "CONTRIBUTING.md" in done.stdout
