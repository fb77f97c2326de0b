/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FAIRLEAD_COMPAT_H
#define _FAIRLEAD_COMPAT_H

/*
 * Differences between kernels, and nothing else. What a kernel has is found out by looking into its
 * headers, never by its version number: stable and vendor kernels carry what they like. Kbuild
 * looks for headers, because sparse does not know __has_include.
 */

#include <linux/skbuff.h>

/* SKB_GSO_CB, skb_gso_segment() and the like: <linux/skbuff.h> until 6.5. */
#ifdef FAIRLEAD_HAVE_NET_GSO_H
#include <net/gso.h>
#endif

#endif
