# SPDX-License-Identifier: BSD-2-Clause
"""vmrun runs on stock KVM: no Keel here, the host's kernel has EL2 and its own /dev/kvm."""

import re

import pytest

import keelvm

HOST_INITRD = keelvm.BUILD / "host" / keelvm.DEFAULT_KERNEL / "vmrun-initrd"
GUEST_REACHED = r"KEEL-GUEST-REACHED"
GUEST_PROMPT = "guest# "
GUEST = "vmrun /guest/Image --initrd /guest/initrd"
QUIET = f"quiet panic=-1 {keelvm.QUICK}"
# QEMU keeps one Ctrl-A for itself.
CTRL_A = "\x01\x01"

OFF, ERROR, USAGE, RESET, LEFT = 0, 1, 2, 3, 5
KILLED = 128 + 15

# Arguments, exit status, what the one line says.
REFUSED = [
    ("", USAGE, r"no kernel is named"),
    ("a b", USAGE, r"one kernel"),
    ("--bogus /guest/Image", USAGE, r"no option --bogus"),
    ("-z /guest/Image", USAGE, r"no option -z"),
    ("/guest/Image --mem", USAGE, r"--mem needs a value"),
    ("/guest/Image --mem 12X", USAGE, r"--mem wants a size"),
    ("/guest/Image --mem 0", USAGE, r"--mem wants a size"),
    ("/guest/Image --mem -1", USAGE, r"--mem wants a size"),
    ("/guest/Image --mem 99999999999999999999G", USAGE, r"--mem wants a size"),
    ("/guest/Image --mem-base 0x80100000", USAGE, r"--mem-base wants a multiple of 2 MiB"),
    ("/guest/Image --mem-base topmost", USAGE, r"--mem-base wants a multiple of 2 MiB"),
    ("/guest/Image --mem-base -2097152", USAGE, r"--mem-base wants a multiple of 2 MiB"),
    ("/guest/Image --mem-base 0x40000000", ERROR, r"is where devices are: 0x80000000 is the least"),
    ("/guest/Image --bank top", USAGE, r"--bank wants ADDR,SIZE"),
    ("/guest/Image --bank top,0", USAGE, r"--bank wants a size"),
    ("/guest/Image --bank 0x80000000,2M", ERROR, r"overlaps other memory"),
    ("/guest/Image --bank 0x10000000000,2M", ERROR, r"end beyond 40-bit addresses"),
    ("/guest/Image --cpus 0", USAGE, r"--cpus wants a number from 1 to 512"),
    ("/guest/Image --cpus 513", USAGE, r"--cpus wants a number from 1 to 512"),
    ("/guest/Image --ipa-bits 31", USAGE, r"--ipa-bits wants a number from 32 to 52"),
    ("/guest/Image --ipa-bits 53", USAGE, r"--ipa-bits wants a number from 32 to 52"),
    ("/guest/Image --features sve,fpu", USAGE, r'not "fpu"'),
    ("/guest/Image --console tty", USAGE, r"--console is uart or virtio"),
    ("/none", ERROR, r"cannot open the kernel /none: No such file"),
    ("/guest", ERROR, r"the kernel /guest is not a file"),
    ("/init", ERROR, r"/init is not an arm64 Linux Image"),
    ("/bin/vmrun", ERROR, r"ELF file: use the Image"),
    ("/tmp/gz", ERROR, r"compressed with gzip: unpack it with gunzip"),
    ("/guest/Image --initrd /none", ERROR, r"cannot open the initial RAM disk /none"),
    ("/guest/Image --disk /none", ERROR, r"cannot open the disk /none"),
    ("/guest/Image --disk /tmp/empty", ERROR, r"shorter than a sector"),
    ("/guest/Image --mem 8", ERROR, r"does not fit into 8 MiB of memory: use a greater --mem"),
    ("/guest/Image --mem 27", ERROR, r"27 MiB of memory are too little.*use --mem 29M"),
    ("/guest/Image --initrd /guest/initrd --mem 30", ERROR, r"/guest/initrd does not fit into 30 MiB"),
    ("/guest/Image --ipa-bits 32 --mem 2049", ERROR, r"end beyond 32-bit addresses: use a smaller --mem"),
    ("/guest/Image --ipa-bits 52", ERROR, r"more than this machine's \d+: use --ipa-bits"),
]


@pytest.fixture
def stock_kvm(boot):
    """stock_kvm(...): a host whose own KVM has EL2."""

    def start(**changes):
        machine = boot(
            image=keelvm.kernel_image(), bundle=HOST_INITRD, append="console=ttyAMA0", **changes
        )
        assert re.search(r"kvm .*initialized successfully", machine.check("dmesg")), "no KVM in the host"
        return machine

    return start


class Guest:
    """A guest's shell, on the console of the vmrun that runs in the host's."""

    def __init__(self, machine, options="", cmdline=QUIET, console="console=ttyAMA0"):
        self.machine = machine
        machine.send(f"{GUEST} {options} --cmdline '{console} {cmdline}'; echo STATUS\"=\"$?")
        self.wait_for_shell()

    def wait_for_shell(self):
        self.machine.expect(GUEST_REACHED)
        self.machine.expect(GUEST_PROMPT)

    def run(self, command):
        """What a command in the guest's shell prints."""
        self.machine.send(f'echo OUT"-"BEGIN; {command}; echo OUT"-"END')
        self.machine.expect(r"OUT-BEGIN\r*\n")
        self.machine.expect("OUT-END")
        output = self.machine.child.before.replace("\r", "")
        self.machine.expect(GUEST_PROMPT)
        return output.strip("\n")

    def end(self, command):
        """A command that ends the guest; vmrun's exit status."""
        self.machine.send(command)
        return status(self.machine)


