# SPDX-License-Identifier: BSD-2-Clause
"""What Keel says on its console, as the tests look for it: the one place to change with it.

All are regular expressions.
"""

# A line of Keel's, whatever it says.
KEEL_LINE = r"^keel: .*$"
KEEL_ERROR = r"^keel: error: .*$"
ANY_ERROR = r"keel: error: "
# ... but for what no test can help: QEMU's cortex-a57 is an r1p0.
KEEL_WARNING = r"^keel: warning: (?!erratum 832075 of Cortex-A57).*$"

# ---- boot
BANNER = r"keel: Keel \S+ at 0x[0-9a-f]+, entered at EL2"
HOST_STARTS = r"keel: starting the host"
INSTRUCTIONS = r"keel: starting the host, (\d+) counts"
MEMORY_KEPT = r"keel: memory: (\d+) KiB of Keel's own"
OWNERSHIP_ARRAY = r"keel: memory: .*, (\d+) KiB of page ownership"
CPU_COUNT = r"keel: (\d+) CPUs?, \d+-bit physical addresses"

# ---- UEFI
EFI_BANNER = r"keel: Keel \S+ at 0x[0-9a-f]+, entered at EL2 by UEFI"
EFI_BANNER_ACPI = r"keel: Keel \S+ at (0x[0-9a-f]+), entered at EL2 by UEFI, device tree made of ACPI"
EFI_READY = r"keel: Keel \S+ is ready for what \S+ boots"
EFI_TAKEN = r"keel: boot services have ended: the system goes on at EL1"
EFI_NOT_TAKEN = r"keel: error: .*: the system boots without Keel"
EFI_WITHOUT = r"keel: error: .* starts without Keel"
EFI_NO_LOADER = r"keel: error: no boot loader to start, the machine boots without Keel"
EFI_RETURNED = r"keel: \S+ returned \(status 0x[0-9a-f]+\), Keel is not used"

# ---- the host's device tree
HYPERVISOR_COMPATIBLE = "keel,hypervisor"
RESERVED_NODE_GLOB = "/proc/device-tree/reserved-memory/keel@*"

# ---- EL2's address space
LAYOUT_LOWER = r"keel: EL2 address space: E2H=0, .*trampoline in the lower half, runtime in the upper"
LAYOUT_UPPER = r"keel: EL2 address space: E2H=0, .*trampoline in the upper half, runtime in the lower"
LAYOUT_BEYOND = r"keel: EL2 address space: E2H=0, .*trampoline beyond VA_BITS"
LAYOUT_VHE = r"keel: EL2 address space: E2H=1, .*trampoline in TTBR0, runtime in TTBR1"

# ---- boots that cannot be
STOP = {
    "not-el2": r"keel: error: entered at EL1, but Keel needs EL2",
    "bundle-missing": r"keel: error: bundle: none there: no initrd",
    "bundle-garbage": r"keel: error: bundle: none there: .*no newc cpio",
    "bundle-truncated": r"keel: error: bundle: cut short",
    "bundle-no-kernel": r"keel: error: bundle: has no kernel",
    "bundle-no-initrd": r"keel: error: bundle: has no initrd",
    "kernel-no-magic": r"keel: error: kernel: .*magic",
    "kernel-too-big": r"keel: error: (?:bundle|kernel): .*does not fit",
    "kernel-bad-size": r"keel: error: kernel: bad image_size",
    "kernel-gzip": r"keel: error: kernel: compressed with gzip",
    "bad-address": r"keel: error: loaded at 0x[0-9a-f]+, which is not a multiple of 2 MiB",
    "tree-in-keel": r"keel: error: the device tree at 0x40300000 overlaps Keel's 2 MiB at 0x40200000",
    "bundle-not-in-ram": r"keel: error: .*bundle (?:is not in memory|does not lie in RAM)",
    "cmdline-too-long": r"keel: error: bundle: cmdline is too long",
    "no-memory": r"keel: error: device tree: lists no memory",
}

# ---- boot options that cannot be used
BAD_OPTION = r"keel: warning: option keel\..*"
VA_BITS_TOO_SMALL = r"keel: warning: option keel.va_bits: 25 does not work on this machine, using 39"
NO_VHE = r"keel: warning: option keel.e2h: this CPU has E2H=0 only"
NO_SELFTEST = r"keel: warning: option keel.selftest: .*release build"

# ---- the host touches what is Keel's
HOST_ABORT = r"keel: warning: host (?:read|write|fetch) of 0x[0-9a-f]+ .* refused: .*\(occurrence (\d+)\)"

# ---- EL2 touches what is somebody else's, and it faults
NO_ITS = r"keel: warning: the ITS at 0xc200000 is not one that Keel can use"
GUEST_ABORT = r"keel: warning: VM 0x[0-9a-f]+, vCPU \d+: external abort at "
FIXED_UP = r"keel: warning: EL2 met memory that faults: ESR_EL2 0x[0-9a-f]+"

# ---- firmware does not open a CPU's features to EL2
WITHHELD = r"keel: warning: firmware withholds (\S+) from EL2: features that need it are absent"

# ---- panic: keel.selftest=KIND -> the headline, the syndrome in words (None: no exception), and the
# function that the backtrace must name.
PANIC = {
    "panic": ("panic on CPU 0: asked for by keel.selftest", None, "test_panic"),
    "fault": (
        "panic on CPU 0: exception at EL2",
        "Data Abort from the current EL: .*translation fault",
        "test_fault",
    ),
    "wx": (
        "panic on CPU 0: exception at EL2",
        "Data Abort from the current EL: .*permission fault",
        "test_wx",
    ),
    "nx": (
        "panic on CPU 0: exception at EL2",
        "Instruction Abort from the current EL: .*permission fault",
        "selftest_boot",
    ),
    "overflow": (
        "panic on CPU 0: stack overflow",
        "Data Abort from the current EL: .*translation fault",
        "recurse",
    ),
    "panic-cpu1": ("panic on CPU 1: asked for by keel.selftest", None, "test_panic"),
    "overflow-cpu1": (
        "panic on CPU 1: stack overflow",
        "Data Abort from the current EL: .*translation fault",
        "recurse",
    ),
}
PANIC_REGISTERS = r"keel: error: x0\s+[0-9a-f]{16}\s+x1\s+[0-9a-f]{16}"
PANIC_ESR = r"esr [0-9a-f]{16}"
PANIC_BACKTRACE = r"keel: error: +(?:at|from)\s+[0-9a-f]{16}\s+(\w+)\+0x[0-9a-f]+"
PANIC_END = r"keel: error: stopped"
PANIC_STOPS_ANOTHER = r"keel: error: CPU 0 stopped: another CPU panicked"
PANIC_HEADLINE = r"keel: error: panic on CPU \d+"
PANIC_STOPPED = r"^keel: error: CPU (\d+) stopped: another CPU panicked; it ran the host at [0-9a-f]{16}$"
SELFTEST_OWNERSHIP = r"keel: selftest: ownership passed"
