// SPDX-License-Identifier: BSD-2-Clause
/*
 * The request that a run repeats.
 */
#include <string.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "bench.h"

int bench_request_build(const struct bench_request *request, struct coax_message *m, void *buffer,
			size_t capacity)
{
	static const uint8_t token[COAX_TOKEN_MAX];
	static uint8_t payload[COAX_PAYLOAD_MAX];
	uint8_t name[BENCH_NAME_LENGTH];
	int error;

	error = coax_message_start(m, buffer, capacity, request->type, request->method, 0, token,
				   request->token_length);
	if (error)
		return error;
	error = coax_uri_path_add_options(request->path, m);
	if (!error && request->names) {
		bench_name_write(name, 0);
		error = coax_message_add(m, request->name_query ? COAX_URI_QUERY : COAX_URI_PATH,
					 name, sizeof(name));
	}
	if (error || !request->payload_size)
		return error;
	memset(payload, 'x', sizeof(payload));
	return coax_message_set_payload(m, payload, request->payload_size);
}

void bench_name_write(uint8_t *digits, uint32_t name)
{
	for (int i = BENCH_NAME_LENGTH; i-- > 0; name >>= 4)
		digits[i] = (uint8_t) "0123456789abcdef"[name & 15];
}
