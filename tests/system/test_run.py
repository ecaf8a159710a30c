# SPDX-License-Identifier: BSD-2-Clause
"""`make run`, as a person meets it."""

import pexpect
import pytest

import keelvm


@pytest.fixture
def terminal():
    child = pexpect.spawn(
        str(keelvm.ROOT / "scripts" / "run"),
        [str(keelvm.keel_image()), str(keelvm.run_bundle())],
        encoding="utf-8",
        codec_errors="replace",
        timeout=keelvm.BOOT_TIMEOUT,
        preexec_fn=keelvm.die_with_parent,
    )
    yield child
    child.close(force=True)


GUEST_PROMPT = "guest# "


def test_run_says_how_to_leave_and_ctrl_a_x_leaves(terminal):
    terminal.expect("Ctrl-A X leaves")
    terminal.expect(GUEST_PROMPT)
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert terminal.exitstatus == 0


def test_run_ends_in_a_guest_and_below_it_the_host(terminal):
    terminal.expect(GUEST_PROMPT)
    terminal.sendline("ls /proc/device-tree/hypervisor; grep -c ^processor /proc/cpuinfo")
    terminal.expect("No such file")  # a guest, not the host, whose tree names Keel
    terminal.expect(r"\b2\r")
    terminal.expect(GUEST_PROMPT)
    terminal.sendline("poweroff -f")
    terminal.expect("The guest has ended with status 0")
    terminal.expect(keelvm.PROMPT)
    terminal.sendline("cat /proc/device-tree/hypervisor/compatible")
    terminal.expect("keel,hypervisor")
    terminal.expect(keelvm.PROMPT)
    terminal.sendline("poweroff -f")
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert terminal.exitstatus == 0
