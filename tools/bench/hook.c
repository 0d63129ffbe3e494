// SPDX-License-Identifier: BSD-2-Clause
#include <linux/if_link.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "hook.h"

int bench_hook_attach(struct bench_hook *hook, int ifindex, int program)
{
	__u32 id = 0;
	int error;

	hook->former = -1;
	error = bpf_xdp_query_id(ifindex, XDP_FLAGS_DRV_MODE, &id);
	if (error)
		return error;
	if (id)
		hook->former = bpf_prog_get_fd_by_id(id);
	error = bpf_xdp_attach(ifindex, program, XDP_FLAGS_DRV_MODE, NULL);
	if (error) {
		if (hook->former >= 0)
			close(hook->former);
		hook->former = -1;
		return error;
	}
	hook->ifindex = ifindex;
	return 0;
}

void bench_hook_detach(struct bench_hook *hook)
{
	if (!hook->ifindex)
		return;
	bpf_xdp_attach(hook->ifindex, hook->former, XDP_FLAGS_DRV_MODE, NULL);
	if (hook->former >= 0)
		close(hook->former);
	*hook = (struct bench_hook)BENCH_HOOK_NONE;
}
