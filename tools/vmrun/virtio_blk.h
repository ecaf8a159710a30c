/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtio disk (virtio 1.1, 5.2): a file, or a block device of the host's. */
#ifndef VMRUN_VIRTIO_BLK_H
#define VMRUN_VIRTIO_BLK_H

#include "vm.h"

/** virtio_blk_create() - one more disk. @spec: a file's name; with ",ro" behind it, read-only. */
void virtio_blk_create(const struct vm *vm, const char *spec);

#endif
