# SPDX-License-Identifier: BSD-2-Clause
"""keel-esp: files and boot entries as they should be, wherever the power fails.

The EFI system partition is a directory, efibootmgr a program that keeps its entries in a file.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "keel-esp"
PARTUUID = "0f0e0d0c-0000-4000-8000-000000000001"
OTHER_PARTUUID = "0f0e0d0c-0000-4000-8000-000000000002"
KEEL = r"\EFI\keel\keel.efi"
SHIM = r"\EFI\debian\shimaa64.efi"

# Options as efibootmgr 17 and 18 have them; the form of a line differs between the two.
EFIBOOTMGR = r"""#!/usr/bin/python3 -IS
import json, os, sys

path = os.environ["FAKE_NVRAM"]
nvram = json.load(open(path))
args = sys.argv[1:]
if nvram.get("broken"):
    sys.exit("EFI variables are not supported on this system.")
if "-C" in args or "-o" in args or "-B" in args or "-n" in args:
    if nvram.get("full"):
        sys.exit("Could not prepare Boot variable: No space left on device")

def value(option):
    return args[args.index(option) + 1]

if "-C" in args:
    number = next(n for n in (f"{i:04X}" for i in range(65536)) if n not in nvram["entries"])
    nvram["entries"][number] = [value("-L"), os.environ["FAKE_PARTUUID"], value("-l")]
elif "-o" in args:
    order = value("-o").split(",")
    if not set(order) <= set(nvram["entries"]):
        sys.exit("Invalid BootOrder order entry value")
    nvram["order"] = order
elif "-B" in args:
    del nvram["entries"][value("-b")]
    nvram["order"] = [n for n in nvram["order"] if n != value("-b")]
elif "-n" in args:
    nvram["next"] = value("-n")
else:
    print("BootCurrent: 0001\nTimeout: 3 seconds")
    if nvram["order"]:
        print("BootOrder: " + ",".join(nvram["order"]))
    for number, (label, partuuid, file) in sorted(nvram["entries"].items()):
        line = f"Boot{number}* {label}"
        kind = "GPT" if len(partuuid) > 11 else "MBR"
        partuuid = partuuid if kind == "GPT" or not partuuid else f"0x{int(partuuid[:8], 16):x}"
        if "-v" in args:
            file = f"/File({file})" if nvram.get("old_form") else "/" + file
            line += f"\tHD(1,{kind},{partuuid},0x800,0x1f800){file}" if partuuid else "\tFvVol(7cb8)/FvFile(462c)"
        print(line)
json.dump(nvram, open(path + ".new", "w"))
os.rename(path + ".new", path)
"""

# Each command that changes something is counted (efibootmgr with an option but -v). At the one of the number CUT the power fails, and
# of a copy half is written.
CUT = r"""#!/bin/bash
[ NAME = efibootmgr ] && [ "${1:--v}" = -v ] && exec REAL "$@"
n=$(($(<"$CUT_COUNT") + 1))
echo $n >"$CUT_COUNT"
if [ $n = "${CUT_AT:-0}" ]; then
	[ NAME = cp ] && head -c $(($(stat -c %s "$1") / 2)) "$1" >"$2"
	kill -9 $PPID
	exit 1
