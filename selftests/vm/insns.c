// SPDX-License-Identifier: GPL-2.0
/*
 * How many instructions the verifier went through for each loaded program whose name begins with
 * "fl_". bpftool does not say.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	__u32 id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0)
			continue; /* gone meanwhile */
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "fl_", 3))
			printf("%s %u\n", info.name, info.verified_insns);
		close(fd);
	}
	if (errno == ENOENT)
		return 0;
	perror("bpf_prog_get_next_id");
	return 1;
}
