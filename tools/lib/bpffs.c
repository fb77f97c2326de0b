// SPDX-License-Identifier: GPL-2.0
#include "bpffs.h"
#include "msg.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int fl_bpffs_mounted(void)
{
	struct statfs fs;

	if (!statfs(FL_BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC)
		return FL_OK;
	return fl_fail(FL_BPFFS ": no BPF file system there; mount it: mount -t bpf bpf " FL_BPFFS);
}

int fl_bpffs_ready(const char *who)
{
	if (geteuid())
		return fl_fail("%s: needs root, for BPF programs; try sudo", who);
	if (fl_bpffs_mounted())
		return FL_FAILED;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return fl_fail(
			"%s: this kernel has no BTF (/sys/kernel/btf/vmlinux); use one built with CONFIG_DEBUG_INFO_BTF",
			who);
	return FL_OK;
}

int fl_bpffs_lock(void)
{
	struct stat a, b;

	for (;;) {
		int fd;

		if (mkdir(FL_BPFFS_DIR, 0700) && errno != EEXIST) {
			fl_err(FL_BPFFS_DIR ": cannot make it: %s", strerror(errno));
			return -1;
		}
		fd = open(FL_BPFFS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue; /* another command was faster */
		if (fd < 0 || flock(fd, LOCK_EX)) {
			fl_err(FL_BPFFS_DIR ": cannot lock it: %s", strerror(errno));
			if (fd >= 0)
				close(fd);
			return -1;
		}
		/* Removed and made anew while we waited: then we hold the lock of nothing. */
		if (fstat(fd, &a) || stat(FL_BPFFS_DIR, &b) || a.st_ino != b.st_ino ||
		    a.st_dev != b.st_dev) {
			close(fd);
			continue;
		}
		if (!mkdir(FL_BPFFS_MAPS, 0700) || errno == EEXIST)
			return fd;
		fl_err(FL_BPFFS_MAPS ": cannot make it: %s", strerror(errno));
		close(fd);
		return -1;
	}
}

void fl_bpffs_unlock(int lock)
{
	rmdir(FL_BPFFS_MAPS); /* fails, rightly, when something is in it */
	rmdir(FL_BPFFS_DIR);
	close(lock);
}

bool fl_bpffs_same_shape(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return map && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map) &&
	       info.map_flags == bpf_map__map_flags(map);
}

int fl_bpffs_pin(int fd, const char *path)
{
	char tmp[256];

	/* bpffs allows no dot in a name. */
	snprintf(tmp, sizeof(tmp), "%s_new", path);
	unlink(tmp);
	if (bpf_obj_pin(fd, tmp))
		return -errno;
	if (rename(tmp, path)) {
		int err = -errno;

		unlink(tmp);
		return err;
	}
	return 0;
}

int fl_bpffs_load_error(const char *who, int err)
{
	switch (err) {
	case EPERM:
		return fl_fail(
			"%s: the kernel forbids BPF programs; needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, or a memlock limit that is not small (ulimit -l unlimited)",
			who);
	case ENOMEM:
		return fl_fail("%s: no memory for the BPF maps; give this control group more", who);
	case ENOSYS:
		return fl_fail("%s: this kernel has no BPF; use one built with CONFIG_BPF_SYSCALL",
			       who);
	default:
		return fl_fail(
			"%s: the kernel refused the BPF programs: %s; FAIRLEAD_DEBUG=1 shows why (kernel 6.1 or later is needed)",
			who, strerror(err));
	}
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

void fl_bpffs_quiet(void)
{
	if (!getenv("FAIRLEAD_DEBUG"))
		libbpf_set_print(quiet);
}
