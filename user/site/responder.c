// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <coax/option.h>
#include "site/diagnostic.h"
#include "site/responder.h"

#define DIAGNOSTIC_MAX 256
#define ETAG_MAX       8

const struct coax_message *coax_responder_request(const struct coax_responder *responder)
{
	return &responder->request;
}

const struct coax_claims *coax_responder_claims(const struct coax_responder *responder)
{
	return responder->claims;
}

const union coax_address *coax_responder_remote(const struct coax_responder *responder)
{
	return &responder->remote;
}

const union coax_address *coax_responder_local(const struct coax_responder *responder)
{
	return &responder->local;
}

struct coax_message *coax_responder_response(struct coax_responder *responder)
{
	return &responder->response;
}

void coax_responder_subject(struct coax_responder *responder, struct coax_subject *subject,
			    uint64_t generation)
{
	responder->subject = subject;
	responder->generation = generation;
	responder->only_observable = false;
}

bool coax_responder_is_over(const struct coax_responder *responder, const char *call)
{
	char description[COAX_DESCRIPTION_MAX];

	if (!responder->answered)
		return false;
	coax_log(responder->logger, COAX_LOG_ERROR,
		 "%s() for a request that has been answered or deferred is ignored: %s", call,
		 coax_message_describe(&responder->request, description, sizeof(description)));
	return true;
}

/* The handler, if it still is one's, need do no more. */
static void settle(struct coax_responder *responder)
{
	if (responder->settled)
		*responder->settled = true;
	responder->settled = NULL;
}

void coax_responder_answer(struct coax_responder *responder, uint8_t code)
{
	coax_message_set_code(&responder->response, code);
	responder->answered = true;
	settle(responder);
	responder->ops->respond(responder);
}

static void answer_error(struct coax_responder *responder, uint8_t code, char *diagnostic)
{
	struct coax_message *response = &responder->response;
	size_t length = coax_diagnostic_clean(diagnostic, strlen(diagnostic));
	uint32_t token_length = coax_message_token_length(response);
	uint8_t token[COAX_TOKEN_TAKEN_MAX];

	coax_responder_drop_body(responder);
	/* How long it holds went with the rest. */
	responder->one_off |= responder->fetched.is_fetched;
	responder->fetched = (struct coax_fetched){0};
	memcpy(token, coax_message_token(response), token_length);
	/* Neither fails: the message had room for its token before, and can do without the text. */
	(void)coax_message_start(response, response->data, response->capacity,
				 coax_message_type(response), code, coax_message_id(response),
				 token, token_length);
	(void)coax_message_set_payload(response, diagnostic, length);
	coax_responder_answer(responder, code);
}

void coax_responder_refuse(struct coax_responder *responder, uint8_t code, const char *diagnostic)
{
	char text[DIAGNOSTIC_MAX];

	snprintf(text, sizeof(text), "%s", diagnostic);
	answer_error(responder, code, text);
}

void coax_respond_error(struct coax_responder *responder, uint8_t code, const char *format, ...)
{
	char text[DIAGNOSTIC_MAX];
	va_list args;

	if (coax_responder_is_over(responder, "coax_respond_error"))
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = 0;
	va_end(args);
	answer_error(responder, code, text);
}

bool coax_responder_is_validated(const struct coax_responder *responder)
{
	struct coax_option_iterator it = coax_options_begin(&responder->request);
	struct coax_option current, option;
	uint8_t code = coax_message_code(&responder->request);

	/* RFC 8132 section 2.3.2: FETCH too. */
	if (code != COAX_GET && code != COAX_FETCH)
		return false;
	if (!coax_message_find(&responder->response, COAX_ETAG, &current) || current.length == 0 ||
	    current.length > ETAG_MAX)
		return false;
	while (coax_options_next(&it, &option) && option.number <= COAX_ETAG)
		if (option.number == COAX_ETAG && option.length == current.length &&
		    memcmp(option.value, current.value, current.length) == 0)
			return true;
	return false;
}

/* RFC 7959 section 2.9.1: 2.31 asks for more, so there has to be more. */
static bool is_response_code(const struct coax_responder *responder, uint8_t code)
{
	if (code == COAX_CONTINUE)
		return responder->streaming && responder->part.more;
	return COAX_CODE_CLASS(code) == 2 || COAX_CODE_CLASS(code) == 4 ||
	       COAX_CODE_CLASS(code) == 5;
}

/* What the handler gave cannot be sent. */
static void fail(struct coax_responder *responder, enum coax_log_level level, uint8_t code,
		 char *text)
{
	char description[COAX_DESCRIPTION_MAX];

	coax_log(responder->logger, level, "%s: %s", text,
		 coax_message_describe(&responder->request, description, sizeof(description)));
	answer_error(responder, code, text);
}

