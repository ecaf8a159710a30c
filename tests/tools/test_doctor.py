# SPDX-License-Identifier: BSD-2-Clause
"""keelctl doctor: what it says of systems that are directories, and its exit status.

What needs a device that answers is in tests/guests/test_keelctl.py.
"""

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.search(r'KEEL_VERSION "(.*)"', (ROOT / "include/keel/version.h").read_text()).group(1)
GUID = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
KEEL = "\\EFI\\keel\\keel.efi"
SHIM = "\\EFI\\debian\\shimaa64.efi"
NOT_BELOW, NO_MODULE, VERSIONS, NO_DEVICE = 3, 4, 5, 6


@pytest.fixture(scope="module")
def keelctl(tmp_path_factory):
    """keelctl for this machine."""
    program = tmp_path_factory.mktemp("doctor") / "keelctl"
    sources = sorted((ROOT / "tools/keelctl").glob("*.c"))
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, "-I", ROOT / "include", "-o", program, *sources], timeout=120, check=True)
    return program


class System:
    def __init__(self, keelctl, root):
        self.keelctl, self.root = keelctl, root

    def write(self, path, contents=""):
        path = self.root / path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        return self

    def below_keel(self, version=VERSION):
        self.write("proc/device-tree/hypervisor/compatible", "keel,hypervisor\0")
        return self.write("proc/device-tree/hypervisor/version", version + "\0")

    def module(self, version=VERSION):
        return self.write("sys/module/keel/version", version + "\n")

    def variable(self, name, data):
        return self.write(f"sys/firmware/efi/efivars/{name}-{GUID}", b"\x07\0\0\0" + data)

    def entries(self, order, current, **files):
        """Boot entries of these files, by number; what firmware tries, and what it took."""
        for name, file in files.items():
            number = int(name[1:], 16)
            self.variable(f"Boot{number:04X}", boot_option(Path(file.replace("\\", "/")).parent.name, file))
        self.variable("BootCurrent", struct.pack("<H", current))
        return self.variable("BootOrder", struct.pack(f"<{len(order)}H", *order))

    def doctor(self):
        result = subprocess.run(
            [self.keelctl, "doctor", "--root", self.root], capture_output=True, text=True, timeout=60, check=False
        )
        assert result.stderr == "", result.stderr
        for line in result.stdout.splitlines():
            assert re.match(r"(ok   |note |wrong|     )  \S", line) and len(line) <= 110, line
        return result.returncode, result.stdout


def boot_option(name, file):
    """EFI_LOAD_OPTION: a partition, a file."""
    text = (file + "\0").encode("utf-16-le")
    disk = struct.pack("<BBH", 4, 1, 42) + bytes(38)
    path = disk + struct.pack("<BBH", 4, 4, 4 + len(text)) + text + struct.pack("<BBH", 0x7F, 0xFF, 4)
    return struct.pack("<IH", 1, len(path)) + (name + "\0").encode("utf-16-le") + path


@pytest.fixture
def system(keelctl, tmp_path):
    return System(keelctl, tmp_path)


def test_a_system_without_uefi_needs_a_boot_loader_that_starts_keel(system):
    status, said = system.doctor()
    assert status == NOT_BELOW
    assert "wrong  this kernel does not run below Keel" in said
    assert "Firmware is no UEFI" in said and "install.md" in said
    assert "its own KVM" not in said


def test_stock_kvm_is_recognized(system):
    status, said = system.write("dev/kvm").doctor()
    assert status == NOT_BELOW and "its own KVM's" in said


def test_no_boot_entry(system):
    status, said = system.entries([1], 1, B1=SHIM).doctor()
    assert status == NOT_BELOW and "no boot entry for Keel" in said and "keel-esp install" in said


def test_another_boot_entry_is_first(system):
    status, said = system.entries([1, 2], 1, B1=SHIM, B2=KEEL).doctor()
    assert status == NOT_BELOW
    assert 'The boot entry "debian" is before Keel\'s' in said and "keel-esp install" in said


def test_firmware_started_something_else_although_keel_is_first(system):
    status, said = system.entries([2, 1], 1, B1=SHIM, B2=KEEL).doctor()
    assert status == NOT_BELOW and "firmware started debian" in said and "restart" in said


def test_keel_was_started_and_gave_up(system):
    status, said = system.entries([2, 1], 2, B1=SHIM, B2=KEEL.upper()).doctor()
    assert status == NOT_BELOW and "Firmware started Keel" in said and "keel: error:" in said


def header(name):
    text = (ROOT / "include/keel/hypercall.h").read_text()
    return re.search(rf'#define {name}\s+"(.*)"', text).group(1)


def left(system, text):
    path = f"sys/firmware/efi/efivars/{header('KEEL_EFI_VARIABLE')}-{header('KEEL_EFI_VENDOR')}"
    return system.write(path, b"\x06\0\0\0" + text)


# By whichever entry it was started.
def test_why_keel_gave_up(system):
    left(system.entries([2, 1], 1, B1=SHIM, B2=KEEL), b"error: ACPI: MADT: no CPU")
    status, said = system.doctor()
    assert status == NOT_BELOW and "gave up" in said and '       "ACPI: MADT: no CPU"\n' in said
    assert "restart" not in said


