# SPDX-License-Identifier: BSD-2-Clause
"""Programs at EL2 in place of Keel (tests/el2): its assembly, where no host and no test in C can reach it."""

import re

import keelvm

DONE = r"el2: done, 0x([0-9a-f]+) passed, 0x([0-9a-f]+) failed"
# As many as the program has: fewer means that it lost its way.
LEAST_CHECKS = 214


def test_accesses_that_may_fault_go_on_as_they_say(start):
    """What each does at memory that is not there, and that it leaves EL2's registers as it says."""
    image = keelvm.BUILD / "host" / "el2" / "accesses.img"
    machine = start(image=image, bundle=None, append="", smp=1)
    done = machine.expect(DONE)
    failures = re.findall(r"el2: FAILED .*", machine.console)
    assert not failures, "\n".join(failures)
    assert int(done.group(2), 16) == 0
    assert int(done.group(1), 16) >= LEAST_CHECKS, f"only {int(done.group(1), 16)} checks were made"
    assert machine.wait_for_exit() == 0, "SYSTEM_OFF did not end the machine"
