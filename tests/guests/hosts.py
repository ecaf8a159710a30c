# SPDX-License-Identifier: BSD-2-Clause
"""Hosts that several tests use, one after the other: tests are many and quick, boots are not."""

import keelvm


class Hosts:
    """At most one host, for tests that need none of their own: the one that the last test used.

    One in which something hung, or that does not answer, is replaced before the next test.
    """

    def __init__(self, name):
        self.name = name
        self.machine = None
        self.key = None
        self.count = 0

    def get(self, cpu, e2h):
        if self.key != (cpu, e2h) or not self.answers():
            self.drop()
            self.start(cpu, e2h)
        return self.machine

    def start(self, cpu, e2h):
        config = keelvm.Config(
            cpu=cpu,
            mem="2G",
            bundle=keelvm.guests_bundle(),
            append=f"quiet keel.e2h={e2h}",  # Keel logs each register that `registers` finds undefined
        )
        self.count += 1
        log = keelvm.LOGS / f"{self.name}-{cpu}-e2h{e2h}.{self.count}.log"
        self.machine = keelvm.Machine(config, log)
        self.machine.wait_for_shell()
        self.key = (cpu, e2h)

    def answers(self):
        try:
            return self.machine is not None and self.machine.check("echo yes", 30) == "yes"
        except (keelvm.ConsoleError, OSError):
            return False

    def drop(self):
        if self.machine:
            self.machine.quit()
        self.machine = self.key = None