def test_keel_was_ready_and_did_not_take_el2(system):
    left(system.entries([2, 1], 2, B1=SHIM, B2=KEEL), b"ready: \\EFI\\debian\\grubaa64.efi")
    status, said = system.doctor()
    assert status == NOT_BELOW and "was ready" in said and "grubaa64.efi" in said and "serial port" in said


def test_what_keel_left_does_not_matter_below_it(system):
    assert "ready" not in left(system.below_keel(), b"ready: x").doctor()[1]


@pytest.mark.parametrize("record", [b"", b"error", b"error: " + bytes(range(256)) * 2, b"\xff" * 600, b"x" * 5000])
def test_a_damaged_record_does_no_harm(system, record):
    assert left(system.entries([1], 1, B1=SHIM), record).doctor()[0] == NOT_BELOW


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\0\0\0\xff\xff",
        b"\1\0\0\0\xff\xff" + b"A\0" * 500,
        b"\1\0\0\0\x10\0A\0\0\0\4\4\3\0",
        b"\1\0\0\0\x10\0A\0\0\0\4\4\xff\xff" + b"B\0" * 40,
        b"\1\0\0\0\4\0A\0B\0\0\0\4\4\7\0C\0D",
        bytes(range(256)) * 16,
    ],
)
def test_damaged_variables_do_no_harm(system, data):
    system.entries([1, 2], 2, B1=SHIM, B2=SHIM).variable("Boot0002", data)
    assert system.doctor()[0] == NOT_BELOW
    assert system.variable("BootOrder", b"\1").variable("BootCurrent", b"\1").doctor()[0] == NOT_BELOW


def test_acpi_tells_of_keel_as_well(system):
    system.write("sys/bus/acpi/devices/KEEL0001:00/hid", "KEEL0001\n")
    status, said = system.doctor()
    assert status == NO_MODULE and "ok     this kernel runs below Keel\n" in said


def test_no_module_for_this_kernel(system):
    status, said = system.below_keel().doctor()
    assert status == NO_MODULE
    assert f"ok     this kernel runs below Keel {VERSION}" in said and "wrong  keel.ko is not loaded" in said
    assert f"linux-headers-{os.uname().release}" in said


def test_the_module_is_there_and_not_loaded(system):
    dep = f"lib/modules/{os.uname().release}/modules.dep"
    other = "kernel/x/notkeel.ko: kernel/y/keel.ko\nkernel/z.ko:\n"
    assert "dkms autoinstall" in system.below_keel().write(dep, other).doctor()[1]
    system.write(dep, other + "updates/dkms/keel.ko.xz:\n")
    status, said = system.doctor()
    assert status == NO_MODULE and "modprobe keel" in said and "dkms" not in said


def test_no_device(system):
    status, said = system.below_keel().module().doctor()
    assert status == NO_DEVICE and "wrong  there is no /dev/kvm" in said


def test_something_else_in_the_devices_place(system):
    status, said = system.below_keel().module().write("dev/kvm").doctor()
    assert status == NO_DEVICE and "something else" in said


@pytest.mark.parametrize("keel, module", [("0.0", VERSION), (VERSION, "0.0"), ("0.0", "0.0")])
def test_versions_that_differ_are_told(system, keel, module):
    _, said = system.below_keel(keel).module(module).doctor()
    assert f"versions differ: Keel {keel}, keel.ko {module}, keelctl {VERSION}" in said


def test_versions_that_are_the_same_are_not_mentioned(system):
    assert "differ" not in system.below_keel().module().doctor()[1]


def test_the_first_thing_that_is_wrong_decides(system):
    assert system.below_keel("0.0").doctor()[0] == NO_MODULE


def test_a_next_boot_without_keel_is_a_note(system):
    system.below_keel().module().write("usr/lib/keel/keel.efi", "new").write("boot/efi/EFI/keel/keel.efi", "old")
    _, said = system.entries([1, 2], 2, B1=SHIM, B2=KEEL).doctor()
    assert 'note   the next boot is without Keel: the boot entry "debian" is the first one' in said
    assert "note   /boot/efi/EFI/keel/keel.efi is not the package's" in said
    system.write("boot/efi/EFI/keel/keel.efi", "new").entries([2, 1], 2)
    assert "note" not in system.doctor()[1]


def test_wrong_use(keelctl):
    for words in (["--root"], ["now"], ["--root", "/", "now"]):
        result = subprocess.run([keelctl, "doctor", *words], capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 2 and result.stderr.startswith("keelctl: doctor takes")


def test_help_and_manual_have_doctor_and_its_statuses(keelctl):
    text = subprocess.run([keelctl, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    manual = (ROOT / "tools/keelctl.1").read_text()
    assert "doctor [--root DIR]" in text and ".B doctor" in manual
    for status in (NOT_BELOW, NO_MODULE, VERSIONS, NO_DEVICE):
        assert f"{status} " in text and re.search(rf"^{status}$", manual, re.M)
