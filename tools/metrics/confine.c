// SPDX-License-Identifier: GPL-2.0
#include "confine.h"
#include "metrics.h"
#include "../lib/mem.h"
#include "../lib/msg.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All that Landlock's first version (Linux 5.13) can forbid. */
#define LANDLOCK_ALL (LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1)

/* glibc has no wrappers; see landlock(7). */
static int landlock(const char *dir)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ALL };
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE,
		.parent_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), err = 0;

	/* No directory: then nothing can be read, until there is one and we are started again. */
	if (fd < 0 ||
	    (rule.parent_fd >= 0 &&
	     syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0)) ||
	    syscall(SYS_landlock_restrict_self, fd, 0))
		err = -errno;
	if (rule.parent_fd >= 0)
		close(rule.parent_fd);
	if (fd >= 0)
		close(fd);
	return err;
}

/* The directory that must stay readable. Ours in bpffs comes and goes with `accel on` and `off`,
 * and a rule is about an inode: so it is the one above it. */
static char *readable_dir(const char *file)
{
	const char *slash;

	if (!strcmp(file, FL_METRICS_FILE))
		return fl_strdup("/sys/fs/bpf");
	slash = strrchr(file, '/');
	if (!slash)
		return fl_strdup(".");
	return slash == file ? fl_strdup("/") : fl_asprintf("%.*s", (int)(slash - file), file);
}

static int become(const char *user)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return fl_fail("--user: no user '%s'%s%s; name one that has no rights of its own",
			       user, errno ? ": " : "", errno ? strerror(errno) : "");
	if (!pw->pw_uid)
		return fl_fail("--user: '%s' is root; name a user that has no rights of its own",
			       user);
	if (capng_change_id((int)pw->pw_uid, (int)pw->pw_gid,
			    CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING))
		return fl_fail("metrics: cannot become user '%s': %s", user, strerror(errno));
	return FL_OK;
}

int fl_confine(const char *user, const char *file)
{
	bool can_read;
	char *dir;
	int err;

	if (capng_get_caps_process())
		return fl_fail("metrics: cannot read this process's capabilities: %s",
			       strerror(errno));
	can_read = capng_have_capability(CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
	capng_clear(CAPNG_SELECT_BOTH);
	if (can_read)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_DAC_READ_SEARCH);
	if (geteuid() == 0) {
		if (become(user))
			return FL_FAILED;
	} else if (capng_apply(CAPNG_SELECT_CAPS)) {
		return fl_fail("metrics: cannot give up capabilities: %s", strerror(errno));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return fl_fail("metrics: cannot set no_new_privs: %s", strerror(errno));
	dir = readable_dir(file);
	err = landlock(dir);
	free(dir);
	/* Older than 5.13, or built or booted without. */
	if (err && err != -ENOSYS && err != -EOPNOTSUPP)
		return fl_fail("metrics: cannot confine this process by Landlock: %s",
			       strerror(-err));
	return FL_OK;
}
