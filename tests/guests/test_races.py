# SPDX-License-Identifier: BSD-2-Clause
"""
Calls of /dev/kvm that meet, or whose arguments are at random, in a host whose allocators look for memory that
is used after it was freed.
"""

import pytest

import keelvm
import vms

# Freed objects are filled, and looked at when they are given out again. Debian's 6.12 has KFENCE besides.
WATCHFUL = "quiet keel.console=keep slub_debug=FZP,kmalloc-* init_on_free=1 kfence.sample_interval=1"

# Of the pairs as many as there is time for; in the full matrix all of them several times.
SECONDS, SECONDS_FULL = 12, 600
# Of VMs whose calls have arguments at random.
RANDOM, RANDOM_FULL = 3, 60
LIMIT = 1500


def races(machine, seconds, wild):
    machine.check("test_vcpu >/dev/null; true", timeout=240)  # what is kept for good is had by now
    vms.mount_debugfs(machine)
    before = vms.Leftovers(machine)
    result = machine.run(f"test_races {seconds}", timeout=LIMIT)
    assert result.status == 0 and "1 passed, 0 failed" in result.output, result.output
    result = machine.run(f"test_random {wild}", timeout=LIMIT)
    assert result.status == 0 and f"{wild} passed, 0 failed" in result.output, result.output
    vms.assert_healthy(machine)
    before.check()
    vms.boots_and_ends(machine)
    machine.check("rmmod keel")
    vms.assert_healthy(machine)


def test_any_two_calls_may_run_at_once(boot):
    races(boot(smp=2, append=WATCHFUL), SECONDS, RANDOM)


@pytest.mark.full
@pytest.mark.parametrize(
    "kernel,smp,more",
    [
        ("kernel-6.1", 4, ""),
        ("kernel-6.12-cloud", 1, ""),
        ("kernel-6.12", 4, ""),
        ("kernel-6.1-cloud", 2, "keel.nested=1"),  # some vCPUs have an EL2
    ],
)
def test_any_two_calls_may_run_at_once_for_long(boot, kernel, smp, more):
    races(boot(kernel=kernel, smp=smp, append=f"{WATCHFUL} {more}"), SECONDS_FULL, RANDOM_FULL)
