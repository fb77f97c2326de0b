/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_BPFFS_H
#define FL_BPFFS_H

#include <bpf/libbpf.h>
#include <stdbool.h>

/*
 * Where what outlives the tool is pinned, and what everything that loads BPF programs does first.
 * `who` begins the messages: "tune watch".
 */
#define FL_BPFFS      "/sys/fs/bpf"
#define FL_BPFFS_DIR  FL_BPFFS "/fairlead"
#define FL_BPFFS_MAPS FL_BPFFS_DIR "/maps"

/* A BPF file system is at FL_BPFFS. Returns enum fl_exit after a message. */
int fl_bpffs_mounted(void);

/* Root, a BPF file system and the kernel's types are there. Returns enum fl_exit after a message. */
int fl_bpffs_ready(const char *who);

/*
 * One command at a time: make FL_BPFFS_DIR and FL_BPFFS_MAPS, and lock the first. Returns a
 * descriptor for fl_bpffs_unlock(), or -1 after a message.
 */
int fl_bpffs_lock(void);

/* Also removes the directories if nothing is pinned in them. */
void fl_bpffs_unlock(int lock);

/* Could the pinned map be reused for this one? */
bool fl_bpffs_same_shape(int fd, const struct bpf_map *map);

/* Pin a descriptor, in place of what may be pinned there, in one step. Returns 0 or -errno. */
int fl_bpffs_pin(int fd, const char *path);

/* Say why the kernel refused to load programs (err > 0); returns FL_FAILED. */
int fl_bpffs_load_error(const char *who, int err);

/* libbpf's own words only with FAIRLEAD_DEBUG set: they are for those who debug the programs. */
void fl_bpffs_quiet(void);

#endif
