# SPDX-License-Identifier: BSD-2-Clause
"""Linux guests on Keel through /dev/kvm and vmrun, and the tests of KVM's API in the host."""

import re

import pytest

GUEST_PROMPT = "guest# "
KVM_TESTS = ["system", "vcpu", "memory", "vgic", "run", "eventfd", "lifetime"]
VMRUN = "vmrun /guest/Image --initrd /guest/initrd --cmdline 'console=ttyAMA0 quiet' --mem 256M"


@pytest.mark.parametrize("cpu,e2h", [("max", 0), ("max", 1), ("neoverse-n1", 0), ("cortex-a57", 0)])
@pytest.mark.parametrize("vcpus", [1, 2, 4])
def test_guest_shell(boot, cpu, e2h, vcpus):
    machine = boot(cpu=cpu, append=f"quiet keel.console=keep keel.e2h={e2h}")
    machine.child.send(f"{VMRUN} --cpus {vcpus}; echo vmrun ended with $?\r")
    machine.expect("KEEL-GUEST-REACHED")
    machine.expect(re.escape(GUEST_PROMPT))
    machine.child.send("echo CPUS=$(nproc)\r")
    machine.expect(rf"CPUS={vcpus}\r")
    machine.child.send("poweroff -f\r")
    machine.expect(r"vmrun ended with (\d+)\r")
    assert machine.child.match.group(1) == "0"
    assert machine.check("dmesg | grep -c Oops || true") == "0"


@pytest.mark.parametrize("family", KVM_TESTS)
def test_kvm_api(boot, family):
    machine = boot()
    machine.child.send(f"test_{family}; echo family ended with $?\r")
    machine.expect(r"(\d+) passed, (\d+) failed", timeout=240)
    passed, failed = machine.child.match.groups()
    assert int(passed) > 0 and int(failed) == 0, machine.tail()
    machine.expect(r"family ended with 0")
