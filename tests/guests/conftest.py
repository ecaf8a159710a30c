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
    config.addinivalue_line("markers", "nested: Linux as a guest hypervisor, which `make test-nested` repeats")
    config.addinivalue_line("markers", "short: takes seconds")


# Fixtures of hosts that tests share; and modules that share another than the default one, before or after it.
SHARING = {"shared", "hosts", "host", "injected"}
OTHER_HOSTS = {"test_inject": -2, "test_nested": -1, "test_payloads": 1}


def pytest_collection_modifyitems(items):
    """Tests that may share a host follow one another: each worker boots it once.

    Tests with a host of their own come first, and the short ones last, so that at the end no worker waits long
    for another.
    """
    modules = list(dict.fromkeys(item.module.__name__ for item in items))

    def order(item):
        module = item.module.__name__
        params = item.callspec.params if hasattr(item, "callspec") else {}
        defaults = {"kernel": "", "variant": "release", "cpu": "max", "e2h": 0}
        machine = [params.get(name, default) for name, default in defaults.items()]
        shares = not SHARING.isdisjoint(item.fixturenames)
        short = item.get_closest_marker("short") is not None
        return shares, short, OTHER_HOSTS.get(module, 0), modules.index(module), machine

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
