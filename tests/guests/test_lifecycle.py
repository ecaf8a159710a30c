# SPDX-License-Identifier: BSD-2-Clause
"""How VMs, the module and CPUs come and go, in any order, and what is left then: nothing."""

import random
import re

import pytest

import keelvm
import vms


@pytest.mark.parametrize("reboots", [3, pytest.param(50, marks=pytest.mark.full)])
def test_a_guest_reboots_again_and_again(shared, reboots):
    """One vmrun starts its guest over and over; then the host has the memory that it had."""
    machine = shared()
    vms.warm_up(machine)
    before = vms.Leftovers(machine)
    guest = vms.Guest(machine, "--cpus 2 --reboot")
    for _ in range(reboots):
        machine.send("reboot -f")
        guest.wait_for_shell()
    assert guest.end("poweroff -f") == vms.OFF
    before.check()
    vms.assert_healthy(machine)


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.full)])
def test_guests_survive_host_cpu_hotplug(shared, rounds):
    """CPU 1 goes and comes under a guest that keeps both vCPUs busy."""
    machine = shared()
    guest = vms.Background(machine, "--cpus 2")
    guest.wait_for_shell()
    guest.send("memtouch 16 0 & memtouch 16 0 &")
    online = "/sys/devices/system/cpu/cpu1/online"
    for _ in range(rounds):
        machine.check(f"echo 0 >{online}; sleep 0.3; echo 1 >{online}; sleep 0.2")
        # Both of the guest's CPUs take timer interrupts, and its clock goes on.
        assert guest.run("taskset 1 sleep 0.05 && taskset 2 sleep 0.05 && echo both") == "both"
    # With CPU 1 off a new guest starts, and moves when it comes back.
    machine.check(f"echo 0 >{online}")
    other = vms.Background(machine, "--cpus 2")
    other.wait_for_shell()
    machine.check(f"echo 1 >{online}")
    assert other.run("taskset 2 sleep 0.05 && echo here") == "here"
    assert other.end("poweroff -f") == vms.OFF
    assert guest.run("killall memtouch; nproc") == "2"
    assert guest.end("poweroff -f") == vms.OFF
    assert machine.check("nproc") == "2"
    vms.assert_healthy(machine)


# When vmrun is killed: seconds after its start. A guest's shell comes after one to three of them, and has no
# input from a FIFO that nobody writes to.
KILLS = {
    "creation": (0.0, 0.3),
    "boot": (0.3, 1.5),
}
SILENCE = "/tmp/silence"


def unload_and_load(machine):
    machine.check("rmmod keel")
    assert machine.run("ls /dev/kvm").status != 0
    machine.check(f"insmod {vms.MODULE}")
    machine.check("ls /dev/kvm")


def kill_while_it_starts(machine, chance, stage, count):
    least, most = KILLS[stage]
    machine.check(f"[ -p {SILENCE} ] || mkfifo {SILENCE}")
    for _ in range(count):
        delay = f"{chance.uniform(least, most):.2f}"
        status = machine.run(
            f"{vms.vmrun('--cpus 4')} 0<>{SILENCE} >/tmp/killed 2>&1 & sleep {delay}; kill -9 $!; wait $!"
        ).status
        assert status == vms.KILLED, f"killed after {delay} s: {machine.check('cat /tmp/killed')}"


def kill_while_it_runs(machine, chance, count):
    """All four vCPUs are busy."""
    for _ in range(count):
        delay = f"{chance.uniform(0, 0.5):.2f}"
        load = "for i in 1 2 3 4; do memtouch 8 0 & done"
        machine.check(
            f"(echo '{load}'; echo echo LOAD-'$((1))') >/tmp/load; {vms.vmrun('--cpus 4')} "
            "</tmp/load >/tmp/killed 2>&1 & echo $! >/tmp/pid"
        )
        machine.check(
            "for i in $(seq 2000); do grep -q ^LOAD-1 /tmp/killed && break; sleep 0.1; done; "
            "grep -q ^LOAD-1 /tmp/killed",
            vms.GUEST_TIMEOUT,
        )
        status = machine.run(f"sleep {delay}; kill -9 $(cat /tmp/pid); wait $(cat /tmp/pid)").status
        assert status == vms.KILLED, f"killed after {delay} s: {machine.check('cat /tmp/killed')}"


