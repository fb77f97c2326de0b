// SPDX-License-Identifier: GPL-2.0
#include "interface.h"
#include "sysctl.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <errno.h>
#include <fnmatch.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_RA "@ra"

/* Flags of /proc/net/ipv6_route: RTF_ADDRCONF of <linux/ipv6_route.h>, RTF_GATEWAY of <linux/route.h>. */
#define ROUTE_ADDRCONF 0x00040000U
#define ROUTE_GATEWAY  0x0002U

#define FILE_LIMIT     (16 * 1024 * 1024)

/* Length of the part of a canonical name that begins here. */
static size_t part(const char *at)
{
	return strcspn(at, ".");
}

/* The part with '@' or a glob in it; NULL if there is none. *len: its length. */
static const char *special(const char *name, size_t *len)
{
	for (;; name += *len + 1) {
		*len = part(name);
		for (size_t i = 0; i < *len; i++)
			if (strchr("*?[@", name[i]))
				return name;
		if (!name[*len])
			return NULL;
	}
}

bool fl_interface_class(const char *name)
{
	size_t len;
	const char *at = special(name, &len);

	return at && len == strlen(CLASS_RA) && !memcmp(at, CLASS_RA, len);
}

/* A slash in a canonical name is a dot of the interface's. */
static char *interface_text(const char *at, size_t len)
{
	char *text = fl_asprintf("%.*s", (int)len, at);

	for (char *p = text; *p; p++)
		*p = *p == '/' ? '.' : *p;
	return text;
}

bool fl_interface_match(const char *pattern, const char *interface)
{
	size_t len;
	const char *at = special(pattern, &len);
	char *glob;
	bool match;

	if (!at)
		return false;
	if (fl_interface_class(pattern))
		return fl_interface_routed_by_ra(interface);
	glob = interface_text(at, len);
	match = !fnmatch(glob, interface, 0);
	free(glob);
	return match;
}

char *fl_interface_key(const char *catalog_name, const char *interface)
{
	size_t len;
	const char *at = special(catalog_name, &len);
	char *name;

	if (!at)
		return fl_strdup(catalog_name);
	name = fl_asprintf("%.*s%s%s", (int)(at - catalog_name), catalog_name, interface, at + len);
	for (char *p = name + (at - catalog_name);
	     p < name + (at - catalog_name) + strlen(interface); p++)
		*p = *p == '.' ? '/' : *p;
	return name;
}

char *fl_interface_of(const char *catalog_name, const char *name)
{
	size_t len, before;
	const char *at = special(catalog_name, &len);

	if (!at)
		return NULL;
	before = (size_t)(at - catalog_name);
	if (strncmp(name, catalog_name, before) != 0)
		return NULL;
	if (strcmp(name + before + part(name + before), at + len) != 0)
		return NULL;
	return interface_text(name + before, part(name + before));
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **fl_interface_list(void)
{
	struct if_nameindex *all = if_nameindex();
	char **names;
	size_t n = 0;

	if (!all) {
		fl_err("cannot list the network interfaces: %s", strerror(errno));
		return NULL;
	}
	while (all[n].if_name)
		n++;
	names = fl_zalloc((n + 1) * sizeof(*names));
	for (size_t i = 0; i < n; i++)
		names[i] = fl_strdup(all[i].if_name);
	if_freenameindex(all);
	qsort(names, n, sizeof(*names), compare);
	return names;
}

void fl_interface_keys_free(char **keys)
{
	for (char **k = keys; k && *k; k++)
		free(*k);
	free(keys);
}

char **fl_interface_keys(const char *pattern)
{
	char **interfaces = fl_interface_list(), **keys;
	size_t n = 0;

	for (n = 0; interfaces && interfaces[n]; n++)
		;
	if (!interfaces)
		return NULL;
	keys = fl_zalloc((n + 1) * sizeof(*keys));
	n = 0;
	for (char **i = interfaces; *i; i++)
		if (fl_interface_match(pattern, *i))
			keys[n++] = fl_interface_key(pattern, *i);
	fl_interface_keys_free(interfaces);
	return keys;
}

/*
 * Destination, its length, source, its length, gateway, metric, references, uses, flags, interface;
 * all but the last in hexadecimal. A default route that radvd and the like sent us has both flags;
 * one that a program such as systemd-networkd took from an advertisement lacks RTF_ADDRCONF, and
 * the kernel's accept_ra has no say in it.
 */
bool fl_interface_routed_by_ra(const char *interface)
{
	char *text, *line, *save = NULL, name[32];
	unsigned int length, flags;
	bool found = false;

	if (fl_file_read("/proc/net/ipv6_route", FILE_LIMIT, &text, NULL))
		return false;
	for (line = strtok_r(text, "\n", &save); line && !found; line = strtok_r(NULL, "\n", &save))
		found = sscanf(line, "%*s %x %*s %*s %*s %*s %*s %*s %x %31s", &length, &flags,
			       name) == 3 &&
			!length && flags & ROUTE_ADDRCONF && flags & ROUTE_GATEWAY &&
			!strcmp(name, interface);
	free(text);
	return found;
}

bool fl_interface_wireguard(const char *interface)
{
	char *path = fl_asprintf("/sys/class/net/%s/uevent", interface), *text;
	int err = fl_file_read(path, 4096, &text, NULL);
	bool is = !err && strstr(text, "DEVTYPE=wireguard\n");

	free(path);
	if (!err)
		free(text);
	return is;
}
