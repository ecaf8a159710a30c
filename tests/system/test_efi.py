# SPDX-License-Identifier: BSD-2-Clause
"""Started by UEFI: keel.efi, the loaders that it starts, and the machine without Keel when it must be."""

import re

import pytest

import esp
import keelvm
import messages

GRUB_CFG = f"""
set timeout=0
menuentry host {{
    linux /vmlinuz {esp.CMDLINE}
    initrd /initrd
}}
"""

SYSTEMD_ENTRY = f"""
title host
linux /vmlinuz
initrd /initrd
options {esp.CMDLINE}
"""


def keel_cfg(*lines):
    """keel.cfg, by which what Keel says while the host runs is on the console too."""
    return "\n".join(("options keel.console=keep", *lines, "")).encode()


def host_files(kernel):
    return {"vmlinuz": keelvm.kernel_image(kernel), "initrd": keelvm.initrd(kernel)}


def direct(kernel):
    """Linux itself is the EFI application that Keel starts."""
    arguments = rf"arguments initrd=\initrd {esp.CMDLINE}"
    return host_files(kernel) | {esp.CONFIG: keel_cfg(r"loader \vmlinuz", arguments)}


def grub(kernel):
    """Debian's GRUB where Debian installs it; nothing says so to Keel."""
    return host_files(kernel) | {
        esp.CONFIG: keel_cfg(),
        "EFI/debian/grubaa64.efi": esp.GRUB,
        "EFI/debian/grub.cfg": GRUB_CFG.encode(),
    }


def systemd_boot(kernel):
    return host_files(kernel) | {
        esp.CONFIG: keel_cfg(),
        "EFI/systemd/systemd-bootaa64.efi": esp.SYSTEMD_BOOT,
        "loader/loader.conf": b"timeout 0\n",
        "loader/entries/host.conf": SYSTEMD_ENTRY.encode(),
    }


def test_loader(word, config=b"", **more):
    """The loader of tests/system/efi, which does what `word` says."""
    lines = (r"loader \loader.efi", f"arguments {word}")
    return {"loader.efi": esp.TEST_LOADER, esp.CONFIG: keel_cfg(*lines) + config, **more}


test_loader.__test__ = False


@pytest.fixture
def uefi(start, tmp_path):
    """uefi(files, ...): a machine whose disk has keel.efi and these files."""

    def start_machine(files, variant="release", keel=esp.FALLBACK, bios=esp.FIRMWARE, **changes):
        disk = esp.write(tmp_path / "esp.img", {keel: keelvm.keel_image(variant), **files})
        return start(bios=bios, disk=disk, **changes)

    return start_machine


