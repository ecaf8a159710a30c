# SPDX-License-Identifier: BSD-2-Clause
"""Statistical profiling in guests: bare-metal payloads with SPE and without, Linux's driver."""

import math
import re

import keelvm
import pytest
import vms

VMRUN = "vmrun --mem 64M"
TIMEOUT = 300
MACHINES = [
    pytest.param("max", 0, id="max-e2h0"),
    pytest.param("max", 1, id="max-e2h1", marks=pytest.mark.full),
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
def test_spe_does_what_the_payloads_check(shared, cpu, e2h):
    """One boot for all: what SPE does, what is without it, and what else there is beside it."""
    machine = shared(cpu=cpu, e2h=e2h)
    payload(machine, "spe", "--cmdline 'args: absent'")
    payload(machine, "spe", "--spe")
    payload(machine, "spe", "--spe --features none")
    payload(machine, "exceptions", "--spe")
    payload(machine, "timers", "--spe --cpus 2")
    payload(machine, "smp", "--spe --cpus 2")
    assert machine.check("dmesg | grep -cE 'Oops|BUG|WARNING' || true") == "0"
    assert not re.search("Keel panic|PANIC", machine.console)


@pytest.mark.parametrize("cpu,e2h", [pytest.param("max", 0, id="max-e2h0")])
def test_a_profiled_vcpu_may_change_cpus(shared, cpu, e2h):
    """The vCPU changes CPUs all the time."""
    machine = shared(cpu=cpu, e2h=e2h)
    result = machine.run(f"churn {VMRUN} --spe /payloads/spe.img </dev/null", TIMEOUT)
    assert "FAIL" not in result.output, result.output
    assert re.search(r"payload spe: \d+ passed, 0 failed", result.output), result.output
    assert int(re.search(r"churn: (\d+) moves", result.output).group(1)) > 0


HW_WARNING = "option keel.spe: not all CPUs have a profiling unit for Keel to use, guests have no SPE"


@pytest.mark.parametrize("choice", ["off", "hw"])
def test_without_spe_nothing_is_offered(boot, choice):
    """Turned off; and the hardware's asked for, which no CPU of QEMU's has. Nothing is offered."""
    machine = boot(append=f"quiet keel.console=keep keel.spe={choice}")
    assert machine.console.count(HW_WARNING) == (choice == "hw")
    result = machine.run("test_spe off", TIMEOUT)
    assert result.status == 0 and "not ok" not in result.output, result.output
    result = machine.run(f"{VMRUN} --spe /payloads/spe.img </dev/null", TIMEOUT)
    assert result.lines == ["vmrun: this machine's KVM has no SPE for guests: leave out --spe"]
    assert result.status == 1
    payload(machine, "spe", "--cmdline 'args: absent'")


def test_spe_is_emulated_if_asked(boot):
    machine = boot(append="quiet keel.console=keep keel.spe=emul")
    result = machine.run("test_spe", TIMEOUT)
    assert result.status == 0, result.output


GUEST = {"initrd": "/root/profile-initrd", "cmdline": f"{vms.QUICK} kpti=off"}  # the driver wants it off
HOT = r"hot for (\d+) us of a second"
SAMPLES = (
    r"profile: (\d+) samples, (\d+) draws, (\d+) in hot\(\), (\d+) in warm\(\), "
    rf"(\d+) in their caller, (\d+) of the array, (\d+) bad; {HOT}"
)
CALLS = r"profile: (\d+) samples, (\d+) in the kernel, (\d+) bad"

# Three of four chunks of work are hot()'s, at random, one in 17 turns is half hot()'s; the program
# says how much of the time hot() has.
HOT_WORK, HOT_TIME_OFF = 0.735, 0.1
# QEMU takes an interrupt at the beginning of the next block: of the 1024 blocks of a chunk one or
# two can belong to the wrong function. And draws that are the same by chance are missing
# (profile.c): a hundredth more of hot()'s than of warm()'s, which have 65 blocks each.
BLOCKS_OFF = 0.01
SIGMAS = 5


def check_share(hot, warm, expected):
    """hot()'s part of the samples of both is that of the time: each sample is a draw."""
    assert abs(expected - HOT_WORK) < HOT_TIME_OFF
    share = hot / (hot + warm)
    error = math.sqrt(expected * (1 - expected) / (hot + warm))
    assert abs(share - expected) <= SIGMAS * error + BLOCKS_OFF, (
        f"{hot} of {hot + warm} samples are {share:.3f}, not {expected:.3f} +- {error:.3f}"
    )


def start_linux(machine, options):
    """A Linux guest with Debian's arm_spe_pmu, and a program that uses it as perf does."""
    machine.check(f"cat {vms.INITRD} /guest/profile.cpio >{GUEST['initrd']}")
    return vms.Guest(machine, options, **GUEST)


def check_samples(output, count):
    """`count` programs have profiled their loop: almost all samples are there, and none is bad."""
    found = re.findall(SAMPLES, output)
    assert len(found) == count, output
    for numbers in found:
        samples, draws, hot, warm, caller, in_array, bad, time = map(int, numbers)
        assert draws >= 10 and bad == 0 and 0 < in_array <= samples, output
        assert hot + warm + caller >= 0.9 * draws, output
        check_share(hot, warm, time / 1e6)


def check_quiet(guest):
    """The guest's kernel has not complained."""
    assert guest.run("dmesg | grep -cE 'Oops|BUG:|WARNING:|Call trace'") == "0"


@pytest.mark.parametrize("cpu,e2h", MACHINES)
def test_linux_finds_spe(shared, cpu, e2h):
    machine = shared(cpu=cpu, e2h=e2h)
    guest = start_linux(machine, "--spe --cpus 2")
    assert "probed for CPUs 0-1" in guest.run("dmesg | grep spe-pmu")
    check_samples(guest.run("profile 10000 20000"), 1)
    check_samples(guest.run("profile 10000 20000 & profile 10000 50000; wait"), 2)
    profile_with_kprobes(guest)
    profile_with_debugger(guest)
    check_quiet(guest)
    assert guest.end("poweroff -f") == vms.OFF


# ---- beside SPE: what is a debug exception, too

TRACING = "/sys/kernel/tracing"
PROBED = "__arm64_sys_sched_get_priority_max"
PROBES = f"p:entered {PROBED}", f"r:returned {PROBED}"
BREAKPOINTS, WATCHPOINTS = 5, 4  # QEMU's CPUs have six and four: one is EL2's


def probe(guest):
    """Kprobes at the beginning and the end of a system call that nobody else makes."""
    guest.run(f"[ -e {TRACING}/kprobe_events ] || mount -t tracefs tracefs {TRACING}")
    for line in PROBES:
        guest.run(f"echo {line} >>{TRACING}/kprobe_events")
    guest.run(f"echo 1 >{TRACING}/events/kprobes/enable")


def check_probes(guest, hits):
    """Each has been hit as often as it should have been, none was missed. They are gone then."""
    profile = guest.run(f"cat {TRACING}/kprobe_profile")
    for name in ("entered", "returned"):
        assert re.search(rf"^ *{name} +{hits} +0$", profile, re.M), profile
    guest.run(f"echo 0 >{TRACING}/events/kprobes/enable; echo >{TRACING}/kprobe_events")


def profile_with_kprobes(guest):
    """The kernel is sampled in the call that has the kprobes, and around them."""
    probe(guest)
    output = guest.run("profile calls 3000 20000")
    samples, in_kernel, bad = map(int, re.search(CALLS, output).groups())
    assert in_kernel > 10 and bad == 0 and in_kernel <= samples, output
    check_probes(guest, 3000)


def check_debugger(output, count, rounds):
    """Each of `count` hwdebugs has had all its breaks, watches and steps, and nothing else."""
    offered = f"hwdebug: {BREAKPOINTS} breakpoints, {WATCHPOINTS} watchpoints"
    assert output.count(offered) == count, output
    result = f"{rounds} rounds, {rounds} breaks, {rounds} watches, 0 others"
    assert output.count(result) == count, output


def profile_with_debugger(guest):
    """Hardware breakpoints, watchpoints and steps on both vCPUs while both are profiled."""
    each = "taskset $cpu hwdebug 20 >/tmp/debug$cpu & taskset $cpu profile 5000 20000 &"
    output = guest.run(f"for cpu in 1 2; do {each} done; wait; cat /tmp/debug[12]")
    check_debugger(output, 2, 20)
    check_samples(output, 2)


def test_linux_without_spe_finds_none(shared):
    """The same guest in a VM without SPE: no such PMU."""
    guest = start_linux(shared(), "--cpus 1")
    assert guest.run("ls /sys/bus/event_source/devices | grep -c spe") == "0"
    assert guest.end("poweroff -f") == vms.OFF


# ---- perf

PERF = {"initrd": "/root/perf-initrd", "cmdline": GUEST["cmdline"]}
PERF_TIMEOUT = 900
LOOP, LONG_LOOP = "profile loop 20000", "profile loop 60000"  # a filter leaves few samples
EVERYTHING = "LD|ST|B|OTHER|SVE-OTHER"


def record(guest, events, what, options="", level="u", period=50000):
    """perf record; what the workload has printed."""
    event = f"arm_spe_0/ts_enable=1,pa_enable=1{events}/{level}"
    output = guest.run(
        f"perf record -o /root/data -c {period} -e {event} {options} -- {what} 2>&1", PERF_TIMEOUT
    )
    assert "Captured and wrote" in output, output
    return output


def packets(guest):
    """How many packets of each kind perf finds in the data, without what differs in each."""
    text = guest.run(
        "perf report -i /root/data -D >/root/dump 2>&1; grep -ci 'bad packet' /root/dump; "
        r"sed -nE 's/^\. +[0-9a-f]{8}: +([0-9a-f]{2} )+ *//p' /root/dump | "
        "sed -E 's/0x[0-9a-f]+/X/; s/^TS .*/TS/; s/ +$//' | sort | uniq -c",
        PERF_TIMEOUT,
    )
    bad, _, text = text.partition("\n")
    assert bad == "0", text
    return {name: int(count) for count, name in re.findall(r"^ *(\d+) (.+)$", text, re.M)}


def total(found, pattern):
    return sum(count for name, count in found.items() if re.match(pattern, name))


def check_packets(found, operation, event="RETIRED", latency=r"\d+"):
    """Each record is whole, and what the filter has let through is what it should have."""
    records = total(found, "PC ")
    assert records >= 100, found
    assert total(found, rf"({EVERYTHING})\b") == records, found
    assert total(found, rf"({operation})\b") == records, found
    assert total(found, rf"EV .*\b{event}\b") == total(found, "EV ") == records, found
    assert total(found, rf"LAT {latency} TOT") == total(found, "LAT ") == records, found
    assert total(found, "TS") == records, found
    data = total(found, r"(LD|ST)\b")
    assert total(found, "VA ") <= data, found
    assert 0.9 * data <= total(found, "PA ") <= total(found, "VA "), found


def symbols(guest):
    """How many samples perf finds in a function, on a CPU: {(cpu, name): count}.

    Where the same address comes again, that is no draw of its own (profile.c).
    """
    text = guest.run(
        "perf script -i /root/data --itrace=i1i -F cpu,ip,sym 2>/dev/null | "
        "awk '$2 != last[$1] { n[$1 \" \" $NF]++ } { last[$1] = $2 } "
        "END { for (s in n) print n[s], s }'",
        PERF_TIMEOUT,
    )
    return {
        (int(cpu), name): int(count)
        for count, cpu, name in re.findall(r"^(\d+) \[(\d+)\] (\S+)$", text, re.M)
    }


def report(guest, options):
    output = guest.run(
        f"perf report -i /root/data --stdio --no-children {options} 2>/dev/null", PERF_TIMEOUT
    )
    return re.sub(r"\x1b\[[0-9;]*m", "", output)


def hottest(guest):
    """The first function of perf's report."""
    return re.search(r"%\s+\[\S\] (\S+)", report(guest, "--itrace=i1i --sort symbol")).group(1)


def check_hot(found, output, cpu=None):
    """The share of the samples that the workload's hot function has is that of its time."""
    hot, warm = (
        sum(count for (c, name), count in found.items() if name == function and cpu in (None, c))
        for function in ("hot", "warm")
    )
    assert hot + warm >= 50, found
    for time in re.findall(HOT, output):
        check_share(hot, warm, int(time) / 1e6)


def perf_finds_the_hot_function(guest):
    output = record(guest, "", LOOP)
    check_packets(packets(guest), EVERYTHING)
    found = symbols(guest)
    check_hot(found, output)
    assert hottest(guest) == "hot" == max(found, key=found.get)[1]


def perf_filters(guest):
    """Loads with jitter, and their addresses; stores by latency; branches by an event."""
    output = record(guest, ",load_filter=1,jitter=1", LONG_LOOP)
    check_packets(packets(guest), "LD")
    check_hot(symbols(guest), output)
    begin, end = (int(a, 16) for a in re.search(r"array: (\w+) to (\w+)", output).groups())
    memory = report(guest, "--mem-mode --sort symbol_daddr,symbol")
    addresses = [int(a, 16) for a in re.findall(r"\[\.\] (0x[0-9a-f]+) +\[\.\] hot\b", memory)]
    assert addresses and all(begin <= address < end for address in addresses)
    record(guest, ",store_filter=1,min_latency=100", LONG_LOOP)
    check_packets(packets(guest), "ST", latency="[1-9][0-9]{2,}")
    record(guest, ",branch_filter=1,event_filter=2", LONG_LOOP)
    check_packets(packets(guest), "B")


def perf_sees_both_cpus(guest):
    both = " & ".join(f"taskset {mask} {LOOP}" for mask in (1, 2))
    output = record(guest, "", f"sh -c '{both}; wait'", options="-a", level="")
    found = packets(guest)
    check_packets(found, EVERYTHING)
    assert total(found, "PC X el0") > 0 and total(found, "PC X el1") > 0, found
    found = symbols(guest)
    for cpu in (0, 1):
        check_hot(found, output, cpu)


def perf_with_debuggers(guest):
    """Kernel and programs on both vCPUs; kprobes, breakpoints and steps at the same time."""
    probe(guest)
    what = "profile only-calls 3000 & taskset 1 hwdebug 20 & taskset 2 hwdebug 20"
    output = record(guest, "", f"sh -c '{what}; wait'", options="-a", level="")
    check_probes(guest, 3000)
    check_debugger(output, 2, 20)
    found = packets(guest)
    check_packets(found, EVERYTHING)
    assert total(found, "PC X el0") > 0 and total(found, "PC X el1") > 0, found


@pytest.mark.full
@pytest.mark.parametrize("cpu,e2h", MACHINES)
def test_perf_records_samples_in_a_guest(boot, cpu, e2h):
    """Debian's perf in the guest: record with filters, report, script, system-wide."""
    machine = boot(cpu=cpu, e2h=e2h, bundle=keelvm.guests_bundle().with_name("perf-bundle.cpio"))
    machine.check(f"cat {vms.INITRD} /guest/profile.cpio /guest/perf.cpio >{PERF['initrd']}")
    guest = vms.Guest(machine, "--spe --cpus 2 --mem 512M", **PERF)
    perf_finds_the_hot_function(guest)
    perf_filters(guest)
    perf_sees_both_cpus(guest)
    perf_with_debuggers(guest)
    check_quiet(guest)
    assert guest.end("poweroff -f") == vms.OFF


@pytest.mark.full
def test_the_api_is_called_in_any_order(boot):
    """tests/kvm/test_spe.c with longer sequences of calls."""
    result = boot().run("test_spe 4 | grep -v '^ok'", PERF_TIMEOUT)
    assert re.search(r"\d+ passed, 0 failed", result.output), result.output


def statistics(machine):
    """{(VM, vCPU): {name: value}} of what `keelctl stat` says about profiling."""
    found = {}
    for vm, vcpu, name, value in re.findall(r"^vm(\d+)/vcpu(\d+)/spe_(\w+) +(\d+)$", machine.check("keelctl stat"), re.M):
        found.setdefault((int(vm), int(vcpu)), {})[name] = int(value)
    return found


def test_keelctl_tells_the_statistics(shared):
    """keelctl stat, while a guest profiles itself: its counters grow, and others have none."""
    machine = shared()
    vms.mount_debugfs(machine)
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
