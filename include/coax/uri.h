/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coap and coaps URIs to options and back (RFC 7252 section 6). Nothing here allocates or keeps
 * state. Any thread.
 */
#ifndef COAX_URI_H
#define COAX_URI_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct coax_message;

struct coax_uri {
	bool secure;	/* coaps */
	bool literal;	/* the host is an IP literal: it becomes no Uri-Host (section 6.4 step 5) */
	char host[256]; /* percent-decoded, lower case; IPv6 as "fe80::1%eth0", no brackets */
	in_port_t port; /* host order; the scheme's default where the URI names none */
	const char *path; /* into the text given: from the first '/', percent-encoded */
	size_t path_length;
	const char *query; /* behind the '?', percent-encoded; NULL: none */
	size_t query_length;
};

/**
 * coax_uri_parse - take a coap or coaps URI apart (section 6.4 steps 1 to 4).
 *
 * Returns 0; -EINVAL with *error set to what is wrong (no absolute URI, a fragment, a userinfo,
 * a bad port, a bad percent-encoding, a path segment or query argument longer than 255 bytes);
 * -EPROTONOSUPPORT for another scheme. `uri` keeps pointers into `text`.
 */
int coax_uri_parse(struct coax_uri *uri, const char *text, const char **error);

/**
 * coax_uri_add_options - Uri-Host, Uri-Port, Uri-Path and Uri-Query of `uri` for a request to
 * `port` at the address that its host stands for (section 6.4 steps 5 to 9). Dot segments have
 * been resolved; Uri-Host is left out for IP literals.
 *
 * `port` is the destination port of the request. Returns 0, -EINVAL or -EMSGSIZE; on error the
 * message may hold a part of the options.
 */
int coax_uri_add_options(const struct coax_uri *uri, struct coax_message *m, in_port_t port);

/**
 * coax_uri_path_add_options - "a/b%2Fc?x=1" to Uri-Path and Uri-Query options.
 *
 * A leading '/' is optional. Returns 0, -EINVAL or -EMSGSIZE; on error the message may hold a part
 * of the options.
 */
int coax_uri_path_add_options(const char *path, struct coax_message *m);

/**
 * coax_uri_compose - the URI of a request (section 6.5). `host` and `port` stand in where Uri-Host
 * and Uri-Port are absent: the request's destination address as text (IPv6 without brackets).
 *
 * Returns the length; -EMSGSIZE when `size` bytes do not hold it and its terminating zero; -EINVAL
 * when no URI stands for the options: a Uri-Host that is no host name, or a segment "." or ".."
 * (section 5.10.1 forbids them, and whoever reads the URI would resolve them). On error `text` is
 * the empty string. So for the two functions below.
 */
int coax_uri_compose(const struct coax_message *m, bool secure, const char *host, in_port_t port,
		     char *text, size_t size);

/**
 * coax_uri_compose_path - only path and query: "/a/b%2Fc?x=1", "/" for none.
 */
int coax_uri_compose_path(const struct coax_message *m, char *text, size_t size);

/**
 * coax_uri_compose_location - the same from Location-Path and Location-Query (section 5.10.7), or
 * an empty string and 0 when the message has neither.
 */
int coax_uri_compose_location(const struct coax_message *m, char *text, size_t size);

#endif
