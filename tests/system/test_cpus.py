# SPDX-License-Identifier: BSD-2-Clause
"""CPUs come and go through Keel; the machine resets and powers off."""

import re

import pytest

import messages


def hotplug_rounds(smp, rounds):
    """A shell loop that takes every secondary down and up again."""
    cpus = " ".join(str(cpu) for cpu in range(1, smp))
    online = "/sys/devices/system/cpu/cpu$cpu/online"
    return (
        f"for round in $(seq {rounds}); do for cpu in {cpus}; do "
        f"echo 0 >{online} && echo 1 >{online} && [ $(cat {online}) = 1 ] || exit 1; done; done"
    )


@pytest.mark.parametrize(
    "cpu,gic,smp,rounds",
    [
        ("max", 3, 4, 8),
        pytest.param("max", 3, 4, 20, marks=pytest.mark.full),
        pytest.param("cortex-a53", 2, 4, 20, marks=pytest.mark.full),
        pytest.param("cortex-a72", 3, 2, 20, marks=pytest.mark.full),
        pytest.param("neoverse-n2", 3, 4, 20, marks=pytest.mark.full),
    ],
)
@pytest.mark.parametrize("variant", ["release", pytest.param("debug", marks=pytest.mark.full)])
def test_hotplug_works_for_every_secondary_cpu(boot, cpu, gic, smp, variant, rounds):
    machine = boot(cpu=cpu, gic=gic, smp=smp, variant=variant)
    machine.check(f"({hotplug_rounds(smp, rounds)})", timeout=400)
    assert machine.check("nproc") == str(smp)
    downs = machine.check("dmesg | grep -c 'psci: CPU[1-9] killed'")
    assert int(downs) == rounds * (smp - 1), f"CPUs went down {downs} times"
    assert not re.search(messages.KEEL_ERROR, machine.console, re.M)


def test_work_moves_between_cpus_while_they_come_and_go(boot):
    """Processes on all CPUs survive the going of the one they run on."""
    machine = boot(smp=4)
    machine.check(
        "for i in 1 2 3 4; do (n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done; echo $n >/tmp/$i) & done; "
        f"({hotplug_rounds(4, 2)}) && wait",
        timeout=240,
    )
    assert machine.check("cat /tmp/1 /tmp/2 /tmp/3 /tmp/4").split() == ["20000"] * 4


@pytest.mark.parametrize("smp", [1, 4])
def test_power_off_ends_the_machine(boot, smp):
    machine = boot(smp=smp)
    machine.send("poweroff -f")
    assert machine.wait_for_exit() == 0


@pytest.mark.parametrize("gic", [2, 3])
def test_reboot_brings_keel_and_the_host_up_again(boot, gic):
    machine = boot(gic=gic, reboot=True)
    for _ in range(2):
        machine.send("reboot -f")
        machine.expect(messages.BANNER)
        machine.wait_for_shell()
        assert machine.check("nproc") == "2"