static void fail_to_fit(struct coax_responder *responder, int err)
{
	const struct coax_message *response = &responder->response;
	uint64_t length =
		responder->has_body ? responder->body.length : response->length - response->payload;
	uint8_t code = COAX_INTERNAL_SERVER_ERROR;
	char text[DIAGNOSTIC_MAX];

	if (err == -ENOMEM) {
		code = COAX_SERVICE_UNAVAILABLE;
		snprintf(text, sizeof(text), "no memory for a body of %" PRIu64 " bytes", length);
	} else if (length > COAX_PAYLOAD_MAX) {
		snprintf(text, sizeof(text),
			 "%" PRIu64 " bytes are too large for one message of %d", length,
			 COAX_PAYLOAD_MAX);
	} else {
		snprintf(text, sizeof(text), "a response of %u bytes is too large, %d are the most",
			 response->length, COAX_MESSAGE_MAX);
	}
	fail(responder, COAX_LOG_WARNING, code, text);
}

static void respond(struct coax_responder *responder, uint8_t code)
{
	char text[DIAGNOSTIC_MAX];
	int err;

	if (!is_response_code(responder, code)) {
		snprintf(text, sizeof(text), "%d.%02d is no response code here",
			 COAX_CODE_CLASS(code), COAX_CODE_DETAIL(code));
		fail(responder, COAX_LOG_ERROR, COAX_INTERNAL_SERVER_ERROR, text);
		return;
	}
	err = coax_responder_fit_payload(responder, code);
	if (err)
		fail_to_fit(responder, err);
	else
		coax_responder_answer(responder, code);
}

void coax_respond(struct coax_responder *responder, uint8_t code)
{
	if (coax_responder_is_over(responder, "coax_respond"))
		return;
	if (code == COAX_CONTENT && coax_responder_is_validated(responder)) {
		coax_message_remove(&responder->response, COAX_CONTENT_FORMAT);
		code = COAX_VALID;
	}
	respond(responder, code);
}

/* What has been built so far stays behind. */
static struct coax_responder *defer(struct coax_responder *responder)
{
	bool has_body = responder->has_body;
	struct coax_responder *later;

	if (!responder->ops->defer)
		return responder;
	responder->has_body = false;
	later = responder->ops->defer(responder);
	responder->has_body = has_body;
	if (!later)
		return NULL;
	coax_responder_drop_body(responder);
	responder->answered = true;
	later->fetched = (struct coax_fetched){0};
	return later;
}

struct coax_responder *coax_responder_defer(struct coax_responder *responder)
{
	struct coax_responder *later;

	if (coax_responder_is_over(responder, "coax_responder_defer"))
		return NULL;
	later = defer(responder);
	if (!later)
		return NULL;
	settle(responder);
	later->settled = NULL;
	later->resource = NULL;
	return later;
}

struct coax_observer *coax_responder_accept(struct coax_responder *responder,
					    coax_observer_ended_fn ended, void *arg)
{
	if (coax_responder_is_over(responder, "coax_responder_accept") ||
	    responder->wish != COAX_OBSERVE_REGISTER || responder->observable ||
	    responder->observer || !responder->ops->accept)
		return NULL;
	responder->observer = responder->ops->accept(responder, ended, arg);
	return responder->observer;
}

bool coax_responder_is_wanted(const struct coax_responder *responder)
{
	unsigned int response_class = COAX_CODE_CLASS(coax_message_code(&responder->response));
	struct coax_option option;

	/* Elective: one that is longer is as good as absent (RFC 7252 section 5.4.3). */
	if (!coax_message_find(&responder->request, COAX_NO_RESPONSE, &option) || option.length > 1)
		return true;
	return !(coax_option_uint(&option) << 1 & 1u << response_class);
}

static bool is_etag(const struct coax_option *option, const uint8_t *etag, size_t length)
{
	return etag && option->length == length && memcmp(option->value, etag, length) == 0;
}

bool coax_responder_preconditions(const struct coax_responder *responder, bool exists,
				  const uint8_t *etag, size_t length)
{
	struct coax_option_iterator it = coax_options_begin(&responder->request);
	bool asks_match = false, matches = false;
	struct coax_option option;

	while (coax_options_next(&it, &option) && option.number <= COAX_IF_NONE_MATCH) {
		if (option.number == COAX_IF_NONE_MATCH && exists)
			return false;
		if (option.number != COAX_IF_MATCH)
			continue;
		asks_match = true;
		if (exists && (option.length == 0 || is_etag(&option, etag, length)))
			matches = true;
	}
	return matches || !asks_match;
}
