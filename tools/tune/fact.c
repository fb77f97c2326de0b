// SPDX-License-Identifier: GPL-2.0
#include "fact.h"
#include "../lib/file.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../mesh/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* The mesh's facts come last, so that the list can end before them. */
enum { CPUS, RAM, PAGE_SIZE, MAX_PODS, LINK_MBPS, MESH_NODES, MESH_PORT, MESH_LANES, N_FACTS };

static struct fl_fact facts[N_FACTS + 1] = {
	[CPUS] = { "cpus", 0, "CPUs that are online" },
	[RAM] = { "ram", 0, "usable memory in bytes (MemTotal of /proc/meminfo)" },
	[PAGE_SIZE] = { "page_size", 0, "bytes in a page" },
	[MAX_PODS] = { "max_pods", 0, "pods the kubelet admits; not measured, set it with --fact" },
	[LINK_MBPS] = { "link_mbps", 0,
			"Mbit/s of the fastest network card; 1000 where none says (virtual ones)" },
	[MESH_NODES] = { "mesh_nodes", 0, "nodes in " FL_MESH_CONF "; 1 without it" },
	[MESH_PORT] = { "mesh_port", 0, "ListenPort of " FL_MESH_CONF },
	[MESH_LANES] = { "mesh_lanes", 0,
			 "Lanes of " FL_MESH_CONF "; all that can be with auto or without it" },
};

static int override(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ","), name = strcspn(text, "=");
		struct fl_fact *f = facts;

		if (name >= len)
			return fl_usage("--fact: '%.*s' is not NAME=NUMBER", (int)len, text);
		while (f->name && (strlen(f->name) != name || memcmp(f->name, text, name) != 0))
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

/* "10000\n"; a virtual interface says -1 or an error, and so does one that is down. */
static fl_num speed_of(const char *interface)
{
	char *path = fl_asprintf("/sys/class/net/%s/speed", interface), *text;
	fl_num mbps = 0;

	if (!fl_file_read(path, 64, &text, NULL)) {
		if (fl_num_parse(text, strcspn(text, "\n"), &mbps))
			mbps = 0;
		free(text);
	}
	free(path);
	return mbps;
}

/* veth says 10000 whatever is below it: only what has a device behind it counts. */
static bool has_device(const char *interface)
{
	char *path = fl_asprintf("/sys/class/net/%s/device", interface);
	bool has = !access(path, F_OK);

	free(path);
	return has;
}

static fl_num fastest_link(void)
{
	DIR *d = opendir("/sys/class/net");
	const struct dirent *e;
	fl_num fastest = 0;

	while (d && (e = readdir(d))) {
		fl_num mbps = *e->d_name != '.' && has_device(e->d_name) ? speed_of(e->d_name) : 0;

		fastest = mbps > fastest ? mbps : fastest;
	}
	if (d)
		closedir(d);
	return fastest > 0 ? fastest : 1000;
}

/*
 * A mesh file with a mistake in it must not stop `tune` from anything that does not ask about the
 * mesh: then the list of facts ends before the mesh's, and a profile that uses them says so.
 */
static bool mesh_facts(void)
{
	struct fl_mesh *mesh;

	facts[MESH_NODES].value = 1;
	facts[MESH_PORT].value = FL_MESH_PORT;
	facts[MESH_LANES].value = FL_MESH_LANES;
	if (access(FL_MESH_CONF, F_OK) && (errno == ENOENT || errno == ENOTDIR))
		return true;
	mesh = fl_mesh_load(FL_MESH_CONF);
	if (!mesh) {
		fl_warn(FL_MESH_CONF ": cannot be used, see above; the facts mesh_* are not known");
		return false;
	}
	facts[MESH_NODES].value = (fl_num)mesh->n_nodes;
	facts[MESH_PORT].value = mesh->listen_port;
	if (mesh->lanes)
		facts[MESH_LANES].value = mesh->lanes;
	fl_mesh_free(mesh);
	return true;
}

const struct fl_fact *fl_facts(const char *overrides)
{
	static const char mesh_name[] = "mesh_nodes";
	struct sysinfo info;

	facts[CPUS].value = sysconf(_SC_NPROCESSORS_ONLN);
	facts[PAGE_SIZE].value = sysconf(_SC_PAGESIZE);
	if (facts[CPUS].value < 1 || sysinfo(&info)) {
		fl_err("cannot find out how many CPUs and how much memory there are; is /sys mounted?");
		return NULL;
	}
	facts[RAM].value = (fl_num)info.totalram * info.mem_unit;
	/* The kubelet's own default for maxPods. */
	facts[MAX_PODS].value = 110;
	facts[LINK_MBPS].value = fastest_link();
	facts[MESH_NODES].name = mesh_facts() ? mesh_name : NULL;
	if (overrides && override(overrides))
		return NULL;
	return facts;
}
