# SPDX-License-Identifier: BSD-2-Clause
"""Linux's KVM selftests on Keel, beside the same kernel's own KVM on the same machine.

The programs are those of two kernels: the host's own, and a later one that has more of them. What each came
to is compared with what it came to there: `selftests.txt` has how each is run, and each result that is not
stock KVM's, or is a failure in both places, with its reason. The table of results, and the end of each
program's output, are left in build/test-logs/clients/.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import keelvm

KERNEL = "kernel-6.12-cloud"
HOST = keelvm.BUILD / "host" / KERNEL
BUILT = keelvm.BUILD / "clients" / "selftests"
VERSIONS = ("6.12", "7.3")
LOGS = keelvm.BUILD / "test-logs" / "clients"
LIST = Path(__file__).with_name("selftests.txt")
OUTPUT_LINES = 12
HUGE_PAGES = 20  # for programs whose guests have memory of that kind

# How a program ends: kselftest's exit statuses, and that of one that timeout(1) has killed.
STATUS = {0: "pass", 4: "skip", 124: "timeout", 137: "timeout", 143: "timeout"}
PLACES = ("keel", "stock")


class Listed:
    """What selftests.txt says of programs, by name or by (name, version), the latter before the former."""

    def __init__(self):
        self.rows = {}

    def add(self, word, row):
        name, _, version = word.partition("@")
        assert not version or version in VERSIONS, word
        key = (name, version) if version else name
        assert key not in self.rows, f"{word} is listed twice"
        self.rows[key] = row

    def get(self, program):
        return self.rows.get(program, self.rows.get(program[0]))

    def is_of(self, programs):
        """Is each row one of a program of @programs?"""
        return set(self.rows) <= set(programs) | {name for name, _ in programs}


def parse_list(text):
    """Of (seconds, arguments), of (on Keel, on stock KVM, reason), and of reasons not to run a program."""
    runs, expected, left = Listed(), Listed(), Listed()
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "expect":
            name, keel, stock, *reason = words[1:]
            assert reason, line
            expected.add(name, (keel, stock, " ".join(reason)))
        elif words[0] == "leave":
            left.add(words[1], " ".join(words[2:]))
        else:
            kind, name, seconds, *arguments = words
            assert kind == "run", line
            runs.add(name, (int(seconds), " ".join(arguments)))
    return runs, expected, left


RUNS, EXPECTED, LEFT = parse_list(LIST.read_text(encoding="utf-8"))


def built():
    """Each program of each version: (name, version)."""
    return [(path.name, version) for version in VERSIONS for path in sorted((BUILT / version / "bin").glob("*"))]


def title(program):
    return "-".join(program)


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
            self.machine.check(f"echo {HUGE_PAGES} >/proc/sys/vm/nr_hugepages")
        return self.machine

    def drop(self):
        if self.machine:
            self.machine.quit()
        self.machine = None

    def run(self, program):
        """Result and output. A program that is skipped, fails or passes says so by its status."""
        name, version = program
        seconds, arguments = RUNS.get(program)
        command = f"timeout -s KILL {seconds} /selftests/{version}/{name} {arguments} >/tmp/out 2>&1 </dev/null"
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
    """Of a program, {place: (result, output)}, each as it comes; the table is written at the end."""
    table = {}
    places = {name: Place(name) for name in PLACES}

    # Both at the same time: they are equally slow if the machine has other things to do.
    with ThreadPoolExecutor(len(PLACES)) as pool:

        def get(program):
            table[program] = dict(zip(PLACES, pool.map(lambda place: places[place].run(program), PLACES)))
            write_table(table)
            return table[program]

        yield get
    for place in places.values():
        place.drop()


def write_table(table):
    lines = ["%-36s %-8s %-8s %s" % ("program", *PLACES, "expected because")]
    for program, row in table.items():
        *_, reason = EXPECTED.get(program) or ("",)
        lines.append("%-36s %-8s %-8s %s" % (title(program), row["keel"][0], row["stock"][0], reason))
    (LOGS / "selftests.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_outputs(program, row):
    text = "".join(f"---- {place}: {result}\n{output}\n" for place, (result, output) in row.items())
    (LOGS / f"{title(program)}.txt").write_text(text, encoding="utf-8")


def test_all_programs_are_listed():
    """None is left out because nobody has looked at it."""
    programs = built()
    assert {version for _, version in programs} == set(VERSIONS)
    assert not [title(program) for program in programs if not (RUNS.get(program) or LEFT.get(program))]
    assert RUNS.is_of(programs) and EXPECTED.is_of(programs) and LEFT.is_of(programs)


@pytest.mark.parametrize("program", built(), ids=title)
def test_a_selftest_gives_what_it_gives_on_stock_kvm(results, program):
    """The result is stock KVM's, or one that is listed with its reason. Two failures are not alike by themselves."""
    name = title(program)
    if LEFT.get(program):
        pytest.skip(LEFT.get(program))
    assert RUNS.get(program), f"{name} is not listed"
    row = results(program)
    write_outputs(program, row)
    got = tuple(row[place][0] for place in PLACES)
    outputs = "\n".join(f"{place}:\n{row[place][1]}" for place in PLACES)
    listed = EXPECTED.get(program)
    if got[1] == "timeout":
        # Stock KVM says nothing here; what Keel does must be listed or good all the same.
        want = [listed[0]] if listed else ["pass", "timeout"]
        assert got[0] in want, f"{name}: {got[0]} on Keel, expected {want}\n{outputs}"
        if got[0] == "timeout":
            pytest.skip(f"neither Keel nor stock KVM is done in {RUNS.get(program)[0]} s")
        return
    want = listed[:2] if listed else (got[1], got[1])
    assert got == want, f"{name}: {got} on Keel and stock KVM, expected {want}\n{outputs}"
    assert listed or got[0] != "fail", f"{name}: fails on both, and no reason is listed\n{outputs}"
