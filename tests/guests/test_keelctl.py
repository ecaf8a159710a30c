# SPDX-License-Identifier: BSD-2-Clause
"""keelctl in the host: VMs and their memory maps, counters, the log."""

import re

import vms

VM_LINE = (
    r" *(?P<vm>\d+) +(?P<bits>\d+) +(?P<granule>\d+)K +(?P<level>\d) +(?P<root>\d+)x +(?P<bytes>\d+)"
    r" +(?P<tables>\d+)K +(?P<memory>\d+)K +(?P<vcpus>\d+)  (?P<pid>\d+) (?P<name>\S+)"
)
STRETCH = r"(0x[0-9a-f]{16})\.\.(0x[0-9a-f]{16}) +(\d+[KMG]) in blocks of +(\d+[KMG])  (r[w-][x-].*)"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def list_vms(machine):
    head, *lines = machine.check("keelctl vms").splitlines()
    assert re.fullmatch(r" *VM +BITS +GRANULE +LEVEL +ROOT +BYTES +TABLES +MEMORY +VCPUS +PROCESS", head)
    matches = [re.fullmatch(VM_LINE, line) for line in lines]
    assert all(matches), lines
    return [match.groupdict() for match in matches]


def size_of(text):
    return int(text[:-1]) * UNITS[text[-1]]


def memory_map(machine, vm):
    stretches = []
    for line in machine.check(f"keelctl s2 {vm}").splitlines():
        match = re.fullmatch(STRETCH, line)
        assert match, line
        first, last = int(match.group(1), 16), int(match.group(2), 16)
        assert last - first + 1 == size_of(match.group(3))
        assert (last - first + 1) % size_of(match.group(4)) == 0
        stretches.append((first, last, size_of(match.group(4)), match.group(5)))
    return stretches


def test_vms_are_shown(shared):
    machine = shared()
    vms.mount_debugfs(machine)
    assert list_vms(machine) == []
    small = vms.Background(machine, "--cpus 2 --mem 128M --ipa-bits 35")
    large = vms.Background(machine, "--mem 128M --ipa-bits 43 --mem-base top")
    small.wait_for_shell()
    large.wait_for_shell()

    first, second = list_vms(machine)
    shape = ("bits", "granule", "level", "root", "bytes", "vcpus", "name")
    assert [first[k] for k in shape] == ["35", "4", "1", "1", "256", "2", "vmrun"]
    assert [second[k] for k in shape] == ["43", "4", "1", "16", "65536", "1", "vmrun"]
    assert machine.check("pidof vmrun").split() == [second["pid"], first["pid"]]
    for vm in (first, second):
        root = (int(vm["bytes"]) + 1023) // 1024
        assert int(vm["memory"]) >= int(vm["tables"]) > root

    # All that a guest has is within its memory; its kernel is in blocks of 2 MiB.
    top = 1 << 43
    guest = [s for s in memory_map(machine, second["vm"]) if s[0] >= 0x80000000]
    assert guest and all(top - (128 << 20) <= s[0] and s[1] < top for s in guest)
    assert any(s[2] == 2 << 20 and s[3] == "rwx" for s in guest)
    assert all(a[1] < b[0] for a, b in zip(guest, guest[1:]))

    plain = machine.run(f"keelctl nested {first['vm']} 2>&1")
    assert (plain.status, plain.output) == (1, f"keelctl: the vCPUs of VM {first['vm']} have no EL2")

    small.kill("KILL")
    assert [vm["vm"] for vm in list_vms(machine)] == [second["vm"]]
    gone = machine.run(f"keelctl s2 {first['vm']} 2>&1")
    assert (gone.status, gone.output) == (1, f"keelctl: there is no VM {first['vm']}")
    large.kill("KILL")
    assert list_vms(machine) == []


def test_keelctl_shows_counters_and_log(boot):
    machine = boot()
    vms.mount_debugfs(machine)
    counters = dict(line.split() for line in machine.check("keelctl stat").splitlines())
    assert set(counters) >= {"host_aborts", "hypercalls", "smcs", "table_pages", "table_pages_free"}
    assert int(counters["hypercalls"]) > 0 and int(counters["host_aborts"]) == 0
    log = machine.check("keelctl log")
    assert re.search(r"Keel \S+ at 0x[0-9a-f]+, entered at EL2", log)
    assert "starting the host" in log


def test_doctor_tells_what_is_wrong(shared):
    """All is well; then no module, no permission, another Keel, as on a system of packages."""
    machine = shared()
    said = machine.check("keelctl doctor").splitlines()
    assert re.fullmatch(r"ok     this kernel runs below Keel \d\S*", said[0])
    assert re.fullmatch(r"ok     keel.ko \d\S* is loaded", said[1])
    assert re.fullmatch(r"ok     virtual machines can be made: up to \d+ vCPUs, addresses of \d\d bits", said[2])
    features = dict(re.fullmatch(r"note   (.*): (yes|no)", line).groups() for line in said[3:])
    assert features["SVE"] == "yes" and features["profiling by SPE"] == "yes"
    assert features["virtual machines in virtual machines"] == "no"

    machine.check("mkdir -p /etc; echo kvm:x:106: >/etc/group; chgrp 106 /dev/kvm; chmod 660 /dev/kvm")
    result = machine.run("limited 8192 keelctl doctor")
    assert result.status == 6 and "wrong  this user cannot open /dev/kvm" in result.output
    assert "adduser NAME kvm" in result.output
    machine.check("chmod 666 /dev/kvm")
    assert machine.run("limited 8192 keelctl doctor").status == 0
    machine.check("rm /etc/group; chown 0:0 /dev/kvm; chmod 600 /dev/kvm")

    machine.check("rmmod keel")
    result = machine.run("keelctl doctor")
    assert result.status == 4 and "wrong  keel.ko is not loaded" in result.output
    machine.check(f"insmod {vms.MODULE}")
    assert machine.run("keelctl doctor").status == 0


def test_wrong_use_is_one_line(shared):
    machine = shared()
    machine.check("umount /sys/kernel/debug 2>/dev/null; true")
    assert machine.check("keelctl --help").startswith("usage: keelctl COMMAND")
    for arguments, status, line in [
        ("", 2, "which command"),
        ("bogus", 2, "no command bogus"),
        ("vms 1", 2, "no more words"),
        ("s2", 2, "takes a VM's number"),
        ("s2 0x1", 2, "s2 wants a VM's number"),
        ("s2 ../1", 2, "s2 wants a VM's number"),
        ("nested", 2, "takes a VM's number"),
        ("nested x", 2, "nested wants a VM's number"),
        ("vms", 1, "mount -t debugfs"),
        ("s2 1", 1, "mount -t debugfs"),
        ("nested 1", 1, "mount -t debugfs"),
        ("stat", 1, "mount -t debugfs"),
        ("log", 1, "mount -t debugfs"),
    ]:
        result = machine.run(f"keelctl {arguments} 2>&1")
        assert result.status == status, result
        assert re.fullmatch(f"keelctl: .*{line}.*", result.output), result.output
    vms.mount_debugfs(machine)
    machine.check("rmmod keel")
    result = machine.run("keelctl vms 2>&1")
    assert (result.status, result.output) == (1, "keelctl: keel.ko is not loaded")
    machine.check(f"insmod {vms.MODULE}")
