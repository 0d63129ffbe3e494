// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a request to its handler, through what RFC 7252 section 5 wants checked before one runs.
 */
#include <stdio.h>
#include <coax/block.h>
#include <coax/option.h>
#include "site/access.h"
#include "site/echo.h"
#include "site/gateway.h"
#include "site/queue.h"
#include "site/responder.h"
#include "site/tree.h"

#define DIAGNOSTIC_MAX 128

/*
 * Critical options that are dealt with here, by coax_responder_preconditions() or by who gathers
 * and cuts bodies. What is understood when is a stretch of them.
 */
static const uint16_t understood[] = {
	COAX_PROXY_URI, COAX_PROXY_SCHEME, COAX_IF_MATCH, COAX_IF_NONE_MATCH,
	COAX_URI_HOST,	COAX_URI_PORT,	   COAX_URI_PATH, COAX_URI_QUERY,
	COAX_ACCEPT,	COAX_BLOCK2,	   COAX_BLOCK1,
};

/* Where it begins... */
enum {
	FROM_PROXIED = 0,
	FROM_CONDITIONAL = 2,
	FROM_ALWAYS = 4,
};

/* ... and ends. */
enum {
	TO_ALWAYS = 9,
	TO_BLOCKS = 11,
};

/* Log a request that no handler gets to see, and answer it. */
static void refuse(struct coax_responder *responder, uint8_t code, const char *diagnostic)
{
	const struct coax_logger *logger = responder->logger;
	char description[COAX_DESCRIPTION_MAX];
	char address[COAX_ADDRESS_TEXT_MAX];
	char name[8];

	if (coax_log_wants(logger, COAX_LOG_INFO))
		coax_log(logger, COAX_LOG_INFO, "%s to %s from %s%s%s", coax_code_name(code, name),
			 coax_message_describe(&responder->request, description,
					       sizeof(description)),
			 coax_address_format(&responder->remote, address), *diagnostic ? ": " : "",
			 diagnostic);
	coax_responder_refuse(responder, code, diagnostic);
}

static size_t understood_to(const struct coax_responder *responder)
{
	return responder->ops->gather ? TO_BLOCKS : TO_ALWAYS;
}

/* The first critical option that is not understood, with `from` of the list understood; or 0. */
static uint16_t find_bad_option(const struct coax_responder *responder, size_t from)
{
	return coax_message_bad_option(&responder->request, understood + from,
				       understood_to(responder) - from);
}

static void refuse_option(struct coax_responder *responder, uint16_t number, size_t from)
{
	const struct coax_option_info *info = coax_option_info(number);
	const char *what = "is not understood here";
	char diagnostic[DIAGNOSTIC_MAX];

	for (size_t i = from; i < understood_to(responder); i++)
		if (understood[i] == number)
			what = "has a bad length or is repeated";
	if (info)
		snprintf(diagnostic, sizeof(diagnostic), "option %s %s", info->name, what);
	else
		snprintf(diagnostic, sizeof(diagnostic), "option %u %s", number, what);
	refuse(responder, COAX_BAD_OPTION, diagnostic);
}

static bool is_proxied(const struct coax_message *request)
{
	struct coax_option option;

	return coax_message_find(request, COAX_PROXY_URI, &option) ||
	       coax_message_find(request, COAX_PROXY_SCHEME, &option);
}

/*
 * Section 5.10.2: who is no proxy says so, if all the rest can be understood. Returns whether the
 * request was for a proxy, and so has been answered.
 */
static bool refuse_proxying(struct coax_responder *responder)
{
	uint16_t bad;

	if (!is_proxied(&responder->request))
		return false;
	bad = find_bad_option(responder, FROM_PROXIED);
	if (bad)
		refuse_option(responder, bad, FROM_PROXIED);
	else
		refuse(responder, COAX_PROXYING_NOT_SUPPORTED, "");
	return true;
}

/*
 * Section 5.4.1: a request with a critical option that is not understood is not executed. Returns
 * whether it was one, and so has been answered.
 */
static bool refuse_bad_option(struct coax_responder *responder,
			      const struct coax_resource *resource)
{
	/* Where there is no resource, conditions do not matter (section 5.10.8). */
	size_t from = resource && !resource->conditional ? FROM_ALWAYS : FROM_CONDITIONAL;
	uint16_t bad = find_bad_option(responder, from);

	if (!bad)
		return false;
	/* The options of a proxy are critical too: only now need they be looked for. */
	if (!refuse_proxying(responder))
		refuse_option(responder, bad, from);
	return true;
}

/*
 * Values that make a bad request: a Hop-Limit that is not one byte from 1 to 255 (RFC 8768
 * section 3; who answers itself needs no more of it), and the reserved block size (RFC 7959
 * section 2.2). Returns whether there was one, and so the request has been answered.
 */
