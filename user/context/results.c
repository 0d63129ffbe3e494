// SPDX-License-Identifier: BSD-2-Clause
/*
 * In which fashion a result is told: as it is, raising, or always as a response.
 */
#include <errno.h>
#include <string.h>
#include "request.h"

/* What a proxy would answer that had met with this (RFC 7252 section 5.9.3). */
struct substitute {
	int result;
	uint8_t code;
	const char *diagnostic;
};

static const struct substitute substitutes[] = {
	{-ETIMEDOUT, COAX_GATEWAY_TIMEOUT, "no response in time"},
	{-EPROTONOSUPPORT, COAX_PROXYING_NOT_SUPPORTED, "no transport for this scheme"},
	{-EAFNOSUPPORT, COAX_PROXYING_NOT_SUPPORTED, "no socket for this kind of address"},
	{-ECONNRESET, COAX_BAD_GATEWAY, "the request was rejected by a reset"},
	{-ECONNREFUSED, COAX_BAD_GATEWAY, "nobody listens there"},
	{-ENOKEY, COAX_BAD_GATEWAY, "no credentials for this URI"},
	{-EACCES, COAX_BAD_GATEWAY, "the network forbids it"},
	{-EHOSTUNREACH, COAX_BAD_GATEWAY, "the host cannot be reached"},
	{-ENETUNREACH, COAX_BAD_GATEWAY, "the network cannot be reached"},
	{-ENETDOWN, COAX_BAD_GATEWAY, "the network is down"},
	{-EADDRNOTAVAIL, COAX_BAD_GATEWAY, "no address to send from"},
	{-ENOENT, COAX_BAD_GATEWAY, "the name is not known"},
	{-EPROTO, COAX_BAD_GATEWAY, "the response does not follow the protocol"},
	{-ESTALE, COAX_BAD_GATEWAY, "the representation changed while it was fetched"},
	{-ECANCELED, COAX_INTERNAL_SERVER_ERROR, "cancelled"},
	{-ESHUTDOWN, COAX_INTERNAL_SERVER_ERROR, "shutting down"},
	{-EFBIG, COAX_INTERNAL_SERVER_ERROR, "the response's body is too large"},
	{-ENOBUFS, COAX_INTERNAL_SERVER_ERROR, "too many requests are pending"},
};

static const struct substitute *find_substitute(int result)
{
	static const struct substitute other = {0, COAX_INTERNAL_SERVER_ERROR, "internal error"};

	for (size_t i = 0; i < sizeof(substitutes) / sizeof(substitutes[0]); i++)
		if (substitutes[i].result == result)
			return &substitutes[i];
	return &other;
}

static void tell_response_for(struct coax_request *request, int result)
{
	const struct substitute *substitute = find_substitute(result);
	const char *diagnostic = request->reason ? request->reason : substitute->diagnostic;
	uint8_t buffer[256];
	struct coax_message made_up;

	coax_message_start(&made_up, buffer, sizeof(buffer), COAX_TYPE_ACK, substitute->code, 0,
			   NULL, 0);
	coax_message_set_payload(&made_up, diagnostic, strlen(diagnostic));
	made_up.capacity = 0;
	request->done(request->arg, 0, &made_up, &request->path.remote);
}

void coax_results_tell(struct coax_request *request, int result,
		       const struct coax_message *response)
{
	enum coax_results fashion = request->options.results;

	if (result && request->reason && request->options.failed)
		request->options.failed(request->options.failed_arg, request->reason);
	if (result && fashion == COAX_RESULTS_RESPONSES) {
		tell_response_for(request, result);
		return;
	}
	if (!result && response && fashion == COAX_RESULTS_RAISING &&
	    COAX_CODE_CLASS(coax_message_code(response)) != 2)
		result = -EREMOTEIO;
	request->done(request->arg, result, response, &request->path.remote);
}
