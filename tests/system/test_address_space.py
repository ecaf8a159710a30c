# SPDX-License-Identifier: BSD-2-Clause
"""EL2's address space: every place the trampoline can be in, in both translation regimes.

QEMU loads keel.img at 0x40200000, whose only high bit is bit 30.
"""

import re

import pytest

import messages

CASES = [
    (39, 0, messages.LAYOUT_LOWER),
    (31, 0, messages.LAYOUT_UPPER),
    (30, 0, messages.LAYOUT_BEYOND),
    (48, 0, messages.LAYOUT_LOWER),
    (52, 0, messages.LAYOUT_LOWER),
    (39, 1, messages.LAYOUT_VHE),
    (31, 1, messages.LAYOUT_VHE),
    (30, 1, messages.LAYOUT_VHE),
    (48, 1, messages.LAYOUT_VHE),
    (52, 1, messages.LAYOUT_VHE),
]


@pytest.mark.parametrize("va_bits,e2h,expected", CASES)
def test_the_layout_is_as_the_options_ask(boot, va_bits, e2h, expected):
    machine = boot(append=f"keel.va_bits={va_bits} keel.e2h={e2h}")
    layouts = [m for m in machine.keel_lines() if "trampoline" in m]
    assert re.search(expected, machine.console), f"the layout is {layouts}, expected {expected!r}"
    assert machine.check("nproc") == "2"


def test_va_bits_too_small_for_the_machine_are_an_error(boot):
    """16 MiB of runtime range hold not even Keel: the default is used, with a warning."""
    machine = boot(append="keel.va_bits=25")
    assert re.search(messages.VA_BITS_TOO_SMALL, machine.console), "no warning"
    assert re.search(messages.LAYOUT_LOWER, machine.console)


def test_e2h_stays_zero_on_a_cpu_without_vhe(boot):
    """cortex-a53 has no VHE: asking for it is a warning, and the other regime is used."""
    machine = boot(cpu="cortex-a53", append="keel.e2h=1")
    assert re.search(messages.NO_VHE, machine.console), "no warning"
    assert re.search(messages.LAYOUT_LOWER, machine.console)


@pytest.mark.parametrize("e2h", [0, 1])
@pytest.mark.parametrize("text_offset_mib", [0, 600])
def test_keel_runs_at_other_addresses(boot, moved_image, e2h, text_offset_mib):
    machine = boot(image=moved_image(text_offset_mib << 20), append=f"keel.va_bits=31 keel.e2h={e2h}")
    expected = messages.LAYOUT_VHE if e2h else messages.LAYOUT_UPPER
    assert re.search(expected, machine.console)


@pytest.mark.parametrize(
    "word", ["keel.va_bits=99", "keel.va_bits=", "keel.e2h=2", "keel.loglevel=loud", "keel.nonsense=1"]
)
def test_bad_options_are_reported_and_ignored(boot, word):
    machine = boot(append=word)
    warning = re.search(messages.BAD_OPTION, machine.console)
    assert warning and word in warning.group(0), f"Keel's warning: {warning and warning.group(0)}"
    assert re.search(messages.LAYOUT_LOWER, machine.console)
