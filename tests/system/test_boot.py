# SPDX-License-Identifier: BSD-2-Clause
"""The host boots to a shell below Keel: on every CPU model, GIC and number of CPUs."""

import re

import pytest

import keelvm
import messages

CPUS = ("cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76", "neoverse-n1", "neoverse-n2", "max")
GICS = (2, 3)
SMPS = (1, 2, 4)
# On every run: each CPU model, each GIC with each number of CPUs, at least once.
QUICK = {
    ("cortex-a53", 2, 4),
    ("cortex-a57", 3, 1),
    ("cortex-a72", 2, 2),
    ("cortex-a76", 3, 2),
    ("neoverse-n1", 2, 1),
    ("neoverse-n2", 3, 4),
    ("max", 3, 2),
}
MATRIX = [
    pytest.param(cpu, gic, smp, marks=[] if (cpu, gic, smp) in QUICK else [pytest.mark.full])
    for cpu in CPUS
    for gic in GICS
    for smp in SMPS
]
# What a kernel says when something is wrong with the machine below it.
KERNEL_TROUBLE = r"(?i)\boops\b|\bBUG\b|WARNING:|call trace|synchronous external abort|\bSError\b|rcu.*stall"


def check_host(machine, smp):
    """The host sees the machine it should, and nothing complained."""
    assert machine.check("nproc") == str(smp)
    assert len(re.findall(r"^processor", machine.check("cat /proc/cpuinfo"), re.M)) == smp
    dmesg = machine.check("dmesg")
    assert "CPU: All CPU(s) started at EL1" in dmesg
    assert not re.search(KERNEL_TROUBLE, dmesg), re.search(f".*({KERNEL_TROUBLE}).*", dmesg).group(0)
    assert f"smp: Brought up 1 node, {smp} CPU" in dmesg
    compatible = machine.check("tr '\\0' '\\n' </proc/device-tree/hypervisor/compatible")
    assert compatible.splitlines()[0] == messages.HYPERVISOR_COMPATIBLE


def check_console(machine):
    """Keel introduced itself, and had nothing to warn of."""
    console = machine.console
    assert re.search(messages.BANNER, console), "no banner of Keel's on the console"
    for trouble in (messages.KEEL_ERROR, messages.KEEL_WARNING):
        found = re.search(trouble, console, re.M)
        assert not found, f"a boot without mishaps, but Keel said: {found.group(0)}"


@pytest.mark.parametrize("cpu,gic,smp", MATRIX)
def test_boots_to_a_shell(boot, cpu, gic, smp):
    machine = boot(cpu=cpu, gic=gic, smp=smp)
    check_host(machine, smp)
    check_console(machine)


def test_debug_build_boots(boot):
    machine = boot(variant="debug", smp=4)
    check_host(machine, 4)
    check_console(machine)


@pytest.mark.full
@pytest.mark.parametrize("variant", ["release", "debug"])
@pytest.mark.parametrize("kernel", ["kernel-6.1", "kernel-6.12-cloud", "kernel-6.12"])
def test_other_kernels_boot(boot, kernel, variant):
    machine = boot(bundle=keelvm.bundle(kernel), variant=variant)
    check_host(machine, 2)
    check_console(machine)


@pytest.mark.parametrize(
    "mem",
    [
        "256M",
        "3G",
        pytest.param("512M", marks=pytest.mark.full),
        pytest.param("6G", marks=pytest.mark.full),
        pytest.param("16G", marks=pytest.mark.full),
    ],
)
def test_the_host_has_all_memory_but_keels(boot, mem):
    """The host has all memory but Keel's: what Linux counts differs from the bare machine's by
    little more than what Keel says it kept."""
    machine = boot(mem=mem)
    bare = boot(
        mem=mem,
        virtualization=False,
        image=keelvm.kernel_image(),
        bundle=keelvm.initrd(),
        append="console=ttyAMA0",
    )

    def total_kib(which):
        return int(which.check("awk '/MemTotal/ { print $2 }' /proc/meminfo"))

    lost = total_kib(bare) - total_kib(machine)
    size = sum(size for _, size in keelvm.keel_regions(machine))
    # Where the kernel lies moves its own bookkeeping by a few MiB either way.
    assert lost * 1024 < size + (6 << 20), f"the host lost {lost} KiB, Keel has {size:#x} bytes"


def test_memory_is_usable(boot):
    """The host can fill most of its memory and read it back."""
    machine = boot(mem="512M")
    machine.check("mkdir -p /big && mount -t tmpfs -o size=300m tmpfs /big")
    machine.check("dd if=/dev/urandom of=/big/a bs=1M count=100 2>/dev/null", timeout=180)
    machine.check("cp /big/a /big/b && cmp /big/a /big/b && rm -r /big/a /big/b", timeout=180)


def test_host_interrupts_and_timers_run(boot):
    """Time passes, and the timer interrupt is delivered on every CPU."""
    machine = boot(smp=4)
    counts = "awk '/arch_timer/ { print $2, $3, $4, $5 }' /proc/interrupts"
    before = [int(count) for count in machine.check(counts).split()]
    machine.check("for cpu in 0 1 2 3; do taskset -c $cpu sh -c 'i=0; while [ $i -lt 3000 ]; do "
                  "i=$((i+1)); done'; done; sleep 1")
    after = [int(count) for count in machine.check(counts).split()]
    assert len(before) == len(after) == 4
    assert all(b < a for b, a in zip(before, after)), f"timer interrupts: {before}, then {after}"


def test_command_line_is_the_bundles_and_then_the_boot_loaders(boot):
    """Linux takes the last of two words, so the boot loader's count; Keel's own are not passed on."""
    machine = boot(append="keel.loglevel=info for.the=host keel.e2h=auto", quick=False)
    assert machine.check("cat /proc/cmdline").strip() == "console=ttyAMA0 for.the=host"


def test_command_line_comes_from_the_boot_loader(boot, make_bundle):
    """The bundle need not have one."""
    machine = boot(
        bundle=make_bundle(cmdline=None), append="console=ttyAMA0 keel.loglevel=info for.the=host", quick=False
    )
    assert machine.check("cat /proc/cmdline").strip() == "console=ttyAMA0 for.the=host"


def test_a_bundle_of_plain_cpio_boots(boot, plain_bundle):
    """A bundle made with cpio(1), nothing in it aligned: Keel moves the kernel."""
    machine = boot(bundle=plain_bundle(cmdline="console=ttyAMA0"))
    check_host(machine, 2)


@pytest.mark.parametrize("text_offset_mib", [0, 32, 600])
def test_image_runs_at_other_addresses(boot, moved_image, text_offset_mib):
    """keel.img may be loaded at any 2 MiB-aligned address: the lowest, between, and high up."""
    machine = boot(image=moved_image(text_offset_mib << 20))
    check_host(machine, 2)
    check_console(machine)


def test_the_log_level_chooses_what_boot_prints(boot):
    """keel.loglevel chooses what the console gets."""
    quiet = boot(append="keel.nonsense=1 keel.loglevel=err")
    assert [line for line in quiet.keel_lines() if "keel.nonsense" not in line] == []
    warns = boot(append="keel.loglevel=warn keel.selftest=panic")
    assert re.search(messages.NO_SELFTEST, warns.console), "the warning is not on the console"
    assert not re.search(messages.BANNER, warns.console), "at warn, the banner is not on the console"
