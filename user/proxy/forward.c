// SPDX-License-Identifier: BSD-2-Clause
/*
 * The forward-proxy (RFC 7252 section 5.7.2): targets that are allowed, each a mapping of its own
 * for as long as it is among those that were asked last.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <coax/option.h>
#include <coax/uri.h>
#include "hash.h"
#include "proxy/internal.h"
#include "site/responder.h"

#define TARGETS_MAX  1024
#define URI_MAX	     1034 /* of a Proxy-Uri: section 5.10 */
#define MESSAGE_MAX  2048
#define PORT_ANY     (-1)
#define PORT_DEFAULT (-2) /* the scheme's */

struct pattern {
	char *host; /* "*": any; "*.x": all below x */
	int port;
};

struct coax_allowed {
	size_t count;
	struct pattern patterns[];
};

struct coax_forward {
	struct coax_proxy *proxy;
	struct coax_hash_key key;
	struct coax_origin_counters counters; /* of all targets */
	pthread_mutex_t lock;		      /* what is below */
	struct cds_hlist_head targets[TARGETS_MAX];
	struct cds_list_head order; /* asked for longest ago first */
	uint32_t count;
};

/*
 * What is allowed.
 */

static int read_pattern(struct pattern *pattern, const char *text)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strrchr(text, ']');
	size_t length = strlen(text);
	unsigned int port = 0;
	int end = 0;

	pattern->port = PORT_DEFAULT;
	/* The last colon is before a port, but in an IPv6 address without brackets. */
	if (colon && (bracket ? colon > bracket : strchr(text, ':') == colon)) {
		length = (size_t)(colon - text);
		if (strcmp(colon, ":*") == 0)
			pattern->port = PORT_ANY;
		else if (sscanf(colon, ":%5u%n", &port, &end) != 1 || colon[end] || !port ||
			 port > UINT16_MAX)
			return -EINVAL;
		else
			pattern->port = (int)port;
	}
	if (bracket && *text == '[') {
		text++;
		length -= 2;
	}
	if (!length)
		return -EINVAL;
	pattern->host = strndup(text, length);
	return pattern->host ? 0 : -ENOMEM;
}

static bool is_host_allowed(const char *pattern, const char *host)
{
	size_t length = strlen(host), suffix;

	if (strcmp(pattern, "*") == 0)
		return true;
	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(pattern, host) == 0;
	suffix = strlen(pattern + 1);
	return length > suffix && strcasecmp(host + length - suffix, pattern + 1) == 0;
}

static bool is_port_allowed(int port, const struct coax_uri *uri)
{
	in_port_t otherwise = uri->secure ? COAX_PORT_SECURE : COAX_PORT;

	return port == PORT_ANY || uri->port == (port == PORT_DEFAULT ? otherwise : port);
}

static bool is_allowed(const struct coax_allowed *allowed, const struct coax_uri *uri)
{
	for (size_t i = 0; allowed && i < allowed->count; i++) {
		const struct pattern *pattern = &allowed->patterns[i];

		if (is_port_allowed(pattern->port, uri) &&
		    is_host_allowed(pattern->host, uri->host))
			return true;
	}
	return false;
}

void coax_allowed_destroy(struct coax_allowed *allowed)
{
	for (size_t i = 0; allowed && i < allowed->count; i++)
		free(allowed->patterns[i].host);
	free(allowed);
}

int coax_allowed_create(struct coax_allowed **result, const char *const *patterns, size_t count,
			const struct coax_logger *logger)
{
	struct coax_allowed *allowed =
		calloc(1, sizeof(*allowed) + count * sizeof(allowed->patterns[0]));
	int err = 0;

	if (!allowed)
		return -ENOMEM;
	for (size_t i = 0; i < count && !err; i++) {
		err = read_pattern(&allowed->patterns[i], patterns[i]);
		allowed->count += !err;
		if (err)
			coax_log(logger, COAX_LOG_ERROR, "cannot proxy to %s: %s", patterns[i],
				 strerror(-err));
	}
	if (err)
		coax_allowed_destroy(allowed);
	else
		*result = allowed;
	return err;
}

bool coax_allowed_is_pattern(const char *text)
{
	struct pattern pattern;
	bool valid = read_pattern(&pattern, text) != -EINVAL;

	if (valid)
		free(pattern.host);
	return valid;
}

