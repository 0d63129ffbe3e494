// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sockets that another process had before: in their order, each worker gets those of the worker
 * with its number, so that peers meet the same one. What waits in them is ours to answer.
 */
#include <coax/control.h>
#include "binding.h"

static bool is_bound_to(int fd, const union coax_address *address)
{
	union coax_address bound;
	socklen_t length = sizeof(bound);

	return getsockname(fd, &bound.sa, &length) == 0 && coax_address_equal(&bound, address);
}

void coax_inherited_mark(struct coax_binding *binding)
{
	const struct coax_succession *former = binding->succession;

	for (uint32_t i = 0; former && i < binding->shared; i++)
		for (size_t k = 0; k < former->socket_count; k++)
			if (is_bound_to(former->sockets[k], &binding->sockets[i].address))
				binding->sockets[i].late = true;
}

static void assign(struct coax_binding *binding, uint32_t socket, unsigned int workers,
		   unsigned int worker)
{
	const struct coax_succession *former = binding->succession;
	struct coax_udp_socket *wanted = &binding->sockets[socket];
	unsigned int number = 0;

	for (size_t k = 0; k < former->socket_count; k++) {
		if (!is_bound_to(former->sockets[k], &wanted->address))
			continue;
		if (number % workers == worker) {
			if (number < workers)
				wanted->inherited = former->sockets[k];
			else if (binding->total < COAX_SOCKETS_MAX)
				binding->sockets[binding->total++] = (struct coax_udp_socket){
					.address = wanted->address,
					.reuse_port = true,
					.secure = wanted->secure,
					.inherited = former->sockets[k],
				};
		}
		number++;
	}
}

void coax_inherited_assign(struct coax_binding *binding, const struct coax_context *context,
			   unsigned int worker)
{
	uint32_t groups_end = binding->total;

	if (!binding->succession)
		return;
	for (uint32_t i = 0; i < binding->shared; i++)
		assign(binding, i, context->worker_count, worker);
	for (uint32_t i = binding->count; i < groups_end; i++)
		assign(binding, i, 1, 0);
}
