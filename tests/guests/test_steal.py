# SPDX-License-Identifier: BSD-2-Clause
"""Stolen time in a Linux guest: it finds it, and it grows when two vCPUs share a CPU."""

import re

import pytest

import vms

GUEST_PROMPT = "guest# "
VMRUN = vms.vmrun("--mem 256M --cpus 2")
BUSY = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"


@pytest.mark.parametrize("cpu", ["max", pytest.param("cortex-a57", marks=pytest.mark.full)])
def test_linux_sees_stolen_time(shared, cpu):
    machine = shared(cpu=cpu)
    machine.send(f"taskset 1 {VMRUN}; echo vmrun ended with $?")
    machine.expect("KEEL-GUEST-REACHED")
    machine.expect(re.escape(GUEST_PROMPT))
    machine.send("dmesg | grep -c 'using stolen time PV'; echo SEEN'-'END")
    machine.expect(r"\n1\r*\nSEEN-END")
    machine.send(f"taskset 1 sh -c '{BUSY}' & taskset 2 sh -c '{BUSY}'; wait; grep '^cpu ' /proc/stat; echo STAT'-'END")
    steal = machine.expect(r"\ncpu  (?:\d+ ){7}(\d+) ").group(1)
    assert int(steal) > 0
    machine.expect("STAT-END")
    machine.send("poweroff -f")
    machine.expect(r"vmrun ended with 0")


def test_a_host_without_stolen_time_runs_guests(shared):
    """--features decides; the guest is told that there is none."""
    machine = shared()
    machine.send(f"{VMRUN} --features none; echo vmrun ended with $?")
    machine.expect("KEEL-GUEST-REACHED")
    machine.expect(re.escape(GUEST_PROMPT))
    machine.send("dmesg | grep -c 'using stolen time PV'; echo SEEN'-'END")
    machine.expect(r"\n0\r*\nSEEN-END")
    machine.send("poweroff -f")
    machine.expect(r"vmrun ended with 0")
