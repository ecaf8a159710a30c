# SPDX-License-Identifier: BSD-2-Clause
"""The documentation names what is there: files, functions, sections; its lines are of sane width."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = "hyp", "linux", "include", "tools", "tests", "scripts", "mk", "bench", "docs"
WIDTH, ROW = 110, 300
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "tests" / "guest" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
CODE = {".c", ".h", ".S", ".py", ""}

# Linux's and the C library's: not in this tree, and not Keel's to name.
ELSEWHERE = set(
    "arch_timer_select_ppi cpuhp_setup_state folio_referenced fork kick_process load_unaligned_zeropad madvise"
    " memory_failure mmap mprotect mremap munmap pin_user_pages_fast"
    " put_user rcuwait_wake_up set_page_dirty_lock synchronize_rcu task_cpu"
    " xfer_to_guest_mode_handle_work".split()
)
# A kernel's files; what is built; what stands for a name of the reader's choice.
NOT_HERE = re.compile(r"drivers/|tools/testing/|keel\.ko$|.*NAME\.|PMBSR_EL1")

FUNCTION = re.compile(
    r"^(?:__attribute__\(\(\w+\)\) )?(?:[A-Za-z_][\w *]*[ *])?(?P<c>\w+)\("  # C
    r"|^\s*#\s*define (?P<macro>\w+)\("
    r"|^(?P<label>\w+):|\.macro\s+(?P<asm>\w+)"
    r"|^\s*def (?P<py>\w+)\("
    r"|\(\*(?P<pointer>\w+)\)\(",  # of an operations structure
    re.M,
)
PATH = re.compile(r"[\w./-]+\.(?:c|h|S|py|ld|mk|md|ko)")
FOLDER = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*")


def tree():
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    yield from (path for path in ROOT.iterdir() if path.is_file())


def functions_of(path):
    """Names of functions and macros that a file defines or declares."""
    found = FUNCTION.finditer(path.read_text(encoding="utf-8"))
    return {name for match in found for name in match.groups() if name}


FILES = [str(path.relative_to(ROOT)) for path in tree()]
DIRECTORIES = {str(parent) for name in FILES for parent in Path(name).parents}
FUNCTIONS = {name: functions_of(ROOT / name) for name in FILES if Path(name).suffix in CODE}
ALL_FUNCTIONS = set().union(*FUNCTIONS.values())


def named(text):
    """What stands between backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def functions_named(text):
    return [name for word in named(text) for name in re.findall(r"\b([a-z_]\w*)\(\)", word)]


def is_there(name):
    """A path, from the root or from a folder below; or a file's name alone."""
    name = name.rstrip("/")
    return name in DIRECTORIES or any(f == name or f.endswith("/" + name) for f in FILES)


def heading_anchors(text):
    for heading in re.findall(r"^#+ (.*)$", text, re.M):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.fixture(params=PAGES, ids=lambda path: path.name)
def page(request):
    return request.param


def test_every_file_that_a_page_names_is_there(page):
    words = [w for w in named(page.read_text()) if PATH.fullmatch(w) or FOLDER.fullmatch(w)]
    assert [w for w in words if not is_there(w) and not NOT_HERE.match(w)] == []


def test_every_function_that_a_page_names_is_there(page):
    names = set(functions_named(page.read_text()))
    assert sorted(names - ALL_FUNCTIONS - ELSEWHERE) == []


def test_every_link_of_a_page_leads_somewhere(page):
    dead = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", page.read_text()):
        if target.startswith("http"):
            continue
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in heading_anchors(path.read_text())):
            dead.append(f"{target}#{anchor}" if anchor else target)
    assert dead == []


def test_no_line_is_too_wide(page):
    """Of text that can be folded; a table's row cannot, and has its own limit."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    lines = [line for line in text.splitlines() if not line.startswith("    ")]
    assert [x for x in lines if len(x) > (ROW if x.startswith("|") else WIDTH)] == []


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text()
    assert [p.name for p in PAGES if p.parent.name == "docs" and f"({p.name})" not in index] == [
        "README.md"
    ]


def table_rows(text):
    """(file, cells) of each row of a table whose first cell is a file of the tree."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0].strip("`") in FUNCTIONS:
            yield cells[0].strip("`"), cells[1:]


def test_each_step_of_the_tour_is_in_the_file_that_it_names():
    text = (ROOT / "docs" / "tour.md").read_text()
    rows = list(table_rows(text))
    missing = [
        f"{name}() in {file}"
        for file, cells in rows
        for name in functions_named(cells[0])
        if name not in FUNCTIONS[file]
    ]
    assert missing == []
    steps = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(steps) > 40, "a step that names no file of the tree"


def test_the_checks_see_what_is_wrong():
    assert functions_named("`f()` of `a.c`, `g(x)`\n```\n`h()`\n```\n") == ["f"]
    assert not is_there("hyp/no_such.c") and not is_there("pgtable") and is_there("mm/pgtable.c")
    assert "page_pool_alloc" in FUNCTIONS["hyp/mm/page_pool.c"]
    assert "guest_exit" in FUNCTIONS["hyp/vm/enter.S"] and "nowhere" not in ALL_FUNCTIONS
