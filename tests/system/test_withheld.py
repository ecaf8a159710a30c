# SPDX-License-Identifier: BSD-2-Clause
"""Firmware that is older than the CPU: features that it does not open are not there, and Keel and its host run."""

import re
import subprocess

import pytest

import keelvm
import messages

FIRMWARE = keelvm.BUILD / "host" / "firmware" / "withhold.bin"
FIRMWARE_ADDRESS = 0x4018_0000
KEEL_ADDRESS = 0x4020_0000
BUNDLE_ADDRESS = 0x4400_0000
DTB_ADDRESS = 0x4A00_0000

# What it keeps of QEMU's largest CPU.
KEPT = {"HCRX_EL2", "HFGRTR_EL2", "ZCR_EL2", "SMCR_EL2", "APIAKeyLo_EL1", "PMCR_EL0", "GCR_EL1"}
GONE = {"sve", "sme", "paca", "mops", "mte"}


def device_tree(path, append, **changes):
    """QEMU's own, with a bundle where the firmware expects it and the firmware's memory reserved."""
    args = keelvm.Config(append=append, bundle=None, **changes).qemu_args()
    args[1] += f",dumpdtb={path}"
    subprocess.run(["qemu-system-aarch64", *args], check=True, capture_output=True, timeout=60)
    end = BUNDLE_ADDRESS + keelvm.bundle().stat().st_size
    chosen = f"""/ {{ chosen {{ bootargs = "{append}";
        linux,initrd-start = <{BUNDLE_ADDRESS:#x}>; linux,initrd-end = <{end:#x}>; }}; }};"""
    source = subprocess.run(["dtc", "-q", "-O", "dts", path], check=True, capture_output=True).stdout.decode()
    reserve = f"/dts-v1/;\n/memreserve/ {FIRMWARE_ADDRESS:#x} 0x10000;\n"
    source = source.replace("/dts-v1/;", reserve, 1) + chosen
    path.write_bytes(
        subprocess.run(["dtc", "-q", "-O", "dtb"], input=source.encode(), check=True, capture_output=True).stdout
    )
    return path


@pytest.mark.parametrize("e2h,variant", [(0, "debug"), (1, "release")])
def test_features_that_firmware_keeps_are_absent(start, tmp_path, e2h, variant):
    tree = device_tree(tmp_path / "tree", f"keel.console=keep keel.e2h={e2h}", smp=1)
    machine = start(
        smp=1,
        loads=(
            (FIRMWARE, FIRMWARE_ADDRESS),
            (keelvm.keel_image(variant), KEEL_ADDRESS),
            (keelvm.bundle(), BUNDLE_ADDRESS),
            (tree, DTB_ADDRESS),
        ),
        extra=("-machine", "secure=on,mte=on"),
    ).wait_for_shell()
    kept = re.findall(messages.WITHHELD, machine.console)
    assert set(kept) >= KEPT and len(set(kept)) == len(kept), kept
    features = set(re.findall(r"\w+", machine.check("grep -m1 Features /proc/cpuinfo")))
    assert "asimd" in features and not features & GONE, features
    assert not re.search(messages.KEEL_ERROR, machine.console, re.M)
