// SPDX-License-Identifier: BSD-2-Clause
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
}

/* What is wrong with a call that comes when the responder has ended. */
static bool is_over(const struct coax_responder *responder, const char *call)
{
	char description[COAX_DESCRIPTION_MAX];

	if (!responder->answered)
		return false;
	coax_log(responder->logger, COAX_LOG_ERROR,
		 "%s() for a request that has been answered or deferred is ignored: %s", call,
		 coax_message_describe(&responder->request, description, sizeof(description)));
	return true;
}

/* The last that is done here: a deferred responder may be gone when this returns. */
static void answer(struct coax_responder *responder, uint8_t code)
{
	coax_message_set_code(&responder->response, code);
	responder->answered = true;
	responder->ops->respond(responder);
}

static void answer_error(struct coax_responder *responder, uint8_t code, char *diagnostic)
{
	struct coax_message *response = &responder->response;
	size_t length = coax_diagnostic_clean(diagnostic, strlen(diagnostic));
	uint8_t token_length = coax_message_token_length(response);
	uint8_t token[COAX_TOKEN_MAX];

	memcpy(token, coax_message_token(response), token_length);
	/* Neither fails: the message had room for its token before, and can do without the text. */
	(void)coax_message_start(response, response->data, response->capacity,
				 coax_message_type(response), code, coax_message_id(response),
				 token, token_length);
	(void)coax_message_set_payload(response, diagnostic, length);
	answer(responder, code);
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

	if (is_over(responder, "coax_respond_error"))
		return;
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = 0;
	va_end(args);
	answer_error(responder, code, text);
}

/* Whether the response's ETag is one that the request brought (section 5.10.6.2). */
static bool is_validated(const struct coax_responder *responder)
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

static bool is_response_code(uint8_t code)
{
	return COAX_CODE_CLASS(code) == 2 || COAX_CODE_CLASS(code) == 4 ||
	       COAX_CODE_CLASS(code) == 5;
}

/* Returns whether the response cannot be sent as it stands; then it has been replaced by 5.00. */
static bool refuse_response(struct coax_responder *responder, uint8_t code)
{
	const struct coax_message *response = &responder->response;
	uint32_t payload = response->length - response->payload;
	char description[COAX_DESCRIPTION_MAX];
	char text[DIAGNOSTIC_MAX];
	enum coax_log_level level = COAX_LOG_WARNING;

	if (!is_response_code(code)) {
		snprintf(text, sizeof(text), "%d.%02d is no response code", COAX_CODE_CLASS(code),
			 COAX_CODE_DETAIL(code));
		level = COAX_LOG_ERROR;
	} else if (payload > COAX_PAYLOAD_MAX) {
		snprintf(text, sizeof(text), "%u bytes are too large for one message of %d",
			 payload, COAX_PAYLOAD_MAX);
	} else if (response->length > COAX_MESSAGE_MAX) {
		snprintf(text, sizeof(text), "a response of %u bytes is too large, %d are the most",
			 response->length, COAX_MESSAGE_MAX);
	} else {
		return false;
	}
	coax_log(responder->logger, level, "%s: %s", text,
		 coax_message_describe(&responder->request, description, sizeof(description)));
	answer_error(responder, COAX_INTERNAL_SERVER_ERROR, text);
	return true;
}

void coax_respond(struct coax_responder *responder, uint8_t code)
{
	struct coax_message *response = &responder->response;

	if (is_over(responder, "coax_respond"))
		return;
	if (code == COAX_CONTENT && is_validated(responder)) {
		coax_message_set_payload(response, NULL, 0);
		coax_message_remove(response, COAX_CONTENT_FORMAT);
		code = COAX_VALID;
	}
	if (!refuse_response(responder, code))
		answer(responder, code);
}

struct coax_responder *coax_responder_defer(struct coax_responder *responder)
{
	struct coax_responder *later;

	if (is_over(responder, "coax_responder_defer"))
		return NULL;
	if (!responder->ops->defer)
		return responder;
	later = responder->ops->defer(responder);
	if (later)
		responder->answered = true;
	return later;
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
