/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/* The version of Keel, keel.ko and the tools; debian/changelog has the same. */
#ifndef KEEL_VERSION_H
#define KEEL_VERSION_H

#define KEEL_VERSION "0.1"

#endif
