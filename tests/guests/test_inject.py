# SPDX-License-Identifier: BSD-2-Clause
"""keel.ko when the host runs out of memory at each allocation: the call fails, the host goes on."""

import re

import pytest

import keelvm
import vms

ALARMING = "WARNING|BUG|Oops|Call trace|is lost|Unable to handle|leak"
FREE_TOLERANCE_KIB = 16 * 1024


def inject_bundle(kernel=keelvm.DEFAULT_KERNEL):
    return keelvm.BUILD / "host" / kernel / "inject-bundle.cpio"


@pytest.fixture
def injected(shared):
    """injected(kernel): a host whose module has fault injection, just loaded: nothing is to fail yet."""

    def host(kernel=keelvm.DEFAULT_KERNEL):
        machine = shared(bundle=inject_bundle(kernel))
        machine.check(f"rmmod keel 2>/dev/null; insmod {vms.MODULE} && test -c /dev/kvm")
        return machine

    return host


def tables(machine):
    """Pages of Keel's own pool, and how many of them are in use."""
    stat = "cat /sys/kernel/debug/keel/table_pages"
    pages = int(machine.check(stat))
    return pages, pages - int(machine.check(f"{stat}_free"))


def broken_kib(machine):
    return int(machine.check("grep HardwareCorrupted /proc/meminfo").split()[1])


def assert_calm(machine):
    assert machine.check(f"dmesg | grep -cE '{ALARMING}' || true") == "0", machine.check("dmesg")


def test_each_allocation_of_a_vm_fails(injected):
    machine = injected()
    machine.check("test_vcpu >/dev/null; true", timeout=240)  # what is kept for good is had by now
    vms.mount_debugfs(machine)
    before = vms.mem_free(machine)
    pages, used = tables(machine)
    result = machine.run("test_inject", timeout=400)
    assert result.status == 0, result.output
    assert "10 passed, 0 failed" in result.output
    assert before - vms.mem_free(machine) < FREE_TOLERANCE_KIB
    # Where a call was made to say that Keel's own pool is short, the pool was filled up: it went back
    # with the last VM.
    assert tables(machine) == (pages, used)
    assert_calm(machine)
    machine.check("rmmod keel")
    assert_calm(machine)


def test_each_allocation_of_the_load_fails(injected):
    """Loading fails cleanly, once for each of the things that it takes, and then works."""
    machine = injected()
    machine.check("rmmod keel")
    failures = machine.check(
        "n=1; until insmod /lib/modules/90-keel.ko fail_at=$n 2>/dev/null; do n=$((n+1)); "
        "[ $n -lt 50 ] || break; done; echo $((n-1))"
    )
    assert 5 <= int(failures) < 40
    machine.check("echo 0 >/sys/module/keel/parameters/fail_at; test -c /dev/kvm")
    assert machine.run("test_system", timeout=120).status == 0
    machine.check("rmmod keel")
    assert_calm(machine)


def test_spe_brings_all_memory(injected):
    """What INIT does where the CPUs' profiling units write to memory, on a machine without any."""
    machine = injected()
    machine.check("echo Y >/sys/module/keel/parameters/spe_populate")
    result = machine.run("test_populate", timeout=400)
    assert result.status == 0, result.output
    result = machine.run("vmrun --mem 64M --spe /payloads/spe.img </dev/null", timeout=300)
    assert "FAIL" not in result.output and result.status == 0, result.output
    assert_calm(machine)


@pytest.mark.parametrize(
    "kernel", [keelvm.DEFAULT_KERNEL, pytest.param("kernel-6.12-cloud", marks=pytest.mark.full)]
)
def test_what_no_machine_does_on_demand_is_survived(injected, kernel):
    """A vCPU that cannot run any more ends its VM; much memory is taken from a guest in parts."""
    machine = injected(kernel)
    result = machine.run("test_forced", timeout=200)
    assert result.status == 0, result.output
    assert_calm(machine)


@pytest.mark.full
def test_large_pages_go_while_they_are_pinned(boot):
    """
    With stage-2 pages larger than the kernel's, too, a guest waits for what only userspace brings until a signal
    comes. 6.12, where processes' memory is aligned to huge pages, and where a pin that faults waits without end.
    """
    machine = boot(
        bundle=inject_bundle("kernel-6.12-cloud"), append="quiet keel.console=keep keel.stage2_granule=64K"
    )
    result = machine.run("test_forced large", timeout=200)
    assert result.status == 0, result.output
    assert_calm(machine)


def test_memory_breaks_below_a_guest(injected):
    """The VMM has its SIGBUS, the kernel its bad page; and what only the guest has met costs no page."""
    machine = injected()
    before = broken_kib(machine)
    result = machine.run("test_broken", timeout=200)
    assert result.status == 0, result.output
    log = machine.check("dmesg")
    assert re.search(r"keel: VM 0x[0-9a-f]+: memory at guest address 0x40008123, 0x[0-9a-f]+, is broken(?!,)", log)
    assert log.count("Memory failure: ") >= 1
    assert broken_kib(machine) - before == 8 * 4
    assert_calm(machine)
