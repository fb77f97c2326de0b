// SPDX-License-Identifier: GPL-2.0
#include "pod.h"
#include "../lib/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>

#define LOGS "/var/log/pods"

/* A UUID, or the 32 digits that the kubelet makes up for a static pod. Under systemd '_' stands for
 * '-', which separates levels there. */
static bool take_uid(char *uid, const char *text, size_t len)
{
	size_t digits = 0;

	if (len != 36 && len != 32)
		return false;
	for (size_t i = 0; i < len; i++) {
		uid[i] = text[i] == '_' ? '-' : text[i];
		if (isxdigit((unsigned char)uid[i]))
			digits++;
		else if (uid[i] != '-')
			digits = len + 1; /* never right */
	}
	uid[len] = '\0';
	if (digits == 32)
		return true;
	*uid = '\0';
	return false;
}

/* "pod" and what follows, at the start of the part or after the last "-pod". */
static bool pod_part(struct fl_pod *pod, const char *part, size_t len)
{
	const char *suffix = ".slice";
	size_t cut = strlen(suffix);

	if (len > cut && !memcmp(part + len - cut, suffix, cut))
		len -= cut;
	for (size_t i = 0; i + 3 < len; i++)
		if (!memcmp(part + i, "pod", 3) && (!i || part[i - 1] == '-') &&
		    take_uid(pod->uid, part + i + 3, len - i - 3))
			return true;
	return false;
}

/* 64 hexadecimal digits, alone or as in "cri-containerd-ID.scope", "crio-ID.scope", "docker-ID.scope". */
static void container_part(struct fl_pod *pod, const char *part, size_t len)
{
	const char *suffix = ".scope";
	size_t cut = strlen(suffix), n = sizeof(pod->container) - 1;

	if (len > cut && !memcmp(part + len - cut, suffix, cut))
		len -= cut;
	if (len < n || (len > n && part[len - n - 1] != '-'))
		return;
	part += len - n;
	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)part[i]))
			return;
	memcpy(pod->container, part, n);
}

bool fl_pod_of_cgroup(struct fl_pod *pod, const char *path)
{
	*pod = (struct fl_pod){ 0 };
	while (*path) {
		size_t len;

		path += *path == '/';
		len = strcspn(path, "/");
		if (!*pod->uid) {
			if (pod_part(pod, path, len))
				pod->container[0] = '\0';
		} else if (!*pod->container) {
			container_part(pod, path, len);
		}
		path += len;
	}
	return *pod->uid != '\0';
}

char *fl_pod_name(const char *uid)
{
	DIR *dir = opendir(LOGS);
	char *name = NULL;
	struct dirent *d;

	/* NAMESPACE_NAME_UID; none of them has a '_'. */
	while (dir && !name && (d = readdir(dir))) {
		const char *first = strchr(d->d_name, '_'), *last = strrchr(d->d_name, '_');

		if (first && first < last && !strcmp(last + 1, uid))
			name = fl_asprintf("%.*s/%.*s", (int)(first - d->d_name), d->d_name,
					   (int)(last - first - 1), first + 1);
	}
	if (dir)
		closedir(dir);
	return name;
}
