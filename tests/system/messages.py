# SPDX-License-Identifier: BSD-2-Clause
"""What Keel says on its console, as the tests look for it: the one place to change with it.

All are regular expressions.
"""

# A line of Keel's, whatever it says.
KEEL_LINE = r"^keel: .*$"
KEEL_ERROR = r"^keel: error: .*$"
KEEL_WARNING = r"^keel: warning: .*$"

# ---- boot
BANNER = r"keel: Keel \S+"
HOST_ENTERED = r"keel: .*starting the host"
INSTRUCTIONS = r"keel: .*?(\d+) ticks"
MEMORY_KEPT = r"keel: .*?(\d+) KiB kept"
OWNERSHIP_ARRAY = r"keel: .*?ownership array.*?(\d+) KiB"

# ---- the host's device tree
HYPERVISOR_COMPATIBLE = "keel,hypervisor"
RESERVED_NODE_GLOB = "/proc/device-tree/reserved-memory/keel@*"

# ---- EL2's address space
LAYOUT_LOWER = r"keel: .*trampoline in the lower half"
LAYOUT_UPPER = r"keel: .*trampoline in the upper half"
LAYOUT_BEYOND = r"keel: .*trampoline beyond"
LAYOUT_VHE = r"keel: .*trampoline in TTBR0_EL2, runtime range in TTBR1_EL2"

# ---- boots that cannot be
STOP = {
    "not-el2": r"keel: error: .*not.* at EL2",
    "bundle-missing": r"keel: error: .*no bundle",
    "bundle-garbage": r"keel: error: .*bundle.*no newc",
    "bundle-truncated": r"keel: error: .*bundle.*cut short",
    "bundle-no-kernel": r"keel: error: .*bundle.*no `?kernel",
    "bundle-no-initrd": r"keel: error: .*bundle.*no `?initrd",
    "kernel-no-magic": r"keel: error: .*kernel.*magic",
    "kernel-too-big": r"keel: error: .*does not fit",
    "no-memory": r"keel: error: .*no memory",
}

# ---- the host touches what is Keel's
HOST_ABORT = r"keel: warning: .*host.*\(occurrence (\d+)\)"

# ---- panic
PANIC = {
    "panic": r"keel: error: panic on CPU 0: ",
    "fault": r"keel: error: panic on CPU 0: exception at EL2",
    "overflow": r"keel: error: panic on CPU 0: stack overflow",
    "wx": r"keel: error: panic on CPU 0: exception at EL2",
    "panic-cpu1": r"keel: error: panic on CPU 1: ",
}
PANIC_REGISTERS = r"x0\s+[0-9a-f]{16}"
PANIC_ESR = r"esr [0-9a-f]{16}"
PANIC_ESR_WORDS = {
    "fault": r"[Dd]ata [Aa]bort.*[Tt]ranslation fault",
    "overflow": r"[Dd]ata [Aa]bort",
    "wx": r"[Pp]ermission fault",
}
PANIC_BACKTRACE = r"(?:at|from)\s+[0-9a-f]{16}\s+(\w+)\+0x[0-9a-f]+"
PANIC_END = r"keel: error: stopped"
