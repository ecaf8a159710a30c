# SPDX-License-Identifier: BSD-2-Clause
"""Guests use the system tests' machines, with an image and a bundle of their own."""

import importlib.util
import sys
from pathlib import Path

import pytest

SYSTEM = Path(__file__).resolve().parents[1] / "system"
sys.path.insert(0, str(SYSTEM))

import hosts as hosts_of_tests  # noqa: E402
import keelvm  # noqa: E402
import vms  # noqa: E402

spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system_conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system_conftest)
start = system_conftest.start


def pytest_configure(config):
    system_conftest.pytest_configure(config)
    config.addinivalue_line("markers", "soak: what `make soak-guests` repeats for long")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the consoles' ends with a failure, and have the machines' state in their logs."""
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for machine in getattr(item, "machines", []):
        report.sections.append((f"console ({machine.log_path})", machine.tail()))
        try:
            vms.monitor_dump(machine)
        except (keelvm.ConsoleError, OSError):
            pass  # it has ended


@pytest.fixture(scope="module")
def hosts(request):
    """hosts.get(cpu, e2h): a host at its shell, shared by the tests of the module."""
    shared = hosts_of_tests.Hosts(request.module.__name__)
    yield shared
    shared.drop()


@pytest.fixture
def boot(start):  # noqa: F811
    """A host on Keel with keel.ko loaded, at its shell. `e2h=` is keel.e2h; `kernel=` is by name."""

    def boot_host(kernel=keelvm.DEFAULT_KERNEL, e2h=0, **changes):
        defaults = {
            "bundle": keelvm.guests_bundle(kernel),
            "mem": "2G",
            "append": f"quiet keel.console=keep keel.e2h={e2h}",
        }
        return start(**{**defaults, **changes}).wait_for_shell()

    return boot_host
