# SPDX-License-Identifier: BSD-2-Clause
"""Debian's QEMU, as it is, is the VMM (docs/support.md says what it can have)."""

import re
import time

import pexpect
import pytest

import keelvm
import vms
from test_ipa import CPUS, SMALL

pytestmark = pytest.mark.full  # QEMU for arm64 and its libraries are a large download

MACHINE = "virt,gic-version=3"  # with an ITS, as is QEMU's default
MONITOR = "\x01\x01c"  # the first Ctrl-A is for the emulator's QEMU, which passes the second one on
MONITOR_PROMPT = r"\(qemu\) "


def qemu(options):
    """The command line for a guest with the test's initial RAM disk."""
    return (
        f"qemu-system-aarch64 -machine {MACHINE} -accel kvm -cpu host -nodefaults -nographic {options} "
        f"-kernel {vms.IMAGE} -initrd {vms.INITRD} -append 'console=ttyAMA0 quiet'"
    )


class QemuGuest(vms.Guest):
    vmm = staticmethod(lambda options: qemu(f"-serial mon:stdio {options}"))

    def monitor(self, *commands):
        """What QEMU's monitor answers to each command."""
        self.machine.child.send(MONITOR)
        self.machine.expect(MONITOR_PROMPT)
        answers = []
        for command in commands:
            self.machine.child.send(command + "\n")
            self.machine.expect(MONITOR_PROMPT)
            answers.append(self.machine.child.before)
        self.machine.child.send(MONITOR)
        return answers


def qemu_by_default(options):
    """As qemu(), without a word about the GIC or devices: QEMU's defaults, but for firmware of its network card."""
    return (
        f"qemu-system-aarch64 -machine virt -accel kvm -cpu host -nographic -global virtio-net-pci.romfile= {options} "
        f"-kernel {vms.IMAGE} -initrd {vms.INITRD} -append 'console=ttyAMA0 quiet'"
    )


class DefaultQemu(QemuGuest):
    vmm = staticmethod(qemu_by_default)


# virtio-blk-pci and virtio-net-pci, with QEMU's own TFTP server on the network.
DISK_AND_NETWORK = "-m 256M -smp 4 -drive if=virtio,file=/tmp/disk,format=raw -nic user,tftp=/tmp"
FETCH = "tftp -g -b 1400 -r over-network -l /tmp/got 10.0.2.2 2>/dev/null && md5sum </tmp/got"


def prepare_traffic(machine):
    """The checksums of what a guest reads of its disk, and of what it fetches over its network."""
    for name, mib in (("disk", 4), ("over-network", 1)):
        machine.check(f"dd if=/dev/urandom of=/tmp/{name} bs=1M count={mib}")
    return machine.check("md5sum </tmp/disk"), machine.check("md5sum </tmp/over-network")


def brings_up_network(guest):
    assert "lease of 10.0.2.15 obtained" in guest.run("ip link set eth0 up; udhcpc -i eth0 -n -q -s /bin/true 2>&1")
    assert guest.run("ip addr add 10.0.2.15/24 dev eth0") == ""


@pytest.fixture
def boot_with_qemu(boot):
    def boot_host(**changes):
        bundle = keelvm.guests_bundle().with_name("qemu-bundle.cpio")
        machine = boot(**{"mem": "3G", "bundle": bundle, **changes})
        vms.mount_debugfs(machine)
        return machine

    return boot_host


def uses_devices(machine):
    """virtio-mmio by ioeventfds and irqfds: a disk, read and written, and QEMU's own DHCP server."""
    machine.check("dd if=/dev/urandom of=/tmp/disk bs=1M count=4")
    there = machine.check("md5sum </tmp/disk")
    guest = QemuGuest(
        machine,
        "-m 256M -smp 2 -drive if=none,id=d,file=/tmp/disk,format=raw -device virtio-blk-device,drive=d "
        "-netdev user,id=n -device virtio-net-device,netdev=n",
    )
    assert guest.run("md5sum </dev/vda") == there
    assert "lease of 10.0.2.15 obtained" in guest.run("ip link set eth0 up; udhcpc -i eth0 -n -q -s /bin/true 2>&1")
    guest.run("echo written by the guest | dd of=/dev/vda bs=512 seek=7 conv=sync; sync")
    assert guest.end("poweroff -f") == vms.OFF
    assert machine.check("dd if=/tmp/disk bs=512 skip=7 count=1 2>/dev/null | head -n 1") == "written by the guest"


