# SPDX-License-Identifier: BSD-2-Clause
"""The same for long: what goes wrong once in a hundred times. KEEL_SOAK_BOOTS says how often."""

import os

import pytest

import vms

BOOTS = int(os.environ.get("KEEL_SOAK_BOOTS", 20))


@pytest.mark.full
@pytest.mark.soak
@pytest.mark.parametrize("cpu", ["max", "cortex-a57"])
def test_guests_boot_again_and_again(boot, cpu):
    """Two vCPUs on two CPUs, where they move; a guest that hangs leaves its machine's state in the log."""
    machine = boot(cpu=cpu)
    for _ in range(BOOTS):
        guest = vms.Guest(machine, "--cpus 2")
        assert guest.run("for i in 1 2 3; do sleep 0.05 & memtouch 2 & done; wait").count("good") == 3
        assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(machine)
