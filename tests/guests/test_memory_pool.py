# SPDX-License-Identifier: BSD-2-Clause
"""Page ownership with guests: debug builds check it after every call, and tables never run out."""

import re

VMRUN = "vmrun /guest/Image --initrd /guest/initrd --cmdline 'console=ttyAMA0 quiet' --mem 256M"


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
