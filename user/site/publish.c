// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel may repeat to anyone who sends the same bytes to the same endpoint.
 */
#include <coax/option.h>
#include "site/responder.h"

/*
 * Options whose whole meaning is in the request's bytes and in the representation. All others make
 * a request go to userspace each time: they may mean something that a repeated reply does not do
 * (Observe), or what they mean is not known here.
 */
static bool is_request_repeatable(const struct coax_responder *responder)
{
	struct coax_option_iterator it = coax_options_begin(&responder->request);
	struct coax_option option;

	while (coax_options_next(&it, &option)) {
		switch (option.number) {
		case COAX_URI_HOST:
		case COAX_ETAG:
		case COAX_URI_PORT:
		case COAX_URI_PATH:
		case COAX_ACCEPT:
			break;
		case COAX_URI_QUERY:
			if (!responder->cacheable_queries)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* The same for the response: nothing that is for one client alone (Observe, Echo), and fresh. */
static bool is_response_repeatable(const struct coax_responder *responder)
{
	struct coax_option_iterator it = coax_options_begin(&responder->response);
	struct coax_option option;

	while (coax_options_next(&it, &option)) {
		switch (option.number) {
		case COAX_ETAG:
		case COAX_CONTENT_FORMAT:
		case COAX_SIZE2:
			break;
		case COAX_MAX_AGE:
			if (coax_option_uint(&option) == 0)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

bool coax_responder_publishable(const struct coax_responder *responder)
{
	uint8_t code = coax_message_code(&responder->response);

	return responder->subject && !responder->only_observable && !responder->must_be_fresh &&
	       !responder->has_body && coax_message_code(&responder->request) == COAX_GET &&
	       responder->request.payload == responder->request.length &&
	       (code == COAX_CONTENT || code == COAX_VALID) && is_request_repeatable(responder) &&
	       is_response_repeatable(responder);
}
