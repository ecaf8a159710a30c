# SPDX-License-Identifier: BSD-2-Clause
"""Guests with an EL2 of their own (keel.nested=1; docs/nested.md): payloads there, some of them with nested
guests, and Linux as a guest hypervisor, whose KVM runs Linux."""

import re

import pytest

import keelvm
import nesting
import vms
from hosts import host_config
from vms import ERROR, OFF, Guest, mount_debugfs

NESTED = "quiet keel.console=keep keel.nested=1"
LOUD = f"loglevel=6 {keelvm.QUICK}"
PAYLOADS = [
    ("nested", 1),
    ("shadow", 2),
    ("nested_race", 3),
    ("nested_gic", 1),
    ("timers", 2),
    ("smp", 2),
    ("gic", 2),
]
QUICK_WITHOUT_ECV = {"nested", "nested_gic", "timers"}


def nested_host(hosts, e2h, variant="release", cpu="max"):
    return hosts.get(host_config(cpu=cpu, e2h=e2h, append=f"{NESTED} keel.e2h={e2h}", smp=2, variant=variant))


@pytest.mark.parametrize("e2h", [0, 1])
@pytest.mark.parametrize("payload,cpus", PAYLOADS)
def test_a_payload_runs_at_el2(hosts, e2h, payload, cpus):
    """Those that use EL1's names know nothing of it: at EL2 these are EL2's registers."""
    run_payload(nested_host(hosts, e2h), payload, cpus)


@pytest.mark.parametrize("e2h,variant", [(1, "debug")])
@pytest.mark.parametrize("payload,cpus", [("shadow", 2), ("nested_race", 3)])
def test_shadows_are_sane_in_a_debug_build(hosts, e2h, variant, payload, cpus):
    """Which checks the order of locks, and tables as they change."""
    run_payload(nested_host(hosts, e2h, variant), payload, cpus)


@pytest.mark.parametrize("e2h,variant", [(0, "release"), (1, "debug")])
@pytest.mark.parametrize("payload,cpus", [("nvhe", 1), ("smp", 2), ("timers", 2), ("gic", 2)])
def test_a_payload_runs_with_an_el2_without_vhe(hosts, e2h, variant, payload, cpus):
    """`nvhe` has functions there; the others run at EL1, where Linux's kernel is as well."""
    run_payload(nested_host(hosts, e2h, variant), payload, cpus, kind="nvhe")


@pytest.mark.parametrize("e2h,variant", [(0, "release"), (1, "debug")])
def test_an_el2_without_vhe_that_is_out_of_its_mind_harms_nobody(hosts, e2h, variant):
    """Random values in its registers, tables in themselves and in devices, returns to all modes, and in between all
    that has to be right: by two vCPUs, and by more than the machine has CPUs."""
    host = nested_host(hosts, e2h, variant)
    for cpus in (2, 4):
        run_payload(host, "nvhe_wild", cpus, f"--cmdline 'args: seed={cpus + e2h}'", kind="nvhe")


LOST = "vmrun --mem 64M --nested=nvhe --cmdline 'args: lost={}' /payloads/nvhe_wild.img"
KILLED_THEN = (
    "{} </dev/null >/tmp/lost 2>&1 & until grep -q 'is lost' /tmp/lost; do sleep 0.2; done; sleep 1; kill -9 $!; wait $!; cat /tmp/lost"
)


def test_an_el2_without_vhe_that_loses_itself_can_be_killed(hosts):
    """Vectors where nothing is, tables in a device, in themselves, and nowhere: for its next instruction."""
    host = nested_host(hosts, 1, "debug")
    vms.warm_up(host)
    before = vms.Leftovers(host)
    for how in (3, 4, 5, 6, 7):
        said = host.run(KILLED_THEN.format(LOST.format(how)), 120).output
        assert "FAIL" not in said, (how, said)
    before.check()
    vms.assert_healthy(host)


@pytest.mark.parametrize("how", [1, 2])
def test_what_an_el2_without_vhe_cannot_have_ends_the_vm(hosts, how):
    """One of HCR_EL2.IMO and FMO; EL0 while TGE is 1."""
    host = nested_host(hosts, 1, "debug")
    result = host.run(LOST.format(how), 60)
    assert result.status == ERROR, result.output
    assert "is lost" in result.output and "FAIL" not in result.output
    assert "a nested guest of this kind is not possible" in host.console