int coax_forward_create(struct coax_forward **result, struct coax_proxy *proxy)
{
	struct coax_forward *forward = calloc(1, sizeof(*forward));
	int err;

	if (!forward)
		return -ENOMEM;
	forward->proxy = proxy;
	pthread_mutex_init(&forward->lock, NULL);
	CDS_INIT_LIST_HEAD(&forward->order);
	err = coax_hash_key_random(&forward->key);
	if (err)
		coax_forward_destroy(forward);
	else
		*result = forward;
	return err;
}

const struct coax_origin_counters *coax_forward_counters(const struct coax_forward *forward)
{
	return &forward->counters;
}

/*
 * Targets.
 */

/* The reference that the table has is the caller's then. */
static void take_out(struct coax_forward *forward, struct coax_mapping *target)
{
	cds_hlist_del(&target->node);
	cds_list_del(&target->order);
	forward->count--;
}

void coax_forward_destroy(struct coax_forward *forward)
{
	if (!forward)
		return;
	coax_forward_sweep(forward, NULL);
	pthread_mutex_destroy(&forward->lock);
	free(forward);
}

void coax_forward_sweep(struct coax_forward *forward, const struct coax_allowed *allowed)
{
	struct coax_mapping *target, *next;
	struct coax_uri uri;
	const char *error;

	pthread_mutex_lock(&forward->lock);
	cds_list_for_each_entry_safe (target, next, &forward->order, order) {
		if (allowed && !coax_uri_parse(&uri, target->origins[0]->uri, &error) &&
		    is_allowed(allowed, &uri))
			continue;
		take_out(forward, target);
		coax_mapping_retire(target);
	}
	pthread_mutex_unlock(&forward->lock);
}

/* The one asked for longest ago that nobody waits for. */
static bool make_room(struct coax_forward *forward)
{
	struct coax_mapping *target;

	if (forward->count < TARGETS_MAX)
		return true;
	cds_list_for_each_entry (target, &forward->order, order)
		if (atomic_load(&target->references) == 1) {
			take_out(forward, target);
			coax_mapping_put(target);
			return true;
		}
	return false;
}

static struct coax_mapping *find(struct coax_forward *forward, uint64_t hash, const char *uri)
{
	struct cds_hlist_node *node = forward->targets[hash % TARGETS_MAX].next;

	for (; node; node = node->next) {
		struct coax_mapping *target = caa_container_of(node, struct coax_mapping, node);

		if (target->hash == hash && strcmp(target->origins[0]->uri, uri) == 0)
			return target;
	}
	return NULL;
}

static struct coax_mapping *create(struct coax_forward *forward, uint64_t hash, const char *uri)
{
	struct coax_mapping *target;

	if (!make_room(forward))
		return NULL;
	target = coax_mapping_create_target(forward->proxy, uri, &forward->counters);
	if (!target)
		return NULL;
	target->hash = hash;
	cds_hlist_add_head(&target->node, &forward->targets[hash % TARGETS_MAX]);
	cds_list_add_tail(&target->order, &forward->order);
	forward->count++;
	return target;
}

/* Referenced. NULL: there is no room. */
static struct coax_mapping *obtain(struct coax_forward *forward, const struct coax_uri *uri)
{
	bool bracketed = strchr(uri->host, ':');
	struct coax_mapping *target;
	char text[sizeof(uri->host) + 32];
	uint64_t hash;

	snprintf(text, sizeof(text), "%s://%s%s%s:%u", uri->secure ? "coaps" : "coap",
		 bracketed ? "[" : "", uri->host, bracketed ? "]" : "", uri->port);
	hash = coax_hash(&forward->key, text, strlen(text));
	pthread_mutex_lock(&forward->lock);
	target = find(forward, hash, text);
	if (!target)
		target = create(forward, hash, text);
	if (target) {
		coax_mapping_get(target);
		cds_list_del(&target->order);
		cds_list_add_tail(&target->order, &forward->order);
	}
	pthread_mutex_unlock(&forward->lock);
	return target;
}

/*
 * Requests.
 */

/* Proxy-Uri as text; it takes the place of all that speaks of a URI (section 5.10.2). */
static int read_proxy_uri(const struct coax_option *option, char text[URI_MAX + 1])
{
	if (option->length > URI_MAX || memchr(option->value, 0, option->length))
		return -EINVAL;
	memcpy(text, option->value, option->length);
	text[option->length] = 0;
	return 0;
}

