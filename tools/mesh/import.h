/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_IMPORT_H
#define FL_MESH_IMPORT_H

#include <stddef.h>

/*
 * wg-quick(8)'s files of the nodes of a mesh, one a node, become one mesh file. Private and
 * preshared keys never get into it.
 */
struct fl_import;

struct fl_import *fl_import_new(void);
void fl_import_free(struct fl_import *import);

/* One file. The node is called like it: "worker-1.conf" is worker-1. Errors are printed, all of
 * them; -1 if there was one. What a mesh file has no place for is said in a warning. */
int fl_import_add(struct fl_import *import, const char *path, const char *text, size_t len);

/* The mesh file; the caller frees it. */
char *fl_import_text(struct fl_import *import);

#endif