def kill_while_it_ends(machine, chance, count):
    """The guest powers off; vmrun may be through when the signal comes."""
    for _ in range(count):
        delay = f"{chance.uniform(0, 0.15):.2f}"
        machine.check(
            f"echo 'echo END-$((1)); poweroff -f' >/tmp/load; {vms.vmrun('--cpus 4')} "
            "</tmp/load >/tmp/killed 2>&1 & echo $! >/tmp/pid"
        )
        # In one line: the shell forgets a status once it has reported the process's end.
        status = machine.run(
            "for i in $(seq 3000); do grep -q ^END-1 /tmp/killed && break; sleep 0.02; done; "
            f"sleep {delay}; kill -9 $(cat /tmp/pid) 2>/dev/null; wait $(cat /tmp/pid)",
            vms.GUEST_TIMEOUT,
        ).status
        assert "END-1" in machine.check("cat /tmp/killed")
        assert status in (vms.KILLED, vms.OFF), machine.check("cat /tmp/killed")


@pytest.mark.parametrize("kills", [10] + [pytest.param(n, marks=pytest.mark.full) for n in (30, 120)])
def test_vmm_is_killed(shared, kills):
    """vmrun gets a SIGKILL at any moment, so often: nothing is left, and all goes on."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    machine = shared(smp=2)
    unload_and_load(machine)
    vms.boots_and_ends(machine)
    before = vms.Leftovers(machine)
    kill_while_it_starts(machine, chance, "creation", kills * 2 // 5)
    kill_while_it_starts(machine, chance, "boot", kills * 2 // 5)
    kill_while_it_runs(machine, chance, kills // 10)
    kill_while_it_ends(machine, chance, kills // 10)
    before.check()
    unload_and_load(machine)
    vms.boots_and_ends(machine)
    vms.assert_healthy(machine)


def test_module_unloads_when_the_last_vm_is_gone(shared):
    machine = shared()
    guest = vms.Background(machine)
    guest.wait_for_shell()
    refused = machine.run("rmmod keel 2>&1")
    assert refused.status != 0
    assert re.search("Resource temporarily unavailable|Device or resource busy", refused.output)
    assert guest.run("echo here") == "here"
    assert guest.kill("KILL") == vms.KILLED
    unload_and_load(machine)
    vms.boots_and_ends(machine)
    # Twice is once too often.
    assert "File exists" in machine.run(f"insmod {vms.MODULE} 2>&1").output
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)


@pytest.mark.parametrize(
    "cpu,virtualization",
    [
        ("max", True),  # the kernel stays at EL2, where a hypercall would be its end
        ("max", False),
        pytest.param("cortex-a57", True, marks=pytest.mark.full),  # at EL1, with a stub at EL2
    ],
)
def test_the_module_refuses_a_machine_without_keel(start, cpu, virtualization):
    """-ENODEV, and a line that says what is missing."""
    initrd = keelvm.guests_bundle().parent / "guests-initrd"
    machine = start(
        cpu=cpu,
        virtualization=virtualization,
        image=keelvm.kernel_image(),
        bundle=initrd,
        append="console=ttyAMA0 quiet",
    ).wait_for_shell()
    refused = machine.run(f"insmod {vms.MODULE} 2>&1")
    assert refused.status != 0 and "No such device" in refused.output
    assert "keel: this kernel does not run below Keel" in machine.check("dmesg")
    assert machine.run("lsmod | grep keel").status == 1
    vms.assert_healthy(machine)
