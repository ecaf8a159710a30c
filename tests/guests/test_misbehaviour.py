# SPDX-License-Identifier: BSD-2-Clause
"""Guests that do what they should not: each is its own problem, and the host goes on."""

import vms


def raw(machine, kind):
    """A guest of a few instructions, made by the helper rawguest."""
    path = f"/tmp/{kind}.image"
    machine.check(f"rawguest {kind} >{path}")
    return {"image": path, "initrd": None}


def test_a_guest_that_panics_resets_or_is_stopped(shared):
    """A guest's panic: it asks for a reset; or it stands still and is stopped."""
    machine = shared()
    guest = vms.Guest(machine, "--cpus 2", cmdline=f"{vms.QUICK} panic=-1")
    assert guest.end("echo c >/proc/sysrq-trigger") == vms.RESET
    guest = vms.Background(machine, "--cpus 2", cmdline=f"{vms.QUICK} panic=0")
    guest.wait_for_shell()
    guest.send("echo c >/proc/sysrq-trigger")
    guest.expect(".*end Kernel panic")
    assert guest.kill("TERM") == vms.TERMINATED
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)


def test_a_guest_that_never_exits_can_be_ended(boot):
    """It loops with interrupts off, or in aborts, on the only CPU: the host runs, and stops it."""
    machine = boot(smp=1)
    vms.boots_and_ends(machine)
    before = vms.Leftovers(machine)
    for kind in ("masked", "fetch-loop"):
        for signal, status in (("TERM", vms.TERMINATED), ("KILL", vms.KILLED)):
            guest = vms.Background(machine, **raw(machine, kind))
            machine.check("sleep 1")
            used = machine.check(f"awk '{{ print $14 + $15 }}' /proc/{guest.pid}/stat")
            assert int(used) > 20, "a guest that loops uses its CPU"
            assert guest.alive()
            assert guest.kill(signal) == status
    before.check()
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)


def test_accesses_where_nothing_is_go_to_userspace_or_are_aborts(shared):
    machine = shared()
    result = machine.run(vms.vmrun(**raw(machine, "load")) + " 2>&1 </dev/null")
    assert result.status == vms.OFF
    assert "the guest reads 8 bytes at 0x70000000, where there is no device" in result.output
    # what nobody can do, or look up, is an exception in the guest
    assert machine.run(vms.vmrun(**raw(machine, "pair")) + " </dev/null").status == vms.OFF
    assert machine.run(vms.vmrun(**raw(machine, "fetch")) + " </dev/null").status == vms.OFF
    vms.still_runs_guests(machine)
    vms.assert_healthy(machine)
