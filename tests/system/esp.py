# SPDX-License-Identifier: BSD-2-Clause
"""Disks that UEFI boots from: an EFI system partition's file system, without a partition table."""

import subprocess

import keelvm

FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
# What firmware starts from a disk without a boot entry for it.
FALLBACK = "EFI/BOOT/BOOTAA64.EFI"
CONFIG = "EFI/BOOT/keel.cfg"
CMDLINE = f"console=ttyAMA0 {keelvm.QUICK}"  # of a host
ARM64 = keelvm.BUILD / "downloads" / "arm64"
GRUB = ARM64 / "grub/root/usr/lib/grub/arm64-efi/monolithic/grubaa64.efi"
SYSTEMD_BOOT = ARM64 / "systemd-boot/root/usr/lib/systemd/boot/efi/systemd-bootaa64.efi"
# Debian 13's firmware, built to let nothing run from data; and its variables, which are not kept.
AAVMF = ARM64 / "edk2/root/usr/share/AAVMF"
STRICT_FIRMWARE = (
    "-drive",
    f"if=pflash,format=raw,readonly=on,file={AAVMF}/AAVMF_CODE.secboot.strictnx.fd",
    "-drive",
    f"if=pflash,format=raw,snapshot=on,file={AAVMF}/AAVMF_VARS.fd",
)
# Debian 12's firmware with variables that are kept, in flash.
AAVMF_CODE = "/usr/share/AAVMF/AAVMF_CODE.fd"
AAVMF_VARS = "/usr/share/AAVMF/AAVMF_VARS.fd"
# Debian's firmware with a key of its own that it trusts; the key, and what opens it, are in the same package.
SECURE_FIRMWARE = (
    "-drive",
    f"if=pflash,format=raw,readonly=on,file={AAVMF_CODE}",
    "-drive",
    "if=pflash,format=raw,snapshot=on,file=/usr/share/AAVMF/AAVMF_VARS.snakeoil.fd",
)
SECURE_KEY = "/usr/share/qemu-efi-aarch64/PkKek-1-snakeoil.key"
SECURE_CERT = "/usr/share/qemu-efi-aarch64/PkKek-1-snakeoil.pem"
TEST_LOADER = keelvm.BUILD / "host" / "efi" / "loader.efi"


def run(*command, **options):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, **options)


def folders(path):
    """The folders above a path, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def sign(folder, file):
    """An EFI application signed by the key that SECURE_FIRMWARE trusts, in `folder`."""
    key, signed = folder / "key.pem", folder / f"{file.name}.signed"
    run("openssl", "rsa", "-in", SECURE_KEY, "-passin", "pass:snakeoil", "-out", key)
    run("sbsign", "--key", key, "--cert", SECURE_CERT, "--output", signed, file)
    return signed


def write(disk, files, size=192 << 20):
    """A FAT file system of {path: bytes or the path of a file}."""
    with open(disk, "wb") as image:
        image.truncate(size)
    run("mkfs.vfat", "-F", "32", disk)
    made = set()
    for path, contents in files.items():
        for folder in folders(path):
            if folder not in made:
                run("mmd", "-i", disk, f"::{folder}")
                made.add(folder)
        if isinstance(contents, bytes):
            run("mcopy", "-i", disk, "-", f"::{path}", input=contents)
        else:
            run("mcopy", "-i", disk, contents, f"::{path}")
    return disk
