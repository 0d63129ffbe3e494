// SPDX-License-Identifier: BSD-2-Clause
/* URIs to options: RFC 7252 section 6.4, RFC 3986. */
#include <coax/uri.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <coax/message.h>
#include <coax/option.h>

#include "codec/text.h"

/* Path segments, query arguments and host names alike (RFC 7252 table 4). */
#define COMPONENT_MAX 255

/* No datagram carries more than this. */
#define PATH_MAX_BYTES 65536

#define BAD_ENCODING   "a bad percent-encoding"
#define BAD_CHARACTER  "a character that has to be percent-encoded"

typedef bool (*allowed_fn)(char c);

/* What is left of a list, and whether anything is: the last piece may be empty. */
struct pieces {
	const char *at;
	size_t left;
	char separator;
	bool more;
};

static bool next_piece(struct pieces *pieces, const char **piece, size_t *length)
{
	const char *end;

	if (!pieces->more)
		return false;
	end = memchr(pieces->at, pieces->separator, pieces->left);
	*piece = pieces->at;
	*length = end ? (size_t)(end - pieces->at) : pieces->left;
	pieces->more = end != NULL;
	if (end) {
		pieces->left -= *length + 1;
		pieces->at = end + 1;
	}
	return true;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Returns the decoded length, -EINVAL (a bad percent-encoding), -EILSEQ (a character that is not
 * allowed as it stands) or -ENAMETOOLONG.
 */
static int percent_decode(const char *text, size_t length, allowed_fn allowed, char *out,
			  size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_value(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (!allowed(c)) {
			return -EILSEQ;
		}
		if (used == size)
			return -ENAMETOOLONG;
		out[used++] = c;
	}
	return (int)used;
}

static int bad(const char **error, const char *why)
{
	*error = why;
	return -EINVAL;
}

/* Step 3. Moves *text behind "coap://". */
static int take_scheme(struct coax_uri *uri, const char **text, const char **error)
{
	const char *end = *text;
	size_t length;

	while (is_alpha(*end) || (end > *text && (is_digit(*end) || is_one_of(*end, "+-."))))
		end++;
	length = (size_t)(end - *text);
	if (length == 0 || *end != ':')
		return bad(error, "not an absolute URI");
	if (length == 4 && strncasecmp(*text, "coap", 4) == 0) {
		uri->secure = false;
	} else if (length == 5 && strncasecmp(*text, "coaps", 5) == 0) {
		uri->secure = true;
	} else {
		*error = "a scheme other than coap and coaps";
		return -EPROTONOSUPPORT;
	}
	if (strncmp(end, "://", 3) != 0)
		return bad(error, "no host");
	*text = end + 3;
	return 0;
}

/*
 * A zone as RFC 6874 writes it ("%25eth0"), or as people do ("%eth0"). Returns the length in `out`,
 * or -EINVAL.
 */
static int take_zone(const char *zone, size_t length, char *out, size_t size)
{
	int used;

	if (length >= 2 && memcmp(zone, "25", 2) == 0)
		used = percent_decode(zone + 2, length - 2, is_unreserved, out, size);
	else if (memchr(zone, '%', length))
		return -EINVAL;
	else
		used = percent_decode(zone, length, is_unreserved, out, size);
	if (used <= 0 || memchr(out, '\0', (size_t)used))
		return -EINVAL;
	return used;
}

/* What stands between the brackets. Addresses get the form of RFC 5952. */
static int take_ipv6(struct coax_uri *uri, const char *text, size_t length, const char **error)
{
	const char *zone = memchr(text, '%', length);
	size_t address_length = zone ? (size_t)(zone - text) : length;
	char address[INET6_ADDRSTRLEN];
	struct in6_addr in6;
	int zone_length;
	size_t used;

	if (address_length >= sizeof(address))
		return bad(error, "a bad IPv6 address");
	memcpy(address, text, address_length);
	address[address_length] = '\0';
	if (inet_pton(AF_INET6, address, &in6) != 1)
		return bad(error, "a bad IPv6 address");
	inet_ntop(AF_INET6, &in6, uri->host, INET6_ADDRSTRLEN);
	uri->literal = true;
	if (!zone)
		return 0;

	used = strlen(uri->host);
	uri->host[used++] = '%';
	zone_length = take_zone(zone + 1, length - address_length - 1, uri->host + used,
				sizeof(uri->host) - used - 1);
	if (zone_length < 0)
		return bad(error, "a bad zone behind an IPv6 address");
	uri->host[used + (size_t)zone_length] = '\0';
	return 0;
}

/*
 * A name or an IPv4 address. Percent-encoded letters are letters (RFC 3986 section 6.2.2.2), so the
 * decoded name is what is lower-cased and looked at.
 */
static int take_name(struct coax_uri *uri, const char *text, size_t length, const char **error)
{
	struct in_addr in;
	int used;

	used = percent_decode(text, length, is_host_char, uri->host, COMPONENT_MAX);
	if (used == 0)
		return bad(error, "no host");
	if (used == -ENAMETOOLONG)
		return bad(error, "a host name longer than 255 bytes");
	if (used < 0)
		return bad(error, used == -EINVAL ? BAD_ENCODING : BAD_CHARACTER);
	if (memchr(uri->host, '\0', (size_t)used))
		return bad(error, "a zero byte in the host name");
	uri->host[used] = '\0';
	for (int i = 0; i < used; i++)
		uri->host[i] = lower(uri->host[i]);
	uri->literal = inet_pton(AF_INET, uri->host, &in) == 1;
	return 0;
}

/* Section 6.1: an empty port is the default port. */
static int take_port(struct coax_uri *uri, const char *text, size_t length, const char **error)
{
	uint32_t port;

	uri->port = uri->secure ? COAX_PORT_SECURE : COAX_PORT;
	if (length == 0)
		return 0;
	if (!parse_number(text, length, UINT16_MAX, &port) || port == 0)
		return bad(error, "a bad port");
	uri->port = (in_port_t)port;
	return 0;
}

static int take_authority(struct coax_uri *uri, const char *text, size_t length, const char **error)
{
	const char *end = text + length, *host_end;
	int err;

	if (memchr(text, '@', length))
		return bad(error, "user information in front of the host");
	if (length && *text == '[') {
		host_end = memchr(text, ']', length);
		if (!host_end)
			return bad(error, "a bad IPv6 address");
		err = take_ipv6(uri, text + 1, (size_t)(host_end - text - 1), error);
		host_end++;
	} else {
		host_end = memchr(text, ':', length);
		if (!host_end)
			host_end = end;
		err = take_name(uri, text, (size_t)(host_end - text), error);
	}
	if (err)
		return err;
	if (host_end == end)
		return take_port(uri, "", 0, error);
	if (*host_end != ':')
		return bad(error, "a bad port");
	return take_port(uri, host_end + 1, (size_t)(end - host_end - 1), error);
}

static int check_pieces(struct pieces pieces, allowed_fn allowed, const char **error)
{
	char value[COMPONENT_MAX];
	const char *piece;
	size_t length;

	while (next_piece(&pieces, &piece, &length)) {
		int used = percent_decode(piece, length, allowed, value, sizeof(value));

		if (used == -ENAMETOOLONG)
			return bad(error, "a path segment or query argument longer than 255 bytes");
		if (used < 0)
			return bad(error, used == -EINVAL ? BAD_ENCODING : BAD_CHARACTER);
	}
	return 0;
}

static struct pieces path_pieces(const char *path, size_t length)
{
	if (length && *path == '/') {
		path++;
		length--;
	}
	return (struct pieces){path, length, '/', true};
}

static struct pieces query_pieces(const char *query, size_t length)
{
	return (struct pieces){query, length, '&', query != NULL};
}

int coax_uri_parse(struct coax_uri *uri, const char *text, const char **error)
{
	const char *authority = text;
	int err;

	*uri = (struct coax_uri){.path = NULL};
	*error = NULL;

	err = take_scheme(uri, &authority, error);
	if (err)
		return err;
	if (strchr(authority, '#'))
		return bad(error, "a fragment, which no request can carry");

	uri->path = authority + strcspn(authority, "/?");
	uri->path_length = strcspn(uri->path, "?");
	if (uri->path[uri->path_length] == '?') {
		uri->query = uri->path + uri->path_length + 1;
		uri->query_length = strlen(uri->query);
	}
	err = take_authority(uri, authority, (size_t)(uri->path - authority), error);
	if (err)
		return err;
	err = check_pieces(path_pieces(uri->path, uri->path_length), is_path_char, error);
	if (err)
		return err;
	return check_pieces(query_pieces(uri->query, uri->query_length), is_query_char, error);
}

static int add_component(struct coax_message *m, uint16_t number, const char *text, size_t length,
			 allowed_fn allowed)
{
	char value[COMPONENT_MAX];
	int used = percent_decode(text, length, allowed, value, sizeof(value));

	if (used < 0)
		return -EINVAL;
	return coax_message_add(m, number, value, (size_t)used);
}

/* How many dots a segment "." or ".." has, encoded ones too; 0: any other segment. */
static int dots(const char *segment, size_t length)
{
	char value[2];
	int used = percent_decode(segment, length, is_path_char, value, sizeof(value));

	if (used <= 0 || value[0] != '.' || (used == 2 && value[1] != '.'))
		return 0;
	return used;
}

/*
 * Which segments of a path are left when its dot segments have been resolved (RFC 3986 section
 * 5.2.4): seen from the end, each ".." takes the nearest segment in front of it that nobody else
 * has taken. A dot segment in the last place leaves an empty one.
 *
 * kept[] has a bit for each segment. Returns how many are set.
 */
static size_t resolve_dots(const char *path, size_t length, uint8_t *kept)
{
	size_t index = 0, end = length, start = length, count = 0, taken = 0;
	bool last = true;

	for (size_t i = 0; i < length; i++)
		index += path[i] == '/';
	memset(kept, 0, index / 8 + 1);

	for (;; index--, end = start - 1, start = end, last = false) {
		int n;
		bool keep;

		while (start > 0 && path[start - 1] != '/')
			start--;
		n = dots(path + start, end - start);
		keep = n ? last : taken == 0;
		if (n == 2)
			taken++;
		else if (n == 0 && taken > 0)
			taken--;
		if (keep) {
			kept[index / 8] |= (uint8_t)(1 << index % 8);
			count++;
		}
		if (start == 0)
			return count;
	}
}

/* Step 8. */
static int add_path(struct coax_message *m, const char *path, size_t length)
{
	struct pieces pieces = path_pieces(path, length);
	uint8_t kept[PATH_MAX_BYTES / 8];
	size_t index = 0, count;
	const char *segment;

	if (pieces.left >= PATH_MAX_BYTES)
		return -EMSGSIZE;
	count = resolve_dots(pieces.at, pieces.left, kept);
	for (; next_piece(&pieces, &segment, &length); index++) {
		int err;

		if (!(kept[index / 8] & 1 << index % 8))
			continue;
		if (dots(segment, length))
			length = 0;
		if (length == 0 && count == 1)
			return 0;
		err = add_component(m, COAX_URI_PATH, segment, length, is_path_char);
		if (err)
			return err;
	}
	return 0;
}

/* Step 9. */
static int add_query(struct coax_message *m, const char *query, size_t length)
{
	struct pieces pieces = query_pieces(query, length);
	const char *argument;

	while (next_piece(&pieces, &argument, &length)) {
		int err = add_component(m, COAX_URI_QUERY, argument, length, is_query_char);

		if (err)
			return err;
	}
	return 0;
}

int coax_uri_add_options(const struct coax_uri *uri, struct coax_message *m, in_port_t port)
{
	int err;

	if (!uri->literal) {
		err = coax_message_add_string(m, COAX_URI_HOST, uri->host);
		if (err)
			return err;
	}
	if (uri->port != port) {
		err = coax_message_add_uint(m, COAX_URI_PORT, uri->port);
		if (err)
			return err;
	}
	err = add_path(m, uri->path, uri->path_length);
	if (err)
		return err;
	return add_query(m, uri->query, uri->query_length);
}

int coax_uri_path_add_options(const char *path, struct coax_message *m)
{
	size_t length = strcspn(path, "?");
	const char *query = path[length] == '?' ? path + length + 1 : NULL;
	int err;

	err = add_path(m, path, length);
	if (err)
		return err;
	return add_query(m, query, query ? strlen(query) : 0);
}
