# SPDX-License-Identifier: BSD-2-Clause
"""Driving guests: vmrun on the host's console or in the background, and what the host is left with.

    guest = Guest(machine, "--cpus 2")       the machine's console is the guest's
    assert guest.run("nproc") == "2"
    assert guest.end("poweroff -f") == OFF

    guest = Background(machine, "--cpus 2")  its console is a file in the host; the shell is the host's
    guest.wait_for_shell()
    assert guest.kill("KILL") == KILLED
"""

import itertools
import re
import shlex

import keelvm

PROMPT = "guest# "
REACHED = "KEEL-GUEST-REACHED"
IMAGE, INITRD = "/guest/Image", "/guest/initrd"

# vmrun's exit statuses, and the shell's for a process that a signal ended.
OFF, ERROR, RESET, CRASH = 0, 1, 3, 4
TERMINATED, KILLED = 128 + 15, 128 + 9

# Guests among many on an emulated machine are slow: these only end what will never come.
GUEST_TIMEOUT = keelvm.BOOT_TIMEOUT
POLL = 0.2

# Free memory in KiB that may be missing afterwards: what the host's kernel caches. A VM that stays has
# its guest's memory, some 60 MiB, or 100 KiB at the least.
LEAK = 8192

MODULE = "/lib/modules/90-keel.ko"


QUICK = f"quiet {keelvm.QUICK}"


def vmrun(options="", cmdline=QUICK, console="console=ttyAMA0", image=IMAGE, initrd=INITRD):
    """The command line for a guest with the test's initial RAM disk."""
    ramdisk = f"--initrd {initrd} " if initrd else ""
    return f"vmrun {image} {ramdisk}--cmdline '{console} {cmdline}' {options}"


class Guest:
    """A guest whose console is the machine's: the VMM runs in the host's shell until end()."""

    vmm = staticmethod(vmrun)  # the command line, from what __init__ is given

    def __init__(self, machine, options="", **arguments):
        self.machine = machine
        machine.send(f'{self.vmm(options, **arguments)}; echo STATUS"="$?')
        self.wait_for_shell()

    def wait_for_shell(self):
        self.machine.expect(REACHED)
        self.machine.expect(PROMPT)

    def run(self, command, timeout=GUEST_TIMEOUT):
        """What a command in the guest's shell prints."""
        self.machine.send(f'echo OUT"-"BEGIN; {command}; echo OUT"-"END')
        self.machine.expect(r"OUT-BEGIN\r*\n", timeout)
        self.machine.expect("OUT-END", timeout)
        output = self.machine.child.before.replace("\r", "")
        self.machine.expect(PROMPT)
        return output.strip("\n")

    def end(self, command):
        """A command that ends the guest; the VMM's exit status."""
        self.machine.send(command)
        status = int(self.machine.expect(r"STATUS=(\d+)\r").group(1))
        self.machine.expect(keelvm.PROMPT)
        self.machine.had_guest = True
        return status


class Background:
    """A guest in the background: it reads a FIFO, which the host's shell keeps open, and writes a file.

    The shell's descriptors from 3 to 9 are for the FIFOs: seven guests at a time.
    """

    def __init__(self, machine, options="", prefix="", **arguments):
        self.machine = machine
        used = machine.__dict__.setdefault("background_guests", set())
        self.number = min(set(range(3, 10)) - used)
        used.add(self.number)
        self.output = f"/tmp/guest{self.number}.out"
        self.marks = itertools.count()
        fifo = f"/tmp/guest{self.number}.in"
        command = f"{prefix} {vmrun(options, **arguments)}"
        machine.check(f"rm -f {fifo}; mkfifo {fifo}; exec {self.number}<>{fifo}")
        started = machine.check(f"{command} <&{self.number} >{self.output} 2>&1 & echo PID=$!")
        self.pid = int(re.search(r"PID=(\d+)", started).group(1))

    def console(self):
        return self.machine.check(f"cat {self.output}").replace("\r", "")

    def typed(self, line):
        return f"printf '%s\\n' {shlex.quote(line)} >&{self.number}"

    def send(self, line):
        self.machine.check(self.typed(line))

    def expect(self, text, timeout=GUEST_TIMEOUT):
        """Wait until a line of the guest's console begins with `text`."""
        there = f"grep -q {shlex.quote('^' + text)} {self.output}"
        rounds = int(timeout / POLL)
        result = self.machine.run(
            f"for i in $(seq {rounds}); do {there} && break; "
            f"kill -0 {self.pid} 2>/dev/null || break; sleep {POLL}; done; {there}",
            timeout,
        )
        if result.status != 0:
            raise keelvm.ConsoleError(
                f"guest {self.number} ended or hangs, and did not print {text!r}:\n{self.console()}"
            )

    def wait_for_shell(self):
        self.expect(REACHED)

    def run(self, command, timeout=GUEST_TIMEOUT):
        """What a command in the guest's shell prints."""
        mark = next(self.marks)
        self.send(f'echo BEGIN"-"{mark}; {command}; echo END"-"{mark}')
        self.expect(f"END-{mark}", timeout)
        return re.search(rf"^BEGIN-{mark}\n(.*?)\n?^END-{mark}$", self.console(), re.M | re.S).group(1)

    def alive(self):
        return self.machine.run(f"kill -0 {self.pid} 2>/dev/null").status == 0

    def wait(self, first="true"):
        """vmrun's exit status, when it has ended; `first` is what the host's shell does before.

        One line, because the shell forgets the status of a process that it has reported as ended.
        """
        status = self.machine.run(f"{first}; wait {self.pid}", GUEST_TIMEOUT).status
        self.machine.check(f"exec {self.number}>&-")
        self.machine.background_guests.remove(self.number)
        self.machine.had_guest = True
        return status

    def end(self, command):
        """A command that ends the guest; vmrun's exit status."""
        return self.wait(self.typed(command))

    def kill(self, signal):
        """End vmrun by a signal; its exit status."""
        return self.wait(f"kill -{signal} {self.pid}")


