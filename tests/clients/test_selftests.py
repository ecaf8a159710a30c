# SPDX-License-Identifier: BSD-2-Clause
"""Linux's KVM selftests on Keel, beside the same kernel's own KVM on the same machine.

What each program came to is compared with what it came to there: `selftests.txt` has how each is run,
and each result that is not stock KVM's, or is a failure in both places, with its reason. The table of
results, and the end of each program's output, are left in build/test-logs/clients/.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import keelvm

KERNEL = "kernel-6.12-cloud"
HOST = keelvm.BUILD / "host" / KERNEL
PROGRAMS = keelvm.BUILD / "clients" / "selftests" / "6.12" / "bin"
LOGS = keelvm.BUILD / "test-logs" / "clients"
LIST = Path(__file__).with_name("selftests.txt")
OUTPUT_LINES = 12

# How a program ends: kselftest's exit statuses, and that of one that timeout(1) has killed.
STATUS = {0: "pass", 4: "skip", 124: "timeout", 137: "timeout", 143: "timeout"}
PLACES = ("keel", "stock")


def parse_list(text):
    """{program: (seconds, arguments)}, {program: (on Keel, on stock KVM, reason)}"""
    runs, expected = {}, {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "expect":
            name, keel, stock, *reason = words[1:]
            assert name not in expected and reason, line
            expected[name] = (keel, stock, " ".join(reason))
        else:
            kind, name, seconds, *arguments = words
            assert kind == "run" and name not in runs, line
            runs[name] = (int(seconds), " ".join(arguments))
    return runs, expected


RUNS, EXPECTED = parse_list(LIST.read_text(encoding="utf-8"))


class Place:
    """A host in which programs run, one after the other; another one if it has died or hangs."""

    def __init__(self, name):
        self.name = name
        self.machine = None
        self.boots = 0

    def config(self):
        changes = {"mem": "2G", "bundle": HOST / "clients-bundle.cpio", "append": "quiet keel.console=keep"}
        if self.name == "stock":
            changes = {
                "mem": "2G",
                "image": keelvm.kernel_image(KERNEL),
                "bundle": HOST / "clients-initrd",
                "append": "console=ttyAMA0 quiet",
            }
        return keelvm.Config(**changes)

    def host(self):
        if not self.machine:
            self.boots += 1
            LOGS.mkdir(parents=True, exist_ok=True)
            self.machine = keelvm.Machine(self.config(), LOGS / f"host-{self.name}.{self.boots}.log")
            self.machine.wait_for_shell()
            on_keel = self.machine.run("test -d /sys/module/keel").status == 0
            assert on_keel == (self.name == "keel"), f"whose KVM is this, on {self.name}?"
            self.machine.check("mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm; mount -t debugfs d /sys/kernel/debug")
        return self.machine

    def drop(self):
        if self.machine:
            self.machine.quit()
        self.machine = None

    def run(self, name):
        """Result and output. A program that is skipped, fails or passes says so by its status."""
        seconds, arguments = RUNS[name]
        command = f"timeout -s KILL {seconds} /selftests/{name} {arguments} >/tmp/out 2>&1 </dev/null"
        try:
            machine = self.host()
            status = machine.run(command, seconds + 60).status
            output = machine.run(f"tail -n {OUTPUT_LINES} /tmp/out", 60).output
        except keelvm.ConsoleError as error:
            self.drop()
            return "hang", str(error)
        return STATUS.get(status, "fail"), output


@pytest.fixture(scope="module")
def results():
    """{program: {place: (result, output)}}, each as it comes; the table is written at the end."""
    table = {}
    places = {name: Place(name) for name in PLACES}

    # Both at the same time: they are equally slow if the machine has other things to do.
    with ThreadPoolExecutor(len(PLACES)) as pool:

        def get(name):
            table[name] = dict(zip(PLACES, pool.map(lambda place: places[place].run(name), PLACES)))
            write_table(table)
            return table[name]

        yield get
    for place in places.values():
        place.drop()


def write_table(table):
    lines = ["%-36s %-8s %-8s %s" % ("program", *PLACES, "expected because")]
    for name, row in table.items():
        reason = EXPECTED[name][2] if name in EXPECTED else ""
        lines.append("%-36s %-8s %-8s %s" % (name, row["keel"][0], row["stock"][0], reason))
    (LOGS / "selftests.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_outputs(name, row):
    text = "".join(f"---- {place}: {result}\n{output}\n" for place, (result, output) in row.items())
    (LOGS / f"{name}.txt").write_text(text, encoding="utf-8")


def test_all_programs_are_listed():
    """None is left out because nobody has looked at it."""
    built = {path.name for path in PROGRAMS.iterdir()}
    assert set(RUNS) == built
    assert set(EXPECTED) <= built


@pytest.mark.parametrize("name", sorted(RUNS))
def test_selftest(results, name):
    """The result is stock KVM's, or one that is listed with its reason. Two failures are not alike by themselves."""
    row = results(name)
    write_outputs(name, row)
    got = tuple(row[place][0] for place in PLACES)
    outputs = "\n".join(f"{place}:\n{row[place][1]}" for place in PLACES)
    if got[1] == "timeout":
        # Stock KVM says nothing here; what Keel does must be listed or good all the same.
        want = [EXPECTED[name][0]] if name in EXPECTED else ["pass", "timeout"]
        assert got[0] in want, f"{name}: {got[0]} on Keel, expected {want}\n{outputs}"
        if got[0] == "timeout":
            pytest.skip(f"neither Keel nor stock KVM is done in {RUNS[name][0]} s")
        return
    want = EXPECTED[name][:2] if name in EXPECTED else (got[1], got[1])
    assert got == want, f"{name}: {got} on Keel and stock KVM, expected {want}\n{outputs}"
    assert name in EXPECTED or got[0] != "fail", f"{name}: fails on both, and no reason is listed\n{outputs}"