def lpis(guest):
    """How many LPIs each vCPU has taken, of all devices."""
    rows = [line.split() for line in guest.run("grep ITS- /proc/interrupts").splitlines()]
    assert rows, guest.run("cat /proc/interrupts")
    return [sum(int(row[1 + cpu]) for row in rows) for cpu in range(4)]


def uses_pci(machine):
    """QEMU's defaults: virtio-pci with MSI-X by the ITS. Disk and network, on every vCPU, also after a reboot."""
    there, sent = prepare_traffic(machine)
    guest = DefaultQemu(machine, DISK_AND_NETWORK)
    assert "GICv3" in guest.run("dmesg | grep GICv3 | head -n 1")
    for _ in range(2):
        for cpu in range(4):
            before = lpis(guest)
            assert guest.run(f"echo 3 >/proc/sys/vm/drop_caches; taskset {1 << cpu:x} md5sum </dev/vda") == there
            assert sum(lpis(guest)) > sum(before)
        brings_up_network(guest)
        assert guest.run(FETCH) == sent
        assert all(lpis(guest)), lpis(guest)
        machine.send("reboot -f")
        guest.wait_for_shell()
    assert guest.end("poweroff -f") == vms.OFF


def reboots(machine):
    """By PSCI and by the monitor; each vCPU is reset, and has its registers written."""
    guest = QemuGuest(machine, "-m 256M -smp 4")
    assert guest.run("nproc") == "4"
    machine.send("reboot -f")
    guest.wait_for_shell()
    assert guest.run("nproc") == "4"
    registers, _ = guest.monitor("info registers -a", "system_reset")
    assert len(re.findall(r"PC=ffff[0-9a-f]{12}", registers)) == 4, registers
    guest.wait_for_shell()
    assert guest.run("memtouch 32") == "memtouch: 32 MiB good"
    assert guest.end("poweroff -f") == vms.OFF


def stops_and_goes_on(machine):
    """While it is stopped QEMU reads every register, and writes them back."""
    guest = QemuGuest(machine, "-m 256M -smp 2")
    guest.run("memtouch 16 20 >/tmp/memory & echo started")
    for _ in range(3):
        assert "paused" in guest.monitor("stop", "info registers -a", "info status", "cont")[2]
    assert guest.run("wait; cat /tmp/memory") == "memtouch: 16 MiB good"
    assert guest.end("poweroff -f") == vms.OFF


def balloons_to(guest, mib):
    """QEMU gives back to its host what the guest's balloon took, or takes it again."""
    for _ in range(60):
        if f"actual={mib}" in guest.monitor(f"balloon {mib}", "info balloon")[1]:
            return
        guest.run("sleep 1")
    raise AssertionError(f"the balloon does not come to {mib} MiB")


def gives_memory_back(machine):
    """Disk and guest are at the same pages after a balloon and free-page reporting have discarded most of them."""
    machine.check("dd if=/dev/zero of=/tmp/disk bs=1M count=64")
    guest = QemuGuest(
        machine,
        "-m 512M -smp 2 -device virtio-balloon-device,free-page-reporting=on "
        "-drive if=none,id=d,file=/tmp/disk,format=raw -device virtio-blk-device,drive=d",
    )
    assert guest.run("memtouch 300") == "memtouch: 300 MiB good"
    for _ in range(2):
        balloons_to(guest, 256)
        balloons_to(guest, 512)
        written = guest.run("dd if=/dev/urandom of=/file bs=1M count=60 2>/dev/null; md5sum </file")
        guest.run("dd if=/file of=/dev/vda bs=1M 2>/dev/null; rm /file; echo 3 >/proc/sys/vm/drop_caches")
        assert guest.run("dd if=/dev/vda bs=1M count=60 2>/dev/null | md5sum") == written
        assert guest.run("memtouch 300") == "memtouch: 300 MiB good"
    assert guest.end("poweroff -f") == vms.OFF


