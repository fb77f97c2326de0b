// SPDX-License-Identifier: GPL-2.0
/*
 * What the listener can still do after fl_confine(). As root it also tests becoming another user.
 * Landlock is tested where the kernel has it; FAIRLEAD_NEED_LANDLOCK=1 makes its lack a failure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/lib/mem.h"
#include "../../tools/lib/msg.h"
#include "../../tools/metrics/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/fairlead-confine.XXXXXX";
static char *file, *other;

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0400);

	return fd < 0 ? -1 : close(fd);
}

static int setup(void **state)
{
	char *sub;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	sub = fl_asprintf("%s/in", dir);
	file = fl_asprintf("%s/in/metrics", dir);
	other = fl_asprintf("%s/other", dir);
	return mkdir(sub, 0700) || make_file(file) || make_file(other);
}

static int teardown(void **state)
{
	char *sub = fl_asprintf("%s/in", dir);

	(void)state;
	unlink(file);
	unlink(other);
	rmdir(sub);
	rmdir(dir);
	return 0;
}

static bool can(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* In a child, because it is for good. Returns the number of what is wrong, 0: nothing. */
static int confined(void)
{
	uid_t uid, euid, suid;
	bool root = !geteuid();
	char *fresh = fl_asprintf("%s/in/new", dir);

	if (fl_confine("nobody", file))
		return 1;
	if (getresuid(&uid, &euid, &suid) || !uid || !euid || !suid)
		return getuid() ? 0 : 2;
	if (!can(file, O_RDONLY))
		return 3;
	if (can(file, O_WRONLY) || can(fresh, O_WRONLY | O_CREAT))
		return 4;
	if (!setuid(0) || (root && !setgid(0)))
		return 5;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 6;
	if (has_landlock() && (can(other, O_RDONLY) || can("/etc/passwd", O_RDONLY) ||
			       can(dir, O_RDONLY | O_DIRECTORY)))
		return 7;
	return 0;
}

static int in_child(int (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(what());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_confined(void **state)
{
	(void)state;
	assert_int_equal(in_child(confined), 0);
}

static void test_landlock_there(void **state)
{
	(void)state;
	if (has_landlock())
		return;
	printf("# this kernel has no Landlock: reading other files is not tested\n");
	assert_null(getenv("FAIRLEAD_NEED_LANDLOCK"));
}

static int wrong_user(void)
{
	fl_msg_stream = fopen("/dev/null", "w");
	return fl_confine("no such user", file) == FL_FAILED &&
	       fl_confine("root", file) == FL_FAILED && !getuid();
}

static void test_wrong_user(void **state)
{
	(void)state;
	if (!geteuid())
		assert_int_equal(in_child(wrong_user), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confined),
		cmocka_unit_test(test_landlock_there),
		cmocka_unit_test(test_wrong_user),
	};

	return cmocka_run_group_tests_name("metrics, the listener's rights", tests, setup,
					   teardown);
}
