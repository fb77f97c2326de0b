// SPDX-License-Identifier: GPL-2.0
#include "../../tools/tune/pod.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define ID     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define UID    "12345678-90ab-cdef-1234-567890abcdef"
#define UID_   "12345678_90ab_cdef_1234_567890abcdef"
#define STATIC "0123456789abcdef0123456789abcdef"

static void test_paths(void **state)
{
	static const struct {
		const char *path, *uid, *container;
	} t[] = {
		/* 0: as kubelet and the runtimes build them, kubernetes pkg/kubelet/cm */
		{ "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_
		  ".slice/cri-containerd-" ID ".scope",
		  UID, ID },
		{ "/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope", UID, ID },
		{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_
		  ".slice/docker-" ID ".scope/inner",
		  UID, ID },
		{ "/kubepods/burstable/pod" UID "/" ID, UID, ID },
		{ "/kubepods/pod" STATIC "/" ID, STATIC, ID },
		/* 5: inside of kind or another container */
		{ "/system.slice/docker-" ID ".scope/kubelet.slice/kubelet-kubepods.slice/"
		  "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" UID_
		  ".slice/cri-containerd-" ID ".scope",
		  UID, ID },
		{ "/kubepods/pod" UID, UID, "" },
		{ "/kubepods/pod" UID "/crio-conmon-" ID ".scope", UID, ID },
		{ "/kubepods/pod" UID "/" ID "0", UID, "" },
		{ "/kubepods/pod" UID "/x" ID, UID, "" },
		/* 10: no pods */
		{ "/", "", "" },
		{ "", "", "" },
		{ "/system.slice/kubelet.service", "", "" },
		{ "/system.slice/docker-" ID ".scope", "", "" },
		{ "/kubepods/podx" UID, "", "" },
		/* 15 */ { "/kubepods/pod12345678-90ab-cdef-1234-567890abcdeg", "", "" },
		{ "/kubepods/pod123456789-0ab-cdef-1234-567890abcde", "", "" },
		{ "/kubepods/pod", "", "" },
		{ "/tripod" UID, "", "" },
		{ "//pod" UID "//" ID, UID, ID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct fl_pod pod;
		bool is = fl_pod_of_cgroup(&pod, t[i].path);

		if (is != (*t[i].uid != '\0') || strcmp(pod.uid, t[i].uid) ||
		    strcmp(pod.container, t[i].container))
			fail_msg("%zu: %s: '%s' '%s'", i, t[i].path, pod.uid, pod.container);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_paths) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
