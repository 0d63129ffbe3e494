// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel may repeat to anyone who sends the same bytes to the same endpoint.
 */
#include <coax/block.h>
#include <coax/option.h>
#include "site/responder.h"

static bool has_payload(const struct coax_message *m)
{
	return m->payload < m->length;
}

/*
 * Options whose whole meaning is in the request's bytes and in the representation. All others make
 * a request go to userspace each time: they may mean something that a repeated reply does not do
 * (Observe), or what they mean is not known here.
 */
static bool has_repeatable_options(const struct coax_responder *responder)
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
		case COAX_BLOCK2:
		case COAX_SIZE2:
		case COAX_PROXY_URI:
		case COAX_PROXY_SCHEME:
			break;
		case COAX_CONTENT_FORMAT:
			if (coax_message_code(&responder->request) != COAX_FETCH)
				return false;
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

bool coax_responder_is_repeatable(const struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	uint8_t method = coax_message_code(request);

	return responder->subject && !responder->claims && !responder->only_observable &&
	       !responder->must_be_fresh && coax_message_token_length(request) <= COAX_TOKEN_MAX &&
	       (method == COAX_FETCH || (method == COAX_GET && !has_payload(request))) &&
	       has_repeatable_options(responder);
}

/*
 * Of the errors, which are cacheable (RFC 7252 section 5.9.2), those that are about the request and
 * what there is, not about who asks, or when.
 */
static bool is_repeatable_code(uint8_t code)
{
	switch (code) {
	case COAX_CONTENT:
	case COAX_VALID:
	case COAX_BAD_REQUEST:
	case COAX_NOT_FOUND:
	case COAX_METHOD_NOT_ALLOWED:
	case COAX_NOT_ACCEPTABLE:
		return true;
	default:
		return false;
	}
}

/*
 * Requests for further blocks of what a FETCH gives may come without its payload (RFC 7959 section
 * 2.7): userspace must have seen the first one, and knows by it what is meant.
 */
static bool is_repeatable_block(const struct coax_responder *responder)
{
	struct coax_block block;

	if (coax_message_code(&responder->request) != COAX_FETCH)
		return true;
	if (coax_message_find_block(&responder->response, COAX_BLOCK2, &block) != 1)
		return false;
	return block.number ? has_payload(&responder->request) : !block.more;
}

/* Nothing that is for one client alone (Observe, Echo), and fresh. */
static bool is_response_repeatable(const struct coax_responder *responder)
{
	struct coax_option_iterator it = coax_options_begin(&responder->response);
	struct coax_option option;
	uint16_t former = 0;

	for (; coax_options_next(&it, &option); former = option.number) {
		switch (option.number) {
		case COAX_ETAG:
		case COAX_CONTENT_FORMAT:
			break;
		case COAX_SIZE2:
			if (former == COAX_SIZE2)
				return false;
			break;
		case COAX_BLOCK2:
			if (!is_repeatable_block(responder))
				return false;
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
	return !responder->has_body && !responder->one_off &&
	       is_repeatable_code(coax_message_code(&responder->response)) &&
	       coax_responder_is_repeatable(responder) && is_response_repeatable(responder);
}
