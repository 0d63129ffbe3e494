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
#include "hash.h"
#include "proxy/internal.h"

#define TARGETS_MAX 1024

/* Above those of mappings. */
#define SPACE_OF_TARGETS (UINT64_C(1) << 63)
#define PORT_ANY	 (-1)
#define PORT_DEFAULT	 (-2) /* the scheme's */

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

static bool is_kept(const struct coax_forward *forward, uint64_t space)
{
	const struct cds_hlist_node *node = forward->targets[space % TARGETS_MAX].next;

	while (node && caa_container_of(node, struct coax_mapping, node)->space != space)
		node = node->next;
	return node;
}

static bool is_gone(void *arg, uint64_t space)
{
	return space & SPACE_OF_TARGETS && !is_kept(arg, space);
}

/*
 * What is stored of targets that were dropped before goes, too: nothing says any more whose it is,
 * and so whether it may stay.
 */
void coax_forward_sweep(struct coax_forward *forward, const struct coax_allowed *allowed)
{
	struct coax_cache *cache = forward->proxy->cache;
	struct coax_mapping *target, *next;
	struct coax_uri uri;
	const char *error;
	CDS_LIST_HEAD(gone);

	pthread_mutex_lock(&forward->lock);
	cds_list_for_each_entry_safe (target, next, &forward->order, order) {
		if (allowed && !coax_uri_parse(&uri, target->origins[0]->uri, &error) &&
		    is_allowed(allowed, &uri))
			continue;
		take_out(forward, target);
		atomic_store(&target->retired, true);
		cds_list_add(&target->order, &gone);
	}
	coax_cache_lock(cache);
	coax_cache_forget_spaces(cache, is_gone, forward);
	coax_cache_unlock(cache);
	pthread_mutex_unlock(&forward->lock);
	cds_list_for_each_entry_safe (target, next, &gone, order)
		coax_mapping_put(target);
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
	/* The same when it has been dropped and is asked for again: so changes find what is stored.
	 */
	target->space = hash | SPACE_OF_TARGETS;
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

static void pass_on(struct coax_forward *forward, struct coax_responder *responder,
		    const struct coax_proxied *proxied)
{
	struct coax_mapping *mapping;
	struct coax_message target;
	uint8_t buffer[COAX_TARGET_MESSAGE_MAX];

	if (coax_proxied_build(proxied, &target, buffer, sizeof(buffer),
			       coax_responder_request(responder))) {
		coax_respond_error(responder, COAX_BAD_OPTION, "the URI is too long");
		return;
	}
	mapping = obtain(forward, &proxied->uri);
	if (!mapping) {
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "too many targets");
		return;
	}
	coax_proxy_handle_target(responder, mapping, &target);
	coax_mapping_put(mapping);
}

void coax_forward_handle(struct coax_forward *forward, struct coax_responder *responder)
{
	const char *error = "a Proxy-Uri that cannot be understood";
	struct coax_proxied proxied;
	int err;

	err = coax_proxied_read(&proxied, coax_responder_request(responder), &error);
	if (err == -EPROTONOSUPPORT ||
	    (!err && (!coax_proxied_may_ask(&proxied, responder) ||
		      !is_allowed(coax_proxy_setup(forward->proxy)->allowed, &proxied.uri))))
		coax_respond_error(responder, COAX_PROXYING_NOT_SUPPORTED, "%s", "");
	else if (err)
		coax_respond_error(responder, COAX_BAD_OPTION, "%s", error);
	else
		pass_on(forward, responder, &proxied);
}
