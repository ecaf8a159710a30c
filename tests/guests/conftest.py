# SPDX-License-Identifier: BSD-2-Clause
"""Guests use the system tests' machines, with an image and a bundle of their own."""

import importlib.util
import sys
from pathlib import Path

import pytest

SYSTEM = Path(__file__).resolve().parents[1] / "system"
sys.path.insert(0, str(SYSTEM))

import keelvm  # noqa: E402

spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system_conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system_conftest)
start = system_conftest.start
pytest_runtest_makereport = system_conftest.pytest_runtest_makereport
pytest_configure = system_conftest.pytest_configure


@pytest.fixture
def boot(start):  # noqa: F811
    """A host on Keel with keel.ko loaded, at its shell."""
    defaults = {
        "bundle": keelvm.guests_bundle(),
        "mem": "2G",
        "append": "quiet keel.console=keep",
    }
    return lambda **changes: start(**{**defaults, **changes}).wait_for_shell()
