# SPDX-License-Identifier: BSD-2-Clause
"""Bare-metal hosts that mean harm (tests/hostile): EL2 goes on, and they get what is documented."""

import re
import subprocess

import pytest

import keelvm
import messages

DONE = r"hostile: done, (\d+) passed, (\d+) failed"


@pytest.fixture
def run_hostile(start, make_bundle):
    """run_hostile(NAME, least, ...): run the program on a machine; at least so many checks pass."""

    def run(name, least, append="", cmdline="none", **machine_options):
        payload = (keelvm.BUILD / "host" / "hostile" / f"{name}.img").read_bytes()
        bundle = make_bundle(kernel=payload, initrd=b"none", cmdline=cmdline)
        machine = start(bundle=bundle, append=f"keel.console=keep {append}", **machine_options)
        done = machine.expect(f"{DONE}|keel: .*panic.*\n")
        failures = re.findall(r"hostile: FAILED .*|keel: .*panic.*", machine.console)
        assert not failures, "\n".join(failures)
        assert int(done.group(2)) == 0
        assert int(done.group(1)) >= least, f"only {done.group(1)} checks were made"
        assert machine.wait_for_exit() == 0, "SYSTEM_OFF did not end the machine"
        return machine

    return run


@pytest.mark.parametrize("e2h", [0, 1])
def test_a_host_in_streaming_mode_stops_nothing(run_hostile, e2h):
    run_hostile("sme", 150, f"keel.e2h={e2h}", smp=1)


@pytest.mark.parametrize("e2h", [0, 1])
def test_a_guest_runs_in_streaming_mode_without_full_a64(run_hostile, e2h):
    run_hostile("sme", 150, f"keel.e2h={e2h}", smp=1, cpu="max,pauth-impdef=on,sme_fa64=off")


@pytest.mark.parametrize(
    "e2h,variant",
    [
        (0, "release"),
        (1, "debug"),
        pytest.param(1, "release", marks=pytest.mark.full),
        pytest.param(0, "debug", marks=pytest.mark.full),
    ],
)
def test_no_hypercall_in_any_state_stops_keel(run_hostile, e2h, variant):
    run_hostile("calls", 27, f"keel.e2h={e2h}", smp=2, variant=variant)


@pytest.mark.parametrize("e2h,variant", [(0, "debug"), pytest.param(1, "release", marks=pytest.mark.full)])
def test_no_hypercall_about_a_vm_with_an_el2_stops_keel(run_hostile, e2h, variant):
    run_hostile("calls", 28, f"keel.e2h={e2h} keel.nested=1", smp=2, variant=variant)


@pytest.mark.parametrize("cpu,variant", [("cortex-a57", "release"), ("max", "debug")])
def test_a_gicv2s_interface_for_vms_is_out_of_the_hosts_reach(run_hostile, cpu, variant):
    run_hostile("gicv2", 66, cpu=cpu, gic=2, smp=2, variant=variant)


@pytest.mark.parametrize("e2h", [0, 1])
def test_a_profiled_guest_does_not_keep_the_cpu(run_hostile, e2h):
    run_hostile("sampled", 11, f"keel.e2h={e2h}", smp=2)


# ---- memory that firmware reserved

RESERVED_BLOCK = "/memreserve/ 0x70000000 0x1000;\n"
RESERVED_NODES = """
/ {
    ram@80000000 { device_type = "memory"; reg = <0 0x80000000 0 0x40000000>; };
    reserved-memory {
        #address-cells = <2>; #size-cells = <2>; ranges;
        secure@80000000 { reg = <0 0x80000000 0 0x40000000>; no-map; };
    };
};
"""


def dtc(source, to):
    """A device tree in another form."""
    done = subprocess.run(["dtc", "-q", "-O", to, source], check=True, capture_output=True, timeout=60)
    return done.stdout


def reserved_tree(path, nodes=RESERVED_NODES, **changes):
    """The machine's own tree, with more RAM than there is, and all that is not there reserved."""
    args = keelvm.Config(**changes).qemu_args()
    args[1] += f",dumpdtb={path}"
    subprocess.run(["qemu-system-aarch64", *args], check=True, capture_output=True, timeout=60)
    source = dtc(path, "dts").decode().replace("/dts-v1/;", f"/dts-v1/;\n{RESERVED_BLOCK}", 1)
    path.write_text(source + nodes)
    path.write_bytes(dtc(path, "dtb"))
    return path


