/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_H
#define FL_MESH_H

#include "conf.h"

#include <stdbool.h>

/* The verbs of `fairlead mesh`, and what they share. */

#define FL_MESH_IFNAME "fl0" /* of lane 0 */
#define FL_MESH_SCHEMA 1     /* of the JSON output */

/* The options that several verbs have. */
extern const char *fl_mesh_opt_config;	  /* NULL: not given */
extern const char *fl_mesh_opt_key;	  /* NULL: not given */
extern const char *fl_mesh_opt_interface; /* FL_MESH_IFNAME if not given */

/* Prints and returns false if no interface can have this name. */
bool fl_mesh_valid_ifname(const char *name);

/* The address text that messages about a missing WireGuard have in common. */
int fl_mesh_no_wireguard(void);

int fl_mesh_genkey(int argc, char **argv);
int fl_mesh_genpsk(int argc, char **argv);
int fl_mesh_pubkey(int argc, char **argv);
int fl_mesh_plan(int argc, char **argv);
int fl_mesh_verify(int argc, char **argv);
int fl_mesh_up(int argc, char **argv);
int fl_mesh_down(int argc, char **argv);
int fl_mesh_show(int argc, char **argv);
int fl_mesh_graph(int argc, char **argv);
int fl_mesh_export(int argc, char **argv);
int fl_mesh_import(int argc, char **argv);
int fl_mesh_ping(int argc, char **argv);
int fl_mesh_check_paths(int argc, char **argv);

extern const char *fl_mesh_opt_psk; /* NULL: not given */

extern const char *fl_mesh_opt_out;	/* genkey, genpsk, export */
extern const char *fl_mesh_opt_graph;	/* graph */
extern const char *fl_mesh_opt_format;	/* export */
extern bool fl_mesh_opt_show_keys;	/* show */
extern bool fl_mesh_opt_ping;		/* show */
extern unsigned int fl_mesh_opt_watch;	/* show; seconds, 0: not given */
extern unsigned int fl_mesh_opt_count;	/* ping */
extern const char *fl_mesh_opt_confirm; /* up; NULL: not given */

#endif
