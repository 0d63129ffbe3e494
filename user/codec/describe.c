// SPDX-License-Identifier: BSD-2-Clause
/* Messages as text for people. */
#include <coax/message.h>

#include <stdio.h>
#include <string.h>

#include <coax/option.h>

#include "codec/text.h"

/* A longer token shows so many bytes and its length. */
#define TOKEN_SHOWN_MAX 12

static const char *const type_names[] = {"CON", "NON", "ACK", "RST"};

static const char *const code_names[256] = {
	[COAX_EMPTY] = "0.00 Empty",
	[COAX_GET] = "GET",
	[COAX_POST] = "POST",
	[COAX_PUT] = "PUT",
	[COAX_DELETE] = "DELETE",
	[COAX_FETCH] = "FETCH",
	[COAX_PATCH] = "PATCH",
	[COAX_IPATCH] = "iPATCH",
	[COAX_CREATED] = "2.01 Created",
	[COAX_DELETED] = "2.02 Deleted",
	[COAX_VALID] = "2.03 Valid",
	[COAX_CHANGED] = "2.04 Changed",
	[COAX_CONTENT] = "2.05 Content",
	[COAX_CONTINUE] = "2.31 Continue",
	[COAX_BAD_REQUEST] = "4.00 Bad Request",
	[COAX_UNAUTHORIZED] = "4.01 Unauthorized",
	[COAX_BAD_OPTION] = "4.02 Bad Option",
	[COAX_FORBIDDEN] = "4.03 Forbidden",
	[COAX_NOT_FOUND] = "4.04 Not Found",
	[COAX_METHOD_NOT_ALLOWED] = "4.05 Method Not Allowed",
	[COAX_NOT_ACCEPTABLE] = "4.06 Not Acceptable",
	[COAX_REQUEST_ENTITY_INCOMPLETE] = "4.08 Request Entity Incomplete",
	[COAX_CONFLICT] = "4.09 Conflict",
	[COAX_PRECONDITION_FAILED] = "4.12 Precondition Failed",
	[COAX_REQUEST_ENTITY_TOO_LARGE] = "4.13 Request Entity Too Large",
	[COAX_UNSUPPORTED_CONTENT_FORMAT] = "4.15 Unsupported Content-Format",
	[COAX_UNPROCESSABLE_ENTITY] = "4.22 Unprocessable Entity",
	[COAX_TOO_MANY_REQUESTS] = "4.29 Too Many Requests",
	[COAX_INTERNAL_SERVER_ERROR] = "5.00 Internal Server Error",
	[COAX_NOT_IMPLEMENTED] = "5.01 Not Implemented",
	[COAX_BAD_GATEWAY] = "5.02 Bad Gateway",
	[COAX_SERVICE_UNAVAILABLE] = "5.03 Service Unavailable",
	[COAX_GATEWAY_TIMEOUT] = "5.04 Gateway Timeout",
	[COAX_PROXYING_NOT_SUPPORTED] = "5.05 Proxying Not Supported",
	[COAX_HOP_LIMIT_REACHED] = "5.08 Hop Limit Reached",
};

const char *coax_code_name(uint8_t code, char text[8])
{
	if (code_names[code])
		return code_names[code];
	snprintf(text, 8, "%d.%02d", COAX_CODE_CLASS(code), COAX_CODE_DETAIL(code));
	return text;
}

static void put_bytes(struct text *text, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length && text->length < text->size; i++)
		text_format(text, "%02x", bytes[i]);
}

static void put_option(struct text *text, const struct coax_option *option)
{
	const struct coax_option_info *info = coax_option_info(option->number);

	if (info)
		text_format(text, " %s", info->name);
	else
		text_format(text, " %u", option->number);
	if (info && info->format == COAX_OPTION_EMPTY && option->length == 0)
		return;
	text_put(text, ':');
	if (info && info->format == COAX_OPTION_STRING)
		text_escaped(text, option->value, option->length);
	else if (info && info->format == COAX_OPTION_UINT && option->length <= 4)
		text_format(text, "%u", coax_option_uint(option));
	else
		put_bytes(text, option->value, option->length);
}

static void put_token(struct text *text, const uint8_t *token, uint32_t length)
{
	text_string(text, " token=");
	if (length <= TOKEN_SHOWN_MAX) {
		put_bytes(text, token, length);
	} else {
		put_bytes(text, token, TOKEN_SHOWN_MAX);
		text_format(text, "...(%u)", length);
	}
}

static void put_message(struct text *text, const struct coax_message *m)
{
	struct coax_option_iterator it;
	struct coax_option option;
	char code[8];

	if (m->length < COAX_HEADER_SIZE) {
		text_format(text, "%u bytes: %s", m->length, m->error ? m->error : "no message");
		return;
	}
	text_format(text, "%s %s mid=0x%04x", type_names[coax_message_type(m)],
		    coax_code_name(coax_message_code(m), code), coax_message_id(m));
	if (m->error) {
		text_format(text, " %u bytes: %s", m->length, m->error);
		return;
	}
	if (coax_message_token_length(m))
		put_token(text, coax_message_token(m), coax_message_token_length(m));
	it = coax_options_begin(m);
	while (text->length < text->size && coax_options_next(&it, &option))
		put_option(text, &option);
	if (m->payload < m->length)
		text_format(text, " payload=%u", m->length - m->payload);
}

char *coax_message_describe(const struct coax_message *m, char *text, size_t size)
{
	struct text out = {text, size, 0};

	put_message(&out, m);
	if (out.length < size) {
		text[out.length] = '\0';
	} else if (size > 3) {
		memcpy(text + size - 4, "...", 4);
	} else if (size) {
		text[0] = '\0';
	}
	return text;
}