LATE_TIMERS = "--features pauth,sve --cmdline 'args: late-timers'"


@pytest.mark.full
@pytest.mark.parametrize("cpu,variant", [("neoverse-n2", "debug")])
@pytest.mark.parametrize("payload,cpus", PAYLOADS)
def test_a_payload_runs_at_el2_without_traps_of_timers_in_a_debug_build(hosts, cpu, variant, payload, cpus):
    run_payload(nested_host(hosts, 1, variant, cpu), payload, cpus, LATE_TIMERS)


def run_payload(host, payload, cpus, options="--features pauth,sve", kind="vhe"):
    result = host.run(f"vmrun --mem 64M --nested={kind} --cpus {cpus} {options} /payloads/{payload}.img", 300)
    passed, failed = re.search(rf"payload {payload}: (\d+) passed, (\d+) failed", result.output).groups()
    assert int(passed) > 0 and int(failed) == 0, result.output
    assert result.status == OFF


# What keelctl said last before the payload ended.
ASK = "keelctl nested $(keelctl vms | awk 'END { print $1 }') >/tmp/now 2>/dev/null && cp /tmp/now /tmp/last"
WATCH = f"until [ -e /tmp/over ]; do {ASK}; sleep 0.2; done; cat /tmp/last"


def counters_of(host, options, timeout=120):
    """{counter of keelctl nested: its last value} of a payload's VM; what it prints is in /tmp/payload."""
    mount_debugfs(host)
    host.check(f"rm -f /tmp/over /tmp/last; (vmrun --mem 64M --nested {options}; touch /tmp/over) </dev/null >/tmp/payload 2>&1 & true")
    return {name: int(value) for name, value in (line.split() for line in host.check(WATCH, timeout).splitlines())}


@pytest.mark.full
@pytest.mark.parametrize("variant", ["release", "debug"])
def test_all_vmids_of_16_bits_are_used_in_turn(hosts, variant):
    """In the two shadows and the MiB that a vCPU has: each is made of one that was left, and has its own pages."""
    host = nested_host(hosts, 0, variant)
    vms.warm_up(host)
    before = vms.Leftovers(host)
    counters = counters_of(host, "--cmdline 'args: vmids=65536' /payloads/shadow.img", 900)
    assert re.search(r"payload shadow: \d+ passed, 0 failed", host.check("cat /tmp/payload"))
    assert counters["contexts"] == 2 and counters["keyed"] <= 2
    assert counters["bytes"] <= 0x100000 + 2 * 0x2000
    assert counters["misses"] >= 65536
    before.check()


def test_keelctl_tells_what_nested_guests_come_to(hosts):
    """While three vCPUs run nested guests and take pages away from them."""
    host = nested_host(hosts, 1)
    counters = counters_of(host, "--cpus 3 /payloads/nested_race.img")
    assert counters["contexts"] == 6
    assert 1 <= counters["used"] <= 3 and counters["used"] <= counters["keyed"] <= 6
    assert counters["bytes"] >= 6 * 8192
    for name in "misses faults_filled tlbi_ipa tlbi_all cleared exits_eret exits_sysreg exits_taken exits_fault".split():
        assert counters[name] > 0, (name, counters)
    assert counters["exits_fault"] >= sum(counters[f"faults_{what}"] for what in ("filled", "el2", "host"))


def test_a_guest_of_a_missing_kind_ends_the_vm(hosts):
    host = nested_host(hosts, 0)
    result = host.run("vmrun --mem 64M --nested --cmdline 'args: guest' /payloads/nested.img", 60)
    assert result.status == ERROR, result.output
    assert "FAIL" not in result.output
    assert "a nested guest of this kind is not possible" in host.console


@pytest.mark.parametrize("e2h", [pytest.param(0, marks=pytest.mark.full), 1])
def test_linux_boots_at_el2_and_has_kvm(hosts, e2h):
    """With two vCPUs: PSCI by SMC, and the second one at EL2 as well."""
    host = nested_host(hosts, e2h)
    guest = Guest(host, "--nested --cpus 2", cmdline=LOUD)
    assert guest.run("nproc") == "2"
    log = guest.run("dmesg")
    assert "CPU: All CPU(s) started at EL2" in log
    assert "VHE mode initialized" in log
    assert "vgic interrupt IRQ" in log
    assert guest.run("test -e /dev/kvm && echo there") == "there"
    assert guest.end("poweroff -f") == OFF


