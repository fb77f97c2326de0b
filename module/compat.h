/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FAIRLEAD_COMPAT_H
#define _FAIRLEAD_COMPAT_H

/*
 * Differences between kernels, and nothing else. What a kernel has is found out by looking into its
 * headers, never by its version number: stable and vendor kernels carry what they like. Kbuild
 * looks for headers, because sparse does not know __has_include.
 */

#include <linux/hrtimer.h>
#include <linux/skbuff.h>

/* SKB_GSO_CB, skb_gso_segment() and the like: <linux/skbuff.h> until 6.5. */
#ifdef FAIRLEAD_HAVE_NET_GSO_H
#include <net/gso.h>
#endif

/*
 * May a UDP socket be given a gro_receive? Since 6.16 the kernel keeps a table of all of them and
 * calls through a static call, so that one it does not know of is never called, or worse.
 */
#ifdef FAIRLEAD_HAVE_UDP_GRO_STATIC_CALL
#define FAIRLEAD_SOCKET_GRO 0
#else
#define FAIRLEAD_SOCKET_GRO 1
#endif

/* In two steps until 6.12. */
static inline void fairlead_hrtimer_setup(struct hrtimer *timer,
					  enum hrtimer_restart (*function)(struct hrtimer *),
					  clockid_t clock, enum hrtimer_mode mode)
{
#ifdef FAIRLEAD_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

#endif
