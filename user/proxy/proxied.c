// SPDX-License-Identifier: BSD-2-Clause
/*
 * What Proxy-Uri, or Proxy-Scheme with the rest, ask a forward-proxy for (RFC 7252 section 5.10.2).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <coax/option.h>
#include "proxy/internal.h"
#include "site/responder.h"

/* Proxy-Uri as text; it takes the place of all that speaks of a URI (section 5.10.2). */
static int read_uri(const struct coax_option *option, char text[COAX_PROXY_URI_MAX + 1])
{
	if (option->length > COAX_PROXY_URI_MAX || memchr(option->value, 0, option->length))
		return -EINVAL;
	memcpy(text, option->value, option->length);
	text[option->length] = 0;
	return 0;
}

/* What would end the host as text. */
static bool is_host(const struct coax_option *host)
{
	static const char ends[] = {0, '/', '?', '#', '@'};

	for (size_t i = 0; i < sizeof(ends); i++)
		if (memchr(host->value, ends[i], host->length))
			return false;
	return host->length;
}

/* Proxy-Scheme, with what the request says besides, to a URI of scheme, host and port. */
static int read_scheme(const struct coax_option *scheme, const struct coax_message *request,
		       char text[COAX_PROXY_URI_MAX + 1])
{
	struct coax_option host;
	uint32_t port = 0;
	bool bracketed;
	int length;

	if (!coax_message_find(request, COAX_URI_HOST, &host) || !is_host(&host))
		return -EINVAL;
	if (memchr(scheme->value, 0, scheme->length))
		return -EINVAL;
	bracketed = memchr(host.value, ':', host.length) && host.value[0] != '[';
	length = snprintf(text, COAX_PROXY_URI_MAX + 1, "%.*s://%s%.*s%s", (int)scheme->length,
			  (const char *)scheme->value, bracketed ? "[" : "", (int)host.length,
			  (const char *)host.value, bracketed ? "]" : "");
	if (coax_message_find_uint(request, COAX_URI_PORT, &port) && length <= COAX_PROXY_URI_MAX)
		length += snprintf(text + length, COAX_PROXY_URI_MAX + 1 - (size_t)length, ":%u",
				   port);
	return length <= COAX_PROXY_URI_MAX ? 0 : -EINVAL;
}

bool coax_proxied_is(const struct coax_message *request)
{
	struct coax_option option;

	return coax_message_find(request, COAX_PROXY_URI, &option) ||
	       coax_message_find(request, COAX_PROXY_SCHEME, &option);
}

int coax_proxied_read(struct coax_proxied *proxied, const struct coax_message *request,
		      const char **error)
{
	struct coax_option option;
	int err;

	proxied->is_whole = coax_message_find(request, COAX_PROXY_URI, &option);
	if (proxied->is_whole)
		err = read_uri(&option, proxied->text);
	else if (coax_message_find(request, COAX_PROXY_SCHEME, &option))
		err = read_scheme(&option, request, proxied->text);
	else
		err = -EINVAL;
	return err ? err : coax_uri_parse(&proxied->uri, proxied->text, error);
}

bool coax_proxied_may_ask(const struct coax_proxied *proxied,
			  const struct coax_responder *responder)
{
	return !proxied->uri.secure || coax_responder_claims(responder) || responder->let_in;
}

static bool speaks_of_target(uint16_t number)
{
	switch (number) {
	case COAX_URI_HOST:
	case COAX_URI_PORT:
	case COAX_PROXY_URI:
	case COAX_PROXY_SCHEME:
		return true;
	default:
		return false;
	}
}

static bool speaks_of_path(uint16_t number)
{
	return number == COAX_URI_PATH || number == COAX_URI_QUERY;
}

/* Path and queries of a URI that stands for all of them. */
static int add_path(const struct coax_proxied *proxied, struct coax_message *to)
{
	int err = coax_uri_add_options(&proxied->uri, to, proxied->uri.port);

	coax_message_remove(to, COAX_URI_HOST);
	return err;
}

int coax_proxied_options(const struct coax_proxied *proxied, struct coax_message *to,
			 const struct coax_message *request)
{
	struct coax_option_iterator it = coax_options_begin(request);
	bool is_whole = proxied && proxied->is_whole;
	struct coax_option option;
	int err = is_whole ? add_path(proxied, to) : 0;

	while (!err && coax_options_next(&it, &option))
		if (!speaks_of_target(option.number) &&
		    !(is_whole && speaks_of_path(option.number)))
			err = coax_message_add(to, option.number, option.value, option.length);
	return err;
}

int coax_proxied_build(const struct coax_proxied *proxied, struct coax_message *target,
		       uint8_t *buffer, size_t size, const struct coax_message *request)
{
	const uint8_t *payload;
	size_t length;
	int err;

	err = coax_message_start(target, buffer, size, COAX_TYPE_CON, coax_message_code(request), 0,
				 NULL, 0);
	if (!err)
		err = coax_proxied_options(proxied, target, request);
	payload = coax_message_payload(request, &length);
	/* One that does not fit goes along all the same; but what it asks for is not kept. */
	if (!err && coax_message_code(request) == COAX_FETCH)
		(void)coax_message_set_payload(target, payload, length);
	return err;
}
