// SPDX-License-Identifier: GPL-2.0
#include "tools/mesh/route.h"

#include <stdlib.h>
#include <string.h>

/* Dumps of routes and of nexthop objects as the socket would give them: messages, one behind the
 * other, each of which either decoder may get. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *nlh;
	int len = size;
	char *copy;

	if (!size || size > FL_NL_BATCH)
		return 0;
	copy = malloc(size); /* aligned, and with an end that the sanitizer sees */
	memcpy(copy, data, size);
	for (nlh = (void *)copy; fl_nl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
		struct fl_nh_msg nh;
		struct fl_route r;

		if (fl_route_decode(nlh, &r) && (r.dst.len > fl_prefix_bits(&r.dst) ||
						 (r.src.family && r.src.family != r.dst.family)))
			abort();
		if (fl_nexthop_decode(nlh, &nh) &&
		    (nh.n_members > FL_MESH_LANES ||
		     nh.id - FL_NH_FIRST >= FL_NH_BLOCK * FL_NH_BLOCKS))
			abort();
	}
	free(copy);
	return 0;
}
