# SPDX-License-Identifier: BSD-2-Clause
"""Keel's own end: what a panic shows. Debug builds can provoke one (keel.selftest=)."""

import re

import pytest

import messages

SILENT_SECONDS = 3


@pytest.mark.parametrize("kind", sorted(messages.PANIC))
def test_panic(start, kind):
    """The reason, registers, the syndrome in words and a backtrace with names; then nothing."""
    machine = start(variant="debug", smp=2, append=f"keel.selftest={kind}")
    machine.expect(messages.PANIC[kind])
    machine.expect(messages.PANIC_END)
    machine.expect_silence(SILENT_SECONDS)
    report = machine.console[re.search(messages.PANIC[kind], machine.console).start():]
    assert re.search(messages.PANIC_REGISTERS, report), "no registers"
    assert re.search(messages.PANIC_ESR, report), "no ESR"
    if kind in messages.PANIC_ESR_WORDS:
        assert re.search(messages.PANIC_ESR_WORDS[kind], report), "the syndrome is not in words"
    names = re.findall(messages.PANIC_BACKTRACE, report)
    assert any("selftest" in name for name in names), f"the culprit is not in the backtrace: {names}"
    assert len(names) >= 2, f"the backtrace has no callers: {names}"


def test_release_build_has_no_selftest(boot):
    """A release build reports the option as unknown, and boots."""
    machine = boot(append="keel.selftest=panic")
    assert not re.search(r"panic on CPU", machine.console)
