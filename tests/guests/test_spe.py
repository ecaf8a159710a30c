# SPDX-License-Identifier: BSD-2-Clause
"""Statistical profiling in guests: bare-metal payloads with SPE and without, Linux's driver."""

import re

import keelvm
import pytest
import vms

VMRUN = "vmrun --mem 64M"
TIMEOUT = 300
MACHINES = [
    pytest.param("max", 0, id="max-e2h0"),
    pytest.param("max", 1, id="max-e2h1"),
    pytest.param("neoverse-n2", 0, id="neoverse-n2", marks=pytest.mark.full),
    pytest.param("cortex-a57", 0, id="cortex-a57", marks=pytest.mark.full),
]


def payload(machine, name, options):
    result = machine.run(f"{VMRUN} {options} /payloads/{name}.img </dev/null", TIMEOUT)
    failures = [line for line in result.lines if "FAIL" in line]
    assert not failures, "\n".join(failures)
    total = re.search(rf"payload {name}: (\d+) passed, (\d+) failed", result.output)
    assert total, result.output
    assert int(total.group(1)) > 0 and int(total.group(2)) == 0
    assert result.status == 0, result.output


@pytest.mark.parametrize("cpu,e2h", MACHINES)
def test_payloads(boot, cpu, e2h):
    """One boot for all: what SPE does, what is without it, and what else there is beside it."""
    machine = boot(cpu=cpu, e2h=e2h)
    payload(machine, "spe", "--cmdline 'args: absent'")
    payload(machine, "spe", "--spe")
    payload(machine, "spe", "--spe --features none")
    payload(machine, "exceptions", "--spe")
    payload(machine, "timers", "--spe --cpus 2")
    payload(machine, "smp", "--spe --cpus 2")
    assert machine.check("dmesg | grep -cE 'Oops|BUG|WARNING' || true") == "0"
    assert not re.search("Keel panic|PANIC", machine.console)


@pytest.mark.parametrize("cpu,e2h", [pytest.param("max", 0, id="max-e2h0")])
def test_moved(boot, cpu, e2h):
    """The vCPU changes CPUs all the time."""
    machine = boot(cpu=cpu, e2h=e2h)
    result = machine.run(f"churn {VMRUN} --spe /payloads/spe.img </dev/null", TIMEOUT)
    assert "FAIL" not in result.output, result.output
    assert re.search(r"payload spe: \d+ passed, 0 failed", result.output), result.output
    assert int(re.search(r"churn: (\d+) moves", result.output).group(1)) > 0


HW_WARNING = "option keel.spe: not all CPUs have a profiling unit for Keel to use, guests have no SPE"


@pytest.mark.parametrize("choice", ["off", "hw"])
def test_none(boot, choice):
    """Turned off; and the hardware's asked for, which no CPU of QEMU's has. Nothing is offered."""
    machine = boot(append=f"quiet keel.console=keep keel.spe={choice}")
    assert machine.console.count(HW_WARNING) == (choice == "hw")
    result = machine.run("test_spe off", TIMEOUT)
    assert result.status == 0 and "not ok" not in result.output, result.output
    result = machine.run(f"{VMRUN} --spe /payloads/spe.img </dev/null", TIMEOUT)
    assert result.lines == ["vmrun: this machine's KVM has no SPE for guests: leave out --spe"]
    assert result.status == 1
    payload(machine, "spe", "--cmdline 'args: absent'")


def test_emulated_if_asked(boot):
    machine = boot(append="quiet keel.console=keep keel.spe=emul")
    result = machine.run("test_spe", TIMEOUT)
    assert result.status == 0, result.output


GUEST = {"initrd": "/root/profile-initrd", "cmdline": "quiet kpti=off"}  # the driver wants it off
SAMPLES = r"profile: (\d+) samples, (\d+) in the loop, (\d+) of the array, (\d+) bad"


def start_linux(machine, options):
    """A Linux guest with Debian's arm_spe_pmu, and a program that uses it as perf does."""
    machine.check(f"cat {vms.INITRD} /guest/profile.cpio >{GUEST['initrd']}")
    return vms.Guest(machine, options, **GUEST)


def check_samples(output, count):
    """`count` programs have profiled their loop: almost all samples are there, and none is bad."""
    found = re.findall(SAMPLES, output)
    assert len(found) == count, output
    for samples, in_loop, in_array, bad in (map(int, numbers) for numbers in found):
        assert samples >= 10 and bad == 0, output
        assert in_loop >= 0.9 * samples and in_array > 0, output


@pytest.mark.parametrize("cpu,e2h", MACHINES)
def test_linux(boot, cpu, e2h):
    machine = boot(cpu=cpu, e2h=e2h)
    guest = start_linux(machine, "--spe --cpus 2")
    assert "probed for CPUs 0-1" in guest.run("dmesg | grep spe-pmu")
    check_samples(guest.run("profile 10000 20000"), 1)
    check_samples(guest.run("profile 10000 20000 & profile 10000 5000; wait"), 2)
    assert guest.run("dmesg | grep -cE 'Oops|BUG:|WARNING:|Call trace'") == "0"
    assert guest.end("poweroff -f") == vms.OFF


