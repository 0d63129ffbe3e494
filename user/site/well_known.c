// SPDX-License-Identifier: BSD-2-Clause
/*
 * /.well-known/core: the links of a Site (RFC 6690).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <coax/link.h>
#include <coax/option.h>
#include "site/access.h"
#include "site/responder.h"
#include "site/tree.h"

/* A request with more filters than this is refused: each costs a look at each link. */
#define FILTERS_MAX 16
/* More than that has to be filtered: anybody may ask for the list, as often as they like. */
#define LINKS_MAX    4096
#define DOCUMENT_MAX 65536
/* What the subtrees' callbacks may write, the links among it that are kept included. */
#define SCRATCH_MAX 65536

struct listed {
	struct coax_text target;
	struct coax_text whole;
};

struct listing {
	const struct coax_responder *responder;
	const struct coax_access *access;
	struct coax_text filters[FILTERS_MAX];
	size_t filter_count;
	struct listed links[LINKS_MAX];
	size_t link_count;
	size_t length; /* of the document that they make */
	size_t scratch_used;
	bool untold; /* something in it changes without a word */
	char scratch[SCRATCH_MAX];
	char document[DOCUMENT_MAX];
};

static int read_filters(struct listing *listing)
{
	struct coax_option_iterator it = coax_options_begin(&listing->responder->request);
	struct coax_option option;

	while (coax_options_next(&it, &option)) {
		if (option.number != COAX_URI_QUERY)
			continue;
		if (listing->filter_count == FILTERS_MAX)
			return -E2BIG;
		listing->filters[listing->filter_count++] = (struct coax_text){
			.at = (const char *)option.value,
			.length = option.length,
		};
	}
	return 0;
}

/* Nobody is told of what they may not read. */
static bool is_told(const struct listing *listing, const struct coax_link *link)
{
	return listing->responder->let_in ||
	       coax_access_lists(listing->access, listing->responder->claims, link->target.at,
				 link->target.length);
}

static bool is_wanted(const struct listing *listing, const struct coax_link *link)
{
	if (!is_told(listing, link))
		return false;
	for (size_t i = 0; i < listing->filter_count; i++)
		if (!coax_link_matches(link, listing->filters[i].at, listing->filters[i].length))
			return false;
	return true;
}

static int compare(const void *one, const void *other)
{
	const struct coax_text *a = &((const struct listed *)one)->target;
	const struct coax_text *b = &((const struct listed *)other)->target;
	size_t shorter = a->length < b->length ? a->length : b->length;
	int difference = memcmp(a->at, b->at, shorter);

	if (difference)
		return difference;
	return (a->length > b->length) - (a->length < b->length);
}

/* Its texts stay where they are. */
static int append(struct listing *listing, const struct listed *new)
{
	listing->length += new->whole.length + (listing->link_count ? 1 : 0);
	if (listing->length > DOCUMENT_MAX || listing->link_count == LINKS_MAX)
		return -EMSGSIZE;
	listing->links[listing->link_count++] = *new;
	return 0;
}

/* A resource's own link, which lives as long as the RCU read section. */
static int list_resource(struct listing *listing, const struct coax_resource *resource)
{
	struct coax_text document = {.at = resource->link, .length = resource->link_length};
	struct listed new = {.whole = document};
	struct coax_link link;

	if (coax_link_next(&document, &link) != 1 || !is_wanted(listing, &link))
		return 0;
	new.target = link.target;
	return append(listing, &new);
}

static struct coax_text whole_link(const struct coax_link *link)
{
	const char *begin = link->target.at - 1; /* the '<' */
	const char *end = link->target.at + link->target.length + 1;

	if (link->attributes.length)
		end = link->attributes.at + link->attributes.length;
	return (struct coax_text){.at = begin, .length = (size_t)(end - begin)};
}

/* Move a link to the end of those that are kept in the scratch memory. */
static struct listed keep(struct listing *listing, const struct coax_link *link)
{
	struct coax_text from = whole_link(link);
	char *kept = listing->scratch + listing->scratch_used;

	memmove(kept, from.at, from.length);
	listing->scratch_used += from.length;
	return (struct listed){
		.whole = {.at = kept, .length = from.length},
		.target = {.at = kept + 1, .length = link->target.length},
	};
}

