/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Error names and numbers: Linux's, because hypercalls return them to a Linux host unchanged.
 * A fallible function returns 0 or a negative one of these and is __must_check.
 */
#ifndef KEEL_LIB_ERRNO_H
#define KEEL_LIB_ERRNO_H

#define EPERM	   1
#define ENOENT	   2
#define ENXIO	   6
#define EIO	   5
#define E2BIG	   7
#define ENOEXEC	   8
#define EAGAIN	   11
#define ENOMEM	   12
#define EACCES	   13
#define EFAULT	   14
#define EBUSY	   16
#define EEXIST	   17
#define ENODEV	   19
#define EINVAL	   22
#define ENOSPC	   28
#define ERANGE	   34
#define EOVERFLOW  75
#define EOPNOTSUPP 95
#define ENOBUFS	   105

#endif
