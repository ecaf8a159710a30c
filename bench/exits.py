# SPDX-License-Identifier: BSD-2-Clause
"""How often a guest was left, by the list of exceptions that QEMU writes (`-d int`).

An exit is an exception that is taken to EL2 from a lower Exception level. A host that has EL2 itself takes
its processes' system calls there, and a host on Keel calls EL2 by HVC: neither is counted. Guests mark what
is of interest by exceptions that nobody else takes (bench/guest/guest.c, kernel.S).
"""

import collections
import re
import threading

MARK = 0xBE00  # the first immediate of an HVC that is a mark
ROUND_BEGINS, ROUND_ENDS, OPERATION_ENDS = range(3)
# ISS of the load that begins a boot: valid, one byte with sign to the 64 bits of x10.
BOOT_MASK, BOOT_ISS = 0x1FF8040, 1 << 24 | 1 << 21 | 10 << 16 | 1 << 15

SVC, HVC, SMC, SYSREG, DATA_ABORT = 0x15, 0x16, 0x17, 0x18, 0x24
IRQ = "IRQ"


def sysreg(iss):
    """Its name in the assembler's way, with R or W."""
    op0, op2, op1, crn, crm = iss >> 20 & 3, iss >> 17 & 7, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15
    return f"S{op0}_{op1}_C{crn}_C{crm}_{op2} {'R' if iss & 1 else 'W'}"


def events(lines):
    """(class, ISS) of each exception to EL2 from below; the class of an interrupt is its name."""
    kind = below = None
    for line in lines:
        if line.startswith("Taking exception"):
            kind, below = line[line.find("[") + 1 : line.rfind("]")], False
        elif line.startswith("...from EL"):
            below = line.startswith(("...from EL0 to EL2", "...from EL1 to EL2"))
        elif below and line.startswith("...with ESR"):
            match = re.match(r"\.\.\.with ESR 0x([0-9a-f]+)/0x([0-9a-f]+)", line)
            if kind in (IRQ, "FIQ"):
                yield IRQ, 0
            elif match:
                yield int(match.group(1), 16), int(match.group(2), 16) & 0x1FFFFFF
            below = False


class Counter:
    """Exits by rounds of operations, and of boots."""

    def __init__(self):
        self.operations = []  # a list for each operation: exits of each round
        self.kinds = []  # a collections.Counter for each operation: exits of all rounds, by class and register
        self.boots = []  # a collections.Counter for each: exits by class and register
        self._rounds, self._count, self._open = [], None, collections.Counter()
        self._kinds = collections.Counter()

    def _mark(self, number):
        if number == ROUND_BEGINS:
            self._count = 0
        elif number == ROUND_ENDS and self._count is not None:
            self._rounds.append(self._count)
            self._count = None
        elif number == OPERATION_ENDS:
            self.operations.append(self._rounds)
            self.kinds.append(self._kinds)
            self._rounds, self._kinds = [], collections.Counter()

    def add(self, event):
        ec, iss = event
        if ec == HVC and MARK <= iss & 0xFFFF <= MARK + OPERATION_ENDS:
            self._mark((iss & 0xFFFF) - MARK)
            return
        if ec == SVC:
            return
        kind = sysreg(iss) if ec == SYSREG else ec
        if self._count is not None:
            self._count += 1
            self._kinds[kind] += 1
        if ec == DATA_ABORT and iss & BOOT_MASK == BOOT_ISS:
            self.boots.append(collections.Counter())
            self._open.clear()
        elif self.boots and ec not in (HVC, SMC):
            self._open[kind] += 1
            if ec == DATA_ABORT:  # a guest's last exits write its last words to the serial port
                self.boots[-1] += self._open
                self._open.clear()


class Reader(threading.Thread):
    """Counts what comes through a pipe, until its other end is closed."""

    def __init__(self, pipe):
        super().__init__(daemon=True)
        self._pipe, self.counter = pipe, Counter()
        self.start()

    def run(self):
        with open(self._pipe, encoding="ascii", errors="replace") as lines:
            for event in events(lines):
                self.counter.add(event)
