/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host whose timer is the virtual one, which guests use, too. docs/timers.md.
 */
#ifndef KEEL_TIMER_HOST_TIMER_H
#define KEEL_TIMER_HOST_TIMER_H

/*
 * host_timer_init() - keep the host's virtual timer while guests run
 *
 * For hosts that may use it. Boot CPU, once, after vgic_init() and before timer_init().
 */
void host_timer_init(void);

#endif