# Without FEAT_S2FWB EL2 writes caches back before it maps.
@pytest.mark.parametrize("cpu,variant", [("max", "debug"), ("cortex-a57", "release")])
def test_memory_that_firmware_reserved_is_not_given_away(run_hostile, tmp_path, cpu, variant):
    tree = reserved_tree(tmp_path / "tree", cpu=cpu)
    run_hostile("reserved", 35, cpu=cpu, variant=variant, extra=("-dtb", str(tree)))


@pytest.mark.parametrize(
    "cpu,calls",
    [("max", 1), ("cortex-a72", 8), pytest.param("neoverse-n1", 8, marks=pytest.mark.full)],
)
@pytest.mark.parametrize("variant", ["release", "debug"])
def test_a_call_cleans_at_most_256_kib_of_caches(run_hostile, cpu, calls, variant):
    """2 MiB are cleaned in 8 calls without FEAT_S2FWB, and need no cleaning with it."""
    machine = run_hostile("caches", 20, cpu=cpu, variant=variant)
    told = dict(re.findall(r"hostile: calls to (.+): (\d+)", machine.console))
    what = ("map", "unmap", "unmap a part as a whole")
    assert {key: int(told[key]) for key in what} == dict.fromkeys(what, calls)
    # The first call comes to the end of what is mapped, the last one to that of the address space.
    assert int(told["sync"]) in (calls, calls + 1)


def test_a_vm_of_many_pieces_ends_in_short_calls(run_hostile):
    run_hostile("pieces", 6, smp=1, extra=("-icount", "shift=0,sleep=off"))


@pytest.mark.parametrize("e2h", [0, 1])
def test_a_call_keeps_the_cpu_for_a_bounded_time(run_hostile, e2h):
    """In instructions, each where it takes longest; hold.c has the bounds."""
    run_hostile("hold", 93, f"keel.e2h={e2h}", smp=1, extra=("-icount", "shift=0,sleep=off"))


@pytest.mark.parametrize("e2h", [0, 1])
def test_a_guest_hypervisor_keeps_the_cpu_for_a_bounded_time(run_hostile, e2h):
    """Pages that shadows have, TLBIs for all shadows, new shadows, the VM's end; nested.c has the bounds."""
    append = f"keel.nested=1 keel.e2h={e2h}"
    run_hostile("nested", 24, append, smp=1, extra=("-icount", "shift=0,sleep=off"))


@pytest.mark.parametrize(
    "e2h,variant", [(0, "release"), pytest.param(1, "debug", marks=pytest.mark.full)]
)
def test_random_instructions_end_one_guest_at_most(run_hostile, e2h, variant):
    run_hostile("wild", 34, f"keel.e2h={e2h}", smp=2, variant=variant)


@pytest.mark.parametrize("variant", ["release", "debug"])
@pytest.mark.parametrize("e2h", [0, 1])
def test_tables_of_a_guest_do_not_answer(run_hostile, variant, e2h):
    """EL2 translates an address of the guest's, and the walk is an external abort: no more than that."""
    machine = run_hostile("walk", 9, f"keel.e2h={e2h}", variant=variant)
    assert re.search(messages.FIXED_UP, machine.console), "EL2 did not meet the abort"


@pytest.mark.parametrize("e2h,variant", [(0, "release"), (1, "debug")])
def test_tables_of_a_guest_hypervisor_are_not_there(run_hostile, e2h, variant):
    """AT at a virtual EL2 meets them: the guest takes an abort, or finds memory after all."""
    machine = run_hostile("translate", 780, f"keel.nested=1 keel.e2h={e2h}", variant=variant)
    assert re.search(messages.FIXED_UP, machine.console), "EL2 did not meet the abort"


@pytest.mark.parametrize("cpu", ["max", "cortex-a57"])
def test_tables_of_a_guest_change_under_el2(run_hostile, cpu):
    """The address of a fault is translated again while another vCPU breaks the tables."""
    machine = run_hostile("race", 10, "keel.spe=off", cpu=cpu, smp=2)
    assert re.search(messages.FIXED_UP, machine.console), "EL2 did not meet the abort"


# ---- what the interrupt controller writes by itself

# Frames where nothing answers: an ITS, and two redistributors of CPUs without power.
DEAD_FRAMES = """
/ {
    intc@8000000 {
        #redistributor-regions = <2>;
        reg = <0 0x08000000 0 0x10000>, <0 0x080a0000 0 0xf60000>, <0 0x0c100000 0 0x40000>;
        its@c200000 {
            compatible = "arm,gic-v3-its"; msi-controller; #msi-cells = <1>;
            reg = <0 0x0c200000 0 0x20000>;
        };
    };
};
"""


