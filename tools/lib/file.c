// SPDX-License-Identifier: GPL-2.0
#include "file.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fl_file_read(const char *path, size_t limit, char **text, size_t *len)
{
	size_t size = 0, room = 4096;
	struct stat st;
	char *buf;
	int fd, err;

	/* O_NONBLOCK: a FIFO in the place of a file must be refused, not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		err = -errno;
		close(fd);
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	buf = fl_realloc(NULL, room + 1, 1);
	for (;;) {
		ssize_t n;

		if (size == room) {
			room *= 2;
			buf = fl_realloc(buf, room + 1, 1);
		}
		n = read(fd, buf + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? -errno : 0;
		if (n <= 0)
			break;
		size += (size_t)n;
		if (size > limit) {
			err = -EFBIG;
			break;
		}
	}
	close(fd);
	if (err) {
		free(buf);
		return err;
	}
	buf[size] = '\0';
	*text = buf;
	if (len)
		*len = size;
	return 0;
}

static int sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int fd, err = 0;

	dir = !slash	    ? fl_strdup(".") :
	      slash == path ? fl_strdup("/") :
			      fl_asprintf("%.*s", (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return -errno;
	/* Some file systems (9p, overlayfs on some kernels) cannot sync a directory: EINVAL. There is
	 * nothing better to do there. */
	if (fsync(fd) && errno != EINVAL)
		err = -errno;
	close(fd);
	return err;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int fl_file_write(const char *path, const void *data, size_t len, mode_t mode)
{
	char *tmp = fl_asprintf("%s.tmp", path);
	int fd, err = 0;

	/* One that a crash left behind is of no use to anybody; O_EXCL then keeps out a symlink that
	 * somebody planted. */
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		err = -errno;
		free(tmp);
		return err;
	}
	/* The umask must not decide about the mode of what others have to read. */
	if (fchmod(fd, mode))
		err = -errno;
	if (!err)
		err = write_all(fd, data, len);
	if (!err && fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);
	else
		err = sync_dir_of(path);
	free(tmp);
	return err;
}

int fl_file_put(const char *path, const char *text)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		err = -errno;
	else if ((size_t)n != len)
		err = -EIO;
	close(fd);
	return err;
}

int fl_file_remove(const char *path)
{
	if (unlink(path))
		return errno == ENOENT ? 0 : -errno;
	return sync_dir_of(path);
}

int fl_file_mkdirs(const char *path, mode_t mode)
{
	char *copy = fl_strdup(path);
	struct stat st;
	int err = 0;

	for (char *p = copy + 1; !err; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) && errno != EEXIST)
			err = -errno;
		*p = c;
		if (c == '\0')
			break;
	}
	free(copy);
	if (!err && stat(path, &st))
		err = -errno;
	if (!err && !S_ISDIR(st.st_mode))
		err = -ENOTDIR;
	return err;
}
