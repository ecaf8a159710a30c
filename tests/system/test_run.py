# SPDX-License-Identifier: BSD-2-Clause
"""`make run`, as a person meets it."""

import pexpect
import pytest

import keelvm


@pytest.fixture
def terminal():
    child = pexpect.spawn(
        str(keelvm.ROOT / "scripts" / "run"),
        [str(keelvm.keel_image()), str(keelvm.bundle())],
        encoding="utf-8",
        codec_errors="replace",
        timeout=keelvm.BOOT_TIMEOUT,
        preexec_fn=keelvm.die_with_parent,
    )
    yield child
    child.close(force=True)


def test_run_says_how_to_leave_and_ctrl_a_x_leaves(terminal):
    terminal.expect("Ctrl-A X leaves")
    terminal.expect(keelvm.PROMPT)
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert terminal.exitstatus == 0


def test_run_ends_when_the_host_powers_off(terminal):
    terminal.expect(keelvm.PROMPT)
    terminal.sendline("poweroff -f")
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert terminal.exitstatus == 0
