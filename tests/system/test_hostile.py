# SPDX-License-Identifier: BSD-2-Clause
"""Bare-metal hosts that mean harm (tests/hostile): EL2 goes on, and they get what is documented."""

import re

import pytest

import keelvm

DONE = r"hostile: done, (\d+) passed, (\d+) failed"


@pytest.fixture
def run_hostile(start, make_bundle):
    """run_hostile(NAME, least, ...): run the program on a machine; at least so many checks pass."""

    def run(name, least, append="", **machine_options):
        payload = (keelvm.BUILD / "host" / "hostile" / f"{name}.img").read_bytes()
        bundle = make_bundle(kernel=payload, initrd=b"none", cmdline="none")
        machine = start(bundle=bundle, append=f"keel.console=keep {append}", **machine_options)
        done = machine.expect(f"{DONE}|keel: .*panic.*\n")
        failures = re.findall(r"hostile: FAILED .*|keel: .*panic.*", machine.console)
        assert not failures, "\n".join(failures)
        assert int(done.group(2)) == 0
        assert int(done.group(1)) >= least, f"only {done.group(1)} checks were made"
        assert machine.wait_for_exit() == 0, "SYSTEM_OFF did not end the machine"
        return machine

    return run


@pytest.mark.parametrize("e2h", [0, 1])
def test_streaming_mode(run_hostile, e2h):
    run_hostile("sme", 150, f"keel.e2h={e2h}", smp=1)


@pytest.mark.parametrize("e2h", [0, 1])
def test_streaming_mode_without_full_a64(run_hostile, e2h):
    run_hostile("sme", 150, f"keel.e2h={e2h}", smp=1, cpu="max,pauth-impdef=on,sme_fa64=off")


@pytest.mark.parametrize(
    "e2h,variant",
    [
        (0, "release"),
        (1, "debug"),
        pytest.param(1, "release", marks=pytest.mark.full),
        pytest.param(0, "debug", marks=pytest.mark.full),
    ],
)
def test_calls(run_hostile, e2h, variant):
    run_hostile("calls", 25, f"keel.e2h={e2h}", smp=2, variant=variant)
