/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_TUNE_POD_H
#define FL_TUNE_POD_H

#include <stdbool.h>

/* Which pod and container a control group belongs to, from its path as kubelet and the container
 * runtime build it, under systemd ("kubepods-burstable-pod1234_….slice/cri-containerd-….scope") or
 * without ("/kubepods/burstable/pod1234-…/…"). */
struct fl_pod {
	char uid[37];	    /* "" when it has none to be seen */
	char container[65]; /* id; "" likewise */
};

/* False: no pod's. *pod is zeroed then. */
bool fl_pod_of_cgroup(struct fl_pod *pod, const char *path);

/* "NAMESPACE/NAME" of a pod that has logs on this node, from the kubelet's /var/log/pods, or NULL. The
 * text belongs to the caller. */
char *fl_pod_name(const char *uid);

#endif
