# SPDX-License-Identifier: BSD-2-Clause
"""Hosts that several tests use, one after the other: tests are many and quick, boots are not."""

import itertools
import os

import keelvm


def host_config(kernel=keelvm.DEFAULT_KERNEL, e2h=0, **changes):
    """A host on Keel with keel.ko loaded. `e2h` is keel.e2h; `kernel` is by name."""
    defaults = {
        "bundle": keelvm.guests_bundle(kernel),
        "mem": "2G",
        "append": f"quiet keel.console=keep keel.e2h={e2h}",
    }
    return keelvm.Config(**{**defaults, **changes})


class Hosts:
    """At most one host, for tests that need none of their own: the one that the last test used.

    One in which something hung, or that does not answer, is replaced before the next test.
    """

    def __init__(self):
        self.machine = None
        worker = os.environ.get("PYTEST_XDIST_WORKER", "0")
        self.logs = (keelvm.LOGS / f"shared-{worker}.{n}.log" for n in itertools.count(1))

    def get(self, config):
        """A host of this kind, at its shell; its kernel has said nothing yet."""
        if not self.machine or self.machine.config != config or not self.is_well():
            self.drop()
            self.machine = keelvm.Machine(config, next(self.logs))
            self.machine.wait_for_shell()
        return self.machine

    def is_well(self):
        """It answers, and is tidied up."""
        try:
            return self.machine.run("rm -rf /tmp/* && dmesg -c >/dev/null", 30).status == 0
        except (keelvm.ConsoleError, OSError):
            return False

    def drop(self):
        if self.machine:
            self.machine.quit()
        self.machine = None
