# SPDX-License-Identifier: BSD-2-Clause
"""A bare-metal host (payload/hostcheck.c) checks calls, PSCI, interrupts and aborts one by one."""

import re

import pytest

import keelvm
import messages

DONE = r"hostcheck: done, (\d+) passed, (\d+) failed"
# As many as the payload has: fewer means that it lost its way.
LEAST_CHECKS = 106


@pytest.mark.parametrize("variant", ["release", "debug"])
@pytest.mark.parametrize(
    "cpu,e2h",
    [
        ("max", 0),
        ("max", 1),
        ("cortex-a53", 0),
        pytest.param("neoverse-n1", 0, marks=pytest.mark.full),
        pytest.param("neoverse-n2", 1, marks=pytest.mark.full),
    ],
)
def test_a_bare_metal_host_finds_what_it_was_promised(start, make_bundle, cpu, e2h, variant):
    payload = (keelvm.BUILD / "host" / "payload" / "hostcheck.img").read_bytes()
    bundle = make_bundle(kernel=payload, initrd=b"none", cmdline="none")
    machine = start(cpu=cpu, smp=2, bundle=bundle, append=f"keel.e2h={e2h} keel.smc=0x82000010", variant=variant)
    done = machine.expect(DONE)
    failures = re.findall(r"hostcheck: FAILED .*", machine.console)
    assert not failures, "\n".join(failures)
    assert int(done.group(2)) == 0
    assert int(done.group(1)) >= LEAST_CHECKS, f"only {done.group(1)} checks were made"
    # The log has the aborts (the payload reads it); the console is the host's alone.
    before, _, after = machine.console.partition("starting the host")
    assert re.search(messages.BANNER, before)
    assert "keel: " not in after, f"Keel printed while the host ran: {after}"
    assert machine.wait_for_exit() == 0, "SYSTEM_OFF did not end the machine"
