// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>
#include "links.h"
#include "output.h"
#include "show.h"

/* Targets longer than this do not push the attributes of all others to the right. */
#define TARGET_COLUMNS_MAX 40

static bool is_wanted(const struct coax_link *link, const struct link_filters *filters)
{
	for (int i = 0; i < filters->count; i++) {
		if (!coax_link_matches(link, filters->text[i], strlen(filters->text[i])))
			return false;
	}
	return true;
}

int links_next(struct coax_text *document, const struct link_filters *filters,
	       struct coax_link *link)
{
	int more;

	do {
		more = coax_link_next(document, link);
	} while (more > 0 && !is_wanted(link, filters));
	return more;
}

static int print_attributes(FILE *to, const struct coax_link *link)
{
	struct coax_text attributes = link->attributes;
	struct coax_link_attribute attribute;
	int more;

	while ((more = coax_link_attribute_next(&attributes, &attribute)) > 0) {
		const char *quote = attribute.quoted ? "\"" : "";

		fputc(' ', to);
		output_safe(to, attribute.name.at, attribute.name.length);
		if (!attribute.value.at)
			continue;
		fprintf(to, "=%s", quote);
		output_safe(to, attribute.value.at, attribute.value.length);
		fputs(quote, to);
	}
	return more;
}

int links_print(FILE *to, const struct coax_text *document, const struct link_filters *filters,
		const char *indent)
{
	struct coax_text rest = *document;
	struct coax_link link;
	int more, columns, width = 0, count = 0;

	while ((more = links_next(&rest, filters, &link)) > 0) {
		if (link.target.length <= TARGET_COLUMNS_MAX && (int)link.target.length > width)
			width = (int)link.target.length;
	}
	if (more < 0)
		return more;
	rest = *document;
	while (links_next(&rest, filters, &link) > 0) {
		fputs(indent, to);
		columns = output_safe(to, link.target.at, link.target.length);
		if (link.attributes.length)
			fprintf(to, "%*s", columns < width ? width - columns + 1 : 1, "");
		more = print_attributes(to, &link);
		fputc('\n', to);
		if (more < 0)
			return more;
		count++;
	}
	return count;
}

bool show_link(FILE *to, const void *data, size_t length)
{
	static const struct link_filters all;
	const struct coax_text document = {.at = data, .length = length};

	return links_print(to, &document, &all, "") >= 0;
}