/*
 * The links that a subtree's callback writes. Those that are wanted are moved together at the
 * scratch memory's start, never past where reading has got to; the rest is for the next callback.
 */
static int list_subtree(struct listing *listing, const struct coax_resource *resource)
{
	struct coax_link_writer writer = {
		.text = listing->scratch + listing->scratch_used,
		.size = sizeof(listing->scratch) - listing->scratch_used,
	};
	struct coax_text document;
	struct coax_link link;
	int result;

	resource->links(&writer, resource->arg);
	if (writer.length > writer.size)
		return -EMSGSIZE;
	document.at = writer.text;
	document.length = writer.length;
	while ((result = coax_link_next(&document, &link)) == 1) {
		struct listed kept;

		if (!is_wanted(listing, &link))
			continue;
		kept = keep(listing, &link);
		result = append(listing, &kept);
		if (result < 0)
			return result;
	}
	return result;
}

static bool is_kept_secret(const struct coax_responder *responder,
			   const struct coax_resource *resource)
{
	return resource->secure && !responder->claims && !responder->let_in;
}

static int list_all(struct listing *listing, const struct coax_site *site)
{
	struct coax_resource *resource = NULL;
	struct cds_lfht_iter iter;
	int err;

	cds_lfht_for_each_entry (site->table, &iter, resource, node) {
		coax_taken_over(resource);
		if (resource->hidden || is_kept_secret(listing->responder, resource))
			continue;
		listing->untold |= resource->links && !resource->links_are_told;
		err = resource->links ? list_subtree(listing, resource)
				      : list_resource(listing, resource);
		if (err == -EBADMSG)
			coax_log(listing->responder->logger, COAX_LOG_ERROR,
				 "the links below %.*s are no link-format",
				 (int)resource->link_length, resource->link);
		else if (err)
			return err;
	}
	return 0;
}

/* Sorted by target, so that it is the same each time. */
static void write_document(struct listing *listing)
{
	char *text = listing->document;

	qsort(listing->links, listing->link_count, sizeof(listing->links[0]), compare);
	for (size_t i = 0; i < listing->link_count; i++) {
		const struct coax_text *link = &listing->links[i].whole;

		if (i > 0)
			*text++ = ',';
		memcpy(text, link->at, link->length);
		text += link->length;
	}
}

static void refuse_too_large(struct coax_responder *responder, struct coax_site *site)
{
	if (!__atomic_exchange_n(&site->too_large_said, true, __ATOMIC_RELAXED))
		coax_log(responder->logger, COAX_LOG_WARNING,
			 "/.well-known/core has more than %d links or %d bytes", LINKS_MAX,
			 DOCUMENT_MAX);
	coax_respond_error(responder, COAX_INTERNAL_SERVER_ERROR,
			   "more than %d links or %d bytes: filter them", LINKS_MAX, DOCUMENT_MAX);
}

static void respond(struct coax_responder *responder, struct coax_site *site,
		    struct listing *listing)
{
	struct coax_message *response = coax_responder_response(responder);
	uint64_t generation = coax_subject_generation(site->subject);

	listing->responder = responder;
	listing->filter_count = listing->link_count = listing->length = listing->scratch_used = 0;
	listing->untold = false;
	listing->access = coax_site_access(site);
	if (read_filters(listing) < 0) {
		coax_respond_error(responder, COAX_BAD_REQUEST, "more than %d filters",
				   FILTERS_MAX);
		return;
	}
	if (list_all(listing, site) < 0) {
		refuse_too_large(responder, site);
		return;
	}
	write_document(listing);
	coax_responder_subject(responder, listing->untold ? NULL : site->subject, generation);
	if (coax_message_add_uint(response, COAX_CONTENT_FORMAT, COAX_FORMAT_LINK) < 0 ||
	    coax_responder_set_payload(responder, listing->document, listing->length) < 0)
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "no room");
	else
		coax_respond(responder, COAX_CONTENT);
}

void coax_well_known_get(struct coax_responder *responder, void *arg)
{
	/* Larger than some threads' stacks. */
	struct listing *listing = malloc(sizeof(*listing));

	if (listing)
		respond(responder, arg, listing);
	else
		coax_respond_error(responder, COAX_SERVICE_UNAVAILABLE, "no memory");
	free(listing);
}
