# SPDX-License-Identifier: BSD-2-Clause
"""Keel's own end: what a panic shows. Debug builds can provoke one (keel.selftest=)."""

import re

import pytest

import keelvm
import messages

SILENT_SECONDS = 2


def report_after(machine, headline):
    console = machine.console
    return console[console.index(headline):]


@pytest.mark.parametrize("kind", sorted(messages.PANIC))
def test_a_panic_tells_reason_registers_and_backtrace(start, kind):
    """The reason, registers, the syndrome in words, and a backtrace with names."""
    headline, words, culprit = messages.PANIC[kind]
    machine = start(variant="debug", smp=2, append=f"keel.selftest={kind}")
    machine.expect(re.escape(headline))
    machine.expect(messages.PANIC_END)
    report = report_after(machine, headline)
    assert re.search(messages.PANIC_REGISTERS, report), f"no registers:\n{report}"
    assert re.search(messages.PANIC_ESR, report), f"no ESR:\n{report}"
    if words:
        assert re.search(words, report), f"the syndrome is not in words ({words}):\n{report}"
    names = re.findall(messages.PANIC_BACKTRACE, report)
    assert culprit in names, f"{culprit} is not in the backtrace: {names}"
    assert len(set(names)) >= 2 or culprit == "recurse", f"the backtrace has no callers: {names}"


def test_panic_of_a_cpu_stops_the_others(start):
    """CPU 0 runs the host meanwhile: it stops, with one line, when it next comes to Keel."""
    machine = start(variant="debug", smp=2, append="keel.selftest=panic-cpu1")
    machine.expect(messages.PANIC_END)
    machine.expect(messages.PANIC_STOPS_ANOTHER)
    machine.expect(r"\n", timeout=10)
    machine.expect_silence(SILENT_SECONDS)


@pytest.mark.parametrize("cpu,e2h,gic,sleeping", [
    ("max", 0, 3, False),
    ("max", 1, 3, True),
    ("cortex-a57", 0, 2, False),
])
def test_a_panic_stops_all_cpus_at_once(boot, cpu, e2h, gic, sleeping):
    """Three CPUs are in the host, busy or asleep, when the fourth panics: a line each, none mixed."""
    machine = boot(cpu=cpu, gic=gic, variant="debug", smp=4,
                   append=f"keel.selftest=panic-again keel.e2h={e2h}")
    for _ in range(0 if sleeping else 4):
        machine.check("(while :; do :; done &)")
    machine.check("echo 0 >/sys/devices/system/cpu/cpu1/online")
    machine.send("echo 1 >/sys/devices/system/cpu/cpu1/online")
    machine.expect(messages.PANIC_END)
    for _ in range(3):
        machine.expect(r"another CPU panicked; it ran the host at [0-9a-f]{16}\r", timeout=30)
    machine.expect_silence(SILENT_SECONDS)
    report = report_after(machine, "panic on CPU 1")
    stopped = re.findall(messages.PANIC_STOPPED, report, re.M)
    assert sorted(stopped) == ["0", "2", "3"], f"not all stopped, or lines are mixed:\n{report}"
    mixed = [line for line in report.splitlines() if line.count("keel:") > 1]
    assert not mixed, mixed


@pytest.mark.parametrize("e2h", [0, 1])
def test_a_panic_stops_a_cpu_that_is_in_a_call(start, make_bundle, e2h):
    """What that CPU finds wrong at EL2 by then, or that it comes back to the host, is a line, and no second panic."""
    payload = (keelvm.BUILD / "host" / "hostile" / "panic.img").read_bytes()
    bundle = make_bundle(kernel=payload, initrd=b"none", cmdline="none")
    append = f"keel.console=keep keel.selftest=panic-again keel.e2h={e2h}"
    machine = start(variant="debug", smp=2, bundle=bundle, append=append)
    machine.expect(messages.PANIC_END)
    machine.expect(f"{messages.PANIC_STOPS_ANOTHER}|{messages.PANIC_HEADLINE}")
    machine.expect(r"\n", timeout=10)
    machine.expect_silence(SILENT_SECONDS)
    assert re.findall(messages.PANIC_HEADLINE, machine.console) == ["keel: error: panic on CPU 1"]


@pytest.mark.parametrize("e2h", [0, 1])
@pytest.mark.parametrize("kind", ["panic", "overflow"])
def test_panic_of_the_boot_cpu_is_the_end(start, kind, e2h):
    """Nothing is printed afterwards, and the machine does not reset."""
    machine = start(variant="debug", smp=1, append=f"keel.selftest={kind} keel.e2h={e2h}")
    machine.expect(messages.PANIC_END)
    machine.expect(r"\n", timeout=10)
    machine.expect_silence(SILENT_SECONDS)


def test_release_build_has_no_selftest(boot):
    """A release build says so, and boots."""
    machine = boot(append="keel.selftest=panic")
    assert re.search(messages.NO_SELFTEST, machine.console), "no warning"
    assert "panic on CPU" not in machine.console


@pytest.mark.parametrize("cpu", ["max", "cortex-a53"])
def test_the_host_boots_after_the_selftest_of_ownership(boot, cpu):
    """Pages move between host and Keel, the host's stage 2 follows, and the host then boots."""
    machine = boot(cpu=cpu, variant="debug", append="keel.selftest=ownership")
    assert re.search(messages.SELFTEST_OWNERSHIP, machine.console)
