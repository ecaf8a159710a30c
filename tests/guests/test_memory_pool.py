# SPDX-License-Identifier: BSD-2-Clause
"""Page ownership with guests: debug builds check it after every call, and tables never run out."""

import re

import pytest
import vms

VMRUN = vms.vmrun("--mem 256M")


def test_debug_build_runs_a_guest(boot):
    """A debug build checks page states and stage 2 tables after each call, and panics if it must."""
    machine = boot(variant="debug")
    machine.child.send(f"{VMRUN} --cpus 2; echo vmrun ended with $?\r")
    machine.expect("KEEL-GUEST-REACHED")
    machine.expect(re.escape("guest# "))
    machine.child.send("poweroff -f\r")
    machine.expect(r"vmrun ended with (\d+)\r")
    assert machine.child.match.group(1) == "0"
    assert machine.check("test_memory >/dev/null; echo $?") == "0"


@pytest.mark.full
def test_vms_in_memory_that_is_in_pieces_leave_nothing(shared):
    """Tables that a scattered host costs are free again when its VMs are gone, and the memory that they took for
    many VMs is the host's again."""
    machine = shared(mem="2G")
    vms.warm_up(machine)
    before = vms.stat(machine, "table_pages")
    pages, used = [], []
    for _ in range(3):
        result = machine.run("test_scattered", timeout=240)
        assert result.status == 0, result.output
        pages.append(vms.stat(machine, "table_pages"))
        used.append(pages[-1] - vms.stat(machine, "table_pages_free"))
    assert pages == [before] * 3
    assert used[2] == used[1]
    assert machine.check("dmesg | grep -cE 'WARNING|BUG|Oops|is lost' || true") == "0"
