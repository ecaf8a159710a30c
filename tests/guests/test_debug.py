# SPDX-License-Identifier: BSD-2-Clause
"""Hardware breakpoints, watchpoints and single step, in the host and in a guest at the same time;
and the PMU, which is the host's alone."""

import re

import pytest

import vms

VMRUN = vms.vmrun("--mem 256M")
GUEST_PROMPT = "guest# "
# Breakpoints and watchpoints of QEMU's CPUs.
SLOTS = {"max": (6, 4), "neoverse-n1": (6, 4), "cortex-a57": (6, 4)}


def in_guest(machine, command, pattern, timeout=240):
    machine.send(f"{command}; echo IN'-'GUEST=$?")
    match = machine.expect(pattern, timeout)
    machine.expect(r"IN-GUEST=(\d+)", timeout)
    status = int(machine.child.match.group(1))
    machine.expect(re.escape(GUEST_PROMPT))
    return match, status


@pytest.mark.parametrize(
    "cpu,e2h,rounds",
    [
        ("max", 0, 1),
        pytest.param("max", 1, 3, marks=pytest.mark.full),
        pytest.param("neoverse-n1", 0, 3, marks=pytest.mark.full),
        pytest.param("cortex-a57", 0, 3, marks=pytest.mark.full),
    ],
)
def test_debuggers_work_in_host_and_guest(shared, cpu, e2h, rounds):
    machine = shared(cpu=cpu, append=f"quiet keel.console=keep keel.e2h={e2h}")
    breakpoints, watchpoints = SLOTS[cpu]
    said = f"{breakpoints} breakpoints, {watchpoints} watchpoints"
    assert said in machine.check("hwdebug 10")
    # In the host, one on each CPU, for as long as the guest runs.
    machine.check(
        "for cpu in 1 2; do (while [ ! -e /tmp/stop ]; do "
        "taskset $cpu hwdebug 50 >/tmp/out.$cpu 2>&1 || cat /tmp/out.$cpu >>/tmp/bad; "
        "echo >>/tmp/rounds; done) & done"
    )
    machine.send(f"{VMRUN} --cpus 2; echo vmrun ended with $?")
    machine.expect("KEEL-GUEST-REACHED")
    machine.expect(re.escape(GUEST_PROMPT))
    for _ in range(rounds):
        match, status = in_guest(machine, "hwdebug 50", r"hwdebug: (\d+) breakpoints, (\d+) watchpoints")
        assert (int(match.group(1)), int(match.group(2))) == (breakpoints, watchpoints)
        assert status == 0, machine.tail()
    # Two at a time on one vCPU: the guest's kernel switches them.
    _, status = in_guest(
        machine, "taskset 1 hwdebug 20 >/tmp/a & taskset 1 hwdebug 20; s=$?; wait $! && [ $s = 0 ]", r"others"
    )
    assert status == 0, machine.tail()
    machine.send("poweroff -f")
    machine.expect(r"vmrun ended with 0")
    machine.check(": >/tmp/stop; wait; [ ! -e /tmp/bad ] && [ $(wc -l </tmp/rounds) -gt 4 ]")


def test_pmu_is_the_hosts(shared):
    """The host counts while a guest runs; the guest finds no PMU."""
    machine = shared()
    machine.check("cycles")
    machine.check("{ (while [ ! -e /tmp/stop ]; do cycles >>/tmp/cycles 2>&1 || echo >>/tmp/bad; done) & }")
    machine.send(f"{VMRUN} --cpus 2; echo vmrun ended with $?")
    machine.expect("KEEL-GUEST-REACHED")
    machine.expect(re.escape(GUEST_PROMPT))
    _, status = in_guest(machine, "cycles", r"perf_event_open")
    assert status == 2, "the guest has a PMU"
    machine.send("poweroff -f")
    machine.expect(r"vmrun ended with 0")
    machine.check(": >/tmp/stop; wait; [ ! -e /tmp/bad ] && grep -c 'cycles: [1-9]' /tmp/cycles")
