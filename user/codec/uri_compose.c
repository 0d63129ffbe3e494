// SPDX-License-Identifier: BSD-2-Clause
/* Options to URIs: RFC 7252 section 6.5. */
#include <coax/uri.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include <coax/message.h>
#include <coax/option.h>

#include "codec/text.h"

static void put_encoded(struct text *url, const uint8_t *value, size_t length,
			bool (*allowed)(char c))
{
	for (size_t i = 0; i < length; i++) {
		if (allowed((char)value[i]))
			text_put(url, (char)value[i]);
		else
			text_percent_encode(url, value[i]);
	}
}

/* '&' would end the argument. */
static bool is_argument_char(char c)
{
	return is_query_char(c) && c != '&';
}

static bool is_dot_segment(const struct coax_option *option)
{
	return (option->length == 1 && option->value[0] == '.') ||
	       (option->length == 2 && option->value[0] == '.' && option->value[1] == '.');
}

/* Steps 6 to 8. */
static int put_resource(struct text *url, const struct coax_message *m, uint16_t path,
			uint16_t query)
{
	struct coax_option_iterator it = coax_options_begin(m);
	struct coax_option option;
	size_t start = url->length;
	char separator = '?';

	while (coax_options_next(&it, &option)) {
		if (option.number > query)
			break;
		if (option.number == path) {
			if (is_dot_segment(&option))
				return -EINVAL;
			text_put(url, '/');
			put_encoded(url, option.value, option.length, is_path_char);
		} else if (option.number == query) {
			if (url->length == start)
				text_put(url, '/');
			text_put(url, separator);
			put_encoded(url, option.value, option.length, is_argument_char);
			separator = '&';
		}
	}
	if (url->length == start)
		text_put(url, '/');
	return 0;
}

/* An IP literal in a Uri-Host: in brackets, without a zone, which means nothing to others. */
static bool is_bracketed_ipv6(const struct coax_option *option)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = option->length - 2;
	struct in6_addr in6;

	if (option->length < 2 || length >= sizeof(address) || option->value[0] != '[' ||
	    option->value[length + 1] != ']')
		return false;
	memcpy(address, option->value + 1, length);
	address[length] = '\0';
	return inet_pton(AF_INET6, address, &in6) == 1;
}

/* Step 2, for a Uri-Host: only what is not ASCII may be, and gets, percent-encoded. */
static int put_host_option(struct text *url, const struct coax_option *option)
{
	if (option->length == 0)
		return -EINVAL;
	if (is_bracketed_ipv6(option)) {
		for (size_t i = 0; i < option->length; i++)
			text_put(url, (char)option->value[i]);
		return 0;
	}
	for (size_t i = 0; i < option->length; i++) {
		if (option->value[i] < 0x80 && !is_host_char((char)option->value[i]))
			return -EINVAL;
	}
	put_encoded(url, option->value, option->length, is_host_char);
	return 0;
}

/* Step 2, for the destination address. RFC 6874: a zone follows "%25". */
static void put_host(struct text *url, const char *host)
{
	const char *zone = strchr(host, '%');

	if (!strchr(host, ':')) {
		put_encoded(url, (const uint8_t *)host, strlen(host), is_host_char);
		return;
	}
	text_put(url, '[');
	for (const char *c = host; *c && c != zone; c++)
		text_put(url, *c);
	if (zone) {
		text_string(url, "%25");
		put_encoded(url, (const uint8_t *)zone + 1, strlen(zone + 1), is_unreserved);
	}
	text_put(url, ']');
}

static int put_authority(struct text *url, const struct coax_message *m, bool secure,
			 const char *host, in_port_t port)
{
	struct coax_option option;
	uint32_t number = port;

	text_string(url, secure ? "coaps://" : "coap://");
	if (coax_message_find(m, COAX_URI_HOST, &option)) {
		int err = put_host_option(url, &option);

		if (err)
			return err;
	} else {
		put_host(url, host);
	}
	if (coax_message_find_uint(m, COAX_URI_PORT, &number) && number > UINT16_MAX)
		return -EINVAL;
	if (number != (secure ? COAX_PORT_SECURE : COAX_PORT))
		text_format(url, ":%u", number);
	return 0;
}

/* Terminates the text. */
static int finish(struct text *url, int err)
{
	if (!err && (url->length >= url->size || url->length > INT_MAX))
		err = -EMSGSIZE;
	if (url->size)
		url->at[err ? 0 : url->length] = '\0';
	return err ? err : (int)url->length;
}

int coax_uri_compose(const struct coax_message *m, bool secure, const char *host, in_port_t port,
		     char *text, size_t size)
{
	struct text url = {text, size, 0};
	int err;

	err = put_authority(&url, m, secure, host, port);
	if (!err)
		err = put_resource(&url, m, COAX_URI_PATH, COAX_URI_QUERY);
	return finish(&url, err);
}

int coax_uri_compose_path(const struct coax_message *m, char *text, size_t size)
{
	struct text url = {text, size, 0};

	return finish(&url, put_resource(&url, m, COAX_URI_PATH, COAX_URI_QUERY));
}

int coax_uri_compose_location(const struct coax_message *m, char *text, size_t size)
{
	struct text url = {text, size, 0};
	struct coax_option option;
	int err = 0;

	if (coax_message_find(m, COAX_LOCATION_PATH, &option) ||
	    coax_message_find(m, COAX_LOCATION_QUERY, &option))
		err = put_resource(&url, m, COAX_LOCATION_PATH, COAX_LOCATION_QUERY);
	return finish(&url, err);
}
