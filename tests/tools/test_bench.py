# SPDX-License-Identifier: BSD-2-Clause
"""bench/: what a host's output means, targets and verdicts, and that a chart can be drawn again.

The measuring itself takes whole machines: `make bench`.
"""

import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import chart  # noqa: E402
import common  # noqa: E402
import exits  # noqa: E402
import nested  # noqa: E402
import ops  # noqa: E402
import virtio  # noqa: E402

PAGES = """BENCH begin pages
BENCH frequency=1000000000
BENCH operation=hypercall count=64 ticks=12800 least=12800 most=13000
BENCH operation=eoi count=64 ticks=256 least=256 most=256
BENCH status=0
"""
VMLIFE = """BENCH begin vmlife
BENCH frequency=1000000000
BENCH operation=vm-nothing count=10 ticks=2000100 idle=2000000
BENCH operation=vm-create count=10 ticks=2010100 idle=2000000
BENCH status=0
"""
DONE = "BENCH done\n"


def boot_section(name, start, mark, frequency=1_000_000_000):
    return (
        f"BENCH begin {name}\nBENCH start={start:#x}\n"
        f"BOOTMARK counter={mark} frequency={frequency}\nBENCH status=0\n"
    )


def test_ticks_become_instructions_of_one_operation():
    values = ops.values_of(PAGES + DONE, DONE)
    assert values["pages", "hypercall"] == 200
    assert values["pages", "eoi"] == 4


def test_a_slower_counter_has_more_instructions_a_tick():
    values = ops.values_of(PAGES.replace("1000000000", "62500000") + DONE, DONE)
    assert values["pages", "hypercall"] == 3200


def test_idle_time_and_the_pause_itself_are_no_instructions_of_a_vm():
    values = ops.values_of(VMLIFE + DONE, DONE)
    assert values["vmlife", "vm-create"] == (10100 - 100) / 10
    assert ("vmlife", "vm-nothing") not in values


def test_the_median_boot_counts_from_the_guests_first_instruction():
    boots = boot_section("boot1", 100, 9100) + boot_section("boot2", 50, 550) + boot_section("boot3", 0, 600)
    assert ops.values_of(boots + DONE, DONE)["boot", "boot"] == 600


def test_two_hosts_are_put_together():
    pair = PAGES.replace("begin pages", "begin pair").replace("hypercall", "ipi")
    values = ops.values_of(PAGES + DONE, pair + DONE)
    assert values["pair", "ipi"] == values["pages", "hypercall"] == 200


@pytest.mark.parametrize(
    "console,what",
    [
        (PAGES, "did not come to an end"),
        (PAGES.replace("status=0", "status=1") + DONE, "pages ended with status 1"),
        (PAGES.replace("frequency", "f") + DONE, "no counter frequency"),
        (boot_section("boot1", 1, 2).replace("BOOTMARK", "PANIC") + DONE, "did not reach its first process"),
    ],
)
def test_a_host_that_did_not_measure_is_no_result(console, what):
    with pytest.raises(common.BenchError, match=what):
        ops.values_of(console, DONE)


def operation(target):
    return ops.Operation("boot", "a boot", "boot", target)


def test_a_target_is_a_number_or_follows_stock_kvm():
    kvm = {("boot", "boot"): 900, ("guestpart", "boot"): 800}
    assert ops.target_of(operation(700), kvm) == (700, None)
    assert ops.target_of(operation(ops.NONE), kvm) == (None, None)
    assert ops.target_of(operation(ops.STOCK_KVM), kvm) == (900, ops.STOCK_KVM)
    assert ops.target_of(operation(ops.SHARE), kvm) == (540, ops.SHARE)
    assert ops.target_of(operation(ops.GUEST_PART), kvm) == (804, ops.GUEST_PART)
    with pytest.raises(common.BenchError, match="the guest itself"):
        ops.target_of(operation(ops.GUEST_PART), {("boot", "boot"): 900})


def test_the_exit_status_is_the_verdict(tmp_path):
    assert [common.verdict(5, target) for target in (None, 5, 4)] == ["", "PASS", "MISS"]

    def broken(build, out):
        raise common.BenchError("no machine")

    assert common.run(lambda build, out: ["PASS", ""], tmp_path) == common.ALL_REACHED
    assert common.run(lambda build, out: ["PASS", "MISS"], tmp_path) == common.MISSED
    assert common.run(broken, tmp_path) == common.NOT_MEASURED


def test_every_line_of_the_table_has_its_measurement():
    """Names and sections are those of the guest, the host's programs and its script."""
    root = common.ROOT / "bench"
    parts = ("guest/ops.c", "guest/requests.c", "host/irqs.c", "host/vmlife.c", "host/vmmemory.c")
    programs = "".join((root / part).read_text() for part in parts)
    script = (root / "host/autostart").read_text().replace('"', "")
    for each in ops.OPERATIONS + virtio.Config.operations:
        if each.name != "boot":
            assert f'"{each.name}"' in programs, each.name
        assert f"measure {each.section}" in script, each.section


