# SPDX-License-Identifier: BSD-2-Clause
"""`make run`, as a person meets it."""

import os

import pexpect
import pytest

import keelvm
import messages


def run(bundle, **environment):
    return pexpect.spawn(
        str(keelvm.ROOT / "scripts" / "run"),
        [str(keelvm.keel_image()), str(bundle)],
        env={**os.environ, **environment},
        encoding="utf-8",
        codec_errors="replace",
        timeout=keelvm.BOOT_TIMEOUT,
        preexec_fn=keelvm.die_with_parent,
    )


@pytest.fixture
def terminal():
    child = run(keelvm.run_bundle())
    yield child
    child.close(force=True)


@pytest.fixture
def terminal_of_qemu():
    child = run(keelvm.run_bundle("run-qemu-bundle.cpio"), VMM="qemu")
    yield child
    child.close(force=True)


GUEST_PROMPT = "guest# "


def test_run_says_how_to_leave_and_ctrl_a_x_leaves(terminal):
    terminal.expect("Ctrl-A X leaves")
    terminal.expect(messages.BANNER)
    terminal.send("\x01x")
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert terminal.exitstatus == 0


TO_TRY = r"\n  [^\r\n]+?  (?P<command>(?:vmrun|keelctl|poweroff) [^\r\n]+)\r"


def end_guest(terminal):
    terminal.expect(GUEST_PROMPT)
    terminal.sendline("poweroff -f")


def test_run_ends_in_a_guest_and_the_commands_below_it_work_as_typed(terminal):
    """The guest of `make run`; then the host, which it ran in, and each command of its banner, in their order."""
    terminal.expect(GUEST_PROMPT)
    terminal.sendline("ls /proc/device-tree/hypervisor; grep -c ^processor /proc/cpuinfo")
    terminal.expect("No such file")  # a guest, not the host, whose tree names Keel
    terminal.expect(r"\b2\r")
    end_guest(terminal)
    terminal.expect("The guest has ended with status 0")
    terminal.expect("Things to try:")
    commands = [terminal.expect(TO_TRY) or terminal.match["command"] for _ in range(5)]
    terminal.expect(keelvm.PROMPT)
    background, look, counters, profiled, leave = commands
    terminal.sendline("cat /proc/device-tree/hypervisor/compatible")
    terminal.expect("keel,hypervisor")
    terminal.expect(keelvm.PROMPT)

    terminal.sendline(background)
    terminal.expect(keelvm.PROMPT)
    terminal.sendline("until grep KEEL-GUEST-REACHED /tmp/vm; do sleep 1; done")
    terminal.expect(r"\nKEEL-GUEST-REACHED")
    terminal.expect(keelvm.PROMPT)

    terminal.sendline(look)
    terminal.expect(r"VM +BITS.*\n +2 +\d+ .* vmrun\r")
    terminal.expect(r"0x[0-9a-f]{16}\.\.0x[0-9a-f]{16} .* in blocks of .*  rwx\r")
    terminal.expect(keelvm.PROMPT)

    terminal.sendline(counters)
    terminal.expect(r"hypercalls +\d{3,}\r")
    terminal.expect(keelvm.PROMPT)

    terminal.sendline(profiled)
    terminal.expect(GUEST_PROMPT)
    terminal.sendline("profile")
    terminal.expect(r"profile: [1-9]\d+ samples, .* 0 bad;")
    end_guest(terminal)
    terminal.expect(keelvm.PROMPT)

    terminal.sendline(leave)
    terminal.expect(pexpect.EOF, timeout=60)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.full
def test_run_with_qemu_ends_in_a_guest_of_qemus(terminal_of_qemu):
    """`make run VMM=qemu`: the guest has what QEMU's machine has by default, MSIs by an ITS among it."""
    terminal = terminal_of_qemu
    terminal.expect("It starts a guest: qemu-system-aarch64")
    terminal.expect(GUEST_PROMPT)
    terminal.sendline("cat /proc/device-tree/compatible; grep -c -E 'ITS-.*MSI.* virtio0' /proc/interrupts")
    terminal.expect("linux,dummy-virt")
    terminal.expect(r"[1-9]\d*\r")
    end_guest(terminal)
    terminal.expect("The guest has ended with status 0")
    terminal.expect(keelvm.PROMPT)
    terminal.sendline("poweroff -f")
    terminal.expect(pexpect.EOF, timeout=60)
