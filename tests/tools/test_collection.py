# SPDX-License-Identifier: BSD-2-Clause
"""Tests of how the tests are named: workers must agree on the names, and a person must be able to read them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
LONGEST_NAME = 250


def names(folder, hash_seed):
    """The tests that pytest finds in FOLDER, by a Python whose sets have the order of HASH_SEED."""
    out = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", folder],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=TESTS,
        text=True,
        capture_output=True,
    ).stdout
    return [line for line in out.splitlines() if "::" in line]


@pytest.mark.parametrize("folder", ["tools", "system", "guests"])
def test_two_workers_find_the_same_tests(folder):
    first = names(folder, 1)
    assert first
    assert names(folder, 2) == first


@pytest.mark.parametrize("folder", ["tools", "system", "guests"])
def test_a_name_can_be_read(folder):
    assert [name for name in names(folder, 1) if len(name) > LONGEST_NAME or not name.isprintable()] == []
