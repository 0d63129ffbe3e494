// SPDX-License-Identifier: BSD-2-Clause
/*
 * The request that a run repeats.
 */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "bench.h"

/* A URI is for a proxy to ask for (RFC 7252 section 5.10.2), anything else a path. */
static int add_target(const struct bench_request *request, struct coax_message *m)
{
	char uri[BENCH_URI_MAX + 1 + BENCH_NAME_LENGTH] = "";
	size_t length = strlen(request->path);
	uint8_t name[BENCH_NAME_LENGTH];
	int error;

	bench_name_write(name, 0);
	if (strncmp(request->path, "coap://", 7) != 0) {
		error = coax_uri_path_add_options(request->path, m);
		if (error || !request->names)
			return error;
		return coax_message_add(m, request->name_query ? COAX_URI_QUERY : COAX_URI_PATH,
					name, sizeof(name));
	}
	if (length > BENCH_URI_MAX)
		return -ENAMETOOLONG;
	memcpy(uri, request->path, length);
	if (request->names) {
		uri[length++] = request->name_query ? '?' : '/';
		memcpy(uri + length, name, sizeof(name));
		length += sizeof(name);
	}
	return coax_message_add(m, COAX_PROXY_URI, uri, length);
}

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
	error = add_target(request, m);
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
