# SPDX-License-Identifier: BSD-2-Clause
"""Each tool's manual page has the options and commands of its --help, and no others."""

import re
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
LONG = re.compile(r"--[a-z][a-z-]*")


def help_in_source(path):
    """The strings of a C program's help, a line each: the program itself is for arm64."""
    text = (TOOLS / path).read_text()
    strings = re.search(r'"usage: .*?;\n', text, re.S).group()
    return "\n".join(re.findall(r'^\s*"(.*)\\n"', strings, re.M))


def help_of(program):
    return subprocess.run([TOOLS / program, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout


def manual(page):
    """A page's text without what sets fonts."""
    text = (TOOLS / page).read_text().replace("\\-", "-").replace('"', " ")
    return re.sub(r"\\f.", "", text)


def entries(page):
    """What the page's lists explain: the line below each .TP, without its macro."""
    return [re.sub(r"^\.[A-Z]+ ", "", line) for line in re.findall(r"^\.TP\n(.*)$", manual(page), re.M)]


HELPS = {
    "vmrun.1": lambda: help_in_source("vmrun/options.c"),
    "keelctl.1": lambda: help_in_source("keelctl/keelctl.c"),
    "mkbundle.1": lambda: help_of("mkbundle"),
    "keel-esp.8": lambda: help_of("keel-esp"),
}


@pytest.mark.parametrize("page", HELPS)
def test_options_are_those_of_the_help(page):
    options = re.findall(r"^ +(?:-\w(?: \w+)?, )?(--[a-z-]+)|\[(--root) ", HELPS[page](), re.M)
    of_help = {a or b for a, b in options}
    of_page = {option for entry in entries(page) for option in LONG.findall(entry)}
    assert of_help and of_page == of_help


@pytest.mark.parametrize("page", ["keelctl.1", "keel-esp.8"])
def test_commands_are_those_of_the_help(page):
    of_help = set(re.findall(r"^  ([a-z][a-z0-9]*)\b", HELPS[page](), re.M))
    of_page = {m.group() for m in (re.match(r"[a-z][a-z0-9]*", entry) for entry in entries(page)) if m}
    assert of_help and of_help <= of_page


@pytest.mark.parametrize("page", ["vmrun.1", "keelctl.1", "keel-esp.8"])
def test_exit_statuses_are_those_of_the_help(page):
    told = re.search(r"^Exit status: (.*?)\.$", HELPS[page](), re.M | re.S)
    assert told
    of_help = set(re.findall(r"\b[0-9]\b", told.group(1)))
    section = re.search(r"^\.SH EXIT STATUS\n(.*?)(?=^\.SH|\Z)", manual(page), re.M | re.S)
    listed = re.findall(r"^\.TP\n(?:\.B )?([0-9])$", manual(page), re.M)
    assert of_help <= set(listed) | set(re.findall(r"\b[0-9]\b", section.group(1)))
