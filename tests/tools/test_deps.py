# SPDX-License-Identifier: BSD-2-Clause
"""scripts/deps installs everything that is used: scripts/packages names it all.

The proof is a build that finds no other program than those of the listed packages, of what they
depend on, and of a Debian base system with git and make.
"""

import glob
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
DPKG_INFO = Path("/var/lib/dpkg/info")
# What the README asks for before the first command.
GIVEN = {"git", "make", "gcc"}
BASE_PRIORITIES = {"required", "important"}


def listed():
    """[(package, least version, [used programs and files])] from scripts/packages."""
    rows = []
    for line in (ROOT / "scripts" / "packages").read_text().splitlines():
        if line and not line.startswith("#"):
            package, least, *used = line.split()
            rows.append((package, least, used))
    return rows


class Packages:
    """The machine's installed packages and what they need."""

    def __init__(self):
        form = "${Package}|${db:Status-Status}|${Essential}|${Priority}|${Provides}|${Pre-Depends}, ${Depends}\n"
        out = subprocess.run(
            ["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True
        ).stdout
        self.needs = {}
        self.base = set(GIVEN)
        self.providers = {}
        for line in out.splitlines():
            name, status, essential, priority, provides, depends = line.split("|", 5)
            if status != "installed":
                continue
            self.needs[name] = set(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)", depends))
            for virtual in re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)", provides):
                self.providers.setdefault(virtual, set()).add(name)
            if essential == "yes" or priority in BASE_PRIORITIES:
                self.base.add(name)

    def closure(self, names):
        """All of `names` and what they depend on, of what is installed."""
        found, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name in found:
                continue
            if name in self.needs:
                found.add(name)
                todo.extend(self.needs[name])
            else:
                todo.extend(self.providers.get(name, set()) - found)
        return found

    @staticmethod
    def files(package):
        for path in DPKG_INFO.glob(f"{package}.list"):
            yield from path.read_text().splitlines()
        for path in DPKG_INFO.glob(f"{package}:*.list"):
            yield from path.read_text().splitlines()


@pytest.fixture(scope="module")
def packages():
    return Packages()


@pytest.fixture(scope="module")
def allowed(packages):
    return packages.closure({row[0] for row in listed()} | packages.base)


def merged_usr(path):
    return re.sub(r"^/(bin|sbin|lib)/", r"/usr/\1/", path)


def find(item):
    """Where a listed program or file (possibly a pattern) is."""
    if item.startswith("/"):
        return next(iter(sorted(glob.glob(item))), None)
    return shutil.which(item, path="/usr/bin:/usr/sbin")


@pytest.mark.parametrize("package,least,used", listed(), ids=lambda value: value if isinstance(value, str) else "")
def test_package_brings_what_is_used_of_it(packages, package, least, used):
    assert package in packages.needs, f"{package} is not installed: run scripts/deps"
    assert used, "what is it listed for?"
    owned = {merged_usr(path) for name in packages.closure({package}) for path in packages.files(name)}
    for item in used:
        path = find(item)
        assert path, f"there is no {item}"
        candidates = {merged_usr(path), merged_usr(os.path.realpath(path))}
        assert candidates & owned, f"{path} does not come with {package}"


def make_path_dir(directory, packages, allowed):
    """Fill a directory with links to the programs of the allowed packages, and to no others."""
    owned = {merged_usr(path) for name in allowed for path in packages.files(name)}
    for bin_dir in ("/usr/bin", "/usr/sbin"):
        for program in Path(bin_dir).iterdir():
            real = os.path.realpath(program)
            if merged_usr(str(program)) in owned or merged_usr(real) in owned:
                link = directory / program.name
                if not link.exists():
                    link.symlink_to(program)


def test_build_uses_listed_packages_alone(packages, allowed, tmp_path):
    """Build EL2, a unit test, the host's initramfs and a bundle with the listed programs only."""
    programs = tmp_path / "bin"
    programs.mkdir()
    make_path_dir(programs, packages, allowed)
    build = tmp_path / "build"
    build.mkdir()
    (build / "downloads").symlink_to(BUILD / "downloads")
    unit_test = sorted((ROOT / "tests" / "unit").glob("test_*.c"))[0].stem
    targets = [str(build / "release" / "keel.img"), "bundle", str(build / "unit" / unit_test)]
    result = subprocess.run(
        [str(programs / "make"), "-j2", f"BUILD={build}", *targets],
        cwd=ROOT,
        env={"PATH": str(programs), "HOME": str(tmp_path), "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, f"the build failed without unlisted programs:\n{result.stdout[-3000:]}"
    assert "not found" not in result.stdout, result.stdout[-3000:]


def test_nothing_is_done_when_nothing_is_missing(tmp_path):
    """The second run is silent, quick, and asks no archive (apt-get would fail here)."""
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("apt-get", "sudo"):
        (fake / name).write_text("#!/bin/sh\necho no; exit 1\n")
        (fake / name).chmod(0o755)
    stamp = tmp_path / "stamp"
    for _ in range(2):
        result = subprocess.run(
            [ROOT / "scripts" / "deps", stamp],
            env={**os.environ, "PATH": f"{fake}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert stamp.exists()


def run_with_dpkg_without(tmp_path, package, uid0):
    """scripts/deps where dpkg-query does not know `package`; apt-get only tells how it is called."""
    fake = tmp_path / "bin"
    fake.mkdir()
    real = shutil.which("dpkg-query", path="/usr/bin")
    scripts = {
        "dpkg-query": f'{real} "$@" | grep -v " {package} "',
        "apt-get": 'echo "apt-get $*" >&2; exit 1',
        "id": f"echo {0 if uid0 else 1000}",
    }
    for name, body in scripts.items():
        (fake / name).write_text(f"#!/bin/sh\n{body}\n")
        (fake / name).chmod(0o755)
    path = str(fake)
    for name in ("awk", "sed", "dpkg", "grep", "dirname", "realpath", "env", "apt-cache", "bash", "mkdir", "touch"):
        (fake / name).symlink_to(shutil.which(name, path="/usr/bin:/bin"))
    return subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "deps"],
        env={"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_missing_package_is_named_and_fetched(tmp_path):
    result = run_with_dpkg_without(tmp_path, "cppcheck", uid0=True)
    assert "to be installed: cppcheck" in result.stdout
    assert "apt-get" in result.stderr and "update" in result.stderr


def test_without_root_and_sudo_it_says_what_to_do(tmp_path):
    result = run_with_dpkg_without(tmp_path, "cppcheck", uid0=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("deps: not root"), result.stderr
    assert "apt-get" not in result.stderr, "it tried all the same"


def fetches(target, build):
    """What a fresh tree fetches for a target of make: the scripts' command lines.

    A make within it, for the module, fails, because it needs what is fetched.
    """
    result = subprocess.run(
        ["make", "-nk", f"BUILD={build}", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return set(re.findall(r"scripts/fetch-[a-z0-9-]+(?: [a-z0-9.-]+)?", result.stdout))


def test_fetch_brings_what_make_test_uses(tmp_path):
    """After `make fetch` the quick tests need no network."""
    fetched = fetches("fetch", tmp_path)
    assert "scripts/fetch-program kexec" in fetched
    for target in ("run", "test-system", "test-guests"):
        used = fetches(target, tmp_path)
        assert used and used <= fetched, f"{target}: `make fetch` lacks {used - fetched}"