fi
exec REAL "$@"
"""


class Machine:
    """A directory that is the whole system, and firmware's variables."""

    def __init__(self, folder, old_form=False):
        self.root = folder / "root"
        self.esp = self.root / "boot" / "efi"
        self.nvram_file = folder / "nvram"
        self.bin = folder / "bin"
        self.old_form = old_form
        self.image = b"MZ keel " * 1000
        for name in ("boot/efi/EFI/debian", "boot/efi/EFI/BOOT", "etc/keel", "etc/default", "usr/lib/keel"):
            (self.root / name).mkdir(parents=True)
        (self.root / "sys/firmware/efi/efivars").mkdir(parents=True)
        for name in ("debian/shimaa64.efi", "BOOT/BOOTAA64.EFI"):
            (self.esp / "EFI" / name).write_bytes(b"MZ loader")
        (self.root / "usr/lib/keel/keel.efi").write_bytes(self.image)
        (self.root / "etc/keel/keel.cfg").write_text("options keel.console=keep\n" * 10)
        self.count = folder / "count"
        self.make_programs()
        self.write(
            {"0000": ["UiApp", "", ""], "0001": ["debian", PARTUUID, SHIM]},
            ["0001", "0000"],
        )

    def make_programs(self):
        self.bin.mkdir()
        (self.bin / "efibootmgr.real").write_text(EFIBOOTMGR)
        for name in ("cp", "mv", "rm", "rmdir", "mkdir", "sync", "efibootmgr"):
            real = self.bin / "efibootmgr.real" if name == "efibootmgr" else shutil.which(name)
            (self.bin / name).write_text(CUT.replace("NAME", name).replace("REAL", str(real)))
        for program in self.bin.iterdir():
            program.chmod(0o755)

    def write(self, entries, order, **more):
        nvram = {"entries": entries, "order": order, "old_form": self.old_form, **more}
        self.nvram_file.write_text(json.dumps(nvram))

    def change(self, **more):
        self.nvram_file.write_text(json.dumps({**self.nvram, **more}))

    @property
    def nvram(self):
        return json.loads(self.nvram_file.read_text())

    @property
    def order(self):
        return [self.nvram["entries"][number][0] for number in self.nvram["order"]]

    def run(self, *arguments, cut=0, **more):
        self.count.write_text("0")
        environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "KEEL_SYSROOT": str(self.root),
            "KEEL_ESP": str(self.esp),
            "KEEL_ESP_DISK": "/dev/vda",
            "KEEL_ESP_PART": "1",
            "KEEL_ESP_PARTUUID": PARTUUID,
            "FAKE_NVRAM": str(self.nvram_file),
            "FAKE_PARTUUID": PARTUUID,
            "CUT_COUNT": str(self.count),
            "CUT_AT": str(cut),
            **more,
        }
        environment = {name: text for name, text in environment.items() if text is not None}
        return subprocess.run(
            ["/bin/sh", SCRIPT, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def good(self, *arguments, **more):
        result = self.run(*arguments, **more)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def steps(self):
        return int(self.count.read_text())

    def file(self, name):
        return self.esp / "EFI" / "keel" / name

    def assert_boots(self):
        """What firmware would start is there and whole; what it started before still follows."""
        for number in self.nvram["order"]:
            assert number in self.nvram["entries"], "a boot order with an entry that is not there"
        assert "debian" in self.order
        for _, _, file in self.nvram["entries"].values():
            if file == KEEL:
                assert self.file("keel.efi").read_bytes() in (self.image, b"MZ the version before")

    def assert_installed(self):
        assert self.order == ["Keel", "debian", "UiApp"]
        assert sorted(os.listdir(self.file(""))) == ["keel.cfg", "keel.efi"]
        assert self.file("keel.efi").read_bytes() == self.image
        assert self.file("keel.cfg").read_text() == (self.root / "etc/keel/keel.cfg").read_text()

    def assert_as_before(self):
        assert (self.order, len(self.nvram["entries"])) == (["debian", "UiApp"], 2)
        assert not self.file("").exists()
        assert (self.esp / "EFI/debian/shimaa64.efi").read_bytes() == b"MZ loader"


@pytest.fixture(params=[True, False], ids=["efibootmgr17", "efibootmgr18"])
def machine(request, tmp_path):
    return Machine(tmp_path, request.param)


@pytest.fixture
def newest(tmp_path):
    return Machine(tmp_path)


def test_keel_is_first_and_what_was_first_is_next(machine):
    said = machine.good("install")
    machine.assert_installed()
    assert "wrote" in said and 'made the boot entry "Keel"' in said
    assert machine.nvram["entries"][machine.nvram["order"][0]] == ["Keel", PARTUUID, KEEL]


def test_the_second_time_changes_nothing(machine):
    machine.good("install")
    before = machine.nvram
    assert machine.good("install") == ""
    assert machine.nvram == before


@pytest.mark.parametrize("signature", ["d00dfeed-01", "000c86b9-01", "00000000-01"])
def test_a_disk_with_an_mbr(machine, signature):
    for _ in range(2):
        machine.good("install", KEEL_ESP_PARTUUID=signature, FAKE_PARTUUID=signature)
    assert machine.order == ["Keel", "debian", "UiApp"]
    assert len(machine.nvram["entries"]) == 3
    machine.good("remove", KEEL_ESP_PARTUUID=signature, FAKE_PARTUUID=signature)
    machine.assert_as_before()


def test_numbers_without_an_entry_leave_the_boot_order(machine):
    machine.change(order=["100F", "0001", "0000"])
    machine.good("install")
    machine.assert_installed()


def test_the_partition_may_be_named_in_the_defaults(machine):
    (machine.root / "etc/default/keel").write_text(f"KEEL_ESP={machine.esp} KEEL_ESP_DISK=/dev/vda KEEL_ESP_PART=1\n")
    machine.good("install", KEEL_ESP=None, KEEL_ESP_DISK=None, KEEL_ESP_PART=None)
    machine.assert_installed()


def test_with_secure_boot_an_unsigned_keel_is_not_put_first(newest):
    secure = newest.root / "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    secure.write_bytes(b"\x06\0\0\0\x01")
    image = bytearray(1024)
    image[60] = 64
    image[64 + 132] = 6
    newest.image = bytes(image)
    (newest.root / "usr/lib/keel/keel.efi").write_bytes(newest.image)
    assert "is not signed" in newest.good("install")
    assert newest.order == ["debian", "UiApp"]
    image[64 + 173] = 8
    newest.image = bytes(image)
    (newest.root / "usr/lib/keel/keel.efi").write_bytes(newest.image)
    newest.good("install")
    newest.assert_installed()


def test_removal_brings_back_what_was(machine):
    machine.good("install")
    machine.good("remove")
    machine.assert_as_before()
    machine.good("remove")
    machine.assert_as_before()


def test_the_users_files_beside_keel_stay(machine):
    machine.good("install")
    machine.file("notes").write_text("mine")
    machine.good("remove")
    assert os.listdir(machine.file("")) == ["notes"]


def test_a_loader_that_made_itself_first_is_next_again(machine):
    machine.good("install")
    order = machine.nvram["order"]
    machine.change(order=[order[1], order[0], order[2]])
    assert machine.order[0] == "debian"
    machine.good("install")
    machine.assert_installed()


def test_the_administrator_may_keep_the_boot_order(machine):
    (machine.root / "etc/default/keel").write_text("BOOT_FIRST=no\n")
    machine.good("install")
    assert machine.order == ["debian", "UiApp"]
    assert machine.file("keel.efi").read_bytes() == machine.image
    machine.good("once")
    assert machine.nvram["entries"][machine.nvram["next"]][2] == KEEL
    assert machine.order == ["debian", "UiApp"]
    machine.good("remove")
    machine.assert_as_before()


def test_once_without_an_entry_says_what_to_do(machine):
    result = machine.run("once")
    assert result.returncode == 1 and "run keel-esp install" in result.stderr


def test_keel_of_another_disk_is_left_alone(machine):
    entries = machine.nvram["entries"] | {"0002": ["Keel", OTHER_PARTUUID, KEEL]}
    machine.change(entries=entries, order=["0002", "0001", "0000"])
    machine.good("install")
    assert machine.nvram["entries"][machine.nvram["order"][0]] == ["Keel", PARTUUID, KEEL]
    machine.good("remove")
    assert machine.nvram["order"] == ["0002", "0001", "0000"]


@pytest.mark.parametrize("order", [[], ["0000"]])
def test_without_an_entry_of_a_loader_there_is_a_fallback(machine, order):
    machine.change(entries={"0000": ["UiApp", "", ""]}, order=order)
    machine.good("install")
    assert machine.order[:2] == ["Keel", "Linux without Keel"]
    assert machine.nvram["entries"][machine.nvram["order"][1]][1:] == [PARTUUID, SHIM]
    before = machine.nvram
    machine.good("install")
    assert machine.nvram == before
    machine.good("remove")
    assert machine.nvram["order"] == order and list(machine.nvram["entries"]) == ["0000"]


def test_a_loader_that_came_later_is_next_not_the_fallback(machine):
    machine.change(entries={}, order=[])
    machine.good("install")
    keel, fallback = machine.nvram["order"]
    entries = machine.nvram["entries"] | {"0007": ["debian", PARTUUID, SHIM]}
    machine.change(entries=entries, order=["0007", keel, fallback])
    machine.good("install")
    assert machine.order == ["Keel", "debian", "Linux without Keel"]


def test_the_fallback_stays_where_nothing_else_would_boot(machine):
    machine.change(entries={}, order=[])
    machine.good("install")
    (machine.esp / "EFI/BOOT/BOOTAA64.EFI").unlink()
    machine.good("remove")
    assert machine.order == ["Linux without Keel"]


def test_upgrade_replaces_the_file_alone(machine):
    machine.good("install")
    before = machine.nvram
    machine.image = b"MZ keel, the next version"
    (machine.root / "usr/lib/keel/keel.efi").write_bytes(machine.image)
    machine.good("install")
    machine.assert_installed()
    assert machine.nvram == before


def cuts(machine, command, tmp_path, before):
    """Cut `command` off at each of its steps, on a machine that `before` has prepared."""
    before(machine)
    machine.good(command)
    steps = machine.steps()
    assert steps > 5
    for step in range(1, steps + 1):
        fresh = Machine(tmp_path / f"{command}{step}", machine.old_form)
        before(fresh)
        assert fresh.run(command, cut=step).returncode == -9, f"step {step} was not reached"
        fresh.assert_boots()
        yield fresh


def test_power_may_fail_at_each_step_of_an_installation(newest, tmp_path):
    for cut_off in cuts(newest, "install", tmp_path, lambda _: None):
        cut_off.good("install")
        cut_off.assert_installed()


def test_power_may_fail_at_each_step_of_an_upgrade(newest, tmp_path):
    def older(fresh):
        new = fresh.root / "usr/lib/keel/keel.efi"
        new.write_bytes(b"MZ the version before")
        fresh.good("install")
        new.write_bytes(fresh.image)

    for cut_off in cuts(newest, "install", tmp_path, older):
        assert cut_off.order == ["Keel", "debian", "UiApp"]
        cut_off.good("install")
        cut_off.assert_installed()


def test_power_may_fail_at_each_step_of_a_removal(newest, tmp_path):
    for cut_off in cuts(newest, "remove", tmp_path, lambda fresh: fresh.good("install")):
        cut_off.good("remove")
        cut_off.assert_as_before()


def test_a_removal_that_was_cut_off_can_be_turned_back(newest, tmp_path):
    for cut_off in cuts(newest, "remove", tmp_path, lambda fresh: fresh.good("install")):
        cut_off.good("install")
        cut_off.assert_installed()


def test_a_full_partition_is_one_line_and_changes_nothing(machine):
    (machine.bin / "cp").write_text("#!/bin/sh\nhead -c 9 \"$1\" >\"$2\"\necho 'No space left' >&2\nexit 1\n")
    result = machine.run("install")
    assert result.returncode == 1 and "is the EFI system partition full" in result.stderr
    assert machine.order == ["debian", "UiApp"]
    assert os.listdir(machine.file("")) == []


def test_variables_without_room_are_one_line_and_change_nothing(machine):
    machine.change(full=True)
    result = machine.run("install")
    assert result.returncode == 1 and "the machine boots as before" in result.stderr
    assert machine.order == ["debian", "UiApp"]


@pytest.mark.parametrize("how", ["broken", "read-only"])
def test_firmware_without_boot_entries_gets_the_files(machine, how):
    efivars = machine.root / "sys/firmware/efi/efivars"
    if how == "broken":
        machine.change(broken=True)
    else:
        efivars.rmdir()
    result = machine.run("install")
    assert result.returncode == 3 and "have firmware start" in result.stderr
    assert machine.file("keel.efi").read_bytes() == machine.image
    machine.good("remove")
    assert not machine.file("").exists()


def test_a_machine_without_uefi_is_told_so(machine):
    shutil.rmtree(machine.root / "sys/firmware/efi")
    for command in ("install", "remove", "once"):
        result = machine.run(command, KEEL_ESP=None)
        assert result.returncode == 3 and "not booted by UEFI" in result.stderr


def test_a_partition_that_is_not_mounted_is_told(machine):
    result = machine.run("install", KEEL_ESP=None)
    assert result.returncode == 3 and "no EFI system partition is mounted" in result.stderr
    assert not machine.file("").exists()


def test_a_place_in_the_defaults_where_nothing_is_mounted_is_not_written_to(machine):
    for command in ("install", "remove", "once"):
        result = machine.run(command, KEEL_ESP_DISK=None)
        assert result.returncode == 3 and "no EFI system partition is mounted" in result.stderr
        assert command == "remove" or str(machine.esp) in result.stderr
    machine.assert_as_before()


NOT_MOUNTED = {"KEEL_ESP": None, "KEEL_ESP_DISK": None, "KEEL_ESP_PART": None, "KEEL_ESP_PARTUUID": None}


def test_removal_without_the_partition_takes_the_entry_and_tells_what_is_left(machine):
    machine.good("install")
    for _ in range(2):
        result = machine.run("remove", **NOT_MOUNTED)
        assert result.returncode == 3 and "files stay on it" in result.stderr and "EFI/keel" in result.stderr
        assert machine.order == ["debian", "UiApp"]
        assert machine.file("keel.efi").exists()
    machine.good("remove")  # it is mounted again
    machine.assert_as_before()


def test_removal_without_the_partition_leaves_the_entries_of_several_systems(machine):
    machine.good("install")
    nvram = machine.nvram
    entries = {**nvram["entries"], "0009": ["Keel", OTHER_PARTUUID, KEEL]}
    machine.change(entries=entries, order=[*nvram["order"], "0009"])
    before = machine.nvram
    result = machine.run("remove", **NOT_MOUNTED)
    assert result.returncode == 3 and "several disks" in result.stdout and "0009" in result.stdout
    assert machine.nvram == before


def test_removal_without_the_partition_and_boot_entries_says_that_keel_goes_on_to_start(machine):
    machine.good("install")
    machine.change(broken=True)
    result = machine.run("remove", **NOT_MOUNTED)
    assert result.returncode == 3 and "firmware goes on to start Keel" in result.stdout


def test_wrong_use_is_usage(machine):
    assert machine.good("--help").startswith("usage: keel-esp install | remove | once")
    for words in ((), ("bogus",), ("install", "now")):
        result = machine.run(*words)
        assert result.returncode == 2 and result.stderr.startswith("usage:")


def test_manual_has_each_command_and_status():
    manual = SCRIPT.with_suffix(".8").read_text()
    assert set(re.findall(r"^\.B (install|remove|once)$", manual, re.M)) == {"install", "remove", "once"}
    for word in ("KEEL_ESP", "BOOT_FIRST", "keel.cfg"):
        assert word in manual