def has_files_as_memory(machine):
    """QEMU takes a file only where KVM_CAP_SYNC_MMU says that what becomes of it reaches the guest."""
    guest = QemuGuest(
        machine,
        "-m 256M -smp 2 -object memory-backend-file,id=m,size=256M,mem-path=/tmp,share=on -machine memory-backend=m",
    )
    assert guest.run("memtouch 64") == "memtouch: 64 MiB good"
    assert guest.end("poweroff -f") == vms.OFF


def quit_qemu(guest):
    """The monitor's command; QEMU's exit status."""
    guest.machine.child.send(MONITOR)
    guest.machine.expect(MONITOR_PROMPT)
    return guest.end("quit")


def has_a_display(machine, display):
    """Its memory is a slot that QEMU logs: what the guest writes there is what QEMU has."""
    guest = QemuGuest(machine, f"-m 256M -smp 2 -device {display},romfile=")
    bar = guest.run(
        "cd /sys/bus/pci/devices; "
        "for d in *; do case $(cat $d/class) in 0x03*) echo 1 >$d/enable; head -n 1 $d/resource; esac; done"
    )
    address = int(bar.split()[0], 16)
    for word in (0x12345678, 0x9ABCDEF0):
        guest.run(f"devmem {address + 0x1000:#x} 32 {word:#x}")
        assert f"{word:#010x}" in guest.monitor(f"xp /1xw {address + 0x1000:#x}")[0]
    assert guest.end("poweroff -f") == vms.OFF


class RingGuest(QemuGuest):
    """QEMU learns of dirty pages by the vCPUs' rings."""

    vmm = staticmethod(
        lambda options: qemu(f"-serial mon:stdio {options}").replace("-accel kvm", "-accel kvm,dirty-ring-size=4096")
    )


def writes_state(guest):
    """QEMU's monitor has the guest's state in a file, while it runs; what it says when that is whole."""
    parameters = ("downtime-limit 60000", "max-bandwidth 10G")
    commands = [f"migrate_set_parameter {parameter}" for parameter in parameters]
    answer = guest.monitor(*commands, 'migrate "exec:cat >/tmp/state"', "info migrate")[-1]
    for _ in range(30):  # the monitor may answer before all devices are saved
        if "completed" in answer:
            break
        time.sleep(1)
        answer = guest.monitor("info migrate")[-1]
    assert "completed" in answer, answer
    return answer


def migrates_to_a_file(machine, kind):
    """While two processes write to their memory all the time, QEMU copies what the log says is dirty."""
    guest = kind(machine, "-m 256M -smp 2")
    guest.run("for i in 1 2; do memtouch 24 0 & done; sleep 2")
    answer = writes_state(guest)
    assert int(re.search(r"dirty sync count: (\d+)", answer).group(1)) > 1
    assert quit_qemu(guest) == vms.OFF


def finds_its_shell(guest):
    """A guest that goes on from a state in which its shell waited at its prompt."""
    for _ in range(60):  # what is typed before the guest's state is there is lost
        guest.machine.send("")
        came = guest.machine.child.expect([vms.PROMPT, r"STATUS=\d", pexpect.TIMEOUT], timeout=10)
        if came < 2:
            break
    if came:
        raise keelvm.ConsoleError(f"the guest does not go on:\n{guest.machine.tail()}")
    guest.run("true")  # whatever else was typed is done by then


def incoming(kind):
    """As `kind`, of a guest whose state is in the file: its shell has been there for long."""

    class Incoming(kind):
        vmm = staticmethod(lambda options: kind.vmm(f"{options} -incoming 'exec:cat /tmp/state'"))

        def wait_for_shell(self):
            finds_its_shell(self)

    return Incoming