def test_linux_without(boot):
    """The same guest in a VM without SPE: no such PMU."""
    guest = start_linux(boot(), "--cpus 1")
    assert guest.run("ls /sys/bus/event_source/devices | grep -c spe") == "0"
    assert guest.end("poweroff -f") == vms.OFF


PERF = {"initrd": "/root/perf-initrd", "cmdline": GUEST["cmdline"]}
RECORD = "perf record -o /root/data -c 50000 -e arm_spe_0/ts_enable=1,pa_enable=1{filter}/{level}"


def record(guest, options, **what):
    output = guest.run(f"{RECORD.format(**what)} {options} -- profile loop 20000 2>&1")
    assert "Captured and wrote" in output, output
    dump = guest.run("perf report -i /root/data -D >/root/dump 2>&1; grep -c ' PC ' /root/dump")
    assert int(dump) >= 10
    assert guest.run("grep -ci 'bad packet' /root/dump") == "0"
    return [int(end, 16) for end in re.search(r"array: (\w+) to (\w+)", output).groups()]


def report(guest, options):
    output = guest.run(f"perf report -i /root/data --stdio --no-children {options} 2>/dev/null")
    return re.sub(r"\x1b\[[0-9;]*m", "", output)


def share(guest, symbol):
    """Percent of the samples that perf finds in a function."""
    found = re.findall(rf"([\d.]+)%\s+\[\.\] {symbol}\b", report(guest, "--sort symbol"))
    return max(map(float, found), default=0)


@pytest.mark.full
@pytest.mark.parametrize("cpu,e2h", MACHINES)
def test_perf(boot, cpu, e2h):
    """Debian's perf in the guest: record, the hot function, its loads' addresses, system-wide."""
    machine = boot(cpu=cpu, e2h=e2h, bundle=keelvm.guests_bundle().with_name("perf-bundle.cpio"))
    machine.check(f"cat {vms.INITRD} /guest/profile.cpio /guest/perf.cpio >{PERF['initrd']}")
    guest = vms.Guest(machine, "--spe --cpus 2 --mem 512M", **PERF)
    record(guest, "", filter="", level="u")
    # the rest is the start of the program, in which QEMU translates much and gets on slowly
    assert share(guest, "hot") > 50
    begin, end = record(guest, "", filter=",load_filter=1", level="u")
    memory = report(guest, "--mem-mode --sort symbol_daddr,symbol")
    addresses = [int(a, 16) for a in re.findall(r"\[\.\] (0x[0-9a-f]+) +\[\.\] hot\b", memory)]
    assert addresses and all(begin <= address < end for address in addresses)
    record(guest, "-a", filter="", level="")
    assert share(guest, "hot") > 0
    assert guest.run("dmesg | grep -cE 'Oops|BUG:|WARNING:|Call trace'") == "0"
    assert guest.end("poweroff -f") == vms.OFF


def statistics(machine):
    """{(VM, vCPU): {name: value}} of what `keelctl stat` says about profiling."""
    found = {}
    for vm, vcpu, name, value in re.findall(r"^vm(\d+)/vcpu(\d+)/spe_(\w+) +(\d+)$", machine.check("keelctl stat"), re.M):
        found.setdefault((int(vm), int(vcpu)), {})[name] = int(value)
    return found


def test_statistics(boot):
    """keelctl stat, while a guest profiles itself: its counters grow, and others have none."""
    machine = boot()
    machine.check("[ -d /sys/kernel/debug/keel ] || mount -t debugfs debugfs /sys/kernel/debug")
    assert statistics(machine) == {}
    machine.check(f"cat {vms.INITRD} /guest/profile.cpio >{GUEST['initrd']}")
    other = vms.Background(machine, "--mem 128M")
    guest = vms.Background(machine, "--spe --cpus 2 --mem 128M", **GUEST)
    other.wait_for_shell()
    guest.wait_for_shell()
    before = statistics(machine)
    vm = max(vm for vm, _ in before)
    assert set(before) == {(vm, 0), (vm, 1)}
    assert all(set(counts) == {"samples", "dropped", "false_hits", "emulated"} for counts in before.values())
    assert all(counts["samples"] == 0 and counts["emulated"] > 0 for counts in before.values())
    check_samples(guest.run("profile 10000 20000"), 1)
    after = statistics(machine)
    assert set(after) == set(before)
    assert all(after[vcpu][name] >= value for vcpu, counts in before.items() for name, value in counts.items())
    for name in ("samples", "false_hits", "emulated"):
        assert sum(counts[name] for counts in after.values()) > sum(counts[name] for counts in before.values())
    assert sum(counts["samples"] for counts in after.values()) >= 10
    guest.kill("KILL")
    assert statistics(machine) == {}
    other.kill("KILL")