def boots_and_ends(machine, options="--cpus 2"):
    """The proof that all is well: a guest boots to its shell and powers off."""
    guest = Guest(machine, options)
    assert guest.run("echo $((6 * 7))") == "42"
    assert guest.end("poweroff -f") == OFF


def warm_up(machine):
    """A host's first guest fills the caches of its kernel: once in a host's life, before Leftovers."""
    if not getattr(machine, "had_guest", False):
        boots_and_ends(machine)


def still_runs_guests(machine):
    """As boots_and_ends(), in less time: two vCPUs with translation, timers, and interrupts between them."""
    for payload in ("smp", "timers"):
        result = machine.run(f"vmrun --mem 64M --cpus 2 /payloads/{payload}.img </dev/null", GUEST_TIMEOUT)
        assert result.status == OFF, result.output
        assert re.search(rf"payload {payload}: [1-9]\d* passed, 0 failed", result.output), result.output


def passes(machine, *families, timeout=keelvm.BOOT_TIMEOUT):
    """Programs of tests/kvm run in the host, each to its end."""
    for family in families:
        output = machine.check(f"test_{family} | grep -E '^not|passed'", timeout)
        # What the kernel says of memory that a test has it give up comes to the same console.
        output = re.sub(r"^\[ *[0-9.]+\] Memory failure: .*\n", "", output, flags=re.M)
        assert re.fullmatch(r"\d+ passed, 0 failed", output), f"{family}: {output}"


def swap_on(machine):
    """Swap in the host's memory, compressed. What a kernel has built in is an empty file."""
    names = "zsmalloc lzo-rle lz4_compress lz4hc_compress zram"
    machine.check(f"for name in {names}; do insmod /lib/swap/$name.ko 2>/dev/null; done; true")
    machine.check("test -b /dev/zram0 || mknod /dev/zram0 b $(tr : ' ' </sys/block/zram0/dev)")
    machine.check("echo 256M >/sys/block/zram0/disksize; mkswap /dev/zram0 >/dev/null; swapon /dev/zram0")


def swap_off(machine):
    machine.check("swapoff /dev/zram0; echo 1 >/sys/block/zram0/reset; rmmod zram")


# ---- what the host is left with


def mem_free(machine, enough=1 << 40):
    """The host's free memory in KiB, once what is freed later has been freed; or as soon as it is `enough`.

    Free pages that a CPU keeps for itself count: with Linux 6.12 they can be many.
    """
    count = "/^MemFree/ { kib += $2 } /^ +count:/ { kib += $2 * page } END { print kib }"
    command = (
        "page=$(awk '/^KernelPageSize/ { print $2; exit }' /proc/self/smaps); "
        "for i in 1 2 3 4 5; do sleep 0.3; echo 3 >/proc/sys/vm/drop_caches; "
        f"echo 1 >/proc/sys/vm/compact_memory; kib=$(awk -v page=$page '{count}' /proc/meminfo /proc/zoneinfo); "
        f"echo $kib; [ $kib -lt {enough} ] || break; done"
    )
    return max(int(line) for line in machine.check(command).split())


def mount_debugfs(machine):
    machine.check("[ -d /sys/kernel/debug/keel ] || mount -t debugfs debugfs /sys/kernel/debug")


def stat(machine, name):
    """One of Keel's counters."""
    mount_debugfs(machine)
    return int(machine.check(f"cat /sys/kernel/debug/keel/{name}"))


class Leftovers:
    """Memory of the host and of Keel, before and after.

    The first guest warms the caches: warm_up() before this.
    """

    def __init__(self, machine):
        self.machine = machine
        self.free = mem_free(machine)
        self.tables = stat(machine, "table_pages_free")

    def check(self):
        missing = self.free - mem_free(self.machine, self.free - LEAK + 1)
        assert missing < LEAK, f"{missing} KiB of the host's memory are missing afterwards"
        tables = stat(self.machine, "table_pages_free")
        assert tables >= self.tables, f"of {self.tables} free table pages {tables} are left"


def assert_healthy(machine):
    """Nothing in the host has complained, and Keel refused nothing."""
    wrong = machine.run("dmesg | grep -E 'Oops|BUG|WARNING:|stall|hung_task|blocked for more'")
    assert wrong.status == 1, wrong.output
    assert not re.search(r"^keel: error", machine.console, re.M), machine.tail()


# ---- when something hangs

# The private interrupts of CPU 0 and 1, pending and active: GICR_ISPENDR0, GICR_ISACTIVER0 of QEMU's board.
GIC_WORDS = [0x080B0200, 0x080B0300, 0x080D0200, 0x080D0300]
MONITOR = "\x01c"
MONITOR_PROMPT = r"\(qemu\) "


def monitor_dump(machine):
    """What QEMU's monitor tells of a machine that hangs; it goes to the console's log."""
    machine.child.send(MONITOR)
    machine.expect(MONITOR_PROMPT, timeout=20)
    for command in ["info registers -a"] + [f"xp /1wx {word:#x}" for word in GIC_WORDS]:
        machine.child.send(command + "\n")
        machine.expect(MONITOR_PROMPT, timeout=20)
