/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_LATE_H
#define FL_LATE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Libraries that one command needs, and that bring many others with them: libmicrohttpd brings
 * GnuTLS, libkmod brings OpenSSL's libcrypto. Linked to, they cost every command 12 million
 * instructions of relocations before main(); so they are opened by who needs them.
 *
 *	#define MHD(F) F(MHD_, run) F(MHD_, stop_daemon)
 *	FL_LATE(mhd, "libmicrohttpd.so.12", MHD)
 *
 * makes mhd.run() and mhd.stop_daemon(), of the types that the library's header declares, and
 * `bool mhd_open(void)`, which must have returned true before; else it has said what is missing.
 */
#define FL_LATE_FIELD(prefix, name) __typeof__(prefix##name) *name;
#define FL_LATE_NAME(prefix, name)  #prefix #name,

#define FL_LATE(lib, soname, functions)                                                            \
	static struct {                                                                            \
		functions(FL_LATE_FIELD)                                                           \
	} lib;                                                                                     \
	static bool lib##_open(void)                                                               \
	{                                                                                          \
		static const char *const names[] = { functions(FL_LATE_NAME) };                    \
                                                                                                   \
		return fl_late_open(soname, names, sizeof(names) / sizeof(names[0]), &lib);        \
	}

/* Fills `table`, an array of pointers to the named functions. It stays open until the end. */
bool fl_late_open(const char *soname, const char *const *names, size_t n, void *table);

#endif