@pytest.mark.parametrize("e2h,variant", [(0, "debug"), (1, "release")])
def test_the_gic_writes_nothing_but_the_hosts(run_hostile, tmp_path, e2h, variant):
    tree = reserved_tree(tmp_path / "tree", nodes=RESERVED_NODES + DEAD_FRAMES)
    machine = run_hostile("its", 170, f"keel.e2h={e2h}", variant=variant, extra=("-dtb", str(tree)))
    assert re.search(messages.FIXED_UP, machine.console), "EL2 did not meet the aborts"
    assert re.search(messages.NO_ITS, machine.console)


# Redistributors in memory of a PCI device, which is on from reset.
FRAMES_FIRMWARE = keelvm.BUILD / "host" / "firmware" / "frames.bin"
FRAMES_NODES = """
/ {
    intc@8000000 { reg = <0 0x08000000 0 0x10000>, <0 0x20000000 0 0x40000>; };
};
"""
FRAMES = (
    "-global",
    "gpex-pcihost.allow-unmapped-accesses=off",
    "-object",
    "memory-backend-ram,id=frames,size=256K,share=on",
    "-device",
    "ivshmem-plain,memdev=frames,addr=3",
    "-device",
    f"loader,file={FRAMES_FIRMWARE},addr=0x7f000000,force-raw=on,cpu-num=0",
)


@pytest.mark.parametrize("e2h,variant", [(0, "release"), (1, "debug")])
def test_redistributors_lose_their_power(run_hostile, tmp_path, e2h, variant):
    """EL2 interrupts a CPU, and holds a timer's interrupt, where nothing answers any more."""
    tree = reserved_tree(tmp_path / "tree", nodes=FRAMES_NODES)
    machine = run_hostile("power", 23, f"keel.e2h={e2h}", variant=variant, extra=("-dtb", str(tree), *FRAMES))
    assert re.search(messages.FIXED_UP, machine.console), "EL2 did not meet the aborts"


# ---- memory that comes and goes

VANISHING_NODES = """
/ {
    ram@20000000 { device_type = "memory"; reg = <0 0x20000000 0 0x8000>; };
};
"""
# So little that nobody puts anything there. Without it the machine answers for what is not there.
VANISHING = (
    "-global",
    "gpex-pcihost.allow-unmapped-accesses=off",
    "-object",
    "memory-backend-ram,id=vanishing,size=32K,share=on",
    "-device",
    "ivshmem-plain,memdev=vanishing,addr=3",
)


@pytest.mark.parametrize("e2h", [0, 1])
def test_memory_vanishes_below_a_guest(run_hostile, tmp_path, e2h):
    """Tables of stage 2 do not answer any more: the VM ends, with what happened; it lives when they do.

    Not in a debug build: it looks at all tables after each call."""
    tree = reserved_tree(tmp_path / "tree", nodes=VANISHING_NODES)
    machine = run_hostile("vanish", 38, f"keel.e2h={e2h}", extra=("-dtb", str(tree), *VANISHING))
    assert re.search(messages.GUEST_ABORT + "the VM's stage 2 tables", machine.console)


@pytest.mark.parametrize("variant", ["release", "debug"])
@pytest.mark.parametrize("e2h", [0, 1])
def test_random_instructions_at_el2_end_one_guest_at_most(run_hostile, e2h, variant):
    """The same with a virtual EL2 (docs/nested.md), where ERET and EL2's registers are among them."""
    machine = run_hostile("wild", 32, f"keel.e2h={e2h} keel.nested=1", smp=2, variant=variant)
    assert "hostile: at EL2" in machine.console


@pytest.mark.parametrize("e2h,variant", [pytest.param(0, "release", marks=pytest.mark.full), (1, "debug")])
def test_random_instructions_at_el2_without_vhe_end_one_guest_at_most(run_hostile, e2h, variant):
    options = {"cmdline": "wild=nvhe", "smp": 2, "variant": variant}
    machine = run_hostile("wild", 32, f"keel.e2h={e2h} keel.nested=1", **options)
    assert "hostile: without VHE" in machine.console


@pytest.mark.parametrize("e2h,variant", [pytest.param(0, "release", marks=pytest.mark.full), (1, "debug")])
def test_nested_guests_reach_no_memory_that_their_vm_has_lost(run_hostile, e2h, variant):
    """Two VMs and the host pass pages on, while guest hypervisors do what they want with them."""
    run_hostile("nested_wild", 36, f"keel.e2h={e2h} keel.nested=1", smp=2, variant=variant)
