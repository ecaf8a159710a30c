# SPDX-License-Identifier: BSD-2-Clause
"""Bare-metal guest payloads (tests/guest) through vmrun on Keel.

All payloads of a machine run in one boot of its host (hosts.py).
"""

import dataclasses
import re

import pytest

import keelvm
import messages
import vms

pytestmark = pytest.mark.short

VMRUN = "vmrun --mem 64M"
VALUES = "--cmdline 'args: values rounds=1000'"
PAYLOAD_TIMEOUT = 120
OFF, ERROR, RESET = 0, 1, 3

QUICK = [("max", 0)]
FULL = [("max", 1), ("neoverse-n1", 0), ("cortex-a57", 0)]
MACHINES = [pytest.param(*m, id=f"{m[0]}-e2h{m[1]}") for m in QUICK] + [
    pytest.param(*m, id=f"{m[0]}-e2h{m[1]}", marks=pytest.mark.full) for m in FULL
]


@dataclasses.dataclass
class Case:
    """A payload and how it is run; `extra` cases are for the full matrix."""

    name: str
    payload: str
    cpus: int = 1
    options: str = ""
    wrap: str = ""  # churn moves the vCPUs between CPUs; with -f beside processes that use FP
    extra: bool = False

    @property
    def command(self):
        image = f"/payloads/{self.payload}.img"
        return f"{self.wrap} {VMRUN} --cpus {self.cpus} {self.options} {image} </dev/null"


CASES = [
    Case("psci", "psci", cpus=4),
    Case("psci-1", "psci", extra=True),
    Case("psci-churn", "psci", cpus=2, wrap="churn", extra=True),
    Case("fp-no-sve", "fp", options="--features none"),
    Case("fp", "fp", cpus=2, wrap="churn -f"),
    Case("registers", "registers", cpus=2),
    Case("registers-none", "registers", options="--features none", extra=True),
    Case("registers-churn", "registers", cpus=2, options=VALUES, wrap="churn"),
    Case("exceptions", "exceptions"),
    Case("exceptions-churn", "exceptions", wrap="churn", extra=True),
    Case("timers", "timers", cpus=2),
    Case("timers-4-churn", "timers", cpus=4, wrap="churn", extra=True),
    Case("gic", "gic", cpus=2),
    Case("gic-1", "gic", extra=True),
    Case("gic-4", "gic", cpus=4, extra=True),
    Case("gic-churn", "gic", cpus=2, wrap="churn", extra=True),
    Case("smp", "smp", cpus=2),
    Case("smp-1", "smp", extra=True),
    Case("smp-4", "smp", cpus=4, extra=True),
    Case("smp-8", "smp", cpus=8, extra=True),
    Case("smp-churn", "smp", cpus=2, wrap="churn"),
]


# Physical address bits of each model, and all sizes that its VMs can have.
IPA_MACHINES = [("max", 52), ("cortex-a53", 40), ("cortex-a57", 44), ("neoverse-n1", 48)]
IPA_QUICK = ("max", "cortex-a53")
GRANULES = ("4K", "16K", "64K")
CPUS_WITH_16K = ("max", "neoverse-n1")
# Start levels of stage 2, and from which size on there are VMs that have them.
START_LEVELS = {
    "4K": [("2", 32), ("1", 35), ("0", 44)],
    "16K": [("2", 32), ("1", 41), ("0", 52)],
    "64K": [("3", 32), ("2", 34), ("1", 47)],
}


def case_params():
    for case in CASES:
        yield pytest.param(case, id=case.name, marks=[pytest.mark.full] if case.extra else [])


@pytest.fixture
def host(shared, cpu, e2h):
    """The host of this machine, at its shell; checked to be well after the test, too."""
    # Keel would log each register that `registers` finds undefined.
    machine = shared(cpu=cpu, append=f"quiet keel.e2h={e2h}")
    yield machine
    assert machine.check("dmesg | grep -cE 'Oops|BUG|WARNING' || true") == "0", "the host is unwell"
    assert not re.search(messages.PANIC_END, machine.console), "Keel panicked"


def run_payload(machine, case):
    try:
        return machine.run(case.command, PAYLOAD_TIMEOUT)
    except keelvm.ConsoleError:
        machine.child.kill(9)  # whatever hangs: the next test gets another host
        raise


def check_payload(machine, case):
    result = run_payload(machine, case)
    failures = [line for line in result.lines if "FAIL" in line]
    assert not failures, "\n".join(failures)
    total = re.search(rf"payload {case.payload}: (\d+) passed, (\d+) failed", result.output)
    assert total, f"no sum at the end:\n{result.output}"
    assert int(total.group(1)) > 0 and int(total.group(2)) == 0
    assert result.status == OFF, result.output
    return result.output


