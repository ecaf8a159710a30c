# SPDX-License-Identifier: BSD-2-Clause
"""The host does what hosts do with all of their memory, some of which VMs have."""

import vms


def test_reads_over_the_end_of_a_page(shared):
    """Names are looked up a word at a time, into pages that are a VM's: they read as zeros."""
    machine = shared()
    before = vms.stat(machine, "host_zero_pages")
    result = machine.run("test_overread", timeout=300)
    assert result.status == 0, result.output
    assert vms.stat(machine, "host_zero_pages") > before, "no read reached a page of a VM's"
    assert vms.stat(machine, "host_aborts") == 0
    vms.boots_and_ends(machine)
    vms.assert_healthy(machine)