def ram_of(machine):
    """[(first, last)] of the memory that the host uses."""
    words = machine.check("grep 'System RAM' /proc/iomem").split()
    ranges = (word.split("-") for word in words if re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", word))
    return [(int(first, 16), int(last, 16)) for first, last in ranges]


def runs_below_keel(machine, cpus):
    """The host is at EL1 below Keel, with all CPUs, its firmware's services, and no virtual timer."""
    machine.expect(messages.EFI_TAKEN)
    machine.wait_for_shell()
    assert machine.check("nproc") == str(cpus)
    node = machine.check("cat /proc/device-tree/hypervisor/compatible").strip("\0")
    assert node == messages.HYPERVISOR_COMPATIBLE
    log = machine.check("dmesg")
    assert "All CPU(s) started at EL1" in log
    assert re.search(r"arch_timer: cp15 timer\(s\) running at \S+ \(phys\)", log)
    assert "Using DTB from configuration table" in machine.console or "efi: EFI v2" in log
    assert "rtc-efi rtc-efi.0: setting system clock" in log, "runtime services do not answer"
    (base, size), *_ = keelvm.keel_regions(machine)
    for first, last in ram_of(machine):
        assert last < base or first >= base + size, f"Keel's memory is the host's RAM: {first:x}-{last:x}"
    assert not re.search(messages.ANY_ERROR, machine.console)


def runs_below_keel_on_acpi(machine, cpus):
    """The same where firmware passes ACPI's tables alone. The host's timer is the virtual one."""
    base = int(machine.expect(messages.EFI_BANNER_ACPI).group(1), 16)
    machine.expect(messages.EFI_TAKEN)
    machine.wait_for_shell()
    assert machine.check("nproc") == str(cpus)
    machine.check("ls -d /sys/bus/acpi/devices/KEEL0001:00")
    assert machine.run("ls /proc/device-tree/cpus").status != 0
    log = machine.check("dmesg")
    assert "All CPU(s) started at EL1" in log
    assert "psci: probing for conduit method from ACPI" in log
    assert re.search(r"arch_timer: cp15 timer\(s\) running at \S+ \(virt\)", log)
    assert "rtc-efi rtc-efi.0: setting system clock" in log, "runtime services do not answer"
    assert not re.search(r"ACPI.*(Error|Warning|[Ii]ncorrect checksum)|Firmware Bug", log)
    for first, last in ram_of(machine):
        assert last < base or first > base, f"Keel's memory is the host's RAM: {first:x}-{last:x}"
    assert not re.search(messages.ANY_ERROR, machine.console)


def test_keel_efi_starts_linux_which_boots_at_el1(uefi):
    machine = uefi(direct(keelvm.DEFAULT_KERNEL))
    machine.expect(messages.EFI_BANNER)
    machine.expect(messages.EFI_READY)
    runs_below_keel(machine, 2)
    machine.send("poweroff -f")
    assert machine.wait_for_exit() == 0


LOADERS = {"direct": direct, "grub": grub, "systemd-boot": systemd_boot}


@pytest.mark.full
@pytest.mark.parametrize("smp", [1, 2, 4])
@pytest.mark.parametrize("cpu", ["max", "neoverse-n1", "cortex-a57"])
@pytest.mark.parametrize("kernel", ["kernel-6.1-cloud", "kernel-6.12-cloud"])
@pytest.mark.parametrize("loader", LOADERS)
def test_loaders_boot_the_host_below_keel(uefi, loader, kernel, cpu, smp):
    machine = uefi(LOADERS[loader](kernel), cpu=cpu, smp=smp, variant="debug")
    runs_below_keel(machine, smp)


def test_on_acpi_alone_linux_boots_at_el1(uefi):
    machine = uefi(direct(keelvm.DEFAULT_KERNEL), acpi=True, variant="debug")
    runs_below_keel_on_acpi(machine, 2)
    machine.send("poweroff -f")
    assert machine.wait_for_exit() == 0


@pytest.mark.full
@pytest.mark.parametrize("smp", [1, 2, 4])
@pytest.mark.parametrize("cpu, gic", [("max", 3), ("max", 2), ("neoverse-n1", 3), ("cortex-a57", 2)])
@pytest.mark.parametrize("kernel", ["kernel-6.1-cloud", "kernel-6.12-cloud"])
def test_grub_boots_the_host_on_acpi(uefi, kernel, cpu, gic, smp):
    machine = uefi(grub(kernel), cpu=cpu, gic=gic, smp=smp, acpi=True, variant="debug")
    runs_below_keel_on_acpi(machine, smp)


@pytest.mark.full
def test_systemd_boot_boots_the_host_on_acpi(uefi):
    runs_below_keel_on_acpi(uefi(systemd_boot("kernel-6.12-cloud"), acpi=True), 2)


@pytest.mark.full
def test_keel_efi_with_e2h_boots_the_host_on_acpi(uefi):
    files = direct(keelvm.DEFAULT_KERNEL)
    files[esp.CONFIG] += b"options keel.e2h=1\n"
    runs_below_keel_on_acpi(uefi(files, acpi=True), 2)


@pytest.mark.full
@pytest.mark.parametrize("gic, mem", [(2, "1G"), (3, "512M"), (3, "5G")])
def test_other_machines_boot_by_uefi(uefi, gic, mem):
    machine = uefi(grub(keelvm.DEFAULT_KERNEL), gic=gic, mem=mem)
    runs_below_keel(machine, 2)


@pytest.mark.full
@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("cpu", ["max", "neoverse-n1"])
def test_newer_firmware_that_runs_nothing_from_data_boots_the_host(uefi, loader, cpu):
    files = LOADERS[loader]("kernel-6.12-cloud")
    machine = uefi(files, cpu=cpu, bios=None, extra=esp.STRICT_FIRMWARE)
    runs_below_keel(machine, 2)


@pytest.mark.full
def test_keel_efi_with_e2h_boots_the_host(uefi):
    """Keel's own regime is not firmware's, and each change between the two changes the format."""
    files = direct(keelvm.DEFAULT_KERNEL)
    files[esp.CONFIG] += b"options keel.e2h=1\n"
    machine = uefi(files)
    machine.expect(messages.LAYOUT_VHE)
    runs_below_keel(machine, 2)


def loader_says(machine, what):
    return int(machine.expect(rf"LOADER: {what} ([0-9a-f]{{16}})").group(1), 16)


def leaves_boot_services(machine, level, record=None):
    assert loader_says(machine, "exit status") == 0
    assert loader_says(machine, "exception level") == level
    assert loader_says(machine, "registers changed") == 0
    assert not loader_says(machine, "masks changed") & ~0xC0  # firmware masks interrupts
    if record:
        machine.expect(f"LOADER: record {re.escape(record)}")
    assert loader_says(machine, "set variable") == 0
    assert loader_says(machine, "get variable") == 0
    assert loader_says(machine, "variable") == 0x5EED
    assert machine.wait_for_exit() == 0


def test_the_caller_of_exit_boot_services_goes_on_at_el1(uefi):
    """With its stack, registers and memory; runtime services work there."""
    machine = uefi(test_loader("boot"))
    assert loader_says(machine, "starts at exception level") == 2
    leaves_boot_services(machine, 1)


@pytest.mark.full
@pytest.mark.parametrize("cpu", ["max", "neoverse-n1", "cortex-a57"])
def test_a_failed_exit_leaves_firmware_at_el2_and_the_next_is_keel_s(uefi, cpu):
    machine = uefi(test_loader("retry"), cpu=cpu)
    machine.expect(messages.EFI_READY)
    assert loader_says(machine, "exit status") >> 63
    assert loader_says(machine, "exception level") == 2
    assert loader_says(machine, "registers changed") == 0
    leaves_boot_services(machine, 1)


@pytest.mark.full
def test_firmware_that_changed_el2_s_registers_boots_without_keel(uefi):
    machine = uefi(test_loader("regs"))
    machine.expect(messages.EFI_READY)
    machine.expect(messages.EFI_NOT_TAKEN)
    leaves_boot_services(machine, 2, record="error: firmware's TCR_EL2 has bits that Keel does not know")


@pytest.mark.full
def test_a_system_with_less_memory_than_before_boots_without_keel(uefi):
    machine = uefi(test_loader("less"))
    machine.expect(messages.EFI_READY)
    why = "error: firmware's memory map has less memory than before"
    machine.expect(f"keel: {why}: the system boots without Keel")
    leaves_boot_services(machine, 2, record=why)


@pytest.mark.full
def test_firmware_whose_registers_are_unknown_is_found_before_anything_is_changed(uefi):
    machine = uefi(test_loader("spoil"))
    machine.expect(messages.EFI_RETURNED)
    machine.expect("Shell>")
    machine.child.send("FS0:\\EFI\\BOOT\\BOOTAA64.EFI\r")
    machine.expect(r"keel: error: firmware's TCR_EL2 has bits that Keel does not know: .* without Keel")
    machine.expect(messages.EFI_RETURNED)
    machine.expect("Shell>")


@pytest.mark.full
def test_a_loader_that_never_ends_boot_services_stays_at_el2(uefi):
    machine = uefi(test_loader("never"))
    machine.expect(messages.EFI_READY)
    assert loader_says(machine, "starts at exception level") == 2
    assert machine.wait_for_exit() == 0
    assert not re.search(messages.EFI_TAKEN, machine.console)


@pytest.mark.full
def test_after_a_loader_that_returns_firmware_goes_on(uefi):
    machine = uefi(test_loader("return"))
    machine.expect(messages.EFI_READY)
    machine.expect(messages.EFI_RETURNED)
    machine.expect("Shell>")
    machine.child.send("reset -s\r")
    assert machine.wait_for_exit() == 0


@pytest.mark.full
def test_a_named_loader_that_is_not_there_boots_the_next_without_keel(uefi):
    files = grub(keelvm.DEFAULT_KERNEL) | {esp.CONFIG: keel_cfg(r"loader \EFI\lost.efi")}
    machine = uefi(files)
    machine.expect(messages.EFI_WITHOUT)
    machine.wait_for_shell()
    assert not re.search(messages.EFI_BANNER, machine.console)
    assert "started at EL2" in machine.check("dmesg")
    assert machine.run("ls /proc/device-tree/hypervisor").status != 0


@pytest.mark.full
def test_without_any_loader_firmware_goes_on(uefi):
    machine = uefi({})
    machine.expect(messages.EFI_NO_LOADER)
    machine.expect("Shell>")


@pytest.mark.full
def test_what_became_of_keel_is_in_a_variable_for_the_system(uefi):
    machine = uefi({})
    machine.expect("Shell>")
    machine.child.send("dmpstore -all KeelBoot\r")
    machine.expect(r"Variable .*RT\+BS.*B18320BB-1395-45C9-88C2-508A36582F27.*KeelBoot")
    machine.expect(r"\*error: no boot l")


@pytest.mark.full
def test_at_el1_the_machine_boots_without_keel(uefi):
    machine = uefi(grub(keelvm.DEFAULT_KERNEL), virtualization=False)
    machine.expect(r"keel: error: firmware runs at EL1.* starts without Keel")
    machine.wait_for_shell()
    assert machine.check("nproc") == "2"


@pytest.mark.full
def test_garbage_in_keel_cfg_is_reported_and_keel_boots(uefi):
    files = test_loader("boot", config=b"lader \\x\noptions quiet\n\0\xff\n")
    machine = uefi(files)
    for line in ("lader", "options quiet", "keel.cfg is not text"):
        machine.expect(rf"keel: warning: .*{re.escape(line)}")
    leaves_boot_services(machine, 1)


@pytest.mark.full
def test_a_boot_that_fails_with_the_mmu_off_boots_without_keel(uefi):
    """UEFI's memory map has what keel.pa_bits leaves out."""
    machine = uefi(test_loader("boot", config=b"options keel.pa_bits=32\n"), mem="5G")
    machine.expect(r"keel: error: keel.pa_bits: UEFI has memory beyond 32 bits: .* starts without Keel")
    leaves_boot_services(machine, 2)


@pytest.mark.full
def test_a_panic_before_the_host_runs_boots_without_keel(uefi):
    machine = uefi(test_loader("boot", config=b"options keel.selftest=panic\n"), variant="debug")
    machine.expect("panic on CPU 0: asked for by keel.selftest")
    machine.expect(r"keel: error: Keel panicked: .* starts without Keel")
    leaves_boot_services(machine, 2)


@pytest.mark.full
def test_a_small_el2_address_space_holds_what_uefi_passes(uefi):
    machine = uefi(test_loader("boot", config=b"options keel.va_bits=28\n"))
    machine.expect(messages.LAYOUT_BEYOND)
    leaves_boot_services(machine, 1)


@pytest.mark.full
def test_the_shell_starts_keel_efi_with_options(uefi):
    files = {"loader.efi": esp.TEST_LOADER, "keel.cfg": b"", "startup.nsh": b"fs0:\n"}
    machine = uefi(files, keel="keel.efi")
    machine.expect(r"FS0:\\> ")
    machine.child.send("keel.efi keel.console=keep loader=\\loader.efi -- boot\r")
    machine.expect(messages.EFI_READY)
    leaves_boot_services(machine, 1)


# ---- Secure Boot ----


def boots_with_secure_boot(uefi, files):
    """Firmware that starts nothing which it does not trust."""
    return uefi(files, bios=None, extra=esp.SECURE_FIRMWARE)


@pytest.mark.full
def test_with_secure_boot_a_signed_keel_efi_starts_a_signed_loader(uefi, tmp_path):
    keel, loader = esp.sign(tmp_path, keelvm.keel_image("release")), esp.sign(tmp_path, esp.TEST_LOADER)
    machine = boots_with_secure_boot(uefi, test_loader("boot") | {esp.FALLBACK: keel, "loader.efi": loader})
    machine.expect(messages.EFI_READY)
    assert loader_says(machine, "starts at exception level") == 2
    leaves_boot_services(machine, 1)


@pytest.mark.full
def test_with_secure_boot_no_option_without_a_signature_opens_firmware(uefi, tmp_path):
    keel, loader = esp.sign(tmp_path, keelvm.keel_image("release")), esp.sign(tmp_path, esp.TEST_LOADER)
    files = test_loader("boot", config=b"options keel.smc=sip,optee\n")
    machine = boots_with_secure_boot(uefi, files | {esp.FALLBACK: keel, "loader.efi": loader})
    machine.expect("keel: warning: keel.smc is ignored: Secure Boot is on, and the option has no signature")
    leaves_boot_services(machine, 1)
    assert not re.search(r"keel: keel\.smc: ", machine.console)


@pytest.mark.full
def test_with_secure_boot_a_signed_keel_efi_starts_no_loader_without_a_signature(uefi, tmp_path):
    keel = esp.sign(tmp_path, keelvm.keel_image("release"))
    machine = boots_with_secure_boot(uefi, test_loader("boot") | {esp.FALLBACK: keel})
    machine.expect(messages.EFI_NO_LOADER)
    assert "LOADER:" not in machine.console


@pytest.mark.full
def test_with_secure_boot_firmware_does_not_start_keel_efi_without_a_signature(uefi):
    machine = boots_with_secure_boot(uefi, test_loader("boot"))
    machine.expect(r"Access Denied|Security Violation")
    assert "keel:" not in machine.console