/* Proxy-Scheme, with what the request says besides, to a URI of scheme, host and port. */
static int read_proxy_scheme(const struct coax_option *scheme, const struct coax_message *request,
			     char text[URI_MAX + 1])
{
	struct coax_option host;
	uint32_t port = 0;
	bool bracketed;
	int length;

	if (!coax_message_find(request, COAX_URI_HOST, &host) || !host.length ||
	    memchr(host.value, 0, host.length) || memchr(host.value, '/', host.length))
		return -EINVAL;
	if (memchr(scheme->value, 0, scheme->length))
		return -EINVAL;
	bracketed = memchr(host.value, ':', host.length) && host.value[0] != '[';
	length = snprintf(text, URI_MAX + 1, "%.*s://%s%.*s%s", (int)scheme->length,
			  (const char *)scheme->value, bracketed ? "[" : "", (int)host.length,
			  (const char *)host.value, bracketed ? "]" : "");
	if (coax_message_find_uint(request, COAX_URI_PORT, &port) && length <= URI_MAX)
		length += snprintf(text + length, URI_MAX + 1 - (size_t)length, ":%u", port);
	return length <= URI_MAX ? 0 : -EINVAL;
}

static bool speaks_of_uri(uint16_t number)
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

/* What is asked of the target: its path and queries, and all other options of the request. */
static int build(struct coax_message *target, uint8_t buffer[MESSAGE_MAX],
		 const struct coax_message *request, const struct coax_uri *uri, bool is_whole)
{
	struct coax_option_iterator it = coax_options_begin(request);
	struct coax_option option;
	const uint8_t *payload;
	size_t length;
	int err;

	err = coax_message_start(target, buffer, MESSAGE_MAX, COAX_TYPE_CON,
				 coax_message_code(request), 0, NULL, 0);
	if (!err && is_whole) {
		err = coax_uri_add_options(uri, target, uri->port);
		coax_message_remove(target, COAX_URI_HOST);
	}
	while (!err && coax_options_next(&it, &option)) {
		if (speaks_of_uri(option.number) || (is_whole && (option.number == COAX_URI_PATH ||
								  option.number == COAX_URI_QUERY)))
			continue;
		err = coax_message_add(target, option.number, option.value, option.length);
	}
	payload = coax_message_payload(request, &length);
	/* One that does not fit goes along all the same; but what it asks for is not kept. */
	if (!err && coax_message_code(request) == COAX_FETCH)
		(void)coax_message_set_payload(target, payload, length);
	return err;
}

static void pass_on(struct coax_forward *forward, struct coax_responder *responder,
		    const struct coax_uri *uri, bool is_whole)
{
	struct coax_mapping *mapping;
	struct coax_message target;
	uint8_t buffer[MESSAGE_MAX];

	if (build(&target, buffer, coax_responder_request(responder), uri, is_whole)) {
		coax_respond_error(responder, COAX_BAD_OPTION, "the URI is too long");
		return;
	}
	mapping = obtain(forward, uri);
	if (!mapping) {
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "too many targets");
		return;
	}
	coax_proxy_handle_target(responder, mapping, &target);
	coax_mapping_put(mapping);
}

/*
 * Section 5.7: what is to be asked for securely is to come so, too. What observers are told is
 * rendered for those who did.
 */
static bool may_ask_for(const struct coax_responder *responder, const struct coax_uri *uri)
{
	return !uri->secure || coax_responder_claims(responder) || responder->let_in;
}

void coax_forward_handle(struct coax_forward *forward, struct coax_responder *responder)
{
	const struct coax_message *request = coax_responder_request(responder);
	struct coax_option option;
	const char *error = "a Proxy-Uri that cannot be understood";
	char text[URI_MAX + 1];
	struct coax_uri uri;
	bool is_whole;
	int err;

	is_whole = coax_message_find(request, COAX_PROXY_URI, &option);
	if (is_whole)
		err = read_proxy_uri(&option, text);
	else if (coax_message_find(request, COAX_PROXY_SCHEME, &option))
		err = read_proxy_scheme(&option, request, text);
	else
		err = -EINVAL;
	if (!err)
		err = coax_uri_parse(&uri, text, &error);
	if (err == -EPROTONOSUPPORT ||
	    (!err && (!may_ask_for(responder, &uri) ||
		      !is_allowed(coax_proxy_setup(forward->proxy)->allowed, &uri))))
		coax_respond_error(responder, COAX_PROXYING_NOT_SUPPORTED, "%s", "");
	else if (err)
		coax_respond_error(responder, COAX_BAD_OPTION, "%s", error);
	else
		pass_on(forward, responder, &uri, is_whole);
}
