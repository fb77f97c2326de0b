// SPDX-License-Identifier: GPL-2.0
#include "sysctl.h"
#include "../lib/file.h"
#include "../lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/proc/sys/"

static void swap_separators(char *s)
{
	for (; *s; s++)
		*s = *s == '.' ? '/' : *s == '/' ? '.' : *s;
}

static int valid_path(const char *path)
{
	size_t len;

	for (const char *p = path;; p += len + 1) {
		len = strcspn(p, "/");
		if (!len || (len == 1 && *p == '.') || (len == 2 && !memcmp(p, "..", 2)))
			return 0;
		if (!p[len])
			break;
	}
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			return 0;
	/* A part alone is a directory ("vm"). */
	return strlen(path) <= FL_SYSCTL_NAME_MAX && strchr(path, '/') != NULL;
}

char *fl_sysctl_name(const char *text)
{
	size_t first = strcspn(text, "./");
	char *path = fl_strdup(text);

	if (text[first] == '.')
		swap_separators(path);
	if (!valid_path(path)) {
		free(path);
		return NULL;
	}
	swap_separators(path);
	return path;
}

char *fl_sysctl_path(const char *name)
{
	char *path = fl_asprintf(ROOT "%s", name);

	swap_separators(path + strlen(ROOT));
	return path;
}

char *fl_sysctl_name_of_path(const char *path)
{
	char *name = fl_strdup(path + strlen(ROOT));

	swap_separators(name);
	return name;
}

int fl_sysctl_read(const char *name, char **text)
{
	char *path = fl_sysctl_path(name), *buf = NULL;
	size_t size = 4096;
	ssize_t n = 0;
	int err;

	/* One read() each try: most handlers answer only at offset 0. One that fills the buffer may have
	 * been cut, so it is asked again with more room; a list of every other port is 190 KB. */
	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0) {
			err = -errno;
			break;
		}
		buf = fl_realloc(buf, size, 1);
		n = read(fd, buf, size - 1);
		err = n < 0 ? -errno : 0;
		close(fd);
		if (err || (size_t)n < size - 1)
			break;
		if (size >= 1024 * 1024) {
			err = -EFBIG;
			break;
		}
		size *= 16;
	}
	free(path);
	if (err || !buf) {
		free(buf);
		return err ? err : -EIO;
	}
	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	*text = buf;
	return 0;
}

int fl_sysctl_write(const char *name, const char *text)
{
	char *path = fl_sysctl_path(name);
	/* A newline, so that an empty list is a write of one byte and not of none. */
	char *line = fl_asprintf("%s\n", text);
	int err = fl_file_put(path, line);

	free(line);
	free(path);
	return err;
}

const char *fl_sysctl_strerror(int err)
{
	switch (-err) {
	case ENOENT:
		return "this kernel does not have it (any more)";
	case EROFS:
		return "/proc/sys is read-only here; run fairlead on the node itself, not in a container";
	case EACCES:
	case EPERM:
		return "permission denied; run as root on the node itself, not in a container";
	case EINVAL:
		return "the kernel refuses the value (Invalid argument)";
	case EIO:
		return "the kernel took only part of the value";
	default:
		return strerror(-err);
	}
}
