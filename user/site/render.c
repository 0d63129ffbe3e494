// SPDX-License-Identifier: BSD-2-Clause
/*
 * From a request to its handler, through what RFC 7252 section 5 wants checked before one runs.
 */
#include <stdio.h>
#include <coax/option.h>
#include "site/responder.h"
#include "site/tree.h"

#define DIAGNOSTIC_MAX 128

/* Critical options that are dealt with here or by coax_responder_preconditions(). */
static const uint16_t understood[] = {
	COAX_URI_HOST, COAX_URI_PORT,	   COAX_URI_PATH,  COAX_URI_QUERY,    COAX_ACCEPT,
	COAX_IF_MATCH, COAX_IF_NONE_MATCH, COAX_PROXY_URI, COAX_PROXY_SCHEME,
};

/* How many of these, from the start, are understood when... */
enum {
	UNDERSTOOD_ALWAYS = 5,
	UNDERSTOOD_CONDITIONAL = 7,
	UNDERSTOOD_PROXIED = 9,
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

static void refuse_option(struct coax_responder *responder, uint16_t number,
			  size_t understood_count)
{
	const struct coax_option_info *info = coax_option_info(number);
	const char *what = "is not understood here";
	char diagnostic[DIAGNOSTIC_MAX];

	for (size_t i = 0; i < understood_count; i++)
		if (understood[i] == number)
			what = "has a bad length or is repeated";
	if (info)
		snprintf(diagnostic, sizeof(diagnostic), "option %s %s", info->name, what);
	else
		snprintf(diagnostic, sizeof(diagnostic), "option %u %s", number, what);
	refuse(responder, COAX_BAD_OPTION, diagnostic);
}

/*
 * Section 5.10.2: who is no proxy says so, if all the rest can be understood. Returns whether the
 * request was for a proxy, and so has been answered.
 */
static bool refuse_proxying(struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	struct coax_option option;
	uint16_t bad;

	if (!coax_message_find(request, COAX_PROXY_URI, &option) &&
	    !coax_message_find(request, COAX_PROXY_SCHEME, &option))
		return false;
	bad = coax_message_bad_option(request, understood, UNDERSTOOD_PROXIED);
	if (bad)
		refuse_option(responder, bad, UNDERSTOOD_PROXIED);
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
	size_t count =
		resource && !resource->conditional ? UNDERSTOOD_ALWAYS : UNDERSTOOD_CONDITIONAL;
	uint16_t bad = coax_message_bad_option(&responder->request, understood, count);

	if (!bad)
		return false;
	/* The options of a proxy are critical too: only now need they be looked for. */
	if (!refuse_proxying(responder))
		refuse_option(responder, bad, count);
	return true;
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

static void run(struct coax_responder *responder, const struct coax_resource *resource,
		coax_handler_fn handler)
{
	char description[COAX_DESCRIPTION_MAX];

	handler(responder, resource->arg);
	if (responder->answered)
		return;
	coax_log(responder->logger, COAX_LOG_ERROR, "the handler neither answered nor deferred %s",
		 coax_message_describe(&responder->request, description, sizeof(description)));
	coax_responder_refuse(responder, COAX_INTERNAL_SERVER_ERROR, "");
}

/*
 * The generation is read before rendering begins, and only then is it looked whether the resource
 * that was found still is the one for this path: a later change of either kind makes the generation
 * old (see take_over() in site.c).
 */
static void set_subject(struct coax_responder *responder, const struct coax_site *site,
			unsigned long version, const struct coax_resource *resource)
{
	responder->cacheable_queries = resource->cacheable_queries;
	if (!resource->subject || coax_message_code(&responder->request) != COAX_GET)
		return;
	responder->generation = coax_subject_generation(resource->subject);
	if (__atomic_load_n(&site->version, __ATOMIC_SEQ_CST) == version)
		responder->subject = resource->subject;
}

void coax_site_render(struct coax_site *site, struct coax_responder *responder)
{
	const struct coax_message *request = &responder->request;
	uint8_t code = coax_message_code(request);
	const struct coax_resource *resource;
	struct coax_site_path path;
	unsigned long version;

	if (!site) {
		refuse(responder, COAX_NOT_FOUND, "not a server");
		return;
	}
	coax_site_path_read(&path, request);
	version = __atomic_load_n(&site->version, __ATOMIC_SEQ_CST);
	resource = coax_site_find(site, &path);

	if (refuse_bad_option(responder, resource))
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
	} else {
		set_subject(responder, site, version, resource);
		run(responder, resource, resource->handlers[code]);
	}
}