# Each line of the files is a checksum: of all of the disk's first half, read; of its second half, written and read
# back, beside what was written; of a file that came over the network. A transfer that the move ends is left out.
TRAFFIC = f"""
(while :; do echo 3 >/proc/sys/vm/drop_caches; head -c 2097152 </dev/vda | md5sum >>/tmp/reads; done) &
(while :; do dd if=/dev/urandom of=/tmp/w bs=64K count=4; dd if=/tmp/w of=/dev/vda bs=64K seek=32 conv=notrunc,fsync;
echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=64K skip=32 count=4 of=/tmp/r; cmp /tmp/w /tmp/r >>/tmp/differ;
echo written >>/tmp/writes; done) 2>/dev/null &
(while :; do {FETCH} >>/tmp/fetched; done) &
""".replace("\n", " ")


def progress(guest):
    """How often each kind of traffic has come to its end by now."""
    return [int(guest.run(f"wc -l </tmp/{name}")) for name in ("reads", "writes", "fetched")]


def more_traffic(guest):
    """Each kind comes to its end twice more."""
    before = progress(guest)
    for _ in range(120):
        if all(now > old + 1 for now, old in zip(progress(guest), before)):
            return
        guest.run("sleep 2")
    raise AssertionError(f"traffic stands still: {before}, {progress(guest)}")


def starts_traffic(machine, kind, options):
    """A guest, and the checksums of what it reads and fetches."""
    _, sent = prepare_traffic(machine)
    there = machine.check("head -c 2097152 </tmp/disk | md5sum")
    guest = kind(machine, options)
    brings_up_network(guest)
    guest.run(f"touch /tmp/reads /tmp/writes /tmp/fetched /tmp/differ; {TRAFFIC} true")
    more_traffic(guest)
    return guest, there, sent


def ends_well(guest, there, sent):
    """Nothing that it has read, written or fetched was wrong."""
    assert guest.run("sort -u /tmp/reads") == there
    assert guest.run("sort -u /tmp/fetched") == sent
    assert guest.run("cat /tmp/differ") == ""
    assert guest.run("nproc; dmesg | grep -c -E 'BUG|Oops'") == "4\n0"
    assert guest.end("poweroff -f") == vms.OFF


def goes_on_in_another_process(machine, kind, options):
    """Twice a guest with disk and network traffic is saved while it runs, and goes on in a new QEMU."""
    guest, there, sent = starts_traffic(machine, kind, options)
    for _ in range(2):
        writes_state(guest)
        assert quit_qemu(guest) == vms.OFF
        guest = incoming(kind)(machine, options)
        more_traffic(guest)
    ends_well(guest, there, sent)


def comes_back_to_a_snapshot(machine, kind, options):
    """Twice in the same VM: its GIC, ITS, vCPUs, memory and disk are again as they were, and the traffic goes on."""
    guest, there, sent = starts_traffic(machine, kind, options)
    # QEMU has snapshots in images of its own format alone: the disk's file becomes the base of one
    answers = guest.monitor("snapshot_blkdev virtio0 /tmp/image qcow2", "savevm then", "info snapshots")
    assert "then" in answers[-1], answers
    for _ in range(2):
        assert guest.run("cat /tmp/now 2>/dev/null") == ""
        guest.run("echo later >/tmp/now")
        more_traffic(guest)
        guest.monitor("loadvm then")
        finds_its_shell(guest)
    assert guest.run("cat /tmp/now 2>/dev/null") == ""
    more_traffic(guest)
    ends_well(guest, there, sent)


@pytest.mark.parametrize("cpu,e2h", [("neoverse-n1", 0)])
def test_a_guest_with_traffic_comes_back_to_a_snapshot(boot_with_qemu, cpu, e2h):
    machine = boot_with_qemu(cpu=cpu, e2h=e2h)
    comes_back_to_a_snapshot(machine, DefaultQemu, DISK_AND_NETWORK)
    vms.assert_healthy(machine)