def status(machine):
    """What vmrun has returned, once the host's shell is back."""
    value = int(machine.expect(r"STATUS=(\d+)\r").group(1))
    machine.expect(keelvm.PROMPT)
    return value


def test_refuses_with_one_line_that_says_what_to_do(stock_kvm):
    machine = stock_kvm()
    machine.check(": >/tmp/empty; gzip -c /init >/tmp/gz")
    for arguments, expected, line in REFUSED:
        result = machine.run(f"vmrun {arguments} 2>&1")
        assert result.status == expected, f"vmrun {arguments}: {result}"
        assert len(result.lines) == 1, f"vmrun {arguments}: {result}"
        assert re.match(f"vmrun: .*{line}", result.output), f"vmrun {arguments}: {result}"
    assert machine.check("vmrun --help").startswith("usage: vmrun")

    # Without a terminal that can be left: killed, and the VM is gone.
    machine.check("vmrun /guest/Image </dev/null >/tmp/out 2>&1 & sleep 2; kill $!; wait $!; "
                  f"[ $? -eq {KILLED} ]")
    machine.check("rm /dev/kvm; vmrun /guest/Image 2>&1 | grep 'there is no /dev/kvm: load keel.ko'")


@pytest.mark.parametrize(
    "cpu",
    [
        "max",
        pytest.param("neoverse-n1", marks=pytest.mark.full),
        pytest.param("cortex-a57", marks=pytest.mark.full),
    ],
)
def test_vmrun_runs_on_stock_kvm_as_well(stock_kvm, cpu):
    """Two vCPUs, a chosen IPA size, an interactive console, disks; off means 0."""
    machine = stock_kvm(cpu=cpu)
    machine.check("dd if=/dev/urandom of=/tmp/a bs=1M count=2 2>/dev/null; cp /tmp/a /tmp/b")
    guest = Guest(machine, "--cpus 2 --mem 256M --ipa-bits 36 --disk /tmp/a --disk /tmp/b,ro")

    assert guest.run("nproc") == "2"
    assert guest.run("cat /proc/device-tree/model | tr -d '\\0'") == "vmrun"
    # More than the serial port's FIFO holds, in one go.
    long = "0123456789" * 20
    assert guest.run(f"echo {long}") == long
    assert guest.run("cat /sys/block/vda/serial") == "a"
    assert guest.run("cmp /dev/vda /dev/vdb && echo same") == "same"
    assert guest.run("echo x >/dev/vdb || echo refused").endswith("refused")
    guest.run("echo from-the-guest | dd of=/dev/vda bs=512 seek=3 conv=sync,fsync")
    interrupts = guest.run("awk '/arch_timer/ { print ($2 > 0) + ($3 > 0) }' /proc/interrupts")
    assert interrupts == "2", "timer interrupts on both vCPUs"
    assert "rejected" not in guest.run("dmesg | grep -i -E 'virtio|uart|psci'")

    assert guest.end("poweroff -f") == OFF
    assert machine.check("dd if=/tmp/a bs=512 skip=3 count=1 2>/dev/null | tr -d '\\0'") == "from-the-guest"
    assert machine.check("dd if=/tmp/b bs=1M 2>/dev/null | wc -c") == str(2 << 20)


def test_a_guest_talks_on_the_virtio_console(stock_kvm):
    """Input goes to hvc0; nothing uses eventfds; a reset means 3."""
    machine = stock_kvm()
    machine.check("dd if=/dev/urandom of=/tmp/a bs=1M count=2 2>/dev/null")
    checksum = machine.check("md5sum </tmp/a")
    guest = Guest(
        machine,
        "--console virtio --no-eventfds --features none --disk /tmp/a",
        console="console=ttyAMA0 console=hvc0",
    )
    assert guest.run("tty") == "/dev/hvc0"
    long = "0123456789" * 20
    assert guest.run(f"echo {long}") == long
    assert guest.run("md5sum </dev/vda") == checksum
    assert guest.run("tr ' ' '\\n' </proc/cpuinfo | grep -c -x -E 'sve|paca'") == "0"
    assert guest.end("reboot -f") == RESET


def test_reboots_and_is_left(stock_kvm):
    """--reboot starts again; Ctrl-A X leaves; input from a pipe waits for the guest."""
    machine = stock_kvm()
    guest = Guest(machine, "--reboot --features pauth,sve")
    optional = "tr ' ' '\\n' </proc/cpuinfo | grep -x -E 'sve|paca' | sort"
    assert guest.run(optional) == "paca\nsve"
    machine.send("reboot -f")
    guest.wait_for_shell()
    assert guest.run(optional) == "paca\nsve"
    machine.child.send(CTRL_A)
    assert guest.end("x") == LEFT
    machine.send(f"echo 'poweroff -f' | {GUEST} --cmdline 'console=ttyAMA0 {QUIET}'; echo STATUS\"=\"$?")
    assert status(machine) == OFF
    # The terminal is as it was: a line can be edited.
    assert machine.check("stty | grep -c -- -icanon || true") == "0"
