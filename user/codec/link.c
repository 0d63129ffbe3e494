// SPDX-License-Identifier: BSD-2-Clause
/* Link-format documents, read and written: RFC 6690 section 2. */
#include <coax/link.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "codec/text.h"

static bool is_reserved(char c)
{
	return is_sub_delim(c) || is_one_of(c, ":/?#[]@");
}

/* A character of a URI-Reference (RFC 3986 section 4.1). */
static bool is_uri_char(char c)
{
	return is_unreserved(c) || is_reserved(c) || c == '%';
}

/* parmname of RFC 5987 section 3.2.1, with the star that marks an extended value. */
static bool is_name_char(char c)
{
	return is_alpha(c) || is_digit(c) || is_one_of(c, "!#$&+-.^_`|~*");
}

/* ptokenchar: what can be a value without quotes. */
static bool is_token_char(char c)
{
	return c > ' ' && c < 0x7f && !is_one_of(c, "\",;\\");
}

/* TEXT of RFC 2616 section 2.2: no control characters but white space. */
static bool is_text_char(char c)
{
	return ((unsigned char)c >= ' ' || is_one_of(c, "\t\r\n")) && c != 0x7f;
}

static char first(const struct coax_text *text)
{
	return text->length ? *text->at : '\0';
}

static void skip(struct coax_text *text, size_t length)
{
	text->at += length;
	text->length -= length;
}

static struct coax_text take_while(struct coax_text *text, bool (*accept)(char c))
{
	struct coax_text taken = {text->at, 0};

	while (text->length && accept(*text->at)) {
		skip(text, 1);
		taken.length++;
	}
	return taken;
}

/* A quoted-string, from its opening quote on. */
static int take_quoted(struct coax_text *text, struct coax_text *value)
{
	skip(text, 1);
	*value = (struct coax_text){text->at, 0};
	while (text->length && *text->at != '"') {
		size_t length = *text->at == '\\' ? 2 : 1;

		if (text->length < length || !is_text_char(*text->at))
			return -EBADMSG;
		if (length == 2 && text->at[1] & 0x80)
			return -EBADMSG;
		skip(text, length);
		value->length += length;
	}
	if (!text->length)
		return -EBADMSG;
	skip(text, 1);
	return 0;
}

/* Returns 1, 0 where no attribute follows, or -EBADMSG. */
static int take_attribute(struct coax_text *text, struct coax_link_attribute *attribute)
{
	if (first(text) != ';')
		return 0;
	skip(text, 1);
	*attribute = (struct coax_link_attribute){.name = take_while(text, is_name_char)};
	if (!attribute->name.length)
		return -EBADMSG;
	if (first(text) != '=')
		return 1;
	skip(text, 1);
	if (first(text) == '"') {
		attribute->quoted = true;
		return take_quoted(text, &attribute->value) ? -EBADMSG : 1;
	}
	attribute->value = take_while(text, is_token_char);
	return attribute->value.length ? 1 : -EBADMSG;
}

int coax_link_attribute_next(struct coax_text *attributes, struct coax_link_attribute *attribute)
{
	struct coax_text text = *attributes;
	int result;

	if (!text.length)
		return 0;
	result = take_attribute(&text, attribute);
	if (result <= 0)
		return -EBADMSG;
	*attributes = text;
	return 1;
}

int coax_link_next(struct coax_text *document, struct coax_link *link)
{
	struct coax_link_attribute attribute;
	struct coax_text text = *document;
	struct coax_link found;
	int result;

	if (!text.length)
		return 0;
	if (first(&text) != '<')
		return -EBADMSG;
	skip(&text, 1);
	found.target = take_while(&text, is_uri_char);
	if (first(&text) != '>')
		return -EBADMSG;
	skip(&text, 1);

	found.attributes = text;
	do {
		result = take_attribute(&text, &attribute);
	} while (result > 0);
	if (result < 0)
		return result;
	found.attributes.length -= text.length;

	if (text.length) {
		if (first(&text) != ',')
			return -EBADMSG;
		skip(&text, 1);
		/* A comma announces another link. */
		if (!text.length)
			return -EBADMSG;
	}
	*document = text;
	*link = found;
	return 1;
}

void coax_link_begin(struct coax_link_writer *writer, const char *target, size_t length)
{
	struct text text = {writer->text, writer->size, writer->length};

	if (text.length)
		text_put(&text, ',');
	text_put(&text, '<');
	for (size_t i = 0; i < length; i++) {
		if (is_uri_char(target[i]))
			text_put(&text, target[i]);
		else
			text_percent_encode(&text, (unsigned char)target[i]);
	}
	text_put(&text, '>');
	writer->length = text.length;
}

/* RFC 6690 section 3 and RFC 7252 section 7.2.1: a cardinal stands without quotes. */
static bool is_cardinal(const char *name, const char *value)
{
	if (strcasecmp(name, "ct") != 0 && strcasecmp(name, "sz") != 0)
		return false;
	return *value && value[strspn(value, "0123456789")] == '\0';
}

void coax_link_add(struct coax_link_writer *writer, const char *name, const char *value)
{
	struct text text = {writer->text, writer->size, writer->length};

	text_put(&text, ';');
	text_string(&text, name);
	if (value && is_cardinal(name, value)) {
		text_put(&text, '=');
		text_string(&text, value);
	} else if (value) {
		text_string(&text, "=\"");
		for (; *value; value++) {
			if (is_one_of(*value, "\"\\"))
				text_put(&text, '\\');
			text_put(&text, is_text_char(*value) ? *value : ' ');
		}
		text_put(&text, '"');
	}
	writer->length = text.length;
}
