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
from hosts import host_config  # noqa: E402

spec = importlib.util.spec_from_file_location("system_conftest", SYSTEM / "conftest.py")
system_conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(system_conftest)
start = system_conftest.start


def pytest_configure(config):
    system_conftest.pytest_configure(config)
    config.addinivalue_line("markers", "soak: what `make soak-guests` repeats for long")


def pytest_collection_modifyitems(items):
    """In a module the tests of one kind of machine follow one another: they may share a host."""
    modules = list(dict.fromkeys(item.module for item in items))

    def order(item):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        return modules.index(item.module), params.get("cpu", "max"), params.get("e2h", 0)

    items.sort(key=order)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the consoles' ends with a failure, and have the machines' state in their logs."""
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    item.failed = True
    for machine in getattr(item, "machines", []):
        report.sections.append((f"console ({machine.log_path})", machine.tail()))
        try:
            vms.monitor_dump(machine)
        except (keelvm.ConsoleError, OSError):
            pass  # it has ended


@pytest.fixture(scope="session")
def hosts():
    shared_hosts = hosts_of_tests.Hosts()
    yield shared_hosts
    shared_hosts.drop()


@pytest.fixture
def shared(hosts, request):
    """As boot, but of a host that other tests use as well: leave it as it was.

    A test that fails takes its host with it.
    """
    machines = request.node.machines = []

    def shared_host(**changes):
        machines.append(hosts.get(host_config(**changes)))
        return machines[-1]

    yield shared_host
    if getattr(request.node, "failed", False):
        hosts.drop()


@pytest.fixture
def boot(start):  # noqa: F811
    """boot(kernel=, e2h=, ...): a host as host_config() makes it, at its shell."""

    def boot_host(**changes):
        return start(**vars(host_config(**changes))).wait_for_shell()

    return boot_host
