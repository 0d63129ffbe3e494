// SPDX-License-Identifier: BSD-2-Clause
/*
 * The request that a run repeats.
 */
#include <string.h>
#include <coax/uri.h>
#include "bench.h"

int bench_request_build(const struct bench_request *request, struct coax_message *m, void *buffer,
			size_t capacity)
{
	static const uint8_t token[COAX_TOKEN_MAX];
	static uint8_t payload[COAX_PAYLOAD_MAX];
	int error;

	error = coax_message_start(m, buffer, capacity, request->type, request->method, 0, token,
				   request->token_length);
	if (error)
		return error;
	error = coax_uri_path_add_options(request->path, m);
	if (error || !request->payload_size)
		return error;
	memset(payload, 'x', sizeof(payload));
	return coax_message_set_payload(m, payload, request->payload_size);
}
