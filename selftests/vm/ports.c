// SPDX-License-Identifier: GPL-2.0
/*
 * A request to the module as the tool would not make it: says what the kernel answers.
 *
 *   ports [WHAT...]     FAIRLEAD_CMD_SET with, for each WHAT: A-B a range of ports, A- one without its last
 *                       port, xN N ranges, =N an attribute of type N
 *
 * Exit 1 when it is refused, with the kernel's words on stderr.
 */
#include "fairlead.h"
#include "tools/lib/genl.h"

#include <libmnl/libmnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_range(struct nlmsghdr *nlh, unsigned long first, const char *last)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, FAIRLEAD_A_PORTS);

	mnl_attr_put_u16(nlh, FAIRLEAD_PORTS_A_FIRST, first);
	if (*last)
		mnl_attr_put_u16(nlh, FAIRLEAD_PORTS_A_LAST, strtoul(last, NULL, 10));
	mnl_attr_nest_end(nlh, nest);
}

int main(int argc, char **argv)
{
	struct nlmsghdr *nlh;
	struct fl_genl g;
	char *buf, *end;
	int err;

	err = fl_genl_open(&g, FAIRLEAD_GENL_NAME);
	if (err) {
		fprintf(stderr, "ports: no module: %s\n", strerror(-err));
		return 2;
	}
	buf = calloc(1, fl_genl_buf_size());
	nlh = fl_genl_request(&g, buf, FAIRLEAD_CMD_SET, 0);
	for (int i = 1; i < argc; i++) {
		unsigned long n =
			strtoul(argv[i] + (argv[i][0] == 'x' || argv[i][0] == '='), &end, 10);

		if (argv[i][0] == '=')
			mnl_attr_put_u32(nlh, n, 0);
		else if (argv[i][0] == 'x')
			for (unsigned long port = 1; port < 2 * n; port += 2) {
				char last[24];

				snprintf(last, sizeof(last), "%lu", port);
				put_range(nlh, port, last);
			}
		else
			put_range(nlh, n, end + 1);
	}
	err = fl_genl_run(&g, nlh, NULL, NULL);
	if (err)
		fprintf(stderr, "ports: %s: %s\n", strerror(-err), g.said);
	free(buf);
	fl_genl_close(&g);
	return err ? 1 : 0;
}