static bool refuse_bad_value(struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	struct coax_option limit;
	struct coax_block block;

	if (coax_message_find(request, COAX_HOP_LIMIT, &limit) &&
	    (limit.length != 1 || limit.value[0] == 0)) {
		refuse(responder, COAX_BAD_REQUEST, "Hop-Limit is one byte from 1 to 255");
		return true;
	}
	if (coax_message_find_block(request, COAX_BLOCK1, &block) < 0 ||
	    coax_message_find_block(request, COAX_BLOCK2, &block) < 0) {
		refuse(responder, COAX_BAD_REQUEST, "a block size that is reserved");
		return true;
	}
	return false;
}

static bool is_listed(uint32_t format, const uint16_t *formats, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (formats[i] == format)
			return true;
	return false;
}

static void refuse_format(struct coax_responder *responder, uint8_t code, const char *what,
			  const uint16_t *formats, size_t count)
{
	char diagnostic[DIAGNOSTIC_MAX];
	int length = snprintf(diagnostic, sizeof(diagnostic), "%s", what);

	for (size_t i = 0; i < count; i++)
		length += snprintf(diagnostic + length, sizeof(diagnostic) - (size_t)length, " %u",
				   formats[i]);
	refuse(responder, code, diagnostic);
}

/* Section 5.10.4. */
static bool is_acceptable(const struct coax_message *request, const struct coax_resource *resource)
{
	uint32_t format;

	return coax_message_code(request) != COAX_GET || resource->format_count == 0 ||
	       !coax_message_find_uint(request, COAX_ACCEPT, &format) ||
	       is_listed(format, resource->formats, resource->format_count);
}

/*
 * Section 5.10.3. The payload of a GET or DELETE has no meaning (section 5.5). Content-Format is
 * elective: one that is too long is as good as absent (section 5.4.3).
 */
static bool is_format_taken(const struct coax_message *request,
			    const struct coax_resource *resource)
{
	uint8_t code = coax_message_code(request);
	struct coax_option format;

	return resource->accept_count == 0 || code == COAX_GET || code == COAX_DELETE ||
	       request->payload == request->length ||
	       !coax_message_find(request, COAX_CONTENT_FORMAT, &format) ||
	       format.length > sizeof(uint16_t) ||
	       is_listed(coax_option_uint(&format), resource->accepts, resource->accept_count);
}

/*
 * RFC 7641 section 2. Observe is elective: another value, and what no uint of three bytes is, are
 * as good as absent.
 */
static enum coax_observe_wish read_wish(const struct coax_message *request)
{
	uint8_t code = coax_message_code(request);
	struct coax_option observe;

	if ((code != COAX_GET && code != COAX_FETCH) ||
	    !coax_message_find(request, COAX_OBSERVE, &observe) || observe.length > 3)
		return COAX_OBSERVE_NOTHING;
	switch (coax_option_uint(&observe)) {
	case 0:
		return COAX_OBSERVE_REGISTER;
	case 1:
		return COAX_OBSERVE_DEREGISTER;
	default:
		return COAX_OBSERVE_NOTHING;
	}
}

static bool is_safe(const struct coax_message *request)
{
	uint8_t code = coax_message_code(request);

	return code == COAX_GET || code == COAX_FETCH;
}

/*
 * What is refused before a handler runs is so because of what the Site has, and stays so until that
 * changes. `generation` was read before it was looked.
 */
static void set_site_subject(struct coax_responder *responder, const struct coax_site *site,
			     uint64_t generation)
{
	if (!is_safe(&responder->request) || responder->wish != COAX_OBSERVE_NOTHING)
		return;
	responder->subject = site->subject;
	responder->generation = generation;
	responder->cacheable_queries = true;
}

/*
 * The generation is read before rendering begins, and only then is it looked whether the resource
 * that was found still is the one for this path: a later change of either kind makes the generation
 * old (see take_over() in site.c). If it may not be, the generation is one that is old already:
 * nothing is published, and observers look again. (The first one is not: nothing has been taken
 * over from the resource yet.)
 */
static void set_subject(struct coax_responder *responder, const struct coax_site *site,
			unsigned long version, const struct coax_resource *resource)
{
	responder->subject = NULL;
	responder->cacheable_queries = resource->cacheable_queries;
	responder->only_observable = !resource->cacheable;
	responder->must_be_fresh = resource->fresh_ms != 0;
	if (!resource->subject || !is_safe(&responder->request))
		return;
	responder->subject = resource->subject;
	responder->generation = coax_subject_generation(resource->subject);
	if (__atomic_load_n(&site->version, __ATOMIC_SEQ_CST) != version &&
	    responder->generation > 0)
		responder->generation--;
}

static void set_observation(struct coax_responder *responder, const struct coax_resource *resource)
{
	responder->observable = resource->observable && is_safe(&responder->request);
	responder->notifications = resource->notifications;
}

/*
 * A body in blocks is put together first, or handed on in parts. Returns whether the handler is to
 * run; otherwise the request has been answered.
 */
