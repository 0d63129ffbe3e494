// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any text is a link-format document or an error, and a document written from what was read has
 * the same links. The first line is the filter.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <coax/link.h>

static char *unescaped(const struct coax_link_attribute *attribute)
{
	char *value = malloc(attribute->value.length + 1), *out = value;

	for (size_t i = 0; i < attribute->value.length; i++) {
		if (attribute->quoted && attribute->value.at[i] == '\\')
			i++;
		*out++ = attribute->value.at[i];
	}
	*out = '\0';
	return value;
}

static void check_inside(const struct coax_text *piece, const struct coax_text *whole)
{
	assert(piece->at >= whole->at);
	assert(piece->at + piece->length <= whole->at + whole->length);
}

static void write_link(struct coax_link_writer *writer, const struct coax_link *link)
{
	struct coax_text attributes = link->attributes;
	struct coax_link_attribute attribute;
	int result;

	coax_link_begin(writer, link->target.at, link->target.length);
	while ((result = coax_link_attribute_next(&attributes, &attribute)) > 0) {
		char *name = strndup(attribute.name.at, attribute.name.length);
		char *value = attribute.value.at ? unescaped(&attribute) : NULL;

		check_inside(&attribute.name, &link->attributes);
		if (value)
			check_inside(&attribute.value, &link->attributes);
		coax_link_add(writer, name, value);
		free(value);
		free(name);
	}
	assert(result == 0);
}

/* Writes all links up to the end or the first error; returns how many. */
static int rewrite(struct coax_text document, const struct coax_text *filter,
		   struct coax_link_writer *writer, int *matching)
{
	struct coax_text whole = document;
	struct coax_link link;
	int count = 0;

	*matching = 0;
	while (coax_link_next(&document, &link) > 0) {
		check_inside(&link.target, &whole);
		check_inside(&link.attributes, &whole);
		*matching += coax_link_matches(&link, filter->at, filter->length);
		write_link(writer, &link);
		count++;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *newline = memchr(data, '\n', size);
	size_t filter_length = newline ? (size_t)(newline - (const char *)data) : 0;
	struct coax_text filter = {(const char *)data, filter_length};
	struct coax_text document = {(const char *)data, size};
	char *first = malloc(3 * size + 64), *second = malloc(3 * size + 64);
	struct coax_link_writer writer = {first, 3 * size + 64, 0};
	struct coax_link_writer again = {second, 3 * size + 64, 0};
	struct coax_text written;
	int count, matching, matching_again;

	if (newline) {
		document.at += filter_length + 1;
		document.length -= filter_length + 1;
	}
	count = rewrite(document, &filter, &writer, &matching);
	assert(writer.length <= writer.size);
	written = (struct coax_text){first, writer.length};
	assert(rewrite(written, &filter, &again, &matching_again) == count);
	assert(again.length == writer.length && memcmp(first, second, writer.length) == 0);
	/* Zero bytes are cut from values; control characters behind a backslash become spaces. */
	if (!memchr(document.at, '\\', document.length))
		assert(matching == matching_again);
	free(second);
	free(first);
	return 0;
}
