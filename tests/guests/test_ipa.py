# SPDX-License-Identifier: BSD-2-Clause
"""Guests with physical addresses of each size, and hosts that have few (docs/ipa.md)."""

import re

import pytest

import vms

MIB = 1 << 20

# 36-bit machines have PCIe below that: docs/ipa.md.
SMALL = {"extra": ("-machine", "highmem=off"), "append": "quiet keel.console=keep keel.pa_bits=36"}
CAPPED = "VMs of type 0 have 36 bits of guest physical address, not 40"


# Each CPU model, and how many bits it has.
CPUS = {"max": 52, "neoverse-n1": 48, "cortex-a57": 44, "cortex-a53": 40}
SIZES = (32, 36, 39, 40, 42, 44, 48, 52)


def linux_at_the_top(machine, bits):
    """All of its memory; the kernel itself can only use 48 bits, so 52 get a bank of their own."""
    top = 1 << bits
    if bits > 48:
        guest = vms.Guest(machine, f"--ipa-bits {bits} --bank top,64M")
        regs = guest.run("hexdump -v -e '16/1 \"%02x\" \"\\n\"' /proc/device-tree/memory@*/reg")
        assert f"{top - 64 * MIB:016x}{64 * MIB:016x}" in regs
    else:
        guest = vms.Guest(machine, f"--ipa-bits {bits} --mem-base top")
        memory = guest.run("grep 'System RAM' /proc/iomem")
        assert f"{top - 256 * MIB:x}-{top - 1:x} : System RAM" in memory
    assert guest.end("poweroff -f") == vms.OFF


@pytest.mark.full
def test_linux_runs_at_the_top_of_the_space(shared):
    machine = shared()
    for bits in (32, 48):
        linux_at_the_top(machine, bits)


@pytest.mark.full
@pytest.mark.parametrize("cpu", CPUS)
def test_guests_run_with_every_ipa_size(shared, cpu):
    """Linux at the top of the space, and the API."""
    machine = shared(cpu=cpu)
    limit = CPUS[cpu]
    for bits in SIZES:
        if bits <= limit:
            linux_at_the_top(machine, bits)
    refused = machine.run(f"vmrun /guest/Image --ipa-bits {limit + 1} 2>&1")
    assert refused.status == (2 if limit == 52 else 1), "the limit is the model's"
    vms.passes(machine, "ipa")


@pytest.mark.parametrize(
    "kib",
    [pytest.param(kib, marks=[] if kib == 64 else pytest.mark.full) for kib in (4, 16, 64)],
)
def test_a_guest_has_the_pages_of_its_slots(boot, kib):
    """keel.stage2_granule: guests run on it, VMs have it, and the API says so."""
    machine = boot(append=f"quiet keel.console=keep keel.stage2_granule={kib}K")
    vms.mount_debugfs(machine)
    guest = vms.Background(machine, "--cpus 2 --ipa-bits 40")
    guest.wait_for_shell()
    _, line = machine.check("keelctl vms").splitlines()
    bits, granule = line.split()[1:3]
    assert (bits, granule) == ("40", f"{kib}K")
    blocks = set(re.findall(r"in blocks of +(\d+[KM])", machine.check("keelctl s2 1")))
    assert blocks == ({"4K", "2M"} if kib == 4 else {f"{kib}K"}), "pages, and 4K's blocks"
    assert guest.end("poweroff -f") == vms.OFF
    output = machine.check("test_pages | grep -E '^not|bytes|passed'", 240)
    assert f"a page of stage 2: {kib * 1024} bytes" in output
    assert re.search(r"\d+ passed, 0 failed", output), output


def test_pages_that_the_cpu_does_not_have_are_replaced(boot):
    """cortex-a53 has no 16K: one line, and 4K."""
    machine = boot(cpu="cortex-a53", append="quiet keel.console=keep keel.stage2_granule=16K")
    warning = "stage 2 has no pages of 16K here: guests' stage 2 has 4K"
    assert any(warning in line for line in machine.keel_lines())
    assert "a page of stage 2: 4096 bytes" in machine.check("test_pages", 240)


# The quick set: one model for each; the full one: all.
EACH_CPU = [pytest.param(cpu, marks=[] if cpu == "max" else pytest.mark.full) for cpu in CPUS]


@pytest.mark.parametrize("cpu", EACH_CPU)
def test_a_host_boots_on_a_machine_of_36_bits(boot, cpu):
    machine = boot(cpu=cpu, **SMALL)
    assert any("36-bit physical addresses" in line for line in machine.keel_lines())
    assert CAPPED not in machine.check("dmesg")

    # A VMM that asks for what there is; and one that asks for too much.
    guest = vms.Guest(machine, "--mem-base top")
    memory = guest.run("grep 'System RAM' /proc/iomem")
    assert f"{(1 << 36) - 256 * MIB:x}-{(1 << 36) - 1:x} : System RAM" in memory
    assert guest.end("poweroff -f") == vms.OFF
    assert CAPPED not in machine.check("dmesg")
    refused = machine.run("vmrun /guest/Image --ipa-bits 37 2>&1")
    assert refused.status == 1
    assert re.search("37 bits .* are more than this machine's 36: use --ipa-bits 36", refused.output)

    # VMs of type 0: test_ipa makes one, so does test_system; the line comes once.
    vms.passes(machine, "ipa", "system")
    assert machine.check(f"dmesg | grep -c '{CAPPED}'") == "1"


@pytest.mark.parametrize("cpu", EACH_CPU)
def test_strict_ipa_offers_no_more_than_it_says(boot, cpu):
    machine = boot(cpu=cpu, **SMALL)
    machine.check("echo 1 >/sys/module/keel/parameters/strict_ipa")
    output = machine.run("test_system | grep 'type 0'").output
    assert re.fullmatch(r"not ok \d+ - KVM_CREATE_VM of type 0: expected success, got EINVAL", output)
    log = machine.check("dmesg")
    assert re.search(r"test_system\[\d+\]: a VM of type 0 .* is refused.* type of 32 to 36 here", log)
    assert CAPPED not in log
    # A VMM that names its size does not notice.
    guest = vms.Guest(machine, "--cpus 2")
    assert guest.end("poweroff -f") == vms.OFF


def test_strict_ipa_changes_nothing_on_a_machine_of_40_bits(shared):
    machine = shared()
    machine.check("echo 1 >/sys/module/keel/parameters/strict_ipa")
    vms.passes(machine, "system")
    machine.check("echo 0 >/sys/module/keel/parameters/strict_ipa")
    assert "a VM of type 0" not in machine.check("dmesg")
