// SPDX-License-Identifier: GPL-2.0
/* The attributes of a reply from the module's netlink family. */
#include "tools/accel/accel.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(8) char buf[65536];
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	struct fl_module_state st = { 0 };

	if (size > sizeof(buf) - NLMSG_HDRLEN - GENL_HDRLEN)
		return 0;
	memcpy(buf + NLMSG_HDRLEN + GENL_HDRLEN, data, size);
	nlh->nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + size;
	fl_module_parse(nlh, &st);
	fl_module_state_free(&st);
	return 0;
}
