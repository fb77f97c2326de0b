// SPDX-License-Identifier: GPL-2.0
#include "late.h"

#include "msg.h"

#include <dlfcn.h>
#include <string.h>

bool fl_late_open(const char *soname, const char *const *names, size_t n, void *table)
{
	void *lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	void *function;

	if (!lib) {
		fl_err("this command needs a library that cannot be opened: %s", dlerror());
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		function = dlsym(lib, names[i]);
		if (!function) {
			fl_err("%s lacks a function: %s", soname, dlerror());
			return false;
		}
		/* POSIX has pointers to functions fit into void *; C has no cast for it. */
		memcpy((char *)table + i * sizeof(function), &function, sizeof(function));
	}
	return true;
}
