# SPDX-License-Identifier: BSD-2-Clause
"""Linux guests on Keel through /dev/kvm and vmrun, and the tests of KVM's API in the host."""

import re

import pytest

import keelvm
import vms

# The longest first.
KVM_TESTS = [
    "lifetime", "discard", "dirty", "run", "ipa", "system", "vcpu", "memory", "pages", "vgic", "its", "events", "spe",
    "eventfd", "resample", "vgic_state", "vgic_v2", "lkvm", "carry", "ring", "gmem", "mte",
]

# With every test, in less time; the full set has the whole of them.
QUICK_KVM_TESTS = {"discard": "test_discard quick", "dirty": "test_dirty quick", "ring": "test_ring quick"}

KERNELS = ["kernel-6.1-cloud", "kernel-6.1", "kernel-6.12-cloud", "kernel-6.12"]
CPUS = [("max", 0), ("max", 1), ("neoverse-n1", 0), ("cortex-a57", 0)]
# A kernel with pages of 16 KiB, on the CPUs that have them: guests' stage 2 has them too.
KERNEL_16K = "kernel-6.12-16k"
CPUS_16K = ["max", "neoverse-n1"]
VCPUS = [1, 2, 4, 8]

# A square whose rows and columns have each number of host CPUs: kernels with all CPUs, and both with all numbers.
HOST_CPUS = [1, 2, 4, 2]
MACHINES = [
    (kernel, cpu, e2h, HOST_CPUS[(row + column) % len(HOST_CPUS)])
    for row, kernel in enumerate(KERNELS)
    for column, (cpu, e2h) in enumerate(CPUS)
]

# The quick set: each CPU model, and one and more vCPUs than the host has CPUs.
QUICK = {
    ("kernel-6.1-cloud", "max", 0, 1): [2],
    ("kernel-6.1-cloud", "max", 1, 2): [4],
    ("kernel-6.1-cloud", "neoverse-n1", 0, 2): [8],
    ("kernel-6.1-cloud", "cortex-a57", 0, 2): [1, 2],
}


# The guest's watchdogs go by the clock; eight vCPUs on one CPU of an emulated machine are slow.
PATIENT = "quiet rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"


def shells(machine, vcpus):
    """Guests with so many vCPUs, one after the other; the kernel's clock and scheduler are at work.

    The last one boots as elsewhere, with what Linux tests of itself: ciphers by FP and SIMD on all vCPUs.
    """
    for count in vcpus:
        tests = "" if count == vcpus[-1] else keelvm.QUICK
        guest = vms.Guest(machine, f"--cpus {count}", cmdline=f"{PATIENT} {tests}")
        assert guest.run("nproc") == str(count)
        assert guest.run(f"for i in $(seq {count}); do memtouch 4 & done; wait") == "\n".join(
            ["memtouch: 4 MiB good"] * count
        )
        alarms = "dmesg | grep -v 'ommand line' | grep -c -E 'Oops|WARNING|detected.*stall|lockup|timed out'"
        assert guest.run(f"sleep 0.1; {alarms}") == "0"
        assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(machine)


@pytest.mark.parametrize("kernel,cpu,e2h,host_cpus", QUICK)
def test_a_guest_boots_to_its_shell(boot, kernel, cpu, e2h, host_cpus):
    machine = boot(kernel=kernel, cpu=cpu, e2h=e2h, smp=host_cpus)
    shells(machine, QUICK[kernel, cpu, e2h, host_cpus])


@pytest.mark.full
@pytest.mark.parametrize("kernel,cpu,e2h,host_cpus", MACHINES)
def test_a_guest_boots_to_its_shell_on_each_machine(boot, kernel, cpu, e2h, host_cpus):
    machine = boot(kernel=kernel, cpu=cpu, e2h=e2h, smp=host_cpus)
    shells(machine, VCPUS)


@pytest.mark.full
@pytest.mark.parametrize("cpu", CPUS_16K)
def test_a_host_of_16k_pages_runs_guests(boot, cpu):
    """Host and guests with pages of 16 KiB; the API's tests on that kernel."""
    machine = boot(kernel=KERNEL_16K, cpu=cpu)
    shells(machine, [1, 4])
    vms.passes(machine, *KVM_TESTS)
    vms.assert_healthy(machine)


def test_four_guests_run_at_once(shared):
    """They have two vCPUs each on two CPUs; each of them has memory and a console of its own."""
    machine = shared()
    vms.warm_up(machine)
    before = vms.Leftovers(machine)
    guests = [vms.Background(machine, f"--cpus 2 --mem {128 + 64 * i}M") for i in range(4)]
    for guest in guests:
        guest.wait_for_shell()
    for number, guest in enumerate(guests):
        guest.send(f"memtouch 32 2 >/tmp/memory; echo GUEST-{number}-DONE")
    for number, guest in enumerate(guests):
        guest.expect(f"GUEST-{number}-DONE")
        assert guest.run("cat /tmp/memory") == "memtouch: 32 MiB good"
        assert guest.run("nproc") == "2"
    # One that is killed and one that ends are nothing to the others.
    assert guests[0].kill("KILL") == vms.KILLED
    assert guests[1].end("poweroff -f") == vms.OFF
    for guest in guests[2:]:
        assert guest.run("echo still here") == "still here"
        assert guest.end("poweroff -f") == vms.OFF
    before.check()
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("cpu,host_cpus", [("max", 2), ("neoverse-n1", 4)])
def test_a_hundred_thousand_lpis_come_once_each(boot, cpu, host_cpus):
    """To eight vCPUs, from two threads, while the vCPUs run."""
    machine = boot(cpu=cpu, smp=host_cpus)
    vms.passes(machine, "lpis", timeout=2 * keelvm.BOOT_TIMEOUT)
    vms.assert_healthy(machine)


@pytest.mark.full
@pytest.mark.parametrize("family", QUICK_KVM_TESTS)
def test_the_whole_kvm_api_answers_as_kvms(shared, family):
    vms.passes(shared(), family, timeout=2 * keelvm.BOOT_TIMEOUT)


@pytest.mark.short
@pytest.mark.parametrize("family", KVM_TESTS)
def test_kvm_api_answers_as_documented(shared, family):
    machine = shared()
    machine.child.send(f"{QUICK_KVM_TESTS.get(family, f'test_{family}')}; echo family ended with $?\r")
    machine.expect(r"(\d+) passed, (\d+) failed", timeout=keelvm.BOOT_TIMEOUT)
    passed, failed = machine.child.match.groups()
    assert int(passed) > 0 and int(failed) == 0, machine.tail()
    machine.expect(r"family ended with 0")
    machine.expect(keelvm.PROMPT)
