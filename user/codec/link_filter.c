// SPDX-License-Identifier: BSD-2-Clause
/* Which links a query asks for: RFC 6690 section 4.1. */
#include <coax/link.h>

#include <string.h>
#include <strings.h>

/* What a filter asks for: a whole value, or the beginning of one. */
struct pattern {
	const char *at;
	size_t length;
	bool prefix;
};

/* An attribute's value, character by character, without the backslashes of a quoted one. */
struct characters {
	const char *at;
	const char *end;
	bool quoted;
};

static bool next_character(struct characters *value, char *c)
{
	if (value->at == value->end)
		return false;
	if (value->quoted && *value->at == '\\' && value->end - value->at > 1)
		value->at++;
	*c = *value->at++;
	return true;
}

static bool matches_whole(struct characters value, const struct pattern *pattern)
{
	char c;

	for (size_t i = 0; i < pattern->length; i++) {
		if (!next_character(&value, &c) || c != pattern->at[i])
			return false;
	}
	return pattern->prefix || value.at == value.end;
}

/* Whether one of the words between spaces matches. */
static bool matches_word(struct characters value, const struct pattern *pattern)
{
	bool more = true;

	while (more) {
		size_t matched = 0;
		bool differs = false, empty = true;
		char c;

		while ((more = next_character(&value, &c)) && c != ' ') {
			empty = false;
			if (matched < pattern->length)
				differs |= c != pattern->at[matched++];
			else
				differs |= !pattern->prefix;
		}
		if (!empty && !differs && matched == pattern->length)
			return true;
	}
	return false;
}

static bool has_name(const struct coax_text *text, const char *name, size_t length)
{
	return text->length == length && strncasecmp(text->at, name, length) == 0;
}

static bool is_list(const struct coax_text *name)
{
	static const char *const lists[] = {"rt", "if", "rel", "rev", "ct"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (has_name(name, lists[i], strlen(lists[i])))
			return true;
	}
	return false;
}

static bool attribute_matches(const struct coax_link_attribute *attribute,
			      const struct pattern *pattern)
{
	/* An attribute without a value is compared as if it were empty. */
	const char *text = attribute->value.at ? attribute->value.at : "";
	struct characters value = {text, text + attribute->value.length, attribute->quoted};

	if (pattern->prefix && pattern->length == 0)
		return true;
	if (is_list(&attribute->name))
		return matches_word(value, pattern);
	return matches_whole(value, pattern);
}

bool coax_link_matches(const struct coax_link *link, const void *filter, size_t length)
{
	const char *text = filter, *equals;
	struct coax_text attributes = link->attributes;
	struct coax_link_attribute attribute;
	struct pattern pattern = {.prefix = true};
	size_t name_length = length;

	if (length == 0)
		return true;
	equals = memchr(text, '=', length);
	if (equals) {
		name_length = (size_t)(equals - text);
		pattern.at = equals + 1;
		pattern.length = length - name_length - 1;
		pattern.prefix = pattern.length && pattern.at[pattern.length - 1] == '*';
		pattern.length -= pattern.prefix;
	}

	if (name_length == 4 && strncasecmp(text, "href", 4) == 0) {
		struct characters target = {
			.at = link->target.at,
			.end = link->target.at + link->target.length,
		};

		return matches_whole(target, &pattern);
	}
	while (coax_link_attribute_next(&attributes, &attribute) > 0) {
		if (has_name(&attribute.name, text, name_length) &&
		    attribute_matches(&attribute, &pattern))
			return true;
	}
	return false;
}
