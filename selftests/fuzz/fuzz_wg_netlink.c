// SPDX-License-Identifier: GPL-2.0
#include "tools/mesh/plan.h"
#include "tools/mesh/wg.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* A dump as the socket would give it: messages, one behind the other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_plan have, nothing;
	struct fl_lane *lane = &have.lanes[0];
	struct nlmsghdr *nlh;
	struct fl_ops ops;
	int len = size;
	char *copy;

	if (!size || size > FL_NL_BATCH)
		return 0;
	fl_plan_init(&have);
	fl_plan_init(&nothing);
	copy = malloc(size); /* aligned, and with an end that the sanitizer sees */
	memcpy(copy, data, size);
	for (nlh = (void *)copy; fl_nl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len))
		if (fl_wg_decode(nlh, lane))
			break;
	fl_wg_decoded(lane);
	for (size_t i = 0; i < lane->n_peers; i++)
		if (!fl_lane_peer(lane, &lane->peers[i].public_key))
			abort();
	/* What was read must be good enough for all that is done with it. */
	strcpy(nothing.lanes[0].link.kind, "wireguard");
	lane->link.ifindex = 1;
	ops = fl_plan_diff(&nothing, &have);
	json_object_put(fl_ops_json(&ops));
	fl_ops_free(&ops);
	fl_plan_free(&have);
	free(copy);
	return 0;
}
