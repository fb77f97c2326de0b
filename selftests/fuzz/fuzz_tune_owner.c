// SPDX-License-Identifier: GPL-2.0
/* Lists of owners, and paths of control groups: both come from outside. */
#include "tools/tune/owner.h"
#include "tools/tune/pod.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct fl_owners o = { 0 };
	const char *why, *at;
	struct fl_pod pod;
	int len;

	memcpy(text, data, size);
	text[size] = '\0';
	if (fl_owners_parse(&o, text, &why, &at, &len)) {
		if (!why || at < text || at + len > text + strlen(text))
			abort();
	} else if (!o.n || o.n > FL_SYSCTL_OWNERS_MAX) {
		abort();
	}
	for (int i = 0; i < o.n; i++)
		if (o.e[i].step.text[FL_SYSCTL_STEP - 1] || !*o.e[i].step.text)
			abort();
	fl_owners_free(&o);

	if (fl_pod_of_cgroup(&pod, text) ? strlen(pod.uid) < 32 : *pod.uid || *pod.container)
		abort();
	for (const char *c = pod.container; *c; c++)
		if (!isxdigit((unsigned char)*c))
			abort();
	free(text);
	return 0;
}
