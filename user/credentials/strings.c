// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include "credentials/strings.h"

#define HIDDEN_SIZE (COAX_STRING_PLACE_DIGITS + 2) /* with its quotes */

/* The length of the string that begins at `place`, with both quotes; 0: it does not end. */
static size_t string_length(const struct coax_json_text *text, size_t place)
{
	for (size_t at = place + 1; at < text->length; at++) {
		unsigned char c = (unsigned char)text->at[at];

		if (c == '"')
			return at + 1 - place;
		if (c < 0x20)
			return 0;
		if (c == '\\')
			at++;
	}
	return 0;
}

static bool is_structure(char c)
{
	return c && strchr("{}[]:, \t\r\n", c);
}

/* The length of a word outside strings. 0: it is none that is understood. */
static size_t word_length(const struct coax_json_text *text, size_t place)
{
	static const char *const words[] = {"null", "true", "false"};
	size_t length = 0;

	while (place + length < text->length && !is_structure(text->at[place + length]) &&
	       text->at[place + length] != '"')
		length++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (length == strlen(words[i]) && !memcmp(text->at + place, words[i], length))
			return length;
	return 0;
}

static size_t hidden_size(const struct coax_json_text *text)
{
	size_t quotes = 0;

	for (size_t i = 0; i < text->length; i++)
		quotes += text->at[i] == '"';
	return text->length + quotes * HIDDEN_SIZE + 1;
}

static size_t write_place(char *to, size_t place)
{
	char digits[HIDDEN_SIZE + 1];

	snprintf(digits, sizeof(digits), "\"%08x\"", (unsigned int)place);
	memcpy(to, digits, HIDDEN_SIZE);
	return HIDDEN_SIZE;
}

int coax_strings_hide(const struct coax_json_text *text, char **hidden, size_t *length,
		      const char **problem, size_t *place)
{
	char *out = malloc(hidden_size(text));
	size_t written = 0, step;

	if (!out)
		return -ENOMEM;
	for (size_t at = 0; at < text->length; at += step) {
		*place = at;
		if (is_structure(text->at[at])) {
			out[written++] = text->at[at];
			step = 1;
		} else if (text->at[at] == '"') {
			step = string_length(text, at);
			*problem = "a text without an end: a quote is missing in this line";
			written += step ? write_place(out + written, at) : 0;
		} else {
			step = word_length(text, at);
			*problem = "something that is neither null nor a text in double quotes";
			memcpy(out + written, text->at + at, step);
			written += step;
		}
		if (!step) {
			free(out);
			return -EINVAL;
		}
	}
	*hidden = out;
	*length = written;
	return 0;
}

size_t coax_string_place(const char *hidden)
{
	return strtoul(hidden, NULL, 16);
}

unsigned int coax_string_line(const struct coax_json_text *text, size_t place)
{
	unsigned int line = 1;

	for (size_t i = 0; i < place && i < text->length; i++)
		line += text->at[i] == '\n';
	return line;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return digit ? (int)(digit - digits) : -1;
}

/* "\uXXXX" at `at`: the number, or -1. The string's last quote comes in time. */
static int32_t read_unicode(const char *at)
{
	int32_t number = 0;

	if (at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		number = number << 4 | digit;
	}
	return number;
}

static char *write_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* Two escapes can make one character (RFC 8259 section 7). */
static bool unescape_unicode(const char **from, char **to)
{
	int32_t first = read_unicode(*from), second;
	uint32_t c = (uint32_t)first;

	if (first <= 0)
		return false;
	*from += 6;
	if (first >= 0xd800 && first <= 0xdfff) {
		second = read_unicode(*from);
		if (first >= 0xdc00 || second < 0xdc00 || second > 0xdfff)
			return false;
		c = 0x10000 + (((uint32_t)first & 0x3ff) << 10 | ((uint32_t)second & 0x3ff));
		*from += 6;
	}
	*to = write_utf8(*to, c);
	return true;
}

static bool unescape(const char **from, char **to)
{
	static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *name;

	if ((*from)[1] == 'u')
		return unescape_unicode(from, to);
	name = strchr(names, (*from)[1]);
	if (!name || !*name)
		return false;
	*(*to)++ = meant[name - names];
	*from += 2;
	return true;
}

int coax_string_read(const struct coax_json_text *text, size_t place, char **string)
{
	size_t length = string_length(text, place);
	const char *from = text->at + place + 1;
	const char *end = text->at + place + length - 1;
	char *out, *to;

	if (!length)
		return -EINVAL;
	out = calloc(1, length);
	if (!out)
		return -ENOMEM;
	to = out;
	while (from < end) {
		if (*from != '\\') {
			*to++ = *from++;
		} else if (!unescape(&from, &to)) {
			OPENSSL_cleanse(out, length);
			free(out);
			return -EINVAL;
		}
	}
	*string = out;
	return 0;
}

void coax_string_free(char *string)
{
	if (string)
		OPENSSL_cleanse(string, strlen(string));
	free(string);
}
