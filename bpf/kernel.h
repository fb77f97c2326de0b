/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_KERNEL_H
#define FL_KERNEL_H

/*
 * The kernel's own types, as far as the programs use them. preserve_access_index makes libbpf
 * find each field by name in the BTF of the kernel that runs, so nothing of the build machine's
 * kernel gets into an object.
 */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key; /* NULL: the walk is over */
};

#pragma clang attribute pop

#endif
