# SPDX-License-Identifier: BSD-2-Clause
"""Shadows (keel.nested=1; docs/nested.md#shadows): what is left of a guest hypervisor that is killed."""

import pytest
import vms
from hosts import host_config
from vms import KILLED, OFF

NESTED = "quiet keel.console=keep keel.nested=1"
RUN = "vmrun --mem 64M --nested --cpus 2 /payloads/shadow.img"


@pytest.mark.parametrize("variant", [pytest.param("release", marks=pytest.mark.full), "debug"])
def test_a_guest_hypervisor_is_killed(hosts, variant):
    """While its nested guests run, fault, and are invalidated: all that it had is the host's again."""
    host = hosts.get(host_config(e2h=1, append=f"{NESTED} keel.e2h=1", smp=2, variant=variant))
    assert host.run(f"{RUN} >/dev/null", 120).status == OFF
    before = vms.Leftovers(host)
    killed = 0
    for tenths in range(2, 22, 2):
        delay = f"{tenths // 10}.{tenths % 10}"
        result = host.run(f"{RUN} </dev/null >/tmp/out 2>&1 & sleep {delay}; kill -9 $!; wait $!", 60)
        assert result.status in (KILLED, OFF), result.output
        killed += result.status == KILLED
    assert killed >= 2
    before.check()
    assert host.run(f"{RUN} | grep -c ' 0 failed'", 120).output.strip().endswith("1")
    vms.assert_healthy(host)
