// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests to origins, and what becomes of those that fail.
 */
#include <errno.h>
#include <string.h>
#include <coax/option.h>
#include "context/worker.h"
#include "proxy/internal.h"

static const struct coax_failure failures[] = {
	{-ETIMEDOUT, COAX_GATEWAY_TIMEOUT, true, true, "the origin did not answer in time"},
	/* Not an RST alone: a session that ended after the request had left in it, too. */
	{-ECONNRESET, COAX_BAD_GATEWAY, true, true, "the origin rejected the request"},
	{-ECONNREFUSED, COAX_BAD_GATEWAY, true, false, "nobody listens at the origin"},
	{-EHOSTUNREACH, COAX_BAD_GATEWAY, true, false, "the origin cannot be reached"},
	{-ENETUNREACH, COAX_BAD_GATEWAY, true, false, "the origin's network cannot be reached"},
	{-ENOENT, COAX_BAD_GATEWAY, true, false, "the origin's name is not known"},
	{-ENOKEY, COAX_BAD_GATEWAY, true, false, "no credentials for the origin"},
	{-EACCES, COAX_BAD_GATEWAY, true, false, "no session with the origin"},
	{-EPROTONOSUPPORT, COAX_BAD_GATEWAY, false, false, "no credentials for secure origins"},
	{-EPROTO, COAX_BAD_GATEWAY, false, true, "the origin's response cannot be understood"},
	{-EFBIG, COAX_BAD_GATEWAY, false, true, "the origin's response is too large"},
	{-ESTALE, COAX_BAD_GATEWAY, false, true, "the representation changed while it was fetched"},
	{-EMSGSIZE, COAX_BAD_GATEWAY, false, false, "the request does not fit into a message"},
	{-ENOBUFS, COAX_SERVICE_UNAVAILABLE, false, false, "too many requests are under way"},
	{-ENOMEM, COAX_SERVICE_UNAVAILABLE, false, false, "no memory"},
	{-ESHUTDOWN, COAX_SERVICE_UNAVAILABLE, false, true, "shutting down"},
	{-ECANCELED, COAX_SERVICE_UNAVAILABLE, false, true, "shutting down"},
	{0, COAX_BAD_GATEWAY, true, true, "the origin cannot be asked"},
};

const struct coax_failure *coax_failure_of(int result)
{
	const struct coax_failure *failure = failures;

	while (failure->result && failure->result != result)
		failure++;
	return failure;
}

void coax_origin_note_failure(struct coax_origin *origin, const struct coax_failure *failure,
			      uint64_t began)
{
	bool silent = failure->result == -ETIMEDOUT;

	if (failure->code != COAX_SERVICE_UNAVAILABLE)
		coax_proxy_count(&origin->counters->failures);
	/* Who waits for one resource for long does not keep others from the rest. */
	if (failure->down && !(silent && coax_origin_has_answered_since(origin, began)))
		coax_origin_failed(origin, coax_now(), failure->code);
}

int coax_upstream_build(struct coax_upstream *upstream, struct coax_mapping *mapping,
			struct coax_origin *origin, const struct coax_forwarding *forwarding,
			const struct coax_message *asked, const struct coax_stored *validated)
{
	struct coax_message *message = &upstream->message;
	int err;

	*message = origin->base;
	memcpy(upstream->bytes, origin->bytes, origin->base.length);
	message->data = upstream->bytes;
	message->capacity = sizeof(upstream->bytes);
	coax_message_set_code(message, coax_message_code(asked));
	err = coax_forwarding_translate(forwarding, message, asked, mapping->depth);
	if (!err && validated)
		err = coax_message_add(message, COAX_ETAG, validated->etag, validated->etag_length);
	upstream->remote = &upstream->address;
	if (err || coax_origin_address(origin, coax_now(), &upstream->address))
		return err;
	upstream->remote = NULL;
	return coax_message_add_uint(message, COAX_URI_PORT, origin->port);
}