@pytest.mark.parametrize("cpu,e2h", MACHINES, scope="module")
@pytest.mark.parametrize("case", case_params())
def test_a_payload_passes_all_its_checks(host, case):
    output = check_payload(host, case)
    if "churn" in case.wrap:
        assert int(re.search(r"churn: (\d+) moves", output).group(1)) > 0
    if "-f" in case.wrap:
        looks, lost = re.search(r"churn: (\d+) looks, (\d+) values lost", output).groups()
        assert int(looks) > 0 and int(lost) == 0


@pytest.mark.parametrize("cpu,e2h", MACHINES, scope="module")
@pytest.mark.parametrize("argument", ["reset", "reset2"])
def test_a_reset_is_the_status_of_vmrun(host, argument):
    """SYSTEM_RESET and SYSTEM_RESET2 are vmrun's status; SYSTEM_OFF's is in every other test."""
    case = Case("reset", "psci", cpus=2, options=f"--cmdline 'args: {argument}'")
    assert run_payload(host, case).status == RESET


@pytest.mark.parametrize("cpu,e2h", MACHINES, scope="module")
def test_two_machines_keep_their_fp_registers(host):
    """Two VMs on the same CPUs, both with values in all FP registers."""
    command = Case("fp", "fp", cpus=2).command
    result = host.run(f"{command} >/tmp/other & {command}; wait; cat /tmp/other", PAYLOAD_TIMEOUT)
    sums = re.findall(r"payload fp: (\d+) passed, (\d+) failed", result.output)
    assert len(sums) == 2 and all(int(failed) == 0 for _, failed in sums), result.output


def sizes_of_docs(granule):
    """Start level, tables and bytes of the root, by size: docs/ipa.md's table."""
    text = (keelvm.ROOT / "docs" / "ipa.md").read_text(encoding="utf-8")
    shape = r" (\d), (\d+), (\d+) \|"
    rows = re.findall(rf"^\| (\d+) \| \d+ \|{3 * shape}", text, re.M)
    first = 3 * GRANULES.index(granule)
    return {int(bits): shapes[first : first + 3] for bits, *shapes in rows}


@pytest.mark.parametrize("cpu,e2h,bits", [
    pytest.param(cpu, 0, bits, id=cpu, marks=[] if cpu in IPA_QUICK else pytest.mark.full)
    for cpu, bits in IPA_MACHINES
], scope="module")
def test_every_ipa_size_works(host, bits):
    check_every_ipa_size(host, bits, "4K")


@pytest.mark.full
@pytest.mark.parametrize("cpu,bits,granule", [
    pytest.param(cpu, bits, granule, id=f"{cpu}-{granule}")
    for cpu, bits in IPA_MACHINES
    for granule in GRANULES[1:]
    if granule == "64K" or cpu in CPUS_WITH_16K
])
def test_every_ipa_size_works_with_larger_pages(boot, cpu, bits, granule):
    machine = boot(cpu=cpu, mem="3G", append=f"quiet keel.stage2_granule={granule}")
    check_every_ipa_size(machine, bits, granule)
    vms.assert_healthy(machine)


def check_every_ipa_size(host, bits, granule):
    """VMs of all sizes at once: each guest looks at its own end, keelctl at all their roots."""
    vms.mount_debugfs(host)
    docs = sizes_of_docs(granule)
    sizes = range(32, bits + 1)
    assert set(sizes) <= set(docs)
    host.check(
        f"for n in $(seq 32 {bits}); do {VMRUN} --ipa-bits $n --bank top,4M "
        f"--cmdline \"args: linger bits=$n machine={bits}\" /payloads/ipa.img </dev/null >/tmp/ipa$n 2>&1 & "
        "echo $! >>/tmp/ipa.pids; done"
    )
    try:
        for size in sizes:
            wait = f"while ! grep -q lingering /tmp/ipa{size} && kill -0 $(sed -n {size - 31}p /tmp/ipa.pids)"
            host.check(f"{wait}; do sleep 0.2; done", PAYLOAD_TIMEOUT)
            output = host.check(f"cat /tmp/ipa{size}")
            assert "FAIL" not in output and output.endswith("lingering"), output
            assert output.count("PASS") >= 6, output
        shapes = {}
        for line in host.check("keelctl vms").splitlines()[1:]:
            _, size, pages, level, root, root_bytes, *_ = line.split()
            assert pages == granule
            shapes[int(size)] = [level, root.rstrip("x"), root_bytes]
        assert shapes == {size: docs[size] for size in sizes}
    finally:
        host.run("kill $(cat /tmp/ipa.pids); wait; rm /tmp/ipa.pids")
    # Of each kind that the architecture has for these sizes there was one.
    levels = {shape[0] for shape in shapes.values()}
    tables = {shape[1] for shape in shapes.values()}
    assert levels == {level for level, least in START_LEVELS[granule] if bits >= least}
    assert tables >= {"1", "2", "4", "8", "16"} or (granule == "64K" and tables == {"1", "8", "16"})
