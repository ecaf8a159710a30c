# SPDX-License-Identifier: BSD-2-Clause
"""debian/ agrees with the tree: versions, files of the module, documentation, units."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "debian"


def read(path):
    return (ROOT / path).read_text()


def makefile_variable(name):
    """What the makefile has a variable for."""
    rule = f"print-it: ; @echo '$({name})'"
    result = subprocess.run(
        ["make", "-s", f"--eval={rule}", "print-it"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return result.stdout.strip()


def packages():
    return re.findall(r"^Package: (\S+)$", read("debian/control"), re.M)


def test_the_packages_have_keels_version():
    version = re.match(r"keel \(([^)]+)\)", read("debian/changelog")).group(1)
    assert version == makefile_variable("KEEL_VERSION")


def test_what_is_installed_is_in_the_tree_or_built():
    built = {"build/keel.efi", "build/host/bin/keelctl", "build/host/bin/vmrun"}
    for package in packages():
        for kind in ("install", "manpages", "docs"):
            path = DEBIAN / f"{package}.{kind}"
            for line in path.read_text().splitlines() if path.exists() else []:
                source = line.split()[0]
                assert source in built or (ROOT / source).exists(), f"{path.name}: {source}"


def test_each_program_has_a_manual_page():
    for package in packages():
        path = DEBIAN / f"{package}.install"
        if not path.exists():
            continue
        pages = {Path(line).stem for line in (DEBIAN / f"{package}.manpages").read_text().split()}
        for source, folder in (line.split() for line in path.read_text().splitlines()):
            if folder.endswith("bin"):
                assert Path(source).name in pages, f"{source} has no manual page"


def test_the_module_is_built_from_what_kbuild_names():
    """What debian/rules copies for DKMS is enough."""
    rules = read("debian/rules")
    copied = re.search(r"install -m 644 (linux/.*) \$\(MODULE\)/linux$", rules, re.M).group(1)
    result = subprocess.run(
        f"ls {copied}", shell=True, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    there = set(result.stdout.split())
    kbuild = read("linux/Kbuild").replace("\\\n", " ")
    objects = re.findall(r"\b(\w+)\.o\b", kbuild.split("keel-y :=", 1)[1])
    assert len(objects) > 20
    assert {f"linux/{name}.c" for name in objects} <= there
    assert "install -m 644 include/keel/*.h $(MODULE)/include/keel" in rules
    assert "-I$(src)/../include" in kbuild


def test_every_override_of_lintian_is_argued():
    overrides = list(DEBIAN.glob("*.lintian-overrides"))
    assert overrides
    for path in overrides:
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            assert line.startswith("#") or (number and lines[number - 1].startswith("#")), f"{path.name}: {line}"


def test_the_unit_runs_what_the_package_has():
    unit = read("debian/keel.service")
    programs = re.findall(r"^ExecStart=-?(\S+)", unit, re.M)
    installed = {f"/{folder}/{Path(source).name}" for source, folder in map(str.split, read("debian/keel.install").splitlines())}
    assert set(programs) <= installed | {"/sbin/modprobe"}
    assert "WantedBy=multi-user.target" in unit
