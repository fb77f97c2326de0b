// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading fairlead.ko, without a child process. */
#include "accel.h"
#include "../lib/late.h"
#include "../lib/msg.h"

#include <errno.h>
#include <libkmod.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define MODULE	       "fairlead"

#define UNLOAD_TRIES   40
#define UNLOAD_WAIT_NS 50000000

/* clang-format off */
#define KMOD(F) \
	F(kmod_, list_next) F(kmod_, module_get_info) F(kmod_, module_get_module) \
	F(kmod_, module_get_path) F(kmod_, module_info_free_list) F(kmod_, module_info_get_key) \
	F(kmod_, module_info_get_value) F(kmod_, module_insert_module) \
	F(kmod_, module_new_from_lookup) F(kmod_, module_new_from_name) \
	F(kmod_, module_new_from_path) F(kmod_, module_probe_insert_module) \
	F(kmod_, module_remove_module) F(kmod_, module_unref) F(kmod_, module_unref_list) \
	F(kmod_, new) F(kmod_, set_log_fn) F(kmod_, set_log_priority) F(kmod_, unref)
/* clang-format on */
FL_LATE(kmod, "libkmod.so.2", KMOD)

/* The module's own word for the kernel that it was built for; "" if it has none. */
static void vermagic(struct kmod_module *mod, char *out, size_t size)
{
	struct kmod_list *info = NULL, *item;

	*out = '\0';
	if (kmod.module_get_info(mod, &info) < 0)
		return;
	for (item = info; item; item = kmod.list_next(info, item)) {
		if (!strcmp(kmod.module_info_get_key(item), "vermagic"))
			snprintf(out, size, "%.*s",
				 (int)strcspn(kmod.module_info_get_value(item), " "),
				 kmod.module_info_get_value(item));
	}
	kmod.module_info_free_list(info);
}

static int explain(struct kmod_module *mod, int err)
{
	const char *path = kmod.module_get_path(mod);
	struct utsname uts;
	char built[65];

	uname(&uts);
	vermagic(mod, built, sizeof(built));
	if (!path)
		path = MODULE;
	switch (-err) {
	case EPERM:
		return fl_fail("%s: loading a module needs CAP_SYS_MODULE: run as root "
			       "(or the kernel is locked down)",
			       path);
	case ENOEXEC:
	case EINVAL:
		if (strcmp(built, uts.release))
			return fl_fail(
				"%s: built for kernel %s, this one is %s: build it again with "
				"`make module KDIR=/lib/modules/%s/build`",
				path, *built ? built : "(unknown)", uts.release, uts.release);
		return fl_fail("%s: the kernel refused it (%s): see the end of the kernel's log",
			       path, strerror(-err));
	case EKEYREJECTED:
	case ENOKEY:
		return fl_fail(
			"%s: this kernel takes only modules that are signed with a key it knows",
			path);
	case ENOSYS:
		return fl_fail("%s: this kernel has no loadable modules", path);
	default:
		return fl_fail("%s: cannot load it: %s", path, strerror(-err));
	}
}

static int from_depmod(struct kmod_ctx *ctx, struct kmod_module **mod)
{
	struct kmod_list *list = NULL;
	struct utsname uts;
	int err;

	err = kmod.module_new_from_lookup(ctx, MODULE, &list);
	if (err < 0 || !list) {
		uname(&uts);
		return fl_fail(
			"there is no fairlead.ko for kernel %s below /lib/modules: install it "
			"with `make install`, or name it with --module FILE",
			uts.release);
	}
	*mod = kmod.module_get_module(list);
	kmod.module_unref_list(list);
	return FL_OK;
}

int fl_module_load(const char *path)
{
	struct kmod_module *mod = NULL;
	struct kmod_ctx *ctx;
	int err, ret;

	if (!kmod_open())
		return FL_FAILED;
	ctx = kmod.new(NULL, NULL);
	if (!ctx)
		return fl_fail("cannot read /lib/modules: %s", strerror(errno));
	kmod.set_log_fn(ctx, NULL, NULL);
	kmod.set_log_priority(ctx, 0);
	if (path) {
		err = kmod.module_new_from_path(ctx, path, &mod);
		ret = err < 0 ? fl_fail("%s: %s", path, strerror(-err)) : FL_OK;
	} else {
		ret = from_depmod(ctx, &mod);
	}
	if (ret == FL_OK) {
		/* Commands of modprobe.d would be child processes: they are not run. */
		err = path ? kmod.module_insert_module(mod, 0, NULL) :
			     kmod.module_probe_insert_module(mod, KMOD_PROBE_IGNORE_COMMAND, NULL,
							     NULL, NULL, NULL);
		if (err < 0 && err != -EEXIST)
			ret = explain(mod, err);
		kmod.module_unref(mod);
	}
	kmod.unref(ctx);
	return ret;
}

int fl_module_unload(void)
{
	struct kmod_module *mod;
	struct kmod_ctx *ctx;
	int err;

	if (!kmod_open())
		return FL_FAILED;
	ctx = kmod.new(NULL, NULL);
	if (!ctx)
		return fl_fail("cannot read /lib/modules: %s", strerror(errno));
	err = kmod.module_new_from_name(ctx, MODULE, &mod);
	if (!err) {
		err = kmod.module_remove_module(mod, KMOD_REMOVE_NOWAIT);
		/* The kernel lets go of a link behind the back of who removed its pin, and says nothing. */
		for (int i = 0; i < UNLOAD_TRIES && err == -EAGAIN; i++) {
			nanosleep(&(struct timespec){ .tv_nsec = UNLOAD_WAIT_NS }, NULL);
			err = kmod.module_remove_module(mod, KMOD_REMOVE_NOWAIT);
		}
		kmod.module_unref(mod);
	}
	kmod.unref(ctx);
	if (err == -EAGAIN) {
		fl_warn("the module is off, but something holds it in memory: end the BPF programs on its "
			"tracepoints (`bpftool link` shows them), then say `fairlead accel off` again");
		return FL_DEGRADED;
	}
	if (err < 0 && err != -ENOENT)
		return fl_fail("cannot unload the module: %s", strerror(-err));
	return FL_OK;
}