@pytest.mark.parametrize("cpu,e2h", [("max", 0)])
def test_a_guest_with_traffic_goes_on_in_another_qemu(boot_with_qemu, cpu, e2h):
    machine = boot_with_qemu(cpu=cpu, e2h=e2h)
    goes_on_in_another_process(machine, DefaultQemu, DISK_AND_NETWORK)
    assert "qemu" not in machine.check("keelctl vms")
    vms.assert_healthy(machine)


@pytest.mark.parametrize("cpu,e2h", [("max", 0)])
def test_qemu_logs_memory(boot_with_qemu, cpu, e2h):
    machine = boot_with_qemu(cpu=cpu, e2h=e2h)
    has_a_display(machine, "bochs-display")
    has_a_display(machine, "VGA")
    for kind in (QemuGuest, RingGuest):
        migrates_to_a_file(machine, kind)
    assert "qemu" not in machine.check("keelctl vms")
    vms.assert_healthy(machine)


@pytest.mark.parametrize("cpu,e2h", [("max", 0), ("cortex-a57", 0)])
def test_qemu_discards_memory(boot_with_qemu, cpu, e2h):
    machine = boot_with_qemu(cpu=cpu, e2h=e2h)
    gives_memory_back(machine)
    has_files_as_memory(machine)
    vms.assert_healthy(machine)


@pytest.mark.parametrize("cpu,e2h", [("max", 0), ("max", 1), ("neoverse-n1", 0), ("cortex-a57", 0)])
def test_debians_qemu_runs_guests(boot_with_qemu, cpu, e2h):
    machine = boot_with_qemu(cpu=cpu, e2h=e2h)
    uses_devices(machine)
    uses_pci(machine)
    reboots(machine)
    stops_and_goes_on(machine)
    assert "qemu" not in machine.check("keelctl vms")
    vms.assert_healthy(machine)


def vm_bits(machine, options):
    """How many bits of address QEMU asks for."""
    machine.check(f"{qemu(options)} -serial null >/tmp/qemu 2>&1 </dev/null & echo $! >/tmp/pid")
    machine.check("for i in $(seq 300); do keelctl vms | grep -q qemu && break; sleep 0.1; done")
    bits = machine.check("keelctl vms | grep qemu").split()[1]
    machine.run("kill $(cat /tmp/pid); wait $(cat /tmp/pid)")
    return int(bits)


@pytest.mark.parametrize("cpu,strict", [("max", 0)] + [(cpu, 1) for cpu in CPUS])
def test_qemu_runs_on_a_machine_of_36_bits(boot_with_qemu, cpu, strict):
    """QEMU counts its map's bits, and leaves out what the machine's do not reach; type 0 it never uses."""
    machine = boot_with_qemu(cpu=cpu, **SMALL)
    machine.check(f"echo {strict} >/sys/module/keel/parameters/strict_ipa")
    guest = QemuGuest(machine, "-m 256M -smp 2")
    assert guest.run("memtouch 32") == "memtouch: 32 MiB good"
    assert guest.end("poweroff -f") == vms.OFF
    assert vm_bits(machine, "-m 256M") == 32
    assert vm_bits(machine, "-m 256M,maxmem=32G,slots=1") == 36
    refused = machine.run(qemu("-m 256M,maxmem=64G,slots=1") + " 2>&1")
    assert refused.status == 1
    assert "Addressing limited to 36 bits, but memory exceeds it" in refused.output
    assert machine.run("dmesg | grep -E 'VMs? of type 0'").output == ""
    vms.assert_healthy(machine)


def test_a_guest_has_memory_tags_if_qemu_asks_for_them(boot_with_qemu):
    """On a machine that has them, by -machine mte=on; without it a guest sees none."""
    machine = boot_with_qemu(extra=("-machine", "mte=on"))
    for option, there in (("-machine mte=on", "1"), ("", "0")):
        guest = QemuGuest(machine, f"-m 256M {option}")
        assert guest.run("grep -m 1 Features /proc/cpuinfo | grep -c -w mte") == there
        assert guest.end("poweroff -f") == vms.OFF
    vms.assert_healthy(machine)
