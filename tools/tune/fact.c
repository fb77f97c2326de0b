// SPDX-License-Identifier: GPL-2.0
#include "fact.h"
#include "../lib/msg.h"

#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { CPUS, RAM, PAGE_SIZE, MAX_PODS, N_FACTS };

static struct fl_fact facts[N_FACTS + 1] = {
	[CPUS] = { "cpus", 0, "CPUs that are online" },
	[RAM] = { "ram", 0, "usable memory in bytes (MemTotal of /proc/meminfo)" },
	[PAGE_SIZE] = { "page_size", 0, "bytes in a page" },
	/* 110 is the kubelet's own default for maxPods. */
	[MAX_PODS] = { "max_pods", 110,
		       "pods the kubelet admits; not measured, set it with --fact" },
};

static int override(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ","), name = strcspn(text, "=");
		struct fl_fact *f = facts;

		if (name >= len)
			return fl_usage("--fact: '%.*s' is not NAME=NUMBER", (int)len, text);
		while (f->name && (strlen(f->name) != name || memcmp(f->name, text, name)))
			f++;
		if (!f->name)
			return fl_usage(
				"--fact: unknown fact '%.*s'; `fairlead tune facts` lists them",
				(int)name, text);
		/* 0 of anything would only turn into a division by zero later. */
		if (fl_num_parse(text + name + 1, len - name - 1, &f->value) || f->value < 1)
			return fl_usage("--fact: %s: '%.*s' is not a whole number from 1", f->name,
					(int)(len - name - 1), text + name + 1);
		text += len;
		text += *text == ',';
	}
	return 0;
}

const struct fl_fact *fl_facts(const char *overrides)
{
	struct sysinfo info;

	facts[CPUS].value = sysconf(_SC_NPROCESSORS_ONLN);
	facts[PAGE_SIZE].value = sysconf(_SC_PAGESIZE);
	if (facts[CPUS].value < 1 || sysinfo(&info)) {
		fl_err("cannot find out how many CPUs and how much memory there are; is /sys mounted?");
		return NULL;
	}
	facts[RAM].value = (fl_num)info.totalram * info.mem_unit;
	facts[MAX_PODS].value = 110;
	if (overrides && override(overrides))
		return NULL;
	return facts;
}
