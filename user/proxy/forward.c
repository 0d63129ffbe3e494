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
#define MESSAGE_MAX 2048

/* Above those of mappings. */
#define SPACE_OF_TARGETS (UINT64_C(1) << 63)
#define PORT_ANY	 (-1)
#define PORT_DEFAULT	 (-2) /* the scheme's */

struct allowed {
	char *host; /* "*": any; "*.x": all below x */
	int port;
};

struct coax_forward {
	struct coax_proxy *proxy;
	struct coax_hash_key key;
	struct allowed *allowed;
	size_t allowed_count;
	pthread_mutex_t lock; /* what is below */
	struct cds_hlist_head targets[TARGETS_MAX];
	struct cds_list_head order; /* asked for longest ago first */
	uint32_t count;
};

/*
 * What is allowed.
 */

static int read_allowed(struct allowed *allowed, const char *text)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strrchr(text, ']');
	size_t length = strlen(text);
	unsigned int port = 0;
	int end = 0;

	allowed->port = PORT_DEFAULT;
	/* The last colon is before a port, but in an IPv6 address without brackets. */
	if (colon && (bracket ? colon > bracket : strchr(text, ':') == colon)) {
		length = (size_t)(colon - text);
		if (strcmp(colon, ":*") == 0)
			allowed->port = PORT_ANY;
		else if (sscanf(colon, ":%5u%n", &port, &end) != 1 || colon[end] || !port ||
			 port > UINT16_MAX)
			return -EINVAL;
		else
			allowed->port = (int)port;
	}
	if (bracket && *text == '[') {
		text++;
		length -= 2;
	}
	if (!length)
		return -EINVAL;
	allowed->host = strndup(text, length);
	return allowed->host ? 0 : -ENOMEM;
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

static bool is_allowed(const struct coax_forward *forward, const struct coax_uri *uri)
{
	for (size_t i = 0; i < forward->allowed_count; i++) {
		const struct allowed *allowed = &forward->allowed[i];

		if (is_port_allowed(allowed->port, uri) &&
		    is_host_allowed(allowed->host, uri->host))
			return true;
	}
	return false;
}

int coax_forward_create(struct coax_forward **result, struct coax_proxy *proxy,
			const char *const *allowed, size_t count)
{
	struct coax_forward *forward = calloc(1, sizeof(*forward));
	int err;

	if (!forward)
		return -ENOMEM;
	forward->proxy = proxy;
	pthread_mutex_init(&forward->lock, NULL);
	CDS_INIT_LIST_HEAD(&forward->order);
	err = coax_hash_key_random(&forward->key);
	forward->allowed = calloc(count, sizeof(*forward->allowed));
	if (!err && !forward->allowed)
		err = -ENOMEM;
	for (size_t i = 0; i < count && !err; i++) {
		err = read_allowed(&forward->allowed[i], allowed[i]);
		forward->allowed_count += !err;
		if (err)
			coax_log(&proxy->logger, COAX_LOG_ERROR, "cannot proxy to %s: %s",
				 allowed[i], strerror(-err));
	}
	if (err)
		coax_forward_destroy(forward);
	else
		*result = forward;
	return err;
}

/*
 * Targets.
 */

static void drop(struct coax_forward *forward, struct coax_mapping *target)
{
	cds_hlist_del(&target->node);
	cds_list_del(&target->order);
	forward->count--;
	coax_mapping_destroy(target);
	free(target);
}

void coax_forward_destroy(struct coax_forward *forward)
{
	if (!forward)
		return;
	while (!cds_list_empty(&forward->order))
		drop(forward, cds_list_first_entry(&forward->order, struct coax_mapping, order));
	for (size_t i = 0; i < forward->allowed_count; i++)
		free(forward->allowed[i].host);
	free(forward->allowed);
	pthread_mutex_destroy(&forward->lock);
	free(forward);
}

/* The one asked for longest ago that nobody waits for. */
static bool make_room(struct coax_forward *forward)
{
	struct coax_mapping *target;

	if (forward->count < TARGETS_MAX)
		return true;
	cds_list_for_each_entry (target, &forward->order, order)
		if (!atomic_load(&target->references)) {
			drop(forward, target);
			return true;
		}
	return false;
}

static struct coax_mapping *find(struct coax_forward *forward, uint64_t hash, const char *uri)
{
	struct cds_hlist_node *node = forward->targets[hash % TARGETS_MAX].next;

	for (; node; node = node->next) {
		struct coax_mapping *target = caa_container_of(node, struct coax_mapping, node);

		if (target->hash == hash && strcmp(target->origins[0].uri, uri) == 0)
			return target;
	}
	return NULL;
}

static struct coax_mapping *create(struct coax_forward *forward, uint64_t hash, const char *uri)
{
	struct coax_mapping *target;
	const char *error;

	if (!make_room(forward))
		return NULL;
	target = calloc(1, sizeof(*target));
	if (!target)
		return NULL;
	target->origins = calloc(1, sizeof(*target->origins));
	if (!target->origins || coax_origin_create(&target->origins[0], uri, &error)) {
		free(target->origins);
		free(target);
		return NULL;
	}
	target->origin_count = 1;
	target->proxy = forward->proxy;
	/* The same when it has been dropped and is asked for again: so changes find what is stored.
	 */
	target->space = hash | SPACE_OF_TARGETS;
	target->hash = hash;
	(void)coax_message_start(&target->prefix, target->bytes, sizeof(target->bytes),
				 COAX_TYPE_CON, COAX_GET, 0, NULL, 0);
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
		atomic_fetch_add(&target->references, 1);
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
	atomic_fetch_sub(&mapping->references, 1);
}

void coax_forward_handle(struct coax_forward *forward, struct coax_responder *responder)
{
	const char *error = "a Proxy-Uri that cannot be understood";
	struct coax_proxied proxied;
	int err;

	err = coax_proxied_read(&proxied, coax_responder_request(responder), &error);
	if (err == -EPROTONOSUPPORT || (!err && (!coax_proxied_may_ask(&proxied, responder) ||
						 !is_allowed(forward, &proxied.uri))))
		coax_respond_error(responder, COAX_PROXYING_NOT_SUPPORTED, "%s", "");
	else if (err)
		coax_respond_error(responder, COAX_BAD_OPTION, "%s", error);
	else
		pass_on(forward, responder, &proxied);
}
