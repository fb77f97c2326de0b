/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_INTERFACE_H
#define FL_TUNE_INTERFACE_H

#include <stdbool.h>

/*
 * Keys of one interface: net.ipv4.conf.eth0/100.rp_filter. In a profile the interface may be a glob
 * (glob(7) without braces) or a class:
 *
 *	@ra	has a default route that the kernel took from a router advertisement
 */

/* Does the name have a class that is known for its interface? */
bool fl_interface_class(const char *name);

/*
 * The keys that a pattern stands for now, sorted, ends with NULL: those of the interfaces that are
 * there, never of 'all' and 'default'. The list and the names belong to the caller. Returns NULL
 * after a message when the interfaces cannot be listed.
 */
char **fl_interface_keys(const char *pattern);
void fl_interface_keys_free(char **keys);

/* Does the pattern stand for the key of this interface? */
bool fl_interface_match(const char *pattern, const char *interface);

/* Its interface of a canonical name of the catalogue's pattern ("net.ipv4.conf.*.rp_filter"); the text
 * with dots for slashes belongs to the caller. NULL: the name is none of that pattern. */
char *fl_interface_of(const char *catalog_name, const char *name);

/* The name for one interface: '*' of the catalogue's pattern replaced. Belongs to the caller. */
char *fl_interface_key(const char *catalog_name, const char *interface);

/* The interfaces of the network namespace, sorted, ends with NULL; NULL after a message. */
char **fl_interface_list(void);

/* Has it a default route that the kernel took from a router advertisement? */
bool fl_interface_routed_by_ra(const char *interface);

/* Is it a WireGuard interface? */
bool fl_interface_wireguard(const char *interface);

#endif
