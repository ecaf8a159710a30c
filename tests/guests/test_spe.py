# SPDX-License-Identifier: BSD-2-Clause
"""Statistical profiling in guests: bare-metal payloads, with SPE and without."""

import re

import pytest

VMRUN = "vmrun --mem 64M"
TIMEOUT = 300
MACHINES = [
    pytest.param("max", 0, id="max-e2h0"),
    pytest.param("max", 1, id="max-e2h1"),
    pytest.param("neoverse-n2", 0, id="neoverse-n2", marks=pytest.mark.full),
    pytest.param("cortex-a57", 0, id="cortex-a57"),
]


def payload(machine, name, options):
    result = machine.run(f"{VMRUN} {options} /payloads/{name}.img </dev/null", TIMEOUT)
    failures = [line for line in result.lines if "FAIL" in line]
    assert not failures, "\n".join(failures)
    total = re.search(rf"payload {name}: (\d+) passed, (\d+) failed", result.output)
    assert total, result.output
    assert int(total.group(1)) > 0 and int(total.group(2)) == 0
    assert result.status == 0, result.output


@pytest.mark.parametrize("cpu,e2h", MACHINES)
def test_payloads(boot, cpu, e2h):
    """One boot for all: what SPE does, what is without it, and what else there is beside it."""
    machine = boot(cpu=cpu, e2h=e2h)
    payload(machine, "spe", "--cmdline 'args: absent'")
    payload(machine, "spe", "--spe")
    payload(machine, "spe", "--spe --features none")
    payload(machine, "exceptions", "--spe")
    payload(machine, "timers", "--spe --cpus 2")
    payload(machine, "smp", "--spe --cpus 2")
    assert machine.check("dmesg | grep -cE 'Oops|BUG|WARNING' || true") == "0"
    assert not re.search("Keel panic|PANIC", machine.console)


@pytest.mark.parametrize("cpu,e2h", [pytest.param("max", 0, id="max-e2h0")])
def test_moved(boot, cpu, e2h):
    """The vCPU changes CPUs all the time."""
    machine = boot(cpu=cpu, e2h=e2h)
    result = machine.run(f"churn {VMRUN} --spe /payloads/spe.img </dev/null", TIMEOUT)
    assert "FAIL" not in result.output, result.output
    assert re.search(r"payload spe: \d+ passed, 0 failed", result.output), result.output
    assert int(re.search(r"churn: (\d+) moves", result.output).group(1)) > 0
