// SPDX-License-Identifier: GPL-2.0
/* The module's generic netlink family, as module/uapi/fairlead.h defines it. */
#include "accel.h"
#include "../lib/genl.h"
#include "../lib/mem.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

static void read_range(const struct nlattr *nest, struct fl_module_state *st)
{
	struct fl_port_range range = { 0 };
	struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_validate(attr, MNL_TYPE_U16))
			continue;
		if (mnl_attr_get_type(attr) == FAIRLEAD_PORTS_A_FIRST)
			range.first = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == FAIRLEAD_PORTS_A_LAST)
			range.last = mnl_attr_get_u16(attr);
	}
	st->ports = fl_realloc(st->ports, st->n_ports + 1, sizeof(range));
	st->ports[st->n_ports++] = range;
}

/* A newer module may count more than we know: ignored. An older one leaves zeros. */
static void read_sums(const struct nlattr *nest, uint64_t *sums, unsigned int n, unsigned int base)
{
	struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		unsigned int i = mnl_attr_get_type(attr) - base;

		if (i < n && mnl_attr_get_payload_len(attr) == sizeof(*sums))
			memcpy(&sums[i], mnl_attr_get_payload(attr), sizeof(*sums));
	}
}

void fl_module_parse(const struct nlmsghdr *nlh, struct fl_module_state *st)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		switch (mnl_attr_get_type(attr)) {
		case FAIRLEAD_A_VERSION:
			if (!mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
				strncpy(st->version, mnl_attr_get_str(attr),
					sizeof(st->version) - 1);
			break;
		case FAIRLEAD_A_NAMESPACES:
			if (!mnl_attr_validate(attr, MNL_TYPE_U32))
				st->namespaces = mnl_attr_get_u32(attr);
			break;
		case FAIRLEAD_A_RECEIVERS:
			if (!mnl_attr_validate(attr, MNL_TYPE_U32))
				st->receivers = mnl_attr_get_u32(attr);
			break;
		case FAIRLEAD_A_PORTS:
			read_range(attr, st);
			break;
		case FAIRLEAD_A_STATS:
			read_sums(attr, st->stat, __FAIRLEAD_STAT_MAX, 0);
			break;
		case FAIRLEAD_A_BURSTS:
			read_sums(attr, st->bursts, FAIRLEAD_BURST_BUCKETS, 1);
			break;
		}
	}
}

static int on_state(const struct nlmsghdr *nlh, void *data)
{
	fl_module_parse(nlh, data);
	return MNL_CB_OK;
}

int fl_module_get(struct fl_module_state *st, char *said)
{
	struct fl_genl g;
	char *buf;
	int err;

	memset(st, 0, sizeof(*st));
	*said = '\0';
	err = fl_genl_open(&g, FAIRLEAD_GENL_NAME);
	if (err)
		return err;
	buf = fl_zalloc(fl_genl_buf_size());
	err = fl_genl_run(&g, fl_genl_request(&g, buf, FAIRLEAD_CMD_GET, 0), on_state, st);
	strcpy(said, g.said);
	free(buf);
	fl_genl_close(&g);
	return err;
}

int fl_module_set(const struct fl_port_range *ports, unsigned int n, char *said)
{
	struct nlmsghdr *nlh;
	struct fl_genl g;
	char *buf;
	int err;

	*said = '\0';
	err = fl_genl_open(&g, FAIRLEAD_GENL_NAME);
	if (err)
		return err;
	buf = fl_zalloc(fl_genl_buf_size());
	nlh = fl_genl_request(&g, buf, FAIRLEAD_CMD_SET, 0);
	for (unsigned int i = 0; i < n; i++) {
		struct nlattr *nest = mnl_attr_nest_start(nlh, FAIRLEAD_A_PORTS);

		mnl_attr_put_u16(nlh, FAIRLEAD_PORTS_A_FIRST, ports[i].first);
		mnl_attr_put_u16(nlh, FAIRLEAD_PORTS_A_LAST, ports[i].last);
		mnl_attr_nest_end(nlh, nest);
	}
	err = fl_genl_run(&g, nlh, NULL, NULL);
	strcpy(said, g.said);
	free(buf);
	fl_genl_close(&g);
	return err;
}

void fl_module_state_free(struct fl_module_state *st)
{
	free(st->ports);
}