static bool gather(struct coax_responder *responder, const struct coax_resource *resource)
{
	struct coax_option block;

	if (!resource->streaming && !coax_message_find(&responder->request, COAX_BLOCK1, &block))
		return true;
	if (!responder->ops->gather) {
		refuse(responder, COAX_BAD_OPTION, "no bodies in blocks here");
		return false;
	}
	responder->streaming = resource->streaming;
	return responder->ops->gather(responder, resource->streaming,
				      __atomic_load_n(&resource->body_max, __ATOMIC_RELAXED));
}

/* `settled` outlives the handler, and is let go of when it is set. */
static void begin(struct coax_responder *responder, const struct coax_resource *resource,
		  bool *settled)
{
	*settled = false;
	responder->settled = settled;
	responder->resource = resource;
}

void coax_responder_run(struct coax_responder *responder, const struct coax_resource *resource)
{
	char description[COAX_DESCRIPTION_MAX];
	bool settled;

	begin(responder, resource, &settled);
	resource->handlers[coax_message_code(&responder->request)](responder, resource->arg);
	if (settled)
		return;
	coax_log(responder->logger, COAX_LOG_ERROR, "the handler neither answered nor deferred %s",
		 coax_message_describe(&responder->request, description, sizeof(description)));
	coax_responder_refuse(responder, COAX_INTERNAL_SERVER_ERROR, "");
}

/* Have the handler run where the resource's queue is processed. */
static void enqueue(struct coax_responder *responder, const struct coax_resource *resource)
{
	struct coax_responder *later = coax_responder_defer(responder);

	if (!later) {
		refuse(responder, COAX_SERVICE_UNAVAILABLE, "too many requests are waiting");
		return;
	}
	later->resource = resource;
	coax_queue_add(resource->queue, later);
}

/* RFC 7252 sections 5.9.2.2 and 5.9.2.4. Nobody learns of what they may not use, by size or form.
 */
static void refuse_access(struct coax_responder *responder)
{
	refuse(responder, responder->claims ? COAX_FORBIDDEN : COAX_UNAUTHORIZED, "");
}

/*
 * Whether the rules speak against the request, whatever there may be at its path. One to a
 * forward-proxy is about none of ours (section 5.10.2), whatever Uri-Path says besides: who sends
 * it has to be let in at "/", too.
 */
static bool is_forbidden(const struct coax_site *site, const struct coax_responder *responder,
			 const struct coax_site_path *path)
{
	static const struct coax_site_path root = {.whole = true};
	const struct coax_access *access = coax_site_access(site);
	const struct coax_message *request = &responder->request;
	uint8_t method = coax_message_code(request);

	if (!access || responder->let_in)
		return false;
	return !coax_access_allows(access, responder->claims, method, path) ||
	       (is_proxied(request) &&
		!coax_access_allows(access, responder->claims, method, &root));
}

static bool lacks_security(const struct coax_responder *responder,
			   const struct coax_resource *resource)
{
	return resource && resource->secure && !responder->claims && !responder->let_in;
}

void coax_site_render(struct coax_site *site, struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	uint8_t code = coax_message_code(request);
	const struct coax_resource *resource;
	struct coax_site_path path;
	unsigned long version;

	/* Also for what is refused: who deregisters does so even where nothing is any more. */
	responder->wish = read_wish(request);
	if (!site) {
		refuse(responder, COAX_NOT_FOUND, "not a server");
		return;
	}
	coax_site_path_read(&path, request);
	if (is_forbidden(site, responder, &path)) {
		refuse_access(responder);
		return;
	}
	set_site_subject(responder, site, coax_subject_generation(site->subject));
	version = __atomic_load_n(&site->version, __ATOMIC_SEQ_CST);
	resource = coax_site_gateway(site, request);
	if (!resource)
		resource = coax_site_find(site, &path);
	if (lacks_security(responder, resource)) {
		refuse_access(responder);
		return;
	}
	if (!(resource && resource->proxying) && refuse_bad_option(responder, resource))
		return;
	if (refuse_bad_value(responder))
		return;
	/* Section 5.8: a method that nobody knows is not allowed on what does not exist either. */
	if (code == COAX_EMPTY || code >= COAX_METHODS_MAX) {
		refuse(responder, COAX_METHOD_NOT_ALLOWED, "");
	} else if (!resource) {
		refuse(responder, COAX_NOT_FOUND, "");
	} else if (!resource->handlers[code]) {
		refuse(responder, COAX_METHOD_NOT_ALLOWED, "");
	} else if (!is_acceptable(request, resource)) {
		refuse_format(responder, COAX_NOT_ACCEPTABLE, "formats here:", resource->formats,
			      resource->format_count);
	} else if (!is_format_taken(request, resource)) {
		refuse_format(responder, COAX_UNSUPPORTED_CONTENT_FORMAT,
			      "formats taken here:", resource->accepts, resource->accept_count);
	} else if (resource->fresh_ms == 0 || coax_echo_is_fresh(responder, resource->fresh_ms)) {
		set_subject(responder, site, version, resource);
		set_observation(responder, resource);
		if (!gather(responder, resource))
			return;
		if (resource->queue)
			enqueue(responder, resource);
		else
			coax_responder_run(responder, resource);
	}
}