EXCEPTIONS = """Taking exception 11 [Hypervisor Call] on CPU 0
...from EL1 to EL2
...with ESR 0x16/0x5a00be00
...with SPSR 0x600003c5
Exception return from AArch64 EL2 to AArch64 EL1 PC 0x80000000
Taking exception 3 [Prefetch Abort] on CPU 0
...from EL1 to EL1
...with ESR 0x21/0x86000004
Taking exception 14 [Hypervisor Trap] on CPU 0
...from EL1 to EL2
...with ESR 0x18/0x6232122f
Taking exception 5 [IRQ] on CPU 0
...from EL0 to EL2
...with ESR 0x18/0x6232122f
Taking exception 2 [SVC] on CPU 0
...from EL0 to EL2
...with ESR 0x15/0x56000000
Taking exception 11 [Hypervisor Call] on CPU 0
...from EL1 to EL2
...with ESR 0x16/0x5a00be01
Taking exception 11 [Hypervisor Call] on CPU 0
...from EL1 to EL2
...with ESR 0x16/0x5a00be02
"""


def counted(log):
    counter = exits.Counter()
    for event in exits.events(log.splitlines()):
        counter.add(event)
    return counter


def test_exits_are_exceptions_to_el2_from_below_between_marks():
    """Neither what EL1 takes itself, nor a system call of a host at EL2."""
    counter = counted(EXCEPTIONS)
    assert counter.operations == [[2]]
    assert counter.kinds == [{"S3_0_C4_C7_1 R": 1, exits.IRQ: 1}]
    assert [exits.sysreg(iss) for ec, iss in exits.events(EXCEPTIONS.splitlines()) if ec == exits.SYSREG] == [
        "S3_0_C4_C7_1 R"
    ]


def test_a_boot_begins_with_its_mark_and_ends_with_its_last_words():
    mark, word, hypercall = (f"Taking exception 4 [Data Abort] on CPU 0\n...from EL1 to EL2\n...with ESR {esr}\n" for esr in (
        "0x24/0x932a8006", "0x24/0x93820046", "0x16/0x5a000000"))
    counter = counted(word + mark + word + EXCEPTIONS[EXCEPTIONS.index("Taking exception 5") :] + word + hypercall)
    assert counter.boots == [{exits.DATA_ABORT: 2, exits.IRQ: 1}]
    assert counted(mark + word + mark).boots == [{exits.DATA_ABORT: 1}, {}]


def test_exits_of_an_operation_are_those_beyond_the_marks():
    counter = exits.Counter()
    counter.operations = [[1, 1, 1], [129, 129, 200], [2, 2, 2]]
    line = "BENCH operation={} count=64 ticks=1 least=1 most=1\n"
    found = {"bare": line.format("nothing") + line.format("eret"), "outer": line.format("nothing")}
    assert nested.exits_of(found, counter) == {("bare", "nothing"): 0, ("bare", "eret"): 2, ("outer", "nothing"): 0}
    with pytest.raises(common.BenchError, match="2 operations were done, and 3 marked"):
        nested.exits_of({"bare": found["bare"], "outer": ""}, counter)


@pytest.mark.parametrize(
    "side,instructions,number,verdict",
    [("keel", 120, 1, "PASS"), ("keel", 121, 1, "MISS"), ("keel", 1, 2, "MISS"), ("kvm", 999, 9, "")],
)
def test_both_targets_of_a_line_count_and_are_keels(side, instructions, number, verdict):
    assert nested.Row("bare", "eret", "ERET", side, instructions, number, 120, 1).verdict == verdict


def test_every_line_of_the_nested_table_has_its_measurement():
    sources = {"bare": "guest/nested.c", "outer": "guest/ops.c", "nvhe": "guest/ops.c"}
    for line in nested.LINES:
        assert f'"{line.name}"' in (common.ROOT / "bench" / sources[line.section]).read_text(), line.name


def test_the_chart_is_the_same_for_the_same_results(tmp_path):
    row = ops.Row("6.1-cloud", "max", "hypercall", "null hypercall", 1054.0, 246.0, 200, None)
    slow = ops.Row("6.1-cloud", "max", "ipi", "IPI between two vCPUs", 100.0, 900.0, 100.0, ops.STOCK_KVM)
    results = [dataclasses.asdict(r) | {"verdict": r.verdict} for r in (row, slow)]
    for name in ("one.svg", "two.svg"):
        chart.draw(results, tmp_path / name)
    one, two = ((tmp_path / name).read_text() for name in ("one.svg", "two.svg"))
    assert one == two
    for text in ("null hypercall", "246", "1,054", "× 9.0", "target missed"):
        assert text in one, f"the chart lacks {text!r}"
