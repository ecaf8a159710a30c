# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the system tests; keelvm.py has the machines."""

import dataclasses
import re

import pytest

import bundles
import keelvm


def pytest_configure(config):
    config.addinivalue_line("markers", "full: only in `make test-full`: one more of many alike")


LONGEST = {"test_run", "test_vmrun"}


def pytest_collection_modifyitems(items):
    """The longest tests come first, so that at the end no worker waits long for another."""
    items.sort(key=lambda item: item.module.__name__ not in LONGEST)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Show the consoles' ends with a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for machine in getattr(item, "machines", []):
            report.sections.append((f"console ({machine.log_path})", machine.tail()))


@pytest.fixture
def start(request):
    """start(cpu=..., smp=..., ...): a machine as keelvm.Config describes it, killed after the test."""
    machines = request.node.machines = []
    base = re.sub(r"[^A-Za-z0-9_.-]+", "_", request.node.name)

    def start_machine(**changes):
        config = dataclasses.replace(keelvm.Config(), **changes)
        suffix = f".{len(machines)}" if machines else ""
        machine = keelvm.Machine(config, keelvm.LOGS / f"{base}{suffix}.log")
        machines.append(machine)
        return machine

    yield start_machine
    for machine in machines:
        machine.quit()


@pytest.fixture
def boot(start):
    """As start(), and waits for the host's shell."""
    return lambda **changes: start(**changes).wait_for_shell()


# ---- bundles and images, written to the test's own directory

DEFAULT = object()


def default_files(kernel, initrd):
    if kernel is DEFAULT:
        kernel = keelvm.kernel_image().read_bytes()
    if initrd is DEFAULT:
        initrd = keelvm.initrd().read_bytes()
    return kernel, initrd


def encoded(cmdline):
    return None if cmdline is None else cmdline.encode()


@pytest.fixture
def make_bundle(tmp_path):
    """make_bundle(kernel=, initrd=, cmdline=): a bundle as mkbundle makes it; bytes or None."""

    def make(kernel=DEFAULT, initrd=DEFAULT, cmdline="console=ttyAMA0"):
        kernel, initrd = default_files(kernel, initrd)
        path = tmp_path / "bundle.cpio"
        path.write_bytes(bundles.aligned(kernel, initrd, encoded(cmdline)))
        return path

    return make


@pytest.fixture
def plain_bundle(tmp_path):
    """plain_bundle(...): the same as cpio(1) makes it; what is None is left out."""

    def make(kernel=DEFAULT, initrd=DEFAULT, cmdline=None):
        kernel, initrd = default_files(kernel, initrd)
        files = [("cmdline", encoded(cmdline)), ("initrd", initrd), ("kernel", kernel)]
        path = tmp_path / "plain.cpio"
        path.write_bytes(bundles.plain([file for file in files if file[1] is not None]))
        return path

    return make


@pytest.fixture
def cut_bundle(tmp_path):
    """cut_bundle(where): a good bundle that ends in the middle of `where`."""

    def make(where):
        path = tmp_path / "cut.cpio"
        path.write_bytes(bundles.cut(keelvm.bundle().read_bytes(), where))
        return path

    return make


@pytest.fixture
def moved_image(tmp_path):
    """moved_image(offset): keel.img made to be loaded at that offset from the start of RAM."""

    def make(offset, variant="release"):
        path = tmp_path / "keel.img"
        path.write_bytes(bundles.with_text_offset(keelvm.keel_image(variant).read_bytes(), offset))
        return path

    return make