@pytest.mark.parametrize(
    "e2h,cpus",
    [pytest.param(0, 1, marks=pytest.mark.full), (0, 2), pytest.param(1, 2, marks=pytest.mark.full)],
)
def test_linux_runs_linux(hosts, e2h, cpus):
    """The guest's KVM has a guest of its own, to its shell: memory, interrupts, timers, a disk, a console."""
    host = nested_host(hosts, e2h)
    guest = nesting.start_outer(host, cpus)
    checksum = nesting.make_disk(guest)
    nesting.start_inner(guest, f"--cpus {cpus} --disk /tmp/disk")
    nesting.works(guest, cpus, checksum)
    assert nesting.end_inner(guest) == OFF
    assert guest.run("md5sum </tmp/disk") == checksum
    assert guest.end("poweroff -f") == OFF


@pytest.mark.parametrize("e2h", [0, pytest.param(1, marks=pytest.mark.full)])
def test_linux_boots_without_vhe_and_has_kvm(hosts, e2h):
    """Its kernel is at EL1, with a KVM at EL2."""
    host = nested_host(hosts, e2h)
    guest = Guest(host, "--nested=nvhe --cpus 2", cmdline=LOUD)
    assert guest.run("nproc") == "2"
    log = guest.run("dmesg")
    assert "CPU: All CPU(s) started at EL2" in log
    assert "Hyp mode initialized successfully" in log
    assert guest.run("test -e /dev/kvm && echo there") == "there"
    assert guest.end("poweroff -f") == OFF


@pytest.mark.parametrize("e2h,cpus", [(0, 1), pytest.param(1, 2, marks=pytest.mark.full)])
def test_linux_runs_linux_without_vhe(hosts, e2h, cpus):
    host = nested_host(hosts, e2h)
    guest = nesting.start_outer(host, cpus, kind="nvhe")
    checksum = nesting.make_disk(guest)
    nesting.start_inner(guest, f"--cpus {cpus} --disk /tmp/disk")
    nesting.works(guest, cpus, checksum)
    assert nesting.end_inner(guest) == OFF
    assert guest.run("md5sum </tmp/disk") == checksum
    assert guest.end("poweroff -f") == OFF


@pytest.mark.full
def test_linux_6_12_boots_at_el2(boot):
    """A kernel that knows of CPUs whose HCR_EL2.E2H cannot be 0."""
    host = boot(kernel="kernel-6.12-cloud", append=NESTED, smp=2)
    guest = Guest(host, "--nested --cpus 2", cmdline=LOUD)
    assert "VHE mode initialized" in guest.run("dmesg")
    assert guest.end("poweroff -f") == OFF


@pytest.mark.parametrize("e2h", [0, 1])
def test_the_kvm_api_of_el2_answers_as_kvms(hosts, e2h):
    result = nested_host(hosts, e2h).run("test_el2", 60)
    assert re.search(r"(\d+) passed, 0 failed", result.output), result.output
    assert result.status == 0


@pytest.mark.parametrize("variant", ["debug", pytest.param("release", marks=pytest.mark.full)])
def test_a_guest_hypervisor_loses_memory_and_registers_at_any_time(hosts, variant):
    """Slots, discarded pages, ONE_REG, KVM_ARM_VCPU_INIT and the end, while nested guests run."""
    host = nested_host(hosts, 1, variant)
    result = host.run("test_hypervisor 1000", 240)
    assert re.search(r"(\d+) passed, 0 failed", result.output), result.output
    assert result.status == 0
    vms.assert_healthy(host)


@pytest.mark.parametrize("e2h", [0, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.parametrize(
    "payload,cpus",
    [pytest.param(*row, marks=() if row[0] in QUICK_WITHOUT_ECV else pytest.mark.full) for row in PAYLOADS],
)
def test_a_payload_runs_at_el2_without_traps_of_timers(hosts, e2h, payload, cpus):
    """neoverse-n2 has FEAT_NV2, but neither FEAT_ECV nor FEAT_FGT: EL2 has the hardware's timer, and memory."""
    host = nested_host(hosts, e2h, cpu="neoverse-n2")
    run_payload(host, payload, cpus, LATE_TIMERS)


def test_without_the_option_there_is_no_el2(hosts):
    host = hosts.get(host_config())
    assert host.run("test_el2 off", 60).status == 0
    assert "has no EL2 for guests" in host.run("vmrun --nested /guest/Image 2>&1").output
