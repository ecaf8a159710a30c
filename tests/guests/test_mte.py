# SPDX-License-Identifier: BSD-2-Clause
"""Guests with memory tags, on a machine that has them (docs/module.md)."""

import re

import pytest

import keelvm
import vms

pytestmark = pytest.mark.short

TAGGED = {"extra": ("-machine", "mte=on")}
PAYLOAD = "vmrun --mte --mem 64M --cpus 2 /payloads/mte.img </dev/null"
MACHINES = [("kernel-6.1-cloud", 0)] + [
    pytest.param(kernel, e2h, marks=pytest.mark.full)
    for kernel, e2h in (("kernel-6.1-cloud", 1), ("kernel-6.12-cloud", 0), ("kernel-6.12-16k", 1))
]


@pytest.fixture
def tagged(shared, kernel, e2h):
    """A host that has tags itself: processes may ask for them."""
    machine = shared(kernel=kernel, append=f"quiet keel.e2h={e2h}", **TAGGED)
    assert " mte" in machine.check("grep -m 1 Features /proc/cpuinfo")
    return machine


@pytest.mark.parametrize("kernel,e2h", MACHINES, scope="module")
def test_the_api_of_tags_answers_as_documented(tagged):
    vms.passes(tagged, "mte")
    vms.assert_healthy(tagged)


@pytest.mark.parametrize("kernel,e2h", MACHINES, scope="module")
def test_a_guest_has_tags_of_its_own_and_finds_no_others(tagged):
    """The second one gets memory that the first has left full of tags."""
    for wrap in ("", "churn "):
        result = tagged.run(wrap + PAYLOAD, keelvm.BOOT_TIMEOUT)
        assert "FAIL" not in result.output, result.output
        assert re.search(r"payload mte: \d+ passed, 0 failed", result.output), result.output
        assert result.status == 0
    vms.assert_healthy(tagged)


@pytest.mark.parametrize("kernel,e2h", MACHINES, scope="module")
def test_tags_are_swapped_out_with_their_memory(tagged):
    vms.swap_on(tagged)
    vms.passes(tagged, "mte swap")
    vms.swap_off(tagged)
    vms.assert_healthy(tagged)


@pytest.mark.parametrize("kernel,e2h", MACHINES, scope="module")
def test_a_linux_guest_has_tags_if_it_is_to(tagged):
    for option, there in (("--mte", "1"), ("", "0")):
        guest = vms.Guest(tagged, option)
        assert guest.run("grep -m 1 Features /proc/cpuinfo | grep -c -w mte") == there
        assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(tagged)


def test_a_machine_without_tags_has_none_for_guests(shared):
    refused = shared().run("vmrun --mte /payloads/mte.img 2>&1 </dev/null")
    assert refused.status == 1
    assert "no memory tags" in refused.output
