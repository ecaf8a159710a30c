# SPDX-License-Identifier: BSD-2-Clause
"""What a guest's requests to virtio devices cost: stock KVM beside Keel, in instructions.

Debian's QEMU is the VMM on both sides, its devices are virtio-blk and virtio-net, and the guest is Debian's
kernel with bench/guest/requests.c. Otherwise as ops.py. docs/bench.md explains the lines.
"""

import sys

import ops

CMDLINE = f"{ops.CMDLINE} bench=virtio"


class Config(ops.Config):
    """A host kernel and a CPU model. The host's initial RAM disk has QEMU besides."""

    initrd_name = "qemu-initrd"
    operations = [
        ops.Operation("disk-read", "virtio-blk: a read of 4 KiB", "virtio", ops.SHARE),
        ops.Operation("echo", "virtio-net: an echo request and its reply", "virtio", ops.SHARE),
    ]

    def measure(self, side):
        return ops.values_of(self.boot(side, 1, CMDLINE, f"virtio-{side}-{self.cpu}"))


if __name__ == "__main__":
    sys.exit(ops.main(Config, "virtio", "Requests to virtio devices in instructions, on stock KVM and Keel."))
